//! Describes what an update rule is: an equation over numbers, written once for any kind of number.
//!
//! An elementwise optimizer takes a parameter `θ`, its gradient `g` and a few state values to the next `θ` and
//! state. [`Rule::update`] is that equation, over [`Real`]: the same text runs on SIMD lanes (the fused kernels of
//! the flex and ndarray backends) and on whole tensors (every other backend, where kernel fusion joins the operations).
//!
//! # A rule of your own
//!
//! A type of yours that implements [`Rule`] becomes a Burn optimizer by
//! [`Elementwise::new`](crate::optim::Elementwise::new). The state, its record, weight decay, the fused pass and half
//! precision come with it. Here is RMSprop with the bias correction of Adam:
//!
//! ```
//! use burn::optim::ModuleOptimizer;
//! use burn_descent::optim::Elementwise;
//! use burn_descent::rule::{BiasCorrection, Epsilon, Real, Rule, WeightDecay};
//! use burn_descent::{ConfigError, ValueRange};
//!
//! /// Configures the rule.
//! #[derive(Clone, Debug)]
//! struct CorrectedRmsProp {
//!     beta: f64,
//!     epsilon: Epsilon,
//!     bias_correction: BiasCorrection,
//!     weight_decay: Option<WeightDecay>,
//! }
//!
//! impl Rule<1> for CorrectedRmsProp {
//!     type Coefficients = [f64; 2];
//!     const NAME: &'static str = "CorrectedRmsProp";
//!     const STATE: [&'static str; 1] = ["moment_2"];
//!     const ADDITIVE: bool = true;
//!
//!     fn coefficients(&self, lr: f64, time: u64, _scalar_state: &mut [f64]) -> [f64; 2] {
//!         [lr, self.bias_correction.factor(self.beta, time)]
//!     }
//!
//!     // v ← β·v + (1 − β)·g²;  θ ← θ − η·g/(√v̂ + ε)
//!     #[inline(always)]
//!     fn update<R: Real>(&self, &[eta, correction]: &[f64; 2], theta: R, g: R, [v]: [R; 1]) -> (R, [R; 1]) {
//!         let v = v * self.beta + g.clone().square() * (1.0 - self.beta);
//!         let v_hat = v.clone() * correction;
//!         (theta - g / self.epsilon.root(v_hat) * eta, [v])
//!     }
//!
//!     fn weight_decay(&self) -> Option<WeightDecay> {
//!         self.weight_decay
//!     }
//!
//!     fn check(&self) -> Result<(), ConfigError> {
//!         ValueRange::Decay.check(Self::NAME, "beta", self.beta)?;
//!         self.epsilon.check(Self::NAME)
//!     }
//! }
//!
//! let rule = CorrectedRmsProp {
//!     beta: 0.99,
//!     epsilon: Epsilon::Outside(1e-8),
//!     bias_correction: BiasCorrection::Corrected,
//!     weight_decay: Some(WeightDecay::Decoupled(1e-2)),
//! };
//! let optimizer = ModuleOptimizer::from(Elementwise::new(rule)?); // for a training loop, or for Burn's `Learner`
//! # Ok::<(), ConfigError>(())
//! ```

mod bias_correction;
mod decay;
mod epsilon;
mod real;

use crate::error::ConfigError;

pub use bias_correction::BiasCorrection;
pub(crate) use decay::DecayStep;
pub use decay::WeightDecay;
pub use epsilon::Epsilon;
pub use real::Real;

/// Describes an update rule with `N` state values per parameter element.
///
/// The hyperparameters are the implementing type's fields. See the [module](self) for a whole one.
pub trait Rule<const N: usize>: Clone + Send + Sync + 'static {
    /// Holds the coefficients of one step, computed on the host in `f64`: an array of them, as a rule.
    type Coefficients: Copy + Send + Sync;

    /// Names the optimizer, in errors and records.
    const NAME: &'static str;

    /// Names the state's tensors in a record, such as `moment_1`.
    const STATE: [&'static str; N];

    /// Tells that [`update`](Self::update) moves θ by a step that does not depend on θ: from θ it comes to θ plus what it
    /// comes to from 0. Decoupled decay of the weights then joins that step and is rounded with it, so that it acts
    /// however small it is; under other rules it comes first, by itself. False by default, which is never wrong.
    const ADDITIVE: bool = false;

    /// Names the numbers that [`coefficients`](Self::coefficients) carries from step to step because they cannot be
    /// recomputed from the step number, with their values before the first step.
    const SCALAR_STATE: &'static [(&'static str, f64)] = &[];

    /// Names the variants among which the state means different things, as a record does. A record of one of them is not
    /// taken for another's by [`load_record`](crate::optim::load_record).
    const VARIANTS: &'static [&'static str] = &[];

    /// Returns which of [`VARIANTS`](Self::VARIANTS) this is; none by default.
    fn variant(&self) -> Option<&'static str> {
        None
    }

    /// Brings the state of a record up to date whose layout has an older version, from 1; by default it is as it was.
    /// `state` is in the order of [`STATE`](Self::STATE).
    fn upgrade<R: Real>(_version: u64, state: [Option<R>; N]) -> [Option<R>; N] {
        state
    }

    /// Tells which of the state values this variant uses. A value that is not used costs no memory; `update` sees an
    /// arbitrary number in its place and must not use it.
    fn state_in_use(&self) -> [bool; N] {
        [true; N]
    }

    /// Computes the coefficients of step `time` (from 1) at the learning rate `lr`. `scalar_state` holds the values of
    /// [`SCALAR_STATE`](Self::SCALAR_STATE), to be brought up to date.
    fn coefficients(&self, lr: f64, time: u64, scalar_state: &mut [f64]) -> Self::Coefficients;

    /// Advances one number by one step: returns the next `θ` and state. Implementations are `#[inline(always)]` and use
    /// no closures, so that the kernels can compile them for the processor's widest registers.
    fn update<R: Real>(&self, coefficients: &Self::Coefficients, theta: R, g: R, state: [R; N]) -> (R, [R; N]);

    /// Returns what is used in the place of `θ` outside training: `θ` itself, unless the rule steers an average. `time`
    /// is the number of steps taken. `state` is as in [`update`](Self::update).
    fn evaluation<R: Real>(&self, theta: R, _state: [R; N], _time: u64) -> R {
        theta
    }

    /// Returns the decay of the weights that is applied besides the rule; none by default.
    fn weight_decay(&self) -> Option<WeightDecay> {
        None
    }

    /// Checks that every hyperparameter is in its range.
    ///
    /// # Errors
    ///
    /// Returns the first hyperparameter that is not.
    fn check(&self) -> Result<(), ConfigError>;
}
