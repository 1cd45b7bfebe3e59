use super::method::{Method, PREFIX, Point, Problem, dot};
use super::record::{method_number, method_tensor};
use super::report::Ending;
use super::{Minimizer, scalar, scalars};
use crate::error::{ConfigError, ValueRange};
use burn::config::Config;
use burn::optim::{StateSink, StateSource};
use burn::tensor::{Device, Tensor};

/// Configures Hessian-free optimization (Martens 2010), which minimizes a damped quadratic model of the loss by conjugate
/// gradients, with products of the Gauss–Newton matrix G:
///
/// ```text
/// q(p) = g·p + ½·p·(G + λ·I)·p        ρ = (f(θ + p) − f(θ)) / q(p)
/// λ ← 3/2·λ  if ρ < ¼                 λ ← 2/3·λ  if ρ > ¾
/// ```
///
/// The conjugate gradients begin with a share of the last step, `decay`·p, and end at step i where q fell by less than
/// k·`progress` of itself over the last `k = max(10, i/10)` of them. Of the steps on the way, some are kept, and the last
/// of them is taken from which going back would not lower the loss. A search along it, from the length 1 down by 0.8 at a time,
/// is for what is still too long. Where that fails, λ is five times as large, and all is tried again.
///
/// They are preconditioned by `(diag(G) + λ)^exponent`, where the diagonal is an average over `samples` random vectors
/// (Chapelle & Erhan 2011) in place of Martens' squared gradients of single examples, which cannot be had from Burn.
///
/// [`ModuleObjective::with_gauss_newton`](super::ModuleObjective::with_gauss_newton) tells what G is made of. Where nothing
/// does, the Hessian takes its place, and its negative curvature is damped away.
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `damping` | 0.1 | `(0, ∞)` | the first λ, as a share of the curvature along the first gradient, g·G·g/g·g |
/// | `decay` | 0.95 | `[0, 1]` | the share of the last step that the conjugate gradients begin with |
/// | `progress` | 5e-4 | `(0, 1)` | the share of the model's fall for each step that is too little to go on for |
/// | `max_products` | 250 | at least 1 | products to find a step, with each damping that is tried |
/// | `samples` | 4 | | random vectors for the preconditioner; each takes a gradient's pass. There is none for 0 |
/// | `exponent` | 0.75 | `[0, 1]` | the power of the preconditioner |
#[derive(Config, Debug, Copy, PartialEq)]
pub struct HessianFreeConfig {
    /// Sets the first λ, as a share of the curvature along the first gradient, in `(0, ∞)`.
    #[config(default = 0.1)]
    pub damping: f64,
    /// Sets the share of the last step that the conjugate gradients begin with, in `[0, 1]`.
    #[config(default = 0.95)]
    pub decay: f64,
    /// Sets the share of the model's fall for each step of the conjugate gradients that is too little to go on for, in `(0, 1)`.
    #[config(default = 5e-4)]
    pub progress: f64,
    /// Sets how many products are asked for to find a step, with each damping that is tried, at least 1.
    #[config(default = 250)]
    pub max_products: usize,
    /// Sets how many random vectors the preconditioner is made of; there is none for 0.
    #[config(default = 4)]
    pub samples: u64,
    /// Sets the power of the preconditioner, in `[0, 1]`.
    #[config(default = 0.75)]
    pub exponent: f64,
}

impl HessianFreeConfig {
    /// How many steps on the way of the conjugate gradients are kept at most.
    pub(super) fn iterates(&self) -> usize {
        let values = std::iter::successors(Some(FIRST_KEPT), |value| Some(value * KEPT_FACTOR));
        1 + values.take_while(|value| value.ceil() <= self.max_products as f64).count()
    }

    /// Makes the minimizer.
    ///
    /// # Errors
    ///
    /// Returns the first field that is out of range.
    pub fn init(&self) -> Result<Minimizer<HessianFree>, ConfigError> {
        ValueRange::Positive.check("HessianFree", "damping", self.damping)?;
        ValueRange::Fraction.check("HessianFree", "decay", self.decay)?;
        ValueRange::OpenFraction.check("HessianFree", "progress", self.progress)?;
        ValueRange::AtLeast(1.0).check("HessianFree", "max_products", self.max_products as f64)?;
        ValueRange::Fraction.check("HessianFree", "exponent", self.exponent)?;
        Ok(Minimizer::new(HessianFree { config: *self, lambda: None, last: None, steps: 0 }))
    }
}

/// Finds steps by conjugate gradients on a damped Gauss–Newton model, as [`HessianFreeConfig`] configures.
#[derive(Clone, Debug)]
pub struct HessianFree {
    config: HessianFreeConfig,
    /// None before the first step.
    lambda: Option<f64>,
    /// The last step, as the conjugate gradients found it.
    last: Option<Tensor<1>>,
    /// How many were taken, which seeds the preconditioner.
    steps: u64,
}

/// A step on the way of the conjugate gradients.
struct Iterate {
    p: Tensor<1>,
    /// What the damped model says of it.
    q: f64,
}

/// A step and the loss where it leads.
struct Candidate {
    iterate: Iterate,
    value: f64,
}

impl HessianFree {
    /// Returns λ, the damping; none before the first step.
    pub fn damping(&self) -> Option<f64> {
        self.lambda
    }

    /// The damping of the first step, which has the scale of the loss.
    fn first_damping(&self, problem: &mut Problem, at: &Point) -> Result<f64, Ending> {
        let product = problem.gauss_newton_product(&at.theta, &at.gradient)?;
        let curvature = scalar(dot(&at.gradient, &product)).abs() / at.square;
        // Of a loss without curvature, that of a loss as curved as ½·θ².
        let curvature = if curvature > 0.0 && curvature.is_finite() { curvature } else { 1.0 };
        Ok(self.config.damping * curvature)
    }

    /// The inverse of the preconditioner's diagonal, if there is one.
    fn preconditioner(&self, problem: &mut Problem, at: &Point, lambda: f64) -> Result<Option<Tensor<1>>, Ending> {
        let samples = self.config.samples;
        let mut diagonal: Option<Tensor<1>> = None;
        for sample in 0..samples {
            let seed = self.steps.wrapping_mul(samples).wrapping_add(sample);
            let Some(root) = problem.gauss_newton_root(&at.theta, seed)? else { return Ok(None) };
            let square = root.square() / samples as f64;
            diagonal = Some(diagonal.map_or(square.clone(), |sum| sum + square));
        }
        Ok(diagonal.map(|diagonal| (diagonal + lambda).powf_scalar(-self.config.exponent)))
    }

    /// Goes down the model by conjugate gradients. Numbers stay on the device; one transfer a product tells where to end.
    fn descend(&self, problem: &mut Problem, at: &Point, lambda: f64) -> Result<Vec<Iterate>, Ending> {
        let HessianFreeConfig { decay, progress, max_products, .. } = self.config;
        let g = &at.gradient;
        let inverse = self.preconditioner(problem, at, lambda)?;
        let preconditioned = |r: &Tensor<1>| inverse.as_ref().map_or(r.clone(), |inverse| r.clone() * inverse.clone());
        let damped = |problem: &mut Problem, v: &Tensor<1>| -> Result<Tensor<1>, Ending> {
            Ok(problem.gauss_newton_product(&at.theta, v)? + v.clone() * lambda)
        };
        let (mut p, mut r) = match &self.last {
            Some(last) if decay > 0.0 => {
                let p = last.clone() * decay;
                let r = damped(problem, &p)? + g.clone();
                (p, r)
            }
            _ => (g.zeros_like(), g.clone()),
        };
        let y = preconditioned(&r);
        let (mut r_y, mut d) = (dot(&r, &y), -y);
        let (mut fallen, mut kept, mut next) = (Vec::new(), Vec::new(), Grid::new());
        let begun = self.last.as_ref().map(|_| (p.clone(), dot(&p, &(r.clone() + g.clone())) * 0.5));
        let mut first_residual = f64::NAN;
        for i in 1..=max_products {
            let b_d = damped(problem, &d)?;
            let d_b_d = dot(&d, &b_d);
            let alpha = r_y.clone() / d_b_d.clone();
            let farther = p.clone() + d.clone() * alpha.clone();
            r = r + b_d * alpha;
            let y = preconditioned(&r);
            let next_r_y = dot(&r, &y);
            let q = dot(&farther, &(r.clone() + g.clone())) * 0.5;
            let numbers = scalars(vec![d_b_d, q, r_y.clone(), next_r_y.clone()]);
            let [d_b_d, q, residual, next_residual] = numbers[..] else { return Err(Ending::NotFinite) };
            if !(d_b_d > 0.0 && q.is_finite()) {
                // Nothing left to go down, or curvature that is not positive: what there is by now has to do.
                match (fallen.last(), begun) {
                    (Some(q), _) if kept.last().is_none_or(|last: &Iterate| last.q != *q) => {
                        kept.push(Iterate { p, q: *q });
                    }
                    (None, Some((p, q))) => kept.push(Iterate { p, q: scalar(q) }),
                    _ => {}
                }
                break;
            }
            if i == 1 {
                first_residual = residual;
            }
            p = farther;
            fallen.push(q);
            let window = 10.max(i.div_ceil(10));
            let before = i.checked_sub(window + 1).map(|index| fallen[index]);
            let is_slow = before.is_some_and(|before| q < 0.0 && q - before > window as f64 * progress * q);
            let is_last = is_slow || i == max_products || next_residual <= SOLVED * first_residual;
            if next.is_on(i) || is_last {
                kept.push(Iterate { p: p.clone(), q });
            }
            if is_last {
                break;
            }
            d = d * (next_r_y.clone() / r_y) - y;
            r_y = next_r_y;
        }
        Ok(kept)
    }

    /// Goes back over the steps that were kept as long as that lowers the loss.
    fn best_of(problem: &mut Problem, at: &Point, iterates: Vec<Iterate>) -> Result<Option<Candidate>, Ending> {
        let mut best: Option<Candidate> = None;
        for iterate in iterates.into_iter().rev() {
            let value = problem.value(&(at.theta.clone() + iterate.p.clone()))?;
            let is_lower = best.as_ref().is_none_or(|best| value < best.value || best.value.is_nan());
            if !is_lower {
                break;
            }
            best = Some(Candidate { iterate, value });
        }
        Ok(best)
    }

    /// Looks along a step for a length at which the loss falls enough.
    fn shortened(
        problem: &mut Problem,
        at: &Point,
        p: &Tensor<1>,
        mut value: f64,
    ) -> Result<Option<Tensor<1>>, Ending> {
        let slope = scalar(dot(&at.gradient, p));
        if slope >= 0.0 || slope.is_nan() {
            return Ok(None);
        }
        let mut length = 1.0;
        for _ in 0..MOST_SHORTENINGS {
            let theta = at.theta.clone() + p.clone() * length;
            if value <= at.value + ENOUGH * length * slope {
                return Ok(Some(theta));
            }
            length *= 0.8;
            value = problem.value(&(at.theta.clone() + p.clone() * length))?;
        }
        Ok(None)
    }

    /// One attempt with the damping as it is, which it then changes by how good the model was.
    fn attempt(&mut self, problem: &mut Problem, at: &Point, lambda: &mut f64) -> Result<Option<Point>, Ending> {
        let iterates = self.descend(problem, at, *lambda)?;
        let Some(Candidate { iterate: Iterate { p, q }, value }) = Self::best_of(problem, at, iterates)? else {
            return Ok(None);
        };
        // A loss that rises is as bad as can be, whatever the model says.
        let rho = if value > at.value { f64::NEG_INFINITY } else { (value - at.value) / q.min(-f64::MIN_POSITIVE) };
        if rho < 0.25 || rho.is_nan() {
            *lambda *= 1.5;
        } else if rho > 0.75 {
            *lambda /= 1.5;
        }
        let Some(theta) = Self::shortened(problem, at, &p, value)? else { return Ok(None) };
        let (point, _) = problem.evaluate(theta, |_| Vec::new())?;
        if !point.is_finite() {
            return Ok(None);
        }
        self.last = Some(p);
        Ok(Some(point))
    }
}

/// The conjugate gradients after which a step is kept: 5, 7, 9, 11, 15 and so on, each 1.3 times the one before.
struct Grid(f64);

impl Grid {
    fn new() -> Self {
        Self(FIRST_KEPT)
    }

    fn is_on(&mut self, index: usize) -> bool {
        let is_on = index == self.0.ceil() as usize;
        if is_on {
            self.0 *= KEPT_FACTOR;
        }
        is_on
    }
}

const FIRST_KEPT: f64 = 5.0;
const KEPT_FACTOR: f64 = 1.3;
/// The share of the first residual, as its square, at which a model is minimized to the precision of the numbers.
const SOLVED: f64 = 1e-20;
/// The share of what the slope promises that the loss has to fall by.
const ENOUGH: f64 = 1e-2;
const MOST_SHORTENINGS: usize = 60;
/// How often a step is tried with more damping.
const MOST_ATTEMPTS: usize = 10;
/// By how much the damping grows after a step that failed.
const AFTER_FAILURE: f64 = 5.0;

impl Method for HessianFree {
    fn name(&self) -> &'static str {
        "HessianFree"
    }

    fn step(&mut self, problem: &mut Problem, at: &Point) -> Result<Point, Ending> {
        let mut lambda = match self.lambda {
            Some(lambda) => lambda,
            None => self.first_damping(problem, at)?,
        };
        for _ in 0..MOST_ATTEMPTS {
            let point = self.attempt(problem, at, &mut lambda)?;
            self.steps += 1;
            self.lambda = Some(lambda);
            if let Some(point) = point {
                return Ok(point);
            }
            self.last = None;
            lambda *= AFTER_FAILURE;
            self.lambda = Some(lambda);
        }
        Err(Ending::LineSearchFailed)
    }

    fn restart(&mut self) -> bool {
        let knew = self.last.is_some();
        (self.lambda, self.last, self.steps) = (None, None, 0);
        knew
    }

    fn write(&self, state: &mut StateSink) {
        if let Some(lambda) = self.lambda {
            state.push_scalar(PREFIX, "lambda", lambda.into());
        }
        state.push_scalar(PREFIX, "steps", self.steps.into());
        if let Some(last) = &self.last {
            state.push_tensor(PREFIX, "last", last.to_data());
        }
    }

    fn read(&mut self, state: &mut StateSource, device: &Device) -> Option<()> {
        self.lambda = method_number(state, "lambda");
        self.steps = method_number(state, "steps")?;
        self.last = method_tensor(state, "last", device);
        Some(())
    }
}
