use crate::error::{ConfigError, ValueRange};

/// Describes an exponential decay by either of its two parameters: the rate k, or the factor `β = e^(−k)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Decay {
    /// Leaves the share `e^(−k·m)` after m decays (Ruder). k is in `[0, ∞)`.
    Rate(f64),
    /// Leaves the share `βᵐ` after m decays (Serra). β is in `(0, ∞)`; only below 1 is it a decay.
    Factor(f64),
}

impl Decay {
    /// Returns the share that is left after m decays.
    pub fn after(self, m: f64) -> f64 {
        match self {
            Self::Rate(k) => (-k * m).exp(),
            Self::Factor(beta) => beta.powf(m),
        }
    }

    /// Whether it is in its range; `factor` is what the schedule calls its factor.
    pub(super) fn check(self, factor: &'static str) -> Result<(), ConfigError> {
        match self {
            Self::Rate(k) => ValueRange::NonNegative.check("Schedule", "k", k),
            Self::Factor(beta) => ValueRange::Positive.check("Schedule", factor, beta),
        }
    }
}
