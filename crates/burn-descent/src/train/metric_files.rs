use super::FileError;
use burn::train::logger::MetricLogger;
use burn::train::metric::store::{EpochSummary, MetricsUpdate, Split};
use burn::train::metric::{MetricDefinition, MetricEntry, MetricId, NumericEntry};
use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Logs each metric to `FOLDER/SPLIT/epoch-N/METRIC.log`, as Burn's own logger does.
///
/// Where Burn's cannot write, on a full disk say, its thread panics and takes the program down. This one tells whoever
/// made it, and goes on without the file; the metrics themselves are in memory.
pub struct MetricFiles {
    folder: PathBuf,
    report: Arc<dyn Fn(FileError) + Send + Sync>,
    names: HashMap<MetricId, String>,
    epoch: usize,
    logs: HashMap<PathBuf, MetricLog>,
}

/// One metric in one epoch.
struct MetricLog {
    file: Option<File>,
    values: Vec<NumericEntry>,
}

impl MetricFiles {
    /// Makes a logger to `folder` that hands to `report` what it cannot write.
    pub fn new(folder: &Path, report: impl Fn(FileError) + Send + Sync + 'static) -> Self {
        Self {
            folder: folder.to_owned(),
            report: Arc::new(report),
            names: HashMap::new(),
            epoch: 0,
            logs: HashMap::new(),
        }
    }

    fn path(&self, name: &str, epoch: usize, split: &Split) -> PathBuf {
        let file = format!("{}.log", name.replace(' ', "_"));
        self.folder.join(split.to_string()).join(format!("epoch-{epoch}")).join(file)
    }

    fn log_entry(&mut self, entry: &MetricEntry, epoch: usize, split: &Split) {
        let Some(name) = self.names.get(&entry.metric_id).filter(|_| !entry.serialized_entry.is_not_available()) else {
            return;
        };
        let path = self.path(name, epoch, split);
        let Self { report, logs, .. } = self;
        let noted = |result: Result<File, std::io::Error>| {
            result.map_err(|error| report(FileError::io("write", &path)(error))).ok()
        };
        let log = logs.entry(path.clone()).or_insert_with(|| {
            let created = path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| File::create(&path));
            MetricLog { file: noted(created), values: Vec::new() }
        });
        let text = &entry.serialized_entry.serialized;
        log.values.extend(NumericEntry::deserialize(text));
        if let Some(mut file) = log.file.take() {
            log.file = noted(writeln!(file, "{text}").map(|()| file));
        }
    }
}

impl MetricLogger for MetricFiles {
    fn log(&mut self, update: MetricsUpdate, epoch: usize, split: &Split) {
        if self.epoch != epoch {
            self.logs.clear();
            self.epoch = epoch;
        }
        for entry in update.entries.iter().chain(update.entries_numeric.iter().map(|numeric| &numeric.entry)) {
            self.log_entry(entry, epoch, split);
        }
    }

    fn read_numeric(&mut self, name: &str, epoch: usize, split: &Split) -> Result<Vec<NumericEntry>, String> {
        Ok(self.logs.get(&self.path(name, epoch, split)).map_or_else(Vec::new, |log| log.values.clone()))
    }

    fn log_metric_definition(&mut self, definition: MetricDefinition) {
        self.names.insert(definition.metric_id, definition.name.to_string());
    }

    fn log_epoch_summary(&mut self, _summary: EpochSummary) {}
}
