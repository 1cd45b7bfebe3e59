use super::length::{Moment, RunLength, Span};
use crate::error::{ConfigError, Range};
use burn::config::Config;
use std::f64::consts::PI;

/// Half a cosine: from `from` to `to` as `share` goes from 0 to 1.
pub(super) fn half_cosine(from: f64, to: f64, share: f64) -> f64 {
    to + (from - to) * (1.0 + (PI * share).cos()) / 2.0
}

/// Cosine annealing with warm restarts (SGDR, Loshchilov & Hutter 2017; coverage B6): PyTorch's
/// `CosineAnnealingWarmRestarts`, and the cycles of snapshot ensembles (Huang & Li 2017).
///
/// ```text
/// η·(m + (1 − m)·(1 + cos(π·T_cur/T_i))/2),   T_{i+1} = T_mult·T_i
/// ```
///
/// T_cur counts the steps since the last restart; cycle i has T_i of them. For M cycles of equal length in a run, as
/// Huang & Li have them, `first` is the run's length over M.
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `first` | | at least 1 | T_0, the length of the first cycle |
/// | `growth` | 1 | at least 1 | T_mult, how much longer each cycle is than the one before |
/// | `minimum` | 0 | `[0, 1]` | m, the lowest rate as a share of the run's |
///
/// ```
/// use burn_descent::schedule::{CosineRestartsConfig, RunLength, Span};
///
/// let snapshots = CosineRestartsConfig::new(Span::Epochs(4));
/// let length = RunLength { epochs: 12, steps_per_epoch: 100 };
/// let cycle = snapshots.cycle(799, length);
/// assert_eq!((cycle.number, cycle.is_last_step()), (1, true)); // The second snapshot is due after this step.
/// ```
#[derive(Config, Debug, Copy, PartialEq)]
pub struct CosineRestartsConfig {
    /// The length of the first cycle. At least 1.
    pub first: Span,
    /// How many times longer each cycle is than the one before. At least 1.
    #[config(default = 1)]
    pub growth: u64,
    /// The lowest rate as a share of the run's, in `[0, 1]`.
    #[config(default = 0.0)]
    pub minimum: f64,
}

/// The place of a step in its cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cycle {
    /// The number of restarts before it.
    pub number: u64,
    /// T_cur, the number of the cycle's steps before it.
    pub step: u64,
    /// T_i, the number of steps in the cycle.
    pub steps: u64,
}

impl Cycle {
    /// Whether the next step begins a new cycle: the time for a snapshot.
    pub fn is_last_step(self) -> bool {
        self.step + 1 == self.steps
    }
}

impl CosineRestartsConfig {
    /// Where step `step` (from 0) is in its cycle.
    pub fn cycle(&self, step: u64, length: RunLength) -> Cycle {
        self.cycle_of(Moment::new(step, length))
    }

    fn cycle_of(&self, moment: Moment) -> Cycle {
        let Moment { mut step, .. } = moment;
        let mut steps = moment.steps_in(self.first);
        if self.growth <= 1 {
            return Cycle { number: step / steps, step: step % steps, steps };
        }
        let mut number = 0;
        while step >= steps {
            step -= steps;
            steps = steps.saturating_mul(self.growth);
            number += 1;
        }
        Cycle { number, step, steps }
    }

    pub(super) fn at(&self, moment: Moment) -> f64 {
        let cycle = self.cycle_of(moment);
        half_cosine(1.0, self.minimum, cycle.step as f64 / cycle.steps as f64)
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        self.first.check("first")?;
        Range::AtLeast(1.0).check("Schedule", "growth", self.growth as f64)?;
        Range::Fraction.check("Schedule", "minimum", self.minimum)
    }
}
