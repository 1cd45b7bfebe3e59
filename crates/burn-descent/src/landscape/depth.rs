//! How a gradient shrinks or grows on its way through many layers or steps of time.

use crate::error::{ConfigError, ValueRange};
use crate::sample::derived_seed;
use burn::tensor::{DType, Device, Tensor, TensorData};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;

/// Configures a deep linear network, or a recurrent one, through which a gradient is sent back (coverage G2; Kao).
///
/// Where the same matrix W is applied at each step, `Wᵗ = UΛᵗU⁻¹`: the gradient along an eigenvector with eigenvalue λ is
/// multiplied by λ at each, so that it vanishes below 1 and explodes above. Layers that each have a matrix of their own do
/// about the same with the scale that these are drawn by.
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `form` | | | the same matrix at each step, or one for each layer |
/// | `spectrum` | | `(0, ∞)` | the largest eigenvalue of the matrix, or the scale of the layers' |
/// | `depth` | 50 | at least 1 | steps or layers |
/// | `width` | 32 | at least 1 | units |
/// | `cure` | none | | what is done about it |
/// | `seed` | 0 | | draws the matrices |
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::Device;
/// use burn_descent::landscape::{Depth, DepthForm};
///
/// let norms = Depth::new(DepthForm::Recurrent, 0.9).gradient_norms(&Device::flex())?;
/// // A gradient of 1 at the end is almost gone fifty steps before.
/// assert_eq!(norms.len(), 51);
/// assert!((norms[50] - 1.0).abs() < 1e-12 && norms[0] < 0.9_f64.powi(50) * (1.0 + 1e-9));
/// # }
/// # Ok::<(), burn_descent::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Depth {
    /// Selects whether all steps share a matrix.
    pub form: DepthForm,
    /// Sets the largest eigenvalue, or the scale, in `(0, ∞)`.
    pub spectrum: f64,
    /// Sets the number of steps or layers, at least 1.
    pub depth: usize,
    /// Sets the number of units, at least 1.
    pub width: usize,
    /// Selects what is done about gradients that vanish or explode.
    pub cure: Option<DepthCure>,
    /// Seeds the matrices.
    pub seed: u64,
}

/// Selects where the matrices of a [`Depth`] come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DepthForm {
    /// Applies one symmetric matrix again and again, whose eigenvalues lie between half the spectrum and all of it.
    Recurrent,
    /// Applies a matrix of its own in each layer, drawn from a normal distribution of a deviation of `spectrum/√width`.
    Layers,
}

/// Selects a cure of a [`Depth`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DepthCure {
    /// Makes the matrices orthogonal, so that they change no length: good initialization (Saxe et al. 2014).
    Orthogonal,
    /// Divides what each step puts out by its root mean square (Zhang & Sennrich 2019).
    Normalized,
    /// Lets each step change a tenth of the state alone, `h ← 0.9·h + 0.1·W·h`, as the gates of recurrent networks and
    /// residual connections do.
    Gated,
    /// Clips the gradient to a norm of 1 at each step: against explosion alone.
    Clipped,
}

impl Depth {
    /// Creates fifty steps or layers of 32 units.
    pub fn new(form: DepthForm, spectrum: f64) -> Self {
        Self { form, spectrum, depth: 50, width: 32, cure: None, seed: 0 }
    }

    /// Sets what is done about gradients that vanish or explode.
    pub fn with_cure(self, cure: DepthCure) -> Self {
        Self { cure: Some(cure), ..self }
    }

    /// Sets the number of steps or layers.
    pub fn with_depth(self, depth: usize) -> Self {
        Self { depth, ..self }
    }

    /// Returns the norm of the gradient by the state before each step, the first first, and by the last state, where it is 1.
    /// It is computed by automatic differentiation, in double precision on a CPU backend's `device`.
    ///
    /// # Errors
    ///
    /// Returns the first field that is out of range.
    pub fn gradient_norms(&self, device: &Device) -> Result<Vec<f64>, ConfigError> {
        ValueRange::Positive.check("Depth", "spectrum", self.spectrum)?;
        ValueRange::AtLeast(1.0).check("Depth", "depth", self.depth as f64)?;
        ValueRange::AtLeast(1.0).check("Depth", "width", self.width as f64)?;
        let device = device.clone().autodiff();
        let mut rng = ChaCha8Rng::seed_from_u64(derived_seed(self.seed, 0, MATRICES));
        let tensor = |values: Vec<f64>, rows: usize| {
            let columns = values.len() / rows;
            Tensor::<2>::from_data(TensorData::new(values, [rows, columns]), (&device, DType::F64))
        };
        let shared = (self.form == DepthForm::Recurrent).then(|| self.matrix(&mut rng));
        let mut h = tensor(normal(self.width, &mut rng), 1);
        // A leaf is added to each state, so that its gradient is the state's.
        let mut leaves = Vec::new();
        let probe = |h: Tensor<2>, leaves: &mut Vec<Tensor<2>>| {
            let leaf = h.zeros_like().detach().require_grad();
            leaves.push(leaf.clone());
            h + leaf
        };
        for _ in 0..self.depth {
            h = probe(h, &mut leaves);
            let matrix = shared.clone().unwrap_or_else(|| self.matrix(&mut rng));
            let next = h.clone().matmul(tensor(matrix, self.width));
            h = match self.cure {
                Some(DepthCure::Normalized) => {
                    let mean = next.clone().powi_scalar(2).mean_dim(1);
                    next / (mean + 1e-12).sqrt()
                }
                Some(DepthCure::Gated) => h * 0.9 + next * 0.1,
                Some(DepthCure::Orthogonal | DepthCure::Clipped) | None => next,
            };
        }
        h = probe(h, &mut leaves);
        let mut direction = normal(self.width, &mut rng);
        if self.form == DepthForm::Recurrent && self.cure.is_none() {
            // Along the eigenvector of the largest eigenvalue the law is exact.
            direction = self.top(&mut ChaCha8Rng::seed_from_u64(derived_seed(self.seed, 0, MATRICES)));
        }
        let length = norm(&direction);
        let direction = tensor(direction.iter().map(|x| x / length).collect(), 1);
        let gradients = (h * direction).sum().backward();
        let mut norms: Vec<f64> = leaves
            .iter()
            .map(|leaf| {
                let gradient = leaf.grad(&gradients).map(|gradient| gradient.into_data().convert::<f64>());
                norm(&gradient.and_then(|data| data.try_into_vec().ok()).unwrap_or_default())
            })
            .collect();
        if self.cure == Some(DepthCure::Clipped) {
            clip(&mut norms);
        }
        Ok(norms)
    }

    /// A matrix, row by row.
    fn matrix(&self, rng: &mut ChaCha8Rng) -> Vec<f64> {
        let n = self.width;
        match (self.form, self.cure) {
            (_, Some(DepthCure::Orthogonal)) => orthogonal(n, rng).concat(),
            (DepthForm::Recurrent, _) => {
                let basis = orthogonal(n, rng);
                let value = |k: usize| self.spectrum * (1.0 - 0.5 * k as f64 / n as f64);
                let entry = |i: usize, j: usize| (0..n).map(|k| value(k) * basis[k][i] * basis[k][j]).sum();
                (0..n * n).map(|index| entry(index / n, index % n)).collect()
            }
            (DepthForm::Layers, _) => {
                let scale = self.spectrum / (n as f64).sqrt();
                normal(n * n, rng).into_iter().map(|x| x * scale).collect()
            }
        }
    }

    /// The eigenvector of the largest eigenvalue of the matrix that this generator draws.
    fn top(&self, rng: &mut ChaCha8Rng) -> Vec<f64> {
        orthogonal(self.width, rng).swap_remove(0)
    }
}

/// The norms with none above 1 handed on to the steps before.
fn clip(norms: &mut [f64]) {
    let mut factor = 1.0;
    for norm in norms.iter_mut().rev() {
        let clipped = (*norm * factor).min(1.0);
        if *norm > 0.0 {
            factor = clipped / *norm;
        }
        *norm = clipped;
    }
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|x| x * x).sum::<f64>().sqrt()
}

fn normal(number: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
    (0..number).map(|_| rng.sample(StandardNormal)).collect()
}

/// Orthonormal rows, drawn evenly: those of a normal matrix, each freed of the ones before (Gram & Schmidt), twice for the
/// last digits.
fn orthogonal(n: usize, rng: &mut ChaCha8Rng) -> Vec<Vec<f64>> {
    let mut rows: Vec<Vec<f64>> = Vec::with_capacity(n);
    while rows.len() < n {
        let mut row = normal(n, rng);
        for _ in 0..2 {
            for other in &rows {
                let along: f64 = row.iter().zip(other).map(|(x, y)| x * y).sum();
                row.iter_mut().zip(other).for_each(|(x, y)| *x -= along * y);
            }
        }
        let length = norm(&row);
        rows.push(row.into_iter().map(|x| x / length).collect());
    }
    rows
}

/// The purpose of the seed.
const MATRICES: u64 = 4;
