//! The lectures' pictures, drawn from real descents of this library's optimizers.
//!
//! ```text
//! cargo run --example landscape -- all                    # every picture, into artifacts/landscape/
//! cargo run --example landscape -- beale saddle           # some of them
//! cargo run --example landscape -- beale --start 1,1 --optimizers adam,lion
//! cargo run --example landscape -- --list                 # what there is
//! ```
//!
//! Each picture is an SVG file that follows the viewer's light or dark scheme; of a descent there is another, `-moving`, that
//! plays in any browser and in an image tag. Every optimizer has the same colour in all of them. Rates are those of a small
//! search, the same for each, and are printed beside the name.

mod curves;
mod figures;
mod page;
mod plot;
mod race;
mod search;
mod style;
mod thin;
mod trail;
mod valleys;

use burn_descent::optim::NamedOptimizer;
use burn_descent::train::write_atomic;
use clap::Parser;
use figures::{Draw, FIGURES, Figure};
use rayon::prelude::*;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// A picture, and the name of its file without the ending.
#[derive(Clone)]
struct Picture {
    name: String,
    svg: String,
}

/// Draw the lectures' pictures.
#[derive(Parser)]
#[command(name = "landscape")]
struct Arguments {
    /// The pictures, by name, or all.
    #[arg(value_name = "NAME", required_unless_present = "list")]
    names: Vec<String>,
    /// List the names, and what each picture shows.
    #[arg(long)]
    list: bool,
    /// Start the races from another point.
    #[arg(long, value_name = "X,Y", allow_hyphen_values = true, value_parser = point)]
    start: Option<[f64; 2]>,
    /// Let others race.
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    optimizers: Vec<String>,
    /// Where the pictures go: by default artifacts/landscape, or artifacts/landscape-own where start or racers are your own.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Arguments {
    /// Whether the pictures are others than those of the reference set.
    fn is_own(&self) -> bool {
        self.start.is_some() || !self.optimizers.is_empty()
    }

    fn out(&self) -> PathBuf {
        let usual = if self.is_own() { "artifacts/landscape-own" } else { "artifacts/landscape" };
        self.out.clone().unwrap_or_else(|| usual.into())
    }
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    if arguments.list {
        FIGURES.iter().for_each(|figure| println!("{:16} {:6} {}", figure.name, figure.row, figure.shows));
        return Ok(());
    }
    for name in &arguments.optimizers {
        NamedOptimizer::named(name)?;
    }
    let chosen = chosen(&arguments.names)?;
    let jobs = chosen.into_iter().map(|figure| Ok((figure, job(figure, arguments)?))).collect::<Result<Vec<_>>>()?;
    let out = arguments.out();
    prepare(&out)?;
    let begun = Instant::now();
    let draw = |(figure, draw): &(&Figure, Draw)| {
        let pictures = draw.pictures().map_err(|error| format!("{}: {error}", figure.name))?;
        pictures.iter().try_for_each(|picture| keep(&out, picture))?;
        Ok((pictures.len(), pictures.iter().map(|picture| picture.svg.len()).sum::<usize>()))
    };
    let drawn = jobs.par_iter().map(draw).collect::<Result<Vec<_>>>()?;
    let (number, bytes) = drawn.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let seconds = begun.elapsed().as_secs_f64();
    println!("{number} pictures, {} kB, {seconds:.1} s, in {}", bytes / 1000, out.display());
    Ok(())
}

/// What is to be drawn for a figure, with the start and the racers that were asked for.
fn job(figure: &Figure, arguments: &Arguments) -> Result<Draw> {
    match (figure.draw)() {
        Draw::Race(race) => {
            let race = if arguments.optimizers.is_empty() { race } else { race.by(&arguments.optimizers) };
            let race = match arguments.start {
                Some(start) => race.from(start)?,
                None => race,
            };
            Ok(Draw::Race(race))
        }
        Draw::Pictures(_) if arguments.is_own() => {
            let races =
                FIGURES.iter().filter(|figure| matches!((figure.draw)(), Draw::Race(_))).map(|figure| figure.name);
            let races = races.collect::<Vec<_>>().join(", ");
            Err(format!(
                "`{}` is no race, so that it takes no --start and no --optimizers; races: {races}",
                figure.name
            )
            .into())
        }
        other => Ok(other),
    }
}

/// An unwritable folder is no reason to have worked for a minute.
fn prepare(out: &Path) -> Result<()> {
    let probe = out.join(".probe");
    let prepared = std::fs::create_dir_all(out)
        .and_then(|()| write_atomic(&probe, b""))
        .and_then(|()| std::fs::remove_file(&probe));
    prepared.map_err(|error| format!("cannot write to {}: {error}", out.display()).into())
}

fn keep(out: &Path, picture: &Picture) -> Result<()> {
    let path = out.join(format!("{}.svg", picture.name));
    write_atomic(&path, picture.svg.as_bytes())
        .map_err(|error| format!("cannot write {}: {error}", path.display()).into())
}

fn chosen(names: &[String]) -> Result<Vec<&'static Figure>> {
    if names.iter().any(|name| name == "all") {
        return Ok(FIGURES.iter().collect());
    }
    let find = |name: &String| {
        let found = FIGURES.iter().find(|figure| figure.name == name);
        found.ok_or_else(|| unknown(name).into())
    };
    names.iter().map(find).collect()
}

/// Says that there is no such picture, and which there are.
fn unknown(name: &str) -> String {
    let known: Vec<&str> = FIGURES.iter().map(|figure| figure.name).collect();
    let like = |known: &&&str| strsim::jaro_winkler(name, known);
    let nearest =
        known.iter().max_by(|one, other| like(one).total_cmp(&like(other))).filter(|nearest| like(nearest) > 0.8);
    let question = nearest.map_or_else(String::new, |nearest| format!("; did you mean `{nearest}`?"));
    format!("unknown picture `{name}`; known: {}, all{question}", known.join(", "))
}

/// Reads `X,Y`.
fn point(text: &str) -> std::result::Result<[f64; 2], String> {
    let numbers: Vec<f64> = text.split(',').filter_map(|number| number.trim().parse().ok()).collect();
    match numbers[..] {
        [x, y] if x.is_finite() && y.is_finite() => Ok([x, y]),
        _ => Err("expected two numbers, such as 2,-2".to_owned()),
    }
}
