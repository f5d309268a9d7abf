//! Names of people: any text, whole and in two parts (a zero byte between them).
//!
//! Run with `cargo +nightly fuzz run --fuzz-dir tests/fuzz name` from the top of the repository.

#![no_main]

use konektor_bridge::domain::name::{MAX_LEN, Name};
use konektor_bridge::domain::rules::NameStyle;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (first, last) = text.split_once('\0').unwrap_or((text, ""));
    for style in [NameStyle::Split, NameStyle::Whole] {
        let names = [Name::whole(first, style), Name::parts(first, last, style), Name::of_handle(first)];
        for name in names.into_iter().flatten().chain([Name::stand_in(first)]) {
            assert!((1..=MAX_LEN).contains(&name.first.chars().count()));
            assert!(name.last.is_none_or(|last| (1..=MAX_LEN).contains(&last.chars().count())));
        }
    }
});
