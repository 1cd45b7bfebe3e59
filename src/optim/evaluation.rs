use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::Tensor;
use std::cell::Cell;

/// The weights that `optimizer` means to be used, as a module in validation mode: those of `module`, or averages over the
/// past where an optimizer or a wrapper around it keeps such. `module` and `optimizer` stay as they are, for training to
/// go on with them.
///
/// Some methods train at one point and answer at another: [`Asgd`](super::Asgd) at the average of its iterates, the
/// schedule-free ones at the average that they steer. Every other optimizer of this crate gives the weights of `module`.
/// Burn's own take a step at a learning rate of 0, which leaves them where they are too.
///
/// ```
/// use burn::nn::LinearConfig;
/// use burn::tensor::Device;
/// use burn_descent::optim::{NadamConfig, evaluation_weights};
///
/// let model = LinearConfig::new(4, 1).init(&Device::default().autodiff());
/// let optimizer = NadamConfig::new().init()?;
/// let evaluated = evaluation_weights(&optimizer, model.clone());
/// assert_eq!(evaluated.weight.val().to_data(), model.weight.val().to_data());
/// # Ok::<(), burn_descent::ConfigError>(())
/// ```
pub fn evaluation_weights<M: Module>(optimizer: &ModuleOptimizer, module: M) -> M {
    let gradients = parameters_as_gradients(&module);
    let _evaluating = Evaluating::begin();
    optimizer.clone().step(0.0, module.train(), gradients).valid()
}

/// Each parameter in the place of its gradient: an optimizer visits only what has one.
pub(super) fn parameters_as_gradients<M: Module>(module: &M) -> GradientsParams {
    let mut parameters = Parameters(GradientsParams::new());
    module.visit(&mut parameters);
    parameters.0
}

struct Parameters(GradientsParams);

impl ModuleVisitor for Parameters {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.register(param.id, param.val().inner());
    }
}

thread_local! {
    static EVALUATING: Cell<bool> = const { Cell::new(false) };
}

/// Whether the optimizers on this thread are asked for their evaluation weights, not for a step.
pub(crate) fn evaluating() -> bool {
    EVALUATING.get()
}

/// An evaluation, until it is dropped.
struct Evaluating;

impl Evaluating {
    fn begin() -> Self {
        EVALUATING.set(true);
        Self
    }
}

impl Drop for Evaluating {
    fn drop(&mut self) {
        EVALUATING.set(false);
    }
}
