//! Networks and runs on the wgpu backend, on whatever adapter there is: in CI a software Vulkan device.
#![cfg(feature = "wgpu")]

use crate::common::{deviation, tensor, wgpu_device};
use burn::module::ParamGroup;
use burn::optim::GradientsParams;
use burn::tensor::{DType, Int, Tensor};
use burn_descent::group::parameters;
use burn_descent::multitask::{Task, TaskWeightsConfig, UncertaintyConfig};
use burn_descent::nn::focal_loss;
use burn_descent::transfer::transplant;
use burn_descent_lab::networks::{MlpConfig, ResNetConfig};
use burn_descent_lab::runs::{Backend, DatasetKind, ModelConfig, Run, RunConfig, RunOptions};

/// A residual network taken over from flex, under the focal loss and weights of two tasks, gives the same loss and gradients.
#[cfg(feature = "flex")]
#[test]
fn networks_and_losses_agree_with_flex() {
    let (gpu, cpu) = (wgpu_device(), burn::tensor::Device::flex());
    let config = ResNetConfig::new().with_channels(vec![4, 8]).with_blocks(vec![1, 1]);
    let trained = config.init(1, 3, &cpu).expect("in range");
    let pixels: Vec<f64> = (0..4 * 8 * 8).map(|i| (f64::from(i) * 0.7).sin()).collect();
    let found = |device: &burn::tensor::Device| {
        let device = device.clone().autodiff();
        let network = config.init(1, 3, &device).expect("in range");
        let network = transplant(&trained, network, &ParamGroup::all()).expect("the same network");
        let tasks = UncertaintyConfig::new(vec![Task::Classification, Task::Regression]);
        let weights = TaskWeightsConfig::Uncertainty(tasks).init(&device).expect("in range");
        let logits = network.forward(tensor(&pixels, [4, 1, 8, 8], &device, DType::F32));
        let targets = Tensor::<1, Int>::from_ints([0, 2, 1, 0], &device).one_hot::<2>(3).float();
        let losses = [focal_loss(logits.clone(), targets, 2.0), logits.square().mean()];
        let loss = weights.forward(losses).expect("two losses");
        let gradients = GradientsParams::from_grads(loss.backward(), &network);
        let mut all = crate::common::values(&loss);
        for (id, path) in parameters(&network) {
            if path.ends_with("convolution.weight") {
                all.extend(crate::common::values(&gradients.get::<4>(id).expect("a gradient")));
            }
        }
        all
    };
    let (gpu, cpu) = (found(&gpu), found(&cpu));
    assert!(gpu.len() > 1000, "the gradients of six convolutions");
    let deviation = deviation(&gpu, &cpu);
    assert!(deviation < 1e-4, "wgpu and flex differ by {deviation:e}");
}

/// A whole run, with evaluation afterwards.
#[test]
fn a_network_learns() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let config = RunConfig {
        dataset: DatasetKind::Synthetic,
        train_images: Some(1500),
        validation_images: 200,
        model: ModelConfig::Mlp(MlpConfig::new().with_widths(vec![32])),
        epochs: 1,
        backend: Backend::Wgpu,
        ..RunConfig::default()
    };
    let options = RunOptions::new(root.path());
    let mut run = Run::create(config, Some("wgpu"), &options).expect("a run");
    let summary = run.train(&options).expect("training on wgpu");
    assert_eq!(summary.backend, "wgpu");
    assert!(summary.test_accuracy > 0.5, "an epoch should reach 50 %, but reached {}", summary.test_accuracy);
    let again = run.evaluate(&options, None, None).expect("evaluation on wgpu");
    assert!((again.accuracy - summary.test_accuracy).abs() < 1e-3);
}

/// `auto` never takes a software device.
#[test]
fn auto_takes_hardware_only() {
    let (chosen, device) = Backend::Auto.device().expect("a device");
    if chosen == Backend::Wgpu {
        let identity = device.identity().expect("a device that opens");
        assert!(identity.physical.is_some(), "auto took {}, which is no card", identity.name);
    }
}
