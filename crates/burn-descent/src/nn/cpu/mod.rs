//! Computes operations on images on the flex and ndarray backends, in `f32`: those of convolutional networks, with
//! their gradients, and interpolation.
#![cfg_attr(not(feature = "vision"), allow(dead_code))] // Interpolation is for `augment` alone.
#![allow(deprecated)] // Burn 0.22 deprecates the ndarray backend, which this crate supports for as long as it exists.

mod normalize;
mod sample;
mod unfold;

pub use unfold::Geometry;

use crate::kernel::Buffer;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend, Backend, DispatchDevice, backend_extension};
use burn::tensor::{DType, Shape, Tensor};

#[cfg(feature = "flex")]
use burn::backend::Flex;
#[cfg(feature = "ndarray")]
use burn::backend::NdArray;

/// Adds operations on images to a backend.
#[backend_extension(Flex: cfg(feature = "flex"), NdArray: cfg(feature = "ndarray"), Autodiff)]
pub trait ImageOps: Backend {
    /// Computes the convolution of `[batch, C, H, W]` by `[O, C, k, k]`: `[batch, O, H', W']`.
    fn convolution(images: FloatTensor<Self>, weight: FloatTensor<Self>, geometry: Geometry) -> FloatTensor<Self>;

    /// Computes the mean and variance of each channel of `[batch, C, …]`: `[2, C]`, through which no gradient flows.
    fn channel_moments(images: FloatTensor<Self>) -> FloatTensor<Self>;

    /// Normalizes `[batch, C, …]` by its own [moments](Self::channel_moments), whose dependence on the images its
    /// gradient includes.
    fn batch_normalization(
        images: FloatTensor<Self>,
        moments: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self>;

    /// Interpolates `[batch, C, H, W]` between pixels, at the points `x`, `y` (`[batch, H', W']`):
    /// `[batch, C, H', W']`. No gradient flows through.
    fn sampling(images: FloatTensor<Self>, x: FloatTensor<Self>, y: FloatTensor<Self>) -> FloatTensor<Self>;
}

/// The gradients of a backend's operations.
trait ImageOpsBackward: ImageOps {
    /// By the images, where wanted, and by the weight.
    fn convolution_backward(
        images: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        geometry: Geometry,
        input_wanted: bool,
    ) -> (Option<FloatTensor<Self>>, FloatTensor<Self>);

    /// By the images, by γ and by β.
    fn batch_normalization_backward(
        images: FloatTensor<Self>,
        moments: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        epsilon: f64,
        grad: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 3];
}

macro_rules! on_buffers {
    ($backend:ty) => {
        impl ImageOps for $backend {
            fn convolution(
                images: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                geometry: Geometry,
            ) -> FloatTensor<Self> {
                let (images, weight) = (contiguous(images), contiguous(weight));
                let output = unfold::forward(&geometry, images.values(), weight.values());
                let [height, width] = geometry.output();
                Buffer::<f32>::from_vec(output, Shape::new([geometry.batch, geometry.channels, height, width]))
            }

            fn channel_moments(images: FloatTensor<Self>) -> FloatTensor<Self> {
                let images = contiguous(images);
                let sizes = sizes(&images);
                let moments = normalize::moments(sizes, images.values());
                Buffer::<f32>::from_vec(moments, Shape::new([2, sizes.channels]))
            }

            fn batch_normalization(
                images: FloatTensor<Self>,
                moments: FloatTensor<Self>,
                gamma: FloatTensor<Self>,
                beta: FloatTensor<Self>,
                epsilon: f64,
            ) -> FloatTensor<Self> {
                let [images, moments, gamma, beta] = [images, moments, gamma, beta].map(contiguous);
                let values = [&images, &moments, &gamma, &beta].map(Buffer::values);
                let output = normalize::forward(sizes(&images), values, epsilon);
                Buffer::<f32>::from_vec(output, Buffer::<f32>::shape(&images))
            }

            fn sampling(images: FloatTensor<Self>, x: FloatTensor<Self>, y: FloatTensor<Self>) -> FloatTensor<Self> {
                let [images, x, y] = [images, x, y].map(contiguous);
                let ([batch, channels, height, width], [_, rows, columns]) = (dims(&images), dims(&x));
                let values = [&images, &x, &y].map(Buffer::values);
                let output = sample::sample([channels, height, width], rows * columns, values);
                Buffer::<f32>::from_vec(output, Shape::new([batch, channels, rows, columns]))
            }
        }

        impl ImageOpsBackward for $backend {
            fn convolution_backward(
                images: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                grad: FloatTensor<Self>,
                geometry: Geometry,
                input_wanted: bool,
            ) -> (Option<FloatTensor<Self>>, FloatTensor<Self>) {
                let (images, weight, grad) = (contiguous(images), contiguous(weight), contiguous(grad));
                let (input_grad, weight_grad) =
                    unfold::backward(&geometry, images.values(), weight.values(), grad.values(), input_wanted);
                let input_grad =
                    input_grad.map(|values| Buffer::<f32>::from_vec(values, Buffer::<f32>::shape(&images)));
                (input_grad, Buffer::<f32>::from_vec(weight_grad, Buffer::<f32>::shape(&weight)))
            }

            fn batch_normalization_backward(
                images: FloatTensor<Self>,
                moments: FloatTensor<Self>,
                gamma: FloatTensor<Self>,
                epsilon: f64,
                grad: FloatTensor<Self>,
            ) -> [FloatTensor<Self>; 3] {
                let [images, moments, gamma, grad] = [images, moments, gamma, grad].map(contiguous);
                let values = [&images, &moments, &gamma, &grad].map(Buffer::values);
                let [images_grad, gamma_grad, beta_grad] = normalize::backward(sizes(&images), values, epsilon);
                let vector = |values| Buffer::<f32>::from_vec(values, Buffer::<f32>::shape(&gamma));
                let images_grad = Buffer::<f32>::from_vec(images_grad, Buffer::<f32>::shape(&images));
                [images_grad, vector(gamma_grad), vector(beta_grad)]
            }
        }
    };
}

/// Whether these operations exist for such a tensor.
pub(crate) fn supports<const D: usize>(tensor: &Tensor<D>) -> bool {
    let here = match tensor.device().inner().as_dispatch() {
        #[cfg(feature = "flex")]
        DispatchDevice::Flex(_) => true,
        #[cfg(feature = "ndarray")]
        DispatchDevice::NdArray(_) => true,
        _ => false,
    };
    here && tensor.dtype() == DType::F32
}

fn sizes<B: Buffer<f32>>(images: &B) -> normalize::Sizes {
    let shape = images.shape();
    normalize::Sizes { channels: shape[1], positions: shape.iter().skip(2).product() }
}

fn dims<B: Buffer<f32>, const D: usize>(tensor: &B) -> [usize; D] {
    let shape = tensor.shape();
    std::array::from_fn(|axis| shape[axis])
}

fn contiguous<B: Buffer<f32>>(tensor: B) -> B {
    tensor.contiguous()
}

#[cfg(feature = "flex")]
on_buffers!(Flex);
#[cfg(feature = "ndarray")]
on_buffers!(NdArray);

impl<B: ImageOpsBackward, C: CheckpointStrategy> ImageOps for Autodiff<B, C> {
    fn convolution(images: FloatTensor<Self>, weight: FloatTensor<Self>, geometry: Geometry) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct ConvolutionGradients;

        impl<B: ImageOpsBackward> Backward<B, 2> for ConvolutionGradients {
            type State = (FloatTensor<B>, FloatTensor<B>, Geometry);

            fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
                let [input_node, weight_node] = ops.parents;
                let grad = grads.consume::<B>(&ops.node);
                let (images, weight, geometry) = ops.state;
                let (input_grad, weight_grad) =
                    B::convolution_backward(images, weight, grad, geometry, input_node.is_some());
                if let (Some(node), Some(grad)) = (input_node, input_grad) {
                    grads.register::<B>(node.id, grad);
                }
                if let Some(node) = weight_node {
                    grads.register::<B>(node.id, weight_grad);
                }
            }
        }

        let nodes = [images.node(), weight.node()];
        match ConvolutionGradients.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(preparation) => {
                let (images, weight) = (images.primitive().clone(), weight.primitive().clone());
                let output = B::convolution(images.clone(), weight.clone(), geometry);
                preparation.finish((images, weight, geometry), output)
            }
            OpsKind::UnTracked(preparation) => {
                preparation.finish(B::convolution(images.into_primitive(), weight.into_primitive(), geometry))
            }
        }
    }

    fn channel_moments(images: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::from_inner(B::channel_moments(images.into_primitive()))
    }

    fn sampling(images: FloatTensor<Self>, x: FloatTensor<Self>, y: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::from_inner(B::sampling(images.into_primitive(), x.into_primitive(), y.into_primitive()))
    }

    fn batch_normalization(
        images: FloatTensor<Self>,
        moments: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct NormalizationGradients;

        impl<B: ImageOpsBackward> Backward<B, 3> for NormalizationGradients {
            type State = ([FloatTensor<B>; 3], f64);

            fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
                let grad = grads.consume::<B>(&ops.node);
                let ([images, moments, gamma], epsilon) = ops.state;
                let of_parents = B::batch_normalization_backward(images, moments, gamma, epsilon, grad);
                for (node, grad) in ops.parents.into_iter().zip(of_parents) {
                    if let Some(node) = node {
                        grads.register::<B>(node.id, grad);
                    }
                }
            }
        }

        let nodes = [images.node(), gamma.node(), beta.node()];
        let [images, moments, gamma, beta] = [images, moments, gamma, beta].map(|tensor| tensor.into_primitive());
        match NormalizationGradients.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(preparation) => {
                let state = ([images.clone(), moments.clone(), gamma.clone()], epsilon);
                preparation.finish(state, B::batch_normalization(images, moments, gamma, beta, epsilon))
            }
            OpsKind::UnTracked(preparation) => {
                preparation.finish(B::batch_normalization(images, moments, gamma, beta, epsilon))
            }
        }
    }
}
