//! Senders as data.

mod cut;
mod decode;
mod document;
mod filter;
mod identity;
mod labels;
mod path;
mod proof;
mod read;
mod reply;
mod sample;
mod settings;
mod spot;

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use self::settings::Settings;
use self::spot::Delivery;
use super::{
    ItemBody, Method, Place, Provider, Reading, Refusal, Reply, Sample, SampleKind, Scheme, SettingsError, Unreadable,
    Verified, Webhook, meta,
};
use crate::domain::event::Item;

pub(super) use self::document::{FieldMap, Leaf, Target, answer, document, id, leaves};
pub(super) use self::path::Path;

/// Makes the provider from its settings.
pub(super) fn build(table: toml::Table, place: &Place) -> Result<Arc<dyn Provider>, SettingsError> {
    let mut settings = Settings::read(table)?;
    let (verify, secret, token) = (settings.verify.take(), settings.secret.take(), settings.token.take());
    let scheme = proof::scheme(verify, secret, token, place)?;
    Ok(Arc::new(Mapped { settings, scheme }))
}

#[derive(Debug)]
struct Mapped {
    settings: Settings,
    scheme: Scheme,
}

impl Provider for Mapped {
    fn handshake(&self, webhook: &Webhook) -> Option<Reply> {
        let tokens = self.settings.verify_token.as_ref();
        self.settings.handshake.0.iter().find_map(|handshake| handshake.answer(webhook, tokens))
    }

    fn verify(&self, webhook: &Webhook, now: Timestamp) -> Result<Verified, Refusal> {
        if webhook.method != Method::Post {
            return Err(Refusal::Method);
        }
        let proof = self.scheme.verify(webhook, now)?;
        if !webhook.is_plain() {
            return Err(Refusal::ContentType);
        }
        Ok(Verified::new(webhook, &self.settings.headers(), self.without_secrets(proof.body)))
    }

    fn accepted(&self, _: &Webhook) -> Reply {
        self.settings.reply.reply()
    }

    fn has_path_token(&self) -> bool {
        self.scheme.has_path_token()
    }

    fn split(&self, webhook: &Verified) -> Result<Vec<Item>, Unreadable> {
        let content_type = webhook.header("content-type").unwrap_or_default();
        let text = decode::text(self.settings.decode, content_type, webhook.body())?;
        let whole = decode::opened(&self.settings, &text)?;
        let headers = &webhook.kept.headers;
        if !self.is_wanted(&Delivery { whole: &whole, item: &whole, headers }, true) {
            return Ok(Vec::new());
        }
        let documents = self.documents(text, &whole)?;
        Ok(documents.into_iter().filter_map(|document| self.item(webhook, document)).collect())
    }

    fn read(&self, item: &ItemBody<'_>) -> Result<Reading, Unreadable> {
        let text = std::str::from_utf8(item.body).map_err(|_| Unreadable("the stored item is no text".to_owned()))?;
        let whole = decode::opened(&self.settings, text)?;
        let found = self.found(&whole).ok_or_else(|| Unreadable(self.nowhere()))?;
        read::reading(&self.settings, &Delivery { whole: &whole, item: found, headers: &[] }, item.external_ref)
    }

    /// What the preset says; kinds that it does not know are an ordinary lead.
    fn sample(&self, kind: SampleKind, seed: u64, now: Timestamp) -> Sample {
        self.settings.sample.sample(&self.scheme, kind, seed, now)
    }

    fn sign(&self, body: Vec<u8>, now: Timestamp) -> Sample {
        self.settings.sample.signed(&self.scheme, body, None, now)
    }
}

impl Mapped {
    /// The body without what must not be kept.
    fn without_secrets(&self, body: bytes::Bytes) -> bytes::Bytes {
        if self.settings.redact.0.is_empty() {
            return body;
        }
        match String::from_utf8(body.to_vec()) {
            Ok(text) => self.settings.redact.0.iter().fold(text, |text, path| cut::redacted(path, text)).into(),
            Err(_) => body,
        }
    }

    fn is_wanted(&self, delivery: &Delivery<'_>, around: bool) -> bool {
        self.settings.accept.all(delivery, around) && !self.settings.ignore.any(delivery, around)
    }

    /// One document for each item.
    fn documents(&self, text: String, whole: &Value) -> Result<Vec<String>, Unreadable> {
        if self.settings.items.0.is_empty() {
            return Ok(vec![text]);
        }
        // What lies in opened strings is cut from the opened document.
        let text = if self.settings.embedded.0.is_empty() { text } else { whole.to_string() };
        for items in &self.settings.items.0 {
            if let Some(documents) = cut::items(&items.0, &text)? {
                return Ok(documents);
            }
        }
        Err(Unreadable(self.nowhere()))
    }

    /// The item in a document that has only one.
    fn found<'v>(&self, whole: &'v Value) -> Option<&'v Value> {
        if self.settings.items.0.is_empty() {
            return Some(whole);
        }
        self.settings.items.0.iter().find_map(|items| items.0.find(whole))
    }

    fn nowhere(&self) -> String {
        let places: Vec<_> = self.settings.items.0.iter().map(|items| format!("`{}`", items.0)).collect();
        format!("there is nothing at {}", places.join(" or "))
    }

    /// The item of one document. One that cannot be read goes on alone, and costs no other.
    fn item(&self, webhook: &Verified, document: String) -> Option<Item> {
        let unread = |document: &str| Some(meta::unread(webhook.source(), "unread:", document));
        let Ok(whole) = decode::opened(&self.settings, &document) else { return unread(&document) };
        let Some(found) = self.found(&whole) else { return unread(&document) };
        let delivery = Delivery { whole: &whole, item: found, headers: &webhook.kept.headers };
        if !self.is_wanted(&delivery, false) {
            return None;
        }
        match identity::item(&self.settings, webhook, &delivery, document.clone()) {
            Ok(item) => item,
            Err(_) => unread(&document),
        }
    }
}
