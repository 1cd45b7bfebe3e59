//! Functions of two coordinates: the ones that optimizers are shown on.

use super::gabor;
use super::jet::{Jet, Number};
use std::f64::consts::{E, TAU};
use std::fmt;
use std::str::FromStr;

/// Names a function of two coordinates to descend on, with its derivatives, its minima and the usual starts.
///
/// | name | f(x, y) | what it shows |
/// | --- | --- | --- |
/// | `beale` | (1.5 − x + xy)² + (2.25 − x + xy²)² + (2.625 − x + xy³)² | a valley among cliffs (Kao; coverage H2) |
/// | `rosenbrock` | (1 − x)² + 100(y − x²)² | a bent valley |
/// | `himmelblau` | (x² + y − 11)² + (x + y² − 7)² | four minima of the same depth |
/// | `booth` | (x + 2y − 7)² + (2x + y − 5)² | a quadratic |
/// | `rastrigin` | 20 + x² − 10 cos 2πx + y² − 10 cos 2πy | a minimum at all whole numbers |
/// | `ackley` | 20 + e − 20 exp(−0.2 √((x² + y²)/2)) − exp((cos 2πx + cos 2πy)/2) | a funnel in a rough plain |
/// | `saddle` | x² − y² | a saddle point, and no minimum (Serra, Ruder; coverage H4) |
/// | `ravine` | (x² + 40y²)/2 | a ravine, along which plain descent hardly moves (Ruder; coverage G3) |
/// | `plateau` | 1 − exp(−(x² + 4y²)/2) | a plain without a slope around one minimum (Serra; coverage G3) |
/// | `cliff` | (σ(h₅₀) − 0.7)², h₀ = 0.5, hₜ₊₁ = x·σ(hₜ) + y | the cliffs of a recurrent unit (Pascanu et al. 2013; coverage G1) |
/// | `two-minima` | two dents in a bowl | a local minimum besides the global one (Kao; coverage H3) |
/// | `gabor` | Σ (f[xᵢ, φ] − yᵢ)², φ = (x, y) | the least squares of a [`Gabor`](super::Gabor) model (Serra; coverage H1) |
///
/// The derivatives are exact: the formula is evaluated on numbers that carry them.
///
/// ```
/// use burn_descent::landscape::Surface;
///
/// let beale: Surface = "beale".parse().expect("a known name");
/// assert_eq!(beale.value([3.0, 0.5]), 0.0);
/// assert_eq!(beale.gradient([3.0, 0.5]), [0.0, 0.0]);
/// assert_eq!(beale.value([0.0, 0.0]), 1.5 * 1.5 + 2.25 * 2.25 + 2.625 * 2.625);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Surface {
    /// Names Beale's function.
    Beale,
    /// Names Rosenbrock's function.
    Rosenbrock,
    /// Names Himmelblau's function.
    Himmelblau,
    /// Names Booth's function.
    Booth,
    /// Names Rastrigin's function.
    Rastrigin,
    /// Names Ackley's function.
    Ackley,
    /// Names a saddle.
    Saddle,
    /// Names a ravine.
    Ravine,
    /// Names a plateau.
    Plateau,
    /// Names the loss of a recurrent unit over fifty steps, by its weight and bias.
    Cliff,
    /// Names a bowl with two dents.
    TwoMinima,
    /// Names the loss of a Gabor model.
    Gabor,
}

/// Fails where no surface goes by a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown surface `{name}`; known: {}{}",
    Surface::ALL.map(Surface::name).join(", "),
    crate::text::did_you_mean(name, Surface::ALL.iter().map(|surface| surface.name()))
)]
pub struct UnknownSurface {
    /// Gives the name.
    pub name: String,
}

impl Surface {
    /// Lists all surfaces.
    pub const ALL: [Self; 12] = [
        Self::Beale,
        Self::Rosenbrock,
        Self::Himmelblau,
        Self::Booth,
        Self::Rastrigin,
        Self::Ackley,
        Self::Saddle,
        Self::Ravine,
        Self::Plateau,
        Self::Cliff,
        Self::TwoMinima,
        Self::Gabor,
    ];

    /// Returns the name, as in the table above.
    pub fn name(self) -> &'static str {
        match self {
            Self::Beale => "beale",
            Self::Rosenbrock => "rosenbrock",
            Self::Himmelblau => "himmelblau",
            Self::Booth => "booth",
            Self::Rastrigin => "rastrigin",
            Self::Ackley => "ackley",
            Self::Saddle => "saddle",
            Self::Ravine => "ravine",
            Self::Plateau => "plateau",
            Self::Cliff => "cliff",
            Self::TwoMinima => "two-minima",
            Self::Gabor => "gabor",
        }
    }

    fn at<N: Number>(self, [x, y]: [N; 2]) -> N {
        let bell = |[a, b]: [f64; 2], width: f64| {
            ((x - a).square() + (y - b).square()).map(|r| {
                let scale = -0.5 / (width * width);
                let bell = (scale * r).exp();
                [bell, scale * bell, scale * scale * bell]
            })
        };
        match self {
            Self::Beale => {
                let term = |c: f64, power: N| (x * power - x + c).square();
                term(1.5, y) + term(2.25, y * y) + term(2.625, y * y * y)
            }
            Self::Rosenbrock => (x - 1.0).square() + (y - x * x).square() * 100.0,
            Self::Himmelblau => (x * x + y - 11.0).square() + (x + y * y - 7.0).square(),
            Self::Booth => (x + y * 2.0 - 7.0).square() + (x * 2.0 + y - 5.0).square(),
            Self::Rastrigin => {
                let term = |u: N| u * u - (u * TAU).cos() * 10.0;
                term(x) + term(y) + 20.0
            }
            Self::Ackley => {
                let radius = ((x * x + y * y) * 0.5).sqrt();
                let waves = ((x * TAU).cos() + (y * TAU).cos()) * 0.5;
                -((radius * -0.2).exp() * 20.0) - waves.exp() + (20.0 + E)
            }
            Self::Saddle => x * x - y * y,
            Self::Ravine => (x * x + y * y * 40.0) * 0.5,
            Self::Plateau => -((x * x + y * y * 4.0) * -0.5).exp() + 1.0,
            Self::Cliff => {
                let mut h = x * 0.0 + 0.5;
                for _ in 0..50 {
                    h = x * h.sigmoid() + y;
                }
                (h.sigmoid() - 0.7).square()
            }
            Self::TwoMinima => {
                let [local, global] = DENTS;
                let dents = bell(local, 0.7) + bell(global, 0.8) * 1.8;
                (x * x + y * y) * 0.05 - dents + 2.8
            }
            Self::Gabor => gabor::loss([x, y], gabor::examples()),
        }
    }

    /// Returns the value at a point.
    pub fn value(self, point: [f64; 2]) -> f64 {
        self.at(point)
    }

    /// Returns the gradient at a point. That of `ackley` at its minimum, where there is none, is 0.
    pub fn gradient(self, point: [f64; 2]) -> [f64; 2] {
        self.jet(point).gradient
    }

    /// Returns the Hessian at a point, `[[xx, xy], [xy, yy]]`.
    pub fn hessian(self, point: [f64; 2]) -> [[f64; 2]; 2] {
        let [xx, xy, yy] = self.jet(point).hessian;
        [[xx, xy], [xy, yy]]
    }

    fn jet(self, [x, y]: [f64; 2]) -> Jet {
        self.at([Jet::coordinate(x, 0), Jet::coordinate(y, 1)])
    }

    /// Returns what is usually looked at: the least and greatest x, the least and greatest y.
    pub fn domain(self) -> [[f64; 2]; 2] {
        match self {
            Self::Beale => [[-4.5, 4.5], [-4.5, 4.5]],
            Self::Rosenbrock => [[-2.0, 2.0], [-1.0, 3.0]],
            Self::Himmelblau => [[-6.0, 6.0], [-6.0, 6.0]],
            Self::Booth => [[-10.0, 10.0], [-10.0, 10.0]],
            Self::Rastrigin => [[-5.12, 5.12], [-5.12, 5.12]],
            Self::Ackley => [[-5.0, 5.0], [-5.0, 5.0]],
            Self::Saddle => [[-2.0, 2.0], [-2.0, 2.0]],
            Self::Ravine => [[-11.0, 3.0], [-2.0, 2.0]],
            Self::Plateau => [[-5.0, 3.0], [-3.0, 3.0]],
            Self::Cliff => [[4.5, 7.0], [-3.0, -2.0]],
            Self::TwoMinima => [[-2.5, 2.5], [-2.5, 2.5]],
            Self::Gabor => [[-10.0, 10.0], [2.5, 22.5]],
        }
    }

    /// Tells whether a point is in the domain.
    pub fn contains(self, point: [f64; 2]) -> bool {
        self.domain().iter().zip(point).all(|([least, most], x)| (*least..=*most).contains(&x))
    }

    /// Returns the minima in the domain, the global ones first. There is none of `saddle` and `cliff`, whose lowest points are no
    /// point each, and of `rastrigin`, `ackley` and `gabor` only the global one is given.
    pub fn minima(self) -> Vec<[f64; 2]> {
        let near: &[[f64; 2]] = match self {
            Self::Beale => return vec![[3.0, 0.5]],
            Self::Rosenbrock => return vec![[1.0, 1.0]],
            Self::Booth => return vec![[1.0, 3.0]],
            Self::Rastrigin | Self::Ackley | Self::Ravine | Self::Plateau => return vec![[0.0, 0.0]],
            Self::Saddle | Self::Cliff => return Vec::new(),
            Self::Himmelblau => &[[3.0, 2.0], [-2.8, 3.1], [-3.8, -3.3], [3.6, -1.8]],
            Self::TwoMinima => &[[0.97, 1.25], [1.14, -0.88]],
            Self::Gabor => &[[0.0, 16.6]],
        };
        near.iter().map(|near| self.stationary(*near)).collect()
    }

    /// The stationary point that Newton's method comes to from nearby.
    fn stationary(self, near: [f64; 2]) -> [f64; 2] {
        (0..50).fold(near, |[x, y], _| {
            let Jet { gradient: [a, b], hessian: [xx, xy, yy], .. } = self.jet([x, y]);
            let determinant = xx * yy - xy * xy;
            [x - (yy * a - xy * b) / determinant, y - (xx * b - xy * a) / determinant]
        })
    }

    /// Lists points to start from: the lectures', or the usual ones.
    pub fn starts(self) -> &'static [[f64; 2]] {
        match self {
            Self::Beale => &[[2.0, -2.0], [-3.0, 3.0]],
            Self::Rosenbrock => &[[-1.2, 1.0]],
            Self::Himmelblau | Self::Booth => &[[0.0, 0.0]],
            Self::Rastrigin => &[[2.4, -1.7]],
            Self::Ackley => &[[-2.6, 3.3]],
            Self::Saddle => &[[-1.6, 0.001]],
            Self::Ravine => &[[-10.0, 1.0]],
            Self::Plateau => &[[-3.2, 1.2]],
            Self::Cliff => &[[5.9, -2.5]],
            Self::TwoMinima => &[[-1.5, -1.5]],
            Self::Gabor => &[[0.0, 12.0], [-5.0, 10.0], [5.0, 18.0]],
        }
    }

    /// Says in which lecture or paper the surface stands.
    pub fn source(self) -> &'static str {
        match self {
            Self::Beale => "Kao, after Beale 1958",
            Self::Rosenbrock => "Rosenbrock 1960",
            Self::Himmelblau => "Himmelblau 1972",
            Self::Booth => "Jamil & Yang 2013",
            Self::Rastrigin => "Rastrigin 1974",
            Self::Ackley => "Ackley 1987",
            Self::Saddle => "Serra, Ruder, after Radford",
            Self::Ravine => "Ruder, after Sutton 1986",
            Self::Plateau => "Serra",
            Self::Cliff => "Kao, after Pascanu et al. 2013",
            Self::TwoMinima => "Kao",
            Self::Gabor => "Serra, after Prince 2023",
        }
    }
}

/// Where the dents of `two-minima` are, that of the local minimum first.
const DENTS: [[f64; 2]; 2] = [[1.2, -1.0], [1.0, 1.3]];

impl fmt::Display for Surface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Surface {
    type Err = UnknownSurface;

    /// Reads a name, such as `two-minima`.
    fn from_str(text: &str) -> Result<Self, UnknownSurface> {
        let name = crate::text::plain(text);
        let found = Self::ALL.into_iter().find(|surface| surface.name() == name);
        found.ok_or_else(|| UnknownSurface { name: text.to_owned() })
    }
}
