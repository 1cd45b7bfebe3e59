use crate::error::{ConfigError, ValueRange};
use burn::nn::Initializer;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Says how the first weights of hidden and output layers are drawn, and alike their biases where they have any
/// (coverage G4). As text: `kaiming`, `xavier`, `normal=0.1`, `zeros`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Initialization {
    /// Draws uniformly from `±1/√inputs`, Burn's and PyTorch's default.
    #[default]
    Kaiming,
    /// Draws uniformly from `±√(6/(inputs + outputs))` (Glorot & Bengio 2010).
    Xavier,
    /// Draws from the normal distribution with a mean of 0 and this standard deviation, in `[0, ∞)`.
    Normal(f64),
    /// Sets all to zero: every unit of a layer stays like every other, unless noise tells them apart.
    Zeros,
}

impl Initialization {
    /// Checks that the standard deviation is in its range.
    ///
    /// # Errors
    ///
    /// Returns an error if it is out of range.
    pub fn check(self) -> Result<(), ConfigError> {
        match self {
            Self::Normal(deviation) => ValueRange::NonNegative.check("Initialization", "normal", deviation),
            _ => Ok(()),
        }
    }

    /// Returns the initializer as Burn's layers take it.
    pub fn initializer(self) -> Initializer {
        match self {
            // As in Burn's own configurations of layers.
            Self::Kaiming => Initializer::KaimingUniform { gain: 1.0 / 3.0_f64.sqrt(), fan_out_only: false },
            Self::Xavier => Initializer::XavierUniform { gain: 1.0 },
            Self::Normal(deviation) => Initializer::Normal { mean: 0.0, std: deviation },
            Self::Zeros => Initializer::Zeros,
        }
    }
}

impl fmt::Display for Initialization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kaiming => f.write_str("kaiming"),
            Self::Xavier => f.write_str("xavier"),
            Self::Normal(deviation) => write!(f, "normal={deviation}"),
            Self::Zeros => f.write_str("zeros"),
        }
    }
}

impl FromStr for Initialization {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "kaiming" => Ok(Self::Kaiming),
            "xavier" => Ok(Self::Xavier),
            "zeros" => Ok(Self::Zeros),
            _ => {
                let deviation = text.strip_prefix("normal=").and_then(|deviation| deviation.parse().ok());
                deviation
                    .map(Self::Normal)
                    .ok_or_else(|| format!("expected kaiming, xavier, normal=DEVIATION or zeros, but is {text}"))
            }
        }
    }
}

impl TryFrom<String> for Initialization {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Initialization> for String {
    fn from(initialization: Initialization) -> Self {
        initialization.to_string()
    }
}
