//! WhatsApp Cloud API: any body as messages.
//!
//! Run with `cargo +nightly fuzz run --fuzz-dir tests/fuzz whatsapp` from the top of the repository.

#![no_main]

use std::sync::{Arc, LazyLock};

use konektor_bridge::providers::Provider;
use konektor_bridge_fuzz::{ask, provider};
use libfuzzer_sys::fuzz_target;

static PROVIDER: LazyLock<Arc<dyn Provider>> = LazyLock::new(|| provider("whatsapp"));

fuzz_target!(|body: &[u8]| ask(PROVIDER.as_ref(), &[("x-hub-signature-256", "sha256=")], body));
