//! The pictures as their user meets them: drawn anew, checked against the reference set, and mistakes answered in one line.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// Runs the example, which `cargo test` has built.
fn run(folder: &Path, arguments: &[&str]) -> Output {
    let test = std::env::current_exe().expect("this test's own path");
    let profile = test.parent().and_then(Path::parent).expect("target/PROFILE/deps");
    let program = profile.join("examples").join("landscape");
    assert!(program.exists(), "{} is missing: run `cargo build --examples` first", program.display());
    Command::new(program).args(arguments).current_dir(folder).output().expect("the program starts")
}

/// The names of the pictures in a folder, and what is in each.
fn pictures(folder: &Path) -> Vec<(String, String)> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths: BTreeSet<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    let read = |path: &PathBuf| fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    paths.iter().map(|path| (path.file_name().expect("a name").to_string_lossy().into_owned(), read(path))).collect()
}

fn drawn(arguments: &[&str]) -> Vec<(String, String)> {
    let sandbox = tempfile::tempdir().expect("a temporary folder");
    let output = run(sandbox.path(), arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let folder = if arguments.contains(&"--start") { "artifacts/landscape-own" } else { "artifacts/landscape" };
    pictures(&sandbox.path().join(folder))
}

fn reference() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("artifacts/landscape")
}

/// Checks that a text is well-formed XML as far as these pictures use it: tags that close in order, attributes in quotes and
/// once each, no bare `<` or `&`.
fn check_xml(name: &str, text: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        assert!(!open.is_empty() || before.trim().is_empty(), "{name}: text outside the root: {before}");
        check_entities(name, before);
        let (tag, behind) = after.split_once('>').unwrap_or_else(|| panic!("{name}: a tag without an end"));
        rest = behind;
        if let Some(closing) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closing), "{name}: closed out of order");
            continue;
        }
        let element = tag.trim_end_matches('/').trim_end();
        let (kind, mut attributes) = element.split_once(' ').unwrap_or((element, ""));
        let mut seen = BTreeSet::new();
        while !attributes.trim().is_empty() {
            let (key, value) = attributes.split_once("=\"").unwrap_or_else(|| panic!("{name}: <{tag}>"));
            let (value, others) = value.split_once('"').unwrap_or_else(|| panic!("{name}: <{tag}>"));
            check_entities(name, value);
            assert!(seen.insert(key.trim()), "{name}: `{key}` twice in <{tag}>");
            attributes = others;
        }
        if !tag.ends_with('/') {
            open.push(kind);
        }
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "{name}: {open:?} never closed");
}

fn check_entities(name: &str, text: &str) {
    for after in text.split('&').skip(1) {
        let known = ["amp;", "lt;", "gt;", "quot;"].iter().any(|entity| after.starts_with(entity));
        assert!(known, "{name}: a bare `&` in {text}");
    }
}

#[test]
fn pictures_are_drawn_anew_to_the_byte() {
    let again = drawn(&["saddle", "schedules", "correction"]);
    assert_eq!(
        again.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        ["correction.svg", "saddle-moving.svg", "saddle.svg", "schedules.svg"]
    );
    for (name, svg) in again {
        let kept = fs::read_to_string(reference().join(&name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(svg == kept, "{name} is not that of the reference set: draw it anew and look at it");
    }
}

#[test]
fn the_reference_set_is_whole_small_and_well_formed() {
    let list = run(Path::new("."), &["--list"]);
    let list = String::from_utf8_lossy(&list.stdout).into_owned();
    let names: Vec<&str> = list.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.len() > 12, "{list}");
    let kept = pictures(&reference());
    for name in names {
        assert!(kept.iter().any(|(file, _)| *file == format!("{name}.svg")), "no {name}.svg in the reference set");
    }
    let guide =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guide/landscape.md")).expect("the guide");
    for (name, svg) in &kept {
        check_xml(name, svg);
        assert!(svg.len() < 120_000, "{name} is {} bytes long", svg.len());
        assert!(!svg.contains("NaN") && !svg.contains("inf "), "{name} has something that is no number");
        assert!(svg.contains("prefers-color-scheme:dark"), "{name} is for a bright page alone");
        assert_eq!(name.contains("-moving"), svg.contains("<animateMotion"), "{name}");
        assert!(guide.contains(name.as_str()), "{name} is not in docs/guide/landscape.md");
    }
    let bytes: usize = kept.iter().map(|(_, svg)| svg.len()).sum();
    assert!(bytes < 2_000_000, "{bytes} bytes in all");
}

/// Others may race, from elsewhere: the trail is there, and it begins at that start.
#[test]
fn a_race_of_ones_own() {
    let race = |start: &str| drawn(&["ravine", "--start", start, "--optimizers", "lion"]).swap_remove(1).1;
    let (one, other) = (race("-10,1"), race("-10,-1.5"));
    check_xml("ravine.svg", &one);
    assert!(one.contains(">lion<") && !one.contains(">adam<"));
    assert!(one.contains("from (−10, 1)") && other.contains("from (−10, −1.5)"));
    assert_ne!(one, other);
}

/// Exit status 2, a line with all of `parts`, and nothing written.
fn fails(arguments: &[&str], parts: &[&str]) {
    let sandbox: TempDir = tempfile::tempdir().expect("a temporary folder");
    let output = run(sandbox.path(), arguments);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
    for part in parts {
        assert!(text.contains(part), "{arguments:?}: `{part}` is not in: {text}");
    }
    assert!(fs::read_dir(sandbox.path()).expect("the folder").next().is_none(), "{arguments:?} wrote something");
}

#[test]
fn mistakes_are_named_before_anything_is_drawn() {
    fails(&["bale"], &["unknown picture `bale`; known: beale, beale-far,", "did you mean `beale`?"]);
    fails(&["beale", "--optimizers", "adan,atom"], &["unknown optimizer `atom`; known: sgd, momentum"]);
    fails(
        &["saddle", "--start", "3,0"],
        &["saddle: the start (3, 0) is outside the domain: x from −2 to 2 and y from −2 to 2"],
    );
    fails(&["saddle", "--start", "3;0"], &["--start", "two numbers, such as 2,-2"]);
    fails(&["averages", "--start", "1,1"], &["`averages` is no race", "races: beale, beale-far"]);
    fails(&[], &["NAME"]);
    let sandbox = tempfile::tempdir().expect("a temporary folder");
    let file = sandbox.path().join("file");
    fs::write(&file, "").expect("the file is written");
    let folder = file.join("pictures");
    let begun = std::time::Instant::now();
    fails(&["all", "--out", &folder.to_string_lossy()], &["cannot write to", &folder.to_string_lossy()]);
    assert!(begun.elapsed().as_secs() < 10, "refused before the work begins");
}
