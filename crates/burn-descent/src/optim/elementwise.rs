use super::clipping::clipped;
use super::evaluation::{Evaluate, optimizer_by_purpose};
use super::{RuleState, Varying};
use crate::error::ConfigError;
use crate::kernel::{self, AnyRank, Step, any_rank, of_rank};
use crate::rule::{DecayStep, Rule};
use burn::grad_clipping::GradientClipping;
use burn::optim::LearningRate;
use burn::tensor::Tensor;
use std::fmt;

/// Runs a [`Rule`] on every element of a parameter, as one fused pass where the backend allows: a Burn optimizer.
///
/// The `build` of a configuration makes one, and so does [`new`](Self::new) for a rule of your own.
#[derive(Clone)]
pub struct Elementwise<R, const N: usize> {
    rule: Varying<R>,
    clipping: Option<GradientClipping>,
}

impl<R: fmt::Debug, const N: usize> fmt::Debug for Elementwise<R, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Elementwise").field(&self.rule).finish()
    }
}

impl<R: Rule<N>, const N: usize> Elementwise<R, N> {
    /// Makes an optimizer that follows `rule`.
    ///
    /// # Errors
    ///
    /// Returns the first hyperparameter that is out of range.
    pub fn new(rule: R) -> Result<Self, ConfigError> {
        Self::check(&rule)?;
        Ok(Self::unchecked(rule))
    }

    /// Clips each gradient before the step.
    pub(super) fn with_clipping(self, clipping: Option<GradientClipping>) -> Self {
        Self { clipping, ..self }
    }

    /// What clips each gradient, and the optimizer without it.
    pub(super) fn take_clipping(self) -> (Option<GradientClipping>, Self) {
        (self.clipping.clone(), Self { clipping: None, ..self })
    }

    /// An optimizer whose rule has nothing that could be out of range.
    pub(super) fn unchecked(rule: R) -> Self {
        Self { rule: Varying::constant(rule), clipping: None }
    }

    /// Returns the same optimizer with hyperparameters that change from step to step. At a parameter's step t (from 1)
    /// `change` gets the configured rule and t, and sets what differs; after `steps` steps the rule stays as at the
    /// last of them.
    ///
    /// ```
    /// use burn::optim::ModuleOptimizer;
    /// use burn_descent::optim::MomentumConfig;
    ///
    /// // Momentum that rises from 0.5 to 0.9 over the first thousand steps.
    /// let rising = MomentumConfig::new()
    ///     .build()?
    ///     .varying(1000, |config, step| config.momentum = 0.5 + 0.4 * step as f64 / 1000.0)?;
    /// let optimizer = ModuleOptimizer::from(rising);
    /// # Ok::<(), burn_descent::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the first hyperparameter that is out of range at any of the steps.
    pub fn varying(
        self,
        steps: u64,
        change: impl Fn(&mut R, u64) + Send + Sync + 'static,
    ) -> Result<Self, ConfigError> {
        Ok(Self { rule: self.rule.over(steps, change, Self::check)?, ..self })
    }

    fn check(rule: &R) -> Result<(), ConfigError> {
        rule.check()?;
        rule.weight_decay().map_or(Ok(()), |decay| decay.check())
    }

    /// One step, compiled once a rule, not once a rank.
    fn step_any_rank(
        &self,
        lr: LearningRate,
        theta: AnyRank,
        grad: AnyRank,
        mut state: RuleState<R, N>,
    ) -> (AnyRank, RuleState<R, N>) {
        state.time += 1;
        let rule = self.rule.at(state.time);
        let coefficients = rule.coefficients(lr, state.time, &mut state.scalars);
        let decay = DecayStep::new(rule.weight_decay(), lr, R::ADDITIVE);
        let step = Step { rule, coefficients, decay };
        let (theta, tensors) = kernel::run(&step, theta, grad, state.tensors);
        state.tensors = tensors;
        state.variant = step.rule.variant();
        (theta, state)
    }

    fn evaluation_any_rank(&self, theta: AnyRank, state: &RuleState<R, N>) -> AnyRank {
        kernel::evaluation(&self.rule.at(state.time), theta, &state.tensors, state.time)
    }
}

impl<R: Rule<N>, const N: usize> Evaluate for Elementwise<R, N> {
    /// Takes a step of the training.
    ///
    /// # Panics
    ///
    /// Panics if the gradient or the state (one read from a foreign record, say) has another shape than the parameter.
    fn train<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        let state = state.unwrap_or_else(RuleState::new);
        let grad = clipped(self.clipping.as_ref(), grad);
        let (theta, state) = self.step_any_rank(lr, any_rank(tensor), any_rank(grad), state);
        (of_rank(theta), Some(state))
    }

    fn evaluate<const D: usize>(&self, tensor: Tensor<D>, state: Option<Self::State<D>>) -> Tensor<D> {
        match &state {
            Some(state) => of_rank(self.evaluation_any_rank(any_rank(tensor), state)),
            None => tensor,
        }
    }
}

optimizer_by_purpose!([R: Rule<N>, const N: usize] Elementwise<R, N>, D => RuleState<R, N>, |state, device| {
    state.moved_to(device)
});
