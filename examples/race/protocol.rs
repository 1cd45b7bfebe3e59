//! AlgoPerf's protocol (Dahl et al. 2023) on its MNIST workload, as a table of ours and no result of the benchmark: time and
//! steps until the validation accuracy reaches the target, by the best of five trials in each of three studies.

use super::Arguments;
use super::problem::{Competitor, LARGE_BATCH};
use super::support::{Curve, draw_shares, table, write, write_json};
use burn::tensor::Device;
use burn_descent::nn::Activation;
use burn_descent::schedule::Schedule;
use burn_descent_lab::networks::MlpConfig;
use burn_descent_lab::runs::{ModelConfig, RunConfig, RunData, TrainError, TrainingSession};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use serde::Serialize;

/// The share of the validation images that has to be classified rightly.
const TARGET: f64 = 0.97;
const TRIALS: u64 = 5;
const STUDIES: u64 = 3;
/// Images of a step.
const BATCH: usize = 128;
/// Rates are drawn as evenly in their logarithm from the optimizer's own over this to its own times this.
const RANGE: f64 = 10.0;
/// Passes that nobody needs in the time.
const MANY: usize = 1000;

/// The run that AlgoPerf's workload is: 128 sigmoid units, 50,000 images to train on and 10,000 to validate.
pub fn workload(base: RunConfig) -> RunConfig {
    let network = MlpConfig::new().with_widths(vec![128]).with_dropout(0.0).with_batch_norm(false);
    RunConfig {
        model: ModelConfig::Mlp(network.with_activation(Activation::Sigmoid)),
        schedule: Schedule::Constant,
        batch_size: BATCH,
        epochs: MANY,
        ..base
    }
}

/// One training until the target or the end of the time.
#[derive(Clone, Serialize)]
struct Trial {
    study: u64,
    rate: f64,
    /// None where the target was not reached.
    seconds: Option<f64>,
    steps: usize,
}

/// What a method came to.
#[derive(Serialize)]
struct Entry {
    name: String,
    trials: Vec<Trial>,
}

impl Entry {
    /// The fastest trial of each study.
    fn best(&self) -> Vec<Option<&Trial>> {
        let of = |study| {
            let reached = self.trials.iter().filter(|trial| trial.study == study && trial.seconds.is_some());
            reached.min_by(|one, other| one.seconds.partial_cmp(&other.seconds).unwrap_or(std::cmp::Ordering::Equal))
        };
        (0..STUDIES).map(of).collect()
    }

    /// The median over the studies, infinite where most did not reach the target.
    fn median(&self, of: impl Fn(&Trial) -> f64) -> f64 {
        let mut values: Vec<f64> = self.best().into_iter().map(|best| best.map_or(f64::INFINITY, &of)).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    }

    fn seconds(&self) -> f64 {
        self.median(|trial| trial.seconds.unwrap_or(f64::INFINITY))
    }

    /// The share of the studies that took at most `most` seconds.
    fn share(&self, most: f64) -> f64 {
        let within = self.best().into_iter().flatten().filter(|trial| trial.seconds.is_some_and(|it| it <= most));
        within.count() as f64 / STUDIES as f64
    }
}

/// Trains `config` until the target.
fn trial(config: &RunConfig, data: &RunData, device: &Device, study: u64, most: f64) -> Result<Trial, TrainError> {
    let mut session = TrainingSession::new(config, data, device)?;
    // Four times a pass, or after each large batch.
    let every = (data.train_indices.len() / config.batch_size / 4).max(1);
    let mut trial = Trial { study, rate: config.lr, seconds: None, steps: 0 };
    while let Some(progress) = session.train(every)? {
        trial.steps = progress.step;
        let seen = session.validate()?;
        if seen.accuracy >= TARGET && progress.seconds <= most {
            trial.seconds = Some(progress.seconds);
        }
        if trial.seconds.is_some() || progress.seconds > most || !seen.loss.is_finite() {
            break;
        }
    }
    Ok(trial)
}

/// The configuration of a method, with a rate that is drawn where it has one.
fn configuration(name: &str, base: &RunConfig, rng: &mut ChaCha8Rng) -> Result<RunConfig, TrainError> {
    let competitor = Competitor::named(name)?;
    let factor = RANGE.powf(rng.random_range(-1.0..1.0));
    Ok(competitor.run(base, competitor.rate().unwrap_or(1.0) * factor))
}

fn enter(name: &str, base: &RunConfig, data: &RunData, device: &Device, most: f64) -> Result<Entry, TrainError> {
    let mut trials = Vec::new();
    for study in 0..STUDIES {
        // The same draws for every method.
        let mut rng = ChaCha8Rng::seed_from_u64(study);
        for number in 0..TRIALS {
            let config = configuration(name, base, &mut rng)?.with_seed(study * TRIALS + number + 1);
            trials.push(trial(&config, data, device, study, most)?);
        }
    }
    let entry = Entry { name: name.to_owned(), trials };
    eprintln!("{name:20} {:.2} s", entry.seconds());
    Ok(entry)
}

/// Runs the protocol, and gives its part of the report.
pub fn run(
    names: &[String],
    base: &RunConfig,
    data: &RunData,
    device: &Device,
    arguments: &Arguments,
) -> Result<String, TrainError> {
    let (folder, most) = (&arguments.artifacts, arguments.seconds);
    let entries = names.iter().map(|name| enter(name, base, data, device, most));
    let mut entries = entries.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by(|one, other| one.seconds().total_cmp(&other.seconds()));
    write_json(&folder.join("protocol.json"), &entries)?;
    let number = |value: f64, digits: usize| match value.is_finite() {
        true => format!("{value:.digits$}"),
        false => "not reached".to_owned(),
    };
    let cells = |entry: &Entry| {
        let reached = entry.trials.iter().filter(|trial| trial.seconds.is_some()).count();
        vec![
            entry.name.clone(),
            number(entry.seconds(), 2),
            number(entry.median(|trial| trial.steps as f64), 0),
            format!("{reached} of {}", STUDIES * TRIALS),
        ]
    };
    let rows: Vec<Vec<String>> = entries.iter().map(cells).collect();
    let text = format!(
        "# The protocol of AlgoPerf on its MNIST workload\n\nNo result of AlgoPerf: its network (784-128 sigmoid units-10), its \
         data ({} images, {} to validate), its target ({:.0} % of the validation images within {most} s of training) \
         and its tuning ({TRIALS} trials in each of {STUDIES} studies, the fastest of a study, the median of the studies), on \
         this machine and with this search: a constant rate, drawn within a factor of {RANGE} of the optimizer's own, the same \
         draws for all; batches of {BATCH}, of {LARGE_BATCH} for second-order methods, which have no rate.\n\n{}\n![share of the \
         studies within so many times the fastest method's seconds](protocol.svg)\n",
        data.train_indices.len(),
        base.validation_images,
        100.0 * TARGET,
        table(&["method", "seconds", "steps", "trials that reached it"], &rows)
    );
    let fastest = entries.first().map_or(f64::INFINITY, Entry::seconds);
    if fastest.is_finite() {
        let times = |index: u32| 1.0 + 0.05 * f64::from(index);
        let curve = |entry: &Entry| Curve {
            name: entry.name.clone(),
            points: (0..=60).map(|index| (times(index), entry.share(times(index) * fastest))).collect(),
        };
        let curves: Vec<Curve> = entries.iter().map(curve).collect();
        let axes = ["times the fastest method's median", "share of the studies"];
        draw_shares(&folder.join("protocol.svg"), "performance profile", axes, &curves)?;
    }
    write(&folder.join("protocol.md"), &text)?;
    Ok(text)
}
