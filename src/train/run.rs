use super::checkpoint::{SafeCheckpointer, read_record, write_record};
use super::dataset::CLASSES;
use super::evaluate::{average, predict};
use super::history::Recorder;
use super::metrics::{Failure, MetricFiles};
use super::progress::PlainProgress;
use super::{
    Backend, Classifier, DatasetKind, Evaluation, History, ImageLoader, MemberSummary, RunConfig, RunData, StopSignal,
    Stopwatch, Summary, TrainError, Versions, files,
};
use crate::data::{DataSource, LabelledImages};
use crate::schedule::RunLength;
use burn::lr_scheduler::LrSchedulerRecord;
use burn::module::Module;
use burn::optim::OptimizerRecord;
use burn::store::ModuleRecord;
use burn::tensor::Device;
use burn::train::metric::{AccuracyMetric, LearningRateMetric, LossMetric};
use burn::train::{FileApplicationLoggerInstaller, Learner, SupervisedTraining};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Where runs are kept and how one is carried out: all that does not change its result.
#[derive(Clone)]
pub struct RunOptions {
    /// The folder of all runs.
    pub root: PathBuf,
    /// Where the data come from.
    pub source: DataSource,
    /// Plain progress lines, even in a terminal.
    pub plain: bool,
    /// Replace a run of the same name.
    pub overwrite: bool,
    /// Asks the run to stop.
    pub stop: StopSignal,
    /// Is told what the user should know, a line at a time.
    pub notify: fn(&str),
}

/// Seconds between two plain progress lines.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);
/// Images in an evaluation step.
const EVALUATION_BATCH: usize = 500;

/// A run on disk.
#[derive(Clone, Debug)]
pub struct Run {
    name: String,
    folder: PathBuf,
    config: RunConfig,
    /// Whether the folder holds another run, which this one is to replace.
    replaces: bool,
}

impl Run {
    /// Prepares a new run. Without a name it gets that of its network and optimizer, and a number if there is one already.
    ///
    /// # Errors
    ///
    /// If the configuration is out of range, the name is taken or the folder cannot be made.
    pub fn create(config: RunConfig, name: Option<&str>, options: &RunOptions) -> Result<Self, TrainError> {
        config.check()?;
        let name = match name {
            Some(name) => name.to_owned(),
            None => free_name(&options.root, &format!("{}-{}", config.model.name(), config.optimizer.name())),
        };
        let folder = run_folder(&options.root, &name)?;
        if folder.exists() && !options.overwrite {
            return Err(TrainError::RunExists(folder));
        }
        Ok(Self { name, replaces: folder.exists(), folder, config })
    }

    /// Finds a run.
    ///
    /// # Errors
    ///
    /// If there is none of that name or its configuration cannot be read.
    pub fn open(root: &Path, name: &str) -> Result<Self, TrainError> {
        let folder = run_folder(root, name)?;
        let path = folder.join(CONFIG);
        if !path.exists() {
            let (name, root) = (name.to_owned(), root.display().to_string());
            let known = names(Path::new(&root)).join(", ");
            let known = if known.is_empty() { "none".to_owned() } else { known };
            return Err(TrainError::NoRun { name, root, known });
        }
        let config = RunConfig::read(&path)?;
        config.check()?;
        Ok(Self { name: name.to_owned(), folder, config, replaces: false })
    }

    /// The same run, to be asked on another backend.
    pub fn on(mut self, backend: Backend) -> Self {
        self.config.backend = backend;
        self
    }

    /// The run's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The run's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The run's configuration.
    pub fn config(&self) -> &RunConfig {
        &self.config
    }

    /// That the run was started with the configuration `asked`.
    ///
    /// # Errors
    ///
    /// The fields that differ.
    pub fn expect_config(&self, asked: &RunConfig) -> Result<(), TrainError> {
        let differences = self.config.differences(asked);
        if differences.is_empty() {
            return Ok(());
        }
        Err(TrainError::Different { name: self.name.clone(), differences: differences.join("; ") })
    }

    /// Trains, validates after each epoch, tests once at the end, and leaves everything in the run's folder. A run that
    /// has checkpoints goes on from the last.
    ///
    /// # Errors
    ///
    /// If data, checkpoints or folders cannot be read or written, or training stops on an error.
    pub fn train(&mut self, options: &RunOptions) -> Result<Summary, TrainError> {
        let (backend, device) = self.config.backend.device()?;
        let data = RunData::load(&self.config, &options.source, self.replaces || !self.folder.join(CONFIG).exists())?;
        if let Some(notice) = &data.notice {
            (options.notify)(notice);
            self.config.dataset = data.kind;
        }
        if std::mem::take(&mut self.replaces) {
            std::fs::remove_dir_all(&self.folder).map_err(TrainError::io("replace", &self.folder))?;
        }
        files::create_folder(&self.folder)?;
        let path = self.folder.join(CONFIG);
        if !path.exists() {
            files::write_json(&path, &self.config)?;
        }
        let mut members = Vec::new();
        let mut outputs = Vec::new();
        let mut parameters = 0;
        let mut stopped = None;
        for index in 0..self.config.ensemble {
            let member = self.member(index);
            if self.config.ensemble > 1 {
                (options.notify)(&format!("network {} of {}", index + 1, self.config.ensemble));
            }
            let (model, history, images) = member.train(&data, &device, options, &self.folder, index)?;
            parameters = model.num_params();
            stopped = stopped.or(history.stopped.clone());
            let output = predict(&model, &test_loader(&data, &device));
            members.push(member.summary(&history, &Evaluation::new(&output, data.test.labels()), images)?);
            outputs.push(output);
            if options.stop.given() {
                break;
            }
        }
        let evaluation = Evaluation::new(&average(&outputs), data.test.labels());
        let summary = self.summary(&data, backend, parameters, members, evaluation, stopped);
        files::write_json(&self.folder.join("summary.json"), &summary)?;
        Ok(summary)
    }

    fn summary(
        &self,
        data: &RunData,
        backend: Backend,
        parameters: usize,
        members: Vec<MemberSummary>,
        evaluation: Evaluation,
        stopped: Option<String>,
    ) -> Summary {
        let seconds: f64 = members.iter().map(|member| member.seconds).sum();
        let images: usize = members.iter().map(|member| member.images).sum();
        Summary {
            name: self.name.clone(),
            dataset: data.kind.to_string(),
            origin: data.origin.clone(),
            model: self.config.model.name().to_owned(),
            parameters,
            optimizer: self.config.optimizer.name(),
            test_accuracy: evaluation.accuracy,
            test_loss: evaluation.loss,
            confusion: evaluation.confusion,
            members,
            seconds,
            images_per_second: images as f64 / seconds.max(f64::MIN_POSITIVE),
            seed: self.config.seed,
            backend: backend.to_string(),
            stopped,
            versions: Versions::default(),
        }
    }

    /// Tests the run's kept weights again, on its own data set or, to see what it learned for another, on `dataset`.
    ///
    /// # Errors
    ///
    /// If data or weights cannot be read.
    pub fn evaluate(&self, options: &RunOptions, dataset: Option<DatasetKind>) -> Result<Evaluation, TrainError> {
        let (_, device) = self.config.backend.device()?;
        let config = RunConfig { dataset: dataset.unwrap_or(self.config.dataset), ..self.config.clone() };
        let data = RunData::load(&config, &options.source, false)?;
        let loader = test_loader(&data, &device);
        let outputs: Vec<_> = self.models(data.image(), &device)?.iter().map(|model| predict(model, &loader)).collect();
        Ok(Evaluation::new(&average(&outputs), data.test.labels()))
    }

    /// The class probabilities of one 28x28 image of gray levels.
    ///
    /// # Errors
    ///
    /// If the weights cannot be read.
    pub fn classify(&self, pixels: Vec<u8>) -> Result<[f32; CLASSES], TrainError> {
        let (_, device) = self.config.backend.device()?;
        let normalization = super::dataset::normalization(self.config.dataset);
        let image = Arc::new(LabelledImages::new(28, 28, pixels, vec![0])?);
        let loader = ImageLoader::new(image, vec![0], 1, normalization, &device);
        let outputs: Vec<_> = self.models([1, 28, 28], &device)?.iter().map(|model| predict(model, &loader)).collect();
        average(&outputs).into_iter().next().ok_or_else(|| TrainError::NoCheckpoint(self.name.clone()))
    }

    /// The networks with the kept weights.
    fn models(&self, image: [usize; 3], device: &Device) -> Result<Vec<Classifier>, TrainError> {
        let members = (0..self.config.ensemble).map(|index| self.member(index));
        let trained = members.filter(|member| member.folder.join(MODEL).exists());
        let models = trained.map(|member| member.load(&member.folder.join(MODEL), image, device));
        let models = models.collect::<Result<Vec<_>, _>>()?;
        if models.is_empty() {
            return Err(TrainError::NoCheckpoint(self.name.clone()));
        }
        Ok(models)
    }

    fn member(&self, index: usize) -> Member<'_> {
        let folder = match self.config.ensemble {
            1 => self.folder.clone(),
            _ => self.folder.join(format!("member-{}", index + 1)),
        };
        Member { config: &self.config, seed: self.config.seed + index as u64, folder }
    }

    /// That the run has something to resume.
    ///
    /// # Errors
    ///
    /// If it is complete, has no checkpoint or its last one is damaged.
    pub fn expect_resumable(&self) -> Result<(), TrainError> {
        let mut begun = false;
        for index in 0..self.config.ensemble {
            let member = self.member(index);
            let history = member.history()?;
            if history.last_epoch() > 0 {
                begun = true;
                member.checkpoints().expect_readable(history.last_epoch())?;
            }
            if !member.is_complete(&history) {
                return if begun { Ok(()) } else { Err(TrainError::NoCheckpoint(self.name.clone())) };
            }
        }
        Err(TrainError::Complete(self.name.clone()))
    }
}

const CONFIG: &str = "config.json";
const MODEL: &str = "model.bpk";

/// One network of a run.
struct Member<'a> {
    config: &'a RunConfig,
    seed: u64,
    folder: PathBuf,
}

struct Checkpoints {
    model: SafeCheckpointer,
    optimizer: SafeCheckpointer,
    scheduler: SafeCheckpointer,
}

impl Checkpoints {
    fn are_written(&self, epoch: usize) -> bool {
        self.model.is_written(epoch) && self.optimizer.is_written(epoch) && self.scheduler.is_written(epoch)
    }

    fn remove(&self, epoch: usize) -> Result<(), TrainError> {
        let paths = [self.model.path(epoch), self.optimizer.path(epoch), self.scheduler.path(epoch)];
        paths.iter().try_for_each(|path| files::remove_checked(path))
    }

    fn expect_readable(&self, epoch: usize) -> Result<(), TrainError> {
        self.model.read::<ModuleRecord>(epoch)?;
        self.optimizer.read::<OptimizerRecord>(epoch)?;
        self.scheduler.read::<LrSchedulerRecord>(epoch)?;
        Ok(())
    }
}

impl Member<'_> {
    fn checkpoints(&self) -> Checkpoints {
        let folder = self.folder.join("checkpoint");
        Checkpoints {
            model: SafeCheckpointer::new(&folder, "model"),
            optimizer: SafeCheckpointer::new(&folder, "optimizer"),
            scheduler: SafeCheckpointer::new(&folder, "scheduler"),
        }
    }

    fn history(&self) -> Result<History, TrainError> {
        let path = self.folder.join("history.json");
        if !path.exists() {
            return Ok(History::default());
        }
        let mut history: History = files::read_json(&path)?;
        // The checkpoint of an epoch is written after its metrics, and the program may have ended in between.
        let (last, checkpoints) = (history.last_epoch(), self.checkpoints());
        if last > 0 && !checkpoints.are_written(last) && (last == 1 || checkpoints.are_written(last - 1)) {
            history.go_back();
        }
        Ok(history)
    }

    /// Whether nothing is left to train: an interruption is no end.
    fn is_complete(&self, history: &History) -> bool {
        let ended = history.stopped.as_deref().is_some_and(|reason| reason != "interrupted");
        history.last_epoch() >= self.config.epochs || ended
    }

    fn new_model(&self, image: [usize; 3], device: &Device) -> Result<Classifier, TrainError> {
        device.seed(self.seed);
        Ok(Classifier::new(&self.config.model, self.config.label_smoothing, image, CLASSES, device)?)
    }

    fn load(&self, path: &Path, image: [usize; 3], device: &Device) -> Result<Classifier, TrainError> {
        let record = read_record::<ModuleRecord>(path)?;
        let misfit = |reason: String| TrainError::Damaged { path: path.to_owned(), reason };
        let model = self.new_model(image, device)?.try_load_record(record);
        model.map_err(|error| misfit(format!("it does not fit the network of config.json: {error}")))
    }

    /// Trains the network, from its last checkpoint if it has one; gives it with the kept weights, its history and the
    /// number of images trained on.
    fn train(
        &self,
        data: &RunData,
        device: &Device,
        options: &RunOptions,
        run_folder: &Path,
        index: usize,
    ) -> Result<(Classifier, History, usize), TrainError> {
        let mut history = self.history()?;
        let checkpoints = self.checkpoints();
        files::create_folder(&self.folder.join("checkpoint"))?;
        if !self.is_complete(&history) {
            history.stopped = None;
            if history.last_epoch() > 0 {
                checkpoints.expect_readable(history.last_epoch())?;
                self.load(&checkpoints.model.path(history.last_epoch()), data.image(), device)?;
            }
            history = self.fit(data, device, options, run_folder, index, history)?;
            let last = history.last_epoch();
            for surplus in history.needed_only_at(last.saturating_sub(1), &[last]) {
                checkpoints.remove(surplus)?;
            }
        }
        let best = history.best_epoch.ok_or_else(|| {
            TrainError::Stopped("interrupted before the first epoch was over; nothing was saved".to_owned())
        })?;
        let record = checkpoints.model.read::<ModuleRecord>(best)?;
        write_record(&self.folder.join(MODEL), record)?;
        let model = self.load(&self.folder.join(MODEL), data.image(), device)?;
        let images = data.train_indices.len() * history.epochs.len();
        Ok((model, history, images))
    }

    fn fit(
        &self,
        data: &RunData,
        device: &Device,
        options: &RunOptions,
        run_folder: &Path,
        index: usize,
        history: History,
    ) -> Result<History, TrainError> {
        let loader = |indices: &[usize]| {
            ImageLoader::new(data.train.clone(), indices.to_vec(), self.config.batch_size, data.normalization, device)
        };
        let last = history.last_epoch();
        let stopwatch = Stopwatch::default();
        let before = history.epochs.last().map_or(0.0, |metrics| metrics.seconds);
        let training = loader(&data.train_indices).for_training(
            self.seed,
            self.config.augment,
            last + 1,
            options.stop.clone(),
            stopwatch.clone(),
        );
        let length = RunLength { epochs: self.config.epochs, steps_per_epoch: training.batches() as u64 };
        let failure = Failure::default();
        let recorder = Recorder {
            path: self.folder.join("history.json"),
            history: Arc::new(Mutex::new(history)),
            patience: self.config.early_stopping,
            stop: options.stop.clone(),
            seconds: Arc::new(move || before + stopwatch.read().0.as_secs_f64()),
            failure: Failure::clone(&failure),
        };
        let learner = Learner::new(
            self.new_model(data.image(), &device.clone().autodiff())?,
            self.config.optimizer.init()?,
            self.config.schedule.scheduler(self.config.lr, length),
        );
        let log = (index == 0).then(|| FileApplicationLoggerInstaller::new(run_folder.join("experiment.log")));
        let checkpoints = self.checkpoints();
        let mut supervised =
            SupervisedTraining::new(&self.folder, Arc::new(training), Arc::new(loader(&data.validation_indices)))
                .metrics((LossMetric::new(), AccuracyMetric::new()))
                .metric_train_numeric(LearningRateMetric::new())
                .num_epochs(self.config.epochs)
                .with_metric_logger(MetricFiles::new(&self.folder, Failure::clone(&failure)))
                .with_custom_checkpointers(checkpoints.model, checkpoints.optimizer, checkpoints.scheduler)
                .with_checkpointing_strategy(recorder.clone())
                .early_stopping(recorder.clone())
                .with_interrupter(options.stop.interrupter())
                .with_application_logger(log.map(|log| Box::new(log) as _));
        if last > 0 {
            supervised = supervised.checkpoint(last);
        }
        if options.plain || !std::io::stdout().is_terminal() {
            supervised =
                supervised.renderer(Box::new(PlainProgress::new(std::io::stdout(), PROGRESS_INTERVAL, last + 1)));
        }
        // Burn panics on some errors, such as a lost thread.
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| supervised.launch(learner)));
        if let Some(error) = failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(error);
        }
        match result {
            Ok(result) => match result.error {
                Some(error) => Err(TrainError::Stopped(error.to_string())),
                None => {
                    let mut history = recorder.history().clone();
                    if result.interrupted.is_some() {
                        history.stopped = Some("interrupted".to_owned());
                    }
                    Ok(history)
                }
            },
            Err(panic) => Err(TrainError::Stopped(panic_message(&*panic))),
        }
    }

    fn summary(&self, history: &History, test: &Evaluation, images: usize) -> Result<MemberSummary, TrainError> {
        let best = history.best().ok_or_else(|| TrainError::Stopped("no epoch was finished".to_owned()))?;
        Ok(MemberSummary {
            seed: self.seed,
            epochs: history.last_epoch(),
            best_epoch: best.epoch,
            validation_loss: best.validation_loss,
            validation_accuracy: best.validation_accuracy,
            test_accuracy: test.accuracy,
            test_loss: test.loss,
            seconds: history.epochs.last().map_or(0.0, |metrics| metrics.seconds),
            images,
        })
    }
}

fn test_loader(data: &RunData, device: &Device) -> ImageLoader {
    let indices = (0..data.test.len()).collect();
    ImageLoader::new(data.test.clone(), indices, EVALUATION_BATCH, data.normalization, device)
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    text.unwrap_or("an unknown error").to_owned()
}

fn run_folder(root: &Path, name: &str) -> Result<PathBuf, TrainError> {
    let plain = Path::new(name).components().count() == 1 && !name.contains(['/', '\\']) && !name.starts_with('.');
    if !plain {
        return Err(TrainError::RunName(name.to_owned()));
    }
    Ok(root.join(name))
}

/// `stem`, or `stem-2`, `stem-3`, … if that is taken.
fn free_name(root: &Path, stem: &str) -> String {
    let candidates = (1..).map(|number| if number == 1 { stem.to_owned() } else { format!("{stem}-{number}") });
    let mut free = candidates.filter(|name| !root.join(name).exists());
    free.next().unwrap_or_else(|| stem.to_owned())
}

/// The runs that there are, in order.
fn names(root: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
    let runs = entries.filter(|entry| entry.path().join(CONFIG).exists());
    let mut names: Vec<String> = runs.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
