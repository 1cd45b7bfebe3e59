//! Offers descent that needs no learning rate schedule (Defazio et al. 2024). It has three sequences, of which `y` is
//! the module's parameters, `z` is in the state and `x` is computed when asked for.

mod adamw;
mod sgd;

pub use adamw::{ScheduleFreeAdamw, ScheduleFreeAdamwConfig};
pub use sgd::{ScheduleFreeSgd, ScheduleFreeSgdConfig};

use super::Entry;
use crate::rule::Real;

/// Holds the coefficients of one schedule-free step, in the direction `u`:
///
/// ```text
/// z' = z − η·u,   x' = (1 − c)·x + c·z',   y' = (1 − β)·z' + β·x'
/// ```
///
/// With `x = (y − (1 − β)·z)/β` the last line is `y' = y + c·(z − y) − η·(1 − β·(1 − c))·u`.
#[derive(Clone, Copy, Debug)]
pub struct Coefficients {
    /// Whether `z` has to start from `y`.
    first: bool,
    eta: f64,
    weight: f64,
    along: f64,
}

pub(super) const ENTRIES: &[Entry] = &[sgd::ENTRIES[0], adamw::ENTRIES[0]];

/// What schedule-free methods carry from step to step: the highest learning rate so far and the sum of all steps'
/// weights.
const SCALAR_STATE: &[(&str, f64)] = &[("lr_max", 0.0), ("weight_sum", 0.0)];

impl Coefficients {
    /// `c` is the share of this step in the sum of all weights, which are powers of the highest rate so far.
    fn new(beta: f64, weight_power: f64, lr: f64, time: u64, scalar_state: &mut [f64]) -> Self {
        scalar_state[0] = lr.max(scalar_state[0]);
        let weight = scalar_state[0].powf(weight_power);
        scalar_state[1] += weight;
        let c = if scalar_state[1] > 0.0 { weight / scalar_state[1] } else { 0.0 };
        Self { first: time == 1, eta: lr, weight: c, along: lr * (1.0 - beta * (1.0 - c)) }
    }

    /// `z` as the step meets it.
    #[inline(always)]
    fn z<R: Real>(&self, y: &R, z: R) -> R {
        if self.first { y.clone() } else { z }
    }

    /// The next `y` and `z`.
    #[inline(always)]
    fn step<R: Real>(&self, y: R, z: R, u: R) -> (R, R) {
        let next = y.clone() + (z.clone() - y) * self.weight - u.clone() * self.along;
        (next, z - u * self.eta)
    }
}

/// `x`, the average.
fn average<R: Real>(beta: f64, y: R, z: R) -> R {
    (y - z * (1.0 - beta)) * (1.0 / beta)
}
