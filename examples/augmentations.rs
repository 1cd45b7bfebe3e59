//! Contact sheets of all distortions and views, as PNG pictures under `artifacts/augmentations/`.
//!
//! ```text
//! cargo run --example augmentations
//! ```
//!
//! For each distortion there is one sheet of digits and one of a picture in colour: the first row as they were, the
//! others distorted, by another seed each. `all-digits.png` and `all-colour.png` have a row of each distortion.

mod support;

use burn::tensor::{Device, Int, Tensor, TensorData};
use burn_descent::augment::{AugmentConfig, AugmentError, AugmentKey, Average, Views};
use burn_descent_lab::data::{DataError, EmbeddedDigits, write_gray_png, write_rgb_png};
use clap::Parser;
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use support::exit;

/// Draw every distortion.
#[derive(Parser)]
#[command(name = "augmentations")]
struct Arguments {
    /// One more sheet, of this pipeline: rotation=10,lens=0.2,noise=0.05.
    #[arg(long, value_name = "WHAT")]
    augment: Option<AugmentConfig>,
    /// Where the sheets go.
    #[arg(long, value_name = "DIR", default_value = "artifacts/augmentations")]
    artifacts: PathBuf,
}

/// Height and width of the colour pictures.
const LANDSCAPE: [usize; 2] = [48, 48];

/// Strong enough to be seen.
const DISTORTIONS: [&str; 24] = [
    "flip@1",
    "vertical-flip@1",
    "crop=4",
    "resized-crop=0.3",
    "rotation=30",
    "shift=4",
    "scale=0.3",
    "shear=0.4",
    "lens=0.3",
    "elastic=1.5:4",
    "brightness=0.6",
    "contrast=0.8",
    "noise=0.15",
    "sharpness=1",
    "posterize=2@1",
    "solarize=0.5@1",
    "autocontrast@1",
    "equalize@1",
    "color-jitter=0.4:0.4:0.6:0.3",
    "randaugment=2:15",
    "trivialaugment",
    "erase=0.3@1",
    "mixup=1",
    "cutmix=1",
];

#[derive(Debug, thiserror::Error)]
enum SheetError {
    #[error(transparent)]
    Augment(#[from] AugmentError),
    #[error(transparent)]
    Data(#[from] DataError),
    #[error("the device: {0}")]
    Device(String),
}

/// The digits 0 to 9: `[10, 1, 28, 28]`.
fn digits(device: &Device) -> Tensor<4> {
    let digits = EmbeddedDigits::new(1);
    let of_class = |class: u8| (0..).map(|index| digits.digit(index)).find(|(_, label)| *label == class);
    let pixels = (0..10).filter_map(of_class).flat_map(|(pixels, _)| pixels);
    let values: Vec<f32> = pixels.map(|pixel| f32::from(pixel) / 255.0).collect();
    Tensor::from_data(TensorData::new(values, [10, 1, 28, 28]), device)
}

/// A sun over a tiled floor, `[1, 3, height, width]`, in another light for each `hour` up to 1.
fn landscape([height, width]: [usize; 2], hour: f32, device: &Device) -> Tensor<4> {
    let horizon = height * 3 / 5;
    let colour = |row: usize, column: usize| -> [f32; 3] {
        let sun = [row as f32 - height as f32 * 0.25, column as f32 - width as f32 * (0.2 + 0.6 * hour)];
        if sun[0].hypot(sun[1]) < height as f32 * 0.12 {
            [1.0, 0.85, 0.2]
        } else if row < horizon {
            let share = row as f32 / horizon as f32;
            [0.3 + 0.4 * share * hour, 0.5 + 0.2 * share, 0.9 - 0.5 * hour * share]
        } else if (row / 6 + column / 6).is_multiple_of(2) {
            [0.75, 0.7, 0.6]
        } else {
            [0.35, 0.2 + 0.3 * hour, 0.25]
        }
    };
    let places = (0..3).flat_map(|channel| (0..height).map(move |row| (channel, row)));
    let values: Vec<f32> =
        places.flat_map(|(channel, row)| (0..width).map(move |column| colour(row, column)[channel])).collect();
    Tensor::from_data(TensorData::new(values, [1, 3, height, width]), device)
}

/// What a pipeline makes of `images`.
fn distorted(config: &AugmentConfig, images: Tensor<4>, seed: u64) -> Result<Tensor<4>, AugmentError> {
    let augment = config.init()?;
    let numbers: Vec<usize> = (0..images.dims()[0]).collect();
    let draw = AugmentKey { seed, epoch: 1, images: &numbers };
    let classes =
        Tensor::<1, Int>::arange(0..numbers.len() as i64, &images.device()).one_hot::<2>(numbers.len().max(2));
    Ok(augment.mix(augment.distort(images, &draw)?, classes.float(), &draw)?.0)
}

/// Writes rows of images, enlarged and with a line between them.
fn write_sheet(path: &Path, rows: &[Tensor<4>]) -> Result<(), SheetError> {
    const ENLARGED: usize = 3;
    let Some(first) = rows.first() else { return Ok(()) };
    let [columns, channels, height, width] = first.dims();
    let size = [rows.len() * (height + 1) * ENLARGED, columns * (width + 1) * ENLARGED];
    let mut pixels = vec![128; size[0] * size[1] * channels];
    for (line, row) in rows.iter().enumerate() {
        let values: Vec<f32> =
            row.to_data().convert::<f32>().try_into_vec().map_err(|error| SheetError::Device(format!("{error:?}")))?;
        for (index, pixel) in pixels.iter_mut().enumerate() {
            let (place, channel) = (index / channels, index % channels);
            let (y, x) = (place / size[1] / ENLARGED, place % size[1] / ENLARGED);
            let (column, y, x) = (x / (width + 1), y.wrapping_sub(line * (height + 1)), x % (width + 1));
            if y < height && x < width {
                *pixel = (255.0 * values[((column * channels + channel) * height + y) * width + x]).round() as u8;
            }
        }
    }
    let write = if channels == 3 { write_rgb_png } else { write_gray_png };
    write(path.to_owned(), size[1], size[0], &pixels)?;
    println!("{}", path.display());
    Ok(())
}

fn run(arguments: &Arguments) -> Result<(), SheetError> {
    let device = Device::default();
    let landscapes = (0..6_u8).map(|hour| landscape(LANDSCAPE, f32::from(hour) / 5.0, &device));
    let landscapes = Tensor::cat(landscapes.collect(), 0);
    let mut sheets = Vec::new();
    for text in DISTORTIONS {
        sheets.push((text.split(['=', '@']).next().unwrap_or(text), text.parse()?));
    }
    if let Some(config) = &arguments.augment {
        // Before anything is drawn: all rows of a sheet have images of one size.
        for expected in [[28, 28], LANDSCAPE] {
            let found = config.init().map_err(AugmentError::from)?.size(expected)?;
            if found != expected {
                return Err(AugmentError::Size { expected, found }.into());
            }
        }
        sheets.push(("pipeline", config.clone()));
    }
    for (kind, images) in [("digits", digits(&device)), ("colour", landscapes)] {
        let mut all = vec![images.clone()];
        for (name, config) in &sheets {
            let distorted = (1..=4).map(|seed| distorted(config, images.clone(), seed));
            let rows = std::iter::once(Ok(images.clone())).chain(distorted).collect::<Result<Vec<_>, _>>()?;
            write_sheet(&arguments.artifacts.join(format!("{name}-{kind}.png")), &rows)?;
            all.extend(rows.get(1).cloned());
        }
        write_sheet(&arguments.artifacts.join(format!("all-{kind}.png")), &all)?;
    }
    for views in Views::ALL {
        let seen = RefCell::new(Vec::new());
        views.average(landscape([60, 84], 0.5, &device), [28, 28], Average::Logits, |image| {
            seen.borrow_mut().push(image);
            Tensor::zeros([1, 1], &device)
        })?;
        let seen = seen.into_inner();
        let rows: Vec<_> = seen.chunks(18).map(|row| Tensor::cat(row.to_vec(), 0)).collect();
        write_sheet(&arguments.artifacts.join(format!("views-{views}.png")), &rows)?;
    }
    Ok(())
}

fn main() -> ExitCode {
    exit(run(&Arguments::parse()))
}
