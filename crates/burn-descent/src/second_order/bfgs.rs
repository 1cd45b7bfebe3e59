use super::method::{Method, PREFIX, Point, Problem};
use super::record::{method_number, method_tensor};
use super::report::{Ending, MatrixTooLarge};
use super::search::{Stepped, along_gradient, unit_step};
use super::{LineSearchConfig, Minimizer};
use crate::error::{ConfigError, ValueRange};
use burn::config::Config;
use burn::optim::{StateSink, StateSource};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// Selects how H is multiplied before it is updated by a pair, where `τ = yᵀs/yᵀHy` is what the pair says of its scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BfgsScaling {
    /// Selects none, as SciPy: n parameters of another scale take n steps to be learned.
    None,
    /// Selects τ, before the first pair alone (Nocedal & Wright 2006, equation 6.20). On a quadratic, exact steps make H the
    /// inverse of the Hessian, as without scaling.
    First,
    /// Selects `τ^½` before the first pair, `τ^¼` before the second, and so on: what the first pair says of the scale is half
    /// believed, and corrected by those that follow.
    Fading,
}

/// Configures BFGS, the quasi-Newton method of Broyden, Fletcher, Goldfarb and Shanno (Nocedal & Wright 2006, algorithm
/// 6.1). It learns the inverse of the Hessian, H, from the steps s and what they changed in the gradient, y:
///
/// ```text
/// d  = −H·g
/// s  = α·d            y = g' − g
/// H' = (I − ρ·s·yᵀ)·H·(I − ρ·y·sᵀ) + ρ·s·sᵀ      ρ = 1/yᵀs
/// ```
///
/// H is the unit matrix at first, and grows or shrinks by [`scaling`](BfgsScaling). It is a matrix on the device. Along −g, whose
/// length says nothing of the step, the line search begins with the length 1 and a c₂ of at most 0.1.
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `scaling` | `Fading` | | how H gets the scale of the problem |
/// | `line_search` | `LineSearchConfig::new()` | | how α is found |
/// | `curvature` | 1e-8 | `[0, 1)` | a pair counts if `yᵀs` is more than this share of `‖y‖·‖s‖` |
/// | `max_bytes` | 2³⁰ | | what the matrix may take |
#[derive(Config, Debug, Copy, PartialEq)]
pub struct BfgsConfig {
    /// Selects how H gets the scale of the problem.
    #[config(default = "BfgsScaling::Fading")]
    pub scaling: BfgsScaling,
    /// Configures the line search.
    #[config(default = "LineSearchConfig::new()")]
    pub line_search: LineSearchConfig,
    /// Sets the share of `‖y‖·‖s‖` that `yᵀs` has to exceed for a step to count, in `[0, 1)`.
    #[config(default = 1e-8)]
    pub curvature: f64,
    /// Sets how many bytes the matrix may take.
    #[config(default = "1 << 30")]
    pub max_bytes: u64,
}

impl BfgsConfig {
    /// Makes the minimizer.
    ///
    /// # Errors
    ///
    /// Returns the first field that is out of range.
    pub fn init(&self) -> Result<Minimizer<Bfgs>, ConfigError> {
        self.line_search.check()?;
        ValueRange::Decay.check("Bfgs", "curvature", self.curvature)?;
        Ok(Minimizer::new(Bfgs { config: *self, inverse: None, pairs: 0 }))
    }
}

/// Learns the inverse of the Hessian, as [`BfgsConfig`] configures.
#[derive(Clone, Debug)]
pub struct Bfgs {
    config: BfgsConfig,
    inverse: Option<Tensor<2>>,
    /// How many pairs H has learned from.
    pairs: u64,
}

impl Bfgs {
    /// Returns H, the approximation of the inverse of the Hessian, `[n, n]`; none before the first step.
    pub fn inverse(&self) -> Option<&Tensor<2>> {
        self.inverse.as_ref()
    }

    fn update(&mut self, at: &Point, d: &Tensor<1>, stepped: &Stepped) {
        if !stepped.is_curved(self.config.curvature) {
            return;
        }
        let [n] = d.dims();
        let s = d.clone() * stepped.step;
        let y = stepped.point.gradient.clone() - at.gradient.clone();
        let y_s = stepped.y_d * stepped.step;
        let y = y.reshape([n, 1]);
        let h = self.inverse.take().unwrap_or_else(|| Tensor::<2>::eye(n, &d.device()).cast(d.dtype()));
        let h_y = h.clone().matmul(y.clone());
        let y_h_y = y.transpose().matmul(h_y.clone());
        let tau = y_h_y.clone().recip() * y_s;
        let scale = match self.config.scaling {
            BfgsScaling::First if self.pairs == 0 => Some(tau),
            BfgsScaling::Fading if self.pairs < MOST_SCALED => {
                Some(tau.powf_scalar(0.5_f64.powi(self.pairs as i32 + 1)))
            }
            _ => None,
        };
        let [h, h_y, y_h_y] = match scale {
            Some(scale) => [h, h_y, y_h_y].map(|of_h| of_h * scale.clone()),
            None => [h, h_y, y_h_y],
        };
        self.pairs += 1;
        // The product above, multiplied out: H' = H − ρ·(s·(Hy)ᵀ + Hy·sᵀ) + ρ·(1 + ρ·yᵀHy)·s·sᵀ
        let rho = 1.0 / y_s;
        let s = s.reshape([n, 1]);
        let half = h_y * -rho + s.clone() * (y_h_y * rho + 1.0) * (0.5 * rho);
        let change = half.matmul(s.transpose());
        self.inverse = Some(h + change.clone() + change.transpose());
    }
}

impl Method for Bfgs {
    fn name(&self) -> &'static str {
        "Bfgs"
    }

    fn step(&mut self, problem: &mut Problem, at: &Point) -> Result<Point, Ending> {
        let [n] = at.theta.dims();
        let line_search = self.config.line_search;
        let (d, stepped) = match &self.inverse {
            None => {
                let d = -at.gradient.clone();
                let line_search = along_gradient(&line_search);
                (d.clone(), problem.search(&line_search, at, &d, Some(-at.square), unit_step(at))?)
            }
            Some(h) => {
                let d = -h.clone().matmul(at.gradient.clone().reshape([n, 1])).reshape([n]);
                (d.clone(), problem.search(&line_search, at, &d, None, 1.0)?)
            }
        };
        self.update(at, &d, &stepped);
        Ok(stepped.point)
    }

    fn restart(&mut self) -> bool {
        self.pairs = 0;
        self.inverse.take().is_some()
    }

    fn check(&self, parameters: usize, size: usize) -> Result<(), MatrixTooLarge> {
        MatrixTooLarge::check("Bfgs", parameters, size, self.config.max_bytes)
    }

    fn write(&self, state: &mut StateSink) {
        state.push_scalar(PREFIX, "pairs", self.pairs.into());
        if let Some(inverse) = &self.inverse {
            state.push_tensor(PREFIX, "inverse", inverse.to_data());
        }
    }

    fn read(&mut self, state: &mut StateSource, device: &Device) -> Option<()> {
        self.pairs = method_number(state, "pairs")?;
        self.inverse = method_tensor(state, "inverse", device);
        Some(())
    }
}

/// Pairs after which the scale is as good as it will be.
const MOST_SCALED: u64 = 50;
