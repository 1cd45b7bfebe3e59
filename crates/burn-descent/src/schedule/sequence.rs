use super::Schedule;
use super::length::{Moment, Span};
use crate::error::{ConfigError, ValueRange};
use burn::config::Config;

/// Configures a schedule that another follows, each from its own beginning: PyTorch's `SequentialLR`, optax's
/// `join_schedules`. The second may be a sequence itself, so that any number can follow one another.
///
/// The first goes by its length as if it were the whole run, the second by what is left of the run.
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `first` | | no plateau | the schedule to begin with |
/// | `over` | | at least 1 | how long it lasts |
/// | `then` | | | the schedule of the rest |
///
/// ```
/// use burn_descent::schedule::{LinearLrConfig, RunLength, Schedule, Span};
///
/// let length = RunLength { epochs: 20, steps_per_epoch: 10 };
/// let late = Schedule::Constant.followed_by(Span::Epochs(15), Schedule::Linear(LinearLrConfig::new()));
/// assert_eq!([0, 149, 150, 175].map(|step| late.factor(step, length)), [1.0, 1.0, 1.0, 0.5]);
/// assert_eq!("constant@15epochs+linear".parse(), Ok(late));
/// ```
#[derive(Config, Debug, PartialEq)]
pub struct SequenceConfig {
    /// Sets the schedule to begin with, which cannot depend on the validation losses.
    pub first: Box<Schedule>,
    /// Sets how long it lasts, at least 1.
    pub over: Span,
    /// Sets the schedule that follows.
    pub then: Box<Schedule>,
}

impl SequenceConfig {
    pub(super) fn at(&self, moment: Moment) -> f64 {
        let steps = moment.steps_in(self.over);
        match moment.step < steps {
            true => self.first.at(moment.within(steps)),
            false => self.then.at(moment.since(steps)),
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        self.over.check("over")?;
        // A plateau goes on to the end of a run.
        let plateaus = if self.first.plateau().is_some() { 1.0 } else { 0.0 };
        ValueRange::Exactly(0).check("Schedule", "plateaus before the last part", plateaus)?;
        self.first.check()?;
        self.then.check()
    }
}
