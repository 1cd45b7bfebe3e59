//! The training engine: a small net on points of the plane, broken off wherever it can be, and all that a training of it
//! comes to, to be compared bit by bit.
//!
//! In a program of its own, since a device's generator is one for all threads: what another test draws while one of these
//! trains would change what comes of it, and a layer draws its parameters whenever they are first asked for.

mod checkpoints;
mod loader;
mod resumption;
mod stopping;
mod updates;

use burn::data::dataset::DatasetError;
use burn::lr_scheduler::module_lr_scheduler::{ModuleLearningRate, ModuleLrScheduler};
use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{BatchNorm, BatchNormConfig, Dropout, DropoutConfig, Linear, LinearConfig};
use burn::optim::OptimizerRecord;
use burn::tensor::{Bytes, Device, Int, Tensor, TensorData, activation};
use burn::train::metric::{AccuracyMetric, LearningRateMetric, LossMetric};
use burn::train::{ClassificationOutput, InferenceStep, SupervisedTraining, TrainOutput, TrainStep};
use burn_descent::early_stopping::EarlyStoppingConfig;
use burn_descent::optim::RecordMismatch;
use burn_descent::schedule::{RunLength, Schedule};
use burn_descent::train::{
    BatchSource, CheckpointPolicy, Criterion, Engine, EngineError, History, Loader, Outcome, Places, PlainProgress,
    Position, Step, StopSignal, TrainingLoader, Update, read_progress,
};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tempfile::TempDir;

/// Is held by a test that draws from the generator.
type Alone = MutexGuard<'static, ()>;

/// Waits until no other test draws from the generator. To be called once at a time.
fn drawing_alone() -> Alone {
    static GENERATOR: Mutex<()> = Mutex::new(());
    GENERATOR.lock().unwrap_or_else(PoisonError::into_inner)
}

// ---------------------------------------------------------------------------------------------------------------------
// A net and its data

/// Two layers with all that makes a resumption hard: running statistics, and units that are dropped at random.
#[derive(Module, Debug)]
struct Net {
    first: Linear,
    norm: Option<BatchNorm>,
    dropout: Dropout,
    second: Linear,
}

impl Net {
    fn new(dropout: f64, device: &Device) -> Self {
        Self { norm: Some(BatchNormConfig::new(6).init(device)), ..Self::plain(dropout, device) }
    }

    /// Without batch normalization.
    fn plain(dropout: f64, device: &Device) -> Self {
        device.seed(7);
        Self {
            first: LinearConfig::new(2, 6).init(device),
            norm: None,
            dropout: DropoutConfig::new(dropout).init(),
            second: LinearConfig::new(6, 2).init(device),
        }
    }

    fn forward(&self, points: Tensor<2>) -> Tensor<2> {
        let hidden = self.first.forward(points);
        let hidden = match &self.norm {
            Some(norm) => norm.forward(hidden),
            None => hidden,
        };
        let hidden = activation::relu(hidden);
        self.second.forward(self.dropout.forward(hidden))
    }

    fn output(&self, batch: PointBatch) -> ClassificationOutput {
        let output = self.forward(batch.points);
        let loss = CrossEntropyLossConfig::new().init(&output.device()).forward(output.clone(), batch.classes.clone());
        ClassificationOutput::new(loss * batch.scale, output, batch.classes)
    }
}

impl TrainStep for Net {
    type Input = PointBatch;
    type Output = ClassificationOutput;

    fn step(&self, batch: PointBatch) -> TrainOutput<ClassificationOutput> {
        let output = self.output(batch);
        TrainOutput::new(self, output.loss.backward(), output)
    }
}

impl InferenceStep for Net {
    type Input = PointBatch;
    type Output = ClassificationOutput;

    fn step(&self, batch: PointBatch) -> ClassificationOutput {
        self.output(batch)
    }
}

#[derive(Clone, Debug)]
struct PointBatch {
    points: Tensor<2>,
    classes: Tensor<1, Int>,
    /// What the loss is multiplied by.
    scale: f64,
}

/// What is done before a batch is made.
type Hook = Arc<dyn Fn(&Places<'_>) -> Result<(), DatasetError> + Send + Sync>;
/// What the loss of a batch is multiplied by.
type Scale = Arc<dyn Fn(&Places<'_>) -> f64 + Send + Sync>;

/// Points of the plane, in a circle or not, a few of them on the wrong side. In each epoch of a training they are a little
/// elsewhere.
#[derive(Clone)]
struct Points {
    first: usize,
    number: usize,
    hook: Hook,
    scale: Scale,
}

impl Points {
    fn new(first: usize, number: usize) -> Self {
        Self { first, number, hook: Arc::new(|_| Ok(())), scale: Arc::new(|_| 1.0) }
    }

    fn training() -> Self {
        Self::new(0, EXAMPLES)
    }

    fn validation() -> Self {
        Self::new(1000, 11)
    }
}

/// A number in `[-1, 1)` that depends on both.
fn scatter(one: usize, other: usize) -> f32 {
    let mut bits =
        (one as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (other as u64).wrapping_mul(0xD1B5_4A32_D192_ED03);
    for _ in 0..2 {
        bits = (bits ^ (bits >> 31)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    }
    (bits >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
}

impl BatchSource for Points {
    type Batch = PointBatch;

    fn examples(&self) -> usize {
        self.number
    }

    fn batch(&self, places: &Places<'_>, device: &Device) -> Result<PointBatch, DatasetError> {
        (self.hook)(places)?;
        let (mut points, mut classes) = (Vec::new(), Vec::new());
        for (example, number) in places.examples.iter().zip(places.numbers) {
            let example = self.first + example;
            let (x, y) = (scatter(example, 1), scatter(example, 2));
            let wrong = scatter(example, 3) > 0.6;
            classes.push(i32::from((x * x + y * y < 0.6) != wrong));
            let far = if self.first == 0 { 0.05 } else { 0.0 };
            let moved = |coordinate| far * scatter(*number, 10 * places.epoch + coordinate);
            points.extend([x + moved(0), y + moved(1)]);
        }
        let rows = classes.len();
        Ok(PointBatch {
            points: Tensor::from_data(TensorData::new(points, [rows, 2]), device),
            classes: Tensor::from_data(TensorData::new(classes, [rows]), device),
            scale: (self.scale)(places),
        })
    }
}

/// In batches of 4, the last of which is joined by the one that is left over.
const EXAMPLES: usize = 25;
const STEPS: u64 = 6;

// ---------------------------------------------------------------------------------------------------------------------
// Trainings

/// What a training is, but for its steps.
#[derive(Clone)]
struct Setup {
    epochs: usize,
    seed: u64,
    order: u64,
    prefetch: usize,
    dropout: f64,
    /// Whether there is batch normalization.
    normalized: bool,
    rate: f64,
    schedule: Schedule,
    /// In the place of rate and schedule.
    rates: Option<ModuleLrScheduler>,
    policy: CheckpointPolicy,
    criterion: Criterion,
    early_stopping: Option<EarlyStoppingConfig>,
    snapshots: Vec<usize>,
    fingerprint: String,
    points: Points,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            epochs: 3,
            seed: 5,
            order: 3,
            prefetch: 0,
            dropout: 0.25,
            normalized: true,
            rate: 0.02,
            schedule: Schedule::Constant,
            rates: None,
            policy: CheckpointPolicy { every_steps: Some(2), ..CheckpointPolicy::default() },
            criterion: Criterion::default(),
            early_stopping: None,
            snapshots: vec![1],
            fingerprint: String::new(),
            points: Points::training(),
        }
    }
}

/// What trains, broken off or not.
type Broken = Engine<Breaking>;

/// Where a training is broken off.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Break {
    /// By a signal in this step, counted from 1 over all epochs.
    Signal(u64),
    /// By Burn's interrupter in this step, as the dashboard does it.
    Interrupter(u64),
    /// By an error in this step.
    Error(u64),
    /// By a signal in the validation after this epoch.
    Validation(usize),
}

impl Setup {
    fn length(&self) -> RunLength {
        RunLength { epochs: self.epochs, steps_per_epoch: STEPS as usize }
    }

    fn engine(&self, update: Breaking) -> Broken {
        let schedule = self.schedule.scheduler(self.rate, self.length()).expect("a schedule in range");
        let engine = match &self.rates {
            Some(rates) => Engine::new(update, rates.clone()),
            None => Engine::new(update, schedule),
        };
        engine
            .with_epochs(self.epochs)
            .with_seed(self.seed)
            .with_checkpoints(self.policy)
            .with_criterion(self.criterion.clone())
            .with_early_stopping(self.early_stopping)
            .with_snapshots(self.snapshots.clone())
            .with_fingerprint(self.fingerprint.clone())
    }

    fn net(&self) -> Net {
        if self.normalized { Net::new(self.dropout, &device()) } else { Net::plain(self.dropout, &device()) }
    }

    fn loader(&self) -> Loader<PointBatch> {
        Loader::new(self.points.clone(), 4, &device())
            .shuffled(self.order)
            .with_smallest_batch(2)
            .prefetch(self.prefetch)
    }

    /// Trains in `folder`, and goes on there, until the break.
    fn train<U: Update<Net>>(
        &self,
        alone: &Alone,
        folder: &Path,
        make: impl FnOnce(&Net) -> U,
        at: Option<Break>,
    ) -> Outcome<Net> {
        self.train_by(alone, folder, make, at, |engine| engine, self.loader())
    }

    /// The same, with whatever else an engine may have, by other batches.
    fn train_by<U: Update<Net>>(
        &self,
        _alone: &Alone,
        folder: &Path,
        make: impl FnOnce(&Net) -> U,
        at: Option<Break>,
        change: impl FnOnce(Broken) -> Broken,
        training: impl Into<TrainingLoader<PointBatch>>,
    ) -> Outcome<Net> {
        let net = self.net();
        let update: Box<dyn Update<Net>> = Box::new(make(&net));
        self.run(folder, net, update, at, Box::new(change), training.into(), Box::new(configured))
    }

    /// The same, with other metrics.
    fn train_configured<U: Update<Net>>(
        &self,
        _alone: &Alone,
        folder: &Path,
        make: impl FnOnce(&Net) -> U,
        at: Option<Break>,
        configure: impl FnOnce(SupervisedTraining<Net>) -> SupervisedTraining<Net>,
    ) -> Outcome<Net> {
        let net = self.net();
        let update: Box<dyn Update<Net>> = Box::new(make(&net));
        self.run(folder, net, update, at, Box::new(|engine| engine), self.loader().into(), Box::new(configure))
    }

    /// Compiled once, whatever the update is.
    #[allow(clippy::too_many_arguments)]
    fn run(
        &self,
        folder: &Path,
        net: Net,
        update: Box<dyn Update<Net>>,
        at: Option<Break>,
        change: Box<dyn FnOnce(Broken) -> Broken + '_>,
        training: TrainingLoader<PointBatch>,
        configure: Box<dyn FnOnce(SupervisedTraining<Net>) -> SupervisedTraining<Net> + '_>,
    ) -> Outcome<Net> {
        // Where nothing is to be broken off, the checkpoint may be none.
        let start = at.map_or(Position { epoch: 1, batch: 0, step: 0 }, |_| position(folder));
        let stop = StopSignal::default();
        let mut validation = Points::validation();
        if let Some(Break::Validation(epoch)) = at {
            let (stop, number) = (stop.clone(), epoch + 1 - start.epoch);
            validation.hook = Arc::new(move |places| {
                // In the second of three batches.
                if places.epoch == number && places.examples.contains(&4) {
                    stop.give();
                }
                Ok(())
            });
        }
        let validation = Arc::new(Loader::new(validation, 4, &Device::flex()));
        let update = Breaking { update, at, taken: start.step, stop: stop.clone() };
        let engine = change(self.engine(update).with_stop(stop).in_folder(folder));
        engine.train(net, training, validation, configure)
    }

    /// Trains to the end in one go.
    fn unbroken<U: Update<Net>>(&self, alone: &Alone, make: impl FnOnce(&Net) -> U) -> Trace {
        let folder = new_folder();
        let outcome = self.train(alone, folder.path(), make, None);
        Trace::new(&outcome, folder.path())
    }
}

/// The metrics, and nothing on the screen.
fn configured(training: SupervisedTraining<Net>) -> SupervisedTraining<Net> {
    training
        .metrics((LossMetric::new(), AccuracyMetric::new()))
        .metric_train_numeric(LearningRateMetric::new())
        .renderer(Box::new(PlainProgress::new(io::sink(), Duration::from_secs(3600), 1)))
}

fn device() -> Device {
    Device::flex().autodiff()
}

/// A temporary folder, in memory where that can be had: what takes its time is that checkpoints are brought to the disk.
fn new_folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    folder.expect("a temporary folder")
}

/// Where the training in `folder` stands.
fn position(folder: &Path) -> Position {
    let progress = read_progress(folder).expect("a readable checkpoint");
    progress.map_or(Position { epoch: 1, batch: 0, step: 0 }, |(position, _)| position)
}

/// Takes the steps of another update, and is broken off in one of them.
struct Breaking {
    update: Box<dyn Update<Net>>,
    at: Option<Break>,
    taken: u64,
    stop: StopSignal,
}

impl Breaking {
    /// Is never broken off.
    fn never(update: impl Update<Net>) -> Self {
        Self { update: Box::new(update), at: None, taken: 0, stop: StopSignal::default() }
    }
}

impl Update<Net> for Breaking {
    fn step(&mut self, model: Net, batch: PointBatch, step: &Step) -> Result<(Net, ClassificationOutput), EngineError> {
        self.taken += 1;
        if self.at == Some(Break::Error(self.taken)) {
            return Err(EngineError::Update("broken off".into()));
        }
        if self.at == Some(Break::Signal(self.taken)) {
            self.stop.give();
        }
        if self.at == Some(Break::Interrupter(self.taken)) {
            self.stop.interrupter().stop(Some("broken off"));
        }
        self.update.step(model, batch, step)
    }

    fn begin_epoch(&mut self, model: Net, epoch: usize) -> Result<Net, EngineError> {
        self.update.begin_epoch(model, epoch)
    }

    fn end_epoch(&mut self, model: Net, rate: &ModuleLearningRate) -> Result<Net, EngineError> {
        self.update.end_epoch(model, rate)
    }

    fn evaluated(&self, model: &Net) -> Result<Net, EngineError> {
        self.update.evaluated(model)
    }

    fn is_at_rest(&self) -> bool {
        self.update.is_at_rest()
    }

    fn to_record(&self) -> OptimizerRecord {
        self.update.to_record()
    }

    fn load_record(&mut self, record: OptimizerRecord, model: &Net) -> Result<(), RecordMismatch> {
        self.update.load_record(record, model)
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// What a training comes to

/// Values by what they are of, bit by bit.
type Contents = BTreeMap<String, Vec<u8>>;

/// All that a training has come to, in a form that can be compared.
#[derive(Clone, Debug, PartialEq)]
struct Trace {
    /// How it ended.
    end: String,
    /// The kept models, by their epochs; the best one's is 0.
    kept: BTreeMap<usize, Contents>,
    best: Option<usize>,
    history: Contents,
    /// The model, the optimizer and the schedule of the last checkpoint.
    state: Contents,
    /// The files of metrics, by their paths.
    metrics: Contents,
    /// The names of the checkpoints.
    checkpoints: Vec<String>,
}

impl Trace {
    fn new(outcome: &Outcome<Net>, folder: &Path) -> Self {
        let mut kept: BTreeMap<usize, Contents> =
            outcome.snapshots.iter().map(|(epoch, model)| (*epoch, weights(model))).collect();
        kept.extend(outcome.best.iter().map(|(_, model)| (0, weights(model))));
        let metrics = files(folder).into_iter().filter(|(path, _)| path.ends_with(".log")).collect();
        Self {
            end: format!("{:?}", outcome.end.as_ref().map_err(ToString::to_string)),
            kept,
            best: outcome.best.as_ref().map(|(epoch, _)| *epoch),
            history: bits(&outcome.history),
            state: last_checkpoint(folder).map(|path| state(&path)).unwrap_or_default(),
            metrics,
            checkpoints: names(&folder.join("checkpoint")),
        }
    }

    /// What is not the same, in words.
    fn differences(&self, other: &Self) -> Vec<String> {
        let mut different = Vec::new();
        let mut note = |same: bool, what: String| different.extend((!same).then_some(what));
        note(self.end == other.end, format!("end {} for {}", self.end, other.end));
        note(self.best == other.best, format!("best {:?} for {:?}", self.best, other.best));
        note(self.kept == other.kept, "kept models".to_owned());
        let checkpoints = format!("checkpoints {:?} for {:?}", self.checkpoints, other.checkpoints);
        note(self.checkpoints == other.checkpoints, checkpoints);
        for (what, one, other) in [
            ("history", &self.history, &other.history),
            ("state", &self.state, &other.state),
            ("metrics", &self.metrics, &other.metrics),
        ] {
            for name in one.keys().chain(other.keys().filter(|name| !one.contains_key(*name))) {
                note(one.get(name) == other.get(name), format!("{what} {name}"));
            }
        }
        different
    }
}

/// The metrics of each epoch, but for the seconds.
fn bits(history: &History) -> Contents {
    let mut bits = Contents::new();
    bits.insert("ended".to_owned(), format!("{:?}", history.ended).into_bytes());
    bits.insert("rollbacks".to_owned(), format!("{:?}", history.rollbacks).into_bytes());
    for record in &history.epochs {
        let epoch = record.epoch;
        bits.insert(format!("{epoch}"), format!("{} {}", record.step, record.items).into_bytes());
        for (split, values) in [("train", &record.training), ("valid", &record.validation)] {
            let values = values.iter().map(|(name, value)| (name, value.to_bits().to_le_bytes().to_vec()));
            bits.extend(values.map(|(name, value)| (format!("{epoch} {split} {name}"), value)));
        }
    }
    bits
}

/// The parameters and running statistics of a model, by their paths.
fn weights(model: &Net) -> Contents {
    contents(model.clone().into_record().into_bytes().expect("a record"), &mut BTreeMap::new())
}

/// What a record holds. The numbers of parameters, which each training draws, are put down by a model's record, and
/// replaced by paths in an optimizer's.
fn contents(record: Bytes, paths: &mut BTreeMap<u64, String>) -> Contents {
    let reader = burn_pack::Reader::from_bytes(record).expect("a record");
    let named = |name: &str, paths: &BTreeMap<u64, String>| match name.split_once('.') {
        Some((id, leaf)) if id.parse().is_ok_and(|id: u64| paths.contains_key(&id)) => {
            format!("{}: {leaf}", id.parse().map(|id: u64| paths[&id].clone()).unwrap_or_default())
        }
        _ => name.to_owned(),
    };
    let mut found = Contents::new();
    for (name, scalar) in reader.scalars() {
        found.insert(named(name, paths), format!("{scalar:?}").into_bytes());
    }
    for tensor in reader.into_tensors().expect("tensors") {
        let (name, dtype, shape, id, bytes) = tensor.into_parts().expect("a tensor");
        if let Some(id) = id {
            paths.entry(id).or_insert_with(|| name.clone());
        }
        let values = [format!("{dtype:?} {shape:?} ").as_bytes(), &bytes[..]].concat();
        found.insert(named(&name, paths), values);
    }
    found
}

/// The parts of a checkpoint: the header, the model, the optimizer and the schedule.
fn parts(path: &Path) -> Vec<Vec<u8>> {
    let bytes = fs::read(path).expect("a checkpoint");
    let start = bytes.iter().position(|byte| *byte == b'\n').expect("a first line") + 1;
    let mut rest = &bytes[start..bytes.len() - 32];
    let mut parts = Vec::new();
    while let Some((length, tail)) = rest.split_first_chunk() {
        let (part, tail) = tail.split_at(u64::from_le_bytes(*length) as usize);
        parts.push(part.to_vec());
        rest = tail;
    }
    parts
}

/// The model, the optimizer and the schedule in a checkpoint.
fn state(path: &Path) -> Contents {
    let mut paths = BTreeMap::new();
    let names = ["model", "update", "schedule"];
    let of_part = |(name, part): (&str, Vec<u8>)| {
        let contents = contents(Bytes::from_bytes_vec(part), &mut paths);
        contents.into_iter().map(|(key, value)| (format!("{name} {key}"), value)).collect::<Vec<_>>()
    };
    names.into_iter().zip(parts(path).into_iter().skip(1)).flat_map(of_part).collect()
}

fn last_checkpoint(folder: &Path) -> Option<PathBuf> {
    let step = |name: &String| name.strip_prefix("step-")?.strip_suffix(".ckpt")?.parse::<u64>().ok();
    let last = names(&folder.join("checkpoint")).iter().filter_map(step).max()?;
    Some(folder.join(format!("checkpoint/step-{last}.ckpt")))
}

/// The names in a folder, in order.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// All files beneath a folder, by their paths in it.
fn files(folder: &Path) -> Contents {
    let mut found = Contents::new();
    for name in names(folder) {
        let path = folder.join(&name);
        match path.is_dir() {
            true => found.extend(files(&path).into_iter().map(|(inner, bytes)| (format!("{name}/{inner}"), bytes))),
            false => _ = found.insert(name, fs::read(&path).expect("a file")),
        }
    }
    found
}
