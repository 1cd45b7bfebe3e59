//! How sharp a minimum is: the largest eigenvalues of the Hessian there.

use crate::second_order::{Eigen, Objective, hessian_product, normal, precision, scalar};
use burn::tensor::Tensor;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

/// Computes eigenvalues of the Hessian at θ in falling order, by so many steps of Lanczos' method from a vector that is drawn by
/// the seed, with all directions kept orthogonal (Golub & Van Loan 2013, section 10.3): as many as steps, or as there are
/// different ones. The largest and the lowest are near to those of the Hessian after some ten steps; those between are not. Each step
/// takes one product with the Hessian.
///
/// The largest tells how sharp a minimum is, as in Foret et al. 2021. Gradients that are not finite give none.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_descent::landscape::eigenvalues;
/// use burn_descent::second_order::Objective;
///
/// /// `½·(3·x² + y² − 2·z²)`.
/// struct Saddle;
///
/// impl Objective for Saddle {
///     fn gradient(&mut self, theta: &Tensor<1>) -> (Tensor<1>, Tensor<1>) {
///         let gradient = theta.clone() * Tensor::from_data([3.0, 1.0, -2.0], &theta.device());
///         ((theta.clone() * gradient.clone()).sum() * 0.5, gradient)
///     }
/// }
///
/// let found = eigenvalues(&mut Saddle, &Tensor::ones([3], &Device::default()), 10, 1);
/// for (found, expected) in found.iter().zip([3.0, 1.0, -2.0]) {
///     assert!((found - expected).abs() < 1e-3);
/// }
/// ```
pub fn eigenvalues(objective: &mut dyn Objective, theta: &Tensor<1>, steps: usize, seed: u64) -> Vec<f64> {
    let [n] = theta.dims();
    // The share of the largest entry below which what is left of a direction is the error of the products.
    let nothing = (10.0 * precision(theta).powf(2.0 / 3.0)).max(1e-6);
    let mut directions: Vec<Tensor<1>> = Vec::new();
    let (mut diagonal, mut beside) = (Vec::new(), Vec::new());
    let mut next = unit(normal(&mut ChaCha8Rng::seed_from_u64(seed), theta)).map(|(direction, _)| direction);
    while let Some(direction) = next.take().filter(|_| directions.len() < steps.min(n)) {
        let product = hessian_product(objective, theta, &direction);
        diagonal.push(scalar((product.clone() * direction.clone()).sum()));
        directions.push(direction);
        let basis = Tensor::<1>::stack::<2>(directions.clone(), 0);
        // Twice is enough (Kahan and Parlett).
        let rest = orthogonal(&basis, orthogonal(&basis, product));
        let scale = diagonal.iter().chain(&beside).fold(0.0, |scale: f64, entry: &f64| scale.max(entry.abs()));
        if let Some((direction, length)) = unit(rest).filter(|(_, length)| *length > nothing * scale) {
            beside.push(length);
            next = Some(direction);
        }
    }
    let m = diagonal.len();
    let entry = |i: usize, j: usize| match i.abs_diff(j) {
        0 => diagonal[i],
        1 => beside[i.min(j)],
        _ => 0.0,
    };
    let matrix = (0..m * m).map(|index| entry(index / m, index % m)).collect();
    let mut values = Eigen::of(matrix, m).map(|eigen| eigen.values).unwrap_or_default();
    values.sort_by(|one, other| other.total_cmp(one));
    values
}

/// `v/‖v‖` and `‖v‖`; none of what has no length.
fn unit(v: Tensor<1>) -> Option<(Tensor<1>, f64)> {
    let length = scalar(v.clone().square().sum()).sqrt();
    (length > 0.0 && length.is_finite()).then(|| (v / length, length))
}

/// What of `v` is orthogonal to the rows of `basis`.
fn orthogonal(basis: &Tensor<2>, v: Tensor<1>) -> Tensor<1> {
    let [n] = v.dims();
    let column = v.reshape([n, 1]);
    let along = basis.clone().transpose().matmul(basis.clone().matmul(column.clone()));
    (column - along).reshape([n])
}
