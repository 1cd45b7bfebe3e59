//! Penalties: their gradients against automatic differentiation, what they lead to against closed forms and scikit-learn.

use crate::common::cpu_devices;
use burn::module::{Module, Param, ParamGroup};
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::optim::GradientsParams;
use burn::tensor::{DType, Device, Tensor, TensorData};
use burn_descent::gradient::OutputAxis;
use burn_descent::group::ShapeMismatch;
use burn_descent::optim::{SgdConfig, WeightDecay};
use burn_descent::penalty::{Norm, PenaltiesConfig, Penalty, PenaltyError, PenaltyForm, sparsity};
use serde_json::Value;

/// What takes part in no training costs nothing: the running statistics of batch normalization, and frozen weights.
#[test]
fn parameters_without_gradients_do_not_count() {
    for (backend, device) in cpu_devices() {
        let norm = BatchNormConfig::new(4).init(&device.clone().autodiff());
        let penalties = PenaltiesConfig::new().l2(1.0, ParamGroup::all()).init(&norm).expect("penalties that fit");
        let value = |norm: &BatchNorm| penalties.value(norm).inner().into_scalar::<f32>();
        // γ is 1 four times, β 0, and so the mean; the variance is 1 four times too.
        assert_eq!(value(&norm), 2.0, "{backend}");
        assert_eq!(value(&norm.freeze()), 0.0, "{backend}");
    }
}

/// Two weights of one shape and a bias.
#[derive(Module, Debug)]
struct Model {
    first: Param<Tensor<2>>,
    second: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
}

const FIRST: [f64; 6] = [0.5, -1.5, 0.0, 2.0, -0.25, 1.0];
const SECOND: [f64; 6] = [-0.5, 1.0, 0.75, -2.0, 0.0, 3.0];
const BIAS: [f64; 2] = [0.0, 0.0];

fn tensor<const D: usize>(values: &[f64], shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), (device, DType::F64))
}

fn model(device: &Device) -> Model {
    let device = device.clone().autodiff();
    Model {
        first: Param::from_tensor(tensor(&FIRST, [3, 2], &device)),
        second: Param::from_tensor(tensor(&SECOND, [3, 2], &device)),
        bias: Param::from_tensor(tensor(&BIAS, [2], &device)),
    }
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().try_into_vec().expect("f64")
}

fn expect_close(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            (found - expected).abs() <= tolerance * expected.abs().max(1.0),
            "{what}: {found}, expected {expected}"
        );
    }
}

/// A loss of which all three parameters have gradients.
fn loss(model: &Model) -> Tensor<1> {
    let product = model.first.val() * model.second.val() + model.bias.val().unsqueeze();
    product.square().sum()
}

fn gradients_of(loss: Tensor<1>, model: &Model) -> GradientsParams {
    GradientsParams::from_grads(loss.backward(), model)
}

fn three(model: &Model, gradients: &GradientsParams) -> [Vec<f64>; 3] {
    let matrix = |param: &Param<Tensor<2>>| gradients.get::<2>(param.id).map(numbers).expect("a gradient");
    [matrix(&model.first), matrix(&model.second), gradients.get::<1>(model.bias.id).map(numbers).expect("a gradient")]
}

fn all_coupled() -> PenaltiesConfig {
    let on = |config: PenaltiesConfig, norm| config.on(norm, 0.3, PenaltyForm::Coupled, ParamGroup::all());
    [Norm::Squared, Norm::Euclidean, Norm::Absolute]
        .into_iter()
        .fold(PenaltiesConfig::new(), on)
        .tie(0.7, "first", "second")
}

#[test]
fn gradients_are_those_of_the_value() {
    for (backend, device) in cpu_devices() {
        let model = model(&device);
        let prior = Model { first: Param::from_tensor(tensor(&SECOND, [3, 2], &device)), ..self::model(&device) };
        let single = |penalty: &Penalty| PenaltiesConfig { penalties: vec![penalty.clone()] };
        let configs = all_coupled().penalties.iter().map(single).chain([all_coupled()]).collect::<Vec<_>>();
        for config in configs {
            let plain = config.init(&model).expect("penalties that fit");
            let towards = plain.clone().towards(&model, &prior).expect("a prior that fits");
            for penalties in [plain, towards] {
                let found = penalties.gradients(&model, gradients_of(loss(&model), &model));
                let expected = gradients_of(loss(&model) + penalties.value(&model), &model);
                let pairs = three(&model, &found).into_iter().zip(three(&model, &expected));
                for (found, expected) in pairs {
                    assert!(expected.iter().all(|value| value.is_finite()), "{backend}: {config:?}");
                    expect_close(&found, &expected, 1e-12, &format!("{backend}: {config:?}"));
                }
            }
        }
    }
}

#[test]
fn values_are_those_of_the_formulas() {
    for (backend, device) in cpu_devices() {
        let model = model(&device);
        let squares = |values: &[f64]| values.iter().map(|value| value * value).sum::<f64>();
        let apart: Vec<f64> = FIRST.iter().zip(SECOND).map(|(one, other)| one - other).collect();
        let group = || ParamGroup::from_path("first");
        for (config, expected) in [
            (PenaltiesConfig::new().l2(0.3, group()), 0.15 * squares(&FIRST)),
            (PenaltiesConfig::new().frobenius(0.3, group()), 0.3 * squares(&FIRST).sqrt()),
            (PenaltiesConfig::new().l1(0.3, group()), 0.3 * FIRST.iter().map(|value| value.abs()).sum::<f64>()),
            (PenaltiesConfig::new().tie(0.3, "second", "first"), 0.3 * squares(&apart).sqrt()),
            (PenaltiesConfig::new().lasso(0.3, group()).max_norm(1.0, group()), 0.0),
        ] {
            let found = config.init(&model).expect("penalties that fit").value(&model).inner();
            let found = f64::from(found.into_scalar::<f32>());
            assert!(
                (found - expected).abs() < 1e-6 * expected.max(1.0),
                "{backend}: {found} of {config:?}, expected {expected}"
            );
        }
        let activations = tensor(&[1.0, -2.0, 0.0, 3.0, 0.5, -0.5], [3, 2], &device);
        expect_close(&numbers(sparsity(0.6, activations)), &[0.6 * 7.0 / 3.0], 1e-12, backend);
    }
}

/// Plain descent under the L2 penalty, the optimizer's own L2 and decoupled decay, and the decoupled penalty (where only the
/// order of the two moves differs) all shrink by 1 − ηα.
#[test]
fn l2_shrinks_by_one_less_rate_times_strength() {
    let (lr, strength) = (0.1, 0.3);
    for (backend, device) in cpu_devices() {
        let model = model(&device);
        let start = [FIRST.to_vec(), SECOND.to_vec()];
        let gradient = three(&model, &gradients_of(loss(&model), &model));
        let stepped = |form: PenaltyForm, decay: Option<WeightDecay>, strength: f64| {
            let penalties = PenaltiesConfig::new().on(Norm::Squared, strength, form, ParamGroup::all());
            let penalties = penalties.init(&model).expect("penalties that fit");
            let gradients = penalties.gradients(&model, gradients_of(loss(&model), &model));
            let mut optimizer = SgdConfig::new().with_weight_decay(decay).init().expect("a configuration in range");
            let model = penalties.after_step(lr, optimizer.step(lr, model.clone(), gradients));
            assert!(model.first.is_require_grad(), "{backend}");
            [numbers(model.first.val().inner()), numbers(model.second.val().inner())]
        };
        let formula = |of: fn(f64, f64, f64) -> f64| -> Vec<Vec<f64>> {
            let shrink = 1.0 - lr * strength;
            let each = |(start, gradient): (&Vec<f64>, &Vec<f64>)| {
                start.iter().zip(gradient).map(|(w, g)| of(*w, lr * g, shrink)).collect()
            };
            start.iter().zip(&gradient).map(each).collect()
        };
        let before = formula(|w, step, shrink| shrink * w - step);
        let after = formula(|w, step, shrink| shrink * (w - step));
        for (form, decay, strength, expected) in [
            (PenaltyForm::Coupled, None, strength, &before),
            (PenaltyForm::Coupled, Some(WeightDecay::L2(strength)), 0.0, &before),
            (PenaltyForm::Coupled, Some(WeightDecay::Decoupled(strength)), 0.0, &before),
            (PenaltyForm::Decoupled, None, strength, &after),
        ] {
            for (found, expected) in stepped(form, decay, strength).iter().zip(expected) {
                expect_close(found, expected, 1e-12, &format!("{backend}: {form:?}, {decay:?}"));
            }
        }
    }
}

#[test]
fn decoupled_steps_are_proximal() {
    for (backend, device) in cpu_devices() {
        let model = model(&device);
        let step = |config: PenaltiesConfig, prior: bool| {
            let mut penalties = config.init(&model).expect("penalties that fit");
            if prior {
                let prior =
                    Model { first: Param::from_tensor(tensor(&[1.0; 6], [3, 2], &device)), ..self::model(&device) };
                penalties = penalties.towards(&model, &prior).expect("a prior that fits");
            }
            numbers(penalties.after_step(0.5, model.clone()).first.val().inner())
        };
        let on = |norm, strength| PenaltiesConfig::new().on(norm, strength, PenaltyForm::Decoupled, ParamGroup::all());
        let soft = |value: f64| value.signum() * (value.abs() - 0.5).max(0.0);
        expect_close(&step(on(Norm::Absolute, 1.0), false), &FIRST.map(soft), 1e-15, backend);
        let towards_one = FIRST.map(|value| 1.0 + soft(value - 1.0));
        expect_close(&step(on(Norm::Absolute, 1.0), true), &towards_one, 1e-15, backend);
        assert_eq!(step(on(Norm::Absolute, 1.0), false)[0], 0.0, "{backend}: 0.5 is within the threshold");

        let norm = FIRST.iter().map(|value| value * value).sum::<f64>().sqrt();
        let scaled = FIRST.map(|value| value * (1.0 - 0.5 / norm));
        expect_close(&step(on(Norm::Euclidean, 1.0), false), &scaled, 1e-14, backend);
        // Too strong for what is there: all of it goes, and nothing beyond zero.
        assert_eq!(step(on(Norm::Euclidean, 100.0), false), [0.0; 6], "{backend}");
        assert_eq!(step(on(Norm::Squared, 100.0), false), [0.0; 6], "{backend}");
    }
}

#[test]
fn norms_are_kept_within_their_limit() {
    for (backend, device) in cpu_devices() {
        let model = model(&device);
        let limited = |outputs| {
            let limit = Penalty::MaxNorm { limit: 1.5, outputs, group: ParamGroup::from_path("first") };
            let penalties = PenaltiesConfig::new().then(limit).init(&model).expect("a limit in range");
            let model = penalties.after_step(0.1, model.clone());
            assert_eq!(numbers(model.second.val().inner()), SECOND, "{backend}");
            numbers(model.first.val().inner())
        };
        let norm = |values: &[f64]| values.iter().map(|value| value * value).sum::<f64>().sqrt();
        // [[0.5, -1.5], [0, 2], [-0.25, 1]]: the first column is within the limit, the second is not.
        let scale = 1.5 / norm(&[-1.5, 2.0, 1.0]);
        let expected = [0.5, -1.5 * scale, 0.0, 2.0 * scale, -0.25, scale];
        expect_close(&limited(OutputAxis::Burn), &expected, 1e-14, backend);
        let rows = [1.5 / norm(&[0.5, -1.5]), 1.5 / 2.0, 1.0];
        let expected = [0.5 * rows[0], -1.5 * rows[0], 0.0, 2.0 * rows[1], -0.25, 1.0];
        expect_close(&limited(OutputAxis::First), &expected, 1e-14, backend);
        // Each value of a bias goes to another output.
        let limit = PenaltiesConfig::new().max_norm(1.0, ParamGroup::from_path("bias"));
        let limit = limit.init(&model).expect("a limit in range");
        for (bias, expected) in [([0.75, -2.0], [0.75, -1.0]), (BIAS, BIAS)] {
            let bias = Param::from_tensor(tensor(&bias, [2], &device.clone().autodiff()));
            let model = Model { bias, ..model.clone() };
            assert_eq!(numbers(limit.after_step(0.1, model).bias.val().inner()), expected, "{backend}");
        }
    }
}

#[test]
fn tied_parameters_come_together() {
    for (backend, device) in cpu_devices() {
        let mut model = model(&device);
        let penalties = PenaltiesConfig::new().tie(1.0, "first", "second").init(&model).expect("penalties that fit");
        let mut optimizer = SgdConfig::new().init().expect("a configuration in range");
        for _ in 0..500 {
            let gradients = penalties.gradients(&model, GradientsParams::new());
            model = optimizer.step(0.01, model, gradients);
        }
        let apart = numbers((model.first.val() - model.second.val()).inner());
        // Each is pulled by 0.01 a step, whatever the distance: they meet to within two steps.
        assert!(apart.iter().map(|value| value * value).sum::<f64>().sqrt() <= 0.02 + 1e-9, "{backend}: {apart:?}");
        let means: Vec<f64> = FIRST.iter().zip(SECOND).map(|(one, other)| (one + other) / 2.0).collect();
        let middle = numbers(((model.first.val() + model.second.val()) * 0.5).inner());
        expect_close(&middle, &means, 1e-12, backend);
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Regressions

/// Weights of a linear model.
#[derive(Module, Debug)]
struct Linear {
    weights: Param<Tensor<2>>,
}

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/penalties.json")).expect("the golden file is JSON")
}

fn values(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|value| value.as_f64().expect("a number")).collect()
}

/// What gradient descent comes to on half the mean squared error.
fn regression(golden: &Value, penalties: &PenaltiesConfig, device: &Device) -> Vec<f64> {
    let autodiff = device.clone().autodiff();
    let rows: Vec<f64> = golden["inputs"].as_array().expect("rows").iter().flat_map(values).collect();
    let targets = values(&golden["targets"]);
    let (count, features) = (targets.len(), rows.len() / targets.len());
    let inputs = tensor(&rows, [count, features], &autodiff);
    let targets = tensor(&targets, [count, 1], &autodiff);
    let mut model = Linear { weights: Param::from_tensor(Tensor::zeros([features, 1], (&autodiff, DType::F64))) };
    let penalties = penalties.init(&model).expect("penalties that fit");
    let mut optimizer = SgdConfig::new().init().expect("a configuration in range");
    for _ in 0..16_000 {
        let errors = inputs.clone().matmul(model.weights.val()) - targets.clone();
        let gradients = GradientsParams::from_grads((errors.square().mean() * 0.5).backward(), &model);
        let gradients = penalties.gradients(&model, gradients);
        model = penalties.after_step(0.3, optimizer.step(0.3, model, gradients));
    }
    numbers(model.weights.val().inner())
}

#[test]
fn ridge_regression_comes_to_its_closed_form() {
    let golden = golden();
    let tolerance = golden["tolerance"].as_f64().expect("a tolerance");
    for case in golden["ridge"].as_array().expect("cases") {
        let strength = case["strength"].as_f64().expect("a strength");
        let penalties = PenaltiesConfig::new().l2(strength, ParamGroup::all());
        let (_, device) = cpu_devices().remove(0);
        let found = regression(&golden, &penalties, &device);
        expect_close(&found, &values(&case["weights"]), tolerance, &format!("strength {strength}"));
    }
}

#[test]
fn the_lasso_finds_the_zeros_of_scikit_learn() {
    let golden = golden();
    let tolerance = golden["tolerance"].as_f64().expect("a tolerance");
    let mut zeros = 0;
    for case in golden["lasso"].as_array().expect("cases") {
        let strength = case["strength"].as_f64().expect("a strength");
        let penalties = PenaltiesConfig::new().lasso(strength, ParamGroup::from_path("weights"));
        let (_, device) = cpu_devices().remove(0);
        let (found, expected) = (regression(&golden, &penalties, &device), values(&case["weights"]));
        expect_close(&found, &expected, tolerance, &format!("strength {strength}"));
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(*found == 0.0, *expected == 0.0, "strength {strength}: {found}, expected {expected}");
            zeros += usize::from(*expected == 0.0);
        }
        // The subgradient alone crosses zero at every step and leaves none.
        let coupled = regression(&golden, &PenaltiesConfig::new().l1(strength, ParamGroup::all()), &device);
        assert!(coupled.iter().all(|value| *value != 0.0), "{coupled:?}");
    }
    assert!(zeros >= 5, "only {zeros} zeros to find");
}

// ---------------------------------------------------------------------------------------------------------------------
// Mistakes

#[test]
fn what_does_not_fit_is_told() {
    let (_, device) = cpu_devices().remove(0);
    let model = model(&device);
    let fails = |config: PenaltiesConfig, parts: &[&str]| {
        let error = config.init(&model).expect_err("should fail").to_string();
        for part in parts {
            assert!(error.contains(part), "`{part}` is not in: {error}");
        }
    };
    fails(PenaltiesConfig::new().l2(-1.0, ParamGroup::all()), &["Penalty", "strength", "[0, ∞)", "-1"]);
    fails(PenaltiesConfig::new().l1(f64::NAN, ParamGroup::all()), &["strength", "NaN"]);
    fails(PenaltiesConfig::new().max_norm(0.0, ParamGroup::all()), &["limit", "(0, ∞)"]);
    fails(PenaltiesConfig::new().l2(1.0, ParamGroup::from_path("frist")), &["frist", "such as first"]);
    fails(PenaltiesConfig::new().l2(1.0, ParamGroup::from_predicate("biases")), &["biases", "such as bias"]);
    fails(PenaltiesConfig::new().tie(1.0, "first", "sekond"), &["sekond", "such as second"]);
    fails(PenaltiesConfig::new().tie(1.0, "first", "bias"), &["first", "[3, 2]", "bias", "[2]"]);

    let other = Model { bias: Param::from_tensor(tensor(&[1.0; 3], [3], &device)), ..self::model(&device) };
    let penalties = PenaltiesConfig::new().l2(1.0, ParamGroup::all()).init(&model).expect("penalties that fit");
    let error = penalties.towards(&model, &other).expect_err("should fail");
    assert!(
        matches!(&error, PenaltyError::Shapes(ShapeMismatch { first, first_shape, second_shape, .. })
        if first == "bias" && first_shape == &[2] && second_shape == &[3]),
        "{error}"
    );
}

#[test]
fn penalties_are_a_list_in_a_configuration_file() {
    let config = all_coupled().max_norm(2.0, ParamGroup::from_predicate("weight"));
    let text = serde_json::to_string(&config).expect("JSON");
    let read: PenaltiesConfig = serde_json::from_str(&text).expect("penalties");
    assert_eq!(format!("{read:?}"), format!("{config:?}"));
}
