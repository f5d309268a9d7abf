//! The rules of the house that reading the source can hold: who imports whom, what pure code may not touch, and how a
//! file looks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The top-level modules from the roof down, and what each may import besides itself. What it imports stands below it,
/// so there are no circles.
const FLOORS: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    ("cli", EVERYTHING),
    ("app", EVERYTHING),
    ("ops", &["http", "providers", "store", "konektor", "metrics", "domain", "clock", "loopback"]),
    ("receive", &["http", "providers", "store", "metrics", "domain", "clock"]),
    ("deliver", &["konektor", "providers", "store", "metrics", "domain", "clock", "outbound"]),
    // What both listeners share.
    ("http", &[]),
    ("metrics", &["domain"]),
    // The halves of the bridge meet in the store only.
    ("store", &["domain", "servers"]),
    ("providers", &["domain"]),
    ("konektor", &["domain", "loopback"]),
    // Not `konektor`: it must not share the client's idea of the wire.
    ("sandbox", &["domain", "clock", "loopback"]),
    ("config", &["loopback", "servers"]),
    ("telemetry", &[]),
    ("clock", &[]),
    ("servers", &[]),
    ("outbound", &["loopback"]),
    ("loopback", &[]),
    ("domain", &[]),
];
const EVERYTHING: &[&str] = &["*"];

/// Modules that decide and do not act: no I/O, and no clock.
const PURE: &[&str] = &[
    "domain/",
    "providers/",
    "konektor/call.rs",
    "konektor/judge.rs",
    "konektor/mod.rs",
    "konektor/permits.rs",
    "konektor/query.rs",
    "konektor/refused.rs",
    "konektor/walk.rs",
    "konektor/wire/",
    "deliver/backfill/mark.rs",
    "deliver/breaker.rs",
    "deliver/engine/",
    "deliver/fold.rs",
    "deliver/identity.rs",
    "deliver/plan/",
    "deliver/quota.rs",
    "deliver/rehearse.rs",
    "deliver/retry.rs",
    "deliver/sort.rs",
    "store/audit.rs",
    "store/day.rs",
    "store/lane.rs",
    "store/limit.rs",
    "store/suspicion.rs",
    "store/time.rs",
];

/// What acts, and therefore does not stand in [`PURE`] code.
const ACTING: &[&str] = &[
    "actix_web",
    "Instant::now",
    "reqwest",
    "rusqlite",
    "std::env",
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "SystemTime",
    "Timestamp::now",
    "tokio",
];

/// Lines of code (not blank, not comment, not test) that a file may have.
const MAX_LINES: usize = 400;

/// A source file without its comments and tests.
struct Source {
    /// Its path below `src/`, such as `deliver/plan/mod.rs`.
    path: String,
    /// The whole text.
    text: String,
    /// The text up to the tests, comments taken out.
    code: String,
}

impl Source {
    fn read(file: &Path) -> Self {
        let text = fs::read_to_string(file).expect("a source file is text");
        let path = file.strip_prefix(root().join("src")).expect("it is below src").to_str().expect("names are ASCII");
        let code = code(production(&text));
        Self { path: path.to_owned(), text, code }
    }

    /// The modules down to this file: `deliver/plan/mod.rs` is `["deliver", "plan"]`.
    fn module(&self) -> Vec<&str> {
        self.path.trim_end_matches(".rs").split('/').filter(|part| *part != "mod").collect()
    }

    /// The top-level modules of ours that it names.
    fn imports(&self) -> BTreeSet<&str> {
        // Each `super::` goes up by one; as many as the module is deep lead to the root.
        let up = "super::".repeat(self.module().len());
        ["crate::", "konektor_bridge::", up.as_str()].iter().flat_map(|root| heads(&self.code, root)).collect()
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below `folder` that has this extension, in order.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
    paths.sort();
    let found = paths.into_iter().flat_map(|path| match path.is_dir() {
        true if path.ends_with("target") => Vec::new(),
        true => files(&path, extension),
        false => vec![path],
    });
    found.filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
}

/// All of `src/` but the files that hold tests only.
fn sources() -> Vec<Source> {
    let all = files(&root().join("src"), "rs");
    all.iter().filter(|path| !path.ends_with("tests.rs")).map(|path| Source::read(path)).collect()
}

/// The text before the tests.
fn production(text: &str) -> &str {
    text.find("\n#[cfg(test)]\nmod ").map_or(text, |tests| &text[..tests])
}

/// The lines of `text` that are neither blank nor comments.
fn code(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with("//"));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// The first names after `prefix`, wherever it stands: `a` of `crate::a::b`, `a` and `c` of `crate::{a::b, c}`.
fn heads<'a>(code: &'a str, prefix: &str) -> Vec<&'a str> {
    let starts = code.match_indices(prefix).filter(|(at, _)| !code[..*at].ends_with(is_name));
    starts.flat_map(|(at, _)| group(&code[at + prefix.len()..])).collect()
}

fn group(rest: &str) -> Vec<&str> {
    let Some(inside) = rest.strip_prefix('{') else { return vec![name(rest)] };
    let (mut depth, mut names, mut expected) = (0_u32, Vec::new(), true);
    for (at, character) in inside.char_indices() {
        match character {
            '}' if depth == 0 => break,
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => expected = true,
            _ if expected && is_name(character) => {
                names.push(name(&inside[at..]));
                expected = false;
            }
            _ => {}
        }
    }
    names
}

/// The name that `text` begins with.
fn name(text: &str) -> &str {
    text.split(|character| !is_name(character)).next().unwrap_or_default()
}

fn is_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// True when `word` stands in `code` by itself, not inside of a longer name.
fn has_word(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let (before, after) = (&code[..at], &code[at + word.len()..]);
        !before.ends_with(is_name) && !after.starts_with(is_name)
    })
}

#[track_caller]
fn assert_none(found: Vec<String>, rule: &str) {
    assert!(found.is_empty(), "{rule}\n  {}", found.join("\n  "));
}

#[test]
fn every_module_imports_only_what_stands_below_it() {
    let allowed: BTreeMap<_, _> = FLOORS.iter().copied().collect();
    let mut broken = Vec::new();
    for source in sources().iter().filter(|source| source.path != "lib.rs") {
        let own = source.module()[0];
        let may = allowed.get(own).unwrap_or_else(|| panic!("`{own}` has no floor: give it a line in FLOORS"));
        let other = |import: &&str| allowed.contains_key(import) && *import != own;
        for import in source.imports().into_iter().filter(other) {
            if import == "main" || (!may.contains(&import) && *may != EVERYTHING) {
                broken.push(format!("{} imports {import}", source.path));
            }
        }
    }
    assert_none(broken, "these imports go up or across (FLOORS in tests/bridge/house.rs has the plan):");
}

#[test]
fn the_plan_of_the_floors_has_no_stairs_up() {
    let names: Vec<_> = FLOORS.iter().map(|(name, _)| *name).collect();
    let below = |floor: usize, import: &str| names.iter().position(|name| *name == import) > Some(floor);
    let up = FLOORS.iter().enumerate().flat_map(|(floor, (name, imports))| {
        let up = imports.iter().filter(move |import| **import != "*" && !below(floor, import));
        up.map(move |import| format!("{name} may import {import}"))
    });
    assert_none(up.collect(), "these stand above, or nowhere:");
}

#[test]
fn imports_are_found_however_they_are_written() {
    let code = "use crate::clock::Clock;\nuse crate::{app::{Bridge, run}, domain as words, store};\n\
                fn f() -> crate::konektor::Answer { konektor_bridge::cli::main(); my_crate::ops::x() }";
    let text = code.to_owned();
    let source =
        Source { path: "deliver/plan/mod.rs".into(), text, code: format!("{code}\nuse super::super::receive;") };
    let expected = BTreeSet::from(["app", "cli", "clock", "domain", "konektor", "receive", "store"]);
    assert_eq!(source.imports(), expected);
}

#[test]
fn pure_code_names_nothing_that_acts() {
    let is_pure = |source: &Source| PURE.iter().any(|pure| source.path.starts_with(pure));
    let all = sources();
    let acting = all.iter().filter(|source| is_pure(source)).flat_map(|source| {
        let words = ACTING.iter().filter(|word| has_word(&source.code, word));
        words.map(|word| format!("{} names `{word}`", source.path))
    });
    assert_none(acting.collect(), "pure code does no I/O and asks no clock; pass in what it needs:");
}

#[test]
fn every_file_begins_by_saying_what_it_is_for() {
    let files = ["src", "tests"].iter().flat_map(|folder| files(&root().join(folder), "rs"));
    let silent = files.filter(|file| {
        let text = fs::read_to_string(file).expect("a source file is text");
        // A fuzz target has to begin with `#![no_main]`.
        !text.trim_start_matches("#![no_main]").trim_start().starts_with("//! ")
    });
    assert_none(silent.map(|file| file.display().to_string()).collect(), "these do not begin with `//! what for`:");
}

#[test]
fn no_file_has_more_lines_of_code_than_can_be_kept_in_mind() {
    let long = sources().into_iter().map(|source| (source.code.lines().count(), source.path));
    let long = long.filter(|(lines, _)| *lines > MAX_LINES).map(|(lines, path)| format!("{path} has {lines}"));
    assert_none(long.collect(), "these have more than 400 lines of code; split them by what they are for:");
}

#[test]
fn main_is_arguments_in_and_exit_code_out() {
    let main = Source::read(&root().join("src/main.rs"));
    assert!(main.text.lines().count() <= 40, "src/main.rs has more than 40 lines; they belong in cli");
}

#[test]
fn nothing_is_put_off() {
    // Written in two parts, so that this file does not find itself.
    let words = [["TO", "DO"], ["FIX", "ME"], ["XX", "X"], ["HA", "CK"]].map(|parts| parts.concat());
    let folders = ["src", "tests", "config"].map(|folder| root().join(folder));
    let kinds = ["rs", "sql", "toml", "yaml", "conf", "service", "html"];
    let files = folders.iter().flat_map(|folder| kinds.iter().flat_map(move |kind| files(folder, kind)));
    let later = files.flat_map(|file| {
        let text = fs::read_to_string(&file).expect("a source file is text");
        let found: Vec<_> = words.iter().filter(|word| has_word(&text, word)).cloned().collect();
        found.into_iter().map(move |word| format!("{}: {word}", file.display()))
    });
    assert_none(later.collect(), "do it now or take it out:");
}

#[test]
fn nothing_is_imported_by_a_star() {
    let globs = sources().into_iter().filter(|source| source.code.contains("::*;") || source.code.contains("::*}"));
    assert_none(globs.map(|source| source.path).collect(), "a reader wants to see where a name comes from:");
}

#[test]
fn the_names_of_tests_are_sentences() {
    let files = ["src", "tests"].iter().flat_map(|folder| files(&root().join(folder), "rs"));
    let short = files.flat_map(|file| {
        let text = fs::read_to_string(&file).expect("a source file is text");
        let names: Vec<_> =
            text.split("test]\n").skip(1).filter_map(|rest| Some(name(rest.split_once("fn ")?.1))).collect();
        let few_words = |name: &&&str| name.split('_').count() < 3;
        let short: Vec<_> = names.iter().filter(few_words).map(|name| format!("{}: {name}", file.display())).collect();
        short
    });
    assert_none(short.collect(), "the name of a test says what holds:");
}

#[test]
fn the_benchmark_is_built_as_the_bridge_is() {
    let profile = |manifest| {
        let text = fs::read_to_string(root().join(manifest)).expect("a manifest is text");
        let manifest: toml::Table = text.parse().expect("a manifest is TOML");
        manifest["profile"]["release"].clone()
    };
    let (mut bench, bridge) = (profile("tests/bench/Cargo.toml"), profile("Cargo.toml"));
    let packages = bench["package"].as_table_mut().expect("the profile names packages");
    let ours = packages.remove("konektor-bridge").expect("the bridge is one of them");
    assert_eq!(ours["opt-level"], bridge["opt-level"], "build the bridge as the bridge is built");
    assert_eq!(bench, bridge, "copy the bridge's profile");
}
