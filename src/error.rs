//! The errors of a configuration.

use std::fmt;

/// A hyperparameter outside its range.
///
/// # Example
///
/// ```
/// use burn_descent::optim::AdadeltaConfig;
///
/// let error = AdadeltaConfig::new().with_rho(1.5).build().unwrap_err();
/// assert_eq!(error.to_string(), "Adadelta: rho should be in [0, 1), but is 1.5");
/// ```
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{config}: {field} should be {range}, but is {value}")]
pub struct ConfigError {
    /// What is being configured, such as `Adadelta`.
    pub config: &'static str,
    /// The field at fault, by its name in the configuration.
    pub field: &'static str,
    /// The value that was given.
    pub value: f64,
    /// What was expected.
    pub range: Range,
}

/// The values that a hyperparameter may take. NaN is in none of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Range {
    /// `[0, 1)`: the share of the past that a moving average keeps.
    Decay,
    /// `[0, ∞)`.
    NonNegative,
    /// `(0, ∞)`.
    Positive,
    /// `[0, 1]`.
    Fraction,
    /// `(0, 1]`.
    PositiveFraction,
    /// `(0, 1)`.
    OpenFraction,
    /// Greater than this.
    Above(f64),
    /// At least this.
    AtLeast(f64),
    /// From the first to the second, both included.
    Within(f64, f64),
    /// An odd number.
    Odd,
    /// This number of things.
    Exactly(usize),
}

impl Range {
    /// Whether `value` is in the range.
    pub fn contains(self, value: f64) -> bool {
        match self {
            Self::Decay => (0.0..1.0).contains(&value),
            Self::NonNegative => value >= 0.0 && value.is_finite(),
            Self::Positive => value > 0.0 && value.is_finite(),
            Self::Fraction => (0.0..=1.0).contains(&value),
            Self::PositiveFraction => value > 0.0 && value <= 1.0,
            Self::OpenFraction => value > 0.0 && value < 1.0,
            Self::Above(bound) => value > bound && value.is_finite(),
            Self::AtLeast(bound) => value >= bound && value.is_finite(),
            Self::Within(least, most) => (least..=most).contains(&value),
            Self::Odd => value % 2.0 == 1.0,
            Self::Exactly(number) => value == number as f64,
        }
    }

    /// `Ok` where `value` is in the range, else the error that names `config`, `field` and `value`.
    pub fn check(self, config: &'static str, field: &'static str, value: f64) -> Result<(), ConfigError> {
        if self.contains(value) {
            return Ok(());
        }
        Err(ConfigError { config, field, value, range: self })
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decay => f.write_str("in [0, 1)"),
            Self::NonNegative => f.write_str("in [0, ∞)"),
            Self::Positive => f.write_str("in (0, ∞)"),
            Self::Fraction => f.write_str("in [0, 1]"),
            Self::PositiveFraction => f.write_str("in (0, 1]"),
            Self::OpenFraction => f.write_str("in (0, 1)"),
            Self::Above(bound) => write!(f, "above {bound}"),
            Self::AtLeast(bound) => write!(f, "at least {bound}"),
            Self::Within(least, most) => write!(f, "in [{least}, {most}]"),
            Self::Odd => f.write_str("odd"),
            Self::Exactly(number) => write!(f, "{number} in number"),
        }
    }
}
