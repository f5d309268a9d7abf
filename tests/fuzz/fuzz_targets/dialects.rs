//! Every dialect that is code and every preset: any body to any of them. The first two bytes say which, and as what it comes.
//!
//! Run with `cargo +nightly fuzz run --fuzz-dir tests/fuzz dialects` from the top of the repository.

#![no_main]

use std::sync::{Arc, LazyLock};

use konektor_bridge::config::PRESETS;
use konektor_bridge::providers::{DIALECTS, Provider};
use konektor_bridge_fuzz::{ask, provider};
use libfuzzer_sys::fuzz_target;

const TYPES: [&str; 4] =
    ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b1", "text/plain"];

static PROVIDERS: LazyLock<Vec<Arc<dyn Provider>>> = LazyLock::new(|| {
    let names = DIALECTS.iter().map(|(name, _)| *name).chain(PRESETS.iter().map(|(name, _)| *name));
    names.map(provider).collect()
});

fuzz_target!(|input: &[u8]| {
    let [which, media, body @ ..] = input else { return };
    let provider = &PROVIDERS[usize::from(*which) % PROVIDERS.len()];
    let media = TYPES[usize::from(*media) % TYPES.len()];
    ask(provider.as_ref(), &[("content-type", media), ("x-delivery", "1")], body);
});
