//! What an update rule is: an equation over numbers, written once for any kind of number.
//!
//! An elementwise optimizer takes a parameter `θ`, its gradient `g` and a few state values to the next `θ` and
//! state. [`Rule::update`] is that equation, over [`Real`]: the same text runs on SIMD lanes (the fused kernels of
//! the flex and ndarray backends) and on whole tensors (every other backend, where kernel fusion joins the operations).

mod real;

use crate::error::ConfigError;

pub use real::Real;

/// An update rule with `N` state values per parameter element.
///
/// The hyperparameters are the implementing type's fields; see `CONTRIBUTING.md` for how to add a rule.
pub trait Rule<const N: usize>: Clone + Send + Sync + 'static {
    /// The coefficients of one step, computed on the host in `f64`.
    type Scalars: Copy + Send + Sync;

    /// The optimizer's name, in errors and records.
    const NAME: &'static str;

    /// The state's names in a record, such as `moment_1`.
    const STATE: [&'static str; N];

    /// What [`scalars`](Self::scalars) carries from step to step because it cannot be recomputed from the step number:
    /// names in a record, with the values before the first step.
    const CARRY: &'static [(&'static str, f64)] = &[];

    /// Which of the state values this variant keeps. A value that is not kept costs no memory; `update` sees an
    /// arbitrary number in its place and must not use it.
    fn keeps(&self) -> [bool; N] {
        [true; N]
    }

    /// The coefficients of step `time` (from 1) at the learning rate `lr`. `carry` holds the values of
    /// [`CARRY`](Self::CARRY), to be brought up to date.
    fn scalars(&self, lr: f64, time: u64, carry: &mut [f64]) -> Self::Scalars;

    /// One step for one number: the next `θ` and state. Implementations are `#[inline(always)]` and use no closures,
    /// so that the kernels can compile them for the processor's widest registers.
    fn update<R: Real>(&self, s: &Self::Scalars, theta: R, g: R, state: [R; N]) -> (R, [R; N]);

    /// What is used in the place of `θ` outside training: `θ` itself, unless the rule steers an average. `time` is the
    /// number of steps taken. `state` is as in [`update`](Self::update).
    fn evaluation<R: Real>(&self, theta: R, _state: [R; N], _time: u64) -> R {
        theta
    }

    /// Whether every hyperparameter is in its range.
    fn check(&self) -> Result<(), ConfigError>;
}
