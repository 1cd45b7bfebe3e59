//! Finds the parameters of a module by their paths, checks the groups that are chosen by them, and gives groups learning
//! rates of their own.

use crate::kernel::{AnyRank, any_rank, of_rank};
use burn::lr_scheduler::module_lr_scheduler::{ModuleLearningRate, ModuleLrScheduler};
use burn::module::{Module, ModuleVisitor, Param, ParamGroup, ParamId};
use burn::optim::LearningRate;
use burn::tensor::Tensor;
use std::collections::{HashMap, HashSet};

/// The two methods by which a visitor or mapper with a field `walk` keeps it up to date.
macro_rules! walked {
    () => {
        fn enter_module(&mut self, name: &str, _container_type: &str) {
            self.walk.enter(name);
        }

        fn exit_module(&mut self, _name: &str, _container_type: &str) {
            self.walk.exit();
        }
    };
}
pub(crate) use walked;

/// Fails where a group matches no parameter of a module.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no parameter of the module matches {group}; expected paths such as {}", near.join(", "))]
pub struct NoParameters {
    /// Gives what the group looks for in the paths, or the group in Burn's words.
    pub group: String,
    /// Lists the paths of some parameters, those most like the group's words first.
    pub near: Vec<String>,
}

/// Checks that some parameter of `module` is in `group`.
///
/// ```
/// use burn::module::ParamGroup;
/// use burn::nn::LinearConfig;
/// use burn::tensor::Device;
/// use burn_descent::group::ensure_parameters;
///
/// let model = LinearConfig::new(4, 1).init(&Device::default());
/// assert!(ensure_parameters(&model, &ParamGroup::from_path("weight")).is_ok());
/// let error = ensure_parameters(&model, &ParamGroup::from_path("wieght")).unwrap_err();
/// assert_eq!(error.near[0], "weight");
/// ```
///
/// # Errors
///
/// Returns [`NoParameters`] if there is none.
pub fn ensure_parameters<M: Module>(module: &M, group: &ParamGroup) -> Result<(), NoParameters> {
    let parameters = parameters(module);
    if parameters.iter().any(|(id, path)| group.matches(id, Some(path))) {
        return Ok(());
    }
    let group = format!("{group:?}");
    // Burn shows what a group looks for between quotes.
    let words: Vec<&str> = group.split('"').skip(1).step_by(2).collect();
    let like = |part: &str| words.iter().map(|word| strsim::jaro_winkler(word, part)).fold(0.0, f64::max);
    let likeness = |path: &str| path.split('.').map(like).fold(like(path), f64::max);
    let mut near: Vec<String> = parameters.into_iter().map(|(_, path)| path).collect();
    // Nobody trains running statistics.
    near.retain(|path| !path.ends_with("running_mean") && !path.ends_with("running_var"));
    near.sort_by(|one, other| likeness(other).total_cmp(&likeness(one)));
    near.truncate(NEAR);
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    let group = if quoted.is_empty() { group } else { quoted.join(", ") };
    Err(NoParameters { group, near })
}

const NEAR: usize = 5;

/// Lists the parameters of real numbers that a module has, by id and path, such as `network.layers.0.weight`.
pub fn parameters<M: Module>(module: &M) -> Vec<(ParamId, String)> {
    let mut collector = Collector::default();
    module.visit(&mut collector);
    collector.found
}

/// Makes learning rates of their own for groups of parameters (Howard & Ruder 2018 call them discriminative), for the
/// `step` of any Burn optimizer: `rate` times each group's factor, and `rate` itself for parameters in no group. Of two
/// groups that share a parameter, the latter counts.
///
/// ```
/// use burn::module::{ParamGroup, ParamId};
/// use burn_descent::group::rates;
///
/// let rates = rates(0.1, [(ParamGroup::from_predicate("trunk"), 0.01)]);
/// assert!((rates.lr_from_param(ParamId::new(), Some("trunk.0.weight")) - 0.001).abs() < 1e-15);
/// assert_eq!(rates.lr_from_param(ParamId::new(), Some("head.weight")), 0.1);
/// ```
pub fn rates(rate: LearningRate, factors: impl IntoIterator<Item = (ParamGroup, f64)>) -> ModuleLearningRate {
    // A constant is a scheduler to Burn, and nothing but a scheduler makes rates with groups.
    let constants = ModuleLrScheduler::new(rate);
    let constants =
        factors.into_iter().fold(constants, |constants, (group, factor)| constants.with_group(group, rate * factor));
    { constants }.step()
}

/// The rates times `multiplier`; by parameter of `module` where they differ, since Burn's rates can be asked but not changed.
#[cfg(feature = "train")]
pub(crate) fn scaled<M: Module>(rates: &ModuleLearningRate, multiplier: f64, module: &M) -> ModuleLearningRate {
    let base = rates.base();
    let of_parameter = |(id, path): (ParamId, String)| (id, rates.lr_from_param(id, Some(&path)));
    let others = parameters(module).into_iter().map(of_parameter).filter(|(_, rate)| *rate != base);
    let scheduler = ModuleLrScheduler::new(base * multiplier);
    let mut scheduler = others.fold(scheduler, |scheduler, (id, rate)| {
        scheduler.with_group(ParamGroup::from_ids(vec![id]), rate * multiplier)
    });
    scheduler.step()
}

/// Fails where two parameters that should have the same shape have not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{first} has the shape {first_shape:?}, expected that of {second}, {second_shape:?}")]
pub struct ShapeMismatch {
    /// Gives the path of one parameter.
    pub first: String,
    /// Gives its shape.
    pub first_shape: Vec<usize>,
    /// Gives the path of the other.
    pub second: String,
    /// Gives its shape.
    pub second_shape: Vec<usize>,
}

/// The values of a module's parameters, of any rank and part of no graph, by path.
#[derive(Debug, Default)]
pub(crate) struct Values(HashMap<String, AnyRank>);

impl Values {
    pub(crate) fn of<M: Module>(module: &M) -> Self {
        let mut collector = Keep { walk: Walk::default(), values: Self::default() };
        module.visit(&mut collector);
        collector.values
    }

    pub(crate) fn shape(&self, path: &str) -> Option<Vec<usize>> {
        self.0.get(path).map(|value| value.shape().to_vec())
    }

    pub(crate) fn get<const D: usize>(&self, path: &str) -> Option<Tensor<D>> {
        self.0.get(path).filter(|value| value.shape().num_dims() == D).cloned().map(of_rank)
    }

    pub(crate) fn ensure_same_shape(&self, first: &str, other: &Self, second: &str) -> Result<(), ShapeMismatch> {
        let shape = |values: &Self, path: &str| values.shape(path).unwrap_or_default();
        let (first_shape, second_shape) = (shape(self, first), shape(other, second));
        if first_shape == second_shape {
            return Ok(());
        }
        Err(ShapeMismatch { first: first.into(), first_shape, second: second.into(), second_shape })
    }
}

struct Keep {
    walk: Walk,
    values: Values,
}

impl ModuleVisitor for Keep {
    walked!();

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        let value = if value.is_autodiff() { value.inner() } else { value };
        self.values.0.insert(self.walk.path(), any_rank(value));
    }
}

/// Changes the values of a parameter, and nothing of how it is differentiated.
pub(crate) fn on_values<const D: usize>(
    param: Param<Tensor<D>>,
    change: impl FnOnce(Tensor<D>) -> Tensor<D>,
) -> Param<Tensor<D>> {
    param.map(|tensor| {
        if !tensor.is_autodiff() {
            return change(tensor);
        }
        let (strategy, require_grad) = (tensor.gradient_checkpointing_strategy(), tensor.is_require_grad());
        let changed = Tensor::from_inner(change(tensor.inner()));
        let changed = match strategy {
            Some(strategy) => changed.with_gradient_checkpointing_strategy(strategy),
            None => changed,
        };
        changed.set_require_grad(require_grad)
    })
}

/// Where a visit of a module is, and where it has been.
#[derive(Default)]
pub(crate) struct Walk {
    path: Vec<String>,
    seen: HashSet<ParamId>,
}

impl Walk {
    pub(crate) fn enter(&mut self, name: &str) {
        self.path.push(name.to_owned());
    }

    pub(crate) fn exit(&mut self) {
        self.path.pop();
    }

    /// Whether the parameter is met for the first time: one may occur at several places.
    pub(crate) fn is_first(&mut self, id: ParamId) -> bool {
        self.seen.insert(id)
    }

    /// The path of the parameter that is visited, such as `network.layers.0.weight`.
    pub(crate) fn path(&self) -> String {
        self.path.join(".")
    }
}

#[derive(Default)]
struct Collector {
    walk: Walk,
    found: Vec<(ParamId, String)>,
}

impl ModuleVisitor for Collector {
    walked!();

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.found.push((param.id, self.walk.path()));
    }
}
