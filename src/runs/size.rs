//! What a run takes of memory, before it is taken.

use super::member::PREFETCHED;
use super::{DataDescription, ModelConfig, RunConfig, TrainError};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A layer by its size: how many values its parameters have, and how many it puts out for one example.
struct Layer {
    parameters: u128,
    outputs: u128,
}

/// The layers of a network, without making it.
fn layers(model: &ModelConfig, data: &DataDescription) -> Vec<Layer> {
    let [channels, height, width] = data.shape.map(|side| side as u128);
    let mut layers = Vec::new();
    // Batch normalization has two parameters and two statistics, a bias one.
    let per_unit = |batch_norm: bool| if batch_norm { 4 } else { 1 };
    match model {
        ModelConfig::Mlp(config) => {
            let mut last = channels * height * width;
            for units in config.widths.iter().map(|&units| units as u128) {
                layers.push(Layer { parameters: units * (last + per_unit(config.batch_norm)), outputs: units });
                last = units;
            }
            layers.push(Layer { parameters: (last + 1) * data.outputs() as u128, outputs: data.outputs() as u128 });
        }
        ModelConfig::Cnn(config) => {
            let (mut last, mut sides) = (channels, [height, width]);
            let pools = config.pools.clone().unwrap_or_else(|| vec![1; config.channels.len()]);
            let blocks = config.channels.iter().zip(&config.kernels).zip(&config.strides).zip(&pools);
            for (((&channels, &kernel), &stride), &pool) in blocks {
                let (channels, kernel) = (channels as u128, kernel as u128);
                sides = sides.map(|side| side.div_ceil((stride as u128).max(1)));
                layers.push(Layer {
                    parameters: channels * (last * kernel * kernel + per_unit(config.batch_norm)),
                    outputs: channels * sides[0] * sides[1],
                });
                last = channels;
                sides = sides.map(|side| side / (pool as u128).max(1));
            }
            let mut features = last * sides[0] * sides[1];
            if let Some(hidden) = config.hidden {
                layers.push(Layer { parameters: (features + 1) * hidden as u128, outputs: hidden as u128 });
                features = hidden as u128;
            }
            layers.push(Layer { parameters: (features + 1) * data.outputs() as u128, outputs: data.outputs() as u128 });
        }
        ModelConfig::ResNet(config) => {
            let kernel = (config.kernel as u128).pow(2);
            let (mut last, mut sides) = (channels, [height, width]);
            let mut convolutions = |count: usize, last: u128, channels: u128, sides: [u128; 2]| {
                let count = count as u128;
                layers.push(Layer {
                    parameters: (count * channels).saturating_mul(last * kernel + per_unit(config.batch_norm)),
                    outputs: (count * channels).saturating_mul(sides[0] * sides[1]),
                });
            };
            for (stage, (&channels, &blocks)) in config.channels.iter().zip(&config.blocks).enumerate() {
                let channels = channels as u128;
                if stage == 0 {
                    convolutions(1, last, channels, sides);
                } else {
                    sides = sides.map(|side| side.div_ceil(2));
                }
                // Each block has two, of which the first of a stage comes from the stage before.
                convolutions(2 * blocks, channels, channels, sides);
                last = channels;
            }
        }
    }
    layers
}

/// Estimates what the training of a run's networks, one after the other, takes of memory, in bytes, and for what. Burn's
/// backends keep freed memory for later use, so that a process takes more in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryUse {
    /// Counts the examples of the data set, as they are kept, and the batches that are made ahead.
    pub data: u64,
    /// Counts what the layers put out for a batch and keep for its gradients, and these.
    pub activations: u64,
    /// Counts the parameters of the network that trains, and its running statistics.
    pub parameters: u64,
    /// Counts their gradients.
    pub gradients: u64,
    /// Counts what the optimizer keeps for them.
    pub optimizer: u64,
    /// Counts further copies of the parameters: the first ones, those of the best epoch so far, a checkpoint that is being
    /// written, averages, what a network goes back to, the networks that are trained already.
    pub copies: u64,
}

/// Tensors the size of a layer's output that a step keeps: it, its normalization and activation, and a gradient.
const KEPT: u128 = 4;
/// The batch that is trained on and those that are made ahead.
const BATCHES: u128 = 2 + PREFETCHED as u128;
const VALUE: u128 = 4;

impl MemoryUse {
    /// Estimates it for a run of `config` on so many bytes of data, of which so many examples are trained on.
    pub(super) fn estimate(config: &RunConfig, data: &DataDescription, bytes: u64, examples: usize) -> Self {
        let parameters = Self::of_weights(&config.model, data).parameters;
        let outputs = layers(&config.model, data).iter().fold(0, |sum: u128, layer| sum.saturating_add(layer.outputs));
        let input = data.shape.iter().fold(VALUE, |size, &side| size.saturating_mul(side as u128));
        let batch = config.batch_size.min(examples) as u128;
        let outputs = outputs.saturating_mul(KEPT * VALUE);
        let times = |count: usize| parameters.saturating_mul(count as u64);
        let values = usize::try_from(parameters / VALUE as u64).unwrap_or(usize::MAX);
        let state = match &config.minimizer {
            Some(minimizer) => minimizer.method.vectors(values),
            None => config.optimizer.state_tensors(),
        };
        // The first weights, those of the best epoch, and those of a checkpoint that is being written.
        let copies = config.weight_copies().saturating_add(3).saturating_add(config.ensemble - 1);
        // What a network goes back to: its weights and the optimizer's state.
        let anchor = config.rollback.map_or(0, |_| 1 + state);
        let copies = copies.saturating_add(anchor);
        Self {
            data: bytes.saturating_add(capped(input.saturating_mul(BATCHES * batch))),
            activations: capped(outputs.saturating_mul(batch)),
            parameters,
            gradients: times(if config.sam.is_some() { 2 } else { 1 }),
            optimizer: times(state),
            copies: times(copies),
        }
    }

    /// Estimates it for the weights of a network alone.
    pub(super) fn of_weights(model: &ModelConfig, data: &DataDescription) -> Self {
        let values = layers(model, data).iter().fold(0_u128, |sum, layer| sum.saturating_add(layer.parameters));
        let parameters = capped(values.saturating_mul(VALUE));
        Self { data: 0, activations: 0, parameters, gradients: 0, optimizer: 0, copies: 0 }
    }

    /// Returns the sum of all.
    pub fn total(&self) -> u64 {
        self.parts().iter().fold(0, |sum, (_, bytes)| sum.saturating_add(*bytes))
    }

    /// What takes memory, and how much.
    pub(super) fn parts(&self) -> [(&'static str, u64); 6] {
        [
            ("data", self.data),
            ("activations of a batch", self.activations),
            ("parameters", self.parameters),
            ("gradients", self.gradients),
            ("optimizer state", self.optimizer),
            ("further copies of the parameters", self.copies),
        ]
    }

    /// Checks that there is room for it in the memory that there is, as far as the system tells that. The data are there
    /// already.
    pub(super) fn ensure_room(&self) -> Result<(), TrainError> {
        let needed = self.total().saturating_sub(self.data);
        match available() {
            Some(available) if needed > available => {
                Err(TrainError::Memory { needed: *self, available: bytes(available) })
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Display for MemoryUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "about {}:", bytes(self.total()))?;
        for (index, (what, size)) in self.parts().iter().filter(|(_, size)| *size > 0).enumerate() {
            write!(f, "{} {what} {}", if index == 0 { "" } else { "," }, bytes(*size))?;
        }
        Ok(())
    }
}

fn capped(bytes: u128) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// Returns the most memory that this process has taken so far, in bytes, as far as the system tells that.
pub fn peak_memory() -> Option<u64> {
    kilobytes("/proc/self/status", "VmHWM:")
}

/// The bytes of memory that a program may still take, by Linux: what is free, within the limit of its address space.
fn available() -> Option<u64> {
    let free = kilobytes("/proc/meminfo", "MemAvailable:")?;
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let limit = limits.lines().find_map(|line| line.strip_prefix("Max address space"));
    let limit = limit.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    let taken = kilobytes("/proc/self/status", "VmSize:").unwrap_or_default();
    Some(limit.map_or(free, |limit| free.min(limit.saturating_sub(taken))))
}

/// A number of kilobytes in one of Linux's tables, in bytes.
fn kilobytes(path: &str, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

/// Writes a number of bytes for people, such as `1.5 MiB`.
pub fn bytes(bytes: u64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let power = (1..units.len()).rev().find(|&power| bytes >= 1 << (10 * power)).unwrap_or(0);
    match power {
        0 => format!("{bytes} bytes"),
        _ => format!("{:.1} {}", bytes as f64 / (1_u64 << (10 * power)) as f64, units[power]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::{CnnConfig, MlpConfig, ResNetConfig};
    use crate::runs::{Classifier, DatasetKind};
    use burn::module::Module;
    use burn::tensor::Device;
    use burn_descent::nn::LabelSmoothing;

    /// The parameters that are counted are those of the network that is made; a residual network's nearly.
    #[test]
    fn sizes_are_those_of_the_networks() {
        let data = DataDescription::published(&DatasetKind::Mnist).expect("MNIST is published");
        for model in [
            ModelConfig::Mlp(MlpConfig::new()),
            ModelConfig::Mlp(MlpConfig::new().with_widths(vec![7]).with_batch_norm(false)),
            ModelConfig::Cnn(CnnConfig::new()),
            ModelConfig::Cnn(CnnConfig::new().with_strides(vec![1, 1, 1]).with_pools(Some(vec![2, 3, 1]))),
            ModelConfig::ResNet(ResNetConfig::new()),
        ] {
            let network = Classifier::new(&model, LabelSmoothing::None, data.shape, 10, &Device::default());
            let expected = network.expect("in range").num_params() as u128;
            let found: u128 = layers(&model, &data).iter().map(|layer| layer.parameters).sum();
            match model {
                ModelConfig::ResNet(_) => {
                    assert!(found * 10 >= expected * 9 && found <= 2 * expected, "{found}, {expected}")
                }
                _ => assert_eq!(found, expected, "{model:?}"),
            }
        }
        assert_eq!([999, 2048, 3 << 30].map(bytes), ["999 bytes", "2.0 KiB", "3.0 GiB"]);
    }
}
