//! Networks to train, and their loss.

mod cnn;
mod convolution;
#[cfg(any(feature = "flex", feature = "ndarray"))]
pub(crate) mod cpu;
mod loss;
mod mlp;
mod normalization;

pub use cnn::{Cnn, CnnConfig};
pub use convolution::convolve;
pub use loss::{LabelSmoothing, cross_entropy, soft_cross_entropy};
pub use mlp::{Mlp, MlpConfig};
pub use normalization::normalize;
