//! The files of a run.

use super::TrainError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    crate::files::write_whole(path, bytes).map_err(TrainError::io("write", path))
}

pub(super) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), TrainError> {
    let mut text = serde_json::to_string_pretty(value).map_err(|error| TrainError::Stopped(error.to_string()))?;
    text.push('\n');
    write_whole(path, text.as_bytes())
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, TrainError> {
    std::fs::read(path).map_err(TrainError::io("read", path))
}

pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, TrainError> {
    serde_json::from_slice(&read(path)?)
        .map_err(|error| TrainError::Damaged { path: path.to_owned(), reason: error.to_string() })
}

pub(super) fn create_folder(path: &Path) -> Result<(), TrainError> {
    std::fs::create_dir_all(path).map_err(TrainError::io("create the folder", path))
}

/// Writes `bytes`, and beside them their SHA-256 as the tool `sha256sum` writes it.
pub(super) fn write_checked(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    write_whole(path, bytes)?;
    write_whole(&checksum_path(path), format!("{}  {name}\n", checksum(bytes)).as_bytes())
}

/// Reads what [`write_checked`] wrote.
pub(super) fn read_checked(path: &Path) -> Result<Vec<u8>, TrainError> {
    let bytes = read(path)?;
    let line = String::from_utf8_lossy(&read(&checksum_path(path))?).into_owned();
    let (expected, found) = (line.split_whitespace().next().unwrap_or_default(), checksum(&bytes));
    if expected != found {
        let reason = format!("its SHA-256 is {found}, expected {expected}");
        return Err(TrainError::Damaged { path: path.to_owned(), reason });
    }
    Ok(bytes)
}

/// Whether [`write_checked`] wrote this file and came to its end.
pub(super) fn is_written(path: &Path) -> bool {
    path.exists() && checksum_path(path).exists()
}

/// Removes what [`write_checked`] wrote, if it is there.
pub(super) fn remove_checked(path: &Path) -> Result<(), TrainError> {
    for path in [path, &checksum_path(path)] {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(TrainError::io("remove", path)(error));
            }
            _ => {}
        }
    }
    Ok(())
}

fn checksum_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".sha256");
    name.into()
}

fn checksum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
