use super::length::{Moment, RunLength, Span};
use crate::error::{ConfigError, ValueRange};
use burn::config::Config;
use std::f64::consts::PI;

/// Half a cosine: from `from` to `to` as `share` goes from 0 to 1.
pub(super) fn half_cosine(from: f64, to: f64, share: f64) -> f64 {
    to + (from - to) * (1.0 + (PI * share).cos()) / 2.0
}

/// Configures cosine annealing with warm restarts (SGDR, Loshchilov & Hutter 2017; coverage B6): the learning rate
/// falls along half a cosine in each cycle, and the next cycle begins at the run's rate again. It is PyTorch's
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
    /// Sets the length of the first cycle, at least 1.
    pub first: Span,
    /// Sets how many times longer each cycle is than the one before, at least 1.
    #[config(default = 1)]
    pub growth: u64,
    /// Sets the lowest rate as a share of the run's, in `[0, 1]`.
    #[config(default = 0.0)]
    pub minimum: f64,
}

/// Says which cycle a step belongs to, and where in that cycle it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cycle {
    /// Gives the number of cycles before this one: the number of restarts.
    pub number: u64,
    /// Gives T_cur, the number of the cycle's steps before this one.
    pub step: u64,
    /// Gives T_i, the number of steps in the cycle.
    pub steps: u64,
}

impl Cycle {
    /// Tells whether the next step begins a new cycle: the time for a snapshot.
    pub fn is_last_step(self) -> bool {
        self.step + 1 == self.steps
    }
}

impl CosineRestartsConfig {
    /// Returns the cycle of step `step` (from 0), and the step's place in it.
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
        ValueRange::AtLeast(1.0).check("Schedule", "growth", self.growth as f64)?;
        ValueRange::Fraction.check("Schedule", "minimum", self.minimum)
    }
}
