//! Computes convolutions as unfolding and matrix product, on raw `f32` buffers.
//!
//! A group of images becomes one matrix whose columns are the patches that the kernel sees (`C·k·k` rows), so that the
//! convolution, its gradient by the weights and its gradient by the input are one product each. Groups run on all
//! threads.

use gemm::{Parallelism, gemm};
use rayon::prelude::*;

/// Holds the sizes of a convolution.
#[derive(Clone, Copy, Debug)]
pub struct Geometry {
    /// Gives the number of images in the batch.
    pub batch: usize,
    /// Gives the channels, height and width of an input image.
    pub input: [usize; 3],
    /// Gives the number of output channels.
    pub channels: usize,
    /// Gives the kernel's height and width.
    pub kernel: [usize; 2],
    /// Gives the vertical and horizontal stride.
    pub stride: [usize; 2],
    /// Gives the number of zeros added above and below, and left and right.
    pub padding: [usize; 2],
}

/// Columns in one product: enough to fill the processor's registers and pipelines, few enough for its second cache.
const COLUMNS: usize = 512;
/// Parts of a batch for each thread: more than one, since threads are not always equally fast.
const PARTS: usize = 2;
/// Values copied at a time.
const BLOCK: usize = 8;
/// Room for a block to overshoot.
const SLACK: usize = 3 * BLOCK;

impl Geometry {
    /// Returns the height and width of an output image.
    pub fn output(&self) -> [usize; 2] {
        let side =
            |axis: usize| (self.input[axis + 1] + 2 * self.padding[axis] - self.kernel[axis]) / self.stride[axis] + 1;
        [side(0), side(1)]
    }

    fn positions(&self) -> usize {
        self.output().iter().product()
    }

    fn patch(&self) -> usize {
        self.input[0] * self.kernel[0] * self.kernel[1]
    }

    fn image_len(&self) -> usize {
        self.input.iter().product()
    }

    fn result_len(&self) -> usize {
        self.channels * self.positions()
    }

    fn images_per_group(&self) -> usize {
        let threads = rayon::current_num_threads();
        (COLUMNS / self.positions()).clamp(1, self.batch.div_ceil(threads).max(1))
    }

    /// Images whose gradients by the weights are summed by themselves. Which thread comes first must not decide on the
    /// order of the sums, and so on their rounding.
    fn images_per_part(&self) -> usize {
        let (group, parts) = (self.images_per_group(), PARTS * rayon::current_num_threads());
        self.batch.div_ceil(group).div_ceil(parts) * group
    }

    /// Height and width of an image with its padding.
    fn padded(&self) -> [usize; 2] {
        [self.input[1] + 2 * self.padding[0], self.input[2] + 2 * self.padding[1]]
    }

    fn padded_len(&self) -> usize {
        self.input[0] * self.padded().iter().product::<usize>()
    }

    /// Visits the rows of images with and without padding: `(start in the image, start in the padded image)`.
    fn for_each_row(&self, mut visit: impl FnMut(usize, usize)) {
        let [channels, height, width] = self.input;
        let [padded_height, padded_width] = self.padded();
        for c in 0..channels {
            for y in 0..height {
                let padded_row = c * padded_height + y + self.padding[0];
                visit((c * height + y) * width, padded_row * padded_width + self.padding[1]);
            }
        }
    }

    /// Visits every row of patches, in the order of the matrix:
    /// `(image, start in the padded image, start in the matrix)`.
    fn for_each_run(&self, images: usize, mut visit: impl FnMut(usize, usize, usize)) {
        let [padded_height, padded_width] = self.padded();
        let [output_height, output_width] = self.output();
        let mut to = 0;
        for c in 0..self.input[0] {
            for i in 0..self.kernel[0] {
                for j in 0..self.kernel[1] {
                    for image in 0..images {
                        for y in 0..output_height {
                            let row = c * padded_height + y * self.stride[0] + i;
                            visit(image, row * padded_width + j, to);
                            to += output_width;
                        }
                    }
                }
            }
        }
    }

    /// Writes the patches of `images` into `matrix` (`C·k·k` rows, a column a position), by way of `padded`, whose
    /// margins must be zero.
    fn unfold(&self, images: &[f32], padded: &mut [f32], matrix: &mut [f32]) {
        let padded_len = self.padded_len();
        for (image, padded) in images.chunks_exact(self.image_len()).zip(padded.chunks_exact_mut(padded_len)) {
            let width = self.input[2];
            self.for_each_row(|from, to| padded[to..to + width].copy_from_slice(&image[from..from + width]));
        }
        let count = images.len() / self.image_len();
        match self.stride[1] {
            1 => self.gather::<1>(count, padded, matrix),
            2 => self.gather::<2>(count, padded, matrix),
            _ => {
                let (step, len) = (self.stride[1], self.output()[1]);
                self.for_each_run(count, |image, from, to| {
                    let source = padded[image * padded_len + from..].iter().step_by(step);
                    matrix[to..to + len].iter_mut().zip(source).for_each(|(value, source)| *value = *source);
                });
            }
        }
    }

    /// Fills the matrix, whole blocks at a time: a block that overshoots its run is overwritten by the runs after it,
    /// and both buffers end with [`SLACK`] values to spare.
    fn gather<const STEP: usize>(&self, images: usize, padded: &[f32], matrix: &mut [f32]) {
        let (padded_len, len) = (self.padded_len(), self.output()[1]);
        self.for_each_run(images, |image, from, to| {
            let from = image * padded_len + from;
            for start in (0..len).step_by(BLOCK) {
                let source = &padded[from + start * STEP..][..BLOCK * STEP];
                let target = &mut matrix[to + start..][..BLOCK];
                for k in 0..BLOCK {
                    target[k] = source[k * STEP];
                }
            }
        });
    }

    /// Adds the patches in `matrix` to `images`: the transpose of [`unfold`](Self::unfold).
    fn fold(&self, matrix: &[f32], padded: &mut [f32], images: &mut [f32]) {
        let (padded_len, step, len) = (self.padded_len(), self.stride[1], self.output()[1]);
        padded.fill(0.0);
        self.for_each_run(images.len() / self.image_len(), |image, from, to| {
            let target = &mut padded[image * padded_len + from..][..(len - 1) * step + 1];
            let source = &matrix[to..to + len];
            match step {
                1 => target.iter_mut().zip(source).for_each(|(target, value)| *target += *value),
                _ => target.iter_mut().step_by(step).zip(source).for_each(|(target, value)| *target += *value),
            }
        });
        let width = self.input[2];
        for (image, padded) in images.chunks_exact_mut(self.image_len()).zip(padded.chunks_exact(padded_len)) {
            self.for_each_row(|from, to| image[from..from + width].copy_from_slice(&padded[to..to + width]));
        }
    }

    /// Copies between the `[image, channel, position]` order of tensors and the `[channel, image, position]` order
    /// of the matrices.
    fn for_each_plane(&self, images: usize, mut visit: impl FnMut(usize, usize, usize)) {
        let positions = self.positions();
        for image in 0..images {
            for channel in 0..self.channels {
                let tensor = (image * self.channels + channel) * positions;
                let matrix = (channel * images + image) * positions;
                visit(tensor, matrix, positions);
            }
        }
    }
}

/// What one thread needs for a group of images.
struct Scratch {
    padded: Vec<f32>,
    matrix: Vec<f32>,
    result: Vec<f32>,
}

impl Scratch {
    fn new(geometry: &Geometry, group: usize) -> Self {
        Self {
            padded: vec![0.0; group * geometry.padded_len() + SLACK],
            matrix: vec![0.0; geometry.patch() * group * geometry.positions() + SLACK],
            result: vec![0.0; group * geometry.result_len()],
        }
    }
}

/// A row-major matrix, or the transpose of one.
#[derive(Clone, Copy)]
struct Matrix<'a> {
    values: &'a [f32],
    strides: [isize; 2],
}

impl<'a> Matrix<'a> {
    fn new(values: &'a [f32], columns: usize) -> Self {
        Self { values, strides: [columns as isize, 1] }
    }

    fn transposed(self) -> Self {
        Self { strides: [self.strides[1], self.strides[0]], ..self }
    }
}

/// `result ← a·b`, or `result ← result + a·b`, for a row-major `m × n` result and an inner length of `k`.
fn product(accumulate: bool, result: &mut [f32], [m, n, k]: [usize; 3], a: Matrix, b: Matrix) {
    assert!(result.len() >= m * n && a.values.len() >= m * k && b.values.len() >= k * n);
    // SAFETY: the three buffers hold the matrices of these sizes and strides, and `result` overlaps neither factor.
    unsafe {
        gemm(
            m,
            n,
            k,
            result.as_mut_ptr(),
            1,
            n as isize,
            accumulate,
            a.values.as_ptr(),
            a.strides[1],
            a.strides[0],
            b.values.as_ptr(),
            b.strides[1],
            b.strides[0],
            1.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

/// The convolution of `images` (`[batch, C, H, W]`) with `weight` (`[O, C, k, k]`): `[batch, O, H', W']`.
pub(super) fn forward(geometry: &Geometry, images: &[f32], weight: &[f32]) -> Vec<f32> {
    let (patch, group) = (geometry.patch(), geometry.images_per_group());
    let mut output = vec![0.0; geometry.batch * geometry.result_len()];
    output
        .par_chunks_mut(group * geometry.result_len())
        .zip(images.par_chunks(group * geometry.image_len()))
        .for_each_init(
            || Scratch::new(geometry, group),
            |scratch, (output, images)| {
                let count = images.len() / geometry.image_len();
                let columns = count * geometry.positions();
                geometry.unfold(images, &mut scratch.padded, &mut scratch.matrix);
                let (weight, matrix) = (Matrix::new(weight, patch), Matrix::new(&scratch.matrix, columns));
                product(false, &mut scratch.result, [geometry.channels, columns, patch], weight, matrix);
                geometry.for_each_plane(count, |tensor, matrix, len| {
                    output[tensor..tensor + len].copy_from_slice(&scratch.result[matrix..matrix + len]);
                });
            },
        );
    output
}

/// The gradients of the convolution by its input (where wanted) and by its weight, given that of its output.
pub(super) fn backward(
    geometry: &Geometry,
    images: &[f32],
    weight: &[f32],
    grad: &[f32],
    input_wanted: bool,
) -> (Option<Vec<f32>>, Vec<f32>) {
    let span = geometry.images_per_part();
    let mut input_grad = vec![0.0; if input_wanted { images.len() } else { 0 }];
    // Without a wanted input gradient, each part gets an empty piece of it.
    let pieces: Vec<&mut [f32]> = if input_wanted {
        input_grad.chunks_mut(span * geometry.image_len()).collect()
    } else {
        (0..geometry.batch.div_ceil(span)).map(|_| &mut [][..]).collect()
    };
    let parts: Vec<Vec<f32>> = pieces
        .into_par_iter()
        .zip(images.par_chunks(span * geometry.image_len()))
        .zip(grad.par_chunks(span * geometry.result_len()))
        .map(|((input_grad, images), grad)| backward_of_part(geometry, images, weight, grad, input_grad))
        .collect();
    let mut weight_grad = vec![0.0; weight.len()];
    for part in parts {
        weight_grad.iter_mut().zip(&part).for_each(|(sum, part)| *sum += part);
    }
    (input_wanted.then_some(input_grad), weight_grad)
}

/// The gradient by the weight of some of the images, and that by the input into `input_grad`, unless it is empty.
fn backward_of_part(
    geometry: &Geometry,
    images: &[f32],
    weight: &[f32],
    grad: &[f32],
    input_grad: &mut [f32],
) -> Vec<f32> {
    let (patch, group) = (geometry.patch(), geometry.images_per_group());
    let mut input_grads = input_grad.chunks_mut(group * geometry.image_len());
    let mut weight_grad = vec![0.0; weight.len()];
    let mut scratch = Scratch::new(geometry, group);
    let groups = images.chunks(group * geometry.image_len()).zip(grad.chunks(group * geometry.result_len()));
    for (images, grad) in groups {
        let count = images.len() / geometry.image_len();
        let columns = count * geometry.positions();
        geometry.for_each_plane(count, |tensor, matrix, len| {
            scratch.result[matrix..matrix + len].copy_from_slice(&grad[tensor..tensor + len]);
        });
        let result = Matrix::new(&scratch.result, columns);
        // The margins of `padded` hold what the last group's fold left there.
        scratch.padded.fill(0.0);
        geometry.unfold(images, &mut scratch.padded, &mut scratch.matrix);
        let matrix = Matrix::new(&scratch.matrix, columns).transposed();
        product(true, &mut weight_grad, [geometry.channels, patch, columns], result, matrix);
        if let Some(input_grad) = input_grads.next() {
            let weight = Matrix::new(weight, patch).transposed();
            product(false, &mut scratch.matrix, [patch, columns, geometry.channels], weight, result);
            geometry.fold(&scratch.matrix, &mut scratch.padded, input_grad);
        }
    }
    weight_grad
}
