use super::{BiasCorrection, Epsilon, WeightDecay, optimizer};
use crate::error::{ConfigError, ValueRange};
use crate::rule::{Real, Rule};
use burn::config::Config;
use burn::grad_clipping::GradientClippingConfig;

/// Configures [`Adabelief`], a form of Adam that divides by how far gradients stray from their mean (Zhuang et al.
/// 2020, algorithm 2).
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
/// | `epsilon` | 1e-16 | `[1.2e-38, ∞)` | added to `s` at each step, and to its root |
/// | `weight_decay` | none | | L2 or decoupled |
/// | `grad_clipping` | none | `(0, ∞)` | Burn's clipping, per tensor |
///
/// Learning rate: 1e-3. ε adds up in `s`, to `ε/(1 − β₂)`.
///
/// ```
/// use burn_descent::optim::AdabeliefConfig;
///
/// let optimizer = AdabeliefConfig::new().init()?;
/// # Ok::<(), burn_descent::ConfigError>(())
/// ```
#[doc(alias = "with_betas")]
#[doc(alias = "with_eps")]
#[derive(Config, Debug)]
pub struct AdabeliefConfig {
    /// Sets β₁, the share of the past in the moving average of the gradient `g`, in `[0, 1)`.
    #[config(default = 0.9)]
    pub beta_1: f64,
    /// Sets β₂, the share of the past in the moving average of `(g − m)²`, in `[0, 1)`.
    #[config(default = 0.999)]
    pub beta_2: f64,
    /// Sets ε, which is added to the average `s` of `(g − m)²` at each step, and to its root, in `[1.2e-38, ∞)`.
    #[config(default = 1e-16)]
    pub epsilon: f64,
    /// Sets the decay of the weights.
    pub weight_decay: Option<WeightDecay>,
    /// Clips each gradient before the step, if set; its threshold is in `(0, ∞)`.
    pub grad_clipping: Option<GradientClippingConfig>,
}

impl AdabeliefConfig {
    /// Reproduces optax's `adabelief`, which is the authors' with its default ε. The default; learning rate 1e-3.
    pub fn optax() -> Self {
        Self::new()
    }
}

impl Rule<2> for AdabeliefConfig {
    type Coefficients = [f64; 3];
    const NAME: &'static str = "Adabelief";
    const STATE: [&'static str; 2] = ["moment_1", "variance"];
    const ADDITIVE: bool = true;

    fn coefficients(&self, lr: f64, time: u64, _scalar_state: &mut [f64]) -> [f64; 3] {
        let [correct_m, correct_s] =
            [self.beta_1, self.beta_2].map(|beta| BiasCorrection::Corrected.factor(beta, time));
        [lr, correct_m, correct_s]
    }

    #[inline(always)]
    fn update<R: Real>(&self, &[eta, correct_m, correct_s]: &[f64; 3], theta: R, g: R, [m, s]: [R; 2]) -> (R, [R; 2]) {
        let m = m * self.beta_1 + g.clone() * (1.0 - self.beta_1);
        let s = s * self.beta_2 + (g - m.clone()).weighted_square(1.0 - self.beta_2) + self.epsilon;
        let root = Epsilon::Outside(self.epsilon).corrected_root(s.clone(), correct_s);
        (theta - m.clone() / root * (eta * correct_m), [m, s])
    }

    fn weight_decay(&self) -> Option<WeightDecay> {
        self.weight_decay
    }

    fn check(&self) -> Result<(), ConfigError> {
        ValueRange::Decay.check(Self::NAME, "beta_1", self.beta_1)?;
        ValueRange::Decay.check(Self::NAME, "beta_2", self.beta_2)?;
        ValueRange::Epsilon.check(Self::NAME, "epsilon", self.epsilon)
    }
}

optimizer! {
    Adabelief(AdabeliefConfig, 2),
    numbers: [beta_1, beta_2, epsilon],
    names: { "adabelief": [new at 1e-3, optax at 1e-3] },
}
