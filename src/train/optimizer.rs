use super::{TrainError, WeightTransforms};
use crate::error::ConfigError;
use crate::gradient::GradientNoiseConfig;
use crate::optim::{
    AdadeltaConfig, AdagradConfig, AdamConfig, AdamaxConfig, AmsgradConfig, MomentumConfig, NadamConfig,
    NesterovConfig, NormalizedGradientConfig, RmsPropConfig, SgdConfig, clipped,
};
use burn::optim::ModuleOptimizer;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An optimizer by name, with its hyperparameters.
///
/// In a configuration file it is the name over the hyperparameters: `{"nadam": {"beta_1": 0.9, …}}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptimizerKind {
    /// [`crate::optim::Sgd`].
    Sgd(SgdConfig),
    /// [`crate::optim::Momentum`].
    Momentum(MomentumConfig),
    /// [`crate::optim::Nesterov`].
    Nesterov(NesterovConfig),
    /// [`crate::optim::NormalizedGradient`].
    NormalizedGradient(NormalizedGradientConfig),
    /// [`crate::optim::Adagrad`].
    Adagrad(AdagradConfig),
    /// [`crate::optim::Adadelta`].
    Adadelta(AdadeltaConfig),
    /// [`crate::optim::RmsProp`] without momentum.
    Rmsprop(RmsPropConfig),
    /// [`crate::optim::RmsProp`] with momentum.
    RmspropMomentum(RmsPropConfig),
    /// [`crate::optim::Adam`].
    Adam(AdamConfig),
    /// [`crate::optim::Adam`] with decoupled decay.
    Adamw(AdamConfig),
    /// [`crate::optim::Adamax`].
    Adamax(AdamaxConfig),
    /// [`crate::optim::Nadam`].
    Nadam(NadamConfig),
    /// [`crate::optim::Amsgrad`].
    Amsgrad(AmsgradConfig),
    /// [`crate::optim::Momentum`] under [`crate::gradient::GradientNoise`].
    SgdNoise(SgdNoiseConfig),
    /// Burn's Lion.
    Lion(burn::optim::LionConfig),
    /// Burn's Adam.
    BurnAdam(burn::optim::AdamConfig),
    /// Burn's AdamW.
    BurnAdamw(burn::optim::AdamWConfig),
    /// Burn's Adagrad.
    BurnAdagrad(burn::optim::AdaGradConfig),
    /// Burn's stochastic gradient descent.
    BurnSgd(burn::optim::SgdConfig),
    /// Burn's RMSprop.
    BurnRmsprop(burn::optim::RmsPropConfig),
}

/// Stochastic gradient descent with momentum and noise on its gradients.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SgdNoiseConfig {
    /// The descent.
    pub sgd: MomentumConfig,
    /// The noise.
    pub noise: GradientNoiseConfig,
}

/// One row of the table of known optimizers.
struct Known {
    name: &'static str,
    learning_rate: f64,
    make: fn() -> OptimizerKind,
}

const KNOWN: [Known; 20] = [
    known("sgd", 0.1, || OptimizerKind::Sgd(SgdConfig::new())),
    known("momentum", 0.1, || OptimizerKind::Momentum(MomentumConfig::new())),
    known("nesterov", 0.1, || OptimizerKind::Nesterov(NesterovConfig::new())),
    known("normalized-gradient", 1e-3, || OptimizerKind::NormalizedGradient(NormalizedGradientConfig::new())),
    known("adagrad", 0.01, || OptimizerKind::Adagrad(AdagradConfig::new())),
    known("adadelta", 1.0, || OptimizerKind::Adadelta(AdadeltaConfig::new())),
    known("rmsprop", 1e-3, || OptimizerKind::Rmsprop(RmsPropConfig::ruder())),
    known("rmsprop-momentum", 5e-4, || OptimizerKind::RmspropMomentum(RmsPropConfig::kao())),
    known("adam", 1e-3, || OptimizerKind::Adam(AdamConfig::new())),
    known("adamw", 1e-3, || OptimizerKind::Adamw(AdamConfig::adamw())),
    known("adamax", 2e-3, || OptimizerKind::Adamax(AdamaxConfig::new())),
    known("nadam", 2e-3, || OptimizerKind::Nadam(NadamConfig::new())),
    known("amsgrad", 1e-3, || OptimizerKind::Amsgrad(AmsgradConfig::new())),
    known("sgd-noise", 0.1, || {
        let noise = GradientNoiseConfig::new().with_eta(1e-4);
        OptimizerKind::SgdNoise(SgdNoiseConfig { sgd: MomentumConfig::new(), noise })
    }),
    known("lion", 1e-4, || OptimizerKind::Lion(burn::optim::LionConfig::new())),
    known("burn-adam", 1e-3, || OptimizerKind::BurnAdam(burn::optim::AdamConfig::new())),
    known("burn-adamw", 1e-3, || OptimizerKind::BurnAdamw(burn::optim::AdamWConfig::new())),
    known("burn-adagrad", 0.01, || OptimizerKind::BurnAdagrad(burn::optim::AdaGradConfig::new())),
    known("burn-sgd", 0.1, || OptimizerKind::BurnSgd(burn::optim::SgdConfig::new())),
    known("burn-rmsprop", 1e-3, || OptimizerKind::BurnRmsprop(burn::optim::RmsPropConfig::new())),
];

const fn known(name: &'static str, learning_rate: f64, make: fn() -> OptimizerKind) -> Known {
    Known { name, learning_rate, make }
}

impl OptimizerKind {
    /// The names of all known optimizers.
    pub fn names() -> impl Iterator<Item = &'static str> {
        KNOWN.iter().map(|known| known.name)
    }

    /// The optimizer of that name, with its default hyperparameters.
    ///
    /// # Errors
    ///
    /// If there is none; the error lists the known ones.
    pub fn named(name: &str) -> Result<Self, TrainError> {
        let known = KNOWN.iter().find(|known| known.name == name);
        known.map(|known| (known.make)()).ok_or_else(|| TrainError::unknown("optimizer", name, Self::names()))
    }

    /// The optimizer's name.
    pub fn name(&self) -> String {
        let value = serde_json::to_value(self).unwrap_or_default();
        let name = value.as_object().and_then(|object| object.keys().next());
        name.cloned().unwrap_or_default()
    }

    /// The learning rate that suits the optimizer's defaults.
    pub fn default_learning_rate(&self) -> f64 {
        let name = self.name();
        KNOWN.iter().find(|known| known.name == name).map_or(1e-3, |known| known.learning_rate)
    }

    /// The same optimizer with one hyperparameter set: `beta_1=0.8`, `form=lecture`, `noise.eta=0.3`,
    /// `epsilon={"inside":1e-7}`. The value is JSON, or a bare word.
    ///
    /// # Errors
    ///
    /// If there is no such hyperparameter (the error lists them) or the value does not fit it.
    pub fn with(&self, assignment: &str) -> Result<Self, TrainError> {
        let misfit = |reason: String| TrainError::Hyperparameter {
            optimizer: self.name(),
            assignment: assignment.to_owned(),
            reason,
        };
        let (path, text) = assignment.split_once('=').ok_or_else(|| misfit("expected NAME=VALUE".into()))?;
        let mut value = serde_json::to_value(self).map_err(|error| misfit(error.to_string()))?;
        let name = self.name();
        let mut place = &mut value[&name];
        for key in path.split('.') {
            let keys: Vec<String> =
                place.as_object().map(|object| object.keys().cloned().collect()).unwrap_or_default();
            place = place
                .get_mut(key)
                .ok_or_else(|| misfit(format!("no hyperparameter `{key}`; known: {}", keys.join(", "))))?;
        }
        *place = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()));
        serde_json::from_value(value).map_err(|error| misfit(error.to_string()))
    }

    /// The optimizer of a whole module.
    ///
    /// # Errors
    ///
    /// The first hyperparameter that is out of range.
    pub fn init(&self) -> Result<ModuleOptimizer, ConfigError> {
        self.init_with(&WeightTransforms::default())
    }

    /// The optimizer of a whole module, under `weights`.
    ///
    /// # Errors
    ///
    /// The first hyperparameter that is out of range.
    pub fn init_with(&self, weights: &WeightTransforms) -> Result<ModuleOptimizer, ConfigError> {
        /// One of this crate's.
        macro_rules! ours {
            ($config:expr) => {
                Ok(clipped(weights.over($config.build()?)?, $config.grad_clipping.as_ref()))
            };
        }
        /// One of Burn's, which does not show its clipping before it is made.
        macro_rules! burns {
            ($config:expr) => {{
                let optimizer = weights.over($config.build())?;
                Ok(match $config.init().grad_clipping() {
                    Some(clipping) => optimizer.with_grad_clipping(clipping.clone()),
                    None => optimizer,
                })
            }};
        }
        match self {
            Self::Sgd(config) => ours!(config),
            Self::Momentum(config) => ours!(config),
            Self::Nesterov(config) => ours!(config),
            Self::NormalizedGradient(config) => ours!(config),
            Self::Adagrad(config) => ours!(config),
            Self::Adadelta(config) => ours!(config),
            Self::Rmsprop(config) | Self::RmspropMomentum(config) => ours!(config),
            Self::Adam(config) | Self::Adamw(config) => ours!(config),
            Self::Adamax(config) => ours!(config),
            Self::Nadam(config) => ours!(config),
            Self::Amsgrad(config) => ours!(config),
            Self::SgdNoise(SgdNoiseConfig { sgd, noise }) => {
                Ok(clipped(weights.over(noise.wrap(sgd.build()?)?)?, sgd.grad_clipping.as_ref()))
            }
            Self::Lion(config) => burns!(config),
            Self::BurnAdam(config) => burns!(config),
            Self::BurnAdamw(config) => burns!(config),
            Self::BurnAdagrad(config) => burns!(config),
            Self::BurnSgd(config) => burns!(config),
            Self::BurnRmsprop(config) => burns!(config),
        }
    }
}
