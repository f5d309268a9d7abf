//! What Meta's webhooks share, whatever they are about: the proof and the envelope.
//!
//! Sources: "Webhooks from Meta" (developers.facebook.com/docs/graph-api/webhooks/getting-started).

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::charset;
use super::signature::{escaped_unicode, hex_digest, hmac_sha256};
use super::{Alternative, Header, Method, Refusal, Sample, Scheme, Secrets, Unreadable, Verified, Webhook};
use crate::domain::event::{EventId, Hold, Item, SourceName};
use crate::domain::external_ref::ExternalRef;

/// The header of the proof. `X-Hub-Signature` (SHA-1) still comes beside it and is not looked at.
pub(super) const SIGNATURE: &str = "x-hub-signature-256";

/// Which spelling of a body may have been signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signed {
    /// The bytes as they came.
    AsSent,
    /// The bytes as they came, or else with their unicode escaped, as Meta's documents say it signs lead webhooks.
    AsSentOrEscaped,
}

/// Checks `sha256=<hex>` over the body under one of the app's secrets.
///
/// # Errors
/// [`Refusal`]. Nothing in Meta's webhooks says when they were signed, so nothing is ever stale.
pub(super) fn verify(webhook: &Webhook, app_secrets: &Secrets, signed: Signed) -> Result<Verified, Refusal> {
    if webhook.method != Method::Post {
        return Err(Refusal::Method);
    }
    let given = match webhook.header(SIGNATURE) {
        Header::Absent => return Err(Refusal::NoProof),
        Header::Several => return Err(Refusal::GarbledProof),
        Header::Once(value) => value.strip_prefix("sha256=").and_then(hex_digest).ok_or(Refusal::GarbledProof)?,
    };
    let proves = |body: &[u8]| app_secrets.keys().any_signed(&[body], &given);
    let verified = || Verified::new(webhook, &[], webhook.body.clone());
    let escaped = || escaped_unicode(webhook.as_sent()).is_some_and(|escaped| proves(&escaped));
    match signed {
        _ if proves(webhook.as_sent()) => Ok(verified()),
        Signed::AsSentOrEscaped if escaped() => Ok(Verified { alternative: Some(Alternative::Escaped), ..verified() }),
        Signed::AsSent | Signed::AsSentOrEscaped => Err(Refusal::WrongProof),
    }
}

/// What [`verify`] checks, said as data.
pub(super) fn scheme(app_secrets: &Secrets) -> Scheme {
    const TEXT: &str = "
        kind = 'hmac'
        algorithm = 'sha256'
        encoding = 'hex'
        base = '{body}'
        signature = { header = 'X-Hub-Signature-256', prefix = 'sha256=' }
    ";
    Scheme::known(TEXT, app_secrets.iter())
}

/// `body` as Meta would send it, for samples.
pub(super) fn signed(app_secrets: &Secrets, body: Vec<u8>) -> Sample {
    let digest = hmac_sha256(app_secrets.first().as_bytes(), &[&body]);
    let proof = (SIGNATURE, format!("sha256={}", hex::encode(digest)));
    Sample::new([("content-type", "application/json".to_owned()), proof], body)
}

/// The changes of a webhook about `object`, in order; none when it is about something else.
///
/// What stands where a change should be comes out as it is, whatever it is; so does an entry whose list of changes cannot
/// be read. The caller will not recognise it and makes it an [`unread`] item, so one bad element costs no other.
///
/// # Errors
/// [`Unreadable`] when it is no JSON object with `object` and a list `entry`.
pub(super) fn changes<'a>(body: &'a [u8], object: &str) -> Result<Vec<&'a RawValue>, Unreadable> {
    #[derive(Deserialize)]
    struct Envelope<'a> {
        #[serde(borrow)]
        object: Cow<'a, str>,
        #[serde(borrow, default)]
        entry: Vec<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct Entry<'a> {
        #[serde(borrow, default)]
        changes: Option<Vec<&'a RawValue>>,
    }
    let text = charset::utf8(body)?;
    let envelope: Envelope<'_> = serde_json::from_str(text)
        .map_err(|_| Unreadable("the body is no JSON object with `object` and a list `entry`".into()))?;
    let mut changes = Vec::with_capacity(envelope.entry.len());
    if envelope.object == object {
        for raw in envelope.entry {
            match serde_json::from_str::<Entry<'_>>(raw.get()) {
                Ok(entry) => changes.extend(entry.changes.unwrap_or_default()),
                Err(_) => changes.push(raw),
            }
        }
    }
    Ok(changes)
}

/// The most leads that one webhook may hold, ten times what Meta says it puts into one: they are sorted in one step, which
/// must not keep other webhooks waiting.
const MAX_ITEMS: usize = 10_000;

/// `items`, unless there are more than one webhook may hold.
///
/// # Errors
/// [`Unreadable`] when there are.
pub(super) fn of_one_webhook(items: Vec<Item>) -> Result<Vec<Item>, Unreadable> {
    if items.len() > MAX_ITEMS { Err(Unreadable(format!("it holds more than {MAX_ITEMS} leads"))) } else { Ok(items) }
}

/// An element that cannot be read, as an item of its own, named by the hash of its bytes.
///
/// Somebody's lead may be in it. Refusing the whole webhook would hold up the readable leads beside it until a person
/// looks; leaving it out would lose it. So it goes on alone: reading it fails, it becomes a dead letter with its bytes,
/// and it can be replayed once the dialect has learned its shape.
pub(super) fn unread(source: &SourceName, prefix: &str, bytes: &str) -> Item {
    Item {
        id: EventId::of(source, &[b"unread", bytes.as_bytes()]),
        same_within: None,
        external_ref: ExternalRef::hashed(prefix, bytes),
        aliases: Vec::new(),
        hold: Hold::No,
        body: bytes.as_bytes().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(body: &str) -> Vec<&str> {
        changes(body.as_bytes(), "page").unwrap().into_iter().map(RawValue::get).collect()
    }

    #[test]
    fn a_proof_over_another_spelling_says_so_and_is_taken_only_where_it_is_documented() {
        let secrets = Secrets::new(vec!["app-secret".into()]).unwrap();
        let of = |signed_body: &str, signed_as| {
            let proof = format!("sha256={}", hex::encode(hmac_sha256(b"app-secret", &[signed_body.as_bytes()])));
            let webhook = Webhook {
                source: SourceName::parse("meta").unwrap(),
                received: jiff::Timestamp::UNIX_EPOCH,
                request_id: String::new(),
                method: Method::Post,
                path: String::new(),
                path_token: None,
                query: String::new(),
                headers: [(SIGNATURE, proof)].into_iter().collect(),
                body: r#"{"a":"ä"}"#.into(),
                packed: None,
            };
            verify(&webhook, &secrets, signed_as).map(|verified| verified.alternative())
        };
        let escaped = r#"{"a":"\u00e4"}"#;
        assert_eq!(of(r#"{"a":"ä"}"#, Signed::AsSentOrEscaped), Ok(None));
        assert_eq!(of(escaped, Signed::AsSentOrEscaped), Ok(Some(Alternative::Escaped)));
        assert_eq!(of(escaped, Signed::AsSent), Err(Refusal::WrongProof));
    }

    #[test]
    fn a_webhook_of_more_leads_than_meta_ever_sends_is_kept_whole() {
        let source = SourceName::parse("meta").unwrap();
        let items = |count| vec![unread(&source, "meta:", "x"); count];
        assert_eq!(of_one_webhook(items(MAX_ITEMS)).unwrap().len(), MAX_ITEMS);
        assert!(of_one_webhook(items(MAX_ITEMS + 1)).is_err());
    }

    #[test]
    fn the_changes_of_all_entries_come_in_order() {
        let body = r#"{"object":"page","entry":[{"id":"1","changes":[{"a":1},{"b":2}]},{"changes":[{"c":3}],"x":0}]}"#;
        assert_eq!(found(body), [r#"{"a":1}"#, r#"{"b":2}"#, r#"{"c":3}"#]);
    }

    #[test]
    fn an_element_of_another_shape_comes_out_as_it_is() {
        let body = r#"{"object":"page","entry":[7,{"changes":{"a":1}},{"changes":[null,{"c":3}]}]}"#;
        assert_eq!(found(body), ["7", r#"{"changes":{"a":1}}"#, "null", r#"{"c":3}"#]);
    }

    #[test]
    fn another_object_or_entries_without_changes_give_none() {
        assert!(found(r#"{"object":"instagram","entry":[{"changes":[{"a":1}]}]}"#).is_empty());
        assert!(found(r#"{"object":"page","entry":[{"messaging":[{}]},{"changes":null}]}"#).is_empty());
        assert!(found(r#"{"object":"page"}"#).is_empty());
    }

    #[test]
    fn what_is_no_envelope_is_unreadable() {
        for bad in ["", "{", "[]", r#"{"entry":[]}"#, r#"{"object":"page","entry":{}}"#, r#"{"object":1}"#] {
            assert!(changes(bad.as_bytes(), "page").is_err(), "{bad}");
        }
        assert!(changes(b"{\"object\":\"\xff\"}", "page").is_err());
    }
}
