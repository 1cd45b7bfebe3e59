use super::member::Member;
use super::run::{EVALUATION_BATCH, test_loader};
use super::steps::{Evaluated, Way};
use super::teacher::difficulty;
use super::{
    Batches, Classifier, Evaluation, ImageLoader, RunConfig, RunData, StopSignal, Stopwatch, TrainError, predict,
};
use crate::schedule::{RunLength, ScheduleRun};
use crate::transfer::transplant;
use burn::lr_scheduler::LrScheduler;
use burn::module::{Module, ParamGroup};
use burn::optim::ModuleOptimizer;
use burn::tensor::{Device, Tensor};
use burn::train::TrainStep;
use serde::Serialize;
use std::path::PathBuf;
use std::time::Instant;

/// A training run in memory, for experiments: the steps that a [`Run`](super::Run) of the same configuration takes, without its
/// folder and its early stopping, some at a time.
///
/// ```no_run
/// use burn_descent::data::DataSource;
/// use burn_descent::train::{RunConfig, RunData, Trial};
///
/// let config = RunConfig::default();
/// let (_, device) = config.backend.device()?;
/// let data = RunData::load(&config, &DataSource::new(), true)?;
/// let mut trial = Trial::new(&config, &data, &device)?;
/// while let Some(progress) = trial.train(100)? {
///     println!("{} steps, {:.1} s: {}", progress.step, progress.seconds, trial.validate()?.accuracy);
/// }
/// # Ok::<(), burn_descent::train::TrainError>(())
/// ```
pub struct Trial<'a> {
    config: &'a RunConfig,
    data: &'a RunData,
    device: Device,
    model: Classifier,
    optimizer: ModuleOptimizer,
    way: Way,
    schedule: ScheduleRun,
    evaluation: Option<Evaluated>,
    training: ImageLoader,
    /// The rest of the epoch.
    batches: Option<Batches>,
    progress: TrialProgress,
}

/// How far a [`Trial`] has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct TrialProgress {
    /// The epoch, from 1.
    pub epoch: usize,
    /// Steps taken, over all epochs.
    pub step: usize,
    /// Images trained on.
    pub images: usize,
    /// Seconds of training passes.
    pub seconds: f64,
    /// Mean training loss of the last call's batches, with dropout, distortion and smoothing.
    pub loss: f64,
}

impl<'a> Trial<'a> {
    /// A network with fresh weights by the configuration's seed. An ensemble's first.
    ///
    /// # Errors
    ///
    /// The first field of the configuration that is out of range, or images that cannot be drawn or ordered as it says.
    pub fn new(config: &'a RunConfig, data: &'a RunData, device: &Device) -> Result<Self, TrainError> {
        config.check()?;
        let member = Member { config, seed: config.seed, folder: PathBuf::new(), log: None, source: None };
        let autodiff = device.clone().autodiff();
        let (stop, stopwatch) = (StopSignal::default(), Stopwatch::default());
        let difficulty = difficulty(config, data, device, None)?;
        let training = member.training_loader(data, &difficulty, &autodiff, 1, stop, stopwatch)?;
        let length = RunLength { epochs: config.epochs, steps_per_epoch: training.batches() as u64 };
        let model = member.training_model(data.image(), &autodiff)?;
        Ok(Self {
            way: Way::new(config, &model)?,
            model,
            optimizer: member.optimizer(data)?,
            schedule: config.schedule.scheduler(config.lr, length)?,
            evaluation: member.evaluation(data, device),
            training,
            batches: None,
            progress: TrialProgress::default(),
            device: device.clone(),
            config,
            data,
        })
    }

    /// The same training from the weights of `trained` on: all of them, or those that the configuration's `transfer` says,
    /// whatever the run that it names.
    ///
    /// # Errors
    ///
    /// If `trained` is not such a network.
    pub fn starting_from(mut self, trained: &Classifier) -> Result<Self, TrainError> {
        self.model = match &self.config.transfer {
            Some(transfer) => transfer.take_over(trained, self.model)?,
            None => transplant(trained, self.model, &ParamGroup::all())?,
        };
        Ok(self)
    }

    /// The same training with the configuration's penalties measured from the weights of `prior`, as by
    /// [`Penalties::towards`](crate::penalty::Penalties::towards) (coverage F4).
    ///
    /// # Errors
    ///
    /// If `prior` has a parameter in another shape.
    pub fn towards(mut self, prior: &Classifier) -> Result<Self, TrainError> {
        self.way = self.way.towards(&self.model, prior)?;
        Ok(self)
    }

    /// Trains for `steps` more steps, or to the end of the epoch if that is nearer; says how far that has led, or nothing if
    /// the run is over. The time between two calls does not count.
    ///
    /// # Errors
    ///
    /// If gradients are not finite more often than the configuration allows, or the device fails.
    pub fn train(&mut self, steps: usize) -> Result<Option<TrialProgress>, TrainError> {
        let start = Instant::now();
        let mut losses: Option<Tensor<1>> = None;
        let mut taken = 0;
        while taken < steps.max(1) {
            let batch = match self.batches.as_mut().and_then(Iterator::next) {
                Some(batch) => batch.map_err(|error| TrainError::Stopped(error.to_string()))?,
                None if self.progress.epoch == self.config.epochs => break,
                None => {
                    self.progress.epoch += 1;
                    self.model = self.way.in_epoch(self.model.clone(), self.progress.epoch)?;
                    self.batches = Some(self.training.epoch());
                    continue;
                }
            };
            let last = batch.last;
            self.progress.images += batch.targets.dims()[0];
            let output = self.model.step(batch);
            let loss = output.item.loss.inner().mean();
            losses = Some(losses.map_or(loss.clone(), |sum| sum + loss));
            let lr = self.schedule.step().into();
            self.model = self.way.step(self.model.clone(), &mut self.optimizer, &lr, output.grads, last)?;
            taken += 1;
            if last {
                break;
            }
        }
        let Some(losses) = losses else { return Ok(None) };
        self.progress.loss = f64::from(losses.into_scalar::<f32>()) / taken as f64;
        // Devices may be behind: the last step is over when this returns.
        self.device.sync().map_err(|error| TrainError::Stopped(error.to_string()))?;
        self.progress.step += taken;
        self.progress.seconds += start.elapsed().as_secs_f64();
        if let Some(plateau) =
            self.schedule.plateau().filter(|_| self.progress.step.is_multiple_of(self.training.batches()))
        {
            plateau.observe(self.validate()?.loss);
        }
        Ok(Some(self.progress))
    }

    /// The network as it is to be evaluated: with averaged weights, where the configuration says so.
    ///
    /// # Errors
    ///
    /// If batch normalization cannot be re-estimated for the averaged weights.
    pub fn model(&self) -> Result<Classifier, TrainError> {
        match &self.evaluation {
            Some(evaluation) => Ok(evaluation(&self.optimizer, self.model.clone())?.valid()),
            None => Ok(self.model.valid()),
        }
    }

    /// How well the network does on the validation images.
    ///
    /// # Errors
    ///
    /// As [`model`](Self::model).
    pub fn validate(&self) -> Result<Evaluation, TrainError> {
        let labels: Vec<u8> = self.data.validation_indices.iter().map(|&index| self.data.train.label(index)).collect();
        let (images, indices) = (self.data.train.clone(), self.data.validation_indices.clone());
        let loader = ImageLoader::new(images, indices, EVALUATION_BATCH, self.data.normalization, &self.device);
        Ok(Evaluation::new(&predict(&self.model()?, &loader), &labels))
    }

    /// How well the network does on the test images.
    ///
    /// # Errors
    ///
    /// As [`model`](Self::model).
    pub fn test(&self) -> Result<Evaluation, TrainError> {
        Ok(Evaluation::new(&predict(&self.model()?, &test_loader(self.data, &self.device)), self.data.test.labels()))
    }
}
