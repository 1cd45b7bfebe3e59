//! Offers the optimizers: checked configurations that become Burn optimizers.
//!
//! Each `XConfig` has `new()` with the defaults, presets named after their source, `build()` for the optimizer of one
//! parameter group and `init()` for that of a whole module. [`NamedOptimizer`] chooses one by name at run time.
//!
//! # Gradients that are not finite, very large or very small
//!
//! A gradient that is NaN or infinite touches its own value and its own state alone. NaN shows: the value is NaN from
//! then on. To leave such steps out, put [`apply_if_finite`](crate::gradient::ChainConfig::apply_if_finite) before the
//! optimizer. In `f32` the square of a gradient above 1.8e19 overflows: a rule that divides by the root of an average
//! of squares then stands still there for good. The square of one below 1e-23 vanishes, and ε alone decides on the
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
mod elementwise;
mod erased;
mod evaluation;
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
pub use hyperparameters::Hyperparameters;
pub use muon::MuonAdamwConfig;
pub use named::{NamedOptimizer, NamedOptimizerError, OptimizerConfig};
pub use record::{RecordMismatch, check_record, load_record};
pub use sgd_noise::SgdNoiseConfig;
pub use state::RuleState;
pub use variations::Variations;

pub(crate) use evaluation::{Purpose, evaluate_wrapped, optimizer_by_purpose, purpose};
pub(crate) use hyperparameters::{names_within, numbers_of, within};
pub(crate) use named::{Entry, Preset, config_by_serde, preset, sealed};
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
/// names, each with its presets and their learning rates, of which the first is what the name alone stands for.
macro_rules! optimizer {
    (
        $name:ident($config:ident, $state:literal),
        numbers: [$($number:ident),* $(,)?],
        names: {$($known:literal: [$($preset:ident at $rate:literal),+ $(,)?]),+ $(,)?}
        $(, averages: $averages:literal)? $(,)?
    ) => {
        #[doc = concat!("Runs the optimizer that [`", stringify!($config), "`] configures.")]
        pub type $name = $crate::optim::Elementwise<$config, $state>;

        impl $config {
            /// Makes the optimizer of one parameter group, which `ModuleOptimizer::with_group` takes. Gradient clipping
            /// is given there.
            ///
            /// # Errors
            ///
            /// Returns the first hyperparameter that is out of range.
            pub fn build(&self) -> Result<$name, $crate::ConfigError> {
                $crate::optim::Elementwise::new(self.clone())
            }

            /// Makes the optimizer of a whole module, with the configured gradient clipping.
            ///
            /// # Errors
            ///
            /// Returns the first hyperparameter that is out of range.
            pub fn init(&self) -> Result<burn::optim::ModuleOptimizer, $crate::ConfigError> {
                let optimizer = burn::optim::ModuleOptimizer::from(self.build()?);
                Ok(match $crate::optim::OptimizerConfig::clipping(self) {
                    Some(clipping) => optimizer.with_grad_clipping(clipping),
                    None => optimizer,
                })
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
                let optimizer = self.build()?.varying(steps, move |config, step| variations.apply("", config, step))?;
                Ok($crate::optim::ErasedOptimizer::new(optimizer))
            }

            fn clipping(&self) -> Option<burn::grad_clipping::GradientClipping> {
                self.grad_clipping.as_ref().map(burn::grad_clipping::GradientClippingConfig::init)
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
            $crate::optim::Entry { name: $known, presets: &[$($crate::optim::preset!($config::$preset at $rate)),+] }
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
