use super::{WeightDecay, optimizer};
use crate::error::{ConfigError, Range};
use crate::rule::{Real, Rule};
use burn::config::Config;
use burn::grad_clipping::GradientClippingConfig;

/// Configuration of [`NormalizedGradient`]: descent by the sign of each coordinate's gradient (Serra; coverage D4).
///
/// ```text
/// θ ← θ − η · g / (√(g²) + ε)
/// ```
///
/// A gradient of `[3, −2, 5]` steps by `[1, −1, 1]`, times the learning rate. `√(g²)` is computed as `|g|`, which no
/// small gradient underflows.
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `epsilon` | 1e-8 | `(0, ∞)` | keeps the division finite; gradients below it count for less |
/// | `weight_decay` | none | | L2 or decoupled |
/// | `grad_clipping` | none | | Burn's clipping, per tensor |
///
/// Learning rate: 1e-3, and falling: the steps do not shrink by themselves.
///
/// ```
/// use burn_descent::optim::NormalizedGradientConfig;
///
/// let optimizer = NormalizedGradientConfig::new().init()?;
/// # Ok::<(), burn_descent::ConfigError>(())
/// ```
#[derive(Config, Debug)]
pub struct NormalizedGradientConfig {
    /// Keeps the division finite, in `(0, ∞)`.
    #[config(default = 1e-8)]
    pub epsilon: f64,
    /// Decay of the weights.
    pub weight_decay: Option<WeightDecay>,
    /// Clipping of each gradient before the step.
    pub grad_clipping: Option<GradientClippingConfig>,
}

/// Coefficients of one step by the normalized gradient.
#[derive(Clone, Copy, Debug)]
pub struct NormalizedGradientScalars {
    eta: f64,
}

impl Rule<0> for NormalizedGradientConfig {
    type Scalars = NormalizedGradientScalars;
    const NAME: &'static str = "NormalizedGradient";
    const STATE: [&'static str; 0] = [];

    fn scalars(&self, lr: f64, _time: u64, _carry: &mut [f64]) -> NormalizedGradientScalars {
        NormalizedGradientScalars { eta: lr }
    }

    #[inline(always)]
    fn update<R: Real>(&self, s: &NormalizedGradientScalars, theta: R, g: R, []: [R; 0]) -> (R, [R; 0]) {
        let step = g.clone() / (g.abs() + self.epsilon);
        (theta - step * s.eta, [])
    }

    fn check(&self) -> Result<(), ConfigError> {
        Range::Positive.check(Self::NAME, "epsilon", self.epsilon)
    }
}

optimizer!(NormalizedGradient, NormalizedGradientConfig, 0);
