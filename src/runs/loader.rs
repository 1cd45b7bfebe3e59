use crate::data::LabelledImages;
use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;
use burn::tensor::{Device, Int, Tensor, TensorData};
use burn_descent::augment::{Augment, AugmentError, AugmentKey};
use burn_descent::sample::{SampleError, Sampler, derived_seed};
use burn_descent::train::StopSignal;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Holds a batch of images and their classes.
#[derive(Clone, Debug)]
pub struct ImageBatch {
    /// Holds the images, `[batch, 1, height, width]`, normalized by the data set's mean and standard deviation.
    pub images: Tensor<4>,
    /// Holds the class of each image; of a mixture, the class with the largest share.
    pub targets: Tensor<1, Int>,
    /// Holds the share of each class in each image, `[batch, classes]`, where images are mixed.
    pub mixture: Option<Tensor<2>>,
    /// Says whether the batch is the last of its epoch.
    pub last: bool,
    /// Seeds dropout where the batch passes twice and is to meet the same units.
    pub seed: u64,
}

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

/// Loads batches of images from memory, as a Burn data loader.
///
/// A training loader orders ([`Sampler`]) and distorts; what it does in an epoch depends on the seed and the epoch
/// alone, whatever the number of threads, so that a resumed run sees what the unbroken run would have seen.
#[derive(Clone)]
pub struct ImageLoader {
    images: Arc<LabelledImages>,
    indices: Arc<Vec<usize>>,
    /// The part of each epoch that is loaded.
    part: Range<usize>,
    batch_size: usize,
    normalization: Normalization,
    training: Option<Training>,
    device: Device,
}

/// What only a training loader has.
#[derive(Clone)]
struct Training {
    seed: u64,
    augment: Option<Augment>,
    sampler: Arc<Sampler>,
    epoch: Arc<AtomicUsize>,
    stop: StopSignal,
    stopwatch: Stopwatch,
}

/// Measures how long the training passes take, without validation.
#[derive(Clone, Debug, Default)]
pub struct Stopwatch(Arc<Mutex<(Duration, usize)>>);

impl Stopwatch {
    /// Returns the time spent in training passes, and the number of images trained on in them.
    pub fn read(&self) -> (Duration, usize) {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn add(&self, time: Duration, images: usize) {
        let mut total = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        total.0 += time;
        total.1 += images;
    }
}

impl ImageLoader {
    /// Creates a loader that goes through `indices` of `images` in their order, with `batch_size` images in a batch, at
    /// least 1.
    pub fn new(
        images: Arc<LabelledImages>,
        indices: Vec<usize>,
        batch_size: usize,
        normalization: Normalization,
        device: &Device,
    ) -> Self {
        let (part, device) = (0..indices.len(), device.clone());
        Self { images, indices: Arc::new(indices), part, batch_size, normalization, training: None, device }
    }

    /// Makes this a training loader: shuffled afresh for each epoch, with distortions, until `stop` is given. `seed` is
    /// that of orders, distortions and dropout; the next epoch is number `epoch`, from 1.
    pub fn for_training(
        mut self,
        seed: u64,
        augment: Option<Augment>,
        epoch: usize,
        stop: StopSignal,
        stopwatch: Stopwatch,
    ) -> Self {
        let epoch = Arc::new(AtomicUsize::new(epoch));
        let sampler = Arc::new(Sampler::shuffled(self.indices.len()));
        self.training = Some(Training { seed, augment, sampler, epoch, stop, stopwatch });
        self
    }

    /// Sets the `sampler` that orders the epochs of a training loader; its positions are those in the loader's indices.
    /// Nothing changes where the loader is not for training.
    ///
    /// # Errors
    ///
    /// Returns an error if the sampler orders another number of examples.
    pub fn with_sampler(mut self, sampler: Sampler) -> Result<Self, SampleError> {
        sampler.ensure_examples(self.indices.len())?;
        if let Some(training) = &mut self.training {
            training.sampler = Arc::new(sampler);
        }
        Ok(self)
    }

    /// Returns the number of batches in an epoch.
    pub fn batches(&self) -> usize {
        self.part.len().div_ceil(self.batch_size)
    }

    /// Returns the batches of one epoch, in order; a training loader then goes on to its next epoch.
    pub fn epoch(&self) -> Batches {
        let mut indices = self.indices.as_ref().clone();
        let mut epoch = 0;
        if let Some(training) = &self.training {
            epoch = training.epoch.fetch_add(1, Ordering::SeqCst);
            let order = training.sampler.epoch(training.seed, epoch as u64);
            indices = order.into_iter().map(|position| indices[position]).collect();
            // Dropout draws from the device, for each slice of an epoch by itself.
            let slice = (self.part.start as u64).wrapping_mul(0xD1B5_4A32_D192_ED03);
            self.device.seed(training.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ epoch as u64 ^ slice);
        }
        // An image that comes again is distorted as another.
        let mut times = vec![0; self.images.len()];
        let number = |&index: &usize| {
            times[index] += 1;
            index + (times[index] - 1) * self.images.len()
        };
        let numbers: Vec<usize> = indices.iter().map(number).collect();
        let [indices, numbers] = [indices, numbers].map(|all| all[self.part.clone()].to_vec());
        let ended = indices.is_empty();
        Batches { loader: self.clone(), indices, numbers, epoch, position: 0, ended, started: Instant::now() }
    }

    fn batch(&self, [indices, numbers]: [&[usize]; 2], epoch: usize) -> Result<ImageBatch, AugmentError> {
        let augment = self.training.as_ref().and_then(|training| Some((training.seed, training.augment.as_ref()?)));
        let Some((seed, augment)) = augment else { return Ok(self.plain_batch(indices, self.normalization)) };
        let draw = AugmentKey { seed, epoch: epoch as u64, images: numbers };
        let mut batch = self.plain_batch(indices, Normalization { mean: 0.0, std: 1.0 });
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
    fn plain_batch(&self, indices: &[usize], Normalization { mean, std }: Normalization) -> ImageBatch {
        let (height, width) = (self.images.height(), self.images.width());
        let mut values = vec![0.0_f32; indices.len() * height * width];
        let fill = |(out, &index): (&mut [f32], &usize)| {
            for (value, pixel) in out.iter_mut().zip(self.images.image(index)) {
                *value = (f32::from(*pixel) / 255.0 - mean) / std;
            }
        };
        values.par_chunks_mut(height * width).zip(indices).with_min_len(16).for_each(fill);
        let targets: Vec<i64> = indices.iter().map(|&index| i64::from(self.images.label(index))).collect();
        let shape = [indices.len(), 1, height, width];
        ImageBatch {
            images: Tensor::from_data(TensorData::new(values, shape), &self.device),
            targets: Tensor::from_data(TensorData::new(targets, [indices.len()]), &self.device),
            mixture: None,
            last: false,
            seed: 0,
        }
    }
}

/// Iterates over the batches of one epoch.
pub struct Batches {
    loader: ImageLoader,
    indices: Vec<usize>,
    /// The number of each image, by which its distortions are drawn.
    numbers: Vec<usize>,
    epoch: usize,
    position: usize,
    ended: bool,
    started: Instant,
}

impl Iterator for Batches {
    type Item = Result<ImageBatch, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let stopped = self.loader.training.as_ref().is_some_and(|training| training.stop.given());
        let end = (self.position + self.loader.batch_size).min(self.indices.len());
        let part = [&self.indices, &self.numbers].map(|all| &all[self.position..end]);
        let mut batch = self.loader.batch(part, self.epoch).map_err(DatasetError::new);
        if let (Some(training), Ok(batch)) = (&self.loader.training, &mut batch) {
            // A purpose that is neither an image's nor the order's.
            let purpose = u64::MAX - 1 - (self.loader.part.start + self.position) as u64;
            batch.seed = derived_seed(training.seed, self.epoch as u64, purpose);
        }
        self.position = end;
        // Decided here once, so that the batch that says that it is the last is.
        self.ended = stopped || end == self.indices.len();
        Some(batch.map(|batch| ImageBatch { last: self.ended, ..batch }))
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        if let Some(training) = &self.loader.training {
            training.stopwatch.add(self.started.elapsed(), self.position);
        }
    }
}

impl DataLoaderIterator<ImageBatch> for Batches {
    fn progress(&self) -> Progress {
        Progress::new(self.position, self.indices.len(), Some("images".to_owned()))
    }
}

impl DataLoader<ImageBatch> for ImageLoader {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<ImageBatch> + 'a> {
        Box::new(self.epoch())
    }

    fn num_items(&self) -> usize {
        self.part.len()
    }

    fn to_device(&self, device: &Device) -> Arc<dyn DataLoader<ImageBatch>> {
        Arc::new(Self { device: device.clone(), ..self.clone() })
    }

    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<ImageBatch>> {
        let mut slice = self.clone();
        slice.part = self.part.start + start..self.part.start + end;
        // The slices of an epoch are told apart by their parts, and each counts its epochs by itself.
        if let Some(training) = &mut slice.training {
            training.epoch = Arc::new(AtomicUsize::new(training.epoch.load(Ordering::SeqCst)));
        }
        Arc::new(slice)
    }
}
