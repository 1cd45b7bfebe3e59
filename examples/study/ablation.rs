//! Techniques against one baseline each: few images, wrong labels, more images, and a convolutional network.

use crate::table::{BASELINE, Group, Row};
use crate::trainer::Treatment;
use crate::{SOME, Study, flags};
use burn_descent::augment::{AugmentConfig, Views};
use burn_descent::nn::{DropoutForm, LabelSmoothing};
use burn_descent::optim::NamedOptimizer;
use burn_descent::penalty::{PenaltiesConfig, Penalty};
use burn_descent::schedule::Schedule;
use burn_descent::weights::{EmaConfig, SamConfig};
use burn_descent_lab::networks::{CnnConfig, MlpConfig};
use burn_descent_lab::runs::{ModelConfig, RunConfig, Sampling, TrainError};

/// A multilayer perceptron with nothing that keeps it from learning its images by heart.
fn plain() -> MlpConfig {
    MlpConfig::new().with_widths(vec![256; 2]).with_dropout(0.0).with_batch_norm(false)
}

const PLAIN: &str = "--model mlp --widths 256,256 --dropout 0 --batch-norm false";

/// What pulls towards a prior.
const PULL: &str = "l2-decoupled=1@weight";

/// The share of the labels that are wrong where some are.
const WRONG: f64 = 0.3;

pub fn groups(study: &Study) -> Result<Vec<Group>, TrainError> {
    let few = study.few();
    Ok(vec![small(study, few)?, wrong_labels(study, few)?, large(study, 10 * few)?, convolutional(study, few)?])
}

/// Techniques on a perceptron, few images.
fn small(study: &Study, images: usize) -> Result<Group, TrainError> {
    let base = study.config(ModelConfig::Mlp(plain()), images, 30);
    let epochs = base.epochs;
    let row = |name: &str, flags: &str, change: fn(&mut RunConfig)| Row::new(&base, name, flags, change);
    let mut rows = vec![Row::new(&base, BASELINE, "", |_| {})];
    rows.extend(common(&base)?);
    rows.extend([
        row("dropout, scaled at test time", "--dropout-input 0.2 --dropout 0.5 --dropout-form at-test", |config| {
            let mlp = plain().with_dropout_input(0.2).with_dropout(0.5);
            config.model = ModelConfig::Mlp(mlp.with_dropout_form(DropoutForm::AtTest));
        }),
        smoothed(&base, "label smoothing, all classes", "all:0.1", LabelSmoothing::AllClasses(0.1)),
        penalized(&base, "L2", "l2=1e-3@weight")?,
        penalized(&base, "L2, strong", "l2=1e-2@weight")?,
        penalized(&base, "L2, decoupled, strong", "l2-decoupled=1@weight")?,
        penalized(&base, "Frobenius norm", "frobenius=1e-2@weight")?,
        penalized(&base, "Frobenius norm, decoupled", "frobenius-decoupled=10@weight")?,
        penalized(&base, "L1", "l1=1e-4@weight")?,
        penalized(&base, "lasso", "lasso=3e-2@weight")?,
        penalized(&base, "lasso, strong", "lasso=0.1@weight")?,
        penalized(&base, "max-norm", "max-norm=0.5@weight")?,
        row("start from embedded digits", "`TrainingSession::starting_from`", |_| {})
            .with(Treatment::Prior { starts: true, attracts: false }),
    ]);
    let attracted = |name: &str, starts, against: &str| {
        let row = penalized(&base, name, PULL)?;
        let flags = format!("`TrainingSession::towards`, `{}`", row.flags);
        let row = Row { flags, ..row }.with(Treatment::Prior { starts, attracts: true });
        Ok::<_, TrainError>(row.against(against))
    };
    rows.push(attracted("L2 towards their weights", false, BASELINE)?);
    rows.push(attracted("start there, and L2 towards there", true, "start from embedded digits")?);
    let deep = "three hidden layers";
    rows.push(row(deep, "--widths 256,256,256", |config| {
        config.model = ModelConfig::Mlp(plain().with_widths(vec![256; 3]));
    }));
    let tied = row("two of them tied", "`PenaltiesConfig::tie`", |config| {
        config.model = ModelConfig::Mlp(plain().with_widths(vec![256; 3]));
        let [first, second] = [1, 2].map(|layer| format!("network.Mlp.hidden.{layer}.weight"));
        config.penalties = PenaltiesConfig::new().tie(0.1, &first, &second);
    });
    rows.push(tied.against(deep));
    let open = "one hidden layer";
    rows.push(row(open, "`examples/study/activations.rs`", |_| {}).with(Treatment::Activations(0.0)));
    for strength in [1e-3, 1e-2] {
        let name = format!("L1 on its activations, {strength}");
        let sparse = Row::new(&base, name, "`penalty::sparsity`", |_| {});
        rows.push(sparse.with(Treatment::Activations(strength)).against(open));
    }
    let last = 3 * epochs / 4 + 1;
    let constant = "constant rate";
    rows.push(row(constant, "--schedule constant", |config| config.schedule = Schedule::Constant));
    rows.push(
        Row::new(&base, "EMA, constant rate", "--schedule constant --ema 0.99", |config| {
            config.schedule = Schedule::Constant;
            config.ema = Some(EmaConfig::new().with_decay(0.99));
        })
        .against(constant),
    );
    rows.push(
        Row::new(&base, "SWA, constant rate", format!("--schedule constant --swa {last}"), |config| {
            config.schedule = Schedule::Constant;
            config.swa = Some(last);
        })
        .against(constant),
    );
    let momentum = "momentum";
    let by = |name: &str, optimizer: NamedOptimizer, flags: &str| {
        let flags = format!("--optimizer {} --lr 0.05{flags}", optimizer.name());
        Row::new(&base, name, flags, |config| (config.optimizer, config.lr) = (optimizer, 0.05))
    };
    rows.push(by(momentum, NamedOptimizer::named("momentum")?, ""));
    let noisy = NamedOptimizer::named("sgd-noise")?;
    rows.push(by("gradient noise, η 1e-4", noisy.clone(), "").against(momentum));
    rows.push(by("gradient noise, η 1e-3", noisy.with("noise.eta=1e-3")?, " --set noise.eta=1e-3").against(momentum));
    let ensemble = "ensemble of 5";
    rows.push(row("bootstrap sample", "--sampling bootstrap", |config| config.sampling = Sampling::Bootstrap));
    rows.push(row(ensemble, "--ensemble 5", |config| config.ensemble = 5));
    rows.push(
        row("bagging, 5", "--ensemble 5 --bagging", |config| {
            (config.ensemble, config.sampling) = (5, Sampling::Bootstrap);
        })
        .against(ensemble),
    );
    let snapshots = (1..=5).rev().find(|snapshots| epochs.is_multiple_of(*snapshots)).unwrap_or(1);
    let name = format!("snapshots, {snapshots}");
    rows.push(Row::new(&base, name, format!("--snapshots {snapshots}"), |config| {
        *config = config.clone().with_snapshots(snapshots);
    }));
    Ok(group("few images", study, base, PLAIN, rows))
}

/// What is tried on few and on more images.
fn common(base: &RunConfig) -> Result<Vec<Row>, TrainError> {
    let row = |name: &str, flags: &str, change: fn(&mut RunConfig)| Row::new(base, name, flags, change);
    Ok(vec![
        augmented(base, "augmentation", "default")?,
        augmented(base, "mixup", "mixup=0.2")?,
        smoothed(base, "label smoothing", "0.1", LabelSmoothing::OtherClasses(0.1)),
        row("dropout", "--dropout-input 0.2 --dropout 0.5", |config| {
            config.model = ModelConfig::Mlp(plain().with_dropout_input(0.2).with_dropout(0.5));
        }),
        row("batch normalization", "--batch-norm true", |config| {
            config.model = ModelConfig::Mlp(plain().with_batch_norm(true));
        }),
        penalized(base, "L2, decoupled", "l2-decoupled=0.1@weight")?,
        row("EMA", "--ema 0.99", |config| config.ema = Some(EmaConfig::new().with_decay(0.99))),
        row("sharpness-aware", "--sam 0.05", |config| config.sam = Some(SamConfig::new().with_rho(0.05))),
    ])
}

/// What may keep a network from learning wrong labels.
fn wrong_labels(study: &Study, images: usize) -> Result<Group, TrainError> {
    let base = study.config(ModelConfig::Mlp(plain()), images, 30);
    let mut rows = vec![
        Row::new(&base, BASELINE, "", |_| {}),
        Row::new(&base, "early stopping", "--early-stopping 5", |config| config.early_stopping = Some(5)),
    ];
    rows.extend(common(&base)?);
    rows.push(penalized(&base, "lasso", "lasso=3e-2@weight")?);
    let group = group("wrong labels", study, base, PLAIN, rows);
    let about = format!(
        "{} {} % of the training labels are wrong (the `mnist` example has no flag for that); those for validation are right.",
        group.about,
        100.0 * WRONG
    );
    Ok(Group { wrong_labels: WRONG, about, ..group })
}

/// Some of the techniques on more images.
fn large(study: &Study, images: usize) -> Result<Group, TrainError> {
    let base = study.config(ModelConfig::Mlp(plain()), images, 10);
    let mut rows = vec![Row::new(&base, BASELINE, "", |_| {})];
    rows.extend(common(&base)?);
    rows.push(Row::new(&base, "ensemble of 3", "--ensemble 3", |config| config.ensemble = 3));
    let group = group("more images", study, base, PLAIN, rows);
    Ok(Group { seeds: study.seeds(SOME), ..group })
}

/// Augmentation and views.
fn convolutional(study: &Study, images: usize) -> Result<Group, TrainError> {
    let base = study.config(ModelConfig::Cnn(CnnConfig::new()), images, 20);
    let augmentation = "augmentation";
    let mut rows = vec![
        Row::new(&base, BASELINE, "", |_| {}),
        augmented(&base, augmentation, "default")?,
        augmented(&base, "erasing", "erase=0.2")?,
        augmented(&base, "mixup", "mixup=0.2")?,
        augmented(&base, "cutmix", "cutmix=1")?,
        Row::new(&base, "no batch normalization", "--batch-norm false", |config| {
            config.model = ModelConfig::Cnn(CnnConfig::new().with_batch_norm(false));
        })
        .against(BASELINE),
    ];
    for views in [Views::Flips, Views::FiveCrop, Views::TenCrop] {
        let row = Row::new(&base, format!("views: {views}"), format!("`eval NAME --views {views}`"), |_| {});
        rows.push(row.with(Treatment::Views(views)));
    }
    let row = augmented(&base, "augmentation, views: five-crop", "default")?;
    let row = Row { flags: "`--augment default`, `eval NAME --views five-crop`".to_owned(), ..row };
    rows.push(row.with(Treatment::Views(Views::FiveCrop)).against(augmentation));
    let group = group("convolutional", study, base, "--model cnn", rows);
    Ok(Group { seeds: study.seeds(SOME), ..group })
}

/// A group whose rows are compared with its first, if with nothing else.
fn group(name: &str, study: &Study, base: RunConfig, network: &str, mut rows: Vec<Row>) -> Group {
    for row in rows.iter_mut().skip(1).filter(|row| row.against.is_none()) {
        row.against = Some(BASELINE.to_owned());
    }
    let (images, epochs) = (study.images(&base), base.epochs);
    let about = format!("{images} images of {}, {epochs} epochs of Nadam under one-cycle.", base.dataset);
    Group {
        name: name.to_owned(),
        about,
        flags: flags(network, &base),
        wrong_labels: 0.0,
        seeds: study.seeds(crate::MANY),
        every: None,
        base,
        rows,
    }
}

fn penalized(base: &RunConfig, name: &str, penalty: &str) -> Result<Row, TrainError> {
    let parsed: Penalty = penalty.parse().map_err(|error| TrainError::Stopped(format!("{error}")))?;
    let change = |config: &mut RunConfig| config.penalties = PenaltiesConfig::new().then(parsed);
    Ok(Row::new(base, name, format!("--penalty {penalty}"), change))
}

fn augmented(base: &RunConfig, name: &str, augment: &str) -> Result<Row, TrainError> {
    let parsed: AugmentConfig = augment.parse()?;
    Ok(Row::new(base, name, format!("--augment {augment}"), |config| config.augment = Some(parsed)))
}

fn smoothed(base: &RunConfig, name: &str, flag: &str, smoothing: LabelSmoothing) -> Row {
    Row::new(base, name, format!("--label-smoothing {flag}"), |config| config.label_smoothing = smoothing)
}
