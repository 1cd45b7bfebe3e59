//! Two tasks, one network: which digit an image shows, and by how many degrees it was rotated. Each task alone, fixed weights of
//! the two losses, and weights that are learned as uncertainties (Kendall, Gal & Cipolla 2018), over several seeds.
//!
//! ```text
//! cargo run --example multitask
//! cargo run --example multitask -- --dataset fashion --weights 0.01,1,100 --seeds 3
//! ```
//!
//! Both labels are real: the class is the data set's, the angle is drawn for each image, afresh in each epoch, and known. Test
//! images are rotated too, in every run alike. Leaves a report and the numbers under `artifacts/multitask/`.

mod support;

use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::module::{Module, ParamGroup};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor, TensorData};
use burn::train::{InferenceStep, RegressionOutput, TrainOutput, TrainStep};
use burn_descent::augment::rotate;
use burn_descent::multitask::{Task, TaskWeights, TaskWeightsConfig, UncertaintyConfig};
use burn_descent::nn::{LabelSmoothing, cross_entropy};
use burn_descent::optim::NadamConfig;
use burn_descent::train::{Batches, GradientUpdate, TrainingState};
use burn_descent_lab::networks::{Cnn, CnnConfig};
use burn_descent_lab::runs::{
    Backend, DatasetKind, ImageBatch, ImageLoader, ImageSource, Normalization, RunConfig, RunData, Split, TrainError,
};
use clap::Parser;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;
use support::{Spread, exit, source, table, write, write_json};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Compare weights of two tasks that share a network.
#[derive(Parser)]
#[command(name = "multitask", allow_negative_numbers = true)]
struct Arguments {
    /// Fixed weights of the angle's loss, where that of the class has the weight 1.
    #[arg(long, value_name = "WEIGHTS", value_delimiter = ',', default_values_t = [0.1, 1.0, 10.0])]
    weights: Vec<f64>,
    /// Images are rotated by up to so many degrees to either side.
    #[arg(long, value_name = "DEGREES", default_value_t = 45.0)]
    rotation: f64,
    /// Learning rate of the uncertainties, as a multiple of the network's.
    #[arg(long, value_name = "FACTOR", default_value_t = 10.0)]
    uncertainty_rate: f64,
    /// Seeds for each row.
    #[arg(long, default_value_t = 5)]
    seeds: u64,
    /// Passes over the training images.
    #[arg(long, default_value_t = 6)]
    epochs: usize,
    /// Train on so many images.
    #[arg(long, value_name = "N", default_value_t = 5000)]
    train_images: usize,
    /// mnist, fashion or synthetic.
    #[arg(long, default_value_t = DatasetKind::Mnist)]
    dataset: DatasetKind,
    /// Folder with the data set's IDX files [default: as the mnist example finds them].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Folder for the results.
    #[arg(long, value_name = "DIR", default_value = "artifacts/multitask")]
    artifacts: PathBuf,
    /// auto, flex, ndarray, wgpu or cuda.
    #[arg(long, default_value_t = Backend::Auto)]
    backend: Backend,
}

/// Outputs of the trunk, which both heads read.
const FEATURES: usize = 64;
/// The seed of the test images' angles; seeds of runs count from 1.
const TEST_ANGLES: u64 = 0;
const TEST_BATCH: usize = 1000;

/// A trunk, two heads, and the weights of their losses.
#[derive(Module, Debug)]
struct Network {
    trunk: Cnn,
    class: Linear,
    angle: Linear,
    task_weights: TaskWeights,
    /// What the loss of the angle, in units of its variance, is multiplied by.
    #[module(skip)]
    angle_scale: f64,
}

impl Network {
    fn new(
        image: [usize; 3],
        classes: usize,
        weights: &TaskWeightsConfig,
        angle_scale: f64,
        device: &Device,
    ) -> Result<Self, TrainError> {
        let head = |outputs| LinearConfig::new(FEATURES, outputs).init(device);
        Ok(Self {
            trunk: CnnConfig::new().with_channels(vec![8, 16, 32]).init(image, FEATURES, device)?,
            class: head(classes),
            angle: head(1),
            task_weights: weights.init(device)?,
            angle_scale,
        })
    }

    /// The logits of the classes, `[batch, classes]`, and the angles in units of their deviation, `[batch, 1]`.
    fn forward(&self, images: Tensor<4>) -> (Tensor<2>, Tensor<2>) {
        let shared = relu(self.trunk.forward(images));
        (self.class.forward(shared.clone()), self.angle.forward(shared))
    }

    /// The weighed sum of both losses, and the angles.
    fn output(&self, batch: Labelled) -> RegressionOutput {
        let Labelled { images, classes, angles } = batch;
        let (logits, found) = self.forward(images);
        let class_loss = cross_entropy(logits, classes, LabelSmoothing::None);
        let angle_loss = (found.clone() - angles.clone()).square().mean() * self.angle_scale;
        let loss = self.task_weights.forward([class_loss, angle_loss]).expect("as many losses as tasks");
        RegressionOutput::new(loss, found, angles)
    }
}

impl TrainStep for Network {
    type Input = Labelled;
    type Output = RegressionOutput;

    fn step(&self, batch: Labelled) -> TrainOutput<RegressionOutput> {
        let output = self.output(batch);
        TrainOutput::new(self, output.loss.backward(), output)
    }
}

impl InferenceStep for Network {
    type Input = Labelled;
    type Output = RegressionOutput;

    fn step(&self, batch: Labelled) -> RegressionOutput {
        self.output(batch)
    }
}

/// Some images as the network sees them, and both of their labels.
#[derive(Clone)]
struct Labelled {
    images: Tensor<4>,
    classes: Tensor<1, Int>,
    /// In units of their deviation, `[batch, 1]`.
    angles: Tensor<2>,
}

/// The images of a run, and the angles that they are rotated by.
struct Bench<'a> {
    data: &'a RunData,
    config: &'a RunConfig,
    rotation: f64,
    uncertainty_rate: f64,
    device: Device,
}

impl Bench<'_> {
    /// The deviation of the angles in degrees.
    fn deviation(&self) -> f64 {
        self.rotation / 3.0_f64.sqrt()
    }

    fn loader(&self, indices: Vec<usize>, test: bool, device: &Device) -> ImageLoader {
        let images = if test { &self.data.test } else { &self.data.train };
        let batch_size = if test { TEST_BATCH } else { self.config.batch_size };
        // In [0, 1]: outside of an image it is black.
        let plain = Normalization::identity(1);
        ImageSource::new(images.clone(), indices, plain).loader(batch_size, device)
    }

    /// The batches of an epoch, each image rotated by an angle from `angles`.
    fn batches(
        &self,
        batches: Batches<ImageBatch>,
        angles: &mut ChaCha8Rng,
    ) -> impl Iterator<Item = Result<Labelled, TrainError>> {
        let (mean, std) = (self.data.normalization().mean[0], self.data.normalization().std[0]);
        batches.map(move |batch| {
            let batch = batch.map_err(|error| TrainError::Stopped(error.to_string()))?;
            let [count, ..] = batch.images.dims();
            let degrees: Vec<f64> = (0..count).map(|_| self.rotation * (2.0 * angles.random::<f64>() - 1.0)).collect();
            let device = batch.images.device();
            let scaled: Vec<f32> = degrees.iter().map(|angle| (angle / self.deviation()) as f32).collect();
            Ok(Labelled {
                images: (rotate(batch.images, &degrees)? - mean) / std,
                classes: batch.targets,
                angles: Tensor::from_data(TensorData::new(scaled, [count, 1]), &device),
            })
        })
    }

    /// Trains a network from the weights of the configuration's seed.
    fn train(&self, weights: &Weights) -> Result<Network, TrainError> {
        let device = self.device.clone().autodiff();
        device.seed(self.config.seed);
        let angle_scale = (self.deviation() / self.unit(weights)).powi(2);
        let network = Network::new(self.data.image(), self.data.outputs(), &weights.config, angle_scale, &device)?;
        let loader = self.loader(self.data.train_indices.clone(), false, &device);
        let loader = loader.shuffled(self.config.seed);
        let length = loader.run_length(self.config.epochs);
        let schedule = |factor: f64| self.config.schedule.scheduler(factor * self.config.lr, length);
        let uncertainties = ParamGroup::from_predicate("task_weights");
        let schedule =
            ModuleLrScheduler::new(schedule(1.0)?).with_group(uncertainties, schedule(self.uncertainty_rate)?);
        let update = GradientUpdate::new(NadamConfig::new().init()?);
        let mut training = TrainingState::new(network, update, schedule, self.config.seed);
        let mut angles = ChaCha8Rng::seed_from_u64(self.config.seed);
        for epoch in 1..=self.config.epochs {
            for batch in self.batches(loader.epoch(epoch, 0), &mut angles) {
                training.step(batch?)?;
            }
        }
        Ok(training.evaluated()?)
    }

    /// The degrees in which the loss of the angle is 1.
    fn unit(&self, weights: &Weights) -> f64 {
        if weights.in_degrees { 1.0 } else { self.deviation() }
    }

    /// The share of the test images whose class is found, and the mean absolute error of the angles in degrees.
    fn test(&self, network: &Network) -> Result<[f64; 2], TrainError> {
        let images = self.data.test.len();
        let loader = self.loader((0..images).collect(), true, &self.device);
        let mut sums = [0.0; 2];
        for batch in self.batches(loader.epoch(1, 0), &mut ChaCha8Rng::seed_from_u64(TEST_ANGLES)) {
            let batch = batch?;
            let (logits, angles) = network.forward(batch.images);
            let right = logits.argmax(1).squeeze_dim::<1>(1).equal(batch.classes).int().sum();
            sums[0] += right.into_scalar::<i64>() as f64;
            sums[1] += self.deviation() * f64::from((angles - batch.angles).abs().sum().into_scalar::<f32>());
        }
        Ok(sums.map(|sum| sum / images as f64))
    }

    fn outcome(&self, weights: &Weights) -> Result<Outcome, TrainError> {
        let network = self.train(weights)?;
        let measured = self.test(&network)?;
        let unit = self.unit(weights);
        let found = network.task_weights.weights();
        let trained = |task: usize| (found[task] > 0.0).then_some(measured[task]);
        Ok(Outcome {
            weights: weights.name.clone(),
            seed: self.config.seed,
            accuracy: trained(0),
            angle_error: trained(1),
            ratio: found[1] / found[0] * (self.deviation() / unit).powi(2),
            uncertainties: network.task_weights.uncertainties().map(|sigma| [sigma[0], sigma[1] * unit]),
        })
    }
}

/// One row: how the losses are weighed.
struct Weights {
    name: String,
    config: TaskWeightsConfig,
    /// Whether the loss of the angle is in square degrees, and not in units of its variance.
    in_degrees: bool,
}

impl Weights {
    fn fixed(name: impl Into<String>, weights: [f64; 2]) -> Self {
        Self { name: name.into(), config: TaskWeightsConfig::Fixed(weights.to_vec()), in_degrees: false }
    }

    fn learned() -> Self {
        let tasks = UncertaintyConfig::new(vec![Task::Classification, Task::Regression]);
        Self { name: LEARNED.to_owned(), config: TaskWeightsConfig::Uncertainty(tasks), in_degrees: false }
    }

    fn in_degrees(self) -> Self {
        Self { name: format!("{}, angle in degrees", self.name), in_degrees: true, ..self }
    }

    /// All rows, the fixed weights of the angle's loss among them.
    fn all(weights: &[f64]) -> Vec<Self> {
        let alone = [Self::fixed("class alone", [1.0, 0.0]), Self::fixed("angle alone", [0.0, 1.0])];
        let fixed = weights.iter().map(|&weight| Self::fixed(format!("fixed, 1 and {weight}"), [1.0, weight]));
        let in_degrees = [Self::fixed("fixed, 1 and 1", [1.0, 1.0]).in_degrees(), Self::learned().in_degrees()];
        alone.into_iter().chain(fixed).chain([Self::learned()]).chain(in_degrees).collect()
    }
}

const LEARNED: &str = "learned";

/// One seed of a row.
#[derive(Serialize)]
struct Outcome {
    weights: String,
    seed: u64,
    /// On the test images; where the task was trained.
    accuracy: Option<f64>,
    /// Mean absolute error on the test images in degrees; where the task was trained.
    angle_error: Option<f64>,
    /// What the loss of the angle, in units of its variance, counts for one of that of the class; at the end, where it is
    /// learned.
    ratio: f64,
    /// σ of the class and, in degrees, of the angle, where they are learned.
    uncertainties: Option<[f64; 2]>,
}

/// What is compared: its name, of what in an outcome, and whether more of it is better.
struct Measure {
    name: &'static str,
    of: fn(&Outcome) -> Option<f64>,
    more_is_better: bool,
}

const MEASURES: [Measure; 2] = [
    Measure {
        name: "accuracy, %",
        of: |outcome| outcome.accuracy.map(|accuracy| 100.0 * accuracy),
        more_is_better: true,
    },
    Measure { name: "angle error, °", of: |outcome| outcome.angle_error, more_is_better: false },
];

impl Measure {
    /// By how much the learned weights differ from other ones, seed by seed, and in how many seeds they are better; nothing
    /// where the others do without the task.
    fn change(&self, learned: &[Outcome], other: &[Outcome]) -> Option<(Spread, usize)> {
        let changes = learned.iter().zip(other).map(|(learned, other)| Some((self.of)(learned)? - (self.of)(other)?));
        let changes: Vec<f64> = changes.collect::<Option<_>>()?;
        let better = changes.iter().filter(|change| if self.more_is_better { **change > 0.0 } else { **change < 0.0 });
        Some((Spread::of(changes.iter().copied()), better.count()))
    }
}

/// The tables, and whether learned weights help.
fn report(arguments: &Arguments, dataset: DatasetKind, images: usize, rows: &[(&Weights, Vec<Outcome>)]) -> String {
    let spread = |outcomes: &[Outcome], of: &dyn Fn(&Outcome) -> Option<f64>, digits: usize| {
        let values: Option<Vec<f64>> = outcomes.iter().map(of).collect();
        values.map_or_else(|| "–".to_owned(), |values| format!("{:.digits$}", Spread::of(values)))
    };
    let cells = |(weights, outcomes): &(&Weights, Vec<Outcome>)| {
        let sigma = |task: usize| move |outcome: &Outcome| outcome.uncertainties.map(|sigma| sigma[task]);
        let both = |outcome: &Outcome| (outcome.ratio > 0.0 && outcome.ratio.is_finite()).then_some(outcome.ratio);
        let measured = MEASURES.map(|measure| spread(outcomes, &measure.of, 2));
        let learned = [spread(outcomes, &both, 2), spread(outcomes, &sigma(0), 3), spread(outcomes, &sigma(1), 2)];
        [vec![weights.name.clone()], measured.to_vec(), learned.to_vec()].concat()
    };
    let measured: Vec<Vec<String>> = rows.iter().map(cells).collect();
    let heading = ["weights", "accuracy, %", "angle error, °", "1 to", "σ of the class", "σ of the angle, °"];
    let learned = rows.iter().find(|(weights, _)| weights.name == LEARNED).map_or(&[][..], |row| &row.1);
    let others = rows.iter().filter(|(weights, _)| weights.name != LEARNED);
    let changes = others.map(|(weights, outcomes)| {
        let cells = MEASURES.iter().flat_map(|measure| match measure.change(learned, outcomes) {
            Some((change, better)) => [change.to_string(), format!("{better} of {}", learned.len())],
            None => ["–", "–"].map(str::to_owned),
        });
        [weights.name.clone()].into_iter().chain(cells).collect()
    });
    let changes: Vec<Vec<String>> = changes.collect();
    let [accuracy, angle] = MEASURES.map(|measure| measure.name);
    let against = ["learned weights against", accuracy, "better in", angle, "better in"];
    let (epochs, seeds) = (arguments.epochs, arguments.seeds);
    format!(
        "# Two tasks, one network\n\nThe class of an image and the angle, uniform within ±{}°, that it was rotated by. A \
         convolutional network, {images} images of {dataset}, {epochs} epochs; mean and deviation over {seeds} seeds. The angle's loss \
         is in units of the angles' variance unless stated. `1 to`: what it counts for one of the class's, in these units; where \
         it is learned, at the end. There σ starts at 1, and its learning rate is {} times the network's.\n\n{}\nSeed \
         by seed, what learned weights change:\n\n{}\n{}",
        arguments.rotation,
        arguments.uncertainty_rate,
        table(&heading, &measured),
        table(&against, &changes),
        verdict(learned, rows)
    )
}

/// In words, which other weights of both tasks the learned ones are better than.
fn verdict(learned: &[Outcome], rows: &[(&Weights, Vec<Outcome>)]) -> String {
    let mut helped = [Vec::new(), Vec::new()];
    for (weights, outcomes) in rows {
        let changes: Option<Vec<_>> = MEASURES.iter().map(|measure| measure.change(learned, outcomes)).collect();
        if let Some(changes) = changes.filter(|_| weights.name != LEARNED) {
            let measures = |seeds: usize| changes.iter().filter(|(_, better)| *better == seeds).count();
            let helps = measures(learned.len()) > measures(0);
            helped[usize::from(!helps)].push(format!("`{}`", weights.name));
        }
    }
    let [helps, does_not] =
        helped.map(|names| if names.is_empty() { "none of the others".to_owned() } else { names.join("; ") });
    format!(
        "Better in every seed by one measure, and in at least one by the other: `{LEARNED}` is that compared with {helps}. It does \
         not help compared with {does_not}.\n"
    )
}

fn run(arguments: &Arguments) -> Result<(), TrainError> {
    if arguments.seeds == 0 {
        return Err(TrainError::Value { field: "--seeds", value: "0".to_owned(), expected: "at least 1" });
    }
    let ranges = [
        ("--rotation", arguments.rotation, arguments.rotation <= 180.0, "in (0, 180]"),
        ("--uncertainty-rate", arguments.uncertainty_rate, arguments.uncertainty_rate.is_finite(), "in (0, ∞)"),
    ];
    for (field, value, below, expected) in ranges {
        if !(value > 0.0 && below) {
            return Err(TrainError::Value { field, value: value.to_string(), expected });
        }
    }
    let all = Weights::all(&arguments.weights);
    all.iter().try_for_each(|weights| weights.config.check())?;
    let config = RunConfig {
        dataset: arguments.dataset.clone(),
        train_images: Some(arguments.train_images),
        validation_images: 1,
        split: Split::Stratified,
        epochs: arguments.epochs,
        backend: arguments.backend,
        ..RunConfig::default()
    };
    config.check()?;
    let (_, device) = config.backend.device()?;
    let mut rows: Vec<(&Weights, Vec<Outcome>)> = all.iter().map(|weights| (weights, Vec::new())).collect();
    let mut found = (config.dataset.clone(), 0);
    for seed in 1..=arguments.seeds {
        let config = RunConfig { seed, ..config.clone() };
        let data = RunData::load(&config, &source(arguments.data.as_ref()), true)?;
        if let Some(notice) = data.notices.first().filter(|_| seed == 1) {
            eprintln!("{notice}");
        }
        found = (data.kind.clone(), data.train_indices.len());
        let bench = Bench {
            data: &data,
            config: &config,
            rotation: arguments.rotation,
            uncertainty_rate: arguments.uncertainty_rate,
            device: device.clone(),
        };
        for (weights, outcomes) in &mut rows {
            let outcome = bench.outcome(weights)?;
            let measured = MEASURES.map(|measure| {
                let value = (measure.of)(&outcome).map_or_else(|| "–".to_owned(), |value| format!("{value:.2}"));
                format!("{} {value}", measure.name)
            });
            eprintln!("seed {seed} {:33} {}", outcome.weights, measured.join(", "));
            outcomes.push(outcome);
        }
    }
    let report = report(arguments, found.0, found.1, &rows);
    println!("{report}");
    write_json(&arguments.artifacts.join("outcomes.json"), &rows.iter().flat_map(|row| &row.1).collect::<Vec<_>>())?;
    write(&arguments.artifacts.join("report.md"), &report)?;
    println!("kept in {}", arguments.artifacts.display());
    Ok(())
}

fn main() -> ExitCode {
    exit(run(&Arguments::parse()))
}
