use super::{BiasCorrection, Epsilon, WeightDecay, numbers_of, optimizer};
use crate::error::{ConfigError, ValueRange};
use crate::rule::{Real, Rule};
use burn::config::Config;
use burn::grad_clipping::GradientClippingConfig;
use serde::{Deserialize, Serialize};

/// Chooses among the four algorithms that go by the name of Nadam. No setting of one reproduces another.
///
/// `μₜ = β₁·(1 − ½·0.96^(ψt))` is Dozat's warm-up of the momentum, `Πₜ` the product of `μ₁ … μₜ`, and
/// `v̂ = v/(1 − β₂ᵗ)` unless stated otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NadamForm {
    /// Follows PyTorch: `m̂ = μₜ₊₁·m/(1 − Πₜ₊₁) + (1 − μₜ)·g/(1 − Πₜ)`, while `m` itself decays by the constant `β₁`.
    Schedule {
        /// Sets ψ, how fast the momentum warms up, in `[0, ∞)`; PyTorch's `momentum_decay` is 0.004.
        momentum_decay: f64,
    },
    /// Follows Dozat 2016, Algorithm 2 as printed: `m` decays by `μₜ` too, and `v̂ = β₂·v/(1 − β₂ᵗ)`.
    Dozat {
        /// Sets ψ, how fast the momentum warms up, in `[0, ∞)`; Dozat's is 0.004.
        momentum_decay: f64,
    },
    /// Follows optax, with a constant momentum: `m̂ = β₁·m/(1 − β₁ᵗ⁺¹) + (1 − β₁)·g/(1 − β₁ᵗ)`.
    Constant,
    /// Follows the lecture, after Ruder, and AlgoPerf: `m̂ = (β₁·m + (1 − β₁)·g)/(1 − β₁ᵗ)`.
    Lecture,
}

/// Configures [`Nadam`], Adam with Nesterov momentum (Dozat 2016; coverage D11).
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
/// | `epsilon` | `Outside(1e-8)` | `[1.2e-38, ∞)` | inside or outside the root |
/// | `form` | `Schedule { momentum_decay: 0.004 }` | | how `m̂` looks ahead |
/// | `weight_decay` | none | | L2 or decoupled |
/// | `grad_clipping` | none | `(0, ∞)` | Burn's clipping, per tensor |
///
/// Learning rate: 2e-3.
///
/// ```
/// use burn_descent::optim::NadamConfig;
///
/// let optimizer = NadamConfig::pytorch().init()?;
/// # Ok::<(), burn_descent::ConfigError>(())
/// ```
#[doc(alias = "with_betas")]
#[doc(alias = "with_eps")]
#[doc(alias = "with_momentum_decay")]
#[derive(Config, Debug)]
pub struct NadamConfig {
    /// Sets β₁, the share of the past in the moving average of the gradient `g`, in `[0, 1)`.
    #[config(default = 0.9)]
    pub beta_1: f64,
    /// Sets β₂, the share of the past in the moving average of the squared gradient `g²`, in `[0, 1)`.
    #[config(default = 0.999)]
    pub beta_2: f64,
    /// Keeps the division finite.
    #[config(default = "Epsilon::Outside(1e-8)")]
    pub epsilon: Epsilon,
    /// Chooses how the first moment looks ahead to the next step.
    #[config(default = "NadamForm::Schedule { momentum_decay: 0.004 }")]
    pub form: NadamForm,
    /// Sets the decay of the weights.
    pub weight_decay: Option<WeightDecay>,
    /// Clips each gradient before the step, if set; its threshold is in `(0, ∞)`.
    pub grad_clipping: Option<GradientClippingConfig>,
}

impl NadamConfig {
    /// Reproduces PyTorch's `NAdam`. The default; learning rate 2e-3.
    pub fn pytorch() -> Self {
        Self::new()
    }

    /// Reproduces optax's `nadam`, that is `adam(nesterov=True)`. Learning rate 1e-3.
    pub fn optax() -> Self {
        Self::new().with_form(NadamForm::Constant)
    }

    /// Follows Dozat's paper as printed, with its values: μ 0.99, ν 0.999, ε 1e-8. Learning rate 2e-3.
    pub fn dozat() -> Self {
        Self::new().with_beta_1(0.99).with_form(NadamForm::Dozat { momentum_decay: 0.004 })
    }

    /// Follows the lecture (Ruder), with a constant momentum. Learning rate 2e-3.
    pub fn lecture() -> Self {
        Self::new().with_form(NadamForm::Lecture)
    }

    /// Follows AlgoPerf's `nadamw`, which is the lecture's form with a decoupled decay, with the hyperparameters of its
    /// self-tuning baseline (Dahl et al. 2023): β₁ 1 − 0.06733926164, β₂ 0.9955159689799007, λ 0.08121616522670176.
    /// Learning rate 0.0017486387539278373, after a warm-up of 2 % of the run, along a cosine.
    pub fn algoperf() -> Self {
        Self::lecture()
            .with_beta_1(1.0 - 0.067_339_261_64)
            .with_beta_2(0.995_515_968_979_900_7)
            .with_weight_decay(Some(WeightDecay::Decoupled(0.081_216_165_226_701_76)))
    }

    /// `μₜ`, Dozat's warm-up of the momentum.
    fn momentum(&self, decay: f64, time: u64) -> f64 {
        self.beta_1 * (1.0 - 0.5 * 0.96_f64.powf(time as f64 * decay))
    }
}

impl Rule<2> for NadamConfig {
    type Coefficients = [f64; 4];
    const NAME: &'static str = "Nadam";
    const STATE: [&'static str; 2] = ["moment_1", "moment_2"];
    const ADDITIVE: bool = true;
    const SCALAR_STATE: &'static [(&'static str, f64)] = &[("momentum_product", 1.0)];
    const VARIANTS: &'static [&'static str] = &["schedule", "dozat", "constant"];

    fn variant(&self) -> Option<&'static str> {
        Some(match self.form {
            NadamForm::Schedule { .. } => "schedule",
            NadamForm::Dozat { .. } => "dozat",
            NadamForm::Constant | NadamForm::Lecture => "constant",
        })
    }

    /// Computes the momentum of `m`, the shares of `m` and `g` in `η·m̂`, and the correction of `v`.
    fn coefficients(&self, lr: f64, time: u64, scalar_state: &mut [f64]) -> [f64; 4] {
        let beta_1 = self.beta_1;
        let correct_v = BiasCorrection::Corrected.factor(self.beta_2, time);
        // μₜ and μₜ₊₁, and their products μ₁⋯μₜ and μ₁⋯μₜ₊₁.
        let ([mu, mu_next], [product, product_next]) = match self.form {
            NadamForm::Schedule { momentum_decay } | NadamForm::Dozat { momentum_decay } => {
                let [mu, mu_next] = [time, time + 1].map(|t| self.momentum(momentum_decay, t));
                scalar_state[0] *= mu;
                ([mu, mu_next], [scalar_state[0], scalar_state[0] * mu_next])
            }
            NadamForm::Constant => ([beta_1; 2], [time, time + 1].map(|t| beta_1.powf(t as f64))),
            NadamForm::Lecture => ([beta_1; 2], [beta_1.powf(time as f64); 2]),
        };
        let (of_m, of_g) = (lr * mu_next / (1.0 - product_next), lr * (1.0 - mu) / (1.0 - product));
        match self.form {
            NadamForm::Dozat { .. } => [mu, of_m, of_g, correct_v * self.beta_2],
            _ => [beta_1, of_m, of_g, correct_v],
        }
    }

    #[inline(always)]
    fn update<R: Real>(&self, coefficients: &[f64; 4], theta: R, g: R, [m, v]: [R; 2]) -> (R, [R; 2]) {
        let &[mu, of_m, of_g, correct_v] = coefficients;
        let m = m * mu + g.clone() * (1.0 - mu);
        let v = v * self.beta_2 + g.clone().weighted_square(1.0 - self.beta_2);
        let ahead = m.clone() * of_m + g * of_g;
        (theta - ahead / self.epsilon.corrected_root(v.clone(), correct_v), [m, v])
    }

    fn weight_decay(&self) -> Option<WeightDecay> {
        self.weight_decay
    }

    fn check(&self) -> Result<(), ConfigError> {
        ValueRange::Decay.check(Self::NAME, "beta_1", self.beta_1)?;
        ValueRange::Decay.check(Self::NAME, "beta_2", self.beta_2)?;
        if let NadamForm::Schedule { momentum_decay } | NadamForm::Dozat { momentum_decay } = self.form {
            ValueRange::NonNegative.check(Self::NAME, "momentum_decay", momentum_decay)?;
        }
        self.epsilon.check(Self::NAME)
    }
}

optimizer! {
    Nadam(NadamConfig, 2),
    numbers: [beta_1, beta_2, epsilon, form],
    names: { "nadam": [
        new at 2e-3,
        pytorch at 2e-3,
        optax at 1e-3,
        dozat at 2e-3,
        lecture at 2e-3,
        algoperf at 0.001_748_638_753_927_837_3,
    ] },
}

numbers_of!(enum NadamForm {
    "schedule" = Schedule { momentum_decay },
    "dozat" = Dozat { momentum_decay },
});
