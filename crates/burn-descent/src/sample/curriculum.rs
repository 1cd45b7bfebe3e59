//! Trains on easy examples first.

use super::{RANKING, SampleError, Sampler, generator};
use crate::error::{ConfigError, ValueRange};
use crate::schedule::{RunLength, Span};
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Describes curriculum learning (Bengio et al. 2009; Ruder, Kitov): the network first learns from easy examples, then
/// from ever harder ones.
///
/// A difficulty ranks the examples, and a pacing function says which share of the ranking is at hand at each step. Its
/// text is `[anti-|random-]PACE=START,LENGTH`:
///
/// | text | order |
/// | --- | --- |
/// | `linear=0.2,5epochs` | the easiest fifth at first, then evenly more, all of them after five epochs |
/// | `root=0.2,500steps` | the same with more of them early on, in 500 steps |
/// | `step=0.5,2` | the easier half for two epochs, then all |
/// | `anti-linear=0.2,5epochs` | the hardest first |
/// | `random-linear=0.2,5epochs` | at first a fifth at random: what the pacing does by itself |
///
/// ```
/// use burn_descent::sample::Curriculum;
///
/// let curriculum: Curriculum = "linear=0.5,2epochs".parse()?;
/// let sampler = curriculum.sampler(&[0.3, 2.5, 0.1, 0.9], 1, 7)?;
/// let first_step = sampler.epoch(7, 1)[0];
/// assert!([0, 2].contains(&first_step));
/// let mut third_epoch = sampler.epoch(7, 3);
/// third_epoch.sort();
/// assert_eq!(third_epoch, [0, 1, 2, 3]);
/// # Ok::<(), burn_descent::sample::SampleError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Curriculum {
    /// Sets which examples come first.
    pub ranking: Ranking,
    /// Sets how fast the others follow.
    pub pacing: Pacing,
}

impl Curriculum {
    /// Makes the sampler for examples of these difficulties, higher for harder ones, in steps of `batch_size`. `seed`
    /// draws the ranking where it is random.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Ranking::rank`] and [`Sampler::paced`].
    pub fn sampler(&self, difficulty: &[f64], batch_size: usize, seed: u64) -> Result<Sampler, SampleError> {
        Sampler::paced(self.ranking.rank(difficulty, seed)?, self.pacing, batch_size)
    }
}

/// Says which examples come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ranking {
    /// Puts the easiest examples first: a curriculum.
    #[default]
    EasiestFirst,
    /// Puts the hardest examples first: an anti-curriculum.
    HardestFirst,
    /// Puts the examples in an order that the seed draws; the difficulty plays no part.
    Random,
}

impl Ranking {
    const ALL: [(&str, Self); 3] = [("anti-", Self::HardestFirst), ("random-", Self::Random), ("", Self::EasiestFirst)];

    /// Returns all positions of `difficulty`, which is higher for harder examples, from the first to the last to be
    /// seen. Of equally hard ones the former comes first.
    ///
    /// # Errors
    ///
    /// Returns [`SampleError::Difficulty`] for the first difficulty that is not finite.
    pub fn rank(self, difficulty: &[f64], seed: u64) -> Result<Vec<usize>, SampleError> {
        let misfit = |position: usize| SampleError::Difficulty { position, difficulty: difficulty[position] };
        difficulty.iter().position(|difficulty| !difficulty.is_finite()).map_or(Ok(()), |at| Err(misfit(at)))?;
        let mut ranked: Vec<usize> = (0..difficulty.len()).collect();
        // A zero is a zero, whatever its sign.
        let compare = |one: usize, other: usize| (difficulty[one] + 0.0).total_cmp(&(difficulty[other] + 0.0));
        match self {
            Self::EasiestFirst => ranked.sort_by(|&one, &other| compare(one, other)),
            Self::HardestFirst => ranked.sort_by(|&one, &other| compare(other, one)),
            Self::Random => ranked.shuffle(&mut generator(seed, 0, RANKING)),
        }
        Ok(ranked)
    }
}

/// Describes which share of a ranking is available at each step: it never falls, and is 1 from `over` on.
///
/// ```
/// use burn_descent::sample::{Pace, Pacing};
/// use burn_descent::schedule::Span;
///
/// let pacing = Pacing { pace: Pace::Linear, start: 0.5, over: Span::Epochs(2) };
/// // The first step, after one epoch of ten steps, after two and after nine.
/// assert_eq!([0, 10, 20, 90].map(|step| pacing.share(step, 10)), [0.5, 0.75, 1.0, 1.0]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pacing {
    /// Sets how the share grows.
    pub pace: Pace,
    /// Sets b, the share at the first step, in `(0, 1]`.
    pub start: f64,
    /// Sets T, after which everything is available, at least 1.
    pub over: Span,
}

/// Says how the share of the available examples grows: after t of T steps, from a share of b.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Grows evenly: `b + (1 − b)·t/T`.
    Linear,
    /// Grows faster at first: `√(b² + (1 − b²)·t/T)`. New examples come the more slowly the more there are, so that
    /// each is seen as long (the competence of Platanios et al. 2019).
    Root,
    /// Stays at b until T, then makes all available (the two stages of Bengio et al. 2009).
    Step,
}

impl Pace {
    const ALL: [(&str, Self); 3] = [("linear", Self::Linear), ("root", Self::Root), ("step", Self::Step)];
}

impl Pacing {
    /// Checks that every field is in its range.
    ///
    /// # Errors
    ///
    /// Returns the first field that is out of range.
    pub fn check(&self) -> Result<(), ConfigError> {
        ValueRange::PositiveFraction.check("Pacing", "start", self.start)?;
        let (Span::Steps(over) | Span::Epochs(over)) = self.over;
        ValueRange::AtLeast(1.0).check("Pacing", "over", over as f64)
    }

    /// Returns the share at step `step`, from 0, where an epoch has `steps_per_epoch` steps.
    pub fn share(&self, step: u64, steps_per_epoch: usize) -> f64 {
        let over = self.over.steps(RunLength { epochs: 1, steps_per_epoch });
        if step >= over {
            return 1.0;
        }
        let (b, p) = (self.start, step as f64 / over as f64);
        match self.pace {
            Pace::Linear => b + (1.0 - b) * p,
            Pace::Root => (b * b + (1.0 - b * b) * p).sqrt(),
            Pace::Step => b,
        }
    }

    /// As many of `examples` are at hand: the share, rounded, and never none.
    pub(super) fn at_hand(&self, examples: usize, step: u64, steps_per_epoch: usize) -> usize {
        let share = self.share(step, steps_per_epoch);
        ((share * examples as f64).round() as usize).clamp(1, examples)
    }
}

/// Writes `linear=0.2,5epochs`, `anti-root=0.2,500steps`.
impl fmt::Display for Curriculum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ranking, pacing: Pacing { pace, start, over } } = self;
        let prefix = Ranking::ALL.iter().find(|(_, known)| known == ranking).map_or("", |(prefix, _)| prefix);
        let pace = Pace::ALL.iter().find(|(_, known)| known == pace).map_or("", |(name, _)| name);
        write!(f, "{prefix}{pace}={start},{over}")
    }
}

/// Reads what `Display` writes; a length without a unit is in epochs.
impl FromStr for Curriculum {
    type Err = SampleError;

    fn from_str(text: &str) -> Result<Self, SampleError> {
        let read = || {
            let (name, numbers) = text.split_once('=')?;
            let prefixed = |(prefix, ranking)| Some((name.strip_prefix(prefix)?, ranking));
            let (name, ranking) = Ranking::ALL.into_iter().find_map(prefixed)?;
            let (_, pace) = Pace::ALL.into_iter().find(|(known, _)| *known == name)?;
            let (start, over) = numbers.split_once(',')?;
            let pacing = Pacing { pace, start: start.parse().ok()?, over: over.parse().ok()? };
            Some(Self { ranking, pacing })
        };
        read().ok_or_else(|| SampleError::Text { text: text.to_owned() })
    }
}

impl From<Curriculum> for String {
    fn from(curriculum: Curriculum) -> Self {
        curriculum.to_string()
    }
}

impl TryFrom<String> for Curriculum {
    type Error = SampleError;

    fn try_from(text: String) -> Result<Self, SampleError> {
        text.parse()
    }
}
