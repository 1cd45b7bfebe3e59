//! Parameters with an optimizer, a learning rate or a decay of their own.

use super::{NamedOptimizer, NamedOptimizerError};
use crate::error::{ConfigError, ValueRange};
use crate::group::{NoParameters, ensure_parameters};
use burn::module::{Module, ParamGroup};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fmt;
use std::str::FromStr;

/// Configures what is different for some parameters of a module: their optimizer, their learning rate or their decay
/// (coverage L2).
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `paths` | | at least one | the parameters: those whose path has one of these words in it |
/// | `optimizer` | the others' | | the optimizer |
/// | `rate` | 1 | `(0, ∞)` | the learning rate, as a multiple of the others' |
/// | `weight_decay` | the optimizer's | `[0, ∞)` | λ, in the optimizer's form, or decoupled where it has none; 0 for no decay |
///
/// As text it is the paths, then what is different: `bias,norm:decay=0`, `output:rate=0.1,optimizer=sgd`. Of two groups
/// that share a parameter, the latter counts.
///
/// Burn's `ModuleOptimizer::with_group` takes the optimizer, `GradientUpdate::with_rates` or
/// [`group::rates`](crate::group::rates) the rate:
///
/// ```
/// use burn::module::ParamGroup;
/// use burn_descent::optim::{NamedOptimizer, ParameterGroupConfig};
///
/// let adamw = NamedOptimizer::named("adamw")?;
/// let group: ParameterGroupConfig = "bias,norm:decay=0".parse()?;
/// let without = group.optimizer(&adamw)?;
/// let optimizer = adamw.init().expect("in range");
/// let optimizer =
///     optimizer.with_group(group.parameters(), without.build(&Default::default()).expect("in range"), None);
/// # Ok::<(), burn_descent::optim::NamedOptimizerError>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParameterGroupConfig {
    /// Lists words, one of which is in the path of each parameter of the group.
    pub paths: Vec<String>,
    /// Sets the optimizer, if it is not the others'.
    #[serde(default)]
    pub optimizer: Option<NamedOptimizer>,
    /// Sets the learning rate as a multiple of the others', in `(0, ∞)`.
    #[serde(default = "one")]
    pub rate: f64,
    /// Sets λ of the weight decay, in `[0, ∞)`; without it, it is that of the optimizer.
    #[serde(default)]
    pub weight_decay: Option<f64>,
}

fn one() -> f64 {
    1.0
}

impl ParameterGroupConfig {
    /// Creates a group of the parameters that have one of these words in their path, in which nothing is different yet.
    pub fn new(paths: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let paths = paths.into_iter().map(Into::into).collect();
        Self { paths, optimizer: None, rate: 1.0, weight_decay: None }
    }

    /// Sets the optimizer.
    pub fn with_optimizer(self, optimizer: NamedOptimizer) -> Self {
        Self { optimizer: Some(optimizer), ..self }
    }

    /// Sets the learning rate, as a multiple of the others'.
    pub fn with_rate(self, rate: f64) -> Self {
        Self { rate, ..self }
    }

    /// Sets λ of the weight decay.
    pub fn with_weight_decay(self, lambda: f64) -> Self {
        Self { weight_decay: Some(lambda), ..self }
    }

    /// Returns the parameters of the group.
    pub fn parameters(&self) -> ParamGroup {
        ParamGroup::from_any_predicates(self.paths.clone())
    }

    /// Checks that each of the words is in the path of some parameter of `module`.
    ///
    /// # Errors
    ///
    /// Returns [`NoParameters`] for the first that is in none: one misspelt word among several would go unnoticed.
    pub fn ensure_parameters<M: Module>(&self, module: &M) -> Result<(), NoParameters> {
        self.paths.iter().try_for_each(|word| ensure_parameters(module, &ParamGroup::from_predicate(word)))
    }

    /// Returns the optimizer of the group, where that of the others is `others`.
    ///
    /// # Errors
    ///
    /// Returns an error if a decay is asked for and the optimizer has none.
    pub fn optimizer(&self, others: &NamedOptimizer) -> Result<NamedOptimizer, NamedOptimizerError> {
        let optimizer = self.optimizer.as_ref().unwrap_or(others);
        match self.weight_decay {
            Some(lambda) => optimizer.with_weight_decay(lambda),
            None => Ok(optimizer.clone()),
        }
    }

    /// Checks that every number is in its range.
    ///
    /// # Errors
    ///
    /// Returns the first that is not.
    pub fn check(&self) -> Result<(), ConfigError> {
        let words = self.paths.iter().filter(|word| !word.is_empty()).count();
        ValueRange::AtLeast(1.0).check("ParameterGroup", "paths (their number)", words as f64)?;
        ValueRange::Exactly(words).check("ParameterGroup", "paths that are not empty", self.paths.len() as f64)?;
        ValueRange::Positive.check("ParameterGroup", "rate", self.rate)?;
        self.weight_decay
            .map_or(Ok(()), |lambda| ValueRange::NonNegative.check("ParameterGroup", "weight_decay", lambda))
    }
}

impl NamedOptimizer {
    /// Returns the same optimizer with another strength λ of its weight decay, in the form that it has, or decoupled where
    /// it has no decay (one of Burn's: in the form that Burn gives it); without decay for 0.
    ///
    /// # Errors
    ///
    /// Returns an error if the optimizer cannot have any.
    pub fn with_weight_decay(&self, lambda: f64) -> Result<Self, NamedOptimizerError> {
        let config = self.config().to_value();
        let (mut changed, mut has_place) = (self.clone(), false);
        for place in ["weight_decay", "sgd.weight_decay", "rest.weight_decay", "muon.weight_decay"] {
            let Some(decay) = config.pointer(&format!("/{}", place.replace('.', "/"))) else { continue };
            has_place = true;
            let decay = match decay {
                Value::Number(_) => json!(lambda),
                // One form, and its strength.
                Value::Object(form) => form.keys().map(|form| (form.clone(), json!(lambda))).collect(),
                _ if lambda == 0.0 => continue,
                _ => json!({ "decoupled": lambda }),
            };
            // Those of Burn that have none yet have one form alone.
            let of_burn = || changed.with(&format!("{place}={}", json!({ "penalty": lambda })));
            changed = changed.with(&format!("{place}={decay}")).or_else(|error| of_burn().map_err(|_| error))?;
        }
        match has_place || lambda == 0.0 {
            true => Ok(changed),
            false => self.with(&format!("weight_decay={lambda}")),
        }
    }
}

impl fmt::Display for ParameterGroupConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = (self.rate != 1.0).then(|| format!("rate={}", self.rate));
        let decay = self.weight_decay.map(|lambda| format!("decay={lambda}"));
        let optimizer = self.optimizer.as_ref().map(|optimizer| format!("optimizer={}", optimizer.name()));
        let different: Vec<String> = [decay, rate, optimizer].into_iter().flatten().collect();
        write!(f, "{}:{}", self.paths.join(","), different.join(","))
    }
}

impl FromStr for ParameterGroupConfig {
    type Err = NamedOptimizerError;

    /// Reads `bias,norm:decay=0,rate=0.1,optimizer=sgd`.
    fn from_str(text: &str) -> Result<Self, NamedOptimizerError> {
        let misfit = |reason: String| NamedOptimizerError::Group { text: text.to_owned(), reason };
        let (paths, different) = text.split_once(':').ok_or_else(|| misfit("a colon is missing".to_owned()))?;
        let mut group = Self::new(paths.split(',').map(str::trim));
        let mut given = Vec::new();
        for item in different.split(',') {
            let (name, value) = item.split_once('=').ok_or_else(|| misfit(format!("`{item}` has no value")))?;
            if given.contains(&name) {
                return Err(misfit(format!("{name} is given twice")));
            }
            given.push(name);
            let number =
                || value.parse::<f64>().map_err(|_| misfit(format!("{name} should be a number, but is `{value}`")));
            match name {
                "decay" => group.weight_decay = Some(number()?),
                "rate" => group.rate = number()?,
                "optimizer" => group.optimizer = Some(NamedOptimizer::named(value)?),
                _ => return Err(misfit(format!("nothing is called `{name}`"))),
            }
        }
        group.check().map_err(|error| misfit(error.to_string()))?;
        Ok(group)
    }
}
