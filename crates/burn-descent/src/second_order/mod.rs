//! Minimizes by methods that look at the curvature, and ask for the loss and its gradient at points of their own choosing.
//!
//! A [`Minimizer`] runs a [`Method`] on an [`Objective`], a function of one vector; [`ModuleObjective`] makes one of a loss
//! over any module, or over a [group](burn::module::ParamGroup) of its parameters.
//!
//! | method | keeps | asks for | where it is good |
//! | --- | --- | --- | --- |
//! | [`NewtonConfig`] | a matrix of n², on the host | whole Hessians | up to some hundred parameters |
//! | [`BfgsConfig`] | a matrix of n² | gradients | up to some thousand parameters |
//! | [`LbfgsConfig`] | 2m vectors | gradients | smooth losses of any size, without noise |
//! | [`ConjugateGradientsConfig`] | one vector | gradients | where memory is short |
//! | [`TruncatedNewtonConfig`] | six vectors | products with the Hessian | where L-BFGS crawls |
//! | [`HessianFreeConfig`] | some twenty vectors | products with the Gauss–Newton matrix | deep networks, in large batches |
//!
//! These are for losses that are the same at each call: whole data sets, or batches large enough to be like them. They end
//! with a [`Report`].

mod bfgs;
mod conjugate_gradients;
mod flat;
mod gauss_newton;
mod hessian_free;
mod interval;
mod lbfgs;
mod line_search;
mod method;
mod minimizer;
mod named;
mod newton;
mod objective;
mod output_loss;
mod product;
mod radius;
mod record;
mod report;
mod search;
mod symmetric;
mod truncated_newton;

pub use bfgs::{Bfgs, BfgsConfig, BfgsScaling};
pub use conjugate_gradients::{ConjugateGradients, ConjugateGradientsConfig, ConjugateGradientsForm};
pub use hessian_free::{HessianFree, HessianFreeConfig};
pub use lbfgs::{Lbfgs, LbfgsConfig};
pub use line_search::{LineSearch, LineSearchConfig, Verdict};
pub use method::{Method, PREFIX, Point, Problem};
pub use minimizer::Minimizer;
pub use named::MinimizerConfig;
pub use newton::{Newton, NewtonConfig, NewtonForm};
pub use objective::{ModuleObjective, Objective};
pub use output_loss::OutputLoss;
pub use radius::TrustRegionConfig;
pub use report::{Counts, Ending, MatrixTooLarge, Report, StoppingConfig};
pub use search::Stepped;
pub use truncated_newton::{TruncatedNewton, TruncatedNewtonConfig};

pub(crate) use method::precision;
pub(crate) use product::hessian_product;
pub(crate) use symmetric::Eigen;

use burn::tensor::{FloatDType, Tensor, TensorData};
use rand::rngs::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// Independent normal numbers of the shape of a tensor, on its device and in its precision; drawn on the host.
pub(crate) fn normal<const D: usize>(rng: &mut ChaCha8Rng, like: &Tensor<D>) -> Tensor<D> {
    let numbers: Vec<f32> = StandardNormal.sample_iter(rng).take(like.shape().num_elements()).collect();
    let drawn = Tensor::<D>::from_data(TensorData::new(numbers, like.shape()), &like.device());
    drawn.cast(FloatDType::from(like.dtype()))
}

/// The number of a tensor of one value.
pub(crate) fn scalar(tensor: Tensor<1>) -> f64 {
    scalars(vec![tensor]).first().copied().unwrap_or(f64::NAN)
}

/// The numbers of tensors of one value each, in one transfer to the host.
fn scalars(numbers: Vec<Tensor<1>>) -> Vec<f64> {
    let Some(first) = numbers.last() else { return Vec::new() };
    let (device, dtype) = (first.device(), FloatDType::from(first.dtype()));
    let numbers = numbers.into_iter().map(|number| number.to_device(&device).cast(dtype)).collect();
    Tensor::cat(numbers, 0).into_data().convert::<f64>().try_into_vec().unwrap_or_default()
}
