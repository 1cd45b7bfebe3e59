use super::{Averaged, Averaging, Start};
use crate::error::{ConfigError, ValueRange};
use crate::optim::wrapper;
use burn::config::Config;

/// Configures [`Swa`], stochastic weight averaging (Izmailov et al. 2018).
///
/// ```text
/// s ← (n·s + θ)/(n + 1)       after every m-th step from `start` on; evaluated is s
/// ```
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `start` | 0 | | how many steps a parameter takes before the average begins |
/// | `every` | 1 | 1 and above | m, steps from one taken in to the next |
///
/// The paper averages once an epoch (`every` the steps of an epoch) over the last quarter of the training, at a
/// learning rate that does not fall to zero. Before the average begins, the wrapped optimizer's own weights are
/// evaluated. Batch normalization needs [`reestimate_batch_norm`](super::reestimate_batch_norm) afterwards. It is
/// PyTorch's `AveragedModel`.
///
/// ```
/// use burn_descent::optim::MomentumConfig;
/// use burn_descent::weights::SwaConfig;
///
/// let (epochs, steps) = (8, 1000);
/// let swa = SwaConfig::new().with_start(6 * steps).with_every(steps);
/// let optimizer = swa.wrap(MomentumConfig::new().build()?)?.init();
/// # let _ = epochs;
/// # Ok::<(), burn_descent::ConfigError>(())
/// ```
#[derive(Config, Debug, Copy, PartialEq)]
pub struct SwaConfig {
    /// Sets how many steps a parameter takes before the average begins.
    #[config(default = 0)]
    pub start: u64,
    /// Sets m, the number of steps from one taken into the average to the next, at least 1.
    #[config(default = 1)]
    pub every: u64,
}

impl Averaging for SwaConfig {
    const NAME: &'static str = "Swa";

    fn start(&self) -> Start {
        Start::FirstTaken
    }

    fn share(&self, time: u64) -> Option<f64> {
        let since = time.checked_sub(self.start).filter(|since| *since > 0 && since.is_multiple_of(self.every))?;
        Some(self.every as f64 / since as f64)
    }

    fn check(&self) -> Result<(), ConfigError> {
        ValueRange::AtLeast(1.0).check("Swa", "every", self.every as f64)
    }
}

wrapper!(Swa, SwaConfig, Averaged);
