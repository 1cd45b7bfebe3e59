//! Batch normalization in small batches: running averages of the statistics, or statistics re-estimated after training
//! (coverage F16).

use crate::table::{Group, Row};
use crate::trainer::Treatment;
use crate::{MANY, Study, flags};
use burn_descent_lab::networks::{CnnConfig, MlpConfig};
use burn_descent_lab::runs::{ModelConfig, RunConfig};

const SIZES: [usize; 4] = [2, 4, 8, 32];
/// Images in a batch, where statistics are to be those of as many images as possible.
const LARGE: usize = 500;

pub fn groups(study: &Study) -> Vec<Group> {
    let mlp = ModelConfig::Mlp(MlpConfig::new().with_dropout(0.0));
    let cnn = ModelConfig::Cnn(CnnConfig::new());
    vec![group("perceptron", study, mlp, "--model mlp --dropout 0"), group("convolutional", study, cnn, "--model cnn")]
}

fn group(name: &str, study: &Study, model: ModelConfig, network: &str) -> Group {
    let base = study.config(model, study.few(), 5);
    let rows = SIZES.into_iter().flat_map(|size| {
        let row = |name: String, flags: String| {
            Row::new(&base, name, flags, |config: &mut RunConfig| config.batch_size = size)
        };
        let running = format!("batches of {size}, running averages");
        let reestimated = |batch: usize| {
            let row = row(
                format!("batches of {size}, re-estimated by {batch}"),
                format!("`reestimate_batch_norm`, `--batch-size {size}`"),
            );
            row.with(Treatment::Reestimated(batch)).against(running.clone())
        };
        [row(running.clone(), format!("--batch-size {size}")), reestimated(size), reestimated(LARGE)]
    });
    let rows = rows.collect();
    let (images, epochs) = (study.images(&base), base.epochs);
    let about = format!(
        "{images} images of {}, {epochs} epochs of Nadam under one-cycle. Re-estimated: plain means over all training images, \
         in batches of the size that was trained with, or of {LARGE}.",
        base.dataset
    );
    Group {
        name: format!("small batches, {name}"),
        about,
        flags: flags(network, &base),
        wrong_labels: 0.0,
        seeds: study.seeds(MANY),
        every: None,
        base,
        rows,
    }
}
