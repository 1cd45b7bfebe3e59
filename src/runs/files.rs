//! The files of a run.

use super::{EpochMetrics, History, TrainError};
use burn_descent::train::FileError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

pub(super) fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let io = |source| FileError::Io { action: "write", path: path.to_owned(), source };
    burn_descent::train::write_atomic(path, bytes).map_err(io)
}

pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), FileError> {
    let unwritable = |error: serde_json::Error| FileError::Record { path: path.to_owned(), reason: error.to_string() };
    let mut text = serde_json::to_string_pretty(value).map_err(unwritable)?;
    text.push('\n');
    write_atomic(path, text.as_bytes())
}

/// Writes the epochs of a history as CSV and as a JSON object a line, for other programs: `metrics.csv` and
/// `metrics.jsonl` in `folder`.
pub(super) fn write_metrics(folder: &Path, history: &History) -> Result<(), FileError> {
    let has_norms = history.epochs.iter().any(|epoch| epoch.gradient_norm.is_some());
    let mut csv = String::from("epoch,train_loss,train_accuracy,validation_loss,validation_accuracy,seconds,images");
    csv += if has_norms { ",gradient_norm\n" } else { "\n" };
    let mut lines = String::new();
    for epoch in &history.epochs {
        let EpochMetrics { train_loss, train_accuracy, validation_loss, validation_accuracy, .. } = epoch;
        let metrics = format!("{train_loss},{train_accuracy},{validation_loss},{validation_accuracy}");
        csv += &format!("{},{metrics},{},{}", epoch.epoch, epoch.seconds, epoch.images);
        if has_norms {
            csv += &epoch.gradient_norm.map_or_else(|| ",".to_owned(), |norm| format!(",{norm}"));
        }
        csv.push('\n');
        lines += &serde_json::to_string(epoch).unwrap_or_default();
        lines.push('\n');
    }
    write_atomic(&folder.join("metrics.csv"), csv.as_bytes())?;
    write_atomic(&folder.join("metrics.jsonl"), lines.as_bytes())
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

/// The file of the learning rate range test's curve, in the folder of its run.
pub(super) const LR_CURVE: &str = "lr_curve.json";

/// The folder of the run `name` under `root`.
pub(super) fn run_folder(root: &Path, name: &str) -> Result<PathBuf, TrainError> {
    let plain = Path::new(name).components().count() == 1 && !name.contains(['/', '\\']) && !name.starts_with('.');
    if !plain {
        return Err(TrainError::RunName(name.to_owned()));
    }
    Ok(root.join(name))
}
