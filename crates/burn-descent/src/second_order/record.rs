//! The record of a minimization: how far it has come, and what its method has learned.

use super::method::{Method, PREFIX, Point};
use super::minimizer::{Lowest, Progress};
use super::report::Counts;
use crate::optim::RecordMismatch;
use burn::optim::{OptimizerRecord, StateSink, StateSource};
use burn::tensor::{Device, Tensor, TensorData};
use burn_pack::{Reader, Scalar, Writer};
use std::fmt;

/// Where the entries of the minimizer itself are.
const MINIMIZER: &str = "minimizer";
/// The beginning of the name of the entry with the version, under the method's name.
const METHOD: &str = "method_";
/// The version of the layout.
const VERSION: u64 = 1;

fn unreadable(error: impl fmt::Display) -> RecordMismatch {
    RecordMismatch::Unreadable(error.to_string())
}

pub(super) fn write_record(method: &impl Method, progress: Option<&Progress>) -> OptimizerRecord {
    let mut sink = StateSink::default();
    sink.push_scalar(MINIMIZER, &format!("{METHOD}{}", method.name()), VERSION.into());
    if let Some(Progress { point, first_norm, lowest, iterations, counts }) = progress {
        sink.push_tensor(MINIMIZER, "theta", point.theta.to_data());
        sink.push_tensor(MINIMIZER, "gradient", point.gradient.to_data());
        let numbers = [("value", point.value), ("square", point.square), ("first_norm", *first_norm)];
        for (name, number) in
            numbers.into_iter().chain([("lowest_value", lowest.value), ("lowest_square", lowest.square)])
        {
            sink.push_scalar(MINIMIZER, name, number.into());
        }
        let Counts { gradients, values, products, hessians } = *counts;
        let counts = [("iterations", *iterations), ("age", lowest.age), ("gradients", gradients), ("values", values)];
        for (name, count) in counts.into_iter().chain([("products", products), ("hessians", hessians)]) {
            sink.push_scalar(MINIMIZER, name, count.into());
        }
    }
    method.write(&mut sink);
    let tensors = sink.tensors.into_iter().map(|(name, data)| {
        let (bytes, shape, dtype) = data.into_parts();
        burn_pack::Tensor::new(name, dtype, shape, None, bytes)
    });
    let writer = Writer::new(tensors.collect());
    let writer = sink.scalars.iter().fold(writer, |writer, (name, value)| writer.with_scalar(name, *value));
    let bytes = writer.into_bytes().expect("tensors with names of their own can be written to memory");
    OptimizerRecord::from_bytes(bytes).expect("what was just written can be read")
}

pub(super) fn read_record(
    method: &mut impl Method,
    record: OptimizerRecord,
    device: &Device,
) -> Result<Option<Progress>, RecordMismatch> {
    let reader = Reader::from_bytes(record.into_bytes().map_err(unreadable)?).map_err(unreadable)?;
    let scalars = reader.scalars().clone();
    let entry = format!("{MINIMIZER}.{METHOD}");
    let found =
        scalars.keys().find_map(|name| name.strip_prefix(&entry)).unwrap_or("no method of this crate").to_owned();
    if found != method.name() {
        let (parameter, expected) = ("the minimizer".to_owned(), method.name().to_owned());
        return Err(RecordMismatch::Optimizer { parameter, found, expected });
    }
    let mut source = StateSource::new(scalars);
    for tensor in reader.into_tensors().map_err(unreadable)? {
        let (name, dtype, shape, _, bytes) = tensor.into_parts().map_err(unreadable)?;
        source.insert_tensor(name, TensorData::from_bytes(bytes, shape, dtype));
    }
    let version = take_scalar::<u64>(&mut source, MINIMIZER, &format!("{METHOD}{found}"));
    if version != Some(VERSION) {
        let (parameter, found) = ("the minimizer".to_owned(), version.unwrap_or_default());
        return Err(RecordMismatch::Version {
            parameter,
            optimizer: method.name().to_owned(),
            found,
            expected: VERSION,
        });
    }
    let missing = || unreadable("an entry is missing");
    let progress = match take_tensor(&mut source, MINIMIZER, "theta", device) {
        Some(theta) => Some(read_progress(&mut source, theta, device).ok_or_else(missing)?),
        None => None,
    };
    if method.read(&mut source, device).is_none() {
        method.restart();
        return Err(missing());
    }
    Ok(progress)
}

fn read_progress(source: &mut StateSource, theta: Tensor<1>, device: &Device) -> Option<Progress> {
    let gradient = take_tensor(source, MINIMIZER, "gradient", device)?;
    let mut number = |name| take_scalar::<f64>(source, MINIMIZER, name);
    let (value, square, first_norm) = (number("value")?, number("square")?, number("first_norm")?);
    let (lowest_value, lowest_square) = (number("lowest_value")?, number("lowest_square")?);
    let mut count = |name| take_scalar::<u64>(source, MINIMIZER, name);
    let counts = Counts {
        gradients: count("gradients")?,
        values: count("values")?,
        products: count("products")?,
        hessians: count("hessians")?,
    };
    let lowest = Lowest { value: lowest_value, square: lowest_square, age: count("age")? };
    let iterations = count("iterations")?;
    Some(Progress { point: Point { theta, value, gradient, square }, first_norm, lowest, iterations, counts })
}

/// The tensor `name` of a method's state.
pub(super) fn method_tensor<const D: usize>(
    source: &mut StateSource,
    name: &str,
    device: &Device,
) -> Option<Tensor<D>> {
    take_tensor(source, PREFIX, name, device)
}

/// The number `name` of a method's state.
pub(super) fn method_number<N: TryFrom<Scalar>>(source: &mut StateSource, name: &str) -> Option<N> {
    take_scalar(source, PREFIX, name)
}

fn take_tensor<const D: usize>(
    source: &mut StateSource,
    prefix: &str,
    name: &str,
    device: &Device,
) -> Option<Tensor<D>> {
    let data = source.take_tensor(prefix, name).filter(|data| data.shape().num_dims() == D)?;
    let dtype = data.dtype();
    Some(Tensor::from_data(data, (device, dtype)))
}

fn take_scalar<N: TryFrom<Scalar>>(source: &mut StateSource, prefix: &str, name: &str) -> Option<N> {
    source.take_scalar(prefix, name)?.try_into().ok()
}
