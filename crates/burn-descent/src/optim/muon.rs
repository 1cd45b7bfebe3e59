use super::{
    AdamConfig, Entry, ErasedOptimizer, Hyperparameters, OptimizerConfig, Variations, check_clipping, config_by_serde,
    preset,
};
use crate::error::{ConfigError, ValueRange};
use burn::grad_clipping::GradientClippingConfig;
use burn::optim::{AdjustLrFn, DynOptimizer, DynState, LearningRate, MuonConfig, StateSink, StateSource};
use burn::tensor::Device;
use burn::tensor::kind::BridgeTensor;
use serde::{Deserialize, Serialize};

/// Configures Burn's Muon (Jordan et al. 2024) for matrices and [`Adam`](super::Adam) for all other parameters, for
/// choosing it by name: `burn-muon`.
///
/// Muon makes the momentum of a matrix orthogonal before it steps by it. Burn's panics at parameters of any other rank:
/// biases, the weights of convolutions and of normalization. Those get a rule of their own. Jordan leaves embeddings
/// and the last layer to that rule too; shapes do not tell those apart, so here they get Muon. For such a choice make
/// groups: `ModuleOptimizer::with_group`.
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `muon` | Burn's, but `MatchRmsAdamW` | | the rule of matrices; its hyperparameters are not checked |
/// | `rest` | [`AdamConfig::adamw`] | | the rule of the rest; its `grad_clipping` is for all parameters |
/// | `rest_rate` | 1 | `(0, ∞)` | the share of the learning rate that the rest gets |
///
/// Learning rate: 2e-3. By `MatchRmsAdamW` (Liu et al. 2025) Muon's steps are about as large as AdamW's, so that one
/// rate is for both.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MuonAdamwConfig {
    /// Configures the rule of matrices.
    pub muon: MuonConfig,
    /// Configures the rule of all other parameters.
    pub rest: AdamConfig,
    /// Sets the share of the learning rate that the other parameters get, in `(0, ∞)`.
    pub rest_rate: f64,
}

impl MuonAdamwConfig {
    /// Returns Muon with steps as large as those of AdamW, which is for the rest. Learning rate 2e-3.
    pub fn new() -> Self {
        let muon = MuonConfig::new().with_adjust_lr_fn(AdjustLrFn::MatchRmsAdamW);
        Self { muon, rest: AdamConfig::adamw(), rest_rate: 1.0 }
    }

    /// Returns Muon with Jordan's steps, which are Burn's default, and AdamW for the rest at a 20th of the rate. Learning
    /// rate 0.02.
    pub fn original() -> Self {
        Self { muon: MuonConfig::new(), rest_rate: 0.05, ..Self::new() }
    }
}

impl Default for MuonAdamwConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl Hyperparameters for MuonAdamwConfig {
    fn number_mut(&mut self, _name: &str) -> Option<&mut f64> {
        None
    }

    fn number_names(&self) -> Vec<String> {
        Vec::new()
    }
}

impl crate::optim::sealed::Sealed for MuonAdamwConfig {}

impl OptimizerConfig for MuonAdamwConfig {
    config_by_serde!();

    fn build_erased(&self, _variations: &Variations) -> Result<ErasedOptimizer, ConfigError> {
        ValueRange::Positive.check("Muon", "rest_rate", self.rest_rate)?;
        // It is of all parameters.
        let clipping = self.rest.grad_clipping.as_ref().map(GradientClippingConfig::init);
        check_clipping("Muon", clipping.as_ref())?;
        let matrices = ErasedOptimizer::new(self.muon.build());
        let rest = ErasedOptimizer::new(self.rest.build()?.with_clipping(None));
        let by_rank = ByRank { matrices, rest, rest_rate: self.rest_rate };
        Ok(ErasedOptimizer::new(by_rank).with_clipping(clipping))
    }

    fn state_tensors(&self) -> usize {
        self.rest.state_tensors()
    }

    fn varies(&self) -> bool {
        false
    }
}

pub(super) const ENTRIES: &[Entry] = &[Entry {
    name: "burn-muon",
    presets: &[preset!(MuonAdamwConfig::new at 2e-3), preset!(MuonAdamwConfig::original at 0.02)],
}];

/// One optimizer for matrices, another for parameters of any other rank. The state of each is its optimizer's.
struct ByRank {
    matrices: ErasedOptimizer,
    rest: ErasedOptimizer,
    rest_rate: f64,
}

impl ByRank {
    /// The optimizer of parameters of this rank, and its share of the learning rate.
    fn of(&self, rank: usize) -> (&ErasedOptimizer, f64) {
        if rank == 2 { (&self.matrices, 1.0) } else { (&self.rest, self.rest_rate) }
    }
}

impl DynOptimizer for ByRank {
    fn step_dyn(
        &self,
        rank: usize,
        lr: LearningRate,
        tensor: BridgeTensor,
        grad: BridgeTensor,
        state: Option<DynState>,
    ) -> (BridgeTensor, Option<DynState>) {
        let (optimizer, share) = self.of(rank);
        optimizer.step_dyn(rank, lr * share, tensor, grad, state)
    }

    fn to_device_dyn(&self, state: DynState, device: &Device) -> DynState {
        self.of(state.rank()).0.to_device_dyn(state, device)
    }

    fn state_flatten(&self, prefix: &str, state: &DynState, out: &mut StateSink) {
        self.of(state.rank()).0.state_flatten(prefix, state, out);
    }

    fn state_unflatten(&self, rank: usize, prefix: &str, src: &mut StateSource, device: &Device) -> Option<DynState> {
        self.of(rank).0.state_unflatten(rank, prefix, src, device)
    }
}
