//! Optimizers for the [Burn](https://burn.dev) deep-learning framework: every update rule written once, run as a single
//! fused pass, and proven against PyTorch, optax and the papers.

#![deny(missing_docs)]

#[cfg(feature = "train")]
pub mod data;
mod error;
pub mod gradient;
mod kernel;
#[cfg(feature = "train")]
pub mod model;
pub mod optim;
pub mod rule;
pub mod schedule;
#[cfg(feature = "train")]
pub mod train;

pub use error::{ConfigError, Range};
