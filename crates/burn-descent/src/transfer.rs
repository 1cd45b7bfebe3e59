//! Takes over the weights of a trained module, and trains some of them alone: transfer learning (coverage F11; Kao).
//!
//! [`transplant`] fills a new module with a trained one's parameters, all but those of a new head; [`freeze`] keeps a
//! group where it is, and [`thaw`] lets it go again, for gradual unfreezing; [`rates`] makes learning rates
//! by group; a [`LayerSchedule`] does both, epoch by epoch.

use crate::error::{ConfigError, ValueRange};
use crate::group::{NoParameters, ShapeMismatch, Values, Walk, ensure_parameters, on_values, rates, walked};
use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::{Module, ModuleMapper, Param, ParamGroup};
use burn::optim::LearningRate;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Fails where parameters cannot be taken over.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// Says that the group matches nothing.
    #[error(transparent)]
    NoParameters(#[from] NoParameters),
    /// Says that the trained module has no such parameter.
    #[error("the trained module has no parameter {path}, expected one for each parameter to be taken over")]
    Missing {
        /// Gives the parameter's path.
        path: String,
    },
    /// Says that the trained module has the parameter in another shape.
    #[error(transparent)]
    Shapes(#[from] ShapeMismatch),
}

/// Copies the parameters of `trained` into `module` at the same paths, for those in `group`; running statistics of
/// batch normalization are among them. `module` stays on its device, and its parameters train as before.
///
/// ```
/// use burn::module::ParamGroup;
/// use burn::nn::LinearConfig;
/// use burn::tensor::Device;
/// use burn_descent::transfer::{freeze, transplant};
///
/// let device = Device::default().autodiff();
/// let trained = LinearConfig::new(4, 2).init(&device);
/// let new = LinearConfig::new(4, 2).init(&device);
/// let new = transplant(&trained, new, &ParamGroup::from_path("weight"))?; // and a bias of its own
/// let new = freeze(new, &ParamGroup::from_path("weight"))?;
/// assert!(!new.weight.is_require_grad());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// Returns an error if the group matches no parameter of `module`, or `trained` lacks one or has it in another shape.
/// Then nothing has changed.
pub fn transplant<M: Module, T: Module>(trained: &T, module: M, group: &ParamGroup) -> Result<M, TransferError> {
    ensure_parameters(&module, group)?;
    let (from, to) = (Values::of(trained), Values::of(&module));
    for (id, path) in crate::group::parameters(&module) {
        if group.matches(&id, Some(&path)) {
            if from.shape(&path).is_none() {
                return Err(TransferError::Missing { path });
            }
            from.ensure_same_shape(&path, &to, &path)?;
        }
    }
    Ok(module.map(&mut Transplant { from, group, walk: Walk::default() }))
}

/// Turns off the gradients of the parameters of `module` in `group`, so that no optimizer moves them. Running
/// statistics of batch normalization are no parameters that gradients move: they follow the batches as before.
///
/// # Errors
///
/// Returns an error if the group matches no parameter.
pub fn freeze<M: Module>(module: M, group: &ParamGroup) -> Result<M, NoParameters> {
    set_require_grad(module, group, false)
}

/// Turns on the gradients of the parameters of `module` in `group` again.
///
/// # Errors
///
/// Returns an error if the group matches no parameter.
pub fn thaw<M: Module>(module: M, group: &ParamGroup) -> Result<M, NoParameters> {
    set_require_grad(module, group, true)
}

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

/// Says for each epoch which layers of a module train, and at which share of the learning rate.
#[derive(Clone, Debug)]
pub struct LayerSchedule {
    layers: Vec<ParamGroup>,
    unfreeze: Unfreeze,
    decay: f64,
}

impl LayerSchedule {
    /// Creates the schedule of these `layers`, from the input to the output. `decay`, in `(0, 1]`, is the rate of each
    /// layer as a share of that of the layer above it.
    ///
    /// # Errors
    ///
    /// Returns the first number that is out of range.
    pub fn new(layers: Vec<ParamGroup>, unfreeze: Unfreeze, decay: f64) -> Result<Self, ConfigError> {
        if let Unfreeze::Every(epochs) = unfreeze {
            ValueRange::Positive.check("LayerSchedule", "unfreeze", epochs as f64)?;
        }
        ValueRange::PositiveFraction.check("LayerSchedule", "decay", decay)?;
        Ok(Self { layers, unfreeze, decay })
    }

    /// Returns `module` with gradients for what trains in `epoch` (from 1).
    ///
    /// # Errors
    ///
    /// Returns an error if a layer has no parameters.
    pub fn in_epoch<M: Module>(&self, mut module: M, epoch: usize) -> Result<M, NoParameters> {
        let training = match self.unfreeze {
            Unfreeze::AtOnce => return Ok(module),
            Unfreeze::Never => 1,
            Unfreeze::Every(epochs) => 1 + epoch.saturating_sub(1) / epochs,
        };
        let frozen = self.layers.len().saturating_sub(training);
        for (index, layer) in self.layers.iter().enumerate() {
            module = if index < frozen { freeze(module, layer)? } else { thaw(module, layer)? };
        }
        Ok(module)
    }

    /// Returns the rate of each layer, where that of the output layer is `rate`; none where all are the same.
    pub fn rates(&self, rate: LearningRate) -> Option<ModuleLearningRate> {
        if self.decay == 1.0 {
            return None;
        }
        let below = |index: usize| self.decay.powi((self.layers.len() - 1 - index) as i32);
        Some(rates(rate, self.layers.iter().enumerate().map(|(index, layer)| (layer.clone(), below(index)))))
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

fn set_require_grad<M: Module>(module: M, group: &ParamGroup, require_grad: bool) -> Result<M, NoParameters> {
    ensure_parameters(&module, group)?;
    Ok(module.map(&mut RequireGrad { group, require_grad, walk: Walk::default() }))
}

struct Transplant<'a> {
    from: Values,
    group: &'a ParamGroup,
    walk: Walk,
}

impl ModuleMapper for Transplant<'_> {
    walked!();

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let path = self.walk.path();
        if !self.group.matches(&param.id, Some(&path)) {
            return param;
        }
        match self.from.get::<D>(&path) {
            Some(value) => on_values(param, |old| value.to_device(&old.device())),
            None => param,
        }
    }
}

struct RequireGrad<'a> {
    group: &'a ParamGroup,
    require_grad: bool,
    walk: Walk,
}

impl ModuleMapper for RequireGrad<'_> {
    walked!();

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.group.matches(&param.id, Some(&self.walk.path())) {
            true => param.set_require_grad(self.require_grad),
            false => param,
        }
    }
}
