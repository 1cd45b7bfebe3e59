//! Offers the networks that a run can train: classifiers of images.

mod cnn;
mod mlp;
mod resnet;

pub use cnn::{Cnn, CnnConfig};
pub use mlp::{Mlp, MlpConfig};
pub use resnet::{ResNet, ResNetConfig};
