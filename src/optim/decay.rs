use crate::error::{ConfigError, Range};
use crate::rule::Real;
use serde::{Deserialize, Serialize};

/// How weights decay towards zero (coverage D14).
///
/// ```
/// use burn_descent::optim::{AmsgradConfig, WeightDecay};
///
/// // AdamW's decay, with PyTorch's default strength.
/// let config = AmsgradConfig::new().with_weight_decay(Some(WeightDecay::Decoupled(1e-2)));
/// # config.build().unwrap();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WeightDecay {
    /// An L2 penalty `λ/2·‖θ‖²`: `g ← g + λθ` before the rule. λ in `[0, ∞)`.
    L2(f64),
    /// Decoupled from the gradient (Loshchilov & Hutter 2019): `θ ← (1 − ηλ)·θ` before the rule. λ in `[0, ∞)`.
    Decoupled(f64),
}

/// The decay of one step, its coefficient ready.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DecayStep {
    None,
    Penalize(f64),
    Shrink(f64),
}

impl WeightDecay {
    pub(crate) fn check(self) -> Result<(), ConfigError> {
        let (Self::L2(lambda) | Self::Decoupled(lambda)) = self;
        Range::NonNegative.check("WeightDecay", "lambda", lambda)
    }

    pub(crate) fn step(decay: Option<Self>, lr: f64) -> DecayStep {
        match decay {
            None => DecayStep::None,
            Some(Self::L2(lambda)) => DecayStep::Penalize(lambda),
            Some(Self::Decoupled(lambda)) => DecayStep::Shrink(1.0 - lr * lambda),
        }
    }
}

impl DecayStep {
    #[inline(always)]
    pub(crate) fn apply<R: Real>(self, theta: R, g: R) -> (R, R) {
        match self {
            Self::None => (theta, g),
            Self::Penalize(lambda) => (theta.clone(), g + theta * lambda),
            Self::Shrink(factor) => (theta * factor, g),
        }
    }
}
