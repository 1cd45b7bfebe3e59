use super::{Epsilon, WeightDecay, optimizer};
use crate::error::{ConfigError, ValueRange};
use crate::rule::{Real, Rule};
use burn::config::Config;
use burn::grad_clipping::GradientClippingConfig;
use serde::{Deserialize, Serialize};

/// Chooses which of Zeiler's two updates [`Adadelta`] follows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdadeltaForm {
    /// Takes the final update, in the parameter's own units: `Δθ = −RMS[Δθ]ₜ₋₁ / RMS[g]ₜ · g` (Ruder eq. 11). The
    /// learning rate only scales it and is 1 by default.
    Units,
    /// Takes the preliminary update, with a learning rate: `Δθ = −η / RMS[g]ₜ · g` (Ruder eq. 7). Keeps one state
    /// tensor.
    Preliminary,
}

/// Configures [`Adadelta`] (Zeiler 2012; coverage D6), which scales each gradient by the root mean square of past
/// updates over that of past gradients.
///
/// ```text
/// E[g²] ← ρ·E[g²] + (1 − ρ)·g²
///     δ = √(E[Δθ²] + ε) / √(E[g²] + ε) · g
/// E[Δθ²] ← ρ·E[Δθ²] + (1 − ρ)·δ²
///     θ ← θ − η·δ
/// ```
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `rho` | 0.9 | `[0, 1)` | share of the past in both averages; Zeiler's experiments use 0.95 |
/// | `epsilon` | 1e-6 | `[1.2e-38, ∞)` | inside both roots; also starts the first steps off |
/// | `form` | `Units` | | final or preliminary update |
/// | `weight_decay` | none | | L2 or decoupled |
/// | `grad_clipping` | none | `(0, ∞)` | Burn's clipping, per tensor |
///
/// Learning rate: 1 in the `Units` form. Defaults are PyTorch's and optax's, which agree to the last digit.
///
/// ```
/// use burn_descent::optim::AdadeltaConfig;
///
/// let optimizer = AdadeltaConfig::zeiler().init()?;
/// # Ok::<(), burn_descent::ConfigError>(())
/// ```
#[derive(Config, Debug)]
pub struct AdadeltaConfig {
    /// Sets ρ, the share of the past in the moving averages of the squares of gradients and updates, `g²` and `Δθ²`, in
    /// `[0, 1)`.
    #[config(default = 0.9)]
    pub rho: f64,
    /// Sets ε, which is added inside the roots of both averages, in `[1.2e-38, ∞)`.
    #[config(default = 1e-6)]
    pub epsilon: f64,
    /// Chooses the final or the preliminary update.
    #[config(default = "AdadeltaForm::Units")]
    pub form: AdadeltaForm,
    /// Sets the decay of the weights.
    pub weight_decay: Option<WeightDecay>,
    /// Clips each gradient before the step, if set; its threshold is in `(0, ∞)`.
    pub grad_clipping: Option<GradientClippingConfig>,
}

impl AdadeltaConfig {
    /// Reproduces PyTorch's `Adadelta`: ρ 0.9, ε 1e-6, learning rate 1. The default.
    pub fn pytorch() -> Self {
        Self::new()
    }

    /// Reproduces optax's `adadelta`, which has the same numbers as PyTorch's.
    pub fn optax() -> Self {
        Self::new()
    }

    /// Takes Zeiler's choice for MNIST: ρ 0.95, ε 1e-6, learning rate 1.
    pub fn zeiler() -> Self {
        Self::new().with_rho(0.95)
    }

    /// Takes the preliminary update of the lecture (Ruder eq. 7): γ 0.9, with a learning rate such as 0.001.
    pub fn preliminary() -> Self {
        Self::new().with_form(AdadeltaForm::Preliminary)
    }
}

impl Rule<2> for AdadeltaConfig {
    type Coefficients = f64;
    const NAME: &'static str = "Adadelta";
    const STATE: [&'static str; 2] = ["square_average", "delta_average"];
    const ADDITIVE: bool = true;

    fn state_in_use(&self) -> [bool; 2] {
        [true, self.form == AdadeltaForm::Units]
    }

    fn coefficients(&self, lr: f64, _time: u64, _scalar_state: &mut [f64]) -> f64 {
        lr
    }

    #[inline(always)]
    fn update<R: Real>(&self, eta: &f64, theta: R, g: R, [v, u]: [R; 2]) -> (R, [R; 2]) {
        let rms = Epsilon::Inside(self.epsilon);
        let v = v * self.rho + g.clone().weighted_square(1.0 - self.rho);
        match self.form {
            AdadeltaForm::Units => {
                let delta = rms.root(u.clone()) / rms.root(v.clone()) * g;
                let u = u * self.rho + delta.clone().weighted_square(1.0 - self.rho);
                (theta - delta * *eta, [v, u])
            }
            AdadeltaForm::Preliminary => (theta - g / rms.root(v.clone()) * *eta, [v, u]),
        }
    }

    fn weight_decay(&self) -> Option<WeightDecay> {
        self.weight_decay
    }

    fn check(&self) -> Result<(), ConfigError> {
        ValueRange::Decay.check(Self::NAME, "rho", self.rho)?;
        ValueRange::Epsilon.check(Self::NAME, "epsilon", self.epsilon)
    }
}

optimizer! {
    Adadelta(AdadeltaConfig, 2),
    numbers: [rho, epsilon],
    names: { "adadelta": [new at 1.0, pytorch at 1.0, optax at 1.0, zeiler at 1.0, preliminary at 1e-3] },
}
