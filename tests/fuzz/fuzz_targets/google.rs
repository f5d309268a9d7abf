//! Google Ads lead forms: any body as a lead.
//!
//! Run with `cargo +nightly fuzz run --fuzz-dir tests/fuzz google` from the top of the repository.

#![no_main]

use std::sync::{Arc, LazyLock};

use konektor_bridge::providers::Provider;
use konektor_bridge_fuzz::{ask, provider};
use libfuzzer_sys::fuzz_target;

static PROVIDER: LazyLock<Arc<dyn Provider>> = LazyLock::new(|| provider("google_leads"));

fuzz_target!(|body: &[u8]| ask(PROVIDER.as_ref(), &[], body));
