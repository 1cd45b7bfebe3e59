//! Step time of every optimizer here, and of Burn's own, under the conditions of real training. `step_table.py` sets it
//! beside PyTorch's.
//!
//! ```text
//! cargo bench --bench step                       # everything; some minutes
//! cargo bench --bench step -- 'step/large/Nadam'
//! ```
//!
//! As in Burn's `Learner`, the model before the step is alive while it runs. As after a backward pass, nobody else holds
//! the gradients. Making gradients and dropping the old model are not timed, nor are the first two steps, which allocate
//! the state.
#![allow(deprecated)] // Burn 0.22 deprecates the ndarray backend, which this crate supports for as long as it exists.

use burn::module::{Module, Param};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Distribution, Tensor};
use burn_descent::ConfigError;
use burn_descent::gradient::GradientNoiseConfig;
use burn_descent::optim::{
    AdabeliefConfig, AdadeltaConfig, AdagradConfig, AdamConfig, AdamaxConfig, AdanConfig, AmsgradConfig, AsgdConfig,
    LionConfig, MomentumConfig, NadamConfig, NesterovConfig, NormalizedGradientConfig, RadamConfig, RmsPropConfig,
    RmsPropMomentum, RpropConfig, ScheduleFreeAdamwConfig, ScheduleFreeSgdConfig, SgdConfig, YogiConfig,
};
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use criterion::{black_box, measurement::WallTime};
use rayon::prelude::*;
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The shapes of a set of parameters; those of `step_pytorch.py`.
struct Shapes {
    name: &'static str,
    matrices: Vec<[usize; 2]>,
    vectors: Vec<usize>,
}

fn sets() -> [Shapes; 3] {
    [
        Shapes { name: "mlp", matrices: vec![[784, 512], [512, 512], [512, 10]], vectors: vec![512, 512, 10] },
        Shapes { name: "large", matrices: vec![[4096, 4096]], vectors: vec![] },
        Shapes { name: "many", matrices: vec![[480, 640]; 80], vectors: vec![640; 80] },
    ]
}

/// A module of nothing but parameters.
#[derive(Module, Debug)]
struct Parameters {
    matrices: Vec<Param<Tensor<2>>>,
    vectors: Vec<Param<Tensor<1>>>,
}

impl Parameters {
    fn new(shapes: &Shapes, device: &Device) -> Self {
        let device = device.clone().autodiff();
        let normal = Distribution::Normal(0.0, 0.05);
        let matrix = |shape: &[usize; 2]| Param::from_tensor(Tensor::random(*shape, normal, &device));
        let vector = |len: &usize| Param::from_tensor(Tensor::random([*len], normal, &device));
        Self {
            matrices: shapes.matrices.iter().map(matrix).collect(),
            vectors: shapes.vectors.iter().map(vector).collect(),
        }
    }

    /// New gradients, which nothing else shares.
    fn gradients(&self) -> GradientsParams {
        let mut gradients = GradientsParams::new();
        for param in &self.matrices {
            gradients.register(param.id, param.val().inner().mul_scalar(0.01));
        }
        for param in &self.vectors {
            gradients.register(param.id, param.val().inner().mul_scalar(0.01));
        }
        gradients
    }
}

type Make = fn() -> Result<ModuleOptimizer, ConfigError>;

/// This crate's optimizers.
const OURS: [(&str, Make); 21] = [
    ("Sgd", || SgdConfig::new().init()),
    ("Momentum", || MomentumConfig::new().init()),
    ("Nesterov", || NesterovConfig::new().init()),
    ("NormalizedGradient", || NormalizedGradientConfig::new().init()),
    ("Adagrad", || AdagradConfig::new().init()),
    ("Adadelta", || AdadeltaConfig::new().init()),
    ("RmsProp", || RmsPropConfig::new().with_momentum(RmsPropMomentum::Classical(0.9)).init()),
    ("Adam", || AdamConfig::new().init()),
    ("Adamax", || AdamaxConfig::new().init()),
    ("Nadam", || NadamConfig::new().init()),
    ("Amsgrad", || AmsgradConfig::new().init()),
    ("Radam", || RadamConfig::new().init()),
    ("Yogi", || YogiConfig::new().init()),
    ("Adabelief", || AdabeliefConfig::new().init()),
    ("Adan", || AdanConfig::new().init()),
    ("Lion", || LionConfig::new().init()),
    ("Rprop", || RpropConfig::new().init()),
    ("Asgd", || AsgdConfig::new().init()),
    ("ScheduleFreeSgd", || ScheduleFreeSgdConfig::new().init()),
    ("ScheduleFreeAdamw", || ScheduleFreeAdamwConfig::new().init()),
    ("Momentum, noise", || Ok(GradientNoiseConfig::new().with_eta(1e-4).wrap(MomentumConfig::new().build()?)?.into())),
];

/// Burn's optimizers.
const BURNS: [(&str, Make); 9] = [
    ("burn Sgd", || Ok(burn::optim::SgdConfig::new().init())),
    ("burn Momentum", || Ok(burns_momentum(false))),
    ("burn Nesterov", || Ok(burns_momentum(true))),
    ("burn Adagrad", || Ok(burn::optim::AdaGradConfig::new().init())),
    ("burn RmsProp", || Ok(burn::optim::RmsPropConfig::new().with_momentum(0.9).init())),
    ("burn Adam", || Ok(burn::optim::AdamConfig::new().init())),
    ("burn Amsgrad", || Ok(burn::optim::AdamConfig::new().with_amsgrad(true).init())),
    ("burn Adan", || Ok(burn::optim::AdanConfig::new().init())),
    ("burn Lion", || Ok(burn::optim::LionConfig::new().init())),
];

fn burns_momentum(nesterov: bool) -> ModuleOptimizer {
    let momentum = burn::optim::momentum::MomentumConfig::new().with_momentum(0.9).with_dampening(0.0);
    burn::optim::SgdConfig::new().with_momentum(Some(momentum.with_nesterov(nesterov))).init()
}

/// Those that also run on ndarray.
const ON_NDARRAY: [&str; 2] = ["Nadam", "burn Adam"];

fn time_steps(parameters: Parameters, make: Make, steps: u64) -> Duration {
    let mut optimizer = make().expect("the configuration is in range");
    let mut model = parameters;
    let mut time = Duration::ZERO;
    for step in 0..steps + 2 {
        let gradients = model.gradients();
        let old = model.clone();
        let start = Instant::now();
        model = optimizer.step(1e-6, model, gradients);
        if step >= 2 {
            time += start.elapsed();
        }
        drop(old);
    }
    black_box(model);
    time
}

fn steps(criterion: &mut Criterion) {
    for shapes in sets() {
        copy(criterion, shapes.name);
        let mut group = criterion.benchmark_group(format!("step/{}", shapes.name));
        configure(&mut group);
        for (backend, device) in [("flex", Device::flex()), ("ndarray", Device::ndarray())] {
            let cases = OURS.iter().chain(&BURNS);
            for &(name, make) in cases.filter(|(name, _)| backend == "flex" || ON_NDARRAY.contains(name)) {
                let parameters = Parameters::new(&shapes, &device);
                group.throughput(Throughput::Elements(parameters.num_params() as u64));
                group.bench_function(BenchmarkId::new(name, backend), |bencher| {
                    bencher.iter_custom(|steps| time_steps(parameters.clone(), make, steps));
                });
            }
        }
    }
}

/// A plain copy of 64 MiB on all threads: what memory allows at this moment, which on a shared machine is not the same at
/// each. Twice as many bytes are moved as copied.
fn copy(criterion: &mut Criterion, before: &str) {
    let mut group = criterion.benchmark_group("memory");
    configure(&mut group);
    let source = vec![1.0_f32; 16 << 20];
    let mut target = vec![0.0_f32; source.len()];
    let piece = source.len() / rayon::current_num_threads().max(1);
    group.throughput(Throughput::Bytes(2 * size_of_val(&source[..]) as u64));
    group.bench_function(BenchmarkId::new("copy", before), |bencher| {
        bencher.iter(|| {
            let pieces = target.par_chunks_mut(piece).zip(source.par_chunks(piece));
            pieces.for_each(|(target, source)| target.copy_from_slice(source));
            black_box(&mut target);
        });
    });
}

fn configure(group: &mut BenchmarkGroup<WallTime>) {
    group.sampling_mode(SamplingMode::Flat).sample_size(20);
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
}

criterion_group!(benches, steps);
criterion_main!(benches);
