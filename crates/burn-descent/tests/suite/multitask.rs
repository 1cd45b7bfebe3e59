//! The weights of several tasks' losses: against calculation by hand, and where learning takes them.

use crate::common::{cpu_devices, deviation, values, vector};
use burn::module::{Module, ModuleMapper, Param};
use burn::nn::{Linear, LinearConfig};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{DType, Device, FloatDType, Tensor};
use burn_descent::multitask::{Task, TaskWeights, TaskWeightsConfig, UncertaintyConfig};
use burn_descent::optim::{AdamConfig, SgdConfig};

/// A parameter of its own for each task, and their weights.
#[derive(Module, Debug)]
struct Model {
    theta: Param<Tensor<1>>,
    task_weights: TaskWeights,
}

const TASKS: [Task; 3] = [Task::Regression, Task::Classification, Task::Regression];
const C: [f64; 3] = [0.5, 1.0, 0.5];
/// A loss of each task is `a·θ²`.
const A: [f64; 3] = [0.02, 3.0, 40.0];
const THETA: [f64; 3] = [0.5, -1.5, 2.0];

impl Model {
    fn new(config: &TaskWeightsConfig, device: &Device) -> Self {
        let device = device.clone().autodiff();
        let task_weights = config.init(&device).expect("a configuration in range").map(&mut Double);
        Self { theta: Param::from_tensor(vector(&THETA, &device, DType::F64)), task_weights }
    }

    fn losses(&self) -> [Tensor<1>; 3] {
        let theta = self.theta.val();
        [0, 1, 2].map(|task| theta.clone().narrow(0, task, 1).square() * A[task])
    }

    /// The loss, and its gradient by θ and by s.
    fn loss(&self) -> (f64, Vec<f64>, Option<Vec<f64>>) {
        let loss = self.task_weights.forward(self.losses()).expect("a loss for each task");
        let value = values(&loss.clone().inner())[0];
        let gradients = GradientsParams::from_grads(loss.backward(), self);
        let theta = gradients.get::<1>(self.theta.id).expect("a gradient of each loss");
        let s = burn_descent::group::parameters(&self.task_weights);
        let s = s.first().map(|(id, _)| values(&gradients.get::<1>(*id).expect("a gradient of the uncertainties")));
        (value, values(&theta), s)
    }
}

/// Makes parameters double precision.
struct Double;

impl ModuleMapper for Double {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|tensor| Tensor::from_inner(tensor.inner().cast(FloatDType::F64)).require_grad())
    }
}

fn learned(tasks: &[Task], initial_log_variances: &[f64]) -> TaskWeightsConfig {
    let config =
        UncertaintyConfig::new(tasks.to_vec()).with_initial_log_variances(Some(initial_log_variances.to_vec()));
    TaskWeightsConfig::Uncertainty(config)
}

fn expect_close(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    let gap = deviation(found, expected);
    assert!(gap <= tolerance, "{what}: {found:?}, expected {expected:?}");
}

fn each(of: impl Fn(usize) -> f64) -> Vec<f64> {
    (0..3).map(of).collect()
}

#[test]
fn learned_weights_agree_with_calculation_by_hand() {
    for (backend, device) in cpu_devices() {
        // Exact in single precision, in which they are made.
        for s in [[0.0; 3], [-1.25, 0.0, 2.5], [6.0, 0.375, -4.5]] {
            let model = Model::new(&learned(&TASKS, &s), &device);
            let (value, by_theta, by_s) = model.loss();
            let what = format!("{backend}, s = {s:?}");
            let weights = each(|task| C[task] * (-s[task]).exp());
            let weighted = each(|task| weights[task] * A[task] * THETA[task].powi(2));
            expect_close(&[value], &[(0..3).map(|task| weighted[task] + s[task] / 2.0).sum()], 1e-12, &what);
            expect_close(&by_theta, &each(|task| weights[task] * 2.0 * A[task] * THETA[task]), 1e-12, &what);
            expect_close(&by_s.expect("learned"), &each(|task| 0.5 - weighted[task]), 1e-12, &what);
            expect_close(&model.task_weights.weights(), &weights, 1e-12, &what);
            let sigma = model.task_weights.uncertainties().expect("learned");
            expect_close(&sigma, &each(|task| (s[task] / 2.0).exp()), 1e-12, &what);
        }
    }
}

/// σ of a regression is the deviation of the normal distribution whose likelihood the loss is: here by its density.
#[test]
fn a_regression_is_a_normal_likelihood() {
    let (errors, s) = ([0.3, -1.2, 0.7, 2.0], 0.8_f64);
    let sigma = (s / 2.0).exp();
    let density = |e: f64| (-e * e / (2.0 * sigma * sigma)).exp() / (sigma * std::f64::consts::TAU.sqrt());
    let expected = -errors.iter().map(|e| density(*e).ln()).sum::<f64>() / 4.0;
    for (backend, device) in cpu_devices() {
        let weights = learned(&[Task::Regression], &[s]).init(&device).expect("a configuration in range");
        let squared = vector(&errors, &device, DType::F64).square().mean();
        let found = values(&weights.forward([squared]).expect("one loss"))[0] + std::f64::consts::TAU.ln() / 2.0;
        // The s of a module without autodiff is in single precision.
        expect_close(&[found], &[expected], 1e-7, backend);
    }
}

#[test]
fn fixed_weights_are_a_weighted_sum_and_no_parameters() {
    let weights = [2.0, 0.0, 0.125];
    for (backend, device) in cpu_devices() {
        let model = Model::new(&TaskWeightsConfig::Fixed(weights.to_vec()), &device);
        let (value, by_theta, by_s) = model.loss();
        let expected: f64 = (0..3).map(|task| weights[task] * A[task] * THETA[task].powi(2)).sum();
        expect_close(&[value], &[expected], 1e-14, backend);
        expect_close(&by_theta, &each(|task| weights[task] * 2.0 * A[task] * THETA[task]), 1e-14, backend);
        assert_eq!(by_s, None, "{backend}");
        assert_eq!(model.task_weights.weights(), weights, "{backend}");
        assert_eq!((model.task_weights.uncertainties(), model.task_weights.num_params()), (None, 0), "{backend}");
    }
}

/// Steps that move the uncertainties alone: the losses stay what they are.
fn settled(mut model: Model, mut optimizer: ModuleOptimizer, lr: f64, steps: usize) -> Model {
    let losses = model.losses().map(|loss| Tensor::from_inner(loss.inner()));
    for _ in 0..steps {
        let loss = model.task_weights.forward(losses.clone()).expect("a loss for each task");
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(lr, model, gradients);
    }
    model
}

/// `dL/ds = 1/2 − c·e^(−s)·L_i` is zero at `s = ln(2·c·L_i)`, where the curvature `c·e^(−s)·L_i` is 1/2: near it, a step of
/// descent at the rate of 0.1 leaves 95 % of what is missing.
#[test]
fn for_given_losses_uncertainties_settle_where_the_equation_says() {
    for (backend, device) in cpu_devices() {
        let losses = each(|task| A[task] * THETA[task].powi(2));
        let sgd = || SgdConfig::new().init().expect("a configuration in range");
        let adam = || AdamConfig::new().init().expect("a configuration in range");
        for (optimizer, lr, steps, tolerance) in [(sgd(), 0.1, 1500, 1e-10), (adam(), 0.02, 4000, 1e-4)] {
            let model = settled(Model::new(&learned(&TASKS, &[1.0; 3]), &device), optimizer, lr, steps);
            let sigma = model.task_weights.uncertainties().expect("learned");
            expect_close(&sigma, &each(|task| (2.0 * C[task] * losses[task]).sqrt()), tolerance, backend);
            // Then each task's part of the loss is a half, whatever its own loss and the unit of that.
            let weights = model.task_weights.weights();
            expect_close(&each(|task| weights[task] * losses[task]), &[0.5; 3], 2.0 * tolerance, backend);
            assert_eq!(values(&model.theta.val()), THETA, "{backend}");
        }
    }
}

/// A loss in other units and a σ in the same ones: the network has the same gradients, and σ as far to go.
#[test]
fn units_of_a_task_do_not_matter() {
    let unit = 2.0_f64.powi(20);
    for (backend, device) in cpu_devices() {
        let plain = Model::new(&learned(&TASKS, &[0.5, -1.0, 0.25]), &device);
        let mut other = plain.clone();
        let s = [0.5, -1.0, 0.25 + unit.ln()];
        other.task_weights = learned(&TASKS, &s).init(&device.clone().autodiff()).expect("in range").map(&mut Double);
        let [first, second, third] = other.losses();
        let loss = other.task_weights.forward([first, second, third * unit]).expect("a loss for each task");
        let gradients = GradientsParams::from_grads(loss.backward(), &other);
        let (_, theta, by_s) = plain.loss();
        let (id, _) = burn_descent::group::parameters(&other.task_weights).remove(0);
        let found = values(&gradients.get::<1>(other.theta.id).expect("a gradient"));
        // s was rounded to single precision.
        expect_close(&found, &theta, 1e-6, backend);
        let found = values(&gradients.get::<1>(id).expect("a gradient"));
        expect_close(&found, &by_s.expect("learned"), 1e-6, backend);
    }
}

#[test]
fn they_are_trained_saved_and_loaded_with_the_network() {
    #[derive(Module, Debug)]
    struct Network {
        trunk: Linear,
        heads: Vec<Linear>,
        task_weights: TaskWeights,
    }
    let new = |device: &Device| Network {
        trunk: LinearConfig::new(5, 4).init(device),
        heads: vec![LinearConfig::new(4, 1).init(device), LinearConfig::new(4, 2).init(device)],
        task_weights: TaskWeightsConfig::Uncertainty(UncertaintyConfig::new(vec![Task::Regression; 2]))
            .init(device)
            .expect("a configuration in range"),
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (backend, device) in cpu_devices() {
        let device = device.autodiff();
        let mut network = new(&device);
        let mut optimizer = AdamConfig::new().init().expect("a configuration in range");
        for _ in 0..10 {
            let shared = network.trunk.forward(Tensor::<2>::ones([3, 5], &device)).tanh();
            let losses = network.heads.iter().map(|head| (head.forward(shared.clone()) - 5.0).square().mean());
            let loss = network.task_weights.forward(losses.collect::<Vec<_>>()).expect("a loss for each head");
            let gradients = GradientsParams::from_grads(loss.backward(), &network);
            network = optimizer.step(0.1, network, gradients);
        }
        let weights = network.task_weights.weights();
        assert!(weights.iter().all(|weight| *weight < 0.45), "{backend}: losses above 1 count less: {weights:?}");
        let path = folder.path().join(backend).with_extension("bpk");
        network.clone().save_file(&path).expect("the file is written");
        let loaded = new(&device).try_load_file(&path).expect("the file is read");
        assert_eq!(loaded.task_weights.weights(), weights, "{backend}");
        assert_eq!(network.valid().task_weights.weights(), weights, "{backend}");
        let paths = burn_descent::group::parameters(&loaded);
        assert!(paths.iter().any(|(_, path)| path == "task_weights.log_variances"), "{backend}: {paths:?}");
    }
}

#[test]
fn precision_is_that_of_the_losses() {
    let (_, device) = cpu_devices().remove(0);
    let weights = learned(&TASKS, &[0.5; 3]).init(&device).expect("a configuration in range");
    for dtype in [DType::F16, DType::F32, DType::F64] {
        let loss = weights.forward([1.0, 2.0, 3.0].map(|loss| vector(&[loss], &device, dtype))).expect("three losses");
        assert_eq!(loss.dtype(), dtype);
        expect_close(&values(&loss), &[4.0 * (-0.5_f64).exp() + 0.75], 1e-2, &format!("{dtype:?}"));
    }
}

#[test]
fn mistakes_are_told() {
    let (_, device) = cpu_devices().remove(0);
    for (config, message) in [
        (TaskWeightsConfig::Fixed(vec![]), "weights (their number) should be at least 1, but is 0"),
        (TaskWeightsConfig::Fixed(vec![1.0, -0.5]), "weights should be in [0, ∞), but is -0.5"),
        (TaskWeightsConfig::Fixed(vec![f64::NAN]), "weights should be in [0, ∞), but is NaN"),
        (TaskWeightsConfig::Fixed(vec![0.0, 0.0]), "weights (their sum) should be in (0, ∞), but is 0"),
        (learned(&[], &[]), "tasks (their number) should be at least 1, but is 0"),
        (learned(&TASKS, &[0.0; 2]), "initial_log_variances should be 3 in number, but is 2"),
        (learned(&TASKS, &[0.0, -50.5, 0.0]), "initial_log_variances should be in [-50, 50], but is -50.5"),
        (learned(&TASKS, &[f64::NAN; 3]), "initial_log_variances should be in [-50, 50], but is NaN"),
    ] {
        let error = config.init(&device).expect_err(message);
        assert_eq!(error.to_string(), format!("TaskWeights: {message}"));
    }
    for config in [learned(&TASKS, &[0.0; 3]), TaskWeightsConfig::Fixed(vec![1.0; 3])] {
        let weights = config.init(&device).expect("a configuration in range");
        let error = |losses: Vec<Tensor<1>>| weights.forward(losses).expect_err("it does not fit").to_string();
        let one = || Tensor::ones([1], &device);
        assert_eq!(error(vec![one(); 2]), "TaskWeights: losses should be 3 in number, but is 2");
        assert_eq!(error(vec![]), "TaskWeights: losses should be 3 in number, but is 0");
        let two = Tensor::ones([2], &device);
        assert_eq!(error(vec![one(), two, one()]), "TaskWeights: values of a loss should be 1 in number, but is 2");
    }
}

#[test]
fn configurations_are_text() {
    for (config, text) in [
        (TaskWeightsConfig::Fixed(vec![1.0, 0.5]), r#"{"fixed":[1.0,0.5]}"#),
        (
            TaskWeightsConfig::Uncertainty(UncertaintyConfig::new(vec![Task::Regression, Task::Classification])),
            r#"{"uncertainty":{"tasks":["regression","classification"],"initial_log_variances":null}}"#,
        ),
    ] {
        assert_eq!(serde_json::to_string(&config).expect("text"), text);
        assert_eq!(serde_json::from_str::<TaskWeightsConfig>(text).expect("a configuration"), config);
    }
}
