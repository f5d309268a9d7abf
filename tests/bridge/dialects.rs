//! What holds for every dialect alike: its samples, and that no bytes from outside bring it down.

use std::time::Duration;

use jiff::Timestamp;
use konektor_bridge::domain::event::{Hold, Item, Kept};
use konektor_bridge::domain::external_ref::ExternalRef;
use konektor_bridge::providers::{
    DIALECTS, Headers, ItemBody, Lookup, LookupAnswer, Method, Provider, Refusal, Sample, SampleKind, Verified, Webhook,
};
use proptest::prelude::*;
use serde_json::Value;

use crate::fixtures::{Folder, folders};

/// The dialects whose webhooks make leads.
fn senders() -> impl Iterator<Item = Folder> {
    folders().into_iter().filter(|folder| !folder.only_teaches())
}

fn now() -> Timestamp {
    "2026-11-23T16:06:45Z".parse().unwrap()
}

fn webhook(folder: &Folder, sample: Sample) -> Webhook {
    let token = sample.path_token.iter().map(|token| format!("/{token}")).collect::<String>();
    Webhook {
        source: folder.name.clone(),
        received: now(),
        request_id: "req-sample".into(),
        method: Method::Post,
        path: format!("/hooks/{}{token}", folder.name),
        path_token: sample.path_token,
        query: sample.query,
        headers: sample.headers.into_iter().collect(),
        body: sample.body.into(),
        packed: None,
    }
}

/// The items of a sample that must be let in.
fn items(folder: &Folder, kind: SampleKind, seed: u64, now: Timestamp) -> Vec<Item> {
    let provider = folder.provider();
    let webhook = webhook(folder, provider.sample(kind, seed, now));
    let verified = provider
        .verify(&webhook, now)
        .unwrap_or_else(|refusal| panic!("{}: the sample `{kind}` was refused: {refusal}", folder.dialect));
    folder.must_not_keep(verified.body());
    provider.split(&verified).unwrap_or_else(|error| panic!("{}: the sample `{kind}`: {error}", folder.dialect))
}

fn refs(items: &[Item]) -> Vec<&ExternalRef> {
    items.iter().map(|item| &item.external_ref).collect()
}

#[test]
fn the_same_seed_is_the_same_lead_and_another_seed_another() {
    for folder in senders() {
        let later = now() + jiff::SignedDuration::from_hours(3);
        let (first, again) = (items(&folder, SampleKind::Lead, 7, now()), items(&folder, SampleKind::Lead, 7, later));
        assert_eq!(first.len(), 1, "{}: an ordinary lead is one item", folder.dialect);
        assert_eq!(refs(&first), refs(&again), "{}", folder.dialect);
        for seed in 8..40 {
            assert_ne!(refs(&first), refs(&items(&folder, SampleKind::Lead, seed, now())), "{}", folder.dialect);
        }
        let update = items(&folder, SampleKind::Update, 7, later);
        assert_eq!(refs(&first), refs(&update), "{}: an update is of the same lead", folder.dialect);
    }
}

#[test]
fn the_leads_of_a_batch_are_different_leads() {
    for folder in senders() {
        let batch = items(&folder, SampleKind::Batch, 7, now());
        let mut refs = refs(&batch);
        refs.sort();
        refs.dedup();
        assert!(!batch.is_empty() && refs.len() == batch.len(), "{}: {refs:?}", folder.dialect);
    }
}

#[test]
fn who_may_send_several_leads_in_one_webhook_has_a_sample_of_that() {
    // LinkedIn is not known to send a list; its fixtures show that one would be read.
    let may = |folder: &Folder| folder.dialect != "linkedin" && folder.rows.iter().any(|row| row.items() > 1);
    for folder in senders().filter(may) {
        let batch = items(&folder, SampleKind::Batch, 7, now());
        assert!(batch.len() > 1, "{}: the sample of several leads is one", folder.dialect);
    }
}

#[test]
fn a_sample_that_makes_no_lead_says_something_of_one() {
    for folder in folders().into_iter().filter(Folder::only_teaches) {
        let provider = folder.provider();
        for kind in [SampleKind::Lead, SampleKind::Update, SampleKind::Batch] {
            let verified = provider.verify(&webhook(&folder, provider.sample(kind, 7, now())), now()).unwrap();
            assert_eq!(provider.split(&verified).map(|items| items.len()), Ok(0), "{}: {kind}", folder.dialect);
            assert_eq!(provider.lessons(&verified).len(), 1, "{}: {kind}", folder.dialect);
        }
    }
}

#[test]
fn an_ordinary_sample_can_be_read_or_says_where_the_rest_is() {
    for folder in senders() {
        let provider = folder.provider();
        for kind in [SampleKind::Lead, SampleKind::Update, SampleKind::Batch, SampleKind::Test] {
            for item in items(&folder, kind, 3, now()) {
                let stored = item_body(&folder, &item);
                let (dialect, lookup) = (&folder.dialect, provider.lookup(&stored));
                assert!(lookup.is_some() || provider.read(&stored).is_ok(), "{dialect}: the sample `{kind}`");
            }
        }
    }
}

#[test]
fn the_sample_of_a_test_is_withheld_where_its_sender_marks_tests() {
    for folder in senders() {
        let provider = folder.provider();
        for item in items(&folder, SampleKind::Test, 3, now()) {
            // Some senders say it where the rest of the lead is.
            let said_later = provider.lookup(&item_body(&folder, &item)).is_some();
            let is_test = item.hold == Hold::TestLead || said_later;
            assert_eq!(is_test, provider.marks_tests(), "{}", folder.dialect);
        }
    }
}

#[test]
fn a_changed_sample_is_refused_and_a_stale_one_where_the_time_is_signed() {
    for folder in folders() {
        let provider = folder.provider();
        let tampered = webhook(&folder, provider.sample(SampleKind::Tampered, 3, now()));
        assert!(provider.verify(&tampered, now()).is_err(), "{}: a changed body was let in", folder.dialect);
        let stale = webhook(&folder, provider.sample(SampleKind::Stale, 3, now()));
        let verdict = provider.verify(&stale, now()).map(drop);
        assert!(matches!(verdict, Ok(()) | Err(Refusal::Stale)), "{}: {verdict:?}", folder.dialect);
    }
}

#[test]
fn a_body_of_ones_own_is_proved_as_its_sender_would_and_any_body_can_be() {
    for folder in senders() {
        let provider = folder.provider();
        // The forged body: what was changed in it is now what the sender says.
        let body = provider.sample(SampleKind::Tampered, 3, now()).body;
        let signed = webhook(&folder, provider.sign(body, now()));
        let verified = provider.verify(&signed, now()).unwrap_or_else(|why| panic!("{}: {why}", folder.dialect));
        assert_eq!(provider.split(&verified).map(|items| items.len()), Ok(1), "{}", folder.dialect);
        for odd in [&b""[..], b"\xff\xfe", b"[]", b"--"] {
            drop(provider.sign(odd.to_vec(), now()));
        }
    }
}

fn item_body<'a>(folder: &'a Folder, item: &'a Item) -> ItemBody<'a> {
    ItemBody {
        source: &folder.name,
        external_ref: &item.external_ref,
        received: now(),
        body: &item.body,
        fetched: None,
    }
}

/// Asks a provider everything it can be asked about `webhook`, whether it verifies or not.
fn ask_everything(folder: &Folder, provider: &dyn Provider, webhook: &Webhook, answer: &[u8]) {
    drop(provider.handshake(webhook));
    let query = String::from_utf8_lossy(answer).into_owned();
    drop(provider.handshake(&Webhook { method: Method::Get, query, ..webhook.clone() }));
    drop(provider.verify(webhook, now()));
    drop(provider.accepted(webhook));
    let kept = Kept {
        source: webhook.source.clone(),
        received: webhook.received,
        request_id: webhook.request_id.clone(),
        headers: webhook.headers.to_pairs(),
        body: webhook.body.clone(),
    };
    let verified = Verified::from_inbox(kept);
    drop(provider.lessons(&verified));
    for item in provider.split(&verified).unwrap_or_default() {
        ask_about(provider, &item_body(folder, &item), answer);
    }
    let alone = ExternalRef::new("test:", "1");
    let item =
        ItemBody { source: &folder.name, external_ref: &alone, received: now(), body: &webhook.body, fetched: None };
    ask_about(provider, &item, answer);
}

fn ask_about(provider: &dyn Provider, item: &ItemBody<'_>, answer: &[u8]) {
    drop(provider.read(item));
    drop(provider.read(&ItemBody { fetched: Some(answer), ..*item }));
    let nothing = Lookup { url: String::new(), query: Vec::new(), bearer: None, headers: Vec::new(), scope: None };
    let asked = provider.lookup(item).unwrap_or(nothing);
    let failing_for = Duration::from_hours(3);
    for status in [200, 400, 500] {
        let headers = [("x-business-use-case-usage".to_owned(), String::from_utf8_lossy(answer).into_owned())];
        drop(provider.looked_up(item, &asked, &LookupAnswer { status, headers: &headers, body: answer, failing_for }));
    }
}

/// Any JSON that fits on a page, with the words that senders use among its keys.
fn any_json(words: Vec<String>) -> impl Strategy<Value = Value> {
    let key = prop_oneof![3 => proptest::sample::select(words), 1 => any::<String>()];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[0-9]{1,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((key.clone(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Every key in the fixtures' bodies and fetched answers, so that generated JSON goes deep into the readers.
fn words(folder: &Folder) -> Vec<String> {
    fn collect(value: &Value, into: &mut Vec<String>) {
        match value {
            Value::Array(list) => list.iter().for_each(|value| collect(value, into)),
            Value::Object(members) => members.iter().for_each(|(key, value)| {
                into.push(key.clone());
                collect(value, into);
            }),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut words = vec!["id".to_owned()];
    for row in &folder.rows {
        for body in row.bodies() {
            collect(&serde_json::from_slice(&body).unwrap_or_default(), &mut words);
        }
    }
    words.sort();
    words.dedup();
    words
}

/// `value` with what stands at `place` (counting every node) replaced by `with`.
fn replaced(value: &mut Value, place: &mut usize, with: &Value) {
    if *place == 0 {
        *value = with.clone();
    }
    *place = place.wrapping_sub(1);
    match value {
        Value::Array(list) => list.iter_mut().for_each(|value| replaced(value, place, with)),
        Value::Object(members) => members.values_mut().for_each(|value| replaced(value, place, with)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn bare(folder: &Folder, headers: Headers, body: Vec<u8>) -> Webhook {
    let sample = Sample::new([], body);
    Webhook { headers, ..webhook(folder, sample) }
}

#[test]
fn no_bytes_bring_a_dialect_down() {
    for folder in folders() {
        let provider = folder.provider();
        let headers = folder.rows.iter().map(|row| row.webhook(folder.name.clone()).headers).collect::<Vec<_>>();
        let strategy = (
            proptest::sample::select(headers),
            proptest::collection::vec(any::<u8>(), 0..200),
            proptest::collection::vec(any::<u8>(), 0..200),
        );
        run(cases(&folder, 64), &strategy, |(headers, body, answer)| {
            ask_everything(&folder, provider.as_ref(), &bare(&folder, headers, body), &answer);
        });
    }
}

#[test]
fn no_json_brings_a_dialect_down() {
    for folder in folders() {
        let (provider, words) = (folder.provider(), words(&folder));
        let strategy = (any_json(words.clone()), any_json(words));
        run(cases(&folder, 128), &strategy, |(body, answer)| {
            let webhook = bare(&folder, Headers::default(), body.to_string().into_bytes());
            ask_everything(&folder, provider.as_ref(), &webhook, answer.to_string().as_bytes());
        });
    }
}

#[test]
fn no_one_wrong_value_in_a_good_webhook_brings_a_dialect_down() {
    for folder in folders() {
        let provider = folder.provider();
        let bodies: Vec<_> = folder.rows.iter().flat_map(crate::fixtures::Row::bodies).collect();
        let good: Vec<_> = folder.rows.iter().map(|row| row.webhook(folder.name.clone())).collect();
        let strategy =
            (proptest::sample::select(good), proptest::sample::select(bodies), 0_usize..60, any_json(words(&folder)));
        run(cases(&folder, 256), &strategy, |(webhook, answer, place, with)| {
            let wrong = |bytes: &[u8]| match serde_json::from_slice(bytes) {
                Ok(mut value) => {
                    replaced(&mut value, &mut place.clone(), &with);
                    value.to_string().into_bytes()
                }
                Err(_) => bytes.iter().copied().skip(place).collect(),
            };
            let changed = Webhook { body: wrong(&webhook.body).into(), ..webhook.clone() };
            ask_everything(&folder, provider.as_ref(), &changed, &wrong(&answer));
        });
    }
}

/// How many values a folder gets where a dialect of its own gets `most`: presets are one engine, and there are many.
fn cases(folder: &Folder, most: u32) -> u32 {
    let is_code = DIALECTS.iter().any(|(name, _)| *name == folder.dialect);
    if is_code { most } else { most / 8 }
}

/// Runs `test` on `cases` values; proptest shrinks what fails.
fn run<S: Strategy>(cases: u32, strategy: &S, test: impl Fn(S::Value)) {
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let outcome = proptest::test_runner::TestRunner::new(config).run(strategy, |value| {
        test(value);
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
