use super::Real;
use crate::error::{ConfigError, ValueRange};
use serde::{Deserialize, Serialize};

/// Chooses how weights decay towards zero (coverage D14).
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
    /// Penalizes the loss by `λ/2·‖θ‖²`: `g ← g + λθ` before the rule. λ in `[0, ∞)`.
    L2(f64),
    /// Shrinks the weights apart from the gradient (Loshchilov & Hutter 2019): `θ ← (1 − ηλ)·θ` before the rule. λ in
    /// `[0, ∞)`.
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
    /// Checks that λ is in its range.
    ///
    /// # Errors
    ///
    /// Returns the error that names it, if it is not.
    pub fn check(self) -> Result<(), ConfigError> {
        let (Self::L2(lambda) | Self::Decoupled(lambda)) = self;
        ValueRange::NonNegative.check("WeightDecay", "lambda", lambda)
    }
}

impl DecayStep {
    pub(crate) fn new(decay: Option<WeightDecay>, lr: f64) -> Self {
        match decay {
            None => Self::None,
            Some(WeightDecay::L2(lambda)) => Self::Penalize(lambda),
            Some(WeightDecay::Decoupled(lambda)) => Self::Shrink(1.0 - lr * lambda),
        }
    }

    #[inline(always)]
    pub(crate) fn apply<R: Real>(self, theta: R, g: R) -> (R, R) {
        match self {
            Self::None => (theta, g),
            Self::Penalize(lambda) => (theta.clone(), g + theta * lambda),
            Self::Shrink(factor) => (theta * factor, g),
        }
    }
}
