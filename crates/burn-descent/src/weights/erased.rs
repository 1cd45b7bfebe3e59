//! An average over an optimizer whose type is known at run time alone: compiled once, not once an optimizer.

use super::Averaging;
use super::averaged::{begun, inner_prefix, moved, read, write};
use crate::error::ConfigError;
use crate::kernel::on_rank;
use crate::optim::{ErasedOptimizer, Purpose, purpose};
use burn::optim::{DynOptimizer, DynState, LearningRate, StateSink, StateSource};
use burn::tensor::kind::BridgeTensor;
use burn::tensor::{Device, FloatDType, Tensor};

/// [`Averaged`](super::Averaged) over an optimizer whose type is erased, with the same record.
pub(crate) struct AveragedErased<A> {
    averaging: A,
    optimizer: ErasedOptimizer,
}

#[derive(Clone)]
struct State<const D: usize> {
    inner: Option<DynState>,
    average: Option<Tensor<D>>,
    time: u64,
}

impl<A: Averaging> AveragedErased<A> {
    pub(crate) fn new(averaging: A, optimizer: ErasedOptimizer) -> Result<Self, ConfigError> {
        averaging.check()?;
        Ok(Self { averaging, optimizer })
    }

    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: BridgeTensor,
        grad: BridgeTensor,
        state: Option<DynState>,
    ) -> (BridgeTensor, Option<DynState>) {
        let State { inner, average, time } = match state {
            Some(state) => state.downcast::<State<D>>(),
            None => State { inner: None, average: None, time: 0 },
        };
        let tensor = Tensor::<D>::from_bridge(tensor);
        if purpose() == Purpose::Evaluation {
            let evaluated = match average {
                Some(average) => average.cast(FloatDType::from(tensor.dtype())).into_bridge(),
                None => self.optimizer.step_dyn(D, lr, tensor.into_bridge(), grad, inner).0,
            };
            return (evaluated, None);
        }
        let average = begun(&self.averaging, average, &tensor);
        let time = time + 1;
        let (tensor, inner) = self.optimizer.step_dyn(D, lr, tensor.into_bridge(), grad, inner);
        let (tensor, average) = moved(&self.averaging, average, Tensor::<D>::from_bridge(tensor), time);
        (tensor.into_bridge(), Some(DynState::create(State { inner, average, time }, D)))
    }

    fn moved_to<const D: usize>(&self, state: DynState, device: &Device) -> DynState {
        let State { inner, average, time } = state.downcast::<State<D>>();
        let inner = inner.map(|inner| self.optimizer.to_device_dyn(inner, device));
        let average = average.map(|average| average.to_device(device));
        DynState::create(State { inner, average, time }, D)
    }

    fn flatten<const D: usize>(&self, prefix: &str, state: &DynState, out: &mut StateSink) {
        let State { inner, average, time } = state.downcast_ref::<State<D>>();
        if let Some(inner) = inner {
            self.optimizer.state_flatten(&inner_prefix(prefix), inner, out);
        }
        write(prefix, self.averaging.name(), average.as_ref(), *time, out);
    }

    fn unflatten<const D: usize>(&self, prefix: &str, src: &mut StateSource, device: &Device) -> Option<DynState> {
        let (average, time) = read::<D>(prefix, self.averaging.name(), src, device)?;
        let inner = self.optimizer.state_unflatten(D, &inner_prefix(prefix), src, device);
        Some(DynState::create(State { inner, average, time }, D))
    }
}

impl<A: Averaging> DynOptimizer for AveragedErased<A> {
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
        on_rank!(state.rank(), D => self.moved_to::<D>(state, device))
    }

    fn state_flatten(&self, prefix: &str, state: &DynState, out: &mut StateSink) {
        on_rank!(state.rank(), D => self.flatten::<D>(prefix, state, out));
    }

    fn state_unflatten(&self, rank: usize, prefix: &str, src: &mut StateSource, device: &Device) -> Option<DynState> {
        on_rank!(rank, D => self.unflatten::<D>(prefix, src, device))
    }
}
