//! Learning-rate schedules as Burn schedulers.
//!
//! Burn's own linear, cosine and exponential schedulers refuse a rate above 1, which Adadelta's scaling and gradient
//! descent on small problems need; these do not.

use crate::error::{ConfigError, Range};
use burn::lr_scheduler::{LrScheduler, LrSchedulerRecord};
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;
use std::fmt;
use std::str::FromStr;

/// How the learning rate changes over a run. `η` is the run's rate, `p` the share of its steps that is over.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// `η` throughout.
    Constant,
    /// `η·(1 − p)`.
    Linear,
    /// `η·(1 + cos πp)/2`.
    Cosine,
    /// Up by half a cosine from `η/25` to `η` over the first 30 % of the steps, then down to `η/250,000`: the learning
    /// rate of PyTorch's `OneCycleLR`.
    OneCycle,
    /// `η·βⁿ`, n the number of whole epochs that are over (coverage B2).
    Exponential {
        /// β, in `(0, ∞)`.
        beta: f64,
    },
    /// `η·f^⌊n/T⌋`, n the number of whole epochs that are over (coverage B3).
    Step {
        /// T, in epochs, at least 1.
        every: usize,
        /// f, in `(0, ∞)`.
        factor: f64,
    },
}

/// A schedule name or parameter that is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown schedule `{0}`; known: constant, linear, cosine, one-cycle, exponential=BETA, step=EPOCHS:FACTOR")]
pub struct UnknownSchedule(pub String);

impl Schedule {
    /// Whether every parameter is in its range.
    ///
    /// # Errors
    ///
    /// The first that is not.
    pub fn check(self) -> Result<(), ConfigError> {
        match self {
            Self::Exponential { beta } => Range::Positive.check("Schedule", "beta", beta),
            Self::Step { every, factor } => {
                Range::Positive.check("Schedule", "every", every as f64)?;
                Range::Positive.check("Schedule", "factor", factor)
            }
            _ => Ok(()),
        }
    }

    /// The rate of step `step` (from 0) in a run of `length`, as a multiple of the run's rate.
    pub fn factor(self, step: u64, length: RunLength) -> f64 {
        let over = (step as f64 / length.steps().max(1) as f64).min(1.0);
        let epoch = step / length.steps_per_epoch.max(1);
        let cosine = |from: f64, to: f64, share: f64| to + (from - to) * 0.5 * (1.0 + (PI * share).cos());
        match self {
            Self::Constant => 1.0,
            Self::Linear => 1.0 - over,
            Self::Cosine => cosine(1.0, 0.0, over),
            Self::OneCycle => {
                // PyTorch counts from the first step to the last, so that the last has the lowest rate.
                let last = length.steps().saturating_sub(1).max(1) as f64;
                let peak = 0.3 * (last + 1.0) - 1.0;
                let step = (step as f64).min(last);
                if step <= peak {
                    cosine(1.0 / 25.0, 1.0, step / peak)
                } else {
                    cosine(1.0, 1.0 / 25.0 / 1e4, (step - peak) / (last - peak))
                }
            }
            Self::Exponential { beta } => beta.powf(epoch as f64),
            Self::Step { every, factor } => factor.powf((epoch / every.max(1) as u64) as f64),
        }
    }

    /// The Burn scheduler of a run at `lr`.
    pub fn scheduler(self, lr: f64, length: RunLength) -> ScheduleRun {
        ScheduleRun { schedule: self, lr, length, step: 0 }
    }
}

/// How long a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunLength {
    /// The number of epochs.
    pub epochs: usize,
    /// The number of optimizer steps in an epoch.
    pub steps_per_epoch: u64,
}

impl RunLength {
    fn steps(self) -> u64 {
        self.epochs as u64 * self.steps_per_epoch
    }
}

/// A [`Schedule`] at work. Its record holds the step.
#[derive(Clone, Debug)]
pub struct ScheduleRun {
    schedule: Schedule,
    lr: f64,
    length: RunLength,
    step: u64,
}

impl LrScheduler for ScheduleRun {
    fn step(&mut self) -> f64 {
        let factor = self.schedule.factor(self.step, self.length);
        self.step += 1;
        self.lr * factor
    }

    fn to_record(&self) -> LrSchedulerRecord {
        LrSchedulerRecord::new().with_scalar("step", self.step)
    }

    fn load_record(&mut self, record: LrSchedulerRecord) {
        if let Some(step) = record.scalar("step") {
            self.step = step;
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant => f.write_str("constant"),
            Self::Linear => f.write_str("linear"),
            Self::Cosine => f.write_str("cosine"),
            Self::OneCycle => f.write_str("one-cycle"),
            Self::Exponential { beta } => write!(f, "exponential={beta}"),
            Self::Step { every, factor } => write!(f, "step={every}:{factor}"),
        }
    }
}

impl FromStr for Schedule {
    type Err = UnknownSchedule;

    fn from_str(text: &str) -> Result<Self, UnknownSchedule> {
        let unknown = || UnknownSchedule(text.to_owned());
        let (name, parameters) = text.split_once('=').map_or((text, None), |(name, rest)| (name, Some(rest)));
        match (name, parameters) {
            ("constant", None) => Ok(Self::Constant),
            ("linear", None) => Ok(Self::Linear),
            ("cosine", None) => Ok(Self::Cosine),
            ("one-cycle", None) => Ok(Self::OneCycle),
            ("exponential", Some(beta)) => Ok(Self::Exponential { beta: beta.parse().map_err(|_| unknown())? }),
            ("step", Some(parameters)) => {
                let (every, factor) = parameters.split_once(':').ok_or_else(unknown)?;
                Ok(Self::Step {
                    every: every.parse().map_err(|_| unknown())?,
                    factor: factor.parse().map_err(|_| unknown())?,
                })
            }
            _ => Err(unknown()),
        }
    }
}
