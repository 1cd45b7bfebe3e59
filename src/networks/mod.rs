//! Offers the networks that a run can train: classifiers of images.

mod activations;
mod cnn;
mod mlp;
mod resnet;

pub(crate) use activations::Activations;
pub use cnn::{Cnn, CnnConfig};
pub use mlp::{Mlp, MlpConfig};
pub use resnet::{ResNet, ResNetConfig};
