//! Folders of pictures, one for each class.

use super::decode;
use super::error::{DataError, excerpt, names, some};
use super::idx::MAX_BYTES;
use super::images::LabelledImages;
use super::source::{Origin, Splits};
use super::split::SplitConfig;
use image::imageops::{self, FilterType};
use image::{ImageDecoder, metadata::Orientation};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The longest side that pictures are resized to, in pixels.
const MAX_SIZE: usize = 4096;

/// Configures how a folder of pictures is read.
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `size` | that of the pictures, if all agree | 1 to 4096 | height and width that pictures are resized to, in pixels |
/// | `channels` | those of the pictures, if all agree | 1, 3 | 1 makes pictures gray, 3 makes them red, green and blue |
/// | `bad_share` | 0.01 | `[0, 1]` | share of the files that may be no pictures, which are left out |
/// | `split` | a tenth each | see [`SplitConfig`] | what is held out where there are no folders for it |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ImageFolderConfig {
    /// Sets the height and width that pictures are resized to, in pixels.
    pub size: Option<[usize; 2]>,
    /// Sets the number of channels: 1 for gray, 3 for color.
    pub channels: Option<usize>,
    /// Limits the share of files that cannot be read as pictures.
    pub bad_share: f64,
    /// Selects what is held out for validation and testing where there are no folders `validation` and `test`.
    pub split: SplitConfig,
}

impl Default for ImageFolderConfig {
    fn default() -> Self {
        Self { size: None, channels: None, bad_share: 0.01, split: SplitConfig::default() }
    }
}

impl ImageFolderConfig {
    fn check(&self) -> Result<(), DataError> {
        let wrong = |field, value, expected| Err(DataError::Value { field, value, expected });
        if let Some([height, width]) = self.size.filter(|size| size.iter().any(|side| !(1..=MAX_SIZE).contains(side))) {
            return wrong("size", format!("{height} x {width}"), "1 to 4096 a side");
        }
        if let Some(channels) = self.channels.filter(|channels| ![1, 3].contains(channels)) {
            return wrong("channels", channels.to_string(), "1 or 3");
        }
        if !(0.0..=1.0).contains(&self.bad_share) {
            return wrong("bad_share", self.bad_share.to_string(), "0 to 1");
        }
        self.split.check()
    }
}

/// Reads a folder of PNG and JPEG pictures in which each class has a folder of its own, named as the class.
///
/// The classes are in the order of their names. Folders `train`, `validation` (or `val`) and `test` between `root` and
/// the classes are used where they are there; what is missing of the latter two is held out of the training pictures as
/// `config.split` says. Pictures may have any size, depth and color type, and are turned as their EXIF data say; what is
/// transparent becomes white; sizes other than the wanted one are scaled to it smoothly, whatever their proportions.
/// Hidden files are skipped. Files that are no pictures are left out, and the notices name them.
///
/// ```
/// use burn_descent_lab::data::{ImageFolderConfig, read_image_folder, write_rgb_png};
///
/// let root = tempfile::tempdir()?;
/// for (class, color) in [("blue", [0, 0, 255]), ("red", [255, 0, 0])] {
///     for i in 0..5 {
///         write_rgb_png(root.path().join(class).join(format!("{i}.png")), 4, 3, &color.repeat(4 * 3))?;
///     }
/// }
/// let splits = read_image_folder(root.path(), &ImageFolderConfig::default())?;
/// assert_eq!(splits.train.class_names()[..], ["blue", "red"]);
/// assert_eq!((splits.train.len(), splits.test.len()), (8, 1));
/// assert_eq!((splits.train.channels(), splits.train.height(), splits.train.width()), (3, 3, 4));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Returns an error that names the folder or the file where a folder cannot be read or has no pictures, where there is
/// one class only, or one without training pictures, where too many files are no pictures, where sizes or channels
/// differ and `config` does not say which to use, where `config` is out of range, where nothing is left to test or
/// validate on, and where the images would take more than 2 GiB.
pub fn read_image_folder(root: impl AsRef<Path>, config: &ImageFolderConfig) -> Result<Splits, DataError> {
    let root = root.as_ref();
    config.check()?;
    let Found { class_names, files, held_out, mut notices } = Found::list(root)?;
    let count = files.len();

    let headers: Vec<_> = files.par_iter().map(|file| Header::read(&file.path)).collect();
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for (file, header) in files.into_iter().zip(headers) {
        match header {
            Ok(header) => good.push((file, header)),
            Err(error) => bad.push(error),
        }
    }
    ensure_few(root, &bad, count, config)?;
    let shape = common_shape(root, &good, config)?;
    let files = good.into_iter().map(|(file, _)| file).collect();
    let [train, validation, test] = hold_out(root, files, held_out, class_names.len(), config)?.map(|files| {
        let (pixels, labels) = decode_part(&files, shape, &mut bad);
        LabelledImages::with_classes(shape, pixels, labels, class_names.clone())
    });
    ensure_few(root, &bad, count, config)?;
    let train = train.map_err(|_| DataError::NoPictures { path: root.into() })?;
    let seen: HashSet<u32> = train.labels().iter().copied().collect();
    if let Some(class) = (0..class_names.len()).find(|&class| !seen.contains(&(class as u32))) {
        return Err(DataError::NoTraining { path: root.into(), class: excerpt(&class_names[class]) });
    }
    if !bad.is_empty() {
        notices.push(format!("left out {} of {count} files, which are no pictures: {}", bad.len(), some(&bad)));
    }
    let nothing = |name| DataError::NoPictures { path: root.join(name) };
    let validation = match validation {
        Err(_) if held_out[0] => return Err(nothing("validation")),
        validation => validation.ok(),
    };
    let test = test.map_err(|_| nothing("test"))?;
    Ok(Splits { train, validation, test, origin: Origin::Folder(root.into()), notices })
}

/// A file that should be a picture.
struct File {
    path: PathBuf,
    label: u32,
    part: Part,
}

#[derive(Clone, Copy, PartialEq)]
enum Part {
    Training,
    Validation,
    Test,
}

/// The folders of the parts; two names mean validation.
const PARTS: [(&str, Part); 4] =
    [("train", Part::Training), ("validation", Part::Validation), ("val", Part::Validation), ("test", Part::Test)];

/// What is in a folder, before any file is opened.
struct Found {
    class_names: Arc<[String]>,
    files: Vec<File>,
    /// Whether there are folders for validation and for testing.
    held_out: [bool; 2],
    notices: Vec<String>,
}

impl Found {
    fn list(root: &Path) -> Result<Self, DataError> {
        let missing = |folder: PathBuf| {
            Err(DataError::NoFolder { origin: Origin::Folder(folder), files: "a folder for each class".into() })
        };
        if !root.is_dir() {
            return missing(root.into());
        }
        // A folder of this name that has no folders is a class.
        let mut parts = Vec::new();
        for (name, part) in PARTS {
            let folder = root.join(name);
            if folder.is_dir() && !list_folder(&folder)?.0.is_empty() {
                parts.push((folder, part));
            }
        }
        let has = |wanted| parts.iter().any(|&(_, part)| part == wanted);
        let held_out = [has(Part::Validation), has(Part::Test)];
        if parts.is_empty() {
            parts.push((root.into(), Part::Training));
        } else if !has(Part::Training) {
            return missing(root.join("train"));
        }

        let class_names: Vec<String> = list_folder(&parts[0].0)?.0.into_keys().collect();
        match &class_names[..] {
            [] => return Err(DataError::NoPictures { path: parts.remove(0).0 }),
            [class] => return Err(DataError::OneClass { path: parts.remove(0).0, class: excerpt(class) }),
            _ => {}
        }
        let (mut files, mut beside) = (Vec::new(), Vec::new());
        for (folder, part) in parts {
            let (classes, others) = list_folder(&folder)?;
            beside.extend(others.into_keys());
            for (class, folder) in classes {
                let Ok(label) = class_names.binary_search(&class) else {
                    return Err(DataError::UnseenClass { path: folder, known: names(&class_names) });
                };
                // A folder in the folder of a class is opened as well: it is none of a picture's, and counted as that.
                let (folders, pictures) = list_folder(&folder)?;
                let paths = folders.into_values().chain(pictures.into_values());
                files.extend(paths.map(|path| File { path, label: label as u32, part }));
            }
        }
        let mut notices = Vec::new();
        if !beside.is_empty() {
            notices.push(format!("left out what lies beside the folders of the classes: {}", some(&beside)));
        }
        Ok(Self { class_names: class_names.into(), files, held_out, notices })
    }
}

/// The folders and the files in a folder, by name; those that are hidden are skipped.
type Listing = BTreeMap<String, PathBuf>;

fn list_folder(folder: &Path) -> Result<(Listing, Listing), DataError> {
    let unreadable = |cause| DataError::Read { path: folder.into(), cause };
    let (mut folders, mut files) = (Listing::new(), Listing::new());
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let (name, path) = (entry.file_name().to_string_lossy().into_owned(), entry.path());
        if !name.starts_with('.') {
            let listing = if path.is_dir() { &mut folders } else { &mut files };
            listing.insert(name, path);
        }
    }
    Ok((folders, files))
}

/// What is known about a picture before it is decoded.
struct Header {
    /// Height and width, as the picture is to be seen.
    size: [u32; 2],
    color: bool,
}

impl Header {
    fn read(path: &Path) -> Result<Self, DataError> {
        use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
        let mut decoder = decode::open(path)?;
        let orientation = decoder.orientation().map_err(|error| decode::broken(path, error))?;
        let (width, height) = decoder.dimensions();
        let lies = matches!(orientation, Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH);
        let size = if lies { [width, height] } else { [height, width] };
        Ok(Self { size, color: decoder.color_type().has_color() })
    }
}

fn ensure_few(root: &Path, bad: &[DataError], files: usize, config: &ImageFolderConfig) -> Result<(), DataError> {
    if bad.len() as f64 <= config.bad_share * files as f64 {
        return Ok(());
    }
    let (root, bad, share, first) = (root.into(), bad.len(), config.bad_share, some(bad));
    Err(DataError::BadPictures { root, bad, files, share, first })
}

/// Channels, rows and columns of all images: those that `config` asks for, or else those that the pictures agree on.
fn common_shape(root: &Path, good: &[(File, Header)], config: &ImageFolderConfig) -> Result<[usize; 3], DataError> {
    let [height, width] = config.size.map_or_else(|| common_size(root, good), Ok)?;
    let channels = config.channels.map_or_else(|| common_channels(good), Ok)?;
    let shape = [channels, height, width];
    let bytes = shape.iter().try_fold(good.len() as u64, |bytes, &side| bytes.checked_mul(side as u64));
    if bytes.is_none_or(|bytes| bytes > MAX_BYTES) {
        let declared = format!("{} x {channels} x {height} x {width}", good.len());
        return Err(DataError::TooLarge { path: root.into(), declared, limit: MAX_BYTES });
    }
    Ok(shape)
}

fn common_size(root: &Path, good: &[(File, Header)]) -> Result<[usize; 2], DataError> {
    let mut counts = BTreeMap::new();
    for (_, header) in good {
        *counts.entry(header.size).or_insert(0_usize) += 1;
    }
    let root = root.to_path_buf();
    match counts.first_key_value() {
        None => Err(DataError::NoPictures { path: root }),
        Some((size, _)) if counts.len() == 1 => Ok(size.map(|side| side as usize)),
        Some(_) => {
            let sizes: Vec<_> = counts.iter().map(|([h, w], count)| format!("{count} of {h} x {w}")).collect();
            Err(DataError::DifferentSizes { root, sizes: some(&sizes) })
        }
    }
}

fn common_channels(good: &[(File, Header)]) -> Result<usize, DataError> {
    let first = |color: bool| good.iter().find(|(_, header)| header.color == color).map(|(file, _)| file.path.clone());
    match (first(false), first(true)) {
        (Some(gray), Some(color)) => Err(DataError::DifferentChannels { gray, color }),
        (_, color) => Ok(if color.is_some() { 3 } else { 1 }),
    }
}

/// The files of training, validation and testing. What has no folder of its own is held out of the training files.
fn hold_out(
    root: &Path,
    mut files: Vec<File>,
    held_out: [bool; 2],
    classes: usize,
    config: &ImageFolderConfig,
) -> Result<[Vec<File>; 3], DataError> {
    let share = |share: f64, has_folder: bool| if has_folder { 0.0 } else { share };
    let split = SplitConfig {
        validation: share(config.split.validation, held_out[0]),
        test: share(config.split.test, held_out[1]),
        ..config.split
    };
    let mut groups = vec![Vec::new(); classes];
    for (index, file) in files.iter().enumerate().filter(|(_, file)| file.part == Part::Training) {
        groups[file.label as usize].push(index);
    }
    let [_, validation, test] = split.divide(groups, root)?;
    for (indices, part) in [(validation, Part::Validation), (test, Part::Test)] {
        indices.into_iter().for_each(|index| files[index].part = part);
    }
    let mut parts = [Vec::new(), Vec::new(), Vec::new()];
    files.into_iter().for_each(|file| parts[file.part as usize].push(file));
    Ok(parts)
}

/// The pixels and labels of those files that can be decoded.
fn decode_part(files: &[File], shape: [usize; 3], bad: &mut Vec<DataError>) -> (Vec<u8>, Vec<u32>) {
    let size = shape.iter().product();
    let mut pixels = vec![0; files.len() * size];
    let images = pixels.par_chunks_exact_mut(size).zip(files);
    let results: Vec<_> = images.map(|(image, file)| decode_picture(&file.path, shape, image)).collect();

    let mut labels = Vec::new();
    for (index, (result, file)) in results.into_iter().zip(files).enumerate() {
        match result {
            Ok(()) => {
                pixels.copy_within(index * size..(index + 1) * size, labels.len() * size);
                labels.push(file.label);
            }
            Err(error) => bad.push(error),
        }
    }
    pixels.truncate(labels.len() * size);
    (pixels, labels)
}

/// One picture, in the given shape.
pub(super) fn picture(path: &Path, shape: [usize; 3]) -> Result<Vec<u8>, DataError> {
    let mut image = vec![0; shape.iter().product()];
    decode_picture(path, shape, &mut image).map(|()| image)
}

/// Writes a picture of any size and color type as planes of the wanted shape.
fn decode_picture(path: &Path, [channels, height, width]: [usize; 3], image: &mut [u8]) -> Result<(), DataError> {
    let picture = decode::decode(path)?;
    let (columns, rows) = (width as u32, height as u32);
    let pixels = match channels {
        1 => imageops::resize(&decode::gray(picture), columns, rows, FilterType::Triangle).into_raw(),
        _ => imageops::resize(&decode::color(picture), columns, rows, FilterType::Triangle).into_raw(),
    };
    for (pixel, values) in pixels.chunks_exact(channels).enumerate() {
        for (channel, &value) in values.iter().enumerate() {
            image[channel * height * width + pixel] = value;
        }
    }
    Ok(())
}
