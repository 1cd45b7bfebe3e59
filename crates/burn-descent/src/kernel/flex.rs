use super::backend::dispatched;
use super::buffer::Buffer;
use super::lanes::Element;
use burn::backend::TensorMetadata;
use burn::backend::flex::FlexTensor;
use burn::tensor::{Shape, TensorData};

// SAFETY: Burn's storage holds as many values as a contiguous tensor's shape, in row-major order.
unsafe impl<E: Element> Buffer<E> for FlexTensor {
    dispatched!(Flex);

    fn shape(&self) -> Shape {
        TensorMetadata::shape(self)
    }

    fn contiguous(self) -> Self {
        match self.as_slice::<E>() {
            Some(values) if values.len() == self.storage::<E>().len() => self,
            _ => self.to_contiguous(),
        }
    }

    fn pointer(&self) -> *const E {
        self.storage::<E>().as_ptr()
    }

    fn unique_pointer(&mut self) -> Option<*mut E> {
        self.try_storage_mut::<E>().map(<[E]>::as_mut_ptr)
    }

    fn owned_pointer(&mut self) -> *mut E {
        self.storage_mut::<E>().as_mut_ptr()
    }

    fn from_vec(values: Vec<E>, shape: Shape) -> Self {
        FlexTensor::from_data(TensorData::new(values, shape))
    }
}
