//! Axes and contours, by the crate kuva, in this page's colours and with no more points than can be seen.

use crate::page::number;
use crate::thin::thinned;
use burn_descent::landscape::Landscape;
use kuva::backend::svg::SvgBackend;
use kuva::plot::{ContourPlot, LinePlot};
use kuva::render::layout::{ComputedLayout, Layout};
use kuva::render::plots::Plot as Layer;
use kuva::render::render::render_multiple;
use std::collections::HashMap;
use std::fmt::Write;

/// Points of a side of the grid that contours are drawn from.
const GRID: usize = 140;
const LEVELS: usize = 16;
const CONTOUR: &str = "#aab4bf";

/// An axis.
#[derive(Clone, Copy)]
pub struct Axis<'a> {
    pub label: &'a str,
    pub range: [f64; 2],
    pub logarithmic: bool,
}

/// Axes that have been drawn, and what leads from numbers to places.
pub struct Plot {
    computed: ComputedLayout,
    /// The axes.
    pub svg: String,
    /// The contours, if there are any.
    pub contours: String,
    /// Left, top, width and height of what is within the axes.
    pub inside: [f64; 4],
}

impl Plot {
    /// Draws axes with a grid.
    pub fn axes(axes: [Axis; 2], size: [f64; 2]) -> Self {
        let corner = (axes[0].range[0], axes[1].range[0]);
        let nothing = LinePlot::new().with_data([corner]).with_color("none");
        Self::draw(nothing.into(), layout(axes, size))
    }

    /// Draws the contours of a landscape in a domain: even in the logarithm of the height above `lowest`, or, where that is
    /// below 0, of a surface without a minimum, in the value.
    pub fn contours(landscape: &impl Landscape, domain: [[f64; 2]; 2], lowest: f64, size: [f64; 2]) -> Self {
        let contours = contours(landscape, domain, lowest);
        let [x, y] = domain.map(|range| Axis { label: "", range, logarithmic: false });
        Self::draw(
            contours.into(),
            layout([Axis { label: "x", ..x }, Axis { label: "y", ..y }], size).with_show_grid(false),
        )
    }

    fn draw(layer: Layer, layout: Layout) -> Self {
        let computed = ComputedLayout::from_layout(&layout);
        let svg = SvgBackend::default().render_scene(&render_multiple(vec![layer], layout));
        let inside = [computed.margin_left, computed.margin_top, computed.plot_width(), computed.plot_height()];
        let (svg, contours) = restyled(&svg);
        Self { computed, svg, contours, inside }
    }

    /// Returns the place of a point.
    pub fn at(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        [self.computed.map_x(x), self.computed.map_y(y)]
    }

    /// Returns what is drawn, with nothing outside the axes.
    pub fn clipped(&self, svg: &str) -> String {
        let [x, y, width, height] = self.inside.map(number);
        format!(
            "<clipPath id=\"in\"><rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"/></clipPath>\
             <g clip-path=\"url(#in)\">{svg}</g>"
        )
    }

    /// Returns the path of a curve, broken where it has no number.
    pub fn curve(&self, points: &[(f64, f64)]) -> String {
        let places = points.iter().map(|(x, y)| self.at([*x, *y])).collect::<Vec<_>>();
        let parts = places.split(|[x, y]| !(x.is_finite() && y.is_finite()));
        parts.filter(|part| part.len() > 1).map(|part| path(&thinned(part, 0.3))).collect()
    }
}

/// Returns a path through these places.
pub fn path(places: &[[f64; 2]]) -> String {
    let places = places.iter().map(|[x, y]| format!("{} {}", number(*x), number(*y)));
    format!("M{}", places.collect::<Vec<_>>().join("L"))
}

fn layout([x, y]: [Axis; 2], [width, height]: [f64; 2]) -> Layout {
    let layout = Layout::new((x.range[0], x.range[1]), (y.range[0], y.range[1]))
        .with_width(width)
        .with_height(height)
        .with_x_label(x.label)
        .with_y_label(y.label)
        .with_x_axis_min(x.range[0])
        .with_x_axis_max(x.range[1])
        .with_y_axis_min(y.range[0])
        .with_y_axis_max(y.range[1])
        .with_label_size(13)
        .with_y_label_offset(6.0, 0.0)
        .with_force_margins(64.0, 14.0)
        .with_force_margins_y(8.0, 46.0);
    let layout = if x.logarithmic { layout.with_log_x() } else { layout };
    if y.logarithmic { layout.with_log_y() } else { layout }
}

fn contours(landscape: &impl Landscape, domain: [[f64; 2]; 2], lowest: f64) -> ContourPlot {
    let side = |[least, most]: [f64; 2]| -> Vec<f64> {
        (0..GRID).map(|index| least + (most - least) * index as f64 / (GRID - 1) as f64).collect()
    };
    let [xs, ys] = domain.map(side);
    let value = |x: &f64, y: &f64| landscape.value([*x, *y]);
    let values: Vec<Vec<f64>> = ys.iter().map(|y| xs.iter().map(|x| value(x, y)).collect()).collect();
    let highest = values.iter().flatten().copied().fold(f64::NEG_INFINITY, f64::max);
    // What is 0 has no logarithm; below this share of the height there is nothing to see.
    let floor = 1e-4 * (highest - lowest).max(f64::MIN_POSITIVE);
    let height = |value: f64| match lowest < 0.0 {
        true => value,
        false => ((value - lowest).max(0.0) + floor).log10(),
    };
    let (bottom, top) = (height(lowest), height(highest));
    let levels: Vec<f64> = (1..LEVELS).map(|level| bottom + (top - bottom) * level as f64 / LEVELS as f64).collect();
    let heights = values.iter().map(|row| row.iter().map(|value| height(*value)).collect()).collect();
    ContourPlot::new().with_grid(heights, xs, ys).with_levels(&levels).with_line_color(CONTOUR)
}

/// What kuva drew, in the colours of the style sheet and without its frame: the axes, and the contours, thinned.
fn restyled(svg: &str) -> (String, String) {
    let body = svg.split_once("-->").map_or(svg, |(_, body)| body);
    let body = body.trim_end().trim_end_matches("</svg>");
    let mut out = String::new();
    let mut outline = String::new();
    for element in body.split_inclusive('>') {
        let is_kept = element.starts_with("<line") || element.contains("text");
        match element.split_once(" d=\"").and_then(|(_, rest)| rest.split_once('"')) {
            Some((d, rest)) if rest.contains(CONTOUR) => outline += &chained(d),
            _ if is_kept => out += element,
            // The background, the curve that is none, and clips, whose names count all pictures of a program.
            _ => {}
        }
    }
    let out = out
        .replace("stroke=\"#cccccc\" stroke-width=\"1\"", "class=\"g\"")
        .replace("stroke=\"#000000\" stroke-width=\"1\"", "class=\"a\"")
        .replace(">-", ">−");
    (rounded(&out), format!("<path class=\"c\" d=\"{outline}\"/>"))
}

/// The segments `M x y L x y` as few long lines, thinned.
fn chained(d: &str) -> String {
    let segments: Vec<[&str; 2]> = d
        .split('M')
        .filter_map(|segment| segment.split_once('L'))
        .map(|(one, other)| [one.trim(), other.trim()])
        .filter(|[one, other]| one != other)
        .collect();
    let mut touching: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, ends) in segments.iter().enumerate() {
        ends.iter().for_each(|end| touching.entry(end).or_default().push(index));
    }
    let mut used = vec![false; segments.len()];
    // The segment that goes on from a place, and where it leads.
    let next = |from: &str, used: &mut Vec<bool>| {
        let index = touching.get(from)?.iter().copied().find(|index| !used[*index])?;
        used[index] = true;
        let [one, other] = segments[index];
        Some(if one == from { other } else { one })
    };
    let mut lines = String::new();
    for index in 0..segments.len() {
        if std::mem::replace(&mut used[index], true) {
            continue;
        }
        let mut line = std::collections::VecDeque::from(segments[index]);
        while let Some(place) = line.back().and_then(|end| next(end, &mut used)) {
            line.push_back(place);
        }
        while let Some(place) = line.front().and_then(|end| next(end, &mut used)) {
            line.push_front(place);
        }
        let places: Vec<[f64; 2]> = line.iter().filter_map(|place| parsed(place)).collect();
        // What is shorter than a pixel is noise of the grid.
        let length: f64 = places.windows(2).map(|pair| (pair[1][0] - pair[0][0]).hypot(pair[1][1] - pair[0][1])).sum();
        if length > 3.0 {
            lines += &path(&thinned(&places, 0.35));
        }
    }
    lines
}

fn parsed(place: &str) -> Option<[f64; 2]> {
    let (x, y) = place.split_once(' ')?;
    Some([x.parse().ok()?, y.parse().ok()?])
}

/// The text with at most one digit after each point between two digits, in attributes.
fn rounded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(point) = rest.find('.') {
        let (before, after) = (&rest[..point], &rest[point + 1..]);
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        let kept = if before.ends_with(|c: char| c.is_ascii_digit()) { digits.min(1) } else { digits };
        // Labels keep all their digits.
        let kept = if before.rfind('>') > before.rfind('"') { digits } else { kept };
        let _ = write!(out, "{before}.{}", &after[..kept]);
        rest = &after[digits..];
    }
    out + rest
}
