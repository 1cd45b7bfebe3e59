use crate::error::ConfigError;
use crate::gradient::{EachGradient, Parameter};
use crate::kernel::on_rank;
use crate::optim::{Evaluate, evaluate_wrapped, optimizer_by_purpose};
use burn::optim::{LearningRate, ModuleOptimizer, Optimizer};
use burn::tensor::Tensor;
use burn::tensor::kind::BridgeTensor;

/// Describes a transform that needs no more than the gradient of one parameter.
///
/// ```
/// use burn::optim::{ModuleOptimizer, SgdConfig};
/// use burn::tensor::Tensor;
/// use burn_descent::ConfigError;
/// use burn_descent::gradient::{TensorTransform, Transformed};
///
/// /// The signs of the gradient.
/// #[derive(Clone, Debug)]
/// struct Sign;
///
/// impl TensorTransform for Sign {
///     fn transform<const D: usize>(&self, gradient: Tensor<D>) -> Tensor<D> {
///         gradient.sign()
///     }
///
///     fn check(&self) -> Result<(), ConfigError> {
///         Ok(())
///     }
/// }
///
/// let sign_descent = ModuleOptimizer::from(Transformed::new(Sign, SgdConfig::new().build())?);
/// # Ok::<(), burn_descent::ConfigError>(())
/// ```
pub trait TensorTransform: Clone + Send + Sync + 'static {
    /// Returns the transformed gradient.
    fn transform<const D: usize>(&self, gradient: Tensor<D>) -> Tensor<D>;

    /// Checks that every field is in its range.
    ///
    /// # Errors
    ///
    /// Returns the first field that is out of range.
    fn check(&self) -> Result<(), ConfigError>;
}

/// Runs any Burn optimizer with a transform of its gradients. Its record is that of the optimizer.
#[derive(Clone, Debug)]
pub struct Transformed<T, O> {
    transform: T,
    optimizer: O,
}

impl<T: TensorTransform, O: Optimizer> Transformed<T, O> {
    /// Transforms every gradient before `optimizer` sees it.
    ///
    /// # Errors
    ///
    /// Returns the first field that is out of range.
    pub fn new(transform: T, optimizer: O) -> Result<Self, ConfigError> {
        transform.check()?;
        Ok(Self { transform, optimizer })
    }
    /// Makes the optimizer of a whole module: Burn's `ModuleOptimizer`, which has `step`. For a group of parameters
    /// `ModuleOptimizer::with_group` takes the wrapper itself.
    pub fn init(self) -> ModuleOptimizer
    where
        Self: Optimizer,
    {
        self.into()
    }
}

impl<T: TensorTransform, O: Optimizer> Evaluate for Transformed<T, O> {
    fn train<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        self.optimizer.step(lr, tensor, self.transform.transform(grad), state)
    }

    fn evaluate<const D: usize>(&self, tensor: Tensor<D>, state: Option<Self::State<D>>) -> Tensor<D> {
        evaluate_wrapped(&self.optimizer, tensor, state)
    }
}

optimizer_by_purpose!([T: TensorTransform, O: Optimizer] Transformed<T, O>, D => O::State<D>, |state, device| {
    O::to_device(state, device)
});

/// A transform of tensors of any rank whose type is known at run time alone.
pub(super) trait ErasedTransform: Send + Sync {
    fn transform_dyn(&self, rank: usize, gradient: BridgeTensor) -> BridgeTensor;
    fn check_dyn(&self) -> Result<(), ConfigError>;
}

impl<T: TensorTransform> ErasedTransform for T {
    fn transform_dyn(&self, rank: usize, gradient: BridgeTensor) -> BridgeTensor {
        on_rank!(rank, D => self.transform(Tensor::<D>::from_bridge(gradient)).into_bridge())
    }

    fn check_dyn(&self) -> Result<(), ConfigError> {
        self.check()
    }
}

/// The transform of each gradient of a module.
pub(super) struct Each<'a, T>(pub(super) &'a T);

impl<T: TensorTransform> EachGradient for Each<'_, T> {
    fn each<const D: usize>(&mut self, _parameter: Parameter<'_>, gradient: Tensor<D>) -> Option<Tensor<D>> {
        Some(self.0.transform(gradient))
    }
}
