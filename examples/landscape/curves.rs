//! Numbers over numbers: learning curves, schedules, averages, gradients through depth.

use crate::page::{Entry, LEGEND, Page, number, text};
use crate::plot::{Axis, Plot, path};
use crate::race::grouped;
use crate::search::descend;
use crate::style::{self, Style};
use crate::thin::thinned;
use crate::{Picture, Result};
use burn::tensor::Device;
use burn_descent::average::ExponentialAverage;
use burn_descent::landscape::{Counterexample, Depth, DepthCure, DepthForm, Descent, Gabor, Surface};
use burn_descent::optim::{AdamConfig, AmsgradConfig, BiasCorrection, SgdConfig};
use burn_descent::schedule::{RunLength, Schedule};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use rayon::prelude::*;

const HEIGHT: f64 = 420.0;
/// The dashes that tell a second kind of lines from the first.
const DASHED: &str = "7 4";
const DOTTED: &str = "2 3";

/// A line, and what the legend says of it.
struct Curve {
    style: Style,
    name: String,
    detail: String,
    points: Vec<(f64, f64)>,
}

impl Curve {
    fn new(style: Style, name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        Self { style, name: name.into(), detail: String::new(), points: points.into_iter().collect() }
    }

    fn with_detail(self, detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), ..self }
    }
}

/// What is written around curves.
struct Words<'a> {
    name: &'a str,
    title: &'a str,
    lesson: &'a str,
    note: &'a str,
}

fn page(words: Words, axes: [Axis; 2], curves: Vec<Curve>) -> Vec<Picture> {
    page_with(words, axes, curves, &[])
}

/// Draws curves, and points beside them.
fn page_with(words: Words, axes: [Axis; 2], curves: Vec<Curve>, dots: &[(f64, f64)]) -> Vec<Picture> {
    let plot = Plot::axes(axes, [LEGEND - 4.0, HEIGHT]);
    let line = |curve: &Curve| format!("<path {} d=\"{}\"/>", curve.style.line(), plot.curve(&curve.points));
    // Few points lie on the lines, many behind them.
    let few = dots.len() < 50;
    let radius = if few { 3.2 } else { 2.4 };
    let dot = |(x, y): &(f64, f64)| {
        let [x, y] = plot.at([*x, *y]);
        format!("<circle class=\"d\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\"/>")
    };
    let (dots, lines): (String, String) = (dots.iter().map(dot).collect(), curves.iter().map(line).collect());
    let drawn = if few { lines + &dots } else { dots + &lines };
    let svg = format!("{}{}", plot.svg, plot.clipped(&drawn));
    let Words { name, title, lesson, note } = words;
    let legend =
        curves.into_iter().map(|Curve { style, name, detail, .. }| Entry { style: style.headless(), name, detail });
    let [title, lesson, note] = [title, lesson, note].map(str::to_owned);
    let page = Page { title, lesson, note, legend: legend.collect() };
    vec![Picture { name: name.to_owned(), svg: page.around(&svg, HEIGHT) }]
}

fn linear(label: &str, least: f64, most: f64) -> Axis<'_> {
    Axis { label, range: [least, most], logarithmic: false }
}

fn logarithmic(label: &str, least: f64, most: f64) -> Axis<'_> {
    Axis { label, range: [least, most], logarithmic: true }
}

/// Plain descent in a ravine, at four rates.
pub fn rates() -> Result<Vec<Picture>> {
    const STEPS: usize = 150;
    let surface = Surface::Ravine;
    let curve = |(place, rate, what): (usize, f64, &str)| {
        let path = descend(&surface, "sgd", rate, surface.starts()[0], STEPS)?;
        let points = path.losses.iter().enumerate().map(|(step, loss)| (step as f64, loss.max(1e-12)));
        let detail = match path.last_loss() {
            loss if loss > path.losses[0] => "diverges".to_owned(),
            loss if loss > 0.1 => format!("loss {loss:.1} at the end"),
            loss => format!("loss {loss:.0e} at the end"),
        };
        Ok(Curve::new(style::nth(place), format!("{what}: {rate}"), points).with_detail(detail))
    };
    let rates =
        [(0, 0.002, "too small"), (2, 2.0 / 41.0, "the best"), (1, 0.0499, "at the edge"), (3, 0.0515, "too large")];
    let mut curves = rates.map(curve).into_iter().collect::<Result<Vec<_>>>()?;
    curves[1].name = "the best: 2/41".to_owned();
    let words = Words {
        name: "rates",
        title: "Learning rates: too small, good and too large",
        lesson: "The steepest direction sets the limit: beyond 2/40 each step lands higher on the other wall than it came from. \
                 Just below the limit, or far below, it takes for ever.",
        note: "Plain descent on (x² + 40y²)/2 from (−10, 1). With curvatures 1 and 40 theory's best rate is 2/(1 + 40), and the \
               limit 2/40.",
    };
    Ok(page(words, [linear("step", 0.0, STEPS as f64), logarithmic("loss", 1e-6, 1e4)], curves))
}

/// All examples, some, or one at a time, on the Gabor model.
pub fn batches() -> Result<Vec<Picture>> {
    const EPOCHS: usize = 1500;
    const RATE: f64 = 0.03;
    const START: [f64; 2] = [1.0, 14.0];
    let surface = Surface::Gabor;
    let lowest = surface.minima().first().map_or(0.0, |minimum| surface.value(*minimum));
    let curve = |(place, size, what): (usize, usize, &str)| {
        let descent = Descent::new(START, EPOCHS * 30 / size);
        let path = descent.run(&Gabor::new(size, 1)?, SgdConfig::new().init()?, RATE, &Device::flex())?;
        let epoch = |step: usize| (step * size) as f64 / 30.0;
        // As many as can be told apart on a logarithmic axis.
        let mut points: Vec<(f64, f64)> = Vec::new();
        for (step, loss) in path.losses.iter().enumerate().skip(1) {
            if points.last().is_none_or(|(last, _)| epoch(step) > 1.015 * last) {
                points.push((epoch(step), loss - lowest));
            }
        }
        let detail = format!("{size} of 30 examples\n{} steps", grouped(path.steps()));
        Ok(Curve::new(style::nth(place), what, points).with_detail(detail))
    };
    let curves = [(1, 1, "stochastic"), (2, 5, "mini-batch"), (0, 30, "batch")].map(curve);
    let words = Words {
        name: "batches",
        title: "Batch, mini-batch and stochastic descent",
        lesson: "Small batches take more steps an epoch and are down first, but the noise of their gradients keeps them swinging \
                 above the bottom; all examples at once fall last, and smoothly.",
        note: "A Gabor model fitted to 30 examples by plain descent from (1, 14), the rate 0.03 for all; the loss is over all \
               examples, above that of the global minimum.",
    };
    let axes = [logarithmic("epoch", 0.03, EPOCHS as f64), logarithmic("loss above the lowest", 1e-5, 10.0)];
    Ok(page(words, axes, curves.into_iter().collect::<Result<_>>()?))
}

/// A small picture of each schedule.
pub fn schedules() -> Result<Vec<Picture>> {
    const ALL: [(&str, &str); 15] = [
        ("constant", "η"),
        ("linear", "η(1 − p)"),
        ("polynomial=2", "η(1 − p)²"),
        ("time-based=0.2", "η/(1 + 0.2n)"),
        ("exponential=0.9", "η·0.9ⁿ"),
        ("step=10:0.5", "half every 10"),
        ("multi-step=10/20/25:0.3", "·0.3 at 10, 20, 25"),
        ("inverse-sqrt=1", "η/√(n + 1)"),
        ("cosine", "half a cosine"),
        ("cosine-restarts=10", "anew every 10"),
        ("triangular=5", "up and down in 10"),
        ("one-cycle", "up, and far down"),
        ("wsd=3:8", "3 up, 8 down"),
        ("warm-up=5+cosine", "5 up, then cosine"),
        ("linear@15+cosine", "one after another"),
    ];
    const SIZE: [f64; 2] = [140.0, 92.0];
    const STEP: [f64; 2] = [154.0, 146.0];
    let length = RunLength { epochs: 30, steps_per_epoch: 20 };
    let mut svg = String::new();
    for (index, (name, formula)) in ALL.iter().enumerate() {
        let schedule: Schedule = name.parse()?;
        let [left, top] = [18.0 + STEP[0] * (index % 5) as f64, 6.0 + STEP[1] * (index / 5) as f64];
        let place = |step: u64| {
            let share = step as f64 / length.steps() as f64;
            [left + SIZE[0] * share, top + SIZE[1] * (1.0 - 0.94 * schedule.factor(step, length))]
        };
        let line = path(&thinned(&(0..length.steps()).map(place).collect::<Vec<_>>(), 0.2));
        let [x, y, width, height] = [left, top, SIZE[0], SIZE[1]].map(number);
        svg += &format!(
            "<path class=\"a\" d=\"M{x} {y}v{height}h{width}\"/><path {} d=\"{line}\"/>",
            style::nth(0).line()
        );
        let size = if name.len() > 20 { "font-size=\"11\"" } else { "font-size=\"12\"" };
        svg += &text([left, top + SIZE[1] + 17.0], size, name);
        svg += &text([left, top + SIZE[1] + 33.0], "class=\"m\" font-size=\"12\"", formula);
    }
    let page = Page {
        title: "Every schedule of the learning rate".to_owned(),
        lesson: "Large steps at first in order to get far, small ones at the end in order to settle; restarts and cycles go up \
                 again on purpose."
            .to_owned(),
        note: "Across: a run of 30 epochs. Up: from 0 to the rate η of the run. Names as in --schedule; n counts epochs, p is the \
               share of the run. plateau, which follows the loss, has no shape of its own."
            .to_owned(),
        legend: Vec::new(),
    };
    Ok(vec![Picture { name: "schedules".to_owned(), svg: page.around(&svg, STEP[1] * 3.0) }])
}

/// A year of temperatures as in the lecture, day by day: coldest in January, and noise.
fn temperatures() -> Vec<(f64, f64)> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let season = |day: f64| 53.0 - 15.0 * ((day - 15.0) / 365.0 * std::f64::consts::TAU).cos();
    let day = |day: u32| {
        let noise = rng.random_range(-7.0..7.0) + rng.random_range(-7.0..7.0);
        (f64::from(day), season(f64::from(day)) + noise)
    };
    (1..=365).map(day).collect::<Vec<_>>()
}

fn averaged(beta: f64, correction: BiasCorrection, days: usize) -> Result<Vec<(f64, f64)>> {
    let mut average = ExponentialAverage::new(beta)?.with_bias_correction(correction);
    Ok(temperatures().into_iter().take(days).map(|(day, temperature)| (day, average.add(temperature))).collect())
}

/// A year of temperatures and their averages.
pub fn averages() -> Result<Vec<Picture>> {
    let curve = |place: usize, beta: f64, detail: &str| {
        let points = averaged(beta, BiasCorrection::Corrected, 365)?;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(
            Curve::new(style::nth(place), format!("β {beta}"), points).with_detail(detail),
        )
    };
    let curves =
        vec![curve(1, 0.5, "about 2 days")?, curve(0, 0.9, "about 10 days")?, curve(2, 0.98, "about 50 days")?];
    let words = Words {
        name: "averages",
        title: "Exponentially weighted averages of a year's temperatures",
        lesson: "v ← βv + (1 − β)x follows about the last 1/(1 − β) values: the longer the memory, the smoother the average, and \
                 the later it turns.",
        note: "Dots: each day, drawn by a seed after the lecture's picture (Serra). The averages have bias correction.",
    };
    let axes = [linear("day", 0.0, 366.0), linear("degrees Fahrenheit", 20.0, 85.0)];
    Ok(page_with(words, axes, curves, &temperatures()))
}

/// The first days of the year, with and without bias correction.
pub fn correction() -> Result<Vec<Picture>> {
    const DAYS: usize = 150;
    let curves = vec![
        Curve::new(style::nth(2), "corrected", averaged(0.98, BiasCorrection::Corrected, DAYS)?)
            .with_detail("v/(1 − βᵗ)"),
        Curve::new(style::nth(3).dashed(DASHED), "uncorrected", averaged(0.98, BiasCorrection::Uncorrected, DAYS)?)
            .with_detail("v, from 0"),
    ];
    let words = Words {
        name: "correction",
        title: "Bias correction, β 0.98",
        lesson: "An average that starts from 0 is too low at first; divided by 1 − βᵗ, the sum of the weights that it has so far, \
                 it is not. After several times 1/(1 − β) days βᵗ is next to nothing, and both are the same.",
        note: "The same temperatures as in the picture of averages (Serra).",
    };
    let axes = [linear("day", 0.0, DAYS as f64), linear("degrees Fahrenheit", 0.0, 70.0)];
    Ok(page_with(words, axes, curves, &temperatures()[..DAYS]))
}

fn gradients(style: Style, name: &str, detail: &str, depth: Depth) -> Result<Curve> {
    let norms = depth.gradient_norms(&Device::flex())?;
    let back = norms.iter().rev().enumerate().map(|(steps, norm)| (steps as f64, *norm));
    Ok(Curve::new(style, name, back).with_detail(detail))
}

/// Gradients through a recurrent and through a deep linear network.
pub fn depth() -> Result<Vec<Picture>> {
    let recurrent = |place: usize, spectrum: f64| {
        let name = format!("recurrent, λ {spectrum}");
        gradients(style::nth(place), &name, "", Depth::new(DepthForm::Recurrent, spectrum))
    };
    let layers = |place: usize, scale: f64| {
        let name = format!("layers, scale {scale}");
        gradients(style::nth(place).dashed(DASHED), &name, "", Depth::new(DepthForm::Layers, scale))
    };
    let curves = vec![
        recurrent(1, 1.1)?,
        layers(1, 1.1)?,
        recurrent(2, 1.0)?,
        layers(2, 1.0)?,
        recurrent(0, 0.9)?,
        layers(0, 0.9)?,
    ];
    let words = Words {
        name: "depth",
        title: "Gradients through fifty steps or layers",
        lesson: "Each step back multiplies the gradient by λ: after fifty of them it has vanished for 0.9 and exploded for 1.1. \
                 Layers with a matrix of their own do the same by the scale that they are drawn with.",
        note: "Recurrent: one symmetric matrix of 32 units, λ its largest eigenvalue, the gradient along its eigenvector (Kao). \
               Layers: normal matrices with a deviation of scale/√32. By automatic differentiation.",
    };
    Ok(page(words, [linear("steps back", 0.0, 50.0), logarithmic("norm of the gradient", 1e-3, 1e3)], curves))
}

/// What is done about gradients that vanish or explode.
pub fn depth_cures() -> Result<Vec<Picture>> {
    let (small, large) = (Depth::new(DepthForm::Layers, 0.8), Depth::new(DepthForm::Layers, 1.2));
    let curves = vec![
        gradients(style::nth(1), "scale 1.2", "explodes", large)?,
        gradients(style::nth(2), "orthogonal", "initialization", small.with_cure(DepthCure::Orthogonal))?,
        gradients(style::nth(1).dashed(DASHED), "1.2, clipped", "to a norm of 1", large.with_cure(DepthCure::Clipped))?,
        gradients(
            style::nth(3).dashed(DOTTED),
            "normalized",
            "at either scale",
            small.with_cure(DepthCure::Normalized),
        )?,
        gradients(style::nth(0).dashed(DASHED), "0.8, gated", "0.9·h + 0.1·Wh", small.with_cure(DepthCure::Gated))?,
        gradients(style::nth(0), "scale 0.8", "vanishes", small)?,
    ];
    let words = Words {
        name: "depth-cures",
        title: "Cures for gradients that vanish or explode",
        lesson: "Good initialization and normalization keep gradients alive at any scale, gates slow their vanishing down; \
                 clipping stops an explosion, and does nothing against vanishing.",
        note: "Fifty layers of 32 units with normal matrices with a deviation of scale/√32, by automatic differentiation.",
    };
    Ok(page(words, [linear("layers back", 0.0, 50.0), logarithmic("norm of the gradient", 1e-5, 1e5)], curves))
}

/// Where Adam does not converge.
pub fn counterexample() -> Result<Vec<Picture>> {
    const STEPS: usize = 60_000;
    let optimizers = vec![
        ("adam", AdamConfig::new().with_beta_2(0.99).init()?),
        ("amsgrad", AmsgradConfig::new().with_beta_2(0.99).init()?),
        ("sgd", SgdConfig::new().init()?),
    ];
    let curve = |(name, optimizer)| {
        let xs = Counterexample::Online.descend(optimizer, 0.5, STEPS, &Device::flex())?;
        // The mean of five cycles of 101 steps, in whose middle it is.
        let mean =
            |(cycle, xs): (usize, &[f64])| (505.0 * (cycle as f64 + 0.5), xs.iter().sum::<f64>() / xs.len() as f64);
        let points: Vec<(f64, f64)> = xs.chunks_exact(505).enumerate().map(mean).collect();
        let end = points.last().map_or(f64::NAN, |(_, x)| *x);
        let detail = format!("ends at {end:.2}").replace('-', "−");
        Ok(Curve::new(style::of(name), name, std::iter::once((0.0, 0.0)).chain(points)).with_detail(detail))
    };
    let curves = optimizers.into_par_iter().map(curve).collect::<Result<Vec<_>>>()?;
    let words = Words {
        name: "counterexample",
        title: "Where Adam does not converge",
        lesson: "The slope is 1010 once in 101 steps and −10 else, so that −1 is best. Adam forgets the rare large slope and goes \
                 to the worst end; AMSGrad remembers the largest, and plain descent weighs all alike.",
        note: "Reddi, Kale & Kumar 2018, figure 1: x in [−1, 1], β₂ 0.99, rates of 0.5/√t; means of five cycles.",
    };
    Ok(page(words, [linear("step", 0.0, STEPS as f64), linear("x", -1.05, 1.05)], curves))
}

/// The Gabor model at the ends of descents.
pub fn gabor_fit(ends: &[(String, Style, [f64; 2])]) -> Vec<Picture> {
    let xs = || (-150..=150).map(|x| f64::from(x) / 10.0);
    let curve = |(name, style, phi): &(String, Style, [f64; 2])| {
        let detail = format!("loss {:.2}", Surface::Gabor.value(*phi));
        Curve::new(*style, name, xs().map(|x| (x, Gabor::model(*phi, x)))).with_detail(detail)
    };
    let words = Words {
        name: "gabor-fit",
        title: "The Gabor model where the descents end",
        lesson: "Only at the global minimum the wave goes through the examples. At the local ones it lies beside them, and no \
                 small change makes it better; at the saddle some change does, but the slope does not show it.",
        note: "f[x, φ] = sin(φ₀ + 0.06φ₁x)·exp(−(φ₀ + 0.06φ₁x)²/8), least squares on 30 examples (Serra, after Prince 2023).",
    };
    let axes = [linear("x", -15.0, 15.0), linear("y", -1.1, 1.1)];
    page_with(words, axes, ends.iter().map(curve).collect(), Gabor::examples())
}
