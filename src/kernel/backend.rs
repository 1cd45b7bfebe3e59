#![allow(deprecated)] // Burn 0.22 deprecates the ndarray backend, which this crate supports for as long as it exists.

//! Which backend holds the tensors of a step, and the way to its buffers.

use super::add::{Addend, add_to_values};
use super::buffer::Buffer;
use super::clip::clip_values;
use super::reduce::{Reduction, reduce_values};
use super::{Step, fused};
use crate::rule::Rule;
use burn::backend::{BackendTensor, DispatchAutodiffContext, DispatchDevice, DispatchTensor, DispatchTensorKind};
use burn::tensor::{DType, Tensor};

/// Evaluates an expression with the way from a dispatched tensor to the backend's own primitive and the way back.
macro_rules! on_primitives {
    ($backend:expr, |$primitive:ident, $tensor:ident| $body:expr) => {{
        macro_rules! on {
            ($variant:ident) => {{
                let $primitive = |tensor: DispatchTensor| match tensor.kind {
                    DispatchTensorKind::$variant(BackendTensor::Float(tensor)) => tensor,
                    _ => unreachable!("the backend was checked"),
                };
                let $tensor = |tensor| DispatchTensor {
                    kind: DispatchTensorKind::$variant(BackendTensor::Float(tensor)),
                    autodiff: DispatchAutodiffContext::Disabled,
                };
                $body
            }};
        }
        match $backend {
            #[cfg(feature = "flex")]
            Self::Flex => on!(Flex),
            #[cfg(feature = "ndarray")]
            Self::NdArray => on!(NdArray),
        }
    }};
}

/// A backend with fused passes.
#[derive(Clone, Copy)]
pub(super) enum FusedBackend {
    #[cfg(feature = "flex")]
    Flex,
    #[cfg(feature = "ndarray")]
    NdArray,
}

impl FusedBackend {
    /// The backend that can run a fused pass over these tensors, if they are all on one that has them, in one
    /// precision, `f32` or `f64`.
    pub(super) fn of<const N: usize, const D: usize>(
        theta: &Tensor<D>,
        grad: &Tensor<D>,
        state: &[Option<Tensor<D>>; N],
    ) -> Option<Self> {
        let (device, dtype) = (theta.device(), theta.dtype());
        let mut others = state.iter().flatten().chain([grad]);
        if !matches!(dtype, DType::F32 | DType::F64)
            || !others.all(|tensor| tensor.dtype() == dtype && tensor.device() == device)
        {
            return None;
        }
        match device.as_dispatch() {
            #[cfg(feature = "flex")]
            DispatchDevice::Flex(_) => Some(Self::Flex),
            #[cfg(feature = "ndarray")]
            DispatchDevice::NdArray(_) => Some(Self::NdArray),
            _ => None,
        }
    }

    /// Runs `step` as one fused pass over tensors that [`of`](Self::of) has accepted.
    pub(super) fn run<R: Rule<N>, const N: usize, const D: usize>(
        self,
        step: &Step<R, N>,
        theta: Tensor<D>,
        grad: Tensor<D>,
        state: [Option<Tensor<D>>; N],
    ) -> (Tensor<D>, [Option<Tensor<D>>; N]) {
        let dtype = theta.dtype();
        let state = state.map(|state| state.map(Tensor::into_dispatch));
        let (theta, state) = self.run_on_any_rank(step, dtype, theta.into_dispatch(), grad.into_dispatch(), state);
        (Tensor::from_dispatch(theta), state.map(|state| state.map(Tensor::from_dispatch)))
    }

    /// The part of [`run`](Self::run) that is compiled once a rule, not once a rank.
    fn run_on_any_rank<R: Rule<N>, const N: usize>(
        self,
        step: &Step<R, N>,
        dtype: DType,
        theta: DispatchTensor,
        grad: DispatchTensor,
        state: [Option<DispatchTensor>; N],
    ) -> (DispatchTensor, [Option<DispatchTensor>; N]) {
        on_primitives!(self, |primitive, tensor| {
            let state = state.map(|state| state.map(primitive));
            let (theta, grad) = (primitive(theta), primitive(grad));
            let (theta, state) = match dtype {
                DType::F64 => fused::run::<_, f64, R, N>(step, theta, grad, state),
                _ => fused::run::<_, f32, R, N>(step, theta, grad, state),
            };
            (tensor(theta), state.map(|state| state.map(tensor)))
        })
    }

    /// Clips the values of a tensor that [`of`](Self::of) has accepted, in its own buffer unless another tensor shares that.
    pub(super) fn clip<const D: usize>(self, clipped: Tensor<D>, limit: f64) -> Tensor<D> {
        on_primitives!(self, |primitive, tensor| {
            let dtype = clipped.dtype();
            let clipped = primitive(clipped.into_dispatch());
            Tensor::from_dispatch(tensor(match dtype {
                DType::F64 => changed(clipped, |values: &mut [f64]| clip_values(values, limit)),
                _ => changed(clipped, |values: &mut [f32]| clip_values(values, limit)),
            }))
        })
    }

    /// Sums over a tensor that [`of`](Self::of) has accepted.
    pub(super) fn reduce<R: Reduction, const D: usize>(self, of: Tensor<D>) -> f64 {
        on_primitives!(self, |primitive, _tensor| {
            let dtype = of.dtype();
            let of = primitive(of.into_dispatch());
            match dtype {
                DType::F64 => reduce_values::<R, f64>(Buffer::<f64>::contiguous(of).values()),
                _ => reduce_values::<R, f32>(Buffer::<f32>::contiguous(of).values()),
            }
        })
    }

    /// Adds to a tensor that [`of`](Self::of) has accepted, in its own buffer unless another tensor shares that.
    pub(super) fn add<const D: usize>(self, to: Tensor<D>, addend: &impl Addend) -> Tensor<D> {
        on_primitives!(self, |primitive, tensor| {
            let dtype = to.dtype();
            let to = primitive(to.into_dispatch());
            Tensor::from_dispatch(tensor(match dtype {
                DType::F64 => changed(to, |values: &mut [f64]| add_to_values(values, addend)),
                _ => changed(to, |values: &mut [f32]| add_to_values(values, addend)),
            }))
        })
    }
}

/// The buffer, or a copy where another tensor shares it, with its values changed.
fn changed<B: Buffer<E>, E>(buffer: B, change: impl FnOnce(&mut [E])) -> B {
    let mut buffer = buffer.contiguous();
    change(buffer.values_mut());
    buffer
}
