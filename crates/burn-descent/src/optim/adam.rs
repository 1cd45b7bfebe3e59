use super::{BiasCorrection, Epsilon, WeightDecay, optimizer};
use crate::error::{ConfigError, ValueRange};
use crate::rule::{Real, Rule};
use burn::config::Config;
use burn::grad_clipping::GradientClippingConfig;

/// Configures [`Adam`] (Kingma & Ba 2015; coverage D9), which divides the mean of past gradients by the root of the
/// mean of their squares.
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
/// | `epsilon` | `Outside(1e-8)` | `[1.2e-38, ∞)` | inside or outside the root |
/// | `bias_correction` | `Corrected` | | whether `m̂` and `v̂` correct for the start from zero |
/// | `weight_decay` | none | | L2 (Adam) or decoupled (AdamW) |
/// | `grad_clipping` | none | `(0, ∞)` | Burn's clipping, per tensor |
///
/// Learning rate: 1e-3. Burn's `Adam` and `AdamW` compute the corrected form with ε outside, by default 1e-5
/// ([`burn`](Self::burn)), and `AdamW` decays by 1e-4 ([`burn_adamw`](Self::burn_adamw)), a hundredth of PyTorch's; this
/// one adds the lectures' other forms, the checks and the fused pass.
///
/// ```
/// use burn_descent::optim::AdamConfig;
///
/// let optimizer = AdamConfig::adamw().init()?;
/// # Ok::<(), burn_descent::ConfigError>(())
/// ```
#[doc(alias = "with_betas")]
#[doc(alias = "with_eps")]
#[doc(alias = "with_amsgrad")]
#[derive(Config, Debug)]
pub struct AdamConfig {
    /// Sets β₁, the share of the past in the moving average of the gradient `g`, in `[0, 1)`.
    #[config(default = 0.9)]
    pub beta_1: f64,
    /// Sets β₂, the share of the past in the moving average of the squared gradient `g²`, in `[0, 1)`.
    #[config(default = 0.999)]
    pub beta_2: f64,
    /// Keeps the division finite.
    #[config(default = "Epsilon::Outside(1e-8)")]
    pub epsilon: Epsilon,
    /// Chooses whether the averages are corrected for their start from zero.
    #[config(default = "BiasCorrection::Corrected")]
    pub bias_correction: BiasCorrection,
    /// Sets the decay of the weights.
    pub weight_decay: Option<WeightDecay>,
    /// Clips each gradient before the step, if set; its threshold is in `(0, ∞)`.
    pub grad_clipping: Option<GradientClippingConfig>,
}

impl AdamConfig {
    /// Reproduces PyTorch's `Adam`, and optax's. The default; learning rate 1e-3.
    pub fn pytorch() -> Self {
        Self::new()
    }

    /// Reproduces PyTorch's `AdamW`: decoupled decay of 0.01. Learning rate 1e-3.
    pub fn adamw() -> Self {
        Self::new().with_weight_decay(Some(WeightDecay::Decoupled(0.01)))
    }

    /// Reproduces Burn's `Adam`: ε 1e-5, where PyTorch has 1e-8. Learning rate 1e-3.
    pub fn burn() -> Self {
        Self::new().with_epsilon(Epsilon::Outside(1e-5))
    }

    /// Reproduces Burn's `AdamW`: ε 1e-5 and a decoupled decay of 1e-4, where PyTorch has 1e-8 and 1e-2. Learning rate
    /// 1e-3.
    pub fn burn_adamw() -> Self {
        Self::burn().with_weight_decay(Some(WeightDecay::Decoupled(1e-4)))
    }

    /// Follows the lecture without bias correction (Kao): β 0.9 and 0.999, ν 1e-7 outside the root. Learning rate 1e-3.
    pub fn kao() -> Self {
        Self::new().with_epsilon(Epsilon::Outside(1e-7)).with_bias_correction(BiasCorrection::Uncorrected)
    }
}

impl Rule<2> for AdamConfig {
    type Coefficients = [f64; 3];
    const NAME: &'static str = "Adam";
    const STATE: [&'static str; 2] = ["moment_1", "moment_2"];
    const ADDITIVE: bool = true;

    fn coefficients(&self, lr: f64, time: u64, _scalar_state: &mut [f64]) -> [f64; 3] {
        let correction = self.bias_correction;
        [lr, correction.factor(self.beta_1, time), correction.factor(self.beta_2, time)]
    }

    #[inline(always)]
    fn update<R: Real>(&self, &[eta, correct_m, correct_v]: &[f64; 3], theta: R, g: R, [m, v]: [R; 2]) -> (R, [R; 2]) {
        let m = m * self.beta_1 + g.clone() * (1.0 - self.beta_1);
        let v = v * self.beta_2 + g.weighted_square(1.0 - self.beta_2);
        let root = self.epsilon.corrected_root(v.clone(), correct_v);
        (theta - m.clone() / root * (eta * correct_m), [m, v])
    }

    fn weight_decay(&self) -> Option<WeightDecay> {
        self.weight_decay
    }

    fn check(&self) -> Result<(), ConfigError> {
        ValueRange::Decay.check(Self::NAME, "beta_1", self.beta_1)?;
        ValueRange::Decay.check(Self::NAME, "beta_2", self.beta_2)?;
        self.epsilon.check(Self::NAME)
    }
}

optimizer! {
    Adam(AdamConfig, 2),
    numbers: [beta_1, beta_2, epsilon],
    names: {
        "adam": [new at 1e-3, pytorch at 1e-3, kao at 1e-3, burn at 1e-3],
        "adamw": [adamw at 1e-3, adamw as pytorch at 1e-3, burn_adamw as burn at 1e-3],
    },
}
