use super::length::{Moment, Span};
use crate::error::{ConfigError, ValueRange};
use burn::config::Config;

/// Configures a line from one multiple of the rate to another: `η·(start + (end − start)·min(n/T, 1))`, which is PyTorch's
/// `LinearLR`.
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `start` | 1 | `[0, ∞)` | the first rate, as a multiple of η |
/// | `end` | 0 | `[0, ∞)` | the last rate, as a multiple of η |
/// | `over` | the whole run | at least 1 | T, the length of the line; after it the rate stays at the last |
///
/// With both ends the same it is PyTorch's `ConstantLR`. After another schedule it is `SWALR`, the way to the low constant rate
/// at which stochastic weight averaging gathers weights: itself with `anneal_strategy="linear"`, and with `"cos"`, PyTorch's
/// default, the rate after a cosine:
///
/// ```
/// use burn_descent::schedule::{RunLength, Schedule};
///
/// let length = RunLength { epochs: 10, steps_per_epoch: 1 };
/// let rates = |text: &str| {
///     let schedule: Schedule = text.parse().expect("a schedule");
///     (0..10).map(|epoch| schedule.factor(epoch, length)).collect::<Vec<_>>()
/// };
/// // A fifth of the rate for three epochs, and then all of it: `ConstantLR(factor=0.2, total_iters=3)`.
/// assert_eq!(rates("linear=start=0.2,end=0.2@3+constant")[..4], [0.2, 0.2, 0.2, 1.0]);
/// // Down to a quarter within two epochs, after six at the full rate: `SWALR` with `anneal_strategy="linear"`.
/// assert_eq!(rates("constant@6+linear=end=0.25,over=2")[5..], [1.0, 1.0, 0.625, 0.25, 0.25]);
/// // The same along a cosine: `anneal_strategy="cos"`.
/// assert_eq!(rates("constant@6+cosine=0.25@2+linear=start=0.25,end=0.25")[5..], [1.0, 1.0, 0.625, 0.25, 0.25]);
/// ```
#[derive(Config, Debug, Copy, PartialEq)]
pub struct LinearLrConfig {
    /// Sets the first rate as a multiple of the run's, in `[0, ∞)`.
    #[config(default = 1.0)]
    pub start: f64,
    /// Sets the last rate as a multiple of the run's, in `[0, ∞)`.
    #[config(default = 0.0)]
    pub end: f64,
    /// Sets the length of the line, at least 1; none is the whole run.
    pub over: Option<Span>,
}

impl LinearLrConfig {
    pub(super) fn at(&self, moment: Moment) -> f64 {
        let p = match self.over {
            Some(over) => (moment.step as f64 / moment.steps_in(over) as f64).min(1.0),
            None => moment.share(),
        };
        self.start * (1.0 - p) + self.end * p
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        ValueRange::NonNegative.check("Schedule", "start", self.start)?;
        ValueRange::NonNegative.check("Schedule", "end", self.end)?;
        self.over.map_or(Ok(()), |over| over.check("over"))
    }
}
