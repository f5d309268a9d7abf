//! What the targets share: the senders as their fixtures configure them, and every question they can be asked.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use konektor_bridge::config::{PRESET_DIALECT, PRESETS, with_preset};
use konektor_bridge::domain::compose::compose;
use konektor_bridge::domain::event::{Item, Kept, SourceName};
use konektor_bridge::domain::external_ref::{ExternalRef, MAX_LEN};
use konektor_bridge::domain::region::Region;
use konektor_bridge::domain::rules::Rules;
use konektor_bridge::providers::{
    self, DIALECTS, ItemBody, Method, Place, Provider, Reading, Verified, Webhook, back_filled,
};
use serde_json::Value;

/// The content types under which bodies are shown to every sender, by the second byte of an input ([`content_type`]).
pub const TYPES: [&str; 4] =
    ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b1", "text/plain"];

/// The encodings that a content type can name beside; the first is none, the last two are none that is read.
pub const CHARSETS: [&str; 15] = [
    "",
    "utf-8",
    "utf-16le",
    "utf-16be",
    "shift_jis",
    "iso-2022-jp",
    "euc-jp",
    "gbk",
    "gb18030",
    "big5",
    "euc-kr",
    "iso-8859-1",
    "x-user-defined",
    "hz-gb-2312",
    "klingon",
];

/// The headers of Konektor's answers that are read.
pub const KONEKTOR_HEADERS: [&str; 6] =
    ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "retry-after", "date", "x-request-id"];

/// The content type that a byte of an input chooses: one of `types`, with one of [`CHARSETS`].
#[must_use]
pub fn content_type(types: &[&str], choice: u8) -> String {
    let choice = usize::from(choice);
    let (media, charset) = (types[choice % types.len()], CHARSETS[choice / types.len() % CHARSETS.len()]);
    if charset.is_empty() { media.to_owned() } else { format!("{media}; charset={charset}") }
}

/// Every word for a sender, dialects before presets: the place in this list is the first byte of many inputs.
pub fn words() -> impl Iterator<Item = &'static str> {
    DIALECTS.iter().map(|(name, _)| *name).chain(PRESETS.iter().map(|(name, _)| *name))
}

/// The file of that name among the fixtures of `word`.
#[must_use]
pub fn fixture(word: &str, name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(word).join(name)
}

/// The webhooks among the fixtures of `word`.
///
/// # Panics
/// When there are none.
#[must_use]
pub fn webhooks(word: &str) -> Vec<Value> {
    let text = std::fs::read(fixture(word, "webhooks.json")).expect("every sender has a folder of fixtures");
    serde_json::from_slice(&text).expect("the fixtures are a list")
}

/// The provider of `word`, with the settings of its fixtures.
///
/// # Panics
/// When the fixtures are not there or make no provider.
#[must_use]
pub fn provider(word: &str) -> Arc<dyn Provider> {
    provider_with(word, |_| ())
}

/// The same with secrets that no webhook among the fixtures was signed with.
///
/// # Panics
/// As [`provider`].
#[must_use]
pub fn stranger(word: &str) -> Arc<dyn Provider> {
    provider_with(word, |settings| {
        let secret = |name: &str| ["secret", "token", "key"].iter().any(|part| name.contains(part));
        settings.iter_mut().filter(|(name, _)| secret(name)).for_each(|(_, value)| change(value));
    })
}

/// The provider of `word`, with `changed` settings.
///
/// # Panics
/// As [`provider`].
#[must_use]
pub fn provider_with(word: &str, changed: impl FnOnce(&mut toml::Table)) -> Arc<dyn Provider> {
    let text = std::fs::read_to_string(fixture(word, "source.toml")).expect("every sender has a folder of fixtures");
    let mut file: toml::Table = text.parse().expect("the fixtures are TOML");
    let Some(toml::Value::Table(mut settings)) = file.remove("settings") else { panic!("the fixtures have settings") };
    changed(&mut settings);
    let place = Place::new(source(), Some("https://hooks.example.com"));
    let made = match with_preset(word, settings.clone()) {
        Some(settings) => providers::build(PRESET_DIALECT, settings, &place),
        None => providers::build(word, settings, &place),
    };
    made.expect("the fixtures make a provider")
}

/// Makes another secret of each, as long as it was, and still one where it has to be hexadecimal or base64.
fn change(value: &mut toml::Value) {
    match value {
        toml::Value::String(secret) => {
            let at = if secret.starts_with("whsec_") { 6 } else { 0 };
            secret.replace_range(at..at + 8, "deface01");
        }
        toml::Value::Array(secrets) => secrets.iter_mut().for_each(change),
        _ => {}
    }
}

fn source() -> SourceName {
    SourceName::parse("fuzzed").expect("letters are a name")
}

/// Asks `provider` everything about a webhook with this body: whether it is let in, what it is answered, and, as if it
/// had been let in, what its items say and which lead they make.
///
/// # Panics
/// When an answer breaks a promise of the trait.
pub fn ask(provider: &dyn Provider, headers: &[(&str, &str)], body: &[u8]) {
    let webhook = webhook(headers, body);
    drop(provider.handshake(&webhook));
    drop(provider.verify(&webhook, Timestamp::UNIX_EPOCH));
    drop(provider.challenge(&webhook));
    let reply = provider.accepted(&webhook);
    assert!(reply.headers.iter().all(|(_, value)| !value.contains(['\r', '\n'])), "a header is one line");
    let Webhook { source, received, request_id, headers, body, .. } = webhook;
    let headers = headers.to_pairs();
    split(provider, Kept { source: source.clone(), received, request_id, headers, body: body.clone() });
    // What the store gives back may have been put there by another release.
    let (source, external_ref) = (&source, &ExternalRef::new("fuzzed:", "1"));
    read(provider, &ItemBody { source, external_ref, received, body: &body, fetched: None });
}

/// What a list of the sender's brought, as far as it can be told by its body.
///
/// # Panics
/// When it cannot be cut: a page is made into a webhook by the provider itself.
pub fn take(provider: &dyn Provider, body: Bytes) {
    let kept = back_filled(source(), Timestamp::UNIX_EPOCH, "req".to_owned(), body);
    assert!(split(provider, kept), "what a page of a list was made into can be cut");
}

/// Cuts what was kept and reads its items; false when it cannot be cut.
fn split(provider: &dyn Provider, kept: Kept) -> bool {
    let kept = Verified::from_inbox(kept);
    drop(provider.lessons(&kept));
    let Ok(items) = provider.split(&kept) else { return false };
    for Item { external_ref, body, .. } in &items {
        assert!(external_ref.as_str().chars().count() <= MAX_LEN, "a reference fits Konektor");
        let item = ItemBody { source: kept.source(), external_ref, received: kept.received(), body, fetched: None };
        read(provider, &item);
    }
    true
}

/// A webhook that was just sent, with these headers.
#[must_use]
pub fn webhook(headers: &[(&str, &str)], body: &[u8]) -> Webhook {
    Webhook {
        source: source(),
        received: Timestamp::UNIX_EPOCH,
        request_id: "req".to_owned(),
        method: Method::Post,
        path: String::new(),
        path_token: None,
        query: String::new(),
        headers: headers.iter().copied().collect(),
        body: Bytes::copy_from_slice(body),
        packed: None,
    }
}

/// Shows `provider` a webhook with a proof that somebody made up, and takes it apart as `verify` does.
///
/// # Panics
/// When it is let in.
pub fn refuse(provider: &dyn Provider, headers: &[(&str, &str)], token: &str, query: &str, body: &[u8]) {
    let plain = webhook(headers, body);
    let path = format!("/hooks/fuzzed/{token}");
    let asked = Webhook { path, path_token: Some(token.to_owned()), query: query.to_owned(), ..plain };
    assert!(provider.verify(&asked, Timestamp::UNIX_EPOCH).is_err(), "nobody guesses a proof");
    if let Some(scheme) = provider.scheme() {
        drop(scheme.examine(&asked, Timestamp::UNIX_EPOCH));
    }
}

/// Asks `provider` with this query whether the URL is really its owner's.
///
/// # Panics
/// When the answer gives back what a browser could take for a page.
pub fn challenge(provider: &dyn Provider, query: &str) {
    let asked = Webhook { method: Method::Get, query: query.to_owned(), ..webhook(&[], b"") };
    let reply = provider.handshake(&asked);
    assert!(reply.is_none_or(|reply| !reply.body.contains(['<', '>', '&'])), "no markup is given back");
}

fn read(provider: &dyn Provider, item: &ItemBody<'_>) {
    drop(provider.lookup(item));
    // What a look-up brings is from outside too: the item's own bytes are as good as any.
    for item in [*item, ItemBody { fetched: Some(item.body), ..*item }] {
        lead(provider, &item);
    }
}

/// Reads an item and makes a lead of it.
///
/// # Panics
/// When the lead does not fit Konektor.
pub fn lead(provider: &dyn Provider, item: &ItemBody<'_>) {
    let Ok(reading) = provider.read(item) else { return };
    let (Reading::Lead(submission)
    | Reading::Test(submission)
    | Reading::Spam(submission)
    | Reading::Nobody(submission)) = reading;
    let lead = compose(&submission, item.external_ref, &Rules::default(), Region::default());
    assert!(lead.notes.render().chars().count() <= 5000, "the notes fit Konektor");
}

/// The headers that the webhooks among the fixtures of `word` have, names in lower case, in order; without those that say
/// where a browser was, for of browsers that is all the proof.
#[must_use]
pub fn proof_headers(word: &str) -> Vec<String> {
    let rows = webhooks(word);
    let headers = rows.iter().filter_map(|row| row["headers"].as_object()).flat_map(|headers| headers.keys());
    let mut names: Vec<_> = headers.map(|name| name.to_ascii_lowercase()).collect();
    names.retain(|name| name != "origin" && name != "referer");
    names.sort_unstable();
    names.dedup();
    names
}
