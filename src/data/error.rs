//! What can go wrong between a file or a mirror and a set of labelled images.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use super::source::Origin;

/// Says why a data set or a picture could not be read or written.
///
/// Every message is one line that names the file, folder or address, the value found there and what was expected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// Says that a file could not be opened or read.
    #[error("could not read {path}: {cause}")]
    Read {
        /// Names the file.
        path: PathBuf,
        /// Gives the error of the system or of the decompressor.
        cause: io::Error,
    },
    /// Says that a file could not be written.
    #[error("could not write {path}: {cause}")]
    Write {
        /// Names the file or folder.
        path: PathBuf,
        /// Gives the error of the system.
        cause: io::Error,
    },
    /// Says that a file does not start as an IDX file of the wanted kind does.
    #[error("{path}: the magic number is {found:#010x}, expected {expected:#010x} (IDX {what}, unsigned bytes)")]
    Magic {
        /// Names the file.
        path: PathBuf,
        /// Gives the first four bytes of the file as a big-endian number.
        found: u32,
        /// Gives the number that the first four bytes should be.
        expected: u32,
        /// Says which kind of file was expected: `images` or `labels`.
        what: &'static str,
    },
    /// Says that a file ends before its header says.
    #[error("{path}: truncated: {found} bytes unpacked, expected {expected}")]
    Truncated {
        /// Names the file.
        path: PathBuf,
        /// Counts the bytes that are there, unpacked, header included.
        found: u64,
        /// Counts the bytes that the header asks for, itself included.
        expected: u64,
    },
    /// Says that a file goes on after its header says that it ends.
    #[error("{path}: too long: more than the {expected} bytes that its header declares")]
    TooLong {
        /// Names the file.
        path: PathBuf,
        /// Counts the bytes that the header asks for, itself included.
        expected: u64,
    },
    /// Says that a file or folder holds, or its header declares, more than this crate agrees to read.
    #[error("{path}: {declared} items, expected at most {limit} bytes in all")]
    TooLarge {
        /// Names the file or folder.
        path: PathBuf,
        /// Gives the dimensions in the header, such as `60000 x 28 x 28`.
        declared: String,
        /// Gives the largest number of bytes accepted.
        limit: u64,
    },
    /// Says that a file is larger than this crate agrees to read.
    #[error("{path}: {bytes} bytes, expected at most {limit}")]
    FileSize {
        /// Names the file.
        path: PathBuf,
        /// Counts the bytes of the file.
        bytes: u64,
        /// Gives the largest number of bytes accepted.
        limit: u64,
    },
    /// Says that a header declares no item, or items without pixels.
    #[error("{path}: the header declares {declared} items, expected at least 1 in every dimension")]
    Empty {
        /// Names the file.
        path: PathBuf,
        /// Gives the dimensions in the header, such as `0 x 28 x 28`.
        declared: String,
    },
    /// Says that there are not as many labels as images.
    #[error("{labels_path} has {labels} labels, expected {images}: one for each image of {images_path}")]
    Counts {
        /// Names the file of images.
        images_path: PathBuf,
        /// Gives the number of images.
        images: usize,
        /// Names the file of labels.
        labels_path: PathBuf,
        /// Gives the number of labels.
        labels: usize,
    },
    /// Says that a label names a class that does not exist.
    #[error("{path}: label {index} is {value}, expected less than {classes}")]
    Label {
        /// Names the file of labels.
        path: PathBuf,
        /// Gives the position of the first wrong label, from 0.
        index: usize,
        /// Gives the label.
        value: u32,
        /// Gives the number of classes.
        classes: usize,
    },
    /// Says that a label in memory names a class that does not exist.
    #[error("label {index} is {label}, expected less than {classes}")]
    Class {
        /// Gives the position of the first wrong label, from 0.
        index: usize,
        /// Gives the label.
        label: u32,
        /// Gives the number of classes.
        classes: usize,
    },
    /// Says that a file does not name each class once.
    #[error("{path}: {found} class names, expected {expected}")]
    ClassNames {
        /// Names the file.
        path: PathBuf,
        /// Counts the names that are there.
        found: usize,
        /// Gives the number of classes.
        expected: usize,
    },
    /// Says that the pixels do not make up one picture of the declared size for each label.
    #[error("{pixels} pixels, expected {count} x {}, neither side 0", product(shape))]
    Shape {
        /// Counts the pixels that are there, those of each channel.
        pixels: usize,
        /// Counts the pictures declared.
        count: usize,
        /// Gives the number of rows and columns of a picture, after its channels where it has several.
        shape: Vec<usize>,
    },
    /// Says that there is no image.
    #[error("no images, expected at least 1")]
    NoImages,
    /// Says that training and test pictures differ in size.
    #[error(
        "{origin}: test images of {} pixels, expected {} as the training images have",
        product(test),
        product(train)
    )]
    Sizes {
        /// Says where the data are from.
        origin: Origin,
        /// Gives the height and width of a training image, in pixels.
        train: [usize; 2],
        /// Gives the height and width of a test image, in pixels.
        test: [usize; 2],
    },
    /// Says that the folder that was asked for does not exist or is no folder.
    #[error("{origin}: no such folder, expected one with {files}")]
    NoFolder {
        /// Names the folder and how it was chosen.
        origin: Origin,
        /// Lists the files that the folder should have.
        files: String,
    },
    /// Says that the folder that was asked for lacks a file.
    #[error("{origin}: a file is missing, expected one of {files}")]
    NoFile {
        /// Names the folder and how it was chosen.
        origin: Origin,
        /// Lists the file names that were looked for.
        files: String,
    },
    /// Says that this system names no folder for caches.
    #[error("{dataset}: this system has no cache folder, expected a folder, a cache or ${variable} to be given")]
    NoCache {
        /// Names the data set.
        dataset: String,
        /// Names the environment variable that may name the folder of the data set.
        variable: String,
    },
    /// Says that no mirror handed out a file.
    #[error("could not download {file} from any of {} mirrors: {}", attempts.len(), list(attempts))]
    Download {
        /// Gives the name of the file.
        file: String,
        /// Lists each address tried, in order, and why it failed.
        attempts: Vec<Attempt>,
    },
    /// Says that a line of text is not as it should be.
    #[error("{path}: line {number}: expected {expected}, but is `{found}`")]
    Line {
        /// Names the file.
        path: PathBuf,
        /// Gives the number of the line, from 1.
        number: usize,
        /// Gives the text that was found.
        found: String,
        /// Says what was expected instead.
        expected: &'static str,
    },
    /// Says that a text has no rows.
    #[error("{path}: no rows, expected at least 1")]
    NoRows {
        /// Names the file.
        path: PathBuf,
    },
    /// Says that a file is no picture of an expected format, or a broken one.
    #[error("{path}: expected a {expected} picture: {reason}")]
    Picture {
        /// Names the file.
        path: PathBuf,
        /// Names the formats: `PNG` or `PNG or JPEG`.
        expected: &'static str,
        /// Gives the error of the decoder or of the encoder.
        reason: String,
    },
    /// Says that a picture is larger than this crate agrees to read.
    #[error("{path}: {width} x {height} pixels, expected at most {side} a side and {bytes} bytes unpacked")]
    PictureSize {
        /// Names the file.
        path: PathBuf,
        /// Gives the number of columns.
        width: u32,
        /// Gives the number of rows.
        height: u32,
        /// Gives the longest side accepted, in pixels.
        side: u32,
        /// Gives the most memory accepted, in bytes.
        bytes: u64,
    },
    /// Says that a picture shows nothing.
    #[error("{path}: blank: ink and paper are {contrast} gray levels apart, expected at least {least}")]
    Blank {
        /// Names the file.
        path: PathBuf,
        /// Gives the largest difference from the paper in gray levels, 0 to 255.
        contrast: u8,
        /// Gives the smallest difference that is taken for ink.
        least: u8,
    },
    /// Says that a setting is out of range.
    #[error("{field} is {value}, expected {expected}")]
    Value {
        /// Names the setting.
        field: &'static str,
        /// Gives its value.
        value: String,
        /// Says which values are accepted.
        expected: &'static str,
    },
    /// Says that a folder has no pictures.
    #[error("{path}: no pictures, expected a folder of PNG or JPEG pictures for each class")]
    NoPictures {
        /// Names the folder.
        path: PathBuf,
    },
    /// Says that all images or rows have the same label.
    #[error("{path}: the only label is `{class}`, expected at least 2 different ones")]
    OneClass {
        /// Names the file or folder.
        path: PathBuf,
        /// Gives the label.
        class: String,
    },
    /// Says that a class has nothing to train on.
    #[error("{path}: class `{class}` has no training pictures, expected at least 1")]
    NoTraining {
        /// Names the folder of all classes.
        path: PathBuf,
        /// Names the class.
        class: String,
    },
    /// Says that there are pictures for validation or testing of a class that training never sees.
    #[error("{path}: a class without training pictures, expected one of {known}")]
    UnseenClass {
        /// Names the folder of the class.
        path: PathBuf,
        /// Lists the first of the classes with training pictures.
        known: String,
    },
    /// Says that too many files in a folder are no pictures.
    #[error("{root}: {bad} of {files} files are no pictures, expected at most a share of {share}: {first}")]
    BadPictures {
        /// Names the folder.
        root: PathBuf,
        /// Counts the files that are no pictures.
        bad: usize,
        /// Counts all files.
        files: usize,
        /// Gives the largest share accepted.
        share: f64,
        /// Says of the first of these files what is wrong with them.
        first: String,
    },
    /// Says that pictures have several sizes, and none was chosen.
    #[error("{root}: pictures of different sizes ({sizes}), expected one size, or a size to be given")]
    DifferentSizes {
        /// Names the folder.
        root: PathBuf,
        /// Lists the first of the sizes, height and width, with how many pictures have them.
        sizes: String,
    },
    /// Says that some pictures are gray and some are not, and neither was chosen.
    #[error("{color} has colors, but {gray} is gray: expected all alike, or the number of channels to be given")]
    DifferentChannels {
        /// Names the first gray picture.
        gray: PathBuf,
        /// Names the first picture with colors.
        color: PathBuf,
    },
    /// Says that a file is no UTF-8.
    #[error("{path}: line {line} is no UTF-8, expected a file in UTF-8")]
    NotUtf8 {
        /// Names the file.
        path: PathBuf,
        /// Gives the number of the line with the first wrong byte, from 1.
        line: usize,
    },
    /// Says that a record has not as many fields as there are columns.
    #[error("{path}: line {line}: {found} fields, expected {expected} as the header has")]
    Fields {
        /// Names the file.
        path: PathBuf,
        /// Gives the number of the line that the record begins in, from 1.
        line: usize,
        /// Counts the fields of the record.
        found: usize,
        /// Counts the fields of the header.
        expected: usize,
    },
    /// Says that there are more columns than this crate agrees to read.
    #[error("{path}: {found} columns, expected at most {limit}")]
    Columns {
        /// Names the file.
        path: PathBuf,
        /// Counts the columns.
        found: usize,
        /// Gives the largest number accepted.
        limit: usize,
    },
    /// Says that two columns have the same name.
    #[error("{path}: two columns are named `{column}`, expected different names")]
    SameColumns {
        /// Names the file.
        path: PathBuf,
        /// Gives the name.
        column: String,
    },
    /// Says that there is no column of a name.
    #[error("{path}: no column `{column}`, expected one of {known}")]
    NoColumn {
        /// Names the file.
        path: PathBuf,
        /// Gives the name that was looked for.
        column: String,
        /// Lists the first of the columns that there are.
        known: String,
    },
    /// Says that a field of a record is not as it should be.
    #[error("{path}: line {line}: column `{column}` is `{found}`, expected {expected}")]
    Field {
        /// Names the file.
        path: PathBuf,
        /// Gives the number of the line that the record begins in, from 1.
        line: usize,
        /// Names the column.
        column: String,
        /// Gives the text that was found.
        found: String,
        /// Says what was expected instead.
        expected: &'static str,
    },
    /// Says that a column has too many different strings to be categories.
    #[error("{path}: column `{column}` has more than {limit} different values, expected numbers or at most as many")]
    Categories {
        /// Names the file.
        path: PathBuf,
        /// Names the column.
        column: String,
        /// Gives the largest number of different values accepted.
        limit: usize,
    },
    /// Says that there is nothing to learn from.
    #[error("{path}: no column to learn from, expected one that is not constant beside the label `{label}`")]
    NoFeatures {
        /// Names the file.
        path: PathBuf,
        /// Names the column of the labels.
        label: String,
    },
    /// Says that a share of what there is comes to nothing.
    #[error("{path}: a {part} share of {share} of {count} leaves nothing, expected a larger share")]
    EmptyPart {
        /// Names the file or folder.
        path: PathBuf,
        /// Names the part: `validation` or `test`.
        part: &'static str,
        /// Gives the share.
        share: f64,
        /// Counts the images or rows that were to be shared out.
        count: usize,
    },
}

impl DataError {
    /// Tells whether there is no network: every mirror was out of reach (connection refused, unknown host, timeout).
    ///
    /// A mirror that answers with an error, breaks off or hands out a wrong file is no such case.
    pub fn is_offline(&self) -> bool {
        let Self::Download { attempts, .. } = self else { return false };
        !attempts.is_empty() && attempts.iter().all(|attempt| matches!(attempt.failure, Failure::Unreachable(_)))
    }

    /// The error as one of a file, where it is that of a label.
    pub(super) fn at(self, path: &Path) -> Self {
        match self {
            Self::Class { index, label, classes } => Self::Label { path: path.into(), index, value: label, classes },
            error => error,
        }
    }
}

/// Records one address that was asked for a file, and why it did not hand it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Gives the address of the file.
    pub url: String,
    /// Says why the download from this address failed.
    pub failure: Failure,
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.url, self.failure)
    }
}

/// Says why one download failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// Says that there was no connection or no answer in time: the network or the mirror is out of reach.
    #[error("out of reach ({0})")]
    Unreachable(String),
    /// Says that the mirror answered with an HTTP status that means an error.
    #[error("HTTP status {0}, expected 200")]
    Status(u16),
    /// Says that the mirror broke off the transfer.
    #[error("truncated: {found} bytes came, expected {}", expected.map_or("more".into(), |n| n.to_string()))]
    Truncated {
        /// Counts the bytes that came.
        found: u64,
        /// Counts the bytes that were announced, where they were.
        expected: Option<u64>,
    },
    /// Says that the mirror hands out more than any of the known files has.
    #[error("too large: expected at most {limit} bytes")]
    TooLarge {
        /// Gives the largest number of bytes accepted.
        limit: u64,
    },
    /// Says that the mirror handed out another file.
    #[error("wrong file: its SHA-256 is {found}, expected {expected}")]
    Checksum {
        /// Gives the SHA-256 of what came, in hexadecimal.
        found: String,
        /// Gives the SHA-256 of the right file, in hexadecimal.
        expected: String,
    },
    /// Says that anything else failed: no valid address, no valid certificate, no valid HTTP.
    #[error("{0}")]
    Other(String),
}

/// Text from a file or a foreign library as it fits into a message: on one line, and the beginning where it is long.
pub(super) fn excerpt(text: &str) -> String {
    const MOST: usize = 240;
    let escape = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    let end = if text.chars().nth(MOST).is_some() { "..." } else { "" };
    text.chars().take(MOST).map(escape).chain([end.to_owned()]).collect()
}

/// The first few of some things, and how many more there are.
pub(super) fn some(things: &[impl ToString]) -> String {
    beginning(things, 3, |thing| excerpt(&thing.to_string()), "; ")
}

/// The first of some names, and how many more there are.
pub(super) fn names(names: &[String]) -> String {
    beginning(names, 20, |name| format!("`{}`", excerpt(name)), ", ")
}

fn beginning<T>(things: &[T], most: usize, show: impl Fn(&T) -> String, separator: &str) -> String {
    let more = things.len().saturating_sub(most);
    let more = (more > 0).then(|| format!("and {more} more"));
    things.iter().take(most).map(show).chain(more).collect::<Vec<_>>().join(separator)
}

fn product(sides: &[usize]) -> String {
    sides.iter().map(usize::to_string).collect::<Vec<_>>().join(" x ")
}

fn list(attempts: &[Attempt]) -> String {
    attempts.iter().map(Attempt::to_string).collect::<Vec<_>>().join("; ")
}
