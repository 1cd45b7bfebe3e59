use burn::train::Interrupter;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Asks a training to stop, from another thread (a Ctrl-C handler, say).
///
/// The training takes the step to its end, saves a checkpoint and stops; one that goes on does so from that step, and
/// comes to what the unbroken one would have come to. Clones are one and the same.
#[derive(Clone, Default)]
pub struct StopSignal {
    given: Arc<AtomicBool>,
    attended: Arc<AtomicUsize>,
    interrupter: Interrupter,
}

impl StopSignal {
    /// Asks the training to stop.
    pub fn give(&self) {
        if self.given.swap(true, Ordering::SeqCst) {
            self.interrupter.stop(Some("stopped by the user"));
        }
    }

    /// Tells whether the training was asked to stop, by this or by Burn's dashboard.
    pub fn given(&self) -> bool {
        self.given.load(Ordering::SeqCst) || self.interrupter.should_stop()
    }

    /// Tells whether a training is under way that answers the signal.
    pub fn is_attended(&self) -> bool {
        self.attended.load(Ordering::SeqCst) > 0
    }

    /// Answers the signal from now on, until what it returns is dropped.
    pub(super) fn attend(&self) -> Attendance {
        self.attended.fetch_add(1, Ordering::SeqCst);
        Attendance(self.attended.clone())
    }

    /// Returns what Burn's `SupervisedTraining::with_interrupter` takes.
    pub fn interrupter(&self) -> Interrupter {
        self.interrupter.clone()
    }
}

/// Is held by a training that answers a signal.
pub(super) struct Attendance(Arc<AtomicUsize>);

impl Drop for Attendance {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
