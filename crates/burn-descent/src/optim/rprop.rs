use super::{WeightDecay, optimizer};
use crate::error::{ConfigError, ValueRange};
use crate::rule::{Real, Rule};
use burn::config::Config;
use burn::grad_clipping::GradientClippingConfig;

/// Configures [`Rprop`], resilient backpropagation (Riedmiller & Braun 1993), in the form without backtracking that
/// PyTorch has (optax's takes each step one step late).
///
/// Each parameter has a step size of its own, which grows while its gradient keeps its sign and shrinks when it
/// changes. The gradient's size does not matter; NaN counts as 0, as in PyTorch.
///
/// ```text
/// s = sign(g)·sign(g of the step before)
/// Δ ← Δ·η⁺ if s > 0,  Δ·η⁻ if s < 0,  Δ if s = 0;  within [Δmin, Δmax]
/// θ ← θ − sign(g)·Δ              where s ≥ 0; where s < 0 the step is left out, and g counts as 0 in the next
/// ```
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `eta_minus` | 0.5 | `(0, 1)` | η⁻, how step sizes shrink |
/// | `eta_plus` | 1.2 | `(1, ∞)` | η⁺, how step sizes grow |
/// | `min_step` | 1e-6 | `(0, ∞)` | Δmin |
/// | `max_step` | 50 | `(0, ∞)`, at least `min_step` | Δmax |
/// | `weight_decay` | none | | L2 or decoupled |
/// | `grad_clipping` | none | `(0, ∞)` | Burn's clipping, per tensor |
///
/// The learning rate of a parameter's first step, 0.01, is the start of its step size. Those that follow are of no
/// effect, and neither is a schedule: step sizes find themselves. They need the gradient of the whole data set, or of
/// large batches; the noise of small ones changes signs and shrinks the steps, unless they are bounded as in
/// [`mini_batch`](Self::mini_batch).
///
/// ```
/// use burn_descent::optim::RpropConfig;
///
/// let optimizer = RpropConfig::new().init()?;
/// # Ok::<(), burn_descent::ConfigError>(())
/// ```
#[derive(Config, Debug)]
pub struct RpropConfig {
    /// Sets η⁻, the factor by which step sizes shrink, in `(0, 1)`.
    #[config(default = 0.5)]
    pub eta_minus: f64,
    /// Sets η⁺, the factor by which step sizes grow, in `(1, ∞)`.
    #[config(default = 1.2)]
    pub eta_plus: f64,
    /// Sets Δmin, the least step size, in `(0, ∞)`.
    #[config(default = 1e-6)]
    pub min_step: f64,
    /// Sets Δmax, the largest step size, at least `min_step`.
    #[config(default = 50.0)]
    pub max_step: f64,
    /// Sets the decay of the weights.
    pub weight_decay: Option<WeightDecay>,
    /// Clips each gradient before the step, if set; its threshold is in `(0, ∞)`.
    pub grad_clipping: Option<GradientClippingConfig>,
}

impl RpropConfig {
    /// Reproduces PyTorch's `Rprop`. The default; learning rate 0.01.
    pub fn pytorch() -> Self {
        Self::new()
    }

    /// Suits mini-batches: step sizes stay between 1e-4 and 1e-2, so that the noise of the signs can neither shrink nor
    /// grow them without end. Learning rate 1e-3.
    pub fn mini_batch() -> Self {
        Self::new().with_min_step(1e-4).with_max_step(1e-2)
    }
}

impl Rule<2> for RpropConfig {
    type Coefficients = f64;
    const NAME: &'static str = "Rprop";
    const STATE: [&'static str; 2] = ["sign", "step_size"];
    const ADDITIVE: bool = true;

    /// Returns what step sizes start from, at the first step; then 0.
    fn coefficients(&self, lr: f64, time: u64, _scalar_state: &mut [f64]) -> f64 {
        if time == 1 { lr } else { 0.0 }
    }

    #[inline(always)]
    fn update<R: Real>(&self, start: &f64, theta: R, g: R, [before, delta]: [R; 2]) -> (R, [R; 2]) {
        // As PyTorch's, the sign of NaN counts as 0; `max` takes the other number there.
        let zero = before.clone() * 0.0;
        let sign = g.clone().max(zero.clone()).sign() - (-g).max(zero).sign();
        let s = sign.clone() * before;
        let kept = s.clone().positive_part();
        let changed = (-s).positive_part();
        let factor = kept * (self.eta_plus - 1.0) + changed.clone() * (self.eta_minus - 1.0) + 1.0;
        let delta = ((delta + *start) * factor).clamp(self.min_step, self.max_step);
        let sign = sign * (-changed + 1.0);
        (theta - sign.clone() * delta.clone(), [sign, delta])
    }

    fn weight_decay(&self) -> Option<WeightDecay> {
        self.weight_decay
    }

    fn check(&self) -> Result<(), ConfigError> {
        ValueRange::OpenFraction.check(Self::NAME, "eta_minus", self.eta_minus)?;
        ValueRange::Above(1.0).check(Self::NAME, "eta_plus", self.eta_plus)?;
        ValueRange::Positive.check(Self::NAME, "min_step", self.min_step)?;
        ValueRange::AtLeast(self.min_step).check(Self::NAME, "max_step", self.max_step)
    }
}

optimizer! {
    Rprop(RpropConfig, 2),
    numbers: [eta_minus, eta_plus, min_step, max_step],
    names: { "rprop": [mini_batch at 1e-3, pytorch at 1e-2, mini_batch at 1e-3] },
}
