//! Problems with known minima: those with golden counts of SciPy, and others of Moré, Garbow & Hillstrom (1981).

use crate::common::{tensor, values};
use burn::module::Param;
use burn::tensor::{DType, Device, Tensor};
use burn_descent::second_order::{ModuleObjective, Objective};
use std::f64::consts::PI;

/// A problem, and where SciPy gets to it.
pub struct TestProblem {
    pub name: &'static str,
    pub start: Vec<f64>,
    pub minimum: f64,
    pub function: fn(Tensor<1>) -> Tensor<1>,
}

/// One number of a vector.
fn at(x: &Tensor<1>, index: usize) -> Tensor<1> {
    x.clone().narrow(0, index, 1)
}

/// The sum of the squares of residuals.
fn squares<const N: usize>(residuals: [Tensor<1>; N]) -> Tensor<1> {
    Tensor::cat(residuals.to_vec(), 0).square().sum()
}

fn rosenbrock(x: Tensor<1>) -> Tensor<1> {
    let [n] = x.dims();
    let pairs = x.reshape([n / 2, 2]);
    let (odd, even) = (pairs.clone().narrow(1, 0, 1), pairs.narrow(1, 1, 1));
    (even - odd.clone().square()).square().sum() * 100.0 + (odd - 1.0).square().sum()
}

fn beale(v: Tensor<1>) -> Tensor<1> {
    let (x, y) = (at(&v, 0), at(&v, 1));
    let residual = |power: i32, constant: f64| -(x.clone() * (-y.clone().powi_scalar(power) + 1.0)) + constant;
    squares([residual(1, 1.5), residual(2, 2.25), residual(3, 2.625)])
}

fn himmelblau(v: Tensor<1>) -> Tensor<1> {
    let (x, y) = (at(&v, 0), at(&v, 1));
    squares([x.clone().square() + y.clone() - 11.0, x + y.square() - 7.0])
}

fn booth(v: Tensor<1>) -> Tensor<1> {
    let (x, y) = (at(&v, 0), at(&v, 1));
    squares([x.clone() + y.clone() * 2.0 - 7.0, x * 2.0 + y - 5.0])
}

fn freudenstein_roth(v: Tensor<1>) -> Tensor<1> {
    let (x, y) = (at(&v, 0), at(&v, 1));
    let one = x.clone() - 13.0 + ((-y.clone() + 5.0) * y.clone() - 2.0) * y.clone();
    let two = x - 29.0 + ((y.clone() + 1.0) * y.clone() - 14.0) * y;
    squares([one, two])
}

fn helical_valley(v: Tensor<1>) -> Tensor<1> {
    let (x, y, z) = (at(&v, 0), at(&v, 1), at(&v, 2));
    let theta = y.clone().atan2(x.clone()) / (2.0 * PI);
    // In (−¼, ¾]: of the side of negative x, the upper branch.
    let theta = theta.clone().mask_where(theta.clone().lower_equal_scalar(-0.25), theta + 1.0);
    let radius = (x.square() + y.square()).sqrt();
    squares([(z.clone() - theta * 10.0) * 10.0, (radius - 1.0) * 10.0, z])
}

fn wood(v: Tensor<1>) -> Tensor<1> {
    let [a, b, c, d] = [0, 1, 2, 3].map(|index| at(&v, index));
    squares([
        (b.clone() - a.clone().square()) * 10.0,
        -a + 1.0,
        (d.clone() - c.clone().square()) * 90_f64.sqrt(),
        -c + 1.0,
        (b.clone() + d.clone() - 2.0) * 10_f64.sqrt(),
        (b - d) / 10_f64.sqrt(),
    ])
}

fn powell_singular(v: Tensor<1>) -> Tensor<1> {
    let [a, b, c, d] = [0, 1, 2, 3].map(|index| at(&v, index));
    squares([
        a.clone() + b.clone() * 10.0,
        (c.clone() - d.clone()) * 5_f64.sqrt(),
        (b - c * 2.0).square(),
        (a - d).square() * 10_f64.sqrt(),
    ])
}

/// The problems with golden counts.
pub fn golden_problems() -> Vec<TestProblem> {
    let problem =
        |name, start: &[f64], minimum, function| TestProblem { name, start: start.to_vec(), minimum, function };
    vec![
        problem("Rosenbrock", &[-1.2, 1.0], 0.0, rosenbrock),
        problem("Beale (1, 1)", &[1.0, 1.0], 0.0, beale),
        problem("Beale (2, −2)", &[2.0, -2.0], 0.0, beale),
        problem("Himmelblau", &[0.0, 0.0], 0.0, himmelblau),
        problem("Booth", &[0.0, 0.0], 0.0, booth),
        problem("Freudenstein–Roth", &[0.5, -2.0], 48.984_253_679_240_01, freudenstein_roth),
        problem("helical valley", &[-1.0, 0.0, 0.0], 0.0, helical_valley),
        problem("Wood", &[-3.0, -1.0, -3.0, -1.0], 0.0, wood),
        problem("Powell singular", &[3.0, -1.0, 0.0, 1.0], 0.0, powell_singular),
        problem("extended Rosenbrock, n = 100", &[-1.2, 1.0].repeat(50), 0.0, rosenbrock),
    ]
}

impl TestProblem {
    /// The problem as a Burn module, in f64 on flex.
    pub fn objective(&self, device: &Device, dtype: DType) -> impl Objective + use<> {
        let theta = Param::from_tensor(tensor::<1>(&self.start, [self.start.len()], &device.clone().autodiff(), dtype));
        let function = self.function;
        ModuleObjective::new(theta, move |theta: &Param<Tensor<1>>| function(theta.val()))
    }

    pub fn start(&self, device: &Device, dtype: DType) -> Tensor<1> {
        tensor(&self.start, [self.start.len()], device, dtype)
    }
}

/// The gradients by automatic differentiation are those by differences.
#[test]
fn gradients_are_those_of_differences() {
    let device = Device::flex();
    for problem in golden_problems() {
        let mut objective = problem.objective(&device, DType::F64);
        let place: Vec<f64> = problem.start.iter().enumerate().map(|(i, x)| x + 0.1 + 0.01 * i as f64).collect();
        let vector = |place: &[f64]| tensor::<1>(place, [place.len()], &device, DType::F64);
        let (_, gradient) = objective.gradient(&vector(&place));
        for (index, found) in values(&gradient).into_iter().enumerate() {
            let mut value = |by: f64| {
                let mut place = place.clone();
                place[index] += by;
                values(&objective.value(&vector(&place)))[0]
            };
            let h = 1e-5;
            let expected = (value(h) - value(-h)) / (2.0 * h);
            assert!((found - expected).abs() < 1e-5 * expected.abs().max(1.0), "{}: {found}, {expected}", problem.name);
        }
    }
}
