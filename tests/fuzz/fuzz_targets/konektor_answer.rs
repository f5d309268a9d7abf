//! Konektor's answers: any status and body, to each kind of request.
//!
//! Run with `cargo +nightly fuzz run --fuzz-dir tests/fuzz konektor_answer` from the top of the repository.

#![no_main]

use konektor_bridge::konektor::wire::judge;
use konektor_bridge::konektor::{LeadId, Request};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, &[u8])| {
    let (status, body) = input;
    for request in [Request::Get(LeadId::from("lead_1")), Request::Search("x".to_owned()), Request::Probe] {
        drop(judge(&request, status, body));
    }
});
