//! Trains what a row of a table asks for.

use crate::activations;
use crate::support::mislabel;
use crate::table::{Group, Outcome, Row};
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
use burn_descent::augment::Views;
use burn_descent::early_stopping::EarlyStoppingConfig;
use burn_descent::ensemble::Ensemble;
use burn_descent::penalty::PenaltiesConfig;
use burn_descent::weights::reestimate_batch_norm;
use burn_descent_lab::data::{DataSource, EmbeddedDigits, LabelledImages};
use burn_descent_lab::runs::{
    Classifier, DatasetKind, ImageBatch, ImageSource, RunConfig, RunData, TrainError, TrainingSession, evaluate,
};
use std::collections::HashMap;

/// What a technique takes beside a configuration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Treatment {
    /// Nothing.
    None,
    /// The answers are averaged over views of each test image.
    Views(Views),
    /// After training, batch normalization is re-estimated over the training images, in batches of so many.
    Reestimated(usize),
    /// A network is there that was trained on embedded digits: training starts at its weights, or the configuration's
    /// penalties are measured from them, or both.
    Prior { starts: bool, attracts: bool },
    /// L1 of this strength on the activations of a network that shows them.
    Activations(f64),
}

/// Embedded digits that a prior is trained on, for each training image of the row.
const DIGITS: usize = 5;

/// The data of a table by seed, and networks that several of its rows ask for.
pub struct Trainer<'a> {
    group: &'a Group,
    device: Device,
    data: Vec<RunData>,
    kept: HashMap<String, Trained>,
}

/// The networks of a training, and the test accuracies along its steps.
#[derive(Clone)]
struct Trained {
    networks: Vec<Classifier>,
    epochs: usize,
    curve: Vec<(usize, f64)>,
}

/// See [`Treatment::Prior`].
struct Prior {
    network: Classifier,
    starts: bool,
    attracts: bool,
}

impl<'a> Trainer<'a> {
    /// # Errors
    ///
    /// If the data cannot be read, or there are too few images.
    pub fn new(group: &'a Group, source: &DataSource) -> Result<Self, TrainError> {
        let (_, device) = group.base.backend.device()?;
        let load = |seed| {
            let data = RunData::load(&RunConfig { seed, ..group.base.clone() }, source, true)?;
            if group.wrong_labels > 0.0 { mislabel(data, group.wrong_labels, seed) } else { Ok(data) }
        };
        let data = (1..=group.seeds).map(load).collect::<Result<_, TrainError>>()?;
        Ok(Self { group, device, data, kept: HashMap::new() })
    }

    /// Trains the row with `seed`, from 1, and tests it.
    ///
    /// # Errors
    ///
    /// If a hyperparameter is out of range, training diverges in a way that it does not recover from, or the device fails.
    pub fn outcome(&mut self, row: &Row, seed: u64) -> Result<Outcome, TrainError> {
        let config = row.config.clone().with_seed(seed);
        let data = self.data[seed as usize - 1].clone();
        if let Treatment::Activations(strength) = row.treatment {
            let (test, silent) = activations::train(&config, &data, &self.device, strength)?;
            return Ok(Outcome { silent: Some(silent), ..Outcome::new(seed, &test, config.epochs) });
        }
        let Trained { mut networks, epochs, curve } = self.trained(row, &config, &data)?;
        if let Treatment::Reestimated(batch_size) = row.treatment {
            let reestimated = |network| reestimated(network, &data, batch_size, &self.device);
            networks = networks.iter().map(reestimated).collect::<Result<_, _>>()?;
        }
        let views = match row.treatment {
            Treatment::Views(views) => views,
            _ => Views::Identity,
        };
        let zeros = networks.first().map_or(0.0, zeros);
        let test = evaluate(&Ensemble::new(networks)?, &data, &self.device, views)?;
        Ok(Outcome { zeros, curve, ..Outcome::new(seed, &test, epochs) })
    }

    /// The networks of the row, trained once for all rows that share them.
    fn trained(&mut self, row: &Row, config: &RunConfig, data: &RunData) -> Result<Trained, TrainError> {
        let key = |row: &Row| match row.treatment {
            Treatment::Prior { .. } => format!("{:?} {:?}", row.config, row.treatment),
            _ => format!("{:?}", row.config),
        };
        let this = key(row);
        let name = format!("{this} {}", config.seed);
        if let Some(trained) = self.kept.get(&name) {
            return Ok(trained.clone());
        }
        let prior = match row.treatment {
            Treatment::Prior { starts, attracts } => {
                Some(Prior { network: self.prior(config, data)?, starts, attracts })
            }
            _ => None,
        };
        let trained = train(config, data, &self.device, self.group.every, prior.as_ref())?;
        if self.group.rows.iter().filter(|other| key(other) == this).count() > 1 {
            self.kept.insert(name, trained.clone());
        }
        Ok(trained)
    }

    /// A network that was trained on embedded digits, without penalties.
    fn prior(&mut self, config: &RunConfig, data: &RunData) -> Result<Classifier, TrainError> {
        let name = format!("prior {}", config.seed);
        if let Some(trained) = self.kept.get(&name) {
            return Ok(trained.networks[0].clone());
        }
        // Others than those that are the data set itself where no other is at hand.
        let digits = EmbeddedDigits::new(if data.kind == DatasetKind::Synthetic { 2 } else { 0 });
        let count = DIGITS * data.train_indices.len();
        let (pixels, labels): (Vec<_>, Vec<u8>) = (0..count).map(|index| digits.digit(index as u64)).unzip();
        let [_, height, width] = data.image();
        let drawn = LabelledImages::new(height, width, pixels.concat(), labels)?;
        let drawn = RunData { train: drawn.into(), train_indices: (0..count).collect(), ..data.clone() };
        let config = RunConfig { penalties: PenaltiesConfig::new(), ..config.clone() };
        let trained = train(&config, &drawn, &self.device, None, None)?;
        let network = trained.networks[0].clone();
        self.kept.insert(name, trained);
        Ok(network)
    }
}

/// The networks that a `Run` of the configuration trains: those of an ensemble, snapshots, or one. Only where it is to stop
/// early are the weights kept that were best on the validation images.
fn train(
    config: &RunConfig,
    data: &RunData,
    device: &Device,
    every: Option<usize>,
    prior: Option<&Prior>,
) -> Result<Trained, TrainError> {
    let snapshots = config.snapshots()?;
    let trainings = if snapshots.is_empty() { config.ensemble } else { 1 };
    let mut trained = Trained { networks: Vec::new(), epochs: 0, curve: Vec::new() };
    for number in 0..trainings {
        let config = config.clone().with_seed(config.seed + number as u64);
        let mut session = TrainingSession::new(&config, data, device)?;
        if let Some(Prior { network, starts, attracts }) = prior {
            session = if *starts { session.starting_from(network)? } else { session };
            session = if *attracts { session.towards(network)? } else { session };
        }
        let stopping = config.early_stopping.map(EarlyStoppingConfig::new);
        let mut stopping = stopping.map(|stopping| stopping.init()).transpose()?;
        let (mut best, mut step) = (None, 0);
        while let Some(progress) = session.train(every.map_or(usize::MAX, |every| every - step % every))? {
            step = progress.step;
            trained.epochs = progress.epoch;
            if every.is_some_and(|every| step.is_multiple_of(every)) {
                trained.curve.push((step, session.test()?.accuracy));
            }
            if snapshots.contains(&progress.epoch) {
                trained.networks.push(session.model()?);
            }
            if let Some(stopping) = &mut stopping {
                let over = stopping.observe(session.validate()?.loss);
                if stopping.best().is_some_and(|(epoch, _)| epoch == progress.epoch) {
                    best = Some(session.model()?);
                }
                if over {
                    break;
                }
            }
        }
        if snapshots.is_empty() {
            trained.networks.push(best.map_or_else(|| session.model(), Ok)?);
        }
    }
    Ok(trained)
}

fn reestimated(
    network: &Classifier,
    data: &RunData,
    batch_size: usize,
    device: &Device,
) -> Result<Classifier, TrainError> {
    let (images, indices) = (data.train.clone(), data.train_indices.clone());
    let loader =
        ImageSource::new(images, indices, data.normalization().clone()).loader(batch_size, &device.clone().autodiff());
    let batches = loader.epoch(1, 0).flatten();
    let forward = |network: &Classifier, batch: &ImageBatch| _ = network.forward(batch.images.clone());
    Ok(reestimate_batch_norm(network, Classifier::batch_norms, batches, forward)?)
}

/// The share of the weights, biases and the like left out, that are exactly 0.
fn zeros(network: &Classifier) -> f64 {
    #[derive(Default)]
    struct Count {
        zeros: f64,
        weights: usize,
    }
    impl ModuleVisitor for Count {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if D > 1 {
                let weights = param.val();
                let count = weights.shape().num_elements();
                let share = weights.equal_elem(0.0).float().mean().into_scalar::<f32>();
                self.zeros += f64::from(share) * count as f64;
                self.weights += count;
            }
        }
    }
    let mut count = Count::default();
    network.visit(&mut count);
    count.zeros / count.weights.max(1) as f64
}
