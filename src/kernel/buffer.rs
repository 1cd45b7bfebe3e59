use burn::tensor::Shape;

/// A backend's tensor, as far as a pass over its raw values needs to know it.
pub(crate) trait Buffer<E>: Sized {
    fn shape(&self) -> Shape;

    /// The same tensor, its values in row-major order and with nothing before or after them.
    fn contiguous(self) -> Self;

    fn pointer(&self) -> *const E;

    /// Write access, if no other tensor shares the values.
    fn unique_pointer(&mut self) -> Option<*mut E>;

    /// Write access, to a copy where another tensor shares the values.
    fn owned_pointer(&mut self) -> *mut E;

    fn from_vec(values: Vec<E>, shape: Shape) -> Self;

    /// The values of a [`contiguous`](Self::contiguous) tensor.
    fn values(&self) -> &[E] {
        // SAFETY: a contiguous tensor's pointer is valid for as many values as its shape holds.
        unsafe { std::slice::from_raw_parts(self.pointer(), self.shape().num_elements()) }
    }

    /// Write access to the values of a [`contiguous`](Self::contiguous) tensor, to a copy where another tensor shares
    /// them.
    fn values_mut(&mut self) -> &mut [E] {
        let len = self.shape().num_elements();
        // SAFETY: a contiguous tensor's pointer is valid for as many values as its shape holds, and this one owns them.
        unsafe { std::slice::from_raw_parts_mut(self.owned_pointer(), len) }
    }
}
