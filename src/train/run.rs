use super::dataset::CLASSES;
use super::evaluate::{Predictions, evaluate};
use super::find_lr::LR_CURVE;
use super::member::{MODEL, Member, member_folder};
use super::teacher::difficulty;
use super::{
    Backend, Classifier, DatasetKind, Diversity, Evaluation, ImageLoader, MemberSummary, RunConfig, RunData,
    StopSignal, Stopwatch, Summary, TrainError, Versions, files,
};
use crate::augment::Views;
use crate::data::{DataSource, LabelledImages};
use crate::ensemble::{Combination, Ensemble};
use burn::module::Module;
use burn::tensor::Device;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where runs are kept and how one is carried out: all that does not change its result.
#[derive(Clone)]
pub struct RunOptions {
    /// The folder of all runs.
    pub root: PathBuf,
    /// Where the data come from.
    pub source: DataSource,
    /// Plain progress lines, even in a terminal.
    pub plain: bool,
    /// Replace a run of the same name.
    pub overwrite: bool,
    /// Asks the run to stop.
    pub stop: StopSignal,
    /// Is told what the user should know, a line at a time.
    pub notify: fn(&str),
}

impl RunOptions {
    /// Runs in the folder `root`: the data from the usual places, plain lines, no run replaced, nobody told.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            source: DataSource::new(),
            plain: true,
            overwrite: false,
            stop: StopSignal::default(),
            notify: |_| {},
        }
    }
}

/// Images in an evaluation step.
pub(super) const EVALUATION_BATCH: usize = 500;

/// A run on disk.
#[derive(Clone, Debug)]
pub struct Run {
    name: String,
    folder: PathBuf,
    config: RunConfig,
    /// Whether the folder holds another run, which this one is to replace.
    replaces: bool,
    /// How many of the last networks are asked, if not all.
    last: Option<usize>,
}

impl Run {
    /// Prepares a new run. Without a name it gets that of its network and optimizer, and a number if there is one already.
    ///
    /// # Errors
    ///
    /// If the configuration is out of range or the name is taken: by a run, unless that is to be replaced, or by something else.
    pub fn create(config: RunConfig, name: Option<&str>, options: &RunOptions) -> Result<Self, TrainError> {
        config.check()?;
        let name = match name {
            Some(name) => name.to_owned(),
            None => free_name(&options.root, &format!("{}-{}", config.model.name(), config.optimizer.name())),
        };
        let folder = run_folder(&options.root, &name)?;
        let replaces = is_taken(&folder);
        if replaces && !options.overwrite {
            return Err(TrainError::RunExists(folder));
        }
        if replaces && !folder.join(CONFIG).exists() {
            return Err(TrainError::NotARun(folder));
        }
        Ok(Self { name, replaces, folder, config, last: None })
    }

    /// Finds a run.
    ///
    /// # Errors
    ///
    /// If there is none of that name or its configuration cannot be read.
    pub fn open(root: &Path, name: &str) -> Result<Self, TrainError> {
        let folder = run_folder(root, name)?;
        let path = folder.join(CONFIG);
        if !path.exists() {
            let (name, root) = (name.to_owned(), root.display().to_string());
            let known = names(Path::new(&root)).join(", ");
            let known = if known.is_empty() { "none".to_owned() } else { known };
            return Err(TrainError::NoRun { name, root, known });
        }
        let config = RunConfig::read(&path)?;
        config.check()?;
        Ok(Self { name: name.to_owned(), folder, config, replaces: false, last: None })
    }

    /// The same run, to be asked on another backend.
    pub fn on(mut self, backend: Backend) -> Self {
        self.config.backend = backend;
        self
    }

    /// The same run, whose networks' answers are combined so when it is asked.
    pub fn combined_by(mut self, combination: Combination) -> Self {
        self.config.combine = combination;
        self
    }

    /// The same run, of whose networks only the last so many are asked: from 1 to their number. All by default.
    pub fn of_last(self, networks: usize) -> Self {
        Self { last: Some(networks), ..self }
    }

    /// The run's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The run's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The run's configuration.
    pub fn config(&self) -> &RunConfig {
        &self.config
    }

    /// That the run was started with the configuration `asked`.
    ///
    /// # Errors
    ///
    /// The fields that differ.
    pub fn expect_config(&self, asked: &RunConfig) -> Result<(), TrainError> {
        let differences = self.config.differences(asked);
        if differences.is_empty() {
            return Ok(());
        }
        Err(TrainError::Different { name: self.name.clone(), differences: differences.join("; ") })
    }

    /// Trains, validates after each epoch, tests once at the end, and leaves everything in the run's folder. A run that
    /// has checkpoints goes on from the last.
    ///
    /// # Errors
    ///
    /// If data, checkpoints or folders cannot be read or written, or training stops on an error.
    pub fn train(&mut self, options: &RunOptions) -> Result<Summary, TrainError> {
        let (backend, device) = self.config.backend.device()?;
        let mut data =
            RunData::load(&self.config, &options.source, self.replaces || !self.folder.join(CONFIG).exists())?;
        if let Some(notice) = &data.notice {
            (options.notify)(notice);
            self.config.dataset = data.kind;
        }
        // Only now is the run's length known, over which hyperparameters vary.
        self.member(0).optimizer(&data)?;
        let source = self.source(&options.root, data.image(), &device)?;
        Member { source: source.as_ref(), ..self.member(0) }.expect_trainable(data.image(), &device)?;
        let known = self.folder.join(DIFFICULTY);
        if self.config.curriculum.is_some() {
            data.difficulty = Some(match !self.replaces && known.exists() {
                true => files::read_json(&known)?,
                false => difficulty(&self.config, &data, &device, Some(&options.root))?.into_owned(),
            });
        }
        // Nor is it known before whether there are images to draw.
        let known_difficulty = data.difficulty.as_deref().unwrap_or_default();
        let (stop, stopwatch) = (options.stop.clone(), Stopwatch::default());
        self.member(0).training_loader(&data, known_difficulty, &device, 1, stop, stopwatch)?;
        if std::mem::take(&mut self.replaces) {
            std::fs::remove_dir_all(&self.folder).map_err(TrainError::io("replace", &self.folder))?;
        }
        files::create_folder(&self.folder)?;
        let path = self.folder.join(CONFIG);
        if !path.exists() {
            files::write_json(&path, &self.config)?;
        }
        if let Some(difficulty) = data.difficulty.as_ref().filter(|_| !known.exists()) {
            files::write_json(&known, difficulty)?;
        }
        let mut trained = Vec::new();
        for index in 0..self.trainings() {
            if self.trainings() > 1 {
                (options.notify)(&format!("network {} of {}", index + 1, self.trainings()));
            }
            let member = Member { source: source.as_ref(), ..self.member(index) };
            trained.extend(member.train(&data, &device, options, &self.folder.join(SUMMARY))?);
            if options.stop.given() {
                break;
            }
        }
        let parameters = trained.first().map_or(0, |trained| trained.model.num_params());
        let stopped = trained.iter().find_map(|trained| trained.history.stopped.clone());
        let ensemble = Ensemble::new(trained.iter().map(|trained| trained.model.clone()).collect())?;
        let ensemble = ensemble.with_combination(self.config.combine);
        let predictions = Predictions::new(&ensemble, &test_loader(&data, &device), self.config.views)?;
        let tests = predictions.members.iter().map(|member| Evaluation::new(member, data.test.labels()));
        let members =
            trained.iter().zip(tests).map(|(trained, test)| trained.summary(&test)).collect::<Result<_, _>>()?;
        let evaluation = predictions.evaluation(&ensemble, data.test.labels())?;
        let summary = self.summary(&data, backend, parameters, members, evaluation, stopped);
        files::write_json(&self.folder.join(SUMMARY), &summary)?;
        Ok(summary)
    }

    fn summary(
        &self,
        data: &RunData,
        backend: Backend,
        parameters: usize,
        members: Vec<MemberSummary>,
        evaluation: Evaluation,
        stopped: Option<String>,
    ) -> Summary {
        let seconds: f64 = members.iter().map(|member| member.seconds).sum();
        let images: usize = members.iter().map(|member| member.images).sum();
        Summary {
            name: self.name.clone(),
            dataset: data.kind.to_string(),
            origin: data.origin.clone(),
            model: self.config.model.name().to_owned(),
            parameters,
            optimizer: self.config.optimizer.name(),
            test_accuracy: evaluation.accuracy,
            test_loss: evaluation.loss,
            confusion: evaluation.confusion,
            ensemble: evaluation.ensemble,
            members,
            seconds,
            images_per_second: images as f64 / seconds.max(f64::MIN_POSITIVE),
            seed: self.config.seed,
            backend: backend.to_string(),
            stopped,
            versions: Versions::default(),
        }
    }

    /// Tests the run's kept weights again, on its own data set or, to see what it learned for another, on `dataset`.
    /// Each network's probabilities are averaged over `views` of an image, by default those of the run's configuration.
    ///
    /// # Errors
    ///
    /// If data or weights cannot be read, or there are fewer networks than [`of_last`](Self::of_last) asks for.
    pub fn evaluate(
        &self,
        options: &RunOptions,
        dataset: Option<DatasetKind>,
        views: Option<Views>,
    ) -> Result<Evaluation, TrainError> {
        Self::evaluate_together(std::slice::from_ref(self), self.config.combine, options, dataset, views)
    }

    /// Tests the kept weights of all networks of several runs as one ensemble, on the backend of the first, and by its views where
    /// none are given. The networks may be of different kinds.
    ///
    /// # Errors
    ///
    /// As [`evaluate`](Self::evaluate); without `dataset` also if the runs are of different data sets.
    pub fn evaluate_together(
        runs: &[Self],
        combination: Combination,
        options: &RunOptions,
        dataset: Option<DatasetKind>,
        views: Option<Views>,
    ) -> Result<Evaluation, TrainError> {
        let Some(first) = runs.first() else {
            return Err(TrainError::Value { field: "runs", value: "0".to_owned(), expected: "at least 1" });
        };
        if let Some(other) = runs.iter().find(|run| dataset.is_none() && run.config.dataset != first.config.dataset) {
            let value = format!("{} for `{}`", other.config.dataset, other.name);
            let expected = "the same for all runs, or given where they are tested";
            return Err(TrainError::Value { field: "dataset", value, expected });
        }
        let (_, device) = first.config.backend.device()?;
        let config = RunConfig { dataset: dataset.unwrap_or(first.config.dataset), ..first.config.clone() };
        let data = RunData::load(&config, &options.source, false)?;
        let ensembles = runs.iter().map(|run| run.ensemble(data.image(), &device));
        let members = ensembles.collect::<Result<Vec<_>, _>>()?.into_iter().flat_map(Ensemble::into_members).collect();
        let ensemble = Ensemble::new(members)?.with_combination(combination);
        evaluate(&ensemble, &data, &device, views.unwrap_or(first.config.views))
    }

    /// The class probabilities of every image of the loader, in its order, over `views` of each.
    pub(super) fn predict(
        &self,
        loader: &ImageLoader,
        image: [usize; 3],
        device: &Device,
        views: Views,
    ) -> Result<Vec<[f32; CLASSES]>, TrainError> {
        Ok(Predictions::new(&self.ensemble(image, device)?, loader, views)?.combined)
    }

    /// The class probabilities of one 28x28 image of gray levels.
    ///
    /// # Errors
    ///
    /// As [`evaluate`](Self::evaluate).
    pub fn classify(&self, pixels: Vec<u8>) -> Result<[f32; CLASSES], TrainError> {
        let (_, device) = self.config.backend.device()?;
        let normalization = super::dataset::normalization(self.config.dataset);
        let image = Arc::new(LabelledImages::new(28, 28, pixels, vec![0])?);
        let loader = ImageLoader::new(image, vec![0], 1, normalization, &device);
        let probabilities = self.predict(&loader, [1, 28, 28], &device, self.config.views)?;
        probabilities.into_iter().next().ok_or_else(|| TrainError::NoCheckpoint(self.name.clone()))
    }

    /// The networks with the kept weights: all that were trained, and as many as the run's summary lists.
    fn ensemble(&self, image: [usize; 3], device: &Device) -> Result<Ensemble<Classifier>, TrainError> {
        let path = |index| member_folder(&self.folder, &self.config, index).join(MODEL);
        let trained = (1..=self.config.ensemble).rev().find(|networks| path(networks - 1).exists()).unwrap_or(0);
        let summary = self.folder.join(SUMMARY);
        let summarized = self.config.ensemble > 1 && summary.exists();
        let told = if summarized { files::read_json::<Summary>(&summary)?.members.len() } else { 0 };
        let networks = trained.max(told);
        if networks == 0 {
            return Err(self.no_weights());
        }
        let members = (0..networks).map(|index| self.member(index).load(&path(index), image, device));
        let ensemble = Ensemble::new(members.collect::<Result<_, _>>()?)?.with_combination(self.config.combine);
        Ok(match self.last {
            Some(networks) => ensemble.last(networks)?,
            None => ensemble,
        })
    }

    /// The first of its networks, with the kept weights.
    pub(super) fn first_network(&self, image: [usize; 3], device: &Device) -> Result<Classifier, TrainError> {
        let path = member_folder(&self.folder, &self.config, 0).join(MODEL);
        if !path.exists() {
            return Err(self.no_weights());
        }
        self.member(0).load(&path, image, device)
    }

    /// Why there are no kept weights.
    fn no_weights(&self) -> TrainError {
        let name = self.name.clone();
        match self.member(0).history() {
            Ok(history) if history.last_epoch() > 0 => {
                let unfinished = || TrainError::Unfinished { name, epoch: history.last_epoch() };
                history.divergence().unwrap_or_else(unfinished)
            }
            _ => TrainError::NoCheckpoint(name),
        }
    }

    /// The network whose weights those that are still to begin start from, if any.
    fn source(&self, root: &Path, image: [usize; 3], device: &Device) -> Result<Option<Classifier>, TrainError> {
        if !self.replaces {
            let begun = |index| Ok(self.member(index).history()?.last_epoch() > 0);
            let begun: Vec<bool> = (0..self.trainings()).map(begun).collect::<Result<_, TrainError>>()?;
            if begun.iter().all(|begun| *begun) {
                return Ok(None);
            }
        }
        match &self.config.transfer {
            Some(transfer) if transfer.from == self.name => {
                let expected = "another run";
                Err(TrainError::Value { field: "transfer.from", value: self.name.clone(), expected })
            }
            _ => self.config.source(root, image, device),
        }
    }

    /// How many networks are trained; the snapshots of one are all of its ensemble.
    fn trainings(&self) -> usize {
        match self.config.diversity {
            Diversity::Seeds => self.config.ensemble,
            Diversity::Snapshots => 1,
        }
    }

    /// The network number `index`, from 0, or the one whose snapshot that is.
    fn member(&self, index: usize) -> Member<'_> {
        let (seed, folder) = match self.config.diversity {
            Diversity::Seeds => (index as u64, member_folder(&self.folder, &self.config, index)),
            Diversity::Snapshots => (0, self.folder.clone()),
        };
        let log = (index == 0).then(|| self.folder.join("experiment.log"));
        Member { config: &self.config, seed: self.config.seed.wrapping_add(seed), folder, log, source: None }
    }

    /// That the run has something to resume.
    ///
    /// # Errors
    ///
    /// If it is complete, has no checkpoint or its last one is damaged.
    pub fn expect_resumable(&self) -> Result<(), TrainError> {
        let mut begun = false;
        for index in 0..self.trainings() {
            let member = self.member(index);
            let history = member.history()?;
            begun |= member.has_begun();
            if history.last_epoch() > 0 {
                member.expect_checkpoint(history.last_epoch())?;
            }
            if !member.is_complete(&history) {
                return if begun { Ok(()) } else { Err(TrainError::NoCheckpoint(self.name.clone())) };
            }
        }
        // Trained to the end, it may still have to be tested.
        if self.folder.join(SUMMARY).exists() { Err(TrainError::Complete(self.name.clone())) } else { Ok(()) }
    }
}

const CONFIG: &str = "config.json";
/// What a curriculum goes by, kept so that a resumed run goes by the same.
const DIFFICULTY: &str = "difficulty.json";
const SUMMARY: &str = "summary.json";

/// The test images in their order.
pub(super) fn test_loader(data: &RunData, device: &Device) -> ImageLoader {
    let indices = (0..data.test.len()).collect();
    ImageLoader::new(data.test.clone(), indices, EVALUATION_BATCH, data.normalization, device)
}

pub(super) fn run_folder(root: &Path, name: &str) -> Result<PathBuf, TrainError> {
    let plain = Path::new(name).components().count() == 1 && !name.contains(['/', '\\']) && !name.starts_with('.');
    if !plain {
        return Err(TrainError::RunName(name.to_owned()));
    }
    Ok(root.join(name))
}

/// Whether there is anything at `folder` that a new run would mix with. A curve of [`super::find_lr`] may be there.
fn is_taken(folder: &Path) -> bool {
    match std::fs::read_dir(folder) {
        Ok(mut entries) => entries.any(|entry| entry.map_or(true, |entry| entry.file_name() != LR_CURVE)),
        Err(_) => folder.exists(),
    }
}

/// `stem`, or `stem-2`, `stem-3`, … if that is taken.
fn free_name(root: &Path, stem: &str) -> String {
    let candidates = (1..).map(|number| if number == 1 { stem.to_owned() } else { format!("{stem}-{number}") });
    let mut free = candidates.filter(|name| !root.join(name).exists());
    free.next().unwrap_or_else(|| stem.to_owned())
}

/// The runs that there are, in order.
fn names(root: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
    let runs = entries.filter(|entry| entry.path().join(CONFIG).exists());
    let mut names: Vec<String> = runs.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
