//! Changes of values.

use super::geometry::{per_image, single};
use super::key::within;
use super::picture::{self, Tone};
use super::policy::{self, Change};
use super::rectangle::{Rectangle, outside};
use super::{AugmentKey, AugmentStep, Transform};
use burn::tensor::Tensor;
use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;
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
        transform if transform.is_tonal() => {
            let tones = draw.each(number, step.probability, |rng| transform.tones(rng, [height, width]));
            picture::change(images, &tones)
        }
        _ => images,
    }
}

impl Transform {
    /// Whether it changes the values of each image by [`Tone`]s of its own.
    fn is_tonal(self) -> bool {
        use Transform::{
            Autocontrast, ColorJitter, Equalize, Posterize, RandAugment, Sharpness, Solarize, TrivialAugment,
        };
        let policies = matches!(self, ColorJitter { .. } | RandAugment { .. } | TrivialAugment);
        policies || matches!(self, Sharpness(_) | Posterize(_) | Solarize(_) | Autocontrast | Equalize)
    }

    /// What is done to the values of one image of the height and width `size`; nothing without numbers.
    fn tones(self, rng: Option<&mut ChaCha8Rng>, size: [usize; 2]) -> Vec<Tone> {
        let Some(rng) = rng else { return Vec::new() };
        match self {
            Self::ColorJitter { brightness, contrast, saturation, hue } => {
                let mut between = |least: f64, most: f64| least + (most - least) * rng.random::<f64>();
                let mut factor = |strength: f64| between((1.0 - strength).max(0.0), 1.0 + strength);
                let mut tones = vec![
                    (brightness, Tone::Brightness(factor(brightness))),
                    (contrast, Tone::Contrast(factor(contrast))),
                    (saturation, Tone::Saturation(factor(saturation))),
                    (hue, Tone::Hue(between(-hue, hue))),
                ];
                tones.shuffle(rng);
                tones.into_iter().filter(|(strength, _)| *strength > 0.0).map(|(_, tone)| tone).collect()
            }
            Self::Sharpness(bound) => vec![Tone::Sharpness(1.0 + within(bound, &mut Some(rng)))],
            Self::Posterize(bits) => vec![Tone::Posterize(bits)],
            Self::Solarize(threshold) => vec![Tone::Solarize(threshold)],
            Self::Autocontrast => vec![Tone::Autocontrast],
            Self::Equalize => vec![Tone::Equalize],
            policy => {
                let tone = |change| if let Change::Tone(tone) = change { Some(tone) } else { None };
                policy::draw(policy, Some(rng), size).into_iter().filter_map(tone).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Factors uniform from max(0, 1 − s) to 1 + s, the hue from −h to h, and each of the 24 orders as often.
    #[test]
    fn color_jitter_draws_factors_and_their_order() {
        let images: Vec<usize> = (0..12_000).collect();
        let jitter = Transform::ColorJitter { brightness: 0.4, contrast: 1.0, saturation: 2.5, hue: 0.1 };
        let draw = AugmentKey { seed: 1, epoch: 1, images: &images };
        let drawn = draw.each(0, 1.0, |rng| jitter.tones(rng, [8, 8]));
        let mut orders = BTreeMap::<String, usize>::new();
        let mut factors = BTreeMap::<char, Vec<f64>>::new();
        for tones in &drawn {
            let mut order = String::new();
            for tone in tones {
                let (name, factor) = match *tone {
                    Tone::Brightness(factor) => ('b', factor),
                    Tone::Contrast(factor) => ('c', factor),
                    Tone::Saturation(factor) => ('s', factor),
                    Tone::Hue(turns) => ('h', turns),
                    _ => panic!("{tone:?} is no jitter"),
                };
                order.push(name);
                factors.entry(name).or_default().push(factor);
            }
            *orders.entry(order).or_default() += 1;
        }
        assert_eq!(orders.len(), 24, "{orders:?}");
        // 500 each, with a deviation of 22.
        assert!(orders.iter().all(|(order, count)| order.len() == 4 && (410..590).contains(count)), "{orders:?}");
        for (name, least, most) in [('b', 0.6, 1.4), ('c', 0.0, 2.0), ('s', 0.0, 3.5), ('h', -0.1, 0.1)] {
            let mut found = factors[&name].clone();
            found.sort_by(f64::total_cmp);
            assert_eq!(found.len(), 12_000);
            assert!(found[0] >= least && found[11_999] <= most, "{name}: {} to {}", found[0], found[11_999]);
            // Uniform: no part of the numbers is farther than 2 % of the range from where it should be.
            let worst = found.iter().enumerate().map(|(i, x)| ((x - least) / (most - least) - i as f64 / 12e3).abs());
            assert!(worst.fold(0.0, f64::max) < 0.02, "{name}");
        }
        let gray = Transform::ColorJitter { brightness: 0.0, contrast: 0.5, saturation: 0.0, hue: 0.0 };
        let drawn = draw.each(0, 1.0, |rng| gray.tones(rng, [8, 8]));
        assert!(drawn.iter().all(|tones| matches!(tones[..], [Tone::Contrast(_)])), "what has no strength is not done");
        assert!(draw.each(0, 0.0, |rng| jitter.tones(rng, [8, 8])).iter().all(Vec::is_empty));
    }
}
