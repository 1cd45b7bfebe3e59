//! Values that the host draws, added to a tensor: in the tensor's own buffer where the backend allows.

#[cfg(feature = "_cpu")]
use super::backend::{CpuBackend, Operation};
#[cfg(feature = "_cpu")]
use super::buffer::Buffer;
#[cfg(feature = "_cpu")]
use super::{AnyRank, any_rank, lanes, of_rank};
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
    #[cfg(feature = "_cpu")]
    if let Some(backend) = CpuBackend::of(&tensor, []) {
        return of_rank(backend.run(Add { tensor: any_rank(tensor), addend }));
    }
    match tensor.dtype() {
        DType::F64 => add_drawn::<f64, D>(tensor, addend),
        _ => add_drawn::<f32, D>(tensor, addend),
    }
}

/// The sum, in the tensor's own buffer unless another tensor shares that.
#[cfg(feature = "_cpu")]
struct Add<'a, A> {
    tensor: AnyRank,
    addend: &'a A,
}

#[cfg(feature = "_cpu")]
impl<A: Addend> Operation for Add<'_, A> {
    type Output = AnyRank;

    fn run<B: Buffer<E>, E: lanes::Element>(self) -> AnyRank {
        B::from_tensor(self.tensor).changed(|values| add_to_values(values, self.addend)).into_tensor()
    }
}

fn add_drawn<E: Element + AddAssign, const D: usize>(tensor: Tensor<D>, addend: &impl Addend) -> Tensor<D> {
    let mut values = vec![E::from_elem(0.0); tensor.shape().num_elements()];
    add_to_values(&mut values, addend);
    let drawn = TensorData::new(values, tensor.shape());
    let options = (&tensor.device(), tensor.dtype());
    tensor + Tensor::from_data(drawn, options)
}

fn add_to_values<E: Element + AddAssign, A: Addend>(values: &mut [E], addend: &A) {
    #[cfg(feature = "_cpu")]
    {
        use rayon::prelude::*;
        let pieces = values.par_chunks_mut(A::PIECE).enumerate();
        pieces.for_each(|(piece, values)| addend.add_to(piece, values));
    }
    #[cfg(not(feature = "_cpu"))]
    for (piece, values) in values.chunks_mut(A::PIECE).enumerate() {
        addend.add_to(piece, values);
    }
}
