use super::cosine::half_cosine;
use super::length::{Moment, Span};
use crate::error::{ConfigError, ValueRange};
use burn::config::Config;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Configures a warm-up, a long time at the run's rate, and a decay at the end (Hu et al. 2024, MiniCPM): a run that
/// turns out longer needs another decay alone.
///
/// ```text
/// w(n)·d(t)      w(n) = f + (1 − f)·min(n/W, 1), t the share of the last D steps that is over
/// ```
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `warm_up` | | at least 1 | W, the length of the warm-up |
/// | `decay` | | at least 1 | D, the length of the decay |
/// | `from` | 0.01 | `[0, 1]` | f, the first rate as a share of the run's |
/// | `minimum` | 0 | `[0, 1]` | m, the rate after the end as a share of the run's |
/// | `form` | `Linear` | | how d falls from 1 to m |
///
/// Where they do not both fit into the run, they overlap.
#[derive(Config, Debug, Copy, PartialEq)]
pub struct WarmUpStableDecayConfig {
    /// Sets the length of the warm-up, at least 1.
    pub warm_up: Span,
    /// Sets the length of the decay, at least 1.
    pub decay: Span,
    /// Sets the first rate as a share of the run's, in `[0, 1]`.
    #[config(default = 0.01)]
    pub from: f64,
    /// Sets the rate after the end as a share of the run's, in `[0, 1]`.
    #[config(default = 0.0)]
    pub minimum: f64,
    /// Sets how the rate falls.
    #[config(default = "DecayForm::Linear")]
    pub form: DecayForm,
}

/// Says how the rate falls at the end of [`WarmUpStableDecayConfig`], where t goes from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecayForm {
    /// Lowers it linearly: `1 − t`.
    #[default]
    Linear,
    /// Lowers it along half a cosine: `(1 + cos πt)/2`.
    Cosine,
    /// Lowers it by the square root of the time: `1 − √t` (Hägele et al. 2024).
    Sqrt,
}

impl WarmUpStableDecayConfig {
    pub(super) fn at(&self, moment: Moment) -> f64 {
        let (warm_up, decay) = (moment.steps_in(self.warm_up), moment.steps_in(self.decay));
        let warmth = self.from + (1.0 - self.from) * (moment.step as f64 / warm_up as f64).min(1.0);
        let start = moment.steps.saturating_sub(decay);
        let over = moment.step.saturating_sub(start) as f64 / (moment.steps - start).max(1) as f64;
        let (over, to) = (over.min(1.0), self.minimum);
        warmth
            * match self.form {
                DecayForm::Linear => to + (1.0 - to) * (1.0 - over),
                DecayForm::Cosine => half_cosine(1.0, to, over),
                DecayForm::Sqrt => to + (1.0 - to) * (1.0 - over.sqrt()),
            }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        self.warm_up.check("warm_up")?;
        self.decay.check("decay")?;
        ValueRange::Fraction.check("Schedule", "from", self.from)?;
        ValueRange::Fraction.check("Schedule", "minimum", self.minimum)
    }
}

impl fmt::Display for DecayForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Linear => "linear",
            Self::Cosine => "cosine",
            Self::Sqrt => "sqrt",
        })
    }
}

impl FromStr for DecayForm {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Linear, Self::Cosine, Self::Sqrt].into_iter().find(|form| form.to_string() == text).ok_or(())
    }
}
