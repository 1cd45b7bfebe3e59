use super::{Backend, MemoryUse};
use crate::data::DataError;
use burn_descent::ConfigError;
use burn_descent::augment::AugmentError;
use burn_descent::ensemble::EnsembleError;
use burn_descent::gradient::NonFiniteGradients;
use burn_descent::group::NoParameters;
use burn_descent::optim::NamedOptimizerError;
use burn_descent::penalty::PenaltyError;
use burn_descent::sample::SampleError;
use burn_descent::schedule::{ScheduleError, VariationError};
use burn_descent::train::{EngineError, FileError};
use burn_descent::transfer::TransferError;
use burn_descent::weights::NoStatistics;
use std::path::{Path, PathBuf};

/// Says why a run could not start, go on or be read.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// Says that a hyperparameter is out of range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Says that the data could not be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Says that a distortion or a view is misspelt, out of range or does not fit the images.
    #[error(transparent)]
    Augment(#[from] AugmentError),
    /// Says that the schedule is not known or misspelt.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// Says that a hyperparameter cannot change over the run as asked for.
    #[error(transparent)]
    Variation(#[from] VariationError),
    /// Says that an optimizer or one of its hyperparameters is not known.
    #[error(transparent)]
    Optimizer(#[from] NamedOptimizerError),
    /// Says that a file cannot be read, written or trusted.
    #[error(transparent)]
    File(#[from] FileError),
    /// Says that a penalty is out of range, or that there is no parameter for it.
    #[error(transparent)]
    Penalty(#[from] PenaltyError),
    /// Says that a group has no parameter.
    #[error(transparent)]
    Group(#[from] NoParameters),
    /// Says that the weights of another run do not fit the network.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// Says that images could not be split, drawn or ordered as asked for.
    #[error(transparent)]
    Sample(#[from] SampleError),
    /// Says that networks cannot answer together as an ensemble.
    #[error(transparent)]
    Ensemble(#[from] EnsembleError),
    /// Says that a name is not among the known ones.
    #[error("unknown {what} `{name}`; known: {known}")]
    Unknown {
        /// Says what the name was to name.
        what: &'static str,
        /// Gives the name.
        name: String,
        /// Lists the known names.
        known: String,
    },
    /// Says that a value of the run's configuration is out of range.
    #[error("{field} should be {expected}, but is {value}")]
    Value {
        /// Names the field.
        field: &'static str,
        /// Gives the value.
        value: String,
        /// Says what was expected.
        expected: &'static str,
    },
    /// Says that the backend is not compiled into this build.
    #[error("the backend `{backend}` is not compiled in: add `--features {backend}` to the cargo command")]
    BackendNotCompiled {
        /// Names the backend.
        backend: Backend,
    },
    /// Says that there is no device for the backend.
    #[error("no device for the backend `{backend}`: its driver is not installed or finds no adapter")]
    NoDevice {
        /// Names the backend.
        backend: Backend,
    },
    /// Says that there is no such run.
    #[error("no run `{name}` under {root}: expected {root}/{name}/config.json; known runs: {known}")]
    NoRun {
        /// Gives the run's name.
        name: String,
        /// Names the folder of all runs.
        root: String,
        /// Lists the runs that there are.
        known: String,
    },
    /// Says that the run in this folder exists already.
    #[error(
        "the run {0} exists already: choose another --name, continue it with --resume, or replace it with --overwrite"
    )]
    RunExists(PathBuf),
    /// Says that there is something else where a run is to be replaced.
    #[error("{0} is no run that could be replaced, since it has no config.json: choose another --name, or remove it")]
    NotARun(PathBuf),
    /// Says that a run's name does not serve as a folder's.
    #[error("the run name `{0}` should be a plain folder name, without separators")]
    RunName(String),
    /// Says that a resumed run was asked to have another configuration.
    #[error("the run `{name}` was started with another configuration: {differences}")]
    Different {
        /// Gives the run's name.
        name: String,
        /// Lists each field that differs.
        differences: String,
    },
    /// Says that the run has nothing left to do.
    #[error("the run `{0}` is complete: there is nothing to resume")]
    Complete(String),
    /// Says that the run has no checkpoint.
    #[error("the run `{0}` has no checkpoint yet: start it again with --overwrite")]
    NoCheckpoint(String),
    /// Says that the run has checkpoints, but was broken off before its best weights were kept.
    #[error(
        "the run `{name}` has no kept weights yet, but a checkpoint of epoch {epoch}: finish it with --resume {name}"
    )]
    Unfinished {
        /// Gives the run's name.
        name: String,
        /// Gives the last epoch that has a checkpoint.
        epoch: usize,
    },
    /// Says that a checkpoint or model is damaged.
    #[error("{path} is damaged: {reason}")]
    Damaged {
        /// Names the file.
        path: PathBuf,
        /// Says what is wrong with the file.
        reason: String,
    },
    /// Says that a file could not be read or written.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// Says what was to be done, such as `write`.
        action: &'static str,
        /// Names the file.
        path: PathBuf,
        /// Says why it could not be done.
        source: std::io::Error,
    },
    /// Says that a file is not a run configuration.
    #[error("{path} is not a run configuration: {reason}")]
    NotAConfig {
        /// Names the file.
        path: PathBuf,
        /// Says what is wrong with the file.
        reason: String,
    },
    /// Says that the run was interrupted, and can be gone on with.
    #[error("interrupted in epoch {epoch}; everything is saved: go on with --resume {name}")]
    Interrupted {
        /// Gives the run's name.
        name: String,
        /// Gives the epoch that the run goes on in.
        epoch: usize,
    },
    /// Says that the run is being trained by another program.
    #[error("the run {0} is in use by another program: wait for its end, or choose another --name")]
    InUse(PathBuf),
    /// Says that a run that goes on has other data than it began with.
    #[error(
        "the data of the run `{name}` have changed, or what its config.json takes of them: their SHA-256 is {now}, but \
         was {before}"
    )]
    OtherData {
        /// Gives the run's name.
        name: String,
        /// Gives the digest of the data that the run began with.
        before: String,
        /// Gives the digest of the data that there are.
        now: String,
    },
    /// Says that a run would not fit into memory.
    #[error("this would take {needed}; but {available} are free: choose fewer or smaller networks, or smaller batches")]
    Memory {
        /// Says how much it would take, and what for.
        needed: MemoryUse,
        /// Says how much there is.
        available: String,
    },
    /// Says that a run would be too long for what is to be known of each of its steps.
    #[error(
        "epochs should be fewer where hyperparameters vary or snapshots are taken: {epochs} are {steps} steps, some \
         {days} days at a thousand steps a second, and at most {most} steps are laid out beforehand"
    )]
    TooLong {
        /// Counts the epochs.
        epochs: usize,
        /// Counts the steps.
        steps: u128,
        /// Says how many days they would take.
        days: u128,
        /// Gives the largest number of steps.
        most: u128,
    },
    /// Says that a folder has nothing to look at.
    #[error("{0} has no pictures: expected files that end in .png, .jpg or .jpeg")]
    NoPictures(PathBuf),
    /// Says that examples have another shape than those of the run.
    #[error("the examples have the shape {value} (channels, height, width), expected {expected}")]
    Shape {
        /// Gives their shape.
        value: String,
        /// Gives the shape of the run's examples.
        expected: String,
    },
    /// Says that training stopped on an error.
    #[error("training stopped: {0}")]
    Stopped(String),
    /// Says that gradients were not finite, in more steps in a row than may be skipped.
    #[error("training stopped: {0}; try a lower learning rate")]
    NonFinite(#[from] NonFiniteGradients),
    /// Says that the statistics of batch normalization could not be estimated for averaged weights.
    #[error(transparent)]
    NoStatistics(#[from] NoStatistics),
    /// Says that training diverged: the validation loss is no longer a finite number.
    #[error("training diverged: the validation loss of epoch {epoch} is {loss}; try a lower learning rate")]
    Diverged {
        /// Gives the epoch, from 1.
        epoch: usize,
        /// Gives the validation loss.
        loss: f64,
    },
}

impl From<EngineError> for TrainError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::File(error) => error.into(),
            EngineError::NonFinite(error) => error.into(),
            EngineError::NoStatistics(error) => error.into(),
            EngineError::Misfit { path, reason } => {
                Self::Damaged { path, reason: format!("it does not fit config.json: {reason}") }
            }
            error => Self::Stopped(error.to_string()),
        }
    }
}

impl TrainError {
    /// Creates the error for a `name` that is not among the `known` ones; `what` says what it was to name.
    pub fn unknown<S: Into<String>>(what: &'static str, name: &str, known: impl IntoIterator<Item = S>) -> Self {
        let known: Vec<String> = known.into_iter().map(Into::into).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        Self::Unknown { what, name: name.to_owned(), known }
    }

    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}
