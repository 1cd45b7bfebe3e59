use super::method::{Method, PREFIX, Point, Problem};
use super::record::method_tensor;
use super::report::{Ending, MatrixTooLarge};
use super::search::{Stepped, unit_step};
use super::{LineSearchConfig, Minimizer};
use crate::error::{ConfigError, ValueRange};
use burn::config::Config;
use burn::optim::{StateSink, StateSource};
use burn::tensor::{Device, Tensor};

/// Configures BFGS, the quasi-Newton method of Broyden, Fletcher, Goldfarb and Shanno (Nocedal & Wright 2006, algorithm
/// 6.1). It learns the inverse of the Hessian, H, from the steps s and what they changed in the gradient, y:
///
/// ```text
/// d  = −H·g
/// s  = α·d            y = g' − g
/// H' = (I − ρ·s·yᵀ)·H·(I − ρ·y·sᵀ) + ρ·s·sᵀ      ρ = 1/yᵀs
/// ```
///
/// H is the unit matrix at first, and `yᵀs/yᵀy` times that once the first step is taken. It is a matrix on the device.
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `line_search` | `LineSearchConfig::new()` | | how α is found |
/// | `curvature` | 1e-8 | `[0, 1)` | a pair counts if `yᵀs` is more than this share of `‖y‖·‖s‖` |
/// | `max_bytes` | 2³⁰ | | what the matrix may take |
#[derive(Config, Debug, Copy, PartialEq)]
pub struct BfgsConfig {
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
        Ok(Minimizer::new(Bfgs { config: *self, inverse: None }))
    }
}

/// Learns the inverse of the Hessian, as [`BfgsConfig`] configures.
#[derive(Clone, Debug)]
pub struct Bfgs {
    config: BfgsConfig,
    inverse: Option<Tensor<2>>,
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
        let h = self.inverse.take().unwrap_or_else(|| {
            Tensor::<2>::eye(n, &d.device()).cast(d.dtype()) * (y_s / stepped.y_y)
        });
        // The product above, multiplied out: H' = H − ρ·(s·(Hy)ᵀ + Hy·sᵀ) + ρ·(1 + ρ·yᵀHy)·s·sᵀ
        let rho = 1.0 / y_s;
        let s = s.reshape([n, 1]);
        let h_y = h.clone().matmul(y.clone().reshape([n, 1]));
        let y_h_y = y.reshape([1, n]).matmul(h_y.clone());
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
        let (d, slope, first) = match &self.inverse {
            None => (-at.gradient.clone(), Some(-at.square), unit_step(at)),
            Some(h) => (-h.clone().matmul(at.gradient.clone().reshape([n, 1])).reshape([n]), None, 1.0),
        };
        let stepped = problem.search(&self.config.line_search, at, &d, slope, first)?;
        self.update(at, &d, &stepped);
        Ok(stepped.point)
    }

    fn restart(&mut self) -> bool {
        self.inverse.take().is_some()
    }

    fn check(&self, parameters: usize, size: usize) -> Result<(), MatrixTooLarge> {
        MatrixTooLarge::check("Bfgs", parameters, size, self.config.max_bytes)
    }

    fn write(&self, state: &mut StateSink) {
        if let Some(inverse) = &self.inverse {
            state.push_tensor(PREFIX, "inverse", inverse.to_data());
        }
    }

    fn read(&mut self, state: &mut StateSource, device: &Device) -> Option<()> {
        self.inverse = method_tensor(state, "inverse", device);
        Some(())
    }
}
