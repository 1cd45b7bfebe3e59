//! A descent of two coordinates, by the optimizers that train networks.

use super::Surface;
use super::point::Point;
use crate::ConfigError;
use crate::error::ValueRange;
use crate::gradient::{Chain, ChainConfig};
use crate::optim::evaluation_weights;
use crate::schedule::{RunLength, Schedule};
use burn::lr_scheduler::LrScheduler;
use burn::optim::ModuleOptimizer;
use burn::tensor::Device;
use std::fmt;

/// Describes what can be descended on: a function of two coordinates, whose gradient may be one of some examples alone.
pub trait Landscape {
    /// Returns the value at a point.
    fn value(&self, point: [f64; 2]) -> f64;

    /// Returns the gradient at a point that a step takes, where `step` counts the steps before it.
    fn gradient(&self, point: [f64; 2], step: u64) -> [f64; 2];
}

impl Landscape for Surface {
    fn value(&self, point: [f64; 2]) -> f64 {
        Surface::value(*self, point)
    }

    fn gradient(&self, point: [f64; 2], _step: u64) -> [f64; 2] {
        Surface::gradient(*self, point)
    }
}

/// Configures a descent on a [`Landscape`] by any optimizer, schedule and transforms: the same that train networks, on a
/// parameter of two values.
///
/// | setting | default | meaning |
/// | --- | --- | --- |
/// | [`with_schedule`](Self::with_schedule) | constant | how the learning rate changes over the steps, which are one epoch |
/// | [`with_chain`](Self::with_chain) | none | transforms of the gradient |
/// | [`with_tolerance`](Self::with_tolerance) | 0 | a norm of the gradient at which the descent is over |
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::Device;
/// use burn_descent::landscape::{Descent, DescentEnd, Surface};
/// use burn_descent::optim::NesterovConfig;
///
/// let optimizer = NesterovConfig::new().init()?;
/// let descent = Descent::new([-10.0, 1.0], 2000).with_tolerance(1e-8);
/// let path = descent.run(&Surface::Ravine, optimizer, 0.01, &Device::flex())?;
/// assert_eq!(path.end, DescentEnd::Converged);
/// let [x, y] = path.last();
/// assert!(x.abs() < 1e-7 && y.abs() < 1e-7);
/// # }
/// # Ok::<(), burn_descent::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Descent {
    start: [f64; 2],
    steps: usize,
    schedule: Schedule,
    chain: ChainConfig,
    tolerance: f64,
}

/// Says why a descent ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DescentEnd {
    /// Says that the norm of the gradient came down to the tolerance.
    Converged,
    /// Says that all steps were taken.
    Budget,
    /// Says that the value or the gradient is no longer a finite number.
    Diverged,
}

impl fmt::Display for DescentEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Converged => "converged",
            Self::Budget => "out of steps",
            Self::Diverged => "diverged",
        })
    }
}

/// Records a descent, point by point: the start, and where each step led.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    /// Lists the points; where an optimizer answers at an average of them, the averages.
    pub points: Vec<[f64; 2]>,
    /// Gives the value at each.
    pub losses: Vec<f64>,
    /// Gives the norm of the gradient that was taken at each point trained at but the last.
    pub gradient_norms: Vec<f64>,
    /// Gives the length of each step.
    pub step_sizes: Vec<f64>,
    /// Says why there are no more.
    pub end: DescentEnd,
}

impl Path {
    /// Returns the last point.
    pub fn last(&self) -> [f64; 2] {
        self.points.last().copied().unwrap_or([f64::NAN; 2])
    }

    /// Returns the value at the last point.
    pub fn last_loss(&self) -> f64 {
        self.losses.last().copied().unwrap_or(f64::NAN)
    }

    /// Returns the number of steps that were taken.
    pub fn steps(&self) -> usize {
        self.step_sizes.len()
    }
}

impl Descent {
    /// Creates a descent from a point that takes up to so many steps.
    pub fn new(start: [f64; 2], steps: usize) -> Self {
        Self { start, steps, schedule: Schedule::Constant, chain: ChainConfig::new(), tolerance: 0.0 }
    }

    /// Sets how the learning rate changes over the steps.
    pub fn with_schedule(self, schedule: Schedule) -> Self {
        Self { schedule, ..self }
    }

    /// Sets the transforms of the gradient.
    pub fn with_chain(self, chain: ChainConfig) -> Self {
        Self { chain, ..self }
    }

    /// Sets the norm of the gradient at which the descent is over, in `[0, ∞)`.
    pub fn with_tolerance(self, tolerance: f64) -> Self {
        Self { tolerance, ..self }
    }

    /// Descends by `optimizer` at the learning rate `lr`, in double precision on `device`: a CPU backend, since wgpu has no
    /// such numbers.
    ///
    /// # Errors
    ///
    /// Returns the first value that is out of range: the start, which has to be finite, the number of steps, at least 1, the
    /// tolerance, and what the schedule and the chain return.
    pub fn run(
        &self,
        landscape: &impl Landscape,
        optimizer: ModuleOptimizer,
        lr: f64,
        device: &Device,
    ) -> Result<Path, ConfigError> {
        for coordinate in self.start {
            ValueRange::Within(f64::MIN, f64::MAX).check("Descent", "start", coordinate)?;
        }
        ValueRange::AtLeast(1.0).check("Descent", "steps", self.steps as f64)?;
        ValueRange::NonNegative.check("Descent", "tolerance", self.tolerance)?;
        let length = RunLength { epochs: 1, steps_per_epoch: self.steps };
        let schedule = self.schedule.scheduler(lr, length)?;
        let chain = self.chain.clone().init()?;
        Ok(self.descend(landscape, optimizer, schedule, chain, &device.clone().autodiff()))
    }

    fn descend(
        &self,
        landscape: &impl Landscape,
        mut optimizer: ModuleOptimizer,
        mut schedule: impl LrScheduler,
        mut chain: Chain,
        device: &Device,
    ) -> Path {
        let mut point = Point::new(&self.start, device);
        let mut path = Path {
            points: vec![self.start],
            losses: vec![landscape.value(self.start)],
            gradient_norms: Vec::new(),
            step_sizes: Vec::new(),
            end: DescentEnd::Budget,
        };
        let mut here = self.start;
        for step in 0..self.steps as u64 {
            let gradient = landscape.gradient(here, step);
            let norm = gradient[0].hypot(gradient[1]);
            if !norm.is_finite() || !path.last_loss().is_finite() {
                path.end = DescentEnd::Diverged;
                break;
            }
            if norm <= self.tolerance {
                path.end = DescentEnd::Converged;
                break;
            }
            // A chain that lets nothing through has skipped the step.
            let gradients = chain.apply(&point, point.gradients(&gradient)).unwrap_or_default();
            point = optimizer.step(schedule.step(), point, gradients);
            let before = std::mem::replace(&mut here, point.plane());
            let answer = evaluation_weights(&optimizer, point.clone()).plane();
            path.points.push(answer);
            path.losses.push(landscape.value(answer));
            path.gradient_norms.push(norm);
            path.step_sizes.push((here[0] - before[0]).hypot(here[1] - before[1]));
        }
        path
    }
}
