use super::{AugmentError, AugmentKey, Transform, geometry, mix, tone};
use crate::error::{ConfigError, ValueRange};
use burn::tensor::{FloatDType, Tensor};
use serde::{Deserialize, Serialize};

/// Describes one distortion of a pipeline, and how often it is done.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AugmentStep {
    /// Sets the distortion.
    pub transform: Transform,
    /// Sets the probability with which an image is distorted, in [0, 1].
    pub probability: f64,
}

/// Configures [`Augment`]: distortions one after the other. Changes of shape come first, then changes of values, then
/// mixing; within each of the three they are done in the order written, `Elastic` excepted.
///
/// It reads from and prints as text, for use as a flag; `default` is [`digits`](Self::digits), `@` gives a probability
/// other than the [usual](Transform::usual_probability):
///
/// ```
/// use burn_descent::augment::{AugmentConfig, Transform};
///
/// let text = "flip,crop=2,rotation=10@0.3,elastic=1:4,mixup=0.2";
/// let config: AugmentConfig = text.parse()?;
/// let crop = Transform::Crop { padding: 2, size: None };
/// let elastic = Transform::Elastic { deviation: 1.0, smoothness: 4.0 };
/// let expected = AugmentConfig::new().then(Transform::Flip).then(crop).then_at(0.3, Transform::Rotation(10.0));
/// assert_eq!(config, expected.then(elastic).then(Transform::Mixup(0.2)));
/// assert_eq!(config.to_string(), text);
/// # Ok::<(), burn_descent::augment::AugmentError>(())
/// ```
///
/// In a configuration file it is a list: `[{"transform": {"rotation": 10.0}, "probability": 1.0}]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AugmentConfig {
    /// Lists the distortions, the first to be done first.
    pub steps: Vec<AugmentStep>,
}

impl AugmentConfig {
    /// Makes a configuration without distortions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a configuration that suits handwritten digits: rotations by up to 10 degrees, shifts by up to 2 pixels and
    /// changes of up to 10 % in size.
    pub fn digits() -> Self {
        Self::new().then(Transform::Rotation(10.0)).then(Transform::Shift(2.0)).then(Transform::Scale(0.1))
    }

    /// Adds `transform` at the end, with its usual probability.
    pub fn then(self, transform: Transform) -> Self {
        self.then_at(transform.usual_probability(), transform)
    }

    /// Adds `transform` at the end, with this probability in [0, 1].
    pub fn then_at(mut self, probability: f64, transform: Transform) -> Self {
        self.steps.push(AugmentStep { transform, probability });
        self
    }

    /// Makes the pipeline that distorts images.
    ///
    /// # Errors
    ///
    /// Returns the first strength or probability that is out of range.
    ///
    /// ```
    /// use burn_descent::augment::{AugmentConfig, Transform};
    ///
    /// let error = AugmentConfig::new().then(Transform::Rotation(-3.0)).init().unwrap_err();
    /// assert_eq!(error.to_string(), "Augment: rotation should be in [0, 180], but is -3");
    /// ```
    pub fn init(&self) -> Result<Augment, ConfigError> {
        for step in &self.steps {
            step.transform.check()?;
            ValueRange::Fraction.check("Augment", "probability", step.probability)?;
        }
        Ok(Augment { steps: self.steps.clone() })
    }
}

/// Distorts batches of images by a pipeline whose numbers were checked.
#[derive(Clone, Debug)]
pub struct Augment {
    steps: Vec<AugmentStep>,
}

impl Augment {
    /// Distorts images `[batch, channels, height, width]` with values in [0, 1]: all but the mixing. They come out in
    /// the same precision, though it is `f32` that they are distorted in, and in [0, 1] if they were.
    ///
    /// # Errors
    ///
    /// Returns an error if there are no images, `draw` is not for as many, or a crop is larger than they are.
    pub fn distort(&self, images: Tensor<4>, draw: &AugmentKey) -> Result<Tensor<4>, AugmentError> {
        ensure_images(&images, draw)?;
        in_single(images, |images| {
            let images = geometry::distort(&self.steps, images, draw)?;
            Ok(tone::distort(&self.steps, images, draw))
        })
    }

    /// Tells whether there is something for [`mix`](Self::mix) to do.
    pub fn mixes(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.transform, Transform::Mixup(_) | Transform::Cutmix(_)))
    }

    /// Mixes images, and in the same way their targets: `[batch, classes]`, probabilities whose rows sum to 1.
    ///
    /// # Errors
    ///
    /// Returns an error if there are no images, or `draw` or `targets` are not for as many.
    ///
    /// ```
    /// use burn::tensor::{Device, Int, Tensor};
    /// use burn_descent::augment::{AugmentConfig, AugmentKey, Transform};
    ///
    /// let device = Device::default();
    /// let images = Tensor::<4>::ones([2, 3, 8, 8], &device);
    /// let targets = Tensor::<1, Int>::from_ints([0, 4], &device).one_hot::<2>(5).float();
    /// let augment = AugmentConfig::new().then(Transform::Mixup(0.2)).init()?;
    /// let (_, targets) = augment.mix(images, targets, &AugmentKey { seed: 1, epoch: 1, images: &[0, 1] })?;
    /// assert!((targets.sum().into_scalar::<f32>() - 2.0).abs() < 1e-6);
    /// # Ok::<(), burn_descent::augment::AugmentError>(())
    /// ```
    pub fn mix(
        &self,
        images: Tensor<4>,
        targets: Tensor<2>,
        draw: &AugmentKey,
    ) -> Result<(Tensor<4>, Tensor<2>), AugmentError> {
        ensure_images(&images, draw)?;
        ensure_one_each("targets", &images, targets.dims()[0])?;
        let mut targets = targets;
        let images = in_single(images, |mut images| {
            for (number, step) in self.steps.iter().enumerate() {
                (images, targets) = mix::mix((number, step), images, targets.clone(), draw);
            }
            Ok(images)
        })?;
        Ok((images, targets))
    }

    /// Returns the height and width of the images that come out, where those that come in have the size `image`.
    ///
    /// # Errors
    ///
    /// Returns an error if a crop is larger than the image.
    pub fn size(&self, image: [usize; 2]) -> Result<[usize; 2], AugmentError> {
        self.steps.iter().try_fold(image, |size, step| step.transform.size(size))
    }
}

/// Rotates each image of `[batch, channels, height, width]` about its centre by its own angle in `degrees`, clockwise.
/// [`Transform::Rotation`] does the same with angles that it draws; here they are known, and may be a label to learn.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_descent::augment::rotate;
///
/// let image = Tensor::<4>::from_floats([[[[0.0, 0.25], [0.5, 1.0]]]], &Device::default());
/// let turned = rotate(image, &[90.0])?.into_data().try_into_vec::<f32>().unwrap();
/// assert!(turned.iter().zip([0.5, 0.0, 1.0, 0.25]).all(|(found, expected)| (found - expected).abs() < 1e-6));
/// # Ok::<(), burn_descent::augment::AugmentError>(())
/// ```
///
/// # Errors
///
/// Returns an error if there are no images, or not as many angles, or one of them is not in [−360, 360].
pub fn rotate(images: Tensor<4>, degrees: &[f64]) -> Result<Tensor<4>, AugmentError> {
    ensure_numbers("angles", &images, degrees.len())?;
    degrees.iter().try_for_each(|angle| ValueRange::Within(-360.0, 360.0).check("Augment", "degrees", *angle))?;
    in_single(images, |images| Ok(geometry::rotate(images, degrees)))
}

/// That there are images, and numbers for each.
fn ensure_images(images: &Tensor<4>, draw: &AugmentKey) -> Result<(), AugmentError> {
    ensure_numbers("numbers in `AugmentKey::images`", images, draw.images.len())
}

fn ensure_numbers(what: &'static str, images: &Tensor<4>, found: usize) -> Result<(), AugmentError> {
    let shape = images.dims();
    if shape.contains(&0) {
        return Err(AugmentError::Empty { shape });
    }
    ensure_one_each(what, images, found)
}

fn ensure_one_each(what: &'static str, images: &Tensor<4>, found: usize) -> Result<(), AugmentError> {
    let expected = images.dims()[0];
    if found == expected { Ok(()) } else { Err(AugmentError::Count { what, expected, found }) }
}

/// What `change` makes of the images in `f32` and without autodiff, with both as before.
fn in_single(
    images: Tensor<4>,
    change: impl FnOnce(Tensor<4>) -> Result<Tensor<4>, AugmentError>,
) -> Result<Tensor<4>, AugmentError> {
    let (dtype, tracks) = (images.dtype(), images.is_autodiff());
    let images = change(images.inner().cast(FloatDType::F32))?.cast(FloatDType::from(dtype));
    Ok(if tracks { images.autodiff() } else { images })
}
