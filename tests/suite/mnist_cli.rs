//! The `mnist` example as its user meets it: tiny real runs, and each mistake answered in one line.
#![cfg(unix)]

use crate::digits::{digits, write_parts};
use burn_descent::optim::NamedOptimizer;
use burn_descent_lab::data::{EmbeddedDigits, write_gray_png, write_rgb_png};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};
use tempfile::TempDir;

/// A network and a split that train in milliseconds.
const TINY: &str = "--model mlp --widths 16 --validation-images 50 --plain";
/// Images to train on and to test on.
const IMAGES: [usize; 2] = [300, 100];

// ---------------------------------------------------------------------------------------------------------------------
// The program and a place to run it

/// A folder with `data` and, once a run is made, `runs`.
struct Sandbox(TempDir);

impl Sandbox {
    fn new() -> Self {
        let sandbox = Self(tempfile::tempdir().expect("a temporary folder"));
        sandbox.write_data(&sandbox.data());
        sandbox
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn data(&self) -> PathBuf {
        self.path("data")
    }

    fn runs(&self) -> PathBuf {
        self.path("runs")
    }

    /// Drawn digits, as the four files of MNIST.
    fn write_data(&self, folder: &Path) {
        fs::create_dir(folder).expect("a new folder");
        let [train, test] = IMAGES.map(|images| images as u64);
        write_parts(folder, &digits(0, train), &digits(train, test));
    }

    /// The program, to be run in the sandbox with `arguments` (between spaces), on its data.
    fn command(&self, arguments: &str) -> Command {
        let mut command = self.bare(arguments);
        command.arg("--data").arg(self.data());
        command
    }

    fn bare(&self, arguments: &str) -> Command {
        let mut command = self.raw(arguments);
        command.arg("--artifacts").arg(self.runs());
        command
    }

    /// The program with these arguments and no others.
    fn raw(&self, arguments: &str) -> Command {
        let mut command = Command::new(program());
        command.args(arguments.split_whitespace()).current_dir(self.0.path());
        command.env("XDG_CACHE_HOME", self.path("cache")).env_remove("RUST_BACKTRACE");
        command.env_remove("MNIST_DIR").env_remove("FASHION_MNIST_DIR");
        command
    }

    /// What the program prints, which succeeds.
    fn succeeds(&self, arguments: &str) -> String {
        let output = self.command(arguments).output().expect("the program starts");
        assert!(output.status.success(), "`{arguments}` ended with {}: {}", output.status, stderr(&output));
        stdout(&output)
    }

    /// Runs the program without data, and gives what it printed.
    fn succeeds_bare(&self, arguments: &str) -> String {
        let output = self.bare(arguments).output().expect("the program starts");
        assert!(output.status.success(), "{arguments}: {}", stderr(&output));
        stdout(&output)
    }

    /// Trains under `name` and gives the printed table.
    fn trains(&self, name: &str, arguments: &str) -> String {
        self.succeeds(&format!("{TINY} --name {name} {arguments}"))
    }

    /// Exit status 2, one line that has all of `parts` in it, and no file changed.
    fn fails(&self, arguments: &str, parts: &[&str]) {
        self.fails_with(self.command(arguments), parts);
    }

    fn fails_with(&self, mut command: Command, parts: &[&str]) {
        let before = files(self.0.path());
        let output = command.output().expect("the program starts");
        one_line(&output, parts);
        assert_eq!(differences(&before, &files(self.0.path())), [""; 0], "{parts:?}: left files behind");
    }

    /// The same for what the command line's parser refuses: its first line tells, then it points to `--help`.
    fn is_refused(&self, arguments: &str, parts: &[&str]) {
        let before = files(self.0.path());
        let output = self.command(arguments).output().expect("the program starts");
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "`{arguments}`: {text}");
        let line = text.lines().next().unwrap_or_default();
        assert!(line.starts_with("error: "), "`{arguments}`: {text}");
        assert!(parts.iter().all(|part| line.contains(part)), "`{arguments}`: {parts:?} is not all in: {line}");
        assert!(!text.contains("panicked"), "`{arguments}`: {text}");
        assert_eq!(differences(&before, &files(self.0.path())), [""; 0], "`{arguments}` left files behind");
    }

    fn run(&self, name: &str) -> PathBuf {
        self.runs().join(name)
    }

    fn json(&self, name: &str, file: &str) -> Value {
        json(&self.run(name).join(file))
    }

    fn summary(&self, name: &str) -> Value {
        self.json(name, "summary.json")
    }

    /// The metrics of each epoch, without the time it took.
    fn epochs(&self, name: &str) -> Vec<Value> {
        epochs(&self.run(name))
    }

    /// A run that has one of its three epochs behind it.
    fn unfinished(&self, name: &str) {
        self.trains(name, "--epochs 1");
        let path = self.run(name).join("config.json");
        let mut config = json(&path);
        config["epochs"] = 3.into();
        fs::write(path, config.to_string()).expect("the configuration is written");
    }
}

/// The compiled example beside this test, `target/PROFILE/examples/mnist`.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(find_program)
}

fn find_program() -> PathBuf {
    let test = std::env::current_exe().expect("this test's own path");
    let profile = test.parent().and_then(Path::parent).expect("target/PROFILE/deps");
    let program = profile.join("examples").join("mnist");
    let built = modified(&program);
    // `cargo test` builds the examples, but `cargo test --test mnist_cli` does not.
    let advice = "run `cargo build --example mnist` first";
    assert!(built.is_some(), "{} is missing: {advice}", program.display());
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = files(&root.join("src"))
        .into_keys()
        .chain(files(&root.join("crates/burn-descent/src")).into_keys())
        .chain([root.join("examples").join("mnist.rs")]);
    for source in sources.filter(|path| path.is_file()) {
        assert!(modified(&source) <= built, "{} is older than {}: {advice}", program.display(), source.display());
    }
    program
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn one_line(output: &Output, parts: &[&str]) {
    let text = stderr(output);
    assert_eq!(output.status.code(), Some(2), "{parts:?}: {text}");
    assert!(text.starts_with("error: "), "{parts:?}: {text}");
    assert_eq!(text.lines().count(), 1, "{parts:?}: not one line: {text}");
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

/// An IDX file of bytes.
fn idx(sizes: &[usize], items: &[u8]) -> Vec<u8> {
    let magic = 0x0800 + sizes.len() as u32;
    let header = [magic].into_iter().chain(sizes.iter().map(|size| *size as u32)).flat_map(u32::to_be_bytes);
    header.chain(items.iter().copied()).collect()
}

fn put(folder: &Path, name: &str, bytes: &[u8]) {
    fs::write(folder.join(name), bytes).expect("the file is written");
}

fn json(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn epochs(run: &Path) -> Vec<Value> {
    let mut epochs = json(&run.join("history.json"))["epochs"].as_array().expect("a list of epochs").clone();
    for epoch in &mut epochs {
        epoch.as_object_mut().expect("the metrics of an epoch").remove("seconds");
    }
    epochs
}

/// Every file under a folder, and folders as files without contents.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        }
        found.insert(path.clone(), fs::read(&path).unwrap_or_default());
    }
    found
}

/// The files that are new, gone or changed.
fn differences(before: &BTreeMap<PathBuf, Vec<u8>>, after: &BTreeMap<PathBuf, Vec<u8>>) -> Vec<String> {
    let paths = before.keys().chain(after.keys());
    let mut changed: Vec<_> = paths.filter(|path| before.get(*path) != after.get(*path)).collect();
    changed.sort();
    changed.dedup();
    changed.iter().map(|path| path.display().to_string()).collect()
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(120), "two minutes without {what}");
        sleep(Duration::from_millis(2));
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Runs

#[test]
fn a_run_learns_and_leaves_everything_in_its_folder() {
    let sandbox = Sandbox::new();
    let printed = sandbox.trains("first", "--epochs 20 --backend flex");
    let records = ["config.json", "data.json", "history.json", "metrics.csv", "metrics.jsonl", "summary.json"];
    for file in records.into_iter().chain(["model.bpk", "model.bpk.sha256", "experiment.log"]) {
        assert!(sandbox.run("first").join(file).is_file(), "{file} is missing");
    }
    for metric in ["train/epoch-1/Loss.log", "train/epoch-20/Accuracy.log", "valid/epoch-20/Loss.log"] {
        assert!(sandbox.run("first").join(metric).is_file(), "{metric} is missing");
    }
    let summary = sandbox.summary("first");
    let accuracy = number(&summary["test_accuracy"]);
    assert!((0.5..=1.0).contains(&accuracy), "20 epochs on drawn digits should teach something, but {accuracy}");
    assert_eq!((&summary["stopped"], &summary["model"]), (&Value::Null, &"mlp".into()));
    assert_eq!((&summary["optimizer"], &summary["backend"]), (&"nadam".into(), &"flex".into()));
    // Weights and biases, and four numbers a unit of batch normalization.
    assert_eq!(summary["parameters"], 784 * 16 + 4 * 16 + 16 * 10 + 10);
    assert_eq!(sandbox.epochs("first").len(), 20);
    let metrics = fs::read_to_string(sandbox.run("first").join("metrics.csv")).expect("metrics");
    assert!(metrics.lines().count() == 21 && metrics.starts_with("epoch,train_loss,"), "{metrics}");
    let best = sandbox.json("first", "history.json")["best_epoch"].clone();
    let losses: Vec<f64> = sandbox.epochs("first").iter().map(|epoch| number(&epoch["validation_loss"])).collect();
    assert!(losses.iter().all(|loss| *loss >= losses[best.as_u64().expect("an epoch") as usize - 1]));
    assert_eq!(summary["members"][0]["best_epoch"], best);
    let images: u64 = summary["confusion"]
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(Value::as_array)
        .flatten()
        .flat_map(Value::as_u64)
        .sum();
    assert_eq!(images, IMAGES[1] as u64);

    let parts = ["run           first", "network       mlp, 12778 parameters", "optimizer     nadam"];
    let accuracy = format!("test accuracy {:.2} %", 100.0 * accuracy);
    let kept = format!("kept in {}", sandbox.run("first").display());
    for part in parts.into_iter().chain([accuracy.as_str(), &kept]) {
        assert!(printed.contains(part), "`{part}` is not in: {printed}");
    }
}

#[test]
fn the_same_configuration_gives_the_same_run() {
    let sandbox = Sandbox::new();
    sandbox.trains("one", "--epochs 3 --dropout 0.5 --augment --seed 7 --optimizer amsgrad --set beta_1=0.8");
    let config = sandbox.run("one").join("config.json");
    sandbox.succeeds(&format!("--plain --name two --config {}", config.display()));
    for key in ["test_accuracy", "test_loss", "confusion", "optimizer", "seed"] {
        assert_eq!(sandbox.summary("one")[key], sandbox.summary("two")[key], "{key}");
    }
    assert_eq!(sandbox.epochs("one"), sandbox.epochs("two"));
    assert_eq!(sandbox.json("one", "config.json"), sandbox.json("two", "config.json"));

    sandbox.succeeds(&format!("--plain --name three --seed 8 --config {}", config.display()));
    assert_ne!(sandbox.epochs("one"), sandbox.epochs("three"), "another seed should give another run");
}

#[test]
fn a_run_without_a_name_gets_one_that_is_free() {
    let sandbox = Sandbox::new();
    for name in ["mlp-nadam", "mlp-nadam-2", "mlp-nadam-3"] {
        let printed = sandbox.succeeds(&format!("{TINY} --epochs 1"));
        assert!(printed.contains(&format!("run           {name}\n")), "{printed}");
        assert!(sandbox.run(name).join("summary.json").exists());
    }
}

#[test]
fn a_run_is_replaced_only_once_its_successor_can_start() {
    let sandbox = Sandbox::new();
    sandbox.trains("name", "--epochs 2");
    let without_data = format!("{TINY} --name name --overwrite --epochs 1 --data {}", sandbox.path("none").display());
    sandbox.fails_with(sandbox.bare(&without_data), &["no such folder"]);
    sandbox.fails(&format!("{TINY} --name name --overwrite --epochs 0"), &["epochs", "at least 1"]);
    sandbox.trains("name", "--epochs 1 --overwrite");
    assert_eq!(sandbox.epochs("name").len(), 1);
    assert!(!sandbox.run("name").join("train").join("epoch-2").exists(), "the old run's metrics are gone");
    // What is damaged can be replaced, what is no run cannot.
    put(&sandbox.run("name"), "history.json", b"{");
    sandbox.trains("name", "--epochs 2 --overwrite");
    assert_eq!(sandbox.epochs("name").len(), 2);
    fs::create_dir(sandbox.run("other")).expect("a folder");
    put(&sandbox.run("other"), "notes.txt", b"mine");
    sandbox.fails(&format!("{TINY} --name other --overwrite"), &["other", "no run", "config.json", "--name"]);
}

#[test]
fn eval_repeats_the_test() {
    let sandbox = Sandbox::new();
    let printed = sandbox.trains("run", "--epochs 3");
    let evaluated = sandbox.succeeds("eval run");
    let accuracy = format!("test accuracy {:.2} %", 100.0 * number(&sandbox.summary("run")["test_accuracy"]));
    assert!(evaluated.contains(&accuracy), "{accuracy} is not in: {evaluated}");
    assert!(printed.contains(evaluated.trim()), "the whole table should be the same: {printed}{evaluated}");
    assert_eq!(sandbox.succeeds("eval run --views identity"), evaluated);
    let tables = ["flips", "five-crop", "ten-crop", "szegedy"]
        .map(|views| sandbox.succeeds(&format!("eval run --views {views}")));
    assert!(tables.iter().all(|table| table.contains("test accuracy") && *table != evaluated), "{tables:?}");
    let viewed = sandbox.trains("viewed", "--epochs 3 --views flips");
    assert!(viewed.contains(tables[0].trim()), "a run tests as it is asked to: {viewed}{}", tables[0]);
    assert_eq!(sandbox.succeeds("eval viewed"), tables[0]);
    assert_eq!(sandbox.succeeds("eval viewed --views identity"), evaluated);
}

#[test]
fn predict_reads_a_picture() {
    let sandbox = Sandbox::new();
    sandbox.trains("run", "--epochs 20");
    let (pixels, _) = EmbeddedDigits::new(1).digit(0);
    let picture = sandbox.path("zero.png");
    write_gray_png(&picture, 28, 28, &pixels).expect("the picture is written");
    let output = sandbox.bare(&format!("predict run {}", picture.display())).output().expect("the program starts");
    assert!(output.status.success(), "{}", stderr(&output));
    let printed = stdout(&output);
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), 11, "ten classes and the answer: {printed}");
    let share = |line: &str| -> f64 { line.split_whitespace().nth(1).expect("a share").parse().expect("a number") };
    let shares: Vec<f64> = lines[..10].iter().map(|line| share(line)).collect();
    assert!((shares.iter().sum::<f64>() - 100.0).abs() < 0.1, "{printed}");
    let best = (0..10).max_by(|a, b| shares[*a].total_cmp(&shares[*b])).expect("ten shares");
    assert_eq!(lines[10], format!("it reads {best}"));

    let blank = sandbox.path("blank.png");
    write_gray_png(&blank, 28, 28, &[255; 28 * 28]).expect("the picture is written");
    let predict = |path: &Path| sandbox.bare(&format!("predict run {}", path.display()));
    sandbox.fails_with(predict(&blank), &["blank.png", "0 gray levels", "at least 32"]);
    sandbox.fails_with(predict(&sandbox.path("none.png")), &["none.png", "No such file"]);
    sandbox.fails_with(predict(&sandbox.run("run").join("config.json")), &["config.json", "expected a PNG"]);
}

#[test]
fn an_ensemble_averages_its_networks() {
    let sandbox = Sandbox::new();
    let printed = sandbox.trains("pair", "--epochs 3 --ensemble 2 --seed 5");
    let summary = sandbox.summary("pair");
    let members = summary["members"].as_array().expect("members");
    let seeds: Vec<&Value> = members.iter().map(|member| &member["seed"]).collect();
    assert_eq!(seeds, [5, 6]);
    assert_ne!(members[0]["test_loss"], members[1]["test_loss"]);
    // The negative logarithm is convex: the loss of the mean is below the mean of the losses.
    let mean = (number(&members[0]["test_loss"]) + number(&members[1]["test_loss"])) / 2.0;
    assert!(number(&summary["test_loss"]) <= mean);
    for file in ["member-1/model.bpk", "member-2/model.bpk", "member-2/history.json"] {
        assert!(sandbox.run("pair").join(file).is_file(), "{file} is missing");
    }
    assert!(printed.contains("ensemble") && printed.contains("mean"), "{printed}");
    let evaluated = sandbox.succeeds("eval pair");
    assert!(printed.contains(evaluated.trim()), "{printed}{evaluated}");

    // The first member is the run that one network alone would be.
    sandbox.trains("alone", "--epochs 3 --seed 5");
    assert_eq!(sandbox.epochs("alone"), epochs(&sandbox.run("pair").join("member-1")));
}

#[test]
fn ensembles_report_what_they_gain() {
    let sandbox = Sandbox::new();
    for (name, flags) in [("bagged", "--epochs 4 --ensemble 3 --bagging"), ("cycles", "--epochs 6 --snapshots 3")] {
        let printed = sandbox.trains(name, &format!("{flags} --combine vote"));
        let (summary, config) = (sandbox.summary(name), sandbox.json(name, "config.json"));
        assert_eq!((&config["combine"], &config["ensemble"]), (&"vote".into(), &3.into()));
        let report = &summary["ensemble"];
        assert_eq!(report["members"].as_array().map(Vec::len), Some(3), "{report}");
        assert_eq!(report["accuracy"], summary["test_accuracy"]);
        assert!(printed.contains("predicted") && printed.contains("combined by vote"), "{printed}");
        let evaluated = sandbox.succeeds(&format!("eval {name}"));
        assert!(printed.contains(evaluated.trim()), "{printed}{evaluated}");
        let averaged = sandbox.succeeds(&format!("eval {name} --combine probabilities --last 2"));
        assert!(averaged.contains("combined by probabilities") && averaged.contains("/2 + 1/2·"), "{averaged}");
        let picture = sandbox.path("digit.png");
        write_gray_png(&picture, 28, 28, digits(0, 1).image(0)).expect("the picture is written");
        sandbox.succeeds(&format!("predict {name} {} --combine logits", picture.display()));
        sandbox.fails(&format!("eval {name} --last 4"), &["members", "at most 3", "are 4"]);
    }
    assert_eq!(sandbox.json("cycles", "config.json")["schedule"], "cosine-restarts=first=2epochs,growth=1,minimum=0");
    assert_eq!(sandbox.epochs("cycles").len(), 6, "snapshots are one run");
    sandbox.fails("--plain --resume cycles --snapshots 2", &["`cycles`", "ensemble is 3", "2 was asked for"]);
    let member = sandbox.run("cycles").join("member-2/model.bpk");
    fs::remove_file(member).expect("the snapshot was there");
    sandbox.fails("eval cycles", &["member-2/model.bpk", "No such file"]);
    sandbox.fails(&format!("{TINY} --epochs 4 --snapshots 5"), &["snapshots", "cycles", "is 5 with 4"]);
    sandbox.fails(&format!("{TINY} --epochs 4 --snapshots 2 --schedule cosine"), &["schedule", "cosine-restarts"]);
    sandbox.is_refused("--plain --snapshots 2 --bagging", &["--snapshots", "--bagging"]);
    sandbox.is_refused("--plain --ensemble 2 --sampling balanced --bagging", &["--sampling", "--bagging"]);
    sandbox.trains("last-seed", "--epochs 1 --ensemble 2 --seed 18446744073709551615");
    sandbox.is_refused("--plain --combine mean", &["--combine", "`mean`", "probabilities, logits, vote"]);
}

#[test]
fn early_stopping_keeps_the_best_weights() {
    let sandbox = Sandbox::new();
    let printed = sandbox.trains("early", "--epochs 200 --early-stopping 2 --schedule constant --lr 0.02");
    let history = sandbox.json("early", "history.json");
    let (epochs, best) = (sandbox.epochs("early"), history["best_epoch"].as_u64().expect("an epoch") as usize);
    assert_eq!(history["stopped"], "no lower validation loss in 2 epochs");
    assert_eq!(epochs.len(), best + 2, "it should stop two epochs after the best");
    assert!(epochs.len() < 200);
    assert!(printed.contains("stopped       no lower validation loss in 2 epochs"), "{printed}");
    assert_eq!(sandbox.summary("early")["members"][0]["validation_loss"], epochs[best - 1]["validation_loss"]);
    sandbox.fails("--plain --resume early", &["`early`", "complete"]);

    // No epoch is better than the first by so much.
    sandbox.trains("strict", "--epochs 50 --early-stopping 3 --minimum-improvement 100");
    assert_eq!(sandbox.epochs("strict").len(), 4);

    sandbox.trains("accurate", "--epochs 50 --early-stopping 4 --criterion accuracy --schedule constant --lr 0.02");
    let history = sandbox.json("accurate", "history.json");
    let accuracies: Vec<f64> =
        sandbox.epochs("accurate").iter().map(|epoch| number(&epoch["validation_accuracy"])).collect();
    let best = (0..accuracies.len()).rev().max_by(|one, other| accuracies[*one].total_cmp(&accuracies[*other]));
    assert_eq!(history["best_epoch"].as_u64().map(|epoch| epoch as usize - 1), best, "{accuracies:?}");
    assert_eq!(history["stopped"], "no higher validation accuracy in 4 epochs");
    sandbox.fails(&format!("{TINY} --minimum-improvement -1"), &["minimum_improvement", "[0, ∞)", "-1"]);
}

#[test]
fn label_smoothing_has_two_forms() {
    let sandbox = Sandbox::new();
    sandbox.trains("none", "--epochs 2");
    sandbox.trains("others", "--epochs 2 --label-smoothing 0.1");
    sandbox.trains("all", "--epochs 2 --label-smoothing all:0.1");
    assert_eq!(sandbox.json("others", "config.json")["label_smoothing"]["other_classes"], 0.1);
    assert_eq!(sandbox.json("all", "config.json")["label_smoothing"]["all_classes"], 0.1);
    let losses = ["none", "others", "all"].map(|name| number(&sandbox.epochs(name)[1]["train_loss"]));
    assert!(losses[0] != losses[1] && losses[1] != losses[2], "{losses:?}");
}

#[test]
fn augmentation_is_kept_with_the_run() {
    let sandbox = Sandbox::new();
    sandbox.trains("plain", "--epochs 1");
    sandbox.trains("default", "--epochs 1 --augment");
    sandbox.trains("chosen", "--epochs 1 --augment rotation=15,shift=1,noise=0.05");
    let step = |name: &str, index: usize| sandbox.json(name, "config.json")["augment"][index].clone();
    assert_eq!(step("default", 0)["transform"]["rotation"], 10.0);
    assert_eq!(step("chosen", 2)["transform"]["noise"], 0.05);
    sandbox.trains("mixed", "--epochs 2 --augment flip,crop=2,lens=0.2,elastic=1:4,erase=0.2,mixup=0.2,cutmix=1@0.5");
    assert_eq!(step("mixed", 6)["probability"], 0.5);
    let losses = ["plain", "default", "chosen"].map(|name| number(&sandbox.epochs(name)[0]["train_loss"]));
    assert!(losses[0] != losses[1] && losses[1] != losses[2], "{losses:?}");
}

#[test]
fn images_are_split_drawn_and_ordered_as_asked() {
    let sandbox = Sandbox::new();
    sandbox.trains("plain", "--epochs 2");
    let ways = [
        ("stratified", "--split stratified"),
        ("bagging", "--sampling bootstrap"),
        ("balanced", "--sampling balanced"),
        ("easy", "--curriculum linear=0.3,2epochs"),
        ("hard", "--curriculum anti-root=0.3,6steps"),
        ("any", "--curriculum random-step=0.3,1 --sampling bootstrap"),
        ("taught", "--curriculum step=0.3,1 --teacher plain"),
    ];
    let mut losses = vec![number(&sandbox.epochs("plain")[1]["train_loss"])];
    for (name, flags) in ways {
        sandbox.trains(name, &format!("--epochs 2 {flags}"));
        losses.push(number(&sandbox.epochs(name)[1]["train_loss"]));
        assert_eq!(sandbox.run(name).join("difficulty.json").exists(), flags.contains("--curriculum"), "{name}");
    }
    losses.sort_by(f64::total_cmp);
    losses.dedup();
    assert_eq!(losses.len(), 8, "each way should be another: {losses:?}");
    let config = sandbox.json("taught", "config.json");
    assert_eq!((&config["curriculum"], &config["teacher"]), (&"step=0.3,1epochs".into(), &"plain".into()));
    assert_eq!(sandbox.json("bagging", "config.json")["sampling"], "bootstrap");
    assert_eq!(sandbox.json("stratified", "config.json")["split"], "stratified");
    let [own, taught] = ["easy", "taught"].map(|name| sandbox.json(name, "difficulty.json"));
    assert_ne!(own, taught);

    // A teacher looks at whole images, by whatever views it is tested.
    let path = sandbox.run("plain").join("config.json");
    let mut config = json(&path);
    config["views"] = "flips".into();
    fs::write(path, config.to_string()).expect("the configuration is written");
    sandbox.trains("seen", "--epochs 1 --curriculum step=0.3,1 --teacher plain");
    assert_eq!(sandbox.json("seen", "difficulty.json"), taught);

    // A run that goes on needs its teacher no more.
    let path = sandbox.run("taught").join("config.json");
    let mut config = json(&path);
    config["epochs"] = 3.into();
    fs::write(path, config.to_string()).expect("the configuration is written");
    fs::remove_dir_all(sandbox.run("plain")).expect("the teacher was there");
    sandbox.succeeds("--plain --resume taught");
    assert_eq!(sandbox.epochs("taught").len(), 3);
    sandbox.succeeds("find-lr --model mlp --widths 16 --validation-images 50 --curriculum linear=0.3,2");
}

/// At the rate of its own, each preset too.
#[test]
fn every_optimizer_trains() {
    let sandbox = Sandbox::new();
    for preset in NamedOptimizer::names_and_presets() {
        let optimizer = NamedOptimizer::named(&preset).expect("a known preset");
        let (name, run) = (optimizer.name(), preset.replace(':', "-"));
        let printed = sandbox.trains(&run, &format!("--epochs 1 --optimizer {preset}"));
        assert!(printed.contains(&format!("optimizer     {name}\n")), "{printed}");
        let config = sandbox.json(&run, "config.json");
        assert!(config["optimizer"][name].is_object());
        assert_eq!(number(&config["lr"]), optimizer.learning_rate(), "{preset}");
        assert!(number(&sandbox.summary(&run)["test_loss"]).is_finite(), "{preset}");
    }
}

/// So does every second-order method, by name and with its own settings; those with a matrix are told how large it would be.
#[test]
fn every_second_order_method_trains() {
    let sandbox = Sandbox::new();
    for method in ["lbfgs", "conjugate-gradients", "truncated-newton", "hessian-free"] {
        let printed = sandbox.trains(method, &format!("--epochs 1 --batch-size 300 --optimizer {method}"));
        assert!(printed.contains(&format!("optimizer     {method}\n")), "{printed}");
        let config = sandbox.json(method, "config.json");
        assert!(config["minimizer"]["method"][method].is_object(), "{config}");
        assert!(number(&sandbox.summary(method)["test_loss"]).is_finite(), "{method}");
    }
    sandbox.trains("set", "--epochs 1 --optimizer L-BFGS --set history=3 --iterations 2");
    let minimizer = sandbox.json("set", "config.json")["minimizer"].clone();
    assert_eq!((number(&minimizer["method"]["lbfgs"]["history"]), number(&minimizer["iterations"])), (3.0, 2.0));
    sandbox.fails(&format!("{TINY} --optimizer newton"), &["Newton", "parameters takes", "bytes"]);
    sandbox.fails(&format!("{TINY} --optimizer lbfgs --lr 1e-2"), &["lr", "second-order method"]);
    sandbox.fails(&format!("{TINY} --optimizer lbfgs --set m=5"), &["lbfgs", "`m=5`", "history"]);
    sandbox.fails(&format!("{TINY} --iterations 5"), &["iterations", "5", "--optimizer lbfgs"]);
    sandbox.fails(&format!("{TINY} --optimizer lbfg"), &["unknown optimizer `lbfg`", "lbfgs", "nadam"]);
    sandbox.fails(&format!("find-lr {TINY} --optimizer lbfgs"), &["lbfgs", "learning rate"]);
}

/// The norm is logged where it is asked for, and nothing else changes.
#[test]
fn the_gradient_norm_is_logged_where_it_is_asked_for() {
    let sandbox = Sandbox::new();
    sandbox.trains("without", "--epochs 2");
    let printed = sandbox.trains("with", "--epochs 2 --gradient-norm");
    assert!(printed.contains("gradient norm"), "{printed}");
    let norm =
        |name: &str| sandbox.epochs(name).iter().map(|epoch| epoch["gradient_norm"].as_f64()).collect::<Vec<_>>();
    assert_eq!(norm("without"), [None, None]);
    assert!(norm("with").iter().all(|norm| norm.is_some_and(|norm| norm > 0.0)), "{:?}", norm("with"));
    let losses = |name: &str| sandbox.epochs(name).iter().map(|epoch| epoch["train_loss"].clone()).collect::<Vec<_>>();
    assert_eq!(losses("with"), losses("without"));
    let csv = fs::read_to_string(sandbox.run("with").join("metrics.csv")).expect("metrics");
    assert!(csv.lines().next().is_some_and(|line| line.ends_with(",images,gradient_norm")), "{csv}");
    assert!(sandbox.run("with").join("train/epoch-2/Gradient_norm.log").is_file());
    assert!(!sandbox.run("without").join("train/epoch-2/Gradient_norm.log").exists());
}

#[test]
fn every_transform_trains() {
    let sandbox = Sandbox::new();
    let cases = [
        ("sam", "--sam 0.1"),
        ("skip", "--skip-nonfinite 3"),
        ("accumulate", "--accumulate 2"),
        ("centralize", "--centralize"),
        ("value", "--clip-value 0.1"),
        ("norm", "--clip-norm 0.5"),
        ("maximum", "--clip-norm 0.05:inf"),
        ("adaptive", "--adaptive-clip 0.05"),
        ("noise", "--gradient-noise 1e-3"),
        ("lookahead", "--lookahead 5:0.5"),
        ("ema", "--ema 0.9"),
        ("swa", "--swa 2"),
        (
            "all",
            "--sam 0.05 --skip-nonfinite 3 --accumulate 2 --centralize --clip-value 1 --adaptive-clip 0.1 --clip-norm 1:1 \
             --lookahead 2:0.8 --ema 0.9",
        ),
    ];
    sandbox.trains("none", "--epochs 2");
    for (name, flags) in cases {
        sandbox.trains(name, &format!("--epochs 2 {flags}"));
        let accuracy = number(&sandbox.summary(name)["test_accuracy"]);
        assert!(accuracy > 0.1, "{name}: {accuracy}");
        let same = sandbox.epochs(name) == sandbox.epochs("none");
        assert_eq!(same, name == "skip", "{name}: only what skips nothing changes nothing");
        assert!(sandbox.succeeds(&format!("eval {name}")).contains(&format!("{:.2} %", 100.0 * accuracy)), "{name}");
    }
    // Without dropout, which SAM draws for each batch anew, no way up is no way at all.
    for (name, flags) in [("whole", "--dropout 0"), ("whole-sam", "--dropout 0 --sam 0")] {
        sandbox.trains(name, &format!("--epochs 2 {flags}"));
    }
    assert_eq!(sandbox.epochs("whole-sam"), sandbox.epochs("whole"));
    let config = sandbox.json("all", "config.json");
    let kinds = |list: &Value| -> Vec<String> {
        let kind = |transform: &Value| transform.as_object().and_then(|kind| kind.keys().next().cloned());
        list.as_array().into_iter().flatten().filter_map(kind).collect()
    };
    let expected = ["apply_if_finite", "accumulate", "centralize", "clip_value", "adaptive_clip", "clip_norm_by"];
    assert_eq!(kinds(&config["gradients"]), expected, "in the order that --help tells");
    assert_eq!(config["sam"]["rho"], 0.05);
    assert_eq!((config["ema"]["decay"].clone(), config["lookahead"]["period"].clone()), (0.9.into(), 2.into()));
    sandbox.trains("again", &format!("--config {} --clip-norm 1:1", sandbox.run("all").join("config.json").display()));
    assert_eq!(sandbox.epochs("again"), sandbox.epochs("all"), "the same configuration");
}

#[test]
fn hyperparameters_vary() {
    let sandbox = Sandbox::new();
    sandbox.trains("none", "--epochs 2");
    sandbox.trains("constant", "--epochs 2 --vary beta_1=0.9:constant --vary epsilon=1e-8..1e-8");
    assert_eq!(sandbox.epochs("constant"), sandbox.epochs("none"), "what stays is no variation");
    sandbox.trains("rising", "--epochs 2 --vary beta_1=0.1..0.8 --vary beta_1=0.5..0.9 --accumulate 3");
    sandbox.trains("accumulated", "--epochs 2 --accumulate 3");
    assert_ne!(sandbox.epochs("rising"), sandbox.epochs("accumulated"));
    let config = sandbox.json("rising", "config.json");
    assert_eq!(config["vary"], serde_json::json!({ "beta_1": "0.5..0.9:linear" }), "the last one counts");

    let path = sandbox.run("rising").join("config.json").display().to_string();
    sandbox.trains("again", &format!("--config {path}"));
    assert_eq!(sandbox.epochs("again"), sandbox.epochs("rising"), "the same configuration");
    sandbox.trains("other", &format!("--config {path} --optimizer momentum --vary momentum=0.85..0.95:one-cycle"));
    let vary = sandbox.json("other", "config.json")["vary"].clone();
    assert_eq!(vary["momentum"], "0.85..0.95:one-cycle=peak=0.3,start=25,end=10000");
    assert_eq!(vary.as_object().map(|vary| vary.len()), Some(1), "another optimizer has other hyperparameters");

    // Out of range in the last of 40 steps, which the data tell: the run to be replaced is still there.
    let late = "--name none --overwrite --epochs 10 --vary beta_1=0.9:exponential=1.003,per=step";
    sandbox.fails(&format!("{TINY} {late}"), &["Nadam", "beta_1", "[0, 1)", "is 1.00"]);
    sandbox.fails(&format!("{TINY} --vary beta_1=0.5..1.5"), &["Nadam", "beta_1", "[0, 1)", "is 1"]);
    sandbox.fails(&format!("{TINY} --vary beta_3=0..1"), &["nadam", "no number `beta_3`", "known: beta_1, beta_2"]);
    sandbox.fails(
        &format!("{TINY} --optimizer burn-lion --vary beta_1=0..1"),
        &["burn-lion", "Burn's own", "cannot vary"],
    );
    sandbox.fails(&format!("{TINY} --optimizer sgd --vary momentum=0..1"), &["sgd", "no number that could vary"]);
    sandbox.fails(&format!("{TINY} --vary beta_1=0.9:plateau"), &["vary", "plateau", "losses"]);
    sandbox.is_refused("--plain --vary beta_1", &["--vary", "NAME=FROM..TO"]);
    sandbox.is_refused("--plain --vary beta_1=0.9", &["--vary", "VALUE:SCHEDULE", "`0.9`"]);
    sandbox.is_refused("--plain --vary beta_1=0.9:warm", &["--vary", "`warm`", "constant, linear"]);
}

#[test]
fn gradients_that_stay_not_finite_stop_the_run() {
    let sandbox = Sandbox::new();
    let far = format!("{TINY} --name far --epochs 2 --schedule constant --batch-norm false --lr 1e38 --optimizer sgd");
    let output = sandbox.command(&format!("{far} --skip-nonfinite 2")).output().expect("the program starts");
    let parts =
        ["training stopped", "network.", "not finite", "3 such steps in a row", "2 allowed", "lower learning rate"];
    one_line(&output, &parts);
}

/// At a rate at which it loses everything in its first steps, it goes back, twice, to one at which it learns.
#[test]
fn a_run_that_diverges_goes_back() {
    let sandbox = Sandbox::new();
    let far = "--epochs 2 --schedule constant --batch-norm false --lr 1e38 --optimizer sgd";
    let arguments = format!("{TINY} --name back {far} --rollback 2:1e-20");
    let output = sandbox.command(&arguments).output().expect("the program starts");
    let told = "went back to the beginning of epoch 1 at step";
    for (when, text) in [("as it happens", stderr(&output)), ("in the summary", stdout(&output))] {
        assert_eq!(text.matches(told).count(), 2, "{when}: {text}");
    }
    let rollbacks = sandbox.json("back", "history.json")["rollbacks"].clone();
    assert_eq!((rollbacks[0]["epoch"].as_u64(), rollbacks[1]["multiplier"].as_f64()), (Some(1), Some(1e-20 * 1e-20)));
    assert!(rollbacks[1]["reason"].as_str().is_some_and(|reason| reason.contains("not finite")), "{rollbacks}");
    assert_eq!(sandbox.summary("back")["rollbacks"].as_array().map(Vec::len), Some(2));
    assert!(number(&sandbox.summary("back")["test_loss"]).is_finite());

    // What is not finite is no reason for a run that stays finite.
    sandbox.trains("sound", "--epochs 2 --rollback 3");
    sandbox.trains("plain", "--epochs 2");
    assert_eq!(sandbox.epochs("sound"), sandbox.epochs("plain"));
    let output =
        sandbox.command(&format!("{TINY} --name lost {far} --rollback 1")).output().expect("the program starts");
    let lines = stderr(&output);
    let [told, error] = lines.lines().collect::<Vec<_>>()[..] else { panic!("two lines: {lines}") };
    assert!(told.contains("went back"), "{told}");
    assert!(error.contains("not finite") && error.contains("try a lower learning rate"), "{error}");
    sandbox.is_refused("--plain --rollback 0", &["--rollback", "attempts should be at least 1, but is 0"]);
    sandbox.is_refused("--plain --rollback 1:2", &["--rollback", "factor should be in (0, 1), but is 2"]);
    sandbox.is_refused("--plain --rollback x", &["--rollback", "`x`", "3:0.5"]);
}

#[test]
fn every_schedule_trains() {
    let sandbox = Sandbox::new();
    let schedules = [
        ("constant", "constant"),
        ("linear", "linear"),
        ("cosine", "cosine=minimum=0"),
        ("one-cycle", "one-cycle=peak=0.3,start=25,end=10000"),
        ("exponential=0.9", "exponential=beta=0.9,per=epoch"),
        ("step=1:0.5", "step=every=1epochs,factor=0.5"),
        ("step=3steps,k=0.7", "step=every=3steps,k=0.7"),
        ("polynomial=2", "polynomial=power=2"),
        ("time-based=0.1,per=step", "time-based=k=0.1,per=step"),
        ("inverse-sqrt", "inverse-sqrt=k=1,per=epoch"),
        ("cosine-restarts=1", "cosine-restarts=first=1epochs,growth=1,minimum=0"),
        ("plateau=0.5,0", "plateau=factor=0.5,patience=0,threshold=0.0001,cooldown=0,minimum=0"),
        ("warm-up=2steps+cosine", "warm-up=over=2steps,from=0.01,form=before+cosine=minimum=0"),
        ("linear=0.1,1", "linear=end=0.1,over=1epochs,start=1"),
        ("multi-step=1/3steps:0.5", "multi-step=at=1epochs/3steps,factor=0.5"),
        ("triangular=2steps", "triangular=rise=2steps,minimum=0.25,shrink=1,decay=1"),
        ("wsd=1steps:2steps", "wsd=warm-up=1steps,decay=2steps,from=0.01,minimum=0,form=linear"),
        ("constant@1+cosine", "constant@1epochs+cosine=minimum=0"),
    ];
    for (number, (schedule, whole)) in schedules.into_iter().enumerate() {
        let name = format!("schedule-{number}");
        sandbox.trains(&name, &format!("--epochs 2 --schedule {schedule}"));
        assert!(self::number(&sandbox.summary(&name)["test_loss"]).is_finite(), "{schedule}");
        assert_eq!(sandbox.json(&name, "config.json")["schedule"], whole);
    }
    // Runs from before the schedules had parameters.
    let path = sandbox.run("schedule-3").join("config.json");
    let mut config = json(&path);
    config["schedule"] = "one_cycle".into();
    fs::write(path, config.to_string()).expect("the configuration is written");
    sandbox.succeeds("eval schedule-3");
}

#[test]
fn learning_rates_are_tried() {
    let sandbox = Sandbox::new();
    let printed = sandbox.succeeds(&format!("find-lr {TINY}"));
    let curve = sandbox.json("find-lr", "lr_curve.json");
    let points = curve["points"].as_array().expect("a list of points");
    assert!(points.len() > 100 && points[0]["lr"] == 1e-6, "{} points", points.len());
    assert!(printed.contains("steepest descent at ") && printed.contains("lr_curve.json"), "{printed}");
    sandbox.succeeds(&format!("find-lr {TINY}"));
    assert_eq!(sandbox.json("find-lr", "lr_curve.json"), curve, "the same configuration gives the same curve");

    // By the run's own way of taking steps.
    let found = |name: &str, flags: &str| {
        sandbox.succeeds(&format!("find-lr {TINY} --name {name} {flags}"));
        sandbox.json(name, "lr_curve.json")
    };
    assert_eq!(found("by-ones", "--accumulate 1"), curve);
    for (name, flags) in [
        ("norm", "--clip-norm 1e-6"),
        ("sam", "--sam 0.5"),
        ("lookahead", "--lookahead 2:0.1"),
        ("vary", "--vary beta_1=0..0.9"),
    ] {
        assert_ne!(found(name, flags), curve, "{name}");
    }
    let standing = found("standing", "--accumulate 1000");
    assert_eq!(standing["points"].as_array().map(Vec::len), Some(300), "without a step nothing diverges");

    // Beside a run that is there already, and before one of that name.
    sandbox.trains("there", "--epochs 1");
    for name in ["there", "soon"] {
        sandbox.succeeds(&format!("find-lr {TINY} --name {name} --optimizer momentum"));
        assert!(sandbox.run(name).join("lr_curve.json").is_file());
    }
    sandbox.succeeds("eval there");
    sandbox.trains("soon", "--epochs 1");
    assert!(sandbox.run("soon").join("lr_curve.json").is_file(), "a run keeps the curve");
    sandbox.fails(&format!("{TINY} --name soon"), &["soon", "exists already"]);
    sandbox.fails(&format!("find-lr {TINY} --name a/b"), &["`a/b`", "plain folder name"]);
    sandbox.fails(&format!("find-lr {TINY} --set beta_1=1"), &["Nadam", "beta_1", "[0, 1)"]);
    sandbox.is_refused("find-lr --resume there", &["--resume"]);
}

#[test]
fn a_convolutional_network_trains() {
    let sandbox = Sandbox::new();
    let shape = "--model cnn --widths 4,8 --kernels 3,3 --strides 2,2 --hidden 16 --dropout-input 0.1";
    sandbox.succeeds(&format!("{shape} --validation-images 50 --train-images 128 --plain --epochs 1 --name cnn"));
    assert_eq!(sandbox.summary("cnn")["model"], "cnn");
    assert_eq!(sandbox.summary("cnn")["members"][0]["images"], 128);
    sandbox.succeeds("eval cnn");
}

#[test]
fn a_residual_network_trains() {
    let sandbox = Sandbox::new();
    let shape = "--model resnet --widths 4,8 --blocks 0,1 --kernels 3 --dropout 0.1";
    sandbox.succeeds(&format!("{shape} --validation-images 50 --train-images 128 --plain --epochs 1 --name resnet"));
    assert_eq!(sandbox.summary("resnet")["model"], "resnet");
    sandbox.succeeds("eval resnet");
    sandbox.fails(&format!("{shape} --blocks 1"), &["ResNet", "blocks", "2 in number"]);
    sandbox.fails(&format!("{shape} --kernels 3,3"), &["--kernels", "one side", "[3, 3, 3]"]);
    sandbox.fails(&format!("{shape} --strides 1"), &["--strides", "--model resnet"]);
}

/// Takes over a network, tells whose, and refuses what does not fit before anything is written.
#[test]
fn a_run_starts_from_another() {
    let sandbox = Sandbox::new();
    sandbox.trains("old", "--epochs 3");
    sandbox.trains("kept", "--epochs 1 --from old --keep-head --lr 1e-9 --schedule constant");
    let [old, kept] = ["old", "kept"].map(|name| number(&sandbox.summary(name)["test_loss"]));
    assert!((old - kept).abs() < 0.05 * old, "nothing but running statistics has moved: {old}, {kept}");
    sandbox.trains("new", "--epochs 2 --from old --unfreeze 1 --layer-decay 0.5 --ensemble 2");
    sandbox.trains("chain", "--epochs 1 --from new --unfreeze never");
    let together = sandbox.succeeds("eval new chain --combine vote");
    assert!(together.contains("combined by vote") && together.contains("\n       3 "), "{together}");

    sandbox.fails(&format!("{TINY} --name x --from none"), &["no run `none`", "known runs: chain, kept, new, old"]);
    let other = |model: &str| format!("--validation-images 50 --plain --name x --from old {model}");
    sandbox.fails(&other("--model mlp --widths 9"), &["hidden.0.weight", "shape", "expected"]);
    sandbox.fails(&other("--model cnn"), &["no parameter", "blocks.0"]);
    sandbox.fails(&format!("{TINY} --name x --from old --layer-decay 0"), &["Transfer", "layer_decay", "(0, 1]"]);
    sandbox.fails(&format!("{TINY} --name x --unfreeze 1"), &["--from", "a run to start from"]);
    sandbox.is_refused(&format!("{TINY} --name x --from old --unfreeze 0"), &["--unfreeze", "at-once, never"]);
    sandbox.fails(&format!("{TINY} --name old --overwrite --from old"), &["transfer.from", "another run"]);
    assert!(!sandbox.run("x").exists(), "a run that cannot start leaves nothing");
    sandbox.succeeds("eval old");
    sandbox.fails("eval old none", &["no run `none`"]);
}

#[cfg(feature = "ndarray")]
#[test]
fn the_ndarray_backend_trains_and_answers() {
    let sandbox = Sandbox::new();
    sandbox.trains("run", "--epochs 2 --backend ndarray");
    assert_eq!(sandbox.summary("run")["backend"], "ndarray");
    let accuracy = format!("test accuracy {:.2} %", 100.0 * number(&sandbox.summary("run")["test_accuracy"]));
    for backend in ["ndarray", "flex"] {
        let evaluated = sandbox.succeeds(&format!("eval run --backend {backend}"));
        assert!(evaluated.contains(&accuracy), "{backend}: {accuracy} is not in: {evaluated}");
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Data of one's own, and runs as things

fn output_of(mut command: Command) -> String {
    let output = command.output().expect("the program starts");
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output)
}

/// Two colours, ten pictures each, of which the network is to tell one from the other.
#[test]
fn a_folder_of_pictures_trains_and_answers_by_name() {
    let sandbox = Sandbox::new();
    let pictures = sandbox.path("pictures");
    for (class, color) in [("blue", [0, 0, 200]), ("red", [200, 0, 0])] {
        for number in 0..20 {
            let shade = color.map(|value: u8| value.saturating_add(number * 2));
            let path = pictures.join(class).join(format!("{number}.png"));
            write_rgb_png(path, 9, 7, &shade.repeat(63)).expect("a picture");
        }
    }
    let pictures = pictures.display();
    let train = format!("--plain --dataset images --data {pictures} --size 8x8 --model mlp --widths 8 --batch-size 8");
    let printed = output_of(sandbox.bare(&format!("{train} --epochs 20 --name colours")));
    assert!(printed.contains("test accuracy 100.00 %") && printed.contains(" blue"), "{printed}");
    let data = sandbox.json("colours", "data.json");
    assert_eq!((&data["shape"], &data["class_names"]), (&vec![3, 8, 8].into(), &vec!["blue", "red"].into()));
    let one = output_of(sandbox.bare(&format!("predict colours {pictures}/red/3.png")));
    assert!(one.ends_with("it reads red\n"), "{one}");
    let table = sandbox.path("answers.csv");
    output_of(sandbox.bare(&format!("predict colours {pictures}/red {pictures}/blue --csv {}", table.display())));
    let answers = fs::read_to_string(table).expect("the answers");
    assert!(answers.starts_with("example,prediction,blue,red\n") && answers.lines().count() == 41, "{answers}");
    assert_eq!(answers.lines().filter(|line| line.contains("/red/") && line.contains(".png,red,")).count(), 20);
    // Other pictures are other data.
    fs::remove_file(sandbox.path("pictures/red/0.png")).expect("a picture to lose");
    sandbox.fails_with(
        sandbox.bare("--plain --resume colours --epochs 21"),
        &["the data of the run `colours` have changed", "SHA-256"],
    );
    sandbox.fails_with(sandbox.bare("--plain --dataset images"), &["data", "the folder of the pictures"]);
    let sized = format!("--plain --dataset images --data {pictures} --channels 2");
    sandbox.fails_with(sandbox.bare(&sized), &["channels", "1 or 3", "is 2"]);
    sandbox.fails("--plain --size 8x8", &["--size", "--dataset images"]);
}

#[test]
fn a_table_trains_classes_and_numbers() {
    let sandbox = Sandbox::new();
    let table = sandbox.path("houses.csv");
    let row = |number: usize| {
        let (size, colour) = (number % 17, ["red", "blue", "green"][number % 3]);
        let price = 100.0 + 10.0 * size as f64 + if colour == "red" { 50.0 } else { 0.0 };
        let missing = if number.is_multiple_of(29) { String::new() } else { size.to_string() };
        format!("{missing},{colour},{price},{}\n", if price > 200.0 { "dear" } else { "cheap" })
    };
    fs::write(&table, format!("size,colour,price,class\n{}", (0..600).map(row).collect::<String>())).expect("a table");
    let table = table.display();
    let train = format!("--plain --dataset table --data {table} --widths 32 --dropout 0 --batch-size 16 --epochs 12");
    let printed = output_of(sandbox.bare(&format!("{train} --label class --ignore price --name classes")));
    assert!(printed.contains("  dear") || printed.contains(" dear"), "{printed}");
    assert!(number(&sandbox.summary("classes")["test_accuracy"]) > 0.9, "{printed}");
    let numbers = format!("{train} --label price --ignore class --loss mse --name numbers");
    let printed = output_of(sandbox.bare(&numbers));
    assert!(printed.contains("test R² 0.") && printed.contains("root mean squared error"), "{printed}");
    assert!(number(&sandbox.summary("numbers")["regression"]["r_squared"]) > 0.9, "{printed}");
    let new = sandbox.path("new.csv");
    fs::write(&new, "colour,size\nred,3\nblue,16\n").expect("new rows");
    let answers = output_of(sandbox.bare(&format!("predict numbers {}", new.display())));
    let prices: Vec<f64> = answers.lines().filter_map(|line| line.split_whitespace().nth(1)?.parse().ok()).collect();
    assert!(prices.len() == 2 && (prices[0] - 180.0).abs() < 40.0 && (prices[1] - 260.0).abs() < 40.0, "{answers}");

    for (arguments, parts) in [
        ("--label nothing", &["houses.csv", "`nothing`", "`price`"][..]),
        ("--label class --model cnn", &["model", "mlp for a table", "is cnn"]),
        ("--label class --augment", &["augment", "left out for a table"]),
        ("--label price --loss mse --criterion accuracy", &["criterion", "where numbers are predicted"]),
        ("--label class --loss mse", &["houses.csv", "cheap"]),
    ] {
        let command = sandbox.bare(&format!("--plain --dataset table --data {table} {arguments}"));
        sandbox.fails_with(command, parts);
    }
}

#[test]
fn parts_of_a_run_are_chosen_by_flag() {
    let sandbox = Sandbox::new();
    let parts = "--epochs 1 --optimizer adamw --no-decay bias,norm --group output:rate=0.5,optimizer=sgd --loss mse \
                 --drop-last --reestimate --sparse-activations 1e-5 --penalty tie=0.1@norms.0.gamma~norms.0.beta";
    let tied = parts.replace("norms.0.", "network.Mlp.norms.0.");
    sandbox.trains("parts", &format!("--batch-norm true {tied}"));
    let config = sandbox.json("parts", "config.json");
    assert_eq!(config["groups"][1]["paths"], serde_json::json!(["bias", "norm"]));
    assert_eq!(
        (&config["loss"], &config["drop_last"], &config["reestimate"]),
        (&"mse".into(), &true.into(), &true.into())
    );
    let rest = "--validation-images 50 --plain";
    let cnn = "--model cnn --widths 4,8 --kernels 3,3 --strides 1,1";
    sandbox.succeeds(&format!("{cnn} --pools 2,7 --epochs 1 --name pooled {rest}"));
    sandbox.fails(&format!("{cnn} --pools 2 {rest}"), &["Cnn: pools should be 2 in number"]);
    sandbox.fails(&format!("{cnn} --pools 2,20 {rest}"), &["Cnn: pools should be in [1, 14], but is 20"]);
    for (arguments, parts) in [
        ("--no-decay biass", &["no parameter of the module matches", "biass", "bias"][..]),
        ("--prior absent --penalty l2=1", &["no run `absent`"]),
        ("--prior parts", &["prior", "left out without penalties"]),
        ("--pools 2", &["--pools", "mlp", "left out"]),
        ("--loss mse --focal-loss 2", &["focal_loss", "the `loss` is mse"]),
        ("--sparse-activations -1", &["sparse_activations", "[0, ∞)"]),
        ("--group output:rate=2 --from parts --layer-decay 0.5", &["groups", "layer_decay"]),
        ("--penalty tie=1@network.Mlp.output.weight~network.Mlp.output.bias", &["network.Mlp.output.weight", "shape"]),
    ] {
        sandbox.fails(&format!("--model mlp --widths 16 {rest} {arguments}"), parts);
    }
    sandbox.is_refused("--group output:speed=2", &["nothing is called `speed`"]);
    sandbox.is_refused("--penalty tie=1@one", &["tie=STRENGTH@PATH~PATH"]);
}

#[test]
fn weights_are_exported() {
    let sandbox = Sandbox::new();
    sandbox.trains("run", "--epochs 1");
    let written = sandbox.succeeds_bare("export run");
    assert_eq!(written.trim(), sandbox.run("run").join("model.safetensors").display().to_string());
    let file = sandbox.path("weights.safetensors");
    sandbox.succeeds_bare(&format!("export run --layout burn --out {}", file.display()));
    let bytes = fs::read(&file).expect("the file is there");
    let length = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")) as usize;
    let header: Value = serde_json::from_slice(&bytes[8..8 + length]).expect("a header");
    assert_eq!(header["network.output.weight"]["shape"], serde_json::json!([16, 10]));
    sandbox.fails_with(sandbox.bare("export absent"), &["no run `absent`", "known runs: run"]);
    let nowhere = sandbox.run("run").join("config.json/w.safetensors");
    let command = sandbox.bare(&format!("export run --out {}", nowhere.display()));
    sandbox.fails_with(command, &["cannot write", "config.json/w.safetensors"]);
}

#[test]
fn runs_are_listed_compared_and_extended() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.succeeds_bare("runs"), "no runs yet\n");
    sandbox.trains("short", "--epochs 2 --schedule constant");
    sandbox.trains("long", "--epochs 4 --schedule constant");
    let list = sandbox.succeeds_bare("runs");
    assert!(list.lines().count() == 3 && list.contains("short  complete") && list.contains("4/4"), "{list}");
    let comparison = sandbox.succeeds_bare("compare short long");
    assert!(comparison.contains("epochs ") && !comparison.contains("batch_size"), "{comparison}");
    sandbox.fails_with(sandbox.bare("compare short none"), &["no run `none`", "known runs: long, short"]);
    // To more epochs: the same as if it had been asked for them at once.
    sandbox.succeeds("--plain --resume short --epochs 4");
    assert_eq!(sandbox.epochs("short"), sandbox.epochs("long"));
    assert_eq!(sandbox.summary("short")["test_loss"], sandbox.summary("long")["test_loss"]);
    sandbox.fails("--plain --resume short --epochs 3", &["epochs", "at least as many as have been trained", "is 3"]);
}

/// As users write them: what is common to all first, or last.
#[test]
fn options_stand_before_a_subcommand_or_after_it() {
    let sandbox = Sandbox::new();
    sandbox.trains("run", "--epochs 1");
    let (runs, data) = (sandbox.runs().display().to_string(), sandbox.data().display().to_string());
    let output = |arguments: &str| output_of(sandbox.raw(arguments));
    let after = output(&format!("eval run --artifacts {runs} --data {data} --combine logits"));
    assert!(after.contains("test"), "{after}");
    for arguments in [
        format!("--artifacts {runs} --data {data} --combine logits eval run"),
        format!("--artifacts={runs} eval run --combine logits --data {data}"),
        format!("--combine logits eval --artifacts {runs} --data={data} run"),
    ] {
        assert_eq!(output(&arguments), after, "{arguments}");
    }
    assert_eq!(output(&format!("--artifacts {runs} runs")), output(&format!("runs --artifacts {runs}")));
    // What the subcommand does not take is refused on either side.
    sandbox.is_refused("--lr 0.1 runs", &["--lr"]);
    sandbox.is_refused("--epochs 1 --artifacts x eval run", &["--epochs"]);
    // A value is no subcommand.
    sandbox.fails_with(sandbox.raw(&format!("--artifacts {runs} --resume runs --plain")), &["runs"]);
}

#[test]
fn settings_are_searched_and_the_search_goes_on() {
    let sandbox = Sandbox::new();
    let search = format!(
        "tune --over lr=1e-4..1e-1 --over optimizer=adam,sgd --trials 4 --halving 2 --epochs 4 --jobs 2 --artifacts {} -- \
         {TINY} --data {}",
        sandbox.runs().display(),
        sandbox.data().display()
    );
    let found = output_of(sandbox.raw(&search));
    let rows: Vec<&str> = found.lines().filter(|line| line.starts_with("trial-")).collect();
    assert!(rows.len() == 4 && found.contains("the best: --lr="), "{found}");
    let epochs = |row: &str| row.split_whitespace().nth(1).map(str::to_owned);
    assert_eq!((epochs(rows[0]), epochs(rows[3])), (Some("4".to_owned()), Some("1".to_owned())), "{found}");
    assert_eq!(output_of(sandbox.raw(&search)), found, "a search that is over is not made again");
    sandbox.fails_with(sandbox.raw(&search.replace("--trials 4", "--trials 5")), &["name", "new search"]);
    sandbox.fails_with(sandbox.bare("tune --over lr=1e-4..1e-1 --name other"), &["lr=1e-4..1e-1", "--trials N"]);
}

#[test]
fn sizes_that_cannot_be_are_told_before_memory_is_taken() {
    let sandbox = Sandbox::new();
    if !cfg!(target_os = "linux") {
        return;
    }
    sandbox.fails(&format!("{TINY} --widths 1000000000"), &["would take about", "are free"]);
    sandbox.fails(&format!("{TINY} --ensemble 1000000000000"), &["ensemble", "at most 100000", "1000000000000"]);
    let varied = format!("{TINY} --epochs 1000000000000 --vary beta_1=0.8..0.9");
    sandbox.fails(&varied, &["epochs", "1000000000000", "days"]);
    sandbox.trains("all-at-once", "--epochs 1 --batch-size 1000000000000");
}

// ---------------------------------------------------------------------------------------------------------------------
// Interruptions

/// Some seconds of work in four epochs.
const SLOW: &str = "--model mlp --widths 512,512 --validation-images 50 --plain --epochs 4 --batch-size 2";

/// Starts a slow run, sends it `signal` once `ready`, and gives what it printed; tries again where it was too fast.
fn interrupted(sandbox: &Sandbox, name: &str, signal: &str, ready: impl Fn(&Path) -> bool) -> Output {
    let run = sandbox.run(name);
    for _ in 0..5 {
        let mut command = sandbox.command(&format!("{SLOW} --name {name} --overwrite"));
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        until("a checkpoint", || ready(&run));
        let sent = Command::new("kill").args([signal, &child.id().to_string()]).status();
        assert!(sent.expect("`kill` runs").success(), "the signal should be sent");
        let output = child.wait_with_output().expect("the program ends");
        if !run.join("summary.json").exists() {
            return output;
        }
    }
    panic!("the run was complete before each of five signals");
}

/// Whether an epoch is over and its checkpoint written.
fn one_epoch_over(run: &Path) -> bool {
    !checkpoints(run).is_empty()
}

#[test]
fn an_interrupted_run_saves_and_goes_on() {
    let sandbox = Sandbox::new();
    sandbox.succeeds(&format!("{SLOW} --name unbroken"));
    for signal in ["-INT", "-TERM", "-HUP"] {
        let name = format!("stopped{signal}");
        let output = interrupted(&sandbox, &name, signal, one_epoch_over);
        assert_eq!(output.status.code(), Some(130), "{signal}: {}", stderr(&output));
        let told = stderr(&output);
        assert!(told.starts_with("interrupted in epoch ") && told.contains(&format!("--resume {name}")), "{told}");
        let done = sandbox.epochs(&name);
        assert!((1..4).contains(&done.len()), "{done:?}");
        sandbox.succeeds(&format!("eval {name}"));

        sandbox.succeeds(&format!("--plain --resume {name}"));
        let epochs = sandbox.epochs(&name);
        assert_eq!(epochs.len(), 4);
        assert_eq!(epochs[..done.len()], done, "what was done stays");
        assert_eq!(sandbox.epochs("unbroken"), epochs, "as if it had not been interrupted");
    }
}

/// Killed after its last epoch, but before its weights were kept or tested.
#[test]
fn a_trained_run_without_results_is_finished() {
    let sandbox = Sandbox::new();
    sandbox.trains("late", "--epochs 2");
    let (run, before) = (sandbox.run("late"), sandbox.summary("late"));
    sandbox.fails("--plain --resume late", &["`late`", "complete"]);
    for lost in ["summary.json", "model.bpk"] {
        fs::remove_file(run.join("summary.json")).expect("a summary to lose");
        if lost == "model.bpk" {
            fs::remove_file(run.join(lost)).expect("weights to lose");
            sandbox.fails("eval late", &["`late`", "no kept weights", "epoch 2", "--resume late"]);
        }
        sandbox.succeeds("--plain --resume late");
        assert_eq!(sandbox.summary("late"), before, "without {lost}");
    }
}

/// The names of a run's checkpoints.
fn checkpoints(run: &Path) -> Vec<String> {
    let entries = fs::read_dir(run.join("checkpoint")).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| name.ends_with(".ckpt"));
    names.sort();
    names
}

#[test]
fn a_killed_run_goes_on_as_if_unbroken() {
    let sandbox = Sandbox::new();
    let output = interrupted(&sandbox, "killed", "-KILL", one_epoch_over);
    assert!(!output.status.success());
    assert!(!sandbox.run("killed").join("summary.json").exists());
    sandbox.succeeds(&format!("{SLOW} --name unbroken"));
    // What a program leaves that was killed while it wrote.
    put(&sandbox.run("killed").join("checkpoint"), ".tmpabc", b"half a checkpoint");
    sandbox.succeeds("--plain --resume killed");
    assert_eq!(sandbox.epochs("killed"), sandbox.epochs("unbroken"));
    for key in ["test_accuracy", "test_loss", "confusion"] {
        assert_eq!(sandbox.summary("killed")[key], sandbox.summary("unbroken")[key], "{key}");
    }
    let names = |run: &str| {
        let folder = sandbox.run(run);
        let names = files(&folder).into_keys().map(|path| path.strip_prefix(&folder).map(Path::to_owned));
        names.collect::<Result<Vec<_>, _>>().expect("paths in the folder")
    };
    assert_eq!(names("killed"), names("unbroken"));
}

/// Several programs that start at the same time, in one folder of runs.
#[test]
fn runs_at_the_same_time_keep_apart() {
    let sandbox = Sandbox::new();
    let start = |arguments: String| {
        let mut command = sandbox.command(&arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts")
    };
    // Without names, each gets one.
    let rates = [0.001, 0.002, 0.003, 0.004];
    let children = rates.map(|rate| start(format!("{TINY} --epochs 1 --lr {rate}")));
    for child in children {
        let output = child.wait_with_output().expect("the program ends");
        assert!(output.status.success(), "{}", stderr(&output));
    }
    let runs = ["mlp-nadam", "mlp-nadam-2", "mlp-nadam-3", "mlp-nadam-4"];
    let mut found = runs.map(|run| number(&sandbox.json(run, "config.json")["lr"]));
    found.sort_by(f64::total_cmp);
    assert_eq!(found, rates);
    assert!(runs.iter().all(|run| sandbox.summary(run)["test_accuracy"].is_number()));

    // Of one name there is one run, and the others are told.
    let children = [(); 3].map(|()| start(format!("{SLOW} --name one")));
    let outputs = children.map(|child| child.wait_with_output().expect("the program ends"));
    assert_eq!(outputs.iter().filter(|output| output.status.success()).count(), 1);
    for output in outputs.iter().filter(|output| !output.status.success()) {
        assert!(["in use", "exists already"].iter().any(|told| stderr(output).contains(told)), "{}", stderr(output));
    }
}

#[test]
fn a_run_that_was_killed_in_its_first_epoch_says_so() {
    let sandbox = Sandbox::new();
    interrupted(&sandbox, "young", "-KILL", |run| run.join("config.json").exists());
    if checkpoints(&sandbox.run("young")).is_empty() {
        sandbox.fails("--plain --resume young", &["`young`", "no checkpoint", "--overwrite"]);
        sandbox.fails("eval young", &["`young`", "no checkpoint"]);
    }
}

#[test]
fn a_diverged_run_says_so_and_stays_readable() {
    let sandbox = Sandbox::new();
    let diverges = format!("{TINY} --name far --epochs 4 --schedule constant --batch-norm false --lr 1e30");
    let output = sandbox.command(&diverges).output().expect("the program starts");
    one_line(&output, &["diverged", "epoch 1", "NaN", "lower learning rate"]);
    // Averaged weights diverge with those that train.
    let averaged = format!("{TINY} --name average --epochs 4 --schedule constant --lr 1e38 --ema 0.9");
    let output = sandbox.command(&averaged).output().expect("the program starts");
    one_line(&output, &["diverged", "epoch 1", "NaN", "lower learning rate"]);
    assert_eq!(sandbox.json("far", "history.json")["stopped"], "diverged");
    for again in ["--plain --resume far", "eval far"] {
        sandbox.fails(again, &["diverged", "epoch 1", "NaN", "lower learning rate"]);
    }
}

#[test]
fn a_run_that_fails_keeps_its_best_weights() {
    let sandbox = Sandbox::new();
    sandbox.unfinished("broken");
    let run = sandbox.run("broken");
    fs::remove_file(run.join("model.bpk")).expect("weights to remove");
    fs::remove_dir_all(run.join("train")).expect("metrics to remove");
    put(&run, "train", b"no folder");
    let output = sandbox.command("--plain --resume broken").output().expect("the program starts");
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines.len() == 2 && lines[0].starts_with("kept the weights of epoch ") && lines[1].contains("cannot write"),
        "{text}"
    );
    sandbox.succeeds("eval broken");
}

// ---------------------------------------------------------------------------------------------------------------------
// Mistakes

#[test]
fn wrong_data_are_told() {
    let sandbox = Sandbox::new();
    let train = format!("{TINY} --epochs 1");
    let (images, labels) = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte");
    let pixels = vec![9; IMAGES[0] * 28 * 28];
    let cases: [(&str, Vec<u8>, &[&str]); 8] = [
        (images, idx(&[IMAGES[0]], &[1; IMAGES[0]]), &["magic number", "0x00000801", "expected 0x00000803"]),
        (labels, b"<!DOCTYPE html>".to_vec(), &["magic number", "0x3c21444f", "expected 0x00000801"]),
        (images, idx(&[IMAGES[0], 28, 28], &pixels[1..]), &["truncated", "235215", "expected 235216"]),
        (images, idx(&[IMAGES[0], 28, 28], &pixels)[..7].to_vec(), &["truncated", "7 bytes", "expected 16"]),
        (images, idx(&[299, 28, 28], &pixels[..299 * 28 * 28]), &["300 labels", "expected 299"]),
        (labels, idx(&[IMAGES[0]], &[vec![0; 299], vec![10]].concat()), &["label 299 is 10", "less than 10"]),
        (images, idx(&[0, 28, 28], &[]), &["0 x 28 x 28", "at least 1"]),
        (images, idx(&[IMAGES[0], 14, 14], &pixels[..IMAGES[0] * 196]), &["28 x 28", "expected 14 x 14"]),
    ];
    for (name, bytes, parts) in cases {
        let right = fs::read(sandbox.data().join(name)).expect("the right file");
        put(&sandbox.data(), name, &bytes);
        sandbox.fails(&train, parts);
        put(&sandbox.data(), name, &right);
    }
    for (name, text) in [(images, images), (labels, labels)] {
        let right = fs::read(sandbox.data().join(name)).expect("the right file");
        put(&sandbox.data(), name, &right[..right.len() - 1]);
        sandbox.fails(&train, &[text, &sandbox.data().display().to_string()]);
        put(&sandbox.data(), name, &right);
    }
    let right = fs::read(sandbox.data().join(labels)).expect("the right file");
    put(&sandbox.data(), labels, &idx(&[IMAGES[0]], &[[0, 1, 3].repeat(100)].concat()));
    sandbox.fails(&format!("{train} --sampling balanced"), &["class 2 has no example", "each of 10 classes"]);
    put(&sandbox.data(), labels, &right);
    fs::remove_file(sandbox.data().join(labels)).expect("the file was there");
    sandbox.fails(&train, &["a file is missing", labels]);
    let elsewhere = format!("{train} --data {}", sandbox.path("nowhere").display());
    sandbox.fails_with(sandbox.bare(&elsewhere), &["nowhere", "no such folder", "expected one with"]);
}

#[test]
fn unknown_names_list_the_known() {
    let sandbox = Sandbox::new();
    sandbox.fails("--plain --optimizer adadeltaa", &["unknown optimizer `adadeltaa`", "sgd, momentum, nesterov"]);
    sandbox.fails("--plain --model rnn", &["unknown model `rnn`", "mlp, cnn"]);
    sandbox.is_refused("--plain --schedule warm", &["--schedule", "`warm`", "constant, linear, cosine, one-cycle"]);
    sandbox.is_refused("--plain --schedule plateau=patient=2", &["no parameter `patient`", "factor, patience"]);
    sandbox.is_refused("--plain --schedule time-based=1,per=year", &["per should be step or epoch", "`year`"]);
    sandbox.is_refused("--plain --schedule exponential", &["`exponential`", "exponential=BETA"]);
    sandbox.is_refused("--plain --schedule step=2", &["`step=2`", "step=EPOCHS:FACTOR"]);
    sandbox.is_refused(
        "--plain --dataset cifar",
        &["--dataset", "`cifar`", "mnist, fashion, cifar10, cifar100, synthetic, images, table"],
    );
    sandbox.is_refused("--plain --backend tpu", &["--backend", "`tpu`", "auto, flex, ndarray, wgpu, cuda"]);
    sandbox.is_refused("--plain --augment blur=1", &["--augment", "`blur`", "rotation=DEGREES, shift=PIXELS"]);
    sandbox.is_refused("--plain --augment shift", &["--augment", "`shift`", "shift=PIXELS"]);
    sandbox.is_refused("--plain --augment flip@2", &["--augment", "probability", "[0, 1]", "is 2"]);
    sandbox.is_refused("eval run --views all", &["--views", "`all`", "identity, flips, five-crop, ten-crop, szegedy"]);
    sandbox.is_refused("--plain --split by-hand", &["--split", "`by-hand`", "`random` or `stratified`"]);
    sandbox.is_refused("--plain --sampling all", &["--sampling", "`all`", "`shuffled`, `bootstrap`, `balanced`"]);
    sandbox.is_refused("--plain --curriculum cubic=1,2", &["--curriculum", "`cubic=1,2`", "linear|root|step"]);
    sandbox.fails(&format!("{TINY} --curriculum linear=0.2,1 --teacher none"), &["no run `none`", "known runs: none"]);
    sandbox.is_refused("--plain --epoch 3", &["--epoch"]);
    sandbox.is_refused("evaluate run", &["evaluate"]);
    sandbox.fails(
        &format!("{TINY} --set beta_3=0.9"),
        &["nadam", "`beta_3=0.9`", "no hyperparameter `beta_3`", "known: beta_1, beta_2, epsilon"],
    );
    sandbox.fails(&format!("{TINY} --set beta_1=high"), &["nadam", "`beta_1=high`", "expected f64"]);
    sandbox.fails(&format!("{TINY} --set form=none"), &["nadam", "`form=none`", "expected one of", "lecture"]);
    sandbox.fails(&format!("{TINY} --set beta_1"), &["nadam", "`beta_1`", "NAME=VALUE"]);
    sandbox.is_refused(&format!("{TINY} --penalty l3=1"), &["--penalty", "l3=1", "lasso", "max-norm"]);
    sandbox.fails(&format!("{TINY} --penalty l2=-1"), &["Penalty", "strength", "[0, ∞)", "-1"]);
    sandbox.fails(&format!("{TINY} --penalty l2=1@wieght"), &["wieght", "such as", "weight"]);
    sandbox.fails(&format!("{TINY} --kernels 3"), &["--kernels", "--model mlp", "this network has none"]);
}

#[test]
fn values_out_of_range_are_told() {
    let sandbox = Sandbox::new();
    let cases: [(&str, &[&str]); 43] = [
        ("--curriculum linear=0,1", &["Pacing", "start", "(0, 1]", "is 0"]),
        ("--curriculum anti-root=2,1", &["Pacing", "start", "(0, 1]", "is 2"]),
        ("--curriculum step=0.5,0", &["Pacing", "over", "at least 1", "is 0"]),
        ("--curriculum step=0.5,1 --sampling balanced", &["curriculum", "left out", "balanced", "step=0.5,1epochs"]),
        ("--teacher other", &["teacher", "left out", "`curriculum`", "other"]),
        ("--teacher other --curriculum random-step=0.5,1", &["teacher", "left out", "other"]),
        ("--lr 0", &["lr", "(0, ∞)", "is 0"]),
        ("--lr -1", &["lr", "(0, ∞)", "is -1"]),
        ("--lr nan", &["lr", "(0, ∞)", "is NaN"]),
        ("--epochs 0", &["epochs", "at least 1", "is 0"]),
        ("--batch-size 0", &["batch_size", "at least 1", "is 0"]),
        ("--ensemble 0", &["ensemble", "at least 1", "is 0"]),
        ("--early-stopping 0", &["early_stopping", "at least 1", "is 0"]),
        ("--train-images 0", &["train_images", "at least 1", "is 0"]),
        ("--dropout 1", &["Mlp", "dropout", "[0, 1)", "is 1"]),
        ("--dropout-input -0.1", &["Mlp", "dropout_input", "[0, 1)", "is -0.1"]),
        ("--label-smoothing 1", &["LabelSmoothing", "[0, 1)", "is 1"]),
        ("--label-smoothing all:-0.5", &["LabelSmoothing", "[0, 1)", "is -0.5"]),
        ("--focal-loss -1", &["focal_loss", "[0, ∞)", "is -1"]),
        ("--sam -0.1", &["Sam", "rho", "[0, ∞)", "is -0.1"]),
        ("--sam inf", &["Sam", "rho", "[0, ∞)", "is inf"]),
        ("--clip-norm 0", &["clip_norm", "(0, ∞)", "is 0"]),
        ("--clip-norm 0:inf", &["clip_norm_by", "(0, ∞)", "is 0"]),
        ("--adaptive-clip 0", &["AdaptiveClip", "lambda", "(0, ∞)", "is 0"]),
        ("--clip-value -1", &["ClipValue", "limit", "(0, ∞)", "is -1"]),
        ("--accumulate 0", &["accumulate", "at least 1", "is 0"]),
        ("--gradient-noise -1", &["GradientNoise", "eta", "[0, ∞)", "is -1"]),
        ("--gradient-noise 1:-1", &["GradientNoise", "gamma", "[0, ∞)", "is -1"]),
        ("--optimizer sgd-noise --gradient-noise 0.1", &["gradient_noise", "left out", "of its own"]),
        ("--ema 1", &["Ema", "decay", "[0, 1)", "is 1"]),
        ("--lookahead 0:0.5", &["Lookahead", "period", "at least 1", "is 0"]),
        ("--lookahead 5:2", &["Lookahead", "alpha", "[0, 1]", "is 2"]),
        ("--epochs 3 --swa 4", &["swa", "number of epochs", "is 4"]),
        ("--swa 1 --ema 0.9", &["swa", "`ema`", "is 1"]),
        ("--schedule exponential=0", &["Schedule", "beta", "(0, ∞)", "is 0"]),
        ("--schedule step=0:0.5", &["Schedule", "every", "is 0"]),
        ("--schedule step=1:-2", &["Schedule", "factor", "(0, ∞)", "is -2"]),
        ("--schedule plateau=1.5", &["Schedule", "factor", "(0, 1)", "is 1.5"]),
        ("--schedule warm-up=0+cosine", &["Schedule", "over", "at least 1", "is 0"]),
        ("--set beta_1=1", &["Nadam", "beta_1", "[0, 1)", "is 1"]),
        ("--set epsilon={\"inside\":0}", &["Nadam", "epsilon", "[1.2e-38, ∞)", "is 0"]),
        ("--optimizer adadelta --set rho=-1", &["Adadelta", "rho", "[0, 1)", "is -1"]),
        ("--optimizer sgd-noise --set noise.eta=-1", &["GradientNoise", "eta", "[0, ∞)", "is -1"]),
    ];
    for (arguments, parts) in cases {
        sandbox.fails(&format!("{TINY} {arguments}"), parts);
    }
    sandbox.fails("--plain --model mlp --widths 16,0", &["Mlp", "widths", "(0, ∞)", "is 0"]);
    sandbox.fails("--plain --widths 8 --kernels 4 --strides 1", &["Cnn", "kernels", "odd", "is 4"]);
    sandbox.fails("--plain --widths 8,8 --kernels 3 --strides 1,1", &["Cnn", "kernels", "2 in number", "is 1"]);
    sandbox.fails("--plain --validation-images 300", &["validation_images", "less than", "is 300"]);
    sandbox.fails("--plain --validation-images 0", &["validation_images", "at least 1", "is 0"]);
    sandbox.is_refused("--plain --lr fast", &["--lr", "'fast'", "float"]);
    sandbox.is_refused("--plain --clip-norm 1:3", &["--clip-norm", "1, 2 or inf", "is 1:3"]);
    sandbox.is_refused("--plain --gradient-noise 1:x", &["--gradient-noise", "0.01:0.55", "is 1:x"]);
    sandbox.is_refused("--plain --lookahead 5", &["--lookahead", "5:0.5", "is 5"]);
    sandbox.is_refused("--plain --skip-nonfinite -1", &["--skip-nonfinite", "'-1'"]);
    sandbox.is_refused("--plain --epochs -1", &["--epochs", "'-1'"]);
    sandbox.is_refused("--plain --epochs 1.5", &["--epochs", "'1.5'"]);
    sandbox.is_refused("--plain --label-smoothing much", &["--label-smoothing", "much", "0.1 or all:0.1"]);
    sandbox.is_refused("--plain --augment rotation=200", &["rotation", "[0, 180]", "is 200"]);
}

#[test]
fn a_backend_that_is_not_compiled_in_names_its_feature() {
    let sandbox = Sandbox::new();
    for (backend, compiled_in) in [("wgpu", cfg!(feature = "wgpu")), ("cuda", cfg!(feature = "cuda"))] {
        if compiled_in {
            eprintln!("skipped: {backend} is compiled in");
            continue;
        }
        let feature = format!("--features {backend}");
        sandbox.fails(&format!("{TINY} --backend {backend}"), &[backend, "not compiled in", &feature]);
    }
}

#[test]
fn runs_are_not_mixed_up() {
    let sandbox = Sandbox::new();
    sandbox.fails("--plain --resume none", &["no run `none`", "config.json", "known runs: none"]);
    sandbox.trains("done", "--epochs 1");
    sandbox.unfinished("begun");
    sandbox.fails("--plain --resume bgun", &["no run `bgun`", "config.json", "known runs: begun, done"]);
    sandbox.fails("--plain --resume done", &["`done`", "complete"]);
    sandbox.fails("--plain --resume begun --lr 0.5", &["`begun`", "lr is 0.002", "0.5 was asked for"]);
    sandbox.fails(
        "--plain --resume begun --widths 32 --batch-size 9",
        &["batch_size is 64", "9 was asked for", "model.mlp.widths is [16]", "[32] was asked for"],
    );
    sandbox.fails("--plain --resume begun --sam 0.1", &["`begun`", "sam is null", "{\"rho\":0.1} was asked for"]);
    sandbox.fails("--plain --resume begun --model cnn", &["`begun`", "model is", "mlp", "cnn"]);
    sandbox.is_refused("--plain --resume begun --name other", &["--resume", "--name"]);
    sandbox.fails(&format!("{TINY} --name done"), &["done", "exists already", "--resume", "--overwrite"]);
    for name in ["a/b", "../a", "..", ".", ".hidden", "a\\b"] {
        sandbox.fails(&format!("{TINY} --name {name}"), &[&format!("`{name}`"), "plain folder name"]);
        sandbox.fails(&format!("--plain --resume {name}"), &[&format!("`{name}`"), "plain folder name"]);
        sandbox.fails(&format!("eval {name}"), &[&format!("`{name}`"), "plain folder name"]);
    }
    sandbox.fails("eval none", &["no run `none`", "known runs: begun, done"]);
    sandbox.fails("--plain --config none.json", &["none.json", "No such file"]);
    // The same flags as the run's own are no difference.
    sandbox.succeeds("--plain --resume begun --model mlp --widths 16 --epochs 3");
    assert_eq!(sandbox.epochs("begun").len(), 3);
    sandbox.trains("held", "--epochs 1 --penalty lasso=1e-4@weight");
    fs::remove_file(sandbox.run("held").join("summary.json")).expect("a summary to lose");
    sandbox.fails("--plain --resume held --penalty lasso=1e-3@weight", &["`held`", "penalties"]);
    sandbox.succeeds("--plain --resume held --penalty lasso=1e-4@weight");
}

#[test]
fn damaged_files_are_told() {
    let sandbox = Sandbox::new();
    sandbox.unfinished("run");
    let run = sandbox.run("run");
    let resume = "--plain --resume run";
    let cut = |bytes: &[u8]| bytes[..bytes.len() / 2].to_vec();
    let flip = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        bytes
    };
    let with_damage = |file: &str, damage: &dyn Fn(&[u8]) -> Vec<u8>, command: &str, parts: &[&str]| {
        let path = run.join(file);
        let right = fs::read(&path).expect("the file is there");
        fs::write(&path, damage(&right)).expect("the file is damaged");
        let parts: Vec<&str> = parts.iter().copied().chain([file]).collect();
        sandbox.fails(command, &parts);
        fs::write(&path, right).expect("the file is mended");
    };
    let checkpoint = "checkpoint/step-4.ckpt";
    with_damage(checkpoint, &cut, resume, &["damaged", "SHA-256", "expected"]);
    with_damage(checkpoint, &flip, resume, &["damaged", "SHA-256", "expected"]);
    with_damage(checkpoint, &|_| Vec::new(), resume, &["damaged", "does not begin as a checkpoint does"]);
    with_damage("model.bpk", &flip, "eval run", &["damaged", "SHA-256", "expected"]);
    with_damage("config.json", &cut, resume, &["not a run configuration"]);
    with_damage("config.json", &cut, "eval run", &["not a run configuration"]);
    with_damage("config.json", &|_| b"{}".to_vec(), resume, &["not a run configuration", "missing field"]);
    let edit = |key: &'static str, value: Value| {
        move |bytes: &[u8]| {
            let mut config: Value = serde_json::from_slice(bytes).expect("the configuration");
            config[key] = value.clone();
            config.to_string().into_bytes()
        }
    };
    with_damage("config.json", &edit("colour", 1.into()), resume, &["unknown field `colour`", "expected one of"]);
    with_damage("config.json", &edit("epochs", "many".into()), resume, &["\"many\"", "expected usize"]);

    let path = run.join("config.json");
    let right = fs::read(&path).expect("the configuration");
    let mut wider = json(&path);
    wider["model"]["mlp"]["widths"] = vec![32].into();
    fs::write(&path, wider.to_string()).expect("the configuration is changed");
    sandbox.fails(resume, &[checkpoint, "does not fit", "config.json", "[784, 32]", "[784, 16]"]);
    sandbox.fails("eval run", &["model.bpk", "does not fit", "config.json", "[784, 32]", "[784, 16]"]);
    fs::write(&path, edit("lr", (-1.0).into())(&right)).expect("the configuration is changed");
    sandbox.fails(resume, &["lr", "(0, ∞)", "is -1"]);
    fs::write(&path, right).expect("the configuration is mended");

    // Nothing depends on what is there to be read by others.
    fs::write(run.join("history.json"), b"[").expect("the history is damaged");
    sandbox.succeeds(resume);
    assert_eq!(sandbox.epochs("run").len(), 3);
    fs::remove_dir_all(run.join("checkpoint")).expect("there were checkpoints");
    sandbox.fails(resume, &["`run`", "no checkpoint"]);
}

#[test]
fn a_file_in_the_place_of_the_runs_folder_is_told() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.runs(), "a file").expect("the file is written");
    sandbox.fails(&format!("{TINY} --epochs 1"), &["runs", "cannot create the folder"]);
    sandbox.fails("eval run", &["no run `run`"]);
}

/// A file system of one megabyte, while it lives.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Nothing where this user may not mount one.
    fn mount(path: PathBuf) -> Option<Self> {
        fs::create_dir(&path).expect("a new folder");
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(&path).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success()).then_some(Self(path))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_told() {
    let sandbox = Sandbox::new();
    let Some(disk) = SmallDisk::mount(sandbox.runs()) else {
        eprintln!("skipped: mounting a small file system is not permitted here");
        return;
    };
    // Fills up with the first checkpoint.
    let large = "--model mlp --widths 512 --validation-images 50 --plain --epochs 2";
    let output = sandbox.command(&format!("{large} --name large")).output().expect("the program starts");
    one_line(&output, &["large", "No space left"]);
    // Fills up with the metrics: nothing is left from the start.
    let room = 1 << 20;
    fs::remove_dir_all(sandbox.run("large")).expect("the first run is removed");
    fs::write(disk.0.join("ballast"), vec![0; room - 16 * 1024]).expect("there is room for the ballast");
    let output = sandbox.command(&format!("{TINY} --epochs 2 --name small")).output().expect("the program starts");
    one_line(&output, &["No space left"]);
}
