use super::norm::Scale;
use super::{EachGradient, Parameter, for_each_gradient};
use crate::kernel;
use burn::module::{Module, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::{DType, FloatDType, Tensor};
use std::collections::HashMap;
use std::mem::take;

/// Collects the gradients of several micro-batches and gives their mean.
#[derive(Debug)]
pub(super) struct Accumulate {
    batches: usize,
    collected: usize,
    sum: GradientsParams,
    /// The precision of each gradient that is summed in a wider one.
    narrow: HashMap<ParamId, DType>,
}

impl Accumulate {
    pub(super) fn new(batches: usize) -> Self {
        Self { batches, collected: 0, sum: GradientsParams::new(), narrow: HashMap::new() }
    }

    /// The mean over as many micro-batches as are to be collected, once they are.
    pub(super) fn apply<M: Module>(&mut self, module: &M, mut gradients: GradientsParams) -> Option<GradientsParams> {
        for_each_gradient(module, &mut gradients, &mut Add { sum: &mut self.sum, narrow: &mut self.narrow });
        self.collected += 1;
        (self.collected >= self.batches).then(|| self.emit(module))
    }

    /// Forgets the micro-batches collected so far.
    pub(super) fn restart(&mut self) {
        *self = Self::new(self.batches);
    }

    /// Whether no micro-batch has been collected.
    pub(super) fn is_empty(&self) -> bool {
        self.collected == 0
    }

    /// The mean over the micro-batches collected so far, if there are any.
    pub(super) fn flush<M: Module>(&mut self, module: &M) -> Option<GradientsParams> {
        (self.collected > 0).then(|| self.emit(module))
    }

    fn emit<M: Module>(&mut self, module: &M) -> GradientsParams {
        let mut mean = take(&mut self.sum);
        let collected = take(&mut self.collected);
        if collected > 1 {
            for_each_gradient(module, &mut mean, &mut Scale(1.0 / collected as f64));
        }
        if !self.narrow.is_empty() {
            for_each_gradient(module, &mut mean, &mut Narrow(take(&mut self.narrow)));
        }
        mean
    }
}

/// Moves each gradient into a sum, half precision in `f32`.
struct Add<'a> {
    sum: &'a mut GradientsParams,
    narrow: &'a mut HashMap<ParamId, DType>,
}

impl EachGradient for Add<'_> {
    fn each<const D: usize>(&mut self, parameter: Parameter<'_>, gradient: Tensor<D>) -> Option<Tensor<D>> {
        let (dtype, working) = (gradient.dtype(), kernel::working_dtype(gradient.dtype()));
        let mut gradient = gradient;
        if dtype != working {
            self.narrow.insert(parameter.id, dtype);
            gradient = gradient.cast(FloatDType::from(working));
        }
        let sum = match self.sum.remove::<D>(parameter.id) {
            Some(sum) => sum + gradient,
            None => gradient,
        };
        self.sum.register(parameter.id, sum);
        None
    }
}

/// Takes each gradient back to its own precision.
struct Narrow(HashMap<ParamId, DType>);

impl EachGradient for Narrow {
    fn each<const D: usize>(&mut self, parameter: Parameter<'_>, gradient: Tensor<D>) -> Option<Tensor<D>> {
        Some(match self.0.get(&parameter.id) {
            Some(dtype) => gradient.cast(FloatDType::from(*dtype)),
            None => gradient,
        })
    }
}
