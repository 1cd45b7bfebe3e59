//! Rectangles that are erased or exchanged.

use super::geometry::single;
use super::key::within;
use burn::tensor::{Device, Tensor};
use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use rand_distr::{Beta, Distribution};
use std::ops::Range;

/// Pixels by rows and columns.
pub(super) struct Rectangle {
    rows: Range<usize>,
    columns: Range<usize>,
}

impl Rectangle {
    const NONE: Self = Self { rows: 0..0, columns: 0..0 };

    /// One that covers up to `area` of an image, its proportions between 1:3 and 3:1 of the image's as far as it fits.
    pub(super) fn of_share(mut rng: Option<&mut ChaCha8Rng>, area: f64, [height, width]: [usize; 2]) -> Self {
        let place = within(1.0, &mut rng);
        let Some(rng) = rng else { return Self::NONE };
        let [high, wide] = sides(area * rng.random::<f64>(), 3.0, place);
        let mut span = |share: f64, side: usize| {
            let len = (share * side as f64).round() as usize;
            let start = rng.random_range(0..=side - len);
            start..start + len
        };
        Self { rows: span(high, height), columns: span(wide, width) }
    }

    /// One of the image's proportions and the share 1 − λ of its area, wherever its centre may be, cut off at the
    /// borders.
    pub(super) fn around(rng: Option<&mut ChaCha8Rng>, alpha: f64, [height, width]: [usize; 2]) -> Self {
        let Some(rng) = rng else { return Self::NONE };
        let share = (1.0 - lambda(Some(&mut *rng), alpha)).sqrt();
        let mut span = |side: usize| {
            let (centre, half) = (rng.random::<f64>() * side as f64, share * side as f64 / 2.0);
            let [start, end] =
                [centre - half, centre + half].map(|place| place.round().clamp(0.0, side as f64) as usize);
            start..end
        };
        Self { rows: span(height), columns: span(width) }
    }

    pub(super) fn area(&self) -> usize {
        self.rows.len() * self.columns.len()
    }
}

/// Height and width, as shares of an image's, of a part with the share `share` of its area. The proportions lie at
/// `place`, from −1 to 1, between 1:`ratio` and `ratio`:1 of the image's, or as far to either side as the part fits.
pub(super) fn sides(share: f64, ratio: f64, place: f64) -> [f64; 2] {
    let slim = (place * (ratio.ln() / 2.0).min(-share.ln() / 2.0)).exp();
    [share.sqrt() / slim, share.sqrt() * slim].map(|side| side.min(1.0))
}

/// What is kept of an image when it is mixed: drawn from Beta(α, α), 1 without numbers.
pub(super) fn lambda(rng: Option<&mut ChaCha8Rng>, alpha: f64) -> f64 {
    match (rng, Beta::new(alpha, alpha)) {
        (Some(rng), Ok(beta)) => beta.sample(rng),
        _ => 1.0,
    }
}

/// 1 for each pixel outside of its image's rectangle, 0 inside: `[batch, 1, height, width]`.
pub(super) fn outside(rectangles: &[Rectangle], [height, width]: [usize; 2], device: &Device) -> Tensor<4> {
    let mut values = vec![1.0_f32; rectangles.len() * height * width];
    for (image, rectangle) in values.chunks_exact_mut(height * width).zip(rectangles) {
        for row in rectangle.rows.clone() {
            image[row * width..][rectangle.columns.clone()].fill(0.0);
        }
    }
    single(values, [rectangles.len(), 1, height, width], device)
}
