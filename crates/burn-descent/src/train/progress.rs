use burn::train::LearnerSummary;
use burn::train::logger::{EvaluationProgressLogger, TrainingProgressLogger};
use burn::train::metric::{MetricDefinition, MetricId};
use burn::train::renderer::{
    EvaluationName, MetricState, MetricsRenderer, MetricsRendererEvaluation, MetricsRendererTraining,
};
use std::collections::HashMap;
use std::io::Write;
use std::time::{Duration, Instant};

/// Prints the progress of Burn's `Learner` as plain lines, every few seconds: for logs, and where there is no terminal.
///
/// ```
/// use burn_descent::train::PlainProgress;
/// use std::time::Duration;
///
/// // For `SupervisedTraining::renderer`.
/// let renderer = Box::new(PlainProgress::new(std::io::stdout(), Duration::from_secs(2), 1));
/// ```
pub struct PlainProgress<W> {
    out: W,
    interval: Duration,
    names: HashMap<MetricId, String>,
    epochs: usize,
    epoch: usize,
    split: String,
    items: usize,
    split_started: Instant,
    printed: Instant,
    metrics: HashMap<(String, &'static str), String>,
}

impl<W: Write> PlainProgress<W> {
    /// Makes a renderer that prints to `out`, at most once an `interval` within an epoch; the first epoch is
    /// `first_epoch`.
    pub fn new(out: W, interval: Duration, first_epoch: usize) -> Self {
        let now = Instant::now();
        Self {
            out,
            interval,
            names: HashMap::new(),
            epochs: 0,
            epoch: first_epoch,
            split: String::new(),
            items: 0,
            split_started: now,
            printed: now,
            metrics: HashMap::new(),
        }
    }

    fn note(&mut self, split: &'static str, state: MetricState) {
        let (MetricState::Generic(entry) | MetricState::Numeric(entry, _)) = state;
        if let Some(name) = self.names.get(&entry.metric_id) {
            self.metrics.insert((name.clone(), split), entry.serialized_entry.formatted);
        }
    }

    /// A metric's epoch value so far, out of Burn's text `epoch 0.123 - batch 0.234`.
    fn metric(&self, name: &str, split: &'static str) -> Option<&str> {
        let text = self.metrics.get(&(name.to_owned(), split))?;
        Some(
            text.strip_prefix("epoch ")
                .and_then(|rest| rest.split_once(" - "))
                .map_or(text.as_str(), |(epoch, _)| epoch),
        )
    }

    fn print(&mut self, line: &str) {
        // Progress is a courtesy: a closed pipe must not stop a training run.
        let _ = writeln!(self.out, "{line}");
        let _ = self.out.flush();
        self.printed = Instant::now();
    }
}

impl<W: Write + Send + Sync> MetricsRendererTraining for PlainProgress<W> {
    fn update_train(&mut self, state: MetricState) {
        self.note("train", state);
    }

    fn update_valid(&mut self, state: MetricState) {
        self.note("valid", state);
    }

    fn on_train_end(&mut self, _summary: Option<LearnerSummary>) -> Result<(), Box<dyn std::error::Error>> {
        Ok(())
    }
}

impl<W: Write + Send> TrainingProgressLogger for PlainProgress<W> {
    fn start(&mut self, total_epochs: usize, starting_epoch: usize, _items: Option<usize>, _label: Option<&str>) {
        self.epochs = total_epochs;
        self.epoch = starting_epoch.max(self.epoch);
    }

    fn start_split(&mut self, split: &str, total_items: usize) {
        self.split = split.to_owned();
        self.items = total_items;
        self.split_started = Instant::now();
        self.metrics.clear();
    }

    fn update_split(&mut self, done: usize) {
        if self.printed.elapsed() < self.interval || self.split.to_lowercase() != "train" {
            return;
        }
        let speed = done as f64 / self.split_started.elapsed().as_secs_f64();
        let loss = self.metric("Loss", "train").unwrap_or("?");
        let accuracy = self.metric("Accuracy", "train").unwrap_or("?");
        let line = format!(
            "epoch {}/{}  {done:>6}/{} images  loss {loss}  accuracy {accuracy}  {speed:.0} images/s",
            self.epoch, self.epochs, self.items
        );
        self.print(&line);
    }

    fn update_epoch(&mut self, epoch: usize) {
        self.epoch = epoch + 1;
    }

    fn end_split(&mut self) {}

    fn end(&mut self) {}

    fn log_event_training(&mut self, _event: String) {}
}

impl<W: Write + Send> EvaluationProgressLogger for PlainProgress<W> {
    fn start_global_progress(&mut self, _total_tests: usize) {}

    fn start_test(&mut self, _name: &str, _total_items: usize) {}

    fn update_test_progress(&mut self, _items_processed: usize) {}

    fn end_test(&mut self) {}

    fn end_global_progress(&mut self) {}

    fn log_event_evaluation(&mut self, _event: String) {}
}

impl<W: Write + Send + Sync> MetricsRendererEvaluation for PlainProgress<W> {
    fn update_test(&mut self, _name: EvaluationName, _state: MetricState) {}
}

impl<W: Write + Send + Sync> MetricsRenderer for PlainProgress<W> {
    fn manual_close(&mut self) {}

    fn register_metric(&mut self, definition: MetricDefinition) {
        self.names.insert(definition.metric_id, definition.name.to_string());
    }
}
