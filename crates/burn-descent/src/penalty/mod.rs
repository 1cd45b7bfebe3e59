//! Penalizes the parameters and activations of any Burn module: L2, Frobenius' norm, L1 with its proximal step, towards
//! a prior, between two parameters, and limits on norms.
//!
//! A penalty is *coupled*, part of the loss, or *decoupled*, a move of the weights after the optimizer's step.
//! Optimizers have an L2 penalty and decoupled decay of their own ([`WeightDecay`](crate::optim::WeightDecay)), which
//! cost no pass over the weights; this is for everything else.

mod config;
mod norm;
mod text;

pub use config::{PenaltiesConfig, Penalty, PenaltyError, PenaltyForm};
pub use norm::Norm;
pub use text::PenaltyTextError;

use crate::group::{Values, Walk, on_values, parameters, walked};
use crate::kernel::{AnyRank, any_rank, of_rank};
use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use std::collections::HashMap;
use std::sync::Arc;

/// Applies the penalties and limits of a [`PenaltiesConfig`] to a module.
#[derive(Clone, Debug)]
pub struct Penalties {
    config: PenaltiesConfig,
    prior: Option<Arc<Values>>,
}

impl Penalties {
    fn new<M: Module>(config: PenaltiesConfig, module: &M) -> Result<Self, PenaltyError> {
        let penalties = Self { config, prior: None };
        let values = Values::of(module);
        for (_, _, first, second) in penalties.ties() {
            values.ensure_same_shape(first, &values, second)?;
        }
        Ok(penalties)
    }

    /// Returns the same penalties on `w − b`, where b are the parameters of `prior` with the paths of w (coverage F4):
    /// a network trained before, say. Parameters that `prior` lacks are measured from zero. Ties and limits are as
    /// before.
    ///
    /// # Errors
    ///
    /// Returns the first parameter of `module` that has another shape in `prior`.
    pub fn towards<M: Module, P: Module>(mut self, module: &M, prior: &P) -> Result<Self, PenaltyError> {
        let (values, prior) = (Values::of(module), Values::of(prior));
        for (_, path) in parameters(module).iter().filter(|(_, path)| prior.shape(path).is_some()) {
            values.ensure_same_shape(path, &prior, path)?;
        }
        self.prior = Some(Arc::new(prior));
        Ok(self)
    }

    /// Tells whether there are no penalties.
    pub fn is_empty(&self) -> bool {
        self.config.penalties.is_empty()
    }

    fn ties(&self) -> impl Iterator<Item = (Norm, f64, &str, &str)> {
        self.config.penalties.iter().filter_map(|penalty| match penalty {
            Penalty::Tie { norm, strength, first, second } => Some((*norm, *strength, first.as_str(), second.as_str())),
            _ => None,
        })
    }

    /// The norms and strengths of those in `form` on the parameter at `path`.
    fn on(&self, form: PenaltyForm, id: ParamId, path: &str) -> impl Iterator<Item = (Norm, f64)> {
        self.config.penalties.iter().filter_map(move |penalty| match penalty {
            Penalty::Parameters { norm, strength, form: its, group }
                if *its == form && group.matches(&id, Some(path)) =>
            {
                Some((*norm, *strength))
            }
            _ => None,
        })
    }

    /// b of the parameter w at `path`, if there is one; where w is, and part of no graph.
    fn prior<const D: usize>(&self, path: &str, w: &Tensor<D>) -> Option<Tensor<D>> {
        let prior = self.prior.as_ref()?.get(path)?;
        Some(if w.is_autodiff() { Tensor::from_inner(prior) } else { prior }.to_device(&w.device()))
    }

    /// `w − b`.
    fn difference<const D: usize>(&self, w: Tensor<D>, path: &str) -> Tensor<D> {
        match self.prior(path, &w) {
            Some(prior) => w - prior,
            None => w,
        }
    }

    /// Returns the sum of the coupled penalties on `module`, to be added to a loss. It has a graph of its own on a
    /// module that has one; parameters of such a module that need no gradients, such as the running statistics of batch
    /// normalization, do not count. It is 0 on `Device::default()` if there are no penalties.
    pub fn value<M: Module>(&self, module: &M) -> Tensor<1> {
        let mut visitor = Sum { penalties: self, walk: Walk::default(), met: HashMap::new(), sum: None };
        module.visit(&mut visitor);
        visitor.sum.unwrap_or_else(|| Tensor::zeros([1], &Device::default()))
    }

    /// Adds the gradients of the coupled penalties on `module` to `gradients`. They are the same as those of
    /// `loss + value(module)`, without the graph. Parameters that need no gradients get none.
    pub fn gradients<M: Module>(&self, module: &M, gradients: GradientsParams) -> GradientsParams {
        if self.is_empty() {
            return gradients;
        }
        let ties = self.ties().next().map(|_| Values::of(module));
        let mut visitor = Add { penalties: self, walk: Walk::default(), values: ties, gradients };
        module.visit(&mut visitor);
        visitor.gradients
    }

    /// Applies the decoupled penalties and limits to `module`, at the learning rate of the step before. Parameters of a
    /// module with gradients that need none stay as they are.
    pub fn after_step<M: Module>(&self, lr: impl Into<ModuleLearningRate>, module: M) -> M {
        if self.is_empty() {
            return module;
        }
        module.map(&mut Move { penalties: self, walk: Walk::default(), lr: lr.into() })
    }
}

/// Returns `α·Σ|a|` of activations `[batch, …]`, a mean over the batch. Added to a loss, it makes representations in
/// which few units are active (coverage F6).
pub fn sparsity<const D: usize>(strength: f64, activations: Tensor<D>) -> Tensor<1> {
    let batch = activations.dims()[0].max(1);
    activations.abs().sum() * (strength / batch as f64)
}

/// Sums the coupled penalties.
struct Sum<'a> {
    penalties: &'a Penalties,
    walk: Walk,
    /// The parameters that are tied to one that was not met yet, by path.
    met: HashMap<String, AnyRank>,
    sum: Option<Tensor<1>>,
}

impl Sum<'_> {
    fn add(&mut self, value: Tensor<1>) {
        self.sum = Some(match self.sum.take() {
            Some(sum) => {
                let value = value.to_device(&sum.device());
                sum + value
            }
            None => value,
        });
    }
}

impl ModuleVisitor for Sum<'_> {
    walked!();

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let (w, path) = (param.val(), self.walk.path());
        let penalties = self.penalties;
        for (norm, strength, first, second) in penalties.ties() {
            let other = match path.as_str() {
                path if path == first => second,
                path if path == second => first,
                _ => continue,
            };
            match self.met.get(other) {
                Some(other) => self.add(norm.value(strength, w.clone() - of_rank(other.clone()))),
                None => _ = self.met.insert(path.clone(), any_rank(w.clone())),
            }
        }
        if !self.walk.is_first(param.id) || (w.is_autodiff() && !param.is_require_grad()) {
            return;
        }
        let mut d = None;
        for (norm, strength) in penalties.on(PenaltyForm::Coupled, param.id, &path) {
            let d = d.get_or_insert_with(|| penalties.difference(w.clone(), &path));
            self.add(norm.value(strength, d.clone()));
        }
    }
}

/// Adds the gradients of the coupled penalties.
struct Add<'a> {
    penalties: &'a Penalties,
    walk: Walk,
    /// Where there are ties.
    values: Option<Values>,
    gradients: GradientsParams,
}

impl ModuleVisitor for Add<'_> {
    walked!();

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !param.is_require_grad() {
            return;
        }
        let path = self.walk.path();
        let mut sum = None;
        let mut add = |gradient: Tensor<D>| {
            sum = Some(match sum.take() {
                Some(sum) => sum + gradient,
                None => gradient,
            });
        };
        let inner = || param.val().inner();
        for (norm, strength, first, second) in self.penalties.ties() {
            // A parameter that is tied to another feels the pull at each of its places.
            let other = match path.as_str() {
                path if path == first => second,
                path if path == second => first,
                _ => continue,
            };
            if let Some(other) = self.values.as_ref().and_then(|values| values.get::<D>(other)) {
                add(norm.gradient(strength, inner() - other));
            }
        }
        if self.walk.is_first(param.id) {
            let mut d = None;
            for (norm, strength) in self.penalties.on(PenaltyForm::Coupled, param.id, &path) {
                let d = d.get_or_insert_with(|| self.penalties.difference(inner(), &path));
                add(norm.gradient(strength, d.clone()));
            }
        }
        if let Some(sum) = sum {
            let gradient = match self.gradients.remove::<D>(param.id) {
                Some(gradient) => gradient + sum,
                None => sum,
            };
            self.gradients.register(param.id, gradient);
        }
    }
}

/// Takes the decoupled steps.
struct Move<'a> {
    penalties: &'a Penalties,
    walk: Walk,
    lr: ModuleLearningRate,
}

impl ModuleMapper for Move<'_> {
    walked!();

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, path) = (param.id, self.walk.path());
        let penalties = self.penalties;
        let mut moves = penalties.config.penalties.iter().filter(|penalty| penalty.moves(id, &path)).peekable();
        if moves.peek().is_none() || (param.val().is_autodiff() && !param.is_require_grad()) {
            return param;
        }
        let lr = self.lr.lr_from_param(id, Some(&path));
        on_values(param, |w| {
            moves.fold(w, |w, penalty| match penalty {
                Penalty::Parameters { norm, strength, .. } => {
                    let amount = lr * strength;
                    match penalties.prior(&path, &w) {
                        Some(prior) => norm.shrunk(amount, w - prior.clone()) + prior,
                        None => norm.shrunk(amount, w),
                    }
                }
                Penalty::MaxNorm { limit, outputs, .. } => norm::within(w, *limit, *outputs),
                Penalty::Tie { .. } => w,
            })
        })
    }
}
