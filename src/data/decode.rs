//! Pictures in memory, decoded within limits.

use super::error::{DataError, excerpt};
use image::{DynamicImage, GrayImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, Luma, Rgb, RgbImage};
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::Path;

/// What pictures are read from.
const FORMATS: [ImageFormat; 2] = [ImageFormat::Png, ImageFormat::Jpeg];
const NAMES: &str = "PNG or JPEG";
/// The longest side of a picture, in pixels.
pub(super) const MAX_SIDE: u32 = 16_384;
/// The most memory of a picture.
const MAX_BYTES: u64 = 256 << 20;
/// The largest file of a picture.
const MAX_FILE: u64 = 64 << 20;

/// Begins to read a PNG or JPEG picture, whatever its name: its size, color type and orientation are known.
pub(super) fn open(path: &Path) -> Result<impl ImageDecoder, DataError> {
    let unreadable = |cause| DataError::Read { path: path.into(), cause };
    let file = fs::metadata(path).map_err(unreadable)?;
    // A pipe would be waited for.
    if !file.is_file() {
        return Err(unreadable(io::Error::other("it is no file")));
    }
    if file.len() > MAX_FILE {
        return Err(DataError::FileSize { path: path.into(), bytes: file.len(), limit: MAX_FILE });
    }
    let file = BufReader::new(File::open(path).map_err(unreadable)?);
    let mut reader = ImageReader::new(file).with_guessed_format().map_err(unreadable)?;
    let no_picture = |reason: &str| DataError::Picture { path: path.into(), expected: NAMES, reason: reason.into() };
    if !reader.format().is_some_and(|format| FORMATS.contains(&format)) {
        return Err(no_picture("it does not begin as one"));
    }
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_BYTES);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(|error| broken(path, error))?;
    let (width, height) = decoder.dimensions();
    if width.min(height) == 0 {
        return Err(no_picture("it has no pixels"));
    }
    if width.max(height) > MAX_SIDE || decoder.total_bytes() > MAX_BYTES {
        return Err(DataError::PictureSize { path: path.into(), width, height, side: MAX_SIDE, bytes: MAX_BYTES });
    }
    Ok(decoder)
}

/// Reads a picture whole, and turns it as its metadata say.
pub(super) fn decode(path: &Path) -> Result<DynamicImage, DataError> {
    let mut decoder = open(path)?;
    let orientation = decoder.orientation();
    let mut picture = DynamicImage::from_decoder(decoder).map_err(|error| broken(path, error))?;
    picture.apply_orientation(orientation.map_err(|error| broken(path, error))?);
    Ok(picture)
}

/// What a decoder or an encoder says.
pub(super) fn broken(path: &Path, error: ImageError) -> DataError {
    match error {
        ImageError::IoError(cause) => DataError::Read { path: path.into(), cause },
        error => {
            let reason = excerpt(&error.to_string());
            DataError::Picture { path: path.into(), expected: NAMES, reason }
        }
    }
}

/// The picture on white paper, in gray.
pub(super) fn gray(picture: DynamicImage) -> GrayImage {
    let picture = picture.into_luma_alpha8();
    GrayImage::from_fn(picture.width(), picture.height(), |x, y| {
        let [luma, alpha] = picture[(x, y)].0;
        Luma([on_white(luma, alpha)])
    })
}

/// The picture on white paper, in color.
pub(super) fn color(picture: DynamicImage) -> RgbImage {
    let picture = picture.into_rgba8();
    RgbImage::from_fn(picture.width(), picture.height(), |x, y| {
        let [red, green, blue, alpha] = picture[(x, y)].0;
        Rgb([red, green, blue].map(|value| on_white(value, alpha)))
    })
}

fn on_white(value: u8, alpha: u8) -> u8 {
    let [value, alpha] = [value, alpha].map(u32::from);
    ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}
