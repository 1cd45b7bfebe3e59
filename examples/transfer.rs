//! What does a trained network save another? Digits to clothing and drawn digits to handwritten ones, with few labels and with
//! more, against training from scratch, over several seeds.
//!
//! ```text
//! cargo run --example transfer
//! cargo run --example transfer -- --labels 50,500 --seeds 5
//! ```
//!
//! Leaves a report and the numbers under `artifacts/transfer/`.

mod support;

use burn::tensor::Device;
use burn_descent::transfer::Unfreeze;
use burn_descent_lab::data::DataSource;
use burn_descent_lab::networks::CnnConfig;
use burn_descent_lab::runs::{
    Backend, Classifier, DatasetKind, ModelConfig, RunConfig, RunData, Split, TrainError, TrainingSession,
    TransferConfig,
};
use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;
use support::{Spread, exit, source, table, write, write_json};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Compare ways to start from a trained network.
#[derive(Parser)]
#[command(name = "transfer")]
struct Arguments {
    /// Numbers of labelled images of the new task.
    #[arg(long, value_delimiter = ',', value_name = "N,N,...", default_values_t = [100, 1000, 10_000])]
    labels: Vec<usize>,
    /// Steps on the new task, at least; whole epochs are trained, six or more.
    #[arg(long, default_value_t = 800)]
    steps: usize,
    /// Seeds for each row.
    #[arg(long, default_value_t = 3)]
    seeds: u64,
    /// Passes over the old task's images.
    #[arg(long, default_value_t = 3)]
    epochs: usize,
    /// Train on so many images of the old task [default: all].
    #[arg(long, value_name = "N")]
    train_images: Option<usize>,
    /// Hold out so many training images of each task.
    #[arg(long, value_name = "N", default_value_t = 5000)]
    validation_images: usize,
    /// Folder with MNIST's IDX files [default: as the mnist example finds them].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Folder with Fashion-MNIST's IDX files [default: as the mnist example finds them].
    #[arg(long, value_name = "DIR")]
    fashion_data: Option<PathBuf>,
    /// Folder for the results.
    #[arg(long, value_name = "DIR", default_value = "artifacts/transfer")]
    artifacts: PathBuf,
    /// auto, flex, ndarray, wgpu or cuda.
    #[arg(long, default_value_t = Backend::Auto)]
    backend: Backend,
}

/// The tasks: which network is taken over for which images.
const TASKS: [(DatasetKind, DatasetKind); 2] =
    [(DatasetKind::Mnist, DatasetKind::Fashion), (DatasetKind::Synthetic, DatasetKind::Mnist)];

/// Passes over the images of the new task, at least.
const EPOCHS: usize = 6;
/// Images in a step of the new task.
const BATCH: usize = 32;

/// Ways to begin with the new task, the first without the old one; `epochs` is the length of the training.
fn ways(epochs: usize) -> [(&'static str, Option<TransferConfig>); 5] {
    let transfer = || TransferConfig::new("the old task".to_owned());
    // The three layers below the output have joined in by half of the epochs, or soon after.
    let every = epochs.div_ceil(6);
    [
        ("from scratch", None),
        ("head alone", Some(transfer().with_unfreeze(Unfreeze::Never))),
        ("all layers", Some(transfer())),
        ("discriminative rates", Some(transfer().with_layer_decay(0.3))),
        ("gradual unfreezing", Some(transfer().with_unfreeze(Unfreeze::Every(every)))),
    ]
}

/// How one training ended.
#[derive(serde::Serialize)]
struct Outcome {
    from: String,
    to: String,
    labels: usize,
    way: &'static str,
    seed: u64,
    epochs: usize,
    /// Share of the test images, 0 to 1.
    test_accuracy: f64,
    test_loss: f64,
}

fn sources(arguments: &Arguments, dataset: &DatasetKind) -> DataSource {
    source(match dataset {
        DatasetKind::Fashion => arguments.fashion_data.as_ref(),
        _ => arguments.data.as_ref(),
    })
}

/// The images, which have to be those that were asked for.
fn load(arguments: &Arguments, config: &RunConfig) -> Result<RunData, TrainError> {
    RunData::load(config, &sources(arguments, &config.dataset), false)
}

/// The network after the whole training.
fn train<'a>(
    config: &'a RunConfig,
    data: &'a RunData,
    device: &Device,
    from: Option<&Classifier>,
) -> Result<TrainingSession<'a>, TrainError> {
    let mut session = TrainingSession::new(config, data, device)?;
    if let Some(from) = from {
        session = session.starting_from(from)?;
    }
    while session.train(usize::MAX)?.is_some() {}
    Ok(session)
}

fn run(arguments: &Arguments) -> Result<(), TrainError> {
    if arguments.seeds == 0 || arguments.labels.is_empty() {
        let value = format!("{} seeds, {} numbers of labels", arguments.seeds, arguments.labels.len());
        return Err(TrainError::Value { field: "seeds and labels", value, expected: "at least one of each" });
    }
    let old = |dataset| RunConfig {
        dataset,
        model: ModelConfig::Cnn(CnnConfig::new()),
        train_images: arguments.train_images,
        validation_images: arguments.validation_images,
        epochs: arguments.epochs,
        backend: arguments.backend,
        ..RunConfig::default()
    };
    let new = |dataset, labels: usize| RunConfig {
        train_images: Some(labels),
        split: Split::Stratified,
        batch_size: BATCH,
        ..old(dataset)
    };
    let epochs = |labels: usize| arguments.steps.div_ceil(labels.div_ceil(BATCH).max(1)).max(EPOCHS);
    old(DatasetKind::Mnist).check()?;
    for &labels in &arguments.labels {
        new(DatasetKind::Mnist, labels).check()?;
    }
    let (_, device) = arguments.backend.device()?;
    // Nothing is trained before all images are there.
    for (from, to) in &TASKS {
        load(arguments, &old(from.clone()))?;
        arguments.labels.iter().try_for_each(|&labels| load(arguments, &new(to.clone(), labels)).map(drop))?;
    }
    let mut outcomes: Vec<Outcome> = Vec::new();
    let mut sections = String::new();
    for (from, to) in &TASKS {
        let config = old(from.clone());
        let data = load(arguments, &config)?;
        let trained = train(&config, &data, &device, None)?;
        let accuracy = 100.0 * trained.test()?.accuracy;
        eprintln!("{from}: {accuracy:.2} % after {} epochs", config.epochs);
        let network = trained.model()?;
        let mut rows = Vec::new();
        for &labels in &arguments.labels {
            let base = new(to.clone(), labels);
            // There may be fewer than asked for.
            let labels = load(arguments, &base)?.train_indices.len();
            let base = RunConfig { epochs: epochs(labels), ..base };
            let mut scratch = Vec::new();
            for (way, transfer) in ways(base.epochs) {
                let mut accuracies = Vec::new();
                for seed in 1..=arguments.seeds {
                    let config = RunConfig { seed, transfer: transfer.clone(), ..base.clone() };
                    let data = load(arguments, &config)?;
                    let test = train(&config, &data, &device, transfer.as_ref().map(|_| &network))?.test()?;
                    accuracies.push(100.0 * test.accuracy);
                    outcomes.push(Outcome {
                        from: from.to_string(),
                        to: to.to_string(),
                        labels,
                        way,
                        seed,
                        epochs: config.epochs,
                        test_accuracy: test.accuracy,
                        test_loss: test.loss,
                    });
                }
                let gain = match scratch.is_empty() {
                    true => "—".to_owned(),
                    false => {
                        let gains = accuracies.iter().zip(&scratch).map(|(with, without)| with - without);
                        format!("{:+.2}", Spread::of(gains))
                    }
                };
                let accuracy = Spread::of(accuracies.iter().copied()).to_string();
                eprintln!("{from} to {to}, {labels:6} labels, {way:20}  {accuracy} %");
                rows.push([labels.to_string(), way.to_owned(), accuracy, gain].to_vec());
                if scratch.is_empty() {
                    scratch = accuracies;
                }
            }
        }
        let heading = ["labels", "way", "test accuracy, %", "gain over scratch"];
        sections += &format!(
            "\n## {from} to {to}\n\nThe network taken over reads {accuracy:.2} % of its own test images.\n\n{}",
            table(&heading, &rows)
        );
    }
    write_json(&arguments.artifacts.join("outcomes.json"), &outcomes)?;
    let report = format!(
        "# What does a trained network save another?\n\nA CNN with a new output layer, {} steps of {BATCH} images or more on the new \
         task, and {EPOCHS} epochs or more; mean and deviation over {} seeds, gains paired by seed.\n{sections}",
        arguments.steps, arguments.seeds
    );
    write(&arguments.artifacts.join("report.md"), &report)?;
    println!("{report}\nkept in {}", arguments.artifacts.display());
    Ok(())
}

fn main() -> ExitCode {
    exit(run(&Arguments::parse()))
}
