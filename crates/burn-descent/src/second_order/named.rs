//! The methods by name, for configuration files and flags.

use super::{
    BfgsConfig, ConjugateGradientsConfig, HessianFreeConfig, LbfgsConfig, Minimizer, NewtonConfig,
    TruncatedNewtonConfig,
};
use crate::error::ConfigError;
use crate::optim::NamedOptimizerError;
use crate::text::{did_you_mean, place, plain};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Selects a method with its configuration.
///
/// In a configuration file it is the name over the fields: `{"lbfgs": {"history": 10, …}}`.
///
/// ```
/// use burn_descent::second_order::MinimizerConfig;
///
/// let config = MinimizerConfig::named("lbfgs")?.with("history=20")?;
/// assert_eq!(config.name(), "lbfgs");
/// let minimizer = config.init().expect("in range");
/// # Ok::<(), burn_descent::optim::NamedOptimizerError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MinimizerConfig {
    /// Selects Newton's method.
    Newton(NewtonConfig),
    /// Selects BFGS.
    Bfgs(BfgsConfig),
    /// Selects L-BFGS.
    Lbfgs(LbfgsConfig),
    /// Selects nonlinear conjugate gradients.
    ConjugateGradients(ConjugateGradientsConfig),
    /// Selects truncated Newton.
    TruncatedNewton(TruncatedNewtonConfig),
    /// Selects Hessian-free optimization.
    HessianFree(HessianFreeConfig),
}

impl MinimizerConfig {
    /// Lists the names of all methods.
    pub const NAMES: [&str; 6] = ["newton", "bfgs", "lbfgs", "conjugate-gradients", "truncated-newton", "hessian-free"];

    /// Returns the method of that name with its defaults.
    ///
    /// # Errors
    ///
    /// Returns [`NamedOptimizerError::Unknown`] if there is none; the error lists the known ones.
    pub fn named(name: &str) -> Result<Self, NamedOptimizerError> {
        Ok(match plain(name).as_str() {
            "newton" => Self::Newton(NewtonConfig::new()),
            "bfgs" => Self::Bfgs(BfgsConfig::new()),
            "lbfgs" | "l-bfgs" => Self::Lbfgs(LbfgsConfig::new()),
            "conjugate-gradients" => Self::ConjugateGradients(ConjugateGradientsConfig::new()),
            "truncated-newton" => Self::TruncatedNewton(TruncatedNewtonConfig::new()),
            "hessian-free" => Self::HessianFree(HessianFreeConfig::new()),
            _ => {
                let known = Self::NAMES.join(", ") + &did_you_mean(name, Self::NAMES.into_iter());
                return Err(NamedOptimizerError::Unknown { what: "method", name: name.to_owned(), known });
            }
        })
    }

    /// Returns the method's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Newton(_) => "newton",
            Self::Bfgs(_) => "bfgs",
            Self::Lbfgs(_) => "lbfgs",
            Self::ConjugateGradients(_) => "conjugate-gradients",
            Self::TruncatedNewton(_) => "truncated-newton",
            Self::HessianFree(_) => "hessian-free",
        }
    }

    /// Returns the same method with one field set: `history=20`, `line_search.c_2=0.1`, `form=damped`. The value is JSON,
    /// or a bare word.
    ///
    /// # Errors
    ///
    /// Returns [`NamedOptimizerError::Hyperparameter`] if there is no such field (the error lists them) or the value does
    /// not fit it.
    pub fn with(&self, assignment: &str) -> Result<Self, NamedOptimizerError> {
        let misfit = |reason: String| {
            let (optimizer, assignment) = (self.name().to_owned(), assignment.to_owned());
            NamedOptimizerError::Hyperparameter { optimizer, assignment, reason }
        };
        let (name, text) = assignment.split_once('=').ok_or_else(|| misfit("expected NAME=VALUE".into()))?;
        let given = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()));
        let mut value = serde_json::to_value(self).map_err(|error| misfit(error.to_string()))?;
        *place(&mut value[self.name()], name).map_err(misfit)? = given;
        serde_json::from_value(value).map_err(|error| misfit(error.to_string()))
    }

    /// Checks that every field is in its range.
    ///
    /// # Errors
    ///
    /// Returns the first field that is out of range.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.init().map(|_| ())
    }

    /// Returns how many vectors of `n` parameters the method keeps on the device at most: what it takes of memory besides
    /// the parameters and their gradient.
    pub fn vectors(&self, n: usize) -> usize {
        match self {
            // Its matrix is on the host.
            Self::Newton(_) => 1,
            // H, and its change.
            Self::Bfgs(_) => n.saturating_mul(3),
            Self::Lbfgs(config) => config.history.saturating_mul(2).saturating_add(3),
            Self::ConjugateGradients(_) => 3,
            Self::TruncatedNewton(_) => 6,
            Self::HessianFree(config) => config.iterates() + 8,
        }
    }

    /// Makes the minimizer.
    ///
    /// # Errors
    ///
    /// Returns the first field that is out of range.
    pub fn init(&self) -> Result<Minimizer, ConfigError> {
        Ok(match self {
            Self::Newton(config) => config.init()?.boxed(),
            Self::Bfgs(config) => config.init()?.boxed(),
            Self::Lbfgs(config) => config.init()?.boxed(),
            Self::ConjugateGradients(config) => config.init()?.boxed(),
            Self::TruncatedNewton(config) => config.init()?.boxed(),
            Self::HessianFree(config) => config.init()?.boxed(),
        })
    }
}
