//! What the targets for dialects share: a provider as its fixtures configure it, and every question it can be asked.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use konektor_bridge::config::{PRESET_DIALECT, with_preset};
use konektor_bridge::domain::compose::compose;
use konektor_bridge::domain::event::{Item, Kept, SourceName};
use konektor_bridge::domain::external_ref::MAX_LEN;
use konektor_bridge::domain::region::Region;
use konektor_bridge::domain::rules::Rules;
use konektor_bridge::providers::{self, ItemBody, Method, Place, Provider, Reading, Verified, Webhook};

/// The provider of `dialect`, or of the preset of that name, with the settings of its fixtures.
///
/// # Panics
/// When the fixtures are not there or make no provider.
#[must_use]
pub fn provider(dialect: &str) -> Arc<dyn Provider> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(dialect).join("source.toml");
    let text = std::fs::read_to_string(&path).expect("every dialect has a folder of fixtures");
    let mut file: toml::Table = text.parse().expect("the fixtures are TOML");
    let Some(toml::Value::Table(settings)) = file.remove("settings") else { panic!("the fixtures have settings") };
    let place = Place::new(SourceName::parse("fuzzed").expect("letters are a name"), None);
    let made = match with_preset(dialect, settings.clone()) {
        Some(settings) => providers::build(PRESET_DIALECT, settings, &place),
        None => providers::build(dialect, settings, &place),
    };
    made.expect("the fixtures make a provider")
}

/// Asks `provider` everything about a webhook with this body: whether it is let in, what it is answered, and, as if it
/// had been let in, what its items say and which lead they make.
///
/// # Panics
/// When an answer breaks a promise of the trait.
pub fn ask(provider: &dyn Provider, headers: &[(&str, &str)], body: &[u8]) {
    let webhook = webhook(headers, body);
    let source = webhook.source.clone();
    drop(provider.handshake(&webhook));
    drop(provider.verify(&webhook, Timestamp::UNIX_EPOCH));
    let reply = provider.accepted(&webhook);
    assert!(reply.headers.iter().all(|(_, value)| !value.contains(['\r', '\n'])), "a header is one line");
    let Webhook { received, request_id, headers, body, .. } = webhook;
    let kept = Verified::from_inbox(Kept { source: source.clone(), received, request_id, headers, body });
    for item in provider.split(&kept).unwrap_or_default() {
        assert!(item.external_ref.as_str().chars().count() <= MAX_LEN, "a reference fits Konektor");
        read(provider, &source, &item);
    }
}

fn webhook(headers: &[(&str, &str)], body: &[u8]) -> Webhook {
    Webhook {
        source: SourceName::parse("fuzzed").expect("letters are a name"),
        received: Timestamp::UNIX_EPOCH,
        request_id: "req".to_owned(),
        method: Method::Post,
        path: String::new(),
        path_token: None,
        query: String::new(),
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        body: Bytes::copy_from_slice(body),
    }
}

/// Shows `provider` a webhook with proofs that somebody made up.
///
/// # Panics
/// When it is let in.
pub fn refuse(provider: &dyn Provider, proof: &str, time: &str, body: &[u8]) {
    let headers = [
        ("x-hub-signature-256", proof),
        ("x-bridge-signature", proof),
        ("webhook-id", "msg_1"),
        ("webhook-timestamp", time),
        ("webhook-signature", proof),
        ("content-type", "application/json"),
    ];
    assert!(provider.verify(&webhook(&headers, body), Timestamp::UNIX_EPOCH).is_err(), "nobody guesses a proof");
}

/// Asks `provider` with this query whether the URL is really its owner's.
///
/// # Panics
/// When the answer gives back what a browser could take for a page.
pub fn challenge(provider: &dyn Provider, query: &str) {
    let asked = Webhook { method: Method::Get, query: query.to_owned(), ..webhook(&[], b"") };
    let reply = provider.handshake(&asked);
    assert!(reply.is_none_or(|reply| !reply.body.contains(['<', '>', '"', '&'])), "no markup is given back");
}

fn read(provider: &dyn Provider, source: &SourceName, item: &Item) {
    let (external_ref, body) = (&item.external_ref, item.body.as_slice());
    let item = ItemBody { source, external_ref, received: Timestamp::UNIX_EPOCH, body, fetched: None };
    drop(provider.lookup(&item));
    // What a look-up brings is from outside too: the item's own bytes are as good as any.
    for item in [item, ItemBody { fetched: Some(body), ..item }] {
        let Ok(reading) = provider.read(&item) else { continue };
        let (Reading::Lead(submission)
        | Reading::Test(submission)
        | Reading::Spam(submission)
        | Reading::Nobody(submission)) = reading;
        let lead = compose(&submission, external_ref, &Rules::default(), Region::default());
        assert!(lead.notes.render().chars().count() <= 5000, "the notes fit Konektor");
    }
}
