//! Transfer: what is taken over, what stays where it is, and what is told.

use crate::common::{cpu_devices, values};
use burn::module::{Module, ParamGroup};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Distribution, Tensor};
use burn_descent::optim::{AdamConfig, WeightDecay};
use burn_descent::transfer::{TransferError, freeze, thaw, transplant};

#[derive(Module, Debug)]
struct Network {
    trunk: Linear,
    norm: BatchNorm,
    head: Linear,
}

impl Network {
    fn new(classes: usize, device: &Device) -> Self {
        let linear = |inputs, outputs| LinearConfig::new(inputs, outputs).init(device);
        Self { trunk: linear(5, 4), norm: BatchNormConfig::new(4).init(device), head: linear(4, classes) }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.head.forward(self.norm.forward(self.trunk.forward(x)).tanh())
    }

    /// All that it has learned: weights and running statistics.
    fn state(&self) -> [Vec<f64>; 6] {
        let bias = |linear: &Linear| values(&linear.bias.as_ref().expect("a bias").val());
        let (gamma, mean) = (values(&self.norm.gamma.val()), values(&self.norm.running_mean.value()));
        let weight = |linear: &Linear| values(&linear.weight.val());
        [weight(&self.trunk), bias(&self.trunk), gamma, mean, weight(&self.head), bias(&self.head)]
    }
}

/// The network after some steps that move everything that may move.
fn trained(mut network: Network, steps: usize, device: &Device) -> Network {
    let decay = Some(WeightDecay::Decoupled(0.1));
    let mut optimizer = AdamConfig::new().with_weight_decay(decay).init().expect("a configuration in range");
    for _ in 0..steps {
        let x = Tensor::random([16, 5], Distribution::Normal(1.0, 1.0), &device.clone().autodiff());
        let loss = (network.forward(x) - 1.0).square().mean();
        let gradients = GradientsParams::from_grads(loss.backward(), &network);
        network = optimizer.step(0.05, network, gradients);
    }
    network
}

#[test]
fn all_but_the_head_is_taken_over() {
    for (backend, device) in cpu_devices() {
        let autodiff = device.clone().autodiff();
        let old = trained(Network::new(3, &autodiff), 5, &device);
        let new = Network::new(7, &autodiff);
        let head = new.state();
        let trunk = ParamGroup::all().exclude(ParamGroup::from_predicate("head"));
        let new = transplant(&old, new, &trunk).expect("a trunk that fits");
        let (found, expected) = (new.state(), old.state());
        assert_eq!(found[..4], expected[..4], "{backend}: the trunk is the trained one's");
        assert_eq!(found[4..], head[4..], "{backend}: the head is new");
        assert!(new.trunk.weight.is_require_grad() && new.head.weight.is_require_grad(), "{backend}: all train");
        // What was taken over goes on by itself.
        let moved = trained(new.clone(), 1, &device);
        assert_ne!(moved.state()[0], found[0], "{backend}");
        assert_eq!(old.state(), expected, "{backend}: the trained one stays what it was");
    }
}

#[test]
fn what_is_frozen_does_not_move_until_it_is_thawed() {
    for (backend, device) in cpu_devices() {
        let network = Network::new(3, &device.clone().autodiff());
        let group = ParamGroup::from_any_predicates(vec!["trunk", "norm"]);
        let frozen = freeze(network, &group).expect("a group that matches");
        let (before, after) = (frozen.state(), trained(frozen.clone(), 5, &device));
        assert_eq!(after.state()[..3], before[..3], "{backend}: weights of the trunk");
        assert_ne!(after.state()[3], before[3], "{backend}: running statistics follow the batches");
        assert!(after.state()[4] != before[4] && after.state()[5] != before[5], "{backend}: the head trains");
        let thawed = trained(thaw(after.clone(), &group).expect("a group that matches"), 1, &device);
        assert!((0..3).all(|part| thawed.state()[part] != before[part]), "{backend}: the trunk trains again");
    }
}

#[test]
fn what_does_not_fit_is_told() {
    let (_, device) = cpu_devices().remove(0);
    let (old, new) = (Network::new(3, &device), Network::new(7, &device));
    let error = transplant(&old, new.clone(), &ParamGroup::all()).expect_err("heads of different sizes");
    assert!(matches!(&error, TransferError::Shapes(shapes) if shapes.first == "head.weight"), "{error}");
    assert_eq!(error.to_string(), "head.weight has the shape [4, 3], expected that of head.weight, [4, 7]");
    let error = transplant(&old.trunk, new.clone(), &ParamGroup::from_path("trunk.weight")).expect_err("no such path");
    assert!(matches!(&error, TransferError::Missing { path } if path == "trunk.weight"), "{error}");
    let error = freeze(new, &ParamGroup::from_predicate("trunc")).expect_err("no such parameter");
    assert!(error.group.contains("trunc") && error.near[0].starts_with("trunk"), "{error}");
}
