use burn::train::LearnerSummary;
use burn::train::logger::{EvaluationProgressLogger, TrainingProgressLogger};
use burn::train::metric::{MetricDefinition, MetricId};
use burn::train::renderer::{
    EvaluationName, MetricState, MetricsRenderer, MetricsRendererEvaluation, MetricsRendererTraining,
};
use std::collections::HashMap;
use std::io::{Stdout, Write};
use std::time::{Duration, Instant};

/// Prints the progress of a training as plain lines, with all of its metrics: for logs, and where there is no terminal.
///
/// There is a line every few seconds while an epoch goes on, and one after it.
///
/// ```
/// use burn_descent::train::PlainProgress;
/// use std::time::Duration;
///
/// // For `SupervisedTraining::renderer`.
/// let renderer = Box::new(PlainProgress::new(std::io::stderr(), Duration::from_secs(2), 1));
/// let every_second = Box::new(PlainProgress::default()); // to standard output
/// ```
pub struct PlainProgress<W> {
    out: W,
    interval: Duration,
    /// The metrics, in their order.
    names: Vec<(MetricId, String)>,
    epochs: usize,
    epoch: usize,
    split: String,
    items: usize,
    split_started: Instant,
    printed: Instant,
    metrics: HashMap<(MetricId, &'static str), String>,
}

impl Default for PlainProgress<Stdout> {
    fn default() -> Self {
        Self::new(std::io::stdout(), Duration::from_secs(1), 1)
    }
}

impl<W: Write> PlainProgress<W> {
    /// Makes a renderer that prints to `out`, at most once an `interval` but for the last epoch; the first epoch is
    /// `first_epoch`, or what Burn says, if that is later.
    pub fn new(out: W, interval: Duration, first_epoch: usize) -> Self {
        let now = Instant::now();
        Self {
            out,
            interval,
            names: Vec::new(),
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
        self.metrics.insert((entry.metric_id, split), entry.serialized_entry.formatted);
    }

    /// The values of the epoch so far, out of Burn's texts `epoch 0.123 - batch 0.234`.
    fn metrics(&self, split: &'static str) -> String {
        let value = |text: &str| {
            let of_epoch = text.strip_prefix("epoch ").and_then(|rest| rest.split_once(" - "));
            of_epoch.map_or(text, |(value, _)| value).to_owned()
        };
        let metric = |(id, name): &(MetricId, String)| {
            let text = self.metrics.get(&(id.clone(), split))?;
            Some(format!("{} {}", name.to_lowercase(), value(text)))
        };
        self.names.iter().filter_map(metric).collect::<Vec<_>>().join("  ")
    }

    fn is_due(&self) -> bool {
        self.printed.elapsed() >= self.interval
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
        self.note(TRAIN, state);
    }

    fn update_valid(&mut self, state: MetricState) {
        self.note(VALID, state);
    }

    fn on_train_end(&mut self, _summary: Option<LearnerSummary>) -> Result<(), Box<dyn std::error::Error>> {
        Ok(())
    }
}

const TRAIN: &str = "train";
const VALID: &str = "valid";

impl<W: Write + Send> TrainingProgressLogger for PlainProgress<W> {
    fn start(&mut self, total_epochs: usize, starting_epoch: usize, _items: Option<usize>, _label: Option<&str>) {
        self.epochs = total_epochs;
        self.epoch = starting_epoch.max(self.epoch);
    }

    fn start_split(&mut self, split: &str, total_items: usize) {
        self.split = split.to_lowercase();
        self.items = total_items;
        self.split_started = Instant::now();
        if self.split == TRAIN {
            self.metrics.clear();
        }
    }

    fn update_split(&mut self, done: usize) {
        let elapsed = self.split_started.elapsed();
        // Of short epochs, what they have come to says more.
        if !self.is_due() || self.split != TRAIN || elapsed < self.interval {
            return;
        }
        let speed = done as f64 / elapsed.as_secs_f64();
        let (epoch, epochs, items, metrics) = (self.epoch, self.epochs, self.items, self.metrics(TRAIN));
        self.print(&format!("epoch {epoch}/{epochs}  {done:>6}/{items} items  {metrics}  {speed:.0} items/s"));
    }

    fn update_epoch(&mut self, epoch: usize) {
        if self.is_due() || epoch == self.epochs {
            let (training, validation) = (self.metrics(TRAIN), self.metrics(VALID));
            self.print(&format!("epoch {epoch}/{}  train {training}  valid {validation}", self.epochs));
        }
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
        // Burn tells of those of training and of validation.
        if self.names.iter().all(|(id, _)| *id != definition.metric_id) {
            self.names.push((definition.metric_id, definition.name.to_string()));
        }
    }
}
