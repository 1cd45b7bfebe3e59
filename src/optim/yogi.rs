use super::{BiasCorrection, Epsilon, WeightDecay, optimizer};
use crate::error::{ConfigError, Range};
use crate::rule::{Real, Rule};
use burn::config::Config;
use burn::grad_clipping::GradientClippingConfig;

/// Configuration of [`Yogi`]: Adam whose average of squares grows fast and shrinks slowly (Zaheer et al. 2018,
/// algorithm 2).
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
/// | `epsilon` | `Outside(1e-3)` | `(0, ∞)` | inside or outside the root |
/// | `initial_moment_1` | 0 | `[0, ∞)` | what `m` starts from |
/// | `initial_moment_2` | 1e-6 | `[0, ∞)` | what `v` starts from |
/// | `bias_correction` | `Uncorrected` | | as in [`Adam`](super::Adam) |
/// | `weight_decay` | none | | L2 or decoupled |
/// | `grad_clipping` | none | | Burn's clipping, per tensor |
///
/// Learning rate: 0.01. The paper gives no start for `v`; 1e-6 is that of its authors' code.
///
/// ```
/// use burn_descent::optim::YogiConfig;
///
/// let optimizer = YogiConfig::new().init()?;
/// # Ok::<(), burn_descent::ConfigError>(())
/// ```
#[derive(Config, Debug)]
pub struct YogiConfig {
    /// Share of the past in the mean of `g`, in `[0, 1)`.
    #[config(default = 0.9)]
    pub beta_1: f64,
    /// How slowly `v` follows `g²`, in `[0, 1)`.
    #[config(default = 0.999)]
    pub beta_2: f64,
    /// Keeps the division finite.
    #[config(default = "Epsilon::Outside(1e-3)")]
    pub epsilon: Epsilon,
    /// What `m` starts from, in `[0, ∞)`.
    #[config(default = 0.0)]
    pub initial_moment_1: f64,
    /// What `v` starts from, in `[0, ∞)`.
    #[config(default = 1e-6)]
    pub initial_moment_2: f64,
    /// Whether the averages are corrected for their start.
    #[config(default = "BiasCorrection::Uncorrected")]
    pub bias_correction: BiasCorrection,
    /// Decay of the weights.
    pub weight_decay: Option<WeightDecay>,
    /// Clipping of each gradient before the step.
    pub grad_clipping: Option<GradientClippingConfig>,
}

impl YogiConfig {
    /// optax's `yogi`: both averages start from 1e-6 and are corrected as Adam's, which start from zero.
    pub fn optax() -> Self {
        Self::new().with_initial_moment_1(1e-6).with_bias_correction(BiasCorrection::Corrected)
    }
}

/// Coefficients of one Yogi step.
#[derive(Clone, Copy, Debug)]
pub struct YogiScalars {
    /// What is added to `m` and `v` before the first step.
    start: [f64; 2],
    from_m: f64,
    from_v: f64,
}

impl Rule<2> for YogiConfig {
    type Scalars = YogiScalars;
    const NAME: &'static str = "Yogi";
    const STATE: [&'static str; 2] = ["moment_1", "moment_2"];

    fn scalars(&self, lr: f64, time: u64, _carry: &mut [f64]) -> YogiScalars {
        let start = if time == 1 { [self.initial_moment_1, self.initial_moment_2] } else { [0.0; 2] };
        let from_m = lr * self.bias_correction.factor(self.beta_1, time);
        YogiScalars { start, from_m, from_v: self.bias_correction.factor(self.beta_2, time) }
    }

    #[inline(always)]
    fn update<R: Real>(&self, s: &YogiScalars, theta: R, g: R, [m, v]: [R; 2]) -> (R, [R; 2]) {
        let [m, v] = [m + s.start[0], v + s.start[1]];
        let g_2 = g.clone().square();
        let m = m * self.beta_1 + g * (1.0 - self.beta_1);
        let v = v.clone() - (v - g_2.clone()).sign() * g_2 * (1.0 - self.beta_2);
        let step = m.clone() * s.from_m / self.epsilon.root(v.clone() * s.from_v);
        (theta - step, [m, v])
    }

    fn check(&self) -> Result<(), ConfigError> {
        Range::Decay.check(Self::NAME, "beta_1", self.beta_1)?;
        Range::Decay.check(Self::NAME, "beta_2", self.beta_2)?;
        Range::NonNegative.check(Self::NAME, "initial_moment_1", self.initial_moment_1)?;
        Range::NonNegative.check(Self::NAME, "initial_moment_2", self.initial_moment_2)?;
        self.epsilon.check(Self::NAME)
    }
}

optimizer!(Yogi, YogiConfig, 2);
