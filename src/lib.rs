//! The application on top of [`burn_descent`]: trains image classifiers with any of its techniques.
//!
//! [`data`] reads, downloads and draws images; [`networks`] has the networks; a [`runs::RunConfig`] says what to
//! train, and a [`runs::Run`] trains it, keeps what it learned and answers questions afterwards. The examples are made
//! of these.

pub mod cli;
pub mod data;
pub mod networks;
pub mod runs;
