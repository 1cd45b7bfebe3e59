//! The tests of runs, in a program of their own: they seed the device's generator, which all threads share.

#[path = "../../crates/burn-descent/tests/suite/common.rs"]
mod common;
mod digits;
mod records;

mod ensembles;
mod export;
mod parts;
mod train;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Is held by whoever seeds the device's generator.
fn seeding() -> MutexGuard<'static, ()> {
    static SEED: Mutex<()> = Mutex::new(());
    SEED.lock().unwrap_or_else(PoisonError::into_inner)
}
