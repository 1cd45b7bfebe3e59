use super::{Epsilon, WeightDecay, numbers_of, optimizer};
use crate::error::{ConfigError, ValueRange};
use crate::rule::{Real, Rule};
use burn::config::Config;
use burn::grad_clipping::GradientClippingConfig;
use serde::{Deserialize, Serialize};

/// Chooses where the learning rate meets the momentum buffer of [`RmsProp`]. The two agree while the rate is constant.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LearningRatePlacement {
    /// Accumulates `v ← αv + η·u` and steps by `θ ← θ − v`: the lecture (Kao), optax. A change of rate acts on new
    /// gradients alone.
    InsideBuffer,
    /// Accumulates `v ← αv + u` and steps by `θ ← θ − η·v`: PyTorch, Burn. A change of rate acts on the whole buffer at
    /// once.
    OutsideBuffer,
}

/// Chooses how the momentum buffer of [`RmsProp`] moves the parameter.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RmsPropMomentum {
    /// Keeps no buffer: plain RMSprop.
    None,
    /// Steps by the buffer `v` (the heavy ball method). The factor α is in `[0, 1)`.
    Classical(f64),
    /// Steps by `αv + u`, which looks ahead (Nesterov). The factor α is in `[0, 1)`.
    Nesterov(f64),
}

/// Configures [`RmsProp`], which divides each gradient by the root of the moving average of its squares, with and
/// without momentum (Hinton 2012; coverage D7 and D8).
///
/// ```text
/// a ← β·a + (1 − β)·g²
/// u = g / (√a + ε)              or g / √(a + ε)
/// v ← α·v + η·u
/// θ ← θ − v
/// ```
///
/// Centered, `a` is the variance `E[g²] − E[g]²` of the gradient about its mean, kept up by itself:
///
/// ```text
/// a ← β·(a + (1 − β)·(g − m)²)
/// m ← β·m + (1 − β)·g
/// ```
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `decay` | 0.99 | `[0, 1)` | β, share of the past in the mean of `g²`; Ruder and optax use 0.9 |
/// | `epsilon` | `Outside(1e-8)` | `[1.2e-38, ∞)` | inside or outside the root |
/// | `momentum` | `None` | `[0, 1)` | none, classical or Nesterov |
/// | `learning_rate_placement` | `OutsideBuffer` | | where η meets the buffer |
/// | `centered` | false | | divides by the root of the variance (Graves 2013), at the cost of one more state tensor |
/// | `weight_decay` | none | | L2 or decoupled |
/// | `grad_clipping` | none | `(0, ∞)` | Burn's clipping, per tensor |
///
/// Learning rate: 1e-3 (PyTorch's own default is 1e-2), with momentum about half of that. Burn's `RmsProp` has
/// PyTorch's forms; this one adds Kao's and optax's momentum, Nesterov, both places for ε, and the fused pass.
///
/// ```
/// use burn_descent::optim::{RmsPropConfig, RmsPropMomentum};
///
/// let optimizer = RmsPropConfig::kao().with_momentum(RmsPropMomentum::Nesterov(0.9)).init()?;
/// # Ok::<(), burn_descent::ConfigError>(())
/// ```
#[doc(alias = "with_alpha")]
#[derive(Config, Debug)]
pub struct RmsPropConfig {
    /// Sets β, the share of the past in the moving average of the squared gradient `g²` (and of `g`), in `[0, 1)`.
    #[config(default = 0.99)]
    pub decay: f64,
    /// Keeps the division finite.
    #[config(default = "Epsilon::Outside(1e-8)")]
    pub epsilon: Epsilon,
    /// Chooses no, classical or Nesterov momentum.
    #[config(default = "RmsPropMomentum::None")]
    pub momentum: RmsPropMomentum,
    /// Chooses where the learning rate meets the momentum buffer.
    #[config(default = "LearningRatePlacement::OutsideBuffer")]
    pub learning_rate_placement: LearningRatePlacement,
    /// Centers the average of squares about the mean of `g`, if set: divides by `√(E[g²] − E[g]²)`. PyTorch takes that
    /// difference, and gives NaN where rounding makes it negative; here it never is.
    #[config(default = false)]
    pub centered: bool,
    /// Sets the decay of the weights.
    pub weight_decay: Option<WeightDecay>,
    /// Clips each gradient before the step, if set; its threshold is in `(0, ∞)`.
    pub grad_clipping: Option<GradientClippingConfig>,
}

impl RmsPropConfig {
    /// Reproduces PyTorch's `RMSprop`: decay 0.99, ε 1e-8 outside the root, no momentum. The default; learning rate
    /// 1e-2.
    pub fn pytorch() -> Self {
        Self::new()
    }

    /// Reproduces optax's `rmsprop`: decay 0.9, ε 1e-8 inside the root; momentum, if set, comes after the learning
    /// rate.
    pub fn optax() -> Self {
        Self::new()
            .with_decay(0.9)
            .with_epsilon(Epsilon::Inside(1e-8))
            .with_learning_rate_placement(LearningRatePlacement::InsideBuffer)
    }

    /// Follows the lecture's RMSprop with momentum (Kao): β 0.99, α 0.9, ν 1e-7 outside the root, the rate inside the
    /// buffer. Learning rate 1e-3, or half of that in mini-batches.
    pub fn kao() -> Self {
        Self::new()
            .with_epsilon(Epsilon::Outside(1e-7))
            .with_momentum(RmsPropMomentum::Classical(0.9))
            .with_learning_rate_placement(LearningRatePlacement::InsideBuffer)
    }

    /// Follows the lecture's plain RMSprop (Ruder eq. 12): γ 0.9, ε 1e-8 inside the root. Learning rate 1e-3.
    pub fn ruder() -> Self {
        Self::new().with_decay(0.9).with_epsilon(Epsilon::Inside(1e-8))
    }

    /// Follows Graves 2013 (equations 38 to 41): centered, decay 0.95, momentum 0.9 with the rate inside the buffer, ε 1e-4
    /// inside the root. Learning rate 1e-4.
    pub fn graves() -> Self {
        Self::new()
            .with_decay(0.95)
            .with_epsilon(Epsilon::Inside(1e-4))
            .with_momentum(RmsPropMomentum::Classical(0.9))
            .with_learning_rate_placement(LearningRatePlacement::InsideBuffer)
            .with_centered(true)
    }

    /// Reproduces Burn's `RmsProp`: decay 0.99, momentum 0.9, ε 1e-5 outside the root.
    pub fn burn() -> Self {
        Self::new().with_epsilon(Epsilon::Outside(1e-5)).with_momentum(RmsPropMomentum::Classical(0.9))
    }
}

impl Rule<3> for RmsPropConfig {
    type Coefficients = [f64; 4];
    const NAME: &'static str = "RmsProp";
    const STATE: [&'static str; 3] = ["square_average", "gradient_average", "velocity"];
    const ADDITIVE: bool = true;

    const VARIANTS: &'static [&'static str] = &["inside_buffer", "outside_buffer"];

    fn variant(&self) -> Option<&'static str> {
        match (self.momentum, self.learning_rate_placement) {
            (RmsPropMomentum::None, _) => None,
            (_, LearningRatePlacement::InsideBuffer) => Some("inside_buffer"),
            (_, LearningRatePlacement::OutsideBuffer) => Some("outside_buffer"),
        }
    }

    /// Version 1 kept `E[g²]` of the centered form too, not the variance.
    fn upgrade<R: Real>(version: u64, state: [Option<R>; 3]) -> [Option<R>; 3] {
        match state {
            [Some(square), Some(mean), v] if version == 1 => {
                let variance = (square - mean.clone().square()).positive_part();
                [Some(variance), Some(mean), v]
            }
            state => state,
        }
    }

    fn state_in_use(&self) -> [bool; 3] {
        [true, self.centered, self.momentum != RmsPropMomentum::None]
    }

    /// Computes α, the rate inside the buffer, and the shares of `u` and `v` in the step.
    fn coefficients(&self, lr: f64, _time: u64, _scalar_state: &mut [f64]) -> [f64; 4] {
        let (inside, outside) = match self.learning_rate_placement {
            LearningRatePlacement::InsideBuffer => (lr, 1.0),
            LearningRatePlacement::OutsideBuffer => (1.0, lr),
        };
        match self.momentum {
            RmsPropMomentum::None => [0.0, inside, 0.0, outside],
            RmsPropMomentum::Classical(alpha) => [alpha, inside, 0.0, outside],
            RmsPropMomentum::Nesterov(alpha) => [alpha, inside, inside * outside, alpha * outside],
        }
    }

    #[inline(always)]
    fn update<R: Real>(&self, coefficients: &[f64; 4], theta: R, g: R, [a, mean, v]: [R; 3]) -> (R, [R; 3]) {
        let &[alpha, inside, of_u, of_v] = coefficients;
        let (a, mean) = if self.centered {
            // E[g²] − E[g]² itself: rounding would ruin the difference where a gradient hardly changes.
            let spread = (g.clone() - mean.clone()).weighted_square(1.0 - self.decay);
            ((a + spread) * self.decay, mean * self.decay + g.clone() * (1.0 - self.decay))
        } else {
            (a * self.decay + g.clone().weighted_square(1.0 - self.decay), mean)
        };
        let u = g / self.epsilon.root(a.clone());
        let v = match self.momentum {
            RmsPropMomentum::None => u.clone() * inside,
            _ => v * alpha + u.clone() * inside,
        };
        (theta - (v.clone() * of_v + u * of_u), [a, mean, v])
    }

    fn weight_decay(&self) -> Option<WeightDecay> {
        self.weight_decay
    }

    fn check(&self) -> Result<(), ConfigError> {
        ValueRange::Decay.check(Self::NAME, "decay", self.decay)?;
        if let RmsPropMomentum::Classical(alpha) | RmsPropMomentum::Nesterov(alpha) = self.momentum {
            ValueRange::Decay.check(Self::NAME, "momentum", alpha)?;
        }
        self.epsilon.check(Self::NAME)
    }
}

optimizer! {
    RmsProp(RmsPropConfig, 3),
    numbers: [decay, epsilon, momentum],
    names: {
        "rmsprop": [ruder at 1e-3, pytorch at 1e-2, optax at 1e-3, ruder at 1e-3],
        "rmsprop-momentum": [kao at 5e-4, kao at 5e-4, burn at 5e-4, graves at 1e-4],
    },
}

numbers_of!(enum RmsPropMomentum { "classical" = Classical(alpha), "nesterov" = Nesterov(alpha) });
