//! Cutting a change into messages, one item each, and finding out whose each is.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::json::Id;
use super::super::{Verified, meta, person};
use crate::domain::event::{EventId, Hold, Item};
use crate::domain::external_ref::ExternalRef;

/// What stands before the hash of a message that could not be read.
const UNREAD: &str = "wa:unread:";

/// The id of the message that the App Dashboard's "Test" button sends; that of a person's begins with `wamid.`.
pub(super) const DASHBOARD_TEST: &str = "ABGGFlA5Fpa";

/// Types that no person wrote to start or go on with a talk: a reaction to a message, what WhatsApp itself notes, changes
/// of what was said, and a chat opened without a word (whoever opened it either writes, or was not interested).
const NO_MESSAGE: [&str; 5] = ["reaction", "system", "edit", "revoke", "request_welcome"];

/// The parts of a change that matter. Which they are is told by their names: messages and statuses share one `field`.
#[derive(Deserialize, Default)]
struct Value<'a> {
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    contacts: Option<&'a RawValue>,
    #[serde(borrow)]
    messages: Option<&'a RawValue>,
}

/// The business number that was written to.
#[derive(Deserialize, Default)]
pub(super) struct Metadata<'a> {
    #[serde(borrow)]
    pub(super) phone_number_id: Option<Id<'a>>,
    /// The same as people see it, in any spelling.
    #[serde(borrow)]
    display_phone_number: Option<Id<'a>>,
}

/// Who wrote, as the list beside the messages says it.
#[derive(Deserialize, Default)]
pub(super) struct Contact<'a> {
    #[serde(borrow)]
    pub(super) wa_id: Option<Id<'a>>,
    #[serde(borrow)]
    pub(super) user_id: Option<Id<'a>>,
}

/// The parts of a message that say what to do with it.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    id: Option<Id<'a>>,
    #[serde(borrow)]
    from: Option<Id<'a>>,
    #[serde(borrow)]
    from_user_id: Option<Id<'a>>,
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    group_id: Option<&'a RawValue>,
}

/// A message with what belongs to it, as an item keeps it: `{"metadata": …, "contact": …, "message": …}`.
#[derive(Deserialize)]
pub(super) struct Stored<'a> {
    /// The business number.
    #[serde(borrow)]
    pub(super) metadata: Option<&'a RawValue>,
    /// Who wrote.
    #[serde(borrow)]
    pub(super) contact: Option<&'a RawValue>,
    /// What.
    #[serde(borrow)]
    pub(super) message: &'a RawValue,
}

/// Who wrote a message, and to which number.
pub(super) struct Writer<'a> {
    number: Id<'a>,
    /// The business-scoped user id.
    pub(super) user_id: Option<Id<'a>>,
    /// The person's number: the message's, else the contact's.
    pub(super) phone: Option<Id<'a>>,
    wa_id: Option<Id<'a>>,
}

/// The items of one change: one for each message that a person wrote.
pub(super) fn items(webhook: &Verified, change: &str) -> Vec<Item> {
    #[derive(Deserialize)]
    struct Change<'a> {
        #[serde(borrow)]
        value: Value<'a>,
    }
    let unread = || vec![meta::unread(webhook.source(), UNREAD, change)];
    let Ok(Change { value }) = serde_json::from_str::<Change<'_>>(change) else {
        return unread();
    };
    let Some(messages) = value.messages else {
        return Vec::new();
    };
    let Ok(messages) = serde_json::from_str::<Vec<&RawValue>>(messages.get()) else {
        return unread();
    };
    let contacts = contacts(value.contacts);
    let around = Around {
        metadata: value.metadata,
        contacts: &contacts,
        only: match contacts.as_slice() {
            [only] if have_one_writer(&messages) => Some(only),
            _ => None,
        },
    };
    messages.into_iter().filter_map(|message| item(webhook, &around, message)).collect()
}

/// True when all messages name the same writer.
fn have_one_writer(messages: &[&RawValue]) -> bool {
    let mut readable = messages.iter().map(|raw| serde_json::from_str::<Message<'_>>(raw.get()));
    let Some(Ok(first)) = readable.next() else { return false };
    let same =
        |other: Message<'_>| (other.from, other.from_user_id) == (first.from.clone(), first.from_user_id.clone());
    readable.all(|other| other.is_ok_and(same))
}

/// What stands around a message in its change.
struct Around<'c, 'a> {
    metadata: Option<&'a RawValue>,
    contacts: &'c [Listed<'a>],
    /// The only contact, where there is only one writer too.
    only: Option<&'c Listed<'a>>,
}

/// A contact of the list, with its bytes.
type Listed<'a> = (&'a RawValue, Contact<'a>);

/// A part that can be done without, as its default where it is of another shape.
pub(super) fn part<'a, T: Deserialize<'a> + Default>(raw: Option<&'a RawValue>) -> T {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}

/// The contacts that can be read.
fn contacts(raw: Option<&RawValue>) -> Vec<Listed<'_>> {
    let list = part::<Vec<&RawValue>>(raw);
    list.into_iter().filter_map(|raw| Some((raw, serde_json::from_str(raw.get()).ok()?))).collect()
}

/// The item of one message; `None` when nobody wrote it.
fn item(webhook: &Verified, around: &Around<'_, '_>, raw: &RawValue) -> Option<Item> {
    let (source, metadata) = (webhook.source(), around.metadata);
    let Ok(message) = serde_json::from_str::<Message<'_>>(raw.get()) else {
        return Some(meta::unread(source, UNREAD, &stored(metadata, None, raw)));
    };
    if message.is_no_persons() || is_own(metadata, &message) {
        return None;
    }
    let (contact, ids) = around.contact_of(&message).map(|(raw, ids)| (*raw, ids)).unzip();
    let body = stored(metadata, contact, raw);
    let Some(writer) = Writer::of(metadata, ids, &message) else {
        return Some(meta::unread(source, UNREAD, &body));
    };
    let (event, hold) = match &message.id {
        // The button sends one message for ever; each press is shown.
        Some(Id(id)) if id == DASHBOARD_TEST => {
            (EventId::of(source, &[b"test", webhook.kept.request_id.as_bytes()]), Hold::TestLead)
        }
        Some(Id(id)) => (EventId::of(source, &[b"message", id.as_bytes()]), Hold::No),
        None => (EventId::of(source, &[b"message without id", raw.get().as_bytes()]), Hold::No),
    };
    let mut names = writer.names().into_iter();
    let external_ref = names.next().expect("a writer has at least one id");
    Some(Item { id: event, same_within: None, external_ref, aliases: names.collect(), hold, body: body.into_bytes() })
}

/// True when the business number itself is named as the writer: an echo.
fn is_own(metadata: Option<&RawValue>, message: &Message<'_>) -> bool {
    let digits = |Id(text): &Id<'_>| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let ours = part::<Metadata<'_>>(metadata).display_phone_number.as_ref().map(digits);
    ours.is_some_and(|ours| !ours.is_empty() && message.from.as_ref().map(digits) == Some(ours))
}

/// The three parts in the sender's own bytes, in one object.
fn stored(metadata: Option<&RawValue>, contact: Option<&RawValue>, message: &RawValue) -> String {
    let [metadata, contact] = [metadata, contact].map(|part| part.map_or("null", RawValue::get));
    [r#"{"metadata":"#, metadata, r#","contact":"#, contact, r#","message":"#, message.get(), "}"].concat()
}

impl<'c, 'a> Around<'c, 'a> {
    /// The contact of a message: by its person's ids, never by position. In some countries the two numbers of one person
    /// differ in a digit, so where nothing matches and nobody else can be meant, it is the only one there is.
    fn contact_of(&self, message: &Message<'_>) -> Option<&'c Listed<'a>> {
        let same = |a: &Option<Id<'_>>, b: &Option<Id<'_>>| a.is_some() && a == b;
        let by_user = || self.contacts.iter().find(|(_, contact)| same(&contact.user_id, &message.from_user_id));
        let by_phone = || self.contacts.iter().find(|(_, contact)| same(&contact.wa_id, &message.from));
        by_user().or_else(by_phone).or(self.only)
    }
}

impl Message<'_> {
    /// True when no person wrote it to this number alone.
    fn is_no_persons(&self) -> bool {
        let in_group = self.group_id.is_some_and(|group| group.get() != "null");
        in_group || self.kind.as_deref().is_some_and(|kind| NO_MESSAGE.contains(&kind))
    }
}

impl<'a> Writer<'a> {
    /// Finds the writer of a stored item; `None` when it does not say who wrote to which number.
    pub(super) fn of_stored(item: &Stored<'a>) -> Option<Self> {
        let contact = item.contact.and_then(|raw| serde_json::from_str(raw.get()).ok());
        Self::of(item.metadata, contact.as_ref(), &serde_json::from_str(item.message.get()).ok()?)
    }

    fn of(metadata: Option<&'a RawValue>, contact: Option<&Contact<'a>>, message: &Message<'a>) -> Option<Self> {
        let number = part::<Metadata<'_>>(metadata).phone_number_id?;
        let wa_id = contact.and_then(|contact| contact.wa_id.clone());
        let user_id = message.from_user_id.clone().or_else(|| contact?.user_id.clone());
        let phone = message.from.clone().or_else(|| wa_id.clone());
        (user_id.is_some() || phone.is_some()).then_some(Self { number, user_id, phone, wa_id })
    }

    /// The names of the person on this business number: the user id where there is one, then the WhatsApp numbers. The
    /// first names a lead that is new; that the others are the same person's is remembered.
    ///
    /// Both come side by side for most people. The user id goes first, as it is the one that stays: whoever takes a user
    /// name stops sending the number.
    fn names(&self) -> Vec<ExternalRef> {
        let ids = [&self.user_id, &self.wa_id, &self.phone];
        names(&self.number, ids.into_iter().flatten())
    }
}

/// Ids of one person as names on a business number, each once, in order.
pub(super) fn names<'i, 'a: 'i>(number: &Id<'_>, ids: impl Iterator<Item = &'i Id<'a>>) -> Vec<ExternalRef> {
    let mut names: Vec<ExternalRef> = Vec::new();
    for id in ids {
        let name = person::external_ref(&number.0, &id.0);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use jiff::Timestamp;

    use super::*;
    use crate::domain::event::{Kept, SourceName};
    use crate::providers::whatsapp::read;

    fn split(value: &str) -> Vec<Item> {
        let kept = Kept {
            source: SourceName::parse("wa").unwrap(),
            received: Timestamp::UNIX_EPOCH,
            request_id: "r1".into(),
            headers: Vec::new(),
            body: Bytes::new(),
        };
        items(&Verified::from_inbox(kept), &format!(r#"{{"field":"messages","value":{value}}}"#))
    }

    /// The other names of each item.
    fn aliases(value: &str) -> Vec<Vec<String>> {
        split(value).into_iter().map(|item| item.aliases.iter().map(ToString::to_string).collect()).collect()
    }

    fn refs(value: &str) -> Vec<String> {
        split(value).into_iter().map(|item| item.external_ref.to_string()).collect()
    }

    #[test]
    fn contacts_are_matched_by_person_and_not_by_position() {
        let value = r#"{"metadata":{"phone_number_id":"1"},
            "contacts":[{"wa_id":"622","profile":{"name":"B"}},{"user_id":"ID.A","wa_id":"621","profile":{"name":"A"}}],
            "messages":[{"from":"621","id":"m1","type":"text"},{"from":"622","id":"m2","type":"text"},
                        {"from_user_id":"ID.A","id":"m3","type":"text"},{"from":"623","id":"m4","type":"text"}]}"#;
        let items = split(value);
        let names: Vec<_> = items
            .iter()
            .map(|item| {
                String::from_utf8_lossy(&item.body).split(r#""name":""#).nth(1).map(|rest| rest[..1].to_owned())
            })
            .collect();
        assert_eq!(names, [Some("A".into()), Some("B".into()), Some("A".into()), None]);
        assert_eq!(refs(value), ["wa:1:ID.A", "wa:1:622", "wa:1:ID.A", "wa:1:623"]);
    }

    #[test]
    fn a_person_who_stops_showing_the_number_stays_the_same_lead() {
        let with_number = r#"{"metadata":{"phone_number_id":1},"contacts":[{"wa_id":"621","user_id":"ID.A"}],
            "messages":[{"from":"621","from_user_id":"ID.A","id":"m1"}]}"#;
        let without = r#"{"metadata":{"phone_number_id":"1"},"messages":[{"from_user_id":"ID.A","id":"m2"}]}"#;
        assert_eq!(refs(with_number), refs(without));
    }

    #[test]
    fn all_names_of_a_person_come_with_the_message() {
        let value = r#"{"metadata":{"phone_number_id":1},"contacts":[{"wa_id":"5511988887777","user_id":"ID.A"}],
            "messages":[{"from":"551188887777","from_user_id":"ID.A","id":"m1"}]}"#;
        assert_eq!(
            (refs(value), aliases(value)),
            (vec!["wa:1:ID.A".into()], vec![vec!["wa:1:5511988887777".into(), "wa:1:551188887777".into()]])
        );
        let number = r#"{"metadata":{"phone_number_id":1},"messages":[{"from":"621","id":"m1"}]}"#;
        assert_eq!((refs(number), aliases(number)), (vec!["wa:1:621".into()], vec![Vec::new()]));
    }

    #[test]
    fn the_only_contact_is_the_writers_even_where_the_numbers_differ() {
        let value = r#"{"metadata":{"phone_number_id":"1"},"contacts":[{"wa_id":"5511988887777"}],
            "messages":[{"from":"551188887777","id":"m1"}]}"#;
        assert_eq!(refs(value), ["wa:1:5511988887777"]);
        let two = value.replace(r#""id":"m1"}"#, r#""id":"m1"},{"from":"629","id":"m2"}"#);
        assert_eq!(refs(&two), ["wa:1:551188887777", "wa:1:629"], "with two writers it is not known whose it is");
        let twice = value.replace(r#""id":"m1"}"#, r#""id":"m1"},{"from":"551188887777","id":"m2"}"#);
        assert_eq!(
            refs(&twice),
            ["wa:1:5511988887777"; 2],
            "and of one writer all messages are, as if each had come alone"
        );
    }

    #[test]
    fn an_id_that_is_too_long_for_konektor_is_hashed() {
        let user = format!("ID.ENT.{}", "A".repeat(128));
        let value = format!(
            r#"{{"metadata":{{"phone_number_id":"106540352242922"}},"messages":[{{"from_user_id":"{user}"}}]}}"#
        );
        assert!(refs(&value)[0].starts_with("wa:h:"));
    }

    #[test]
    fn one_garbled_message_costs_no_other() {
        let value = r#"{"metadata":{"phone_number_id":"1"},"messages":[7,{"id":[]},{"id":"m1","text":{}},{"from":"621","id":"m2"}]}"#;
        let items = split(value);
        for item in &items[..3] {
            assert!(item.external_ref.as_str().starts_with("wa:unread:h:"), "{}", item.external_ref);
            assert!(
                read::reading(&item.body).is_err(),
                "what has no right name must not be forwarded under a wrong one"
            );
            assert!(
                item.body.starts_with(br#"{"metadata":{"phone_number_id":"1"},"#),
                "all that belongs to it is kept"
            );
        }
        assert_eq!(items[3].external_ref.as_str(), "wa:1:621");
    }

    #[test]
    fn a_message_to_no_number_is_kept_and_not_forwarded() {
        let items = split(r#"{"metadata":{},"messages":[{"from":"621","id":"m1","type":"text","text":{"body":"a"}}]}"#);
        assert!(items[0].external_ref.as_str().starts_with("wa:unread:h:") && read::reading(&items[0].body).is_err());
    }

    #[test]
    fn a_change_that_has_no_messages_gives_nothing_and_one_of_no_shape_is_kept() {
        assert!(split(r#"{"statuses":[{}],"contacts":7,"errors":[]}"#).is_empty());
        assert_eq!(split("[]").len(), 1);
        assert_eq!(split(r#"{"messages":{}}"#).len(), 1);
    }

    #[test]
    fn a_message_without_an_id_is_known_by_its_bytes() {
        let id = |text: &str| {
            let message = format!(r#"{{"from":"621","type":"text","text":{{"body":"{text}"}}}}"#);
            split(&format!(r#"{{"metadata":{{"phone_number_id":"1"}},"messages":[{message}]}}"#))[0].id
        };
        assert_eq!(id("a"), id("a"));
        assert_ne!(id("a"), id("b"));
    }
}
