//! The problems on which Adam does not converge (Reddi, Kale & Kumar 2018).

use super::point::Point;
use crate::error::{ConfigError, ValueRange};
use crate::sample::derived_seed;
use crate::schedule::{RunLength, Schedule, Unit};
use burn::lr_scheduler::LrScheduler;
use burn::optim::ModuleOptimizer;
use burn::tensor::Device;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// Gives the slopes of functions on [−1, 1] whose sum over time is least at −1, while Adam goes to 1.
///
/// A large slope is rare, and a square that is forgotten quickly counts it for less than the many small ones (Reddi, Kale
/// & Kumar 2018; Kitov). After each step x is brought back to [−1, 1].
///
/// | problem | slope at step t, from 1 | paper |
/// | --- | --- | --- |
/// | `Cyclic { slope: C }` | C where t mod 3 = 1, else −1 | theorem 1, C > 2 |
/// | `Online` | 1010 where t mod 101 = 1, else −10 | section 5, figure 1 |
/// | `Stochastic { seed }` | 1010 with probability 0.01, else −10 | theorem 3, figure 1 |
///
/// ```
/// use burn_descent::landscape::Counterexample;
///
/// let online = Counterexample::Online;
/// assert_eq!([1, 2, 101, 102].map(|t| online.slope(t)), [1010.0, -10.0, -10.0, 1010.0]);
/// assert!((online.mean_slope() - 10.0 / 101.0).abs() < 1e-12, "so that the best x is −1");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Counterexample {
    /// Gives a large slope at each third step.
    Cyclic {
        /// Sets the large slope C, above 2.
        slope: f64,
    },
    /// Gives a large slope at each hundred-and-first step.
    Online,
    /// Gives a large slope at one step in a hundred, by chance.
    Stochastic {
        /// Seeds the chance.
        seed: u64,
    },
}

impl Counterexample {
    /// Checks that every parameter is in its range.
    ///
    /// # Errors
    ///
    /// Returns the first that is out of range.
    pub fn check(self) -> Result<(), ConfigError> {
        match self {
            Self::Cyclic { slope } => ValueRange::Above(2.0).check("Counterexample", "slope", slope),
            Self::Online | Self::Stochastic { .. } => Ok(()),
        }
    }

    /// Returns the slope at step `t`, from 1.
    pub fn slope(self, t: u64) -> f64 {
        match self {
            Self::Cyclic { slope } => {
                if t % 3 == 1 {
                    slope
                } else {
                    -1.0
                }
            }
            Self::Online => {
                if t % 101 == 1 {
                    1010.0
                } else {
                    -10.0
                }
            }
            Self::Stochastic { seed } => {
                let mut rng = ChaCha8Rng::seed_from_u64(derived_seed(seed, t, CHANCE));
                if rng.random_bool(0.01) { 1010.0 } else { -10.0 }
            }
        }
    }

    /// Returns the mean slope over a cycle, or its expectation: it is positive, so that −1 is best.
    pub fn mean_slope(self) -> f64 {
        match self {
            Self::Cyclic { slope } => (slope - 2.0) / 3.0,
            Self::Online => (1010.0 - 100.0 * 10.0) / 101.0,
            Self::Stochastic { .. } => 0.01 * 1010.0 - 0.99 * 10.0,
        }
    }
}

impl Counterexample {
    /// Trains x from 0 by `optimizer` with rates of `lr` over the root of the step, brought back to [−1, 1] after each, and
    /// returns x after each step. It is in double precision, on a CPU backend's `device`.
    ///
    /// # Errors
    ///
    /// Returns the first value that is out of range.
    pub fn descend(
        self,
        mut optimizer: ModuleOptimizer,
        lr: f64,
        steps: usize,
        device: &Device,
    ) -> Result<Vec<f64>, ConfigError> {
        self.check()?;
        let length = RunLength { epochs: 1, steps_per_epoch: steps };
        let mut rates = Schedule::InverseSqrt { k: 1.0, per: Unit::Step }.scheduler(lr, length)?;
        let mut point = Point::new(&[0.0], &device.clone().autodiff());
        let step = |t: u64| {
            let gradients = point.gradients(&[self.slope(t)]);
            point = optimizer.step(rates.step(), point.clone(), gradients).clamped(-1.0, 1.0);
            point.plane()[0]
        };
        Ok((1..=steps as u64).map(step).collect())
    }
}

/// The purpose of the seed.
const CHANCE: u64 = 3;
