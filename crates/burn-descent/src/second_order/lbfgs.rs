use super::method::{Method, PREFIX, Point, Problem, dot};
use super::record::{method_number, method_tensor};
use super::report::Ending;
use super::search::{along_gradient, unit_step};
use super::{LineSearchConfig, Minimizer};
use crate::error::{ConfigError, ValueRange};
use burn::config::Config;
use burn::optim::{StateSink, StateSource};
use burn::tensor::{Device, Tensor};
use std::collections::VecDeque;

/// Configures L-BFGS, BFGS with a limited memory (Nocedal 1980; Nocedal & Wright 2006, algorithm 7.5): of the inverse of the
/// Hessian it keeps the last m pairs of a step s and what it changed in the gradient, y, and multiplies by two loops:
///
/// ```text
/// q = g        for the pairs from the newest:   a = ρ·sᵀq     q = q − a·y      ρ = 1/yᵀs
/// r = γ·q                                       γ = sᵀy/yᵀy of the newest pair
///              for the pairs from the oldest:   b = ρ·yᵀr     r = r + (a − b)·s
/// d = −r
/// ```
///
/// All of it runs on the device. Along d the line search begins with the step 1; along −g, whose length says nothing of
/// the step, with the length 1 and a c₂ of at most 0.1.
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `history` | 10 | at least 1 | m, the pairs that are kept |
/// | `line_search` | `LineSearchConfig::new()` | | how the step is found |
/// | `curvature` | 1e-8 | `[0, 1)` | a pair counts if `yᵀs` is more than this share of `‖y‖·‖s‖` |
///
/// The Wolfe conditions make `yᵀs` positive; a step that was taken without the second one, or by the slopes alone, may not.
#[derive(Config, Debug, Copy, PartialEq)]
pub struct LbfgsConfig {
    /// Sets m, the number of pairs that are kept, at least 1.
    #[config(default = 10)]
    pub history: usize,
    /// Configures the line search.
    #[config(default = "LineSearchConfig::new()")]
    pub line_search: LineSearchConfig,
    /// Sets the share of `‖y‖·‖s‖` that `yᵀs` has to exceed for a pair to count, in `[0, 1)`.
    #[config(default = 1e-8)]
    pub curvature: f64,
}

impl LbfgsConfig {
    /// Makes the minimizer.
    ///
    /// # Errors
    ///
    /// Returns the first field that is out of range.
    pub fn init(&self) -> Result<Minimizer<Lbfgs>, ConfigError> {
        self.line_search.check()?;
        ValueRange::AtLeast(1.0).check("Lbfgs", "history", self.history as f64)?;
        ValueRange::Decay.check("Lbfgs", "curvature", self.curvature)?;
        Ok(Minimizer::new(Lbfgs { config: *self, pairs: VecDeque::new() }))
    }
}

/// Learns the inverse of the Hessian from the last steps, as [`LbfgsConfig`] configures.
#[derive(Clone, Debug)]
pub struct Lbfgs {
    config: LbfgsConfig,
    /// From the oldest to the newest.
    pairs: VecDeque<Pair>,
}

/// A step and what it changed in the gradient.
#[derive(Clone, Debug)]
struct Pair {
    s: Tensor<1>,
    y: Tensor<1>,
    /// `1/yᵀs`.
    rho: f64,
    /// `sᵀy/yᵀy`.
    gamma: f64,
}

impl Lbfgs {
    /// `−H·g`, where H is the inverse of the Hessian by the pairs.
    fn direction(&self, g: &Tensor<1>) -> Tensor<1> {
        let mut q = g.clone();
        let mut a = Vec::new();
        for Pair { s, y, rho, .. } in self.pairs.iter().rev() {
            let a_i = dot(s, &q) * *rho;
            q = q - y.clone() * a_i.clone();
            a.push(a_i);
        }
        let mut r = q * self.pairs.back().map_or(1.0, |pair| pair.gamma);
        for (Pair { s, y, rho, .. }, a_i) in self.pairs.iter().zip(a.into_iter().rev()) {
            let b_i = dot(y, &r) * *rho;
            r = r + s.clone() * (a_i - b_i);
        }
        -r
    }
}

impl Method for Lbfgs {
    fn name(&self) -> &'static str {
        "Lbfgs"
    }

    fn step(&mut self, problem: &mut Problem, at: &Point) -> Result<Point, Ending> {
        let d = self.direction(&at.gradient);
        let line_search = self.config.line_search;
        let stepped = match self.pairs.is_empty() {
            true => problem.search(&along_gradient(&line_search), at, &d, Some(-at.square), unit_step(at))?,
            false => problem.search(&line_search, at, &d, None, 1.0)?,
        };
        if stepped.is_curved(self.config.curvature) {
            let y_s = stepped.y_d * stepped.step;
            let s = d * stepped.step;
            let y = stepped.point.gradient.clone() - at.gradient.clone();
            self.pairs.push_back(Pair { s, y, rho: 1.0 / y_s, gamma: y_s / stepped.y_y });
            if self.pairs.len() > self.config.history {
                self.pairs.pop_front();
            }
        }
        Ok(stepped.point)
    }

    fn restart(&mut self) -> bool {
        let knew = !self.pairs.is_empty();
        self.pairs.clear();
        knew
    }

    fn write(&self, state: &mut StateSink) {
        for (index, Pair { s, y, rho, gamma }) in self.pairs.iter().enumerate() {
            state.push_tensor(PREFIX, &format!("s_{index}"), s.to_data());
            state.push_tensor(PREFIX, &format!("y_{index}"), y.to_data());
            state.push_scalar(PREFIX, &format!("rho_{index}"), (*rho).into());
            state.push_scalar(PREFIX, &format!("gamma_{index}"), (*gamma).into());
        }
    }

    fn read(&mut self, state: &mut StateSource, device: &Device) -> Option<()> {
        self.pairs.clear();
        while let Some(s) = method_tensor(state, &format!("s_{}", self.pairs.len()), device) {
            let index = self.pairs.len();
            let y = method_tensor(state, &format!("y_{index}"), device)?;
            let (rho, gamma) =
                (method_number(state, &format!("rho_{index}"))?, method_number(state, &format!("gamma_{index}"))?);
            self.pairs.push_back(Pair { s, y, rho, gamma });
        }
        Some(())
    }
}
