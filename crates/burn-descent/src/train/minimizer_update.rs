//! The step by a method that asks for the loss at points of its own choosing.

use super::EngineError;
use super::update::{Batch, Output, Step, Update};
use crate::optim::RecordMismatch;
use crate::second_order::{Minimizer, ModuleObjective, OutputLoss, StoppingConfig};
use burn::optim::OptimizerRecord;
use burn::tensor::Tensor;
use burn::train::LearnerModel;

/// Computes the loss of a batch, as the root of a graph, and what the pass puts out for metrics.
pub type Forward<M> = Box<dyn Fn(&M, Batch<M>) -> (Tensor<1>, Output<M>) + Send>;
/// Computes the outputs, `[batch, outputs]`, that a Gauss–Newton matrix is made of.
pub type Outputs<M> = Box<dyn Fn(&M, Batch<M>) -> Tensor<2> + Send>;

/// Makes the model to evaluate of the one that trains.
type Evaluated<M> = Box<dyn Fn(M) -> Result<M, EngineError> + Send>;

/// Minimizes the loss of each batch by some iterations of a [`Minimizer`], such as L-BFGS or Hessian-free optimization.
///
/// What the method has learned from a batch it takes along to the next. That is right where the batch is the whole data set,
/// and good where batches are so large that their losses are much alike. Each pair of gradients that it compares is of one
/// batch. A batch that no lower loss is found for leaves the model as it is.
///
/// The learning rate plays no part. What is random in the passes of one step is the same in all of them. What a step puts out
/// is of a pass at its beginning, and so are the running statistics of batch normalization. The weights go far in a step, and
/// steps are few, so that these statistics lag behind: [re-estimate](crate::weights::reestimate_batch_norm) them by
/// [`with_evaluation`](Self::with_evaluation).
///
/// ```
/// use burn_descent::second_order::LbfgsConfig;
/// use burn_descent::train::MinimizerUpdate;
/// # use burn::tensor::Tensor;
/// # use burn::train::{LearnerModel, RegressionOutput, TrainStep};
/// # fn update<M: LearnerModel>(
/// #     outputs: fn(&M, burn_descent::train::Batch<M>) -> RegressionOutput,
/// # ) -> Result<MinimizerUpdate<M>, burn_descent::ConfigError>
/// # where
/// #     M: TrainStep<Output = RegressionOutput>,
/// # {
/// let update = MinimizerUpdate::new(LbfgsConfig::new().init()?.boxed(), 1, move |model: &M, batch| {
///     let output = outputs(model, batch);
///     (output.loss.clone(), output)
/// })?;
/// # Ok(update)
/// # }
/// ```
pub struct MinimizerUpdate<M: LearnerModel> {
    minimizer: Minimizer,
    forward: Forward<M>,
    gauss_newton: Option<(Outputs<M>, OutputLoss)>,
    evaluation: Option<Evaluated<M>>,
}

impl<M: LearnerModel> MinimizerUpdate<M> {
    /// Creates steps of so many iterations on each batch, at least 1, on the loss that `forward` computes.
    ///
    /// # Errors
    ///
    /// Returns an error if `iterations` is 0.
    pub fn new(
        minimizer: Minimizer,
        iterations: usize,
        forward: impl Fn(&M, Batch<M>) -> (Tensor<1>, Output<M>) + Send + 'static,
    ) -> Result<Self, crate::ConfigError> {
        let stopping = StoppingConfig::new().with_max_iterations(Some(iterations)).with_relative_gradient(0.0);
        let minimizer = minimizer.with_stopping(stopping.with_gradient(0.0))?;
        Ok(Self { minimizer, forward: Box::new(forward), gauss_newton: None, evaluation: None })
    }

    /// Sets the outputs that the Gauss–Newton matrix is made of, which may be those of a part of the batch, and the loss that
    /// they go into, for [`HessianFree`](crate::second_order::HessianFree).
    pub fn with_gauss_newton(
        self,
        outputs: impl Fn(&M, Batch<M>) -> Tensor<2> + Send + 'static,
        loss: OutputLoss,
    ) -> Self {
        Self { gauss_newton: Some((Box::new(outputs), loss)), ..self }
    }

    /// Sets how the model to evaluate is made of the one that trains, in validation mode. It has to be the same at each time
    /// that it is asked for. Without it, it is the one that trains.
    pub fn with_evaluation(self, evaluation: impl Fn(M) -> Result<M, EngineError> + Send + 'static) -> Self {
        Self { evaluation: Some(Box::new(evaluation)), ..self }
    }

    /// Returns the minimizer.
    pub fn minimizer(&self) -> &Minimizer {
        &self.minimizer
    }
}

impl<M: LearnerModel + 'static> Update<M> for MinimizerUpdate<M>
where
    Batch<M>: Clone,
{
    fn begin_epoch(&mut self, model: M, _epoch: usize) -> Result<M, EngineError> {
        self.minimizer.check(model.num_params())?;
        Ok(model)
    }

    fn step(&mut self, model: M, batch: Batch<M>, step: &Step) -> Result<(M, Output<M>), EngineError> {
        step.seed_device();
        let (_, output) = (self.forward)(&model, batch.clone());
        let loss = |model: &M| {
            step.seed_device();
            (self.forward)(model, batch.clone()).0
        };
        let gauss_newton = self.gauss_newton.as_ref().map(|(outputs, loss)| {
            let outputs = |model: &M| {
                step.seed_device();
                outputs(model, batch.clone())
            };
            (outputs, *loss)
        });
        let mut objective = ModuleObjective::new(model, loss).with_optional_gauss_newton(gauss_newton);
        let theta = objective.start();
        let report = self.minimizer.continue_from(&mut objective, theta)?;
        Ok((objective.module_at(&report.theta), output))
    }

    fn evaluated(&self, model: &M) -> Result<M, EngineError> {
        let model = model.valid();
        self.evaluation.as_ref().map_or(Ok(model.clone()), |evaluation| evaluation(model))
    }

    fn to_record(&self) -> OptimizerRecord {
        self.minimizer.to_record()
    }

    fn load_record(&mut self, record: OptimizerRecord, model: &M) -> Result<(), RecordMismatch> {
        let device = model.devices().into_iter().next().unwrap_or_default();
        self.minimizer.load_record(record, &device.clone().inner())?;
        let expected = ModuleObjective::new(model.clone(), |_: &M| Tensor::zeros([1], &device)).start().dims();
        match self.minimizer.parameters().filter(|found| *found != expected[0]) {
            Some(found) => Err(RecordMismatch::Shape {
                parameter: "all parameters".to_owned(),
                state: "theta".to_owned(),
                found: vec![found],
                expected: expected.to_vec(),
            }),
            None => Ok(()),
        }
    }
}
