//! The loop: a training from its first step, or its last checkpoint, to its end.

use super::checkpoints::{self, CheckpointPolicy, CheckpointTimes, Checkpoints, Header, Progress};
use super::history::{Criterion, Ended, EpochRecord, History};
use super::loader::TrainingLoader;
use super::rollback::{Anchor, Rollback, RollbackConfig};
use super::state::{Position, Records, TrainingState};
use super::update::{Batch, Output, Update};
use super::{EngineError, MetricFiles, StopSignal};
use crate::early_stopping::{EarlyStoppingConfig, Goal};
use crate::schedule::{Plateau, ScheduledLearningRate};
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::optim::SgdConfig;
use burn::train::metric::store::{Aggregate, EventStoreClient, Split};
use burn::train::{
    EventProcessorTraining, InferenceStep, Interrupter, Learner, LearnerEvent, LearnerModel,
    SupervisedLearningStrategy, SupervisedTraining, SupervisedTrainingEventProcessor, TrainLoader, TrainingComponents,
    TrainingItem, TrainingStrategy, ValidLoader,
};
use std::any::Any;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Trains any module that Burn's `Learner` can train, on any batches, and can go on after whatever stops it.
///
/// It takes the steps of an [`Update`] through Burn's `SupervisedTraining`, with Burn's metrics, dashboard, loggers and
/// interrupter; where Burn's own loop ends, it adds checkpoints within an epoch from which a training goes on to the
/// bit, early stopping that gives the best weights back, snapshots, and averages that are validated in the place of the
/// weights that train.
///
/// | setting | default | meaning |
/// | --- | --- | --- |
/// | [`with_epochs`](Self::with_epochs) | 1 | passes over the training batches |
/// | [`in_folder`](Self::in_folder) | memory alone | keeps checkpoints and Burn's metric files there, and goes on from them |
/// | [`with_checkpoints`](Self::with_checkpoints) | the last and the best epoch | when, and which stay |
/// | [`with_criterion`](Self::with_criterion) | the lowest `Loss` | which epoch is the best |
/// | [`with_early_stopping`](Self::with_early_stopping) | never | stops where the criterion no longer gets better |
/// | [`with_rollback`](Self::with_rollback) | never | goes back an epoch, and on with a lower rate, where it diverges |
/// | [`with_snapshots`](Self::with_snapshots) | none | keeps the weights of further epochs |
/// | [`with_seed`](Self::with_seed) | 0 | what is random in a step, such as dropout, goes by it |
/// | [`with_fingerprint`](Self::with_fingerprint) | empty | refuses checkpoints of a training with another one |
///
/// `examples/regression.rs` in the repository of this crate trains on a table, `examples/two_inputs.rs` a module of two
/// inputs, `examples/characters.rs` a small language model.
pub struct Engine<U> {
    update: U,
    schedule: ModuleLrScheduler,
    plateau: Option<Plateau>,
    epochs: usize,
    folder: Option<PathBuf>,
    policy: CheckpointPolicy,
    criterion: Criterion,
    early_stopping: Option<EarlyStoppingConfig>,
    rollback: Option<RollbackConfig>,
    snapshots: Vec<usize>,
    seed: u64,
    fingerprint: String,
    stop: StopSignal,
    observer: Option<Observer>,
}

/// What is told the history after each epoch.
type Observer = Box<dyn FnMut(&History) -> Result<(), EngineError> + Send>;

/// Holds what a training has come to.
pub struct Outcome<M> {
    /// Holds the model of the best epoch, in validation mode, and its number; none if no epoch was finished, or none had
    /// finite metrics.
    pub best: Option<(usize, M)>,
    /// Holds the models after the epochs that were to be kept as snapshots, by their numbers.
    pub snapshots: BTreeMap<usize, M>,
    /// Gives the metrics of each epoch.
    pub history: History,
    /// Says why there are no more epochs, or what the training failed on. Either way, there is what it had come to.
    pub end: Result<End, EngineError>,
    /// Says how long the checkpoints have taken.
    pub checkpoints: CheckpointTimes,
}

/// Says how a training came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Says that all epochs are over.
    Complete,
    /// Says that it stopped by itself.
    Ended(Ended),
    /// Says that it was asked to stop, and can be gone on with.
    Interrupted,
}

impl<U> Engine<U> {
    /// Creates a training by the steps of `update`, with a constant learning rate, any of Burn's schedules or one of this
    /// crate's, which is told the validation loss of each epoch if it reduces on plateau (or, by the plateau's goal, the
    /// criterion's metric or the accuracy).
    pub fn new(update: U, schedule: impl Into<ModuleLrScheduler> + 'static) -> Self {
        let plateau = (&schedule as &dyn Any).downcast_ref().and_then(ScheduledLearningRate::plateau);
        Self {
            update,
            schedule: schedule.into(),
            plateau,
            epochs: 1,
            folder: None,
            policy: CheckpointPolicy::default(),
            criterion: Criterion::default(),
            early_stopping: None,
            rollback: None,
            snapshots: Vec::new(),
            seed: 0,
            fingerprint: String::new(),
            stop: StopSignal::default(),
            observer: None,
        }
    }

    /// Sets the number of passes over the training batches.
    pub fn with_epochs(self, epochs: usize) -> Self {
        Self { epochs, ..self }
    }

    /// Keeps checkpoints in `FOLDER/checkpoint` and Burn's metric files in `FOLDER/train` and `FOLDER/valid`. Where there
    /// is a checkpoint already, the training goes on from it. No two trainings may use one folder at the same time.
    pub fn in_folder(self, folder: impl Into<PathBuf>) -> Self {
        Self { folder: Some(folder.into()), ..self }
    }

    /// Sets when checkpoints are written, and which of them stay.
    pub fn with_checkpoints(self, policy: CheckpointPolicy) -> Self {
        Self { policy, ..self }
    }

    /// Sets which validation metric tells how good an epoch was.
    pub fn with_criterion(self, criterion: Criterion) -> Self {
        Self { criterion, ..self }
    }

    /// Sets when to stop early, if ever; which values are better is the criterion's to say.
    pub fn with_early_stopping(self, early_stopping: impl Into<Option<EarlyStoppingConfig>>) -> Self {
        Self { early_stopping: early_stopping.into(), ..self }
    }

    /// Sets how often the training goes back to the end of the last epoch, and on with lower learning rates, where it
    /// diverges; without, it ends.
    pub fn with_rollback(self, rollback: impl Into<Option<RollbackConfig>>) -> Self {
        Self { rollback: rollback.into(), ..self }
    }

    /// Sets after which epochs the weights are kept, whatever they are like.
    pub fn with_snapshots(self, epochs: Vec<usize>) -> Self {
        Self { snapshots: epochs, ..self }
    }

    /// Sets the seed of what is random in a step.
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Sets what tells this training from others, such as a digest of its configuration and data.
    pub fn with_fingerprint(self, fingerprint: impl Into<String>) -> Self {
        Self { fingerprint: fingerprint.into(), ..self }
    }

    /// Sets the signal that asks the training to stop: after the step, with a checkpoint.
    pub fn with_stop(self, stop: StopSignal) -> Self {
        Self { stop, ..self }
    }

    /// Sets what is told the history after each epoch, and once more where the training goes on; an error of its ends the
    /// training.
    pub fn with_observer(self, observer: impl FnMut(&History) -> Result<(), EngineError> + Send + 'static) -> Self {
        Self { observer: Some(Box::new(observer)), ..self }
    }

    /// Trains `model`, from the folder's last checkpoint if it has one.
    ///
    /// `configure` adds what is Burn's: metrics, of which the criterion has to be one and has to be numeric, renderer,
    /// loggers. The batches have to be on the model's device or to follow it there; those of validation should be the same
    /// each time, and not in another order where the training goes on.
    ///
    /// Of an epoch that is gone on with, the value of a training metric is the mean over all its batches, as it is for
    /// Burn's losses and accuracies. Metrics that are no means, such as its perplexity, cannot be taken up where they were.
    pub fn train<M: LearnerModel>(
        self,
        model: M,
        training: impl Into<TrainingLoader<Batch<M>>>,
        validation: impl Into<TrainingLoader<<M as InferenceStep>::Input>>,
        configure: impl FnOnce(SupervisedTraining<M>) -> SupervisedTraining<M>,
    ) -> Outcome<M>
    where
        U: Update<M>,
    {
        let (training, validation) = (training.into(), validation.into().loader());
        let failure = Failure::default();
        let metrics = match &self.folder {
            Some(folder) => MetricFiles::new(folder, failure.reporter()),
            None => MetricFiles::in_memory(),
        };
        let checkpoints = self.folder.as_ref().map(|folder| {
            let folder = folder.join(CHECKPOINTS);
            Checkpoints::new(folder, self.policy, self.criterion.clone(), self.snapshots.clone())
                .anchored(self.rollback.is_some())
        });
        let (batches, folder) = (training.loader(), self.folder.clone().unwrap_or_default());
        let (epochs, interrupter) = (self.epochs, self.stop.interrupter());
        let state = TrainingState::new(model, self.update, self.schedule, self.seed);
        let mut run = Run {
            state,
            training,
            plateau: self.plateau,
            epochs,
            criterion: self.criterion,
            early_stopping: self.early_stopping,
            rollback: self.rollback,
            anchor: None,
            snapshots: self.snapshots,
            fingerprint: self.fingerprint,
            stop: self.stop,
            observer: self.observer,
            checkpoints,
            metrics,
            failure,
            history: History::default(),
            progress: Progress::default(),
            kept: BTreeMap::new(),
        };
        if let Err(error) = run.check().and_then(|()| run.resume()) {
            return run.outcome(Err(error));
        }
        if let Some(end) = run.end() {
            return run.outcome(Ok(end));
        }
        let Ok(model) = run.state.model().cloned() else { return run.outcome(Ok(End::Interrupted)) };
        let (before, metrics) = (run.state.position().epoch - 1, run.metrics.clone());
        let slot = Arc::new(Slot(Mutex::new(Content::Ready(Box::new(run)))));
        let mut supervised = SupervisedTraining::new(&folder, batches, validation)
            .num_epochs(epochs)
            .with_interrupter(interrupter.clone())
            .with_application_logger(None);
        if before > 0 {
            supervised = supervised.checkpoint(before);
        }
        let supervised = configure(supervised)
            .with_metric_logger(metrics)
            .with_training_strategy(TrainingStrategy::Custom(slot.clone()));
        // Burn's learner wants an optimizer and a schedule of its own, which nobody asks.
        let result = supervised.launch(Learner::new(model, SgdConfig::new().init(), 0.0));
        let content = std::mem::replace(&mut *slot.lock(), Content::Running);
        match content {
            Content::Over(run, end) => {
                let error = result.error.map(|error| EngineError::Burn(error.to_string()));
                if error.is_some() || end.is_err() {
                    // The error has stopped this training; the next with the same signal is to run.
                    interrupter.reset();
                }
                run.outcome(error.map_or(end, Err))
            }
            Content::Ready(run) => run.outcome(Ok(End::Interrupted)),
            Content::Running => Outcome {
                best: None,
                snapshots: BTreeMap::new(),
                history: History::default(),
                end: Err(EngineError::Burn("the training has ended without an outcome".to_owned())),
                checkpoints: CheckpointTimes::default(),
            },
        }
    }
}

/// Reads the history in the last checkpoint of a training in `folder`, and where it stands; none without a checkpoint.
///
/// # Errors
///
/// Returns an error if the checkpoint cannot be read or is damaged.
pub fn read_progress(folder: &Path) -> Result<Option<(super::Position, History)>, EngineError> {
    let folder = folder.join(CHECKPOINTS);
    let checkpoints = Checkpoints::new(folder, CheckpointPolicy::default(), Criterion::default(), Vec::new());
    let last = checkpoints.last()?.map(|path| checkpoints::read(&path)).transpose()?;
    Ok(last.map(|(header, _)| (header.position, header.history)))
}

const CHECKPOINTS: &str = "checkpoint";

/// Why a training has to end, noted where it cannot be returned.
#[derive(Clone, Default)]
struct Failure(Arc<Mutex<Option<EngineError>>>);

impl Failure {
    fn reporter(&self) -> impl Fn(super::FileError) + Send + 'static {
        let failure = self.clone();
        move |error| {
            failure.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error.into());
        }
    }

    fn take(&self) -> Result<(), EngineError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
    }
}

/// A training, between its start and its end.
struct Run<M: LearnerModel, U> {
    state: TrainingState<M, U>,
    training: TrainingLoader<Batch<M>>,
    plateau: Option<Plateau>,
    epochs: usize,
    criterion: Criterion,
    early_stopping: Option<EarlyStoppingConfig>,
    rollback: Option<RollbackConfig>,
    /// Where the training goes back to, if it does.
    anchor: Option<Anchor<M>>,
    snapshots: Vec<usize>,
    fingerprint: String,
    stop: StopSignal,
    observer: Option<Observer>,
    checkpoints: Option<Checkpoints>,
    metrics: MetricFiles,
    failure: Failure,
    history: History,
    progress: Progress,
    /// The models of the best epoch so far and of snapshots, by epoch.
    kept: BTreeMap<usize, M>,
}

/// What Burn hands back of a strategy is the model alone: the rest comes and goes by way of this.
struct Slot<M: LearnerModel, U>(Mutex<Content<M, U>>);

enum Content<M: LearnerModel, U> {
    Ready(Box<Run<M, U>>),
    Running,
    Over(Box<Run<M, U>>, Result<End, EngineError>),
}

impl<M: LearnerModel, U> Slot<M, U> {
    fn lock(&self) -> std::sync::MutexGuard<'_, Content<M, U>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M: LearnerModel, U: Update<M>> SupervisedLearningStrategy<M> for Slot<M, U> {
    fn fit(
        &self,
        components: TrainingComponents<M>,
        learner: Learner<M>,
        _training: TrainLoader<M>,
        validation: ValidLoader<M>,
        _starting_epoch: usize,
    ) -> (M, SupervisedTrainingEventProcessor<M>) {
        let TrainingComponents { interrupter, event_processor, event_store, .. } = components;
        let mut events = Events { processor: event_processor, store: event_store };
        let model = learner.model();
        // The model is the training's alone, so that its steps are in place.
        drop(learner);
        let Content::Ready(mut run) = std::mem::replace(&mut *self.lock(), Content::Running) else {
            return (model, events.processor);
        };
        let end = run.run(&mut events, &validation, &interrupter);
        let model = run.state.model().cloned().unwrap_or(model);
        // A step that failed has taken the model with it. What the epochs before had come to can be loaded all the same.
        run.state.recover(model.clone());
        *self.lock() = Content::Over(run, end);
        (model, events.processor)
    }
}

/// Where Burn's metrics, dashboard and loggers learn of what happens.
struct Events<M: LearnerModel> {
    processor: SupervisedTrainingEventProcessor<M>,
    store: Arc<EventStoreClient>,
}

impl<M: LearnerModel> Events<M> {
    fn train(&mut self, event: LearnerEvent<Output<M>>) -> Result<(), EngineError> {
        told(self.processor.process_train(event))
    }

    fn valid(&mut self, event: LearnerEvent<<M as InferenceStep>::Output>) -> Result<(), EngineError> {
        told(self.processor.process_valid(event))
    }

    /// Waits until all events have come to the loggers.
    fn flush(&mut self) -> Result<(), EngineError> {
        told(self.processor.flush())?;
        // The store has a thread of its own, which answers after what came before.
        self.store.find_metric("", 0, Aggregate::Mean, &Split::Train);
        Ok(())
    }
}

fn told(result: Result<(), impl Display>) -> Result<(), EngineError> {
    result.map_err(|error| EngineError::Burn(error.to_string()))
}

impl<M: LearnerModel, U: Update<M>> Run<M, U> {
    /// Checks what the training was given.
    fn check(&self) -> Result<(), EngineError> {
        self.early_stopping.map_or(Ok(()), |config| config.check())?;
        Ok(self.rollback.map_or(Ok(()), |config| config.check())?)
    }

    /// Goes on from the last checkpoint, if there is one.
    fn resume(&mut self) -> Result<(), EngineError> {
        self.checkpoints.as_ref().map_or(Ok(()), Checkpoints::sweep)?;
        let last = self.checkpoints.as_ref().map_or(Ok(None), Checkpoints::last)?;
        let Some(path) = last else {
            self.metrics.resume(1, &[]);
            return self.failure.take();
        };
        let (header, records) = checkpoints::read(&path)?;
        let anchor = self.anchor_file(&header.history);
        if let Some(anchor) = anchor.as_ref().filter(|anchor| **anchor != path && anchor.exists()) {
            let (header, records) = checkpoints::read(anchor)?;
            self.load(anchor, &header, records)?;
            self.drop_anchor(header)?;
        }
        self.load(&path, &header, records)?;
        self.metrics.resume(header.position.epoch, &header.entries);
        (self.history, self.progress) = (header.history, header.progress);
        if anchor.is_some_and(|anchor| anchor == path) {
            self.drop_anchor(self.header(Vec::new()))?;
        }
        if self.history.ended == Some(Ended::EarlyStopping) && !self.has_lost_patience() {
            // It was stopped by a patience that is longer now.
            self.history.ended = None;
        }
        self.failure.take()?;
        self.tell()
    }

    /// Takes up the state that was read from `path`.
    fn load(&mut self, path: &Path, header: &Header, records: Records) -> Result<(), EngineError> {
        if header.fingerprint != self.fingerprint {
            let (found, expected) = (header.fingerprint.clone(), self.fingerprint.clone());
            return Err(EngineError::Fingerprint { path: path.to_owned(), found, expected });
        }
        let misfit = |reason| EngineError::Misfit { path: path.to_owned(), reason };
        self.state.load(header.position, records).map_err(misfit)?;
        self.state.set_multiplier(self.multiplier(&header.history));
        Ok(())
    }

    /// What the rates of the schedule are multiplied by after this history.
    fn multiplier(&self, history: &History) -> f64 {
        self.rollback.map_or(1.0, |rollback| rollback.multiplier(history.rollbacks.len()))
    }

    /// The checkpoint that a training with this history goes back to, if it does.
    fn anchor_file(&self, history: &History) -> Option<PathBuf> {
        self.rollback?;
        self.checkpoints.as_ref().map(|checkpoints| checkpoints.anchor(history))
    }

    /// Remembers the state as it is, whose header this is, as what the training goes back to, if it does.
    fn drop_anchor(&mut self, header: Header) -> Result<(), EngineError> {
        if self.rollback.is_some() {
            let (model, records) = (self.state.model()?.clone(), self.state.records()?);
            self.anchor = Some(Anchor { model, header, records });
        }
        Ok(())
    }

    /// Goes back to the end of the last epoch, or the start, with lower learning rates; false if that is not allowed, or
    /// not any more.
    fn roll_back(&mut self, reason: String) -> Result<bool, EngineError> {
        let Some(config) = self.rollback.filter(|config| self.history.rollbacks.len() < config.attempts) else {
            return Ok(false);
        };
        let Some(Anchor { model, header, records }) = self.anchor.take() else { return Ok(false) };
        let Position { epoch, step, .. } = self.state.position();
        let mut rollbacks = std::mem::take(&mut self.history.rollbacks);
        let epoch = epoch.min(header.position.epoch);
        rollbacks.push(Rollback { epoch, step, reason, multiplier: config.multiplier(rollbacks.len() + 1) });
        self.history = History { rollbacks, ..header.history };
        // The time is spent all the same.
        self.progress = Progress { nanoseconds: self.progress.nanoseconds, ..header.progress };
        self.state.recover(model);
        self.state.load(header.position, records).map_err(EngineError::Burn)?;
        self.state.set_multiplier(self.multiplier(&self.history));
        self.kept.retain(|epoch, _| *epoch < header.position.epoch);
        self.metrics.resume(header.position.epoch, &[]);
        self.drop_anchor(self.header(Vec::new()))?;
        // Whoever is killed here goes on from before, and comes here again.
        self.save(Vec::new())?;
        if let Some(checkpoints) = &mut self.checkpoints {
            checkpoints.forget_after(header.position.step)?;
        }
        self.tell()?;
        Ok(true)
    }

    /// How it ended, if it has.
    fn end(&self) -> Option<End> {
        match self.history.ended {
            Some(ended) => Some(End::Ended(ended)),
            None => (self.state.position().epoch > self.epochs).then_some(End::Complete),
        }
    }

    fn tell(&mut self) -> Result<(), EngineError> {
        self.observer.as_mut().map_or(Ok(()), |observer| observer(&self.history))
    }

    fn has_lost_patience(&self) -> bool {
        let observed = self.early_stopping.and_then(|config| self.history.observed(&self.criterion, config));
        observed.is_some_and(|(_, stops)| stops)
    }

    fn is_stopped(&self, interrupter: &Interrupter) -> bool {
        self.stop.given() || interrupter.should_stop()
    }

    /// Trains to the end.
    fn run(
        &mut self,
        events: &mut Events<M>,
        validation: &ValidLoader<M>,
        interrupter: &Interrupter,
    ) -> Result<End, EngineError> {
        let _attendance = self.stop.attend();
        let device = self.state.device().clone();
        self.training = self.training.on(&device);
        let validation = validation.to_device(&device.inner());
        if self.rollback.is_some() && self.state.position().step == 0 {
            self.drop_anchor(self.header(Vec::new()))?;
            self.save(Vec::new())?;
        }
        let end = loop {
            if let Some(end) = self.end() {
                break end;
            }
            let epoch = self.state.position().epoch;
            match self.train_epoch(events, interrupter) {
                Ok(true) => {}
                Ok(false) => break End::Interrupted,
                Err(EngineError::NonFinite(error)) => {
                    if !self.roll_back(error.to_string())? {
                        return Err(error.into());
                    }
                    // Burn's metrics are to begin the epoch again, too.
                    events.train(LearnerEvent::EndSplit(epoch))?;
                    events.flush()?;
                    self.metrics.resume(epoch, &[]);
                    continue;
                }
                Err(error) => return Err(error),
            }
            if !self.validate(events, &validation, interrupter)? {
                break End::Interrupted;
            }
        };
        self.finish()?;
        Ok(end)
    }

    /// Waits for the last checkpoint.
    fn finish(&mut self) -> Result<(), EngineError> {
        self.checkpoints.as_mut().map_or(Ok(()), Checkpoints::wait)
    }

    /// Trains to the end of the epoch; false if it was stopped before.
    fn train_epoch(&mut self, events: &mut Events<M>, interrupter: &Interrupter) -> Result<bool, EngineError> {
        let start = self.state.position();
        let total_items = self.training.loader().num_items();
        events.train(LearnerEvent::StartSplit { epoch_number: start.epoch, total_items })?;
        self.state.begin_epoch()?;
        let mut clock = Instant::now();
        let training = self.training.clone();
        let mut batches = training.epoch(start.epoch, start.batch)?;
        while let Some(batch) = batches.next() {
            let output = self.state.step(batch.map_err(EngineError::Data)?)?;
            let progress = batches.progress();
            self.progress.items = progress.items_processed;
            let (iteration, rate) = (self.state.position().batch, self.state.rate().clone());
            let item = TrainingItem::new(output, progress, Some(iteration), Some(rate));
            events.train(LearnerEvent::ProcessedItem(item))?;
            let stopped = self.is_stopped(interrupter);
            let is_due = |checkpoints: &Checkpoints| checkpoints.is_due(self.state.position().step);
            let due = stopped || self.checkpoints.as_ref().is_some_and(is_due);
            if due && self.state.update().is_at_rest() {
                events.flush()?;
                self.failure.take()?;
                self.tick(&mut clock);
                self.save(self.metrics.lines(&Split::Train))?;
                if stopped {
                    return Ok(false);
                }
            }
        }
        // Once an epoch, also where the training was stopped in the validation after it.
        if !std::mem::replace(&mut self.progress.passed, true) {
            self.state.end_epoch()?;
        }
        // Devices may be behind: what was asked for is over with the last metric.
        events.flush()?;
        self.tick(&mut clock);
        events.train(LearnerEvent::EndSplit(start.epoch))?;
        Ok(true)
    }

    fn tick(&mut self, clock: &mut Instant) {
        let now = Instant::now();
        self.progress.nanoseconds += (now - *clock).as_nanos() as u64;
        *clock = now;
    }

    /// Validates after an epoch and goes on to the next; false if it was stopped before.
    fn validate(
        &mut self,
        events: &mut Events<M>,
        validation: &ValidLoader<M>,
        interrupter: &Interrupter,
    ) -> Result<bool, EngineError> {
        let epoch = self.state.position().epoch;
        let total_items = validation.num_items();
        events.valid(LearnerEvent::StartSplit { epoch_number: epoch, total_items })?;
        let model = self.state.evaluated()?;
        let mut batches = validation.iter();
        let mut iteration = 0;
        while let Some(batch) = batches.next() {
            iteration += 1;
            let item = InferenceStep::step(&model, batch.map_err(EngineError::Data)?);
            let item = TrainingItem::new(item, batches.progress(), Some(iteration), None);
            events.valid(LearnerEvent::ProcessedItem(item))?;
            if self.is_stopped(interrupter) {
                events.flush()?;
                self.failure.take()?;
                self.save(self.metrics.lines(&Split::Train))?;
                return Ok(false);
            }
        }
        events.valid(LearnerEvent::EndSplit(epoch))?;
        events.train(LearnerEvent::EndEpoch(epoch))?;
        events.flush()?;
        self.failure.take()?;
        self.conclude(epoch, model)?;
        if self.history.ended == Some(Ended::Diverged) && self.roll_back(self.divergence())? {
            return Ok(true);
        }
        self.save(Vec::new())?;
        self.drop_anchor(self.header(Vec::new()))?;
        self.tell()?;
        Ok(true)
    }

    /// Says what is not finite after an epoch that has diverged.
    fn divergence(&self) -> String {
        let name = &self.criterion.metric;
        let values = self.history.epochs.last().map(|record| &record.validation);
        let not_finite =
            |name: &str| values?.get(name).filter(|value| !value.is_finite()).map(|value| (name.to_owned(), *value));
        let found = not_finite("Loss").or_else(|| not_finite(name));
        let (name, value) = found.unwrap_or((name.clone(), f64::NAN));
        format!("the validation metric `{name}` is {value}")
    }

    /// Takes note of an epoch that is over.
    fn conclude(&mut self, epoch: usize, model: M) -> Result<(), EngineError> {
        let record = EpochRecord {
            epoch,
            step: self.state.position().step,
            training: self.metrics.values(&Split::Train),
            validation: self.metrics.values(&Split::Valid),
            seconds: self.progress.nanoseconds as f64 / 1e9,
            items: self.progress.items,
        };
        if !record.validation.contains_key(&self.criterion.metric) {
            return Err(no_metric(&self.criterion.metric, &record));
        }
        if let Some(plateau) = &self.plateau {
            let metric = match plateau.goal() {
                Goal::Lower => "Loss",
                Goal::Higher if self.criterion.goal == Goal::Higher => &self.criterion.metric,
                Goal::Higher => "Accuracy",
            };
            match record.validation.get(metric) {
                Some(value) => plateau.observe(*value),
                None if plateau.goal() == Goal::Lower => {}
                None => return Err(no_metric(metric, &record)),
            }
        }
        let before = self.history.best(&self.criterion).map(|record| record.epoch);
        let diverged = !self.criterion.of(&record).is_finite();
        self.history.epochs.push(record);
        if self.snapshots.contains(&epoch) {
            self.kept.insert(epoch, model.clone());
        }
        if self.history.best(&self.criterion).is_some_and(|best| best.epoch == epoch) {
            if let Some(before) = before.filter(|before| !self.snapshots.contains(before)) {
                self.kept.remove(&before);
            }
            self.kept.insert(epoch, model);
        }
        self.history.ended = match () {
            () if diverged => Some(Ended::Diverged),
            () if self.has_lost_patience() => Some(Ended::EarlyStopping),
            () => None,
        };
        (self.progress.items, self.progress.passed) = (0, false);
        self.state.advance();
        Ok(())
    }

    fn header(&self, entries: Vec<(String, Vec<String>)>) -> Header {
        Header {
            fingerprint: self.fingerprint.clone(),
            position: self.state.position(),
            history: self.history.clone(),
            entries,
            progress: self.progress,
        }
    }

    fn save(&mut self, entries: Vec<(String, Vec<String>)>) -> Result<(), EngineError> {
        let header = self.header(entries);
        match &mut self.checkpoints {
            Some(checkpoints) => checkpoints.save(header, self.state.records()?),
            None => Ok(()),
        }
    }

    /// What it has come to, whatever its end.
    fn outcome(mut self, mut end: Result<End, EngineError>) -> Outcome<M> {
        // An error of before matters more than one of the last checkpoint.
        let written = self.finish();
        end = end.and_then(|end| written.map(|()| end));
        let best = self.history.best(&self.criterion).map(|record| record.epoch);
        let finite = |record: &&EpochRecord| self.criterion.of(record).is_finite();
        let reached = self.history.epochs.iter().filter(finite).map(|record| record.epoch);
        let snapshots: Vec<usize> = reached.filter(|epoch| self.snapshots.contains(epoch)).collect();
        let mut models = BTreeMap::new();
        for epoch in snapshots.iter().copied().chain(best) {
            match self.model_of(epoch) {
                Ok(Some(model)) => _ = models.insert(epoch, model),
                Ok(None) => {}
                Err(error) if end.is_ok() => end = Err(error),
                Err(_) => {}
            }
        }
        if end.is_ok()
            && let Some(checkpoints) = &self.checkpoints
            && let Err(error) = checkpoints.tidy(&self.header(Vec::new()))
        {
            end = Err(error);
        }
        let checkpoints = self.checkpoints.as_ref().map(Checkpoints::times).unwrap_or_default();
        let best = best.and_then(|epoch| Some((epoch, models.get(&epoch)?.clone())));
        models.retain(|epoch, _| snapshots.contains(epoch));
        Outcome { best, snapshots: models, history: self.history.clone(), end, checkpoints }
    }

    /// The model to evaluate after an epoch that was finished: kept since, or from its checkpoint.
    fn model_of(&mut self, epoch: usize) -> Result<Option<M>, EngineError> {
        if let Some(model) = self.kept.get(&epoch) {
            return Ok(Some(model.clone()));
        }
        let Some(path) = self.checkpoints.as_ref().and_then(|checkpoints| checkpoints.of_epoch(&self.history, epoch))
        else {
            return Ok(None);
        };
        let (header, records) = checkpoints::read(&path)?;
        self.load(&path, &header, records)?;
        Ok(Some(self.state.evaluated()?))
    }
}

/// The error of a validation that does not compute `metric`.
fn no_metric(metric: &str, record: &EpochRecord) -> EngineError {
    let names: Vec<&str> = record.validation.keys().map(String::as_str).collect();
    let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    EngineError::NoMetric { metric: metric.to_owned(), known }
}
