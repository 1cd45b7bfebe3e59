use super::{Activation, Dropout, DropoutForm, Initialization};
use crate::error::{ConfigError, Range};
use burn::config::Config;
use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

/// Configuration of [`Mlp`] (coverage J1).
///
/// | field | default | meaning |
/// | --- | --- | --- |
/// | `widths` | `[512, 512]` | units of each hidden layer |
/// | `dropout_input` | 0 | share of the inputs dropped in training, in `[0, 1)`; the lecture (Kao) drops 0.2 |
/// | `dropout` | 0.2 | share of the hidden units dropped in training, in `[0, 1)`; the lecture drops 0.5 |
/// | `dropout_form` | `Inverted` | where dropout makes up for what is missing |
/// | `batch_norm` | true | batch normalization before each activation |
/// | `activation` | `Relu` | the function of the hidden units |
/// | `initialization` | `Kaiming` | what the weights are drawn from |
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
    /// Where dropout makes up for what is missing.
    #[config(default = "DropoutForm::Inverted")]
    pub dropout_form: DropoutForm,
    /// Whether batch normalization stands before each activation.
    #[config(default = true)]
    pub batch_norm: bool,
    /// The function of the hidden units.
    #[config(default = "Activation::Relu")]
    pub activation: Activation,
    /// What the weights are drawn from.
    #[config(default = "Initialization::Kaiming")]
    pub initialization: Initialization,
}

/// A multilayer perceptron.
#[derive(Module, Debug)]
pub struct Mlp {
    hidden: Vec<Linear>,
    norms: Vec<BatchNorm>,
    output: Linear,
    dropout_input: Dropout,
    dropout: Dropout,
    #[module(skip)]
    activation: Activation,
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
        Range::Decay.check("Mlp", "dropout", self.dropout)?;
        self.initialization.check()
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
        let linear =
            |inputs, outputs| LinearConfig::new(inputs, outputs).with_initializer(self.initialization.initializer());
        for &width in &self.widths {
            hidden.push(linear(last, width).with_bias(!self.batch_norm).init(device));
            if self.batch_norm {
                norms.push(BatchNormConfig::new(width).init(device));
            }
            last = width;
        }
        Ok(Mlp {
            hidden,
            norms,
            output: linear(last, classes).init(device),
            dropout_input: Dropout::new(self.dropout_input, self.dropout_form)?,
            dropout: Dropout::new(self.dropout, self.dropout_form)?,
            activation: self.activation,
        })
    }
}

impl Mlp {
    /// The paths of the modules that make up each layer, from the input to the output.
    pub fn layers(&self) -> Vec<Vec<String>> {
        let hidden = (0..self.hidden.len()).map(|index| vec![format!("hidden.{index}"), format!("norms.{index}")]);
        hidden.chain([vec!["output".to_owned()]]).collect()
    }

    /// The logits `[batch, classes]` of images `[batch, channels, height, width]`.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let mut x = self.dropout_input.forward(images.flatten::<2>(1, 3));
        for (index, layer) in self.hidden.iter().enumerate() {
            x = layer.forward(x);
            if let Some(norm) = self.norms.get(index) {
                x = norm.forward(x);
            }
            x = self.dropout.forward(self.activation.apply(x));
        }
        self.output.forward(x)
    }
}
