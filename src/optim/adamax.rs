use super::{WeightDecay, optimizer};
use crate::error::{ConfigError, Range};
use crate::rule::{Real, Rule};
use burn::config::Config;
use burn::grad_clipping::GradientClippingConfig;

/// Configuration of [`Adamax`]: Adam with the infinity norm (Kingma & Ba 2015, §7.1; coverage D10).
///
/// ```text
/// m ← β₁·m + (1 − β₁)·g
/// u ← max(β₂·u, |g| + ε)
/// θ ← θ − η/(1 − β₁ᵗ) · m / u
/// ```
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `beta_1` | 0.9 | `[0, 1)` | share of the past in the mean of `g` |
/// | `beta_2` | 0.999 | `[0, 1)` | how fast the norm forgets |
/// | `epsilon` | 1e-8 | `(0, ∞)` | keeps the division finite |
/// | `weight_decay` | none | | L2 or decoupled |
/// | `grad_clipping` | none | | Burn's clipping, per tensor |
///
/// Learning rate: 2e-3. The paper has no ε, and divides 0 by 0 where a gradient is 0 from the start; PyTorch and optax
/// add it to `|g|`.
///
/// ```
/// use burn_descent::optim::AdamaxConfig;
///
/// let optimizer = AdamaxConfig::new().init()?;
/// # Ok::<(), burn_descent::ConfigError>(())
/// ```
#[derive(Config, Debug)]
pub struct AdamaxConfig {
    /// Share of the past in the mean of `g`, in `[0, 1)`.
    #[config(default = 0.9)]
    pub beta_1: f64,
    /// How fast the norm forgets, in `[0, 1)`.
    #[config(default = 0.999)]
    pub beta_2: f64,
    /// Keeps the division finite, in `(0, ∞)`.
    #[config(default = 1e-8)]
    pub epsilon: f64,
    /// Decay of the weights.
    pub weight_decay: Option<WeightDecay>,
    /// Clipping of each gradient before the step.
    pub grad_clipping: Option<GradientClippingConfig>,
}

impl AdamaxConfig {
    /// PyTorch's `Adamax`, and optax's. The default; learning rate 2e-3.
    pub fn pytorch() -> Self {
        Self::new()
    }
}

/// Coefficients of one AdaMax step.
#[derive(Clone, Copy, Debug)]
pub struct AdamaxScalars {
    eta: f64,
}

impl Rule<2> for AdamaxConfig {
    type Scalars = AdamaxScalars;
    const NAME: &'static str = "Adamax";
    const STATE: [&'static str; 2] = ["moment_1", "norm"];

    fn scalars(&self, lr: f64, time: u64, _carry: &mut [f64]) -> AdamaxScalars {
        AdamaxScalars { eta: lr / (1.0 - self.beta_1.powf(time as f64)) }
    }

    #[inline(always)]
    fn update<R: Real>(&self, s: &AdamaxScalars, theta: R, g: R, [m, u]: [R; 2]) -> (R, [R; 2]) {
        let m = m * self.beta_1 + g.clone() * (1.0 - self.beta_1);
        let u = (u * self.beta_2).max(g.abs() + self.epsilon);
        (theta - m.clone() * s.eta / u.clone(), [m, u])
    }

    fn check(&self) -> Result<(), ConfigError> {
        Range::Decay.check(Self::NAME, "beta_1", self.beta_1)?;
        Range::Decay.check(Self::NAME, "beta_2", self.beta_2)?;
        Range::Positive.check(Self::NAME, "epsilon", self.epsilon)
    }
}

optimizer!(Adamax, AdamaxConfig, 2);
