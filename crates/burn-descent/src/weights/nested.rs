use super::erased::AveragedErased;
use super::{Averaging, EmaConfig, LookaheadConfig, Start, SwaConfig};
use crate::error::ConfigError;
use crate::optim::ErasedOptimizer;

/// Holds one transform of the weights, chosen at run time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum WeightTransform {
    /// Wraps the optimizer in [`crate::weights::Lookahead`].
    Lookahead(LookaheadConfig),
    /// Wraps the optimizer in [`crate::weights::Ema`].
    Ema(EmaConfig),
    /// Wraps the optimizer in [`crate::weights::Swa`].
    Swa(SwaConfig),
}

/// Evaluates an expression with whichever configuration it is.
macro_rules! on_config {
    ($transform:expr, $config:ident => $body:expr) => {
        match $transform {
            WeightTransform::Lookahead($config) => $body,
            WeightTransform::Ema($config) => $body,
            WeightTransform::Swa($config) => $body,
        }
    };
}

impl Averaging for WeightTransform {
    const NAME: &'static str = "WeightTransform";

    fn name(&self) -> &'static str {
        on_config!(self, config => config.name())
    }

    fn start(&self) -> Start {
        on_config!(self, config => Averaging::start(config))
    }

    fn share(&self, time: u64) -> Option<f64> {
        on_config!(self, config => config.share(time))
    }

    fn returns(&self) -> bool {
        on_config!(self, config => config.returns())
    }

    fn check(&self) -> Result<(), ConfigError> {
        on_config!(self, config => config.check())
    }
}

/// Holds what a run wraps around its optimizer: nothing, one transform of the weights, or one around another.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct WeightTransforms {
    /// Gives the transform next to the optimizer.
    pub inner: Option<WeightTransform>,
    /// Gives the transform around the inner one.
    pub outer: Option<WeightTransform>,
}

impl WeightTransforms {
    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.inner.is_none() && self.outer.is_none()
    }

    /// Wraps `optimizer`: the inner transform goes around it, the outer one around both.
    ///
    /// ```
    /// use burn_descent::optim::{ErasedOptimizer, NadamConfig};
    /// use burn_descent::weights::{EmaConfig, LookaheadConfig, WeightTransform, WeightTransforms};
    ///
    /// let transforms = WeightTransforms {
    ///     inner: Some(WeightTransform::Lookahead(LookaheadConfig::new())),
    ///     outer: Some(WeightTransform::Ema(EmaConfig::new())),
    /// };
    /// let optimizer = transforms.wrap(ErasedOptimizer::new(NadamConfig::new().build()?))?.init();
    /// # Ok::<(), burn_descent::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the first field that is out of range.
    pub fn wrap(&self, optimizer: ErasedOptimizer) -> Result<ErasedOptimizer, ConfigError> {
        let mut wrapped = optimizer;
        for transform in [self.inner, self.outer].into_iter().flatten() {
            wrapped = ErasedOptimizer::new(AveragedErased::new(transform, wrapped)?);
        }
        Ok(wrapped)
    }
}
