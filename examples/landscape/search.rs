//! Descents, each at the best of some rates.

use crate::Result;
use crate::race::grouped;
use burn::tensor::Device;
use burn_descent::landscape::{Descent, DescentEnd, Landscape, Path, Surface};
use burn_descent::optim::NamedOptimizer;

/// The rates that each optimizer is tried at.
const RATES: [f64; 15] = [1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0];

/// Says how the rates were found.
pub fn explained(budget: usize) -> String {
    format!(
        "Rates: for each optimizer the best of {}, 1e-5 to 100, by the mean logarithm of the height over {} steps, no step \
         longer than a tenth of the surface.",
        RATES.len(),
        grouped(budget)
    )
}

/// Returns the rate at which an optimizer is lowest above `lowest` during so many steps: in the mean of the logarithm, which
/// asks both for soon and for deep. Rates with a step of more than a tenth of the domain are left out: a leap that happens to
/// land well shows nothing.
pub fn best_rate(surface: Surface, lowest: f64, name: &str, start: [f64; 2], budget: usize) -> Result<f64> {
    let [width, height] = surface.domain().map(|[least, most]| most - least);
    let mut best = (f64::INFINITY, None);
    for rate in RATES {
        let path = descend(&surface, name, rate, start, budget)?;
        let longest = path.step_sizes.iter().copied().fold(0.0, f64::max);
        if path.end == DescentEnd::Diverged || longest > 0.1 * width.max(height) {
            continue;
        }
        let height = |loss: f64| (loss - lowest).max(0.0) + 1e-6 * (path.losses[0] - lowest);
        let end = path.last_loss();
        let missing = budget + 1 - path.losses.len();
        let losses = path.losses.iter().copied().chain(std::iter::repeat_n(end, missing));
        let mean = losses.map(|loss| height(loss).ln()).sum::<f64>() / (budget + 1) as f64;
        if mean < best.0 {
            best = (mean, Some(rate));
        }
    }
    best.1.ok_or_else(|| format!("{name} leaps at every rate from {:e} to {}", RATES[0], RATES[14]).into())
}

/// Descends by an optimizer at a rate.
pub fn descend(landscape: &impl Landscape, name: &str, rate: f64, start: [f64; 2], steps: usize) -> Result<Path> {
    let optimizer = NamedOptimizer::named(name)?.init()?;
    Ok(Descent::new(start, steps).with_tolerance(1e-9).run(landscape, optimizer, rate, &Device::flex())?)
}
