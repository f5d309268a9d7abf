//! The senders' dialects: bytes in, items and submissions out. Pure; one file per dialect.
//!
//! A [`Provider`] is a dialect with its settings (secrets, origins, field map). A [`Source`] is a provider under a name
//! and with its owner's rules. To add one: a file here, its `mod` line, its line in [`DIALECTS`], and a folder in
//! `tests/fixtures/`.

mod captcha;
mod charset;
mod coding;
mod complaint;
mod fictional;
mod form;
mod google_leads;
mod handshake;
mod headers;
mod json;
mod konektor;
mod linkedin;
mod list;
mod lookup;
mod mapped;
mod meta;
mod meta_leads;
mod person;
mod registry;
mod reply;
mod samples;
mod scheme;
mod secret;
mod settings;
mod signature;
mod standard;
mod tiktok;
mod timed;
mod unnamed;
mod waits;
mod whatsapp;

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use crate::domain::event::{Item, Kept, Lesson, SourceName};
use crate::domain::external_ref::ExternalRef;
use crate::domain::rules::Rules;
use crate::domain::submission::Submission;

pub use captcha::{Challenge, Verdict};
pub use coding::{Coding, Packed};
pub use complaint::{About, Complaint};
pub use form::files::WithoutFiles;
pub use headers::Headers;
pub use list::{List, Listed, NotListed, Page, Span, back_filled};
pub use lookup::{Fetched, FormLookup, Lookup, LookupAnswer};
pub use registry::{Absent, Cause, Configured, Found, Registry, SourceState};
pub use reply::Reply;
pub use samples::{Sample, SampleKind};
pub use scheme::{Examination, Proof, Scheme, Trace, Trial};
pub use secret::Secrets;

/// How long before its end an access is spoken of: long enough to be read by somebody who is on holiday.
pub const EXPIRES_SOON: std::time::Duration = std::time::Duration::from_hours(14 * 24);

/// A provider configured: whose webhooks these are and what is done with them.
#[derive(Debug, Clone)]
pub struct Source {
    /// What stands in the URL.
    pub name: SourceName,
    /// The dialect, with its secrets.
    pub provider: Arc<dyn Provider>,
    /// What its owner wants done.
    pub rules: Rules,
}

/// The code that speaks one sender's dialect. Every function is pure: no I/O, no clock.
pub trait Provider: Send + Sync + std::fmt::Debug {
    /// Answers what is not a webhook: a challenge, a preflight. `None` lets the request go on to [`Provider::verify`].
    fn handshake(&self, webhook: &Webhook) -> Option<Reply>;

    /// Checks the proof, and takes secrets out of the body.
    ///
    /// # Errors
    /// [`Refusal`] says what the sender is answered and why, without the expected value.
    fn verify(&self, webhook: &Webhook, now: Timestamp) -> Result<Verified, Refusal>;

    /// What there may be of files in a webhook's body, as far as its head tells: its body has not come yet.
    fn files(&self, head: &Webhook) -> Files {
        let _ = head;
        Files::None
    }

    /// What has to be asked of somebody else before a webhook that is verified is kept: whether a person sent it.
    ///
    /// # Errors
    /// [`Refusal`]: what would have to be asked about is not there.
    fn challenge(&self, webhook: &Webhook) -> Result<Option<Challenge>, Refusal> {
        let _ = webhook;
        Ok(None)
    }

    /// What the sender is answered instead of an error, where it is a browser that shows a page.
    fn refused(&self, webhook: &Webhook, refusal: Refusal) -> Option<Reply> {
        let _ = (webhook, refusal);
        None
    }

    /// What the sender is told in words beside `error` when its proof does not hold, where it shows a `message` to its owner.
    fn unproved(&self) -> Option<&'static str> {
        None
    }

    /// The methods that its hook knows, for the `Allow` of those who come with another (RFC 9110, section 10.2.1).
    fn methods(&self) -> &'static [Method] {
        &[Method::Post]
    }

    /// True when its sender does not try again after a refusal, so that the lead of a genuine webhook is lost with it.
    fn sends_once(&self) -> bool {
        false
    }

    /// What the sender is answered once the webhook is kept; the same for new and known ones.
    fn accepted(&self, webhook: &Webhook) -> Reply;

    /// True when its URL ends in a secret: `/hooks/{source}/{token}`. Without it there is nothing at such a URL.
    fn has_path_token(&self) -> bool {
        false
    }

    /// How it checks proofs, said as data: for `verify`, which explains what a proof is compared with. `None` where there
    /// is nothing to explain. What lets a webhook in is [`Provider::verify`] alone.
    fn scheme(&self) -> Option<Scheme> {
        None
    }

    /// When its access to the sender's own API ends, where its owner has said so: a person is warned in good time.
    fn expires(&self) -> Option<Timestamp> {
        None
    }

    /// Headers with which the scripts of a page at `origin` may read an answer that refuses: without them a browser
    /// tells its page nothing, not even to try again. Only for senders that are browsers.
    fn readable_by(&self, _origin: &str) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// Cuts a verified webhook into its items, one per lead. What is not about a lead (a delivery status, another
    /// object) gives no item.
    ///
    /// # Errors
    /// [`Unreadable`] when the webhook has not the shape that this dialect knows; it is then kept whole.
    fn split(&self, webhook: &Verified) -> Result<Vec<Item>, Unreadable>;

    /// What a verified webhook says of leads beside its items: other names of a person, what Konektor has. Nothing of it
    /// is ever forwarded.
    fn lessons(&self, webhook: &Verified) -> Vec<Lesson> {
        let _ = webhook;
        Vec::new()
    }

    /// Errors of its own that a verified webhook tells of, each with how often: a person may have to act on them.
    fn complaints(&self, webhook: &Verified) -> Vec<(Complaint, usize)> {
        let _ = webhook;
        Vec::new()
    }

    /// True when the item says that the sender has deleted the person's data: nothing that is still undelivered of its lead
    /// is forwarded, and a person is told to erase what was.
    fn deletes(&self, item: &ItemBody<'_>) -> bool {
        let _ = item;
        false
    }

    /// What has to be fetched from the sender before [`Provider::read`]; `None` when the item says everything.
    fn lookup(&self, item: &ItemBody<'_>) -> Option<Lookup> {
        let _ = item;
        None
    }

    /// A question as it is sent `now`, for senders whose proof runs out.
    fn stamped(&self, lookup: Lookup, now: Timestamp) -> Lookup {
        let _ = now;
        lookup
    }

    /// Judges the answer to the [`Lookup`] that was `asked`.
    fn looked_up(&self, item: &ItemBody<'_>, asked: &Lookup, answer: &LookupAnswer<'_>) -> Fetched {
        let _ = (item, asked);
        Fetched::Lead(Bytes::copy_from_slice(answer.body))
    }

    /// What is to be asked about the form of a lead whose fields were `fetched`: what its questions say, where the lead has only
    /// their keys. Asked once for each form and not for each lead, which goes on without where nobody answers.
    fn form_lookup(&self, item: &ItemBody<'_>, fetched: &[u8]) -> Option<FormLookup> {
        let _ = (item, fetched);
        None
    }

    /// The fields of a lead, as they were `fetched`, with what was `told` of its form beside them.
    fn with_form(&self, fetched: &[u8], told: &[u8]) -> Bytes {
        let _ = told;
        Bytes::copy_from_slice(fetched)
    }

    /// Whether the sender has a list of its leads, for what its webhooks did not bring.
    fn list(&self) -> List {
        List::None
    }

    /// The question for the page of its list at `cursor` (`None`: the first); `None` for a cursor that is not one of it.
    fn page(&self, span: Span, cursor: Option<&str>) -> Option<Lookup> {
        let _ = (span, cursor);
        None
    }

    /// Judges the answer to that question.
    fn listed(&self, span: Span, cursor: Option<&str>, answer: &LookupAnswer<'_>) -> Page {
        let _ = (span, cursor, answer);
        Page::Refused("this sender has no list of its leads".to_owned())
    }

    /// True where its leads come of forms, whose fields are watched: those of a contact or an order come and go.
    fn has_forms(&self) -> bool {
        true
    }

    /// True where it may say that something was paid: without that no lead of it becomes `won`.
    fn tells_payments(&self) -> bool {
        false
    }

    /// Reads an item: what it says, nothing lost.
    ///
    /// # Errors
    /// [`Unreadable`] when it cannot be read as this dialect.
    fn read(&self, item: &ItemBody<'_>) -> Result<Reading, Unreadable>;

    /// A webhook as this sender would make it, signed with the first secret, for `send`, `demo` and tests. `seed` makes
    /// it another lead; the same seed is the same lead.
    fn sample(&self, kind: SampleKind, seed: u64, now: Timestamp) -> Sample;

    /// True when its sender marks its tests, so that the sample [`SampleKind::Test`] is one. Where there is no mark it is an
    /// ordinary lead.
    fn marks_tests(&self) -> bool {
        true
    }

    /// `body` as this sender would send it, proved with the first secret, for `send` and `explain`. What is no webhook
    /// of this sender is proved all the same, as far as it can hold a proof.
    fn sign(&self, body: Vec<u8>, now: Timestamp) -> Sample;

    /// The same for a webhook that came under `headers` (names in lower case): what of them is signed stays as it is. Where none
    /// is, they make no difference.
    fn sign_under(&self, headers: &[(String, String)], body: Vec<u8>, now: Timestamp) -> Sample {
        let _ = headers;
        self.sign(body, now)
    }
}

/// A request as received: untrusted.
#[derive(Clone)]
pub struct Webhook {
    /// Whose URL it came to.
    pub source: SourceName,
    /// When it had been received whole.
    pub received: Timestamp,
    /// The id of the request.
    pub request_id: String,
    /// How it was asked.
    pub method: Method,
    /// The path, as it came: undecoded.
    pub path: String,
    /// What follows the source's name in the path, undecoded. For some senders it is a secret.
    pub path_token: Option<String>,
    /// The query string, undecoded, without the question mark.
    pub query: String,
    /// Its headers; what is not text in a value is U+FFFD.
    pub headers: Headers,
    /// The body, capped; unpacked where it came compressed.
    pub body: Bytes,
    /// What came, where it is compressed.
    pub packed: Option<Packed>,
}

/// The methods that a hook knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// A challenge.
    Get,
    /// A webhook.
    Post,
    /// A browser's preflight.
    Options,
}

impl Method {
    /// As it stands in a request.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Options => "OPTIONS",
        }
    }
}

/// What a header lookup found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header<'a> {
    /// It is not there.
    Absent,
    /// It is there once, spaces around it trimmed.
    Once(&'a str),
    /// It is there more than once, be it with one value: somebody on the way garbled it, and which one counts would depend on
    /// who reads.
    Several,
}

impl Webhook {
    /// Finds a header by its lower-case name.
    #[must_use]
    pub fn header(&self, name: &str) -> Header<'_> {
        let mut values = self.headers.values(name);
        match (values.next(), values.next()) {
            (None, _) => Header::Absent,
            (Some(only), None) => Header::Once(only),
            (Some(_), Some(_)) => Header::Several,
        }
    }

    /// The one value of `content-type`, which proves nothing: said twice alike, it is still said.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        let mut values = self.headers.values("content-type");
        let first = values.next()?;
        values.all(|other| other == first).then_some(first)
    }

    /// The first value of a query parameter, decoded.
    #[must_use]
    pub fn query_value(&self, name: &str) -> Option<String> {
        form_urlencoded::parse(self.query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// The body as it came: what a signature over the body is made over. Nothing of it has been unpacked.
    #[must_use]
    pub fn as_sent(&self) -> &Bytes {
        self.packed.as_ref().map_or(&self.body, |packed| &packed.sent)
    }

    /// True when `body` is what its sender has to say, and not a compressed form of it.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.packed.is_some() || self.coding() == Coding::Plain
    }

    /// How the body was sent, as its headers say.
    #[must_use]
    pub fn coding(&self) -> Coding {
        Coding::of(&self.headers)
    }

    /// The media type of the body in lower case, without parameters; empty when there is none.
    #[must_use]
    pub fn media_type(&self) -> String {
        let value = self.content_type().unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim_ascii().to_ascii_lowercase()
    }
}

impl std::fmt::Debug for Webhook {
    /// Shows header names only, and no path, query and body: all hold secrets or personal data.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Webhook({:?} {}, {:?}, {} bytes)", self.method, self.source, self.headers, self.body.len())
    }
}

/// What becomes of the files in a webhook's body. None is ever kept; only a body that may hold some may be larger than others.
#[derive(Debug)]
pub enum Files {
    /// It is of a type that holds none.
    None,
    /// The proof is over the whole body, so the files are held until that was checked.
    Proved,
    /// Nothing proves them: they are thrown away as they come.
    Dropped(WithoutFiles),
}

impl Files {
    /// Files that nothing proves, in the body of `head`.
    fn dropped(head: &Webhook) -> Self {
        Self::Dropped(WithoutFiles::of(head.content_type().unwrap_or_default()))
    }
}

/// A webhook whose proof held. Made by a provider's `verify`, or by the inbox giving back what was verified, or what was read
/// from the sender's own API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    kept: Kept,
    alternative: Option<Alternative>,
}

/// The header of ours under which a kept webhook says that its captcha could not be checked. It is in no provider's list of
/// headers to keep, so no sender can write it.
const UNVERIFIED: &str = "bridge-captcha";

/// The same for a body that is not the gzip that its sender has called it: it is kept as it came, and nobody can read it.
const BROKEN: &str = "bridge-gzip";

/// Another spelling of the body than the one that came, over which its proof held. Each is counted
/// (`sig_alt_match`): nobody has yet seen a sender or a proxy that needs one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Alternative {
    /// With every non-ASCII character as `\uXXXX`.
    Escaped,
}

impl Verified {
    /// Marks `webhook` as verified, with the headers named in `keep` and `body` in place of its own (secrets taken out).
    ///
    /// Only this module's dialects can call it, and only `verify` does.
    fn new(webhook: &Webhook, keep: &[&str], body: Bytes) -> Self {
        let kept = webhook.headers.iter().filter(|(name, _)| keep.contains(name));
        let kept = kept.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let broken = webhook.packed.as_ref().filter(|packed| packed.is_broken);
        let headers = kept.chain(broken.map(|_| (BROKEN.to_owned(), "broken".to_owned()))).collect();
        Self {
            kept: Kept {
                source: webhook.source.clone(),
                received: webhook.received,
                request_id: webhook.request_id.clone(),
                headers,
                body,
            },
            alternative: None,
        }
    }

    /// Marks that nobody could say whether a person sent it.
    pub fn mark_unverified(&mut self) {
        self.kept.headers.push((UNVERIFIED.to_owned(), "unverified".to_owned()));
    }

    /// Takes back from the inbox what was verified before it was kept.
    #[must_use]
    pub fn from_inbox(kept: Kept) -> Self {
        Self { kept, alternative: None }
    }

    /// Whether a provider can read its body.
    ///
    /// # Errors
    /// It came compressed, and cannot be unpacked.
    pub fn readable(&self) -> Result<(), Unreadable> {
        let broken = "its `Content-Encoding` says gzip, and its body is broken or ends too early";
        self.header(BROKEN).map_or(Ok(()), |_| Err(Unreadable(broken.into())))
    }

    /// True when a list of the sender's brought it, and not the sender: nobody waits for it.
    #[must_use]
    pub fn is_back_filled(&self) -> bool {
        self.header(list::BACKFILL).is_some()
    }

    /// What the inbox keeps.
    #[must_use]
    pub fn into_kept(self) -> Kept {
        self.kept
    }

    /// The spelling that the proof was over, where that was not the body as it came. The inbox does not keep it.
    #[must_use]
    pub fn alternative(&self) -> Option<Alternative> {
        self.alternative
    }

    /// Whose URL it came to.
    #[must_use]
    pub fn source(&self) -> &SourceName {
        &self.kept.source
    }

    /// When it had been received.
    #[must_use]
    pub fn received(&self) -> Timestamp {
        self.kept.received
    }

    /// A kept header by its lower-case name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.kept.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The body, secrets taken out.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.kept.body
    }
}

/// Why a webhook is not let in. The words go to logs and metrics, never to the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Refusal {
    /// The header or field that carries the proof is missing.
    #[error("the proof is missing")]
    NoProof,
    /// The proof is there, but not in a form that this sender uses (twice, wrong length, wrong alphabet).
    #[error("the proof is garbled")]
    GarbledProof,
    /// The proof does not match the body under any configured secret.
    #[error("the proof does not match; was the secret changed at the sender?")]
    WrongProof,
    /// The proof holds in the other of two ways in which the sender's documents can be read.
    #[error(
        "the sender signs in the other of the two ways that its documents allow; set `signed_prefix` of the source to {0}"
    )]
    OtherProof(bool),
    /// The signed time is too far from ours.
    #[error("the signed time is outside the tolerance; is a clock wrong?")]
    Stale,
    /// A browser on a site that is not allowed.
    #[error("the form's site is not in the list of allowed origins")]
    Origin,
    /// The body is of a type that this sender never sends.
    #[error("the content type is not one that this sender uses")]
    ContentType,
    /// The captcha is missing, used up, solved elsewhere or not solved.
    #[error("the captcha is missing or was not solved on this site")]
    Captcha,
    /// The method is not one that this hook knows.
    #[error("the method is not one that this hook knows")]
    Method,
}

/// Verified, but not of the shape that its dialect knows. Says where, never what stood there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub String);

/// An item as the store gives it back at delivery.
#[derive(Clone, Copy)]
pub struct ItemBody<'a> {
    /// Whose it is.
    pub source: &'a SourceName,
    /// Its lead.
    pub external_ref: &'a ExternalRef,
    /// When its webhook had been received.
    pub received: Timestamp,
    /// The sender's own bytes.
    pub body: &'a [u8],
    /// What a [`Lookup`] brought.
    pub fetched: Option<&'a [u8]>,
}

/// What reading an item gave.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading {
    /// A submission to forward.
    Lead(Box<Submission>),
    /// The sender marks it as a test.
    Test(Box<Submission>),
    /// The sender marks it as spam.
    Spam(Box<Submission>),
    /// It says neither who somebody is nor how to reach them, where its sender says that of every lead.
    Nobody(Box<Submission>),
}

/// Where a source stands, as its sender sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// What stands in its URL.
    pub source: SourceName,
    /// `BRIDGE_PUBLIC_URL`, without a slash at its end.
    pub public_url: Option<String>,
}

impl Place {
    /// The place of `source` below `public_url`.
    #[must_use]
    pub fn new(source: SourceName, public_url: Option<&str>) -> Self {
        Self { source, public_url: public_url.map(|url| url.trim_end_matches('/').to_owned()) }
    }
}

/// Makes a provider of one dialect from its part of the configuration, for a source that stands at this place.
pub type Build = fn(toml::Table, &Place) -> Result<Arc<dyn Provider>, SettingsError>;

/// Why a source's settings make no provider.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Nothing is wrong, but nothing proves a webhook either: the source stays off. Says what to set.
    #[error("{0}")]
    Incomplete(String),
    /// The same of a source that has its secrets and does not know where its sender reaches us.
    #[error("set BRIDGE_PUBLIC_URL: this sender signs the URL that it calls")]
    NoAddress,
    /// A setting is wrong; the text names it and what it may be.
    #[error("{0}")]
    Invalid(String),
}

/// Every dialect: its name in the configuration, and its builder.
pub const DIALECTS: &[(&str, Build)] = &[
    ("form", |settings, _| form::build(settings)),
    ("google_leads", |settings, _| google_leads::build(settings)),
    ("konektor", |settings, _| konektor::build(settings)),
    ("linkedin", |settings, _| linkedin::build(settings)),
    ("mapped", mapped::build),
    ("meta_leads", |settings, _| meta_leads::build(settings)),
    ("standard_webhooks", |settings, _| standard::build(settings)),
    ("tiktok", |settings, _| tiktok::build(settings)),
    ("whatsapp", |settings, _| whatsapp::build(settings)),
];

/// Finds the builder of the provider that speaks `dialect`.
///
/// # Errors
/// [`SettingsError::Invalid`]: there is none; the text names those that there are.
pub fn dialect(dialect: &str) -> Result<Build, SettingsError> {
    let known = || DIALECTS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    match DIALECTS.iter().find(|(name, _)| *name == dialect) {
        Some((_, build)) => Ok(*build),
        None => Err(SettingsError::Invalid(format!("there is no provider `{dialect}`; known are: {}", known()))),
    }
}

/// Builds the provider that speaks `dialect`, for a source that stands at `place`.
///
/// # Errors
/// [`SettingsError`]: the dialect is unknown, or its settings are wrong or incomplete.
pub fn build(dialect: &str, settings: toml::Table, place: &Place) -> Result<Arc<dyn Provider>, SettingsError> {
    self::dialect(dialect)?(settings, place)
}
