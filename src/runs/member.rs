//! One network of a run: its training, its checkpoints and what is kept of it.

use super::failure::Failure;
use super::history::Recorder;
use super::loader::CLASSES;
use super::update::{Evaluated, SharedUpdate, UpdateStep};
use super::{
    Classifier, Diversity, EpochMetrics, Evaluation, History, ImageLoader, MemberSummary, RunConfig, RunData,
    RunOptions, Stopwatch, TrainError, files,
};
use burn::lr_scheduler::LrSchedulerRecord;
use burn::module::Module;
use burn::optim::{ModuleOptimizer, OptimizerRecord};
use burn::store::ModuleRecord;
use burn::tensor::{Bytes, Device};
use burn::train::metric::{AccuracyMetric, LearningRateMetric, LossMetric};
use burn::train::{FileApplicationLoggerInstaller, Learner, SupervisedTraining};
use burn_descent::optim::{RecordMismatch, check_record, evaluation_weights};
use burn_descent::schedule::RunLength;
use burn_descent::train::{
    CheckedCheckpointer, MetricFiles, PlainProgress, StopSignal, read_checked, read_record, remove_checked,
    write_record,
};
use burn_descent::weights::reestimate_batch_norm;
use std::io::IsTerminal;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Seconds between two plain progress lines.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);
/// Number of batches on which the statistics of batch normalization are estimated for averaged weights.
const STATISTICS_BATCHES: usize = 100;
/// The metrics of all epochs.
const HISTORY: &str = "history.json";
/// The kept weights.
pub(super) const MODEL: &str = "model.bpk";

/// One network of a run.
pub(super) struct MemberTraining<'a> {
    pub(super) config: &'a RunConfig,
    pub(super) seed: u64,
    pub(super) folder: PathBuf,
    /// Where Burn's log goes, for the one network of a run that keeps it.
    pub(super) log: Option<PathBuf>,
    /// The network whose weights it starts from, where the configuration says so and it is still to start.
    pub(super) source: Option<&'a Classifier>,
}

/// A network as it came out of its training, or after one of the cycles of that.
pub(super) struct Trained {
    pub(super) model: Classifier,
    pub(super) history: History,
    seed: u64,
    kept: SelectedEpoch,
}

/// Weights to keep.
struct SelectedEpoch {
    /// The epoch that they are of.
    epoch: usize,
    /// The epochs that were trained for them alone.
    trained: RangeInclusive<usize>,
    path: PathBuf,
}

struct Checkpoints {
    model: CheckedCheckpointer,
    optimizer: CheckedCheckpointer,
    scheduler: CheckedCheckpointer,
}

impl Checkpoints {
    fn are_written(&self, epoch: usize) -> bool {
        self.model.is_written(epoch) && self.optimizer.is_written(epoch) && self.scheduler.is_written(epoch)
    }

    fn remove(&self, epoch: usize) -> Result<(), TrainError> {
        let paths = [self.model.path(epoch), self.optimizer.path(epoch), self.scheduler.path(epoch)];
        Ok(paths.iter().try_for_each(|path| remove_checked(path))?)
    }

    fn ensure_readable(&self, epoch: usize) -> Result<(), TrainError> {
        self.model.read::<ModuleRecord>(epoch)?;
        self.optimizer.read::<OptimizerRecord>(epoch)?;
        self.scheduler.read::<LrSchedulerRecord>(epoch)?;
        Ok(())
    }
}

impl MemberTraining<'_> {
    fn checkpoints(&self) -> Checkpoints {
        let folder = self.folder.join("checkpoint");
        Checkpoints {
            model: CheckedCheckpointer::new(&folder, "model"),
            optimizer: CheckedCheckpointer::new(&folder, "optimizer"),
            scheduler: CheckedCheckpointer::new(&folder, "scheduler"),
        }
    }

    /// The epochs that a run goes on from, if it does.
    pub(super) fn history(&self) -> Result<History, TrainError> {
        let path = self.folder.join(HISTORY);
        let new = || History { criterion: self.config.criterion, ..History::default() };
        let mut history: History = if path.exists() { files::read_json(&path)? } else { new() };
        history.snapshots = self.config.snapshots()?;
        if history.broken_off {
            history.go_back();
        }
        // The checkpoint of an epoch is written after its metrics, and the program may have ended in between.
        let (last, checkpoints) = (history.last_epoch(), self.checkpoints());
        if last > 0 && !checkpoints.are_written(last) && (last == 1 || checkpoints.are_written(last - 1)) {
            history.go_back();
        }
        Ok(history)
    }

    /// Whether an epoch has begun and left something.
    pub(super) fn has_begun(&self) -> bool {
        self.folder.join(HISTORY).exists()
    }

    /// Checks that the checkpoint of `epoch` is there and whole.
    pub(super) fn ensure_checkpoint(&self, epoch: usize) -> Result<(), TrainError> {
        self.checkpoints().ensure_readable(epoch)
    }

    /// Whether nothing is left to train: an interruption is no end.
    pub(super) fn is_complete(&self, history: &History) -> bool {
        let ended = history.stopped.as_deref().is_some_and(|reason| reason != "interrupted");
        history.last_epoch() >= self.config.epochs || ended
    }

    fn new_model(&self, image: [usize; 3], device: &Device) -> Result<Classifier, TrainError> {
        device.seed(self.seed);
        Ok(Classifier::new(&self.config.model, self.config.label_smoothing, image, CLASSES, device)?)
    }

    /// The network as it trains.
    pub(super) fn training_model(&self, image: [usize; 3], device: &Device) -> Result<Classifier, TrainError> {
        let mut model = self.new_model(image, device)?;
        if let (Some(transfer), Some(source)) = (&self.config.transfer, self.source) {
            model = transfer.take_over(source, model)?;
        }
        Ok(model.with_focal_loss(self.config.focal_loss).with_sam(self.config.sam()?))
    }

    /// Checks that a network can be made and trained as the configuration says, as far as the images' size is needed to
    /// know.
    pub(super) fn ensure_trainable(&self, image: [usize; 3], device: &Device) -> Result<(), TrainError> {
        UpdateStep::new(self.config, &self.training_model(image, &device.clone().autodiff())?).map(drop)
    }

    pub(super) fn load(&self, path: &Path, image: [usize; 3], device: &Device) -> Result<Classifier, TrainError> {
        let record = read_record::<ModuleRecord>(path)?;
        let misfit = |reason: String| TrainError::Damaged { path: path.to_owned(), reason };
        let model = self.new_model(image, device)?.try_load_record(record);
        model.map_err(|error| misfit(format!("it does not fit the network of config.json: {error}")))
    }

    /// What is to be kept after this history, in the order of the ensemble's networks.
    fn kept(&self, history: &History) -> Vec<SelectedEpoch> {
        let last = history.last_epoch();
        if self.config.diversity != Diversity::Snapshots {
            let kept = |epoch| SelectedEpoch { epoch, trained: 1..=last, path: self.folder.join(MODEL) };
            return history.best_epoch.map(kept).into_iter().collect();
        }
        let mut before = 0;
        let whole = |metrics: &&EpochMetrics| metrics.validation_loss.is_finite();
        let reached = history.epochs.iter().filter(whole).map(|metrics| metrics.epoch);
        let reached = reached.filter(|epoch| history.snapshots.contains(epoch));
        let kept = |(index, epoch)| {
            let trained = before + 1..=epoch;
            before = epoch;
            SelectedEpoch { epoch, trained, path: member_folder(&self.folder, self.config, index).join(MODEL) }
        };
        reached.enumerate().map(kept).collect()
    }

    /// Checks that the checkpoint of `epoch` is whole, and that of this network and optimizer.
    fn ensure_fitting(
        &self,
        checkpoints: &Checkpoints,
        epoch: usize,
        data: &RunData,
        device: &Device,
    ) -> Result<(), TrainError> {
        checkpoints.scheduler.read::<LrSchedulerRecord>(epoch)?;
        let model = self.load(&checkpoints.model.path(epoch), data.image(), device)?;
        let path = checkpoints.optimizer.path(epoch);
        let record = Bytes::from_bytes_vec(read_checked(&path)?);
        let misfit = |error: RecordMismatch| TrainError::Damaged { path, reason: error.to_string() };
        check_record(&self.optimizer(data)?, record, &model).map_err(misfit)
    }

    /// Keeps the weights that were validated at the end of an epoch.
    fn keep(
        &self,
        SelectedEpoch { epoch, path, .. }: &SelectedEpoch,
        data: &RunData,
        device: &Device,
    ) -> Result<(), TrainError> {
        let (epoch, checkpoints) = (*epoch, self.checkpoints());
        let record = match self.evaluation(data, device) {
            None => checkpoints.model.read::<ModuleRecord>(epoch)?,
            Some(evaluation) => {
                let model = self.load(&checkpoints.model.path(epoch), data.image(), &device.clone().autodiff())?;
                let optimizer = self.optimizer(data)?.load_record(checkpoints.optimizer.read(epoch)?);
                evaluation(&optimizer, model)?.into_record()
            }
        };
        Ok(write_record(path, record)?)
    }

    pub(super) fn optimizer(&self, data: &RunData) -> Result<ModuleOptimizer, TrainError> {
        let mut config = self.config.clone();
        // Each network of an ensemble has noise of its own.
        let number = self.seed.wrapping_sub(config.seed);
        if let Some(noise) = config.noise_seed() {
            *noise = noise.wrapping_add(number);
        }
        config.init_optimizer(data.train_indices.len().div_ceil(config.batch_size))
    }

    /// The images that the network trains on, of which epoch `epoch` is the next. `difficulty` is that of
    /// [`difficulty`](super::session::difficulty).
    pub(super) fn training_loader(
        &self,
        data: &RunData,
        difficulty: &[f64],
        device: &Device,
        epoch: usize,
        stop: StopSignal,
        stopwatch: Stopwatch,
    ) -> Result<ImageLoader, TrainError> {
        let RunConfig { sampling, curriculum, batch_size, .. } = *self.config;
        let augment = self.config.augmentation(data.image())?;
        let (indices, sampler) =
            sampling.draw(curriculum, &data.train, &data.train_indices, difficulty, batch_size, self.seed)?;
        let loader = ImageLoader::new(data.train.clone(), indices, batch_size, data.normalization, device);
        Ok(loader.for_training(self.seed, augment, epoch, stop, stopwatch).with_sampler(sampler)?)
    }

    /// How the network to evaluate is made, if it is not the one that trains: averaged weights, and the statistics of
    /// batch normalization for them, from training images as they are. The same at each time that it is asked for.
    pub(super) fn evaluation(&self, data: &RunData, device: &Device) -> Option<Evaluated> {
        if self.config.weight_transforms(1).is_empty() && !self.config.optimizer.averages() {
            return None;
        }
        let images = data
            .train_indices
            .iter()
            .copied()
            .take(STATISTICS_BATCHES.saturating_mul(self.config.batch_size))
            .collect();
        let device = device.clone().autodiff();
        let loader = ImageLoader::new(data.train.clone(), images, self.config.batch_size, data.normalization, &device);
        Some(Arc::new(move |optimizer, model| {
            let averaged = evaluation_weights(optimizer, model);
            let batches = loader.epoch().flatten();
            Ok(reestimate_batch_norm(&averaged, Classifier::batch_norms, batches, |model, batch| {
                _ = model.forward(batch.images.clone());
            })?)
        }))
    }

    /// Trains the network, from its last checkpoint if it has one; gives it with the kept weights, once for each time
    /// that they were. What it had learned before an error is kept too. `summary` tells what its run had come to
    /// before, and is removed where it trains on.
    pub(super) fn train(
        &self,
        data: &RunData,
        device: &Device,
        options: &RunOptions,
        summary: &Path,
    ) -> Result<Vec<Trained>, TrainError> {
        let mut history = self.history()?;
        let checkpoints = self.checkpoints();
        files::create_folder(&self.folder.join("checkpoint"))?;
        if !self.is_complete(&history) {
            history.stopped = None;
            if history.last_epoch() > 0 {
                self.ensure_fitting(&checkpoints, history.last_epoch(), data, device)?;
            }
            // The run is complete only once it has another.
            if summary.exists() {
                std::fs::remove_file(summary).map_err(TrainError::io("remove", summary))?;
            }
            history =
                self.fit(data, device, options, history).inspect_err(|_| self.keep_the_best(data, device, options))?;
            let last = history.last_epoch();
            // An epoch that was broken off is begun anew from the one before.
            let whole = if history.broken_off { last.saturating_sub(1) } else { last };
            for surplus in history.needed_only_at(whole.saturating_sub(1), &[whole, last]) {
                checkpoints.remove(surplus)?;
            }
        }
        let kept = self.kept(&history);
        if kept.is_empty() {
            if let Some(error) = history.divergence() {
                return Err(error);
            }
            let early = match self.config.diversity {
                Diversity::Snapshots => "interrupted before the first snapshot; --resume goes on",
                _ => "interrupted before the first epoch was over; nothing was saved",
            };
            return Err(TrainError::Stopped(early.to_owned()));
        }
        let trained = |kept: SelectedEpoch| {
            self.keep(&kept, data, device)?;
            let model = self.load(&kept.path, data.image(), device)?;
            Ok(Trained { model, history: history.clone(), seed: self.seed, kept })
        };
        kept.into_iter().map(trained).collect()
    }

    /// Keeps the weights that there are to keep, if any; of use after an error, which matters more than one in here.
    fn keep_the_best(&self, data: &RunData, device: &Device, options: &RunOptions) {
        for kept in self.history().map_or_else(|_| Vec::new(), |history| self.kept(&history)) {
            if self.keep(&kept, data, device).is_ok() {
                (options.notify)(&format!("kept the weights of epoch {}", kept.epoch));
            }
        }
    }

    fn fit(
        &self,
        data: &RunData,
        device: &Device,
        options: &RunOptions,
        history: History,
    ) -> Result<History, TrainError> {
        let last = history.last_epoch();
        let stopwatch = Stopwatch::default();
        let before = history.epochs.last().map_or(0.0, |metrics| metrics.seconds);
        let difficulty = data.difficulty.as_deref().unwrap_or_default();
        let training =
            self.training_loader(data, difficulty, device, last + 1, options.stop.clone(), stopwatch.clone())?;
        let (images, indices) = (data.train.clone(), data.validation_indices.clone());
        let validation = ImageLoader::new(images, indices, self.config.batch_size, data.normalization, device);
        let length = RunLength { epochs: self.config.epochs, steps_per_epoch: training.batches() as u64 };
        let scheduler = self.config.schedule.scheduler(self.config.lr, length)?;
        let failure = Failure::default();
        let recorder = Recorder {
            path: self.folder.join(HISTORY),
            history: Arc::new(Mutex::new(history)),
            early_stopping: self.config.early_stopping(),
            plateau: scheduler.plateau(),
            stop: options.stop.clone(),
            before,
            stopwatch,
            images: data.train_indices.len(),
            failure: failure.clone(),
        };
        let mut model = self.training_model(data.image(), &device.clone().autodiff())?;
        let (way, evaluation) = (UpdateStep::new(self.config, &model)?, self.evaluation(data, device));
        model = way.in_epoch(model, last + 1)?;
        if !way.is_empty() || evaluation.is_some() {
            let (failure, stop) = (failure.clone(), options.stop.clone());
            model = model.with_update(SharedUpdate::new(way, last + 1, evaluation, failure, stop));
        }
        let learner = Learner::new(model, self.optimizer(data)?, scheduler);
        let log = self.log.as_ref().map(FileApplicationLoggerInstaller::new);
        let checkpoints = self.checkpoints();
        let mut supervised = SupervisedTraining::new(&self.folder, Arc::new(training), Arc::new(validation))
            .metrics((LossMetric::new(), AccuracyMetric::new()))
            .metric_train_numeric(LearningRateMetric::new())
            .num_epochs(self.config.epochs)
            .with_metric_logger(MetricFiles::new(&self.folder, {
                let failure = failure.clone();
                move |error| failure.note(error)
            }))
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
        let failed = failure.take();
        let history = match (failed, result) {
            (Some(error), _) => Err(error),
            (None, Err(panic)) => Err(TrainError::Stopped(panic_message(&*panic))),
            (None, Ok(result)) => match result.error {
                Some(error) => Err(TrainError::Stopped(error.to_string())),
                None => {
                    let mut history = recorder.history().clone();
                    if result.interrupted.is_some() {
                        history.stopped = Some("interrupted".to_owned());
                    }
                    Ok(history)
                }
            },
        };
        if history.is_err() {
            // The error has stopped this run; the next with the same signal is to run.
            options.stop.interrupter().reset();
        }
        history
    }
}

impl Trained {
    /// What came of it, where `test` is how well it does on the test images.
    pub(super) fn summary(&self, test: &Evaluation) -> Result<MemberSummary, TrainError> {
        let SelectedEpoch { epoch, trained, .. } = &self.kept;
        let metrics = |epoch| self.history.epochs.iter().find(|metrics| metrics.epoch == epoch);
        let kept = metrics(*epoch).ok_or_else(|| TrainError::Stopped("no epoch was finished".to_owned()))?;
        let seconds = |epoch| metrics(epoch).map_or(0.0, |metrics| metrics.seconds);
        let images = |epoch| metrics(epoch).map_or(0, |metrics| metrics.images);
        Ok(MemberSummary {
            seed: self.seed,
            epochs: trained.clone().count(),
            best_epoch: *epoch,
            validation_loss: kept.validation_loss,
            validation_accuracy: kept.validation_accuracy,
            test_accuracy: test.accuracy,
            test_loss: test.loss,
            seconds: seconds(*trained.end()) - seconds(trained.start() - 1),
            images: trained.clone().map(images).sum(),
        })
    }
}

/// Where the network number `index` (from 0) of a run in `folder` is kept.
pub(super) fn member_folder(folder: &Path, config: &RunConfig, index: usize) -> PathBuf {
    match config.ensemble {
        1 => folder.to_owned(),
        _ => folder.join(format!("member-{}", index + 1)),
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    text.unwrap_or("an unknown error").to_owned()
}
