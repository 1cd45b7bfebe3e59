use super::variation::Course;
use super::{TrainError, WeightTransforms};
use crate::gradient::GradientNoiseConfig;
use crate::optim::{
    AdabeliefConfig, AdadeltaConfig, AdagradConfig, AdamConfig, AdamaxConfig, AmsgradConfig, AsgdConfig,
    MomentumConfig, NadamConfig, NesterovConfig, NormalizedGradientConfig, RadamConfig, RmsPropConfig, RpropConfig,
    ScheduleFreeAdamwConfig, ScheduleFreeSgdConfig, SgdConfig, YogiConfig,
};
use burn::grad_clipping::{GradientClipping, GradientClippingConfig};
use burn::optim::{
    AdaGradConfig as BurnAdaGradConfig, AdamConfig as BurnAdamConfig, AdamWConfig as BurnAdamWConfig, DynOptimizer,
    LionConfig as BurnLionConfig, ModuleOptimizer, RmsPropConfig as BurnRmsPropConfig, SgdConfig as BurnSgdConfig,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

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
    /// [`crate::optim::Radam`].
    Radam(RadamConfig),
    /// [`crate::optim::Yogi`].
    Yogi(YogiConfig),
    /// [`crate::optim::Adabelief`].
    Adabelief(AdabeliefConfig),
    /// [`crate::optim::Rprop`].
    Rprop(RpropConfig),
    /// [`crate::optim::Asgd`].
    Asgd(AsgdConfig),
    /// [`crate::optim::ScheduleFreeSgd`].
    ScheduleFreeSgd(ScheduleFreeSgdConfig),
    /// [`crate::optim::ScheduleFreeAdamw`].
    ScheduleFreeAdamw(ScheduleFreeAdamwConfig),
    /// [`crate::optim::Momentum`] under [`crate::gradient::GradientNoise`].
    SgdNoise(SgdNoiseConfig),
    /// Burn's Lion.
    Lion(BurnLionConfig),
    /// Burn's Adam.
    BurnAdam(BurnAdamConfig),
    /// Burn's AdamW.
    BurnAdamw(BurnAdamWConfig),
    /// Burn's Adagrad.
    BurnAdagrad(BurnAdaGradConfig),
    /// Burn's stochastic gradient descent.
    BurnSgd(BurnSgdConfig),
    /// Burn's RMSprop.
    BurnRmsprop(BurnRmsPropConfig),
}

/// Stochastic gradient descent with momentum and noise on its gradients.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SgdNoiseConfig {
    /// The descent.
    pub sgd: MomentumConfig,
    /// The noise.
    pub noise: GradientNoiseConfig,
}

/// A preset's name, and what makes it.
type Preset = (&'static str, fn() -> OptimizerKind);

/// One row of the table of known optimizers.
struct Known {
    name: &'static str,
    learning_rate: f64,
    make: fn() -> OptimizerKind,
    /// Presets after their sources, for `NAME:PRESET`.
    presets: &'static [Preset],
}

/// `known!("name", learning rate, Variant(Config::preset), other presets...)`.
macro_rules! known {
    ($name:literal, $learning_rate:literal, $kind:ident($config:ident::$default:ident) $(, $preset:ident)*) => {
        Known {
            name: $name,
            learning_rate: $learning_rate,
            make: || OptimizerKind::$kind($config::$default()),
            presets: &[$((stringify!($preset), || OptimizerKind::$kind($config::$preset()))),*],
        }
    };
}

const KNOWN: [Known; 27] = [
    known!("sgd", 0.1, Sgd(SgdConfig::new)),
    known!("momentum", 0.1, Momentum(MomentumConfig::new), pytorch, lecture, serra),
    known!("nesterov", 0.1, Nesterov(NesterovConfig::new), pytorch, kao),
    known!("normalized-gradient", 1e-3, NormalizedGradient(NormalizedGradientConfig::new)),
    known!("adagrad", 0.01, Adagrad(AdagradConfig::new), pytorch, optax, ruder, kao),
    known!("adadelta", 1.0, Adadelta(AdadeltaConfig::new), pytorch, optax, zeiler, preliminary),
    known!("rmsprop", 1e-3, Rmsprop(RmsPropConfig::ruder), pytorch, optax, ruder),
    known!("rmsprop-momentum", 5e-4, RmspropMomentum(RmsPropConfig::kao), kao, burn),
    known!("adam", 1e-3, Adam(AdamConfig::new), pytorch, kao),
    known!("adamw", 1e-3, Adamw(AdamConfig::adamw)),
    known!("adamax", 2e-3, Adamax(AdamaxConfig::new), pytorch),
    known!("nadam", 2e-3, Nadam(NadamConfig::new), pytorch, optax, dozat, lecture),
    known!("amsgrad", 1e-3, Amsgrad(AmsgradConfig::new), pytorch, optax, lecture, burn),
    known!("radam", 1e-3, Radam(RadamConfig::new), pytorch, optax),
    known!("yogi", 0.01, Yogi(YogiConfig::new), optax),
    known!("adabelief", 1e-3, Adabelief(AdabeliefConfig::new), optax),
    known!("rprop", 1e-3, Rprop(RpropConfig::mini_batch), pytorch, mini_batch),
    known!("asgd", 0.1, Asgd(AsgdConfig::new), pytorch),
    known!("schedule-free-sgd", 1.0, ScheduleFreeSgd(ScheduleFreeSgdConfig::new), optax),
    known!("schedule-free-adamw", 2.5e-3, ScheduleFreeAdamw(ScheduleFreeAdamwConfig::new), optax),
    known!("sgd-noise", 0.1, SgdNoise(SgdNoiseConfig::new)),
    known!("lion", 1e-4, Lion(BurnLionConfig::new)),
    known!("burn-adam", 1e-3, BurnAdam(BurnAdamConfig::new)),
    known!("burn-adamw", 1e-3, BurnAdamw(BurnAdamWConfig::new)),
    known!("burn-adagrad", 0.01, BurnAdagrad(BurnAdaGradConfig::new)),
    known!("burn-sgd", 0.1, BurnSgd(BurnSgdConfig::new)),
    known!("burn-rmsprop", 1e-3, BurnRmsprop(BurnRmsPropConfig::new)),
];

impl SgdNoiseConfig {
    /// Momentum of 0.9 under noise with a variance of 1e-4 to begin with.
    pub fn new() -> Self {
        Self { sgd: MomentumConfig::new(), noise: GradientNoiseConfig::new().with_eta(1e-4) }
    }
}

impl Default for SgdNoiseConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl OptimizerKind {
    /// The names of all known optimizers.
    pub fn names() -> impl Iterator<Item = &'static str> {
        KNOWN.iter().map(|known| known.name)
    }

    /// The names with those of their presets, such as `nadam` and `nadam:dozat`.
    pub fn names_and_presets() -> impl Iterator<Item = String> {
        KNOWN.iter().flat_map(|known| {
            let presets = known.presets.iter().map(|(preset, _)| format!("{}:{preset}", known.name));
            std::iter::once(known.name.to_owned()).chain(presets)
        })
    }

    /// The optimizer of that name with its default hyperparameters, or, as in `nadam:dozat`, with those of a preset.
    ///
    /// # Errors
    ///
    /// If there is none; the error lists the known ones, or the known presets of the optimizer.
    pub fn named(name: &str) -> Result<Self, TrainError> {
        let (optimizer, preset) = name.split_once(':').map_or((name, None), |(name, preset)| (name, Some(preset)));
        let known = KNOWN.iter().find(|known| known.name == optimizer);
        let known = known.ok_or_else(|| TrainError::unknown("optimizer", optimizer, Self::names()))?;
        let Some(preset) = preset else {
            return Ok((known.make)());
        };
        let found = known.presets.iter().find(|(name, _)| *name == preset);
        let presets = || known.presets.iter().map(|(name, _)| *name);
        found.map(|(_, make)| make()).ok_or_else(|| TrainError::unknown("preset", name, presets()))
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

    /// Whether the optimizer itself steers an average of the weights, which is to be evaluated in their place.
    pub fn averages(&self) -> bool {
        matches!(self, Self::Asgd(_) | Self::ScheduleFreeSgd(_) | Self::ScheduleFreeAdamw(_))
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

    /// The number among the hyperparameters that `name` names, such as `epsilon.outside`, or `epsilon` for short where that
    /// is the only number there. Else what is wrong with the name.
    pub(super) fn number(&self, name: &str) -> Result<String, String> {
        if self.is_burns() {
            return Err("the hyperparameters of Burn's own optimizers cannot vary".to_owned());
        }
        let value = serde_json::to_value(self).map_err(|error| error.to_string())?;
        let mut numbers = Vec::new();
        find_numbers(&value[self.name()], "", &mut numbers);
        let beneath = |number: &&String| number.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
        match numbers.iter().filter(|number| *number == name || beneath(number)).collect::<Vec<_>>()[..] {
            [number] => Ok(number.clone()),
            _ if numbers.is_empty() => Err("it has no number that could vary".to_owned()),
            _ => Err(format!("no number `{name}` that could vary; known: {}", numbers.join(", "))),
        }
    }

    /// Whether the optimizer is Burn's own.
    fn is_burns(&self) -> bool {
        use OptimizerKind::{BurnAdagrad, BurnAdam, BurnAdamw, BurnRmsprop, BurnSgd, Lion};
        matches!(self, Lion(_) | BurnAdam(_) | BurnAdamw(_) | BurnAdagrad(_) | BurnSgd(_) | BurnRmsprop(_))
    }

    /// The optimizer of a whole module.
    ///
    /// # Errors
    ///
    /// The first hyperparameter that is out of range.
    pub fn init(&self) -> Result<ModuleOptimizer, TrainError> {
        self.init_with(&Course::default(), &WeightTransforms::default())
    }

    /// The optimizer of a whole module, whose hyperparameters take their `course`, under `weights`.
    pub(super) fn init_with(&self, course: &Course, weights: &WeightTransforms) -> Result<ModuleOptimizer, TrainError> {
        /// One of this crate's, with its clipping.
        macro_rules! ours {
            ($config:expr) => {{
                let optimizer = $config.build()?.varying(course.steps(), course.change("", $config)?)?;
                (Arc::new(optimizer), $config.grad_clipping.as_ref().map(GradientClippingConfig::init))
            }};
        }
        /// One of Burn's, which does not show its clipping before it is made.
        macro_rules! burns {
            ($config:expr) => {
                (Arc::new($config.build()), $config.init().grad_clipping().cloned())
            };
        }
        let (optimizer, clipping): (Arc<dyn DynOptimizer>, Option<GradientClipping>) = match self {
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
            Self::Radam(config) => ours!(config),
            Self::Yogi(config) => ours!(config),
            Self::Adabelief(config) => ours!(config),
            Self::Rprop(config) => ours!(config),
            Self::Asgd(config) => ours!(config),
            Self::ScheduleFreeSgd(config) => ours!(config),
            Self::ScheduleFreeAdamw(config) => ours!(config),
            Self::SgdNoise(SgdNoiseConfig { sgd, noise }) => {
                let descent = sgd.build()?.varying(course.steps(), course.change("/sgd", sgd)?)?;
                let noisy = noise.wrap(descent)?.varying(course.steps(), course.change("/noise", noise)?)?;
                (Arc::new(noisy), sgd.grad_clipping.as_ref().map(GradientClippingConfig::init))
            }
            Self::Lion(config) => burns!(config),
            Self::BurnAdam(config) => burns!(config),
            Self::BurnAdamw(config) => burns!(config),
            Self::BurnAdagrad(config) => burns!(config),
            Self::BurnSgd(config) => burns!(config),
            Self::BurnRmsprop(config) => burns!(config),
        };
        Ok(weights.over(optimizer, clipping)?)
    }
}

/// The places of the numbers with fractions in `value`, as `epsilon.outside`. Clipping is no part of a step, and has none.
fn find_numbers(value: &Value, path: &str, found: &mut Vec<String>) {
    for (key, value) in value.as_object().into_iter().flatten().filter(|(key, _)| *key != "grad_clipping") {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match value {
            Value::Number(number) if number.is_f64() => found.push(path),
            _ => find_numbers(value, &path, found),
        }
    }
}
