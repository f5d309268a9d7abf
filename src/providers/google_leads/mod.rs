//! Google Ads lead forms: one lead in each webhook, and the key that proves it inside the body.
//!
//! Nothing is signed, so a key proves who sent and not what: it has to be long and secret, and it is taken out of the body
//! before that is kept. Source: developers.google.com/google-ads/webhook/docs.

mod read;
mod sample;

use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::charset;
use super::json::{self, Id, Object};
use super::signature::any_equal;
use super::{
    ItemBody, Method, Provider, Reading, Refusal, Reply, Sample, SampleKind, Scheme, Secrets, SettingsError,
    Unreadable, Verified, Webhook, settings,
};
use crate::domain::event::{EventId, Hold, Item};
use crate::domain::external_ref::ExternalRef;

/// What stands before the lead id in an `externalRef`.
const PREFIX: &str = "google:lead:";

/// The shortest key that is taken. Google's help suggests dummies such as "123" to owners whose CRM does not check.
const SHORTEST_KEY: usize = 16;

/// What stands in a kept body where the key was.
const REDACTED: &str = r#""[redacted]""#;

/// The settings as they are written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// What the owner typed into the lead form as "Key"; several while it is being replaced.
    key: Option<Secrets>,
}

/// The dialect with its settings.
#[derive(Debug)]
struct GoogleLeads {
    keys: Secrets,
}

/// Builds the dialect from its settings.
pub(super) fn build(table: toml::Table) -> Result<Arc<dyn Provider>, SettingsError> {
    let Settings { key } = settings::read(table)?;
    let Some(keys) = key else {
        return Err(settings::incomplete(&[("key", false)]));
    };
    if keys.iter().any(|key| key.len() < SHORTEST_KEY) {
        let sentence = format!("`key` is the only proof that Google gives: make it {SHORTEST_KEY} characters or more");
        return Err(SettingsError::Invalid(sentence));
    }
    Ok(Arc::new(GoogleLeads { keys }))
}

impl Provider for GoogleLeads {
    fn handshake(&self, _webhook: &Webhook) -> Option<Reply> {
        None
    }

    fn verify(&self, webhook: &Webhook, _now: Timestamp) -> Result<Verified, Refusal> {
        if webhook.method != Method::Post {
            return Err(Refusal::Method);
        }
        let text = std::str::from_utf8(&webhook.body).map_err(|_| Refusal::GarbledProof)?;
        let members = Object::parse(text).ok_or(Refusal::GarbledProof)?;
        let given = only_key(&members)?;
        match json::string(given) {
            None => Err(Refusal::GarbledProof),
            Some(key) if key.is_empty() => Err(Refusal::NoProof),
            Some(key) if any_equal(&self.keys, &key) => {
                Ok(Verified::new(webhook, &[], json::replaced(text, given, REDACTED).into()))
            }
            Some(_) => Err(Refusal::WrongProof),
        }
    }

    fn scheme(&self) -> Option<Scheme> {
        Some(Scheme::known("kind = 'token'\nlocation = 'json'\nname = 'google_key'", self.keys.iter()))
    }

    /// Its documents name this answer, which "Send test data" shows.
    fn unproved(&self) -> Option<&'static str> {
        Some("invalid google_key")
    }

    /// A 4xx is final for Google.
    fn sends_once(&self) -> bool {
        true
    }

    fn accepted(&self, _webhook: &Webhook) -> Reply {
        Reply::json("{}")
    }

    fn split(&self, webhook: &Verified) -> Result<Vec<Item>, Unreadable> {
        #[derive(Deserialize)]
        struct Head<'a> {
            #[serde(borrow)]
            lead_id: Id<'a>,
        }
        let text = charset::utf8(webhook.body())?;
        let Head { lead_id: Id(id) } =
            serde_json::from_str(text).map_err(|_| Unreadable("the webhook has no one `lead_id`".into()))?;
        // Every test has the same lead id, so each delivery of one is an event of its own: pressing the button a second
        // time shows a second one.
        let (event, hold) = if is_test(&Object::parse(text).unwrap_or_default()) {
            (EventId::of(webhook.source(), &[b"test", webhook.kept.request_id.as_bytes()]), Hold::TestLead)
        } else {
            (EventId::of(webhook.source(), &[b"lead", id.as_bytes()]), Hold::No)
        };
        Ok(vec![Item {
            id: event,
            same_within: None,
            external_ref: ExternalRef::new(PREFIX, &id),
            aliases: Vec::new(),
            hold,
            body: webhook.body().to_vec(),
        }])
    }

    fn read(&self, item: &ItemBody<'_>) -> Result<Reading, Unreadable> {
        let lead =
            Object::parse(charset::utf8(item.body)?).ok_or_else(|| Unreadable("the lead is no JSON object".into()))?;
        let submission = Box::new(read::submission(&lead));
        Ok(if is_test(&lead) { Reading::Test(submission) } else { Reading::Lead(submission) })
    }

    fn sample(&self, kind: SampleKind, seed: u64, now: Timestamp) -> Sample {
        sample::sample(&self.keys, kind, seed, now)
    }

    fn sign(&self, body: Vec<u8>, _now: Timestamp) -> Sample {
        sample::signed(&self.keys, body)
    }
}

/// The one member `google_key`. Two of them are refused: which one counts would depend on who reads, and the other would
/// be kept in clear.
fn only_key<'a>(members: &Object<'a>) -> Result<&'a RawValue, Refusal> {
    let mut keys = members.all("google_key");
    match (keys.next(), keys.next()) {
        (None, _) => Err(Refusal::NoProof),
        (Some(only), None) => Ok(only),
        (Some(_), Some(_)) => Err(Refusal::GarbledProof),
    }
}

fn is_test(lead: &Object<'_>) -> bool {
    lead.text("is_test").is_some_and(|word| word == "true")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::SourceName;

    const KEY: &str = "gk_5d1b7c0e9f3a4c68";

    fn provider(keys: &[&str]) -> Result<Arc<dyn Provider>, SettingsError> {
        build(toml::Table::from_iter([("key".to_owned(), toml::Value::from(keys.to_vec()))]))
    }

    fn verified(body: &str) -> Result<Verified, Refusal> {
        let webhook = Webhook {
            source: SourceName::parse("google").unwrap(),
            received: Timestamp::UNIX_EPOCH,
            request_id: "r1".into(),
            method: Method::Post,
            path: String::new(),
            path_token: None,
            query: String::new(),
            headers: crate::providers::Headers::default(),
            body: body.to_owned().into(),
            packed: None,
        };
        provider(&["another-key-0123456789", KEY]).unwrap().verify(&webhook, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_key_that_could_be_guessed_makes_no_source() {
        assert!(matches!(provider(&["123456789012345"]), Err(SettingsError::Invalid(_))));
        assert!(matches!(provider(&[KEY, "123"]), Err(SettingsError::Invalid(_))));
        assert!(provider(&["1234567890123456"]).is_ok());
        assert_eq!(build(toml::Table::new()).unwrap_err(), SettingsError::Incomplete("set `key`".into()));
    }

    #[test]
    fn only_the_key_is_taken_out_and_no_other_byte_changes() {
        let body = "{ \"lead_id\":12345678901234567890123,\"google_key\" :\t\"gk_5d1b7c0e9f3a4c68\" ,\"x\":1.50 }\n";
        let kept = verified(body).unwrap().into_kept().body;
        assert_eq!(kept, body.replace(KEY, "[redacted]"));
    }

    #[test]
    fn however_the_key_is_spelled_it_is_found_and_taken_out() {
        let kept = verified(r#"{"google\u005fkey":"\u0067k_5d1b7c0e9f3a4c68"}"#).unwrap().into_kept().body;
        assert_eq!(kept, r#"{"google\u005fkey":"[redacted]"}"#);
    }

    #[test]
    fn a_second_key_is_refused_wherever_it_stands_and_however_it_is_spelled() {
        for body in [
            r#"{"google_key":"gk_5d1b7c0e9f3a4c68","google_key":"wrong"}"#,
            r#"{"google_key":"wrong","lead_id":"1","google_key":"gk_5d1b7c0e9f3a4c68"}"#,
            r#"{"google_key":"gk_5d1b7c0e9f3a4c68","google\u005fkey":"gk_5d1b7c0e9f3a4c68"}"#,
        ] {
            assert_eq!(verified(body), Err(Refusal::GarbledProof), "{body}");
        }
    }

    #[test]
    fn a_key_of_another_shape_or_place_is_no_key() {
        for (body, refusal) in [
            (r"{}", Refusal::NoProof),
            (r#"{"google_key":""}"#, Refusal::NoProof),
            (r#"{"inner":{"google_key":"gk_5d1b7c0e9f3a4c68"}}"#, Refusal::NoProof),
            (r#"{"google_key":null}"#, Refusal::GarbledProof),
            (r#"{"google_key":["gk_5d1b7c0e9f3a4c68"]}"#, Refusal::GarbledProof),
            (r#"[{"google_key":"gk_5d1b7c0e9f3a4c68"}]"#, Refusal::GarbledProof),
            (r#"{"google_key":"gk_5d1b7c0e9f3a4c68""#, Refusal::GarbledProof),
            (r#"{"google_key":"gk_5d1b7c0e9f3a4c6"}"#, Refusal::WrongProof),
        ] {
            assert_eq!(verified(body), Err(refusal), "{body}");
        }
    }
}
