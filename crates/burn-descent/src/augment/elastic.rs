//! Smooth random displacements.

use super::AugmentKey;
use super::geometry::single;
use burn::tensor::{Device, Tensor};
use rand_distr::{Distribution, StandardNormal};

/// The displacement of each pixel to the right and down, `[batch, height, width]`.
///
/// Normal numbers at nodes that lie σ apart, the `smoothness`, are spread by a Gaussian of that σ along each axis:
/// `Wᵧ·N·Wₓᵀ`. The rows of W have length 1, so that each displacement has the deviation asked for.
pub(super) fn displacements(
    (step, probability, deviation): (usize, f64, f64),
    smoothness: f64,
    [height, width]: [usize; 2],
    draw: &AugmentKey,
    device: &Device,
) -> [Tensor<3>; 2] {
    let [down, right] = [height, width].map(|side| Spread::new(side, smoothness));
    let nodes = down.nodes * right.nodes;
    let drawn = draw.each(step, probability, |rng| match rng {
        Some(rng) => StandardNormal.sample_iter(rng).take(2 * nodes).map(|normal: f64| deviation * normal).collect(),
        None => vec![0.0; 2 * nodes],
    });
    [0, nodes].map(|start| {
        let normals = drawn.iter().flat_map(|normals| &normals[start..start + nodes]).map(|normal| *normal as f32);
        let shape = [drawn.len(), down.nodes, right.nodes];
        let normals: Tensor<3> = single(normals.collect(), shape, device);
        let spread = |spread: &Spread| spread.weights(device).unsqueeze::<3>().expand([drawn.len() as i64, -1, -1]);
        spread(&down).matmul(normals).matmul(spread(&right).swap_dims(1, 2))
    })
}

/// How the numbers at nodes spread over the pixels of a line.
struct Spread {
    side: usize,
    nodes: usize,
    smoothness: f64,
}

impl Spread {
    /// The nodes start 2σ before the first pixel and end at least 2σ behind the last.
    fn new(side: usize, smoothness: f64) -> Self {
        Self { side, nodes: ((side as f64 - 1.0) / smoothness).ceil() as usize + 5, smoothness }
    }

    /// `[side, nodes]`.
    fn weights(&self, device: &Device) -> Tensor<2> {
        let weight = |pixel: usize, node: usize| {
            let distance = pixel as f64 / self.smoothness - (node as f64 - 2.0);
            (-distance * distance / 2.0).exp()
        };
        let row = |pixel: usize| {
            let row: Vec<f64> = (0..self.nodes).map(|node| weight(pixel, node)).collect();
            let length = row.iter().map(|weight| weight * weight).sum::<f64>().sqrt();
            row.into_iter().map(move |weight| (weight / length) as f32)
        };
        let weights = (0..self.side).flat_map(row).collect();
        single(weights, [self.side, self.nodes], device)
    }
}
