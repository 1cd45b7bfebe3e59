//! Values that the host draws, added to a tensor: in the tensor's own buffer where the backend allows.

use burn::tensor::{DType, Element, Tensor, TensorData};
use std::ops::AddAssign;

/// What [`add`] adds.
pub(crate) trait Addend: Sync {
    /// As many values as one piece has, the last one excepted. Pieces are independent, so that threads can share the
    /// work without changing the result.
    const PIECE: usize;

    /// Adds to `values`, the piece number `piece` of a tensor's values in row-major order.
    fn add_to<E: Element + AddAssign>(&self, piece: usize, values: &mut [E]);
}

/// Adds `addend` to every value of `tensor`.
pub(crate) fn add<const D: usize>(tensor: Tensor<D>, addend: &impl Addend) -> Tensor<D> {
    #[cfg(any(feature = "flex", feature = "ndarray"))]
    if let Some(backend) = super::backend::FusedBackend::of(&tensor, &tensor, &[]) {
        return backend.add(tensor, addend);
    }
    match tensor.dtype() {
        DType::F64 => add_drawn::<f64, D>(tensor, addend),
        _ => add_drawn::<f32, D>(tensor, addend),
    }
}

fn add_drawn<E: Element + AddAssign, const D: usize>(tensor: Tensor<D>, addend: &impl Addend) -> Tensor<D> {
    let mut values = vec![E::from_elem(0.0); tensor.shape().num_elements()];
    add_to_values(&mut values, addend);
    let drawn = TensorData::new(values, tensor.shape());
    let options = (&tensor.device(), tensor.dtype());
    tensor + Tensor::from_data(drawn, options)
}

pub(super) fn add_to_values<E: Element + AddAssign, A: Addend>(values: &mut [E], addend: &A) {
    #[cfg(any(feature = "flex", feature = "ndarray"))]
    {
        use rayon::prelude::*;
        let pieces = values.par_chunks_mut(A::PIECE).enumerate();
        pieces.for_each(|(piece, values)| addend.add_to(piece, values));
    }
    #[cfg(not(any(feature = "flex", feature = "ndarray")))]
    for (piece, values) in values.chunks_mut(A::PIECE).enumerate() {
        addend.add_to(piece, values);
    }
}
