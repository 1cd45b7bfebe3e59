use super::{RuleState, Varying, WeightDecay, evaluating};
use crate::error::ConfigError;
use crate::kernel::{self, AnyRank, Step, any_rank, of_rank};
use crate::rule::Rule;
use burn::optim::{LearningRate, Optimizer};
use burn::tensor::{Device, Tensor};

/// A Burn optimizer that runs a [`Rule`] on every element of a parameter, as one fused pass where the backend allows.
///
/// Made by the `build` of a configuration, which checks the hyperparameters.
#[derive(Clone, Debug)]
pub struct Elementwise<R, const N: usize> {
    rule: Varying<R>,
    decay: fn(&R) -> Option<WeightDecay>,
}

impl<R: Rule<N>, const N: usize> Elementwise<R, N> {
    /// An optimizer that follows `rule`, with the `decay` of the weights that it has, before it.
    ///
    /// # Errors
    ///
    /// The first hyperparameter that is out of range.
    pub fn new(rule: R, decay: fn(&R) -> Option<WeightDecay>) -> Result<Self, ConfigError> {
        Self::check(&rule, decay)?;
        Ok(Self { rule: Varying::constant(rule), decay })
    }

    /// The same optimizer with hyperparameters that change from step to step. At a parameter's step t (from 1) `change` gets
    /// the configured rule and t, and sets what differs; after `steps` steps the rule stays as at the last of them.
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
    /// The first hyperparameter that is out of range at any of the steps.
    pub fn varying(
        self,
        steps: u64,
        change: impl Fn(&mut R, u64) + Send + Sync + 'static,
    ) -> Result<Self, ConfigError> {
        let rule = self.rule.over(steps, change, |rule| Self::check(rule, self.decay))?;
        Ok(Self { rule, ..self })
    }

    fn check(rule: &R, decay: fn(&R) -> Option<WeightDecay>) -> Result<(), ConfigError> {
        rule.check()?;
        decay(rule).map_or(Ok(()), WeightDecay::check)
    }
}

impl<R: Rule<N>, const N: usize> Elementwise<R, N> {
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
        let scalars = rule.scalars(lr, state.time, &mut state.carry);
        let decay = WeightDecay::step((self.decay)(&rule), lr);
        let step = Step { rule, scalars, decay };
        let (theta, tensors) = kernel::run(&step, theta, grad, state.tensors);
        state.tensors = tensors;
        (theta, state)
    }

    fn evaluation_any_rank(&self, theta: AnyRank, state: &RuleState<R, N>) -> AnyRank {
        kernel::evaluation(&self.rule.at(state.time), theta, &state.tensors, state.time)
    }
}

impl<R: Rule<N>, const N: usize> Optimizer for Elementwise<R, N> {
    type State<const D: usize> = RuleState<R, N>;

    /// # Panics
    ///
    /// Panics if the gradient or the state (one read from a foreign record, say) has another shape than the parameter.
    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        if evaluating() {
            let evaluated = match &state {
                Some(state) => of_rank(self.evaluation_any_rank(any_rank(tensor), state)),
                None => tensor,
            };
            return (evaluated, state);
        }
        let state = state.unwrap_or_else(RuleState::new);
        let (theta, state) = self.step_any_rank(lr, any_rank(tensor), any_rank(grad), state);
        (of_rank(theta), Some(state))
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &Device) -> Self::State<D> {
        state.moved_to(device)
    }
}
