use super::{Averaged, Averaging, Start};
use crate::error::{ConfigError, ValueRange};
use crate::optim::wrapper;
use burn::config::Config;
use serde::{Deserialize, Serialize};

/// Chooses how the average of [`Ema`] comes to follow its first weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecayWarmUp {
    /// Starts the average from the weights before the first step, with the decay `min(β, (1 + t)/(10 + t))` at step t:
    /// TensorFlow's `ExponentialMovingAverage(num_updates=t)`.
    Ramp,
    /// Starts the average from zero with the decay β, and divides it by `1 − βᵗ`: optax's `ema(debias=True)`. The
    /// weights before the first step have no part in it.
    BiasCorrection,
    /// Starts the average from the weights before the first step, with the decay β.
    None,
    /// Starts the average from the weights after the first step, with the decay β: PyTorch's `AveragedModel` with
    /// `get_ema_avg_fn(β)`, updated after each step.
    FirstStep,
}

/// Configures [`Ema`], an exponential moving average of the weights (Polyak & Juditsky 1992; coverage C1, C2).
///
/// ```text
/// s ← β·s + (1 − β)·θ       after each step; evaluated is s
/// ```
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `decay` | 0.999 | `[0, 1)` | β: the average follows about the last `1/(1 − β)` steps |
/// | `warm_up` | `Ramp` | | how it comes to follow its first weights |
///
/// Training itself is that of the wrapped optimizer, bit by bit.
///
/// ```
/// use burn::optim::AdamConfig;
/// use burn_descent::weights::EmaConfig;
///
/// let optimizer = EmaConfig::new().with_decay(0.99).wrap(AdamConfig::new().build())?.init();
/// # Ok::<(), burn_descent::ConfigError>(())
/// ```
#[derive(Config, Debug, Copy, PartialEq)]
pub struct EmaConfig {
    /// Sets β, the share of the past in the average, in `[0, 1)`.
    #[config(default = 0.999)]
    pub decay: f64,
    /// Chooses how the average comes to follow its first weights.
    #[config(default = "DecayWarmUp::Ramp")]
    pub warm_up: DecayWarmUp,
}

impl EmaConfig {
    /// Reproduces PyTorch's `AveragedModel` with `get_ema_avg_fn()`: β 0.999, from the weights after the first step. Its
    /// plain mean is [`Swa`](super::Swa).
    pub fn pytorch() -> Self {
        Self::new().with_warm_up(DecayWarmUp::FirstStep)
    }
}

impl Averaging for EmaConfig {
    const NAME: &'static str = "Ema";

    fn start(&self) -> Start {
        match self.warm_up {
            DecayWarmUp::Ramp | DecayWarmUp::None => Start::InitialWeights,
            DecayWarmUp::BiasCorrection | DecayWarmUp::FirstStep => Start::FirstTaken,
        }
    }

    fn share(&self, time: u64) -> Option<f64> {
        let t = time as f64;
        Some(match self.warm_up {
            DecayWarmUp::Ramp => 1.0 - self.decay.min((1.0 + t) / (10.0 + t)),
            // v̂ₜ = v̂ₜ₋₁ + (θ − v̂ₜ₋₁)·(1 − β)/(1 − βᵗ)
            DecayWarmUp::BiasCorrection => (1.0 - self.decay) / (1.0 - self.decay.powf(t)),
            DecayWarmUp::None | DecayWarmUp::FirstStep => 1.0 - self.decay,
        })
    }

    fn check(&self) -> Result<(), ConfigError> {
        ValueRange::Decay.check("Ema", "decay", self.decay)
    }
}

wrapper!(Ema, EmaConfig, Averaged);
