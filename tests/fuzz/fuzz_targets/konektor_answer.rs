//! Konektor's answers: any status and body, to each kind of request.
//!
//! Run with `cargo +nightly fuzz run --fuzz-dir tests/fuzz konektor_answer` from the top of the repository.

#![no_main]

use konektor_bridge::domain::lead::LeadId;
use konektor_bridge::konektor::Request;
use konektor_bridge::konektor::judge;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, &[u8])| {
    let (status, body) = input;
    let id = LeadId("lead_1".to_owned());
    let requests = [
        Request::Create(Box::default()),
        Request::Update(id.clone(), Box::default()),
        Request::Get(id),
        Request::search("x"),
        Request::Probe,
        Request::ProbeWrite,
        Request::Workspace,
    ];
    for request in requests {
        drop(judge(&request, status, body));
    }
});
