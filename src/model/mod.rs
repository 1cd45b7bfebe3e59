//! Networks to train, and their loss.

pub mod backpropagation;
mod cnn;
mod convolution;
#[cfg(any(feature = "flex", feature = "ndarray"))]
mod cpu;
mod loss;
mod mlp;
mod normalization;

pub use cnn::{Cnn, CnnConfig};
pub use convolution::convolve;
pub use loss::{LabelSmoothing, cross_entropy};
pub use mlp::{Mlp, MlpConfig};
pub use normalization::normalize;
