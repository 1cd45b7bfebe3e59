//! Backpropagation by hand against automatic differentiation, through this crate's networks, in f64.

use crate::common::cpu_devices;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData};
use burn_descent::nn::{LabelSmoothing, cross_entropy};
use burn_descent_lab::networks::MlpConfig;

const EPSILON: f64 = 1e-5;
const TOLERANCE: f64 = 1e-10;

/// Numbers that look random and are the same everywhere.
fn numbers<const D: usize>(shape: [usize; D], seed: f64, device: &Device) -> Tensor<D> {
    let count = shape.iter().product::<usize>();
    let values: Vec<f64> = (0..count).map(|index| (seed + 12.9898 * index as f64).sin() * 0.8).collect();
    Tensor::from_data(TensorData::new(values, shape), (device, DType::F64))
}

fn expect_close<const D: usize>(found: Tensor<D>, expected: Tensor<D>, what: &str) {
    assert_eq!(found.dims(), expected.dims(), "{what}");
    let values = |tensor: Tensor<D>| tensor.into_data().try_into_vec::<f64>().expect("f64");
    for (found, expected) in values(found).into_iter().zip(values(expected)) {
        assert!((found - expected).abs() < TOLERANCE * expected.abs().max(1.0), "{what}: {found}, Burn has {expected}");
    }
}

/// Puts numbers that are known here into a module's weights, in f64.
struct Known(f64);

impl ModuleMapper for Known {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.0 += 1.0;
        let seed = self.0;
        param.map(|tensor| numbers(tensor.dims(), seed, &tensor.device()).require_grad())
    }
}

/// The weights in the order of the module, and their gradients.
#[derive(Default)]
struct Weights {
    matrices: Vec<(Tensor<2>, Tensor<2>)>,
    vectors: Vec<(Tensor<1>, Tensor<1>)>,
    gradients: GradientsParams,
}

impl ModuleVisitor for Weights {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(gradient) = self.gradients.get::<D>(param.id) else { return };
        let value = param.val().inner();
        match D {
            1 => self.vectors.push((value.reshape([-1]), gradient.reshape([-1]))),
            2 => {
                let shape = [value.dims()[0], value.dims()[1]];
                self.matrices.push((value.reshape(shape), gradient.reshape(shape)));
            }
            _ => panic!("no weight of rank {D} was expected"),
        }
    }
}

fn relu(h: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
    let slope = h.clone().greater_scalar(0.0).float().cast(FloatDType::F64);
    (h * slope.clone(), slope)
}

/// Layers, biases, rectified linear units and cross-entropy: the recursion of errors through the crate's own network.
#[test]
fn the_recursion_gives_the_gradients_of_an_mlp() {
    for (backend, device) in cpu_devices() {
        let autodiff = device.clone().autodiff();
        let config = MlpConfig::new().with_widths(vec![6, 5]).with_dropout(0.0).with_batch_norm(false);
        let model = config.init(4, 3, &autodiff).expect("in range").map(&mut Known(0.0));
        let images = numbers([7, 1, 2, 2], 0.5, &autodiff);
        let classes = [0, 2, 1, 1, 0, 2, 2];
        let loss =
            cross_entropy(model.forward(images.clone()), Tensor::from_ints(classes, &autodiff), LabelSmoothing::None);
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        let mut weights = Weights { gradients, ..Weights::default() };
        model.visit(&mut weights);
        let [(w1, dw1), (w2, dw2), (w3, dw3)] = <[_; 3]>::try_from(weights.matrices).expect("three layers");
        let [(b1, db1), (b2, db2), (b3, db3)] = <[_; 3]>::try_from(weights.vectors).expect("three biases");

        let x0 = images.inner().reshape([7, 4]);
        let (x1, slope1) = relu(x0.clone().matmul(w1) + b1.unsqueeze());
        let (x2, slope2) = relu(x1.clone().matmul(w2.clone()) + b2.unsqueeze());
        let h3 = x2.clone().matmul(w3.clone()) + b3.unsqueeze();
        // Softmax and cross-entropy together: the error is the probabilities less the labels, a mean over the batch.
        let powers = (h3.clone() - h3.max_dim(1)).exp();
        let probabilities = powers.clone() / powers.sum_dim(1);
        let labels = classes.iter().flat_map(|class| (0..3).map(move |other| f64::from(other == *class))).collect();
        let labels = Tensor::<2>::from_data(TensorData::new::<f64, _>(labels, [7, 3]), (&device, DType::F64));
        let e3 = (probabilities - labels) / 7.0;
        let e2 = slope2 * e3.clone().matmul(w3.transpose());
        let e1 = slope1 * e2.clone().matmul(w2.transpose());

        for (x, e, dw, db, layer) in [(x0, e1, dw1, db1, 1), (x1, e2, dw2, db2, 2), (x2, e3, dw3, db3, 3)] {
            expect_close(x.transpose().matmul(e.clone()), dw, &format!("{backend}: weights of layer {layer}"));
            expect_close(e.sum_dim(0).reshape([-1]), db, &format!("{backend}: biases of layer {layer}"));
        }
    }
}

/// Kao's gradients of batch normalization.
#[test]
fn the_formulas_give_the_gradients_of_batch_normalization() {
    for (backend, device) in cpu_devices() {
        let autodiff = device.clone().autodiff();
        let (m, units) = (9, 4);
        let norm = burn::nn::BatchNormConfig::new(units).with_epsilon(EPSILON).init(&autodiff).map(&mut Known(3.0));
        let x = numbers([m, units], 0.1, &autodiff).require_grad();
        let dy = numbers([m, units], 7.7, &device);
        let loss = (norm.forward(x.clone()) * Tensor::from_inner(dy.clone())).sum();
        let mut gradients = loss.backward();
        let dx = x.grad(&gradients).expect("a gradient");
        let gradients = GradientsParams::from_module(&mut gradients, &norm);
        let gradient = |param: &Param<Tensor<1>>| gradients.get::<1>(param.id).expect("a gradient");
        let (d_gamma, d_beta) = (gradient(&norm.gamma), gradient(&norm.beta));

        let (x, gamma) = (x.inner(), norm.gamma.val().inner().unsqueeze::<2>());
        let centered = x.clone() - x.mean_dim(0);
        let variance = centered.clone().square().mean_dim(0);
        let deviation = (variance + EPSILON).sqrt();
        let x_hat = centered.clone() / deviation.clone();
        expect_close(dy.clone().sum_dim(0).reshape([-1]), d_beta, &format!("{backend}: beta"));
        expect_close((dy.clone() * x_hat).sum_dim(0).reshape([-1]), d_gamma, &format!("{backend}: gamma"));

        let d_x_hat = dy * gamma;
        let sum = (centered.clone() * d_x_hat.clone()).sum_dim(0);
        let d_variance = sum * -0.5 / deviation.clone().powi_scalar(3);
        let d_mu = -d_x_hat.clone().sum_dim(0) / deviation.clone();
        let d_x = d_x_hat / deviation + centered * d_variance * (2.0 / m as f64) + d_mu / m as f64;
        expect_close(d_x, dx, &format!("{backend}: x"));
    }
}
