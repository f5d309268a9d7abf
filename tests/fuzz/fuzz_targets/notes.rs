//! The bridge's block in a lead's notes: any lines, merged into any notes. Zero bytes stand between the notes that there
//! are, and labels and values in turn.
//!
//! Run with `cargo +nightly fuzz run --fuzz-dir tests/fuzz notes` from the top of the repository.

#![no_main]

use jiff::Timestamp;
use konektor_bridge::domain::notes::{MAX_LEN, Notes, Section};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut parts = text.split('\0');
    let existing = parts.next().unwrap_or_default();
    let mut notes = Notes::default();
    while let (Some(label), Some(value)) = (parts.next(), parts.next()) {
        notes.add(Section::Answers, label, value);
        notes.say(Timestamp::UNIX_EPOCH, label, value);
    }
    let once = notes.merge_into(existing);
    let bound = MAX_LEN.max(existing.chars().count());
    assert!(once.chars().count() <= bound, "the notes fit Konektor");
    assert_eq!(notes.merge_into(&once), once, "merging the same notes again changes nothing");
});
