//! Pictures of digits: read as MNIST would have them, written as gray PNG.

use std::path::Path;

use image::{
    ExtendedColorType, GrayImage, ImageEncoder,
    codecs::png::PngEncoder,
    imageops::{self, FilterType},
};

use super::{
    decode::{broken, decode, gray},
    error::DataError,
    file::write_atomic,
};

/// Side of an MNIST image, in pixels.
const SIDE: u32 = 28;
/// Longer side of the digit in it.
const BOX: u32 = 20;
/// Fewer gray levels between ink and paper make a picture blank.
const LEAST_CONTRAST: u8 = 32;

/// Reads a picture of one digit, drawn or photographed, as 28 x 28 gray levels such as MNIST has: ink bright on black.
///
/// The picture may have any size and color type. What is transparent becomes white; colors become gray; a light ground,
/// judged by the median of the border, is turned black. What is fainter than a tenth of the strongest ink counts as
/// paper. The box around the ink is scaled to 20 pixels on its longer side, smoothly and keeping its proportions, and
/// put with its centre of mass within half a pixel of row 14 and column 14, counted from 0, as every digit of MNIST has
/// it, unless ink would fall outside.
///
/// ```
/// use burn_descent_lab::data::{read_digit, write_gray_png};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("one.png");
/// let stroke: Vec<u8> = (0..60 * 40).map(|i| if (18..22).contains(&(i % 40)) { 0 } else { 255 }).collect();
/// write_gray_png(&path, 40, 60, &stroke)?;
/// let digit = read_digit(&path)?;
/// assert_eq!((digit.len(), digit[14 * 28 + 14], digit[14 * 28 + 4]), (28 * 28, 255, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Returns an error that names the file where it cannot be read, is no PNG or JPEG or a broken one, has more than 16,384 pixels
/// a side or 256 MiB unpacked, or is blank, which is less than 32 gray levels between ink and paper.
pub fn read_digit(path: impl AsRef<Path>) -> Result<Vec<u8>, DataError> {
    let path = path.as_ref();
    let mut gray = gray(decode(path)?);
    remove_paper(&mut gray);
    let contrast = peak(&gray);
    let blank = |contrast| DataError::Blank { path: path.into(), contrast, least: LEAST_CONTRAST };
    if contrast < LEAST_CONTRAST {
        return Err(blank(contrast));
    }
    gray.iter_mut().filter(|v| **v <= contrast / 10).for_each(|v| *v = 0);
    let digit = scale_ink(&gray).ok_or_else(|| blank(0))?;
    Ok(centre(&digit).into_raw())
}

/// Reads a PNG or JPEG picture of any size as an image of `[channels, height, width]`, channel after channel: gray for 1
/// channel, red, green and blue for 3. It is turned as its EXIF data say, laid on white where it is transparent, and
/// scaled smoothly, as [`read_image_folder`](super::read_image_folder) does.
///
/// # Errors
/// Returns an error that names the file where it cannot be read, is no such picture or a broken one, or is too large.
pub fn read_picture(path: impl AsRef<Path>, shape: [usize; 3]) -> Result<Vec<u8>, DataError> {
    super::image_folder::picture(path.as_ref(), shape)
}

/// Writes gray levels, row after row, as a PNG picture, by way of a temporary file beside it.
///
/// `width` and `height` are in pixels, at least 1; `pixels` are 0 (black) to 255 (white). See [`read_digit`] for an
/// example.
///
/// # Errors
/// Returns [`DataError::Shape`] unless there are `width * height` pixels, and [`DataError::Write`], which names the
/// file, where it cannot be written.
pub fn write_gray_png(path: impl AsRef<Path>, width: usize, height: usize, pixels: &[u8]) -> Result<(), DataError> {
    write_png(path.as_ref(), [width, height], pixels, ExtendedColorType::L8)
}

/// Writes colours as [`write_gray_png`] does gray levels: for each pixel red, green and blue, 0 to 255.
///
/// # Errors
/// Returns [`DataError::Shape`], which counts pixels, unless there are `3 * width * height` values, and
/// [`DataError::Write`], which names the file, where it cannot be written.
pub fn write_rgb_png(path: impl AsRef<Path>, width: usize, height: usize, pixels: &[u8]) -> Result<(), DataError> {
    write_png(path.as_ref(), [width, height], pixels, ExtendedColorType::Rgb8)
}

fn write_png(
    path: &Path,
    [width, height]: [usize; 2],
    values: &[u8],
    color: ExtendedColorType,
) -> Result<(), DataError> {
    let channels = usize::from(color.channel_count());
    let shape = || DataError::Shape { pixels: values.len() / channels, count: 1, shape: vec![height, width] };
    let expected = width.checked_mul(height).and_then(|area| area.checked_mul(channels));
    let whole = expected.filter(|&expected| expected > 0 && expected == values.len());
    let (Some(_), Ok(columns), Ok(rows)) = (whole, u32::try_from(width), u32::try_from(height)) else {
        return Err(shape());
    };
    let mut png = Vec::new();
    let encoded = PngEncoder::new(&mut png).write_image(values, columns, rows, color);
    encoded.map_err(|error| broken(path, error))?;
    write_atomic(path, &png)
}

/// Makes the paper 0 and the ink what is above, whichever of them was the lighter: on whichever side of the paper the
/// picture goes farther.
fn remove_paper(gray: &mut GrayImage) {
    let (width, height) = gray.dimensions();
    let rows = (0..height).flat_map(|y| [(0, y), (width - 1, y)]);
    let columns = (0..width).flat_map(|x| [(x, 0), (x, height - 1)]);
    let mut border: Vec<u8> = rows.chain(columns).map(|at| gray[at].0[0]).collect();
    let middle = border.len() / 2;
    let paper = *border.select_nth_unstable(middle).1;
    let darkest = gray.iter().copied().min().unwrap_or(paper);
    let ink_is_darker = paper - darkest > peak(gray) - paper;
    for v in gray.iter_mut() {
        *v = if ink_is_darker { paper.saturating_sub(*v) } else { v.saturating_sub(paper) };
    }
}

fn peak(gray: &GrayImage) -> u8 {
    gray.iter().copied().max().unwrap_or(0)
}

/// The box around the ink, its longer side scaled to 20 pixels and its strongest ink to 255; none where ink vanishes.
fn scale_ink(gray: &GrayImage) -> Option<GrayImage> {
    let ink = || gray.enumerate_pixels().filter(|(_, _, pixel)| pixel.0[0] > 0);
    let (left, right) = (ink().map(|p| p.0).min()?, ink().map(|p| p.0).max()?);
    let (top, bottom) = (ink().map(|p| p.1).min()?, ink().map(|p| p.1).max()?);
    let (width, height) = (right - left + 1, bottom - top + 1);
    let ink = imageops::crop_imm(gray, left, top, width, height).to_image();

    let longer = f64::from(width.max(height));
    let scaled = |side: u32| (f64::from(side * BOX) / longer).round().max(1.0) as u32;
    let mut digit = imageops::resize(&ink, scaled(width), scaled(height), FilterType::Triangle);
    let peak = Some(u32::from(peak(&digit))).filter(|&peak| peak > 0)?;
    digit.iter_mut().for_each(|v| *v = (u32::from(*v) * 255 / peak) as u8);
    Some(digit)
}

/// The digit on 28 x 28 black pixels, its centre of mass as near to (14, 14) as it stays inside.
fn centre(digit: &GrayImage) -> GrayImage {
    let mass: f64 = digit.iter().map(|&v| f64::from(v)).sum();
    let moment = |position: fn(u32, u32) -> u32| -> f64 {
        digit.enumerate_pixels().map(|(x, y, v)| f64::from(position(x, y)) * f64::from(v.0[0])).sum()
    };
    // Rounds a half down: a symmetric digit of 20 pixels has margins of 4 and 4.
    let start = |moment: f64, side: u32| {
        (f64::from(SIDE) / 2.0 - moment / mass - 0.5).ceil().clamp(0.0, f64::from(SIDE - side)) as i64
    };
    let left = start(moment(|x, _| x), digit.width());
    let top = start(moment(|_, y| y), digit.height());
    let mut canvas = GrayImage::new(SIDE, SIDE);
    imageops::replace(&mut canvas, digit, left, top);
    canvas
}
