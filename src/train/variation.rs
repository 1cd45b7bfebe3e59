//! Hyperparameters that change over a run.

use super::{OptimizerKind, TrainError};
use crate::schedule::{RunLength, Schedule};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// How a hyperparameter changes over a run: along a schedule, as the learning rate does.
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
/// | `LOWEST..HIGHEST:one-cycle` | [`OneCycleConfig::momentum`](crate::schedule::OneCycleConfig::momentum), against the rate |
///
/// The one-cycle policy goes the whole way from `to` to `from` and back, as PyTorch's momentum does: its `start` and `end`
/// play no part. A plateau depends on the losses, and so cannot be followed.
///
/// ```
/// use burn_descent::schedule::RunLength;
/// use burn_descent::train::Variation;
///
/// let length = RunLength { epochs: 5, steps_per_epoch: 10 };
/// let momentum: Variation = "0.85..0.95:one-cycle".parse()?;
/// assert_eq!([0, 14, 49].map(|batch| momentum.at(batch, length)), [0.95, 0.85, 0.95]);
/// let epsilon: Variation = "1e-3:exponential=0.5".parse()?;
/// assert_eq!(epsilon.at(20, length), 0.25e-3);
/// # Ok::<(), burn_descent::train::TrainError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Variation {
    /// The value where the schedule's factor is 1.
    pub from: f64,
    /// The value where the schedule's factor is 0.
    pub to: f64,
    /// What it follows.
    pub schedule: Schedule,
}

impl Variation {
    /// The value for batch `batch` (from 0) of a run of `length`, whose steps are batches.
    pub fn at(&self, batch: u64, length: RunLength) -> f64 {
        match &self.schedule {
            Schedule::OneCycle(cycle) => cycle.momentum(self.from, self.to, batch, length),
            schedule => self.to + (self.from - self.to) * schedule.factor(batch, length),
        }
    }

    /// Whether the schedule is in its range, and one that can be followed.
    ///
    /// # Errors
    ///
    /// If it is not.
    pub fn check(&self) -> Result<(), TrainError> {
        self.schedule.check()?;
        if self.schedule.plateau().is_some() {
            let expected = "along a schedule that does not depend on the losses";
            return Err(TrainError::Value { field: "vary", value: self.schedule.to_string(), expected });
        }
        Ok(())
    }
}

impl fmt::Display for Variation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, schedule } = self;
        write!(f, "{from}..{to}:{schedule}")
    }
}

impl FromStr for Variation {
    type Err = TrainError;

    fn from_str(text: &str) -> Result<Self, TrainError> {
        let (numbers, schedule) = text.split_once(':').map_or((text, None), |(numbers, text)| (numbers, Some(text)));
        let ends = match numbers.split_once("..") {
            Some(ends) => Some(ends),
            None => schedule.map(|_| (numbers, "0")),
        };
        let number = |text: &str| text.parse().ok().filter(|number: &f64| number.is_finite());
        let (from, to) = ends.and_then(|(from, to)| Some((number(from)?, number(to)?))).ok_or_else(|| {
            let expected = "FROM..TO, VALUE:SCHEDULE or FROM..TO:SCHEDULE";
            TrainError::Value { field: "vary", value: format!("`{text}`"), expected }
        })?;
        Ok(Self { from, to, schedule: schedule.map_or(Ok(Schedule::Linear), str::parse)? })
    }
}

impl From<Variation> for String {
    fn from(variation: Variation) -> Self {
        variation.to_string()
    }
}

impl TryFrom<String> for Variation {
    type Error = TrainError;

    fn try_from(text: String) -> Result<Self, TrainError> {
        text.parse()
    }
}

/// The hyperparameters that vary, at each step of a run.
#[derive(Debug, Default)]
pub(super) struct Course {
    /// Where they are in the optimizer's configuration, as JSON pointers.
    places: Vec<String>,
    /// The value of each at each step.
    values: Vec<Vec<f64>>,
}

impl Course {
    /// What `variations`, by name, make of `optimizer`, whose steps follow `batches` of a run of `length`.
    pub(super) fn new(
        optimizer: &OptimizerKind,
        variations: &BTreeMap<String, Variation>,
        batches: impl Iterator<Item = u64>,
        length: RunLength,
    ) -> Result<Self, TrainError> {
        if variations.is_empty() {
            return Ok(Self::default());
        }
        let mut places = Vec::new();
        for (name, variation) in variations {
            variation.check()?;
            let misfit = |reason| TrainError::Hyperparameter {
                optimizer: optimizer.name(),
                assignment: format!("{name}={variation}"),
                reason,
            };
            let path = optimizer.number(name).map_err(misfit)?;
            let place = format!("/{}", path.replace('.', "/"));
            if places.contains(&place) {
                return Err(misfit(format!("`{path}` varies by another name already")));
            }
            places.push(place);
        }
        let values_at = |batch| variations.values().map(|variation| variation.at(batch, length)).collect();
        Ok(Self { places, values: batches.map(values_at).collect() })
    }

    /// How many steps there are; none if nothing varies.
    pub(super) fn steps(&self) -> u64 {
        self.values.len() as u64
    }

    /// What sets the hyperparameters of `config`, which is at `place` in the optimizer's. It is all read beforehand, so that
    /// nothing is left to do in a step but to copy.
    pub(super) fn change<C: Clone + Serialize + DeserializeOwned>(
        &self,
        place: &str,
        config: &C,
    ) -> Result<impl Fn(&mut C, u64) + use<C>, TrainError> {
        let misfit = |error: serde_json::Error| TrainError::Value {
            field: "vary",
            value: error.to_string(),
            expected: "of finite values",
        };
        let configured = serde_json::to_value(config).map_err(misfit)?;
        let steps = self.values.iter().map(|values| {
            let mut varied = configured.clone();
            for (name, value) in self.places.iter().zip(values) {
                if let Some(number) = name.strip_prefix(place).and_then(|name| varied.pointer_mut(name)) {
                    *number = (*value).into();
                }
            }
            serde_json::from_value(varied).map_err(misfit)
        });
        let steps = steps.collect::<Result<Vec<C>, _>>()?;
        Ok(move |config: &mut C, step: u64| config.clone_from(&steps[step as usize - 1]))
    }
}
