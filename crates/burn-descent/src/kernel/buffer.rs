use super::AnyRank;
use burn::tensor::Shape;

/// A backend's own tensor of values `E`, as far as a pass over its raw values needs to know it.
///
/// This is the only place where this crate touches the memory of a backend. To add a backend with passes of its own,
/// implement this trait for its tensor (one file, as `flex.rs`) and add a line to [`CpuBackend`](super::CpuBackend).
///
/// # Safety
///
/// The pointers of a [`contiguous`](Self::contiguous) tensor are valid for as many values as its shape holds, in
/// row-major order.
pub(crate) unsafe trait Buffer<E>: Sized {
    /// Unwraps the tensor that Burn dispatches on its device.
    ///
    /// # Panics
    ///
    /// Panics if the tensor is on another backend.
    fn from_tensor(tensor: AnyRank) -> Self;

    /// Wraps the tensor as Burn dispatches it.
    fn into_tensor(self) -> AnyRank;

    /// Returns the shape.
    fn shape(&self) -> Shape;

    /// Returns the same tensor with its values in row-major order and with nothing before or after them.
    fn contiguous(self) -> Self;

    /// Returns the place of the first value.
    fn pointer(&self) -> *const E;

    /// Gives write access, if no other tensor shares the values.
    fn unique_pointer(&mut self) -> Option<*mut E>;

    /// Gives write access, to a copy where another tensor shares the values.
    fn owned_pointer(&mut self) -> *mut E;

    /// Makes a contiguous tensor of `values`.
    fn from_vec(values: Vec<E>, shape: Shape) -> Self;

    /// Returns the values of a [`contiguous`](Self::contiguous) tensor.
    fn values(&self) -> &[E] {
        // SAFETY: a contiguous tensor's pointer is valid for as many values as its shape holds.
        unsafe { std::slice::from_raw_parts(self.pointer(), self.shape().num_elements()) }
    }

    /// Gives write access to the values of a [`contiguous`](Self::contiguous) tensor, to a copy where another tensor
    /// shares them.
    fn values_mut(&mut self) -> &mut [E] {
        let len = self.shape().num_elements();
        // SAFETY: a contiguous tensor's pointer is valid for as many values as its shape holds, and this one owns them.
        unsafe { std::slice::from_raw_parts_mut(self.owned_pointer(), len) }
    }

    /// Changes the values in their own place, or in a copy where another tensor shares them.
    fn changed(self, change: impl FnOnce(&mut [E])) -> Self {
        let mut buffer = self.contiguous();
        change(buffer.values_mut());
        buffer
    }
}
