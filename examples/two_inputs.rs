//! A module with two inputs, an image with a bright spot and a direction: is the spot on that side of the middle?
//!
//! ```text
//! cargo run --example two_inputs          # 30 epochs; `-- 60` for more
//! ```
//!
//! After Ctrl-C, or asked for more epochs, it goes on from the last epoch in `artifacts/two_inputs/`, to the bit.

use burn::nn::{Linear, LinearConfig, loss::CrossEntropyLoss};
use burn::train::{ClassificationOutput, InferenceStep, TrainOutput, TrainStep, metric::AccuracyMetric};
use burn::{prelude::*, tensor::Distribution};
use burn_descent::optim::AdamConfig;
use burn_descent::train::{Criterion, Engine, GradientUpdate, Loader, PlainProgress, from_fn};

const SIDE: usize = 15;
const BATCH: usize = 64;

/// Images, `[batch, side, side]`, directions, `[batch, 2]`, and whether the spot is on that side.
#[derive(Clone)]
struct Scenes(Tensor<3>, Tensor<2>, Tensor<1, Int>);

#[derive(Module, Debug)]
struct Network {
    image: Linear,
    direction: Linear,
    answer: Linear,
}

impl InferenceStep for Network {
    type Input = Scenes;
    type Output = ClassificationOutput;

    fn step(&self, Scenes(images, directions, answers): Scenes) -> ClassificationOutput {
        let output = self.answer.forward(self.image.forward(images.flatten(1, 2)) * self.direction.forward(directions));
        let loss = CrossEntropyLoss::new(None, &output.device()).forward(output.clone(), answers.clone());
        ClassificationOutput::new(loss, output, answers)
    }
}

impl TrainStep for Network {
    type Input = Scenes;
    type Output = ClassificationOutput;

    fn step(&self, scenes: Scenes) -> TrainOutput<ClassificationOutput> {
        let output = InferenceStep::step(self, scenes);
        TrainOutput::new(self, output.loss.backward(), output)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let epochs = std::env::args().nth(1).map_or(Ok(30), |epochs| epochs.parse())?;
    let device = Device::default();
    device.seed(1);
    let loader = |count| {
        let spots = Tensor::<2, Int>::random([count, 2], Distribution::Uniform(0.0, SIDE as f64), &device);
        let [row, column] = [0, 1].map(|axis| spots.clone().one_hot::<3>(SIDE).float().narrow(1, axis, 1));
        let images = row.swap_dims(1, 2).matmul(column);
        let directions = Tensor::<2>::random([count, 2], Distribution::Normal(0.0, 1.0), &device);
        let sides = (spots - SIDE as i64 / 2).float() * directions.clone();
        let answers = sides.sum_dim(1).greater_elem(0).int().squeeze_dim::<1>(1);
        let source = from_fn(count, move |places, device| {
            Ok(Scenes(places.rows(&images, device), places.rows(&directions, device), places.rows(&answers, device)))
        });
        Loader::new(source, BATCH, &device).prefetch(2)
    };
    let layer = |inputs, outputs| LinearConfig::new(inputs, outputs).init(&device);
    let model = Network { image: layer(SIDE * SIDE, 16), direction: layer(2, 16), answer: layer(16, 2) };
    let outcome = Engine::new(GradientUpdate::new(AdamConfig::new().init()?), 2e-3)
        .with_epochs(epochs)
        .with_criterion(Criterion::highest("Accuracy"))
        .in_folder("artifacts/two_inputs")
        .train(model, loader(8000).shuffled(1), loader(2000), |training| {
            training.metrics((AccuracyMetric::new(),)).renderer(Box::new(PlainProgress::default()))
        });
    println!("{:?} after {} epochs", outcome.end?, outcome.history.last_epoch());
    let best = outcome.history.best(&Criterion::highest("Accuracy")).ok_or("no epoch was finished")?;
    println!("right answers to new questions after epoch {}: {:.2} %", best.epoch, best.validation["Accuracy"]);
    Ok(())
}
