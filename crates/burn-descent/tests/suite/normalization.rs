//! The fast batch normalization against Burn's: outputs, gradients and running statistics.

use crate::common::{cpu_devices, scattered, tensor, values};
use burn::module::{Module, Param};
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::{DType, Device, Tensor};
use burn_descent::nn::normalize;

type Forward = fn(&BatchNorm, Tensor<4>) -> Tensor<4>;

fn burns_own(layer: &BatchNorm, images: Tensor<4>) -> Tensor<4> {
    layer.forward(images)
}

/// A layer whose γ and β differ from channel to channel, as on every backend.
fn layer(channels: usize, device: &Device, dtype: DType) -> BatchNorm {
    let mut layer = BatchNormConfig::new(channels).with_epsilon(1e-3).with_momentum(0.3).init(device);
    layer.gamma = Param::from_tensor(tensor(&scattered(channels, 1), [channels], device, dtype));
    layer.beta = Param::from_tensor(tensor(&scattered(channels, 2), [channels], device, dtype));
    layer.running_mean.update(tensor(&scattered(channels, 3), [channels], device, dtype));
    layer.running_var.update(Tensor::ones([channels], (device, dtype)));
    layer
}

/// What two training steps see, the second by the running statistics that the first left.
fn see(
    forward: Forward,
    view: fn(Tensor<4>) -> Tensor<4>,
    shape: [usize; 4],
    device: &Device,
    dtype: DType,
) -> Vec<(&'static str, Vec<f64>)> {
    let device = device.clone().autodiff();
    let mut seen = Vec::new();
    let layer = layer(view(Tensor::zeros(shape, &device)).dims()[1], &device, dtype);
    for step in 0..2 {
        let spread: Vec<f64> = scattered(shape.iter().product(), 3 + step).iter().map(|x| 5.0 * x + 20.0).collect();
        let images: Tensor<4> = tensor(&spread, shape, &device, dtype).require_grad();
        let output = forward(&layer, view(images.clone()));
        seen.push(("output", values(&output)));
        let weights = scattered(output.shape().num_elements(), 9);
        let loss = (output.clone() * tensor(&weights, output.dims(), &device, dtype)).sum();
        let gradients = loss.backward();
        seen.push(("gradient by the images", values(&images.grad(&gradients).expect("a gradient"))));
        seen.push(("gradient by γ", values(&layer.gamma.val().grad(&gradients).expect("a gradient"))));
        seen.push(("gradient by β", values(&layer.beta.val().grad(&gradients).expect("a gradient"))));
        seen.push(("running mean", values(&layer.running_mean.value_sync())));
        seen.push(("running variance", values(&layer.running_var.value_sync())));
    }
    seen
}

/// Compares `normalize` on every CPU backend with Burn's layer on flex; differences are relative to the largest value.
fn check(view: fn(Tensor<4>) -> Tensor<4>, shape: [usize; 4]) {
    let expected = see(burns_own, view, shape, &Device::flex(), DType::F32);
    for (backend, device) in cpu_devices() {
        let found = see(normalize, view, shape, &device, DType::F32);
        assert_eq!(found.len(), 12);
        for ((part, found), (_, expected)) in found.iter().zip(&expected) {
            let label = format!("{part} on {backend}, {shape:?}");
            assert_eq!(found.len(), expected.len(), "{label}");
            let largest = expected.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
            let farthest = found.iter().zip(expected).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
            assert!(farthest <= 1e-4 * largest + 1e-5, "{label}: {farthest:e} of {largest:e}");
        }
    }
}

#[test]
fn agrees_with_burn_in_training() {
    // Planes shorter and longer than a register, and no multiple of one; one image; one pixel; many planes.
    for shape in [[4, 3, 5, 5], [2, 1, 1, 7], [1, 2, 6, 6], [8, 3, 1, 1], [3, 5, 13, 17], [64, 16, 14, 14]] {
        check(|images| images, shape);
    }
}

#[test]
fn agrees_with_burn_in_any_memory_layout() {
    check(|images| images.swap_dims(2, 3), [3, 2, 5, 4]);
    check(|images| images.permute([2, 1, 0, 3]), [3, 2, 5, 4]);
    check(|images| images.slice([0..3, 0..2, 1..4, 1..3]), [3, 2, 5, 4]);
    check(|images| images.narrow(0, 1, 1).expand([4, 2, 5, 4]), [3, 2, 5, 4]);
}

/// In `f64` it is Burn's own.
#[test]
fn double_precision_stays_with_burn() {
    let view = |images| images;
    let shape = [3, 2, 4, 4];
    let expected = see(burns_own, view, shape, &Device::flex(), DType::F64);
    assert_eq!(see(normalize, view, shape, &Device::flex(), DType::F64), expected);
}

/// Outside training, and where it is switched off, the running statistics count and stay as they are.
#[test]
fn agrees_with_burn_outside_training() {
    for (backend, device) in cpu_devices() {
        let images = |device: &Device| tensor(&scattered(2 * 3 * 4 * 4, 1), [2, 3, 4, 4], device, DType::F32);
        let trained = |device: &Device| {
            let layer = layer(3, device, DType::F32);
            layer.running_mean.update(tensor(&[0.5, -0.25, 2.0], [3], device, DType::F32));
            layer
        };
        let expected = values(&trained(&device).forward(images(&device)));
        assert_eq!(values(&normalize(&trained(&device), images(&device))), expected, "{backend}, inference");
        let training = device.clone().autodiff();
        let frozen = trained(&training).freeze();
        assert_eq!(values(&normalize(&frozen, images(&training))), expected, "{backend}, frozen");
        assert_eq!(values(&frozen.running_mean.value_sync()), [0.5, -0.25, 2.0]);
    }
}

/// A constant channel has no variance: ε keeps the result finite, and the output is β.
#[test]
fn a_constant_channel_becomes_beta() {
    for (backend, device) in cpu_devices() {
        let device = device.autodiff();
        let layer = layer(2, &device, DType::F32);
        let output = values(&normalize(&layer, Tensor::full([3, 2, 4, 4], 7.0, &device)));
        let beta = values(&layer.beta.val());
        for (index, value) in output.iter().enumerate() {
            assert!((value - beta[index / 16 % 2]).abs() < 1e-5, "{backend}: {value}");
        }
    }
}
