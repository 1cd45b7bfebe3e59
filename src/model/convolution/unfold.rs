//! Convolution as unfolding and matrix product, on raw `f32` buffers.
//!
//! A group of images becomes one matrix whose columns are the patches that the kernel sees (`C·k·k` rows), so that the
//! convolution, its gradient by the weights and its gradient by the input are one product each. Groups run on all
//! threads.

use gemm::{Parallelism, gemm};
use rayon::prelude::*;

/// The sizes of a convolution.
#[derive(Clone, Copy, Debug)]
pub struct Geometry {
    /// Images in the batch.
    pub batch: usize,
    /// Channels, height and width of an input image.
    pub input: [usize; 3],
    /// Output channels.
    pub channels: usize,
    /// Kernel height and width.
    pub kernel: [usize; 2],
    /// Vertical and horizontal stride.
    pub stride: [usize; 2],
    /// Zeros added above and below, left and right.
    pub padding: [usize; 2],
}

/// Columns in one product: enough to fill the processor's registers and pipelines, few enough for its second cache.
const COLUMNS: usize = 512;

impl Geometry {
    /// Height and width of an output image.
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

    /// For each row of the unfolded matrix: its channel and the kernel's row and column.
    fn taps(&self) -> impl Iterator<Item = (usize, usize, usize)> {
        let [channels, ..] = self.input;
        let [height, width] = self.kernel;
        (0..channels).flat_map(move |c| (0..height).flat_map(move |i| (0..width).map(move |j| (c, i, j))))
    }

    /// The output rows (or columns) whose tap `offset` falls inside the image, as a range.
    fn inside(&self, axis: usize, offset: usize) -> std::ops::Range<usize> {
        let (stride, padding) = (self.stride[axis], self.padding[axis]);
        let first = padding.saturating_sub(offset).div_ceil(stride);
        let end = (self.input[axis + 1] + padding).saturating_sub(offset).div_ceil(stride);
        first..end.clamp(first, self.output()[axis].max(first))
    }

    /// Visits every row of patches: `(start in the image, step, start in the matrix row, length)`.
    fn for_each_run(&self, columns: usize, first_column: usize, mut visit: impl FnMut(usize, usize, usize, usize)) {
        let [_, height, width] = self.input;
        let [_, output_width] = self.output();
        for (row, (c, i, j)) in self.taps().enumerate() {
            let across = self.inside(1, j);
            for y in self.inside(0, i) {
                let image_row = y * self.stride[0] + i - self.padding[0];
                let image_column = across.start * self.stride[1] + j - self.padding[1];
                let from = (c * height + image_row) * width + image_column;
                let to = row * columns + first_column + y * output_width + across.start;
                visit(from, self.stride[1], to, across.len());
            }
        }
    }

    /// Writes the patches of `images` into `matrix` (`C·k·k` rows), whose padding entries must be zero already.
    fn unfold(&self, images: &[f32], columns: usize, matrix: &mut [f32]) {
        for (index, image) in images.chunks_exact(self.image_len()).enumerate() {
            self.for_each_run(columns, index * self.positions(), |from, step, to, len| {
                let target = &mut matrix[to..to + len];
                if step == 1 {
                    target.copy_from_slice(&image[from..from + len]);
                } else {
                    for (value, source) in target.iter_mut().zip(image[from..].iter().step_by(step)) {
                        *value = *source;
                    }
                }
            });
        }
    }

    /// Adds the patches in `matrix` to `images`: the transpose of [`unfold`](Self::unfold).
    fn fold(&self, matrix: &[f32], columns: usize, images: &mut [f32]) {
        for (index, image) in images.chunks_exact_mut(self.image_len()).enumerate() {
            self.for_each_run(columns, index * self.positions(), |from, step, to, len| {
                for (value, target) in matrix[to..to + len].iter().zip(image[from..].iter_mut().step_by(step)) {
                    *target += *value;
                }
            });
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
    let (patch, positions) = (geometry.patch(), geometry.positions());
    let group = geometry.images_per_group();
    let mut output = vec![0.0; geometry.batch * geometry.result_len()];
    output
        .par_chunks_mut(group * geometry.result_len())
        .zip(images.par_chunks(group * geometry.image_len()))
        .for_each_init(
            || (vec![0.0; patch * group * positions], vec![0.0; group * geometry.result_len()]),
            |(matrix, result), (output, images)| {
                let count = images.len() / geometry.image_len();
                let columns = count * positions;
                if count < group {
                    matrix.fill(0.0);
                }
                geometry.unfold(images, columns, matrix);
                let sizes = [geometry.channels, columns, patch];
                product(false, result, sizes, Matrix::new(weight, patch), Matrix::new(matrix, columns));
                geometry.for_each_plane(count, |tensor, matrix, len| {
                    output[tensor..tensor + len].copy_from_slice(&result[matrix..matrix + len]);
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
    let (patch, positions) = (geometry.patch(), geometry.positions());
    let group = geometry.images_per_group();
    let mut input_grad = vec![0.0; if input_wanted { images.len() } else { 0 }];
    // Without a wanted input gradient, each group gets an empty piece of it.
    let pieces: Vec<&mut [f32]> = if input_wanted {
        input_grad.chunks_mut(group * geometry.image_len()).collect()
    } else {
        (0..geometry.batch.div_ceil(group)).map(|_| &mut [][..]).collect()
    };
    let weight_grad = pieces
        .into_par_iter()
        .zip(images.par_chunks(group * geometry.image_len()))
        .zip(grad.par_chunks(group * geometry.result_len()))
        .fold(
            || {
                (
                    vec![0.0; weight.len()],
                    vec![0.0; patch * group * positions],
                    vec![0.0; group * geometry.result_len()],
                )
            },
            |(mut weight_grad, mut matrix, mut result), ((input_grad, images), grad)| {
                let count = images.len() / geometry.image_len();
                let columns = count * positions;
                geometry.for_each_plane(count, |tensor, matrix, len| {
                    result[matrix..matrix + len].copy_from_slice(&grad[tensor..tensor + len]);
                });
                let result_matrix = Matrix::new(&result, columns);
                matrix.fill(0.0);
                geometry.unfold(images, columns, &mut matrix);
                let sizes = [geometry.channels, patch, columns];
                product(true, &mut weight_grad, sizes, result_matrix, Matrix::new(&matrix, columns).transposed());
                if input_wanted {
                    let sizes = [patch, columns, geometry.channels];
                    product(false, &mut matrix, sizes, Matrix::new(weight, patch).transposed(), result_matrix);
                    geometry.fold(&matrix, columns, input_grad);
                }
                (weight_grad, matrix, result)
            },
        )
        .map(|(weight_grad, ..)| weight_grad)
        .reduce(
            || vec![0.0; weight.len()],
            |mut sum, part| {
                sum.iter_mut().zip(&part).for_each(|(sum, part)| *sum += part);
                sum
            },
        );
    (input_wanted.then_some(input_grad), weight_grad)
}
