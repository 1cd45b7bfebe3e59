//! When a training ends by itself, and what it gives back.

use super::{Alone, Break, Breaking, Net, Setup, Trace, bits, device, drawing_alone, new_folder, weights};
use burn_descent::early_stopping::{EarlyStoppingConfig, Goal};
use burn_descent::optim::MomentumConfig;
use burn_descent::train::{Criterion, End, Ended, GradientUpdate, History, Outcome};
use std::collections::BTreeMap;
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
