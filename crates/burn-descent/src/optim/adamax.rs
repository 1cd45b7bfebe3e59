use super::{BiasCorrection, WeightDecay, optimizer};
use crate::error::{ConfigError, ValueRange};
use crate::rule::{Real, Rule};
use burn::config::Config;
use burn::grad_clipping::GradientClippingConfig;

/// Configures [`Adamax`], Adam with the infinity norm of past gradients in the place of the root of their mean square
/// (Kingma & Ba 2015, §7.1; coverage D10).
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
/// | `epsilon` | 1e-8 | `[1.2e-38, ∞)` | keeps the division finite |
/// | `weight_decay` | none | | L2 or decoupled |
/// | `grad_clipping` | none | `(0, ∞)` | Burn's clipping, per tensor |
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
#[doc(alias = "with_betas")]
#[doc(alias = "with_eps")]
#[derive(Config, Debug)]
pub struct AdamaxConfig {
    /// Sets β₁, the share of the past in the moving average of the gradient `g`, in `[0, 1)`.
    #[config(default = 0.9)]
    pub beta_1: f64,
    /// Sets β₂, the factor by which the norm of past gradients decays at each step, in `[0, 1)`.
    #[config(default = 0.999)]
    pub beta_2: f64,
    /// Sets ε, which keeps the division finite, in `[1.2e-38, ∞)`.
    #[config(default = 1e-8)]
    pub epsilon: f64,
    /// Sets the decay of the weights.
    pub weight_decay: Option<WeightDecay>,
    /// Clips each gradient before the step, if set; its threshold is in `(0, ∞)`.
    pub grad_clipping: Option<GradientClippingConfig>,
}

impl AdamaxConfig {
    /// Reproduces PyTorch's `Adamax`, and optax's. The default; learning rate 2e-3.
    pub fn pytorch() -> Self {
        Self::new()
    }
}

impl Rule<2> for AdamaxConfig {
    type Coefficients = [f64; 2];
    const NAME: &'static str = "Adamax";
    const STATE: [&'static str; 2] = ["moment_1", "norm"];
    const ADDITIVE: bool = true;

    fn coefficients(&self, lr: f64, time: u64, _scalar_state: &mut [f64]) -> [f64; 2] {
        [lr, BiasCorrection::Corrected.factor(self.beta_1, time)]
    }

    #[inline(always)]
    fn update<R: Real>(&self, &[eta, correct_m]: &[f64; 2], theta: R, g: R, [m, u]: [R; 2]) -> (R, [R; 2]) {
        let m = m * self.beta_1 + g.clone() * (1.0 - self.beta_1);
        let u = (u * self.beta_2).max(g.abs() + self.epsilon);
        (theta - m.clone() / u.clone() * (eta * correct_m), [m, u])
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
    Adamax(AdamaxConfig, 2),
    numbers: [beta_1, beta_2, epsilon],
    names: { "adamax": [new at 2e-3, pytorch at 2e-3] },
}
