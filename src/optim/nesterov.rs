use super::momentum::undampened;
use super::{WeightDecay, optimizer};
use crate::error::{ConfigError, Range};
use crate::rule::{Real, Rule};
use burn::config::Config;
use burn::grad_clipping::GradientClippingConfig;
use serde::{Deserialize, Serialize};

/// Where the learning rate stands in [`Nesterov`]. At a constant rate, and without dampening, both take the same steps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NesterovForm {
    /// `v' = μ·v + η·g; θ ← θ − v' − μ·(v' − v)`: the lecture's change of variables (Kao).
    ChangeOfVariables,
    /// `v ← μ·v + (1 − τ)·g; θ ← θ − η·(g + μ·v)`, with `v = g` at the first step: PyTorch.
    LearningRateOutside {
        /// τ, the share of each new gradient that the buffer leaves out, in `[0, 1]`.
        dampening: f64,
    },
}

/// Configuration of [`Nesterov`]: momentum that looks ahead (Nesterov 1983; coverage D3).
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
/// | `grad_clipping` | none | | Burn's clipping, per tensor |
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
#[derive(Config, Debug)]
pub struct NesterovConfig {
    /// Share of the past in the buffer, in `[0, 1)`.
    #[config(default = 0.9)]
    pub momentum: f64,
    /// Where the learning rate stands.
    #[config(default = "NesterovForm::LearningRateOutside { dampening: 0.0 }")]
    pub form: NesterovForm,
    /// Decay of the weights.
    pub weight_decay: Option<WeightDecay>,
    /// Clipping of each gradient before the step.
    pub grad_clipping: Option<GradientClippingConfig>,
}

impl NesterovConfig {
    /// PyTorch's `SGD(momentum=0.9, nesterov=True)`, and optax's. The default.
    pub fn pytorch() -> Self {
        Self::new()
    }

    /// The lecture's (Kao), after the change of variables: α 0.9.
    pub fn kao() -> Self {
        Self::new().with_form(NesterovForm::ChangeOfVariables)
    }
}

/// Coefficients of one Nesterov step: `v' = μ·v + a·g`, then `θ − b·g − c·v'`.
#[derive(Clone, Copy, Debug)]
pub struct NesterovScalars {
    into_buffer: f64,
    gradient: f64,
    buffer: f64,
}

impl Rule<1> for NesterovConfig {
    type Scalars = NesterovScalars;
    const NAME: &'static str = "Nesterov";
    const STATE: [&'static str; 1] = ["velocity"];

    fn scalars(&self, lr: f64, time: u64, _carry: &mut [f64]) -> NesterovScalars {
        match self.form {
            // μ·v = v' − η·g, so that v' + μ·(v' − v) = η·g + μ·v'.
            NesterovForm::ChangeOfVariables => NesterovScalars { into_buffer: lr, gradient: lr, buffer: self.momentum },
            NesterovForm::LearningRateOutside { dampening } => {
                NesterovScalars { into_buffer: undampened(dampening, time), gradient: lr, buffer: lr * self.momentum }
            }
        }
    }

    #[inline(always)]
    fn update<R: Real>(&self, s: &NesterovScalars, theta: R, g: R, [v]: [R; 1]) -> (R, [R; 1]) {
        let v = v * self.momentum + g.clone() * s.into_buffer;
        (theta - (g * s.gradient + v.clone() * s.buffer), [v])
    }

    fn check(&self) -> Result<(), ConfigError> {
        Range::Decay.check(Self::NAME, "momentum", self.momentum)?;
        match self.form {
            NesterovForm::LearningRateOutside { dampening } => {
                Range::Fraction.check(Self::NAME, "dampening", dampening)
            }
            NesterovForm::ChangeOfVariables => Ok(()),
        }
    }
}

optimizer!(Nesterov, NesterovConfig, 1);
