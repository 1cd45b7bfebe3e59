use crate::error::{ConfigError, Range};
use crate::rule::Real;
use serde::{Deserialize, Serialize};

/// The small number that keeps a division by a root finite, and where it stands. It matters: with `v` near 0, `1e-8`
/// inside the root acts like `1e-4` outside.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Epsilon {
    /// `√(v + ε)`: Ruder, Kitov, optax's RMSprop, Kao's code. ε in `(0, ∞)`.
    Inside(f64),
    /// `√v + ε`: Kingma & Ba, PyTorch, Serra, Kao's equation. ε in `(0, ∞)`.
    Outside(f64),
}

impl Epsilon {
    pub(crate) fn check(self, config: &'static str) -> Result<(), ConfigError> {
        let (Self::Inside(epsilon) | Self::Outside(epsilon)) = self;
        Range::Positive.check(config, "epsilon", epsilon)
    }

    /// `√(v + ε)` or `√v + ε`.
    #[inline(always)]
    pub(crate) fn root<R: Real>(self, v: R) -> R {
        match self {
            Self::Inside(epsilon) => (v + epsilon).sqrt(),
            Self::Outside(epsilon) => v.sqrt() + epsilon,
        }
    }
}
