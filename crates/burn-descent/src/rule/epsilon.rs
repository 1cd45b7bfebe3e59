use super::Real;
use crate::error::{ConfigError, ValueRange};
use serde::{Deserialize, Serialize};

/// Sets the small number that keeps a division by a root finite, and where it stands. Below 1.2e-38 it would be 0 in `f32`,
/// or lose digits there. It matters: with `v` near 0,
/// `1e-8` inside the root acts like `1e-4` outside.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Epsilon {
    /// Stands inside the root: `√(v + ε)`, as in Ruder, Kitov, optax's RMSprop, Kao's code. ε in `[1.2e-38, ∞)`.
    Inside(f64),
    /// Stands outside the root: `√v + ε`, as in Kingma & Ba, PyTorch, Serra, Kao's equation. ε in `[1.2e-38, ∞)`.
    Outside(f64),
}

impl Epsilon {
    /// Checks that ε is in its range, for a configuration that is called `config`.
    ///
    /// # Errors
    ///
    /// Returns the error that names `config`, `epsilon` and the value, if it is not.
    pub fn check(self, config: &'static str) -> Result<(), ConfigError> {
        let (Self::Inside(epsilon) | Self::Outside(epsilon)) = self;
        ValueRange::Epsilon.check(config, "epsilon", epsilon)
    }

    /// Returns the root of `v` with ε where it stands: `√(v + ε)` or `√v + ε`.
    #[inline(always)]
    pub fn root<R: Real>(self, v: R) -> R {
        match self {
            Self::Inside(epsilon) => (v + epsilon).sqrt(),
            Self::Outside(epsilon) => v.sqrt() + epsilon,
        }
    }

    /// Returns the root of `v̂ = c·v`, an average with the correction `c` of its bias: `√(c·v + ε)` or `√(c·v) + ε`. It is
    /// computed from `√c·√v`, as in PyTorch, which is finite where `c·v` would not be.
    #[inline(always)]
    pub fn corrected_root<R: Real>(self, v: R, correction: f64) -> R {
        match self {
            Self::Inside(epsilon) => (v + epsilon / correction).sqrt() * correction.sqrt(),
            Self::Outside(epsilon) => v.sqrt() * correction.sqrt() + epsilon,
        }
    }
}
