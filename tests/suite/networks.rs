//! The networks' parts by configuration: dropout in both forms, activations, initialization.

use crate::common::{cpu_devices, values};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamGroup};
use burn::tensor::{Device, Distribution, Tensor};
use burn_descent::nn::{Activation, Dropout, DropoutForm, Initialization};
use burn_descent::transfer::transplant;
use burn_descent_lab::networks::{CnnConfig, MlpConfig, ResNet, ResNetConfig};

/// Outside training both forms give the expectation of what they give in it.
#[test]
fn dropout_keeps_the_expectation_in_both_forms() {
    for (backend, device) in cpu_devices() {
        device.seed(1);
        for (form, kept) in [(DropoutForm::Inverted, 1.0 / 0.8), (DropoutForm::AtTest, 1.0)] {
            let dropout = Dropout::new(0.2, form).expect("in range");
            let ones = |device: &Device| Tensor::<2>::ones([100, 1000], device);
            let training = values(&dropout.forward(ones(&device.clone().autodiff())).inner());
            let outside = values(&dropout.forward(ones(&device)));
            assert!(outside.iter().all(|value| (value - outside[0]).abs() < 1e-7), "{backend}");
            let dropped = training.iter().filter(|value| **value == 0.0).count() as f64 / 1e5;
            // Five deviations of a share of 100,000.
            assert!((dropped - 0.2).abs() < 5.0 * (0.2_f64 * 0.8 / 1e5).sqrt(), "{backend}: {dropped} dropped");
            assert!(training.iter().all(|value| *value == 0.0 || (value - kept).abs() < 1e-6), "{backend}: {form:?}");
            let mean = training.iter().sum::<f64>() / 1e5;
            assert!(
                (mean - outside[0]).abs() < 0.01,
                "{backend}, {form:?}: {mean} in training, {} outside",
                outside[0]
            );
        }
        // Nothing dropped is nothing changed, to the bit.
        let x = Tensor::<1>::from_floats([1.5, -2.25, 3.0], &device.clone().autodiff());
        for form in [DropoutForm::Inverted, DropoutForm::AtTest] {
            let same = Dropout::new(0.0, form).expect("in range").forward(x.clone());
            assert_eq!(values(&same.inner()), [1.5, -2.25, 3.0], "{backend}");
        }
    }
}

#[test]
fn activations_are_those_of_their_formulas() {
    let points = [-2.0, -0.5, 0.0, 0.5, 2.0];
    // Φ(2) and Φ(0.5).
    let (phi_2, phi_half) = (0.977_249_868_051_820_8, 0.691_462_461_274_013);
    for (activation, expected) in [
        (Activation::Relu, [0.0, 0.0, 0.0, 0.5, 2.0]),
        (Activation::LeakyRelu, [-0.02, -0.005, 0.0, 0.5, 2.0]),
        (Activation::Gelu, [-2.0 * (1.0 - phi_2), -0.5 * (1.0 - phi_half), 0.0, 0.5 * phi_half, 2.0 * phi_2]),
        (Activation::Tanh, points.map(f64::tanh)),
        (Activation::Sigmoid, points.map(|x| 1.0 / (1.0 + (-x).exp()))),
    ] {
        for (backend, device) in cpu_devices() {
            let found = values(&activation.apply(Tensor::<1>::from_floats(points, &device)));
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-6, "{activation:?} on {backend}: {found}, expected {expected}");
            }
        }
    }
}

/// The deviation and the greatest size of each weight of rank 2 or above.
#[derive(Default)]
struct Sizes(Vec<(f64, f64)>);

impl ModuleVisitor for Sizes {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if D >= 2 {
            let values = values(&param.val());
            let square = values.iter().map(|value| value * value).sum::<f64>() / values.len() as f64;
            self.0.push((square.sqrt(), values.iter().fold(0.0, |most, value| most.max(value.abs()))));
        }
    }
}

fn sizes(module: &impl Module) -> Vec<(f64, f64)> {
    let mut sizes = Sizes::default();
    module.visit(&mut sizes);
    sizes.0
}

#[test]
fn weights_are_drawn_as_asked_for() {
    let device = Device::flex();
    device.seed(1);
    let inputs = 400.0_f64;
    let (kaiming, xavier) = (1.0 / inputs.sqrt(), (6.0 / (inputs + 100.0)).sqrt());
    // A uniform distribution in ±b has a deviation of b/√3.
    for (initialization, deviation, most) in [
        (Initialization::Kaiming, kaiming / 3.0_f64.sqrt(), kaiming),
        (Initialization::Xavier, xavier / 3.0_f64.sqrt(), xavier),
        (Initialization::Normal(0.1), 0.1, 0.6),
        (Initialization::Zeros, 0.0, 0.0),
    ] {
        let mlp = MlpConfig::new().with_widths(vec![100]).with_initialization(initialization);
        let first = sizes(&mlp.init(400, 10, &device).expect("in range"))[0];
        assert!((first.0 - deviation).abs() <= 0.02 * deviation, "{initialization}: deviation {}", first.0);
        assert!(first.1 <= most * (1.0 + 1e-6), "{initialization}: up to {}", first.1);

        let cnn = CnnConfig::new().with_initialization(initialization);
        let cnn = sizes(&cnn.init([1, 28, 28], 10, &device).expect("in range"));
        assert_eq!(cnn.len(), 4);
        assert!(
            cnn.iter().all(|size| (size.0 == 0.0) == (initialization == Initialization::Zeros)),
            "{initialization}"
        );
    }
}

#[test]
fn names_are_read_and_mistakes_told() {
    for text in ["kaiming", "xavier", "normal=0.25", "zeros"] {
        assert_eq!(text.parse::<Initialization>().expect("a known name").to_string(), text);
    }
    for text in ["orthogonal", "normal", "normal=x"] {
        let error = text.parse::<Initialization>().expect_err("unknown");
        assert_eq!(error, format!("expected kaiming, xavier, normal=DEVIATION or zeros, but is {text}"));
    }
    assert_eq!("at-test".parse(), Ok(DropoutForm::AtTest));
    assert_eq!("leaky_relu".parse(), Ok(Activation::LeakyRelu));
    let error = "swish".parse::<Activation>().expect_err("unknown");
    assert_eq!(error, "expected one of relu, leaky_relu, gelu, tanh, sigmoid, but is swish");
    let config = MlpConfig::new().with_initialization(Initialization::Normal(-1.0));
    let error = config.check().expect_err("negative").to_string();
    assert_eq!(error, "Initialization: normal should be in [0, ∞), but is -1");
}

/// What a stage without blocks, a stride and a shortcut are to do, told by the sizes of what there is.
#[test]
fn a_residual_network_has_the_parameters_of_its_stages() {
    let config = ResNetConfig::new().with_channels(vec![3, 5]).with_blocks(vec![1, 2]);
    let network = config.init(2, 7, &Device::flex()).expect("in range");
    // Convolutions, each with γ and β and without a bias: the stem, a block of 3 channels, one from 3 to 5 with its shortcut, one of 5.
    let convolution = |inputs: usize, outputs: usize, kernel: usize| inputs * outputs * kernel * kernel + 2 * outputs;
    let first = convolution(2, 3, 3) + 2 * convolution(3, 3, 3);
    let second = convolution(3, 5, 3) + convolution(5, 5, 3) + convolution(3, 5, 1) + 2 * convolution(5, 5, 3);
    assert_eq!(network.num_params(), first + second + 5 * 7 + 7 + running(&[3; 3]) + running(&[5; 5]));
    let logits = network.forward(Tensor::ones([4, 2, 9, 6], &Device::flex()));
    assert_eq!(logits.dims(), [4, 7], "images of any size");
    assert_eq!(network.layers(), [["stem"], ["blocks.0"], ["blocks.1"], ["blocks.2"], ["output"]]);
}

/// Running means and variances, which Burn counts as parameters too.
fn running(channels: &[usize]) -> usize {
    2 * channels.iter().sum::<usize>()
}

/// With all weights of the blocks zero and without normalization, a block passes on what it gets: the sum is there.
#[test]
fn what_goes_past_a_block_is_added() {
    struct Erase(bool);
    impl ModuleMapper for Erase {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.0 |= name == "blocks";
        }
        fn exit_module(&mut self, name: &str, _: &str) {
            self.0 &= name != "blocks";
        }
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            if self.0 { param.map(|values| values.zeros_like()) } else { param }
        }
    }
    let device = Device::flex();
    let config = ResNetConfig::new().with_channels(vec![4]).with_blocks(vec![2]).with_batch_norm(false);
    let network = config.init(1, 3, &device).expect("in range");
    let images = Tensor::random([2, 1, 6, 6], Distribution::Normal(0.0, 1.0), &device);
    let erased = network.clone().map(&mut Erase(false));
    let without = ResNetConfig { blocks: vec![0], ..config }.init(1, 3, &device).expect("in range");
    let without = transplant(&erased, without, &ParamGroup::all()).expect("its stem and output");
    let logits = |network: &ResNet| network.forward(images.clone()).into_data().try_into_vec::<f32>().expect("f32");
    assert_eq!(logits(&erased), logits(&without));
    assert_ne!(logits(&erased), logits(&network));
}

#[test]
fn residual_networks_out_of_range_are_told() {
    let told = |config: ResNetConfig| config.check().expect_err("out of range").to_string();
    let config = ResNetConfig::new;
    assert_eq!(told(config().with_blocks(vec![1, 1])), "ResNet: blocks should be 3 in number, but is 2");
    assert_eq!(
        told(config().with_blocks(vec![1, 0, 1])),
        "ResNet: blocks (after the first stage) should be in (0, ∞), but is 0"
    );
    assert_eq!(told(config().with_channels(vec![])), "ResNet: channels (their number) should be in (0, ∞), but is 0");
    assert_eq!(told(config().with_kernel(4)), "ResNet: kernel should be odd, but is 4");
    assert_eq!(told(config().with_dropout(1.0)), "ResNet: dropout should be in [0, 1), but is 1");
}
