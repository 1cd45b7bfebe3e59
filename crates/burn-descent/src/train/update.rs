//! What a step is: the interface, and the step by gradients.

use super::EngineError;
use crate::ValueRange;
use crate::gradient::Chain;
use crate::group::{ensure_parameters, rates};
use crate::optim::{RecordMismatch, evaluation_weights, load_record};
use crate::penalty::Penalties;
use crate::transfer::LayerSchedule;
use crate::weights::Sam;
use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::ParamGroup;
use burn::optim::{GradientsParams, ModuleOptimizer, OptimizerRecord};
use burn::tensor::Device;
use burn::train::{LearnerModel, TrainOutput, TrainStep};
use std::sync::Arc;

/// Names what a model is trained on: its `TrainStep`'s input.
pub type Batch<M> = <M as TrainStep>::Input;
/// Names what a training step of a model puts out, for metrics.
pub type Output<M> = <M as TrainStep>::Output;

/// Holds what a step depends on beside the model and the batch.
#[derive(Clone)]
pub struct Step {
    /// Gives the learning rate, of each parameter where they differ.
    pub rate: ModuleLearningRate,
    /// Counts the steps taken before this one, over all epochs and starts of the program.
    pub number: u64,
    /// Seeds what is random in the step, such as dropout: another number at each step, the same when it is repeated.
    pub seed: u64,
    /// Names the device that the step is taken on.
    pub device: Device,
}

impl Step {
    /// Seeds the device, so that the next pass draws what any other pass of this step draws.
    pub fn seed_device(&self) {
        self.device.seed(self.seed);
    }
}

/// Takes the steps of a training: turns a model and a batch into the next model.
///
/// [`GradientUpdate`] does so by one gradient, or two. Implement it for methods that ask for more: several evaluations
/// of a closure, an exchange with other replicas. Everything that it carries from step to step goes into its record, or
/// is none when it is [at rest](Self::is_at_rest); then a training that is resumed equals the unbroken one.
///
/// ```
/// use burn::optim::{ModuleOptimizer, OptimizerRecord};
/// use burn::train::{LearnerModel, TrainStep};
/// use burn_descent::optim::{RecordMismatch, load_record};
/// use burn_descent::train::{Batch, EngineError, Output, Step, Update};
///
/// /// Steps by the gradients of where a step would lead (Korpelevich 1976).
/// struct Extragradient(ModuleOptimizer);
///
/// impl<M: LearnerModel> Update<M> for Extragradient
/// where
///     Batch<M>: Clone,
/// {
///     fn step(&mut self, model: M, batch: Batch<M>, step: &Step) -> Result<(M, Output<M>), EngineError> {
///         step.seed_device();
///         let here = TrainStep::step(&model, batch.clone());
///         let ahead = self.0.clone().step(step.rate.clone(), model.clone(), here.grads);
///         step.seed_device();
///         let gradients = TrainStep::step(&ahead, batch).grads;
///         Ok((self.0.step(step.rate.clone(), model, gradients), here.item))
///     }
///
///     fn to_record(&self) -> OptimizerRecord {
///         self.0.to_record()
///     }
///
///     fn load_record(&mut self, record: OptimizerRecord, model: &M) -> Result<(), RecordMismatch> {
///         self.0 = load_record(self.0.clone(), record, model)?;
///         Ok(())
///     }
/// }
/// ```
pub trait Update<M: LearnerModel>: Send + 'static {
    /// Returns the model after one step, and what the step put out.
    ///
    /// # Errors
    ///
    /// Returns an error where the training has to end.
    fn step(&mut self, model: M, batch: Batch<M>, step: &Step) -> Result<(M, Output<M>), EngineError>;

    /// Returns the model as it trains in `epoch` (from 1). It is called again where a training goes on within an epoch.
    ///
    /// # Errors
    ///
    /// Returns an error where the training has to end.
    fn begin_epoch(&mut self, model: M, epoch: usize) -> Result<M, EngineError> {
        _ = epoch;
        Ok(model)
    }

    /// Returns the model at the end of an epoch, whose last learning rate was `rate`, with whatever is left over. It is
    /// called once an epoch.
    ///
    /// # Errors
    ///
    /// Returns an error where the training has to end.
    fn end_epoch(&mut self, model: M, rate: &ModuleLearningRate) -> Result<M, EngineError> {
        _ = rate;
        Ok(model)
    }

    /// Returns the model to validate and to keep, in validation mode: the one that trains, or an average.
    ///
    /// # Errors
    ///
    /// Returns an error if there is none.
    fn evaluated(&self, model: &M) -> Result<M, EngineError> {
        Ok(model.valid())
    }

    /// Tells whether its record holds all that it carries. Checkpoints wait until it does.
    fn is_at_rest(&self) -> bool {
        true
    }

    /// Returns its record.
    fn to_record(&self) -> OptimizerRecord;

    /// Takes up what [`to_record`](Self::to_record) had, for `model`.
    ///
    /// # Errors
    ///
    /// Returns what does not fit.
    fn load_record(&mut self, record: OptimizerRecord, model: &M) -> Result<(), RecordMismatch>;
}

impl<M: LearnerModel + 'static> Update<M> for Box<dyn Update<M>> {
    fn step(&mut self, model: M, batch: Batch<M>, step: &Step) -> Result<(M, Output<M>), EngineError> {
        (**self).step(model, batch, step)
    }

    fn begin_epoch(&mut self, model: M, epoch: usize) -> Result<M, EngineError> {
        (**self).begin_epoch(model, epoch)
    }

    fn end_epoch(&mut self, model: M, rate: &ModuleLearningRate) -> Result<M, EngineError> {
        (**self).end_epoch(model, rate)
    }

    fn evaluated(&self, model: &M) -> Result<M, EngineError> {
        (**self).evaluated(model)
    }

    fn is_at_rest(&self) -> bool {
        (**self).is_at_rest()
    }

    fn to_record(&self) -> OptimizerRecord {
        (**self).to_record()
    }

    fn load_record(&mut self, record: OptimizerRecord, model: &M) -> Result<(), RecordMismatch> {
        (**self).load_record(record, model)
    }
}

/// Makes the model to evaluate of an optimizer and the model that it trains.
pub type Evaluation<M> = Arc<dyn Fn(&ModuleOptimizer, M) -> Result<M, EngineError> + Send + Sync>;

/// Sees a model, the gradients of a step and what the step puts out.
pub type GradientObserver<M> = Box<dyn Fn(&M, &GradientsParams, &mut Output<M>) + Send + Sync>;

/// Takes steps by the gradient of a batch: penalties, the transforms of a chain, then the optimizer.
///
/// ```
/// use burn_descent::gradient::ChainConfig;
/// use burn_descent::optim::NadamConfig;
/// use burn_descent::train::GradientUpdate;
/// use burn_descent::weights::SamConfig;
/// # use burn::nn::Linear;
///
/// # fn update<M: burn::train::LearnerModel>() -> Result<GradientUpdate<M>, burn_descent::ConfigError> {
/// let update = GradientUpdate::new(NadamConfig::new().init()?)
///     .with_chain(ChainConfig::new().clip_norm(1.0).init()?)
///     .with_sam(SamConfig::new().init()?);
/// # Ok(update)
/// # }
/// ```
pub struct GradientUpdate<M: LearnerModel> {
    optimizer: ModuleOptimizer,
    chain: Chain,
    penalties: Option<Penalties>,
    sam: Option<Sam>,
    layers: Option<LayerSchedule>,
    rates: Vec<(ParamGroup, f64)>,
    evaluation: Option<Evaluation<M>>,
    observer: Option<GradientObserver<M>>,
}

impl<M: LearnerModel> GradientUpdate<M> {
    /// Creates steps of this optimizer, which may be of several groups of parameters, by the gradients as they are.
    pub fn new(optimizer: ModuleOptimizer) -> Self {
        Self {
            optimizer,
            chain: Chain::default(),
            penalties: None,
            sam: None,
            layers: None,
            rates: Vec::new(),
            evaluation: None,
            observer: None,
        }
    }

    /// Sets the transforms of the gradients.
    pub fn with_chain(self, chain: Chain) -> Self {
        Self { chain, ..self }
    }

    /// Sets the penalties on the weights; the gradients of those that are coupled are added before the transforms.
    pub fn with_penalties(self, penalties: Penalties) -> Self {
        Self { penalties: Some(penalties), ..self }
    }

    /// Returns the penalties, if there are any.
    pub fn penalties(&self) -> Option<&Penalties> {
        self.penalties.as_ref()
    }

    /// Sets sharpness-aware minimization, which takes the gradients where the loss is highest nearby.
    ///
    /// Each batch passes twice. What a step puts out is of the first pass, at the weights themselves, and so are the
    /// running statistics of batch normalization, which in the second pass normalizes by the batch as in the first.
    /// Dropout drops the same units in both.
    pub fn with_sam(self, sam: impl Into<Option<Sam>>) -> Self {
        Self { sam: sam.into(), ..self }
    }

    /// Sets which layers train in each epoch, and the share of the learning rate that each has.
    pub fn with_layers(self, layers: LayerSchedule) -> Self {
        Self { layers: Some(layers), ..self }
    }

    /// Sets the learning rates of groups of parameters, as multiples of that of a step; of two groups that share a
    /// parameter, the latter counts. The rates of [layers](Self::with_layers) take their place where these differ. A group
    /// without parameters, or a rate that is negative or not finite, is an error as the training begins.
    pub fn with_rates(self, rates: Vec<(ParamGroup, f64)>) -> Self {
        Self { rates, ..self }
    }

    /// Sets how the model to evaluate is made, for averages whose batch normalization is to be
    /// [re-estimated](crate::weights::reestimate_batch_norm), say. It has to be the same at each time that it is asked
    /// for. Without it, it has the weights that the optimizer means to be used: an average, where it keeps one, else those
    /// that train.
    pub fn with_evaluation(self, evaluation: Evaluation<M>) -> Self {
        Self { evaluation: Some(evaluation), ..self }
    }

    /// Sets what sees the gradients of each step, as they go into the transforms, and may add to what the step puts out:
    /// their norm for [`GradientNormMetric`](super::GradientNormMetric), say. Without it nothing is computed.
    pub fn with_gradient_observer(
        self,
        observer: impl Fn(&M, &GradientsParams, &mut Output<M>) + Send + Sync + 'static,
    ) -> Self {
        Self { observer: Some(Box::new(observer)), ..self }
    }

    /// Returns the optimizer.
    pub fn optimizer(&self) -> &ModuleOptimizer {
        &self.optimizer
    }

    /// Returns what the step put out, and the gradients that the optimizer would get; none where they are kept back or
    /// left out.
    ///
    /// # Errors
    ///
    /// Returns an error if they are not finite more often in a row than is allowed.
    pub fn gradients(
        &mut self,
        model: &M,
        batch: Batch<M>,
        step: &Step,
    ) -> Result<(Output<M>, GradientsParams), EngineError>
    where
        Batch<M>: Clone,
    {
        step.seed_device();
        let again = self.sam.map(|sam| (sam, batch.clone()));
        let TrainOutput { mut grads, mut item } = TrainStep::step(model, batch);
        if let Some((sam, batch)) = again
            && let Some(perturbed) = sam.perturbed(model, &grads)
        {
            step.seed_device();
            grads = TrainStep::step(&perturbed, batch).grads;
        }
        if let Some(penalties) = &self.penalties {
            grads = penalties.gradients(model, grads);
        }
        if let Some(observer) = &self.observer {
            observer(model, &grads, &mut item);
        }
        Ok((item, self.chain.apply(model, grads)?))
    }

    fn descend(&mut self, model: M, rate: &ModuleLearningRate, gradients: GradientsParams) -> M {
        if gradients.is_empty() {
            return model;
        }
        let of_groups = || (!self.rates.is_empty()).then(|| rates(rate.base(), self.rates.iter().cloned()));
        let rates = self.layers.as_ref().and_then(|layers| layers.rates(rate.base())).or_else(of_groups);
        let rate = rates.as_ref().unwrap_or(rate);
        let model = model.optimize(&mut self.optimizer, rate.clone(), gradients);
        match &self.penalties {
            Some(penalties) => penalties.after_step(rate.clone(), model),
            None => model,
        }
    }
}

impl<M: LearnerModel + 'static> Update<M> for GradientUpdate<M>
where
    Batch<M>: Clone,
{
    fn begin_epoch(&mut self, model: M, epoch: usize) -> Result<M, EngineError> {
        for (group, rate) in &self.rates {
            ensure_parameters(&model, group)?;
            ValueRange::NonNegative.check("GradientUpdate", "rate", *rate)?;
        }
        match &self.layers {
            Some(layers) => Ok(layers.in_epoch(model, epoch)?),
            None => Ok(model),
        }
    }

    fn step(&mut self, model: M, batch: Batch<M>, step: &Step) -> Result<(M, Output<M>), EngineError> {
        let (output, gradients) = self.gradients(&model, batch, step)?;
        Ok((self.descend(model, &step.rate, gradients), output))
    }

    fn end_epoch(&mut self, model: M, rate: &ModuleLearningRate) -> Result<M, EngineError> {
        let left_over = self.chain.flush(&model)?;
        Ok(self.descend(model, rate, left_over))
    }

    fn evaluated(&self, model: &M) -> Result<M, EngineError> {
        match &self.evaluation {
            Some(evaluation) => evaluation(&self.optimizer, model.clone()),
            None => Ok(evaluation_weights(&self.optimizer, model.clone())),
        }
    }

    fn is_at_rest(&self) -> bool {
        self.chain.is_at_rest()
    }

    fn to_record(&self) -> OptimizerRecord {
        self.optimizer.to_record()
    }

    fn load_record(&mut self, record: OptimizerRecord, model: &M) -> Result<(), RecordMismatch> {
        self.optimizer = load_record(self.optimizer.clone(), record, model)?;
        self.chain.restart();
        Ok(())
    }
}
