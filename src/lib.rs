//! Optimizers for the [Burn](https://burn.dev) deep-learning framework: every update rule written once, run as a single
//! fused pass, and proven against PyTorch, optax and the papers.

#![deny(missing_docs)]

mod error;
mod kernel;
#[cfg(feature = "train")]
pub mod model;
pub mod optim;
pub mod rule;

pub use error::{ConfigError, Range};
