//! Transforms of the gradient before the step, over any Burn optimizer.

mod noise;

pub use noise::{GradientNoise, GradientNoiseConfig, GradientNoiseState};
