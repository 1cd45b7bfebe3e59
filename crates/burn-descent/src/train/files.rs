//! Writes files that are whole or not there, and checks them by their checksums.

use sha2::{Digest, Sha256};
use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Fails where a file cannot be read, written or trusted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// Says that the operating system refused.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// Says what was to be done, such as `write`.
        action: &'static str,
        /// Names the file.
        path: PathBuf,
        /// Says why it could not be done.
        source: io::Error,
    },
    /// Says that the file is not what was written.
    #[error("{path} is damaged: {reason}")]
    Damaged {
        /// Names the file.
        path: PathBuf,
        /// Says what is wrong with it.
        reason: String,
    },
    /// Says that the record cannot be turned into bytes.
    #[error("cannot write {path}: {reason}")]
    Record {
        /// Names the file.
        path: PathBuf,
        /// Says why not.
        reason: String,
    },
}

impl FileError {
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}

/// How the names of files begin that are not written to their end.
const UNFINISHED: &str = ".tmp";

/// Writes `bytes` to a temporary file in the same folder, then renames it, so that the file is never seen in part.
/// Makes the folder where it is missing.
///
/// # Errors
///
/// Returns what the system says.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(UNFINISHED);
    // Temporary files are private by default; these become files like any other.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    sync_folder(folder)
}

/// Makes what was renamed or removed in a folder last, whatever happens to the machine.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    std::fs::File::open(folder)?.sync_all()
}

/// Other systems do not open folders as files, and write their entries as they please.
#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

/// Writes `bytes` atomically, and beside them their SHA-256 as the tool `sha256sum` writes it.
///
/// # Errors
///
/// Returns what the system says.
pub fn write_checked(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let write = |path: &Path, bytes: &[u8]| write_atomic(path, bytes).map_err(FileError::io("write", path));
    write(path, bytes)?;
    write(&checksum_path(path), format!("{}  {name}\n", checksum(bytes)).as_bytes())
}

/// Reads what [`write_checked`] wrote.
///
/// # Errors
///
/// Returns what the system says, and [`FileError::Damaged`] if the checksum is another's.
pub fn read_checked(path: &Path) -> Result<Vec<u8>, FileError> {
    let read = |path: &Path| std::fs::read(path).map_err(FileError::io("read", path));
    let bytes = read(path)?;
    let line = String::from_utf8_lossy(&read(&checksum_path(path))?).into_owned();
    let (expected, found) = (line.split_whitespace().next().unwrap_or_default(), checksum(&bytes));
    if expected.len() != found.len() || !expected.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let reason = "it should begin with a SHA-256, 64 hexadecimal digits".to_owned();
        return Err(FileError::Damaged { path: checksum_path(path), reason });
    }
    if expected != found {
        let reason = format!("its SHA-256 is {found}, expected {expected}");
        return Err(FileError::Damaged { path: path.to_owned(), reason });
    }
    Ok(bytes)
}

/// Tells whether [`write_checked`] wrote this file and came to its end.
pub fn is_written(path: &Path) -> bool {
    path.exists() && checksum_path(path).exists()
}

/// Removes what [`write_checked`] wrote, if it is there.
///
/// # Errors
///
/// Returns what the system says.
pub fn remove_checked(path: &Path) -> Result<(), FileError> {
    remove_file(path)?;
    remove_file(&checksum_path(path))
}

/// Removes a file, if it is there.
///
/// # Errors
///
/// Returns what the system says.
pub fn remove_file(path: &Path) -> Result<(), FileError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FileError::io("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Tells whether a file of this name is one that [`write_atomic`] has begun, and not come to the end of.
pub fn is_unfinished(name: &OsStr) -> bool {
    name.to_string_lossy().starts_with(UNFINISHED)
}

/// Removes what a program that was killed had begun to write in `folder`, and in all folders in it.
///
/// # Errors
///
/// Returns what the system says.
pub fn remove_unfinished(folder: &Path) -> Result<(), FileError> {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_unfinished(&path)?;
        } else if is_unfinished(&entry.file_name()) {
            remove_file(&path)?;
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
    hex(&Sha256::digest(bytes))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
