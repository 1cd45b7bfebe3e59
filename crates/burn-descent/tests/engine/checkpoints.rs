//! Which checkpoints there are, and that none is trusted that is not what was written.

use super::{
    Break, Net, PointBatch, STEPS, Setup, Trace, drawing_alone, files, last_checkpoint, names, new_folder, position,
};
use burn::optim::OptimizerRecord;
use burn::train::ClassificationOutput;
use burn_descent::early_stopping::Goal;
use burn_descent::optim::{AdamConfig, MomentumConfig, RecordMismatch};
use burn_descent::train::{
    CheckpointPolicy, Criterion, EngineError, FileError, GradientUpdate, History, Step, Update, read_progress,
};
use proptest::prelude::*;
use proptest::test_runner::{TestError, TestRunner};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

fn update(_: &Net) -> GradientUpdate<Net> {
    GradientUpdate::new(AdamConfig::new().init().expect("in range"))
}

/// The checkpoints that there have to be once `steps` were taken and the epochs of `history` are over.
fn expected(setup: &Setup, history: &History, steps: u64, stopped: bool) -> Vec<String> {
    let CheckpointPolicy { last, best, every_steps, .. } = setup.policy;
    let of_epochs: Vec<u64> = history.epochs.iter().map(|record| record.step).collect();
    let mut all: BTreeSet<u64> = of_epochs.iter().copied().collect();
    all.extend((1..=steps).filter(|step| every_steps.is_some_and(|every| step.is_multiple_of(every))));
    all.extend(stopped.then_some(steps));
    let mut kept: BTreeSet<u64> = all.iter().rev().take(last).copied().collect();
    let mut ranked: Vec<(f64, u64)> =
        history.epochs.iter().map(|record| (record.validation[&setup.criterion.metric], record.step)).collect();
    let sign = if setup.criterion.goal == Goal::Lower { 1.0 } else { -1.0 };
    ranked.sort_by(|one, other| (sign * one.0).total_cmp(&(sign * other.0)));
    kept.extend(ranked.iter().take(best).map(|(_, step)| step));
    kept.extend(setup.snapshots.iter().filter_map(|epoch| of_epochs.get(epoch - 1)));
    let mut names: Vec<String> = kept.iter().map(|step| format!("step-{step}.ckpt")).collect();
    names.sort();
    names
}

fn setups() -> Vec<Setup> {
    let mut setups = Vec::new();
    for (last, best, every_steps, snapshots) in [
        (1, 1, None, vec![]),
        (3, 1, None, vec![1]),
        (1, 2, Some(4), vec![]),
        (2, 3, Some(1), vec![2]),
        (4, 1, Some(5), vec![1, 3]),
    ] {
        let policy = CheckpointPolicy { last, best, every_steps, every: None };
        setups.push(Setup { epochs: 4, rate: 0.2, policy, snapshots, ..Setup::default() });
    }
    let criterion = Criterion { metric: "Accuracy".to_owned(), goal: Goal::Higher };
    setups.push(Setup { criterion, ..setups[2].clone() });
    setups
}

#[test]
fn the_last_the_best_and_the_asked_for_stay_and_nothing_else() {
    let alone = drawing_alone();
    for setup in setups() {
        let total = setup.epochs as u64 * STEPS;
        for at in [
            None,
            Some(Break::Signal(3)),
            Some(Break::Signal(8)),
            Some(Break::Error(11)),
            Some(Break::Signal(12)),
            Some(Break::Validation(2)),
        ] {
            let case = format!("{:?} after {at:?}", setup.policy);
            let folder = new_folder();
            let outcome = setup.train(&alone, folder.path(), update, at);
            let (steps, stopped) = match at {
                None => (total, false),
                Some(Break::Signal(step) | Break::Interrupter(step)) => (step, true),
                Some(Break::Error(step)) => (step - 1, false),
                Some(Break::Validation(epoch)) => (epoch as u64 * STEPS, true),
            };
            let checkpoints = folder.path().join("checkpoint");
            assert_eq!(names(&checkpoints), expected(&setup, &outcome.history, steps, stopped), "{case}");
            if at.is_none() {
                let every = setup.policy.every_steps.unwrap_or(u64::MAX);
                let written = (1..=total).filter(|step| step.is_multiple_of(every)).count() + setup.epochs;
                assert_eq!(outcome.checkpoints.written, written, "{case}");
            }
            let outcome = setup.train(&alone, folder.path(), update, None);
            assert_eq!(names(&checkpoints), expected(&setup, &outcome.history, total, false), "{case}, and on");
            assert_eq!(names(folder.path()), ["checkpoint", "train", "valid"], "{case}");
            for path in files(folder.path()).keys() {
                assert!(path.ends_with(".ckpt") || path.ends_with(".log"), "{path}, {case}");
            }
        }
    }
}

/// Writes checkpoints by the clock, too.
#[test]
fn checkpoints_come_by_the_clock() {
    let alone = drawing_alone();
    let mut setup = Setup::default();
    setup.policy = CheckpointPolicy { every: Some(Duration::ZERO), every_steps: None, ..setup.policy };
    let folder = new_folder();
    let outcome = setup.train(&alone, folder.path(), update, None);
    assert_eq!(outcome.checkpoints.written as u64, 3 * STEPS + 3);
    setup.policy.every = Some(Duration::from_secs(3600));
    let folder = new_folder();
    let outcome = setup.train(&alone, folder.path(), update, None);
    assert_eq!(outcome.checkpoints.written, 3);
}

#[test]
fn a_checkpoint_of_another_training_is_refused() {
    let alone = drawing_alone();
    let setup = Setup { fingerprint: "one".to_owned(), ..Setup::default() };
    let folder = new_folder();
    setup.train(&alone, folder.path(), update, Some(Break::Signal(8)));
    let before = files(folder.path());
    let other = Setup { fingerprint: "another".to_owned(), ..Setup::default() };
    let outcome = other.train(&alone, folder.path(), update, None);
    let path = last_checkpoint(folder.path()).expect("a checkpoint");
    let error = outcome.end.expect_err("another training");
    assert!(matches!(&error, EngineError::Fingerprint { .. }), "{error:?}");
    let expected = format!("{} is of another training: its fingerprint is `one`, expected `another`", path.display());
    assert_eq!(error.to_string(), expected);
    assert!(outcome.best.is_none() && outcome.history.epochs.is_empty());
    // Another optimizer, and another net.
    let momentum = |_: &Net| GradientUpdate::new(MomentumConfig::new().init().expect("in range"));
    let error = setup.train(&alone, folder.path(), momentum, None).end.expect_err("another optimizer");
    assert!(matches!(&error, EngineError::Misfit { .. }), "{error:?}");
    assert!(error.to_string().starts_with(&format!("{} does not fit: ", path.display())), "{error}");
    assert!(files(folder.path()) == before, "nothing is written where nothing is trained");
    // What was refused is as good as it was.
    let unbroken = setup.unbroken(&alone, update);
    let outcome = setup.train(&alone, folder.path(), update, None);
    let differences = Trace::new(&outcome, folder.path()).differences(&unbroken);
    assert!(differences.is_empty(), "{differences:#?}");
}

// ---------------------------------------------------------------------------------------------------------------------
// A machine that fails

/// Copies its folder at each of some steps, whatever is being written there.
struct Copying<U> {
    update: U,
    taken: u64,
    folder: PathBuf,
    copies: Vec<(u64, PathBuf)>,
}

/// Copies what there is; what goes meanwhile is left out.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).into_iter().flatten().flatten() {
        let to = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &to),
            false => _ = fs::copy(entry.path(), to),
        }
    }
}

impl<U: Update<Net>> Update<Net> for Copying<U> {
    fn step(&mut self, model: Net, batch: PointBatch, step: &Step) -> Result<(Net, ClassificationOutput), EngineError> {
        self.taken += 1;
        if let Some((_, to)) = self.copies.iter().find(|(step, _)| *step == self.taken) {
            copy(&self.folder, to);
        }
        self.update.step(model, batch, step)
    }

    fn to_record(&self) -> OptimizerRecord {
        self.update.to_record()
    }

    fn load_record(&mut self, record: OptimizerRecord, model: &Net) -> Result<(), RecordMismatch> {
        self.update.load_record(record, model)
    }
}

/// What is on the disk at any moment is enough to go on with.
#[test]
fn a_training_that_is_killed_goes_on_to_the_bit() {
    let alone = drawing_alone();
    let setup =
        Setup { policy: CheckpointPolicy { every_steps: Some(1), ..CheckpointPolicy::default() }, ..Setup::default() };
    let folder = new_folder();
    let copied: Vec<(u64, PathBuf)> =
        [1, 2, 3, 6, 7, 9, 12, 13, 16, 18].map(|step| (step, folder.path().join(format!("copy-{step}")))).to_vec();
    let original = folder.path().join("original");
    let outcome = setup.train(
        &alone,
        &original,
        |net| Copying { update: update(net), taken: 0, folder: original.clone(), copies: copied.clone() },
        None,
    );
    let unbroken = Trace::new(&outcome, &original);
    assert_eq!(unbroken.end, "Ok(Complete)");
    for (step, copy) in copied {
        // What was being written then, for certain.
        fs::create_dir_all(copy.join("checkpoint")).expect("a folder");
        fs::write(copy.join("checkpoint/.tmpAbC123"), "burn-descent che").expect("a file");
        let known = position(&copy).step;
        assert!(known < step && known + 3 >= step, "{known} of {step}");
        let outcome = setup.train(&alone, &copy, update, None);
        let differences = Trace::new(&outcome, &copy).differences(&unbroken);
        assert!(differences.is_empty(), "killed in step {step}: {differences:#?}");
    }
}

/// What cannot be written ends a training, which goes on once it can.
#[test]
fn a_disk_that_refuses_is_told_and_gone_on_from() {
    let alone = drawing_alone();
    let setup = Setup::default();
    let unbroken = setup.unbroken(&alone, update);
    for (name, epochs) in [("checkpoint", 0), ("valid/epoch-1", 0), ("train/epoch-2", 1), ("valid/epoch-3", 2)] {
        let folder = new_folder();
        // A file where a folder is to be, from the first batch on.
        let obstacle = folder.path().join(name);
        let mut refused = setup.clone();
        let path = obstacle.clone();
        refused.points.hook = Arc::new(move |places| {
            if places.epoch == 1 && !path.exists() {
                fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
                fs::write(&path, "").expect("a file");
            }
            Ok(())
        });
        // Every checkpoint is waited for by the next.
        let outcome = refused.train(&alone, folder.path(), update, None);
        let error = outcome.end.expect_err("a folder that is none");
        assert!(matches!(&error, EngineError::File(FileError::Io { .. })), "{name}: {error:?}");
        assert!(error.to_string().contains(&obstacle.display().to_string()), "{name}: {error}");
        assert_eq!(outcome.history.last_epoch(), epochs, "{name}");
        fs::remove_file(&obstacle).expect("a file");
        let outcome = setup.train(&alone, folder.path(), update, None);
        let differences = Trace::new(&outcome, folder.path()).differences(&unbroken);
        assert!(differences.is_empty(), "{name}: {differences:#?}");
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Damage

/// A small training, and its last checkpoint.
struct Damaged {
    folder: tempfile::TempDir,
    path: PathBuf,
    whole: Vec<u8>,
}

impl Damaged {
    fn new(setup: &Setup, alone: &super::Alone) -> Self {
        let folder = new_folder();
        setup.train(alone, folder.path(), update, Some(Break::Signal(8)));
        let path = last_checkpoint(folder.path()).expect("a checkpoint");
        let whole = fs::read(&path).expect("a checkpoint");
        Self { folder, path, whole }
    }

    /// What is said of a checkpoint with these bytes.
    fn told(&self, bytes: &[u8]) -> Result<(), String> {
        fs::write(&self.path, bytes).expect("a file");
        match read_progress(self.folder.path()) {
            Ok(_) => Ok(()),
            Err(EngineError::File(error @ FileError::Damaged { .. })) => {
                assert!(error.to_string().starts_with(&format!("{} is damaged: ", self.path.display())), "{error}");
                Err(error.to_string())
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}

#[test]
fn no_damaged_checkpoint_is_gone_on_from() {
    let alone = drawing_alone();
    let setup = Setup::default();
    let damaged = Damaged::new(&setup, &alone);
    let (whole, path) = (&damaged.whole, damaged.path.display().to_string());
    assert_eq!(damaged.told(whole), Ok(()));
    let mut bytes = whole.clone();
    for place in 0..whole.len() {
        bytes[place] ^= 1 << (place % 8);
        assert!(damaged.told(&bytes).is_err(), "byte {place}");
        bytes[place] = whole[place];
    }
    for length in 0..whole.len() {
        assert!(damaged.told(&whole[..length]).is_err(), "length {length}");
    }
    for more in [&[0][..], &whole[..]] {
        assert!(damaged.told(&[whole, more].concat()).is_err());
    }
    // An engine says the same, trains nothing and leaves the rest as it is.
    for place in (0..whole.len()).step_by(whole.len() / 24).chain([whole.len() - 1]) {
        bytes[place] ^= 0xff;
        fs::write(&damaged.path, &bytes).expect("a file");
        bytes[place] = whole[place];
        let before = files(damaged.folder.path());
        let outcome = setup.train(&alone, damaged.folder.path(), update, None);
        let error = outcome.end.expect_err("a damaged checkpoint").to_string();
        assert!(error.starts_with(&path), "{error}");
        assert!(outcome.best.is_none() && outcome.history.epochs.is_empty());
        assert!(files(damaged.folder.path()) == before, "byte {place}");
    }
    // Whole again, it is as good as it was.
    fs::write(&damaged.path, whole).expect("a file");
    let unbroken = setup.unbroken(&alone, update);
    let outcome = setup.train(&alone, damaged.folder.path(), update, None);
    let differences = Trace::new(&outcome, damaged.folder.path()).differences(&unbroken);
    assert!(differences.is_empty(), "{differences:#?}");
}

/// Changes of bytes: taken out, put in, written over.
fn edits() -> impl Strategy<Value = Vec<(prop::sample::Index, usize, Vec<u8>)>> {
    prop::collection::vec((any::<prop::sample::Index>(), 0_usize..40, prop::collection::vec(any::<u8>(), 0..40)), 1..4)
}

fn edited(whole: &[u8], edits: &[(prop::sample::Index, usize, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for (place, removed, added) in edits {
        let start = place.index(bytes.len() + 1);
        let end = (start + removed).min(bytes.len());
        bytes.splice(start..end, added.iter().copied());
    }
    bytes
}

#[test]
fn no_change_of_a_checkpoint_goes_unnoticed() {
    let damaged = Damaged::new(&Setup::default(), &drawing_alone());
    let whole = &damaged.whole;
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() });
    let result = runner.run(&edits(), |edits| {
        let bytes = edited(whole, &edits);
        prop_assume!(bytes != *whole);
        prop_assert!(damaged.told(&bytes).is_err());
        // With a digest that fits, whatever it is, nothing panics.
        let content = edited(&whole[..whole.len() - 32], &edits);
        let forged = [&content[..], Sha256::digest(&content).as_slice()].concat();
        let _ = damaged.told(&forged);
        Ok(())
    });
    match result {
        Ok(()) => {}
        Err(TestError::Fail(reason, edits)) => panic!("{reason}: {edits:?}"),
        Err(error) => panic!("{error}"),
    }
}

/// A best epoch's checkpoint that was damaged since is an error where its weights are asked for.
#[test]
fn a_damaged_best_epoch_is_told() {
    let alone = drawing_alone();
    let setup = Setup { policy: CheckpointPolicy::default(), ..Setup::default() };
    let folder = new_folder();
    setup.train(&alone, folder.path(), update, Some(Break::Signal(8)));
    let path = folder.path().join("checkpoint/step-6.ckpt");
    let mut bytes = fs::read(&path).expect("a checkpoint");
    bytes[100] ^= 1;
    fs::write(&path, bytes).expect("a file");
    let outcome = setup.train(&alone, folder.path(), update, None);
    let error = outcome.end.expect_err("a damaged checkpoint").to_string();
    assert!(error.starts_with(&format!("{} is damaged: ", path.display())), "{error}");
    assert!(path.exists());
}
