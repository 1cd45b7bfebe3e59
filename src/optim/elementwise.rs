use super::{RuleState, WeightDecay, evaluating};
use crate::error::ConfigError;
use crate::kernel::{self, Step};
use crate::rule::Rule;
use burn::optim::{LearningRate, Optimizer};
use burn::tensor::{Device, Tensor};

/// A Burn optimizer that runs a [`Rule`] on every element of a parameter, as one fused pass where the backend allows.
///
/// Made by the `build` of a configuration, which checks the hyperparameters.
#[derive(Clone, Debug)]
pub struct Elementwise<R, const N: usize> {
    rule: R,
    decay: Option<WeightDecay>,
}

impl<R: Rule<N>, const N: usize> Elementwise<R, N> {
    /// An optimizer that follows `rule`, with `decay` of the weights before it.
    ///
    /// # Errors
    ///
    /// The first hyperparameter that is out of range.
    pub fn new(rule: R, decay: Option<WeightDecay>) -> Result<Self, ConfigError> {
        rule.check()?;
        decay.map_or(Ok(()), WeightDecay::check)?;
        Ok(Self { rule, decay })
    }
}

impl<R: Rule<N>, const N: usize> Optimizer for Elementwise<R, N> {
    type State<const D: usize> = RuleState<R, N, D>;

    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        if evaluating() {
            return match state {
                Some(state) => (kernel::evaluation(&self.rule, tensor, &state.tensors, state.time), Some(state)),
                None => (tensor, None),
            };
        }
        let mut state = state.unwrap_or_default();
        state.time += 1;
        let step = Step {
            scalars: self.rule.scalars(lr, state.time, &mut state.carry),
            decay: WeightDecay::step(self.decay, lr),
            rule: self.rule.clone(),
        };
        let (tensor, tensors) = kernel::run(&step, tensor, grad, state.tensors);
        state.tensors = tensors;
        (tensor, Some(state))
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &Device) -> Self::State<D> {
        state.moved_to(device)
    }
}
