//! Clipping of each value: in the tensor's own buffer where the backend allows.

#[cfg(feature = "_cpu")]
use super::backend::{CpuBackend, Operation};
#[cfg(feature = "_cpu")]
use super::buffer::Buffer;
#[cfg(feature = "_cpu")]
use super::{AnyRank, any_rank, lanes, of_rank};
use burn::tensor::Tensor;

/// `min(max(x, −limit), limit)` for each value; NaN stays NaN.
pub(crate) fn clip<const D: usize>(tensor: Tensor<D>, limit: f64) -> Tensor<D> {
    #[cfg(feature = "_cpu")]
    if let Some(backend) = CpuBackend::of(&tensor, []) {
        return of_rank(backend.run(Clip { tensor: any_rank(tensor), limit }));
    }
    clip_tensor(tensor, limit)
}

/// Not `clamp`: whether that keeps NaN differs between backends.
fn clip_tensor<const D: usize>(tensor: Tensor<D>, limit: f64) -> Tensor<D> {
    let (above, below) = (tensor.clone().greater_scalar(limit), tensor.clone().lower_scalar(-limit));
    tensor.mask_fill(above, limit).mask_fill(below, -limit)
}

/// The clipped tensor, in its own buffer unless another tensor shares that.
#[cfg(feature = "_cpu")]
struct Clip {
    tensor: AnyRank,
    limit: f64,
}

#[cfg(feature = "_cpu")]
impl Operation for Clip {
    type Output = AnyRank;

    fn run<B: Buffer<E>, E: lanes::Element>(self) -> AnyRank {
        B::from_tensor(self.tensor).changed(|values| clip_values(values, self.limit)).into_tensor()
    }
}

#[cfg(feature = "_cpu")]
fn clip_values<E: burn::tensor::Element + PartialOrd>(values: &mut [E], limit: f64) {
    use burn::tensor::ElementConversion;
    use rayon::prelude::*;
    const PIECE: usize = 64 * 1024;
    let (low, high): (E, E) = ((-limit).elem(), limit.elem());
    values.par_chunks_mut(PIECE).for_each(|piece| {
        pulp::Arch::new().dispatch(|| {
            for value in piece {
                let x = if *value > high { high } else { *value };
                *value = if x < low { low } else { x };
            }
        });
    });
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use burn::tensor::{DType, Device};

    #[test]
    fn every_way_of_clipping_gives_the_same() {
        let values = [0.0, -0.0, 0.5, -0.5, 0.6, -7.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 1e-30];
        let expected = [0.0, -0.0, 0.5, -0.5, 0.5, -0.5, 0.5, -0.5, f64::NAN, 1e-30];
        for dtype in [DType::F32, DType::F64] {
            let tensor = Tensor::<1>::from_data(values, (&Device::flex(), dtype));
            for found in [clip(tensor.clone(), 0.5), clip_tensor(tensor, 0.5)] {
                let found = found.into_data().convert::<f32>();
                let bits = |value: f32| if value.is_nan() { 0 } else { value.to_bits() };
                assert!(
                    found.iter::<f32>().zip(expected).all(|(x, y)| bits(x) == bits(y as f32)),
                    "{dtype:?}: {found}"
                );
            }
        }
    }
}
