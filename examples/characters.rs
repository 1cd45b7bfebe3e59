//! A language model of characters: Burn's `Lstm` learns to write from a text of sums, such as `3+4=7`.
//!
//! ```text
//! cargo run --example characters          # 12 epochs; `-- 24` for more
//! ```
//!
//! After Ctrl-C, or asked for more epochs, it goes on from the last 50 steps in `artifacts/characters/`, to the bit.

use burn::nn::{Linear, LinearConfig, Lstm, LstmConfig, loss::CrossEntropyLoss};
use burn::prelude::*;
use burn::train::{ClassificationOutput, InferenceStep, TrainOutput, TrainStep, metric::LossMetric};
use burn_descent::train::{CheckpointPolicy, Engine, GradientUpdate, Loader, PlainProgress};
use burn_descent::{optim::NadamConfig, sample::derived_seed};

const ASCII: usize = 128;
const WINDOW: usize = 12;
const BATCH: usize = 32;
const TRAINING: usize = 2000;

#[derive(Module, Debug)]
struct Writer {
    lstm: Lstm,
    output: Linear,
}

impl InferenceStep for Writer {
    type Input = (Tensor<2, Int>, Tensor<2, Int>);
    type Output = ClassificationOutput;

    fn step(&self, (text, targets): Self::Input) -> ClassificationOutput {
        let (states, _) = self.lstm.forward(text.one_hot(ASCII).float(), None);
        let (logits, targets) = (self.output.forward(states).flatten::<2>(0, 1), targets.flatten::<1>(0, 1));
        let loss = CrossEntropyLoss::new(None, &logits.device()).forward(logits.clone(), targets.clone());
        ClassificationOutput::new(loss, logits, targets)
    }
}

impl TrainStep for Writer {
    type Input = (Tensor<2, Int>, Tensor<2, Int>);
    type Output = ClassificationOutput;

    fn step(&self, windows: Self::Input) -> TrainOutput<ClassificationOutput> {
        let output = InferenceStep::step(self, windows);
        TrainOutput::new(self, output.loss.backward(), output)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let epochs = std::env::args().nth(1).map_or(Ok(12), |epochs| epochs.parse())?;
    let device = Device::default();
    device.seed(1);
    let sums = (0..5000).map(|sum| derived_seed(1, 0, sum)).map(|drawn| (drawn % 6, drawn / 6 % 6));
    let text: String = sums.map(|(a, b)| format!("{a}+{b}={} ", a + b)).collect();
    let codes = Tensor::<1, Int>::from_data(text.as_bytes(), &device);
    let rows = |first: usize, count: usize| codes.clone().narrow(0, first, count * WINDOW).reshape([count, WINDOW]);
    let training = Loader::new((rows(0, TRAINING), rows(1, TRAINING)), BATCH, &device).shuffled(1);
    let validation = Loader::new((rows(TRAINING * WINDOW, 200), rows(TRAINING * WINDOW + 1, 200)), BATCH, &device);
    let (lstm, output) = (LstmConfig::new(ASCII, 64, true), LinearConfig::new(64, ASCII));
    let model = Writer { lstm: lstm.init(&device), output: output.init(&device) };
    let write = |writer: &Writer, mut text: String| {
        while text.len() < WINDOW {
            let codes = Tensor::<1, Int>::from_data(text.as_bytes(), &device).unsqueeze::<2>();
            let likeliest = InferenceStep::step(writer, (codes.clone(), codes)).output.argmax(1);
            text.push(likeliest.slice(-1).into_scalar::<u8>() as char);
        }
        text
    };
    println!("before: {:?}", ["3+4=", "5+5="].map(|start| write(&model, start.to_owned())));
    let outcome = Engine::new(GradientUpdate::new(NadamConfig::new().init()?), 3e-2)
        .with_epochs(epochs)
        .with_checkpoints(CheckpointPolicy { every_steps: Some(50), ..CheckpointPolicy::default() })
        .in_folder("artifacts/characters")
        .train(model, training, validation, |training| {
            training.metrics((LossMetric::new(),)).renderer(Box::new(PlainProgress::default()))
        });
    let (end, (epoch, best)) = (outcome.end?, outcome.best.ok_or("no epoch was finished")?);
    println!("{end:?}, best epoch {epoch}: {:?}", ["3+4=", "5+5="].map(|start| write(&best, start.to_owned())));
    Ok(())
}
