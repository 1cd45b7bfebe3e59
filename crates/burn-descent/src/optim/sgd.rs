use super::{WeightDecay, optimizer};
use crate::error::ConfigError;
use crate::rule::{Real, Rule};
use burn::config::Config;
use burn::grad_clipping::GradientClippingConfig;

/// Configures [`Sgd`], plain gradient descent (coverage D1). With momentum it is [`Momentum`](super::Momentum) or
/// [`Nesterov`](super::Nesterov).
///
/// ```text
/// θ ← θ − η·g
/// ```
///
/// | field | default | meaning |
/// | --- | --- | --- |
/// | `weight_decay` | none | L2 or decoupled, which are the same here |
/// | `grad_clipping` | none | Burn's clipping, per tensor |
///
/// Learning rate: 0.01 to 0.1. Burn's `Sgd` computes the same; this one adds the fused pass.
///
/// ```
/// use burn_descent::optim::SgdConfig;
///
/// let optimizer = SgdConfig::new().init()?;
/// # Ok::<(), burn_descent::ConfigError>(())
/// ```
#[derive(Config, Debug)]
pub struct SgdConfig {
    /// Sets the decay of the weights.
    pub weight_decay: Option<WeightDecay>,
    /// Clips each gradient before the step, if set; its threshold is in `(0, ∞)`.
    pub grad_clipping: Option<GradientClippingConfig>,
}

impl SgdConfig {
    /// Reproduces Burn's `Sgd`, which has no momentum by default. The default; with Burn's momentum it is
    /// [`MomentumConfig::burn`](super::MomentumConfig::burn).
    pub fn burn() -> Self {
        Self::new()
    }
}

impl Rule<0> for SgdConfig {
    type Coefficients = f64;
    const NAME: &'static str = "Sgd";
    const STATE: [&'static str; 0] = [];
    const ADDITIVE: bool = true;

    fn coefficients(&self, lr: f64, _time: u64, _scalar_state: &mut [f64]) -> f64 {
        lr
    }

    #[inline(always)]
    fn update<R: Real>(&self, eta: &f64, theta: R, g: R, []: [R; 0]) -> (R, [R; 0]) {
        (theta - g * *eta, [])
    }

    fn weight_decay(&self) -> Option<WeightDecay> {
        self.weight_decay
    }

    fn check(&self) -> Result<(), ConfigError> {
        Ok(())
    }
}

optimizer! {
    Sgd(SgdConfig, 0),
    numbers: [],
    names: { "sgd": [new at 0.1, burn at 0.1] },
}
