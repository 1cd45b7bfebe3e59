use super::cosine::half_cosine;
use super::length::{Moment, RunLength};
use crate::error::{ConfigError, ValueRange};
use burn::config::Config;

/// Configures the one-cycle policy (Smith & Topin 2018), as PyTorch's `OneCycleLR` has it: in a run of N steps, the
/// rate rises by half a cosine from `η/start` to `η` at step `peak·N − 1`, then falls to `η/(start·end)` at the last
/// step.
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `peak` | 0.3 | `[0, 1]` | the share of the run in which the rate rises |
/// | `start` | 25 | `(0, ∞)` | how many times lower the first rate is than the highest |
/// | `end` | 10,000 | `(0, ∞)` | how many times lower the last rate is than the first |
///
/// A run of one step, which PyTorch gives the last rate, is at the highest here.
#[derive(Config, Debug, Copy, PartialEq)]
pub struct OneCycleConfig {
    /// Sets the share of the run in which the rate rises, in `[0, 1]`.
    #[config(default = 0.3)]
    pub peak: f64,
    /// Sets the ratio of the highest rate to the first, in `(0, ∞)`.
    #[config(default = 25.0)]
    pub start: f64,
    /// Sets the ratio of the first rate to the last, in `(0, ∞)`.
    #[config(default = 1e4)]
    pub end: f64,
}

impl OneCycleConfig {
    /// Returns the momentum (or Adam's β₁) that belongs to step `step` (from 0): it falls from `highest` to `lowest`
    /// while the rate rises, and rises again while the rate falls. PyTorch's `base_momentum` and `max_momentum` are
    /// 0.85 and 0.95.
    ///
    /// ```
    /// use burn_descent::schedule::{OneCycleConfig, RunLength};
    ///
    /// let length = RunLength { epochs: 5, steps_per_epoch: 10 };
    /// let momentum = |step| OneCycleConfig::new().momentum(0.85, 0.95, step, length);
    /// assert_eq!([momentum(0), momentum(14), momentum(49)], [0.95, 0.85, 0.95]);
    /// ```
    pub fn momentum(&self, lowest: f64, highest: f64, step: u64, length: RunLength) -> f64 {
        match Phase::of(Moment::new(step, length), self.peak) {
            Phase::Rise(share) => half_cosine(highest, lowest, share),
            Phase::Fall(share) => half_cosine(lowest, highest, share),
        }
    }

    pub(super) fn at(&self, moment: Moment) -> f64 {
        let (first, last) = (1.0 / self.start, 1.0 / self.start / self.end);
        match Phase::of(moment, self.peak) {
            Phase::Rise(share) => half_cosine(first, 1.0, share),
            Phase::Fall(share) => half_cosine(1.0, last, share),
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        ValueRange::Fraction.check("Schedule", "peak", self.peak)?;
        ValueRange::Positive.check("Schedule", "start", self.start)?;
        ValueRange::Positive.check("Schedule", "end", self.end)
    }
}

/// A phase of the cycle, and the share of it that is over.
enum Phase {
    Rise(f64),
    Fall(f64),
}

impl Phase {
    /// Counted from the first step to the last, so that the last step ends the fall.
    fn of(moment: Moment, peak: f64) -> Self {
        if moment.steps <= 1 {
            return Self::Fall(0.0);
        }
        let last = (moment.steps - 1) as f64;
        let step = (moment.step as f64).min(last);
        let peak = peak * (last + 1.0) - 1.0;
        if step <= peak && peak > 0.0 { Self::Rise(step / peak) } else { Self::Fall((step - peak) / (last - peak)) }
    }
}
