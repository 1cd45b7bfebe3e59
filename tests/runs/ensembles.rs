//! Networks that answer together: how runs train them.

use crate::digits::{digits, write_parts};
use crate::records::{checkpointed, checkpoints, values};
use crate::seeding;
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
use burn_descent::ensemble::Combination;
use burn_descent::optim::NamedOptimizer;
use burn_descent::schedule::Schedule;
use burn_descent::weights::EmaConfig;
use burn_descent_lab::data::DataSource;
use burn_descent_lab::networks::MlpConfig;
use burn_descent_lab::runs::{
    Backend, Diversity, ModelConfig, Run, RunConfig, RunOptions, Sampling, Summary, TrainError,
};
use std::fs;
use std::path::Path;

fn options(folder: &Path) -> RunOptions {
    if !folder.join("t10k-images-idx3-ubyte").exists() {
        write_parts(folder, &digits(0, 200), &digits(200, 50));
    }
    let source = DataSource::new().folder(folder);
    RunOptions { source, overwrite: true, ..RunOptions::new(folder.join("runs")) }
}

fn small(diversity: Diversity, ensemble: usize, epochs: usize) -> RunConfig {
    let schedule: Schedule = "cosine-restarts=2".parse().expect("a schedule");
    RunConfig {
        model: ModelConfig::Mlp(MlpConfig::new().with_widths(vec![16])),
        optimizer: NamedOptimizer::named("nadam").expect("a known optimizer"),
        lr: 0.01,
        schedule,
        validation_images: 50,
        batch_size: 32,
        epochs,
        ensemble,
        diversity,
        backend: Backend::Flex,
        ..RunConfig::default()
    }
}

fn bagged(config: RunConfig) -> RunConfig {
    RunConfig { sampling: Sampling::Bootstrap, ..config }
}

fn train(config: RunConfig, name: &str, options: &RunOptions) -> (Run, Summary) {
    let mut run = Run::create(config, Some(name), options).expect("a new run");
    let summary = run.train(options).expect("the run trains");
    (run, summary)
}

/// The numbers of a file of weights, without the identities of the parameters.
fn weights(run: &Run, file: &str) -> Vec<u8> {
    let path = run.folder().join(file);
    let mut model = burn_descent_lab::runs::Classifier::new(
        &run.config().model,
        run.config().label_smoothing,
        [1, 28, 28],
        10,
        &Device::flex(),
    )
    .expect("a network");
    model = model.try_load_file(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut values = Values(Vec::new());
    model.visit(&mut values);
    values.0
}

struct Values(Vec<u8>);

impl ModuleVisitor for Values {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.extend(param.val().into_data().as_bytes());
    }
}

/// The same in all but time.
fn expect_equal(found: &Summary, expected: &Summary) {
    let timeless = |summary: &Summary| {
        let members =
            summary.members.iter().map(|member| (member.epochs, member.best_epoch, member.images, member.test_loss));
        let members: Vec<_> = members.collect();
        (members, summary.test_loss, summary.test_accuracy, summary.ensemble.clone(), summary.confusion.clone())
    };
    assert_eq!(timeless(found), timeless(expected));
}

#[test]
fn bagging_trains_each_network_on_its_own_sample() {
    let _seed = seeding();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let options = options(folder.path());
    let (run, summary) = train(bagged(small(Diversity::Seeds, 2, 2)), "bagged", &options);
    let (again, same) = train(bagged(small(Diversity::Seeds, 2, 2)), "again", &options);
    let (seeds, _) = train(small(Diversity::Seeds, 2, 2), "seeds", &options);
    expect_equal(&same, &summary);
    for file in ["member-1/model.bpk", "member-2/model.bpk"] {
        assert!(weights(&run, file) == weights(&again, file), "{file}: the same seed should give the same sample");
        assert!(weights(&run, file) != weights(&seeds, file), "{file}: a sample is not the whole");
    }
    assert!(weights(&run, "member-1/model.bpk") != weights(&run, "member-2/model.bpk"));
    let report = summary.ensemble.expect("a report");
    assert_eq!(report.members.len(), 2);
    assert!((report.predicted - report.actual).abs() < 1e-6, "{report}");
    assert!(report.correlations[0][1] < 0.9999, "{report}");
}

#[test]
fn snapshots_are_one_run_and_go_on_after_a_break() {
    let _seed = seeding();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let options = options(folder.path());
    for (name, ema) in [("plain", None), ("averaged", Some(EmaConfig::new().with_decay(0.9)))] {
        let config = |ensemble, epochs| RunConfig { ema, ..small(Diversity::Snapshots, ensemble, epochs) };
        let (unbroken, expected) = train(config(3, 6), &format!("{name}-unbroken"), &options);
        let spans: Vec<_> = expected.members.iter().map(|member| (member.epochs, member.best_epoch)).collect();
        assert_eq!(spans, [(2, 2), (2, 4), (2, 6)]);
        assert_eq!(expected.ensemble.as_ref().map(|report| report.members.len()), Some(3));

        let (broken, _) = train(config(1, 2), &format!("{name}-broken"), &options);
        let path = broken.folder().join("config.json");
        fs::write(&path, serde_json::to_string(&config(3, 6)).expect("JSON")).expect("the configuration is written");
        let mut resumed = Run::open(&options.root, broken.name()).expect("the run");
        resumed.ensure_resumable().expect("two cycles are left");
        expect_equal(&resumed.train(&options).expect("the run trains"), &expected);
        for number in 1..=3 {
            let file = format!("member-{number}/model.bpk");
            assert!(weights(&resumed, &file) == weights(&unbroken, &file), "{name}: {file} differs");
            let last = *checkpoints(unbroken.folder()).last().expect("a checkpoint");
            let trained = checkpointed(unbroken.folder(), number * last / 3);
            let kept = values(&unbroken.folder().join(&file));
            assert_eq!(kept == trained, ema.is_none(), "{name}: {file} is not what was validated");
        }
        // The first cycle is the run that it alone would be.
        let first = values(&unbroken.folder().join("member-1/model.bpk"));
        let last = *checkpoints(unbroken.folder()).last().expect("a checkpoint");
        assert!(ema.is_some() || first == checkpointed(broken.folder(), last / 3));

        // The last two alone are what a run would give that keeps only two.
        let asked = Run::open(&options.root, unbroken.name()).expect("the run").of_last(2);
        let (_, two) = train(config(2, 6), &format!("{name}-two"), &options);
        assert_eq!(two.members.iter().map(|member| member.epochs).collect::<Vec<_>>(), [4, 2]);
        assert_eq!(asked.evaluate(&options, None, None).expect("an evaluation").ensemble, two.ensemble);
    }
}

#[test]
fn a_resumed_ensemble_equals_the_unbroken_one() {
    let _seed = seeding();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let options = options(folder.path());
    for (sampling, name) in [(Sampling::Shuffled, "seeds"), (Sampling::Bootstrap, "bagging")] {
        let config = |networks| RunConfig { sampling, ..small(Diversity::Seeds, networks, 2) };
        let (unbroken, expected) = train(config(3), &format!("{name}-unbroken"), &options);
        let (broken, two) = train(config(2), &format!("{name}-broken"), &options);
        assert_eq!(two.members.len(), 2);
        let path = broken.folder().join("config.json");
        let config = serde_json::to_string(&config(3)).expect("JSON");
        fs::write(&path, config).expect("the configuration is written");
        let mut resumed = Run::open(&options.root, broken.name()).expect("the run");
        assert_eq!(
            resumed.evaluate(&options, None, None).expect("an evaluation").ensemble,
            two.ensemble,
            "two are there"
        );
        resumed.ensure_resumable().expect("a network is left");
        expect_equal(&resumed.train(&options).expect("the run trains"), &expected);
        for number in 1..=3 {
            let file = format!("member-{number}/model.bpk");
            assert!(weights(&resumed, &file) == weights(&unbroken, &file), "{name}: {file} differs");
        }
    }
}

#[test]
fn missing_and_damaged_members_are_told() {
    let _seed = seeding();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let options = options(folder.path());
    for diversity in [Diversity::Seeds, Diversity::Snapshots] {
        let (run, summary) = train(small(diversity, 2, 4), "run", &options);
        let ask = || run.evaluate(&options, None, None);
        assert_eq!(ask().expect("an evaluation").ensemble, summary.ensemble);
        for member in ["member-1", "member-2"] {
            let path = run.folder().join(member).join("model.bpk");
            let right = fs::read(&path).expect("the member is there");
            let error_with = |what: &str| {
                let error = ask().expect_err(what).to_string();
                assert!(error.contains(member) && error.contains("model.bpk"), "{what}: {error}");
                error
            };
            let mut flipped = right.clone();
            flipped[right.len() / 2] ^= 1;
            for damaged in [flipped, right[..right.len() / 2].to_vec(), Vec::new()] {
                fs::write(&path, damaged).expect("the file is damaged");
                assert!(error_with("a damaged member").contains("damaged"));
            }
            fs::remove_file(&path).expect("the file was there");
            assert!(error_with("a missing member").contains("No such file"));
            fs::write(&path, right).expect("the file is mended");
        }
        assert_eq!(ask().expect("an evaluation").ensemble, summary.ensemble);
        let all: Vec<_> = [Combination::Probabilities, Combination::Logits, Combination::Vote]
            .map(|combination| {
                run.clone().combined_by(combination).evaluate(&options, None, None).expect("an evaluation").loss
            })
            .to_vec();
        assert!(all[0] != all[1] && all[1] != all[2], "{all:?}");
        let error = run.clone().of_last(3).evaluate(&options, None, None).unwrap_err().to_string();
        assert_eq!(error, "the members of the ensemble should be at least 1 in number and at most 2, but are 3");
        let one = run.clone().of_last(1).evaluate(&options, None, None).expect("an evaluation");
        assert_eq!((one.loss, one.ensemble), (summary.members[1].test_loss, None));
    }
}

#[test]
fn snapshots_need_as_many_whole_cycles() {
    let snapshots = |schedule: &str, ensemble, epochs| {
        let schedule = schedule.parse().expect("a schedule");
        RunConfig { schedule, ..small(Diversity::Snapshots, ensemble, epochs) }
    };
    let ends = |schedule, ensemble, epochs| snapshots(schedule, ensemble, epochs).snapshots().expect("snapshots");
    assert_eq!(ends("cosine-restarts=2", 3, 6), [2, 4, 6]);
    assert_eq!(ends("cosine-restarts=2", 2, 6), [4, 6], "the last of more cycles");
    assert_eq!(ends("cosine-restarts=1,growth=2", 3, 7), [1, 3, 7]);
    assert_eq!(small(Diversity::Seeds, 3, 6).snapshots().expect("none"), [0; 0]);
    let cases = [
        (
            snapshots("cosine-restarts=2", 4, 6),
            "snapshots should be at most the number of the schedule's cycles, but is 4 with 3",
        ),
        (snapshots("cosine-restarts=4", 1, 6), "epochs should be the end of a cycle"),
        (snapshots("cosine-restarts=9", 1, 6), "epochs should be the end of a cycle"),
        (snapshots("cosine-restarts=20steps", 1, 6), "schedule should be cosine-restarts of whole epochs"),
        (snapshots("one-cycle", 1, 6), "schedule should be cosine-restarts of whole epochs"),
        (
            RunConfig { early_stopping: Some(3), ..snapshots("cosine-restarts=2", 3, 6) },
            "early_stopping should be left out",
        ),
        (snapshots("cosine-restarts=2", 0, 6), "ensemble should be at least 1, but is 0"),
    ];
    for (config, expected) in cases {
        let error = config.check().expect_err(expected);
        assert!(matches!(error, TrainError::Value { .. }), "{error}");
        assert!(error.to_string().starts_with(expected), "{error}");
    }
    let equal = RunConfig { epochs: 12, ..RunConfig::default() }.with_snapshots(3);
    assert_eq!(equal.snapshots().expect("three"), [4, 8, 12]);
    assert!(
        RunConfig { epochs: 12, ..RunConfig::default() }.with_snapshots(5).check().is_err(),
        "12 is no multiple of 5"
    );
    assert!(RunConfig { epochs: 2, ..RunConfig::default() }.with_snapshots(5).check().is_err(), "too few epochs");
    assert!(RunConfig::default().with_snapshots(0).check().is_err());
}
