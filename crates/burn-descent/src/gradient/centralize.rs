use super::{TensorTransform, Transformed};
use crate::error::ConfigError;
use crate::optim::wrapper;
use burn::config::Config;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Says along which axis of a weight its outputs lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputAxis {
    /// Takes the axis of Burn's layers: the last of two axes (`Linear` keeps `[inputs, outputs]`, whatever its layout
    /// on disk), the first of more (`Conv2d` keeps `[outputs, inputs, height, width]`).
    Burn,
    /// Takes the first axis, as in PyTorch.
    First,
    /// Takes the last axis.
    Last,
}

impl OutputAxis {
    /// All axes of a weight of `rank` axes (at least 2) but that of the outputs.
    pub(crate) fn others(self, rank: usize) -> Vec<usize> {
        let outputs = match (self, rank) {
            (Self::Burn, 2) | (Self::Last, _) => rank - 1,
            (Self::Burn | Self::First, _) => 0,
        };
        (0..rank).filter(|axis| *axis != outputs).collect()
    }
}

/// Configures [`Centralization`], which subtracts from each gradient its mean (Yong et al. 2020).
///
/// ```text
/// g ← g − mean(g)      over all axes but that of the outputs, for weights of rank 2 and above
/// ```
///
/// The weights into one unit then keep their sum, as if they were trained in the hyperplane where they started. Biases
/// and other parameters of rank 1 are left as they are.
///
/// | field | default | meaning |
/// | --- | --- | --- |
/// | `outputs` | `Burn` | which axis is that of the outputs |
///
/// The paper's fully connected weight is `C_in × C_out` and its mean goes over `C_in`, which is Burn's layout; its
/// convolution's mean goes over the inputs and the kernel. optax and the authors' code take the first axis for that of
/// the outputs: for fully connected layers in Burn that would be the inputs. A transposed convolution keeps its inputs
/// first; nothing in its shape tells, so leave it out by a parameter group if it matters.
///
/// ```
/// use burn_descent::gradient::CentralizationConfig;
/// use burn_descent::optim::NadamConfig;
///
/// let optimizer = CentralizationConfig::new().wrap(NadamConfig::new().build()?)?.init();
/// # Ok::<(), burn_descent::ConfigError>(())
/// ```
#[derive(Config, Debug, Copy, PartialEq)]
pub struct CentralizationConfig {
    /// Says along which axis of a weight its outputs lie.
    #[config(default = "OutputAxis::Burn")]
    pub outputs: OutputAxis,
}

impl TensorTransform for CentralizationConfig {
    fn transform<const D: usize>(&self, gradient: Tensor<D>) -> Tensor<D> {
        if D < 2 {
            return gradient;
        }
        let mean = gradient.clone().mean_dims(&self.outputs.others(D));
        gradient - mean
    }

    fn check(&self) -> Result<(), ConfigError> {
        Ok(())
    }
}

wrapper!(Centralization, CentralizationConfig, Transformed);
