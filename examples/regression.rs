//! A regression on a table: a perceptron learns y = 10·sin(πab) + 20·(c − ½)² + 10d from rows with noise.
//!
//! ```text
//! cargo run --example regression          # at most 200 epochs; `-- 400` for more
//! ```
//!
//! It stops when the validation loss no longer falls, and answers with the weights of the best epoch. After Ctrl-C, or
//! asked for more epochs, it goes on from what it keeps in `artifacts/regression/`, to the bit.

use burn::nn::{Linear, LinearConfig};
use burn::prelude::*;
use burn::tensor::{Distribution, activation::relu};
use burn::train::{InferenceStep, RegressionOutput, TrainOutput, TrainStep, metric::LossMetric};
use burn_descent::train::{Engine, GradientUpdate, Loader, PlainProgress};
use burn_descent::{early_stopping::EarlyStoppingConfig, optim::NadamConfig, schedule::Schedule};
use std::{error::Error, f64::consts::PI};

const TRAINING: usize = 4000;
const VALIDATION: usize = 1000;
const BATCH: usize = 64;
const PATIENCE: usize = 15;

#[derive(Module, Debug)]
struct Perceptron {
    hidden: [Linear; 2],
    output: Linear,
}

impl InferenceStep for Perceptron {
    type Input = (Tensor<2>, Tensor<2>);
    type Output = RegressionOutput;

    fn step(&self, (columns, targets): Self::Input) -> RegressionOutput {
        let output = self.output.forward(self.hidden.iter().fold(columns, |x, layer| relu(layer.forward(x))));
        RegressionOutput::new((output.clone() - targets.clone()).square().mean(), output, targets)
    }
}

impl TrainStep for Perceptron {
    type Input = (Tensor<2>, Tensor<2>);
    type Output = RegressionOutput;

    fn step(&self, rows: Self::Input) -> TrainOutput<RegressionOutput> {
        let output = InferenceStep::step(self, rows);
        TrainOutput::new(self, output.loss.backward(), output)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let epochs = std::env::args().nth(1).map_or(Ok(200), |epochs| epochs.parse())?;
    let device = Device::default();
    device.seed(1);
    let columns = Tensor::<2>::random([TRAINING + VALIDATION, 4], Distribution::Uniform(0.0, 1.0), &device);
    let [a, b, c, d] = [0, 1, 2, 3].map(|column| columns.clone().narrow(1, column, 1));
    let targets = (a * b * PI).sin() * 10 + (c - 0.5).square() * 20 + d * 10;
    let [columns, targets] = [columns, targets.random_like(Distribution::Normal(0.0, 1.0)) + targets].map(|table| {
        let (variance, mean) = table.clone().narrow(0, 0, TRAINING).var_mean(0);
        (table - mean) / variance.sqrt()
    });
    let rows = |first, count| (columns.clone().narrow(0, first, count), targets.clone().narrow(0, first, count));
    let training = Loader::new(rows(0, TRAINING), BATCH, &device).shuffled(1);
    let validation = rows(TRAINING, VALIDATION);
    let layer = |inputs, outputs| LinearConfig::new(inputs, outputs).init(&device);
    let model = Perceptron { hidden: [layer(4, 64), layer(64, 64)], output: layer(64, 1) };
    let schedule = "plateau=0.5,4".parse::<Schedule>()?.scheduler(2e-3, training.run_length(epochs))?;
    let outcome = Engine::new(GradientUpdate::new(NadamConfig::new().init()?), schedule)
        .with_epochs(epochs)
        .with_early_stopping(EarlyStoppingConfig::new(PATIENCE))
        .in_folder("artifacts/regression")
        .train(model, training, Loader::new(validation.clone(), BATCH, &device), |training| {
            training.metrics((LossMetric::new(),)).renderer(Box::new(PlainProgress::default()))
        });
    println!("{:?} after {} epochs", outcome.end?, outcome.history.last_epoch());
    let (epoch, best) = outcome.best.ok_or("no epoch was finished")?;
    let RegressionOutput { loss, targets, .. } = InferenceStep::step(&best, validation);
    let r2 = 1.0 - loss.into_scalar::<f64>() / targets.var_bias(0).into_scalar::<f64>();
    println!("R² of epoch {epoch} on rows that it was not trained on: {r2:.4}");
    Ok(())
}
