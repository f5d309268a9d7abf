//! HTML forms: any body in each of its encodings, with any letters; the first byte chooses which.
//!
//! Run with `cargo +nightly fuzz run --fuzz-dir tests/fuzz form` from the top of the repository.

#![no_main]

use std::sync::{Arc, LazyLock};

use konektor_bridge::providers::Provider;
use konektor_bridge_fuzz::{ask, content_type, provider};
use libfuzzer_sys::fuzz_target;

static PROVIDER: LazyLock<Arc<dyn Provider>> = LazyLock::new(|| provider("form"));

const CONTENT_TYPES: [&str; 4] =
    ["application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "application/json", "text/plain"];

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, body)) = bytes.split_first() else { return };
    let content_type = content_type(&CONTENT_TYPES, *choice);
    let headers = [("content-type", content_type.as_str()), ("origin", "https://toko.example")];
    ask(PROVIDER.as_ref(), &headers, body);
});
