//! The lectures' pictures, drawn from real descents of this crate's optimizers.
//!
//! ```text
//! cargo run --example landscape -- all                    # every picture, into artifacts/landscape/
//! cargo run --example landscape -- beale saddle           # some of them
//! cargo run --example landscape -- --list                 # what there is
//! ```
//!
//! Each picture is an SVG file that follows the viewer's light or dark scheme; of a descent there is another, `-moving`, that
//! plays in any browser and in an image tag. Every optimizer has the same colour in all of them. Rates are those with the
//! lowest end of a small search, the same for each, and are printed beside the name.

mod figures;
mod picture;
mod search;

use burn_descent::train::write_atomic;
use clap::Parser;
use figures::{FIGURES, Figure};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

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
    /// Where the pictures go.
    #[arg(long, value_name = "DIR", default_value = "artifacts/landscape")]
    out: PathBuf,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), String> {
    if arguments.list {
        FIGURES.iter().for_each(|figure| println!("{:14} {}", figure.name, figure.shows));
        return Ok(());
    }
    let chosen = chosen(&arguments.names)?;
    // An unwritable folder is no reason to have worked for a minute.
    let unwritable = |error: std::io::Error| format!("cannot write to {}: {error}", arguments.out.display());
    std::fs::create_dir_all(&arguments.out).map_err(unwritable)?;
    let probe = arguments.out.join(".probe");
    write_atomic(&probe, b"").and_then(|()| std::fs::remove_file(&probe)).map_err(unwritable)?;
    let begun = Instant::now();
    let (mut number, mut bytes) = (0, 0);
    for figure in chosen {
        let drawn = (figure.draw)().map_err(|error| format!("{}: {error}", figure.name))?;
        let moving = drawn.moving.iter().map(|svg| (format!("{}-moving.svg", figure.name), svg));
        for (name, svg) in std::iter::once((format!("{}.svg", figure.name), &drawn.still)).chain(moving) {
            let path = arguments.out.join(name);
            write_atomic(&path, svg.as_bytes()).map_err(unwritable)?;
            println!("{}", path.display());
            (number, bytes) = (number + 1, bytes + svg.len());
        }
    }
    println!("{number} pictures, {} kB, {:.1} s", bytes / 1000, begun.elapsed().as_secs_f64());
    Ok(())
}

fn chosen(names: &[String]) -> Result<Vec<&'static Figure>, String> {
    if names.iter().any(|name| name == "all") {
        return Ok(FIGURES.iter().collect());
    }
    let find = |name: &String| {
        let known = || FIGURES.iter().map(|figure| figure.name).collect::<Vec<_>>().join(", ");
        let found = FIGURES.iter().find(|figure| figure.name == name);
        found.ok_or_else(|| format!("unknown picture `{name}`; known: {}, all", known()))
    };
    names.iter().map(find).collect()
}
