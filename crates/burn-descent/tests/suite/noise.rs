//! Noise on gradients: how much, how it fades, and what it depends on.
//!
//! Sums of squares have known standard errors. Bounds are five of them: with a fixed seed a test passes always or
//! never, and a wrong variance is off by thousands.

use crate::common::{Trainee, cpu_devices, same_bits, scattered, values, vector};
use burn::module::{Module, Param};
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer, Optimizer};
use burn::tensor::{DType, Device, Tensor};
use burn_descent::gradient::{GradientNoise, GradientNoiseConfig};
use burn_descent::optim::{NadamConfig, NamedOptimizer, SgdConfig, Variations, evaluation_weights, load_record};
use burn_descent::weights::EmaConfig;

/// Many more values than one stream of random numbers fills, and no multiple of its length.
const COUNT: usize = 200_003;

fn a_device() -> Device {
    cpu_devices().remove(0).1
}

/// The noise of each of the steps: gradient descent from 0 with rate 1 and no gradient moves by minus the noise.
fn noise_of<O: Optimizer>(optimizer: GradientNoise<O>, steps: usize, count: usize, device: &Device) -> Vec<Vec<f64>> {
    let zeros = Tensor::<1>::zeros([count], (device, DType::F64));
    let mut state = None;
    let step = |_| {
        let (theta, next) = optimizer.step(1.0, zeros.clone(), zeros.clone(), state.take());
        state = next;
        values(&theta).into_iter().map(|theta| -theta).collect()
    };
    (0..steps).map(step).collect()
}

fn noise(config: &GradientNoiseConfig, steps: usize, count: usize, device: &Device) -> Vec<Vec<f64>> {
    noise_of(config.sgd(&SgdConfig::new()).expect("a valid configuration"), steps, count, device)
}

fn mean(values: &[f64], power: i32) -> f64 {
    values.iter().map(|value| value.powi(power)).sum::<f64>() / values.len() as f64
}

// ---------------------------------------------------------------------------------------------------------------------
// How much

/// `η/(1 + t)^γ` is the variance. Where η is not 1, a deviation of that size would show.
#[test]
fn the_variance_follows_the_schedule() {
    let error = (2.0 / COUNT as f64).sqrt(); // of a mean square, relative to it
    for (eta, gamma, first_step) in [(0.01, 0.55, 1), (0.3, 0.55, 1), (1.0, 0.55, 0), (4.0, 2.0, 1), (0.01, 0.0, 5)] {
        let config = GradientNoiseConfig::new().with_eta(eta).with_gamma(gamma).with_first_step(first_step);
        for (index, noise) in noise(&config, 6, COUNT, &a_device()).iter().enumerate() {
            let t = (index as u64 + first_step) as f64;
            let expected = eta / (1.0 + t).powf(gamma);
            let found = mean(noise, 2);
            assert!((found / expected - 1.0).abs() < 5.0 * error, "η {eta}, γ {gamma}, t {t}: {found}, not {expected}");
            assert!((config.variance(index as u64 + 1) / expected - 1.0).abs() < 1e-12);
        }
    }
}

#[test]
fn the_noise_is_normal_and_centred() {
    for (step, noise) in noise(&GradientNoiseConfig::new().with_eta(1.0), 4, COUNT, &a_device()).iter().enumerate() {
        let deviation = mean(noise, 2).sqrt();
        let unit: Vec<f64> = noise.iter().map(|value| value / deviation).collect();
        // The standard errors of a normal sample's mean, skewness and kurtosis.
        for (power, expected, variance) in [(1, 0.0, 1.0), (3, 0.0, 6.0), (4, 3.0, 24.0)] {
            let error = (variance / COUNT as f64).sqrt();
            let found = mean(&unit, power);
            assert!((found - expected).abs() < 5.0 * error, "moment {power} of step {step}: {found}, not {expected}");
        }
        // Shares of a normal distribution within 1, 2 and 3 deviations.
        for (bound, expected) in [(1.0, 0.682_689_5), (2.0, 0.954_499_7), (3.0, 0.997_300_2)] {
            let found = unit.iter().filter(|value| value.abs() < bound).count() as f64 / COUNT as f64;
            let error = (expected * (1.0 - expected) / COUNT as f64).sqrt();
            assert!((found - expected).abs() < 5.0 * error, "{found} of step {step} within {bound}, not {expected}");
        }
    }
}

#[test]
fn a_variance_is_a_number_at_any_step() {
    let config = GradientNoiseConfig::new().with_first_step(u64::MAX);
    assert!([0, 1, 2, u64::MAX].map(|step| config.variance(step)).iter().all(|variance| variance.is_finite()));
}

#[test]
fn no_variance_is_no_noise() {
    for noise in noise(&GradientNoiseConfig::new().with_eta(0.0), 3, 100, &a_device()) {
        assert!(noise.iter().all(|value| *value == 0.0));
    }
}

#[test]
fn the_gradient_stays_under_the_noise() {
    for (_, device) in cpu_devices() {
        let optimizer = GradientNoiseConfig::new().sgd(&SgdConfig::new()).expect("a valid configuration");
        let gradient = scattered(COUNT, 1);
        let (theta, _) = optimizer.step(
            1.0,
            vector(&vec![0.0; COUNT], &device, DType::F64),
            vector(&gradient, &device, DType::F64),
            None,
        );
        let noise = &noise(&GradientNoiseConfig::new(), 1, COUNT, &device)[0];
        for ((theta, gradient), noise) in values(&theta).iter().zip(&gradient).zip(noise) {
            assert!((theta + gradient + noise).abs() < 1e-12);
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// What it depends on

/// Correlation of two samples of noise; its standard error is `1/√n`.
fn correlation(x: &[f64], y: &[f64]) -> f64 {
    let product: f64 = x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>() / x.len() as f64;
    product / (mean(x, 2) * mean(y, 2)).sqrt()
}

#[track_caller]
fn assert_independent(x: &[f64], y: &[f64]) {
    let found = correlation(x, y);
    assert!(found.abs() < 5.0 / (x.len() as f64).sqrt(), "correlation {found}");
}

#[test]
fn the_seed_decides() {
    let of = |seed| noise(&GradientNoiseConfig::new().with_seed(seed), 2, COUNT, &a_device());
    assert_eq!(of(1), of(1));
    assert_independent(&of(1)[0], &of(2)[0]);
    assert_independent(&of(0)[0], &of(u64::MAX)[0]);
}

#[test]
fn steps_differ() {
    let noise = noise(&GradientNoiseConfig::new(), 3, COUNT, &a_device());
    assert_independent(&noise[0], &noise[1]);
    assert_independent(&noise[1], &noise[2]);
}

/// The noise comes in streams; a stream must not repeat its neighbour.
#[test]
fn places_differ() {
    let noise = &noise(&GradientNoiseConfig::new(), 1, COUNT, &a_device())[0];
    for lag in [1, 8, 1024, 16 * 1024, 3 * 16 * 1024] {
        assert_independent(&noise[..COUNT - lag], &noise[lag..]);
    }
}

#[test]
fn parameters_differ() {
    let optimizer = GradientNoiseConfig::new().sgd(&SgdConfig::new()).expect("a valid configuration");
    let zeros = Tensor::<1>::zeros([COUNT], (&a_device(), DType::F64));
    let first_step = || values(&optimizer.step(1.0, zeros.clone(), zeros.clone(), None).0);
    assert_independent(&first_step(), &first_step());
}

/// Leading values do not depend on how many follow, nor on the precision beyond its rounding.
#[test]
fn size_and_precision_do_not_matter() {
    let config = GradientNoiseConfig::new();
    let device = a_device();
    let long = &noise(&config, 1, COUNT, &device)[0];
    let short = &noise(&config, 1, 20_000, &device)[0];
    assert!(same_bits(short, &long[..20_000]));
    let optimizer = config.sgd(&SgdConfig::new()).expect("a valid configuration");
    let zeros = Tensor::<2>::zeros([100, 200], (&device, DType::F32));
    let (theta, _) = optimizer.step(1.0, zeros.clone(), zeros, None);
    assert_eq!(theta.dtype(), DType::F32);
    for (single, double) in values(&theta).iter().zip(short) {
        assert_eq!(-*single as f32, *double as f32);
    }
}

#[test]
fn backends_draw_the_same() {
    let config = GradientNoiseConfig::new().with_seed(7);
    let drawn: Vec<_> = cpu_devices().iter().map(|(_, device)| noise(&config, 2, COUNT, device)).collect();
    for noise in &drawn {
        for (noise, first) in noise.iter().zip(&drawn[0]) {
            assert!(same_bits(noise, first));
        }
    }
}

#[cfg(any(feature = "flex", feature = "ndarray"))]
#[test]
fn the_number_of_threads_does_not_matter() {
    let config = GradientNoiseConfig::new().with_seed(7);
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool of threads");
        pool.install(|| noise(&config, 2, COUNT, &a_device()))
    };
    let alone = with(1);
    for threads in [2, 3, 8] {
        for (noise, alone) in with(threads).iter().zip(&alone) {
            assert!(same_bits(noise, alone), "{threads} threads");
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// In a training run

/// Two parameters of the same shape, so that only their order tells their noise apart.
#[derive(Module, Debug)]
struct Pair {
    first: Param<Tensor<1>>,
    second: Param<Tensor<1>>,
}

impl Pair {
    fn new(device: &Device) -> Self {
        let param = || Param::from_tensor(Tensor::from_inner(vector(&[0.0; 50], device, DType::F32)));
        Self { first: param(), second: param() }
    }

    fn gradients(&self, step: usize, with: [bool; 2]) -> GradientsParams {
        let mut gradients = GradientsParams::new();
        let mut register = |param: &Param<Tensor<1>>, seed| {
            let device = param.val().device().inner();
            gradients.register(param.id, vector(&scattered(50, seed), &device, DType::F32));
        };
        if with[0] {
            register(&self.first, 2 * step);
        }
        if with[1] {
            register(&self.second, 2 * step + 1);
        }
        gradients
    }

    fn values(&self) -> [Vec<f64>; 2] {
        [values(&self.first.val()), values(&self.second.val())]
    }
}

type Start = fn() -> ModuleOptimizer;

/// Optimizers to wrap: this crate's without and with state, and Burn's own.
fn wrapped() -> [(&'static str, Start); 3] {
    fn noisy(optimizer: impl Optimizer) -> ModuleOptimizer {
        GradientNoiseConfig::new().with_eta(0.3).wrap(optimizer).expect("a valid configuration").into()
    }
    [
        ("sgd", || noisy(SgdConfig::new().build().expect("a valid configuration"))),
        ("nadam", || noisy(NadamConfig::new().build().expect("a valid configuration"))),
        ("burn adam", || noisy(AdamConfig::new().build())),
    ]
}

#[test]
fn a_resumed_run_draws_the_noise_that_it_would_have_drawn() {
    for (_, device) in cpu_devices() {
        for (name, start) in wrapped() {
            let (mut unbroken, mut optimizer) = (Pair::new(&device), start());
            for step in 0..5 {
                let gradients = unbroken.gradients(step, [true, true]);
                unbroken = optimizer.step(0.1, unbroken, gradients);
            }
            let bytes = optimizer.into_bytes().expect("the state becomes bytes");
            let mut restored = start().from_bytes(bytes).expect("the bytes become a state");
            let mut resumed = unbroken.clone();
            for step in 5..10 {
                let gradients = || unbroken.gradients(step, [true, true]);
                let (next, other) =
                    (optimizer.step(0.1, unbroken.clone(), gradients()), restored.step(0.1, resumed, gradients()));
                (unbroken, resumed) = (next, other);
                for (resumed, unbroken) in resumed.values().iter().zip(unbroken.values()) {
                    assert!(same_bits(resumed, &unbroken), "{name}, step {step}");
                }
            }
        }
    }
}

/// Noise over an optimizer whose type is erased is the same, with the same record.
#[test]
fn noise_over_an_erased_optimizer_is_the_same() {
    let config = GradientNoiseConfig::new().with_eta(0.3).with_seed(3);
    for (_, device) in cpu_devices() {
        let typed = || ModuleOptimizer::from(config.wrap(NadamConfig::new().build().expect("valid")).expect("valid"));
        let erased = || {
            let optimizer = NamedOptimizer::named("nadam").expect("known").build(&Variations::default());
            config.wrap_erased(optimizer.expect("valid")).expect("valid").init()
        };
        let (mut pairs, mut optimizers) = ([Pair::new(&device), Pair::new(&device)], [typed(), erased()]);
        // One that is looked at draws no other noise.
        pairs[1] = pairs[0].clone();
        for step in 0..5 {
            for (pair, optimizer) in pairs.iter_mut().zip(&mut optimizers) {
                let gradients = pair.gradients(step, [true, true]);
                *pair = optimizer.step(0.1, pair.clone(), gradients);
                let evaluated = evaluation_weights(optimizer, pair.clone());
                assert!(evaluated.values().iter().zip(pair.values()).all(|(x, y)| same_bits(x, &y)));
            }
        }
        let same = |[one, other]: &[Pair; 2]| one.values().iter().zip(other.values()).all(|(x, y)| same_bits(x, &y));
        assert!(same(&pairs), "{:?}", pairs.each_ref().map(Pair::values));
        // Of one parameter: those of several come in any order.
        let bytes = [typed(), erased()].map(|mut optimizer| {
            let mut gradients = GradientsParams::new();
            gradients.register(pairs[0].first.id, vector(&scattered(50, 1), &device, DType::F32));
            optimizer.step(0.1, pairs[0].clone(), gradients);
            optimizer.into_bytes().expect("bytes").to_vec()
        });
        assert!(bytes[0] == bytes[1], "the records differ");

        // Each goes on from the other's record.
        let records = optimizers.each_ref().map(ModuleOptimizer::to_record);
        let [of_typed, of_erased] = records;
        let mut resumed = [
            load_record(typed(), of_erased, &pairs[0]).expect("it fits"),
            load_record(erased(), of_typed, &pairs[1]).expect("it fits"),
        ];
        let gradients = || pairs[0].gradients(5, [true, true]);
        let expected = optimizers[0].step(0.1, pairs[0].clone(), gradients()).values();
        for optimizer in &mut resumed {
            let found = optimizer.step(0.1, pairs[0].clone(), gradients()).values();
            assert!(found.iter().zip(&expected).all(|(x, y)| same_bits(x, y)));
        }
    }
    let optimizer = || NamedOptimizer::named("adadelta").expect("known").build(&Variations::default()).expect("valid");
    let error = config.with_eta(-1.0).wrap_erased(optimizer()).expect_err("out of range").to_string();
    assert_eq!(error, "GradientNoise: eta should be in [0, ∞), but is -1");
}

/// A parameter that joins late, after the others in the module, takes the next place in the order, in a resumed run
/// too. (Before the others it draws differently, as the documentation says.)
/// A trunk that thaws after a break, before its head in the module: a place in the order of its own, that of the unbroken
/// run, and not the noise of the head once more.
#[test]
fn a_parameter_that_thaws_after_a_resumption_draws_as_it_would_have_drawn() {
    let device = a_device();
    let averaged = || -> ModuleOptimizer {
        let noisy = GradientNoiseConfig::new().with_eta(0.3).wrap(SgdConfig::new().build().unwrap()).unwrap();
        EmaConfig::new().wrap(noisy).expect("a valid configuration").into()
    };
    let starts = wrapped().into_iter().chain([("ema sgd", averaged as Start)]);
    for (name, start) in starts {
        let (mut unbroken, mut optimizer) = (Pair::new(&device), start());
        for step in 0..3 {
            let gradients = unbroken.gradients(step, [false, true]);
            unbroken = optimizer.step(0.1, unbroken, gradients);
        }
        let record = optimizer.to_record();
        let mut restored = load_record(start(), record, &unbroken).expect("the record fits");
        for step in 3..6 {
            let gradients = || unbroken.gradients(step, [true, true]);
            let expected = optimizer.step(0.1, unbroken.clone(), gradients());
            let found = restored.step(0.1, unbroken.clone(), gradients()).values();
            assert!(same_bits(&found[0], &expected.values()[0]), "{name}, step {step}: what thawed");
            assert!(same_bits(&found[1], &expected.values()[1]), "{name}, step {step}: what was there");
            unbroken = expected;
        }
    }
}

/// A parameter that joins late, after the others in the module, takes the next place in the order, in a run that Burn's own
/// `load_record` resumes too. (Before the others it draws differently then, as the documentation says.)
#[test]
fn a_parameter_that_joins_after_a_resumption_draws_as_it_would_have_drawn() {
    let device = a_device();
    for (name, start) in wrapped() {
        let (mut unbroken, mut optimizer) = (Pair::new(&device), start());
        for step in 0..3 {
            let gradients = unbroken.gradients(step, [true, false]);
            unbroken = optimizer.step(0.1, unbroken, gradients);
        }
        let bytes = optimizer.into_bytes().expect("the state becomes bytes");
        let mut restored = start().from_bytes(bytes).expect("the bytes become a state");
        let gradients = || unbroken.gradients(3, [true, true]);
        let expected = optimizer.step(0.1, unbroken.clone(), gradients()).values();
        let found = restored.step(0.1, unbroken.clone(), gradients()).values();
        assert!(same_bits(&found[0], &expected[0]) && same_bits(&found[1], &expected[1]), "{name}");
    }
}

#[test]
fn two_parameters_of_a_module_draw_different_noise() {
    let device = a_device();
    let pair = Pair::new(&device);
    let mut gradients = GradientsParams::new();
    for param in [&pair.first, &pair.second] {
        gradients.register(param.id, vector(&[0.0; 50], &device, DType::F32));
    }
    let [first, second] = (wrapped()[0].1)().step(1.0, pair, gradients).values();
    assert!(first.iter().zip(&second).all(|(first, second)| first != second));
}

/// Burn's Adam sees the gradient plus the noise, and nothing else.
#[test]
fn burns_adam_follows_the_noisy_gradients() {
    for (backend, device) in cpu_devices() {
        let config = GradientNoiseConfig::new().with_eta(0.3);
        let noise = noise(&config, 5, 40, &device);
        let noisy = config.wrap(AdamConfig::new().build()).expect("a valid configuration");
        let theta = || vector(&scattered(40, 1), &device, DType::F64);
        let mut noisy = Trainee::new(noisy.into(), theta());
        let mut told = Trainee::new(AdamConfig::new().init(), theta());
        for (step, noise) in noise.iter().enumerate() {
            let gradient = scattered(40, 2 + step);
            noisy.step(0.1, vector(&gradient, &device, DType::F64));
            let sum: Vec<f64> = gradient.iter().zip(noise).map(|(gradient, noise)| gradient + noise).collect();
            told.step(0.1, vector(&sum, &device, DType::F64));
            assert!(same_bits(&noisy.values(), &told.values()), "{backend}, step {step}");
        }
    }
}
