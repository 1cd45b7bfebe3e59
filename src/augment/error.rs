use super::{Views, text};
use crate::error::ConfigError;

/// Why a pipeline cannot be made, or cannot distort these images.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum AugmentError {
    /// A strength or probability is out of range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is no distortion of that name.
    #[error("unknown distortion `{name}`; known: {}", text::usages())]
    Unknown {
        /// The name.
        name: String,
    },
    /// A distortion is not written as it should be.
    #[error("distortion `{text}`: expected {usage}, and @PROBABILITY after it if wanted")]
    Syntax {
        /// The text.
        text: String,
        /// The text that there should be.
        usage: &'static str,
    },
    /// There are no views of that name.
    #[error("unknown views `{name}`; known: {}", Views::ALL.map(|views| views.to_string()).join(", "))]
    UnknownViews {
        /// The name.
        name: String,
    },
    /// A crop does not fit into the image.
    #[error("crop should be at most the image with its padding, {room:?} pixels, but is {crop:?}")]
    Crop {
        /// Height and width of the crop.
        crop: [usize; 2],
        /// Height and width of the image and of the padding around it.
        room: [usize; 2],
    },
    /// There is nothing to distort.
    #[error("images should have at least one value, but are {shape:?}")]
    Empty {
        /// The shape of the images.
        shape: [usize; 4],
    },
    /// There is not one thing for each image.
    #[error("there should be {expected} {what}, one for each image, but there are {found}")]
    Count {
        /// What there should be.
        what: &'static str,
        /// The number of images.
        expected: usize,
        /// The number there is.
        found: usize,
    },
    /// Images come out in a size that they should not have.
    #[error("the distorted images should be {expected:?} pixels, but are {found:?}")]
    Size {
        /// Height and width that they have.
        found: [usize; 2],
        /// Height and width that they should have.
        expected: [usize; 2],
    },
}
