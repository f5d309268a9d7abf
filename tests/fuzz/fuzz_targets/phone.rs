//! Phone numbers: any text, as people write them and as messengers do.
//!
//! Run with `cargo +nightly fuzz run --fuzz-dir tests/fuzz phone` from the top of the repository.

#![no_main]

use konektor_bridge::domain::phone::Phone;
use konektor_bridge::domain::region::Region;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for phone in [Phone::parse(text, Region::INDONESIA), Phone::of_account(text)].into_iter().flatten() {
        let digits = phone.as_str().strip_prefix('+').expect("E.164 begins with a plus");
        assert!((7..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()));
        assert!(!digits.starts_with('0'), "no country code begins with 0");
    }
});
