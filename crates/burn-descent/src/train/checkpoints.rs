//! The checkpoints of a training: one file each, whole or not there, written while the training goes on.

use super::EngineError;
use super::files::{FileError, hex, remove_file, remove_unfinished, write_atomic};
use super::history::{Criterion, History};
use super::state::{Position, Records};
use burn::lr_scheduler::LrSchedulerRecord;
use burn::optim::OptimizerRecord;
use burn::store::ModuleRecord;
use burn::tensor::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Configures when checkpoints are written and which of them stay.
///
/// There is always one after each epoch, and one where a training is stopped. With each goes all that the training
/// depends on, so that it can be gone on with to the bit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CheckpointPolicy {
    /// Sets how many of the last checkpoints stay, at least 1.
    pub last: usize,
    /// Sets how many of the best epochs' checkpoints stay, at least 1, whose weights can then be had.
    pub best: usize,
    /// Writes one after each so many steps, too, at least 1; none if absent.
    pub every_steps: Option<u64>,
    /// Writes one whenever this much time has passed since the last; none if absent.
    pub every: Option<Duration>,
}

impl Default for CheckpointPolicy {
    fn default() -> Self {
        Self { last: 1, best: 1, every_steps: None, every: None }
    }
}

/// Says how long checkpoints have taken.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CheckpointTimes {
    /// Counts the checkpoints.
    pub written: usize,
    /// Gives the time that the training waited for them.
    pub waited: Duration,
    /// Gives the time that it took to encode and write them, mostly while the training went on.
    pub writing: Duration,
}

/// What a checkpoint holds beside Burn's records.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Header {
    /// What tells this training from others.
    pub(super) fingerprint: String,
    pub(super) position: Position,
    pub(super) history: History,
    /// The training metrics of the batches of an epoch that is not over: for each metric, what its log has.
    pub(super) entries: Vec<(String, Vec<String>)>,
    pub(super) progress: Progress,
}

/// What is counted beside the steps.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Progress {
    /// The seconds of training passes, in nanoseconds.
    pub(super) nanoseconds: u64,
    /// The examples trained on in the epoch.
    pub(super) items: usize,
    /// Whether the training passes of the epoch are over, and what is left over at their end is done.
    pub(super) passed: bool,
}

/// The folder of a training's checkpoints.
pub(super) struct Checkpoints {
    folder: PathBuf,
    policy: CheckpointPolicy,
    criterion: Criterion,
    /// Epochs whose checkpoints stay, whatever they are like.
    snapshots: Vec<usize>,
    /// Whether that of the end of the last epoch stays, for a training that goes back to it.
    anchored: bool,
    writing: Option<JoinHandle<Result<Duration, EngineError>>>,
    written: Instant,
    times: CheckpointTimes,
}

const MAGIC: &[u8] = b"burn-descent checkpoint 1\n";
const DIGEST: usize = 32;

impl Checkpoints {
    pub(super) fn new(folder: PathBuf, policy: CheckpointPolicy, criterion: Criterion, snapshots: Vec<usize>) -> Self {
        let (written, times) = (Instant::now(), CheckpointTimes::default());
        Self { folder, policy, criterion, snapshots, anchored: false, writing: None, written, times }
    }

    /// Keeps the checkpoint of the end of the last epoch as well, or of the start, where `anchored`.
    pub(super) fn anchored(mut self, anchored: bool) -> Self {
        self.anchored = anchored;
        self
    }

    /// Whether one is due after `step`.
    pub(super) fn is_due(&self, step: u64) -> bool {
        let by_steps = self.policy.every_steps.is_some_and(|steps| step.is_multiple_of(steps.max(1)));
        by_steps || self.policy.every.is_some_and(|time| self.written.elapsed() >= time)
    }

    /// Writes a checkpoint on a thread of its own, once the one before is written.
    ///
    /// # Errors
    ///
    /// Returns what the one before failed on.
    pub(super) fn save(&mut self, header: Header, records: Records) -> Result<(), EngineError> {
        self.wait()?;
        let (folder, surplus) = (self.folder.clone(), self.surplus(&header)?);
        self.written = Instant::now();
        self.writing = Some(std::thread::spawn(move || {
            let start = Instant::now();
            let path = path(&folder, header.position.step);
            let bytes = encode(&path, &header, records)?;
            write_atomic(&path, &bytes).map_err(FileError::io("write", &path))?;
            // Only now that another is there.
            for path in surplus {
                remove_file(&path)?;
            }
            Ok(start.elapsed())
        }));
        Ok(())
    }

    /// Waits until all checkpoints are written.
    ///
    /// # Errors
    ///
    /// Returns what the last failed on.
    pub(super) fn wait(&mut self) -> Result<(), EngineError> {
        let Some(writing) = self.writing.take() else { return Ok(()) };
        let start = Instant::now();
        let written =
            writing.join().map_err(|_| EngineError::Burn("a checkpoint's thread has failed".to_owned()))??;
        self.times.written += 1;
        self.times.waited += start.elapsed();
        self.times.writing += written;
        Ok(())
    }

    pub(super) fn times(&self) -> CheckpointTimes {
        self.times
    }

    /// Removes what a program that was killed had begun to write.
    pub(super) fn sweep(&self) -> Result<(), EngineError> {
        Ok(remove_unfinished(&self.folder)?)
    }

    /// The last checkpoint, if there is one.
    pub(super) fn last(&self) -> Result<Option<PathBuf>, EngineError> {
        Ok(self.steps()?.last().map(|step| path(&self.folder, *step)))
    }

    /// The checkpoint of the end of the last epoch, or of the start.
    pub(super) fn anchor(&self, history: &History) -> PathBuf {
        path(&self.folder, last_step(history))
    }

    /// Removes what came after `step`, where the training has gone back to.
    pub(super) fn forget_after(&mut self, step: u64) -> Result<(), EngineError> {
        self.wait()?;
        let later = self.steps()?.into_iter().filter(|other| *other > step);
        Ok({ later }.try_for_each(|step| remove_file(&path(&self.folder, step)))?)
    }

    /// The checkpoint of an epoch that was finished.
    pub(super) fn of_epoch(&self, history: &History, epoch: usize) -> Option<PathBuf> {
        let record = history.epochs.iter().find(|record| record.epoch == epoch)?;
        Some(path(&self.folder, record.step))
    }

    /// Removes the checkpoints that a training which is over does not need.
    pub(super) fn tidy(&self, header: &Header) -> Result<(), EngineError> {
        Ok(self.surplus(header)?.iter().try_for_each(|path| remove_file(path))?)
    }

    /// The checkpoints that are needed no longer once there is one with this header.
    fn surplus(&self, header: &Header) -> Result<Vec<PathBuf>, EngineError> {
        let mut steps: BTreeSet<u64> = self.steps()?.into_iter().collect();
        steps.insert(header.position.step);
        let mut kept: BTreeSet<u64> = steps.iter().rev().take(self.policy.last.max(1)).copied().collect();
        let history = &header.history;
        kept.extend(history.ranked(&self.criterion).iter().take(self.policy.best.max(1)).map(|record| record.step));
        let snapshots = history.epochs.iter().filter(|record| self.snapshots.contains(&record.epoch));
        kept.extend(snapshots.map(|record| record.step));
        kept.extend(self.anchored.then(|| last_step(history)));
        Ok(steps.difference(&kept).map(|step| path(&self.folder, *step)).collect())
    }

    /// The steps that there are checkpoints of, in their order.
    fn steps(&self) -> Result<Vec<u64>, EngineError> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(FileError::io("read", &self.folder)(error).into()),
        };
        let step = |name: &str| name.strip_prefix("step-")?.strip_suffix(".ckpt")?.parse().ok();
        let names = entries.flatten().map(|entry| entry.file_name());
        let mut steps: Vec<u64> = names.filter_map(|name| step(name.to_str()?)).collect();
        steps.sort_unstable();
        Ok(steps)
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        // Whoever fails elsewhere has told that; what is being written is to come to its end all the same.
        let _ = self.wait();
    }
}

/// The number of steps at the end of the last epoch.
fn last_step(history: &History) -> u64 {
    history.epochs.last().map_or(0, |record| record.step)
}

fn path(folder: &Path, step: u64) -> PathBuf {
    folder.join(format!("step-{step}.ckpt"))
}

/// The magic line, then each part after its length in bytes as eight of them, the least significant first: the header
/// as JSON and the three records as burnpack; at the end the SHA-256 of everything before.
fn encode(path: &Path, header: &Header, records: Records) -> Result<Vec<u8>, EngineError> {
    let unwritable = |reason: String| FileError::Record { path: path.to_owned(), reason };
    let header = serde_json::to_vec(header).map_err(|error| unwritable(error.to_string()))?;
    let model = records.model.into_bytes().map_err(|error| unwritable(error.to_string()))?;
    let update = records.update.into_bytes().map_err(|error| unwritable(error.to_string()))?;
    let schedule = records.schedule.into_bytes().map_err(|error| unwritable(error.to_string()))?;
    let parts: [&[u8]; 4] = [&header, &model, &update, &schedule];
    let length = MAGIC.len() + parts.iter().map(|part| 8 + part.len()).sum::<usize>() + DIGEST;
    let mut bytes = Vec::with_capacity(length);
    bytes.extend_from_slice(MAGIC);
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
        bytes.extend_from_slice(part);
    }
    let digest = Sha256::digest(&bytes);
    bytes.extend_from_slice(&digest);
    Ok(bytes)
}

/// Reads the header and the records of a checkpoint.
pub(super) fn read(path: &Path) -> Result<(Header, Records), EngineError> {
    let bytes = fs::read(path).map_err(FileError::io("read", path))?;
    let damaged = |reason: String| FileError::Damaged { path: path.to_owned(), reason };
    let Some(content) =
        bytes.strip_prefix(MAGIC).and_then(|rest| rest.len().checked_sub(DIGEST).map(|end| &rest[..end]))
    else {
        return Err(damaged("it does not begin as a checkpoint does, or is too short".to_owned()).into());
    };
    let (found, expected) = bytes.split_at(bytes.len() - DIGEST);
    let found = Sha256::digest(found);
    if found.as_slice() != expected {
        return Err(damaged(format!("its SHA-256 is {}, expected {}", hex(&found), hex(expected))).into());
    }
    let mut rest = content;
    let mut part = || -> Option<Vec<u8>> {
        let (length, tail) = rest.split_first_chunk()?;
        let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
        let (part, tail) = tail.split_at_checked(length)?;
        rest = tail;
        Some(part.to_vec())
    };
    let parts: Option<[Vec<u8>; 4]> = (|| Some([part()?, part()?, part()?, part()?]))();
    let Some([header, model, update, schedule]) = parts else {
        return Err(damaged("its parts are not as long as it says".to_owned()).into());
    };
    let header = serde_json::from_slice(&header).map_err(|error| damaged(format!("its header: {error}")))?;
    let [model, update, schedule] = [model, update, schedule].map(Bytes::from_bytes_vec);
    let model = ModuleRecord::from_bytes(model).map_err(|error| damaged(format!("its model: {error}")))?;
    let update = OptimizerRecord::from_bytes(update).map_err(|error| damaged(format!("its optimizer: {error}")))?;
    let schedule =
        LrSchedulerRecord::from_bytes(schedule).map_err(|error| damaged(format!("its schedule: {error}")))?;
    Ok((header, Records { model, update, schedule }))
}
