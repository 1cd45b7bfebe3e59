use crate::error::{ConfigError, Range};

/// A decay, by either of its two names: `e^(−k)` is the factor β.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Decay {
    /// `e^(−k·m)` after m times (Ruder). k in `[0, ∞)`.
    Rate(f64),
    /// `βᵐ` after m times (Serra). β in `(0, ∞)`; it decays below 1.
    Factor(f64),
}

impl Decay {
    /// What is left after m times.
    pub fn after(self, m: f64) -> f64 {
        match self {
            Self::Rate(k) => (-k * m).exp(),
            Self::Factor(beta) => beta.powf(m),
        }
    }

    /// Whether it is in its range; `factor` is what the schedule calls its factor.
    pub(super) fn check(self, factor: &'static str) -> Result<(), ConfigError> {
        match self {
            Self::Rate(k) => Range::NonNegative.check("Schedule", "k", k),
            Self::Factor(beta) => Range::Positive.check("Schedule", factor, beta),
        }
    }
}
