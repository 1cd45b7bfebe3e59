use burn::tensor::Tensor;
use burn::tensor::activation::{gelu, leaky_relu, relu, sigmoid};
use serde::{Deserialize, Serialize};

/// Names the activation function of a hidden unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// Computes `max(0, x)`.
    #[default]
    Relu,
    /// Computes `max(0, x) + 0.01·min(0, x)`.
    LeakyRelu,
    /// Computes `x·Φ(x)`, with Φ the standard normal distribution function.
    Gelu,
    /// Computes the hyperbolic tangent.
    Tanh,
    /// Computes `1/(1 + e⁻ˣ)`.
    Sigmoid,
}

named!(Activation, relu = Relu, leaky_relu = LeakyRelu, gelu = Gelu, tanh = Tanh, sigmoid = Sigmoid);

impl Activation {
    /// Applies the function to each value.
    pub fn apply<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Relu => relu(x),
            Self::LeakyRelu => leaky_relu(x, 0.01),
            Self::Gelu => gelu(x),
            Self::Tanh => x.tanh(),
            Self::Sigmoid => sigmoid(x),
        }
    }
}
