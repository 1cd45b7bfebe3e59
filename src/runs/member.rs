//! One network of a run: its training, and what is kept of it.

use super::{
    Classifier, DataDescription, Diversity, EpochMetrics, Evaluation, History, ImageBatch, ImageLoader, ImageSource,
    MemberSummary, MemoryUse, RunConfig, RunData, RunOptions, TrainError, files,
};
use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::store::ModuleRecord;
use burn::tensor::Device;
use burn::train::metric::{AccuracyMetric, LearningRateMetric, LossMetric};
use burn::train::{FileApplicationLoggerInstaller, SupervisedTraining};
use burn_descent::gradient::global_norm;
use burn_descent::optim::evaluation_weights;
use burn_descent::schedule::RunLength;
use burn_descent::train::{
    self, End, Ended, Engine, EngineError, Evaluation as Averaging, GradientNormMetric, GradientUpdate, PlainProgress,
    Position, Update, read_progress, read_record, remove_file, write_record,
};
use burn_descent::weights::reestimate_batch_norm;
use std::io::IsTerminal;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Seconds between two plain progress lines.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);
/// Number of batches on which the statistics of batch normalization are estimated for averaged weights.
const STATISTICS_BATCHES: usize = 100;
/// Batches that are made while others are trained on.
pub(super) const PREFETCHED: usize = 2;
/// The metrics of all epochs.
const HISTORY: &str = "history.json";
/// The kept weights.
pub(super) const MODEL: &str = "model.bpk";

/// One network of a run.
pub(super) struct MemberTraining<'a> {
    /// The name of its run.
    pub(super) run: &'a str,
    pub(super) config: &'a RunConfig,
    pub(super) seed: u64,
    pub(super) folder: PathBuf,
    /// Where Burn's log goes, for the one network of a run that keeps it.
    pub(super) log: Option<PathBuf>,
    /// The network whose weights it starts from, where the configuration says so and it is still to start.
    pub(super) source: Option<&'a Classifier>,
    /// The network from whose weights penalties are measured, where the configuration says so.
    pub(super) prior: Option<&'a Classifier>,
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

/// How far the training of a network has come, by its last checkpoint.
pub(super) struct Progress {
    position: Option<Position>,
    ended: Option<Ended>,
    pub(super) history: History,
}

impl Progress {
    /// Whether there is a checkpoint.
    pub(super) fn has_begun(&self) -> bool {
        self.position.is_some()
    }

    /// Whether nothing is left to train: an interruption is no end.
    pub(super) fn is_complete(&self, epochs: usize) -> bool {
        self.ended.is_some() || self.history.last_epoch() >= epochs
    }
}

impl MemberTraining<'_> {
    /// How far it has come.
    pub(super) fn progress(&self) -> Result<Progress, TrainError> {
        let (position, history) = read_progress(&self.folder)?.unzip();
        let history = history.unwrap_or_default();
        Ok(Progress { position, ended: history.ended, history: self.history(&history) })
    }

    fn history(&self, training: &train::History) -> History {
        History::new(training, self.config.criterion, self.config.early_stopping)
    }

    fn new_model(&self, data: &DataDescription, device: &Device) -> Result<Classifier, TrainError> {
        device.seed(self.seed);
        let (model, smoothing) = (&self.config.model, self.config.label_smoothing);
        let model = Classifier::new(model, smoothing, data.shape, data.outputs(), device)?;
        Ok(model.with_numbers(data.class_names.is_empty()))
    }

    /// What the run takes of memory.
    pub(super) fn memory(&self, data: &RunData) -> MemoryUse {
        let bytes = data.train.bytes().saturating_add(data.test.bytes());
        MemoryUse::estimate(self.config, &data.description, bytes, data.train_indices.len())
    }

    /// The network as it trains.
    pub(super) fn training_model(&self, data: &RunData, device: &Device) -> Result<Classifier, TrainError> {
        self.memory(data).ensure_room()?;
        let mut model = self.new_model(&data.description, device)?;
        if let (Some(transfer), Some(source)) = (&self.config.transfer, self.source) {
            model = transfer.take_over(source, model)?;
        }
        let RunConfig { focal_loss, loss, sparse_activations, .. } = *self.config;
        Ok(model.with_focal_loss(focal_loss).with_loss(loss).with_sparse_activations(sparse_activations))
    }

    /// Checks that a network can be made and trained as the configuration says, as far as the images' size is needed to
    /// know.
    pub(super) fn ensure_trainable(&self, data: &RunData, device: &Device) -> Result<(), TrainError> {
        self.steps(&self.training_model(data, &device.clone().autodiff())?, data, device, false).map(drop)
    }

    pub(super) fn load(&self, path: &Path, data: &DataDescription, device: &Device) -> Result<Classifier, TrainError> {
        MemoryUse::of_weights(&self.config.model, data).ensure_room()?;
        let record = read_record::<ModuleRecord>(path)?;
        let misfit = |reason: String| TrainError::Damaged { path: path.to_owned(), reason };
        let model = self.new_model(data, device)?.try_load_record(record);
        model.map_err(|error| {
            misfit(format!("it does not fit the network of config.json for the data of data.json: {error}"))
        })
    }

    /// What takes the steps of `model`: the optimizer, or the second-order method in its place.
    pub(super) fn steps(
        &self,
        model: &Classifier,
        data: &RunData,
        device: &Device,
        with_norm: bool,
    ) -> Result<Box<dyn Update<Classifier>>, TrainError> {
        if let Some(minimizer) = &self.config.minimizer {
            let update = minimizer.update(model, self.config.loss)?;
            return Ok(match self.config.reestimate {
                true => Box::new(update.with_evaluation(self.reestimation(data, device)?)),
                false => Box::new(update),
            });
        }
        let update = self.update(model, data, device)?;
        if !with_norm {
            return Ok(Box::new(update));
        }
        Ok(Box::new(update.with_gradient_observer(|model, gradients, trained| {
            trained.gradient_norm = global_norm(model, gradients);
        })))
    }

    /// The steps of `model` by the optimizer.
    pub(super) fn update(
        &self,
        model: &Classifier,
        data: &RunData,
        device: &Device,
    ) -> Result<GradientUpdate<Classifier>, TrainError> {
        let mut update = GradientUpdate::new(self.optimizer(data)?)
            .with_chain(self.config.chain().init()?)
            .with_sam(self.config.sam()?);
        let mut penalties = self.config.penalties.init(model)?;
        if let Some(prior) = self.prior {
            penalties = penalties.towards(model, prior)?;
        }
        if !penalties.is_empty() {
            update = update.with_penalties(penalties);
        }
        if let Some(transfer) = &self.config.transfer {
            update = update.with_layers(transfer.layers(model)?);
        }
        for group in &self.config.groups {
            group.ensure_parameters(model)?;
        }
        let rates = self.config.groups.iter().filter(|group| group.rate != 1.0);
        update = update.with_rates(rates.map(|group| (group.parameters(), group.rate)).collect());
        if let Some(averaging) = self.averaging(data, device)? {
            update = update.with_evaluation(averaging);
        }
        Ok(update)
    }

    pub(super) fn optimizer(&self, data: &RunData) -> Result<ModuleOptimizer, TrainError> {
        let mut config = self.config.clone();
        // Each network of an ensemble has noise of its own.
        let number = self.seed.wrapping_sub(config.seed);
        if let Some(noise) = config.noise_seed() {
            *noise = noise.wrapping_add(number);
        }
        config.init_optimizer(config.batches(data.train_indices.len()))
    }

    /// The images that the network trains on. `difficulty` is that of [`difficulty`](super::session::difficulty).
    pub(super) fn training_loader(
        &self,
        data: &RunData,
        difficulty: &[f64],
        device: &Device,
    ) -> Result<ImageLoader, TrainError> {
        let RunConfig { sampling, curriculum, batch_size, .. } = *self.config;
        let augment = self.config.augmentation(data.image())?;
        let (indices, sampler) = sampling.draw(
            curriculum,
            (&data.train, data.outputs()),
            &data.train_indices,
            difficulty,
            batch_size,
            self.seed,
        )?;
        let source = ImageSource::new(data.train.clone(), indices, data.normalization().clone());
        let source = source.distorted(augment, data.outputs(), self.seed);
        let loader = source.loader(batch_size, device).with_smallest_batch(self.config.smallest_batch());
        let loader = loader.with_drop_last(self.config.drop_last);
        Ok(loader.with_sampler(sampler, self.seed)?.prefetch(PREFETCHED))
    }

    /// How the network to evaluate is made, if it is not the one that trains: averaged weights, if there are such, and the
    /// statistics of batch normalization for them, from training images as they are. The same at each time that it is asked for.
    fn averaging(&self, data: &RunData, device: &Device) -> Result<Option<Averaging<Classifier>>, TrainError> {
        let averages = !self.config.weight_transforms(1).is_empty() || self.config.averages();
        if !averages && !self.config.reestimate {
            return Ok(None);
        }
        let reestimated = self.reestimation(data, device)?;
        Ok(Some(Arc::new(move |optimizer, model| {
            reestimated(if averages { evaluation_weights(optimizer, model) } else { model.valid() })
        })))
    }

    /// Gives a network the statistics of batch normalization that its weights have on training images as they are.
    fn reestimation(
        &self,
        data: &RunData,
        device: &Device,
    ) -> Result<impl Fn(Classifier) -> Result<Classifier, EngineError> + Send + Sync + use<>, TrainError> {
        let RunConfig { sampling, batch_size, .. } = *self.config;
        // Of a bagged network, its own sample.
        let (mut images, _) =
            sampling.draw(None, (&data.train, data.outputs()), &data.train_indices, &[], batch_size, self.seed)?;
        // All batches weigh the same, so that all are to be whole.
        let whole = images.len() / batch_size * batch_size;
        images.truncate(whole.max(batch_size).min(STATISTICS_BATCHES.saturating_mul(batch_size)));
        let source = ImageSource::new(data.train.clone(), images, data.normalization().clone());
        let loader = source.loader(batch_size, &device.clone().autodiff());
        Ok(move |model| {
            let batches = loader.epoch(1, 0).flatten();
            let forward = |model: &Classifier, batch: &ImageBatch| _ = model.forward(batch.images.clone());
            Ok(reestimate_batch_norm(&model, Classifier::batch_norms, batches, forward)?)
        })
    }

    /// Trains the network, from its last checkpoint if it has one; gives it with the kept weights, once for each time
    /// that they were. What it had learned before an error or an interruption is kept too. `summary` tells what its run
    /// had come to before, and is removed where it trains on.
    pub(super) fn train(
        &self,
        data: &RunData,
        device: &Device,
        options: &RunOptions,
        summary: &Path,
    ) -> Result<Vec<Trained>, TrainError> {
        files::create_folder(&self.folder)?;
        let before = self.progress()?;
        let complete = before.is_complete(self.config.epochs);
        let first = before.history.last_epoch() + 1;
        let outcome = self.fit(data, device, options, first, (!complete).then_some(summary))?;
        let history = self.history(&outcome.history);
        let kept = self.kept(&history);
        let mut trained = Vec::new();
        let mut written = Ok(());
        for kept in kept {
            let best = || outcome.best.as_ref().filter(|(epoch, _)| *epoch == kept.epoch).map(|(_, model)| model);
            let Some(model) = outcome.snapshots.get(&kept.epoch).or_else(best) else { continue };
            if let Err(error) = write_record(&kept.path, model.clone().into_record()) {
                written = Err(error);
                continue;
            }
            trained.push(Trained { model: model.clone(), history: history.clone(), seed: self.seed, kept });
        }
        match outcome.end {
            Ok(End::Interrupted) => {
                Err(TrainError::Interrupted { name: self.run.to_owned(), epoch: history.last_epoch() + 1 })
            }
            // A run that had diverged before is tested with what it had learned until then.
            Ok(End::Ended(Ended::Diverged)) if !complete || trained.is_empty() => {
                self.tell_kept(&trained, options);
                Err(history.divergence().unwrap_or_else(|| TrainError::Stopped("diverged".to_owned())))
            }
            Ok(End::Complete | End::Ended(_)) => {
                written?;
                Ok(trained)
            }
            Err(error) => {
                self.tell_kept(&trained, options);
                Err(error.into())
            }
        }
    }

    /// Says what an error has left; it matters less than the error.
    fn tell_kept(&self, trained: &[Trained], options: &RunOptions) {
        for trained in trained {
            (options.notify)(&format!("kept the weights of epoch {}", trained.kept.epoch));
        }
    }

    /// What is to be kept after this history, in the order of the ensemble's networks.
    fn kept(&self, history: &History) -> Vec<SelectedEpoch> {
        let last = history.last_epoch();
        if self.config.diversity != Diversity::Snapshots {
            let kept = |epoch| SelectedEpoch { epoch, trained: 1..=last, path: self.folder.join(MODEL) };
            return history.best_epoch.map(kept).into_iter().collect();
        }
        let snapshots = self.config.snapshots().unwrap_or_default();
        let mut before = 0;
        let whole = |metrics: &&EpochMetrics| metrics.validation_loss.is_finite();
        let reached = history.epochs.iter().filter(whole).map(|metrics| metrics.epoch);
        let reached = reached.filter(|epoch| snapshots.contains(epoch));
        let kept = |(index, epoch)| {
            let trained = before + 1..=epoch;
            before = epoch;
            SelectedEpoch { epoch, trained, path: member_folder(&self.folder, self.config, index).join(MODEL) }
        };
        reached.enumerate().map(kept).collect()
    }

    fn fit(
        &self,
        data: &RunData,
        device: &Device,
        options: &RunOptions,
        first: usize,
        outdated: Option<&Path>,
    ) -> Result<train::Outcome<Classifier>, TrainError> {
        let autodiff = device.clone().autodiff();
        let difficulty = data.difficulty.as_deref().unwrap_or_default();
        let training = self.training_loader(data, difficulty, &autodiff)?;
        let validation = Arc::new(data.validation_loader(self.config.batch_size, device));
        let length = RunLength { epochs: self.config.epochs, steps_per_epoch: training.batches() };
        let model = self.training_model(data, &autodiff)?;
        let outdated = outdated.map(Path::to_owned);
        let (folder, criterion, patience) = (self.folder.clone(), self.config.criterion, self.config.early_stopping);
        let schedule = self.config.schedule.scheduler(self.config.lr, length)?;
        let dashboard = options.dashboard.filter(|_| std::io::stdout().is_terminal());
        // A dashboard has the screen for itself, and there is the summary.
        let notify = if dashboard.is_some() { |_: &str| {} } else { options.notify };
        let mut told = self.progress()?.history.rollbacks.len();
        let update = self.steps(&model, data, device, options.gradient_norm)?;
        let engine = Engine::new(update, schedule)
            .with_epochs(self.config.epochs)
            .with_seed(self.seed)
            .with_criterion(criterion.metric())
            .with_early_stopping(self.config.early_stopping())
            .with_rollback(self.config.rollback)
            .with_snapshots(self.config.snapshots()?)
            .with_stop(options.stop.clone())
            .with_observer(move |training| {
                // The run is complete only once it has another.
                outdated.iter().try_for_each(|path| remove_file(path))?;
                let history = History::new(training, criterion, patience);
                let rollbacks = history.rollbacks();
                rollbacks.iter().skip(told).for_each(|rollback| notify(rollback));
                told = rollbacks.len().max(told);
                files::write_metrics(&folder, &history)?;
                Ok(files::write_json(&folder.join(HISTORY), &history)?)
            })
            .in_folder(&self.folder);
        let numbers = model.predicts_numbers();
        Ok(engine.train(model, training, validation, |supervised: SupervisedTraining<Classifier>| {
            let log = self.log.as_ref().map(FileApplicationLoggerInstaller::new);
            let supervised = match numbers {
                true => supervised.metrics((LossMetric::new(),)),
                false => supervised.metrics((LossMetric::new(), AccuracyMetric::new())),
            };
            let supervised = supervised
                .metric_train_numeric(LearningRateMetric::new())
                .with_application_logger(log.map(|log| Box::new(log) as _));
            let supervised = match options.gradient_norm {
                true => supervised.metric_train_numeric(GradientNormMetric::new()),
                false => supervised,
            };
            supervised.renderer(match dashboard {
                Some(dashboard) => dashboard(&options.stop, first - 1),
                None => Box::new(PlainProgress::new(std::io::stdout(), PROGRESS_INTERVAL, first)),
            })
        }))
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
