use crate::error::{ConfigError, ValueRange};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor};
use serde::{Deserialize, Serialize};

/// Says what share of the target's probability is taken from the correct class, and where it goes (coverage F9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelSmoothing {
    /// Changes nothing: the correct class has probability 1.
    #[default]
    None,
    /// Spreads ε over the *other* classes, `ε/(K − 1)` each; the correct one keeps `1 − ε`: the lecture's form (Kao). ε
    /// is in `[0, 1)`.
    OtherClasses(f64),
    /// Spreads ε over *all* classes, `ε/K` each; the correct one has `1 − ε + ε/K`: Szegedy's and PyTorch's form. ε is
    /// in `[0, 1)`.
    AllClasses(f64),
}

impl LabelSmoothing {
    /// Checks that ε is in its range.
    ///
    /// # Errors
    ///
    /// Returns an error if it is out of range.
    pub fn check(self) -> Result<(), ConfigError> {
        match self {
            Self::None => Ok(()),
            Self::OtherClasses(epsilon) | Self::AllClasses(epsilon) => {
                ValueRange::Decay.check("LabelSmoothing", "epsilon", epsilon)
            }
        }
    }

    /// Smooths targets `[batch, classes]`, probabilities whose rows sum to 1: `y·(1 − ε)` and a share of ε for each
    /// class, in proportion to `1 − y` or alike. A single class keeps all.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use burn_descent::nn::LabelSmoothing;
    ///
    /// let targets = Tensor::from_floats([[0.0, 1.0, 0.0, 0.0, 0.0]], &Device::default());
    /// let smoothed = LabelSmoothing::OtherClasses(0.2).smooth(targets).into_data().try_into_vec::<f32>().unwrap();
    /// assert!(smoothed.iter().zip([0.05, 0.8, 0.05, 0.05, 0.05]).all(|(found, expected)| (found - expected).abs() < 1e-6));
    /// ```
    pub fn smooth(self, targets: Tensor<2>) -> Tensor<2> {
        let classes = targets.dims()[1] as f64;
        match self {
            _ if classes < 2.0 => targets,
            Self::None => targets,
            Self::AllClasses(epsilon) => targets * (1.0 - epsilon) + epsilon / classes,
            Self::OtherClasses(epsilon) => {
                let share = epsilon / (classes - 1.0);
                targets * (1.0 - epsilon - share) + share
            }
        }
    }
}

/// Returns the mean cross-entropy of `logits` (`[batch, classes]`) against class indices (`[batch]`), over smoothed
/// targets.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_descent::nn::{LabelSmoothing, cross_entropy};
///
/// let device = Device::default();
/// let logits = Tensor::from_floats([[1.0, 1.0, 1.0, 1.0]], &device);
/// let loss = cross_entropy(logits, Tensor::from_ints([2], &device), LabelSmoothing::OtherClasses(0.1));
/// assert!((loss.into_scalar::<f32>() - 4.0_f32.ln()).abs() < 1e-6);
/// ```
pub fn cross_entropy(logits: Tensor<2>, targets: Tensor<1, Int>, smoothing: LabelSmoothing) -> Tensor<1> {
    let [_, classes] = logits.dims();
    if smoothing == LabelSmoothing::None || classes < 2 {
        return CrossEntropyLossConfig::new().init(&logits.device()).forward(logits, targets);
    }
    soft_cross_entropy(logits, smoothing.smooth(targets.one_hot::<2>(classes).float()))
}

/// Returns the mean cross-entropy `−Σ y·ln softmax(logits)` of `logits` against targets, both `[batch, classes]`; the
/// rows of the targets are probabilities that sum to 1, such as those of mixed images or smoothed labels.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_descent::nn::soft_cross_entropy;
///
/// let device = Device::default();
/// let logits = Tensor::from_floats([[0.0, 0.0, 3.0_f32.ln()]], &device); // probabilities 0.2, 0.2, 0.6
/// let loss = soft_cross_entropy(logits, Tensor::from_floats([[0.5, 0.0, 0.5]], &device));
/// assert!((loss.into_scalar::<f32>() + (0.2_f32.ln() + 0.6_f32.ln()) / 2.0).abs() < 1e-6);
/// ```
pub fn soft_cross_entropy(logits: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    -(targets * log_softmax(logits, 1)).sum_dim(1).mean()
}

/// Returns the mean focal loss `−Σ y·(1 − p)^γ·ln p` with `p = softmax(logits)` (Lin et al. 2017), of logits against
/// targets as in [`soft_cross_entropy`], which it is for γ = 0. What the network is sure of already counts less, the
/// more so the higher γ in `[0, ∞)`; the paper takes 2.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_descent::nn::focal_loss;
///
/// let device = Device::default();
/// let logits = Tensor::from_floats([[0.0, 0.0, 3.0_f32.ln()]], &device); // probabilities 0.2, 0.2, 0.6
/// let loss = focal_loss(logits, Tensor::from_floats([[0.0, 0.0, 1.0]], &device), 2.0);
/// assert!((loss.into_scalar::<f32>() + 0.16 * 0.6_f32.ln()).abs() < 1e-6);
/// ```
pub fn focal_loss(logits: Tensor<2>, targets: Tensor<2>, gamma: f64) -> Tensor<1> {
    if gamma == 0.0 {
        return soft_cross_entropy(logits, targets);
    }
    let logarithms = log_softmax(logits, 1);
    // Above 0, so that the power has a gradient where p is 1 to the last digit.
    let rest = logarithms.clone().exp().neg().add_scalar(1.0).clamp_min(1e-7);
    -(targets * rest.powf_scalar(gamma) * logarithms).sum_dim(1).mean()
}
