//! Training image classifiers through Burn's `Learner`: what the `mnist` example runs.
//!
//! A [`RunConfig`] says what to train; a [`Run`] trains it, leaves model, metrics and summary in its folder, goes on
//! after an interruption, and answers questions about images afterwards.

mod backend;
mod checkpoint;
mod classifier;
mod config;
mod dataset;
mod error;
mod evaluate;
mod files;
mod find_lr;
mod history;
mod loader;
mod member;
mod metrics;
mod optimizer;
mod progress;
mod run;
mod sampling;
mod steps;
mod stop;
mod summary;
mod teacher;
mod transfer;
mod trial;
mod variation;
mod weights;

pub use crate::ensemble::likeliest;
pub use backend::Backend;
pub use classifier::{Classifier, Network};
pub use config::{DatasetKind, Diversity, ModelConfig, RunConfig};
pub use dataset::{CLASSES, RunData};
pub use error::TrainError;
pub use evaluate::{Evaluation, evaluate, losses, predict};
pub use find_lr::find_lr;
pub use history::{Criterion, EpochMetrics, History};
pub use loader::{Batches, ImageBatch, ImageLoader, Normalization, Stopwatch};
pub use optimizer::{OptimizerKind, SgdNoiseConfig};
pub use run::{Run, RunOptions};
pub use sampling::{Sampling, Split};
pub use stop::StopSignal;
pub use summary::{MemberSummary, Summary, Versions};
pub use transfer::{TransferConfig, Unfreeze};
pub use trial::{Trial, TrialProgress};
pub use variation::Variation;
pub use weights::{WeightTransform, WeightTransforms};
