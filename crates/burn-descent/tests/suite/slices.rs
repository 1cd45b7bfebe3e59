//! Slices through the loss of a network, and the eigenvalues of its Hessian.

use crate::common::{deviation, scattered, tensor, values, vector};
use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Tensor};
use burn_descent::landscape::{Bezier, eigenvalues, line, plane, random_direction};
use burn_descent::second_order::{ModuleObjective, Objective};

/// A matrix, filters of two channels, and a bias.
#[derive(Module, Debug)]
struct Network {
    matrix: Param<Tensor<2>>,
    filters: Param<Tensor<4>>,
    bias: Param<Tensor<1>>,
}

const SHAPES: (usize, usize, [usize; 4]) = (3, 2, [2, 2, 1, 2]);

impl Network {
    fn new(device: &Device) -> Self {
        let device = device.clone().autodiff();
        Self {
            matrix: Param::from_tensor(tensor(&scattered(6, 1), [3, 2], &device, DType::F64)),
            filters: Param::from_tensor(tensor(&scattered(8, 2), SHAPES.2, &device, DType::F64)),
            bias: Param::from_tensor(tensor(&scattered(2, 3), [2], &device, DType::F64)),
        }
    }

    /// Something that depends on all of them, and is not a parabola.
    fn loss(&self) -> Tensor<1> {
        let filters = self.filters.val().reshape([2, 4]).matmul(Tensor::ones_like(&self.filters.val().reshape([4, 2])));
        let product = self.matrix.val().tanh().matmul(filters) + self.bias.val().unsqueeze::<2>();
        product.square().mean() + self.matrix.val().powi_scalar(4).mean() + self.bias.val().cos().mean()
    }
}

#[test]
fn filters_of_a_direction_are_as_long_as_the_networks() {
    let device = Device::flex();
    let objective = ModuleObjective::new(Network::new(&device), Network::loss);
    let theta = objective.start();
    let (direction, another) = (random_direction(&objective, &theta, 1), random_direction(&objective, &theta, 2));
    let again = random_direction(&objective, &theta, 1);
    let [direction, another, again, theta] = [direction, another, again, theta].map(|vector| values(&vector));
    assert_eq!(direction, again);
    assert!(direction.iter().zip(&another).take(14).all(|(one, other)| one != other));
    let length = |vector: &[f64], places: &[usize]| places.iter().map(|i| vector[*i].powi(2)).sum::<f64>().sqrt();
    // The columns of the matrix, then the two filters, of four numbers each.
    for places in [vec![0, 2, 4], vec![1, 3, 5], vec![6, 7, 8, 9], vec![10, 11, 12, 13]] {
        let (found, expected) = (length(&direction, &places), length(&theta, &places));
        assert!((found / expected - 1.0).abs() < 1e-6, "{places:?}: {found}, {expected}");
    }
    assert_eq!(direction[14..], [0.0, 0.0], "a bias stays");
}

#[test]
fn slices_have_the_losses_of_their_points() {
    let device = Device::flex();
    let mut objective = ModuleObjective::new(Network::new(&device), Network::loss);
    let from = objective.start();
    let to = vector(&scattered(16, 7), &device, DType::F64);
    let mut loss = |theta: &Tensor<1>| values(&objective.value(theta))[0];
    let (first, last) = (loss(&from), loss(&to));
    let ends = line(&mut objective, &from, &to, &[0.0, 0.25, 1.0]);
    assert_eq!([ends[0], ends[2]], [first, last]);
    let [x, y] = [3, 4].map(|seed| random_direction(&objective, &from, seed));
    let heights = plane(&mut objective, &from, [&x, &y], &[-0.5, 0.0, 1.0]);
    assert_eq!(heights[1][1], first);
    let mut loss = |theta: Tensor<1>| values(&objective.value(&theta))[0];
    assert_eq!(heights[0][2], loss(from.clone() - y * 0.5 + x), "the first direction is along a row");
    assert!((ends[1] - loss(from.clone() + (to - from) * 0.25)).abs() < 1e-12);
}

/// `(‖θ‖² − 1)²`: all of the circle are minima, and the straight way between two of them goes over the hill.
struct Ring;

impl Objective for Ring {
    fn gradient(&mut self, theta: &Tensor<1>) -> (Tensor<1>, Tensor<1>) {
        let excess = theta.clone().square().sum() - 1.0;
        (excess.clone().square(), theta.clone() * excess * 4.0)
    }
}

#[test]
fn a_curve_is_bent_around_a_hill() {
    let device = Device::flex();
    let place = |at: [f64; 2]| vector(&at, &device, DType::F64);
    let shares: Vec<f64> = (0..=20).map(|i| f64::from(i) / 20.0).collect();
    let straight = Bezier::straight(place([1.0, 0.0]), place([-0.9, (1.0_f64 - 0.81).sqrt()]));
    let highest = |curve: &Bezier| curve.values(&mut Ring, &shares).into_iter().fold(0.0, f64::max);
    let before = highest(&straight);
    assert!(before > 0.8, "{before}");
    let bent = straight.clone().bend(&mut Ring, 500, 0.02, 1).expect("in range");
    assert_eq!(values(&bent.at(0.0)), values(&straight.from));
    assert_eq!(values(&bent.at(1.0)), values(&straight.to));
    let after = highest(&bent);
    assert!(after < 0.1, "{after} after {before}");
    let error = straight.bend(&mut Ring, 1, f64::NAN, 1).expect_err("no rate").to_string();
    assert!(error.ends_with("rate should be in (0, ∞), but is NaN"), "{error}");
}

/// With enough steps they are those of the matrix, which is made here by differences of the loss alone.
#[test]
fn eigenvalues_are_those_of_the_hessian() {
    let device = Device::flex();
    let mut objective = ModuleObjective::new(Network::new(&device), Network::loss);
    let theta = objective.start();
    let found = eigenvalues(&mut objective, &theta, 100, 1);
    // Of each filter the loss sees the sum of four numbers: six eigenvalues are 0, and Lanczos sees each value once.
    assert_eq!(found.len(), 11);
    assert!(found.windows(2).all(|pair| pair[0] >= pair[1]), "{found:?}");
    let at = values(&theta);
    let mut loss = |changes: &[(usize, f64)]| {
        let mut place = at.clone();
        changes.iter().for_each(|(index, by)| place[*index] += by);
        values(&objective.value(&vector(&place, &device, DType::F64)))[0]
    };
    let h = 1e-3;
    let mut entry = |i: usize, j: usize| {
        let corners = [(h, h), (h, -h), (-h, h), (-h, -h)].map(|(a, b)| loss(&[(i, a), (j, b)]));
        (corners[0] - corners[1] - corners[2] + corners[3]) / (4.0 * h * h)
    };
    let matrix: Vec<Vec<f64>> = (0..16).map(|i| (0..16).map(|j| entry(i, j)).collect()).collect();
    // The sums of the eigenvalues, of their squares and of their cubes are traces.
    let times = |one: &[Vec<f64>], other: &[Vec<f64>]| -> Vec<Vec<f64>> {
        (0..16).map(|i| (0..16).map(|j| (0..16).map(|k| one[i][k] * other[k][j]).sum()).collect()).collect()
    };
    let mut power = matrix.clone();
    for exponent in 1..=3 {
        let trace: f64 = (0..16).map(|i| power[i][i]).sum();
        let sum: f64 = found.iter().map(|value: &f64| value.powi(exponent)).sum();
        assert!((sum / trace - 1.0).abs() < 1e-4, "power {exponent}: {sum}, {trace}");
        power = times(&power, &matrix);
    }
    // Few steps are near the largest.
    let few = eigenvalues(&mut objective, &theta, 8, 1);
    assert!(few.len() == 8 && deviation(&few[..1], &found[..1]) < 0.05, "{few:?}, {found:?}");
}
