use super::retrained::Strategies;
use burn::module::{Flag, Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::Tensor;
use std::collections::HashMap;

/// A batch normalization that no batch reached in training mode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no statistics for `{statistic}`: batches should be on an autodiff device and pass through the layer")]
pub struct NoStatistics {
    /// The path of the running mean or variance.
    pub statistic: String,
}

/// `module` in validation mode, with the statistics of its batch normalizations estimated anew over `batches`, as the plain
/// mean of what each batch has (coverage F16). Everything else in the module stays as it is, byte by byte.
///
/// Averaged weights need it ([`Swa`](super::Swa), [`Ema`](super::Ema)): the statistics in the module are those of the
/// weights that were trained at. It works on the layers called `BatchNorm` anywhere in the module. Frozen ones keep their
/// statistics; without batches all do.
///
/// `forward` passes one batch through the module that it is handed, which is in training mode with dropout off, and without
/// gradients; what comes out does not matter. Batches are on an autodiff device, else Burn's layers use their statistics
/// and do not gather them. The first batch passes twice. PyTorch's `update_bn`, which leaves dropout on.
///
/// # Errors
///
/// If a batch normalization has gathered no statistics from the first batch, or has a momentum of 0, with which it gathers
/// none. Freeze it to leave it out.
///
/// ```
/// use burn::nn::BatchNormConfig;
/// use burn::tensor::{Device, Distribution, Tensor};
/// use burn_descent::weights::reestimate_batch_norm;
///
/// let device = Device::default().autodiff();
/// let layer = BatchNormConfig::new(3).init(&device);
/// let batches = (0..4).map(|_| Tensor::<2>::random([64, 3], Distribution::Normal(5.0, 2.0), &device));
/// let layer = reestimate_batch_norm(&layer, batches, |layer, batch| _ = layer.forward(batch.clone()))?;
/// let mean = layer.running_mean.value().mean().into_scalar::<f32>();
/// assert!((mean - 5.0).abs() < 0.5);
/// # Ok::<(), burn_descent::weights::NoStatistics>(())
/// ```
pub fn reestimate_batch_norm<M: Module, B>(
    module: &M,
    batches: impl IntoIterator<Item = B>,
    mut forward: impl FnMut(&M, &B),
) -> Result<M, NoStatistics> {
    let kept = module.valid();
    let trained = kept.clone().train().no_grad().map(&mut Traversal::new(DropoutOff));
    let mut expected = Traversal::new(Found::default());
    trained.visit(&mut expected);
    let mut expected = expected.action.statistics;
    expected.retain(|statistic| statistic.trains);
    if expected.is_empty() {
        return Ok(kept);
    }
    let mut strategies = Strategies::of(module);
    // A layer moves its statistics towards a batch's by a share that only the layer knows: r ← (1 − m)·r + m·b. From
    // r = 0 that gives m·b, and a second pass from another r gives m.
    let mut gather = |from: f64, batch: &B| {
        let started = trained.valid().train().map(&mut strategies).map(&mut Traversal::new(Fill(from)));
        forward(&started, batch);
        let mut found = Traversal::new(Found::default());
        started.valid().visit(&mut found);
        found.action.statistics
    };
    let mut means: HashMap<ParamId, Tensor<1>> = HashMap::new();
    let mut shares = HashMap::new();
    for (index, batch) in batches.into_iter().enumerate() {
        let from_zero = gather(0.0, &batch);
        if index == 0 {
            let from_far = gather(FAR, &batch);
            shares = momenta(&from_zero, &from_far);
            if let Some(without) = expected.iter().find(|statistic| !shares.contains_key(&statistic.id)) {
                return Err(NoStatistics { statistic: without.path.clone() });
            }
        }
        for statistic in from_zero {
            let Some(share) = shares.get(&statistic.id) else { continue };
            let of_batch = statistic.value / *share;
            let mean = match means.remove(&statistic.id) {
                Some(mean) => mean.clone() + (of_batch - mean) / (index + 1) as f64,
                None => of_batch,
            };
            means.insert(statistic.id, mean);
        }
    }
    Ok(kept.map(&mut Traversal::new(Replace(means))))
}

/// A running statistic far from those that batches have, to find out how far a layer moves it.
const FAR: f64 = 16384.0;

/// The momentum of each layer that has one: `1 − (r₁ − r₀)/FAR`.
fn momenta(from_zero: &[Statistic], from_far: &[Statistic]) -> HashMap<ParamId, f64> {
    let channels = |statistic: &Statistic| statistic.value.to_data().convert::<f64>().try_into_vec::<f64>();
    let momentum = |(zero, far): (&Statistic, &Statistic)| {
        // The difference is told best where a channel's own statistic is small.
        let pairs = channels(zero).ok()?.into_iter().zip(channels(far).ok()?);
        let pairs = pairs.filter(|(zero, far)| zero.is_finite() && far.is_finite());
        let told = pairs.min_by(|(one, _), (other, _)| one.abs().total_cmp(&other.abs()));
        // `f32` does not resolve the difference any finer. Statistics of a diverged network are not finite whatever they are
        // divided by, and are to be seen.
        let momentum = told.map_or(1.0, |(zero, far)| ((1.0 - (far - zero) / FAR) * 1e6).round() / 1e6);
        (momentum > 0.0).then_some((zero.id, momentum))
    };
    from_zero.iter().zip(from_far).filter_map(momentum).collect()
}

/// A running mean or variance.
struct Statistic {
    id: ParamId,
    path: String,
    value: Tensor<1>,
    /// Whether its layer is neither frozen nor in validation mode.
    trains: bool,
}

/// A way through a module that knows what is inside a `BatchNorm`.
struct Traversal<A> {
    path: Vec<String>,
    containers: Vec<bool>,
    action: A,
}

impl<A> Traversal<A> {
    fn new(action: A) -> Self {
        Self { path: Vec::new(), containers: Vec::new(), action }
    }

    fn enter(&mut self, name: &str, container: &str) {
        self.path.push(name.to_owned());
        self.containers.push(container == "Struct:BatchNorm");
    }

    fn exit(&mut self) {
        self.path.pop();
        self.containers.pop();
    }

    fn in_batch_norm(&self) -> bool {
        self.containers.last().is_some_and(|in_batch_norm| *in_batch_norm)
    }

    fn at_statistic(&self) -> bool {
        let name = self.path.last().map(String::as_str);
        self.in_batch_norm() && matches!(name, Some("running_mean" | "running_var"))
    }
}

/// What is done with a running statistic.
trait Change {
    fn statistic<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param
    }

    fn flag(&mut self, flag: Param<Flag>, _in_batch_norm: bool) -> Param<Flag> {
        flag
    }
}

impl<A: Change> ModuleMapper for Traversal<A> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if self.at_statistic() { self.action.statistic(param) } else { param }
    }

    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        let in_batch_norm = self.in_batch_norm();
        self.action.flag(flag, in_batch_norm)
    }
}

/// Switches off what is random in training.
struct DropoutOff;

impl Change for DropoutOff {
    fn flag(&mut self, flag: Param<Flag>, in_batch_norm: bool) -> Param<Flag> {
        if in_batch_norm { flag } else { flag.with_value(false) }
    }
}

/// Sets every statistic to a number.
struct Fill(f64);

impl Change for Fill {
    fn statistic<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|value| value.zeros_like() + self.0)
    }
}

/// Sets statistics to those that were estimated.
struct Replace(HashMap<ParamId, Tensor<1>>);

impl Change for Replace {
    fn statistic<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.0.remove(&param.id) {
            Some(mean) => param.map(|value| mean.reshape(value.shape())),
            None => param,
        }
    }
}

/// The statistics, in the module's order.
#[derive(Default)]
struct Found {
    statistics: Vec<Statistic>,
    trains: bool,
}

impl ModuleVisitor for Traversal<Found> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.exit();
    }

    /// A layer's flag comes before its statistics.
    fn visit_flag(&mut self, flag: &Param<Flag>) {
        if self.in_batch_norm() {
            self.action.trains = flag.is_enabled();
        }
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.at_statistic() {
            let (path, value) = (self.path.join("."), param.val().flatten(0, D.saturating_sub(1)));
            let trains = self.action.trains;
            self.action.statistics.push(Statistic { id: param.id, path, value, trains });
        }
    }
}
