//! Zeiler's two tables on MNIST: how the test error after six epochs depends on the learning rate of SGD, momentum and
//! Adagrad, and on Adadelta's ε and ρ. (M. D. Zeiler, *ADADELTA: An Adaptive Learning Rate Method*, 2012, tables 1 and 2.)
//!
//! ```text
//! cargo run --example adadelta_table
//! ```
//!
//! The network is the paper's, 784-500-300-10 with rectified linear units, softmax and batches of 100, on all 60,000
//! images. The paper does not say how weights were drawn (here as Burn's `Linear` does) or pixels scaled (here to
//! [0, 1]: at a mean of 0 and a deviation of 1, plain descent at the rate of 1 diverges, which the paper's does not).
//! The report and all numbers are left under `artifacts/adadelta/`.

mod support;

use burn::tensor::Device;
use burn_descent::optim::NamedOptimizer;
use burn_descent::optim::{AdadeltaConfig, AdagradConfig, MomentumConfig, SgdConfig};
use burn_descent::schedule::Schedule;
use burn_descent_lab::networks::MlpConfig;
use burn_descent_lab::runs::{Backend, ModelConfig, Normalization, RunConfig, RunData, TrainError, TrainingSession};
use clap::Parser;
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;
use support::{exit, source, table, write, write_json};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Repeat the tables of the ADADELTA paper.
#[derive(Parser)]
#[command(name = "adadelta_table")]
struct Arguments {
    /// Folder with MNIST's IDX files [default: as the mnist example finds them].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Passes over the training images; the paper's tables are of 6.
    #[arg(long, default_value_t = 6)]
    epochs: usize,
    /// Train on so many images only, to try the program.
    #[arg(long, value_name = "N")]
    train_images: Option<usize>,
    /// Seed of everything random.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// auto, flex, ndarray, wgpu or cuda.
    #[arg(long, default_value_t = Backend::Auto)]
    backend: Backend,
    /// Folder for the results.
    #[arg(long, value_name = "DIR", default_value = "artifacts/adadelta")]
    artifacts: PathBuf,
}

/// Learning rates of the first table, one a row, and the paper's test errors in percent for SGD, momentum and Adagrad.
const RATES: [(f64, [f64; 3]); 5] = [
    (1e0, [2.26, 89.68, 43.76]),
    (1e-1, [2.51, 2.03, 2.82]),
    (1e-2, [7.02, 2.68, 1.79]),
    (1e-3, [17.01, 6.98, 5.21]),
    (1e-4, [58.10, 16.98, 12.59]),
];
/// ε of the second table, one a row, and the paper's test errors in percent for each ρ.
const EPSILONS: [(f64, [f64; 3]); 4] =
    [(1e-2, [2.59, 2.58, 2.32]), (1e-4, [2.05, 1.99, 2.28]), (1e-6, [1.90, 1.83, 2.05]), (1e-8, [2.29, 2.13, 2.00])];
const RHOS: [f64; 3] = [0.9, 0.95, 0.99];

/// One cell.
#[derive(Clone, Serialize)]
struct Cell {
    optimizer: NamedOptimizer,
    lr: f64,
    /// Test error after each epoch, in percent.
    errors: Vec<f64>,
    /// The paper's after the sixth.
    paper: f64,
}

impl Cell {
    fn error(&self) -> f64 {
        self.errors.last().copied().unwrap_or(100.0)
    }
}

struct Bench {
    config: RunConfig,
    data: RunData,
    device: Device,
}

impl Bench {
    fn cell(&self, optimizer: NamedOptimizer, lr: f64, paper: f64) -> Result<Cell, TrainError> {
        let config = RunConfig { optimizer: optimizer.clone(), lr, ..self.config.clone() };
        let mut session = TrainingSession::new(&config, &self.data, &self.device)?;
        let mut errors = Vec::new();
        while session.train(usize::MAX)?.is_some() {
            errors.push(100.0 * (1.0 - session.test()?.accuracy));
        }
        let cell = Cell { optimizer, lr, errors, paper };
        eprintln!("{:9} rate {lr:e}: {:.2} % (paper: {paper} %)", cell.optimizer.name(), cell.error());
        Ok(cell)
    }

    /// SGD, momentum and Adagrad at one rate.
    fn rate(&self, lr: f64, paper: [f64; 3]) -> Result<Vec<Cell>, TrainError> {
        let optimizers = [
            NamedOptimizer::with_config("sgd", SgdConfig::new())?,
            NamedOptimizer::with_config("momentum", MomentumConfig::lecture())?,
            NamedOptimizer::with_config("adagrad", AdagradConfig::new())?,
        ];
        optimizers.into_iter().zip(paper).map(|(optimizer, paper)| self.cell(optimizer, lr, paper)).collect()
    }

    /// Adadelta without a learning rate at one ε and every ρ.
    fn epsilon(&self, epsilon: f64, paper: [f64; 3]) -> Result<Vec<Cell>, TrainError> {
        let cells = RHOS.into_iter().zip(paper).map(|(rho, paper)| {
            let config = AdadeltaConfig::zeiler().with_rho(rho).with_epsilon(epsilon);
            self.cell(NamedOptimizer::with_config("adadelta", config)?, 1.0, paper)
        });
        cells.collect()
    }
}

/// A table of ours and the paper's errors, with the spread of each column.
fn side_by_side(corner: &str, columns: &[String], rows: &[(f64, Vec<Cell>)]) -> String {
    let columns = columns.iter().flat_map(|name| [name.clone(), "paper".to_owned()]);
    let heading: Vec<String> = [corner.to_owned()].into_iter().chain(columns).collect();
    let pair = |[ours, paper]: [f64; 2]| [format!("{ours:.2}"), format!("{paper:.2}")];
    let mut lines: Vec<Vec<String>> = rows
        .iter()
        .map(|(value, cells)| {
            let cells = cells.iter().flat_map(|cell| pair([cell.error(), cell.paper]));
            [format!("{value:e}")].into_iter().chain(cells).collect()
        })
        .collect();
    let spreads = (0..rows[0].1.len()).flat_map(|column| pair(spread(rows.iter().map(|row| &row.1[column]))));
    lines.push(["highest − lowest".to_owned()].into_iter().chain(spreads).collect());
    table(&heading.iter().map(String::as_str).collect::<Vec<_>>(), &lines)
}

/// The highest less the lowest error, ours and the paper's.
fn spread<'a>(cells: impl Iterator<Item = &'a Cell> + Clone) -> [f64; 2] {
    let range = |errors: &mut dyn Iterator<Item = f64>| {
        let ends = errors.fold((f64::INFINITY, 0.0_f64), |(low, high), error| (low.min(error), high.max(error)));
        ends.1 - ends.0
    };
    [range(&mut cells.clone().map(Cell::error)), range(&mut cells.map(|cell| cell.paper))]
}

fn run(arguments: &Arguments) -> Result<(), TrainError> {
    let mlp = MlpConfig::new().with_widths(vec![500, 300]).with_dropout(0.0).with_batch_norm(false);
    let config = RunConfig {
        model: ModelConfig::Mlp(mlp),
        schedule: Schedule::Constant,
        epochs: arguments.epochs,
        batch_size: 100,
        train_images: arguments.train_images,
        validation_images: 1,
        seed: arguments.seed,
        backend: arguments.backend,
        ..RunConfig::default()
    };
    config.check()?;
    let (_, device) = config.backend.device()?;
    let mut data = RunData::load(&config, &source(arguments.data.as_ref()), true)?;
    if let Some(notice) = data.notices.first() {
        eprintln!("{notice}");
    }
    data.description.normalization = Normalization::identity(1);
    data.train_indices = (0..data.train.len().min(arguments.train_images.unwrap_or(usize::MAX))).collect();
    let bench = Bench { config, data, device };
    let rates = RATES.into_iter().map(|(lr, paper)| Ok((lr, bench.rate(lr, paper)?)));
    let rates = rates.collect::<Result<Vec<_>, TrainError>>()?;
    let epsilons = EPSILONS.into_iter().map(|(epsilon, paper)| Ok((epsilon, bench.epsilon(epsilon, paper)?)));
    let epsilons = epsilons.collect::<Result<Vec<_>, TrainError>>()?;

    let cells = |rows: &[(f64, Vec<Cell>)]| rows.iter().flat_map(|row| row.1.clone()).collect::<Vec<_>>();
    let (first, second) = (cells(&rates), cells(&epsilons));
    let [ours, papers] = spread(second.iter());
    let [rate_ours, rate_papers] = spread(first.iter());
    let report = format!(
        "# The tables of the ADADELTA paper\n\nTest error on {} after {} epochs on {} images, in percent, seed {}; beside each \
         the paper's.\n\n{}\n{}\nOver four decades of the learning rate the error of the first three moves by {rate_ours:.2} \
         points (paper: {rate_papers:.2}); over six decades of ε and all ρ Adadelta's moves by {ours:.2} (paper: {papers:.2}).\n",
        bench.data.kind,
        arguments.epochs,
        bench.data.train_indices.len(),
        arguments.seed,
        side_by_side("rate", &["SGD", "momentum", "Adagrad"].map(str::to_owned), &rates),
        side_by_side("Adadelta, ε", &RHOS.map(|rho| format!("ρ {rho}")), &epsilons),
    );
    println!("{report}");
    write_json(&arguments.artifacts.join("cells.json"), &first.iter().chain(&second).collect::<Vec<_>>())?;
    write(&arguments.artifacts.join("report.md"), &report)?;
    println!("kept in {}", arguments.artifacts.display());
    Ok(())
}

fn main() -> ExitCode {
    exit(run(&Arguments::parse()))
}
