//! What every optimizer promises: one table of all optimizers, one test per promise.

use crate::common::{Trainee, advance, cpu_devices, deviation, same_bits, scattered, tensor, values, vector};
use burn::config::Config;
use burn::grad_clipping::GradientClippingConfig;
use burn::module::Param;
use burn::optim::{ModuleOptimizer, Optimizer};
use burn::tensor::{DType, Device, Tensor};
use burn_descent::ConfigError;
use burn_descent::gradient::{GradientNoise, GradientNoiseConfig};
use burn_descent::optim::{
    Adabelief, AdabeliefConfig, Adadelta, AdadeltaConfig, AdadeltaForm, Adagrad, AdagradConfig, Adam, Adamax,
    AdamaxConfig, Adan, AdanConfig, AdanDecay, Amsgrad, AmsgradConfig, AmsgradForm, Asgd, AsgdConfig, BiasCorrection,
    Elementwise, Epsilon, LearningRatePlacement, Lion, LionConfig, Momentum, MomentumConfig, MomentumForm, Nadam,
    NadamConfig, NadamForm, NamedOptimizer, Nesterov, NesterovConfig, NesterovForm, NormalizedGradient,
    NormalizedGradientConfig, Radam, RadamConfig, RmsProp, RmsPropConfig, RmsPropMomentum, Rprop, RpropConfig,
    ScheduleFreeAdamw, ScheduleFreeAdamwConfig, ScheduleFreeSgd, ScheduleFreeSgdConfig, Sgd, SgdConfig, WeightDecay,
    Yogi, YogiConfig,
};
use burn_descent::rule::Rule;
use serde_json::Value;
use std::fmt;

// ---------------------------------------------------------------------------------------------------------------------
// The table

/// An optimizer in one of its variants.
#[derive(Clone, Copy)]
struct Row {
    name: &'static str,
    /// A learning rate that suits a parabola.
    lr: f64,
    start: fn() -> Result<ModuleOptimizer, ConfigError>,
}

const L2: Option<WeightDecay> = Some(WeightDecay::L2(1e-3));
const DECOUPLED: Option<WeightDecay> = Some(WeightDecay::Decoupled(1e-3));
const INSIDE: Epsilon = Epsilon::Inside(1e-6);
const DAMPENED: MomentumForm = MomentumForm::LearningRateOutside { dampening: 0.5 };
const DAMPENED_NESTEROV: NesterovForm = NesterovForm::LearningRateOutside { dampening: 0.5 };

/// All optimizers that treat every value of a parameter alike.
#[rustfmt::skip]
fn optimizers() -> Vec<Row> {
    type A = AdadeltaConfig;
    type M = AmsgradConfig;
    type N = NadamConfig;
    type R = RmsPropConfig;
    type S = SgdConfig;
    type D = burn_descent::optim::AdamConfig;
    use LearningRatePlacement::{InsideBuffer, OutsideBuffer};
    let row = |name, lr, start| Row { name, lr, start };
    vec![
        row("adadelta", 1.0, || A::new().with_epsilon(1e-3).init()),
        row("adadelta zeiler", 1.0, || A::zeiler().with_epsilon(1e-3).init()),
        row("adadelta preliminary", 0.02, || A::preliminary().init()),
        row("adadelta L2", 1.0, || A::new().with_epsilon(1e-3).with_weight_decay(L2).init()),
        row("adadelta decoupled", 1.0, || A::new().with_epsilon(1e-3).with_weight_decay(DECOUPLED).init()),
        row("amsgrad pytorch", 0.1, || M::pytorch().init()),
        row("amsgrad optax", 0.1, || M::optax().init()),
        row("amsgrad lecture", 0.1, || M::lecture().init()),
        row("amsgrad burn", 0.1, || M::burn().init()),
        row("amsgrad inside", 0.1, || M::pytorch().with_epsilon(INSIDE).init()),
        row("amsgrad optax inside", 0.1, || M::optax().with_epsilon(INSIDE).init()),
        row("amsgrad lecture inside", 0.1, || M::lecture().with_epsilon(INSIDE).init()),
        row("amsgrad L2", 0.1, || M::pytorch().with_weight_decay(L2).init()),
        row("amsgrad decoupled", 0.1, || M::pytorch().with_weight_decay(DECOUPLED).init()),
        row("nadam pytorch", 0.05, || N::pytorch().init()),
        row("nadam optax", 0.05, || N::optax().init()),
        row("nadam dozat", 0.05, || N::dozat().init()),
        row("nadam lecture", 0.05, || N::lecture().init()),
        row("nadam inside", 0.05, || N::pytorch().with_epsilon(INSIDE).init()),
        row("nadam optax inside", 0.05, || N::optax().with_epsilon(INSIDE).init()),
        row("nadam dozat inside", 0.05, || N::dozat().with_epsilon(INSIDE).init()),
        row("nadam lecture inside", 0.05, || N::lecture().with_epsilon(INSIDE).init()),
        row("nadam L2", 0.05, || N::pytorch().with_weight_decay(L2).init()),
        row("nadam decoupled", 0.05, || N::pytorch().with_weight_decay(DECOUPLED).init()),
        row("rmsprop pytorch", 0.01, || R::pytorch().init()),
        row("rmsprop optax", 0.01, || R::optax().init()),
        row("rmsprop kao", 0.002, || R::kao().init()),
        row("rmsprop ruder", 0.01, || R::ruder().init()),
        row("rmsprop burn", 0.002, || R::burn().init()),
        row("rmsprop kao inside", 0.002, || R::kao().with_epsilon(INSIDE).init()),
        row("rmsprop kao outside", 0.002, || R::kao().with_learning_rate_placement(OutsideBuffer).init()),
        row("rmsprop kao nesterov", 0.002, || R::kao().with_momentum(RmsPropMomentum::Nesterov(0.9)).init()),
        row("rmsprop burn inside", 0.002, || R::burn().with_learning_rate_placement(InsideBuffer).init()),
        row("rmsprop burn nesterov", 0.002, || R::burn().with_momentum(RmsPropMomentum::Nesterov(0.9)).init()),
        row("rmsprop centered", 0.01, || R::pytorch().with_epsilon(Epsilon::Outside(1e-2)).with_centered(true).init()),
        row("rmsprop kao centered", 0.002, || R::kao().with_epsilon(Epsilon::Inside(1e-4)).with_centered(true).init()),
        row("rmsprop L2", 0.01, || R::pytorch().with_weight_decay(L2).init()),
        row("rmsprop decoupled", 0.01, || R::pytorch().with_weight_decay(DECOUPLED).init()),
        row("sgd", 0.1, || S::new().init()),
        row("sgd L2", 0.1, || S::new().with_weight_decay(L2).init()),
        row("sgd decoupled", 0.1, || S::new().with_weight_decay(DECOUPLED).init()),
        row("momentum pytorch", 0.05, || MomentumConfig::pytorch().init()),
        row("momentum lecture", 0.05, || MomentumConfig::lecture().init()),
        row("momentum serra", 0.5, || MomentumConfig::serra().init()),
        row("momentum dampening", 0.05, || MomentumConfig::new().with_form(DAMPENED).init()),
        row("momentum L2", 0.05, || MomentumConfig::lecture().with_weight_decay(L2).init()),
        row("momentum decoupled", 0.05, || MomentumConfig::pytorch().with_weight_decay(DECOUPLED).init()),
        row("nesterov pytorch", 0.05, || NesterovConfig::pytorch().init()),
        row("nesterov kao", 0.05, || NesterovConfig::kao().init()),
        row("nesterov dampening", 0.05, || NesterovConfig::new().with_form(DAMPENED_NESTEROV).init()),
        row("nesterov L2", 0.05, || NesterovConfig::kao().with_weight_decay(L2).init()),
        row("nesterov decoupled", 0.05, || NesterovConfig::pytorch().with_weight_decay(DECOUPLED).init()),
        row("normalized gradient", 0.01, || NormalizedGradientConfig::new().with_epsilon(1e-2).init()),
        row("normalized gradient L2", 0.01, || NormalizedGradientConfig::new().with_epsilon(1e-2).with_weight_decay(L2).init()),
        row("normalized gradient decoupled", 0.01, || NormalizedGradientConfig::new().with_epsilon(1e-2).with_weight_decay(DECOUPLED).init()),
        row("adagrad pytorch", 0.5, || AdagradConfig::pytorch().init()),
        row("adagrad optax", 0.5, || AdagradConfig::optax().init()),
        row("adagrad ruder", 0.5, || AdagradConfig::ruder().init()),
        row("adagrad kao", 0.5, || AdagradConfig::kao().init()),
        row("adagrad decaying", 0.5, || AdagradConfig::pytorch().with_lr_decay(1e-3).init()),
        row("adagrad L2", 0.5, || AdagradConfig::pytorch().with_weight_decay(L2).init()),
        // Its steps shrink and the decay's do not.
        row("adagrad decoupled", 0.5, || AdagradConfig::pytorch().with_weight_decay(Some(WeightDecay::Decoupled(1e-5))).init()),
        row("adam pytorch", 0.1, || D::pytorch().init()),
        row("adam inside", 0.1, || D::pytorch().with_epsilon(INSIDE).init()),
        row("adam kao", 0.05, || D::kao().init()),
        row("adam kao inside", 0.05, || D::kao().with_epsilon(INSIDE).init()),
        row("adam L2", 0.1, || D::pytorch().with_weight_decay(L2).init()),
        row("adamw", 0.1, || D::adamw().with_weight_decay(DECOUPLED).init()),
        row("adamax", 0.1, || AdamaxConfig::pytorch().init()),
        row("adamax L2", 0.1, || AdamaxConfig::pytorch().with_weight_decay(L2).init()),
        row("adamax decoupled", 0.1, || AdamaxConfig::pytorch().with_weight_decay(DECOUPLED).init()),
        row("radam pytorch", 0.1, || RadamConfig::pytorch().init()),
        row("radam optax", 0.1, || RadamConfig::optax().init()),
        row("radam inside", 0.1, || RadamConfig::new().with_epsilon(INSIDE).init()),
        row("radam L2", 0.1, || RadamConfig::new().with_weight_decay(L2).init()),
        row("radam decoupled", 0.1, || RadamConfig::new().with_weight_decay(DECOUPLED).init()),
        row("yogi", 0.1, || YogiConfig::new().init()),
        row("yogi optax", 0.1, || YogiConfig::optax().init()),
        row("yogi inside", 0.1, || YogiConfig::new().with_epsilon(INSIDE).init()),
        row("yogi L2", 0.1, || YogiConfig::new().with_weight_decay(L2).init()),
        row("yogi decoupled", 0.1, || YogiConfig::new().with_weight_decay(DECOUPLED).init()),
        row("adabelief", 0.1, || AdabeliefConfig::new().init()),
        row("adabelief L2", 0.1, || AdabeliefConfig::new().with_weight_decay(L2).init()),
        row("adabelief decoupled", 0.1, || AdabeliefConfig::new().with_weight_decay(DECOUPLED).init()),
        row("lion", 0.02, || LionConfig::new().init()),
        row("lion optax decoupled", 0.02, || LionConfig::optax().init()),
        row("lion L2", 0.02, || LionConfig::new().with_weight_decay(L2).init()),
        row("adan", 0.05, || AdanConfig::new().init()),
        row("adan optax", 0.05, || AdanConfig::optax().init()),
        row("adan L2", 0.05, || AdanConfig::new().with_weight_decay(L2).init()),
        row("adan proximal decoupled", 0.05, || AdanConfig::new().with_weight_decay(DECOUPLED).init()),
        row("adan decoupled", 0.05, || AdanConfig::new().with_decay(AdanDecay::BeforeStep).with_weight_decay(DECOUPLED).init()),
        row("rprop", 0.1, || RpropConfig::new().init()),
        row("rprop L2", 0.1, || RpropConfig::new().with_weight_decay(L2).init()),
        row("rprop decoupled", 0.1, || RpropConfig::new().with_weight_decay(DECOUPLED).init()),
        row("asgd", 0.1, || AsgdConfig::new().init()),
        row("asgd averaging", 0.1, || AsgdConfig::new().with_t0(2).init()),
        row("asgd L2", 0.1, || AsgdConfig::new().with_weight_decay(L2).init()),
        row("asgd decoupled", 0.1, || AsgdConfig::new().with_weight_decay(DECOUPLED).init()),
        row("schedule-free sgd", 0.5, || ScheduleFreeSgdConfig::new().init()),
        row("schedule-free sgd L2", 0.5, || ScheduleFreeSgdConfig::new().with_weight_decay(L2).init()),
        row("schedule-free sgd decoupled", 0.5, || ScheduleFreeSgdConfig::new().with_weight_decay(DECOUPLED).init()),
        row("schedule-free adamw", 0.1, || ScheduleFreeAdamwConfig::new().init()),
        row("schedule-free adamw inside", 0.1, || ScheduleFreeAdamwConfig::new().with_epsilon(INSIDE).init()),
        row("schedule-free adamw L2", 0.1, || ScheduleFreeAdamwConfig::new().with_weight_decay(L2).init()),
        row("schedule-free adamw decoupled", 0.1, || ScheduleFreeAdamwConfig::new().with_weight_decay(DECOUPLED).init()),
    ]
}

/// Noise over this crate's and over Burn's optimizers.
fn noisy() -> Vec<Row> {
    fn wrap(optimizer: impl Optimizer) -> Result<ModuleOptimizer, ConfigError> {
        Ok(GradientNoiseConfig::new().with_eta(1e-4).wrap(optimizer)?.into())
    }
    vec![
        Row { name: "noisy sgd", lr: 0.1, start: || wrap(SgdConfig::new().build()?) },
        Row { name: "noisy nadam", lr: 0.05, start: || wrap(NadamConfig::new().build()?) },
        Row { name: "noisy burn adam", lr: 0.05, start: || wrap(burn::optim::AdamConfig::new().build()) },
    ]
}

fn all() -> Vec<Row> {
    [optimizers(), noisy()].concat()
}

/// An optimizer on a backend in a precision.
struct Case {
    row: Row,
    backend: &'static str,
    device: Device,
    dtype: DType,
}

impl Case {
    fn optimizer(&self) -> ModuleOptimizer {
        (self.row.start)().expect("the table holds valid configurations")
    }

    fn trainee(&self, theta: &[f64]) -> Trainee<1> {
        Trainee::new(self.optimizer(), self.vector(theta))
    }

    fn vector(&self, values: &[f64]) -> Tensor<1> {
        vector(values, &self.device, self.dtype)
    }

    fn tensor<const D: usize>(&self, values: &[f64], shape: [usize; D]) -> Tensor<D> {
        tensor(values, shape, &self.device, self.dtype)
    }

    /// The same values: bit by bit on the CPU, where no compiler may fuse a product and a sum.
    #[track_caller]
    fn assert_same(&self, found: &[f64], expected: &[f64], what: &str) {
        let same = if self.backend == "wgpu" { deviation(found, expected) <= 1e-5 } else { same_bits(found, expected) };
        assert!(same, "{self}: {what}: {found:?}, not {expected:?}");
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {} in {:?}", self.row.name, self.backend, self.dtype)
    }
}

/// Holds the rows to a promise on every backend, in every precision that it has.
fn for_each(rows: Vec<Row>, promise: impl Fn(&Case)) {
    let mut places = Vec::new();
    for (backend, device) in cpu_devices() {
        places.push((backend, device.clone(), DType::F32));
        places.push((backend, device, DType::F64));
    }
    #[cfg(feature = "wgpu")]
    places.push(("wgpu", crate::common::wgpu_device(), DType::F32));
    for (backend, device, dtype) in places {
        for row in &rows {
            promise(&Case { row: *row, backend, device: device.clone(), dtype });
        }
    }
}

#[test]
fn the_table_has_every_name_once() {
    let mut names: Vec<_> = all().iter().map(|row| row.name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!((names.len(), count), (109, 109));
}

// ---------------------------------------------------------------------------------------------------------------------
// What a step does

/// optax's parabola: from `[-1, 10, 1]` to `[1, -1, 1]`, to 3e-2. Software GPUs are slow, so there it is the way only.
#[test]
fn converges_on_a_parabola() {
    for_each(all(), |case| {
        let (steps, tolerance) = if case.backend == "wgpu" { (30, 10.9) } else { (2000, 3e-2) };
        let target = case.vector(&[1.0, -1.0, 1.0]);
        let mut trainee = case.trainee(&[-1.0, 10.0, 1.0]);
        for _ in 0..steps {
            let gradient = trainee.param.val().inner() - target.clone();
            trainee.step(case.row.lr, gradient);
        }
        let distance = deviation(&trainee.values(), &values(&target));
        assert!(distance < tolerance, "{case}: {distance} away, at {:?}", trainee.values());
    });
}

#[test]
fn learning_rate_0_changes_nothing() {
    for_each(all(), |case| {
        if case.row.name.starts_with("rprop") {
            return; // Its step sizes have a minimum, as in PyTorch.
        }
        let theta = scattered(33, 1);
        let mut trainee = case.trainee(&theta);
        let before = trainee.values();
        for step in 0..3 {
            trainee.step(0.0, case.vector(&scattered(33, 2 + step)));
        }
        assert!(same_bits(&trainee.values(), &before), "{case}: {:?}, not {before:?}", trainee.values());
        // Nor has the rate of 0 stopped the optimizer for good.
        trainee.step(case.row.lr, case.vector(&scattered(33, 9)));
        assert!(trainee.values().iter().zip(&before).all(|(now, before)| now != before), "{case}");
    });
}

#[test]
fn a_resumed_run_continues_byte_for_byte() {
    for_each(all(), |case| {
        if case.row.name == "noisy burn adam" && case.dtype == DType::F64 {
            return; // Burn 0.22 loads the state of its own optimizers in f32, and panics in the next step.
        }
        let gradient = |step: usize| case.vector(&scattered(33, 10 + step));
        let mut unbroken = case.trainee(&scattered(33, 1));
        for step in 0..7 {
            unbroken.step(case.row.lr, gradient(step));
        }
        let again = |optimizer| {
            let theta = case.vector(&unbroken.values());
            Trainee { param: Param::initialized(unbroken.param.id, Tensor::from_inner(theta)), optimizer }
        };
        let bytes = unbroken.optimizer.into_bytes().expect("the state becomes bytes");
        let mut resumed = again(case.optimizer().from_bytes(bytes).expect("the bytes become a state"));
        let mut forgetful = again(case.optimizer());
        for step in 7..17 {
            for trainee in [&mut unbroken, &mut resumed, &mut forgetful] {
                trainee.step(case.row.lr, gradient(step));
            }
            case.assert_same(&resumed.values(), &unbroken.values(), "resumed");
        }
        let bytes = |trainee: &Trainee<1>| trainee.optimizer.into_bytes().expect("the state becomes bytes").to_vec();
        assert!(bytes(&resumed) == bytes(&unbroken), "{case}: the states differ");
        let has_memory = !["sgd", "normalized gradient"].iter().any(|without| case.row.name.starts_with(without));
        let forgot = !same_bits(&forgetful.values(), &unbroken.values());
        assert_eq!(forgot, has_memory, "{case}: whether a lost state shows");
    });
}

#[test]
fn shape_precision_and_device_are_kept() {
    fn check<const D: usize>(case: &Case, shape: [usize; D]) {
        let len = shape.iter().product();
        let mut trainee = Trainee::new(case.optimizer(), case.tensor(&scattered(len, 1), shape));
        let mut flat = case.trainee(&scattered(len, 1));
        let id = trainee.param.id;
        for step in 0..3 {
            trainee.step(case.row.lr, case.tensor(&scattered(len, 2 + step), shape));
            flat.step(case.row.lr, case.vector(&scattered(len, 2 + step)));
        }
        let theta = trainee.param.val();
        assert_eq!((theta.dims(), theta.dtype(), theta.device().inner()), (shape, case.dtype, case.device.clone()));
        assert!(theta.is_require_grad() && trainee.param.id == id, "{case}");
        case.assert_same(&trainee.values(), &flat.values(), &format!("shape {shape:?}"));
    }
    for_each(all(), |case| {
        check(case, [35]);
        check(case, [5, 7]);
        check(case, [1, 35]);
        check(case, [3, 4, 5]);
        check(case, [2, 3, 1, 4]);
    });
}

/// One matrix in every memory layout that views can give it.
fn layouts(case: &Case, shape: [usize; 2], matrix: &[f64]) -> Vec<(&'static str, Tensor<2>)> {
    let [rows, columns] = shape;
    let whole = case.tensor(matrix, shape);
    let junk = |shape: [usize; 2]| case.tensor(&scattered(shape.iter().product(), 77), shape);
    let below = Tensor::cat(vec![whole.clone(), junk([3, columns])], 0);
    let above = Tensor::cat(vec![junk([3, columns]), whole.clone()], 0);
    let within = Tensor::cat(vec![junk([rows, 2]), whole.clone(), junk([rows, 3])], 1);
    let transposed: Vec<f64> =
        (0..columns).flat_map(|column| (0..rows).map(move |row| matrix[row * columns + column])).collect();
    let mut layouts = vec![
        ("contiguous", whole.clone()),
        ("transposed", case.tensor(&transposed, [columns, rows]).transpose()),
        ("the first rows", below.narrow(0, 0, rows)),
        ("the last rows", above.narrow(0, 3, rows)),
        ("inner columns", within.narrow(1, 2, columns)),
        ("flipped", whole.flip([0, 1]).flip([0, 1])),
    ];
    if matrix.chunks_exact(columns).all(|row| row == &matrix[..columns]) {
        layouts.push(("expanded", case.tensor(&matrix[..columns], [1, columns]).expand(shape)));
    }
    layouts
}

#[test]
fn the_memory_layout_of_parameter_and_gradient_does_not_matter() {
    let shape = [5, 11];
    let repeated = |seed| scattered(11, seed).repeat(5);
    for_each(all(), |case| {
        for (theta, gradient) in [(scattered(55, 1), scattered(55, 2)), (repeated(1), repeated(2))] {
            let run = |theta: &Tensor<2>, gradient: &Tensor<2>| {
                let mut trainee = Trainee::new(case.optimizer(), theta.clone());
                trainee.step(case.row.lr, gradient.clone());
                trainee.step(case.row.lr, gradient.clone());
                trainee.values()
            };
            let (thetas, gradients) = (layouts(case, shape, &theta), layouts(case, shape, &gradient));
            let expected = run(&thetas[0].1, &gradients[0].1);
            for (theta_layout, theta) in &thetas {
                for (gradient_layout, gradient) in &gradients {
                    let what = format!("θ {theta_layout}, g {gradient_layout}");
                    case.assert_same(&run(theta, gradient), &expected, &what);
                }
            }
        }
    });
}

/// The learner keeps a clone of the model during the step, and users may keep gradients.
#[test]
fn whoever_shares_parameter_or_gradient_sees_no_change() {
    for_each(all(), |case| {
        let (theta, gradient) = (scattered(67, 1), scattered(67, 2));
        let run = |share_theta: bool, share_gradient: bool| {
            let mut optimizer = case.optimizer();
            let mut param = Param::from_tensor(Tensor::from_inner(case.vector(&theta)));
            for _ in 0..2 {
                let g = case.vector(&gradient);
                let held_theta = share_theta.then(|| param.val());
                let held_gradient = share_gradient.then(|| g.clone());
                let before = values(&param.val());
                param = advance(&mut optimizer, param, case.row.lr, g);
                if let Some(held) = held_theta {
                    assert!(same_bits(&values(&held), &before), "{case}: the parameter's clone has changed");
                }
                if let Some(held) = held_gradient {
                    let before = values(&case.vector(&gradient));
                    assert!(same_bits(&values(&held), &before), "{case}: the gradient's clone has changed");
                }
            }
            values(&param.val())
        };
        let expected = run(false, false);
        assert!(!same_bits(&expected, &values(&case.vector(&theta))), "{case}: a step should move the parameter");
        for (share_theta, share_gradient) in [(true, false), (false, true), (true, true)] {
            let what = format!("shared parameter {share_theta}, gradient {share_gradient}");
            case.assert_same(&run(share_theta, share_gradient), &expected, &what);
        }
    });
}

#[test]
fn a_copy_of_the_optimizer_has_its_own_state() {
    for_each(all(), |case| {
        let mut original = case.trainee(&scattered(33, 1));
        original.step(case.row.lr, case.vector(&scattered(33, 2)));
        let bytes = |trainee: &Trainee<1>| trainee.optimizer.into_bytes().expect("the state becomes bytes").to_vec();
        let before = bytes(&original);
        let mut copy = Trainee { param: original.param.clone(), optimizer: original.optimizer.clone() };
        copy.step(case.row.lr, case.vector(&scattered(33, 3)));
        assert!(bytes(&original) == before, "{case}: the original's state has changed");
        assert!(bytes(&copy) != before, "{case}: the copy's state has not changed");
        original.step(case.row.lr, case.vector(&scattered(33, 3)));
        case.assert_same(&original.values(), &copy.values(), "the copy's step");
    });
}

/// Full registers, remainders and pieces for several threads all hold the same values as a single number does.
#[test]
fn the_size_does_not_matter() {
    let period = 7;
    for_each(optimizers(), |case| {
        let run = |theta: &[f64], feed: &dyn Fn(usize) -> Vec<f64>| {
            let mut trainee = case.trainee(theta);
            for step in 0..3 {
                trainee.step(case.row.lr, case.vector(&feed(step)));
            }
            trainee.values()
        };
        let (theta, gradient) = (scattered(period, 1), |step| scattered(period, 2 + step));
        let one_by_one: Vec<f64> =
            (0..period).flat_map(|index| run(&theta[index..=index], &|step| vec![gradient(step)[index]])).collect();
        for len in [0, 1, 15, 16, 17, 100_000] {
            let cycle = |values: Vec<f64>| -> Vec<f64> { values.into_iter().cycle().take(len).collect() };
            let found = run(&cycle(theta.clone()), &|step| cycle(gradient(step)));
            assert_eq!(found.len(), len);
            let wrong = found.iter().zip(cycle(one_by_one.clone())).position(|(found, expected)| {
                if case.backend == "wgpu" {
                    (found - expected).abs() > 1e-5
                } else {
                    found.to_bits() != expected.to_bits()
                }
            });
            assert!(wrong.is_none(), "{case}: of {len} values, number {} differs", wrong.unwrap_or_default());
        }
    });
}

#[test]
fn infinite_and_nan_gradients_touch_their_own_value_alone() {
    for_each(optimizers(), |case| {
        let run = |poison: Option<f64>| {
            let mut trainee = case.trainee(&scattered(33, 1));
            for step in 0..6 {
                let mut gradient = scattered(33, 2 + step);
                if let (Some(poison), 2) = (poison, step) {
                    gradient[5] = poison;
                }
                trainee.step(case.row.lr, case.vector(&gradient));
            }
            trainee.values()
        };
        let healthy = run(None);
        for poison in [f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
            let mut poisoned = run(Some(poison));
            // Shading languages may assume that there is no such thing as NaN.
            if case.backend != "wgpu" {
                // Rprop sees signs, and 0 for that of NaN, as PyTorch's; Lion sees the sign of a momentum.
                let signs_only = case.row.name.starts_with("rprop");
                let by_sign = signs_only || case.row.name.starts_with("lion") && poison.is_infinite();
                let trace = poisoned[5].to_bits() != healthy[5].to_bits();
                assert!(trace || by_sign, "{case}: {poison} should leave a trace");
                assert!(!poison.is_nan() || poisoned[5].is_nan() != signs_only, "{case}: NaN should show");
            }
            poisoned[5] = healthy[5];
            case.assert_same(&poisoned, &healthy, &format!("the neighbours of {poison}"));
        }
    });
}

/// Gradients of every magnitude, down to those that lose digits, in every shape. Up to 1e15 nothing overflows in `f32`,
/// where the squares of larger ones do: Adam and its relatives then step by 0, plain descent as far as it is told.
#[test]
fn gradients_of_any_magnitude_leave_finite_numbers() {
    fn check<const D: usize>(case: &Case, shape: [usize; D], magnitudes: &[f64]) {
        let len = shape.iter().product();
        let gradient = |step: usize| -> Vec<f64> {
            let sign = |index: usize| if (index + step).is_multiple_of(3) { -1.0 } else { 1.0 };
            (0..len).map(|index| sign(index) * magnitudes[(index + step / 2) % magnitudes.len()]).collect()
        };
        let mut trainee = Trainee::new(case.optimizer(), case.tensor(&scattered(len, 1), shape));
        for step in 0..8 {
            trainee.step(case.row.lr, case.tensor(&gradient(step), shape));
            assert_eq!(trainee.param.val().dims(), shape, "{case}");
            let astray = trainee.values().into_iter().position(|theta| !theta.is_finite());
            assert_eq!(astray, None, "{case}: step {step}, shape {shape:?}, gradients {:?}", gradient(step));
        }
    }
    let powers = |range: std::ops::Range<i32>| range.step_by(3).map(|power| 10_f64.powi(power));
    for_each(all(), |case| {
        let (smallest, largest) = if case.dtype == DType::F64 { (-320, 31) } else { (-45, 16) };
        let magnitudes: Vec<f64> = std::iter::once(0.0).chain(powers(smallest..largest)).collect();
        check(case, [magnitudes.len()], &magnitudes);
        if case.backend != "wgpu" {
            check(case, [3, magnitudes.len()], &magnitudes);
            check(case, [2, 1, 7], &magnitudes);
            check(case, [1, 2, 3, 5], &magnitudes);
            check(case, [0], &magnitudes);
        }
    });
}

/// What the documentation of `optim` promises of every rule, of gradients from 0 to beyond all numbers, which keep their sign,
/// change it, or are followed by one of 1.
#[test]
fn gradients_of_every_kind_do_what_the_documentation_says() {
    // Gradients of such a size overflow by themselves where they are summed up or the weights' decay is added to them.
    let goes_as_far_as_told = ["sgd", "momentum", "nesterov", "asgd", "schedule-free sgd", "radam"];
    let largest = |dtype| if dtype == DType::F64 { f64::MAX } else { f64::from(f32::MAX) };
    for_each(optimizers(), |case| {
        if case.backend == "wgpu" {
            return;
        }
        let wide = case.dtype == DType::F64;
        let smallest = if wide { 5e-324 } else { 1e-45 };
        let overflowing = if wide { [2e153, 1e154, 1e160, 1e300] } else { [2e19, 1e20, 1e22, 1e30] };
        let finite = [[0.0, smallest, 1e-30, 1.0].as_slice(), &overflowing, &[largest(case.dtype)]].concat();
        for gradient in finite {
            let plain = goes_as_far_as_told.iter().any(|name| case.row.name.starts_with(name));
            for signs in [[1.0, 1.0, 1.0], [1.0, -1.0, 1.0]] {
                let mut trainee = case.trainee(&[1.0]);
                for (step, sign) in signs.into_iter().enumerate() {
                    trainee.step(case.row.lr, case.vector(&[sign * gradient]));
                    let theta = trainee.values()[0];
                    let numbers = theta.is_finite() || plain && gradient > 1e30;
                    assert!(numbers, "{case}: {theta} after step {step} of {gradient:e}");
                }
                let decays = ["L2", "decoupled", "adamw", "asgd"].iter().any(|name| case.row.name.contains(name));
                let decays = decays && case.row.name != "schedule-free adamw";
                // optax's Yogi starts from a momentum of its own.
                let decays = decays || case.row.name == "yogi optax";
                if gradient == 0.0 && !decays {
                    assert_eq!(trainee.values(), [1.0], "{case}: a gradient of 0 should move nothing");
                }
                trainee.step(case.row.lr, case.vector(&[1.0]));
                assert!(trainee.values()[0].is_finite() || plain && gradient > 1e30, "{case}: 1 after {gradient:e}");
            }
        }
        for gradient in [f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
            let mut trainee = case.trainee(&[1.0]);
            for g in [gradient, 1.0, 1.0, 1.0] {
                trainee.step(case.row.lr, case.vector(&[g]));
            }
            let by_sign =
                case.row.name.starts_with("rprop") || case.row.name.starts_with("lion") && gradient.is_infinite();
            assert_eq!(trainee.values()[0].is_finite(), by_sign, "{case}: {gradient}");
        }
    });
}

/// What PyTorch makes of such gradients in `f32`, so does this crate, as long as PyTorch's is a number.
#[test]
fn extreme_gradients_move_as_in_pytorch() {
    let golden: Value = serde_json::from_str(include_str!("golden/extremes.json")).expect("the golden file is JSON");
    let number = |value: &Value| value.as_f64().or_else(|| value.as_str()?.parse().ok()).expect("a number");
    let start = |name: &str| match name {
        "sgd" => SgdConfig::new().init(),
        "momentum" => MomentumConfig::pytorch().init(),
        "adagrad" => AdagradConfig::pytorch().init(),
        "adadelta" => AdadeltaConfig::pytorch().init(),
        "rmsprop" => RmsPropConfig::pytorch().init(),
        "rmsprop momentum" => RmsPropConfig::pytorch().with_momentum(RmsPropMomentum::Classical(0.9)).init(),
        "adam" => burn_descent::optim::AdamConfig::pytorch().init(),
        "amsgrad" => AmsgradConfig::pytorch().init(),
        "adamax" => AdamaxConfig::pytorch().init(),
        "nadam" => NadamConfig::pytorch().init(),
        "radam" => RadamConfig::pytorch().init(),
        "rprop" => RpropConfig::pytorch().init(),
        name => panic!("no configuration for `{name}`"),
    };
    let lr = number(&golden["lr"]);
    let cases = golden["cases"].as_array().expect("cases");
    assert!(cases.len() > 150, "{}", cases.len());
    for (backend, device) in cpu_devices() {
        for case in cases {
            let (name, g) = (case["optimizer"].as_str().expect("a name"), number(&case["gradient"]));
            // PyTorch multiplies two gradients to compare their signs, and gets 0 there; its NAdam corrects before the root,
            // and gets ∞.
            let otherwise = name == "rprop" && g > 0.0 && g < 1e-22 || name == "nadam" && (1e19..1e21).contains(&g);
            let mut trainee = Trainee::new(start(name).expect("in range"), vector(&[1.0], &device, DType::F32));
            for (step, expected) in case["theta"].as_array().expect("steps").iter().map(number).enumerate() {
                let gradient = if step < 3 { g } else { 1.0 };
                trainee.step(lr, vector(&[gradient], &device, DType::F32));
                let found = trainee.values()[0];
                let what = format!("{name} on {backend}, step {step} of {g:e}: {found}, not {expected}");
                match expected.is_finite() {
                    true if otherwise => assert!(found.is_finite() && found != 1.0, "{what}"),
                    true => assert!((found - expected).abs() <= 1e-5 * expected.abs().max(1.0), "{what}"),
                    false => {
                        assert!(g.is_finite() && !found.is_nan() || !g.is_finite() && !found.is_finite(), "{what}")
                    }
                }
            }
        }
    }
}

/// What the documentation of `optim` says of squares that overflow or vanish.
#[test]
fn squares_beyond_single_precision_stop_adam_or_leave_the_step_to_epsilon() {
    for (backend, device) in cpu_devices() {
        let moved = |dtype, first: f64, then: f64| {
            let optimizer = burn_descent::optim::AdamConfig::new().init().unwrap();
            let mut trainee = Trainee::new(optimizer, vector(&[0.0], &device, dtype));
            trainee.step(0.1, vector(&[first], &device, dtype));
            let before = trainee.values()[0];
            (0..5).for_each(|_| trainee.step(0.1, vector(&[then], &device, dtype)));
            (before, trainee.values()[0])
        };
        assert!(moved(DType::F32, 5e20, 1.0).0 < -0.09, "{backend}: its weighted square is a number");
        assert_eq!(moved(DType::F32, 6e20, 1.0), (0.0, 0.0), "{backend}: it should stand still");
        assert!(moved(DType::F64, 6e20, 1.0).0 < -0.09, "{backend}: not in double precision");
        let (vanished, _) = moved(DType::F32, 1e-24, 1.0);
        assert!((vanished / (-0.1 * 1e-24 / 1e-8) - 1.0).abs() < 1e-3, "{backend}: {vanished:e}");
    }
}

#[cfg(feature = "flex")]
#[test]
fn half_precision_stays_finite_and_exact_to_its_last_bit() {
    let gradient = [1e-6, -1e-6, 2e-6, 0.0, 1e-3];
    for row in optimizers() {
        let case = |dtype| Case { row, backend: "flex", device: Device::flex(), dtype };
        for (dtype, unit) in [(DType::F16, 2_f64.powi(-11)), (DType::BF16, 2_f64.powi(-8))] {
            let half = case(dtype);
            let mut trainee = half.trainee(&[0.0; 5]);
            trainee.step(row.lr, half.vector(&gradient));
            let mut exact = case(DType::F64).trainee(&[0.0; 5]);
            exact.step(row.lr, case(DType::F64).vector(&values(&half.vector(&gradient))));
            for (found, exact) in trainee.values().into_iter().zip(exact.values()) {
                // The smallest f16 above 0 is 6e-8: results below 6e-5 are rounded to multiples of it.
                let spacing = if dtype == DType::F16 { 6e-8 } else { 0.0 };
                let bound = 1.1 * unit * exact.abs() + spacing;
                assert!((found - exact).abs() <= bound, "{half}: {found} after one step, not {exact}");
            }
            for step in 1..100 {
                trainee.step(row.lr, half.vector(&gradient));
                assert!(trainee.values().iter().all(|theta| theta.is_finite()), "{half}: {step}");
            }
            assert_eq!(trainee.param.val().dtype(), dtype, "{half}");
        }
    }
}

#[cfg(feature = "flex")]
#[test]
fn half_precision_parameters_keep_their_state_in_single_precision() {
    fn check<R: Rule<N>, const N: usize>(optimizer: Result<Elementwise<R, N>, ConfigError>) {
        let optimizer = optimizer.expect("a valid configuration");
        for dtype in [DType::F16, DType::BF16] {
            let theta = Tensor::<1>::zeros([4], (&Device::flex(), dtype));
            let mut state = None;
            for _ in 0..2 {
                state = optimizer.step(0.1, theta.clone(), theta.clone() + 1e-6, state).1;
            }
            let state = state.expect("a state");
            assert!(state.tensors::<1>().iter().all(|tensor| tensor.as_ref().is_some_and(|t| t.dtype() == DType::F32)));
            assert_eq!(state.time(), 2);
        }
    }
    check(AdadeltaConfig::new().build());
    check(AmsgradConfig::new().build());
    check(NadamConfig::new().build());
    check(RmsPropConfig::kao().with_centered(true).build());
    check(MomentumConfig::new().build());
    check(NesterovConfig::new().build());
    check(AdagradConfig::new().build());
    check(burn_descent::optim::AdamConfig::new().build());
    check(RadamConfig::new().build());
    check(YogiConfig::new().build());
    check(AdabeliefConfig::new().build());
    check(LionConfig::new().build());
    check(AdanConfig::new().build());
    check(RpropConfig::new().build());
    check(AsgdConfig::new().build());
    check(ScheduleFreeSgdConfig::new().build());
    check(ScheduleFreeAdamwConfig::new().build());
    check(AdamaxConfig::new().build());
}

#[test]
fn a_variant_keeps_no_state_that_it_does_not_use() {
    fn kept<R: Rule<N>, const N: usize>(optimizer: Result<Elementwise<R, N>, ConfigError>) -> usize {
        let (_, device) = cpu_devices().remove(0);
        let theta = Tensor::<1>::ones([4], &device);
        let (_, state) = optimizer.expect("a valid configuration").step(0.1, theta.clone(), theta, None);
        state.expect("a state").tensors::<1>().iter().flatten().count()
    }
    assert_eq!(kept(AdadeltaConfig::new().build()), 2);
    assert_eq!(kept(AdadeltaConfig::preliminary().build()), 1);
    assert_eq!(kept(AmsgradConfig::new().build()), 3);
    assert_eq!(kept(NadamConfig::new().build()), 2);
    assert_eq!(kept(RmsPropConfig::new().build()), 1);
    assert_eq!(kept(RmsPropConfig::kao().build()), 2);
    assert_eq!(kept(RmsPropConfig::kao().with_centered(true).build()), 3);
    assert_eq!(kept(SgdConfig::new().build()), 0);
    assert_eq!(kept(NormalizedGradientConfig::new().build()), 0);
    assert_eq!(kept(MomentumConfig::new().build()), 1);
    assert_eq!(kept(NesterovConfig::new().build()), 1);
    assert_eq!(kept(AdagradConfig::new().build()), 1);
    assert_eq!(kept(burn_descent::optim::AdamConfig::new().build()), 2);
    assert_eq!(kept(RadamConfig::new().build()), 2);
    assert_eq!(kept(YogiConfig::new().build()), 2);
    assert_eq!(kept(AdabeliefConfig::new().build()), 2);
    assert_eq!(kept(LionConfig::new().build()), 1);
    assert_eq!(kept(AdanConfig::new().build()), 4);
    assert_eq!(kept(RpropConfig::new().build()), 2);
    assert_eq!(kept(AsgdConfig::new().build()), 1);
    assert_eq!(kept(ScheduleFreeSgdConfig::new().build()), 1);
    assert_eq!(kept(ScheduleFreeAdamwConfig::new().build()), 2);
    assert_eq!(kept(AdamaxConfig::new().build()), 2);
}

#[test]
fn configured_clipping_clips_the_gradient() {
    let by_value = || Some(GradientClippingConfig::Value(0.5));
    let by_norm = || Some(GradientClippingConfig::Norm(0.5));
    let clipped_by_value = |g: &[f64]| -> Vec<f64> { g.iter().map(|g| g.clamp(-0.5, 0.5)).collect() };
    let clipped_by_norm = |g: &[f64]| -> Vec<f64> {
        let norm = g.iter().map(|g| g * g).sum::<f64>().sqrt();
        g.iter().map(|g| g * 0.5 / norm).collect()
    };
    macro_rules! check {
        ($config:expr) => {
            for (backend, device) in cpu_devices() {
                for clipped in [true, false] {
                    let (clipping, clip): (_, &dyn Fn(&[f64]) -> Vec<f64>) =
                        if clipped { (by_value(), &clipped_by_value) } else { (by_norm(), &clipped_by_norm) };
                    let theta = vector(&scattered(9, 1), &device, DType::F64);
                    let mut clipping =
                        Trainee::new($config.with_grad_clipping(clipping).init().unwrap(), theta.clone());
                    let mut plain = Trainee::new($config.init().unwrap(), theta);
                    for step in 0..3 {
                        let gradient = scattered(9, 2 + step);
                        clipping.step(0.1, vector(&gradient, &device, DType::F64));
                        plain.step(0.1, vector(&clip(&gradient), &device, DType::F64));
                    }
                    let deviation = deviation(&clipping.values(), &plain.values());
                    assert!(deviation < 1e-6, "{} on {backend}: {deviation:e}", stringify!($config));
                }
            }
        };
    }
    check!(AdadeltaConfig::new());
    check!(AmsgradConfig::new());
    check!(NadamConfig::new());
    check!(RmsPropConfig::kao());
    check!(SgdConfig::new());
    check!(MomentumConfig::new());
    check!(NesterovConfig::new());
    check!(NormalizedGradientConfig::new().with_epsilon(1.0));
    check!(AdagradConfig::new());
    check!(burn_descent::optim::AdamConfig::new());
    check!(RadamConfig::new());
    check!(YogiConfig::new());
    check!(AdabeliefConfig::new());
    check!(LionConfig::new());
    check!(AdanConfig::new());
    check!(RpropConfig::new());
    check!(AsgdConfig::new());
    check!(ScheduleFreeSgdConfig::new());
    check!(ScheduleFreeAdamwConfig::new());
    check!(AdamaxConfig::new());
}

// ---------------------------------------------------------------------------------------------------------------------
// What a configuration accepts

/// The range of a hyperparameter: what errors call it, values in it, values below and above.
struct Bounds(&'static str, [f64; 3], [f64; 3]);

const DECAY: Bounds = Bounds("in [0, 1)", [0.0, 0.5, 0.999_999], [-0.1, 1.0, f64::NAN]);
const FRACTION: Bounds = Bounds("in [0, 1]", [0.0, 0.5, 1.0], [-0.1, 1.1, f64::NAN]);
const NON_NEGATIVE: Bounds = Bounds("in [0, ∞)", [0.0, 0.5, 1e9], [-0.1, f64::INFINITY, f64::NAN]);
const POSITIVE: Bounds = Bounds("in (0, ∞)", [f64::MIN_POSITIVE, 0.5, 1e9], [0.0, f64::INFINITY, f64::NAN]);

/// 1e-46 is 0 in `f32`, and 1e-40 has lost digits there.
const EPSILON: Bounds = Bounds("in [1.2e-38, ∞)", [f32::MIN_POSITIVE as f64, 0.5, 1e9], [0.0, 1e-46, f64::NAN]);
const OPEN_FRACTION: Bounds = Bounds("in (0, 1)", [f64::MIN_POSITIVE, 0.5, 0.999_999], [0.0, 1.0, f64::NAN]);
const ABOVE_1: Bounds = Bounds("above 1", [1.000_001, 2.0, 1e9], [1.0, f64::INFINITY, f64::NAN]);
const FROM_2: Bounds = Bounds("at least 2", [2.0, 2.5, 1e9], [1.9, f64::INFINITY, f64::NAN]);

/// The outcome of building one configuration with one value in it.
type Build = fn(f64) -> Result<(), ConfigError>;

/// Every hyperparameter of every configuration, wherever a variant holds one.
#[rustfmt::skip]
fn fields() -> Vec<(&'static str, &'static str, Bounds, Build)> {
    use Epsilon::{Inside, Outside};
    type A = AdadeltaConfig;
    type M = AmsgradConfig;
    type N = NadamConfig;
    type R = RmsPropConfig;
    type S = SgdConfig;
    type D = burn_descent::optim::AdamConfig;
    type G = GradientNoiseConfig;
    vec![
        ("Adadelta", "rho", DECAY, |x| A::new().with_rho(x).init().map(drop)),
        ("Adadelta", "epsilon", EPSILON, |x| A::new().with_epsilon(x).init().map(drop)),
        ("Amsgrad", "beta_1", DECAY, |x| M::new().with_beta_1(x).init().map(drop)),
        ("Amsgrad", "beta_2", DECAY, |x| M::new().with_beta_2(x).init().map(drop)),
        ("Amsgrad", "epsilon", EPSILON, |x| M::new().with_epsilon(Inside(x)).init().map(drop)),
        ("Amsgrad", "epsilon", EPSILON, |x| M::new().with_epsilon(Outside(x)).init().map(drop)),
        ("Nadam", "beta_1", DECAY, |x| N::new().with_beta_1(x).init().map(drop)),
        ("Nadam", "beta_2", DECAY, |x| N::new().with_beta_2(x).init().map(drop)),
        ("Nadam", "epsilon", EPSILON, |x| N::new().with_epsilon(Inside(x)).init().map(drop)),
        ("Nadam", "epsilon", EPSILON, |x| N::new().with_epsilon(Outside(x)).init().map(drop)),
        ("Nadam", "momentum_decay", NON_NEGATIVE, |x| N::new().with_form(NadamForm::Schedule { momentum_decay: x }).init().map(drop)),
        ("Nadam", "momentum_decay", NON_NEGATIVE, |x| N::new().with_form(NadamForm::Dozat { momentum_decay: x }).init().map(drop)),
        ("RmsProp", "decay", DECAY, |x| R::new().with_decay(x).init().map(drop)),
        ("RmsProp", "epsilon", EPSILON, |x| R::new().with_epsilon(Inside(x)).init().map(drop)),
        ("RmsProp", "epsilon", EPSILON, |x| R::new().with_epsilon(Outside(x)).init().map(drop)),
        ("RmsProp", "momentum", DECAY, |x| R::new().with_momentum(RmsPropMomentum::Classical(x)).init().map(drop)),
        ("RmsProp", "momentum", DECAY, |x| R::new().with_momentum(RmsPropMomentum::Nesterov(x)).init().map(drop)),
        ("Momentum", "momentum", DECAY, |x| MomentumConfig::new().with_momentum(x).init().map(drop)),
        ("Momentum", "dampening", FRACTION, |x| MomentumConfig::new().with_form(MomentumForm::LearningRateOutside { dampening: x }).init().map(drop)),
        ("Nesterov", "momentum", DECAY, |x| NesterovConfig::new().with_momentum(x).init().map(drop)),
        ("Nesterov", "dampening", FRACTION, |x| NesterovConfig::new().with_form(NesterovForm::LearningRateOutside { dampening: x }).init().map(drop)),
        ("NormalizedGradient", "epsilon", EPSILON, |x| NormalizedGradientConfig::new().with_epsilon(x).init().map(drop)),
        ("Adagrad", "epsilon", EPSILON, |x| AdagradConfig::new().with_epsilon(Inside(x)).init().map(drop)),
        ("Adagrad", "epsilon", EPSILON, |x| AdagradConfig::new().with_epsilon(Outside(x)).init().map(drop)),
        ("Adagrad", "initial_sum", NON_NEGATIVE, |x| AdagradConfig::new().with_initial_sum(x).init().map(drop)),
        ("Adagrad", "lr_decay", NON_NEGATIVE, |x| AdagradConfig::new().with_lr_decay(x).init().map(drop)),
        ("Adam", "beta_1", DECAY, |x| D::new().with_beta_1(x).init().map(drop)),
        ("Adam", "beta_2", DECAY, |x| D::new().with_beta_2(x).init().map(drop)),
        ("Adam", "epsilon", EPSILON, |x| D::new().with_epsilon(Inside(x)).init().map(drop)),
        ("Adam", "epsilon", EPSILON, |x| D::new().with_epsilon(Outside(x)).init().map(drop)),
        ("Adamax", "beta_1", DECAY, |x| AdamaxConfig::new().with_beta_1(x).init().map(drop)),
        ("Adamax", "beta_2", DECAY, |x| AdamaxConfig::new().with_beta_2(x).init().map(drop)),
        ("Adamax", "epsilon", EPSILON, |x| AdamaxConfig::new().with_epsilon(x).init().map(drop)),
        ("Radam", "beta_1", DECAY, |x| RadamConfig::new().with_beta_1(x).init().map(drop)),
        ("Radam", "beta_2", DECAY, |x| RadamConfig::new().with_beta_2(x).init().map(drop)),
        ("Radam", "epsilon", EPSILON, |x| RadamConfig::new().with_epsilon(Inside(x)).init().map(drop)),
        ("Yogi", "beta_1", DECAY, |x| YogiConfig::new().with_beta_1(x).init().map(drop)),
        ("Yogi", "beta_2", DECAY, |x| YogiConfig::new().with_beta_2(x).init().map(drop)),
        ("Yogi", "epsilon", EPSILON, |x| YogiConfig::new().with_epsilon(Outside(x)).init().map(drop)),
        ("Yogi", "initial_moment_1", NON_NEGATIVE, |x| YogiConfig::new().with_initial_moment_1(x).init().map(drop)),
        ("Yogi", "initial_moment_2", NON_NEGATIVE, |x| YogiConfig::new().with_initial_moment_2(x).init().map(drop)),
        ("Adabelief", "beta_1", DECAY, |x| AdabeliefConfig::new().with_beta_1(x).init().map(drop)),
        ("Adabelief", "beta_2", DECAY, |x| AdabeliefConfig::new().with_beta_2(x).init().map(drop)),
        ("Adabelief", "epsilon", EPSILON, |x| AdabeliefConfig::new().with_epsilon(x).init().map(drop)),
        ("Lion", "beta_1", DECAY, |x| LionConfig::new().with_beta_1(x).init().map(drop)),
        ("Lion", "beta_2", DECAY, |x| LionConfig::new().with_beta_2(x).init().map(drop)),
        ("Adan", "beta_1", DECAY, |x| AdanConfig::new().with_beta_1(x).init().map(drop)),
        ("Adan", "beta_2", DECAY, |x| AdanConfig::new().with_beta_2(x).init().map(drop)),
        ("Adan", "beta_3", DECAY, |x| AdanConfig::new().with_beta_3(x).init().map(drop)),
        ("Adan", "epsilon", EPSILON, |x| AdanConfig::new().with_epsilon(x).init().map(drop)),
        ("Adan", "epsilon_root", NON_NEGATIVE, |x| AdanConfig::new().with_epsilon_root(x).init().map(drop)),
        ("WeightDecay", "lambda", NON_NEGATIVE, |x| AdanConfig::new().with_weight_decay(Some(WeightDecay::Decoupled(x))).init().map(drop)),
        ("WeightDecay", "lambda", NON_NEGATIVE, |x| LionConfig::new().with_weight_decay(Some(WeightDecay::L2(x))).init().map(drop)),
        ("Rprop", "eta_minus", OPEN_FRACTION, |x| RpropConfig::new().with_eta_minus(x).init().map(drop)),
        ("Rprop", "eta_plus", ABOVE_1, |x| RpropConfig::new().with_eta_plus(x).init().map(drop)),
        ("Rprop", "min_step", POSITIVE, |x| RpropConfig::new().with_min_step(x).with_max_step(1e9).init().map(drop)),
        ("Rprop", "max_step", FROM_2, |x| RpropConfig::new().with_min_step(2.0).with_max_step(x).init().map(drop)),
        ("Asgd", "lambda", NON_NEGATIVE, |x| AsgdConfig::new().with_lambda(x).init().map(drop)),
        ("Asgd", "alpha", NON_NEGATIVE, |x| AsgdConfig::new().with_alpha(x).init().map(drop)),
        ("ScheduleFreeSgd", "beta", OPEN_FRACTION, |x| ScheduleFreeSgdConfig::new().with_beta(x).init().map(drop)),
        ("ScheduleFreeSgd", "weight_power", NON_NEGATIVE, |x| ScheduleFreeSgdConfig::new().with_weight_power(x).init().map(drop)),
        ("ScheduleFreeAdamw", "beta_1", OPEN_FRACTION, |x| ScheduleFreeAdamwConfig::new().with_beta_1(x).init().map(drop)),
        ("ScheduleFreeAdamw", "beta_2", DECAY, |x| ScheduleFreeAdamwConfig::new().with_beta_2(x).init().map(drop)),
        ("ScheduleFreeAdamw", "epsilon", EPSILON, |x| ScheduleFreeAdamwConfig::new().with_epsilon(Inside(x)).init().map(drop)),
        ("ScheduleFreeAdamw", "weight_power", NON_NEGATIVE, |x| ScheduleFreeAdamwConfig::new().with_weight_power(x).init().map(drop)),
        ("WeightDecay", "lambda", NON_NEGATIVE, |x| ScheduleFreeAdamwConfig::new().with_weight_decay(Some(WeightDecay::Decoupled(x))).init().map(drop)),
        ("WeightDecay", "lambda", NON_NEGATIVE, |x| A::new().with_weight_decay(Some(WeightDecay::L2(x))).init().map(drop)),
        ("WeightDecay", "lambda", NON_NEGATIVE, |x| M::new().with_weight_decay(Some(WeightDecay::Decoupled(x))).init().map(drop)),
        ("WeightDecay", "lambda", NON_NEGATIVE, |x| N::new().with_weight_decay(Some(WeightDecay::L2(x))).init().map(drop)),
        ("WeightDecay", "lambda", NON_NEGATIVE, |x| R::new().with_weight_decay(Some(WeightDecay::Decoupled(x))).init().map(drop)),
        ("WeightDecay", "lambda", NON_NEGATIVE, |x| S::new().with_weight_decay(Some(WeightDecay::L2(x))).init().map(drop)),
        ("GradientNoise", "eta", NON_NEGATIVE, |x| G::new().with_eta(x).sgd(&S::new()).map(drop)),
        ("GradientNoise", "gamma", NON_NEGATIVE, |x| G::new().with_gamma(x).wrap(burn::optim::AdamConfig::new().build()).map(drop)),
        ("WeightDecay", "lambda", NON_NEGATIVE, |x| G::new().sgd(&S::new().with_weight_decay(Some(WeightDecay::L2(x)))).map(drop)),
    ]
}

#[test]
fn values_out_of_range_are_refused_by_name() {
    for (config, field, Bounds(range, accepted, refused), build) in fields() {
        for value in accepted {
            assert_eq!(build(value), Ok(()), "{config}: {field} {value}");
        }
        for value in refused {
            let error = build(value).expect_err(&format!("{config}: {field} {value} should be refused"));
            let value_text = if value == 1e-46 { "1e-46".to_owned() } else { value.to_string() };
            assert_eq!(error.to_string(), format!("{config}: {field} should be {range}, but is {value_text}"));
            assert_eq!((error.config, error.field), (config, field));
            assert!(error.value == value || value.is_nan() && error.value.is_nan());
        }
    }
}

/// A threshold below 0 would turn every gradient round, or make it 1; NaN would spoil it.
#[test]
fn thresholds_of_clipping_out_of_range_are_refused() {
    for name in NamedOptimizer::names() {
        let named = NamedOptimizer::named(name).expect("a known name");
        let fields = named.config().to_value();
        // Of the descent under noise, and of what is beside Muon.
        let part = ["sgd", "rest"].into_iter().find(|part| fields.get(part).is_some());
        let of_part = part.map_or(&fields, |part| &fields[part]);
        let field = ["grad_clipping", "gradient_clipping"].into_iter().find(|field| of_part.get(field).is_some());
        let field = field.unwrap_or_else(|| panic!("{name} should have a clipping: {fields}"));
        let path = part.map_or(field.to_owned(), |part| format!("{part}.{field}"));
        for (kind, threshold) in [("Norm", "-1.0"), ("Value", "-1.0"), ("Norm", "0.0"), ("Value", "0.0")] {
            let clipped = named.with(&format!("{path}={{\"{kind}\":{threshold}}}")).expect("a clipping");
            let error = clipped.init().err().unwrap_or_else(|| panic!("{name}: {kind}({threshold}) should be refused"));
            let expected = format!("grad_clipping should be in (0, ∞), but is {}", threshold.trim_end_matches(".0"));
            assert!(error.to_string().ends_with(&expected), "{name}: {error}");
        }
        let clipped = named.with(&format!("{path}={{\"Norm\":0.5}}")).expect("a clipping");
        assert!(clipped.init().is_ok(), "{name}");
    }
    for clipping in [GradientClippingConfig::Norm(f32::NAN), GradientClippingConfig::Value(f32::INFINITY)] {
        let config = SgdConfig::new().with_grad_clipping(Some(clipping.clone()));
        assert_eq!(config.init().err().map(|error| (error.config, error.field)), Some(("Sgd", "grad_clipping")));
        let burns = burn::optim::AdamConfig::new().with_grad_clipping(Some(clipping));
        let error = NamedOptimizer::with_config("burn-adam", burns).expect("Burn's Adam").init().err();
        assert_eq!(error.map(|error| (error.config, error.field)), Some(("burn-adam", "grad_clipping")));
    }
}

#[test]
fn errors_read_like_this() {
    let message = |error: Option<ConfigError>| error.expect("out of range").to_string();
    assert_eq!(
        message(AmsgradConfig::new().with_beta_2(2.0).build().err()),
        "Amsgrad: beta_2 should be in [0, 1), but is 2"
    );
    assert_eq!(
        message(SgdConfig::new().with_weight_decay(Some(WeightDecay::L2(f64::NAN))).build().err()),
        "WeightDecay: lambda should be in [0, ∞), but is NaN"
    );
    assert_eq!(
        message(RmsPropConfig::new().with_epsilon(Epsilon::Inside(0.0)).init().err()),
        "RmsProp: epsilon should be in [1.2e-38, ∞), but is 0"
    );
    assert_eq!(
        message(GradientNoiseConfig::new().with_eta(f64::INFINITY).sgd(&SgdConfig::new()).err()),
        "GradientNoise: eta should be in [0, ∞), but is inf"
    );
}

#[test]
fn optimizers_travel_between_threads() {
    fn check<T: Send + Sync + 'static>() {}
    check::<Adadelta>();
    check::<Amsgrad>();
    check::<Nadam>();
    check::<RmsProp>();
    check::<Sgd>();
    check::<Momentum>();
    check::<Nesterov>();
    check::<NormalizedGradient>();
    check::<Adagrad>();
    check::<Adam>();
    check::<Radam>();
    check::<Yogi>();
    check::<Adabelief>();
    check::<Lion>();
    check::<Adan>();
    check::<Rprop>();
    check::<Asgd>();
    check::<ScheduleFreeSgd>();
    check::<ScheduleFreeAdamw>();
    check::<Adamax>();
    check::<GradientNoise<Sgd>>();
    check::<ModuleOptimizer>();
    check::<ConfigError>();
}

#[test]
fn configurations_survive_json() {
    fn check<C: Config>(config: C) {
        let text = serde_json::to_string(&config).expect("a configuration becomes JSON");
        let read: C = serde_json::from_str(&text).expect("JSON becomes a configuration");
        assert_eq!(format!("{read:?}"), format!("{config:?}"), "{text}");
        let loaded = C::load_binary(text.as_bytes()).expect("Burn loads it");
        assert_eq!(format!("{loaded:?}"), format!("{config:?}"), "{text}");
    }
    let clipping = || Some(GradientClippingConfig::Norm(0.1));
    check(AdadeltaConfig::pytorch());
    check(AdadeltaConfig::optax());
    check(AdadeltaConfig::zeiler());
    check(AdadeltaConfig::preliminary().with_weight_decay(L2).with_grad_clipping(clipping()));
    check(AdadeltaConfig::new().with_rho(0.1 + 0.2).with_form(AdadeltaForm::Preliminary));
    check(AmsgradConfig::pytorch());
    check(AmsgradConfig::optax());
    check(AmsgradConfig::lecture());
    check(AmsgradConfig::burn().with_weight_decay(DECOUPLED).with_grad_clipping(clipping()));
    check(AmsgradConfig::new().with_form(AmsgradForm::Uncorrected).with_epsilon(Epsilon::Inside(1e-30)));
    check(NadamConfig::pytorch());
    check(NadamConfig::optax());
    check(NadamConfig::dozat());
    check(NadamConfig::lecture().with_weight_decay(L2).with_grad_clipping(clipping()));
    check(RmsPropConfig::pytorch());
    check(RmsPropConfig::optax());
    check(RmsPropConfig::kao());
    check(RmsPropConfig::ruder());
    check(RmsPropConfig::burn().with_momentum(RmsPropMomentum::Nesterov(1.0 / 3.0)));
    check(RmsPropConfig::kao().with_centered(true).with_weight_decay(L2).with_grad_clipping(clipping()));
    check(SgdConfig::new());
    check(MomentumConfig::pytorch().with_momentum(1.0 / 3.0));
    check(MomentumConfig::lecture().with_weight_decay(L2));
    check(MomentumConfig::serra());
    check(MomentumConfig::new().with_form(DAMPENED).with_grad_clipping(clipping()));
    check(NesterovConfig::kao());
    check(NesterovConfig::new().with_form(DAMPENED_NESTEROV).with_grad_clipping(clipping()));
    check(NormalizedGradientConfig::new().with_epsilon(1e-3));
    check(AdagradConfig::optax());
    check(AdagradConfig::ruder().with_lr_decay(0.1).with_weight_decay(DECOUPLED));
    check(burn_descent::optim::AdamConfig::adamw());
    check(burn_descent::optim::AdamConfig::kao().with_bias_correction(BiasCorrection::Corrected));
    check(AdamaxConfig::pytorch().with_weight_decay(L2).with_grad_clipping(clipping()));
    check(RadamConfig::new().with_weight_decay(DECOUPLED).with_grad_clipping(clipping()));
    check(YogiConfig::new().with_weight_decay(DECOUPLED).with_grad_clipping(clipping()));
    check(AdabeliefConfig::new().with_weight_decay(DECOUPLED).with_grad_clipping(clipping()));
    check(LionConfig::optax().with_grad_clipping(clipping()));
    check(AdanConfig::optax().with_weight_decay(DECOUPLED).with_grad_clipping(clipping()));
    check(NadamConfig::algoperf());
    check(RpropConfig::new().with_weight_decay(DECOUPLED).with_grad_clipping(clipping()));
    check(AsgdConfig::new().with_weight_decay(DECOUPLED).with_grad_clipping(clipping()));
    check(ScheduleFreeSgdConfig::new().with_weight_decay(DECOUPLED).with_grad_clipping(clipping()));
    check(ScheduleFreeAdamwConfig::new().with_weight_decay(DECOUPLED).with_grad_clipping(clipping()));
    check(GradientNoiseConfig::new());
    check(GradientNoiseConfig::optax().with_seed(u64::MAX));
}
