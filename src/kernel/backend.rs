#![allow(deprecated)] // Burn 0.22 deprecates the ndarray backend, which this crate supports for as long as it exists.

//! Which backend holds the tensors of a step, and the way to its buffers.

use super::Step;
use super::fused;
use crate::rule::Rule;
use burn::backend::{BackendTensor, DispatchAutodiffContext, DispatchDevice, DispatchTensor, DispatchTensorKind};
use burn::tensor::{DType, Tensor};

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
        macro_rules! run_on {
            ($backend:ident) => {{
                let dtype = theta.dtype();
                let primitive = |tensor: Tensor<D>| match tensor.into_dispatch().kind {
                    DispatchTensorKind::$backend(BackendTensor::Float(tensor)) => tensor,
                    _ => unreachable!("the backend was checked"),
                };
                let state = state.map(|tensor| tensor.map(primitive));
                let (theta, grad) = (primitive(theta), primitive(grad));
                let (theta, state) = match dtype {
                    DType::F64 => fused::run::<_, f64, R, N>(step, theta, grad, state),
                    _ => fused::run::<_, f32, R, N>(step, theta, grad, state),
                };
                let tensor = |tensor| {
                    Tensor::from_dispatch(DispatchTensor {
                        kind: DispatchTensorKind::$backend(BackendTensor::Float(tensor)),
                        autodiff: DispatchAutodiffContext::Disabled,
                    })
                };
                (tensor(theta), state.map(|state| state.map(tensor)))
            }};
        }
        match self {
            #[cfg(feature = "flex")]
            Self::Flex => run_on!(Flex),
            #[cfg(feature = "ndarray")]
            Self::NdArray => run_on!(NdArray),
        }
    }
}
