//! What a run can have beside its optimizer: groups of parameters, pooling, other losses, priors, sparse activations.

use crate::common::{deviation, values};
use crate::digits::{digits, write_parts};
use crate::seeding;
use burn::tensor::{Device, Int, Tensor, TensorData};
use burn::train::{InferenceStep, TrainStep};
use burn_descent::nn::LabelSmoothing;
use burn_descent::optim::ParameterGroupConfig;
use burn_descent_lab::data::DataSource;
use burn_descent_lab::networks::{CnnConfig, MlpConfig};
use burn_descent_lab::runs::{
    Backend, Classifier, ImageBatch, Loss, ModelConfig, Run, RunConfig, RunData, RunOptions, TrainingSession,
};
use std::path::Path;

fn options(folder: &Path) -> RunOptions {
    write_parts(folder, &digits(0, 200), &digits(200, 50));
    RunOptions { source: DataSource::new().folder(folder), ..RunOptions::new(folder.join("runs")) }
}

fn small() -> RunConfig {
    RunConfig {
        model: ModelConfig::Cnn(
            CnnConfig::new().with_channels(vec![4, 8]).with_kernels(vec![3, 3]).with_strides(vec![2, 2]),
        ),
        lr: 0.01,
        validation_images: 50,
        batch_size: 32,
        epochs: 2,
        backend: Backend::Flex,
        ..RunConfig::default()
    }
}

fn group(text: &str) -> ParameterGroupConfig {
    text.parse().expect("a group")
}

/// A batch of random images of the size of digits.
fn batch(device: &Device) -> ImageBatch {
    let pixels: Vec<f32> = (0..3 * 784).map(|index| ((index * 37) % 101) as f32 / 50.0 - 1.0).collect();
    ImageBatch {
        images: Tensor::from_data(TensorData::new(pixels, [3, 1, 28, 28]), device),
        targets: Tensor::<1, Int>::from_ints([1, 0, 2], device),
        mixture: None,
        numbers: None,
    }
}

fn classifier(model: ModelConfig, smoothing: LabelSmoothing, device: &Device) -> Classifier {
    Classifier::new(&model, smoothing, [1, 28, 28], 3, device).expect("in range")
}

/// The squared error is that of the outputs, with smoothed targets in training and plain ones in validation.
#[test]
fn squared_errors_are_means_over_outputs() {
    let _seeding = seeding();
    let device = Device::flex().autodiff();
    let model = ModelConfig::Mlp(MlpConfig::new().with_widths(vec![5]).with_batch_norm(false).with_dropout(0.0));
    let classifier = classifier(model, LabelSmoothing::AllClasses(0.3), &device).with_loss(Loss::Mse);
    let logits = values(&classifier.forward(batch(&device).images).inner());
    let error = |right: f64, wrong: f64| {
        let target = |index: usize| if [1, 3, 8].contains(&index) { right } else { wrong };
        logits.iter().enumerate().map(|(index, logit)| (logit - target(index)).powi(2)).sum::<f64>() / 9.0
    };
    let loss = |loss: Tensor<1>| f64::from(loss.mean().into_scalar::<f32>());
    let trained = loss(TrainStep::step(&classifier, batch(&device)).item.classification.loss.inner());
    assert!((trained / error(0.8, 0.1) - 1.0).abs() < 1e-5, "{trained}, {}", error(0.8, 0.1));
    let validated = loss(InferenceStep::step(&classifier, batch(&device)).loss.inner());
    assert!((validated / error(1.0, 0.0) - 1.0).abs() < 1e-5, "{validated}, {}", error(1.0, 0.0));
}

/// The penalty is the L1 norm of what the hidden layers put out, a mean over the batch, in training alone.
#[test]
fn active_units_cost_in_training() {
    let _seeding = seeding();
    let device = Device::flex().autodiff();
    for model in [
        ModelConfig::Mlp(MlpConfig::new().with_widths(vec![6, 4]).with_batch_norm(false).with_dropout(0.0)),
        ModelConfig::Cnn(
            CnnConfig::new().with_channels(vec![2]).with_kernels(vec![3]).with_strides(vec![2]).with_batch_norm(false),
        ),
    ] {
        let plain = classifier(model.clone(), LabelSmoothing::None, &device);
        let loss = |classifier: &Classifier| {
            f64::from(
                TrainStep::step(classifier, batch(&device))
                    .item
                    .classification
                    .loss
                    .inner()
                    .mean()
                    .into_scalar::<f32>(),
            )
        };
        let penalty = |strength: f64| loss(&plain.clone().with_sparse_activations(strength)) - loss(&plain);
        let norm = penalty(1.0);
        assert!(norm > 1.0, "{norm}");
        assert!((penalty(0.25) / norm - 0.25).abs() < 1e-3);
        let valid = |classifier: Classifier| {
            f64::from(InferenceStep::step(&classifier, batch(&device)).loss.inner().mean().into_scalar::<f32>())
        };
        assert_eq!(valid(plain.clone()), valid(plain.clone().with_sparse_activations(1.0)));
        if let ModelConfig::Mlp(_) = model {
            let expected = activations_by_hand(&plain, &device);
            assert!((norm / expected - 1.0).abs() < 1e-4, "{norm}, by hand {expected}");
        }
    }
}

/// The mean over the batch of Σ|a| over both hidden layers of the perceptron, from its weights.
fn activations_by_hand(classifier: &Classifier, device: &Device) -> f64 {
    let mut weights = Vec::new();
    burn::module::Module::visit(classifier, &mut Collect(&mut weights));
    let images = values(&batch(device).images.inner());
    let mut sum = 0.0;
    for image in images.chunks(784) {
        let mut x = image.to_vec();
        // Weights are inputs by units.
        for layer in weights[..4].chunks(2) {
            let (weight, bias) = (&layer[0], &layer[1]);
            let unit = |unit: usize| {
                let products = x.iter().enumerate().map(|(input, x)| x * weight[input * bias.len() + unit]);
                (products.sum::<f64>() + bias[unit]).max(0.0)
            };
            x = (0..bias.len()).map(unit).collect();
            sum += x.iter().sum::<f64>();
        }
    }
    sum / 3.0
}

struct Collect<'a>(&'a mut Vec<Vec<f64>>);

impl burn::module::ModuleVisitor for Collect<'_> {
    fn visit_float<const D: usize>(&mut self, param: &burn::module::Param<Tensor<D>>) {
        let value = param.val();
        self.0.push(values(&if value.is_autodiff() { value.inner() } else { value }));
    }
}

/// Pooling keeps the largest value of each square; squares that do not fit are an error.
#[test]
fn pools_shrink_what_blocks_put_out() {
    let _seeding = seeding();
    let device = Device::flex();
    let config = CnnConfig::new().with_channels(vec![2, 3]).with_kernels(vec![3, 3]).with_strides(vec![1, 1]);
    let pooled = config.clone().with_pools(Some(vec![3, 2]));
    let network = pooled.init([1, 28, 28], 4, &device).expect("in range");
    // 28 / 3 = 9 and 9 / 2 = 4.
    let parameters = burn::module::Module::num_params(&network);
    assert_eq!(parameters, 2 * 9 + 2 * 4 + 3 * 2 * 9 + 3 * 4 + (3 * 4 * 4 + 1) * 4);
    assert_eq!(network.forward(batch(&device).images).dims(), [3, 4]);
    let error = config.clone().with_pools(Some(vec![14, 3])).init([1, 28, 28], 4, &device).map(drop);
    assert_eq!(error.expect_err("too large").to_string(), "Cnn: pools should be in [1, 2], but is 3");
    let error = config.with_pools(Some(vec![2])).init([1, 28, 28], 4, &device).map(drop);
    assert!(error.expect_err("too few").to_string().contains("pools should be 2"));
}

/// Without decay on biases and normalization, these are as of a run without any decay in the first step, and the weights
/// as of one with decay everywhere.
#[test]
fn some_parameters_do_not_decay() {
    let _seeding = seeding();
    let folder = tempfile::tempdir().expect("a folder");
    let options = options(folder.path());
    let after_a_step = |config: RunConfig| {
        let (_, device) = config.backend.device().expect("flex");
        let data = RunData::load(&config, &options.source, true).expect("the data");
        let mut session = TrainingSession::new(&config, &data, &device).expect("a session");
        session.train(1).expect("a step").expect("a step");
        let mut weights = Vec::new();
        burn::module::Module::visit(&session.model().expect("a model"), &mut Collect(&mut weights));
        weights
    };
    let with = |decay: f64, groups: Vec<ParameterGroupConfig>| {
        let optimizer = small().optimizer.with_weight_decay(decay).expect("a decay");
        after_a_step(RunConfig { optimizer, groups, ..small() })
    };
    let (none, all, some) =
        (with(0.0, Vec::new()), with(10.0, Vec::new()), with(10.0, vec![group("bias,norm:decay=0")]));
    // blocks.0.weight, blocks.1.weight, norms.0 (gamma, beta, two statistics), norms.1, output.weight, output.bias.
    assert_eq!(some.len(), 12);
    let (mut as_none, mut as_all) = (0, 0);
    for index in 0..some.len() {
        match some[index] == none[index] {
            true => as_none += 1,
            false => {
                as_all += 1;
                assert_eq!(some[index], all[index], "parameter {index}");
            }
        }
    }
    assert_eq!((as_none, as_all), (9, 3));
    // A rate of its own: the step from the start is as many times as long.
    let fast = with(0.0, vec![group("output:rate=3")]);
    let start = {
        let config = small();
        let (_, device) = config.backend.device().expect("flex");
        let data = RunData::load(&config, &options.source, true).expect("the data");
        let mut weights = Vec::new();
        let session = TrainingSession::new(&config, &data, &device).expect("a session");
        burn::module::Module::visit(&session.model().expect("a model"), &mut Collect(&mut weights));
        weights
    };
    let step = |after: &[f64]| after.iter().zip(&start[10]).map(|(after, before)| after - before).collect::<Vec<_>>();
    let tripled: Vec<f64> = step(&none[10]).iter().map(|step| 3.0 * step).collect();
    assert!(deviation(&step(&fast[10]), &tripled) < 1e-6);
    assert_eq!(fast[0], none[0]);
}

/// A run whose penalties are measured from another run's weights is the session that is given these.
#[test]
fn a_prior_by_name_is_the_network_itself() {
    let _seeding = seeding();
    let folder = tempfile::tempdir().expect("a folder");
    let options = options(folder.path());
    let mut prior = Run::create(small(), Some("prior"), &options).expect("a new run");
    prior.train(&options).expect("it trains");
    let attracted = RunConfig {
        seed: 2,
        penalties: burn_descent::penalty::PenaltiesConfig::new().then("l2=0.5".parse().expect("a penalty")),
        prior: Some("prior".to_owned()),
        ..small()
    };
    let loss = |config: RunConfig, name: &str| {
        let mut run = Run::create(config, Some(name), &options).expect("a new run");
        run.train(&options).expect("it trains").members[0].validation_loss
    };
    let found = loss(attracted.clone(), "attracted");
    let away = loss(RunConfig { prior: None, ..attracted.clone() }, "away");
    assert!((found - away).abs() > 1e-3, "the prior changes nothing: {found}, {away}");
    let error =
        RunConfig { penalties: Default::default(), ..attracted.clone() }.check().expect_err("nothing to measure");
    assert!(error.to_string().contains("prior should be left out without penalties"), "{error}");
    let mut absent =
        Run::create(RunConfig { prior: Some("absent".to_owned()), ..attracted }, None, &options).expect("new");
    let error = absent.train(&options).expect_err("there is no such run").to_string();
    assert!(error.contains("no run `absent`") && error.contains("prior"), "{error}");
}

/// With all of it, a run that goes on is the unbroken one.
#[test]
fn statistics_are_estimated_again_where_asked_for() {
    let _seeding = seeding();
    let folder = tempfile::tempdir().expect("a folder");
    let options = options(folder.path());
    let summary = |reestimate: bool, name: &str| {
        let config = RunConfig { reestimate, drop_last: true, ..small() };
        let mut run = Run::create(config, Some(name), &options).expect("a new run");
        run.train(&options).expect("it trains").members[0].clone()
    };
    let (running, again) = (summary(false, "running"), summary(true, "again"));
    assert!(running.validation_loss != again.validation_loss, "statistics are the same");
    // 150 images in batches of 32, of which the last is dropped.
    assert_eq!(running.images, 2 * 128);
}
