//! Numbers that know their derivatives: a function that is written once gives its value, gradient and Hessian.

use std::ops::{Add, Mul, Neg, Sub};

/// What a surface is a function of: numbers alone, or numbers with their derivatives.
pub(super) trait Number:
    Copy
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Neg<Output = Self>
    + Add<f64, Output = Self>
    + Sub<f64, Output = Self>
    + Mul<f64, Output = Self>
{
    /// The value, and the first two derivatives of a function at it, for the chain rule.
    fn map(self, at: impl FnOnce(f64) -> [f64; 3]) -> Self;

    fn square(self) -> Self {
        self * self
    }

    fn exp(self) -> Self {
        self.map(|x| [x.exp(); 3])
    }

    fn sin(self) -> Self {
        self.map(|x| [x.sin(), x.cos(), -x.sin()])
    }

    fn cos(self) -> Self {
        self.map(|x| [x.cos(), -x.sin(), -x.cos()])
    }

    /// The square root, whose derivatives at 0, where there are none, count as 0.
    fn sqrt(self) -> Self {
        self.map(|x| match x.sqrt() {
            0.0 => [0.0; 3],
            root => [root, 0.5 / root, -0.25 / (x * root)],
        })
    }

    /// 1/(1 + e⁻ˣ).
    fn sigmoid(self) -> Self {
        self.map(|x| {
            let s = 1.0 / (1.0 + (-x).exp());
            let slope = s * (1.0 - s);
            [s, slope, slope * (1.0 - 2.0 * s)]
        })
    }
}

impl Number for f64 {
    fn map(self, at: impl FnOnce(f64) -> [f64; 3]) -> Self {
        at(self)[0]
    }
}

/// A value with its derivatives by two coordinates: forward-mode differentiation to the second order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Jet {
    pub(super) value: f64,
    pub(super) gradient: [f64; 2],
    /// The entries xx, xy and yy.
    pub(super) hessian: [f64; 3],
}

impl Jet {
    /// The coordinate number `index` at `value`.
    pub(super) fn coordinate(value: f64, index: usize) -> Self {
        let mut gradient = [0.0; 2];
        gradient[index] = 1.0;
        Self { value, gradient, hessian: [0.0; 3] }
    }

    /// Everything by itself times its factor, in sum.
    fn combined(self, factor: f64, other: Self, others: f64) -> Self {
        let sum = |one: f64, other: f64| factor * one + others * other;
        Self {
            value: sum(self.value, other.value),
            gradient: std::array::from_fn(|i| sum(self.gradient[i], other.gradient[i])),
            hessian: std::array::from_fn(|i| sum(self.hessian[i], other.hessian[i])),
        }
    }
}

/// The two coordinates that an entry of the Hessian is by.
const ENTRIES: [[usize; 2]; 3] = [[0, 0], [0, 1], [1, 1]];

impl Number for Jet {
    fn map(self, at: impl FnOnce(f64) -> [f64; 3]) -> Self {
        let [value, first, second] = at(self.value);
        let d = self.gradient;
        Self {
            value,
            gradient: d.map(|d| first * d),
            hessian: std::array::from_fn(|i| {
                let [one, other] = ENTRIES[i];
                first * self.hessian[i] + second * d[one] * d[other]
            }),
        }
    }
}

impl Add for Jet {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        self.combined(1.0, other, 1.0)
    }
}

impl Sub for Jet {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self.combined(1.0, other, -1.0)
    }
}

impl Mul for Jet {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        let mut product = self.combined(other.value, other, self.value);
        product.value = self.value * other.value;
        for (entry, [one, two]) in product.hessian.iter_mut().zip(ENTRIES) {
            *entry += self.gradient[one] * other.gradient[two] + self.gradient[two] * other.gradient[one];
        }
        product
    }
}

impl Neg for Jet {
    type Output = Self;

    fn neg(self) -> Self {
        self * -1.0
    }
}

impl Add<f64> for Jet {
    type Output = Self;

    fn add(self, number: f64) -> Self {
        Self { value: self.value + number, ..self }
    }
}

impl Sub<f64> for Jet {
    type Output = Self;

    fn sub(self, number: f64) -> Self {
        self + -number
    }
}

impl Mul<f64> for Jet {
    type Output = Self;

    fn mul(self, factor: f64) -> Self {
        Self {
            value: factor * self.value,
            gradient: self.gradient.map(|d| factor * d),
            hessian: self.hessian.map(|d| factor * d),
        }
    }
}
