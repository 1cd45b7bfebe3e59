//! Logistic regression on sparse features.

use crate::problem::{Competitor, Outcome, Point, Problem};
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::GradientsParams;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};
use burn_descent::nn::{LabelSmoothing, cross_entropy};
use burn_descent::optim::evaluation_weights;
use burn_descent_lab::data::{DataError, SparseRows, read_libsvm};
use burn_descent_lab::runs::TrainError;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;
use std::path::Path;
use std::time::{Duration, Instant};

/// Rows of sparse features in two classes, and a linear model.
pub struct Sparse {
    train: SparseRows,
    test: SparseRows,
    fitted: Vec<usize>,
    held_out: Vec<usize>,
    device: Device,
    batch_size: usize,
    epochs: usize,
    every: usize,
}

impl Sparse {
    /// Reads `a9a` and `a9a.t` in a folder, and holds out a tenth of the training rows.
    pub fn read(
        folder: &Path,
        device: Device,
        batch_size: usize,
        epochs: usize,
        every: usize,
    ) -> Result<Self, DataError> {
        let (train, test) = (read_libsvm(folder.join("a9a"))?, read_libsvm(folder.join("a9a.t"))?);
        let mut fitted: Vec<usize> = (0..train.len()).collect();
        fitted.shuffle(&mut ChaCha8Rng::seed_from_u64(0));
        let held_out = fitted.split_off(train.len() - (train.len() / 10).max(1));
        Ok(Self { train, test, fitted, held_out, device, batch_size, epochs, every })
    }

    /// Features `[rows, features]` and classes `[rows]`.
    fn rows(&self, of: &SparseRows, indices: &[usize], device: &Device) -> (Tensor<2>, Tensor<1, Int>) {
        let features = self.train.features();
        let values = TensorData::new(of.dense(indices, features), [indices.len(), features]);
        let classes: Vec<i64> = indices.iter().map(|&index| i64::from(of.labels()[index])).collect();
        let classes = TensorData::new(classes, [indices.len()]);
        (Tensor::from_data(values, device), Tensor::from_data(classes, device))
    }

    fn evaluate(&self, model: &Linear, (rows, classes): &(Tensor<2>, Tensor<1, Int>)) -> (f64, f64) {
        let likelihoods = log_softmax(model.forward(rows.clone()), 1);
        let loss = likelihoods.clone().gather(1, classes.clone().unsqueeze_dim(1)).mean().neg();
        let right = likelihoods.argmax(1).squeeze_dim::<1>(1).equal(classes.clone()).float().mean();
        (f64::from(loss.into_scalar::<f32>()), f64::from(right.into_scalar::<f32>()))
    }
}

impl Problem for Sparse {
    fn name(&self) -> &'static str {
        "a9a"
    }

    fn description(&self) -> String {
        let (rows, features) = (self.fitted.len(), self.train.features());
        let Self { batch_size, epochs, .. } = self;
        format!(
            "a9a, logistic regression, {rows} rows of {features} sparse features, batches of {batch_size}, {epochs} epochs"
        )
    }

    fn train(&self, competitor: &Competitor, lr: f64, seed: u64) -> Result<Outcome, TrainError> {
        let Competitor::Optimizer(optimizer) = competitor else {
            return Err(TrainError::Stopped("second-order methods do not race on sparse rows".to_owned()));
        };
        let autodiff = self.device.clone().autodiff();
        autodiff.seed(seed);
        let mut model = LinearConfig::new(self.train.features(), 2).init(&autodiff);
        let mut optimizer = optimizer.init()?;
        let held_out = self.rows(&self.train, &self.held_out, &self.device);
        let test = self.rows(&self.test, &(0..self.test.len()).collect::<Vec<_>>(), &self.device);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut order = self.fitted.clone();
        let (mut curve, mut time, mut trained) = (Vec::new(), Duration::ZERO, 0);
        'epochs: for _ in 0..self.epochs {
            order.shuffle(&mut rng);
            for (step, indices) in order.chunks(self.batch_size).enumerate() {
                let start = Instant::now();
                let (rows, classes) = self.rows(&self.train, indices, &autodiff);
                let loss = cross_entropy(model.forward(rows), classes, LabelSmoothing::None);
                let gradients = GradientsParams::from_grads(loss.backward(), &model);
                model = optimizer.step(lr, model, gradients);
                time += start.elapsed();
                trained += indices.len();
                if (step + 1) % self.every == 0 || trained % order.len() == 0 {
                    let model = evaluation_weights(&optimizer, model.clone()).valid();
                    let (loss, accuracy) = self.evaluate(&model, &held_out);
                    curve.push(Point { epoch: trained as f64 / order.len() as f64, loss, accuracy });
                    if !loss.is_finite() {
                        break 'epochs;
                    }
                }
            }
        }
        let model = evaluation_weights(&optimizer, model).valid();
        Ok(Outcome { curve, test_accuracy: self.evaluate(&model, &test).1, seconds: time.as_secs_f64() })
    }
}
