use burn::train::Interrupter;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Asks a training to stop, from another thread (a Ctrl-C handler, say).
///
/// Given once, the run takes one more step at most, validates, saves a checkpoint and stops: what it has learned by
/// then can be used. Given twice, it stops at once, with the weights of the last whole epoch. Either way a run that
/// goes on does so from the last whole epoch, and comes to what the unbroken run would have come to.
#[derive(Clone, Default)]
pub struct StopSignal {
    given: Arc<AtomicBool>,
    interrupter: Interrupter,
}

impl StopSignal {
    /// Asks the training to stop.
    pub fn give(&self) {
        if self.given.swap(true, Ordering::SeqCst) {
            self.interrupter.stop(Some("stopped by the user"));
        }
    }

    /// Tells whether the training was asked to stop.
    pub fn given(&self) -> bool {
        self.given.load(Ordering::SeqCst) || self.interrupter.should_stop()
    }

    /// Returns what Burn's `SupervisedTraining::with_interrupter` takes.
    pub fn interrupter(&self) -> Interrupter {
        self.interrupter.clone()
    }
}
