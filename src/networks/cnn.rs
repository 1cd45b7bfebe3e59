use super::Activations;
use burn::config::Config;
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::{Device, Tensor};
use burn_descent::nn::{Activation, Dropout, DropoutForm, Initialization, convolve, normalize};
use burn_descent::{ConfigError, ValueRange};

/// Configures a convolutional network, [`Cnn`] (coverage J2).
///
/// Each block is a convolution with "same" padding, batch normalization, an activation and, if asked for, max pooling. By
/// default, blocks with a stride of 2 halve the image, in place of pooling.
///
/// | field | default | meaning |
/// | --- | --- | --- |
/// | `channels` | `[16, 32, 64]` | output channels of each block |
/// | `kernels` | `[5, 5, 3]` | side of each block's kernel, odd |
/// | `strides` | `[2, 2, 1]` | stride of each block |
/// | `pools` | none | side of the squares whose largest value each block puts out; 1 for all values |
/// | `hidden` | none | units of a hidden layer between the blocks and the output |
/// | `dropout_input` | 0 | share of the pixels dropped in training, in `[0, 1)` |
/// | `dropout` | 0 | share of the features dropped before the linear layers, in `[0, 1)` |
/// | `dropout_form` | `Inverted` | where dropout makes up for what is missing |
/// | `batch_norm` | true | batch normalization before each activation |
/// | `activation` | `Relu` | the function of the hidden units |
/// | `initialization` | `Kaiming` | what the weights are drawn from |
#[derive(Config, Debug, PartialEq)]
pub struct CnnConfig {
    /// Sets the number of output channels of each block.
    #[config(default = "vec![16, 32, 64]")]
    pub channels: Vec<usize>,
    /// Sets the side of each block's kernel, in pixels; it is odd.
    #[config(default = "vec![5, 5, 3]")]
    pub kernels: Vec<usize>,
    /// Sets the stride of each block's convolution.
    #[config(default = "vec![2, 2, 1]")]
    pub strides: Vec<usize>,
    /// Sets the side of the squares of which each block puts out the largest value alone, 1 for all values: max pooling,
    /// which leaves out what is no whole square at the right and at the bottom. There is none if absent.
    pub pools: Option<Vec<usize>>,
    /// Sets the number of units of a hidden layer between the blocks and the output; there is no such layer if absent.
    pub hidden: Option<usize>,
    /// Sets the share of the pixels dropped in training, in `[0, 1)`.
    #[config(default = 0.0)]
    pub dropout_input: f64,
    /// Sets the share of the features dropped before the linear layers in training, in `[0, 1)`.
    #[config(default = 0.0)]
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

/// Classifies images by a convolutional network.
#[derive(Module, Debug)]
pub struct Cnn {
    blocks: Vec<Conv2d>,
    norms: Vec<BatchNorm>,
    pools: Vec<MaxPool2d>,
    hidden: Option<Linear>,
    output: Linear,
    dropout_input: Dropout,
    dropout: Dropout,
    #[module(skip)]
    activation: Activation,
}

impl CnnConfig {
    /// Checks that every field is in its range and that the three lists are of one length.
    ///
    /// # Errors
    ///
    /// Returns the first field that is out of range or a list of another length.
    pub fn check(&self) -> Result<(), ConfigError> {
        ValueRange::Positive.check("Cnn", "channels (their number)", self.channels.len() as f64)?;
        let sides = [("channels", &self.channels), ("kernels", &self.kernels), ("strides", &self.strides)];
        for (field, sides) in sides.into_iter().chain(self.pools.iter().map(|pools| ("pools", pools))) {
            for side in sides {
                ValueRange::Positive.check("Cnn", field, *side as f64)?;
            }
            ValueRange::Exactly(self.channels.len()).check("Cnn", field, sides.len() as f64)?;
        }
        for kernel in &self.kernels {
            ValueRange::Odd.check("Cnn", "kernels", *kernel as f64)?;
        }
        if let Some(hidden) = self.hidden {
            ValueRange::Positive.check("Cnn", "hidden", hidden as f64)?;
        }
        ValueRange::Decay.check("Cnn", "dropout_input", self.dropout_input)?;
        ValueRange::Decay.check("Cnn", "dropout", self.dropout)?;
        self.initialization.check()
    }

    /// Creates a network that maps images of `[channels, height, width]` to the logits of `classes` classes.
    ///
    /// # Errors
    ///
    /// Returns the first field that is out of range.
    pub fn init(&self, image: [usize; 3], classes: usize, device: &Device) -> Result<Cnn, ConfigError> {
        self.check()?;
        let [mut last, mut height, mut width] = image;
        let mut blocks = Vec::new();
        let mut norms = Vec::new();
        let mut pools = Vec::new();
        for (index, &channels) in self.channels.iter().enumerate() {
            let (kernel, stride) = (self.kernels[index], self.strides[index]);
            let padding = kernel / 2;
            blocks.push(
                Conv2dConfig::new([last, channels], [kernel, kernel])
                    .with_stride([stride, stride])
                    .with_padding(PaddingConfig2d::Explicit(padding, padding, padding, padding))
                    .with_bias(!self.batch_norm)
                    .with_initializer(self.initialization.initializer())
                    .init(device),
            );
            if self.batch_norm {
                norms.push(BatchNormConfig::new(channels).init(device));
            }
            last = channels;
            (height, width) = (height.div_ceil(stride), width.div_ceil(stride));
            if let Some(list) = &self.pools {
                let side = list[index];
                ValueRange::Within(1.0, height.min(width) as f64).check("Cnn", "pools", side as f64)?;
                pools.push(MaxPool2dConfig::new([side, side]).with_strides([side, side]).init());
                (height, width) = (height / side, width / side);
            }
        }
        let features = last * height * width;
        let linear = |inputs, outputs| {
            LinearConfig::new(inputs, outputs).with_initializer(self.initialization.initializer()).init(device)
        };
        Ok(Cnn {
            blocks,
            norms,
            pools,
            hidden: self.hidden.map(|hidden| linear(features, hidden)),
            output: linear(self.hidden.unwrap_or(features), classes),
            dropout_input: Dropout::new(self.dropout_input, self.dropout_form)?,
            dropout: Dropout::new(self.dropout, self.dropout_form)?,
            activation: self.activation,
        })
    }
}

impl Cnn {
    /// Lists the paths of the modules that make up each layer, from the input to the output.
    pub fn layers(&self) -> Vec<Vec<String>> {
        let blocks = (0..self.blocks.len()).map(|index| vec![format!("blocks.{index}"), format!("norms.{index}")]);
        let hidden = self.hidden.iter().map(|_| vec!["hidden".to_owned()]);
        blocks.chain(hidden).chain([vec!["output".to_owned()]]).collect()
    }

    /// Lists the batch normalization layers of the network.
    pub fn batch_norms(&self) -> Vec<&BatchNorm> {
        self.norms.iter().collect()
    }

    /// Computes the logits `[batch, classes]` of images `[batch, channels, height, width]`.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.forward_with(images, &mut Activations::kept(false))
    }

    /// Computes the logits, and adds the activations of each hidden layer, `[batch, values]`, to `activations`.
    pub(crate) fn forward_with(&self, images: Tensor<4>, activations: &mut Activations) -> Tensor<2> {
        let mut x = self.dropout_input.forward(images);
        for (index, block) in self.blocks.iter().enumerate() {
            x = convolve(block, x);
            if let Some(norm) = self.norms.get(index) {
                x = normalize(norm, x);
            }
            x = self.activation.apply(x);
            activations.add(&x);
            if let Some(pool) = self.pools.get(index) {
                x = pool.forward(x);
            }
        }
        let mut x = self.dropout.forward(x.flatten::<2>(1, 3));
        if let Some(hidden) = &self.hidden {
            x = self.activation.apply(hidden.forward(x));
            activations.add(&x);
            x = self.dropout.forward(x);
        }
        self.output.forward(x)
    }
}
