//! TikTok Instant Forms: leads of TikTok's own forms and direct messages, up to a thousand in one webhook.
//!
//! The answers are inside, and nobody can ask for one lead again, so the webhook is the only copy. Ids have 19 digits, more
//! than a float holds: they stay text. Sources: "Validate payloads", "Lead webhook fields" and "Create a subscription" of
//! the TikTok API for Business (business-api.tiktok.com/portal/docs). `TikTok-Signature` (`t=…,s=…`) belongs to another
//! product of TikTok's and proves nothing here.

mod read;
mod sample;

use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::charset;
use super::json::{Id, Object};
use super::signature::{escaped_unicode, hex_digest};
use super::{
    Alternative, Header, ItemBody, Method, Provider, Reading, Refusal, Reply, Sample, SampleKind, Scheme, Secrets,
    SettingsError, Unreadable, Verified, Webhook, meta, settings,
};
use crate::domain::event::{EventId, Hold, Item, SourceName};
use crate::domain::external_ref::ExternalRef;

/// What stands before the lead id in an `externalRef`.
const PREFIX: &str = "tiktok:lead:";

/// The header of the proof: 64 hexadecimal digits and nothing else.
const SIGNATURE: &str = "x-open-signature";

/// Says how the proof was made; it may be left out.
const SIGNATURE_TYPE: &str = "x-open-signature-type";

/// The `object` of webhooks about leads.
const LEADS: &str = "1";

/// The settings as they are written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The secret of the app that made the subscription; several while it is being replaced.
    app_secret: Option<Secrets>,
}

/// The dialect with its settings.
#[derive(Debug)]
struct Tiktok {
    app_secrets: Secrets,
}

/// Builds the dialect from its settings.
pub(super) fn build(table: toml::Table) -> Result<Arc<dyn Provider>, SettingsError> {
    let Settings { app_secret } = settings::read(table)?;
    let app_secrets = app_secret.ok_or_else(|| settings::incomplete(&[("app_secret", false)]))?;
    settings::long_enough("app_secret", &app_secrets)?;
    Ok(Arc::new(Tiktok { app_secrets }))
}

impl Provider for Tiktok {
    /// No challenge is documented. A look whether somebody is there must not fail all the same.
    fn handshake(&self, webhook: &Webhook) -> Option<Reply> {
        let looks = webhook.method == Method::Get || webhook.method == Method::Post && webhook.body.is_empty();
        looks.then(|| Reply::json("{}"))
    }

    fn methods(&self) -> &'static [Method] {
        &[Method::Get, Method::Post]
    }

    fn verify(&self, webhook: &Webhook, _now: Timestamp) -> Result<Verified, Refusal> {
        if webhook.method != Method::Post {
            return Err(Refusal::Method);
        }
        let given = match webhook.header(SIGNATURE) {
            Header::Absent => return Err(Refusal::NoProof),
            Header::Several => return Err(Refusal::GarbledProof),
            Header::Once(value) => hex_digest(value).ok_or(Refusal::GarbledProof)?,
        };
        match webhook.header(SIGNATURE_TYPE) {
            Header::Absent => {}
            Header::Once(kind) if kind.eq_ignore_ascii_case("HMAC-SHA256") => {}
            Header::Once(_) | Header::Several => return Err(Refusal::GarbledProof),
        }
        let proves = |body: &[u8]| self.app_secrets.keys().any_signed(&[body], &given);
        let verified = || Verified::new(webhook, &[], webhook.body.clone());
        // TikTok's document says that it signs the escaped spelling; live webhooks were signed as sent. Neither was seen
        // with a letter that makes a difference.
        if proves(webhook.as_sent()) {
            return Ok(verified());
        }
        let escaped = escaped_unicode(webhook.as_sent()).is_some_and(|escaped| proves(&escaped));
        if !escaped {
            return Err(Refusal::WrongProof);
        }
        Ok(Verified { alternative: Some(Alternative::Escaped), ..verified() })
    }

    fn scheme(&self) -> Option<Scheme> {
        const TEXT: &str = "
            kind = 'hmac'
            algorithm = 'sha256'
            encoding = 'hex'
            base = '{body}'
            signature = { header = 'X-Open-Signature' }
        ";
        Some(Scheme::known(TEXT, self.app_secrets.iter()))
    }

    fn accepted(&self, _webhook: &Webhook) -> Reply {
        Reply::json(r#"{"ok":true}"#)
    }

    fn split(&self, webhook: &Verified) -> Result<Vec<Item>, Unreadable> {
        let items = entries(webhook.body())?.into_iter().map(|entry| item(webhook.source(), entry.get()));
        meta::of_one_webhook(items.collect())
    }

    fn read(&self, item: &ItemBody<'_>) -> Result<Reading, Unreadable> {
        let text = std::str::from_utf8(item.body).map_err(|_| Unreadable("the entry is not UTF-8".into()))?;
        let (Some(id), Some(entry)) = (lead_id(text), Object::parse(text)) else {
            return Err(Unreadable("the entry has no lead id in `id`".into()));
        };
        let submission = Box::new(read::submission(id, &entry));
        Ok(if read::is_test(&entry) { Reading::Test(submission) } else { Reading::Lead(submission) })
    }

    fn sample(&self, kind: SampleKind, seed: u64, now: Timestamp) -> Sample {
        sample::sample(&self.app_secrets, kind, seed, now)
    }

    fn sign(&self, body: Vec<u8>, _now: Timestamp) -> Sample {
        sample::signed(&self.app_secrets, body)
    }
}

/// The entries of a webhook about leads, in order; none when it is about something else.
fn entries(body: &[u8]) -> Result<Vec<&RawValue>, Unreadable> {
    let text = charset::utf8(body)?;
    let unreadable = || Unreadable("the body is no JSON object with `object` and a list `entry`".into());
    let envelope = Object::parse(text).ok_or_else(unreadable)?;
    if envelope.text("object").ok_or_else(unreadable)? != LEADS {
        return Ok(Vec::new());
    }
    let entry = envelope.get("entry").ok_or_else(unreadable)?;
    serde_json::from_str(entry.get()).map_err(|_| unreadable())
}

/// An entry as an item. One that cannot be read goes on alone, and costs no other.
fn item(source: &SourceName, text: &str) -> Item {
    let (Some(id), Some(entry)) = (lead_id(text), Object::parse(text)) else {
        return meta::unread(source, "tiktok:unread:", text);
    };
    Item {
        id: EventId::of(source, &[b"lead", id.as_bytes()]),
        same_within: None,
        external_ref: ExternalRef::new(PREFIX, &id),
        aliases: Vec::new(),
        hold: if read::is_test(&entry) { Hold::TestLead } else { Hold::No },
        body: text.as_bytes().to_vec(),
    }
}

/// The lead id: digits, as a number or a string. One that a spreadsheet made `7.6e18` is no id any more.
fn lead_id(text: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Head<'a> {
        #[serde(borrow)]
        id: Id<'a>,
    }
    let Head { id: Id(id) } = serde_json::from_str(text).ok()?;
    let good = id.len() <= 40 && id.bytes().all(|byte| byte.is_ascii_digit());
    good.then(|| id.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_its_secret_the_source_is_off() {
        assert_eq!(build(toml::Table::new()).unwrap_err(), SettingsError::Incomplete("set `app_secret`".into()));
        assert!(matches!(build(toml::toml! { app_secret = "" }), Err(SettingsError::Invalid(_))));
    }

    #[test]
    fn an_id_keeps_its_19_digits_and_a_damaged_one_is_none() {
        assert_eq!(lead_id(r#"{"id":7664713983311741191}"#).as_deref(), Some("7664713983311741191"));
        assert_eq!(lead_id(r#"{"id":"7664713983311741191"}"#).as_deref(), Some("7664713983311741191"));
        for bad in [r#"{"id":7.664713983311742e18}"#, r#"{"id":"7.66E+18"}"#, r#"{"id":null}"#, "{}", "7"] {
            assert_eq!(lead_id(bad), None, "{bad}");
            let item = item(&SourceName::parse("tiktok").unwrap(), bad);
            assert!(item.external_ref.as_str().starts_with("tiktok:unread:h:"), "{bad}");
        }
    }
}
