use super::method::{Method, PREFIX, Point, Problem};
use super::record::{method_number, method_tensor};
use super::report::Ending;
use super::search::{Stepped, unit_step};
use super::{LineSearchConfig, Minimizer};
use crate::error::ConfigError;
use burn::config::Config;
use burn::optim::{StateSink, StateSource};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// Selects β of the conjugate gradients, with `y = g' − g`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConjugateGradientsForm {
    /// Selects Fletcher & Reeves (1964): `g'·g' / g·g`. It forgets a bad direction slowly.
    FletcherReeves,
    /// Selects Polak & Ribière (1969), at least 0 (Powell 1984): `max(0, g'·y / g·g)`.
    PolakRibiere,
    /// Selects Hestenes & Stiefel (1952), at least 0: `max(0, g'·y / d·y)`.
    HestenesStiefel,
    /// Selects Dai & Yuan (1999): `g'·g' / d·y`.
    DaiYuan,
    /// Selects Hager & Zhang (2005): `max(N, (g'·y − 2·y·y·(g'·d)/(d·y)) / d·y)`, with `N = 0.4·(d·g)/(d·d)` of Hager &
    /// Zhang (2013). It leads down whatever the line search.
    HagerZhang,
}

/// Configures nonlinear conjugate gradients (Nocedal & Wright 2006, section 5.2), which keeps one vector beside the gradient:
///
/// ```text
/// d' = −g' + β·d
/// ```
///
/// A direction that does not lead down is replaced by −g'. The line search begins with the step that would change the value
/// to first order by as much as the last one did, `α·(g·d)/(g'·d')`.
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `form` | `HestenesStiefel` | | β |
/// | `line_search` | `LineSearchConfig::new().with_c_2(0.3)` | | how the step is found |
#[derive(Config, Debug, Copy, PartialEq)]
pub struct ConjugateGradientsConfig {
    /// Selects β.
    #[config(default = "ConjugateGradientsForm::HestenesStiefel")]
    pub form: ConjugateGradientsForm,
    /// Configures the line search. Its `c_2` should be well below ½.
    #[config(default = "LineSearchConfig::new().with_c_2(0.3)")]
    pub line_search: LineSearchConfig,
}

impl ConjugateGradientsConfig {
    /// Makes the minimizer.
    ///
    /// # Errors
    ///
    /// Returns the first field that is out of range.
    pub fn init(&self) -> Result<Minimizer<ConjugateGradients>, ConfigError> {
        self.line_search.check()?;
        Ok(Minimizer::new(ConjugateGradients { config: *self, next: None }))
    }
}

/// Goes along conjugate directions, as [`ConjugateGradientsConfig`] configures.
#[derive(Clone, Debug)]
pub struct ConjugateGradients {
    config: ConjugateGradientsConfig,
    next: Option<Next>,
}

/// The next direction.
#[derive(Clone, Debug)]
struct Next {
    direction: Tensor<1>,
    slope: f64,
    step: f64,
}

impl ConjugateGradients {
    /// Returns the direction of the next step, `[n]`; none before the first step, which goes along −g.
    pub fn direction(&self) -> Option<&Tensor<1>> {
        self.next.as_ref().map(|next| &next.direction)
    }

    fn beta(&self, at: &Point, stepped: &Stepped) -> f64 {
        let Stepped { point, first_slope, slope, d_d, y_d, y_y, g_y, .. } = stepped;
        match self.config.form {
            ConjugateGradientsForm::FletcherReeves => point.square / at.square,
            ConjugateGradientsForm::PolakRibiere => (g_y / at.square).max(0.0),
            ConjugateGradientsForm::HestenesStiefel => (g_y / y_d).max(0.0),
            ConjugateGradientsForm::DaiYuan => point.square / y_d,
            ConjugateGradientsForm::HagerZhang => ((g_y - 2.0 * y_y * slope / y_d) / y_d).max(0.4 * first_slope / d_d),
        }
    }
}

impl Method for ConjugateGradients {
    fn name(&self) -> &'static str {
        "ConjugateGradients"
    }

    fn step(&mut self, problem: &mut Problem, at: &Point) -> Result<Point, Ending> {
        let steepest = || Next { direction: -at.gradient.clone(), slope: -at.square, step: unit_step(at) };
        let Next { direction: d, slope, step } = self.next.clone().unwrap_or_else(steepest);
        let stepped = problem.search(&self.config.line_search, at, &d, Some(slope), step)?;
        let beta = self.beta(at, &stepped);
        let g = &stepped.point;
        let next_slope = -g.square + beta * stepped.slope;
        let is_descent = next_slope < 0.0 && next_slope.is_finite();
        let (direction, next_slope) = match is_descent {
            true => (d * beta - g.gradient.clone(), next_slope),
            false => (-g.gradient.clone(), -g.square),
        };
        let step = stepped.step * stepped.first_slope / next_slope;
        self.next = Some(Next { direction, slope: next_slope, step });
        Ok(stepped.point)
    }

    fn restart(&mut self) -> bool {
        self.next.take().is_some()
    }

    fn write(&self, state: &mut StateSink) {
        if let Some(Next { direction, slope, step }) = &self.next {
            state.push_tensor(PREFIX, "direction", direction.to_data());
            state.push_scalar(PREFIX, "slope", (*slope).into());
            state.push_scalar(PREFIX, "step", (*step).into());
        }
    }

    fn read(&mut self, state: &mut StateSource, device: &Device) -> Option<()> {
        self.next = match method_tensor(state, "direction", device) {
            None => None,
            Some(direction) => {
                Some(Next { direction, slope: method_number(state, "slope")?, step: method_number(state, "step")? })
            }
        };
        Some(())
    }
}
