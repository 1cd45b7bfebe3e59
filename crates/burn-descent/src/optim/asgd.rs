use super::{WeightDecay, optimizer};
use crate::error::{ConfigError, ValueRange};
use crate::rule::{Real, Rule};
use burn::config::Config;
use burn::grad_clipping::GradientClippingConfig;

/// Configures [`Asgd`], gradient descent with a falling rate and an average of its iterates (Polyak & Juditsky 1992;
/// Bottou's and PyTorch's form).
///
/// ```text
/// ηₜ = η / (1 + λ·η·(t − 1))^α,   μₜ = 1/max(1, t − 1 − t₀)
/// θ ← (1 − λ·ηₜ)·θ − ηₜ·g
/// a ← a + μₜ·(θ − a)
/// ```
///
/// `a` follows `θ` until step `t₀`, and is then the mean of the iterates since. It is what
/// [`evaluation_weights`](super::evaluation_weights) gives; training goes on at `θ`.
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `lambda` | 1e-4 | `[0, ∞)` | λ, decay of the weights and, with `alpha`, of the learning rate |
/// | `alpha` | 0.75 | `[0, ∞)` | α, how fast the learning rate falls |
/// | `t0` | 1e6 | | the step after which averaging begins |
/// | `weight_decay` | none | | L2 or decoupled, besides λ |
/// | `grad_clipping` | none | `(0, ∞)` | Burn's clipping, per tensor |
///
/// Learning rate: 0.01 to 0.1. PyTorch takes the rate of the step before into `ηₜ`; under a schedule this one takes the
/// present rate.
///
/// ```
/// use burn_descent::optim::AsgdConfig;
///
/// let optimizer = AsgdConfig::new().with_t0(1000).init()?;
/// # Ok::<(), burn_descent::ConfigError>(())
/// ```
#[derive(Config, Debug)]
pub struct AsgdConfig {
    /// Sets λ, the decay of the weights and of the learning rate, in `[0, ∞)`.
    #[config(default = 1e-4)]
    pub lambda: f64,
    /// Sets α, how fast the learning rate falls, in `[0, ∞)`.
    #[config(default = 0.75)]
    pub alpha: f64,
    /// Sets t₀, the step after which averaging begins.
    #[config(default = 1_000_000)]
    pub t0: u64,
    /// Sets the decay of the weights.
    pub weight_decay: Option<WeightDecay>,
    /// Clips each gradient before the step, if set; its threshold is in `(0, ∞)`.
    pub grad_clipping: Option<GradientClippingConfig>,
}

impl AsgdConfig {
    /// Reproduces PyTorch's `ASGD`. The default; learning rate 0.01.
    pub fn pytorch() -> Self {
        Self::new()
    }
}

impl Rule<1> for AsgdConfig {
    type Coefficients = [f64; 3];
    const NAME: &'static str = "Asgd";
    const STATE: [&'static str; 1] = ["average"];

    /// Computes the share of θ that decays, ηₜ and μₜ.
    fn coefficients(&self, lr: f64, time: u64, _scalar_state: &mut [f64]) -> [f64; 3] {
        let past = time - 1;
        let eta = lr / (1.0 + self.lambda * lr * past as f64).powf(self.alpha);
        let mu = 1.0 / past.saturating_sub(self.t0).max(1) as f64;
        let decoupled = match self.weight_decay {
            Some(WeightDecay::Decoupled(lambda)) => lambda * lr,
            Some(WeightDecay::L2(_)) | None => 0.0,
        };
        // 1 − (1 − λ·ηₜ)·(1 − the decoupled decay)
        [self.lambda * eta + decoupled - self.lambda * eta * decoupled, eta, mu]
    }

    #[inline(always)]
    fn update<R: Real>(&self, &[decay, eta, mu]: &[f64; 3], theta: R, g: R, [a]: [R; 1]) -> (R, [R; 1]) {
        let theta = theta.clone() - (theta * decay + g * eta);
        // Rounding would keep a + (θ − a) from being θ.
        let a = if mu == 1.0 { theta.clone() } else { a.clone() + (theta.clone() - a) * mu };
        (theta, [a])
    }

    fn evaluation<R: Real>(&self, _theta: R, [a]: [R; 1], _time: u64) -> R {
        a
    }

    fn weight_decay(&self) -> Option<WeightDecay> {
        // Decoupled decay is part of the rule, whose average is of what comes after it.
        self.weight_decay.filter(|decay| matches!(decay, WeightDecay::L2(_)))
    }

    fn check(&self) -> Result<(), ConfigError> {
        self.weight_decay.map_or(Ok(()), WeightDecay::check)?;
        ValueRange::NonNegative.check(Self::NAME, "lambda", self.lambda)?;
        ValueRange::NonNegative.check(Self::NAME, "alpha", self.alpha)
    }
}

optimizer! {
    Asgd(AsgdConfig, 1),
    numbers: [lambda, alpha],
    names: { "asgd": [new at 0.1, pytorch at 0.01] },
    averages: true,
}
