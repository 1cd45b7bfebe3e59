//! Products with the Gauss–Newton matrix, and Hessian-free optimization of a network.

use crate::common::{deviation, scattered, tensor, values, vector};
use burn::module::{Module, Param};
use burn::tensor::activation::{log_sigmoid, log_softmax};
use burn::tensor::{DType, Device, Tensor};
use burn_descent::second_order::{Ending, HessianFreeConfig, ModuleObjective, Objective, OutputLoss};

const ROWS: usize = 6;
const SIZES: [usize; 3] = [3, 5, 4];

/// A perceptron with a layer of hyperbolic tangents.
#[derive(Module, Debug)]
struct Network {
    first: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
    second: Param<Tensor<2>>,
}

impl Network {
    /// Weights that are scattered by a seed.
    fn new(seed: usize, device: &Device) -> Self {
        let [inputs, hidden, outputs] = SIZES;
        let weights = |rows: usize, columns: usize, seed: usize| {
            let numbers: Vec<f64> = scattered(rows * columns, seed).iter().map(|x| 0.4 * x).collect();
            tensor::<2>(&numbers, [rows, columns], &device.clone().autodiff(), DType::F64)
        };
        Self {
            first: Param::from_tensor(weights(inputs, hidden, seed)),
            bias: Param::from_tensor(weights(1, hidden, seed + 1).reshape([hidden])),
            second: Param::from_tensor(weights(hidden, outputs, seed + 2)),
        }
    }

    fn forward(&self, inputs: Tensor<2>) -> Tensor<2> {
        let hidden = inputs.matmul(self.first.val()) + self.bias.val().unsqueeze::<2>();
        hidden.tanh().matmul(self.second.val())
    }
}

fn inputs(device: &Device) -> Tensor<2> {
    tensor(&scattered(ROWS * SIZES[0], 1), [ROWS, SIZES[0]], &device.clone().autodiff(), DType::F64)
}

/// The mean loss of outputs, whose targets are probabilities of a third for the first three of four.
fn mean_loss(loss: OutputLoss, outputs: Tensor<2>) -> Tensor<1> {
    let third = 1.0 / 3.0;
    let targets = tensor::<2>(&[third, third, third, 0.0].repeat(ROWS), [ROWS, 4], &outputs.device(), DType::F64);
    match loss {
        OutputLoss::CrossEntropy => -(targets * log_softmax(outputs, 1)).sum() / ROWS as f64,
        OutputLoss::BinaryCrossEntropy => {
            let missed = (-targets.clone() + 1.0) * log_sigmoid(-outputs.clone());
            -(targets * log_sigmoid(outputs) + missed).mean()
        }
        OutputLoss::SquaredError => (outputs - targets).square().mean(),
    }
}

const LOSSES: [OutputLoss; 3] = [OutputLoss::CrossEntropy, OutputLoss::BinaryCrossEntropy, OutputLoss::SquaredError];

/// `Jᵀ·H·J`, with J row by row by automatic differentiation and H by differences of the loss' gradient by the outputs.
fn dense(loss: OutputLoss, device: &Device) -> Vec<Vec<f64>> {
    let numbers = ROWS * SIZES[2];
    let row = |index: usize| {
        let output = |network: &Network| network.forward(inputs(device)).reshape([numbers]).narrow(0, index, 1);
        let mut objective = ModuleObjective::new(Network::new(3, device), output);
        values(&objective.gradient(&objective.start()).1)
    };
    let j: Vec<Vec<f64>> = (0..numbers).map(row).collect();
    let outputs = Network::new(3, device).forward(inputs(device)).reshape([numbers]).without_autodiff();
    let of_outputs = Param::from_tensor(outputs.clone().to_device(&device.clone().autodiff()));
    let mut objective = ModuleObjective::new(of_outputs, |outputs: &Param<Tensor<1>>| {
        mean_loss(loss, outputs.val().reshape([ROWS, SIZES[2]]))
    });
    let outputs = values(&outputs);
    let column = |index: usize| {
        let mut gradient = |by: f64| {
            let mut outputs = outputs.clone();
            outputs[index] += by;
            values(&objective.gradient(&vector(&outputs, device, DType::F64)).1)
        };
        let (ahead, behind) = (gradient(1e-5), gradient(-1e-5));
        ahead.iter().zip(&behind).map(|(ahead, behind)| (ahead - behind) / 2e-5).collect::<Vec<f64>>()
    };
    let mut h = (0..numbers).map(column).collect::<Vec<_>>();
    let n = j[0].len();
    // H·J, then Jᵀ·(H·J).
    h.iter_mut().for_each(|row| *row = (0..n).map(|k| row.iter().zip(&j).map(|(h, j)| h * j[k]).sum()).collect());
    (0..n).map(|i| (0..n).map(|k| j.iter().zip(&h).map(|(j, h_j)| j[i] * h_j[k]).sum()).collect()).collect()
}

/// The network under `loss`, and its parameters.
fn objective(loss: OutputLoss, device: &Device) -> (impl Objective, Tensor<1>) {
    let outputs = move |network: &Network| network.forward(inputs(device));
    let whole = move |network: &Network| mean_loss(loss, outputs(network));
    let objective = ModuleObjective::new(Network::new(3, device), whole);
    let theta = objective.start();
    (objective.with_gauss_newton(outputs, loss), theta)
}

#[test]
fn products_are_those_of_the_matrix() {
    let device = Device::flex();
    for loss in LOSSES {
        let matrix = dense(loss, &device);
        let (mut objective, theta) = objective(loss, &device);
        for seed in 0..5 {
            let v = scattered(matrix.len(), seed);
            let product =
                objective.gauss_newton_product(&theta, &vector(&v, &device, DType::F64)).expect("it is known");
            let expected: Vec<f64> = matrix.iter().map(|row| row.iter().zip(&v).map(|(m, v)| m * v).sum()).collect();
            let apart = deviation(&values(&product), &expected);
            assert!(apart < 1e-7, "{loss:?}: {apart:e}");
        }
        let none = objective.gauss_newton_product(&theta, &theta.zeros_like()).expect("it is known");
        assert!(values(&none).iter().all(|number| *number == 0.0), "{loss:?}: {none}");
    }
}

/// The squares of the random vectors have the diagonal as their mean.
#[test]
fn the_diagonal_is_a_mean_of_squares() {
    const DRAWS: u64 = 3000;
    let device = Device::flex();
    for loss in LOSSES {
        let matrix = dense(loss, &device);
        let (mut objective, theta) = objective(loss, &device);
        let mut mean = vec![0.0; matrix.len()];
        for seed in 0..DRAWS {
            let root = values(&objective.gauss_newton_root(&theta, seed).expect("it is known"));
            mean.iter_mut().zip(root).for_each(|(mean, root)| *mean += root * root / DRAWS as f64);
        }
        for (index, found) in mean.iter().enumerate() {
            // A square of a normal number has a deviation of √2 times its mean: 0.026 after so many.
            let share = found / matrix[index][index];
            assert!((share - 1.0).abs() < 0.12, "{loss:?}, parameter {index}: {share} of the diagonal");
        }
    }
}

/// It learns what another network says to the precision of the numbers, in a fraction of the gradients that descent takes.
#[test]
fn hessian_free_learns_a_network() {
    let device = Device::flex();
    let targets = Network::new(7, &device).forward(inputs(&device)).detach();
    let outputs = |network: &Network| network.forward(inputs(&device));
    let whole = |network: &Network| (outputs(network) - targets.clone()).square().mean();
    for samples in [0, 4] {
        for with_gauss_newton in [false, true] {
            let objective = ModuleObjective::new(Network::new(3, &device), whole);
            let start = objective.start();
            let mut minimizer = HessianFreeConfig::new().with_samples(samples).init().expect("in range");
            let report = match with_gauss_newton {
                true => {
                    let mut objective = objective.with_gauss_newton(outputs, OutputLoss::SquaredError);
                    minimizer.minimize(&mut objective, start).expect("it needs no matrix")
                }
                false => {
                    let mut objective = objective;
                    minimizer.minimize(&mut objective, start).expect("it needs no matrix")
                }
            };
            let case = format!(
                "{samples} samples, Gauss–Newton {with_gauss_newton}: {} {:?}, {}",
                report.value, report.counts, report.ending
            );
            println!("{case}");
            assert!(report.value < 1e-9 && report.iterations < 200, "{case}");
            assert!(matches!(report.ending, Ending::Converged | Ending::LineSearchFailed), "{case}");
        }
    }
}

/// The damping falls where the model is right, and has the scale of the loss.
#[test]
fn damping_follows_the_model() {
    let device = Device::flex();
    let outputs = |network: &Network| network.forward(inputs(&device));
    let whole = |network: &Network| mean_loss(OutputLoss::SquaredError, outputs(network));
    let run = |damping: f64| {
        let mut objective =
            ModuleObjective::new(Network::new(3, &device), whole).with_gauss_newton(outputs, OutputLoss::SquaredError);
        let start = objective.start();
        let mut minimizer = HessianFreeConfig::new().with_damping(damping).init().expect("in range");
        minimizer.minimize(&mut objective, start).expect("it needs no matrix");
        minimizer.method().damping().expect("it has begun")
    };
    assert!(run(1e3) < 1.0, "{}", run(1e3));
}
