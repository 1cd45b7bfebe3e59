//! Gives a program what it has around its runs: the terminal, the signals that end it, searches over its flags.

mod terminal;
mod tune;

pub use terminal::{dashboard, on_signals, print};
pub use tune::{Dimension, Trial, TuneConfig, TuneReport, tune_folder};
