//! Offers learning-rate schedules as Burn schedulers, and the test that finds the rate to begin with.
//!
//! A [`Schedule`] says how the rate changes; [`Schedule::scheduler`] makes it a Burn `LrScheduler` for the `Learner` or
//! a loop of one's own. What a schedule counts is in its type: a [`Unit`] or a [`Span`], in steps or in epochs.
//!
//! Burn's own linear, cosine and exponential schedulers refuse a rate above 1, which Adadelta's scaling and gradient
//! descent on small problems need; these do not. Nor can they see the loss; see [`Plateau`].

mod cosine;
mod decay;
mod length;
mod linear;
mod one_cycle;
mod plateau;
mod range_test;
mod scheduler;
mod sequence;
mod stable;
mod text;
mod triangular;
mod variation;
mod warm_up;

pub use cosine::{CosineRestartsConfig, Cycle};
pub use decay::Decay;
pub use length::{RunLength, Span, Unit};
pub use linear::LinearLrConfig;
pub use one_cycle::OneCycleConfig;
pub use plateau::{Plateau, PlateauConfig, Threshold};
pub use range_test::{LrCurve, LrPoint, RangeTestConfig};
pub use scheduler::ScheduledLearningRate;
pub use sequence::SequenceConfig;
pub use stable::{DecayForm, WarmUpStableDecayConfig};
pub use text::ScheduleError;
pub use triangular::TriangularConfig;
pub use variation::{Variation, VariationError};
pub use warm_up::{WarmUpConfig, WarmUpForm};

use crate::error::{ConfigError, ValueRange};
use cosine::half_cosine;
use length::Moment;
use serde::{Deserialize, Serialize};

/// Describes how the learning rate changes over a run.
///
/// η is the run's rate, n the number of steps or epochs ([`Unit`]) that are over, p the share of the run's steps that
/// is over. After its end a schedule stays at its last rate, unless it is endless.
///
/// | text | rate | default | source |
/// | --- | --- | --- | --- |
/// | `constant` | `η` | | Ruder, Kao; B5 |
/// | `linear`, `linear=END,OVER` | [`LinearLrConfig`]: `η·(1 − p)` | down to 0 over the run | PyTorch's `LinearLR`, `ConstantLR`, `SWALR` |
/// | `polynomial=POWER` | `η·(1 − p)^power` | power 1 | PyTorch's `PolynomialLR` |
/// | `time-based=K` | `η/(1 + k·n)` | k 1, per epoch | Serra, Ruder; B1 |
/// | `exponential=BETA`, `exponential=k=K` | `η·βⁿ`, `η·e^(−k·n)` | per epoch | Serra, Ruder; B2 |
/// | `step=EVERY:FACTOR`, `step=EVERY,k=K` | `η·f^⌊n/T⌋`, `η·e^(−k·⌊n/T⌋)` | | Serra, Ruder (f 0.5, T 10 epochs); B3 |
/// | `multi-step=TIMES:FACTOR` | `η·fᵏ`, k of the times are over | | PyTorch's `MultiStepLR` |
/// | `inverse-sqrt=K` | `η·k/√(n + 1)` | k 1, per epoch | Serra; B4 |
/// | `cosine`, `cosine=MINIMUM`, `cosine=MINIMUM,OVER` | `η·(m + (1 − m)·(1 + cos πp)/2)`, `… cos(πn/T)` | m 0, over the run | PyTorch's `CosineAnnealingLR` |
/// | `cosine-restarts=FIRST` | [`CosineRestartsConfig`] | | Kao, Huang & Li; B6 |
/// | `triangular=RISE` | [`TriangularConfig`] | | Smith 2017, PyTorch's `CyclicLR` |
/// | `one-cycle` | [`OneCycleConfig`] | | PyTorch's `OneCycleLR` |
/// | `wsd=WARM-UP:DECAY` | [`WarmUpStableDecayConfig`] | | Hu et al. 2024 |
/// | `plateau` | [`PlateauConfig`] | | Kao; B5 |
/// | `warm-up=OVER+SCHEDULE` | [`WarmUpConfig`] | | PyTorch's `LinearLR` before or times the other |
/// | `SCHEDULE@OVER+SCHEDULE` | [`SequenceConfig`] | | PyTorch's `SequentialLR` |
///
/// The text is that of `Display` and `FromStr`, and of a configuration file. Parameters go by
/// name, and the first ones also by place: `step=2:0.5` is `step=every=2epochs,factor=0.5`. A length without a unit is
/// in epochs; `per=step` makes n count steps. Times are between slashes: `multi-step=30/60/80:0.1`. Of a warm-up and of a
/// sequence all that comes after the `+` is the other schedule: `warm-up=1+constant@20+linear`.
///
/// ```
/// use burn::lr_scheduler::LrScheduler;
/// use burn_descent::schedule::{Decay, RunLength, Schedule, Span};
///
/// let length = RunLength { epochs: 30, steps_per_epoch: 100 };
/// let halve = Schedule::Step { every: Span::Epochs(10), decay: Decay::Factor(0.5) };
/// assert_eq!(halve.factor(2_000, length), 0.25);
///
/// let mut scheduler = halve.scheduler(0.01, length)?; // or hand it to burn::train::Learner
/// assert_eq!(scheduler.step(), 0.01);
///
/// let warmed = "warm-up=500steps+cosine".parse::<Schedule>().expect("a schedule");
/// assert_eq!(warmed, Schedule::Cosine { minimum: 0.0, over: None }.after_warm_up(Span::Steps(500)));
/// # Ok::<(), burn_descent::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Schedule {
    /// Keeps the rate at `η` throughout.
    Constant,
    /// Changes the rate linearly, by default down to 0 at the end of the run.
    Linear(LinearLrConfig),
    /// Multiplies the rate by a power of the share of the run that is left: `η·(1 − p)^power`.
    Polynomial {
        /// Sets the power, in `[0, ∞)`.
        power: f64,
    },
    /// Divides the rate by a number that grows linearly: `η/(1 + k·n)`. The first epoch has `n = 0`; Serra's table
    /// begins with n = 1.
    TimeBased {
        /// Sets k, how fast the divisor grows, in `[0, ∞)`.
        k: f64,
        /// Sets what n counts.
        per: Unit,
    },
    /// Multiplies the rate by the same factor after each step or epoch: `η·βⁿ` or `η·e^(−k·n)`.
    Exponential {
        /// Sets β or k.
        decay: Decay,
        /// Sets what n counts.
        per: Unit,
    },
    /// Multiplies the rate by the same factor each time that a length of T has passed: `η·f^⌊n/T⌋` or `η·e^(−k·⌊n/T⌋)`.
    Step {
        /// Sets T, at least 1.
        every: Span,
        /// Sets f or k.
        decay: Decay,
    },
    /// Multiplies the rate by the same factor at each of some times: `η·fᵏ` or `η·e^(−κ·k)`, where k of them are over.
    MultiStep {
        /// Lists the times, each at least 1; at least one.
        at: Vec<Span>,
        /// Sets f or κ.
        decay: Decay,
    },
    /// Divides the rate by the square root of the steps or epochs so far: `η·k/√(n + 1)`, which is Serra's `k/√n` with
    /// n from 1.
    InverseSqrt {
        /// Sets the factor k, in `(0, ∞)`.
        k: f64,
        /// Sets what n counts.
        per: Unit,
    },
    /// Lowers the rate along half a cosine: `η·(m + (1 − m)·(1 + cos πp)/2)`.
    Cosine {
        /// Sets m, the lowest rate as a share of η, in `[0, 1]`.
        minimum: f64,
        /// Sets T, the length over which the rate falls, at least 1; none is the whole run. Beyond it the rate rises along
        /// the cosine for as long, falls again, and so on, without end: PyTorch's `CosineAnnealingLR(T_max=T)`.
        over: Option<Span>,
    },
    /// Lowers the rate along half a cosine in each of several cycles: cosine annealing with warm restarts.
    CosineRestarts(CosineRestartsConfig),
    /// Raises and lowers the rate linearly, again and again.
    Triangular(TriangularConfig),
    /// Raises the rate and then lowers it, once in the run.
    OneCycle(OneCycleConfig),
    /// Raises the rate at first, keeps it, and lowers it at the end.
    WarmUpStableDecay(WarmUpStableDecayConfig),
    /// Lowers the rate whenever the validation loss stops falling.
    Plateau(PlateauConfig),
    /// Raises the rate linearly at first, and follows any other schedule after that or meanwhile.
    WarmUp(WarmUpConfig),
    /// Follows one schedule for a time, and another from then on.
    Sequence(SequenceConfig),
}

impl Schedule {
    /// Returns this schedule after a linear warm-up from a hundredth of the rate.
    pub fn after_warm_up(self, over: Span) -> Self {
        Self::WarmUp(WarmUpConfig::new(over, Box::new(self)))
    }

    /// Returns this schedule for a time, and `then` for the rest of the run.
    pub fn followed_by(self, over: Span, then: Self) -> Self {
        Self::Sequence(SequenceConfig::new(Box::new(self), over, Box::new(then)))
    }

    /// Checks that every parameter is in its range.
    ///
    /// # Errors
    ///
    /// Returns the first parameter that is out of range.
    pub fn check(&self) -> Result<(), ConfigError> {
        match self {
            Self::Constant => Ok(()),
            Self::Linear(config) => config.check(),
            Self::Polynomial { power } => ValueRange::NonNegative.check("Schedule", "power", *power),
            Self::TimeBased { k, .. } => ValueRange::NonNegative.check("Schedule", "k", *k),
            Self::Exponential { decay, .. } => decay.check("beta"),
            Self::Step { every, decay } => every.check("every").and_then(|()| decay.check("factor")),
            Self::MultiStep { at, decay } => {
                ValueRange::AtLeast(1.0).check("Schedule", "at", at.len() as f64)?;
                at.iter().try_for_each(|time| time.check("at")).and_then(|()| decay.check("factor"))
            }
            Self::InverseSqrt { k, .. } => ValueRange::Positive.check("Schedule", "k", *k),
            Self::Cosine { minimum, over } => {
                over.map_or(Ok(()), |over| over.check("over"))?;
                ValueRange::Fraction.check("Schedule", "minimum", *minimum)
            }
            Self::CosineRestarts(config) => config.check(),
            Self::Triangular(config) => config.check(),
            Self::OneCycle(config) => config.check(),
            Self::WarmUpStableDecay(config) => config.check(),
            Self::Plateau(config) => config.check(),
            Self::WarmUp(config) => config.check(),
            Self::Sequence(config) => config.check(),
        }
    }

    /// Returns the rate of step `step` (from 0) in a run of `length`, as a multiple of the run's rate. What a plateau
    /// takes off it depends on the losses and is not included: see [`Plateau::factor`].
    pub fn factor(&self, step: u64, length: RunLength) -> f64 {
        self.at(Moment::new(step, length))
    }

    fn at(&self, moment: Moment) -> f64 {
        let p = moment.share();
        let n = |per: &Unit| moment.over(*per);
        match self {
            Self::Constant => 1.0,
            Self::Linear(config) => config.at(moment),
            Self::Polynomial { power } => (1.0 - p).powf(*power),
            Self::TimeBased { k, per } => 1.0 / (1.0 + k * n(per)),
            Self::Exponential { decay, per } => decay.after(n(per)),
            Self::Step { every, decay } => decay.after((moment.step / moment.steps_in(*every)) as f64),
            Self::MultiStep { at, decay } => {
                decay.after(at.iter().filter(|time| moment.steps_in(**time) <= moment.step).count() as f64)
            }
            Self::InverseSqrt { k, per } => k / (n(per) + 1.0).sqrt(),
            Self::Cosine { minimum, over: None } => half_cosine(1.0, *minimum, p),
            Self::Cosine { minimum, over: Some(over) } => {
                half_cosine(1.0, *minimum, moment.step as f64 / moment.steps_in(*over) as f64)
            }
            Self::CosineRestarts(config) => config.at(moment),
            Self::Triangular(config) => config.at(moment),
            Self::OneCycle(config) => config.at(moment),
            Self::WarmUpStableDecay(config) => config.at(moment),
            Self::Plateau(_) => 1.0,
            Self::WarmUp(config) => config.at(moment),
            Self::Sequence(config) => config.at(moment),
        }
    }

    /// Makes the Burn scheduler of a run at the learning rate `lr`.
    ///
    /// # Errors
    ///
    /// Returns the first parameter that is out of range: of the schedule, `lr` in `(0, ∞)` or the length.
    pub fn scheduler(&self, lr: f64, length: RunLength) -> Result<ScheduledLearningRate, ConfigError> {
        self.check()?;
        ValueRange::Positive.check("Schedule", "lr", lr)?;
        length.check()?;
        Ok(ScheduledLearningRate::new(self.clone(), lr, length))
    }

    /// Says which part of the schedule a run of `length` never comes to, if there is one: a warm-up that takes longer than the
    /// run, a schedule that would follow after its end.
    ///
    /// ```
    /// use burn_descent::schedule::{RunLength, Schedule};
    ///
    /// let schedule: Schedule = "warm-up=5000steps+cosine".parse().expect("a schedule");
    /// let length = RunLength { epochs: 2, steps_per_epoch: 16 };
    /// let unreached = schedule.unreached(length).expect("all of the run is warm-up");
    /// assert_eq!(unreached, "the warm-up takes 5000 steps, and there are 32: what follows it never begins");
    /// ```
    pub fn unreached(&self, length: RunLength) -> Option<String> {
        self.unreached_within(length.steps(), length)
    }

    fn unreached_within(&self, steps: u64, length: RunLength) -> Option<String> {
        let too_long = |what: &str, over: u64| {
            format!("{what} takes {over} steps, and there are {steps}: what follows it never begins")
        };
        match self {
            Self::WarmUp(config) => match config.over.steps(length) {
                over if over >= steps => Some(too_long("the warm-up", over)),
                over => config.then.unreached_within(steps - over, length),
            },
            Self::Sequence(config) => match config.over.steps(length) {
                over if over >= steps => Some(too_long(&format!("`{}`", config.first), over)),
                over => {
                    let first = config.first.unreached_within(over, length);
                    first.or_else(|| config.then.unreached_within(steps - over, length))
                }
            },
            Self::WarmUpStableDecay(config) => {
                let (up, down) = (config.warm_up.steps(length), config.decay.steps(length));
                (up.saturating_add(down) > steps).then(|| {
                    format!("warm-up and decay take {up} and {down} steps, and there are {steps}: the full rate is never reached")
                })
            }
            _ => None,
        }
    }

    /// Returns the plateau in the schedule, if the rate depends on the validation losses.
    pub fn plateau(&self) -> Option<PlateauConfig> {
        match self {
            Self::Plateau(config) => Some(*config),
            Self::WarmUp(config) => config.then.plateau(),
            Self::Sequence(config) => config.then.plateau(),
            _ => None,
        }
    }
}
