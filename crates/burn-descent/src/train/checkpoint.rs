use super::files::{FileError, is_written, read_checked, remove_checked, write_checked};
use burn::tensor::Bytes;
use burn::train::checkpoint::{Checkpoint, Checkpointer, CheckpointerError};
use std::path::{Path, PathBuf};

/// Keeps records of Burn's `Learner` as `FOLDER/NAME-EPOCH.bpk`, whole or not at all, with checksums.
///
/// Burn's own checkpointer writes in place: a run that is killed meanwhile leaves half a file.
#[derive(Clone)]
pub struct CheckedCheckpointer {
    folder: PathBuf,
    name: String,
}

impl CheckedCheckpointer {
    /// Makes a checkpointer for records that are called `name`, in `folder`.
    pub fn new(folder: impl Into<PathBuf>, name: impl Into<String>) -> Self {
        Self { folder: folder.into(), name: name.into() }
    }

    /// Returns the path of the record of `epoch`.
    pub fn path(&self, epoch: usize) -> PathBuf {
        self.folder.join(format!("{}-{epoch}.bpk", self.name))
    }

    /// Tells whether the record of `epoch` was written, to the end.
    pub fn is_written(&self, epoch: usize) -> bool {
        is_written(&self.path(epoch))
    }

    /// Reads the record of `epoch`.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`read_record`].
    pub fn read<R: Checkpoint>(&self, epoch: usize) -> Result<R, FileError> {
        read_record(&self.path(epoch))
    }
}

/// Reads a record that [`write_record`] wrote.
///
/// # Errors
///
/// Returns what the system says, and [`FileError::Damaged`] if the bytes are not those that were written.
pub fn read_record<R: Checkpoint>(path: &Path) -> Result<R, FileError> {
    let bytes = read_checked(path)?;
    R::checkpoint_from_bytes(Bytes::from_bytes_vec(bytes))
        .map_err(|error| FileError::Damaged { path: path.to_owned(), reason: error.to_string() })
}

/// Writes a record as a burnpack file, whole or not at all, with its checksum beside it.
///
/// # Errors
///
/// Returns what the system says.
pub fn write_record<R: Checkpoint>(path: &Path, record: R) -> Result<(), FileError> {
    let misfit = |reason: String| FileError::Record { path: path.to_owned(), reason };
    let bytes = record.checkpoint_into_bytes().map_err(|error| misfit(error.to_string()))?;
    write_checked(path, &bytes)
}

fn unknown(error: FileError) -> CheckpointerError {
    CheckpointerError::Unknown(error.to_string())
}

impl<R: Checkpoint> Checkpointer<R> for CheckedCheckpointer {
    fn save(&self, epoch: usize, record: R) -> Result<(), CheckpointerError> {
        write_record(&self.path(epoch), record).map_err(unknown)
    }

    fn delete(&self, epoch: usize) -> Result<(), CheckpointerError> {
        remove_checked(&self.path(epoch)).map_err(unknown)
    }

    fn restore(&self, epoch: usize) -> Result<R, CheckpointerError> {
        self.read(epoch).map_err(unknown)
    }
}
