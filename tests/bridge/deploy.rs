//! What the documentation, the Dockerfile and the examples for deployment say must be so: their names are those of the
//! code.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use konektor_bridge::config::{VARIABLES, built_in_variables};

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name} cannot be read: {error}"))
}

/// The Dockerfile, the README and everything in `config/deploy`: name and text.
fn documents() -> Vec<(String, String)> {
    let entries = fs::read_dir(path("config/deploy")).expect("the examples are there");
    let examples = entries.map(|entry| entry.expect("it can be listed").file_name().into_string().expect("ASCII"));
    let names = examples.map(|name| format!("config/deploy/{name}")).chain(["Dockerfile".into(), "README.md".into()]);
    names.map(|name| (name.clone(), read(&name))).collect()
}

/// Our variables that `text` names. What begins like none of ours is somebody else's.
fn variables<'t>(text: &'t str, known: &BTreeSet<String>) -> BTreeSet<&'t str> {
    let prefixes: BTreeSet<_> = known.iter().filter_map(|name| name.split_once('_')).map(|(first, _)| first).collect();
    let words = text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
    let is_capital = |word: &&str| !word.bytes().any(|byte| byte.is_ascii_lowercase()) && !word.ends_with('_');
    let is_ours = |word: &&str| word.split_once('_').is_some_and(|(first, _)| prefixes.contains(first));
    words.filter(is_capital).filter(is_ours).collect()
}

/// Everything that the bridge reads from its environment.
fn known() -> BTreeSet<String> {
    let service = VARIABLES.iter().map(|variable| variable.name.to_owned());
    service.chain(built_in_variables().into_iter().map(|variable| variable.name)).collect()
}

#[test]
fn every_variable_that_a_document_names_is_one_that_the_bridge_reads() {
    let known = known();
    let documents = documents();
    let unknown = documents.iter().flat_map(|(document, text)| {
        // A secret may come from a file; while it is replaced the old one stands beside it.
        let plain = |name: &&str| name.trim_end_matches("_FILE").trim_end_matches("_OLD").to_owned();
        let unknown = variables(text, &known).into_iter().filter(|name| !known.contains(&plain(name)));
        unknown.map(move |name| format!("{document}: {name}")).collect::<Vec<_>>()
    });
    let unknown: Vec<_> = unknown.collect();
    assert!(unknown.is_empty(), "nobody reads these: {unknown:#?}");
}

#[test]
fn the_readme_links_to_files_that_are_there() {
    let readme = read("README.md");
    let targets = readme.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0));
    let ours = targets.filter(|target| !target.starts_with("http"));
    let broken: Vec<_> = ours.filter(|target| !leads_somewhere(&readme, target)).collect();
    assert!(broken.is_empty(), "these lead nowhere: {broken:?}");
}

/// True when `target` is a file of ours or a heading of the README.
fn leads_somewhere(readme: &str, target: &str) -> bool {
    let Some(anchor) = target.strip_prefix('#') else { return path(target).exists() };
    let headings = readme.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-")).any(|name| name == anchor)
}

#[test]
fn the_image_is_built_from_files_that_are_there_and_let_through() {
    let (dockerfile, ignored) = (read("Dockerfile"), read(".dockerignore"));
    let copies =
        dockerfile.lines().filter_map(|line| line.strip_prefix("COPY ")).filter(|copy| !copy.starts_with("--"));
    let sources = copies.flat_map(|copy| copy.split(' ').rev().skip(1));
    for source in sources {
        assert!(path(source).exists(), "the Dockerfile copies {source}, which is not there");
        assert!(ignored.lines().any(|line| line == format!("!{source}")), ".dockerignore keeps {source} out");
    }
}

#[test]
fn the_image_runs_on_the_debian_that_it_is_built_on_with_the_rust_that_is_asked_for() {
    let dockerfile = read("Dockerfile");
    let (debian, number) = ("trixie", "debian13");
    assert!(dockerfile.contains(&format!("FROM rust:{}-slim-{debian} ", env!("CARGO_PKG_RUST_VERSION"))));
    assert!(dockerfile.contains(&format!("FROM gcr.io/distroless/cc-{number}:nonroot")));
}

#[test]
fn what_the_image_and_the_unit_run_is_a_command_of_the_bridge() {
    let (dockerfile, unit) = (read("Dockerfile"), read("config/deploy/konektor-bridge.service"));
    let array = |begin: &str| {
        let (_, array) = dockerfile.split_once(begin).unwrap_or_else(|| panic!("the Dockerfile has no {begin:?}"));
        let line = array.lines().next().expect("something stands there");
        serde_json::from_str::<Vec<String>>(line).expect("it is written as an array")
    };
    let (health, entry, command) = (array(" CMD "), array("\nENTRYPOINT "), array("\nCMD "));
    let started = unit.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/")).expect("it starts");
    let started = started.split(' ').map(str::to_owned).collect();
    for words in [health, [entry, command].concat(), started] {
        assert_eq!(words[0], env!("CARGO_PKG_NAME"));
        let mut help = Command::new(env!("CARGO_BIN_EXE_konektor-bridge"));
        let known = help.args(&words[1..]).arg("--help").output().expect("the bridge can be run");
        assert!(known.status.success(), "{words:?} is no command");
    }
}
