//! Describes the errors of a configuration.

use std::fmt;

/// Fails where a hyperparameter is outside its range.
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
#[error("{config}: {field} should be {range}, but is {}", Readable(*value))]
pub struct ConfigError {
    /// Names what is being configured, such as `Adadelta`.
    pub config: &'static str,
    /// Names the field at fault, as the configuration does.
    pub field: &'static str,
    /// Gives the value at fault.
    pub value: f64,
    /// Says which values were expected.
    pub range: ValueRange,
}

/// Describes the values that a hyperparameter may take. NaN is in none of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ValueRange {
    /// Contains the numbers from 0 to below 1, `[0, 1)`: the share of the past that a moving average keeps.
    Decay,
    /// Contains 0 and the positive numbers, `[0, ∞)`.
    NonNegative,
    /// Contains the positive numbers, `(0, ∞)`.
    Positive,
    /// Contains the positive numbers that `f32` does not take for 0, and has all digits of, `[1.2e-38, ∞)`: an ε that is to
    /// keep a division finite.
    Epsilon,
    /// Contains the numbers from 0 to 1, both included, `[0, 1]`.
    Fraction,
    /// Contains the numbers above 0 and up to 1, `(0, 1]`.
    PositiveFraction,
    /// Contains the numbers between 0 and 1, both excluded, `(0, 1)`.
    OpenFraction,
    /// Contains the numbers greater than this one.
    Above(f64),
    /// Contains this number and those above it.
    AtLeast(f64),
    /// Contains the numbers from the first to the second, both included.
    Within(f64, f64),
    /// Contains the positive odd numbers.
    Odd,
    /// Contains this number alone, where things are counted.
    Exactly(usize),
}

impl ValueRange {
    /// Tells whether `value` is in the range.
    pub fn contains(self, value: f64) -> bool {
        match self {
            Self::Decay => (0.0..1.0).contains(&value),
            Self::NonNegative => value >= 0.0 && value.is_finite(),
            Self::Positive => value > 0.0 && value.is_finite(),
            Self::Epsilon => value >= f64::from(f32::MIN_POSITIVE) && value.is_finite(),
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

    /// Checks that `value` is in the range, for the field `field` of a configuration that is called `config`.
    ///
    /// # Errors
    ///
    /// Returns the error that names `config`, `field` and `value`, if it is not.
    pub fn check(self, config: &'static str, field: &'static str, value: f64) -> Result<(), ConfigError> {
        if self.contains(value) {
            return Ok(());
        }
        Err(ConfigError { config, field, value, range: self })
    }
}

/// A number as an error shows it: not with all of its zeros, where there are many.
struct Readable(f64);

impl fmt::Display for Readable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            value if value != 0.0 && value.is_finite() && !(1e-6..1e15).contains(&value.abs()) => {
                write!(f, "{value:e}")
            }
            value => value.fmt(f),
        }
    }
}

impl fmt::Display for ValueRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decay => f.write_str("in [0, 1)"),
            Self::NonNegative => f.write_str("in [0, ∞)"),
            Self::Positive => f.write_str("in (0, ∞)"),
            Self::Epsilon => f.write_str("in [1.2e-38, ∞)"),
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
