use super::OutputAxis;
use crate::error::{ConfigError, ValueRange};
use crate::group::{Walk, walked};
use crate::kernel;
use burn::config::Config;
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{FloatDType, Tensor};

/// Configures the adaptive clipping of gradients by the norms of the weights, unit by unit (Brock et al. 2021,
/// equation 3): [`GradientTransform::AdaptiveClip`](super::GradientTransform::AdaptiveClip) of a chain.
///
/// ```text
/// gᵢ ← gᵢ · min(1, λ·max(‖θᵢ‖, ε)/‖gᵢ‖)      for the weights θᵢ into each unit i
/// ```
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `lambda` | none | `(0, ∞)` | λ, how large a gradient may be beside its weights; the paper's are from 0.01 (large batches) to 0.16 |
/// | `epsilon` | 1e-3 | `(0, ∞)` | ε, the least norm of weights, so that those at zero can move |
/// | `outputs` | `Burn` | | which axis is that of the units |
///
/// A bias, or another parameter of rank 1, is one unit, as in the authors' code and in optax. The paper leaves the last
/// layer unclipped: give the chain to the other parameters alone, by [`ChainConfig::masked`](super::ChainConfig::masked).
/// NaN in a gradient spreads within its unit.
#[derive(Config, Debug, Copy, PartialEq)]
pub struct AdaptiveClipConfig {
    /// Sets λ, the largest norm of a gradient as a share of that of its weights, in `(0, ∞)`.
    pub lambda: f64,
    /// Sets ε, the norm that weights have at least, in `(0, ∞)`.
    #[config(default = 1e-3)]
    pub epsilon: f64,
    /// Says along which axis of a weight its outputs lie.
    #[config(default = "OutputAxis::Burn")]
    pub outputs: OutputAxis,
}

impl AdaptiveClipConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        ValueRange::Positive.check("AdaptiveClip", "lambda", self.lambda)?;
        ValueRange::Positive.check("AdaptiveClip", "epsilon", self.epsilon)
    }

    /// Clips each gradient that a parameter of `module` has.
    pub(super) fn apply<M: Module>(&self, module: &M, gradients: &mut GradientsParams) {
        module.visit(&mut Visitor { walk: Walk::default(), gradients, config: self });
    }

    fn clip<const D: usize>(&self, theta: Tensor<D>, gradient: Tensor<D>) -> Tensor<D> {
        let dtype = FloatDType::from(gradient.dtype());
        // Half precision has no room for squares.
        let working = FloatDType::from(kernel::working_dtype(gradient.dtype()));
        let axes = if D < 2 { (0..D).collect() } else { self.outputs.others(D) };
        let norm = |tensor: Tensor<D>| tensor.cast(working).square().sum_dims(&axes).sqrt();
        let limit = norm(theta.to_device(&gradient.device())).clamp_min(self.epsilon) * self.lambda;
        let size = norm(gradient.clone());
        let within = size.clone().lower_equal(limit.clone());
        let factor = (limit / size).mask_fill(within, 1.0);
        (gradient.cast(working) * factor).cast(dtype)
    }
}

struct Visitor<'a> {
    walk: Walk,
    gradients: &'a mut GradientsParams,
    config: &'a AdaptiveClipConfig,
}

impl ModuleVisitor for Visitor<'_> {
    walked!();

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !self.walk.is_first(param.id) {
            return;
        }
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            let theta = param.val();
            let theta = if theta.is_autodiff() { theta.inner() } else { theta };
            self.gradients.register(param.id, self.config.clip(theta, gradient));
        }
    }
}
