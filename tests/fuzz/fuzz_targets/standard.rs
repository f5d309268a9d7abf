//! Standard Webhooks: any body, signed or not, as JSON of any shape.
//!
//! Run with `cargo +nightly fuzz run --fuzz-dir tests/fuzz standard` from the top of the repository.

#![no_main]

use std::sync::{Arc, LazyLock};

use konektor_bridge::providers::Provider;
use konektor_bridge_fuzz::{ask, provider};
use libfuzzer_sys::fuzz_target;

static PROVIDER: LazyLock<Arc<dyn Provider>> = LazyLock::new(|| provider("standard_webhooks"));

fuzz_target!(|body: &[u8]| ask(
    PROVIDER.as_ref(),
    &[("webhook-id", "msg_1"), ("webhook-timestamp", "0"), ("webhook-signature", "v1,")],
    body
));
