//! The tests of the library, in one program: each links all of Burn.

mod augment;
mod averages;
mod common;
mod contract;
mod convolution;
mod early_stopping;
mod ensembles;
mod golden;
mod groups;
mod landscape;
mod multitask;
mod named;
mod noise;
mod normalization;
mod oracle;
mod penalties;
mod problems;
mod record;
mod sample;
mod schedules;
mod second_order;
mod slices;
mod transfer;
mod transforms;
mod wgpu;
