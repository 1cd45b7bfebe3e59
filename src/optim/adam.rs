use super::{Epsilon, WeightDecay, optimizer};
use crate::error::{ConfigError, Range};
use crate::rule::{Real, Rule};
use burn::config::Config;
use burn::grad_clipping::GradientClippingConfig;
use serde::{Deserialize, Serialize};

/// Whether averages such as [`Adam`]'s, which start from zero, are scaled up to what they would be without that start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BiasCorrection {
    /// `m̂ = m/(1 − β₁ᵗ)`, `v̂ = v/(1 − β₂ᵗ)`.
    Corrected,
    /// `m̂ = m`, `v̂ = v`: the first steps are `(1 − β₁)/√(1 − β₂)` times as long, about 3 with the defaults.
    Uncorrected,
}

impl BiasCorrection {
    /// What an average with the decay `beta` is multiplied by after `time` steps.
    pub(super) fn factor(self, beta: f64, time: u64) -> f64 {
        match self {
            Self::Corrected => 1.0 / (1.0 - beta.powf(time as f64)),
            Self::Uncorrected => 1.0,
        }
    }
}

/// Configuration of [`Adam`] (Kingma & Ba 2015; coverage D9).
///
/// ```text
/// m ← β₁·m + (1 − β₁)·g
/// v ← β₂·v + (1 − β₂)·g²
/// θ ← θ − η · m̂ / (√v̂ + ε)        or m̂ / √(v̂ + ε)
/// ```
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `beta_1` | 0.9 | `[0, 1)` | share of the past in the mean of `g` |
/// | `beta_2` | 0.999 | `[0, 1)` | share of the past in the mean of `g²` |
/// | `epsilon` | `Outside(1e-8)` | `(0, ∞)` | inside or outside the root |
/// | `bias_correction` | `Corrected` | | whether `m̂` and `v̂` correct for the start from zero |
/// | `weight_decay` | none | | L2 (Adam) or decoupled (AdamW) |
/// | `grad_clipping` | none | | Burn's clipping, per tensor |
///
/// Learning rate: 1e-3. Burn's `Adam` and `AdamW` compute the corrected form with ε outside; this one adds the lectures'
/// other forms, the checks and the fused pass.
///
/// ```
/// use burn_descent::optim::AdamConfig;
///
/// let optimizer = AdamConfig::adamw().init()?;
/// # Ok::<(), burn_descent::ConfigError>(())
/// ```
#[derive(Config, Debug)]
pub struct AdamConfig {
    /// Share of the past in the mean of `g`, in `[0, 1)`.
    #[config(default = 0.9)]
    pub beta_1: f64,
    /// Share of the past in the mean of `g²`, in `[0, 1)`.
    #[config(default = 0.999)]
    pub beta_2: f64,
    /// Keeps the division finite.
    #[config(default = "Epsilon::Outside(1e-8)")]
    pub epsilon: Epsilon,
    /// Whether the averages are corrected for their start from zero.
    #[config(default = "BiasCorrection::Corrected")]
    pub bias_correction: BiasCorrection,
    /// Decay of the weights.
    pub weight_decay: Option<WeightDecay>,
    /// Clipping of each gradient before the step.
    pub grad_clipping: Option<GradientClippingConfig>,
}

impl AdamConfig {
    /// PyTorch's `Adam`, and optax's. The default; learning rate 1e-3.
    pub fn pytorch() -> Self {
        Self::new()
    }

    /// PyTorch's `AdamW`: decoupled decay of 0.01. Learning rate 1e-3.
    pub fn adamw() -> Self {
        Self::new().with_weight_decay(Some(WeightDecay::Decoupled(0.01)))
    }

    /// The lecture's without bias correction (Kao): β 0.9, 0.999, ν 1e-7 outside. Learning rate 1e-3.
    pub fn kao() -> Self {
        Self::new().with_epsilon(Epsilon::Outside(1e-7)).with_bias_correction(BiasCorrection::Uncorrected)
    }
}

/// Coefficients of one Adam step.
#[derive(Clone, Copy, Debug)]
pub struct AdamScalars {
    from_m: f64,
    from_v: f64,
}

impl Rule<2> for AdamConfig {
    type Scalars = AdamScalars;
    const NAME: &'static str = "Adam";
    const STATE: [&'static str; 2] = ["moment_1", "moment_2"];

    fn scalars(&self, lr: f64, time: u64, _carry: &mut [f64]) -> AdamScalars {
        let correction = self.bias_correction;
        AdamScalars { from_m: lr * correction.factor(self.beta_1, time), from_v: correction.factor(self.beta_2, time) }
    }

    #[inline(always)]
    fn update<R: Real>(&self, s: &AdamScalars, theta: R, g: R, [m, v]: [R; 2]) -> (R, [R; 2]) {
        let m = m * self.beta_1 + g.clone() * (1.0 - self.beta_1);
        let v = v * self.beta_2 + g.square() * (1.0 - self.beta_2);
        let step = m.clone() * s.from_m / self.epsilon.root(v.clone() * s.from_v);
        (theta - step, [m, v])
    }

    fn check(&self) -> Result<(), ConfigError> {
        Range::Decay.check(Self::NAME, "beta_1", self.beta_1)?;
        Range::Decay.check(Self::NAME, "beta_2", self.beta_2)?;
        self.epsilon.check(Self::NAME)
    }
}

optimizer!(Adam, AdamConfig, 2);
