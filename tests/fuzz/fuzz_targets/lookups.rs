//! What the senders' own APIs and the captcha services answer: any status and body. The first two bytes say who answers
//! what, and with which status; then a line with the value of the headers that count, and the body.
//!
//! Run with `cargo +nightly fuzz run --fuzz-dir tests/fuzz lookups` from the top of the repository.

#![no_main]

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use jiff::Timestamp;
use konektor_bridge::domain::event::{Item, Kept, SourceName};
use konektor_bridge::providers::{Challenge, Fetched, ItemBody, LookupAnswer, Page, Provider, Span, Verified};
use konektor_bridge_fuzz::{lead, provider_with, take, webhook, webhooks};
use libfuzzer_sys::fuzz_target;

const STATUSES: [u16; 13] = [200, 201, 204, 302, 400, 401, 403, 404, 408, 413, 429, 500, 503];
const HEADERS: [&str; 4] = ["retry-after", "x-app-usage", "x-business-use-case-usage", "x-restli-error-response"];

/// A sender that is asked for more, with an item to ask about.
struct Asked {
    provider: Arc<dyn Provider>,
    item: Item,
}

static SENDERS: LazyLock<[Asked; 2]> = LazyLock::new(|| {
    [asked("meta_leads", "page_id", "123456789012345"), asked("linkedin", "owner", "urn:li:sponsoredAccount:522529623")]
});

static CAPTCHAS: LazyLock<Vec<Challenge>> =
    LazyLock::new(|| ["turnstile", "hcaptcha", "recaptcha_v2", "recaptcha_v3"].map(captcha).into());

fn source() -> SourceName {
    SourceName::parse("fuzzed").expect("letters are a name")
}

fn asked(word: &str, key: &str, value: &str) -> Asked {
    let provider = provider_with(word, |settings| drop(settings.insert(key.to_owned(), value.into())));
    let first = webhooks(word).into_iter().find_map(|row| {
        let body = row["body"].as_str()?.as_bytes().to_vec().into();
        let (source, received, request_id) = (source(), Timestamp::UNIX_EPOCH, "req".to_owned());
        let kept = Kept { source, received, request_id, headers: Vec::new(), body };
        provider.split(&Verified::from_inbox(kept)).ok()?.into_iter().next()
    });
    Asked { item: first.expect("a fixture has an item"), provider }
}

/// The question of a form with a captcha of this service.
fn captcha(service: &str) -> Challenge {
    let provider = provider_with("form", |settings| {
        settings.insert("captcha".to_owned(), service.into());
        settings.insert("captcha_secret".to_owned(), "a-captcha-secret-TEST".into());
    });
    let body = ["cf-turnstile-response", "h-captcha-response", "g-recaptcha-response"].map(|name| format!("{name}=t"));
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let webhook = webhook(&headers, body.join("&").as_bytes());
    provider.challenge(&webhook).expect("it has a token").expect("a captcha is set")
}

fuzz_target!(|input: &[u8]| {
    let [which, status, rest @ ..] = input else { return };
    let mut lines = rest.splitn(2, |byte| *byte == b'\n');
    let header = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let body = lines.next().unwrap_or_default();
    let status = STATUSES[usize::from(*status) % STATUSES.len()];
    let headers = HEADERS.map(|name| (name.to_owned(), header.clone()));
    let answer = LookupAnswer { status, headers: &headers, body, failing_for: Duration::ZERO };
    match which % 8 {
        sender @ 0..2 => look_up(&SENDERS[usize::from(sender)], &answer),
        sender @ 2..4 => list(SENDERS[usize::from(sender - 2)].provider.as_ref(), &header, &answer),
        service => drop(CAPTCHAS[usize::from(service - 4)].judge(Some((status, body)))),
    }
});

fn look_up(Asked { provider, item }: &Asked, answer: &LookupAnswer<'_>) {
    let (source, external_ref, received) = (&source(), &item.external_ref, Timestamp::UNIX_EPOCH);
    let item = ItemBody { source, external_ref, received, body: &item.body, fetched: None };
    let mut question = provider.lookup(&item).expect("this sender only names the lead");
    // The same answer over and over: smaller questions come to an end.
    for _ in 0..10 {
        match provider.looked_up(&item, &question, answer) {
            Fetched::Lead(fields) | Fetched::LeadThenRest(fields, ..) => {
                return lead(provider.as_ref(), &ItemBody { fetched: Some(&fields), ..item });
            }
            Fetched::AskInstead(smaller) => question = *smaller,
            Fetched::RetryAfter(..)
            | Fetched::Throttled(..)
            | Fetched::Blocked(..)
            | Fetched::ScopeThrottled(..)
            | Fetched::ScopeBlocked(..)
            | Fetched::GiveUp(_) => return,
        }
    }
    panic!("it asks for ever");
}

fn list(provider: &dyn Provider, cursor: &str, answer: &LookupAnswer<'_>) {
    let span = Span { since: Timestamp::UNIX_EPOCH, until: Timestamp::UNIX_EPOCH + Duration::from_hours(24) };
    assert!(provider.page(span, None).is_some(), "there is a first page");
    // Whoever asks by the admin API may say anything.
    if provider.page(span, Some(cursor)).is_some() {
        drop(provider.listed(span, Some(cursor), answer));
    }
    if let Page::Leads { webhook, next, .. } = provider.listed(span, None, answer) {
        webhook.into_iter().for_each(|body| take(provider, body));
        if let Some(next) = next {
            assert!(provider.page(span, Some(&next)).is_some(), "a cursor that the list gave is one of it");
            drop(provider.listed(span, Some(&next), answer));
        }
    }
}
