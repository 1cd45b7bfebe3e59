use super::{Coefficients, SCALAR_STATE};
use crate::error::{ConfigError, ValueRange};
use crate::optim::{WeightDecay, optimizer};
use crate::rule::{Real, Rule};
use burn::config::Config;
use burn::grad_clipping::GradientClippingConfig;

/// Configures [`ScheduleFreeSgd`], gradient descent whose average of the weights takes the place of a schedule (Defazio
/// et al. 2024).
///
/// ```text
/// y = (1 − β)·z + β·x             where gradients are taken: the module's parameters
/// z ← z − η·g(y)                  plain descent
/// x ← (1 − c)·x + c·z             where to answer: evaluation_weights
/// c = η̄ᵖ / Σ η̄ᵖ                   η̄ the highest learning rate so far
/// ```
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `beta` | 0.9 | `(0, 1)` | how near to the average gradients are taken |
/// | `weight_power` | 2 | `[0, ∞)` | p, how little the steps of a warm-up count |
/// | `weight_decay` | none | | of `y`; L2 and decoupled are the same here |
/// | `grad_clipping` | none | `(0, ∞)` | Burn's clipping, per tensor |
///
/// Learning rate: 1, constant after a warm-up; larger than that of a scheduled run.
/// [`evaluation_weights`](crate::optim::evaluation_weights) gives `x`, for validation and to be kept. Where a model has
/// batch normalization, its running statistics belong to `y` and have to be estimated again for `x`.
///
/// ```
/// use burn_descent::optim::ScheduleFreeSgdConfig;
///
/// let optimizer = ScheduleFreeSgdConfig::new().init()?;
/// # Ok::<(), burn_descent::ConfigError>(())
/// ```
#[derive(Config, Debug)]
pub struct ScheduleFreeSgdConfig {
    /// Sets β, how near to `x`, the average of the weights, gradients are taken, in `(0, 1)`.
    #[config(default = 0.9)]
    pub beta: f64,
    /// Sets p, how little the steps of a warm-up count in the average, in `[0, ∞)`.
    #[config(default = 2.0)]
    pub weight_power: f64,
    /// Sets the decay of the weights, computed at `y`.
    pub weight_decay: Option<WeightDecay>,
    /// Clips each gradient before the step, if set; its threshold is in `(0, ∞)`.
    pub grad_clipping: Option<GradientClippingConfig>,
}

impl ScheduleFreeSgdConfig {
    /// Reproduces optax's `contrib.schedule_free_sgd`. The default; learning rate 1.
    pub fn optax() -> Self {
        Self::new()
    }
}

impl Rule<1> for ScheduleFreeSgdConfig {
    type Coefficients = Coefficients;
    const NAME: &'static str = "ScheduleFreeSgd";
    const STATE: [&'static str; 1] = ["z"];
    const SCALAR_STATE: &'static [(&'static str, f64)] = SCALAR_STATE;

    fn coefficients(&self, lr: f64, time: u64, scalar_state: &mut [f64]) -> Coefficients {
        Coefficients::new(self.beta, self.weight_power, lr, time, scalar_state)
    }

    #[inline(always)]
    fn update<R: Real>(&self, average: &Coefficients, y: R, g: R, [z]: [R; 1]) -> (R, [R; 1]) {
        let z = average.z(&y, z);
        let (y, z) = average.step(y, z, g);
        (y, [z])
    }

    fn evaluation<R: Real>(&self, y: R, [z]: [R; 1], _time: u64) -> R {
        super::average(self.beta, y, z)
    }

    fn weight_decay(&self) -> Option<WeightDecay> {
        // Decay acts on z as well as on y, as a penalty in the gradient does.
        self.weight_decay.map(|(WeightDecay::L2(lambda) | WeightDecay::Decoupled(lambda))| WeightDecay::L2(lambda))
    }

    fn check(&self) -> Result<(), ConfigError> {
        ValueRange::OpenFraction.check(Self::NAME, "beta", self.beta)?;
        ValueRange::NonNegative.check(Self::NAME, "weight_power", self.weight_power)
    }
}

optimizer! {
    ScheduleFreeSgd(ScheduleFreeSgdConfig, 1),
    numbers: [beta, weight_power],
    names: { "schedule-free-sgd": [new at 1.0, optax at 1.0] },
    averages: true,
}
