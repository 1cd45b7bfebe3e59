//! Bilinear interpolation of images, on raw `f32` buffers.

use rayon::prelude::*;

/// The values of images `[batch, channels, height, width]` at points of which each image has `points`: `x` to the right
/// and `y` down, in pixels from the centre of the first one. 0 outside.
pub(super) fn sample([channels, height, width]: [usize; 3], points: usize, [images, x, y]: [&[f32]; 3]) -> Vec<f32> {
    let plane = height * width;
    let mut output = vec![0.0; x.len() * channels];
    let places = x.par_chunks_exact(points).zip(y.par_chunks_exact(points));
    let samples = output.par_chunks_exact_mut(channels * points).zip(images.par_chunks_exact(channels * plane));
    samples.zip(places).for_each(|((output, image), (x, y))| {
        for (output, plane) in output.chunks_exact_mut(points).zip(image.chunks_exact(plane)) {
            for ((value, x), y) in output.iter_mut().zip(x).zip(y) {
                *value = between(plane, [height, width], *x, *y);
            }
        }
    });
    output
}

/// The mixture of the four pixels around a point.
#[inline(always)]
fn between(plane: &[f32], [height, width]: [usize; 2], x: f32, y: f32) -> f32 {
    let (left, top) = (floor(x), floor(y));
    let (u, v) = (x - left as f32, y - top as f32);
    let pixel = |row: i32, column: i32| {
        let (row, column) = (row as u32 as usize, column as u32 as usize);
        if row < height && column < width { plane[row * width + column] } else { 0.0 }
    };
    let line = |row: i32| pixel(row, left) * (1.0 - u) + pixel(row, left.wrapping_add(1)) * u;
    line(top) * (1.0 - v) + line(top.wrapping_add(1)) * v
}

/// Without the call that `f32::floor` is on the oldest processors.
#[inline(always)]
fn floor(x: f32) -> i32 {
    let whole = x as i32;
    whole.wrapping_sub(i32::from(whole as f32 > x))
}
