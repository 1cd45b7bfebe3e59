//! Reads, downloads and generates labelled images, and reads tables and sparse rows.

mod cifar;
mod decode;
mod digits;
mod error;
mod file;
mod idx;
mod image_folder;
mod images;
mod known;
mod libsvm;
mod mirror;
mod picture;
mod records;
mod schema;
mod source;
mod split;
mod table;

pub use cifar::CifarFormat;
pub use digits::EmbeddedDigits;
pub use error::{Attempt, DataError, Failure};
pub use idx::{Images, read_images, read_labelled, read_labels};
pub use image_folder::{ImageFolderConfig, read_image_folder};
pub use images::{LabelledImages, Statistics};
pub use known::{Content, KnownDataset, Manifest, RemoteFile};
pub use libsvm::{SparseRows, read_libsvm};
pub use picture::{read_digit, read_picture, write_gray_png, write_rgb_png};
pub use records::{Records, read_records};
pub use schema::{ColumnSchema, EncodedRows, Encoding, LabelSchema, TableSchema};
pub use source::{DataSource, Origin, Splits};
pub use split::SplitConfig;
pub use table::{Rows, Table, TableConfig, TableTask, Targets, read_table};
