//! What helps? Techniques of regularization and generalization, each with and without, over several seeds.
//!
//! ```text
//! cargo run --example study
//! cargo run --example study -- --family ablation --only dropout,lasso --seeds 10
//! cargo run --example study -- --family batch,start --dataset fashion
//! ```
//!
//! Three families: `ablation`, one technique at a time against a baseline; `batch`, batch normalization in small batches; and
//! `start`, gradient noise and batch normalization from starts that are hard to learn from. Both of a pair have the same
//! seed, and with it the same images and, where they have the same shapes, the same initial weights. Leaves a report, the numbers
//! and pictures of curves under `artifacts/study/`. For orders of the images see `cargo run --example data_order`.

mod ablation;
mod activations;
mod batch;
mod start;
#[path = "../support/mod.rs"]
mod support;
mod table;
mod trainer;
mod verdict;

use burn_descent_lab::data::DataSource;
use burn_descent_lab::runs::{Backend, DatasetKind, ModelConfig, RunConfig, RunData, Split, TrainError};
use clap::{Parser, ValueEnum};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use support::{draw, exit, source, write, write_json};
use table::{Group, Table};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Try techniques, each with and without.
#[derive(Parser)]
#[command(name = "study", allow_negative_numbers = true)]
struct Arguments {
    /// Which tables to make.
    #[arg(long, value_delimiter = ',', default_value = "ablation,batch,start")]
    family: Vec<Family>,
    /// Only the techniques with one of these in their name or their table's, and what they are compared with.
    #[arg(long, value_delimiter = ',', value_name = "TEXT,TEXT,...")]
    only: Vec<String>,
    /// Seeds for each technique [default: 5, or 3 where a training takes long].
    #[arg(long)]
    seeds: Option<u64>,
    /// Passes over the training images [default: each table's own].
    #[arg(long)]
    epochs: Option<usize>,
    /// Train on so many images where they are to be few; where more, on 10 times or, at most, 55 times as many.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    train_images: usize,
    /// Hold out so many training images for validation, which early stopping goes by.
    #[arg(long, value_name = "N", default_value_t = 5000)]
    validation_images: usize,
    /// mnist, fashion or synthetic.
    #[arg(long, default_value_t = DatasetKind::Mnist)]
    dataset: DatasetKind,
    /// Folder with the data set's IDX files [default: as the mnist example finds them].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Folder for the results.
    #[arg(long, value_name = "DIR", default_value = "artifacts/study")]
    artifacts: PathBuf,
    /// auto, flex, ndarray, wgpu or cuda.
    #[arg(long, default_value_t = Backend::Auto)]
    backend: Backend,
}

/// Seeds where a training takes seconds, and where it takes longer.
const MANY: u64 = 5;
const SOME: u64 = 3;

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Family {
    Ablation,
    Batch,
    Start,
}

impl Family {
    fn groups(self, study: &Study) -> Result<Vec<Group>, TrainError> {
        match self {
            Self::Ablation => ablation::groups(study),
            Self::Batch => Ok(batch::groups(study)),
            Self::Start => start::groups(study),
        }
    }
}

/// What the tables go by.
struct Study {
    arguments: Arguments,
    source: DataSource,
    /// Images that there are to train on.
    available: usize,
}

impl Study {
    /// # Errors
    ///
    /// If a number is out of range or the data cannot be read.
    fn new(arguments: Arguments) -> Result<Self, TrainError> {
        let positive = [("--seeds", arguments.seeds.unwrap_or(1)), ("--train-images", arguments.train_images as u64)];
        for (field, value) in positive {
            if value == 0 {
                return Err(TrainError::Value { field, value: value.to_string(), expected: "at least 1" });
            }
        }
        let source = source(arguments.data.as_ref());
        let mut study = Self { arguments, source, available: usize::MAX };
        let config = study.config(RunConfig::default().model, 1, 1);
        config.check()?;
        config.backend.device()?;
        let data = RunData::load(&config, &study.source, true)?;
        for notice in &data.notices {
            eprintln!("{notice}");
        }
        study.arguments.dataset = data.kind.clone();
        study.available = data.train.len() - data.validation_indices.len();
        Ok(study)
    }

    /// The configuration that a table's are variants of.
    fn config(&self, model: ModelConfig, images: usize, epochs: usize) -> RunConfig {
        let Arguments { validation_images, backend, .. } = self.arguments;
        RunConfig {
            dataset: self.arguments.dataset.clone(),
            train_images: Some(images.min(self.available)),
            validation_images,
            split: Split::Stratified,
            model,
            epochs: self.arguments.epochs.unwrap_or(epochs),
            backend,
            ..RunConfig::default()
        }
    }

    /// Training images where they are to be few.
    fn few(&self) -> usize {
        self.arguments.train_images
    }

    /// The training images of a table.
    fn images(&self, base: &RunConfig) -> usize {
        base.train_images.unwrap_or(self.available)
    }

    fn seeds(&self, usual: u64) -> u64 {
        self.arguments.seeds.unwrap_or(usual)
    }
}

/// The flags of the `mnist` example for a network and what else is not its default.
fn flags(network: &str, config: &RunConfig) -> String {
    let usual = RunConfig::default();
    let mut flags = vec![network.to_owned()];
    if config.dataset != usual.dataset {
        flags.push(format!("--dataset {}", config.dataset));
    }
    flags.extend(config.train_images.map(|images| format!("--train-images {images}")));
    for (flag, value, usual) in [
        ("--validation-images", config.validation_images, usual.validation_images),
        ("--epochs", config.epochs, usual.epochs),
        ("--batch-size", config.batch_size, usual.batch_size),
    ] {
        if value != usual {
            flags.push(format!("{flag} {value}"));
        }
    }
    flags.push("--split stratified".to_owned());
    flags.join(" ")
}

/// Leaves the rows that `--only` asks for, and those that they are compared with.
fn select(groups: &mut [Group], only: &[String]) -> Result<(), TrainError> {
    let tables = groups.iter().map(|group| group.name.clone());
    let rows = groups.iter().flat_map(|group| group.rows.iter().map(|row| row.name.clone()));
    let known: Vec<String> = tables.chain(rows).collect();
    for text in only {
        if !known.iter().any(|name| name.contains(text)) {
            return Err(TrainError::unknown("technique or table", text, known));
        }
    }
    if only.is_empty() {
        return Ok(());
    }
    for group in groups {
        let asked = |name: &str| only.iter().any(|text| name.contains(text));
        if asked(&group.name) {
            continue;
        }
        let mut wanted: Vec<String> = Vec::new();
        // A row stands below what it is compared with.
        for row in group.rows.iter().rev() {
            if wanted.contains(&row.name) || asked(&row.name) {
                wanted.push(row.name.clone());
                wanted.extend(row.against.clone());
            }
        }
        group.rows.retain(|row| wanted.contains(&row.name));
    }
    Ok(())
}

const CRITERION: &str = "Mean and deviation over the seeds; differences are to the first row, or to the one that is named, and \
                         paired by seed. A technique *helps* or *hurts* where \
                         the 95 % interval of the mean difference (Student's t) leaves out zero. Of so many comparisons one \
                         in twenty would be called clear by chance alone. Strengths are round numbers and not tuned. \
                         Tested is what the last epoch leaves, but for early stopping, where the `mnist` example always \
                         keeps the weights that were best on the validation images. A row's flags are in the place \
                         of the same ones of its table.";

/// A table's part of the report, and the picture of its curves.
fn part(folder: &Path, table: &Table) -> Result<String, TrainError> {
    let curves = table.curves();
    if curves.is_empty() {
        return Ok(format!("\n{}", table.report()));
    }
    let picture = format!("{}.svg", table.name.replace([' ', ','], "-"));
    draw(&folder.join(&picture), &table.name, ["step", "test error, %"], &curves)?;
    Ok(format!("\n{}\n![test error]({picture})\n", table.report()))
}

fn run(arguments: Arguments) -> Result<(), TrainError> {
    let study = Study::new(arguments)?;
    let arguments = &study.arguments;
    let mut groups = Vec::new();
    for family in &arguments.family {
        groups.extend(family.groups(&study)?);
    }
    select(&mut groups, &arguments.only)?;
    groups.iter().flat_map(|group| &group.rows).try_for_each(|row| row.config.check())?;
    let folder = &arguments.artifacts;
    let mut tables = Vec::new();
    let mut report = format!("# What helps?\n\n{CRITERION}\n");
    print!("{report}");
    for group in groups.iter().filter(|group| !group.rows.is_empty()) {
        let table = group.run(&study.source)?;
        let part = part(folder, &table)?;
        print!("{part}");
        report += &part;
        tables.push(table);
        // What is there after an hour is not to be lost to what comes then.
        write(&folder.join("report.md"), &report)?;
        write_json(&folder.join("outcomes.json"), &tables)?;
    }
    println!("\nkept in {}", folder.display());
    Ok(())
}

fn main() -> ExitCode {
    exit(run(Arguments::parse()))
}
