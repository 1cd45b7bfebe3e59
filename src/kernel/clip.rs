//! Clipping of each value: in the tensor's own buffer where the backend allows.

use burn::tensor::Tensor;

/// `min(max(x, −limit), limit)` for each value; NaN stays NaN.
pub(crate) fn clip<const D: usize>(tensor: Tensor<D>, limit: f64) -> Tensor<D> {
    #[cfg(any(feature = "flex", feature = "ndarray"))]
    if let Some(backend) = super::backend::FusedBackend::of(&tensor, &tensor, &[]) {
        return backend.clip(tensor, limit);
    }
    clip_tensor(tensor, limit)
}

/// Not `clamp`: whether that keeps NaN differs between backends.
pub(super) fn clip_tensor<const D: usize>(tensor: Tensor<D>, limit: f64) -> Tensor<D> {
    let (above, below) = (tensor.clone().greater_scalar(limit), tensor.clone().lower_scalar(-limit));
    tensor.mask_fill(above, limit).mask_fill(below, -limit)
}

#[cfg(any(feature = "flex", feature = "ndarray"))]
pub(super) fn clip_values<E: burn::tensor::Element + PartialOrd>(values: &mut [E], limit: f64) {
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
