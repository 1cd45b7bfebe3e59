//! Where a data set comes from: a folder, a cache, or a mirror by way of the cache.

use std::{
    ffi::OsString,
    fmt, fs,
    io::{self, IsTerminal, Read, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest, Sha256};
use ureq::Agent;

use super::{
    error::{Attempt, DataError, Failure},
    idx::{LabelledImages, read_labelled},
};

/// Well above the largest of the known files, 26 MB.
const MAX_DOWNLOAD: u64 = 64 << 20;
const MAX_DOWNLOAD_TIME: Duration = Duration::from_secs(15 * 60);

/// A data set of 60,000 training and 10,000 test images, 28 x 28 gray levels, 10 classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownDataset {
    /// Handwritten digits (LeCun, Cortes and Burges, 1998).
    Mnist,
    /// Articles of clothing (Xiao, Rasul and Vollgraf, 2017).
    FashionMnist,
}

impl KnownDataset {
    /// The name for people: `MNIST` or `Fashion-MNIST`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mnist => "MNIST",
            Self::FashionMnist => "Fashion-MNIST",
        }
    }

    /// The environment variable that may name a folder with the files.
    pub fn env_var(self) -> &'static str {
        match self {
            Self::Mnist => "MNIST_DIR",
            Self::FashionMnist => "FASHION_MNIST_DIR",
        }
    }

    /// The mean of the training pixels, scaled to 0 to 1.
    pub fn mean(self) -> f64 {
        match self {
            Self::Mnist => 0.1307,
            Self::FashionMnist => 0.2860,
        }
    }

    /// The standard deviation of the training pixels, scaled to 0 to 1.
    pub fn std(self) -> f64 {
        match self {
            Self::Mnist => 0.3081,
            Self::FashionMnist => 0.3530,
        }
    }

    /// The files, their checksums and where they are offered.
    pub fn manifest(self) -> Manifest {
        let (sha256, mirrors): ([&str; 4], &[&str]) = match self {
            Self::Mnist => (
                [
                    "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                    "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                    "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                    "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
                ],
                &[
                    "https://ossci-datasets.s3.amazonaws.com/mnist/",
                    "https://storage.googleapis.com/cvdf-datasets/mnist/",
                ],
            ),
            Self::FashionMnist => (
                [
                    "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
                    "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
                    "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
                    "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
                ],
                &["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"],
            ),
        };
        let files = ["train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"];
        Manifest {
            name: self.name().into(),
            env_var: self.env_var().into(),
            classes: 10,
            files: std::array::from_fn(|i| RemoteFile {
                name: format!("{}-ubyte.gz", files[i]),
                sha256: sha256[i].into(),
            }),
            mirrors: mirrors.iter().map(|&url| url.into()).collect(),
        }
    }
}

/// One gzipped IDX file that mirrors offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteFile {
    /// Its name on the mirror and in the cache.
    pub name: String,
    /// SHA-256 of the gzipped file, 64 lowercase hexadecimal digits.
    pub sha256: String,
}

/// What [`DataSource`] has to know of a data set; [`KnownDataset::manifest`] has it for the known ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The name for people; in lower case, that of the folder in the cache.
    pub name: String,
    /// The environment variable that may name a folder with the files.
    pub env_var: String,
    /// The number of classes, which every label is below.
    pub classes: u8,
    /// Training images, training labels, test images, test labels.
    pub files: [RemoteFile; 4],
    /// Addresses of folders with the files, in the order in which they are tried.
    pub mirrors: Vec<String>,
}

/// A data set in memory.
#[derive(Clone, Debug)]
pub struct Splits {
    /// The images to train on.
    pub train: LabelledImages,
    /// The images to test on, of the same size.
    pub test: LabelledImages,
    /// Where they are from.
    pub origin: Origin,
}

/// Where a data set was found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// The folder given.
    Folder(PathBuf),
    /// The folder that an environment variable names.
    Environment {
        /// The variable.
        variable: String,
        /// Its value.
        folder: PathBuf,
    },
    /// The cache, where all files were.
    Cache(PathBuf),
    /// A mirror, at least in part; now all files are in the cache.
    Downloaded {
        /// The address of the last file that was downloaded.
        url: String,
        /// The folder in the cache.
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

/// Where to look for a data set.
///
/// The first of these that is there decides: the folder given, the folder that the data set's environment variable
/// names, the cache. A folder that was named but lacks a file is an error. What the cache lacks, or holds with a wrong
/// checksum, is downloaded into it; each file appears there whole and checked, or not at all.
///
/// | setting | default | meaning |
/// | --- | --- | --- |
/// | `folder` | none | a folder with the four files, gzipped or not |
/// | `cache` | `burn-descent` in the user's cache folder | holds one folder for each data set |
/// | `mirror` | those of the data set | address of a folder with the four gzipped files, `http` or `https` |
/// | `progress` | `false` | progress bars on standard error, where that is a terminal |
/// | `timeout` | 5 s | longest time to reach a mirror; three times as long for each answer |
///
/// ```no_run
/// use burn_descent::data::{DataSource, KnownDataset};
///
/// match DataSource::new().progress(true).load(KnownDataset::Mnist) {
///     Ok(mnist) => println!("{} images, {}", mnist.train.len(), mnist.origin),
///     Err(error) if error.is_offline() => println!("no network, so generated digits: {error}"),
///     Err(error) => return Err(error),
/// }
/// # Ok::<(), burn_descent::data::DataError>(())
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
    /// The environment variable, the user's cache, the known mirrors, no progress bars.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads from this folder and nowhere else. A file may be gzipped or not; `-idx3` may also be written `.idx3`.
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
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
    /// A named folder or one of its files is missing; a file is none of the data set's; no mirror handed out a file, of
    /// which [`DataError::is_offline`] tells whether there was a network; the cache cannot be written.
    pub fn load(&self, dataset: KnownDataset) -> Result<Splits, DataError> {
        self.load_manifest(&dataset.manifest(), |variable| std::env::var_os(variable))
    }

    /// Loads any data set of four IDX files; `environment` looks up a variable, of which an empty value counts as unset.
    ///
    /// # Errors
    /// As [`load`](Self::load).
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
        let agent = self.agent();
        let mut origin = Origin::Cache(folder.clone());
        let find = |file: &RemoteFile| {
            let path = folder.join(&file.name);
            if !fs::read(&path).is_ok_and(|bytes| sha256(&bytes) == file.sha256) {
                let (url, bytes) = self.download(&agent, manifest, file)?;
                write_whole(&path, &bytes)?;
                origin = Origin::Downloaded { url, folder: folder.clone() };
            }
            Ok(path)
        };
        let (train, test) = read_splits(manifest, find)?;
        splits(train, test, origin)
    }

    fn agent(&self) -> Agent {
        let (reach, answer) = (Some(self.timeout), Some(self.timeout * 3));
        Agent::config_builder()
            .user_agent(concat!("burn-descent/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .timeout_resolve(reach)
            .timeout_connect(reach)
            .timeout_recv_response(answer)
            .timeout_per_read(answer)
            .timeout_global(Some(MAX_DOWNLOAD_TIME))
            .build()
            .into()
    }

    /// The address that handed out the right file, and the file.
    fn download(&self, agent: &Agent, manifest: &Manifest, file: &RemoteFile) -> Result<(String, Vec<u8>), DataError> {
        let mirrors = self.mirror.as_ref().map_or(&manifest.mirrors[..], std::slice::from_ref);
        let mut attempts = Vec::new();
        for mirror in mirrors {
            let url = format!("{}/{}", mirror.trim_end_matches('/'), file.name);
            match self.get(agent, &url, file) {
                Ok(bytes) => return Ok((url, bytes)),
                Err(failure) => attempts.push(Attempt { url, failure }),
            }
        }
        Err(DataError::Download { file: file.name.clone(), attempts })
    }

    fn get(&self, agent: &Agent, url: &str, file: &RemoteFile) -> Result<Vec<u8>, Failure> {
        let body = agent.get(url).call().map_err(failure)?.into_body();
        let announced = body.content_length();
        if announced.is_some_and(|bytes| bytes > MAX_DOWNLOAD) {
            return Err(Failure::TooLarge { limit: MAX_DOWNLOAD });
        }
        let bar = self.bar(announced, &file.name);
        let mut bytes = Vec::new();
        let end = bar.wrap_read(body.into_reader()).take(MAX_DOWNLOAD + 1).read_to_end(&mut bytes);
        bar.finish_and_clear();

        let (found, expected) = (bytes.len() as u64, announced);
        match end {
            _ if found > MAX_DOWNLOAD => return Err(Failure::TooLarge { limit: MAX_DOWNLOAD }),
            Err(cause) if broke_off(cause.kind()) => return Err(Failure::Truncated { found, expected }),
            Err(cause) => return Err(failure(cause.into())),
            Ok(_) => {}
        }
        match sha256(&bytes) {
            found if found != file.sha256 => Err(Failure::Checksum { found, expected: file.sha256.clone() }),
            _ => Ok(bytes),
        }
    }

    fn bar(&self, announced: Option<u64>, name: &str) -> ProgressBar {
        if !self.progress || !io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let (bar, template) = match announced {
            Some(bytes) => (ProgressBar::new(bytes), "{msg} [{bar:30}] {bytes}/{total_bytes} {eta}"),
            None => (ProgressBar::no_length(), "{msg} {spinner} {bytes}"),
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.with_style(style).with_message(name.to_owned())
    }
}

fn read_folder(manifest: &Manifest, folder: &Path, origin: Origin) -> Result<Splits, DataError> {
    if !folder.is_dir() {
        let files = manifest.files.each_ref().map(|file| file.name.as_str()).join(", ");
        return Err(DataError::NoFolder { origin, files });
    }
    let (train, test) = read_splits(manifest, |file| {
        let names = spellings(&file.name);
        let path = names.iter().map(|name| folder.join(name)).find(|path| path.is_file());
        path.ok_or_else(|| DataError::NoFile { origin: origin.clone(), files: names.join(", ") })
    })?;
    splits(train, test, origin)
}

/// `train-images-idx3-ubyte.gz` as it is, unpacked, and both again as `train-images.idx3-ubyte`.
fn spellings(name: &str) -> [String; 4] {
    let raw = name.strip_suffix(".gz").unwrap_or(name);
    let dotted = raw.replace("-idx", ".idx");
    [format!("{raw}.gz"), raw.into(), format!("{dotted}.gz"), dotted]
}

fn read_splits(
    manifest: &Manifest,
    mut find: impl FnMut(&RemoteFile) -> Result<PathBuf, DataError>,
) -> Result<(LabelledImages, LabelledImages), DataError> {
    let [train_images, train_labels, test_images, test_labels] = &manifest.files;
    Ok((
        read_labelled(find(train_images)?, find(train_labels)?, manifest.classes)?,
        read_labelled(find(test_images)?, find(test_labels)?, manifest.classes)?,
    ))
}

fn splits(train: LabelledImages, test: LabelledImages, origin: Origin) -> Result<Splits, DataError> {
    let size = |set: &LabelledImages| (set.height(), set.width());
    if size(&train) != size(&test) {
        return Err(DataError::Sizes { origin, train: size(&train), test: size(&test) });
    }
    Ok(Splits { train, test, origin })
}

fn failure(error: ureq::Error) -> Failure {
    use ureq::Error::{ConnectProxyFailed, ConnectionFailed, HostNotFound, Io, StatusCode, Timeout};
    match error {
        StatusCode(status) => Failure::Status(status),
        Io(cause) if broke_off(cause.kind()) => Failure::Truncated { found: 0, expected: None },
        Io(cause) if cause.kind() == io::ErrorKind::InvalidData => Failure::Other(cause.to_string()),
        // An unknown host is among these: its error has a text but no kind of its own.
        Io(cause) => Failure::Unreachable(cause.to_string()),
        Timeout(_) | HostNotFound | ConnectionFailed | ConnectProxyFailed(_) => Failure::Unreachable(error.to_string()),
        _ => Failure::Other(error.to_string()),
    }
}

fn broke_off(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(kind, UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe)
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes a file by way of a temporary one beside it, so that it is never seen in part.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), DataError> {
    let write = || {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let mut builder = tempfile::Builder::new();
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut file = builder.tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(|cause| DataError::Write { path: path.into(), cause })
}
