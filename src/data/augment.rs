//! Random small changes to training images: rotation, shift, scale and noise, in one pass.

use std::{fmt, str::FromStr};

use rand::{Rng, RngExt};
use rand_distr::StandardNormal;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How much a training image is changed at random before the model sees it.
///
/// Each image is scaled, rotated about its centre and shifted by one bilinear warp; what comes in from outside is
/// black. Then noise is added and the result kept within 0..=1.
///
/// | field | default | purpose | range |
/// | --- | --- | --- | --- |
/// | `rotation` | 10 | largest rotation to either side, in degrees | [0, 180] |
/// | `shift` | 2 | largest shift to either side, along each axis, in pixels | [0, 1000] |
/// | `scale` | 0.1 | largest relative change of size | [0, 1) |
/// | `noise` | 0 | standard deviation of the added Gaussian noise; 1 is full intensity | [0, 1] |
///
/// Rotation, shifts and scale are uniform within their bounds and independent of each other.
///
/// An augmentation reads from and prints as text, for use as a flag; keys that are not named are 0:
///
/// ```
/// use burn_descent::data::Augmentation;
///
/// let augmentation: Augmentation = "rotation=15,noise=0.05".parse()?;
/// assert_eq!(augmentation, Augmentation { rotation: 15.0, noise: 0.05, ..Augmentation::NONE });
/// assert_eq!(augmentation.to_string(), "rotation=15,shift=0,scale=0,noise=0.05");
/// assert_eq!("default".parse(), Ok(Augmentation::default()));
/// # Ok::<(), burn_descent::data::AugmentationError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Augmentation {
    /// Largest rotation to either side, in degrees: in [0, 180].
    pub rotation: f64,
    /// Largest shift to either side, along each axis, in pixels: in [0, 1000].
    pub shift: f64,
    /// Largest relative change of size, 0.1 for 90 % to 110 %: in [0, 1).
    pub scale: f64,
    /// Standard deviation of the added Gaussian noise, as a fraction of full intensity: in [0, 1].
    pub noise: f64,
}

/// Why a text or a set of values is no augmentation.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum AugmentationError {
    /// A field lies outside its range.
    #[error("{field} should be in range {range}, but is {value}")]
    OutOfRange {
        /// Name of the field.
        field: &'static str,
        /// The value that it has.
        value: f64,
        /// The values that it may have.
        range: &'static str,
    },
    /// A part of the text is not of the form `key=number`.
    #[error("`{0}` should be `default` or KEY=NUMBER with a key out of {keys}", keys = KEYS.join(", "))]
    Syntax(String),
    /// A key does not exist.
    #[error("`{0}` is no key of an augmentation; the keys are {keys}", keys = KEYS.join(", "))]
    UnknownKey(String),
    /// A key occurs twice.
    #[error("`{0}` is given more than once")]
    RepeatedKey(&'static str),
}

/// The names of the fields, in order.
const KEYS: [&str; 4] = ["rotation", "shift", "scale", "noise"];

impl Default for Augmentation {
    /// Sensible values for handwritten digits: ±10 degrees, ±2 pixels, ±10 % in size, no noise.
    fn default() -> Self {
        Self { rotation: 10.0, shift: 2.0, scale: 0.1, noise: 0.0 }
    }
}

impl Augmentation {
    /// No change at all: pixels only become numbers in 0..=1.
    pub const NONE: Self = Self { rotation: 0.0, shift: 0.0, scale: 0.0, noise: 0.0 };

    /// The augmentation itself, if all fields lie in their ranges.
    ///
    /// # Errors
    /// [`AugmentationError::OutOfRange`] for the first field that does not.
    ///
    /// ```
    /// # use burn_descent::data::Augmentation;
    /// let error = Augmentation { rotation: -3.0, ..Augmentation::default() }.check().unwrap_err();
    /// assert_eq!(error.to_string(), "rotation should be in range [0, 180], but is -3");
    /// ```
    pub fn check(self) -> Result<Self, AugmentationError> {
        let checks = [
            ("[0, 180]", (0.0..=180.0).contains(&self.rotation)),
            ("[0, 1000]", (0.0..=1000.0).contains(&self.shift)),
            ("[0, 1)", (0.0..1.0).contains(&self.scale)),
            ("[0, 1]", (0.0..=1.0).contains(&self.noise)),
        ];
        for ((field, value), (range, holds)) in KEYS.into_iter().zip(self.values()).zip(checks) {
            if !holds {
                return Err(AugmentationError::OutOfRange { field, value, range });
            }
        }
        Ok(self)
    }

    /// Writes a randomly changed copy of a one-channel image to `out`, with 0 for black and 1 for white.
    ///
    /// `pixels` and `out` hold `height` rows of `width` values. The fields are taken as they are, so
    /// [`check`](Self::check) them first.
    ///
    /// # Panics
    /// If `pixels` or `out` is not `height * width` long.
    ///
    /// ```
    /// use burn_descent::data::Augmentation;
    /// use rand::{SeedableRng, rngs::ChaCha8Rng};
    ///
    /// let mut rng = ChaCha8Rng::seed_from_u64(1);
    /// let mut out = [0.0; 6];
    /// Augmentation::NONE.apply(&mut rng, 2, 3, &[0, 51, 102, 153, 204, 255], &mut out);
    /// assert_eq!(out, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
    /// ```
    pub fn apply<R: Rng + ?Sized>(&self, rng: &mut R, height: usize, width: usize, pixels: &[u8], out: &mut [f32]) {
        assert_eq!(pixels.len(), height * width, "pixels should hold height * width values");
        assert_eq!(out.len(), height * width, "out should hold height * width values");
        let mut within = |bound: f64| bound * (2.0 * rng.random::<f64>() - 1.0);
        let warp = Warp {
            angle: within(self.rotation).to_radians(),
            shift: [within(self.shift), within(self.shift)],
            scale: 1.0 + within(self.scale),
        };
        warp.draw(width, pixels, out);
        if self.noise > 0.0 {
            let deviation = self.noise as f32;
            for value in out {
                let noise: f32 = rng.sample(StandardNormal);
                *value = (*value + deviation * noise).clamp(0.0, 1.0);
            }
        }
    }

    /// The fields in the order of [`KEYS`].
    const fn values(self) -> [f64; 4] {
        [self.rotation, self.shift, self.scale, self.noise]
    }
}

/// `rotation=10,shift=2,scale=0.1,noise=0`: the form that [`FromStr`] reads.
impl fmt::Display for Augmentation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rotation, shift, scale, noise } = self;
        write!(f, "rotation={rotation},shift={shift},scale={scale},noise={noise}")
    }
}

/// Reads `default`, or `key=number` parts between commas; keys that are not named are 0.
impl FromStr for Augmentation {
    type Err = AugmentationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.trim() == "default" {
            return Ok(Self::default());
        }
        let mut values = [None; KEYS.len()];
        for part in text.split(',').map(str::trim) {
            let syntax = || AugmentationError::Syntax(part.to_owned());
            let (key, number) = part.split_once('=').ok_or_else(syntax)?;
            let key = key.trim();
            let index = KEYS.iter().position(|&known| known == key);
            let index = index.ok_or_else(|| AugmentationError::UnknownKey(key.to_owned()))?;
            let number = number.trim().parse().map_err(|_| syntax())?;
            if values[index].replace(number).is_some() {
                return Err(AugmentationError::RepeatedKey(KEYS[index]));
            }
        }
        let [rotation, shift, scale, noise] = values.map(Option::unwrap_or_default);
        Self { rotation, shift, scale, noise }.check()
    }
}

/// A similarity about the centre of an image, followed by a shift.
struct Warp {
    /// Clockwise rotation as one sees it, in radians.
    angle: f64,
    /// Shift to the right and downwards, in pixels.
    shift: [f64; 2],
    /// Factor of size.
    scale: f64,
}

impl Warp {
    /// Looks up for each pixel of `out` where it comes from, and mixes the four pixels around that place.
    fn draw(&self, width: usize, pixels: &[u8], out: &mut [f32]) {
        if pixels.is_empty() {
            return;
        }
        let height = pixels.len() / width;
        let padded = pad(width, pixels);
        let (sin, cos) = self.angle.sin_cos();
        let [sin, cos] = [sin, cos].map(|c| c / self.scale);
        let [cx, cy] = [width, height].map(|side| (side as f64 + 1.0) / 2.0); // of the padded image
        let [far_x, far_y] = [width, height].map(|side| fixed(side as f64 + 1.0));
        let (step_x, step_y) = (fixed(cos), fixed(-sin));
        for (row, line) in out.chunks_exact_mut(width).enumerate() {
            let (dx, dy) = (1.0 - cx - self.shift[0], (row + 1) as f64 - cy - self.shift[1]);
            let mut x = fixed(cx + cos * dx + sin * dy);
            let mut y = fixed(cy + cos * dy - sin * dx);
            for value in line {
                let (i, j) = (y.clamp(0, far_y), x.clamp(0, far_x));
                let [u, v] = [j, i].map(|c| (c % ONE) as f32 / ONE as f32);
                let corner = (i / ONE) as usize * (width + PAD) + (j / ONE) as usize;
                let near = &padded[corner..][..width + PAD + 2];
                let mix = |k: usize| near[k] * (1.0 - u) + near[k + 1] * u;
                *value = mix(0) * (1.0 - v) + mix(width + PAD) * v;
                x += step_x;
                y += step_y;
            }
        }
    }
}

/// One pixel in fixed point: with 16 bits behind the point, whole pixels are exact.
const ONE: i64 = 1 << 16;

/// A number of pixels in fixed point; far off is far off, however far.
fn fixed(pixels: f64) -> i64 {
    (pixels.clamp(-1e9, 1e9) * ONE as f64).round() as i64
}

/// Black columns, and rows, that [`pad`] adds: one in front and two behind.
const PAD: usize = 3;

/// The image as numbers in 0..=1 in a black frame, so that a place just outside of it has four neighbours, too.
fn pad(width: usize, pixels: &[u8]) -> Vec<f32> {
    let height = pixels.len() / width;
    let mut padded = vec![0.0; (width + PAD) * (height + PAD)];
    for (line, pixels) in padded.chunks_exact_mut(width + PAD).skip(1).zip(pixels.chunks_exact(width)) {
        for (value, &pixel) in line[1..].iter_mut().zip(pixels) {
            *value = f32::from(pixel) / 255.0;
        }
    }
    padded
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{SeedableRng, rngs::ChaCha8Rng};

    const STILL: Warp = Warp { angle: 0.0, shift: [0.0; 2], scale: 1.0 };

    /// A picture with a different value in each pixel.
    fn picture(height: usize, width: usize) -> Vec<u8> {
        (0..height * width).map(|i| (37 * i + 11) as u8).collect()
    }

    fn gray(pixel: u8) -> f32 {
        f32::from(pixel) / 255.0
    }

    fn drawn(warp: &Warp, width: usize, pixels: &[u8]) -> Vec<f32> {
        let mut out = vec![f32::NAN; pixels.len()];
        warp.draw(width, pixels, &mut out);
        out
    }

    fn applied(augmentation: &Augmentation, seed: u64, pixels: &[u8]) -> Vec<f32> {
        let side = pixels.len().isqrt();
        let mut out = vec![f32::NAN; pixels.len()];
        augmentation.apply(&mut ChaCha8Rng::seed_from_u64(seed), side, side, pixels, &mut out);
        out
    }

    #[test]
    fn none_is_the_identity() {
        for (height, width) in [(28, 28), (3, 8), (7, 1), (1, 1)] {
            let pixels = picture(height, width);
            let mut out = vec![f32::NAN; pixels.len()];
            let mut rng = ChaCha8Rng::seed_from_u64(0);
            Augmentation::NONE.apply(&mut rng, height, width, &pixels, &mut out);
            assert_eq!(out, pixels.iter().copied().map(gray).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_shift_by_whole_pixels_is_exact() {
        let (height, width) = (6, 9);
        let pixels = picture(height, width);
        for (right, down) in [(2, 1), (-3, 0), (0, -2), (-1, 4), (20, 0), (0, -20)] {
            let out = drawn(&Warp { shift: [right as f64, down as f64], ..STILL }, width, &pixels);
            for row in 0..height as i32 {
                for column in 0..width as i32 {
                    let (i, j) = (row - down, column - right);
                    let inside = (0..height as i32).contains(&i) && (0..width as i32).contains(&j);
                    let expected = if inside { gray(pixels[i as usize * width + j as usize]) } else { 0.0 };
                    assert_eq!(out[row as usize * width + column as usize], expected, "{right} {down}");
                }
            }
        }
    }

    #[test]
    fn half_a_pixel_mixes_neighbours_evenly() {
        let out = drawn(&Warp { shift: [0.5, 0.0], ..STILL }, 4, &[0, 100, 200, 50]);
        let expected = [0.0, 50.0, 150.0, 125.0].map(|value: f32| value / 255.0);
        assert!(out.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{out:?}");
    }

    #[test]
    fn right_angles_are_exact() {
        let side = 5;
        let pixels = picture(side, side);
        let out = drawn(&Warp { angle: 90_f64.to_radians(), ..STILL }, side, &pixels);
        for row in 0..side {
            for column in 0..side {
                assert_eq!(out[row * side + column], gray(pixels[(side - 1 - column) * side + row]));
            }
        }
        let pixels = picture(4, 7);
        let out = drawn(&Warp { angle: 180_f64.to_radians(), ..STILL }, 7, &pixels);
        assert_eq!(out, pixels.iter().rev().copied().map(gray).collect::<Vec<_>>());
    }

    #[test]
    fn scale_changes_the_area_about_the_centre() {
        let side = 41_usize;
        let square = |i: usize| i.abs_diff(20) <= 5; // 11x11 in the middle
        let pixels: Vec<u8> = (0..side * side).map(|i| 255 * u8::from(square(i / side) && square(i % side))).collect();
        for scale in [0.7, 0.9, 1.1, 2.0] {
            let out = drawn(&Warp { scale, ..STILL }, side, &pixels);
            let area: f32 = out.iter().sum();
            let expected = (11.0 * scale as f32).powi(2);
            assert!((area / expected - 1.0).abs() < 0.1, "scale {scale}: {area} instead of {expected}");
            let mirrored: Vec<f32> = out.iter().rev().copied().collect();
            assert!(out.iter().zip(mirrored).all(|(a, b)| (a - b).abs() < 1e-3), "scale {scale}");
        }
    }

    #[test]
    fn noise_has_its_deviation_and_stays_in_range() {
        let pixels = vec![128; 200 * 200];
        let out = applied(&Augmentation { noise: 0.1, ..Augmentation::NONE }, 5, &pixels);
        let n = out.len() as f64;
        let mean = out.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
        let variance = out.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n;
        assert!((mean - 128.0 / 255.0).abs() < 0.003, "{mean}");
        assert!((variance.sqrt() - 0.1).abs() < 0.003, "{variance}");
        let out = applied(&Augmentation { noise: 1.0, ..Augmentation::NONE }, 5, &pixels);
        assert!(out.iter().all(|value| (0.0..=1.0).contains(value)));
    }

    #[test]
    fn randomness_comes_from_the_generator_alone() {
        let pixels = picture(28, 28);
        let augmentation = Augmentation { noise: 0.05, ..Augmentation::default() };
        assert_eq!(applied(&augmentation, 1, &pixels), applied(&augmentation, 1, &pixels));
        assert_ne!(applied(&augmentation, 1, &pixels), applied(&augmentation, 2, &pixels));
    }

    #[test]
    fn values_out_of_range_are_refused() {
        let none = Augmentation::NONE;
        let cases = [
            (Augmentation { rotation: -3.0, ..none }, "rotation should be in range [0, 180], but is -3"),
            (Augmentation { rotation: 180.5, ..none }, "rotation should be in range [0, 180], but is 180.5"),
            (Augmentation { shift: f64::INFINITY, ..none }, "shift should be in range [0, 1000], but is inf"),
            (Augmentation { scale: 1.0, ..none }, "scale should be in range [0, 1), but is 1"),
            (Augmentation { noise: f64::NAN, ..none }, "noise should be in range [0, 1], but is NaN"),
        ];
        for (augmentation, message) in cases {
            assert_eq!(augmentation.check().unwrap_err().to_string(), message);
        }
        assert_eq!(none.check(), Ok(none));
        assert!(Augmentation::default().check().is_ok());
    }

    #[test]
    fn unchecked_values_do_not_panic() {
        let pixels = picture(5, 5);
        for value in [f64::NAN, f64::INFINITY, -1.0, 1.0 - 1e-16, 1e300] {
            let wild = Augmentation { rotation: value, shift: value, scale: value, noise: value };
            assert_eq!(applied(&wild, 3, &pixels).len(), 25);
        }
        assert!(applied(&Augmentation::default(), 3, &[]).is_empty());
    }

    #[test]
    fn text_round_trips() {
        for text in ["rotation=10,shift=2,scale=0.1,noise=0.05", "rotation=0,shift=0,scale=0,noise=0"] {
            assert_eq!(text.parse::<Augmentation>().unwrap().to_string(), text);
        }
        assert_eq!(
            " shift = 3 , scale = 0.2 ".parse(),
            Ok(Augmentation { shift: 3.0, scale: 0.2, ..Augmentation::NONE })
        );
        assert_eq!("default".parse(), Ok(Augmentation::default()));
    }

    #[test]
    fn wrong_text_is_refused() {
        let form = "should be `default` or KEY=NUMBER with a key out of rotation, shift, scale, noise";
        let cases = [
            ("", format!("`` {form}")),
            ("shift", format!("`shift` {form}")),
            ("shift=2,", format!("`` {form}")),
            ("shift=two", format!("`shift=two` {form}")),
            ("zoom=2", "`zoom` is no key of an augmentation; the keys are rotation, shift, scale, noise".to_owned()),
            ("shift=1,shift=2", "`shift` is given more than once".to_owned()),
            ("scale=1.5", "scale should be in range [0, 1), but is 1.5".to_owned()),
        ];
        for (text, message) in cases {
            assert_eq!(text.parse::<Augmentation>().unwrap_err().to_string(), message, "{text:?}");
        }
    }

    #[test]
    fn json_round_trips() {
        let augmentation = Augmentation::default();
        let json = serde_json::to_string(&augmentation).unwrap();
        assert_eq!(json, r#"{"rotation":10.0,"shift":2.0,"scale":0.1,"noise":0.0}"#);
        assert_eq!(serde_json::from_str::<Augmentation>(&json).unwrap(), augmentation);
    }
}
