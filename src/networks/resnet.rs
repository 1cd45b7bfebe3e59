use super::Activations;
use burn::config::Config;
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::{Device, Tensor};
use burn_descent::nn::{Activation, Dropout, DropoutForm, Initialization, convolve, normalize};
use burn_descent::{ConfigError, ValueRange};

/// Configures a residual network, [`ResNet`] (He et al. 2015, with basic blocks; coverage J2).
///
/// A convolution with a kernel of the configured side makes the first stage's channels of the image. Each stage is a
/// number of residual blocks, `act(x + norm(conv(act(norm(conv(x))))))`; the first block of each later stage halves the
/// image and passes `x` through a 1x1 convolution with a stride of 2. A stage without blocks only sets the channels of
/// the next one's input, so the first stage alone may have none. The mean over the positions of the last stage goes to
/// the linear output.
///
/// | field | default | meaning |
/// | --- | --- | --- |
/// | `channels` | `[32, 64, 128]` | channels of each stage |
/// | `blocks` | `[0, 1, 1]` | residual blocks of each stage; the first may be 0 |
/// | `kernel` | 3 | side of the kernels, odd |
/// | `dropout_input` | 0 | share of the pixels dropped in training, in `[0, 1)` |
/// | `dropout` | 0 | share of the means dropped before the output, in `[0, 1)` |
/// | `dropout_form` | `Inverted` | where dropout makes up for what is missing |
/// | `batch_norm` | true | batch normalization after each convolution |
/// | `activation` | `Relu` | the function of the hidden units |
/// | `initialization` | `Kaiming` | what the weights are drawn from |
#[derive(Config, Debug, PartialEq)]
pub struct ResNetConfig {
    /// Sets the number of channels of each stage.
    #[config(default = "vec![32, 64, 128]")]
    pub channels: Vec<usize>,
    /// Sets the number of residual blocks of each stage; the first may be 0.
    #[config(default = "vec![0, 1, 1]")]
    pub blocks: Vec<usize>,
    /// Sets the side of the kernels, in pixels; it is odd.
    #[config(default = 3)]
    pub kernel: usize,
    /// Sets the share of the pixels dropped in training, in `[0, 1)`.
    #[config(default = 0.0)]
    pub dropout_input: f64,
    /// Sets the share of the channels' means dropped before the output layer in training, in `[0, 1)`.
    #[config(default = 0.0)]
    pub dropout: f64,
    /// Selects whether dropout makes up for the dropped values in training or outside it.
    #[config(default = "DropoutForm::Inverted")]
    pub dropout_form: DropoutForm,
    /// Sets whether batch normalization comes after each convolution.
    #[config(default = true)]
    pub batch_norm: bool,
    /// Selects the activation function of the hidden units.
    #[config(default = "Activation::Relu")]
    pub activation: Activation,
    /// Selects the distribution that the weights are drawn from.
    #[config(default = "Initialization::Kaiming")]
    pub initialization: Initialization,
}

/// Classifies images by a residual network.
#[derive(Module, Debug)]
pub struct ResNet {
    stem: Normalized,
    blocks: Vec<Block>,
    output: Linear,
    dropout_input: Dropout,
    dropout: Dropout,
    #[module(skip)]
    activation: Activation,
}

/// A convolution and its batch normalization.
#[derive(Module, Debug)]
struct Normalized {
    convolution: Conv2d,
    norm: Option<BatchNorm>,
}

/// Two convolutions and what goes past them.
#[derive(Module, Debug)]
struct Block {
    first: Normalized,
    second: Normalized,
    /// Where the block changes the size of its input.
    shortcut: Option<Normalized>,
}

impl ResNetConfig {
    /// Checks that every field is in its range and that both lists are of one length.
    ///
    /// # Errors
    ///
    /// Returns the first field that is out of range or a list of another length.
    pub fn check(&self) -> Result<(), ConfigError> {
        ValueRange::Positive.check("ResNet", "channels (their number)", self.channels.len() as f64)?;
        for &channels in &self.channels {
            ValueRange::Positive.check("ResNet", "channels", channels as f64)?;
        }
        ValueRange::Exactly(self.channels.len()).check("ResNet", "blocks", self.blocks.len() as f64)?;
        for &blocks in &self.blocks[1..] {
            ValueRange::Positive.check("ResNet", "blocks (after the first stage)", blocks as f64)?;
        }
        ValueRange::Odd.check("ResNet", "kernel", self.kernel as f64)?;
        ValueRange::Decay.check("ResNet", "dropout_input", self.dropout_input)?;
        ValueRange::Decay.check("ResNet", "dropout", self.dropout)?;
        self.initialization.check()
    }

    /// Creates a network that maps images of so many `channels`, of any size, to the logits of `classes` classes.
    ///
    /// # Errors
    ///
    /// Returns the first field that is out of range.
    pub fn init(&self, channels: usize, classes: usize, device: &Device) -> Result<ResNet, ConfigError> {
        self.check()?;
        let normalized = |[inputs, outputs]: [usize; 2], kernel: usize, stride: usize| {
            let padding = kernel / 2;
            let convolution = Conv2dConfig::new([inputs, outputs], [kernel, kernel])
                .with_stride([stride, stride])
                .with_padding(PaddingConfig2d::Explicit(padding, padding, padding, padding))
                .with_bias(!self.batch_norm)
                .with_initializer(self.initialization.initializer())
                .init(device);
            Normalized { convolution, norm: self.batch_norm.then(|| BatchNormConfig::new(outputs).init(device)) }
        };
        let mut last = self.channels[0];
        let stem = normalized([channels, last], self.kernel, 1);
        let mut blocks = Vec::new();
        for (stage, (&channels, &count)) in self.channels.iter().zip(&self.blocks).enumerate() {
            for index in 0..count {
                let stride = if stage > 0 && index == 0 { 2 } else { 1 };
                blocks.push(Block {
                    first: normalized([last, channels], self.kernel, stride),
                    second: normalized([channels, channels], self.kernel, 1),
                    shortcut: (stride > 1).then(|| normalized([last, channels], 1, stride)),
                });
                last = channels;
            }
        }
        Ok(ResNet {
            stem,
            blocks,
            output: LinearConfig::new(last, classes).with_initializer(self.initialization.initializer()).init(device),
            dropout_input: Dropout::new(self.dropout_input, self.dropout_form)?,
            dropout: Dropout::new(self.dropout, self.dropout_form)?,
            activation: self.activation,
        })
    }
}

impl ResNet {
    /// Lists the paths of the modules that make up each layer, from the input to the output; a block is one layer.
    pub fn layers(&self) -> Vec<Vec<String>> {
        let blocks = (0..self.blocks.len()).map(|index| format!("blocks.{index}"));
        ["stem".to_owned()].into_iter().chain(blocks).chain(["output".to_owned()]).map(|path| vec![path]).collect()
    }

    /// Lists the batch normalization layers of the network.
    pub fn batch_norms(&self) -> Vec<&BatchNorm> {
        let in_blocks =
            self.blocks.iter().flat_map(|block| [&block.first, &block.second].into_iter().chain(&block.shortcut));
        std::iter::once(&self.stem).chain(in_blocks).filter_map(|normalized| normalized.norm.as_ref()).collect()
    }

    /// Computes the logits `[batch, classes]` of images `[batch, channels, height, width]`.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.forward_with(images, &mut Activations::kept(false))
    }

    /// Computes the logits, and adds what the stem and each block put out, `[batch, values]`, to `activations`.
    pub(crate) fn forward_with(&self, images: Tensor<4>, activations: &mut Activations) -> Tensor<2> {
        let mut x = self.activation.apply(self.stem.forward(self.dropout_input.forward(images)));
        activations.add(&x);
        for block in &self.blocks {
            x = block.forward(x, self.activation);
            activations.add(&x);
        }
        let means = x.flatten::<3>(2, 3).mean_dim(2).squeeze_dim::<2>(2);
        self.output.forward(self.dropout.forward(means))
    }
}

impl Normalized {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = convolve(&self.convolution, x);
        match &self.norm {
            Some(norm) => normalize(norm, x),
            None => x,
        }
    }
}

impl Block {
    fn forward(&self, x: Tensor<4>, activation: Activation) -> Tensor<4> {
        let past = match &self.shortcut {
            Some(shortcut) => shortcut.forward(x.clone()),
            None => x.clone(),
        };
        let x = activation.apply(self.first.forward(x));
        activation.apply(self.second.forward(x) + past)
    }
}
