use crate::error::{ConfigError, ValueRange};
use crate::kernel::{self, Addend};
use crate::optim::{
    Evaluate, Purpose, Sgd, SgdConfig, Varying, evaluate_wrapped, numbers_of, optimizer_by_purpose, purpose,
    write_wrapper,
};
use burn::config::Config;
use burn::optim::{LearningRate, ModuleOptimizer, Optimizer, RecordState, StateSink, StateSource};
use burn::tensor::{Device, Element, ElementConversion, Tensor};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use std::ops::AddAssign;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Configures [`GradientNoise`] (Neelakantan et al. 2015; coverage D13), which adds Gaussian noise to gradients, less
/// and less of it as the training goes on.
///
/// ```text
/// g ← g + N(0, σ²),   σ² = η/(1 + t)^γ
/// ```
///
/// σ² is the *variance*. t counts a parameter's steps.
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `eta` | 0.01 | `[0, ∞)` | η; the paper tries 0.01, 0.3 and 1 |
/// | `gamma` | 0.55 | `[0, ∞)` | γ, how fast the noise fades |
/// | `seed` | 0 | | the noise depends on the seed, the parameter and the step alone; each wrapper should have its own |
/// | `first_step` | 1 | | t of the first step; optax counts so that it is 0 |
///
/// Noise over any Burn optimizer:
///
/// ```
/// use burn::optim::AdamConfig;
/// use burn_descent::gradient::GradientNoiseConfig;
///
/// let noisy_adam = GradientNoiseConfig::new().with_eta(0.3).wrap(AdamConfig::new().build())?.init();
/// # Ok::<(), burn_descent::ConfigError>(())
/// ```
#[derive(Config, Debug, PartialEq)]
pub struct GradientNoiseConfig {
    /// Sets η, the variance of the noise at t = 0, in `[0, ∞)`.
    #[config(default = 0.01)]
    pub eta: f64,
    /// Sets γ, how fast the noise fades, in `[0, ∞)`.
    #[config(default = 0.55)]
    pub gamma: f64,
    /// Sets the seed of the noise.
    #[config(default = 0)]
    pub seed: u64,
    /// Sets t at the first step.
    #[config(default = 1)]
    pub first_step: u64,
}

impl GradientNoiseConfig {
    /// Reproduces optax's `add_noise`: `η/t^γ` with t from 1, which is `η/(1 + t)^γ` with t from 0.
    pub fn optax() -> Self {
        Self::new().with_first_step(0)
    }

    /// Returns σ², the variance of the noise, at a parameter's step number `step` (from 1).
    pub fn variance(&self, step: u64) -> f64 {
        let t = step as f64 - 1.0 + self.first_step as f64;
        self.eta / (1.0 + t).powf(self.gamma)
    }

    /// Adds noise to every gradient before `optimizer` sees it: also before a clipping of its configuration. Clip by a
    /// [`Chain`](super::Chain), or use [`wrap_erased`](Self::wrap_erased), to have the noise after it.
    ///
    /// # Errors
    ///
    /// Returns the first field that is out of range.
    pub fn wrap<O: Optimizer>(&self, optimizer: O) -> Result<GradientNoise<O>, ConfigError> {
        self.check()?;
        Ok(GradientNoise { config: Varying::constant(self.clone()), optimizer, parameters: Arc::default() })
    }

    fn check(&self) -> Result<(), ConfigError> {
        ValueRange::NonNegative.check("GradientNoise", "eta", self.eta)?;
        ValueRange::NonNegative.check("GradientNoise", "gamma", self.gamma)
    }

    /// Makes stochastic gradient descent with noise on its gradients.
    ///
    /// # Errors
    ///
    /// Returns the first field of either configuration that is out of range.
    pub fn sgd(&self, sgd: &SgdConfig) -> Result<GradientNoise<Sgd>, ConfigError> {
        self.wrap(sgd.build()?)
    }
}

/// Runs any Burn optimizer with Gaussian noise on its gradients.
///
/// Parameters are told apart by the order in which they take their first step, which is the order in which the module
/// visits them; a record remembers it. A run that is resumed by [`load_record`](crate::optim::load_record) therefore draws
/// the noise that it would have drawn unbroken, on any backend. Burn's own `load_record` does not show the record to the
/// wrapper: a parameter that takes its first step after that, and that the module visits before those in the record (a
/// trunk that thaws after its head was trained), draws the noise of one of them once more.
///
/// Each wrapper counts by itself: where several go around the optimizers of parameter groups, or one around another,
/// give them seeds of their own, else they draw the same noise. Clones of a `ModuleOptimizer` share one count.
#[derive(Clone, Debug)]
pub struct GradientNoise<O> {
    config: Varying<GradientNoiseConfig>,
    optimizer: O,
    parameters: Arc<AtomicU64>,
}

/// Holds the state of one parameter under [`GradientNoise`]: the wrapped optimizer's, the number of steps and the
/// parameter's place in the order of first steps.
#[derive(Clone, Debug)]
pub struct GradientNoiseState<S> {
    inner: Option<S>,
    time: u64,
    parameter: u64,
}

impl<O: Optimizer> GradientNoise<O> {
    /// Returns the same noise with hyperparameters that change from step to step, as in
    /// [`Elementwise::varying`](crate::optim::Elementwise::varying).
    ///
    /// # Errors
    ///
    /// Returns the first hyperparameter that is out of range at any of the steps.
    pub fn varying(
        self,
        steps: u64,
        change: impl Fn(&mut GradientNoiseConfig, u64) + Send + Sync + 'static,
    ) -> Result<Self, ConfigError> {
        Ok(Self { config: self.config.over(steps, change, GradientNoiseConfig::check)?, ..self })
    }

    /// The state of a parameter that takes its first step.
    fn first_state<S>(&self) -> GradientNoiseState<S> {
        let taken = u64::from(purpose() == Purpose::Training);
        GradientNoiseState { inner: None, time: 0, parameter: self.parameters.fetch_add(taken, Ordering::Relaxed) }
    }
    /// Makes the optimizer of a whole module: Burn's `ModuleOptimizer`, which has `step`. For a group of parameters
    /// `ModuleOptimizer::with_group` takes the wrapper itself.
    pub fn init(self) -> ModuleOptimizer
    where
        Self: Optimizer,
    {
        self.into()
    }
}

impl<O: Optimizer> Evaluate for GradientNoise<O> {
    fn train<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        let mut state = state.unwrap_or_else(|| self.first_state());
        // A parameter that came with a record keeps its place; new ones come after it.
        if purpose() != Purpose::Inspection {
            self.parameters.fetch_max(state.parameter.saturating_add(1), Ordering::Relaxed);
        }
        state.time += 1;
        let config = self.config.at(state.time);
        let noise = Noise {
            seed: config.seed,
            parameter: state.parameter,
            step: state.time,
            deviation: config.variance(state.time).sqrt(),
        };
        let grad = kernel::add(grad, &noise);
        let (tensor, inner) = self.optimizer.step(lr, tensor, grad, state.inner);
        (tensor, Some(GradientNoiseState { inner, ..state }))
    }

    fn evaluate<const D: usize>(&self, tensor: Tensor<D>, state: Option<Self::State<D>>) -> Tensor<D> {
        evaluate_wrapped(&self.optimizer, tensor, state.and_then(|state| state.inner))
    }
}

optimizer_by_purpose!([O: Optimizer] GradientNoise<O>, D => GradientNoiseState<O::State<D>>, |state, device| {
    let inner = state.inner.map(|inner| O::to_device(inner, device));
    GradientNoiseState { inner, ..state }
});

numbers_of!(GradientNoiseConfig { eta, gamma });

impl<S: RecordState> RecordState for GradientNoiseState<S> {
    fn state_flatten(&self, prefix: &str, out: &mut StateSink) {
        if let Some(inner) = &self.inner {
            inner.state_flatten(prefix, out);
        }
        write_wrapper(prefix, "GradientNoise", out);
        out.push_scalar(prefix, "noise_time", self.time.into());
        out.push_scalar(prefix, "noise_parameter", self.parameter.into());
    }

    fn state_unflatten(prefix: &str, src: &mut StateSource, device: &Device) -> Option<Self> {
        Some(Self {
            time: src.take_scalar(prefix, "noise_time")?.try_into().ok()?,
            parameter: src.take_scalar(prefix, "noise_parameter")?.try_into().ok()?,
            inner: S::state_unflatten(prefix, src, device),
        })
    }
}

/// Normal noise for one tensor, and what it depends on.
struct Noise {
    seed: u64,
    parameter: u64,
    step: u64,
    deviation: f64,
}

impl Noise {
    /// The random numbers of one piece of the tensor.
    fn rng(&self, piece: usize) -> ChaCha8Rng {
        let mut seed = [0; 32];
        let words = [self.seed, self.parameter, self.step, piece as u64];
        for (bytes, word) in seed.chunks_exact_mut(8).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        ChaCha8Rng::from_seed(seed)
    }
}

impl Addend for Noise {
    const PIECE: usize = 16 * 1024;

    fn add_to<E: Element + AddAssign>(&self, piece: usize, values: &mut [E]) {
        let mut rng = self.rng(piece);
        for value in values {
            let normal: f64 = StandardNormal.sample(&mut rng);
            *value += (normal * self.deviation).elem();
        }
    }
}
