use super::SgdConfig;
use super::clipping::clipped;
use crate::kernel::on_rank;
use burn::grad_clipping::GradientClipping;
use burn::module::ParamGroup;
use burn::optim::{DynOptimizer, DynState, LearningRate, ModuleOptimizer, StateSink, StateSource};
use burn::tensor::kind::BridgeTensor;
use burn::tensor::{Device, Tensor};
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
/// let optimizer = optimizer.init(); // Burn's `ModuleOptimizer`
/// # Ok::<(), burn_descent::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct ErasedOptimizer {
    optimizer: Arc<dyn DynOptimizer>,
    clipping: Option<GradientClipping>,
}

impl ErasedOptimizer {
    /// Erases the type of `optimizer`: this crate's, Burn's or one of your own.
    pub fn new(optimizer: impl DynOptimizer + 'static) -> Self {
        Self { optimizer: Arc::new(optimizer), clipping: None }
    }

    /// Clips each gradient before anything else is done with it.
    pub(crate) fn with_clipping(self, clipping: Option<GradientClipping>) -> Self {
        Self { clipping, ..self }
    }

    /// What clips each gradient, and the optimizer without it.
    pub(crate) fn take_clipping(self) -> (Option<GradientClipping>, Self) {
        (self.clipping.clone(), Self { clipping: None, ..self })
    }

    /// Makes the optimizer of a whole module.
    pub fn init(self) -> ModuleOptimizer {
        // Burn takes an optimizer whose type is erased for a group alone: here, of all parameters.
        let fallback = ModuleOptimizer::from(super::Elementwise::unchecked(SgdConfig::new()));
        fallback.with_group(ParamGroup::all(), self, None)
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
        let grad = match &self.clipping {
            Some(clipping) => {
                on_rank!(rank, D => clipped(Some(clipping), Tensor::<D>::from_bridge(grad)).into_bridge())
            }
            None => grad,
        };
        self.optimizer.step_dyn(rank, lr, tensor, grad, state)
    }

    fn to_device_dyn(&self, state: DynState, device: &Device) -> DynState {
        self.optimizer.to_device_dyn(state, device)
    }

    fn state_flatten(&self, prefix: &str, state: &DynState, out: &mut StateSink) {
        self.optimizer.state_flatten(prefix, state, out);
    }

    fn state_unflatten(&self, rank: usize, prefix: &str, src: &mut StateSource, device: &Device) -> Option<DynState> {
        self.optimizer.state_unflatten(rank, prefix, src, device)
    }
}
