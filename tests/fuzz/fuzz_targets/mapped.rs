//! Senders as data: any body to presets that between them use every decoder. The first byte says which, and as what it comes.
//!
//! Run with `cargo +nightly fuzz run --fuzz-dir tests/fuzz mapped` from the top of the repository.

#![no_main]

use std::sync::{Arc, LazyLock};

use konektor_bridge::providers::Provider;
use konektor_bridge_fuzz::{ask, provider};
use libfuzzer_sys::fuzz_target;

const PRESETS: [&str; 5] = ["mapped", "typeform", "tally", "calcom", "fonnte"];
const TYPES: [&str; 4] =
    ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b1", "text/plain"];

static PROVIDERS: LazyLock<Vec<Arc<dyn Provider>>> = LazyLock::new(|| PRESETS.map(provider).into());

fuzz_target!(|input: &[u8]| {
    let Some((first, body)) = input.split_first() else { return };
    let (preset, media) = (usize::from(*first) % PRESETS.len(), usize::from(*first) / PRESETS.len() % TYPES.len());
    ask(PROVIDERS[preset].as_ref(), &[("content-type", TYPES[media]), ("x-delivery", "1")], body);
});
