//! What training rests on: batches, splits, losses, optimizers by name, resumption.

use crate::common::deviation;
use crate::digits::{digits, write_parts};
use crate::records::{checkpoints, last_checkpoint, values};
use crate::{common, seeding};
use burn::data::dataloader::DataLoader;
use burn::module::{Module, ModuleVisitor, Param, ParamGroup};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor, TensorData};
use burn::train::InferenceStep;
use burn_descent::augment::{AugmentConfig, Transform, Views};
use burn_descent::ensemble::Ensemble;
use burn_descent::gradient::{ChainConfig, GradientNoiseConfig};
use burn_descent::group::parameters;
use burn_descent::nn::{LabelSmoothing, cross_entropy, focal_loss, soft_cross_entropy};
use burn_descent::optim::Epsilon;
use burn_descent::optim::NamedOptimizer;
use burn_descent::optim::{AdamConfig, MomentumConfig, NadamConfig, SgdConfig, WeightDecay, evaluation_weights};
use burn_descent::penalty::{Norm, PenaltiesConfig, PenaltyForm};
use burn_descent::sample::{Curriculum, Sampler};
use burn_descent::schedule::Variation;
use burn_descent::schedule::{OneCycleConfig, RunLength, Schedule};
use burn_descent::second_order::MinimizerConfig;
use burn_descent::train::{GradientUpdate, Step, StopSignal, Update};
use burn_descent::transfer::Unfreeze;
use burn_descent::weights::{EmaConfig, LookaheadConfig, SamConfig};
use burn_descent_lab::data::{DataSource, LabelledImages};
use burn_descent_lab::networks::MlpConfig;
use burn_descent_lab::runs::{
    Backend, BatchMinimizer, Classifier, EpochMetrics, Evaluation, History, ImageBatch, ImageLoader, ImageSource, Loss,
    ModelConfig, Normalization, Run, RunConfig, RunData, RunOptions, Sampling, Split, TrainingSession, TransferConfig,
    evaluate, losses,
};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The four files of a small data set, as MNIST has them.
fn write_data(folder: &Path) {
    write_parts(folder, &digits(0, 200), &digits(200, 50));
}

/// Runs in `folder`, on its data.
fn options(folder: &Path) -> RunOptions {
    let source = DataSource::new().folder(folder);
    RunOptions { source, overwrite: true, ..RunOptions::new(folder.join("runs")) }
}

// ---------------------------------------------------------------------------------------------------------------------
// Batches and splits

/// A training loader.
fn loader(seed: u64, augment: Option<&AugmentConfig>) -> ImageLoader {
    loader_on(&Device::flex(), seed, augment)
}

fn loader_on(device: &Device, seed: u64, augment: Option<&AugmentConfig>) -> ImageLoader {
    let augment = augment.map(|augment| augment.init().expect("it is in range"));
    let normalization = Normalization::gray(0.1, 0.3);
    let source = ImageSource::new(Arc::new(digits(0, 50)), (0..50).collect(), normalization);
    source.distorted(augment, 10, seed).loader(8, device).shuffled(seed)
}

/// All images and labels of an epoch of the loader.
fn epoch(loader: &ImageLoader, epoch: usize) -> (Vec<f32>, Vec<i64>) {
    let mut all = (Vec::new(), Vec::new());
    for batch in loader.epoch(epoch, 0) {
        let batch = batch.expect("a batch");
        all.0.extend(batch.images.into_data().try_into_vec::<f32>().expect("images are f32"));
        all.1.extend(batch.targets.into_data().convert::<i64>().try_into_vec::<i64>().expect("labels are integers"));
    }
    all
}

#[test]
fn batches_depend_on_the_seed_and_the_epoch_alone() {
    let _seed = seeding();
    for augment in [None, Some(&everything())] {
        let unbroken = loader(3, augment);
        let [first, second] = [1, 2].map(|number| epoch(&unbroken, number));
        assert!(first == epoch(&loader(3, augment), 1), "the same seed should give the same epoch");
        assert!(second == epoch(&loader(3, augment), 2), "a resumed loader should go on as the unbroken one");
        assert!(second == epoch(&loader(3, augment).prefetch(3), 2), "made ahead, batches should be the same");
        assert!(first != second, "each epoch should have its own order");
        assert!(first != epoch(&loader(4, augment), 1), "each seed should have its own order");
        let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
        assert!(second == one_thread.install(|| epoch(&loader(3, augment), 2)), "threads should not matter");
        if augment.is_none() {
            let mut labels = second.1;
            labels.sort();
            assert_eq!(labels, (0..50).map(|index| index / 5).collect::<Vec<i64>>(), "each image should come once");
        }
    }
}

/// A distortion of every kind.
fn everything() -> AugmentConfig {
    let text = "default,flip,crop=1,lens=0.1,elastic=0.5:4,brightness=0.2,noise=0.1,erase=0.2,mixup=0.2,cutmix=1@0.5";
    text.parse().expect("a pipeline")
}

#[test]
fn mixed_batches_say_what_is_in_them() {
    let _seed = seeding();
    let config = AugmentConfig::new().then(Transform::Mixup(1.0));
    for batch in loader(1, Some(&config)).epoch(1, 0) {
        let batch = batch.expect("a batch");
        let mixture = batch.mixture.expect("shares");
        let shares = common::values(&mixture);
        let targets = batch.targets.into_data().convert::<i64>().try_into_vec::<i64>().expect("labels are integers");
        for (row, target) in shares.chunks(10).zip(targets) {
            assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-6, "{row:?}");
            assert!(
                row.iter().all(|share| *share <= row[target as usize]),
                "{target} should be the main label of {row:?}"
            );
        }
    }
    let plain = AugmentConfig::digits();
    assert!(loader(1, Some(&plain)).epoch(1, 0).all(|batch| batch.expect("a batch").mixture.is_none()));
}

/// What a network of NaN answers is no answer, and not a bad one.
#[test]
fn probabilities_that_are_not_numbers_have_no_loss() {
    let mut rows = [[0.1; 10]; 2];
    rows[1] = [f32::NAN; 10];
    let found = losses(&rows, &[3, 3]);
    assert!((found[0] - 10.0_f64.ln()).abs() < 1e-6 && found[1].is_nan(), "{found:?}");
    assert!(Evaluation::new(&rows, &[3, 3]).loss.is_nan());
}

/// Of one row batch normalization leaves nothing; of one image a convolution has all its positions.
#[test]
fn a_perceptron_wants_batches_to_normalize() {
    let of = |model, batch_size| RunConfig { model, batch_size, ..RunConfig::default() }.check();
    let mlp = |batch_norm| ModelConfig::Mlp(MlpConfig::new().with_batch_norm(batch_norm));
    let error = of(mlp(true), 1).expect_err("one image").to_string();
    assert_eq!(
        error,
        "batch_size should be at least 2 for a perceptron with batch normalization (`batch_norm`), but is 1"
    );
    for (model, batch_size) in [(mlp(true), 2), (mlp(false), 1), (RunConfig::default().model, 1)] {
        of(model, batch_size).expect("it can learn");
    }
}

/// Another seed of a run is another noise.
#[test]
fn noise_goes_by_the_seed_of_the_run() {
    let noise = |config: &RunConfig| config.optimizer.config().to_value()["noise"]["seed"].as_u64().expect("a seed");
    let optimizer = NamedOptimizer::named("sgd-noise").expect("a known optimizer");
    let config = RunConfig { optimizer, ..RunConfig::default() };
    assert_eq!([1, 7].map(|seed| noise(&config.clone().with_seed(seed))), [1, 7]);
    assert_eq!(config.clone().with_seed(7).seed, 7);
    assert_eq!(RunConfig::default().with_seed(3).seed, 3);
    // So it is with noise over any optimizer.
    let gradient_noise = || Some(GradientNoiseConfig::new());
    let over_any = RunConfig { gradient_noise: gradient_noise(), ..RunConfig::default() };
    assert_eq!(over_any.with_seed(7).gradient_noise.map(|noise| noise.seed), Some(7));
    let twice = RunConfig { gradient_noise: gradient_noise(), ..config };
    let error = twice.check().expect_err("two noises").to_string();
    assert_eq!(error, "gradient_noise should be left out where the optimizer has noise of its own, but is 0.01");
}

#[test]
fn a_run_refuses_distortions_that_change_the_size() {
    let augment = AugmentConfig::new().then(Transform::Crop { padding: 0, size: Some([24, 24]) });
    let config = RunConfig { augment: Some(augment), ..RunConfig::default() };
    config.check().expect("every value is in its range");
    let error = config.augmentation([1, 28, 28]).expect_err("another size").to_string();
    assert_eq!(error, "the distorted images should be [28, 28] pixels, but are [24, 24]");
}

#[test]
fn batches_are_normalized_and_of_the_size_asked_for() {
    let _seed = seeding();
    let images = Arc::new(digits(0, 10));
    let normalization = Normalization::gray(0.25, 0.5);
    let loader = ImageSource::new(Arc::clone(&images), vec![4, 2, 7], normalization).loader(2, &Device::flex());
    assert_eq!(loader.batches(), 2);
    let sizes: Vec<_> = loader.epoch(1, 0).map(|batch| batch.expect("a batch").images.dims()).collect();
    assert_eq!(sizes, [[2, 1, 28, 28], [1, 1, 28, 28]]);
    let (values, labels) = epoch(&loader, 1);
    assert_eq!(labels, [4, 2, 7], "without training, the order is that of the indices");
    for (index, value) in [4, 2, 7].into_iter().flat_map(|index| images.image(index)).zip(values) {
        assert!((value - (f32::from(*index) / 255.0 - 0.25) / 0.5).abs() < 1e-6);
    }
}

#[test]
fn validation_images_are_held_out_by_the_seed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_data(folder.path());
    let source = DataSource::new().folder(folder.path());
    let load = |seed, train_images| {
        let config = RunConfig { validation_images: 60, seed, train_images, ..RunConfig::default() };
        RunData::load(&config, &source, true).expect("the data")
    };
    let data = load(1, None);
    assert_eq!((data.train_indices.len(), data.validation_indices.len(), data.test.len()), (140, 60, 50));
    let mut all = [data.train_indices.clone(), data.validation_indices.clone()].concat();
    all.sort_unstable();
    assert_eq!(all, (0..200).collect::<Vec<usize>>(), "each image should be in one part");
    assert_eq!(load(1, None).validation_indices, data.validation_indices);
    assert_ne!(load(2, None).validation_indices, data.validation_indices);
    let few = load(1, Some(30));
    assert_eq!(few.validation_indices, data.validation_indices, "fewer training images leave validation as it is");
    assert_eq!(few.train_indices, data.train_indices[..30]);
}

/// Digit n is the harder the higher n is. 50 images in batches of 8 are seven batches.
#[test]
fn a_loader_with_a_curriculum_begins_with_the_easiest() {
    let _seed = seeding();
    let images = digits(0, 50);
    let difficulty: Vec<f64> = images.labels().iter().map(|&label| f64::from(label)).collect();
    let curriculum: Curriculum = "linear=0.2,10steps".parse().expect("a curriculum");
    let sampler = || curriculum.sampler(&difficulty, 8, 3).expect("in range");
    let paced = || loader(3, None).with_sampler(sampler(), 3).expect("50 examples");
    let unbroken = paced();
    let [first, second, third] = [1, 2, 3].map(|number| epoch(&unbroken, number));
    assert!(first.1[..8].iter().all(|&label| label < 2), "{:?}", first.1);
    for (step, labels) in first.1.chunks(8).enumerate() {
        let hardest = (10.0 * (0.2 + 0.08 * step as f64)).ceil() as i64;
        assert!(labels.iter().all(|&label| label < hardest), "step {step}: {labels:?}");
    }
    let mut labels = third.1.clone();
    labels.sort();
    assert_eq!(labels, (0..50).map(|index| index / 5).collect::<Vec<i64>>(), "each image should come once in the end");
    assert!(second == epoch(&paced(), 2), "a resumed loader should go on as the unbroken one");
    let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    assert!(third == one_thread.install(|| epoch(&paced(), 3)), "threads should not matter");
    let error = loader(3, None).with_sampler(Sampler::shuffled(49), 3).map(drop).expect_err("one too few");
    assert_eq!(error.to_string(), "49 places in an order, expected 50: one for each example");
}

/// One image fills an epoch, and comes in another way each time.
#[test]
fn an_image_that_comes_again_is_distorted_as_another() {
    let _seed = seeding();
    let noise = AugmentConfig::new().then(Transform::Noise(0.2));
    let difficulty: Vec<f64> = (0..50).map(f64::from).collect();
    let again = |ranking: &str, augment| {
        let curriculum: Curriculum = format!("{ranking}step=0.02,1").parse().expect("a curriculum");
        let sampler = curriculum.sampler(&difficulty, 8, 3).expect("in range");
        epoch(&loader(3, augment).with_sampler(sampler, 3).expect("50 examples"), 1).0
    };
    let different = |pixels: &[f32]| {
        let mut images: Vec<Vec<u32>> =
            pixels.chunks(28 * 28).map(|image| image.iter().map(|value| value.to_bits()).collect()).collect();
        assert_eq!(images.len(), 50);
        images.sort();
        images.dedup();
        images.len()
    };
    assert_eq!(different(&again("", None)), 1, "the same image fills the epoch");
    assert_eq!(different(&again("", Some(&noise))), 50);
}

/// As for several devices, each of which loads its part.
#[test]
fn the_slices_of_a_loader_are_the_parts_of_its_epochs() {
    let _seed = seeding();
    let whole = loader(3, None);
    let slices = [whole.slice(0, 20), whole.slice(20, 50)];
    assert_eq!(slices.each_ref().map(|slice| slice.num_items()), [20, 30]);
    for number in 1..=2 {
        let labels = |batch: ImageBatch| batch.targets.into_data().convert::<i64>().try_into_vec::<i64>();
        let batches = slices.iter().flat_map(|slice| slice.iter().collect::<Vec<_>>());
        let parts = batches.flat_map(|batch| labels(batch.expect("a batch")).expect("integers"));
        assert_eq!(parts.collect::<Vec<i64>>(), epoch(&whole, number).1);
    }
}

#[test]
fn a_stratified_split_keeps_the_share_of_each_class() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_data(folder.path());
    let load = |seed, train_images| {
        let config =
            RunConfig { validation_images: 60, split: Split::Stratified, seed, train_images, ..RunConfig::default() };
        RunData::load(&config, &DataSource::new().folder(folder.path()), true).expect("the data")
    };
    let of_each = |data: &RunData, indices: &[usize]| {
        let mut counts = [0; 10];
        indices.iter().for_each(|&index| counts[data.train.label(index) as usize] += 1);
        counts
    };
    let (data, few) = (load(1, None), load(1, Some(30)));
    assert_eq!(of_each(&data, &data.validation_indices), [6; 10]);
    assert_eq!(of_each(&data, &data.train_indices), [14; 10]);
    assert_eq!(of_each(&data, &few.train_indices), [3; 10]);
    assert_eq!(few.validation_indices, data.validation_indices, "fewer training images leave validation as it is");
    assert!(few.train_indices.iter().all(|index| data.train_indices.contains(index)));
    assert_ne!(load(2, None).validation_indices, data.validation_indices);
}

/// A network that was trained for a moment finds mislabelled images harder, and a run keeps what it found.
#[test]
fn a_teacher_finds_wrong_labels_hard() {
    let _seed = seeding();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let right = digits(0, 1000);
    let wrong = |index: usize| index.is_multiple_of(7);
    let labels = (0..1000).map(|index| ((right.label(index) + u32::from(wrong(index))) % 10) as u8).collect();
    let spoilt = LabelledImages::new(28, 28, right.pixels().to_vec(), labels).expect("28x28 images");
    write_parts(folder.path(), &spoilt, &digits(1000, 50));
    let options = options(folder.path());
    let config = RunConfig {
        model: ModelConfig::Mlp(MlpConfig::new().with_widths(vec![16])),
        validation_images: 100,
        batch_size: 16,
        epochs: 1,
        curriculum: Some("anti-root=0.5,1".parse().expect("a curriculum")),
        backend: Backend::Flex,
        ..RunConfig::default()
    };
    let data = RunData::load(&config, &options.source, true).expect("the data");
    let mut run = Run::create(config, Some("run"), &options).expect("a new run");
    run.train(&options).expect("the run trains");
    let text = fs::read_to_string(run.folder().join("difficulty.json")).expect("difficulties");
    let difficulty: Vec<f64> = serde_json::from_str(&text).expect("numbers");
    assert_eq!(difficulty.len(), 900);
    let mean = |of_wrong: bool| {
        let of = data.train_indices.iter().zip(&difficulty).filter(|(index, _)| wrong(**index) == of_wrong);
        let of: Vec<f64> = of.map(|(_, difficulty)| *difficulty).collect();
        of.iter().sum::<f64>() / of.len() as f64
    };
    assert!(mean(true) > mean(false) + 0.5, "{} for wrong labels, {} for right ones", mean(true), mean(false));
}

/// A session goes by the difficulties that it is given, of which there are to be as many as images, and numbers.
#[test]
fn difficulties_of_ones_own_are_taken_and_checked() {
    let _seed = seeding();
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_data(folder.path());
    let config = RunConfig {
        model: ModelConfig::Mlp(MlpConfig::new().with_widths(vec![16])),
        validation_images: 50,
        epochs: 1,
        curriculum: Some("step=0.1,1".parse().expect("a curriculum")),
        backend: Backend::Flex,
        ..RunConfig::default()
    };
    let mut data = RunData::load(&config, &DataSource::new().folder(folder.path()), true).expect("the data");
    let mut session = |config: &RunConfig, difficulty: Vec<f64>| {
        data.difficulty = Some(difficulty);
        let mut session = TrainingSession::new(config, &data, &Device::flex()).map_err(|error| error.to_string())?;
        while session.train(1).expect("the session trains").is_some() {}
        Ok::<_, String>(session.test().expect("an evaluation").loss)
    };
    let rising: Vec<f64> = (0..150).map(f64::from).collect();
    let falling = rising.iter().rev().copied().collect::<Vec<_>>();
    let anti = RunConfig { curriculum: Some("anti-step=0.1,1".parse().expect("a curriculum")), ..config.clone() };
    assert_eq!(session(&config, rising.clone()), session(&anti, falling.clone()));
    assert_ne!(session(&config, rising.clone()), session(&config, falling));
    let error = session(&config, rising[1..].to_vec()).expect_err("one too few");
    assert_eq!(error, "149 difficulties, expected 150: one for each example");
    let error = session(&config, [&rising[1..], &[f64::NAN]].concat()).expect_err("no number");
    assert_eq!(error, "difficulty 149 is NaN, expected a finite number");
    data.difficulty = None;
    let taught = RunConfig { teacher: Some("other".to_owned()), ..config };
    let error = TrainingSession::new(&taught, &data, &Device::flex()).map(drop).expect_err("no runs").to_string();
    assert!(error.starts_with("teacher should be left out where `RunData::difficulty` is not given"), "{error}");
}

#[test]
fn a_trial_starts_from_given_weights_and_is_drawn_to_them() {
    let _seed = seeding();
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_data(folder.path());
    let model = |units| ModelConfig::Mlp(MlpConfig::new().with_widths(vec![units]).with_batch_norm(false));
    let config = RunConfig {
        model: model(16),
        validation_images: 50,
        epochs: 1,
        schedule: Schedule::Constant,
        backend: Backend::Flex,
        ..RunConfig::default()
    };
    // η·α of 1: each step ends at the prior itself.
    let group = ParamGroup::all();
    let penalties = PenaltiesConfig::new().on(Norm::Squared, 1.0 / config.lr, PenaltyForm::Decoupled, group);
    let drawn = RunConfig { seed: 2, penalties, ..config.clone() };
    let data = RunData::load(&config, &DataSource::new().folder(folder.path()), true).expect("the data");
    let session = |config| TrainingSession::new(config, &data, &Device::flex()).expect("a session");

    let mut first = session(&config);
    first.train(2).expect("the session trains");
    let (trained, tested) = (first.model().expect("a model"), first.test().expect("an evaluation"));
    assert_ne!(session(&drawn).test().expect("an evaluation"), tested);
    let second = session(&drawn).starting_from(&trained).expect("the same network");
    assert_eq!(second.test().expect("an evaluation"), tested);
    let mut third = session(&drawn).towards(&trained).expect("the same network");
    third.train(1).expect("the session trains");
    assert_eq!(third.test().expect("an evaluation"), tested);
    let together = Ensemble::new(vec![trained.clone(); 2]).expect("two networks");
    let together = evaluate(&together, &data, &Device::flex(), Views::Identity).expect("an evaluation");
    assert_eq!((together.accuracy, together.loss), (tested.accuracy, tested.loss));

    let wider = RunConfig { model: model(17), ..config.clone() };
    for refused in [session(&wider).starting_from(&trained), session(&wider).towards(&trained)] {
        let error = refused.map(drop).expect_err("another shape").to_string();
        assert!(error.contains("hidden.0.weight") && error.contains("[784, 17]"), "{error}");
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Losses

const LOGITS: [[f32; 4]; 2] = [[2.0, -1.0, 0.5, 0.25], [0.0, 1.0, -2.0, 3.0]];

/// PyTorch's `cross_entropy` of [`LOGITS`] against classes 0 and 1, and its gradient: without smoothing, with
/// `label_smoothing=0.1`, and with 0.8 for the class and 0.2/3 for each other.
const LOSSES: [(LabelSmoothing, f64, [f64; 8]); 3] = [
    (
        LabelSmoothing::None,
        1.2723971805324839,
        [
            -0.1543837346292346,
            0.017207220633060103,
            0.0771174126420811,
            0.06005910135409342,
            0.02088628525767523,
            -0.44322519032004937,
            0.0028266513311081655,
            0.419512253731266,
        ],
    ),
    (
        LabelSmoothing::AllClasses(0.1),
        1.375522180532484,
        [
            -0.11688373462923463,
            0.004707220633060102,
            0.06461741264208111,
            0.047559101354093414,
            0.008386285257675229,
            -0.4057251903200494,
            -0.009673348668891836,
            0.407012253731266,
        ],
    ),
    (
        LabelSmoothing::OtherClasses(0.2),
        1.547397180532484,
        [
            -0.054383734629234626,
            -0.01612611270027323,
            0.043784079308747774,
            0.026725768020760085,
            -0.012447048075658104,
            -0.3432251903200494,
            -0.030506682002225168,
            0.38617892039793267,
        ],
    ),
];

#[test]
fn smoothed_losses_and_their_gradients_agree_with_pytorch() {
    for (backend, device) in common::cpu_devices() {
        let device = device.autodiff();
        for (smoothing, expected, gradient) in LOSSES {
            let logits = Tensor::<2>::from_data(TensorData::from(LOGITS), &device).require_grad();
            let loss = cross_entropy(logits.clone(), Tensor::from_ints([0, 1], &device), smoothing);
            let gradients = loss.backward();
            let found = f64::from(loss.into_scalar::<f32>());
            assert!((found - expected).abs() < 1e-6, "{smoothing:?} on {backend}: {found}, expected {expected}");
            let found = common::values(&logits.grad(&gradients).expect("a gradient"));
            let deviation = deviation(&found, &gradient);
            assert!(deviation < 1e-6, "{smoothing:?} on {backend}: {found:?}, expected {gradient:?}");
        }
    }
}

/// With all logits equal, every class has probability 1/K whatever the targets: the loss is ln K.
#[test]
fn smoothing_keeps_the_targets_a_distribution() {
    let device = Device::flex();
    for smoothing in [LabelSmoothing::OtherClasses(0.9), LabelSmoothing::AllClasses(0.9), LabelSmoothing::None] {
        let loss = cross_entropy(Tensor::zeros([1, 10], &device), Tensor::from_ints([3], &device), smoothing);
        assert!((loss.into_scalar::<f32>() - 10_f32.ln()).abs() < 1e-5, "{smoothing:?}");
    }
    for smoothing in [LabelSmoothing::OtherClasses(0.1), LabelSmoothing::AllClasses(0.1), LabelSmoothing::None] {
        let loss = cross_entropy(Tensor::zeros([2, 1], &device), Tensor::from_ints([0, 0], &device), smoothing);
        assert_eq!(loss.into_scalar::<f32>(), 0.0, "{smoothing:?}: a single class is certain");
    }
    for smoothing in [LabelSmoothing::OtherClasses(1.0), LabelSmoothing::AllClasses(-0.1)] {
        let error = smoothing.check().expect_err("out of range").to_string();
        assert!(error.starts_with("LabelSmoothing: epsilon should be in [0, 1), but is "), "{error}");
    }
}

/// PyTorch's `(-(1 - p)**gamma * log_softmax)` of [`LOGITS`] for classes 0 and 1, in `f64`, and its gradient.
const FOCAL_LOSSES: [(f64, f64, [f64; 8]); 2] = [
    (
        0.5,
        1.1267384586011446,
        [
            -0.12124583556097833,
            0.013513754206995389,
            0.06056444452872628,
            0.04716763682525668,
            0.02240475759601693,
            -0.47544849776098885,
            0.0030321542151046012,
            0.45001158594986734,
        ],
    ),
    (
        2.0,
        0.872356801676146,
        [
            -0.0390541247242061,
            0.00435287397583921,
            0.019508227722077585,
            0.015193023026289311,
            0.025559634933379916,
            -0.5423977465641129,
            0.0034591204331333916,
            0.5133789911975996,
        ],
    ),
];

#[test]
fn focal_losses_and_their_gradients_agree_with_pytorch() {
    for (backend, device) in common::cpu_devices() {
        let device = device.autodiff();
        let targets = || Tensor::from_floats([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]], &device);
        for (gamma, expected, gradient) in FOCAL_LOSSES {
            let logits = Tensor::<2>::from_data(TensorData::from(LOGITS), &device).require_grad();
            let loss = focal_loss(logits.clone(), targets(), gamma);
            let gradients = loss.backward();
            let found = f64::from(loss.into_scalar::<f32>());
            assert!((found - expected).abs() < 1e-6, "γ {gamma} on {backend}: {found}, expected {expected}");
            let found = common::values(&logits.grad(&gradients).expect("a gradient"));
            assert!(deviation(&found, &gradient) < 1e-6, "γ {gamma} on {backend}: {found:?}, expected {gradient:?}");
        }
        // Certainty to the last digit leaves a gradient that is a number, whatever γ.
        let sure = Tensor::<2>::from_floats([[200.0, 0.0, 0.0, 0.0], [0.0, 200.0, 0.0, 0.0]], &device).require_grad();
        let gradients = focal_loss(sure.clone(), targets(), 0.5).backward();
        assert!(common::values(&sure.grad(&gradients).expect("a gradient")).iter().all(|value| value.abs() < 1e-3));
    }
}

/// A loss of shares is the same shares of the classes' losses.
#[test]
fn soft_targets_share_the_loss() {
    for (backend, device) in common::cpu_devices() {
        let logits = || Tensor::<2>::from_data(TensorData::from(LOGITS), &device);
        let shares = Tensor::from_floats([[0.75, 0.0, 0.25, 0.0], [0.0, 0.5, 0.0, 0.5]], &device);
        for smoothing in [LabelSmoothing::None, LabelSmoothing::AllClasses(0.1), LabelSmoothing::OtherClasses(0.2)] {
            let of = |row: usize, class: i64| {
                let logits = logits().narrow(0, row, 1);
                f64::from(cross_entropy(logits, Tensor::from_ints([class], &device), smoothing).into_scalar::<f32>())
            };
            let expected = (0.75 * of(0, 0) + 0.25 * of(0, 2) + 0.5 * of(1, 1) + 0.5 * of(1, 3)) / 2.0;
            let found = f64::from(soft_cross_entropy(logits(), smoothing.smooth(shares.clone())).into_scalar::<f32>());
            assert!((found - expected).abs() < 1e-6, "{smoothing:?} on {backend}: {found}, expected {expected}");
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Sharpness

/// A step of the network from the same weights on the same batch, by SAM with `rho` or without: the loss that it reports,
/// and the validation losses before and after the weights have moved.
fn sharpness_aware_step(rho: Option<f64>) -> [f32; 3] {
    let device = Device::flex().autodiff();
    device.seed(1);
    let config = ModelConfig::Mlp(MlpConfig::new().with_widths(vec![16]).with_dropout(0.5));
    let model = Classifier::new(&config, LabelSmoothing::None, [1, 28, 28], 10, &device).expect("in range");
    let batch = loader_on(&device, 3, None).epoch(1, 0).next().expect("a batch").expect("a batch");
    let validate =
        |model: &Classifier| InferenceStep::step(&model.valid(), batch.clone()).loss.mean().into_scalar::<f32>();

    let mut update = GradientUpdate::new(SgdConfig::new().init().expect("in range"))
        .with_sam(rho.map(|rho| SamConfig::new().with_rho(rho).init().expect("in range")));
    let before = validate(&model);
    let step = Step { rate: 0.5.into(), number: 0, seed: 7, device };
    let (model, output) = update.step(model, batch.clone(), &step).expect("a step");
    // The statistics of batch normalization have moved, by the first pass alone.
    [output.classification.loss.mean().into_scalar(), before, validate(&model)]
}

/// The second pass moves no statistics of batch normalization, drops the units that the first did, and is the one whose
/// gradients count.
#[test]
fn sharpness_is_sought_on_the_same_batch() {
    let _seed = seeding();
    let plain = sharpness_aware_step(None);
    assert_eq!(sharpness_aware_step(Some(0.0)), plain, "rho 0 is no way at all");
    let [near, far] = [1e-6, 1.0].map(|rho| sharpness_aware_step(Some(rho)));
    assert_eq!([near[..2].to_vec(), far[..2].to_vec()], [&plain[..2]; 2], "what is seen is the first pass");
    assert!((near[2] - plain[2]).abs() < 1e-4, "{near:?} for {plain:?}");
    assert!((far[2] - plain[2]).abs() > 1e-2, "{far:?} for {plain:?}");
}

// ---------------------------------------------------------------------------------------------------------------------
// Optimizers by name

#[test]
fn optimizers_go_by_their_names() {
    for name in NamedOptimizer::names_and_presets() {
        let optimizer = NamedOptimizer::named(&name).expect("a known optimizer");
        assert_eq!(optimizer.name(), name.split(':').next().expect("a name"));
        assert!(optimizer.learning_rate() > 0.0);
        optimizer.init().expect("the defaults are in range");
        let text = serde_json::to_string(&optimizer).expect("JSON");
        let read: NamedOptimizer = serde_json::from_str(&text).expect("the same optimizer");
        assert_eq!(serde_json::to_string(&read).expect("JSON"), text);
    }
    let error = NamedOptimizer::named("xyz").expect_err("there is none").to_string();
    let known = NamedOptimizer::names().collect::<Vec<_>>().join(", ");
    assert_eq!(error, format!("unknown optimizer `xyz`; known: {known}"));
    let preset = |name| NamedOptimizer::named(name).expect_err("no such preset").to_string();
    assert_eq!(preset("nadam:keras"), "unknown preset `nadam:keras`; known: pytorch, optax, dozat, lecture, algoperf");
    assert_eq!(preset("sgd:keras"), "unknown preset `sgd:keras`; known: burn");
    let form = |name| {
        serde_json::to_value(NamedOptimizer::named(name).expect("known")).expect("JSON")["nadam"]["form"].clone()
    };
    assert_eq!(form("nadam:lecture"), "lecture");
    assert_ne!(form("nadam"), "lecture");
}

/// Whether a run validates and keeps averages depends on it.
#[test]
fn averaging_optimizers_are_known_as_such() {
    for name in NamedOptimizer::names() {
        let kind = NamedOptimizer::named(name).expect("a known optimizer");
        let mut optimizer = kind.init().expect("the defaults are in range");
        let start = Tensor::from_data(TensorData::from([1.0_f32, -2.0, 0.5]), &Device::flex());
        let mut param = Param::from_tensor(Tensor::<1>::from_inner(start));
        for _ in 0..5 {
            let mut gradients = GradientsParams::new();
            gradients.register(param.id, param.val().inner());
            param = optimizer.step(0.1 * kind.learning_rate(), param, gradients);
        }
        let answer = evaluation_weights(&optimizer, param.clone()).val().to_data();
        // ASGD's average follows the weights for its first million steps.
        let averages = kind.averages() && name != "asgd";
        assert_eq!(answer != param.val().inner().to_data(), averages, "{name}");
    }
}

#[test]
fn hyperparameters_are_set_by_name() {
    let json = |optimizer: &NamedOptimizer| serde_json::to_value(optimizer).expect("JSON");
    let set = |name: &str, assignment: &str| NamedOptimizer::named(name).expect("known").with(assignment);
    let value = |name: &str, assignment: &str| json(&set(name, assignment).expect("it fits"))[name].clone();
    assert_eq!(value("nadam", "beta_1=0.8")["beta_1"], 0.8);
    assert_eq!(value("nadam", "form=lecture")["form"], "lecture");
    assert_eq!(value("nadam", "epsilon={\"inside\":1e-7}")["epsilon"]["inside"], 1e-7);
    assert_eq!(value("sgd-noise", "noise.eta=0.3")["noise"]["eta"], 0.3);
    assert_eq!(value("rmsprop-momentum", "momentum={\"nesterov\":0.8}")["momentum"]["nesterov"], 0.8);
    // Only what was named changes.
    let mut changed = value("adadelta", "rho=0.95");
    changed["rho"] = json(&NamedOptimizer::named("adadelta").expect("known"))["adadelta"]["rho"].clone();
    assert_eq!(changed, json(&NamedOptimizer::named("adadelta").expect("known"))["adadelta"]);

    let message = |name, assignment| set(name, assignment).expect_err("it does not fit").to_string();
    assert_eq!(
        message("adadelta", "beta=1"),
        "adadelta: `beta=1` does not fit: no hyperparameter `beta`; known: epsilon, form, grad_clipping, rho, \
         weight_decay"
    );
    assert_eq!(message("sgd", "momentum"), "sgd: `momentum` does not fit: expected NAME=VALUE");
    let error = message("amsgrad", "beta_2=most");
    assert!(error.starts_with("amsgrad: `beta_2=most` does not fit: ") && error.contains("f64"), "{error}");
    let error = message("sgd-noise", "noise.seed.x=1");
    assert!(error.contains("no hyperparameter `x`"), "{error}");
    let error = set("nadam", "beta_2=1").expect("a number fits").init().err().expect("but not this one");
    assert_eq!(error.to_string(), "Nadam: beta_2 should be in [0, 1), but is 1");
}

// ---------------------------------------------------------------------------------------------------------------------
// Hyperparameters that vary

/// The steps of a run of two epochs of five batches, of which every two make a step: 2, 2, 1, and again.
const LASTS: [u64; 6] = [1, 3, 4, 6, 8, 9];
const LENGTH: RunLength = RunLength { epochs: 2, steps_per_epoch: 5 };

fn varied(optimizer: NamedOptimizer, variations: &[(&str, &str)]) -> RunConfig {
    let read = |(name, text): &(&str, &str)| ((*name).to_owned(), text.parse().expect("a variation"));
    RunConfig {
        optimizer,
        vary: variations.iter().map(read).collect(),
        gradients: ChainConfig::new().accumulate(2),
        epochs: 2,
        ..RunConfig::default()
    }
}

/// The values of a parameter after each of the steps that such a run takes, and two more.
fn trajectory(mut optimizer: ModuleOptimizer) -> Vec<Vec<f64>> {
    let mut param = Param::from_tensor(Tensor::<1>::from_data([1.0, -2.0, 0.5], &Device::flex().autodiff()));
    let step = |step: usize| {
        let mut gradients = GradientsParams::new();
        gradients.register(param.id, param.val().inner() * (step as f64 + 1.0));
        param = optimizer.step(0.01, param.clone(), gradients);
        common::values(&param.val())
    };
    (0..LASTS.len() + 2).map(step).collect()
}

#[test]
fn varied_hyperparameters_follow_the_batches() {
    // 0.5 + 0.4·p, where the last of a step's batches has the share p of the run before it.
    let rising = |step: u64| 0.9 + (0.5 - 0.9) * (1.0 - LASTS[step as usize - 1] as f64 / 10.0);
    let halved = |step: u64| if step > 3 { 0.5 } else { 1.0 };
    let decay = move |step| Some(WeightDecay::Decoupled(0.2 * halved(step)));
    let cycle = |step: u64| OneCycleConfig::new().momentum(0.85, 0.95, LASTS[step as usize - 1], LENGTH);
    let noise = GradientNoiseConfig::new().with_eta(0.3);
    let kind = |name| NamedOptimizer::named(name).expect("a known optimizer");
    let set = |name, assignment| kind(name).with(assignment).expect("it fits");

    let momentum = || MomentumConfig::new().build().expect("in range");
    let adam = AdamConfig::new().with_weight_decay(decay(1)).build().expect("in range");
    let nadam = NadamConfig::new().with_epsilon(Epsilon::Inside(1.0)).build().expect("in range");
    let noisy = noise.wrap(momentum().varying(6, move |config, step| config.momentum = cycle(step)).expect("in range"));
    let cases: [(RunConfig, ModuleOptimizer); 5] = [
        (
            varied(kind("momentum"), &[("momentum", "0.5..0.9")]),
            momentum().varying(6, move |config, step| config.momentum = rising(step)).expect("in range").into(),
        ),
        (
            varied(kind("momentum"), &[("momentum", "0.85..0.95:one-cycle")]),
            momentum().varying(6, move |config, step| config.momentum = cycle(step)).expect("in range").into(),
        ),
        (
            varied(set("adam", "weight_decay={\"decoupled\":1}"), &[("weight_decay", "0.2:exponential=0.5")]),
            adam.varying(6, move |config, step| config.weight_decay = decay(step)).expect("in range").into(),
        ),
        (
            varied(set("nadam", "epsilon={\"inside\":1}"), &[("epsilon", "1:step=1:0.5"), ("beta_1", "0.5..0.9")]),
            nadam
                .varying(6, move |config, step| {
                    (config.epsilon, config.beta_1) = (Epsilon::Inside(halved(step)), rising(step));
                })
                .expect("in range")
                .into(),
        ),
        (
            varied(
                kind("sgd-noise"),
                &[("noise.eta", "0.3:exponential=0.5"), ("sgd.momentum", "0.85..0.95:one-cycle")],
            ),
            noisy
                .expect("in range")
                .varying(6, move |config, step| config.eta = 0.3 * halved(step))
                .expect("in range")
                .into(),
        ),
    ];
    for (config, expected) in cases {
        let found = trajectory(config.init_optimizer(5).expect("in range"));
        assert_eq!(found, trajectory(expected), "{:?}", config.vary);
        assert_ne!(found, trajectory(config.optimizer.init().expect("in range")), "{:?}", config.vary);
    }
}

/// The names that an error lists.
fn known(error: &str) -> Vec<String> {
    error.split_once("known: ").into_iter().flat_map(|(_, known)| known.split(", ")).map(str::to_owned).collect()
}

#[test]
fn every_number_can_vary_and_a_constant_one_is_none() {
    let mut numbers = 0;
    for name in NamedOptimizer::names().filter(|name| !name.starts_with("burn-")) {
        let kind = NamedOptimizer::named(name).expect("a known optimizer");
        let error = varied(kind.clone(), &[("?", "0..1")]).check().expect_err("no such number").to_string();
        let json = serde_json::to_value(&kind).expect("JSON")[name].clone();
        let constant = |number: &String| {
            let value = json.pointer(&format!("/{}", number.replace('.', "/"))).expect("a place");
            (number.clone(), format!("{value}:constant").parse::<Variation>().expect("a variation"))
        };
        let mut config = varied(kind.clone(), &[]);
        config.vary = known(&error).iter().map(constant).collect();
        numbers += config.vary.len();
        assert_eq!(config.vary.is_empty(), error.ends_with("it has no number that could vary"), "{error}");
        let [found, expected] =
            [config.init_optimizer(5), kind.init().map_err(Into::into)].map(|optimizer| optimizer.expect("in range"));
        assert_eq!(trajectory(found), trajectory(expected), "{name}");
    }
    assert!(numbers > 50, "only {numbers} numbers");
}

#[test]
fn variations_are_read_and_refused() {
    let error = |optimizer: &str, variation: (&str, &str)| {
        let optimizer = NamedOptimizer::named(optimizer).expect("a known optimizer");
        varied(optimizer, &[variation]).check().expect_err("not to be followed").to_string()
    };
    assert_eq!(
        error("nadam", ("beta_3", "0..1")),
        "nadam: `beta_3=0..1:linear` does not fit: no number `beta_3` that could vary; known: beta_1, beta_2, \
         epsilon.outside, form.schedule.momentum_decay"
    );
    assert!(error("sgd-noise", ("noise", "0..1")).contains("known: noise.eta, noise.gamma, sgd.form."));
    assert!(error("burn-adam", ("beta_1", "0..1")).ends_with("Burn's own optimizers cannot vary"));
    assert_eq!(error("momentum", ("momentum", "0..2")), "Momentum: momentum should be in [0, 1), but is 1");
    assert_eq!(error("sgd-noise", ("noise.eta", "0..-2")), "GradientNoise: eta should be in [0, ∞), but is -1");
    assert!(error("momentum", ("momentum", "0..0.9:warm-up=1steps+plateau")).contains("does not depend on the losses"));
    assert_eq!(error("momentum", ("momentum", "1:cosine=2")), "Schedule: minimum should be in [0, 1], but is 2");
    let nadam = NamedOptimizer::named("nadam").expect("a known optimizer");
    let twice = varied(nadam, &[("epsilon", "1..2"), ("epsilon.outside", "1..2")]).check().expect_err("one too many");
    assert!(twice.to_string().ends_with("`epsilon.outside` varies by another name already"), "{twice}");
    for text in ["0.9", "..", "0.5..", "a..b", "inf..0", "0.5..nan:linear"] {
        let error = text.parse::<Variation>().expect_err("no variation").to_string();
        let expected = "vary should be FROM..TO, VALUE:SCHEDULE or FROM..TO:SCHEDULE, but is";
        assert_eq!(error, format!("{expected} `{text}`"));
    }
    for (text, whole) in
        [("0.5..0.9", "0.5..0.9:linear"), ("1e-3:step=2:0.5", "0.001..0:step=every=2epochs,factor=0.5")]
    {
        let variation: Variation = text.parse().expect("a variation");
        assert_eq!(variation.to_string(), whole);
        assert_eq!(whole.parse::<Variation>().expect("a variation"), variation);
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Resumption

/// What surrounds each optimizer in the resumption test, by turns: nothing, and every transform of gradients and weights.
/// 150 images in batches of 32 are five batches, of which accumulation by twos leaves one over.
fn surroundings() -> [(&'static str, RunConfig); 9] {
    let none = RunConfig::default;
    let chain = || ChainConfig::new().apply_if_finite(3).accumulate(2).centralize().clip_value(0.5).clip_norm(1.0);
    let ema = EmaConfig::new().with_decay(0.9);
    let lookahead = LookaheadConfig::new().with_period(4);
    let curriculum = "linear=0.3,12steps".parse().expect("a curriculum");
    let groups = ["bias,gamma,beta:decay=0.1", "output:optimizer=momentum,rate=0.5"];
    let groups = groups.map(|group| group.parse().expect("a group")).to_vec();
    let penalties = PenaltiesConfig::new().l1(1e-3, ParamGroup::from_predicate("weight"));
    let penalties = penalties.lasso(1e-3, ParamGroup::all()).max_norm(1.0, ParamGroup::all());
    [
        ("plain", none()),
        ("chain-ema", RunConfig { gradients: chain(), ema: Some(ema), ..none() }),
        ("chain-swa", RunConfig { gradients: chain(), swa: Some(1), ..none() }),
        ("penalties-lookahead-ema", RunConfig { penalties, lookahead: Some(lookahead), ema: Some(ema), ..none() }),
        (
            "stratified-balanced-ema",
            RunConfig { split: Split::Stratified, sampling: Sampling::Balanced, ema: Some(ema), ..none() },
        ),
        (
            "bootstrap-curriculum-ema",
            RunConfig { sampling: Sampling::Bootstrap, curriculum: Some(curriculum), ema: Some(ema), ..none() },
        ),
        (
            "noise-lookahead-ema",
            RunConfig {
                gradient_noise: Some(GradientNoiseConfig::new().with_seed(5)),
                lookahead: Some(lookahead),
                ema: Some(ema),
                ..none()
            },
        ),
        ("groups-activations-ema", RunConfig { groups, sparse_activations: 1e-3, ema: Some(ema), ..none() }),
        ("sam-ema", RunConfig { sam: Some(SamConfig::new()), gradients: chain(), ema: Some(ema), ..none() }),
    ]
}

/// A small run of some epochs, with everything random that a run can have.
fn small(optimizer: &NamedOptimizer, schedule: &str, epochs: usize, surroundings: &RunConfig) -> RunConfig {
    RunConfig {
        model: ModelConfig::Mlp(MlpConfig::new().with_widths(vec![16]).with_dropout(0.5).with_dropout_input(0.2)),
        augment: Some(everything()),
        lr: optimizer.learning_rate(),
        optimizer: optimizer.clone(),
        schedule: schedule.parse().expect("a schedule"),
        validation_images: 50,
        batch_size: 32,
        epochs,
        backend: Backend::Flex,
        ..surroundings.clone()
    }
}

/// Gives a run more epochs.
fn prolong(run: &Run, config: &RunConfig) {
    let text = serde_json::to_string(config).expect("JSON");
    fs::write(run.folder().join("config.json"), text).expect("the configuration is written");
}

/// Trains three epochs at once, and one and then two, and gives the folder of the unbroken run.
fn expect_the_same_when_broken(
    folder: &Path,
    name: &str,
    optimizer: &NamedOptimizer,
    schedule: &str,
    surroundings: &RunConfig,
) -> PathBuf {
    let options = options(folder);
    let config = |epochs| small(optimizer, schedule, epochs, surroundings);
    let train = |run: &mut Run| run.train(&options).expect("the run trains");
    let mut unbroken = Run::create(config(3), Some(&format!("{name}-unbroken")), &options).expect("a new run");
    let expected = train(&mut unbroken);

    let mut broken = Run::create(config(1), Some(&format!("{name}-broken")), &options).expect("a new run");
    train(&mut broken);
    prolong(&broken, &config(3));
    let mut resumed = Run::open(&options.root, broken.name()).expect("the run");
    resumed.ensure_resumable().expect("an epoch is left");
    let found = train(&mut resumed);

    let [found_model, expected_model] = [&resumed, &unbroken].map(|run| values(&run.folder().join("model.bpk")));
    assert!(!expected_model.is_empty() && found_model == expected_model, "{name}: the kept weights differ");
    let [found_state, expected_state] = [&resumed, &unbroken].map(|run| last_checkpoint(run.folder()));
    assert!(found_state == expected_state, "{name}: the last checkpoints differ");
    assert_eq!((found.test_accuracy, found.test_loss), (expected.test_accuracy, expected.test_loss), "{name}");
    assert_eq!(found.confusion, expected.confusion, "{name}");
    unbroken.folder().to_owned()
}

/// A run that is asked to stop takes a step, saves it and goes on after it.
#[test]
fn a_run_that_was_broken_off_within_an_epoch_comes_to_the_same() {
    let _seed = seeding();
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_data(folder.path());
    let options = options(folder.path());
    let optimizer = NamedOptimizer::named("nadam").expect("a known optimizer");
    let config = |epochs| small(&optimizer, "exponential=0.5", epochs, &RunConfig::default());
    let mut unbroken = Run::create(config(3), Some("unbroken"), &options).expect("a new run");
    let expected = unbroken.train(&options).expect("the run trains");
    for whole in [0, 2] {
        let name = format!("broken-{whole}");
        if whole > 0 {
            let mut run = Run::create(config(whole), Some(&name), &options).expect("a new run");
            run.train(&options).expect("the run trains");
            prolong(&run, &config(3));
        }
        let mut run = match whole {
            0 => Run::create(config(3), Some(&name), &options).expect("a new run"),
            _ => Run::open(&options.root, &name).expect("the run"),
        };
        // Given beforehand, the signal leaves one batch of 32 each time.
        for _ in 0..3 {
            let stopped = RunOptions { stop: StopSignal::default(), ..options.clone() };
            stopped.stop.give();
            let error = run.train(&stopped).expect_err("it is stopped").to_string();
            let epoch = whole + 1;
            assert_eq!(error, format!("interrupted in epoch {epoch}; everything is saved: go on with --resume {name}"));
            run = Run::open(&options.root, &name).expect("the run");
            run.ensure_resumable().expect("epochs are left");
        }
        let checkpoint = format!("checkpoint/step-{}.ckpt", 5 * whole + 3);
        assert!(run.folder().join(checkpoint).exists(), "a step each time");
        assert_eq!(run.folder().join("model.bpk").exists(), whole > 0, "the best weights so far can be used");
        let found = run.train(&options).expect("the run trains");
        let [kept, expected_kept] = [&run, &unbroken].map(|run| values(&run.folder().join("model.bpk")));
        assert!(kept == expected_kept, "{name}: the kept weights differ");
        assert!(last_checkpoint(run.folder()) == last_checkpoint(unbroken.folder()), "{name}: the checkpoints differ");
        assert_eq!((found.test_loss, found.confusion), (expected.test_loss, expected.confusion.clone()), "{name}");
        assert_eq!((found.stopped, found.members[0].images), (None, 450));
        assert_eq!(checkpoints(run.folder()), checkpoints(unbroken.folder()), "{name}");
        for log in ["train/epoch-1/Loss.log", "train/epoch-3/Loss.log", "valid/epoch-3/Accuracy.log"] {
            let [found, expected] = [&run, &unbroken].map(|run| fs::read_to_string(run.folder().join(log)));
            assert_eq!(found.expect("a log"), expected.expect("a log"), "{name}: {log}");
        }
    }
}

/// A second-order method learns, and goes on after an epoch as if it had not stopped.
#[test]
fn a_run_by_a_second_order_method_goes_on() {
    let _seed = seeding();
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_data(folder.path());
    let options = options(folder.path());
    for name in ["lbfgs", "conjugate-gradients", "truncated-newton", "hessian-free"] {
        let minimizer = BatchMinimizer::new(MinimizerConfig::named(name).expect("known"));
        let config = |epochs| {
            RunConfig {
                model: ModelConfig::Mlp(MlpConfig::new().with_widths(vec![16]).with_dropout(0.2)),
                validation_images: 50,
                batch_size: 80,
                epochs,
                backend: Backend::Flex,
                ..RunConfig::default()
            }
            .with_minimizer(minimizer.clone())
        };
        let mut whole = Run::create(config(3), Some(&format!("{name}-whole")), &options).expect("a new run");
        let expected = whole.train(&options).expect("the run trains");
        assert_eq!(expected.optimizer, name);
        let mut broken = Run::create(config(1), Some(&format!("{name}-broken")), &options).expect("a new run");
        broken.train(&options).expect("the run trains");
        prolong(&broken, &config(3));
        let mut broken = Run::open(&options.root, &format!("{name}-broken")).expect("the run");
        let found = broken.train(&options).expect("the run trains");
        assert!(last_checkpoint(whole.folder()) == last_checkpoint(broken.folder()), "{name}: the checkpoints differ");
        assert_eq!(found.test_loss.to_bits(), expected.test_loss.to_bits(), "{name}");
        let text = fs::read_to_string(whole.folder().join("history.json")).expect("a history");
        let history: History = serde_json::from_str(&text).expect("JSON");
        let [first, .., last] = &history.epochs[..] else { panic!("three epochs") };
        assert!(last.train_loss < first.train_loss, "{name}: {} after {}", last.train_loss, first.train_loss);
        // Six steps are too few for running statistics.
        let running = RunConfig { reestimate: false, ..config(3) };
        let mut lagging = Run::create(running, Some(&format!("{name}-lagging")), &options).expect("a new run");
        let lagging = lagging.train(&options).expect("the run trains");
        assert!(lagging.test_loss > expected.test_loss, "{name}: {}, {}", lagging.test_loss, expected.test_loss);
    }
}

/// What belongs to an optimizer is refused beside a method that finds its steps by itself.
#[test]
fn a_second_order_method_takes_nothing_of_an_optimizer() {
    let method = |name: &str| BatchMinimizer::new(MinimizerConfig::named(name).expect("known"));
    let plain = |name: &str| RunConfig {
        minimizer: Some(method(name)),
        lr: 1.0,
        schedule: Schedule::Constant,
        ..RunConfig::default()
    };
    plain("lbfgs").check().expect("it is in range");
    let matrix = MinimizerConfig::named("lbfgs").expect("known").with("history=0").expect("it can be read");
    let lbfgs = || plain("lbfgs");
    for (config, part) in [
        (RunConfig { lr: 0.1, ..lbfgs() }, "lr should be left out with a second-order method"),
        (RunConfig { schedule: "cosine".parse().expect("a schedule"), ..lbfgs() }, "schedule should be left out"),
        (RunConfig { swa: Some(1), ..lbfgs() }, "swa should be left out"),
        (RunConfig { sam: Some(SamConfig::new()), ..lbfgs() }, "sam should be left out"),
        (RunConfig { gradients: ChainConfig::new().clip_norm(1.0), ..lbfgs() }, "gradients should be left out"),
        (RunConfig { focal_loss: 2.0, ..plain("hessian-free") }, "focal_loss should be 0 with the method hessian-free"),
        (
            RunConfig { minimizer: Some(BatchMinimizer { iterations: 0, ..method("lbfgs") }), ..lbfgs() },
            "iterations should be at least 1",
        ),
        (
            RunConfig { minimizer: Some(BatchMinimizer { curvature_images: Some(5), ..method("lbfgs") }), ..lbfgs() },
            "curvature_images should be left out but for the method hessian-free",
        ),
        (
            RunConfig { minimizer: Some(BatchMinimizer { method: matrix, ..method("lbfgs") }), ..lbfgs() },
            "history should be at least 1, but is 0",
        ),
    ] {
        let error = config.check().expect_err("it is refused").to_string();
        assert!(error.contains(part), "{error}");
    }
}

/// The average begins with the second epoch, after whose end the run is broken.
#[test]
fn a_run_whose_average_begins_late_goes_on() {
    let _seed = seeding();
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_data(folder.path());
    let options = options(folder.path());
    let optimizer = NamedOptimizer::named("nadam").expect("a known optimizer");
    let swa = RunConfig { swa: Some(2), ..RunConfig::default() };
    let config = |epochs| small(&optimizer, "exponential=0.5", epochs, &swa);
    let mut unbroken = Run::create(config(4), Some("unbroken"), &options).expect("a new run");
    unbroken.train(&options).expect("the run trains");
    for whole in [2, 3] {
        let mut run = Run::create(config(whole), Some("broken"), &options).expect("a new run");
        run.train(&options).expect("the run trains");
        prolong(&run, &config(4));
        let mut run = Run::open(&options.root, "broken").expect("the run");
        run.train(&options).expect("the run goes on");
        let [found, expected] = [&run, &unbroken].map(|run| values(&run.folder().join("model.bpk")));
        assert!(found == expected, "broken after {whole}");
    }
}

/// A run that failed does not keep the next one with the same options from training.
#[test]
fn an_error_stops_its_own_run_alone() {
    let _seed = seeding();
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_data(folder.path());
    let options = options(folder.path());
    let optimizer = NamedOptimizer::named("sgd").expect("a known optimizer");
    let gradients = ChainConfig::new().apply_if_finite(1);
    let config = small(&optimizer, "constant", 2, &RunConfig { gradients, ..RunConfig::default() });
    let wild = RunConfig { lr: 1e30, ..config.clone() };
    let error = Run::create(wild, Some("wild"), &options).expect("a new run").train(&options).expect_err("it diverges");
    assert!(error.to_string().contains("try a lower learning rate"), "{error}");
    let summary = Run::create(config, Some("tame"), &options).expect("a new run").train(&options).expect("it trains");
    assert_eq!((summary.members[0].epochs, summary.stopped), (2, None));
}

// In the schedules here the rate of a step depends on what was before it, not on the length of the run.

#[test]
fn a_resumed_run_equals_the_unbroken_one_byte_for_byte() {
    let _seed = seeding();
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_data(folder.path());
    let ours = NamedOptimizer::names().filter(|name| !name.starts_with("burn-"));
    let plain = ours.map(|optimizer| (optimizer, surroundings()[0].clone()));
    let surrounded = surroundings()
        .into_iter()
        .skip(1)
        .flat_map(|surroundings| ["nadam", "burn-adam"].map(|optimizer| (optimizer, surroundings.clone())));
    for (optimizer, (around, surroundings)) in plain.chain(surrounded) {
        let optimizer = NamedOptimizer::named(optimizer).expect("a known optimizer");
        let name = format!("{}-{around}", optimizer.name());
        let unbroken = expect_the_same_when_broken(folder.path(), &name, &optimizer, "exponential=0.5", &surroundings);
        // Averaged weights are kept, not those that train.
        let (kept, trained) = (values(&unbroken.join("model.bpk")), last_checkpoint(&unbroken));
        let averages = around != "plain" || optimizer.averages();
        assert!(!averages || kept != trained, "{name}: the weights that train were kept");
    }
}

/// The weights that are validated are those that are kept: where the test images are the validation images, both looks at
/// them come to the same.
#[test]
fn averaged_weights_are_validated_and_kept() {
    let _seed = seeding();
    for (around, surroundings) in surroundings() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        write_data(folder.path());
        let source = DataSource::new().folder(folder.path());
        let config = RunConfig {
            model: ModelConfig::Mlp(MlpConfig::new().with_widths(vec![16])),
            validation_images: 64,
            batch_size: 32,
            epochs: 3,
            backend: Backend::Flex,
            ..surroundings
        };
        let held_out = RunData::load(&config, &source, true).expect("the data").validation_indices;
        let all = digits(0, 200);
        let pixels = held_out.iter().flat_map(|index| all.image(*index).to_vec()).collect();
        let labels = held_out.iter().map(|index| all.label(*index) as u8).collect();
        write_parts(folder.path(), &all, &LabelledImages::new(28, 28, pixels, labels).expect("28x28 images"));
        let options = options(folder.path());
        let mut run = Run::create(config, Some(around), &options).expect("a new run");
        let summary = run.train(&options).expect("the run trains");
        let member = &summary.members[0];
        let found = (member.test_loss, member.test_accuracy);
        let expected = (member.validation_loss, member.validation_accuracy);
        assert!((found.0 - expected.0).abs() < 1e-5, "{around}: loss {found:?}, validated was {expected:?}");
        assert!((found.1 - expected.1).abs() < 1e-9, "{around}: accuracy {found:?}, validated was {expected:?}");
    }
}

#[test]
fn a_resumed_run_goes_on_where_its_hyperparameters_were() {
    let _seed = seeding();
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_data(folder.path());
    let optimizer = NamedOptimizer::named("sgd-noise").expect("a known optimizer");
    let surroundings = varied(
        optimizer.clone(),
        &[("sgd.momentum", "0.5..0.9:exponential=0.9,per=step"), ("noise.eta", "1e-3:exponential=0.9,per=step")],
    );
    expect_the_same_when_broken(folder.path(), "varied", &optimizer, "exponential=0.5", &surroundings);
}

#[test]
fn a_resumed_run_remembers_its_plateau() {
    let _seed = seeding();
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_data(folder.path());
    let optimizer = NamedOptimizer::named("nadam").expect("a known optimizer");
    // No loss is a hundred times lower than the best: each after the first reduces the rate.
    let schedule = "warm-up=1steps+plateau=0.5,0,threshold=0.99";
    let run = expect_the_same_when_broken(folder.path(), "plateau", &optimizer, schedule, &RunConfig::default());
    let mean_rate = |epoch: usize| {
        let log = run.join(format!("train/epoch-{epoch}/Learning_Rate.log"));
        let text = fs::read_to_string(&log).unwrap_or_else(|error| panic!("{}: {error}", log.display()));
        let value = text.lines().last().and_then(|line| line.split(',').next()).map(str::parse::<f64>);
        value.and_then(Result::ok).unwrap_or_else(|| panic!("no rate in {text}"))
    };
    assert_eq!([2, 3].map(mean_rate), [0.002, 0.001]);
}

/// The configurations that come with the crate say all that one has, and are in range.
#[test]
fn configurations_that_come_along_are_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs");
    let files = fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let files: Vec<PathBuf> = files.collect();
    assert!(!files.is_empty());
    for path in files {
        let config = RunConfig::read(&path).expect("a configuration");
        config.check().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let text = fs::read_to_string(&path).expect("text");
        let written: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let whole = serde_json::to_value(&config).expect("JSON");
        let fields = |value: &serde_json::Value| value.as_object().expect("fields").keys().cloned().collect::<Vec<_>>();
        assert_eq!(fields(&written), fields(&whole), "{}", path.display());
    }
}

/// A file of changes leaves the rest as it is, and brings with an optimizer its rate, with a second-order method what that needs.
#[test]
fn a_configuration_of_changes_is_filled_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("changes.json");
    let read = |changes: serde_json::Value| {
        fs::write(&path, changes.to_string()).expect("the file is written");
        RunConfig::read_changes(&path)
    };
    let whole = |config: &RunConfig| serde_json::to_value(config).expect("JSON");
    let unchanged = RunConfig::default();
    assert_eq!(whole(&read(json!({})).expect("no changes")), whole(&unchanged));
    let shorter = RunConfig { epochs: 3, ..unchanged.clone() };
    assert_eq!(whole(&read(json!({"epochs": 3})).expect("a change")), whole(&shorter));
    let adadelta = NamedOptimizer::named("adadelta").expect("known");
    let slow = read(json!({"optimizer": adadelta})).expect("an optimizer");
    assert_eq!((slow.optimizer.name(), slow.lr), ("adadelta", adadelta.learning_rate()));
    assert_eq!(read(json!({"optimizer": adadelta, "lr": 0.5})).expect("with a rate").lr, 0.5);
    let minimizer = BatchMinimizer::new(MinimizerConfig::named("lbfgs").expect("known"));
    let curved = read(json!({"minimizer": minimizer})).expect("a method");
    assert_eq!(whole(&curved), whole(&unchanged.with_minimizer(minimizer)));
    curved.check().expect("in range");
    for (changes, part) in [
        (json!({"epoch": 3}), "unknown field `epoch`"),
        (json!({"epochs": "three"}), "expected usize"),
        (json!([3]), "expected a map"),
    ] {
        let message = read(changes).expect_err("no configuration").to_string();
        assert!(message.contains(part) && message.contains("changes.json"), "{message}");
    }
}

/// Weights by path.
fn weights(model: &Classifier) -> Vec<(String, Vec<f64>)> {
    struct Values(Vec<Vec<f64>>);
    impl ModuleVisitor for Values {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.push(common::values(&param.val()));
        }
    }
    let mut values = Values(Vec::new());
    model.visit(&mut values);
    parameters(model).into_iter().map(|(_, path)| path).zip(values.0).collect()
}

/// Which parameters differ between two networks, running statistics left out.
fn moved(one: &Classifier, other: &Classifier) -> Vec<String> {
    let pairs = weights(one).into_iter().zip(weights(other));
    let differing = pairs.filter(|(one, other)| !one.0.contains("running") && one.1 != other.1);
    differing.map(|(one, _)| one.0).collect()
}

/// What trains in which epoch: the head, then a layer more an epoch, though weights decay and are drawn to zero.
#[test]
fn layers_join_in_one_after_the_other() {
    let _seed = seeding();
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_data(folder.path());
    let penalties = PenaltiesConfig::new().l2(1e-2, ParamGroup::all()).lasso(1e-3, ParamGroup::all());
    let base = RunConfig {
        model: ModelConfig::Mlp(MlpConfig::new().with_widths(vec![12, 8]).with_dropout(0.0)),
        optimizer: NamedOptimizer::named("adamw").expect("a known optimizer"),
        penalties,
        lr: 0.01,
        validation_images: 50,
        batch_size: 32,
        epochs: 3,
        schedule: "constant".parse().expect("a schedule"),
        backend: Backend::Flex,
        ..RunConfig::default()
    };
    let (_, device) = base.backend.device().expect("flex");
    let data = RunData::load(&base, &DataSource::new().folder(folder.path()), true).expect("the data");
    let old = RunConfig { epochs: 1, seed: 5, ..base.clone() };
    let mut old = TrainingSession::new(&old, &data, &device).expect("a session");
    while old.train(usize::MAX).expect("it trains").is_some() {}
    let old = old.model().expect("the network");
    let transfer = |unfreeze| Some(TransferConfig::new("old".to_owned()).with_unfreeze(unfreeze));
    let is_in = |paths: &[String], layer: &str| paths.iter().any(|path| path.contains(layer));

    for (unfreeze, trains) in
        [(Unfreeze::Never, [1, 1, 1]), (Unfreeze::Every(1), [1, 2, 3]), (Unfreeze::AtOnce, [3; 3])]
    {
        let config = RunConfig { transfer: transfer(unfreeze), ..base.clone() };
        let fresh = TrainingSession::new(&config, &data, &device).expect("a session").model().expect("a network");
        let mut session =
            TrainingSession::new(&config, &data, &device).expect("a session").starting_from(&old).expect("it fits");
        let mut last = session.model().expect("the network");
        assert!(moved(&last, &old).iter().all(|path| path.contains("output")), "{unfreeze}: the trunk is taken over");
        assert!(!is_in(&moved(&last, &fresh), "output"), "{unfreeze}: the head is new");
        for count in trains {
            session.train(usize::MAX).expect("it trains").expect("an epoch");
            let next = session.model().expect("the network");
            let moved = moved(&last, &next);
            let layers = ["output", "hidden.1", "hidden.0"];
            let found: Vec<bool> = layers.map(|layer| is_in(&moved, layer)).to_vec();
            assert_eq!(found, [0, 1, 2].map(|index| index < count), "{unfreeze}: {moved:?}");
            last = next;
        }
    }

    // A step of SGD tells the rates: each layer's by its gradient's size against that of the network at one rate.
    let optimizer = NamedOptimizer::named("sgd").expect("a known optimizer");
    let plain = RunConfig { optimizer, penalties: PenaltiesConfig::new(), ..base };
    let step = |decay: f64| {
        let config = RunConfig {
            transfer: transfer(Unfreeze::AtOnce).map(|transfer| transfer.with_layer_decay(decay)),
            ..plain.clone()
        };
        let mut session =
            TrainingSession::new(&config, &data, &device).expect("a session").starting_from(&old).expect("it fits");
        let before = weights(&session.model().expect("a network"));
        session.train(1).expect("it trains");
        let after = weights(&session.model().expect("a network"));
        let length = |values: (&Vec<f64>, &Vec<f64>)| {
            values.0.iter().zip(values.1).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
        };
        before.into_iter().zip(after).map(|(one, other)| (one.0, length((&one.1, &other.1)))).collect::<Vec<_>>()
    };
    for ((path, one), (_, decayed)) in step(1.0).into_iter().zip(step(0.5)) {
        let share = match path.as_str() {
            path if path.contains("running") => continue,
            path if path.contains("output") => 1.0,
            path if path.contains(".1.") => 0.5,
            _ => 0.25,
        };
        assert!((decayed / one - share).abs() < 1e-3, "{path}: {decayed} of {one}, expected a share of {share}");
    }
}

/// An interrupted run that unfreezes goes on as the unbroken one.
#[test]
fn a_resumed_transfer_equals_the_unbroken_one() {
    let _seed = seeding();
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_data(folder.path());
    let options = options(folder.path());
    let optimizer = NamedOptimizer::named("momentum").expect("a known optimizer");
    let config = small(&optimizer, "exponential=0.5", 1, &RunConfig::default());
    Run::create(config, Some("old"), &options).expect("a new run").train(&options).expect("the run trains");
    for unfreeze in [Unfreeze::Never, Unfreeze::Every(2)] {
        let transfer = TransferConfig::new("old".to_owned()).with_unfreeze(unfreeze).with_layer_decay(0.7);
        let surroundings =
            RunConfig { transfer: Some(transfer), ema: Some(EmaConfig::new().with_decay(0.9)), ..RunConfig::default() };
        expect_the_same_when_broken(
            folder.path(),
            &format!("{unfreeze}"),
            &optimizer,
            "exponential=0.5",
            &surroundings,
        );
    }
}

/// The history of the run `name`, and the data and the device for a session of the same.
fn trained_run(config: &RunConfig, name: &str, options: &RunOptions) -> (History, RunData, Device) {
    let mut run = Run::create(config.clone(), Some(name), options).expect("a new run");
    run.train(options).expect("the run trains");
    let text = fs::read_to_string(run.folder().join("history.json")).expect("a history");
    let history = serde_json::from_str(&text).expect("JSON");

    let (_, device) = config.backend.device().expect("flex");
    let data = RunData::load(config, &options.source, true).expect("the data");
    (history, data, device)
}

/// A session takes the steps that a run takes, however many at a time.
#[test]
fn a_trial_equals_a_run() {
    let _seed = seeding();
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_data(folder.path());
    let options = options(folder.path());
    let optimizer = NamedOptimizer::named("nadam").expect("a known optimizer");
    for (around, surroundings) in surroundings() {
        // One batch of 32 to validate on and one of 18.
        let config = small(&optimizer, "plateau=0.5,0,threshold=0.99", 3, &surroundings);
        let (history, data, device) = trained_run(&config, around, &options);
        let mut session = TrainingSession::new(&config, &data, &device).expect("a session");
        let mut seen = Vec::new();
        // Two, two and one: an epoch has five steps.
        while let Some(progress) = session.train(2).expect("the session trains") {
            assert_eq!(progress.images, 150 * (progress.step / 5) + 32 * (progress.step % 5), "{around}");
            if progress.step % 5 == 0 {
                let validation = session.validate().expect("an evaluation");
                seen.push((progress.epoch, validation.accuracy, validation.loss));
            }
        }
        assert_eq!(seen.len(), 3, "{around}");
        for (found, expected) in seen.iter().zip(&history.epochs) {
            assert_eq!(found.0, expected.epoch, "{around}");
            // The run sums by batches, the session over all images.
            let gap = (found.1 - expected.validation_accuracy).abs();
            assert!(gap < 1e-12, "{around}: {} in the session, {} in the run", found.1, expected.validation_accuracy);
            let gap = (found.2 - expected.validation_loss).abs();
            assert!(
                gap < 1e-5,
                "{around}, epoch {}: {} in the session, {} in the run",
                found.0,
                found.2,
                expected.validation_loss
            );
        }
        assert_eq!(session.train(1).expect("nothing is left"), None);
    }
}

/// By the squared error, too: what a session tells a plateau is what a run does, and not the likelihood that it reports.
#[test]
fn a_session_of_squared_errors_has_the_plateau_of_its_run() {
    let _seed = seeding();
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_data(folder.path());
    let options = options(folder.path());
    let optimizer = NamedOptimizer::named("nadam").expect("a known optimizer");
    let surroundings = RunConfig { loss: Loss::Mse, ..RunConfig::default() };
    // Of each epoch, the squared error of the validation by a run, the likelihood and the training loss by a session.
    let compare = |name: &str, schedule: &str| -> Vec<[f64; 4]> {
        let config = small(&optimizer, schedule, 3, &surroundings);
        let (history, data, device) = trained_run(&config, name, &options);
        let mut session = TrainingSession::new(&config, &data, &device).expect("a session");
        let epoch = |epoch: &EpochMetrics| {
            let progress = session.train(5).expect("the session trains").expect("an epoch");
            let likelihood = session.validate().expect("an evaluation").loss;
            [epoch.validation_loss, likelihood, epoch.train_loss, progress.loss]
        };
        history.epochs.iter().map(epoch).collect()
    };
    let [first, second, third] = compare("constant", "constant")[..] else { panic!("three epochs") };
    let gain = |loss: usize| 1.0 - second[loss] / first[loss];
    assert!((gain(0) - gain(1)).abs() > 0.01, "a plateau of one of them is none of the other: {first:?}, {second:?}");
    let threshold = (gain(0) + gain(1)) / 2.0;
    // By this threshold one of the two is on a plateau after the second epoch, and the other is not.
    let [_, _, found] = compare("plateau", &format!("plateau=0.001,0,threshold={threshold}"))[..] else {
        panic!("three epochs")
    };
    let far = |one: f64, other: f64| (one / other - 1.0).abs();
    assert!(far(found[2], found[3]) < 0.05, "{} by the run, {} by the session", found[2], found[3]);
    let lowered = far(found[2], third[2]) > 0.1;
    assert_eq!(lowered, gain(0) < threshold, "{} with a plateau, {} without", found[2], third[2]);
}
