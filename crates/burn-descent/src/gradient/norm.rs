//! The norm of all gradients together, and clipping by it.

use super::{EachGradient, Parameter, for_each_gradient, for_each_shared_gradient};
use crate::kernel::{self, AbsoluteMaximum, AbsoluteSum, NonFiniteCount, Reduction, SquareSum};
use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{DType, FloatDType, Tensor};
use serde::{Deserialize, Serialize};
use std::marker::PhantomData;

/// Selects a norm of all gradients of a module together, as if they were one vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Norm {
    /// Selects the sum of the magnitudes, `Σ|g|`: PyTorch's `norm_type=1`.
    Sum,
    /// Selects the Euclidean norm, `√Σg²`: PyTorch's default.
    Euclidean,
    /// Selects the largest magnitude, `max|g|`: PyTorch's `norm_type=inf`.
    Maximum,
}

impl Norm {
    /// Returns the norm of the gradients that the parameters of `module` have, as a tensor of one value on the device of
    /// the first; none if there are no gradients. Nothing waits for the device.
    ///
    /// A parameter that occurs twice counts once. The norm is NaN or infinite where a gradient is; on a GPU the Euclidean
    /// norm is infinite from 1.8e19 on, whose square `f32` cannot hold.
    ///
    /// ```
    /// use burn::nn::LinearConfig;
    /// use burn::optim::GradientsParams;
    /// use burn::tensor::{Device, Tensor};
    /// use burn_descent::gradient::Norm;
    ///
    /// let device = Device::default().autodiff();
    /// let model = LinearConfig::new(2, 1).init(&device);
    /// let loss = model.forward(Tensor::<2>::from_data([[3.0, -4.0]], &device)).sum();
    /// let gradients = GradientsParams::from_grads(loss.backward(), &model);
    /// let norm = |norm: Norm| norm.of(&model, &gradients).expect("gradients").into_scalar::<f64>();
    /// assert_eq!(norm(Norm::Sum), 3.0 + 4.0 + 1.0);
    /// assert_eq!(norm(Norm::Maximum), 4.0);
    /// ```
    pub fn of<M: Module>(self, module: &M, gradients: &GradientsParams) -> Option<Tensor<1>> {
        match self {
            Self::Sum => total::<AbsoluteSum, M>(module, gradients),
            Self::Euclidean => total::<SquareSum, M>(module, gradients).map(Tensor::sqrt),
            Self::Maximum => total::<AbsoluteMaximum, M>(module, gradients),
        }
    }
}

/// A sum over all gradients of a module, on the device of the first; `None` if there are none.
pub(super) fn total<R: Reduction, M: Module>(module: &M, gradients: &GradientsParams) -> Option<Tensor<1>> {
    let mut total = Total::<R> { sum: None, of: PhantomData };
    for_each_shared_gradient(module, gradients, &mut total);
    total.sum
}

struct Total<R> {
    sum: Option<Tensor<1>>,
    of: PhantomData<R>,
}

impl<R: Reduction> EachGradient for Total<R> {
    fn each<const D: usize>(&mut self, _parameter: Parameter<'_>, gradient: Tensor<D>) -> Option<Tensor<D>> {
        let sum = kernel::reduce::<R, D>(&gradient);
        self.sum = Some(match self.sum.take() {
            None => sum,
            Some(total) => {
                let wider = if total.dtype() == DType::F64 { FloatDType::F64 } else { FloatDType::from(sum.dtype()) };
                let sum = sum.to_device(&total.device());
                R::join_tensors(total.cast(wider), sum.cast(wider))
            }
        });
        None
    }
}

/// Returns the global norm of the gradients that the parameters of `module` have, `‖g‖ = √Σg²` over all of them
/// together; none if there are no gradients. It is [`Norm::Euclidean`]'s [`of`](Norm::of): what
/// [`ChainConfig::clip_norm`](super::ChainConfig::clip_norm) clips by.
///
/// ```
/// use burn::nn::LinearConfig;
/// use burn::optim::GradientsParams;
/// use burn::tensor::{Device, Tensor};
/// use burn_descent::gradient::global_norm;
///
/// let device = Device::default().autodiff();
/// let model = LinearConfig::new(2, 1).with_bias(false).init(&device);
/// let loss = model.forward(Tensor::<2>::from_data([[3.0, -4.0]], &device)).sum();
/// let gradients = GradientsParams::from_grads(loss.backward(), &model);
/// let norm: f64 = global_norm(&model, &gradients).expect("there are gradients").into_scalar();
/// assert_eq!(norm, 5.0);
/// ```
pub fn global_norm<M: Module>(module: &M, gradients: &GradientsParams) -> Option<Tensor<1>> {
    Norm::Euclidean.of(module, gradients)
}

/// How many values of the gradients are not finite; `None` if there are no gradients.
pub(super) fn non_finite<M: Module>(module: &M, gradients: &GradientsParams) -> Option<Tensor<1>> {
    total::<NonFiniteCount, M>(module, gradients)
}

/// Scales the gradients down to a norm of `limit`, if theirs is above.
pub(super) fn clip<M: Module>(norm: Norm, limit: f64, module: &M, gradients: &mut GradientsParams) {
    let Some(norm) = norm.of(module, gradients) else {
        return;
    };
    match kernel::at_hand(&norm) {
        Some(norm) if norm <= limit => {}
        Some(norm) => for_each_gradient(module, gradients, &mut Scale(limit / norm)),
        None => for_each_gradient(module, gradients, &mut ScaleByTensor(factor(limit, norm))),
    }
}

/// `min(1, limit/norm)`, and NaN if the norm is.
fn factor(limit: f64, norm: Tensor<1>) -> Tensor<1> {
    let within = norm.clone().lower_equal_scalar(limit);
    (norm.recip() * limit).mask_fill(within, 1.0)
}

/// Multiplies each gradient by a number.
pub(super) struct Scale(pub(super) f64);

impl EachGradient for Scale {
    fn each<const D: usize>(&mut self, _parameter: Parameter<'_>, gradient: Tensor<D>) -> Option<Tensor<D>> {
        let dtype = FloatDType::from(gradient.dtype());
        // Half precision has no numbers as small as a factor may be.
        let working = FloatDType::from(kernel::working_dtype(gradient.dtype()));
        Some(if dtype == working { gradient * self.0 } else { (gradient.cast(working) * self.0).cast(dtype) })
    }
}

/// Multiplies each gradient by a number that its device has.
struct ScaleByTensor(Tensor<1>);

impl ScaleByTensor {
    fn scaled<const D: usize>(&self, gradient: Tensor<D>) -> Tensor<D> {
        let dtype = FloatDType::from(gradient.dtype());
        let working = FloatDType::from(kernel::working_dtype(gradient.dtype()));
        let factor = self.0.clone().to_device(&gradient.device()).cast(working).reshape([1; D]);
        (gradient.cast(working) * factor).cast(dtype)
    }
}

impl EachGradient for ScaleByTensor {
    fn each<const D: usize>(&mut self, _parameter: Parameter<'_>, gradient: Tensor<D>) -> Option<Tensor<D>> {
        Some(self.scaled(gradient))
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use burn::module::Param;
    use burn::tensor::Device;

    fn check_like_host<R: Reduction>(gradient: &Tensor<1>, working: FloatDType) {
        let (host, device) = (kernel::reduce::<R, 1>(gradient), R::of_tensor(gradient.clone().cast(working)));
        // Of two parts, too.
        let parts = [gradient.clone().narrow(0, 0, 1), gradient.clone().narrow(0, 1, 2)];
        let [one, other] = parts.map(|part| R::of_tensor(part.cast(working)));
        let [host, device, joined] =
            [host, device, R::join_tensors(one, other)].map(|value| value.into_scalar::<f64>());
        for found in [device, joined] {
            assert!(host == found || (host - found).abs() < 1e-3 || host.is_nan() && found.is_nan(), "{host}, {found}");
        }
    }

    /// 1.8e19 is where the square leaves `f32`.
    #[test]
    fn a_norm_whose_square_single_precision_cannot_hold_is_clipped() {
        for (large, limit) in [(3e20_f32, 1.0), (1e30, 1e25), (f32::MAX / 4.0, 10.0)] {
            let model = Param::from_tensor(Tensor::<1>::zeros([2], &Device::flex().autodiff()));
            let mut gradients = GradientsParams::new();
            gradients.register(model.id, Tensor::<1>::from_data([0.6 * large, -0.8 * large], &Device::flex()));
            clip(Norm::Euclidean, limit, &model, &mut gradients);
            let clipped = gradients.remove::<1>(model.id).expect("a gradient").into_data().convert::<f64>();
            for (found, expected) in clipped.iter::<f64>().zip([0.6 * limit, -0.8 * limit]) {
                assert!((found / expected - 1.0).abs() < 1e-5, "{large:e} to {limit}: {found}, not {expected}");
            }
        }
    }

    /// What devices do whose numbers the host has to ask for, done where it need not.
    #[test]
    fn a_device_gets_what_the_host_computes() {
        let device = Device::flex();
        for dtype in [DType::F32, DType::F64, DType::F16] {
            for values in [[3.0, -4.0, 0.0], [0.3, 0.4, 0.0], [0.0; 3], [f64::NAN, 1.0, 0.0], [f64::INFINITY, 1.0, 0.0]]
            {
                let gradient = Tensor::<1>::from_data(values, (&device, dtype));
                let working = FloatDType::from(kernel::working_dtype(dtype));
                let norm = SquareSum::of_tensor(gradient.clone().cast(working)).sqrt();
                let on_host = kernel::reduce::<SquareSum, 1>(&gradient).sqrt();
                // The host's sum has room for squares beyond the gradient's own precision.
                let wide = if dtype == DType::F16 { norm.dtype() } else { DType::F64 };
                assert_eq!(on_host.dtype(), wide);
                let bad = NonFiniteCount::of_tensor(gradient.clone().cast(working));
                assert_eq!(bad.dtype(), norm.dtype());
                assert_eq!(bad.into_scalar::<f64>(), values.iter().filter(|value| !value.is_finite()).count() as f64);
                let number: f64 = norm.clone().into_scalar();
                let scale = if number <= 1.0 { 1.0 } else { 1.0 / number };
                let found = ScaleByTensor(factor(1.0, norm)).scaled(gradient.clone());
                assert_eq!(found.dtype(), dtype);
                for (found, value) in found.into_data().convert::<f64>().iter::<f64>().zip(values) {
                    let expected = value * scale;
                    assert!(
                        (found - expected).abs() < 1e-3 || found.is_nan() && expected.is_nan(),
                        "{values:?}: {found}"
                    );
                }
                assert!((on_host.into_scalar::<f64>() - number).abs() < 1e-3 || !number.is_finite());
                check_like_host::<AbsoluteSum>(&gradient, working);
                check_like_host::<AbsoluteMaximum>(&gradient, working);
            }
        }
    }
}
