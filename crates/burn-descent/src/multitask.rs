//! Weighs the losses of several tasks that a network learns at once (multitask learning; coverage F10; Kao): the tasks
//! share a trunk, and each has a head and a weight for its loss.
//!
//! Trunk and heads are fields of a module of one's own; what Burn has nothing for is the sum of the losses.
//! [`TaskWeights`] is that sum, with weights that are fixed or, as parameters of the module, learned with it:
//!
//! ```
//! use burn::module::Module;
//! use burn::nn::{Linear, LinearConfig};
//! use burn::optim::GradientsParams;
//! use burn::tensor::{Device, Tensor};
//! use burn_descent::multitask::{Task, TaskWeights, TaskWeightsConfig, UncertaintyConfig};
//! use burn_descent::optim::NadamConfig;
//!
//! #[derive(Module, Debug)]
//! struct Network {
//!     trunk: Linear,
//!     length: Linear,
//!     weight: Linear,
//!     task_weights: TaskWeights,
//! }
//!
//! let device = Device::default().autodiff();
//! let linear = |inputs, outputs| LinearConfig::new(inputs, outputs).init(&device);
//! let uncertainty = UncertaintyConfig::new(vec![Task::Regression, Task::Regression]);
//! let mut network = Network {
//!     trunk: linear(4, 16),
//!     length: linear(16, 1),
//!     weight: linear(16, 1),
//!     task_weights: TaskWeightsConfig::Uncertainty(uncertainty).init(&device)?, // or `Fixed(vec![1.0, 0.5])`
//! };
//! let mut optimizer = NadamConfig::new().init()?;
//!
//! let shared = network.trunk.forward(Tensor::<2>::ones([8, 4], &device)).tanh();
//! let losses = [network.length.forward(shared.clone()) - 0.3, network.weight.forward(shared) - 70.0];
//! let loss = network.task_weights.forward(losses.map(|error| error.square().mean()))?;
//! let gradients = GradientsParams::from_grads(loss.backward(), &network);
//! network = optimizer.step(2e-3, network, gradients);
//!
//! let learned = network.task_weights.weights();
//! assert!(learned[1] < 0.5, "the weight in kilograms, far off, counts less than at first");
//! # Ok::<(), burn_descent::ConfigError>(())
//! ```

use crate::error::{ConfigError, ValueRange};
use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::{Device, FloatDType, Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// Says what a task predicts: which likelihood its loss is of, and so the constant c of its loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Predicts numbers, normal about the prediction with the variance σ². The loss is the squared error, a *mean* over
    /// all values; c = 1/2.
    Regression,
    /// Predicts classes, with the probabilities `softmax(f/σ²)` of logits f: σ² is a temperature. The loss is the
    /// cross-entropy, a mean over the batch; c = 1.
    Classification,
}

impl Task {
    /// c.
    fn coefficient(self) -> f64 {
        match self {
            Self::Regression => 0.5,
            Self::Classification => 1.0,
        }
    }
}

/// Configures weights that are learned, by each task's uncertainty σ, the same for all examples (Kendall, Gal &
/// Cipolla, *Multi-Task Learning Using Uncertainty to Weigh Losses for Scene Geometry and Semantics*, CVPR 2018, arXiv
/// 1705.07115).
///
/// ```text
/// L = Σ c_i·e^(−s_i)·L_i + s_i/2,   s_i = ln σ_i²
/// ```
///
/// That is the paper's eq. 7 and 10, `L₁/(2σ₁²) + L₂/σ₂² + ln σ₁ + ln σ₂` for a regression and a classification, in the
/// variable that the paper trains. For a regression it is the negative logarithm of the likelihood, less `½·ln 2π`. For
/// a classification it is the paper's approximation of it, by `Σ exp(f/σ²)/σ ≈ (Σ exp f)^(1/σ²)`, exact for σ = 1.
///
/// For given losses it is least where `−c_i·e^(−s_i)·L_i + 1/2 = 0`, at `σ_i² = 2·c_i·L_i`: the mean squared error of a
/// regression, twice the cross-entropy of a classification. There L is `Σ ½·ln L_i` but for a constant. So weights that
/// have settled do not depend on the units that a task is measured in; they weigh the tasks by how far each gets, not
/// by what matters to anyone, and grow without limit where a loss goes to 0. L can be negative, and is no measure of a
/// model: the tasks' own losses are.
///
/// Other implementations differ. The example code of one of the authors has `e^(−s)·L + s`, twice this form for a
/// regression; used for a classification as well, as is common, it settles at `σ² = L` and weighs the classification by
/// half. Liebel & Körner (arXiv 1805.06334) have `ln(1 + σ²)` in place of `ln σ`, which is never negative.
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `tasks` | | at least one | the tasks, in the order of their losses |
/// | `initial_log_variances` | 0 each | [−50, 50] | s of each task at first; 0 is σ = 1 |
///
/// The s are parameters like others, at path `log_variances` in the [`TaskWeights`]. Adam and its kin move each by
/// about the learning rate in a step, however far it has to go, and by less for long after a first gradient that was
/// huge. Where losses are of quite other sizes than 1, begin nearer, at `ln(2·c_i·L_i)`; and give the path a rate of
/// its own (Burn's `ModuleLrScheduler`), as the `multitask` example does. Weight decay would pull each σ towards 1.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_descent::multitask::{Task, TaskWeightsConfig, UncertaintyConfig};
///
/// let device = Device::default();
/// let config = UncertaintyConfig::new(vec![Task::Regression, Task::Classification]);
/// let config = config.with_initial_log_variances(Some(vec![2.0, 0.0]));
/// let weights = TaskWeightsConfig::Uncertainty(config).init(&device)?;
/// let [squared_error, cross_entropy] = [6.0, 0.25];
/// let loss = weights.forward([squared_error, cross_entropy].map(|loss| Tensor::from_floats([loss], &device)))?;
/// let expected = (-2.0_f32).exp() * squared_error / 2.0 + cross_entropy + 1.0;
/// assert!((loss.into_scalar::<f32>() - expected).abs() < 1e-6);
/// # Ok::<(), burn_descent::ConfigError>(())
/// ```
#[derive(Config, Debug, PartialEq)]
pub struct UncertaintyConfig {
    /// Lists the tasks, in the order of their losses.
    pub tasks: Vec<Task>,
    /// Sets s of each task at first, in [−50, 50]; all 0 if absent.
    pub initial_log_variances: Option<Vec<f64>>,
}

impl UncertaintyConfig {
    /// s at first.
    fn log_variances(&self) -> Vec<f64> {
        self.initial_log_variances.clone().unwrap_or_else(|| vec![0.0; self.tasks.len()])
    }
}

/// Configures [`TaskWeights`]. In a configuration file: `{"fixed": [1.0, 0.5]}`, or
/// `{"uncertainty": {"tasks": ["regression", "classification"], "initial_log_variances": null}}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskWeightsConfig {
    /// Fixes the weights of `Σ w_i·L_i`, one for each task: in [0, ∞), and not all of them 0.
    Fixed(Vec<f64>),
    /// Learns the weights with the network.
    Uncertainty(UncertaintyConfig),
}

impl TaskWeightsConfig {
    /// Checks that there are tasks and every number is in its range.
    ///
    /// # Errors
    ///
    /// Returns the first number that is out of range.
    pub fn check(&self) -> Result<(), ConfigError> {
        let check = |range: ValueRange, field, value| range.check(NAME, field, value);
        match self {
            Self::Fixed(weights) => {
                check(ValueRange::AtLeast(1.0), "weights (their number)", weights.len() as f64)?;
                weights.iter().try_for_each(|weight| check(ValueRange::NonNegative, "weights", *weight))?;
                check(ValueRange::Positive, "weights (their sum)", weights.iter().sum())
            }
            Self::Uncertainty(config) => {
                let (tasks, s) = (config.tasks.len(), config.log_variances());
                check(ValueRange::AtLeast(1.0), "tasks (their number)", tasks as f64)?;
                check(ValueRange::Exactly(tasks), "initial_log_variances", s.len() as f64)?;
                s.iter().try_for_each(|s| check(ValueRange::Within(-50.0, 50.0), "initial_log_variances", *s))
            }
        }
    }

    /// Makes the weights, on `device`.
    ///
    /// # Errors
    ///
    /// Returns the first number that is out of range.
    ///
    /// ```
    /// use burn::tensor::Device;
    /// use burn_descent::multitask::TaskWeightsConfig;
    ///
    /// let error = TaskWeightsConfig::Fixed(vec![1.0, -0.5]).init(&Device::default()).unwrap_err();
    /// assert_eq!(error.to_string(), "TaskWeights: weights should be in [0, ∞), but is -0.5");
    /// ```
    pub fn init(&self, device: &Device) -> Result<TaskWeights, ConfigError> {
        self.check()?;
        Ok(match self {
            Self::Fixed(weights) => TaskWeights { log_variances: None, coefficients: weights.clone() },
            Self::Uncertainty(config) => TaskWeights {
                log_variances: Some(Param::from_data(TensorData::from(config.log_variances().as_slice()), device)),
                coefficients: config.tasks.iter().map(|task| task.coefficient()).collect(),
            },
        })
    }
}

const NAME: &str = "TaskWeights";

/// Computes the weighted sum of several tasks' losses. As a field of the network that it is to train, it is trained and
/// kept in records with it. Fixed weights are no parameters and are in no record.
#[derive(Module, Debug)]
pub struct TaskWeights {
    /// s, `[tasks]`, where it is learned.
    log_variances: Option<Param<Tensor<1>>>,
    /// c, or the fixed weights.
    #[module(skip)]
    coefficients: Vec<f64>,
}

impl TaskWeights {
    /// Returns the loss to train by, of the tasks' losses in the configuration's order, on one device: `Σ w_i·L_i`, or
    /// [`UncertaintyConfig`]'s form. It has the losses' precision.
    ///
    /// # Errors
    ///
    /// Returns an error if there are not as many losses as tasks, or one has not exactly one value.
    pub fn forward(&self, losses: impl IntoIterator<Item = Tensor<1>>) -> Result<Tensor<1>, ConfigError> {
        let losses: Vec<Tensor<1>> = losses.into_iter().collect();
        ValueRange::Exactly(self.coefficients.len()).check(NAME, "losses", losses.len() as f64)?;
        for loss in &losses {
            ValueRange::Exactly(1).check(NAME, "values of a loss", loss.dims()[0] as f64)?;
        }
        let weighted = losses.into_iter().zip(&self.coefficients).map(|(l, &c)| l * c).collect();
        let c_l = Tensor::cat(weighted, 0);
        Ok(match &self.log_variances {
            Some(s) => {
                let s = s.val().cast(FloatDType::from(c_l.dtype()));
                ((-s.clone()).exp() * c_l + s / 2.0).sum()
            }
            None => c_l.sum(),
        })
    }

    /// Returns what each task's loss is multiplied by at present: `c_i·e^(−s_i)` where it is learned. It waits for the
    /// device.
    pub fn weights(&self) -> Vec<f64> {
        match self.log_variances() {
            Some(s) => s.iter().zip(&self.coefficients).map(|(s, c)| c * (-s).exp()).collect(),
            None => self.coefficients.clone(),
        }
    }

    /// Returns the uncertainties σ at present, in the tasks' units; `None` where weights are fixed. It waits for the
    /// device.
    pub fn uncertainties(&self) -> Option<Vec<f64>> {
        Some(self.log_variances()?.into_iter().map(|s| (s / 2.0).exp()).collect())
    }

    fn log_variances(&self) -> Option<Vec<f64>> {
        let s = self.log_variances.as_ref()?;
        Some(s.val().into_data().iter::<f64>().collect())
    }
}
