use super::{Classifier, TrainError};
use burn::config::Config;
use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::ParamGroup;
use burn_descent::transfer::{TransferError, freeze, rates, thaw, transplant};
use burn_descent::{ConfigError, ValueRange};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Selects which layers of a network that was taken over train, and from when on. As text it is `at-once`, `never` or a
/// number of epochs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unfreeze {
    /// Trains all layers from the first step on.
    #[default]
    AtOnce,
    /// Trains the output layer alone, to the end.
    Never,
    /// Trains the output layer alone at first, and after each so many epochs the next layer below too: gradual
    /// unfreezing (Howard & Ruder 2018). The number is at least 1.
    Every(usize),
}

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

    /// How many of so many layers train in an epoch (from 1), counted from the output.
    fn training(&self, layers: usize, epoch: usize) -> usize {
        match self.unfreeze {
            Unfreeze::AtOnce => layers,
            Unfreeze::Never => 1,
            Unfreeze::Every(epochs) => (1 + (epoch - 1) / epochs).min(layers),
        }
    }
}

/// The layers of one network, and how each of them trains.
pub(super) struct Layers {
    config: TransferConfig,
    /// The parameters of each layer, from the input to the output.
    layers: Vec<ParamGroup>,
}

impl Layers {
    pub(super) fn new(config: &TransferConfig, model: &Classifier) -> Self {
        Self { config: config.clone(), layers: model.layers() }
    }

    /// `model` with gradients for what trains in `epoch` (from 1).
    pub(super) fn in_epoch(&self, mut model: Classifier, epoch: usize) -> Result<Classifier, TransferError> {
        if self.config.unfreeze == Unfreeze::AtOnce {
            return Ok(model);
        }
        let frozen = self.layers.len() - self.config.training(self.layers.len(), epoch);
        for (index, layer) in self.layers.iter().enumerate() {
            model = if index < frozen { freeze(model, layer)? } else { thaw(model, layer)? };
        }
        Ok(model)
    }

    /// The rate of each layer, where that of the output layer is `rate`.
    pub(super) fn rates(&self, rate: f64) -> ModuleLearningRate {
        if self.config.layer_decay == 1.0 {
            return rate.into();
        }
        let above = |index| (self.layers.len() - 1 - index) as i32;
        let rate_of =
            |(index, layer): (usize, &ParamGroup)| (layer.clone(), self.config.layer_decay.powi(above(index)));
        rates(rate, self.layers.iter().enumerate().map(rate_of))
    }
}

impl fmt::Display for Unfreeze {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtOnce => f.write_str("at-once"),
            Self::Never => f.write_str("never"),
            Self::Every(epochs) => write!(f, "{epochs}"),
        }
    }
}

impl FromStr for Unfreeze {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "at-once" => Ok(Self::AtOnce),
            "never" => Ok(Self::Never),
            _ => {
                let epochs = text.parse().ok().filter(|epochs| *epochs > 0).map(Self::Every);
                epochs
                    .ok_or_else(|| format!("expected at-once, never or a number of epochs, at least 1, but is {text}"))
            }
        }
    }
}
