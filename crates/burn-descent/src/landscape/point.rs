//! Some numbers as a module that Burn trains.

use burn::module::{Module, Param};
use burn::optim::GradientsParams;
use burn::tensor::{DType, Device, Tensor, TensorData};

/// A parameter of some values in double precision.
#[derive(Module, Debug)]
pub(super) struct Point {
    position: Param<Tensor<1>>,
}

impl Point {
    /// A point on a device with autodiff.
    pub(super) fn new(coordinates: &[f64], device: &Device) -> Self {
        Self { position: Param::from_tensor(tensor(coordinates, device)) }
    }

    pub(super) fn coordinates(&self) -> Vec<f64> {
        self.position.val().into_data().convert::<f64>().try_into_vec().unwrap_or_default()
    }

    /// The first two coordinates.
    pub(super) fn plane(&self) -> [f64; 2] {
        let coordinates = self.coordinates();
        [0, 1].map(|index| coordinates.get(index).copied().unwrap_or(f64::NAN))
    }

    /// What an optimizer gets for this gradient.
    pub(super) fn gradients(&self, gradient: &[f64]) -> GradientsParams {
        let mut gradients = GradientsParams::new();
        gradients.register(self.position.id, tensor(gradient, &self.position.device().inner()));
        gradients
    }

    /// The point with each coordinate brought back between these.
    pub(super) fn clamped(mut self, least: f64, most: f64) -> Self {
        self.position = self.position.map(|position| position.clamp(least, most).detach().require_grad());
        self
    }
}

fn tensor(values: &[f64], device: &Device) -> Tensor<1> {
    Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), (device, DType::F64))
}
