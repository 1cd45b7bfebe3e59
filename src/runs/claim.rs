//! One program at a time in the folder of a run.

use super::TrainError;
use super::files::LR_CURVE;
use super::run::CONFIG;
use burn_descent::train::is_unfinished;
use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Holds the folder of a run, until it is dropped or the program ends, however it does.
///
/// What is locked is the folder itself, by the system: nothing stays behind of a program that was killed.
#[derive(Debug)]
pub(super) struct Claim {
    folder: PathBuf,
    _lock: File,
}

impl Claim {
    /// Claims the folder of a run, which is made where it is missing.
    ///
    /// # Errors
    ///
    /// Returns an error if another program holds it, or it cannot be made.
    pub(super) fn of(folder: &Path) -> Result<Self, TrainError> {
        loop {
            fs::create_dir_all(folder).map_err(TrainError::io("create the folder", folder))?;
            let Some(lock) = lock(folder)? else { continue };
            return Ok(Self { folder: folder.to_owned(), _lock: lock });
        }
    }

    /// Claims the folder `stem` under `root`, or `stem-2`, `stem-3`, … : the first that is not there. Of several programs
    /// that ask at the same time, each gets its own.
    ///
    /// # Errors
    ///
    /// Returns an error if it cannot be made.
    pub(super) fn free(root: &Path, stem: &str) -> Result<(String, Self), TrainError> {
        fs::create_dir_all(root).map_err(TrainError::io("create the folder", root))?;
        for number in 1_u64.. {
            let name = if number == 1 { stem.to_owned() } else { format!("{stem}-{number}") };
            let folder = root.join(&name);
            match fs::create_dir(&folder) {
                Ok(()) => match lock(&folder) {
                    Ok(Some(lock)) => return Ok((name, Self { folder, _lock: lock })),
                    // Another program took or removed it just now.
                    Ok(None) | Err(TrainError::InUse(_)) => {}
                    Err(error) => return Err(error),
                },
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(TrainError::io("create the folder", &folder)(error)),
            }
        }
        Err(TrainError::RunName(stem.to_owned()))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Of a run that never began nothing is to stay; a folder that is not empty is not removed.
        if fs::remove_dir(&self.folder).is_ok()
            && let Some(root) = self.folder.parent()
        {
            let _ = fs::remove_dir(root);
        }
    }
}

/// Locks a folder; nothing if it is no longer there.
#[cfg(unix)]
fn lock(folder: &Path) -> Result<Option<File>, TrainError> {
    use std::os::unix::fs::MetadataExt;

    let file = match File::open(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(TrainError::io("open the folder", folder))?,
    };
    try_lock(&file, folder)?;
    let same = |one: fs::Metadata, other: fs::Metadata| one.ino() == other.ino() && one.dev() == other.dev();
    let locked = file.metadata().map_err(TrainError::io("read", folder))?;
    Ok(fs::metadata(folder).is_ok_and(|there| same(there, locked)).then_some(file))
}

/// Locks a file in the folder: elsewhere folders are not opened as files are.
#[cfg(not(unix))]
fn lock(folder: &Path) -> Result<Option<File>, TrainError> {
    let path = folder.join(".lock");
    let file = match File::create(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(TrainError::io("write", &path))?,
    };
    try_lock(&file, folder).map(|()| Some(file))
}

fn try_lock(file: &File, folder: &Path) -> Result<(), TrainError> {
    for attempt in 1.. {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            // It may be no training, but somebody who looks whether there is one.
            Err(TryLockError::WouldBlock) if attempt < ATTEMPTS => std::thread::sleep(BETWEEN),
            Err(TryLockError::WouldBlock) => break,
            // A file system that knows no locks is used as if nobody else were there.
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(TrainError::io("lock the folder", folder)(error)),
        }
    }
    Err(TrainError::InUse(folder.to_owned()))
}

/// How often a lock is tried, and the time in between.
const ATTEMPTS: usize = 10;
const BETWEEN: Duration = Duration::from_millis(5);

/// Whether a program holds `folder`.
pub(super) fn is_claimed(folder: &Path) -> bool {
    matches!(lock(folder), Err(TrainError::InUse(_)))
}

/// Whether there is anything in `folder` that a new run would mix with. A curve of [`super::find_lr`] may be there, and
/// the temporary files of a run that was killed before it began.
pub(super) fn is_taken(folder: &Path) -> bool {
    let is_other = |name: &OsStr| name != LR_CURVE && !is_unfinished(name);
    match fs::read_dir(folder) {
        Ok(mut entries) => entries.any(|entry| entry.map_or(true, |entry| is_other(&entry.file_name()))),
        Err(_) => folder.exists(),
    }
}

/// Removes everything in a folder that is claimed, but not the folder. The configuration goes last: what is killed
/// meanwhile is a run still, which can be replaced.
pub(super) fn empty(folder: &Path) -> Result<(), TrainError> {
    let entries = fs::read_dir(folder).map_err(TrainError::io("read", folder))?.flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort_by_key(|path| path.ends_with(CONFIG));
    for path in paths {
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.map_err(TrainError::io("replace", &path))?;
    }
    Ok(())
}
