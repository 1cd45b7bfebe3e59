use super::loader::CLASSES;
use super::{Classifier, ImageLoader, RunData, TrainError};
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};
use burn_descent::augment::{AugmentError, Average, Views};
use burn_descent::ensemble::{Ensemble, EnsembleError, EnsembleReport, argmax};
use serde::{Deserialize, Serialize};

/// Measures how well class probabilities fit the labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Gives the share of the images whose likeliest class is their label, 0 to 1.
    pub accuracy: f64,
    /// Gives the mean negative logarithm of the label's probability.
    pub loss: f64,
    /// Counts how many images of each class (row) were taken for each class (column).
    pub confusion: Vec<Vec<u64>>,
    /// Reports what several networks gain together, where there are several.
    #[serde(default)]
    pub ensemble: Option<EnsembleReport>,
}

impl Evaluation {
    /// Compares the probabilities of each image with its label, of which there should be as many: what one list has
    /// more than the other is left out.
    ///
    /// # Panics
    ///
    /// Panics if a label is not below [`CLASSES`](super::CLASSES).
    pub fn new(probabilities: &[[f32; CLASSES]], labels: &[u8]) -> Self {
        let mut confusion = vec![vec![0; CLASSES]; CLASSES];
        for (row, label) in probabilities.iter().zip(labels) {
            confusion[usize::from(*label)][argmax(row)] += 1;
        }
        let loss: f64 = losses(probabilities, labels).iter().sum();
        let right: u64 = (0..CLASSES).map(|class| confusion[class][class]).sum();
        let images = labels.len().max(1) as f64;
        Self { accuracy: right as f64 / images, loss: loss / images, confusion, ensemble: None }
    }
}

/// Computes the negative logarithm of the probability of each label, which says how hard an image is for a network. It
/// is at most 87.3, for a probability that `f32` cannot tell from zero, and NaN for one that is NaN. Lists of unequal
/// length and labels that are no class are as in [`Evaluation::new`].
pub fn losses(probabilities: &[[f32; CLASSES]], labels: &[u8]) -> Vec<f64> {
    let loss = |(row, label): (&[f32; CLASSES], &u8)| match row[usize::from(*label)] {
        // Of a network that has diverged.
        probability if probability.is_nan() => f64::NAN,
        probability => -f64::from(probability.max(f32::MIN_POSITIVE)).ln(),
    };
    probabilities.iter().zip(labels).map(loss).collect()
}

/// Predicts the class probabilities of every image of a loader, in its order. Batches that cannot be loaded are left
/// out, which happens only where a training loader's distortions do not fit its images.
pub fn predict(model: &Classifier, loader: &ImageLoader) -> Vec<[f32; CLASSES]> {
    loader.epoch(1, 0).flatten().flat_map(|batch| rows(softmax(model.forward(batch.images), 1))).collect()
}

/// Measures how well networks do together on the test images, as a [`Run`](super::Run) tests its own. Each network's
/// probabilities are averaged over `views` of an image.
///
/// # Errors
///
/// Returns an error if there are no test images.
pub fn evaluate(
    ensemble: &Ensemble<Classifier>,
    data: &RunData,
    device: &Device,
    views: Views,
) -> Result<Evaluation, TrainError> {
    let predictions = Predictions::new(ensemble, &data.test_loader(device), views)?;
    Ok(predictions.evaluation(ensemble, data.test.labels())?)
}

/// The class probabilities of every image of a loader, in its order.
pub(super) struct Predictions {
    /// The probabilities by each network.
    pub(super) members: Vec<Vec<[f32; CLASSES]>>,
    /// The probabilities by all networks together.
    pub(super) combined: Vec<[f32; CLASSES]>,
}

impl Predictions {
    /// Predicts by each network and by all together. Each network's probabilities are a mean over `views` of an image,
    /// each brought to the image's own size.
    pub(super) fn new(ensemble: &Ensemble<Classifier>, loader: &ImageLoader, views: Views) -> Result<Self, TrainError> {
        let mut predictions = Self { members: vec![Vec::new(); ensemble.members().len()], combined: Vec::new() };
        for batch in loader.epoch(1, 0).flatten() {
            let logits = |member: &Classifier| logits(member, batch.images.clone(), views);
            let logits = ensemble.members().iter().map(logits).collect::<Result<Vec<_>, _>>()?;
            for (member, logits) in predictions.members.iter_mut().zip(&logits) {
                member.extend(rows(softmax(logits.clone(), 1)));
            }
            predictions.combined.extend(rows(ensemble.combination().combine(logits)?));
        }
        Ok(predictions)
    }

    /// How well they fit the labels, with a report where there are several networks.
    pub(super) fn evaluation(
        &self,
        ensemble: &Ensemble<Classifier>,
        labels: &[u8],
    ) -> Result<Evaluation, EnsembleError> {
        let report = || EnsembleReport::new(ensemble.combination(), &self.members, &self.combined, labels);
        let ensemble = (self.members.len() > 1).then(report).transpose()?;
        Ok(Evaluation { ensemble, ..Evaluation::new(&self.combined, labels) })
    }
}

/// The logits of a network, or, of several views, the logarithms of the mean probabilities.
fn logits(model: &Classifier, images: Tensor<4>, views: Views) -> Result<Tensor<2>, AugmentError> {
    if views == Views::Identity {
        return Ok(model.forward(images));
    }
    let [_, _, height, width] = images.dims();
    let probabilities =
        views.average(images, [height, width], Average::Probabilities, |images| model.forward(images))?;
    Ok(probabilities.clamp_min(f32::MIN_POSITIVE).log())
}

fn rows(probabilities: Tensor<2>) -> Vec<[f32; CLASSES]> {
    let values: Vec<f32> = probabilities.into_data().convert::<f32>().try_into_vec().unwrap_or_default();
    values.chunks_exact(CLASSES).map(|row| std::array::from_fn(|class| row[class])).collect()
}
