//! Products with the Hessian, which is never formed.

use super::Objective;
use super::method::{dot, precision};
use burn::tensor::Tensor;

/// The product of the Hessian at θ with v: the objective's own, or by central differences.
pub(crate) fn hessian_product(objective: &mut dyn Objective, theta: &Tensor<1>, v: &Tensor<1>) -> Tensor<1> {
    let exact = objective.hessian_product(theta, v);
    exact.unwrap_or_else(|| central_difference(|at| objective.gradient(at).1, theta, v))
}

/// The product of the Hessian at θ with v by central differences of gradients:
///
/// ```text
/// H·v ≈ (∇f(θ + h·v) − ∇f(θ − h·v)) / 2h      h = ε^⅓·(1 + ‖θ‖)/‖v‖
/// ```
///
/// with ε the precision of the numbers. Nothing waits for the device. The product with 0 is 0.
fn central_difference(
    mut gradient: impl FnMut(&Tensor<1>) -> Tensor<1>,
    theta: &Tensor<1>,
    v: &Tensor<1>,
) -> Tensor<1> {
    let h = difference(theta, v);
    let step = v.clone() * h.clone();
    let ahead = gradient(&(theta.clone() + step.clone()));
    let behind = gradient(&(theta.clone() - step));
    (ahead - behind) / (h * 2.0)
}

/// The step h of a central difference from θ along v, as one number on the device.
pub(super) fn difference(theta: &Tensor<1>, v: &Tensor<1>) -> Tensor<1> {
    let norm = |vector: &Tensor<1>| dot(vector, vector).sqrt();
    let smallest = f64::from(f32::MIN_POSITIVE).sqrt();
    (norm(theta) + 1.0) * precision(theta).cbrt() / norm(v).clamp_min(smallest)
}
