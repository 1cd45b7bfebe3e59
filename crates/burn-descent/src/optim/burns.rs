//! Burn's own optimizers by name, beside this crate's.

use super::{
    Entry, ErasedOptimizer, Hyperparameters, OptimizerConfig, Variations, check_clipping, config_by_serde, preset,
};
use crate::error::{ConfigError, ValueRange};
use burn::grad_clipping::{GradientClipping, GradientClippingConfig};
use burn::optim::{
    AdaGradConfig, AdafactorConfig, AdamConfig, AdamWConfig, AdanConfig, LambConfig, LionConfig, RmsPropConfig,
    SgdConfig,
};
use serde_json::Value;

/// Burn does not show the numbers of its optimizers, nor their clipping before they are made: the file tells of that.
macro_rules! burns {
    ($($name:literal: $config:ident at $rate:literal, keeps $state:literal $(, checked by $check:ident)?;)*) => {
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
                    let clipping = clipping($name, &self.to_value())?;
                    check_clipping($name, clipping.as_ref())?;
                    $($check(self)?;)?
                    Ok(ErasedOptimizer::new(self.build()).with_clipping(clipping))
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
    "burn-lion": LionConfig at 1e-4, keeps 1;
    "burn-adam": AdamConfig at 1e-3, keeps 2;
    "burn-adamw": AdamWConfig at 1e-3, keeps 2;
    "burn-adan": AdanConfig at 1e-3, keeps 4;
    "burn-lamb": LambConfig at 0.01, keeps 2;
    "burn-adafactor": AdafactorConfig at 0.01, keeps 1, checked by check_adafactor;
    "burn-adagrad": AdaGradConfig at 0.01, keeps 1;
    "burn-sgd": SgdConfig at 0.1, keeps 1;
    "burn-rmsprop": RmsPropConfig at 1e-3, keeps 3;
}

/// The clipping of a configuration of Burn's.
fn clipping(name: &'static str, config: &Value) -> Result<Option<GradientClipping>, ConfigError> {
    let clipping = config.get("grad_clipping").or(config.get("gradient_clipping")).cloned();
    match serde_json::from_value::<Option<GradientClippingConfig>>(clipping.unwrap_or_default()) {
        Ok(clipping) => Ok(clipping.map(|clipping| clipping.init())),
        // JSON has no infinity, nor what is not a number: such a threshold comes without a value.
        Err(_) => ValueRange::Positive.check(name, "grad_clipping", f64::NAN).map(|()| None),
    }
}

/// What Burn's Adafactor panics at.
fn check_adafactor(config: &AdafactorConfig) -> Result<(), ConfigError> {
    let value = config.to_value();
    for (field, range) in [
        ("epsilon_1", ValueRange::Positive),
        ("epsilon_2", ValueRange::Positive),
        ("clip_threshold", ValueRange::Positive),
        ("decay_rate", ValueRange::Negative),
        ("weight_decay", ValueRange::NonNegative),
    ] {
        // JSON has no infinity, nor what is not a number.
        range.check("Adafactor", field, value[field].as_f64().unwrap_or(f64::NAN))?;
    }
    Ok(())
}
