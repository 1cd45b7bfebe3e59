//! Logistic regression on a9a, beside SciPy.

use burn::tensor::activation::{log_sigmoid, sigmoid};
use burn::tensor::{DType, Device, Tensor, TensorData};
use burn_descent::second_order::{Ending, MinimizerConfig, Objective, StoppingConfig};
use burn_descent_lab::data::read_libsvm;
use std::path::PathBuf;

/// `Σ ln(1 + e^(−y·x·w))/n + λ/2·w·w`, in f64.
struct Logistic {
    /// y·x, `[n, features]`.
    rows: Tensor<2>,
    lambda: f64,
}

impl Logistic {
    fn margins(&self, w: &Tensor<1>) -> Tensor<2> {
        let [features] = w.dims();
        self.rows.clone().matmul(w.clone().reshape([features, 1]))
    }

    fn mean_of_rows(&self, weights: Tensor<2>) -> Tensor<1> {
        let [n, features] = self.rows.dims();
        self.rows.clone().transpose().matmul(weights).reshape([features]) / n as f64
    }
}

impl Objective for Logistic {
    fn gradient(&mut self, w: &Tensor<1>) -> (Tensor<1>, Tensor<1>) {
        let margins = self.margins(w);
        let value = -log_sigmoid(margins.clone()).mean() + w.clone().square().sum() * (0.5 * self.lambda);
        let gradient = self.mean_of_rows(-sigmoid(-margins)) + w.clone() * self.lambda;
        (value, gradient)
    }

    fn hessian_product(&mut self, w: &Tensor<1>, v: &Tensor<1>) -> Option<Tensor<1>> {
        let probability = sigmoid(self.margins(w));
        let weights = probability.clone() * (-probability + 1.0) * self.margins(v);
        Some(self.mean_of_rows(weights) + v.clone() * self.lambda)
    }
}

fn a9a(device: &Device) -> Option<Tensor<2>> {
    let folder = std::env::var_os("A9A_DIR").map(PathBuf::from);
    let Some(folder) = folder else {
        println!("not tested: A9A_DIR names no folder with LIBSVM's a9a");
        return None;
    };
    let rows = read_libsvm(folder.join("a9a")).expect("a9a can be read");
    let mut numbers = vec![0.0_f64; rows.len() * rows.features()];
    for (index, label) in rows.labels().iter().enumerate() {
        let (features, values) = rows.row(index);
        let sign = if *label { 1.0 } else { -1.0 };
        features.iter().zip(values).for_each(|(f, x)| numbers[index * rows.features() + f] = sign * f64::from(*x));
    }
    let data = TensorData::new(numbers, [rows.len(), rows.features()]);
    Some(Tensor::from_data(data, (device, DType::F64)))
}

/// To a gradient of 1e-8, in Euclid's norm, with at most the evaluations that SciPy 1.17.1 takes until the largest of its numbers
/// is below 1e-8, and to the optimum that scikit-learn finds. L-BFGS needs more pairs than SciPy's ten for it; with as many it
/// takes up to a quarter more evaluations.
#[test]
fn a9a_takes_no_more_evaluations_than_scipys() {
    let device = Device::flex();
    let Some(rows) = a9a(&device) else { return };
    for (lambda, optimum, [bfgs, lbfgs, newton]) in
        [(1e-4, 0.324_506_924_714, [534, 275, 14]), (1e-3, 0.333_340_752_069, [243, 81, 13])]
    {
        for (name, setting, most) in [
            ("bfgs", "scaling=fading", bfgs),
            ("lbfgs", "history=10", lbfgs + lbfgs / 4),
            ("lbfgs", "history=30", lbfgs),
            ("truncated-newton", "forcing=0.5", newton),
        ] {
            let mut objective = Logistic { rows: rows.clone(), lambda };
            let config = MinimizerConfig::named(name).and_then(|config| config.with(setting)).expect("known");
            // Burn's exponential has nine digits in double precision.
            let config = config.with("line_search.noise=1e-10").unwrap_or(config);
            let stopping = StoppingConfig::new().with_relative_gradient(0.0).with_max_evaluations(2000);
            let mut minimizer = config.init().expect("in range").with_stopping(stopping).expect("in range");
            let [_, features] = rows.dims();
            let start = Tensor::<1>::zeros([features], (&device, DType::F64));
            let report = minimizer.minimize(&mut objective, start).expect("it is small");
            let gap = report.value - optimum;
            let case = format!(
                "{name}, {setting}, λ {lambda:e}: {} evaluations (at most {most}), {} products, {gap:.1e} from f*, {}",
                report.counts.gradients, report.counts.products, report.ending
            );
            println!("{case}");
            assert!(gap.abs() < 1e-10 && report.ending == Ending::Converged, "{case}");
            assert!(report.counts.gradients <= most, "{case}");
        }
    }
}
