//! When a training ends by itself, and what it gives back.

use super::{Alone, Break, Breaking, Net, PointBatch, Setup, Trace, bits, device, drawing_alone, new_folder, weights};
use burn::optim::{ModuleOptimizer, OptimizerRecord};
use burn::train::ClassificationOutput;
use burn_descent::ConfigError;
use burn_descent::early_stopping::{EarlyStoppingConfig, Goal};
use burn_descent::gradient::ChainConfig;
use burn_descent::optim::{MomentumConfig, NadamConfig, RecordMismatch};
use burn_descent::train::{
    Criterion, End, Ended, EngineError, GradientUpdate, History, Loader, Outcome, RollbackConfig, Step, Update,
};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

const EPOCHS: usize = 10;

fn update(_: &Net) -> GradientUpdate<Net> {
    GradientUpdate::new(MomentumConfig::new().init().expect("in range"))
}

fn criterion(metric: &str, goal: Goal) -> Criterion {
    Criterion { metric: metric.to_owned(), goal }
}

/// All epochs, whatever they are like, and the weights of each.
fn whole(setup: &Setup, alone: &Alone) -> Outcome<Net> {
    let folder = new_folder();
    let setup = Setup { early_stopping: None, snapshots: (1..=EPOCHS).collect(), ..setup.clone() };
    setup.train(alone, folder.path(), update, None)
}

/// The epoch at which a training has to stop, and the best by then.
fn expected(history: &History, criterion: &Criterion, patience: usize) -> (usize, usize) {
    let mut stopping = EarlyStoppingConfig::new(patience).with_goal(criterion.goal).init().expect("in range");
    let values = history.epochs.iter().map(|record| record.validation[&criterion.metric]);
    let stop = { values }.position(|value| stopping.observe(value)).map_or(EPOCHS, |index| index + 1);
    (stop, stopping.best().expect("a best epoch").0)
}

#[test]
fn the_best_weights_come_back() {
    let alone = drawing_alone();
    // At this rate it goes up and down.
    let setup = Setup { epochs: EPOCHS, rate: 0.3, ..Setup::default() };
    let all = whole(&setup, &alone);
    assert!(matches!(all.end, Ok(End::Complete)), "{:?}", all.end);
    let mut stopped_early = BTreeMap::new();
    for criterion in [
        criterion("Loss", Goal::Lower),
        criterion("Loss", Goal::Higher),
        criterion("Accuracy", Goal::Higher),
        criterion("Accuracy", Goal::Lower),
    ] {
        for patience in 1..4 {
            let (last, best) = expected(&all.history, &criterion, patience);
            let early_stopping = Some(EarlyStoppingConfig::new(patience));
            let setup = Setup { criterion: criterion.clone(), early_stopping, ..setup.clone() };
            let folder = new_folder();
            let outcome = setup.train(&alone, folder.path(), update, None);
            let case = format!("{criterion:?}, patience {patience}");
            assert_eq!(outcome.history.last_epoch(), last, "{case}");
            let (epoch, model) = outcome.best.as_ref().expect("a best epoch");
            assert_eq!(*epoch, best, "{case}");
            assert!(weights(model) == weights(&all.snapshots[&best]), "{case}");
            let ended = (last < EPOCHS).then_some(Ended::EarlyStopping).or(outcome.history.ended);
            assert_eq!(outcome.history.ended, ended, "{case}");
            let end = ended.map_or(End::Complete, End::Ended);
            assert_eq!(outcome.end.as_ref().ok(), Some(&end), "{case}");
            stopped_early.entry(format!("{criterion:?}")).or_insert_with(Vec::new).push((last, best));
        }
    }
    // The cases are of use only if there are such that stop before the end, and at an epoch that is not the best.
    let early = stopped_early.values().flatten().filter(|(last, best)| *last < EPOCHS && best < last).count();
    assert!(early >= 4, "{stopped_early:?}");
}

/// Whoever has more patience after all trains on as if it had been so from the start.
#[test]
fn more_patience_goes_on() {
    let alone = drawing_alone();
    let setup = Setup { epochs: EPOCHS, rate: 0.3, ..Setup::default() };
    let all = whole(&setup, &alone);
    let mut further = 0;
    for criterion in [criterion("Loss", Goal::Lower), criterion("Accuracy", Goal::Higher)] {
        let with_patience = |patience| Setup {
            criterion: criterion.clone(),
            early_stopping: Some(EarlyStoppingConfig::new(patience)),
            ..setup.clone()
        };
        let folder = new_folder();
        for patience in [1, 1, 2, 4] {
            let outcome = with_patience(patience).train(&alone, folder.path(), update, None);
            let unbroken = with_patience(patience).unbroken(&alone, update);
            let trace = Trace::new(&outcome, folder.path());
            let differences = trace.differences(&unbroken);
            assert!(differences.is_empty(), "{criterion:?}, patience {patience}: {differences:#?}");
        }
        let ends = [1, 2, 4].map(|patience| expected(&all.history, &criterion, patience).0);
        further += usize::from(ends[0] < ends[2]);
        // Less patience than it was trained with: it is not trained on, and what is best is what it was.
        let outcome = with_patience(1).train(&alone, folder.path(), update, None);
        assert_eq!(outcome.history.last_epoch().max(ends[2]), outcome.history.last_epoch(), "{criterion:?}");
        assert!(outcome.best.is_some());
    }
    assert!(further > 0, "there is nothing to go on with");
}

#[test]
fn a_criterion_that_is_not_computed_is_an_error() {
    let alone = drawing_alone();
    let setup = Setup { criterion: criterion("Perplexity", Goal::Lower), ..Setup::default() };
    let folder = new_folder();
    let outcome = setup.train(&alone, folder.path(), update, None);
    let error = outcome.end.expect_err("no such metric").to_string();
    assert_eq!(error, "no metric `Perplexity` is computed in validation; there are: Accuracy, Loss");
    assert!(outcome.best.is_none() && outcome.history.epochs.is_empty());
    // What was trained until then is not lost.
    let unbroken = Setup::default().unbroken(&alone, update);
    let outcome = Setup::default().train(&alone, folder.path(), update, None);
    let differences = Trace::new(&outcome, folder.path()).differences(&unbroken);
    assert!(differences.is_empty(), "{differences:#?}");
    // Without any metric there is none to be named.
    let net = Net::new(0.0, &device());
    let validation = Arc::new(burn_descent::train::Loader::new(super::Points::validation(), 4, &device().inner()));
    let silent =
        Box::new(burn_descent::train::PlainProgress::new(std::io::sink(), std::time::Duration::from_secs(3600), 1));
    let outcome =
        Setup::default()
            .engine(Breaking::never(update(&net)))
            .train(net, setup.loader(), validation, |training| training.renderer(silent));
    let error = outcome.end.expect_err("no metric").to_string();
    assert_eq!(error, "no metric `Loss` is computed in validation; there are: none");
}

/// From the third epoch on the loss is infinite, and the weights are none after that.
fn diverging(from: usize) -> Setup {
    let mut setup = Setup { epochs: 6, ..Setup::default() };
    setup.points.scale = Arc::new(move |places| if places.epoch < from { 1.0 } else { f64::INFINITY });
    setup
}

#[test]
fn a_training_that_diverges_ends_and_keeps_the_best() {
    let alone = drawing_alone();
    let sound = Setup { epochs: 6, snapshots: vec![1, 2], ..Setup::default() };
    let sound = {
        let folder = new_folder();
        sound.train(&alone, folder.path(), update, None)
    };
    for criterion in [criterion("Loss", Goal::Lower), criterion("Accuracy", Goal::Higher)] {
        let setup = Setup { criterion: criterion.clone(), snapshots: vec![1, 3], ..diverging(3) };
        let folder = new_folder();
        let outcome = setup.train(&alone, folder.path(), update, None);
        assert!(matches!(outcome.end, Ok(End::Ended(Ended::Diverged))), "{:?}", outcome.end);
        assert_eq!((outcome.history.last_epoch(), outcome.history.ended), (3, Some(Ended::Diverged)));
        assert!(outcome.history.epochs[2].validation["Loss"].is_nan());
        let (best, model) = outcome.best.as_ref().expect("a best epoch");
        assert!(*best < 3, "{best}");
        assert!(weights(model) == weights(&sound.snapshots[best]));
        assert_eq!(outcome.snapshots.keys().copied().collect::<Vec<_>>(), [1], "what is not finite is not kept");
        let before = Trace::new(&outcome, folder.path());
        // It stays at its end, and what is best can still be had.
        let again = setup.train(&alone, folder.path(), update, None);
        let differences = Trace::new(&again, folder.path()).differences(&before);
        assert!(differences.is_empty(), "{differences:#?}");
        // However it was broken off before.
        let folder = new_folder();
        for at in [Some(Break::Signal(13)), Some(Break::Error(17)), Some(Break::Validation(3)), None] {
            let outcome = setup.train(&alone, folder.path(), update, at);
            if at.is_none() {
                let differences = Trace::new(&outcome, folder.path()).differences(&before);
                assert!(differences.is_empty(), "{differences:#?}");
            }
        }
    }
}

#[test]
fn a_training_that_diverges_at_once_has_no_best() {
    let alone = drawing_alone();
    let folder = new_folder();
    let setup = Setup { early_stopping: Some(EarlyStoppingConfig::new(1)), ..diverging(1) };
    for _ in 0..2 {
        let outcome = setup.train(&alone, folder.path(), update, None);
        assert!(matches!(outcome.end, Ok(End::Ended(Ended::Diverged))), "{:?}", outcome.end);
        assert!(outcome.best.is_none() && outcome.snapshots.is_empty());
        assert_eq!(outcome.history.last_epoch(), 1);
    }
}

/// An error in a training that goes on takes nothing of what it had come to before.
#[test]
fn an_error_leaves_the_best_of_before() {
    let alone = drawing_alone();
    let setup = Setup { epochs: 6, snapshots: vec![2], ..Setup::default() };
    let unbroken = {
        let folder = new_folder();
        let setup = Setup { epochs: 2, snapshots: vec![1, 2], ..setup.clone() };
        setup.train(&alone, folder.path(), update, None)
    };
    let best = unbroken.best.as_ref().expect("a best epoch").0;
    for resumed in [false, true] {
        let folder = new_folder();
        if resumed {
            setup.train(&alone, folder.path(), update, Some(Break::Signal(13)));
        }
        let outcome = setup.train(&alone, folder.path(), update, Some(Break::Error(15)));
        assert!(outcome.end.is_err());
        assert_eq!(bits(&outcome.history), bits(&unbroken.history));
        let (epoch, model) = outcome.best.as_ref().unwrap_or_else(|| panic!("no best epoch, resumed: {resumed}"));
        assert_eq!(*epoch, best);
        assert!(weights(model) == weights(&unbroken.snapshots[&best]), "resumed: {resumed}");
        assert!(outcome.snapshots.contains_key(&2), "resumed: {resumed}");
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Going back

/// Whose steps are not finite from a certain rate on, from the third epoch.
struct TooFast {
    update: GradientUpdate<Net>,
    limit: f64,
}

impl Update<Net> for TooFast {
    fn step(&mut self, model: Net, batch: PointBatch, step: &Step) -> Result<(Net, ClassificationOutput), EngineError> {
        let scale = if step.rate.base() > self.limit { batch.scale } else { 1.0 };
        self.update.step(model, PointBatch { scale, ..batch }, step)
    }

    fn to_record(&self) -> OptimizerRecord {
        self.update.to_record()
    }

    fn load_record(&mut self, record: OptimizerRecord, model: &Net) -> Result<(), RecordMismatch> {
        self.update.load_record(record, model)
    }
}

const FAST: f64 = 0.02;

/// Diverges in its third epoch, in the step of that number, until the rate is at most a quarter of that at the start.
fn too_fast(chain: ChainConfig) -> impl Fn(&Net) -> TooFast {
    move |_| {
        let chain = chain.clone().init().expect("in range");
        TooFast { update: update_of(NadamConfig::new().init()).with_chain(chain), limit: FAST / 3.9 }
    }
}

fn update_of(optimizer: Result<ModuleOptimizer, ConfigError>) -> GradientUpdate<Net> {
    GradientUpdate::new(optimizer.expect("in range"))
}

/// The loss of the batch that begins with this place is infinite from the third epoch on.
fn infinite_at(place: usize) -> Setup {
    let mut setup = Setup { epochs: 5, rate: FAST, ..Setup::default() };
    setup.points.scale =
        Arc::new(move |places| if places.epoch >= 3 && places.numbers.contains(&place) { f64::INFINITY } else { 1.0 });
    setup
}

/// However often it is broken off, it goes back where the unbroken training does, and comes to the same.
#[test]
fn a_training_that_diverges_goes_back() {
    let alone = drawing_alone();
    for chain in [ChainConfig::new(), ChainConfig::new().apply_if_finite(0)] {
        // In the first, a middle and the last step of an epoch.
        for place in [0, 9, 24] {
            let setup = infinite_at(place);
            let back = |engine: super::Broken| engine.with_rollback(RollbackConfig::new(3));
            let train =
                |folder: &Path, at| setup.train_by(&alone, folder, too_fast(chain.clone()), at, back, setup.loader());
            let folder = new_folder();
            let outcome = train(folder.path(), None);
            let case = format!("{chain:?}, {place}");
            assert!(matches!(outcome.end, Ok(End::Complete)), "{case}: {:?}", outcome.end);
            assert_eq!(outcome.history.last_epoch(), 5, "{case}");
            let multipliers: Vec<f64> = outcome.history.rollbacks.iter().map(|rollback| rollback.multiplier).collect();
            assert_eq!(multipliers, [0.5, 0.25], "{case}");
            let epochs: Vec<usize> = outcome.history.rollbacks.iter().map(|rollback| rollback.epoch).collect();
            assert_eq!(epochs, [3, 3], "{case}");
            let rate = |epoch: usize| outcome.history.epochs[epoch - 1].training["Learning Rate"];
            assert_eq!([rate(2), rate(3), rate(5)], [FAST, FAST / 4.0, FAST / 4.0], "{case}");
            for record in &outcome.history.epochs {
                assert!(record.training["Loss"].is_finite() && record.validation["Loss"].is_finite(), "{case}");
                assert_eq!((record.items, record.step), (25, 6 * record.epoch as u64), "{case}");
            }
            let unbroken = Trace::new(&outcome, folder.path());

            let folder = new_folder();
            let breaks =
                [Break::Signal(13), Break::Error(14), Break::Validation(3), Break::Signal(20), Break::Error(26)];
            let ends = breaks.map(|at| train(folder.path(), Some(at)).end);
            let broken = ends.iter().filter(|end| matches!(end, Ok(End::Interrupted) | Err(EngineError::Update(_))));
            assert!(broken.count() >= 4, "{case}: {ends:?}");
            let broken = Trace::new(&train(folder.path(), None), folder.path());
            let differences = broken.differences(&unbroken);
            assert!(differences.is_empty(), "{case}: {differences:#?}");

            // Without a folder, too.
            let net = setup.net();
            let engine = back(setup.engine(Breaking::never(too_fast(chain.clone())(&net))));
            let validation = Arc::new(Loader::new(super::Points::validation(), 4, &device().inner()));
            let memory = engine.train(net, setup.loader(), validation, super::configured);
            assert_eq!(bits(&memory.history), bits(&outcome.history), "{case}");
            let best = |outcome: &Outcome<Net>| weights(&outcome.best.as_ref().expect("a best epoch").1);
            assert!(best(&memory) == best(&outcome), "{case}");
        }
    }
}

/// What a training goes back to is what it was: the next epochs are those of one that had the lower rate from there on.
#[test]
fn what_was_not_finite_leaves_nothing() {
    let alone = drawing_alone();
    let setup = infinite_at(9);
    let folder = new_folder();
    let chain = || ChainConfig::new().apply_if_finite(0).accumulate(2);
    let back = |engine: super::Broken| engine.with_rollback(RollbackConfig::new(1).with_factor(0.25));
    let outcome = setup.train_by(&alone, folder.path(), too_fast(chain()), None, back, setup.loader());
    assert_eq!(outcome.history.rollbacks.len(), 1);
    assert_eq!(outcome.history.rollbacks[0].reason.split('`').nth(1), Some("first.weight"));

    let schedule = "multi-step=2:0.25".parse().expect("a schedule");
    let sound = Setup { epochs: 5, rate: FAST, schedule, ..Setup::default() };
    let other = new_folder();
    let expected = sound.train(&alone, other.path(), too_fast(chain()), None);
    let values = |outcome: &Outcome<Net>| {
        let history = &outcome.history;
        let epochs = history.epochs.iter();
        epochs.map(|record| (record.training.clone(), record.validation.clone())).collect::<Vec<_>>()
    };
    assert_eq!(values(&outcome), values(&expected));
}

#[test]
fn a_training_that_goes_on_diverging_ends() {
    let alone = drawing_alone();
    for (chain, not_finite) in [(ChainConfig::new(), false), (ChainConfig::new().apply_if_finite(0), true)] {
        let setup = Setup { epochs: 6, ..diverging(3) };
        let make =
            |_: &Net| update_of(MomentumConfig::new().init()).with_chain(chain.clone().init().expect("in range"));
        let folder = new_folder();
        let back = |engine: super::Broken| engine.with_rollback(RollbackConfig::new(2));
        let outcome = setup.train_by(&alone, folder.path(), make, None, back, setup.loader());
        assert_eq!(outcome.history.rollbacks.len(), 2);
        match outcome.end {
            Ok(End::Ended(Ended::Diverged)) => assert!(!not_finite),
            Err(EngineError::NonFinite(_)) => assert!(not_finite),
            end => panic!("{end:?}"),
        }
        assert!(outcome.best.expect("a best epoch").0 <= 2);
    }
}

#[test]
fn what_cannot_be_gone_back_by_is_refused() {
    let alone = drawing_alone();
    let folder = new_folder();
    for (config, message) in [
        (RollbackConfig::new(0), "Rollback: attempts should be at least 1, but is 0"),
        (RollbackConfig::new(1).with_factor(1.0), "Rollback: factor should be in (0, 1), but is 1"),
        (RollbackConfig::new(1).with_factor(f64::NAN), "Rollback: factor should be in (0, 1), but is NaN"),
    ] {
        let setup = Setup::default();
        let back = |engine: super::Broken| engine.with_rollback(config);
        let outcome = setup.train_by(&alone, folder.path(), update, None, back, setup.loader());
        assert_eq!(outcome.end.expect_err("out of range").to_string(), message);
    }
    for text in ["", "x", "1:", "1:x", "0", "1:1", "-1"] {
        text.parse::<RollbackConfig>().expect_err(text);
    }
    let config: RollbackConfig = "2:0.1".parse().expect("a rollback");
    assert_eq!(config.to_string(), "2:0.1");
}
