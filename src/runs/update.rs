//! What a network carries through Burn's `Learner` beside its weights: penalties, the transforms of its gradients, and
//! the weights that are evaluated in the place of those that train.

use super::failure::Failure;
use super::transfer::Layers;
use super::{Classifier, RunConfig, TrainError};
use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn_descent::gradient::Chain;
use burn_descent::penalty::Penalties;
use burn_descent::train::StopSignal;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The network to evaluate, made of one in training and its optimizer.
pub(super) type Evaluated = Arc<dyn Fn(&ModuleOptimizer, Classifier) -> Result<Classifier, TrainError> + Send + Sync>;

/// Takes the steps of one network's training. Clones are one and the same: the `Learner` clones its model at each step.
#[derive(Clone)]
pub(super) struct SharedUpdate(Arc<Mutex<Shared>>);

/// How the gradients of a batch lead to the next weights: what is around the optimizer's step.
pub(super) struct UpdateStep {
    penalties: Penalties,
    chain: Chain,
    /// The layers of a network that was taken over, and how each of them trains.
    layers: Option<Layers>,
}

impl UpdateStep {
    pub(super) fn new(config: &RunConfig, model: &Classifier) -> Result<Self, TrainError> {
        let layers = config.transfer.as_ref().map(|transfer| Layers::new(transfer, model));
        Ok(Self { penalties: config.penalties.init(model)?, chain: config.gradients.init()?, layers })
    }

    /// The same, with the penalties of `model` towards the weights of `prior`.
    pub(super) fn towards(self, model: &Classifier, prior: &Classifier) -> Result<Self, TrainError> {
        Ok(Self { penalties: self.penalties.towards(model, prior)?, ..self })
    }

    /// Whether there is nothing around the optimizer's step.
    pub(super) fn is_empty(&self) -> bool {
        self.penalties.is_empty() && self.chain.is_empty() && self.layers.is_none()
    }

    /// `model` as it trains in `epoch` (from 1).
    pub(super) fn in_epoch(&self, model: Classifier, epoch: usize) -> Result<Classifier, TrainError> {
        match &self.layers {
            Some(layers) => Ok(layers.in_epoch(model, epoch)?),
            None => Ok(model),
        }
    }

    /// The gradients for the optimizer; none where they are kept back.
    pub(super) fn gradients(
        &mut self,
        model: &Classifier,
        gradients: GradientsParams,
    ) -> Result<GradientsParams, TrainError> {
        Ok(self.chain.apply(model, self.penalties.gradients(model, gradients))?)
    }

    /// `model` after the step of a batch, or as it is where the gradients are kept back or left out. What is kept back
    /// ends with the `last` batch of an epoch, since no checkpoint keeps it: a resumed run goes on as an unbroken one.
    pub(super) fn step(
        &mut self,
        mut model: Classifier,
        optimizer: &mut ModuleOptimizer,
        lr: &ModuleLearningRate,
        gradients: GradientsParams,
        last: bool,
    ) -> Result<Classifier, TrainError> {
        let rates = self.layers.as_ref().map(|layers| layers.rates(lr.base()));
        let lr = rates.as_ref().unwrap_or(lr);
        let mut all = vec![self.gradients(&model, gradients)?];
        if last {
            all.push(self.chain.flush(&model)?);
        }
        for gradients in all.into_iter().filter(|gradients| !gradients.is_empty()) {
            model = self.penalties.after_step(lr.clone(), optimizer.step(lr.clone(), model, gradients));
        }
        Ok(model)
    }
}

struct Shared {
    update: UpdateStep,
    /// The epoch, from 1.
    epoch: usize,
    /// Whether the batch that is trained on is its epoch's last.
    last: bool,
    /// Makes the network to evaluate, where that is another than the one that trains.
    evaluate: Option<Evaluated>,
    /// The network to evaluate, from the end of an epoch to the next step.
    evaluated: Option<Classifier>,
    failure: Failure,
    stop: StopSignal,
}

impl SharedUpdate {
    /// Starts at the beginning of `epoch` (from 1).
    pub(super) fn new(
        update: UpdateStep,
        epoch: usize,
        evaluate: Option<Evaluated>,
        failure: Failure,
        stop: StopSignal,
    ) -> Self {
        Self(Arc::new(Mutex::new(Shared { update, epoch, last: false, evaluate, evaluated: None, failure, stop })))
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes whether the batch that is trained on is its epoch's last.
    pub(super) fn begin(&self, last: bool) {
        self.shared().last = last;
    }

    /// The network to evaluate, if it is not the one that trains.
    pub(super) fn evaluated(&self) -> Option<Classifier> {
        self.shared().evaluated.clone()
    }

    /// `model` after a step, or as it is where the step is to be left out. An error stops the training.
    pub(super) fn optimize(
        &self,
        model: Classifier,
        optimizer: &mut ModuleOptimizer,
        lr: ModuleLearningRate,
        gradients: GradientsParams,
    ) -> Classifier {
        let mut shared = self.shared();
        let unchanged = model.clone();
        shared.step(model, optimizer, lr, gradients).unwrap_or_else(|error| {
            shared.failure.note(error);
            shared.stop.interrupter().stop(Some("an error"));
            unchanged
        })
    }
}

impl Shared {
    fn step(
        &mut self,
        model: Classifier,
        optimizer: &mut ModuleOptimizer,
        lr: ModuleLearningRate,
        gradients: GradientsParams,
    ) -> Result<Classifier, TrainError> {
        self.evaluated = None;
        let model = self.update.step(model, optimizer, &lr, gradients, self.last)?;
        if let Some(evaluate) = self.evaluate.as_ref().filter(|_| self.last) {
            self.evaluated = Some(evaluate(optimizer, model.clone().without_update())?);
        }
        if !self.last {
            return Ok(model);
        }
        self.epoch += 1;
        self.update.in_epoch(model, self.epoch)
    }
}

impl fmt::Debug for SharedUpdate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedUpdate")
    }
}
