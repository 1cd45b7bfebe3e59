//! Labelled images in memory.

use super::error::DataError;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// Holds images of one size in memory, each with its label, and the names of the classes.
///
/// ```
/// use burn_descent_lab::data::LabelledImages;
///
/// let digits = LabelledImages::new(1, 2, vec![0, 50, 100, 150, 200, 250], vec![7, 8, 9])?;
/// assert_eq!((digits.len(), digits.image(1), digits.label(1)), (3, &[100, 150][..], 8));
/// assert_eq!(digits.select(&[2, 0]).labels(), [9, 7]);
///
/// // One red and one green pixel, as red, green and blue planes.
/// let names = ["unripe".to_owned(), "ripe".to_owned()];
/// let apples = LabelledImages::with_classes([3, 1, 1], vec![255, 0, 0, 0, 255, 0], vec![1, 0], names.into())?;
/// assert_eq!((apples.channels(), apples.classes(), &*apples.class_names()[1]), (3, 2, "ripe"));
/// assert_eq!(apples.statistics(&[0, 1]).mean, [0.5, 0.5, 0.0]);
/// # Ok::<(), burn_descent_lab::data::DataError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelledImages {
    channels: usize,
    height: usize,
    width: usize,
    pixels: Vec<u8>,
    labels: Vec<u32>,
    class_names: Arc<[String]>,
}

/// Holds the mean and the deviation of each channel of some images, as shares of full intensity.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    /// Gives the mean of each channel, 0 to 1.
    pub mean: Vec<f64>,
    /// Gives the standard deviation of each channel; 0 where all values are equal.
    pub deviation: Vec<f64>,
}

impl LabelledImages {
    /// Puts gray images of the ten digits and their labels together.
    ///
    /// - `height`, `width`: rows and columns of every image, in pixels, at least 1.
    /// - `pixels`: gray levels, 0 to 255, image after image and row after row.
    /// - `labels`: the class of each image, below 10.
    ///
    /// # Errors
    /// Returns the same errors as [`with_classes`](Self::with_classes).
    pub fn new(height: usize, width: usize, pixels: Vec<u8>, labels: Vec<u8>) -> Result<Self, DataError> {
        let labels = labels.into_iter().map(u32::from).collect();
        Self::with_classes([1, height, width], pixels, labels, numbered(0..10))
    }

    /// Puts images, labels and the names of the classes together.
    ///
    /// - `shape`: channels, rows and columns of every image, at least 1 each.
    /// - `pixels`: intensities, 0 to 255, image after image, channel after channel and row after row.
    /// - `labels`: the class of each image, an index into `class_names`.
    ///
    /// # Errors
    /// Returns [`DataError::Shape`] unless there are as many pixels as the shape and the labels ask for,
    /// [`DataError::NoImages`] if there is no image, and [`DataError::Class`] for the first label without a class.
    pub fn with_classes(
        shape: [usize; 3],
        pixels: Vec<u8>,
        labels: Vec<u32>,
        class_names: Arc<[String]>,
    ) -> Result<Self, DataError> {
        let [channels, height, width] = shape;
        let size = shape.iter().try_fold(1_usize, |size, &side| size.checked_mul(side)).filter(|&size| size > 0);
        if size.and_then(|size| size.checked_mul(labels.len())) != Some(pixels.len()) {
            let shape = if channels == 1 { vec![height, width] } else { shape.to_vec() };
            return Err(DataError::Shape { pixels: pixels.len(), count: labels.len(), shape });
        }
        if labels.is_empty() {
            return Err(DataError::NoImages);
        }
        let classes = class_names.len();
        match labels.iter().position(|&label| label as usize >= classes) {
            Some(index) => Err(DataError::Class { index, label: labels[index], classes }),
            None => Ok(Self { channels, height, width, pixels, labels, class_names }),
        }
    }

    /// Returns the number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Tells whether there is no image, as after the selection of none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Returns the number of channels: 1 for gray, 3 for red, green and blue.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Returns the number of rows of an image, in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Returns the number of columns of an image, in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Returns the intensities of all images, 0 to 255: image after image, channel after channel, row after row.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// Returns the labels of all images.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// Returns the number of classes, which every label is below.
    pub fn classes(&self) -> usize {
        self.class_names.len()
    }

    /// Returns the names of the classes, to which the labels are indices.
    pub fn class_names(&self) -> &Arc<[String]> {
        &self.class_names
    }

    /// Returns the `channels * height * width` intensities of image `index`, 0 to 255.
    ///
    /// # Panics
    /// Panics as a slice does, where `index` is not below [`len`](Self::len).
    pub fn image(&self, index: usize) -> &[u8] {
        let size = self.channels * self.height * self.width;
        &self.pixels[index * size..][..size]
    }

    /// Returns the label of image `index`.
    ///
    /// # Panics
    /// Panics as a slice does, where `index` is not below [`len`](Self::len).
    pub fn label(&self, index: usize) -> u32 {
        self.labels[index]
    }

    /// Returns the images at `indices`, in that order; an index may occur more than once.
    ///
    /// # Panics
    /// Panics as a slice does, where an index is not below [`len`](Self::len).
    pub fn select(&self, indices: &[usize]) -> Self {
        Self {
            pixels: indices.iter().flat_map(|&i| self.image(i)).copied().collect(),
            labels: indices.iter().map(|&i| self.label(i)).collect(),
            class_names: self.class_names.clone(),
            ..*self
        }
    }

    /// Returns the mean and the deviation of each channel over the images at `indices`; zeros where there is none.
    ///
    /// # Panics
    /// Panics as a slice does, where an index is not below [`len`](Self::len).
    pub fn statistics(&self, indices: &[usize]) -> Statistics {
        // Sums of whole numbers are exact: no order of summing, and no number of threads, makes a difference.
        type Sums = Vec<[u64; 2]>;
        let zeros = || -> Sums { vec![[0; 2]; self.channels] };
        let add = |mut sums: Sums, &index: &usize| {
            for (plane, [sum, squares]) in self.image(index).chunks_exact(self.height * self.width).zip(&mut sums) {
                *sum += plane.iter().map(|&v| u64::from(v)).sum::<u64>();
                *squares += plane.iter().map(|&v| u64::from(v) * u64::from(v)).sum::<u64>();
            }
            sums
        };
        let merge = |a: Sums, b: Sums| a.iter().zip(b).map(|(a, b)| [a[0] + b[0], a[1] + b[1]]).collect();
        let sums = indices.par_iter().fold(zeros, add).reduce(zeros, merge);

        let n = (indices.len() * self.height * self.width).max(1) as u64;
        let full = n as f64 * 255.0;
        let wide = u128::from;
        Statistics {
            mean: sums.iter().map(|&[sum, _]| sum as f64 / full).collect(),
            deviation: sums
                .iter()
                .map(|&[sum, squares]| ((wide(n) * wide(squares) - wide(sum) * wide(sum)) as f64).sqrt() / full)
                .collect(),
        }
    }
}

/// Classes that are named by their numbers.
pub(super) fn numbered(numbers: Range<u8>) -> Arc<[String]> {
    numbers.map(|number| number.to_string()).collect()
}
