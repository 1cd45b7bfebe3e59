use super::variation::Course;
use super::{
    Backend, Classifier, Criterion, OptimizerKind, Run, Sampling, Split, TrainError, TransferConfig, Variation,
    WeightTransform, WeightTransforms, files,
};
use crate::augment::{Augment, AugmentConfig, AugmentError, Views};
use crate::data::KnownDataset;
use crate::early_stopping::EarlyStoppingConfig;
use crate::ensemble::Combination;
use crate::error::ConfigError;
use crate::gradient::{ChainConfig, GradientTransform};
use crate::model::{CnnConfig, LabelSmoothing, MlpConfig, ResNetConfig};
use crate::penalty::PenaltiesConfig;
use crate::sample::{Curriculum, Ranking};
use crate::schedule::{CosineRestartsConfig, OneCycleConfig, RunLength, Schedule, Span};
use crate::weights::{EmaConfig, LookaheadConfig, Sam, SamConfig, SwaConfig};
use burn::optim::ModuleOptimizer;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// What a run trains on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DatasetKind {
    /// Handwritten digits.
    #[default]
    Mnist,
    /// Articles of clothing.
    Fashion,
    /// Embedded digits: drawn by [`crate::data::EmbeddedDigits`], from nothing but a seed.
    Synthetic,
}

impl DatasetKind {
    const ALL: [Self; 3] = [Self::Mnist, Self::Fashion, Self::Synthetic];

    /// The published data set, unless the digits are drawn.
    pub fn known(self) -> Option<KnownDataset> {
        match self {
            Self::Mnist => Some(KnownDataset::Mnist),
            Self::Fashion => Some(KnownDataset::FashionMnist),
            Self::Synthetic => None,
        }
    }
}

impl fmt::Display for DatasetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mnist => "mnist",
            Self::Fashion => "fashion",
            Self::Synthetic => "synthetic",
        })
    }
}

impl FromStr for DatasetKind {
    type Err = TrainError;

    fn from_str(name: &str) -> Result<Self, TrainError> {
        let known = Self::ALL.into_iter().find(|kind| kind.to_string() == name);
        known.ok_or_else(|| TrainError::unknown("dataset", name, Self::ALL.map(|kind| kind.to_string())))
    }
}

/// The network of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelConfig {
    /// A multilayer perceptron.
    Mlp(MlpConfig),
    /// A convolutional network.
    Cnn(CnnConfig),
    /// A residual network.
    ResNet(ResNetConfig),
}

impl ModelConfig {
    /// The network of that name, with its default sizes.
    ///
    /// # Errors
    ///
    /// If there is none; the error lists the known ones.
    pub fn named(name: &str) -> Result<Self, TrainError> {
        match name {
            "mlp" => Ok(Self::Mlp(MlpConfig::new())),
            "cnn" => Ok(Self::Cnn(CnnConfig::new())),
            "resnet" => Ok(Self::ResNet(ResNetConfig::new())),
            _ => Err(TrainError::unknown("model", name, ["mlp", "cnn", "resnet"])),
        }
    }

    /// The network's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Mlp(_) => "mlp",
            Self::Cnn(_) => "cnn",
            Self::ResNet(_) => "resnet",
        }
    }
}

/// What makes the networks of an ensemble differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Diversity {
    /// Each has a seed of its own, which counts up from the run's: other weights at the start, other orders of
    /// the images, and, where `sampling` is `Bootstrap`, another bootstrap sample: bagging (Kao; coverage F13).
    #[default]
    Seeds,
    /// They are one network after each of the last cycles of cosine restarts (Kao, Huang & Li 2017; coverage F14).
    Snapshots,
}

/// Everything that determines a run. The same configuration gives the same run, on the same backend and as many threads.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// What to train on.
    pub dataset: DatasetKind,
    /// How many training images to use, at most; all if absent.
    pub train_images: Option<usize>,
    /// How many training images are held out for validation. At least 1.
    pub validation_images: usize,
    /// How these are chosen.
    #[serde(default)]
    pub split: Split,
    /// Which training images make up an epoch.
    #[serde(default)]
    pub sampling: Sampling,
    /// Train on easy images first.
    #[serde(default)]
    pub curriculum: Option<Curriculum>,
    /// The run whose losses on whole images say how hard each is; if absent, a small network that is trained for an epoch
    /// beforehand. Only with a curriculum, and none that is random.
    #[serde(default)]
    pub teacher: Option<String>,
    /// The network.
    pub model: ModelConfig,
    /// Start from the weights of another run.
    #[serde(default)]
    pub transfer: Option<TransferConfig>,
    /// The optimizer and its hyperparameters.
    pub optimizer: OptimizerKind,
    /// The hyperparameters that change over the run, by the names of the optimizer's numbers: `epsilon`, `noise.eta`. Not
    /// for Burn's own optimizers.
    #[serde(default)]
    pub vary: BTreeMap<String, Variation>,
    /// The learning rate, in `(0, ∞)`.
    pub lr: f64,
    /// How the learning rate changes.
    pub schedule: Schedule,
    /// Take the gradients where the loss is highest nearby: two passes a step.
    #[serde(default)]
    pub sam: Option<SamConfig>,
    /// Penalties on the weights, of which those that are coupled have their gradients added first.
    #[serde(default)]
    pub penalties: PenaltiesConfig,
    /// What is done with the gradients before the optimizer sees them, in this order.
    #[serde(default)]
    pub gradients: ChainConfig,
    /// Lookahead over the optimizer.
    #[serde(default)]
    pub lookahead: Option<LookaheadConfig>,
    /// Validate, keep and test an exponential moving average of the weights.
    #[serde(default)]
    pub ema: Option<EmaConfig>,
    /// Validate, keep and test the mean of the weights after each step of this epoch (from 1) and those that follow. Not
    /// with `ema`. The epochs are those of a parameter's own steps: one that `transfer` lets go later begins later by as many.
    #[serde(default)]
    pub swa: Option<usize>,
    /// Passes over the training images. At least 1.
    pub epochs: usize,
    /// Images in a step. At least 1.
    pub batch_size: usize,
    /// Smoothing of the training labels.
    pub label_smoothing: LabelSmoothing,
    /// γ of the focal loss to train by, in `[0, ∞)`; cross-entropy for 0.
    #[serde(default)]
    pub focal_loss: f64,
    /// Distortion of the training images.
    pub augment: Option<AugmentConfig>,
    /// The views of an image whose probabilities are averaged, in tests and predictions; validation looks at whole images.
    #[serde(default)]
    pub views: Views,
    /// Number of networks that answer together. At least 1.
    pub ensemble: usize,
    /// What makes them differ.
    #[serde(default)]
    pub diversity: Diversity,
    /// How their answers are combined.
    #[serde(default)]
    pub combine: Combination,
    /// What of validation tells which weights to keep, and when to stop.
    #[serde(default)]
    pub criterion: Criterion,
    /// Stop after so many epochs without an improvement; never if absent. At least 1.
    pub early_stopping: Option<usize>,
    /// What an epoch must be better by to count as an improvement, in `[0, ∞)`: of the loss, or of the accuracy from 0 to 1.
    #[serde(default)]
    pub minimum_improvement: f64,
    /// Seed of the split, the initial weights, the order, the distortions and dropout.
    pub seed: u64,
    /// Where to run.
    pub backend: Backend,
}

impl Default for RunConfig {
    fn default() -> Self {
        let optimizer = OptimizerKind::Nadam(crate::optim::NadamConfig::new());
        Self {
            dataset: DatasetKind::Mnist,
            train_images: None,
            validation_images: 5000,
            split: Split::Random,
            sampling: Sampling::Shuffled,
            curriculum: None,
            teacher: None,
            model: ModelConfig::Cnn(CnnConfig::new()),
            transfer: None,
            lr: optimizer.default_learning_rate(),
            optimizer,
            vary: BTreeMap::new(),
            schedule: Schedule::OneCycle(OneCycleConfig::new()),
            sam: None,
            penalties: PenaltiesConfig::new(),
            gradients: ChainConfig::new(),
            lookahead: None,
            ema: None,
            swa: None,
            epochs: 10,
            batch_size: 64,
            label_smoothing: LabelSmoothing::None,
            focal_loss: 0.0,
            augment: None,
            views: Views::Identity,
            ensemble: 1,
            diversity: Diversity::Seeds,
            combine: Combination::Probabilities,
            criterion: Criterion::Loss,
            early_stopping: None,
            minimum_improvement: 0.0,
            seed: 1,
            backend: Backend::Auto,
        }
    }
}

impl RunConfig {
    /// Reads a configuration file.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or is not a configuration.
    pub fn read(path: &Path) -> Result<Self, TrainError> {
        serde_json::from_slice(&files::read(path)?)
            .map_err(|error| TrainError::NotAConfig { path: path.to_owned(), reason: error.to_string() })
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// The first that is not.
    pub fn check(&self) -> Result<(), TrainError> {
        let positive = [
            ("validation_images", self.validation_images),
            ("epochs", self.epochs),
            ("batch_size", self.batch_size),
            ("ensemble", self.ensemble),
            ("early_stopping", self.early_stopping.unwrap_or(1)),
            ("train_images", self.train_images.unwrap_or(1)),
        ];
        for (field, value) in positive {
            if value == 0 {
                return Err(TrainError::Value { field, value: value.to_string(), expected: "at least 1" });
            }
        }
        self.check_curriculum()?;
        crate::Range::Positive.check("Run", "lr", self.lr)?;
        self.schedule.check()?;
        self.label_smoothing.check()?;
        crate::Range::NonNegative.check("Run", "focal_loss", self.focal_loss)?;
        EarlyStoppingConfig::new(1).with_minimum_improvement(self.minimum_improvement).check()?;
        self.sam()?;
        self.penalties.check()?;
        self.gradients.init()?;
        if let Some(epoch) = self.swa {
            if !(1..=self.epochs).contains(&epoch) {
                let expected = "from 1 to the number of epochs";
                return Err(TrainError::Value { field: "swa", value: epoch.to_string(), expected });
            }
            if self.ema.is_some() {
                let expected = "left out where `ema` is given";
                return Err(TrainError::Value { field: "swa", value: epoch.to_string(), expected });
            }
        }
        self.snapshots()?;
        self.init_optimizer(1)?;
        match &self.model {
            // Of one row, each value is its own mean.
            ModelConfig::Mlp(config) if config.batch_norm && self.batch_size == 1 => {
                let expected = "at least 2 for a perceptron with batch normalization (`batch_norm`)";
                return Err(TrainError::Value { field: "batch_size", value: "1".to_owned(), expected });
            }
            ModelConfig::Mlp(config) => config.check()?,
            ModelConfig::Cnn(config) => config.check()?,
            ModelConfig::ResNet(config) => config.check()?,
        }
        if let Some(augment) = &self.augment {
            augment.init()?;
        }
        if let Some(transfer) = &self.transfer {
            transfer.check()?;
        }
        Ok(())
    }

    /// The network whose weights the run starts from, if any: that of a run under `root`.
    pub(super) fn source(
        &self,
        root: &Path,
        image: [usize; 3],
        device: &Device,
    ) -> Result<Option<Classifier>, TrainError> {
        let network = |transfer: &TransferConfig| Run::open(root, &transfer.from)?.first_network(image, device);
        self.transfer.as_ref().map(network).transpose()
    }

    /// What distorts training images of `[channels, height, width]`, which have to keep their size.
    ///
    /// # Errors
    ///
    /// If a strength is out of range, or the images would come out in another size.
    pub fn augmentation(&self, image: [usize; 3]) -> Result<Option<Augment>, TrainError> {
        let augment = self.augment.as_ref().map(AugmentConfig::init).transpose()?;
        let expected = [image[1], image[2]];
        match augment.as_ref().map(|augment| augment.size(expected)).transpose()? {
            Some(found) if found != expected => Err(AugmentError::Size { found, expected }.into()),
            _ => Ok(augment),
        }
    }

    /// When to stop early, if ever.
    pub(super) fn early_stopping(&self) -> Option<EarlyStoppingConfig> {
        let patience = self.early_stopping?;
        Some(EarlyStoppingConfig::new(patience).with_minimum_improvement(self.minimum_improvement))
    }

    fn check_curriculum(&self) -> Result<(), TrainError> {
        if let Some(curriculum) = &self.curriculum {
            curriculum.pacing.check()?;
            if self.sampling == Sampling::Balanced {
                let expected = "left out where `sampling` is balanced";
                return Err(TrainError::Value { field: "curriculum", value: curriculum.to_string(), expected });
            }
        }
        match &self.teacher {
            Some(name) if self.curriculum.is_none_or(|curriculum| curriculum.ranking == Ranking::Random) => {
                let expected = "left out without a `curriculum` by difficulty";
                Err(TrainError::Value { field: "teacher", value: name.clone(), expected })
            }
            _ => Ok(()),
        }
    }

    /// The same run by another seed, of which gradient noise is drawn too where the optimizer has that.
    pub fn with_seed(mut self, seed: u64) -> Self {
        if let Some(noise) = self.noise_seed() {
            *noise = seed;
        }
        Self { seed, ..self }
    }

    /// The seed of the optimizer's noise, if it has one.
    pub(super) fn noise_seed(&mut self) -> Option<&mut u64> {
        match &mut self.optimizer {
            OptimizerKind::SgdNoise(config) => Some(&mut config.noise.seed),
            _ => None,
        }
    }

    /// The same run as an ensemble of so many snapshots, one at the end of each of the last cycles. Without cosine restarts
    /// it gets the schedule of Huang & Li, as many cycles of equal length; [`check`](Self::check) refuses epochs that cannot be
    /// shared out so.
    pub fn with_snapshots(mut self, snapshots: usize) -> Self {
        if !matches!(self.schedule, Schedule::CosineRestarts(_)) {
            let epochs = self.epochs.div_ceil(snapshots.max(1)) as u64;
            self.schedule = Schedule::CosineRestarts(CosineRestartsConfig::new(Span::Epochs(epochs)));
        }
        Self { ensemble: snapshots, diversity: Diversity::Snapshots, ..self }
    }

    /// The epochs (from 1) after which the weights are a member of a snapshot ensemble; none of any other.
    ///
    /// # Errors
    ///
    /// If the schedule has not as many cycles, of whole epochs, the last at the end of the run, or the run may stop early.
    pub fn snapshots(&self) -> Result<Vec<usize>, TrainError> {
        if self.diversity != Diversity::Snapshots {
            return Ok(Vec::new());
        }
        let wrong = |field, value: String, expected| Err(TrainError::Value { field, value, expected });
        let Schedule::CosineRestarts(restarts @ CosineRestartsConfig { first: Span::Epochs(_), .. }) = &self.schedule
        else {
            let expected = "cosine-restarts of whole epochs, whose cycles give the snapshots";
            return wrong("schedule", self.schedule.to_string(), expected);
        };
        if let Some(patience) = self.early_stopping {
            return wrong(
                "early_stopping",
                patience.to_string(),
                "left out with snapshots: each restart raises the loss",
            );
        }
        let length = RunLength { epochs: self.epochs, steps_per_epoch: 1 };
        let ends: Vec<usize> =
            (1..=self.epochs).filter(|epoch| restarts.cycle(*epoch as u64 - 1, length).is_last_step()).collect();
        if ends.last() != Some(&self.epochs) {
            let value = format!("{} with {}", self.epochs, self.schedule);
            return wrong("epochs", value, "the end of a cycle of the schedule, where a snapshot is taken");
        }
        if self.ensemble > ends.len() {
            let value = format!("{} with {}", self.ensemble, ends.len());
            return wrong("snapshots", value, "at most the number of the schedule's cycles");
        }
        Ok(ends[ends.len() - self.ensemble..].to_vec())
    }

    /// Where the gradients are taken, if not at the weights.
    pub(super) fn sam(&self) -> Result<Option<Sam>, ConfigError> {
        self.sam.map(|config| config.init()).transpose()
    }

    /// The optimizer of a network, where an epoch has so many batches: with hyperparameters that vary, and what is wrapped
    /// around it.
    ///
    /// # Errors
    ///
    /// The first hyperparameter that there is none of, or that is out of range at any step.
    pub fn init_optimizer(&self, batches: usize) -> Result<ModuleOptimizer, TrainError> {
        let length = RunLength { epochs: self.epochs, steps_per_epoch: batches as u64 };
        // An optimizer's step comes after the last of the batches that are accumulated for it.
        let accumulated = self.accumulated();
        let lasts = (1..=batches).filter(|batch| batch.is_multiple_of(accumulated) || *batch == batches);
        let steps =
            (0..self.epochs).flat_map(|epoch| lasts.clone().map(move |last| (epoch * batches + last - 1) as u64));
        let course = Course::new(&self.optimizer, &self.vary, steps, length)?;
        self.optimizer.init_with(&course, &self.weight_transforms(batches))
    }

    /// The number of batches in a step of the optimizer.
    fn accumulated(&self) -> usize {
        let accumulated = self.gradients.transforms.iter().map(|transform| match transform {
            GradientTransform::Accumulate(batches) => (*batches).max(1),
            _ => 1,
        });
        accumulated.fold(1, usize::saturating_mul)
    }

    /// What is wrapped around the optimizer, where an epoch has so many batches.
    pub fn weight_transforms(&self, batches: usize) -> WeightTransforms {
        let steps = batches.div_ceil(self.accumulated()) as u64;
        let swa = self.swa.map(|epoch| {
            let config = SwaConfig::new().with_start(epoch.saturating_sub(1) as u64 * steps);
            WeightTransform::Swa(config)
        });
        let inner = self.lookahead.map(WeightTransform::Lookahead);
        WeightTransforms { inner, outer: self.ema.map(WeightTransform::Ema).or(swa) }
    }

    /// What differs from another configuration, one phrase a field; empty if nothing does.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let value = |config: &Self| serde_json::to_value(config).unwrap_or_default();
        let mut differences = Vec::new();
        compare("", &value(self), &value(other), &mut differences);
        differences
    }
}

/// Notes each leaf in which two JSON values differ.
fn compare(path: &str, one: &Value, other: &Value, differences: &mut Vec<String>) {
    match (one, other) {
        (Value::Object(fields), Value::Object(others)) if fields.keys().eq(others.keys()) => {
            for (key, value) in fields {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                compare(&path, value, &others[key], differences);
            }
        }
        _ if one != other => differences.push(format!("{path} is {one} in the run, {other} was asked for")),
        _ => {}
    }
}
