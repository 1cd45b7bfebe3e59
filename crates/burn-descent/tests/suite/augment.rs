//! Distortions of training images and views of test images, on every backend.

mod policies;

use crate::common::{cpu_devices, values};
use burn::tensor::activation::softmax;
use burn::tensor::module::interpolate;
use burn::tensor::ops::{InterpolateMode, InterpolateOptions};
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use burn_descent::augment::{AugmentConfig, AugmentError, AugmentKey, Average, Transform, View, Views, rotate};
use std::collections::HashSet;

/// Images of scattered values in [0, 1].
fn picture(shape: [usize; 4], device: &Device) -> Tensor<4> {
    let value = |i: usize| ((i * 7919 + i * i * 31) % 1009) as f32 / 1008.0;
    Tensor::from_data(TensorData::new((0..shape.iter().product()).map(value).collect(), shape), device)
}

/// Images whose two channels are the columns and the rows of their pixels, which interpolation inside leaves exact.
fn places(batch: usize, [height, width]: [usize; 2], device: &Device) -> Tensor<4> {
    let place = |i: usize| {
        let (channel, row, column) = (i / (height * width) % 2, i / width % height, i % width);
        if channel == 0 { column as f32 } else { row as f32 }
    };
    let values = (0..batch * 2 * height * width).map(place).collect();
    Tensor::from_data(TensorData::new(values, [batch, 2, height, width]), device)
}

fn pipeline(text: &str) -> AugmentConfig {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// What a pipeline makes of images, the first of which is number `first`.
fn distorted_from(text: &str, images: Tensor<4>, seed: u64, first: usize) -> Tensor<4> {
    let numbers: Vec<usize> = (first..first + images.dims()[0]).collect();
    let augment = pipeline(text).init().expect("it is in range");
    augment
        .distort(images, &AugmentKey { seed, epoch: 1, images: &numbers })
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn distorted(text: &str, images: Tensor<4>) -> Tensor<4> {
    distorted_from(text, images, 1, 0)
}

fn numbers(tensor: Tensor<4>) -> Vec<f32> {
    tensor.into_data().try_into_vec().expect("f32")
}

const SHAPES: [&str; 10] = [
    "flip",
    "vertical-flip",
    "crop=3",
    "resized-crop=0.4",
    "rotation=40",
    "shift=3",
    "scale=0.3",
    "shear=0.4",
    "lens=0.3",
    "elastic=2:3",
];
const TONES: [&str; 12] = [
    "brightness=0.5",
    "contrast=0.5",
    "noise=0.2",
    "erase=0.5",
    "sharpness=0.9",
    "posterize=3",
    "solarize=0.5",
    "autocontrast",
    "equalize",
    "color-jitter=0.5:0.5:0.5:0.2",
    "randaugment=2:9",
    "trivialaugment",
];

/// Whether it is about colours, or rounds what is interpolated to bytes.
fn is_of_bytes_or_colours(text: &str) -> bool {
    ["posterize", "equalize", "color", "rand", "trivial"].iter().any(|name| text.contains(name))
}

// ---------------------------------------------------------------------------------------------------------------------
// What each distortion does

#[test]
fn no_strength_is_the_identity() {
    let zero = "crop=0,rotation=0,shift=0,scale=0,shear=0,lens=0,elastic=0:4,brightness=0,contrast=0,noise=0,erase=0@1,\
                sharpness=0,posterize=8@1,color-jitter=0:0:0:0";
    let never = [&SHAPES[..], &TONES[..]].concat().join("@0,") + "@0";
    for (backend, device) in cpu_devices() {
        for shape in [[3, 1, 28, 28], [2, 3, 9, 14], [1, 1, 1, 1]] {
            let images = picture(shape, &device);
            for text in [zero, &never, "mixup=0.2"] {
                let same = numbers(distorted(text, images.clone())) == numbers(images.clone());
                assert!(same, "{text} should change nothing on {backend}");
            }
        }
        let targets = Tensor::<2>::from_floats([[1.0, 0.0], [0.0, 1.0]], &device);
        let images = picture([2, 1, 4, 4], &device);
        for text in ["mixup=0,cutmix=0", "mixup=1@0,cutmix=1@0"] {
            let draw = AugmentKey { seed: 1, epoch: 1, images: &[3, 4] };
            let augment = pipeline(text).init().expect("in range");
            let (mixed, mixture) = augment.mix(images.clone(), targets.clone(), &draw).expect("it mixes");
            assert_eq!(numbers(mixed), numbers(images.clone()), "{text}");
            assert_eq!(values(&mixture), [1.0, 0.0, 0.0, 1.0], "{text}");
        }
    }
}

#[test]
fn flips_are_flips_and_involutions() {
    for (_, device) in cpu_devices() {
        for (text, axis) in [("flip@1", 3), ("vertical-flip@1", 2)] {
            let images = picture([2, 3, 5, 8], &device);
            let once = distorted(text, images.clone());
            assert_eq!(numbers(once.clone()), numbers(images.clone().flip([axis])), "{text}");
            assert_eq!(numbers(distorted(text, once)), numbers(images.clone()), "{text}");
            assert_eq!(numbers(distorted(&format!("{text},{text}"), images.clone())), numbers(images), "{text} twice");
        }
    }
}

#[test]
fn chance_spares_as_many_images_as_it_should() {
    let device = Device::flex();
    let images = picture([1, 1, 4, 4], &device).repeat_dim(0, 1000);
    for (text, expected) in [
        ("flip", 0.5),
        ("vertical-flip@0.2", 0.2),
        ("noise=0.5@0.7", 0.7),
        ("rotation=90@0.3", 0.3),
        ("posterize=1", 0.5),
        ("solarize=0@0.3", 0.3),
        ("color-jitter=0.5:0:0:0@0.6", 0.6),
        ("randaugment=8:30@0.4", 0.4),
    ] {
        let changed = numbers(distorted(text, images.clone()));
        let before = numbers(images.clone());
        let differing = changed.chunks(16).zip(before.chunks(16)).filter(|(found, before)| found != before).count();
        assert!((differing as f64 / 1000.0 - expected).abs() < 0.05, "{text}: {differing} of 1000");
    }
}

#[test]
fn each_image_is_rotated_by_its_own_angle() {
    for (backend, device) in cpu_devices() {
        let images = picture([4, 2, 7, 7], &device);
        let quarter = |image: Tensor<4>| image.swap_dims(2, 3).flip([3]);
        let turned = rotate(images.clone(), &[0.0, 90.0, -180.0, 270.0]).expect("an angle for each");
        for image in 0..4 {
            let part = |images: &Tensor<4>| images.clone().narrow(0, image, 1);
            let expected = (0..image).fold(part(&images), |image, _| quarter(image));
            let gap = crate::common::deviation(&values(&part(&turned)), &values(&expected));
            assert!(gap < 1e-5, "image {image} on {backend} is {gap} off");
        }
        // Clockwise by 30 degrees: what is to the right of the centre was higher up, and rows count downwards.
        let turned = numbers(rotate(places(1, [21, 21], &device), &[30.0]).expect("an angle"));
        let right = 10 * 21 + 14;
        let expected = [10.0 + 4.0 * 30.0_f32.to_radians().cos(), 10.0 - 4.0 * 30.0_f32.to_radians().sin()];
        assert!((turned[right] - expected[0]).abs() < 1e-5, "{backend}");
        assert!((turned[21 * 21 + right] - expected[1]).abs() < 1e-5, "{backend}");
    }
}

#[test]
fn crops_are_pieces_at_whole_pixels() {
    for (_, device) in cpu_devices() {
        for (text, padding, size) in [("crop=2", 2, [5, 6]), ("crop=1:3:8", 1, [3, 8]), ("crop=0:4:3", 0, [4, 3])] {
            let image = picture([1, 2, 5, 6], &device);
            let room = [5 + 2 * padding, 6 + 2 * padding];
            let padded = image.clone().pad((padding, padding, padding, padding), 0.0);
            let pieces: Vec<Vec<f32>> = (0..=room[0] - size[0])
                .flat_map(|top| (0..=room[1] - size[1]).map(move |left| (top, left)))
                .map(|(top, left)| numbers(padded.clone().narrow(2, top, size[0]).narrow(3, left, size[1])))
                .collect();
            let found = distorted(text, image.repeat_dim(0, 400));
            assert_eq!(found.dims(), [400, 2, size[0], size[1]]);
            let found = numbers(found);
            let mut seen = vec![0; pieces.len()];
            for crop in found.chunks(2 * size[0] * size[1]) {
                let place = pieces.iter().position(|piece| piece == crop);
                seen[place.unwrap_or_else(|| panic!("{text}: {crop:?} is no piece"))] += 1;
            }
            assert!(seen.iter().all(|count| *count > 0), "{text}: every place should come: {seen:?}");
        }
    }
}

#[test]
fn resized_crops_have_their_share_of_the_area() {
    let device = Device::flex();
    let (count, side) = (300, 40);
    for (text, least, size) in [
        ("resized-crop=0.3", 0.3, [side, side]),
        ("resized-crop=0.3:20:30", 0.3, [20, 30]),
        ("resized-crop=0.9", 0.9, [side, side]),
    ] {
        let found = distorted(text, places(count, [side, side], &device));
        assert_eq!(found.dims(), [count, 2, size[0], size[1]]);
        let found = numbers(found);
        let mut shares = Vec::new();
        for image in found.chunks(2 * size[0] * size[1]) {
            let (x, y) = image.split_at(size[0] * size[1]);
            // Steps between neighbours in the middle, where nothing comes from outside.
            let middle = size[0] / 2 * size[1] + size[1] / 2;
            let steps = [x[middle + 1] - x[middle], y[middle + size[1]] - y[middle]];
            let [width, height] = [steps[0] * size[1] as f32, steps[1] * size[0] as f32].map(|side| side / 40.0);
            assert!(width <= 1.0001 && height <= 1.0001, "{text}: {width} x {height}");
            assert!((0.7499..1.3335).contains(&(width / height)), "{text}: {width} x {height}");
            shares.push(width * height);
        }
        let mean = shares.iter().sum::<f32>() / count as f32;
        assert!(shares.iter().all(|share| (least - 1e-4..1.0001).contains(share)), "{text}: {shares:?}");
        // Uniform: the mean of 300 deviates by a tenth of the deviation of one.
        let expected = f32::midpoint(least, 1.0);
        assert!((mean - expected).abs() < 0.2 * (1.0 - least) / 12.0_f32.sqrt(), "{text}: {mean}, expected {expected}");
    }
}

/// Also where it is enlarged, whose pixels at the border lie farther out than the centres of the original's.
#[test]
fn a_crop_of_everything_is_the_image() {
    let options = InterpolateOptions::new(InterpolateMode::Bilinear).with_align_corners(false);
    for (backend, device) in cpu_devices() {
        let images = picture([3, 2, 12, 20], &device);
        let same = values(&distorted("resized-crop=1", images.clone()));
        assert!(crate::common::deviation(&same, &values(&images)) < 1e-6, "on {backend}");
        let larger = values(&distorted("resized-crop=1:30:50", images.clone()));
        let expected = values(&interpolate(images, options.clone().with_output_size([30, 50])));
        let gap = crate::common::deviation(&larger, &expected);
        assert!(gap < 1e-5, "enlarging is {gap} off on {backend}");
        let white = numbers(distorted("resized-crop=0.2:48:48", Tensor::ones([40, 1, 12, 20], &device)));
        assert!(white.iter().all(|value| (value - 1.0).abs() < 1e-5), "white should stay white on {backend}");
    }
}

#[test]
fn elastic_displacements_have_their_deviation_and_are_smooth() {
    let device = Device::flex();
    let (count, side) = (200, 48);
    let before = places(count, [side, side], &device);
    let moved = numbers(distorted("elastic=1.5:5", before.clone()) - before);
    for (place, channel) in [((24, 24), 0), ((9, 30), 1), ((9, 9), 0)] {
        let at = |image: usize, row: usize, column: usize| moved[((image * 2 + channel) * side + row) * side + column];
        let (row, column) = place;
        let here: Vec<f32> = (0..count).map(|image| at(image, row, column)).collect();
        let deviation = (here.iter().map(|d| d * d).sum::<f32>() / count as f32).sqrt();
        assert!((deviation / 1.5 - 1.0).abs() < 0.15, "{deviation} at {place:?}");
        let apart = |distance: usize| {
            let products = here.iter().enumerate().map(|(image, d)| d * at(image, row, column + distance));
            products.sum::<f32>() / count as f32 / (deviation * deviation)
        };
        // Gaussians of deviation 5 overlap by exp(−d²/100).
        assert!(apart(1) > 0.97 && (apart(5) - 0.78).abs() < 0.12, "{} and {} at {place:?}", apart(1), apart(5));
    }
}

#[test]
fn all_channels_are_distorted_alike() {
    for (backend, device) in cpu_devices() {
        let gray = picture([4, 1, 12, 15], &device);
        let colour = gray.clone().repeat_dim(1, 3);
        for text in SHAPES.iter().chain(&TONES).filter(|text| !text.starts_with("noise")) {
            let expected = numbers(distorted(text, gray.clone()).repeat_dim(1, 3));
            let found = numbers(distorted(text, colour.clone()));
            let gap = found.iter().zip(&expected).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
            // The weights of the luma sum to 0.9999.
            let most = if is_of_bytes_or_colours(text) { 2e-4 } else { 1e-6 };
            assert!(found.len() == expected.len() && gap < most, "{text} on {backend}: {gap}");
        }
    }
}

#[test]
fn brightness_and_contrast_are_linear() {
    for (_, device) in cpu_devices() {
        // Between 0.4 and 0.6, so that nothing is cut off.
        let images = picture([50, 3, 6, 6], &device) * 0.2 + 0.4;
        let before = numbers(images.clone());
        for text in ["brightness=0.5", "contrast=0.5"] {
            let after = numbers(distorted(text, images.clone()));
            let mut factors = Vec::new();
            for (before, after) in before.chunks(108).zip(after.chunks(108)) {
                let mean = before.iter().sum::<f32>() / 108.0;
                let origin = if text.starts_with('b') { 0.0 } else { mean };
                let factor = (after[0] - origin) / (before[0] - origin);
                let fits = before.iter().zip(after).all(|(x, y)| ((x - origin) * factor + origin - y).abs() < 1e-4);
                assert!(fits && (0.499..1.501).contains(&factor), "{text}: {factor}");
                factors.push(factor);
            }
            let (least, most) =
                (factors.iter().fold(2.0_f32, |a, b| a.min(*b)), factors.iter().fold(0.0_f32, |a, b| a.max(*b)));
            assert!(least < 0.7 && most > 1.3, "{text}: from {least} to {most}");
        }
        let extreme = numbers(distorted("brightness=1,contrast=1", picture([20, 1, 5, 5], &device)));
        assert!(extreme.iter().all(|value| (0.0..=1.0).contains(value)));
    }
}

#[test]
fn noise_has_its_deviation_and_stays_in_range() {
    for (_, device) in cpu_devices() {
        let images = Tensor::<4>::full([10, 3, 40, 40], 0.5, &device);
        let found = numbers(distorted("noise=0.1", images.clone()));
        let count = found.len() as f64;
        let mean = found.iter().map(|value| f64::from(*value)).sum::<f64>() / count;
        let deviation = (found.iter().map(|value| (f64::from(*value) - mean).powi(2)).sum::<f64>() / count).sqrt();
        assert!((mean - 0.5).abs() < 0.003 && (deviation - 0.1).abs() < 0.003, "{mean} ± {deviation}");
        assert!(found[..1600] != found[1600..3200], "channels should have noise of their own");
        assert!(numbers(distorted("noise=1", images)).iter().all(|value| (0.0..=1.0).contains(value)));
    }
}

#[test]
fn what_is_erased_is_a_rectangle() {
    let device = Device::flex();
    let (height, width) = (20, 30);
    let found = numbers(distorted("erase=0.4@1", Tensor::ones([200, 1, height, width], &device)));
    let (mut areas, mut ratios) = (Vec::new(), Vec::new());
    for image in found.chunks(height * width) {
        let gone: Vec<(usize, usize)> =
            (0..height * width).filter(|&i| image[i] == 0.0).map(|i| (i / width, i % width)).collect();
        assert!(image.iter().all(|value| [0.0, 1.0].contains(value)));
        let sides = |of: fn(&(usize, usize)) -> usize| {
            let all: HashSet<usize> = gone.iter().map(of).collect();
            all.iter().max().zip(all.iter().min()).map_or(0, |(last, first)| last - first + 1)
        };
        let (rows, columns) = (sides(|place| place.0), sides(|place| place.1));
        assert_eq!(gone.len(), rows * columns, "what is gone should fill its box");
        let area = gone.len() as f64 / (height * width) as f64;
        areas.push(area);
        // Sides are whole pixels: of small rectangles the proportions say little.
        if area > 0.1 {
            let ratio = columns as f64 / rows as f64 / (width as f64 / height as f64);
            assert!((0.3..3.4).contains(&ratio), "{rows} x {columns}");
            ratios.push(ratio);
        }
    }
    let wide = ratios.iter().filter(|ratio| **ratio > 1.0).count();
    assert!((0.35..0.65).contains(&(wide as f64 / ratios.len() as f64)), "{wide} of {} are wide", ratios.len());
    let mean = areas.iter().sum::<f64>() / areas.len() as f64;
    assert!(areas.iter().all(|area| *area < 0.45) && (0.16..0.24).contains(&mean), "{mean}");
    let all = numbers(distorted("erase=1@1", Tensor::ones([400, 1, 40, 40], &device)));
    let mean = all.iter().filter(|value| **value == 0.0).count() as f64 / all.len() as f64;
    assert!((mean - 0.5).abs() < 0.06, "uniform up to all of the image: {mean}");
}

// ---------------------------------------------------------------------------------------------------------------------
// Mixing

/// Images of one value each, a different one for each class: the mean of a mixture tells how much of each is in it.
#[test]
fn targets_are_mixed_as_images_are() {
    let batch = 12;
    for (backend, device) in cpu_devices() {
        let levels: Vec<f32> = (0..batch).map(|i| i as f32 / 11.0).collect();
        let level = Tensor::<1>::from_floats(&levels[..], &device);
        let images = level.clone().reshape([batch, 1, 1, 1]).expand([batch, 3, 10, 14]);
        let targets = Tensor::<1, Int>::arange(0..batch as i64, &device).one_hot::<2>(batch).float();
        let numbers: Vec<usize> = (0..batch).collect();
        for text in ["mixup=1", "cutmix=1", "cutmix=1,mixup=0.4", "mixup=1@0.5"] {
            let augment = pipeline(text).init().expect("in range");
            assert!(augment.mixes());
            let mut untouched = 0;
            for epoch in 1..=20 {
                let draw = AugmentKey { seed: 2, epoch, images: &numbers };
                let (mixed, mixture) = augment.mix(images.clone(), targets.clone(), &draw).expect("it mixes");
                let rows = values(&mixture);
                for (index, row) in rows.chunks(batch).enumerate() {
                    assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-5, "{text} on {backend}: {row:?}");
                    assert!(row.iter().all(|share| (0.0..=1.0).contains(share)), "{text} on {backend}: {row:?}");
                    let most = if text.contains(',') { 4 } else { 2 };
                    assert!(row.iter().filter(|share| **share > 0.0).count() <= most, "{text}: {row:?}");
                    untouched += usize::from(row[index] == 1.0);
                }
                let means = values(&mixed.reshape([batch, 420]).mean_dim(1));
                let expected = values(&mixture.matmul(level.clone().reshape([batch, 1])));
                let gap = crate::common::deviation(&means, &expected);
                assert!(gap < 1e-5, "{text} on {backend}: the mixtures are {gap} off");
            }
            assert!(untouched < 200, "{text}: {untouched} of 240 were left as they are");
        }
    }
}

/// Whatever α, λ is a share, and a larger α mixes more evenly.
#[test]
fn alpha_tells_how_evenly_images_are_mixed() {
    let device = Device::flex();
    let targets = Tensor::<1, Int>::arange(0..100, &device).one_hot::<2>(100).float();
    let numbers: Vec<usize> = (0..100).collect();
    let mut evenness = Vec::new();
    for alpha in [1e-12, 0.1, 1.0, 10.0, 1000.0] {
        let augment = AugmentConfig::new().then(Transform::Mixup(alpha)).init().expect("in range");
        let draw = AugmentKey { seed: 1, epoch: 1, images: &numbers };
        let (_, mixture) =
            augment.mix(Tensor::ones([100, 1, 2, 2], &device), targets.clone(), &draw).expect("it mixes");
        let shares = values(&mixture);
        assert!(shares.iter().all(|share| (0.0..=1.0).contains(share)), "alpha {alpha}");
        evenness.push(shares.iter().map(|share| share * (1.0 - share)).sum::<f64>());
    }
    assert!(evenness.is_sorted() && evenness[0] < 1.0, "{evenness:?}");
}

// ---------------------------------------------------------------------------------------------------------------------
// Whole pipelines

const EVERYTHING: &str = "flip,vertical-flip,crop=3,resized-crop=0.5,rotation=30,shift=2,lens=0.3,scale=0.2@0.5,shear=0.2,\
                          elastic=1:4,brightness=0.3,contrast=0.3,noise=0.1,erase=0.3,color-jitter=0.2:0.2:0.2:0.1,sharpness=0.5";

const POLICIES: &str = "randaugment=2:9,color-jitter=0.4:0.4:0.4:0.1,trivialaugment";

#[test]
fn the_same_numbers_distort_alike() {
    let device = Device::flex();
    let images = picture([6, 3, 16, 16], &device);
    let at = |seed, first| numbers(distorted_from(EVERYTHING, images.clone(), seed, first));
    assert!(at(1, 0) == at(1, 0), "the same seed should give the same");
    assert!(at(1, 0) != at(2, 0), "another seed should give another distortion");
    assert!(at(1, 0) != at(1, 1), "another image should be distorted in another way");
    let augment = pipeline(EVERYTHING).init().expect("in range");
    let alone = augment.distort(images.clone().narrow(0, 3, 1), &AugmentKey { seed: 1, epoch: 1, images: &[3] });
    let alone = numbers(alone.expect("one image"));
    assert!(alone == at(1, 0)[3 * alone.len()..4 * alone.len()], "the rest of the batch should not matter");
    let later = augment.distort(images.clone(), &AugmentKey { seed: 1, epoch: 2, images: &[0, 1, 2, 3, 4, 5] });
    assert!(numbers(later.expect("an epoch later")) != at(1, 0), "each epoch should distort in its own way");
    let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    assert!(one_thread.install(|| at(1, 0)) == at(1, 0), "threads should not matter");
}

/// The devices beside flex, with what they are called.
fn others() -> Vec<(&'static str, Device)> {
    let devices = cpu_devices().into_iter().filter(|(name, _)| *name != "flex");
    #[cfg(feature = "wgpu")]
    let devices = devices.chain([("wgpu", crate::common::wgpu_device())]);
    devices.collect()
}

#[test]
fn backends_agree() {
    let numbers_of = |count: usize| (0..count).collect::<Vec<_>>();
    for (backend, device) in others() {
        // Smooth, so that a rounded place is a rounded value.
        let smooth = distorted("resized-crop=0.1:16:21", picture([5, 3, 8, 21], &Device::flex()));
        // wgpu compiles kernels for each pipeline, on a software device for seconds.
        let single = SHAPES.iter().chain(&TONES).filter(|_| backend != "wgpu");
        for text in single.chain([&EVERYTHING, &POLICIES, &"crop=1:9:5"]) {
            let expected = values(&distorted(text, smooth.clone()));
            let found = values(&distorted(text, Tensor::from_data(smooth.to_data(), &device)));
            let gap = crate::common::deviation(&found, &expected);
            let farther = found.iter().zip(&expected).filter(|(x, y)| (*x - *y).abs() > 2e-4).count();
            let bytes = is_of_bytes_or_colours(text) && farther * 100 <= found.len();
            assert!(gap < 2e-4 || bytes, "{text} on {backend}: {farther} are up to {gap} off");
        }
        for text in ["mixup=0.3", "cutmix=1"] {
            let mix = |device: &Device| {
                let targets = Tensor::<1, Int>::from_ints([3, 1, 4, 1, 5], device).one_hot::<2>(6).float();
                let augment = pipeline(text).init().expect("in range");
                let draw = AugmentKey { seed: 1, epoch: 3, images: &numbers_of(5) };
                let (images, targets) = augment.mix(picture([5, 3, 8, 8], device), targets, &draw).expect("it mixes");
                [values(&images), values(&targets)].concat()
            };
            let gap = crate::common::deviation(&mix(&device), &mix(&Device::flex()));
            assert!(gap < 1e-5, "{text} on {backend} is {gap} off");
        }
        for views in [Views::Identity, Views::TenCrop] {
            let mean = |device: &Device| {
                let model = |images: Tensor<4>| (images.clone() * images).mean_dim(3).mean_dim(2).reshape([5, 3]);
                values(&views.average(picture([5, 3, 16, 21], device), [7, 7], Average::Logits, model).expect("views"))
            };
            let gap = crate::common::deviation(&mean(&device), &mean(&Device::flex()));
            assert!(gap < 1e-4, "{views} on {backend} is {gap} off");
        }
    }
}

#[test]
fn autodiff_and_precision_stay() {
    let images = picture([2, 1, 8, 8], &Device::flex());
    let expected = values(&distorted(EVERYTHING, images.clone()));
    let tracked = distorted(EVERYTHING, images.clone().autodiff());
    assert!(tracked.is_autodiff() && values(&tracked.inner()) == expected);
    for dtype in [DType::F64, DType::F16] {
        let found = distorted(EVERYTHING, images.clone().cast(burn::tensor::FloatDType::from(dtype)));
        assert_eq!(found.dtype(), dtype);
        assert!(crate::common::deviation(&values(&found), &expected) < 1e-2, "{dtype:?}");
        let targets = Tensor::<2>::from_floats([[1.0, 0.0], [0.0, 1.0]], &Device::flex());
        let augment = pipeline("mixup=1,cutmix=1").init().expect("in range");
        let draw = AugmentKey { seed: 1, epoch: 1, images: &[0, 1] };
        let (_, expected) = augment.mix(images.clone(), targets.clone(), &draw).expect("it mixes");
        let targets = targets.cast(burn::tensor::FloatDType::from(dtype));
        let (_, found) = augment.mix(images.clone(), targets, &draw).expect("it mixes");
        assert_eq!(found.dtype(), dtype);
        assert!(crate::common::deviation(&values(&found), &values(&expected)) < 1e-2, "{dtype:?}");
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Mistakes, text and files

#[test]
fn values_out_of_range_are_refused() {
    use Transform::*;
    let elastic = |deviation, smoothness| Elastic { deviation, smoothness };
    let jitter = |brightness, contrast, saturation, hue| ColorJitter { brightness, contrast, saturation, hue };
    for (transform, message) in [
        (Rotation(-3.0), "rotation should be in [0, 180], but is -3"),
        (Rotation(180.5), "rotation should be in [0, 180], but is 180.5"),
        (Shift(f64::INFINITY), "shift should be in [0, 1000], but is inf"),
        (Scale(1.0), "scale should be in [0, 1), but is 1"),
        (Shear(-0.1), "shear should be in [0, 1], but is -0.1"),
        (Lens(0.4), "lens should be in [0, 0.3333333333333333], but is 0.4"),
        (elastic(-1.0, 4.0), "deviation should be in [0, 1000], but is -1"),
        (elastic(1.0, 0.5), "smoothness should be at least 1, but is 0.5"),
        (Crop { padding: 1001, size: None }, "padding should be in [0, 1000], but is 1001"),
        (Crop { padding: 0, size: Some([0, 5]) }, "size should be in [1, 16384], but is 0"),
        (ResizedCrop { area: 0.0, size: None }, "area should be in (0, 1], but is 0"),
        (ResizedCrop { area: 1.5, size: None }, "area should be in (0, 1], but is 1.5"),
        (Brightness(1.5), "brightness should be in [0, 1], but is 1.5"),
        (Contrast(-0.5), "contrast should be in [0, 1], but is -0.5"),
        (Noise(f64::NAN), "noise should be in [0, 1], but is NaN"),
        (Sharpness(-1.0), "sharpness should be in [0, 1], but is -1"),
        (Posterize(0), "posterize should be in [1, 8], but is 0"),
        (Posterize(9), "posterize should be in [1, 8], but is 9"),
        (Solarize(1.5), "solarize should be in [0, 1], but is 1.5"),
        (jitter(-0.4, 0.0, 0.0, 0.0), "brightness should be in [0, 1000], but is -0.4"),
        (jitter(0.0, f64::INFINITY, 0.0, 0.0), "contrast should be in [0, 1000], but is inf"),
        (jitter(0.0, 0.0, f64::NAN, 0.0), "saturation should be in [0, 1000], but is NaN"),
        (jitter(0.0, 0.0, 0.0, 0.6), "hue should be in [0, 0.5], but is 0.6"),
        (RandAugment { operations: 0, magnitude: 9 }, "operations should be in [1, 100], but is 0"),
        (RandAugment { operations: 2, magnitude: 31 }, "magnitude should be in [0, 30], but is 31"),
        (Erase(2.0), "erase should be in [0, 1], but is 2"),
        (Mixup(-1.0), "mixup should be in [0, 1000], but is -1"),
        (Cutmix(f64::NAN), "cutmix should be in [0, 1000], but is NaN"),
    ] {
        let error = AugmentConfig::new().then(transform).init().expect_err(message);
        assert_eq!(error.to_string(), format!("Augment: {message}"));
    }
    for probability in [-0.1, 1.1, f64::NAN] {
        let error = AugmentConfig::new().then_at(probability, Flip).init().expect_err("no probability");
        assert_eq!(error.to_string(), format!("Augment: probability should be in [0, 1], but is {probability}"));
    }
}

#[test]
fn images_that_do_not_fit_are_refused() {
    let device = Device::flex();
    let error = |text: &str, shape, images: &[usize]| {
        let augment = pipeline(text).init().expect("in range");
        let draw = AugmentKey { seed: 1, epoch: 1, images };
        augment.distort(Tensor::zeros(shape, &device), &draw).expect_err("it does not fit")
    };
    for shape in [[0, 1, 28, 28], [1, 0, 28, 28], [1, 1, 0, 28], [1, 1, 28, 0]] {
        assert_eq!(error("flip", shape, &[0; 1][..shape[0]]), AugmentError::Empty { shape });
    }
    assert_eq!(
        error("flip", [3, 1, 4, 4], &[1, 2]).to_string(),
        "there should be 3 numbers in `AugmentKey::images`, one for each image, but there are 2"
    );
    assert_eq!(
        error("crop=2:33:20", [1, 1, 28, 28], &[0]).to_string(),
        "crop should be at most the image with its padding, [32, 32] pixels, but is [33, 20]"
    );
    // The second crop is of what the first leaves.
    assert_eq!(
        error("crop=0:20:20,crop=0:21:20", [1, 1, 28, 28], &[0]),
        AugmentError::Crop { crop: [21, 20], room: [20, 20] }
    );
    assert_eq!(pipeline("crop=0:20:18,crop=1:22:5,rotation=3").init().expect("in range").size([28, 28]), Ok([22, 5]));
    let error = |shape, degrees: &[f64]| rotate(Tensor::zeros(shape, &device), degrees).expect_err("it does not fit");
    assert_eq!(error([0, 1, 4, 4], &[]), AugmentError::Empty { shape: [0, 1, 4, 4] });
    let message = "there should be 2 angles, one for each image, but there are 1";
    assert_eq!(error([2, 1, 4, 4], &[0.0]).to_string(), message);
    let message = "Augment: degrees should be in [-360, 360], but is NaN";
    assert_eq!(error([1, 1, 4, 4], &[f64::NAN]).to_string(), message);
    let augment = pipeline("mixup=1").init().expect("in range");
    let draw = AugmentKey { seed: 1, epoch: 1, images: &[0, 1] };
    let error = augment.mix(Tensor::zeros([2, 1, 4, 4], &device), Tensor::zeros([3, 10], &device), &draw);
    let message = "there should be 2 targets, one for each image, but there are 3";
    assert_eq!(error.expect_err("a target too many").to_string(), message);
}

const VALUES: &str = "sharpness=0.5,posterize=4,solarize=0.5@1,autocontrast,equalize@0.1,color-jitter=0.4:0.4:0.4:0.1@0.8,\
                      randaugment=2:9@0.5,trivialaugment";

#[test]
fn pipelines_are_text_and_json() {
    let all = format!("{EVERYTHING},crop=0:24:20,resized-crop=0.5:28:28,mixup=0.2,cutmix=1@0.5,{POLICIES}");
    for text in [all.as_str(), "rotation=10,shift=2,scale=0.1", "rotation=0", "flip@1", "erase=0.2@0.25", VALUES] {
        let config = pipeline(text);
        assert_eq!(config.to_string(), text);
        let json = serde_json::to_string(&config).expect("JSON");
        assert_eq!(serde_json::from_str::<AugmentConfig>(&json).expect("the same pipeline"), config, "{json}");
    }
    assert_eq!(pipeline("default"), AugmentConfig::digits());
    assert_eq!(pipeline("default,noise=0.1").to_string(), "rotation=10,shift=2,scale=0.1,noise=0.1");
    assert_eq!(pipeline(" shift = 3 @ 0.5 , flip "), pipeline("shift=3@0.5,flip"));
    let json = serde_json::to_string(&pipeline("flip,elastic=1:4@0.2")).expect("JSON");
    let expected = concat!(
        r#"[{"transform":"flip","probability":0.5},"#,
        r#"{"transform":{"elastic":{"deviation":1.0,"smoothness":4.0}},"probability":0.2}]"#
    );
    assert_eq!(json, expected);
    let json =
        serde_json::to_string(&pipeline("trivialaugment,randaugment=2:9,color-jitter=0.4:0.3:0.2:0.1")).expect("JSON");
    let expected = concat!(
        r#"[{"transform":"trivialaugment","probability":1.0},"#,
        r#"{"transform":{"randaugment":{"operations":2,"magnitude":9}},"probability":1.0},"#,
        r#"{"transform":{"color_jitter":{"brightness":0.4,"contrast":0.3,"saturation":0.2,"hue":0.1}},"probability":1.0}]"#
    );
    assert_eq!(json, expected);
    let wrong = r#"[{"transform":"flip","probability":0.5,"chance":1}]"#;
    assert!(serde_json::from_str::<AugmentConfig>(wrong).expect_err("no such field").to_string().contains("`chance`"));
    let wrong = r#"[{"transform":{"crop":{"padding":0,"sise":[20,20]}},"probability":1.0}]"#;
    assert!(serde_json::from_str::<AugmentConfig>(wrong).expect_err("no such field").to_string().contains("`sise`"));
}

#[test]
fn wrong_text_is_refused() {
    let message = |text: &str| text.parse::<AugmentConfig>().expect_err(text).to_string();
    for (text, name) in [("blur=1", "blur"), ("", ""), ("shift=2,", ""), ("Flip", "Flip"), ("crop:2", "crop:2")] {
        let start = format!("unknown distortion `{name}`; known: flip, vertical-flip, crop=PADDING[:HEIGHT:WIDTH], ");
        assert!(message(text).starts_with(&start), "{}", message(text));
        let policies = "randaugment=OPERATIONS:MAGNITUDE, trivialaugment";
        assert!(message(text).contains(policies), "{}", message(text));
    }
    let end = ", and @PROBABILITY after it if wanted";
    for (text, usage) in [
        ("shift", "shift=PIXELS"),
        ("shift=", "shift=PIXELS"),
        ("shift=two", "shift=PIXELS"),
        ("shift=2:3", "shift=PIXELS"),
        ("flip=0.5", "flip"),
        ("flip@often", "flip"),
        ("flip@", "flip"),
        ("crop=1.5", "crop=PADDING[:HEIGHT:WIDTH]"),
        ("crop=-1", "crop=PADDING[:HEIGHT:WIDTH]"),
        ("crop=1:20", "crop=PADDING[:HEIGHT:WIDTH]"),
        ("elastic=1", "elastic=DEVIATION:SMOOTHNESS"),
        ("posterize=2.5", "posterize=BITS"),
        ("equalize=1", "equalize"),
        ("color-jitter=0.4", "color-jitter=BRIGHTNESS:CONTRAST:SATURATION:HUE"),
        ("color-jitter=0.4:0.4:0.4:0.1:0", "color-jitter=BRIGHTNESS:CONTRAST:SATURATION:HUE"),
        ("randaugment", "randaugment=OPERATIONS:MAGNITUDE"),
        ("randaugment=2", "randaugment=OPERATIONS:MAGNITUDE"),
        ("randaugment=2:9.5", "randaugment=OPERATIONS:MAGNITUDE"),
        ("trivialaugment=9", "trivialaugment"),
    ] {
        assert_eq!(message(text), format!("distortion `{text}`: expected {usage}{end}"));
    }
    assert_eq!(message("flip@1.5"), "Augment: probability should be in [0, 1], but is 1.5");
    assert_eq!(message("randaugment=2:40"), "Augment: magnitude should be in [0, 30], but is 40");
    assert_eq!(message("scale=1.5"), "Augment: scale should be in [0, 1), but is 1.5");
    let views = "tencrop".parse::<Views>().expect_err("no such views").to_string();
    assert_eq!(views, "unknown views `tencrop`; known: identity, flips, five-crop, ten-crop, szegedy");
}

// ---------------------------------------------------------------------------------------------------------------------
// Views

#[test]
fn there_are_144_views_and_each_is_another() {
    for image in [[480, 640], [640, 480], [60, 84]] {
        let network = if image[0] > 100 { 224 } else { 28 };
        let views = Views::Szegedy.list(image, [network, network]).expect("views");
        assert_eq!(views.len(), 144);
        let mut different = HashSet::new();
        for view in &views {
            different.insert((view.resized, view.start, view.size, view.mirrored));
            assert!((0..2).all(|axis| view.start[axis] + view.size[axis] <= view.resized[axis]), "{view:?} is outside");
        }
        assert_eq!(different.len(), 144, "each view should come once");
        assert_eq!(views.iter().filter(|view| view.mirrored).count(), 72);
        let shorter: HashSet<usize> = views.iter().map(|view| view.resized[0].min(view.resized[1])).collect();
        let scales = [8, 9, 10, 11].map(|sevenths| sevenths * network / 7);
        assert_eq!(shorter, HashSet::from(scales), "256, 288, 320 and 352 for 224");
        for scale in scales {
            let of_scale: Vec<&View> = views
                .iter()
                .filter(|view| view.resized.contains(&scale) && view.resized.iter().min() == Some(&scale))
                .collect();
            assert_eq!(of_scale.len(), 36);
            assert_eq!(of_scale.iter().filter(|view| view.size == [scale, scale]).count(), 6, "whole squares");
            assert_eq!(of_scale.iter().filter(|view| view.size == [network, network]).count(), 30, "crops");
            // Both ends of the longer axis are seen, and the middle.
            let axis = usize::from(image[1] > image[0]);
            let squares: Vec<usize> = of_scale
                .iter()
                .filter(|view| view.size[0] == scale && !view.mirrored)
                .map(|view| view.start[axis])
                .collect();
            let rest = of_scale[0].resized[axis] - scale;
            assert_eq!(squares, [0, rest / 2, rest]);
        }
    }
    // A square image has one square, not three.
    let views = Views::Szegedy.list([28, 28], [28, 28]).expect("views");
    let different: HashSet<_> = views.iter().map(|view| (view.resized, view.start, view.size, view.mirrored)).collect();
    assert_eq!((views.len(), different.len()), (144, 48));
}

#[test]
fn crops_are_corners_and_centre() {
    let ten = Views::TenCrop.list([32, 32], [28, 28]).expect("views");
    let starts: Vec<_> = ten.iter().filter(|view| !view.mirrored).map(|view| view.start).collect();
    assert_eq!(starts, [[0, 0], [0, 4], [4, 0], [4, 4], [2, 2]]);
    assert!(ten.iter().all(|view| view.resized == [32, 32] && view.size == [28, 28]));
    let five = Views::FiveCrop.list([32, 32], [28, 28]).expect("views");
    assert_eq!(five.iter().map(|view| view.start).collect::<Vec<_>>(), starts);
    let counts = Views::ALL.map(|views| views.list([50, 40], [28, 28]).expect("views").len());
    assert_eq!(counts, [1, 2, 5, 10, 144]);
    for [height, width] in [[0, 5], [5, 0]] {
        let empty = Err(AugmentError::Empty { shape: [1, 1, height, width] });
        assert_eq!(Views::Flips.list([height, width], [5, 5]), empty);
        assert_eq!(Views::Flips.list([5, 5], [height, width]), empty);
    }
}

/// Each of the 144 by itself, though equal ones come three times where an image is nearly a square, and not all as often.
#[test]
fn szegedys_average_is_the_mean_over_all_views() {
    let options = InterpolateOptions::new(InterpolateMode::Bilinear).with_align_corners(false);
    let resize = |images: Tensor<4>, size: [usize; 2]| {
        if images.dims()[2..] == size { images } else { interpolate(images, options.clone().with_output_size(size)) }
    };
    for (backend, device) in cpu_devices() {
        for [height, width] in [[40, 60], [60, 40], [28, 29]] {
            let images = picture([2, 2, height, width], &device);
            let places = picture([1, 2, 28, 28], &device);
            let model = |images: Tensor<4>| (images * places.clone()).mean_dim(3).mean_dim(2).reshape([2, 2]);
            let views = Views::Szegedy.list([height, width], [28, 28]).expect("views");
            let look = |view: &View| {
                let part = resize(images.clone(), view.resized);
                let part = part.narrow(2, view.start[0], view.size[0]).narrow(3, view.start[1], view.size[1]);
                let part = resize(part, [28, 28]);
                values(&model(if view.mirrored { part.flip([3]) } else { part }))
            };
            let all: Vec<Vec<f64>> = views.iter().map(look).collect();
            let expected: Vec<f64> = (0..4).map(|i| all.iter().map(|one| one[i]).sum::<f64>() / 144.0).collect();
            let found = Views::Szegedy.average(images, [28, 28], Average::Logits, model).expect("views");
            let gap = crate::common::deviation(&values(&found), &expected);
            assert!(gap < 1e-5, "{height}x{width} on {backend}: {gap} off");
        }
    }
}

/// The crops of an image that is resized already, and their mean.
#[test]
fn the_average_is_the_mean_over_all_views() {
    for (backend, device) in cpu_devices() {
        let images = picture([3, 2, 32, 32], &device);
        let model = |images: Tensor<4>| {
            assert_eq!(images.dims(), [3, 2, 28, 28]);
            (images.clone() * images.narrow(3, 0, 1)).mean_dim(3).mean_dim(2).reshape([3, 2]) * 5.0
        };
        let identity = |images: Tensor<4>| values(&model(images));
        let crop = |top, left| images.clone().narrow(2, top, 28).narrow(3, left, 28);
        let crops = [(0, 0), (0, 4), (4, 0), (4, 4), (2, 2)].map(|(top, left)| crop(top, left));
        let mean = |outputs: Vec<Vec<f64>>| -> Vec<f64> {
            (0..6).map(|i| outputs.iter().map(|output| output[i]).sum::<f64>() / outputs.len() as f64).collect()
        };
        let five = mean(crops.iter().cloned().map(identity).collect());
        let ten = mean(crops.iter().flat_map(|crop| [crop.clone(), crop.clone().flip([3])]).map(identity).collect());
        let softened = mean(crops.iter().map(|crop| values(&softmax(model(crop.clone()), 1))).collect());
        for (views, average, expected) in [
            (Views::FiveCrop, Average::Logits, five),
            (Views::TenCrop, Average::Logits, ten),
            (Views::FiveCrop, Average::Probabilities, softened),
        ] {
            let found = values(&views.average(images.clone(), [28, 28], average, model).expect("views"));
            let gap = crate::common::deviation(&found, &expected);
            assert!(gap < 1e-5, "{views} on {backend}, {average:?}: {gap} off");
        }
        // An image of the network's own size is seen as it is.
        let same = images.clone().narrow(2, 0, 28).narrow(3, 0, 28);
        let found = Views::Identity.average(same.clone(), [28, 28], Average::Logits, model).expect("views");
        assert_eq!(values(&found), identity(same.clone()));
        // Equal views are looked at once, and count as often as they come.
        let looks = std::cell::Cell::new(0);
        let counting = |images: Tensor<4>| {
            looks.set(looks.get() + 1);
            model(images)
        };
        let found = Views::Szegedy.average(same.clone(), [28, 28], Average::Logits, counting).expect("views");
        assert_eq!(looks.get(), 48);
        let constant =
            Views::Szegedy.average(same, [28, 28], Average::Logits, |images| Tensor::ones([3, 2], &images.device()));
        assert!(crate::common::deviation(&values(&constant.expect("views")), &[1.0; 6]) < 1e-6);
        assert_eq!(found.dims(), [3, 2]);
        let empty = Views::Flips.average(Tensor::zeros([0, 2, 28, 28], &device), [28, 28], Average::Logits, model);
        assert_eq!(empty.expect_err("no images"), AugmentError::Empty { shape: [0, 2, 28, 28] });
    }
}
