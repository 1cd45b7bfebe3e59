use super::AugmentError;
use burn::tensor::Tensor;
use burn::tensor::activation::softmax;
use burn::tensor::module::interpolate;
use burn::tensor::ops::{InterpolateMode, InterpolateOptions};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Selects the crops and mirror images of a test image over which a network's answers are averaged (test-time
/// augmentation; coverage F8).
///
/// | views | number | |
/// | --- | --- | --- |
/// | `Identity` | 1 | the whole image |
/// | `Flips` | 2 | and its mirror image |
/// | `FiveCrop` | 5 | four corners and the centre of the middle of the image |
/// | `TenCrop` | 10 | and their mirror images (Krizhevsky et al. 2012) |
/// | `Szegedy` | 144 | 4 scales × 3 squares × (4 corners + centre + whole square) × 2 mirrors (Szegedy et al. 2015) |
///
/// A crop has the size that the network takes. Before it is cut out the image is resized, so that it just covers 8/7 of
/// that size (256 pixels for 224, 32 for 28), and for Szegedy's also 9/7, 10/7 and 11/7 (288, 320 and 352). The squares
/// are the left, the middle and the right of what results, or the top, the middle and the bottom. Where the network
/// takes other than squares, they have its proportions.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_descent::augment::{Average, Views};
///
/// let images = Tensor::<4>::ones([2, 3, 40, 60], &Device::default());
/// let model = |images: Tensor<4>| images.mean_dim(3).mean_dim(2).reshape([2, 3]);
/// let logits = Views::Szegedy.average(images, [28, 28], Average::Logits, model)?;
/// assert_eq!(logits.dims(), [2, 3]);
/// assert_eq!(Views::Szegedy.list([40, 60], [28, 28])?.len(), 144);
/// # Ok::<(), burn_descent::augment::AugmentError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Views {
    /// Takes the whole image.
    #[default]
    Identity,
    /// Takes the whole image and its mirror image.
    Flips,
    /// Takes crops at the four corners and the centre.
    FiveCrop,
    /// Takes crops at the four corners and the centre, and their mirror images.
    TenCrop,
    /// Takes the 144 crops of Szegedy et al. 2015.
    Szegedy,
}

/// Describes one way of looking at an image: it is resized, a part is cut out and mirrored, and brought to the
/// network's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// Gives the height and width that the image is resized to.
    pub resized: [usize; 2],
    /// Gives the first row and column of the part.
    pub start: [usize; 2],
    /// Gives the height and width of the part.
    pub size: [usize; 2],
    /// Tells whether left and right change places.
    pub mirrored: bool,
}

/// Says what is averaged over the views.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Average {
    /// Averages the network's outputs as they are.
    Logits,
    /// Averages the softmax of each output.
    Probabilities,
}

impl Views {
    /// Lists all sets of views that there are.
    pub const ALL: [Self; 5] = [Self::Identity, Self::Flips, Self::FiveCrop, Self::TenCrop, Self::Szegedy];

    /// Returns the views of an image of the height and width `image` for a network that takes `network`. Some are equal
    /// where the image has the network's proportions: then the three squares are one.
    ///
    /// # Errors
    ///
    /// Returns [`AugmentError::Empty`] if a side is 0.
    pub fn list(self, image: [usize; 2], network: [usize; 2]) -> Result<Vec<View>, AugmentError> {
        for [height, width] in [image, network] {
            if height * width == 0 {
                return Err(AugmentError::Empty { shape: [1, 1, height, width] });
            }
        }
        let whole = View { resized: network, start: [0, 0], size: network, mirrored: false };
        let plain = match self {
            Self::Identity | Self::Flips => vec![whole],
            Self::FiveCrop | Self::TenCrop => Square::of(image, network, 8)[1].crops(network),
            Self::Szegedy => {
                let squares = [8, 9, 10, 11].into_iter().flat_map(|sevenths| Square::of(image, network, sevenths));
                squares.flat_map(|square| [square.crops(network), vec![square.whole()]].concat()).collect()
            }
        };
        let mirrors: &[bool] = match self {
            Self::Identity | Self::FiveCrop => &[false],
            _ => &[false, true],
        };
        Ok(plain.iter().flat_map(|view| mirrors.iter().map(|&mirrored| View { mirrored, ..*view })).collect())
    }

    /// Returns the mean, over all views, of what a network that takes images of the height and width `network` makes of
    /// images `[batch, channels, height, width]`: `[batch, classes]`. Equal views are looked at once.
    ///
    /// # Errors
    ///
    /// Returns [`AugmentError::Empty`] if there are no images, or a side is 0.
    pub fn average(
        self,
        images: Tensor<4>,
        network: [usize; 2],
        average: Average,
        forward: impl Fn(Tensor<4>) -> Tensor<2>,
    ) -> Result<Tensor<2>, AugmentError> {
        let shape = images.dims();
        if shape.contains(&0) {
            return Err(AugmentError::Empty { shape });
        }
        let views = self.list([shape[2], shape[3]], network)?;
        let mut sum: Option<Tensor<2>> = None;
        for scale in views.chunk_by(|one, other| one.resized == other.resized) {
            let resized = resize(images.clone(), scale[0].resized);
            for (index, view) in scale.iter().enumerate().filter(|(index, view)| !scale[..*index].contains(view)) {
                let times = scale[index..].iter().filter(|other| *other == view).count();
                let output = forward(view.cut(resized.clone(), network));
                let output = match average {
                    Average::Logits => output,
                    Average::Probabilities => softmax(output, 1),
                };
                let output = if times == views.len() { output } else { output * (times as f64 / views.len() as f64) };
                sum = Some(sum.map_or(output.clone(), |sum| sum + output));
            }
        }
        sum.ok_or(AugmentError::Empty { shape })
    }
}

impl View {
    /// This view of images that are resized already.
    fn cut(&self, resized: Tensor<4>, network: [usize; 2]) -> Tensor<4> {
        let [top, left] = self.start;
        let part = resized.narrow(2, top, self.size[0]).narrow(3, left, self.size[1]);
        let part = resize(part, network);
        if self.mirrored { part.flip([3]) } else { part }
    }
}

/// A part of a resized image that has the network's proportions, and from which crops are taken.
#[derive(Clone, Copy)]
struct Square {
    resized: [usize; 2],
    start: [usize; 2],
    size: [usize; 2],
}

impl Square {
    /// The first, the middle and the last of an image that is resized so that it just covers so many sevenths of what
    /// the network takes.
    fn of(image: [usize; 2], network: [usize; 2], sevenths: usize) -> [Self; 3] {
        let size = network.map(|side| (sevenths * side).div_ceil(7));
        let factor = (size[0] as f64 / image[0] as f64).max(size[1] as f64 / image[1] as f64);
        let along = |axis: usize| ((image[axis] as f64 * factor).round() as usize).max(size[axis]);
        let resized = [along(0), along(1)];
        [0, 1, 2].map(|half| Self { resized, start: [0, 1].map(|axis| half * (resized[axis] - size[axis]) / 2), size })
    }

    fn whole(self) -> View {
        View { resized: self.resized, start: self.start, size: self.size, mirrored: false }
    }

    /// Four corners and the centre.
    fn crops(self, size: [usize; 2]) -> Vec<View> {
        let crop = |halves: [usize; 2]| {
            let start = [0, 1].map(|axis| self.start[axis] + halves[axis] * (self.size[axis] - size[axis]) / 2);
            View { start, size, ..self.whole() }
        };
        [[0, 0], [0, 2], [2, 0], [2, 2], [1, 1]].map(crop).to_vec()
    }
}

fn resize(images: Tensor<4>, size: [usize; 2]) -> Tensor<4> {
    let [_, _, height, width] = images.dims();
    if [height, width] == size {
        return images;
    }
    let options = InterpolateOptions::new(InterpolateMode::Bilinear).with_align_corners(false);
    interpolate(images, options.with_output_size(size))
}

impl fmt::Display for Views {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Identity => "identity",
            Self::Flips => "flips",
            Self::FiveCrop => "five-crop",
            Self::TenCrop => "ten-crop",
            Self::Szegedy => "szegedy",
        })
    }
}

impl FromStr for Views {
    type Err = AugmentError;

    fn from_str(name: &str) -> Result<Self, AugmentError> {
        let known = Self::ALL.into_iter().find(|views| views.to_string() == name);
        known.ok_or_else(|| AugmentError::UnknownViews { name: name.to_owned() })
    }
}
