//! Changes of values.

use super::geometry::{per_image, single};
use super::key::within;
use super::rectangle::{Rectangle, outside};
use super::{AugmentKey, AugmentStep, Transform};
use burn::tensor::Tensor;
use rand_distr::{Distribution, StandardNormal};

/// Changes the images' values, step after step.
pub(super) fn distort(steps: &[AugmentStep], images: Tensor<4>, draw: &AugmentKey) -> Tensor<4> {
    steps.iter().enumerate().fold(images, |images, (number, step)| change((number, step), images, draw))
}

fn change((number, step): (usize, &AugmentStep), images: Tensor<4>, draw: &AugmentKey) -> Tensor<4> {
    let [batch, channels, height, width] = images.dims();
    let device = images.device();
    let factors = |bound: f64| {
        let factors = draw.each(number, step.probability, |mut rng| 1.0 + within(bound, &mut rng));
        per_image::<4>(factors.into_iter(), &device)
    };
    match step.transform {
        Transform::Brightness(bound) => (images * factors(bound)).clamp(0.0, 1.0),
        Transform::Contrast(bound) => {
            let mean = images.clone().reshape([batch, channels * height * width]).mean_dim(1).reshape([batch, 1, 1, 1]);
            let factors = factors(bound);
            (images * factors.clone() + (mean.clone() - mean * factors)).clamp(0.0, 1.0)
        }
        Transform::Noise(deviation) => {
            let noise = draw.values(number, step.probability, channels * height * width, |rng| {
                let normal: f32 = StandardNormal.sample(rng);
                deviation as f32 * normal
            });
            (images + single(noise, [batch, channels, height, width], &device)).clamp(0.0, 1.0)
        }
        Transform::Erase(area) => {
            let size = [height, width];
            let erased = draw.each(number, step.probability, |rng| Rectangle::of_share(rng, area, size));
            images * outside(&erased, size, &device)
        }
        _ => images,
    }
}
