//! Pictures as SVG: descents on contours, still and moving, and curves; in light and in dark.

use burn_descent::landscape::Landscape;
use kuva::backend::svg::SvgBackend;
use kuva::plot::{ContourPlot, LinePlot, ScatterPlot};
use kuva::render::layout::{ComputedLayout, Layout};
use kuva::render::plots::Plot;
use kuva::render::render::render_multiple;
use std::fmt::Write;

const WIDTH: f64 = 800.0;
const HEIGHT: f64 = 560.0;
/// Points of a side of the grid that contours are drawn from.
const GRID: usize = 90;
const LEVELS: usize = 16;
/// The seconds that a moving picture takes, and then stands still for.
const SECONDS: f64 = 10.0;
/// The share of them in which it moves.
const MOVING: f64 = 0.85;

/// What a picture is called, and the one thing that it shows.
pub struct Text {
    pub title: String,
    pub lesson: String,
}

/// A descent to be drawn.
pub struct Trail {
    pub name: String,
    pub points: Vec<[f64; 2]>,
}

/// A curve to be drawn.
pub struct Curve {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

/// A picture, and the same with its trails drawn one step after the other.
pub struct Drawn {
    pub still: String,
    pub moving: Option<String>,
}

/// The colour of an optimizer, the same in every picture: of Okabe and Ito's, and Tol's where these are used up, all told
/// apart by the colour-blind.
pub fn color(name: &str, place: usize) -> &'static str {
    const OTHERS: [&str; 10] = [
        "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#882255", "#117733", "#7F7F7F", "#AA4499",
    ];
    let optimizer = name.split([' ', ':', ',']).next().unwrap_or_default();
    match optimizer {
        "sgd" => "#7F7F7F",
        "momentum" => "#E69F00",
        "nesterov" => "#D55E00",
        "adagrad" => "#009E73",
        "adadelta" => "#56B4E9",
        "rmsprop" => "#CC79A7",
        "adam" => "#0072B2",
        "nadam" => "#882255",
        "amsgrad" => "#117733",
        "lion" => "#AA4499",
        _ => OTHERS[place % OTHERS.len()],
    }
}

/// Draws descents on the contours of a landscape, which are logarithmic above its lowest value in the picture.
pub fn descents(
    text: &Text,
    landscape: &impl Landscape,
    domain: [[f64; 2]; 2],
    minima: &[[f64; 2]],
    trails: &[Trail],
) -> Drawn {
    let side = |[least, most]: [f64; 2]| -> Vec<f64> {
        (0..GRID).map(|index| least + (most - least) * index as f64 / (GRID - 1) as f64).collect()
    };
    let [xs, ys] = domain.map(side);
    let values: Vec<Vec<f64>> = ys.iter().map(|y| xs.iter().map(|x| landscape.value([*x, *y])).collect()).collect();
    let all = || values.iter().flatten().copied().filter(|value| value.is_finite());
    let lowest = minima.iter().map(|point| landscape.value(*point)).chain(all()).fold(f64::INFINITY, f64::min);
    let highest = all().fold(f64::NEG_INFINITY, f64::max);
    // What is 0 has no logarithm; below this share of the height there is nothing to see.
    let floor = 1e-4 * (highest - lowest).max(f64::MIN_POSITIVE);
    let height = |value: f64| (value - lowest + floor).log10();
    let (bottom, top) = (height(lowest), height(highest));
    let levels: Vec<f64> =
        (1..LEVELS).map(|level| bottom + (top - bottom) * level as f64 / LEVELS as f64).collect();
    let heights = values.iter().map(|row| row.iter().map(|value| height(*value)).collect()).collect();
    let contours = ContourPlot::new()
        .with_grid(heights, xs, ys)
        .with_levels(&levels)
        .with_line_color(CONTOUR)
        .with_line_width(0.7);
    let trails: Vec<Trail> = trails.iter().map(|trail| within(trail, domain)).collect();
    let layers = |with_lines: bool| {
        let mut layers: Vec<Plot> = vec![contours.clone().into()];
        for (place, trail) in trails.iter().enumerate() {
            let line = LinePlot::new().with_color(color(&trail.name, place)).with_legend(trail.name.clone());
            let points = trail.points.iter().take(if with_lines { usize::MAX } else { 1 });
            layers.push(line.with_stroke_width(2.0).with_data(points.map(|[x, y]| (*x, *y))).into());
        }
        let marks = |points: Vec<(f64, f64)>, color: &str, size: f64| -> Plot {
            ScatterPlot::new().with_color(color).with_size(size).with_data(points).into()
        };
        layers.push(marks(minima.iter().map(|[x, y]| (*x, *y)).collect(), MARK, 5.0));
        let mut starts: Vec<(f64, f64)> =
            trails.iter().filter_map(|trail| trail.points.first()).map(|[x, y]| (*x, *y)).collect();
        starts.dedup();
        layers.push(marks(starts, MARK, 3.0));
        if with_lines {
            let ends = trails.iter().enumerate().filter_map(|(place, trail)| {
                let [x, y] = trail.points.last()?;
                Some(marks(vec![(*x, *y)], color(&trail.name, place), 4.0))
            });
            layers.extend(ends);
        }
        layers
    };
    let layout = |layers: &[Plot]| {
        let [[left, right], [low, high]] = domain;
        Layout::auto_from_plots(layers)
            .with_title(text.title.clone())
            .with_subtitle(text.lesson.clone())
            .with_width(WIDTH)
            .with_height(HEIGHT)
            .with_show_grid(false)
            .with_x_axis_min(left)
            .with_x_axis_max(right)
            .with_y_axis_min(low)
            .with_y_axis_max(high)
    };
    let (still, moving) = (layers(true), layers(false));
    let plane = ComputedLayout::from_layout(&layout(&moving));
    let overlay = animated(&trails, |[x, y]| [plane.map_x(x), plane.map_y(y)]);
    let still = { layout(&still) };
    let still = SvgBackend::default().render_scene(&render_multiple(layers(true), still));
    let base = layout(&moving);
    let moving = SvgBackend::default().render_scene(&render_multiple(moving, base));
    Drawn { still: styled(&still, ""), moving: Some(styled(&moving, &overlay)) }
}

/// Draws curves, on logarithmic axes where asked for.
pub fn curves(text: &Text, axes: [&str; 2], logarithmic: [bool; 2], curves: &[Curve]) -> Drawn {
    let layers: Vec<Plot> = curves
        .iter()
        .enumerate()
        .map(|(place, curve)| {
            let inside = |(x, y): &&(f64, f64)| {
                let shown = |value: f64, logarithmic: bool| value.is_finite() && (value > 0.0 || !logarithmic);
                shown(*x, logarithmic[0]) && shown(*y, logarithmic[1])
            };
            let line = LinePlot::new().with_color(color(&curve.name, place)).with_legend(curve.name.clone());
            line.with_stroke_width(2.0).with_data(curve.points.iter().filter(inside).copied()).into()
        })
        .collect();
    let layout = Layout::auto_from_plots(&layers)
        .with_title(text.title.clone())
        .with_subtitle(text.lesson.clone())
        .with_x_label(axes[0])
        .with_y_label(axes[1])
        .with_width(WIDTH)
        .with_height(HEIGHT);
    let layout = if logarithmic[0] { layout.with_log_x() } else { layout };
    let layout = if logarithmic[1] { layout.with_log_y() } else { layout };
    let svg = SvgBackend::default().render_scene(&render_multiple(layers, layout));
    Drawn { still: styled(&svg, ""), moving: None }
}

const CONTOUR: &str = "#9aa7b4";
const MARK: &str = "#000001";

/// The trail as far as it is near the picture.
fn within(trail: &Trail, domain: [[f64; 2]; 2]) -> Trail {
    let near = |point: &&[f64; 2]| {
        domain.iter().zip(**point).all(|([least, most], x)| {
            let room = 2.0 * (most - least);
            x > least - room && x < most + room
        })
    };
    Trail { name: trail.name.clone(), points: trail.points.iter().take_while(near).copied().collect() }
}

/// The trails as they grow, a step of each in the same time, and their heads.
fn animated(trails: &[Trail], at: impl Fn([f64; 2]) -> [f64; 2]) -> String {
    let longest = trails.iter().map(|trail| trail.points.len()).max().unwrap_or(1).max(2);
    let mut svg = String::new();
    for (place, trail) in trails.iter().enumerate() {
        // Where it has moved by a pixel, with the step.
        let mut kept: Vec<(usize, [f64; 2])> = Vec::new();
        for (step, point) in trail.points.iter().enumerate() {
            let pixel = at(*point);
            let moved = |(_, last): &(usize, [f64; 2])| (pixel[0] - last[0]).hypot(pixel[1] - last[1]) >= 1.5;
            if kept.last().is_none_or(moved) || (step + 1 == trail.points.len() && kept.len() > 1) {
                kept.push((step, pixel));
            }
        }
        if kept.len() < 2 {
            continue;
        }
        let mut length = 0.0;
        let mut lengths = vec![0.0];
        for pair in kept.windows(2) {
            length += (pair[1].1[0] - pair[0].1[0]).hypot(pair[1].1[1] - pair[0].1[1]);
            lengths.push(length);
        }
        let share = |distance: &f64| distance / length.max(f64::MIN_POSITIVE);
        // All run by one clock, whose end is that of the longest; many steps are shown faster the more there are.
        let time = |step: usize| MOVING * (1.0 + step as f64).ln() / (1.0 + longest as f64).ln();
        let join = |values: Vec<f64>| values.iter().map(|x| format!("{x:.4}")).collect::<Vec<_>>().join(";");
        let mut times: Vec<f64> = kept.iter().map(|(step, _)| time(*step)).collect();
        let mut shares: Vec<f64> = lengths.iter().map(share).collect();
        (times[0], shares[0]) = (0.0, 0.0);
        times.push(1.0);
        shares.push(1.0);
        let path: Vec<String> = kept.iter().map(|(_, [x, y])| format!("{x:.1} {y:.1}")).collect();
        let (path, color) = (format!("M{}", path.join("L")), color(&trail.name, place));
        let (times, offsets) = (join(times), join(shares.iter().map(|share| 1.0 - share).collect()));
        let shares = join(shares);
        let clock = format!("dur=\"{SECONDS}s\" repeatCount=\"indefinite\" keyTimes=\"{times}\"");
        let _ = write!(
            svg,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\" pathLength=\"1\" stroke-dasharray=\"1\">\
             <animate attributeName=\"stroke-dashoffset\" values=\"{offsets}\" {clock}/></path>\
             <circle r=\"4\" fill=\"{color}\"><animateMotion path=\"{path}\" calcMode=\"linear\" keyPoints=\"{shares}\" {clock}/></circle>"
        );
    }
    svg
}

/// The picture in light and in dark, with numbers of a digit after the point, and something laid over it.
fn styled(svg: &str, overlay: &str) -> String {
    const STYLE: &str = "<style>@media (prefers-color-scheme:dark){svg{fill:#d7dde4}\
        rect[fill=\"white\"],rect[fill=\"#ffffff\"]{fill:#12161b}\
        line[stroke=\"#000000\"],rect[stroke=\"black\"],rect[stroke=\"#000000\"]{stroke:#8b98a5}\
        line[stroke=\"#cccccc\"]{stroke:#2b333c}\
        text{fill:#d7dde4}path[stroke=\"#9aa7b4\"]{stroke:#46525e}\
        circle[fill=\"#000001\"]{fill:#fff}}</style>";
    let mut out = String::with_capacity(svg.len());
    let (head, body) = svg.split_once('>').unwrap_or((svg, ""));
    // A picture scales with the page that it is in.
    let _ = write!(out, "{head} viewBox=\"0 0 {WIDTH} {HEIGHT}\">{STYLE}");
    out.push_str(&rounded(body));
    let clipped = match body.split_once("id=\"") {
        Some((_, rest)) if !overlay.is_empty() => rest.split('"').next().unwrap_or_default().to_owned(),
        _ => String::new(),
    };
    let overlay = match clipped.is_empty() {
        true => overlay.to_owned(),
        false => format!("<g clip-path=\"url(#{clipped})\">{overlay}</g>"),
    };
    out.replace("</svg>", &(overlay + "</svg>\n"))
}

/// The text with at most one digit after each point between two digits.
fn rounded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(point) = rest.find('.') {
        let (before, after) = (&rest[..point], &rest[point + 1..]);
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        let is_number = before.ends_with(|c: char| c.is_ascii_digit()) && digits > 2;
        out.push_str(before);
        match is_number {
            true => {
                out.push('.');
                out.push_str(&after[..1]);
            }
            false => {
                out.push('.');
                out.push_str(&after[..digits]);
            }
        }
        rest = &after[digits..];
    }
    out.push_str(rest);
    out
}
