//! The IDX files that labelled images come in.
//!
//! An IDX file is a big-endian header, `0x00 0x00 type dimensions`, then one `u32` for each dimension, then the items.
//! Type `0x08` is the unsigned byte: images have the magic number `0x00000803`, labels `0x00000801`.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
    sync::Arc,
};

use flate2::bufread::MultiGzDecoder;

use super::error::DataError;
use super::images::{LabelledImages, numbered};

const UNSIGNED_BYTE: u32 = 0x0800;
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// The most memory for one set of images; above the largest in this format (EMNIST by class, 0.6 GB).
pub(super) const MAX_BYTES: u64 = 2 << 30;

/// Holds the content of an IDX file of images: images of one size, without labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    /// Gives the number of rows of an image, in pixels.
    pub height: usize,
    /// Gives the number of columns of an image, in pixels.
    pub width: usize,
    /// Holds the gray levels, 0 to 255, image after image and row after row.
    pub pixels: Vec<u8>,
}

/// Reads an IDX file of images (magic number `0x00000803`), gzipped or not, of any size that its header declares.
///
/// # Errors
/// Returns an error that names the file where it cannot be read, has another magic number, is shorter or longer than
/// declared, has no pixel or is above 2 GiB.
pub fn read_images(path: impl AsRef<Path>) -> Result<Images, DataError> {
    let ([_, height, width], pixels) = read(path.as_ref(), "images")?;
    Ok(Images { height, width, pixels })
}

/// Reads an IDX file of labels (magic number `0x00000801`), gzipped or not.
///
/// # Errors
/// Returns the same errors as [`read_images`].
pub fn read_labels(path: impl AsRef<Path>) -> Result<Vec<u8>, DataError> {
    let ([_], labels) = read(path.as_ref(), "labels")?;
    Ok(labels)
}

/// Reads an IDX file of gray images and the IDX file of their labels, which are below `classes`.
///
/// ```no_run
/// let test = burn_descent_lab::data::read_labelled("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz", 10)?;
/// println!("{} images of {} x {}", test.len(), test.height(), test.width());
/// # Ok::<(), burn_descent_lab::data::DataError>(())
/// ```
///
/// # Errors
/// Returns the same errors as [`read_images`], and others where the files differ in their number of items, or a label
/// is not below `classes`.
pub fn read_labelled(
    images_path: impl AsRef<Path>,
    labels_path: impl AsRef<Path>,
    classes: u8,
) -> Result<LabelledImages, DataError> {
    read_classes(images_path.as_ref(), labels_path.as_ref(), numbered(0..classes))
}

/// Images and their labels, which are indices into `class_names`.
pub(super) fn read_classes(
    images_path: &Path,
    labels_path: &Path,
    class_names: Arc<[String]>,
) -> Result<LabelledImages, DataError> {
    let Images { height, width, pixels } = read_images(images_path)?;
    let labels = read_labels(labels_path)?;
    let images = pixels.len() / (height * width);
    if images != labels.len() {
        let (images_path, labels_path) = (images_path.into(), labels_path.into());
        return Err(DataError::Counts { images_path, images, labels_path, labels: labels.len() });
    }
    let labels = labels.into_iter().map(u32::from).collect();
    LabelledImages::with_classes([1, height, width], pixels, labels, class_names).map_err(|error| error.at(labels_path))
}

/// The `D` dimensions and the items of a file; what it is packed with is told by its first bytes, not by its name.
fn read<const D: usize>(path: &Path, what: &'static str) -> Result<([usize; D], Vec<u8>), DataError> {
    let unreadable = |cause| DataError::Read { path: path.into(), cause };
    let mut file = BufReader::new(File::open(path).map_err(unreadable)?);
    if file.fill_buf().map_err(unreadable)?.starts_with(&GZIP) {
        parse(path, what, MultiGzDecoder::new(file))
    } else {
        parse(path, what, file)
    }
}

fn parse<const D: usize>(
    path: &Path,
    what: &'static str,
    mut input: impl Read,
) -> Result<([usize; D], Vec<u8>), DataError> {
    let path = || path.to_path_buf();
    let header_len = 4 + 4 * D as u64;
    let header = read_up_to(&mut input, header_len).map_err(|cause| DataError::Read { path: path(), cause })?;
    let mut words = header.as_chunks().0.iter().map(|&word| u32::from_be_bytes(word));

    let expected = UNSIGNED_BYTE + D as u32;
    if let Some(found) = words.next().filter(|&magic| magic != expected) {
        return Err(DataError::Magic { path: path(), found, expected, what });
    }
    if (header.len() as u64) < header_len {
        return Err(DataError::Truncated { path: path(), found: header.len() as u64, expected: header_len });
    }

    let dims: [usize; D] = std::array::from_fn(|_| words.next().map_or(0, |word| word as usize));
    let declared = || dims.map(|dim| dim.to_string()).join(" x ");
    let count = dims.iter().try_fold(1_u64, |count, &dim| count.checked_mul(dim as u64));
    let count = match count {
        _ if dims.contains(&0) => return Err(DataError::Empty { path: path(), declared: declared() }),
        Some(count) if count <= MAX_BYTES => count,
        _ => return Err(DataError::TooLarge { path: path(), declared: declared(), limit: MAX_BYTES }),
    };

    // One byte more than declared, so that a longer file shows; the buffer grows with the bytes that are really there.
    let items = read_up_to(&mut input, count + 1).map_err(|cause| DataError::Read { path: path(), cause })?;
    match items.len() as u64 {
        found if found < count => {
            Err(DataError::Truncated { path: path(), found: header_len + found, expected: header_len + count })
        }
        found if found > count => Err(DataError::TooLong { path: path(), expected: header_len + count }),
        _ => Ok((dims, items)),
    }
}

/// At most `limit` bytes. A gzip stream cut off ends where it was cut; cut in its checksum, after all items, it fails.
fn read_up_to(input: &mut impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match input.take(limit).read_to_end(&mut bytes) {
        Err(cause) if cause.kind() != io::ErrorKind::UnexpectedEof || bytes.len() as u64 + 1 == limit => Err(cause),
        _ => Ok(bytes),
    }
}
