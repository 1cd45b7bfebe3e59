//! Files, read within limits and written whole.

use super::error::DataError;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Reads a file of at most `limit` bytes. What its length promises is not trusted: the buffer grows with what is there.
pub(super) fn read_whole(path: &Path, limit: u64) -> Result<Vec<u8>, DataError> {
    let unreadable = |cause| DataError::Read { path: path.into(), cause };
    let file = File::open(path).map_err(unreadable)?;
    let declared = file.metadata().map_err(unreadable)?.len();
    let mut bytes = Vec::new();
    if declared <= limit {
        file.take(limit + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    }
    match declared.max(bytes.len() as u64) {
        bytes if bytes > limit => Err(DataError::FileSize { path: path.into(), bytes, limit }),
        _ => Ok(bytes),
    }
}

/// Writes a file whole, or not at all.
pub(super) fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), DataError> {
    burn_descent::train::write_atomic(path, bytes).map_err(|cause| DataError::Write { path: path.into(), cause })
}
