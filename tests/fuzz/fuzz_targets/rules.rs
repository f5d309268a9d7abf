//! Rules: any answers through expressions of every kind, and any text as an expression or a pattern of codes.
//!
//! Run with `cargo +nightly fuzz run --fuzz-dir tests/fuzz rules` from the top of the repository.

#![no_main]

use std::sync::LazyLock;

use jiff::Timestamp;
use konektor_bridge::domain::external_ref::ExternalRef;
use konektor_bridge::domain::region::Region;
use konektor_bridge::domain::rules::{self, CodePattern, Expression, Occasion, Rules};
use konektor_bridge::domain::submission::{Answer, Payment, Submission};
use libfuzzer_sys::fuzz_target;

static RULES: LazyLock<Rules> = LazyLock::new(|| {
    toml::from_str(
        r#"
        set.full_name = "answers.a|title ~ ' ' ~ (message|split(' ')|last)"
        set.phone = "answers.b|replace(' ', '')|digits"
        set.estimated_value = "answers.a|number * (answers.b|number(2)) / (answers.c|length)"
        set.email = "raw.a[0].b if raw else text[1:30]|trim|lower"
        unique_code = '(?i)\bKNK-([0-9A-Z]{3,12})\b'
        status = [{ when = "payment.amount|number > 5", status = "won" }, { when = "'x' in text", status = "hot" }]
        junk = ["answers.c is startingwith('http')", "(answers.a ~ answers.b)|upper == message"]
        "#,
    )
    .expect("these are rules")
});

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    drop(Expression::parse(&text));
    drop(CodePattern::parse(&text));
    let answers = text.split('\0').zip(["a", "b", "c", "pesan"]).map(|(value, key)| Answer::new(key, value)).collect();
    let payment = Some(Payment { amount: text.parse().ok(), reference: None, as_estimated: text.len() % 2 == 1 });
    let submission = Submission { answers, payment, ..Submission::default() };
    let occasion = Occasion { source: "fuzzed", received: Timestamp::UNIX_EPOCH, body: bytes };
    let reference = ExternalRef::new("fuzzed:", "1");
    let _held = rules::why_held(&submission, occasion, &reference, &RULES, Region::default());
    let lead = rules::lead_of(&submission, occasion, &reference, &RULES, Region::default());
    assert!(lead.notes.render().chars().count() <= 5000, "the notes fit Konektor");
    assert!(lead.for_create().phone.is_none_or(|phone| phone.chars().count() <= 20), "the number fits Konektor");
});
