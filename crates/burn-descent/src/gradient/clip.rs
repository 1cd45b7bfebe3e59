use super::{TensorTransform, Transformed};
use crate::error::{ConfigError, ValueRange};
use crate::kernel;
use crate::optim::wrapper;
use burn::config::Config;
use burn::tensor::Tensor;

/// Configures [`ClipValue`], which clips each value of the gradient (coverage D15).
///
/// ```text
/// g ← min(max(g, −c), c)
/// ```
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `limit` | none | `(0, ∞)` | c, the largest magnitude that a value may have |
///
/// It changes the direction of the gradient, which clipping by the norm does not
/// ([`ChainConfig::clip_norm`](super::ChainConfig::clip_norm)). It is PyTorch's `clip_grad_value_`, and optax's `clip`.
/// NaN stays NaN.
///
/// ```
/// use burn_descent::gradient::ClipValueConfig;
/// use burn_descent::optim::NadamConfig;
///
/// let optimizer = ClipValueConfig::new(0.5).wrap(NadamConfig::new().build()?)?.init();
/// # Ok::<(), burn_descent::ConfigError>(())
/// ```
#[derive(Config, Debug, Copy, PartialEq)]
pub struct ClipValueConfig {
    /// Sets c, the largest magnitude that a value may have, in `(0, ∞)`.
    pub limit: f64,
}

impl TensorTransform for ClipValueConfig {
    fn transform<const D: usize>(&self, gradient: Tensor<D>) -> Tensor<D> {
        kernel::clip(gradient, self.limit)
    }

    fn check(&self) -> Result<(), ConfigError> {
        ValueRange::Positive.check("ClipValue", "limit", self.limit)
    }
}

wrapper!(ClipValue, ClipValueConfig, Transformed);
