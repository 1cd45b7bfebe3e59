//! Combines several networks into an ensemble, and measures what that gains (coverage F12 to F14).
//!
//! An [`Ensemble`] holds networks of any kind and is a Burn `Module` itself; a [`Combination`] makes one answer of
//! theirs, and an [`EnsembleReport`] compares the gain with what the lecture (Kao) predicts from the correlation of
//! their errors.

mod combination;
mod error;
mod report;

pub use combination::Combination;
pub use error::EnsembleError;
pub use report::{EnsembleReport, MemberErrors, argmax};

use burn::module::{Module, ModuleDisplay};
use burn::store::ModuleRecord;
use burn::tensor::{Device, Tensor};

/// Holds several networks that answer together (coverage F12, Kao).
///
/// It is a module: a record of it holds all its members, under `members.0`, `members.1`, … How the answers are combined
/// is no part of the record.
///
/// ```
/// use burn::module::Module;
/// use burn::nn::LinearConfig;
/// use burn::tensor::{Device, Tensor};
/// use burn_descent::ensemble::{Ensemble, EnsembleError};
///
/// let cpu = Device::default();
/// let fresh = LinearConfig::new(4, 3).init(&cpu);
/// // Where your training goes; on several devices at once, if there are several.
/// let ensemble = Ensemble::train(5, &[cpu.clone()], |_, device| {
///     Ok::<_, EnsembleError>(LinearConfig::new(4, 3).init(device))
/// })?;
/// let images = Tensor::<2>::ones([8, 4], &cpu);
/// let probabilities = ensemble.forward(images, |member, images| member.forward(images))?;
/// assert_eq!(probabilities.dims(), [8, 3]);
///
/// let record = ensemble.into_record(); // or `save_file`
/// assert_eq!(Ensemble::from_record(record, &fresh)?.members().len(), 5);
/// # Ok::<(), EnsembleError>(())
/// ```
#[derive(Module, Debug)]
pub struct Ensemble<M: Module + ModuleDisplay> {
    members: Vec<M>,
    #[module(skip)]
    combination: Combination,
}

impl<M: Module + ModuleDisplay> Ensemble<M> {
    /// Makes an ensemble of `members`, whose probabilities are averaged.
    ///
    /// # Errors
    ///
    /// Returns an error if there are none.
    pub fn new(members: Vec<M>) -> Result<Self, EnsembleError> {
        if members.is_empty() {
            return Err(EnsembleError::Members { value: 0, most: None });
        }
        Ok(Self { members, combination: Combination::default() })
    }

    /// Trains `members` networks: number i (from 0) by `train(i, device)` on device `i mod devices.len()`. Those of one
    /// device are trained one after the other, and all devices at the same time.
    ///
    /// # Errors
    ///
    /// Returns an error if there are no members or no devices, or the first error of `train` in the order of the
    /// devices. On it, its device trains no more members, and the others come to the end of theirs.
    pub fn train<E: From<EnsembleError> + Send>(
        members: usize,
        devices: &[Device],
        train: impl Fn(usize, &Device) -> Result<M, E> + Sync,
    ) -> Result<Self, E> {
        if devices.is_empty() {
            return Err(EnsembleError::NoDevices.into());
        }
        let train = &train;
        let train_on = |first: usize, device| {
            let numbers = (first..members).step_by(devices.len());
            numbers.map(|number| Ok((number, train(number, device)?))).collect::<Result<Vec<_>, E>>()
        };
        let trained = std::thread::scope(|scope| {
            let threads: Vec<_> = devices
                .iter()
                .enumerate()
                .map(|(first, device)| scope.spawn(move || train_on(first, device)))
                .collect();
            let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            threads.into_iter().map(join).collect::<Result<Vec<_>, E>>()
        })?;
        let mut trained: Vec<_> = trained.into_iter().flatten().collect();
        trained.sort_by_key(|(number, _)| *number);
        Ok(Self::new(trained.into_iter().map(|(_, member)| member).collect())?)
    }

    /// Makes the ensemble of a record, with as many members as that holds, each like `member` but for its parameters.
    ///
    /// # Errors
    ///
    /// Returns an error if the record is not that of an ensemble of such members.
    pub fn from_record(record: ModuleRecord, member: &M) -> Result<Self, EnsembleError> {
        let (tensors, each) = (record.len(), member.clone().into_record().len());
        if each == 0 || !tensors.is_multiple_of(each) {
            return Err(EnsembleError::Record { tensors, each });
        }
        Ok(Self::new(vec![member.clone(); tensors / each])?.try_load_record(record)?)
    }

    /// Sets how the answers are combined, [`Combination::Probabilities`] by default.
    pub fn with_combination(self, combination: Combination) -> Self {
        Self { combination, ..self }
    }

    /// Keeps the last `members` networks alone: of a snapshot ensemble, those of the last cycles.
    ///
    /// # Errors
    ///
    /// Returns an error if there are fewer, or `members` is 0.
    pub fn last(mut self, members: usize) -> Result<Self, EnsembleError> {
        let most = self.members.len();
        if !(1..=most).contains(&members) {
            return Err(EnsembleError::Members { value: members, most: Some(most) });
        }
        Ok(Self { members: self.members.split_off(most - members), ..self })
    }

    /// Takes the ensemble apart and returns its networks.
    pub fn into_members(self) -> Vec<M> {
        self.members
    }

    /// Returns the networks, in order.
    pub fn members(&self) -> &[M] {
        &self.members
    }

    /// Returns how the answers are combined.
    pub fn combination(&self) -> Combination {
        self.combination
    }

    /// Returns what each member answers to `input`, by `forward`.
    ///
    /// Where members are on several devices, `forward` moves the input to its member's.
    pub fn outputs<I: Clone>(&self, input: I, forward: impl Fn(&M, I) -> Tensor<2>) -> Vec<Tensor<2>> {
        self.members.iter().map(|member| forward(member, input.clone())).collect()
    }

    /// Returns the probabilities `[batch, classes]` that the members come to together, where `forward` gives the logits
    /// of one, `[batch, classes]`, for `input`. They are on the first member's device; see [`outputs`](Self::outputs).
    ///
    /// # Errors
    ///
    /// Returns an error if the members' logits differ in shape.
    pub fn forward<I: Clone>(
        &self,
        input: I,
        forward: impl Fn(&M, I) -> Tensor<2>,
    ) -> Result<Tensor<2>, EnsembleError> {
        self.combination.combine(self.outputs(input, forward))
    }
}
