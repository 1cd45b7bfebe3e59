use super::accumulate::Accumulate;
use super::finite::ApplyIfFinite;
use super::tensorwise::{Each, ErasedTransform};
use super::{
    AdaptiveClipConfig, CentralizationConfig, ClipValueConfig, EachGradient, NonFiniteGradients, Norm, Parameter,
    Skips, TensorTransform, for_each_gradient, norm,
};
use crate::error::{ConfigError, ValueRange};
use burn::module::{Module, ParamGroup};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// Describes one transform of the gradients of a module. In a configuration file it reads as `{"clip_norm": 1.0}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GradientTransform {
    /// Clips all gradients by their norm: `g ← g·min(1, c/‖g‖)`, ‖g‖ over all gradients together (Pascanu et al. 2013;
    /// coverage D15). c is in `(0, ∞)`.
    ///
    /// The norm is summed on the device, and the gradients scaled there, without waiting. If one value is NaN or
    /// infinite, all become NaN or zero: `ApplyIfFinite` belongs before it. So it is on a GPU where the square of the norm
    /// is beyond `f32`, from a norm of 1.8e19 on; the CPU backends sum in `f64`.
    ClipNorm(f64),
    /// Clips all gradients by another norm than the Euclidean: `g ← g·min(1, c/‖g‖)`. In a configuration file it reads as
    /// `{"clip_norm_by": {"norm": "maximum", "limit": 0.5}}`.
    ClipNormBy {
        /// Selects the norm.
        norm: Norm,
        /// Sets c, in `(0, ∞)`.
        limit: f64,
    },
    /// Clips the gradient of each unit by the norm of its weights, see [`AdaptiveClipConfig`].
    AdaptiveClip(AdaptiveClipConfig),
    /// Clips each value, see [`ClipValueConfig`].
    ClipValue(ClipValueConfig),
    /// Subtracts means, see [`CentralizationConfig`].
    Centralize(CentralizationConfig),
    /// Accumulates gradients, `g ← (g₁ + … + g_k)/k`: keeps those of k micro-batches back, and gives their mean with
    /// the last of them. k is at least 1. Burn's own accumulation gives the sum.
    ///
    /// A parameter without a gradient in one of the micro-batches counts as zero there.
    Accumulate(usize),
    /// Skips the step if a value of any gradient is NaN or infinite; more than this number of skips in a row are an
    /// error. Waits for the device once a step.
    ///
    /// Batch normalization has seen the batch by then: if what passed through it was not finite, its running statistics
    /// are not either.
    ApplyIfFinite(u64),
    /// Does with each gradient what a transform of your own says, see [`ChainConfig::then_each`]. It has no place in a
    /// configuration file: writing a chain that has one fails.
    #[serde(skip)]
    Custom(CustomTransform),
    /// Applies other transforms to the parameters of a group alone. What they keep back or skip is so for the group
    /// alone.
    Masked {
        /// Selects the parameters, by their path in the module or their id.
        group: ParamGroup,
        /// Describes what is done with their gradients.
        chain: ChainConfig,
    },
}

/// Holds a [`TensorTransform`] of any type, for a [`Chain`].
#[derive(Clone)]
pub struct CustomTransform {
    transform: Arc<dyn ErasedTransform>,
    name: &'static str,
}

impl CustomTransform {
    /// Erases the type of `transform`.
    pub fn new(transform: impl TensorTransform) -> Self {
        Self { name: std::any::type_name_of_val(&transform), transform: Arc::new(transform) }
    }
}

impl fmt::Debug for CustomTransform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CustomTransform({})", self.name)
    }
}

impl EachGradient for &CustomTransform {
    fn each<const D: usize>(&mut self, _parameter: Parameter<'_>, gradient: Tensor<D>) -> Option<Tensor<D>> {
        Some(Tensor::from_bridge(self.transform.transform_dyn(D, gradient.into_bridge())))
    }
}

impl GradientTransform {
    /// Where in a chain it usually belongs.
    fn place(&self) -> usize {
        match self {
            Self::ApplyIfFinite(_) => 0,
            Self::Accumulate(_) => 1,
            Self::Centralize(_) => 2,
            Self::ClipValue(_) => 3,
            Self::AdaptiveClip(_) => 4,
            Self::ClipNorm(_) | Self::ClipNormBy { .. } => 5,
            Self::Custom(_) => 6,
            Self::Masked { .. } => 7,
        }
    }
}

/// Configures a [`Chain`]: transforms of the gradients of a module, in the order in which they are done.
///
/// ```
/// use burn::nn::LinearConfig;
/// use burn::optim::GradientsParams;
/// use burn::tensor::{Device, Tensor};
/// use burn_descent::gradient::ChainConfig;
/// use burn_descent::optim::NadamConfig;
///
/// let device = Device::default().autodiff();
/// let mut model = LinearConfig::new(4, 1).init(&device);
/// let mut optimizer = NadamConfig::new().init()?;
/// let mut chain = ChainConfig::new().apply_if_finite(3).accumulate(2).centralize().clip_norm(1.0).init()?;
///
/// for _ in 0..4 {
///     let loss = model.forward(Tensor::<2>::ones([8, 4], &device)).square().mean();
///     let gradients = GradientsParams::from_grads(loss.backward(), &model);
///     let gradients = chain.apply(&model, gradients)?; // empty in every other round: the optimizer leaves all as it is
///     model = optimizer.step(2e-3, model, gradients);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// With Burn's `Learner`, the model's `TrainStep::optimize` is the place for it; the chain lives beside the model, in a
/// field with `#[module(skip)]`. In a configuration file it is a list: `[{"accumulate": 2}, {"clip_norm": 1.0}]`.
///
/// Transforms of single tensors can also be wrapped around an optimizer ([`ClipValueConfig::wrap`],
/// [`CentralizationConfig::wrap`], [`GradientNoiseConfig::wrap`](super::GradientNoiseConfig::wrap)); those act after
/// the chain.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChainConfig {
    /// Lists the transforms, the first to be done first.
    pub transforms: Vec<GradientTransform>,
}

impl ChainConfig {
    /// Returns a chain that leaves the gradients as they are.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the same chain with `transform`, in the place of the first of its kind, else where it usually belongs.
    /// The usual order is `ApplyIfFinite`, `Accumulate`, `Centralize`, `ClipValue`, `AdaptiveClip`, `ClipNorm` (by
    /// whatever norm), `Custom`, and groups after all others.
    ///
    /// ```
    /// use burn_descent::gradient::{ChainConfig, GradientTransform};
    ///
    /// let chain = ChainConfig::new().accumulate(2).clip_norm(1.0);
    /// let chain = chain.with(GradientTransform::ClipNorm(5.0)).with(GradientTransform::ApplyIfFinite(3));
    /// let expected = ChainConfig::new().apply_if_finite(3).accumulate(2).clip_norm(5.0);
    /// assert_eq!(format!("{chain:?}"), format!("{expected:?}"));
    /// ```
    pub fn with(mut self, transform: GradientTransform) -> Self {
        let places = self.transforms.iter().map(GradientTransform::place);
        let place = transform.place();
        match places.clone().position(|other| other == place) {
            Some(index) => self.transforms[index] = transform,
            None => {
                let index = places.clone().position(|other| other > place).unwrap_or(self.transforms.len());
                self.transforms.insert(index, transform);
            }
        }
        self
    }

    /// Adds `transform` at the end.
    pub fn then(mut self, transform: GradientTransform) -> Self {
        self.transforms.push(transform);
        self
    }

    /// Adds at the end a transform of each gradient, one of this crate's or of your own.
    ///
    /// ```
    /// use burn::tensor::Tensor;
    /// use burn_descent::ConfigError;
    /// use burn_descent::gradient::{ChainConfig, TensorTransform};
    ///
    /// /// Keeps the signs of a gradient alone.
    /// #[derive(Clone)]
    /// struct Sign;
    ///
    /// impl TensorTransform for Sign {
    ///     fn transform<const D: usize>(&self, gradient: Tensor<D>) -> Tensor<D> {
    ///         gradient.sign()
    ///     }
    ///
    ///     fn check(&self) -> Result<(), ConfigError> {
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let chain = ChainConfig::new().apply_if_finite(3).then_each(Sign).init()?;
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn then_each(self, transform: impl TensorTransform) -> Self {
        self.then(GradientTransform::Custom(CustomTransform::new(transform)))
    }

    /// Adds [`GradientTransform::ClipNorm`] at the end: all gradients together are clipped to a norm of `limit`.
    pub fn clip_norm(self, limit: f64) -> Self {
        self.then(GradientTransform::ClipNorm(limit))
    }

    /// Adds [`GradientTransform::ClipNormBy`] at the end: all gradients together are clipped to a norm of `limit`, by
    /// whatever norm.
    ///
    /// ```
    /// use burn_descent::gradient::{ChainConfig, Norm};
    ///
    /// // No value above 0.5; the direction stays, as it does not where each value is clipped by itself.
    /// let chain = ChainConfig::new().clip_norm_by(Norm::Maximum, 0.5).init()?;
    /// # Ok::<(), burn_descent::ConfigError>(())
    /// ```
    pub fn clip_norm_by(self, norm: Norm, limit: f64) -> Self {
        self.then(GradientTransform::ClipNormBy { norm, limit })
    }

    /// Adds [`GradientTransform::AdaptiveClip`] at the end: the gradient of each unit is clipped to `lambda` times the
    /// norm of its weights.
    pub fn adaptive_clip(self, lambda: f64) -> Self {
        self.then(GradientTransform::AdaptiveClip(AdaptiveClipConfig::new(lambda)))
    }

    /// Adds [`GradientTransform::ClipValue`] at the end: each value is clipped to a magnitude of `limit`.
    pub fn clip_value(self, limit: f64) -> Self {
        self.then(GradientTransform::ClipValue(ClipValueConfig::new(limit)))
    }

    /// Adds [`GradientTransform::Centralize`] at the end: means are subtracted, with the outputs where Burn's layers
    /// have them.
    pub fn centralize(self) -> Self {
        self.then(GradientTransform::Centralize(CentralizationConfig::new()))
    }

    /// Adds [`GradientTransform::Accumulate`] at the end: gradients are averaged over `batches` micro-batches.
    pub fn accumulate(self, batches: usize) -> Self {
        self.then(GradientTransform::Accumulate(batches))
    }

    /// Adds [`GradientTransform::ApplyIfFinite`] at the end: steps that are not finite are skipped, up to `allowed` in
    /// a row.
    pub fn apply_if_finite(self, allowed: u64) -> Self {
        self.then(GradientTransform::ApplyIfFinite(allowed))
    }

    /// Adds [`GradientTransform::Masked`] at the end: the transforms of `chain` act on the parameters of `group` alone.
    ///
    /// ```
    /// use burn::module::ParamGroup;
    /// use burn_descent::gradient::ChainConfig;
    ///
    /// let chain = ChainConfig::new()
    ///     .masked(ParamGroup::from_predicate("weight"), ChainConfig::new().centralize())
    ///     .clip_norm(1.0)
    ///     .init()?;
    /// # Ok::<(), burn_descent::ConfigError>(())
    /// ```
    pub fn masked(self, group: ParamGroup, chain: ChainConfig) -> Self {
        self.then(GradientTransform::Masked { group, chain })
    }

    /// Makes the chain, ready for use.
    ///
    /// # Errors
    ///
    /// Returns the first limit that is out of range.
    pub fn init(&self) -> Result<Chain, ConfigError> {
        Ok(Chain { stages: self.transforms.iter().map(Stage::new).collect::<Result<_, _>>()? })
    }
}

/// Transforms gradients as [`ChainConfig`] describes, and holds what has to be kept from step to step.
///
/// That is not part of any record. After [`flush`](Self::flush) the chain is as at the start, so a run that is saved
/// there goes on exactly as it would have unbroken.
#[derive(Debug, Default)]
pub struct Chain {
    stages: Vec<Stage>,
}

/// Gradients for a step, or none for no step.
type Passed = Result<Option<GradientsParams>, NonFiniteGradients>;

/// A transform, with its state.
#[derive(Debug)]
enum Stage {
    ClipNorm(Norm, f64),
    AdaptiveClip(AdaptiveClipConfig),
    ClipValue(ClipValueConfig),
    Centralize(CentralizationConfig),
    Accumulate(Accumulate),
    ApplyIfFinite(ApplyIfFinite),
    Custom(CustomTransform),
    Masked { group: ParamGroup, chain: Chain },
}

impl Chain {
    /// Returns the transformed gradients of `module`; none at all if the step is not to be taken now, because gradients
    /// are being accumulated or the step is skipped. An optimizer leaves everything as it is then.
    ///
    /// # Errors
    ///
    /// Returns [`NonFiniteGradients`] if more steps in a row were skipped than are allowed.
    pub fn apply<M: Module>(
        &mut self,
        module: &M,
        gradients: GradientsParams,
    ) -> Result<GradientsParams, NonFiniteGradients> {
        Ok(self.pass(module, Some(gradients), Stage::apply)?.unwrap_or_default())
    }

    /// Returns the mean of the micro-batches that have been accumulated so far, with all that comes after it in the
    /// chain; no gradients if there are none. It is for the end of an epoch, when what is left over makes up a step of
    /// its own, at the learning rate of the last step.
    ///
    /// The chain begins again then: the number of skips in a row is 0. Only the total of [`skips`](Self::skips) stays.
    ///
    /// # Errors
    ///
    /// Returns [`NonFiniteGradients`] if the mean is not finite and no skip is left for it.
    pub fn flush<M: Module>(&mut self, module: &M) -> Result<GradientsParams, NonFiniteGradients> {
        let left_over = self.pass(module, None, Stage::flush)?;
        self.forget_skips_in_a_row();
        Ok(left_over.unwrap_or_default())
    }

    /// Counts the steps that were skipped because their gradients were not finite.
    pub fn skips(&self) -> Skips {
        let mut all = Skips::default();
        for stage in &self.stages {
            let skips = match stage {
                Stage::ApplyIfFinite(stage) => stage.skips.clone(),
                Stage::Masked { chain, .. } => chain.skips(),
                _ => continue,
            };
            all.total += skips.total;
            all.consecutive = all.consecutive.max(skips.consecutive);
            all.parameter = skips.parameter.or(all.parameter);
        }
        all
    }

    /// Tells whether the chain leaves every gradient as it is.
    pub fn is_empty(&self) -> bool {
        self.stages.is_empty()
    }

    /// Tells whether the chain carries nothing from one step to the next at the moment: no gradients are kept back, and the
    /// last step was not skipped. A training that is saved then goes on as it would have unbroken.
    pub fn is_at_rest(&self) -> bool {
        self.stages.iter().all(|stage| match stage {
            Stage::Accumulate(stage) => stage.is_empty(),
            Stage::ApplyIfFinite(stage) => stage.skips.consecutive == 0,
            Stage::Masked { chain, .. } => chain.is_at_rest(),
            Stage::ClipNorm(..)
            | Stage::AdaptiveClip(_)
            | Stage::ClipValue(_)
            | Stage::Centralize(_)
            | Stage::Custom(_) => true,
        })
    }

    fn pass<M: Module>(
        &mut self,
        module: &M,
        mut gradients: Option<GradientsParams>,
        step: fn(&mut Stage, &M, Option<GradientsParams>) -> Passed,
    ) -> Passed {
        for stage in &mut self.stages {
            gradients = step(stage, module, gradients)?;
        }
        Ok(gradients)
    }

    /// Begins again, as for a training that goes back to an earlier state: forgets the gradients that are kept back, and the
    /// skips in a row. The total of [`skips`](Self::skips) stays.
    pub fn restart(&mut self) {
        for stage in &mut self.stages {
            match stage {
                Stage::Accumulate(stage) => stage.restart(),
                Stage::Masked { chain, .. } => chain.restart(),
                _ => {}
            }
        }
        self.forget_skips_in_a_row();
    }

    fn forget_skips_in_a_row(&mut self) {
        for stage in &mut self.stages {
            match stage {
                Stage::ApplyIfFinite(stage) => stage.skips.consecutive = 0,
                Stage::Masked { chain, .. } => chain.forget_skips_in_a_row(),
                _ => {}
            }
        }
    }
}

impl Stage {
    fn new(transform: &GradientTransform) -> Result<Self, ConfigError> {
        Ok(match transform {
            GradientTransform::ClipNorm(limit) => {
                ValueRange::Positive.check("Chain", "clip_norm", *limit)?;
                Self::ClipNorm(Norm::Euclidean, *limit)
            }
            GradientTransform::ClipNormBy { norm, limit } => {
                ValueRange::Positive.check("Chain", "clip_norm_by", *limit)?;
                Self::ClipNorm(*norm, *limit)
            }
            GradientTransform::AdaptiveClip(config) => {
                config.check()?;
                Self::AdaptiveClip(*config)
            }
            GradientTransform::ClipValue(config) => {
                config.check()?;
                Self::ClipValue(*config)
            }
            GradientTransform::Centralize(config) => {
                config.check()?;
                Self::Centralize(*config)
            }
            GradientTransform::Accumulate(batches) => {
                ValueRange::AtLeast(1.0).check("Chain", "accumulate", *batches as f64)?;
                Self::Accumulate(Accumulate::new(*batches))
            }
            GradientTransform::Custom(transform) => {
                transform.transform.check_dyn()?;
                Self::Custom(transform.clone())
            }
            GradientTransform::ApplyIfFinite(allowed) => Self::ApplyIfFinite(ApplyIfFinite::new(*allowed)),
            GradientTransform::Masked { group, chain } => Self::Masked { group: group.clone(), chain: chain.init()? },
        })
    }

    /// What comes out where `gradients` go in; `None` is no step.
    fn apply<M: Module>(&mut self, module: &M, gradients: Option<GradientsParams>) -> Passed {
        let Some(mut gradients) = gradients else {
            return Ok(None);
        };
        match self {
            Self::ClipNorm(norm, limit) => norm::clip(*norm, *limit, module, &mut gradients),
            Self::AdaptiveClip(config) => config.apply(module, &mut gradients),
            Self::ClipValue(config) => for_each_gradient(module, &mut gradients, &mut Each(config)),
            Self::Centralize(config) => for_each_gradient(module, &mut gradients, &mut Each(config)),
            Self::Custom(transform) => for_each_gradient(module, &mut gradients, &mut &*transform),
            Self::Accumulate(stage) => return Ok(stage.apply(module, gradients)),
            Self::ApplyIfFinite(stage) => return stage.apply(module, gradients),
            Self::Masked { group, chain } => {
                let inside = split(module, &mut gradients, group);
                let inside = chain.apply(module, inside)?;
                join(module, &mut gradients, inside);
            }
        }
        Ok(Some(gradients))
    }

    /// What comes out where the chain ends: `gradients`, if stages before this one had any left over, and what this one
    /// has.
    fn flush<M: Module>(&mut self, module: &M, gradients: Option<GradientsParams>) -> Passed {
        let mut passed = self.apply(module, gradients)?;
        match self {
            Self::Accumulate(stage) if passed.is_none() => return Ok(stage.flush(module)),
            Self::Masked { chain, .. } => {
                let left_over = chain.flush(module)?;
                if !left_over.is_empty() {
                    join(module, passed.get_or_insert_default(), left_over);
                }
            }
            _ => {}
        }
        Ok(passed)
    }
}

/// Takes the gradients of a group out of `gradients`.
fn split<M: Module>(module: &M, gradients: &mut GradientsParams, group: &ParamGroup) -> GradientsParams {
    struct Split<'a> {
        group: &'a ParamGroup,
        inside: GradientsParams,
    }
    impl EachGradient for Split<'_> {
        fn each<const D: usize>(&mut self, parameter: Parameter<'_>, gradient: Tensor<D>) -> Option<Tensor<D>> {
            if !self.group.matches(&parameter.id, Some(&parameter.path())) {
                return Some(gradient);
            }
            self.inside.register(parameter.id, gradient);
            None
        }
    }
    let mut split = Split { group, inside: GradientsParams::new() };
    for_each_gradient(module, gradients, &mut split);
    split.inside
}

/// Puts gradients back among the others.
fn join<M: Module>(module: &M, gradients: &mut GradientsParams, mut inside: GradientsParams) {
    struct Join<'a>(&'a mut GradientsParams);
    impl EachGradient for Join<'_> {
        fn each<const D: usize>(&mut self, parameter: Parameter<'_>, gradient: Tensor<D>) -> Option<Tensor<D>> {
            self.0.register(parameter.id, gradient);
            None
        }
    }
    for_each_gradient(module, &mut inside, &mut Join(gradients));
}
