use super::claim::is_claimed;
use super::run::{CONFIG, SUMMARY, names};
use super::{History, RunConfig, Summary, TrainError, files};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// Holds what there is to know of a run at a glance.
#[derive(Clone, Debug)]
pub struct RunInfo {
    /// Gives the run's name.
    pub name: String,
    /// Says where the run stands.
    pub status: RunStatus,
    /// Holds the run's configuration; none if it cannot be read.
    pub config: Option<RunConfig>,
    /// Holds the epochs of its first network.
    pub history: History,
    /// Holds its results, if it has any.
    pub summary: Option<Summary>,
}

/// Says where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunStatus {
    /// Says that a program is training it.
    Running,
    /// Says that it has its results.
    Complete,
    /// Says that it has begun and can be gone on with.
    Resumable,
    /// Says that there is nothing yet to go on with.
    New,
    /// Says that its configuration cannot be read.
    Damaged,
}

impl fmt::Display for RunStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Running => "running",
            Self::Complete => "complete",
            Self::Resumable => "resumable",
            Self::New => "new",
            Self::Damaged => "damaged",
        })
    }
}

/// Whether there is a checkpoint in the folder, which is made before the first is written.
fn has_checkpoint(folder: &Path) -> bool {
    let mut entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.any(|entry| entry.path().extension().is_some_and(|extension| extension == "ckpt"))
}

impl RunInfo {
    /// Looks at the run `name` under `root`. Files that cannot be read count as not there.
    pub fn of(root: &Path, name: &str) -> Self {
        let folder = root.join(name);
        let config = RunConfig::read(&folder.join(CONFIG)).ok();
        let history = [folder.join("history.json"), folder.join("member-1/history.json")];
        let history = history.iter().find_map(|path| files::read_json::<History>(path).ok());
        let summary: Option<Summary> = files::read_json(&folder.join(SUMMARY)).ok();
        let begun = [folder.join("checkpoint"), folder.join("member-1/checkpoint")];
        let status = match &config {
            _ if is_claimed(&folder) => RunStatus::Running,
            None => RunStatus::Damaged,
            Some(_) if summary.is_some() => RunStatus::Complete,
            Some(_) if begun.iter().any(|folder| has_checkpoint(folder)) => RunStatus::Resumable,
            Some(_) => RunStatus::New,
        };
        Self { name: name.to_owned(), status, config, history: history.unwrap_or_default(), summary }
    }

    /// The best validation loss and accuracy so far.
    fn validation(&self) -> [f64; 2] {
        self.history.best().map_or([f64::NAN; 2], |best| [best.validation_loss, best.validation_accuracy])
    }
}

/// Lists the runs under `root`, by name.
pub fn list(root: &Path) -> RunList {
    RunList(names(root).iter().map(|name| RunInfo::of(root, name)).collect())
}

/// Holds runs; its `Display` is a table of them.
#[derive(Clone, Debug)]
pub struct RunList(pub Vec<RunInfo>);

impl fmt::Display for RunList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("no runs yet");
        }
        let heading =
            ["run", "status", "data", "network", "optimizer", "epochs", "valid loss", "valid", "test", "seconds"];
        let mut rows = vec![heading.map(str::to_owned)];
        for info in &self.0 {
            let of = |value: fn(&RunConfig) -> String| info.config.as_ref().map_or_else(|| "?".to_owned(), value);
            let [loss, accuracy] = info.validation();
            let test = info.summary.as_ref().map_or_else(String::new, |summary| match summary.regression {
                Some(errors) => format!("R² {:.4}", errors.r_squared),
                None => percent(summary.test_accuracy),
            });
            rows.push([
                info.name.clone(),
                info.status.to_string(),
                of(|config| config.dataset.to_string()),
                of(|config| config.model.name().to_owned()),
                of(|config| config.method().to_owned()),
                format!("{}/{}", info.history.last_epoch(), of(|config| config.epochs.to_string())),
                number(loss),
                percent(accuracy),
                test,
                info.history.epochs.last().map_or_else(String::new, |last| format!("{:.1}", last.seconds)),
            ]);
        }
        write_table(f, &rows)
    }
}

fn number(value: f64) -> String {
    if value.is_nan() { String::new() } else { format!("{value:.4}") }
}

fn percent(share: f64) -> String {
    if share.is_nan() { String::new() } else { format!("{:.2} %", 100.0 * share) }
}

fn write_table<const N: usize>(f: &mut fmt::Formatter<'_>, rows: &[[String; N]]) -> fmt::Result {
    let rows: Vec<&[String]> = rows.iter().map(<[String; N]>::as_slice).collect();
    write_rows(f, &rows)
}

/// Rows in columns, the last of which has no padding.
fn write_rows(f: &mut fmt::Formatter<'_>, rows: &[&[String]]) -> fmt::Result {
    let columns = rows.iter().map(|row| row.len()).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for (index, row) in rows.iter().enumerate() {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        write!(f, "{}{}", if index == 0 { "" } else { "\n" }, line.trim_end())?;
    }
    Ok(())
}

/// Holds runs side by side: what differs in their configurations, and what they came to.
#[derive(Clone, Debug)]
pub struct Comparison(Vec<RunInfo>);

/// Puts the runs of these names under `root` side by side.
///
/// # Errors
///
/// Returns an error if there is no run of a name.
pub fn compare(root: &Path, runs: &[String]) -> Result<Comparison, TrainError> {
    let known = names(root);
    if let Some(name) = runs.iter().find(|name| !known.contains(name)) {
        let (name, root) = (name.clone(), root.display().to_string());
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return Err(TrainError::NoRun { name, root, known });
    }
    Ok(Comparison(runs.iter().map(|name| RunInfo::of(root, name)).collect()))
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |name: &str, of: &dyn Fn(&RunInfo) -> String| {
            std::iter::once(name.to_owned()).chain(self.0.iter().map(of)).collect::<Vec<String>>()
        };
        let mut rows = vec![row("", &|info| info.name.clone())];
        let leaves: Vec<BTreeMap<String, String>> = self.0.iter().map(leaves).collect();
        let fields: std::collections::BTreeSet<&String> = leaves.iter().flat_map(BTreeMap::keys).collect();
        for field in fields {
            let values: Vec<Option<&String>> = leaves.iter().map(|leaves| leaves.get(field)).collect();
            if values.windows(2).any(|pair| pair[0] != pair[1]) {
                let values = values.into_iter().map(|value| value.map_or("-", String::as_str).to_owned());
                rows.push(std::iter::once(field.clone()).chain(values).collect());
            }
        }
        rows.push(row("status", &|info| info.status.to_string()));
        rows.push(row("epochs trained", &|info| info.history.last_epoch().to_string()));
        rows.push(row("best epoch", &|info| {
            info.history.best_epoch.map_or_else(String::new, |epoch| epoch.to_string())
        }));
        rows.push(row("validation loss", &|info| number(info.validation()[0])));
        rows.push(row("validation accuracy", &|info| percent(info.validation()[1])));
        let result =
            |of: fn(&Summary) -> String| move |info: &RunInfo| info.summary.as_ref().map_or_else(String::new, of);
        rows.push(row("test accuracy", &result(|summary| percent(summary.test_accuracy))));
        rows.push(row("test loss", &result(|summary| number(summary.test_loss))));
        rows.push(row("seconds", &result(|summary| format!("{:.1}", summary.seconds))));
        rows.push(row("images/s", &result(|summary| format!("{:.0}", summary.images_per_second))));
        rows.retain(|row| row.iter().skip(1).any(|cell| !cell.is_empty()));
        let rows: Vec<&[String]> = rows.iter().map(Vec::as_slice).collect();
        write_rows(f, &rows)
    }
}

/// The values of a configuration by their paths.
fn leaves(info: &RunInfo) -> BTreeMap<String, String> {
    fn collect(path: String, value: Value, leaves: &mut BTreeMap<String, String>) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    collect(if path.is_empty() { key } else { format!("{path}.{key}") }, value, leaves);
                }
            }
            Value::String(text) => _ = leaves.insert(path, text),
            value => _ = leaves.insert(path, value.to_string()),
        }
    }
    let mut leaves = BTreeMap::new();
    let value = info.config.as_ref().and_then(|config| serde_json::to_value(config).ok());
    collect(String::new(), value.unwrap_or_default(), &mut leaves);
    leaves
}
