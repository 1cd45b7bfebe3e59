//! The wgpu backend, on whatever adapter there is: in CI a software Vulkan device.
#![cfg(feature = "wgpu")]

use crate::common::{Trainee, deviation, scattered, tensor, wgpu_device};
use crate::second_order::problems::golden_problems;
use burn::backend::fusion::observer::{BlockOperations, FusionObservation, FusionObserver};
use burn::backend::ir::OperationIr;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{DType, Device, Tensor};
use burn_descent::ConfigError;
use burn_descent::optim::{
    AdabeliefConfig, AdadeltaConfig, AdagradConfig, AdamConfig, AdamaxConfig, AdanConfig, AmsgradConfig, AsgdConfig,
    LionConfig, MomentumConfig, NadamConfig, NesterovConfig, NormalizedGradientConfig, RadamConfig, RmsPropConfig,
    RpropConfig, ScheduleFreeAdamwConfig, ScheduleFreeSgdConfig, SgdConfig, YogiConfig,
};
use burn_descent::second_order::{MinimizerConfig, Report, StoppingConfig};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A rule gives the same numbers on wgpu as fused on flex.
#[cfg(feature = "flex")]
#[test]
fn steps_agree_with_the_fused_pass() {
    let (gpu, cpu) = (wgpu_device(), Device::flex());
    let theta: Vec<f64> = (0..35).map(|i| (f64::from(i) - 17.0) / 5.0).collect();
    let optimizers = || {
        [
            ("nadam", NadamConfig::new().init()),
            ("amsgrad", AmsgradConfig::new().init()),
            ("adadelta", AdadeltaConfig::new().init()),
            ("rmsprop", RmsPropConfig::ruder().init()),
            ("rmsprop with momentum", RmsPropConfig::kao().init()),
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

/// A second-order method reaches the minimum on wgpu as on flex. Single precision sets their paths apart, so that only where
/// the gradient is small can the values be told: the least curvature at these minima is 0.3, and a gradient of 3e-3 leaves
/// at most 3e-3²/(2·0.3) = 1.5e-5.
#[cfg(feature = "flex")]
#[test]
fn second_order_methods_minimize_on_the_device() {
    for problem in golden_problems().iter().take(5) {
        for name in MinimizerConfig::NAMES {
            let on = |device: &Device| {
                let stopping = StoppingConfig::new().with_gradient(3e-3).with_max_evaluations(2000);
                let config = MinimizerConfig::named(name).expect("known");
                let mut minimizer = config.init().expect("in range").with_stopping(stopping).expect("in range");
                let mut objective = problem.objective(device, DType::F32);
                minimizer.minimize(&mut objective, problem.start(device, DType::F32)).expect("it is small")
            };
            let (gpu, cpu) = (on(&wgpu_device()), on(&Device::flex()));
            let end = |report: &Report| format!("{:e} ({})", report.value, report.ending);
            let case = format!("{name} on {}: {} on wgpu, {} on flex", problem.name, end(&gpu), end(&cpu));
            assert!(gpu.value < 1e-4 && cpu.value < 1e-4, "{case}");
        }
    }
}

/// The shape of the parameters whose steps are counted: no other test has tensors of as many values.
const COUNTED: [usize; 2] = [37, 41];

/// Counts what runs on tensors of as many values as [`COUNTED`]: kernels, each for one operation or many joined ones, and
/// changes of a shape.
#[derive(Default)]
struct Blocks(AtomicUsize);

impl FusionObserver for Blocks {
    fn registered(&self, _operation: &OperationIr) {}

    fn block_starts(&self, block: BlockOperations<'_>) {
        let counts = |operation: &OperationIr| {
            !matches!(operation, OperationIr::Init(_) | OperationIr::Drop(_))
                && operation.outputs().any(|tensor| tensor.shape.num_elements() == COUNTED[0] * COUNTED[1])
        };
        if block.iter().any(counts) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn block_ran(&self) {}
}

/// Fusion joins a step into one kernel, with nothing between it and the matrix product that a weight's gradient is. Whether
/// it joins these two as well depends on what it has run before.
#[test]
fn a_step_is_one_kernel() {
    type Start = fn() -> Result<ModuleOptimizer, ConfigError>;
    let rules: [(&str, Start); 22] = [
        ("sgd", || SgdConfig::new().init()),
        ("momentum", || MomentumConfig::new().init()),
        ("nesterov", || NesterovConfig::new().init()),
        ("normalized gradient", || NormalizedGradientConfig::new().init()),
        ("adagrad", || AdagradConfig::new().init()),
        ("adadelta", || AdadeltaConfig::new().init()),
        ("rmsprop", || RmsPropConfig::new().init()),
        ("rmsprop with momentum", || RmsPropConfig::kao().init()),
        ("adam", || AdamConfig::new().init()),
        ("adamw", || AdamConfig::adamw().init()),
        ("adamax", || AdamaxConfig::new().init()),
        ("nadam", || NadamConfig::new().init()),
        ("amsgrad", || AmsgradConfig::new().init()),
        ("radam", || RadamConfig::new().init()),
        ("yogi", || YogiConfig::new().init()),
        ("adabelief", || AdabeliefConfig::new().init()),
        ("adan", || AdanConfig::new().init()),
        ("lion", || LionConfig::new().init()),
        ("rprop", || RpropConfig::new().init()),
        ("asgd", || AsgdConfig::new().init()),
        ("schedule-free sgd", || ScheduleFreeSgdConfig::new().init()),
        ("schedule-free adamw", || ScheduleFreeAdamwConfig::new().init()),
    ];
    let device = wgpu_device();
    let of_shape =
        |shape: [usize; 2], seed| tensor(&scattered(shape.iter().product(), seed), shape, &device, DType::F32);
    let input = Tensor::from_inner(of_shape([5, COUNTED[0]], 3));
    let counted = |step: &mut dyn FnMut()| {
        device.sync().expect("a device that answers");
        let blocks = Arc::new(Blocks::default());
        let _watched = FusionObservation::new(blocks.clone());
        step();
        device.sync().expect("a device that answers");
        blocks.0.load(Ordering::Relaxed)
    };
    for (name, start) in rules {
        let mut trainee = Trainee::new(start().expect(name), of_shape(COUNTED, 1));
        for time in 1..=3 {
            let kernels = counted(&mut || trainee.step(0.01, of_shape(COUNTED, 2)));
            assert_eq!(kernels, 1, "{name}: step {time} with a gradient that is there");
        }
        if !["momentum", "adam"].contains(&name) {
            continue; // Burn tunes each pair of a product and a rule for seconds.
        }
        for time in 4..=5 {
            let kernels = counted(&mut || {
                let loss = input.clone().matmul(trainee.param.val()).square().sum();
                let gradients = GradientsParams::from_grads(loss.backward(), &trainee.param);
                trainee.param = trainee.optimizer.step(0.01, trainee.param.clone(), gradients);
            });
            assert!(kernels <= 2, "{name}: step {time} and the product that is its gradient are {kernels}");
        }
    }
}
