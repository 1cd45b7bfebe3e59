use super::{BiasCorrection, WeightDecay, optimizer};
use crate::error::{ConfigError, ValueRange};
use crate::rule::{Real, Rule};
use burn::config::Config;
use burn::grad_clipping::GradientClippingConfig;
use serde::{Deserialize, Serialize};

/// Chooses how far [`Adan`] looks ahead along the differences of gradients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdanForm {
    /// Looks ahead by the share of the past, `α = β₂`: the paper, whose `β` are shares of the present, its authors'
    /// code and Burn.
    Paper,
    /// Looks ahead by the share of the present, `α = 1 − β₂`: optax, which writes the paper's formula with shares of
    /// the past.
    Optax,
}

/// Chooses when a decoupled decay of [`Adan`] is taken. A decay that is a penalty (`L2`) knows no such choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdanDecay {
    /// Divides what the step came to, `θ ← (θ − step)/(1 + ηλ)`: the proximal step of the paper, and what its authors'
    /// code does.
    Proximal,
    /// Shrinks the weights before the step, `θ ← (1 − ηλ)·θ − step`, as AdamW does: `no_prox` of the authors' code.
    BeforeStep,
}

/// Configures [`Adan`], Adam with a Nesterov momentum of gradient differences (Xie et al. 2022, algorithm 1, with the
/// bias corrections of its authors' code).
///
/// ```text
/// d = g − gₜ₋₁                          0 at the first step
/// m ← β₁·m + (1 − β₁)·g
/// v ← β₂·v + (1 − β₂)·d
/// n ← β₃·n + (1 − β₃)·(g + α·d)²
/// θ ← (θ − η·(m̂ + α·v̂)/(√(n̂ + ε_root) + ε)) / (1 + ηλ)        α by the form, λ by the decay
/// ```
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `beta_1` | 0.98 | `[0, 1)` | share of the past in the mean of `g` |
/// | `beta_2` | 0.92 | `[0, 1)` | share of the past in the mean of the differences `d` |
/// | `beta_3` | 0.99 | `[0, 1)` | share of the past in the mean of squares |
/// | `epsilon` | 1e-8 | `[1.2e-38, ∞)` | outside the root |
/// | `epsilon_root` | 0 | `[0, ∞)` | inside the root; optax has both |
/// | `form` | `Paper` | | how far it looks ahead |
/// | `decay` | `Proximal` | | when a decoupled decay is taken |
/// | `weight_decay` | none | | L2 or decoupled; the paper's is decoupled, 0.02 for its vision transformers |
/// | `grad_clipping` | none | | Burn's clipping, per tensor |
///
/// Learning rate: 1e-3. It keeps four numbers for each value, twice as many as Adam. The paper writes `1 − β` for what
/// is `β` here, and in its authors' code.
///
/// ```
/// use burn_descent::optim::{AdanConfig, WeightDecay};
///
/// let optimizer = AdanConfig::new().with_weight_decay(Some(WeightDecay::Decoupled(0.02))).init()?;
/// # Ok::<(), burn_descent::ConfigError>(())
/// ```
#[doc(alias = "with_betas")]
#[derive(Config, Debug)]
pub struct AdanConfig {
    /// Sets β₁, the share of the past in the moving average of the gradient `g`, in `[0, 1)`.
    #[config(default = 0.98)]
    pub beta_1: f64,
    /// Sets β₂, the share of the past in the moving average of the differences of gradients, in `[0, 1)`.
    #[config(default = 0.92)]
    pub beta_2: f64,
    /// Sets β₃, the share of the past in the moving average of the squares, in `[0, 1)`.
    #[config(default = 0.99)]
    pub beta_3: f64,
    /// Sets ε, which is added outside the root, in `[1.2e-38, ∞)`.
    #[config(default = 1e-8)]
    pub epsilon: f64,
    /// Sets what is added inside the root, in `[0, ∞)`.
    #[config(default = 0.0)]
    pub epsilon_root: f64,
    /// Chooses how far it looks ahead.
    #[config(default = "AdanForm::Paper")]
    pub form: AdanForm,
    /// Chooses when a decoupled decay is taken.
    #[config(default = "AdanDecay::Proximal")]
    pub decay: AdanDecay,
    /// Sets the decay of the weights.
    pub weight_decay: Option<WeightDecay>,
    /// Clips each gradient before the step, if set.
    pub grad_clipping: Option<GradientClippingConfig>,
}

impl AdanConfig {
    /// Reproduces optax's `adan`, which looks ahead by `1 − β₂`, adds 1e-8 inside the root too, and takes a decay before
    /// the step. Learning rate 1e-3.
    pub fn optax() -> Self {
        Self::new().with_epsilon_root(1e-8).with_form(AdanForm::Optax).with_decay(AdanDecay::BeforeStep)
    }

    /// Reproduces Burn's `Adan`, which follows the authors' code. The default; learning rate 1e-3.
    pub fn burn() -> Self {
        Self::new()
    }
}

impl Rule<4> for AdanConfig {
    /// Holds the weight of the difference in `v`, α, the corrections of `m`, `v` and `n`, and what the decay leaves of η and
    /// takes off θ. Of the first step, which has no gradient before it, weight and α are 0.
    type Coefficients = (f64, f64, [f64; 3], f64, f64);
    const NAME: &'static str = "Adan";
    const STATE: [&'static str; 4] = ["moment_1", "difference", "moment_2", "previous_gradient"];

    fn coefficients(&self, lr: f64, time: u64, _scalar_state: &mut [f64]) -> Self::Coefficients {
        let [weight, ahead] = match (time, self.form) {
            (1, _) => [0.0; 2],
            (_, AdanForm::Paper) => [1.0 - self.beta_2, self.beta_2],
            (_, AdanForm::Optax) => [1.0 - self.beta_2; 2],
        };
        let corrections =
            [self.beta_1, self.beta_2, self.beta_3].map(|beta| BiasCorrection::Corrected.factor(beta, time));
        let decay = match self.weight_decay {
            Some(WeightDecay::Decoupled(lambda)) => lr * lambda,
            Some(WeightDecay::L2(_)) | None => 0.0,
        };
        let (eta, shrink) = match self.decay {
            AdanDecay::Proximal => (lr / (1.0 + decay), decay / (1.0 + decay)),
            AdanDecay::BeforeStep => (lr, decay),
        };
        (weight, ahead, corrections, eta, shrink)
    }

    #[inline(always)]
    fn update<R: Real>(&self, c: &Self::Coefficients, theta: R, g: R, [m, v, n, g_before]: [R; 4]) -> (R, [R; 4]) {
        let &(weight, ahead, [correct_m, correct_v, correct_n], eta, shrink) = c;
        let m = m * self.beta_1 + g.clone() * (1.0 - self.beta_1);
        // The difference of large gradients is beyond all numbers where that of their shares is not.
        let v = v * self.beta_2 + (g.clone() * weight - g_before.clone() * weight);
        let g_ahead = g.clone() * (1.0 + ahead) - g_before * ahead;
        let n = n * self.beta_3 + g_ahead.weighted_square(1.0 - self.beta_3);
        let root = (n.clone() + self.epsilon_root / correct_n).sqrt() * correct_n.sqrt() + self.epsilon;
        let step = m.clone() / root.clone() * (eta * correct_m) + v.clone() / root * (eta * correct_v * ahead);
        // A factor of θ so near to 1 would round to it: the decay joins the step.
        (theta.clone() - (step + theta * shrink), [m, v, n, g])
    }

    /// Returns the decay that is a penalty: the step takes a decoupled one.
    fn weight_decay(&self) -> Option<WeightDecay> {
        self.weight_decay.filter(|decay| matches!(decay, WeightDecay::L2(_)))
    }

    fn check(&self) -> Result<(), ConfigError> {
        ValueRange::Decay.check(Self::NAME, "beta_1", self.beta_1)?;
        ValueRange::Decay.check(Self::NAME, "beta_2", self.beta_2)?;
        ValueRange::Decay.check(Self::NAME, "beta_3", self.beta_3)?;
        ValueRange::Epsilon.check(Self::NAME, "epsilon", self.epsilon)?;
        ValueRange::NonNegative.check(Self::NAME, "epsilon_root", self.epsilon_root)?;
        self.weight_decay.map_or(Ok(()), WeightDecay::check)
    }
}

optimizer! {
    Adan(AdanConfig, 4),
    numbers: [beta_1, beta_2, beta_3, epsilon, epsilon_root],
    names: { "adan": [new at 1e-3, optax at 1e-3, burn at 1e-3] },
}
