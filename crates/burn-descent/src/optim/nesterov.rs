use super::momentum::undampened;
use super::{WeightDecay, numbers_of, optimizer};
use crate::error::{ConfigError, ValueRange};
use crate::rule::{Real, Rule};
use burn::config::Config;
use burn::grad_clipping::GradientClippingConfig;
use serde::{Deserialize, Serialize};

/// Chooses where the learning rate stands in [`Nesterov`]. At a constant rate, and without dampening, both take the
/// same steps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NesterovForm {
    /// Accumulates `v' = μ·v + η·g` and steps by `θ ← θ − v' − μ·(v' − v)`: the lecture's change of variables (Kao).
    ChangeOfVariables,
    /// Accumulates `v ← μ·v + (1 − τ)·g`, with `v = g` at the first step, and steps by `θ ← θ − η·(g + μ·v)`: PyTorch.
    LearningRateOutside {
        /// Sets τ, the share of each new gradient that the buffer leaves out, in `[0, 1]`.
        dampening: f64,
    },
}

/// Configures [`Nesterov`], gradient descent with a momentum that looks ahead (Nesterov 1983; coverage D3).
///
/// The lectures take the gradient not where the parameters `φ` are but where the momentum is about to carry them:
///
/// ```text
/// v ← μ·v + η·g(φ − μ·v)
/// φ ← φ − v
/// ```
///
/// An optimizer sees gradients at the parameters that it is given. So these are the look-ahead point `θ = φ − μ·v`
/// itself, and the same iteration reads
///
/// ```text
/// v' = μ·v + η·g(θ)
/// θ ← θ − v' − μ·(v' − v)       and φ = θ + μ·v whenever wanted
/// ```
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `momentum` | 0.9 | `[0, 1)` | μ, share of the past in the buffer; 0 is plain descent |
/// | `form` | `LearningRateOutside { dampening: 0 }` | | where the learning rate stands |
/// | `weight_decay` | none | | L2 or decoupled |
/// | `grad_clipping` | none | `(0, ∞)` | Burn's clipping, per tensor |
///
/// Learning rate: 0.01 to 0.1. Burn's `Sgd` has PyTorch's form; this one adds the lecture's, the checks and the fused
/// pass.
///
/// ```
/// use burn_descent::optim::NesterovConfig;
///
/// let optimizer = NesterovConfig::kao().init()?;
/// # Ok::<(), burn_descent::ConfigError>(())
/// ```
#[doc(alias = "with_nesterov")]
#[doc(alias = "with_dampening")]
#[derive(Config, Debug)]
pub struct NesterovConfig {
    /// Sets μ, the share of the past in the buffer, in `[0, 1)`.
    #[config(default = 0.9)]
    pub momentum: f64,
    /// Chooses where the learning rate stands.
    #[config(default = "NesterovForm::LearningRateOutside { dampening: 0.0 }")]
    pub form: NesterovForm,
    /// Sets the decay of the weights.
    pub weight_decay: Option<WeightDecay>,
    /// Clips each gradient before the step, if set; its threshold is in `(0, ∞)`.
    pub grad_clipping: Option<GradientClippingConfig>,
}

impl NesterovConfig {
    /// Reproduces PyTorch's `SGD(momentum=0.9, nesterov=True)`, and optax's. The default.
    pub fn pytorch() -> Self {
        Self::new()
    }

    /// Reproduces Burn's `Sgd` with its `MomentumConfig::new().with_nesterov(true)`: μ 0.9 and a dampening of 0.1, where
    /// PyTorch has none.
    pub fn burn() -> Self {
        Self::new().with_form(NesterovForm::LearningRateOutside { dampening: 0.1 })
    }

    /// Follows the lecture (Kao), after the change of variables: α 0.9.
    pub fn kao() -> Self {
        Self::new().with_form(NesterovForm::ChangeOfVariables)
    }
}

impl Rule<1> for NesterovConfig {
    type Coefficients = [f64; 3];
    const NAME: &'static str = "Nesterov";
    const STATE: [&'static str; 1] = ["velocity"];
    const ADDITIVE: bool = true;
    const VARIANTS: &'static [&'static str] = &["change_of_variables", "learning_rate_outside"];

    fn variant(&self) -> Option<&'static str> {
        Some(match self.form {
            NesterovForm::ChangeOfVariables => "change_of_variables",
            NesterovForm::LearningRateOutside { .. } => "learning_rate_outside",
        })
    }

    fn coefficients(&self, lr: f64, time: u64, _scalar_state: &mut [f64]) -> [f64; 3] {
        let mu = self.momentum;
        match self.form {
            // μ·v = v' − η·g, so that v' + μ·(v' − v) = η·g + μ·v'.
            NesterovForm::ChangeOfVariables => [lr, lr, mu],
            NesterovForm::LearningRateOutside { dampening } => [undampened(dampening, time), lr, lr * mu],
        }
    }

    #[inline(always)]
    fn update<R: Real>(&self, &[inside, of_g, of_v]: &[f64; 3], theta: R, g: R, [v]: [R; 1]) -> (R, [R; 1]) {
        let v = v * self.momentum + g.clone() * inside;
        (theta - (g * of_g + v.clone() * of_v), [v])
    }

    fn weight_decay(&self) -> Option<WeightDecay> {
        self.weight_decay
    }

    fn check(&self) -> Result<(), ConfigError> {
        ValueRange::Decay.check(Self::NAME, "momentum", self.momentum)?;
        match self.form {
            NesterovForm::LearningRateOutside { dampening } => {
                ValueRange::Fraction.check(Self::NAME, "dampening", dampening)
            }
            NesterovForm::ChangeOfVariables => Ok(()),
        }
    }
}

optimizer! {
    Nesterov(NesterovConfig, 1),
    numbers: [momentum, form],
    names: { "nesterov": [new at 0.1, pytorch at 0.1, kao at 0.1, burn at 0.1] },
}

numbers_of!(enum NesterovForm { "learning_rate_outside" = LearningRateOutside { dampening } });
