//! Embedded digits: an endless, seeded supply of handwritten-looking digits for machines without MNIST.

use std::iter::repeat_n;

use rand::{Rng, RngExt, SeedableRng, rngs::ChaCha8Rng};

/// Side of an image, in pixels.
const SIDE: usize = 28;
/// Side of the box that a digit fills, in pixels; the rest of the image is margin, as in MNIST.
const BOX: usize = 20;
/// Line segments that approximate the curve between two control points.
const STEPS: usize = 5;
/// Nodes along each side of the elastic grid.
const NODES: usize = 4;

/// A drawing of a digit: strokes of control points in percent of the unit square, x to the right and y downwards.
///
/// A stroke is a Catmull-Rom spline through its points; a point given twice is a corner.
type Glyph = &'static [&'static [(u8, u8)]];

/// The ways in which people write each digit, with how often they do.
#[rustfmt::skip]
const STYLES: [&[(usize, Glyph)]; 10] = [
    &[ // 0: oval, crossed on top, open on top
        (6, &[&[(55, 0), (20, 12), (3, 50), (22, 90), (52, 100), (85, 85), (97, 48), (80, 12), (52, 1)]]),
        (2, &[&[(70, 5), (35, 5), (5, 45), (20, 92), (55, 98), (92, 65), (92, 25), (65, 3), (35, 12)]]),
        (1, &[&[(35, 5), (8, 35), (8, 75), (45, 100), (88, 80), (95, 35), (70, 5)]]),
    ],
    &[ // 1: bare, bent, with a flag, with flag and foot
        (12, &[&[(50, 0), (50, 100)]]),
        (3, &[&[(50, 0), (46, 50), (52, 100)]]),
        (1, &[&[(28, 20), (50, 0), (50, 0), (50, 100)]]),
        (1, &[&[(25, 20), (50, 0), (50, 0), (50, 100)], &[(20, 100), (80, 99)]]),
    ],
    &[ // 2: flat foot, looped foot, Z, swan, wide loop, hooked start, rounded a, without a hook,
        // short foot, hooked far back
        (3, &[&[(8, 22), (30, 2), (70, 5), (80, 30), (55, 65), (5, 98), (5, 98), (95, 95)]]),
        (4, &[&[(8, 20), (35, 0), (72, 12), (72, 42), (45, 78), (15, 95), (3, 82), (22, 72), (55, 88), (98, 95)]]),
        (1, &[&[(10, 8), (80, 5), (80, 5), (5, 98), (5, 98), (98, 96)]]),
        (2, &[&[(15, 25), (40, 2), (70, 12), (60, 50), (20, 95), (20, 95), (60, 88), (95, 98)]]),
        (2, &[&[(12, 15), (50, 0), (78, 22), (60, 65), (25, 92), (5, 78), (30, 62), (60, 82), (95, 88)]]),
        (2, &[&[(20, 35), (12, 15), (40, 0), (75, 15), (70, 45), (8, 97), (8, 97), (50, 92), (97, 98)]]),
        (3, &[&[(10, 22), (42, 0), (80, 22), (76, 70), (42, 98), (8, 88), (25, 64), (65, 80), (98, 98)]]),
        (1, &[&[(45, 0), (58, 14), (5, 96), (5, 96), (98, 86)]]),
        (2, &[&[(15, 15), (50, 0), (76, 20), (58, 60), (25, 94), (25, 94), (55, 92), (82, 97)]]),
        (1, &[&[(25, 40), (5, 20), (40, 0), (85, 25), (65, 75), (30, 98), (10, 85), (35, 72), (98, 85)]]),
    ],
    &[ // 3: cornered waist, round waist, flat top, looped waist, small head, weak tail, deep waist
        (4, &[&[(8, 15), (40, 0), (78, 14), (72, 38), (35, 48), (35, 48), (78, 56), (90, 80), (55, 100), (5, 88)]]),
        (3, &[&[(10, 10), (50, 0), (80, 18), (62, 42), (30, 47), (70, 55), (88, 78), (50, 100), (5, 92)]]),
        (2, &[&[(8, 5), (82, 3), (82, 3), (40, 40), (40, 40), (85, 58), (80, 92), (40, 100), (5, 88)]]),
        (2, &[&[(10, 12), (50, 0), (78, 20), (50, 45), (32, 50), (42, 42), (75, 55), (85, 82), (45, 100), (5, 85)]]),
        (2, &[&[(20, 10), (50, 0), (70, 16), (45, 38), (45, 38), (80, 60), (75, 90), (40, 100), (5, 86)]]),
        (2, &[&[(10, 12), (50, 0), (80, 20), (45, 45), (76, 62), (80, 85), (55, 100), (30, 98)]]),
        (2, &[&[(10, 15), (45, 0), (66, 15), (28, 46), (28, 46), (70, 52), (88, 72), (60, 98), (2, 92)]]),
    ],
    &[ // 4: open and angular, open and round, closed, in one stroke, like a y
        (4, &[&[(12, 5), (5, 55), (5, 55), (92, 52)], &[(72, 0), (66, 100)]]),
        (4, &[&[(20, 0), (8, 40), (20, 58), (55, 55), (85, 45)], &[(85, 0), (70, 50), (62, 100)]]),
        (2, &[&[(68, 0), (5, 62), (5, 62), (95, 62)], &[(68, 0), (66, 100)]]),
        (1, &[&[(62, 100), (80, 0), (80, 0), (10, 60), (10, 60), (98, 55)]]),
        (2, &[&[(12, 0), (8, 45), (30, 55), (80, 40), (88, 3), (88, 3), (70, 100)]]),
    ],
    &[ // 5: with a separate bar, in one stroke, like an S, with a slack neck, with a short bar, with a long bar,
        // short tail
        (4, &[&[(28, 2), (18, 42), (18, 42), (60, 36), (90, 62), (70, 96), (8, 94)], &[(28, 2), (95, 0)]]),
        (3, &[&[(92, 2), (30, 4), (30, 4), (20, 42), (20, 42), (65, 40), (85, 70), (55, 100), (5, 90)]]),
        (2, &[&[(92, 5), (45, 5), (18, 25), (40, 45), (78, 62), (70, 92), (8, 96)]]),
        (2, &[&[(85, 0), (35, 3), (25, 40), (65, 48), (72, 75), (40, 100), (5, 95)]]),
        (2, &[&[(35, 8), (20, 45), (20, 45), (60, 40), (82, 70), (50, 100), (5, 85)], &[(35, 8), (75, 4)]]),
        (3, &[&[(28, 8), (20, 40), (20, 40), (48, 36), (62, 62), (42, 98), (5, 90)], &[(28, 8), (98, 0)]]),
        (2, &[&[(85, 3), (35, 5), (35, 5), (20, 45), (20, 45), (55, 42), (72, 65), (62, 90), (30, 100)]]),
    ],
    &[ // 6: round, straight stem, small loop, large loop, curled inwards, lying
        (3, &[&[(72, 0), (35, 20), (8, 62), (30, 98), (75, 90), (80, 62), (48, 52), (15, 75)]]),
        (3, &[&[(45, 0), (15, 45), (8, 80), (40, 100), (85, 85), (75, 58), (40, 58), (12, 82)]]),
        (2, &[&[(60, 0), (25, 35), (12, 75), (40, 100), (75, 80), (60, 62), (30, 72), (20, 90)]]),
        (2, &[&[(35, 0), (8, 50), (30, 98), (85, 85), (88, 55), (55, 45), (20, 70)]]),
        (3, &[&[(25, 0), (5, 50), (20, 92), (60, 98), (88, 70), (68, 46), (46, 65), (45, 95)]]),
        (1, &[&[(95, 12), (45, 15), (5, 60), (30, 96), (80, 92), (90, 65), (55, 58), (20, 78)]]),
    ],
    &[ // 7: straight, bent stem, barred, with a serif, round, with a long bar
        (4, &[&[(5, 8), (92, 5), (92, 5), (40, 100)]]),
        (3, &[&[(5, 10), (50, 6), (90, 5), (90, 5), (60, 45), (45, 100)]]),
        (2, &[&[(5, 8), (90, 5), (90, 5), (40, 100)], &[(25, 52), (85, 48)]]),
        (2, &[&[(8, 28), (8, 6), (8, 6), (90, 5), (90, 5), (50, 100)]]),
        (2, &[&[(5, 22), (30, 3), (75, 3), (85, 25), (65, 60), (50, 100)]]),
        (2, &[&[(12, 12), (50, 6), (88, 4), (88, 4), (60, 50), (48, 100)], &[(18, 60), (96, 46)]]),
    ],
    &[ // 8: an S closed by a line, two circles, open on top, small head, tied at the top, small foot,
        // like a tilted band
        (4, &[&[(82, 15), (50, 0), (18, 18), (40, 45), (82, 75), (55, 100), (15, 85), (35, 52), (75, 28), (82, 12)]]),
        (2, &[&[(50, 46), (15, 22), (50, 0), (85, 22), (50, 46), (10, 75), (50, 100), (90, 75), (50, 46)]]),
        (2, &[&[(90, 5), (45, 8), (20, 25), (75, 65), (65, 98), (25, 92), (30, 65), (90, 5)]]),
        (2, &[&[(50, 48), (25, 25), (55, 2), (80, 20), (50, 48), (12, 80), (45, 100), (80, 80), (50, 48)]]),
        (3, &[&[(85, 12), (50, 2), (20, 20), (50, 50), (72, 78), (50, 98), (25, 82), (50, 50), (92, 8)]]),
        (2, &[&[(80, 14), (45, 0), (15, 25), (50, 50), (66, 80), (45, 100), (30, 80), (55, 48), (85, 22), (72, 6)]]),
        (2, &[&[(75, 8), (35, 2), (15, 20), (60, 52), (78, 80), (45, 100), (15, 82), (60, 42), (80, 22), (75, 8)]]),
    ],
    &[ // 9: straight stem, curved stem, slanted, angular, open on top, large head, narrow head
        (4, &[&[(82, 18), (45, 0), (10, 28), (35, 52), (75, 38), (85, 10), (85, 10), (78, 100)]]),
        (2, &[&[(80, 15), (40, 0), (12, 30), (45, 50), (82, 15), (85, 50), (60, 98), (20, 92)]]),
        (3, &[&[(85, 10), (45, 3), (8, 35), (35, 50), (80, 22), (80, 22), (40, 100)]]),
        (2, &[&[(85, 5), (30, 10), (10, 40), (45, 50), (82, 15), (82, 15), (75, 60), (70, 100)]]),
        (2, &[&[(68, 5), (28, 8), (10, 35), (40, 50), (82, 12), (82, 12), (70, 100)]]),
        (2, &[&[(80, 12), (40, 0), (5, 32), (38, 62), (78, 40), (82, 10), (82, 10), (84, 60), (75, 100)]]),
        (2, &[&[(78, 10), (48, 2), (28, 22), (42, 42), (76, 12), (76, 12), (70, 100)]]),
    ],
];

/// Generates endless synthetic images of handwritten digits in the format of MNIST, on demand: nothing is stored,
/// nothing is downloaded.
///
/// Each digit is written as people write it, in one of several styles, with a shaky hand (control points, elastic
/// distortion, slant, rotation, proportions) and some pen (thickness, softness, intensity, grain). It is then brought
/// into the form of MNIST: white on black, scaled to a box of 20x20 pixels, its centre of mass in the middle of the
/// 28x28 image. A small convolutional network that has seen nothing else reads about 96 % of MNIST.
///
/// Digit `index` of `seed` is always the same image, in whatever order and on whatever platform it is asked for: the
/// randomness is ChaCha8 with the seed as key and the index as stream, and the drawing uses IEEE arithmetic alone.
///
/// ```
/// use burn_descent_lab::data::EmbeddedDigits;
///
/// let digits = EmbeddedDigits::new(42);
/// let (pixels, label) = digits.digit(7);
/// assert_eq!(label, 7);
/// assert_eq!(pixels.len(), 28 * 28);
/// assert_eq!(digits.digit(7), (pixels, label));
/// assert_ne!(digits.digit(17).0, pixels); // another seven
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmbeddedDigits {
    seed: u64,
}

impl EmbeddedDigits {
    /// Creates the supply of digits that belongs to `seed`; different seeds give unrelated digits.
    ///
    /// ```
    /// # use burn_descent_lab::data::EmbeddedDigits;
    /// assert_ne!(EmbeddedDigits::new(1).digit(0), EmbeddedDigits::new(2).digit(0));
    /// ```
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// Draws digit number `index` and returns its 28x28 gray values in row order (0 is paper, 255 is ink) and its
    /// label, `index % 10`.
    ///
    /// Labels take turns, so that any run of consecutive digits is balanced; shuffle the indices before training.
    ///
    /// ```
    /// # use burn_descent_lab::data::EmbeddedDigits;
    /// let digits = EmbeddedDigits::new(0);
    /// let labels: Vec<u8> = (95..105).map(|index| digits.digit(index).1).collect();
    /// assert_eq!(labels, [5, 6, 7, 8, 9, 0, 1, 2, 3, 4]);
    /// ```
    #[must_use]
    pub fn digit(&self, index: u64) -> ([u8; SIDE * SIDE], u8) {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&self.seed.to_le_bytes());
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(index);
        let label = (index % 10) as u8;
        let mut strokes = write(STYLES[usize::from(label)], &mut rng);
        let pen = Pen::random(&mut rng);
        fit(&mut strokes, &pen);
        (centre(&draw(&strokes, &pen, &mut rng)), label)
    }
}

/// A place on the paper and the thickness of the line there.
#[derive(Clone, Copy)]
struct Dot {
    x: f32,
    y: f32,
    /// Half the width of the line, relative to the pen's.
    width: f32,
}

/// A straight piece of a stroke.
type Segment = [Dot; 2];

/// What the digit is written with.
struct Pen {
    /// Half the width of the line, in pixels.
    radius: f32,
    /// Width of the soft edge of the line, in pixels.
    blur: f32,
    /// Gray value of full ink.
    ink: f32,
    /// How much of the ink is missing at most, as a fraction.
    grain: f32,
}

impl Pen {
    fn random(rng: &mut impl Rng) -> Self {
        Self {
            radius: (1.45 + 0.45 * normal(rng)).max(0.6),
            blur: uniform(rng, 0.9, 1.6),
            ink: uniform(rng, 240.0, 300.0),
            grain: uniform(rng, 0.0, 0.12),
        }
    }
}

/// Uniform between `low` and `high`.
fn uniform(rng: &mut impl Rng, low: f32, high: f32) -> f32 {
    low + (high - low) * rng.random::<f32>()
}

/// Nearly standard normal: the sum of four uniform numbers, which is bounded by ±2√3 and exact on every platform.
fn normal(rng: &mut impl Rng) -> f32 {
    let sum: f32 = (0..4).map(|_| uniform(rng, -0.5, 0.5)).sum();
    sum * 3_f32.sqrt()
}

/// The strokes of a digit as somebody wrote it once, in one of `styles`, around the origin, in units of its height.
fn write(styles: &[(usize, Glyph)], rng: &mut impl Rng) -> Vec<Segment> {
    let glyph = choose(styles, rng);
    let hand = Hand::random(rng);
    let mut segments = Vec::with_capacity(16 * STEPS);
    for stroke in glyph {
        let points = shaky(stroke, rng);
        let last = points.len() - 1;
        let mut from = hand.place(points[0]);
        for i in (0..last).filter(|&i| stroke[i] != stroke[i + 1]) {
            let knots = [points[i.saturating_sub(1)], points[i], points[i + 1], points[last.min(i + 2)]];
            for step in 1..=STEPS {
                let to = hand.place(catmull_rom(knots, step as f32 / STEPS as f32));
                segments.push([from, to]);
                from = to;
            }
        }
    }
    segments
}

/// One of the styles, as often as its number says.
fn choose(styles: &[(usize, Glyph)], rng: &mut impl Rng) -> Glyph {
    let mut ballots = styles.iter().flat_map(|&(often, glyph)| repeat_n(glyph, often));
    let count = styles.iter().map(|&(often, _)| often).sum::<usize>();
    let pick = rng.random_range(0..count as u32) as usize;
    ballots.nth(pick).expect("the pick is below the number of ballots")
}

/// The control points of a stroke around the origin, each a little off; a corner stays a corner.
fn shaky(stroke: &[(u8, u8)], rng: &mut impl Rng) -> Vec<[f32; 2]> {
    const JITTER: f32 = 0.02;
    let mut points: Vec<[f32; 2]> = Vec::with_capacity(stroke.len());
    for (i, &(x, y)) in stroke.iter().enumerate() {
        points.push(if i > 0 && stroke[i - 1] == stroke[i] {
            points[i - 1]
        } else {
            [x, y].map(|c| f32::from(c) / 100.0 - 0.5 + JITTER * normal(rng))
        });
    }
    points
}

/// The point at `t` in 0..=1 on the Catmull-Rom curve from `b` to `c`.
fn catmull_rom([a, b, c, d]: [[f32; 2]; 4], t: f32) -> [f32; 2] {
    [0, 1].map(|k| {
        let (a, b, c, d) = (a[k], b[k], c[k], d[k]);
        b + 0.5 * t * (c - a + t * (2.0 * a - 5.0 * b + 4.0 * c - d + t * (3.0 * (b - c) + d - a)))
    })
}

/// The hand of one writer: a smooth elastic distortion of the paper, followed by a linear map.
struct Hand {
    /// Displacement in x and y and change of thickness, at the nodes of a grid over the unit square.
    elastic: [[[f32; 3]; NODES]; NODES],
    linear: [[f32; 2]; 2],
}

impl Hand {
    fn random(rng: &mut impl Rng) -> Self {
        const ELASTIC: [f32; 3] = [0.14, 0.14, 0.3];
        let mut elastic = [[[0.0; 3]; NODES]; NODES];
        for value in elastic.as_flattened_mut() {
            *value = ELASTIC.map(|deviation| deviation * normal(rng));
        }
        // The rotation by θ from t = tan(θ/2), so that no platform's sine is asked.
        let t = 0.06 * normal(rng);
        let (sin, cos) = (2.0 * t / (1.0 + t * t), (1.0 - t * t) / (1.0 + t * t));
        let slant = 0.15 + 0.25 * normal(rng);
        let width = (0.82 + 0.17 * normal(rng)).max(0.35);
        // Rotation times slant times width.
        let linear = [[cos * width, -cos * slant - sin], [sin * width, cos - sin * slant]];
        Self { elastic, linear }
    }

    /// Where the pen goes when it aims at a point.
    fn place(&self, [x, y]: [f32; 2]) -> Dot {
        let ((top, u), (left, v)) = (cell(y), cell(x));
        let [mut dx, mut dy, mut dw] = [0.0; 3];
        for (row, u) in self.elastic[top..].iter().zip(u) {
            for (node, v) in row[left..].iter().zip(v) {
                dx += u * v * node[0];
                dy += u * v * node[1];
                dw += u * v * node[2];
            }
        }
        let (x, y) = (x + dx, y + dy);
        let [x, y] = self.linear.map(|[a, b]| a * x + b * y);
        Dot { x, y, width: 1.0 + dw }
    }
}

/// The first of the three nodes of the elastic grid that act on a coordinate, and their quadratic B-spline weights.
fn cell(coordinate: f32) -> (usize, [f32; 3]) {
    let cells = (NODES - 2) as f32;
    let c = (coordinate + 0.5).clamp(0.0, 1.0) * cells;
    let first = c.min(cells - 1.0).floor();
    let t = c - first;
    (first as usize, [0.5 * (1.0 - t) * (1.0 - t), 0.5 + t - t * t, 0.5 * t * t])
}

/// Linear interpolation.
fn mix(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

/// Scales the strokes so that their ink fits the box, proportions kept, and centres their extent in it.
fn fit(strokes: &mut [Segment], pen: &Pen) {
    let dots = strokes.as_flattened_mut();
    let extent = |get: fn(&Dot) -> f32| {
        let bounds = dots.iter().map(get).fold([f32::MAX, f32::MIN], |[a, b], c| [a.min(c), b.max(c)]);
        (bounds[1] - bounds[0], 0.5 * (bounds[0] + bounds[1]))
    };
    let ((width, x), (height, y)) = (extent(|dot| dot.x), extent(|dot| dot.y));
    let widest = dots.iter().map(|dot| dot.width).fold(0.0, f32::max);
    let room = BOX as f32 - 2.0 * pen.radius * widest - pen.blur;
    let scale = room / width.max(height);
    for dot in dots {
        dot.x = (dot.x - x) * scale + 0.5 * BOX as f32;
        dot.y = (dot.y - y) * scale + 0.5 * BOX as f32;
    }
}

/// The ink on the box: the distance of each pixel's middle from the edge of the nearest stroke decides.
fn draw(strokes: &[Segment], pen: &Pen, rng: &mut impl Rng) -> [[u8; BOX]; BOX] {
    let mut inside = [[-pen.blur; BOX]; BOX];
    for &[a, b] in strokes {
        let (dx, dy) = (b.x - a.x, b.y - a.y);
        let inverse = 1.0 / (dx * dx + dy * dy).max(1e-6);
        let reach = pen.radius * a.width.max(b.width) + 0.5 * pen.blur;
        let span = |a: f32, b: f32| {
            let [low, high] = [a.min(b) - reach, a.max(b) + reach].map(|c| c.clamp(0.0, BOX as f32) as usize);
            low..(high + 1).min(BOX)
        };
        for row in span(a.y, b.y) {
            let py = row as f32 + 0.5 - a.y;
            for column in span(a.x, b.x) {
                let px = column as f32 + 0.5 - a.x;
                let t = ((px * dx + py * dy) * inverse).clamp(0.0, 1.0);
                let (qx, qy) = (px - t * dx, py - t * dy);
                let depth = pen.radius * mix(a.width, b.width, t) - (qx * qx + qy * qy).sqrt();
                let deepest = &mut inside[row][column];
                *deepest = deepest.max(depth);
            }
        }
    }
    inside.map(|row| {
        row.map(|depth| {
            let cover = (depth / pen.blur + 0.5).clamp(0.0, 1.0);
            let grain = if cover > 0.0 { 1.0 - pen.grain * rng.random::<f32>() } else { 1.0 };
            (pen.ink * cover * grain).min(255.0) as u8
        })
    })
}

/// Puts the box on the paper where its centre of mass comes closest to the middle.
fn centre(ink: &[[u8; BOX]; BOX]) -> [u8; SIDE * SIDE] {
    let [mut mass, mut x, mut y] = [0; 3];
    for (row, pixels) in ink.iter().enumerate() {
        for (column, &pixel) in pixels.iter().enumerate() {
            mass += usize::from(pixel);
            x += column * usize::from(pixel);
            y += row * usize::from(pixel);
        }
    }
    let margin = |moment: usize| {
        let place = (moment + mass / 2) / mass.max(1);
        (SIDE / 2).saturating_sub(place).min(SIDE - BOX)
    };
    let (left, top) = (margin(x), margin(y));
    let mut image = [0; SIDE * SIDE];
    for (line, pixels) in image.chunks_exact_mut(SIDE).skip(top).zip(ink) {
        line[left..left + BOX].copy_from_slice(pixels);
    }
    image
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bounds of the inked rows or columns, from the ink in each.
    fn extent(ink: &[f64]) -> (usize, usize) {
        let first = ink.iter().position(|&v| v > 0.0).expect("there is ink");
        let last = ink.iter().rposition(|&v| v > 0.0).expect("there is ink");
        (first, last)
    }

    /// Ink in each column and in each row.
    fn profiles(pixels: &[u8; SIDE * SIDE]) -> [[f64; SIDE]; 2] {
        let mut profiles = [[0.0; SIDE]; 2];
        for (i, &pixel) in pixels.iter().enumerate() {
            profiles[0][i % SIDE] += f64::from(pixel);
            profiles[1][i / SIDE] += f64::from(pixel);
        }
        profiles
    }

    #[test]
    fn every_stroke_has_points_in_the_unit_square() {
        for (often, glyph) in STYLES.into_iter().flatten() {
            assert!(*often > 0);
            for stroke in *glyph {
                assert!(stroke.len() > 1, "{stroke:?}");
                assert!(stroke.iter().all(|&(x, y)| x <= 100 && y <= 100), "{stroke:?}");
            }
        }
    }

    #[test]
    fn a_digit_depends_on_seed_and_index_alone() {
        let forwards: Vec<_> = (0..50).map(|i| EmbeddedDigits::new(3).digit(i)).collect();
        let digits = EmbeddedDigits::new(3);
        for (index, expected) in forwards.iter().enumerate().rev() {
            assert_eq!(digits.digit(index as u64), *expected);
        }
        let far = digits.digit(u64::MAX);
        assert_eq!(far, digits.digit(u64::MAX));
        assert_eq!(far.1, 5);
    }

    #[test]
    fn digits_are_the_same_on_every_platform() {
        let digits = EmbeddedDigits::new(42);
        let fnv = (0..1000)
            .flat_map(|i| digits.digit(i).0)
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, pixel| (hash ^ u64::from(pixel)).wrapping_mul(0x100_0000_01b3));
        assert_eq!(fnv, 0x4763_ea91_a945_1ddd, "the drawing has changed: {fnv:#x}");
    }

    #[test]
    fn seeds_and_indices_differ() {
        let digits = [0, 1, 2, u64::MAX].map(EmbeddedDigits::new);
        let images: Vec<_> = digits.iter().flat_map(|d| (0..20).map(|i| d.digit(10 * i).0)).collect();
        for (i, image) in images.iter().enumerate() {
            assert!(!images[..i].contains(image));
        }
    }

    #[test]
    fn labels_are_balanced() {
        let digits = EmbeddedDigits::new(0);
        let mut counts = [0; 10];
        for index in 123..1123 {
            counts[usize::from(digits.digit(index).1)] += 1;
        }
        assert_eq!(counts, [100; 10]);
    }

    #[test]
    fn digits_fill_the_box_and_are_centred() {
        let digits = EmbeddedDigits::new(9);
        for index in 0..5000 {
            let sides = profiles(&digits.digit(index).0).map(|profile| {
                let mass: f64 = profile.iter().sum();
                let centre = profile.iter().enumerate().map(|(i, ink)| i as f64 * ink).sum::<f64>() / mass;
                assert!((centre - 14.0).abs() <= 1.0, "digit {index} is centred at {centre}");
                let (first, last) = extent(&profile);
                last + 1 - first
            });
            let longer = sides[0].max(sides[1]);
            assert!((17..=BOX).contains(&longer), "digit {index} is {sides:?} pixels large");
        }
    }

    #[test]
    fn ink_is_distributed_as_in_mnist() {
        let digits = EmbeddedDigits::new(4);
        let n = 3000;
        let [mut sum, mut squares] = [0.0; 2];
        for value in (0..n).flat_map(|index| digits.digit(index).0) {
            let value = f64::from(value) / 255.0;
            sum += value;
            squares += value * value;
        }
        let count = (n as usize * SIDE * SIDE) as f64;
        let mean = sum / count;
        let deviation = (squares / count - mean * mean).sqrt();
        assert!((mean - 0.1307).abs() < 0.01, "{mean}");
        assert!((deviation - 0.3081).abs() < 0.01, "{deviation}");
    }
}
