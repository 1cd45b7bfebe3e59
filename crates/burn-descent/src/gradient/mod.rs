//! Offers transforms of the gradient before the step of any Burn optimizer.
//!
//! Those that look at one tensor at a time wrap an `Optimizer`, or one parameter group's: [`GradientNoise`],
//! [`ClipValue`], [`Centralization`]. A [`Chain`] works on the gradients of a whole module, before they go to an
//! optimizer: it clips by their global norm, or unit by unit by the weights' norms, accumulates, skips steps that are not
//! finite, and clips by value and centralizes as well, in the order in which they are written.

mod accumulate;
mod adaptive;
mod centralize;
mod chain;
mod clip;
mod each;
mod finite;
mod noise;
mod noise_erased;
mod norm;
mod tensorwise;

pub use adaptive::AdaptiveClipConfig;
pub use centralize::{Centralization, CentralizationConfig, OutputAxis};
pub use chain::{Chain, ChainConfig, CustomTransform, GradientTransform};
pub use clip::{ClipValue, ClipValueConfig};
pub use finite::{NonFiniteGradients, Skips};
pub use noise::{GradientNoise, GradientNoiseConfig, GradientNoiseState};
pub use norm::{Norm, global_norm};
pub use tensorwise::{TensorTransform, Transformed};

pub(crate) use each::{EachGradient, Parameter, for_each_gradient, for_each_shared_gradient};
