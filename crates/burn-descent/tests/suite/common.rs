//! What several test files share: the backends under test, and a parameter that takes optimizer steps.
#![allow(dead_code)]
#![allow(deprecated)] // Burn 0.22 deprecates the ndarray backend.

use burn::module::Param;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{DType, Device, Tensor, TensorData};

/// The CPU backends that are compiled in.
pub fn cpu_devices() -> Vec<(&'static str, Device)> {
    vec![
        #[cfg(feature = "flex")]
        ("flex", Device::flex()),
        #[cfg(feature = "ndarray")]
        ("ndarray", Device::ndarray()),
    ]
}

/// The wgpu device, software or hardware, if the feature is on.
#[cfg(feature = "wgpu")]
pub fn wgpu_device() -> Device {
    Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)
}

/// One parameter and its optimizer.
pub struct Trainee<const D: usize> {
    pub param: Param<Tensor<D>>,
    pub optimizer: ModuleOptimizer,
}

impl<const D: usize> Trainee<D> {
    pub fn new(optimizer: ModuleOptimizer, theta: Tensor<D>) -> Self {
        Self { param: Param::from_tensor(Tensor::from_inner(theta)), optimizer }
    }

    /// One step while a clone of the parameter lives on, as in Burn's `Learner`.
    pub fn step(&mut self, lr: f64, gradient: Tensor<D>) {
        self.param = advance(&mut self.optimizer, self.param.clone(), lr, gradient);
    }

    pub fn values(&self) -> Vec<f64> {
        values(&self.param.val())
    }
}

/// One optimizer step of a parameter that is given away.
pub fn advance<const D: usize>(
    optimizer: &mut ModuleOptimizer,
    param: Param<Tensor<D>>,
    lr: f64,
    gradient: Tensor<D>,
) -> Param<Tensor<D>> {
    let mut gradients = GradientsParams::new();
    gradients.register(param.id, gradient);
    optimizer.step(lr, param, gradients)
}

/// A tensor's values as `f64`, whatever its precision.
pub fn values<const D: usize>(tensor: &Tensor<D>) -> Vec<f64> {
    tensor.to_data().convert::<f64>().try_into_vec().expect("values convert to f64")
}

/// Numbers of both signs between 0.001 and 3, in no order. Another seed gives others.
pub fn scattered(len: usize, seed: usize) -> Vec<f64> {
    let value = |index: usize| {
        let number = (index * 7919 + seed * 104_729 + index * index * 31) % 2003;
        let magnitude = 0.001 + 3.0 * (number as f64) / 2003.0;
        if (number + index).is_multiple_of(2) { magnitude } else { -magnitude }
    };
    (0..len).map(value).collect()
}

/// Whether all values agree bit by bit; NaN agrees with NaN.
pub fn same_bits(x: &[f64], y: &[f64]) -> bool {
    x.len() == y.len() && x.iter().zip(y).all(|(x, y)| x.to_bits() == y.to_bits() || (x.is_nan() && y.is_nan()))
}

/// A tensor of rank 1.
pub fn vector(values: &[f64], device: &Device, dtype: DType) -> Tensor<1> {
    Tensor::from_data(TensorData::from(values), (device, dtype))
}

/// A tensor of any rank.
pub fn tensor<const D: usize>(values: &[f64], shape: [usize; D], device: &Device, dtype: DType) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), (device, dtype))
}

/// `|x − y| / max(1, |y|)`, the largest over all values; infinite where only one is not a number.
pub fn deviation(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let one = |(x, y): (&f64, &f64)| match (x.is_nan(), y.is_nan()) {
        (true, true) => 0.0,
        (false, false) if x == y => 0.0,
        (false, false) => (x - y).abs() / y.abs().max(1.0),
        _ => f64::INFINITY,
    };
    found.iter().zip(expected).map(one).fold(0.0, f64::max)
}
