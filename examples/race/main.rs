//! Which optimizer to choose? The same model and data under every optimizer, each at its best of some learning rates, over
//! several seeds.
//!
//! ```text
//! cargo run --example race                                     # every optimizer on MNIST
//! cargo run --example race -- --a9a DIR                        # and on a9a, a sparse problem
//! cargo run --example race -- --optimizers sgd,nadam:dozat,adam,lbfgs --seeds 5
//! cargo run --example race -- --protocol                       # by the rules of AlgoPerf, on its MNIST workload
//! ```
//!
//! Rates are tried with the first seed; the one with the lowest validation loss at the end runs with the other seeds too.
//! Leaves a report, the curves as data and a picture of them for each problem under `artifacts/race/`.

mod problem;
mod protocol;
mod sparse;
#[path = "../support/mod.rs"]
mod support;

use burn_descent::optim::NamedOptimizer;
use burn_descent::schedule::Schedule;
use burn_descent::second_order::MinimizerConfig;
use burn_descent_lab::networks::MlpConfig;
use burn_descent_lab::runs::{Backend, DatasetKind, ModelConfig, RunConfig, RunData, TrainError};
use clap::Parser;
use problem::{Competitor, Images, Outcome, Problem};
use serde::Serialize;
use sparse::Sparse;
use std::path::PathBuf;
use std::process::ExitCode;
use support::{Curve, Spread, draw, exit, source, table, write, write_json};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Compare all optimizers on the same problems.
#[derive(Parser)]
#[command(name = "race", allow_negative_numbers = true)]
struct Arguments {
    /// The optimizers, by name or preset, or second-order methods [default: all but Burn's own and newton and bfgs].
    #[arg(long, value_delimiter = ',', value_name = "NAME,NAME,...")]
    optimizers: Option<Vec<String>>,
    /// Go by the rules of AlgoPerf: seconds until 97 % of the validation images are right, trials of drawn rates.
    #[arg(long)]
    protocol: bool,
    /// Learning rates to try, as multiples of the optimizer's default; where the best is at an end, more beyond it.
    #[arg(long, value_delimiter = ',', value_name = "FACTOR,...", default_value = "0.1,0.3,1,3,10")]
    grid: Vec<f64>,
    /// Seeds for each optimizer at its best rate.
    #[arg(long, default_value_t = 3)]
    seeds: u64,
    /// Passes over the training data.
    #[arg(long, default_value_t = 3)]
    epochs: usize,
    /// mnist, fashion or synthetic.
    #[arg(long, default_value_t = DatasetKind::Mnist)]
    dataset: DatasetKind,
    /// mlp or cnn, at its default sizes [default: an MLP of 256 and 128 units, without batch normalization or dropout].
    #[arg(long)]
    model: Option<String>,
    /// Examples in a step.
    #[arg(long, default_value_t = 64)]
    batch_size: usize,
    /// Train on so many images only.
    #[arg(long, value_name = "N")]
    train_images: Option<usize>,
    /// Hold out so many training images for validation [default: 5000, and 10000 with --protocol].
    #[arg(long, value_name = "N")]
    validation_images: Option<usize>,
    /// With --protocol: seconds of training within which the target has to be reached.
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0)]
    seconds: f64,
    /// Steps between two looks at the validation data.
    #[arg(long, default_value_t = 50)]
    every: usize,
    /// Folder with the data set's IDX files [default: as the mnist example finds them].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Folder with a9a and a9a.t of the LIBSVM collection, to race on them too.
    #[arg(long, value_name = "DIR", env = "A9A_DIR")]
    a9a: Option<PathBuf>,
    /// Folder for the results.
    #[arg(long, value_name = "DIR", default_value = "artifacts/race")]
    artifacts: PathBuf,
    /// auto, flex, ndarray, wgpu or cuda.
    #[arg(long, default_value_t = Backend::Auto)]
    backend: Backend,
}

/// An optimizer at one rate with one seed.
#[derive(Serialize)]
struct Tried {
    lr: f64,
    seed: u64,
    #[serde(flatten)]
    outcome: Outcome,
}

/// How much further the rate goes that is tried beyond the grid, and how often.
const STRIDE: f64 = 3.0;
const FURTHER_RATES: usize = 4;

/// The index of the lowest validation loss.
fn best_of(grid: &[Tried]) -> usize {
    let losses = grid.iter().map(|tried| tried.outcome.loss());
    losses.enumerate().min_by(|one, other| one.1.total_cmp(&other.1)).map_or(0, |(index, _)| index)
}

/// An optimizer's part in the race.
#[derive(Serialize)]
struct Runner {
    name: String,
    default_lr: Option<f64>,
    /// The rates that were asked for.
    #[serde(skip)]
    asked: Vec<f64>,
    /// Every rate with the first seed, in rising order: those asked for, and those beyond them.
    grid: Vec<Tried>,
    /// The best rate with every seed.
    best: Vec<Tried>,
}

impl Runner {
    fn run(problem: &dyn Problem, name: &str, arguments: &Arguments) -> Result<Self, TrainError> {
        let competitor = Competitor::named(name)?;
        let default_lr = competitor.rate();
        let run = |lr, seed| Ok::<_, TrainError>(Tried { lr, seed, outcome: problem.train(&competitor, lr, seed)? });
        let mut rates: Vec<f64> = match default_lr {
            Some(default) => arguments.grid.iter().map(|factor| factor * default).collect(),
            None => vec![1.0],
        };
        rates.sort_by(f64::total_cmp);
        let mut grid = rates.iter().map(|&lr| run(lr, 1)).collect::<Result<Vec<_>, _>>()?;
        // The best of a grid says little if it stands at an end: what lies beyond is tried too.
        for _ in 0..if default_lr.is_some() { FURTHER_RATES } else { 0 } {
            let lr = match best_of(&grid) {
                0 => grid[0].lr / STRIDE,
                last if last + 1 == grid.len() => grid[last].lr * STRIDE,
                _ => break,
            };
            grid.push(run(lr, 1)?);
            grid.sort_by(|one, other| one.lr.total_cmp(&other.lr));
        }
        let lr = grid[best_of(&grid)].lr;
        let best = (1..=arguments.seeds).map(|seed| run(lr, seed)).collect::<Result<Vec<_>, _>>()?;
        let runner = Self { name: name.to_owned(), default_lr, asked: rates, grid, best };
        eprintln!("{:9} {:20} lr {lr:<8.3e} test {} %", problem.name(), name, runner.test());
        Ok(runner)
    }

    fn over_seeds(&self, of: fn(&Outcome) -> f64) -> Spread {
        Spread::of(self.best.iter().map(|tried| of(&tried.outcome)))
    }

    fn loss(&self) -> Spread {
        self.over_seeds(Outcome::loss)
    }

    fn test(&self) -> Spread {
        self.over_seeds(|outcome| 100.0 * outcome.test_accuracy)
    }

    /// The best rate; none of a method that has none.
    fn lr(&self) -> Option<f64> {
        self.default_lr.and(self.best.first()).map(|tried| tried.lr)
    }

    /// Validation accuracy at the worst of the rates that were asked for, as of every optimizer, in percent.
    fn worst(&self) -> f64 {
        let asked = self.grid.iter().filter(|tried| self.asked.contains(&tried.lr));
        100.0 * asked.map(|tried| tried.outcome.accuracy()).fold(1.0, f64::min)
    }

    /// Epochs until the mean validation loss first was no more than `loss`.
    fn epochs_to(&self, loss: f64) -> Option<f64> {
        self.curve().points.into_iter().find(|point| point.1 <= loss).map(|point| point.0)
    }

    /// The mean validation loss over the seeds.
    fn curve(&self) -> Curve {
        let curves: Vec<_> = self.best.iter().map(|tried| &tried.outcome.curve).collect();
        let length = curves.iter().map(|curve| curve.len()).min().unwrap_or_default();
        let mean = |index: usize| Spread::of(curves.iter().map(|curve| curve[index].loss)).mean;
        Curve {
            name: self.name.clone(),
            points: (0..length).map(|index| (curves[0][index].epoch, mean(index))).collect(),
        }
    }
}

/// Races on one problem; gives its part of the report.
fn race(problem: &dyn Problem, names: &[String], arguments: &Arguments) -> Result<String, TrainError> {
    let mut runners = Vec::new();
    for name in names {
        if problem.takes(&Competitor::named(name)?) {
            runners.push(Runner::run(problem, name, arguments)?);
        }
    }
    runners.sort_by(|one, other| one.loss().mean.total_cmp(&other.loss().mean));
    let (name, description) = (problem.name(), problem.description());
    write_json(&arguments.artifacts.join(format!("{name}.json")), &runners)?;
    let curves: Vec<Curve> = runners.iter().map(Runner::curve).collect();
    let picture = format!("{name}.svg");
    draw(
        &arguments.artifacts.join(&picture),
        &format!("{name}: each at its best rate"),
        ["epoch", "validation loss"],
        &curves,
    )?;

    // Within reach of most: the loss at which the middle of the field ends.
    let middle = runners.get(runners.len() / 2).map_or(0.0, |runner| runner.loss().mean);
    let rows: Vec<Vec<String>> = runners
        .iter()
        .map(|runner| {
            let seconds = runner.over_seeds(|outcome| outcome.seconds).mean / arguments.epochs as f64;
            vec![
                runner.name.clone(),
                runner.lr().map_or_else(|| "none".to_owned(), |lr| format!("{lr:.1e}")),
                format!("{:.4}", runner.loss()),
                runner.test().to_string(),
                runner.epochs_to(middle).map_or_else(String::new, |epochs| format!("{epochs:.1}")),
                format!("{:.2}", runner.worst()),
                format!("{seconds:.2}"),
            ]
        })
        .collect();
    let reached = format!("epochs to {middle:.4}");
    let heading = ["optimizer", "rate", "validation loss", "test accuracy, %", &reached, "worst rate, %", "s an epoch"];
    let (seeds, grid) = (arguments.seeds, &arguments.grid);
    let grid = grid.iter().map(f64::to_string).collect::<Vec<_>>().join(", ");
    Ok(format!(
        "\n## {name}\n\n{description}. Rates: {grid} times the optimizer's default, constant; mean and deviation over {seeds} seeds at \
         the best of them; \"worst rate\" is the validation accuracy at the worst of these.\n\n{}\n![validation loss]({picture})\n\n{}\n",
        table(&heading, &rows),
        paragraph(&runners)
    ))
}

/// What the race shows, in words; from its numbers.
fn paragraph(runners: &[Runner]) -> String {
    let Some(first) = runners.first() else { return String::new() };
    let limit = first.loss().mean + first.loss().deviation;
    let names = |some: Vec<&Runner>| some.iter().map(|runner| runner.name.as_str()).collect::<Vec<_>>().join(", ");
    let level = runners
        .iter()
        .skip(1)
        .filter(|runner| runner.loss().mean - runner.loss().deviation <= limit)
        .collect::<Vec<_>>();
    let level = if level.is_empty() { "none".to_owned() } else { names(level) };
    let tests = || runners.iter().map(|runner| runner.test().mean);
    let (low, high) = (tests().fold(f64::INFINITY, f64::min), tests().fold(0.0, f64::max));
    let mut forgiving: Vec<&Runner> = runners.iter().collect();
    forgiving.sort_by(|one, other| other.worst().total_cmp(&one.worst()));
    let some = forgiving.len().min(6) / 2;
    let least = forgiving.split_off(forgiving.len() - some);
    forgiving.truncate(some);
    format!(
        "The lowest validation loss is that of {} ({:.4}); those whose spread meets its: {level}. At their best rates the \
         optimizers' test accuracies lie between {low:.2} and {high:.2} %. The choice of the rate matters least to {}, most \
         to {}.",
        first.name,
        first.loss(),
        names(forgiving),
        names(least),
    )
}

fn run(arguments: &Arguments) -> Result<(), TrainError> {
    let positive = [("--seeds", arguments.seeds as usize), ("--every", arguments.every)];
    for (field, value) in positive {
        if value == 0 {
            return Err(TrainError::Value { field, value: value.to_string(), expected: "at least 1" });
        }
    }
    if !(arguments.seconds > 0.0 && arguments.seconds.is_finite()) {
        let (value, expected) = (arguments.seconds.to_string(), "a number above 0");
        return Err(TrainError::Value { field: "--seconds", value, expected });
    }
    if arguments.grid.is_empty() {
        return Err(TrainError::Value { field: "--grid", value: String::new(), expected: "at least one number" });
    }
    for factor in &arguments.grid {
        if !(factor.is_finite() && *factor > 0.0) {
            let expected = "positive numbers";
            return Err(TrainError::Value { field: "--grid", value: factor.to_string(), expected });
        }
    }
    let second_order = MinimizerConfig::NAMES.into_iter().filter(|name| !["newton", "bfgs"].contains(name));
    let ours = NamedOptimizer::names().filter(|name| !name.starts_with("burn-"));
    let ours = ours.chain(second_order).map(str::to_owned);
    let names = arguments.optimizers.clone().unwrap_or_else(|| ours.collect());
    names.iter().try_for_each(|name| Competitor::named(name).map(drop))?;
    let model = match &arguments.model {
        Some(name) => ModelConfig::named(name)?,
        None => ModelConfig::Mlp(MlpConfig::new().with_widths(vec![256, 128]).with_dropout(0.0).with_batch_norm(false)),
    };
    let config = RunConfig {
        dataset: arguments.dataset.clone(),
        model,
        schedule: Schedule::Constant,
        epochs: arguments.epochs,
        batch_size: arguments.batch_size,
        train_images: arguments.train_images,
        validation_images: arguments.validation_images.unwrap_or(if arguments.protocol { 10_000 } else { 5000 }),
        backend: arguments.backend,
        ..RunConfig::default()
    };
    let config = if arguments.protocol { protocol::workload(config) } else { config };
    config.check()?;
    let (_, device) = config.backend.device()?;
    let data = RunData::load(&config, &source(arguments.data.as_ref()), true)?;
    for notice in &data.notices {
        eprintln!("{notice}");
    }
    if arguments.protocol {
        println!("{}", protocol::run(&names, &config, &data, &device, arguments)?);
        println!("kept in {}", arguments.artifacts.display());
        return Ok(());
    }
    let (batch_size, epochs, every) = (arguments.batch_size, arguments.epochs, arguments.every);
    // Read first what may be missing.
    let sparse = arguments.a9a.as_ref().map(|folder| Sparse::read(folder, device.clone(), batch_size, epochs, every));
    let sparse = sparse.transpose()?;
    let images = Images { config, data, device, every };
    let mut report = "# Which optimizer to choose\n".to_owned();
    for problem in
        [Some(&images as &dyn Problem), sparse.as_ref().map(|sparse| sparse as &dyn Problem)].into_iter().flatten()
    {
        let part = race(problem, &names, arguments)?;
        println!("{part}");
        report += &part;
    }
    let path = arguments.artifacts.join("report.md");
    write(&path, &report)?;
    println!("kept in {}", arguments.artifacts.display());
    Ok(())
}

fn main() -> ExitCode {
    exit(run(&Arguments::parse()))
}
