use super::{Epsilon, WeightDecay, optimizer};
use crate::error::{ConfigError, Range};
use crate::rule::{Real, Rule};
use burn::config::Config;
use burn::grad_clipping::GradientClippingConfig;
use serde::{Deserialize, Serialize};

/// Where the learning rate meets the momentum buffer of [`RmsProp`]. The two agree while the rate is constant.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Velocity {
    /// `v ← αv + η·u; θ ← θ − v`: the lecture (Kao), optax. A change of rate acts on new gradients alone.
    LearningRateInside,
    /// `v ← αv + u; θ ← θ − η·v`: PyTorch, Burn. A change of rate acts on the whole buffer at once.
    LearningRateOutside,
}

/// How the momentum buffer of [`RmsProp`] moves the parameter.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RmsPropMomentum {
    /// No buffer: plain RMSprop.
    None,
    /// Heavy ball: the step is the buffer `v`. The factor is in `[0, 1)`.
    Classical(f64),
    /// Nesterov: the step looks ahead, `αv + u`. The factor is in `[0, 1)`.
    Nesterov(f64),
}

/// Whether [`RmsProp`] divides by the second moment or by the variance.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Centering {
    /// Divides by `√E[g²]`.
    Uncentered,
    /// Divides by `√(E[g²] − E[g]²)` (Graves 2013). Keeps one more state tensor. A difference that rounding makes
    /// negative counts as 0, where PyTorch's square root would give NaN.
    Centered,
}

/// Configuration of [`RmsProp`], with and without momentum (Hinton 2012; coverage D7 and D8).
///
/// ```text
/// a ← β·a + (1 − β)·g²
/// u = g / (√a + ε)              or g / √(a + ε)
/// v ← α·v + η·u
/// θ ← θ − v
/// ```
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `decay` | 0.99 | `[0, 1)` | β, share of the past in the mean of `g²`; Ruder and optax use 0.9 |
/// | `epsilon` | `Outside(1e-8)` | `(0, ∞)` | inside or outside the root |
/// | `momentum` | `None` | `[0, 1)` | none, classical or Nesterov |
/// | `velocity` | `LearningRateOutside` | | where η meets the buffer |
/// | `centering` | `Uncentered` | | whether the mean of `g` is subtracted |
/// | `weight_decay` | none | | L2 or decoupled |
/// | `grad_clipping` | none | | Burn's clipping, per tensor |
///
/// Learning rate: 1e-3 (PyTorch's own default is 1e-2), with momentum about half of that. Burn's `RmsProp` has PyTorch's
/// forms; this one adds Kao's and optax's momentum, Nesterov, both places for ε, and the fused pass.
///
/// ```
/// use burn_descent::optim::{RmsPropConfig, RmsPropMomentum};
///
/// let optimizer = RmsPropConfig::kao().with_momentum(RmsPropMomentum::Nesterov(0.9)).init()?;
/// # Ok::<(), burn_descent::ConfigError>(())
/// ```
#[derive(Config, Debug)]
pub struct RmsPropConfig {
    /// Share of the past in the mean of `g²` (and of `g`), in `[0, 1)`.
    #[config(default = 0.99)]
    pub decay: f64,
    /// Keeps the division finite.
    #[config(default = "Epsilon::Outside(1e-8)")]
    pub epsilon: Epsilon,
    /// None, classical or Nesterov momentum.
    #[config(default = "RmsPropMomentum::None")]
    pub momentum: RmsPropMomentum,
    /// Where the learning rate meets the momentum buffer.
    #[config(default = "Velocity::LearningRateOutside")]
    pub velocity: Velocity,
    /// Whether the mean of `g` is subtracted.
    #[config(default = "Centering::Uncentered")]
    pub centering: Centering,
    /// Decay of the weights.
    pub weight_decay: Option<WeightDecay>,
    /// Clipping of each gradient before the step.
    pub grad_clipping: Option<GradientClippingConfig>,
}

impl RmsPropConfig {
    /// PyTorch's `RMSprop`: decay 0.99, ε 1e-8 outside, no momentum. The default; learning rate 1e-2.
    pub fn pytorch() -> Self {
        Self::new()
    }

    /// optax's `rmsprop`: decay 0.9, ε 1e-8 inside; momentum, if set, comes after the learning rate.
    pub fn optax() -> Self {
        Self::new().with_decay(0.9).with_epsilon(Epsilon::Inside(1e-8)).with_velocity(Velocity::LearningRateInside)
    }

    /// The lecture's RMSprop with momentum (Kao): β 0.99, α 0.9, ν 1e-7 outside, the rate inside the buffer.
    /// Learning rate 1e-3.
    pub fn kao() -> Self {
        Self::new()
            .with_epsilon(Epsilon::Outside(1e-7))
            .with_momentum(RmsPropMomentum::Classical(0.9))
            .with_velocity(Velocity::LearningRateInside)
    }

    /// The lecture's plain RMSprop (Ruder eq. 12): γ 0.9, ε 1e-8 inside. Learning rate 1e-3.
    pub fn ruder() -> Self {
        Self::new().with_decay(0.9).with_epsilon(Epsilon::Inside(1e-8))
    }

    /// Burn's `RmsProp`: decay 0.99, momentum 0.9, ε 1e-5 outside.
    pub fn burn() -> Self {
        Self::new().with_epsilon(Epsilon::Outside(1e-5)).with_momentum(RmsPropMomentum::Classical(0.9))
    }
}

/// Coefficients of one RMSprop step: the learning rate goes into the buffer or out of it.
#[derive(Clone, Copy, Debug)]
pub struct RmsPropScalars {
    into_buffer: f64,
    out_of_buffer: f64,
}

impl Rule<3> for RmsPropConfig {
    type Scalars = RmsPropScalars;
    const NAME: &'static str = "RmsProp";
    const STATE: [&'static str; 3] = ["square_average", "gradient_average", "velocity"];

    fn keeps(&self) -> [bool; 3] {
        [true, self.centering == Centering::Centered, self.momentum != RmsPropMomentum::None]
    }

    fn scalars(&self, lr: f64, _time: u64, _carry: &mut [f64]) -> RmsPropScalars {
        match self.velocity {
            Velocity::LearningRateInside => RmsPropScalars { into_buffer: lr, out_of_buffer: 1.0 },
            Velocity::LearningRateOutside => RmsPropScalars { into_buffer: 1.0, out_of_buffer: lr },
        }
    }

    #[inline(always)]
    fn update<R: Real>(&self, s: &RmsPropScalars, theta: R, g: R, [a, mean, v]: [R; 3]) -> (R, [R; 3]) {
        let a = a * self.decay + g.clone().square() * (1.0 - self.decay);
        let (variance, mean) = match self.centering {
            Centering::Uncentered => (a.clone(), mean),
            Centering::Centered => {
                let mean = mean * self.decay + g.clone() * (1.0 - self.decay);
                ((a.clone() - mean.clone().square()).positive_part(), mean)
            }
        };
        let u = g / self.epsilon.root(variance) * s.into_buffer;
        let (step, v) = match self.momentum {
            RmsPropMomentum::None => (u, v),
            RmsPropMomentum::Classical(alpha) => {
                let v = v * alpha + u;
                (v.clone(), v)
            }
            RmsPropMomentum::Nesterov(alpha) => {
                let v = v * alpha + u.clone();
                (v.clone() * alpha + u, v)
            }
        };
        (theta - step * s.out_of_buffer, [a, mean, v])
    }

    fn check(&self) -> Result<(), ConfigError> {
        Range::Decay.check(Self::NAME, "decay", self.decay)?;
        if let RmsPropMomentum::Classical(alpha) | RmsPropMomentum::Nesterov(alpha) = self.momentum {
            Range::Decay.check(Self::NAME, "momentum", alpha)?;
        }
        self.epsilon.check(Self::NAME)
    }
}

optimizer!(RmsProp, RmsPropConfig, 3);
