//! Does a technique help? A comparison with and without it, paired by seed.

use crate::support::Spread;
use burn_descent::early_stopping::Goal;
use serde::Serialize;
use std::fmt;

/// What the differences over the seeds say, by whether their 95 % interval (Student's t) leaves out zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Helps,
    Hurts,
    NoClearDifference,
    /// A single seed tells nothing.
    OneSeed,
}

/// Something measured with a technique, less the same without it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Comparison {
    /// The differences over the seeds.
    #[serde(flatten)]
    pub difference: Spread,
    /// The mean difference is known within so much to either side, 95 times of 100.
    pub uncertainty: f64,
    pub verdict: Verdict,
}

/// 97.5 % points of Student's t for 1, 2, … degrees of freedom; the last for all beyond, where it errs on the safe side.
const T: [f64; 20] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
    2.110, 2.101, 2.093, 2.086,
];

impl Comparison {
    /// Compares the values of the same seeds, in the same order.
    pub fn of(with: &[f64], without: &[f64], goal: Goal) -> Self {
        let difference = Spread::of(with.iter().zip(without).map(|(with, without)| with - without));
        let seeds = with.len().min(without.len());
        let t = T[seeds.saturating_sub(2).min(T.len() - 1)];
        let uncertainty = t * difference.deviation / (seeds as f64).sqrt();
        let gain = if goal == Goal::Higher { difference.mean } else { -difference.mean };
        let verdict = match () {
            () if seeds < 2 => Verdict::OneSeed,
            () if gain > uncertainty => Verdict::Helps,
            () if gain < -uncertainty => Verdict::Hurts,
            () => Verdict::NoClearDifference,
        };
        Self { difference, uncertainty, verdict }
    }
}

/// The mean difference and its deviation, signed: `+0.31 ± 0.12`.
impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(2);
        write!(f, "{:+.digits$} ± {:.digits$}", self.difference.mean, self.difference.deviation)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Helps => "helps",
            Self::Hurts => "hurts",
            Self::NoClearDifference => "no clear difference",
            Self::OneSeed => "one seed",
        })
    }
}
