use super::{Epsilon, WeightDecay, optimizer};
use crate::error::{ConfigError, Range};
use crate::rule::{Real, Rule};
use burn::config::Config;
use burn::grad_clipping::GradientClippingConfig;
use serde::{Deserialize, Serialize};

/// Which of Zeiler's two updates [`Adadelta`] follows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdadeltaForm {
    /// The final update, in the parameter's own units: `Δθ = −RMS[Δθ]ₜ₋₁ / RMS[g]ₜ · g` (Ruder eq. 11). The
    /// learning rate only scales it and is 1 by default.
    Units,
    /// The preliminary update, with a learning rate: `Δθ = −η / RMS[g]ₜ · g` (Ruder eq. 7). Keeps one state tensor.
    Preliminary,
}

/// Configuration of [`Adadelta`] (Zeiler 2012; coverage D6).
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
/// | `epsilon` | 1e-6 | `(0, ∞)` | inside both roots; also starts the first steps off |
/// | `form` | `Units` | | final or preliminary update |
/// | `weight_decay` | none | | L2 or decoupled |
/// | `grad_clipping` | none | | Burn's clipping, per tensor |
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
    /// Share of the past in the averages of `g²` and `Δθ²`, in `[0, 1)`.
    #[config(default = 0.9)]
    pub rho: f64,
    /// Added inside both roots, in `(0, ∞)`.
    #[config(default = 1e-6)]
    pub epsilon: f64,
    /// Final or preliminary update.
    #[config(default = "AdadeltaForm::Units")]
    pub form: AdadeltaForm,
    /// Decay of the weights.
    pub weight_decay: Option<WeightDecay>,
    /// Clipping of each gradient before the step.
    pub grad_clipping: Option<GradientClippingConfig>,
}

impl AdadeltaConfig {
    /// PyTorch's `Adadelta`: ρ 0.9, ε 1e-6, learning rate 1. The default.
    pub fn pytorch() -> Self {
        Self::new()
    }

    /// optax's `adadelta`: the same numbers as PyTorch's.
    pub fn optax() -> Self {
        Self::new()
    }

    /// Zeiler's choice for MNIST: ρ 0.95, ε 1e-6, learning rate 1.
    pub fn zeiler() -> Self {
        Self::new().with_rho(0.95)
    }

    /// The preliminary update of the lecture (Ruder eq. 7): γ 0.9, with a learning rate such as 0.001.
    pub fn preliminary() -> Self {
        Self::new().with_form(AdadeltaForm::Preliminary)
    }
}

/// Coefficients of one Adadelta step.
#[derive(Clone, Copy, Debug)]
pub struct AdadeltaScalars {
    eta: f64,
}

impl Rule<2> for AdadeltaConfig {
    type Scalars = AdadeltaScalars;
    const NAME: &'static str = "Adadelta";
    const STATE: [&'static str; 2] = ["square_average", "delta_average"];

    fn keeps(&self) -> [bool; 2] {
        [true, self.form == AdadeltaForm::Units]
    }

    fn scalars(&self, lr: f64, _time: u64, _carry: &mut [f64]) -> AdadeltaScalars {
        AdadeltaScalars { eta: lr }
    }

    #[inline(always)]
    fn update<R: Real>(&self, s: &AdadeltaScalars, theta: R, g: R, [v, u]: [R; 2]) -> (R, [R; 2]) {
        let epsilon = Epsilon::Inside(self.epsilon);
        let v = v * self.rho + g.clone().square() * (1.0 - self.rho);
        match self.form {
            AdadeltaForm::Units => {
                let delta = epsilon.root(u.clone()) / epsilon.root(v.clone()) * g;
                let u = u * self.rho + delta.clone().square() * (1.0 - self.rho);
                (theta - delta * s.eta, [v, u])
            }
            AdadeltaForm::Preliminary => (theta - g * s.eta / epsilon.root(v.clone()), [v, u]),
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        Range::Decay.check(Self::NAME, "rho", self.rho)?;
        Range::Positive.check(Self::NAME, "epsilon", self.epsilon)
    }
}

optimizer!(Adadelta, AdadeltaConfig, 2);
