//! HTML forms: plain posts, `fetch` from a page, and back-ends that sign.
//!
//! A post is let in when it carries a valid `X-Bridge-Signature`, or comes from a browser on an allowed site. Browsers
//! name the site in `Origin` with every post, except that pages under `Referrer-Policy: no-referrer` send `null`.
//!
//! **Which lead it is.** A page that sends a hidden `submission_id` of its own (a UUID made in the browser) says so
//! itself: the same id is the same lead, another content under it an update. Without one, the same content within ten
//! minutes is one submission (somebody pressed twice), and later it is a new lead, because nothing tells a resend from
//! a customer who comes back.
//!
//! What is stored of an item is not the body but the fields read from it: a multipart body holds files, which are not
//! kept.

pub(super) mod answers;
pub(super) mod body;
pub(super) mod files;
mod multipart;
mod origin;
pub(super) mod sample;
mod settings;

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::body::{Content, Encoding, Field};
use self::settings::Settings;
use super::unnamed::{self, PRESSED_TWICE};
use super::{
    Challenge, Files, Header, ItemBody, Method, Provider, Reading, Refusal, Reply, Sample, SampleKind, Scheme,
    SettingsError, UNVERIFIED, Unreadable, Verified, Webhook, timed,
};
use crate::domain::event::{EventId, Hold, Item};
use crate::domain::external_ref::ExternalRef;
use crate::domain::status::LeadSource;
use crate::domain::submission::{Fact, Submission};

/// The header with which a back-end proves itself: `t=<unix s>,v1=<hex>`, HMAC-SHA256 over `t.body`.
const SIGNATURE: &str = "x-bridge-signature";

/// What a visitor reads where no page of the owner's is configured.
const THANKS: &str = "<!doctype html>\n<html lang=\"id\">\n<meta charset=\"utf-8\">\n\
    <meta name=\"viewport\" content=\"width=device-width\">\n<title>Terima kasih</title>\n\
    <p>Terima kasih, pesan Anda sudah kami terima.</p>\n\
    <p lang=\"en\">Thank you, we have received your message.</p>\n";

/// Makes the provider from its settings.
pub(super) fn build(table: toml::Table) -> Result<Arc<dyn Provider>, SettingsError> {
    Ok(Arc::new(Form { settings: Settings::read(table)? }))
}

#[derive(Debug)]
struct Form {
    settings: Settings,
}

/// An item as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Filled {
    /// The address of the page, or at least its site, as the browser tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    page: Option<String>,
    /// The fields in the order of the form.
    fields: Vec<Field>,
    /// Nobody could say whether a person sent it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    unverified: bool,
}

impl Provider for Form {
    fn handshake(&self, webhook: &Webhook) -> Option<Reply> {
        (webhook.method == Method::Options).then(|| self.settings.origins.preflight(webhook)).flatten()
    }

    fn verify(&self, webhook: &Webhook, now: Timestamp) -> Result<Verified, Refusal> {
        match webhook.method {
            Method::Post => {}
            // A preflight that `handshake` did not answer is from a site that is not allowed.
            Method::Options if webhook.header("origin") != Header::Absent => return Err(Refusal::Origin),
            Method::Get | Method::Options => return Err(Refusal::Method),
        }
        self.admit(webhook, now)?;
        let encoding = self.encoding(&webhook.media_type()).filter(|_| webhook.is_plain());
        let body = kept(encoding.ok_or(Refusal::ContentType)?, webhook);
        Ok(Verified::new(webhook, &["content-type", "origin", "referer"], body))
    }

    fn methods(&self) -> &'static [Method] {
        if self.settings.origins.is_empty() { &[Method::Post] } else { &[Method::Post, Method::Options] }
    }

    fn files(&self, head: &Webhook) -> Files {
        match self.encoding(&head.media_type()) {
            Some(Encoding::Multipart) if self.is_signed(head) => Files::Proved,
            Some(Encoding::Multipart) => Files::dropped(head),
            Some(Encoding::Urlencoded | Encoding::Json | Encoding::TextJson) | None => Files::None,
        }
    }

    fn challenge(&self, webhook: &Webhook) -> Result<Option<Challenge>, Refusal> {
        let Some(captcha) = self.settings.captcha.as_ref().filter(|_| !self.is_signed(webhook)) else {
            return Ok(None);
        };
        let Some(content_type) = webhook.content_type() else { return Err(Refusal::Captcha) };
        let encoding = self.encoding(&webhook.media_type()).ok_or(Refusal::Captcha)?;
        let fields = body::fields(encoding, content_type, &webhook.body).map_err(|_| Refusal::Captcha)?;
        // What fell into the trap is withheld in any case.
        if self.is_spam(&fields) {
            return Ok(None);
        }
        let token = fields.iter().filter(|Field(name, _)| *name == captcha.field).find_map(Field::filled);
        captcha.challenge(token, &webhook.body).map(Some)
    }

    fn refused(&self, webhook: &Webhook, refusal: Refusal) -> Option<Reply> {
        let plain = matches!(self.encoding(&webhook.media_type()), Some(Encoding::Urlencoded | Encoding::Multipart));
        let page = self.settings.redirect_error.as_ref();
        let page = page.filter(|_| refusal == Refusal::Captcha && plain && !asks_for_json(webhook))?;
        Some(Reply::empty(303).header("location", page.as_str()))
    }

    /// Only of what back-ends sign: of browsers it is the site that counts.
    fn scheme(&self) -> Option<Scheme> {
        const TEXT: &str = "
            kind = 'hmac'
            algorithm = 'sha256'
            encoding = 'hex'
            base = '{timestamp}.{body}'
            signature = { header = 'X-Bridge-Signature', field = 'v1' }
            timestamp = { sig_field = 't', unit = 's' }
        ";
        self.settings.secret.as_ref().map(|secret| Scheme::known(TEXT, secret.iter()))
    }

    fn accepted(&self, webhook: &Webhook) -> Reply {
        let encoding = self.encoding(&webhook.media_type());
        let is_json = matches!(encoding, Some(Encoding::Json | Encoding::TextJson));
        let reply = if is_json || asks_for_json(webhook) || self.is_signed(webhook) {
            Reply::json(serde_json::json!({ "ok": true, "id": webhook.request_id }).to_string())
        } else if let Some(page) = self.next_page(webhook, encoding) {
            Reply::empty(303).header("location", page)
        } else {
            Reply { headers: vec![("content-type", "text/html; charset=utf-8".into())], ..Reply::text(THANKS) }
        };
        self.settings.origins.readable(reply, webhook)
    }

    fn readable_by(&self, origin: &str) -> Vec<(&'static str, String)> {
        self.settings.origins.readable_by(origin)
    }

    fn split(&self, webhook: &Verified) -> Result<Vec<Item>, Unreadable> {
        let content_type = webhook.header("content-type").unwrap_or_default();
        let media_type = content_type.split(';').next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
        let encoding =
            Encoding::of(&media_type).ok_or_else(|| Unreadable("its content type is not a form's".to_owned()))?;
        let fields = body::fields(encoding, content_type, webhook.body())?;
        // A post in which nothing is filled in (a bot, a monitor) is about no lead.
        if fields.iter().all(is_blank) {
            return Ok(Vec::new());
        }
        let page = webhook.header("referer").or_else(|| webhook.header("origin")).map(str::trim);
        let page = page.filter(|page| *page != "null").map(str::to_owned);
        let unverified = webhook.header(UNVERIFIED).is_some();
        Ok(vec![self.item(webhook, Filled { page, fields, unverified })])
    }

    fn read(&self, item: &ItemBody<'_>) -> Result<Reading, Unreadable> {
        let filled: Filled = serde_json::from_slice(item.body)
            .map_err(|_| Unreadable("the stored fields of the form cannot be read".to_owned()))?;
        let submission = Submission {
            answers: answers::answers(self.said(&filled.fields)),
            attribution: filled.page.iter().map(|page| Fact::new("page_url", page)).collect(),
            facts: self.facts(&filled),
            source: Some(LeadSource::Website),
            sender_id: self.submission_id(&filled.fields).unwrap_or_else(|| tail(item.external_ref)).to_owned(),
            ..Submission::default()
        };
        let spam = self.is_spam(&filled.fields);
        Ok(if spam { Reading::Spam(Box::new(submission)) } else { Reading::Lead(Box::new(submission)) })
    }

    /// Forms have neither batches nor a test mark: those are an ordinary lead. Without a secret a browser is played, so a
    /// forgery is a form on another site, and nothing can be stale.
    fn sample(&self, kind: SampleKind, seed: u64, now: Timestamp) -> Sample {
        sample::sample(&self.settings, kind, seed, now)
    }

    /// The content type is guessed from how the body begins.
    fn marks_tests(&self) -> bool {
        false
    }

    fn sign(&self, body: Vec<u8>, now: Timestamp) -> Sample {
        sample::signed(&self.settings, body, now)
    }
}

impl Form {
    /// Lets in what is signed, and what comes from a browser on an allowed site. A wrong signature is refused from
    /// wherever it comes: browsers send none.
    fn admit(&self, webhook: &Webhook, now: Timestamp) -> Result<(), Refusal> {
        if let Some(secret) = self.settings.secret.as_ref().filter(|_| self.is_signed(webhook)) {
            return timed::verify(webhook.header(SIGNATURE), secret, webhook.as_sent(), now);
        }
        match webhook.header("origin") {
            _ if self.settings.origins.allowed(webhook).is_some() => Ok(()),
            Header::Once(_) if !self.settings.origins.is_empty() => Err(Refusal::Origin),
            Header::Once(_) | Header::Absent => Err(Refusal::NoProof),
            Header::Several => Err(Refusal::GarbledProof),
        }
    }

    /// True for what a back-end sent: it has no use for a page.
    fn is_signed(&self, webhook: &Webhook) -> bool {
        self.settings.secret.is_some() && webhook.header(SIGNATURE) != Header::Absent
    }

    fn encoding(&self, media_type: &str) -> Option<Encoding> {
        Encoding::of(media_type).filter(|encoding| *encoding != Encoding::TextJson || self.settings.allow_text_json)
    }

    /// Where the browser goes next: the page that the form names, if it is on an allowed site, else the configured one.
    fn next_page(&self, webhook: &Webhook, encoding: Option<Encoding>) -> Option<String> {
        let named = encoding.filter(|_| names_a_page(&webhook.body)).and_then(|encoding| {
            let fields = body::fields(encoding, webhook.content_type()?, &webhook.body).ok()?;
            let target = fields.iter().filter(|field| matches!(field.0.as_str(), "_next" | "_redirect"));
            self.settings
                .origins
                .redirect(target.filter_map(Field::filled).next()?, self.settings.origins.allowed(webhook))
        });
        named.as_ref().or(self.settings.redirect_ok.as_ref()).map(url::Url::to_string)
    }

    fn item(&self, webhook: &Verified, filled: Filled) -> Item {
        let prefix = format!("form:{}:", webhook.source());
        let spam = self.is_spam(&filled.fields);
        let hold = match answers::are_in(self.said(&filled.fields)) {
            _ if spam => Hold::Spam,
            true => Hold::No,
            false => Hold::NoContact,
        };
        let id = self.event_id(webhook, &filled.fields, spam);
        let (external_ref, same_within) = match self.submission_id(&filled.fields) {
            Some(submission) => (ExternalRef::new(&prefix, submission), None),
            None => (unnamed::external_ref(&prefix, webhook, id), Some(PRESSED_TWICE)),
        };
        let body = serde_json::to_vec(&filled).expect("texts and numbers can always be written as JSON");
        Item { id, same_within, external_ref, aliases: Vec::new(), hold, body }
    }

    /// The id of this content: all that was said and by whom, in any order, but not what differs each time the button is
    /// pressed (captcha tokens, the encoding). What fell into the trap is another event, so that a person whose browser
    /// filled it in can send again.
    fn event_id(&self, webhook: &Verified, fields: &[Field], spam: bool) -> EventId {
        let filled = |field: &&Field| !is_blank(field);
        let submission = self.submission_id(fields);
        // What has an id of its own and is spelled otherwise is an update.
        let value = if submission.is_some() { unnamed::canonical } else { unnamed::alike };
        let canonical = |field| canonical(field, value);
        let mut said: Vec<_> = self.said(fields).filter(filled).map(canonical).collect();
        if said.is_empty() {
            said = fields.iter().filter(filled).map(canonical).collect();
        }
        let [submission, form] = [submission, self.form_id(fields)].map(Option::unwrap_or_default);
        unnamed::event_id(webhook.source(), &[if spam { "spam" } else { "form" }, submission, form], said)
    }

    fn facts(&self, filled: &Filled) -> Vec<Fact> {
        let form = self.form_id(&filled.fields).map(|id| Fact::new("Form", id));
        let captcha = filled.unverified.then(|| Fact::new("Captcha", "not checked, its service did not answer"));
        form.into_iter().chain(captcha).collect()
    }

    /// The fields that people filled in.
    fn said<'f>(&self, fields: &'f [Field]) -> impl Iterator<Item = &'f Field> {
        fields.iter().filter(|Field(name, _)| {
            let ours = self.settings.is_honeypot(name)
                || self.settings.is_submission_id(name)
                || self.settings.is_form_id(name)
                || self.settings.captcha.as_ref().is_some_and(|captcha| captcha.field == *name);
            !ours && !answers::is_control(name)
        })
    }

    fn is_spam(&self, fields: &[Field]) -> bool {
        fields.iter().any(|field| self.settings.is_honeypot(&field.0) && !is_blank(field))
    }

    fn submission_id<'f>(&self, fields: &'f [Field]) -> Option<&'f str> {
        fields.iter().filter(|field| self.settings.is_submission_id(&field.0)).find_map(Field::filled)
    }

    fn form_id<'f>(&self, fields: &'f [Field]) -> Option<&'f str> {
        fields.iter().filter(|field| self.settings.is_form_id(&field.0)).find_map(Field::filled)
    }
}

/// The body as it is kept: without its files.
fn kept(encoding: Encoding, webhook: &Webhook) -> Bytes {
    match encoding {
        Encoding::Multipart => files::thrown_away(webhook.content_type().unwrap_or_default(), webhook.body.clone()),
        Encoding::Urlencoded | Encoding::Json | Encoding::TextJson => webhook.body.clone(),
    }
}

fn is_blank(field: &Field) -> bool {
    matches!(field.1, Content::Text(_)) && field.filled().is_none()
}

/// A field's name and content as they count for sameness.
fn canonical(Field(name, content): &Field, value: fn(&str) -> Cow<'_, str>) -> (&str, Cow<'_, str>) {
    let value = match content {
        Content::Text(text) => value(text),
        Content::File { file, bytes, .. } => format!("{bytes} {file}").into(),
    };
    (name, value)
}

/// True when the body may hold a field that names the next page; spares a second reading of nearly every body.
fn names_a_page(body: &[u8]) -> bool {
    [&b"_next"[..], b"_redirect"].iter().any(|name| body.windows(name.len()).any(|window| window == *name))
}

fn asks_for_json(webhook: &Webhook) -> bool {
    webhook.headers.values("accept").any(|value| value.to_ascii_lowercase().contains("application/json"))
}

/// The last part of a reference, where the form has no id of its own.
fn tail(external_ref: &ExternalRef) -> &str {
    external_ref.as_str().rsplit(':').next().unwrap_or_default()
}

#[cfg(test)]
mod tests;
