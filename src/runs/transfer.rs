use super::{Classifier, TrainError};
use burn::config::Config;
use burn::module::ParamGroup;
use burn_descent::transfer::{LayerSchedule, Unfreeze, transplant};
use burn_descent::{ConfigError, ValueRange};

/// Configures transfer learning: starting from the weights of another run (Kao; coverage F11).
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `from` | | a run's name | the run whose kept weights are taken over; of an ensemble the first network's |
/// | `keep_head` | false | | take over the output layer too: the classes are the same |
/// | `unfreeze` | `AtOnce` | | which layers train, from when on |
/// | `layer_decay` | 1 | `(0, 1]` | each layer's rate as a share of that of the layer above: discriminative rates |
///
/// Layers that do not train have no gradients, so that nothing moves them; the running statistics of their batch
/// normalization follow the batches all the same.
#[derive(Config, Debug, PartialEq)]
pub struct TransferConfig {
    /// Names the run whose kept weights are taken over; of an ensemble, these are the first network's.
    pub from: String,
    /// Sets whether the output layer is taken over too, for which the classes have to be the same.
    #[config(default = false)]
    pub keep_head: bool,
    /// Selects which layers train, and from when on.
    #[config(default = "Unfreeze::AtOnce")]
    pub unfreeze: Unfreeze,
    /// Sets the learning rate of each layer, as a share of that of the layer above it, in `(0, 1]`.
    #[config(default = 1.0)]
    pub layer_decay: f64,
}

impl TransferConfig {
    /// Checks that every field is in its range.
    ///
    /// # Errors
    ///
    /// Returns the first field that is out of range.
    pub fn check(&self) -> Result<(), ConfigError> {
        if let Unfreeze::Every(epochs) = self.unfreeze {
            ValueRange::Positive.check("Transfer", "unfreeze", epochs as f64)?;
        }
        ValueRange::PositiveFraction.check("Transfer", "layer_decay", self.layer_decay)
    }

    /// `new` with the weights of `trained`.
    pub(super) fn take_over(&self, trained: &Classifier, new: Classifier) -> Result<Classifier, TrainError> {
        let all = ParamGroup::all();
        let group = match new.layers().pop() {
            Some(head) if !self.keep_head => all.exclude(head),
            _ => all,
        };
        Ok(transplant(trained, new, &group)?)
    }

    /// Which layers of `model` train in each epoch, and at which rates.
    pub(super) fn layers(&self, model: &Classifier) -> Result<LayerSchedule, ConfigError> {
        LayerSchedule::new(model.layers(), self.unfreeze, self.layer_decay)
    }
}
