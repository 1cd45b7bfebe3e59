//! A training that is broken off anywhere and gone on with comes to what the unbroken one comes to, to the bit.

use super::{
    Alone, Break, Breaking, Net, PointBatch, Points, STEPS, Setup, Trace, bits, device, drawing_alone, new_folder,
    position,
};
use burn::grad_clipping::GradientClippingConfig;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::lr_scheduler::{LrScheduler, LrSchedulerRecord};
use burn::module::ParamGroup;
use burn::optim::{ModuleOptimizer, OptimizerRecord};
use burn::train::ClassificationOutput;
use burn::train::metric::PerplexityMetric;
use burn_descent::gradient::{ChainConfig, GradientNoiseConfig};
use burn_descent::optim::{
    AdamConfig, ErasedOptimizer, MomentumConfig, NadamConfig, NamedOptimizer, RecordMismatch, SgdConfig,
    evaluation_weights,
};
use burn_descent::penalty::{Norm, PenaltiesConfig, PenaltyForm};
use burn_descent::schedule::{Schedule, Variation};
use burn_descent::second_order::{MinimizerConfig, OutputLoss};
use burn_descent::train::{
    End, EngineError, GradientUpdate, Loader, MinimizerUpdate, Step, TrainingLoader, Update, read_progress,
};
use burn_descent::transfer::{LayerSchedule, Unfreeze};
use burn_descent::weights::{
    DecayWarmUp, EmaConfig, LookaheadConfig, SamConfig, SwaConfig, WeightTransform, WeightTransforms,
    reestimate_batch_norm,
};
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use std::path::Path;
use std::sync::Arc;

/// The kinds of breaks; where in the training each of them comes is drawn.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Signal,
    Error,
    LastStep,
    Validation,
}

/// A break of this kind after `folder`'s checkpoint, if there is anything left to break off.
fn drawn(kind: Kind, folder: &Path, setup: &Setup, rng: &mut ChaCha8Rng) -> Option<Break> {
    let (start, total) = (position(folder), setup.epochs as u64 * STEPS);
    let step = (start.step < total).then(|| start.step + rng.random_range(1..=(total - start.step).min(5)));
    match kind {
        Kind::Signal if rng.random() => step.map(Break::Interrupter),
        Kind::Signal => step.map(Break::Signal),
        Kind::Error => step.map(Break::Error),
        Kind::LastStep => Some((start.step / STEPS + 1) * STEPS).filter(|step| *step <= total).map(Break::Signal),
        Kind::Validation => (start.epoch <= setup.epochs).then_some(Break::Validation(start.epoch)),
    }
}

/// Trains with a break of each kind, in an order that is drawn, and on to the end.
fn broken<U: Update<Net>, L: Into<TrainingLoader<PointBatch>>>(
    alone: &Alone,
    setup: &Setup,
    seed: u64,
    make: impl Fn(&Net) -> U,
    loader: impl Fn() -> L,
) -> (Trace, Vec<Break>) {
    let folder = new_folder();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut kinds = [Kind::Signal, Kind::Error, Kind::LastStep, Kind::Validation, Kind::Error];
    kinds.shuffle(&mut rng);
    let mut breaks = Vec::new();
    for kind in kinds {
        let Some(at) = drawn(kind, folder.path(), setup, &mut rng) else { continue };
        let outcome = setup.train_by(alone, folder.path(), &make, Some(at), |engine| engine, loader());
        match (&outcome.end, at) {
            (Ok(End::Interrupted), Break::Signal(_) | Break::Interrupter(_) | Break::Validation(_)) => {}
            (Err(EngineError::Update(error)), Break::Error(_)) => assert_eq!(error.to_string(), "broken off"),
            (end, _) => panic!("{at:?} ended by {end:?}"),
        }
        breaks.push(at);
    }
    assert!(breaks.len() >= 2, "{breaks:?}");
    let outcome = setup.train_by(alone, folder.path(), make, None, |engine| engine, loader());
    (Trace::new(&outcome, folder.path()), breaks)
}

/// Compares a training that is broken off with the unbroken one.
fn compare<U: Update<Net>>(name: &str, setup: &Setup, make: impl Fn(&Net) -> U) {
    compare_with(name, setup, make, &|| setup.loader());
}

/// The same, by other batches, which begin anew at each start.
pub(super) fn compare_with<U: Update<Net>, L: Into<TrainingLoader<PointBatch>>>(
    name: &str,
    setup: &Setup,
    make: impl Fn(&Net) -> U,
    loader: &dyn Fn() -> L,
) {
    let alone = drawing_alone();
    let unbroken = {
        let folder = new_folder();
        let outcome = setup.train_by(&alone, folder.path(), &make, None, |engine| engine, loader());
        Trace::new(&outcome, folder.path())
    };
    assert_eq!(unbroken.end, "Ok(Complete)", "{name}");
    assert!(unbroken.history.contains_key("3 valid Accuracy"), "{name}: {:?}", unbroken.history.keys());
    // The name is the seed, so that a case stays what it is when others come.
    let seed = name.bytes().fold(0_u64, |seed, byte| seed.wrapping_mul(131).wrapping_add(byte.into()));
    for round in 0..2 {
        let (resumed, breaks) = broken(&alone, setup, seed.wrapping_add(round), &make, loader);
        let differences = resumed.differences(&unbroken);
        assert!(differences.is_empty(), "{name}, broken off at {breaks:?}: {differences:#?}");
        assert!(resumed == unbroken, "{name}");
    }
}

fn nadam() -> ModuleOptimizer {
    NadamConfig::new().init().expect("in range")
}

fn momentum() -> ModuleOptimizer {
    MomentumConfig::new().init().expect("in range")
}

fn setup(schedule: &str) -> Setup {
    Setup { schedule: schedule.parse().unwrap_or_else(|error| panic!("{error}")), ..Setup::default() }
}

// ---------------------------------------------------------------------------------------------------------------------
// The matrix

#[test]
fn every_optimizer_goes_on_to_the_bit() {
    let mut number = 0;
    for name in NamedOptimizer::names_and_presets() {
        let named = NamedOptimizer::named(&name).expect("a known optimizer");
        let setup = Setup { rate: named.learning_rate(), ..Setup::default() };
        compare(&name, &setup, |_| GradientUpdate::new(named.init().expect("in range")));
        number += 1;
    }
    assert!(number > 40, "{number}");
}

/// So does every second-order method, with dropout, which is the same in all passes of a step.
#[test]
fn every_minimizer_goes_on_to_the_bit() {
    for name in MinimizerConfig::NAMES {
        let minimizer = || MinimizerConfig::named(name).expect("known").init().expect("in range");
        let forward = |net: &Net, batch| {
            let output = net.output(batch);
            (output.loss.clone(), output)
        };
        let outputs = |net: &Net, batch: PointBatch| net.forward(batch.points);
        let setup = Setup::default();
        compare(name, &setup, |_| MinimizerUpdate::new(minimizer(), 2, forward).expect("at least 1"));
        let gauss_newton = OutputLoss::CrossEntropy;
        compare(&format!("{name} by Gauss and Newton"), &setup, |_| {
            let update = MinimizerUpdate::new(minimizer(), 1, forward).expect("at least 1");
            update.with_gauss_newton(outputs, gauss_newton)
        });
    }
}

/// One of each kind and form.
const SCHEDULES: [&str; 25] = [
    "constant",
    "linear",
    "polynomial=power=2",
    "time-based=k=1,per=epoch",
    "time-based=k=0.3,per=step",
    "exponential=beta=0.95,per=epoch",
    "exponential=k=0.1,per=step",
    "step=every=2epochs,factor=0.5",
    "step=every=4steps,k=0.7",
    "inverse-sqrt=k=1.5,per=step",
    "inverse-sqrt=k=1,per=epoch",
    "cosine=minimum=0.1",
    "cosine-restarts=first=4steps,growth=2,minimum=0.1",
    "one-cycle=peak=0.3,start=25,end=10000",
    "plateau=factor=0.5,patience=0,threshold=0.9,cooldown=1,minimum=0.01",
    "plateau=factor=0.1,patience=1,absolute-threshold=0.001,cooldown=0,minimum=0",
    "plateau=factor=0.5,patience=0,threshold=0.9,cooldown=0,minimum=0,goal=higher",
    "linear=end=0.2,over=5steps,start=0.5",
    "multi-step=at=1epochs/7steps,factor=0.5",
    "triangular=rise=3steps,fall=2steps,minimum=0.1,shrink=0.5,decay=0.9",
    "wsd=warm-up=2steps,decay=4steps,from=0.01,minimum=0,form=sqrt",
    "cosine=minimum=0@5steps+plateau=factor=0.5,patience=0,threshold=0.9,cooldown=0,minimum=0",
    "warm-up=over=4steps,from=0.01,form=before+cosine=minimum=0.1",
    "warm-up=over=1epochs,from=0,form=times+plateau=factor=0.5,patience=0,threshold=0.9,cooldown=0,minimum=0",
    "warm-up=over=2steps,from=1,form=before+warm-up=over=2steps,from=0.5,form=times+step=every=1epochs,factor=3",
];

#[test]
fn every_schedule_goes_on_to_the_bit() {
    for text in SCHEDULES {
        compare(text, &setup(text), |_| GradientUpdate::new(momentum()));
    }
    // Rates of their own for a group, and numbers of the optimizer that change.
    let parsed = |text: &str| -> Schedule { text.parse().expect("a schedule") };
    let length = Setup::default().length();
    let cosine = parsed("cosine").scheduler(0.05, length).expect("in range");
    let restarts = parsed("cosine-restarts=5steps").scheduler(0.1, length).expect("in range");
    let rates = ModuleLrScheduler::from(cosine).with_group(ParamGroup::from_predicate("second"), restarts);
    let setup = Setup { rates: Some(rates), ..Setup::default() };
    compare("rates of groups", &setup, |_| GradientUpdate::new(nadam()));
    let named = NamedOptimizer::named("momentum").expect("known");
    let variation: Variation = "0.5..0.95:one-cycle".parse().expect("a variation");
    let steps = 0..length.steps();
    let varied = Variation::all(&named, &[("momentum".to_owned(), variation)].into(), steps, length).expect("it fits");
    let optimizer = || named.build(&varied).expect("in range").init();
    compare("a momentum that varies", &Setup::default(), |_| GradientUpdate::new(optimizer()));
}

#[test]
fn every_transform_of_gradients_goes_on_to_the_bit() {
    let chains = [
        ("clip norm", ChainConfig::new().clip_norm(0.3)),
        ("clip value", ChainConfig::new().clip_value(0.05)),
        ("centralize", ChainConfig::new().centralize()),
        ("accumulate 2", ChainConfig::new().accumulate(2)),
        ("accumulate 3", ChainConfig::new().accumulate(3)),
        ("accumulate 4", ChainConfig::new().accumulate(4)),
        ("accumulate 100", ChainConfig::new().accumulate(100)),
        ("apply if finite", ChainConfig::new().apply_if_finite(3)),
        (
            "masked",
            ChainConfig::new()
                .masked(ParamGroup::from_predicate("weight"), ChainConfig::new().centralize().clip_value(0.1)),
        ),
        (
            "masked accumulate",
            ChainConfig::new().masked(ParamGroup::from_predicate("first"), ChainConfig::new().accumulate(4)),
        ),
        ("all", ChainConfig::new().apply_if_finite(3).accumulate(3).centralize().clip_value(0.2).clip_norm(0.3)),
    ];
    for (name, chain) in chains {
        let make = |_: &Net| GradientUpdate::new(nadam()).with_chain(chain.init().expect("in range"));
        compare(name, &setup("linear"), make);
    }
    // Batches whose gradients are not finite: two in a row, and one at an epoch's end.
    let mut points = Points::training();
    points.scale = Arc::new(|places| match (places.epoch, places.examples) {
        (1 | 3, examples) if examples.contains(&3) || examples.contains(&11) => f64::INFINITY,
        (2, examples) if examples.len() == 5 => f64::NAN,
        _ => 1.0,
    });
    let spoilt = Setup { points, ..Setup::default() };
    for (name, chain) in [
        ("skipped", ChainConfig::new().apply_if_finite(3)),
        ("skipped after accumulation", ChainConfig::new().accumulate(2).apply_if_finite(3)),
        ("skipped before accumulation", ChainConfig::new().apply_if_finite(3).accumulate(2)),
    ] {
        compare(name, &spoilt, |_| GradientUpdate::new(nadam()).with_chain(chain.init().expect("in range")));
    }
    let clipped = AdamConfig::new().with_grad_clipping(Some(GradientClippingConfig::Norm(0.1)));
    compare("the optimizer's own clipping", &Setup::default(), |_| {
        GradientUpdate::new(clipped.init().expect("in range"))
    });
    let noise = GradientNoiseConfig::new().with_eta(0.3);
    compare("noise", &Setup::default(), |_| {
        GradientUpdate::new(noise.wrap(AdamConfig::new().build().expect("in range")).expect("in range").into())
    });
}

#[test]
fn every_transform_of_weights_goes_on_to_the_bit() {
    let ema = |warm_up| WeightTransform::Ema(EmaConfig::new().with_decay(0.8).with_warm_up(warm_up));
    let swa = |start, every| WeightTransform::Swa(SwaConfig::new().with_start(start).with_every(every));
    let lookahead = WeightTransform::Lookahead(LookaheadConfig::new().with_period(4));
    let one = |outer| WeightTransforms { inner: None, outer: Some(outer) };
    let two = |inner, outer| WeightTransforms { inner: Some(inner), outer: Some(outer) };
    let cases = [
        ("ema, ramp", one(ema(DecayWarmUp::Ramp))),
        ("ema, bias correction", one(ema(DecayWarmUp::BiasCorrection))),
        ("ema, no warm-up", one(ema(DecayWarmUp::None))),
        ("swa", one(swa(0, 1))),
        ("swa, late", one(swa(7, 3))),
        ("lookahead", one(lookahead)),
        ("ema around lookahead", two(lookahead, ema(DecayWarmUp::Ramp))),
        ("lookahead around ema", two(ema(DecayWarmUp::Ramp), lookahead)),
        ("swa around lookahead", two(lookahead, swa(3, 2))),
        ("ema around ema", two(ema(DecayWarmUp::None), ema(DecayWarmUp::BiasCorrection))),
    ];
    let wrapped = |transforms: WeightTransforms| {
        let inner = ErasedOptimizer::new(NadamConfig::new().build().expect("in range"));
        transforms.wrap(inner).expect("in range").init()
    };
    for (name, transforms) in cases {
        let make = |_: &Net| GradientUpdate::new(wrapped(transforms));
        compare(name, &setup("cosine"), make);
        let typed = |_: &Net| {
            let chain = ChainConfig::new().accumulate(4).init().expect("in range");
            GradientUpdate::new(wrapped(transforms)).with_chain(chain)
        };
        compare(&format!("{name}, accumulated"), &Setup::default(), typed);
    }
    let typed = EmaConfig::new().with_decay(0.8);
    compare("ema of a typed optimizer", &Setup::default(), |_| {
        let optimizer = typed.wrap(MomentumConfig::new().build().expect("in range")).expect("in range");
        GradientUpdate::new(optimizer.into())
    });
    // The statistics of the averages, estimated anew.
    compare("reestimated", &Setup::default(), |_| {
        let loader = Loader::new(Points::training(), 5, &device());
        GradientUpdate::new(wrapped(one(ema(DecayWarmUp::Ramp)))).with_evaluation(Arc::new(move |optimizer, model| {
            let averaged = evaluation_weights(optimizer, model);
            let forward = |model: &Net, batch: &PointBatch| _ = model.forward(batch.points.clone());
            let batches = loader.epoch(1, 0).flatten();
            Ok(reestimate_batch_norm(&averaged, |net: &Net| net.norm.iter().collect(), batches, forward)?)
        }))
    });
}

#[test]
fn sharpness_penalties_and_layers_go_on_to_the_bit() {
    let sam = |rho| SamConfig::new().with_rho(rho).init().expect("in range");
    compare("sam", &setup("linear"), |_| GradientUpdate::new(momentum()).with_sam(Some(sam(0.1))));
    compare("sam, accumulated, ema", &Setup::default(), |_| {
        let optimizer = EmaConfig::new().wrap(AdamConfig::new().build().expect("in range")).expect("in range");
        GradientUpdate::new(optimizer.into())
            .with_sam(Some(sam(0.05)))
            .with_chain(ChainConfig::new().accumulate(3).clip_norm(0.5).init().expect("in range"))
    });
    let (all, weights) = (ParamGroup::all(), ParamGroup::from_predicate("weight"));
    let penalties = [
        ("l2", PenaltiesConfig::new().l2(0.01, all.clone())),
        ("l1", PenaltiesConfig::new().l1(0.01, weights.clone())),
        ("lasso", PenaltiesConfig::new().lasso(0.05, weights.clone())),
        ("frobenius", PenaltiesConfig::new().frobenius(0.01, all.clone())),
        ("max-norm", PenaltiesConfig::new().max_norm(0.3, weights.clone())),
        ("tie", PenaltiesConfig::new().tie(0.1, "first.bias", "norm.beta")),
        (
            "several",
            PenaltiesConfig::new()
                .l2(0.01, all.clone())
                .on(Norm::Squared, 0.1, PenaltyForm::Decoupled, weights.clone())
                .lasso(0.02, weights.clone())
                .max_norm(0.5, weights),
        ),
    ];
    for (name, penalties) in penalties {
        compare(name, &setup("linear"), |net| {
            GradientUpdate::new(momentum()).with_penalties(penalties.init(net).expect("it fits"))
        });
    }
    compare("towards a prior", &Setup::default(), |net| {
        let penalties = PenaltiesConfig::new().l2(0.1, ParamGroup::all()).init(net).expect("it fits");
        let prior = Net::new(0.0, &device());
        GradientUpdate::new(nadam()).with_penalties(penalties.towards(net, &prior).expect("the same shapes"))
    });
    let layers = || ["first", "norm", "second"].map(ParamGroup::from_predicate).to_vec();
    for (unfreeze, decay) in
        [(Unfreeze::Every(1), 1.0), (Unfreeze::Every(2), 0.5), (Unfreeze::Never, 0.5), (Unfreeze::AtOnce, 0.3)]
    {
        let make = |_: &Net| {
            let layers = LayerSchedule::new(layers(), unfreeze, decay).expect("in range");
            GradientUpdate::new(nadam()).with_layers(layers)
        };
        compare(&format!("layers {unfreeze:?}, {decay}"), &setup("linear"), make);
    }
    compare("layers, averaged and accumulated", &Setup::default(), |_| {
        let optimizer = EmaConfig::new().wrap(AdamConfig::new().build().expect("in range")).expect("in range");
        GradientUpdate::new(optimizer.into())
            .with_layers(LayerSchedule::new(layers(), Unfreeze::Every(1), 0.5).expect("in range"))
            .with_chain(ChainConfig::new().accumulate(4).init().expect("in range"))
    });
    compare("optimizers of groups", &setup("linear"), |_| {
        let other = SgdConfig::new().build().expect("in range");
        GradientUpdate::new(nadam().with_group(ParamGroup::from_predicate("second"), other, None))
    });
}

/// One training with a little of all of it, broken off once in each of its steps and validations.
#[test]
fn each_step_can_be_the_last_for_now() {
    let alone = drawing_alone();
    let schedule =
        "warm-up=over=4steps,from=0.1,form=times+plateau=factor=0.5,patience=0,threshold=0.9,cooldown=0,minimum=0";
    let setup = Setup { prefetch: 1, snapshots: vec![1, 3], ..setup(schedule) };
    let transforms = WeightTransforms {
        inner: Some(WeightTransform::Lookahead(LookaheadConfig::new().with_period(3))),
        outer: Some(WeightTransform::Swa(SwaConfig::new().with_start(3))),
    };
    let make = |net: &Net| {
        let inner = ErasedOptimizer::new(NadamConfig::new().build().expect("in range"));
        let weights = ParamGroup::from_predicate("weight");
        let penalties = PenaltiesConfig::new().l2(0.01, ParamGroup::all()).lasso(0.01, weights);
        let layers = ["first", "norm", "second"].map(ParamGroup::from_predicate).to_vec();
        GradientUpdate::new(transforms.wrap(inner).expect("in range").init())
            .with_chain(ChainConfig::new().apply_if_finite(2).accumulate(2).clip_norm(0.5).init().expect("in range"))
            .with_penalties(penalties.init(net).expect("it fits"))
            .with_sam(Some(SamConfig::new().init().expect("in range")))
            .with_layers(LayerSchedule::new(layers, Unfreeze::Every(1), 0.5).expect("in range"))
    };
    let unbroken = setup.unbroken(&alone, make);
    let steps = (1..=3 * STEPS).flat_map(|step| [Break::Signal(step), Break::Error(step)]);
    for at in steps.chain((1..=3).map(Break::Validation)) {
        let folder = new_folder();
        let outcome = setup.train(&alone, folder.path(), make, Some(at));
        assert_eq!(outcome.end.is_err(), matches!(at, Break::Error(_)), "{at:?}: {:?}", outcome.end);
        let outcome = setup.train(&alone, folder.path(), make, None);
        let differences = Trace::new(&outcome, folder.path()).differences(&unbroken);
        assert!(differences.is_empty(), "{at:?}: {differences:#?}");
    }
}

/// How batches are made makes no difference, nor how often checkpoints are written.
#[test]
fn prefetched_batches_and_rare_checkpoints_go_on_to_the_bit() {
    let make = |_: &Net| GradientUpdate::new(nadam());
    compare("prefetched", &Setup { prefetch: 2, ..setup("linear") }, make);
    for every_steps in [None, Some(1), Some(5)] {
        let mut setup = setup("linear");
        setup.policy.every_steps = every_steps;
        compare(&format!("checkpoints every {every_steps:?} steps"), &setup, make);
    }
}

/// A break in the middle of an accumulation waits until the gradients are at rest.
#[test]
fn a_training_stops_where_it_is_at_rest() {
    let chain = || ChainConfig::new().accumulate(4).init().expect("in range");
    let make = |_: &Net| GradientUpdate::new(nadam()).with_chain(chain());
    let alone = drawing_alone();
    let setup = Setup::default();
    let unbroken = setup.unbroken(&alone, make);
    // Two of six batches are left over at the end of the epoch, which stops in the validation then.
    for (asked, stopped) in [(1, (1, 4)), (4, (1, 4)), (5, (1, 6)), (6, (1, 6)), (9, (2, 4)), (18, (3, 6))] {
        let folder = new_folder();
        let outcome = setup.train(&alone, folder.path(), make, Some(Break::Signal(asked)));
        assert!(matches!(outcome.end, Ok(End::Interrupted)), "{:?}", outcome.end);
        let position = position(folder.path());
        assert_eq!((position.epoch, position.batch), stopped, "asked to stop in step {asked}");
        let outcome = setup.train(&alone, folder.path(), make, None);
        let differences = Trace::new(&outcome, folder.path()).differences(&unbroken);
        assert!(differences.is_empty(), "asked to stop in step {asked}: {differences:#?}");
    }
}

/// A training that has been complete goes on for further epochs as if it had been to be so long from the start.
#[test]
fn a_longer_training_goes_on_from_a_complete_one() {
    let alone = drawing_alone();
    let make = |_: &Net| GradientUpdate::new(nadam());
    let longer = Setup { epochs: 4, ..Setup::default() };
    let unbroken = longer.unbroken(&alone, make);
    let folder = new_folder();
    let short = Setup::default().train(&alone, folder.path(), make, None);
    assert!(matches!(short.end, Ok(End::Complete)));
    let again = Setup::default().train(&alone, folder.path(), make, None);
    assert_eq!(bits(&again.history), bits(&short.history), "a complete training is not trained again");
    let outcome = longer.train(&alone, folder.path(), make, None);
    let differences = Trace::new(&outcome, folder.path()).differences(&unbroken);
    assert!(differences.is_empty(), "{differences:#?}");
}

/// Without a folder a training comes to the same, but for what is on the disk.
#[test]
fn a_training_in_memory_comes_to_the_same() {
    let alone = drawing_alone();
    let setup = Setup::default();
    let unbroken = setup.unbroken(&alone, |_| GradientUpdate::new(nadam()));
    let net = Net::new(setup.dropout, &device());
    let validation = Arc::new(Loader::new(Points::validation(), 4, &burn::tensor::Device::flex()));
    let engine = setup.engine(Breaking::never(GradientUpdate::new(nadam())));
    let outcome = engine.train(net, setup.loader(), validation, super::configured);
    let trace = Trace::new(&outcome, Path::new("/nowhere/at/all"));
    assert_eq!((&trace.kept, &trace.best, &trace.history), (&unbroken.kept, &unbroken.best, &unbroken.history));
}

/// What is told to an observer is the history after each epoch, and once where a training goes on.
#[test]
fn an_observer_is_told_each_epoch() {
    let alone = drawing_alone();
    let told = Arc::new(std::sync::Mutex::new(Vec::new()));
    let folder = new_folder();
    let setup = Setup::default();
    for at in [Some(Break::Signal(8)), None] {
        let note = told.clone();
        let observed = |engine: super::Broken| {
            engine.with_observer(move |history| {
                note.lock().expect("no panic").push(history.last_epoch());
                Ok(())
            })
        };
        let make = |_: &Net| GradientUpdate::new(nadam());
        setup.train_by(&alone, folder.path(), make, at, observed, setup.loader());
    }
    assert_eq!(*told.lock().expect("no panic"), [1, 1, 2, 3]);
    let (position, history) = read_progress(folder.path()).expect("a checkpoint").expect("a checkpoint");
    assert_eq!((position.epoch, position.batch, position.step, history.last_epoch()), (4, 0, 18, 3));
}

/// An error of an observer's ends the training, which goes on after it.
#[test]
fn an_error_of_an_observer_ends_the_training() {
    let alone = drawing_alone();
    let setup = Setup::default();
    let make = |_: &Net| GradientUpdate::new(nadam());
    let unbroken = setup.unbroken(&alone, make);
    let folder = new_folder();
    let refuses = |engine: super::Broken| {
        engine.with_observer(|history| match history.last_epoch() {
            2 => Err(EngineError::Update("no more".into())),
            _ => Ok(()),
        })
    };
    let outcome = setup.train_by(&alone, folder.path(), make, None, refuses, setup.loader());
    assert_eq!(outcome.end.map_err(|error| error.to_string()), Err("no more".to_owned()));
    assert_eq!(outcome.history.last_epoch(), 2);
    assert!(outcome.best.is_some());
    let outcome = setup.train(&alone, folder.path(), make, None);
    let differences = Trace::new(&outcome, folder.path()).differences(&unbroken);
    assert!(differences.is_empty(), "{differences:#?}");
}

/// Metrics whose value over an epoch is not the mean of its batches' have that of the epoch.
#[test]
#[ignore = "Burn's metrics have no record: of an epoch that is gone on with, the mean over the batches is logged"]
fn metrics_that_are_no_means_go_on_to_the_bit() {
    let alone = drawing_alone();
    let setup = Setup::default();
    let make = |_: &Net| GradientUpdate::new(nadam());
    let trained = |at: Option<Break>, folder: &Path| {
        setup.train_configured(&alone, folder, make, at, |training| {
            super::configured(training).metric_train_numeric(PerplexityMetric::new())
        })
    };
    let folders = [(), ()].map(|()| new_folder());
    let unbroken = Trace::new(&trained(None, folders[0].path()), folders[0].path());
    trained(Some(Break::Signal(8)), folders[1].path());
    let resumed = Trace::new(&trained(None, folders[1].path()), folders[1].path());
    let differences = resumed.differences(&unbroken);
    assert!(differences.is_empty(), "{differences:#?}");
}

// ---------------------------------------------------------------------------------------------------------------------
// That the comparison sees what it is to see

/// Leaves the optimizer's state out of its record.
struct Stateless(GradientUpdate<Net>);

impl Update<Net> for Stateless {
    fn step(&mut self, model: Net, batch: PointBatch, step: &Step) -> Result<(Net, ClassificationOutput), EngineError> {
        self.0.step(model, batch, step)
    }

    fn to_record(&self) -> OptimizerRecord {
        SgdConfig::new().init().expect("in range").to_record()
    }

    fn load_record(&mut self, _record: OptimizerRecord, _model: &Net) -> Result<(), RecordMismatch> {
        Ok(())
    }
}

/// A schedule that does not know where it was.
#[derive(Clone)]
struct Forgetful(f64);

impl LrScheduler for Forgetful {
    fn step(&mut self) -> f64 {
        self.0 *= 0.9;
        self.0
    }

    fn to_record(&self) -> LrSchedulerRecord {
        LrSchedulerRecord::new()
    }

    fn load_record(&mut self, _record: LrSchedulerRecord) {}
}

/// Says that it is at rest while it accumulates.
struct Restless(GradientUpdate<Net>);

impl Update<Net> for Restless {
    fn step(&mut self, model: Net, batch: PointBatch, step: &Step) -> Result<(Net, ClassificationOutput), EngineError> {
        self.0.step(model, batch, step)
    }

    fn to_record(&self) -> OptimizerRecord {
        self.0.to_record()
    }

    fn load_record(&mut self, record: OptimizerRecord, model: &Net) -> Result<(), RecordMismatch> {
        self.0.load_record(record, model)
    }
}

#[test]
fn whatever_is_lost_makes_a_difference() {
    let alone = drawing_alone();
    let setup = Setup::default();
    let at = Break::Signal(8);
    /// What is different where a training is broken off, and gone on with by another setup.
    fn differences<U: Update<Net>>(
        alone: &Alone,
        setups: [&Setup; 2],
        at: Break,
        make: impl Fn(&Net) -> U,
    ) -> Vec<String> {
        let unbroken = setups[0].unbroken(alone, &make);
        let folder = new_folder();
        setups[0].train(alone, folder.path(), &make, Some(at));
        let outcome = setups[1].train(alone, folder.path(), &make, None);
        Trace::new(&outcome, folder.path()).differences(&unbroken)
    }
    let sees = |differences: Vec<String>, what: &[&str]| {
        for expected in
            ["state model first.weight", "history 2 train Loss", "metrics train/epoch-2/Loss.log"].iter().chain(what)
        {
            assert!(differences.iter().any(|found| found == expected), "{expected}: {differences:#?}");
        }
    };
    let plain = |_: &Net| GradientUpdate::new(nadam());
    let none = differences(&alone, [&setup, &setup], at, plain);
    assert!(none.is_empty(), "{none:#?}");
    sees(differences(&alone, [&setup, &setup], at, |net| Stateless(plain(net))), &["kept models"]);
    sees(differences(&alone, [&setup, &Setup { seed: 6, ..setup.clone() }], at, plain), &[]);
    sees(differences(&alone, [&setup, &Setup { order: 4, ..setup.clone() }], at, plain), &[]);
    sees(differences(&alone, [&setup, &Setup { dropout: 0.0, ..setup.clone() }], at, plain), &[]);
    let forgetful = Setup { rates: Some(Forgetful(0.02).into()), ..setup.clone() };
    let found = differences(&alone, [&forgetful, &forgetful], at, plain);
    sees(found, &["history 2 train Learning Rate"]);
    let chain = || ChainConfig::new().accumulate(2).init().expect("in range");
    sees(differences(&alone, [&setup, &setup], Break::Signal(9), |net| Restless(plain(net).with_chain(chain()))), &[]);
}
