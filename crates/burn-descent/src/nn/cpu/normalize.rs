//! Batch normalization of images, on raw `f32` buffers.

use rayon::prelude::*;

/// The sizes of a batch of images, `[batch, channels, positions]` in row-major order.
#[derive(Clone, Copy)]
pub(super) struct Sizes {
    pub(super) channels: usize,
    pub(super) positions: usize,
}

impl Sizes {
    fn image_len(self) -> usize {
        self.channels * self.positions
    }

    /// Planes that are worth a task of their own.
    fn planes_per_task(self) -> usize {
        (8 * 1024 / self.positions).max(1)
    }

    /// A channel of every image.
    fn planes(self, images: &[f32], channel: usize) -> impl Iterator<Item = &[f32]> {
        let start = channel * self.positions;
        images.chunks_exact(self.image_len()).map(move |image| &image[start..start + self.positions])
    }
}

/// Partial sums that a processor adds at the same time.
const LANES: usize = 16;

/// Σ f(x, y) over two slices of one length, in `f64` across the slices' ends.
#[inline(always)]
fn sum(x: &[f32], y: &[f32], f: impl Fn(f32, f32) -> f32) -> f64 {
    let (x_blocks, x_rest) = x.as_chunks::<LANES>();
    let (y_blocks, y_rest) = y.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (x, y) in x_blocks.iter().zip(y_blocks) {
        for lane in 0..LANES {
            sums[lane] += f(x[lane], y[lane]);
        }
    }
    for ((sum, x), y) in sums.iter_mut().zip(x_rest).zip(y_rest) {
        *sum += f(*x, *y);
    }
    sums.iter().map(|sum| f64::from(*sum)).sum()
}

/// The mean of every channel, and then the variance of every channel.
pub(super) fn moments(sizes: Sizes, images: &[f32]) -> Vec<f32> {
    let count = (images.len() / sizes.channels) as f64;
    let (mut means, variances): (Vec<f32>, Vec<f32>) = (0..sizes.channels)
        .into_par_iter()
        .map(|channel| {
            let total = |f: &dyn Fn(&[f32]) -> f64| sizes.planes(images, channel).map(f).sum::<f64>() / count;
            let mean = total(&|plane| sum(plane, plane, |x, _| x)) as f32;
            let variance = total(&|plane| sum(plane, plane, |x, _| (x - mean) * (x - mean))) as f32;
            (mean, variance)
        })
        .unzip();
    means.extend(variances);
    means
}

/// The mean of a channel, and 1/√(σ² + ε).
fn means_and_scales(moments: &[f32], epsilon: f64) -> Vec<(f32, f32)> {
    let (means, variances) = moments.split_at(moments.len() / 2);
    let scale = |variance: f32| (1.0 / (f64::from(variance) + epsilon).sqrt()) as f32;
    means.iter().zip(variances).map(|(&mean, &variance)| (mean, scale(variance))).collect()
}

/// γ·(x − μ)/√(σ² + ε) + β
pub(super) fn forward(sizes: Sizes, [images, moments, gamma, beta]: [&[f32]; 4], epsilon: f64) -> Vec<f32> {
    let channels = means_and_scales(moments, epsilon);
    let mut output = vec![0.0; images.len()];
    let planes = output.par_chunks_exact_mut(sizes.positions).zip(images.par_chunks_exact(sizes.positions));
    planes.enumerate().with_min_len(sizes.planes_per_task()).for_each(|(plane, (output, images))| {
        let channel = plane % sizes.channels;
        let ((mean, scale), beta) = (channels[channel], beta[channel]);
        let factor = scale * gamma[channel];
        output.iter_mut().zip(images).for_each(|(y, x)| *y = (x - mean) * factor + beta);
    });
    output
}

/// The gradients by the images, by γ and by β, given that of the output. With x̂ = (x − μ)/√(σ² + ε) and the mean E
/// over a channel's values:
///
/// ```text
/// ∂β = Σ ∂y,   ∂γ = Σ ∂y·x̂,   ∂x = γ/√(σ² + ε)·(∂y − E[∂y] − x̂·E[∂y·x̂])
/// ```
pub(super) fn backward(sizes: Sizes, [images, moments, gamma, grad]: [&[f32]; 4], epsilon: f64) -> [Vec<f32>; 3] {
    let channels = means_and_scales(moments, epsilon);
    let count = (images.len() / sizes.channels) as f64;
    let sums: Vec<(f64, f64)> = (0..sizes.channels)
        .into_par_iter()
        .map(|channel| {
            let (mean, scale) = channels[channel];
            let planes = sizes.planes(images, channel).zip(sizes.planes(grad, channel));
            planes.fold((0.0, 0.0), |(beta, gamma), (x, dy)| {
                let (along_one, along_x) = (sum(x, dy, |_, dy| dy), sum(x, dy, |x, dy| dy * ((x - mean) * scale)));
                (beta + along_one, gamma + along_x)
            })
        })
        .collect();
    let mut images_grad = vec![0.0; images.len()];
    let planes = images_grad
        .par_chunks_exact_mut(sizes.positions)
        .zip(images.par_chunks_exact(sizes.positions))
        .zip(grad.par_chunks_exact(sizes.positions));
    planes.enumerate().with_min_len(sizes.planes_per_task()).for_each(|(plane, ((dx, x), dy))| {
        let channel = plane % sizes.channels;
        let ((mean, scale), (beta_grad, gamma_grad)) = (channels[channel], sums[channel]);
        let factor = scale * gamma[channel];
        let (along_one, along_x) = ((beta_grad / count) as f32, (gamma_grad / count) as f32 * scale);
        for ((dx, x), dy) in dx.iter_mut().zip(x).zip(dy) {
            *dx = factor * (dy - along_one - (x - mean) * along_x);
        }
    });
    let (beta_grad, gamma_grad) = sums.iter().map(|(beta, gamma)| (*beta as f32, *gamma as f32)).unzip();
    [images_grad, gamma_grad, beta_grad]
}
