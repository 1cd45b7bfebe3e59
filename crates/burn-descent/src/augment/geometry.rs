//! Changes of shape: where in the original each pixel comes from.

use super::elastic::displacements;
use super::key::within;
use super::policy::{self, Change};
use super::rectangle::sides;
use super::sample::sample;
use super::{AugmentError, AugmentKey, AugmentStep, Transform};
use burn::tensor::{DType, Device, Tensor, TensorData};
use rand::rngs::ChaCha8Rng;

/// Changes the images' shape, by one interpolation however many steps do so.
pub(super) fn distort(steps: &[AugmentStep], images: Tensor<4>, draw: &AugmentKey) -> Result<Tensor<4>, AugmentError> {
    let [_, _, height, width] = images.dims();
    let mut size = [height, width];
    let mut lookups = Vec::new();
    let mut elastic = Vec::new();
    for (number, AugmentStep { transform, probability }) in steps.iter().enumerate() {
        let to = transform.size(size)?;
        match *transform {
            Transform::Lens(bound) => {
                lookups.push(Lookup::Lens(draw.each(number, *probability, |mut rng| within(bound, &mut rng)), size));
            }
            Transform::Elastic { deviation, smoothness } => {
                elastic.push(((number, *probability, deviation), smoothness));
            }
            transform if transform.is_affine() => {
                if matches!(transform, Transform::ResizedCrop { .. }) {
                    lookups.push(Lookup::Edge(size));
                }
                let maps = draw.each(number, *probability, |rng| transform.lookup(rng, size, to));
                match lookups.last_mut() {
                    Some(Lookup::Affine(last)) => {
                        last.iter_mut().zip(maps).for_each(|(last, map)| *last = map.then(last));
                    }
                    _ => lookups.push(Lookup::Affine(maps)),
                }
            }
            _ => {}
        }
        size = to;
    }
    if lookups.is_empty() && elastic.is_empty() {
        return Ok(images);
    }
    let device = images.device();
    let displaced = elastic.into_iter().fold(Points::lattice(size, &device), |points, (deviations, smoothness)| {
        points.moved(displacements(deviations, smoothness, size, draw, &device))
    });
    Ok(look_up(images, &lookups, displaced))
}

/// Rotates each image by its own angle, clockwise.
pub(super) fn rotate(images: Tensor<4>, degrees: &[f64]) -> Tensor<4> {
    let [_, _, height, width] = images.dims();
    let points = Points::lattice([height, width], &images.device());
    look_up(images, &[Lookup::Affine(degrees.iter().copied().map(Affine::rotation).collect())], points)
}

/// The values of images where `lookups` lead from `points`. The last change is the first to be undone.
fn look_up(images: Tensor<4>, lookups: &[Lookup], points: Points) -> Tensor<4> {
    let points = lookups.iter().rev().fold(points, |points, lookup| match lookup {
        Lookup::Affine(maps) => points.affine(maps),
        Lookup::Lens(strengths, size) => points.lens(strengths, *size),
        Lookup::Edge(size) => points.edge(*size),
    });
    let [_, _, height, width] = images.dims();
    let [x, y] = [(points.x, width), (points.y, height)].map(|(c, side)| c + (side as f64 - 1.0) / 2.0);
    sample(images, x, y)
}

/// Where the images' pixels come from in one step, image by image.
enum Lookup {
    Affine(Vec<Affine>),
    /// The strengths, and the size of the images.
    Lens(Vec<f64>, [usize; 2]),
    /// The size of the images, whose outer half pixels do not fade to black: what is enlarged keeps its border.
    Edge([usize; 2]),
}

/// `x ← a·x + b·y + c`, `y ← d·x + e·y + f`: the rows `[a, b, c]` and `[d, e, f]`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Affine([[f64; 3]; 2]);

impl Affine {
    const IDENTITY: Self = Self([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]);

    /// The lookup of a policy's change of shape.
    fn of(change: Change, [height, width]: [usize; 2]) -> Self {
        match change {
            Change::ShearX(share) => Self([[1.0, share, share * height as f64 / 2.0], [0.0, 1.0, 0.0]]),
            Change::ShearY(share) => Self([[1.0, 0.0, 0.0], [share, 1.0, share * width as f64 / 2.0]]),
            Change::TranslateX(pixels) => Self::shift([pixels, 0.0]),
            Change::TranslateY(pixels) => Self::shift([0.0, pixels]),
            Change::Rotate(degrees) => Self::rotation(-degrees),
            Change::Nothing | Change::Tone(_) => Self::IDENTITY,
        }
    }

    /// The lookup of a clockwise rotation.
    fn rotation(degrees: f64) -> Self {
        let (sin, cos) = degrees.to_radians().sin_cos();
        Self([[cos, sin, 0.0], [-sin, cos, 0.0]])
    }

    /// The lookup of a shift.
    fn shift([right, down]: [f64; 2]) -> Self {
        Self([[1.0, 0.0, -right], [0.0, 1.0, -down]])
    }

    /// The lookup of a change of size.
    fn scale(factor: f64) -> Self {
        Self([[1.0 / factor, 0.0, 0.0], [0.0, 1.0 / factor, 0.0]])
    }

    /// This map, and then the other.
    fn then(self, other: &Self) -> Self {
        let [[a, b, c], [d, e, f]] = self.0;
        Self(other.0.map(|[p, q, r]| [p * a + q * d, p * b + q * e, p * c + q * f + r]))
    }
}

impl Transform {
    fn is_affine(self) -> bool {
        use Transform::{
            Crop, Flip, RandAugment, ResizedCrop, Rotation, Scale, Shear, Shift, TrivialAugment, VerticalFlip,
        };
        let pieces = matches!(self, Flip | VerticalFlip | Crop { .. } | ResizedCrop { .. });
        let policies = matches!(self, RandAugment { .. } | TrivialAugment);
        pieces || policies || matches!(self, Rotation(_) | Shift(_) | Scale(_) | Shear(_))
    }

    /// The size of the images that it makes of images of the size `from`.
    pub(super) fn size(self, from: [usize; 2]) -> Result<[usize; 2], AugmentError> {
        match self {
            Self::Crop { padding, size: Some(crop) } => {
                let room = from.map(|side| side + 2 * padding);
                let fits = crop[0] <= room[0] && crop[1] <= room[1];
                if fits { Ok(crop) } else { Err(AugmentError::Crop { crop, room }) }
            }
            Self::ResizedCrop { size: Some(size), .. } => Ok(size),
            _ => Ok(from),
        }
    }

    /// Where the pixels of an image that it has made come from, both relative to the centres. Without numbers the image
    /// is spared.
    fn lookup(self, mut rng: Option<&mut ChaCha8Rng>, from: [usize; 2], to: [usize; 2]) -> Affine {
        let chosen = rng.is_some();
        let mirror = if chosen { -1.0 } else { 1.0 };
        let mut within = |bound| within(bound, &mut rng);
        match self {
            Self::Flip => Affine([[mirror, 0.0, 0.0], [0.0, 1.0, 0.0]]),
            Self::VerticalFlip => Affine([[1.0, 0.0, 0.0], [0.0, mirror, 0.0]]),
            Self::Crop { padding, .. } => {
                // Between the centres of the piece and of the image, at a whole number of pixels from its first place.
                let [down, right] = [0, 1].map(|axis| {
                    let room = (from[axis] + 2 * padding - to[axis]) as f64;
                    (room / 2.0 + within((room + 1.0) / 2.0)).round().clamp(0.0, room) - room / 2.0
                });
                Affine::shift([-right, -down])
            }
            Self::ResizedCrop { area, .. } => {
                let share = if chosen { (1.0 + area + within(1.0 - area)) / 2.0 } else { 1.0 };
                let shares = sides(share, 4.0 / 3.0, within(1.0));
                let [[height, down], [width, right]] = [0, 1].map(|axis| {
                    let side = shares[axis] * from[axis] as f64;
                    [side / to[axis] as f64, within((from[axis] as f64 - side) / 2.0)]
                });
                Affine([[width, 0.0, right], [0.0, height, down]])
            }
            Self::Rotation(bound) => Affine::rotation(within(bound)),
            Self::Shift(bound) => Affine::shift([within(bound), within(bound)]),
            Self::Scale(bound) => Affine::scale(1.0 + within(bound)),
            Self::Shear(bound) => Affine([[1.0, within(bound), 0.0], [0.0, 1.0, 0.0]]),
            Self::RandAugment { .. } | Self::TrivialAugment => {
                let changes = policy::draw(self, rng, from);
                changes.into_iter().fold(Affine::IDENTITY, |done, change| Affine::of(change, from).then(&done))
            }
            _ => Affine::IDENTITY,
        }
    }
}

/// A point for each pixel, `[batch, height, width]`, or what broadcasts to it, in pixels relative to the centre.
struct Points {
    x: Tensor<3>,
    y: Tensor<3>,
}

impl Points {
    /// The pixels themselves.
    fn lattice([height, width]: [usize; 2], device: &Device) -> Self {
        let line = |side: usize| (0..side).map(|i| i as f32 - (side as f32 - 1.0) / 2.0).collect::<Vec<_>>();
        Self { x: single(line(width), [1, 1, width], device), y: single(line(height), [1, height, 1], device) }
    }

    fn moved(self, [right, down]: [Tensor<3>; 2]) -> Self {
        Self { x: self.x + right, y: self.y + down }
    }

    fn affine(self, maps: &[Affine]) -> Self {
        let device = self.x.device();
        let [x, y] = [0, 1].map(|row| {
            let [a, b, c] = [0, 1, 2].map(|column| per_image(maps.iter().map(|map| map.0[row][column]), &device));
            a * self.x.clone() + (b * self.y.clone() + c)
        });
        Self { x, y }
    }

    /// `p ← p·(1 + k·r²)`, where r is at most 1, the distance of the corners.
    fn lens(self, strengths: &[f64], [height, width]: [usize; 2]) -> Self {
        let corner = (((height - 1).pow(2) + (width - 1).pow(2)) as f64 / 4.0).max(1.0);
        let k = per_image(strengths.iter().copied(), &self.x.device());
        let square = self.x.clone() * self.x.clone() + self.y.clone() * self.y.clone();
        let factor = (square / corner).clamp_max(1.0) * k + 1.0;
        Self { x: self.x * factor.clone(), y: self.y * factor }
    }

    /// Points in the outer half of a border pixel go to its centre.
    fn edge(self, [height, width]: [usize; 2]) -> Self {
        let [x, y] = [(self.x, width), (self.y, height)].map(|(c, side)| {
            let outside = c.clone().abs().greater_elem(side as f64 / 2.0);
            let last = (side as f64 - 1.0) / 2.0;
            c.clone().clamp(-last, last).mask_where(outside, c)
        });
        Self { x, y }
    }
}

/// A tensor of `f32`, in which distortions are computed whatever the device's own precision.
pub(super) fn single<const D: usize>(values: Vec<f32>, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), (device, DType::F32))
}

/// A number for each image, `[batch, 1, …]`.
pub(super) fn per_image<const D: usize>(values: impl Iterator<Item = f64>, device: &Device) -> Tensor<D> {
    let values: Vec<f32> = values.map(|value| value as f32).collect();
    let mut shape = [1; D];
    shape[0] = values.len();
    single(values, shape, device)
}

#[cfg(all(test, feature = "_cpu"))]
mod tests {
    use super::*;

    #[allow(deprecated)] // Burn 0.22 deprecates the ndarray backend.
    fn devices() -> Vec<Device> {
        vec![
            #[cfg(feature = "flex")]
            Device::flex(),
            #[cfg(feature = "ndarray")]
            Device::ndarray(),
        ]
    }

    /// One image's values after some changes.
    fn changed(pixels: &[f32], [channels, height, width]: [usize; 3], lookups: &[Lookup], device: &Device) -> Vec<f32> {
        let image = Tensor::from_data(TensorData::new(pixels.to_vec(), [1, channels, height, width]), device);
        look_up(image, lookups, Points::lattice([height, width], device)).into_data().try_into_vec().expect("f32")
    }

    /// A different value for each pixel.
    fn picture(len: usize) -> Vec<f32> {
        (0..len).map(|i| ((37 * i + 11) % 256) as f32 / 255.0).collect()
    }

    /// Two channels, the places of the pixels relative to the centre: what interpolation leaves exact.
    fn places([height, width]: [usize; 2]) -> Vec<f32> {
        let centre = [height, width].map(|side| (side as f32 - 1.0) / 2.0);
        let place = |channel: usize, i: usize| {
            if channel == 0 { (i % width) as f32 - centre[1] } else { (i / width) as f32 - centre[0] }
        };
        (0..2).flat_map(|channel| (0..height * width).map(move |i| place(channel, i))).collect()
    }

    #[test]
    fn maps_compose() {
        let (one, other) = (Affine([[1.0, 2.0, 3.0], [-1.0, 0.5, 2.0]]), Affine([[0.0, -1.0, 4.0], [2.0, 1.0, -1.0]]));
        let at = |map: &Affine, [x, y]: [f64; 2]| map.0.map(|[a, b, c]| a * x + b * y + c);
        let point = [0.75, -2.0];
        assert_eq!(at(&one.then(&other), point), at(&other, at(&one, point)));
    }

    #[test]
    fn whole_pixels_are_exact() {
        let (height, width) = (6_i32, 9_i32);
        let pixels = picture(54);
        for device in devices() {
            for (right, down) in [(0, 0), (2, 1), (-3, 0), (0, -2), (-1, 4), (20, 0), (0, -20)] {
                let shift = Lookup::Affine(vec![Affine::shift([f64::from(right), f64::from(down)])]);
                let out = changed(&pixels, [1, 6, 9], &[shift], &device);
                for (i, found) in out.into_iter().enumerate() {
                    let (row, column) = (i as i32 / width - down, i as i32 % width - right);
                    let inside = (0..height).contains(&row) && (0..width).contains(&column);
                    let expected = if inside { pixels[(row * width + column) as usize] } else { 0.0 };
                    assert_eq!(found, expected, "{right} to the right, {down} down, pixel {i}");
                }
            }
        }
    }

    #[test]
    fn half_a_pixel_mixes_neighbours_evenly() {
        for device in devices() {
            let half = Lookup::Affine(vec![Affine::shift([0.5, 0.0])]);
            let out = changed(&[0.0, 1.0, 2.0, 0.5], [1, 1, 4], &[half], &device);
            assert_eq!(out, [0.0, 0.5, 1.5, 1.25]);
        }
    }

    #[test]
    fn right_angles_are_exact() {
        for device in devices() {
            let turned = |degrees, size, pixels: &[f32]| {
                changed(pixels, size, &[Lookup::Affine(vec![Affine::rotation(degrees)])], &device)
            };
            for side in [5, 8] {
                let pixels = picture(side * side);
                let image = Tensor::<2>::from_data(TensorData::new(pixels.clone(), [side, side]), &device);
                let expected = image.transpose().flip([1]).into_data().try_into_vec::<f32>().expect("f32");
                assert_eq!(turned(90.0, [1, side, side], &pixels), expected);
            }
            let pixels = picture(28);
            assert_eq!(turned(180.0, [1, 4, 7], &pixels), pixels.iter().rev().copied().collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_lens_is_radial_and_keeps_the_centre() {
        let size = [15, 21];
        let before = places(size);
        let (x, y) = before.split_at(15 * 21);
        let corner = 7.0_f32.hypot(10.0);
        for device in devices() {
            for k in [-1.0 / 3.0, -0.1, 0.2, 1.0 / 3.0] {
                let after = changed(&before, [2, 15, 21], &[Lookup::Lens(vec![k], size)], &device);
                let (found_x, found_y) = after.split_at(15 * 21);
                let mut inside = 0;
                for i in 0..15 * 21 {
                    let r = x[i].hypot(y[i]) / corner;
                    let expected = [x[i], y[i]].map(|c| c * (1.0 + k as f32 * r * r));
                    if expected[0].abs() <= 10.0 && expected[1].abs() <= 7.0 {
                        inside += 1;
                        let gap = (found_x[i] - expected[0]).hypot(found_y[i] - expected[1]);
                        assert!(gap < 1e-5, "k {k}: pixel {i} is {gap} off");
                    }
                }
                assert_eq!((found_x[7 * 21 + 10], found_y[7 * 21 + 10]), (0.0, 0.0), "k {k}");
                assert!(inside > 150 && (k > 0.0 || inside == 15 * 21), "k {k}: {inside} pixels come from inside");
            }
        }
    }

    /// Inside, where interpolation of a plane is exact, several changes by one lookup are the changes one after the
    /// other.
    #[test]
    fn composition_is_one_after_the_other() {
        let size = [33, 33];
        let changes = || {
            let affine = |map| Lookup::Affine(vec![map]);
            let (turn, shift) = (affine(Affine::rotation(20.0)), affine(Affine::shift([1.5, -2.25])));
            [turn, Lookup::Lens(vec![-0.2], size), shift, affine(Affine::scale(1.2))]
        };
        // A lens bends planes; only the changes before it are left exact by an interpolation after them.
        for device in devices() {
            let at_once = changed(&places(size), [2, 33, 33], &changes(), &device);
            let [turn, lens, shift, scale] = changes();
            let turned = changed(&places(size), [2, 33, 33], &[turn], &device);
            let in_turn = changed(&turned, [2, 33, 33], &[lens, shift, scale], &device);
            let mut compared = 0;
            for (i, (found, expected)) in at_once.iter().zip(&in_turn).enumerate() {
                let (row, column) = (i % (33 * 33) / 33, i % 33);
                if (8..25).contains(&row) && (8..25).contains(&column) {
                    compared += 1;
                    assert!((found - expected).abs() < 1e-4, "pixel {i}: {found}, expected {expected}");
                }
            }
            assert_eq!(compared, 2 * 17 * 17);
        }
    }
}
