//! The convolution as an operation of the flex and ndarray backends, with its gradients.
#![allow(deprecated)] // Burn 0.22 deprecates the ndarray backend, which this crate supports for as long as it exists.

use super::unfold::{self, Geometry};
use crate::kernel::Buffer;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, backend_extension};
use burn::tensor::Shape;

#[cfg(feature = "flex")]
use burn::backend::Flex;
#[cfg(feature = "ndarray")]
use burn::backend::NdArray;

/// A backend with the unfolded convolution. `f32` only.
#[backend_extension(Flex: cfg(feature = "flex"), NdArray: cfg(feature = "ndarray"), Autodiff)]
pub trait UnfoldedConvolution: Backend {
    /// `[batch, C, H, W]` by `[O, C, k, k]` to `[batch, O, H', W']`.
    fn convolution(images: FloatTensor<Self>, weight: FloatTensor<Self>, geometry: Geometry) -> FloatTensor<Self>;
}

/// The gradients of a backend's convolution.
trait ConvolutionBackward: UnfoldedConvolution {
    fn convolution_backward(
        images: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        geometry: Geometry,
        input_wanted: bool,
    ) -> (Option<FloatTensor<Self>>, FloatTensor<Self>);
}

macro_rules! on_buffers {
    ($backend:ty) => {
        impl UnfoldedConvolution for $backend {
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
        }

        impl ConvolutionBackward for $backend {
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
        }
    };
}

fn contiguous<B: Buffer<f32>>(tensor: B) -> B {
    tensor.contiguous()
}

#[cfg(feature = "flex")]
on_buffers!(Flex);
#[cfg(feature = "ndarray")]
on_buffers!(NdArray);

impl<B: ConvolutionBackward, C: CheckpointStrategy> UnfoldedConvolution for Autodiff<B, C> {
    fn convolution(images: FloatTensor<Self>, weight: FloatTensor<Self>, geometry: Geometry) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct ConvolutionGradients;

        impl<B: ConvolutionBackward> Backward<B, 2> for ConvolutionGradients {
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
}
