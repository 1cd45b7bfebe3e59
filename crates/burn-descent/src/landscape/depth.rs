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
/// // Of a gradient of 1 at the end 0.5 % are left fifty steps before.
/// assert_eq!(norms.len(), 51);
/// assert!((norms[50] - 1.0).abs() < 1e-12 && (norms[0] - 0.9_f64.powi(50)).abs() < 1e-12);
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
    /// Applies one symmetric matrix again and again, whose eigenvalues lie between half the spectrum and all of it; the
    /// gradient comes in along the eigenvector of the largest.
    Recurrent,
    /// Applies a matrix of its own in each layer, drawn from a normal distribution with a deviation of `spectrum/√width`.
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
        let first = self.weights(&mut rng);
        let direction = match self.form {
            DepthForm::Recurrent => first.top.clone(),
            DepthForm::Layers => unit(normal(self.width, &mut rng)),
        };
        let mut state = self.tensor(unit(normal(self.width, &mut rng)), &device);
        let mut weights = first.matrix;
        // A leaf of zeros is added to each state, so that its gradient is the state's.
        let mut leaves = Vec::with_capacity(self.depth + 1);
        for step in 0..self.depth {
            if step > 0 && self.form == DepthForm::Layers {
                weights = self.weights(&mut rng).matrix;
            }
            let leaf = state.zeros_like().require_grad();
            state = self.step(state + leaf.clone(), self.tensor(weights.clone(), &device));
            leaves.push(leaf);
        }
        let leaf = state.zeros_like().require_grad();
        let gradients = ((state + leaf.clone()) * self.tensor(direction, &device)).sum().backward();
        leaves.push(leaf);
        let gradient = |leaf: &Tensor<2>| leaf.grad(&gradients).map(|gradient| gradient.into_data().convert::<f64>());
        let values =
            leaves.iter().map(|leaf| gradient(leaf).and_then(|data| data.try_into_vec().ok()).unwrap_or_default());
        let norms = values.map(|gradient: Vec<f64>| norm(&gradient)).collect();
        Ok(if self.cure == Some(DepthCure::Clipped) { clipped(norms) } else { norms })
    }

    /// The state after a step.
    fn step(&self, state: Tensor<2>, weights: Tensor<2>) -> Tensor<2> {
        let next = state.clone().matmul(weights);
        match self.cure {
            Some(DepthCure::Normalized) => {
                let square = next.clone().powi_scalar(2).mean_dim(1);
                next / (square + 1e-12).sqrt()
            }
            Some(DepthCure::Gated) => state * 0.9 + next * 0.1,
            Some(DepthCure::Orthogonal | DepthCure::Clipped) | None => next,
        }
    }

    /// Rows of as many values as there are units.
    fn tensor(&self, values: Vec<f64>, device: &Device) -> Tensor<2> {
        let rows = values.len() / self.width;
        Tensor::from_data(TensorData::new(values, [rows, self.width]), (device, DType::F64))
    }

    fn weights(&self, rng: &mut ChaCha8Rng) -> Weights {
        let n = self.width;
        if self.form == DepthForm::Layers && self.cure != Some(DepthCure::Orthogonal) {
            let scale = self.spectrum / (n as f64).sqrt();
            return Weights { matrix: normal(n * n, rng).into_iter().map(|x| x * scale).collect(), top: Vec::new() };
        }
        let basis = orthogonal(n, rng);
        let top = basis[0].clone();
        if self.cure == Some(DepthCure::Orthogonal) {
            return Weights { matrix: basis.concat(), top };
        }
        let value = |k: usize| self.spectrum * (1.0 - 0.5 * k as f64 / n as f64);
        let entry = |i: usize, j: usize| (0..n).map(|k| value(k) * basis[k][i] * basis[k][j]).sum();
        Weights { matrix: (0..n * n).map(|index| entry(index / n, index % n)).collect(), top }
    }
}

/// A matrix, row by row, and of a symmetric one the eigenvector of the largest eigenvalue.
struct Weights {
    matrix: Vec<f64>,
    top: Vec<f64>,
}

/// The norms, the last first, with none above 1 handed on. Going back is linear, so that all that come after one that is
/// clipped shrink as it does.
fn clipped(mut norms: Vec<f64>) -> Vec<f64> {
    let mut factor: f64 = 1.0;
    for norm in norms.iter_mut().rev() {
        let shrunk = *norm * factor;
        factor *= (1.0 / shrunk).min(1.0);
        *norm = shrunk.min(1.0);
    }
    norms
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|x| x * x).sum::<f64>().sqrt()
}

fn unit(values: Vec<f64>) -> Vec<f64> {
    let length = norm(&values);
    values.into_iter().map(|x| x / length).collect()
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
        rows.push(unit(row));
    }
    rows
}

/// The purpose of the seed.
const MATRICES: u64 = 4;
