use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::Tensor;
use std::cell::Cell;
use std::collections::HashSet;

/// The weights that `optimizer` means to be used, as a module in validation mode: those of `module`, or averages over the
/// past where an optimizer or a wrapper around it keeps such. `module` and `optimizer` stay as they are, for training to
/// go on with them.
///
/// Some methods train at one point and answer at another: [`Asgd`](super::Asgd) at the average of its iterates, the
/// schedule-free ones at the average that they steer. Every other optimizer of this crate gives the weights of `module`.
/// Burn's own take a step at a learning rate of 0, which leaves them where they are too. Parameters that need no gradients, such
/// as frozen ones, are as they are in `module`.
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
    let module = module.train();
    let mut trained = Trained::default();
    module.visit(&mut trained);
    let gradients = parameters_as_gradients(&module, |id| trained.0.contains(&id));
    let _evaluating = Asked::begin(Question::Weights);
    optimizer.clone().step(0.0, module, gradients).valid()
}

/// Parameters in the place of their gradients, those that are `wanted`: an optimizer visits only what has one.
pub(super) fn parameters_as_gradients<M: Module>(module: &M, wanted: impl Fn(ParamId) -> bool) -> GradientsParams {
    let mut parameters = Parameters { wanted, gradients: GradientsParams::new() };
    module.visit(&mut parameters);
    parameters.gradients
}

struct Parameters<F> {
    wanted: F,
    gradients: GradientsParams,
}

impl<F: Fn(ParamId) -> bool> ModuleVisitor for Parameters<F> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if (self.wanted)(param.id) {
            self.gradients.register(param.id, param.val().inner());
        }
    }
}

/// The parameters of a module in training mode that need gradients.
#[derive(Default)]
struct Trained(HashSet<ParamId>);

impl ModuleVisitor for Trained {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if param.is_require_grad() {
            self.0.insert(param.id);
        }
    }
}

/// What a step of the optimizers on this thread is for, if it is no step of a training.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    /// Which weights an optimizer means to be used.
    Weights,
    /// Which state it has after a step.
    State,
}

thread_local! {
    static ASKED: Cell<Option<Question>> = const { Cell::new(None) };
}

/// Whether the optimizers on this thread are asked for their evaluation weights, not for a step.
pub(crate) fn evaluating() -> bool {
    ASKED.get() == Some(Question::Weights)
}

/// Whether nothing is to stay of what the optimizers on this thread do.
pub(crate) fn trying() -> bool {
    ASKED.get().is_some()
}

/// A question, until it is dropped.
pub(super) struct Asked;

impl Asked {
    pub(super) fn begin(question: Question) -> Self {
        ASKED.set(Some(question));
        Self
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        ASKED.set(None);
    }
}
