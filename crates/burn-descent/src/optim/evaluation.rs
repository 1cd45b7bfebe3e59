use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::{GradientsParams, LearningRate, ModuleOptimizer, Optimizer};
use burn::tensor::Tensor;
use std::cell::Cell;
use std::collections::HashSet;

/// Returns the weights that `optimizer` means to be used, as a module in validation mode: those of `module`, or
/// averages over the past where an optimizer or a wrapper around it keeps such. `module` and `optimizer` stay as they
/// are, for training to go on with them.
///
/// Some methods train at one point and answer at another: [`Asgd`](super::Asgd) at the average of its iterates, the
/// schedule-free ones at the average that they steer. Every other optimizer of this crate gives the weights of
/// `module`. Burn's own take a step at a learning rate of 0, which leaves them where they are too. Parameters that need
/// no gradients, such as frozen ones, are as they are in `module`.
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
    let _evaluation = PurposeGuard::begin(Purpose::Evaluation);
    optimizer.clone().step(0.0, module, gradients).valid()
}

/// Describes an optimizer of one parameter that knows which weights it means to be used.
///
/// Every optimizer and wrapper of this crate is one, and takes its steps by [`step_by_purpose`]. So does one of your own that
/// keeps an average, if [`evaluation_weights`] is to find that:
///
/// ```
/// use burn::optim::{LearningRate, Optimizer};
/// use burn::tensor::{Device, Tensor};
/// use burn_descent::optim::{Evaluate, step_by_purpose};
///
/// /// Trains by any optimizer, and answers with half the weights.
/// #[derive(Clone)]
/// struct Halved<O>(O);
///
/// impl<O: Optimizer> Optimizer for Halved<O> {
///     type State<const D: usize> = O::State<D>;
///
///     fn step<const D: usize>(
///         &self,
///         lr: LearningRate,
///         tensor: Tensor<D>,
///         grad: Tensor<D>,
///         state: Option<O::State<D>>,
///     ) -> (Tensor<D>, Option<O::State<D>>) {
///         step_by_purpose(self, lr, tensor, grad, state)
///     }
///
///     fn to_device<const D: usize>(state: O::State<D>, device: &Device) -> O::State<D> {
///         O::to_device(state, device)
///     }
/// }
///
/// impl<O: Optimizer> Evaluate for Halved<O> {
///     fn train<const D: usize>(
///         &self,
///         lr: LearningRate,
///         tensor: Tensor<D>,
///         grad: Tensor<D>,
///         state: Option<O::State<D>>,
///     ) -> (Tensor<D>, Option<O::State<D>>) {
///         self.0.step(lr, tensor, grad, state)
///     }
///
///     fn evaluate<const D: usize>(&self, tensor: Tensor<D>, _state: Option<O::State<D>>) -> Tensor<D> {
///         tensor * 0.5
///     }
/// }
/// ```
// Burn's `Optimizer` cannot be asked, and its `ModuleOptimizer` has no other way to a parameter's state than a step. So
// `evaluation_weights` takes a step for another purpose, and `step_by_purpose` is the one place that looks at it. Upstream,
// one method with a default would do in the place of all this: `Optimizer::evaluate(&self, tensor: Tensor<D>, state:
// Option<&Self::State<D>>) -> Tensor<D> { tensor }`, and `ModuleOptimizer::evaluate(&self, module: M) -> M` over all
// parameters.
pub trait Evaluate: Optimizer {
    /// Takes a step of the training.
    fn train<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>);

    /// Returns the weights to use outside training, where `tensor` are those that train.
    fn evaluate<const D: usize>(&self, tensor: Tensor<D>, state: Option<Self::State<D>>) -> Tensor<D>;
}

/// Takes the step that `Optimizer::step` is called for: one of the training, or, where [`evaluation_weights`] asks, none,
/// but gives the weights to use outside training.
pub fn step_by_purpose<O: Evaluate, const D: usize>(
    optimizer: &O,
    lr: LearningRate,
    tensor: Tensor<D>,
    grad: Tensor<D>,
    state: Option<O::State<D>>,
) -> (Tensor<D>, Option<O::State<D>>) {
    match purpose() {
        Purpose::Evaluation => (optimizer.evaluate(tensor, state), None),
        Purpose::Training | Purpose::Inspection | Purpose::Resumption => optimizer.train(lr, tensor, grad, state),
    }
}

/// Implements Burn's `Optimizer` for an [`Evaluate`], by the type of its state and what moves that to a device.
macro_rules! optimizer_by_purpose {
    ([$($generics:tt)*] $optimizer:ty, $rank:ident => $state:ty, |$moved:ident, $device:ident| $to_device:expr) => {
        impl<$($generics)*> burn::optim::Optimizer for $optimizer {
            type State<const $rank: usize> = $state;

            fn step<const $rank: usize>(
                &self,
                lr: burn::optim::LearningRate,
                tensor: burn::tensor::Tensor<$rank>,
                grad: burn::tensor::Tensor<$rank>,
                state: Option<$state>,
            ) -> (burn::tensor::Tensor<$rank>, Option<$state>) {
                $crate::optim::step_by_purpose(self, lr, tensor, grad, state)
            }

            fn to_device<const $rank: usize>($moved: $state, $device: &burn::tensor::Device) -> $state {
                $to_device
            }
        }
    };
}
pub(crate) use optimizer_by_purpose;

/// Returns the weights that `optimizer`, which a wrapper holds, means to be used: by a step at a rate of 0 for whatever
/// purpose the wrapper was asked.
pub(crate) fn evaluate_wrapped<O: Optimizer, const D: usize>(
    optimizer: &O,
    tensor: Tensor<D>,
    state: Option<O::State<D>>,
) -> Tensor<D> {
    optimizer.step(0.0, tensor.clone(), tensor, state).0
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

/// What the steps on this thread are taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To train.
    Training,
    /// To learn which weights an optimizer means to be used. No state comes of it.
    Evaluation,
    /// To learn which state an optimizer has after a step. Nothing of it stays.
    Inspection,
    /// To show the states of a record to what keeps count of them. Nothing else of it stays.
    Resumption,
}

thread_local! {
    static PURPOSE: Cell<Purpose> = const { Cell::new(Purpose::Training) };
}

/// Returns what the steps on this thread are taken for.
pub(crate) fn purpose() -> Purpose {
    PURPOSE.get()
}

/// A purpose other than training, until it is dropped; then the one before holds again.
pub(super) struct PurposeGuard {
    before: Purpose,
}

impl PurposeGuard {
    pub(super) fn begin(purpose: Purpose) -> Self {
        Self { before: PURPOSE.replace(purpose) }
    }
}

impl Drop for PurposeGuard {
    fn drop(&mut self) {
        PURPOSE.set(self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purpose_ends_with_its_guard_and_the_one_before_holds_again() {
        assert_eq!(purpose(), Purpose::Training);
        let outer = PurposeGuard::begin(Purpose::Inspection);
        {
            let _inner = PurposeGuard::begin(Purpose::Evaluation);
            assert_eq!(purpose(), Purpose::Evaluation);
        }
        assert_eq!(purpose(), Purpose::Inspection);
        drop(outer);
        assert_eq!(purpose(), Purpose::Training);
    }
}
