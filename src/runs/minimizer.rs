//! Second-order methods as what takes the steps of a run.

use super::{Classifier, Loss, RunConfig, TrainError};
use burn::module::Module;
use burn_descent::second_order::{MinimizerConfig, OutputLoss};
use burn_descent::train::{EngineError, MinimizerUpdate};
use serde::{Deserialize, Serialize};

/// Configures a method that minimizes the loss of each batch, in place of an optimizer.
///
/// It is for batches of many thousands of images, or of all of them: `batch_size` is at most that anyway.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchMinimizer {
    /// Selects the method and configures it.
    pub method: MinimizerConfig,
    /// Sets how many iterations it takes on each batch, at least 1.
    pub iterations: usize,
    /// Limits the images of a batch that Hessian-free optimization's products are made of, at least 1; all of them if
    /// absent.
    #[serde(default)]
    pub curvature_images: Option<usize>,
}

impl BatchMinimizer {
    /// Creates the method with its usual iterations: one of Hessian-free optimization, five of the others.
    pub fn new(method: MinimizerConfig) -> Self {
        let iterations = if matches!(method, MinimizerConfig::HessianFree(_)) { 1 } else { 5 };
        Self { method, iterations, curvature_images: None }
    }

    /// Checks that every value is in its range, and that nothing of the run's is of an optimizer.
    pub(super) fn check(&self, run: &RunConfig) -> Result<(), TrainError> {
        self.method.check()?;
        let refused = |field, value: String, expected| Err(TrainError::Value { field, value, expected });
        if self.iterations == 0 {
            return refused("iterations", "0".to_owned(), "at least 1");
        }
        let is_hessian_free = matches!(self.method, MinimizerConfig::HessianFree(_));
        match self.curvature_images {
            Some(0) => return refused("curvature_images", "0".to_owned(), "at least 1"),
            Some(images) if !is_hessian_free => {
                return refused("curvature_images", images.to_string(), "left out but for the method hessian-free");
            }
            Some(1) if matches!(&run.model, super::ModelConfig::Mlp(network) if network.batch_norm) => {
                let expected = "at least 2 for a perceptron with batch normalization (`batch_norm`)";
                return refused("curvature_images", "1".to_owned(), expected);
            }
            _ => {}
        }
        if is_hessian_free && run.focal_loss != 0.0 {
            let expected = "0 with the method hessian-free, whose curvature is that of the cross-entropy";
            return refused("focal_loss", run.focal_loss.to_string(), expected);
        }
        let others = [
            ("lr", run.lr != 1.0),
            ("schedule", run.schedule != burn_descent::schedule::Schedule::Constant),
            ("vary", !run.vary.is_empty()),
            ("sam", run.sam.is_some()),
            ("groups", !run.groups.is_empty()),
            ("penalties", !run.penalties.penalties.is_empty()),
            ("gradients", !run.gradients.transforms.is_empty()),
            ("gradient_noise", run.gradient_noise.is_some()),
            ("rollback", run.rollback.is_some()),
            ("lookahead", run.lookahead.is_some()),
            ("ema", run.ema.is_some()),
            ("swa", run.swa.is_some()),
            ("transfer", run.transfer.is_some()),
            ("diversity", run.diversity != super::Diversity::Seeds),
        ];
        match others.into_iter().find(|(_, is_given)| *is_given) {
            Some((field, _)) => {
                let expected = "left out with a second-order method, which finds its steps by itself";
                refused(field, "given".to_owned(), expected)
            }
            None => Ok(()),
        }
    }

    /// What takes the steps of a network that is trained by `loss`.
    pub(super) fn update(&self, model: &Classifier, loss: Loss) -> Result<MinimizerUpdate<Classifier>, TrainError> {
        let minimizer = self.method.init()?;
        minimizer.check(model.num_params()).map_err(EngineError::from)?;
        let update = MinimizerUpdate::new(minimizer, self.iterations, Classifier::loss_of)?;
        if !matches!(self.method, MinimizerConfig::HessianFree(_)) {
            return Ok(update);
        }
        let most = self.curvature_images.unwrap_or(usize::MAX);
        let outputs = move |model: &Classifier, batch: super::ImageBatch| {
            let images = batch.images.dims()[0].min(most);
            model.forward(batch.images.narrow(0, 0, images))
        };
        let loss = match loss {
            Loss::CrossEntropy if !model.predicts_numbers() => OutputLoss::CrossEntropy,
            _ => OutputLoss::SquaredError,
        };
        Ok(update.with_gauss_newton(outputs, loss))
    }
}
