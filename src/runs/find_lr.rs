use super::files::{self, LR_CURVE, run_folder};
use super::member::MemberTraining;
use super::run::{difficulty_by, network_of};
use super::{RunConfig, RunData, RunOptions, TrainError};
use burn::optim::GradientsParams;
use burn_descent::sample::derived_seed;
use burn_descent::schedule::{LrCurve, RangeTestConfig};
use burn_descent::train::{Step, Update};
use std::path::PathBuf;

/// Tests at which learning rates the network of `config` would learn, with its data, its optimizer and its seed, and
/// writes the curve to `lr_curve.json` in the folder `name`, whether that is a run's or none yet. Returns the curve and
/// the path of the file.
///
/// The steps are those that the run would begin with: its gradients go the same way, what is wrapped around the
/// optimizer is there, and hyperparameters vary over the length of the run. Only its own rate and schedule play no
/// part. Where gradients are accumulated, the batches between two steps are points of the curve too. More skipped steps
/// than the run allows end the test as a loss does that is not finite. Of a network that was taken over, those layers
/// move that train in the first epoch, all of them at the tested rate.
///
/// # Errors
///
/// Returns an error if the configuration or the test is out of range, the data cannot be read or the file cannot be
/// written.
pub fn find_lr(
    config: &RunConfig,
    test: &RangeTestConfig,
    name: &str,
    options: &RunOptions,
) -> Result<(LrCurve, PathBuf), TrainError> {
    config.check()?;
    config.ensure_optimizer()?;
    test.check()?;
    let folder = run_folder(&options.root, name)?;
    let (_, plain) = config.backend.device()?;
    let device = plain.clone().autodiff();
    let data = RunData::load(config, &options.source, options.fallback)?;
    data.notices.iter().for_each(|notice| (options.notify)(notice));
    let source = network_of(config.transfer.as_ref().map(|transfer| &*transfer.from), &options.root, &device)?;
    let prior = network_of(config.prior.as_deref(), &options.root, &device)?;
    let member = MemberTraining {
        run: name,
        config,
        seed: config.seed,
        folder: folder.clone(),
        log: None,
        source: source.as_ref(),
        prior: prior.as_ref(),
    };
    let difficulty = difficulty_by(config, &data, &plain, &options.root)?;
    let loader = member.training_loader(&data, &difficulty, &device)?;
    let model = member.training_model(&data, &device)?;
    let mut update = member.update(&model, &data, &plain)?;
    let model = update.begin_epoch(model, 1)?;
    let batches = (1..).flat_map(|epoch| loader.epoch(epoch, 0)).flatten();
    let mut steps = 0..;
    let curve = test.run(&model, &member.optimizer(&data)?, batches, |model, batch| {
        let seed = derived_seed(config.seed, steps.next().unwrap_or_default(), 0);
        let step = Step { rate: 0.0.into(), number: 0, seed, device: device.clone() };
        match update.gradients(model, batch, &step) {
            Ok((output, gradients)) => (f64::from(output.classification.loss.mean().into_scalar::<f32>()), gradients),
            Err(_) => (f64::NAN, GradientsParams::new()),
        }
    })?;
    let path = folder.join(LR_CURVE);
    files::create_folder(&folder)?;
    files::write_json(&path, &curve)?;
    Ok((curve, path))
}
