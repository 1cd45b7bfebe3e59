//! More problems of Moré, Garbow & Hillstrom (1981), each with the minimum that they give.

use super::problems::TestProblem;
use crate::common::{tensor, vector};
use burn::tensor::{DType, Device, Tensor};
use burn_descent::second_order::{Ending, MinimizerConfig, StoppingConfig};

fn at(x: &Tensor<1>, index: usize) -> Tensor<1> {
    x.clone().narrow(0, index, 1)
}

/// Numbers beside x, in its precision and on its device.
fn beside(x: &Tensor<1>, numbers: &[f64]) -> Tensor<1> {
    vector(numbers, &x.device(), x.dtype())
}

fn bard(x: Tensor<1>) -> Tensor<1> {
    let y = [0.14, 0.18, 0.22, 0.25, 0.29, 0.32, 0.35, 0.39, 0.37, 0.58, 0.73, 0.96, 1.34, 2.10, 4.39];
    let u: Vec<f64> = (1..=15).map(f64::from).collect();
    let v: Vec<f64> = u.iter().map(|u| 16.0 - u).collect();
    let w: Vec<f64> = u.iter().zip(&v).map(|(u, v)| u.min(*v)).collect();
    let below = beside(&x, &v) * at(&x, 1) + beside(&x, &w) * at(&x, 2);
    (beside(&x, &y) - at(&x, 0) - beside(&x, &u) / below).square().sum()
}

fn gaussian(x: Tensor<1>) -> Tensor<1> {
    let half = [0.0009, 0.0044, 0.0175, 0.0540, 0.1295, 0.2420, 0.3521];
    let y: Vec<f64> = half.iter().chain(&[0.3989]).chain(half.iter().rev()).copied().collect();
    let t: Vec<f64> = (1..=15).map(|i| (8.0 - f64::from(i)) / 2.0).collect();
    let exponent = (beside(&x, &t) - at(&x, 2)).square() * at(&x, 1) * -0.5;
    (exponent.exp() * at(&x, 0) - beside(&x, &y)).square().sum()
}

fn box_3d(x: Tensor<1>) -> Tensor<1> {
    let t: Vec<f64> = (1..=10).map(|i| 0.1 * f64::from(i)).collect();
    let last: Vec<f64> = t.iter().map(|t| (-t).exp() - (-10.0 * t).exp()).collect();
    let falling = |index: usize| (beside(&x, &t) * -at(&x, index)).exp();
    (falling(0) - falling(1) - beside(&x, &last) * at(&x, 2)).square().sum()
}

fn jennrich_sampson(x: Tensor<1>) -> Tensor<1> {
    let i: Vec<f64> = (1..=10).map(f64::from).collect();
    let constants: Vec<f64> = i.iter().map(|i| 2.0 + 2.0 * i).collect();
    let rising = |index: usize| (beside(&x, &i) * at(&x, index)).exp();
    (beside(&x, &constants) - rising(0) - rising(1)).square().sum()
}

fn kowalik_osborne(x: Tensor<1>) -> Tensor<1> {
    let y = [0.1957, 0.1947, 0.1735, 0.1600, 0.0844, 0.0627, 0.0456, 0.0342, 0.0323, 0.0235, 0.0246];
    let u = [4.0, 2.0, 1.0, 0.5, 0.25, 0.167, 0.125, 0.1, 0.0833, 0.0714, 0.0625];
    let u = beside(&x, &u);
    let above = (u.clone().square() + u.clone() * at(&x, 1)) * at(&x, 0);
    let below = u.clone().square() + u * at(&x, 2) + at(&x, 3);
    (beside(&x, &y) - above / below).square().sum()
}

fn brown_dennis(x: Tensor<1>) -> Tensor<1> {
    let t: Vec<f64> = (1..=20).map(|i| 0.2 * f64::from(i)).collect();
    let of = |function: fn(f64) -> f64| beside(&x, &t.iter().copied().map(function).collect::<Vec<_>>());
    let one = at(&x, 0) + beside(&x, &t) * at(&x, 1) - of(f64::exp);
    let two = at(&x, 2) + of(f64::sin) * at(&x, 3) - of(f64::cos);
    (one.square() + two.square()).square().sum()
}

fn penalty(x: Tensor<1>) -> Tensor<1> {
    let excess = x.clone().square().sum() - 0.25;
    (x - 1.0).square().sum() * 1e-5 + excess.square()
}

fn variably_dimensioned(x: Tensor<1>) -> Tensor<1> {
    let [n] = x.dims();
    let j: Vec<f64> = (1..=n).map(|j| j as f64).collect();
    let sum = (beside(&x, &j) * (x.clone() - 1.0)).sum();
    (x - 1.0).square().sum() + sum.clone().square() + sum.powi_scalar(4)
}

fn trigonometric(x: Tensor<1>) -> Tensor<1> {
    let [n] = x.dims();
    let i: Vec<f64> = (1..=n).map(|i| i as f64).collect();
    let missing = -x.clone().cos().sum() + n as f64;
    let own = beside(&x, &i) * (-x.clone().cos() + 1.0) - x.sin();
    (own + missing).square().sum()
}

fn broyden_tridiagonal(x: Tensor<1>) -> Tensor<1> {
    let [n] = x.dims();
    let none = x.clone().narrow(0, 0, 1) * 0.0;
    let before = Tensor::cat(vec![none.clone(), x.clone().narrow(0, 0, n - 1)], 0);
    let after = Tensor::cat(vec![x.clone().narrow(0, 1, n - 1), none], 0);
    ((-x.clone() * 2.0 + 3.0) * x - before - after * 2.0 + 1.0).square().sum()
}

fn problems() -> Vec<TestProblem> {
    let problem =
        |name, start: &[f64], minimum, function| TestProblem { name, start: start.to_vec(), minimum, function };
    let tenths: Vec<f64> = (1..=10).map(|j| 1.0 - 0.1 * f64::from(j)).collect();
    vec![
        problem("Bard", &[1.0, 1.0, 1.0], 8.214_87e-3, bard),
        problem("Gaussian", &[0.4, 1.0, 0.0], 1.127_93e-8, gaussian),
        problem("box, three-dimensional", &[0.0, 10.0, 20.0], 0.0, box_3d),
        problem("Jennrich–Sampson", &[0.3, 0.4], 124.362, jennrich_sampson),
        problem("Kowalik–Osborne", &[0.25, 0.39, 0.415, 0.39], 3.075_05e-4, kowalik_osborne),
        problem("Brown–Dennis", &[25.0, 5.0, -5.0, -1.0], 85_822.2, brown_dennis),
        problem("penalty I, n = 4", &[1.0, 2.0, 3.0, 4.0], 2.249_97e-5, penalty),
        problem("variably dimensioned, n = 10", &tenths, 0.0, variably_dimensioned),
        problem("trigonometric, n = 10", &[0.1; 10], 2.795_06e-5, trigonometric),
        problem("Broyden tridiagonal, n = 10", &[-1.0; 10], 0.0, broyden_tridiagonal),
    ]
}

/// Each method finds the published minimum of each problem, or another that is known.
#[test]
fn every_method_finds_the_published_minima() {
    let device = Device::flex();
    let mut faults = Vec::new();
    for name in MinimizerConfig::NAMES {
        for problem in problems() {
            let stopping = StoppingConfig::new().with_relative_gradient(0.0).with_max_evaluations(20_000);
            let config = MinimizerConfig::named(name).expect("known");
            let mut minimizer = config.init().expect("in range").with_stopping(stopping).expect("in range");
            let mut objective = problem.objective(&device, DType::F64);
            let start = tensor(&problem.start, [problem.start.len()], &device, DType::F64);
            let report = minimizer.minimize(&mut objective, start).expect("it is small");
            let close = |minimum: f64| (report.value - minimum).abs() < 1e-5 * minimum.abs() + 1e-12;
            // The trigonometric function has a second, at 0.
            let is_found = close(problem.minimum) || problem.name.starts_with("trig") && close(0.0);
            let line = format!(
                "{name:<20} {:<30} {:>5} {:>5} {:>6}  {:.6e}, {:.1e}, {}",
                problem.name,
                report.iterations,
                report.counts.gradients,
                report.counts.products,
                report.value,
                report.gradient_norm,
                report.ending
            );
            println!("{line}");
            if !is_found || report.ending == Ending::Budget {
                faults.push(line);
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}
