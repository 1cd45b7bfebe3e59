//! When a minimization ends, and what it says about it.

use crate::error::{ConfigError, ValueRange};
use burn::config::Config;
use burn::tensor::Tensor;
use std::fmt;

/// Configures when a minimization ends.
///
/// It has converged where `‖g‖ ≤ max(gradient, relative_gradient·‖g₀‖)`, in the Euclidean norm, with g₀ the gradient at the
/// start: the first limit is for problems in units of one's own, the second for all others.
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `gradient` | 1e-8 | `[0, ∞)` | the norm of the gradient that is small enough |
/// | `relative_gradient` | 1e-8 | `[0, 1)` | the same, as a share of the norm at the start |
/// | `patience` | 30 | at least 1 | steps without a lower loss or a smaller gradient |
/// | `max_iterations` | none | at least 1 | steps to take |
/// | `max_evaluations` | 100,000 | at least 1 | values, gradients and products to ask for, all together |
///
/// The limits of steps and evaluations are for one call.
#[derive(Config, Debug, Copy, PartialEq)]
pub struct StoppingConfig {
    /// Sets the norm of the gradient that is small enough, in `[0, ∞)`.
    #[config(default = 1e-8)]
    pub gradient: f64,
    /// Sets the share of the norm of the gradient at the start that is small enough, in `[0, 1)`.
    #[config(default = 1e-8)]
    pub relative_gradient: f64,
    /// Sets after how many steps without a lower loss or a smaller gradient it has stalled, at least 1.
    #[config(default = 30)]
    pub patience: u64,
    /// Sets how many steps to take at most, at least 1.
    pub max_iterations: Option<usize>,
    /// Sets how many values, gradients and products to ask for at most, all together, at least 1.
    #[config(default = 100_000)]
    pub max_evaluations: usize,
}

impl StoppingConfig {
    /// Checks that every field is in its range.
    ///
    /// # Errors
    ///
    /// Returns the first field that is out of range.
    pub fn check(&self) -> Result<(), ConfigError> {
        ValueRange::NonNegative.check("Stopping", "gradient", self.gradient)?;
        ValueRange::Decay.check("Stopping", "relative_gradient", self.relative_gradient)?;
        ValueRange::AtLeast(1.0).check("Stopping", "patience", self.patience as f64)?;
        ValueRange::AtLeast(1.0).check("Stopping", "max_iterations", self.max_iterations.unwrap_or(1) as f64)?;
        ValueRange::AtLeast(1.0).check("Stopping", "max_evaluations", self.max_evaluations as f64)
    }
}

/// Says why a minimization ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// Says that the gradient is small enough.
    Converged,
    /// Says that as many steps were taken, or evaluations made, as are allowed.
    Budget,
    /// Says that the line search found no lower value, not even along −g. Near a minimum that is where the precision of the
    /// numbers ends.
    LineSearchFailed,
    /// Says that no step was short enough to find a lower value. Near a minimum that is where the precision of the numbers
    /// ends.
    TrustRegionCollapsed,
    /// Says that for [`StoppingConfig::patience`] steps the loss has not become smaller than it ever was, nor the norm of the
    /// gradient by a hundredth: where the precision of the numbers ends.
    Stalled,
    /// Says that the loss or the gradient is not finite, at the start or however short the step.
    NotFinite,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Converged => "converged",
            Self::Budget => "budget",
            Self::LineSearchFailed => "line search failed",
            Self::TrustRegionCollapsed => "trust region collapsed",
            Self::Stalled => "stalled",
            Self::NotFinite => "not finite",
        })
    }
}

/// Counts what was asked of an objective.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Counts the gradients, each with the value at the same place: what SciPy counts as `nfev`.
    pub gradients: u64,
    /// Counts the values alone.
    pub values: u64,
    /// Counts the products with the Hessian or the Gauss–Newton matrix; one by differences takes two gradients, which are
    /// counted here alone.
    pub products: u64,
    /// Counts the whole Hessians that the objective gave.
    pub hessians: u64,
}

impl Counts {
    pub(super) fn total(self) -> u64 {
        self.gradients + self.values + self.products + self.hessians
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self {
            gradients: self.gradients + other.gradients,
            values: self.values + other.values,
            products: self.products + other.products,
            hessians: self.hessians + other.hessians,
        }
    }
}

/// Says what a minimization came to.
#[derive(Clone, Debug)]
pub struct Report {
    /// Holds the parameters, the lowest that were found.
    pub theta: Tensor<1>,
    /// Gives the loss there.
    pub value: f64,
    /// Gives the norm of the gradient there.
    pub gradient_norm: f64,
    /// Says why it ended.
    pub ending: Ending,
    /// Counts the steps, since the start.
    pub iterations: u64,
    /// Counts what was asked of the objective, since the start.
    pub counts: Counts,
}

/// Fails where a method keeps a matrix of all pairs of parameters, and that would take too much memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{method}: a matrix for {parameters} parameters takes {bytes} bytes, but at most {most} are allowed")]
pub struct MatrixTooLarge {
    /// Names the method.
    pub method: &'static str,
    /// Counts the parameters.
    pub parameters: usize,
    /// Gives the bytes that the matrix would take.
    pub bytes: u128,
    /// Gives the bytes that are allowed.
    pub most: u128,
}

impl MatrixTooLarge {
    /// Checks that a matrix for so many parameters, of numbers of `size` bytes, takes at most `most` bytes.
    pub(super) fn check(method: &'static str, parameters: usize, size: usize, most: u64) -> Result<(), Self> {
        let (bytes, most) = ((parameters as u128).pow(2) * size as u128, u128::from(most));
        if bytes <= most { Ok(()) } else { Err(Self { method, parameters, bytes, most }) }
    }
}
