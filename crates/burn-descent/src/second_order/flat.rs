//! The parameters of a module as one vector, and back.

use crate::group::{Walk, on_values, walked};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamGroup, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::{DType, Device, FloatDType, Tensor};
use std::collections::HashMap;

/// Where each parameter of a module is in the vector, which is on the device of the first and in the widest precision, at
/// least single.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    places: HashMap<ParamId, usize>,
    length: usize,
    device: Device,
    dtype: DType,
}

impl Layout {
    /// The layout of the parameters of `module` that are in `group`.
    pub(super) fn of<M: Module>(module: &M, group: &ParamGroup) -> Self {
        let layout = Self { places: HashMap::new(), length: 0, device: Device::default(), dtype: DType::F32 };
        let mut survey = Survey { walk: Walk::default(), group, layout };
        module.visit(&mut survey);
        survey.layout
    }

    /// The parameters of `module` as one vector.
    pub(super) fn flatten<M: Module>(&self, module: &M) -> Tensor<1> {
        self.joined(module, Source::Values)
    }

    /// The gradients of `module` as one vector, 0 where there is none.
    pub(super) fn flatten_gradients<M: Module>(&self, module: &M, gradients: &GradientsParams) -> Tensor<1> {
        self.joined(module, Source::Gradients(gradients))
    }

    fn joined<M: Module>(&self, module: &M, source: Source) -> Tensor<1> {
        let mut collect = Collect { walk: Walk::default(), layout: self, source, parts: Vec::new() };
        module.visit(&mut collect);
        match collect.parts.len() {
            0 => Tensor::zeros([0], (&self.device, self.dtype)),
            1 => collect.parts.remove(0),
            _ => Tensor::cat(collect.parts, 0),
        }
    }

    /// `module` with the parameters that are in `theta`.
    pub(super) fn place<M: Module>(&self, module: M, theta: &Tensor<1>) -> M {
        assert_eq!(theta.dims(), [self.length], "the vector should have one number for each of the parameters");
        module.map(&mut Place { layout: self, theta })
    }
}

struct Survey<'a> {
    walk: Walk,
    group: &'a ParamGroup,
    layout: Layout,
}

impl ModuleVisitor for Survey<'_> {
    walked!();

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !self.group.matches(&param.id, Some(&self.walk.path())) || !self.walk.is_first(param.id) {
            return;
        }
        let value = param.val().without_autodiff();
        if self.layout.places.is_empty() {
            self.layout.device = value.device();
        }
        if value.dtype() == DType::F64 {
            self.layout.dtype = DType::F64;
        }
        self.layout.places.insert(param.id, self.layout.length);
        self.layout.length += value.shape().num_elements();
    }
}

enum Source<'a> {
    Values,
    Gradients(&'a GradientsParams),
}

struct Collect<'a> {
    walk: Walk,
    layout: &'a Layout,
    source: Source<'a>,
    parts: Vec<Tensor<1>>,
}

impl ModuleVisitor for Collect<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !self.layout.places.contains_key(&param.id) || !self.walk.is_first(param.id) {
            return;
        }
        let value = match self.source {
            Source::Values => param.val().without_autodiff(),
            Source::Gradients(gradients) => match gradients.get::<D>(param.id) {
                Some(gradient) => gradient,
                None => param.val().without_autodiff().zeros_like(),
            },
        };
        let length = value.shape().num_elements();
        let value = value.reshape([length]).to_device(&self.layout.device);
        self.parts.push(value.cast(FloatDType::from(self.layout.dtype)));
    }
}

struct Place<'a> {
    layout: &'a Layout,
    theta: &'a Tensor<1>,
}

impl ModuleMapper for Place<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(start) = self.layout.places.get(&param.id) else { return param };
        on_values(param, |value| {
            let part = self.theta.clone().narrow(0, *start, value.shape().num_elements());
            part.to_device(&value.device()).cast(FloatDType::from(value.dtype())).reshape(value.shape())
        })
    }
}
