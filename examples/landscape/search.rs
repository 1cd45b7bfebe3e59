//! Descents, each at the best of some rates.

use crate::picture::Trail;
use burn::tensor::Device;
use burn_descent::landscape::{Descent, Landscape, Path};
use burn_descent::optim::NamedOptimizer;
use std::error::Error;

/// The rates that each optimizer is tried at.
const RATES: [f64; 13] = [1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0];

/// Descends from `start` by an optimizer at the rate that ends lowest, and names the trail after both. Of rates that end at
/// about the same height, it is the one that is there first.
pub fn best(landscape: &impl Landscape, name: &str, start: [f64; 2], steps: usize) -> Result<Trail, Box<dyn Error>> {
    let mut found: Option<(f64, Path)> = None;
    for rate in RATES {
        let path = descend(landscape, name, rate, start, steps)?;
        // The first step that comes as low as the end, where there is not much left.
        let worth = |path: &Path| {
            let lowest = path.last_loss();
            let there = path.losses.iter().position(|loss| *loss <= lowest + 1e-3 * (path.losses[0] - lowest).abs());
            (lowest, there.unwrap_or(usize::MAX))
        };
        let better = |other: &Path| {
            let ((one, soon), (other, late)) = (worth(&path), worth(other));
            let same = (one - other).abs() <= 1e-4 * (path.losses[0] - other).abs();
            if same { soon < late } else { one < other }
        };
        if path.last_loss().is_finite() && found.as_ref().is_none_or(|(_, other)| better(other)) {
            found = Some((rate, path));
        }
    }
    let (rate, path) = found.ok_or_else(|| format!("{name} diverges at every rate"))?;
    Ok(Trail { name: format!("{name} {rate}"), points: path.points })
}

/// Descends by an optimizer at a rate.
pub fn descend(
    landscape: &impl Landscape,
    name: &str,
    rate: f64,
    start: [f64; 2],
    steps: usize,
) -> Result<Path, Box<dyn Error>> {
    let optimizer = NamedOptimizer::named(name)?.init()?;
    Ok(Descent::new(start, steps).with_tolerance(1e-10).run(landscape, optimizer, rate, &Device::flex())?)
}
