//! Examples that stay on a device with memory of its own, where their batches are made.

use super::{Examples, ImageBatch, Normalization};
use burn::tensor::kind::Basic;
use burn::tensor::{Device, Int, Tensor, TensorData};
use burn_descent::train::Places;
use std::ops::Range;

/// The most bytes that are kept on a device for one source.
const MOST: usize = 1 << 30;
/// The most bytes in one tensor: some devices take no buffer above 128 MiB.
const TENSOR: usize = 100 << 20;
/// Pixels in a number.
const PACKED: usize = 4;
const VALUE: usize = 4;

/// The examples of a source on a device.
pub(super) struct Resident {
    shape: [usize; 3],
    values: Values,
    targets: Tensor<1, Int>,
    numbers: Option<Tensor<2>>,
}

/// What the examples are, an example a row, in tensors side by side.
enum Values {
    /// Pixels, four to a number, the first in its lowest bits.
    Pixels(Vec<Tensor<2, Int>>),
    /// The values of a table.
    Table(Vec<Tensor<2>>),
}

impl Resident {
    /// Takes those of `examples` that `indices` lists to the device, if there are not too many of them.
    pub(super) fn new(examples: &Examples, indices: &[usize], device: &Device) -> Option<Self> {
        Self::in_pieces(examples, indices, device, TENSOR)
    }

    fn in_pieces(examples: &Examples, indices: &[usize], device: &Device, most: usize) -> Option<Self> {
        let (shape, rows) = (examples.shape(), indices.len());
        let size: usize = shape.iter().product();
        let columns = match examples {
            Examples::Images(_) => size.div_ceil(PACKED),
            Examples::Rows(_) => size,
        };
        if rows.saturating_mul(columns).saturating_mul(VALUE) > MOST {
            return None;
        }
        let width = (most / (VALUE * rows.max(1))).max(1);
        let pieces = (0..columns).step_by(width).map(|start| start..columns.min(start + width));
        let values = match examples {
            Examples::Images(images) => Values::Pixels(
                pieces
                    .map(|piece| {
                        let packed = |&index: &usize| packed(images.image(index), piece.clone());
                        table(indices.iter().flat_map(packed).collect::<Vec<i32>>(), piece.len(), device)
                    })
                    .collect(),
            ),
            Examples::Rows(table_of) => Values::Table(
                pieces
                    .map(|piece| {
                        let row = |&index: &usize| &table_of.features[index * size..][piece.clone()];
                        let values: Vec<f32> = indices.iter().flat_map(row).copied().collect();
                        table(values, piece.len(), device)
                    })
                    .collect(),
            ),
        };
        let targets: Vec<i64> = indices.iter().map(|&index| i64::from(examples.label(index))).collect();
        let numbers = examples.numbers().map(|numbers| {
            let numbers: Vec<f32> = indices.iter().map(|&index| numbers[index]).collect();
            table(numbers, 1, device)
        });
        let targets = Tensor::from_data(TensorData::new(targets, [rows]), device);
        Some(Self { shape, values, targets, numbers })
    }

    /// Makes a batch on the device that they are on.
    pub(super) fn batch(&self, places: &Places<'_>, normalization: &Normalization) -> ImageBatch {
        let device = self.targets.device();
        let [channels, height, width] = self.shape;
        let count = places.examples.len();
        let images = match &self.values {
            Values::Table(pieces) => rows(pieces, places, &device).reshape([count, channels, height, width]),
            Values::Pixels(pieces) => {
                let packed: Tensor<2, Int> = rows(pieces, places, &device);
                let byte = |place| packed.clone().bitwise_right_shift_scalar(8 * place).bitwise_and_scalar(255);
                let pixels = Tensor::stack::<3>((0..PACKED as i32).map(byte).collect(), 2).float();
                let pixels = pixels.flatten::<2>(1, 2).narrow(1, 0, channels * height * width);
                let of_channels = |values: &[f32]| {
                    Tensor::<1>::from_data(TensorData::from(values), &device).reshape([1, channels, 1, 1])
                };
                let pixels = pixels.reshape([count, channels, height, width]) / 255.0;
                (pixels - of_channels(&normalization.mean)) / of_channels(&normalization.std)
            }
        };
        ImageBatch {
            images,
            targets: places.rows(&self.targets, &device),
            mixture: None,
            numbers: self.numbers.as_ref().map(|numbers| places.rows(numbers, &device)),
        }
    }
}

/// The rows of tensors side by side.
fn rows<K: Basic>(pieces: &[Tensor<2, K>], places: &Places<'_>, device: &Device) -> Tensor<2, K> {
    Tensor::cat(pieces.iter().map(|piece| places.rows(piece, device)).collect(), 1)
}

fn table<K: Basic, E: burn::tensor::Element>(values: Vec<E>, columns: usize, device: &Device) -> Tensor<2, K> {
    let rows = values.len() / columns.max(1);
    Tensor::from_data(TensorData::new(values, [rows, columns]), device)
}

/// These numbers of an image, each four pixels; beyond its end they are 0.
fn packed(pixels: &[u8], numbers: Range<usize>) -> impl Iterator<Item = i32> {
    numbers.map(move |number| {
        let pixel = |place| pixels.get(PACKED * number + place).copied().unwrap_or(0);
        i32::from_le_bytes(std::array::from_fn(pixel))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{LabelledImages, Rows, Targets};
    use crate::runs::ImageSource;

    fn batches(examples: &Examples, normalization: &Normalization) -> [Vec<TensorData>; 2] {
        let (device, indices) = (Device::default(), vec![4, 0, 3, 1]);
        let places = Places { examples: &[3, 0, 3], numbers: &[3, 0, 7], epoch: 1 };
        let source = ImageSource::new(examples.clone(), indices.clone(), normalization.clone());
        // Numbers in pieces of one.
        let resident = Resident::in_pieces(examples, &indices, &device, 4 * 4).expect("small");
        let data = |batch: ImageBatch| {
            let mut data = vec![batch.images.into_data(), batch.targets.into_data()];
            data.extend(batch.numbers.map(Tensor::into_data));
            data
        };
        [data(source.in_memory(places.examples, normalization, &device)), data(resident.batch(&places, normalization))]
    }

    /// Batches that are made on the device are those that are made from memory, to the bit.
    #[test]
    fn batches_are_the_same() {
        let pixels: Vec<u8> = (0..5 * 3 * 25).map(|pixel| (pixel * 37 % 256) as u8).collect();
        let images = LabelledImages::with_classes(
            [3, 5, 5],
            pixels,
            vec![0, 1, 2, 1, 0],
            ["a", "b", "c"].map(String::from).to_vec().into(),
        );
        let images = Examples::from(images.expect("as many labels"));
        let normalization = Normalization { mean: vec![0.1, 0.2, 0.3], std: vec![0.5, 0.6, 0.7] };
        let [expected, found] = batches(&images, &normalization);
        assert_eq!(found, expected);
        let features = (0..5 * 3).map(|value| value as f32 / 7.0).collect();
        let targets = Targets::Numbers(vec![0.5, 1.5, 2.5, 3.5, 4.5]);
        let [expected, found] =
            batches(&Rows { features, rows: 5, columns: 3, targets }.into(), &Normalization::identity(1));
        assert_eq!((found.len(), &found), (3, &expected));
    }

    #[test]
    fn what_is_too_large_stays_in_memory() {
        let columns = 1 << 16;
        let rows = Rows { features: vec![0.0; columns], rows: 1, columns, targets: Targets::Classes(vec![0]) };
        let many = vec![0; 1 << 13];
        assert!(Resident::new(&rows.into(), &many, &Device::default()).is_none());
    }
}
