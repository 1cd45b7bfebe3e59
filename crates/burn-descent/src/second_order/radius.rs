//! The radius of a trust region.

use super::method::{Point, Problem, precision};
use super::report::Ending;
use crate::error::{ConfigError, ValueRange};
use burn::config::Config;
use burn::tensor::Tensor;

/// Configures a trust region (Nocedal & Wright 2006, algorithm 4.1): how far the quadratic model of the loss is believed.
///
/// A step is judged by the share ρ of what the model promised that the loss fell by. Below ¼ the radius becomes a quarter of
/// the step; above 0.9 it is doubled where the step has reached it, and four times as long where ρ is 1 to three digits. A
/// step is taken where ρ exceeds `least`.
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `radius` | 1 | `(0, ∞)` | the first radius |
/// | `max_radius` | 1e6 | `(0, ∞)` | the largest |
/// | `least` | 0.01 | `[0, 0.25]` | the ρ that a step has to exceed |
#[derive(Config, Debug, Copy, PartialEq)]
pub struct TrustRegionConfig {
    /// Sets the first radius, in `(0, ∞)`.
    #[config(default = 1.0)]
    pub radius: f64,
    /// Sets the largest radius, in `(0, ∞)`.
    #[config(default = 1e6)]
    pub max_radius: f64,
    /// Sets the share of what the model promises that a step has to exceed, in `[0, 0.25]`.
    #[config(default = 0.01)]
    pub least: f64,
}

impl TrustRegionConfig {
    /// Checks that every field is in its range.
    ///
    /// # Errors
    ///
    /// Returns the first field that is out of range.
    pub fn check(&self) -> Result<(), ConfigError> {
        ValueRange::Positive.check("TrustRegion", "radius", self.radius)?;
        ValueRange::Positive.check("TrustRegion", "max_radius", self.max_radius)?;
        ValueRange::Within(0.0, 0.25).check("TrustRegion", "least", self.least)
    }

    /// Takes a step within `radius`, which it changes. `propose` gives the step within a radius.
    pub(super) fn step(
        &self,
        problem: &mut Problem,
        at: &Point,
        radius: &mut f64,
        mut propose: impl FnMut(&mut Problem, f64) -> Result<Proposal, Ending>,
    ) -> Result<Point, Ending> {
        let mut is_finite = false;
        // Below this a step moves nothing.
        while *radius > f64::MIN_POSITIVE {
            let Proposal { step, length, promised, is_at_bound } = propose(problem, *radius)?;
            if !promised.is_finite() || !length.is_finite() {
                return Err(Ending::NotFinite);
            }
            let (point, _) = problem.evaluate(at.theta.clone() + step, |_| Vec::new())?;
            // Where both are no more than rounding, the model is right.
            let rounding = 10.0 * precision(&at.theta) * at.value.abs();
            let rho = (at.value - point.value + rounding) / (promised + rounding);
            is_finite |= point.is_finite();
            if !point.is_finite() || rho < 0.25 || rho.is_nan() {
                *radius = 0.25 * length.min(*radius);
            } else if rho > 0.9 && is_at_bound {
                // Where the model is as good as exact, as that of a quadratic is, it is believed much further.
                let growth = if (rho - 1.0).abs() < 1e-3 { 4.0 } else { 2.0 };
                *radius = (growth * *radius).min(self.max_radius);
            }
            if point.is_finite() && rho > self.least {
                return Ok(point);
            }
            if length <= precision(&at.theta) * f64::EPSILON {
                break;
            }
        }
        Err(if is_finite { Ending::TrustRegionCollapsed } else { Ending::NotFinite })
    }
}

/// A step that a model proposes.
pub(super) struct Proposal {
    pub(super) step: Tensor<1>,
    pub(super) length: f64,
    /// By how much the model says that the loss falls.
    pub(super) promised: f64,
    /// Whether the step is as long as the radius allows.
    pub(super) is_at_bound: bool,
}
