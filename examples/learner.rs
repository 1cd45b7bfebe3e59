//! Burn's own loop with an optimizer, a wrapper and a schedule of this crate's: a perceptron tells two spirals apart.
//!
//! ```text
//! cargo run --example learner          # 60 epochs; `-- 120` for more
//! ```
//!
//! After Ctrl-C, or asked for more epochs, it goes on from the last epoch in `artifacts/learner/`.

use burn::nn::{Linear, LinearConfig, loss::CrossEntropyLoss};
use burn::train::{ClassificationOutput, InferenceStep, Learner, SupervisedTraining, TrainOutput, TrainStep};
use burn::{prelude::*, tensor::Distribution, tensor::activation::relu, train::metric::LossMetric};
use burn_descent::train::{CheckedCheckpointer, Loader, PlainProgress};
use burn_descent::{optim::NadamConfig, schedule::Schedule, weights::LookaheadConfig};
use std::{f64::consts::PI, sync::Arc};

const FOLDER: &str = "artifacts/learner";
const BATCH: usize = 50;

#[derive(Module, Debug)]
struct Perceptron {
    hidden: [Linear; 2],
    output: Linear,
}

impl InferenceStep for Perceptron {
    type Input = (Tensor<2>, Tensor<1, Int>);
    type Output = ClassificationOutput;

    fn step(&self, (points, spirals): Self::Input) -> ClassificationOutput {
        let output = self.output.forward(self.hidden.iter().fold(points, |x, layer| relu(layer.forward(x))));
        let loss = CrossEntropyLoss::new(None, &output.device()).forward(output.clone(), spirals.clone());
        ClassificationOutput::new(loss, output, spirals)
    }
}

impl TrainStep for Perceptron {
    type Input = (Tensor<2>, Tensor<1, Int>);
    type Output = ClassificationOutput;

    fn step(&self, batch: Self::Input) -> TrainOutput<ClassificationOutput> {
        let output = InferenceStep::step(self, batch);
        TrainOutput::new(self, output.loss.backward(), output)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let epochs = std::env::args().nth(1).map_or(Ok(60), |epochs| epochs.parse())?;
    let device = Device::default().autodiff();
    device.seed(1);
    let draw = |count| {
        let spirals = Tensor::<1, Int>::random([count], Distribution::Uniform(0.0, 2.0), &device);
        let radius = Tensor::<1>::random([count], Distribution::Uniform(0.1, 1.0), &device);
        let angle = radius.clone() * 9.0 + spirals.clone().float() * PI;
        let points = Tensor::stack::<2>(vec![angle.clone().cos(), angle.sin()], 1) * radius.unsqueeze_dim(1);
        (points.random_like(Distribution::Normal(0.0, 0.02)) + points, spirals)
    };
    let layer = |inputs, outputs| LinearConfig::new(inputs, outputs).init(&device);
    let model = Perceptron { hidden: [layer(2, 32), layer(32, 32)], output: layer(32, 2) };
    let records = ["model", "optim", "scheduler"].map(|name| CheckedCheckpointer::new(FOLDER, name));
    let last = (1..=epochs).rev().find(|&epoch| records.iter().all(|record| record.is_written(epoch)));
    let [models, optimizers, schedules] = records;
    let training = Loader::new(draw(2000), BATCH, &device).shuffled(1).starting_at(last.map_or(1, |last| last + 1));
    let schedule = Schedule::Cosine { minimum: 0.1, over: None }.scheduler(1e-2, training.run_length(epochs))?;
    let optimizer = LookaheadConfig::new().wrap(NadamConfig::new().build()?)?;
    let mut run = SupervisedTraining::new(FOLDER, Arc::new(training), Arc::new(Loader::new(draw(500), BATCH, &device)))
        .metrics((LossMetric::new(),))
        .renderer(Box::new(PlainProgress::default()))
        .with_custom_checkpointers(models, optimizers, schedules)
        .num_epochs(epochs);
    if let Some(last) = last {
        run = run.checkpoint(last);
    }
    let result = run.launch(Learner::new(model, optimizer.into(), schedule));
    result.error.map_or(Ok(()), Err)?;
    let ClassificationOutput { output, targets, .. } = InferenceStep::step(&result.model, draw(1000));
    let right = output.argmax(1).flatten::<1>(0, 1).equal(targets).float().mean().into_scalar::<f64>();
    println!("tells {:.1} % of new points apart", 100.0 * right);
    Ok(())
}
