use burn::tensor::Tensor;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// Describes a number that an update rule computes with: SIMD lanes of `f32` or `f64`, or a whole tensor.
///
/// Coefficients are `f64` and are rounded to the number's own precision where they meet it.
pub trait Real:
    Clone
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + Add<f64, Output = Self>
    + Mul<f64, Output = Self>
{
    /// Returns the square root, `√x`.
    fn sqrt(self) -> Self;

    /// Returns the absolute value, `|x|`.
    fn abs(self) -> Self;

    /// Returns the larger of two numbers; `other` where either is NaN.
    fn max(self, other: Self) -> Self;

    /// Returns the number, or 0 where it is negative.
    fn positive_part(self) -> Self;

    /// Returns the sign, 1 or −1; zeros and NaN stay.
    fn sign(self) -> Self;

    /// Returns the number, or the nearer bound where it is outside of `[low, high]`.
    fn clamp(self, low: f64, high: f64) -> Self;

    /// Returns the square, `x²`.
    #[inline(always)]
    fn square(self) -> Self {
        self.clone() * self
    }

    /// Returns the square times a weight, `w·x²`, as averages of squares take it in. It is computed as `x·(w·x)`, which a
    /// small weight keeps finite where `x²` alone would not be.
    #[inline(always)]
    fn weighted_square(self, weight: f64) -> Self {
        self.clone() * weight * self
    }
}

impl<const D: usize> Real for Tensor<D> {
    fn sqrt(self) -> Self {
        Tensor::sqrt(self)
    }

    fn abs(self) -> Self {
        Tensor::abs(self)
    }

    fn max(self, other: Self) -> Self {
        let larger = self.clone().greater(other.clone());
        other.mask_where(larger, self)
    }

    fn positive_part(self) -> Self {
        self.clamp_min(0.0)
    }

    fn sign(self) -> Self {
        // Burn's own sign of NaN depends on the backend.
        let (positive, negative) = (self.clone().greater_elem(0.0), self.clone().lower_elem(0.0));
        self.mask_fill(positive, 1.0).mask_fill(negative, -1.0)
    }

    fn clamp(self, low: f64, high: f64) -> Self {
        Tensor::clamp(self, low, high)
    }
}
