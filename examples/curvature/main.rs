//! Does curvature pay on networks? L-BFGS, Hessian-free optimization and others, on whole data sets and on large batches, beside
//! first-order methods at the best of some learning rates: the training loss against seconds and against passes over the data.
//!
//! ```text
//! cargo run --example curvature                          # a perceptron that classifies MNIST
//! cargo run --example curvature -- --task autoencoder    # a deep autoencoder (Hinton & Salakhutdinov 2006; Martens 2010)
//! cargo run --example curvature -- --seconds 120 --seeds 5 --train-images 10000
//! ```
//!
//! Every method has the same seconds, in which evaluations are not counted. Rates are tried with the first seed. Leaves a
//! report, the curves as data and two pictures of them under `artifacts/curvature/`.

mod contender;
#[path = "../support/mod.rs"]
mod support;
mod task;

use burn::tensor::Device;
use burn_descent_lab::runs::{Backend, DatasetKind, RunConfig, RunData, TrainError};
use clap::{Parser, ValueEnum};
use contender::{Contender, Outcome};
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;
use support::{Curve, Spread, draw, exit, source, table, write, write_json};
use task::Task;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Compare second-order with first-order methods on networks.
#[derive(Parser)]
#[command(name = "curvature", allow_negative_numbers = true)]
struct Arguments {
    /// What is learned.
    #[arg(long, value_enum, default_value_t = Kind::Classes)]
    task: Kind,
    /// The contenders, by words in their names [default: all].
    #[arg(long, value_delimiter = ',', value_name = "WORD,WORD,...")]
    only: Vec<String>,
    /// Seconds of training for each contender and seed.
    #[arg(long, default_value_t = 40.0)]
    seconds: f64,
    /// Seeds for each contender at its best rate.
    #[arg(long, default_value_t = 3)]
    seeds: u64,
    /// Learning rates to try, as multiples of the optimizer's default.
    #[arg(long, value_delimiter = ',', value_name = "FACTOR,...", default_value = "0.3,1,3,10")]
    grid: Vec<f64>,
    /// Train on so many images.
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    train_images: usize,
    /// Folder with MNIST's IDX files [default: as the mnist example finds them].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Folder for the results.
    #[arg(long, value_name = "DIR", default_value = "artifacts/curvature")]
    artifacts: PathBuf,
    /// auto, flex, ndarray, wgpu or cuda.
    #[arg(long, default_value_t = Backend::Auto)]
    backend: Backend,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// The classes of the images, by a perceptron of 100 units.
    Classes,
    /// The images themselves, through a code of 10 numbers.
    Autoencoder,
}

/// A contender, the rate it was given, and what it came to with each seed.
#[derive(Serialize)]
struct Row {
    contender: String,
    rate: Option<f64>,
    /// Of each rate that was tried, the loss that it led to.
    tried: Vec<(f64, f64)>,
    outcomes: Vec<Outcome>,
}

fn main() -> ExitCode {
    exit(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<(), TrainError> {
    let wrong = |field, value: String, expected| Err(TrainError::Value { field, value, expected });
    if arguments.seeds == 0 {
        return wrong("seeds", "0".to_owned(), "at least 1");
    }
    if !(arguments.seconds > 0.0 && arguments.seconds.is_finite()) {
        return wrong("seconds", arguments.seconds.to_string(), "a number above 0");
    }
    if let Some(factor) = arguments.grid.iter().find(|factor| !(**factor > 0.0 && factor.is_finite())) {
        return wrong("grid", factor.to_string(), "numbers above 0");
    }
    let contenders: Vec<Contender> = contender::all(arguments.task == Kind::Autoencoder)
        .into_iter()
        .filter(|contender| {
            arguments.only.is_empty() || arguments.only.iter().any(|word| contender.name().contains(word.as_str()))
        })
        .collect();
    if contenders.is_empty() {
        let known = contender::all(false).iter().map(Contender::name).collect::<Vec<_>>().join("; ");
        return Err(TrainError::Stopped(format!(
            "no contender is named {}; known: {known}",
            arguments.only.join(", ")
        )));
    }
    let (_, device) = arguments.backend.device()?;
    let task = load(arguments, &device)?;
    write(&arguments.artifacts.join("report.md"), &format!("{}\n\nnot finished\n", task.describe()))?;
    println!("{}", task.describe());

    let mut rows = Vec::new();
    for contender in &contenders {
        let row = compete(contender, &task, arguments)?;
        println!("{}", summary(&row));
        rows.push(row);
        write_json(&arguments.artifacts.join("curves.json"), &rows)?;
    }
    report(arguments, &task, &rows)
}

fn load(arguments: &Arguments, device: &Device) -> Result<Task, TrainError> {
    let config = RunConfig {
        dataset: DatasetKind::Mnist,
        train_images: Some(arguments.train_images),
        validation_images: VALIDATION,
        backend: arguments.backend,
        ..RunConfig::default()
    };
    let data = RunData::load(&config, &source(arguments.data.as_ref()), true)?;
    data.notices.iter().for_each(|notice| println!("{notice}"));
    Ok(match arguments.task {
        Kind::Classes => Task::classes(&data, device),
        Kind::Autoencoder => Task::autoencoder(&data, device),
    })
}

/// What a run holds out, which nobody looks at here.
const VALIDATION: usize = 100;

/// Tries the rates, if there are any, and runs with each seed at the best.
fn compete(contender: &Contender, task: &Task, arguments: &Arguments) -> Result<Row, TrainError> {
    let mut tried = Vec::new();
    let mut first = None;
    for rate in contender.rates(&arguments.grid) {
        let outcome = contender.train(task, Some(rate), arguments.seconds, 1)?;
        println!("  {} at {rate}: {:.4e}", contender.name(), outcome.loss());
        tried.push((rate, outcome.loss()));
        let is_best = tried.iter().all(|(_, loss)| outcome.loss() <= *loss);
        if is_best {
            first = Some((rate, outcome));
        }
    }
    let rate = first.as_ref().map(|(rate, _)| *rate);
    let mut outcomes: Vec<Outcome> = first.into_iter().map(|(_, outcome)| outcome).collect();
    for seed in outcomes.len() as u64 + 1..=arguments.seeds {
        outcomes.push(contender.train(task, rate, arguments.seconds, seed)?);
    }
    Ok(Row { contender: contender.name(), rate, tried, outcomes })
}

fn spread(row: &Row, of: impl Fn(&Outcome) -> f64) -> Spread {
    Spread::of(row.outcomes.iter().map(of))
}

fn summary(row: &Row) -> String {
    let loss = spread(row, Outcome::loss);
    let passes = spread(row, Outcome::passes);
    format!("{}: loss {:.4e} ± {:.1e} after {:.1} passes", row.contender, loss.mean, loss.deviation, passes.mean)
}

fn report(arguments: &Arguments, task: &Task, rows: &[Row]) -> Result<(), TrainError> {
    let share = |share: f64| format!("loss after {:.0} s", share * arguments.seconds);
    let heading = ["method", "rate", &share(0.25), &share(1.0), "loss after 10 passes", "passes", task.test_heading()];
    let number = |spread: Spread| match spread.mean.is_nan() {
        true => "not yet looked at".to_owned(),
        false => format!("{:.2e} ± {:.0e}", spread.mean, spread.deviation),
    };
    let cells = |row: &Row| {
        vec![
            row.contender.clone(),
            row.rate.map_or("none".to_owned(), |rate| format!("{rate:.0e}")),
            number(spread(row, |outcome| outcome.loss_at(|point| point.seconds, 0.25 * arguments.seconds))),
            number(spread(row, Outcome::loss)),
            number(spread(row, |outcome| outcome.loss_at(|point| point.passes, 10.0))),
            format!("{:.0}", spread(row, Outcome::passes).mean),
            number(spread(row, |outcome| outcome.test)),
        ]
    };
    let mut sorted: Vec<&Row> = rows.iter().collect();
    sorted.sort_by(|one, other| spread(one, Outcome::loss).mean.total_cmp(&spread(other, Outcome::loss).mean));
    let cells: Vec<Vec<String>> = sorted.into_iter().map(cells).collect();
    let text = format!(
        "{}\n\nMean and deviation of {} seeds; {} s of training each. A pass is one gradient of all images; losses alone are a \
         third of that, products with the curvature five thirds.\n\n{}",
        task.describe(),
        arguments.seeds,
        arguments.seconds,
        table(&heading, &cells)
    );
    let curves = |of: fn(&contender::Seen) -> f64| -> Vec<Curve> {
        let curve = |row: &Row| {
            let points =
                row.outcomes.first().map(|outcome| outcome.curve.iter().map(|seen| (of(seen), seen.loss)).collect());
            Curve { name: row.contender.clone(), points: points.unwrap_or_default() }
        };
        rows.iter().map(curve).collect()
    };
    let folder = &arguments.artifacts;
    let title = task.describe();
    draw(&folder.join("by-seconds.svg"), &title, ["seconds", "training loss"], &curves(|seen| seen.seconds))?;
    draw(&folder.join("by-passes.svg"), &title, ["passes", "training loss"], &curves(|seen| seen.passes))?;
    write(&folder.join("report.md"), &text)?;
    println!("\n{text}\nkept in {}", folder.display());
    Ok(())
}
