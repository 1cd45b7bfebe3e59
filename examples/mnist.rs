//! Trains an image classifier on MNIST, Fashion-MNIST or embedded digits, with any optimizer and technique by flag.
//!
//! ```text
//! cargo run --example mnist                                      # a CNN with Nadam on MNIST
//! cargo run --example mnist -- --model mlp --optimizer adadelta
//! cargo run --example mnist -- --config artifacts/mnist/cnn-nadam/config.json
//! cargo run --example mnist -- --resume cnn-nadam
//! cargo run --example mnist -- find-lr --optimizer adadelta
//! cargo run --example mnist -- eval cnn-nadam
//! cargo run --example mnist -- predict cnn-nadam digit.png
//! ```

mod support;

use burn_descent::augment::{AugmentConfig, Views};
use burn_descent::ensemble::Combination;
use burn_descent::gradient::{
    AdaptiveClipConfig, CentralizationConfig, ClipValueConfig, GradientNoiseConfig, GradientTransform, Norm,
};
use burn_descent::nn::{Activation, DropoutForm, Initialization, LabelSmoothing};
use burn_descent::optim::{NamedOptimizer, NamedOptimizerError, ParameterGroupConfig};
use burn_descent::penalty::Penalty;
use burn_descent::sample::Curriculum;
use burn_descent::schedule::{RangeTestConfig, Schedule};
use burn_descent::schedule::{Variation, VariationError};
use burn_descent::second_order::MinimizerConfig;
use burn_descent::train::RollbackConfig;
use burn_descent::transfer::Unfreeze;
use burn_descent::weights::{EmaConfig, LookaheadConfig, SamConfig};
use burn_descent_lab::cli::{Dimension, TuneConfig, dashboard, on_signals, print, tune_folder};
use burn_descent_lab::data::TableTask;
use burn_descent_lab::runs::{
    Backend, BatchMinimizer, Criterion, Dashboard, DatasetKind, Loss, ModelConfig, Predictions, Run, RunConfig,
    RunOptions, Sampling, Split, TrainError, TransferConfig, WeightLayout, bytes, compare, find_lr, list, peak_memory,
};
use clap::{Args, CommandFactory, Parser, Subcommand};
use serde::de::DeserializeOwned;
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use support::{exit, exit_with, source};

/// What a program ends with that was interrupted, as shells have it.
const INTERRUPTED: u8 = 130;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Train an image classifier, watch it learn, keep everything under artifacts/mnist/NAME.
#[derive(Parser)]
#[command(name = "mnist", args_conflicts_with_subcommands = true, allow_negative_numbers = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    kept: KeptArgs,
    #[command(flatten)]
    train: TrainArgs,
}

#[derive(Subcommand)]
enum Command {
    /// Test the kept weights of a run again, or of several as one ensemble.
    Eval {
        /// The run or runs.
        #[arg(required = true)]
        names: Vec<String>,
        /// Test on another data set: mnist, fashion or synthetic.
        #[arg(long)]
        dataset: Option<DatasetKind>,
        /// Average over views of each image: identity, flips, five-crop, ten-crop or szegedy (144) [default: the run's].
        #[arg(long)]
        views: Option<Views>,
        #[command(flatten)]
        ensemble: EnsembleArgs,
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// List the runs and what they have come to.
    Runs {
        /// Folder of all runs.
        #[arg(long, value_name = "DIR", default_value = "artifacts/mnist")]
        artifacts: PathBuf,
    },
    /// Put runs side by side: what differs in their configurations, and what they came to.
    Compare {
        /// The runs.
        #[arg(required = true, num_args = 2..)]
        names: Vec<String>,
        /// Folder of all runs.
        #[arg(long, value_name = "DIR", default_value = "artifacts/mnist")]
        artifacts: PathBuf,
    },
    /// Try many settings of the flags, each in a run of its own, and keep on with the best; the same command goes on
    /// after a break.
    Tune {
        /// What to try: lr=1e-4..1e-1, dropout=0..0.5, optimizer=adam,nadam; as often as there are flags to try.
        #[arg(long, value_name = "FLAG=VALUES", required = true)]
        over: Vec<Dimension>,
        /// Draw so many settings at random [default: every combination of the lists].
        #[arg(long, value_name = "N")]
        trials: Option<usize>,
        /// Successive halving: begin with few epochs, and go on with the best of each RATE trials only.
        #[arg(long, value_name = "RATE")]
        halving: Option<usize>,
        /// Epochs of a whole training.
        #[arg(long, default_value_t = 10)]
        epochs: usize,
        /// Trainings at the same time.
        #[arg(long, default_value_t = 1)]
        jobs: usize,
        /// Name of the search, whose runs are in tune/NAME under the folder of all runs.
        #[arg(long, default_value = "search")]
        name: String,
        /// Seed of what is drawn.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Folder of all runs.
        #[arg(long, value_name = "DIR", default_value = "artifacts/mnist")]
        artifacts: PathBuf,
        /// Flags of all trials, after two dashes: -- --model mlp --train-images 10000.
        #[arg(last = true)]
        flags: Vec<String>,
    },
    /// Try learning rates from 1e-6 to 10 on a copy of the network, and suggest one.
    FindLr {
        #[command(flatten)]
        train: Box<TrainArgs>,
    },
    /// Write the kept weights of a run as safetensors, for PyTorch and other programs.
    Export {
        /// The run.
        name: String,
        /// File to write; of an ensemble, one for each network with a number added [default: model.safetensors beside the
        /// kept weights].
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// How weights are named and laid out: pytorch or burn.
        #[arg(long, default_value_t)]
        layout: WeightLayout,
        #[command(flatten)]
        ensemble: EnsembleArgs,
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Tell what PNG or JPEG pictures of any size show, or the labels of the rows of a table.
    Predict {
        /// The run.
        name: String,
        /// The pictures, folders of pictures, or the table.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// Write the predictions as CSV.
        #[arg(long, value_name = "FILE")]
        csv: Option<PathBuf>,
        #[command(flatten)]
        ensemble: EnsembleArgs,
        #[command(flatten)]
        place: PlaceArgs,
    },
}

/// How an ensemble is asked.
#[derive(Args)]
struct EnsembleArgs {
    /// How the networks' answers become one: probabilities, logits or vote [default: as the run was tested].
    #[arg(long)]
    combine: Option<Combination>,
    /// Ask only the last M networks or snapshots.
    #[arg(long, value_name = "M")]
    last: Option<usize>,
}

/// Where things are, which no run depends on.
#[derive(Args)]
struct PlaceArgs {
    /// Folder with the data set's files, or your own pictures or table [default: MNIST_DIR, FASHION_MNIST_DIR, CIFAR10_DIR
    /// or CIFAR100_DIR, else the user's cache folder, else a download].
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Where to download the data set's files from.
    #[arg(long, value_name = "URL")]
    mirror: Option<String>,
    /// Folder of all runs.
    #[arg(long, value_name = "DIR", default_value = "artifacts/mnist")]
    artifacts: PathBuf,
    /// auto, flex, ndarray, wgpu or cuda; auto takes CUDA or a GPU if compiled in and present, else flex.
    #[arg(long)]
    backend: Option<Backend>,
}

/// What is done with a run that there is.
#[derive(Args)]
struct KeptArgs {
    /// Go on from a run's last checkpoint; with --epochs, to more of them.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["name", "config", "overwrite"])]
    resume: Option<String>,
    /// Replace a run of the same name.
    #[arg(long)]
    overwrite: bool,
}

#[derive(Args)]
struct TrainArgs {
    /// Name of the run [default: NETWORK-OPTIMIZER, with a number if taken; of find-lr: find-lr].
    #[arg(long)]
    name: Option<String>,
    /// Start from a run's config.json; further flags change it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// mnist, fashion, cifar10, cifar100 or synthetic; or data of your own in --data: images (a folder of PNG or JPEG
    /// pictures, one folder a class) or table (a file of delimited text) [default: mnist, or drawn digits without a
    /// network].
    #[arg(long)]
    dataset: Option<DatasetKind>,
    /// With --dataset images: height and width that pictures are resized to: 32x32.
    #[arg(long, value_name = "HxW", value_parser = size)]
    size: Option<[usize; 2]>,
    /// With --dataset images: 1 makes pictures gray, 3 makes them red, green and blue.
    #[arg(long, value_name = "N")]
    channels: Option<usize>,
    /// With --dataset table: the column of the labels.
    #[arg(long, value_name = "COLUMN")]
    label: Option<String>,
    /// With --dataset table: columns of categories that look like numbers.
    #[arg(long, value_delimiter = ',', value_name = "COLUMN,...")]
    categorical: Vec<String>,
    /// With --dataset table: columns that are not looked at.
    #[arg(long, value_delimiter = ',', value_name = "COLUMN,...")]
    ignore: Vec<String>,
    /// With --dataset table: a second file, with the rows to test on [default: a tenth of the first].
    #[arg(long, value_name = "FILE")]
    test_data: Option<PathBuf>,
    /// What to train by: cross-entropy or mse, the mean squared error; with --dataset table, mse says that the labels are
    /// numbers [default: cross-entropy].
    #[arg(long, value_name = "LOSS", value_parser = loss)]
    loss: Option<Loss>,
    /// Train on so many images only.
    #[arg(long, value_name = "N")]
    train_images: Option<usize>,
    /// Hold out so many training images for validation [default: 5000].
    #[arg(long, value_name = "N")]
    validation_images: Option<usize>,
    /// How validation images are chosen: random, or stratified, with the share of each class that all images have.
    #[arg(long, value_parser = named::<Split>)]
    split: Option<Split>,
    /// Which training images make up an epoch: shuffled, bootstrap (drawn with replacement once for each network: with
    /// --ensemble, bagging) or balanced (as many from each class).
    #[arg(long, value_parser = named::<Sampling>)]
    sampling: Option<Sampling>,
    /// Train on the easiest images first: linear, root or step=START,LENGTH, the share to begin with and when all are there
    /// (linear=0.2,5epochs, root=0.2,500steps); the hardest first by anti-linear=..., any by random-linear=....
    #[arg(long, value_name = "PACE=START,LENGTH")]
    curriculum: Option<Curriculum>,
    /// The run whose losses tell how hard an image is [default: a small network, trained for an epoch beforehand].
    #[arg(long, value_name = "NAME")]
    teacher: Option<String>,
    /// mlp, cnn or resnet [default: cnn].
    #[arg(long)]
    model: Option<String>,
    /// Units of the hidden layers (mlp), or channels of the blocks (cnn) or stages (resnet): 512,512.
    #[arg(long, value_delimiter = ',', value_name = "N,N,...")]
    widths: Option<Vec<usize>>,
    /// Residual blocks of the ResNet's stages.
    #[arg(long, value_delimiter = ',', value_name = "N,N,...")]
    blocks: Option<Vec<usize>>,
    /// Sides of the CNN's kernels, one a block, or of all of the ResNet's.
    #[arg(long, value_delimiter = ',', value_name = "N,N,...")]
    kernels: Option<Vec<usize>>,
    /// Strides of the CNN's blocks.
    #[arg(long, value_delimiter = ',', value_name = "N,N,...")]
    strides: Option<Vec<usize>>,
    /// Max pooling after the CNN's blocks: sides of the squares, 1 for none.
    #[arg(long, value_delimiter = ',', value_name = "N,N,...")]
    pools: Option<Vec<usize>>,
    /// Units of the CNN's hidden layer.
    #[arg(long, value_name = "N")]
    hidden: Option<usize>,
    /// Share of the hidden units dropped in training.
    #[arg(long, value_name = "SHARE")]
    dropout: Option<f64>,
    /// Share of the inputs dropped in training.
    #[arg(long, value_name = "SHARE")]
    dropout_input: Option<f64>,
    /// Where dropout makes up for what is missing: inverted (in training) or at-test.
    #[arg(long, value_name = "FORM")]
    dropout_form: Option<DropoutForm>,
    /// The function of the hidden units: relu, leaky-relu, gelu, tanh or sigmoid.
    #[arg(long)]
    activation: Option<Activation>,
    /// What the weights are drawn from: kaiming, xavier, normal=DEVIATION or zeros.
    #[arg(long, value_name = "HOW")]
    initialization: Option<Initialization>,
    /// Whether batch normalization stands before each activation.
    #[arg(long, value_name = "true|false")]
    batch_norm: Option<bool>,
    /// Start from the kept weights of this run, but for a new output layer.
    #[arg(long, value_name = "NAME")]
    from: Option<String>,
    /// With --from: take over the output layer too, for the same classes.
    #[arg(long)]
    keep_head: bool,
    /// With --from: which layers train: at-once (all), never (the output alone), or N: one more after each N epochs.
    #[arg(long, value_name = "WHEN")]
    unfreeze: Option<Unfreeze>,
    /// With --from: the learning rate of each layer, as a share of that of the layer above it: 0.5.
    #[arg(long, value_name = "SHARE")]
    layer_decay: Option<f64>,
    /// adadelta, amsgrad, nadam, rmsprop-momentum, sgd-noise, adam, ... (an unknown name lists them all), or a preset of
    /// one: nadam:dozat, adagrad:kao. Or a second-order method, for large batches: lbfgs, hessian-free, ...
    #[arg(long)]
    optimizer: Option<String>,
    /// Iterations of a second-order method on each batch [default: 1 of hessian-free, 5 of the others].
    #[arg(long, value_name = "NUMBER")]
    iterations: Option<usize>,
    /// With hessian-free: make the products with the curvature of so many images of a batch [default: all].
    #[arg(long, value_name = "NUMBER")]
    curvature_images: Option<usize>,
    /// A hyperparameter of the optimizer: beta_1=0.8, form=lecture, noise.eta=0.3, epsilon={"inside":1e-7}.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    hyperparameters: Vec<String>,
    /// A hyperparameter that changes over the run: momentum=0.5..0.95 (linearly), epsilon=1e-3:exponential=0.5 (times what
    /// a schedule does to the rate), momentum=0.85..0.95:one-cycle (against the rate).
    #[arg(long, value_name = "NAME=FROM..TO:SCHEDULE", value_parser = variation)]
    vary: Vec<(String, Variation)>,
    /// Learning rate [default: the optimizer's].
    #[arg(long)]
    lr: Option<f64>,
    /// constant, linear, cosine, one-cycle, exponential=BETA, step=EPOCHS:FACTOR, polynomial=POWER, time-based=K,
    /// inverse-sqrt=K, cosine-restarts=EPOCHS, plateau=FACTOR,PATIENCE, multi-step=EPOCHS/EPOCHS:FACTOR,
    /// triangular=EPOCHS, wsd=EPOCHS:EPOCHS, warm-up=EPOCHS+SCHEDULE or SCHEDULE@EPOCHS+SCHEDULE; 500steps for EPOCHS
    /// and per=step count steps (an unknown parameter lists them all) [default: one-cycle].
    #[arg(long)]
    schedule: Option<Schedule>,
    /// Sharpness-aware minimization: take the gradients RHO up the slope (0.05). Two passes a step.
    #[arg(long, value_name = "RHO")]
    sam: Option<f64>,
    /// A penalty on the weights: l2, frobenius or l1=STRENGTH as part of the loss; l2-decoupled, frobenius-decoupled or
    /// lasso=STRENGTH by a move after each step, to exact zeros; max-norm=LIMIT of the weights into each unit. With @weight, only
    /// on parameters with that in their path: lasso=1e-4@weight. tie=STRENGTH@PATH~PATH draws two parameters together.
    #[arg(long = "penalty", value_name = "KIND=STRENGTH")]
    penalties: Vec<Penalty>,
    /// Measure the penalties on the weights from the kept weights of this run, in place of 0.
    #[arg(long, value_name = "NAME")]
    prior: Option<String>,
    /// A penalty on the activations of the hidden layers, so that few units are active: STRENGTH times their L1 norm.
    #[arg(long, value_name = "STRENGTH")]
    sparse_activations: Option<f64>,
    /// Parameters with an optimizer, a learning rate or a decay of their own: those with one of some words in their path.
    /// bias,norm:decay=0 or output:rate=0.1,optimizer=sgd. Of two the latter counts.
    #[arg(long = "group", value_name = "PATHS:WHAT=VALUE")]
    groups: Vec<ParameterGroupConfig>,
    /// No weight decay for the parameters with one of these words in their path: bias,norm.
    #[arg(long, value_name = "PATHS", value_delimiter = ',')]
    no_decay: Vec<String>,
    /// Skip steps whose gradients are not all finite, at most N in a row.
    #[arg(long, value_name = "N")]
    skip_nonfinite: Option<u64>,
    /// Where gradients or the validation loss are not finite, go back to the beginning of the epoch and on with FACTOR of the
    /// learning rate (0.5), at most N times: 3 or 3:0.1.
    #[arg(long, value_name = "N[:FACTOR]")]
    rollback: Option<RollbackConfig>,
    /// Step by the mean gradients of K batches.
    #[arg(long, value_name = "K")]
    accumulate: Option<usize>,
    /// Subtract from each weight's gradient its mean over the inputs.
    #[arg(long)]
    centralize: bool,
    /// Clip each value of the gradients to [-LIMIT, LIMIT].
    #[arg(long, value_name = "LIMIT")]
    clip_value: Option<f64>,
    /// Clip the gradients of each unit to LAMBDA times the norm of its weights (0.01 to 0.16).
    #[arg(long, value_name = "LAMBDA")]
    adaptive_clip: Option<f64>,
    /// Clip the norm of all gradients together: the Euclidean, or, as in 0.5:inf, 10:1, the largest magnitude or the sum of
    /// all. These six are done in this order, or in that of --config.
    #[arg(long, value_name = "LIMIT[:NORM]", value_parser = clip_norm)]
    clip_norm: Option<GradientTransform>,
    /// Add Gaussian noise of a variance of ETA/(1 + t)^GAMMA to the gradients of step t: 0.3, 0.01:0.55.
    #[arg(long, value_name = "ETA[:GAMMA]", value_parser = gradient_noise)]
    gradient_noise: Option<GradientNoiseConfig>,
    /// After every K-th step go back to where ALPHA of the way is made: 5:0.5.
    #[arg(long, value_name = "K:ALPHA", value_parser = lookahead)]
    lookahead: Option<LookaheadConfig>,
    /// Validate, keep and test an exponential moving average of the weights: 0.999.
    #[arg(long, value_name = "DECAY")]
    ema: Option<f64>,
    /// Validate, keep and test the mean of the weights from this epoch on.
    #[arg(long, value_name = "EPOCH")]
    swa: Option<usize>,
    /// Estimate the statistics of batch normalization again for validation and tests, in place of the running ones.
    #[arg(long)]
    reestimate: bool,
    /// Passes over the training images [default: 10].
    #[arg(long)]
    epochs: Option<usize>,
    /// Images in a step [default: 64].
    #[arg(long)]
    batch_size: Option<usize>,
    /// Leave out what is no whole batch at the end of an epoch.
    #[arg(long)]
    drop_last: bool,
    /// Share taken from the correct label and given to the others (0.1), or to all classes (all:0.1).
    #[arg(long, value_name = "SHARE", value_parser = label_smoothing)]
    label_smoothing: Option<LabelSmoothing>,
    /// Train by the focal loss, in which what the network is sure of counts less: GAMMA (2).
    #[arg(long, value_name = "GAMMA")]
    focal_loss: Option<f64>,
    /// Distort the training images: `default` (rotation=10,shift=2,scale=0.1), or a list of these and of flip, crop=2,
    /// shear=0.2, lens=0.2, elastic=1:4, brightness=0.2, contrast=0.2, noise=0.05, erase=0.2, mixup=0.2, cutmix=1,
    /// color-jitter=0.4:0.4:0.4:0.1, randaugment=2:9, trivialaugment, ... (an unknown name lists them all); @0.5 after one
    /// does it by chance.
    #[arg(long, value_name = "WHAT", num_args = 0..=1, default_missing_value = "default")]
    augment: Option<AugmentConfig>,
    /// Test by the average over views of each image: identity, flips, five-crop, ten-crop or szegedy (144).
    #[arg(long)]
    views: Option<Views>,
    /// Train K networks with seeds of their own, which answer together.
    #[arg(long, value_name = "K")]
    ensemble: Option<usize>,
    /// Train each network of the ensemble on a bootstrap sample of its own.
    #[arg(long, conflicts_with = "sampling")]
    bagging: bool,
    /// Train one network in cycles and keep it after each of the last K, which answer together [--schedule: K cosines].
    #[arg(long, value_name = "K", conflicts_with_all = ["ensemble", "bagging"])]
    snapshots: Option<usize>,
    /// How the networks' answers become one: probabilities, logits or vote [default: probabilities].
    #[arg(long)]
    combine: Option<Combination>,
    /// Keep the weights with the best validation loss or accuracy, and stop by it [default: loss].
    #[arg(long, value_name = "loss|accuracy")]
    criterion: Option<Criterion>,
    /// Stop after N epochs without an improvement.
    #[arg(long, value_name = "N")]
    early_stopping: Option<usize>,
    /// What an epoch must be better by to count as an improvement [default: 0].
    #[arg(long, value_name = "BY")]
    minimum_improvement: Option<f64>,
    /// Seed of everything random [default: 1].
    #[arg(long)]
    seed: Option<u64>,
    /// Show and log the norm of each step's gradients, all together and before they are transformed.
    #[arg(long)]
    gradient_norm: bool,
    /// Plain progress lines in place of the dashboard.
    #[arg(long)]
    plain: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

fn size(text: &str) -> Result<[usize; 2], String> {
    let sides = text.split_once('x').and_then(|(height, width)| Some([height.parse().ok()?, width.parse().ok()?]));
    sides.ok_or_else(|| format!("expected HEIGHTxWIDTH such as 32x32, but is {text}"))
}

fn loss(text: &str) -> Result<Loss, String> {
    match text {
        "cross-entropy" => Ok(Loss::CrossEntropy),
        "mse" => Ok(Loss::Mse),
        _ => Err("expected cross-entropy or mse".to_owned()),
    }
}

fn label_smoothing(text: &str) -> Result<LabelSmoothing, String> {
    let (all, share) = text.strip_prefix("all:").map_or((false, text), |share| (true, share));
    let share = share.parse().map_err(|_| format!("expected a share such as 0.1 or all:0.1, but is {text}"))?;
    Ok(if all { LabelSmoothing::AllClasses(share) } else { LabelSmoothing::OtherClasses(share) })
}

/// The variant of that name.
fn named<T: DeserializeOwned>(name: &str) -> Result<T, String> {
    serde_json::from_value(name.into()).map_err(|error| error.to_string())
}

fn variation(text: &str) -> Result<(String, Variation), String> {
    let (name, variation) = text.split_once('=').ok_or("expected NAME=FROM..TO, such as momentum=0.5..0.95")?;
    Ok((name.to_owned(), variation.parse().map_err(|error: VariationError| error.to_string())?))
}

fn clip_norm(text: &str) -> Result<GradientTransform, String> {
    let wrong = || format!("expected LIMIT or LIMIT:NORM with a norm of 1, 2 or inf, but is {text}");
    let (limit, norm) = text.split_once(':').unwrap_or((text, "2"));
    let limit = limit.parse().map_err(|_| wrong())?;
    match norm {
        "1" => Ok(GradientTransform::ClipNormBy { norm: Norm::Sum, limit }),
        "2" => Ok(GradientTransform::ClipNorm(limit)),
        "inf" => Ok(GradientTransform::ClipNormBy { norm: Norm::Maximum, limit }),
        _ => Err(wrong()),
    }
}

fn gradient_noise(text: &str) -> Result<GradientNoiseConfig, String> {
    let wrong = || format!("expected ETA or ETA:GAMMA such as 0.3 or 0.01:0.55, but is {text}");
    let number = |text: &str| text.parse().map_err(|_| wrong());
    let config = GradientNoiseConfig::new();
    Ok(match text.split_once(':') {
        None => config.with_eta(number(text)?),
        Some((eta, gamma)) => config.with_eta(number(eta)?).with_gamma(number(gamma)?),
    })
}

fn lookahead(text: &str) -> Result<LookaheadConfig, String> {
    let parts = text.split_once(':').and_then(|(k, alpha)| Some((k.parse().ok()?, alpha.parse().ok()?)));
    let (period, alpha) = parts.ok_or_else(|| format!("expected K:ALPHA such as 5:0.5, but is {text}"))?;
    Ok(LookaheadConfig::new().with_period(period).with_alpha(alpha))
}

impl PlaceArgs {
    fn options(&self) -> RunOptions {
        let mut source = source(self.data.as_ref());
        if let Some(mirror) = &self.mirror {
            source = source.mirror(mirror);
        }
        RunOptions {
            source,
            notify: |line| _ = writeln!(std::io::stderr(), "{line}"),
            ..RunOptions::new(&self.artifacts)
        }
    }
}

fn set<T: Clone>(field: &mut T, flag: &Option<T>) {
    if let Some(value) = flag {
        *field = value.clone();
    }
}

/// Sets a field of the network `model`, which may not have it.
fn set_if_there<T: Clone>(
    name: &'static str,
    model: &str,
    field: Option<&mut T>,
    flag: &Option<T>,
) -> Result<(), TrainError> {
    match (field, flag) {
        (Some(field), flag) => set(field, flag),
        (None, None) => {}
        (None, Some(_)) => {
            let value = format!("given with --model {model}");
            return Err(TrainError::Value { field: name, value, expected: "left out: this network has none" });
        }
    }
    Ok(())
}

/// What flags can change of a network, of which not every one has all.
struct NetworkFields<'a> {
    widths: &'a mut Vec<usize>,
    dropout: &'a mut f64,
    dropout_input: &'a mut f64,
    dropout_form: &'a mut DropoutForm,
    batch_norm: &'a mut bool,
    activation: &'a mut Activation,
    initialization: &'a mut Initialization,
    kernel: Option<&'a mut usize>,
    kernels: Option<&'a mut Vec<usize>>,
    strides: Option<&'a mut Vec<usize>>,
    pools: Option<&'a mut Option<Vec<usize>>>,
    hidden: Option<&'a mut Option<usize>>,
    blocks: Option<&'a mut Vec<usize>>,
}

/// The fields that every network has, by the name that the configuration gives its widths.
macro_rules! network_fields {
    ($config:ident, $widths:ident) => {
        NetworkFields {
            widths: &mut $config.$widths,
            dropout: &mut $config.dropout,
            dropout_input: &mut $config.dropout_input,
            dropout_form: &mut $config.dropout_form,
            batch_norm: &mut $config.batch_norm,
            activation: &mut $config.activation,
            initialization: &mut $config.initialization,
            kernel: None,
            kernels: None,
            strides: None,
            pools: None,
            hidden: None,
            blocks: None,
        }
    };
}

/// Whether a run has the group already: a resumed one has those of its flags.
fn has_group(groups: &[ParameterGroupConfig], group: &ParameterGroupConfig) -> bool {
    groups.iter().any(|known| serde_json::to_value(known).ok() == serde_json::to_value(group).ok())
}

impl TrainArgs {
    /// `config` with the flags that were given.
    fn apply(&self, mut config: RunConfig) -> Result<RunConfig, TrainError> {
        if let Some(kind) = self.dataset.as_ref().filter(|kind| kind.name() != config.dataset.name()) {
            config.dataset = kind.clone();
            // A table has no images for a CNN.
            if let (DatasetKind::Table { .. }, None) = (kind, &self.model) {
                config.model = ModelConfig::named("mlp")?;
            }
        }
        self.apply_to_data(&mut config.dataset)?;
        set(&mut config.validation_images, &self.validation_images);
        config.train_images = self.train_images.or(config.train_images);
        set(&mut config.split, &self.split);
        set(&mut config.sampling, &self.sampling);
        config.curriculum = self.curriculum.or(config.curriculum);
        config.teacher = self.teacher.clone().or(config.teacher);
        if let Some(name) = &self.model
            && name != config.model.name()
        {
            config.model = ModelConfig::named(name)?;
        }
        self.apply_to_model(&mut config.model)?;
        self.apply_to_transfer(&mut config.transfer)?;
        self.apply_to_method(&mut config)?;
        if let Some(seed) = self.seed {
            config = config.with_seed(seed);
        }
        for assignment in &self.hyperparameters {
            match &mut config.minimizer {
                Some(minimizer) => minimizer.method = minimizer.method.with(assignment)?,
                None => config.optimizer = config.optimizer.with(assignment)?,
            }
        }
        config.vary.extend(self.vary.iter().cloned());
        set(&mut config.lr, &self.lr);
        set(&mut config.schedule, &self.schedule);
        config.sam = self.sam.map(|rho| SamConfig::new().with_rho(rho)).or(config.sam);
        let without_decay =
            ParameterGroupConfig::new(self.no_decay.iter().map(|word| word.trim())).with_weight_decay(0.0);
        let without_decay = (!self.no_decay.is_empty()).then_some(without_decay);
        for group in self.groups.iter().cloned().chain(without_decay) {
            if !has_group(&config.groups, &group) {
                config.groups.push(group);
            }
        }
        config.prior = self.prior.clone().or(config.prior);
        set(&mut config.sparse_activations, &self.sparse_activations);
        config.reestimate |= self.reestimate;
        config.drop_last |= self.drop_last;
        for penalty in &self.penalties {
            // A resumed run has those of its flags already.
            let same = |known: &Penalty| serde_json::to_value(known).ok() == serde_json::to_value(penalty).ok();
            if !config.penalties.penalties.iter().any(same) {
                config.penalties.penalties.push(penalty.clone());
            }
        }
        let transforms = [
            self.skip_nonfinite.map(GradientTransform::ApplyIfFinite),
            self.accumulate.map(GradientTransform::Accumulate),
            self.centralize.then(|| GradientTransform::Centralize(CentralizationConfig::new())),
            self.clip_value.map(|limit| GradientTransform::ClipValue(ClipValueConfig::new(limit))),
            self.adaptive_clip.map(|lambda| GradientTransform::AdaptiveClip(AdaptiveClipConfig::new(lambda))),
            self.clip_norm.clone(),
        ];
        for transform in transforms.into_iter().flatten() {
            config.gradients = config.gradients.with(transform);
        }
        config.rollback = self.rollback.or(config.rollback);
        if let Some(noise) = &self.gradient_noise {
            config.gradient_noise = Some(noise.clone().with_seed(config.seed));
        }
        config.lookahead = self.lookahead.or(config.lookahead);
        config.ema = self.ema.map(|decay| config.ema.unwrap_or(EmaConfig::new()).with_decay(decay)).or(config.ema);
        config.swa = self.swa.or(config.swa);
        set(&mut config.epochs, &self.epochs);
        set(&mut config.batch_size, &self.batch_size);
        if !matches!(config.dataset, DatasetKind::Table { .. }) {
            set(&mut config.loss, &self.loss);
        }
        set(&mut config.label_smoothing, &self.label_smoothing);
        set(&mut config.focal_loss, &self.focal_loss);
        config.augment = self.augment.clone().or(config.augment);
        set(&mut config.views, &self.views);
        set(&mut config.ensemble, &self.ensemble);
        set(&mut config.criterion, &self.criterion);
        set(&mut config.sampling, &self.bagging.then_some(Sampling::Bootstrap));
        set(&mut config.combine, &self.combine);
        config.early_stopping = self.early_stopping.or(config.early_stopping);
        set(&mut config.minimum_improvement, &self.minimum_improvement);
        set(&mut config.backend, &self.place.backend);
        if let Some(snapshots) = self.snapshots {
            config = config.with_snapshots(snapshots);
            set(&mut config.schedule, &self.schedule);
        }
        Ok(config)
    }

    /// The data set with the flags that were given.
    fn apply_to_data(&self, dataset: &mut DatasetKind) -> Result<(), TrainError> {
        let given = [
            ("--size", self.size.is_some(), "images"),
            ("--channels", self.channels.is_some(), "images"),
            ("--label", self.label.is_some(), "table"),
            ("--categorical", !self.categorical.is_empty(), "table"),
            ("--ignore", !self.ignore.is_empty(), "table"),
            ("--test-data", self.test_data.is_some(), "table"),
        ];
        if let Some((field, _, kind)) = given.iter().find(|(_, given, kind)| *given && *kind != dataset.name()) {
            let value = format!("given with --dataset {dataset}");
            let expected = if *kind == "table" { "given with --dataset table" } else { "given with --dataset images" };
            return Err(TrainError::Value { field, value, expected });
        }
        // Found again from wherever the run goes on.
        let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
        match dataset {
            DatasetKind::Images { path, images } => {
                set(path, &self.place.data.as_ref().map(absolute));
                images.size = self.size.or(images.size);
                images.channels = self.channels.or(images.channels);
            }
            DatasetKind::Table { path, table } => {
                set(path, &self.place.data.as_ref().map(absolute));
                set(&mut table.label, &self.label);
                table.test = self.test_data.as_ref().map(absolute).or(table.test.take());
                set(
                    &mut table.task,
                    &self.loss.map(|loss| match loss {
                        Loss::CrossEntropy => TableTask::Classes,
                        Loss::Mse => TableTask::Number,
                    }),
                );
                for (columns, given) in
                    [(&mut table.categorical, &self.categorical), (&mut table.ignored, &self.ignore)]
                {
                    if !given.is_empty() {
                        columns.clone_from(given);
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// What takes the steps, by the flags that were given: an optimizer, or a second-order method.
    fn apply_to_method(&self, config: &mut RunConfig) -> Result<(), TrainError> {
        let method = |name: &str| MinimizerConfig::named(name).ok();
        let is_another = |name: &&String| method(name).map_or(name.as_str(), |method| method.name()) != config.method();
        if let Some(name) = self.optimizer.as_ref().filter(is_another) {
            config.vary.clear();
            if let Some(method) = method(name) {
                *config = config.clone().with_minimizer(BatchMinimizer::new(method));
            } else {
                config.minimizer = None;
                config.optimizer = NamedOptimizer::named(name).map_err(with_methods)?;
                config.lr = config.optimizer.learning_rate();
            }
        }
        let Some(minimizer) = &mut config.minimizer else {
            let given = [("iterations", self.iterations), ("curvature_images", self.curvature_images)];
            return given.into_iter().try_for_each(|(field, value)| match value {
                Some(value) => {
                    let expected = "left out without a second-order method, such as --optimizer lbfgs";
                    Err(TrainError::Value { field, value: value.to_string(), expected })
                }
                None => Ok(()),
            });
        };
        set(&mut minimizer.iterations, &self.iterations);
        minimizer.curvature_images = self.curvature_images.or(minimizer.curvature_images);
        Ok(())
    }

    /// The network with the flags that were given.
    fn apply_to_model(&self, model: &mut ModelConfig) -> Result<(), TrainError> {
        let name = model.name();
        let fields = match model {
            ModelConfig::Mlp(config) => network_fields!(config, widths),
            ModelConfig::Cnn(config) => NetworkFields {
                kernels: Some(&mut config.kernels),
                strides: Some(&mut config.strides),
                pools: Some(&mut config.pools),
                hidden: Some(&mut config.hidden),
                ..network_fields!(config, channels)
            },
            ModelConfig::ResNet(config) => NetworkFields {
                blocks: Some(&mut config.blocks),
                kernel: Some(&mut config.kernel),
                ..network_fields!(config, channels)
            },
        };
        set(fields.widths, &self.widths);
        set(fields.dropout, &self.dropout);
        set(fields.dropout_input, &self.dropout_input);
        set(fields.dropout_form, &self.dropout_form);
        set(fields.batch_norm, &self.batch_norm);
        set(fields.activation, &self.activation);
        set(fields.initialization, &self.initialization);
        set_if_there("--strides", name, fields.strides, &self.strides)?;
        set_if_there("--pools", name, fields.pools, &self.pools.clone().map(Some))?;
        set_if_there("--hidden", name, fields.hidden, &self.hidden.map(Some))?;
        set_if_there("--blocks", name, fields.blocks, &self.blocks)?;
        match (&self.kernels, fields.kernel) {
            (Some(kernels), Some(kernel)) => match kernels[..] {
                [side] => *kernel = side,
                _ => {
                    let expected = "one side, of all kernels, with --model resnet";
                    return Err(TrainError::Value { field: "--kernels", value: format!("{kernels:?}"), expected });
                }
            },
            (kernels, _) => set_if_there("--kernels", name, fields.kernels, kernels)?,
        }
        Ok(())
    }

    /// What to start from, with the flags that were given.
    fn apply_to_transfer(&self, transfer: &mut Option<TransferConfig>) -> Result<(), TrainError> {
        if let Some(name) = &self.from {
            transfer.get_or_insert(TransferConfig::new(String::new())).from = name.clone();
        }
        let details = self.keep_head || self.unfreeze.is_some() || self.layer_decay.is_some();
        match transfer {
            Some(transfer) => {
                transfer.keep_head |= self.keep_head;
                set(&mut transfer.unfreeze, &self.unfreeze);
                set(&mut transfer.layer_decay, &self.layer_decay);
            }
            None if details => {
                let value = "absent, with --keep-head, --unfreeze or --layer-decay".to_owned();
                return Err(TrainError::Value { field: "--from", value, expected: "a run to start from" });
            }
            None => {}
        }
        Ok(())
    }

    /// The configuration of a new run.
    fn config(&self) -> Result<RunConfig, TrainError> {
        self.apply(self.config.as_deref().map_or_else(|| Ok(RunConfig::default()), RunConfig::read_changes)?)
    }

    fn find_lr(&self) -> Result<(), TrainError> {
        let name = self.name.as_deref().unwrap_or("find-lr");
        let options = RunOptions { fallback: self.dataset.is_none(), ..self.place.options() };
        let (curve, path) = find_lr(&self.config()?, &RangeTestConfig::new(), name, &options)?;
        print(format!("{curve}\n\nkept in {}", path.display()));
        Ok(())
    }

    fn run(&self, kept: &KeptArgs) -> Result<(), TrainError> {
        // A data set that was asked for is not to be replaced by another.
        let fallback = self.dataset.is_none() && self.config.is_none();
        let dashboard: Option<Dashboard> = (!self.plain).then_some(dashboard);
        let options = RunOptions {
            dashboard,
            overwrite: kept.overwrite,
            fallback,
            gradient_norm: self.gradient_norm,
            ..self.place.options()
        };
        let mut run = match &kept.resume {
            Some(name) => {
                let mut run = Run::open(&options.root, name)?;
                if let Some(epochs) = self.epochs.filter(|&epochs| epochs != run.config().epochs) {
                    run = run.with_epochs(epochs)?;
                }
                run.ensure_config(&self.apply(run.config().clone())?)?;
                run.ensure_resumable()?;
                run
            }
            None => Run::create(self.config()?, self.name.as_deref(), &options)?,
        };
        let again =
            format!("stopped at once; --resume {} goes on from the last checkpoint, if there is one", run.name());
        on_signals(&options.stop, again);
        let summary = run.train(&options)?;
        print(format!("\n{summary}\n\nkept in {}", run.folder().display()));
        if let Some(peak) = peak_memory() {
            print(format!("the process took {} of memory at most", bytes(peak)));
        }
        Ok(())
    }
}

/// Opens a run, to be asked as the flags say.
fn open(name: &str, ensemble: &EnsembleArgs, place: &PlaceArgs) -> Result<Run, TrainError> {
    let mut run = Run::open(&place.artifacts, name)?;
    if let Some(backend) = place.backend {
        run = run.on(backend);
    }
    if let Some(combination) = ensemble.combine {
        run = run.combined_by(combination);
    }
    Ok(match ensemble.last {
        Some(networks) => run.of_last(networks),
        None => run,
    })
}

fn eval(
    names: &[String],
    dataset: Option<DatasetKind>,
    views: Option<Views>,
    ensemble: &EnsembleArgs,
    place: &PlaceArgs,
) -> Result<(), TrainError> {
    let runs = names.iter().map(|name| open(name, ensemble, place)).collect::<Result<Vec<_>, _>>()?;
    let combination = runs.first().map(|run| run.config().combine).unwrap_or_default();
    print(Run::evaluate_together(&runs, combination, &place.options(), dataset, views)?);
    Ok(())
}

fn predict(
    name: &str,
    paths: &[PathBuf],
    csv: Option<&Path>,
    ensemble: &EnsembleArgs,
    place: &PlaceArgs,
) -> Result<(), TrainError> {
    let predictions = Predictions::of(&open(name, ensemble, place)?, paths)?;
    predictions.notices.iter().for_each(|notice| _ = writeln!(std::io::stderr(), "{notice}"));
    match csv {
        Some(path) => {
            predictions.write_csv(path)?;
            print(format!("{} predictions in {}", predictions.rows.len(), path.display()));
        }
        None => print(predictions),
    }
    Ok(())
}

/// The arguments with the subcommand, if there is one, before all options, so that these may stand on either side of it.
/// What no subcommand and no training knows stays where it is, for `clap` to tell.
fn subcommand_first(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let cli = Cli::command();
    let takes_value = |option: &str| {
        let known = cli.get_subcommands().chain([&cli]).flat_map(clap::Command::get_arguments);
        let mut known = known.filter(|known| known.get_long() == Some(option));
        known.any(|known| known.get_num_args().map_or(known.get_action().takes_values(), |n| n.min_values() > 0))
    };
    let mut index = 1;
    while let Some(argument) = arguments.get(index).map(|argument| argument.to_string_lossy().into_owned()) {
        match argument.strip_prefix("--") {
            Some("") => break,
            Some(option) => index += if !option.contains('=') && takes_value(option) { 2 } else { 1 },
            None if cli.find_subcommand(&argument).is_some() => {
                arguments[1..=index].rotate_right(1);
                break;
            }
            None => break,
        }
    }
    arguments
}

fn main() -> ExitCode {
    let cli = Cli::parse_from(subcommand_first(std::env::args_os().collect()));
    let result = match &cli.command {
        None => cli.train.run(&cli.kept),
        Some(Command::Eval { names, dataset, views, ensemble, place }) => {
            eval(names, dataset.clone(), *views, ensemble, place)
        }
        Some(Command::Runs { artifacts }) => {
            print(list(artifacts));
            Ok(())
        }
        Some(Command::Compare { names, artifacts }) => compare(artifacts, names).map(print),
        Some(Command::Tune { over, trials, halving, epochs, jobs, name, seed, artifacts, flags }) => {
            let (dimensions, flags) = (over.clone(), flags.clone());
            let config =
                TuneConfig { dimensions, trials: *trials, halving: *halving, epochs: *epochs, flags, seed: *seed };
            let folder = tune_folder(artifacts, name);
            let program = std::env::current_exe().map_err(|source| TrainError::Io {
                action: "find",
                path: "the program itself".into(),
                source,
            });
            program.and_then(|program| config.run(&program, &folder, *jobs)).map(|report| {
                print(format!("{report}\n\nkept in {}", folder.display()));
            })
        }
        Some(Command::FindLr { train }) => train.find_lr(),
        Some(Command::Export { name, out, layout, ensemble, place }) => {
            let written = open(name, ensemble, place).and_then(|run| run.export(out.as_deref(), *layout));
            written.map(|files| files.iter().for_each(|file| print(file.display())))
        }
        Some(Command::Predict { name, paths, csv, ensemble, place }) => {
            predict(name, paths, csv.as_deref(), ensemble, place)
        }
    };
    match result {
        Err(error @ TrainError::Interrupted { .. }) => exit_with(INTERRUPTED, error),
        result => exit(result),
    }
}

/// The same error, of an unknown optimizer, with the second-order methods among the known names.
fn with_methods(error: NamedOptimizerError) -> NamedOptimizerError {
    match error {
        NamedOptimizerError::Unknown { what: "optimizer", name, known } => {
            let known = format!("{}, {known}", MinimizerConfig::NAMES.join(", "));
            NamedOptimizerError::Unknown { what: "optimizer", name, known }
        }
        other => other,
    }
}
