//! The optimizers: checked configurations that become Burn optimizers.
//!
//! Each `XConfig` has `new()` with the defaults, presets named after their source, `build()` for the optimizer of one
//! parameter group and `init()` for that of a whole module.
//!
//! # Gradients that are not finite, very large or very small
//!
//! A gradient that is NaN or infinite touches its own value and its own state alone. NaN shows: the value is NaN from then
//! on. To leave such steps out, put [`apply_if_finite`](crate::gradient::ChainConfig::apply_if_finite) before the
//! optimizer. In `f32` the square of a gradient above 1.8e19 overflows: a rule that divides by the root of an average of
//! squares then stands still there for good. The square of one below 1e-23 vanishes, and ε alone decides on the step. In
//! `f64` neither happens between 1e-154 and 1e154.

use burn::grad_clipping::GradientClippingConfig;
use burn::optim::ModuleOptimizer;

mod adabelief;
mod adadelta;
mod adagrad;
mod adam;
mod adamax;
mod amsgrad;
mod asgd;
mod decay;
mod elementwise;
mod epsilon;
mod evaluation;
mod momentum;
mod nadam;
mod nesterov;
mod normalized_gradient;
mod radam;
mod record;
mod rmsprop;
mod rprop;
mod schedule_free;
mod sgd;
mod state;
mod varying;
mod yogi;

pub use adabelief::{Adabelief, AdabeliefConfig, AdabeliefScalars};
pub use adadelta::{Adadelta, AdadeltaConfig, AdadeltaForm, AdadeltaScalars};
pub use adagrad::{Adagrad, AdagradConfig, AdagradScalars};
pub use adam::{Adam, AdamConfig, AdamScalars, BiasCorrection};
pub use adamax::{Adamax, AdamaxConfig, AdamaxScalars};
pub use amsgrad::{Amsgrad, AmsgradConfig, AmsgradForm, AmsgradScalars};
pub use asgd::{Asgd, AsgdConfig, AsgdScalars};
pub use decay::WeightDecay;
pub use elementwise::Elementwise;
pub use epsilon::Epsilon;
pub use evaluation::evaluation_weights;
pub use momentum::{Momentum, MomentumConfig, MomentumForm, MomentumScalars};
pub use nadam::{Nadam, NadamConfig, NadamForm, NadamScalars};
pub use nesterov::{Nesterov, NesterovConfig, NesterovForm, NesterovScalars};
pub use normalized_gradient::{NormalizedGradient, NormalizedGradientConfig, NormalizedGradientScalars};
pub use radam::{Radam, RadamConfig, RadamForm, RadamScalars};
pub use record::{RecordMismatch, load_record};
pub use rmsprop::{Centering, RmsProp, RmsPropConfig, RmsPropMomentum, RmsPropScalars, Velocity};
pub use rprop::{Rprop, RpropConfig, RpropScalars};
pub use schedule_free::{
    ScheduleFreeAdamw, ScheduleFreeAdamwConfig, ScheduleFreeAdamwScalars, ScheduleFreeScalars, ScheduleFreeSgd,
    ScheduleFreeSgdConfig,
};
pub use sgd::{Sgd, SgdConfig, SgdScalars};
pub use state::RuleState;
pub use yogi::{Yogi, YogiConfig, YogiScalars};

pub(crate) use decay::DecayStep;
pub(crate) use evaluation::{evaluating, trying};
#[cfg(feature = "train")]
pub(crate) use record::check as check_record;
pub(crate) use varying::Varying;

/// `optimizer`, with the clipping of gradients that a configuration asks for.
pub(crate) fn clipped(optimizer: ModuleOptimizer, clipping: Option<&GradientClippingConfig>) -> ModuleOptimizer {
    match clipping {
        Some(clipping) => optimizer.with_grad_clipping(clipping.init()),
        None => optimizer,
    }
}

/// Names the optimizer of a rule's configuration and gives the configuration its `build` and `init`. The last argument
/// tells the decay of the weights before the rule: the configured one, unless the rule has a way of its own.
macro_rules! optimizer {
    ($name:ident, $config:ident, $state:literal) => {
        $crate::optim::optimizer!($name, $config, $state, |config: &$config| config.weight_decay);
    };
    ($name:ident, $config:ident, $state:literal, $decay:expr) => {
        #[doc = concat!("The optimizer that [`", stringify!($config), "`] describes.")]
        pub type $name = $crate::optim::Elementwise<$config, $state>;

        impl $config {
            /// The optimizer of one parameter group, which `ModuleOptimizer::with_group` takes. Gradient clipping is
            /// given there.
            ///
            /// # Errors
            ///
            /// The first hyperparameter that is out of range.
            pub fn build(&self) -> Result<$name, $crate::ConfigError> {
                $crate::optim::Elementwise::new(self.clone(), $decay)
            }

            /// The optimizer of a whole module, with the configured gradient clipping.
            ///
            /// # Errors
            ///
            /// The first hyperparameter that is out of range.
            pub fn init(&self) -> Result<burn::optim::ModuleOptimizer, $crate::ConfigError> {
                Ok($crate::optim::clipped(self.build()?.into(), self.grad_clipping.as_ref()))
            }
        }
    };
}
pub(crate) use optimizer;

/// Names the optimizer that a configuration wraps around another, and gives the configuration its `wrap`.
macro_rules! wrapper {
    ($name:ident, $config:ident, $wrapper:ident) => {
        #[doc = concat!("Any Burn optimizer, under what [`", stringify!($config), "`] describes.")]
        pub type $name<O> = $wrapper<$config, O>;

        impl $config {
            /// Wraps `optimizer`, which is this crate's, Burn's, or a wrapper itself.
            ///
            /// # Errors
            ///
            /// The first field that is out of range.
            pub fn wrap<O: burn::optim::Optimizer>(&self, optimizer: O) -> Result<$name<O>, $crate::ConfigError> {
                $wrapper::new(self.clone(), optimizer)
            }
        }
    };
}
pub(crate) use wrapper;
