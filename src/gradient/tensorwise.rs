use crate::error::ConfigError;
use crate::gradient::{EachGradient, Parameter};
use crate::optim::evaluating;
use burn::optim::{LearningRate, Optimizer};
use burn::tensor::{Device, Tensor};

/// A transform that needs no more than the gradient of one parameter.
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
    /// The gradient to go on with.
    fn transform<const D: usize>(&self, gradient: Tensor<D>) -> Tensor<D>;

    /// Whether every field is in its range.
    ///
    /// # Errors
    ///
    /// The first field that is out of range.
    fn check(&self) -> Result<(), ConfigError>;
}

/// Any Burn optimizer, with a transform of its gradients. Its record is that of the optimizer.
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
    /// The first field that is out of range.
    pub fn new(transform: T, optimizer: O) -> Result<Self, ConfigError> {
        transform.check()?;
        Ok(Self { transform, optimizer })
    }
}

impl<T: TensorTransform, O: Optimizer> Optimizer for Transformed<T, O> {
    type State<const D: usize> = O::State<D>;

    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        let grad = if evaluating() { grad } else { self.transform.transform(grad) };
        self.optimizer.step(lr, tensor, grad, state)
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &Device) -> Self::State<D> {
        O::to_device(state, device)
    }
}

/// The transform of each gradient of a module.
pub(super) struct Each<'a, T>(pub(super) &'a T);

impl<T: TensorTransform> EachGradient for Each<'_, T> {
    fn each<const D: usize>(&mut self, _parameter: Parameter<'_>, gradient: Tensor<D>) -> Option<Tensor<D>> {
        Some(self.0.transform(gradient))
    }
}
