use super::evaluation::{Purpose, PurposeGuard, parameters_as_gradients};
use super::state::{OPTIMIZER, VARIANT, WRAPPER};
use super::{Elementwise, SgdConfig};
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{ModuleOptimizer, OptimizerRecord};
use burn::tensor::{Bytes, Tensor};
use burn_pack::{Reader, Scalar};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Fails where a record is not that of an optimizer and its module.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordMismatch {
    /// Says that the record cannot be read at all.
    #[error("the optimizer's record cannot be read: {0}")]
    Unreadable(String),
    /// Says that the record is that of another optimizer, of another variant of it, or of another wrapper around it.
    #[error("{parameter}: the record is that of {found}, not of {expected}")]
    Optimizer {
        /// Names the parameter, by its path in the module.
        parameter: String,
        /// Says whose record it is, such as `Ema around Momentum, variant mean (velocity, average)`: wrappers, optimizer and
        /// variant, as far as they are of this crate, and the state.
        found: String,
        /// Says whose record it should be, in the same form.
        expected: String,
    },
    /// Says that the record was written by another version of this crate.
    #[error("{parameter}: the record of {optimizer} has version {found}, this is version {expected}")]
    Version {
        /// Names the parameter, by its path in the module.
        parameter: String,
        /// Names the optimizer.
        optimizer: String,
        /// Gives the record's version.
        found: u64,
        /// Gives the newest version that can be read.
        expected: u64,
    },
    /// Says that a state has another shape, or another rank, than the parameter.
    #[error("{parameter}: the state `{state}` has shape {found:?}, its parameter {expected:?}")]
    Shape {
        /// Names the parameter, by its path in the module.
        parameter: String,
        /// Names the state.
        state: String,
        /// Gives the state's shape.
        found: Vec<usize>,
        /// Gives the parameter's shape.
        expected: Vec<usize>,
    },
    /// Says that the record holds the state of a parameter that the module does not have.
    #[error(
        "the record holds a state for parameter {0}, which the module does not have; load the model's record first"
    )]
    Parameter(u64),
}

/// Returns `optimizer` with the state of `record`, if that is the record of such an optimizer on such a module. Burn's
/// own `load_record` starts afresh where a record is another optimizer's, and panics in the next step where a shape
/// differs.
///
/// A parameter without a state in the record, such as one that was frozen, starts afresh.
///
/// ```
/// use burn::nn::LinearConfig;
/// use burn::optim::GradientsParams;
/// use burn::tensor::{Device, Tensor};
/// use burn_descent::optim::{AdamConfig, NadamConfig, load_record};
///
/// let device = Device::default().autodiff();
/// let model = LinearConfig::new(4, 1).with_bias(false).init(&device);
/// let mut adam = AdamConfig::new().init().expect("in range");
/// let loss = model.forward(Tensor::<2>::ones([8, 4], &device)).mean();
/// let model = adam.step(1e-3, model.clone(), GradientsParams::from_grads(loss.backward(), &model));
///
/// let nadam = NadamConfig::new().init().expect("in range");
/// let error = load_record(nadam, adam.to_record(), &model).err().expect("a mismatch");
/// assert_eq!(error.to_string(), "weight: the record is that of Adam (moment_1, moment_2), not of Nadam, variant schedule (moment_1, moment_2, momentum_product)");
/// ```
///
/// # Errors
///
/// Returns the first state that does not fit.
pub fn load_record<M: Module>(
    optimizer: ModuleOptimizer,
    record: OptimizerRecord,
    module: &M,
) -> Result<ModuleOptimizer, RecordMismatch> {
    let bytes = record.into_bytes().map_err(unreadable)?;
    let states = checked_states(&optimizer, bytes.clone(), module)?;
    let optimizer = optimizer.from_bytes(bytes).map_err(unreadable)?;
    let is_counted = |state: &StateLayout| state.wrappers.iter().any(|(_, name)| name == "GradientNoise");
    if states.values().any(is_counted) {
        // Noise depends on how many parameters there are already, and sees states in steps alone: a copy takes one.
        let gradients = parameters_as_gradients(module, |param| states.contains_key(&param.val()));
        let _resumption = PurposeGuard::begin(Purpose::Resumption);
        optimizer.clone().step(0.0, module.clone().train(), gradients);
    }
    Ok(optimizer)
}

/// Checks that the bytes of a record are those of such an optimizer on such a module, as [`load_record`] does, without
/// loading them: for a checkpoint that is to be known good before something depends on it.
///
/// # Errors
///
/// Returns the first state that does not fit.
pub fn check_record<M: Module>(optimizer: &ModuleOptimizer, record: Bytes, module: &M) -> Result<(), RecordMismatch> {
    checked_states(optimizer, record, module).map(drop)
}

/// The states of a record that is one of such an optimizer on such a module.
fn checked_states<M: Module>(
    optimizer: &ModuleOptimizer,
    record: Bytes,
    module: &M,
) -> Result<BTreeMap<u64, StateLayout>, RecordMismatch> {
    let mut parameters = Parameters::default();
    module.visit(&mut parameters);
    let found = states(record)?;
    let expected = expected_states(optimizer, module, &found)?;
    for (id, found) in &found {
        let (path, shape) = parameters.found.get(id).ok_or(RecordMismatch::Parameter(*id))?;
        let expected = expected.get(id);
        if let Some(expected) = expected {
            found.ensure_like(expected, path)?;
        }
        found.ensure_shape(shape, expected, path)?;
    }
    Ok(found)
}

fn unreadable(error: impl fmt::Display) -> RecordMismatch {
    RecordMismatch::Unreadable(error.to_string())
}

/// What a record holds for one parameter.
#[derive(Default)]
struct StateLayout {
    /// Names and versions of the optimizers of this crate that wrote it.
    optimizers: BTreeMap<String, u64>,
    /// The variant of the optimizer; none in a record of version 1.
    variant: Option<String>,
    /// How deep inside of others each wrapper is, and its name; none in a record of version 1.
    wrappers: BTreeSet<(usize, String)>,
    tensors: BTreeMap<String, Vec<usize>>,
    scalars: Vec<String>,
}

impl StateLayout {
    fn ensure_like(&self, expected: &Self, parameter: &str) -> Result<(), RecordMismatch> {
        for (optimizer, version) in &self.optimizers {
            if let Some(known) = expected.optimizers.get(optimizer).filter(|known| !(1..=**known).contains(version)) {
                let (parameter, optimizer) = (parameter.to_owned(), optimizer.clone());
                return Err(RecordMismatch::Version { parameter, optimizer, found: *version, expected: *known });
            }
        }
        // An average may begin later than with the first step.
        let is_late =
            |name: &String| (name == "average" || name.ends_with(".average")) && !expected.tensors.contains_key(name);
        let names = |layout: &Self| {
            let tensors = layout.tensors.keys().filter(|name| !is_late(name)).cloned();
            (layout.optimizers.keys().cloned().collect::<Vec<_>>(), tensors.collect::<Vec<_>>(), layout.scalars.clone())
        };
        let same_variant = self.variant.is_none() || self.variant == expected.variant;
        let same_wrappers = self.wrappers.is_empty() || self.wrappers == expected.wrappers;
        if names(self) == names(expected) && same_variant && same_wrappers {
            return Ok(());
        }
        Err(RecordMismatch::Optimizer {
            parameter: parameter.to_owned(),
            found: self.describe(),
            expected: expected.describe(),
        })
    }

    /// The names of wrappers, optimizer and variant, and the state, such as `Ema around Adam (average, moment_1,
    /// moment_2)`.
    fn describe(&self) -> String {
        let mut whose: String = self.wrappers.iter().map(|(_, wrapper)| format!("{wrapper} around ")).collect();
        whose += &self.optimizers.keys().cloned().collect::<Vec<_>>().join(", ");
        if self.optimizers.is_empty() {
            whose += "an optimizer";
        }
        if let Some(variant) = &self.variant {
            whose += &format!(", variant {variant}");
        }
        let counts = ["__rank", "time", "average_time", "noise_time", "noise_parameter"];
        let names = self.tensors.keys().chain(&self.scalars).map(|name| name.rsplit('.').next().unwrap_or(name));
        let state = names.filter(|name| !counts.contains(name)).collect::<Vec<_>>().join(", ");
        if state.is_empty() { format!("{whose} (no state)") } else { format!("{whose} ({state})") }
    }

    /// That each state has the shape that it has after a step, or, if there is none of it then, the parameter's.
    fn ensure_shape(
        &self,
        parameters: &[usize],
        after_a_step: Option<&Self>,
        parameter: &str,
    ) -> Result<(), RecordMismatch> {
        for (state, found) in &self.tensors {
            let expected = after_a_step.and_then(|layout| layout.tensors.get(state)).map_or(parameters, Vec::as_slice);
            if found != expected {
                let (parameter, state) = (parameter.to_owned(), state.clone());
                let (found, expected) = (found.clone(), expected.to_vec());
                return Err(RecordMismatch::Shape { parameter, state, found, expected });
            }
        }
        Ok(())
    }
}

/// The states of a record, by parameter.
fn states(record: Bytes) -> Result<BTreeMap<u64, StateLayout>, RecordMismatch> {
    let reader = Reader::from_bytes(record).map_err(unreadable)?;
    let mut states = BTreeMap::<u64, StateLayout>::new();
    let mut is_empty = true;
    for (path, value) in reader.scalars() {
        is_empty = false;
        let Some((id, leaf)) = split(path) else { continue };
        let state = states.entry(id).or_default();
        // Behind the names of what is wrapped around it.
        let name = leaf.rsplit('.').next().unwrap_or(leaf);
        if let (Some(optimizer), Scalar::UInt(version)) = (name.strip_prefix(OPTIMIZER), *value) {
            state.optimizers.insert(optimizer.to_owned(), version);
        } else if let Some(wrapper) = name.strip_prefix(WRAPPER) {
            state.wrappers.insert((leaf.matches('.').count(), wrapper.to_owned()));
        } else if let Some(variant) = name.strip_prefix(VARIANT) {
            state.variant = Some(variant.to_owned());
        } else {
            state.scalars.push(leaf.to_owned());
        }
    }
    for tensor in reader.into_tensors().map_err(unreadable)? {
        is_empty = false;
        let (path, _, shape, ..) = tensor.into_parts().map_err(unreadable)?;
        if let Some((id, leaf)) = split(&path) {
            states.entry(id).or_default().tensors.insert(leaf.to_owned(), shape.to_vec());
        }
    }
    if !is_empty && states.is_empty() {
        return Err(unreadable("it holds no optimizer's state; is it the record of a model or a schedule?"));
    }
    Ok(states)
}

/// A path such as `42.moment_1`.
fn split(path: &str) -> Option<(u64, &str)> {
    let (id, leaf) = path.split_once('.')?;
    Some((id.parse().ok()?, leaf))
}

/// What the optimizer's record is after the first step of those parameters of the module that `record` has, which a copy
/// takes. It begins without a state: what the optimizer has come to tells nothing of what it was before.
fn expected_states<M: Module>(
    optimizer: &ModuleOptimizer,
    module: &M,
    record: &BTreeMap<u64, StateLayout>,
) -> Result<BTreeMap<u64, StateLayout>, RecordMismatch> {
    let none = ModuleOptimizer::from(Elementwise::unchecked(SgdConfig::new())).to_record();
    let mut trial = optimizer.clone().load_record(none);
    let gradients = parameters_as_gradients(module, |param| record.contains_key(&param.val()));
    let _inspection = PurposeGuard::begin(Purpose::Inspection);
    trial.step(0.0, module.clone().train(), gradients);
    states(trial.into_bytes().map_err(unreadable)?)
}

/// The parameters of a module: path and shape by number.
#[derive(Default)]
struct Parameters {
    path: Vec<String>,
    found: BTreeMap<u64, (String, Vec<usize>)>,
}

impl ModuleVisitor for Parameters {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let path = if self.path.is_empty() { "the parameter".to_owned() } else { self.path.join(".") };
        self.found.insert(param.id.val(), (path, param.val().dims().to_vec()));
    }
}
