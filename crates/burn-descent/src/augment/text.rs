//! Reads and writes pipelines as text: `NAME`, `NAME=NUMBER`, `NAME=NUMBER:NUMBER`, each with `@PROBABILITY` if wanted,
//! between commas.

use super::{AugmentConfig, AugmentError, AugmentStep, Transform};
use std::fmt;
use std::str::FromStr;

/// How a distortion is written, and what its numbers make.
type Form = (&'static str, fn(&[f64]) -> Option<Transform>);

const FORMS: [Form; 24] = [
    ("flip", |numbers| numbers.is_empty().then_some(Transform::Flip)),
    ("vertical-flip", |numbers| numbers.is_empty().then_some(Transform::VerticalFlip)),
    ("crop=PADDING[:HEIGHT:WIDTH]", |numbers| {
        let (padding, size) = numbers.split_first()?;
        Some(Transform::Crop { padding: whole(*padding)?, size: sides(size)? })
    }),
    ("resized-crop=AREA[:HEIGHT:WIDTH]", |numbers| {
        let (area, size) = numbers.split_first()?;
        Some(Transform::ResizedCrop { area: *area, size: sides(size)? })
    }),
    ("rotation=DEGREES", |numbers| one(numbers).map(Transform::Rotation)),
    ("shift=PIXELS", |numbers| one(numbers).map(Transform::Shift)),
    ("scale=SHARE", |numbers| one(numbers).map(Transform::Scale)),
    ("shear=SHARE", |numbers| one(numbers).map(Transform::Shear)),
    ("lens=K", |numbers| one(numbers).map(Transform::Lens)),
    ("elastic=DEVIATION:SMOOTHNESS", |numbers| match *numbers {
        [deviation, smoothness] => Some(Transform::Elastic { deviation, smoothness }),
        _ => None,
    }),
    ("brightness=SHARE", |numbers| one(numbers).map(Transform::Brightness)),
    ("contrast=SHARE", |numbers| one(numbers).map(Transform::Contrast)),
    ("noise=DEVIATION", |numbers| one(numbers).map(Transform::Noise)),
    ("sharpness=SHARE", |numbers| one(numbers).map(Transform::Sharpness)),
    ("posterize=BITS", |numbers| one(numbers).and_then(whole).map(Transform::Posterize)),
    ("solarize=THRESHOLD", |numbers| one(numbers).map(Transform::Solarize)),
    ("autocontrast", |numbers| numbers.is_empty().then_some(Transform::Autocontrast)),
    ("equalize", |numbers| numbers.is_empty().then_some(Transform::Equalize)),
    ("color-jitter=BRIGHTNESS:CONTRAST:SATURATION:HUE", |numbers| match *numbers {
        [brightness, contrast, saturation, hue] => {
            Some(Transform::ColorJitter { brightness, contrast, saturation, hue })
        }
        _ => None,
    }),
    ("randaugment=OPERATIONS:MAGNITUDE", |numbers| match *numbers {
        [operations, magnitude] => {
            Some(Transform::RandAugment { operations: whole(operations)?, magnitude: whole(magnitude)? })
        }
        _ => None,
    }),
    ("trivialaugment", |numbers| numbers.is_empty().then_some(Transform::TrivialAugment)),
    ("erase=AREA", |numbers| one(numbers).map(Transform::Erase)),
    ("mixup=ALPHA", |numbers| one(numbers).map(Transform::Mixup)),
    ("cutmix=ALPHA", |numbers| one(numbers).map(Transform::Cutmix)),
];

/// How every distortion is written.
pub(super) fn usages() -> String {
    FORMS.map(|(usage, _)| usage).join(", ")
}

fn one(numbers: &[f64]) -> Option<f64> {
    match *numbers {
        [number] => Some(number),
        _ => None,
    }
}

fn whole(number: f64) -> Option<usize> {
    (number >= 0.0 && number.fract() == 0.0).then_some(number as usize)
}

/// Height and width, or nothing.
fn sides(numbers: &[f64]) -> Option<Option<[usize; 2]>> {
    match *numbers {
        [] => Some(None),
        [height, width] => Some(Some([whole(height)?, whole(width)?])),
        _ => None,
    }
}

impl Transform {
    /// The numbers in its text.
    fn numbers(self) -> Vec<f64> {
        let with_size = |number: f64, size: Option<[usize; 2]>| {
            let size = size.into_iter().flatten().map(|side| side as f64);
            std::iter::once(number).chain(size).collect()
        };
        match self {
            Self::Flip | Self::VerticalFlip | Self::Autocontrast | Self::Equalize | Self::TrivialAugment => Vec::new(),
            Self::Crop { padding, size } => with_size(padding as f64, size),
            Self::ResizedCrop { area, size } => with_size(area, size),
            Self::Elastic { deviation, smoothness } => vec![deviation, smoothness],
            Self::Posterize(bits) => vec![bits as f64],
            Self::ColorJitter { brightness, contrast, saturation, hue } => vec![brightness, contrast, saturation, hue],
            Self::RandAugment { operations, magnitude } => vec![operations as f64, magnitude as f64],
            Self::Sharpness(number) | Self::Solarize(number) => vec![number],
            Self::Rotation(number) | Self::Shift(number) | Self::Scale(number) | Self::Shear(number) => vec![number],
            Self::Lens(number) | Self::Brightness(number) | Self::Contrast(number) => vec![number],
            Self::Noise(number) | Self::Erase(number) | Self::Mixup(number) | Self::Cutmix(number) => vec![number],
        }
    }
}

/// Writes a step such as `rotation=10@0.5`, the probability if it is not the usual one.
impl fmt::Display for AugmentStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.transform.name())?;
        for (place, number) in self.transform.numbers().into_iter().enumerate() {
            write!(f, "{}{number}", if place == 0 { '=' } else { ':' })?;
        }
        if self.probability != self.transform.usual_probability() {
            write!(f, "@{}", self.probability)?;
        }
        Ok(())
    }
}

impl FromStr for AugmentStep {
    type Err = AugmentError;

    fn from_str(text: &str) -> Result<Self, AugmentError> {
        let (form, probability) = text.split_once('@').map_or((text, None), |(form, number)| (form, Some(number)));
        let (name, numbers) = form.split_once('=').map_or((form, None), |(name, numbers)| (name, Some(numbers)));
        let name = name.trim();
        let known = FORMS.iter().find(|(usage, _)| usage.split('=').next() == Some(name));
        let (usage, make) = known.ok_or_else(|| AugmentError::Unknown { name: name.to_owned() })?;
        let number = |text: &str| text.trim().parse::<f64>().ok();
        let numbers =
            numbers.into_iter().flat_map(|numbers| numbers.split(':')).map(number).collect::<Option<Vec<_>>>();
        let read = || {
            let transform = make(&numbers?)?;
            let probability = probability.map_or(Some(transform.usual_probability()), number)?;
            Some(Self { transform, probability })
        };
        read().ok_or_else(|| AugmentError::Syntax { text: text.to_owned(), usage })
    }
}

impl fmt::Display for AugmentConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps: Vec<String> = self.steps.iter().map(ToString::to_string).collect();
        f.write_str(&steps.join(","))
    }
}

/// Refuses strengths and probabilities that are out of range, too.
impl FromStr for AugmentConfig {
    type Err = AugmentError;

    fn from_str(text: &str) -> Result<Self, AugmentError> {
        let mut config = Self::new();
        for step in text.split(',').map(str::trim) {
            match step {
                "default" => config.steps.extend(Self::digits().steps),
                step => config.steps.push(step.parse()?),
            }
        }
        config.init()?;
        Ok(config)
    }
}
