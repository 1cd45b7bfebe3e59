use super::{WeightDecay, optimizer};
use crate::error::{ConfigError, Range};
use crate::rule::{Real, Rule};
use burn::config::Config;
use burn::grad_clipping::GradientClippingConfig;
use serde::{Deserialize, Serialize};

/// What the buffer of [`Momentum`] accumulates. At a constant learning rate `LearningRateInside` and
/// `LearningRateOutside` without dampening take the same steps, and `Mean` takes them `1 − μ` times as long.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MomentumForm {
    /// `v ← μ·v + η·g; θ ← θ − v`: Ruder, Kitov, Kao. A change of rate acts on new gradients alone.
    LearningRateInside,
    /// `v ← μ·v + (1 − μ)·g; θ ← θ − η·v`: Serra. The buffer is an average of gradients.
    Mean,
    /// `v ← μ·v + (1 − τ)·g; θ ← θ − η·v`, with `v = g` at the first step: PyTorch.
    LearningRateOutside {
        /// τ, the share of each new gradient that the buffer leaves out, in `[0, 1]`.
        dampening: f64,
    },
}

/// Configuration of [`Momentum`]: gradient descent with a heavy ball (Polyak 1964; coverage D2).
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
/// | `grad_clipping` | none | | Burn's clipping, per tensor |
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
#[derive(Config, Debug)]
pub struct MomentumConfig {
    /// Share of the past in the buffer, in `[0, 1)`.
    #[config(default = 0.9)]
    pub momentum: f64,
    /// What the buffer accumulates.
    #[config(default = "MomentumForm::LearningRateOutside { dampening: 0.0 }")]
    pub form: MomentumForm,
    /// Decay of the weights.
    pub weight_decay: Option<WeightDecay>,
    /// Clipping of each gradient before the step.
    pub grad_clipping: Option<GradientClippingConfig>,
}

impl MomentumConfig {
    /// PyTorch's `SGD(momentum=0.9)`, and optax's. The default.
    pub fn pytorch() -> Self {
        Self::new()
    }

    /// The lectures' (Ruder, Kitov, Kao): γ 0.9, the learning rate inside the buffer.
    pub fn lecture() -> Self {
        Self::new().with_form(MomentumForm::LearningRateInside)
    }

    /// The lecture's average of gradients (Serra): β 0.9.
    pub fn serra() -> Self {
        Self::new().with_form(MomentumForm::Mean)
    }
}

/// Coefficients of one momentum step.
#[derive(Clone, Copy, Debug)]
pub struct MomentumScalars {
    into_buffer: f64,
    out_of_buffer: f64,
}

impl Rule<1> for MomentumConfig {
    type Scalars = MomentumScalars;
    const NAME: &'static str = "Momentum";
    const STATE: [&'static str; 1] = ["velocity"];

    fn scalars(&self, lr: f64, time: u64, _carry: &mut [f64]) -> MomentumScalars {
        let (into_buffer, out_of_buffer) = match self.form {
            MomentumForm::LearningRateInside => (lr, 1.0),
            MomentumForm::Mean => (1.0 - self.momentum, lr),
            MomentumForm::LearningRateOutside { dampening } => (undampened(dampening, time), lr),
        };
        MomentumScalars { into_buffer, out_of_buffer }
    }

    #[inline(always)]
    fn update<R: Real>(&self, s: &MomentumScalars, theta: R, g: R, [v]: [R; 1]) -> (R, [R; 1]) {
        let v = v * self.momentum + g * s.into_buffer;
        (theta - v.clone() * s.out_of_buffer, [v])
    }

    fn check(&self) -> Result<(), ConfigError> {
        Range::Decay.check(Self::NAME, "momentum", self.momentum)?;
        match self.form {
            MomentumForm::LearningRateOutside { dampening } => {
                Range::Fraction.check(Self::NAME, "dampening", dampening)
            }
            MomentumForm::LearningRateInside | MomentumForm::Mean => Ok(()),
        }
    }
}

/// The share of a gradient that PyTorch's buffer takes: the whole of the first.
pub(super) fn undampened(dampening: f64, time: u64) -> f64 {
    if time == 1 { 1.0 } else { 1.0 - dampening }
}

optimizer!(Momentum, MomentumConfig, 1);
