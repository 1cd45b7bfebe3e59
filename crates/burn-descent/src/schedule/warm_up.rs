use super::Schedule;
use super::length::{Moment, Span};
use crate::error::{ConfigError, ValueRange};
use burn::config::Config;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Configures a linear warm-up of the learning rate, before or over any other schedule.
///
/// ```text
/// w(n) = f + (1 − f)·min(n/W, 1)      n steps are over, the warm-up has W
/// ```
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `over` | | at least 1 | W, the length of the warm-up |
/// | `from` | 0.01 | `[0, 1]` | f, the first rate as a share of the run's |
/// | `form` | `Before` | | whether the schedule waits for the warm-up |
/// | `then` | | | the schedule, whichever it is |
#[derive(Config, Debug, PartialEq)]
pub struct WarmUpConfig {
    /// Sets the length of the warm-up, at least 1.
    pub over: Span,
    /// Sets the first rate as a share of the run's, in `[0, 1]`.
    #[config(default = 0.01)]
    pub from: f64,
    /// Sets whether the schedule waits for the warm-up.
    #[config(default = "WarmUpForm::Before")]
    pub form: WarmUpForm,
    /// Sets the other schedule.
    pub then: Box<Schedule>,
}

/// Says whether a schedule waits for its warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WarmUpForm {
    /// Begins the schedule where the warm-up ends, with the rest of the run: PyTorch's `SequentialLR` with `LinearLR`.
    #[default]
    Before,
    /// Runs the schedule from the start, multiplied by the warm-up: PyTorch's `ChainedScheduler` with `LinearLR`.
    Times,
}

impl WarmUpConfig {
    pub(super) fn at(&self, moment: Moment) -> f64 {
        let steps = moment.steps_in(self.over);
        // A run that is all warm-up stays at its last rate.
        let last = if steps < moment.steps { u64::MAX } else { moment.steps.saturating_sub(1) };
        let moment = moment.at_most(last);
        let warmth = self.from + (1.0 - self.from) * (moment.step as f64 / steps as f64).min(1.0);
        match self.form {
            WarmUpForm::Before if moment.step < steps => warmth,
            WarmUpForm::Before => self.then.at(moment.since(steps)),
            WarmUpForm::Times => warmth * self.then.at(moment),
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        self.over.check("over")?;
        ValueRange::Fraction.check("Schedule", "from", self.from)?;
        self.then.check()
    }
}

impl fmt::Display for WarmUpForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Before => "before",
            Self::Times => "times",
        })
    }
}

impl FromStr for WarmUpForm {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "before" => Ok(Self::Before),
            "times" => Ok(Self::Times),
            _ => Err(()),
        }
    }
}
