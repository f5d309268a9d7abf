//! Every dialect that is code and every preset: any body to any of them. The first two bytes say which, and as what it comes.
//!
//! Run with `cargo +nightly fuzz run --fuzz-dir tests/fuzz dialects` from the top of the repository.

#![no_main]

use std::sync::{Arc, LazyLock};

use konektor_bridge::providers::Provider;
use konektor_bridge_fuzz::{TYPES, ask, content_type, provider, words};
use libfuzzer_sys::fuzz_target;

static PROVIDERS: LazyLock<Vec<Arc<dyn Provider>>> = LazyLock::new(|| words().map(provider).collect());

fuzz_target!(|input: &[u8]| {
    let [which, media, body @ ..] = input else { return };
    let provider = &PROVIDERS[usize::from(*which) % PROVIDERS.len()];
    let media = content_type(&TYPES, *media);
    ask(provider.as_ref(), &[("content-type", &media), ("x-delivery", "1")], body);
});
