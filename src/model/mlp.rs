use crate::error::{ConfigError, Range};
use burn::config::Config;
use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig, Dropout, DropoutConfig, Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

/// Configuration of [`Mlp`] (coverage J1).
///
/// | field | default | meaning |
/// | --- | --- | --- |
/// | `widths` | `[512, 512]` | units of each hidden layer |
/// | `dropout_input` | 0 | share of the inputs dropped in training, in `[0, 1)`; the lecture (Kao) drops 0.2 |
/// | `dropout` | 0.2 | share of the hidden units dropped in training, in `[0, 1)`; the lecture drops 0.5 |
/// | `batch_norm` | true | batch normalization before each activation |
#[derive(Config, Debug, PartialEq)]
pub struct MlpConfig {
    /// Units of each hidden layer.
    #[config(default = "vec![512, 512]")]
    pub widths: Vec<usize>,
    /// Share of the inputs dropped in training.
    #[config(default = 0.0)]
    pub dropout_input: f64,
    /// Share of the hidden units dropped in training.
    #[config(default = 0.2)]
    pub dropout: f64,
    /// Whether batch normalization stands before each activation.
    #[config(default = true)]
    pub batch_norm: bool,
}

/// A multilayer perceptron with rectified linear units.
#[derive(Module, Debug)]
pub struct Mlp {
    hidden: Vec<Linear>,
    norms: Vec<BatchNorm>,
    output: Linear,
    dropout_input: Dropout,
    dropout: Dropout,
}

impl MlpConfig {
    /// Whether every field is in its range.
    ///
    /// # Errors
    ///
    /// The first field that is out of range.
    pub fn check(&self) -> Result<(), ConfigError> {
        for width in &self.widths {
            Range::Positive.check("Mlp", "widths", *width as f64)?;
        }
        Range::Decay.check("Mlp", "dropout_input", self.dropout_input)?;
        Range::Decay.check("Mlp", "dropout", self.dropout)
    }

    /// A network from `inputs` numbers to the logits of `classes` classes.
    ///
    /// # Errors
    ///
    /// The first field that is out of range.
    pub fn init(&self, inputs: usize, classes: usize, device: &Device) -> Result<Mlp, ConfigError> {
        self.check()?;
        let mut hidden = Vec::new();
        let mut norms = Vec::new();
        let mut last = inputs;
        for &width in &self.widths {
            hidden.push(LinearConfig::new(last, width).with_bias(!self.batch_norm).init(device));
            if self.batch_norm {
                norms.push(BatchNormConfig::new(width).init(device));
            }
            last = width;
        }
        Ok(Mlp {
            hidden,
            norms,
            output: LinearConfig::new(last, classes).init(device),
            dropout_input: DropoutConfig::new(self.dropout_input).init(),
            dropout: DropoutConfig::new(self.dropout).init(),
        })
    }
}

impl Mlp {
    /// The logits `[batch, classes]` of images `[batch, channels, height, width]`.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let mut x = self.dropout_input.forward(images.flatten::<2>(1, 3));
        for (index, layer) in self.hidden.iter().enumerate() {
            x = layer.forward(x);
            if let Some(norm) = self.norms.get(index) {
                x = norm.forward(x);
            }
            x = self.dropout.forward(relu(x));
        }
        self.output.forward(x)
    }
}
