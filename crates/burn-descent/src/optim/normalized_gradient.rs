use super::{WeightDecay, optimizer};
use crate::error::{ConfigError, ValueRange};
use crate::rule::{Real, Rule};
use burn::config::Config;
use burn::grad_clipping::GradientClippingConfig;

/// Configures [`NormalizedGradient`], descent by the sign of each coordinate's gradient (Serra; coverage D4).
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
/// | `epsilon` | 1e-8 | `[1.2e-38, ∞)` | keeps the division finite; gradients below it count for less |
/// | `weight_decay` | none | | L2 or decoupled |
/// | `grad_clipping` | none | `(0, ∞)` | Burn's clipping, per tensor |
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
    /// Sets ε, which keeps the division finite, in `[1.2e-38, ∞)`.
    #[config(default = 1e-8)]
    pub epsilon: f64,
    /// Sets the decay of the weights.
    pub weight_decay: Option<WeightDecay>,
    /// Clips each gradient before the step, if set; its threshold is in `(0, ∞)`.
    pub grad_clipping: Option<GradientClippingConfig>,
}

impl Rule<0> for NormalizedGradientConfig {
    type Coefficients = f64;
    const NAME: &'static str = "NormalizedGradient";
    const STATE: [&'static str; 0] = [];
    const ADDITIVE: bool = true;

    fn coefficients(&self, lr: f64, _time: u64, _scalar_state: &mut [f64]) -> f64 {
        lr
    }

    #[inline(always)]
    fn update<R: Real>(&self, eta: &f64, theta: R, g: R, []: [R; 0]) -> (R, [R; 0]) {
        let step = g.clone() / (g.abs() + self.epsilon);
        (theta - step * *eta, [])
    }

    fn weight_decay(&self) -> Option<WeightDecay> {
        self.weight_decay
    }

    fn check(&self) -> Result<(), ConfigError> {
        ValueRange::Epsilon.check(Self::NAME, "epsilon", self.epsilon)
    }
}

optimizer! {
    NormalizedGradient(NormalizedGradientConfig, 0),
    numbers: [epsilon],
    names: { "normalized-gradient": [new at 1e-3] },
}
