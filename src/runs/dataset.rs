use super::{DatasetKind, ImageLoader, ImageSource, Normalization, RunConfig, TrainError};
use crate::data::{DataSource, EmbeddedDigits, KnownDataset, LabelledImages};
use burn::tensor::Device;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;
use rayon::prelude::*;
use std::sync::Arc;

/// Holds the images of a run, split into those for training, validation and testing.
#[derive(Clone, Debug)]
pub struct RunData {
    /// Says which data set the images are of; embedded digits where a download was not possible.
    pub kind: DatasetKind,
    /// Says where the images come from.
    pub origin: String,
    /// Holds the training and validation images.
    pub train: Arc<LabelledImages>,
    /// Holds the test images, for the end of the run.
    pub test: Arc<LabelledImages>,
    /// Lists the indices of those images of `train` that are trained on.
    pub train_indices: Vec<usize>,
    /// Lists the indices of those images of `train` that are held out for validation.
    pub validation_indices: Vec<usize>,
    /// Says how hard each of `train_indices` is, higher for harder ones, for a curriculum; if absent, a teacher finds
    /// out. [`RunData::load`] leaves it absent: it is for numbers of one's own.
    pub difficulty: Option<Vec<f64>>,
    /// Gives the mean and standard deviation of the pixels.
    pub normalization: Normalization,
    /// Says why the data are not what was asked for, if they are not.
    pub notice: Option<String>,
}

/// Images in an evaluation step.
pub(super) const EVALUATION_BATCH: usize = 500;

/// Embedded digits drawn for training and validation, and for testing; as many as MNIST has.
const DRAWN: [usize; 2] = [60_000, 10_000];
/// The seed of the drawn digits: they are a data set, the same for every run.
const DRAWN_SEED: u64 = 0;

impl RunData {
    /// Loads the data that `config` asks for and splits off the validation images by its seed. Without a network and
    /// without a copy on disk, a new run (`fallback`) gets embedded digits instead, and `notice` says so.
    ///
    /// # Errors
    ///
    /// Returns an error if the data cannot be read, or there are too few images for the split.
    pub fn load(config: &RunConfig, source: &DataSource, fallback: bool) -> Result<Self, TrainError> {
        let mut notice = None;
        let loaded = match config.dataset.known() {
            None => None,
            Some(known) => match source.load(known) {
                Ok(splits) => Some(splits),
                Err(error) if fallback && error.is_offline() => {
                    notice = Some(format!("no network to download {} from: training on embedded digits", known.name()));
                    None
                }
                Err(error) => return Err(error.into()),
            },
        };
        let (kind, origin, train, test) = match loaded {
            Some(splits) => (config.dataset, splits.origin.to_string(), splits.train, splits.test),
            None => {
                let (train, test) = (draw(0, DRAWN[0])?, draw(DRAWN[0], DRAWN[1])?);
                (DatasetKind::Synthetic, "drawn from strokes".to_owned(), train, test)
            }
        };
        let (train_indices, validation_indices) = split(&train, config)?;
        let normalization = normalization(kind);
        let (train, test) = (Arc::new(train), Arc::new(test));
        Ok(Self {
            kind,
            origin,
            train,
            test,
            train_indices,
            validation_indices,
            difficulty: None,
            normalization,
            notice,
        })
    }

    /// The test images in their order.
    pub(super) fn test_loader(&self, device: &Device) -> ImageLoader {
        let indices = (0..self.test.len()).collect();
        ImageSource::new(self.test.clone(), indices, self.normalization).loader(EVALUATION_BATCH, device)
    }

    /// The training images as they are, in the order of `train_indices`.
    pub(super) fn training_images(&self, device: &Device) -> ImageLoader {
        let source = ImageSource::new(self.train.clone(), self.train_indices.clone(), self.normalization);
        source.loader(EVALUATION_BATCH, device)
    }

    /// The validation images in their order.
    pub(super) fn validation_loader(&self, batch_size: usize, device: &Device) -> ImageLoader {
        let source = ImageSource::new(self.train.clone(), self.validation_indices.clone(), self.normalization);
        source.loader(batch_size, device)
    }

    /// The labels of the training images, in the order of `train_indices`.
    pub(super) fn training_labels(&self) -> Vec<u8> {
        self.train_indices.iter().map(|&index| self.train.label(index)).collect()
    }

    /// Returns the shape of one image, `[channels, height, width]`.
    pub fn image(&self) -> [usize; 3] {
        [1, self.train.height(), self.train.width()]
    }
}

/// The pixel mean and deviation of a data set. Embedded digits have MNIST's, to two digits.
pub(super) fn normalization(kind: DatasetKind) -> Normalization {
    let known = kind.known().unwrap_or(KnownDataset::Mnist);
    Normalization { mean: known.mean() as f32, std: known.std() as f32 }
}

fn split(train: &LabelledImages, config: &RunConfig) -> Result<(Vec<usize>, Vec<usize>), TrainError> {
    if config.validation_images >= train.len() {
        return Err(TrainError::Value {
            field: "validation_images",
            value: config.validation_images.to_string(),
            expected: "less than the number of training images in the data set",
        });
    }
    let mut indices: Vec<usize> = (0..train.len()).collect();
    indices.shuffle(&mut ChaCha8Rng::seed_from_u64(config.seed));
    let divide = |indices, part| config.split.divide(train, indices, part, config.seed);
    let [validation, training] = divide(indices, config.validation_images)?;
    let some = config.train_images.unwrap_or(usize::MAX).min(training.len());
    let [training, _] = divide(training, some)?;
    Ok((training, validation))
}

fn draw(first: usize, count: usize) -> Result<LabelledImages, TrainError> {
    let digits = EmbeddedDigits::new(DRAWN_SEED);
    let draw = |index: usize| digits.digit((first + index) as u64);
    let drawn: Vec<_> = (0..count).into_par_iter().map(draw).collect();
    let labels = drawn.iter().map(|(_, label)| *label).collect();
    let pixels = drawn.iter().flat_map(|(pixels, _)| pixels).copied().collect();
    Ok(LabelledImages::new(28, 28, pixels, labels)?)
}
