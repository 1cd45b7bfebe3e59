use super::length::{Moment, Span};
use crate::error::{ConfigError, ValueRange};
use burn::config::Config;

/// Configures cyclical learning rates (Smith 2017), as PyTorch's `CyclicLR` has them: the rate rises linearly from
/// `m·η` to `η` and falls back, again and again.
///
/// ```text
/// η·(m + (1 − m)·x·sᶜ·γⁿ)      x rises from 0 to 1 and falls again in each cycle, c cycles and n steps are over
/// ```
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `rise` | | at least 1 | the length of a rise |
/// | `fall` | as `rise` | at least 1 | the length of a fall |
/// | `minimum` | 0.25 | `[0, 1]` | m, the lowest rate as a share of the highest |
/// | `shrink` | 1 | `[0, 1]` | s, by which each cycle is lower than the one before: 1/2 is PyTorch's `triangular2` |
/// | `decay` | 1 | `(0, 1]` | γ, by which each step is lower than the one before: PyTorch's `exp_range` |
#[derive(Config, Debug, Copy, PartialEq)]
pub struct TriangularConfig {
    /// Sets the length of a rise, at least 1.
    pub rise: Span,
    /// Sets the length of a fall, at least 1; without one it is that of a rise.
    pub fall: Option<Span>,
    /// Sets the lowest rate as a share of the highest, in `[0, 1]`.
    #[config(default = 0.25)]
    pub minimum: f64,
    /// Sets how many times as high each cycle is as the one before, in `[0, 1]`.
    #[config(default = 1.0)]
    pub shrink: f64,
    /// Sets how many times as high each step is as the one before, in `(0, 1]`.
    #[config(default = 1.0)]
    pub decay: f64,
}

impl TriangularConfig {
    pub(super) fn at(&self, moment: Moment) -> f64 {
        let rise = moment.steps_in(self.rise);
        let fall = self.fall.map_or(rise, |fall| moment.steps_in(fall));
        let steps = rise.saturating_add(fall);
        let (cycle, step) = (moment.step / steps, moment.step % steps);
        let height = match step <= rise {
            true => step as f64 / rise as f64,
            false => (steps - step) as f64 / fall as f64,
        };
        let scale = self.shrink.powf(cycle as f64) * self.decay.powf(moment.step as f64);
        self.minimum + (1.0 - self.minimum) * height * scale
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        self.rise.check("rise")?;
        self.fall.map_or(Ok(()), |fall| fall.check("fall"))?;
        ValueRange::Fraction.check("Schedule", "minimum", self.minimum)?;
        ValueRange::Fraction.check("Schedule", "shrink", self.shrink)?;
        ValueRange::PositiveFraction.check("Schedule", "decay", self.decay)
    }
}
