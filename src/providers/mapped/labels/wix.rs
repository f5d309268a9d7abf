//! Wix: answers under a name that ends in four digits of chance, `email_1a2b`, or `field:email_1a2b` in an automation, which
//! may have them once more as a list of `{label, value}`.
//!
//! Source: captured bodies of automations and of `wix.forms.v4.form_submission_created`.

use super::super::document::Told;
use super::super::value::Value;
use super::{Entry, list, said, text};

/// What stands before the names of an automation's answers.
const FIELD: &str = "field:";

/// The answers in the `submissions` of an event, or, of the `whole` that an automation sends, those among its members.
pub(super) fn entries(place: &Value<'_>, whole: bool, told: &mut Told) -> Vec<Entry> {
    let Value::Object(members) = place else { return Vec::new() };
    let fields: Vec<_> = members.iter().filter(|(key, _)| !whole || key.starts_with(FIELD)).collect();
    let labelled: Vec<_> = list(place, "submissions").iter().filter_map(labelled).collect();
    let entries = match labelled.is_empty() || !whole {
        true => fields.iter().filter_map(|(key, value)| entry(key, value)).collect(),
        false => {
            place.get("submissions").into_iter().for_each(|list| told.add(list));
            labelled
        }
    };
    fields.iter().for_each(|(_, value)| told.add(value));
    entries
}

fn labelled(element: &Value<'_>) -> Option<Entry> {
    let label = text(element, "label")?;
    Some(Entry { key: label.clone(), label, kind: String::new(), value: text(element, "value")? })
}

fn entry(key: &str, value: &Value<'_>) -> Option<Entry> {
    let name = key.strip_prefix(FIELD).unwrap_or(key);
    Some(Entry {
        key: key.to_owned(),
        label: without_chance(name).to_owned(),
        kind: String::new(),
        value: said(value)?,
    })
}

/// `email` of `email_1a2b`.
fn without_chance(name: &str) -> &str {
    let is_chance = |end: &str| end.len() == 4 && end.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    name.rsplit_once('_').filter(|(begin, end)| !begin.is_empty() && is_chance(end)).map_or(name, |(begin, _)| begin)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::mapped::value::json;

    fn shown(place: &Value, whole: bool) -> Vec<(String, String)> {
        let entries = entries(place, whole, &mut Told::default());
        entries.into_iter().map(|entry| (entry.label, entry.value)).collect()
    }

    fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
        pairs.map(|(label, value)| (label.to_owned(), value.to_owned())).into()
    }

    #[test]
    fn a_name_loses_what_chance_has_put_behind_it_and_nothing_else() {
        let submissions = json!({"first_name": "Siti", "email_1a2b": "a@example.com", "tahun_2026": 1, "_1a2b": "x", "no_hp_77F0": "y"});
        let expected =
            [("first_name", "Siti"), ("email", "a@example.com"), ("tahun", "1"), ("_1a2b", "x"), ("no_hp_77F0", "y")];
        assert_eq!(shown(&submissions, false), pairs(expected));
    }

    #[test]
    fn an_automation_has_its_answers_among_other_things_and_labels_count_before_names() {
        let mut automation =
            json!({"formName": "Kontak", "field:email_1a2b": "a@example.com", "contact": {"email": "a@example.com"}});
        assert_eq!(shown(&automation, true), pairs([("email", "a@example.com")]));
        *automation.make_object().or_insert("submissions", || Value::Null) =
            json!([{"label": "E-mail", "value": "a@example.com"}, {"label": "Kosong", "value": ""}]);
        assert_eq!(shown(&automation, true), pairs([("E-mail", "a@example.com")]));
    }
}
