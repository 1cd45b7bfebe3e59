//! Optimizers that go down on a surface from the same start.

use crate::page::{Entry, LEGEND, Page, WIDTH, text};
use crate::plot::Plot;
use crate::search::{best_rate, descend, explained};
use crate::style;
use crate::trail::{self, Clock, Trail};
use crate::{Picture, Result};
use burn_descent::landscape::{DescentEnd, Landscape, Path, Surface};
use burn_descent::optim::NamedOptimizer;
use rayon::prelude::*;

/// The lectures' optimizers.
pub const RACERS: [&str; 8] = ["sgd", "momentum", "nesterov", "adagrad", "adadelta", "rmsprop", "adam", "nadam"];
/// The steps that a rate is tried for.
const BUDGET: usize = 1000;
pub const HEIGHT: f64 = 480.0;

/// A race, before it is run.
pub struct Race {
    pub name: &'static str,
    pub title: &'static str,
    pub lesson: &'static str,
    pub surface: Surface,
    pub start: [f64; 2],
    /// What is looked at, where it is not the surface's domain.
    pub view: Option<[[f64; 2]; 2]>,
    pub racers: Vec<String>,
    pub steps: usize,
    pub rates: Rates,
    /// Whether there is also a page with a picture for every optimizer.
    pub every: bool,
}

/// How the rates are found.
#[derive(Clone, Copy)]
pub enum Rates {
    Searched,
    Same(f64),
    /// By hand.
    Each(fn(&str) -> f64),
}

/// A racer that has come in.
pub struct Runner {
    pub name: String,
    pub rate: f64,
    pub path: Path,
}

impl Race {
    /// Starts a race of the lectures' optimizers on a surface, at the surface's first start.
    pub fn new(name: &'static str, surface: Surface, steps: usize) -> Self {
        Self {
            name,
            title: "",
            lesson: "",
            surface,
            start: surface.starts()[0],
            view: None,
            racers: RACERS.map(str::to_owned).to_vec(),
            steps,
            rates: Rates::Searched,
            every: false,
        }
    }

    /// The same from a start of the user's own.
    ///
    /// # Errors
    ///
    /// If it is outside the domain.
    pub fn from(self, start: [f64; 2]) -> Result<Self> {
        if !self.surface.contains(start) {
            let [[left, right], [bottom, top]] = self.surface.domain();
            let [x, y] = start;
            let domain = format!("x from {left} to {right} and y from {bottom} to {top}").replace('-', "−");
            return Err(format!("{}: the start ({x}, {y}) is outside the domain: {domain}", self.name).into());
        }
        Ok(Self { start, lesson: "A start of your own.", view: None, ..self })
    }

    /// The same by racers of the user's own.
    pub fn by(self, racers: &[String]) -> Self {
        let rates = match self.rates {
            Rates::Each(_) => Rates::Searched,
            rates => rates,
        };
        Self { racers: racers.to_vec(), lesson: "Racers of your own.", rates, every: false, ..self }
    }

    /// Runs the race, and draws it.
    pub fn draw(&self) -> Result<Vec<Picture>> {
        let everyone: Vec<String> = match self.every {
            true => NamedOptimizer::names().filter(|name| !name.starts_with("burn-")).map(str::to_owned).collect(),
            false => self.racers.clone(),
        };
        let runners = everyone.par_iter().map(|name| self.run(name)).collect::<Result<Vec<Runner>>>()?;
        let racers: Vec<&Runner> =
            self.racers.iter().filter_map(|name| runners.iter().find(|runner| runner.name == *name)).collect();
        let mut pictures = self.together(&racers).to_vec();
        if self.every {
            pictures.extend(self.each(&runners));
        }
        Ok(pictures)
    }

    fn run(&self, name: &str) -> Result<Runner> {
        let rate = match self.rates {
            Rates::Same(rate) => rate,
            Rates::Each(of) => of(name),
            Rates::Searched => best_rate(self.surface, self.lowest(), name, self.start, self.budget())?,
        };
        let path = descend(&self.surface, name, rate, self.start, self.steps)?;
        Ok(Runner { name: name.to_owned(), rate, path })
    }

    fn budget(&self) -> usize {
        self.steps.min(BUDGET)
    }

    fn view(&self) -> [[f64; 2]; 2] {
        self.view.unwrap_or_else(|| self.surface.domain())
    }

    fn lowest(&self) -> f64 {
        lowest(&self.surface, self.view(), &self.surface.minima())
    }

    fn title(&self) -> String {
        let [x, y] = self.start;
        format!("{} from ({x}, {y}), up to {} steps", self.title, grouped(self.steps)).replace('-', "−")
    }

    fn note(&self) -> String {
        let rates = match self.rates {
            Rates::Searched => explained(self.budget()),
            Rates::Same(rate) => format!("Rate: {rate} for all, without a search."),
            Rates::Each(_) => {
                "Rates: by hand, so small that the trails are smooth; at larger ones momentum leaps across.".to_owned()
            }
        };
        let contours = if self.lowest() < 0.0 { "Contours even in the value." } else { LOGARITHMIC };
        format!("{rates} {}. {MARKS} {contours}", self.surface.source())
    }

    fn together(&self, runners: &[&Runner]) -> [Picture; 2] {
        let minima = self.surface.minima();
        let legend = runners.iter().map(|runner| Entry {
            style: style::of(&runner.name),
            name: runner.name.clone(),
            detail: format!("rate {}\n{}", runner.rate, fate(&runner.path, &minima, self.view())),
        });
        let page =
            Page { title: self.title(), lesson: self.lesson.to_owned(), note: self.note(), legend: legend.collect() };
        let trails: Vec<Trail> = runners.iter().map(|runner| runner.trail()).collect();
        on_contours(self.name, &page, &self.surface, self.view(), &minima, &trails)
    }

    /// A small picture of each.
    fn each(&self, runners: &[Runner]) -> [Picture; 2] {
        const SIZE: [f64; 2] = [146.0, 112.0];
        const STEP: [f64; 2] = [155.0, 174.0];
        const COLUMNS: usize = 5;
        let plot = Plot::contours(&self.surface, self.view(), self.lowest(), [SIZE[0] + 78.0, SIZE[1] + 54.0]);
        let minima = self.surface.minima();
        let trails: Vec<Trail> = runners.iter().map(Runner::trail).collect();
        let clock = Clock::of(&trails);
        let [left, top, width, height] = plot.inside;
        let frame = format!("<rect class=\"g\" x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\"/>");
        let background = format!("{frame}{}{}", plot.contours, marks(&plot, self.start, &minima, 0.6));
        let cell = |index: usize, moving: bool| {
            let runner = &runners[index];
            let [x, y] = [14.0 + STEP[0] * (index % COLUMNS) as f64, STEP[1] * (index / COLUMNS) as f64];
            let name = format!("t{index}-");
            let trail = trail::draw(&trails[index..=index], |point| plot.at(point), plot.inside, clock, moving, &name);
            let detail = fate(&runner.path, &minima, self.view());
            format!(
                "<g transform=\"translate({} {})\"><use href=\"#on\"/><g clip-path=\"url(#in)\">{trail}</g>{}{}{}</g>",
                x - left,
                y - top + 4.0,
                text([left, top + height + 15.0], "font-size=\"12\"", &runner.name),
                text([left, top + height + 30.0], "class=\"m\" font-size=\"12\"", &format!("rate {}", runner.rate)),
                text([left, top + height + 45.0], "class=\"m\" font-size=\"12\"", &detail)
            )
        };
        let page = Page {
            title: format!("{}: every optimizer", self.title()),
            lesson: self.lesson.to_owned(),
            note: self.note(),
            legend: Vec::new(),
        };
        let rows = runners.len().div_ceil(COLUMNS) as f64;
        [false, true].map(|moving| {
            let mut svg = format!("<defs><g id=\"on\">{background}</g></defs>{}", plot.clipped(""));
            svg.extend((0..runners.len()).map(|index| cell(index, moving)));
            let bottom = STEP[1] * rows;
            if moving {
                svg += &clock.svg([70.0, bottom + 8.0], WIDTH - 140.0);
            }
            let suffix = if moving { "-every-moving" } else { "-every" };
            let svg = page.around(&svg, bottom + if moving { 26.0 } else { -6.0 });
            Picture { name: format!("{}{suffix}", self.name), svg }
        })
    }
}

impl Runner {
    fn trail(&self) -> Trail {
        Trail { style: style::of(&self.name), points: self.path.points.clone() }
    }
}

/// What the marks mean.
pub const MARKS: &str = "Ring: start. Dot: minimum. ×: leaves the picture.";
/// What the contours are.
pub const LOGARITHMIC: &str = "Contours even in the logarithm of the height.";

/// Draws trails on the contours of a landscape, still and moving.
pub fn on_contours(
    name: &str,
    page: &Page,
    landscape: &impl Landscape,
    view: [[f64; 2]; 2],
    minima: &[[f64; 2]],
    trails: &[Trail],
) -> [Picture; 2] {
    let plot = Plot::contours(landscape, view, lowest(landscape, view, minima), [LEGEND - 4.0, HEIGHT]);
    let clock = Clock::of(trails);
    let mut starts: Vec<[f64; 2]> = trails.iter().filter_map(|trail| trail.points.first()).copied().collect();
    starts.dedup();
    let starts: String = starts.into_iter().map(|start| marks(&plot, start, minima, 1.0)).collect();
    [false, true].map(|moving| {
        let trails = trail::draw(trails, |point| plot.at(point), plot.inside, clock, moving, "t");
        let mut svg = format!("{}{}", plot.clipped(&format!("{}{starts}{trails}", plot.contours)), plot.svg);
        if moving {
            svg += &clock.svg([110.0, HEIGHT + 10.0], LEGEND - 150.0);
        }
        let suffix = if moving { "-moving" } else { "" };
        Picture { name: format!("{name}{suffix}"), svg: page.around(&svg, HEIGHT + if moving { 28.0 } else { 0.0 }) }
    })
}

/// The start, and the minima that can be seen.
fn marks(plot: &Plot, start: [f64; 2], minima: &[[f64; 2]], size: f64) -> String {
    let circle = |point: [f64; 2], class: &str, radius: f64| {
        let [x, y] = plot.at(point);
        format!("<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\"/>")
    };
    let minima = minima.iter().map(|minimum| circle(*minimum, "p", 5.0 * size));
    minima.chain([circle(start, "o", 6.0 * size)]).collect()
}

fn lowest(landscape: &impl Landscape, view: [[f64; 2]; 2], minima: &[[f64; 2]]) -> f64 {
    const SIDE: usize = 140;
    let at =
        |axis: usize, index: usize| view[axis][0] + (view[axis][1] - view[axis][0]) * index as f64 / (SIDE - 1) as f64;
    let grid = (0..SIDE * SIDE).map(|index| [at(0, index % SIDE), at(1, index / SIDE)]);
    grid.chain(minima.iter().copied()).map(|point| landscape.value(point)).fold(f64::INFINITY, f64::min)
}

/// Says in a few words how a descent ended.
pub fn fate(path: &Path, minima: &[[f64; 2]], view: [[f64; 2]; 2]) -> String {
    let scale = view.map(|[least, most]| most - least);
    let is_near = |point: &[f64; 2], minimum: &[f64; 2]| {
        ((point[0] - minimum[0]) / scale[0]).hypot((point[1] - minimum[1]) / scale[1]) < 0.01
    };
    let is_seen = |point: &[f64; 2]| view.iter().zip(point).all(|([least, most], x)| (*least..=*most).contains(x));
    let last = path.last();
    // The first step after which it never is otherwise.
    let since = |holds: &dyn Fn(&[f64; 2]) -> bool| {
        path.points.iter().rposition(|point| !holds(point)).map_or(0, |step| step + 1)
    };
    if let Some(place) = minima.iter().position(|minimum| is_near(&last, minimum)) {
        let which = match (minima.len(), place) {
            (0 | 1, _) => "minimum",
            (_, 0) => "global min.",
            _ => "local min.",
        };
        return format!("{which} at step {}", grouped(since(&|point| is_near(point, &minima[place]))));
    }
    if path.end == DescentEnd::Diverged {
        return format!("diverges at step {}", grouped(path.steps()));
    }
    if !is_seen(&last) {
        return format!("leaves at step {}", grouped(since(&|point| !is_seen(point))));
    }
    format!("ends at {:.3}", path.last_loss()).replace('-', "−")
}

/// A number with commas between its thousands.
pub fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    groups.join(",")
}
