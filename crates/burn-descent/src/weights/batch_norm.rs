use super::retrained::Strategies;
use crate::group::{Walk, walked};
use burn::module::{Flag, Module, ModuleMapper, ModuleVisitor, Param, ParamId, RunningState};
use burn::nn::BatchNorm;
use burn::tensor::Tensor;

/// Fails where a batch normalization has gathered no statistics.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no statistics for `{layer}`: batches should be on an autodiff device and pass through the layer")]
pub struct NoStatistics {
    /// Gives the path of the layer.
    pub layer: String,
}

/// Returns `module` in validation mode, with the statistics of its batch normalizations estimated anew over `batches`,
/// as the plain mean of what each batch has (coverage F16). Everything else in the module stays as it is, byte by byte.
///
/// Averaged weights need it ([`Swa`](super::Swa), [`Ema`](super::Ema)): the statistics in the module are those of the
/// weights that were trained at. `layers` lists the layers of a module; those that it leaves out keep their statistics,
/// and so do frozen ones. Without batches all do.
///
/// `forward` passes one batch through the module that it is handed, which is in training mode with everything else that
/// is switched by it, such as dropout, off, and without gradients; what comes out does not matter. Batches are on an
/// autodiff device, else Burn's layers use their statistics and do not gather them. PyTorch's `update_bn` does the
/// same, but leaves dropout on. The first batch passes twice: that counts how often a batch passes through each layer,
/// which the statistics are then corrected for.
///
/// # Errors
///
/// Returns [`NoStatistics`] for the first of the layers that has gathered no statistics from the first batch, as one
/// with a momentum of 0, which gathers none. Leave it out, or freeze it.
///
/// ```
/// use burn::nn::BatchNormConfig;
/// use burn::tensor::{Device, Distribution, Tensor};
/// use burn_descent::weights::reestimate_batch_norm;
///
/// let device = Device::default().autodiff();
/// let model = BatchNormConfig::new(3).init(&device);
/// let batches = (0..4).map(|_| Tensor::<2>::random([64, 3], Distribution::Normal(5.0, 2.0), &device));
/// let forward = |model: &burn::nn::BatchNorm, batch: &Tensor<2>| _ = model.forward(batch.clone());
/// let model = reestimate_batch_norm(&model, |model| vec![model], batches, forward)?;
/// let mean = model.running_mean.value().mean().into_scalar::<f32>();
/// assert!((mean - 5.0).abs() < 0.5);
/// # Ok::<(), burn_descent::weights::NoStatistics>(())
/// ```
pub fn reestimate_batch_norm<M: Module, B>(
    module: &M,
    layers: impl Fn(&M) -> Vec<&BatchNorm>,
    batches: impl IntoIterator<Item = B>,
    mut forward: impl FnMut(&M, &B),
) -> Result<M, NoStatistics> {
    let kept = module.valid();
    let switches: Vec<ParamId> = layers(&kept).iter().map(|layer| layer.training.id).collect();
    let trained = kept.clone().train().no_grad().map(&mut SwitchOff { but: switches });
    let trains: Vec<bool> = layers(&trained).iter().map(|layer| layer.training.is_enabled()).collect();
    if !trains.contains(&true) {
        return Ok(kept);
    }
    let mut strategies = Strategies::of(module);
    // A layer moves its statistics towards a batch's by its momentum m: r ← (1 − m)·r + m·b. From r = 0 that gives m·b, or,
    // after several passes, a mean of theirs times 1 − (1 − m)^passes.
    let mut gather = |from: f64, batch: &B| {
        // Clones share running statistics; a module that has been in validation mode has its own.
        let started = trained.valid().train().map(&mut strategies);
        for layer in layers(&started) {
            fill(&layer.running_mean, from);
            fill(&layer.running_var, from);
        }
        forward(&started, batch);
        // In validation mode a module has what its layers have gathered on all threads.
        layers(&started.valid()).into_iter().map(Statistics::of).collect::<Vec<_>>()
    };
    let mut means: Vec<Statistics> = Vec::new();
    let mut shares = Vec::new();
    for (index, batch) in batches.into_iter().enumerate() {
        let found = gather(0.0, &batch);
        if index > 0 {
            let moved = means.into_iter().zip(found);
            means = moved.map(|(mean, found)| mean.towards(found, (index + 1) as f64)).collect();
            continue;
        }
        let from_far = gather(FAR, &batch);
        for (number, layer) in layers(&kept).into_iter().enumerate() {
            let passes = found[number].passes(&from_far[number], layer.momentum);
            if trains[number] && passes == 0 {
                return Err(NoStatistics { layer: path(&kept, layer.training.id) });
            }
            shares.push(1.0 - (1.0 - layer.momentum).powi(passes));
        }
        means = found;
    }
    for (((layer, mean), share), trains) in layers(&kept).into_iter().zip(means).zip(shares).zip(trains) {
        if trains {
            set(&layer.running_mean, mean.mean / share);
            set(&layer.running_var, mean.variance / share);
        }
    }
    Ok(kept)
}

/// A running statistic far from those that batches have, to find out how often a batch passes through a layer.
const FAR: f64 = 16384.0;

/// What a layer has gathered.
struct Statistics {
    mean: Tensor<1>,
    variance: Tensor<1>,
}

impl Statistics {
    fn of(layer: &BatchNorm) -> Self {
        Self { mean: layer.running_mean.value_sync(), variance: layer.running_var.value_sync() }
    }

    /// The mean over `count` batches, of which `found` is the last.
    fn towards(self, found: Self, count: f64) -> Self {
        let towards = |mean: Tensor<1>, found: Tensor<1>| mean.clone() + (found - mean) / count;
        Self { mean: towards(self.mean, found.mean), variance: towards(self.variance, found.variance) }
    }

    /// How often the batch has passed through the layer, where `self` was gathered from 0 and `from_far` from [`FAR`]: each
    /// time leaves `1 − momentum` of what was there.
    fn passes(&self, from_far: &Self, momentum: f64) -> i32 {
        let channels = |tensor: &Tensor<1>| tensor.to_data().convert::<f64>().try_into_vec::<f64>().unwrap_or_default();
        let pairs = channels(&self.mean).into_iter().zip(channels(&from_far.mean));
        let pairs = pairs.filter(|(zero, far)| zero.is_finite() && far.is_finite());
        // The difference is told best where a channel's own statistic is small.
        let Some((zero, far)) = pairs.min_by(|(one, _), (other, _)| one.abs().total_cmp(&other.abs())) else {
            return 1; // Statistics of a diverged network are not finite whatever they are divided by, and are to be seen.
        };
        let left = ((far - zero) / FAR).clamp(0.0, 1.0);
        match momentum {
            momentum if momentum >= 1.0 => i32::from(left < 0.5),
            momentum if momentum <= 0.0 => 0,
            momentum => (left.max(1e-6).ln() / (1.0 - momentum).ln()).round() as i32,
        }
    }
}

fn fill(state: &RunningState<Tensor<1>>, number: f64) {
    set(state, state.value_sync().zeros_like() + number);
}

fn set(state: &RunningState<Tensor<1>>, value: Tensor<1>) {
    state.update(value);
    state.value_sync();
}

/// Switches off what is random in training.
struct SwitchOff {
    but: Vec<ParamId>,
}

impl ModuleMapper for SwitchOff {
    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        if self.but.contains(&flag.id) { flag } else { flag.with_value(false) }
    }
}

/// The path of the layer whose switch this is.
fn path<M: Module>(module: &M, switch: ParamId) -> String {
    struct Finder {
        walk: Walk,
        switch: ParamId,
        found: String,
    }
    impl ModuleVisitor for Finder {
        walked!();

        fn visit_flag(&mut self, flag: &Param<Flag>) {
            if flag.id == self.switch {
                self.found = self.walk.path();
            }
        }
    }
    let mut finder = Finder { walk: Walk::default(), switch, found: String::new() };
    module.visit(&mut finder);
    // Of the layer's switch, which is called `training`.
    finder.found.rsplit_once('.').map_or_else(|| "the module".to_owned(), |(layer, _)| layer.to_owned())
}
