//! The losses whose curvature in a network's outputs is known.

use burn::tensor::Tensor;
use burn::tensor::activation::{sigmoid, softmax};

/// Says which loss a network's outputs `[batch, outputs]` go into, and so the Hessian of the loss by the outputs, of which the
/// Gauss–Newton matrix is made. It is positive for all of them, and does not depend on the targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputLoss {
    /// Says that the outputs are logits of classes, and the loss the mean of their cross-entropies over the batch; smoothed or
    /// mixed targets have to sum up to 1.
    CrossEntropy,
    /// Says that each output is the logit of a probability, and the loss the mean of the binary cross-entropies of all of them.
    BinaryCrossEntropy,
    /// Says that the loss is the mean of the squared differences of all outputs from their targets.
    SquaredError,
}

impl OutputLoss {
    /// The product of the Hessian of the loss by the outputs with `v`, one number for each output.
    pub(super) fn hessian_product(self, outputs: Tensor<2>, v: Tensor<2>) -> Tensor<2> {
        let [rows, columns] = outputs.dims();
        match self {
            // (diag(p) − p·pᵀ)·v of each row.
            Self::CrossEntropy => {
                let p = softmax(outputs, 1);
                let p_v = p.clone() * v;
                (p_v.clone() - p * p_v.sum_dim(1)) / rows as f64
            }
            Self::BinaryCrossEntropy => v * variance(outputs) / (rows * columns) as f64,
            Self::SquaredError => v * (2.0 / (rows * columns) as f64),
        }
    }

    /// `S·z`, where S·Sᵀ is the Hessian of the loss by the outputs.
    pub(super) fn root_product(self, outputs: Tensor<2>, z: Tensor<2>) -> Tensor<2> {
        let [rows, columns] = outputs.dims();
        match self {
            // √p ∘ z − p·(√p·z) of each row.
            Self::CrossEntropy => {
                let p = softmax(outputs, 1);
                let root_z = p.clone().sqrt() * z;
                (root_z.clone() - p * root_z.sum_dim(1)) / (rows as f64).sqrt()
            }
            Self::BinaryCrossEntropy => z * variance(outputs).sqrt() / ((rows * columns) as f64).sqrt(),
            Self::SquaredError => z * (2.0 / (rows * columns) as f64).sqrt(),
        }
    }
}

/// `σ·(1 − σ)`.
fn variance(logits: Tensor<2>) -> Tensor<2> {
    let probability = sigmoid(logits);
    probability.clone() * (-probability + 1.0)
}
