//! The line search at work: along a direction of a problem.

use super::method::{Point, Problem, dot, precision};
use super::report::Ending;
use super::{LineSearchConfig, Verdict};
use burn::tensor::Tensor;

/// Holds the step that a line search took from a point, with `y = g' − g` and d the direction.
#[derive(Clone, Debug)]
pub struct Stepped {
    /// Holds where it led, with the gradient g'.
    pub point: Point,
    /// Gives the step α.
    pub step: f64,
    /// Gives `g·d`, the slope at the start.
    pub first_slope: f64,
    /// Gives `g'·d`, the slope at the end.
    pub slope: f64,
    /// Gives `d·d`.
    pub d_d: f64,
    /// Gives `y·d`.
    pub y_d: f64,
    /// Gives `y·y`.
    pub y_y: f64,
    /// Gives `g'·y`.
    pub g_y: f64,
}

impl Stepped {
    /// Tells whether the curvature along the step, `y·s`, is positive beyond rounding: more than `least` of `‖y‖·‖s‖`.
    pub(super) fn is_curved(&self, least: f64) -> bool {
        self.y_d > least * (self.y_y * self.d_d).sqrt() && self.y_y.is_finite()
    }
}

impl Problem<'_> {
    /// Looks along `direction` for a step that meets the conditions of `config`, beginning with `first`. The slope
    /// `g·direction` is taken from the device with the first evaluation where it is not known.
    ///
    /// # Errors
    ///
    /// Returns [`Ending::LineSearchFailed`] if there is no lower value, or the direction does not lead down;
    /// [`Ending::NotFinite`] if there is no finite one; [`Ending::Budget`] where nothing more may be asked.
    pub fn search(
        &mut self,
        config: &LineSearchConfig,
        from: &Point,
        direction: &Tensor<1>,
        slope: Option<f64>,
        first: f64,
    ) -> Result<Stepped, Ending> {
        let begin = |slope: f64| match slope < 0.0 && slope.is_finite() {
            true => Ok(config.begin(from.value, slope, first, precision(&from.theta))),
            false => Err(Ending::LineSearchFailed),
        };
        let mut search = slope.map(begin).transpose()?;
        let mut best: Option<Stepped> = None;
        let mut is_finite = false;
        loop {
            let step = search.as_ref().map_or(first, |search| search.step());
            let stepped = match self.step_along(from, direction, step) {
                Ok(stepped) => stepped,
                Err(ending) => return best.ok_or(ending),
            };
            if search.is_none() {
                search = Some(begin(stepped.first_slope)?);
            }
            is_finite |= stepped.point.is_finite();
            let Some(search) = &mut search else { return Err(Ending::LineSearchFailed) };
            let value = if stepped.point.is_finite() { stepped.point.value } else { f64::NAN };
            match search.observe(value, stepped.slope) {
                Verdict::Accept => return Ok(stepped),
                Verdict::Continue { is_best: true } => best = Some(stepped),
                Verdict::Continue { is_best: false } => {}
                Verdict::Exhausted if is_finite => return best.ok_or(Ending::LineSearchFailed),
                Verdict::Exhausted => return best.ok_or(Ending::NotFinite),
            }
        }
    }

    /// What is at `from` plus `step` times the direction d.
    fn step_along(&mut self, from: &Point, d: &Tensor<1>, step: f64) -> Result<Stepped, Ending> {
        let theta = from.theta.clone() + d.clone() * step;
        let (point, numbers) = self.evaluate(theta, |gradient| {
            let y = gradient.clone() - from.gradient.clone();
            let slopes = [dot(&from.gradient, d), dot(gradient, d), dot(d, d)];
            slopes.into_iter().chain([dot(&y, d), dot(&y, &y), dot(gradient, &y)]).collect()
        })?;
        let [first_slope, slope, d_d, y_d, y_y, g_y] = numbers[..] else { return Err(Ending::NotFinite) };
        Ok(Stepped { point, step, first_slope, slope, d_d, y_d, y_y, g_y })
    }
}

/// The first step along −g, about which nothing is known: of length 1, unless the gradient is shorter.
pub(super) fn unit_step(at: &Point) -> f64 {
    (1.0 / at.norm()).min(1.0)
}

/// The line search along −g: it looks more closely, since the first step tells the scale of all others.
pub(super) fn along_gradient(config: &LineSearchConfig) -> LineSearchConfig {
    LineSearchConfig { c_2: config.c_2.min(0.1), ..*config }
}
