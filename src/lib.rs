//! Optimizers for the [Burn](https://burn.dev) deep-learning framework: every update rule written once, run as a single
//! fused pass, and proven against PyTorch, optax and the papers.
//!
//! # Swap one line
//!
//! A configuration becomes a Burn `ModuleOptimizer`, so that it goes wherever Burn's own optimizers go: into a training
//! loop or into the `Learner`.
//!
//! ```
//! use burn::nn::LinearConfig;
//! use burn::optim::GradientsParams;
//! use burn::tensor::{Device, Tensor};
//! use burn_descent::optim::NadamConfig;
//!
//! let device = Device::default().autodiff();
//! let mut model = LinearConfig::new(4, 1).init(&device);
//! let mut optimizer = NadamConfig::new().init()?; // instead of `AdamConfig::new().init()`
//!
//! let loss = model.forward(Tensor::<2>::ones([8, 4], &device)).square().mean();
//! let gradients = GradientsParams::from_grads(loss.backward(), &model);
//! model = optimizer.step(2e-3, model, gradients);
//! # Ok::<(), burn_descent::ConfigError>(())
//! ```
//!
//! # What is here
//!
//! - [`optim`]: the optimizers, with every variant under its own name and presets that reproduce a source exactly
//!   (`NadamConfig::pytorch()`, `::optax()`, `::dozat()`, `::lecture()`).
//! - [`gradient`]: transforms of the gradient before *any* Burn optimizer: noise around one of them; clipping by value and by
//!   the global norm, centralization, accumulation, skipping what is not finite, one after the other in the order written.
//! - [`weights`]: averages of the weights over *any* Burn optimizer (EMA, SWA, Lookahead), sharpness-aware minimization,
//!   re-estimation of batch normalization.
//! - [`penalty`]: penalties on the parameters of any module, coupled or as proximal steps, and limits on norms.
//! - [`transfer`]: taking over the weights of a trained module, and training some of them alone.
//! - [`multitask`]: the losses of tasks that share a network, weighed by hand or by uncertainties that are learned.
//! - [`early_stopping`]: when a metric no longer gets better.
//! - [`group`]: checks of the parameter groups that all of these are given.
//! - [`ensemble`]: networks that answer together, and what that gains against what the correlation of their errors predicts.
//! - [`average`]: exponentially weighted averages of numbers.
//! - [`schedule`]: learning-rate schedules as Burn schedulers, and the range test that finds a rate.
//! - [`rule`]: what an update rule is, for those who add one.
//! - With the feature `train` (on by default): `sample`, the order and choice of examples for any Burn data set; `augment`,
//!   distortions of images on the device and views of test images; `data`, `model`, `train` and `files`, which the examples
//!   are made of.
//!
//! # How it runs
//!
//! A rule is an equation over numbers. On the flex and ndarray backends it runs as one pass over the raw buffers, in the
//! widest registers that the processor has and on all threads: each value is read once and written once, and nothing is
//! copied even though Burn's `Learner` keeps a clone of the model during the step. On wgpu, CUDA and every other backend
//! the same text runs as tensor operations, which Burn's fusion joins. Coefficients are computed in `f64` on the host;
//! half-precision parameters keep their state in `f32`.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! | --- | --- | --- |
//! | `train` | yes | data, networks and runs; Burn's `train` and dashboard |
//! | `flex`, `ndarray` | yes | the CPU backends, with fused passes |
//! | `wgpu`, `cuda` | no | the GPU backends, with fusion |
//!
//! Without default features the crate is the optimizers alone, for whatever backend its user has chosen. The fused
//! passes come with the features `flex` and `ndarray`.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "train")]
pub mod augment;
pub mod average;
#[cfg(feature = "train")]
pub mod data;
pub mod early_stopping;
pub mod ensemble;
mod error;
#[cfg(feature = "train")]
pub mod files;
pub mod gradient;
pub mod group;
mod kernel;
#[cfg(feature = "train")]
pub mod model;
pub mod multitask;
pub mod optim;
pub mod penalty;
pub mod rule;
#[cfg(feature = "train")]
pub mod sample;
pub mod schedule;
#[cfg(feature = "train")]
pub mod train;
pub mod transfer;
pub mod weights;

pub use error::{ConfigError, Range};
