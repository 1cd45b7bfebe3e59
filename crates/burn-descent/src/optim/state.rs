use crate::kernel::{AnyRank, of_rank};
use crate::rule::Rule;
use burn::backend::Dispatch;
use burn::backend::ops::FloatTensorOps;
use burn::optim::{RecordState, StateSink, StateSource};
use burn::tensor::{Device, Tensor};
use std::marker::PhantomData;

/// The version of a state's layout in a record. Records of version 1 name neither the variant nor what is wrapped around
/// an optimizer.
pub(crate) const VERSION: u64 = 2;
/// The beginnings of the names of the entries that hold the version, under the name of an optimizer and of a wrapper, and
/// of the entry that is named after the variant.
pub(super) const OPTIMIZER: &str = "optimizer_";
pub(super) const WRAPPER: &str = "wrapper_";
pub(super) const VARIANT: &str = "variant_";

/// Writes under the name of a wrapper that the state has it.
pub(crate) fn write_wrapper(prefix: &str, wrapper: &str, out: &mut StateSink) {
    out.push_scalar(prefix, &format!("{WRAPPER}{wrapper}"), VERSION.into());
}

/// Whether the state has the wrapper of this name, in a record that names wrappers.
pub(crate) fn has_wrapper(prefix: &str, wrapper: &str, src: &mut StateSource) -> bool {
    src.take_scalar(prefix, &format!("{WRAPPER}{wrapper}")).is_some()
}

/// Holds the state of one parameter under a [`Rule`]: its tensors, under the rule's own names, and the number of steps.
/// The type is the same for parameters of every rank.
///
/// A record holds the tensors as `moment_1` and the like, the step as `time`, what the rule carries from step to step
/// (such as `momentum_product`), under the optimizer's name the version of this layout, which is 2 (1 can be read), and
/// the name of the variant, where it matters to the state. The record of another optimizer or version is none to Burn's
/// `load_record`, which then starts afresh, and that of another variant is taken for one's own;
/// [`load_record`](super::load_record) tells both. A tensor that a record lacks starts from zero.
pub struct RuleState<R, const N: usize> {
    pub(crate) tensors: [Option<AnyRank>; N],
    pub(crate) time: u64,
    pub(crate) scalars: Vec<f64>,
    /// The variant of the last step.
    pub(crate) variant: Option<&'static str>,
    rule: PhantomData<fn() -> R>,
}

impl<R: Rule<N>, const N: usize> RuleState<R, N> {
    /// The state of a parameter before its first step.
    pub(super) fn new() -> Self {
        let scalars = R::SCALAR_STATE.iter().map(|(_, start)| *start).collect();
        Self { tensors: std::array::from_fn(|_| None), time: 0, scalars, variant: None, rule: PhantomData }
    }
}

impl<R, const N: usize> RuleState<R, N> {
    /// Returns the number of steps taken.
    pub fn time(&self) -> u64 {
        self.time
    }

    /// Returns the state's tensors, in the order of [`Rule::STATE`] and in the shape of the parameter, whose rank is
    /// `D`; `None` where the variant keeps none.
    pub fn tensors<const D: usize>(&self) -> [Option<Tensor<D>>; N] {
        self.tensors.clone().map(|tensor| tensor.map(of_rank))
    }

    pub(crate) fn moved_to(mut self, device: &Device) -> Self {
        self.tensors = self.tensors.map(|tensor| tensor.map(|tensor| tensor.to_device(device)));
        self
    }
}

impl<R, const N: usize> Clone for RuleState<R, N> {
    fn clone(&self) -> Self {
        Self { tensors: self.tensors.clone(), scalars: self.scalars.clone(), ..*self }
    }
}

impl<R: Rule<N>, const N: usize> RecordState for RuleState<R, N> {
    fn state_flatten(&self, prefix: &str, out: &mut StateSink) {
        for (name, tensor) in R::STATE.iter().zip(&self.tensors) {
            if let Some(tensor) = tensor {
                out.push_tensor(prefix, name, tensor.to_data());
            }
        }
        out.push_scalar(prefix, &format!("{OPTIMIZER}{}", R::NAME), VERSION.into());
        if let Some(variant) = self.variant {
            out.push_scalar(prefix, &format!("{VARIANT}{variant}"), true.into());
        }
        out.push_scalar(prefix, "time", self.time.into());
        for ((name, _), value) in R::SCALAR_STATE.iter().zip(&self.scalars) {
            out.push_scalar(prefix, name, (*value).into());
        }
    }

    fn state_unflatten(prefix: &str, src: &mut StateSource, device: &Device) -> Option<Self> {
        let version: u64 = src.take_scalar(prefix, &format!("{OPTIMIZER}{}", R::NAME))?.try_into().ok()?;
        if !(1..=VERSION).contains(&version) {
            return None;
        }
        let mut is_there = |variant: &&&str| src.take_scalar(prefix, &format!("{VARIANT}{variant}")).is_some();
        let variant = R::VARIANTS.iter().find(&mut is_there).copied();
        let time = src.take_scalar(prefix, "time")?.try_into().ok()?;
        let mut carried = |(name, _): &(&str, f64)| src.take_scalar(prefix, name)?.try_into().ok();
        let scalars = R::SCALAR_STATE.iter().map(&mut carried).collect::<Option<_>>()?;
        let tensors = R::STATE.map(|name| {
            let data = src.take_tensor(prefix, name)?;
            Some(Tensor::from_dispatch(Dispatch::float_from_data(data, device.as_dispatch())))
        });
        let tensors = if version < VERSION { R::upgrade(version, tensors) } else { tensors };
        Some(Self { tensors, time, scalars, variant, rule: PhantomData })
    }
}
