use crate::error::{ConfigError, Range};
use burn::config::Config;
use burn::lr_scheduler::LrSchedulerRecord;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Reduce the rate when the loss plateaus (Kao; coverage B5): PyTorch's `ReduceLROnPlateau` in mode `min`.
///
/// A validation loss is *better* if it is lower than the best by more than the threshold. After more than `patience`
/// losses in a row that are not better, the rate is multiplied by `factor`, but not below `minimum`; the next `cooldown`
/// losses do not count as bad.
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `factor` | 0.1 | `(0, 1)` | what the rate is multiplied by |
/// | `patience` | 10 | | so many losses that are not better are put up with |
/// | `threshold` | `Relative(1e-4)` | `[0, 1)`; absolute `[0, ∞)` | by how much a loss has to be lower than the best |
/// | `cooldown` | 0 | | so many losses after a reduction do not count as bad |
/// | `minimum` | 0 | `[0, 1]` | the lowest rate, as a share of the run's |
///
/// Where PyTorch ignores a reduction of the rate by less than `eps`, none is ignored here. Who watches an accuracy feeds
/// the share of errors.
#[derive(Config, Debug, Copy, PartialEq)]
pub struct PlateauConfig {
    /// What the rate is multiplied by, in `(0, 1)`.
    #[config(default = 0.1)]
    pub factor: f64,
    /// So many losses in a row that are not better are put up with.
    #[config(default = 10)]
    pub patience: u64,
    /// By how much a loss has to be lower than the best.
    #[config(default = "Threshold::Relative(1e-4)")]
    pub threshold: Threshold,
    /// So many losses after a reduction do not count as bad.
    #[config(default = 0)]
    pub cooldown: u64,
    /// The lowest rate as a share of the run's, in `[0, 1]`.
    #[config(default = 0.0)]
    pub minimum: f64,
}

/// By how much a loss has to be lower than the best to be better.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Threshold {
    /// Below `best·(1 − threshold)`. In `[0, 1)`; for losses that are not negative.
    Relative(f64),
    /// Below `best − threshold`. In `[0, ∞)`.
    Absolute(f64),
}

impl Threshold {
    /// Whether `loss` is better than `best`. NaN never is.
    fn is_better(self, loss: f64, best: f64) -> bool {
        match self {
            Self::Relative(threshold) => loss < best * (1.0 - threshold),
            Self::Absolute(threshold) => loss < best - threshold,
        }
    }
}

impl PlateauConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        Range::OpenFraction.check("Schedule", "factor", self.factor)?;
        match self.threshold {
            Threshold::Relative(threshold) => Range::Decay.check("Schedule", "threshold", threshold)?,
            Threshold::Absolute(threshold) => Range::NonNegative.check("Schedule", "threshold", threshold)?,
        }
        Range::Fraction.check("Schedule", "minimum", self.minimum)
    }
}

/// The line from whoever validates to a scheduler that reduces on plateau: all clones are one and the same.
///
/// Burn's schedulers are told nothing about the loss. A [`ScheduleRun`](super::ScheduleRun) gives out this handle before
/// it is handed over to Burn's `Learner`, or kept, and its record holds all that the handle knows.
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

    /// Takes note of a validation loss, and reduces the rate if its time has come. NaN counts as not better.
    pub fn observe(&self, loss: f64) {
        let PlateauConfig { factor, patience, threshold, cooldown, minimum } = self.config;
        let mut state = self.state();
        if threshold.is_better(loss, state.best.unwrap_or(f64::INFINITY)) {
            state.best = Some(loss);
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

    /// What the rate is multiplied by, after all that was observed.
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
