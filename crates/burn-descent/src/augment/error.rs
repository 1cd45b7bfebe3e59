use super::{Views, text};
use crate::error::ConfigError;

/// Fails where a pipeline cannot be made, or cannot distort these images.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AugmentError {
    /// Says that a strength or probability is out of range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Says that there is no distortion of that name.
    #[error("unknown distortion `{name}`; known: {}", text::usages())]
    Unknown {
        /// Gives the name.
        name: String,
    },
    /// Says that a distortion is not written as it should be.
    #[error("distortion `{text}`: expected {usage}, and @PROBABILITY after it if wanted")]
    Syntax {
        /// Gives the text.
        text: String,
        /// Says how the distortion should be written.
        usage: &'static str,
    },
    /// Says that there are no views of that name.
    #[error("unknown views `{name}`; known: {}", Views::ALL.map(|views| views.to_string()).join(", "))]
    UnknownViews {
        /// Gives the name.
        name: String,
    },
    /// Says that a crop does not fit into the image.
    #[error("crop should be at most the image with its padding, {room:?} pixels, but is {crop:?}")]
    Crop {
        /// Gives the height and width of the crop.
        crop: [usize; 2],
        /// Gives the height and width of the image with the padding around it.
        room: [usize; 2],
    },
    /// Says that there is nothing to distort.
    #[error("images should have at least one value, but are {shape:?}")]
    Empty {
        /// Gives the shape of the images.
        shape: [usize; 4],
    },
    /// Says that there is not one thing for each image.
    #[error("there should be {expected} {what}, one for each image, but there are {found}")]
    Count {
        /// Names what there should be.
        what: &'static str,
        /// Gives the number of images.
        expected: usize,
        /// Gives the number of things.
        found: usize,
    },
    /// Says that images come out in a size that they should not have.
    #[error("the distorted images should be {expected:?} pixels, but are {found:?}")]
    Size {
        /// Gives the height and width that they have.
        found: [usize; 2],
        /// Gives the height and width that they should have.
        expected: [usize; 2],
    },
}
