//! People who are known by other ids from now on: what WhatsApp itself notes of a new number or user id.
//!
//! Nobody wrote that, so it makes no lead; it keeps one person one lead. Source: "System messages" and "user_id_update" of
//! the WhatsApp Business Platform's documents, and what receivers in public code take in: `wa_id` (`new_wa_id` in older
//! versions) is the new number, `customer` the old one; the old user id is told by some and not by others.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::json::Id;
use super::split::{Contact, Metadata, names, part};
use crate::domain::event::Lesson;

/// The parts of a change that matter.
#[derive(Deserialize, Default)]
struct Value<'a> {
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    contacts: Option<&'a RawValue>,
    #[serde(borrow)]
    messages: Option<&'a RawValue>,
    #[serde(borrow)]
    user_id_update: Option<&'a RawValue>,
}

/// A message that may be WhatsApp's own.
#[derive(Deserialize, Default)]
struct Note<'a> {
    #[serde(borrow)]
    from: Option<Id<'a>>,
    #[serde(borrow)]
    from_user_id: Option<Id<'a>>,
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    system: Option<&'a RawValue>,
}

/// What it notes.
#[derive(Deserialize, Default)]
struct System<'a> {
    #[serde(borrow)]
    wa_id: Option<Id<'a>>,
    #[serde(borrow)]
    new_wa_id: Option<Id<'a>>,
    #[serde(borrow)]
    customer: Option<Id<'a>>,
    #[serde(borrow)]
    user_id: Option<Id<'a>>,
    #[serde(borrow)]
    previous_user_id: Option<Id<'a>>,
}

/// A user id that was replaced.
#[derive(Deserialize, Default)]
struct Update<'a> {
    #[serde(borrow)]
    wa_id: Option<Id<'a>>,
    #[serde(borrow, default)]
    user_id: Option<Replaced<'a>>,
}

#[derive(Deserialize)]
struct Replaced<'a> {
    #[serde(borrow)]
    previous: Option<Id<'a>>,
    #[serde(borrow)]
    current: Option<Id<'a>>,
}

/// What one change says of people's ids.
pub(super) fn lessons(change: &str) -> Vec<Lesson> {
    #[derive(Deserialize, Default)]
    struct Change<'a> {
        #[serde(borrow, default)]
        value: Value<'a>,
    }
    let Change { value } = serde_json::from_str(change).unwrap_or_default();
    let Some(number) = part::<Metadata<'_>>(value.metadata).phone_number_id else { return Vec::new() };
    let contacts: Vec<Contact<'_>> = each(value.contacts).collect();
    let notes = each(value.messages).filter_map(|note| of_note(&number, &note, &contacts));
    let updates = each(value.user_id_update).filter_map(|update| of_update(&number, &update));
    notes.chain(updates).collect()
}

/// The elements of a list that can be read.
fn each<'a, T: Deserialize<'a>>(list: Option<&'a RawValue>) -> impl Iterator<Item = T> {
    part::<Vec<&RawValue>>(list).into_iter().filter_map(|raw| serde_json::from_str(raw.get()).ok())
}

fn of_note(number: &Id<'_>, note: &Note<'_>, contacts: &[Contact<'_>]) -> Option<Lesson> {
    if note.kind.as_deref() != Some("system") {
        return None;
    }
    let System { wa_id, new_wa_id, customer, user_id, previous_user_id } = part(note.system);
    let known = contacts.iter().find(|contact| contact.wa_id.is_some() && contact.wa_id == note.from);
    let known = known.and_then(|contact| contact.user_id.as_ref());
    let numbers = Ids { old: [note.from.as_ref(), customer.as_ref()], new: [wa_id.as_ref(), new_wa_id.as_ref()] };
    let users =
        Ids { old: [note.from_user_id.as_ref().or(known), previous_user_id.as_ref()], new: [user_id.as_ref(), None] };
    lesson(number, &numbers, &users)
}

fn of_update(number: &Id<'_>, Update { wa_id, user_id }: &Update<'_>) -> Option<Lesson> {
    let Replaced { previous, current } = user_id.as_ref()?;
    let users = Ids { old: [previous.as_ref(), None], new: [current.as_ref(), None] };
    lesson(number, &Ids { old: [None, None], new: [wa_id.as_ref(), None] }, &users)
}

/// Ids of one kind, before and after.
struct Ids<'i, 'a> {
    old: [Option<&'i Id<'a>>; 2],
    new: [Option<&'i Id<'a>>; 2],
}

/// An old number is somebody else's one day, so it is nobody's from now on; but only where a new one is told. A user id is
/// never given to another person: the old one stays a name.
fn lesson(number: &Id<'_>, numbers: &Ids<'_, '_>, users: &Ids<'_, '_>) -> Option<Lesson> {
    let of = |ids: &[Option<&Id<'_>>]| names(number, ids.iter().copied().flatten());
    let old = of(&[users.old[0], users.old[1], numbers.old[0], numbers.old[1]]);
    let (new_numbers, user) = (of(&numbers.new), of(&users.new));
    if old.is_empty() || (new_numbers.is_empty() && user.is_empty()) {
        return None;
    }
    let mut new = [user, new_numbers.clone(), of(&users.old)].concat();
    if new_numbers.is_empty() {
        new.extend(of(&numbers.old));
    }
    Some(Lesson::Renamed { old, new })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Old and new names of each lesson.
    fn told(value: &str) -> Vec<(Vec<String>, Vec<String>)> {
        let text =
            |names: Vec<crate::domain::external_ref::ExternalRef>| names.iter().map(ToString::to_string).collect();
        lessons(&format!(r#"{{"field":"messages","value":{value}}}"#))
            .into_iter()
            .map(|lesson| match lesson {
                Lesson::Renamed { old, new } => (text(old), text(new)),
                Lesson::Lead { .. } => panic!("WhatsApp knows no leads"),
            })
            .collect()
    }

    fn system(from: &str, system: &str) -> String {
        format!(
            r#"{{"metadata":{{"phone_number_id":"1"}},"messages":[{{{from}"id":"m","type":"system","system":{system}}}]}}"#
        )
    }

    #[test]
    fn a_new_number_takes_the_place_of_the_old_one() {
        for new in
            [r#"{"type":"user_changed_number","wa_id":"622"}"#, r#"{"type":"user_changed_number","new_wa_id":622}"#]
        {
            assert_eq!(told(&system(r#""from":"621","#, new)), [(vec!["wa:1:621".into()], vec!["wa:1:622".into()])]);
        }
    }

    #[test]
    fn a_user_id_stays_a_name_whichever_it_is() {
        let value = system(r#""from":"621","from_user_id":"ID.A","#, r#"{"wa_id":"622","user_id":"ID.B"}"#);
        let old = vec!["wa:1:ID.A".to_owned(), "wa:1:621".to_owned()];
        assert_eq!(told(&value), [(old, vec!["wa:1:ID.B".into(), "wa:1:622".into(), "wa:1:ID.A".into()])]);
    }

    #[test]
    fn a_new_user_id_leaves_the_number_as_it_is() {
        let value =
            system(r#""from":"621","#, r#"{"type":"user_changed_user_id","user_id":"ID.B","previous_user_id":"ID.A"}"#);
        let old = vec!["wa:1:ID.A".to_owned(), "wa:1:621".to_owned()];
        assert_eq!(told(&value), [(old, vec!["wa:1:ID.B".into(), "wa:1:ID.A".into(), "wa:1:621".into()])]);
    }

    #[test]
    fn a_user_id_that_was_replaced_is_told_in_a_list_of_its_own() {
        let value = r#"{"metadata":{"phone_number_id":"1"},"user_id_update":[
            {"wa_id":"622","detail":"x","user_id":{"previous":"ID.A","current":"ID.B"}},7,{"user_id":{"current":"ID.C"}}]}"#;
        let new = vec!["wa:1:ID.B".to_owned(), "wa:1:622".to_owned(), "wa:1:ID.A".to_owned()];
        assert_eq!(told(value), [(vec!["wa:1:ID.A".into()], new)]);
    }

    #[test]
    fn what_names_nobody_teaches_nothing() {
        for value in [
            system("", r#"{"type":"user_changed_user_id","user_id":"ID.B"}"#),
            system(r#""from":"621","#, r#"{"type":"customer_identity_changed","identity":"x"}"#),
            system(r#""from":"621","#, "7"),
            r#"{"messages":[{"from":"621","type":"system","system":{"wa_id":"622"}}]}"#.to_owned(),
            r#"{"metadata":{"phone_number_id":"1"},"messages":[{"from":"621","type":"text","system":{"wa_id":"622"}}]}"#.to_owned(),
            "[]".to_owned(),
        ] {
            assert_eq!(told(&value), [], "{value}");
        }
    }
}
