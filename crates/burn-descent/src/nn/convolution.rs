//! Runs Burn's convolution layer, faster on the CPU backends.
//!
//! Burn 0.22's own convolution is slow to train on the flex backend and slower by far on ndarray. [`convolve`] runs a
//! [`Conv2d`] there as unfolding and matrix product, forward and backward; anywhere else, and for the settings that
//! it does not cover, it is `Conv2d::forward`.

use burn::nn::conv::Conv2d;
use burn::tensor::Tensor;

/// Computes the convolution of `images` (`[batch, channels, height, width]`) by `layer`, as `layer.forward(images)`
/// does.
///
/// On the flex and ndarray backends, in `f32`, without groups and dilation and with symmetric padding, it is computed
/// as unfolding and matrix product, which is several times faster to train.
///
/// ```
/// use burn::nn::conv::Conv2dConfig;
/// use burn::tensor::{Device, Tensor};
/// use burn_descent::nn::convolve;
///
/// let device = Device::default();
/// let layer = Conv2dConfig::new([1, 8], [5, 5]).with_stride([2, 2]).init(&device);
/// let output = convolve(&layer, Tensor::zeros([3, 1, 28, 28], &device));
/// assert_eq!(output.dims(), [3, 8, 12, 12]);
/// ```
pub fn convolve(layer: &Conv2d, images: Tensor<4>) -> Tensor<4> {
    #[cfg(feature = "_cpu")]
    if let Some(geometry) = unfolded::geometry(layer, &images) {
        return unfolded::convolve(layer, images, geometry);
    }
    layer.forward(images)
}

#[cfg(feature = "_cpu")]
mod unfolded {
    use crate::nn::cpu::{Geometry, ImageOps, supports};
    use burn::backend::Dispatch;
    use burn::nn::PaddingConfig2d;
    use burn::nn::conv::Conv2d;
    use burn::tensor::Tensor;

    /// The sizes of the convolution, if it can run unfolded.
    pub(super) fn geometry(layer: &Conv2d, images: &Tensor<4>) -> Option<Geometry> {
        let padding = match layer.padding {
            PaddingConfig2d::Valid => [0, 0],
            PaddingConfig2d::Explicit(top, left, bottom, right) if (top, left) == (bottom, right) => [top, left],
            PaddingConfig2d::Same if layer.stride == [1, 1] && layer.kernel_size.iter().all(|side| side % 2 == 1) => {
                layer.kernel_size.map(|side| side / 2)
            }
            _ => return None,
        };
        let [batch, channels, height, width] = images.dims();
        let fits = height + 2 * padding[0] >= layer.kernel_size[0] && width + 2 * padding[1] >= layer.kernel_size[1];
        let plain = layer.groups == 1 && layer.dilation == [1, 1] && layer.weight.dims()[1] == channels;
        (supports(images) && plain && fits && batch > 0).then(|| Geometry {
            batch,
            input: [channels, height, width],
            channels: layer.weight.dims()[0],
            kernel: layer.kernel_size,
            stride: layer.stride,
            padding,
        })
    }

    pub(super) fn convolve(layer: &Conv2d, images: Tensor<4>, geometry: Geometry) -> Tensor<4> {
        let output =
            <Dispatch as ImageOps>::convolution(images.into_dispatch(), layer.weight.val().into_dispatch(), geometry);
        let output = Tensor::<4>::from_dispatch(output);
        match &layer.bias {
            Some(bias) => output + bias.val().reshape([1, geometry.channels, 1, 1]),
            None => output,
        }
    }

    #[cfg(test)]
    mod tests {
        use super::geometry;
        use burn::nn::PaddingConfig2d;
        use burn::nn::conv::{Conv2d, Conv2dConfig};
        use burn::tensor::{DType, Device, Tensor};

        /// Whether the layer's convolution runs unfolded on 8x8 images.
        #[allow(deprecated)] // Burn 0.22 deprecates the ndarray backend.
        fn runs_unfolded(config: Conv2dConfig, dtype: DType) -> bool {
            let devices = [
                #[cfg(feature = "flex")]
                Device::flex(),
                #[cfg(feature = "ndarray")]
                Device::ndarray(),
            ];
            let answers = devices.map(|device| {
                let layer: Conv2d = config.init(&device);
                let images = |device: &Device| Tensor::zeros([2, config.channels[0], 8, 8], (device, dtype));
                let plain = geometry(&layer, &images(&device)).is_some();
                assert_eq!(plain, geometry(&layer, &images(&device.autodiff())).is_some());
                plain
            });
            assert!(answers.iter().all(|answer| *answer == answers[0]), "the backends should agree");
            answers[0]
        }

        /// Results that agree with Burn's do not tell whose they are.
        #[test]
        fn the_usual_layers_run_unfolded_and_the_others_do_not() {
            let layer = || Conv2dConfig::new([4, 6], [3, 3]);
            assert!(runs_unfolded(layer(), DType::F32));
            assert!(runs_unfolded(layer().with_stride([2, 3]), DType::F32));
            assert!(runs_unfolded(layer().with_padding(PaddingConfig2d::Same), DType::F32));
            assert!(runs_unfolded(layer().with_padding(PaddingConfig2d::Explicit(2, 1, 2, 1)), DType::F32));
            assert!(runs_unfolded(Conv2dConfig::new([1, 1], [8, 8]), DType::F32));
            assert!(!runs_unfolded(layer(), DType::F64));
            assert!(!runs_unfolded(layer().with_groups(2), DType::F32));
            assert!(!runs_unfolded(layer().with_dilation([1, 2]), DType::F32));
            assert!(!runs_unfolded(layer().with_padding(PaddingConfig2d::Explicit(1, 0, 2, 1)), DType::F32));
            assert!(!runs_unfolded(Conv2dConfig::new([4, 6], [2, 2]).with_padding(PaddingConfig2d::Same), DType::F32));
            assert!(!runs_unfolded(Conv2dConfig::new([1, 1], [9, 8]), DType::F32));
        }
    }
}
