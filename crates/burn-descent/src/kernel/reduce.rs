//! Sums over the values of a tensor, and their maximum, that stay on its device.

#[cfg(feature = "_cpu")]
use super::backend::{CpuBackend, Operation};
#[cfg(feature = "_cpu")]
use super::buffer::Buffer;
#[cfg(feature = "_cpu")]
use super::{AnyRank, any_rank, lanes};
#[cfg(feature = "_cpu")]
use burn::tensor::{DType, Element};
use burn::tensor::{FloatDType, Tensor};
#[cfg(feature = "_cpu")]
use std::marker::PhantomData;
#[cfg(feature = "_cpu")]
use std::ops::Mul;

/// What [`reduce`] sums up.
pub(crate) trait Reduction {
    /// The sum over values that the host has.
    #[cfg(feature = "_cpu")]
    fn of_values<E: Element + Mul<Output = E> + PartialEq>(values: &[E]) -> f64;

    /// The sum over a tensor in `f32` or `f64`, as a tensor operation.
    fn of_tensor<const D: usize>(tensor: Tensor<D>) -> Tensor<1>;

    /// What the results of two parts come to.
    #[cfg(feature = "_cpu")]
    fn join(one: f64, other: f64) -> f64 {
        one + other
    }

    /// The same of results that are on a device.
    fn join_tensors(one: Tensor<1>, other: Tensor<1>) -> Tensor<1> {
        one + other
    }
}

/// `Σx²`.
pub(crate) struct SquareSum;

/// `Σ|x|`.
pub(crate) struct AbsoluteSum;

/// `max|x|`, and NaN if a value is.
pub(crate) struct AbsoluteMaximum;

/// How many values are NaN or infinite.
pub(crate) struct NonFiniteCount;

impl Reduction for SquareSum {
    #[cfg(feature = "_cpu")]
    fn of_values<E: Element + Mul<Output = E> + PartialEq>(values: &[E]) -> f64 {
        // Independent sums, so that the compiler can fill registers with them.
        const SUMS: usize = 16;
        let chunks = values.chunks_exact(SUMS);
        let rest: f64 = chunks.remainder().iter().map(|value| value.elem::<f64>().powi(2)).sum();
        let mut sums = [0.0; SUMS];
        for chunk in chunks {
            for (sum, value) in sums.iter_mut().zip(chunk) {
                let value: f64 = value.elem();
                *sum += value * value;
            }
        }
        sums.iter().sum::<f64>() + rest
    }

    fn of_tensor<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
        tensor.square().sum()
    }
}

impl Reduction for AbsoluteSum {
    #[cfg(feature = "_cpu")]
    fn of_values<E: Element + Mul<Output = E> + PartialEq>(values: &[E]) -> f64 {
        values.iter().map(|value| value.elem::<f64>().abs()).sum()
    }

    fn of_tensor<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
        tensor.abs().sum()
    }
}

impl Reduction for AbsoluteMaximum {
    #[cfg(feature = "_cpu")]
    fn of_values<E: Element + Mul<Output = E> + PartialEq>(values: &[E]) -> f64 {
        values.iter().fold(0.0, |largest, value| Self::join(largest, value.elem::<f64>().abs()))
    }

    fn of_tensor<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
        let (device, dtype) = (tensor.device(), tensor.dtype());
        if tensor.shape().num_elements() == 0 {
            return Tensor::zeros([1], (&device, dtype));
        }
        // Whether a maximum keeps NaN differs between backends.
        let nan = tensor.clone().is_nan().any();
        tensor.abs().max().mask_fill(nan, f64::NAN)
    }

    #[cfg(feature = "_cpu")]
    fn join(one: f64, other: f64) -> f64 {
        if one.is_nan() || one > other { one } else { other }
    }

    fn join_tensors(one: Tensor<1>, other: Tensor<1>) -> Tensor<1> {
        let nan = one.clone().is_nan().bool_or(other.clone().is_nan());
        let larger = one.clone().greater(other.clone());
        other.mask_where(larger, one).mask_fill(nan, f64::NAN)
    }
}

impl Reduction for NonFiniteCount {
    #[cfg(feature = "_cpu")]
    fn of_values<E: Element + Mul<Output = E> + PartialEq>(values: &[E]) -> f64 {
        let zero = E::from_elem(0.0);
        let mut count = 0_u32;
        for value in values {
            // 0 times x is 0, or NaN if x is not finite.
            count += u32::from(*value * zero != zero);
        }
        f64::from(count)
    }

    fn of_tensor<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
        let dtype = FloatDType::from(tensor.dtype());
        tensor.is_finite().bool_not().float().sum().cast(dtype)
    }
}

/// The sum over all values of `tensor`, in its precision but for half precision, which is summed in `f32`.
pub(crate) fn reduce<R: Reduction, const D: usize>(tensor: &Tensor<D>) -> Tensor<1> {
    #[cfg(feature = "_cpu")]
    if let Some(backend) = CpuBackend::of(tensor, []) {
        let sum = backend.run(Sum::<R> { tensor: any_rank(tensor.clone()), of: PhantomData });
        return Tensor::from_data([sum], (&tensor.device(), DType::F64));
    }
    R::of_tensor(tensor.clone().cast(FloatDType::from(super::working_dtype(tensor.dtype()))))
}

/// The only value of `scalar` if the host has it, so that reading it makes no device wait.
pub(crate) fn at_hand(scalar: &Tensor<1>) -> Option<f64> {
    #[cfg(feature = "_cpu")]
    if CpuBackend::of(scalar, []).is_some() {
        return Some(scalar.clone().into_scalar());
    }
    let _ = scalar;
    None
}

/// The sum over a tensor's values.
#[cfg(feature = "_cpu")]
struct Sum<R> {
    tensor: AnyRank,
    of: PhantomData<R>,
}

#[cfg(feature = "_cpu")]
impl<R: Reduction> Operation for Sum<R> {
    type Output = f64;

    fn run<B: Buffer<E>, E: lanes::Element>(self) -> f64 {
        reduce_values::<R, E>(B::from_tensor(self.tensor).contiguous().values())
    }
}

/// Sums pieces of `values`, on all threads; the number of threads does not change the result.
#[cfg(feature = "_cpu")]
fn reduce_values<R: Reduction, E: Element + Mul<Output = E> + PartialEq>(values: &[E]) -> f64 {
    use rayon::prelude::*;
    const PIECE: usize = 64 * 1024;
    let of_piece = |piece: &[E]| pulp::Arch::new().dispatch(|| R::of_values(piece));
    if values.len() <= PIECE {
        return of_piece(values);
    }
    let parts: Vec<f64> = values.par_chunks(PIECE).map(of_piece).collect();
    parts.into_iter().reduce(R::join).unwrap_or_default()
}
