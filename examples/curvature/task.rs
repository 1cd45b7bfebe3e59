//! What is learned: a network, its images and its loss.

use burn::module::Module;
use burn::nn::pool::AvgPool2dConfig;
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::activation::{log_softmax, relu, sigmoid};
use burn::tensor::{Device, Int, Tensor, TensorData};
use burn_descent::second_order::OutputLoss;
use burn_descent_lab::runs::{ImageBatch, ImageSource, Normalization, RunData};

/// A perceptron of any depth, with hyperbolic tangents between its layers.
#[derive(Module, Debug)]
pub struct Perceptron {
    layers: Vec<Linear>,
}

impl Perceptron {
    pub fn forward(&self, inputs: Tensor<2>) -> Tensor<2> {
        let last = self.layers.len() - 1;
        let layers = self.layers.iter().enumerate();
        layers.fold(inputs, |values, (index, layer)| {
            let values = layer.forward(values);
            if index < last { values.tanh() } else { values }
        })
    }
}

/// Images, what should be made of them, and the network that is to learn it.
pub struct Task {
    name: &'static str,
    sizes: Vec<usize>,
    pub loss: OutputLoss,
    /// `[images, inputs]`, on the device without gradients.
    inputs: Tensor<2>,
    targets: Tensor<2>,
    test_inputs: Tensor<2>,
    test_targets: Tensor<2>,
    pub device: Device,
}

/// Images that pass at once where nothing has to be kept for a gradient.
const CHUNK: usize = 5000;

impl Task {
    /// Ten classes from all pixels, through 100 units.
    pub fn classes(data: &RunData, device: &Device) -> Self {
        let classes =
            |batch: &ImageBatch| (batch.images.clone().flatten(1, 3), batch.targets.clone().one_hot::<2>(10).float());
        let (inputs, targets) = rows(data, true, device, classes);
        let (test_inputs, test_targets) = rows(data, false, device, classes);
        let sizes = vec![784, 100, 10];
        let (name, loss) = ("classes of MNIST by a perceptron", OutputLoss::CrossEntropy);
        Self { name, sizes, loss, inputs, targets, test_inputs, test_targets, device: device.clone() }
    }

    /// The pixels from themselves, through a code of 10 numbers: of images half as high and wide, by a network of eight layers
    /// as the papers' has, but each a tenth as wide.
    pub fn autoencoder(data: &RunData, device: &Device) -> Self {
        let pixels = |batch: &ImageBatch| {
            let halved: Tensor<2> = AvgPool2dConfig::new([2, 2]).init().forward(batch.images.clone()).flatten(1, 3);
            (halved.clone(), halved)
        };
        let (inputs, targets) = rows(data, true, device, pixels);
        let (test_inputs, test_targets) = rows(data, false, device, pixels);
        let sizes = vec![196, 120, 60, 30, 10, 30, 60, 120, 196];
        let (name, loss) = ("deep autoencoder of MNIST at 14x14", OutputLoss::BinaryCrossEntropy);
        Self { name, sizes, loss, inputs, targets, test_inputs, test_targets, device: device.clone() }
    }

    pub fn describe(&self) -> String {
        let sizes: Vec<String> = self.sizes.iter().map(usize::to_string).collect();
        format!("{}, {}, {} images", self.name, sizes.join("-"), self.images())
    }

    pub fn test_heading(&self) -> &'static str {
        match self.loss {
            OutputLoss::CrossEntropy => "test error, %",
            _ => "test: squared error an image",
        }
    }

    pub fn images(&self) -> usize {
        self.inputs.dims()[0]
    }

    /// A network with fresh weights.
    pub fn network(&self, seed: u64) -> Perceptron {
        let device = self.device.clone().autodiff();
        device.seed(seed);
        let layers = self.sizes.windows(2).map(|sizes| {
            let config =
                LinearConfig::new(sizes[0], sizes[1]).with_initializer(Initializer::XavierNormal { gain: 1.0 });
            config.init(&device)
        });
        Perceptron { layers: layers.collect() }
    }

    /// Inputs and targets of the images at some places, for gradients; of all of them as they are.
    pub fn batch(&self, places: &[usize]) -> (Tensor<2>, Tensor<2>) {
        let device = self.device.clone().autodiff();
        if places.len() == self.images() {
            return (self.inputs.clone().to_device(&device), self.targets.clone().to_device(&device));
        }
        let places: Vec<i64> = places.iter().map(|&place| place as i64).collect();
        let places = Tensor::<1, Int>::from_data(TensorData::from(&places[..]), &self.device);
        let of = |rows: &Tensor<2>| rows.clone().select(0, places.clone()).to_device(&device);
        (of(&self.inputs), of(&self.targets))
    }

    /// The mean loss of outputs.
    pub fn loss_of(&self, outputs: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
        match self.loss {
            OutputLoss::CrossEntropy => -(targets * log_softmax(outputs, 1)).sum_dim(1).mean(),
            // ln(1 + e^o) − t·o, of each number.
            OutputLoss::BinaryCrossEntropy => {
                let soft = (-outputs.clone().abs()).exp().log1p() + relu(outputs.clone());
                (soft - targets * outputs).mean()
            }
            OutputLoss::SquaredError => (outputs - targets).square().mean(),
        }
    }

    /// The loss on all training images.
    pub fn training_loss(&self, network: &Perceptron) -> f64 {
        let network = network.valid();
        self.sum(&self.inputs, &self.targets, |inputs, targets| {
            let rows = inputs.dims()[0] as f64;
            self.loss_of(network.forward(inputs), targets) * rows
        })
    }

    /// The share of the test images classified wrongly, in %, or the squared error of an image's probabilities.
    pub fn test(&self, network: &Perceptron) -> f64 {
        let network = network.valid();
        self.sum(&self.test_inputs, &self.test_targets, |inputs, targets| {
            let outputs = network.forward(inputs);
            match self.loss {
                OutputLoss::CrossEntropy => outputs.argmax(1).not_equal(targets.argmax(1)).float().sum() * 100.0,
                _ => (sigmoid(outputs) - targets).square().sum(),
            }
        })
    }

    /// The mean over images of what is summed over chunks of them.
    fn sum(&self, inputs: &Tensor<2>, targets: &Tensor<2>, of: impl Fn(Tensor<2>, Tensor<2>) -> Tensor<1>) -> f64 {
        let [images, _] = inputs.dims();
        let mut sum = 0.0;
        for start in (0..images).step_by(CHUNK) {
            let length = CHUNK.min(images - start);
            let part = |rows: &Tensor<2>| rows.clone().narrow(0, start, length);
            sum += f64::from(of(part(inputs), part(targets)).into_scalar::<f32>());
        }
        sum / images as f64
    }
}

/// What is made of the training or the test images, whose pixels are from 0 to 1: inputs and targets.
fn rows(
    data: &RunData,
    is_training: bool,
    device: &Device,
    pair: impl Fn(&ImageBatch) -> (Tensor<2>, Tensor<2>),
) -> (Tensor<2>, Tensor<2>) {
    let (images, indices) = match is_training {
        true => (data.train.clone(), data.train_indices.clone()),
        false => (data.test.clone(), (0..data.test.len()).collect()),
    };
    let source = ImageSource::new(images, indices, Normalization::identity(1));
    let parts: Vec<_> = source.loader(CHUNK, device).epoch(1, 0).flatten().map(|batch| pair(&batch)).collect();
    let (inputs, targets): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
    (Tensor::cat(inputs, 0), Tensor::cat(targets, 0))
}
