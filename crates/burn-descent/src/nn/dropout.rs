use crate::error::{ConfigError, ValueRange};
use burn::module::Module;
use burn::nn::{Dropout as BurnDropout, DropoutConfig};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Says where dropout makes up for the units that are missing in training (Kao; coverage F15). The outputs of both
/// forms have the same expectation in training as outside it, and differ by the factor `1 − share` from each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DropoutForm {
    /// Multiplies what is kept by `1/(1 − share)` in training, and does nothing outside it: Burn's and PyTorch's form.
    #[default]
    Inverted,
    /// Multiplies all by `1 − share` outside training, and leaves what is kept as it is in training: the original form
    /// (Srivastava et al. 2014).
    AtTest,
}

named!(DropoutForm, inverted = Inverted, at_test = AtTest);

/// Sets a random share of its inputs to zero in training, in either form.
///
/// The lecture keeps 0.8 of the inputs and 0.5 of the hidden units: shares of 0.2 and 0.5.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_descent::nn::{Dropout, DropoutForm};
///
/// let dropout = Dropout::new(0.2, DropoutForm::AtTest)?;
/// let x = Tensor::<2>::ones([1, 3], &Device::default()); // no gradients, so no training
/// assert_eq!(dropout.forward(x).into_data().try_into_vec::<f32>().expect("f32"), [0.8; 3]);
/// # Ok::<(), burn_descent::ConfigError>(())
/// ```
#[derive(Module, Debug)]
pub struct Dropout {
    inverted: BurnDropout,
    /// What the inverted form is to be multiplied by, in training and outside.
    #[module(skip)]
    scale: f64,
}

impl Dropout {
    /// Makes a dropout of `share` of the inputs, in `[0, 1)`.
    ///
    /// # Errors
    ///
    /// Returns an error if `share` is out of range.
    pub fn new(share: f64, form: DropoutForm) -> Result<Self, ConfigError> {
        ValueRange::Decay.check("Dropout", "share", share)?;
        let scale = match form {
            DropoutForm::Inverted => 1.0,
            DropoutForm::AtTest => 1.0 - share,
        };
        Ok(Self { inverted: DropoutConfig::new(share).init(), scale })
    }

    /// Returns the inputs with the dropped ones set to zero; training is where gradients are tracked.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let x = self.inverted.forward(x);
        if self.scale == 1.0 { x } else { x * self.scale }
    }
}
