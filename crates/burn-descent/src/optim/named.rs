//! Optimizers by name: the table of all that there are.

use super::{ErasedOptimizer, Hyperparameters, INDEX, Variations};
use crate::error::ConfigError;
use crate::text::{did_you_mean, place, plain};
use burn::optim::ModuleOptimizer;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use std::any::TypeId;
use std::collections::BTreeMap;
use std::fmt::Debug;

/// Describes the configuration of an optimizer whose type is known at run time alone.
///
/// The configurations of this crate and of Burn that are in the table of [`NamedOptimizer`] have it; no others can.
pub trait OptimizerConfig: sealed::Sealed + Hyperparameters + Debug + Send + Sync + 'static {
    /// Returns a copy.
    fn boxed(&self) -> Box<dyn OptimizerConfig>;

    /// Returns the configuration as in a file.
    fn to_value(&self) -> Value;

    /// Reads a configuration of the same kind.
    ///
    /// # Errors
    ///
    /// Returns an error that says what does not fit.
    fn read(&self, value: Value) -> serde_json::Result<Box<dyn OptimizerConfig>>;

    /// Returns the type of the configuration.
    #[doc(hidden)]
    fn config_type(&self) -> TypeId;

    /// Makes the optimizer of one parameter group, whose hyperparameters follow `variations` step by step.
    ///
    /// # Errors
    ///
    /// Returns the first hyperparameter that is out of range, at any step.
    fn build_erased(&self, variations: &Variations) -> Result<ErasedOptimizer, ConfigError>;

    /// Returns how many tensors of a parameter's size the optimizer keeps for it; of Burn's own, at most.
    fn state_tensors(&self) -> usize;

    /// Returns the place of the seed of the optimizer's noise, if it has any.
    fn noise_seed_mut(&mut self) -> Option<&mut u64> {
        None
    }

    /// Tells whether the optimizer itself steers an average of the weights, which is to be evaluated in their place.
    fn averages(&self) -> bool {
        false
    }

    /// Tells whether the numbers can follow a schedule.
    fn varies(&self) -> bool {
        true
    }
}

/// Keeps [`OptimizerConfig`] to this crate.
pub(crate) mod sealed {
    /// Is implemented by what is in the table.
    pub trait Sealed {}
}

/// One row of the table of optimizers.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    /// The first is what the name alone stands for.
    pub(crate) presets: &'static [Preset],
}

/// Hyperparameters after a source, and the learning rate that suits them.
#[derive(Clone, Copy)]
pub(crate) struct Preset {
    pub(crate) name: &'static str,
    pub(crate) learning_rate: f64,
    pub(crate) make: fn() -> Box<dyn OptimizerConfig>,
}

/// Fails where a name or a hyperparameter is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NamedOptimizerError {
    /// Says that the name is not among the known ones.
    #[error("unknown {what} `{name}`; known: {known}")]
    Unknown {
        /// Says what the name was to name.
        what: &'static str,
        /// Gives the name.
        name: String,
        /// Lists the known names.
        known: String,
    },
    /// Says that a text is no group of parameters.
    #[error("group `{text}`: {reason}; expected PATHS:decay=LAMBDA,rate=FACTOR,optimizer=NAME")]
    Group {
        /// Gives the text.
        text: String,
        /// Says what is wrong with it.
        reason: String,
    },
    /// Says that the value does not fit the hyperparameter.
    #[error("{optimizer}: `{assignment}` does not fit: {reason}")]
    Hyperparameter {
        /// Names the optimizer.
        optimizer: String,
        /// Gives the assignment, such as `beta_1=0.8`.
        assignment: String,
        /// Says what was expected.
        reason: String,
    },
}

/// Chooses an optimizer by name, with its hyperparameters and a learning rate that suits them.
///
/// In a configuration file it is the name over the hyperparameters: `{"nadam": {"beta_1": 0.9, …}}`.
///
/// ```
/// use burn_descent::optim::NamedOptimizer;
///
/// let dozat = NamedOptimizer::named("nadam:dozat")?.with("beta_2=0.99")?;
/// assert_eq!((dozat.name(), dozat.learning_rate()), ("nadam", 2e-3));
/// let optimizer = dozat.init().expect("in range"); // Burn's `ModuleOptimizer`
/// # Ok::<(), burn_descent::optim::NamedOptimizerError>(())
/// ```
#[derive(Debug)]
pub struct NamedOptimizer {
    name: &'static str,
    learning_rate: f64,
    config: Box<dyn OptimizerConfig>,
}

impl Clone for NamedOptimizer {
    fn clone(&self) -> Self {
        Self { config: self.config.boxed(), ..*self }
    }
}

fn table() -> impl Iterator<Item = &'static Entry> {
    INDEX.iter().copied().flatten()
}

fn find(name: &str) -> Result<&'static Entry, NamedOptimizerError> {
    let name = plain(name);
    let found = table().find(|entry| entry.name == name);
    let name = &name;
    found.ok_or_else(|| unknown("optimizer", name, NamedOptimizer::names()))
}

fn unknown<'a>(what: &'static str, name: &str, known: impl Iterator<Item = &'a str>) -> NamedOptimizerError {
    let known: Vec<&str> = known.collect();
    // Of a preset, what comes after the optimizer's name.
    let hint = did_you_mean(name.rsplit(':').next().unwrap_or(name), known.iter().copied());
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") + &hint };
    NamedOptimizerError::Unknown { what, name: name.to_owned(), known }
}

/// How what has alternatives is written.
fn alternatives(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("epsilon") => "; written as 1e-8, {\"outside\":1e-8} or {\"inside\":1e-8}",
        Some("weight_decay") => "; written as {\"l2\":0.01} or {\"decoupled\":0.01}",
        Some("grad_clipping") => "; written as {\"Norm\":1.0} or {\"Value\":1.0}",
        _ => "",
    }
}

impl Entry {
    /// The presets that have names of their own.
    fn named_presets(&self) -> impl Iterator<Item = &'static Preset> {
        self.presets.iter().skip(1)
    }

    fn preset(&self, preset: &Preset) -> NamedOptimizer {
        NamedOptimizer { name: self.name, learning_rate: preset.learning_rate, config: (preset.make)() }
    }
}

impl NamedOptimizer {
    /// Lists the names of all known optimizers.
    pub fn names() -> impl Iterator<Item = &'static str> {
        table().map(|entry| entry.name)
    }

    /// Lists the names with those of their presets, such as `nadam` and `nadam:dozat`.
    pub fn names_and_presets() -> impl Iterator<Item = String> {
        table().flat_map(|entry| {
            let presets = entry.named_presets().map(|preset| format!("{}:{}", entry.name, preset.name));
            std::iter::once(entry.name.to_owned()).chain(presets)
        })
    }

    /// Returns the optimizer of that name with its default hyperparameters, or, as in `nadam:dozat`, with those of a
    /// preset.
    ///
    /// # Errors
    ///
    /// Returns [`NamedOptimizerError::Unknown`] if there is none; the error lists the known ones, or the known presets
    /// of the optimizer.
    pub fn named(name: &str) -> Result<Self, NamedOptimizerError> {
        let (optimizer, preset) = name.split_once(':').map_or((name, None), |(name, preset)| (name, Some(preset)));
        let entry = find(optimizer)?;
        let found = match preset {
            None => entry.presets.first(),
            Some(preset) => entry.named_presets().find(|known| plain(known.name) == plain(preset)),
        };
        let found = found.ok_or_else(|| unknown("preset", name, entry.named_presets().map(|preset| preset.name)))?;
        Ok(entry.preset(found))
    }

    /// Returns the optimizer of the known `name` with hyperparameters that are given.
    ///
    /// ```
    /// use burn_descent::optim::{AdadeltaConfig, NamedOptimizer};
    ///
    /// let optimizer = NamedOptimizer::with_config("adadelta", AdadeltaConfig::zeiler())?;
    /// assert_eq!(optimizer.learning_rate(), 1.0);
    /// # Ok::<(), burn_descent::optim::NamedOptimizerError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`NamedOptimizerError::Unknown`] if there is no such name, [`NamedOptimizerError::Hyperparameter`] if it
    /// is another optimizer's.
    pub fn with_config(name: &str, config: impl OptimizerConfig) -> Result<Self, NamedOptimizerError> {
        let named = Self::named(name)?;
        if named.config.config_type() != config.config_type() {
            let reason = format!("it is not a configuration of {name}");
            return Err(named.misfit(format!("{config:?}"), reason));
        }
        Ok(Self { config: Box::new(config), ..named })
    }

    /// Returns the optimizer's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the learning rate that suits the preset, or, where the optimizer was read from a file, its defaults.
    pub fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    /// Returns the hyperparameters.
    pub fn config(&self) -> &dyn OptimizerConfig {
        &*self.config
    }

    /// Gives access to the hyperparameters.
    pub fn config_mut(&mut self) -> &mut dyn OptimizerConfig {
        &mut *self.config
    }

    /// Tells whether the optimizer itself steers an average of the weights, which is to be evaluated in their place.
    pub fn averages(&self) -> bool {
        self.config.averages()
    }

    /// Returns how many tensors of a parameter's size the optimizer keeps for it: what it takes of memory besides the
    /// parameters and their gradients.
    pub fn state_tensors(&self) -> usize {
        self.config.state_tensors()
    }

    /// Returns the same optimizer with one hyperparameter set: `beta_1=0.8`, `form=lecture`, `noise.eta=0.3`,
    /// `epsilon={"inside":1e-7}`. The value is JSON, or a bare word.
    ///
    /// # Errors
    ///
    /// Returns [`NamedOptimizerError::Hyperparameter`] if there is no such hyperparameter (the error lists them) or the
    /// value does not fit it.
    pub fn with(&self, assignment: &str) -> Result<Self, NamedOptimizerError> {
        let misfit = |reason: String| self.misfit(assignment.to_owned(), reason);
        let (name, text) = assignment.split_once('=').ok_or_else(|| misfit("expected NAME=VALUE".into()))?;
        let given = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()));
        let mut changed = self.clone();
        let number = if given.is_number() { self.number_like(name) } else { None };
        let number = number.as_deref().unwrap_or(name);
        if let Some(number) = changed.config.number_mut(number) {
            *number = serde_json::from_value(given).map_err(|error| misfit(error.to_string()))?;
            return Ok(changed);
        }
        let mut value = self.config.to_value();
        let before = std::mem::replace(place(&mut value, name).map_err(misfit)?, given);
        let now = |error: serde_json::Error| misfit(format!("{error}; it is {before} now{}", alternatives(name)));
        changed.config = self.config.read(value).map_err(now)?;
        Ok(changed)
    }

    /// The whole name of the number that `name` means, if it means one: it may leave out what comes before, as
    /// `dampening`, or after, as `epsilon`, where that is the only one.
    fn number_like(&self, name: &str) -> Option<String> {
        let means = |number: &String| {
            let beneath = number.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
            beneath || number.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'))
        };
        match &self.config.number_names().into_iter().filter(means).collect::<Vec<_>>()[..] {
            [number] => Some(number.clone()),
            _ => None,
        }
    }

    /// Returns the whole name of the number that `name` means, such as `epsilon.outside`, or `epsilon` for short where
    /// that is the only number there.
    ///
    /// # Errors
    ///
    /// Returns [`NamedOptimizerError::Hyperparameter`] if there is no such number, or none that can follow a schedule.
    pub fn number(&self, name: &str) -> Result<String, NamedOptimizerError> {
        let misfit = |reason| self.misfit(name.to_owned(), reason);
        if !self.config.varies() {
            return Err(misfit("the hyperparameters of Burn's own optimizers cannot vary".to_owned()));
        }
        let mut numbers = self.config.number_names();
        numbers.sort();
        match self.number_like(name) {
            Some(number) => Ok(number),
            None if name == "lr" => Err(misfit("the learning rate follows the schedule".to_owned())),
            None if numbers.is_empty() => Err(misfit("it has no number that could vary".to_owned())),
            None => Err(misfit(format!("no number `{name}` that could vary; known: {}", numbers.join(", ")))),
        }
    }

    fn misfit(&self, assignment: String, reason: String) -> NamedOptimizerError {
        NamedOptimizerError::Hyperparameter { optimizer: self.name.to_owned(), assignment, reason }
    }

    /// Makes the optimizer of one parameter group, whose hyperparameters follow `variations`, if any, with the configured
    /// gradient clipping.
    ///
    /// # Errors
    ///
    /// Returns the first hyperparameter that is out of range, at any step.
    pub fn build(&self, variations: &Variations) -> Result<ErasedOptimizer, ConfigError> {
        self.config.build_erased(variations)
    }

    /// Makes the optimizer of a whole module.
    ///
    /// # Errors
    ///
    /// Returns the first hyperparameter that is out of range.
    pub fn init(&self) -> Result<ModuleOptimizer, ConfigError> {
        Ok(self.build(&Variations::default())?.init())
    }
}

impl Serialize for NamedOptimizer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        BTreeMap::from([(self.name, self.config.to_value())]).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for NamedOptimizer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = BTreeMap::<String, Value>::deserialize(deserializer)?;
        let mut read = read.into_iter();
        let (Some((name, value)), None) = (read.next(), read.next()) else {
            return Err(D::Error::custom("expected one optimizer: its name over its hyperparameters"));
        };
        let entry = find(&name).map_err(D::Error::custom)?;
        let named = entry.presets.first().map(|preset| entry.preset(preset));
        let named = named.ok_or_else(|| D::Error::custom(format!("{name} has no defaults")))?;
        let config = named.config.read(value);
        Ok(Self { config: config.map_err(|error| D::Error::custom(format!("{name}: {error}")))?, ..named })
    }
}

/// Makes the preset of a configuration: `preset!(Config::name at rate)`, or, to go by another name, `preset!(Config::name
/// as other at rate)`.
macro_rules! preset {
    ($config:ident::$preset:ident at $rate:literal) => {
        $crate::optim::preset!($config::$preset as $preset at $rate)
    };
    ($config:ident::$preset:ident as $name:ident at $rate:literal) => {
        $crate::optim::Preset { name: stringify!($name), learning_rate: $rate, make: || Box::new($config::$preset()) }
    };
}
pub(crate) use preset;

/// Implements what is the same in every [`OptimizerConfig`].
macro_rules! config_by_serde {
    () => {
        fn config_type(&self) -> std::any::TypeId {
            std::any::TypeId::of::<Self>()
        }

        fn boxed(&self) -> Box<dyn $crate::optim::OptimizerConfig> {
            Box::new(self.clone())
        }

        fn to_value(&self) -> serde_json::Value {
            serde_json::to_value(self).unwrap_or_default()
        }

        fn read(&self, value: serde_json::Value) -> serde_json::Result<Box<dyn $crate::optim::OptimizerConfig>> {
            Ok(Box::new(serde_json::from_value::<Self>(value)?))
        }
    };
}
pub(crate) use config_by_serde;
