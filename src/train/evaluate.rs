use super::dataset::CLASSES;
use super::{Classifier, ImageLoader, TrainError};
use crate::augment::{Average, Views};
use burn::tensor::Tensor;
use burn::tensor::activation::softmax;
use serde::{Deserialize, Serialize};

/// How well class probabilities fit the labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Share of the images whose likeliest class is their label, 0 to 1.
    pub accuracy: f64,
    /// Mean negative logarithm of the label's probability.
    pub loss: f64,
    /// How many images of each class (row) were taken for each class (column).
    pub confusion: Vec<Vec<u64>>,
}

impl Evaluation {
    /// Compares the probabilities of each image with its label.
    pub fn new(probabilities: &[[f32; CLASSES]], labels: &[u8]) -> Self {
        let mut confusion = vec![vec![0; CLASSES]; CLASSES];
        for (row, label) in probabilities.iter().zip(labels) {
            confusion[usize::from(*label)][likeliest(row)] += 1;
        }
        let loss: f64 = losses(probabilities, labels).iter().sum();
        let right: u64 = (0..CLASSES).map(|class| confusion[class][class]).sum();
        let images = labels.len().max(1) as f64;
        Self { accuracy: right as f64 / images, loss: loss / images, confusion }
    }
}

/// The negative logarithm of the probability of each label: how hard an image is for a network.
pub fn losses(probabilities: &[[f32; CLASSES]], labels: &[u8]) -> Vec<f64> {
    let loss = |(row, label): (&[f32; CLASSES], &u8)| -f64::from(row[usize::from(*label)].max(f32::MIN_POSITIVE)).ln();
    probabilities.iter().zip(labels).map(loss).collect()
}

/// The class with the highest probability; the first of equals.
pub fn likeliest(probabilities: &[f32; CLASSES]) -> usize {
    (1..CLASSES).fold(0, |best, class| if probabilities[class] > probabilities[best] { class } else { best })
}

/// The class probabilities of every image of the loader, in its order.
pub fn predict(model: &Classifier, loader: &ImageLoader) -> Vec<[f32; CLASSES]> {
    loader.epoch().flatten().flat_map(|batch| rows(softmax(model.forward(batch.images), 1))).collect()
}

/// The class probabilities of every image of the loader, in its order: the mean over `views` of the image, each brought
/// to the image's own size.
///
/// # Errors
///
/// If the images have no size.
pub fn predict_views(
    model: &Classifier,
    loader: &ImageLoader,
    views: Views,
) -> Result<Vec<[f32; CLASSES]>, TrainError> {
    let mut all = Vec::new();
    for batch in loader.epoch().flatten() {
        let [_, _, height, width] = batch.images.dims();
        let forward = |images| model.forward(images);
        all.extend(rows(views.average(batch.images, [height, width], Average::Probabilities, forward)?));
    }
    Ok(all)
}

fn rows(probabilities: Tensor<2>) -> Vec<[f32; CLASSES]> {
    let values: Vec<f32> = probabilities.into_data().convert::<f32>().try_into_vec().unwrap_or_default();
    values.chunks_exact(CLASSES).map(|row| std::array::from_fn(|class| row[class])).collect()
}

/// The mean of each image's probabilities over the members of an ensemble.
pub fn average(members: &[Vec<[f32; CLASSES]>]) -> Vec<[f32; CLASSES]> {
    let images = members.first().map_or(0, Vec::len);
    let mean = |image: usize, class: usize| {
        members.iter().map(|member| member[image][class]).sum::<f32>() / members.len() as f32
    };
    (0..images).map(|image| std::array::from_fn(|class| mean(image, class))).collect()
}
