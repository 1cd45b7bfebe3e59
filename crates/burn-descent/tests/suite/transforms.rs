//! Transforms of gradients and weights: trajectories of optax, PyTorch and a formula reproduced, and what else they promise.
//!
//! `golden/transforms.json` holds the trajectories, `golden/transforms.py` made them.

use crate::common::{cpu_devices, deviation, same_bits, scattered, tensor, values};
use burn::module::{Module, Param, ParamGroup};
use burn::nn::{BatchNorm, BatchNormConfig, Dropout, DropoutConfig, Linear, LinearConfig};
use burn::optim::{GradientsParams, ModuleOptimizer, Optimizer};
use burn::tensor::{DType, Device, Distribution, Tensor};
use burn_descent::gradient::{
    AdaptiveClipConfig, CentralizationConfig, Chain, ChainConfig, ClipValueConfig, GradientNoiseConfig,
    GradientTransform, Norm, OutputAxis, TensorTransform, global_norm,
};
use burn_descent::optim::{AdamConfig, MomentumConfig, NadamConfig, SgdConfig, evaluation_weights};
use burn_descent::weights::{DecayWarmUp, EmaConfig, LookaheadConfig, SamConfig, SwaConfig, reestimate_batch_norm};
use burn_descent::{ConfigError, ValueRange};
use serde_json::Value;

// ---------------------------------------------------------------------------------------------------------------------
// A module and its gradients

const NAMES: [&str; 3] = ["kernel", "weight", "bias"];
const LENGTHS: [usize; 3] = [24, 12, 4];

/// Parameters in Burn's layouts: a convolution's, a linear layer's and a bias.
#[derive(Module, Debug)]
struct Parameters {
    kernel: Param<Tensor<4>>,
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
}

impl Parameters {
    fn new(values: &[Vec<f64>; 3], device: &Device, dtype: DType) -> Self {
        Self {
            kernel: Param::from_tensor(Tensor::from_inner(tensor(&values[0], [3, 2, 2, 2], device, dtype))),
            weight: Param::from_tensor(Tensor::from_inner(tensor(&values[1], [3, 4], device, dtype))),
            bias: Param::from_tensor(Tensor::from_inner(tensor(&values[2], [4], device, dtype))),
        }
    }

    fn scattered(seed: usize, device: &Device, dtype: DType) -> Self {
        Self::new(&scattered_values(seed), device, dtype)
    }

    fn gradients(&self, values: &[Vec<f64>; 3]) -> GradientsParams {
        let (device, dtype) = (self.bias.val().device().inner(), self.bias.val().dtype());
        let mut gradients = GradientsParams::new();
        gradients.register(self.kernel.id, tensor(&values[0], [3, 2, 2, 2], &device, dtype));
        gradients.register(self.weight.id, tensor(&values[1], [3, 4], &device, dtype));
        gradients.register(self.bias.id, tensor(&values[2], [4], &device, dtype));
        gradients
    }

    fn values(&self) -> [Vec<f64>; 3] {
        [values(&self.kernel.val()), values(&self.weight.val()), values(&self.bias.val())]
    }

    /// The values of gradients of this module; empty where there is none.
    fn found(&self, gradients: &GradientsParams) -> [Vec<f64>; 3] {
        [
            gradients.get::<4>(self.kernel.id).map_or_else(Vec::new, |gradient| values(&gradient)),
            gradients.get::<2>(self.weight.id).map_or_else(Vec::new, |gradient| values(&gradient)),
            gradients.get::<1>(self.bias.id).map_or_else(Vec::new, |gradient| values(&gradient)),
        ]
    }
}

fn scattered_values(seed: usize) -> [Vec<f64>; 3] {
    [0, 1, 2].map(|index| scattered(LENGTHS[index], 3 * seed + index))
}

fn same(x: &[Vec<f64>; 3], y: &[Vec<f64>; 3]) -> bool {
    x.iter().zip(y).all(|(x, y)| same_bits(x, y))
}

fn furthest(x: &[Vec<f64>; 3], y: &[Vec<f64>; 3]) -> f64 {
    x.iter().zip(y).map(|(x, y)| deviation(x, y)).fold(0.0, f64::max)
}

fn chain(config: ChainConfig) -> Chain {
    config.init().expect("a valid configuration")
}

fn built<T>(result: Result<T, ConfigError>) -> T {
    result.expect("a valid configuration")
}

fn a_device() -> Device {
    cpu_devices().remove(0).1
}

// ---------------------------------------------------------------------------------------------------------------------
// Golden trajectories

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/transforms.json")).expect("the golden file is JSON")
}

fn numbers(value: &Value) -> [Vec<f64>; 3] {
    NAMES.map(|name| {
        let row = value[name].as_array().expect("an array");
        row.iter().map(|value| value.as_f64().expect("a number")).collect()
    })
}

/// The chain and the optimizer that should reproduce each golden case, and its learning rate.
fn case(name: &str) -> Result<(ChainConfig, ModuleOptimizer, f64), ConfigError> {
    let (none, sgd, momentum, adam) =
        (ChainConfig::new(), SgdConfig::new(), MomentumConfig::new(), AdamConfig::pytorch());
    let bias_correction = DecayWarmUp::BiasCorrection;
    let ema = |decay, warm_up| EmaConfig::new().with_decay(decay).with_warm_up(warm_up);
    let lookahead = |period, alpha| LookaheadConfig::new().with_period(period).with_alpha(alpha);
    let weights = ParamGroup::from_path("weight");
    Ok(match name {
        "clip_norm" => (none.clip_norm(1.5), sgd.init()?, 0.1),
        "clip_value" => (none.clip_value(0.2), sgd.init()?, 0.1),
        "clip_norm_sum" => (none.clip_norm_by(Norm::Sum, 5.0), sgd.init()?, 0.1),
        "clip_norm_maximum" => (none.clip_norm_by(Norm::Maximum, 0.5), sgd.init()?, 0.1),
        "adaptive_clip" => (none.adaptive_clip(0.1), sgd.init()?, 0.1),
        "adaptive_clip_momentum" => (none.adaptive_clip(0.5).clip_norm(1.5), momentum.init()?, 0.1),
        "clip_value_then_norm" => (none.clip_value(0.2).clip_norm(0.6), sgd.init()?, 0.1),
        "clip_norm_then_value" => (none.clip_norm(0.6).clip_value(0.2), sgd.init()?, 0.1),
        "clip_norm_then_momentum" => (none.clip_norm(1.5), momentum.init()?, 0.1),
        "clip_norm_adam" => (none.clip_norm(1.5), adam.init()?, 0.05),
        "centralize" => (none.centralize(), momentum.init()?, 0.1),
        "centralize_then_clip_norm" => (none.centralize().clip_norm(0.6), momentum.init()?, 0.1),
        "clip_norm_then_centralize" => (none.clip_norm(0.6).centralize(), momentum.init()?, 0.1),
        "accumulate" => (none.accumulate(3), adam.init()?, 0.05),
        "accumulate_then_clip_norm" => (none.accumulate(3).clip_norm(0.6), momentum.init()?, 0.1),
        "clip_norm_then_accumulate" => (none.clip_norm(0.6).accumulate(3), momentum.init()?, 0.1),
        "apply_if_finite" => (none.apply_if_finite(3), adam.init()?, 0.05),
        "apply_if_finite_then_accumulate" => (none.apply_if_finite(3).accumulate(3), adam.init()?, 0.05),
        "masked" => (none.clone().masked(weights, none.clip_value(0.2)).clip_norm(0.6), momentum.init()?, 0.1),
        "lookahead" => (none, lookahead(5, 0.5).wrap(adam.build()?)?.into(), 0.05),
        "lookahead_momentum" => (none, lookahead(2, 0.8).wrap(momentum.build()?)?.into(), 0.1),
        "ema_bias_correction" => (none, ema(0.9, bias_correction).wrap(adam.build()?)?.into(), 0.05),
        "ema_ramp" => (none, ema(0.7, DecayWarmUp::Ramp).wrap(adam.build()?)?.into(), 0.05),
        "ema_none" => (none, ema(0.9, DecayWarmUp::None).wrap(momentum.build()?)?.into(), 0.1),
        "swa" => (none, SwaConfig::new().with_start(4).with_every(3).wrap(adam.build()?)?.into(), 0.05),
        "swa_every_step" => (none, SwaConfig::new().wrap(momentum.build()?)?.into(), 0.1),
        name => panic!("no configuration for the golden case `{name}`"),
    })
}

/// The gradients of a case, step by step.
fn gradients(golden: &Value, spoiled: bool) -> Vec<[Vec<f64>; 3]> {
    let mut rows: Vec<_> = golden["gradients"].as_array().expect("gradients").iter().map(numbers).collect();
    for bad in golden["bad"].as_array().expect("bad values").iter().filter(|_| spoiled) {
        let name = NAMES.iter().position(|name| bad["parameter"] == *name).expect("a parameter");
        let step = bad["step"].as_u64().expect("a step") as usize;
        let value = bad["value"].as_str().and_then(|value| value.parse().ok()).expect("a number");
        rows[step - 1][name][1] = value;
    }
    rows
}

/// Replays every case on every CPU backend in one precision.
fn replay(dtype: DType, tolerance_key: &str) {
    let golden = golden();
    let tolerance = golden["tolerance"][tolerance_key].as_f64().expect("a tolerance");
    let cases = golden["cases"].as_array().expect("cases");
    let mut replayed = 0;
    for (backend, device) in cpu_devices() {
        for golden_case in cases.iter().filter(|case| case["name"] != "momentum_then_clip_norm") {
            let name = golden_case["name"].as_str().expect("a name");
            let (config, mut optimizer, lr) = built(case(name));
            let mut chain = chain(config);
            let mut module = Parameters::new(&numbers(&golden["theta"]), &device, dtype);
            for (index, row) in gradients(&golden, golden_case["spoiled"] == true).iter().enumerate() {
                let gradients = chain.apply(&module, module.gradients(row)).expect("skips within the limit");
                module = optimizer.step(lr, module.clone(), gradients);
                let step = (index + 1).to_string();
                let check = |found: [Vec<f64>; 3], expected: &Value, what: &str| {
                    let deviation = furthest(&found, &numbers(expected));
                    assert!(
                        deviation <= tolerance,
                        "{name} on {backend} in {dtype:?}, {what} of step {step}: deviation {deviation:e}"
                    );
                };
                if golden_case["trajectory"][&step].is_object() {
                    check(module.values(), &golden_case["trajectory"][&step], "parameters");
                    replayed += 1;
                }
                if golden_case["evaluated"][&step].is_object() {
                    let evaluated = evaluation_weights(&optimizer, module.clone());
                    check(evaluated.values(), &golden_case["evaluated"][&step], "evaluation");
                }
            }
        }
    }
    assert!(replayed >= 26 * 8 * cpu_devices().len(), "only {replayed} steps were compared");
}

#[test]
fn f64_trajectories_agree() {
    replay(DType::F64, "f64");
}

#[test]
fn f32_trajectories_agree() {
    replay(DType::F32, "f32");
}

/// Clipping the gradient and clipping what momentum makes of it are different methods.
#[test]
fn the_order_of_clipping_and_momentum_matters() {
    let golden = golden();
    let ends = |name: &str| {
        let cases = golden["cases"].as_array().expect("cases");
        let case = cases.iter().find(|case| case["name"] == name).expect("the case");
        numbers(&case["trajectory"]["30"])
    };
    assert!(furthest(&ends("clip_norm_then_momentum"), &ends("momentum_then_clip_norm")) > 0.1);
    assert!(furthest(&ends("clip_value_then_norm"), &ends("clip_norm_then_value")) > 0.01);
}

// ---------------------------------------------------------------------------------------------------------------------
// Transforms of gradients

/// The gradients that a chain makes of others, all values the same bits as those that a wrapped optimizer steps by.
#[test]
fn a_wrapper_does_what_the_chain_does() {
    fn steps<O: Optimizer>(config: ChainConfig, wrapped: O, plain: impl Optimizer) {
        for (backend, device) in cpu_devices() {
            let module = Parameters::scattered(1, &device, DType::F32);
            let gradients = || module.gradients(&scattered_values(2));
            let chained = chain(config.clone()).apply(&module, gradients()).expect("finite gradients");
            let one = ModuleOptimizer::from(plain.clone()).step(0.1, module.clone(), chained);
            let other = ModuleOptimizer::from(wrapped.clone()).step(0.1, module.clone(), gradients());
            assert!(same(&one.values(), &other.values()), "{backend}");
            assert!(!same(&one.values(), &module.values()), "{backend}: nothing moved");
        }
    }
    let nadam = || built(NadamConfig::new().build());
    steps(ChainConfig::new().clip_value(0.5), built(ClipValueConfig::new(0.5).wrap(nadam())), nadam());
    steps(ChainConfig::new().centralize(), built(CentralizationConfig::new().wrap(nadam())), nadam());
    let burn = || burn::optim::AdamConfig::new().build();
    steps(ChainConfig::new().centralize(), built(CentralizationConfig::new().wrap(burn())), burn());
}

#[test]
fn a_norm_within_the_limit_changes_no_bit() {
    for (backend, device) in cpu_devices() {
        for dtype in [DType::F32, DType::F64] {
            let module = Parameters::scattered(1, &device, dtype);
            let gradients = module.gradients(&scattered_values(2));
            let before = module.found(&gradients);
            let norm = before.iter().flatten().map(|value| value * value).sum::<f64>().sqrt();
            let apply = |limit, gradients| {
                let clipped = chain(ChainConfig::new().clip_norm(limit)).apply(&module, gradients);
                module.found(&clipped.expect("nothing is skipped"))
            };
            assert!(same(&apply(norm * 1.001, gradients), &before), "{backend}, {dtype:?}");
            let clipped = apply(norm * 0.5, module.gradients(&scattered_values(2)));
            let expected = before.map(|row| row.iter().map(|value| 0.5 * value).collect::<Vec<_>>());
            assert!(furthest(&clipped, &expected) < 1e-6, "{backend}, {dtype:?}");
        }
    }
}

/// Over more values than one thread's share, in an order that threads cannot change.
#[test]
fn the_norm_of_large_tensors_is_right() {
    for (backend, device) in cpu_devices() {
        let count = 300_001;
        let param = Param::from_tensor(Tensor::<1>::zeros([count], &device.clone().autodiff()));
        let row = scattered(count, 5);
        let norm = row.iter().map(|value| value * value).sum::<f64>().sqrt();
        let clip = || {
            let mut gradients = GradientsParams::new();
            gradients.register(param.id, tensor(&row, [count], &device, DType::F32));
            let mut chain = chain(ChainConfig::new().clip_norm(1.0));
            let clipped = chain.apply(&param, gradients).expect("nothing is skipped");
            values(&clipped.get::<1>(param.id).expect("a gradient"))
        };
        let found = clip();
        assert!(found.iter().zip(&row).all(|(x, y)| (x - y / norm).abs() < 1e-7), "{backend}");
        let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool of threads");
        assert!(same_bits(&found, &one_thread.install(clip)), "{backend}");
    }
}

/// The norm over all parameters, summed by hand; that of each precision, of a part without gradients, and of none.
#[test]
fn the_global_norm_is_that_of_all_values_together() {
    for (backend, device) in cpu_devices() {
        for dtype in [DType::F32, DType::F64] {
            let module = Parameters::scattered(1, &device, dtype);
            let rows = scattered_values(2);
            let all: Vec<f64> = rows.concat();
            let expected = [
                (Norm::Sum, all.iter().map(|x| x.abs()).sum::<f64>()),
                (Norm::Euclidean, all.iter().map(|x| x * x).sum::<f64>().sqrt()),
                (Norm::Maximum, all.iter().fold(0.0, |largest: f64, x| largest.max(x.abs()))),
            ];
            let gradients = module.gradients(&rows);
            for (norm, expected) in expected {
                let found = norm.of(&module, &gradients).expect("gradients").into_scalar::<f64>();
                assert!((found / expected - 1.0).abs() < 1e-6, "{norm:?} on {backend}: {found}, not {expected}");
            }
            let found = global_norm(&module, &gradients).expect("gradients").into_scalar::<f64>();
            assert!((found / expected[1].1 - 1.0).abs() < 1e-6, "{backend}: {found}");
            // The gradients are as they were.
            assert!(same(&module.found(&gradients), &module.found(&module.gradients(&rows))));
            let mut one = GradientsParams::new();
            one.register(module.bias.id, tensor(&[3.0, 0.0, -4.0, 0.0], [4], &device, dtype));
            let of_one = |norm: Norm| norm.of(&module, &one).expect("a gradient").into_scalar::<f64>();
            assert_eq!([Norm::Sum, Norm::Euclidean, Norm::Maximum].map(of_one), [7.0, 5.0, 4.0]);
            assert!(global_norm(&module, &GradientsParams::new()).is_none());
        }
    }
}

/// What is not finite shows in every norm, wherever it stands.
#[test]
fn a_norm_shows_what_is_not_finite() {
    for (backend, device) in cpu_devices() {
        let module = Parameters::scattered(1, &device, DType::F32);
        for (index, place) in [(0, 23), (1, 0), (2, 3)] {
            for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                let mut rows = scattered_values(2);
                rows[index][place] = bad;
                for norm in [Norm::Sum, Norm::Euclidean, Norm::Maximum] {
                    let found = norm.of(&module, &module.gradients(&rows)).expect("gradients").into_scalar::<f64>();
                    let expected = if bad.is_nan() { found.is_nan() } else { found == f64::INFINITY };
                    assert!(expected, "{norm:?} on {backend}: {bad} gives {found}");
                }
            }
        }
    }
}

/// Many values, so that threads share them: each norm is that of the values one after the other.
#[test]
fn norms_of_large_tensors_are_right() {
    const COUNT: usize = 300_001;
    for (backend, device) in cpu_devices() {
        let all = scattered(COUNT, 3);
        let param = Param::from_tensor(Tensor::<1>::from_inner(tensor(&all, [COUNT], &device, DType::F64)));
        let mut gradients = GradientsParams::new();
        gradients.register(param.id, tensor(&all, [COUNT], &device, DType::F64));
        let sum: f64 = all.iter().map(|x| x.abs()).sum();
        let largest = all.iter().fold(0.0, |largest: f64, x| largest.max(x.abs()));
        let of = |norm: Norm| norm.of(&param, &gradients).expect("a gradient").into_scalar::<f64>();
        assert!((of(Norm::Sum) / sum - 1.0).abs() < 1e-12, "{backend}");
        assert_eq!(of(Norm::Maximum), largest, "{backend}");
    }
}

/// Clipping by the largest magnitude keeps the direction, where clipping of each value does not.
#[test]
fn clipping_by_another_norm_keeps_the_direction() {
    let device = a_device();
    let module = Parameters::scattered(1, &device, DType::F64);
    let rows = scattered_values(2);
    for norm in [Norm::Sum, Norm::Euclidean, Norm::Maximum] {
        let clipped = chain(ChainConfig::new().clip_norm_by(norm, 0.25)).apply(&module, module.gradients(&rows));
        let clipped = clipped.expect("nothing is skipped");
        let found = norm.of(&module, &clipped).expect("gradients").into_scalar::<f64>();
        assert!((found - 0.25).abs() < 1e-12, "{norm:?}: {found}");
        let ratio = module.found(&clipped)[0][0] / rows[0][0];
        for (clipped, plain) in module.found(&clipped).concat().iter().zip(rows.concat()) {
            assert!((clipped / plain / ratio - 1.0).abs() < 1e-12, "{norm:?}");
        }
    }
}

/// Each unit by its own weights: a large gradient of one output is clipped, and no bit of the others changes.
#[test]
fn adaptive_clipping_is_unit_by_unit() {
    for (backend, device) in cpu_devices() {
        let module = Parameters::new(&[vec![0.0; 24], vec![1.0; 12], vec![0.5; 4]], &device, DType::F64);
        let mut rows = [vec![0.0; 24], vec![1e-3; 12], vec![1e-3; 4]];
        // Burn's linear weight is [inputs, outputs]: the second output. Of the kernel, [outputs, …], the last.
        (0..3).for_each(|input| rows[1][4 * input + 1] = 5.0);
        (16..24).for_each(|index| rows[0][index] = 1.0);
        let clip = |config: AdaptiveClipConfig| {
            let mut chain = chain(ChainConfig::new().then(GradientTransform::AdaptiveClip(config)));
            module.found(&chain.apply(&module, module.gradients(&rows)).expect("nothing is skipped"))
        };
        let [kernel, weight, bias] = clip(AdaptiveClipConfig::new(0.1));
        for (index, (found, before)) in weight.iter().zip(&rows[1]).enumerate() {
            // λ·‖θ‖ shared by three inputs: 0.1·√3/√3.
            let expected = if index % 4 == 1 { 0.1 } else { *before };
            assert!((found - expected).abs() < 1e-12, "{backend}: {weight:?}");
            assert!(index % 4 == 1 || found.to_bits() == before.to_bits(), "{backend}");
        }
        assert!(same_bits(&bias, &rows[2]), "{backend}");
        // Weights at zero have a norm of ε, which eight values share.
        let expected = 0.1 * 1e-3 / 8_f64.sqrt();
        assert!(kernel[16..].iter().all(|found| (found - expected).abs() < 1e-15), "{backend}: {kernel:?}");
        assert!(kernel[..16].iter().all(|found| *found == 0.0), "{backend}");
        let [_, by_rows, _] = clip(AdaptiveClipConfig::new(0.1).with_outputs(OutputAxis::First));
        assert!(by_rows[0] < 1e-3, "{backend}: an input's gradients are clipped together: {by_rows:?}");
    }
}

#[test]
fn centralized_weights_keep_the_sum_of_each_output() {
    for (backend, device) in cpu_devices() {
        let module = Parameters::scattered(1, &device, DType::F64);
        let mut chain = chain(ChainConfig::new().centralize());
        let gradients = chain.apply(&module, module.gradients(&scattered_values(2))).expect("nothing is skipped");
        let [kernel, weight, bias] = module.found(&gradients);
        for output in kernel.chunks(8) {
            assert!(output.iter().sum::<f64>().abs() < 1e-12, "{backend}");
        }
        for output in 0..4 {
            assert!((0..3).map(|input| weight[4 * input + output]).sum::<f64>().abs() < 1e-12, "{backend}");
        }
        assert!(same_bits(&bias, &scattered_values(2)[2]), "{backend}: a bias has no mean to lose");
        let first = GradientTransform::Centralize(CentralizationConfig::new().with_outputs(OutputAxis::First));
        let gradients = module.gradients(&scattered_values(2));
        let gradients = self::chain(ChainConfig::new().then(first)).apply(&module, gradients);
        let [_, weight, _] = module.found(&gradients.expect("nothing is skipped"));
        assert!(weight.chunks(4).all(|row| row.iter().sum::<f64>().abs() < 1e-12), "{backend}");
    }
}

/// A network, to have paths of some length.
#[derive(Module, Debug)]
struct Model {
    network: Network,
}

#[derive(Module, Debug)]
struct Network {
    layers: Vec<Linear>,
}

impl Model {
    fn new(device: &Device) -> Self {
        let device = device.clone().autodiff();
        Self { network: Network { layers: (0..2).map(|_| LinearConfig::new(3, 3).init(&device)).collect() } }
    }

    fn gradients(&self, layer: usize, value: f32) -> GradientsParams {
        let mut gradients = GradientsParams::new();
        for (index, linear) in self.network.layers.iter().enumerate() {
            let device = linear.weight.val().device().inner();
            let value = if index == layer { value } else { 1.0 };
            gradients.register(linear.weight.id, Tensor::<2>::full([3, 3], value, &device));
        }
        gradients
    }
}

#[test]
fn a_step_that_is_not_finite_is_skipped_and_named() {
    for (backend, device) in cpu_devices() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let model = Model::new(&device);
            let mut chain = chain(ChainConfig::new().apply_if_finite(2));
            for step in 1..=2 {
                let gradients = chain.apply(&model, model.gradients(1, bad)).expect("a skip that is allowed");
                assert!(gradients.is_empty(), "{backend}, {bad}");
                let skips = chain.skips();
                assert_eq!((skips.total, skips.consecutive), (step, step), "{backend}, {bad}");
                assert_eq!(skips.parameter.as_deref(), Some("network.layers.1.weight"), "{backend}, {bad}");
            }
            assert_eq!(chain.apply(&model, model.gradients(0, 2.0)).expect("finite").len(), 2);
            assert_eq!((chain.skips().total, chain.skips().consecutive), (2, 0));
            let mut last = Ok(GradientsParams::new());
            (0..3).for_each(|_| last = chain.apply(&model, model.gradients(0, bad)));
            let error = last.expect_err("one skip too many");
            assert_eq!((error.parameter.as_str(), error.steps), ("network.layers.0.weight", 3));
            assert_eq!(
                error.to_string(),
                "the gradient of `network.layers.0.weight` is not finite; that makes 3 such steps in a row, more than the \
                 2 allowed"
            );
        }
    }
}

#[test]
fn without_a_guard_what_is_not_finite_spreads() {
    for (backend, device) in cpu_devices() {
        let model = Model::new(&device);
        let clipped = chain(ChainConfig::new().clip_norm(1.0)).apply(&model, model.gradients(0, f32::NAN));
        let clipped = clipped.expect("nothing is skipped");
        let other = clipped.get::<2>(model.network.layers[1].weight.id).expect("a gradient");
        assert!(values(&other).iter().all(|value| value.is_nan()), "{backend}");
        let clipped = chain(ChainConfig::new().clip_value(1.0)).apply(&model, model.gradients(0, f32::NAN));
        let clipped = clipped.expect("nothing is skipped");
        let [nan, finite] =
            [0, 1].map(|layer| values(&clipped.get::<2>(model.network.layers[layer].weight.id).expect("a gradient")));
        assert!(nan.iter().all(|value| value.is_nan()) && finite.iter().all(|value| *value == 1.0), "{backend}");
    }
}

fn everything() -> ChainConfig {
    let group = ParamGroup::from_predicate("weight");
    let within = ChainConfig::new().clip_value(1.0).accumulate(1).apply_if_finite(0);
    ChainConfig::new()
        .apply_if_finite(1)
        .centralize()
        .masked(group, within)
        .accumulate(2)
        .clip_value(0.5)
        .clip_norm(1.0)
}

#[test]
fn no_gradients_are_no_step() {
    for (backend, device) in cpu_devices() {
        let module = Parameters::scattered(1, &device, DType::F32);
        let mut chain = chain(everything());
        for _ in 0..4 {
            assert!(chain.apply(&module, GradientsParams::new()).expect("nothing is skipped").is_empty(), "{backend}");
        }
        assert!(chain.flush(&module).expect("nothing is skipped").is_empty(), "{backend}");
        let mut optimizer = ModuleOptimizer::from(built(EmaConfig::new().wrap(built(NadamConfig::new().build()))));
        let next = optimizer.step(0.1, module.clone(), GradientsParams::new());
        assert!(same(&next.values(), &module.values()), "{backend}");
        assert!(same(&evaluation_weights(&optimizer, next).values(), &module.values()), "{backend}");
    }
}

#[test]
fn a_parameter_without_a_gradient_is_left_out() {
    for (backend, device) in cpu_devices() {
        let module = Parameters::scattered(1, &device, DType::F64);
        let some = |weight: bool| {
            let mut gradients = module.gradients(&scattered_values(2));
            gradients.remove::<4>(module.kernel.id);
            if !weight {
                gradients.remove::<2>(module.weight.id);
            }
            gradients
        };
        let mut chain = chain(ChainConfig::new().accumulate(2).clip_norm(1e9));
        assert!(chain.apply(&module, some(true)).expect("nothing is skipped").is_empty());
        let mean = chain.apply(&module, some(false)).expect("nothing is skipped");
        let [kernel, weight, bias] = module.found(&mean);
        let [_, expected, whole] = scattered_values(2);
        assert!(kernel.is_empty(), "{backend}");
        let half: Vec<f64> = expected.iter().map(|value| value / 2.0).collect();
        assert!(deviation(&weight, &half) < 1e-12, "{backend}: a micro-batch without it counts as zero");
        assert!(deviation(&bias, &whole) < 1e-12, "{backend}");
    }
}

#[test]
fn what_is_left_over_is_a_step_of_its_own() {
    let module = Parameters::scattered(1, &a_device(), DType::F64);
    let mut chain = chain(ChainConfig::new().apply_if_finite(5).accumulate(4).clip_norm(1.0));
    assert!(chain.flush(&module).expect("nothing is skipped").is_empty());
    let rows = [scattered_values(2), scattered_values(3)];
    for row in &rows {
        assert!(chain.apply(&module, module.gradients(row)).expect("finite").is_empty());
    }
    let mut bad = scattered_values(4);
    bad[0][0] = f64::NAN;
    assert!(chain.apply(&module, module.gradients(&bad)).expect("a skip that is allowed").is_empty());
    let found = module.found(&chain.flush(&module).expect("finite"));
    let mean = [0, 1, 2].map(|index| {
        let pairs = rows[0][index].iter().zip(&rows[1][index]);
        pairs.map(|(one, other)| (one + other) / 2.0).collect::<Vec<f64>>()
    });
    let norm = mean.iter().flatten().map(|value| value * value).sum::<f64>().sqrt();
    let expected = mean.map(|row| row.iter().map(|value| value / norm).collect::<Vec<f64>>());
    assert!(furthest(&found, &expected) < 1e-12);
    assert_eq!((chain.skips().total, chain.skips().consecutive), (1, 0));
    assert!(chain.flush(&module).expect("nothing is skipped").is_empty());
}

/// Two fields with one parameter: a visit meets it twice.
#[derive(Module, Debug)]
struct Tied {
    one: Param<Tensor<1>>,
    other: Param<Tensor<1>>,
}

#[test]
fn a_tied_parameter_counts_once() {
    let device = a_device();
    let param = Param::from_tensor(Tensor::<1>::zeros([2], &device.clone().autodiff()));
    let tied = Tied { one: param.clone(), other: param };
    let mut gradients = GradientsParams::new();
    gradients.register(tied.one.id, Tensor::<1>::from_data([3.0, 4.0], &device));
    let clipped = chain(ChainConfig::new().clip_norm(1.0)).apply(&tied, gradients).expect("nothing is skipped");
    let found = values(&clipped.get::<1>(tied.one.id).expect("a gradient"));
    assert!(deviation(&found, &[0.6, 0.8]) < 1e-6, "{found:?}");
}

#[test]
fn a_group_that_is_kept_back_leaves_the_others_alone() {
    let module = Parameters::scattered(1, &a_device(), DType::F64);
    let group = ParamGroup::from_path("weight");
    let mut chain = chain(ChainConfig::new().masked(group, ChainConfig::new().accumulate(2)));
    let first = module.found(&chain.apply(&module, module.gradients(&scattered_values(2))).expect("finite"));
    assert!(first[1].is_empty() && same_bits(&first[0], &scattered_values(2)[0]));
    let left_over = module.found(&chain.flush(&module).expect("finite"));
    assert!(left_over[0].is_empty() && same_bits(&left_over[1], &scattered_values(2)[1]));
}

#[test]
fn half_precision_is_summed_in_single() {
    let device = a_device();
    let module = Parameters::scattered(1, &device, DType::F16);
    // 4096 + 1 is 4096 in f16, and the square of 4096 is infinite.
    let row = |value: f64| LENGTHS.map(|len| vec![value; len]);
    let mut chain = chain(ChainConfig::new().accumulate(3).clip_norm(1.0));
    for value in [8192.0, 4.0, -8192.0] {
        let gradients = chain.apply(&module, module.gradients(&row(value))).expect("nothing is skipped");
        if value < 0.0 {
            let expected = 1.0 / 40.0_f64.sqrt();
            assert!(furthest(&module.found(&gradients), &row(expected)) < 1e-3);
            assert_eq!(gradients.get::<1>(module.bias.id).map(|gradient| gradient.dtype()), Some(DType::F16));
        }
    }
    // The factor is 4e-9, which f16 has no number for.
    let mut chain = self::chain(ChainConfig::new().clip_norm(1e-3));
    let gradients = chain.apply(&module, module.gradients(&row(40_000.0))).expect("nothing is skipped");
    let expected = 1e-3 / 40.0_f64.sqrt();
    assert!(furthest(&module.found(&gradients), &row(expected)) < 1e-6);
}

#[test]
fn a_chain_is_a_list_in_a_configuration_file() {
    let text = r#"[{"apply_if_finite":3},{"accumulate":2},{"centralize":{"outputs":"burn"}},{"clip_value":{"limit":0.5}},
        {"clip_norm":1.0}]"#;
    let read: ChainConfig = serde_json::from_str(text).expect("a chain");
    let written = ChainConfig::new().apply_if_finite(3).accumulate(2).centralize().clip_value(0.5).clip_norm(1.0);
    let json = |chain: &ChainConfig| serde_json::to_value(chain).expect("a value");
    assert_eq!(json(&read), json(&written));
    assert_eq!(json(&written), serde_json::from_str::<Value>(text).expect("a value"));
    let text = r#"[{"adaptive_clip":{"lambda":0.1,"epsilon":0.001,"outputs":"burn"}},
        {"clip_norm_by":{"norm":"maximum","limit":0.5}}]"#;
    let other = ChainConfig::new().adaptive_clip(0.1).clip_norm_by(Norm::Maximum, 0.5);
    assert_eq!(json(&serde_json::from_str(text).expect("a chain")), json(&other));
    // Another norm takes the place of the one before.
    let replaced = other.with(GradientTransform::ClipNorm(2.0));
    assert_eq!(json(&replaced), json(&ChainConfig::new().adaptive_clip(0.1).clip_norm(2.0)));
    let masked = everything();
    let again: ChainConfig = serde_json::from_value(json(&masked)).expect("a chain");
    assert_eq!(json(&again), json(&masked));
}

#[test]
fn values_out_of_range_are_told() {
    let nadam = || built(NadamConfig::new().build());
    let chain = |config: ChainConfig| config.init().map(|_| ()).unwrap_err().to_string();
    let none = ChainConfig::new;
    assert_eq!(chain(none().clip_norm(0.0)), "Chain: clip_norm should be in (0, ∞), but is 0");
    assert_eq!(chain(none().clip_norm(f64::NAN)), "Chain: clip_norm should be in (0, ∞), but is NaN");
    assert_eq!(chain(none().clip_norm_by(Norm::Sum, -1.0)), "Chain: clip_norm_by should be in (0, ∞), but is -1");
    assert_eq!(chain(none().adaptive_clip(0.0)), "AdaptiveClip: lambda should be in (0, ∞), but is 0");
    let without = AdaptiveClipConfig::new(0.1).with_epsilon(0.0);
    assert_eq!(
        chain(none().then(GradientTransform::AdaptiveClip(without))),
        "AdaptiveClip: epsilon should be in (0, ∞), but is 0"
    );
    assert_eq!(chain(none().clip_value(-1.0)), "ClipValue: limit should be in (0, ∞), but is -1");
    assert_eq!(chain(none().accumulate(0)), "Chain: accumulate should be at least 1, but is 0");
    let masked = none().masked(ParamGroup::all(), none().clip_norm(f64::INFINITY));
    assert_eq!(chain(masked), "Chain: clip_norm should be in (0, ∞), but is inf");
    let told = [
        (EmaConfig::new().with_decay(1.0).wrap(nadam()).map(|_| ()), "Ema: decay should be in [0, 1), but is 1"),
        (SwaConfig::new().with_every(0).wrap(nadam()).map(|_| ()), "Swa: every should be at least 1, but is 0"),
        (
            LookaheadConfig::new().with_period(0).wrap(nadam()).map(|_| ()),
            "Lookahead: period should be at least 1, but is 0",
        ),
        (
            LookaheadConfig::new().with_alpha(1.5).wrap(nadam()).map(|_| ()),
            "Lookahead: alpha should be in [0, 1], but is 1.5",
        ),
        (SamConfig::new().with_rho(-1.0).init().map(|_| ()), "Sam: rho should be in [0, ∞), but is -1"),
    ];
    for (result, message) in told {
        assert_eq!(result.unwrap_err().to_string(), message);
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Transforms of weights

type Start = fn() -> Result<ModuleOptimizer, ConfigError>;

/// Every wrapper with a state of its own, over this crate's optimizers and Burn's, and wrappers over wrappers.
fn stateful() -> Vec<(&'static str, Start)> {
    fn burn_adam() -> impl Optimizer {
        burn::optim::AdamConfig::new().build()
    }
    fn nadam() -> Result<impl Optimizer, ConfigError> {
        NadamConfig::new().build()
    }
    fn ema() -> EmaConfig {
        EmaConfig::new().with_decay(0.7)
    }
    const SWA: fn() -> SwaConfig = || SwaConfig::new().with_start(3).with_every(2);
    const LOOK: fn() -> LookaheadConfig = || LookaheadConfig::new().with_period(3);
    vec![
        ("ema nadam", || Ok(ema().wrap(nadam()?)?.into())),
        ("ema bias correction", || Ok(ema().with_warm_up(DecayWarmUp::BiasCorrection).wrap(nadam()?)?.into())),
        ("ema first step", || Ok(ema().with_warm_up(DecayWarmUp::FirstStep).wrap(nadam()?)?.into())),
        ("ema burn adam", || Ok(ema().wrap(burn_adam())?.into())),
        ("swa nadam", || Ok(SWA().wrap(nadam()?)?.into())),
        ("swa burn adam", || Ok(SWA().wrap(burn_adam())?.into())),
        ("lookahead nadam", || Ok(LOOK().wrap(nadam()?)?.into())),
        ("lookahead burn adam", || Ok(LOOK().wrap(burn_adam())?.into())),
        ("ema lookahead noise nadam", || {
            Ok(ema().wrap(LOOK().wrap(GradientNoiseConfig::new().wrap(nadam()?)?)?)?.into())
        }),
        ("noise ema burn adam", || Ok(GradientNoiseConfig::new().wrap(ema().wrap(burn_adam())?)?.into())),
        ("ema ema nadam", || Ok(ema().wrap(ema().with_decay(0.3).wrap(nadam()?)?)?.into())),
        ("clip ema centralization nadam", || {
            let inner = ema().wrap(CentralizationConfig::new().wrap(nadam()?)?)?;
            Ok(ClipValueConfig::new(1.0).wrap(inner)?.into())
        }),
    ]
}

/// At every step, so that some breaks fall between two movements of an average.
#[test]
fn a_resumed_run_goes_on_as_it_would_have() {
    for (backend, device) in cpu_devices() {
        for (name, start) in stateful() {
            let (mut unbroken, mut optimizer) = (Parameters::scattered(1, &device, DType::F32), built(start()));
            let mut resumed = (unbroken.clone(), built(start()));
            for step in 0..8 {
                let row = scattered_values(2 + step);
                unbroken = optimizer.step(0.1, unbroken.clone(), unbroken.gradients(&row));
                let bytes = resumed.1.into_bytes().expect("the state becomes bytes");
                resumed.1 = built(start()).from_bytes(bytes).expect("the bytes become a state");
                resumed.0 = resumed.1.step(0.1, resumed.0.clone(), unbroken.gradients(&row));
                assert!(same(&resumed.0.values(), &unbroken.values()), "{name} on {backend}, step {step}");
                let [found, expected] = [(&resumed.1, &resumed.0), (&optimizer, &unbroken)]
                    .map(|(optimizer, module)| evaluation_weights(optimizer, module.clone()).values());
                assert!(same(&found, &expected), "{name} on {backend}, evaluation of step {step}");
            }
            let evaluated = evaluation_weights(&optimizer, unbroken.clone()).values();
            assert!(!same(&evaluated, &unbroken.values()), "{name} on {backend}: nothing was averaged");
        }
    }
}

#[test]
fn averages_leave_the_training_as_it_is() {
    fn optimizers<O: Optimizer>(optimizer: O) -> [ModuleOptimizer; 3] {
        let ema = built(EmaConfig::new().wrap(optimizer.clone()));
        let swa = built(SwaConfig::new().wrap(optimizer.clone()));
        [optimizer.into(), ema.into(), swa.into()]
    }
    for (backend, device) in cpu_devices() {
        for dtype in [DType::F32, DType::F64] {
            for all in
                [optimizers(built(NadamConfig::new().build())), optimizers(burn::optim::AdamConfig::new().build())]
            {
                let start = Parameters::scattered(1, &device, dtype);
                let ends = all.map(|mut optimizer| {
                    let mut module = start.clone();
                    for step in 0..5 {
                        let gradients = module.gradients(&scattered_values(2 + step));
                        module = optimizer.step(0.1, module.clone(), gradients);
                        // An evaluation between two steps changes nothing either.
                        evaluation_weights(&optimizer, module.clone());
                    }
                    module.values()
                });
                assert!(same(&ends[0], &ends[1]) && same(&ends[0], &ends[2]), "{backend}, {dtype:?}");
            }
        }
    }
}

/// Noise over EMA over Nadam: the noise reaches Nadam, the average follows, and evaluation finds it through the noise.
/// What torch 2.15 gives for `AveragedModel(model, avg_fn=get_ema_avg_fn(0.9))`, updated after each step of SGD.
#[test]
fn the_average_of_pytorchs_averaged_model_begins_with_the_first_step() {
    let torch =
        [[0.9, -1.95], [0.88, -1.94], [0.832, -1.916], [0.7488, -1.8744], [0.62392, -1.81196], [0.451528, -1.725764]];
    for (backend, device) in cpu_devices() {
        let ema = EmaConfig::pytorch().with_decay(0.9);
        let mut optimizer = ModuleOptimizer::from(built(ema.wrap(built(SgdConfig::new().build()))));
        let mut param = Param::from_tensor(tensor(&[1.0, -2.0], [2], &device.clone().autodiff(), DType::F64));
        for (index, expected) in torch.iter().enumerate() {
            let t = (index + 1) as f64;
            let mut gradients = GradientsParams::new();
            gradients.register(param.id, tensor(&[t, -0.5 * t], [2], &device, DType::F64));
            param = optimizer.step(0.1, param, gradients);
            let found = values(&evaluation_weights(&optimizer, param.clone()).val());
            assert!(deviation(&found, expected) < 1e-12, "{backend}, step {t}: {found:?}, not {expected:?}");
        }
    }
    assert_eq!(EmaConfig::pytorch().decay, 0.999);
}

#[test]
fn an_average_is_found_under_other_wrappers() {
    for (backend, device) in cpu_devices() {
        let ema = EmaConfig::new().with_decay(0.5).with_warm_up(DecayWarmUp::None);
        let noise = GradientNoiseConfig::new().with_eta(0.3);
        let wrapped = noise.wrap(built(ema.wrap(built(NadamConfig::new().build()))));
        let clipped = built(ClipValueConfig::new(10.0).wrap(built(wrapped)));
        let mut optimizer = ModuleOptimizer::from(clipped);
        let mut module = Parameters::scattered(1, &device, DType::F64);
        let mut average = module.values();
        for step in 0..6 {
            let gradients = module.gradients(&scattered_values(2 + step));
            module = optimizer.step(0.1, module, gradients);
            for (average, values) in average.iter_mut().zip(module.values()) {
                average.iter_mut().zip(values).for_each(|(average, value)| *average = 0.5 * *average + 0.5 * value);
            }
        }
        let found = evaluation_weights(&optimizer, module).values();
        assert!(furthest(&found, &average) < 1e-12, "{backend}");
    }
}

#[test]
fn lookahead_is_found_under_an_average_that_has_not_begun() {
    let swa = SwaConfig::new().with_start(100);
    let lookahead = LookaheadConfig::new().with_period(2);
    let plain = || built(SgdConfig::new().build());
    let mut optimizer = ModuleOptimizer::from(built(swa.wrap(built(lookahead.wrap(plain())))));
    let start = Parameters::scattered(1, &a_device(), DType::F64);
    let module = optimizer.step(0.1, start.clone(), start.gradients(&scattered_values(2)));
    let evaluated = evaluation_weights(&optimizer, module.clone());
    assert!(same(&evaluated.values(), &start.values()), "the slow weights have not moved yet");
    assert!(!same(&module.values(), &start.values()));
}

#[test]
fn groups_have_averages_of_their_own() {
    let device = a_device();
    let ema = EmaConfig::new().with_decay(0.5).with_warm_up(DecayWarmUp::None);
    let averaged = built(ema.wrap(built(NadamConfig::new().build())));
    let mut optimizer = built(SgdConfig::new().init()).with_group(ParamGroup::from_path("weight"), averaged, None);
    let mut module = Parameters::scattered(1, &device, DType::F32);
    for step in 0..3 {
        let gradients = module.gradients(&scattered_values(2 + step));
        module = optimizer.step(0.1, module.clone(), gradients);
    }
    let (evaluated, trained) = (evaluation_weights(&optimizer, module.clone()).values(), module.values());
    assert!(same_bits(&evaluated[0], &trained[0]) && same_bits(&evaluated[2], &trained[2]));
    assert!(!same_bits(&evaluated[1], &trained[1]));
}

/// An average of many steps in half precision: its small shares of the weights would be lost if it were one too.
#[test]
fn half_precision_weights_are_averaged_in_single() {
    let device = a_device();
    let ema = EmaConfig::new().with_decay(0.999).with_warm_up(DecayWarmUp::None);
    let mut optimizer = ModuleOptimizer::from(built(ema.wrap(built(SgdConfig::new().build()))));
    let mut module = Parameters::new(&LENGTHS.map(|len| vec![1.0; len]), &device, DType::F16);
    // One step to 2, where it stays: the average comes towards it by a thousandth each time.
    for step in 0..500 {
        let gradient = if step == 0 { -1.0 } else { 0.0 };
        let gradients = module.gradients(&LENGTHS.map(|len| vec![gradient; len]));
        module = optimizer.step(1.0, module, gradients);
    }
    let evaluated = evaluation_weights(&optimizer, module);
    let expected = 2.0 - 0.999_f64.powi(500);
    assert!(furthest(&evaluated.values(), &LENGTHS.map(|len| vec![expected; len])) < 1e-3);
    assert_eq!(evaluated.bias.val().dtype(), DType::F16);
}

// ---------------------------------------------------------------------------------------------------------------------
// Sharpness-aware minimization

/// L = (a·x² + b·y²)/2, whose gradient is (a·x, b·y).
fn bowl(param: &Param<Tensor<1>>, curvature: [f64; 2]) -> GradientsParams {
    let (device, dtype) = (param.val().device(), param.val().dtype());
    let curvature = Tensor::<1>::from_data(curvature, (&device, dtype));
    let loss = (param.val().square() * curvature).sum() / 2.0;
    GradientsParams::from_grads(loss.backward(), param)
}

#[test]
fn sam_takes_the_gradient_uphill() {
    for (backend, device) in cpu_devices() {
        for device in [device.clone().autodiff(), device.autodiff().gradient_checkpointing()] {
            let start = || Tensor::<1>::from_data([1.0, 2.0], (&device, DType::F64));
            let param = Param::from_tensor(start());
            let [a, b, rho] = [3.0, 0.5, 0.1];
            let mut points = Vec::new();
            let sam = built(SamConfig::new().with_rho(rho).init());
            let gradients = sam.gradients(&param, |param| {
                points.push(values(&param.val()));
                bowl(param, [a, b])
            });
            // g₁ = (3, 1), ‖g₁‖ = √10; uphill is (1, 2) + 0.1·(3, 1)/√10.
            let norm = 10.0_f64.sqrt();
            let uphill = [1.0 + rho * 3.0 / norm, 2.0 + rho * 1.0 / norm];
            assert!(deviation(&points[0], &[1.0, 2.0]) == 0.0, "{backend}");
            assert!(deviation(&points[1], &uphill) < 1e-12, "{backend}");
            let found = values(&gradients.get::<1>(param.id).expect("a gradient"));
            assert!(deviation(&found, &[a * uphill[0], b * uphill[1]]) < 1e-12, "{backend}");
            let moved = built(SgdConfig::new().init()).step(0.1, param, gradients);
            let expected = [1.0 - 0.1 * a * uphill[0], 2.0 - 0.1 * b * uphill[1]];
            assert!(deviation(&values(&moved.val()), &expected) < 1e-12, "{backend}: the step starts from θ");
            assert!(moved.is_require_grad());
        }
    }
}

/// L = Σ a·x²·y with x and y one parameter: all of its places go uphill together, and the gradient is that of all.
#[test]
fn sam_moves_every_place_of_a_tied_parameter() {
    for (backend, device) in cpu_devices() {
        let theta = Tensor::<1>::from_data([1.0, 2.0], (&device.clone().autodiff(), DType::F64));
        let param = Param::from_tensor(theta);
        let tied = Tied { one: param.clone(), other: param };
        let rho = 0.1;
        let sam = built(SamConfig::new().with_rho(rho).init());
        let mut points = Vec::new();
        let gradients = sam.gradients(&tied, |tied| {
            points.push([values(&tied.one.val()), values(&tied.other.val())]);
            let loss = (tied.one.val().square() * tied.other.val()).sum();
            GradientsParams::from_grads(loss.backward(), tied)
        });
        // dL/dθ = 3θ²: g₁ = (3, 12).
        let norm = 153.0_f64.sqrt();
        let uphill = [1.0 + rho * 3.0 / norm, 2.0 + rho * 12.0 / norm];
        for place in &points[1] {
            assert!(deviation(place, &uphill) < 1e-12, "{backend}: {place:?}, not {uphill:?}");
        }
        let found = values(&gradients.get::<1>(tied.one.id).expect("a gradient"));
        let expected = uphill.map(|theta| 3.0 * theta * theta);
        assert!(deviation(&found, &expected) < 1e-12, "{backend}: {found:?}, not {expected:?}");
    }
}

#[test]
fn sam_stays_where_there_is_no_way_up() {
    let device = a_device().autodiff();
    let sam = built(SamConfig::new().init());
    let param = Param::from_tensor(Tensor::<1>::zeros([2], (&device, DType::F32)));
    let gradients = sam.gradients(&param, |param| bowl(param, [1.0, 1.0]));
    assert_eq!(values(&gradients.get::<1>(param.id).expect("a gradient")), [0.0, 0.0]);
    let mut calls = 0;
    let none = sam.gradients(&param, |_| {
        calls += 1;
        GradientsParams::new()
    });
    assert!(none.is_empty());
    assert_eq!(calls, 1);
}

// ---------------------------------------------------------------------------------------------------------------------
// Batch normalization

/// Layers with running statistics at two depths, and dropout before the second.
#[derive(Module, Debug)]
struct Normalized {
    first: BatchNorm,
    dropout: Dropout,
    blocks: Vec<Block>,
}

#[derive(Module, Debug)]
struct Block {
    linear: Linear,
    norm: BatchNorm,
}

impl Normalized {
    fn new(device: &Device, momentum: [f64; 2]) -> Self {
        let norm = |features, momentum| BatchNormConfig::new(features).with_momentum(momentum).init(device);
        Self {
            first: norm(3, momentum[0]),
            dropout: DropoutConfig::new(0.5).init(),
            blocks: vec![Block { linear: LinearConfig::new(3, 2).init(device), norm: norm(2, momentum[1]) }],
        }
    }

    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        let x = self.dropout.forward(self.first.forward(input));
        self.blocks[0].norm.forward(self.blocks[0].linear.forward(x))
    }

    fn batch_norms(&self) -> Vec<&BatchNorm> {
        vec![&self.first, &self.blocks[0].norm]
    }

    fn statistics(&self) -> [Vec<f64>; 4] {
        let norms = [&self.first, &self.blocks[0].norm];
        let [first, second] = norms.map(|norm| [&norm.running_mean, &norm.running_var].map(|s| values(&s.value())));
        let ([a, b], [c, d]) = (first, second);
        [a, b, c, d]
    }

    fn learned(&self) -> Vec<Vec<f64>> {
        let mut all = vec![values(&self.blocks[0].linear.weight.val())];
        for norm in [&self.first, &self.blocks[0].norm] {
            all.extend([values(&norm.gamma.val()), values(&norm.beta.val())]);
        }
        all
    }
}

fn batches(device: &Device) -> Vec<Tensor<2>> {
    let batch = |index: usize| {
        let rows = 4 + index;
        let values: Vec<f64> = scattered(3 * rows, index).iter().map(|value| 7.0 + 3.0 * value).collect();
        tensor(&values, [rows, 3], device, DType::F32)
    };
    (0..5).map(batch).collect()
}

fn assert_near(found: &[Vec<f64>; 4], expected: &[Vec<f64>; 4], what: &str) {
    for (found, expected) in found.iter().zip(expected) {
        assert!(deviation(found, expected) < 1e-5, "{what}: {found:?}, not {expected:?}");
    }
}

#[test]
fn batch_norm_is_estimated_anew() {
    let checkpointing = |(backend, device): (&'static str, Device)| {
        [(backend, device.clone().autodiff(), false), (backend, device.autodiff().gradient_checkpointing(), true)]
    };
    for (backend, device, checkpointing) in cpu_devices().into_iter().flat_map(checkpointing) {
        for momentum in [[0.1, 0.1], [1.0, 0.37], [0.001, 0.9]] {
            let model = Normalized::new(&device, momentum);
            model.forward(batches(&device)[0].clone() * 10.0); // other statistics to begin with
            let before = (model.valid().statistics(), model.learned());
            // A layer with a momentum of 1 has the last batch's statistics: their mean over the batches is expected.
            let mut copy = model.clone().fork(&device);
            copy.first = BatchNormConfig::new(3).with_momentum(1.0).init(&device);
            copy.blocks[0].norm = BatchNormConfig::new(2).with_momentum(1.0).init(&device);
            copy.dropout = DropoutConfig::new(0.0).init();
            let mut expected: [Vec<f64>; 4] = [vec![0.0; 3], vec![0.0; 3], vec![0.0; 2], vec![0.0; 2]];
            for batch in batches(&device) {
                copy.forward(batch);
                let of_batch = copy.valid().statistics();
                for (mean, of_batch) in expected.iter_mut().zip(of_batch) {
                    mean.iter_mut().zip(of_batch).for_each(|(mean, value)| *mean += value / 5.0);
                }
            }
            let forward = |model: &Normalized, batch: &Tensor<2>| _ = model.forward(batch.clone());
            let found =
                reestimate_batch_norm(&model, Normalized::batch_norms, batches(&device), forward).expect("statistics");
            assert_near(&found.statistics(), &expected, &format!("{backend}, momentum {momentum:?}"));
            assert_eq!(found.learned(), before.1, "{backend}");
            assert_eq!(model.valid().statistics(), before.0, "{backend}: the module that was given stays as it was");
            assert_eq!(model.learned(), before.1, "{backend}");
            if checkpointing {
                continue; // Of which a module in validation mode knows nothing.
            }
            // The same from validation mode, where averaged weights are.
            let again = reestimate_batch_norm(&model.valid(), Normalized::batch_norms, batches(&device), forward)
                .expect("statistics");
            assert_eq!(again.statistics(), found.statistics(), "{backend}");
            // And it goes on training.
            found.train().forward(batches(&device)[0].clone()).sum().backward();
        }
    }
}

/// However large one channel is, or that it is not finite, the others have their statistics.
#[test]
fn a_channel_out_of_proportion_leaves_the_others_right() {
    let device = a_device().autodiff();
    let rows: Vec<f64> = scattered(3 * 64, 5);
    for far in [1e5, 1e7, f64::NAN] {
        let scaled: Vec<f64> = rows.iter().enumerate().map(|(i, v)| if i % 3 == 1 { v * far } else { *v }).collect();
        let batch = Tensor::<2>::from_inner(tensor(&scaled, [64, 3], &device.clone().inner(), DType::F32));
        let layer = BatchNormConfig::new(3).init(&device);
        let found = reestimate_batch_norm(
            &layer,
            |layer| vec![layer],
            [batch.clone()],
            |layer, batch| _ = layer.forward(batch.clone()),
        );
        let found = values(&found.expect("statistics").running_var.value());
        let of = |channel: usize| {
            let column: Vec<f64> = rows.iter().skip(channel).step_by(3).copied().collect();
            let mean = column.iter().sum::<f64>() / 64.0;
            column.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 64.0
        };
        for channel in [0, 2] {
            let share = found[channel] / of(channel);
            assert!((share - 1.0).abs() < 1e-4, "{far}: channel {channel} has {share} of its variance");
        }
        assert!(
            found[1].is_nan() == far.is_nan() && (far.is_nan() || (found[1] / of(1) / far / far - 1.0).abs() < 1e-4)
        );
    }
}

/// Frozen after its average began, a parameter is what the others train with.
#[test]
fn a_frozen_parameter_is_evaluated_as_it_is() {
    let device = a_device().autodiff();
    let mut optimizer = ModuleOptimizer::from(built(EmaConfig::new().wrap(built(SgdConfig::new().build()))));
    let step = |model: Linear, optimizer: &mut ModuleOptimizer| {
        let loss = model.forward(Tensor::<2>::ones([4, 3], &device)).square().mean();
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        optimizer.step(0.1, model, gradients)
    };
    let mut model = LinearConfig::new(3, 2).init(&device);
    for _ in 0..3 {
        model = step(model, &mut optimizer);
    }
    let averaged = evaluation_weights(&optimizer, model.clone());
    assert!(values(&averaged.weight.val()) != values(&model.weight.val()), "an average lags behind");
    let model = model.freeze();
    let frozen = evaluation_weights(&optimizer, model.clone());
    assert_eq!(values(&frozen.weight.val()), values(&model.weight.val()));
}

#[test]
fn some_batch_norms_keep_their_statistics() {
    let device = a_device().autodiff();
    let forward = |model: &Normalized, batch: &Tensor<2>| _ = model.forward(batch.clone());
    let mut model = Normalized::new(&device, [0.0, 0.1]);
    let error = reestimate_batch_norm(&model, Normalized::batch_norms, batches(&device), forward).unwrap_err();
    assert_eq!(error.layer, "first", "a momentum of 0");
    model.first = model.first.freeze();
    let found = reestimate_batch_norm(&model, Normalized::batch_norms, batches(&device), forward).expect("statistics");
    assert_eq!(found.statistics()[..2], model.statistics()[..2], "a frozen layer");
    assert_ne!(found.statistics()[2..], model.statistics()[2..]);
    let model = Normalized::new(&device, [0.1, 0.1]);
    fn second(model: &Normalized) -> Vec<&BatchNorm> {
        vec![&model.blocks[0].norm]
    }
    let found = reestimate_batch_norm(&model, second, batches(&device), forward).expect("statistics");
    assert_eq!(found.statistics()[..2], model.statistics()[..2], "a layer that is left out");
    assert_ne!(found.statistics()[2..], model.statistics()[2..]);
    let none = reestimate_batch_norm(&model, Normalized::batch_norms, Vec::new(), forward).expect("nothing to do");
    assert_eq!(none.statistics(), model.statistics(), "no batches");
    let linear = LinearConfig::new(3, 2).init(&device);
    let same = reestimate_batch_norm(
        &linear,
        |_| Vec::new(),
        batches(&device),
        |linear, batch| _ = linear.forward(batch.clone()),
    );
    assert_eq!(values(&same.expect("nothing to do").weight.val()), values(&linear.weight.val()), "no such layer");
}

#[test]
fn batches_that_gather_nothing_are_told() {
    let device = a_device();
    let model = Normalized::new(&device.clone().autodiff(), [0.1, 0.1]);
    let plain = batches(&device.autodiff()).into_iter().map(|batch| batch.inner());
    let error =
        reestimate_batch_norm(&model, Normalized::batch_norms, plain, |model, batch| _ = model.forward(batch.clone()))
            .unwrap_err();
    assert_eq!(
        error.to_string(),
        "no statistics for `first`: batches should be on an autodiff device and pass through the layer"
    );
}

/// A diverged network has statistics, which show it.
#[test]
fn statistics_that_are_not_finite_stay_so() {
    let device = a_device().autodiff();
    let model = Normalized::new(&device, [0.1, 0.1]);
    let batches = batches(&device).into_iter().map(|batch| batch * f32::NAN);
    let found = reestimate_batch_norm(&model, Normalized::batch_norms, batches, |model, batch| {
        _ = model.forward(batch.clone())
    });
    assert!(found.expect("statistics").statistics().iter().flatten().all(|value| value.is_nan()));
}

/// Under SAM the running statistics follow the batch at θ, once.
#[test]
fn sam_leaves_the_running_statistics_to_its_first_gradient() {
    let device = a_device().autodiff();
    device.seed(1);
    let mut model = Normalized::new(&device, [0.1, 0.1]);
    model.dropout = DropoutConfig::new(0.0).init();
    let mut once = model.clone().fork(&device);
    // A fork shares the statistics with its original.
    once.first = BatchNormConfig::new(3).init(&device);
    once.blocks[0].norm = BatchNormConfig::new(2).init(&device);
    let batch = Tensor::<2>::random([8, 3], Distribution::Default, &device);
    once.forward(batch.clone());
    let sam = built(SamConfig::new().with_rho(1.0).init());
    sam.gradients(&model, |model| {
        let loss = model.forward(batch.clone()).powi_scalar(3).mean();
        GradientsParams::from_grads(loss.backward(), model)
    });
    assert_eq!(model.valid().statistics(), once.valid().statistics());
}

/// Zeros that a batch really has are statistics as any other.
#[test]
fn a_batch_of_zeros_has_statistics() {
    let device = a_device().autodiff();
    let layer = BatchNormConfig::new(3).init(&device);
    layer.running_mean.update(Tensor::ones([3], &device));
    let zeros = [Tensor::<2>::zeros([4, 3], &device)];
    let found =
        reestimate_batch_norm(&layer, |layer| vec![layer], zeros, |layer, batch| _ = layer.forward(batch.clone()));
    let found = found.expect("statistics");
    assert_eq!(values(&found.running_mean.value()), [0.0; 3]);
    assert_eq!(values(&found.running_var.value()), [0.0; 3]);
}

/// A transform of one's own does in a chain what it does around an optimizer, in its place.
#[test]
fn a_chain_takes_a_transform_of_ones_own() {
    #[derive(Clone)]
    struct Halve(f64);
    impl TensorTransform for Halve {
        fn transform<const D: usize>(&self, gradient: Tensor<D>) -> Tensor<D> {
            gradient * self.0
        }

        fn check(&self) -> Result<(), ConfigError> {
            ValueRange::Positive.check("Halve", "factor", self.0)
        }
    }
    let device = a_device();
    let param = Param::from_tensor(Tensor::<2>::from_inner(tensor(&[0.0; 4], [2, 2], &device, DType::F32)));
    let chain = ChainConfig::new().then_each(Halve(0.5)).clip_value(1.0);
    let mut gradients = GradientsParams::new();
    gradients.register(param.id, tensor(&[1.0, -3.0, 8.0, 0.0], [2, 2], &device, DType::F32));
    let mut passed = built(chain.init()).apply(&param, gradients).expect("finite");
    let found = values(&passed.remove::<2>(param.id).expect("a gradient"));
    assert_eq!(found, [0.5, -1.0, 1.0, 0.0], "first halved, then clipped");
    let error = ChainConfig::new().then_each(Halve(-1.0)).init().expect_err("out of range").to_string();
    assert_eq!(error, "Halve: factor should be in (0, ∞), but is -1");
    assert!(serde_json::to_string(&chain).is_err(), "it has no place in a file");
}

/// A layer that a batch passes through twice, on a thread of its own, has the mean of both times, the later one weighing more.
#[test]
fn a_layer_that_is_passed_twice_elsewhere_has_statistics() {
    let device = a_device().autodiff();
    let layer = BatchNormConfig::new(3).with_momentum(0.25).init(&device);
    let of = |level: f64| Tensor::<2>::ones([4, 3], &device) * level;
    let twice = |layer: &BatchNorm, _: &()| {
        let (layer, batches) = (layer.clone(), [of(1.0), of(5.0)]);
        let passes = move || batches.into_iter().for_each(|batch| _ = layer.forward(batch));
        std::thread::spawn(passes).join().expect("both pass");
    };
    let found = reestimate_batch_norm(&layer, |layer| vec![layer], [(), ()], twice).expect("statistics");
    // r = 0.75·(0.25·1) + 0.25·5, of shares that sum to 1 − 0.75².
    let expected = (0.75 * 0.25 + 0.25 * 5.0) / (1.0 - 0.75 * 0.75);
    assert!(deviation(&values(&found.running_mean.value()), &[expected; 3]) < 1e-5, "{found:?}");
}
