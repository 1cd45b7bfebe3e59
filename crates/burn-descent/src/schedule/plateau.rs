use crate::early_stopping::Goal;
use crate::error::{ConfigError, ValueRange};
use burn::config::Config;
use burn::lr_scheduler::LrSchedulerRecord;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Configures the reduction of the learning rate when the validation loss stops falling (Kao; coverage B5), or when another
/// metric stops rising: PyTorch's `ReduceLROnPlateau` in mode `min` or `max`.
///
/// A validation loss is *better* if it is lower than the best by more than the threshold. After more than `patience`
/// losses in a row that are not better, the rate is multiplied by `factor`, but not below `minimum`; the next
/// `cooldown` losses do not count as bad. With [`Goal::Higher`] all of that is so for a metric of which high values are
/// better, such as the accuracy.
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `factor` | 0.1 | `(0, 1)` | what the rate is multiplied by |
/// | `patience` | 10 | | so many losses that are not better are put up with |
/// | `threshold` | `Relative(1e-4)` | `[0, 1)`; absolute `[0, ∞)` | by how much a loss has to be lower than the best |
/// | `cooldown` | 0 | | so many losses after a reduction do not count as bad |
/// | `minimum` | 0 | `[0, 1]` | the lowest rate, as a share of the run's |
/// | `goal` | `Lower` | | which values are better: PyTorch's `mode` |
///
/// Where PyTorch ignores a reduction of the rate by less than `eps`, none is ignored here. An `Engine` feeds it the
/// validation loss; where high values are better its criterion's metric, if that is one of those, else the accuracy.
#[derive(Config, Debug, Copy, PartialEq)]
pub struct PlateauConfig {
    /// Sets what the rate is multiplied by, in `(0, 1)`.
    #[config(default = 0.1)]
    pub factor: f64,
    /// Sets how many losses in a row that are not better are tolerated.
    #[config(default = 10)]
    pub patience: u64,
    /// Sets by how much a loss has to be lower than the best to be better.
    #[config(default = "Threshold::Relative(1e-4)")]
    pub threshold: Threshold,
    /// Sets how many losses after a reduction do not count as bad.
    #[config(default = 0)]
    pub cooldown: u64,
    /// Sets the lowest rate as a share of the run's, in `[0, 1]`.
    #[config(default = 0.0)]
    pub minimum: f64,
    /// Sets which values are better.
    #[config(default = "Goal::Lower")]
    pub goal: Goal,
}

/// Says by how much a loss has to be lower than the best to be better, or another metric higher.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Threshold {
    /// Asks for a loss below `best·(1 − threshold)`, or another metric above `best·(1 + threshold)`, of values that are not
    /// negative. The threshold is in `[0, 1)`.
    Relative(f64),
    /// Asks for a loss below `best − threshold`, or another metric above `best + threshold`. The threshold is in `[0, ∞)`.
    Absolute(f64),
}

impl Threshold {
    /// Whether `value` is better than `best`. NaN never is.
    fn is_better(self, goal: Goal, value: f64, best: f64) -> bool {
        match (goal, self) {
            (Goal::Lower, Self::Relative(threshold)) => value < best * (1.0 - threshold),
            (Goal::Lower, Self::Absolute(threshold)) => value < best - threshold,
            (Goal::Higher, Self::Relative(threshold)) => value > best * (1.0 + threshold),
            (Goal::Higher, Self::Absolute(threshold)) => value > best + threshold,
        }
    }
}

impl PlateauConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        ValueRange::OpenFraction.check("Schedule", "factor", self.factor)?;
        match self.threshold {
            Threshold::Relative(threshold) => ValueRange::Decay.check("Schedule", "threshold", threshold)?,
            Threshold::Absolute(threshold) => ValueRange::NonNegative.check("Schedule", "threshold", threshold)?,
        }
        ValueRange::Fraction.check("Schedule", "minimum", self.minimum)
    }
}

/// Hands validation losses to a scheduler that reduces the rate on plateau. All clones share the same state.
///
/// Burn's schedulers are told nothing about the loss. A [`ScheduledLearningRate`](super::ScheduledLearningRate) gives
/// out this handle before it is handed over to Burn's `Learner`, or kept, and its record holds all that the handle
/// knows.
///
/// ```
/// use burn::lr_scheduler::LrScheduler;
/// use burn_descent::schedule::{PlateauConfig, RunLength, Schedule};
///
/// let schedule = Schedule::Plateau(PlateauConfig::new().with_factor(0.5).with_patience(0));
/// let mut scheduler = schedule.scheduler(0.1, RunLength { epochs: 3, steps_per_epoch: 1 })?;
/// let plateau = scheduler.plateau().expect("the schedule has one");
/// for (loss, rate) in [(1.0, 0.1), (1.1, 0.1), (1.2, 0.05)] {
///     assert_eq!(scheduler.step(), rate);
///     plateau.observe(loss); // After validation.
/// }
/// # Ok::<(), burn_descent::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Plateau {
    config: PlateauConfig,
    state: Arc<Mutex<State>>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    /// What the rate is multiplied by.
    factor: f64,
    best: Option<f64>,
    /// Losses in a row that were not better.
    bad: u64,
    /// Losses to come that do not count as bad.
    cooldown: u64,
}

impl Plateau {
    pub(super) fn new(config: PlateauConfig) -> Self {
        let state = State { factor: 1.0, best: None, bad: 0, cooldown: 0 };
        Self { config, state: Arc::new(Mutex::new(state)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns which values are better.
    pub fn goal(&self) -> Goal {
        self.config.goal
    }

    /// Takes note of a validation loss, or of the metric that is watched in its place, and reduces the rate if too many
    /// in a row were not better. NaN counts as not better.
    pub fn observe(&self, value: f64) {
        let PlateauConfig { factor, patience, threshold, cooldown, minimum, goal } = self.config;
        let mut state = self.state();
        let worst = if goal == Goal::Lower { f64::INFINITY } else { f64::NEG_INFINITY };
        if threshold.is_better(goal, value, state.best.unwrap_or(worst)) {
            state.best = Some(value);
            state.bad = 0;
        } else {
            state.bad += 1;
        }
        if state.cooldown > 0 {
            state.cooldown -= 1;
            state.bad = 0;
        }
        if state.bad > patience {
            state.factor = (state.factor * factor).max(minimum);
            state.cooldown = cooldown;
            state.bad = 0;
        }
    }

    /// Returns what the rate is multiplied by, after all that was observed.
    pub fn factor(&self) -> f64 {
        self.state().factor
    }

    pub(super) fn to_record(&self) -> LrSchedulerRecord {
        let State { factor, best, bad, cooldown } = *self.state();
        let record = LrSchedulerRecord::new();
        let record = record.with_scalar("factor", factor).with_scalar("bad", bad).with_scalar("cooldown", cooldown);
        match best {
            Some(best) => record.with_scalar("best", best),
            None => record,
        }
    }

    pub(super) fn load_record(&self, record: &LrSchedulerRecord) {
        let recorded = (record.scalar("factor"), record.scalar("bad"), record.scalar("cooldown"));
        if let (Some(factor), Some(bad), Some(cooldown)) = recorded {
            *self.state() = State { factor, best: record.scalar("best"), bad, cooldown };
        }
    }
}
