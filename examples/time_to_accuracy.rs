//! How fast a network gets to 98 % and 99 % of MNIST's test set: the counterpart of `benches/mnist_pytorch.py`.
//!
//! ```text
//! cargo run --release --example time_to_accuracy -- --data DIR --epochs 3 --every 100
//! ```
//!
//! The network and settings are those of the `mnist` example, on all training images. The test set is looked at all
//! along, so this measures speed; for results, train with the `mnist` example, which holds out validation images.
//! Seconds count training only: evaluation stops the clock.

mod support;

use burn_descent::optim::NamedOptimizer;
use burn_descent_lab::runs::{Backend, RunConfig, RunData, SessionProgress, TrainError, TrainingSession};
use clap::Parser;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;
use support::{exit, source, write_json};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const TARGETS: [f64; 2] = [0.98, 0.99];

/// Time the default network against its test accuracy.
#[derive(Parser)]
#[command(allow_negative_numbers = true)]
struct Arguments {
    /// Folder with MNIST's IDX files [default: MNIST_DIR, else the user's cache folder, else a download].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Passes over the training images.
    #[arg(long, default_value_t = RunConfig::default().epochs)]
    epochs: usize,
    /// Evaluate this often as well as after each epoch; 0 for never.
    #[arg(long, value_name = "ITERATIONS", default_value_t = 0)]
    every: usize,
    /// End early, to try the program; the schedule is that of the whole run.
    #[arg(long, value_name = "ITERATIONS")]
    stop_after: Option<usize>,
    /// auto, flex, ndarray, wgpu or cuda.
    #[arg(long, default_value_t = Backend::Auto)]
    backend: Backend,
    /// The optimizer's name.
    #[arg(long)]
    optimizer: Option<String>,
    /// Learning rate [default: the optimizer's].
    #[arg(long)]
    lr: Option<f64>,
    /// Images in a step.
    #[arg(long, default_value_t = RunConfig::default().batch_size)]
    batch_size: usize,
    /// Seed of everything random.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Also write the result here.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl Arguments {
    fn config(&self) -> Result<RunConfig, TrainError> {
        let mut config = RunConfig {
            epochs: self.epochs,
            batch_size: self.batch_size,
            seed: self.seed,
            backend: self.backend,
            ..RunConfig::default()
        };
        if let Some(name) = &self.optimizer {
            config.optimizer = NamedOptimizer::named(name)?;
            config.lr = config.optimizer.learning_rate();
        }
        config.lr = self.lr.unwrap_or(config.lr);
        config.check()?;
        Ok(config)
    }
}

/// What training has led to.
#[derive(Default)]
struct Record {
    last: SessionProgress,
    reached: [Option<f64>; TARGETS.len()],
    curve: Vec<serde_json::Value>,
}

impl Record {
    fn images_per_second(&self) -> f64 {
        self.last.images as f64 / self.last.seconds
    }

    fn note(&mut self, progress: SessionProgress, accuracy: f64) {
        self.last = progress;
        let SessionProgress { epoch, step, .. } = progress;
        let seconds = milliseconds(progress.seconds);
        for (reached, target) in self.reached.iter_mut().zip(TARGETS) {
            if accuracy >= target {
                reached.get_or_insert(seconds);
            }
        }
        self.curve.push(json!({"epoch": epoch, "iteration": step, "seconds": seconds, "accuracy": accuracy}));
        println!(
            "epoch {epoch:2}  iteration {step:6}  {seconds:8.2} s  {:6.0} images/s  accuracy {:.2} %",
            self.images_per_second(),
            100.0 * accuracy
        );
    }
}

/// Rounded to milliseconds.
fn milliseconds(seconds: f64) -> f64 {
    (seconds * 1e3).round() / 1e3
}

fn run(arguments: &Arguments) -> Result<(), TrainError> {
    let config = arguments.config()?;
    let source = source(arguments.data.as_ref());
    let (backend, device) = config.backend.device()?;
    let mut data = RunData::load(&config, &source, true)?;
    for notice in &data.notices {
        eprintln!("{notice}");
    }
    data.train_indices = (0..data.train.len()).collect();
    let mut session = TrainingSession::new(&config, &data, &device)?;
    let mut record = Record::default();
    let end = arguments.stop_after.unwrap_or(usize::MAX);
    while record.last.step < end {
        let due = match arguments.every {
            0 => end,
            every => every - record.last.step % every,
        };
        let Some(progress) = session.train(due.min(end - record.last.step))? else { break };
        record.note(progress, session.test()?.accuracy);
    }

    let result = json!({
        "burn_descent": env!("CARGO_PKG_VERSION"),
        "backend": backend.to_string(),
        "threads": std::thread::available_parallelism().map_or(1, usize::from),
        "optimizer": config.optimizer.name(),
        "lr": config.lr,
        "batch": config.batch_size,
        "seed": config.seed,
        "images_per_second": (record.images_per_second() * 10.0).round() / 10.0,
        "seconds_to_98": record.reached[0],
        "seconds_to_99": record.reached[1],
        "curve": record.curve,
    });
    println!("{result:#}");
    if let Some(path) = &arguments.json {
        write_json(path, &result)?;
    }
    Ok(())
}

fn main() -> ExitCode {
    exit(run(&Arguments::parse()))
}
