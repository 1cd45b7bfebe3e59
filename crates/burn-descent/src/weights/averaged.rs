use super::{EmaConfig, LookaheadConfig, SwaConfig};
use crate::error::ConfigError;
use crate::kernel::{self, Step};
use crate::optim::{Evaluate, evaluate_wrapped, has_wrapper, optimizer_by_purpose, write_wrapper};
use crate::rule::{DecayStep, Real, Rule};
use burn::optim::{LearningRate, Optimizer, RecordState, StateSink, StateSource};
use burn::tensor::{Device, FloatDType, Tensor};
use std::marker::PhantomData;

/// Says where an average of weights begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Begins at the weights before the first step.
    InitialWeights,
    /// Begins at the first weights that are taken in.
    FirstTaken,
}

/// Describes how an average follows the weights as they train.
///
/// ```text
/// s ← s + α·(θ − s)       after steps that have a share α
/// ```
pub trait Averaging: Clone + Send + Sync + 'static {
    /// Names the wrapper, in errors and records.
    const NAME: &'static str;

    /// Returns the name of the wrapper; that of the kind where it is chosen at run time alone.
    fn name(&self) -> &'static str {
        Self::NAME
    }

    /// Says where the average begins.
    fn start(&self) -> Start;

    /// Returns α, the share of the newest weights in the average, after step number `time` (from 1) of a parameter, in
    /// `[0, 1]`; `None` if the average stays as it is. From [`Start::FirstTaken`] the first share is taken to be 1.
    fn share(&self, time: u64) -> Option<f64>;

    /// Tells whether training goes on from the average each time that it has moved.
    fn returns(&self) -> bool {
        false
    }

    /// Checks that every field is in its range.
    ///
    /// # Errors
    ///
    /// Returns the first field that is out of range.
    fn check(&self) -> Result<(), ConfigError>;
}

/// Runs any Burn optimizer with an average of the weights that it trains.
///
/// [`evaluation_weights`](crate::optim::evaluation_weights) gives the average, or, while there is none, what the
/// optimizer means to be used. The record keeps it, so that a resumed run goes on exactly as it would have unbroken. It
/// takes the memory of one more copy of the weights, in `f32` where those are in half precision.
#[derive(Clone, Debug)]
pub struct Averaged<A, O> {
    averaging: A,
    optimizer: O,
}

/// Holds the state of one parameter under [`Averaged`]: the wrapped optimizer's, the average and the number of steps. A
/// record has besides, from version 2 on, the name of the [`Averaging`].
#[derive(Debug)]
pub struct AveragedState<A, S, const D: usize> {
    inner: Option<S>,
    average: Option<Tensor<D>>,
    time: u64,
    averaging: PhantomData<fn() -> A>,
}

impl<A: Averaging, O: Optimizer> Averaged<A, O> {
    /// Averages the weights that `optimizer` trains.
    ///
    /// # Errors
    ///
    /// Returns the first field that is out of range.
    pub fn new(averaging: A, optimizer: O) -> Result<Self, ConfigError> {
        averaging.check()?;
        Ok(Self { averaging, optimizer })
    }
}

impl<A: Averaging, O: Optimizer> Evaluate for Averaged<A, O> {
    fn train<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        let AveragedState { inner, average, time, averaging } = state.unwrap_or_default();
        let average = begun(&self.averaging, average, &tensor);
        let time = time + 1;
        let (tensor, inner) = self.optimizer.step(lr, tensor, grad, inner);
        let (tensor, average) = moved(&self.averaging, average, tensor, time);
        (tensor, Some(AveragedState { inner, average, time, averaging }))
    }

    fn evaluate<const D: usize>(&self, tensor: Tensor<D>, state: Option<Self::State<D>>) -> Tensor<D> {
        let AveragedState { inner, average, .. } = state.unwrap_or_default();
        match average {
            Some(average) => average.cast(FloatDType::from(tensor.dtype())),
            None => evaluate_wrapped(&self.optimizer, tensor, inner),
        }
    }
}

optimizer_by_purpose!([A: Averaging, O: Optimizer] Averaged<A, O>, D => AveragedState<A, O::State<D>, D>, |state, device| {
    AveragedState {
        inner: state.inner.map(|inner| O::to_device(inner, device)),
        average: state.average.map(|average| average.to_device(device)),
        ..state
    }
});

/// The average before a step that starts from `theta`.
pub(super) fn begun<const D: usize>(
    averaging: &impl Averaging,
    average: Option<Tensor<D>>,
    theta: &Tensor<D>,
) -> Option<Tensor<D>> {
    average.or_else(|| (averaging.start() == Start::InitialWeights).then(|| kept(theta)))
}

/// The weights and the average after the step number `time`, which led to `theta`.
pub(super) fn moved<const D: usize>(
    averaging: &impl Averaging,
    average: Option<Tensor<D>>,
    theta: Tensor<D>,
    time: u64,
) -> (Tensor<D>, Option<Tensor<D>>) {
    let Some(share) = averaging.share(time) else {
        return (theta, average);
    };
    let moved = match average {
        Some(average) => towards(average, &theta, share),
        None => kept(&theta),
    };
    let theta = if averaging.returns() { moved.clone().cast(FloatDType::from(theta.dtype())) } else { theta };
    (theta, Some(moved))
}

/// The weights as an average keeps them.
fn kept<const D: usize>(theta: &Tensor<D>) -> Tensor<D> {
    theta.clone().cast(FloatDType::from(kernel::working_dtype(theta.dtype())))
}

/// `s + α·(θ − s)`, in the place of `s` where nothing else needs it, else in one new tensor.
fn towards<const D: usize>(average: Tensor<D>, theta: &Tensor<D>, share: f64) -> Tensor<D> {
    let step = Step { rule: Towards, coefficients: share, decay: DecayStep::None };
    kernel::run(&step, average, theta.clone(), []).0
}

/// The movement of an average as a rule: the average takes the parameter's place, the weights the gradient's.
#[derive(Clone)]
struct Towards;

impl Rule<0> for Towards {
    type Coefficients = f64;
    const NAME: &'static str = "Averaged";
    const STATE: [&'static str; 0] = [];

    fn coefficients(&self, share: f64, _time: u64, _scalar_state: &mut [f64]) -> f64 {
        share
    }

    #[inline(always)]
    fn update<R: Real>(&self, share: &f64, average: R, theta: R, _state: [R; 0]) -> (R, [R; 0]) {
        (average.clone() + (theta - average) * *share, [])
    }

    fn check(&self) -> Result<(), ConfigError> {
        Ok(())
    }
}

impl<A, S, const D: usize> Default for AveragedState<A, S, D> {
    fn default() -> Self {
        Self { inner: None, average: None, time: 0, averaging: PhantomData }
    }
}

impl<A, S: Clone, const D: usize> Clone for AveragedState<A, S, D> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), average: self.average.clone(), ..*self }
    }
}

/// Where a record keeps the wrapped optimizer's state, apart from this one's, so that wrappers of one kind can nest.
pub(super) fn inner_prefix(prefix: &str) -> String {
    format!("{prefix}.inner")
}

impl<A: Averaging, S: RecordState, const D: usize> RecordState for AveragedState<A, S, D> {
    fn state_flatten(&self, prefix: &str, out: &mut StateSink) {
        if let Some(inner) = &self.inner {
            inner.state_flatten(&inner_prefix(prefix), out);
        }
        write(prefix, A::NAME, self.average.as_ref(), self.time, out);
    }

    fn state_unflatten(prefix: &str, src: &mut StateSource, device: &Device) -> Option<Self> {
        let (average, time) = read(prefix, A::NAME, src, device)?;
        let inner = S::state_unflatten(&inner_prefix(prefix), src, device);
        Some(Self { inner, average, time, averaging: PhantomData })
    }
}

/// Writes an average of the kind `name` and the number of steps into a record.
pub(super) fn write<const D: usize>(
    prefix: &str,
    name: &str,
    average: Option<&Tensor<D>>,
    time: u64,
    out: &mut StateSink,
) {
    write_wrapper(prefix, name, out);
    if let Some(average) = average {
        out.push_tensor(prefix, "average", average.to_data());
    }
    out.push_scalar(prefix, "average_time", time.into());
}

/// Reads what [`write`] wrote; nothing where it was another of this crate's kinds.
pub(super) fn read<const D: usize>(
    prefix: &str,
    name: &str,
    src: &mut StateSource,
    device: &Device,
) -> Option<(Option<Tensor<D>>, u64)> {
    let kinds = [EmaConfig::NAME, SwaConfig::NAME, LookaheadConfig::NAME];
    if kinds.into_iter().any(|kind| kind != name && has_wrapper(prefix, kind, src)) {
        return None;
    }
    let time = src.take_scalar(prefix, "average_time")?.try_into().ok()?;
    let average = src.take_tensor(prefix, "average").map(|data| {
        let dtype = data.dtype();
        Tensor::from_data(data, (device, dtype))
    });
    Some((average, time))
}
