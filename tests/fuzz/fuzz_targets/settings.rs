//! The owner's file and one variable: any text. What is wrong is a finding, never a panic, and no finding shows a secret.
//! The first byte says which variable, the first line its value; the rest is the file.
//!
//! Run with `cargo +nightly fuzz run --fuzz-dir tests/fuzz settings` from the top of the repository.

#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use konektor_bridge::app::sources::build_sources;
use konektor_bridge::config::{self, Environment, VARIABLES};
use libfuzzer_sys::fuzz_target;

const SECRET: &str = "hush-hush-0123456789-abcdef";

static FILE: LazyLock<PathBuf> =
    LazyLock::new(|| std::env::temp_dir().join(format!("fuzz-{}.toml", std::process::id())));

fuzz_target!(|text: &str| {
    let Some(which) = text.chars().next() else { return };
    let (value, file) = text[which.len_utf8()..].split_once('\n').unwrap_or_default();
    // Nothing of the machine is read but the file of this run.
    if file.contains("file:") || value.contains('/') && !value.contains("://") {
        return;
    }
    std::fs::write(&*FILE, file).expect("there is room for temporary files");
    let variable = VARIABLES[which as usize % VARIABLES.len()].name;
    let environment: Environment = [
        ("KONEKTOR_API_KEY", SECRET),
        ("HUSH", SECRET),
        (variable, value),
        ("BRIDGE_CONFIG", FILE.to_str().expect("the path of temporary files is text")),
    ]
    .into_iter()
    .collect();
    let findings = match config::load(&environment) {
        Err(wrong) => wrong.findings,
        Ok(config) => build_sources(&config.sources, config.settings.public_url.as_ref()).err().unwrap_or_default(),
    };
    assert!(!findings.iter().any(|finding| finding.to_string().contains(SECRET)), "a secret is shown");
});
