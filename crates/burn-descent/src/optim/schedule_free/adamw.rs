use super::{Coefficients, SCALAR_STATE};
use crate::error::{ConfigError, ValueRange};
use crate::optim::{BiasCorrection, Epsilon, WeightDecay, optimizer};
use crate::rule::{Real, Rule};
use burn::config::Config;
use burn::grad_clipping::GradientClippingConfig;

/// Configures [`ScheduleFreeAdamw`], Adam whose average of the weights takes the place of momentum and of a schedule
/// (Defazio et al. 2024, algorithm 1).
///
/// ```text
/// y = (1 − β₁)·z + β₁·x           where gradients are taken: the module's parameters
/// v ← β₂·v + (1 − β₂)·g²
/// z ← z − η·(g/(√v̂ + ε) + λ·y)
/// x ← (1 − c)·x + c·z             where to answer: evaluation_weights
/// c = η̄ᵖ / Σ η̄ᵖ                   η̄ the highest learning rate so far
/// ```
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `beta_1` | 0.9 | `(0, 1)` | how near to the average gradients are taken |
/// | `beta_2` | 0.999 | `[0, 1)` | share of the past in the mean of `g²` |
/// | `epsilon` | `Outside(1e-8)` | `[1.2e-38, ∞)` | inside or outside the root |
/// | `weight_power` | 2 | `[0, ∞)` | p, how little the steps of a warm-up count |
/// | `weight_decay` | none | | of `y`: L2 in the gradient, or decoupled as λ above |
/// | `grad_clipping` | none | `(0, ∞)` | Burn's clipping, per tensor |
///
/// Learning rate: 2.5e-3, constant after a warm-up. See [`ScheduleFreeSgdConfig`](super::ScheduleFreeSgdConfig) for
/// `x`.
///
/// ```
/// use burn_descent::optim::ScheduleFreeAdamwConfig;
///
/// let optimizer = ScheduleFreeAdamwConfig::new().init()?;
/// # Ok::<(), burn_descent::ConfigError>(())
/// ```
#[doc(alias = "with_betas")]
#[derive(Config, Debug)]
pub struct ScheduleFreeAdamwConfig {
    /// Sets β₁, how near to `x`, the average of the weights, gradients are taken, in `(0, 1)`.
    #[config(default = 0.9)]
    pub beta_1: f64,
    /// Sets β₂, the share of the past in the moving average of the squared gradient `g²`, in `[0, 1)`.
    #[config(default = 0.999)]
    pub beta_2: f64,
    /// Keeps the division finite.
    #[config(default = "Epsilon::Outside(1e-8)")]
    pub epsilon: Epsilon,
    /// Sets p, how little the steps of a warm-up count in the average, in `[0, ∞)`.
    #[config(default = 2.0)]
    pub weight_power: f64,
    /// Sets the decay of the weights, computed at `y`.
    pub weight_decay: Option<WeightDecay>,
    /// Clips each gradient before the step, if set; its threshold is in `(0, ∞)`.
    pub grad_clipping: Option<GradientClippingConfig>,
}

impl ScheduleFreeAdamwConfig {
    /// Reproduces optax's `contrib.schedule_free_adamw`. The default; learning rate 2.5e-3.
    pub fn optax() -> Self {
        Self::new()
    }
}

impl Rule<2> for ScheduleFreeAdamwConfig {
    /// Holds the coefficients of the averages, the correction of `v` and the decay.
    type Coefficients = (Coefficients, f64, f64);
    const NAME: &'static str = "ScheduleFreeAdamw";
    const STATE: [&'static str; 2] = ["z", "moment_2"];
    const SCALAR_STATE: &'static [(&'static str, f64)] = SCALAR_STATE;

    fn coefficients(&self, lr: f64, time: u64, scalar_state: &mut [f64]) -> Self::Coefficients {
        let average = Coefficients::new(self.beta_1, self.weight_power, lr, time, scalar_state);
        let decay = match self.weight_decay {
            Some(WeightDecay::Decoupled(lambda)) => lambda,
            Some(WeightDecay::L2(_)) | None => 0.0,
        };
        (average, BiasCorrection::Corrected.factor(self.beta_2, time), decay)
    }

    #[inline(always)]
    fn update<R: Real>(&self, coefficients: &Self::Coefficients, y: R, g: R, [z, v]: [R; 2]) -> (R, [R; 2]) {
        let &(average, correct_v, decay) = coefficients;
        let z = average.z(&y, z);
        let v = v * self.beta_2 + g.clone().weighted_square(1.0 - self.beta_2);
        let u = g / self.epsilon.corrected_root(v.clone(), correct_v) + y.clone() * decay;
        let (y, z) = average.step(y, z, u);
        (y, [z, v])
    }

    fn evaluation<R: Real>(&self, y: R, [z, _]: [R; 2], _time: u64) -> R {
        super::average(self.beta_1, y, z)
    }

    fn weight_decay(&self) -> Option<WeightDecay> {
        // Decoupled decay is part of the rule: it acts on z as well as on y.
        self.weight_decay.filter(|decay| matches!(decay, WeightDecay::L2(_)))
    }

    fn check(&self) -> Result<(), ConfigError> {
        ValueRange::OpenFraction.check(Self::NAME, "beta_1", self.beta_1)?;
        ValueRange::Decay.check(Self::NAME, "beta_2", self.beta_2)?;
        ValueRange::NonNegative.check(Self::NAME, "weight_power", self.weight_power)?;
        self.weight_decay.map_or(Ok(()), WeightDecay::check)?;
        self.epsilon.check(Self::NAME)
    }
}

optimizer! {
    ScheduleFreeAdamw(ScheduleFreeAdamwConfig, 2),
    numbers: [beta_1, beta_2, epsilon, weight_power],
    names: { "schedule-free-adamw": [new at 2.5e-3, optax at 2.5e-3] },
    averages: true,
}
