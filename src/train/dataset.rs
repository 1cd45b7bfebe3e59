use super::{DatasetKind, Diversity, Normalization, RunConfig, TrainError};
use crate::data::{DataSource, EmbeddedDigits, KnownDataset, LabelledImages};
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use std::sync::Arc;

/// The images of a run, split.
#[derive(Clone, Debug)]
pub struct RunData {
    /// What the images are of; embedded digits where a download was not possible.
    pub kind: DatasetKind,
    /// Where they come from.
    pub origin: String,
    /// Training and validation images.
    pub train: Arc<LabelledImages>,
    /// Test images, for the end of the run.
    pub test: Arc<LabelledImages>,
    /// Which of `train` are trained on.
    pub train_indices: Vec<usize>,
    /// Which of `train` are held out for validation.
    pub validation_indices: Vec<usize>,
    /// Pixel mean and deviation.
    pub normalization: Normalization,
    /// Why the data are not what was asked for, if they are not.
    pub notice: Option<String>,
}

/// The number of classes in every data set here.
pub const CLASSES: usize = 10;

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
    /// If the data cannot be read, or there are too few images for the split.
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
        Ok(Self { kind, origin, train, test, train_indices, validation_indices, normalization, notice })
    }

    /// The images that the network of seed `seed` trains on: `train_indices`, or a bootstrap sample of them.
    pub fn images_for(&self, diversity: Diversity, seed: u64) -> Vec<usize> {
        match diversity {
            Diversity::Bagging => bootstrap(&self.train_indices, seed),
            Diversity::Seeds | Diversity::Snapshots => self.train_indices.clone(),
        }
    }

    /// The shape of one image, `[channels, height, width]`.
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
    let mut training = indices.split_off(config.validation_images);
    training.truncate(config.train_images.unwrap_or(usize::MAX));
    Ok((training, indices))
}

/// As many of `indices` as there are, drawn with replacement.
fn bootstrap(indices: &[usize], seed: u64) -> Vec<usize> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // Another stream than that of the split.
    rng.set_stream(1);
    indices.iter().map(|_| indices[rng.random_range(..indices.len())]).collect()
}

fn draw(first: usize, count: usize) -> Result<LabelledImages, TrainError> {
    let digits = EmbeddedDigits::new(DRAWN_SEED);
    let draw = |index: usize| digits.digit((first + index) as u64);
    #[cfg(any(feature = "flex", feature = "ndarray"))]
    let drawn: Vec<_> = {
        use rayon::prelude::*;
        (0..count).into_par_iter().map(draw).collect()
    };
    #[cfg(not(any(feature = "flex", feature = "ndarray")))]
    let drawn: Vec<_> = (0..count).map(draw).collect();
    let labels = drawn.iter().map(|(_, label)| *label).collect();
    let pixels = drawn.iter().flat_map(|(pixels, _)| pixels).copied().collect();
    Ok(LabelledImages::new(28, 28, pixels, labels)?)
}
