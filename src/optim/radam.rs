use super::{Epsilon, WeightDecay, optimizer};
use crate::error::{ConfigError, Range};
use crate::rule::{Real, Rule};
use burn::config::Config;
use burn::grad_clipping::GradientClippingConfig;
use serde::{Deserialize, Serialize};

/// In which order [`Radam`] corrects `v` for its start from zero and meets ε.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RadamForm {
    /// `√v + ε`, then the correction; rectified where `ρₜ > 5`: PyTorch. ε shrinks with the correction.
    EpsilonThenCorrection,
    /// `√v̂ + ε`; rectified where `ρₜ ≥ 5`: optax.
    CorrectionThenEpsilon,
}

/// Configuration of [`Radam`]: Adam with a rectified variance (Liu et al. 2020, algorithm 2).
///
/// In the first steps the average of squares rests on few gradients. Its variance is known, and the step is shortened by
/// it; where it is not even finite, the step is momentum's alone.
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
/// | `epsilon` | `Outside(1e-8)` | `(0, ∞)` | inside or outside the root |
/// | `form` | `EpsilonThenCorrection` | | whether ε or the correction comes first |
/// | `weight_decay` | none | | L2 or decoupled |
/// | `grad_clipping` | none | | Burn's clipping, per tensor |
///
/// Learning rate: 1e-3.
///
/// ```
/// use burn_descent::optim::RadamConfig;
///
/// let optimizer = RadamConfig::new().init()?;
/// # Ok::<(), burn_descent::ConfigError>(())
/// ```
#[derive(Config, Debug)]
pub struct RadamConfig {
    /// Share of the past in the mean of `g`, in `[0, 1)`.
    #[config(default = 0.9)]
    pub beta_1: f64,
    /// Share of the past in the mean of `g²`, in `[0, 1)`.
    #[config(default = 0.999)]
    pub beta_2: f64,
    /// Keeps the division finite.
    #[config(default = "Epsilon::Outside(1e-8)")]
    pub epsilon: Epsilon,
    /// Whether ε or the correction comes first.
    #[config(default = "RadamForm::EpsilonThenCorrection")]
    pub form: RadamForm,
    /// Decay of the weights.
    pub weight_decay: Option<WeightDecay>,
    /// Clipping of each gradient before the step.
    pub grad_clipping: Option<GradientClippingConfig>,
}

impl RadamConfig {
    /// PyTorch's `RAdam`. The default; learning rate 1e-3.
    pub fn pytorch() -> Self {
        Self::new()
    }

    /// optax's `radam`.
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

/// Coefficients of one RAdam step.
#[derive(Clone, Copy, Debug)]
pub struct RadamScalars {
    from_m: f64,
    /// `None` in the steps of momentum alone.
    from_v: Option<f64>,
}

impl Rule<2> for RadamConfig {
    type Scalars = RadamScalars;
    const NAME: &'static str = "Radam";
    const STATE: [&'static str; 2] = ["moment_1", "moment_2"];

    fn scalars(&self, lr: f64, time: u64, _carry: &mut [f64]) -> RadamScalars {
        let correction = |beta: f64| 1.0 - beta.powf(time as f64);
        let from_m = lr / correction(self.beta_1);
        match (self.rectification(time), self.form) {
            (None, _) => RadamScalars { from_m, from_v: None },
            (Some(r), RadamForm::EpsilonThenCorrection) => {
                RadamScalars { from_m: from_m * r * correction(self.beta_2).sqrt(), from_v: Some(1.0) }
            }
            (Some(r), RadamForm::CorrectionThenEpsilon) => {
                RadamScalars { from_m: from_m * r, from_v: Some(1.0 / correction(self.beta_2)) }
            }
        }
    }

    #[inline(always)]
    fn update<R: Real>(&self, s: &RadamScalars, theta: R, g: R, [m, v]: [R; 2]) -> (R, [R; 2]) {
        let m = m * self.beta_1 + g.clone() * (1.0 - self.beta_1);
        let v = v * self.beta_2 + g.square() * (1.0 - self.beta_2);
        let m_hat = m.clone() * s.from_m;
        let step = match s.from_v {
            Some(from_v) => m_hat / self.epsilon.root(v.clone() * from_v),
            None => m_hat,
        };
        (theta - step, [m, v])
    }

    fn check(&self) -> Result<(), ConfigError> {
        Range::Decay.check(Self::NAME, "beta_1", self.beta_1)?;
        Range::Decay.check(Self::NAME, "beta_2", self.beta_2)?;
        self.epsilon.check(Self::NAME)
    }
}

optimizer!(Radam, RadamConfig, 2);
