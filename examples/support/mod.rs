//! What the experiments share: wrong labels, spreads over seeds, tables, pictures of curves, files.
#![allow(dead_code)] // Each experiment uses some of it.

use burn_descent::train::write_atomic;
use burn_descent_lab::data::DataSource;
use burn_descent_lab::runs::{RunData, TrainError};
use kuva::backend::svg::SvgBackend;
use kuva::plot::LinePlot;
use kuva::render::layout::Layout;
use kuva::render::plots::Plot;
use kuva::render::render::render_multiple;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Mean and standard deviation of some numbers.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Spread {
    pub mean: f64,
    /// Of the sample (n − 1); 0 for a single number.
    pub deviation: f64,
}

impl Spread {
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.into_iter().collect();
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        let deviation = if values.len() > 1 { (squares / (count - 1.0)).sqrt() } else { 0.0 };
        Self { mean, deviation }
    }
}

/// `97.31 ± 0.12`, with as many digits as asked for (2 by default), and a sign where asked for.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(2);
        let sign = if f.sign_plus() && self.mean >= 0.0 { "+" } else { "" };
        write!(f, "{sign}{:.digits$} ± {:.digits$}", self.mean, self.deviation)
    }
}

/// A Markdown table, its columns aligned.
pub fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let heading: Vec<String> = heading.iter().map(|&cell| cell.to_owned()).collect();
    let width = |column: usize| {
        let cells = rows.iter().chain([&heading]).filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let line = |cells: &[String], pad: char| {
        let cells = cells.iter().enumerate().map(|(column, cell)| {
            let missing = width(column).saturating_sub(cell.chars().count());
            format!(" {cell}{} |", String::from(pad).repeat(missing))
        });
        format!("|{}\n", cells.collect::<String>())
    };
    let rule = vec![String::new(); heading.len()];
    let rows = rows.iter().map(|row| line(row, ' ')).collect::<String>();
    line(&heading, ' ') + &line(&rule, '-') + &rows
}

/// Some numbers over others, by name.
pub struct Curve {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

/// Okabe and Ito's colours, and some of Tol's: told apart by the colour-blind.
const COLORS: [&str; 9] =
    ["#0072b2", "#d55e00", "#009e73", "#882255", "#e69f00", "#56b4e9", "#cc79a7", "#6b6b6b", "#117733"];

/// Draws curves into an SVG picture, the vertical axis logarithmic.
///
/// # Errors
///
/// If the file cannot be written or there is nothing to draw.
pub fn draw(path: &Path, title: &str, axes: [&str; 2], curves: &[Curve]) -> Result<(), TrainError> {
    let is_drawn = |(_, y): &(f64, f64)| y.is_finite() && *y > 0.0;
    if !curves.iter().any(|curve| curve.points.iter().any(is_drawn)) {
        return Err(TrainError::Stopped(format!(
            "nothing to draw in {}: no value is finite and positive",
            path.display()
        )));
    }
    let lines: Vec<Plot> = curves.iter().enumerate().map(|(index, curve)| line(index, curve, is_drawn)).collect();
    let layout = Layout::auto_from_plots(&lines).with_log_y();
    draw_lines(path, title, axes, lines, layout)
}

/// Draws shares, from 0 to 1, into an SVG picture.
///
/// # Errors
///
/// If the file cannot be written.
pub fn draw_shares(path: &Path, title: &str, axes: [&str; 2], curves: &[Curve]) -> Result<(), TrainError> {
    let lines: Vec<Plot> = curves.iter().enumerate().map(|(index, curve)| line(index, curve, |_| true)).collect();
    let layout = Layout::auto_from_plots(&lines);
    draw_lines(path, title, axes, lines, layout)
}

/// A line through the points that are to be drawn, with the colour and the dashes of its number.
fn line(index: usize, curve: &Curve, is_drawn: impl Fn(&(f64, f64)) -> bool) -> Plot {
    let inside = curve.points.iter().copied().filter(is_drawn);
    let line = LinePlot::new().with_data(inside).with_legend(curve.name.as_str()).with_stroke_width(2.0);
    let line = line.with_color(COLORS[index % COLORS.len()]);
    let dashed = match index / COLORS.len() % 3 {
        0 => line,
        1 => line.with_dashed(),
        _ => line.with_dotted(),
    };
    dashed.into()
}

fn draw_lines(path: &Path, title: &str, axes: [&str; 2], lines: Vec<Plot>, layout: Layout) -> Result<(), TrainError> {
    let layout = layout.with_title(title).with_x_label(axes[0]).with_y_label(axes[1]);
    let layout = layout.with_width(1100.0).with_height(700.0);
    let svg = SvgBackend::default().render_scene(&render_multiple(lines, layout));
    write(path, &svg)
}

/// Each of the labels to train on becomes that of another class with the probability `share`.
///
/// # Errors
///
/// Never, unless the data did not fit together before.
pub fn mislabel(mut data: RunData, share: f64, seed: u64) -> Result<RunData, TrainError> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut labels, classes) = (data.train.labels(), data.outputs() as u32);
    for &index in &data.train_indices {
        if rng.random_bool(share) {
            labels[index] = (labels[index] + rng.random_range(1..classes)) % classes;
        }
    }
    data.train = data.train.with_labels(labels)?;
    Ok(data)
}

/// Writes a file whole or not at all.
pub fn write(path: &Path, text: &str) -> Result<(), TrainError> {
    let failed = |source| TrainError::Io { action: "write", path: path.to_owned(), source };
    write_atomic(path, text.as_bytes()).map_err(failed)
}

/// Writes a value as JSON.
pub fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<(), TrainError> {
    let text = serde_json::to_string_pretty(value).map_err(|error| TrainError::Stopped(error.to_string()))?;
    write(path, &(text + "\n"))
}

/// Ends the program: with 2 and one line on standard error, if it failed.
pub fn exit<E: fmt::Display>(result: Result<(), E>) -> ExitCode {
    result.map_or_else(|error| exit_with(2, format_args!("error: {error}")), |()| ExitCode::SUCCESS)
}

/// Ends the program with one line on standard error, which there may be nobody to read.
pub fn exit_with(status: u8, line: impl fmt::Display) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "{line}");
    ExitCode::from(status)
}

/// The folder that was given, or the usual places.
pub fn source(folder: Option<&PathBuf>) -> DataSource {
    folder.into_iter().fold(DataSource::new().progress(true), |source, folder| source.folder(folder))
}
