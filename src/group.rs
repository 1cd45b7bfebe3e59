//! Groups of parameters, and the paths that they are chosen by.

use burn::module::{Module, ModuleVisitor, Param, ParamGroup, ParamId};
use burn::tensor::Tensor;
use std::collections::HashSet;

/// A group that matches no parameter of a module.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no parameter of the module matches {group}; expected paths such as {}", near.join(", "))]
pub struct NoParameters {
    /// The group, in Burn's words.
    pub group: String,
    /// The paths of some parameters, those most like the group's words first.
    pub near: Vec<String>,
}

/// That a parameter of `module` is in `group`.
///
/// ```
/// use burn::module::ParamGroup;
/// use burn::nn::LinearConfig;
/// use burn::tensor::Device;
/// use burn_descent::group::expect_parameters;
///
/// let model = LinearConfig::new(4, 1).init(&Device::default());
/// assert!(expect_parameters(&model, &ParamGroup::from_path("weight")).is_ok());
/// let error = expect_parameters(&model, &ParamGroup::from_path("wieght")).unwrap_err();
/// assert_eq!(error.near[0], "weight");
/// ```
///
/// # Errors
///
/// [`NoParameters`], if there is none.
pub fn expect_parameters<M: Module>(module: &M, group: &ParamGroup) -> Result<(), NoParameters> {
    let parameters = parameters(module);
    if parameters.iter().any(|(id, path)| group.matches(id, Some(path))) {
        return Ok(());
    }
    let group = format!("{group:?}");
    // Burn shows what a group looks for between quotes.
    let words: Vec<&str> = group.split('"').skip(1).step_by(2).collect();
    let likeness = |path: &str| words.iter().map(|word| strsim::jaro_winkler(word, path)).fold(0.0, f64::max);
    let mut near: Vec<String> = parameters.into_iter().map(|(_, path)| path).collect();
    near.sort_by(|one, other| likeness(other).total_cmp(&likeness(one)));
    near.truncate(NEAR);
    Err(NoParameters { group, near })
}

const NEAR: usize = 5;

/// The parameters of real numbers that a module has, by id and path, such as `network.layers.0.weight`.
pub fn parameters<M: Module>(module: &M) -> Vec<(ParamId, String)> {
    let mut collector = Collector::default();
    module.visit(&mut collector);
    collector.found
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
