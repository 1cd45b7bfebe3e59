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
//! - [`schedule`]: learning-rate schedules as Burn schedulers, and the range test that finds a rate.
//! - [`gradient`]: transforms of the gradient before *any* Burn optimizer: noise around one of them; clipping by value
//!   and by the global norm, centralization, accumulation, skipping what is not finite, one after the other in the
//!   order written.
//! - [`weights`]: averages of the weights over *any* Burn optimizer (EMA, SWA, Lookahead), sharpness-aware
//!   minimization, re-estimation of batch normalization.
//! - [`penalty`]: penalties on the parameters of any module, coupled or as proximal steps, and limits on norms.
//! - [`nn`]: Burn's convolution and batch normalization, faster on the CPU; dropout in both forms, label smoothing,
//!   focal loss.
//! - [`transfer`]: taking over the weights of a trained module, and training some of them alone.
//! - [`multitask`]: the losses of tasks that share a network, weighed by hand or by uncertainties that are learned.
//! - [`ensemble`]: networks that answer together, and what that gains against what the correlation of their errors
//!   predicts.
//! - [`sample`]: the order and choice of examples for any data set, curricula among them.
//! - [`second_order`]: methods that ask for the loss at points of their own choosing, by a line search or a trust region:
//!   Newton, BFGS, L-BFGS, conjugate gradients, truncated Newton, Hessian-free.
//! - [`early_stopping`]: when a metric no longer gets better. [`average`]: exponentially weighted averages of numbers.
//! - [`second_order`]: minimizers that look at the curvature: BFGS, L-BFGS, conjugate gradients, Newton's method.
//! - [`landscape`]: test functions to see optimizers on, and descents on them.
//! - [`group`]: checks of the parameter groups that all of these are given.
//! - [`rule`]: what an update rule is, for those who add one.
//! - `augment` (feature `vision`): distortions of images on the device, and views of test images.
//! - `train` (feature `train`): what a long training with Burn's `Learner` needs beside it.
//!
//! # How it runs
//!
//! A rule is an equation over numbers. On the flex and ndarray backends it runs as one pass over the raw buffers, in
//! the widest registers that the processor has and on all threads: each value is read once and written once, and
//! nothing is copied even though Burn's `Learner` keeps a clone of the model during the step. On wgpu, CUDA and every
//! other backend the same text runs as tensor operations, which Burn's fusion joins. Coefficients are computed in
//! `f64` on the host; half-precision parameters keep their state in `f32`.
//!
//! # Features
//!
//! None is on by default: the crate then compiles for whatever backend its user has chosen.
//!
//! | feature | what it adds |
//! | --- | --- |
//! | `flex`, `ndarray` | the CPU backends of Burn, with fused passes |
//! | `wgpu`, `cuda` | the GPU backends of Burn, with fusion |
//! | `vision` | `augment` |
//! | `dataset` | `Sampler::select`, for Burn's data sets |
//! | `train` | `train`, with Burn's own `train` |

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "vision")]
pub mod augment;
pub mod average;
pub mod early_stopping;
pub mod ensemble;
mod error;
pub mod gradient;
pub mod group;
mod kernel;
pub mod landscape;
pub mod multitask;
pub mod nn;
pub mod optim;
pub mod penalty;
pub mod rule;
pub mod sample;
pub mod schedule;
pub mod second_order;
mod text;
#[cfg(feature = "train")]
pub mod train;
pub mod transfer;
pub mod weights;

pub use error::{ConfigError, ValueRange};
