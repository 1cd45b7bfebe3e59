use crate::error::{ConfigError, ValueRange};
use burn::grad_clipping::GradientClipping;
use burn::tensor::Tensor;

/// Checks that the threshold of `clipping` is above 0, for a configuration that is called `config`. Burn checks nothing: a
/// threshold below 0 would turn gradients round, and NaN would spoil them.
pub(crate) fn check_clipping(config: &'static str, clipping: Option<&GradientClipping>) -> Result<(), ConfigError> {
    let threshold = match clipping {
        None => return Ok(()),
        Some(GradientClipping::Value(threshold) | GradientClipping::Norm(threshold)) => f64::from(*threshold),
    };
    ValueRange::Positive.check(config, "grad_clipping", threshold)
}

/// The gradient as the optimizer gets it.
pub(super) fn clipped<const D: usize>(clipping: Option<&GradientClipping>, gradient: Tensor<D>) -> Tensor<D> {
    match clipping {
        Some(clipping) => clipping.clip_gradient(gradient),
        None => gradient,
    }
}
