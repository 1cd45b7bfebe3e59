use super::Activations;
use burn::config::Config;
use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use burn_descent::nn::{Activation, Dropout, DropoutForm, Initialization};
use burn_descent::{ConfigError, ValueRange};

/// Configures a multilayer perceptron, [`Mlp`] (coverage J1).
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
    /// Sets the number of units of each hidden layer.
    #[config(default = "vec![512, 512]")]
    pub widths: Vec<usize>,
    /// Sets the share of the inputs dropped in training, in `[0, 1)`.
    #[config(default = 0.0)]
    pub dropout_input: f64,
    /// Sets the share of the hidden units dropped in training, in `[0, 1)`.
    #[config(default = 0.2)]
    pub dropout: f64,
    /// Selects whether dropout makes up for the dropped values in training or outside it.
    #[config(default = "DropoutForm::Inverted")]
    pub dropout_form: DropoutForm,
    /// Sets whether batch normalization comes before each activation.
    #[config(default = true)]
    pub batch_norm: bool,
    /// Selects the activation function of the hidden units.
    #[config(default = "Activation::Relu")]
    pub activation: Activation,
    /// Selects the distribution that the weights are drawn from.
    #[config(default = "Initialization::Kaiming")]
    pub initialization: Initialization,
}

/// Classifies images by a multilayer perceptron.
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
    /// Checks that every field is in its range.
    ///
    /// # Errors
    ///
    /// Returns the first field that is out of range.
    pub fn check(&self) -> Result<(), ConfigError> {
        for width in &self.widths {
            ValueRange::Positive.check("Mlp", "widths", *width as f64)?;
        }
        ValueRange::Decay.check("Mlp", "dropout_input", self.dropout_input)?;
        ValueRange::Decay.check("Mlp", "dropout", self.dropout)?;
        self.initialization.check()
    }

    /// Creates a network that maps `inputs` numbers to the logits of `classes` classes.
    ///
    /// # Errors
    ///
    /// Returns the first field that is out of range.
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
    /// Lists the paths of the modules that make up each layer, from the input to the output.
    pub fn layers(&self) -> Vec<Vec<String>> {
        let hidden = (0..self.hidden.len()).map(|index| vec![format!("hidden.{index}"), format!("norms.{index}")]);
        hidden.chain([vec!["output".to_owned()]]).collect()
    }

    /// Lists the batch normalization layers of the network.
    pub fn batch_norms(&self) -> Vec<&BatchNorm> {
        self.norms.iter().collect()
    }

    /// Computes the logits `[batch, classes]` of images `[batch, channels, height, width]`.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.forward_with(images, &mut Activations::kept(false))
    }

    /// Computes the logits, and adds the activations of each hidden layer, `[batch, units]`, to `activations`.
    pub(crate) fn forward_with(&self, images: Tensor<4>, activations: &mut Activations) -> Tensor<2> {
        let mut x = self.dropout_input.forward(images.flatten::<2>(1, 3));
        for (index, layer) in self.hidden.iter().enumerate() {
            x = layer.forward(x);
            if let Some(norm) = self.norms.get(index) {
                x = norm.forward(x);
            }
            x = self.activation.apply(x);
            activations.add(&x);
            x = self.dropout.forward(x);
        }
        self.output.forward(x)
    }
}
