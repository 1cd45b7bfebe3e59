use super::{Epsilon, WeightDecay, optimizer};
use crate::error::{ConfigError, Range};
use crate::rule::{Real, Rule};
use burn::config::Config;
use burn::grad_clipping::GradientClippingConfig;
use serde::{Deserialize, Serialize};

/// The four algorithms that go by the name of Nadam. No setting of one reproduces another.
///
/// `μₜ = β₁·(1 − ½·0.96^(ψt))` is Dozat's warm-up of the momentum, `Πₜ` the product of `μ₁ … μₜ`, and `v̂ = v/(1 − β₂ᵗ)`
/// unless stated otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NadamForm {
    /// PyTorch: `m̂ = μₜ₊₁·m/(1 − Πₜ₊₁) + (1 − μₜ)·g/(1 − Πₜ)`, while `m` itself decays by the constant `β₁`.
    Schedule {
        /// ψ, in `[0, ∞)`; PyTorch's `momentum_decay` 0.004.
        momentum_decay: f64,
    },
    /// Dozat 2016, Algorithm 2 as printed: `m` decays by `μₜ` too, and `v̂ = β₂·v/(1 − β₂ᵗ)`.
    Dozat {
        /// ψ, in `[0, ∞)`; Dozat 0.004.
        momentum_decay: f64,
    },
    /// optax: constant momentum, `m̂ = β₁·m/(1 − β₁ᵗ⁺¹) + (1 − β₁)·g/(1 − β₁ᵗ)`.
    Constant,
    /// The lecture, after Ruder: `m̂ = (β₁·m + (1 − β₁)·g)/(1 − β₁ᵗ)`.
    Lecture,
}

/// Configuration of [`Nadam`]: Adam with Nesterov momentum (Dozat 2016; coverage D11).
///
/// ```text
/// m ← β₁·m + (1 − β₁)·g
/// v ← β₂·v + (1 − β₂)·g²
/// θ ← θ − η · m̂ / (√v̂ + ε)        m̂ by the form
/// ```
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `beta_1` | 0.9 | `[0, 1)` | share of the past in the mean of `g` |
/// | `beta_2` | 0.999 | `[0, 1)` | share of the past in the mean of `g²` |
/// | `epsilon` | `Outside(1e-8)` | `(0, ∞)` | inside or outside the root |
/// | `form` | `Schedule { momentum_decay: 0.004 }` | | how `m̂` looks ahead |
/// | `weight_decay` | none | | L2 or decoupled |
/// | `grad_clipping` | none | | Burn's clipping, per tensor |
///
/// Learning rate: 2e-3.
///
/// ```
/// use burn_descent::optim::NadamConfig;
///
/// let optimizer = NadamConfig::pytorch().init()?;
/// # Ok::<(), burn_descent::ConfigError>(())
/// ```
#[derive(Config, Debug)]
pub struct NadamConfig {
    /// Share of the past in the mean of `g`, in `[0, 1)`.
    #[config(default = 0.9)]
    pub beta_1: f64,
    /// Share of the past in the mean of `g²`, in `[0, 1)`.
    #[config(default = 0.999)]
    pub beta_2: f64,
    /// Keeps the division finite.
    #[config(default = "Epsilon::Outside(1e-8)")]
    pub epsilon: Epsilon,
    /// How the first moment looks ahead.
    #[config(default = "NadamForm::Schedule { momentum_decay: 0.004 }")]
    pub form: NadamForm,
    /// Decay of the weights.
    pub weight_decay: Option<WeightDecay>,
    /// Clipping of each gradient before the step.
    pub grad_clipping: Option<GradientClippingConfig>,
}

impl NadamConfig {
    /// PyTorch's `NAdam`. The default; learning rate 2e-3.
    pub fn pytorch() -> Self {
        Self::new()
    }

    /// optax's `nadam`, that is `adam(nesterov=True)`. Learning rate 1e-3.
    pub fn optax() -> Self {
        Self::new().with_form(NadamForm::Constant)
    }

    /// Dozat's paper as printed, with its values: μ 0.99, ν 0.999, ε 1e-8. Learning rate 2e-3.
    pub fn dozat() -> Self {
        Self::new().with_beta_1(0.99).with_form(NadamForm::Dozat { momentum_decay: 0.004 })
    }

    /// The lecture's (Ruder), with a constant momentum. Learning rate 2e-3.
    pub fn lecture() -> Self {
        Self::new().with_form(NadamForm::Lecture)
    }

    /// `μₜ`, Dozat's warm-up of the momentum.
    fn momentum(&self, decay: f64, time: u64) -> f64 {
        self.beta_1 * (1.0 - 0.5 * 0.96_f64.powf(time as f64 * decay))
    }
}

/// Coefficients of one Nadam step.
#[derive(Clone, Copy, Debug)]
pub struct NadamScalars {
    beta_1: f64,
    from_m: f64,
    from_g: f64,
    from_v: f64,
}

impl Rule<2> for NadamConfig {
    type Scalars = NadamScalars;
    const NAME: &'static str = "Nadam";
    const STATE: [&'static str; 2] = ["moment_1", "moment_2"];
    const CARRY: &'static [(&'static str, f64)] = &[("momentum_product", 1.0)];

    fn scalars(&self, lr: f64, time: u64, carry: &mut [f64]) -> NadamScalars {
        let correction = |beta: f64, t: u64| 1.0 - beta.powf(t as f64);
        let from_v = 1.0 / correction(self.beta_2, time);
        let constant = |from_m: f64| NadamScalars {
            beta_1: self.beta_1,
            from_m: lr * self.beta_1 / from_m,
            from_g: lr * (1.0 - self.beta_1) / correction(self.beta_1, time),
            from_v,
        };
        let mut scheduled = |decay: f64| {
            let (mu, mu_next) = (self.momentum(decay, time), self.momentum(decay, time + 1));
            carry[0] *= mu;
            let product = carry[0];
            let scalars = NadamScalars {
                beta_1: self.beta_1,
                from_m: lr * mu_next / (1.0 - product * mu_next),
                from_g: lr * (1.0 - mu) / (1.0 - product),
                from_v,
            };
            (scalars, mu)
        };
        match self.form {
            NadamForm::Schedule { momentum_decay } => scheduled(momentum_decay).0,
            NadamForm::Dozat { momentum_decay } => {
                let (scalars, mu) = scheduled(momentum_decay);
                NadamScalars { beta_1: mu, from_v: from_v * self.beta_2, ..scalars }
            }
            NadamForm::Constant => constant(correction(self.beta_1, time + 1)),
            NadamForm::Lecture => constant(correction(self.beta_1, time)),
        }
    }

    #[inline(always)]
    fn update<R: Real>(&self, s: &NadamScalars, theta: R, g: R, [m, v]: [R; 2]) -> (R, [R; 2]) {
        let m = m * s.beta_1 + g.clone() * (1.0 - s.beta_1);
        let v = v * self.beta_2 + g.clone().square() * (1.0 - self.beta_2);
        let m_hat = m.clone() * s.from_m + g * s.from_g;
        let v_hat = v.clone() * s.from_v;
        (theta - m_hat / self.epsilon.root(v_hat), [m, v])
    }

    fn check(&self) -> Result<(), ConfigError> {
        Range::Decay.check(Self::NAME, "beta_1", self.beta_1)?;
        Range::Decay.check(Self::NAME, "beta_2", self.beta_2)?;
        if let NadamForm::Schedule { momentum_decay } | NadamForm::Dozat { momentum_decay } = self.form {
            Range::NonNegative.check(Self::NAME, "momentum_decay", momentum_decay)?;
        }
        self.epsilon.check(Self::NAME)
    }
}

optimizer!(Nadam, NadamConfig, 2);
