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
    /// Adds this multiple of θ to the gradient.
    Penalize(f64),
    /// Takes this share of θ off in the subtraction of an additive rule: `θ − (step + ηλθ)` is rounded once. A factor of
    /// `1 − ηλ` would be 1 in `f32` where ηλ is below 3e-8.
    Shrink(f64),
    /// Takes this share of θ off before any other rule sees θ.
    ShrinkFirst(f64),
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
    /// The decay at the rate `lr` under a rule that is [`additive`](super::Rule::ADDITIVE) or not.
    pub(crate) fn new(decay: Option<WeightDecay>, lr: f64, additive: bool) -> Self {
        match decay {
            None => Self::None,
            Some(WeightDecay::L2(lambda)) => Self::Penalize(lambda),
            Some(WeightDecay::Decoupled(lambda)) if additive => Self::Shrink(lr * lambda),
            Some(WeightDecay::Decoupled(lambda)) => Self::ShrinkFirst(lr * lambda),
        }
    }

    /// θ and g as the rule meets them.
    #[inline(always)]
    pub(crate) fn before<R: Real>(self, theta: R, g: R) -> (R, R) {
        match self {
            Self::None => (theta, g),
            Self::Penalize(lambda) => (theta.clone(), g + theta * lambda),
            // From 0 an additive rule gives its step alone.
            Self::Shrink(_) => (theta * 0.0, g),
            Self::ShrinkFirst(share) => (theta.clone() - theta * share, g),
        }
    }

    /// The next θ, where the rule has made `next` of what [`before`](Self::before) made of `theta`.
    #[inline(always)]
    pub(crate) fn after<R: Real>(self, theta: R, next: R) -> R {
        match self {
            Self::Shrink(share) => theta.clone() + (next - theta * share),
            Self::None | Self::Penalize(_) | Self::ShrinkFirst(_) => next,
        }
    }
}
