//! Reads and writes schedules as text: `NAME`, or `NAME=PARAMETER,PARAMETER`, `warm-up=…+SCHEDULE`, and
//! `SCHEDULE@SPAN+SCHEDULE`.

use super::{
    CosineRestartsConfig, Decay, DecayForm, LinearLrConfig, OneCycleConfig, PlateauConfig, Schedule, SequenceConfig,
    Span, Threshold, TriangularConfig, Unit, WarmUpConfig, WarmUpForm, WarmUpStableDecayConfig,
};
use crate::early_stopping::Goal;
use crate::text::{did_you_mean, plain};
use std::fmt;
use std::str::FromStr;

/// Fails where a text is no schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// Says that there is no schedule of that name.
    #[error("unknown schedule `{name}`{}; known: {}", hint(name), usages())]
    Unknown {
        /// Gives the text with the unknown name.
        name: String,
    },
    /// Says that a parameter is missing, unknown, given twice, excluded by another or no value of its kind.
    #[error("schedule `{text}`: {reason}; expected {expected}")]
    Parameter {
        /// Gives the text.
        text: String,
        /// Says which parameter it is, and what is wrong with it.
        reason: String,
        /// Says how the text should be written.
        expected: String,
    },
}

/// How a schedule is written.
struct Form {
    name: &'static str,
    usage: &'static str,
    parameters: &'static [&'static str],
    /// So many of them may be given without their names.
    by_place: usize,
}

const fn form(name: &'static str, usage: &'static str, parameters: &'static [&'static str], by_place: usize) -> Form {
    Form { name, usage, parameters, by_place }
}

const FORMS: [Form; 15] = [
    form("constant", "constant", &[], 0),
    form("linear", "linear", &["end", "over", "start"], 2),
    form("cosine", "cosine", &["minimum", "over"], 2),
    form("one-cycle", "one-cycle", &["peak", "start", "end"], 3),
    form("exponential", "exponential=BETA", &["beta", "k", "per"], 1),
    form("step", "step=EPOCHS:FACTOR", &["every", "factor", "k"], 2),
    form("multi-step", "multi-step=EPOCHS/EPOCHS:FACTOR", &["at", "factor", "k"], 2),
    form("polynomial", "polynomial=POWER", &["power"], 1),
    form("time-based", "time-based=K", &["k", "per"], 1),
    form("inverse-sqrt", "inverse-sqrt=K", &["k", "per"], 1),
    form("cosine-restarts", "cosine-restarts=EPOCHS", &["first", "growth", "minimum"], 3),
    form("triangular", "triangular=EPOCHS", &["rise", "fall", "minimum", "shrink", "decay"], 3),
    form("wsd", "wsd=EPOCHS:EPOCHS", &["warm-up", "decay", "from", "minimum", "form"], 2),
    form(
        "plateau",
        "plateau",
        &["factor", "patience", "threshold", "absolute-threshold", "cooldown", "minimum", "goal"],
        2,
    ),
    form("warm-up", "warm-up=EPOCHS+SCHEDULE", &["over", "from", "form"], 2),
];

fn usages() -> String {
    FORMS.map(|form| form.usage).join(", ") + ", SCHEDULE@EPOCHS+SCHEDULE"
}

/// What was probably meant, where that can be told.
fn hint(text: &str) -> String {
    let name = text.split_once('=').map_or(text, |(name, _)| name);
    if name.contains(',') {
        return ", whose parameters come after `=`".to_owned();
    }
    if name.contains('@') {
        return ", where a `+` and what follows are missing after `@`".to_owned();
    }
    did_you_mean(name, FORMS.iter().map(|form| form.name))
}

/// A number by its name, and what it stands for.
type Alternative<T> = (&'static str, fn(f64) -> T);

/// The parameters of one schedule as they are written.
struct Parameters<'a> {
    text: &'a str,
    form: &'static Form,
    given: Vec<(&'a str, &'a str)>,
}

impl<'a> Parameters<'a> {
    fn read(text: &'a str, form: &'static Form, list: Option<&'a str>) -> Result<Self, ScheduleError> {
        let mut parameters = Self { text, form, given: Vec::new() };
        let items = list.into_iter().flat_map(|list| list.split([',', ':'])).enumerate();
        for (place, item) in items {
            let by_place = || form.parameters[..form.by_place].get(place).map(|key| (*key, item));
            let (key, value) = item.split_once('=').or_else(by_place).ok_or_else(|| match form.parameters {
                [] => parameters.wrong(format!("`{}` has no parameters", form.name)),
                _ => parameters.wrong(format!("no parameter has the value `{item}`")),
            })?;
            if !form.parameters.contains(&key) {
                return Err(parameters.wrong(format!("no parameter `{key}`")));
            }
            if parameters.value(key).is_some() {
                return Err(parameters.wrong(format!("{key} is given twice")));
            }
            parameters.given.push((key, value));
        }
        Ok(parameters)
    }

    fn wrong(&self, reason: String) -> ScheduleError {
        let Form { usage, parameters, .. } = self.form;
        let expected = match parameters {
            [] => (*usage).to_owned(),
            _ => format!("{usage}, parameters {}", parameters.join(", ")),
        };
        ScheduleError::Parameter { text: self.text.to_owned(), reason, expected }
    }

    fn value(&self, key: &str) -> Option<&'a str> {
        self.given.iter().find(|(given, _)| *given == key).map(|(_, value)| *value)
    }

    /// The parameter `key`, if it is given.
    fn find<T: Parameter>(&self, key: &str) -> Result<Option<T>, ScheduleError> {
        let read = |value: &str| {
            let kind = T::KIND;
            value.parse().map_err(|_| self.wrong(format!("{key} should be {kind}, but is `{value}`")))
        };
        self.value(key).map(read).transpose()
    }

    fn get<T: Parameter>(&self, key: &str) -> Result<T, ScheduleError> {
        self.find(key)?.ok_or_else(|| self.wrong(format!("{key} is missing")))
    }

    fn get_or<T: Parameter>(&self, key: &str, default: T) -> Result<T, ScheduleError> {
        Ok(self.find(key)?.unwrap_or(default))
    }

    /// One of two parameters that exclude each other, if either is given.
    fn either<T>(&self, [one, other]: [Alternative<T>; 2]) -> Result<Option<T>, ScheduleError> {
        match (self.find(one.0)?, self.find(other.0)?) {
            (Some(_), Some(_)) => Err(self.wrong(format!("{} and {} exclude each other", one.0, other.0))),
            (Some(value), None) => Ok(Some(one.1(value))),
            (None, Some(value)) => Ok(Some(other.1(value))),
            (None, None) => Ok(None),
        }
    }

    fn decay(&self, factor: &'static str) -> Result<Decay, ScheduleError> {
        let decay = self.either([(factor, Decay::Factor), ("k", Decay::Rate)])?;
        decay.ok_or_else(|| self.wrong(format!("{factor} is missing")))
    }
}

/// What a parameter may be.
trait Parameter: FromStr {
    const KIND: &'static str;
}

impl Parameter for f64 {
    const KIND: &'static str = "a number";
}

impl Parameter for u64 {
    const KIND: &'static str = "a whole number";
}

impl Parameter for Span {
    const KIND: &'static str = "a length such as 10epochs or 500steps";
}

/// Times between slashes.
struct Times(Vec<Span>);

impl FromStr for Times {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        text.split('/').map(str::parse).collect::<Result<_, ()>>().map(Self)
    }
}

impl Parameter for Times {
    const KIND: &'static str = "times between slashes such as 30epochs/60epochs";
}

impl Parameter for DecayForm {
    const KIND: &'static str = "linear, cosine or sqrt";
}

impl Parameter for Unit {
    const KIND: &'static str = "step or epoch";
}

impl Parameter for WarmUpForm {
    const KIND: &'static str = "before or times";
}

impl Parameter for Goal {
    const KIND: &'static str = "lower or higher";
}

impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let text = text.trim();
        if let Some((own, then)) = text.split_once('+') {
            if let Some((first, over)) = own.rsplit_once('@') {
                return read_sequence(text, first, over, then);
            }
            // Not that of `1e+3`.
            let is_exponent =
                own.strip_suffix(['e', 'E']).is_some_and(|own| own.ends_with(|c: char| c.is_ascii_digit()));
            if !plain(text).starts_with("warm-up") && !is_exponent {
                let reason = "the time before + is missing".to_owned();
                let expected = "SCHEDULE@EPOCHS+SCHEDULE".to_owned();
                return Err(ScheduleError::Parameter { text: text.to_owned(), reason, expected });
            }
        }
        let (own, then) = match text.split_once('+').filter(|_| plain(text).starts_with("warm-up")) {
            Some((own, then)) => (own, Some(then)),
            None => (text, None),
        };
        let (name, list) = own.split_once('=').map_or((own, None), |(name, list)| (name, Some(list)));
        let name = plain(name);
        let form = FORMS.iter().find(|form| form.name == name);
        let form = form.ok_or_else(|| ScheduleError::Unknown { name: text.to_owned() })?;
        let parameters = Parameters::read(text, form, list)?;
        if name == "warm-up" { read_warm_up(&parameters, then) } else { read(&name, &parameters) }
    }
}

/// The schedule `name`, which has no other in it.
fn read(name: &str, parameters: &Parameters) -> Result<Schedule, ScheduleError> {
    let per = || parameters.get_or("per", Unit::Epoch);
    Ok(match name {
        "constant" => Schedule::Constant,
        "linear" => Schedule::Linear(read_linear(parameters)?),
        "polynomial" => Schedule::Polynomial { power: parameters.get_or("power", 1.0)? },
        "time-based" => Schedule::TimeBased { k: parameters.get_or("k", 1.0)?, per: per()? },
        "exponential" => Schedule::Exponential { decay: parameters.decay("beta")?, per: per()? },
        "step" => Schedule::Step { every: parameters.get("every")?, decay: parameters.decay("factor")? },
        "multi-step" => {
            let Times(at) = parameters.get("at")?;
            Schedule::MultiStep { at, decay: parameters.decay("factor")? }
        }
        "inverse-sqrt" => Schedule::InverseSqrt { k: parameters.get_or("k", 1.0)?, per: per()? },
        "cosine" => Schedule::Cosine { minimum: parameters.get_or("minimum", 0.0)?, over: parameters.find("over")? },
        "cosine-restarts" => Schedule::CosineRestarts(read_cosine_restarts(parameters)?),
        "triangular" => Schedule::Triangular(read_triangular(parameters)?),
        "wsd" => Schedule::WarmUpStableDecay(read_stable(parameters)?),
        "one-cycle" => Schedule::OneCycle(read_one_cycle(parameters)?),
        "plateau" => Schedule::Plateau(read_plateau(parameters)?),
        _ => return Err(ScheduleError::Unknown { name: name.to_owned() }),
    })
}

fn read_triangular(parameters: &Parameters) -> Result<TriangularConfig, ScheduleError> {
    let usual = TriangularConfig::new(parameters.get("rise")?);
    Ok(TriangularConfig {
        fall: parameters.find("fall")?,
        minimum: parameters.get_or("minimum", usual.minimum)?,
        shrink: parameters.get_or("shrink", usual.shrink)?,
        decay: parameters.get_or("decay", usual.decay)?,
        ..usual
    })
}

fn read_stable(parameters: &Parameters) -> Result<WarmUpStableDecayConfig, ScheduleError> {
    let usual = WarmUpStableDecayConfig::new(parameters.get("warm-up")?, parameters.get("decay")?);
    Ok(WarmUpStableDecayConfig {
        from: parameters.get_or("from", usual.from)?,
        minimum: parameters.get_or("minimum", usual.minimum)?,
        form: parameters.get_or("form", usual.form)?,
        ..usual
    })
}

/// The schedule `first` over a time, then the other.
fn read_sequence(text: &str, first: &str, over: &str, then: &str) -> Result<Schedule, ScheduleError> {
    let over = over.parse().map_err(|()| ScheduleError::Parameter {
        text: text.to_owned(),
        reason: format!("the time after @ should be {}, but is `{over}`", Span::KIND),
        expected: "SCHEDULE@EPOCHS+SCHEDULE".to_owned(),
    })?;
    Ok(Schedule::Sequence(SequenceConfig::new(Box::new(first.parse()?), over, Box::new(then.parse()?))))
}

fn read_cosine_restarts(parameters: &Parameters) -> Result<CosineRestartsConfig, ScheduleError> {
    let usual = CosineRestartsConfig::new(parameters.get("first")?);
    Ok(CosineRestartsConfig {
        growth: parameters.get_or("growth", usual.growth)?,
        minimum: parameters.get_or("minimum", usual.minimum)?,
        ..usual
    })
}

fn read_one_cycle(parameters: &Parameters) -> Result<OneCycleConfig, ScheduleError> {
    let usual = OneCycleConfig::new();
    Ok(OneCycleConfig {
        peak: parameters.get_or("peak", usual.peak)?,
        start: parameters.get_or("start", usual.start)?,
        end: parameters.get_or("end", usual.end)?,
    })
}

fn read_plateau(parameters: &Parameters) -> Result<PlateauConfig, ScheduleError> {
    let usual = PlateauConfig::new();
    let threshold =
        parameters.either([("threshold", Threshold::Relative), ("absolute-threshold", Threshold::Absolute)])?;
    Ok(PlateauConfig {
        factor: parameters.get_or("factor", usual.factor)?,
        patience: parameters.get_or("patience", usual.patience)?,
        threshold: threshold.unwrap_or(usual.threshold),
        cooldown: parameters.get_or("cooldown", usual.cooldown)?,
        minimum: parameters.get_or("minimum", usual.minimum)?,
        goal: parameters.get_or("goal", usual.goal)?,
    })
}

fn read_linear(parameters: &Parameters) -> Result<LinearLrConfig, ScheduleError> {
    let usual = LinearLrConfig::new();
    Ok(LinearLrConfig {
        start: parameters.get_or("start", usual.start)?,
        end: parameters.get_or("end", usual.end)?,
        over: parameters.find("over")?,
    })
}

fn read_warm_up(parameters: &Parameters, then: Option<&str>) -> Result<Schedule, ScheduleError> {
    let over = parameters.get("over")?;
    let then = then.ok_or_else(|| parameters.wrong("the schedule after it is missing".to_owned()))?;
    let usual = WarmUpConfig::new(over, Box::new(then.parse()?));
    Ok(Schedule::WarmUp(WarmUpConfig {
        from: parameters.get_or("from", usual.from)?,
        form: parameters.get_or("form", usual.form)?,
        ..usual
    }))
}

impl fmt::Display for Decay {
    /// Writes the value; its name is the schedule's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Rate(value) | Self::Factor(value)) = self;
        value.fmt(f)
    }
}

impl fmt::Display for Schedule {
    /// Writes every parameter by its name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decayed = |decay: &Decay, factor: &'static str| match decay {
            Decay::Rate(_) => "k",
            Decay::Factor(_) => factor,
        };
        match self {
            Self::Constant => f.write_str("constant"),
            Self::Linear(config) if *config == LinearLrConfig::new() => f.write_str("linear"),
            Self::Linear(LinearLrConfig { start, end, over }) => {
                let over = over.map_or_else(String::new, |over| format!(",over={over}"));
                write!(f, "linear=end={end}{over},start={start}")
            }
            Self::Polynomial { power } => write!(f, "polynomial=power={power}"),
            Self::TimeBased { k, per } => write!(f, "time-based=k={k},per={per}"),
            Self::Exponential { decay, per } => {
                write!(f, "exponential={}={decay},per={per}", decayed(decay, "beta"))
            }
            Self::Step { every, decay } => write!(f, "step=every={every},{}={decay}", decayed(decay, "factor")),
            Self::MultiStep { at, decay } => {
                let at = at.iter().map(ToString::to_string).collect::<Vec<_>>().join("/");
                write!(f, "multi-step=at={at},{}={decay}", decayed(decay, "factor"))
            }
            Self::InverseSqrt { k, per } => write!(f, "inverse-sqrt=k={k},per={per}"),
            Self::Cosine { minimum, over: None } => write!(f, "cosine=minimum={minimum}"),
            Self::Cosine { minimum, over: Some(over) } => write!(f, "cosine=minimum={minimum},over={over}"),
            Self::CosineRestarts(CosineRestartsConfig { first, growth, minimum }) => {
                write!(f, "cosine-restarts=first={first},growth={growth},minimum={minimum}")
            }
            Self::Triangular(TriangularConfig { rise, fall, minimum, shrink, decay }) => {
                let fall = fall.map_or_else(String::new, |fall| format!(",fall={fall}"));
                write!(f, "triangular=rise={rise}{fall},minimum={minimum},shrink={shrink},decay={decay}")
            }
            Self::WarmUpStableDecay(WarmUpStableDecayConfig { warm_up, decay, from, minimum, form }) => {
                write!(f, "wsd=warm-up={warm_up},decay={decay},from={from},minimum={minimum},form={form}")
            }
            Self::OneCycle(OneCycleConfig { peak, start, end }) => {
                write!(f, "one-cycle=peak={peak},start={start},end={end}")
            }
            Self::Plateau(PlateauConfig { factor, patience, threshold, cooldown, minimum, goal }) => {
                let (name, threshold) = match threshold {
                    Threshold::Relative(threshold) => ("threshold", threshold),
                    Threshold::Absolute(threshold) => ("absolute-threshold", threshold),
                };
                write!(
                    f,
                    "plateau=factor={factor},patience={patience},{name}={threshold},cooldown={cooldown},\
                     minimum={minimum}"
                )?;
                // As in files from before there was a choice.
                if *goal == Goal::Higher { f.write_str(",goal=higher") } else { Ok(()) }
            }
            Self::WarmUp(WarmUpConfig { over, from, form, then }) => {
                write!(f, "warm-up=over={over},from={from},form={form}+{then}")
            }
            Self::Sequence(SequenceConfig { first, over, then }) => write!(f, "{first}@{over}+{then}"),
        }
    }
}

impl From<Schedule> for String {
    fn from(schedule: Schedule) -> Self {
        schedule.to_string()
    }
}

impl TryFrom<String> for Schedule {
    type Error = ScheduleError;

    fn try_from(text: String) -> Result<Self, ScheduleError> {
        text.parse()
    }
}
