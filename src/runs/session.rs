use super::dataset::EVALUATION_BATCH;
use super::member::MemberTraining;
use super::{
    Classifier, Evaluation, ImageBatch, ImageLoader, ModelConfig, RunConfig, RunData, TrainError, losses, predict,
};
use crate::networks::MlpConfig;
use burn::data::dataloader::DataLoader;
use burn::module::ParamGroup;
use burn::tensor::{Device, Tensor};
use burn::train::InferenceStep;
use burn_descent::early_stopping::Goal;
use burn_descent::sample::Ranking;
use burn_descent::schedule::{Plateau, RunLength};
use burn_descent::train::{Batches, TrainingState, Update};
use burn_descent::transfer::transplant;
use serde::Serialize;
use std::borrow::Cow;
use std::path::PathBuf;
use std::time::Instant;

/// Trains a network in memory, for experiments: it takes the steps that a [`Run`](super::Run) of the same configuration
/// takes, without its folder and its early stopping, some at a time.
///
/// ```no_run
/// use burn_descent_lab::data::DataSource;
/// use burn_descent_lab::runs::{RunConfig, RunData, TrainingSession};
///
/// let config = RunConfig::default();
/// let (_, device) = config.backend.device()?;
/// let data = RunData::load(&config, &DataSource::new(), true)?;
/// let mut session = TrainingSession::new(&config, &data, &device)?;
/// while let Some(progress) = session.train(100)? {
///     println!("{} steps, {:.1} s: {}", progress.step, progress.seconds, session.validate()?.accuracy);
/// }
/// # Ok::<(), burn_descent_lab::runs::TrainError>(())
/// ```
pub struct TrainingSession<'a> {
    config: &'a RunConfig,
    data: &'a RunData,
    device: Device,
    state: State,
    plateau: Option<Plateau>,
    training: ImageLoader,
    /// The rest of the epoch.
    batches: Option<Batches<ImageBatch>>,
    progress: SessionProgress,
}

/// The training of a classifier.
type State = TrainingState<Classifier, Box<dyn Update<Classifier>>>;

/// Says how far a [`TrainingSession`] has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct SessionProgress {
    /// Gives the epoch, from 1.
    pub epoch: usize,
    /// Counts the training steps taken, over all epochs.
    pub step: usize,
    /// Counts the images trained on, over all epochs.
    pub images: usize,
    /// Counts the seconds of training passes.
    pub seconds: f64,
    /// Gives the mean training loss of the batches of the last call of [`train`](TrainingSession::train), with dropout,
    /// distortion and smoothing.
    pub loss: f64,
}

impl<'a> TrainingSession<'a> {
    /// Creates a session with a network of fresh weights by the configuration's seed; of an ensemble, it is the first.
    ///
    /// # Errors
    ///
    /// Returns the first field of the configuration that is out of range, or an error where images cannot be drawn or
    /// ordered as it says.
    pub fn new(config: &'a RunConfig, data: &'a RunData, device: &Device) -> Result<Self, TrainError> {
        config.check()?;
        let autodiff = device.clone().autodiff();
        let member = Self::member(config);
        let difficulty = difficulty(config, data, device)?;
        let training = member.training_loader(data, &difficulty, &autodiff)?;
        let model = member.training_model(data, &autodiff)?;
        let (state, plateau) = Self::start(config, data, device, model, &training, None)?;
        let (batches, progress) = (None, SessionProgress::default());
        Ok(Self { config, data, device: device.clone(), state, plateau, training, batches, progress })
    }

    /// Starts the training from the weights of `trained`: from all of them, or from those that the configuration's
    /// `transfer` says, whatever the run that it names.
    ///
    /// # Errors
    ///
    /// Returns an error if `trained` is not such a network.
    pub fn starting_from(mut self, trained: &Classifier) -> Result<Self, TrainError> {
        let model = self.state.model()?.clone();
        let model = match &self.config.transfer {
            Some(transfer) => transfer.take_over(trained, model)?,
            None => transplant(trained, model, &ParamGroup::all())?,
        };
        (self.state, self.plateau) = Self::start(self.config, self.data, &self.device, model, &self.training, None)?;
        Ok(self)
    }

    /// Measures the configuration's penalties from the weights of `prior`, as by
    /// [`Penalties::towards`](burn_descent::penalty::Penalties::towards) (coverage F4). It comes after
    /// [`starting_from`](Self::starting_from).
    ///
    /// # Errors
    ///
    /// Returns an error if `prior` has a parameter in another shape.
    pub fn towards(mut self, prior: &Classifier) -> Result<Self, TrainError> {
        let model = self.state.model()?.clone();
        (self.state, self.plateau) =
            Self::start(self.config, self.data, &self.device, model, &self.training, Some(prior))?;
        Ok(self)
    }

    fn member(config: &'a RunConfig) -> MemberTraining<'a> {
        MemberTraining {
            run: "",
            config,
            seed: config.seed,
            folder: PathBuf::new(),
            log: None,
            source: None,
            prior: None,
        }
    }

    fn start(
        config: &'a RunConfig,
        data: &RunData,
        device: &Device,
        model: Classifier,
        training: &ImageLoader,
        prior: Option<&Classifier>,
    ) -> Result<(State, Option<Plateau>), TrainError> {
        let member = MemberTraining { prior, ..Self::member(config) };
        let update = member.steps(&model, data, device, false)?;
        let length = RunLength { epochs: config.epochs, steps_per_epoch: training.batches() };
        let schedule = config.schedule.scheduler(config.lr, length)?;
        let plateau = schedule.plateau();
        Ok((TrainingState::new(model, update, schedule, config.seed), plateau))
    }

    /// Trains for `steps` more steps, or to the end of the epoch if that is nearer, and returns how far that has led,
    /// or nothing if the run is over. The time between two calls does not count.
    ///
    /// # Errors
    ///
    /// Returns an error if gradients are not finite more often than the configuration allows, or the device fails.
    pub fn train(&mut self, steps: usize) -> Result<Option<SessionProgress>, TrainError> {
        let start = Instant::now();
        let mut losses: Option<Tensor<1>> = None;
        let mut taken = 0;
        while taken < steps.max(1) {
            let Some(batches) = &mut self.batches else {
                if self.progress.epoch == self.config.epochs {
                    break;
                }
                self.progress.epoch += 1;
                self.state.begin_epoch()?;
                self.batches = Some(self.training.epoch(self.progress.epoch, 0));
                continue;
            };
            let Some(batch) = batches.next() else { break };
            let batch = batch.map_err(|error| TrainError::Stopped(error.to_string()))?;
            self.progress.images += batch.targets.dims()[0];
            let loss = self.state.step(batch)?.classification.loss.inner().mean();
            losses = Some(losses.map_or(loss.clone(), |sum| sum + loss));
            taken += 1;
            if self.state.position().batch == self.training.batches() {
                self.state.end_epoch()?;
                self.state.advance();
                self.batches = None;
                break;
            }
        }
        let Some(losses) = losses else { return Ok(None) };
        self.progress.loss = f64::from(losses.into_scalar::<f32>()) / taken as f64;
        // Devices may be behind: the last step is over when this returns.
        self.device.sync().map_err(|error| TrainError::Stopped(error.to_string()))?;
        self.progress.step += taken;
        self.progress.seconds += start.elapsed().as_secs_f64();
        if let Some(plateau) = self.plateau.clone().filter(|_| self.batches.is_none()) {
            plateau.observe(match plateau.goal() {
                Goal::Lower => self.validation_loss()?,
                Goal::Higher => self.validate()?.accuracy,
            });
        }
        Ok(Some(self.progress))
    }

    /// Returns the network as it is to be evaluated: with averaged weights, where the configuration says so.
    ///
    /// # Errors
    ///
    /// Returns an error if batch normalization cannot be re-estimated for the averaged weights.
    pub fn model(&self) -> Result<Classifier, TrainError> {
        Ok(self.state.evaluated()?)
    }

    /// Measures how well the network does on the validation images.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`model`](Self::model).
    pub fn validate(&self) -> Result<Evaluation, TrainError> {
        let loader = self.data.validation_loader(EVALUATION_BATCH, &self.device);
        Ok(Evaluation::of_validation(&predict(&self.model()?, &loader), self.data))
    }

    /// The mean of the loss that a run validates by: what it trains by, but for smoothing, focus and penalties.
    fn validation_loss(&self) -> Result<f64, TrainError> {
        let model = self.model()?;
        let (mut sum, mut images) = (0.0, 0);
        for batch in self.data.validation_loader(EVALUATION_BATCH, &self.device).iter() {
            let batch = batch.map_err(|error| TrainError::Stopped(error.to_string()))?;
            let losses = InferenceStep::step(&model, batch).loss;
            images += losses.dims()[0];
            sum += f64::from(losses.sum().into_scalar::<f32>());
        }
        Ok(sum / images as f64)
    }

    /// Measures how well the network does on the test images.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`model`](Self::model).
    pub fn test(&self) -> Result<Evaluation, TrainError> {
        Ok(Evaluation::of_test(&predict(&self.model()?, &self.data.test_loader(&self.device)), self.data))
    }
}

/// Units of the hidden layer of a teacher that is trained in passing, for one epoch.
const TEACHER_UNITS: usize = 64;

/// The difficulty of each training image, where a curriculum needs one: that in `data`, or the loss of a small network
/// that is trained for an epoch on the same images, on whole images.
pub(super) fn difficulty<'a>(
    config: &RunConfig,
    data: &'a RunData,
    device: &Device,
) -> Result<Cow<'a, [f64]>, TrainError> {
    let Some(curriculum) = config.curriculum else { return Ok(Cow::default()) };
    if let Some(difficulty) = &data.difficulty {
        return Ok(difficulty.into());
    }
    if curriculum.ranking == Ranking::Random {
        return Ok(vec![0.0; data.train_indices.len()].into());
    }
    if let Some(name) = &config.teacher {
        let expected = "left out where `RunData::difficulty` is not given and no folder of runs is known";
        return Err(TrainError::Value { field: "teacher", value: name.clone(), expected });
    }
    let config = RunConfig {
        model: ModelConfig::Mlp(MlpConfig::new().with_widths(vec![TEACHER_UNITS])),
        epochs: 1,
        seed: config.seed,
        batch_size: config.batch_size,
        ..RunConfig::default()
    };
    let mut teacher = TrainingSession::new(&config, data, device)?;
    while teacher.train(usize::MAX)?.is_some() {}
    let probabilities = predict(&teacher.model()?, &data.training_images(device));
    Ok(losses(&probabilities, &data.training_labels()).into())
}
