use super::{ImageBatch, ModelConfig};
use crate::networks::{Activations, Cnn, Mlp, ResNet};
use burn::module::{Module, ModuleVisitor, Param, ParamGroup};
use burn::nn::BatchNorm;
use burn::tensor::{Device, ExecutionError, Tensor};
use burn::train::metric::{AccuracyInput, Adaptor, ItemLazy, LossInput};
use burn::train::{ClassificationOutput, InferenceStep, TrainOutput, TrainStep};
use burn_descent::ConfigError;
use burn_descent::group::parameters;
use burn_descent::nn::{LabelSmoothing, cross_entropy, focal_loss};
use burn_descent::penalty::sparsity;
use burn_descent::train::GradientNormInput;
use serde::{Deserialize, Serialize};

/// Selects what a network of classes is trained by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// Selects the cross-entropy of the classes' probabilities.
    #[default]
    CrossEntropy,
    /// Selects the mean squared error of the network's outputs, where those of the right class should be 1 and the others
    /// 0 (coverage A4; Hui & Belkin 2021). Validation measures it too; a test goes by the probabilities, as ever.
    Mse,
}

/// Classifies images by a network that Burn's `Learner` can train.
#[derive(Module, Debug)]
pub struct Classifier {
    network: Network,
    /// How the training labels are smoothed. Validation uses them as they are.
    #[module(skip)]
    smoothing: LabelSmoothing,
    /// γ of the focal loss that it trains by; 0 for cross-entropy, which validation has.
    #[module(skip)]
    focal: f64,
    /// What it is trained by where it predicts classes.
    #[module(skip)]
    loss: Loss,
    /// The strength of the L1 penalty on the activations of its hidden layers, in training.
    #[module(skip)]
    sparsity: f64,
    /// Whether it predicts numbers, by the mean squared error, and no classes.
    #[module(skip)]
    numbers: bool,
}

/// Holds a network of one of the kinds that a [`Classifier`] can have.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)] // Each is a handful of handles, and no program holds many.
pub enum Network {
    /// Holds a multilayer perceptron.
    Mlp(Mlp),
    /// Holds a convolutional network.
    Cnn(Cnn),
    /// Holds a residual network.
    ResNet(ResNet),
}

impl Classifier {
    /// Creates a network with fresh weights, drawn at once, that maps images of `[channels, height, width]` to the
    /// logits of `classes` classes.
    ///
    /// # Errors
    ///
    /// Returns the first field of the configuration that is out of range.
    pub fn new(
        model: &ModelConfig,
        smoothing: LabelSmoothing,
        image: [usize; 3],
        classes: usize,
        device: &Device,
    ) -> Result<Self, ConfigError> {
        let network = match model {
            ModelConfig::Mlp(config) => Network::Mlp(config.init(image.iter().product(), classes, device)?),
            ModelConfig::Cnn(config) => Network::Cnn(config.init(image, classes, device)?),
            ModelConfig::ResNet(config) => Network::ResNet(config.init(image[0], classes, device)?),
        };
        let (loss, focal, sparsity, numbers) = (Loss::default(), 0.0, 0.0, false);
        let classifier = Self { network, smoothing, focal, loss, sparsity, numbers };
        classifier.visit(&mut MaterializeWeights);
        Ok(classifier)
    }

    /// Sets the loss that the network is trained by: the [focal loss](focal_loss) with this γ in `[0, ∞)`, or
    /// cross-entropy for 0.
    pub fn with_focal_loss(self, gamma: f64) -> Self {
        Self { focal: gamma, ..self }
    }

    /// Sets the loss that the network is trained by where it predicts classes.
    pub fn with_loss(self, loss: Loss) -> Self {
        Self { loss, ..self }
    }

    /// Adds `strength` times the L1 norm of the activations of all hidden layers to the training loss, a mean over the
    /// batch (coverage F6).
    pub fn with_sparse_activations(self, strength: f64) -> Self {
        Self { sparsity: strength, ..self }
    }

    /// Sets whether the network predicts numbers, trained by the mean squared error, and no classes.
    pub fn with_numbers(self, numbers: bool) -> Self {
        Self { numbers, ..self }
    }

    /// Tells whether the network predicts numbers, and no classes.
    pub fn predicts_numbers(&self) -> bool {
        self.numbers
    }

    /// Computes the logits `[batch, classes]` of images `[batch, channels, height, width]`.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.forward_with(images, &mut Activations::kept(false))
    }

    fn forward_with(&self, images: Tensor<4>, activations: &mut Activations) -> Tensor<2> {
        match &self.network {
            Network::Mlp(network) => network.forward_with(images, activations),
            Network::Cnn(network) => network.forward_with(images, activations),
            Network::ResNet(network) => network.forward_with(images, activations),
        }
    }

    /// Lists the parameters of each layer, from the input to the output.
    pub fn layers(&self) -> Vec<ParamGroup> {
        let layers = match &self.network {
            Network::Mlp(network) => network.layers(),
            Network::Cnn(network) => network.layers(),
            Network::ResNet(network) => network.layers(),
        };
        let parameters = parameters(self);
        let of = |modules: Vec<String>| {
            let is_in = |path: &str, module: &str| format!(".{path}").contains(&format!(".{module}."));
            let paths = parameters.iter().map(|(_, path)| path.clone());
            ParamGroup::from_paths(paths.filter(|path| modules.iter().any(|module| is_in(path, module))).collect())
        };
        layers.into_iter().map(of).collect()
    }

    /// Lists the batch normalization layers, for
    /// [`reestimate_batch_norm`](burn_descent::weights::reestimate_batch_norm).
    pub fn batch_norms(&self) -> Vec<&BatchNorm> {
        match &self.network {
            Network::Mlp(network) => network.batch_norms(),
            Network::Cnn(network) => network.batch_norms(),
            Network::ResNet(network) => network.batch_norms(),
        }
    }

    fn output(
        &self,
        batch: ImageBatch,
        smoothing: LabelSmoothing,
        focal: f64,
        activations: &mut Activations,
    ) -> ClassificationOutput {
        let logits = self.forward_with(batch.images, activations);
        if let Some(numbers) = batch.numbers {
            let loss = (logits.clone() - numbers).square().mean();
            return ClassificationOutput::new(loss, logits, batch.targets);
        }
        let classes = logits.dims()[1];
        let loss = match (self.loss, batch.mixture) {
            (Loss::CrossEntropy, None) if focal == 0.0 => {
                cross_entropy(logits.clone(), batch.targets.clone(), smoothing)
            }
            (loss, mixture) => {
                let targets = mixture.unwrap_or_else(|| batch.targets.clone().one_hot::<2>(classes).float());
                let targets = smoothing.smooth(targets);
                match loss {
                    Loss::CrossEntropy => focal_loss(logits.clone(), targets, focal),
                    Loss::Mse => (logits.clone() - targets).square().mean(),
                }
            }
        };
        ClassificationOutput::new(loss, logits, batch.targets)
    }

    /// The loss of a batch in training, as the root of a graph, and what a step puts out.
    pub(super) fn loss_of(&self, batch: ImageBatch) -> (Tensor<1>, TrainedBatch) {
        let mut activations = Activations::kept(self.sparsity > 0.0);
        let mut output = self.output(batch, self.smoothing, self.focal, &mut activations);
        for activations in activations.into_layers() {
            output.loss = output.loss + sparsity(self.sparsity, activations);
        }
        let loss = output.loss.clone();
        (loss, TrainedBatch { classification: Self::weighed(output), gradient_norm: None })
    }

    /// The same output, its mean loss repeated for each image: Burn's metrics weigh a batch by how many losses it has,
    /// and the mean over an epoch is then one over images, whatever the size of the last batch.
    fn weighed(mut output: ClassificationOutput) -> ClassificationOutput {
        let images = output.targets.dims();
        output.loss = output.loss.detach().expand(images);
        // A pass that no gradient is asked of would be kept by it.
        output.output = output.output.detach();
        output
    }
}

/// Holds what a training step of a [`Classifier`] puts out, for metrics.
pub struct TrainedBatch {
    /// Holds the losses, logits and classes of the images.
    pub classification: ClassificationOutput,
    /// Gives the norm of the gradients, where it was asked for.
    pub gradient_norm: Option<Tensor<1>>,
}

impl ItemLazy for TrainedBatch {
    fn sync(self) -> Result<Self, ExecutionError> {
        let classification = self.classification.sync()?;
        Ok(Self { classification, gradient_norm: self.gradient_norm.map(Tensor::without_autodiff) })
    }
}

impl Adaptor<LossInput> for TrainedBatch {
    fn adapt(&self) -> LossInput {
        self.classification.adapt()
    }
}

impl Adaptor<AccuracyInput> for TrainedBatch {
    fn adapt(&self) -> AccuracyInput {
        self.classification.adapt()
    }
}

impl Adaptor<GradientNormInput> for TrainedBatch {
    fn adapt(&self) -> GradientNormInput {
        GradientNormInput::new(self.gradient_norm.clone())
    }
}

/// Makes Burn draw the weights now, and not at their first use, by when somebody else may have seeded the device.
struct MaterializeWeights;

impl ModuleVisitor for MaterializeWeights {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        param.val();
    }
}

impl TrainStep for Classifier {
    type Input = ImageBatch;
    type Output = TrainedBatch;

    fn step(&self, batch: ImageBatch) -> TrainOutput<TrainedBatch> {
        let (loss, trained) = self.loss_of(batch);
        TrainOutput::new(self, loss.backward(), trained)
    }
}

impl InferenceStep for Classifier {
    type Input = ImageBatch;
    type Output = ClassificationOutput;

    fn step(&self, batch: ImageBatch) -> ClassificationOutput {
        Self::weighed(self.output(batch, LabelSmoothing::None, 0.0, &mut Activations::kept(false)))
    }
}
