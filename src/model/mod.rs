//! Networks to train, and their loss.

/// Lets the variants of an enum be given by name on a command line: `named!(Form, inverted = Inverted, …)`. A dash does for
/// an underscore.
macro_rules! named {
    ($kind:ident, $($name:ident = $variant:ident),+) => {
        impl std::str::FromStr for $kind {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                match text.replace('-', "_").as_str() {
                    $(stringify!($name) => Ok(Self::$variant),)+
                    _ => Err(format!("expected one of {}, but is {text}", [$(stringify!($name)),+].join(", "))),
                }
            }
        }
    };
}

mod activation;
pub mod backpropagation;
mod cnn;
mod convolution;
#[cfg(any(feature = "flex", feature = "ndarray"))]
pub(crate) mod cpu;
mod dropout;
mod initialization;
mod loss;
mod mlp;
mod normalization;
mod resnet;

pub use activation::Activation;
pub use cnn::{Cnn, CnnConfig};
pub use convolution::convolve;
pub use dropout::{Dropout, DropoutForm};
pub use initialization::Initialization;
pub use loss::{LabelSmoothing, cross_entropy, focal_loss, soft_cross_entropy};
pub use mlp::{Mlp, MlpConfig};
pub use normalization::normalize;
pub use resnet::{ResNet, ResNetConfig};
