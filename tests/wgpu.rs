//! The wgpu backend, on whatever adapter there is: in CI a software Vulkan device.
#![cfg(all(feature = "wgpu", feature = "train"))]

mod common;

use burn::tensor::DType;
use burn_descent::data::DataSource;
use burn_descent::model::MlpConfig;
use burn_descent::optim::{AdadeltaConfig, AmsgradConfig, NadamConfig, RmsPropConfig};
use burn_descent::train::{Backend, DatasetKind, ModelConfig, Run, RunConfig, RunOptions, StopSignal};
use common::{Trainee, deviation, tensor, wgpu_device};

fn options(root: &std::path::Path) -> RunOptions {
    RunOptions {
        root: root.to_owned(),
        source: DataSource::new(),
        plain: true,
        overwrite: false,
        stop: StopSignal::default(),
        notify: |_| {},
    }
}

/// A rule gives the same numbers on wgpu as fused on flex.
#[cfg(feature = "flex")]
#[test]
fn steps_agree_with_the_fused_pass() {
    let (gpu, cpu) = (wgpu_device(), burn::tensor::Device::flex());
    let theta: Vec<f64> = (0..35).map(|i| (f64::from(i) - 17.0) / 5.0).collect();
    let optimizers = || {
        [
            ("nadam", NadamConfig::new().init()),
            ("amsgrad", AmsgradConfig::new().init()),
            ("adadelta", AdadeltaConfig::new().init()),
            ("rmsprop", RmsPropConfig::kao().init()),
        ]
    };
    for ((name, on_gpu), (_, on_cpu)) in optimizers().into_iter().zip(optimizers()) {
        let start = |device| tensor(&theta, [5, 7], device, DType::F32);
        let mut gpu_trainee = Trainee::new(on_gpu.expect(name), start(&gpu));
        let mut cpu_trainee = Trainee::new(on_cpu.expect(name), start(&cpu));
        for step in 0..20 {
            let gradient: Vec<f64> = theta.iter().map(|x| (x * 3.0 + f64::from(step)).sin()).collect();
            gpu_trainee.step(0.01, tensor(&gradient, [5, 7], &gpu, DType::F32));
            cpu_trainee.step(0.01, tensor(&gradient, [5, 7], &cpu, DType::F32));
        }
        let deviation = deviation(&gpu_trainee.values(), &cpu_trainee.values());
        assert!(deviation < 1e-5, "{name}: wgpu and flex differ by {deviation:e}");
    }
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
    let options = options(root.path());
    let mut run = Run::create(config, Some("wgpu"), &options).expect("a run");
    let summary = run.train(&options).expect("training on wgpu");
    assert_eq!(summary.backend, "wgpu");
    assert!(summary.test_accuracy > 0.5, "an epoch should reach 50 %, but reached {}", summary.test_accuracy);
    let again = run.evaluate(&options, None).expect("evaluation on wgpu");
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
