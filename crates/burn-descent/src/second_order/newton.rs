use super::method::{Method, PREFIX, Point, Problem};
use super::radius::{Proposal, TrustRegionConfig};
use super::record::method_number;
use super::report::{Ending, MatrixTooLarge};
use super::symmetric::Eigen;
use super::{LineSearchConfig, Minimizer};
use crate::error::{ConfigError, ValueRange};
use burn::config::Config;
use burn::optim::{StateSink, StateSource};
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// Selects what keeps Newton's method from going astray.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NewtonForm {
    /// Selects nothing: every step is `−|H|⁻¹·g`, as long as the loss there is finite, else half of it, and so on.
    Pure,
    /// Selects a line search along `−|H|⁻¹·g`: damped Newton.
    Damped,
    /// Selects a trust region, within which the minimum of the quadratic model is found exactly (Moré & Sorensen 1983).
    TrustRegion,
}

/// Configures Newton's method with the whole Hessian H, for up to some hundred parameters.
///
/// ```text
/// d = −|H|⁻¹·g       |H| = Q·|Λ|·Qᵀ  where  H = Q·Λ·Qᵀ
/// ```
///
/// Where all eigenvalues Λ are positive, |H| is H; negative curvature is walked down at the pace of its magnitude, away from
/// saddles (Dauphin et al. 2014). A trust region needs no |H|: its step is `−(H + λ·I)⁻¹·g` with the λ that makes H + λ·I
/// positive and the step no longer than the radius.
///
/// The Hessian is the objective's own, or taken column by column by central differences of gradients, 2n of them. It goes to
/// the host once a step, where its eigenvalues are found in f64, in time of n³.
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `form` | `TrustRegion` | | what keeps the steps in bounds |
/// | `trust_region` | `TrustRegionConfig::new()` | | its radius |
/// | `line_search` | `LineSearchConfig::new()` | | for `Damped` |
/// | `flatness` | 1e-10 | `(0, 1)` | eigenvalues count as at least this share of the largest, but for a trust region |
/// | `max_bytes` | 2²³ | | what the Hessian may take, at 8 bytes a number; 2²³ are 1024 parameters |
#[derive(Config, Debug, Copy, PartialEq)]
pub struct NewtonConfig {
    /// Selects what keeps the steps in bounds.
    #[config(default = "NewtonForm::TrustRegion")]
    pub form: NewtonForm,
    /// Configures the trust region.
    #[config(default = "TrustRegionConfig::new()")]
    pub trust_region: TrustRegionConfig,
    /// Configures the line search of the damped form.
    #[config(default = "LineSearchConfig::new()")]
    pub line_search: LineSearchConfig,
    /// Sets the share of the largest eigenvalue that the others count as at least, in `(0, 1)`.
    #[config(default = 1e-10)]
    pub flatness: f64,
    /// Sets how many bytes the Hessian may take.
    #[config(default = "1 << 23")]
    pub max_bytes: u64,
}

impl NewtonConfig {
    /// Makes the minimizer.
    ///
    /// # Errors
    ///
    /// Returns the first field that is out of range.
    pub fn init(&self) -> Result<Minimizer<Newton>, ConfigError> {
        self.trust_region.check()?;
        self.line_search.check()?;
        ValueRange::OpenFraction.check("Newton", "flatness", self.flatness)?;
        Ok(Minimizer::new(Newton { config: *self, radius: self.trust_region.radius }))
    }
}

/// Goes by the whole Hessian, as [`NewtonConfig`] configures.
#[derive(Clone, Debug)]
pub struct Newton {
    config: NewtonConfig,
    radius: f64,
}

/// The quadratic model of the loss around a point, in the basis of the eigenvectors.
struct Model {
    eigen: Eigen,
    /// The gradient.
    g: Vec<f64>,
}

impl Model {
    fn at(problem: &mut Problem, at: &Point) -> Result<Self, Ending> {
        let [n] = at.theta.dims();
        let together = Tensor::cat(vec![problem.hessian(&at.theta)?, at.gradient.clone().reshape([1, n])], 0);
        let mut hessian: Vec<f64> = together.into_data().convert::<f64>().try_into_vec().unwrap_or_default();
        let gradient = hessian.split_off((n * n).min(hessian.len()));
        let eigen = Eigen::of(hessian, n).ok_or(Ending::NotFinite)?;
        Ok(Self { g: eigen.to_eigenbasis(&gradient), eigen })
    }

    /// `−|H|⁻¹·g`.
    fn newton_step(&self, flatness: f64) -> Vec<f64> {
        let largest = self.eigen.values.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
        let least = (flatness * largest).max(f64::MIN_POSITIVE);
        self.g.iter().zip(&self.eigen.values).map(|(g, value)| -g / value.abs().max(least)).collect()
    }

    /// `−(H + λ·I)⁻¹·g`.
    fn shifted_step(&self, lambda: f64) -> Vec<f64> {
        let step = |(g, value): (&f64, &f64)| if *g == 0.0 { 0.0 } else { -g / (value + lambda) };
        self.g.iter().zip(&self.eigen.values).map(step).collect()
    }

    /// The minimum of the model within `radius`, and whether it is as long as that.
    fn bounded_step(&self, radius: f64) -> (Vec<f64>, bool) {
        let lowest = self.eigen.values.iter().copied().fold(f64::INFINITY, f64::min);
        if lowest > 0.0 {
            let step = self.shifted_step(0.0);
            if norm(&step) <= radius {
                return (step, false);
            }
        }
        // ‖step‖ falls with λ from below −lowest on; there it is infinite, unless g has nothing along the lowest.
        let mut low = (-lowest).max(0.0);
        let mut high = low + norm(&self.g) / radius;
        let at_low = self.shifted_step(low);
        if norm(&at_low) < radius {
            return (self.along_lowest(at_low, lowest, radius), true);
        }
        let mut lambda = high;
        for _ in 0..MOST_ROUNDS {
            let step = self.shifted_step(lambda);
            let length = norm(&step);
            if (length - radius).abs() <= 1e-10 * radius {
                break;
            }
            if length > radius {
                low = lambda
            } else {
                high = lambda
            }
            // Newton's step of 1/‖step‖ − 1/radius, which is nearly a line.
            let bend: f64 = step.iter().zip(&self.eigen.values).map(|(p, value)| p * p / (value + lambda)).sum();
            let next = lambda + length * length / bend * (length - radius) / radius;
            lambda = if next > low && next < high { next } else { 0.5 * (low + high) };
        }
        (self.shifted_step(lambda), true)
    }

    /// The hard case: `step` within the radius, on to the bound along an eigenvector of the lowest eigenvalue.
    fn along_lowest(&self, mut step: Vec<f64>, lowest: f64, radius: f64) -> Vec<f64> {
        let rest = (radius.powi(2) - norm(&step).powi(2)).max(0.0).sqrt();
        if let Some(index) = self.eigen.values.iter().position(|value| *value == lowest) {
            step[index] += rest;
        }
        step
    }

    /// By how much the model says that the loss falls.
    fn promise(&self, step: &[f64]) -> f64 {
        let terms = step.iter().zip(self.g.iter().zip(&self.eigen.values));
        terms.map(|(p, (g, value))| -(g * p + 0.5 * value * p * p)).sum()
    }

    fn slope(&self, step: &[f64]) -> f64 {
        step.iter().zip(&self.g).map(|(p, g)| p * g).sum()
    }

    /// A step on the device.
    fn place(&self, step: &[f64], at: &Point) -> Tensor<1> {
        let step = self.eigen.out_of_eigenbasis(step);
        Tensor::from_data(TensorData::from(step.as_slice()), (&at.theta.device(), at.theta.dtype()))
    }
}

const MOST_ROUNDS: usize = 100;

fn norm(v: &[f64]) -> f64 {
    v.iter().map(|x| x * x).sum::<f64>().sqrt()
}

impl Method for Newton {
    fn name(&self) -> &'static str {
        "Newton"
    }

    fn step(&mut self, problem: &mut Problem, at: &Point) -> Result<Point, Ending> {
        let model = Model::at(problem, at)?;
        let NewtonConfig { form, trust_region, line_search, flatness, .. } = self.config;
        let newton_step = || model.newton_step(flatness);
        match form {
            NewtonForm::Pure => {
                let d = model.place(&newton_step(), at);
                for halvings in 0..MOST_HALVINGS {
                    let theta = at.theta.clone() + d.clone() * 0.5_f64.powi(halvings);
                    let (point, _) = problem.evaluate(theta, |_| Vec::new())?;
                    if point.is_finite() {
                        return Ok(point);
                    }
                }
                Err(Ending::NotFinite)
            }
            NewtonForm::Damped => {
                let step = newton_step();
                let d = model.place(&step, at);
                Ok(problem.search(&line_search, at, &d, Some(model.slope(&step)), 1.0)?.point)
            }
            NewtonForm::TrustRegion => trust_region.step(problem, at, &mut self.radius, |_, radius| {
                let (step, is_at_bound) = model.bounded_step(radius);
                let (length, promised) = (norm(&step), model.promise(&step));
                Ok(Proposal { step: model.place(&step, at), length, promised, is_at_bound })
            }),
        }
    }

    fn restart(&mut self) -> bool {
        let knew = self.radius != self.config.trust_region.radius;
        self.radius = self.config.trust_region.radius;
        knew
    }

    fn check(&self, parameters: usize, _size: usize) -> Result<(), MatrixTooLarge> {
        MatrixTooLarge::check("Newton", parameters, size_of::<f64>(), self.config.max_bytes)
    }

    fn write(&self, state: &mut StateSink) {
        state.push_scalar(PREFIX, "radius", self.radius.into());
    }

    fn read(&mut self, state: &mut StateSource, _device: &Device) -> Option<()> {
        self.radius = method_number(state, "radius")?;
        Some(())
    }
}

const MOST_HALVINGS: i32 = 60;
