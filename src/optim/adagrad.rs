use super::{Epsilon, WeightDecay, optimizer};
use crate::error::{ConfigError, Range};
use crate::rule::{Real, Rule};
use burn::config::Config;
use burn::grad_clipping::GradientClippingConfig;

/// Configuration of [`Adagrad`] (Duchi, Hazan & Singer 2011; coverage D5).
///
/// ```text
/// G ← G + g²
/// θ ← θ − ηₜ · g / (√(G₀ + G) + ε)        or g / √(G₀ + G + ε)
/// ηₜ = η/(1 + (t − 1)·λ)
/// ```
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `epsilon` | `Outside(1e-10)` | `(0, ∞)` | inside or outside the root |
/// | `initial_sum` | 0 | `[0, ∞)` | G₀, what the sum of squares starts from |
/// | `lr_decay` | 0 | `[0, ∞)` | λ, a decay of the learning rate on top |
/// | `weight_decay` | none | | L2 or decoupled |
/// | `grad_clipping` | none | | Burn's clipping, per tensor |
///
/// Learning rate: 0.01. The record holds G without G₀. Burn's `AdaGrad` has PyTorch's form with ε 1e-5 and without G₀;
/// this one adds the lectures' places for ε, the checks and the fused pass.
///
/// ```
/// use burn_descent::optim::AdagradConfig;
///
/// let optimizer = AdagradConfig::ruder().init()?;
/// # Ok::<(), burn_descent::ConfigError>(())
/// ```
#[derive(Config, Debug)]
pub struct AdagradConfig {
    /// Keeps the division finite.
    #[config(default = "Epsilon::Outside(1e-10)")]
    pub epsilon: Epsilon,
    /// What the sum of squares starts from, in `[0, ∞)`.
    #[config(default = 0.0)]
    pub initial_sum: f64,
    /// Decay of the learning rate with the steps, in `[0, ∞)`.
    #[config(default = 0.0)]
    pub lr_decay: f64,
    /// Decay of the weights.
    pub weight_decay: Option<WeightDecay>,
    /// Clipping of each gradient before the step.
    pub grad_clipping: Option<GradientClippingConfig>,
}

impl AdagradConfig {
    /// PyTorch's `Adagrad`: ε 1e-10 outside. The default; learning rate 1e-2.
    pub fn pytorch() -> Self {
        Self::new()
    }

    /// optax's `adagrad`: ε 1e-7 inside, G₀ 0.1.
    pub fn optax() -> Self {
        Self::new().with_epsilon(Epsilon::Inside(1e-7)).with_initial_sum(0.1)
    }

    /// The lecture's (Ruder, Kitov): ε 1e-8 inside. Learning rate 1e-2.
    pub fn ruder() -> Self {
        Self::new().with_epsilon(Epsilon::Inside(1e-8))
    }

    /// The lecture's (Kao): ν 1e-7 outside.
    pub fn kao() -> Self {
        Self::new().with_epsilon(Epsilon::Outside(1e-7))
    }
}

/// Coefficients of one Adagrad step.
#[derive(Clone, Copy, Debug)]
pub struct AdagradScalars {
    eta: f64,
}

impl Rule<1> for AdagradConfig {
    type Scalars = AdagradScalars;
    const NAME: &'static str = "Adagrad";
    const STATE: [&'static str; 1] = ["sum"];

    fn scalars(&self, lr: f64, time: u64, _carry: &mut [f64]) -> AdagradScalars {
        AdagradScalars { eta: lr / (1.0 + (time - 1) as f64 * self.lr_decay) }
    }

    #[inline(always)]
    fn update<R: Real>(&self, s: &AdagradScalars, theta: R, g: R, [sum]: [R; 1]) -> (R, [R; 1]) {
        let sum = sum + g.clone().square();
        let step = g / self.epsilon.root(sum.clone() + self.initial_sum);
        (theta - step * s.eta, [sum])
    }

    fn check(&self) -> Result<(), ConfigError> {
        self.epsilon.check(Self::NAME)?;
        Range::NonNegative.check(Self::NAME, "initial_sum", self.initial_sum)?;
        Range::NonNegative.check(Self::NAME, "lr_decay", self.lr_decay)
    }
}

optimizer!(Adagrad, AdagradConfig, 1);
