use super::FileError;
use burn::train::logger::MetricLogger;
use burn::train::metric::store::{EpochSummary, MetricsUpdate, Split};
use burn::train::metric::{MetricDefinition, MetricEntry, MetricId, NumericEntry};
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Logs each metric to `FOLDER/SPLIT/epoch-N/METRIC.log`, as Burn's own logger does, or in memory alone.
///
/// Where Burn's cannot write, on a full disk say, its thread panics and takes the program down. This one tells whoever
/// made it, and goes on without the file; the metrics themselves are in memory. Clones are one and the same.
#[derive(Clone)]
pub struct MetricFiles(Arc<Mutex<Logs>>);

struct Logs {
    folder: Option<PathBuf>,
    report: Box<dyn Fn(FileError) + Send>,
    names: HashMap<MetricId, String>,
    epoch: usize,
    /// By split and name, of the epoch.
    logs: BTreeMap<(String, String), MetricLog>,
}

/// One metric in one split of an epoch.
#[derive(Default)]
struct MetricLog {
    file: Option<File>,
    /// What the file has.
    lines: Vec<String>,
    values: Vec<NumericEntry>,
    /// Whether the first of them are from before the program was started, of which Burn's metric does not know.
    resumed: bool,
}

impl MetricFiles {
    /// Makes a logger to `folder` that hands to `report` what it cannot write.
    pub fn new(folder: &Path, report: impl Fn(FileError) + Send + 'static) -> Self {
        Self::with_folder(Some(folder.to_owned()), report)
    }

    /// Makes a logger that keeps the metrics of the current epoch in memory.
    pub fn in_memory() -> Self {
        Self::with_folder(None, |_| {})
    }

    fn with_folder(folder: Option<PathBuf>, report: impl Fn(FileError) + Send + 'static) -> Self {
        let (names, logs) = (HashMap::new(), BTreeMap::new());
        Self(Arc::new(Mutex::new(Logs { folder, report: Box::new(report), names, epoch: 0, logs })))
    }

    fn logs(&self) -> MutexGuard<'_, Logs> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value of each numeric metric in a split of the current epoch.
    pub(super) fn values(&self, split: &Split) -> BTreeMap<String, f64> {
        let (logs, split) = (self.logs(), split.to_string());
        let of_split = logs.logs.iter().filter(|((of, _), _)| *of == split);
        of_split.filter_map(|((_, name), log)| Some((name.clone(), mean(&log.values)?))).collect()
    }

    /// What was logged of each metric in a split of the current epoch, but for its value over all of it.
    pub(super) fn lines(&self, split: &Split) -> Vec<(String, Vec<String>)> {
        let (logs, split) = (self.logs(), split.to_string());
        let of_split = logs.logs.iter().filter(|((of, _), _)| *of == split);
        let is_part = |line: &&String| !matches!(NumericEntry::deserialize(line), Ok(NumericEntry::Final(_)));
        of_split.map(|((_, name), log)| (name.clone(), log.lines.iter().filter(is_part).cloned().collect())).collect()
    }

    /// Goes on in `epoch`, of whose training there is this already, and forgets later epochs.
    pub(super) fn resume(&self, epoch: usize, training: &[(String, Vec<String>)]) {
        let mut logs = self.logs();
        logs.forget_from(epoch);
        logs.epoch = epoch;
        for (name, lines) in training {
            let log = logs.open(name, &Split::Train);
            log.values.extend(lines.iter().flat_map(|line| NumericEntry::deserialize(line)));
            log.lines.extend(lines.iter().cloned());
            log.resumed = true;
            let text = lines.iter().fold(String::new(), |text, line| text + line + "\n");
            logs.write(name, &Split::Train, &text);
        }
    }
}

impl Logs {
    fn path(&self, name: &str, epoch: usize, split: &Split) -> Option<PathBuf> {
        let file = format!("{}.log", name.replace(' ', "_"));
        Some(self.folder.as_ref()?.join(split.to_string()).join(format!("epoch-{epoch}")).join(file))
    }

    /// Removes what there is of `epoch` and those after it.
    fn forget_from(&mut self, epoch: usize) {
        self.logs.clear();
        for split in [Split::Train, Split::Valid]
            .iter()
            .filter_map(|split| self.folder.as_ref().map(|f| f.join(split.to_string())))
        {
            for entry in fs::read_dir(&split).into_iter().flatten().flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let number = name.strip_prefix("epoch-").and_then(|number| number.parse::<usize>().ok());
                if number.is_some_and(|number| number >= epoch)
                    && let Err(error) = fs::remove_dir_all(entry.path())
                    && error.kind() != ErrorKind::NotFound
                {
                    (self.report)(FileError::io("remove", &entry.path())(error));
                }
            }
        }
    }

    fn open(&mut self, name: &str, split: &Split) -> &mut MetricLog {
        let key = (split.to_string(), name.to_owned());
        if !self.logs.contains_key(&key) {
            let file = self.path(name, self.epoch, split).and_then(|path| {
                let created = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| File::create(&path));
                created.map_err(|error| (self.report)(FileError::io("write", &path)(error))).ok()
            });
            self.logs.insert(key.clone(), MetricLog { file, ..MetricLog::default() });
        }
        self.logs.entry(key).or_default()
    }

    fn write(&mut self, name: &str, split: &Split, text: &str) {
        let Some(path) = self.path(name, self.epoch, split) else { return };
        let log = self.open(name, split);
        if let Some(mut file) = log.file.take() {
            match file.write_all(text.as_bytes()) {
                Ok(()) => log.file = Some(file),
                Err(error) => (self.report)(FileError::io("write", &path)(error)),
            }
        }
    }

    fn log_entry(&mut self, entry: &MetricEntry, split: &Split) {
        let known = self.names.get(&entry.metric_id).cloned();
        let Some(name) = known.filter(|_| !entry.serialized_entry.is_not_available()) else { return };
        let log = self.open(&name, split);
        let mut text = entry.serialized_entry.serialized.clone();
        let mut value = NumericEntry::deserialize(&text).ok();
        if log.resumed
            && matches!(value, Some(NumericEntry::Final(_)))
            && let Some(mean) = mean(&log.values)
        {
            // Burn's would be of the batches since the program was started.
            let whole = NumericEntry::Final(mean);
            text = whole.serialize();
            value = Some(whole);
        }
        log.values.extend(value);
        log.lines.push(text.clone());
        self.write(&name, split, &(text + "\n"));
    }
}

/// The last value if it is that of the epoch, else the mean over all examples, summed in Burn's order.
fn mean(values: &[NumericEntry]) -> Option<f64> {
    if let Some(NumericEntry::Final(value)) = values.last() {
        return Some(*value);
    }
    let mut sum = (0.0, 0);
    for value in values {
        let (value, count) = match value {
            NumericEntry::Value(value) | NumericEntry::Final(value) => (*value, 1),
            NumericEntry::Aggregated { aggregated_value, count } => (*aggregated_value, *count),
        };
        sum = (sum.0 + value * count as f64, sum.1 + count);
    }
    (!values.is_empty()).then(|| sum.0 / sum.1 as f64)
}

impl MetricLogger for MetricFiles {
    fn log(&mut self, update: MetricsUpdate, epoch: usize, split: &Split) {
        let mut logs = self.logs();
        if logs.epoch != epoch {
            logs.logs.clear();
            logs.epoch = epoch;
        }
        for entry in update.entries.iter().chain(update.entries_numeric.iter().map(|numeric| &numeric.entry)) {
            logs.log_entry(entry, split);
        }
    }

    fn read_numeric(&mut self, name: &str, epoch: usize, split: &Split) -> Result<Vec<NumericEntry>, String> {
        let logs = self.logs();
        let log = logs.logs.get(&(split.to_string(), name.to_owned())).filter(|_| logs.epoch == epoch);
        Ok(log.map_or_else(Vec::new, |log| log.values.clone()))
    }

    fn log_metric_definition(&mut self, definition: MetricDefinition) {
        self.logs().names.insert(definition.metric_id, definition.name.to_string());
    }

    fn log_epoch_summary(&mut self, _summary: EpochSummary) {}
}
