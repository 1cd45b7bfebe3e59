//! Trains any module on any batches, to the bit as it would have been trained without an interruption.
//!
//! [`Engine`] is the loop: it runs on top of Burn's `SupervisedTraining`, with Burn's metrics and dashboard, and adds
//! what a long training needs. What a step is, is an [`Update`]: a [`GradientUpdate`] by any optimizer of this crate's or
//! Burn's, or a [`MinimizerUpdate`] by a method of [`second_order`](crate::second_order). A [`Loader`] gives batches in an order that can be begun anywhere. [`TrainingState`] is the same training
//! without Burn's events, for loops of one's own.
//!
//! For Burn's own loop there are [`CheckedCheckpointer`], [`MetricFiles`] and [`PlainProgress`].

mod checkpoint;
mod checkpoints;
mod engine;
mod error;
mod files;
mod gradient_norm;
mod history;
mod loader;
mod metric_files;
mod minimizer_update;
mod progress;
mod rollback;
mod state;
mod stop;
mod update;

pub use checkpoint::{CheckedCheckpointer, read_record, write_record};
pub use checkpoints::{CheckpointPolicy, CheckpointTimes};
pub use engine::{End, Engine, Outcome, read_progress};
pub use error::EngineError;
pub use files::{
    FileError, is_unfinished, is_written, read_checked, remove_checked, remove_file, remove_unfinished, write_atomic,
    write_checked,
};
pub use gradient_norm::{GradientNormInput, GradientNormMetric};
pub use history::{Criterion, Ended, EpochRecord, History};
pub use loader::{BatchSource, Batched, Batches, FromFn, Loader, Places, TrainingLoader, from_fn};
pub use metric_files::MetricFiles;
pub use minimizer_update::{Forward, MinimizerUpdate, Outputs};
pub use progress::PlainProgress;
pub use rollback::{Rollback, RollbackConfig};
pub use state::{Position, TrainingState};
pub use stop::StopSignal;
pub use update::{Batch, Evaluation, GradientObserver, GradientUpdate, Output, Step, Update};
