//! What a program has around its runs: the terminal, and the signals that end it.

mod terminal;

pub use terminal::{dashboard, on_signals, print};
