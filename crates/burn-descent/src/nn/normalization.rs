//! Runs Burn's batch normalization, faster in training on the CPU backends.

use burn::nn::BatchNorm;
use burn::tensor::Tensor;

/// Computes the batch normalization of `images` (`[batch, channels, height, width]`) by `layer`, as
/// `layer.forward(images)` does, running statistics included.
///
/// In training on the flex and ndarray backends, in `f32`, it runs as one operation on all threads. Anywhere else it is
/// `BatchNorm::forward`.
///
/// ```
/// use burn::nn::BatchNormConfig;
/// use burn::tensor::{Device, Distribution, Tensor};
/// use burn_descent::nn::normalize;
///
/// let device = Device::default().autodiff();
/// let layer = BatchNormConfig::new(8).init(&device);
/// let images = Tensor::<4>::random([16, 8, 5, 5], Distribution::Normal(3.0, 2.0), &device);
/// let deviation = normalize(&layer, images).square().mean().sqrt().into_scalar::<f32>();
/// assert!((deviation - 1.0).abs() < 1e-3);
/// ```
pub fn normalize(layer: &BatchNorm, images: Tensor<4>) -> Tensor<4> {
    #[cfg(feature = "_cpu")]
    if on_cpu::covers(layer, &images) {
        return on_cpu::normalize(layer, images);
    }
    layer.forward(images)
}

#[cfg(feature = "_cpu")]
mod on_cpu {
    use crate::nn::cpu::{ImageOps, supports};
    use burn::backend::Dispatch;
    use burn::module::RunningState;
    use burn::nn::BatchNorm;
    use burn::tensor::Tensor;

    /// Whether the layer trains on these images, and they are such that it can do so here.
    pub(super) fn covers(layer: &BatchNorm, images: &Tensor<4>) -> bool {
        let trains = images.device().is_autodiff() && layer.training.is_enabled();
        let [batch, channels, height, width] = images.dims();
        trains && supports(images) && batch * height * width > 0 && layer.gamma.dims() == [channels]
    }

    pub(super) fn normalize(layer: &BatchNorm, images: Tensor<4>) -> Tensor<4> {
        let images = images.into_dispatch();
        let moments = <Dispatch as ImageOps>::channel_moments(images.clone());
        let output = <Dispatch as ImageOps>::batch_normalization(
            images,
            moments.clone(),
            layer.gamma.val().into_dispatch(),
            layer.beta.val().into_dispatch(),
            layer.epsilon,
        );
        let [mean, variance] = [0, 1].map(|row| Tensor::<2>::from_dispatch(moments.clone()).narrow(0, row, 1));
        follow(&layer.running_mean, mean, layer.momentum);
        follow(&layer.running_var, variance, layer.momentum);
        Tensor::from_dispatch(output)
    }

    /// Moves running statistics towards those of a batch.
    fn follow(running: &RunningState<Tensor<1>>, of_batch: Tensor<2>, momentum: f64) {
        let last = running.value_sync().to_device(&of_batch.device());
        let next = last.mul_scalar(1.0 - momentum) + of_batch.squeeze_dim::<1>(0).mul_scalar(momentum);
        running.update(next.detach());
    }
}
