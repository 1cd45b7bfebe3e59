//! Offers the optimizers: checked configurations that become Burn optimizers.
//!
//! Each `XConfig` has `new()` with the defaults, presets named after their source, `build()` for the optimizer of one
//! parameter group and `init()` for that of a whole module. [`NamedOptimizer`] chooses one by name at run time.
//!
//! # Going on in another process
//!
//! Three records bring a training back: the model's first, since it brings the identities by which the optimizer's record
//! tells parameters apart, then the optimizer's and the schedule's. [`load_record`] refuses the record of another
//! optimizer, which Burn takes without a word. The training engine (feature `train`) does all of this, and keeps its place
//! among the batches.
//!
//! ```
//! use burn::lr_scheduler::{LrScheduler, LrSchedulerRecord};
//! use burn::module::Module;
//! use burn::nn::LinearConfig;
//! use burn::optim::{GradientsParams, OptimizerRecord};
//! use burn::store::ModuleRecord;
//! use burn::tensor::{Bytes, Device, Tensor};
//! use burn_descent::optim::{NadamConfig, load_record};
//! use burn_descent::schedule::{LinearLrConfig, RunLength, Schedule};
//! use std::fs;
//!
//! let folder = std::env::temp_dir();
//! let path = |name: &str| folder.join(format!("{}-{name}", std::process::id()));
//! let write = |name: &str, bytes: Bytes| fs::write(path(name), &*bytes);
//! let read = |name: &str| fs::read(path(name)).map(Bytes::from_bytes_vec);
//! let device = Device::default().autodiff();
//! let length = RunLength { epochs: 10, steps_per_epoch: 100 };
//! let new = || -> Result<_, burn_descent::ConfigError> {
//!     let model = LinearConfig::new(4, 1).init(&device);
//!     Ok((model, NadamConfig::new().init()?, Schedule::Linear(LinearLrConfig::new()).scheduler(2e-3, length)?))
//! };
//!
//! let (mut model, mut optimizer, mut schedule) = new()?;
//! let loss = model.forward(Tensor::<2>::ones([8, 4], &device)).square().mean();
//! let gradients = GradientsParams::from_grads(loss.backward(), &model);
//! model = optimizer.step(schedule.step(), model, gradients);
//! write("model", model.clone().into_record().into_bytes()?)?;
//! write("optimizer", optimizer.to_record().into_bytes()?)?;
//! write("schedule", schedule.to_record().into_bytes()?)?;
//!
//! // In another process:
//! let (model, optimizer, mut schedule) = new()?;
//! let model = model.load_record(ModuleRecord::from_bytes(read("model")?)?);
//! let optimizer = load_record(optimizer, OptimizerRecord::from_bytes(read("optimizer")?)?, &model)?;
//! schedule.load_record(LrSchedulerRecord::from_bytes(read("schedule")?)?);
//! # ["model", "optimizer", "schedule"].map(|name| fs::remove_file(path(name)).expect("it is there"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Gradients that are not finite, very large or very small
//!
//! A gradient that is NaN or infinite touches its own value and its own state alone. It shows: the value is NaN or, under
//! [`Sgd`] and its like after an infinite gradient, infinite from then on, but under [`Rprop`], which as PyTorch's sees signs alone, and leaves that step out. [`Lion`] goes by the
//! sign of an infinite one from then on. To leave such steps out
//! elsewhere, put [`apply_if_finite`](crate::gradient::ChainConfig::apply_if_finite) before the optimizer.
//!
//! Finite gradients give no NaN as long as the weights themselves are finite. In `f32` a rule that divides by the root of an average of squares moves as long as
//! the square fits with its weight: up to a gradient of 5.8e20 with a β₂ of 0.999, 1.8e20 with 0.99, and, where squares
//! are summed ([`Adagrad`]), 1.8e19, as in PyTorch. Beyond that it stands still there for good; descent along the
//! gradient itself goes as far as it is told. The square of a gradient below 1e-23 vanishes, and ε alone decides on the
//! step. In `f64` neither happens between 1e-154 and 1e154.

mod adabelief;
mod adadelta;
mod adagrad;
mod adam;
mod adamax;
mod adan;
mod amsgrad;
mod asgd;
mod burns;
mod clipping;
mod elementwise;
mod erased;
mod evaluation;
mod groups;
mod hyperparameters;
mod lion;
mod momentum;
mod muon;
mod nadam;
mod named;
mod nesterov;
mod normalized_gradient;
mod radam;
mod record;
mod rmsprop;
mod rprop;
mod schedule_free;
mod sgd;
mod sgd_noise;
mod state;
mod variations;
mod varying;
mod yogi;

pub use crate::rule::{BiasCorrection, Epsilon, WeightDecay};
pub use elementwise::Elementwise;
pub use erased::ErasedOptimizer;
pub use evaluation::{Evaluate, evaluation_weights, step_by_purpose};
pub use groups::ParameterGroupConfig;
pub use hyperparameters::Hyperparameters;
pub use muon::MuonAdamwConfig;
pub use named::{NamedOptimizer, NamedOptimizerError, OptimizerConfig};
pub use record::{RecordMismatch, check_record, load_record};
pub use sgd_noise::SgdNoiseConfig;
pub use state::RuleState;
pub use variations::Variations;

pub(crate) use clipping::check_clipping;
pub(crate) use evaluation::{Purpose, evaluate_wrapped, optimizer_by_purpose, purpose};
pub(crate) use hyperparameters::{names_within, numbers_of, within};
pub(crate) use named::{Entry, Preset, config_by_serde, preset, sealed};
pub(crate) use state::{has_wrapper, write_wrapper};
pub(crate) use varying::Varying;

/// Lists the optimizers: the file of each, and what of it is public. This is the index that a new one is added to.
macro_rules! index {
    ($($module:ident::{$($public:ident),* $(,)?};)*) => {
        $(pub use $module::{$($public),*};)*

        /// The table of optimizers by name.
        const INDEX: &[&[Entry]] = &[$($module::ENTRIES,)* sgd_noise::ENTRIES, burns::ENTRIES, muon::ENTRIES];
    };
}

index! {
    sgd::{Sgd, SgdConfig};
    momentum::{Momentum, MomentumConfig, MomentumForm};
    nesterov::{Nesterov, NesterovConfig, NesterovForm};
    normalized_gradient::{NormalizedGradient, NormalizedGradientConfig};
    adagrad::{Adagrad, AdagradConfig};
    adadelta::{Adadelta, AdadeltaConfig, AdadeltaForm};
    rmsprop::{LearningRatePlacement, RmsProp, RmsPropConfig, RmsPropMomentum};
    adam::{Adam, AdamConfig};
    adamax::{Adamax, AdamaxConfig};
    nadam::{Nadam, NadamConfig, NadamForm};
    amsgrad::{Amsgrad, AmsgradConfig, AmsgradForm};
    radam::{Radam, RadamConfig, RadamForm};
    yogi::{Yogi, YogiConfig};
    adabelief::{Adabelief, AdabeliefConfig};
    adan::{Adan, AdanConfig, AdanDecay, AdanForm};
    lion::{Lion, LionConfig};
    rprop::{Rprop, RpropConfig};
    asgd::{Asgd, AsgdConfig};
    schedule_free::{ScheduleFreeAdamw, ScheduleFreeAdamwConfig, ScheduleFreeSgd, ScheduleFreeSgdConfig};
}

/// Completes an optimizer: names it, gives its configuration `build` and `init`, access to its numbers, and a place in
/// the table. `numbers` lists the fields that hold numbers, but for the decay of the weights; `names` the optimizer's
/// names, each with its presets and their learning rates, of which the first is what the name alone stands for. A preset
/// goes by the name of its function, or by another that is given with `as`.
macro_rules! optimizer {
    (
        $name:ident($config:ident, $state:literal),
        numbers: [$($number:ident),* $(,)?],
        names: {$($known:literal: [$($preset:ident $(as $alias:ident)? at $rate:literal),+ $(,)?]),+ $(,)?}
        $(, averages: $averages:literal)? $(,)?
    ) => {
        #[doc = concat!("Runs the optimizer that [`", stringify!($config), "`] configures.")]
        pub type $name = $crate::optim::Elementwise<$config, $state>;

        impl $config {
            /// Makes the optimizer of one parameter group, with the configured gradient clipping:
            /// `ModuleOptimizer::with_group` takes it, and so do wrappers.
            ///
            /// # Errors
            ///
            /// Returns the first hyperparameter that is out of range.
            pub fn build(&self) -> Result<$name, $crate::ConfigError> {
                let clipping = self.grad_clipping.as_ref().map(burn::grad_clipping::GradientClippingConfig::init);
                $crate::optim::check_clipping(stringify!($name), clipping.as_ref())?;
                Ok($crate::optim::Elementwise::new(self.clone())?.with_clipping(clipping))
            }

            /// Makes the optimizer of a whole module, with the configured gradient clipping.
            ///
            /// # Errors
            ///
            /// Returns the first hyperparameter that is out of range.
            pub fn init(&self) -> Result<burn::optim::ModuleOptimizer, $crate::ConfigError> {
                Ok(burn::optim::ModuleOptimizer::from(self.build()?))
            }
        }

        $crate::optim::numbers_of!($config { $($number,)* weight_decay });

        impl $crate::optim::sealed::Sealed for $config {}

        impl $crate::optim::OptimizerConfig for $config {
            $crate::optim::config_by_serde!();

            fn build_erased(
                &self,
                variations: &$crate::optim::Variations,
            ) -> Result<$crate::optim::ErasedOptimizer, $crate::ConfigError> {
                let (steps, variations) = (variations.steps(), variations.clone());
                let (clipping, optimizer) = self.build()?.take_clipping();
                let optimizer = optimizer.varying(steps, move |config, step| variations.apply("", config, step))?;
                Ok($crate::optim::ErasedOptimizer::new(optimizer).with_clipping(clipping))
            }

            fn state_tensors(&self) -> usize {
                let in_use = <Self as $crate::rule::Rule<$state>>::state_in_use(self);
                in_use.into_iter().filter(|in_use| *in_use).count()
            }

            $(fn averages(&self) -> bool {
                $averages
            })?
        }

        pub(super) const ENTRIES: &[$crate::optim::Entry] = &[$(
            $crate::optim::Entry { name: $known, presets: &[$($crate::optim::preset!($config::$preset $(as $alias)? at $rate)),+] }
        ),+];
    };
}
pub(crate) use optimizer;

/// Names the optimizer that a configuration wraps around another, and gives the configuration its `wrap`.
macro_rules! wrapper {
    ($name:ident, $config:ident, $wrapper:ident) => {
        #[doc = concat!("Runs any Burn optimizer under what [`", stringify!($config), "`] configures.")]
        pub type $name<O> = $wrapper<$config, O>;

        impl $config {
            /// Wraps `optimizer`, which is this crate's, Burn's, or a wrapper itself.
            ///
            /// # Errors
            ///
            /// Returns the first field that is out of range.
            pub fn wrap<O: burn::optim::Optimizer>(&self, optimizer: O) -> Result<$name<O>, $crate::ConfigError> {
                $wrapper::new(self.clone(), optimizer)
            }
        }
    };
}
pub(crate) use wrapper;
