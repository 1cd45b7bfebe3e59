//! Changes hyperparameters over a run.

use super::{RunLength, Schedule, ScheduleError};
use crate::error::ConfigError;
use crate::optim::{NamedOptimizer, NamedOptimizerError, Variations};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Describes how a hyperparameter changes over a run: along a schedule, as the learning rate does.
///
/// ```text
/// to + (from − to)·f,   f the schedule's factor
/// ```
///
/// It is `from` where the learning rate would be the run's, and `to` where it would be 0.
///
/// | text | value |
/// | --- | --- |
/// | `FROM..TO` | from `FROM` at the start, linearly, to `TO` at the end |
/// | `VALUE:SCHEDULE` | `VALUE` times the schedule's factor |
/// | `FROM..TO:SCHEDULE` | from `FROM` towards `TO` as the schedule's factor falls |
/// | `LOWEST..HIGHEST:one-cycle` | [`OneCycleConfig::momentum`], against the rate |
///
/// The one-cycle policy goes the whole way from `to` to `from` and back, as PyTorch's momentum does: its `start` and
/// `end` play no part. A plateau depends on the losses, and so cannot be followed.
///
/// ```
/// use burn_descent::schedule::RunLength;
/// use burn_descent::schedule::Variation;
///
/// let length = RunLength { epochs: 5, steps_per_epoch: 10 };
/// let momentum: Variation = "0.85..0.95:one-cycle".parse()?;
/// assert_eq!([0, 14, 49].map(|batch| momentum.at(batch, length)), [0.95, 0.85, 0.95]);
/// let epsilon: Variation = "1e-3:exponential=0.5".parse()?;
/// assert_eq!(epsilon.at(20, length), 0.25e-3);
/// # Ok::<(), burn_descent::schedule::VariationError>(())
/// ```
///
/// [`OneCycleConfig::momentum`]: crate::schedule::OneCycleConfig::momentum
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Variation {
    /// Sets the value where the schedule's factor is 1.
    pub from: f64,
    /// Sets the value where the schedule's factor is 0.
    pub to: f64,
    /// Sets the schedule that the value follows.
    pub schedule: Schedule,
}

impl Variation {
    /// Returns the value for batch `batch` (from 0) of a run of `length`, whose steps are batches.
    pub fn at(&self, batch: u64, length: RunLength) -> f64 {
        match &self.schedule {
            Schedule::OneCycle(cycle) => cycle.momentum(self.from, self.to, batch, length),
            schedule => self.to + (self.from - self.to) * schedule.factor(batch, length),
        }
    }

    /// Checks that the schedule is in its range, and one that can be followed.
    ///
    /// # Errors
    ///
    /// Returns the first parameter of the schedule that is out of range, or the schedule that cannot be followed.
    pub fn check(&self) -> Result<(), VariationError> {
        self.schedule.check()?;
        if self.schedule.plateau().is_some() {
            let expected = "along a schedule that does not depend on the losses";
            return Err(VariationError::Value { value: self.schedule.to_string(), expected });
        }
        Ok(())
    }

    /// Returns the values of the numbers of `optimizer` that follow `variations`, by name, at each of its steps, which
    /// follow `batches` of a run of `length`.
    ///
    /// # Errors
    ///
    /// Returns the first variation that is out of range or cannot be followed, and the first name that is no number of
    /// `optimizer` or comes twice.
    pub fn all(
        optimizer: &NamedOptimizer,
        variations: &BTreeMap<String, Self>,
        batches: impl Iterator<Item = u64>,
        length: RunLength,
    ) -> Result<Variations, VariationError> {
        let mut names = Vec::new();
        for (name, variation) in variations {
            variation.check()?;
            let misfit = |reason| NamedOptimizerError::Hyperparameter {
                optimizer: optimizer.name().to_owned(),
                assignment: format!("{name}={variation}"),
                reason,
            };
            let number = optimizer.number(name).map_err(|error| match error {
                NamedOptimizerError::Hyperparameter { reason, .. } => misfit(reason),
                error => error,
            })?;
            if names.contains(&number) {
                return Err(misfit(format!("`{number}` varies by another name already")).into());
            }
            names.push(number);
        }
        if names.is_empty() {
            return Ok(Variations::default());
        }
        let values_at = |batch| variations.values().map(|variation| variation.at(batch, length)).collect();
        Ok(Variations::new(names, batches.map(values_at).collect()))
    }
}

/// Fails where a hyperparameter cannot change as asked for.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum VariationError {
    /// Says that the text is no variation, or that the schedule cannot be followed.
    #[error("vary should be {expected}, but is {value}")]
    Value {
        /// Gives the text or the schedule.
        value: String,
        /// Says what was expected.
        expected: &'static str,
    },
    /// Says that the schedule is not known or misspelt.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// Says that the schedule is out of range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Says that the optimizer has no such number, or that two variations name the same one.
    #[error(transparent)]
    Optimizer(#[from] NamedOptimizerError),
}

impl fmt::Display for Variation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, schedule } = self;
        write!(f, "{from}..{to}:{schedule}")
    }
}

impl FromStr for Variation {
    type Err = VariationError;

    fn from_str(text: &str) -> Result<Self, VariationError> {
        let (numbers, schedule) = text.split_once(':').map_or((text, None), |(numbers, text)| (numbers, Some(text)));
        let ends = match numbers.split_once("..") {
            Some(ends) => Some(ends),
            None => schedule.map(|_| (numbers, "0")),
        };
        let number = |text: &str| text.parse().ok().filter(|number: &f64| number.is_finite());
        let (from, to) = ends.and_then(|(from, to)| Some((number(from)?, number(to)?))).ok_or_else(|| {
            let expected = "FROM..TO, VALUE:SCHEDULE or FROM..TO:SCHEDULE";
            VariationError::Value { value: format!("`{text}`"), expected }
        })?;
        Ok(Self { from, to, schedule: schedule.unwrap_or("linear").parse()? })
    }
}

impl From<Variation> for String {
    fn from(variation: Variation) -> Self {
        variation.to_string()
    }
}

impl TryFrom<String> for Variation {
    type Error = VariationError;

    fn try_from(text: String) -> Result<Self, VariationError> {
        text.parse()
    }
}
