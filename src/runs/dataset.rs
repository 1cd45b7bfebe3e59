use super::{DatasetKind, Examples, ImageLoader, ImageSource, Normalization, RunConfig, TrainError};
use crate::data::{
    DataError, DataSource, EmbeddedDigits, KnownDataset, LabelSchema, LabelledImages, Splits, Table, TableSchema,
    read_image_folder, read_table,
};
use burn::tensor::Device;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::path::Path;

/// Holds the examples of a run, split into those for training, validation and testing.
#[derive(Clone, Debug)]
pub struct RunData {
    /// Says which data set the examples are of; embedded digits where a download was not possible.
    pub kind: DatasetKind,
    /// Says where the examples come from.
    pub origin: String,
    /// Holds the training and validation examples.
    pub train: Examples,
    /// Holds the test examples, for the end of the run.
    pub test: Examples,
    /// Lists the indices of those examples of `train` that are trained on.
    pub train_indices: Vec<usize>,
    /// Lists the indices of those examples of `train` that are held out for validation.
    pub validation_indices: Vec<usize>,
    /// Says how hard each of `train_indices` is, higher for harder ones, for a curriculum; if absent, a teacher finds
    /// out. [`RunData::load`] leaves it absent: it is for numbers of one's own.
    pub difficulty: Option<Vec<f64>>,
    /// Describes the examples.
    pub description: DataDescription,
    /// Says what there is to know, such as why the data are not what was asked for; a sentence each.
    pub notices: Vec<String>,
}

/// Describes a data set as a run keeps it, for what is to be predicted later.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataDescription {
    /// Gives the shape of an example, `[channels, height, width]`.
    pub shape: [usize; 3],
    /// Names the classes, in their order; it is empty where numbers are predicted.
    pub class_names: Vec<String>,
    /// Gives the means and deviations of the channels.
    pub normalization: Normalization,
    /// Says how the columns of a table become numbers.
    #[serde(default)]
    pub schema: Option<TableSchema>,
    /// Gives the SHA-256 of all examples and their split, in hexadecimal digits; it is empty where it is not known.
    #[serde(default)]
    pub digest: String,
}

impl DataDescription {
    /// Returns the number of what a network puts out: that of the classes, or 1 for a number.
    pub fn outputs(&self) -> usize {
        self.class_names.len().max(1)
    }

    /// Describes a data set that is published, without its examples.
    pub(super) fn published(kind: &DatasetKind) -> Option<Self> {
        let known = match kind {
            DatasetKind::Synthetic => KnownDataset::Mnist,
            kind => kind.known()?,
        };
        let shape = match known {
            KnownDataset::Mnist | KnownDataset::FashionMnist => [1, 28, 28],
            KnownDataset::Cifar10 | KnownDataset::Cifar100 => [3, 32, 32],
        };
        let class_names = (0..10).map(|class: usize| class.to_string()).collect();
        Some(Self { shape, class_names, normalization: normalization(known), schema: None, digest: String::new() })
    }

    /// Says what is wrong with it, if anything: a file may have been changed.
    pub(super) fn check(&self) -> Result<(), String> {
        let values = self.shape.iter().try_fold(1_usize, |product, side| product.checked_mul(*side));
        if !values.is_some_and(|values| (1..=MOST_VALUES).contains(&values)) {
            return Err(format!("`shape` is {:?}, expected 1 to {MOST_VALUES} values in all", self.shape));
        }
        let names: BTreeSet<&String> = self.class_names.iter().collect();
        if names.len() != self.class_names.len() {
            return Err("`class_names` has a name twice".to_owned());
        }
        let Normalization { mean, std } = &self.normalization;
        let channels = self.shape[0];
        if [mean.len(), std.len()] != [channels; 2] {
            let lengths = format!("{} means and {} deviations", mean.len(), std.len());
            return Err(format!("`normalization` has {lengths}, expected {channels} of each, one a channel"));
        }
        if !mean.iter().all(|mean| mean.is_finite()) || !std.iter().all(|std| *std > 0.0 && std.is_finite()) {
            return Err("`normalization` should have finite means and positive deviations".to_owned());
        }
        let Some(schema) = &self.schema else { return Ok(()) };
        let features = schema.feature_names().len();
        if self.shape != [1, 1, features] {
            return Err(format!("`shape` is {:?}, expected [1, 1, {features}] by the columns of `schema`", self.shape));
        }
        match &schema.labels {
            LabelSchema::Classes { names } if *names != self.class_names => {
                Err("`class_names` are not the labels of `schema`".to_owned())
            }
            LabelSchema::Number { .. } if !self.class_names.is_empty() => {
                Err("`class_names` should be empty, since the labels of `schema` are numbers".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// The mean and deviation of the number to predict, where it is one.
    pub(super) fn scale(&self) -> Option<(f64, f64)> {
        match self.schema.as_ref()?.labels {
            LabelSchema::Number { mean, deviation } => Some((mean, deviation)),
            LabelSchema::Classes { .. } => None,
        }
    }
}

/// The most values of one example.
const MOST_VALUES: usize = 1 << 28;

/// Examples in an evaluation step.
pub(super) const EVALUATION_BATCH: usize = 500;

/// Embedded digits drawn for training and validation, and for testing; as many as MNIST has.
const DRAWN: [usize; 2] = [60_000, 10_000];
/// The seed of the drawn digits: they are a data set, the same for every run.
const DRAWN_SEED: u64 = 0;

impl RunData {
    /// Loads the data that `config` asks for and splits off the validation examples by its seed. Without a network and
    /// without a copy on disk, a new run that asks for no data set by name (`fallback`) gets embedded digits instead,
    /// and a notice says so.
    ///
    /// # Errors
    ///
    /// Returns an error if the data cannot be read, or there are too few examples for the split.
    pub fn load(config: &RunConfig, source: &DataSource, fallback: bool) -> Result<Self, TrainError> {
        let kind = &config.dataset;
        match kind {
            DatasetKind::Images { path, images } => {
                let splits = read_image_folder(source.path_or(path), images)?;
                Self::of_splits(config, kind.clone(), splits)
            }
            DatasetKind::Table { path, table } => {
                let path = source.path_or(path);
                Self::of_table(config, kind.clone(), path, read_table(path, table)?)
            }
            DatasetKind::Synthetic => Self::drawn(config, Vec::new()),
            DatasetKind::Mnist | DatasetKind::Fashion | DatasetKind::Cifar10 | DatasetKind::Cifar100 => {
                let Some(known) = kind.known() else { return Self::drawn(config, Vec::new()) };
                match source.load(known) {
                    Ok(splits) => Self::of_splits(config, kind.clone(), splits),
                    Err(error) if fallback && error.is_offline() => {
                        let notice =
                            format!("no network to download {} from: training on embedded digits", known.name());
                        Self::drawn(config, vec![notice])
                    }
                    Err(error) => Err(error.into()),
                }
            }
        }
    }

    fn drawn(config: &RunConfig, notices: Vec<String>) -> Result<Self, TrainError> {
        let (train, test) = (draw(0, DRAWN[0])?, draw(DRAWN[0], DRAWN[1])?);
        let normalization = normalization(KnownDataset::Mnist);
        let description = describe(&train, normalization);
        let origin = "drawn from strokes".to_owned();
        Self::split(config, DatasetKind::Synthetic, origin, train.into(), None, test.into(), description, notices)
    }

    fn of_splits(config: &RunConfig, kind: DatasetKind, splits: Splits) -> Result<Self, TrainError> {
        let Splits { train, validation, test, origin, notices } = splits;
        let normalization = match kind.known() {
            Some(known) => normalization(known),
            None => {
                let statistics = train.statistics(&Vec::from_iter(0..train.len()));
                // A channel that is the same everywhere is only shifted.
                let deviation = |std: &f64| if *std > 0.0 { *std as f32 } else { 1.0 };
                Normalization {
                    mean: statistics.mean.iter().map(|mean| *mean as f32).collect(),
                    std: statistics.deviation.iter().map(deviation).collect(),
                }
            }
        };
        let description = describe(&train, normalization);
        let validation = validation.map(Examples::from);
        Self::split(config, kind, origin.to_string(), train.into(), validation, test.into(), description, notices)
    }

    fn of_table(config: &RunConfig, kind: DatasetKind, path: &Path, table: Table) -> Result<Self, TrainError> {
        let Table { train, validation, test, schema, notices } = table;
        let class_names = match &schema.labels {
            LabelSchema::Classes { names } => names.clone(),
            LabelSchema::Number { .. } => Vec::new(),
        };
        let description = DataDescription {
            shape: [1, 1, train.columns],
            class_names,
            normalization: Normalization::identity(1),
            schema: Some(schema),
            digest: String::new(),
        };
        let (origin, validation) = (format!("file {}", path.display()), validation.map(Examples::from));
        Self::split(config, kind, origin, train.into(), validation, test.into(), description, notices)
    }

    #[allow(clippy::too_many_arguments)] // All that there is of a data set, once.
    fn split(
        config: &RunConfig,
        kind: DatasetKind,
        origin: String,
        mut train: Examples,
        validation: Option<Examples>,
        test: Examples,
        mut description: DataDescription,
        notices: Vec<String>,
    ) -> Result<Self, TrainError> {
        let (train_indices, validation_indices) = match validation {
            None => split(&train, config)?,
            Some(validation) => {
                let own = train.len();
                let together = train.and(&validation);
                train =
                    together.ok_or_else(|| TrainError::Stopped("validation examples of another shape".to_owned()))?;
                let mut indices: Vec<usize> = (0..own).collect();
                indices.shuffle(&mut ChaCha8Rng::seed_from_u64(config.seed));
                let some = config.train_images.unwrap_or(usize::MAX).min(own);
                let [training, _] = config.split.divide(&train, indices, some, config.seed)?;
                (training, (own..train.len()).collect())
            }
        };
        let mut digest = Sha256::new();
        train.digest(&mut digest);
        test.digest(&mut digest);
        for indices in [&train_indices, &validation_indices] {
            indices.iter().for_each(|index| digest.update((*index as u64).to_le_bytes()));
        }
        description.digest = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let difficulty = None;
        Ok(Self { kind, origin, train, test, train_indices, validation_indices, difficulty, description, notices })
    }

    /// The test examples in their order.
    pub(super) fn test_loader(&self, device: &Device) -> ImageLoader {
        let indices = (0..self.test.len()).collect();
        ImageSource::new(self.test.clone(), indices, self.normalization().clone()).loader(EVALUATION_BATCH, device)
    }

    /// The training examples as they are, in the order of `train_indices`.
    pub(super) fn training_images(&self, device: &Device) -> ImageLoader {
        let source = ImageSource::new(self.train.clone(), self.train_indices.clone(), self.normalization().clone());
        source.loader(EVALUATION_BATCH, device)
    }

    /// The validation examples in their order.
    pub(super) fn validation_loader(&self, batch_size: usize, device: &Device) -> ImageLoader {
        let source =
            ImageSource::new(self.train.clone(), self.validation_indices.clone(), self.normalization().clone());
        source.loader(batch_size, device)
    }

    /// The labels of the training examples, in the order of `train_indices`.
    pub(super) fn training_labels(&self) -> Vec<u32> {
        self.train_indices.iter().map(|&index| self.train.label(index)).collect()
    }

    /// Returns the shape of one example, `[channels, height, width]`.
    pub fn image(&self) -> [usize; 3] {
        self.description.shape
    }

    /// Returns the number of classes, or 1 where numbers are predicted.
    pub fn outputs(&self) -> usize {
        self.description.outputs()
    }

    /// Returns the means and deviations of the channels.
    pub fn normalization(&self) -> &Normalization {
        &self.description.normalization
    }
}

fn describe(train: &LabelledImages, normalization: Normalization) -> DataDescription {
    DataDescription {
        shape: [train.channels(), train.height(), train.width()],
        class_names: train.class_names().to_vec(),
        normalization,
        schema: None,
        digest: String::new(),
    }
}

/// The means and deviations of a published data set. Embedded digits have MNIST's, to two digits.
fn normalization(known: KnownDataset) -> Normalization {
    let values = |of: &[f64]| of.iter().map(|value| *value as f32).collect();
    Normalization { mean: values(known.mean()), std: values(known.std()) }
}

fn split(train: &Examples, config: &RunConfig) -> Result<(Vec<usize>, Vec<usize>), TrainError> {
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

fn draw(first: usize, count: usize) -> Result<LabelledImages, DataError> {
    let digits = EmbeddedDigits::new(DRAWN_SEED);
    let draw = |index: usize| digits.digit((first + index) as u64);
    let drawn: Vec<_> = (0..count).into_par_iter().map(draw).collect();
    let labels = drawn.iter().map(|(_, label)| *label).collect();
    let pixels = drawn.iter().flat_map(|(pixels, _)| pixels).copied().collect();
    LabelledImages::new(28, 28, pixels, labels)
}
