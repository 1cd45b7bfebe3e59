//! Trains image classifiers through Burn's `Learner`: this is what the `mnist` example runs.
//!
//! A [`RunConfig`] says what to train; a [`Run`] trains it, leaves model, metrics and summary in its folder, goes on
//! after an interruption, and answers questions about images afterwards.

mod backend;
mod claim;
mod classifier;
mod config;
mod dataset;
mod error;
mod evaluate;
mod examples;
mod export;
mod files;
mod find_lr;
mod history;
mod list;
mod loader;
mod member;
mod minimizer;
mod options;
mod predict;
mod resident;
mod run;
mod sampling;
mod session;
mod size;
mod summary;
mod transfer;

pub use backend::Backend;
pub use classifier::{Classifier, Loss, Network, TrainedBatch};
pub use config::{DatasetKind, Diversity, ModelConfig, RunConfig};
pub use dataset::{DataDescription, RunData};
pub use error::TrainError;
pub use evaluate::{Evaluation, RegressionErrors, evaluate, losses, predict};
pub use examples::{Examples, Normalization};
pub use export::WeightLayout;
pub(crate) use files::write_json;
pub use find_lr::find_lr;
pub use history::{Criterion, EpochMetrics, History};
pub use list::{Comparison, RunInfo, RunList, RunStatus, compare, list};
pub use loader::{ImageBatch, ImageLoader, ImageSource};
pub use minimizer::BatchMinimizer;
pub use options::{Dashboard, RunOptions};
pub use predict::{Prediction, Predictions};
pub use run::Run;
pub use sampling::{Sampling, Split};
pub use session::{SessionProgress, TrainingSession};
pub use size::{MemoryUse, bytes, peak_memory};
pub use summary::{MemberSummary, Summary, Versions};
pub use transfer::TransferConfig;
