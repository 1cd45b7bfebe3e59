//! How sharp is a minimum, and what lies between two? A perceptron is trained as usual and with sharpness-aware minimization:
//! the largest eigenvalues of the Hessian (Lanczos), the loss along random directions that are as long as the network's filters
//! (Li et al. 2018), and on the way from one network to another, straight and bent (Garipov et al. 2018).
//!
//! ```text
//! cargo run --example sharpness
//! cargo run --example sharpness -- --train-images 2000 --epochs 20 --rho 0.1
//! ```
//!
//! All pictures are slices of one dimension through a space of some thousands: what is a hill there can be gone around. Leaves
//! a report, the numbers and the pictures under `artifacts/sharpness/`.

mod support;

use burn::tensor::{Device, Tensor};
use burn_descent::landscape::{Bezier, eigenvalues, line, random_direction};
use burn_descent::nn::{LabelSmoothing, cross_entropy};
use burn_descent::second_order::ModuleObjective;
use burn_descent::weights::SamConfig;
use burn_descent_lab::networks::MlpConfig;
use burn_descent_lab::runs::{
    Backend, Classifier, DatasetKind, ImageBatch, ImageSource, ModelConfig, RunConfig, RunData, TrainError,
    TrainingSession,
};
use clap::Parser;
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;
use support::{Curve, draw, exit, source, table, write, write_json};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Look at the minima that training finds.
#[derive(Parser)]
#[command(name = "sharpness", allow_negative_numbers = true)]
struct Arguments {
    /// How far sharpness-aware minimization looks.
    #[arg(long, default_value_t = 0.05)]
    rho: f64,
    /// Units of the hidden layer.
    #[arg(long, value_name = "N", default_value_t = 50)]
    units: usize,
    /// Passes over the training images.
    #[arg(long, default_value_t = 20)]
    epochs: usize,
    /// Train on so many images; the loss of all of them is what is looked at.
    #[arg(long, value_name = "N", default_value_t = 2000)]
    train_images: usize,
    /// Steps of Lanczos' method.
    #[arg(long, value_name = "N", default_value_t = 30)]
    lanczos: usize,
    /// Steps that bend the curve.
    #[arg(long, value_name = "N", default_value_t = 300)]
    bend: usize,
    /// mnist, fashion or synthetic.
    #[arg(long, default_value_t = DatasetKind::Mnist)]
    dataset: DatasetKind,
    /// Folder with the data set's IDX files [default: as the mnist example finds them].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Folder for the results.
    #[arg(long, value_name = "DIR", default_value = "artifacts/sharpness")]
    artifacts: PathBuf,
    /// auto, flex, ndarray, wgpu or cuda.
    #[arg(long, default_value_t = Backend::Auto)]
    backend: Backend,
}

/// A network that was trained, as what is looked at.
#[derive(Serialize)]
struct Minimum {
    name: String,
    loss: f64,
    test_accuracy: f64,
    /// The largest eigenvalues of the Hessian, and the lowest.
    largest: Vec<f64>,
    lowest: f64,
    /// The loss along a random direction, at [`ticks`].
    slice: Vec<f64>,
}

/// The loss between two networks, at [`shares`].
#[derive(Serialize)]
struct Between {
    networks: [String; 2],
    straight: Vec<f64>,
    bent: Vec<f64>,
}

const RATE: f64 = 0.1;
/// With smoothed labels the loss has a minimum; without, it falls for ever, and flattens as it falls.
const SMOOTHING: LabelSmoothing = LabelSmoothing::AllClasses(0.1);
/// The rate by which the curve is bent.
const BEND: f64 = 3e-3;

fn ticks() -> Vec<f64> {
    (-20..=20).map(|tick| f64::from(tick) / 20.0).collect()
}

fn shares() -> Vec<f64> {
    (0..=40).map(|share| f64::from(share) / 40.0).collect()
}

fn main() -> ExitCode {
    exit(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<(), TrainError> {
    let network = MlpConfig::new().with_widths(vec![arguments.units]).with_dropout(0.0).with_batch_norm(false);
    let base = RunConfig {
        dataset: arguments.dataset.clone(),
        model: ModelConfig::Mlp(network),
        lr: RATE,
        optimizer: burn_descent::optim::NamedOptimizer::named("momentum")?,
        epochs: arguments.epochs,
        train_images: Some(arguments.train_images),
        validation_images: 100,
        label_smoothing: SMOOTHING,
        backend: arguments.backend,
        ..RunConfig::default()
    };
    let sam = SamConfig::new().with_rho(arguments.rho);
    sam.init()?;
    base.check()?;
    let (_, device) = base.backend.device()?;
    let data = RunData::load(&base, &source(arguments.data.as_ref()), true)?;
    data.notices.iter().for_each(|notice| println!("{notice}"));
    let batch = whole(&data, &device)?;
    write(&arguments.artifacts.join("report.md"), "# Sharpness\n\nnot finished\n")?;

    let runs = [
        ("as usual", base.clone()),
        ("as usual, another seed", base.clone().with_seed(2)),
        ("sharpness-aware", RunConfig { sam: Some(sam), ..base.clone() }),
    ];
    let (mut minima, mut vectors, mut first) = (Vec::new(), Vec::new(), None);
    for (name, config) in runs {
        let (classifier, test_accuracy) = trained(&config, &data, &device)?;
        let mut objective = ModuleObjective::new(classifier.clone(), |network: &Classifier| loss(network, &batch));
        let theta = objective.start();
        minima.push(looked_at(name, &mut objective, &theta, test_accuracy, arguments.lanczos));
        vectors.push(theta);
        first.get_or_insert(classifier);
    }
    let Some(first) = first else { return Ok(()) };
    // The parameters of each network, in the places of the first's.
    let mut objective = ModuleObjective::new(first, |network: &Classifier| loss(network, &batch));
    let mut between = Vec::new();
    for other in [1, 2] {
        let networks = [0, other].map(|index: usize| minima[index].name.clone());
        let (from, to) = (vectors[0].clone(), vectors[other].clone());
        let straight = line(&mut objective, &from, &to, &shares());
        let curve = Bezier::straight(from, to).bend(&mut objective, arguments.bend, BEND, 1)?;
        between.push(Between { networks, straight, bent: curve.values(&mut objective, &shares()) });
    }
    report(arguments, &minima, &between)
}

/// All training images at once.
fn whole(data: &RunData, device: &Device) -> Result<ImageBatch, TrainError> {
    let source = ImageSource::new(data.train.clone(), data.train_indices.clone(), data.normalization().clone());
    let mut batches = source.loader(data.train_indices.len(), &device.clone().autodiff()).epoch(1, 0);
    let batch = batches.next().ok_or_else(|| TrainError::Stopped("there are no training images".to_owned()))?;
    batch.map_err(|error| TrainError::Stopped(error.to_string()))
}

fn loss(network: &Classifier, batch: &ImageBatch) -> Tensor<1> {
    cross_entropy(network.forward(batch.images.clone()), batch.targets.clone(), SMOOTHING)
}

fn trained(config: &RunConfig, data: &RunData, device: &Device) -> Result<(Classifier, f64), TrainError> {
    let mut session = TrainingSession::new(config, data, device)?;
    while session.train(usize::MAX)?.is_some() {}
    let accuracy = session.test()?.accuracy;
    Ok((session.model()?, accuracy))
}

fn looked_at<F, G>(
    name: &str,
    objective: &mut ModuleObjective<Classifier, F, G>,
    theta: &Tensor<1>,
    test_accuracy: f64,
    steps: usize,
) -> Minimum
where
    F: FnMut(&Classifier) -> Tensor<1>,
    G: FnMut(&Classifier) -> Tensor<2>,
{
    let values = eigenvalues(objective, theta, steps, 1);
    let direction = random_direction(objective, theta, 1);
    let slice = line(objective, theta, &(theta.clone() + direction), &ticks());
    let loss = line(objective, theta, theta, &[0.0])[0];
    let lowest = values.last().copied().unwrap_or(f64::NAN);
    let minimum = Minimum {
        name: name.to_owned(),
        loss,
        test_accuracy,
        largest: values.into_iter().take(5).collect(),
        lowest,
        slice,
    };
    println!("{name}: loss {loss:.2e}, largest eigenvalue {:.3}", minimum.largest.first().copied().unwrap_or(f64::NAN));
    minimum
}

fn report(arguments: &Arguments, minima: &[Minimum], between: &[Between]) -> Result<(), TrainError> {
    let folder = &arguments.artifacts;
    let of = |name: &str, at: Vec<f64>, losses: &[f64]| Curve {
        name: name.to_owned(),
        points: at.into_iter().zip(losses.iter().copied()).collect(),
    };
    let slices: Vec<Curve> = minima.iter().map(|minimum| of(&minimum.name, ticks(), &minimum.slice)).collect();
    let axes = ["share of a random direction as long as the filters", "training loss"];
    draw(&folder.join("slices.svg"), "slices through the loss", axes, &slices)?;
    let ways = between.iter().flat_map(|between| {
        let [from, to] = &between.networks;
        let way = |kind: &str, losses: &[f64]| of(&format!("{from} to {to}, {kind}"), shares(), losses);
        [way("straight", &between.straight), way("bent", &between.bent)]
    });
    let axes = ["share of the way", "training loss"];
    draw(&folder.join("ways.svg"), "from one network to another", axes, &ways.collect::<Vec<_>>())?;
    write_json(&folder.join("sharpness.json"), &serde_json::json!({ "minima": minima, "between": between }))?;

    let cells = |minimum: &Minimum| {
        let largest: Vec<String> = minimum.largest.iter().map(|value| format!("{value:.3}")).collect();
        vec![
            minimum.name.clone(),
            format!("{:.2e}", minimum.loss),
            format!("{:.2}", 100.0 * minimum.test_accuracy),
            largest.join(", "),
            format!("{:.3}", minimum.lowest),
        ]
    };
    let rows: Vec<Vec<String>> = minima.iter().map(cells).collect();
    let highest = |losses: &[f64]| losses.iter().copied().fold(0.0, f64::max);
    let ways: Vec<Vec<String>> = between
        .iter()
        .map(|between| {
            let [from, to] = &between.networks;
            vec![
                format!("{from} to {to}"),
                format!("{:.3}", highest(&between.straight)),
                format!("{:.3}", highest(&between.bent)),
            ]
        })
        .collect();
    let text = format!(
        "# Sharpness\n\nA perceptron of {} units, {} images of {}, momentum at {RATE}, labels smoothed by 0.1, {} epochs; sharpness-aware with ρ = {}. \
         Eigenvalues of the Hessian of the whole training loss, by {} steps of Lanczos.\n\n{}\nThe highest loss on the way from \
         one network to another:\n\n{}\n![slices](slices.svg)\n![ways](ways.svg)\n\nAll of these are slices of one dimension \
         through a space of many.\n",
        arguments.units,
        arguments.train_images,
        arguments.dataset,
        arguments.epochs,
        arguments.rho,
        arguments.lanczos,
        table(&["trained", "loss", "test accuracy, %", "largest eigenvalues", "lowest"], &rows),
        table(&["way", "straight", "bent"], &ways)
    );
    write(&folder.join("report.md"), &text)?;
    println!("\n{text}\nkept in {}", folder.display());
    Ok(())
}
