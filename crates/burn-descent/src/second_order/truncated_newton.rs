use super::method::{Method, PREFIX, Point, Problem, dot};
use super::radius::{Proposal, TrustRegionConfig};
use super::record::method_number;
use super::report::Ending;
use super::{Minimizer, scalars};
use crate::error::{ConfigError, ValueRange};
use burn::config::Config;
use burn::optim::{StateSink, StateSource};
use burn::tensor::Device;

/// Configures truncated Newton with a trust region (Steihaug 1983; Nocedal & Wright 2006, algorithm 7.2): the Newton step is
/// found by conjugate gradients, which ask for products with the Hessian H and never for H itself.
///
/// ```text
/// minimize  g·p + ½·p·H·p  within ‖p‖ ≤ Δ
/// ```
///
/// They end where the residual is below `min(forcing, √‖g‖)·‖g‖`, so that convergence is faster than linear, where the
/// curvature along a direction is negative, and at the bound.
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `trust_region` | `TrustRegionConfig::new()` | | Δ |
/// | `forcing` | 0.5 | `(0, 1)` | the share of the gradient that may be left |
/// | `max_products` | 250 | at least 1 | products for one step, at most twice the number of parameters |
#[derive(Config, Debug, Copy, PartialEq)]
pub struct TruncatedNewtonConfig {
    /// Configures the trust region.
    #[config(default = "TrustRegionConfig::new()")]
    pub trust_region: TrustRegionConfig,
    /// Sets the share of the gradient that the step may leave at most, in `(0, 1)`.
    #[config(default = 0.5)]
    pub forcing: f64,
    /// Sets how many products are asked for to find a step, at least 1.
    #[config(default = 250)]
    pub max_products: usize,
}

impl TruncatedNewtonConfig {
    /// Makes the minimizer.
    ///
    /// # Errors
    ///
    /// Returns the first field that is out of range.
    pub fn init(&self) -> Result<Minimizer<TruncatedNewton>, ConfigError> {
        self.trust_region.check()?;
        ValueRange::OpenFraction.check("TruncatedNewton", "forcing", self.forcing)?;
        ValueRange::AtLeast(1.0).check("TruncatedNewton", "max_products", self.max_products as f64)?;
        Ok(Minimizer::new(TruncatedNewton { config: *self, radius: self.trust_region.radius }))
    }
}

/// Finds Newton's steps by conjugate gradients, as [`TruncatedNewtonConfig`] configures.
#[derive(Clone, Debug)]
pub struct TruncatedNewton {
    config: TruncatedNewtonConfig,
    radius: f64,
}

impl TruncatedNewton {
    /// Steihaug's conjugate gradients from `p = 0` within `radius`. One transfer a product: the lengths of p and d go along
    /// on the host.
    fn propose(&self, problem: &mut Problem, at: &Point, radius: f64) -> Result<Proposal, Ending> {
        let [n] = at.theta.dims();
        let tolerance = self.config.forcing.min(at.norm().sqrt()) * at.norm();
        let mut p = at.gradient.zeros_like();
        let (mut r, mut d) = (at.gradient.clone(), -at.gradient.clone());
        let (mut p_p, mut p_d, mut d_d) = (0.0, 0.0, at.square);
        let mut promised = 0.0;
        for _ in 0..self.config.max_products.min(n.saturating_mul(2)) {
            let h_d = problem.hessian_product(&at.theta, &d)?;
            let numbers = scalars(vec![dot(&d, &h_d), dot(&r, &h_d), dot(&h_d, &h_d), dot(&r, &r)]);
            let [d_h_d, r_h_d, h_d_h_d, r_r] = numbers[..] else { return Err(Ending::NotFinite) };
            let alpha = r_r / d_h_d;
            let longer = p_p + 2.0 * alpha * p_d + alpha * alpha * d_d;
            // Of a direction without curvature, or out of the region, as far as the bound.
            if !(d_h_d > 0.0 && longer < radius * radius) {
                let tau = to_bound(p_p, p_d, d_d, radius);
                promised += tau * r_r - 0.5 * tau * tau * d_h_d;
                return Ok(Proposal { step: p + d * tau, length: radius, promised, is_at_bound: true });
            }
            p = p + d.clone() * alpha;
            r = r + h_d * alpha;
            promised += 0.5 * alpha * r_r;
            let next = (r_r + 2.0 * alpha * r_h_d + alpha * alpha * h_d_h_d).max(0.0);
            let beta = next / r_r;
            (p_p, p_d) = (longer, beta * (p_d + alpha * d_d));
            if next.sqrt() <= tolerance {
                break;
            }
            d = d * beta - r.clone();
            d_d = next + beta * beta * d_d;
        }
        Ok(Proposal { step: p, length: p_p.sqrt(), promised, is_at_bound: false })
    }
}

/// The τ ≥ 0 with `‖p + τ·d‖ = radius`.
fn to_bound(p_p: f64, p_d: f64, d_d: f64, radius: f64) -> f64 {
    let room = (radius * radius - p_p).max(0.0);
    let root = (p_d * p_d + d_d * room).sqrt();
    // The form without a difference of like numbers.
    if p_d > 0.0 { room / (p_d + root) } else { (root - p_d) / d_d }
}

impl Method for TruncatedNewton {
    fn name(&self) -> &'static str {
        "TruncatedNewton"
    }

    fn step(&mut self, problem: &mut Problem, at: &Point) -> Result<Point, Ending> {
        let mut radius = self.radius;
        let outcome = self
            .config
            .trust_region
            .step(problem, at, &mut radius, |problem, radius| self.propose(problem, at, radius));
        self.radius = radius;
        outcome
    }

    fn restart(&mut self) -> bool {
        let knew = self.radius != self.config.trust_region.radius;
        self.radius = self.config.trust_region.radius;
        knew
    }

    fn write(&self, state: &mut StateSink) {
        state.push_scalar(PREFIX, "radius", self.radius.into());
    }

    fn read(&mut self, state: &mut StateSource, _device: &Device) -> Option<()> {
        self.radius = method_number(state, "radius")?;
        Some(())
    }
}
