use super::{Classifier, ImageBatch, ImageLoader, RunData, TrainError};
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};
use burn_descent::augment::{AugmentError, Average, Views};
use burn_descent::ensemble::{Ensemble, EnsembleReport, argmax};
use serde::{Deserialize, Serialize};

/// Measures how well predictions fit the labels: probabilities of classes, or numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Gives the share of the examples whose likeliest class is their label, 0 to 1; it is NaN (`null` in a file) where
    /// numbers are predicted.
    #[serde(deserialize_with = "super::history::number_or_nan")]
    pub accuracy: f64,
    /// Gives the mean negative logarithm of the label's probability, or the mean squared error in units of the training
    /// labels' variance.
    #[serde(deserialize_with = "super::history::number_or_nan")]
    pub loss: f64,
    /// Counts how many examples of each class (row) were taken for each class (column).
    pub confusion: Vec<Vec<u64>>,
    /// Names the classes, where they have other names than their numbers.
    #[serde(default)]
    pub class_names: Vec<String>,
    /// Reports what several networks gain together, where there are several.
    #[serde(default)]
    pub ensemble: Option<EnsembleReport>,
    /// Measures the errors where numbers are predicted.
    #[serde(default)]
    pub regression: Option<RegressionErrors>,
}

/// Measures how well predicted numbers fit the true ones, in the units of the labels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RegressionErrors {
    /// Gives R², the share of the labels' variance that the predictions explain: 1 at best, 0 for their mean.
    pub r_squared: f64,
    /// Gives the root of the mean squared error.
    pub root_mean_squared_error: f64,
    /// Gives the mean of the absolute errors.
    pub mean_absolute_error: f64,
}

impl RegressionErrors {
    /// Compares each of the predictions with its label, of which there should be as many.
    pub fn new(predictions: &[f64], labels: &[f64]) -> Self {
        let count = labels.len().max(1) as f64;
        let mean = labels.iter().sum::<f64>() / count;
        let errors = || predictions.iter().zip(labels).map(|(prediction, label)| prediction - label);
        let squares: f64 = errors().map(|error| error * error).sum();
        let spread: f64 = labels.iter().map(|label| (label - mean).powi(2)).sum();
        Self {
            r_squared: if spread > 0.0 { 1.0 - squares / spread } else { f64::NAN },
            root_mean_squared_error: (squares / count).sqrt(),
            mean_absolute_error: errors().map(f64::abs).sum::<f64>() / count,
        }
    }
}

impl Evaluation {
    /// Compares the probabilities of each example, one for each class, with its label, of which there should be as many:
    /// what one list has more than the other is left out.
    ///
    /// # Panics
    ///
    /// Panics if a label is not below the number of classes.
    pub fn new<R: AsRef<[f32]>>(probabilities: &[R], labels: &[u32]) -> Self {
        let classes = probabilities.first().map_or(0, |row| row.as_ref().len());
        let mut confusion = vec![vec![0; classes]; classes];
        for (row, label) in probabilities.iter().zip(labels) {
            confusion[*label as usize][argmax(row.as_ref())] += 1;
        }
        let loss: f64 = losses(probabilities, labels).iter().sum();
        let right: u64 = (0..classes).map(|class| confusion[class][class]).sum();
        let examples = labels.len().max(1) as f64;
        Self {
            accuracy: right as f64 / examples,
            loss: loss / examples,
            confusion,
            class_names: Vec::new(),
            ensemble: None,
            regression: None,
        }
    }

    /// Compares predictions with the test examples of `data`: rows of probabilities, or of one number each.
    pub(super) fn of_test(predictions: &[Vec<f32>], data: &RunData) -> Self {
        Self::of(predictions, &data.test.labels(), data.test.numbers(), data)
    }

    /// Compares predictions with the validation examples of `data`.
    pub(super) fn of_validation(predictions: &[Vec<f32>], data: &RunData) -> Self {
        let indices = &data.validation_indices;
        let labels: Vec<u32> = indices.iter().map(|&index| data.train.label(index)).collect();
        let numbers = data.train.numbers();
        let numbers: Option<Vec<f32>> = numbers.map(|all| indices.iter().map(|&index| all[index]).collect());
        Self::of(predictions, &labels, numbers.as_deref(), data)
    }

    fn of(predictions: &[Vec<f32>], labels: &[u32], numbers: Option<&[f32]>, data: &RunData) -> Self {
        let names = &data.description.class_names;
        let Some(numbers) = numbers else {
            let numbered = names.iter().enumerate().all(|(class, name)| *name == class.to_string());
            let class_names = if numbered { Vec::new() } else { names.clone() };
            return Self { class_names, ..Self::new(predictions, labels) };
        };
        let (mean, deviation) = data.description.scale().unwrap_or((0.0, 1.0));
        let scaled = |value: f32| mean + deviation * f64::from(value);
        let found: Vec<f64> = predictions.iter().map(|row| scaled(row[0])).collect();
        let expected: Vec<f64> = numbers.iter().map(|&number| scaled(number)).collect();
        let errors = RegressionErrors::new(&found, &expected);
        Self {
            accuracy: f64::NAN,
            loss: (errors.root_mean_squared_error / deviation).powi(2),
            confusion: Vec::new(),
            class_names: Vec::new(),
            ensemble: None,
            regression: Some(errors),
        }
    }
}

/// Computes the negative logarithm of the probability of each label, which says how hard an example is for a network. It
/// is at most 87.3, for a probability that `f32` cannot tell from zero, and NaN for one that is NaN. Lists of unequal
/// length and labels that are no class are as in [`Evaluation::new`].
pub fn losses<R: AsRef<[f32]>>(probabilities: &[R], labels: &[u32]) -> Vec<f64> {
    let loss = |(row, label): (&R, &u32)| match row.as_ref()[*label as usize] {
        // Of a network that has diverged.
        probability if probability.is_nan() => f64::NAN,
        probability => -f64::from(probability.max(f32::MIN_POSITIVE)).ln(),
    };
    probabilities.iter().zip(labels).map(loss).collect()
}

/// Predicts for every example of a loader, in its order: the probabilities of the classes, or a number. Batches that
/// cannot be loaded are left out, which happens only where a training loader's distortions do not fit its images.
pub fn predict(model: &Classifier, loader: &ImageLoader) -> Vec<Vec<f32>> {
    loader.epoch(1, 0).flatten().flat_map(|batch| answers(model, batch)).collect()
}

fn answers(model: &Classifier, batch: ImageBatch) -> Vec<Vec<f32>> {
    let outputs = model.forward(batch.images);
    rows(if model.predicts_numbers() { outputs } else { softmax(outputs, 1) })
}

/// Measures how well networks do together on the test examples, as a [`Run`](super::Run) tests its own. Each network's
/// probabilities are averaged over `views` of an image.
///
/// # Errors
///
/// Returns an error if there are no test examples.
pub fn evaluate(
    ensemble: &Ensemble<Classifier>,
    data: &RunData,
    device: &Device,
    views: Views,
) -> Result<Evaluation, TrainError> {
    Answers::new(ensemble, &data.test_loader(device), views)?.evaluation(ensemble, data)
}

/// What is predicted for every example of a loader, in its order.
pub(super) struct Answers {
    /// The predictions of each network.
    pub(super) members: Vec<Vec<Vec<f32>>>,
    /// The predictions of all networks together.
    pub(super) combined: Vec<Vec<f32>>,
}

impl Answers {
    /// Predicts by each network and by all together. Each network's probabilities are a mean over `views` of an image,
    /// each brought to the image's own size. Numbers are averaged.
    pub(super) fn new(ensemble: &Ensemble<Classifier>, loader: &ImageLoader, views: Views) -> Result<Self, TrainError> {
        let mut predictions = Self { members: vec![Vec::new(); ensemble.members().len()], combined: Vec::new() };
        let numbers = ensemble.members().iter().any(Classifier::predicts_numbers);
        for batch in loader.epoch(1, 0).flatten() {
            let logits = |member: &Classifier| logits(member, batch.images.clone(), views);
            let logits = ensemble.members().iter().map(logits).collect::<Result<Vec<_>, _>>()?;
            for (member, logits) in predictions.members.iter_mut().zip(&logits) {
                member.extend(rows(if numbers { logits.clone() } else { softmax(logits.clone(), 1) }));
            }
            predictions.combined.extend(rows(match numbers {
                true => Tensor::cat(logits, 1).mean_dim(1),
                false => ensemble.combination().combine(logits)?,
            }));
        }
        Ok(predictions)
    }

    /// How well they fit the test examples, with a report where there are several networks.
    pub(super) fn evaluation(&self, ensemble: &Ensemble<Classifier>, data: &RunData) -> Result<Evaluation, TrainError> {
        let evaluation = Evaluation::of_test(&self.combined, data);
        let several = self.members.len() > 1 && evaluation.regression.is_none();
        let labels = data.test.labels();
        let report = || EnsembleReport::new(ensemble.combination(), &self.members, &self.combined, &labels);
        Ok(Evaluation { ensemble: several.then(report).transpose()?, ..evaluation })
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

fn rows(values: Tensor<2>) -> Vec<Vec<f32>> {
    let [_, columns] = values.dims();
    let values: Vec<f32> = values.into_data().convert::<f32>().try_into_vec().unwrap_or_default();
    values.chunks_exact(columns.max(1)).map(<[f32]>::to_vec).collect()
}
