use super::failure::Failure;
use super::{Stopwatch, TrainError, files};
use burn::train::EarlyStoppingStrategy;
use burn::train::checkpoint::{CheckpointingAction, CheckpointingStrategy};
use burn::train::metric::store::{Aggregate, EventStoreClient, Split};
use burn_descent::ConfigError;
use burn_descent::early_stopping::{EarlyStopping, EarlyStoppingConfig, Goal};
use burn_descent::schedule::Plateau;
use burn_descent::train::StopSignal;
use serde::{Deserialize, Deserializer, Serialize};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Selects the validation metric that tells how good an epoch was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Criterion {
    /// Selects the validation loss: low is good.
    #[default]
    Loss,
    /// Selects the validation accuracy: high is good.
    Accuracy,
}

impl Criterion {
    fn goal(self) -> Goal {
        match self {
            Self::Loss => Goal::Lower,
            Self::Accuracy => Goal::Higher,
        }
    }

    /// The epoch's value of this metric; NaN where the epoch diverged.
    fn value(self, metrics: &EpochMetrics) -> f64 {
        match self {
            Self::Accuracy if metrics.validation_loss.is_finite() => metrics.validation_accuracy,
            _ if metrics.validation_loss.is_finite() => metrics.validation_loss,
            _ => f64::NAN,
        }
    }
}

impl FromStr for Criterion {
    type Err = TrainError;

    fn from_str(name: &str) -> Result<Self, TrainError> {
        match name {
            "loss" => Ok(Self::Loss),
            "accuracy" => Ok(Self::Accuracy),
            _ => Err(TrainError::unknown("criterion", name, ["loss", "accuracy"])),
        }
    }
}

/// Records what a run has come to, epoch by epoch. It is written to `history.json` after each epoch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// Lists the metrics of each epoch.
    pub epochs: Vec<EpochMetrics>,
    /// Says which metric the best epoch is chosen by.
    #[serde(default)]
    pub criterion: Criterion,
    /// Gives the best epoch by the criterion, the first of equals; none if there is no epoch yet or all diverged.
    pub best_epoch: Option<usize>,
    /// Says why the run ended before its last epoch, if it did.
    pub stopped: Option<String>,
    /// Says whether the last epoch was broken off before it had seen all images. A run that goes on begins it anew, so
    /// that it comes to what the unbroken run would have come to.
    #[serde(default)]
    pub broken_off: bool,
    /// The epochs whose weights are kept as snapshots, over the whole run.
    #[serde(skip)]
    pub(super) snapshots: Vec<usize>,
}

/// Holds the metrics of one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochMetrics {
    /// Gives the epoch, from 1.
    pub epoch: usize,
    /// Gives the mean training loss over the epoch, with dropout, distortion and smoothing. It is NaN (`null` in the
    /// file) if it diverged.
    #[serde(deserialize_with = "number_or_nan")]
    pub train_loss: f64,
    /// Gives the training accuracy over the epoch, 0 to 1.
    pub train_accuracy: f64,
    /// Gives the validation loss after the epoch. It is NaN (`null` in the file) if it diverged.
    #[serde(deserialize_with = "number_or_nan")]
    pub validation_loss: f64,
    /// Gives the validation accuracy after the epoch, 0 to 1.
    pub validation_accuracy: f64,
    /// Counts the seconds spent on training passes so far; validation is not counted.
    pub seconds: f64,
    /// Counts the images trained on in the epoch.
    #[serde(default)]
    pub images: usize,
}

/// JSON has no NaN: it is written as `null`.
fn number_or_nan<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

impl History {
    /// Returns the metrics of the best epoch, if there is one.
    pub fn best(&self) -> Option<&EpochMetrics> {
        self.epochs.iter().find(|metrics| Some(metrics.epoch) == self.best_epoch)
    }

    /// Returns the last epoch that was finished, or 0 if none was.
    pub fn last_epoch(&self) -> usize {
        self.epochs.last().map_or(0, |metrics| metrics.epoch)
    }

    /// The error of a run that came to nothing because its first epochs diverged.
    pub(super) fn divergence(&self) -> Option<TrainError> {
        let last = self.epochs.last().filter(|metrics| !metrics.validation_loss.is_finite())?;
        Some(TrainError::Diverged { epoch: last.epoch, loss: last.validation_loss })
    }

    /// Forgets the last epoch.
    pub(super) fn go_back(&mut self) {
        self.epochs.pop();
        self.best_epoch = best_epoch(&self.epochs, self.criterion);
        self.stopped = None;
        self.broken_off = false;
    }

    /// The epochs whose checkpoints a run needs that has finished `epoch`, but does not need at any of `others`.
    pub(super) fn needed_only_at(&self, epoch: usize, others: &[usize]) -> Vec<usize> {
        let others: Vec<usize> = others.iter().flat_map(|other| self.needed_at(*other)).collect();
        self.needed_at(epoch).into_iter().filter(|needed| !others.contains(needed)).collect()
    }

    /// The epochs whose checkpoints a run needs that has finished `epoch`: itself, the best until then and the
    /// snapshots until then.
    fn needed_at(&self, epoch: usize) -> Vec<usize> {
        let past = &self.epochs[..epoch.min(self.epochs.len())];
        let last = past.last().map(|metrics| metrics.epoch);
        let best = best_epoch(past, self.criterion).filter(|best| Some(*best) != last);
        let snapshots = self.snapshots.iter().copied().filter(|snapshot| *snapshot <= epoch);
        last.into_iter().chain(best).chain(snapshots).collect()
    }

    fn add(&mut self, metrics: EpochMetrics) {
        self.epochs.push(metrics);
        self.best_epoch = best_epoch(&self.epochs, self.criterion);
    }
}

/// The early stopping of a run that has these epochs behind it, and whether it is to stop.
fn stopping(
    epochs: &[EpochMetrics],
    criterion: Criterion,
    config: EarlyStoppingConfig,
) -> Result<(EarlyStopping, bool), ConfigError> {
    let mut stopping = config.with_goal(criterion.goal()).init()?;
    let stops = epochs.iter().fold(false, |_, metrics| stopping.observe(criterion.value(metrics)));
    Ok((stopping, stops))
}

/// The best epoch.
fn best_epoch(epochs: &[EpochMetrics], criterion: Criterion) -> Option<usize> {
    let (stopping, _) = stopping(epochs, criterion, EarlyStoppingConfig::new(1)).ok()?;
    stopping.best().map(|(check, _)| epochs[check - 1].epoch)
}

/// Keeps the history, the checkpoints of the best and the last epoch, and stops early.
///
/// Burn's own early stopping forgets its best value when a run is resumed and does not bring the best weights back;
/// this one's state is the history, which is on disk.
#[derive(Clone)]
pub(super) struct Recorder {
    pub(super) path: PathBuf,
    pub(super) history: Arc<Mutex<History>>,
    pub(super) early_stopping: Option<EarlyStoppingConfig>,
    /// Where the schedule learns of the validation losses, if it wants to.
    pub(super) plateau: Option<Plateau>,
    pub(super) stop: StopSignal,
    /// Seconds spent on training passes before.
    pub(super) before: f64,
    pub(super) stopwatch: Stopwatch,
    /// Images in an epoch.
    pub(super) images: usize,
    pub(super) failure: Failure,
}

impl Recorder {
    pub(super) fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the epoch's metrics to the history, and says which checkpoints to keep.
    fn record(&self, epoch: usize, store: &EventStoreClient) -> Result<Vec<CheckpointingAction>, TrainError> {
        let find = |name: &str, split: &Split| store.find_metric(name, epoch, Aggregate::Mean, split);
        let metric = |name: &str, split: Split| {
            find(name, &split).ok_or_else(|| TrainError::Stopped(format!("epoch {epoch} has no {split:?} {name}")))
        };
        let (time, images) = self.stopwatch.read();
        // Of an epoch that was broken off.
        let part = images % self.images;
        let metrics = EpochMetrics {
            epoch,
            train_loss: metric("Loss", Split::Train)?,
            train_accuracy: metric("Accuracy", Split::Train)? / 100.0,
            validation_loss: metric("Loss", Split::Valid)?,
            validation_accuracy: metric("Accuracy", Split::Valid)? / 100.0,
            seconds: self.before + time.as_secs_f64(),
            images: if part > 0 { part } else { self.images },
        };
        // Before the checkpoint is saved, so that it holds what the scheduler made of this epoch.
        if let Some(plateau) = &self.plateau {
            plateau.observe(metrics.validation_loss);
        }
        let mut history = self.history();
        history.add(metrics);
        let mut actions = vec![CheckpointingAction::Save];
        // What the epoch before needs stays until this one's checkpoint is known to be whole, which is an epoch later.
        let old = history.needed_only_at(epoch.saturating_sub(2), &[epoch - 1, epoch]);
        actions.extend(old.into_iter().map(CheckpointingAction::Delete));
        if !metrics.validation_loss.is_finite() {
            self.failure.note(TrainError::Diverged { epoch, loss: metrics.validation_loss });
            history.stopped = Some("diverged".to_owned());
        } else if self.stop.given() {
            history.stopped = Some("interrupted".to_owned());
            history.broken_off = part > 0;
        } else if let Some(config) = self.early_stopping
            && stopping(&history.epochs, history.criterion, config)?.1
        {
            let metric = match history.criterion {
                Criterion::Loss => "lower validation loss",
                Criterion::Accuracy => "higher validation accuracy",
            };
            history.stopped = Some(format!("no {metric} in {} epochs", config.patience));
        }
        files::write_json(&self.path, &*history)?;
        Ok(actions)
    }
}

impl CheckpointingStrategy for Recorder {
    fn checkpointing(&mut self, epoch: usize, store: &EventStoreClient) -> Vec<CheckpointingAction> {
        self.record(epoch, store).unwrap_or_else(|error| {
            self.history().stopped = Some(error.to_string());
            self.failure.note(error);
            Vec::new()
        })
    }
}

impl EarlyStoppingStrategy for Recorder {
    fn should_stop(&mut self, _epoch: usize, _store: &EventStoreClient) -> bool {
        self.failure.is_noted() || self.history().stopped.is_some()
    }
}
