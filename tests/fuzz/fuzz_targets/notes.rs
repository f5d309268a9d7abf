//! The bridge's block in a lead's notes: any lines, merged into any notes.
//!
//! Run with `cargo +nightly fuzz run --fuzz-dir tests/fuzz notes` from the top of the repository.

#![no_main]

use jiff::Timestamp;
use konektor_bridge::domain::notes::{MAX_LEN, Notes, Section};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, Vec<(&str, &str)>)| {
    let (existing, lines) = input;
    let mut notes = Notes::default();
    for (label, value) in lines {
        notes.add(Section::Answers, label, value);
        notes.say(Timestamp::UNIX_EPOCH, label, value);
    }
    let once = notes.merge_into(existing);
    let bound = MAX_LEN.max(existing.chars().count());
    assert!(once.chars().count() <= bound, "the notes fit Konektor");
    assert_eq!(notes.merge_into(&once), once, "merging the same notes again changes nothing");
});
