use crate::data::DataSource;
use burn::train::renderer::MetricsRenderer;
use burn_descent::train::StopSignal;
use std::path::PathBuf;

/// Opens a renderer for a training that the signal stops, of whose epochs so many are over.
pub type Dashboard = fn(&StopSignal, usize) -> Box<dyn MetricsRenderer>;

/// Says where runs are kept and how one is carried out: all that does not change its result.
#[derive(Clone)]
pub struct RunOptions {
    /// Names the folder of all runs.
    pub root: PathBuf,
    /// Says where the data come from.
    pub source: DataSource,
    /// Opens what shows the progress in a terminal; without it, and where there is none, plain lines are printed.
    pub dashboard: Option<Dashboard>,
    /// Replaces a run of the same name.
    pub overwrite: bool,
    /// Trains on embedded digits where a data set cannot be had for want of a network: for one that was not asked for by
    /// name.
    pub fallback: bool,
    /// Computes the norm of the gradients of each step, all together and before they are transformed, and shows and logs it.
    pub gradient_norm: bool,
    /// Asks the run to stop.
    pub stop: StopSignal,
    /// Receives what the user should know, one line at a time.
    pub notify: fn(&str),
}

impl RunOptions {
    /// Creates the options for runs in the folder `root`: the data come from the usual places, progress lines are
    /// plain, no run is replaced, and nobody is told anything.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            source: DataSource::new(),
            dashboard: None,
            overwrite: false,
            fallback: false,
            gradient_norm: false,
            stop: StopSignal::default(),
            notify: |_| {},
        }
    }
}
