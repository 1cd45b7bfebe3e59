use super::{CARRY, ScheduleFreeScalars, average};
use crate::error::{ConfigError, Range};
use crate::optim::{Epsilon, WeightDecay, optimizer};
use crate::rule::{Real, Rule};
use burn::config::Config;
use burn::grad_clipping::GradientClippingConfig;

/// Configuration of [`ScheduleFreeAdamw`]: Adam whose average takes the place of momentum and of a schedule (Defazio et
/// al. 2024, algorithm 1).
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
/// | `epsilon` | `Outside(1e-8)` | `(0, ∞)` | inside or outside the root |
/// | `weight_power` | 2 | `[0, ∞)` | p, how little the steps of a warm-up count |
/// | `weight_decay` | none | | of `y`: L2 in the gradient, or decoupled as λ above |
/// | `grad_clipping` | none | | Burn's clipping, per tensor |
///
/// Learning rate: 2.5e-3, constant after a warm-up. See [`ScheduleFreeSgdConfig`](super::ScheduleFreeSgdConfig) for `x`.
///
/// ```
/// use burn_descent::optim::ScheduleFreeAdamwConfig;
///
/// let optimizer = ScheduleFreeAdamwConfig::new().init()?;
/// # Ok::<(), burn_descent::ConfigError>(())
/// ```
#[derive(Config, Debug)]
pub struct ScheduleFreeAdamwConfig {
    /// How near to the average gradients are taken, in `(0, 1)`.
    #[config(default = 0.9)]
    pub beta_1: f64,
    /// Share of the past in the mean of `g²`, in `[0, 1)`.
    #[config(default = 0.999)]
    pub beta_2: f64,
    /// Keeps the division finite.
    #[config(default = "Epsilon::Outside(1e-8)")]
    pub epsilon: Epsilon,
    /// How little the steps of a warm-up count, in `[0, ∞)`.
    #[config(default = 2.0)]
    pub weight_power: f64,
    /// Decay of the weights, at `y`.
    pub weight_decay: Option<WeightDecay>,
    /// Clipping of each gradient before the step.
    pub grad_clipping: Option<GradientClippingConfig>,
}

impl ScheduleFreeAdamwConfig {
    /// optax's `contrib.schedule_free_adamw`. The default; learning rate 2.5e-3.
    pub fn optax() -> Self {
        Self::new()
    }
}

/// Coefficients of one step.
#[derive(Clone, Copy, Debug)]
pub struct ScheduleFreeAdamwScalars {
    average: ScheduleFreeScalars,
    from_v: f64,
    decay: f64,
}

impl Rule<2> for ScheduleFreeAdamwConfig {
    type Scalars = ScheduleFreeAdamwScalars;
    const NAME: &'static str = "ScheduleFreeAdamw";
    const STATE: [&'static str; 2] = ["z", "moment_2"];
    const CARRY: &'static [(&'static str, f64)] = CARRY;

    fn scalars(&self, lr: f64, time: u64, carry: &mut [f64]) -> ScheduleFreeAdamwScalars {
        let decay = match self.weight_decay {
            Some(WeightDecay::Decoupled(lambda)) => lambda,
            Some(WeightDecay::L2(_)) | None => 0.0,
        };
        ScheduleFreeAdamwScalars {
            average: ScheduleFreeScalars::new(self.beta_1, self.weight_power, lr, time, carry),
            from_v: 1.0 / (1.0 - self.beta_2.powf(time as f64)),
            decay,
        }
    }

    #[inline(always)]
    fn update<R: Real>(&self, s: &ScheduleFreeAdamwScalars, y: R, g: R, [z, v]: [R; 2]) -> (R, [R; 2]) {
        let z = s.average.z(&y, z);
        let v = v * self.beta_2 + g.clone().square() * (1.0 - self.beta_2);
        let u = g / self.epsilon.root(v.clone() * s.from_v) + y.clone() * s.decay;
        let (y, z) = s.average.step(y, z, u);
        (y, [z, v])
    }

    fn evaluation<R: Real>(&self, y: R, [z, _]: [R; 2], _time: u64) -> R {
        average(self.beta_1, y, z)
    }

    fn check(&self) -> Result<(), ConfigError> {
        Range::OpenFraction.check(Self::NAME, "beta_1", self.beta_1)?;
        Range::Decay.check(Self::NAME, "beta_2", self.beta_2)?;
        Range::NonNegative.check(Self::NAME, "weight_power", self.weight_power)?;
        self.weight_decay.map_or(Ok(()), WeightDecay::check)?;
        self.epsilon.check(Self::NAME)
    }
}

// Decoupled decay is part of the rule: it acts on z as well as on y.
optimizer!(ScheduleFreeAdamw, ScheduleFreeAdamwConfig, 2, |config: &ScheduleFreeAdamwConfig| {
    config.weight_decay.filter(|decay| matches!(decay, WeightDecay::L2(_)))
});
