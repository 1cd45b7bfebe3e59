//! The experiments as their user meets them: tiny real runs, and mistakes answered in one line.

use crate::digits::{digits, write_parts};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// A folder with 300 training and 100 test digits, and small sparse files.
fn sandbox() -> TempDir {
    let sandbox = tempfile::tempdir().expect("a temporary folder");
    write_parts(sandbox.path(), &digits(0, 300), &digits(300, 100));
    // The class is whether feature 2 is there; feature 1 says nothing.
    let line = |index: usize| if index.is_multiple_of(3) { "+1 1:1 2:1\n" } else { "-1 1:1\n" };
    for (name, rows) in [("a9a", 200), ("a9a.t", 50)] {
        fs::write(sandbox.path().join(name), (0..rows).map(line).collect::<String>()).expect("the file is written");
    }
    sandbox
}

/// Runs an example, which `cargo test` has built.
fn run(example: &str, sandbox: &TempDir, arguments: &str) -> Output {
    let test = std::env::current_exe().expect("this test's own path");
    let profile = test.parent().and_then(Path::parent).expect("target/PROFILE/deps");
    let program = profile.join("examples").join(example);
    assert!(program.exists(), "{} is missing: run `cargo build --examples` first", program.display());
    let mut command = Command::new(program);
    command.args(arguments.split_whitespace()).arg("--data").arg(sandbox.path()).current_dir(sandbox.path());
    command.env_remove("A9A_DIR").env_remove("RUST_BACKTRACE").output().expect("the program starts")
}

fn succeeds(example: &str, sandbox: &TempDir, arguments: &str) -> String {
    let output = run(example, sandbox, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Exit status 2, one line with all of `parts`, and nothing written.
fn fails(example: &str, sandbox: &TempDir, arguments: &str, parts: &[&str]) {
    let output = run(example, sandbox, arguments);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "`{arguments}`: {text}");
    for part in parts {
        assert!(text.contains(part), "`{arguments}`: `{part}` is not in: {text}");
    }
    assert!(!sandbox.path().join("artifacts").exists(), "`{arguments}` wrote something");
}

fn json(path: PathBuf) -> Value {
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

const RACE: &str =
    "--validation-images 60 --epochs 2 --seeds 2 --grid 0.3,1 --every 2 --optimizers sgd,nadam:dozat,asgd";

#[test]
fn a_race_ranks_its_runners() {
    let sandbox = sandbox();
    let printed = succeeds("race", &sandbox, &format!("{RACE} --a9a ."));
    let folder = sandbox.path().join("artifacts/race");
    let report = fs::read_to_string(folder.join("report.md")).expect("a report");
    for problem in ["mnist", "a9a"] {
        let runners = json(folder.join(format!("{problem}.json")));
        let runners = runners.as_array().expect("a list");
        assert_eq!(runners.len(), 3);
        let final_losses = |runner: &Value| -> Vec<f64> {
            let tried = runner["best"].as_array().expect("a list").iter();
            tried
                .map(|tried| {
                    tried["curve"].as_array().and_then(|curve| curve.last()?["loss"].as_f64()).expect("a loss")
                })
                .collect()
        };
        let means: Vec<f64> = runners.iter().map(|runner| final_losses(runner).iter().sum::<f64>() / 2.0).collect();
        assert!(means.is_sorted(), "{problem}: {means:?}");
        for (runner, mean) in runners.iter().zip(&means) {
            let name = runner["name"].as_str().expect("a name");
            let row = report
                .lines()
                .find(|line| line.starts_with(&format!("| {name} ")) && line.contains(&format!("{mean:.4} ±")));
            assert!(row.is_some(), "{problem}: no row of {name} with {mean:.4} in {report}");
            // The rate that runs is the best of those tried.
            let tried = runner["grid"].as_array().expect("a list");
            let lowest =
                tried.iter().map(|tried| tried["curve"].as_array().and_then(|curve| curve.last()?["loss"].as_f64()));
            let lowest = lowest.map(|loss| loss.unwrap_or(f64::INFINITY)).fold(f64::INFINITY, f64::min);
            assert_eq!(final_losses(runner)[0], lowest, "{problem}: {name}");
        }
        let picture = fs::read_to_string(folder.join(format!("{problem}.svg"))).expect("a picture");
        assert!(picture.starts_with("<svg") && picture.contains("nadam:dozat"), "{problem}");
    }
    assert!(report.lines().filter(|line| !line.starts_with("# ")).all(|line| printed.contains(line)));
    let again = TempDir::with_prefix("again").expect("a temporary folder");
    write_parts(again.path(), &digits(0, 300), &digits(300, 100));
    succeeds("race", &again, RACE);
    let curves = |sandbox: &TempDir| {
        let mut runners = json(sandbox.path().join("artifacts/race/mnist.json"));
        for runner in runners.as_array_mut().expect("a list") {
            for tried in ["grid", "best"].map(|part| runner[part].take()) {
                for tried in tried.as_array().expect("a list") {
                    assert!(tried["seconds"].as_f64().expect("a number") > 0.0);
                }
                runner["curves"] =
                    tried.as_array().expect("a list").iter().map(|tried| tried["curve"].clone()).collect();
            }
        }
        runners
    };
    assert_eq!(curves(&sandbox), curves(&again), "the same seeds should give the same race");
}

/// Second-order methods take part, and the protocol counts trials that reach its target.
#[test]
fn a_race_by_the_protocol_counts_trials() {
    let sandbox = sandbox();
    let flags = "--protocol --validation-images 60 --seconds 0.3 --optimizers adam,lbfgs";
    let printed = succeeds("race", &sandbox, flags);
    assert!(printed.contains("of 15") && printed.contains("lbfgs"), "{printed}");
    let entries = json(sandbox.path().join("artifacts/race/protocol.json"));
    let entries = entries.as_array().expect("a list");
    assert_eq!(entries.len(), 2);
    for entry in entries {
        let trials = entry["trials"].as_array().expect("a list");
        assert_eq!(trials.len(), 15);
        let late = trials.iter().filter_map(|trial| trial["seconds"].as_f64()).find(|seconds| *seconds > 0.3);
        assert_eq!(late, None, "{entry}");
    }
    assert!(sandbox.path().join("artifacts/race/protocol.md").is_file());
    let empty = self::sandbox();
    fails("race", &empty, "--protocol --seconds 0", &["--seconds", "0", "above 0"]);
}

/// Second-order methods beside others on a network, and what lies between networks.
#[test]
fn curvature_and_sharpness_are_looked_at() {
    let sandbox = sandbox();
    let flags = "--seconds 0.2 --seeds 2 --grid 1 --train-images 150 --only adam,lbfgs,hessian";
    for task in ["classes", "autoencoder"] {
        let printed = succeeds("curvature", &sandbox, &format!("--task {task} {flags}"));
        assert!(printed.contains("| hessian-free, whole"), "{printed}");
        let rows = json(sandbox.path().join("artifacts/curvature/curves.json"));
        for row in rows.as_array().expect("a list") {
            let outcomes = row["outcomes"].as_array().expect("a list");
            let curve = outcomes[0]["curve"].as_array().expect("a list");
            let loss = |seen: &Value| seen["loss"].as_f64().expect("a number");
            assert!(outcomes.len() == 2 && loss(&curve[curve.len() - 1]) <= loss(&curve[0]), "{task}: {row}");
        }
    }
    let printed = succeeds("sharpness", &sandbox, "--train-images 150 --epochs 3 --units 8 --lanczos 6 --bend 20");
    assert!(printed.contains("sharpness-aware"), "{printed}");
    let found = json(sandbox.path().join("artifacts/sharpness/sharpness.json"));
    for minimum in found["minima"].as_array().expect("a list") {
        let largest = minimum["largest"][0].as_f64().expect("a number");
        assert!(largest > 0.0 && largest > minimum["lowest"].as_f64().expect("a number"), "{minimum}");
    }
    let empty = self::sandbox();
    fails("curvature", &empty, "--only adamm", &["adamm", "lbfgs, whole"]);
    fails("curvature", &empty, "--seconds 0", &["seconds", "0", "above 0"]);
    fails("curvature", &empty, "--seeds 0", &["seeds", "0", "at least 1"]);
    fails("sharpness", &empty, "--rho -1", &["rho", "-1"]);
}

#[test]
fn mistakes_in_a_race_are_told() {
    let sandbox = sandbox();
    fails("race", &sandbox, "--optimizers sgd,adamm", &["optimizer", "adamm", "nadam"]);
    fails("race", &sandbox, "--grid 1,0", &["--grid", "0", "positive"]);
    fails("race", &sandbox, "--seeds 0", &["--seeds", "0", "at least 1"]);
    fails("race", &sandbox, "--every 0", &["--every", "0", "at least 1"]);
    fails("race", &sandbox, "--epochs 0", &["epochs", "0", "at least 1"]);
    fails("race", &sandbox, "--model rnn", &["model", "rnn", "mlp, cnn"]);
    fails("race", &sandbox, "--validation-images 300", &["validation_images", "300"]);
    fails("race", &sandbox, "--validation-images 60 --a9a nowhere", &["could not read", "nowhere"]);
    fs::write(sandbox.path().join("a9a.t"), "+1 1:1\n+3 1:1\n").expect("the file is written");
    fails("race", &sandbox, "--validation-images 60 --a9a .", &["a9a.t", "line 2", "`+3`"]);
}

const ORDERS: &str = "--validation-images 60 --train-images 200 --epochs 2 --seeds 2 --curriculum linear=0.3,1";

#[test]
fn orders_of_the_images_are_compared() {
    let sandbox = sandbox();
    let printed = succeeds("data_order", &sandbox, &format!("{ORDERS} --tail 0.2"));
    let folder = sandbox.path().join("artifacts/data_order");
    let outcomes = json(folder.join("outcomes.json"));
    let outcomes = outcomes.as_array().expect("a list");
    assert_eq!(outcomes.len(), 2 * (4 + 4 + 2));
    let of = |data: &str, order: &str| {
        let row = outcomes.iter().filter(|outcome| outcome["data"] == data && outcome["order"] == order);
        row.map(|outcome| outcome["test_loss"].as_f64().expect("a loss")).collect::<Vec<f64>>()
    };
    assert_ne!(of("as they are", "shuffled"), of("as they are", "linear=0.3,1epochs"));
    assert_ne!(of("as they are", "shuffled"), of("wrong labels", "shuffled"));
    assert_ne!(of("unequal classes", "shuffled"), of("unequal classes", "balanced"));
    assert_eq!(
        fs::read_to_string(folder.join("report.md")).expect("a report"),
        printed.split_once("\nkept in").expect("a last line").0
    );
}

#[test]
fn mistakes_in_orders_are_told() {
    let sandbox = sandbox();
    fails("data_order", &sandbox, "--seeds 0", &["--seeds", "0", "at least 1"]);
    fails("data_order", &sandbox, "--noise 2", &["--noise", "2", "[0, 1]"]);
    fails("data_order", &sandbox, "--tail nan", &["--tail", "NaN", "[0, 1]"]);
    fails("data_order", &sandbox, "--curriculum step=2,1", &["Pacing", "start", "(0, 1]"]);
    fails("data_order", &sandbox, "--curriculum step", &["--curriculum", "linear|root|step"]);
}

#[test]
fn the_adadelta_tables_are_made() {
    let sandbox = sandbox();
    let printed = succeeds("adadelta_table", &sandbox, "--epochs 2 --train-images 200");
    let folder = sandbox.path().join("artifacts/adadelta");
    let cells = json(folder.join("cells.json"));
    let cells = cells.as_array().expect("a list");
    assert_eq!(cells.len(), 15 + 12);
    for cell in cells {
        let errors: Vec<f64> = cell["errors"].as_array().expect("a list").iter().filter_map(Value::as_f64).collect();
        assert_eq!(errors.len(), 2);
        assert!(printed.contains(&format!("| {:.2}", errors[1])), "{:.2} is not in {printed}", errors[1]);
    }
    assert_eq!(
        fs::read_to_string(folder.join("report.md")).expect("a report"),
        printed.split_once("\nkept in").expect("a last line").0
    );
}

#[test]
fn mistakes_in_the_adadelta_tables_are_told() {
    let sandbox = sandbox();
    fails("adadelta_table", &sandbox, "--epochs 0", &["epochs", "0", "at least 1"]);
    fails("adadelta_table", &sandbox, "--backend gpu", &["gpu", "flex"]);
}

#[test]
fn transfer_is_compared_with_a_start_from_scratch() {
    let sandbox = sandbox();
    let tiny =
        "--fashion-data . --labels 20,60 --steps 4 --epochs 1 --train-images 100 --validation-images 60 --seeds 2";
    let printed = succeeds("transfer", &sandbox, tiny);
    let folder = sandbox.path().join("artifacts/transfer");
    let outcomes = json(folder.join("outcomes.json"));
    // Two tasks, two numbers of labels, five ways, two seeds.
    assert_eq!(outcomes.as_array().map(Vec::len), Some(40));
    let report = fs::read_to_string(folder.join("report.md")).expect("a report");
    for part in ["mnist to fashion", "synthetic to mnist", "gradual unfreezing", "gain over scratch", "±"] {
        assert!(report.contains(part) && printed.contains(part), "`{part}` is not in: {report}");
    }
}

#[test]
fn mistakes_in_a_transfer_are_told() {
    let sandbox = sandbox();
    fails("transfer", &sandbox, "--seeds 0 --fashion-data .", &["seeds", "at least one"]);
    fails("transfer", &sandbox, "--labels 0 --validation-images 60 --fashion-data .", &["train_images", "at least 1"]);
    fails("transfer", &sandbox, "--validation-images 60 --fashion-data nowhere", &["nowhere"]);
}

const TASKS: &str = "--train-images 200 --epochs 2 --seeds 2 --weights 0.5";

#[test]
fn weights_of_two_tasks_are_compared() {
    let sandbox = sandbox();
    let printed = succeeds("multitask", &sandbox, TASKS);
    let folder = sandbox.path().join("artifacts/multitask");
    let outcomes = json(folder.join("outcomes.json"));
    let outcomes = outcomes.as_array().expect("a list");
    let of =
        |weights: &str| -> Vec<&Value> { outcomes.iter().filter(|outcome| outcome["weights"] == weights).collect() };
    let rows = ["class alone", "angle alone", "fixed, 1 and 0.5", "learned"];
    let in_degrees = ["fixed, 1 and 1, angle in degrees", "learned, angle in degrees"];
    assert_eq!(outcomes.len(), 2 * (rows.len() + in_degrees.len()));
    for weights in rows.iter().chain(&in_degrees) {
        for outcome in of(weights) {
            assert_eq!(outcome["accuracy"].is_number(), *weights != "angle alone", "{outcome}");
            assert_eq!(outcome["angle_error"].is_number(), *weights != "class alone", "{outcome}");
            assert_eq!(outcome["uncertainties"].is_array(), weights.starts_with("learned"), "{outcome}");
        }
        assert!(printed.contains(&format!("| {weights} ")), "no row of {weights} in {printed}");
    }
    let ratio = |weights: &str| of(weights)[0]["ratio"].as_f64();
    assert_eq!(ratio("fixed, 1 and 0.5"), Some(0.5));
    // The variance of the angles, uniform within 45 degrees to either side, is 675 square degrees.
    assert!(ratio("fixed, 1 and 1, angle in degrees").is_some_and(|ratio| (ratio - 675.0).abs() < 1e-9));
    assert!(ratio("learned").is_some_and(|ratio| ratio != 0.5), "weights that are learned move");
    assert_eq!(
        fs::read_to_string(folder.join("report.md")).expect("a report"),
        printed.split_once("\nkept in").expect("a last line").0
    );
    let again = TempDir::with_prefix("again").expect("a temporary folder");
    write_parts(again.path(), &digits(0, 300), &digits(300, 100));
    assert_eq!(succeeds("multitask", &again, TASKS), printed, "the same seeds should give the same numbers");
}

#[test]
fn mistakes_in_tasks_are_told() {
    let sandbox = sandbox();
    fails("multitask", &sandbox, "--seeds 0", &["--seeds", "0", "at least 1"]);
    fails("multitask", &sandbox, "--epochs 0", &["epochs", "0", "at least 1"]);
    fails("multitask", &sandbox, "--train-images 0", &["train_images", "0", "at least 1"]);
    fails("multitask", &sandbox, "--rotation 181", &["--rotation", "181", "(0, 180]"]);
    fails("multitask", &sandbox, "--uncertainty-rate nan", &["--uncertainty-rate", "NaN", "(0, ∞)"]);
    fails("multitask", &sandbox, "--weights 1,-1", &["TaskWeights", "weights", "-1", "[0, ∞)"]);
    fails("multitask", &sandbox, "--weights 1,two", &["--weights", "two"]);
    fails("multitask", &sandbox, "--backend gpu", &["gpu", "flex"]);
}

/// The rows of a study's tables, each with its table.
fn studied(sandbox: &TempDir) -> Vec<(Value, Value)> {
    let outcomes = json(sandbox.path().join("artifacts/study/outcomes.json"));
    let tables = outcomes.as_array().expect("a list of tables").clone();
    let rows =
        |table: Value| table["rows"].as_array().expect("rows").clone().into_iter().map(move |row| (table.clone(), row));
    tables.into_iter().flat_map(rows).collect()
}

/// What the seeds of a row came to.
fn over_seeds(row: &Value, of: &str) -> Vec<f64> {
    let outcomes = row["outcomes"].as_array().expect("a list of outcomes").iter();
    outcomes.map(|outcome| outcome[of].as_f64().expect("a number")).collect()
}

#[test]
fn techniques_are_studied() {
    let sandbox = sandbox();
    let arguments = "--family ablation --validation-images 60 --train-images 40 --epochs 2 --seeds 2";
    let printed = succeeds("study", &sandbox, arguments);
    let all = studied(&sandbox);
    let row = |table: &str, name: &str| {
        let found = all.iter().find(|(its, row)| its["name"] == table && row["technique"] == name);
        found.unwrap_or_else(|| panic!("{table}: no row {name}")).1.clone()
    };
    for (table, with) in &all {
        let (table, name) = (table["name"].as_str().expect("a name"), &with["technique"]);
        let losses = over_seeds(with, "test_loss");
        assert!(printed.contains(&format!("{:.4} ± ", losses.iter().sum::<f64>() / 2.0)), "{table}: {name}");
        let Some(against) = with["against"].as_str() else { continue };
        // The verdict by hand: two seeds are one degree of freedom.
        let [with_it, without] = [with, &row(table, against)].map(|row| over_seeds(row, "test_accuracy"));
        let gains = [0, 1].map(|seed| 100.0 * (with_it[seed] - without[seed]));
        let (mean, uncertainty) = ((gains[0] + gains[1]) / 2.0, 12.706 * (gains[0] - gains[1]).abs() / 2.0);
        let verdict = match () {
            () if mean > uncertainty => "helps",
            () if -mean > uncertainty => "hurts",
            () => "no_clear_difference",
        };
        assert!((with["accuracy"]["mean"].as_f64().expect("a number") - mean).abs() < 1e-9, "{table}: {name}");
        assert_eq!(with["accuracy"]["verdict"], verdict, "{table}: {name}: {mean} ± {uncertainty}");
    }
    // What is no configuration of a run takes effect too.
    let few = |name: &str, of: &str| over_seeds(&row("few images", name), of);
    for name in ["start from embedded digits", "L2 towards their weights"] {
        assert_ne!(few(name, "test_loss"), few("baseline", "test_loss"), "{name}");
    }
    assert_ne!(few("start there, and L2 towards there", "test_loss"), few("start from embedded digits", "test_loss"));
    assert!(few("L1 on its activations, 0.01", "silent")[0] > few("one hidden layer", "silent")[0]);
    assert!(few("lasso, strong", "zeros")[0] > 0.0);
    let alone = few("ensemble of 5", "members")[0];
    assert!((0.0..=1.0).contains(&alone));
    let views = |name: &str| over_seeds(&row("convolutional", name), "test_loss");
    assert_ne!(views("baseline"), views("views: five-crop"));
    let report = fs::read_to_string(sandbox.path().join("artifacts/study/report.md")).expect("a report");
    assert_eq!(report, printed.split_once("\nkept in").expect("a last line").0);
}

/// The flags in a study's tables are those by which the `mnist` example trains the very configuration.
#[test]
fn flags_of_studied_techniques_are_true() {
    let sandbox = sandbox();
    succeeds("study", &sandbox, "--validation-images 60 --train-images 8 --epochs 1 --seeds 1");
    let mut seen = Vec::new();
    for (table, row) in studied(&sandbox) {
        let flags = row["flags"].as_str().expect("flags").to_owned();
        if seen.contains(&flags) || !(flags.starts_with("--") || flags.is_empty()) {
            continue;
        }
        let name = format!("run-{}", seen.len());
        // A row's flags are in the place of the same ones of its table, which have a value each.
        let shared: Vec<&str> = table["flags"].as_str().expect("flags").split_whitespace().collect();
        let shared = shared.chunks(2).filter(|flag| !flags.split_whitespace().any(|other| other == flag[0]));
        let shared = shared.flatten().copied().collect::<Vec<_>>().join(" ");
        let arguments = format!("{shared} {flags} --plain --name {name}");
        succeeds("mnist", &sandbox, &arguments);
        let config = json(sandbox.path().join("artifacts/mnist").join(name).join("config.json"));
        assert_eq!(config, row["config"], "{arguments}");
        seen.push(flags);
    }
    assert!(seen.len() > 40, "{seen:?}");
}

#[test]
fn studies_of_a_few_techniques_are_reproducible() {
    let arguments = "--family batch,start --only normalization,re-estimated --validation-images 60 --train-images 20 --epochs 2 --seeds 2";
    let [one, other] = [0, 1].map(|_| {
        let sandbox = sandbox();
        succeeds("study", &sandbox, arguments);
        let folder = sandbox.path().join("artifacts/study");
        let picture = fs::read_to_string(folder.join("sigmoid.svg")).expect("a picture");
        assert!(picture.starts_with("<svg") && picture.contains("batch normalization"));
        json(folder.join("outcomes.json"))
    });
    assert_eq!(one, other);
    let names = |tables: &Value| {
        let tables = tables.as_array().expect("tables").iter();
        tables.map(|table| table["name"].as_str().expect("a name").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&one), ["small batches, perceptron", "small batches, convolutional", "deep networks", "sigmoid"]);
    let sandbox = sandbox();
    succeeds("study", &sandbox, &arguments.replace("normalization,re-estimated", "sigmoid"));
    assert_eq!(names(&json(sandbox.path().join("artifacts/study/outcomes.json"))), ["sigmoid"]);
}

#[test]
fn mistakes_in_a_study_are_told() {
    let sandbox = sandbox();
    fails("study", &sandbox, "--seeds 0", &["--seeds", "0", "at least 1"]);
    fails("study", &sandbox, "--train-images 0", &["--train-images", "0", "at least 1"]);
    fails("study", &sandbox, "--epochs 0", &["epochs", "0", "at least 1"]);
    fails("study", &sandbox, "--validation-images 300", &["validation_images", "300"]);
    fails("study", &sandbox, "--validation-images 60 --only dropuot", &["technique", "dropuot", "dropout"]);
    fails("study", &sandbox, "--family ablations", &["--family", "ablations", "ablation"]);
    fails("study", &sandbox, "--dataset cifar", &["cifar", "mnist, fashion"]);
}
