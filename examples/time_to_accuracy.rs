//! How fast a network gets to 98 % and 99 % of MNIST's test set: the counterpart of `benches/mnist_pytorch.py`.
//!
//! ```text
//! cargo run --release --example time_to_accuracy -- --data DIR --epochs 3 --every 100
//! ```
//!
//! The network and settings are those of the `mnist` example, on all training images. The test set is looked at all
//! along, so this measures speed; for results, train with the `mnist` example, which holds out validation images.
//! Seconds count training only: evaluation stops the clock.

use burn::lr_scheduler::LrScheduler;
use burn::module::Module;
use burn::optim::GradientsParams;
use burn_descent::data::DataSource;
use burn_descent::model::cross_entropy;
use burn_descent::schedule::RunLength;
use burn_descent::train::{
    Backend, CLASSES, Classifier, Evaluation, ImageLoader, OptimizerKind, RunConfig, RunData, StopSignal, Stopwatch,
    TrainError, predict,
};
use clap::Parser;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Images in an evaluation step.
const EVALUATION_BATCH: usize = 1000;
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
            config.optimizer = OptimizerKind::named(name)?;
            config.lr = config.optimizer.default_learning_rate();
        }
        config.lr = self.lr.unwrap_or(config.lr);
        config.check()?;
        Ok(config)
    }
}

/// Training time and what it has led to.
#[derive(Default)]
struct Clock {
    time: Duration,
    images: usize,
    iteration: usize,
    reached: [Option<f64>; TARGETS.len()],
    curve: Vec<serde_json::Value>,
}

impl Clock {
    fn seconds(&self) -> f64 {
        milliseconds(self.time.as_secs_f64())
    }

    fn images_per_second(&self) -> f64 {
        self.images as f64 / self.time.as_secs_f64()
    }

    fn note(&mut self, epoch: usize, accuracy: f64) {
        let (seconds, iteration) = (self.seconds(), self.iteration);
        for (reached, target) in self.reached.iter_mut().zip(TARGETS) {
            if accuracy >= target {
                reached.get_or_insert(seconds);
            }
        }
        self.curve.push(json!({"epoch": epoch, "iteration": iteration, "seconds": seconds, "accuracy": accuracy}));
        println!(
            "epoch {epoch:2}  iteration {iteration:6}  {seconds:8.2} s  {:6.0} images/s  accuracy {:.2} %",
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
    let source = arguments.data.iter().fold(DataSource::new().progress(true), |source, folder| source.folder(folder));
    let (backend, device) = config.backend.device()?;
    let data = RunData::load(&config, &source, true)?;
    if let Some(notice) = &data.notice {
        eprintln!("{notice}");
    }
    let all = |images: usize| (0..images).collect::<Vec<_>>();
    let loader = ImageLoader::new(
        Arc::clone(&data.train),
        all(data.train.len()),
        config.batch_size,
        data.normalization,
        &device.clone().autodiff(),
    )
    .for_training(config.seed, config.augment, 1, StopSignal::default(), Stopwatch::default());
    let test =
        ImageLoader::new(Arc::clone(&data.test), all(data.test.len()), EVALUATION_BATCH, data.normalization, &device);

    let training = device.clone().autodiff();
    training.seed(config.seed);
    let mut model = Classifier::new(&config.model, config.label_smoothing, data.image(), CLASSES, &training)?;
    let mut optimizer = config.optimizer.init()?;
    let length = RunLength { epochs: config.epochs, steps_per_epoch: loader.batches() as u64 };
    let mut schedule = config.schedule.scheduler(config.lr, length)?;
    let mut clock = Clock::default();

    'run: for epoch in 1..=config.epochs {
        let mut start = Instant::now();
        for (number, batch) in loader.epoch().flatten().enumerate() {
            let images = batch.targets.dims()[0];
            let loss = cross_entropy(model.forward(batch.images), batch.targets, config.label_smoothing);
            let gradients = GradientsParams::from_grads(loss.backward(), &model);
            model = optimizer.step(schedule.step(), model, gradients);
            clock.iteration += 1;
            clock.images += images;
            let stop = arguments.stop_after == Some(clock.iteration);
            let due = arguments.every > 0 && clock.iteration.is_multiple_of(arguments.every);
            if due || stop || number + 1 == loader.batches() {
                // Devices may be behind: the last step is over when this returns.
                device.sync().map_err(|error| TrainError::Stopped(error.to_string()))?;
                clock.time += start.elapsed();
                let probabilities = predict(&model.valid(), &test);
                clock.note(epoch, Evaluation::new(&probabilities, data.test.labels()).accuracy);
                start = Instant::now();
            }
            if stop {
                break 'run;
            }
        }
    }

    let result = json!({
        "burn_descent": env!("CARGO_PKG_VERSION"),
        "backend": backend.to_string(),
        "threads": std::thread::available_parallelism().map_or(1, usize::from),
        "optimizer": config.optimizer.name(),
        "lr": config.lr,
        "batch": config.batch_size,
        "seed": config.seed,
        "images_per_second": (clock.images_per_second() * 10.0).round() / 10.0,
        "seconds_to_98": clock.reached[0],
        "seconds_to_99": clock.reached[1],
        "curve": clock.curve,
    });
    println!("{result:#}");
    if let Some(path) = &arguments.json {
        std::fs::write(path, format!("{result:#}\n")).map_err(|source| TrainError::Io {
            action: "write",
            path: path.clone(),
            source,
        })?;
    }
    Ok(())
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}
