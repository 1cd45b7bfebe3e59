//! The Gabor model and its data.

use super::Landscape;
use super::jet::{Jet, Number};
use crate::error::{ConfigError, ValueRange};
use crate::sample::derived_seed;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;
use std::sync::OnceLock;

/// Fits a Gabor model to data by some of them at a time: the lecture's (Serra) example of a loss with valleys (coverage H1).
///
/// ```text
/// f[x, φ] = sin(φ₀ + 0.06·φ₁·x)·exp(−(φ₀ + 0.06·φ₁·x)²/8)
/// L[φ]    = Σᵢ (f[xᵢ, φ] − yᵢ)²
/// ```
///
/// The 30 examples are those of a model with φ = (0, 16.6), x evenly drawn from [−15, 15], with noise of a deviation of
/// 0.1. [`Surface::Gabor`](super::Surface::Gabor) is the loss over all of them. Batches are drawn without replacement: an
/// epoch passes over all examples, and the loss of a batch is scaled to all of them.
///
/// ```
/// use burn_descent::landscape::{Gabor, Landscape, Surface};
///
/// let point = [0.5, 14.0];
/// let epoch = Gabor::new(6, 1).expect("a batch size in range");
/// let mean = (0..5).map(|step| epoch.gradient(point, step)[0]).sum::<f64>() / 5.0;
/// assert!((mean - Surface::Gabor.gradient(point)[0]).abs() < 1e-12, "all batches together are all examples");
/// ```
#[derive(Clone, Debug)]
pub struct Gabor {
    batch_size: usize,
    seed: u64,
}

impl Gabor {
    /// Makes the fit by batches of so many examples, from 1 to 30, which are drawn by `seed`.
    ///
    /// # Errors
    ///
    /// Returns an error if the batch size is out of range.
    pub fn new(batch_size: usize, seed: u64) -> Result<Self, ConfigError> {
        ValueRange::Within(1.0, EXAMPLES as f64).check("Gabor", "batch_size", batch_size as f64)?;
        Ok(Self { batch_size, seed })
    }

    /// Returns the value of the model with the parameters φ at `x`.
    pub fn model(phi: [f64; 2], x: f64) -> f64 {
        model(phi, x)
    }

    /// Returns the examples, x and y of each.
    pub fn examples() -> &'static [(f64, f64)] {
        examples()
    }

    /// The examples of the batch at a step, from 0.
    fn batch(&self, step: u64) -> Vec<(f64, f64)> {
        let batches = EXAMPLES.div_ceil(self.batch_size) as u64;
        let mut order: Vec<usize> = (0..EXAMPLES).collect();
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(derived_seed(self.seed, step / batches, ORDER)));
        let first = (step % batches) as usize * self.batch_size;
        order.iter().skip(first).take(self.batch_size).map(|index| examples()[*index]).collect()
    }
}

impl Landscape for Gabor {
    /// Returns the loss over all examples.
    fn value(&self, point: [f64; 2]) -> f64 {
        loss(point, examples())
    }

    /// Returns the gradient of the batch at this step, scaled to all examples.
    fn gradient(&self, [x, y]: [f64; 2], step: u64) -> [f64; 2] {
        let batch = self.batch(step);
        let scale = EXAMPLES as f64 / batch.len() as f64;
        loss([Jet::coordinate(x, 0), Jet::coordinate(y, 1)], &batch).gradient.map(|d| d * scale)
    }
}

const EXAMPLES: usize = 30;
/// The purposes of the seeds.
const ORDER: u64 = 1;
const DATA: u64 = 2;

fn model<N: Number>([offset, frequency]: [N; 2], x: f64) -> N {
    let u = offset + frequency * (0.06 * x);
    u.sin() * (u.square() * -0.125).exp()
}

/// The sum of the squared errors over these examples.
pub(super) fn loss<N: Number>(phi: [N; 2], examples: &[(f64, f64)]) -> N {
    let zero = phi[0] * 0.0;
    examples.iter().fold(zero, |sum, (x, y)| sum + (model(phi, *x) - *y).square())
}

pub(super) fn examples() -> &'static [(f64, f64)] {
    static DATA_SET: OnceLock<Vec<(f64, f64)>> = OnceLock::new();
    DATA_SET.get_or_init(|| {
        let mut rng = ChaCha8Rng::seed_from_u64(derived_seed(0, 0, DATA));
        let example = |_| {
            let x = rng.random_range(-15.0..15.0);
            let noise: f64 = rng.sample(StandardNormal);
            (x, model([0.0, 16.6], x) + 0.1 * noise)
        };
        (0..EXAMPLES).map(example).collect()
    })
}
