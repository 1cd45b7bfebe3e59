//! Policies, color jitter and the changes of values they are made of: against torchvision's own results, and an oracle in
//! f64 that goes pixel by pixel and is held to the same results.

use super::{distorted, distorted_from, numbers, pipeline};
use crate::common::cpu_devices;
use burn::tensor::{Device, Tensor, TensorData};
use burn_descent::augment::AugmentKey;
use serde_json::Value;
use std::collections::BTreeMap;

/// The image of `golden/policies.py`: scattered bytes from 20 to 221, as values up to 1.
fn scattered([channels, height, width]: [usize; 3]) -> Image {
    let byte = |i: usize| {
        let x = (i * 7919 + i * i * 31) % 1009;
        (20 + x * x / 5044) as f64
    };
    let values = (0..channels * height * width).map(|i| byte(i) / 255.0).collect();
    Image { channels, size: [height, width], values }
}

/// Colours around the middle, which factors from 0.6 to 1.4 leave within [0, 1].
fn muted([height, width]: [usize; 2]) -> Image {
    let image = scattered([3, height, width]);
    Image { values: image.values.iter().map(|x| 0.4 + 0.3 * x).collect(), ..image }
}

// ---------------------------------------------------------------------------------------------------------------------
// The oracle

#[derive(Clone)]
struct Image {
    channels: usize,
    size: [usize; 2],
    values: Vec<f64>,
}

impl Image {
    fn tensor(&self, copies: usize, device: &Device) -> Tensor<4> {
        let values: Vec<f32> = self.values.iter().map(|x| *x as f32).collect();
        let image = TensorData::new(values, [1, self.channels, self.size[0], self.size[1]]);
        Tensor::<4>::from_data(image, device).repeat_dim(0, copies)
    }

    /// 0 outside.
    fn at(&self, channel: usize, row: i64, column: i64) -> f64 {
        let [height, width] = self.size;
        let inside = (0..height as i64).contains(&row) && (0..width as i64).contains(&column);
        if inside { self.values[(channel * height + row as usize) * width + column as usize] } else { 0.0 }
    }

    /// An image of the same size, pixel by pixel: by channel, row and column.
    fn made(&self, value: impl Fn(usize, i64, i64) -> f64) -> Self {
        let [height, width] = self.size;
        let place = |i: usize| (i / (height * width), (i / width % height) as i64, (i % width) as i64);
        let values = (0..self.values.len()).map(place).map(|(channel, row, column)| value(channel, row, column));
        Self { values: values.collect(), ..self.clone() }
    }

    fn gray(&self, row: i64, column: i64) -> f64 {
        let [r, g, b] = [0, 1, 2].map(|channel| self.at(channel % self.channels, row, column));
        if self.channels == 3 { 0.2989 * r + 0.587 * g + 0.114 * b } else { r }
    }

    fn blended(&self, factor: f64, base: impl Fn(usize, i64, i64) -> f64) -> Self {
        self.made(|c, y, x| (factor * self.at(c, y, x) + (1.0 - factor) * base(c, y, x)).clamp(0.0, 1.0))
    }

    fn contrast(&self, factor: f64) -> Self {
        let places = (0..self.size[0] as i64).flat_map(|row| (0..self.size[1] as i64).map(move |column| (row, column)));
        let grays: Vec<f64> = places.map(|(row, column)| self.gray(row, column)).collect();
        let mean = grays.iter().sum::<f64>() / grays.len() as f64;
        self.blended(factor, |_, _, _| mean)
    }

    fn saturation(&self, factor: f64) -> Self {
        if self.channels == 3 { self.blended(factor, |_, y, x| self.gray(y, x)) } else { self.clone() }
    }

    fn sharpness(&self, factor: f64) -> Self {
        let inner = |place: i64, side: usize| place > 0 && place + 1 < side as i64;
        self.blended(factor, |c, y, x| {
            if !inner(y, self.size[0]) || !inner(x, self.size[1]) {
                return self.at(c, y, x);
            }
            let around = (-1..=1).flat_map(|down| (-1..=1).map(move |right| (down, right)));
            around.map(|(down, right)| self.at(c, y + down, x + right)).sum::<f64>() / 13.0
                + self.at(c, y, x) * 4.0 / 13.0
        })
    }

    /// Turned by the hexagon of hues: a colour is a mixture of gray and of the pure hues at two of its corners.
    fn hue(&self, turns: f64) -> Self {
        let turned = |y, x| {
            let colour = [0, 1, 2].map(|channel| self.at(channel, y, x));
            let least = colour.iter().copied().fold(1.0, f64::min);
            let most = colour.iter().copied().fold(0.0, f64::max);
            if let Some(hue) = hue(colour) {
                let corner = |channel: usize| {
                    // How far the turned hue is from this channel's own, in sixths of a turn.
                    let away = ((hue + turns) * 6.0 - 2.0 * channel as f64).rem_euclid(6.0);
                    (2.0 - away.min(6.0 - away)).clamp(0.0, 1.0)
                };
                [0, 1, 2].map(|channel| least + (most - least) * corner(channel))
            } else {
                colour
            }
        };
        self.made(|c, y, x| turned(y, x)[c])
    }

    fn by_channel(&self, change: impl Fn(&[f64]) -> Vec<f64>) -> Self {
        let pixels = self.size[0] * self.size[1];
        Self { values: self.values.chunks(pixels).flat_map(change).collect(), ..self.clone() }
    }

    fn equalized(&self) -> Self {
        self.by_channel(|channel| {
            let brightest = channel.iter().map(|x| byte(*x)).max().expect("pixels");
            let others = channel.iter().filter(|x| byte(**x) < brightest).count();
            let step = others / 255;
            let level = |x: &f64| {
                let darker = channel.iter().filter(|other| byte(**other) < byte(*x)).count();
                ((darker + step / 2) / step).min(255) as f64 / 255.0
            };
            if step == 0 { channel.to_vec() } else { channel.iter().map(level).collect() }
        })
    }

    /// What a change of values makes of it, by torchvision's name.
    fn toned(&self, name: &str, magnitude: f64) -> Self {
        match name {
            "Brightness" => self.blended(1.0 + magnitude, |_, _, _| 0.0),
            "Color" => self.saturation(1.0 + magnitude),
            "Contrast" => self.contrast(1.0 + magnitude),
            "Sharpness" => self.sharpness(1.0 + magnitude),
            "Posterize" if magnitude == 8.0 => self.clone(),
            "Posterize" => {
                let step = 2_i64.pow(8 - magnitude as u32);
                self.made(|c, y, x| (byte(self.at(c, y, x)) / step * step) as f64 / 255.0)
            }
            // In torchvision the threshold is a byte that rounding can't miss.
            "Solarize" => self.made(|c, y, x| {
                let value = self.at(c, y, x);
                if value > magnitude - 1e-6 { 1.0 - value } else { value }
            }),
            "AutoContrast" => self.by_channel(|channel| {
                let least = channel.iter().copied().fold(1.0, f64::min);
                let most = channel.iter().copied().fold(0.0, f64::max);
                let stretched = |x: &f64| if most > least { (x - least) / (most - least) } else { *x };
                channel.iter().map(stretched).collect()
            }),
            "Equalize" => self.equalized(),
            _ => self.clone(),
        }
    }

    /// Where a change of shape takes the value of a pixel from, both as column and row of the whole image's corner.
    fn source(&self, name: &str, magnitude: f64, [x, y]: [f64; 2]) -> [f64; 2] {
        let [height, width] = self.size.map(|side| side as f64);
        match name {
            "ShearX" => [x + magnitude * y, y],
            "ShearY" => [x, y + magnitude * x],
            "TranslateX" => [x - magnitude.trunc(), y],
            "TranslateY" => [x, y - magnitude.trunc()],
            "Rotate" => {
                let (sin, cos) = magnitude.to_radians().sin_cos();
                let (right, down) = (x - width / 2.0, y - height / 2.0);
                [width / 2.0 + cos * right - sin * down, height / 2.0 + sin * right + cos * down]
            }
            _ => [x, y],
        }
    }

    /// All changes, those of shape first and at once.
    fn changed(&self, changes: &[(&str, f64)]) -> Self {
        let shaped = self.made(|c, row, column| {
            let place = [column as f64 + 0.5, row as f64 + 0.5];
            let undone = changes.iter().rev();
            let [x, y] =
                undone.fold(place, |place, (name, magnitude)| self.source(name, *magnitude, place)).map(|c| c - 0.5);
            let (left, top) = (x.floor(), y.floor());
            let (right, below) = (x - left, y - top);
            let pixel = |down: i64, along: i64| self.at(c, top as i64 + down, left as i64 + along);
            let upper = (1.0 - right) * pixel(0, 0) + right * pixel(0, 1);
            (1.0 - below) * upper + below * ((1.0 - right) * pixel(1, 0) + right * pixel(1, 1))
        });
        changes.iter().fold(shaped, |image, (name, magnitude)| image.toned(name, *magnitude))
    }
}

/// In turns; nothing of a gray.
fn hue(colour: [f64; 3]) -> Option<f64> {
    // The angle on the hexagon: which channel is the most, and which way the other two pull.
    let order = |channel: usize| colour[channel];
    let most = (0..3).rev().max_by(|one, other| order(*one).total_cmp(&order(*other))).expect("three");
    let (next, last) = (order((most + 1) % 3), order((most + 2) % 3));
    let spread = order(most) - next.min(last);
    (spread > 0.0).then(|| (most as f64 / 3.0 + (next - last) / spread / 6.0).rem_euclid(1.0))
}

fn byte(value: f64) -> i64 {
    (value * 255.999).floor() as i64
}

/// The changes of a policy by torchvision's names, and their magnitude at one of the 31: in both directions, if they have
/// them.
fn space(policy: &str, magnitude: usize, [height, width]: [usize; 2]) -> Vec<(&'static str, f64)> {
    let share = magnitude as f64 / 30.0;
    let trivial = policy == "trivialaugment";
    let factor = if trivial { 0.99 } else { 0.9 };
    let shear = if trivial { 0.99 } else { 0.3 };
    let translation = |side: usize| if trivial { 32.0 } else { 150.0 / 331.0 * side as f64 };
    let signed = [
        ("ShearX", shear),
        ("ShearY", shear),
        ("TranslateX", translation(width)),
        ("TranslateY", translation(height)),
        ("Rotate", if trivial { 135.0 } else { 30.0 }),
        ("Brightness", factor),
        ("Color", factor),
        ("Contrast", factor),
        ("Sharpness", factor),
    ];
    let bits = 8.0 - (share * if trivial { 6.0 } else { 4.0 }).round();
    let others =
        [("Identity", 0.0), ("Posterize", bits), ("Solarize", 1.0 - share), ("AutoContrast", 0.0), ("Equalize", 0.0)];
    let both = signed.into_iter().flat_map(|(name, most)| [1.0, -1.0].map(|sign| (name, sign * share * most)));
    both.chain(others).collect()
}

/// Nearly everywhere: what is interpolated may be rounded to another byte.
fn alike(found: &[f32], expected: &[f64]) -> bool {
    let off = found.iter().zip(expected).filter(|(x, y)| (f64::from(**x) - **y).abs() > 2e-4).count();
    found.len() == expected.len() && off * 50 <= found.len()
}

// ---------------------------------------------------------------------------------------------------------------------
// torchvision's results

fn golden() -> Value {
    serde_json::from_str(include_str!("../golden/policies.json")).expect("the golden file is JSON")
}

fn list(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|value| value.as_f64().expect("a number")).collect()
}

fn whole(value: &Value) -> usize {
    value.as_u64().expect("a whole number") as usize
}

/// The values that the golden file keeps.
fn kept(golden: &Value, values: &[f64]) -> Vec<f64> {
    values.iter().copied().step_by(whole(&golden["every"])).collect()
}

fn golden_image(golden: &Value, channels: usize) -> Image {
    scattered([channels, whole(&golden["size"][0]), whole(&golden["size"][1])])
}

/// Farthest apart.
fn gap(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max)
}

#[test]
fn the_oracle_is_torchvisions() {
    let golden = golden();
    for policy in golden["policies"].as_array().expect("policies") {
        let image = golden_image(&golden, whole(&policy["channels"]));
        let name = policy["policy"].as_str().expect("a name");
        let space = space(name, whole(&policy["magnitude"]), image.size);
        let changes = policy["changes"].as_array().expect("changes");
        assert_eq!(changes.len(), space.len(), "{name}");
        for change in changes {
            let (called, sign) = (change["change"].as_str().expect("a name"), change["sign"].as_f64().expect("a sign"));
            let ours = space.iter().filter(|(name, _)| *name == called).nth(usize::from(sign < 0.0));
            let (called, magnitude) = ours.unwrap_or_else(|| panic!("no {called} in {name}"));
            let found = kept(&golden, &image.changed(&[(called, *magnitude)]).values);
            let gap = gap(&found, &list(&change["values"]));
            assert!(gap < 2e-5, "{name}: {called} by {magnitude} is {gap} off");
        }
    }
    for turn in golden["hues"].as_array().expect("hues") {
        let turns = turn["turns"].as_f64().expect("a number");
        let found = kept(&golden, &golden_image(&golden, 3).hue(turns).values);
        let gap = gap(&found, &list(&turn["values"]));
        assert!(gap < 2e-6, "{turns} turns are {gap} off");
    }
}

/// All that one change of RandAugment can come to comes, and nothing else does.
#[test]
fn rand_augment_does_what_torchvisions_does() {
    let golden = golden();
    for (_, device) in cpu_devices() {
        for policy in golden["policies"].as_array().expect("policies") {
            let name = policy["policy"].as_str().expect("a name");
            if name != "randaugment" {
                continue;
            }
            let text = format!("{name}=1:{}", policy["magnitude"]);
            let image = golden_image(&golden, whole(&policy["channels"]));
            let found = numbers(distorted(&text, image.tensor(400, &device)));
            let mut seen = BTreeMap::new();
            for found in found.chunks(image.values.len()) {
                let found: Vec<f64> = found.iter().map(|x| f64::from(*x)).collect();
                let mut matched = false;
                for change in policy["changes"].as_array().expect("changes") {
                    if gap(&kept(&golden, &found), &list(&change["values"])) < 1e-4 {
                        matched = true;
                        *seen.entry((change["change"].to_string(), change["sign"].to_string())).or_insert(0) += 1;
                    }
                }
                assert!(matched, "{text} should be one of torchvision's changes");
            }
            assert_eq!(seen.len(), 23, "{text}: {seen:?}");
        }
    }
}

#[test]
fn trivial_augment_is_one_change_of_any_magnitude() {
    let device = Device::flex();
    for channels in [1, 3] {
        let image = scattered([channels, 17, 19]);
        let candidates: Vec<_> = (0..=30)
            .flat_map(|magnitude| space("trivialaugment", magnitude, image.size))
            .map(|change| (change.0, image.changed(&[change]).values))
            .collect();
        let found = numbers(distorted("trivialaugment", image.tensor(500, &device)));
        let mut seen = BTreeMap::new();
        for found in found.chunks(image.values.len()) {
            let matching = candidates.iter().find(|(_, expected)| alike(found, expected));
            let (name, _) = matching.expect("a change of the space");
            *seen.entry(*name).or_insert(0) += 1;
        }
        // What changes nothing is taken for the first change that doesn't, and of gray images that is one change more.
        assert!(seen.len() >= 12 && seen.values().all(|count| (10..150).contains(count)), "{channels}: {seen:?}");
    }
}

/// With the changes of shape first, at once.
#[test]
fn rand_augment_makes_as_many_changes_as_it_is_told() {
    let device = Device::flex();
    for channels in [1, 3] {
        let image = scattered([channels, 16, 18]);
        let space = space("randaugment", 12, image.size);
        let pairs = space.iter().flat_map(|one| space.iter().map(move |other| [*one, *other]));
        let candidates: Vec<_> = pairs.map(|pair| (pair, image.changed(&pair).values)).collect();
        let found = numbers(distorted("randaugment=2:12", image.tensor(250, &device)));
        let mut both = 0;
        for (i, found) in found.chunks(image.values.len()).enumerate() {
            let matching = candidates.iter().find(|(_, expected)| alike(found, expected));
            let (pair, _) = matching.unwrap_or_else(|| panic!("image {i} should be one of the pairs"));
            both += usize::from(pair[0].0 != "Identity" && pair[1].0 != "Identity");
        }
        assert!(both > 100, "two changes should be made: of {both}");
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Color jitter

/// The factor that the first pixel tells is the whole image's, whichever of the four it is of.
#[test]
fn each_part_of_color_jitter_is_the_oracles() {
    let image = muted([6, 7]);
    let (pixels, first) = (42, image.gray(0, 0));
    let mean = (0..42).map(|i| image.gray(i / 7, i % 7)).sum::<f64>() / 42.0;
    let colour = |values: &[f64]| [values[0], values[pixels], values[2 * pixels]];
    for (backend, device) in cpu_devices() {
        for (text, [least, most]) in [
            ("color-jitter=0.4:0:0:0", [0.6, 1.4]),
            ("color-jitter=0:0.4:0:0", [0.6, 1.4]),
            ("color-jitter=0:0:1.2:0", [0.0, 2.2]),
            ("color-jitter=0:0:0:0.5", [-0.5, 0.5]),
        ] {
            let place = text.split(['=', ':']).skip(1).position(|strength| strength != "0").expect("a strength");
            let found = numbers(distorted(text, image.tensor(300, &device)));
            let mut factors = Vec::new();
            for found in found.chunks(image.values.len()) {
                let found: Vec<f64> = found.iter().map(|x| f64::from(*x)).collect();
                let along = |base: f64| (found[0] - base) / (image.values[0] - base);
                let turns = || hue(colour(&found)).zip(hue(colour(&image.values))).expect("a colour");
                let factor = match place {
                    0 => along(0.0),
                    1 => along(mean),
                    2 => along(first),
                    _ => (turns().0 - turns().1 + 0.5).rem_euclid(1.0) - 0.5,
                };
                let expected = match place {
                    0 => image.blended(factor, |_, _, _| 0.0),
                    1 => image.contrast(factor),
                    2 => image.saturation(factor),
                    _ => image.hue(factor),
                };
                let gap = gap(&found, &expected.values);
                assert!(gap < 1e-4, "{text} on {backend}: {gap} off at {factor}");
                factors.push(factor);
            }
            let within = factors.iter().all(|factor| (least - 1e-4..most + 1e-4).contains(factor));
            let range = most - least;
            let few = factors.iter().filter(|factor| **factor < least + 0.25 * range).count();
            let many = factors.iter().filter(|factor| **factor > most - 0.25 * range).count();
            // 75 each, with a deviation of 7.5.
            assert!(within && few.min(many) > 45 && few.max(many) < 105, "{text}: {few} low and {many} high of 300");
        }
    }
}

#[test]
fn color_jitter_of_gray_is_brightness_and_contrast() {
    for (_, device) in cpu_devices() {
        let image = muted([5, 6]);
        for channels in [1, 2] {
            let gray = Image { channels, values: image.values[..channels * 30].to_vec(), ..image.clone() };
            let of = |text| numbers(distorted(text, gray.tensor(20, &device)));
            assert!(of("color-jitter=0:0:0.9:0.4") == of("color-jitter=0:0:0:0"), "{channels} channels have no hue");
            // Without clipping both are linear, in either order.
            let before: Vec<f32> = gray.values.iter().map(|x| *x as f32).collect();
            for after in of("color-jitter=0.3:0.3:0.9:0.4").chunks(before.len()) {
                let slope = (after[1] - after[0]) / (before[1] - before[0]);
                let line = |x: f32| after[0] + slope * (x - before[0]);
                assert!(before.iter().zip(after).all(|(x, y)| (line(*x) - y).abs() < 1e-4), "{channels} channels");
            }
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Changes of values

#[test]
fn changes_of_values_are_the_oracles() {
    for (backend, device) in cpu_devices() {
        for channels in [1, 2, 3] {
            let image = scattered([channels, 18, 16]);
            for (text, name, magnitude) in [
                ("posterize=8@1", "Posterize", 8.0),
                ("posterize=3@1", "Posterize", 3.0),
                ("posterize=1@1", "Posterize", 1.0),
                ("solarize=0.3@1", "Solarize", 0.3),
                ("solarize=0@1", "Solarize", 0.0),
                ("solarize=1@1", "Solarize", 1.0),
                ("autocontrast@1", "AutoContrast", 0.0),
                ("equalize@1", "Equalize", 0.0),
            ] {
                let found = numbers(distorted(text, image.tensor(2, &device)));
                let expected = image.toned(name, magnitude).values;
                for found in found.chunks(expected.len()) {
                    let found: Vec<f64> = found.iter().map(|x| f64::from(*x)).collect();
                    let gap = gap(&found, &expected);
                    assert!(gap < 1e-6, "{text} of {channels} channels on {backend}: {gap} off");
                }
            }
        }
    }
}

/// By hand.
#[test]
fn changes_of_values_have_these_values() {
    for (_, device) in cpu_devices() {
        let of = |text: &str, values: &[f32]| {
            numbers(distorted(text, Tensor::<1>::from_floats(values, &device).reshape([1, 1, 1, values.len()])))
        };
        let half = 128.0 / 255.0;
        assert_eq!(of("posterize=1@1", &[0.1, 0.6, 1.0, 0.49]), [0.0, half, half, 0.0]);
        assert_eq!(of("posterize=7@1", &[3.0 / 255.0, 1.0]), [2.0 / 255.0, 254.0 / 255.0]);
        assert_eq!(of("solarize=0.5@1", &[0.25, 0.5, 0.75, 1.0, 0.0]), [0.25, 0.5, 0.25, 0.0, 0.0]);
        assert_eq!(of("autocontrast@1", &[0.25, 0.5, 0.375]), [0.0, 1.0, 0.5]);
        assert_eq!(of("autocontrast@1", &[0.3, 0.3]), [0.3, 0.3]);
        // 400 that are not the brightest make steps of 1.
        let thirds: Vec<f32> = [0.2, 0.4, 0.6].into_iter().flat_map(|value| [value; 200]).collect();
        let spread = of("equalize@1", &thirds);
        assert_eq!([spread[0], spread[200], spread[400]], [0.0, 200.0 / 255.0, 1.0]);
        // 510 of them make steps of 2, and half a step is added.
        let halves: Vec<f32> = [[0.1; 255], [0.2; 255], [0.3; 255]].concat();
        let spread = of("equalize@1", &halves);
        assert_eq!([spread[0], spread[255], spread[510]], [0.0, 128.0 / 255.0, 1.0]);
        assert_eq!(of("equalize@1", &thirds[..300]), thirds[..300], "too few pixels for a step");
    }
}

#[test]
fn sharpness_mixes_with_what_is_around() {
    for (backend, device) in cpu_devices() {
        let image = muted([7, 6]);
        let found = numbers(distorted("sharpness=1", image.tensor(100, &device)));
        let mut factors = Vec::new();
        for found in found.chunks(image.values.len()) {
            let found: Vec<f64> = found.iter().map(|x| f64::from(*x)).collect();
            let smooth = image.sharpness(0.0).values;
            let factor = (found[8] - smooth[8]) / (image.values[8] - smooth[8]);
            let gap = gap(&found, &image.sharpness(factor).values);
            assert!(gap < 1e-4 && (-1e-4..2.0001).contains(&factor), "on {backend}: {gap} off at {factor}");
            factors.push(factor);
        }
        assert!(factors.iter().any(|factor| *factor < 0.3) && factors.iter().any(|factor| *factor > 1.7));
        for [height, width] in [[2, 9], [9, 2], [1, 1]] {
            let image = muted([height, width]);
            let gap = gap(
                &numbers(distorted("sharpness=1", image.tensor(1, &device)))
                    .iter()
                    .map(|x| f64::from(*x))
                    .collect::<Vec<_>>(),
                &image.values,
            );
            assert!(gap < 1e-6, "nothing is inside of {height}x{width}");
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// All of them

const TEXTS: [&str; 5] = [
    "color-jitter=0.4:0.4:0.4:0.1",
    "color-jitter=1000:1000:1000:0.5",
    "randaugment=2:9",
    "randaugment=5:30",
    "trivialaugment",
];

#[test]
fn values_stay_in_range_and_shapes_as_they_are() {
    for (backend, device) in cpu_devices() {
        for shape in [[3, 28, 28], [1, 28, 28], [2, 9, 31], [3, 1, 1], [1, 1, 300]] {
            for text in TEXTS {
                let images = scattered(shape).tensor(60, &device);
                let dims = images.dims();
                let found = distorted(text, images);
                assert_eq!(found.dims(), dims, "{text} on {backend}");
                let outside = numbers(found).into_iter().find(|value| !(0.0..=1.0).contains(value));
                assert_eq!(outside, None, "{text} of {shape:?} on {backend}");
            }
        }
        let found = distorted("crop=0:20:24,randaugment=2:20,flip", scattered([3, 28, 28]).tensor(5, &device));
        assert_eq!(found.dims(), [5, 3, 20, 24]);
    }
}

#[test]
fn the_same_numbers_draw_alike() {
    let device = Device::flex();
    let images = scattered([3, 16, 20]).tensor(40, &device);
    let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    for text in TEXTS {
        let at = |seed, first| numbers(distorted_from(text, images.clone(), seed, first));
        let found = at(1, 0);
        assert!(found == at(1, 0), "{text}: the same seed should give the same");
        assert!(found != at(2, 0), "{text}: another seed should give another");
        assert!(found != at(1, 40), "{text}: another image should be changed in another way");
        assert!(found == one_thread.install(|| at(1, 0)), "{text}: threads should not matter");
        let len = 3 * 16 * 20;
        assert!(
            found[..39 * len] == at(1, 0)[..39 * len] && found[len..] == at(1, 1)[..39 * len],
            "{text}: nor the place"
        );
        device.seed(7);
        assert!(found == at(1, 0), "{text}: nor the device's own numbers");
        let augment = pipeline(text).init().expect("in range");
        let places: Vec<usize> = (0..40).collect();
        let later = augment.distort(images.clone(), &AugmentKey { seed: 1, epoch: 2, images: &places });
        assert!(found != numbers(later.expect("an epoch later")), "{text}: each epoch should have its own");
        // A step draws by its place in the pipeline.
        let twice = numbers(distorted(&format!("{text},{text}@0"), images.clone()));
        assert!(found == twice, "{text}: what comes after should not matter");
        let second = numbers(distorted(&format!("{text}@0,{text}"), images.clone()));
        assert!(found != second, "{text}: each step should have its own numbers");
    }
}
