use crate::data::{DataError, LabelledImages, Rows, Targets};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Holds the examples of a data set in memory: images, or the rows of a table, each of which counts as an image of one
/// channel and one row.
#[derive(Clone, Debug)]
pub enum Examples {
    /// Holds images and their classes.
    Images(Arc<LabelledImages>),
    /// Holds rows and their classes or numbers.
    Rows(Arc<Rows>),
}

impl From<Arc<LabelledImages>> for Examples {
    fn from(images: Arc<LabelledImages>) -> Self {
        Self::Images(images)
    }
}

impl From<LabelledImages> for Examples {
    fn from(images: LabelledImages) -> Self {
        Self::Images(Arc::new(images))
    }
}

impl From<Rows> for Examples {
    fn from(rows: Rows) -> Self {
        Self::Rows(Arc::new(rows))
    }
}

impl Examples {
    /// Returns the number of examples.
    pub fn len(&self) -> usize {
        match self {
            Self::Images(images) => images.len(),
            Self::Rows(rows) => rows.rows,
        }
    }

    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the shape of an example, `[channels, height, width]`.
    pub fn shape(&self) -> [usize; 3] {
        match self {
            Self::Images(images) => [images.channels(), images.height(), images.width()],
            Self::Rows(rows) => [1, 1, rows.columns],
        }
    }

    /// Returns the bytes that the examples take of memory.
    pub fn bytes(&self) -> u64 {
        let bytes = match self {
            Self::Images(images) => images.pixels().len() + size_of_val(images.labels()),
            Self::Rows(rows) => {
                let targets = match &rows.targets {
                    Targets::Classes(labels) => size_of_val(&labels[..]),
                    Targets::Numbers(numbers) => size_of_val(&numbers[..]),
                };
                size_of_val(&rows.features[..]) + targets
            }
        };
        bytes as u64
    }

    /// Returns the class of an example; 0 where the targets are numbers.
    ///
    /// # Panics
    ///
    /// Panics as a slice does, if there is no such example.
    pub fn label(&self, index: usize) -> u32 {
        match self {
            Self::Images(images) => images.label(index),
            Self::Rows(rows) => match &rows.targets {
                Targets::Classes(labels) => labels[index],
                Targets::Numbers(_) => 0,
            },
        }
    }

    /// Returns the classes of all examples.
    pub fn labels(&self) -> Vec<u32> {
        (0..self.len()).map(|index| self.label(index)).collect()
    }

    /// Returns the same images or rows with other classes.
    ///
    /// # Errors
    ///
    /// Returns an error unless there is one for each, among the classes that there are.
    pub fn with_labels(&self, labels: Vec<u32>) -> Result<Self, DataError> {
        match self {
            Self::Images(images) => {
                let names = images.class_names().clone();
                Ok(LabelledImages::with_classes(self.shape(), images.pixels().to_vec(), labels, names)?.into())
            }
            Self::Rows(rows) => Ok(Rows { targets: Targets::Classes(labels), ..rows.as_ref().clone() }.into()),
        }
    }

    /// Returns the numbers to predict, where the targets are no classes.
    pub fn numbers(&self) -> Option<&[f32]> {
        match self {
            Self::Rows(rows) => match &rows.targets {
                Targets::Numbers(numbers) => Some(numbers),
                Targets::Classes(_) => None,
            },
            Self::Images(_) => None,
        }
    }

    /// Writes an example into `out`, each channel less its mean and divided by its deviation; the values of a table are
    /// as they are.
    pub(super) fn fill(&self, index: usize, normalization: &Normalization, out: &mut [f32]) {
        match self {
            Self::Images(images) => {
                let plane = images.height() * images.width();
                let channels = normalization.mean.iter().zip(&normalization.std);
                let planes = out.chunks_exact_mut(plane).zip(images.image(index).chunks_exact(plane));
                for ((out, pixels), (mean, std)) in planes.zip(channels) {
                    for (value, pixel) in out.iter_mut().zip(pixels) {
                        *value = (f32::from(*pixel) / 255.0 - mean) / std;
                    }
                }
            }
            Self::Rows(rows) => out.copy_from_slice(&rows.features[index * rows.columns..][..rows.columns]),
        }
    }

    /// These examples and those of `other` after them; nothing if they are of another kind or shape.
    pub(super) fn and(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Images(one), Self::Images(other))
                if self.shape() == [other.channels(), other.height(), other.width()] =>
            {
                let pixels = [one.pixels(), other.pixels()].concat();
                let labels = [one.labels(), other.labels()].concat();
                let names = one.class_names().clone();
                LabelledImages::with_classes(self.shape(), pixels, labels, names).ok().map(Self::from)
            }
            (Self::Rows(one), Self::Rows(other)) if one.columns == other.columns => {
                let targets = match (&one.targets, &other.targets) {
                    (Targets::Classes(one), Targets::Classes(other)) => Targets::Classes([&one[..], other].concat()),
                    (Targets::Numbers(one), Targets::Numbers(other)) => Targets::Numbers([&one[..], other].concat()),
                    _ => return None,
                };
                let features = [&one.features[..], &other.features].concat();
                Some(Rows { features, rows: one.rows + other.rows, columns: one.columns, targets }.into())
            }
            _ => None,
        }
    }

    /// Adds everything that there is of the examples to a digest.
    pub(super) fn digest(&self, digest: &mut Sha256) {
        self.shape().iter().for_each(|side| digest.update((*side as u64).to_le_bytes()));
        match self {
            Self::Images(images) => {
                digest.update(images.pixels());
                images.labels().iter().for_each(|label| digest.update(label.to_le_bytes()));
            }
            Self::Rows(rows) => {
                rows.features.iter().for_each(|value| digest.update(value.to_le_bytes()));
                match &rows.targets {
                    Targets::Classes(labels) => labels.iter().for_each(|label| digest.update(label.to_le_bytes())),
                    Targets::Numbers(numbers) => numbers.iter().for_each(|value| digest.update(value.to_le_bytes())),
                }
            }
        }
    }
}

/// Holds the mean and standard deviation of each channel of a data set, as shares of full intensity.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Normalization {
    /// Lists the mean of each channel, which is subtracted from its pixels.
    pub mean: Vec<f32>,
    /// Lists the standard deviation of each channel, which its pixels are then divided by.
    pub std: Vec<f32>,
}

impl Normalization {
    /// Creates the normalization of a single channel.
    pub fn gray(mean: f32, std: f32) -> Self {
        Self { mean: vec![mean], std: vec![std] }
    }

    /// Creates the normalization that leaves so many channels as they are.
    pub fn identity(channels: usize) -> Self {
        Self { mean: vec![0.0; channels], std: vec![1.0; channels] }
    }
}
