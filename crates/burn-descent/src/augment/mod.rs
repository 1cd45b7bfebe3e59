//! Distorts training images (data augmentation), a batch at a time on the device that holds it, and averages answers
//! over views of test images (coverage F7, F8).
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use burn_descent::augment::{AugmentConfig, AugmentKey, Transform};
//!
//! let augment = AugmentConfig::new().then(Transform::Flip).then(Transform::Rotation(10.0)).then(Transform::Noise(0.05));
//! let augment = augment.init()?;
//! let images = Tensor::<4>::ones([3, 1, 28, 28], &Device::default()) * 0.5;
//! let distorted = augment.distort(images, &AugmentKey { seed: 1, epoch: 2, images: &[17, 4, 59] })?;
//! assert_eq!(distorted.dims(), [3, 1, 28, 28]);
//! # Ok::<(), burn_descent::augment::AugmentError>(())
//! ```
//!
//! Images are `[batch, channels, height, width]`, gray or in colour, with 0 for black and 1 for full intensity. All
//! channels of an image are distorted alike, noise, `Autocontrast`, `Equalize` and what is about colours excepted.
//!
//! The host draws what is random, by seed, epoch and image ([`AugmentKey`]); the rest is tensor operations, and a pass
//! over the values on the host where they change differently from image to image (color jitter and policies). So every
//! backend distorts alike, within rounding, and a resumed run sees what the unbroken run would have seen. No gradient
//! flows through a distortion.
//!
//! However many changes of shape a pipeline has, each pixel's place in the original is computed first and looked up
//! once, by bilinear interpolation: nothing is blurred twice or cut off in between. What comes in from outside is
//! black.

mod elastic;
mod error;
mod geometry;
mod key;
mod mix;
mod parts;
mod picture;
mod pipeline;
mod policy;
mod rectangle;
mod sample;
mod text;
mod tone;
mod transform;
mod views;

pub use error::AugmentError;
pub use key::AugmentKey;
pub use pipeline::{Augment, AugmentConfig, AugmentStep, rotate};
pub use transform::Transform;
pub use views::{Average, View, Views};
