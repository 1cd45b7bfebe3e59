//! The binary files of CIFAR: a record is one or two labels and 32 x 32 pixels, as red, green and blue planes.

use super::error::{DataError, excerpt};
use super::file::read_whole;
use super::images::LabelledImages;
use super::source::Origin;
use flate2::bufread::MultiGzDecoder;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tar::Archive;

/// Channels, rows and columns of an image.
const SHAPE: [usize; 3] = [3, 32, 32];
/// Well above the largest of the files, 154 MB.
const MAX_FILE: u64 = 256 << 20;
/// Well above the whole of the archives unpacked, 185 MB.
const MAX_UNPACKED: u64 = 1 << 30;

/// Selects one of the two forms that CIFAR's binary files have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CifarFormat {
    /// Selects CIFAR-10: five files for training, one label before each image, one of 10 classes.
    Cifar10,
    /// Selects CIFAR-100: one file for training, two labels before each image, of which the second, one of 100 classes,
    /// is used.
    Cifar100,
}

impl CifarFormat {
    /// Returns the name of the folder in the archive.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Cifar10 => "cifar-10-batches-bin",
            Self::Cifar100 => "cifar-100-binary",
        }
    }

    /// Returns the names of the files: those for training, the one for testing, the one with the names of the classes.
    pub fn files(self) -> &'static [&'static str] {
        match self {
            Self::Cifar10 => &[
                "data_batch_1.bin",
                "data_batch_2.bin",
                "data_batch_3.bin",
                "data_batch_4.bin",
                "data_batch_5.bin",
                "test_batch.bin",
                "batches.meta.txt",
            ],
            Self::Cifar100 => &["train.bin", "test.bin", "fine_label_names.txt"],
        }
    }

    /// Returns the number of classes.
    pub fn classes(self) -> usize {
        match self {
            Self::Cifar10 => 10,
            Self::Cifar100 => 100,
        }
    }

    fn label_bytes(self) -> usize {
        match self {
            Self::Cifar10 => 1,
            Self::Cifar100 => 2,
        }
    }
}

/// The training and the test images in a folder, or in the folder of the archive in it.
pub(super) fn read_folder(
    format: CifarFormat,
    folder: &Path,
    origin: &Origin,
) -> Result<[LabelledImages; 2], DataError> {
    read(format, |name| {
        let paths = [folder.join(name), folder.join(format.folder()).join(name)];
        let path = paths.into_iter().find(|path| path.is_file());
        let missing =
            || DataError::NoFile { origin: origin.clone(), files: format!("{name}, {}/{name}", format.folder()) };
        let path = path.ok_or_else(missing)?;
        Ok((read_whole(&path, MAX_FILE)?, path))
    })
}

/// The training and the test images in a gzipped archive, which is unpacked in memory.
pub(super) fn read_archive(format: CifarFormat, path: &Path) -> Result<[LabelledImages; 2], DataError> {
    let unreadable = |cause: io::Error| {
        let cause = io::Error::new(cause.kind(), excerpt(&cause.to_string()));
        DataError::Read { path: path.into(), cause }
    };
    let gzip = MultiGzDecoder::new(BufReader::new(File::open(path).map_err(unreadable)?));
    let mut files = HashMap::new();
    for entry in Archive::new(gzip.take(MAX_UNPACKED)).entries().map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let inside = entry.path().map_err(unreadable)?.into_owned();
        let wanted = |name: &&&str| inside.ends_with(Path::new(format.folder()).join(name));
        let Some(&name) = format.files().iter().find(wanted) else { continue };
        let (path, expected) = (path.join(&inside), entry.size());
        if expected > MAX_FILE {
            return Err(DataError::FileSize { path, bytes: expected, limit: MAX_FILE });
        }
        let mut bytes = Vec::new();
        entry.take(MAX_FILE).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 != expected {
            return Err(DataError::Truncated { path, found: bytes.len() as u64, expected });
        }
        files.insert(name, (bytes, path));
    }
    read(format, |name| {
        let origin = Origin::Folder(path.into());
        files.remove(name).ok_or_else(|| DataError::NoFile { origin, files: format!("{}/{name}", format.folder()) })
    })
}

/// The training and the test images; `file` hands out the bytes of a file, and the path to name in errors.
fn read(
    format: CifarFormat,
    mut file: impl FnMut(&'static str) -> Result<(Vec<u8>, PathBuf), DataError>,
) -> Result<[LabelledImages; 2], DataError> {
    let [train @ .., test, names] = format.files() else { unreachable!("each format has at least three files") };
    let (names, path) = file(names)?;
    let names: Arc<[String]> = String::from_utf8_lossy(&names).split_whitespace().map(str::to_owned).collect();
    if names.len() != format.classes() {
        return Err(DataError::ClassNames { path, found: names.len(), expected: format.classes() });
    }
    let mut part = |files: &[&'static str]| {
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        for name in files {
            let (bytes, path) = file(name)?;
            read_records(format, &bytes, &path, &mut pixels, &mut labels)?;
        }
        LabelledImages::with_classes(SHAPE, pixels, labels, names.clone())
    };
    Ok([part(train)?, part(&[test])?])
}

fn read_records(
    format: CifarFormat,
    bytes: &[u8],
    path: &Path,
    pixels: &mut Vec<u8>,
    labels: &mut Vec<u32>,
) -> Result<(), DataError> {
    let size = format.label_bytes() + SHAPE.iter().product::<usize>();
    if bytes.is_empty() || !bytes.len().is_multiple_of(size) {
        let expected = bytes.len().max(1).next_multiple_of(size) as u64;
        return Err(DataError::Truncated { path: path.into(), found: bytes.len() as u64, expected });
    }
    for (index, record) in bytes.chunks_exact(size).enumerate() {
        let (label, image) = record.split_at(format.label_bytes());
        let (value, classes) = (u32::from(label[label.len() - 1]), format.classes());
        if value as usize >= classes {
            return Err(DataError::Label { path: path.into(), index, value, classes });
        }
        labels.push(value);
        pixels.extend_from_slice(image);
    }
    Ok(())
}
