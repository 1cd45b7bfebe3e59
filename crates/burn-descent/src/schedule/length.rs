use crate::error::{ConfigError, ValueRange};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Says what a schedule counts: steps or epochs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Counts steps of the schedule: one for each batch, also where several batches make one step of the optimizer.
    Step,
    /// Counts whole epochs: the rate stays the same within each.
    #[default]
    Epoch,
}

/// Describes a length of training, in steps or in epochs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Span {
    /// Counts steps of the schedule, one for each batch.
    Steps(u64),
    /// Counts epochs.
    Epochs(u64),
}

impl Span {
    /// Returns the length in steps, in a run of length `length`.
    pub fn steps(self, length: RunLength) -> u64 {
        match self {
            Self::Steps(steps) => steps,
            Self::Epochs(epochs) => epochs.saturating_mul(length.steps_per_epoch as u64),
        }
    }

    pub(super) fn check(self, field: &'static str) -> Result<(), ConfigError> {
        let (Self::Steps(number) | Self::Epochs(number)) = self;
        ValueRange::AtLeast(1.0).check("Schedule", field, number as f64)
    }
}

/// Says how long a training run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunLength {
    /// Sets the number of epochs, at least 1.
    pub epochs: usize,
    /// Sets the number of steps in an epoch, one for each batch, at least 1.
    pub steps_per_epoch: usize,
}

impl RunLength {
    /// Returns the number of steps in the run.
    pub fn steps(self) -> u64 {
        (self.epochs as u64).saturating_mul(self.steps_per_epoch as u64)
    }

    pub(super) fn check(self) -> Result<(), ConfigError> {
        ValueRange::AtLeast(1.0).check("RunLength", "epochs", self.epochs as f64)?;
        ValueRange::AtLeast(1.0).check("RunLength", "steps_per_epoch", self.steps_per_epoch as f64)
    }
}

/// A step of a run.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    /// The number of steps before it.
    pub(super) step: u64,
    /// The number of steps in the run.
    pub(super) steps: u64,
    length: RunLength,
}

impl Moment {
    pub(super) fn new(step: u64, length: RunLength) -> Self {
        Self { step, steps: length.steps(), length }
    }

    /// The share of the run that is over.
    pub(super) fn share(self) -> f64 {
        (self.step as f64 / self.steps.max(1) as f64).min(1.0)
    }

    /// The number of whole units that are over.
    pub(super) fn over(self, unit: Unit) -> f64 {
        match unit {
            Unit::Step => self.step as f64,
            Unit::Epoch => (self.step / self.length.steps_per_epoch.max(1) as u64) as f64,
        }
    }

    /// The number of steps in `span`, at least one.
    pub(super) fn steps_in(self, span: Span) -> u64 {
        span.steps(self.length).max(1)
    }

    /// The same step, or `last` if that was before it.
    pub(super) fn at_most(self, last: u64) -> Self {
        Self { step: self.step.min(last), ..self }
    }

    /// The same step in a part of so many steps from the beginning.
    pub(super) fn within(self, steps: u64) -> Self {
        Self { steps, ..self }
    }

    /// The same step in the rest of the run that begins at step `start`.
    pub(super) fn since(self, start: u64) -> Self {
        Self { step: self.step.saturating_sub(start), steps: self.steps.saturating_sub(start), ..self }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Step => "step",
            Self::Epoch => "epoch",
        })
    }
}

impl FromStr for Unit {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "step" | "steps" => Ok(Self::Step),
            "epoch" | "epochs" => Ok(Self::Epoch),
            _ => Err(()),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Steps(steps) => write!(f, "{steps}steps"),
            Self::Epochs(epochs) => write!(f, "{epochs}epochs"),
        }
    }
}

impl FromStr for Span {
    type Err = ();

    /// Reads a text such as `500steps` or `10epochs`; a bare number counts epochs.
    fn from_str(text: &str) -> Result<Self, ()> {
        let split = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(split);
        let number = number.parse().map_err(drop)?;
        match unit {
            "step" | "steps" => Ok(Self::Steps(number)),
            "" | "epoch" | "epochs" => Ok(Self::Epochs(number)),
            _ => Err(()),
        }
    }
}
