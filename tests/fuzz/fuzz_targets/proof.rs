//! Proofs and challenges: any header values and any query, to every dialect; nothing is let in or given back by chance.
//!
//! Run with `cargo +nightly fuzz run --fuzz-dir tests/fuzz proof` from the top of the repository.

#![no_main]

use std::sync::{Arc, LazyLock};

use konektor_bridge::providers::{DIALECTS, Provider};
use konektor_bridge_fuzz::{challenge, provider, refuse};
use libfuzzer_sys::fuzz_target;

static PROVIDERS: LazyLock<Vec<Arc<dyn Provider>>> =
    LazyLock::new(|| DIALECTS.iter().map(|(name, _)| provider(name)).collect());

fuzz_target!(|input: (&str, &str, &str, &[u8])| {
    let (proof, time, query, body) = input;
    for provider in PROVIDERS.iter() {
        challenge(provider.as_ref(), query);
        refuse(provider.as_ref(), proof, time, body);
    }
});
