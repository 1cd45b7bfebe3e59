//! What can go wrong between a file or a mirror and a set of labelled images.

use std::{fmt, io, path::PathBuf};

use super::source::Origin;

/// Why a data set or a picture could not be read or written.
///
/// Every message is one line that names the file, folder or address, the value found there and what was expected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A file could not be opened or read.
    #[error("could not read {path}: {cause}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system or the decompressor said.
        cause: io::Error,
    },
    /// A file could not be written.
    #[error("could not write {path}: {cause}")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A file does not start as an IDX file of the wanted kind does.
    #[error("{path}: the magic number is {found:#010x}, expected {expected:#010x} (IDX {what}, unsigned bytes)")]
    Magic {
        /// The file.
        path: PathBuf,
        /// Its first four bytes, big-endian.
        found: u32,
        /// What they should be.
        expected: u32,
        /// `images` or `labels`.
        what: &'static str,
    },
    /// A file ends before its header says.
    #[error("{path}: truncated: {found} bytes unpacked, expected {expected}")]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Bytes there, unpacked, header included.
        found: u64,
        /// Bytes that the header asks for, itself included.
        expected: u64,
    },
    /// A file goes on after its header says that it ends.
    #[error("{path}: too long: more than the {expected} bytes that its header declares")]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Bytes that the header asks for, itself included.
        expected: u64,
    },
    /// A header declares more than this crate agrees to read.
    #[error("{path}: the header declares {declared} items, expected at most {limit} bytes in all")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The dimensions in the header, such as `60000 x 28 x 28`.
        declared: String,
        /// The largest number of bytes accepted.
        limit: u64,
    },
    /// A header declares no item, or items without pixels.
    #[error("{path}: the header declares {declared} items, expected at least 1 in every dimension")]
    Empty {
        /// The file.
        path: PathBuf,
        /// The dimensions in the header, such as `0 x 28 x 28`.
        declared: String,
    },
    /// There are not as many labels as images.
    #[error("{labels_path} has {labels} labels, expected {images}: one for each image of {images_path}")]
    Counts {
        /// The file of images.
        images_path: PathBuf,
        /// The number of images.
        images: usize,
        /// The file of labels.
        labels_path: PathBuf,
        /// The number of labels.
        labels: usize,
    },
    /// A label names a class that does not exist.
    #[error("{path}: label {index} is {value}, expected less than {classes}")]
    Label {
        /// The file of labels.
        path: PathBuf,
        /// The position of the first wrong label, from 0.
        index: usize,
        /// The label.
        value: u8,
        /// The number of classes.
        classes: u8,
    },
    /// The pixels do not make up one picture of the declared size for each label.
    #[error("{pixels} pixels, expected {count} x {height} x {width}, neither side 0")]
    Shape {
        /// Pixels there.
        pixels: usize,
        /// Pictures declared.
        count: usize,
        /// Rows of a picture.
        height: usize,
        /// Columns of a picture.
        width: usize,
    },
    /// Training and test pictures differ in size.
    #[error("{origin}: test images of {} x {} pixels, expected {} x {} as the training images have", test.0, test.1, train.0, train.1)]
    Sizes {
        /// Where the data are from.
        origin: Origin,
        /// Height and width of a training image.
        train: (usize, usize),
        /// Height and width of a test image.
        test: (usize, usize),
    },
    /// The folder that was asked for is none.
    #[error("{origin}: no such folder, expected one with {files}")]
    NoFolder {
        /// The folder and how it was named.
        origin: Origin,
        /// The files it should have.
        files: String,
    },
    /// The folder that was asked for lacks a file.
    #[error("{origin}: a file is missing, expected one of {files}")]
    NoFile {
        /// The folder and how it was named.
        origin: Origin,
        /// The names looked for.
        files: String,
    },
    /// This system names no folder for caches.
    #[error("{dataset}: this system has no cache folder, expected a folder, a cache or ${variable} to be given")]
    NoCache {
        /// The data set.
        dataset: String,
        /// The environment variable that may name its folder.
        variable: String,
    },
    /// No mirror handed out a file.
    #[error("could not download {file} from any of {} mirrors: {}", attempts.len(), list(attempts))]
    Download {
        /// The name of the file.
        file: String,
        /// Each address tried, in order, and why it failed.
        attempts: Vec<Attempt>,
    },
    /// A line of text is not as it should be.
    #[error("{path}: line {number}: expected {expected}, but is `{found}`")]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        number: usize,
        /// What stands there.
        found: String,
        /// What should.
        expected: &'static str,
    },
    /// A text has no rows.
    #[error("{path}: no rows, expected at least 1")]
    NoRows {
        /// The file.
        path: PathBuf,
    },
    /// A picture is not a PNG, or is a broken one.
    #[error("{path}: expected a PNG picture: {reason}")]
    Picture {
        /// The file.
        path: PathBuf,
        /// What the decoder or the encoder said.
        reason: String,
    },
    /// A picture is absurdly large.
    #[error("{path}: {width} x {height} pixels, expected at most {side} a side and {bytes} bytes unpacked")]
    PictureSize {
        /// The file.
        path: PathBuf,
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// The longest side accepted, in pixels.
        side: u32,
        /// The most memory accepted, in bytes.
        bytes: u64,
    },
    /// A picture shows nothing.
    #[error("{path}: blank: ink and paper are {contrast} gray levels apart, expected at least {least}")]
    Blank {
        /// The file.
        path: PathBuf,
        /// The largest difference from the paper, 0 to 255.
        contrast: u8,
        /// The smallest difference taken for ink.
        least: u8,
    },
}

impl DataError {
    /// Whether there is no network: every mirror was out of reach (connection refused, unknown host, timeout).
    ///
    /// A mirror that answers with an error, breaks off or hands out a wrong file is no such case.
    pub fn is_offline(&self) -> bool {
        let Self::Download { attempts, .. } = self else { return false };
        !attempts.is_empty() && attempts.iter().all(|attempt| matches!(attempt.failure, Failure::Unreachable(_)))
    }
}

/// One address that was asked for a file, and why it did not hand it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The address of the file.
    pub url: String,
    /// What happened.
    pub failure: Failure,
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.url, self.failure)
    }
}

/// Why one download failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// No connection, or silence: the network or the mirror is out of reach.
    #[error("out of reach ({0})")]
    Unreachable(String),
    /// The mirror answered with an error.
    #[error("HTTP status {0}, expected 200")]
    Status(u16),
    /// The mirror broke off.
    #[error("truncated: {found} bytes came, expected {}", expected.map_or("more".into(), |n| n.to_string()))]
    Truncated {
        /// Bytes that came.
        found: u64,
        /// Bytes that were announced, where they were.
        expected: Option<u64>,
    },
    /// The mirror hands out more than any of the known files has.
    #[error("too large: expected at most {limit} bytes")]
    TooLarge {
        /// The most bytes accepted.
        limit: u64,
    },
    /// The mirror handed out another file.
    #[error("wrong file: its SHA-256 is {found}, expected {expected}")]
    Checksum {
        /// SHA-256 of what came, in hexadecimal.
        found: String,
        /// SHA-256 of the right file.
        expected: String,
    },
    /// Anything else: no valid address, no valid certificate, no valid HTTP.
    #[error("{0}")]
    Other(String),
}

fn list(attempts: &[Attempt]) -> String {
    attempts.iter().map(Attempt::to_string).collect::<Vec<_>>().join("; ")
}
