use super::{Epsilon, WeightDecay, optimizer};
use crate::error::{ConfigError, Range};
use crate::rule::{Real, Rule};
use burn::config::Config;
use burn::grad_clipping::GradientClippingConfig;
use serde::{Deserialize, Serialize};

/// Where [`Amsgrad`] corrects the bias of its averages.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AmsgradForm {
    /// The maximum over the raw `v`, then the correction: PyTorch, Burn.
    MaximumThenCorrection,
    /// The correction, then the maximum over `v̂`: optax.
    CorrectionThenMaximum,
    /// No correction of `m` and `v` at all: the lecture (Kitov), Reddi et al.
    Uncorrected,
}

/// Configuration of [`Amsgrad`]: Adam whose second moment never shrinks (Reddi et al. 2018; coverage D12).
///
/// ```text
/// m ← β₁·m + (1 − β₁)·g
/// v ← β₂·v + (1 − β₂)·g²
/// v̂ ← max(v̂, v)
/// θ ← θ − η · m/(1 − β₁ᵗ) / (√(v̂/(1 − β₂ᵗ)) + ε)
/// ```
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `beta_1` | 0.9 | `[0, 1)` | share of the past in the mean of `g` |
/// | `beta_2` | 0.999 | `[0, 1)` | share of the past in the mean of `g²` |
/// | `epsilon` | `Outside(1e-8)` | `(0, ∞)` | inside or outside the root |
/// | `form` | `MaximumThenCorrection` | | where the bias is corrected |
/// | `weight_decay` | none | | L2, or decoupled as in AdamW |
/// | `grad_clipping` | none | | Burn's clipping, per tensor |
///
/// Learning rate: 1e-3 is usual. Burn's `Adam` has an `amsgrad` flag (PyTorch's form); this one adds the other forms,
/// `f64` coefficients and the fused pass.
///
/// ```
/// use burn_descent::optim::AmsgradConfig;
///
/// let optimizer = AmsgradConfig::pytorch().init()?;
/// # Ok::<(), burn_descent::ConfigError>(())
/// ```
#[derive(Config, Debug)]
pub struct AmsgradConfig {
    /// Share of the past in the mean of `g`, in `[0, 1)`.
    #[config(default = 0.9)]
    pub beta_1: f64,
    /// Share of the past in the mean of `g²`, in `[0, 1)`.
    #[config(default = 0.999)]
    pub beta_2: f64,
    /// Keeps the division finite.
    #[config(default = "Epsilon::Outside(1e-8)")]
    pub epsilon: Epsilon,
    /// Where the bias is corrected.
    #[config(default = "AmsgradForm::MaximumThenCorrection")]
    pub form: AmsgradForm,
    /// Decay of the weights.
    pub weight_decay: Option<WeightDecay>,
    /// Clipping of each gradient before the step.
    pub grad_clipping: Option<GradientClippingConfig>,
}

impl AmsgradConfig {
    /// PyTorch's `Adam(amsgrad=True)`. The default; learning rate 1e-3.
    pub fn pytorch() -> Self {
        Self::new()
    }

    /// optax's `amsgrad`: the maximum is taken after the correction. Learning rate 1e-3.
    pub fn optax() -> Self {
        Self::new().with_form(AmsgradForm::CorrectionThenMaximum)
    }

    /// The lecture's (Kitov): no correction anywhere. Learning rate 1e-3.
    pub fn lecture() -> Self {
        Self::new().with_form(AmsgradForm::Uncorrected)
    }

    /// Burn's `Adam` with `amsgrad`: PyTorch's form with ε 1e-5.
    pub fn burn() -> Self {
        Self::new().with_epsilon(Epsilon::Outside(1e-5))
    }
}

/// Coefficients of one AMSGrad step.
#[derive(Clone, Copy, Debug)]
pub struct AmsgradScalars {
    eta: f64,
    v_before_maximum: f64,
    v_after_maximum: f64,
}

impl Rule<3> for AmsgradConfig {
    type Scalars = AmsgradScalars;
    const NAME: &'static str = "Amsgrad";
    const STATE: [&'static str; 3] = ["moment_1", "moment_2", "max_moment_2"];

    fn scalars(&self, lr: f64, time: u64, _carry: &mut [f64]) -> AmsgradScalars {
        let correct = |beta: f64| 1.0 / (1.0 - beta.powf(time as f64));
        let (m, before, after) = match self.form {
            AmsgradForm::MaximumThenCorrection => (correct(self.beta_1), 1.0, correct(self.beta_2)),
            AmsgradForm::CorrectionThenMaximum => (correct(self.beta_1), correct(self.beta_2), 1.0),
            AmsgradForm::Uncorrected => (1.0, 1.0, 1.0),
        };
        AmsgradScalars { eta: lr * m, v_before_maximum: before, v_after_maximum: after }
    }

    #[inline(always)]
    fn update<R: Real>(&self, s: &AmsgradScalars, theta: R, g: R, [m, v, v_max]: [R; 3]) -> (R, [R; 3]) {
        let m = m * self.beta_1 + g.clone() * (1.0 - self.beta_1);
        let v = v * self.beta_2 + g.square() * (1.0 - self.beta_2);
        let v_max = v_max.max(v.clone() * s.v_before_maximum);
        let v_hat = v_max.clone() * s.v_after_maximum;
        (theta - m.clone() * s.eta / self.epsilon.root(v_hat), [m, v, v_max])
    }

    fn check(&self) -> Result<(), ConfigError> {
        Range::Decay.check(Self::NAME, "beta_1", self.beta_1)?;
        Range::Decay.check(Self::NAME, "beta_2", self.beta_2)?;
        self.epsilon.check(Self::NAME)
    }
}

optimizer!(Amsgrad, AmsgradConfig, 3);
