//! Offers transforms of the weights, over any Burn optimizer.
//!
//! [`Ema`] and [`Swa`] keep an average of the weights beside those that train: [`evaluation_weights`] gives it, the
//! optimizer's record keeps it. [`Lookahead`] trains from such an average again and again. [`Sam`] takes its gradients
//! where the loss is highest nearby. [`reestimate_batch_norm`] fits the statistics of batch normalization to weights
//! that were not trained at.
//!
//! An average is of the parameters of the optimizer that it wraps. Where groups of parameters have optimizers of their own,
//! wrap each of them: those of a bare one are evaluated as they train, without a word.
//!
//! ```
//! use burn::nn::LinearConfig;
//! use burn::optim::GradientsParams;
//! use burn::tensor::{Device, Tensor};
//! use burn_descent::gradient::GradientNoiseConfig;
//! use burn_descent::optim::{NadamConfig, evaluation_weights};
//! use burn_descent::weights::{EmaConfig, LookaheadConfig};
//!
//! let device = Device::default().autodiff();
//! let mut model = LinearConfig::new(4, 1).init(&device);
//! // Wrappers nest. The innermost steps first; the outermost average is the one that is evaluated.
//! let noisy = GradientNoiseConfig::new().wrap(NadamConfig::new().build()?)?;
//! let mut optimizer = EmaConfig::new().wrap(LookaheadConfig::new().wrap(noisy)?)?.init();
//!
//! let loss = model.forward(Tensor::<2>::ones([8, 4], &device)).square().mean();
//! let gradients = GradientsParams::from_grads(loss.backward(), &model);
//! model = optimizer.step(2e-3, model, gradients);
//! let averaged = evaluation_weights(&optimizer, model.clone()); // train on with `model`
//! # Ok::<(), burn_descent::ConfigError>(())
//! ```
//!
//! [`evaluation_weights`]: crate::optim::evaluation_weights

mod averaged;
mod batch_norm;
mod ema;
mod erased;
mod lookahead;
mod nested;
mod retrained;
mod sam;
mod swa;

pub use averaged::{Averaged, AveragedState, Averaging, Start};
pub use batch_norm::{NoStatistics, reestimate_batch_norm};
pub use ema::{DecayWarmUp, Ema, EmaConfig};
pub use lookahead::{Lookahead, LookaheadConfig};
pub use nested::{WeightTransform, WeightTransforms};
pub(crate) use retrained::retrained;
pub use sam::{Sam, SamConfig};
pub use swa::{Swa, SwaConfig};
