//! Copies of a module that train apart from it.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{GradientCheckpointingStrategy, Tensor};
use std::any::Any;
use std::collections::HashMap;

/// What `change` makes of `module` in validation mode, in training mode again. It goes through that mode because it
/// copies what clones share, the running statistics of batch normalization; parameters that are tied are so again.
pub(crate) fn retrained<M: Module>(module: &M, change: impl FnOnce(M) -> M) -> M {
    change(module.valid()).train().map(&mut Strategies::of(module)).map(&mut Ties::default())
}

/// Gives one tensor, and so one gradient, to all places of a parameter that occurs more than once.
#[derive(Default)]
struct Ties(HashMap<ParamId, Box<dyn Any>>);

impl ModuleMapper for Ties {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let first = self.0.entry(param.id).or_insert_with(|| Box::new(param.clone()));
        first.downcast_ref::<Param<Tensor<D>>>().cloned().unwrap_or(param)
    }
}

/// How each parameter's gradients are checkpointed, which validation mode forgets.
#[derive(Default)]
pub(crate) struct Strategies(HashMap<ParamId, GradientCheckpointingStrategy>);

impl Strategies {
    pub(crate) fn of<M: Module>(module: &M) -> Self {
        let mut strategies = Self::default();
        module.visit(&mut strategies);
        strategies
    }
}

impl ModuleVisitor for Strategies {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(strategy) = param.val().gradient_checkpointing_strategy() {
            self.0.insert(param.id, strategy);
        }
    }
}

impl ModuleMapper for Strategies {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.0.get(&param.id) {
            Some(strategy) if param.val().is_autodiff() => {
                let strategy = *strategy;
                param.map(|theta| theta.with_gradient_checkpointing_strategy(strategy))
            }
            _ => param,
        }
    }
}
