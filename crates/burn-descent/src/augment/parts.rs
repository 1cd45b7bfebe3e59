//! Work on one image after the other.

/// Does `change` to every `len` values with the thing of `things` that belongs to them. Where there is a CPU backend this
/// runs on all threads.
pub(super) fn each_part<T: Sync>(values: &mut [f32], len: usize, things: &[T], change: impl Fn(&mut [f32], &T) + Sync) {
    #[cfg(feature = "_cpu")]
    {
        use rayon::prelude::*;
        values.par_chunks_mut(len).zip(things).for_each(|(part, thing)| change(part, thing));
    }
    #[cfg(not(feature = "_cpu"))]
    values.chunks_mut(len).zip(things).for_each(|(part, thing)| change(part, thing));
}
