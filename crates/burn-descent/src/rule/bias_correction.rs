use serde::{Deserialize, Serialize};

/// Chooses whether averages such as Adam's, which start from zero, are scaled up to what they would be without that
/// start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BiasCorrection {
    /// Scales the averages up: `m̂ = m/(1 − β₁ᵗ)`, `v̂ = v/(1 − β₂ᵗ)`.
    Corrected,
    /// Leaves the averages as they are: `m̂ = m`, `v̂ = v`. The first steps are `(1 − β₁)/√(1 − β₂)` times as long,
    /// about 3 with the defaults.
    Uncorrected,
}

impl BiasCorrection {
    /// Returns what an average with the decay `beta` is multiplied by after `time` steps: `1/(1 − βᵗ)` or 1.
    pub fn factor(self, beta: f64, time: u64) -> f64 {
        match self {
            Self::Corrected => 1.0 / (1.0 - beta.powf(time as f64)),
            Self::Uncorrected => 1.0,
        }
    }
}
