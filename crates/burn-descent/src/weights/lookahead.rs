use super::{Averaged, Averaging, Start};
use crate::error::{ConfigError, ValueRange};
use crate::optim::wrapper;
use burn::config::Config;

/// Configures [`Lookahead`], which goes back part of the way after every k steps: k steps forward, one step back (Zhang
/// et al. 2019).
///
/// ```text
/// s ← s + α·(θ − s)
/// θ ← s                       after every k-th step; evaluated is s
/// ```
///
/// s, the slow weights, start at the weights before the first step.
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `period` | 5 | 1 and above | k, steps of the wrapped optimizer between two of the slow weights |
/// | `alpha` | 0.5 | `[0, 1]` | α, how far the slow weights go |
///
/// The wrapped optimizer keeps its state when the weights return, as in optax's `lookahead`.
///
/// ```
/// use burn_descent::optim::AdamConfig;
/// use burn_descent::weights::LookaheadConfig;
///
/// let optimizer = LookaheadConfig::new().wrap(AdamConfig::new().build()?)?.init();
/// # Ok::<(), burn_descent::ConfigError>(())
/// ```
#[derive(Config, Debug, Copy, PartialEq)]
pub struct LookaheadConfig {
    /// Sets k, the steps of the wrapped optimizer between two of the slow weights, at least 1.
    #[config(default = 5)]
    pub period: u64,
    /// Sets α, how far the slow weights go towards those of the wrapped optimizer, in `[0, 1]`.
    #[config(default = 0.5)]
    pub alpha: f64,
}

impl Averaging for LookaheadConfig {
    const NAME: &'static str = "Lookahead";

    fn start(&self) -> Start {
        Start::InitialWeights
    }

    fn share(&self, time: u64) -> Option<f64> {
        time.is_multiple_of(self.period).then_some(self.alpha)
    }

    fn returns(&self) -> bool {
        true
    }

    fn check(&self) -> Result<(), ConfigError> {
        ValueRange::AtLeast(1.0).check("Lookahead", "period", self.period as f64)?;
        ValueRange::Fraction.check("Lookahead", "alpha", self.alpha)
    }
}

wrapper!(Lookahead, LookaheadConfig, Averaged);
