use super::{Norm, Penalties};
use crate::error::{ConfigError, ValueRange};
use crate::gradient::OutputAxis;
use crate::group::{NoParameters, ShapeMismatch, ensure_parameters};
use burn::module::{Module, ParamGroup, ParamId};
use serde::{Deserialize, Serialize};

/// Says how a penalty acts on the weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PenaltyForm {
    /// Adds the penalty's gradient to the loss's; whatever the optimizer does with gradients is done with it too.
    #[default]
    Coupled,
    /// Moves the weights after the optimizer's step, at the same learning rate.
    Decoupled,
}

/// Describes one penalty or limit on parameters.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Penalty {
    /// Penalizes each parameter w of a group: w itself, or `w − b` where [`Penalties::towards`] gives a prior b.
    Parameters {
        /// Sets what is measured.
        norm: Norm,
        /// Sets the strength α, in `[0, ∞)`.
        strength: f64,
        /// Sets how the penalty acts.
        form: PenaltyForm,
        /// Selects the parameters.
        group: ParamGroup,
    },
    /// Penalizes the difference of two parameters of the same shape (coverage F5). It is coupled.
    Tie {
        /// Sets what is measured.
        norm: Norm,
        /// Sets the strength α, in `[0, ∞)`.
        strength: f64,
        /// Gives the path of one parameter.
        first: String,
        /// Gives the path of the other.
        second: String,
    },
    /// Limits the norm of the weights into each output, which is no penalty (Srivastava et al. 2014): after each step
    /// `w ← w·min(1, c/‖w‖)`. Each value of a parameter of rank 1, such as a bias, is the one weight into its output.
    MaxNorm {
        /// Sets the limit c, in `(0, ∞)`.
        limit: f64,
        /// Says which axis of a weight is that of the outputs.
        outputs: OutputAxis,
        /// Selects the parameters.
        group: ParamGroup,
    },
}

impl Penalty {
    /// Whether it moves the parameter at `path` after a step.
    pub(super) fn moves(&self, id: ParamId, path: &str) -> bool {
        match self {
            Self::Parameters { form: PenaltyForm::Decoupled, group, .. } | Self::MaxNorm { group, .. } => {
                group.matches(&id, Some(path))
            }
            Self::Parameters { form: PenaltyForm::Coupled, .. } | Self::Tie { .. } => false,
        }
    }
}

/// Configures [`Penalties`] on the parameters of a module (coverage F2 to F5).
///
/// ```
/// use burn::module::ParamGroup;
/// use burn::nn::LinearConfig;
/// use burn::optim::GradientsParams;
/// use burn::tensor::{Device, Tensor};
/// use burn_descent::optim::SgdConfig;
/// use burn_descent::penalty::PenaltiesConfig;
///
/// let device = Device::default().autodiff();
/// let mut model = LinearConfig::new(4, 1).init(&device);
/// let mut optimizer = SgdConfig::new().init()?;
/// let penalties = PenaltiesConfig::new().l2(1e-4, ParamGroup::all()).lasso(1e-3, ParamGroup::from_path("weight"));
/// let penalties = penalties.init(&model)?;
///
/// let loss = model.forward(Tensor::<2>::ones([8, 4], &device)).square().mean();
/// let gradients = GradientsParams::from_grads(loss.backward(), &model);
/// let gradients = penalties.gradients(&model, gradients); // or: loss + penalties.value(&model)
/// model = optimizer.step(0.1, model, gradients);
/// model = penalties.after_step(0.1, model); // what is decoupled
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// In a configuration file it is a list of [`Penalty`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PenaltiesConfig {
    /// Lists the penalties. What is decoupled is done in this order.
    pub penalties: Vec<Penalty>,
}

impl PenaltiesConfig {
    /// Makes a configuration without penalties.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `penalty` at the end.
    pub fn then(mut self, penalty: Penalty) -> Self {
        self.penalties.push(penalty);
        self
    }

    /// Adds the penalty `α/2·Σw²` (F2), coupled: for plain gradient descent the same as shrinking by `1 − ηα`.
    pub fn l2(self, strength: f64, group: ParamGroup) -> Self {
        self.on(Norm::Squared, strength, PenaltyForm::Coupled, group)
    }

    /// Adds the penalty `α·‖w‖` on each parameter (F2), coupled.
    pub fn frobenius(self, strength: f64, group: ParamGroup) -> Self {
        self.on(Norm::Euclidean, strength, PenaltyForm::Coupled, group)
    }

    /// Adds the penalty `α·Σ|w|` (F3), coupled: by its subgradient.
    pub fn l1(self, strength: f64, group: ParamGroup) -> Self {
        self.on(Norm::Absolute, strength, PenaltyForm::Coupled, group)
    }

    /// Adds the penalty `α·Σ|w|` (F3), decoupled: by its proximal step, which leaves exact zeros.
    pub fn lasso(self, strength: f64, group: ParamGroup) -> Self {
        self.on(Norm::Absolute, strength, PenaltyForm::Decoupled, group)
    }

    /// Adds a penalty that measures `norm`, in the form asked for.
    pub fn on(self, norm: Norm, strength: f64, form: PenaltyForm, group: ParamGroup) -> Self {
        self.then(Penalty::Parameters { norm, strength, form, group })
    }

    /// Adds the penalty `α·‖w₁ − w₂‖` on two parameters (F5), given by their paths.
    pub fn tie(self, strength: f64, first: &str, second: &str) -> Self {
        let (first, second) = (first.to_owned(), second.to_owned());
        self.then(Penalty::Tie { norm: Norm::Euclidean, strength, first, second })
    }

    /// Adds a limit on the norm of the weights into each output, as Burn's layers keep them.
    pub fn max_norm(self, limit: f64, group: ParamGroup) -> Self {
        self.then(Penalty::MaxNorm { limit, outputs: OutputAxis::Burn, group })
    }

    /// Checks that every strength and limit is in its range.
    ///
    /// # Errors
    ///
    /// Returns the first that is out of range.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.penalties.iter().try_for_each(|penalty| match penalty {
            Penalty::Parameters { strength, .. } | Penalty::Tie { strength, .. } => {
                ValueRange::NonNegative.check("Penalty", "strength", *strength)
            }
            Penalty::MaxNorm { limit, .. } => ValueRange::Positive.check("Penalty", "limit", *limit),
        })
    }

    /// Makes the penalties on `module`, and on whatever has its parameters' paths.
    ///
    /// # Errors
    ///
    /// Returns an error if a strength or limit is out of range, a group or path matches no parameter, or tied
    /// parameters differ in shape.
    pub fn init<M: Module>(&self, module: &M) -> Result<Penalties, PenaltyError> {
        self.check()?;
        for penalty in &self.penalties {
            match penalty {
                Penalty::Parameters { group, .. } | Penalty::MaxNorm { group, .. } => ensure_parameters(module, group)?,
                Penalty::Tie { first, second, .. } => {
                    for path in [first, second] {
                        ensure_parameters(module, &ParamGroup::from_path(path))?;
                    }
                }
            }
        }
        Penalties::new(self.clone(), module)
    }
}

/// Fails where penalties do not fit a module.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PenaltyError {
    /// Says that a strength or limit is out of range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Says that a group matches nothing.
    #[error(transparent)]
    NoParameters(#[from] NoParameters),
    /// Says that two parameters to be tied, or a parameter and its prior, differ in shape.
    #[error(transparent)]
    Shapes(#[from] ShapeMismatch),
}
