//! Bilinear interpolation at given points.

use burn::tensor::Tensor;
use burn::tensor::ops::GridSampleOptions;

/// The values of `images` (`[batch, channels, height, width]`) at the points `x`, `y` (`[batch, rows, columns]`),
/// counted in pixels from the centre of the first one; black outside. On the flex and ndarray backends this runs on all
/// threads.
pub(super) fn sample(images: Tensor<4>, x: Tensor<3>, y: Tensor<3>) -> Tensor<4> {
    #[cfg(feature = "_cpu")]
    {
        use crate::nn::cpu::{ImageOps, supports};
        if supports(&images) {
            let sampled = <burn::backend::Dispatch as ImageOps>::sampling(
                images.into_dispatch(),
                x.into_dispatch(),
                y.into_dispatch(),
            );
            return Tensor::from_dispatch(sampled);
        }
    }
    sample_by_burn(images, x, y)
}

fn sample_by_burn(images: Tensor<4>, x: Tensor<3>, y: Tensor<3>) -> Tensor<4> {
    let [_, _, height, width] = images.dims();
    // Burn counts in half images from the centre.
    let [x, y] = [(x, width), (y, height)].map(|(c, side)| (c * 2.0 + 1.0) / side as f64 - 1.0);
    images.grid_sample_2d(Tensor::stack(vec![x, y], 3), GridSampleOptions::default())
}

#[cfg(all(test, feature = "_cpu"))]
mod tests {
    use super::*;
    use burn::tensor::{Device, Distribution};

    #[test]
    #[allow(deprecated)] // Burn 0.22 deprecates the ndarray backend.
    fn agrees_with_burn() {
        let devices = [
            #[cfg(feature = "flex")]
            Device::flex(),
            #[cfg(feature = "ndarray")]
            Device::ndarray(),
        ];
        for device in devices {
            let images = Tensor::<4>::random([3, 2, 7, 11], Distribution::Default, &device);
            // In any memory layout, and far outside too.
            let images = images.swap_dims(2, 3);
            let [x, y] = [0, 1].map(|_| Tensor::<3>::random([3, 6, 5], Distribution::Uniform(-3.0, 13.0), &device));
            let found = sample(images.clone(), x.clone(), y.clone());
            let farthest = (found - sample_by_burn(images, x, y)).abs().max().into_scalar::<f32>();
            assert!(farthest < 1e-5, "{farthest}");
        }
    }
}
