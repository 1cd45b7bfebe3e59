//! Burn's own optimizers by name, beside this crate's.

use super::{
    Entry, ErasedOptimizer, Hyperparameters, OptimizerConfig, Variations, check_clipping, config_by_serde, preset,
};
use crate::error::ConfigError;
use burn::grad_clipping::GradientClipping;
use burn::optim::{AdaGradConfig, AdamConfig, AdamWConfig, LionConfig, RmsPropConfig, SgdConfig};

/// Burn does not show the numbers of its optimizers, nor their clipping before they are made.
macro_rules! burns {
    ($($name:literal: $config:ident at $rate:literal, keeps $state:literal;)*) => {
        $(
            impl Hyperparameters for $config {
                fn number_mut(&mut self, _name: &str) -> Option<&mut f64> {
                    None
                }

                fn number_names(&self) -> Vec<String> {
                    Vec::new()
                }
            }

            impl $crate::optim::sealed::Sealed for $config {}

            impl OptimizerConfig for $config {
                config_by_serde!();

                fn build_erased(&self, _variations: &Variations) -> Result<ErasedOptimizer, ConfigError> {
                    check_clipping($name, self.clipping().as_ref())?;
                    Ok(ErasedOptimizer::new(self.build()))
                }

                fn clipping(&self) -> Option<GradientClipping> {
                    self.init().grad_clipping().cloned()
                }

                fn state_tensors(&self) -> usize {
                    $state
                }

                fn varies(&self) -> bool {
                    false
                }
            }
        )*

        pub(super) const ENTRIES: &[Entry] =
            &[$(Entry { name: $name, presets: &[preset!($config::new at $rate)] }),*];
    };
}

burns! {
    "lion": LionConfig at 1e-4, keeps 1;
    "burn-adam": AdamConfig at 1e-3, keeps 2;
    "burn-adamw": AdamWConfig at 1e-3, keeps 2;
    "burn-adagrad": AdaGradConfig at 0.01, keeps 1;
    "burn-sgd": SgdConfig at 0.1, keeps 1;
    "burn-rmsprop": RmsPropConfig at 1e-3, keeps 3;
}
