//! Networks to train, and their loss.

mod cnn;
mod convolution;
mod loss;
mod mlp;

pub use cnn::{Cnn, CnnConfig};
pub use convolution::convolve;
pub use loss::{LabelSmoothing, cross_entropy};
pub use mlp::{Mlp, MlpConfig};
