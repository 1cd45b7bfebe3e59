//! Tries many settings of a program's flags, each in a run of its own, and keeps on with the best.

use crate::runs::{RunInfo, RunStatus, TrainError, write_json};
use burn_descent::train::{is_unfinished, remove_file};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::time::Duration;

/// Lists what a flag is tried with. As text it is `lr=1e-4..1e-1` (drawn evenly by logarithm where both ends are positive and
/// ten times apart or more), `dropout=0..0.5` (drawn evenly), or a list, `optimizer=adam,nadam`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Dimension {
    /// Names the flag, without its dashes.
    pub flag: String,
    values: Values,
    text: String,
}

#[derive(Clone, Debug, PartialEq)]
enum Values {
    List(Vec<String>),
    Between(f64, f64),
}

impl FromStr for Dimension {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("expected FLAG=LOW..HIGH or FLAG=VALUE,VALUE,… such as lr=1e-4..1e-1, but is {text}");
        let (flag, values) = text.split_once('=').ok_or_else(expected)?;
        let flag = flag.trim_start_matches('-').to_owned();
        let ends = values.split_once("..").and_then(|(low, high)| Some((low.parse().ok()?, high.parse().ok()?)));
        let values = match ends {
            Some((low, high)) if f64::is_finite(low) && f64::is_finite(high) && low < high => {
                Values::Between(low, high)
            }
            Some(_) => return Err(expected()),
            None => Values::List(values.split(',').map(str::to_owned).collect()),
        };
        if flag.is_empty() || matches!(&values, Values::List(values) if values.iter().any(String::is_empty)) {
            return Err(expected());
        }
        Ok(Self { flag, values, text: text.to_owned() })
    }
}

impl TryFrom<String> for Dimension {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Dimension> for String {
    fn from(dimension: Dimension) -> Self {
        dimension.text
    }
}

impl Dimension {
    fn draw(&self, rng: &mut ChaCha8Rng) -> String {
        match &self.values {
            Values::List(values) => values[rng.random_range(0..values.len())].clone(),
            Values::Between(low, high) if *low > 0.0 && high / low >= 10.0 => {
                format!("{:.4e}", (low.ln() + (high.ln() - low.ln()) * rng.random::<f64>()).exp())
            }
            Values::Between(low, high) => format!("{:.4}", low + (high - low) * rng.random::<f64>()),
        }
    }
}

/// Configures a search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TuneConfig {
    /// Lists what is tried.
    pub dimensions: Vec<Dimension>,
    /// Sets how many settings are drawn; absent, every combination of the lists is tried.
    pub trials: Option<usize>,
    /// Sets successive halving, at least 2: all trials begin with few epochs, and the best of each so many go on, with so
    /// many times the epochs, until the last has them all. Absent, all are trained to the end.
    pub halving: Option<usize>,
    /// Sets the epochs of a whole training.
    pub epochs: usize,
    /// Lists the flags that all trials have.
    pub flags: Vec<String>,
    /// Seeds what is drawn.
    pub seed: u64,
}

/// Holds what a search has come to; its `Display` is a table, the best trial first.
#[derive(Clone, Debug, Serialize)]
pub struct TuneReport {
    /// Lists the trials, the best first.
    pub trials: Vec<Trial>,
}

/// Holds one setting and what came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Trial {
    /// Names the run.
    pub name: String,
    /// Lists the flags of the setting.
    pub flags: Vec<String>,
    /// Counts the epochs that it was trained.
    pub epochs: usize,
    /// Gives the lowest validation loss; it is NaN if the trial failed.
    pub validation_loss: f64,
    /// Gives the validation accuracy of the same epoch, 0 to 1.
    pub validation_accuracy: f64,
    /// Says why the trial failed, if it did.
    pub failure: Option<String>,
}

/// The configuration of a search, in the folder of its runs.
const CONFIG: &str = "tune.json";
const REPORT: &str = "report.json";
/// More combinations are not tried one by one.
const MOST: usize = 10_000;

impl TuneConfig {
    /// Searches with `program`, up to `jobs` trainings at a time, each a run under `folder`. A search that was broken off
    /// goes on where it was.
    ///
    /// # Errors
    ///
    /// Returns an error if the configuration is out of range, `folder` is of another search, or the program cannot be
    /// started. A trial that fails is none: the report tells of it.
    pub fn run(&self, program: &Path, folder: &Path, jobs: usize) -> Result<TuneReport, TrainError> {
        let wrong = |field, value: String, expected| Err(TrainError::Value { field, value, expected });
        if self.halving.is_some_and(|rate| rate < 2) {
            return wrong("halving", format!("{:?}", self.halving.unwrap_or_default()), "at least 2");
        }
        if self.epochs == 0 || self.trials == Some(0) {
            return wrong("epochs or trials", "0".to_owned(), "at least 1");
        }
        let settings = self.settings()?;
        self.claim(folder)?;
        // What a search that was killed had begun to write; in the folders below, trials of its may still be at work.
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if is_unfinished(&entry.file_name()) && entry.file_type().is_ok_and(|kind| kind.is_file()) {
                remove_file(&entry.path())?;
            }
        }
        let mut left: Vec<Trial> = (1..).zip(settings).map(|(number, flags)| Trial::new(number, flags)).collect();
        let mut done = Vec::new();
        for (rung, epochs) in self.rungs(left.len()).into_iter().enumerate() {
            if let Some(rate) = self.halving.filter(|_| rung > 0) {
                left.sort_by(Trial::order);
                done.extend(left.split_off(left.len().div_ceil(rate)));
            }
            self.train(&mut left, epochs, program, folder, jobs.max(1))?;
        }
        left.extend(done);
        left.sort_by(|one, other| other.epochs.cmp(&one.epochs).then(Trial::order(one, other)));
        let report = TuneReport { trials: left };
        write_json(&folder.join(REPORT), &report)?;
        Ok(report)
    }

    /// The flags of each trial.
    fn settings(&self) -> Result<Vec<Vec<String>>, TrainError> {
        let flag = |dimension: &Dimension, value: &str| format!("--{}={value}", dimension.flag);
        if let Some(trials) = self.trials {
            let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
            let mut draw = || self.dimensions.iter().map(|of| flag(of, &of.draw(&mut rng))).collect();
            return Ok((0..trials).map(|_| draw()).collect());
        }
        let mut settings = vec![Vec::new()];
        for dimension in &self.dimensions {
            let Values::List(values) = &dimension.values else {
                let expected = "a list, or --trials N to draw from a range";
                return Err(TrainError::Value { field: "over", value: dimension.text.clone(), expected });
            };
            if settings.len().saturating_mul(values.len()) > MOST {
                let expected = "fewer combinations, or --trials N to draw some of them";
                return Err(TrainError::Value { field: "over", value: format!("more than {MOST}"), expected });
            }
            let with = |setting: &Vec<String>| {
                let with = |value: &String| [&setting[..], &[flag(dimension, value)]].concat();
                values.iter().map(with).collect::<Vec<_>>()
            };
            settings = settings.iter().flat_map(with).collect();
        }
        Ok(settings)
    }

    /// The epochs that the trials which are left have after each round.
    fn rungs(&self, trials: usize) -> Vec<usize> {
        let mut rungs = vec![self.epochs];
        if let Some(rate) = self.halving {
            let mut left = trials;
            while left > 1 && rungs[0] > 1 {
                rungs.insert(0, (rungs[0] / rate).max(1));
                left = left.div_ceil(rate);
            }
        }
        rungs
    }

    /// Writes the configuration into a new folder, or finds it there.
    fn claim(&self, folder: &Path) -> Result<(), TrainError> {
        let path = folder.join(CONFIG);
        let Ok(bytes) = std::fs::read(&path) else { return Ok(write_json(&path, self)?) };
        let known: Result<Self, _> = serde_json::from_slice(&bytes);
        if known.is_ok_and(|known| known == *self) {
            return Ok(());
        }
        let value = folder.display().to_string();
        Err(TrainError::Value { field: "name", value, expected: "the folder of a new search, or of the same one" })
    }

    /// Trains these trials to so many epochs.
    fn train(
        &self,
        trials: &mut [Trial],
        epochs: usize,
        program: &Path,
        folder: &Path,
        jobs: usize,
    ) -> Result<(), TrainError> {
        let mut running: Vec<(usize, Child)> = Vec::new();
        let mut waiting = (0..trials.len()).rev().collect::<Vec<_>>();
        while !(running.is_empty() && waiting.is_empty()) {
            let mut busy = Vec::new();
            while running.len() < jobs
                && let Some(index) = waiting.pop()
            {
                let trial = &mut trials[index];
                if RunInfo::of(folder, &trial.name).status == RunStatus::Running {
                    // By a search that was broken off, whose trials go on.
                    busy.push(index);
                    continue;
                }
                trial.look(folder, epochs);
                if trial.epochs < epochs && trial.failure.is_none() {
                    running.push((index, self.start(trial, epochs, program, folder)?));
                }
            }
            waiting.splice(0..0, busy);
            let mut still = Vec::new();
            for (index, mut child) in running {
                match child.try_wait().map_err(TrainError::io("wait for", program))? {
                    None => still.push((index, child)),
                    Some(status) if !status.success() && trials[index].was_in_use(folder) => waiting.insert(0, index),
                    Some(status) => trials[index].finish(status.success(), folder, epochs),
                }
            }
            running = still;
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// The flags of all trials, but for a file that a run which goes on does not begin from.
    fn flags_to_resume(&self) -> Vec<&String> {
        let mut flags = Vec::new();
        let mut all = self.flags.iter();
        while let Some(flag) = all.next() {
            match flag.as_str() {
                "--config" => _ = all.next(),
                flag_and_file if flag_and_file.starts_with("--config=") => {}
                _ => flags.push(flag),
            }
        }
        flags
    }

    fn start(&self, trial: &Trial, epochs: usize, program: &Path, folder: &Path) -> Result<Child, TrainError> {
        let mut command = Command::new(program);
        match RunInfo::of(folder, &trial.name).status {
            RunStatus::Resumable | RunStatus::Complete => {
                command.args(self.flags_to_resume()).args(&trial.flags).args(["--resume", &trial.name])
            }
            _ => command.args(&self.flags).args(&trial.flags).args(["--name", &trial.name, "--overwrite"]),
        };
        command.args(["--epochs", &epochs.to_string(), "--artifacts"]).arg(folder);
        let log = folder.join(format!("{}.log", trial.name));
        let file = std::fs::File::create(&log).map_err(TrainError::io("write", &log))?;
        let output = file.try_clone().map_err(TrainError::io("write", &log))?;
        command.stdin(Stdio::null()).stdout(output).stderr(file);
        command.spawn().map_err(TrainError::io("start", program))
    }
}

impl Trial {
    fn new(number: usize, flags: Vec<String>) -> Self {
        let name = format!("trial-{number}");
        Self { name, flags, epochs: 0, validation_loss: f64::NAN, validation_accuracy: f64::NAN, failure: None }
    }

    /// Takes note of what the run has come to in so many epochs. It may have gone on since, where a search was broken off
    /// in a later round.
    fn look(&mut self, folder: &Path, epochs: usize) {
        let info = RunInfo::of(folder, &self.name);
        let last = info.history.last_epoch();
        let has_gone_on = info.config.is_some_and(|config| config.epochs > epochs) && last >= epochs;
        let done = info.status == RunStatus::Complete || has_gone_on;
        self.epochs = if done { last.min(epochs) } else { 0 };
        if let Some(best) = info.history.best_of_first(epochs) {
            (self.validation_loss, self.validation_accuracy) = (best.validation_loss, best.validation_accuracy);
        }
        if info.history.stopped.as_deref() == Some("diverged") && last <= epochs {
            self.failure = Some("diverged".to_owned());
        }
    }

    fn log(&self, folder: &Path) -> String {
        std::fs::read_to_string(folder.join(format!("{}.log", self.name))).unwrap_or_default()
    }

    /// Whether it could not begin because of another program, that of a search that was broken off.
    fn was_in_use(&self, folder: &Path) -> bool {
        let error = TrainError::InUse(folder.join(&self.name)).to_string();
        self.log(folder).lines().any(|line| line.contains(&error))
    }

    fn finish(&mut self, succeeded: bool, folder: &Path, epochs: usize) {
        self.look(folder, epochs);
        if !succeeded && self.failure.is_none() {
            let log = self.log(folder);
            let told = log.lines().find(|line| line.starts_with("error")).or(log.lines().last());
            self.failure = Some(told.unwrap_or("failed without a word").to_owned());
        }
    }

    /// The better first: by the validation loss, failures last.
    fn order(&self, other: &Self) -> std::cmp::Ordering {
        let key = |trial: &Self| (trial.failure.is_some() || trial.validation_loss.is_nan(), trial.validation_loss);
        let ((bad, loss), (other_bad, other_loss)) = (key(self), key(other));
        bad.cmp(&other_bad).then(loss.total_cmp(&other_loss))
    }
}

impl fmt::Display for TuneReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<10} {:>6} {:>12} {:>10}  flags", "run", "epochs", "valid loss", "valid")?;
        for Trial { name, flags, epochs, validation_loss, validation_accuracy, failure } in &self.trials {
            let flags = flags.join(" ");
            match failure {
                Some(failure) => writeln!(f, "{name:<10} {epochs:>6} {:>12} {:>10}  {flags}  ({failure})", "-", "-")?,
                None => {
                    let accuracy = 100.0 * validation_accuracy;
                    writeln!(f, "{name:<10} {epochs:>6} {validation_loss:>12.4} {accuracy:>8.2} %  {flags}")?;
                }
            }
        }
        match self.trials.first().filter(|trial| trial.failure.is_none()) {
            Some(best) => write!(f, "\nthe best: {}", best.flags.join(" ")),
            None => write!(f, "\nno trial came to its end"),
        }
    }
}

/// Returns the folder of the search `name` under `artifacts`.
pub fn tune_folder(artifacts: &Path, name: &str) -> PathBuf {
    artifacts.join("tune").join(name)
}
