//! Reads, downloads and generates labelled images, and reads sparse rows.

mod digits;
mod error;
mod idx;
mod known;
mod libsvm;
mod mirror;
mod picture;
mod source;

pub use digits::EmbeddedDigits;
pub use error::{Attempt, DataError, Failure};
pub use idx::{Images, LabelledImages, read_images, read_labelled, read_labels};
pub use known::{KnownDataset, Manifest, RemoteFile};
pub use libsvm::{SparseRows, read_libsvm};
pub use picture::{read_digit_png, write_gray_png, write_rgb_png};
pub use source::{DataSource, Origin, Splits};
