use super::TrainError;
use std::sync::{Arc, Mutex, PoisonError};

/// Why a run has to end, noted where it cannot be returned.
#[derive(Clone, Default)]
pub(super) struct Failure(Arc<Mutex<Option<TrainError>>>);

impl Failure {
    /// Notes `error`, unless there was one before.
    pub(super) fn note(&self, error: impl Into<TrainError>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error.into());
    }

    /// Whether an error was noted.
    pub(super) fn is_noted(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Takes the noted error, if there is one.
    pub(super) fn take(&self) -> Option<TrainError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
