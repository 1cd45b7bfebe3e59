use crate::error::ConfigError;
use crate::optim::SgdConfig;
use crate::weights::{AveragedErased, Averaging, EmaConfig, Erased, LookaheadConfig, Start, SwaConfig};
use burn::grad_clipping::GradientClipping;
use burn::module::ParamGroup;
use burn::optim::{DynOptimizer, ModuleOptimizer};
use std::sync::Arc;

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

    /// The optimizer of a whole module: `optimizer`, wrapped, after `clipping` of each gradient.
    ///
    /// # Errors
    ///
    /// The first field that is out of range.
    pub(super) fn over(
        &self,
        optimizer: Arc<dyn DynOptimizer>,
        clipping: Option<GradientClipping>,
    ) -> Result<ModuleOptimizer, ConfigError> {
        let mut wrapped = Erased::from(optimizer);
        for transform in [self.inner, self.outer].into_iter().flatten() {
            wrapped = Erased::from(Arc::new(AveragedErased::new(transform, wrapped)?) as Arc<dyn DynOptimizer>);
        }
        // Burn takes an optimizer whose type is erased for a group alone: here, of all parameters.
        let fallback = ModuleOptimizer::from(SgdConfig::new().build()?);
        Ok(fallback.with_group(ParamGroup::all(), wrapped, clipping))
    }
}
