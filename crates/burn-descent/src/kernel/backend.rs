#![allow(deprecated)] // Burn 0.22 deprecates the ndarray backend, which this crate supports for as long as it exists.

//! Which backend holds the tensors of an operation, and the way to its buffers.

use super::buffer::Buffer;
use super::lanes::Element;
use burn::backend::DispatchDevice;
#[cfg(feature = "flex")]
use burn::backend::flex::FlexTensor;
#[cfg(feature = "ndarray")]
use burn::backend::ndarray::NdArrayTensor;
use burn::tensor::{DType, Tensor};

/// An operation on the raw values of tensors, which it holds.
///
/// It is written once for every backend and precision; [`CpuBackend::run`] fills in both.
pub(super) trait Operation {
    /// What comes of it.
    type Output;

    /// Computes it on tensors of the backend whose tensor is `B`, of values `E`.
    fn run<B: Buffer<E>, E: Element>(self) -> Self::Output;
}

/// A CPU backend whose buffers this crate passes over itself, and the precision of its tensors.
#[derive(Clone, Copy)]
pub(super) enum CpuBackend {
    #[cfg(feature = "flex")]
    Flex(Precision),
    #[cfg(feature = "ndarray")]
    NdArray(Precision),
}

/// The precision of a tensor that has a pass of its own.
#[derive(Clone, Copy)]
pub(super) enum Precision {
    Single,
    Double,
}

impl CpuBackend {
    /// Returns the backend of `tensor` and `others`, if all are on one of these, in one precision, `f32` or `f64`.
    pub(super) fn of<'a, const D: usize>(
        tensor: &Tensor<D>,
        others: impl IntoIterator<Item = &'a Tensor<D>>,
    ) -> Option<Self> {
        let (device, dtype) = (tensor.device(), tensor.dtype());
        let precision = match dtype {
            DType::F32 => Precision::Single,
            DType::F64 => Precision::Double,
            _ => return None,
        };
        if !others.into_iter().all(|other| other.dtype() == dtype && other.device() == device) {
            return None;
        }
        match device.as_dispatch() {
            #[cfg(feature = "flex")]
            DispatchDevice::Flex(_) => Some(Self::Flex(precision)),
            #[cfg(feature = "ndarray")]
            DispatchDevice::NdArray(_) => Some(Self::NdArray(precision)),
            _ => None,
        }
    }

    /// Runs `operation`, whose tensors [`of`](Self::of) has accepted.
    pub(super) fn run<O: Operation>(self, operation: O) -> O::Output {
        match self {
            #[cfg(feature = "flex")]
            Self::Flex(Precision::Single) => operation.run::<FlexTensor, f32>(),
            #[cfg(feature = "flex")]
            Self::Flex(Precision::Double) => operation.run::<FlexTensor, f64>(),
            #[cfg(feature = "ndarray")]
            Self::NdArray(Precision::Single) => operation.run::<NdArrayTensor, f32>(),
            #[cfg(feature = "ndarray")]
            Self::NdArray(Precision::Double) => operation.run::<NdArrayTensor, f64>(),
        }
    }
}

/// Implements the way from a dispatched tensor to a backend's own and back, for [`Buffer`].
macro_rules! dispatched {
    ($variant:ident) => {
        fn from_tensor(tensor: $crate::kernel::AnyRank) -> Self {
            use burn::backend::{BackendTensor, DispatchTensorKind};
            match tensor.into_dispatch().kind {
                DispatchTensorKind::$variant(BackendTensor::Float(tensor)) => tensor,
                _ => unreachable!("the backend was checked"),
            }
        }

        fn into_tensor(self) -> $crate::kernel::AnyRank {
            use burn::backend::{BackendTensor, DispatchAutodiffContext, DispatchTensor, DispatchTensorKind};
            $crate::kernel::AnyRank::from_dispatch(DispatchTensor {
                kind: DispatchTensorKind::$variant(BackendTensor::Float(self)),
                autodiff: DispatchAutodiffContext::Disabled,
            })
        }
    };
}
pub(super) use dispatched;
