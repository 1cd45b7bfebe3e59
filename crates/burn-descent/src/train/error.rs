use super::FileError;
use crate::ConfigError;
use crate::gradient::NonFiniteGradients;
use crate::group::NoParameters;
use crate::second_order::MatrixTooLarge;
use crate::weights::NoStatistics;
use burn::data::dataset::DatasetError;
use std::path::PathBuf;

/// Fails where a training cannot start, go on or be resumed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// Says that a file of the training cannot be read, written or trusted.
    #[error(transparent)]
    File(#[from] FileError),
    /// Says which setting of the training is out of range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Says that a batch could not be had.
    #[error("a batch could not be loaded: {0}")]
    Data(DatasetError),
    /// Says that gradients were not finite, in more steps in a row than may be skipped.
    #[error(transparent)]
    NonFinite(#[from] NonFiniteGradients),
    /// Says that the statistics of batch normalization could not be estimated for averaged weights.
    #[error(transparent)]
    NoStatistics(#[from] NoStatistics),
    /// Says that a layer that is to be frozen or let go has no parameters.
    #[error(transparent)]
    NoParameters(#[from] NoParameters),
    /// Says that a method keeps a matrix of all pairs of parameters, which would take too much memory.
    #[error(transparent)]
    MatrixTooLarge(#[from] MatrixTooLarge),
    /// Says that a checkpoint is of another model or optimizer.
    #[error("{path} does not fit: {reason}")]
    Misfit {
        /// Names the file.
        path: PathBuf,
        /// Says what does not fit.
        reason: String,
    },
    /// Says that a checkpoint is of a training with another configuration or other data.
    #[error("{path} is of another training: its fingerprint is `{found}`, expected `{expected}`")]
    Fingerprint {
        /// Names the file.
        path: PathBuf,
        /// Gives the fingerprint in the checkpoint.
        found: String,
        /// Gives the fingerprint of this training.
        expected: String,
    },
    /// Says that the metric that tells how good an epoch was is not among those of the validation.
    #[error("no metric `{metric}` is computed in validation; there are: {known}")]
    NoMetric {
        /// Names the metric.
        metric: String,
        /// Lists the metrics that there are.
        known: String,
    },
    /// Says what a metric, a device or a thread of Burn's failed on.
    #[error("{0}")]
    Burn(String),
    /// Holds what a step of your own failed on.
    #[error(transparent)]
    Update(Box<dyn std::error::Error + Send + Sync>),
}
