use super::{WeightDecay, optimizer};
use crate::error::{ConfigError, ValueRange};
use crate::rule::{Real, Rule};
use burn::config::Config;
use burn::grad_clipping::GradientClippingConfig;

/// Configures [`Lion`], which steps by the sign of a momentum (Chen et al. 2023, algorithm 2).
///
/// A program found it by search ("evolved sign momentum"). Every value moves by η, whatever its gradient, so that it
/// wants a rate 3 to 10 times smaller than Adam's, and a decay as much larger. The momentum that gives the direction
/// forgets faster than the one that is kept. An infinite gradient leaves the momentum infinite: its value moves by η, always
/// to the same side, from then on.
///
/// ```text
/// θ ← θ − η·sign(β₁·m + (1 − β₁)·g)
/// m ← β₂·m + (1 − β₂)·g
/// ```
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `beta_1` | 0.9 | `[0, 1)` | share of the past in the direction |
/// | `beta_2` | 0.99 | `[0, 1)` | share of the past in the mean of `g` |
/// | `weight_decay` | none | | L2 or decoupled; the paper's is decoupled |
/// | `grad_clipping` | none | | Burn's clipping, per tensor |
///
/// Learning rate: 1e-4. It is Burn's `Lion`, which has the same defaults, with coefficients in `f64`.
///
/// ```
/// use burn_descent::optim::{LionConfig, WeightDecay};
///
/// let optimizer = LionConfig::new().with_weight_decay(Some(WeightDecay::Decoupled(0.1))).init()?;
/// # Ok::<(), burn_descent::ConfigError>(())
/// ```
#[doc(alias = "with_betas")]
#[derive(Config, Debug)]
pub struct LionConfig {
    /// Sets β₁, the share of the past in the average that gives the direction, in `[0, 1)`.
    #[config(default = 0.9)]
    pub beta_1: f64,
    /// Sets β₂, the share of the past in the moving average of the gradient `g` that is kept, in `[0, 1)`.
    #[config(default = 0.99)]
    pub beta_2: f64,
    /// Sets the decay of the weights.
    pub weight_decay: Option<WeightDecay>,
    /// Clips each gradient before the step, if set.
    pub grad_clipping: Option<GradientClippingConfig>,
}

impl LionConfig {
    /// Reproduces optax's `lion`: a decoupled decay of 1e-3. Learning rate 1e-4.
    pub fn optax() -> Self {
        Self::new().with_weight_decay(Some(WeightDecay::Decoupled(1e-3)))
    }

    /// Reproduces Burn's `Lion`, which has no decay. The default; learning rate 1e-4.
    pub fn burn() -> Self {
        Self::new()
    }
}

impl Rule<1> for LionConfig {
    type Coefficients = f64;
    const NAME: &'static str = "Lion";
    const STATE: [&'static str; 1] = ["moment_1"];
    const ADDITIVE: bool = true;

    fn coefficients(&self, lr: f64, _time: u64, _scalar_state: &mut [f64]) -> f64 {
        lr
    }

    #[inline(always)]
    fn update<R: Real>(&self, eta: &f64, theta: R, g: R, [m]: [R; 1]) -> (R, [R; 1]) {
        let direction = m.clone() * self.beta_1 + g.clone() * (1.0 - self.beta_1);
        let m = m * self.beta_2 + g * (1.0 - self.beta_2);
        (theta - direction.sign() * *eta, [m])
    }

    fn weight_decay(&self) -> Option<WeightDecay> {
        self.weight_decay
    }

    fn check(&self) -> Result<(), ConfigError> {
        ValueRange::Decay.check(Self::NAME, "beta_1", self.beta_1)?;
        ValueRange::Decay.check(Self::NAME, "beta_2", self.beta_2)
    }
}

optimizer! {
    Lion(LionConfig, 1),
    numbers: [beta_1, beta_2],
    names: { "lion": [new at 1e-4, optax at 1e-4, burn at 1e-4] },
}
