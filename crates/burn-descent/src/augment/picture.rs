//! Changes of an image's values that differ from image to image.
//!
//! They are done on the host, for each image by itself: as one computation for the whole batch, an image would have to
//! go through every change to get one of them. All backends are alike to the bit.

use super::geometry::single;
use super::parts::each_part;
use burn::tensor::Tensor;

/// A change of the values of an image, which are in [0, 1], and its strength. The formulas are those of torchvision's
/// functions of these names for images of floats; `Posterize` and `Equalize` are those for bytes, 0 to 255.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Tone {
    /// `x ← f·x`
    Brightness(f64),
    /// `x ← f·x + (1 − f)·m`, with the mean luma m.
    Contrast(f64),
    /// `x ← f·x + (1 − f)·y`, with the pixel's luma y. Images without colours stay as they are.
    Saturation(f64),
    /// Moves all hues by this many turns about the axis of grays. Images without colours stay as they are.
    Hue(f64),
    /// `x ← f·x + (1 − f)·s`, with the mean s of a pixel, five times, and of its eight neighbours. The outermost pixels
    /// stay as they are.
    Sharpness(f64),
    /// Keeps the first so many bits, 1 to 8, of each byte.
    Posterize(usize),
    /// `x ← 1 − x` where x is at least the threshold.
    Solarize(f64),
    /// Stretches the values of each channel to the whole range from 0 to 1.
    Autocontrast,
    /// Spreads the values of each channel evenly over the bytes, as far as equal values allow.
    Equalize,
}

/// Changes each of `images` by its own tones, one after the other.
pub(super) fn change(images: Tensor<4>, tones: &[Vec<Tone>]) -> Tensor<4> {
    if tones.iter().all(Vec::is_empty) {
        return images;
    }
    let (shape, device) = (images.dims(), images.device());
    let [_, channels, height, width] = shape;
    let mut values: Vec<f32> = images.into_data().iter().collect();
    each_part(&mut values, channels * height * width, tones, |values, tones| {
        let mut picture = Picture { values, channels, size: [height, width] };
        tones.iter().for_each(|tone| picture.change(*tone));
    });
    single(values, shape, &device)
}

/// The values of one image, channel by channel and row by row.
struct Picture<'a> {
    values: &'a mut [f32],
    channels: usize,
    size: [usize; 2],
}

impl Picture<'_> {
    fn change(&mut self, tone: Tone) {
        let pixels = self.size[0] * self.size[1];
        match tone {
            Tone::Brightness(factor) => self.blend(factor, |_| 0.0),
            Tone::Contrast(factor) => {
                let mean = self.mean();
                self.blend(factor, |_| mean);
            }
            Tone::Saturation(factor) => {
                if let Some(luma) = self.luma() {
                    self.blend(factor, |i| luma[i % pixels]);
                }
            }
            Tone::Hue(turns) => self.turn_hues(turns as f32),
            Tone::Sharpness(factor) => {
                let smooth = self.smooth();
                self.blend(factor, |i| smooth[i]);
            }
            Tone::Posterize(8..) => {}
            Tone::Posterize(bits) => {
                let mask = u8::MAX << (8 - bits);
                self.values.iter_mut().for_each(|x| *x = f32::from(byte(*x) & mask) / 255.0);
            }
            Tone::Solarize(threshold) => {
                let inverted = self.values.iter_mut().filter(|x| **x >= threshold as f32);
                inverted.for_each(|x| *x = 1.0 - *x);
            }
            Tone::Autocontrast => self.values.chunks_exact_mut(pixels).for_each(stretch),
            Tone::Equalize => self.values.chunks_exact_mut(pixels).for_each(equalize),
        }
    }

    /// `x ← f·x + (1 − f)·base`, cut off at 0 and 1.
    fn blend(&mut self, factor: f64, base: impl Fn(usize) -> f32) {
        let f = factor as f32;
        for (i, x) in self.values.iter_mut().enumerate() {
            *x = (f * *x + (1.0 - f) * base(i)).clamp(0.0, 1.0);
        }
    }

    /// How bright each pixel looks, if there are three channels: red, green and blue.
    fn luma(&self) -> Option<Vec<f32>> {
        let (red, rest) = self.values.split_at(self.values.len() / self.channels);
        let (green, blue) = rest.split_at(rest.len() / 2);
        let luma = |((r, g), b): ((&f32, &f32), &f32)| 0.2989 * r + 0.587 * g + 0.114 * b;
        (self.channels == 3).then(|| red.iter().zip(green).zip(blue).map(luma).collect())
    }

    /// The mean luma; of images without colours the mean value.
    fn mean(&self) -> f32 {
        let luma = self.luma();
        let values = luma.as_deref().unwrap_or(self.values);
        (values.iter().map(|x| f64::from(*x)).sum::<f64>() / values.len() as f64) as f32
    }

    /// Each inner pixel mixed with its neighbours.
    fn smooth(&self) -> Vec<f32> {
        let [height, width] = self.size;
        let mut smooth = self.values.to_vec();
        for (channel, smooth) in self.values.chunks_exact(height * width).zip(smooth.chunks_exact_mut(height * width)) {
            for row in 1..height.saturating_sub(1) {
                for column in 1..width.saturating_sub(1) {
                    let i = row * width + column;
                    let around: f32 =
                        [i - width, i, i + width].iter().map(|j| channel[j - 1] + channel[*j] + channel[j + 1]).sum();
                    smooth[i] = (around + 4.0 * channel[i]) / 13.0;
                }
            }
        }
        smooth
    }

    fn turn_hues(&mut self, turns: f32) {
        if self.channels != 3 {
            return;
        }
        let (red, rest) = self.values.split_at_mut(self.values.len() / 3);
        let (green, blue) = rest.split_at_mut(red.len());
        for ((r, g), b) in red.iter_mut().zip(green).zip(blue) {
            let [h, s, v] = hsv([*r, *g, *b]);
            [*r, *g, *b] = rgb([(h + turns).rem_euclid(1.0), s, v]);
        }
    }
}

/// Hue, in turns from red to green, saturation and value.
fn hsv([r, g, b]: [f32; 3]) -> [f32; 3] {
    let v = r.max(g).max(b);
    let c = v - r.min(g).min(b);
    if c == 0.0 {
        return [0.0, 0.0, v];
    }
    let sixths = if v == r {
        (g - b) / c
    } else if v == g {
        2.0 + (b - r) / c
    } else {
        4.0 + (r - g) / c
    };
    [(sixths / 6.0).rem_euclid(1.0), c / v, v]
}

/// The inverse of [`hsv`].
fn rgb([h, s, v]: [f32; 3]) -> [f32; 3] {
    let sector = (6.0 * h).floor();
    let f = 6.0 * h - sector;
    let (p, q, t) = (v * (1.0 - s), v * (1.0 - s * f), v * (1.0 - s * (1.0 - f)));
    let rgb = match sector as i32 % 6 {
        0 => [v, t, p],
        1 => [q, v, p],
        2 => [p, v, t],
        3 => [p, q, v],
        4 => [t, p, v],
        _ => [v, p, q],
    };
    rgb.map(|x| x.clamp(0.0, 1.0))
}

fn stretch(channel: &mut [f32]) {
    let least = channel.iter().copied().fold(f32::INFINITY, f32::min);
    let most = channel.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if most > least {
        channel.iter_mut().for_each(|x| *x = (*x - least) / (most - least));
    }
}

/// Pillow's way: a value becomes the number of darker pixels, counted in steps of the 255th part of all but the
/// brightest. Fewer than 255 leave no step, and the channel as it is.
fn equalize(channel: &mut [f32]) {
    let mut counts = [0_usize; 256];
    channel.iter().for_each(|x| counts[usize::from(byte(*x))] += 1);
    let brightest = counts.iter().rev().find(|count| **count > 0).copied().unwrap_or_default();
    let step = (channel.len() - brightest) / 255;
    if step == 0 {
        return;
    }
    let mut darker = 0;
    let levels = counts.map(|count| {
        let level = ((darker + step / 2) / step).min(255);
        darker += count;
        level as f32 / 255.0
    });
    channel.iter_mut().for_each(|x| *x = levels[usize::from(byte(*x))]);
}

/// The byte of a value: 255 equal shares of [0, 1), and 1.
fn byte(x: f32) -> u8 {
    (x * 255.999) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What tones make of an image, one after the other.
    fn changed(values: &[f32], channels: usize, size: [usize; 2], tones: &[Tone]) -> Vec<f32> {
        let mut values = values.to_vec();
        let mut picture = Picture { values: &mut values, channels, size };
        tones.iter().for_each(|tone| picture.change(*tone));
        values
    }

    fn is_close(found: &[f32], expected: &[f32]) -> bool {
        found.len() == expected.len() && found.iter().zip(expected).all(|(x, y)| (x - y).abs() < 1e-6)
    }

    /// One pixel, by hand.
    #[test]
    fn colours_are_turned_and_fade() {
        let of = |colour: [f32; 3], tone| changed(&colour, 3, [1, 1], &[tone]);
        let (red, rose) = ([1.0, 0.0, 0.0], [0.5, 0.25, 0.25]);
        for (colour, tone, expected) in [
            (red, Tone::Hue(1.0 / 3.0), [0.0, 1.0, 0.0]),
            (red, Tone::Hue(-1.0 / 3.0), [0.0, 0.0, 1.0]),
            (red, Tone::Hue(1.0 / 6.0), [1.0, 1.0, 0.0]),
            (red, Tone::Hue(0.5), [0.0, 1.0, 1.0]),
            (red, Tone::Hue(-0.5), [0.0, 1.0, 1.0]),
            (rose, Tone::Hue(0.5), [0.25, 0.5, 0.5]),
            (rose, Tone::Hue(1.0 / 12.0), [0.5, 0.375, 0.25]),
            ([0.2, 0.6, 0.4], Tone::Hue(0.25), [0.2, 0.2, 0.6]),
            ([0.3, 0.3, 0.3], Tone::Hue(0.2), [0.3, 0.3, 0.3]),
            ([0.0, 0.0, 0.0], Tone::Hue(0.2), [0.0, 0.0, 0.0]),
            (red, Tone::Saturation(0.0), [0.2989; 3]),
            (rose, Tone::Saturation(2.0), [0.675_3, 0.175_3, 0.175_3]),
            ([0.0, 1.0, 0.0], Tone::Saturation(0.5), [0.2935, 0.7935, 0.2935]),
            ([0.0, 0.0, 1.0], Tone::Saturation(1.0), [0.0, 0.0, 1.0]),
            (rose, Tone::Brightness(1.5), [0.75, 0.375, 0.375]),
            (rose, Tone::Brightness(3.0), [1.0, 0.75, 0.75]),
        ] {
            let found = of(colour, tone);
            assert!(is_close(&found, &expected), "{tone:?} of {colour:?}: {found:?}");
        }
    }

    /// Of a red and a white pixel the mean luma is (0.2989 + 0.9999) / 2.
    #[test]
    fn contrast_is_about_the_mean_luma() {
        let image = [1.0, 1.0, 0.0, 1.0, 0.0, 1.0];
        assert!(is_close(&changed(&image, 3, [1, 2], &[Tone::Contrast(0.0)]), &[0.6494; 6]));
        let found = changed(&image, 3, [1, 2], &[Tone::Contrast(0.5)]);
        assert!(is_close(&found, &[0.8247, 0.8247, 0.3247, 0.8247, 0.3247, 0.8247]), "{found:?}");
        // Without colours it is the mean value.
        assert!(is_close(&changed(&[0.2, 0.6], 1, [1, 2], &[Tone::Contrast(2.0)]), &[0.0, 0.8]));
        assert!(is_close(&changed(&[0.2, 0.6], 2, [1, 1], &[Tone::Contrast(0.0)]), &[0.4, 0.4]));
    }

    #[test]
    fn sharpness_is_about_the_mean_with_neighbours() {
        // A white pixel in a black square: 5/13 of it stays.
        let mut image = [0.0; 9];
        image[4] = 1.0;
        let of = |factor| changed(&image, 1, [3, 3], &[Tone::Sharpness(factor)]);
        let expected = |middle| {
            let mut expected = image;
            expected[4] = middle;
            expected
        };
        assert!(is_close(&of(0.0), &expected(5.0 / 13.0)));
        assert!(is_close(&of(0.5), &expected(9.0 / 13.0)));
        assert!(is_close(&of(2.0), &expected(1.0)));
        let mut image = [0.5; 25];
        image[6] = 0.76;
        // A neighbour counts one thirteenth; the border stays.
        let found = changed(&image, 1, [5, 5], &[Tone::Sharpness(0.0)]);
        let mut expected = [0.5; 25];
        expected[6] = 0.6;
        [7, 11, 12].into_iter().for_each(|i| expected[i] = 0.52);
        assert!(is_close(&found, &expected), "{found:?}");
    }

    /// In the order given: what is cut off does not come back.
    #[test]
    fn tones_come_one_after_the_other() {
        let [brighter, darker] = [Tone::Brightness(2.0), Tone::Brightness(0.5)];
        assert_eq!(changed(&[0.75, 0.25], 1, [1, 2], &[brighter, darker]), [0.5, 0.25]);
        assert_eq!(changed(&[0.75, 0.25], 1, [1, 2], &[darker, brighter]), [0.75, 0.25]);
    }

    #[test]
    fn no_strength_leaves_every_bit() {
        let image: Vec<f32> = (0..75).map(|i| (i * 37 % 75) as f32 / 74.0).collect();
        for tone in [
            Tone::Brightness(1.0),
            Tone::Contrast(1.0),
            Tone::Saturation(1.0),
            Tone::Sharpness(1.0),
            Tone::Posterize(8),
        ] {
            assert_eq!(changed(&image, 3, [5, 5], &[tone]), image, "{tone:?}");
        }
    }

    #[test]
    fn bytes_stay_what_they_are() {
        assert!((0..=255).all(|level: u8| byte(f32::from(level) / 255.0) == level));
        assert_eq!([-0.5, 0.0, 1.0, 2.0, f32::NAN].map(byte), [0, 0, 255, 255, 0]);
    }
}
