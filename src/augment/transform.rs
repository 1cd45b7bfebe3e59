use crate::error::{ConfigError, Range};
use serde::{Deserialize, Serialize};

/// A distortion and its strength, which bounds what is drawn for each image: uniform to either side, unless stated.
///
/// In a configuration file: `"flip"`, `{"rotation": 10.0}`, `{"elastic": {"deviation": 1.0, "smoothness": 4.0}}`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Transform {
    /// Left becomes right.
    Flip,
    /// Top becomes bottom.
    VerticalFlip,
    /// A piece of the image, its place in whole pixels uniform; the middle where chance spares an image.
    Crop {
        /// Black pixels around the image before it is cropped: 0 to 1000.
        padding: usize,
        /// Height and width of the piece, at most those of the image with its padding; the image's own if absent.
        size: Option<[usize; 2]>,
    },
    /// A piece of the image, scaled to a size (Szegedy et al. 2015): its share of the area uniform, its proportions
    /// log-uniform between 3:4 and 4:3 of the image's as far as it fits, its place uniform.
    ResizedCrop {
        /// The least share of the area: in (0, 1].
        area: f64,
        /// Height and width of the result, 1 to 16384; the image's own if absent.
        size: Option<[usize; 2]>,
    },
    /// About the centre, in degrees: in [0, 180].
    Rotation(f64),
    /// Along each axis, in pixels: in [0, 1000].
    Shift(f64),
    /// Relative change of size, 0.1 for 90 % to 110 %: in [0, 1).
    Scale(f64),
    /// Slant, as a share of the height by which the top moves against the bottom: in [0, 1].
    Shear(f64),
    /// Radial distortion as of a lens, in both directions: what is seen at the distance r from the centre, 1 in the
    /// corners, lies at r·(1 + k·r²) in the original, and farther out at r·(1 + k). k in [0, 1/3], beyond which an image
    /// would fold over.
    Lens(f64),
    /// Each pixel moves as on rubber (Simard et al. 2003), by a normal displacement along each axis that varies smoothly
    /// over the image. Comes after all other changes of shape, wherever it stands.
    Elastic {
        /// Standard deviation of a displacement, in pixels: in [0, 1000].
        deviation: f64,
        /// Standard deviation of the Gaussian that displacements are smoothed by, in pixels: at least 1.
        smoothness: f64,
    },
    /// Relative change of all values: in [0, 1].
    Brightness(f64),
    /// Relative change of the distances from the image's mean: in [0, 1].
    Contrast(f64),
    /// Standard deviation of Gaussian noise, independent for all values: in [0, 1].
    Noise(f64),
    /// A rectangle becomes black (Zhong et al. 2020): its share of the area uniform up to this, which is in [0, 1], its
    /// proportions log-uniform between 1:3 and 3:1 of the image's as far as it fits (the paper's are the rectangle's own),
    /// its place uniform.
    Erase(f64),
    /// `λ·x + (1 − λ)·x′` of an image and another of the batch, and of their targets (Zhang et al. 2018). λ is drawn from
    /// Beta(α, α); α in [0, 1000], and 0 mixes nothing. Partners are a permutation of the batch, so that now and then an
    /// image is its own: in a batch of one, always.
    Mixup(f64),
    /// A rectangle of another image of the batch takes the place of the image's own, and the target has a share of both
    /// by area (Yun et al. 2019). The rectangle has the share 1 − λ before it is cut off at the borders; λ and partners as in
    /// `Mixup`.
    Cutmix(f64),
}

impl Transform {
    /// The name by which text and errors know it.
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
            Self::Erase(_) => "erase",
            Self::Mixup(_) => "mixup",
            Self::Cutmix(_) => "cutmix",
        }
    }

    /// The probability that it has unless another is asked for: ½ for flips and `Erase`, 1 for all others.
    pub fn usual_probability(self) -> f64 {
        match self {
            Self::Flip | Self::VerticalFlip | Self::Erase(_) => 0.5,
            _ => 1.0,
        }
    }

    /// Whether every strength is in its range.
    ///
    /// # Errors
    ///
    /// The first that is not.
    pub fn check(self) -> Result<(), ConfigError> {
        let side = |size: Option<[usize; 2]>| {
            let sides = size.into_iter().flatten();
            sides.map(|side| ("size", side as f64, Range::Within(1.0, 16384.0))).collect()
        };
        let checks: Vec<(&str, f64, Range)> = match self {
            Self::Flip | Self::VerticalFlip => Vec::new(),
            Self::Crop { padding, size } => {
                [vec![("padding", padding as f64, Range::Within(0.0, 1000.0))], side(size)].concat()
            }
            Self::ResizedCrop { area, size } => [vec![("area", area, Range::PositiveFraction)], side(size)].concat(),
            Self::Rotation(degrees) => vec![("rotation", degrees, Range::Within(0.0, 180.0))],
            Self::Scale(share) => vec![("scale", share, Range::Decay)],
            Self::Lens(k) => vec![("lens", k, Range::Within(0.0, 1.0 / 3.0))],
            Self::Elastic { deviation, smoothness } => vec![
                ("deviation", deviation, Range::Within(0.0, 1000.0)),
                ("smoothness", smoothness, Range::AtLeast(1.0)),
            ],
            Self::Shear(share)
            | Self::Brightness(share)
            | Self::Contrast(share)
            | Self::Noise(share)
            | Self::Erase(share) => vec![(self.name(), share, Range::Fraction)],
            Self::Shift(bound) | Self::Mixup(bound) | Self::Cutmix(bound) => {
                vec![(self.name(), bound, Range::Within(0.0, 1000.0))]
            }
        };
        checks.into_iter().try_for_each(|(field, value, range)| range.check("Augment", field, value))
    }
}
