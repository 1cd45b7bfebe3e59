//! Optimizers by name: the table, its presets and their rates, and hyperparameters that are reached by name.

use crate::common::{Trainee, cpu_devices, deviation, scattered, tensor, values, vector};
use burn::grad_clipping::GradientClippingConfig;
use burn::module::ParamGroup;
use burn::nn::LinearConfig;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{DType, Device, Tensor};
use burn_descent::gradient::GradientNoiseConfig;
use burn_descent::optim::{
    AdamConfig, AdanConfig, LionConfig, MomentumConfig, NamedOptimizer, NesterovConfig, SgdConfig, Variations,
};
use burn_descent::weights::{EmaConfig, WeightTransform, WeightTransforms};
use std::collections::BTreeSet;

/// Every name and preset descends a parabola at its own rate.
#[test]
fn every_preset_descends_at_its_own_rate() {
    let (_, device) = cpu_devices().remove(0);
    for name in NamedOptimizer::names_and_presets() {
        let optimizer = NamedOptimizer::named(&name).expect("a known name");
        let mut trainee = Trainee::new(optimizer.init().expect("in range"), vector(&[1.0, -2.0], &device, DType::F64));
        for _ in 0..300 {
            let gradient = trainee.values();
            trainee.step(optimizer.learning_rate(), vector(&gradient, &device, DType::F64));
        }
        let [x, y] = trainee.values()[..] else { unreachable!("two values") };
        assert!(x.abs() < 1.0 && y.abs() < 2.0, "{name} at {}: {x}, {y}", optimizer.learning_rate());
    }
}

#[test]
fn presets_have_rates_of_their_own() {
    let rate = |name: &str| NamedOptimizer::named(name).expect(name).learning_rate();
    for (name, expected) in [
        ("adadelta", 1.0),
        ("adadelta:preliminary", 1e-3),
        ("momentum", 0.1),
        ("momentum:serra", 1.0),
        ("rmsprop", 1e-3),
        ("rmsprop:pytorch", 1e-2),
        ("rprop", 1e-3),
        ("rprop:pytorch", 1e-2),
        ("nadam", 2e-3),
        ("nadam:optax", 1e-3),
        ("asgd:pytorch", 1e-2),
        ("adamw", 1e-3),
        ("nadam:algoperf", 0.001_748_638_753_927_837_3),
        ("lion", 1e-4),
        ("burn-muon", 2e-3),
        ("burn-muon:original", 0.02),
    ] {
        assert_eq!(rate(name), expected, "{name}");
    }
}

#[test]
fn names_are_each_there_once() {
    let names: Vec<String> = NamedOptimizer::names_and_presets().collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    assert_eq!(NamedOptimizer::names().count(), 33);
}

/// Names that are Burn's say so; the others are this crate's.
#[test]
fn names_tell_whose_an_optimizer_is() {
    NamedOptimizer::with_config("lion", LionConfig::new()).expect("ours");
    NamedOptimizer::with_config("adan", AdanConfig::new()).expect("ours");
    NamedOptimizer::with_config("burn-lion", burn::optim::LionConfig::new()).expect("Burn's");
    NamedOptimizer::with_config("burn-adan", burn::optim::AdanConfig::new()).expect("Burn's");
    NamedOptimizer::with_config("burn-lamb", burn::optim::LambConfig::new()).expect("Burn's");
}

/// Burn's Muon takes matrices alone; every other parameter gets AdamW, at its share of the rate.
#[test]
fn muon_is_for_matrices_and_adamw_for_the_rest() {
    let (_, device) = cpu_devices().remove(0);
    let share = 0.05;
    let muon = NamedOptimizer::named("burn-muon:original").expect("a known name").init().expect("in range");
    let steps = |optimizer, lr| {
        let mut trainee = Trainee::new(optimizer, vector(&[1.0, -2.0], &device, DType::F64));
        (0..5).for_each(|_| trainee.step(lr, vector(&[0.3, -0.1], &device, DType::F64)));
        trainee.values()
    };
    assert_eq!(steps(muon.clone(), 0.1), steps(AdamConfig::adamw().init().expect("in range"), 0.1 * share));
    let matrices = |optimizer| {
        let mut trainee = Trainee::new(optimizer, tensor(&scattered(6, 1), [2, 3], &device, DType::F32));
        (0..5).for_each(|step| trainee.step(0.02, tensor(&scattered(6, 2 + step), [2, 3], &device, DType::F32)));
        trainee.values()
    };
    let found = matrices(muon);
    assert_eq!(found, matrices(burn::optim::MuonConfig::new().init()));
    assert_ne!(found, matrices(AdamConfig::adamw().init().expect("in range")));
}

/// Both rules of `burn-muon` decay, or neither.
#[test]
fn muon_and_the_rest_decay_alike() {
    let value = |lambda| {
        let named = NamedOptimizer::named("burn-muon").expect("a known name").with_weight_decay(lambda);
        named.expect("it decays").config().to_value()
    };
    let decayed = value(0.25);
    assert_eq!(decayed.pointer("/rest/weight_decay/decoupled"), Some(&0.25.into()));
    assert_eq!(decayed.pointer("/muon/weight_decay/penalty"), Some(&0.25.into()));
    let without = value(0.0);
    assert_eq!(without.pointer("/rest/weight_decay/decoupled"), Some(&0.0.into()));
    assert_eq!(without.pointer("/muon/weight_decay"), Some(&serde_json::Value::Null));
}

/// One of Burn's that has no decay yet gets it in Burn's form.
#[test]
fn burns_own_decay_in_the_form_that_burn_gives_it() {
    let value = |name: &str| {
        let named = NamedOptimizer::named(name).expect("a known name").with_weight_decay(0.25).expect("it decays");
        named.config().to_value()
    };
    assert_eq!(value("burn-adam").pointer("/weight_decay/penalty"), Some(&0.25.into()));
    assert_eq!(value("burn-lamb").pointer("/weight_decay"), Some(&0.25.into()));
    assert_eq!(value("adam").pointer("/weight_decay/decoupled"), Some(&0.25.into()));
}

/// What Burn's configurations panic at is an error here.
#[test]
fn burns_own_are_refused_where_they_would_panic() {
    let error = |name: &str, assignment: &str| {
        let optimizer = NamedOptimizer::named(name).expect("a known name").with(assignment).expect("a number");
        optimizer.init().err().expect("out of range").to_string()
    };
    assert_eq!(error("burn-adafactor", "epsilon_1=0"), "Adafactor: epsilon_1 should be in (0, ∞), but is 0");
    assert_eq!(error("burn-adafactor", "decay_rate=0.8"), "Adafactor: decay_rate should be in (−∞, 0), but is 0.8");
    assert_eq!(error("burn-adafactor", "weight_decay=-1"), "Adafactor: weight_decay should be in [0, ∞), but is -1");
    assert_eq!(error("burn-muon", "rest_rate=0"), "Muon: rest_rate should be in (0, ∞), but is 0");
    assert_eq!(error("burn-muon", "rest.beta_1=1"), "Adam: beta_1 should be in [0, 1), but is 1");
}

/// A clipping in a configuration clips, however the optimizer is made of it and whatever is wrapped around it: a step is
/// that by the clipped gradient.
#[test]
fn a_configured_clipping_is_lost_nowhere() {
    let device = Device::flex().autodiff();
    let model = LinearConfig::new(3, 2).init(&device);
    let gradients = |scale: f64| {
        let loss = (model.forward(Tensor::<2>::ones([4, 3], &device)) * scale).sum();
        GradientsParams::from_grads(loss.backward(), &model)
    };
    let after = |mut optimizer: ModuleOptimizer, scale: f64| {
        let model = optimizer.step(0.1, model.clone(), gradients(scale));
        values(&model.weight.val())
    };
    // The gradient of each of six weights is four times the scale.
    let norm = 4.0 * 6_f64.sqrt();
    for name in NamedOptimizer::names() {
        let plain = NamedOptimizer::named(name).expect("a known name");
        let field = match name {
            "burn-sgd" => "gradient_clipping",
            "burn-muon" => "rest.grad_clipping",
            "sgd-noise" => "sgd.grad_clipping",
            _ => "grad_clipping",
        };
        let clipped = plain.with(&format!("{field}={{\"Norm\":0.1}}")).expect("a clipping");
        let build = |named: &NamedOptimizer| named.build(&Variations::default()).expect("in range");
        let ema = WeightTransform::Ema(EmaConfig::new().with_decay(0.5));
        let wrapped = |named: &NamedOptimizer| {
            WeightTransforms { inner: None, outer: Some(ema) }.wrap(build(named)).expect("in range").init()
        };
        let grouped = |named: &NamedOptimizer| {
            SgdConfig::new().init().expect("in range").with_group(ParamGroup::all(), build(named), None)
        };
        let noise = GradientNoiseConfig::new().with_eta(1e-3);
        let noisy = |named: &NamedOptimizer| match name {
            "sgd-noise" => build(named).init(),
            _ => noise.wrap_erased(build(named)).expect("in range").init(),
        };
        let makes: [&dyn Fn(&NamedOptimizer) -> ModuleOptimizer; 5] =
            [&|named| named.init().expect("in range"), &|named| build(named).init(), &wrapped, &grouped, &noisy];
        for (way, make) in makes.into_iter().enumerate() {
            let found = after(make(&clipped), 1e4);
            let expected = after(make(&plain), 0.1 / norm);
            let gap = deviation(&found, &expected);
            assert!(gap < 1e-5, "{name}, way {way}: {gap:e}");
        }
    }
    let config = SgdConfig::new().with_grad_clipping(Some(GradientClippingConfig::Norm(0.1)));
    let sgd = || config.build().expect("in range");
    let expected = after(SgdConfig::new().init().expect("in range"), 0.1 / norm);
    let ema = EmaConfig::new().wrap(sgd()).expect("in range");
    for optimizer in [config.init().expect("in range"), sgd().into(), ema.init()] {
        assert!(deviation(&after(optimizer, 1e4), &expected) < 1e-6);
    }
}

/// What the table says of numbers is what is in a configuration file.
#[test]
fn numbers_are_those_of_the_configuration_file() {
    for name in NamedOptimizer::names_and_presets() {
        let optimizer = NamedOptimizer::named(&name).expect("a known name");
        let value = optimizer.config().to_value();
        let mut expected = Vec::new();
        if optimizer.config().varies() {
            fractions(&value, "", &mut expected);
        }
        let mut found = optimizer.config().number_names();
        expected.sort();
        found.sort();
        assert_eq!(found, expected, "{name}");
        let mut config = optimizer.clone();
        for (index, number) in found.iter().enumerate() {
            *config.config_mut().number_mut(number).expect(number) = 0.25 + index as f64;
            let path = format!("/{}", number.replace('.', "/"));
            assert_eq!(
                config.config().to_value().pointer(&path),
                Some(&(0.25 + index as f64).into()),
                "{name}: {number}"
            );
        }
        assert!(config.config_mut().number_mut("nothing").is_none(), "{name}");
    }
}

/// The paths of the numbers with fractions.
fn fractions(value: &serde_json::Value, path: &str, found: &mut Vec<String>) {
    for (key, value) in value.as_object().into_iter().flatten() {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match value {
            serde_json::Value::Number(number) if number.is_f64() => found.push(path),
            _ => fractions(value, &path, found),
        }
    }
}

#[test]
fn a_configuration_has_to_be_its_names_own() {
    let error = NamedOptimizer::with_config("adam", MomentumConfig::new()).expect_err("another's").to_string();
    assert!(error.starts_with("adam: "), "{error}");
    // Though a file of the one would read as one of the other.
    let error = NamedOptimizer::with_config("momentum", NesterovConfig::new()).expect_err("another's").to_string();
    assert!(error.ends_with("it is not a configuration of momentum"), "{error}");
    let error = NamedOptimizer::with_config("adamm", AdamConfig::new()).expect_err("no name").to_string();
    assert!(error.starts_with("unknown optimizer `adamm`; known: sgd, momentum"), "{error}");
    let read: Result<NamedOptimizer, _> = serde_json::from_str(r#"{"adam": {}, "sgd": {}}"#);
    assert!(read.expect_err("two").to_string().contains("one optimizer"));
    let read: Result<NamedOptimizer, _> = serde_json::from_str(r#"{"nadam:dozat": {}}"#);
    assert!(read.expect_err("a preset is no name").to_string().contains("unknown optimizer `nadam:dozat`"));
    let read: Result<NamedOptimizer, _> = serde_json::from_str(r#"{"adam": {"beta_1": "high"}}"#);
    assert!(read.expect_err("no number").to_string().starts_with("adam: "));
}

/// A number that JSON is read with the usual short cut of would come back as its neighbour, 0.471.
#[test]
fn numbers_come_back_from_json_to_the_bit() {
    for beta_1 in [0.47100000000000003, 0.1 + 0.2, f64::from_bits(0.9_f64.to_bits() + 1)] {
        let optimizer = NamedOptimizer::with_config("adam", AdamConfig::new().with_beta_1(beta_1)).expect("an Adam");
        let json = serde_json::to_string(&optimizer).expect("JSON");
        let mut read: NamedOptimizer = serde_json::from_str(&json).expect("an optimizer");
        let found = *read.config_mut().number_mut("beta_1").expect("a number of Adam's");
        assert_eq!(found.to_bits(), beta_1.to_bits(), "{beta_1:?} came back as {found:?}");
    }
}

/// What was probably meant is told.
#[test]
fn names_that_are_nearly_right_help() {
    let error = |name: &str| NamedOptimizer::named(name).expect_err(name).to_string();
    assert!(error("nadm").ends_with("; did you mean `nadam`?"), "{}", error("nadm"));
    assert!(error("nadam:doza").ends_with("; did you mean `dozat`?"), "{}", error("nadam:doza"));
    assert!(!error("xyz").contains("did you mean"), "{}", error("xyz"));
    for name in ["Adam", " adam ", "AdamW", "Burn_Adam", "schedule_free_adamw"] {
        NamedOptimizer::named(name).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// A number goes to where there is one, whatever alternative it stands in; what cannot be is said with how it is written.
#[test]
fn a_bare_number_keeps_its_alternative() {
    let with = |name: &str, assignment: &str| {
        let named = NamedOptimizer::named(name).expect("a known name");
        named.with(assignment).map(|named| named.config().to_value()).map_err(|error| error.to_string())
    };
    for (name, assignment, place, expected) in [
        ("adam", "epsilon=1e-7", "/epsilon/outside", 1e-7),
        ("adamw", "weight_decay=0.3", "/weight_decay/decoupled", 0.3),
        ("rmsprop-momentum", "momentum=0.5", "/momentum/classical", 0.5),
        ("momentum:pytorch", "dampening=0.1", "/form/learning_rate_outside/dampening", 0.1),
    ] {
        let value = with(name, assignment).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(value.pointer(place).and_then(serde_json::Value::as_f64), Some(expected), "{name}: {value}");
    }
    let error = with("adam", "weight_decay=0.01").expect_err("there is no form to keep");
    assert!(error.contains("null now") && error.contains(r#"{"l2":0.01}"#), "{error}");
    let error = with("adam", "epsilon=outside").expect_err("no number");
    assert!(error.contains(r#"{"outside":1e-8} now"#) || error.contains("it is"), "{error}");
    let lr = NamedOptimizer::named("adam").expect("a known name").number("lr").expect_err("no hyperparameter");
    assert!(lr.to_string().contains("follows the schedule"), "{lr}");
}

/// Capitals, blanks and underscores do not matter, neither in an optimizer's name nor in its preset's.
#[test]
fn names_are_read_however_they_are_written() {
    for (written, meant) in
        [("Nadam:Dozat", "nadam:dozat"), (" SGD_noise ", "sgd-noise"), ("adadelta:ZEILER", "adadelta:zeiler")]
    {
        let [written, meant] = [written, meant].map(|name| NamedOptimizer::named(name).expect("a known name"));
        assert_eq!(format!("{written:?}"), format!("{meant:?}"));
        assert_eq!(written.learning_rate(), meant.learning_rate());
    }
}
