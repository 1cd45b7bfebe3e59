//! The unfolded convolution against Burn's: outputs and gradients.

use crate::common::{cpu_devices, scattered, tensor, values};
use burn::module::{Module, Param};
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::{DType, Device, Tensor};
use burn_descent::nn::convolve;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};

/// A layer and its images.
#[derive(Clone, Debug)]
struct Case {
    config: Conv2dConfig,
    batch: usize,
    side: [usize; 2],
    dtype: DType,
}

impl Case {
    fn new(channels: [usize; 2], kernel: [usize; 2], batch: usize, side: [usize; 2]) -> Self {
        Self { config: Conv2dConfig::new(channels, kernel), batch, side, dtype: DType::F32 }
    }

    /// The layer, with values that every backend shares.
    fn layer(&self, device: &Device) -> Conv2d {
        let mut layer = self.config.init(device);
        let shape = layer.weight.dims();
        let weight = scattered(shape.iter().product(), 1);
        layer.weight = Param::from_tensor(tensor(&weight, shape, device, self.dtype));
        if let Some(bias) = &mut layer.bias {
            let [channels] = bias.dims();
            *bias = Param::from_tensor(tensor(&scattered(channels, 2), [channels], device, self.dtype));
        }
        layer
    }

    fn shape(&self) -> [usize; 4] {
        [self.batch, self.config.channels[0], self.side[0], self.side[1]]
    }

    fn images(&self, device: &Device) -> Tensor<4> {
        tensor(&scattered(self.shape().iter().product(), 3), self.shape(), device, self.dtype)
    }

    /// Whether the kernel fits into the padded image, without which there is no output.
    fn fits(&self) -> bool {
        let [height, width] = self.side;
        let padded = match self.config.padding {
            PaddingConfig2d::Explicit(top, left, bottom, right) => [height + top + bottom, width + left + right],
            PaddingConfig2d::Same => return true,
            PaddingConfig2d::Valid => [height, width],
        };
        (0..2).all(|axis| padded[axis] > (self.config.kernel_size[axis] - 1) * self.config.dilation[axis])
    }
}

/// What a training step sees: the output and the gradients by images, weight and bias.
#[derive(Debug)]
struct Seen {
    parts: Vec<(&'static str, Option<Vec<f64>>)>,
}

type Forward = fn(&Conv2d, Tensor<4>) -> Tensor<4>;

fn burns_own(layer: &Conv2d, images: Tensor<4>) -> Tensor<4> {
    layer.forward(images)
}

/// How images come to a layer, and the loss from its output.
struct Use {
    name: &'static str,
    /// From the leaf that gradients are taken by (`[batch, C, H, W]`) to the layer's input.
    view: fn(Tensor<4>) -> Tensor<4>,
    loss: fn(Tensor<4>) -> Tensor<1>,
    images_need_gradient: bool,
    weights_need_gradient: bool,
}

/// A loss by which every output has its own gradient.
fn weighted(output: Tensor<4>) -> Tensor<1> {
    let shape = output.dims();
    let weights = tensor(&scattered(shape.iter().product(), 4), shape, &output.device(), output.dtype());
    (output * weights).sum()
}

const PLAIN: Use = Use {
    name: "plain",
    view: |images| images,
    loss: weighted,
    images_need_gradient: true,
    weights_need_gradient: true,
};

fn see(case: &Case, usage: &Use, device: &Device, forward: Forward) -> Seen {
    let device = device.clone().autodiff();
    let mut layer = case.layer(&device);
    if !usage.weights_need_gradient {
        layer = layer.no_grad();
    }
    let mut images = case.images(&device);
    if usage.images_need_gradient {
        images = images.require_grad();
    }
    let output = forward(&layer, (usage.view)(images.clone()));
    let mut parts = vec![("output", Some(values(&output)))];
    if usage.images_need_gradient || usage.weights_need_gradient {
        let gradients = (usage.loss)(output).backward();
        parts.push(("gradient by the images", images.grad(&gradients).map(|grad| values(&grad))));
        parts.push(("gradient by the weight", layer.weight.val().grad(&gradients).map(|grad| values(&grad))));
        let bias = layer.bias.as_ref().map(|bias| bias.val());
        parts.push(("gradient by the bias", bias.and_then(|bias| bias.grad(&gradients)).map(|grad| values(&grad))));
    }
    Seen { parts }
}

/// Compares `convolve` on every CPU backend with Burn's layer on flex; differences are relative to the largest value.
fn check(case: &Case, usage: &Use) {
    let tolerance = if case.dtype == DType::F64 { 1e-13 } else { 2e-5 };
    let expected = see(case, usage, &Device::flex(), burns_own);
    for (backend, device) in cpu_devices() {
        let found = see(case, usage, &device, convolve);
        for ((part, found), (_, expected)) in found.parts.iter().zip(&expected.parts) {
            let label = format!("{part} on {backend}, {}: {case:?}", usage.name);
            let (Some(found), Some(expected)) = (found, expected) else {
                assert_eq!(found.is_some(), expected.is_some(), "{label}");
                continue;
            };
            assert_eq!(found.len(), expected.len(), "{label}");
            let largest = expected.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
            let farthest = found.iter().zip(expected).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
            assert!(farthest <= tolerance * largest, "{label}: {farthest:e} of {largest:e}");
        }
    }
}

/// The geometries that the unfolded convolution covers, and some that it leaves to Burn.
fn geometries() -> Vec<Case> {
    let paddings = [
        PaddingConfig2d::Valid,
        PaddingConfig2d::Explicit(1, 1, 1, 1),
        PaddingConfig2d::Explicit(2, 1, 2, 1),
        PaddingConfig2d::Same,
    ];
    let mut cases = Vec::new();
    for kernel in [[1, 1], [3, 3], [5, 5], [3, 5], [2, 3]] {
        for stride in [[1, 1], [2, 2], [3, 3], [1, 2]] {
            for padding in &paddings {
                // Burn's `Same` is for a stride of 1.
                if matches!(padding, PaddingConfig2d::Same) && stride != [1, 1] {
                    continue;
                }
                for (batch, side) in [(1, [8, 8]), (2, [7, 9]), (7, [5, 5]), (2, [11, 4])] {
                    for channels in [[1, 4], [3, 2]] {
                        let mut case = Case::new(channels, kernel, batch, side);
                        case.config = case.config.with_stride(stride).with_padding(padding.clone());
                        cases.push(case);
                    }
                }
            }
        }
    }
    cases.retain(Case::fits);
    cases
}

#[test]
fn agrees_with_burn_for_every_geometry() {
    let cases = geometries();
    assert!(cases.len() > 400, "{} cases", cases.len());
    for case in cases {
        check(&case, &PLAIN);
    }
}

/// Large enough for several groups of images on several threads, the last one not full.
#[test]
fn agrees_with_burn_on_a_large_batch() {
    for (kernel, stride, padding) in
        [([5, 5], [2, 2], PaddingConfig2d::Explicit(2, 2, 2, 2)), ([3, 3], [1, 1], PaddingConfig2d::Same)]
    {
        let mut case = Case::new([2, 6], kernel, 67, [28, 28]);
        case.config = case.config.with_stride(stride).with_padding(padding);
        check(&case, &PLAIN);
    }
}

/// Sums round differently in another order, which must not depend on what else the threads have to do.
#[test]
fn gives_the_same_bits_on_busy_threads() {
    let mut case = Case::new([32, 32], [3, 3], 128, [14, 14]);
    case.config = case.config.with_padding(PaddingConfig2d::Same);
    for (backend, device) in cpu_devices() {
        let expected = see(&case, &PLAIN, &device, convolve).parts;
        let done = AtomicBool::new(false);
        let differs = std::thread::scope(|scope| {
            scope.spawn(|| {
                for length in (0..40).cycle().take_while(|_| !done.load(Ordering::Relaxed)) {
                    rayon::scope(|scope| {
                        scope.spawn(move |_| (0..length * 30_000).for_each(|step| _ = black_box(step)));
                    });
                }
            });
            let differs = (0..30).find(|_| see(&case, &PLAIN, &device, convolve).parts != expected);
            done.store(true, Ordering::Relaxed);
            differs
        });
        assert_eq!(differs, None, "{backend}: the first repetition that differs");
    }
}

/// A single output per image and a single image per batch: matrices of one column.
#[test]
fn agrees_with_burn_at_the_smallest_sizes() {
    check(&Case::new([1, 1], [1, 1], 1, [1, 1]), &PLAIN);
    check(&Case::new([3, 2], [5, 5], 1, [5, 5]), &PLAIN);
    check(&Case::new([1, 3], [3, 3], 5, [3, 3]), &PLAIN);
    // Strides beyond the kernel skip pixels, whose gradient is 0.
    let mut case = Case::new([2, 3], [1, 1], 2, [7, 8]);
    case.config = case.config.with_stride([3, 4]);
    check(&case, &PLAIN);
}

#[test]
fn agrees_with_burn_whatever_needs_a_gradient() {
    let usages = [
        Use { name: "weights alone", images_need_gradient: false, ..PLAIN },
        Use { name: "images alone", weights_need_gradient: false, ..PLAIN },
        Use { name: "nothing", images_need_gradient: false, weights_need_gradient: false, ..PLAIN },
    ];
    for usage in &usages {
        let mut case = Case::new([2, 3], [3, 3], 3, [7, 6]);
        check(&case, usage);
        case.config = case.config.with_bias(false);
        check(&case, usage);
    }
}

#[test]
fn agrees_with_burn_for_inputs_and_gradients_in_any_memory_layout() {
    let view = |name, view| Use { name, view, ..PLAIN };
    let loss = |name, loss| Use { name, loss, ..PLAIN };
    let usages = [
        view("transposed images", |images| images.swap_dims(2, 3)),
        view("permuted images", |images| images.permute([2, 1, 0, 3])),
        view("cropped images", |images| images.slice([0..3, 0..2, 1..6, 2..6])),
        view("some of the batch", |images| images.narrow(0, 1, 2)),
        view("one image expanded", |images| images.narrow(0, 1, 1).expand([4, 2, 7, 6])),
        view("one channel expanded", |images| images.narrow(1, 1, 1).expand([3, 2, 7, 6])),
        loss("a sum's gradient", |output| output.sum()),
        loss("a transposed gradient", |output| weighted(output.swap_dims(1, 3))),
        loss("a narrowed gradient", |output| weighted(output.narrow(2, 1, 2))),
    ];
    for usage in &usages {
        check(&Case::new([2, 3], [3, 3], 3, [7, 6]), usage);
    }
}

/// Two layers in a row, and one layer used twice: gradients pass through, and add up.
#[test]
fn agrees_with_burn_in_a_chain() {
    fn twice(forward: Forward, layer: &Conv2d, images: Tensor<4>) -> Tensor<4> {
        forward(layer, forward(layer, images).tanh())
    }
    let case = Case { config: Conv2dConfig::new([2, 2], [3, 3]), ..Case::new([2, 2], [3, 3], 2, [8, 7]) };
    let expected = see(&case, &PLAIN, &Device::flex(), |layer, images| twice(burns_own, layer, images));
    let found = see(&case, &PLAIN, &Device::flex(), |layer, images| twice(convolve, layer, images));
    for ((part, found), (_, expected)) in found.parts.iter().zip(&expected.parts) {
        let (found, expected) = (found.as_ref().expect("a gradient"), expected.as_ref().expect("a gradient"));
        let largest = expected.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
        let farthest = found.iter().zip(expected).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
        assert!(farthest <= 1e-4 * largest, "{part}: {farthest:e} of {largest:e}");
    }
}

#[test]
fn agrees_with_burn_without_automatic_differentiation() {
    for (backend, device) in cpu_devices() {
        let case = Case::new([3, 4], [5, 5], 3, [9, 8]);
        let expected = values(&case.layer(&Device::flex()).forward(case.images(&Device::flex())));
        let output = convolve(&case.layer(&device), case.images(&device));
        assert_eq!((output.dims(), output.dtype(), output.device()), ([3, 4, 5, 4], DType::F32, device));
        let largest = expected.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
        for (found, expected) in values(&output).iter().zip(&expected) {
            assert!((found - expected).abs() <= 2e-5 * largest, "{backend}: {found}, not {expected}");
        }
    }
}

/// What the unfolded convolution does not cover is Burn's own.
#[test]
fn leaves_the_rest_to_burn() {
    let plain = || Case::new([4, 6], [3, 3], 2, [9, 8]);
    let with = |config: fn(Conv2dConfig) -> Conv2dConfig| Case { config: config(plain().config), ..plain() };
    let cases = [
        with(|config| config.with_groups(2)),
        with(|config| config.with_dilation([2, 2])),
        with(|config| config.with_padding(PaddingConfig2d::Explicit(1, 0, 2, 1))),
        Case::new([2, 3], [4, 2], 2, [9, 8]),
        Case { dtype: DType::F64, ..plain() },
    ];
    for case in &cases {
        check(case, &PLAIN);
    }
}

/// Images that the layer is not for are Burn's mistake to tell.
#[test]
#[should_panic = "Number of channels in input tensor and input channels of convolution must be equal. got: 1, expected: 3"]
fn images_with_other_channels_are_refused() {
    let layer = Case::new([3, 8], [3, 3], 2, [28, 28]).layer(&Device::flex());
    convolve(&layer, Tensor::ones([2, 1, 28, 28], &Device::flex()));
}
