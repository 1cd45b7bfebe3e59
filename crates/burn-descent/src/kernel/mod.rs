//! Runs a rule: as one fused pass over the raw buffers of the flex and ndarray backends, as tensor operations on
//! every other backend.

mod add;
#[cfg(feature = "_cpu")]
mod backend;
#[cfg(feature = "_cpu")]
mod buffer;
mod clip;
#[cfg(feature = "flex")]
mod flex;
#[cfg(feature = "_cpu")]
mod fused;
#[cfg(feature = "_cpu")]
mod lanes;
#[cfg(feature = "ndarray")]
mod ndarray;
mod reduce;
mod tensor;
#[cfg(all(test, feature = "_cpu"))]
mod tests;

pub(crate) use add::{Addend, add};
#[cfg(feature = "_cpu")]
pub(crate) use buffer::Buffer;
pub(crate) use clip::clip;
pub(crate) use reduce::{AbsoluteMaximum, AbsoluteSum, NonFiniteCount, Reduction, SquareSum, at_hand, reduce};
pub(crate) use tensor::{evaluation, working_dtype};

use crate::rule::{DecayStep, Rule};
use burn::tensor::Tensor;

/// A tensor of whatever rank under the type of rank 1, so that a rule is compiled once and not once a rank. For
/// elementwise operations, which never ask for the rank, and without a reshape, which would keep fusion from joining a
/// step to the matrix product that its gradient is.
pub(crate) type AnyRank = Tensor<1>;

/// `tensor` without its rank.
pub(crate) fn any_rank<const D: usize>(tensor: Tensor<D>) -> AnyRank {
    Tensor::from_dispatch(tensor.into_dispatch())
}

/// `tensor` with its rank again.
pub(crate) fn of_rank<const D: usize>(tensor: AnyRank) -> Tensor<D> {
    Tensor::from_dispatch(tensor.into_dispatch())
}

/// Evaluates an expression with a rank that Burn knows at run time alone as the constant `D`: `on_rank!(rank, D => …)`.
macro_rules! on_rank {
    ($rank:expr, $d:ident => $body:expr) => {
        match $rank {
            0 => {
                const $d: usize = 0;
                $body
            }
            1 => {
                const $d: usize = 1;
                $body
            }
            2 => {
                const $d: usize = 2;
                $body
            }
            3 => {
                const $d: usize = 3;
                $body
            }
            4 => {
                const $d: usize = 4;
                $body
            }
            5 => {
                const $d: usize = 5;
                $body
            }
            6 => {
                const $d: usize = 6;
                $body
            }
            7 => {
                const $d: usize = 7;
                $body
            }
            8 => {
                const $d: usize = 8;
                $body
            }
            rank => panic!("Burn's optimizers go up to rank 8, but a parameter has rank {rank}"),
        }
    };
}
pub(crate) use on_rank;

/// One step of a rule: its hyperparameters and the coefficients of this step.
pub(crate) struct Step<R: Rule<N>, const N: usize> {
    pub(crate) rule: R,
    pub(crate) coefficients: R::Coefficients,
    pub(crate) decay: DecayStep,
}

/// Takes `theta` and the state one step on. State tensors that the rule keeps and that are not there yet start from
/// zero.
///
/// # Panics
///
/// Panics if the shapes of the gradient or of a state tensor (one read from a foreign record, say) differ from the
/// parameter's.
pub(crate) fn run<R: Rule<N>, const N: usize, const D: usize>(
    step: &Step<R, N>,
    theta: Tensor<D>,
    grad: Tensor<D>,
    state: [Option<Tensor<D>>; N],
) -> (Tensor<D>, [Option<Tensor<D>>; N]) {
    assert_eq!(grad.shape(), theta.shape(), "the gradient should have its parameter's shape");
    for (name, tensor) in R::STATE.iter().zip(&state) {
        if let Some(tensor) = tensor {
            assert_eq!(tensor.shape(), theta.shape(), "the state `{name}` should have its parameter's shape");
        }
    }
    let mut keeps = step.rule.state_in_use().into_iter();
    let state = state.map(|tensor| {
        let kept = keeps.next().unwrap_or(true);
        kept.then(|| tensor.unwrap_or_else(|| tensor::zero_state(&theta)))
    });
    #[cfg(feature = "_cpu")]
    if let Some(backend) = backend::CpuBackend::of(&theta, state.iter().flatten().chain([&grad])) {
        let state = state.map(|tensor| tensor.map(any_rank));
        let fused = fused::FusedStep { step, theta: any_rank(theta), grad: any_rank(grad), state };
        let (theta, state) = backend.run(fused);
        return (of_rank(theta), state.map(|tensor| tensor.map(of_rank)));
    }
    tensor::run(step, theta, grad, state)
}
