//! Konektor's answers to the typed client: any body to each of its shapes, and to the walk over pages.
//!
//! Run with `cargo +nightly fuzz run --fuzz-dir tests/fuzz api` from the top of the repository.

#![no_main]

use konektor_bridge::konektor::wire::{
    Campaign, Conversions, FunnelStep, LeadView, Page, PendingConversion, Summary, Ticket, Workspace,
};
use libfuzzer_sys::fuzz_target;
use serde::de::DeserializeOwned;

fn read<T: DeserializeOwned>(body: &[u8]) {
    drop(serde_json::from_slice::<T>(body));
}

fuzz_target!(|body: &[u8]| {
    read::<Page>(body);
    read::<LeadView>(body);
    read::<Summary>(body);
    read::<Vec<FunnelStep>>(body);
    read::<Vec<Campaign>>(body);
    read::<Conversions>(body);
    read::<Vec<PendingConversion>>(body);
    read::<Workspace>(body);
    read::<Ticket>(body);
});
