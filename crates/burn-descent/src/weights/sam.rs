use super::retrained::retrained;
use crate::error::{ConfigError, ValueRange};
use crate::gradient::{EachGradient, Parameter, for_each_shared_gradient, global_norm};
use crate::kernel;
use burn::config::Config;
use burn::module::{Module, ModuleMapper, Param};
use burn::optim::GradientsParams;
use burn::tensor::{FloatDType, Tensor};

/// Configures [`Sam`], sharpness-aware minimization (Foret et al. 2021).
///
/// ```text
/// g₁ = ∇L(θ)
/// g  = ∇L(θ + ρ·g₁/‖g₁‖)      ‖g₁‖ over all parameters together
/// ```
///
/// g goes to an optimizer, whose step starts from θ.
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `rho` | 0.05 | `[0, ∞)` | ρ, how far off the gradient is taken; 0 is θ itself |
///
/// Each step takes two gradients. Where the gradients of micro-batches are averaged, each of them goes its own way up,
/// as those of the devices do in the paper.
#[derive(Config, Debug, Copy, PartialEq)]
pub struct SamConfig {
    /// Sets ρ, the distance from the weights at which the gradient is taken, in `[0, ∞)`.
    #[config(default = 0.05)]
    pub rho: f64,
}

impl SamConfig {
    /// Makes [`Sam`], which takes the gradients for sharpness-aware minimization.
    ///
    /// # Errors
    ///
    /// Returns a [`ConfigError`] if `rho` is out of range.
    pub fn init(&self) -> Result<Sam, ConfigError> {
        ValueRange::NonNegative.check("Sam", "rho", self.rho)?;
        Ok(Sam { rho: self.rho })
    }
}

/// Takes gradients where the loss is highest nearby, as [`SamConfig`] configures.
///
/// ```
/// use burn::nn::LinearConfig;
/// use burn::optim::GradientsParams;
/// use burn::tensor::{Device, Tensor};
/// use burn_descent::optim::MomentumConfig;
/// use burn_descent::weights::SamConfig;
///
/// let device = Device::default().autodiff();
/// let mut model = LinearConfig::new(4, 1).init(&device);
/// let mut optimizer = MomentumConfig::new().init()?;
/// let sam = SamConfig::new().init()?;
///
/// let images = Tensor::<2>::ones([8, 4], &device);
/// let gradients = sam.gradients(&model, |model| {
///     let loss = model.forward(images.clone()).square().mean();
///     GradientsParams::from_grads(loss.backward(), model)
/// });
/// model = optimizer.step(0.1, model, gradients);
/// # Ok::<(), burn_descent::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sam {
    rho: f64,
}

impl Sam {
    /// Returns the gradients of the loss at `θ + ρ·g/‖g‖`, for a step from θ, which is where `model` stays.
    ///
    /// `gradients` gives those of the loss at the model that it is handed; it is called twice, for the same batch both
    /// times. The running statistics of batch normalization follow the first of them alone; dropout draws anew in the
    /// second, unless `gradients` seeds the device. A gradient that is zero everywhere moves nothing; one that is not
    /// finite makes those at the second point NaN.
    pub fn gradients<M: Module>(&self, model: &M, mut gradients: impl FnMut(&M) -> GradientsParams) -> GradientsParams {
        let first = gradients(model);
        match self.perturbed(model, &first) {
            Some(perturbed) => gradients(&perturbed),
            None => first,
        }
    }

    /// Returns `model` at `θ + ρ·g/‖g‖`, where g are its `gradients`; none without gradients. It is for loops that need
    /// more of the first pass than [`gradients`](Self::gradients) hands out, such as its loss.
    ///
    /// It shares no running statistics with `model`.
    pub fn perturbed<M: Module>(&self, model: &M, gradients: &GradientsParams) -> Option<M> {
        let norm = global_norm(model, gradients)?;
        // Nothing to divide by: a gradient of zero shows no way up.
        let scale = norm.clone().recip() * self.rho;
        let scale = scale.mask_fill(norm.equal_scalar(0.0), 0.0);
        let mut ascent = Ascent { scale, steps: GradientsParams::new() };
        for_each_shared_gradient(model, gradients, &mut ascent);
        Some(retrained(model, |model| model.map(&mut Climb(ascent.steps))))
    }
}

/// `ρ·g/‖g‖` of each gradient.
struct Ascent {
    scale: Tensor<1>,
    steps: GradientsParams,
}

impl EachGradient for Ascent {
    fn each<const D: usize>(&mut self, parameter: Parameter<'_>, gradient: Tensor<D>) -> Option<Tensor<D>> {
        let dtype = FloatDType::from(gradient.dtype());
        let working = FloatDType::from(kernel::working_dtype(gradient.dtype()));
        let scale = self.scale.clone().to_device(&gradient.device()).cast(working).reshape([1; D]);
        self.steps.register(parameter.id, (gradient.cast(working) * scale).cast(dtype));
        None
    }
}

/// Adds to each parameter what is there for it.
struct Climb(GradientsParams);

impl ModuleMapper for Climb {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        // A tied parameter comes by more than once.
        match self.0.get::<D>(param.id) {
            Some(step) => param.map(|theta| theta + step),
            None => param,
        }
    }
}
