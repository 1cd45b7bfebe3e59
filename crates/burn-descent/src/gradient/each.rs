//! The gradients of a module, one after the other.

use crate::group::{Walk, walked};
use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

/// The parameter that a gradient belongs to.
pub(crate) struct Parameter<'a> {
    pub(crate) id: ParamId,
    walk: &'a Walk,
}

impl Parameter<'_> {
    /// The path in the module, such as `network.layers.0.weight`.
    pub(crate) fn path(&self) -> String {
        self.walk.path()
    }
}

/// What is done with each gradient.
pub(crate) trait EachGradient {
    /// The gradient to go on with, if any.
    fn each<const D: usize>(&mut self, parameter: Parameter<'_>, gradient: Tensor<D>) -> Option<Tensor<D>>;
}

/// Replaces each gradient that a parameter of `module` has by what `action` makes of it. A parameter that occurs twice
/// in the module is treated once; a gradient of no parameter stays as it is.
pub(crate) fn for_each_gradient<M: Module>(
    module: &M,
    gradients: &mut GradientsParams,
    action: &mut impl EachGradient,
) {
    module.visit(&mut Visitor { walk: Walk::default(), gradients: Access::Taken(gradients), action });
}

/// Shows each gradient that a parameter of `module` has to `action`, and leaves it as it is.
pub(crate) fn for_each_shared_gradient<M: Module>(
    module: &M,
    gradients: &GradientsParams,
    action: &mut impl EachGradient,
) {
    module.visit(&mut Visitor { walk: Walk::default(), gradients: Access::Shared(gradients), action });
}

enum Access<'a> {
    Taken(&'a mut GradientsParams),
    Shared(&'a GradientsParams),
}

struct Visitor<'a, A> {
    walk: Walk,
    gradients: Access<'a>,
    action: &'a mut A,
}

impl<A: EachGradient> ModuleVisitor for Visitor<'_, A> {
    walked!();

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !self.walk.is_first(param.id) {
            return;
        }
        let parameter = Parameter { id: param.id, walk: &self.walk };
        match &mut self.gradients {
            Access::Taken(gradients) => {
                let gradient = gradients.remove::<D>(param.id);
                if let Some(gradient) = gradient.and_then(|gradient| self.action.each(parameter, gradient)) {
                    gradients.register(param.id, gradient);
                }
            }
            Access::Shared(gradients) => {
                if let Some(gradient) = gradients.get::<D>(param.id) {
                    self.action.each(parameter, gradient);
                }
            }
        }
    }
}
