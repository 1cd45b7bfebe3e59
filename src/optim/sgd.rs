use super::{WeightDecay, optimizer};
use crate::error::ConfigError;
use crate::rule::{Real, Rule};
use burn::config::Config;
use burn::grad_clipping::GradientClippingConfig;

/// Configuration of [`Sgd`]: plain gradient descent (coverage D1). With momentum it is [`Momentum`](super::Momentum) or
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
    /// Decay of the weights.
    pub weight_decay: Option<WeightDecay>,
    /// Clipping of each gradient before the step.
    pub grad_clipping: Option<GradientClippingConfig>,
}

/// Coefficients of one SGD step.
#[derive(Clone, Copy, Debug)]
pub struct SgdScalars {
    eta: f64,
}

impl Rule<0> for SgdConfig {
    type Scalars = SgdScalars;
    const NAME: &'static str = "Sgd";
    const STATE: [&'static str; 0] = [];

    fn scalars(&self, lr: f64, _time: u64, _carry: &mut [f64]) -> SgdScalars {
        SgdScalars { eta: lr }
    }

    #[inline(always)]
    fn update<R: Real>(&self, s: &SgdScalars, theta: R, g: R, []: [R; 0]) -> (R, [R; 0]) {
        (theta - g * s.eta, [])
    }

    fn check(&self) -> Result<(), ConfigError> {
        Ok(())
    }
}

optimizer!(Sgd, SgdConfig, 0);
