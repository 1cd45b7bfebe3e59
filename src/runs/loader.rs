use crate::data::LabelledImages;
use burn::data::dataset::DatasetError;
use burn::tensor::{Device, Int, Tensor, TensorData};
use burn_descent::augment::{Augment, AugmentError, AugmentKey};
use burn_descent::train::{BatchSource, Loader, Places};
use rayon::prelude::*;
use std::sync::Arc;

/// Holds a batch of images and their classes.
#[derive(Clone, Debug)]
pub struct ImageBatch {
    /// Holds the images, `[batch, 1, height, width]`, normalized by the data set's mean and standard deviation.
    pub images: Tensor<4>,
    /// Holds the class of each image; of a mixture, the class with the largest share.
    pub targets: Tensor<1, Int>,
    /// Holds the share of each class in each image, `[batch, classes]`, where images are mixed.
    pub mixture: Option<Tensor<2>>,
}

/// Loads batches of images from memory, as a Burn data loader whose epochs can be begun anywhere.
pub type ImageLoader = Loader<ImageBatch>;

/// Gives the number of classes in every data set here.
pub const CLASSES: usize = 10;

/// Holds the mean and standard deviation of a data set's pixels, as shares of full intensity.
#[derive(Clone, Copy, Debug)]
pub struct Normalization {
    /// Gives the mean, which is subtracted from each pixel.
    pub mean: f32,
    /// Gives the standard deviation, which each pixel is then divided by.
    pub std: f32,
}

/// Makes batches of images that are in memory, as they are or distorted.
///
/// What is drawn for an image depends on the seed, the epoch and its place alone, whatever the number of threads.
#[derive(Clone)]
pub struct ImageSource {
    images: Arc<LabelledImages>,
    indices: Arc<Vec<usize>>,
    normalization: Normalization,
    distortion: Option<(Augment, u64)>,
}

impl ImageSource {
    /// Creates a source of those of `images` that `indices` lists, in their order.
    pub fn new(images: Arc<LabelledImages>, indices: Vec<usize>, normalization: Normalization) -> Self {
        Self { images, indices: Arc::new(indices), normalization, distortion: None }
    }

    /// Distorts the images, by `seed`.
    pub fn distorted(self, augment: Option<Augment>, seed: u64) -> Self {
        Self { distortion: augment.map(|augment| (augment, seed)), ..self }
    }

    /// Makes a loader of batches of `batch_size` images.
    pub fn loader(self, batch_size: usize, device: &Device) -> ImageLoader {
        Loader::new(self, batch_size, device)
    }

    /// Makes the batch of these places, as [`BatchSource::batch`] does.
    fn made(&self, places: &Places<'_>, device: &Device) -> Result<ImageBatch, AugmentError> {
        let Some((augment, seed)) = &self.distortion else {
            return Ok(self.plain(places.examples, self.normalization, device));
        };
        let draw = AugmentKey { seed: *seed, epoch: places.epoch as u64, images: places.numbers };
        let mut batch = self.plain(places.examples, Normalization { mean: 0.0, std: 1.0 }, device);
        let mut images = augment.distort(batch.images, &draw)?;
        if augment.mixes() {
            let targets = batch.targets.one_hot::<2>(CLASSES).float();
            let (mixed, mixture) = augment.mix(images, targets, &draw)?;
            images = mixed;
            batch.targets = mixture.clone().argmax(1).squeeze_dim(1);
            batch.mixture = Some(mixture);
        }
        let Normalization { mean, std } = self.normalization;
        Ok(ImageBatch { images: (images - mean) / std, ..batch })
    }

    /// The images as they are.
    fn plain(&self, examples: &[usize], Normalization { mean, std }: Normalization, device: &Device) -> ImageBatch {
        let (height, width) = (self.images.height(), self.images.width());
        let mut values = vec![0.0_f32; examples.len() * height * width];
        let fill = |(out, &example): (&mut [f32], &usize)| {
            for (value, pixel) in out.iter_mut().zip(self.images.image(self.indices[example])) {
                *value = (f32::from(*pixel) / 255.0 - mean) / std;
            }
        };
        values.par_chunks_mut(height * width).zip(examples).with_min_len(16).for_each(fill);
        let label = |&example: &usize| i64::from(self.images.label(self.indices[example]));
        let targets: Vec<i64> = examples.iter().map(label).collect();
        let shape = [examples.len(), 1, height, width];
        ImageBatch {
            images: Tensor::from_data(TensorData::new(values, shape), device),
            targets: Tensor::from_data(TensorData::new(targets, [examples.len()]), device),
            mixture: None,
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
