//! Whole trainings, gradients and all, as PyTorch does them in `f64`: `golden/problems.json`, made by
//! `golden/problems.py`.

use crate::common::{cpu_devices, deviation, values};
use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::activation::sigmoid;
use burn::tensor::{DType, Device, Tensor, TensorData};
use burn_descent::ConfigError;
use burn_descent::optim::{
    AdadeltaConfig, AdagradConfig, AdamConfig, AdamaxConfig, AmsgradConfig, AsgdConfig, MomentumConfig, NadamConfig,
    NesterovConfig, RadamConfig, RmsPropConfig, RmsPropMomentum, RpropConfig, SgdConfig, WeightDecay,
};
use serde_json::Value;

/// Layers with sigmoids after all of them, or after none.
#[derive(Module, Debug)]
struct Problem {
    layers: Vec<Linear>,
    sigmoids: bool,
}

/// A parameter in `f64`.
fn param<const D: usize>(values: &[f64], shape: [usize; D], device: &Device) -> Param<Tensor<D>> {
    let data = TensorData::new(values.to_vec(), shape);
    Param::from_tensor(Tensor::from_data(data, (&device.clone().autodiff(), DType::F64)))
}

/// A layer with PyTorch's weight `[outputs, inputs]`, which Burn holds transposed.
fn linear(weight: &[&[f64]], bias: &[f64], device: &Device) -> Linear {
    let (outputs, inputs) = (weight.len(), weight[0].len());
    let transposed: Vec<f64> = (0..inputs).flat_map(|input| weight.iter().map(move |row| row[input])).collect();
    let mut layer = LinearConfig::new(inputs, outputs).init(&device.clone().autodiff());
    layer.weight = param(&transposed, [inputs, outputs], device);
    layer.bias = Some(param(bias, [outputs], device));
    layer
}

impl Problem {
    fn named(name: &str, device: &Device) -> Self {
        match name {
            "regression" => Self { layers: vec![linear(&[&[0.0, 0.0]], &[0.0], device)], sigmoids: false },
            "network" => {
                let hidden = [&[-0.2109, -0.4976][..], &[-0.1413, -0.3420], &[-0.2524, 0.6976]];
                let hidden = linear(&hidden, &[-0.1085, -0.2979, 0.6892], device);
                let output = linear(&[&[-0.0508, -0.3941, -0.2843]], &[-0.0711], device);
                Self { layers: vec![hidden, output], sigmoids: true }
            }
            name => panic!("no problem `{name}`"),
        }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.layers.iter().fold(x, |x, layer| {
            let x = layer.forward(x);
            if self.sigmoids { sigmoid(x) } else { x }
        })
    }

    fn loss(&self, device: &Device) -> Tensor<1> {
        let matrix = |values: &[f64], shape: [usize; 2]| {
            let data = TensorData::new(values.to_vec(), shape);
            Tensor::<2>::from_data(data, (&device.clone().autodiff(), DType::F64))
        };
        if self.sigmoids {
            return self.forward(matrix(&[0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [3, 2])).sum();
        }
        let x = matrix(&[2.0, 1.0, 7.0, 4.0, -4.0, 12.0, 5.0, 8.0], [4, 2]);
        let y = matrix(&[5.0, 23.0, -2.0, 21.0], [4, 1]);
        (self.forward(x) - y).square().sum()
    }

    /// All parameters in PyTorch's order.
    fn parameters(&self) -> Vec<f64> {
        let layer = |layer: &Linear| {
            let bias = layer.bias.as_ref().map(|bias| values(&bias.val())).unwrap_or_default();
            [values(&layer.weight.val().transpose()), bias].concat()
        };
        self.layers.iter().flat_map(layer).collect()
    }
}

/// The optimizer of a case.
fn optimizer(problem: &str, name: &str) -> Result<ModuleOptimizer, ConfigError> {
    let l2 = |lambda| Some(WeightDecay::L2(lambda));
    let decoupled = |lambda| Some(WeightDecay::Decoupled(lambda));
    let centered = |momentum| {
        let momentum = RmsPropMomentum::Classical(momentum);
        RmsPropConfig::pytorch().with_centered(true).with_momentum(momentum)
    };
    match (problem, name) {
        ("regression", "sgd") => MomentumConfig::pytorch().with_momentum(0.1).init(),
        ("regression", "adagrad") => AdagradConfig::pytorch().with_lr_decay(0.2).init(),
        ("regression", "amsgrad") => AmsgradConfig::pytorch().init(),
        ("regression", "adamw") => AdamConfig::new().with_weight_decay(decoupled(0.6)).init(),
        ("regression", "rmsprop_centered_momentum") => centered(0.4).init(),
        ("network", "sgd") => SgdConfig::new().init(),
        ("network", "adagrad") => AdagradConfig::pytorch().with_lr_decay(1e-3).with_weight_decay(l2(1e-2)).init(),
        ("network", "amsgrad") => AmsgradConfig::pytorch().with_weight_decay(l2(1e-6)).init(),
        ("network", "adamw") => AdamConfig::adamw().init(),
        ("network", "rmsprop_centered_momentum") => centered(0.9).with_weight_decay(l2(1e-6)).init(),
        (_, "sgd_l2") => SgdConfig::new().with_weight_decay(l2(1e-2)).init(),
        (_, "sgd_nesterov") => NesterovConfig::pytorch().with_weight_decay(l2(1e-6)).init(),
        (_, "adadelta") => AdadeltaConfig::pytorch().init(),
        (_, "adam") => AdamConfig::pytorch().init(),
        (_, "adam_l2") => AdamConfig::pytorch().with_weight_decay(l2(1e-2)).init(),
        (_, "adamax") => AdamaxConfig::pytorch().init(),
        (_, "nadam") => NadamConfig::pytorch().init(),
        (_, "nadam_decoupled") => NadamConfig::pytorch().with_weight_decay(decoupled(0.6)).init(),
        (_, "radam") => RadamConfig::pytorch().init(),
        (_, "rmsprop") => RmsPropConfig::pytorch().init(),
        (_, "rprop") => RpropConfig::pytorch().init(),
        (_, "asgd") => AsgdConfig::pytorch().init(),
        case => panic!("no configuration for {case:?}"),
    }
}

#[test]
fn trainings_agree_with_pytorch() {
    let golden: Value = serde_json::from_str(include_str!("golden/problems.json")).expect("the golden file is JSON");
    let tolerance = golden["tolerance"].as_f64().expect("a tolerance");
    let cases = golden["cases"].as_array().expect("cases");
    assert_eq!(cases.len(), 28);
    for (backend, device) in cpu_devices() {
        for case in cases {
            let text = |key: &str| case[key].as_str().expect("a text");
            let (problem, name) = (text("problem"), text("name"));
            if problem == "network" && backend == "ndarray" {
                continue; // Burn's sigmoid is exact to eight digits only there.
            }
            let lr = case["settings"]["lr"].as_f64().expect("a learning rate");
            let trajectory = case["trajectory"].as_object().expect("a trajectory");
            let last = trajectory.keys().map(|step| step.parse::<usize>().expect("a step")).max().expect("steps");
            let mut model = Problem::named(problem, &device);
            let mut optimizer = optimizer(problem, name).expect("a valid configuration");
            for step in 1..=last {
                let gradients = GradientsParams::from_grads(model.loss(&device).backward(), &model);
                model = optimizer.step(lr, model, gradients);
                let Some(expected) = trajectory.get(&step.to_string()) else { continue };
                let expected = expected.as_array().expect("numbers").iter().map(|x| x.as_f64().expect("a number"));
                let deviation = deviation(&model.parameters(), &expected.collect::<Vec<_>>());
                assert!(deviation <= tolerance, "{problem}, {name} on {backend}, step {step}: {deviation:e}");
            }
        }
    }
}
