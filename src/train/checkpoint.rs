use super::{TrainError, files};
use burn::tensor::Bytes;
use burn::train::checkpoint::{Checkpoint, Checkpointer, CheckpointerError};
use std::path::{Path, PathBuf};

/// Keeps records as `FOLDER/NAME-EPOCH.bpk`, whole or not at all, with checksums.
#[derive(Clone)]
pub(super) struct SafeCheckpointer {
    folder: PathBuf,
    name: &'static str,
}

impl SafeCheckpointer {
    pub(super) fn new(folder: &Path, name: &'static str) -> Self {
        Self { folder: folder.to_owned(), name }
    }

    pub(super) fn path(&self, epoch: usize) -> PathBuf {
        self.folder.join(format!("{}-{epoch}.bpk", self.name))
    }

    /// Whether the record of `epoch` was written, to the end.
    pub(super) fn is_written(&self, epoch: usize) -> bool {
        files::is_written(&self.path(epoch))
    }

    pub(super) fn read<R: Checkpoint>(&self, epoch: usize) -> Result<R, TrainError> {
        read_record(&self.path(epoch))
    }
}

/// Reads a record that [`write_record`] wrote.
pub(super) fn read_record<R: Checkpoint>(path: &Path) -> Result<R, TrainError> {
    let bytes = files::read_checked(path)?;
    R::checkpoint_from_bytes(Bytes::from_bytes_vec(bytes))
        .map_err(|error| TrainError::Damaged { path: path.to_owned(), reason: error.to_string() })
}

/// Writes a record as a burnpack file, with its checksum beside it.
pub(super) fn write_record<R: Checkpoint>(path: &Path, record: R) -> Result<(), TrainError> {
    let bytes = record.checkpoint_into_bytes().map_err(|error| TrainError::Stopped(error.to_string()))?;
    files::write_checked(path, &bytes)
}

fn unknown(error: TrainError) -> CheckpointerError {
    CheckpointerError::Unknown(error.to_string())
}

impl<R: Checkpoint> Checkpointer<R> for SafeCheckpointer {
    fn save(&self, epoch: usize, record: R) -> Result<(), CheckpointerError> {
        write_record(&self.path(epoch), record).map_err(unknown)
    }

    fn delete(&self, epoch: usize) -> Result<(), CheckpointerError> {
        files::remove_checked(&self.path(epoch)).map_err(unknown)
    }

    fn restore(&self, epoch: usize) -> Result<R, CheckpointerError> {
        self.read(epoch).map_err(unknown)
    }
}
