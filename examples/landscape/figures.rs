//! What each picture shows.

use crate::picture::{Curve, Drawn, Text, Trail, curves, descents};
use crate::search::{best, descend};
use burn::tensor::Device;
use burn_descent::average::ExponentialAverage;
use burn_descent::gradient::ChainConfig;
use burn_descent::landscape::{Counterexample, Depth, DepthCure, DepthForm, Descent, Gabor, Landscape, Surface};
use burn_descent::optim::{AdamConfig, AmsgradConfig, BiasCorrection, NamedOptimizer, SgdConfig};
use burn_descent::schedule::{RunLength, Schedule};
use std::error::Error;

/// One of the pictures.
pub struct Figure {
    pub name: &'static str,
    pub shows: &'static str,
    pub draw: fn() -> Result<Drawn, Box<dyn Error>>,
}

macro_rules! figures {
    ($($name:literal: $draw:expr, $shows:literal;)*) => {
        pub const FIGURES: &[Figure] = &[$(Figure { name: $name, shows: $shows, draw: $draw }),*];
    };
}

figures! {
    "beale": || on_beale(0), "Beale's function from (2, -2), by every optimizer";
    "beale-far": || on_beale(1), "Beale's function from (-3, 3), where there is no minimum to reach";
    "two-minima": two_minima, "momentum finds a local minimum, Adagrad the global one";
    "saddle": saddle, "who leaves a saddle, and how soon";
    "ravine": ravine, "momentum goes along a ravine that plain descent crosses to and fro";
    "plateau": plateau, "where there is hardly a slope, who scales it moves";
    "cliff": cliff, "a step from a cliff goes far away, unless it is clipped";
    "gabor": gabor, "three starts on the loss of a Gabor model: a global minimum, and others";
    "gabor-fit": gabor_fit, "the Gabor model at the ends of these descents";
    "rates": rates, "a rate too small, a good one, and one too large";
    "batches": batches, "all examples, some, or one at a time";
    "schedules": schedules, "every schedule over a run of thirty epochs";
    "averages": averages, "a year of temperatures and their averages";
    "correction": correction, "the first days, with and without bias correction";
    "depth": depth, "gradients through fifty steps of a recurrent network";
    "depth-cures": depth_cures, "the same, and what is done about it";
    "counterexample": counterexample, "Adam goes to the worst end, AMSGrad to the best";
}

/// Who races in most of the pictures.
const RACERS: [&str; 8] = ["sgd", "momentum", "nesterov", "adagrad", "adadelta", "rmsprop", "adam", "nadam"];

fn text(title: impl Into<String>, lesson: impl Into<String>) -> Text {
    Text { title: title.into(), lesson: lesson.into() }
}

/// Every racer from a start, each at its best rate.
fn race(surface: Surface, racers: &[&str], start: [f64; 2], steps: usize) -> Result<Vec<Trail>, Box<dyn Error>> {
    racers.iter().map(|name| best(&surface, name, start, steps)).collect()
}

fn on(surface: Surface, text: &Text, trails: &[Trail]) -> Drawn {
    descents(text, &surface, surface.domain(), &surface.minima(), trails)
}

fn on_beale(start: usize) -> Result<Drawn, Box<dyn Error>> {
    let surface = Surface::Beale;
    let start = surface.starts()[start];
    let trails = race(surface, &RACERS, start, 10_000)?;
    let lesson = match start[0] > 0.0 {
        true => "The same minimum by very different ways: adaptive rates turn where plain descent falls down the slope.",
        false => "From here the value falls for ever along y = 1, towards 0.45: nobody finds the minimum behind the wall.",
    };
    Ok(on(surface, &text(format!("Beale's function from ({}, {}), 10,000 steps", start[0], start[1]), lesson), &trails))
}

fn two_minima() -> Result<Drawn, Box<dyn Error>> {
    let surface = Surface::TwoMinima;
    let start = surface.starts()[0];
    let rates = [("sgd", 0.05), ("momentum", 0.02), ("nesterov", 0.02), ("adagrad", 0.3), ("adam", 0.03)];
    let trail = |(name, rate): &(&str, f64)| {
        let path = descend(&surface, name, *rate, start, 2000)?;
        Ok(Trail { name: format!("{name} {rate}"), points: path.points })
    };
    let trails = rates.iter().map(trail).collect::<Result<Vec<_>, Box<dyn Error>>>()?;
    let text = text(
        "Two minima, the upper one is the lower",
        "Descent and momentum follow the slope into the local minimum; Adagrad and Adam scale both axes alike.",
    );
    Ok(on(surface, &text, &trails))
}

fn saddle() -> Result<Drawn, Box<dyn Error>> {
    let surface = Surface::Saddle;
    let rate = 0.02;
    let trail = |name: &&str| {
        let path = descend(&surface, name, rate, surface.starts()[0], 300)?;
        Ok(Trail { name: format!("{name} {rate}"), points: path.points })
    };
    let trails = RACERS.iter().filter(|name| **name != "adadelta").map(trail).collect::<Result<Vec<_>, Box<dyn Error>>>()?;
    let lesson = "One rate for all. Along the edge of a saddle the slope is tiny: who scales it leaves at once, plain descent last.";
    Ok(on(surface, &text("A saddle point, 300 steps", lesson), &trails))
}

fn ravine() -> Result<Drawn, Box<dyn Error>> {
    let surface = Surface::Ravine;
    let trails = race(surface, &["sgd", "momentum", "nesterov", "rmsprop", "adam"], surface.starts()[0], 60)?;
    let lesson = "Sixty steps at the best rate of each: the steep walls set the rate, and momentum adds up along the floor.";
    Ok(on(surface, &text("A ravine", lesson), &trails))
}

fn plateau() -> Result<Drawn, Box<dyn Error>> {
    let surface = Surface::Plateau;
    let rate = 0.05;
    let trail = |name: &&str| {
        let path = descend(&surface, name, rate, surface.starts()[0], 400)?;
        Ok(Trail { name: format!("{name} {rate}"), points: path.points })
    };
    let trails = ["sgd", "momentum", "adagrad", "rmsprop", "adam"].iter().map(trail).collect::<Result<Vec<_>, Box<dyn Error>>>()?;
    let lesson = "One rate for all. On the plain the slope is next to nothing, and so are plain descent's steps.";
    Ok(on(surface, &text("A plateau, 400 steps", lesson), &trails))
}

fn cliff() -> Result<Drawn, Box<dyn Error>> {
    let surface = Surface::Cliff;
    let trail = |name: &str, chain: ChainConfig| {
        let descent = Descent::new(surface.starts()[0], 400).with_chain(chain);
        let path = descent.run(&surface, SgdConfig::new().init()?, 0.02, &Device::flex())?;
        Ok::<_, Box<dyn Error>>(Trail { name: name.to_owned(), points: path.points })
    };
    let trails = [
        trail("descent 0.02", ChainConfig::new())?,
        trail("norm clipped to 1", ChainConfig::new().clip_norm(1.0))?,
    ];
    let lesson = "A recurrent unit over fifty steps, by weight and bias: at the cliff the slope is so steep that one step goes far away.";
    Ok(on(surface, &text("A cliff, and clipping", lesson), &trails))
}

/// The ends of descents from the lecture's starts.
fn gabor_trails() -> Result<Vec<Trail>, Box<dyn Error>> {
    let surface = Surface::Gabor;
    let starts = surface.starts().iter();
    let trail = |start: &[f64; 2]| {
        let path = descend(&surface, "sgd", 0.05, *start, 5000)?;
        let name = format!("from ({}, {}): {:.2}", start[0], start[1], path.last_loss());
        Ok(Trail { name, points: path.points })
    };
    starts.map(trail).collect()
}

fn gabor() -> Result<Drawn, Box<dyn Error>> {
    let lesson = "The start decides: in the right valley descent finds the global minimum, elsewhere a local one.";
    Ok(on(Surface::Gabor, &text("Loss of a Gabor model, by its offset and frequency", lesson), &gabor_trails()?))
}

fn gabor_fit() -> Result<Drawn, Box<dyn Error>> {
    let xs = || (-150..=150).map(|x| f64::from(x) / 10.0);
    let mut drawn: Vec<Curve> = gabor_trails()?
        .into_iter()
        .map(|trail| {
            let phi = trail.points.last().copied().unwrap_or_default();
            Curve { name: trail.name, points: xs().map(|x| (x, Gabor::model(phi, x))).collect() }
        })
        .collect();
    let mut examples = Gabor::examples().to_vec();
    examples.sort_by(|one, other| one.0.total_cmp(&other.0));
    drawn.push(Curve { name: "examples".to_owned(), points: examples });
    let lesson = "The same model at the ends of the descents: a local minimum fits some of the examples.";
    Ok(curves(&text("A Gabor model fitted to 30 examples", lesson), ["x", "y"], [false, false], &drawn))
}

fn rates() -> Result<Drawn, Box<dyn Error>> {
    let surface = Surface::Ravine;
    let curve = |(rate, what): (f64, &str)| {
        let path = descend(&surface, "sgd", rate, surface.starts()[0], 200)?;
        let points = path.losses.iter().enumerate().map(|(step, loss)| (step as f64, *loss)).take_while(|(_, loss)| *loss < 1e4);
        Ok(Curve { name: format!("{what}, {rate}"), points: points.collect() })
    };
    let drawn = [(0.002, "too small"), (0.0487, "good"), (0.0498, "at the edge"), (0.052, "too large")]
        .map(curve)
        .into_iter()
        .collect::<Result<Vec<_>, Box<dyn Error>>>()?;
    let lesson = "Plain descent in a ravine of curvature 40: beyond 2/40 each step swings further than the last.";
    Ok(curves(&text("Learning rates", lesson), ["step", "loss"], [false, true], &drawn))
}

fn batches() -> Result<Drawn, Box<dyn Error>> {
    let surface = Surface::Gabor;
    let lowest = surface.minima().first().map_or(0.0, |minimum| surface.value(*minimum));
    let curve = |(size, what): (usize, &str)| {
        let gabor = Gabor::new(size, 1)?;
        let steps = 60 * 30_usize.div_ceil(size);
        let path = descend(&gabor, "sgd", 0.02, surface.starts()[0], steps)?;
        let epoch = |step: usize| (step * size) as f64 / 30.0;
        let points = path.losses.iter().enumerate().map(|(step, loss)| (epoch(step), loss - lowest + 1e-3)).collect();
        Ok(Curve { name: format!("{what} ({size})"), points })
    };
    let drawn = [(30, "batch"), (5, "mini-batch"), (1, "stochastic")]
        .map(curve)
        .into_iter()
        .collect::<Result<Vec<_>, Box<dyn Error>>>()?;
    let lesson = "Smaller batches take more steps an epoch and come down sooner, and then wander around the minimum.";
    let title = "Batch, mini-batch and stochastic descent at a rate of 0.02";
    Ok(curves(&text(title, lesson), ["epoch", "loss above the lowest"], [false, true], &drawn))
}

fn schedules() -> Result<Drawn, Box<dyn Error>> {
    let length = RunLength { epochs: 30, steps_per_epoch: 20 };
    let curve = |schedule: &str| {
        let parsed: Schedule = schedule.parse()?;
        let points = (0..length.steps()).step_by(2).map(|step| (step as f64 / 20.0, parsed.factor(step, length)));
        Ok(Curve { name: schedule.to_owned(), points: points.collect() })
    };
    let drawn = [
        "time-based=0.2",
        "exponential=0.9",
        "step=10:0.5",
        "inverse-sqrt=1",
        "linear",
        "cosine",
        "cosine-restarts=10",
        "one-cycle",
        "warm-up=3+cosine",
        "wsd=3:8",
    ]
    .map(curve)
    .into_iter()
    .collect::<Result<Vec<_>, Box<dyn Error>>>()?;
    let lesson = "Large steps at first, small ones at the end; restarts and cycles go up again on purpose.";
    Ok(curves(&text("Schedules", lesson), ["epoch", "share of the highest rate"], [false, false], &drawn))
}

/// A year of temperatures as in the lecture: the coldest days in the first weeks, and noise.
fn temperatures() -> Vec<f64> {
    let noise = |day: usize| {
        let bits = (day as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        ((bits ^ (bits >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
    };
    let season = |day: usize| 11.5 - 8.5 * ((day as f64 - 15.0) / 365.0 * std::f64::consts::TAU).cos();
    (1..=365).map(|day| season(day) + 5.0 * (noise(day) + noise(day + 1000))).collect()
}

fn averaged(beta: f64, correction: BiasCorrection, days: usize) -> Result<Vec<(f64, f64)>, Box<dyn Error>> {
    let mut average = ExponentialAverage::new(beta)?.with_bias_correction(correction);
    let days = temperatures().into_iter().take(days).enumerate();
    Ok(days.map(|(day, temperature)| (day as f64 + 1.0, average.add(temperature))).collect())
}

fn averages() -> Result<Drawn, Box<dyn Error>> {
    let days = temperatures().into_iter().enumerate().map(|(day, temperature)| (day as f64 + 1.0, temperature));
    let drawn = [
        Curve { name: "sgd: each day".to_owned(), points: days.collect() },
        Curve { name: "β 0.9: about 10 days".to_owned(), points: averaged(0.9, BiasCorrection::Corrected, 365)? },
        Curve { name: "β 0.98: about 50 days".to_owned(), points: averaged(0.98, BiasCorrection::Corrected, 365)? },
    ]
    .map(|curve| Curve { name: curve.name.replace("sgd: ", ""), ..curve });
    let lesson = "The longer the memory, the smoother the average, and the later it turns.";
    let title = "Exponentially weighted averages of a year's temperatures";
    Ok(curves(&text(title, lesson), ["day", "degrees"], [false, false], &drawn))
}

fn correction() -> Result<Drawn, Box<dyn Error>> {
    let days = temperatures().into_iter().take(80).enumerate().map(|(day, temperature)| (day as f64 + 1.0, temperature));
    let drawn = [
        Curve { name: "each day".to_owned(), points: days.collect() },
        Curve { name: "V, from 0".to_owned(), points: averaged(0.98, BiasCorrection::Uncorrected, 80)? },
        Curve { name: "V/(1 − βᵗ)".to_owned(), points: averaged(0.98, BiasCorrection::Corrected, 80)? },
    ];
    let lesson = "An average that starts from 0 is too low at first; divided by the weights that it has so far, it is not.";
    let title = "Bias correction, β 0.98";
    Ok(curves(&text(title, lesson), ["day", "degrees"], [false, false], &drawn))
}

fn gradients(name: &str, depth: Depth) -> Result<Curve, Box<dyn Error>> {
    let norms = depth.gradient_norms(&Device::flex())?;
    let back = norms.iter().rev().enumerate().map(|(steps, norm)| (steps as f64, *norm));
    Ok(Curve { name: name.to_owned(), points: back.collect() })
}

fn depth() -> Result<Drawn, Box<dyn Error>> {
    let drawn = [
        gradients("recurrent, λ 0.9", Depth::new(DepthForm::Recurrent, 0.9))?,
        gradients("recurrent, λ 1", Depth::new(DepthForm::Recurrent, 1.0))?,
        gradients("recurrent, λ 1.1", Depth::new(DepthForm::Recurrent, 1.1))?,
        gradients("layers, scale 0.9", Depth::new(DepthForm::Layers, 0.9))?,
        gradients("layers, scale 1", Depth::new(DepthForm::Layers, 1.0))?,
        gradients("layers, scale 1.1", Depth::new(DepthForm::Layers, 1.1))?,
    ];
    let lesson = "Each step multiplies the gradient by λ: below 1 it vanishes, above 1 it explodes, over fifty of them.";
    let title = "Gradients through depth";
    Ok(curves(&text(title, lesson), ["steps back", "norm of the gradient"], [false, true], &drawn))
}

fn depth_cures() -> Result<Drawn, Box<dyn Error>> {
    let small = Depth::new(DepthForm::Layers, 0.8);
    let large = Depth::new(DepthForm::Layers, 1.2);
    let drawn = [
        gradients("scale 0.8", small)?,
        gradients("0.8, normalized", small.with_cure(DepthCure::Normalized))?,
        gradients("0.8, gated", small.with_cure(DepthCure::Gated))?,
        gradients("scale 1.2", large)?,
        gradients("1.2, clipped", large.with_cure(DepthCure::Clipped))?,
        gradients("1.2, normalized", large.with_cure(DepthCure::Normalized))?,
        gradients("orthogonal", small.with_cure(DepthCure::Orthogonal))?,
    ];
    let lesson = "Good initialization, normalization and gates keep gradients alive; clipping only stops their growth.";
    let title = "Cures for gradients through fifty layers";
    Ok(curves(&text(title, lesson), ["layers back", "norm of the gradient"], [false, true], &drawn))
}

fn counterexample() -> Result<Drawn, Box<dyn Error>> {
    const STEPS: usize = 60_000;
    let curve = |name: &str, optimizer| {
        let path = Counterexample::Online.descend(optimizer, 0.5, STEPS, &Device::flex())?;
        // Over a cycle of 101 steps, in whose middle it is.
        let points = path.chunks(101).enumerate().map(|(cycle, xs)| {
            (101.0 * (cycle as f64 + 0.5), xs.iter().sum::<f64>() / xs.len() as f64)
        });
        Ok::<_, Box<dyn Error>>(Curve { name: name.to_owned(), points: points.collect() })
    };
    let drawn = [
        curve("adam", AdamConfig::new().with_beta_2(0.99).init()?)?,
        curve("amsgrad", AmsgradConfig::new().with_beta_2(0.99).init()?)?,
        curve("sgd", NamedOptimizer::named("sgd")?.init()?)?,
    ];
    let lesson = "A slope of 1010 once in 101 steps, −10 else: the best x is −1. Adam forgets the rare large slope, AMSGrad does not.";
    let title = "Where Adam does not converge (Reddi et al. 2018)";
    Ok(curves(&text(title, lesson), ["step", "x, mean of a cycle"], [false, false], &drawn))
}
