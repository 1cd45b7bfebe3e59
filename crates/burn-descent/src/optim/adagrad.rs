use super::{Epsilon, WeightDecay, optimizer};
use crate::error::{ConfigError, ValueRange};
use crate::rule::{Real, Rule};
use burn::config::Config;
use burn::grad_clipping::GradientClippingConfig;

/// Configures [`Adagrad`] (Duchi, Hazan & Singer 2011; coverage D5), which divides each gradient by the root of the sum
/// of the squares of all gradients so far.
///
/// ```text
/// G ← G + g²
/// θ ← θ − ηₜ · g / (√(G₀ + G) + ε)        or g / √(G₀ + G + ε)
/// ηₜ = η/(1 + (t − 1)·λ)
/// ```
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `epsilon` | `Outside(1e-10)` | `[1.2e-38, ∞)` | inside or outside the root |
/// | `initial_sum` | 0 | `[0, ∞)` | G₀, what the sum of squares starts from |
/// | `lr_decay` | 0 | `[0, ∞)` | λ, a decay of the learning rate on top |
/// | `weight_decay` | none | | L2 or decoupled |
/// | `grad_clipping` | none | `(0, ∞)` | Burn's clipping, per tensor |
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
    /// Sets G₀, what the sum of squares starts from, in `[0, ∞)`.
    #[config(default = 0.0)]
    pub initial_sum: f64,
    /// Sets λ, the decay of the learning rate with the steps, in `[0, ∞)`.
    #[config(default = 0.0)]
    pub lr_decay: f64,
    /// Sets the decay of the weights.
    pub weight_decay: Option<WeightDecay>,
    /// Clips each gradient before the step, if set; its threshold is in `(0, ∞)`.
    pub grad_clipping: Option<GradientClippingConfig>,
}

impl AdagradConfig {
    /// Reproduces PyTorch's `Adagrad`: ε 1e-10 outside the root. The default; learning rate 1e-2.
    pub fn pytorch() -> Self {
        Self::new()
    }

    /// Reproduces optax's `adagrad`: ε 1e-7 inside the root, G₀ 0.1.
    pub fn optax() -> Self {
        Self::new().with_epsilon(Epsilon::Inside(1e-7)).with_initial_sum(0.1)
    }

    /// Follows the lectures (Ruder, Kitov): ε 1e-8 inside the root. Learning rate 1e-2.
    pub fn ruder() -> Self {
        Self::new().with_epsilon(Epsilon::Inside(1e-8))
    }

    /// Reproduces Burn's `AdaGrad`: ε 1e-5 outside the root, where PyTorch has 1e-10. Learning rate 1e-2.
    pub fn burn() -> Self {
        Self::new().with_epsilon(Epsilon::Outside(1e-5))
    }

    /// Follows the lecture (Kao): ν 1e-7 outside the root.
    pub fn kao() -> Self {
        Self::new().with_epsilon(Epsilon::Outside(1e-7))
    }
}

impl Rule<1> for AdagradConfig {
    type Coefficients = f64;
    const NAME: &'static str = "Adagrad";
    const STATE: [&'static str; 1] = ["sum"];
    const ADDITIVE: bool = true;

    fn coefficients(&self, lr: f64, time: u64, _scalar_state: &mut [f64]) -> f64 {
        lr / (1.0 + (time - 1) as f64 * self.lr_decay)
    }

    #[inline(always)]
    fn update<R: Real>(&self, eta: &f64, theta: R, g: R, [sum]: [R; 1]) -> (R, [R; 1]) {
        let sum = sum + g.clone().square();
        let step = g / self.epsilon.root(sum.clone() + self.initial_sum);
        (theta - step * *eta, [sum])
    }

    fn weight_decay(&self) -> Option<WeightDecay> {
        self.weight_decay
    }

    fn check(&self) -> Result<(), ConfigError> {
        self.epsilon.check(Self::NAME)?;
        ValueRange::NonNegative.check(Self::NAME, "initial_sum", self.initial_sum)?;
        ValueRange::NonNegative.check(Self::NAME, "lr_decay", self.lr_decay)
    }
}

optimizer! {
    Adagrad(AdagradConfig, 1),
    numbers: [epsilon, initial_sum, lr_decay],
    names: { "adagrad": [new at 0.01, pytorch at 0.01, optax at 0.01, ruder at 0.01, kao at 0.01, burn at 0.01] },
}
