//! Numbers that fill a SIMD register.

use crate::rule::Real;
use pulp::Simd;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

/// A float type whose values fill SIMD registers.
pub(crate) trait Element:
    burn::tensor::Element + bytemuck::Pod + PartialOrd + AddAssign + Mul<Output = Self>
{
    /// As many values as a register of `S` holds.
    type Register<S: Simd>: Copy;

    fn splat<S: Simd>(simd: S, value: f64) -> Self::Register<S>;
    fn add<S: Simd>(simd: S, a: Self::Register<S>, b: Self::Register<S>) -> Self::Register<S>;
    fn sub<S: Simd>(simd: S, a: Self::Register<S>, b: Self::Register<S>) -> Self::Register<S>;
    fn mul<S: Simd>(simd: S, a: Self::Register<S>, b: Self::Register<S>) -> Self::Register<S>;
    fn div<S: Simd>(simd: S, a: Self::Register<S>, b: Self::Register<S>) -> Self::Register<S>;
    fn neg<S: Simd>(simd: S, a: Self::Register<S>) -> Self::Register<S>;
    fn sqrt<S: Simd>(simd: S, a: Self::Register<S>) -> Self::Register<S>;
    /// `x` where `a > b`, else `y`.
    fn select_where_greater<S: Simd>(
        simd: S,
        a: Self::Register<S>,
        b: Self::Register<S>,
        x: Self::Register<S>,
        y: Self::Register<S>,
    ) -> Self::Register<S>;

    /// The larger; `b` where either is NaN.
    #[inline(always)]
    fn select_larger<S: Simd>(simd: S, a: Self::Register<S>, b: Self::Register<S>) -> Self::Register<S> {
        Self::select_where_greater(simd, a, b, a, b)
    }
}

macro_rules! element {
    ($float:ty, $register:ident, $splat:ident, $add:ident, $sub:ident, $mul:ident, $div:ident, $neg:ident,
     $sqrt:ident, $greater:ident, $select:ident) => {
        impl Element for $float {
            type Register<S: Simd> = S::$register;

            #[inline(always)]
            fn splat<S: Simd>(simd: S, value: f64) -> S::$register {
                simd.$splat(value as $float)
            }
            #[inline(always)]
            fn add<S: Simd>(simd: S, a: S::$register, b: S::$register) -> S::$register {
                simd.$add(a, b)
            }
            #[inline(always)]
            fn sub<S: Simd>(simd: S, a: S::$register, b: S::$register) -> S::$register {
                simd.$sub(a, b)
            }
            #[inline(always)]
            fn mul<S: Simd>(simd: S, a: S::$register, b: S::$register) -> S::$register {
                simd.$mul(a, b)
            }
            #[inline(always)]
            fn div<S: Simd>(simd: S, a: S::$register, b: S::$register) -> S::$register {
                simd.$div(a, b)
            }
            #[inline(always)]
            fn neg<S: Simd>(simd: S, a: S::$register) -> S::$register {
                simd.$neg(a)
            }
            #[inline(always)]
            fn sqrt<S: Simd>(simd: S, a: S::$register) -> S::$register {
                simd.$sqrt(a)
            }
            #[inline(always)]
            fn select_where_greater<S: Simd>(
                simd: S,
                a: S::$register,
                b: S::$register,
                x: S::$register,
                y: S::$register,
            ) -> S::$register {
                simd.$select(simd.$greater(a, b), x, y)
            }
        }
    };
}

element!(
    f32,
    f32s,
    splat_f32s,
    add_f32s,
    sub_f32s,
    mul_f32s,
    div_f32s,
    neg_f32s,
    sqrt_f32s,
    greater_than_f32s,
    select_f32s
);
element!(
    f64,
    f64s,
    splat_f64s,
    add_f64s,
    sub_f64s,
    mul_f64s,
    div_f64s,
    neg_f64s,
    sqrt_f64s,
    greater_than_f64s,
    select_f64s
);

/// A register full of numbers.
pub(super) struct Lanes<S: Simd, E: Element>(S, E::Register<S>);

impl<S: Simd, E: Element> Lanes<S, E> {
    #[inline(always)]
    pub(super) fn splat(simd: S, value: f64) -> Self {
        Self(simd, E::splat(simd, value))
    }

    /// # Safety
    ///
    /// `pointer` must be valid for reading as many values as a register holds.
    #[inline(always)]
    pub(super) unsafe fn load(simd: S, pointer: *const E) -> Self {
        // SAFETY: by the caller.
        Self(simd, unsafe { pointer.cast::<E::Register<S>>().read_unaligned() })
    }

    /// # Safety
    ///
    /// `pointer` must be valid for writing as many values as a register holds.
    #[inline(always)]
    pub(super) unsafe fn store(self, pointer: *mut E) {
        // SAFETY: by the caller.
        unsafe { pointer.cast::<E::Register<S>>().write_unaligned(self.1) }
    }
}

impl<S: Simd, E: Element> Clone for Lanes<S, E> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}
impl<S: Simd, E: Element> Copy for Lanes<S, E> {}

macro_rules! operator {
    ($trait:ident, $method:ident) => {
        impl<S: Simd, E: Element> $trait for Lanes<S, E> {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                Self(self.0, <E as Element>::$method(self.0, self.1, other.1))
            }
        }
    };
    ($trait:ident, $method:ident, f64) => {
        impl<S: Simd, E: Element> $trait<f64> for Lanes<S, E> {
            type Output = Self;
            #[inline(always)]
            fn $method(self, scalar: f64) -> Self {
                Self(self.0, <E as Element>::$method(self.0, self.1, E::splat(self.0, scalar)))
            }
        }
    };
}

operator!(Add, add);
operator!(Sub, sub);
operator!(Mul, mul);
operator!(Div, div);
operator!(Add, add, f64);
operator!(Mul, mul, f64);

impl<S: Simd, E: Element> Neg for Lanes<S, E> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Self(self.0, E::neg(self.0, self.1))
    }
}

impl<S: Simd, E: Element> Real for Lanes<S, E> {
    #[inline(always)]
    fn sqrt(self) -> Self {
        Self(self.0, E::sqrt(self.0, self.1))
    }

    #[inline(always)]
    fn abs(self) -> Self {
        // With pulp's own AdaMax is half as fast.
        let (simd, x, zero) = (self.0, self.1, E::splat(self.0, 0.0));
        Self(simd, E::select_where_greater(simd, zero, x, E::sub(simd, zero, x), x))
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        Self(self.0, E::select_larger(self.0, self.1, other.1))
    }

    #[inline(always)]
    fn positive_part(self) -> Self {
        Self(self.0, E::select_larger(self.0, E::splat(self.0, 0.0), self.1))
    }

    #[inline(always)]
    fn sign(self) -> Self {
        let (simd, x) = (self.0, self.1);
        let [zero, one, minus_one] = [E::splat(simd, 0.0), E::splat(simd, 1.0), E::splat(simd, -1.0)];
        let negative = E::select_where_greater(simd, zero, x, minus_one, x);
        Self(simd, E::select_where_greater(simd, x, zero, one, negative))
    }

    #[inline(always)]
    fn clamp(self, low: f64, high: f64) -> Self {
        let (simd, x) = (self.0, self.1);
        let [low, high] = [E::splat(simd, low), E::splat(simd, high)];
        let x = E::select_where_greater(simd, low, x, low, x);
        Self(simd, E::select_where_greater(simd, x, high, high, x))
    }
}
