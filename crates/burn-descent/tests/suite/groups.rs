//! Parameters with an optimizer, a learning rate or a decay of their own.

use crate::common::{cpu_devices, same_bits, tensor, values, vector};
use burn::module::{Module, Param};
use burn::nn::LinearConfig;
use burn::optim::GradientsParams;
use burn::tensor::{DType, Device, Tensor};
use burn_descent::group::ensure_parameters;
use burn_descent::group::rates;
use burn_descent::optim::{NamedOptimizer, ParameterGroupConfig, Variations};

/// A module with parameters of three kinds.
#[derive(Module, Debug)]
struct Layer {
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
    norm: Param<Tensor<1>>,
}

impl Layer {
    fn new(device: &Device) -> Self {
        Self {
            weight: Param::from_tensor(Tensor::from_inner(tensor(&[1.0, -2.0, 3.0, -4.0], [2, 2], device, DType::F64))),
            bias: Param::from_tensor(Tensor::from_inner(vector(&[0.5, -0.5], device, DType::F64))),
            norm: Param::from_tensor(Tensor::from_inner(vector(&[1.0, 2.0], device, DType::F64))),
        }
    }

    fn gradients(&self, step: f64, device: &Device) -> GradientsParams {
        let mut gradients = GradientsParams::new();
        let of = |values: &[f64]| values.iter().map(|value| value * (1.0 + step)).collect::<Vec<_>>();
        gradients.register(self.weight.id, tensor(&of(&[0.1, 0.2, -0.3, 0.4]), [2, 2], device, DType::F64));
        gradients.register(self.bias.id, vector(&of(&[0.5, -0.1]), device, DType::F64));
        gradients.register(self.norm.id, vector(&of(&[-0.2, 0.3]), device, DType::F64));
        gradients
    }

    fn values(&self) -> [Vec<f64>; 3] {
        [values(&self.weight.val()), values(&self.bias.val()), values(&self.norm.val())]
    }
}

/// Three steps of a whole module by one optimizer.
fn alone(optimizer: &NamedOptimizer, lr: f64, device: &Device) -> [Vec<f64>; 3] {
    let (mut layer, mut optimizer) = (Layer::new(device), optimizer.init().expect("in range"));
    for step in 0..3 {
        let gradients = layer.gradients(f64::from(step), device);
        layer = optimizer.step(lr, layer, gradients);
    }
    layer.values()
}

fn grouped(optimizer: &NamedOptimizer, group: &ParameterGroupConfig, lr: f64, device: &Device) -> [Vec<f64>; 3] {
    let own = group.optimizer(optimizer).expect("an optimizer");
    let own = own.build(&Variations::default()).expect("in range");
    let mut optimizer = optimizer.init().expect("in range").with_group(group.parameters(), own, None);
    let mut layer = Layer::new(device);
    for step in 0..3 {
        let gradients = layer.gradients(f64::from(step), device);
        layer = optimizer.step(rates(lr, [(group.parameters(), group.rate)]), layer, gradients);
    }
    layer.values()
}

fn group(text: &str) -> ParameterGroupConfig {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

/// What is in the group is as if the group's optimizer were alone, the rest as if the other were.
#[test]
fn groups_are_independent() {
    for (backend, device) in cpu_devices() {
        let named = |name: &str| NamedOptimizer::named(name).expect("a known name");
        let adamw = named("adamw").with_weight_decay(0.1).expect("it has a decay");
        let without = adamw.with_weight_decay(0.0).expect("it has a decay");
        for (text, own, lr) in [
            ("bias,norm:decay=0", &without, 0.01),
            ("bias,norm:optimizer=momentum", &named("momentum"), 0.01),
            ("bias,norm:rate=0.1", &adamw, 0.001),
            ("bias,norm:optimizer=sgd,rate=10,decay=0.3", &named("sgd").with_weight_decay(0.3).expect("decay"), 0.1),
        ] {
            let found = grouped(&adamw, &group(text), 0.01, &device);
            let [weight, ..] = alone(&adamw, 0.01, &device);
            let [_, bias, norm] = alone(own, lr, &device);
            for (found, expected) in found.iter().zip([weight, bias, norm]) {
                assert!(same_bits(found, &expected), "{text} on {backend}: {found:?}, expected {expected:?}");
            }
        }
        // Decay is there, and does what it should: θ shrinks by η·λ·θ a step, whatever the gradient.
        let [decayed, ..] = alone(&adamw, 0.01, &device);
        let [plain, ..] = alone(&without, 0.01, &device);
        let shrunk = (plain[1] - decayed[1]).abs() / (3.0 * 0.01 * 0.1 * 2.0);
        assert!((shrunk - 1.0).abs() < 0.02, "{shrunk}");
    }
}

/// Every optimizer can have its decay taken away, and all that have any can have another.
#[test]
fn decay_is_set_in_the_form_that_it_has() {
    for name in NamedOptimizer::names_and_presets() {
        let optimizer = NamedOptimizer::named(&name).expect("a known name");
        let without = optimizer.with_weight_decay(0.0).unwrap_or_else(|error| panic!("{name}: {error}"));
        without.init().unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let decay = |optimizer: &NamedOptimizer| optimizer.config().to_value()["weight_decay"].clone();
    let named =
        |name: &str| NamedOptimizer::named(name).expect("a known name").with_weight_decay(0.25).expect("a decay");
    assert_eq!(decay(&named("adamw")), serde_json::json!({ "decoupled": 0.25 }));
    assert_eq!(decay(&named("adam")), serde_json::json!({ "decoupled": 0.25 }));
    assert_eq!(decay(&named("burn-adamw")), serde_json::json!(0.25));
    let coupled = NamedOptimizer::named("sgd").expect("known").with(r#"weight_decay={"l2":0.1}"#).expect("a decay");
    assert_eq!(decay(&coupled.with_weight_decay(0.25).expect("a decay")), serde_json::json!({ "l2": 0.25 }));
    let noisy = NamedOptimizer::named("sgd-noise").expect("known").with_weight_decay(0.25).expect("a decay");
    assert_eq!(noisy.config().to_value()["sgd"]["weight_decay"], serde_json::json!({ "decoupled": 0.25 }));
}

#[test]
fn groups_are_read_written_and_refused() {
    for text in ["bias:decay=0", "bias,norm:decay=0.01,rate=0.1", "output:rate=2,optimizer=sgd"] {
        let group = group(text);
        assert_eq!(group.to_string(), text);
        let json = serde_json::to_string(&group).expect("JSON");
        let read: ParameterGroupConfig = serde_json::from_str(&json).expect("the same");
        assert_eq!(serde_json::to_string(&read).expect("JSON"), json);
    }
    for (text, expected) in [
        ("bias", "a colon is missing"),
        ("bias:decay", "`decay` has no value"),
        ("bias:decay=much", "decay should be a number, but is `much`"),
        ("bias:decay=-1", "weight_decay should be in [0, ∞), but is -1"),
        ("bias:rate=0", "rate should be in (0, ∞), but is 0"),
        ("bias:colour=3", "nothing is called `colour`"),
        (":decay=0", "paths"),
        ("bias:optimizer=adm", "unknown optimizer `adm`"),
    ] {
        let error = text.parse::<ParameterGroupConfig>().expect_err(text).to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
    let layer = Layer::new(&cpu_devices().remove(0).1);
    assert!(ensure_parameters(&layer, &group("bias,norm:decay=0").parameters()).is_ok());
    let error = ensure_parameters(&layer, &group("biass:decay=0").parameters()).expect_err("no such path");
    assert!(error.to_string().contains("bias"), "{error}");
}

/// One misspelt word among several is no small matter: what it should have named would go on decaying.
#[test]
fn each_word_of_a_group_has_to_be_somewhere() {
    let model = LinearConfig::new(2, 3).init(&Device::flex());
    ParameterGroupConfig::new(["bias", "weight"]).ensure_parameters(&model).expect("both are there");
    let error = ParameterGroupConfig::new(["bias", "wieght"]).ensure_parameters(&model).expect_err("a misspelt word");
    let expected = "no parameter of the module matches `wieght`; expected paths such as weight, bias";
    assert_eq!(error.to_string(), expected);
    let spaced: ParameterGroupConfig = "bias, weight:decay=0".parse().expect("a group");
    spaced.ensure_parameters(&model).expect("blanks mean nothing");
    let twice = "bias:decay=0,decay=1".parse::<ParameterGroupConfig>().expect_err("two decays").to_string();
    assert!(twice.contains("decay is given twice"), "{twice}");
}
