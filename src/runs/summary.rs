use super::{Evaluation, MemoryUse, RegressionErrors, bytes};
use burn_descent::ensemble::EnsembleReport;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Summarizes what a run came to. It is written to `summary.json`; its `Display` is the table at the end of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Gives the run's name.
    pub name: String,
    /// Names the data set that was trained on.
    pub dataset: String,
    /// Says where the data came from.
    pub origin: String,
    /// Names the network.
    pub model: String,
    /// Counts the values in one network: its weights and, under batch normalization, the running statistics.
    pub parameters: usize,
    /// Names the optimizer.
    pub optimizer: String,
    /// Gives the accuracy on the test set, 0 to 1; of an ensemble, it is that of the combined answers. It is NaN where
    /// numbers are predicted.
    #[serde(deserialize_with = "super::history::number_or_nan")]
    pub test_accuracy: f64,
    /// Gives the mean negative log-likelihood on the test set.
    pub test_loss: f64,
    /// Counts how many test images of each class (row) were taken for each class (column).
    pub confusion: Vec<Vec<u64>>,
    /// Names the classes, where they have other names than their numbers.
    #[serde(default)]
    pub class_names: Vec<String>,
    /// Reports what the networks gain together, where there are several.
    #[serde(default)]
    pub ensemble: Option<EnsembleReport>,
    /// Measures the errors on the test set where numbers are predicted.
    #[serde(default)]
    pub regression: Option<RegressionErrors>,
    /// Summarizes each network by itself.
    pub members: Vec<MemberSummary>,
    /// Counts the seconds of training passes over all networks; validation is not counted.
    pub seconds: f64,
    /// Gives the number of images trained on in a second.
    pub images_per_second: f64,
    /// Gives the run's seed.
    pub seed: u64,
    /// Names the backend that ran the run.
    pub backend: String,
    /// Says why the run ended before its last epoch, if it did.
    pub stopped: Option<String>,
    /// Says of each time that a network went back to the end of an epoch what for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rollbacks: Vec<String>,
    /// Estimates what the training took of memory.
    #[serde(default)]
    pub memory: Option<MemoryUse>,
    /// Gives the versions of the libraries.
    pub versions: Versions,
}

/// Summarizes one network of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MemberSummary {
    /// Gives the network's seed.
    pub seed: u64,
    /// Counts the epochs trained; of a snapshot, those since the one before.
    pub epochs: usize,
    /// Gives the epoch whose weights were kept: the best by the run's criterion, or the last of a snapshot's cycle.
    pub best_epoch: usize,
    /// Gives the validation loss of the kept weights.
    pub validation_loss: f64,
    /// Gives the validation accuracy of the kept weights, 0 to 1.
    #[serde(deserialize_with = "super::history::number_or_nan")]
    pub validation_accuracy: f64,
    /// Gives the test accuracy of the kept weights, 0 to 1.
    #[serde(deserialize_with = "super::history::number_or_nan")]
    pub test_accuracy: f64,
    /// Gives the test loss of the kept weights.
    pub test_loss: f64,
    /// Counts the seconds of training passes; of a snapshot, those since the one before.
    pub seconds: f64,
    /// Counts the images trained on; of a snapshot, those since the one before.
    pub images: usize,
}

/// Gives the versions of the libraries that made a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// Gives the version of burn-descent.
    pub burn_descent: String,
    /// Gives the version of Burn.
    pub burn: String,
}

impl Default for Versions {
    fn default() -> Self {
        Self { burn_descent: env!("CARGO_PKG_VERSION").to_owned(), burn: "0.22.1".to_owned() }
    }
}

/// With more classes, not all pairs of them are printed.
const MOST_CLASSES: usize = 20;

impl Summary {
    pub(super) fn evaluation(&self) -> Evaluation {
        Evaluation {
            accuracy: self.test_accuracy,
            loss: self.test_loss,
            confusion: self.confusion.clone(),
            class_names: self.class_names.clone(),
            ensemble: self.ensemble.clone(),
            regression: self.regression,
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "run           {}", self.name)?;
        writeln!(f, "data          {} ({})", self.dataset, self.origin)?;
        writeln!(f, "network       {}, {} parameters", self.model, self.parameters)?;
        writeln!(f, "optimizer     {}", self.optimizer)?;
        writeln!(f, "backend       {}, {:.0} images/s, {:.1} s", self.backend, self.images_per_second, self.seconds)?;
        if let Some(memory) = &self.memory {
            writeln!(f, "memory        about {}", bytes(memory.total()))?;
            for (what, size) in memory.parts() {
                writeln!(f, "{:>24}  {what}", bytes(size))?;
            }
        }
        if let Some(stopped) = &self.stopped {
            writeln!(f, "stopped       {stopped}")?;
        }
        for rollback in &self.rollbacks {
            writeln!(f, "rolled back   {rollback}")?;
        }
        writeln!(f)?;
        writeln!(
            f,
            "{:>8} {:>7} {:>6} {:>12} {:>12} {:>10} {:>10}",
            "seed", "epochs", "best", "valid loss", "valid acc", "test loss", "test acc"
        )?;
        for member in &self.members {
            writeln!(
                f,
                "{:>8} {:>7} {:>6} {:>12.4} {:>10.2} % {:>10.4} {:>8.2} %",
                member.seed,
                member.epochs,
                member.best_epoch,
                member.validation_loss,
                100.0 * member.validation_accuracy,
                member.test_loss,
                100.0 * member.test_accuracy,
            )?;
        }
        if self.members.len() > 1 {
            let mean = self.members.iter().map(|member| member.test_accuracy).sum::<f64>() / self.members.len() as f64;
            writeln!(f, "{:>8} {:>52} {:>8.2} %", "mean", "", 100.0 * mean)?;
            writeln!(f, "{:>8} {:>41} {:>10.4} {:>8.2} %", "ensemble", "", self.test_loss, 100.0 * self.test_accuracy)?;
        }
        writeln!(f)?;
        write!(f, "{}", self.evaluation())
    }
}

impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(report) = &self.ensemble {
            writeln!(f, "{report}\n")?;
        }
        if let Some(errors) = &self.regression {
            let RegressionErrors { r_squared, root_mean_squared_error, mean_absolute_error } = errors;
            return write!(
                f,
                "test R² {r_squared:.4}, root mean squared error {root_mean_squared_error:.4}, mean absolute error \
                 {mean_absolute_error:.4}"
            );
        }
        let classes = self.confusion.len();
        let name = |class: usize| self.class_names.get(class).cloned().unwrap_or_else(|| class.to_string());
        if classes <= MOST_CLASSES {
            let heading = (0..classes).map(|class| format!("{class:>6}")).collect::<String>();
            let width = (0..classes).map(|class| name(class).chars().count()).max().unwrap_or(0).max(5);
            writeln!(f, "test images: class by row, answer by column")?;
            writeln!(f, "{:width$}{heading}", "")?;
            for (class, row) in self.confusion.iter().enumerate() {
                let row = row.iter().map(|count| format!("{count:>6}")).collect::<String>();
                writeln!(f, "{:>width$}{row}", name(class))?;
            }
        } else {
            writeln!(f, "test images, the most frequent mistakes")?;
            let cells = |(class, row): (usize, &Vec<u64>)| {
                row.iter().enumerate().map(|(answer, count)| (*count, class, answer)).collect::<Vec<_>>()
            };
            let mut mistakes: Vec<_> = self.confusion.iter().enumerate().flat_map(cells).collect();
            mistakes.retain(|(count, class, answer)| *count > 0 && class != answer);
            mistakes.sort_by_key(|(count, class, answer)| (std::cmp::Reverse(*count), *class, *answer));
            for (count, class, answer) in mistakes.iter().take(MOST_CLASSES) {
                writeln!(f, "{count:>5}  {} taken for {}", name(*class), name(*answer))?;
            }
        }
        writeln!(f)?;
        write!(f, "test accuracy {:.2} %, test loss {:.4}", 100.0 * self.accuracy, self.loss)
    }
}
