use crate::gradient::OutputAxis;
use burn::tensor::{FloatDType, Tensor};
use serde::{Deserialize, Serialize};

/// Says what a penalty measures of a tensor d, with its strength α.
///
/// | | value | gradient | decoupled, after a step at rate η | source |
/// | --- | --- | --- | --- | --- |
/// | `Squared` | `α/2·Σd²` | `α·d` | `d ← d·max(0, 1 − ηα)` | Kao; F2 |
/// | `Euclidean` | `α·‖d‖` | `α·d/‖d‖`, 0 at 0 | `d ← d·max(0, 1 − ηα/‖d‖)` | Kao; F2, F4, F5 |
/// | `Absolute` | `α·Σ\|d\|` | `α·sign(d)` | `d ← sign(d)·max(0, \|d\| − ηα)` | Kao; F3 |
///
/// ‖d‖ is Frobenius' norm, of each tensor by itself. The decoupled forms of the last two are proximal steps: they come
/// to zero and stay there, a tensor as a whole or each value by itself, where the gradient alone would go to and fro
/// across it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Norm {
    /// Measures half of the sum of squares: L2, weight decay, ridge.
    Squared,
    /// Measures the square root of the sum of squares.
    Euclidean,
    /// Measures the sum of absolute values: L1, lasso.
    Absolute,
}

impl Norm {
    /// Returns the value of the table above, differentiable, in the tensor's precision.
    pub fn value<const D: usize>(self, strength: f64, d: Tensor<D>) -> Tensor<1> {
        let measured = match self {
            Self::Squared => d.square().sum() * 0.5,
            Self::Euclidean => euclidean(d),
            Self::Absolute => d.abs().sum(),
        };
        measured * strength
    }

    /// Returns the gradient of the table above.
    pub fn gradient<const D: usize>(self, strength: f64, d: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Squared => d * strength,
            Self::Euclidean => {
                let norm = euclidean(d.clone());
                let scale = norm.clone().recip() * strength;
                d * scale.mask_fill(norm.equal_scalar(0.0), 0.0).reshape([1; D])
            }
            Self::Absolute => d.sign() * strength,
        }
    }

    /// Returns d after the decoupled step of the table above; `amount` is ηα.
    pub fn shrunk<const D: usize>(self, amount: f64, d: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Squared => d * (1.0 - amount).max(0.0),
            Self::Euclidean => {
                let norm = euclidean(d.clone());
                let kept = (norm.clone().recip() * -amount + 1.0).clamp_min(0.0);
                d * kept.mask_fill(norm.equal_scalar(0.0), 0.0).reshape([1; D])
            }
            Self::Absolute => {
                let sign = d.clone().sign();
                sign * (d.abs() - amount).clamp_min(0.0)
            }
        }
    }
}

/// ‖d‖, whose gradient at zero is zero.
fn euclidean<const D: usize>(d: Tensor<D>) -> Tensor<1> {
    let squares = d.square().sum();
    let zero = squares.clone().equal_scalar(0.0);
    squares.mask_fill(zero.clone(), 1.0).sqrt().mask_fill(zero, 0.0)
}

/// `w·min(1, limit/‖w‖)`, ‖w‖ over the weights into each output, of which a tensor of rank 1 has one each.
pub(super) fn within<const D: usize>(w: Tensor<D>, limit: f64, outputs: OutputAxis) -> Tensor<D> {
    if D == 1 {
        return w.clamp(-limit, limit);
    }
    let working = FloatDType::from(w.dtype());
    let squares = w.clone().square().sum_dims(&outputs.others(D));
    // A norm of zero gives an infinite scale, of which the lesser is 1.
    let scale = (squares.sqrt().recip() * limit).clamp_max(1.0).cast(working);
    w * scale
}
