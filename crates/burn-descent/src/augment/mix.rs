//! Mixtures of images and of their targets.

use super::geometry::per_image;
use super::rectangle::{Rectangle, lambda, outside};
use super::{AugmentKey, AugmentStep, Transform};
use burn::tensor::{FloatDType, Int, Tensor, TensorData};
use rand::seq::SliceRandom;

/// Mixes the images and, in the same shares, the targets `[batch, classes]`, if the step is one that does.
pub(super) fn mix(
    (number, step): (usize, &AugmentStep),
    images: Tensor<4>,
    targets: Tensor<2>,
    draw: &AugmentKey,
) -> (Tensor<4>, Tensor<2>) {
    let [_, _, height, width] = images.dims();
    let (size, device) = ([height, width], images.device());
    let (kept, shares): (Tensor<4>, Vec<f64>) = match step.transform {
        Transform::Mixup(alpha) => {
            let shares = draw.each(number, step.probability, |rng| lambda(rng, alpha));
            (per_image(shares.iter().copied(), &device), shares)
        }
        Transform::Cutmix(alpha) => {
            let exchanged = draw.each(number, step.probability, |rng| Rectangle::around(rng, alpha, size));
            let share = |rectangle: &Rectangle| 1.0 - rectangle.area() as f64 / (height * width) as f64;
            (outside(&exchanged, size, &device), exchanged.iter().map(share).collect())
        }
        _ => return (images, targets),
    };
    let mut partners: Vec<i64> = (0..shares.len() as i64).collect();
    partners.shuffle(&mut draw.batch(number));
    let shares = per_image(shares.into_iter(), &targets.device()).cast(FloatDType::from(targets.dtype()));
    (blend(images, kept, &partners), blend(targets, shares, &partners))
}

/// `λ·x + (1 − λ)·x′`
fn blend<const D: usize>(x: Tensor<D>, lambda: Tensor<D>, partners: &[i64]) -> Tensor<D> {
    let partners = Tensor::<1, Int>::from_data(TensorData::new(partners.to_vec(), [partners.len()]), &x.device());
    let other = x.clone().select(0, partners);
    x * lambda.clone() + other * (1.0 - lambda)
}
