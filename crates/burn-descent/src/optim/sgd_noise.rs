use super::{
    Entry, ErasedOptimizer, Hyperparameters, MomentumConfig, OptimizerConfig, Variations, config_by_serde,
    names_within, preset, within,
};
use crate::error::ConfigError;
use crate::gradient::GradientNoiseConfig;
use serde::{Deserialize, Serialize};

/// Configures stochastic gradient descent with momentum and noise on its gradients, for choosing it by name:
/// `sgd-noise`.
///
/// | field | default | meaning |
/// | --- | --- | --- |
/// | `sgd` | [`MomentumConfig::new`] | the descent |
/// | `noise` | a variance of 1e-4 to begin with | the noise |
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SgdNoiseConfig {
    /// Configures the descent.
    pub sgd: MomentumConfig,
    /// Configures the noise.
    pub noise: GradientNoiseConfig,
}

impl SgdNoiseConfig {
    /// Returns momentum of 0.9 under noise with a variance of 1e-4 to begin with.
    pub fn new() -> Self {
        Self { sgd: MomentumConfig::new(), noise: GradientNoiseConfig::new().with_eta(1e-4) }
    }
}

impl Default for SgdNoiseConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl Hyperparameters for SgdNoiseConfig {
    fn number_mut(&mut self, name: &str) -> Option<&mut f64> {
        match within(name, "sgd") {
            Some(name) => self.sgd.number_mut(name),
            None => self.noise.number_mut(within(name, "noise")?),
        }
    }

    fn number_names(&self) -> Vec<String> {
        names_within("noise", &self.noise).chain(names_within("sgd", &self.sgd)).collect()
    }
}

impl crate::optim::sealed::Sealed for SgdNoiseConfig {}

impl OptimizerConfig for SgdNoiseConfig {
    config_by_serde!();

    fn build_erased(&self, variations: &Variations) -> Result<ErasedOptimizer, ConfigError> {
        let steps = variations.steps();
        let (of_sgd, of_noise) = (variations.clone(), variations.clone());
        // What is clipped is the gradient, before the noise.
        let (clipping, descent) = self.sgd.build()?.take_clipping();
        let descent = descent.varying(steps, move |config, step| of_sgd.apply("sgd.", config, step))?;
        let noisy = self.noise.wrap(descent)?;
        let noisy = noisy.varying(steps, move |config, step| of_noise.apply("noise.", config, step))?;
        Ok(ErasedOptimizer::new(noisy).with_clipping(clipping))
    }

    fn state_tensors(&self) -> usize {
        self.sgd.state_tensors()
    }

    fn noise_seed_mut(&mut self) -> Option<&mut u64> {
        Some(&mut self.noise.seed)
    }
}

pub(super) const ENTRIES: &[Entry] = &[Entry { name: "sgd-noise", presets: &[preset!(SgdNoiseConfig::new at 0.1)] }];
