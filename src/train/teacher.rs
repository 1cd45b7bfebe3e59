//! How hard training images are: what a teacher makes of them.

use super::run::EVALUATION_BATCH;
use super::{ImageLoader, ModelConfig, Run, RunConfig, RunData, TrainError, Trial, losses, predict};
use crate::augment::Views;
use crate::model::MlpConfig;
use crate::sample::Ranking;
use burn::tensor::Device;
use std::borrow::Cow;
use std::path::Path;

/// Units of the hidden layer of a teacher that is trained in passing, for one epoch.
const UNITS: usize = 64;

/// The difficulty of each training image, where a curriculum needs one: that in `data`, or the loss of the run under `root`
/// that is named as the teacher, or that of a small network, trained for an epoch on the same images. Either looks at
/// whole images.
pub(super) fn difficulty<'a>(
    config: &RunConfig,
    data: &'a RunData,
    device: &Device,
    root: Option<&Path>,
) -> Result<Cow<'a, [f64]>, TrainError> {
    let Some(curriculum) = config.curriculum else { return Ok(Cow::default()) };
    if let Some(difficulty) = &data.difficulty {
        return Ok(difficulty.into());
    }
    if curriculum.ranking == Ranking::Random {
        return Ok(vec![0.0; data.train_indices.len()].into());
    }
    let (images, indices) = (data.train.clone(), data.train_indices.clone());
    let loader = ImageLoader::new(images, indices, EVALUATION_BATCH, data.normalization, device);
    let probabilities = match (&config.teacher, root) {
        (Some(name), Some(root)) => Run::open(root, name)?.predict(&loader, data.image(), device, Views::Identity)?,
        (Some(name), None) => {
            let expected = "left out where `RunData::difficulty` is not given and no folder of runs is known";
            return Err(TrainError::Value { field: "teacher", value: name.clone(), expected });
        }
        (None, _) => {
            let model = MlpConfig::new().with_widths(vec![UNITS]);
            let config = RunConfig {
                model: ModelConfig::Mlp(model),
                epochs: 1,
                seed: config.seed,
                batch_size: config.batch_size,
                ..RunConfig::default()
            };
            let mut teacher = Trial::new(&config, data, device)?;
            while teacher.train(usize::MAX)?.is_some() {}
            predict(&teacher.model()?, &loader)
        }
    };
    let labels: Vec<u8> = data.train_indices.iter().map(|&index| data.train.label(index)).collect();
    Ok(losses(&probabilities, &labels).into())
}
