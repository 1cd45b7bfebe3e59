use crate::error::ConfigError;
use crate::weights::{Averaged, Averaging, EmaConfig, LookaheadConfig, Start, SwaConfig};
use burn::optim::{ModuleOptimizer, Optimizer};

/// One transform of the weights, chosen at run time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum WeightTransform {
    /// [`crate::weights::Lookahead`].
    Lookahead(LookaheadConfig),
    /// [`crate::weights::Ema`].
    Ema(EmaConfig),
    /// [`crate::weights::Swa`].
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

/// What a run wraps around its optimizer: nothing, one transform of the weights, or one around another.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct WeightTransforms {
    /// The one next to the optimizer.
    pub inner: Option<WeightTransform>,
    /// The one around it.
    pub outer: Option<WeightTransform>,
}

impl WeightTransforms {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.inner.is_none() && self.outer.is_none()
    }

    /// `optimizer`, wrapped.
    ///
    /// # Errors
    ///
    /// The first field that is out of range.
    pub fn over<O: Optimizer>(&self, optimizer: O) -> Result<ModuleOptimizer, ConfigError> {
        Ok(match (self.inner, self.outer) {
            (None, None) => optimizer.into(),
            (Some(one), None) | (None, Some(one)) => Averaged::new(one, optimizer)?.into(),
            (Some(inner), Some(outer)) => Averaged::new(outer, Averaged::new(inner, optimizer)?)?.into(),
        })
    }
}
