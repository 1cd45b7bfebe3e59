//! Descents as trails with heads: still, or running by one clock.

use crate::page::{number, text};
use crate::plot::path;
use crate::race::grouped;
use crate::style::{CROSS, Style};
use crate::thin::places;
use std::fmt::Write;

/// The seconds that a moving picture takes, after which it begins anew.
const SECONDS: f64 = 12.0;
/// The share of them in which it moves; then it stands still.
const MOVING: f64 = 0.85;
/// The points that a trail may have.
const MOST: usize = 220;

/// A descent to be drawn.
pub struct Trail {
    pub style: Style,
    pub points: Vec<[f64; 2]>,
}

/// When each step is shown: the first ones slower than the last where there are many.
#[derive(Clone, Copy)]
pub struct Clock {
    steps: usize,
}

impl Clock {
    /// Makes the clock of descents of up to so many steps.
    pub fn of(trails: &[Trail]) -> Self {
        let longest = trails.iter().map(|trail| trail.points.len()).max().unwrap_or_default();
        Self { steps: longest.saturating_sub(1).max(1) }
    }

    /// The share of the time at which a step is shown.
    fn at(self, step: f64) -> f64 {
        match self.steps {
            0..=400 => step / self.steps as f64,
            _ => (1.0 + step).ln() / (1.0 + self.steps as f64).ln(),
        }
    }

    /// Draws the clock: a hand over the number of steps.
    pub fn svg(self, [x, y]: [f64; 2], width: f64) -> String {
        let place = |step: f64| x + width * self.at(step);
        let mut ticks: Vec<f64> = match self.steps {
            0..=400 => [0.0, 0.25, 0.5, 0.75].map(|share| (share * self.steps as f64).round()).to_vec(),
            _ => std::iter::successors(Some(1.0), |step| Some(step * 10.0))
                .take_while(|step| *step < 0.6 * self.steps as f64)
                .collect(),
        };
        ticks.push(self.steps as f64);
        let mut svg = format!("<path class=\"a\" d=\"M{} {}h{}\"/>", number(x), number(y), number(width));
        for step in ticks {
            let _ = write!(svg, "<path class=\"a\" d=\"M{} {}v5\"/>", number(place(step)), number(y));
            svg += &text(
                [place(step), y + 18.0],
                "class=\"m\" font-size=\"12\" text-anchor=\"middle\"",
                &grouped(step as usize),
            );
        }
        svg += &text([x - 10.0, y + 4.0], "class=\"m\" font-size=\"12\" text-anchor=\"end\"", "step");
        // The hand goes evenly, since the scale is that of the clock.
        let _ = write!(
            svg,
            "<circle class=\"p\" r=\"4.5\" cx=\"{0}\" cy=\"{1}\"><animate attributeName=\"cx\" values=\"{2};{0};{0}\" \
             keyTimes=\"0;{MOVING};1\" dur=\"{SECONDS}s\" repeatCount=\"indefinite\"/></circle>",
            number(x + width),
            number(y),
            number(x)
        );
        svg
    }
}

/// A trail in the picture: as many of its points as can be seen, with the share of the time of each.
struct Seen {
    style: Style,
    places: Vec<[f64; 2]>,
    times: Vec<f64>,
    /// Whether it ends outside the picture.
    leaves: bool,
}

/// Draws trails within a picture (left, top, width, height), where `at` leads from points to places: in motion where there
/// is a clock. `name` tells them from the trails of other pictures on the same page.
pub fn draw(
    trails: &[Trail],
    at: impl Fn([f64; 2]) -> [f64; 2],
    inside: [f64; 4],
    clock: Clock,
    moving: bool,
    name: &str,
) -> String {
    let seen: Vec<Seen> = trails.iter().map(|trail| Seen::new(trail, &at, inside, clock)).collect();
    let lines = seen.iter().enumerate().map(|(index, seen)| seen.line(moving.then(|| format!("{name}{index}"))));
    let heads =
        seen.iter().enumerate().map(|(index, seen)| seen.head(inside, moving.then(|| format!("{name}{index}"))));
    lines.chain(heads).collect()
}

impl Seen {
    fn new(trail: &Trail, at: impl Fn([f64; 2]) -> [f64; 2], inside: [f64; 4], clock: Clock) -> Self {
        /// A trail that differs by less than this share of the time, in pixels, is the same.
        const TIME: f64 = 120.0;
        let [left, top, width, height] = inside;
        let mut points: Vec<[f64; 3]> = Vec::new();
        for (step, point) in trail.points.iter().enumerate() {
            let [x, y] = at(*point);
            let time = TIME * clock.at(step as f64);
            if !(x.is_finite() && y.is_finite()) {
                break;
            }
            // As far as a picture beside this one, where it has left for good.
            let outside = [(x - left) / width, (y - top) / height]
                .map(|share| (share - 0.5).abs())
                .into_iter()
                .fold(0.0, f64::max);
            if outside > 1.5 {
                let [a, b, _] = points.last().copied().unwrap_or([x, y, time]);
                let share = (2.0 * width / (x - a).hypot(y - b)).min(1.0);
                points.push([a + share * (x - a), b + share * (y - b), time]);
                break;
            }
            points.push([x, y, time]);
        }
        let points = spaced(points);
        let mut tolerance = 0.4;
        let mut kept = places(&points, tolerance);
        while kept.len() > MOST {
            tolerance *= 1.6;
            kept = places(&points, tolerance);
        }
        let kept: Vec<[f64; 3]> = kept.into_iter().map(|place| points[place]).collect();
        let last = kept.last().copied().unwrap_or_default();
        let leaves = !(left..=left + width).contains(&last[0]) || !(top..=top + height).contains(&last[1]);
        Self {
            style: trail.style,
            places: kept.iter().map(|[x, y, _]| [*x, *y]).collect(),
            times: kept.iter().map(|[_, _, time]| time / TIME).collect(),
            leaves,
        }
    }

    fn line(&self, name: Option<String>) -> String {
        let (line, path) = (self.style.line(), path(&self.places));
        match name {
            Some(name) => {
                let offsets: Vec<f64> = self.shares().into_iter().map(|share| 1.0 - share).collect();
                format!(
                    "<path id=\"{name}\" {line} pathLength=\"1\" stroke-dasharray=\"1 2\" d=\"{path}\">\
                     <animate attributeName=\"stroke-dashoffset\" values=\"{};0\" {}/></path>",
                    listed(&offsets),
                    self.timing()
                )
            }
            None => format!("<path {line} d=\"{path}\"/>"),
        }
    }

    fn head(&self, inside: [f64; 4], name: Option<String>) -> String {
        let Style { color, head, .. } = self.style;
        let at = |[x, y]: [f64; 2]| format!("transform=\"translate({} {})\"", number(x), number(y));
        let end = self.places.last().copied().unwrap_or_default();
        match name {
            Some(name) => {
                format!(
                    "<path class=\"h k{color}\" d=\"{head}\"><animateMotion calcMode=\"linear\" keyPoints=\"{};1\" {}>\
                     <mpath href=\"#{name}\"/></animateMotion></path>",
                    listed(&self.shares()),
                    self.timing()
                )
            }
            None if self.leaves => {
                format!("<path class=\"x k{color}\" d=\"{CROSS}\" {}/>", at(self.exit(inside)))
            }
            None => format!("<path class=\"h k{color}\" d=\"{head}\" {}/>", at(end)),
        }
    }

    /// Where it leaves the picture for good, as far inside as a mark is seen.
    fn exit(&self, [left, top, width, height]: [f64; 4]) -> [f64; 2] {
        let [left, top, width, height] = [left + 6.0, top + 6.0, width - 12.0, height - 12.0];
        let is_inside = |[x, y]: [f64; 2]| (left..=left + width).contains(&x) && (top..=top + height).contains(&y);
        let last = self.places.iter().rposition(|place| is_inside(*place)).unwrap_or_default();
        let (from, to) = (self.places[last], self.places[(last + 1).min(self.places.len() - 1)]);
        let share = |from: f64, to: f64, least: f64, size: f64| match to - from {
            along if along > 0.0 => (least + size - from) / along,
            along if along < 0.0 => (least - from) / along,
            _ => 1.0,
        };
        let share = share(from[0], to[0], left, width).min(share(from[1], to[1], top, height)).clamp(0.0, 1.0);
        [from[0] + share * (to[0] - from[0]), from[1] + share * (to[1] - from[1])]
    }

    /// The share of its length at each place.
    fn shares(&self) -> Vec<f64> {
        let mut length = 0.0;
        let mut lengths = vec![0.0];
        for pair in self.places.windows(2) {
            length += (pair[1][0] - pair[0][0]).hypot(pair[1][1] - pair[0][1]);
            lengths.push(length);
        }
        lengths.into_iter().map(|so_far| so_far / f64::max(length, f64::MIN_POSITIVE)).collect()
    }

    fn timing(&self) -> String {
        let times: Vec<f64> = self.times.iter().map(|time| MOVING * time).collect();
        format!("keyTimes=\"{};1\" dur=\"{SECONDS}s\" repeatCount=\"indefinite\"", listed(&times))
    }
}

/// The points with as much between them as leaves some hundreds, so that a long zigzag is thinned in no time.
fn spaced(mut points: Vec<[f64; 3]>) -> Vec<[f64; 3]> {
    let mut space = 0.3;
    let mut last = points.last().copied();
    loop {
        let mut kept: Vec<[f64; 3]> = Vec::new();
        for [x, y, time] in points {
            if !kept.last().is_some_and(|[a, b, t]| (x - a).abs() + (y - b).abs() < space && time - t < space) {
                kept.push([x, y, time]);
            }
        }
        if kept.len() < 4 * MOST {
            kept.extend(last.take().filter(|last| kept.last() != Some(last)));
            return kept;
        }
        (points, space) = (kept, 1.3 * space);
    }
}

/// Shares as a list for an animation.
fn listed(shares: &[f64]) -> String {
    let short = |share: &f64| {
        let text = format!("{share:.4}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        text.strip_prefix("0.").map_or(text.to_owned(), |digits| format!(".{digits}"))
    };
    shares.iter().map(short).collect::<Vec<_>>().join(";")
}
