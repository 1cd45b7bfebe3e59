//! Offers parts of networks: Burn's convolution and batch normalization, faster on the CPU, and what the lectures add
//! to Burn's layers and losses.

/// Lets the variants of an enum be given by name on a command line: `named!(Form, inverted = Inverted, …)`. A dash does
/// for an underscore.
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
mod convolution;
#[cfg(feature = "_cpu")]
pub(crate) mod cpu;
mod dropout;
mod initialization;
mod loss;
mod normalization;

pub use activation::Activation;
pub use convolution::convolve;
pub use dropout::{Dropout, DropoutForm};
pub use initialization::Initialization;
pub use loss::{LabelSmoothing, cross_entropy, focal_loss, soft_cross_entropy};
pub use normalization::normalize;
