//! The state of a training, and its steps: all that a checkpoint holds of it, and nothing of how it is shown.

use super::EngineError;
use super::update::{Batch, Output, Step, Update};
use crate::group::scaled;
use crate::sample::derived_seed;
use burn::lr_scheduler::LrSchedulerRecord;
use burn::lr_scheduler::module_lr_scheduler::{ModuleLearningRate, ModuleLrScheduler};
use burn::module::{ModuleVisitor, Param};
use burn::optim::OptimizerRecord;
use burn::store::ModuleRecord;
use burn::tensor::{Device, Tensor};
use burn::train::LearnerModel;
use serde::{Deserialize, Serialize};

/// Says how far a training has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Gives the epoch, from 1.
    pub epoch: usize,
    /// Counts the batches of the epoch that were trained on.
    pub batch: usize,
    /// Counts the steps, over all epochs.
    pub step: u64,
}

/// Trains a model step by step, with everything that changes meanwhile: the model, what takes the steps, the schedule
/// and the position. [`Engine`](super::Engine) runs it with Burn's metrics and checkpoints; a loop of your own may, too,
/// without checkpoints.
///
/// ```
/// use burn_descent::optim::AdamConfig;
/// use burn_descent::train::{GradientUpdate, TrainingState};
/// # use burn::train::LearnerModel;
/// # use burn_descent::train::{Batch, EngineError};
///
/// # fn train<M: LearnerModel + 'static>(model: M, batches: Vec<Batch<M>>) -> Result<M, Box<dyn std::error::Error>>
/// # where Batch<M>: Clone {
/// let update = GradientUpdate::new(AdamConfig::new().init()?);
/// let mut training = TrainingState::new(model, update, 1e-3, 7);
/// training.begin_epoch()?;
/// for batch in batches {
///     training.step(batch)?;
/// }
/// training.end_epoch()?;
/// # Ok(training.evaluated()?)
/// # }
/// ```
pub struct TrainingState<M, U> {
    /// There except while a step is taken, or after one that failed.
    model: Option<M>,
    update: U,
    schedule: ModuleLrScheduler,
    rate: ModuleLearningRate,
    /// What the rates of the schedule are multiplied by.
    multiplier: f64,
    position: Position,
    seed: u64,
    device: Device,
}

impl<M: LearnerModel, U: Update<M>> TrainingState<M, U> {
    /// Starts the training of `model` at the first step. What is random in a step goes by `seed` and the step's number.
    ///
    /// The parameters are drawn now, if they have not been, on the model's device, which the steps are taken on. It need
    /// not be one with autodiff.
    pub fn new(model: M, update: U, schedule: impl Into<ModuleLrScheduler>, seed: u64) -> Self {
        let device = model.devices().into_iter().next().unwrap_or_default();
        let (device, model) = match device.is_autodiff() {
            true => (device, model),
            false => (device.autodiff(), model.train()),
        };
        model.visit(&mut Materialize);
        let position = Position { epoch: 1, batch: 0, step: 0 };
        let (schedule, rate, multiplier) = (schedule.into(), 0.0.into(), 1.0);
        Self { model: Some(model), update, schedule, rate, multiplier, position, seed, device }
    }

    /// Returns how far the training has come.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Returns the device that the training is on.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Returns what takes the steps.
    pub fn update(&self) -> &U {
        &self.update
    }

    /// Returns the model as it trains.
    ///
    /// # Errors
    ///
    /// Returns an error after a step that failed.
    pub fn model(&self) -> Result<&M, EngineError> {
        self.model.as_ref().ok_or_else(lost)
    }

    /// Returns the learning rate of the last step.
    pub fn rate(&self) -> &ModuleLearningRate {
        &self.rate
    }

    /// Prepares the model for the epoch that the position names, at its beginning or where it is gone on with.
    ///
    /// # Errors
    ///
    /// Returns an error where the training has to end.
    pub fn begin_epoch(&mut self) -> Result<(), EngineError> {
        let model = self.take()?;
        self.model = Some(self.update.begin_epoch(model, self.position.epoch)?);
        Ok(())
    }

    /// Takes a step by `batch`, and returns what it put out.
    ///
    /// # Errors
    ///
    /// Returns an error where the training has to end.
    pub fn step(&mut self, batch: Batch<M>) -> Result<Output<M>, EngineError> {
        let model = self.take()?;
        self.rate = self.schedule.step();
        if self.multiplier != 1.0 {
            self.rate = scaled(&self.rate, self.multiplier, &model);
        }
        let seed = derived_seed(self.seed, self.position.step, STEP);
        let number = self.position.step;
        let step = Step { rate: self.rate.clone(), number, seed, device: self.device.clone() };
        let (model, output) = self.update.step(model, batch, &step)?;
        self.model = Some(model);
        self.position.step += 1;
        self.position.batch += 1;
        Ok(output)
    }

    /// Ends the training passes of an epoch; [`advance`](Self::advance) goes on to the next.
    ///
    /// # Errors
    ///
    /// Returns an error where the training has to end.
    pub fn end_epoch(&mut self) -> Result<(), EngineError> {
        let model = self.take()?;
        self.model = Some(self.update.end_epoch(model, &self.rate)?);
        Ok(())
    }

    /// Goes on to the next epoch.
    pub fn advance(&mut self) {
        self.position = Position { epoch: self.position.epoch + 1, batch: 0, ..self.position };
    }

    /// Returns the model to validate and to keep, in validation mode.
    ///
    /// # Errors
    ///
    /// Returns an error if there is none.
    pub fn evaluated(&self) -> Result<M, EngineError> {
        self.update.evaluated(self.model()?)
    }

    /// Takes everything that a checkpoint holds. The tensors are shared, not copied.
    ///
    /// # Errors
    ///
    /// Returns an error after a step that failed.
    pub(super) fn records(&self) -> Result<Records, EngineError> {
        // Running statistics lag behind by one batch until somebody wants them for validation.
        drop(self.model()?.valid());
        Ok(Records {
            model: self.model()?.clone().into_record(),
            update: self.update.to_record(),
            schedule: self.schedule.to_record(),
        })
    }

    /// Goes on from a checkpoint.
    ///
    /// # Errors
    ///
    /// Says what does not fit.
    pub(super) fn load(&mut self, position: Position, records: Records) -> Result<(), String> {
        let Some(model) = self.model.take() else { return Ok(()) };
        // Running statistics that lag behind would come on top of the record's.
        drop(model.valid());
        let model = model.try_load_record(records.model).map_err(|error| format!("the model is another: {error}"))?;
        self.update.load_record(records.update, &model).map_err(|error| error.to_string())?;
        self.schedule = self.schedule.clone().load_record(records.schedule);
        self.model = Some(model);
        self.position = position;
        Ok(())
    }

    /// Sets what the rates of the schedule are multiplied by from the next step on.
    pub(super) fn set_multiplier(&mut self, multiplier: f64) {
        self.multiplier = multiplier;
    }

    /// Puts `model` in the place of one that was lost in a step that failed, for a checkpoint to be loaded into.
    pub(super) fn recover(&mut self, model: M) {
        self.model.get_or_insert(model);
    }

    fn take(&mut self) -> Result<M, EngineError> {
        self.model.take().ok_or_else(lost)
    }
}

/// Says why there is no model.
fn lost() -> EngineError {
    EngineError::Burn("the training has failed at a step before".to_owned())
}

/// The purpose of a step's seed, which is none of a sampler's or an augmentation's.
const STEP: u64 = u64::MAX - 1;

/// What Burn's records hold of a training.
pub(super) struct Records {
    pub(super) model: ModuleRecord,
    pub(super) update: OptimizerRecord,
    pub(super) schedule: LrSchedulerRecord,
}

/// Makes Burn draw the parameters now, and not at their first use, before which a step seeds the device.
struct Materialize;

impl ModuleVisitor for Materialize {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        param.val();
    }
}
