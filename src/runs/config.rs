use super::{Backend, BatchMinimizer, Criterion, Loss, Sampling, Split, TrainError, TransferConfig, files};
use crate::data::{ImageFolderConfig, KnownDataset, TableConfig, TableTask};
use crate::networks::{CnnConfig, MlpConfig, ResNetConfig};
use burn::optim::ModuleOptimizer;
use burn_descent::ConfigError;
use burn_descent::augment::{Augment, AugmentConfig, AugmentError, Views};
use burn_descent::early_stopping::EarlyStoppingConfig;
use burn_descent::ensemble::Combination;
use burn_descent::gradient::{ChainConfig, GradientNoiseConfig, GradientTransform};
use burn_descent::nn::LabelSmoothing;
use burn_descent::optim::{ErasedOptimizer, NamedOptimizer, ParameterGroupConfig, Variations};
use burn_descent::penalty::{PenaltiesConfig, Penalty};
use burn_descent::sample::{Curriculum, Ranking, derived_seed};
use burn_descent::schedule::{CosineRestartsConfig, OneCycleConfig, RunLength, Schedule, Span, Variation};
use burn_descent::train::RollbackConfig;
use burn_descent::weights::{EmaConfig, LookaheadConfig, Sam, SamConfig, SwaConfig, WeightTransform, WeightTransforms};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Selects the data set that a run trains on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DatasetKind {
    /// Selects MNIST: handwritten digits.
    #[default]
    Mnist,
    /// Selects Fashion-MNIST: articles of clothing.
    Fashion,
    /// Selects CIFAR-10: small color photographs of ten classes.
    Cifar10,
    /// Selects CIFAR-100: small color photographs of a hundred classes.
    Cifar100,
    /// Selects embedded digits: drawn by [`crate::data::EmbeddedDigits`], from nothing but a seed.
    Synthetic,
    /// Selects a folder of pictures, one folder a class.
    Images {
        /// Names the folder.
        path: PathBuf,
        /// Says how it is read.
        #[serde(flatten)]
        images: ImageFolderConfig,
    },
    /// Selects a table of delimited text.
    Table {
        /// Names the file.
        path: PathBuf,
        /// Says how it is read.
        #[serde(flatten)]
        table: TableConfig,
    },
}

impl DatasetKind {
    const NAMES: [&'static str; 7] = ["mnist", "fashion", "cifar10", "cifar100", "synthetic", "images", "table"];

    /// Returns the published data set, or none where the data are drawn or one's own.
    pub fn known(&self) -> Option<KnownDataset> {
        match self {
            Self::Mnist => Some(KnownDataset::Mnist),
            Self::Fashion => Some(KnownDataset::FashionMnist),
            Self::Cifar10 => Some(KnownDataset::Cifar10),
            Self::Cifar100 => Some(KnownDataset::Cifar100),
            Self::Synthetic | Self::Images { .. } | Self::Table { .. } => None,
        }
    }

    /// Returns the name of the kind.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Mnist => "mnist",
            Self::Fashion => "fashion",
            Self::Cifar10 => "cifar10",
            Self::Cifar100 => "cifar100",
            Self::Synthetic => "synthetic",
            Self::Images { .. } => "images",
            Self::Table { .. } => "table",
        }
    }
}

impl fmt::Display for DatasetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Reads the name of a kind. A folder of pictures or a table still needs its path, and a table the column of its labels.
impl FromStr for DatasetKind {
    type Err = TrainError;

    fn from_str(name: &str) -> Result<Self, TrainError> {
        Ok(match name {
            "mnist" => Self::Mnist,
            "fashion" => Self::Fashion,
            "cifar10" => Self::Cifar10,
            "cifar100" => Self::Cifar100,
            "synthetic" => Self::Synthetic,
            "images" => Self::Images { path: PathBuf::new(), images: ImageFolderConfig::default() },
            "table" => Self::Table { path: PathBuf::new(), table: TableConfig::new("") },
            _ => return Err(TrainError::unknown("dataset", name, Self::NAMES)),
        })
    }
}

/// Selects the network of a run and configures it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelConfig {
    /// Configures a multilayer perceptron.
    Mlp(MlpConfig),
    /// Configures a convolutional network.
    Cnn(CnnConfig),
    /// Configures a residual network.
    ResNet(ResNetConfig),
}

impl ModelConfig {
    /// Returns the configuration of the network of that name, with its default sizes.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no network of that name; the error lists the known ones.
    pub fn named(name: &str) -> Result<Self, TrainError> {
        match name {
            "mlp" => Ok(Self::Mlp(MlpConfig::new())),
            "cnn" => Ok(Self::Cnn(CnnConfig::new())),
            "resnet" => Ok(Self::ResNet(ResNetConfig::new())),
            _ => Err(TrainError::unknown("model", name, ["mlp", "cnn", "resnet"])),
        }
    }

    /// Returns the network's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Mlp(_) => "mlp",
            Self::Cnn(_) => "cnn",
            Self::ResNet(_) => "resnet",
        }
    }
}

/// Selects what makes the networks of an ensemble differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Diversity {
    /// Gives each network a seed of its own, which counts up from the run's: other weights at the start, other orders
    /// of the images, and, where `sampling` is `Bootstrap`, another bootstrap sample: bagging (Kao; coverage F13).
    #[default]
    Seeds,
    /// Takes snapshots of one network, one after each of the last cycles of cosine restarts (Kao, Huang & Li 2017;
    /// coverage F14).
    Snapshots,
}

fn not_a_config(path: &Path, error: serde_json::Error) -> TrainError {
    TrainError::NotAConfig { path: path.to_owned(), reason: error.to_string() }
}

/// Holds everything that determines a run. The same configuration gives the same run, on the same backend and as many
/// threads.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// Selects the data set to train on.
    pub dataset: DatasetKind,
    /// Limits the number of training images; all are used if absent.
    pub train_images: Option<usize>,
    /// Sets how many training images are held out for validation, at least 1.
    pub validation_images: usize,
    /// Selects how the validation images are chosen.
    #[serde(default)]
    pub split: Split,
    /// Selects which training images make up an epoch.
    #[serde(default)]
    pub sampling: Sampling,
    /// Configures a curriculum, which trains on easy images first; there is none if absent.
    #[serde(default)]
    pub curriculum: Option<Curriculum>,
    /// Names the run whose losses on whole images say how hard each image is; if absent, a small network that is
    /// trained for an epoch beforehand says it. A teacher is allowed only with a curriculum that is not random.
    #[serde(default)]
    pub teacher: Option<String>,
    /// Selects the network and configures it.
    pub model: ModelConfig,
    /// Configures transfer learning, which starts from the weights of another run; fresh weights are drawn if absent.
    #[serde(default)]
    pub transfer: Option<TransferConfig>,
    /// Selects the optimizer and sets its hyperparameters.
    pub optimizer: NamedOptimizer,
    /// Configures a second-order method, which takes the steps in place of the optimizer; the optimizer takes them if absent.
    /// With it `lr` is 1 and the schedule constant, as [`with_minimizer`](Self::with_minimizer) sets them.
    #[serde(default)]
    pub minimizer: Option<BatchMinimizer>,
    /// Lists the hyperparameters that change over the run, by the names of the optimizer's numbers: `epsilon`,
    /// `noise.eta`. Those of Burn's own optimizers cannot change.
    #[serde(default)]
    pub vary: BTreeMap<String, Variation>,
    /// Sets the learning rate, in `(0, ∞)`.
    pub lr: f64,
    /// Selects how the learning rate changes over the run.
    pub schedule: Schedule,
    /// Configures sharpness-aware minimization, which takes the gradients where the loss is highest nearby, in two
    /// passes a step; it is not used if absent.
    #[serde(default)]
    pub sam: Option<SamConfig>,
    /// Lists parameters with an optimizer, a learning rate or a decay of their own.
    #[serde(default)]
    pub groups: Vec<ParameterGroupConfig>,
    /// Configures the penalties on the weights; the gradients of those that are coupled are added first.
    #[serde(default)]
    pub penalties: PenaltiesConfig,
    /// Names the run from whose kept weights the penalties on the weights are measured, in place of 0.
    #[serde(default)]
    pub prior: Option<String>,
    /// Sets the strength of the L1 penalty on the activations of the hidden layers, in `[0, ∞)`.
    #[serde(default)]
    pub sparse_activations: f64,
    /// Lists the transforms of the gradients before the optimizer sees them, in this order.
    #[serde(default)]
    pub gradients: ChainConfig,
    /// Configures how a network goes back to the end of its last epoch, and on with a lower learning rate, where its
    /// gradients or its validation loss are not finite; if absent, it ends at the first epoch whose loss is not.
    #[serde(default)]
    pub rollback: Option<RollbackConfig>,
    /// Configures Gaussian noise on the gradients that the optimizer gets; there is none if absent. It is not allowed with
    /// an optimizer that has noise of its own, such as `sgd-noise`.
    #[serde(default)]
    pub gradient_noise: Option<GradientNoiseConfig>,
    /// Configures Lookahead around the optimizer; it is not used if absent.
    #[serde(default)]
    pub lookahead: Option<LookaheadConfig>,
    /// Configures an exponential moving average of the weights, which is validated, kept and tested in their place;
    /// there is none if absent.
    #[serde(default)]
    pub ema: Option<EmaConfig>,
    /// Sets the first epoch, from 1, of stochastic weight averaging: the mean of the weights after each step of this
    /// epoch and those that follow is validated, kept and tested. It is not allowed with `ema`. The epochs are those of
    /// a parameter's own steps: one that `transfer` lets go later begins later by as many.
    #[serde(default)]
    pub swa: Option<usize>,
    /// Sets whether the statistics of batch normalization, for validation and tests, are estimated again with the weights
    /// after each epoch, in place of the running ones. Averaged weights need it, and have it anyway.
    #[serde(default)]
    pub reestimate: bool,
    /// Sets the number of passes over the training images, at least 1.
    pub epochs: usize,
    /// Sets the number of images in a batch, at least 1.
    pub batch_size: usize,
    /// Leaves out what is no whole batch at the end of an epoch.
    #[serde(default)]
    pub drop_last: bool,
    /// Selects what a network of classes is trained by.
    #[serde(default)]
    pub loss: Loss,
    /// Selects the smoothing of the training labels.
    pub label_smoothing: LabelSmoothing,
    /// Sets γ of the focal loss to train by, in `[0, ∞)`; 0 is cross-entropy.
    #[serde(default)]
    pub focal_loss: f64,
    /// Configures the random distortions of the training images; there are none if absent.
    pub augment: Option<AugmentConfig>,
    /// Selects the views of an image whose probabilities are averaged, in tests and predictions; validation looks at
    /// whole images.
    #[serde(default)]
    pub views: Views,
    /// Sets the number of networks that answer together as an ensemble, from 1 to 100,000.
    pub ensemble: usize,
    /// Selects what makes the networks of the ensemble differ.
    #[serde(default)]
    pub diversity: Diversity,
    /// Selects how the answers of the networks are combined.
    #[serde(default)]
    pub combine: Combination,
    /// Selects the validation metric that tells which weights to keep, and when to stop.
    #[serde(default)]
    pub criterion: Criterion,
    /// Stops the training after so many epochs, at least 1, without an improvement; if absent, it never stops early.
    pub early_stopping: Option<usize>,
    /// Sets what an epoch must be better by to count as an improvement, in `[0, ∞)`: of the loss, or of the accuracy
    /// from 0 to 1.
    #[serde(default)]
    pub minimum_improvement: f64,
    /// Sets the seed of the split, the initial weights, the order, the distortions and dropout.
    pub seed: u64,
    /// Selects the backend to run on.
    pub backend: Backend,
}

impl Default for RunConfig {
    fn default() -> Self {
        let optimizer = NamedOptimizer::named("nadam").expect("nadam is in the table");
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
            lr: optimizer.learning_rate(),
            optimizer,
            minimizer: None,
            vary: BTreeMap::new(),
            schedule: Schedule::OneCycle(OneCycleConfig::new()),
            sam: None,
            groups: Vec::new(),
            penalties: PenaltiesConfig::new(),
            prior: None,
            sparse_activations: 0.0,
            gradients: ChainConfig::new(),
            rollback: None,
            gradient_noise: None,
            lookahead: None,
            ema: None,
            swa: None,
            reestimate: false,
            epochs: 10,
            batch_size: 64,
            drop_last: false,
            loss: Loss::default(),
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
    /// Reads the configuration file of a run, which says all that determines it.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read or is not a whole configuration.
    pub fn read(path: &Path) -> Result<Self, TrainError> {
        serde_json::from_slice(&files::read(path)?).map_err(|error| not_a_config(path, error))
    }

    /// Reads a configuration file that may leave fields out. They are those of [`RunConfig::default`]; the learning rate is
    /// that of the file's optimizer, and a second-order method brings what [`with_minimizer`](Self::with_minimizer) sets.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read, has unknown fields or values that are none of their field's.
    pub fn read_changes(path: &Path) -> Result<Self, TrainError> {
        let bytes = files::read(path)?;
        let invalid = |error| not_a_config(path, error);
        let changes: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&bytes).map_err(invalid)?;
        let given = |field: &str| changes.get(field).filter(|value| !value.is_null()).cloned();
        let mut unchanged = Self::default();
        if let Some(optimizer) = given("optimizer") {
            unchanged.optimizer = serde_json::from_value(optimizer).map_err(invalid)?;
            unchanged.lr = unchanged.optimizer.learning_rate();
        }
        if let Some(minimizer) = given("minimizer") {
            unchanged = unchanged.with_minimizer(serde_json::from_value(minimizer).map_err(invalid)?);
        }
        let mut whole = serde_json::to_value(unchanged).map_err(invalid)?;
        for (field, value) in changes {
            whole[field] = value;
        }
        serde_json::from_value(whole).map_err(invalid)
    }

    /// Checks that every value is in its range.
    ///
    /// # Errors
    ///
    /// Returns the first value that is out of range.
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
        if self.ensemble > MOST_NETWORKS {
            let expected = "at most 100000";
            return Err(TrainError::Value { field: "ensemble", value: self.ensemble.to_string(), expected });
        }
        self.check_data()?;
        self.check_curriculum()?;
        self.rollback.map_or(Ok(()), |rollback| rollback.check())?;
        self.minimizer.as_ref().map_or(Ok(()), |minimizer| minimizer.check(self))?;
        burn_descent::ValueRange::Positive.check("Run", "lr", self.lr)?;
        self.schedule.check()?;
        self.label_smoothing.check()?;
        burn_descent::ValueRange::NonNegative.check("Run", "focal_loss", self.focal_loss)?;
        burn_descent::ValueRange::NonNegative.check("Run", "sparse_activations", self.sparse_activations)?;
        self.check_groups()?;
        if self.loss == Loss::Mse && self.focal_loss != 0.0 {
            let expected = "0 where the `loss` is mse";
            return Err(TrainError::Value { field: "focal_loss", value: self.focal_loss.to_string(), expected });
        }
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
        if let Some(noise) = &self.gradient_noise {
            let groups = self.groups.iter().map(|group| group.optimizer(&self.optimizer));
            for optimizer in std::iter::once(Ok(self.optimizer.clone())).chain(groups) {
                if optimizer?.config_mut().noise_seed_mut().is_some() {
                    let expected = "left out where the optimizer has noise of its own";
                    return Err(TrainError::Value { field: "gradient_noise", value: noise.eta.to_string(), expected });
                }
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

    /// Returns the configuration of the same run by a second-order method, which has no learning rate: `lr` is 1 and the
    /// schedule constant. Running statistics of batch normalization lag behind its few and long steps, so that they are
    /// estimated again (`reestimate`).
    pub fn with_minimizer(self, minimizer: BatchMinimizer) -> Self {
        Self { minimizer: Some(minimizer), lr: 1.0, schedule: Schedule::Constant, reestimate: true, ..self }
    }

    /// Checks that an optimizer takes the steps, where there have to be learning rates.
    pub(super) fn ensure_optimizer(&self) -> Result<(), TrainError> {
        match &self.minimizer {
            Some(_) => {
                let expected = "an optimizer with a learning rate";
                Err(TrainError::Value { field: "minimizer", value: self.method().to_owned(), expected })
            }
            None => Ok(()),
        }
    }

    /// Returns the name of what takes the steps: the second-order method, or else the optimizer.
    pub fn method(&self) -> &'static str {
        self.minimizer.as_ref().map_or(self.optimizer.name(), |minimizer| minimizer.method.name())
    }

    /// Creates the augmentation that distorts training images of `[channels, height, width]`, which have to keep their
    /// size; none if there are no distortions.
    ///
    /// # Errors
    ///
    /// Returns an error if a strength is out of range, or the images would come out in another size.
    pub fn augmentation(&self, image: [usize; 3]) -> Result<Option<Augment>, TrainError> {
        let augment = self.augment.as_ref().map(AugmentConfig::init).transpose()?;
        let expected = [image[1], image[2]];
        match augment.as_ref().map(|augment| augment.size(expected)).transpose()? {
            Some(found) if found != expected => Err(AugmentError::Size { found, expected }.into()),
            _ => Ok(augment),
        }
    }

    /// The transforms of the gradients; where the network goes back, steps that are not finite are at least noticed.
    pub(super) fn chain(&self) -> ChainConfig {
        let checked = |transform: &GradientTransform| matches!(transform, GradientTransform::ApplyIfFinite(_));
        match self.rollback {
            Some(_) if !self.gradients.transforms.iter().any(checked) => {
                self.gradients.clone().with(GradientTransform::ApplyIfFinite(0))
            }
            _ => self.gradients.clone(),
        }
    }

    /// When to stop early, if ever.
    pub(super) fn early_stopping(&self) -> Option<EarlyStoppingConfig> {
        let patience = self.early_stopping?;
        Some(EarlyStoppingConfig::new(patience).with_minimum_improvement(self.minimum_improvement))
    }

    /// Checks that data of one's own are named, and what goes with a table.
    fn check_data(&self) -> Result<(), TrainError> {
        let wrong = |field, value: String, expected| Err(TrainError::Value { field, value, expected });
        match &self.dataset {
            DatasetKind::Images { path, .. } if path.as_os_str().is_empty() => {
                wrong("data", "absent".to_owned(), "the folder of the pictures, for the data set `images`")
            }
            DatasetKind::Table { path, .. } if path.as_os_str().is_empty() => {
                wrong("data", "absent".to_owned(), "the file of the table, for the data set `table`")
            }
            DatasetKind::Table { table, .. } if table.label.is_empty() => {
                wrong("label", "absent".to_owned(), "the column of the labels, for the data set `table`")
            }
            DatasetKind::Table { table, .. } => {
                if !matches!(self.model, ModelConfig::Mlp(_)) {
                    return wrong("model", self.model.name().to_owned(), "mlp for a table, whose rows are no images");
                }
                if self.augment.is_some() {
                    return wrong("augment", "given".to_owned(), "left out for a table, whose rows are no images");
                }
                if self.views != Views::Identity {
                    return wrong("views", "given".to_owned(), "left out for a table, whose rows are no images");
                }
                if table.task == TableTask::Number {
                    return self.check_regression();
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Checks that nothing is asked for that only classes have.
    fn check_regression(&self) -> Result<(), TrainError> {
        let classes = [
            ("label_smoothing", self.label_smoothing != LabelSmoothing::None),
            ("focal_loss", self.focal_loss != 0.0),
            ("curriculum", self.curriculum.is_some()),
            ("criterion", self.criterion == Criterion::Accuracy),
            ("combine", self.combine != Combination::Probabilities),
            ("split", self.split == Split::Stratified),
            ("sampling", self.sampling == Sampling::Balanced),
        ];
        match classes.iter().find(|(_, given)| *given) {
            Some((field, _)) => {
                let expected = "left out where numbers are predicted: it is for classes";
                Err(TrainError::Value { field, value: "given".to_owned(), expected })
            }
            None => Ok(()),
        }
    }

    fn check_groups(&self) -> Result<(), TrainError> {
        for group in &self.groups {
            group.check()?;
            if group.rate != 1.0 && self.transfer.as_ref().is_some_and(|transfer| transfer.layer_decay != 1.0) {
                let expected = "without a rate of its own where layers have theirs (`layer_decay`)";
                return Err(TrainError::Value { field: "groups", value: group.to_string(), expected });
            }
        }
        if let Some(prior) = &self.prior {
            let measures = |penalty: &Penalty| matches!(penalty, Penalty::Parameters { .. });
            if !self.penalties.penalties.iter().any(measures) {
                let expected = "left out without penalties on the weights, which it is for";
                return Err(TrainError::Value { field: "prior", value: prior.clone(), expected });
            }
        }
        Ok(())
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

    /// Returns the configuration of the same run with another seed, by which gradient noise is drawn too where the
    /// optimizer has that.
    pub fn with_seed(mut self, seed: u64) -> Self {
        if let Some(noise) = self.noise_seed() {
            *noise = seed;
        }
        Self { seed, ..self }
    }

    /// The seed of the noise on the gradients, if there is any: the optimizer's own, or what is added by the run.
    pub(super) fn noise_seed(&mut self) -> Option<&mut u64> {
        match &mut self.gradient_noise {
            Some(noise) => Some(&mut noise.seed),
            None => self.optimizer.config_mut().noise_seed_mut(),
        }
    }

    /// Returns the configuration of the same run as an ensemble of so many snapshots, one at the end of each of the
    /// last cycles of cosine restarts. Without cosine restarts it gets the schedule of Huang & Li, as many cycles of
    /// equal length; [`check`](Self::check) refuses epochs that cannot be shared out so.
    pub fn with_snapshots(mut self, snapshots: usize) -> Self {
        if !matches!(self.schedule, Schedule::CosineRestarts(_)) {
            let epochs = self.epochs.div_ceil(snapshots.max(1)) as u64;
            self.schedule = Schedule::CosineRestarts(CosineRestartsConfig::new(Span::Epochs(epochs)));
        }
        Self { ensemble: snapshots, diversity: Diversity::Snapshots, ..self }
    }

    /// Lists the epochs (from 1) after which the weights are a member of a snapshot ensemble; there are none for any
    /// other ensemble.
    ///
    /// # Errors
    ///
    /// Returns an error if the schedule has not as many cycles, of whole epochs, the last at the end of the run, or if
    /// the run may stop early.
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
        self.ensure_countable(1)?;
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

    /// The fewest images in a training batch: one alone, left over at the end of an epoch, is nothing to normalize by.
    pub(super) fn smallest_batch(&self) -> usize {
        self.batch_size.min(2)
    }

    /// Returns the number of training batches in an epoch of so many images, without what is left over where that is
    /// dropped (`drop_last`); else an image that would be left over alone joins the batch before.
    pub fn batches(&self, images: usize) -> usize {
        if self.drop_last {
            return (images / self.batch_size.max(1)).max(1);
        }
        let batches = images.div_ceil(self.batch_size.max(1));
        let alone = self.batch_size > 1 && images % self.batch_size == 1 && batches > 1;
        batches - usize::from(alone)
    }

    /// Creates the optimizer of a network, where an epoch has so many `batches`: with hyperparameters that vary, and
    /// what is wrapped around it.
    ///
    /// # Errors
    ///
    /// Returns the first hyperparameter that the optimizer does not have, or that is out of range at any step.
    pub fn init_optimizer(&self, batches: usize) -> Result<ModuleOptimizer, TrainError> {
        if !self.vary.is_empty() {
            self.ensure_countable(batches)?;
        }
        let length = RunLength { epochs: self.epochs, steps_per_epoch: batches };
        // An optimizer's step comes after the last of the batches that are accumulated for it.
        let accumulated = self.accumulated();
        let lasts = (1..=batches).filter(|batch| batch.is_multiple_of(accumulated) || *batch == batches);
        let steps =
            (0..self.epochs).flat_map(|epoch| lasts.clone().map(move |last| (epoch * batches + last - 1) as u64));
        let build = |optimizer: &NamedOptimizer, group: Option<u64>| -> Result<ErasedOptimizer, TrainError> {
            let variations = match optimizer.name() == self.optimizer.name() {
                true => Variation::all(optimizer, &self.vary, steps.clone(), length)?,
                false => Variations::default(),
            };
            let mut built = optimizer.build(&variations)?;
            if let Some(noise) = &self.gradient_noise {
                let seed = group.map_or(noise.seed, |index| derived_seed(noise.seed, index, GROUP));
                built = noise.clone().with_seed(seed).wrap_erased(built)?;
            }
            Ok(self.weight_transforms(batches).wrap(built)?)
        };
        let mut optimizer = build(&self.optimizer, None)?.init();
        for (index, group) in self.groups.iter().enumerate() {
            let mut own = group.optimizer(&self.optimizer)?;
            if let Some(noise) = own.config_mut().noise_seed_mut() {
                *noise = derived_seed(*noise, index as u64, GROUP);
            }
            optimizer = optimizer.with_group(group.parameters(), build(&own, Some(index as u64))?, None);
        }
        Ok(optimizer)
    }

    /// Checks that there are not more steps, with so many `batches` in an epoch, than can be gone through beforehand.
    fn ensure_countable(&self, batches: usize) -> Result<(), TrainError> {
        const MOST: u128 = 20_000_000;
        let steps = self.epochs as u128 * batches as u128;
        if steps <= MOST {
            return Ok(());
        }
        let days = steps / 1000 / 86_400;
        Err(TrainError::TooLong { epochs: self.epochs, steps, days, most: MOST })
    }

    /// The number of batches in a step of the optimizer.
    fn accumulated(&self) -> usize {
        let accumulated = self.gradients.transforms.iter().map(|transform| match transform {
            GradientTransform::Accumulate(batches) => (*batches).max(1),
            _ => 1,
        });
        accumulated.fold(1, usize::saturating_mul)
    }

    /// Returns the weight transforms that are wrapped around the optimizer, where an epoch has so many `batches`.
    pub fn weight_transforms(&self, batches: usize) -> WeightTransforms {
        let steps = batches.div_ceil(self.accumulated()) as u64;
        let swa = self.swa.map(|epoch| {
            let config = SwaConfig::new().with_start(epoch.saturating_sub(1) as u64 * steps);
            WeightTransform::Swa(config)
        });
        let inner = self.lookahead.map(WeightTransform::Lookahead);
        WeightTransforms { inner, outer: self.ema.map(WeightTransform::Ema).or(swa) }
    }

    /// Whether an optimizer itself steers an average of the weights.
    pub(super) fn averages(&self) -> bool {
        let mut all = self.groups.iter().filter_map(|group| group.optimizer.as_ref()).chain([&self.optimizer]);
        all.any(NamedOptimizer::averages)
    }

    /// How many tensors of a parameter's size the training keeps besides the optimizer's: averages and sums of gradients.
    pub(super) fn weight_copies(&self) -> usize {
        let WeightTransforms { inner, outer } = self.weight_transforms(1);
        [inner.is_some(), outer.is_some(), self.accumulated() > 1].into_iter().filter(|kept| *kept).count()
    }

    /// Lists what differs from another configuration, one phrase for each field; the list is empty if nothing does.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let value = |config: &Self| serde_json::to_value(config).unwrap_or_default();
        let mut differences = Vec::new();
        compare("", &value(self), &value(other), &mut differences);
        differences
    }
}

/// More networks than anybody trains, and few enough to be looked for one by one.
const MOST_NETWORKS: usize = 100_000;

/// The purpose of the seed of a group's noise.
const GROUP: u64 = u64::MAX - 7;

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
