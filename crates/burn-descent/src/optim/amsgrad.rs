use super::{BiasCorrection, Epsilon, WeightDecay, optimizer};
use crate::error::{ConfigError, ValueRange};
use crate::rule::{Real, Rule};
use burn::config::Config;
use burn::grad_clipping::GradientClippingConfig;
use serde::{Deserialize, Serialize};

/// Chooses where [`Amsgrad`] corrects the bias of its averages.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AmsgradForm {
    /// Takes the maximum over the raw `v`, then corrects: PyTorch, Burn.
    MaximumThenCorrection,
    /// Corrects, then takes the maximum over `v̂`: optax.
    CorrectionThenMaximum,
    /// Corrects neither `m` nor `v`: the lecture (Kitov), Reddi et al.
    Uncorrected,
}

/// Configures [`Amsgrad`], Adam whose second moment never shrinks (Reddi et al. 2018; coverage D12).
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
/// | `epsilon` | `Outside(1e-8)` | `[1.2e-38, ∞)` | inside or outside the root |
/// | `form` | `MaximumThenCorrection` | | where the bias is corrected |
/// | `weight_decay` | none | | L2, or decoupled as in AdamW |
/// | `grad_clipping` | none | `(0, ∞)` | Burn's clipping, per tensor |
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
#[doc(alias = "with_amsgrad")]
#[doc(alias = "with_betas")]
#[doc(alias = "with_eps")]
#[derive(Config, Debug)]
pub struct AmsgradConfig {
    /// Sets β₁, the share of the past in the moving average of the gradient `g`, in `[0, 1)`.
    #[config(default = 0.9)]
    pub beta_1: f64,
    /// Sets β₂, the share of the past in the moving average of the squared gradient `g²`, in `[0, 1)`.
    #[config(default = 0.999)]
    pub beta_2: f64,
    /// Keeps the division finite.
    #[config(default = "Epsilon::Outside(1e-8)")]
    pub epsilon: Epsilon,
    /// Chooses where the bias of the averages is corrected.
    #[config(default = "AmsgradForm::MaximumThenCorrection")]
    pub form: AmsgradForm,
    /// Sets the decay of the weights.
    pub weight_decay: Option<WeightDecay>,
    /// Clips each gradient before the step, if set; its threshold is in `(0, ∞)`.
    pub grad_clipping: Option<GradientClippingConfig>,
}

impl AmsgradConfig {
    /// Reproduces PyTorch's `Adam(amsgrad=True)`. The default; learning rate 1e-3.
    pub fn pytorch() -> Self {
        Self::new()
    }

    /// Reproduces optax's `amsgrad`: the maximum is taken after the correction. Learning rate 1e-3.
    pub fn optax() -> Self {
        Self::new().with_form(AmsgradForm::CorrectionThenMaximum)
    }

    /// Follows the lecture (Kitov): no correction anywhere. Learning rate 1e-3.
    pub fn lecture() -> Self {
        Self::new().with_form(AmsgradForm::Uncorrected)
    }

    /// Reproduces Burn's `Adam` with `amsgrad`: PyTorch's form with ε 1e-5.
    pub fn burn() -> Self {
        Self::new().with_epsilon(Epsilon::Outside(1e-5))
    }
}

impl Rule<3> for AmsgradConfig {
    type Coefficients = [f64; 4];
    const NAME: &'static str = "Amsgrad";
    const STATE: [&'static str; 3] = ["moment_1", "moment_2", "max_moment_2"];
    const ADDITIVE: bool = true;
    const VARIANTS: &'static [&'static str] = &["raw_maximum", "corrected_maximum"];

    fn variant(&self) -> Option<&'static str> {
        Some(match self.form {
            AmsgradForm::MaximumThenCorrection | AmsgradForm::Uncorrected => "raw_maximum",
            AmsgradForm::CorrectionThenMaximum => "corrected_maximum",
        })
    }

    /// Computes η and the corrections of `m`, of `v` before the maximum and of `v` after it.
    fn coefficients(&self, lr: f64, time: u64, _scalar_state: &mut [f64]) -> [f64; 4] {
        let [correct_m, correct_v] =
            [self.beta_1, self.beta_2].map(|beta| BiasCorrection::Corrected.factor(beta, time));
        match self.form {
            AmsgradForm::MaximumThenCorrection => [lr, correct_m, 1.0, correct_v],
            AmsgradForm::CorrectionThenMaximum => [lr, correct_m, correct_v, 1.0],
            AmsgradForm::Uncorrected => [lr, 1.0, 1.0, 1.0],
        }
    }

    #[inline(always)]
    fn update<R: Real>(&self, coefficients: &[f64; 4], theta: R, g: R, [m, v, v_max]: [R; 3]) -> (R, [R; 3]) {
        let &[eta, correct_m, before, after] = coefficients;
        let m = m * self.beta_1 + g.clone() * (1.0 - self.beta_1);
        let v = v * self.beta_2 + g.weighted_square(1.0 - self.beta_2);
        let v_max = v_max.max(v.clone() * before);
        let root = self.epsilon.corrected_root(v_max.clone(), after);
        (theta - m.clone() / root * (eta * correct_m), [m, v, v_max])
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
    Amsgrad(AmsgradConfig, 3),
    numbers: [beta_1, beta_2, epsilon],
    names: { "amsgrad": [new at 1e-3, pytorch at 1e-3, optax at 1e-3, lecture at 1e-3, burn at 1e-3] },
}
