//! Products with the Gauss–Newton matrix `Jᵀ·H·J` of a module's outputs, which is never formed.

use super::OutputLoss;
use super::flat::Layout;
use super::normal;
use super::objective::{differentiate, module_at};
use super::product::difference;
use burn::module::Module;
use burn::tensor::{FloatDType, Tensor};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

/// `Jᵀ·H·J·v` at θ: J·v by a central difference of two passes forward, H exactly, Jᵀ by a pass backward.
pub(crate) fn gauss_newton_product<M: Module>(
    module: &M,
    layout: &Layout,
    mut outputs: impl FnMut(&M) -> Tensor<2>,
    loss: OutputLoss,
    theta: &Tensor<1>,
    v: &Tensor<1>,
) -> Tensor<1> {
    let h = difference(theta, v);
    let step = v.clone() * h.clone();
    let mut forward = |theta: &Tensor<1>| outputs(&module_at(module, layout, theta)).without_autodiff();
    let change = forward(&(theta.clone() + step.clone())) - forward(&(theta.clone() - step));
    let h = h.to_device(&change.device()).cast(FloatDType::from(change.dtype())).reshape([1, 1]);
    let j_v = change / (h * 2.0);
    pulled_back(module, layout, outputs, theta, |outputs| loss.hessian_product(outputs, j_v))
}

/// `Jᵀ·S·z` at θ with `S·Sᵀ = H` and normal numbers z, whose squares have the diagonal of the matrix as their mean.
pub(crate) fn gauss_newton_root<M: Module>(
    module: &M,
    layout: &Layout,
    outputs: impl FnMut(&M) -> Tensor<2>,
    loss: OutputLoss,
    theta: &Tensor<1>,
    seed: u64,
) -> Tensor<1> {
    pulled_back(module, layout, outputs, theta, |outputs| {
        let z = normal(&mut ChaCha8Rng::seed_from_u64(seed), &outputs);
        loss.root_product(outputs, z)
    })
}

/// `Jᵀ·u` at θ, where u is made of the outputs there.
fn pulled_back<M: Module>(
    module: &M,
    layout: &Layout,
    mut outputs: impl FnMut(&M) -> Tensor<2>,
    theta: &Tensor<1>,
    u: impl FnOnce(Tensor<2>) -> Tensor<2>,
) -> Tensor<1> {
    let module = module_at(module, layout, theta);
    let outputs = outputs(&module);
    let u = u(outputs.clone().without_autodiff());
    let u = u.to_device(&outputs.device());
    differentiate(layout, &module, (outputs * u).sum()).1
}
