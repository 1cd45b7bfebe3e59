use crate::error::{ConfigError, Range};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::tensor::{Device, Int, Tensor};
use serde::{Deserialize, Serialize};

/// What share of the target's probability is taken from the correct class, and where it goes (coverage F9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelSmoothing {
    /// The correct class has probability 1.
    #[default]
    None,
    /// The lecture's form (Kao): ε is spread over the *other* classes, `ε/(K − 1)` each; the correct one keeps `1 − ε`.
    /// ε in `[0, 1)`.
    OtherClasses(f64),
    /// Szegedy's and PyTorch's form: ε is spread over *all* classes, `ε/K` each; the correct one has `1 − ε + ε/K`.
    /// ε in `[0, 1)`.
    AllClasses(f64),
}

impl LabelSmoothing {
    /// Whether ε is in its range.
    ///
    /// # Errors
    ///
    /// If it is not.
    pub fn check(self) -> Result<(), ConfigError> {
        match self {
            Self::None => Ok(()),
            Self::OtherClasses(epsilon) | Self::AllClasses(epsilon) => {
                Range::Decay.check("LabelSmoothing", "epsilon", epsilon)
            }
        }
    }

    /// The ε that gives Burn's loss, which spreads over all classes, these target probabilities.
    fn over_all_classes(self, classes: usize) -> Option<f32> {
        match self {
            Self::None => None,
            Self::AllClasses(epsilon) => Some(epsilon as f32),
            Self::OtherClasses(epsilon) => Some((epsilon * classes as f64 / (classes as f64 - 1.0)) as f32),
        }
    }
}

/// The mean cross-entropy of `logits` (`[batch, classes]`) against class indices, over smoothed targets.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_descent::model::{LabelSmoothing, cross_entropy};
///
/// let device = Device::default();
/// let logits = Tensor::from_floats([[1.0, 1.0, 1.0, 1.0]], &device);
/// let loss = cross_entropy(logits, Tensor::from_ints([2], &device), LabelSmoothing::OtherClasses(0.1));
/// assert!((loss.into_scalar::<f32>() - 4.0_f32.ln()).abs() < 1e-6);
/// ```
pub fn cross_entropy(logits: Tensor<2>, targets: Tensor<1, Int>, smoothing: LabelSmoothing) -> Tensor<1> {
    let [_, classes] = logits.dims();
    let device: Device = logits.device();
    CrossEntropyLossConfig::new()
        .with_smoothing(smoothing.over_all_classes(classes))
        .init(&device)
        .forward(logits, targets)
}
