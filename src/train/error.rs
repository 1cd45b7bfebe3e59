use super::Backend;
use crate::augment::AugmentError;
use crate::data::DataError;
use crate::ensemble::EnsembleError;
use crate::error::ConfigError;
use crate::gradient::NonFiniteGradients;
use crate::penalty::PenaltyError;
use crate::sample::SampleError;
use crate::schedule::ScheduleError;
use crate::transfer::TransferError;
use crate::weights::NoStatistics;
use std::path::{Path, PathBuf};

/// Why a run could not start, go on or be read.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A hyperparameter is out of range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The data could not be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A distortion or a view is misspelt, out of range or does not fit the images.
    #[error(transparent)]
    Augment(#[from] AugmentError),
    /// The schedule is not known or misspelt.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// A penalty is out of range, or there is no parameter for it.
    #[error(transparent)]
    Penalty(#[from] PenaltyError),
    /// The weights of another run do not fit.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// Images could not be split, drawn or ordered as asked for.
    #[error(transparent)]
    Sample(#[from] SampleError),
    /// Networks cannot answer together.
    #[error(transparent)]
    Ensemble(#[from] EnsembleError),
    /// A name is not among the known ones.
    #[error("unknown {what} `{name}`; known: {known}")]
    Unknown {
        /// What the name was to name.
        what: &'static str,
        /// The name.
        name: String,
        /// The known names.
        known: String,
    },
    /// A hyperparameter's value does not fit.
    #[error("{optimizer}: `{assignment}` does not fit: {reason}")]
    Hyperparameter {
        /// The optimizer.
        optimizer: String,
        /// The assignment, such as `beta_1=0.8`.
        assignment: String,
        /// What was expected.
        reason: String,
    },
    /// A value of the run's configuration is out of range.
    #[error("{field} should be {expected}, but is {value}")]
    Value {
        /// The field.
        field: &'static str,
        /// The value.
        value: String,
        /// What was expected.
        expected: &'static str,
    },
    /// The backend is not in this build.
    #[error("the backend `{backend}` is not compiled in: add `--features {backend}` to the cargo command")]
    BackendNotCompiled {
        /// The backend.
        backend: Backend,
    },
    /// There is no device for the backend.
    #[error("no device for the backend `{backend}`: its driver is not installed or finds no adapter")]
    NoDevice {
        /// The backend.
        backend: Backend,
    },
    /// There is no such run.
    #[error("no run `{name}` under {root}: expected {root}/{name}/config.json; known runs: {known}")]
    NoRun {
        /// The run's name.
        name: String,
        /// The folder of all runs.
        root: String,
        /// The runs that there are.
        known: String,
    },
    /// The run exists already.
    #[error(
        "the run {0} exists already: choose another --name, continue it with --resume, or replace it with --overwrite"
    )]
    RunExists(PathBuf),
    /// There is something else where a run is to be replaced.
    #[error("{0} is no run that could be replaced, since it has no config.json: choose another --name, or remove it")]
    NotARun(PathBuf),
    /// A run's name does not serve as a folder's.
    #[error("the run name `{0}` should be a plain folder name, without separators")]
    RunName(String),
    /// A resumed run was asked to be different.
    #[error("the run `{name}` was started with another configuration: {differences}")]
    Different {
        /// The run's name.
        name: String,
        /// Each field that differs.
        differences: String,
    },
    /// The run has nothing left to do.
    #[error("the run `{0}` is complete: there is nothing to resume")]
    Complete(String),
    /// The run has no checkpoint.
    #[error("the run `{0}` has no checkpoint yet: start it again with --overwrite")]
    NoCheckpoint(String),
    /// The run has checkpoints, but was broken off before its best weights were kept.
    #[error(
        "the run `{name}` has no kept weights yet, but a checkpoint of epoch {epoch}: finish it with --resume {name}"
    )]
    Unfinished {
        /// The run's name.
        name: String,
        /// The last epoch that has a checkpoint.
        epoch: usize,
    },
    /// A checkpoint or model is damaged.
    #[error("{path} is damaged: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file could not be read or written.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was to be done, such as `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it could not be done.
        source: std::io::Error,
    },
    /// A configuration file is not what it should be.
    #[error("{path} is not a run configuration: {reason}")]
    NotAConfig {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Training stopped on an error.
    #[error("training stopped: {0}")]
    Stopped(String),
    /// Gradients were not finite, in more steps in a row than may be skipped.
    #[error("training stopped: {0}; try a lower learning rate")]
    NonFinite(#[from] NonFiniteGradients),
    /// The statistics of batch normalization could not be estimated for averaged weights.
    #[error(transparent)]
    NoStatistics(#[from] NoStatistics),
    /// The loss is no longer a number.
    #[error("training diverged: the validation loss of epoch {epoch} is {loss}; try a lower learning rate")]
    Diverged {
        /// The epoch.
        epoch: usize,
        /// The loss.
        loss: f64,
    },
}

impl TrainError {
    /// The error for a `name` that is not among the `known` ones.
    pub fn unknown<S: Into<String>>(what: &'static str, name: &str, known: impl IntoIterator<Item = S>) -> Self {
        let known: Vec<String> = known.into_iter().map(Into::into).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        Self::Unknown { what, name: name.to_owned(), known }
    }

    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}
