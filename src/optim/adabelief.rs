use super::{WeightDecay, optimizer};
use crate::error::{ConfigError, Range};
use crate::rule::{Real, Rule};
use burn::config::Config;
use burn::grad_clipping::GradientClippingConfig;

/// Configuration of [`Adabelief`]: Adam that divides by how far gradients stray from their mean (Zhuang et al. 2020,
/// algorithm 2).
///
/// ```text
/// m ← β₁·m + (1 − β₁)·g
/// s ← β₂·s + (1 − β₂)·(g − m)² + ε
/// θ ← θ − η · m̂ / (√ŝ + ε),   m̂ = m/(1 − β₁ᵗ),  ŝ = s/(1 − β₂ᵗ)
/// ```
///
/// Where gradients agree with their mean the step is long, where they contradict it short.
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `beta_1` | 0.9 | `[0, 1)` | share of the past in the mean of `g` |
/// | `beta_2` | 0.999 | `[0, 1)` | share of the past in the mean of `(g − m)²` |
/// | `epsilon` | 1e-16 | `(0, ∞)` | added to `s` at each step, and to its root |
/// | `weight_decay` | none | | L2 or decoupled |
/// | `grad_clipping` | none | | Burn's clipping, per tensor |
///
/// Learning rate: 1e-3. ε adds up in `s`, to `ε/(1 − β₂)`.
///
/// ```
/// use burn_descent::optim::AdabeliefConfig;
///
/// let optimizer = AdabeliefConfig::new().init()?;
/// # Ok::<(), burn_descent::ConfigError>(())
/// ```
#[derive(Config, Debug)]
pub struct AdabeliefConfig {
    /// Share of the past in the mean of `g`, in `[0, 1)`.
    #[config(default = 0.9)]
    pub beta_1: f64,
    /// Share of the past in the mean of `(g − m)²`, in `[0, 1)`.
    #[config(default = 0.999)]
    pub beta_2: f64,
    /// Added to `s` at each step, and to its root, in `(0, ∞)`.
    #[config(default = 1e-16)]
    pub epsilon: f64,
    /// Decay of the weights.
    pub weight_decay: Option<WeightDecay>,
    /// Clipping of each gradient before the step.
    pub grad_clipping: Option<GradientClippingConfig>,
}

impl AdabeliefConfig {
    /// optax's `adabelief`, which is the authors' with its default ε. The default; learning rate 1e-3.
    pub fn optax() -> Self {
        Self::new()
    }
}

/// Coefficients of one AdaBelief step.
#[derive(Clone, Copy, Debug)]
pub struct AdabeliefScalars {
    from_m: f64,
    from_s: f64,
}

impl Rule<2> for AdabeliefConfig {
    type Scalars = AdabeliefScalars;
    const NAME: &'static str = "Adabelief";
    const STATE: [&'static str; 2] = ["moment_1", "variance"];

    fn scalars(&self, lr: f64, time: u64, _carry: &mut [f64]) -> AdabeliefScalars {
        let correction = |beta: f64| 1.0 - beta.powf(time as f64);
        AdabeliefScalars { from_m: lr / correction(self.beta_1), from_s: 1.0 / correction(self.beta_2) }
    }

    #[inline(always)]
    fn update<R: Real>(&self, scalars: &AdabeliefScalars, theta: R, g: R, [m, s]: [R; 2]) -> (R, [R; 2]) {
        let m = m * self.beta_1 + g.clone() * (1.0 - self.beta_1);
        let s = s * self.beta_2 + (g - m.clone()).square() * (1.0 - self.beta_2) + self.epsilon;
        let step = m.clone() * scalars.from_m / ((s.clone() * scalars.from_s).sqrt() + self.epsilon);
        (theta - step, [m, s])
    }

    fn check(&self) -> Result<(), ConfigError> {
        Range::Decay.check(Self::NAME, "beta_1", self.beta_1)?;
        Range::Decay.check(Self::NAME, "beta_2", self.beta_2)?;
        Range::Positive.check(Self::NAME, "epsilon", self.epsilon)
    }
}

optimizer!(Adabelief, AdabeliefConfig, 2);
