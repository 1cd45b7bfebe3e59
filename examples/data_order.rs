//! Does it matter which examples come when? Curricula on clean and on wrong labels, and a balanced sampler on classes of
//! unequal size, over several seeds.
//!
//! ```text
//! cargo run --example data_order
//! cargo run --example data_order -- --curriculum root=0.1,3 --seeds 5 --noise 0.5
//! ```
//!
//! How hard an image is, a small network tells that is trained for an epoch beforehand. Leaves a report and the numbers
//! under `artifacts/data_order/`.

mod support;

use burn_descent::sample::{Curriculum, Ranking};
use burn_descent_lab::networks::MlpConfig;
use burn_descent_lab::runs::{
    Backend, DatasetKind, ModelConfig, RunConfig, RunData, Sampling, Split, TrainError, TrainingSession,
};
use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;
use support::{Spread, exit, mislabel, source, table, write, write_json};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Compare orders of the training images.
#[derive(Parser)]
#[command(name = "data_order", allow_negative_numbers = true)]
struct Arguments {
    /// The pacing of the curriculum, the anti-curriculum and the random one.
    #[arg(long, value_name = "PACE=START,LENGTH", default_value = "linear=0.2,5epochs")]
    curriculum: Curriculum,
    /// Share of the labels that are wrong.
    #[arg(long, value_name = "SHARE", default_value_t = 0.3)]
    noise: f64,
    /// What remains of the last class where classes are of unequal size, falling evenly on a logarithmic scale.
    #[arg(long, value_name = "SHARE", default_value_t = 0.01)]
    tail: f64,
    /// Seeds for each row.
    #[arg(long, default_value_t = 5)]
    seeds: u64,
    /// Passes over the training images.
    #[arg(long, default_value_t = 10)]
    epochs: usize,
    /// Train on so many images.
    #[arg(long, value_name = "N", default_value_t = 5000)]
    train_images: usize,
    /// Hold out so many training images for validation.
    #[arg(long, value_name = "N", default_value_t = 5000)]
    validation_images: usize,
    /// mnist, fashion or synthetic.
    #[arg(long, default_value_t = DatasetKind::Mnist)]
    dataset: DatasetKind,
    /// Folder with the data set's IDX files [default: as the mnist example finds them].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Folder for the results.
    #[arg(long, value_name = "DIR", default_value = "artifacts/data_order")]
    artifacts: PathBuf,
    /// auto, flex, ndarray, wgpu or cuda.
    #[arg(long, default_value_t = Backend::Auto)]
    backend: Backend,
}

/// What is done to the training images.
type Spoil = fn(RunData, &Arguments, u64) -> Result<RunData, TrainError>;

/// The classes lose ever more of their images to train on, and keep one at least.
fn unbalance(mut data: RunData, arguments: &Arguments, _seed: u64) -> Result<RunData, TrainError> {
    let classes = data.outputs() as u32;
    let keep = |class: u32| {
        let share = arguments.tail.powf(f64::from(class) / f64::from((classes - 1).max(1)));
        let mut images = data.train_indices.clone();
        images.retain(|&index| data.train.label(index) == class);
        images.truncate((images.len() as f64 * share).round().max(1.0) as usize);
        images
    };
    data.train_indices = (0..classes).flat_map(keep).collect();
    Ok(data)
}

/// One seed of a row.
#[derive(serde::Serialize)]
struct Outcome {
    data: &'static str,
    order: String,
    seed: u64,
    /// Validation accuracy after a fifth of the epochs.
    early: f64,
    test_accuracy: f64,
    test_loss: f64,
}

fn train(config: &RunConfig, data: &RunData) -> Result<[f64; 3], TrainError> {
    let (_, device) = config.backend.device()?;
    let mut session = TrainingSession::new(config, data, &device)?;
    let mut early = 0.0;
    while let Some(progress) = session.train(usize::MAX)? {
        if progress.epoch == config.epochs.div_ceil(5) {
            early = session.validate()?.accuracy;
        }
    }
    let test = session.test()?;
    Ok([early, test.accuracy, test.loss])
}

fn run(arguments: &Arguments) -> Result<(), TrainError> {
    if arguments.seeds == 0 {
        return Err(TrainError::Value { field: "--seeds", value: "0".to_owned(), expected: "at least 1" });
    }
    for (field, value) in [("--noise", arguments.noise), ("--tail", arguments.tail)] {
        if !(0.0..=1.0).contains(&value) {
            return Err(TrainError::Value { field, value: value.to_string(), expected: "in [0, 1]" });
        }
    }
    let config = RunConfig {
        dataset: arguments.dataset.clone(),
        train_images: Some(arguments.train_images),
        validation_images: arguments.validation_images,
        split: Split::Stratified,
        model: ModelConfig::Mlp(MlpConfig::new()),
        epochs: arguments.epochs,
        backend: arguments.backend,
        ..RunConfig::default()
    };
    let paced =
        |ranking| RunConfig { curriculum: Some(Curriculum { ranking, ..arguments.curriculum }), ..config.clone() };
    let orders = || {
        let curricula = [Ranking::EasiestFirst, Ranking::HardestFirst, Ranking::Random].map(paced);
        [config.clone()].into_iter().chain(curricula).collect::<Vec<_>>()
    };
    let balanced = RunConfig { sampling: Sampling::Balanced, ..config.clone() };
    let as_it_is: Spoil = |data, _, _| Ok(data);
    let problems: [(&str, Spoil, Vec<RunConfig>); 3] = [
        ("as they are", as_it_is, orders()),
        ("wrong labels", |data, arguments, seed| mislabel(data, arguments.noise, seed), orders()),
        ("unequal classes", unbalance, vec![config.clone(), balanced]),
    ];
    problems.iter().flat_map(|(_, _, configs)| configs).try_for_each(RunConfig::check)?;

    let mut outcomes = Vec::new();
    let mut rows = Vec::new();
    let found = RunData::load(&config, &source(arguments.data.as_ref()), true)?;
    for notice in &found.notices {
        eprintln!("{notice}");
    }
    for (data, spoil, configs) in problems {
        for config in configs {
            let order = match (config.curriculum, config.sampling) {
                (Some(curriculum), _) => curriculum.to_string(),
                (None, Sampling::Balanced) => "balanced".to_owned(),
                (None, _) => "shuffled".to_owned(),
            };
            let mut seeds = Vec::new();
            for seed in 1..=arguments.seeds {
                let config = RunConfig { seed, ..config.clone() };
                let images = RunData::load(&config, &source(arguments.data.as_ref()), true)?;
                let [early, test_accuracy, test_loss] = train(&config, &spoil(images, arguments, seed)?)?;
                seeds.push(Outcome { data, order: order.clone(), seed, early, test_accuracy, test_loss });
            }
            let spread = |of: fn(&Outcome) -> f64| Spread::of(seeds.iter().map(of));
            let early = spread(|outcome| 100.0 * outcome.early).to_string();
            let accuracy = spread(|outcome| 100.0 * outcome.test_accuracy).to_string();
            let loss = format!("{:.4}", spread(|outcome| outcome.test_loss));
            eprintln!("{data:15} {order:27} test {accuracy} %");
            rows.push([data.to_owned(), order, early, accuracy, loss].to_vec());
            outcomes.extend(seeds);
        }
    }
    write_json(&arguments.artifacts.join("outcomes.json"), &outcomes)?;
    let (images, epochs, seeds) = (found.train_indices.len(), arguments.epochs, arguments.seeds);
    let (noise, tail) = (100.0 * arguments.noise, 100.0 * arguments.tail);
    let early = format!("validation after {} epochs, %", epochs.div_ceil(5));
    let report = format!(
        "# Does it matter which examples come when?\n\nAn MLP, {images} images of {}, {epochs} epochs; mean and deviation over \
         {seeds} seeds. {noise} % of the labels are wrong; of the last of the unequal classes {tail} % are left.\n\n{}",
        found.kind,
        table(&["images", "order", &early, "test accuracy, %", "test loss"], &rows)
    );
    write(&arguments.artifacts.join("report.md"), &report)?;
    println!("{report}\nkept in {}", arguments.artifacts.display());
    Ok(())
}

fn main() -> ExitCode {
    exit(run(&Arguments::parse()))
}
