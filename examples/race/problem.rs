//! What the optimizers are tried on.

use burn::tensor::Device;
use burn_descent::optim::NamedOptimizer;
use burn_descent::second_order::MinimizerConfig;
use burn_descent_lab::runs::{BatchMinimizer, RunConfig, RunData, TrainError, TrainingSession};
use serde::Serialize;

/// A model and data, the same for every optimizer.
pub trait Problem {
    /// A word for files.
    fn name(&self) -> &'static str;

    /// A line for readers.
    fn description(&self) -> String;

    /// Tells whether methods take part that have no rate.
    fn takes(&self, competitor: &Competitor) -> bool {
        matches!(competitor, Competitor::Optimizer(_))
    }

    /// Trains at a constant rate, if there is any. A training that diverges ends there.
    ///
    /// # Errors
    ///
    /// If a hyperparameter is out of range or the device fails.
    fn train(&self, competitor: &Competitor, lr: f64, seed: u64) -> Result<Outcome, TrainError>;
}

/// Who races.
pub enum Competitor {
    /// An optimizer, at some rate.
    Optimizer(NamedOptimizer),
    /// A second-order method, on large batches.
    Minimizer(BatchMinimizer),
}

impl Competitor {
    /// The one of that name.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn named(name: &str) -> Result<Self, TrainError> {
        match MinimizerConfig::named(name) {
            Ok(method) => Ok(Self::Minimizer(BatchMinimizer::new(method))),
            Err(_) => Ok(Self::Optimizer(NamedOptimizer::named(name)?)),
        }
    }

    /// The rate that suits it; none where it has none.
    pub fn rate(&self) -> Option<f64> {
        match self {
            Self::Optimizer(optimizer) => Some(optimizer.learning_rate()),
            Self::Minimizer(_) => None,
        }
    }

    /// `base` with it, at a rate, if it has one.
    pub fn run(&self, base: &RunConfig, lr: f64) -> RunConfig {
        match self {
            Self::Optimizer(optimizer) => RunConfig { optimizer: optimizer.clone(), lr, ..base.clone() },
            Self::Minimizer(minimizer) => {
                let batch_size = base.batch_size.max(LARGE_BATCH);
                RunConfig { batch_size, ..base.clone() }.with_minimizer(minimizer.clone())
            }
        }
    }
}

/// Images of an iteration of a second-order method.
pub const LARGE_BATCH: usize = 10_000;

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
            "{} ({}), {model:?}, {images} images, batches of {batch_size} (of second-order methods {LARGE_BATCH}, some \
             iterations on each), {epochs} epochs",
            self.data.kind, self.data.origin
        )
    }

    fn takes(&self, _competitor: &Competitor) -> bool {
        true
    }

    fn train(&self, competitor: &Competitor, lr: f64, seed: u64) -> Result<Outcome, TrainError> {
        let config = competitor.run(&self.config, lr).with_seed(seed);
        let every = (self.every * self.config.batch_size / config.batch_size).max(1);
        let mut session = TrainingSession::new(&config, &self.data, &self.device)?;
        let (mut curve, mut seconds) = (Vec::new(), 0.0);
        while let Some(progress) = session.train(every)? {
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
