//! What a training does about a step or an epoch that is not finite: it goes back, and on with a lower rate.

use super::checkpoints::Header;
use super::state::Records;
use crate::error::{ConfigError, ValueRange};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Configures how a training goes back to the end of the last epoch where it diverges, and on from there with a lower
/// learning rate.
///
/// A training diverges where the validation loss of an epoch, or what else the criterion is, is no finite number. Where a
/// [chain](crate::gradient::Chain) checks the gradients, a step whose gradients are not finite, and is not to be skipped,
/// is enough: `ChainConfig::new().apply_if_finite(0)` lets no such step pass. Then the weights, the optimizer's state and the
/// schedule are again what they were when the epoch began, and from there on all learning rates are multiplied by the
/// factor, once for each time that the training has gone back. It costs memory for the weights and the optimizer's state
/// once more.
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `attempts` | | at least 1 | how often the training may go back; after that it ends as it would without |
/// | `factor` | 0.5 | `(0, 1)` | what the learning rates are multiplied by each time |
///
/// As text it is `3` or `3:0.1`.
///
/// ```
/// use burn_descent::train::RollbackConfig;
///
/// let config: RollbackConfig = "3:0.1".parse()?;
/// assert_eq!(config, RollbackConfig::new(3).with_factor(0.1));
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RollbackConfig {
    /// Sets how often the training may go back, at least 1.
    pub attempts: usize,
    /// Sets what the learning rates are multiplied by each time, in `(0, 1)`. With the same rates it would diverge again.
    #[serde(default = "default_factor")]
    pub factor: f64,
}

fn default_factor() -> f64 {
    0.5
}

impl RollbackConfig {
    /// Makes a configuration by which a training goes back up to `attempts` times, each time to half the learning rate.
    pub fn new(attempts: usize) -> Self {
        Self { attempts, factor: default_factor() }
    }

    /// Sets what the learning rates are multiplied by each time.
    pub fn with_factor(self, factor: f64) -> Self {
        Self { factor, ..self }
    }

    /// Checks that every field is in its range.
    ///
    /// # Errors
    ///
    /// Returns the first field that is out of range.
    pub fn check(&self) -> Result<(), ConfigError> {
        ValueRange::AtLeast(1.0).check("Rollback", "attempts", self.attempts as f64)?;
        ValueRange::OpenFraction.check("Rollback", "factor", self.factor)
    }

    /// What the learning rates are multiplied by after so many times.
    pub(super) fn multiplier(&self, times: usize) -> f64 {
        self.factor.powi(i32::try_from(times).unwrap_or(i32::MAX))
    }
}

impl fmt::Display for RollbackConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.attempts, self.factor)
    }
}

impl FromStr for RollbackConfig {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let malformed = || format!("`{text}` is no rollback; expected ATTEMPTS or ATTEMPTS:FACTOR, such as 3 or 3:0.5");
        let (attempts, factor) =
            text.split_once(':').map_or((text, None), |(attempts, factor)| (attempts, Some(factor)));
        let config = Self::new(attempts.parse().map_err(|_| malformed())?);
        let config = match factor {
            Some(factor) => config.with_factor(factor.parse().map_err(|_| malformed())?),
            None => config,
        };
        config.check().map_err(|error| error.to_string())?;
        Ok(config)
    }
}

/// Records that a training has gone back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rollback {
    /// Gives the epoch that was not finite, from 1; the training went back to its beginning.
    pub epoch: usize,
    /// Counts the steps that it had come to by then, over all epochs.
    pub step: u64,
    /// Says what was not finite.
    pub reason: String,
    /// Gives what the learning rates have been multiplied by since, against those of the schedule.
    pub multiplier: f64,
}

/// What a training goes back to: all of it as it was at the end of an epoch, or before the first.
pub(super) struct Anchor<M> {
    /// For the records to be loaded into, where a step has lost the model.
    pub(super) model: M,
    pub(super) header: Header,
    pub(super) records: Records,
}
