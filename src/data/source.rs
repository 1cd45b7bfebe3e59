//! Where a data set comes from: a folder, a cache, or a mirror by way of the cache.

use super::cifar;
use super::error::DataError;
use super::file::write_atomic;
use super::idx::read_classes;
use super::images::LabelledImages;
use super::known::{Content, KnownDataset, Manifest, RemoteFile};
use super::mirror::{Client, sha256};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, fs};

/// Holds a data set in memory, split into images for training, validation and testing, of one size and with the same
/// classes.
#[derive(Clone, Debug)]
pub struct Splits {
    /// Holds the images to train on.
    pub train: LabelledImages,
    /// Holds the images to validate on, where the data set comes with such.
    pub validation: Option<LabelledImages>,
    /// Holds the images to test on.
    pub test: LabelledImages,
    /// Says where the images are from.
    pub origin: Origin,
    /// Lists what is worth knowing about the images, such as files that were left out; a sentence each.
    pub notices: Vec<String>,
}

/// Says where a data set was found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// Stands for the folder that was given.
    Folder(PathBuf),
    /// Stands for the folder that an environment variable names.
    Environment {
        /// Names the variable.
        variable: String,
        /// Gives the value of the variable, which is the folder.
        folder: PathBuf,
    },
    /// Stands for the cache, in whose folder all files were.
    Cache(PathBuf),
    /// Stands for a mirror, from which at least one file was downloaded; now all files are in the cache.
    Downloaded {
        /// Gives the address of the last file that was downloaded.
        url: String,
        /// Names the folder in the cache.
        folder: PathBuf,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => write!(f, "folder {}", folder.display()),
            Self::Environment { variable, folder } => write!(f, "folder {} (${variable})", folder.display()),
            Self::Cache(folder) => write!(f, "cache {}", folder.display()),
            Self::Downloaded { url, folder } => write!(f, "downloaded from {url} into {}", folder.display()),
        }
    }
}

/// Finds and loads data sets: in a folder, in a cache, or from a mirror by way of the cache.
///
/// The first of these that is there decides: the folder given, the folder that the data set's environment variable
/// names, the cache. A folder that was named but lacks a file is an error. What the cache lacks, or holds with a wrong
/// checksum, is downloaded into it; each file appears there whole and checked, or not at all.
///
/// | setting | default | meaning |
/// | --- | --- | --- |
/// | `folder` | none | a folder with the files, IDX files gzipped or not |
/// | `cache` | `burn-descent` in the user's cache folder | holds one folder for each data set |
/// | `mirror` | those of the data set | address of a folder with the gzipped files, `http` or `https` |
/// | `progress` | `false` | progress bars on standard error, where that is a terminal |
/// | `timeout` | 5 s | longest time to reach a mirror; three times as long for each answer |
///
/// ```no_run
/// use burn_descent_lab::data::{DataSource, KnownDataset};
///
/// match DataSource::new().progress(true).load(KnownDataset::Mnist) {
///     Ok(mnist) => println!("{} images, {}", mnist.train.len(), mnist.origin),
///     Err(error) if error.is_offline() => println!("no network, so generated digits: {error}"),
///     Err(error) => return Err(error),
/// }
/// # Ok::<(), burn_descent_lab::data::DataError>(())
/// ```
#[derive(Clone, Debug)]
pub struct DataSource {
    folder: Option<PathBuf>,
    cache: Option<PathBuf>,
    mirror: Option<String>,
    progress: bool,
    timeout: Duration,
}

impl Default for DataSource {
    fn default() -> Self {
        Self { folder: None, cache: None, mirror: None, progress: false, timeout: Duration::from_secs(5) }
    }
}

impl DataSource {
    /// Creates a source with the default settings: the environment variable, the user's cache, the known mirrors, no
    /// progress bars.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads from this folder and nowhere else. An IDX file may be gzipped or not; `-idx3` may also be written `.idx3`.
    /// CIFAR's files may lie in the folder itself or in that of their archive, which is to be unpacked.
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Returns the folder that was given to read from, or else `path`: where data of one's own are.
    pub fn path_or<'a>(&'a self, path: &'a Path) -> &'a Path {
        self.folder.as_deref().unwrap_or(path)
    }

    /// Keeps downloads here, each data set in a folder of its own; made where it is missing.
    pub fn cache(mut self, cache: impl Into<PathBuf>) -> Self {
        self.cache = Some(cache.into());
        self
    }

    /// Downloads from this address instead of the known mirrors; the checksums remain.
    pub fn mirror(mut self, url: impl Into<String>) -> Self {
        self.mirror = Some(url.into());
        self
    }

    /// Shows progress bars on standard error, where that is a terminal.
    pub fn progress(mut self, progress: bool) -> Self {
        self.progress = progress;
        self
    }

    /// Waits this long to reach a mirror, and three times as long for its answer and for each part of it.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Loads a known data set.
    ///
    /// # Errors
    /// Returns an error where a named folder or one of its files is missing, where a file is none of the data set's,
    /// where no mirror handed out a file, of which [`DataError::is_offline`] tells whether there was a network, or
    /// where the cache cannot be written.
    pub fn load(&self, dataset: KnownDataset) -> Result<Splits, DataError> {
        self.load_manifest(&dataset.manifest(), |variable| std::env::var_os(variable))
    }

    /// Loads any data set that a manifest describes; `environment` looks up a variable, of which an empty value counts as
    /// unset.
    ///
    /// # Errors
    /// Returns the same errors as [`load`](Self::load).
    pub fn load_manifest(
        &self,
        manifest: &Manifest,
        environment: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Splits, DataError> {
        let variable = &manifest.env_var;
        if let Some(folder) = &self.folder {
            read_folder(manifest, folder, Origin::Folder(folder.clone()))
        } else if let Some(folder) = environment(variable).filter(|value| !value.is_empty()) {
            let folder = PathBuf::from(folder);
            read_folder(manifest, &folder, Origin::Environment { variable: variable.clone(), folder: folder.clone() })
        } else {
            self.read_cache(manifest)
        }
    }

    fn read_cache(&self, manifest: &Manifest) -> Result<Splits, DataError> {
        let no_cache = || DataError::NoCache { dataset: manifest.name.clone(), variable: manifest.env_var.clone() };
        let users = || dirs::cache_dir().map(|folder| folder.join("burn-descent"));
        let folder = self.cache.clone().or_else(users).ok_or_else(no_cache)?.join(manifest.name.to_lowercase());
        let client = Client::new(self.timeout, self.progress);
        let mirrors = self.mirror.as_ref().map_or(&manifest.mirrors[..], std::slice::from_ref);
        let (content, mut origin) = (&manifest.content, Origin::Cache(folder.clone()));
        let mut find = |file: &RemoteFile| {
            let path = folder.join(&file.name);
            if !fs::read(&path).is_ok_and(|bytes| sha256(&bytes) == file.sha256) {
                let (url, bytes) = client.download(mirrors, file, content.limit())?;
                write_atomic(&path, &bytes)?;
                origin = Origin::Downloaded { url, folder: folder.clone() };
            }
            Ok(path)
        };
        let parts = match content {
            Content::Idx { files, class_names } => read_idx(files, class_names, find)?,
            Content::Cifar { format, archive } => cifar::read_archive(*format, &find(archive)?)?,
        };
        splits(parts, origin)
    }
}

fn read_folder(manifest: &Manifest, folder: &Path, origin: Origin) -> Result<Splits, DataError> {
    if !folder.is_dir() {
        let files = match &manifest.content {
            Content::Idx { files, .. } => files.each_ref().map(|file| file.name.as_str()).join(", "),
            Content::Cifar { format, .. } => format.files().join(", "),
        };
        return Err(DataError::NoFolder { origin, files });
    }
    let parts = match &manifest.content {
        Content::Idx { files, class_names } => read_idx(files, class_names, |file| {
            let names = spellings(&file.name);
            let path = names.iter().map(|name| folder.join(name)).find(|path| path.is_file());
            path.ok_or_else(|| DataError::NoFile { origin: origin.clone(), files: names.join(", ") })
        })?,
        Content::Cifar { format, .. } => cifar::read_folder(*format, folder, &origin)?,
    };
    splits(parts, origin)
}

/// `train-images-idx3-ubyte.gz` as it is, unpacked, and both again as `train-images.idx3-ubyte`.
fn spellings(name: &str) -> [String; 4] {
    let raw = name.strip_suffix(".gz").unwrap_or(name);
    let dotted = raw.replace("-idx", ".idx");
    [format!("{raw}.gz"), raw.into(), format!("{dotted}.gz"), dotted]
}

fn read_idx(
    files: &[RemoteFile; 4],
    class_names: &Arc<[String]>,
    mut find: impl FnMut(&RemoteFile) -> Result<PathBuf, DataError>,
) -> Result<[LabelledImages; 2], DataError> {
    let [train_images, train_labels, test_images, test_labels] = files;
    Ok([
        read_classes(&find(train_images)?, &find(train_labels)?, class_names.clone())?,
        read_classes(&find(test_images)?, &find(test_labels)?, class_names.clone())?,
    ])
}

fn splits([train, test]: [LabelledImages; 2], origin: Origin) -> Result<Splits, DataError> {
    let size = |set: &LabelledImages| [set.height(), set.width()];
    if size(&train) != size(&test) {
        return Err(DataError::Sizes { origin, train: size(&train), test: size(&test) });
    }
    Ok(Splits { train, validation: None, test, origin, notices: Vec::new() })
}
