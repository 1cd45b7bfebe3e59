use super::{Activation, Dropout, DropoutForm, Initialization, convolve, normalize};
use crate::error::{ConfigError, Range};
use burn::config::Config;
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::{Device, Tensor};

/// Configuration of [`Cnn`] (coverage J2).
///
/// Each block is a convolution with "same" padding, batch normalization and an activation. Blocks with a
/// stride of 2 halve the image, in place of pooling.
///
/// | field | default | meaning |
/// | --- | --- | --- |
/// | `channels` | `[16, 32, 64]` | output channels of each block |
/// | `kernels` | `[5, 5, 3]` | side of each block's kernel, odd |
/// | `strides` | `[2, 2, 1]` | stride of each block |
/// | `hidden` | none | units of a hidden layer between the blocks and the output |
/// | `dropout_input` | 0 | share of the pixels dropped in training, in `[0, 1)` |
/// | `dropout` | 0 | share of the features dropped before the linear layers, in `[0, 1)` |
/// | `dropout_form` | `Inverted` | where dropout makes up for what is missing |
/// | `batch_norm` | true | batch normalization before each activation |
/// | `activation` | `Relu` | the function of the hidden units |
/// | `initialization` | `Kaiming` | what the weights are drawn from |
#[derive(Config, Debug, PartialEq)]
pub struct CnnConfig {
    /// Output channels of each block.
    #[config(default = "vec![16, 32, 64]")]
    pub channels: Vec<usize>,
    /// Side of each block's kernel.
    #[config(default = "vec![5, 5, 3]")]
    pub kernels: Vec<usize>,
    /// Stride of each block.
    #[config(default = "vec![2, 2, 1]")]
    pub strides: Vec<usize>,
    /// Units of a hidden layer between the blocks and the output.
    pub hidden: Option<usize>,
    /// Share of the pixels dropped in training.
    #[config(default = 0.0)]
    pub dropout_input: f64,
    /// Share of the features dropped before the linear layers in training.
    #[config(default = 0.0)]
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

/// A convolutional network.
#[derive(Module, Debug)]
pub struct Cnn {
    blocks: Vec<Conv2d>,
    norms: Vec<BatchNorm>,
    hidden: Option<Linear>,
    output: Linear,
    dropout_input: Dropout,
    dropout: Dropout,
    #[module(skip)]
    activation: Activation,
}

impl CnnConfig {
    /// Whether every field is in its range and the three lists are of one length.
    ///
    /// # Errors
    ///
    /// The first field that is not.
    pub fn check(&self) -> Result<(), ConfigError> {
        Range::Positive.check("Cnn", "channels (their number)", self.channels.len() as f64)?;
        let sides = [("channels", &self.channels), ("kernels", &self.kernels), ("strides", &self.strides)];
        for (field, sides) in sides {
            for side in sides {
                Range::Positive.check("Cnn", field, *side as f64)?;
            }
            Range::Exactly(self.channels.len()).check("Cnn", field, sides.len() as f64)?;
        }
        for kernel in &self.kernels {
            Range::Odd.check("Cnn", "kernels", *kernel as f64)?;
        }
        if let Some(hidden) = self.hidden {
            Range::Positive.check("Cnn", "hidden", hidden as f64)?;
        }
        Range::Decay.check("Cnn", "dropout_input", self.dropout_input)?;
        Range::Decay.check("Cnn", "dropout", self.dropout)?;
        self.initialization.check()
    }

    /// A network from images of `[channels, height, width]` to the logits of `classes` classes.
    ///
    /// # Errors
    ///
    /// The first field that is out of range.
    pub fn init(&self, image: [usize; 3], classes: usize, device: &Device) -> Result<Cnn, ConfigError> {
        self.check()?;
        let [mut last, mut height, mut width] = image;
        let mut blocks = Vec::new();
        let mut norms = Vec::new();
        for ((&channels, &kernel), &stride) in self.channels.iter().zip(&self.kernels).zip(&self.strides) {
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
        }
        let features = last * height * width;
        let linear = |inputs, outputs| {
            LinearConfig::new(inputs, outputs).with_initializer(self.initialization.initializer()).init(device)
        };
        Ok(Cnn {
            blocks,
            norms,
            hidden: self.hidden.map(|hidden| linear(features, hidden)),
            output: linear(self.hidden.unwrap_or(features), classes),
            dropout_input: Dropout::new(self.dropout_input, self.dropout_form)?,
            dropout: Dropout::new(self.dropout, self.dropout_form)?,
            activation: self.activation,
        })
    }
}

impl Cnn {
    /// The paths of the modules that make up each layer, from the input to the output.
    pub fn layers(&self) -> Vec<Vec<String>> {
        let blocks = (0..self.blocks.len()).map(|index| vec![format!("blocks.{index}"), format!("norms.{index}")]);
        let hidden = self.hidden.iter().map(|_| vec!["hidden".to_owned()]);
        blocks.chain(hidden).chain([vec!["output".to_owned()]]).collect()
    }

    /// The logits `[batch, classes]` of images `[batch, channels, height, width]`.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let mut x = self.dropout_input.forward(images);
        for (index, block) in self.blocks.iter().enumerate() {
            x = convolve(block, x);
            if let Some(norm) = self.norms.get(index) {
                x = normalize(norm, x);
            }
            x = self.activation.apply(x);
        }
        let mut x = self.dropout.forward(x.flatten::<2>(1, 3));
        if let Some(hidden) = &self.hidden {
            x = self.dropout.forward(self.activation.apply(hidden.forward(x)));
        }
        self.output.forward(x)
    }
}
