//! WhatsApp Cloud API: messages that people write to a business number.
//!
//! A lead is a person on one business number, not a message: every message of the same person joins the same lead, by
//! whichever of the person's ids it comes (`split`); a new number or user id is noted (`renamed`). What is not a person
//! writing (delivery statuses, echoes of the business's own messages, imported history, clicks, reactions, system notes,
//! groups) gives no item. Source: "Webhooks" and "Messages" of the WhatsApp Business Platform's documents; nothing of
//! Meta's is closed, so everything is optional and what is new is let through.

mod content;
mod errors;
mod old;
mod read;
mod renamed;
mod sample;
mod split;

use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;

use super::complaint::{self, Complaint};
use super::{
    ItemBody, Method, Provider, Reading, Refusal, Reply, Sample, SampleKind, Scheme, Secrets, SettingsError,
    Unreadable, Verified, Webhook, handshake, meta, settings,
};
use crate::domain::event::{Item, Lesson};

/// What Meta's envelope is about.
const ACCOUNT: &str = "whatsapp_business_account";

/// The settings as they are written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The secret of the app that is subscribed, which signs; several while it is being replaced.
    app_secret: Option<Secrets>,
    /// What the owner typed into Meta's page as "Verify token".
    verify_token: Option<Secrets>,
}

/// The dialect with its settings.
#[derive(Debug)]
struct WhatsApp {
    app_secrets: Secrets,
    verify_tokens: Secrets,
}

/// Builds the dialect from its settings.
pub(super) fn build(table: toml::Table) -> Result<Arc<dyn Provider>, SettingsError> {
    let Settings { app_secret, verify_token } = settings::read(table)?;
    let set = [("app_secret", app_secret.is_some()), ("verify_token", verify_token.is_some())];
    let (Some(app_secrets), Some(verify_tokens)) = (app_secret, verify_token) else {
        return Err(settings::incomplete(&set));
    };
    settings::long_enough("app_secret", &app_secrets)?;
    Ok(Arc::new(WhatsApp { app_secrets, verify_tokens }))
}

impl Provider for WhatsApp {
    fn handshake(&self, webhook: &Webhook) -> Option<Reply> {
        handshake::hub_challenge(webhook, &self.verify_tokens)
    }

    fn methods(&self) -> &'static [Method] {
        &[Method::Get, Method::Post]
    }

    fn verify(&self, webhook: &Webhook, _now: Timestamp) -> Result<Verified, Refusal> {
        // The signature is over the escapes as they come; a body that a proxy has rewritten is another body.
        meta::verify(webhook, &self.app_secrets, meta::Signed::AsSent)
    }

    fn scheme(&self) -> Option<Scheme> {
        Some(meta::scheme(&self.app_secrets))
    }

    fn accepted(&self, _webhook: &Webhook) -> Reply {
        Reply::json(r#"{"ok":true}"#)
    }

    fn split(&self, webhook: &Verified) -> Result<Vec<Item>, Unreadable> {
        of_envelope(webhook)
    }

    fn lessons(&self, webhook: &Verified) -> Vec<Lesson> {
        lessons(webhook)
    }

    fn complaints(&self, webhook: &Verified) -> Vec<(Complaint, usize)> {
        complaints(webhook)
    }

    fn read(&self, item: &ItemBody<'_>) -> Result<Reading, Unreadable> {
        reading(item.body)
    }

    fn sample(&self, kind: SampleKind, seed: u64, now: Timestamp) -> Sample {
        sample::sample(&self.app_secrets, kind, seed, now)
    }

    fn sign(&self, body: Vec<u8>, _now: Timestamp) -> Sample {
        meta::signed(&self.app_secrets, body)
    }
}

/// The items of a webhook that somebody passes on, who proves it in another way: in Meta's envelope, or in the one of the
/// time before the Cloud API.
///
/// # Errors
/// [`Unreadable`]: it is neither, or holds too many.
pub(super) fn items(webhook: &Verified) -> Result<Vec<Item>, Unreadable> {
    match old::change(webhook) {
        Some(change) => meta::of_one_webhook(split::items(webhook, &change)),
        None => of_envelope(webhook),
    }
}

fn of_envelope(webhook: &Verified) -> Result<Vec<Item>, Unreadable> {
    let changes = meta::changes(webhook.body(), ACCOUNT)?;
    meta::of_one_webhook(changes.into_iter().flat_map(|change| split::items(webhook, change.get())).collect())
}

/// What a webhook in Meta's envelope says of people's ids.
pub(super) fn lessons(webhook: &Verified) -> Vec<Lesson> {
    let changes = meta::changes(webhook.body(), ACCOUNT).unwrap_or_default();
    changes.into_iter().flat_map(|change| renamed::lessons(change.get())).collect()
}

/// The errors that a webhook in Meta's envelope tells of, each with how often. Few do: most are not looked at.
pub(super) fn complaints(webhook: &Verified) -> Vec<(Complaint, usize)> {
    if memchr::memmem::find(webhook.body(), b"\"errors\"").is_none() {
        return Vec::new();
    }
    let changes = meta::changes(webhook.body(), ACCOUNT).unwrap_or_default();
    complaint::counted(changes.into_iter().flat_map(|change| errors::of(change.get())))
}

/// Reads one of [`items`].
///
/// # Errors
/// [`Unreadable`]: it is something else, or names nobody who wrote it.
pub(super) fn reading(body: &[u8]) -> Result<Reading, Unreadable> {
    read::reading(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_secret_the_source_is_off_and_says_what_to_set() {
        let missing = |table| build(table).unwrap_err();
        let both = SettingsError::Incomplete("set `app_secret` and `verify_token`".into());
        assert_eq!(missing(toml::Table::new()), both);
        let token = SettingsError::Incomplete("set `verify_token`".into());
        assert_eq!(missing(toml::toml! { app_secret = "s" }), token);
    }
}
