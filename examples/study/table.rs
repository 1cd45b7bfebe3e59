//! Tables: techniques, each beside what it is compared with.

use crate::support::{Curve, Spread, table};
use crate::trainer::{Trainer, Treatment};
use crate::verdict::{Comparison, Verdict};
use burn_descent::early_stopping::Goal;
use burn_descent_lab::data::DataSource;
use burn_descent_lab::runs::{Evaluation, RunConfig, TrainError};
use serde::Serialize;
use std::time::Instant;

/// What is to be trained for a table.
pub struct Group {
    pub name: String,
    /// What its rows share, for readers.
    pub about: String,
    /// The flags of the `mnist` example for what they share.
    pub flags: String,
    pub base: RunConfig,
    /// Share of the training labels that are wrong.
    pub wrong_labels: f64,
    pub seeds: u64,
    /// Steps between two looks at the test images, for a curve.
    pub every: Option<usize>,
    pub rows: Vec<Row>,
}

/// A technique.
pub struct Row {
    pub name: String,
    /// Its flags of the `mnist` example, or what else it takes.
    pub flags: String,
    /// The row that it is compared with, which is the same but for the technique.
    pub against: Option<String>,
    pub config: RunConfig,
    pub treatment: Treatment,
}

impl Row {
    /// `base` with `change`.
    pub fn new(
        base: &RunConfig,
        name: impl Into<String>,
        flags: impl Into<String>,
        change: impl FnOnce(&mut RunConfig),
    ) -> Self {
        let mut config = base.clone();
        change(&mut config);
        Self { name: name.into(), flags: flags.into(), against: None, config, treatment: Treatment::None }
    }

    pub fn against(self, name: impl Into<String>) -> Self {
        Self { against: Some(name.into()), ..self }
    }

    pub fn with(self, treatment: Treatment) -> Self {
        Self { treatment, ..self }
    }
}

/// One seed of a row.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    pub seed: u64,
    pub test_accuracy: f64,
    pub test_loss: f64,
    /// The mean accuracy of several networks by themselves.
    pub members: Option<f64>,
    /// The epochs that were trained.
    pub epochs: usize,
    /// Share of the weights that are exactly 0.
    pub zeros: f64,
    /// Share of the activations that are exactly 0, where they are looked at.
    pub silent: Option<f64>,
    /// Steps, and the test accuracy after them.
    pub curve: Vec<(usize, f64)>,
}

impl Outcome {
    pub fn new(seed: u64, test: &Evaluation, epochs: usize) -> Self {
        let members = test.ensemble.as_ref().map(|report| report.mean_accuracy);
        let (test_accuracy, test_loss) = (test.accuracy, test.loss);
        Self { seed, test_accuracy, test_loss, members, epochs, zeros: 0.0, silent: None, curve: Vec::new() }
    }
}

/// What came of a row.
#[derive(Serialize)]
pub struct Measured {
    pub technique: String,
    pub flags: String,
    pub against: Option<String>,
    /// Of the test accuracies, in percent, and the losses.
    pub accuracy: Option<Comparison>,
    pub loss: Option<Comparison>,
    pub config: RunConfig,
    pub outcomes: Vec<Outcome>,
}

/// What came of a table.
#[derive(Serialize)]
pub struct Table {
    pub name: String,
    pub about: String,
    pub flags: String,
    pub rows: Vec<Measured>,
}

impl Measured {
    fn values(&self, of: impl Fn(&Outcome) -> f64) -> Vec<f64> {
        self.outcomes.iter().map(of).collect()
    }

    fn accuracies(&self) -> Vec<f64> {
        self.values(|outcome| 100.0 * outcome.test_accuracy)
    }

    fn losses(&self) -> Vec<f64> {
        self.values(|outcome| outcome.test_loss)
    }

    /// The test accuracy along the steps, in percent.
    fn curve(&self) -> Vec<(usize, Spread)> {
        let steps = self.outcomes.first().map_or(&[][..], |outcome| &outcome.curve);
        let at = |index: usize| Spread::of(self.values(|outcome| 100.0 * outcome.curve[index].1));
        steps.iter().enumerate().map(|(index, (step, _))| (*step, at(index))).collect()
    }

    /// What else there is to say.
    fn note(&self) -> String {
        let mean = |of: &dyn Fn(&Outcome) -> f64| Spread::of(self.values(of)).mean;
        let mut notes = Vec::new();
        if self.outcomes.iter().all(|outcome| outcome.members.is_some()) {
            let members = mean(&|outcome| outcome.members.unwrap_or_default());
            notes.push(format!("{:.2} % by themselves", 100.0 * members));
        }
        let zeros = mean(&|outcome| outcome.zeros);
        if zeros > 0.0 {
            notes.push(format!("{:.1} % of the weights are 0", 100.0 * zeros));
        }
        if self.outcomes.iter().all(|outcome| outcome.silent.is_some()) {
            let silent = mean(&|outcome| outcome.silent.unwrap_or_default());
            notes.push(format!("{:.1} % of the activations are 0", 100.0 * silent));
        }
        if self.config.early_stopping.is_some() {
            notes.push(format!("{:.1} epochs", mean(&|outcome| outcome.epochs as f64)));
        }
        notes.join(", ")
    }

    fn cells(&self) -> Vec<String> {
        let compared = |comparison: &Option<Comparison>, digits: usize| match comparison {
            Some(comparison) => [format!("{comparison:.digits$}"), comparison.verdict.to_string()],
            None => [String::new(), String::new()],
        };
        let name = match &self.against {
            Some(against) if against != BASELINE => format!("{} (to {against})", self.technique),
            _ => self.technique.clone(),
        };
        let flags = if self.flags.starts_with("--") { format!("`{}`", self.flags) } else { self.flags.clone() };
        let mut cells = vec![name, flags, Spread::of(self.accuracies()).to_string()];
        cells.extend(compared(&self.accuracy, 2));
        cells.push(format!("{:.4}", Spread::of(self.losses())));
        cells.extend(compared(&self.loss, 4));
        cells.push(self.note());
        cells
    }
}

/// The row that all others of a table are compared with, if nothing else is said.
pub const BASELINE: &str = "baseline";

const HEADING: [&str; 9] =
    ["technique", "by", "test accuracy, %", "difference", "accuracy", "test loss", "difference", "loss", ""];

impl Group {
    /// Trains all rows with all seeds; tells what comes of each as soon as it is known.
    ///
    /// # Errors
    ///
    /// The first of a row.
    pub fn run(&self, source: &DataSource) -> Result<Table, TrainError> {
        let mut trainer = Trainer::new(self, source)?;
        let mut rows: Vec<Measured> = Vec::new();
        for row in &self.rows {
            let start = Instant::now();
            let outcomes = (1..=self.seeds).map(|seed| trainer.outcome(row, seed)).collect::<Result<_, _>>()?;
            let mut measured = Measured {
                technique: row.name.clone(),
                flags: row.flags.clone(),
                against: row.against.clone(),
                accuracy: None,
                loss: None,
                config: row.config.clone(),
                outcomes,
            };
            if let Some(reference) = rows.iter().find(|other| Some(&other.technique) == row.against.as_ref()) {
                let compare =
                    |of: fn(&Measured) -> Vec<f64>, goal| Comparison::of(&of(&measured), &of(reference), goal);
                let accuracy = compare(Measured::accuracies, Goal::Higher);
                measured.loss = Some(compare(Measured::losses, Goal::Lower));
                measured.accuracy = Some(accuracy);
            }
            eprintln!("{} ({:.0} s)", self.line(&measured), start.elapsed().as_secs_f64());
            rows.push(measured);
        }
        let (name, about, flags) = (self.name.clone(), self.about.clone(), self.flags.clone());
        Ok(Table { name, about, flags, rows })
    }

    fn line(&self, measured: &Measured) -> String {
        let accuracy = Spread::of(measured.accuracies()).to_string();
        let compared =
            measured.accuracy.map_or_else(String::new, |accuracy| format!("{accuracy:15}  {}", accuracy.verdict));
        format!("{:22} {:34} {accuracy:>14} %  {compared:37}", self.name, measured.technique)
    }
}

impl Table {
    /// Its part of the report.
    pub fn report(&self) -> String {
        let rows: Vec<Vec<String>> = self.rows.iter().map(Measured::cells).collect();
        let flags = if self.flags.is_empty() { String::new() } else { format!(" All: `{}`.", self.flags) };
        let (rows, summary) = (table(&HEADING, &rows), self.summary());
        format!("## {}\n\n{}{flags}\n\n{rows}\n{summary}{}", self.name, self.about, self.steps())
    }

    /// A table of test accuracies at ever greater steps, where they were looked at.
    fn steps(&self) -> String {
        let curves: Vec<_> = self.rows.iter().map(Measured::curve).collect();
        let looks = curves.iter().map(Vec::len).min().unwrap_or_default();
        let shown: Vec<usize> = (0..looks).filter(|look| (look + 1).is_power_of_two() || look + 1 == looks).collect();
        if shown.is_empty() {
            return String::new();
        }
        let names = self.rows.iter().map(|row| format!("{}, %", row.technique));
        let heading: Vec<String> = std::iter::once("steps".to_owned()).chain(names).collect();
        let heading: Vec<&str> = heading.iter().map(String::as_str).collect();
        let row = |look: usize| {
            let cells = curves.iter().map(|curve| curve[look].1.to_string());
            std::iter::once(curves[0][look].0.to_string()).chain(cells).collect()
        };
        let rows: Vec<Vec<String>> = shown.into_iter().map(row).collect();
        format!("\n{}", table(&heading, &rows))
    }

    /// The test error along the steps, where it was looked at: means over the seeds, in percent.
    pub fn curves(&self) -> Vec<Curve> {
        let curve = |row: &Measured| {
            let mut points = row.curve();
            points.iter_mut().for_each(|point| point.1.mean = 100.0 - point.1.mean);
            let points = points.into_iter().map(|(step, accuracy)| (step as f64, accuracy.mean)).collect();
            Curve { name: row.technique.clone(), points }
        };
        self.rows.iter().filter(|row| !row.curve().is_empty()).map(curve).collect()
    }

    /// The techniques by their verdicts.
    fn summary(&self) -> String {
        let verdicts = [Verdict::Helps, Verdict::Hurts, Verdict::NoClearDifference];
        let line = |verdict: Verdict| {
            let found = |of: fn(&Measured) -> &Option<Comparison>| {
                let rows = self.rows.iter().filter(|row| of(row).is_some_and(|found| found.verdict == verdict));
                rows.map(|row| row.technique.as_str()).collect::<Vec<_>>().join("; ")
            };
            let (accuracy, loss) = (found(|row| &row.accuracy), found(|row| &row.loss));
            let told = [("accuracy", accuracy), ("loss", loss)].into_iter().filter(|(_, rows)| !rows.is_empty());
            let told = told.map(|(what, rows)| format!("- {verdict} ({what}): {rows}\n"));
            told.collect::<String>()
        };
        verdicts.map(line).concat()
    }
}
