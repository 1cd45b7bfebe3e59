//! Descents that differ by something else than the optimizer: their starts, clipping, the rate, curvature.

use crate::curves::gabor_fit;
use crate::page::{Entry, Page};
use crate::race::{MARKS, fate, grouped, on_contours};
use crate::search::{best_rate, descend, explained};
use crate::style::{self, Style};
use crate::trail::Trail;
use crate::{Picture, Result};
use burn::tensor::{DType, Device, Tensor, TensorData};
use burn_descent::gradient::ChainConfig;
use burn_descent::landscape::{Descent, Path, Surface};
use burn_descent::optim::SgdConfig;
use burn_descent::second_order::{Counts, Ending, MinimizerConfig, Objective, StoppingConfig};

/// A descent by name, with what the legend says of it.
struct Descended {
    style: Style,
    name: String,
    detail: String,
    points: Vec<[f64; 2]>,
}

fn draw(name: &str, [title, lesson, note]: [String; 3], surface: Surface, descended: Vec<Descended>) -> Vec<Picture> {
    let mut legend = Vec::new();
    let mut trails = Vec::new();
    for Descended { style, name, detail, points } in descended {
        legend.push(Entry { style, name, detail });
        trails.push(Trail { style, points });
    }
    let page = Page { title, lesson, note, legend };
    on_contours(name, &page, &surface, surface.domain(), &surface.minima(), &trails).to_vec()
}

/// A cliff, free and clipped.
pub fn cliff() -> Result<Vec<Picture>> {
    const RATE: f64 = 0.02;
    let surface = Surface::Cliff;
    let descend = |place: usize, name: &str, chain: ChainConfig| {
        let descent = Descent::new(surface.starts()[0], 400).with_chain(chain);
        let path = descent.run(&surface, SgdConfig::new().init()?, RATE, &Device::flex())?;
        let steepest = path.gradient_norms.iter().copied().fold(0.0, f64::max);
        let detail = format!("{}\nsteepest slope {steepest:.0}", fate(&path, &[], surface.domain()));
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
        format!("Rate {RATE} for both, 400 steps. {}. {MARKS}", surface.source()),
    ];
    Ok(draw("cliff", words, surface, descended))
}

const GABOR_RATE: f64 = 0.05;

fn on_gabor(start: [f64; 2], steps: usize) -> Result<Path> {
    descend(&Surface::Gabor, "sgd", GABOR_RATE, start, steps)
}

/// The start between two others from which descent comes to neither end: on the watershed, which leads to a saddle.
fn watershed(mut one: [f64; 2], mut other: [f64; 2]) -> Result<[f64; 2]> {
    let end = on_gabor(one, 2000)?.last();
    let middle = |one: [f64; 2], other: [f64; 2]| [0, 1].map(|axis| 0.5 * (one[axis] + other[axis]));
    for _ in 0..48 {
        let start = middle(one, other);
        let last = on_gabor(start, 2000)?.last();
        match (last[0] - end[0]).hypot(last[1] - end[1]) < 0.1 {
            true => one = start,
            false => other = start,
        }
    }
    Ok(middle(one, other))
}

/// The Gabor model's loss, from several starts, and the model at their ends.
pub fn gabor() -> Result<Vec<Picture>> {
    let surface = Surface::Gabor;
    let starts = surface.starts();
    let best = surface.minima()[0];
    let mut descended = Vec::new();
    for (place, start) in starts.iter().enumerate() {
        let path = on_gabor(*start, 3000)?;
        let last = path.last();
        let what = if (last[0] - best[0]).hypot(last[1] - best[1]) < 0.1 { "global minimum" } else { "local minimum" };
        descended.push((place, *start, what, path.points));
    }
    let start = watershed(starts[0], starts[1])?;
    let mut path = on_gabor(start, 2000)?;
    // As far as the flattest place: in the end rounding errors carry it away.
    let flattest = path.gradient_norms.iter().enumerate().min_by(|one, other| one.1.total_cmp(other.1)).map_or(0, |(step, _)| step);
    path.points.truncate(flattest + 1);
    let slope = path.gradient_norms[flattest];
    descended.push((3, start, "saddle", path.points));
    let ends = descended.iter().map(|(place, _, what, points)| {
        (format!("{what}, {}", place + 1), style::nth(*place), points.last().copied().unwrap_or_default())
    });
    let fits = gabor_fit(&ends.collect::<Vec<_>>());
    let descended = descended.into_iter().map(|(place, [x, y], what, points)| {
        let last = points.last().copied().unwrap_or_default();
        let detail = format!("from ({x:.4}, {y:.4})\nloss {:.3}", surface.value(last)).replace(".0000", "").replace('-', "−");
        Descended { style: style::nth(place), name: format!("{what}, {}", place + 1), detail, points }
    });
    let words = [
        "The loss of a Gabor model, by its offset and frequency".to_owned(),
        "The start decides: one valley leads to the global minimum, others to local ones, and on the ridge between two valleys \
         descent comes to a saddle."
            .to_owned(),
        format!(
            "Plain descent at a rate of {GABOR_RATE}, 3000 steps. The fourth start was found by halving the way between the first \
             two {} times: its slope falls to {slope:.0e} at step {}. {}. {MARKS}",
            48,
            grouped(flattest),
            surface.source()
        ),
    ];
    let mut pictures = draw("gabor", words, surface, descended.collect());
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
        let steps = points.iter().position(there).map_or("not there".to_owned(), |step| format!("minimum at step {step}"));
        let detail = format!("{steps}\n{} gradients in all", counts.gradients);
        descended.push(Descended { style: style::of(name), name: name.to_owned(), detail, points });
    }
    for name in ["sgd", "momentum", "adam"] {
        let rate = best_rate(&surface, 0.0, name, start, BUDGET)?;
        let path = descend(&surface, name, rate, start, STEPS)?;
        let detail = format!("rate {rate}\n{}", fate(&path, &surface.minima(), surface.domain()));
        descended.push(Descended { style: style::of(name), name: name.to_owned(), detail, points: path.points });
    }
    let words = [
        "A bent valley by methods of second order".to_owned(),
        "Who knows how the valley bends walks along it in some twenty steps; who knows the slope alone needs hundreds or \
         thousands."
            .to_owned(),
        format!(
            "Rosenbrock's function from (−1.2, 1). Methods of second order choose their steps by line searches, without a rate. \
             {} {MARKS}",
            explained(BUDGET)
        ),
    ];
    Ok(draw("second-order", words, surface, descended))
}
