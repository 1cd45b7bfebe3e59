//! Stops a training when a metric no longer gets better (coverage F1; Kao, Ruder, Kitov).

use crate::error::{ConfigError, ValueRange};
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// Says which values of a metric are better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// Prefers low values, as of a loss.
    #[default]
    Lower,
    /// Prefers high values, as of an accuracy.
    Higher,
}

impl Goal {
    /// Tells whether `value` is better than `other` by more than `improvement`. NaN is never better, and everything
    /// else is better than NaN.
    pub fn is_better(self, value: f64, other: f64, improvement: f64) -> bool {
        let gain = match self {
            Self::Lower => other - value,
            Self::Higher => value - other,
        };
        gain > improvement || (other.is_nan() && !value.is_nan())
    }
}

impl FromStr for Goal {
    type Err = ();

    /// Reads `lower` or `higher`, or PyTorch's `min` or `max`.
    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "lower" | "min" => Ok(Self::Lower),
            "higher" | "max" => Ok(Self::Higher),
            _ => Err(()),
        }
    }
}

/// Configures [`EarlyStopping`]: how long a training goes on without an improvement.
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `patience` | | at least 1 | so many checks in a row without an improvement are the end |
/// | `minimum_improvement` | 0 | `[0, ∞)` | what a check must be better by, than the last that improved, to count |
/// | `goal` | `Lower` | | which values are better |
///
/// ```
/// use burn_descent::early_stopping::{EarlyStopping, EarlyStoppingConfig};
///
/// let mut stopping = EarlyStoppingConfig::new(2).init()?;
/// let stops = [0.9, 0.5, 0.7, 0.6].map(|loss| stopping.observe(loss));
/// assert_eq!(stops, [false, false, false, true]);
/// assert_eq!(stopping.best(), Some((2, 0.5))); // whoever keeps the weights of each check goes back to those of this one
/// # Ok::<(), burn_descent::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EarlyStoppingConfig {
    /// Sets after how many checks in a row without an improvement the training stops, at least 1.
    pub patience: usize,
    /// Sets by how much a check must be better than the last that improved, to count, in `[0, ∞)`.
    #[serde(default)]
    pub minimum_improvement: f64,
    /// Sets which values are better.
    #[serde(default)]
    pub goal: Goal,
}

impl EarlyStoppingConfig {
    /// Makes a configuration that stops after `patience` checks in a row without any lower value.
    pub fn new(patience: usize) -> Self {
        Self { patience, minimum_improvement: 0.0, goal: Goal::Lower }
    }

    /// Sets what a check must be better by to count.
    pub fn with_minimum_improvement(self, minimum_improvement: f64) -> Self {
        Self { minimum_improvement, ..self }
    }

    /// Sets which values are better.
    pub fn with_goal(self, goal: Goal) -> Self {
        Self { goal, ..self }
    }

    /// Checks that every field is in its range.
    ///
    /// # Errors
    ///
    /// Returns the first field that is out of range.
    pub fn check(&self) -> Result<(), ConfigError> {
        ValueRange::AtLeast(1.0).check("EarlyStopping", "patience", self.patience as f64)?;
        ValueRange::NonNegative.check("EarlyStopping", "minimum_improvement", self.minimum_improvement)
    }

    /// Makes the state of early stopping before the first check.
    ///
    /// # Errors
    ///
    /// Returns the first field that is out of range.
    pub fn init(&self) -> Result<EarlyStopping, ConfigError> {
        self.check()?;
        Ok(EarlyStopping { config: *self, checks: 0, best: None, improved: None })
    }
}

/// Keeps what was observed of a metric so far, and says when to stop; in a checkpoint it goes on where it was.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EarlyStopping {
    config: EarlyStoppingConfig,
    checks: usize,
    /// The best check and its value.
    best: Option<(usize, f64)>,
    /// The last check that improved, and its value.
    improved: Option<(usize, f64)>,
}

impl EarlyStopping {
    /// Takes the value of the next check, and tells whether to stop. A value that is not finite is no improvement.
    pub fn observe(&mut self, value: f64) -> bool {
        self.checks += 1;
        let EarlyStoppingConfig { patience, minimum_improvement, goal } = self.config;
        let better = |than: Option<(usize, f64)>, by| {
            value.is_finite() && than.is_none_or(|(_, other)| goal.is_better(value, other, by))
        };
        if better(self.best, 0.0) {
            self.best = Some((self.checks, value));
        }
        if better(self.improved, minimum_improvement) {
            self.improved = Some((self.checks, value));
        }
        self.checks - self.improved.map_or(0, |(check, _)| check) >= patience
    }

    /// Returns the best check, from 1, and its value: the first of equals, whether or not it improved enough to count.
    pub fn best(&self) -> Option<(usize, f64)> {
        self.best
    }
}
