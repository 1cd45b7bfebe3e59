//! What is minimized: the loss as a function of one vector.

use super::OutputLoss;
use super::flat::Layout;
use super::gauss_newton::{gauss_newton_product, gauss_newton_root};
use crate::group::NoParameters;
use crate::weights::retrained;
use burn::module::{Module, ParamGroup};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

/// Gives the loss, its gradient and what is known of its curvature at any θ, a vector of `[n]` numbers.
///
/// [`ModuleObjective`] makes one of a loss over any module. Implement it where more is known, such as the Hessian.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_descent::second_order::{BfgsConfig, Ending, Objective};
///
/// /// `½·θ² + θ`, elementwise and summed up.
/// struct Parabola;
///
/// impl Objective for Parabola {
///     fn gradient(&mut self, theta: &Tensor<1>) -> (Tensor<1>, Tensor<1>) {
///         ((theta.clone().square() * 0.5 + theta.clone()).sum(), theta.clone() + 1.0)
///     }
/// }
///
/// let mut minimizer = BfgsConfig::new().init()?;
/// let report = minimizer.minimize(&mut Parabola, Tensor::<1>::zeros([3], &Device::default()))?;
/// assert_eq!(report.ending, Ending::Converged);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Objective {
    /// Returns the loss at θ, as one number, and its gradient, `[n]`. Neither is part of a graph.
    fn gradient(&mut self, theta: &Tensor<1>) -> (Tensor<1>, Tensor<1>);

    /// Returns the loss at θ alone, which may be had for less.
    fn value(&mut self, theta: &Tensor<1>) -> Tensor<1> {
        self.gradient(theta).0
    }

    /// Returns the product of the Hessian at θ with `v`, `[n]`, or none, where it is to be had by differences of gradients.
    fn hessian_product(&mut self, theta: &Tensor<1>, v: &Tensor<1>) -> Option<Tensor<1>> {
        let _ = (theta, v);
        None
    }

    /// Returns the Hessian at θ, `[n, n]`, or none, where it is to be had column by column by products.
    fn hessian(&mut self, theta: &Tensor<1>) -> Option<Tensor<2>> {
        let _ = theta;
        None
    }

    /// Returns the product of the Gauss–Newton matrix at θ with `v`, `[n]`, or none, where the objective has no such
    /// matrix, and the Hessian takes its place.
    fn gauss_newton_product(&mut self, theta: &Tensor<1>, v: &Tensor<1>) -> Option<Tensor<1>> {
        let _ = (theta, v);
        None
    }

    /// Returns a vector whose squares have the diagonal of the Gauss–Newton matrix at θ as their mean, drawn by `seed`, or
    /// none, where that is not known.
    fn gauss_newton_root(&mut self, theta: &Tensor<1>, seed: u64) -> Option<Tensor<1>> {
        let _ = (theta, seed);
        None
    }
}

/// Makes an [`Objective`] of a loss over a module.
///
/// The parameters, all or those of a group, are one vector in the order of the module; one that occurs twice is there once,
/// one that the loss does not depend on has the gradient 0. The loss is called with copies of the module, whose running
/// statistics are their own. Its data are to be on an autodiff device. If it draws anything at random, it has to draw the
/// same at each call: seed the device in it.
///
/// ```
/// use burn::nn::{Linear, LinearConfig};
/// use burn::tensor::{Device, Tensor};
/// use burn_descent::second_order::{LbfgsConfig, ModuleObjective};
///
/// let device = Device::default().autodiff();
/// let inputs = Tensor::<2>::from_data([[0.0], [1.0], [2.0]], &device);
/// let targets = Tensor::<2>::from_data([[1.0], [3.0], [5.0]], &device);
/// let model = LinearConfig::new(1, 1).init(&device);
/// let mut objective = ModuleObjective::new(model, |model: &Linear| {
///     (model.forward(inputs.clone()) - targets.clone()).square().mean()
/// });
///
/// let mut minimizer = LbfgsConfig::new().init()?;
/// let start = objective.start();
/// let report = minimizer.minimize(&mut objective, start)?;
/// let model = objective.module_at(&report.theta);
/// assert!((model.weight.val().into_scalar::<f32>() - 2.0).abs() < 1e-2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ModuleObjective<M, F, G = fn(&M) -> Tensor<2>> {
    module: M,
    layout: Layout,
    loss: F,
    gauss_newton: Option<(G, OutputLoss)>,
}

impl<M: Module, F: FnMut(&M) -> Tensor<1>> ModuleObjective<M, F> {
    /// Creates the objective of all parameters of `module`. Where `loss` has several values, their sum counts.
    pub fn new(module: M, loss: F) -> Self {
        let layout = Layout::of(&module, &ParamGroup::all());
        Self { module, layout, loss, gauss_newton: None }
    }

    /// Creates the objective of the parameters in `group`; the others stay as they are.
    ///
    /// # Errors
    ///
    /// Returns an error if the group has no parameter of the module.
    pub fn of_group(module: M, group: &ParamGroup, loss: F) -> Result<Self, NoParameters> {
        crate::group::ensure_parameters(&module, group)?;
        let layout = Layout::of(&module, group);
        Ok(Self { module, layout, loss, gauss_newton: None })
    }

    /// Sets what the Gauss–Newton matrix `Jᵀ·H·J` is made of, for [`HessianFreeConfig`](super::HessianFreeConfig): J is the
    /// derivative of the `outputs`, `[batch, outputs]`, by the parameters, and H the Hessian of the `loss` by the outputs.
    ///
    /// The outputs may be those of other examples than the loss is made of, such as a part of them: products then cost less.
    ///
    /// ```
    /// use burn::nn::{Linear, LinearConfig};
    /// use burn::tensor::{Device, Tensor};
    /// use burn_descent::second_order::{HessianFreeConfig, ModuleObjective, OutputLoss};
    ///
    /// let device = Device::default().autodiff();
    /// let inputs = Tensor::<2>::from_data([[0.0], [1.0], [2.0]], &device);
    /// let targets = Tensor::<2>::from_data([[1.0], [3.0], [5.0]], &device);
    /// let outputs = |model: &Linear| model.forward(inputs.clone());
    /// let loss = |model: &Linear| (outputs(model) - targets.clone()).square().mean();
    /// let model = LinearConfig::new(1, 1).init(&device);
    /// let mut objective = ModuleObjective::new(model, loss).with_gauss_newton(outputs, OutputLoss::SquaredError);
    ///
    /// let start = objective.start();
    /// let report = HessianFreeConfig::new().init()?.minimize(&mut objective, start)?;
    /// assert!(report.value < 1e-6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_gauss_newton<G>(self, outputs: G, loss: OutputLoss) -> ModuleObjective<M, F, G>
    where
        G: FnMut(&M) -> Tensor<2>,
    {
        self.with_optional_gauss_newton(Some((outputs, loss)))
    }

    /// Sets what the Gauss–Newton matrix is made of, if it is known.
    pub(crate) fn with_optional_gauss_newton<G>(self, gauss_newton: Option<(G, OutputLoss)>) -> ModuleObjective<M, F, G>
    where
        G: FnMut(&M) -> Tensor<2>,
    {
        let Self { module, layout, loss, .. } = self;
        ModuleObjective { module, layout, loss, gauss_newton }
    }
}

impl<M: Module, F, G> ModuleObjective<M, F, G> {
    /// Returns the parameters of the module as it was given: where to start from.
    pub fn start(&self) -> Tensor<1> {
        self.layout.flatten(&self.module)
    }

    /// The parameters of a changed clone of the module.
    pub(crate) fn vector_of(&self, clone: &M) -> Tensor<1> {
        self.layout.flatten(clone)
    }

    /// Returns the module with the parameters `theta`.
    ///
    /// # Panics
    ///
    /// Panics if `theta` has another length than [`start`](Self::start).
    pub fn module_at(&self, theta: &Tensor<1>) -> M {
        module_at(&self.module, &self.layout, theta)
    }
}

/// A copy of `module` that trains apart from it, with the parameters `theta`.
pub(super) fn module_at<M: Module>(module: &M, layout: &Layout, theta: &Tensor<1>) -> M {
    retrained(module, |module| layout.place(module, theta))
}

/// The gradient of `loss`, a function of `module`, as one vector, and its value.
pub(super) fn differentiate<M: Module>(layout: &Layout, module: &M, loss: Tensor<1>) -> (Tensor<1>, Tensor<1>) {
    let loss = loss.sum();
    let gradients = GradientsParams::from_grads(loss.backward(), module);
    (loss.inner(), layout.flatten_gradients(module, &gradients))
}

impl<M: Module, F: FnMut(&M) -> Tensor<1>, G: FnMut(&M) -> Tensor<2>> Objective for ModuleObjective<M, F, G> {
    fn gradient(&mut self, theta: &Tensor<1>) -> (Tensor<1>, Tensor<1>) {
        let module = self.module_at(theta);
        let loss = (self.loss)(&module);
        differentiate(&self.layout, &module, loss)
    }

    fn value(&mut self, theta: &Tensor<1>) -> Tensor<1> {
        let module = self.module_at(theta);
        (self.loss)(&module).sum().without_autodiff()
    }

    fn gauss_newton_product(&mut self, theta: &Tensor<1>, v: &Tensor<1>) -> Option<Tensor<1>> {
        let (outputs, loss) = self.gauss_newton.as_mut()?;
        Some(gauss_newton_product(&self.module, &self.layout, outputs, *loss, theta, v))
    }

    fn gauss_newton_root(&mut self, theta: &Tensor<1>, seed: u64) -> Option<Tensor<1>> {
        let (outputs, loss) = self.gauss_newton.as_mut()?;
        Some(gauss_newton_root(&self.module, &self.layout, outputs, *loss, theta, seed))
    }
}
