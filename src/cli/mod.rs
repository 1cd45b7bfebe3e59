//! What a program has around its runs: the terminal, and the signals that end it.

mod terminal;
mod tune;

pub use terminal::{dashboard, on_signals, print};
pub use tune::{Dimension, Trial, TuneConfig, TuneReport, tune_folder};
