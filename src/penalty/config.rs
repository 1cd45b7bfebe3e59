use super::{Norm, Penalties};
use crate::error::{ConfigError, Range};
use crate::gradient::OutputAxis;
use crate::group::{NoParameters, ShapeMismatch, expect_parameters};
use burn::module::{Module, ParamGroup, ParamId};
use serde::{Deserialize, Serialize};

/// How a penalty acts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PenaltyForm {
    /// Its gradient is added to the loss's, and whatever the optimizer does with gradients is done with it too.
    #[default]
    Coupled,
    /// The weights are moved after the optimizer's step, at the same learning rate.
    Decoupled,
}

/// One penalty.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Penalty {
    /// On each parameter w of a group: on w itself, or on `w − b` where [`Penalties::towards`] gives a prior b.
    Parameters {
        /// What is measured.
        norm: Norm,
        /// α, in `[0, ∞)`.
        strength: f64,
        /// How it acts.
        form: PenaltyForm,
        /// The parameters.
        group: ParamGroup,
    },
    /// On the difference of two parameters of the same shape: coverage F5. Coupled.
    Tie {
        /// What is measured.
        norm: Norm,
        /// α, in `[0, ∞)`.
        strength: f64,
        /// The path of one.
        first: String,
        /// The path of the other.
        second: String,
    },
    /// No penalty but a limit on the norm of the weights into each output (Srivastava et al. 2014): after each step
    /// `w ← w·min(1, c/‖w‖)`. Each value of a parameter of rank 1, such as a bias, is the one weight into its output.
    MaxNorm {
        /// c, in `(0, ∞)`.
        limit: f64,
        /// Which axis of a weight is that of the outputs.
        outputs: OutputAxis,
        /// The parameters.
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

/// Penalties on the parameters of a module (coverage F2 to F5).
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
    /// The penalties. What is decoupled is done in this order.
    pub penalties: Vec<Penalty>,
}

impl PenaltiesConfig {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Then `penalty`.
    pub fn then(mut self, penalty: Penalty) -> Self {
        self.penalties.push(penalty);
        self
    }

    /// Then `α/2·Σw²` (F2), coupled: for plain gradient descent the same as shrinking by `1 − ηα`.
    pub fn l2(self, strength: f64, group: ParamGroup) -> Self {
        self.on(Norm::Squared, strength, PenaltyForm::Coupled, group)
    }

    /// Then `α·‖w‖` of each parameter (F2), coupled.
    pub fn frobenius(self, strength: f64, group: ParamGroup) -> Self {
        self.on(Norm::Euclidean, strength, PenaltyForm::Coupled, group)
    }

    /// Then `α·Σ|w|` (F3), coupled: by its subgradient.
    pub fn l1(self, strength: f64, group: ParamGroup) -> Self {
        self.on(Norm::Absolute, strength, PenaltyForm::Coupled, group)
    }

    /// Then `α·Σ|w|` (F3), decoupled: by its proximal step, which leaves exact zeros.
    pub fn lasso(self, strength: f64, group: ParamGroup) -> Self {
        self.on(Norm::Absolute, strength, PenaltyForm::Decoupled, group)
    }

    /// Then `norm` in the form asked for.
    pub fn on(self, norm: Norm, strength: f64, form: PenaltyForm, group: ParamGroup) -> Self {
        self.then(Penalty::Parameters { norm, strength, form, group })
    }

    /// Then `α·‖w₁ − w₂‖` of two parameters (F5), by their paths.
    pub fn tie(self, strength: f64, first: &str, second: &str) -> Self {
        let (first, second) = (first.to_owned(), second.to_owned());
        self.then(Penalty::Tie { norm: Norm::Euclidean, strength, first, second })
    }

    /// Then a limit on the norm of the weights into each output, as Burn's layers keep them.
    pub fn max_norm(self, limit: f64, group: ParamGroup) -> Self {
        self.then(Penalty::MaxNorm { limit, outputs: OutputAxis::Burn, group })
    }

    /// Whether every strength and limit is in its range.
    ///
    /// # Errors
    ///
    /// The first that is not.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.penalties.iter().try_for_each(|penalty| match penalty {
            Penalty::Parameters { strength, .. } | Penalty::Tie { strength, .. } => {
                Range::NonNegative.check("Penalty", "strength", *strength)
            }
            Penalty::MaxNorm { limit, .. } => Range::Positive.check("Penalty", "limit", *limit),
        })
    }

    /// The penalties on `module`, and on whatever has its parameters' paths.
    ///
    /// # Errors
    ///
    /// If a strength or limit is out of range, a group or path matches no parameter, or tied parameters differ in shape.
    pub fn init<M: Module>(&self, module: &M) -> Result<Penalties, PenaltyError> {
        self.check()?;
        for penalty in &self.penalties {
            match penalty {
                Penalty::Parameters { group, .. } | Penalty::MaxNorm { group, .. } => expect_parameters(module, group)?,
                Penalty::Tie { first, second, .. } => {
                    for path in [first, second] {
                        expect_parameters(module, &ParamGroup::from_path(path))?;
                    }
                }
            }
        }
        Penalties::new(self.clone(), module)
    }
}

/// Why penalties do not fit.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PenaltyError {
    /// A strength or limit is out of range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A group matches nothing.
    #[error(transparent)]
    NoParameters(#[from] NoParameters),
    /// Two parameters to be tied, or a parameter and its prior, differ in shape.
    #[error(transparent)]
    Shapes(#[from] ShapeMismatch),
}
