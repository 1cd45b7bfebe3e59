//! What a run takes of memory, before it is taken.

use super::{DataDescription, ModelConfig, TrainError};

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
            for ((&channels, &kernel), &stride) in config.channels.iter().zip(&config.kernels).zip(&config.strides) {
                let (channels, kernel) = (channels as u128, kernel as u128);
                sides = sides.map(|side| side.div_ceil((stride as u128).max(1)));
                layers.push(Layer {
                    parameters: channels * (last * kernel * kernel + per_unit(config.batch_norm)),
                    outputs: channels * sides[0] * sides[1],
                });
                last = channels;
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

/// Tensors the size of the parameters: themselves, their gradients and the two of most optimizers.
const COPIES: u128 = 4;
/// Tensors the size of a layer's output that a step keeps: it, its normalization and activation, and a gradient.
const KEPT: u128 = 4;
const VALUE: u128 = 4;

/// Checks that `networks` of these, one of which trains by batches of so many examples, have room in the memory that
/// there is, as far as the system tells that.
pub(super) fn ensure_room(
    model: &ModelConfig,
    data: &DataDescription,
    batch_size: usize,
    networks: usize,
) -> Result<(), TrainError> {
    let layers = layers(model, data);
    let sum = |of: fn(&Layer) -> u128| layers.iter().map(of).fold(0_u128, u128::saturating_add);
    let weights = sum(|layer| layer.parameters).saturating_mul(VALUE);
    let input = data.shape.iter().fold(1_u128, |size, &side| size.saturating_mul(side as u128));
    let activations = sum(|layer| layer.outputs).saturating_mul(KEPT).saturating_add(input);
    let training =
        weights.saturating_mul(COPIES).saturating_add(activations.saturating_mul(batch_size as u128 * VALUE));
    let needed = training.saturating_add(weights.saturating_mul(networks as u128));
    match available() {
        Some(available) if needed > available => {
            Err(TrainError::Memory { needed: bytes(needed), available: bytes(available), networks })
        }
        _ => Ok(()),
    }
}

/// The bytes of memory that a program may still take, by Linux.
fn available() -> Option<u128> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u128>().ok().map(|kilobytes| kilobytes * 1024)
}

/// A number of bytes for people.
pub(super) fn bytes(bytes: u128) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let power = (1..units.len()).rev().find(|&power| bytes >= 1 << (10 * power)).unwrap_or(0);
    match power {
        0 => format!("{bytes} bytes"),
        _ => format!("{:.1} {}", bytes as f64 / (1_u128 << (10 * power)) as f64, units[power]),
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
