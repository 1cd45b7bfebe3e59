//! What the optimizers are tried on.

use burn::tensor::Device;
use burn_descent::optim::NamedOptimizer;
use burn_descent_lab::runs::{RunConfig, RunData, TrainError, TrainingSession};
use serde::Serialize;

/// A model and data, the same for every optimizer.
pub trait Problem {
    /// A word for files.
    fn name(&self) -> &'static str;

    /// A line for readers.
    fn description(&self) -> String;

    /// Trains at a constant rate. A training that diverges ends there.
    ///
    /// # Errors
    ///
    /// If a hyperparameter is out of range or the device fails.
    fn train(&self, optimizer: &NamedOptimizer, lr: f64, seed: u64) -> Result<Outcome, TrainError>;
}

/// What a training has led to.
#[derive(Clone, Serialize)]
pub struct Outcome {
    /// What was seen on the way, the last at the end.
    pub curve: Vec<Point>,
    /// Share of the test data classified rightly at the end.
    pub test_accuracy: f64,
    /// Seconds of training passes.
    pub seconds: f64,
}

/// The validation data at a step.
#[derive(Clone, Copy, Serialize)]
pub struct Point {
    /// Epochs that are over, with their fraction.
    pub epoch: f64,
    /// Mean negative log-likelihood.
    pub loss: f64,
    /// Share classified rightly.
    pub accuracy: f64,
}

impl Outcome {
    /// The validation loss at the end; infinite if the training diverged.
    pub fn loss(&self) -> f64 {
        self.curve.last().map(|point| point.loss).filter(|loss| loss.is_finite()).unwrap_or(f64::INFINITY)
    }

    /// The validation accuracy at the end.
    pub fn accuracy(&self) -> f64 {
        self.curve.last().map_or(0.0, |point| point.accuracy)
    }
}

/// Images and a network.
pub struct Images {
    pub config: RunConfig,
    pub data: RunData,
    pub device: Device,
    /// Steps between two looks at the validation images.
    pub every: usize,
}

impl Problem for Images {
    fn name(&self) -> &'static str {
        self.data.kind.name()
    }

    fn description(&self) -> String {
        let RunConfig { model, batch_size, epochs, .. } = &self.config;
        let images = self.data.train_indices.len();
        format!(
            "{} ({}), {model:?}, {images} images, batches of {batch_size}, {epochs} epochs",
            self.data.kind, self.data.origin
        )
    }

    fn train(&self, optimizer: &NamedOptimizer, lr: f64, seed: u64) -> Result<Outcome, TrainError> {
        let config = RunConfig { optimizer: optimizer.clone(), lr, ..self.config.clone() }.with_seed(seed);
        let mut session = TrainingSession::new(&config, &self.data, &self.device)?;
        let (mut curve, mut seconds) = (Vec::new(), 0.0);
        while let Some(progress) = session.train(self.every)? {
            let seen = session.validate()?;
            let epoch = progress.images as f64 / self.data.train_indices.len() as f64;
            curve.push(Point { epoch, loss: seen.loss, accuracy: seen.accuracy });
            seconds = progress.seconds;
            if !seen.loss.is_finite() {
                break;
            }
        }
        Ok(Outcome { curve, test_accuracy: session.test()?.accuracy, seconds })
    }
}
