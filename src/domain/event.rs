//! Names of things that happen once: webhooks, events, and why an event is held or dead.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantArray};

use super::external_ref::ExternalRef;
use super::lead::LeadId;
use super::status::Status;

/// The name of a configured source: what stands in its URL after `/hooks/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SourceName(String);

/// A source name that cannot stand in a URL.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a source name is 1 to 40 characters of a-z, 0-9, `-` and `_`, and begins with a letter")]
pub struct BadSourceName;

impl SourceName {
    /// Reads a name. At most 40 characters, so that every `externalRef` prefix built from it fits.
    ///
    /// # Errors
    /// [`BadSourceName`] says what is allowed.
    pub fn parse(text: &str) -> Result<Self, BadSourceName> {
        let mut bytes = text.bytes();
        let first = bytes.next().is_some_and(|b| b.is_ascii_lowercase());
        let rest = bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'));
        if first && rest && text.len() <= 40 { Ok(Self(text.to_owned())) } else { Err(BadSourceName) }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for SourceName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What makes an event the same event: 128 bits of a hash over the source and the sender's own id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId([u8; 16]);

impl EventId {
    /// The id of what `source` calls `parts`. The parts are kept apart, so `("a", "bc")` is not `("ab", "c")`.
    #[must_use]
    pub fn of(source: &SourceName, parts: &[&[u8]]) -> Self {
        let parts = || std::iter::once(source.as_str().as_bytes()).chain(parts.iter().copied());
        let mut said = Vec::with_capacity(parts().map(|part| part.len() + size_of::<u64>()).sum());
        for part in parts() {
            said.extend_from_slice(&(part.len() as u64).to_le_bytes());
            said.extend_from_slice(part);
        }
        let mut id = [0; 16];
        id.copy_from_slice(&digest(&SHA256, &said).as_ref()[..16]);
        Self(id)
    }

    /// The bytes, as a store keeps them.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Takes back what a store kept.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl std::fmt::Display for EventId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl std::fmt::Debug for EventId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EventId({self})")
    }
}

/// A verified webhook as the inbox keeps it.
#[derive(Clone, PartialEq, Eq)]
pub struct Kept {
    /// Whose URL it came to.
    pub source: SourceName,
    /// When it had been received whole.
    pub received: Timestamp,
    /// The id under which the logs speak of it, and which its sender got back as `X-Request-Id`.
    pub request_id: String,
    /// The headers that its provider needs to read it, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body as received, secrets in it redacted.
    pub body: Bytes,
}

impl std::fmt::Debug for Kept {
    /// Shows no header value and no body: both hold personal data.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { source, received, request_id, headers: _, body } = self;
        write!(f, "Kept({source}, {received}, {request_id}, {} bytes)", body.len())
    }
}

/// One lead's part of a webhook, in the sender's own bytes, not yet stored on its own.
#[derive(Clone, PartialEq, Eq)]
pub struct Item {
    /// What makes it the same event when it comes again.
    pub id: EventId,
    /// How long the id is remembered; `None` is the store's retention. Short for senders without an id of their own,
    /// where the same content a day later is a new submission.
    pub same_within: Option<Duration>,
    /// Whose lead it is.
    pub external_ref: ExternalRef,
    /// Other names of the same person, spelt as references: if one of them is known, the item joins the lead known by it.
    pub aliases: Vec<ExternalRef>,
    /// Anything but [`Hold::No`] keeps it from being forwarded until a person releases it.
    pub hold: Hold,
    /// The sender's own bytes of this item.
    pub body: Vec<u8>,
}

impl std::fmt::Debug for Item {
    /// Shows no body: it holds personal data.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { id, same_within, external_ref, aliases, hold, body } = self;
        let (also, bytes) = (aliases.len(), body.len());
        write!(f, "Item({id}, {external_ref} +{also}, {hold}, same within {same_within:?}, {bytes} bytes)")
    }
}

/// What a webhook says of leads without being a part of one: nothing comes of it that would be forwarded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lesson {
    /// Konektor has this lead.
    Lead {
        /// The reference that it carries there.
        external_ref: ExternalRef,
        /// Konektor's id.
        lead_id: LeadId,
        /// Where it stands, if that is a word that this program knows.
        status: Option<Status>,
        /// When that was so.
        at: Timestamp,
    },
    /// A person has other names now.
    Renamed {
        /// Names that are the person's no more.
        old: Vec<ExternalRef>,
        /// The names from now on.
        new: Vec<ExternalRef>,
    },
}

/// Why an event is not forwarded by itself.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    Display,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Hold {
    /// It is forwarded.
    #[default]
    No,
    /// The sender marks it as a test.
    TestLead,
    /// A spam trap was filled in, or the sender marks it as spam.
    Spam,
    /// The source's rules hold everything.
    SourceOnHold,
    /// Nothing in it says who the person is or how to reach them.
    NoContact,
    /// The `accept` rule of its source or form does not let it through.
    NotAccepted,
    /// An `ignore` rule holds for it.
    IgnoreRule,
    /// A `test` rule holds for it.
    TestRule,
    /// A `junk` rule holds for it.
    JunkRule,
    /// A `hold` rule holds for it.
    HoldRule,
    /// The person's data was deleted at the sender: it is to be erased, and never forwarded.
    DeletedAtSender,
}

/// How many events are withheld, by why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HoldCount([usize; Hold::VARIANTS.len()]);

impl HoldCount {
    /// One event, withheld because of `hold`.
    #[must_use]
    pub fn one(hold: Hold) -> Self {
        let mut count = Self::default();
        count.0[hold as usize] = 1;
        count
    }

    /// What there is any of.
    pub fn iter(&self) -> impl Iterator<Item = (Hold, usize)> {
        Hold::VARIANTS.iter().copied().zip(self.0).filter(|(_, count)| *count > 0)
    }
}

impl std::ops::AddAssign for HoldCount {
    fn add_assign(&mut self, more: Self) {
        self.0.iter_mut().zip(more.0).for_each(|(count, more)| *count += more);
    }
}

/// Why an event was given up: one word for filters and metrics; the sentence for a person stands beside it.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    Display,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum DeadReason {
    /// Verified, but not in a shape that its provider can split.
    Unreadable,
    /// Its source is no longer configured.
    SourceGone,
    /// Konektor refused the fields.
    Rejected,
    /// Konektor says the lead does not exist any more.
    LeadGone,
    /// Konektor forbids this lead though it allows others.
    Forbidden,
    /// Whether an earlier create went through could not be settled.
    Unresolved,
    /// The sender's own API would not give the lead's fields.
    FetchFailed,
    /// Konektor failed for longer than a delivery is tried.
    Exhausted,
    /// The worker died with it again and again.
    Crashed,
    /// Its lead has too many undelivered events already.
    LaneFull,
    /// Several leads in Konektor carry the code that it names.
    CodeNotUnique,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(name: &str) -> SourceName {
        SourceName::parse(name).unwrap()
    }

    #[test]
    fn a_source_name_can_stand_in_a_url() {
        assert!(SourceName::parse("meta-2_a").is_ok());
        for bad in ["", "Meta", "2meta", "a/b", "a b", &"a".repeat(41)] {
            assert_eq!(SourceName::parse(bad), Err(BadSourceName), "{bad:?}");
        }
    }

    #[test]
    fn the_parts_of_an_event_id_are_kept_apart() {
        let id = |parts: &[&[u8]]| EventId::of(&source("form"), parts);
        assert_eq!(id(&[b"a", b"bc"]), id(&[b"a", b"bc"]));
        assert_ne!(id(&[b"a", b"bc"]), id(&[b"ab", b"c"]));
        assert_ne!(id(&[b"a"]), EventId::of(&source("forms"), &[b"a"]));
    }
}
