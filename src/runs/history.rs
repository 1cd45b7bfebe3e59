use super::TrainError;
use burn_descent::early_stopping::Goal;
use burn_descent::train::{self, Ended, GradientNormMetric, Rollback};
use serde::{Deserialize, Deserializer, Serialize};
use std::str::FromStr;

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
    /// The metric as the training knows it.
    pub(super) fn metric(self) -> train::Criterion {
        let (metric, goal) = match self {
            Self::Loss => ("Loss", Goal::Lower),
            Self::Accuracy => ("Accuracy", Goal::Higher),
        };
        train::Criterion { metric: metric.to_owned(), goal }
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

/// Records what a run has come to, epoch by epoch. It is written to `history.json` after each epoch, for people and
/// programs to read; a run that goes on does so from its checkpoint.
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
    /// Lists how often, and from where, the network has gone back to the end of an epoch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rollbacks: Vec<Rollback>,
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
    /// Gives the training accuracy over the epoch, 0 to 1; it is NaN where numbers are predicted.
    #[serde(deserialize_with = "number_or_nan")]
    pub train_accuracy: f64,
    /// Gives the validation loss after the epoch. It is NaN (`null` in the file) if it diverged.
    #[serde(deserialize_with = "number_or_nan")]
    pub validation_loss: f64,
    /// Gives the validation accuracy after the epoch, 0 to 1; it is NaN where numbers are predicted.
    #[serde(deserialize_with = "number_or_nan")]
    pub validation_accuracy: f64,
    /// Counts the seconds spent on training passes so far; validation is not counted.
    pub seconds: f64,
    /// Counts the images trained on in the epoch.
    #[serde(default)]
    pub images: usize,
    /// Gives the mean norm of the gradients over the epoch, where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gradient_norm: Option<f64>,
}

/// JSON has no NaN: it is written as `null`.
pub(super) fn number_or_nan<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

impl History {
    /// Makes the record of a run out of that of its training; `patience` is that of early stopping, for its reason.
    pub(super) fn new(training: &train::History, criterion: Criterion, patience: Option<usize>) -> Self {
        let stopped = training.ended.map(|ended| match (ended, criterion) {
            (Ended::Diverged, _) => "diverged".to_owned(),
            (Ended::EarlyStopping, criterion) => {
                let metric = match criterion {
                    Criterion::Loss => "lower validation loss",
                    Criterion::Accuracy => "higher validation accuracy",
                };
                format!("no {metric} in {} epochs", patience.unwrap_or_default())
            }
        });
        Self {
            epochs: training.epochs.iter().map(EpochMetrics::new).collect(),
            criterion,
            best_epoch: training.best(&criterion.metric()).map(|best| best.epoch),
            stopped,
            rollbacks: training.rollbacks.clone(),
        }
    }

    /// Says of each time that the network has gone back what for.
    pub(super) fn rollbacks(&self) -> Vec<String> {
        let told = |Rollback { epoch, step, reason, multiplier }: &Rollback| {
            let multiplier = if *multiplier < 1e-3 { format!("{multiplier:e}") } else { multiplier.to_string() };
            format!(
                "went back to the beginning of epoch {epoch} at step {step}, on with {multiplier} of the rate: {reason}"
            )
        };
        self.rollbacks.iter().map(told).collect()
    }

    /// Returns the metrics of the best epoch, if there is one.
    pub fn best(&self) -> Option<&EpochMetrics> {
        self.epochs.iter().find(|metrics| Some(metrics.epoch) == self.best_epoch)
    }

    /// Returns the metrics of the best of the first `epochs` epochs, if there is one: what was best when there were no
    /// more.
    pub fn best_of_first(&self, epochs: usize) -> Option<&EpochMetrics> {
        let badness = |metrics: &EpochMetrics| match self.criterion {
            Criterion::Loss => metrics.validation_loss,
            Criterion::Accuracy => -metrics.validation_accuracy,
        };
        let known = self.epochs.iter().filter(|metrics| metrics.epoch <= epochs && badness(metrics).is_finite());
        known.min_by(|one, other| badness(one).total_cmp(&badness(other)))
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
}

impl EpochMetrics {
    fn new(record: &train::EpochRecord) -> Self {
        let value =
            |of: &std::collections::BTreeMap<String, f64>, name: &str| of.get(name).copied().unwrap_or(f64::NAN);
        Self {
            epoch: record.epoch,
            train_loss: value(&record.training, "Loss"),
            train_accuracy: value(&record.training, "Accuracy") / 100.0,
            validation_loss: value(&record.validation, "Loss"),
            validation_accuracy: value(&record.validation, "Accuracy") / 100.0,
            seconds: record.seconds,
            images: record.items,
            gradient_norm: record.training.get(GradientNormMetric::NAME).copied(),
        }
    }
}
