//! Copies of a module that train apart from it.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{GradientCheckpointingStrategy, Tensor};
use std::collections::HashMap;

/// What `change` makes of `module` in validation mode, in training mode again. It goes through that mode because it
/// copies what clones share, the running statistics of batch normalization.
pub(crate) fn retrained<M: Module>(module: &M, change: impl FnOnce(M) -> M) -> M {
    change(module.valid()).train().map(&mut Strategies::of(module))
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
