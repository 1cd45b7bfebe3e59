//! Keeps exponentially weighted averages of numbers: what momentum, Adam's moments and averaged weights are made of.

use crate::error::{ConfigError, ValueRange};
use crate::optim::BiasCorrection;

/// Keeps an exponentially weighted average of a series of numbers (coverage C1, C2).
///
/// ```text
/// v ← β·v + (1 − β)·x,   v = 0 at first
/// v̂ = v/(1 − βᵗ)                          with bias correction, after t values
/// ```
///
/// It follows about the last `1/(1 − β)` values: those further back have less than `1/e` of the newest one's weight.
/// Without bias correction the first averages lean towards the zero that v starts from.
///
/// The lecture's (Serra) temperatures: with β 0.9 the average follows the last 10 days, with β 0.98 the last 50,
/// smoother and later.
///
/// ```
/// use burn_descent::average::ExponentialAverage;
///
/// // A year in degrees, coldest on the first day, and its ups and downs.
/// let temperature = |day: f64| 10.0 - 12.0 * (day / 365.0 * std::f64::consts::TAU).cos() + 3.0 * (1.7 * day).sin();
/// let (mut follows, mut smooths) = (ExponentialAverage::new(0.9)?, ExponentialAverage::new(0.98)?);
/// for day in 0..=90 {
///     follows.add(temperature(f64::from(day)));
///     smooths.add(temperature(f64::from(day)));
/// }
/// assert_eq!((follows.memory().round(), smooths.memory().round()), (10.0, 50.0));
/// // Spring: the season's 9.7 degrees have been reached by neither, and the longer memory is further behind.
/// let (follows, smooths) = (follows.average().unwrap(), smooths.average().unwrap());
/// assert!(smooths + 3.0 < follows && follows < 9.7);
/// # Ok::<(), burn_descent::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExponentialAverage {
    beta: f64,
    correction: BiasCorrection,
    value: f64,
    count: u64,
}

impl ExponentialAverage {
    /// Makes an average with bias correction that keeps the share `beta` of the past at each value.
    ///
    /// # Errors
    ///
    /// Returns an error if `beta` is not in `[0, 1)`.
    pub fn new(beta: f64) -> Result<Self, ConfigError> {
        ValueRange::Decay.check("ExponentialAverage", "beta", beta)?;
        Ok(Self { beta, correction: BiasCorrection::Corrected, value: 0.0, count: 0 })
    }

    /// Sets whether the average has bias correction.
    pub fn with_bias_correction(self, correction: BiasCorrection) -> Self {
        Self { correction, ..self }
    }

    /// Takes a value in, and returns the average.
    pub fn add(&mut self, x: f64) -> f64 {
        self.value = self.beta * self.value + (1.0 - self.beta) * x;
        self.count += 1;
        self.value * self.correction()
    }

    /// Returns the average of the values so far; `None` before the first.
    pub fn average(&self) -> Option<f64> {
        (self.count > 0).then(|| self.value * self.correction())
    }

    /// Returns the weight in the average of the value that came `age` values before the newest. With bias correction
    /// the weights of all values sum to 1.
    ///
    /// ```
    /// use burn_descent::average::ExponentialAverage;
    ///
    /// let mut average = ExponentialAverage::new(0.98)?;
    /// average.add(3.0);
    /// average.add(5.0);
    /// let [newest, before] = [average.weight(0), average.weight(1)];
    /// assert!((newest - 0.02 / 0.0396).abs() < 1e-12 && (before - 0.0196 / 0.0396).abs() < 1e-12);
    /// # Ok::<(), burn_descent::ConfigError>(())
    /// ```
    pub fn weight(&self, age: u64) -> f64 {
        if age >= self.count {
            return 0.0;
        }
        (1.0 - self.beta) * self.beta.powf(age as f64) * self.correction()
    }

    /// Returns about how many values the average follows: `1/(1 − β)`.
    pub fn memory(&self) -> f64 {
        1.0 / (1.0 - self.beta)
    }

    fn correction(&self) -> f64 {
        match self.correction {
            BiasCorrection::Corrected => 1.0 / (1.0 - self.beta.powf(self.count as f64)),
            BiasCorrection::Uncorrected => 1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After the last `1/(1 − β)` values a weight has fallen to `1/e` of the newest one's.
    #[test]
    fn it_follows_about_as_many_values_as_it_says() {
        for beta in [0.9, 0.98, 0.999] {
            let mut average = ExponentialAverage::new(beta).expect("a valid share");
            (0..20_000).for_each(|x| _ = average.add(f64::from(x)));
            let faded = average.weight(average.memory().round() as u64) / average.weight(0);
            assert!((faded - (-1.0_f64).exp()).abs() < 0.02, "β {beta}: {faded}");
            let all: f64 = (0..20_000).map(|age| average.weight(age)).sum();
            assert!((all - 1.0).abs() < 1e-12, "β {beta}: the weights sum to {all}");
        }
    }

    #[test]
    fn the_average_is_the_weighted_sum() {
        let values = [3.0, -1.0, 7.5, 2.0];
        for correction in [BiasCorrection::Corrected, BiasCorrection::Uncorrected] {
            let average = ExponentialAverage::new(0.98).expect("a valid share");
            let mut average = average.with_bias_correction(correction);
            assert_eq!(average.average(), None);
            for (index, value) in values.into_iter().enumerate() {
                let found = average.add(value);
                let sum = |index: usize| -> f64 {
                    (0..=index).map(|past| average.weight((index - past) as u64) * values[past]).sum()
                };
                assert!((found - sum(index)).abs() < 1e-12, "{correction:?}, value {index}");
                assert_eq!(average.average(), Some(found));
            }
        }
    }

    #[test]
    fn without_correction_the_first_average_leans_to_zero() {
        let mut average = ExponentialAverage::new(0.98).expect("a valid share");
        assert!((average.add(40.0) - 40.0).abs() < 1e-12);
        let mut average =
            ExponentialAverage::new(0.98).expect("a valid share").with_bias_correction(BiasCorrection::Uncorrected);
        assert!((average.add(40.0) - 0.8).abs() < 1e-12);
        average.add(40.0);
        assert!((average.weight(0) - 0.02).abs() < 1e-12 && (average.weight(1) - 0.0196).abs() < 1e-12);
    }

    #[test]
    fn a_share_out_of_range_is_told() {
        for beta in [1.0, -0.1, f64::NAN] {
            assert!(ExponentialAverage::new(beta).is_err());
        }
    }
}
