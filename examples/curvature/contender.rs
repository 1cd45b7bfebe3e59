//! Who learns it: a method, and how much it is shown at once.

use super::task::{Perceptron, Task};
use burn::optim::GradientsParams;
use burn_descent::optim::NamedOptimizer;
use burn_descent::second_order::{Counts, MinimizerConfig, ModuleObjective, StoppingConfig};
use burn_descent_lab::runs::TrainError;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde::Serialize;
use std::time::{Duration, Instant};

/// A method and the images that it is shown at once.
pub enum Contender {
    FirstOrder {
        optimizer: &'static str,
        batch: usize,
    },
    SecondOrder {
        method: &'static str,
        settings: &'static [&'static str],
        batch: Option<usize>,
        iterations: usize,
        curvature: usize,
    },
}

/// What was seen on the way.
#[derive(Clone, Copy, Serialize)]
pub struct Seen {
    /// Of training alone.
    pub seconds: f64,
    /// Gradients of all images that the work comes to.
    pub passes: f64,
    /// On all training images.
    pub loss: f64,
}

/// What a training came to.
#[derive(Serialize)]
pub struct Outcome {
    pub curve: Vec<Seen>,
    pub test: f64,
}

impl Outcome {
    /// The loss at the end, infinite if it is not finite.
    pub fn loss(&self) -> f64 {
        self.curve.last().map(|seen| seen.loss).filter(|loss| loss.is_finite()).unwrap_or(f64::INFINITY)
    }

    pub fn passes(&self) -> f64 {
        self.curve.last().map_or(0.0, |seen| seen.passes)
    }

    /// The last loss that was seen before so many seconds or passes.
    pub fn loss_at(&self, of: impl Fn(&Seen) -> f64, most: f64) -> f64 {
        let before = self.curve.iter().take_while(|seen| of(seen) <= most).last();
        before.map_or(f64::NAN, |seen| seen.loss)
    }
}

/// Everybody; for the deep network, those that had a chance.
pub fn all(is_deep: bool) -> Vec<Contender> {
    let second = |method, settings, batch, iterations, curvature| Contender::SecondOrder {
        method,
        settings,
        batch,
        iterations,
        curvature,
    };
    let mut all = vec![
        Contender::FirstOrder { optimizer: "adam", batch: 100 },
        Contender::FirstOrder { optimizer: "nadam", batch: 100 },
        Contender::FirstOrder { optimizer: "nesterov", batch: 100 },
        Contender::FirstOrder { optimizer: "adam", batch: usize::MAX },
        second("lbfgs", &["history=20"], None, 10, 0),
        second("lbfgs", &["history=20"], Some(5000), 5, 0),
        second("hessian-free", &[], None, 1, 1000),
    ];
    if !is_deep {
        all.push(second("conjugate-gradients", &[], None, 10, 0));
        all.push(second("truncated-newton", &[], None, 1, 0));
    }
    all
}

/// Times that a training is looked at.
const LOOKS: f64 = 40.0;

impl Contender {
    pub fn name(&self) -> String {
        let shown = |batch: usize| if batch == usize::MAX { "whole".to_owned() } else { batch.to_string() };
        match self {
            Self::FirstOrder { optimizer, batch } => format!("{optimizer}, {}", shown(*batch)),
            Self::SecondOrder { method, batch, .. } => format!("{method}, {}", shown(batch.unwrap_or(usize::MAX))),
        }
    }

    /// The rates to try, none where it has none.
    pub fn rates(&self, grid: &[f64]) -> Vec<f64> {
        match self {
            Self::FirstOrder { optimizer, .. } => {
                let usual = NamedOptimizer::named(optimizer).map_or(1.0, |optimizer| optimizer.learning_rate());
                grid.iter().map(|factor| factor * usual).collect()
            }
            Self::SecondOrder { .. } => Vec::new(),
        }
    }

    /// Trains for so many seconds.
    pub fn train(&self, task: &Task, rate: Option<f64>, seconds: f64, seed: u64) -> Result<Outcome, TrainError> {
        let mut watch = Watch { task, most: seconds, spent: Duration::ZERO, next: 0.0, curve: Vec::new() };
        let network = task.network(seed);
        let network = match self {
            Self::FirstOrder { optimizer, batch } => {
                let optimizer = NamedOptimizer::named(optimizer)?;
                descend(&optimizer, rate.unwrap_or(optimizer.learning_rate()), *batch, network, seed, &mut watch)?
            }
            Self::SecondOrder { method, settings, batch, iterations, curvature } => {
                let named = MinimizerConfig::named(method)?;
                let method = settings.iter().try_fold(named, |method, setting| method.with(setting))?;
                minimize(&method, [batch.unwrap_or(usize::MAX), *iterations, *curvature], network, seed, &mut watch)?
            }
        };
        Ok(Outcome { test: task.test(&network), curve: watch.curve })
    }
}

/// Measures the time of training, and looks at the loss now and then, for which the clock stands still.
struct Watch<'a> {
    task: &'a Task,
    most: f64,
    spent: Duration,
    next: f64,
    curve: Vec<Seen>,
}

impl Watch<'_> {
    /// Takes note of what was done since `since`; false where the time is over, or the loss not finite.
    fn note(&mut self, since: Instant, passes: f64, network: impl FnOnce() -> Perceptron) -> bool {
        self.spent += since.elapsed();
        let seconds = self.spent.as_secs_f64();
        let is_over = seconds >= self.most;
        if seconds >= self.next || is_over {
            let loss = self.task.training_loss(&network());
            self.curve.push(Seen { seconds, passes, loss });
            // Closely at first, where most happens.
            self.next = (seconds * 1.1).max(seconds + self.most / (4.0 * LOOKS)).min(seconds + self.most / LOOKS * 2.0);
            return !is_over && loss.is_finite();
        }
        true
    }
}

fn order(images: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut order: Vec<usize> = (0..images).collect();
    order.shuffle(rng);
    order
}

fn descend(
    optimizer: &NamedOptimizer,
    rate: f64,
    batch: usize,
    mut network: Perceptron,
    seed: u64,
    watch: &mut Watch,
) -> Result<Perceptron, TrainError> {
    let task = watch.task;
    let images = task.images();
    let mut optimizer = optimizer.init()?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut seen = 0;
    loop {
        let order = order(images, &mut rng);
        for places in order.chunks(batch.min(images)) {
            let since = Instant::now();
            let (inputs, targets) = task.batch(places);
            let loss = task.loss_of(network.forward(inputs), targets);
            let gradients = GradientsParams::from_grads(loss.backward(), &network);
            network = optimizer.step(rate, network, gradients);
            seen += places.len();
            if !watch.note(since, seen as f64 / images as f64, || network.clone()) {
                return Ok(network);
            }
        }
    }
}

/// The work, in gradients of a batch: a product with the Hessian is two of them, one with the Gauss–Newton matrix five thirds,
/// of a share of the batch.
fn work(method: &MinimizerConfig, counts: Counts, share: f64) -> f64 {
    let product = match method {
        MinimizerConfig::HessianFree(_) => 5.0 / 3.0 * share,
        _ => 2.0,
    };
    counts.gradients as f64 + counts.values as f64 / 3.0 + counts.products as f64 * product
}

fn minimize(
    method: &MinimizerConfig,
    [batch, iterations, curvature]: [usize; 3],
    mut network: Perceptron,
    seed: u64,
    watch: &mut Watch,
) -> Result<Perceptron, TrainError> {
    let task = watch.task;
    let images = task.images();
    let batch = batch.min(images);
    let curvature = if curvature == 0 { batch } else { curvature.min(batch) };
    let failed = |error: burn_descent::second_order::MatrixTooLarge| TrainError::Stopped(error.to_string());
    let stopping =
        StoppingConfig::new().with_max_iterations(Some(iterations)).with_relative_gradient(0.0).with_gradient(0.0);
    let mut minimizer = method.init()?.with_stopping(stopping)?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut passes = 0.0;
    loop {
        let order = order(images, &mut rng);
        for places in order.chunks_exact(batch) {
            let since = Instant::now();
            let (inputs, targets) = task.batch(places);
            // Others at each step, as many as it may cost.
            let first = rng.random_range(0..=batch - curvature);
            let some = inputs.clone().narrow(0, first, curvature);
            let loss = |network: &Perceptron| task.loss_of(network.forward(inputs.clone()), targets.clone());
            let outputs = |network: &Perceptron| network.forward(some.clone());
            let mut objective = ModuleObjective::new(network, loss).with_gauss_newton(outputs, task.loss);
            let theta = objective.start();
            let report = minimizer.continue_from(&mut objective, theta).map_err(failed)?;
            network = objective.module_at(&report.theta);
            passes += work(method, report.counts, curvature as f64 / batch as f64) * batch as f64 / images as f64;
            if !watch.note(since, passes, || network.clone()) {
                return Ok(network);
            }
        }
    }
}
