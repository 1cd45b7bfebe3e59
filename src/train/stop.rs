use burn::train::Interrupter;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Asks a run to stop, from another thread (a Ctrl-C handler, say).
///
/// Given once, the run takes one more step at most, validates, saves a checkpoint and stops. Given twice, it stops at once, and
/// the last checkpoint is that of the last whole epoch.
#[derive(Clone, Default)]
pub struct StopSignal {
    given: Arc<AtomicBool>,
    interrupter: Interrupter,
}

impl StopSignal {
    /// Asks the run to stop.
    pub fn give(&self) {
        if self.given.swap(true, Ordering::SeqCst) {
            self.interrupter.stop(Some("stopped by the user"));
        }
    }

    /// Whether the run was asked to stop.
    pub fn given(&self) -> bool {
        self.given.load(Ordering::SeqCst) || self.interrupter.should_stop()
    }

    pub(super) fn interrupter(&self) -> Interrupter {
        self.interrupter.clone()
    }
}
