//! Noise over an optimizer whose type is known at run time alone: compiled once, not once an optimizer.

use super::{GradientNoise, GradientNoiseConfig, GradientNoiseState};
use crate::error::ConfigError;
use crate::kernel::on_rank;
use crate::optim::{ErasedOptimizer, Purpose, purpose};
use burn::optim::{DynOptimizer, DynState, LearningRate, Optimizer, RecordState, StateSink, StateSource};
use burn::tensor::kind::BridgeTensor;
use burn::tensor::{Device, Tensor};

impl GradientNoiseConfig {
    /// Adds noise to every gradient before `optimizer` sees it, whose type is known at run time alone. Noise and record
    /// are those of [`wrap`](Self::wrap). What the optimizer's configuration clips is the gradient, before the noise.
    ///
    /// ```
    /// use burn_descent::gradient::GradientNoiseConfig;
    /// use burn_descent::optim::{NamedOptimizer, Variations};
    ///
    /// let optimizer = NamedOptimizer::named("adadelta")?.build(&Variations::default())?;
    /// let noisy = GradientNoiseConfig::new().with_eta(0.3).wrap_erased(optimizer)?.init();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the first field that is out of range.
    pub fn wrap_erased(&self, optimizer: ErasedOptimizer) -> Result<ErasedOptimizer, ConfigError> {
        let (clipping, optimizer) = optimizer.take_clipping();
        let noisy = ErasedOptimizer::new(NoiseErased { noise: self.wrap(GradientItself)?, optimizer });
        Ok(noisy.with_clipping(clipping))
    }
}

/// [`GradientNoise`] over an optimizer whose type is erased.
struct NoiseErased {
    noise: GradientNoise<GradientItself>,
    optimizer: ErasedOptimizer,
}

#[derive(Clone)]
struct State {
    noise: GradientNoiseState<NoState>,
    inner: Option<DynState>,
}

/// An "optimizer" that answers with the gradient: under [`GradientNoise`], with the noisy one.
#[derive(Clone)]
struct GradientItself;

/// The state of what has none.
#[derive(Clone)]
struct NoState;

impl RecordState for NoState {
    fn state_flatten(&self, _prefix: &str, _out: &mut StateSink) {}

    fn state_unflatten(_prefix: &str, _src: &mut StateSource, _device: &Device) -> Option<Self> {
        None
    }
}

impl Optimizer for GradientItself {
    type State<const D: usize> = NoState;

    fn step<const D: usize>(
        &self,
        _lr: LearningRate,
        _tensor: Tensor<D>,
        grad: Tensor<D>,
        _state: Option<NoState>,
    ) -> (Tensor<D>, Option<NoState>) {
        (grad, None)
    }

    fn to_device<const D: usize>(state: NoState, _device: &Device) -> NoState {
        state
    }
}

impl NoiseErased {
    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: BridgeTensor,
        grad: BridgeTensor,
        state: Option<DynState>,
    ) -> (BridgeTensor, Option<DynState>) {
        let (noise, inner) = match state.map(|state| state.downcast::<State>()) {
            Some(State { noise, inner }) => (Some(noise), inner),
            None => (None, None),
        };
        if purpose() == Purpose::Evaluation {
            return (self.optimizer.step_dyn(D, lr, tensor, grad, inner).0, None);
        }
        let of_rank = Tensor::<D>::from_bridge;
        let (noisy, noise) = self.noise.step(lr, of_rank(tensor.clone()), of_rank(grad), noise);
        let (tensor, inner) = self.optimizer.step_dyn(D, lr, tensor, noisy.into_bridge(), inner);
        (tensor, noise.map(|noise| DynState::create(State { noise, inner }, D)))
    }
}

impl DynOptimizer for NoiseErased {
    fn step_dyn(
        &self,
        rank: usize,
        lr: LearningRate,
        tensor: BridgeTensor,
        grad: BridgeTensor,
        state: Option<DynState>,
    ) -> (BridgeTensor, Option<DynState>) {
        on_rank!(rank, D => self.step::<D>(lr, tensor, grad, state))
    }

    fn to_device_dyn(&self, state: DynState, device: &Device) -> DynState {
        let rank = state.rank();
        let State { noise, inner } = state.downcast::<State>();
        let inner = inner.map(|inner| self.optimizer.to_device_dyn(inner, device));
        DynState::create(State { noise, inner }, rank)
    }

    fn state_flatten(&self, prefix: &str, state: &DynState, out: &mut StateSink) {
        let State { noise, inner } = state.downcast_ref::<State>();
        if let Some(inner) = inner {
            self.optimizer.state_flatten(prefix, inner, out);
        }
        noise.state_flatten(prefix, out);
    }

    fn state_unflatten(&self, rank: usize, prefix: &str, src: &mut StateSource, device: &Device) -> Option<DynState> {
        let noise = GradientNoiseState::<NoState>::state_unflatten(prefix, src, device)?;
        let inner = self.optimizer.state_unflatten(rank, prefix, src, device);
        Some(DynState::create(State { noise, inner }, rank))
    }
}
