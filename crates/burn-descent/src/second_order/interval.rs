//! The interval of uncertainty of a line search, and the trial step in it (Moré & Thuente 1994, sections 3 and 4).

/// One end of the interval: a step, the value and the slope there.
#[derive(Clone, Copy, Debug, PartialEq)]
struct End {
    step: f64,
    value: f64,
    slope: f64,
}

impl End {
    /// The same of `φ(α) − tilt·α`.
    fn tilted(self, tilt: f64) -> Self {
        Self { value: self.value - tilt * self.step, slope: self.slope - tilt, ..self }
    }
}

/// Holds the lowest step that was found and another, between which, once bracketed, there is a minimum.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Interval {
    best: End,
    other: End,
    bracketed: bool,
}

impl Interval {
    /// Nothing but the start of the line is known.
    pub(super) fn at(value: f64, slope: f64) -> Self {
        let start = End { step: 0.0, value, slope };
        Self { best: start, other: start, bracketed: false }
    }

    pub(super) fn best_value(&self) -> f64 {
        self.best.value
    }

    /// The steps of the best and of the other end.
    pub(super) fn ends(&self) -> (f64, f64) {
        (self.best.step, self.other.step)
    }

    pub(super) fn is_bracketed(&self) -> bool {
        self.bracketed
    }

    /// Narrows the interval by what is at `step`, and returns a trial step within `bounds`, by the values less `tilt`
    /// times the step.
    pub(super) fn narrow(&mut self, step: f64, value: f64, slope: f64, tilt: f64, bounds: (f64, f64)) -> f64 {
        let (low, high) = bounds;
        let trial = End { step, value, slope };
        let (x, y, t) = (self.best.tilted(tilt), self.other.tilted(tilt), trial.tilted(tilt));
        let turns = t.slope * x.slope.signum() < 0.0;
        let next = if t.value > x.value {
            // Higher: a minimum lies between.
            self.bracketed = true;
            let (cubic, quadratic) = (cubic(x, t), quadratic(x, t));
            if (cubic - x.step).abs() < (quadratic - x.step).abs() { cubic } else { cubic + (quadratic - cubic) / 2.0 }
        } else if turns {
            // Lower, but uphill from there.
            self.bracketed = true;
            farther(cubic(t, x), secant(t, x), t.step)
        } else if t.slope.abs() < x.slope.abs() {
            // Lower, and flatter: the cubic may have no minimum ahead.
            let ahead = cubic_ahead(t, x).unwrap_or(if t.step > x.step { high } else { low });
            if self.bracketed {
                let next = nearer(ahead, secant(t, x), t.step);
                let limit = t.step + 0.66 * (y.step - t.step);
                if t.step > x.step { next.min(limit) } else { next.max(limit) }
            } else {
                farther(ahead, secant(t, x), t.step).max(low).min(high)
            }
        } else if self.bracketed {
            cubic(t, y)
        } else if t.step > x.step {
            high
        } else {
            low
        };
        if t.value > x.value {
            self.other = trial;
        } else {
            if turns {
                self.other = self.best;
            }
            self.best = trial;
        }
        next
    }
}

fn farther(one: f64, other: f64, from: f64) -> f64 {
    if (one - from).abs() > (other - from).abs() { one } else { other }
}

fn nearer(one: f64, other: f64, from: f64) -> f64 {
    if (one - from).abs() < (other - from).abs() { one } else { other }
}

/// The slope that the cubic through both ends has between them, and the root of its discriminant.
fn coefficients(a: End, b: End) -> (f64, f64) {
    let theta = 3.0 * (a.value - b.value) / (b.step - a.step) + a.slope + b.slope;
    let scale = theta.abs().max(a.slope.abs()).max(b.slope.abs());
    let discriminant = (theta / scale).powi(2) - (a.slope / scale) * (b.slope / scale);
    let gamma = scale * discriminant.max(0.0).sqrt();
    (theta, if b.step < a.step { -gamma } else { gamma })
}

/// The minimum of the cubic with the values and slopes of both ends, seen from `a`.
fn cubic(a: End, b: End) -> f64 {
    let (theta, gamma) = coefficients(a, b);
    let ratio = (gamma - a.slope + theta) / (gamma - a.slope + gamma + b.slope);
    a.step + ratio * (b.step - a.step)
}

/// The minimum of that cubic where it lies beyond `a`, away from `b`, if there is one.
fn cubic_ahead(a: End, b: End) -> Option<f64> {
    let (theta, gamma) = coefficients(a, b);
    let ratio = (gamma - a.slope + theta) / (gamma + (b.slope - a.slope) + gamma);
    (ratio < 0.0 && gamma != 0.0).then_some(a.step + ratio * (b.step - a.step))
}

/// The minimum of the parabola with the value and slope of `a` and the value of `b`.
fn quadratic(a: End, b: End) -> f64 {
    let chord = (a.value - b.value) / (b.step - a.step);
    a.step + a.slope / (chord + a.slope) / 2.0 * (b.step - a.step)
}

/// Where the line through both slopes is 0.
fn secant(a: End, b: End) -> f64 {
    a.step + a.slope / (a.slope - b.slope) * (b.step - a.step)
}
