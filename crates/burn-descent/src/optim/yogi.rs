use super::{BiasCorrection, Epsilon, WeightDecay, optimizer};
use crate::error::{ConfigError, ValueRange};
use crate::rule::{Real, Rule};
use burn::config::Config;
use burn::grad_clipping::GradientClippingConfig;

/// Configures [`Yogi`], Adam whose average of squares grows fast and shrinks slowly (Zaheer et al. 2018, algorithm 2).
///
/// ```text
/// m ← β₁·m + (1 − β₁)·g
/// v ← v − (1 − β₂)·sign(v − g²)·g²
/// θ ← θ − η · m / (√v + ε)
/// ```
///
/// `v` changes by a share of `g²`, never by a share of itself: small gradients after large ones cannot bring the step
/// size up as suddenly as Adam's.
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `beta_1` | 0.9 | `[0, 1)` | share of the past in the mean of `g` |
/// | `beta_2` | 0.999 | `[0, 1)` | how slowly `v` follows `g²` |
/// | `epsilon` | `Outside(1e-3)` | `[1.2e-38, ∞)` | inside or outside the root |
/// | `initial_moment_1` | 0 | `[0, ∞)` | what `m` starts from |
/// | `initial_moment_2` | 1e-6 | `[0, ∞)` | what `v` starts from |
/// | `bias_correction` | `Uncorrected` | | as in [`Adam`](super::Adam) |
/// | `weight_decay` | none | | L2 or decoupled |
/// | `grad_clipping` | none | `(0, ∞)` | Burn's clipping, per tensor |
///
/// Learning rate: 0.01. The paper gives no start for `v`; 1e-6 is that of its authors' code.
///
/// ```
/// use burn_descent::optim::YogiConfig;
///
/// let optimizer = YogiConfig::new().init()?;
/// # Ok::<(), burn_descent::ConfigError>(())
/// ```
#[doc(alias = "with_betas")]
#[doc(alias = "with_eps")]
#[derive(Config, Debug)]
pub struct YogiConfig {
    /// Sets β₁, the share of the past in the moving average of the gradient `g`, in `[0, 1)`.
    #[config(default = 0.9)]
    pub beta_1: f64,
    /// Sets β₂, how slowly `v`, the average of squares, follows `g²`, in `[0, 1)`.
    #[config(default = 0.999)]
    pub beta_2: f64,
    /// Keeps the division finite.
    #[config(default = "Epsilon::Outside(1e-3)")]
    pub epsilon: Epsilon,
    /// Sets what `m`, the average of gradients, starts from, in `[0, ∞)`.
    #[config(default = 0.0)]
    pub initial_moment_1: f64,
    /// Sets what `v`, the average of squares, starts from, in `[0, ∞)`.
    #[config(default = 1e-6)]
    pub initial_moment_2: f64,
    /// Chooses whether the averages are corrected for their start, as in [`Adam`](super::Adam).
    #[config(default = "BiasCorrection::Uncorrected")]
    pub bias_correction: BiasCorrection,
    /// Sets the decay of the weights.
    pub weight_decay: Option<WeightDecay>,
    /// Clips each gradient before the step, if set; its threshold is in `(0, ∞)`.
    pub grad_clipping: Option<GradientClippingConfig>,
}

impl YogiConfig {
    /// Reproduces optax's `yogi`: both averages start from 1e-6 and are corrected as Adam's, which start from zero.
    pub fn optax() -> Self {
        Self::new().with_initial_moment_1(1e-6).with_bias_correction(BiasCorrection::Corrected)
    }
}

impl Rule<2> for YogiConfig {
    type Coefficients = [f64; 5];
    const NAME: &'static str = "Yogi";
    const STATE: [&'static str; 2] = ["moment_1", "moment_2"];
    const ADDITIVE: bool = true;

    /// Computes η, the corrections of `m` and `v`, and what is added to them before the first step.
    fn coefficients(&self, lr: f64, time: u64, _scalar_state: &mut [f64]) -> [f64; 5] {
        let [correct_m, correct_v] = [self.beta_1, self.beta_2].map(|beta| self.bias_correction.factor(beta, time));
        let [m, v] = if time == 1 { [self.initial_moment_1, self.initial_moment_2] } else { [0.0; 2] };
        [lr, correct_m, correct_v, m, v]
    }

    #[inline(always)]
    fn update<R: Real>(&self, coefficients: &[f64; 5], theta: R, g: R, [m, v]: [R; 2]) -> (R, [R; 2]) {
        let &[eta, correct_m, correct_v, start_m, start_v] = coefficients;
        let (m, v) = (m + start_m, v + start_v);
        let m = m * self.beta_1 + g.clone() * (1.0 - self.beta_1);
        let sign = (v.clone() - g.clone().square()).sign();
        // Never below β₂·v, and that is what it is where ∞ − ∞ would be no number.
        let v = (v.clone() - sign * g.weighted_square(1.0 - self.beta_2)).max(v * self.beta_2);
        let root = self.epsilon.corrected_root(v.clone(), correct_v);
        (theta - m.clone() / root * (eta * correct_m), [m, v])
    }

    fn weight_decay(&self) -> Option<WeightDecay> {
        self.weight_decay
    }

    fn check(&self) -> Result<(), ConfigError> {
        ValueRange::Decay.check(Self::NAME, "beta_1", self.beta_1)?;
        ValueRange::Decay.check(Self::NAME, "beta_2", self.beta_2)?;
        ValueRange::NonNegative.check(Self::NAME, "initial_moment_1", self.initial_moment_1)?;
        ValueRange::NonNegative.check(Self::NAME, "initial_moment_2", self.initial_moment_2)?;
        self.epsilon.check(Self::NAME)
    }
}

optimizer! {
    Yogi(YogiConfig, 2),
    numbers: [beta_1, beta_2, epsilon, initial_moment_1, initial_moment_2],
    names: { "yogi": [new at 0.01, optax at 0.01] },
}
