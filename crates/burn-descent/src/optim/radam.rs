use super::{BiasCorrection, Epsilon, WeightDecay, optimizer};
use crate::error::{ConfigError, ValueRange};
use crate::rule::{Real, Rule};
use burn::config::Config;
use burn::grad_clipping::GradientClippingConfig;
use serde::{Deserialize, Serialize};

/// Chooses in which order [`Radam`] adds ε and corrects `v` for its start from zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RadamForm {
    /// Adds ε, as `√v + ε`, then corrects; rectifies where `ρₜ > 5`: PyTorch. Next to `√v̂` that is an ε of
    /// `ε/√(1 − β₂ᵗ)`, which shrinks with the correction.
    EpsilonThenCorrection,
    /// Corrects, then adds ε, as `√v̂ + ε`; rectifies where `ρₜ ≥ 5`: optax.
    CorrectionThenEpsilon,
}

/// Configures [`Radam`], Adam whose first steps are rectified for the variance of its average of squares (Liu et al.
/// 2020, algorithm 2).
///
/// In the first steps the average of squares rests on few gradients. Its variance is known, and the step is shortened
/// by it; where it is not even finite, the step is momentum's alone.
///
/// ```text
/// m ← β₁·m + (1 − β₁)·g
/// v ← β₂·v + (1 − β₂)·g²
/// ρ∞ = 2/(1 − β₂) − 1,   ρₜ = ρ∞ − 2t·β₂ᵗ/(1 − β₂ᵗ)
/// ρₜ > 5:  θ ← θ − η·r·m̂ / (√v̂ + ε),   r = √((ρₜ−4)(ρₜ−2)ρ∞ / ((ρ∞−4)(ρ∞−2)ρₜ))
/// else:    θ ← θ − η·m̂
/// ```
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `beta_1` | 0.9 | `[0, 1)` | share of the past in the mean of `g` |
/// | `beta_2` | 0.999 | `[0, 1)` | share of the past in the mean of `g²`; up to 0.6 every step is momentum's |
/// | `epsilon` | `Outside(1e-8)` | `[1.2e-38, ∞)` | inside or outside the root |
/// | `form` | `EpsilonThenCorrection` | | whether ε or the correction comes first |
/// | `weight_decay` | none | | L2 or decoupled |
/// | `grad_clipping` | none | `(0, ∞)` | Burn's clipping, per tensor |
///
/// Learning rate: 1e-3.
///
/// ```
/// use burn_descent::optim::RadamConfig;
///
/// let optimizer = RadamConfig::new().init()?;
/// # Ok::<(), burn_descent::ConfigError>(())
/// ```
#[doc(alias = "with_betas")]
#[doc(alias = "with_eps")]
#[derive(Config, Debug)]
pub struct RadamConfig {
    /// Sets β₁, the share of the past in the moving average of the gradient `g`, in `[0, 1)`.
    #[config(default = 0.9)]
    pub beta_1: f64,
    /// Sets β₂, the share of the past in the moving average of the squared gradient `g²`, in `[0, 1)`.
    #[config(default = 0.999)]
    pub beta_2: f64,
    /// Keeps the division finite.
    #[config(default = "Epsilon::Outside(1e-8)")]
    pub epsilon: Epsilon,
    /// Chooses whether ε or the correction comes first.
    #[config(default = "RadamForm::EpsilonThenCorrection")]
    pub form: RadamForm,
    /// Sets the decay of the weights.
    pub weight_decay: Option<WeightDecay>,
    /// Clips each gradient before the step, if set; its threshold is in `(0, ∞)`.
    pub grad_clipping: Option<GradientClippingConfig>,
}

impl RadamConfig {
    /// Reproduces PyTorch's `RAdam`. The default; learning rate 1e-3.
    pub fn pytorch() -> Self {
        Self::new()
    }

    /// Reproduces optax's `radam`.
    pub fn optax() -> Self {
        Self::new().with_form(RadamForm::CorrectionThenEpsilon)
    }

    /// r, where the variance of step `time` is finite.
    fn rectification(&self, time: u64) -> Option<f64> {
        let power = self.beta_2.powf(time as f64);
        let rho_inf = 2.0 / (1.0 - self.beta_2) - 1.0;
        let rho = rho_inf - 2.0 * time as f64 * power / (1.0 - power);
        let rectified = match self.form {
            RadamForm::EpsilonThenCorrection => rho > 5.0,
            RadamForm::CorrectionThenEpsilon => rho >= 5.0,
        };
        let ratio = (rho - 4.0) * (rho - 2.0) * rho_inf / ((rho_inf - 4.0) * (rho_inf - 2.0) * rho);
        rectified.then(|| ratio.sqrt())
    }
}

impl Rule<2> for RadamConfig {
    /// Holds η·r and the corrections of `m` and `v`; of `v` none in the steps of momentum alone.
    type Coefficients = (f64, f64, Option<f64>);
    const NAME: &'static str = "Radam";
    const STATE: [&'static str; 2] = ["moment_1", "moment_2"];
    const ADDITIVE: bool = true;

    fn coefficients(&self, lr: f64, time: u64, _scalar_state: &mut [f64]) -> Self::Coefficients {
        let [correct_m, correct_v] =
            [self.beta_1, self.beta_2].map(|beta| BiasCorrection::Corrected.factor(beta, time));
        match (self.rectification(time), self.form) {
            (None, _) => (lr, correct_m, None),
            (Some(r), RadamForm::EpsilonThenCorrection) => (lr * r / correct_v.sqrt(), correct_m, Some(1.0)),
            (Some(r), RadamForm::CorrectionThenEpsilon) => (lr * r, correct_m, Some(correct_v)),
        }
    }

    #[inline(always)]
    fn update<R: Real>(&self, coefficients: &Self::Coefficients, theta: R, g: R, [m, v]: [R; 2]) -> (R, [R; 2]) {
        let &(eta, correct_m, correct_v) = coefficients;
        let m = m * self.beta_1 + g.clone() * (1.0 - self.beta_1);
        let v = v * self.beta_2 + g.weighted_square(1.0 - self.beta_2);
        let step = match correct_v {
            Some(correct_v) => m.clone() / self.epsilon.corrected_root(v.clone(), correct_v),
            None => m.clone(),
        };
        (theta - step * (eta * correct_m), [m, v])
    }

    fn weight_decay(&self) -> Option<WeightDecay> {
        self.weight_decay
    }

    fn check(&self) -> Result<(), ConfigError> {
        ValueRange::Decay.check(Self::NAME, "beta_1", self.beta_1)?;
        ValueRange::Decay.check(Self::NAME, "beta_2", self.beta_2)?;
        self.epsilon.check(Self::NAME)
    }
}

optimizer! {
    Radam(RadamConfig, 2),
    numbers: [beta_1, beta_2, epsilon],
    names: { "radam": [new at 1e-3, pytorch at 1e-3, optax at 1e-3] },
}
