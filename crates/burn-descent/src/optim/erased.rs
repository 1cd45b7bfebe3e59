use super::SgdConfig;
use burn::grad_clipping::GradientClipping;
use burn::module::ParamGroup;
use burn::optim::{DynOptimizer, DynState, LearningRate, ModuleOptimizer, StateSink, StateSource};
use burn::tensor::Device;
use burn::tensor::kind::BridgeTensor;
use std::fmt;
use std::sync::Arc;

/// Holds an optimizer of one parameter group whose type is known at run time alone.
///
/// It is what code handles that chooses an optimizer by name: one type for all of them, whose steps are compiled once,
/// in this crate, and not again in every crate that uses them. [`NamedOptimizer::build`](super::NamedOptimizer::build)
/// gives one, and [`new`](Self::new) makes one of any Burn optimizer.
///
/// ```
/// use burn_descent::optim::{AdamConfig, ErasedOptimizer, NadamConfig};
///
/// let nesterov = true;
/// let optimizer = match nesterov {
///     true => ErasedOptimizer::new(NadamConfig::new().build()?),
///     false => ErasedOptimizer::new(AdamConfig::new().build()?),
/// };
/// let optimizer = optimizer.init(None); // Burn's `ModuleOptimizer`
/// # Ok::<(), burn_descent::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct ErasedOptimizer(Arc<dyn DynOptimizer>);

impl ErasedOptimizer {
    /// Erases the type of `optimizer`: this crate's, Burn's or one of your own.
    pub fn new(optimizer: impl DynOptimizer + 'static) -> Self {
        Self(Arc::new(optimizer))
    }

    /// Makes the optimizer of a whole module, after `clipping` of each gradient.
    pub fn init(self, clipping: Option<GradientClipping>) -> ModuleOptimizer {
        // Burn takes an optimizer whose type is erased for a group alone: here, of all parameters.
        let fallback = ModuleOptimizer::from(super::Elementwise::unchecked(SgdConfig::new()));
        fallback.with_group(ParamGroup::all(), self, clipping)
    }
}

impl fmt::Debug for ErasedOptimizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ErasedOptimizer")
    }
}

impl DynOptimizer for ErasedOptimizer {
    fn step_dyn(
        &self,
        rank: usize,
        lr: LearningRate,
        tensor: BridgeTensor,
        grad: BridgeTensor,
        state: Option<DynState>,
    ) -> (BridgeTensor, Option<DynState>) {
        self.0.step_dyn(rank, lr, tensor, grad, state)
    }

    fn to_device_dyn(&self, state: DynState, device: &Device) -> DynState {
        self.0.to_device_dyn(state, device)
    }

    fn state_flatten(&self, prefix: &str, state: &DynState, out: &mut StateSink) {
        self.0.state_flatten(prefix, state, out);
    }

    fn state_unflatten(&self, rank: usize, prefix: &str, src: &mut StateSource, device: &Device) -> Option<DynState> {
        self.0.state_unflatten(rank, prefix, src, device)
    }
}
