#![allow(deprecated)] // Burn 0.22 deprecates the ndarray backend, which this crate supports for as long as it exists.

use super::backend::dispatched;
use super::buffer::Buffer;
use burn::backend::TensorMetadata;
use burn::backend::ndarray::NdArrayTensor;
use burn::tensor::{Shape, TensorData};

macro_rules! buffer {
    ($element:ty, $variant:ident) => {
        // SAFETY: a view in standard layout has its values in row-major order, from its pointer on.
        unsafe impl Buffer<$element> for NdArrayTensor {
            dispatched!(NdArray);

            fn shape(&self) -> Shape {
                TensorMetadata::shape(self)
            }

            fn contiguous(self) -> Self {
                match self {
                    Self::$variant(storage) if !storage.view().is_standard_layout() => {
                        let values = storage.view().iter().copied().collect::<Vec<_>>();
                        Self::from_data(TensorData::new(values, storage.shape().to_vec()))
                    }
                    tensor => tensor,
                }
            }

            fn pointer(&self) -> *const $element {
                match self {
                    Self::$variant(storage) => storage.view().as_ptr(),
                    _ => unreachable!("the element type was checked"),
                }
            }

            fn unique_pointer(&mut self) -> Option<*mut $element> {
                match self {
                    Self::$variant(storage) if storage.is_unique() => Some(storage.ensure_owned().as_mut_ptr()),
                    _ => None,
                }
            }

            fn owned_pointer(&mut self) -> *mut $element {
                match self {
                    Self::$variant(storage) => storage.ensure_owned().as_mut_ptr(),
                    _ => unreachable!("the element type was checked"),
                }
            }

            fn from_vec(values: Vec<$element>, shape: Shape) -> Self {
                Self::from_data(TensorData::new(values, shape))
            }
        }
    };
}

buffer!(f32, F32);
buffer!(f64, F64);
