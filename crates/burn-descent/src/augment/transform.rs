use crate::error::{ConfigError, ValueRange};
use serde::{Deserialize, Serialize};

/// The greatest magnitude of a policy: there are 31, as in torchvision.
pub(super) const MOST_MAGNITUDE: usize = 30;

/// Describes a distortion and its strength, which bounds what is drawn for each image: uniform to either side, unless
/// stated.
///
/// In a configuration file: `"flip"`, `{"rotation": 10.0}`, `{"elastic": {"deviation": 1.0, "smoothness": 4.0}}`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Transform {
    /// Mirrors the image: left becomes right.
    Flip,
    /// Mirrors the image: top becomes bottom.
    VerticalFlip,
    /// Cuts a piece out of the image at a random place, uniform in whole pixels; the middle where chance spares an
    /// image.
    Crop {
        /// Sets how many black pixels are put around the image before it is cropped: 0 to 1000.
        padding: usize,
        /// Sets the height and width of the piece, at most those of the image with its padding; the image's own if
        /// absent.
        size: Option<[usize; 2]>,
    },
    /// Cuts a piece out of the image and scales it to a size (Szegedy et al. 2015). Its share of the area is uniform,
    /// its proportions are log-uniform between 3:4 and 4:3 of the image's as far as it fits, and its place is uniform.
    ResizedCrop {
        /// Sets the least share of the area, in (0, 1].
        area: f64,
        /// Sets the height and width of the result, 1 to 16384; the image's own if absent.
        size: Option<[usize; 2]>,
    },
    /// Rotates the image about its centre by up to this many degrees, which are in [0, 180].
    Rotation(f64),
    /// Shifts the image along each axis by up to this many pixels, which are in [0, 1000].
    Shift(f64),
    /// Changes the image's size by up to this share, which is in [0, 1): 0.1 for 90 % to 110 %.
    Scale(f64),
    /// Slants the image: its top moves against its bottom by up to this share of the height, which is in [0, 1].
    Shear(f64),
    /// Distorts the image radially as a lens does, in both directions: what is seen at the distance r from the centre,
    /// 1 in the corners, lies at r·(1 + k·r²) in the original, and farther out at r·(1 + k). k is in [0, 1/3], beyond
    /// which an image would fold over.
    Lens(f64),
    /// Moves each pixel as on rubber (elastic distortion, Simard et al. 2003), by a normal displacement along each axis
    /// that varies smoothly over the image. It comes after all other changes of shape, wherever it stands.
    Elastic {
        /// Sets the standard deviation of a displacement, in pixels, in [0, 1000].
        deviation: f64,
        /// Sets the standard deviation of the Gaussian by which displacements are smoothed, in pixels, at least 1.
        smoothness: f64,
    },
    /// Multiplies all values by a factor from 1 − b to 1 + b, where this is b, in [0, 1].
    Brightness(f64),
    /// Multiplies the distances of all values from the image's mean by a factor from 1 − b to 1 + b, where this is b,
    /// in [0, 1].
    Contrast(f64),
    /// Adds Gaussian noise of this standard deviation, which is in [0, 1], independent for all values.
    Noise(f64),
    /// Mixes the image with a smoother one, in which a pixel counts as much as five of its eight neighbours: f of the
    /// image and 1 − f of the other, for a factor f from 1 − b to 1 + b, where this is b, in [0, 1].
    Sharpness(f64),
    /// Keeps this many bits, which are 1 to 8, of each value's byte.
    Posterize(usize),
    /// Inverts all values that are at least this threshold, which is in [0, 1].
    Solarize(f64),
    /// Stretches the values of each channel to the whole range from black to full intensity.
    Autocontrast,
    /// Spreads the values of each channel evenly over 256 levels, as Pillow's `ImageOps.equalize` does: a channel of
    /// fewer than 256 pixels stays as it is.
    Equalize,
    /// Changes brightness, contrast, saturation and hue in a random order, as torchvision's `ColorJitter`. The first
    /// three are multiplied by factors that are uniform from max(0, 1 − s) to 1 + s. Contrast is about the mean luma,
    /// 0.2989·R + 0.587·G + 0.114·B, and saturation about the pixel's. What has three channels is red, green and blue;
    /// of all other images only brightness and contrast change, the latter about the mean value.
    ColorJitter {
        /// Sets the strength of the factor of brightness, in [0, 1000].
        brightness: f64,
        /// Sets the strength of the factor of contrast, in [0, 1000].
        contrast: f64,
        /// Sets the strength of the factor of saturation, in [0, 1000].
        saturation: f64,
        /// Sets the most that hues turn, to either side, in [0, 0.5]: the share of a full turn, which is from red over
        /// green and blue to red.
        hue: f64,
    },
    /// Makes a few changes of one magnitude, each drawn from fourteen (RandAugment, Cubuk et al. 2020): no change,
    /// shear and translation along either axis, rotation, brightness, saturation, contrast, sharpness, posterize,
    /// solarize, autocontrast and equalize. Directions are drawn too.
    ///
    /// | change | magnitude 0 | magnitude 30 | `TrivialAugment` at 30 |
    /// | --- | --- | --- | --- |
    /// | shear, from the top or left edge | 0 | 0.3 | 0.99 |
    /// | translation, by whole pixels | 0 | 150/331 of the side | 32 |
    /// | rotation | 0° | 30° | 135° |
    /// | brightness, saturation, contrast, sharpness | factor 1 | 1 ± 0.9 | 1 ± 0.99 |
    /// | posterize | 8 bits | 4 bits | 2 bits |
    /// | solarize, from a threshold on | 1 | 0 | 0 |
    ///
    /// These are torchvision's numbers, and its formulas; the paper's code has others, and no common scale. Unlike there
    /// all changes of shape come first, by the one interpolation of the pipeline, which is bilinear.
    #[serde(rename = "randaugment")]
    RandAugment {
        /// Sets how many changes are made one after the other, 1 to 100: 2 in torchvision.
        operations: usize,
        /// Sets their magnitude, 0 to 30: 9 in torchvision.
        magnitude: usize,
    },
    /// Makes one change of those of [`RandAugment`](Self::RandAugment), in wider ranges and with a magnitude drawn from
    /// all 31 (TrivialAugment, wide, Müller & Hutter 2021).
    #[serde(rename = "trivialaugment")]
    TrivialAugment,
    /// Makes a rectangle black (random erasing, Zhong et al. 2020). Its share of the area is uniform up to this, which
    /// is in [0, 1], its proportions are log-uniform between 1:3 and 3:1 of the image's as far as it fits (the paper's
    /// are the rectangle's own), and its place is uniform.
    Erase(f64),
    /// Mixes each image with another of the batch, `λ·x + (1 − λ)·x′`, and their targets alike (Zhang et al. 2018). λ
    /// is drawn from Beta(α, α); α is in [0, 1000], and 0 mixes nothing. Partners are a permutation of the batch, so
    /// that now and then an image is its own: in a batch of one, always.
    Mixup(f64),
    /// Replaces a rectangle of the image by that of another image of the batch, and gives the target a share of both by
    /// area (Yun et al. 2019). The rectangle has the share 1 − λ before it is cut off at the borders; λ and partners
    /// are as in `Mixup`.
    Cutmix(f64),
}

impl Transform {
    /// Returns the name by which text and errors know the distortion.
    pub fn name(self) -> &'static str {
        match self {
            Self::Flip => "flip",
            Self::VerticalFlip => "vertical-flip",
            Self::Crop { .. } => "crop",
            Self::ResizedCrop { .. } => "resized-crop",
            Self::Rotation(_) => "rotation",
            Self::Shift(_) => "shift",
            Self::Scale(_) => "scale",
            Self::Shear(_) => "shear",
            Self::Lens(_) => "lens",
            Self::Elastic { .. } => "elastic",
            Self::Brightness(_) => "brightness",
            Self::Contrast(_) => "contrast",
            Self::Noise(_) => "noise",
            Self::Sharpness(_) => "sharpness",
            Self::Posterize(_) => "posterize",
            Self::Solarize(_) => "solarize",
            Self::Autocontrast => "autocontrast",
            Self::Equalize => "equalize",
            Self::ColorJitter { .. } => "color-jitter",
            Self::RandAugment { .. } => "randaugment",
            Self::TrivialAugment => "trivialaugment",
            Self::Erase(_) => "erase",
            Self::Mixup(_) => "mixup",
            Self::Cutmix(_) => "cutmix",
        }
    }

    /// Returns the probability of the distortion unless another is asked for: ½ for `Erase` and for what does the same
    /// each time (flips, `Posterize`, `Solarize`, `Autocontrast`, `Equalize`), 1 for all others.
    pub fn usual_probability(self) -> f64 {
        match self {
            Self::Flip | Self::VerticalFlip | Self::Erase(_) => 0.5,
            Self::Posterize(_) | Self::Solarize(_) | Self::Autocontrast | Self::Equalize => 0.5,
            _ => 1.0,
        }
    }

    /// Checks that every strength is in its range.
    ///
    /// # Errors
    ///
    /// Returns the first strength that is out of range.
    pub fn check(self) -> Result<(), ConfigError> {
        let side = |size: Option<[usize; 2]>| {
            let sides = size.into_iter().flatten();
            sides.map(|side| ("size", side as f64, ValueRange::Within(1.0, 16384.0))).collect()
        };
        let checks: Vec<(&str, f64, ValueRange)> = match self {
            Self::Flip | Self::VerticalFlip | Self::Autocontrast | Self::Equalize | Self::TrivialAugment => Vec::new(),
            Self::Crop { padding, size } => {
                [vec![("padding", padding as f64, ValueRange::Within(0.0, 1000.0))], side(size)].concat()
            }
            Self::ResizedCrop { area, size } => {
                [vec![("area", area, ValueRange::PositiveFraction)], side(size)].concat()
            }
            Self::Rotation(degrees) => vec![("rotation", degrees, ValueRange::Within(0.0, 180.0))],
            Self::Scale(share) => vec![("scale", share, ValueRange::Decay)],
            Self::Lens(k) => vec![("lens", k, ValueRange::Within(0.0, 1.0 / 3.0))],
            Self::Elastic { deviation, smoothness } => vec![
                ("deviation", deviation, ValueRange::Within(0.0, 1000.0)),
                ("smoothness", smoothness, ValueRange::AtLeast(1.0)),
            ],
            Self::Posterize(bits) => vec![("posterize", bits as f64, ValueRange::Within(1.0, 8.0))],
            Self::ColorJitter { brightness, contrast, saturation, hue } => vec![
                ("brightness", brightness, ValueRange::Within(0.0, 1000.0)),
                ("contrast", contrast, ValueRange::Within(0.0, 1000.0)),
                ("saturation", saturation, ValueRange::Within(0.0, 1000.0)),
                ("hue", hue, ValueRange::Within(0.0, 0.5)),
            ],
            Self::RandAugment { operations, magnitude } => vec![
                ("operations", operations as f64, ValueRange::Within(1.0, 100.0)),
                ("magnitude", magnitude as f64, ValueRange::Within(0.0, MOST_MAGNITUDE as f64)),
            ],
            Self::Shear(share)
            | Self::Brightness(share)
            | Self::Contrast(share)
            | Self::Noise(share)
            | Self::Sharpness(share)
            | Self::Solarize(share)
            | Self::Erase(share) => vec![(self.name(), share, ValueRange::Fraction)],
            Self::Shift(bound) | Self::Mixup(bound) | Self::Cutmix(bound) => {
                vec![(self.name(), bound, ValueRange::Within(0.0, 1000.0))]
            }
        };
        checks.into_iter().try_for_each(|(field, value, range)| range.check("Augment", field, value))
    }
}
