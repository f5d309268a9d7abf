//! Signature schemes as data: how a sender proves that a webhook is its own, read from the configuration.
//!
//! Four kinds, and lists of them. `hmac`: a digest over a base string that a [template](base) describes. `jwt`: a JSON Web
//! Token in a header or as the whole body. `token`: a secret that travels with the request. `all` and `any`: several of
//! these. `none`: nothing, for those who say that they know. (The fourth, a captcha, belongs to forms: it is asked of
//! somebody else and proves a person, not a sender.)
//!
//! One rule holds for all: signatures are decoded and compared as bytes in constant time, any of several secrets may have
//! signed, and what is missing, doubled or garbled is refused, never an error of ours.

mod address;
mod base;
mod examine;
mod hints;
mod jwt;
mod mac;
mod settings;
mod sign;
mod stands;
mod token;
mod trace;

use bytes::Bytes;
use jiff::Timestamp;

use self::jwt::Jwt;
use self::mac::Mac;
use self::stands::Stands;
use self::token::Token;
use super::{Header, Place, Refusal, Sample, SettingsError, Webhook};
use crate::domain::event::SourceName;

pub use self::examine::{Examination, Trial};
pub use self::trace::Trace;

/// How the sender of a source proves its webhooks.
#[derive(Debug, Clone)]
pub struct Scheme {
    kind: Kind,
    place: Place,
    written: Written,
}

/// Who wrote a scheme.
#[derive(Debug, Clone, Copy)]
enum Written {
    /// A preset, or the owner of the source: its settings say what is otherwise.
    Settings,
    /// This program.
    Here,
}

/// One way to prove, or a list of them.
#[derive(Debug, Clone)]
enum Kind {
    Mac(Box<Mac>),
    Jwt(Box<Jwt>),
    Token(Token),
    /// Every one must hold.
    All(Vec<Self>),
    /// One must hold.
    Any(Vec<Self>),
    /// The owner says that anybody may send.
    Public,
}

/// What a proof says of the webhook that it came with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The body to keep: as it came, but for secrets in it.
    pub body: Bytes,
    /// What the claim that holds the event says, where a token does: the text of a string, else its JSON.
    pub event: Option<Bytes>,
}

impl Scheme {
    /// Reads and checks a scheme: a table with a `kind`, or a list of tables that must all hold. `place` is where the
    /// source stands, for senders that sign the URL.
    ///
    /// # Errors
    /// [`SettingsError::Incomplete`] when a secret is not there yet, [`SettingsError::NoAddress`] when the public URL is not,
    /// [`SettingsError::Invalid`] when something is wrong; the text names the key and says what to write.
    pub fn parse(value: toml::Value, place: &Place) -> Result<Self, SettingsError> {
        Ok(Self { kind: settings::read(value, place)?, place: place.clone(), written: Written::Settings })
    }

    /// A scheme of this program's own, written as TOML, with these secrets.
    pub(super) fn known<'s>(text: &str, secrets: impl Iterator<Item = &'s str>) -> Self {
        let mut table: toml::Table = text.parse().expect("a scheme of our own is TOML");
        table.insert("secrets".to_owned(), secrets.map(str::to_owned).collect::<Vec<_>>().into());
        // Its dialect has judged how long they are.
        table.insert("min_length".to_owned(), 1.into());
        let place = Place { source: SourceName::parse("own").expect("letters are a name"), public_url: None };
        let read = Self::parse(table.into(), &place);
        let read = read.expect("a scheme of our own is right, and its secrets have been read before");
        Self { written: Written::Here, ..read }
    }

    /// Checks the proof of a webhook, and takes secrets out of its body.
    ///
    /// # Errors
    /// [`Refusal`]: it has none, or it does not hold.
    pub fn verify(&self, webhook: &Webhook, now: Timestamp) -> Result<Proof, Refusal> {
        let event = self.kind.verify(webhook, now)?;
        Ok(Proof { body: self.redacted(&webhook.body), event })
    }

    /// `body` without the secrets that this scheme looks for in it.
    #[must_use]
    pub fn redacted(&self, body: &Bytes) -> Bytes {
        self.kind.redacted(body.clone())
    }

    /// True when a secret stands in the path, behind the source's name.
    #[must_use]
    pub fn has_path_token(&self) -> bool {
        self.kind.has_path_token()
    }

    /// True when a change of the body may change whether the proof holds.
    #[must_use]
    pub fn is_over_body(&self) -> bool {
        self.kind.is_over_body()
    }

    /// What may be written down of the proof of a webhook that was not let in.
    #[must_use]
    pub fn trace(&self, webhook: &Webhook) -> Trace {
        Trace { signature: self.kind.signature_begins(webhook), url: self.kind.signed_url(webhook) }
    }

    /// `body` under `headers` (names in lower case) as the sender would send it, proved with the first secret, as far as
    /// that can be done: for a public key the private one is needed, which only the sender has. Headers that the base
    /// string names and that are not among `headers` are made from the body, so that the same body has the same id.
    #[must_use]
    pub fn sign(&self, body: Vec<u8>, headers: Vec<(String, String)>, now: Timestamp) -> Sample {
        sign::sample(&self.kind, &self.place, body, headers, now)
    }

    /// Looks at a webhook as [`Self::verify`] does, and says what was compared with what and what would have matched.
    #[must_use]
    pub fn examine(&self, webhook: &Webhook, now: Timestamp) -> Examination {
        let stands = match self.written {
            Written::Settings => Stands::Table(&self.place.source),
            Written::Here => Stands::Here,
        };
        Examination { trials: examine::trials(&self.kind, stands, webhook, now) }
    }
}

impl Kind {
    /// Gives the event that a claim holds, if one does.
    fn verify(&self, webhook: &Webhook, now: Timestamp) -> Result<Option<Bytes>, Refusal> {
        match self {
            Self::Mac(mac) => mac.verify(webhook, now).map(|()| None),
            Self::Jwt(jwt) => jwt.verify(webhook, now),
            Self::Token(token) => token.verify(webhook).map(|()| None),
            Self::Public => Ok(None),
            Self::All(kinds) => {
                kinds.iter().try_fold(None, |event, kind| kind.verify(webhook, now).map(|found| event.or(found)))
            }
            Self::Any(kinds) => any(kinds, webhook, now),
        }
    }

    fn has_path_token(&self) -> bool {
        match self {
            Self::Token(token) => token.is_in_path(),
            Self::All(kinds) | Self::Any(kinds) => kinds.iter().any(Self::has_path_token),
            Self::Mac(_) | Self::Jwt(_) | Self::Public => false,
        }
    }

    fn is_over_body(&self) -> bool {
        match self {
            Self::Mac(mac) => mac.reads_body(),
            // It may be the body itself, or have a claim that is compared with it.
            Self::Jwt(_) => true,
            Self::Token(token) => token.is_in_body(),
            Self::All(kinds) | Self::Any(kinds) => kinds.iter().any(Self::is_over_body),
            Self::Public => false,
        }
    }

    fn redacted(&self, body: Bytes) -> Bytes {
        match self {
            Self::Token(token) => token.redacted(body),
            Self::All(kinds) | Self::Any(kinds) => kinds.iter().fold(body, |body, kind| kind.redacted(body)),
            Self::Mac(_) | Self::Jwt(_) | Self::Public => body,
        }
    }
}

/// The first proof that holds; else the refusal that says most: a wrong proof was meant, a missing one perhaps not.
fn any(kinds: &[Kind], webhook: &Webhook, now: Timestamp) -> Result<Option<Bytes>, Refusal> {
    let mut refused = Refusal::NoProof;
    for kind in kinds {
        match kind.verify(webhook, now) {
            Ok(event) => return Ok(event),
            Err(Refusal::NoProof) => {}
            Err(refusal) => refused = refusal,
        }
    }
    Err(refused)
}

/// The value of a header that must be there once.
fn once<'w>(webhook: &'w Webhook, name: &str) -> Result<&'w str, Refusal> {
    match webhook.header(name) {
        Header::Once(value) => Ok(value),
        Header::Absent => Err(Refusal::NoProof),
        Header::Several => Err(Refusal::GarbledProof),
    }
}

#[cfg(test)]
mod tests;
