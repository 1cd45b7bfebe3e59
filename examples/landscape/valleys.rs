//! Descents that differ by something else than the optimizer: their starts, clipping, the rate, curvature.

use crate::curves::gabor_fit;
use crate::page::{Entry, Page};
use crate::race::{LOGARITHMIC, MARKS, fate, grouped, on_contours};
use crate::search::{best_rate, descend, explained};
use crate::style::{self, Style};
use crate::trail::Trail;
use crate::{Picture, Result};
use burn::tensor::{DType, Device, Tensor, TensorData};
use burn_descent::gradient::ChainConfig;
use burn_descent::landscape::{Descent, Path, Surface};
use burn_descent::optim::SgdConfig;
use burn_descent::second_order::{Counts, Ending, MinimizerConfig, Objective, StoppingConfig};
use std::f64::consts::FRAC_PI_2;

/// A descent by name, with what the legend says of it.
struct Descended {
    style: Style,
    name: String,
    detail: String,
    points: Vec<[f64; 2]>,
}

fn draw(
    name: &str,
    [title, lesson, note]: [String; 3],
    surface: Surface,
    view: [[f64; 2]; 2],
    descended: Vec<Descended>,
) -> Vec<Picture> {
    let mut legend = Vec::new();
    let mut trails = Vec::new();
    for Descended { style, name, detail, points } in descended {
        legend.push(Entry { style, name, detail });
        trails.push(Trail { style, points });
    }
    let page = Page { title, lesson, note, legend };
    on_contours(name, &page, &surface, view, &surface.minima(), &trails).to_vec()
}

/// A cliff, free and clipped.
pub fn cliff() -> Result<Vec<Picture>> {
    const RATE: f64 = 0.02;
    const STEPS: usize = 1100;
    const VIEW: [[f64; 2]; 2] = [[4.8, 6.2], [-3.3, -2.4]];
    let surface = Surface::Cliff;
    let descend = |place: usize, name: &str, chain: ChainConfig| {
        let descent = Descent::new(surface.starts()[0], STEPS).with_chain(chain);
        let path = descent.run(&surface, SgdConfig::new().init()?, RATE, &Device::flex())?;
        let steepest = path.gradient_norms.iter().copied().fold(0.0, f64::max);
        let detail = format!("{}\nsteepest slope {}", fate(&path, &[], VIEW), grouped(steepest.round() as usize));
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(Descended {
            style: style::nth(place),
            name: name.to_owned(),
            detail,
            points: path.points,
        })
    };
    let descended = vec![
        descend(1, "plain descent", ChainConfig::new())?,
        descend(0, "norm clipped to 1", ChainConfig::new().clip_norm(1.0))?,
    ];
    let words = [
        "A cliff, and clipping".to_owned(),
        "Fifty steps of a recurrent unit make a cliff in the loss of its weight and bias: there the slope is so steep that one \
         step goes far away. Clipped, the step keeps its direction and a sane length."
            .to_owned(),
        format!("Rate {RATE} for both, {} steps. {}. {MARKS} {LOGARITHMIC}", grouped(STEPS), surface.source()),
    ];
    Ok(draw("cliff", words, surface, VIEW, descended))
}

const GABOR_RATE: f64 = 0.1;

fn on_gabor(start: [f64; 2], steps: usize) -> Result<Path> {
    descend(&Surface::Gabor, "sgd", GABOR_RATE, start, steps)
}

/// What a point is, by slope and curvature.
fn kind(surface: Surface, point: [f64; 2]) -> &'static str {
    let [slope_x, slope_y] = surface.gradient(point);
    let best = surface.minima()[0];
    let ([least, most], _) = principal(surface, point);
    match (least > 0.0, most > 0.0) {
        _ if slope_x.hypot(slope_y) > 1e-3 => "on a slope",
        _ if (point[0] - best[0]).hypot(point[1] - best[1]) < 0.1 => "global minimum",
        (true, true) => "local minimum",
        (false, true) => "saddle",
        _ => "maximum",
    }
}

/// The curvatures at a point, the least first, and the direction of the least.
fn principal(surface: Surface, point: [f64; 2]) -> ([f64; 2], [f64; 2]) {
    let [[xx, xy], [_, yy]] = surface.hessian(point);
    let (mean, half) = (0.5 * (xx + yy), (0.5 * (xx - yy)).hypot(xy));
    let angle = 0.5 * (2.0 * xy).atan2(xx - yy) + FRAC_PI_2;
    ([mean - half, mean + half], [angle.cos(), angle.sin()])
}

/// The stationary point that Newton's method comes to.
fn stationary(surface: Surface, near: [f64; 2]) -> [f64; 2] {
    (0..50).fold(near, |[x, y], _| {
        let ([a, b], [[xx, xy], [_, yy]]) = (surface.gradient([x, y]), surface.hessian([x, y]));
        let determinant = xx * yy - xy * xy;
        [x - (yy * a - xy * b) / determinant, y - (xx * b - xy * a) / determinant]
    })
}

/// A start some way up from a saddle, from which descent leads to it: on the ridge between two valleys, found by halving.
fn above(saddle: [f64; 2], halvings: usize) -> Result<[f64; 2]> {
    const AWAY: f64 = -1.2;
    let (_, [down_x, down_y]) = principal(Surface::Gabor, saddle);
    let at = |side: f64| [saddle[0] - AWAY * down_y + side * down_x, saddle[1] + AWAY * down_x + side * down_y];
    let (mut left, mut right) = (-0.8, 0.8);
    for _ in 0..halvings {
        let middle = 0.5 * (left + right);
        let along = |[x, y]: &[f64; 2]| (x - saddle[0]) * down_x + (y - saddle[1]) * down_y;
        let away = |[x, y]: &[f64; 2]| (y - saddle[1]) * down_x - (x - saddle[0]) * down_y;
        let path = on_gabor(at(middle), 800)?;
        // Past the saddle, or beside it for good.
        let passes = path.points.iter().find(|point| away(point) / AWAY < 0.05 || along(point).abs() > 1.0);
        if along(passes.unwrap_or(&path.last())) < 0.0 { left = middle } else { right = middle }
    }
    Ok(at(0.5 * (left + right)))
}

/// The Gabor model's loss, from several starts, and the model at their ends.
pub fn gabor() -> Result<Vec<Picture>> {
    const STARTS: [[f64; 2]; 3] = [[0.0, 12.0], [9.0, 21.0], [-4.0, 20.0]];
    const STEPS: usize = 10_000;
    const HALVINGS: usize = 50;
    let surface = Surface::Gabor;
    let mut paths = STARTS.iter().map(|start| on_gabor(*start, STEPS)).collect::<Result<Vec<_>>>()?;
    let saddle = stationary(surface, [2.1, 10.2]);
    let mut ridge = on_gabor(above(saddle, HALVINGS)?, STEPS)?;
    // As far as the saddle: in the end rounding errors carry it away.
    let distance = |[x, y]: &[f64; 2]| (x - saddle[0]).hypot(y - saddle[1]);
    let distances = ridge.points.iter().map(distance).enumerate();
    let (step, _) = distances.min_by(|one, other| one.1.total_cmp(&other.1)).unwrap_or_default();
    let slope = ridge.gradient_norms[step.min(ridge.steps() - 1)];
    ridge.points.truncate(step + 1);
    paths.push(ridge);
    let descended = paths.into_iter().enumerate().map(|(place, Path { points, .. })| {
        let ([x, y], last) = (points[0], points.last().copied().unwrap_or_default());
        let detail =
            format!("from ({x:.2}, {y:.2})\nloss {:.3}", surface.value(last)).replace(".00", "").replace('-', "−");
        let name = format!("{}: {}", place + 1, kind(surface, last));
        Descended { style: style::nth(place), name, detail, points }
    });
    let descended: Vec<Descended> = descended.collect();
    let ends =
        descended.iter().map(|one| (one.name.clone(), one.style, one.points.last().copied().unwrap_or_default()));
    let fits = gabor_fit(&ends.collect::<Vec<_>>());
    let words = [
        "The loss of a Gabor model, by its offset and frequency".to_owned(),
        "The start decides: one valley leads to the global minimum, others to local ones, and on the ridge between two valleys \
         descent comes to a saddle."
            .to_owned(),
        format!(
            "Plain descent, rate {GABOR_RATE}, {} steps. The fourth start is where {HALVINGS} halvings found the ridge: the slope \
             falls to {slope:.0e} at step {}. {}. {MARKS} {LOGARITHMIC}",
            grouped(STEPS),
            grouped(step),
            surface.source()
        ),
    ];
    let mut pictures = draw("gabor", words, surface, surface.domain(), descended);
    pictures.extend(fits);
    Ok(pictures)
}

/// A surface whose curvature is known, for the methods of second order.
struct Known {
    surface: Surface,
    device: Device,
}

impl Known {
    fn tensor<const D: usize>(&self, values: Vec<f64>, shape: [usize; D]) -> Tensor<D> {
        Tensor::from_data(TensorData::new(values, shape), (&self.device, DType::F64))
    }
}

fn plane(theta: &Tensor<1>) -> [f64; 2] {
    let values: Vec<f64> = theta.to_data().convert::<f64>().try_into_vec().unwrap_or_default();
    [0, 1].map(|index| values.get(index).copied().unwrap_or(f64::NAN))
}

impl Objective for Known {
    fn gradient(&mut self, theta: &Tensor<1>) -> (Tensor<1>, Tensor<1>) {
        let point = plane(theta);
        let gradient = self.surface.gradient(point).to_vec();
        (self.tensor(vec![self.surface.value(point)], [1]), self.tensor(gradient, [2]))
    }

    fn hessian(&mut self, theta: &Tensor<1>) -> Option<Tensor<2>> {
        Some(self.tensor(self.surface.hessian(plane(theta)).concat(), [2, 2]))
    }
}

/// The steps of a method of second order, one by one, and what they took.
fn minimized(name: &str, surface: Surface, start: [f64; 2]) -> Result<(Vec<[f64; 2]>, Counts)> {
    let mut known = Known { surface, device: Device::flex() };
    let theta = known.tensor(start.to_vec(), [2]);
    let one = StoppingConfig::new().with_max_iterations(Some(1));
    let mut minimizer = MinimizerConfig::named(name)?.init()?.with_stopping(one)?;
    let mut report = minimizer.minimize(&mut known, theta)?;
    let mut points = vec![start];
    loop {
        points.push(plane(&report.theta));
        if report.ending != Ending::Budget || points.len() > 200 {
            return Ok((points, report.counts));
        }
        report = minimizer.go_on(&mut known).unwrap_or(report);
    }
}

/// Methods that know of the curvature, beside those that do not.
pub fn second_order() -> Result<Vec<Picture>> {
    const STEPS: usize = 10_000;
    const BUDGET: usize = 1000;
    let surface = Surface::Rosenbrock;
    let (start, minimum) = (surface.starts()[0], surface.minima()[0]);
    let mut descended = Vec::new();
    for name in ["newton", "bfgs", "lbfgs", "conjugate-gradients"] {
        let (points, counts) = minimized(name, surface, start)?;
        let there = |[x, y]: &[f64; 2]| (x - minimum[0]).hypot(y - minimum[1]) < 0.01;
        let steps =
            points.iter().position(there).map_or("not there".to_owned(), |step| format!("minimum at step {step}"));
        let detail = format!("{steps}\n{} gradients in all", counts.gradients);
        descended.push(Descended { style: style::of(name), name: name.to_owned(), detail, points });
    }
    for name in ["sgd", "momentum", "adam"] {
        let rate = best_rate(surface, 0.0, name, start, BUDGET)?;
        let path = descend(&surface, name, rate, start, STEPS)?;
        let detail = format!("rate {rate}\n{}", fate(&path, &surface.minima(), surface.domain()));
        descended.push(Descended { style: style::of(name), name: name.to_owned(), detail, points: path.points });
    }
    let words = [
        "A bent valley by methods of second order".to_owned(),
        "Who knows how the valley bends walks along it in twenty or thirty steps; who knows the slope alone needs hundreds or \
         thousands."
            .to_owned(),
        format!(
            "Rosenbrock's function from (−1.2, 1). Methods of second order need no rate: line searches set their steps. {} \
             {MARKS} {LOGARITHMIC}",
            explained(BUDGET)
        ),
    ];
    Ok(draw("second-order", words, surface, surface.domain(), descended))
}
