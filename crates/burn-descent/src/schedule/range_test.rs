use crate::error::{ConfigError, ValueRange};
use crate::weights::retrained;
use burn::config::Config;
use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Configures the learning-rate range test (Smith 2017), which trains a copy of a model with a rate that grows from
/// step to step, to see at which rates the loss falls.
///
/// ```text
/// rate:      ηᵢ = lowest·(highest/lowest)^(i/(steps − 1)),  i = 0, …, steps − 1
/// smoothed:  v ← βv + (1 − β)·loss,  v̂ = v/(1 − βⁱ⁺¹)
/// ```
///
/// The test ends early where a loss is not finite or v̂ is more than `diverged` times its lowest value so far.
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `lowest` | 1e-6 | `(0, ∞)` | the first rate |
/// | `highest` | 10 | above `lowest` | the last rate |
/// | `steps` | 300 | at least 3 | the number of steps |
/// | `smoothing` | 0.95 | `[0, 1)` | β |
/// | `diverged` | 4 | above 1 | so much higher than the lowest smoothed loss is diverged; losses are not negative |
///
/// ```
/// use burn::nn::LinearConfig;
/// use burn::optim::GradientsParams;
/// use burn::tensor::{Device, Tensor};
/// use burn_descent::optim::SgdConfig;
/// use burn_descent::schedule::RangeTestConfig;
///
/// let device = Device::default().autodiff();
/// let model = LinearConfig::new(4, 1).init(&device);
/// let batches = std::iter::repeat_with(|| Tensor::<2>::ones([8, 4], &device));
/// let curve = RangeTestConfig::new().run(&model, &SgdConfig::new().init()?, batches, |model, batch| {
///     let loss = (model.forward(batch) - 3.0).square().mean();
///     let gradients = GradientsParams::from_grads(loss.backward(), model);
///     (f64::from(loss.into_scalar::<f32>()), gradients)
/// })?;
/// assert!(curve.suggestion().is_some_and(|rate| (1e-4..1.0).contains(&rate)));
/// # Ok::<(), burn_descent::ConfigError>(())
/// ```
#[derive(Config, Debug, Copy, PartialEq)]
pub struct RangeTestConfig {
    /// Sets the first rate, in `(0, ∞)`.
    #[config(default = 1e-6)]
    pub lowest: f64,
    /// Sets the last rate, above the first.
    #[config(default = 10.0)]
    pub highest: f64,
    /// Sets the number of steps, at least 3.
    #[config(default = 300)]
    pub steps: u64,
    /// Sets β of the average that smooths the losses, in `[0, 1)`.
    #[config(default = 0.95)]
    pub smoothing: f64,
    /// Sets how many times the lowest smoothed loss counts as diverged, above 1.
    #[config(default = 4.0)]
    pub diverged: f64,
}

/// Holds what a range test has found: the loss at each rate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LrCurve {
    /// Lists a point for each step, from the lowest rate to the highest that was tried.
    pub points: Vec<LrPoint>,
    /// Tells whether the test ended because the loss grew too far or was not finite.
    pub diverged: bool,
}

/// Describes one step of a range test.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LrPoint {
    /// Gives the learning rate of the step.
    pub lr: f64,
    /// Gives the loss before the step.
    pub loss: f64,
    /// Gives the average of the losses so far, v̂.
    pub smoothed: f64,
}

impl RangeTestConfig {
    /// Checks that every parameter is in its range.
    ///
    /// # Errors
    ///
    /// Returns the first parameter that is out of range.
    pub fn check(&self) -> Result<(), ConfigError> {
        ValueRange::Positive.check("RangeTest", "lowest", self.lowest)?;
        ValueRange::Above(self.lowest).check("RangeTest", "highest", self.highest)?;
        ValueRange::AtLeast(3.0).check("RangeTest", "steps", self.steps as f64)?;
        ValueRange::Decay.check("RangeTest", "smoothing", self.smoothing)?;
        ValueRange::Above(1.0).check("RangeTest", "diverged", self.diverged)
    }

    /// Returns the rate of step `step` (from 0).
    pub fn rate(&self, step: u64) -> f64 {
        self.lowest * (self.highest / self.lowest).powf(step as f64 / self.steps.saturating_sub(1).max(1) as f64)
    }

    /// Trains a copy of `model` with a copy of `optimizer`, one of `batches` a step, until they end if that is sooner;
    /// both originals stay as they are, but for the order in which [`GradientNoise`](crate::gradient::GradientNoise)
    /// tells parameters apart: a run takes an optimizer of its own. `forward_backward` gives the loss of a batch and
    /// its gradients.
    ///
    /// # Errors
    ///
    /// Returns the first parameter that is out of range.
    pub fn run<M: Module, B>(
        &self,
        model: &M,
        optimizer: &ModuleOptimizer,
        batches: impl IntoIterator<Item = B>,
        mut forward_backward: impl FnMut(&M, B) -> (f64, GradientsParams),
    ) -> Result<LrCurve, ConfigError> {
        self.check()?;
        let mut model = retrained(model, |model| model);
        let mut optimizer = optimizer.clone();
        let mut curve = LrCurve::default();
        let mut average = 0.0;
        let mut best = f64::INFINITY;
        for (step, batch) in (0..self.steps).zip(batches) {
            let (loss, gradients) = forward_backward(&model, batch);
            average = self.smoothing * average + (1.0 - self.smoothing) * loss;
            let smoothed = average / (1.0 - self.smoothing.powf((step + 1) as f64));
            best = smoothed.min(best);
            curve.diverged = !loss.is_finite() || smoothed > self.diverged * best;
            if curve.diverged {
                break;
            }
            let lr = self.rate(step);
            curve.points.push(LrPoint { lr, loss, smoothed });
            model = optimizer.step(lr, model, gradients);
        }
        Ok(curve)
    }
}

/// So many times the lowest smoothed loss so far ends the first descent.
const RISEN: f64 = 1.1;

impl LrCurve {
    /// Returns the rate at which the smoothed loss falls fastest over the logarithm of the rate, in its first descent:
    /// until it is a tenth above its lowest value so far, because what falls after that only recovers. The first tenth
    /// of the points is left out: there the average is of too few losses. It is `None` if the loss never falls.
    pub fn suggestion(&self) -> Option<f64> {
        let first = (self.points.len() / 10).max(1);
        // The logarithms are evenly spaced, so that differences are slopes.
        let slope = |point: usize| self.points[point + 1].smoothed - self.points[point - 1].smoothed;
        let steepest = (first..self.foot(first)).min_by(|&one, &other| slope(one).total_cmp(&slope(other)))?;
        (slope(steepest) < 0.0).then(|| self.points[steepest].lr)
    }

    /// The lowest point of the first descent from the point `first`.
    fn foot(&self, first: usize) -> usize {
        let mut foot = first;
        for point in first + 1..self.points.len() {
            let [lowest, loss] = [foot, point].map(|point| self.points[point].smoothed);
            if loss > RISEN * lowest {
                break;
            }
            if loss < lowest {
                foot = point;
            }
        }
        foot
    }
}

/// Lines in a printed curve, at most.
const LINES: usize = 16;

impl fmt::Display for LrCurve {
    /// Writes a table of some of the points, and the suggestion.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "          lr        loss    smoothed")?;
        for LrPoint { lr, loss, smoothed } in self.points.iter().step_by(self.points.len().div_ceil(LINES).max(1)) {
            writeln!(f, "{lr:12.2e}{loss:12.4}{smoothed:12.4}")?;
        }
        let end = if self.diverged { "diverged" } else { "ended" };
        writeln!(f, "\n{end} after {} steps", self.points.len())?;
        match self.suggestion() {
            Some(lr) => write!(f, "steepest descent at {lr:.2e}"),
            None => write!(f, "no rate to suggest: the loss never fell"),
        }
    }
}
