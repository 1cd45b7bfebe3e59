//! What a training has come to, epoch by epoch.

use super::rollback::Rollback;
use crate::early_stopping::{EarlyStopping, EarlyStoppingConfig, Goal};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;

/// Says which validation metric tells how good an epoch was, and which of its values are better.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Criterion {
    /// Names the metric as Burn does: `Loss`, `Accuracy`.
    pub metric: String,
    /// Says which values are better.
    pub goal: Goal,
}

impl Criterion {
    /// Makes the epoch with the lowest value of `metric` the best.
    pub fn lowest(metric: impl Into<String>) -> Self {
        Self { metric: metric.into(), goal: Goal::Lower }
    }

    /// Makes the epoch with the highest value of `metric` the best.
    pub fn highest(metric: impl Into<String>) -> Self {
        Self { metric: metric.into(), goal: Goal::Higher }
    }
}

impl Default for Criterion {
    fn default() -> Self {
        Self::lowest("Loss")
    }
}

/// Records the metrics of one epoch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Gives the epoch, from 1.
    pub epoch: usize,
    /// Counts the steps taken by its end, over all epochs.
    pub step: u64,
    /// Gives the mean of each numeric metric over the training batches, by Burn's name for it.
    #[serde(with = "exact")]
    pub training: BTreeMap<String, f64>,
    /// Gives the value of each numeric metric in the validation after the epoch.
    #[serde(with = "exact")]
    pub validation: BTreeMap<String, f64>,
    /// Counts the seconds of training passes by its end, over all epochs; validation is not counted.
    pub seconds: f64,
    /// Counts the examples trained on in the epoch.
    pub items: usize,
}

/// Records what a training has come to. A checkpoint holds it, to the bit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// Lists the epochs that were finished, in their order.
    pub epochs: Vec<EpochRecord>,
    /// Says why there are no more of them than these, where there are fewer than were asked for.
    pub ended: Option<Ended>,
    /// Lists how often, and from where, the training has gone back.
    #[serde(default)]
    pub rollbacks: Vec<Rollback>,
}

/// Says why a training ended, if not because all its epochs were over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ended {
    /// Says that the criterion no longer got better.
    EarlyStopping,
    /// Says that the validation loss, or what else the criterion is, is no longer a finite number.
    Diverged,
}

impl History {
    /// Returns the last epoch that was finished, or 0.
    pub fn last_epoch(&self) -> usize {
        self.epochs.last().map_or(0, |record| record.epoch)
    }

    /// Returns the best epoch by `criterion`, the first of equals; none if there is no epoch yet or none is finite.
    pub fn best(&self, criterion: &Criterion) -> Option<&EpochRecord> {
        let (stopping, _) = self.observed(criterion, EarlyStoppingConfig::new(usize::MAX))?;
        stopping.best().map(|(check, _)| &self.epochs[check - 1])
    }

    /// Returns the `best` best epochs by `criterion`, the best first.
    pub fn ranked(&self, criterion: &Criterion) -> Vec<&EpochRecord> {
        let mut ranked: Vec<_> = self.epochs.iter().filter(|record| criterion.of(record).is_finite()).collect();
        // Stable: of equals, the first stays first.
        ranked.sort_by(|one, other| {
            let order = criterion.of(one).total_cmp(&criterion.of(other));
            if criterion.goal == Goal::Lower { order } else { order.reverse() }
        });
        ranked
    }

    /// Early stopping after all epochs, and whether it stops at the last.
    pub(super) fn observed(&self, criterion: &Criterion, config: EarlyStoppingConfig) -> Option<(EarlyStopping, bool)> {
        let mut stopping = config.with_goal(criterion.goal).init().ok()?;
        let mut stops = false;
        for record in &self.epochs {
            stops = stopping.observe(criterion.of(record));
        }
        Some((stopping, stops))
    }
}

impl Criterion {
    /// The value of the metric in an epoch; NaN where the loss is not finite, whatever the metric is.
    pub(super) fn of(&self, record: &EpochRecord) -> f64 {
        let value = |name: &str| record.validation.get(name).copied();
        match value("Loss") {
            Some(loss) if !loss.is_finite() => f64::NAN,
            _ => value(&self.metric).unwrap_or(f64::NAN),
        }
    }
}

/// Writes numbers by their bits: JSON has no NaN, and its readers may be off by the last bit.
mod exact {
    use super::*;

    pub(super) fn serialize<S: Serializer>(values: &BTreeMap<String, f64>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(values.iter().map(|(name, value)| (name, value.to_bits())))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, f64>, D::Error> {
        let bits = BTreeMap::<String, u64>::deserialize(deserializer)?;
        Ok(bits.into_iter().map(|(name, bits)| (name, f64::from_bits(bits))).collect())
    }
}
