//! A rule as tensor operations, for the backends without a fused pass of their own.

use super::Step;
use crate::rule::Rule;
use burn::tensor::{DType, FloatDType, Tensor};

/// The precision that a rule computes in: half-precision parameters keep their state and take their step in `f32`,
/// since squares of gradients and small epsilons underflow below it.
pub(crate) fn working_dtype(dtype: DType) -> DType {
    match dtype {
        DType::F64 => DType::F64,
        _ => DType::F32,
    }
}

/// The state of a parameter that has taken no step yet.
pub(super) fn zero_state<const D: usize>(theta: &Tensor<D>) -> Tensor<D> {
    theta.zeros_like().cast(FloatDType::from(working_dtype(theta.dtype())))
}

/// What is used in the place of `theta` outside training.
pub(crate) fn evaluation<R: Rule<N>, const N: usize, const D: usize>(
    rule: &R,
    theta: Tensor<D>,
    state: &[Option<Tensor<D>>; N],
    time: u64,
) -> Tensor<D> {
    let dtype = theta.dtype();
    let working = FloatDType::from(working_dtype(dtype));
    let state = widened(state.clone(), &theta);
    rule.evaluation(theta.cast(working), state, time).cast(FloatDType::from(dtype))
}

/// The state in the precision that a rule computes in; something in the place of what is not kept.
fn widened<const N: usize, const D: usize>(state: [Option<Tensor<D>>; N], theta: &Tensor<D>) -> [Tensor<D>; N] {
    let working = working_dtype(theta.dtype());
    state.map(|tensor| match tensor {
        Some(tensor) => tensor.cast(FloatDType::from(working)),
        None => Tensor::zeros([1; D], (&theta.device(), working)),
    })
}

pub(super) fn run<R: Rule<N>, const N: usize, const D: usize>(
    step: &Step<R, N>,
    theta: Tensor<D>,
    grad: Tensor<D>,
    state: [Option<Tensor<D>>; N],
) -> (Tensor<D>, [Option<Tensor<D>>; N]) {
    let dtype = theta.dtype();
    let working = FloatDType::from(working_dtype(dtype));
    let kept = state.each_ref().map(Option::is_some);
    let state = widened(state, &theta);
    let (theta, grad) = (theta.cast(working), grad.cast(working));
    let (start, grad) = step.decay.before(theta.clone(), grad);
    let (next, state) = step.rule.update(&step.coefficients, start, grad, state);
    let theta = step.decay.after(theta, next);
    let mut kept = kept.into_iter();
    let state = state.map(|tensor| kept.next().unwrap_or(false).then_some(tensor));
    (theta.cast(FloatDType::from(dtype)), state)
}
