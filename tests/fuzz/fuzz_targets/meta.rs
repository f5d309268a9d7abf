//! Meta Lead Ads: any body as a batch of leads, and as what the Graph API answers.
//!
//! Run with `cargo +nightly fuzz run --fuzz-dir tests/fuzz meta` from the top of the repository.

#![no_main]

use std::sync::{Arc, LazyLock};

use konektor_bridge::providers::Provider;
use konektor_bridge_fuzz::{ask, provider};
use libfuzzer_sys::fuzz_target;

static PROVIDER: LazyLock<Arc<dyn Provider>> = LazyLock::new(|| provider("meta_leads"));

fuzz_target!(|body: &[u8]| ask(PROVIDER.as_ref(), &[("x-hub-signature-256", "sha256=")], body));
