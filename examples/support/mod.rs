//! What the experiments share: wrong labels, spreads over seeds, tables, pictures of curves, files.
#![allow(dead_code)] // Each experiment uses some of it.

use burn_descent::train::write_atomic;
use burn_descent_lab::data::DataSource;
use burn_descent_lab::runs::{RunData, TrainError};
use plotters::prelude::*;
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

/// Draws curves into an SVG picture, the vertical axis logarithmic.
///
/// # Errors
///
/// If the file cannot be written or there is nothing to draw.
pub fn draw(path: &Path, title: &str, axes: [&str; 2], curves: &[Curve]) -> Result<(), TrainError> {
    let logarithms = |curve: &Curve| {
        let inside = curve.points.iter().filter(|(_, y)| y.is_finite() && *y > 0.0);
        inside.map(|(x, y)| (*x, y.log10())).collect::<Vec<_>>()
    };
    let points: Vec<_> = curves.iter().flat_map(logarithms).collect();
    if points.is_empty() {
        return Err(TrainError::Stopped(format!(
            "nothing to draw in {}: no value is finite and positive",
            path.display()
        )));
    }
    let range = |of: fn(&(f64, f64)) -> f64| {
        let ends = (f64::INFINITY, f64::NEG_INFINITY);
        let (low, high) = points.iter().map(of).fold(ends, |(low, high), value| (low.min(value), high.max(value)));
        let margin = 0.02 * (high - low);
        low - margin..high + margin
    };
    // Neighbours in the legend differ in hue, and those alike in hue in lightness.
    let style = |index: usize| {
        let lightness = if index.is_multiple_of(2) { 0.35 } else { 0.55 };
        HSLColor((index as f64 * 0.381_966).fract(), 0.85, lightness).stroke_width(2)
    };
    let mut svg = String::new();
    let drawn = (|| -> Result<(), Box<dyn std::error::Error>> {
        let area = SVGBackend::with_string(&mut svg, (1100, 700)).into_drawing_area();
        area.fill(&WHITE)?;
        let (left, legend) = area.split_horizontally(900);
        let mut chart = ChartBuilder::on(&left)
            .caption(title, ("sans-serif", 20))
            .margin(15)
            .x_label_area_size(45)
            .y_label_area_size(70)
            .build_cartesian_2d(range(|point| point.0), range(|point| point.1))?;
        chart
            .configure_mesh()
            .x_desc(axes[0])
            .y_desc(axes[1])
            .y_label_formatter(&|logarithm| format!("{:.3}", 10_f64.powf(*logarithm)))
            .light_line_style(WHITE)
            .draw()?;
        for (index, curve) in curves.iter().enumerate() {
            chart.draw_series(LineSeries::new(logarithms(curve), style(index)))?;
            let y = 60 + 22 * index as i32;
            legend.draw(&PathElement::new([(0, y + 7), (22, y + 7)], style(index)))?;
            legend.draw(&Text::new(curve.name.as_str(), (28, y), ("sans-serif", 14)))?;
        }
        area.present()?;
        Ok(())
    })();
    drawn.map_err(|error| TrainError::Stopped(format!("could not draw {}: {error}", path.display())))?;
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
