//! Adds to Burn's `Learner` what a long training needs: checkpoints that are whole or not there, metrics that survive a
//! full disk, plain progress, and a signal to stop.

mod checkpoint;
mod files;
mod metric_files;
mod progress;
mod stop;

pub use checkpoint::{CheckedCheckpointer, read_record, write_record};
pub use files::{FileError, is_written, read_checked, remove_checked, write_atomic, write_checked};
pub use metric_files::MetricFiles;
pub use progress::PlainProgress;
pub use stop::StopSignal;
