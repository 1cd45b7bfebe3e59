use super::backend::is_apart;
use super::resident::Resident;
use super::{Examples, Normalization};
use burn::data::dataset::DatasetError;
use burn::tensor::{Device, Int, Tensor, TensorData};
use burn_descent::augment::{Augment, AugmentError, AugmentKey};
use burn_descent::train::{BatchSource, Loader, Places};
use rayon::prelude::*;
use std::sync::{Arc, OnceLock};

/// Holds a batch of images and their classes.
#[derive(Clone, Debug)]
pub struct ImageBatch {
    /// Holds the images, `[batch, channels, height, width]`, normalized by the data set's means and standard deviations.
    pub images: Tensor<4>,
    /// Holds the class of each image; of a mixture, the class with the largest share; 0 where numbers are predicted.
    pub targets: Tensor<1, Int>,
    /// Holds the share of each class in each image, `[batch, classes]`, where images are mixed.
    pub mixture: Option<Tensor<2>>,
    /// Holds the number to predict for each example, `[batch, 1]`, where it is no class.
    pub numbers: Option<Tensor<2>>,
}

/// Loads batches of images from memory, as a Burn data loader whose epochs can be begun anywhere.
pub type ImageLoader = Loader<ImageBatch>;

/// Makes batches of examples that are in memory, as they are or distorted.
///
/// What is drawn for an image depends on the seed, the epoch and its place alone, whatever the number of threads. On a
/// device with memory of its own the examples stay there once they are asked for, up to 1 GiB of them.
#[derive(Clone)]
pub struct ImageSource {
    examples: Examples,
    indices: Arc<Vec<usize>>,
    normalization: Normalization,
    distortion: Option<Distortion>,
    /// The examples on the first device that a batch was made for, if they stay there.
    resident: Arc<OnceLock<(Device, Option<Resident>)>>,
}

#[derive(Clone)]
struct Distortion {
    augment: Augment,
    seed: u64,
    classes: usize,
}

impl ImageSource {
    /// Creates a source of those of `examples` that `indices` lists, in their order.
    pub fn new(examples: impl Into<Examples>, indices: Vec<usize>, normalization: Normalization) -> Self {
        let (examples, indices, resident) = (examples.into(), Arc::new(indices), Arc::default());
        Self { examples, indices, normalization, distortion: None, resident }
    }

    /// Distorts the images, which are of so many `classes`, by `seed`.
    pub fn distorted(self, augment: Option<Augment>, classes: usize, seed: u64) -> Self {
        Self { distortion: augment.map(|augment| Distortion { augment, seed, classes }), ..self }
    }

    /// Makes a loader of batches of `batch_size` images.
    pub fn loader(self, batch_size: usize, device: &Device) -> ImageLoader {
        Loader::new(self, batch_size, device)
    }

    /// Makes the batch of these places, as [`BatchSource::batch`] does.
    fn made(&self, places: &Places<'_>, device: &Device) -> Result<ImageBatch, AugmentError> {
        let Some(Distortion { augment, seed, classes }) = &self.distortion else {
            return Ok(self.plain(places, &self.normalization, device));
        };
        let draw = AugmentKey { seed: *seed, epoch: places.epoch as u64, images: places.numbers };
        let channels = self.examples.shape()[0];
        let mut batch = self.plain(places, &Normalization::identity(channels), device);
        let mut images = augment.distort(batch.images, &draw)?;
        if augment.mixes() {
            let targets = batch.targets.one_hot::<2>(*classes).float();
            let (mixed, mixture) = augment.mix(images, targets, &draw)?;
            images = mixed;
            batch.targets = mixture.clone().argmax(1).squeeze_dim(1);
            batch.mixture = Some(mixture);
        }
        let of_channels =
            |values: &[f32]| Tensor::<1>::from_data(TensorData::from(values), device).reshape([1, channels, 1, 1]);
        let Normalization { mean, std } = &self.normalization;
        Ok(ImageBatch { images: (images - of_channels(mean)) / of_channels(std), ..batch })
    }

    /// The images as they are.
    fn plain(&self, places: &Places<'_>, normalization: &Normalization, device: &Device) -> ImageBatch {
        let (on, resident) = self.resident.get_or_init(|| {
            let resident = is_apart(device).then(|| Resident::new(&self.examples, &self.indices, device)).flatten();
            (device.clone(), resident)
        });
        match resident.as_ref().filter(|_| on == device) {
            Some(resident) => resident.batch(places, normalization),
            None => self.in_memory(places.examples, normalization, device),
        }
    }

    /// The images as they are, made in memory.
    pub(super) fn in_memory(&self, examples: &[usize], normalization: &Normalization, device: &Device) -> ImageBatch {
        let [channels, height, width] = self.examples.shape();
        let count = examples.len();
        let mut values = vec![0.0_f32; count * channels * height * width];
        let fill = |(out, &example): (&mut [f32], &usize)| {
            self.examples.fill(self.indices[example], normalization, out);
        };
        values.par_chunks_mut(channels * height * width).zip(examples).with_min_len(16).for_each(fill);
        let label = |&example: &usize| i64::from(self.examples.label(self.indices[example]));
        let targets: Vec<i64> = examples.iter().map(label).collect();
        let numbers = self.examples.numbers().map(|numbers| {
            let numbers: Vec<f32> = examples.iter().map(|&example| numbers[self.indices[example]]).collect();
            Tensor::from_data(TensorData::new(numbers, [count, 1]), device)
        });
        ImageBatch {
            images: Tensor::from_data(TensorData::new(values, [count, channels, height, width]), device),
            targets: Tensor::from_data(TensorData::new(targets, [count]), device),
            mixture: None,
            numbers,
        }
    }
}

impl BatchSource for ImageSource {
    type Batch = ImageBatch;

    fn examples(&self) -> usize {
        self.indices.len()
    }

    fn batch(&self, places: &Places<'_>, device: &Device) -> Result<ImageBatch, DatasetError> {
        self.made(places, device).map_err(DatasetError::new)
    }
}
