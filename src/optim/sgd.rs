use super::{WeightDecay, optimizer};
use crate::error::{ConfigError, Range};
use crate::rule::{Real, Rule};
use burn::config::Config;
use burn::grad_clipping::GradientClippingConfig;
use serde::{Deserialize, Serialize};

/// How [`Sgd`] uses its momentum buffer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SgdMomentum {
    /// No buffer: `θ ← θ − η·g`.
    None,
    /// Heavy ball: the step is the buffer. The factor is in `[0, 1)`.
    Classical(f64),
    /// Nesterov in PyTorch's form: the step is `g + μ·v`. The factor is in `[0, 1)`.
    Nesterov(f64),
}

/// Configuration of [`Sgd`]: stochastic gradient descent, with PyTorch's momentum (coverage D1, D2, D3).
///
/// ```text
/// v ← μ·v + (1 − τ)·g          (v = g at the first step)
/// θ ← θ − η·v                  or θ − η·(g + μ·v) for Nesterov
/// ```
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `momentum` | `None` | `[0, 1)` | none, classical or Nesterov |
/// | `dampening` | 0 | `[0, 1]` | τ, the share of each new gradient that the buffer leaves out |
/// | `weight_decay` | none | | L2 or decoupled |
/// | `grad_clipping` | none | | Burn's clipping, per tensor |
///
/// Learning rate: 0.01 to 0.1. Burn's `Sgd` computes the same; note that Burn's momentum has a dampening of 0.1 by
/// default. This one adds the fused pass and the checks.
///
/// ```
/// use burn_descent::optim::{SgdConfig, SgdMomentum};
///
/// let optimizer = SgdConfig::new().with_momentum(SgdMomentum::Nesterov(0.9)).init()?;
/// # Ok::<(), burn_descent::ConfigError>(())
/// ```
#[derive(Config, Debug)]
pub struct SgdConfig {
    /// None, classical or Nesterov momentum.
    #[config(default = "SgdMomentum::None")]
    pub momentum: SgdMomentum,
    /// Share of each new gradient that the buffer leaves out, in `[0, 1]`. The first step takes the gradient whole.
    #[config(default = 0.0)]
    pub dampening: f64,
    /// Decay of the weights.
    pub weight_decay: Option<WeightDecay>,
    /// Clipping of each gradient before the step.
    pub grad_clipping: Option<GradientClippingConfig>,
}

/// Coefficients of one SGD step.
#[derive(Clone, Copy, Debug)]
pub struct SgdScalars {
    eta: f64,
    into_buffer: f64,
}

impl Rule<1> for SgdConfig {
    type Scalars = SgdScalars;
    const STATE: [&'static str; 1] = ["velocity"];

    fn keeps(&self) -> [bool; 1] {
        [self.momentum != SgdMomentum::None]
    }

    fn scalars(&self, lr: f64, time: u64, _carry: &mut f64) -> SgdScalars {
        SgdScalars { eta: lr, into_buffer: if time == 1 { 1.0 } else { 1.0 - self.dampening } }
    }

    #[inline(always)]
    fn update<R: Real>(&self, s: &SgdScalars, theta: R, g: R, [v]: [R; 1]) -> (R, [R; 1]) {
        let (step, v) = match self.momentum {
            SgdMomentum::None => (g, v),
            SgdMomentum::Classical(mu) => {
                let v = v * mu + g * s.into_buffer;
                (v.clone(), v)
            }
            SgdMomentum::Nesterov(mu) => {
                let v = v * mu + g.clone() * s.into_buffer;
                (g + v.clone() * mu, v)
            }
        };
        (theta - step * s.eta, [v])
    }

    fn check(&self) -> Result<(), ConfigError> {
        if let SgdMomentum::Classical(mu) | SgdMomentum::Nesterov(mu) = self.momentum {
            Range::Decay.check("Sgd", "momentum", mu)?;
        }
        Range::Fraction.check("Sgd", "dampening", self.dampening)
    }
}

optimizer!(Sgd, SgdConfig, 1);
