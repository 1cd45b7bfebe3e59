//! L1 on a layer's activations (coverage F6), on a network that shows them.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::{relu, softmax};
use burn::tensor::{Device, Tensor};
use burn::train::{ClassificationOutput, InferenceStep, TrainOutput, TrainStep};
use burn_descent::nn::{LabelSmoothing, cross_entropy};
use burn_descent::penalty::sparsity;
use burn_descent::train::{GradientUpdate, TrainingState};
use burn_descent_lab::runs::{Evaluation, ImageBatch, ImageSource, RunConfig, RunData, TrainError};

/// Units of the hidden layer.
pub const UNITS: usize = 512;

#[derive(Module, Debug)]
struct Network {
    hidden: Linear,
    output: Linear,
    /// How much the L1 norm of the activations counts in the loss.
    #[module(skip)]
    strength: f64,
}

impl Network {
    /// The activations of the hidden layer for images `[batch, 1, height, width]`, and the logits.
    fn forward(&self, images: Tensor<4>) -> (Tensor<2>, Tensor<2>) {
        let activations = relu(self.hidden.forward(images.flatten(1, 3)));
        let logits = self.output.forward(activations.clone());
        (activations, logits)
    }
}

impl TrainStep for Network {
    type Input = ImageBatch;
    type Output = ClassificationOutput;

    fn step(&self, batch: ImageBatch) -> TrainOutput<ClassificationOutput> {
        let (activations, logits) = self.forward(batch.images);
        let loss = cross_entropy(logits.clone(), batch.targets.clone(), LabelSmoothing::None)
            + sparsity(self.strength, activations);
        TrainOutput::new(self, loss.backward(), ClassificationOutput::new(loss, logits, batch.targets))
    }
}

impl InferenceStep for Network {
    type Input = ImageBatch;
    type Output = ClassificationOutput;

    fn step(&self, batch: ImageBatch) -> ClassificationOutput {
        let (_, logits) = self.forward(batch.images);
        let loss = cross_entropy(logits.clone(), batch.targets.clone(), LabelSmoothing::None);
        ClassificationOutput::new(loss, logits, batch.targets)
    }
}

/// Trains one hidden layer with `strength` times the L1 norm of its activations in the loss, by the optimizer, schedule,
/// epochs and seed of `config`. Gives how well it does on the test images, and the share of the activations there that are
/// exactly 0.
///
/// # Errors
///
/// If a hyperparameter is out of range.
pub fn train(
    config: &RunConfig,
    data: &RunData,
    device: &Device,
    strength: f64,
) -> Result<(Evaluation, f64), TrainError> {
    let autodiff = device.clone().autodiff();
    autodiff.seed(config.seed);
    let linear = |inputs, outputs| LinearConfig::new(inputs, outputs).init(&autodiff);
    let network = Network {
        hidden: linear(data.image().iter().product(), UNITS),
        output: linear(UNITS, data.outputs()),
        strength,
    };
    let (images, indices) = (data.train.clone(), data.train_indices.clone());
    let loader = ImageSource::new(images, indices, data.normalization().clone()).loader(config.batch_size, &autodiff);
    let loader = loader.shuffled(config.seed);
    let schedule = config.schedule.scheduler(config.lr, loader.run_length(config.epochs))?;
    let update = GradientUpdate::new(config.init_optimizer(loader.batches())?);
    let mut training = TrainingState::new(network, update, schedule, config.seed);
    for epoch in 1..=config.epochs {
        for batch in loader.epoch(epoch, 0) {
            training.step(batch.map_err(|error| TrainError::Stopped(error.to_string()))?)?;
        }
    }
    let network = training.evaluated()?;
    let indices = (0..data.test.len()).collect();
    let loader = ImageSource::new(data.test.clone(), indices, data.normalization().clone()).loader(500, device);
    let (mut probabilities, mut silent) = (Vec::new(), Vec::new());
    for batch in loader.epoch(1, 0) {
        let batch = batch.map_err(|error| TrainError::Stopped(error.to_string()))?;
        let (activations, logits) = network.forward(batch.images);
        silent.extend(numbers(activations.equal_elem(0.0).float().mean_dim(1)));
        let rows = numbers(softmax(logits, 1));
        probabilities.extend(rows.chunks_exact(data.outputs()).map(<[f32]>::to_vec));
    }
    let silent = silent.iter().map(|share| f64::from(*share)).sum::<f64>() / data.test.len() as f64;
    Ok((Evaluation::new(&probabilities, &data.test.labels()), silent))
}

fn numbers(values: Tensor<2>) -> Vec<f32> {
    values.into_data().try_into_vec().unwrap_or_default()
}
