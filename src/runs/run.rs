use super::claim::{Claim, empty, is_taken};
use super::dataset::EVALUATION_BATCH;
use super::evaluate::{Answers, evaluate};
use super::files::run_folder;
use super::member::{MODEL, MemberTraining, Trained, member_folder};
use super::session::difficulty;
use super::{
    Backend, Classifier, DataDescription, DatasetKind, Diversity, Evaluation, Examples, ImageLoader, ImageSource,
    MemberSummary, RunConfig, RunData, RunOptions, Summary, TrainError, Versions, files, losses,
};
use burn::module::Module;
use burn::tensor::Device;
use burn_descent::augment::Views;
use burn_descent::ensemble::{Combination, Ensemble};
use burn_descent::schedule::RunLength;
use burn_descent::train::remove_unfinished;
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Represents a run on disk: its name, its folder and its configuration.
#[derive(Clone, Debug)]
pub struct Run {
    name: String,
    folder: PathBuf,
    config: RunConfig,
    /// Whether the folder holds another run, which this one is to replace.
    replaces: bool,
    /// How many of the last networks are asked, if not all.
    last: Option<usize>,
    /// Whether its configuration is to be written anew.
    changed: bool,
    /// The folder, from the creation of the run to the end of its training.
    claim: Option<Arc<Claim>>,
}

impl Run {
    /// Prepares a new run. Without a name it gets that of its network and optimizer, and a number if that name is
    /// taken. Its folder is its own from now on: no other program can train in it before this one is done or ends.
    ///
    /// # Errors
    ///
    /// Returns an error if the configuration is out of range or the name is taken: by a run, unless that is to be
    /// replaced, or by something else.
    pub fn create(config: RunConfig, name: Option<&str>, options: &RunOptions) -> Result<Self, TrainError> {
        config.check()?;
        let (name, claim) = match name {
            Some(name) => (name.to_owned(), Claim::of(&run_folder(&options.root, name)?)?),
            None => Claim::free(&options.root, &format!("{}-{}", config.model.name(), config.method()))?,
        };
        let folder = run_folder(&options.root, &name)?;
        let replaces = is_taken(&folder);
        if replaces && !options.overwrite {
            return Err(TrainError::RunExists(folder));
        }
        if replaces && !folder.join(CONFIG).exists() {
            return Err(TrainError::NotARun(folder));
        }
        Ok(Self { name, replaces, folder, config, last: None, changed: false, claim: Some(Arc::new(claim)) })
    }

    /// Opens the run `name` in the folder `root` of all runs.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no run of that name or its configuration cannot be read.
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
        Ok(Self { name: name.to_owned(), folder, config, replaces: false, last: None, changed: false, claim: None })
    }

    /// Sets another number of epochs for a run that goes on, which trains to it from where it is. A schedule over the
    /// length of the run goes on as that of the longer one has it.
    ///
    /// # Errors
    ///
    /// Returns an error if the configuration does not allow so many, or more have been trained already.
    pub fn with_epochs(mut self, epochs: usize) -> Result<Self, TrainError> {
        self.config.epochs = epochs;
        self.config.check()?;
        for index in 0..self.trainings() {
            if self.member(index).progress()?.history.last_epoch() > epochs {
                let expected = "at least as many as have been trained";
                return Err(TrainError::Value { field: "epochs", value: epochs.to_string(), expected });
            }
        }
        Ok(Self { changed: true, ..self })
    }

    /// Sets the backend on which the run's networks are evaluated and classify images.
    pub fn on(mut self, backend: Backend) -> Self {
        self.config.backend = backend;
        self
    }

    /// Sets how the networks' answers are combined when the run is evaluated and classifies images.
    pub fn combined_by(mut self, combination: Combination) -> Self {
        self.config.combine = combination;
        self
    }

    /// Sets how many of the run's networks, counted from the last, are evaluated and classify images: from 1 to their
    /// number. By default these are all.
    pub fn of_last(self, networks: usize) -> Self {
        Self { last: Some(networks), ..self }
    }

    /// Returns the run's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the run's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the run's configuration.
    pub fn config(&self) -> &RunConfig {
        &self.config
    }

    /// Checks that the run was started with the configuration `asked`.
    ///
    /// # Errors
    ///
    /// Returns the fields that differ.
    pub fn ensure_config(&self, asked: &RunConfig) -> Result<(), TrainError> {
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
    /// Returns an error if data, checkpoints or folders cannot be read or written, or training stops on an error.
    pub fn train(&mut self, options: &RunOptions) -> Result<Summary, TrainError> {
        let claim = match self.claim.take() {
            Some(claim) => claim,
            None => Arc::new(Claim::of(&self.folder)?),
        };
        let summary = self.train_alone(options);
        drop(claim);
        summary
    }

    /// Trains in a folder that is claimed.
    fn train_alone(&mut self, options: &RunOptions) -> Result<Summary, TrainError> {
        remove_unfinished(&self.folder)?;
        let (backend, device) = self.config.backend.device()?;
        let new = self.replaces || !self.folder.join(CONFIG).exists();
        let mut data = RunData::load(&self.config, &options.source, options.fallback && new)?;
        data.notices.iter().for_each(|notice| (options.notify)(notice));
        self.config.dataset = data.kind.clone();
        let memory = self.member(0).memory(&data);
        memory.ensure_room()?;
        // Only now is the run's length known, over which hyperparameters vary.
        self.member(0).optimizer(&data)?;
        let source = self.source(&options.root, &device)?;
        let prior = network_of(self.config.prior.as_deref(), &options.root, &device)?;
        let (source, prior) = (source.as_ref(), prior.as_ref());
        MemberTraining { source, prior, ..self.member(0) }.ensure_trainable(&data, &device)?;
        let known = self.folder.join(DIFFICULTY);
        if self.config.curriculum.is_some() {
            data.difficulty = Some(match !self.replaces && known.exists() {
                true => read_difficulty(&known, data.train_indices.len())?,
                false => difficulty_by(&self.config, &data, &device, &options.root)?,
            });
        }
        // Nor is it known before whether there are images to draw.
        let known_difficulty = data.difficulty.as_deref().unwrap_or_default();
        self.member(0).training_loader(&data, known_difficulty, &device)?;
        if !self.replaces {
            self.ensure_same_data(&data.description)?;
        }
        if std::mem::take(&mut self.replaces) {
            empty(&self.folder)?;
        }
        let path = self.folder.join(CONFIG);
        if !path.exists() || std::mem::take(&mut self.changed) {
            files::write_json(&path, &self.config)?;
        }
        let described = self.folder.join(DATA);
        if !described.exists() {
            files::write_json(&described, &data.description)?;
        }
        if let Some(difficulty) = data.difficulty.as_ref().filter(|_| !known.exists()) {
            files::write_json(&known, difficulty)?;
        }
        let batches = self.config.batches(data.train_indices.len());
        let length = RunLength { epochs: self.config.epochs, steps_per_epoch: batches };
        if let Some(unreached) = self.config.schedule.unreached(length) {
            (options.notify)(&format!("of the schedule {}, {unreached}", self.config.schedule));
        }
        let mut trained = Vec::new();
        for index in 0..self.trainings() {
            if self.trainings() > 1 {
                (options.notify)(&format!("network {} of {}", index + 1, self.trainings()));
            }
            let member = MemberTraining { source, prior, ..self.member(index) };
            trained.extend(member.train(&data, &device, options, &self.folder.join(SUMMARY))?);
        }
        let parameters = trained.first().map_or(0, |trained| trained.model.num_params());
        let stopped = trained.iter().find_map(|trained| trained.history.stopped.clone());
        let ensemble = Ensemble::new(trained.iter().map(|trained| trained.model.clone()).collect())?;
        let ensemble = ensemble.with_combination(self.config.combine);
        let predictions = Answers::new(&ensemble, &data.test_loader(&device), self.config.views)?;
        let tests = predictions.members.iter().map(|member| Evaluation::of_test(member, &data));
        let members =
            trained.iter().zip(tests).map(|(trained, test)| trained.summary(&test)).collect::<Result<_, _>>()?;
        let evaluation = predictions.evaluation(&ensemble, &data)?;
        let summary = self.summary(&data, backend, parameters, members, evaluation, stopped);
        let rollbacks = self.rollbacks(&trained);
        let summary = Summary { memory: Some(memory), rollbacks, ..summary };
        files::write_json(&self.folder.join(SUMMARY), &summary)?;
        Ok(summary)
    }

    /// What its networks went back for; which of them did, where there are several trainings.
    fn rollbacks(&self, trained: &[Trained]) -> Vec<String> {
        // Snapshots of one training have one history.
        let trainings = trained.iter().enumerate().take(self.trainings());
        let named = |(index, trained): (usize, &Trained)| {
            let named = move |text: String| match self.trainings() {
                1 => text,
                _ => format!("network {}: {text}", index + 1),
            };
            trained.history.rollbacks().into_iter().map(named).collect::<Vec<_>>()
        };
        trainings.flat_map(named).collect()
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
            optimizer: self.config.method().to_owned(),
            test_accuracy: evaluation.accuracy,
            test_loss: evaluation.loss,
            confusion: evaluation.confusion,
            class_names: evaluation.class_names,
            ensemble: evaluation.ensemble,
            regression: evaluation.regression,
            members,
            seconds,
            images_per_second: images as f64 / seconds.max(f64::MIN_POSITIVE),
            seed: self.config.seed,
            backend: backend.to_string(),
            stopped,
            rollbacks: Vec::new(),
            memory: None,
            versions: Versions::default(),
        }
    }

    /// Tests the run's kept weights again, on its own data set or, to see what it learned for another, on `dataset`.
    /// Each network's probabilities are averaged over `views` of an image, by default those of the run's configuration.
    ///
    /// # Errors
    ///
    /// Returns an error if data or weights cannot be read, or there are fewer networks than [`of_last`](Self::of_last)
    /// asks for.
    pub fn evaluate(
        &self,
        options: &RunOptions,
        dataset: Option<DatasetKind>,
        views: Option<Views>,
    ) -> Result<Evaluation, TrainError> {
        Self::evaluate_together(std::slice::from_ref(self), self.config.combine, options, dataset, views)
    }

    /// Tests the kept weights of all networks of several runs as one ensemble, on the backend of the first, and by its
    /// views where none are given. The networks may be of different kinds.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`evaluate`](Self::evaluate), and without `dataset` also one if the runs are of
    /// different data sets.
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
        let dataset = dataset.unwrap_or_else(|| first.config.dataset.clone());
        let config = RunConfig { dataset, ..first.config.clone() };
        let data = RunData::load(&config, &options.source, false)?;
        let ensembles = runs.iter().map(|run| run.ensemble(&data.description, &device));
        let members = ensembles.collect::<Result<Vec<_>, _>>()?.into_iter().flat_map(Ensemble::into_members).collect();
        let ensemble = Ensemble::new(members)?.with_combination(combination);
        evaluate(&ensemble, &data, &device, views.unwrap_or(first.config.views))
    }

    /// What the run's networks together predict for each example of the loader, in its order, over `views` of it.
    pub(super) fn predict(
        &self,
        loader: &ImageLoader,
        data: &DataDescription,
        device: &Device,
        views: Views,
    ) -> Result<Vec<Vec<f32>>, TrainError> {
        Ok(Answers::new(&self.ensemble(data, device)?, loader, views)?.combined)
    }

    /// Describes the data that the run was trained on.
    ///
    /// # Errors
    ///
    /// Returns an error if the run has no description that can be read.
    pub fn data(&self) -> Result<DataDescription, TrainError> {
        let path = self.folder.join(DATA);
        match DataDescription::published(&self.config.dataset).filter(|_| !path.exists()) {
            Some(description) => Ok(description),
            None => read_description(&path),
        }
    }

    /// Checks that a run which goes on has the data that it began with.
    fn ensure_same_data(&self, data: &DataDescription) -> Result<(), TrainError> {
        let path = self.folder.join(DATA);
        if !path.exists() {
            return Ok(());
        }
        let before = read_description(&path)?;
        if before.digest != data.digest {
            let (name, before, now) = (self.name.clone(), before.digest, data.digest.clone());
            return Err(TrainError::OtherData { name, before, now });
        }
        Ok(())
    }

    /// Predicts for examples of the shape that the run's [data](Self::data) have: the probabilities of the classes, or a
    /// number in the units of the labels, for each.
    ///
    /// # Errors
    ///
    /// Returns an error if the kept weights cannot be read, or the examples have another shape.
    pub fn classify(&self, examples: impl Into<Examples>) -> Result<Vec<Vec<f32>>, TrainError> {
        let (_, device) = self.config.backend.device()?;
        let (data, examples) = (self.data()?, examples.into());
        if examples.shape() != data.shape {
            let value = format!("{:?}", examples.shape());
            return Err(TrainError::Shape { value, expected: format!("{:?}", data.shape) });
        }
        let indices = (0..examples.len()).collect();
        let loader = ImageSource::new(examples, indices, data.normalization.clone()).loader(EVALUATION_BATCH, &device);
        let mut predictions = self.predict(&loader, &data, &device, self.config.views)?;
        if let Some((mean, deviation)) = data.scale() {
            let scaled = |value: &mut f32| *value = (mean + deviation * f64::from(*value)) as f32;
            predictions.iter_mut().flatten().for_each(scaled);
        }
        Ok(predictions)
    }

    /// Where the kept weights of network number `index`, from 0, are.
    pub(super) fn weights(&self, index: usize) -> PathBuf {
        member_folder(&self.folder, &self.config, index).join(MODEL)
    }

    /// The networks with the kept weights: all that were trained, and as many as the run's summary lists.
    pub(super) fn ensemble(&self, data: &DataDescription, device: &Device) -> Result<Ensemble<Classifier>, TrainError> {
        let trained =
            (1..=self.config.ensemble).rev().find(|networks| self.weights(networks - 1).exists()).unwrap_or(0);
        let summary = self.folder.join(SUMMARY);
        let summarized = self.config.ensemble > 1 && summary.exists();
        let told = if summarized { files::read_json::<Summary>(&summary)?.members.len() } else { 0 };
        let networks = trained.max(told);
        if networks == 0 {
            return Err(self.no_weights());
        }
        let members = (0..networks).map(|index| self.member(index).load(&self.weights(index), data, device));
        let ensemble = Ensemble::new(members.collect::<Result<_, _>>()?)?.with_combination(self.config.combine);
        Ok(match self.last {
            Some(networks) => ensemble.last(networks)?,
            None => ensemble,
        })
    }

    /// The first of its networks, with the kept weights.
    pub(super) fn first_network(&self, device: &Device) -> Result<Classifier, TrainError> {
        let path = self.weights(0);
        if !path.exists() {
            return Err(self.no_weights());
        }
        self.member(0).load(&path, &self.data()?, device)
    }

    /// Why there are no kept weights.
    fn no_weights(&self) -> TrainError {
        let name = self.name.clone();
        match self.member(0).progress() {
            Ok(progress) if progress.has_begun() => {
                let unfinished = TrainError::Unfinished { name, epoch: progress.history.last_epoch() };
                progress.history.divergence().unwrap_or(unfinished)
            }
            Ok(_) => TrainError::NoCheckpoint(name),
            Err(error) => error,
        }
    }

    /// The network whose weights those that are still to begin start from, if any.
    fn source(&self, root: &Path, device: &Device) -> Result<Option<Classifier>, TrainError> {
        if !self.replaces {
            let begun = |index| Ok(self.member(index).progress()?.has_begun());
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
            transfer => network_of(transfer.as_ref().map(|transfer| &*transfer.from), root, device),
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
    fn member(&self, index: usize) -> MemberTraining<'_> {
        let (seed, folder) = match self.config.diversity {
            Diversity::Seeds => (index as u64, member_folder(&self.folder, &self.config, index)),
            Diversity::Snapshots => (0, self.folder.clone()),
        };
        let log = (index == 0).then(|| self.folder.join("experiment.log"));
        MemberTraining {
            run: &self.name,
            config: &self.config,
            seed: self.config.seed.wrapping_add(seed),
            folder,
            log,
            source: None,
            prior: None,
        }
    }

    /// Checks that the run has something to resume.
    ///
    /// # Errors
    ///
    /// Returns an error if the run is complete, has no checkpoint or its last one is damaged.
    pub fn ensure_resumable(&self) -> Result<(), TrainError> {
        let mut begun = false;
        for index in 0..self.trainings() {
            let progress = self.member(index).progress()?;
            begun |= progress.has_begun();
            if !progress.is_complete(self.config.epochs) {
                return if begun { Ok(()) } else { Err(TrainError::NoCheckpoint(self.name.clone())) };
            }
        }
        // Trained to the end, it may still have to be tested.
        if self.folder.join(SUMMARY).exists() { Err(TrainError::Complete(self.name.clone())) } else { Ok(()) }
    }
}

/// What is known of the data of a run.
fn read_description(path: &Path) -> Result<DataDescription, TrainError> {
    let description: DataDescription = files::read_json(path)?;
    description.check().map_err(|reason| TrainError::Damaged { path: path.to_owned(), reason })?;
    Ok(description)
}

/// How hard each of so many training examples is.
fn read_difficulty(path: &Path, examples: usize) -> Result<Vec<f64>, TrainError> {
    let difficulty: Vec<f64> = files::read_json(path)?;
    if difficulty.len() != examples {
        let reason =
            format!("it has {} difficulties, expected {examples}: one for each training example", difficulty.len());
        return Err(TrainError::Damaged { path: path.to_owned(), reason });
    }
    Ok(difficulty)
}

/// The first network of the run `name` under `root`, if there is a name: to start from, or to measure penalties from.
pub(super) fn network_of(name: Option<&str>, root: &Path, device: &Device) -> Result<Option<Classifier>, TrainError> {
    name.map(|name| Run::open(root, name)?.first_network(device)).transpose()
}

/// The difficulty of each training image, where the curriculum of `config` needs one: the loss of the run under `root`
/// that is named as the teacher, on whole images, or else [`difficulty`].
pub(super) fn difficulty_by(
    config: &RunConfig,
    data: &RunData,
    device: &Device,
    root: &Path,
) -> Result<Vec<f64>, TrainError> {
    let Some(teacher) = config.teacher.as_ref().filter(|_| data.difficulty.is_none()) else {
        return difficulty(config, data, device).map(Cow::into_owned);
    };
    let loader = data.training_images(device);
    let probabilities = Run::open(root, teacher)?.predict(&loader, &data.description, device, Views::Identity)?;
    Ok(losses(&probabilities, &data.training_labels()))
}

pub(super) const CONFIG: &str = "config.json";
/// What a curriculum goes by, kept so that a resumed run goes by the same.
const DIFFICULTY: &str = "difficulty.json";
/// What the data are like, for predictions.
const DATA: &str = "data.json";
pub(super) const SUMMARY: &str = "summary.json";

/// The runs that there are, in order.
pub(super) fn names(root: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
    let runs = entries.filter(|entry| entry.path().join(CONFIG).exists());
    let mut names: Vec<String> = runs.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
