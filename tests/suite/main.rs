//! The tests of the application, in one program: each links all of Burn.

#[path = "../../crates/burn-descent/tests/suite/common.rs"]
mod common;
#[path = "../runs/digits.rs"]
mod digits;

mod backpropagation;
mod data;
mod experiments;
mod landscape;
mod logistic;
mod mnist_cli;
mod networks;
mod rule;
mod wgpu;
