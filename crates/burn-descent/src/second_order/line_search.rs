//! The line search: a state machine over numbers, which knows nothing of tensors.

use super::interval::Interval;
use crate::error::{ConfigError, ValueRange};
use burn::config::Config;

/// Configures the line search of Moré & Thuente (1994), which looks along a direction d for a step α with the strong Wolfe
/// conditions, where `φ(α) = f(θ + α·d)`:
///
/// ```text
/// φ(α) ≤ φ(0) + c₁·α·φ'(0)      the value falls enough
/// |φ'(α)| ≤ c₂·|φ'(0)|          the slope is flat enough
/// ```
///
/// Where the values differ by no more than `noise`·|φ(0)|, rounding decides which is lower, and a step is taken by the
/// slopes alone, the approximate Wolfe conditions of Hager & Zhang (2005): `(2·c₁ − 1)·φ'(0) ≥ φ'(α) ≥ c₂·φ'(0)`.
///
/// A value that is not finite takes the search back towards the last one that was. Where the interval collapses, or after
/// `max_evaluations`, the best step with the first condition is taken; without one the search has failed.
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `c_1` | 1e-4 | `(0, 1)` | the share of the slope's promise that the value has to keep |
/// | `c_2` | 0.9 | `(0, 1)` | how flat the slope has to become; conjugate gradients want less |
/// | `max_evaluations` | 20 | at least 1 | evaluations along one direction |
/// | `noise` | none | `[0, ∞)` | the relative rounding error of the value; if none, ten times the machine's precision |
#[derive(Config, Debug, Copy, PartialEq)]
pub struct LineSearchConfig {
    /// Sets c₁, the share of what the slope promises that the value has to fall by, in `(0, 1)`.
    #[config(default = 1e-4)]
    pub c_1: f64,
    /// Sets c₂, the share of the first slope that may be left, in `(0, 1)`.
    #[config(default = 0.9)]
    pub c_2: f64,
    /// Sets how many evaluations are made along one direction, at least 1.
    #[config(default = 20)]
    pub max_evaluations: usize,
    /// Sets the relative rounding error of the value, in `[0, ∞)`; if absent, it is ten times the machine's precision.
    pub noise: Option<f64>,
}

impl LineSearchConfig {
    /// Checks that every field is in its range.
    ///
    /// # Errors
    ///
    /// Returns the first field that is out of range.
    pub fn check(&self) -> Result<(), ConfigError> {
        ValueRange::OpenFraction.check("LineSearch", "c_1", self.c_1)?;
        ValueRange::OpenFraction.check("LineSearch", "c_2", self.c_2)?;
        ValueRange::AtLeast(1.0).check("LineSearch", "max_evaluations", self.max_evaluations as f64)?;
        ValueRange::NonNegative.check("LineSearch", "noise", self.noise.unwrap_or(0.0))
    }

    /// Begins a search where the value is `value` and the slope along the direction `slope`, below 0, with the step
    /// `first`. `precision` is that of the machine's numbers.
    pub fn begin(&self, value: f64, slope: f64, first: f64, precision: f64) -> LineSearch {
        let noise = self.noise.unwrap_or(10.0 * precision) * value.abs();
        LineSearch {
            config: *self,
            value,
            slope,
            noise,
            step: first,
            evaluations: 0,
            lower_first: true,
            width: MOST,
            width_before: 2.0 * MOST,
            bounds: (0.0, first + 4.0 * first),
            most: MOST,
            interval: Interval::at(value, slope),
        }
    }
}

/// The longest step.
const MOST: f64 = 1e20;
/// The width of an interval, as a share of its upper end, at which it has collapsed.
const COLLAPSED: f64 = 1e-15;

/// Looks for a step along a direction, as [`LineSearchConfig`] configures: it names a step, and is told what is there.
///
/// ```
/// use burn_descent::second_order::{LineSearchConfig, Verdict};
///
/// let phi = |alpha: f64| ((alpha - 3.0).powi(2), 2.0 * (alpha - 3.0));
/// let (value, slope) = phi(0.0);
/// let mut search = LineSearchConfig::new().with_c_2(0.1).begin(value, slope, 1.0, f64::EPSILON);
/// loop {
///     let (value, slope) = phi(search.step());
///     match search.observe(value, slope) {
///         Verdict::Accept => break,
///         Verdict::Continue { .. } => {}
///         Verdict::Exhausted => panic!("a parabola has a minimum"),
///     }
/// }
/// assert!((search.step() - 3.0).abs() < 0.3);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct LineSearch {
    config: LineSearchConfig,
    value: f64,
    slope: f64,
    /// How far values may differ by rounding alone.
    noise: f64,
    step: f64,
    evaluations: usize,
    /// Whether the search still looks for a step where ψ(α) = φ(α) − φ(0) − c₁·α·φ'(0) is at most 0 and φ' at least 0.
    lower_first: bool,
    width: f64,
    width_before: f64,
    /// Where the next step may lie.
    bounds: (f64, f64),
    /// The longest step that may have a finite value.
    most: f64,
    interval: Interval,
}

/// Says what a line search makes of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Says that the step meets the conditions.
    Accept,
    /// Says that the search goes on, with another [step](LineSearch::step).
    Continue {
        /// Tells whether the step that was looked at is the lowest that keeps the first condition.
        is_best: bool,
    },
    /// Says that the search ends without a step that meets both conditions; the best one has to do, if there is any.
    Exhausted,
}

impl LineSearch {
    /// Returns the step to look at.
    pub fn step(&self) -> f64 {
        self.step
    }

    /// Counts the steps that were looked at.
    pub fn evaluations(&self) -> usize {
        self.evaluations
    }

    /// Takes the value and the slope at [`step`](Self::step).
    pub fn observe(&mut self, value: f64, slope: f64) -> Verdict {
        self.evaluations += 1;
        if !value.is_finite() || !slope.is_finite() {
            return self.go_back();
        }
        let LineSearchConfig { c_1, c_2, max_evaluations, .. } = self.config;
        let promised = c_1 * self.slope;
        let step = self.step;
        let falls = value <= self.value + step * promised;
        let within_noise = (value - self.value).abs() <= self.noise;
        let approximately = (2.0 * c_1 - 1.0) * self.slope >= slope && slope >= c_2 * self.slope;
        if falls && slope.abs() <= -c_2 * self.slope || within_noise && approximately {
            return Verdict::Accept;
        }
        let is_best = falls && value <= self.interval.best_value();
        // What differs by rounding alone is the same, and the slopes decide.
        let best = self.interval.best_value();
        let value = if (value - best).abs() <= self.noise { best } else { value };
        if self.lower_first && falls && slope >= 0.0 {
            self.lower_first = false;
        }
        let is_modified = self.lower_first && value <= best && !falls;
        // Of ψ, where φ itself does not show the way.
        let tilt = if is_modified { promised } else { 0.0 };
        let next = self.interval.narrow(step, value, slope, tilt, self.bounds);
        if self.evaluations >= max_evaluations {
            return if is_best { Verdict::Accept } else { Verdict::Exhausted };
        }
        match self.place(step, next) {
            true => Verdict::Continue { is_best },
            false if is_best => Verdict::Accept,
            false => Verdict::Exhausted,
        }
    }

    /// Sets the step to look at after `step`; false where the interval has collapsed.
    fn place(&mut self, step: f64, mut next: f64) -> bool {
        let (best, other) = self.interval.ends();
        self.bounds = match self.interval.is_bracketed() {
            true => {
                if (other - best).abs() >= 0.66 * self.width_before {
                    next = best + 0.5 * (other - best);
                }
                self.width_before = self.width;
                self.width = (other - best).abs();
                (best.min(other), best.max(other))
            }
            false => (next + 1.1 * (next - best), next + 4.0 * (next - best)),
        };
        if next >= self.most {
            next = step + 0.5 * (self.most - step);
        }
        let (low, high) = self.bounds;
        if self.interval.is_bracketed() && (next <= low || next >= high || high - low <= COLLAPSED * high) {
            return false;
        }
        // A step that is as long as any may be, and still the best.
        let stays = next == step;
        self.step = next;
        !stays && next > 0.0
    }

    /// Goes back from a step whose value is not finite.
    fn go_back(&mut self) -> Verdict {
        let (best, _) = self.interval.ends();
        self.most = self.step;
        let next = best + 0.25 * (self.step - best);
        self.bounds = (best.min(next), next.max(best));
        self.step = next;
        match self.evaluations < self.config.max_evaluations && next != best && next != self.most {
            true => Verdict::Continue { is_best: false },
            false => Verdict::Exhausted,
        }
    }
}
