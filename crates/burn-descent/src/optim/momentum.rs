use super::{WeightDecay, numbers_of, optimizer};
use crate::error::{ConfigError, ValueRange};
use crate::rule::{Real, Rule};
use burn::config::Config;
use burn::grad_clipping::GradientClippingConfig;
use serde::{Deserialize, Serialize};

/// Chooses what [`Momentum`] accumulates in its buffer `v`, the velocity. At a constant learning rate
/// `LearningRateInside` and `LearningRateOutside` without dampening take the same steps, and `Mean` takes them `1 − μ`
/// times as long.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MomentumForm {
    /// Accumulates `v ← μ·v + η·g` and steps by `θ ← θ − v`: Ruder, Kitov, Kao. A change of rate acts on new gradients
    /// alone.
    LearningRateInside,
    /// Accumulates `v ← μ·v + (1 − μ)·g`, an average of gradients, and steps by `θ ← θ − η·v`: Serra.
    Mean,
    /// Accumulates `v ← μ·v + (1 − τ)·g`, with `v = g` at the first step, and steps by `θ ← θ − η·v`: PyTorch.
    LearningRateOutside {
        /// Sets τ, the share of each new gradient that the buffer leaves out, in `[0, 1]`.
        dampening: f64,
    },
}

/// Configures [`Momentum`], gradient descent along a decaying sum of past gradients (the heavy ball method, Polyak
/// 1964; coverage D2).
///
/// ```text
/// v ← μ·v + g
/// θ ← θ − η·v                   or by the form
/// ```
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `momentum` | 0.9 | `[0, 1)` | μ, share of the past in the buffer; 0 is plain descent, dampened where τ > 0, which PyTorch then ignores |
/// | `form` | `LearningRateOutside { dampening: 0 }` | | what the buffer accumulates |
/// | `weight_decay` | none | | L2 or decoupled |
/// | `grad_clipping` | none | `(0, ∞)` | Burn's clipping, per tensor |
///
/// Learning rate: 0.01 to 0.1, for `Mean` ten times that. Burn's `Sgd` has PyTorch's form, with a dampening of 0.1 by
/// default; this one adds the lectures' forms, the checks and the fused pass.
///
/// ```
/// use burn_descent::optim::MomentumConfig;
///
/// let optimizer = MomentumConfig::serra().with_momentum(0.98).init()?;
/// # Ok::<(), burn_descent::ConfigError>(())
/// ```
#[doc(alias = "with_dampening")]
#[derive(Config, Debug)]
pub struct MomentumConfig {
    /// Sets μ, the share of the past in the buffer, in `[0, 1)`.
    #[config(default = 0.9)]
    pub momentum: f64,
    /// Chooses what the buffer accumulates.
    #[config(default = "MomentumForm::LearningRateOutside { dampening: 0.0 }")]
    pub form: MomentumForm,
    /// Sets the decay of the weights.
    pub weight_decay: Option<WeightDecay>,
    /// Clips each gradient before the step, if set; its threshold is in `(0, ∞)`.
    pub grad_clipping: Option<GradientClippingConfig>,
}

impl MomentumConfig {
    /// Reproduces PyTorch's `SGD(momentum=0.9)`, and optax's. The default.
    pub fn pytorch() -> Self {
        Self::new()
    }

    /// Reproduces Burn's `Sgd` with its `MomentumConfig::new()`: μ 0.9 and a dampening of 0.1, where PyTorch has none.
    pub fn burn() -> Self {
        Self::new().with_form(MomentumForm::LearningRateOutside { dampening: 0.1 })
    }

    /// Follows the lectures (Ruder, Kitov, Kao): γ 0.9, the learning rate inside the buffer.
    pub fn lecture() -> Self {
        Self::new().with_form(MomentumForm::LearningRateInside)
    }

    /// Follows the lecture that averages gradients (Serra): β 0.9.
    pub fn serra() -> Self {
        Self::new().with_form(MomentumForm::Mean)
    }
}

impl Rule<1> for MomentumConfig {
    type Coefficients = [f64; 2];
    const NAME: &'static str = "Momentum";
    const STATE: [&'static str; 1] = ["velocity"];
    const ADDITIVE: bool = true;
    const VARIANTS: &'static [&'static str] = &["learning_rate_inside", "mean", "learning_rate_outside"];

    fn variant(&self) -> Option<&'static str> {
        Some(match self.form {
            MomentumForm::LearningRateInside => "learning_rate_inside",
            MomentumForm::Mean => "mean",
            MomentumForm::LearningRateOutside { .. } => "learning_rate_outside",
        })
    }

    fn coefficients(&self, lr: f64, time: u64, _scalar_state: &mut [f64]) -> [f64; 2] {
        match self.form {
            MomentumForm::LearningRateInside => [lr, 1.0],
            MomentumForm::Mean => [1.0 - self.momentum, lr],
            MomentumForm::LearningRateOutside { dampening } => [undampened(dampening, time), lr],
        }
    }

    #[inline(always)]
    fn update<R: Real>(&self, &[inside, outside]: &[f64; 2], theta: R, g: R, [v]: [R; 1]) -> (R, [R; 1]) {
        let v = v * self.momentum + g * inside;
        (theta - v.clone() * outside, [v])
    }

    fn weight_decay(&self) -> Option<WeightDecay> {
        self.weight_decay
    }

    fn check(&self) -> Result<(), ConfigError> {
        ValueRange::Decay.check(Self::NAME, "momentum", self.momentum)?;
        match self.form {
            MomentumForm::LearningRateOutside { dampening } => {
                ValueRange::Fraction.check(Self::NAME, "dampening", dampening)
            }
            MomentumForm::LearningRateInside | MomentumForm::Mean => Ok(()),
        }
    }
}

/// The share of a gradient that PyTorch's buffer takes: the whole of the first.
pub(super) fn undampened(dampening: f64, time: u64) -> f64 {
    if time == 1 { 1.0 } else { 1.0 - dampening }
}

optimizer! {
    Momentum(MomentumConfig, 1),
    numbers: [momentum, form],
    names: { "momentum": [new at 0.1, pytorch at 0.1, lecture at 0.1, serra at 1.0, burn at 0.1] },
}

numbers_of!(enum MomentumForm { "learning_rate_outside" = LearningRateOutside { dampening } });
