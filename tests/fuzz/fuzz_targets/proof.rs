//! Proofs and challenges: any headers, token in the path, query and body, to every sender; nothing is let in or given back
//! by chance. The first byte says to whom; then a line of header values (a tab between them), one with the token, one
//! with the query, and the body.
//!
//! Run with `cargo +nightly fuzz run --fuzz-dir tests/fuzz proof` from the top of the repository.

#![no_main]

use std::sync::{Arc, LazyLock};

use konektor_bridge::providers::Provider;
use konektor_bridge_fuzz::{challenge, proof_headers, provider, refuse, stranger, words};
use libfuzzer_sys::fuzz_target;

struct Sender {
    /// As its fixtures know it.
    own: Arc<dyn Provider>,
    /// With secrets that nobody knows.
    stranger: Arc<dyn Provider>,
    headers: Vec<String>,
}

static SENDERS: LazyLock<Vec<Sender>> = LazyLock::new(|| {
    words().map(|word| Sender { own: provider(word), stranger: stranger(word), headers: proof_headers(word) }).collect()
});

fuzz_target!(|input: &[u8]| {
    let Some((which, rest)) = input.split_first() else { return };
    let sender = &SENDERS[usize::from(*which) % SENDERS.len()];
    let mut lines = rest.splitn(4, |byte| *byte == b'\n');
    let mut line = || String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let (values, token, query) = (line(), line(), line());
    let body = lines.next().unwrap_or_default();
    challenge(sender.own.as_ref(), &query);
    let headers: Vec<_> = sender.headers.iter().map(String::as_str).zip(values.split('\t')).collect();
    refuse(sender.stranger.as_ref(), &headers, &token, &query, body);
});
