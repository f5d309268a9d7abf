//! Typeform: answers by the id of their field, the questions in a definition beside them.
//!
//! Source: "Webhooks" of Typeform's developer documents (example payload). Questions that were skipped are absent.

use std::collections::HashMap;

use super::super::document::Told;
use super::super::value::Value;
use super::{Entry, list, said, text};

/// The answers of a `form_response`.
pub(super) fn entries(response: &Value<'_>, told: &mut Told) -> Vec<Entry> {
    let definition = response.get("definition").unwrap_or(&Value::Null);
    let mut titles = HashMap::new();
    name_all(list(definition, "fields"), &mut titles);
    let entries = list(response, "answers").iter().filter_map(|answer| entry(answer, &titles)).collect();
    [response.get("answers"), response.get("definition")].into_iter().flatten().for_each(|part| told.add(part));
    entries
}

/// The titles of all questions by their ids, those inside of one (`contact_info`, `group`) too.
fn name_all(fields: &[Value<'_>], titles: &mut HashMap<String, String>) {
    for field in fields {
        titles.extend(text(field, "id").zip(text(field, "title")));
        field.get("properties").into_iter().for_each(|inside| name_all(list(inside, "fields"), titles));
    }
}

fn entry(answer: &Value<'_>, titles: &HashMap<String, String>) -> Option<Entry> {
    let kind = text(answer, "type").unwrap_or_default();
    let field = answer.get("field").unwrap_or(&Value::Null);
    let id = text(field, "id").unwrap_or_else(|| "?".to_owned());
    let key = text(field, "ref").unwrap_or_else(|| id.clone());
    let label = titles.get(&id).unwrap_or(&key).clone();
    Some(Entry { label, key, value: value(answer, &kind)?, kind })
}

/// What was answered: it stands under the name of its type, choices as labels and what was typed instead of one.
fn value(answer: &Value<'_>, kind: &str) -> Option<String> {
    let value = answer.get(kind)?;
    let parts = match kind {
        "choice" => [text(value, "label"), text(value, "other")],
        "choices" => [text(value, "labels"), text(value, "other")],
        // The last digits of the card are nothing for a sales note.
        "payment" => [text(value, "amount"), text(value, "name")],
        _ => [said(value), None],
    };
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::mapped::value::json;

    #[test]
    fn every_type_of_answer_has_words() {
        for (answer, value) in [
            (json!({"type": "text", "text": "Suharto"}), Some("Suharto")),
            (json!({"type": "number", "number": 42}), Some("42")),
            (json!({"type": "boolean", "boolean": false}), Some("Tidak")),
            (json!({"type": "choice", "choice": {"id": "a", "label": "Rumah", "ref": "r"}}), Some("Rumah")),
            (json!({"type": "choice", "choice": {"other": "Gudang"}}), Some("Gudang")),
            (
                json!({"type": "choices", "choices": {"ids": ["a"], "labels": ["Rumah", "Ruko"], "other": "Villa"}}),
                Some("Rumah, Ruko, Villa"),
            ),
            (json!({"type": "file_url", "file_url": "https://a.example/f"}), Some("https://a.example/f")),
            (
                json!({"type": "payment", "payment": {"amount": "10", "last4": "1234", "name": "Siti"}}),
                Some("10, Siti"),
            ),
            (json!({"type": "hologram", "hologram": {"x": "y"}}), Some("y")),
            (json!({"type": "text", "text": ""}), None),
            (json!({"type": "email"}), None),
            (json!({}), None),
        ] {
            let found = entries(&json!({"answers": [answer]}), &mut Told::default());
            assert_eq!(found.first().map(|entry| entry.value.as_str()), value);
        }
    }

    #[test]
    fn a_question_is_found_by_the_id_of_its_field() {
        let response = json!({
            "definition": {"fields": [
                {"id": "F1", "ref": "hp", "title": "No. WhatsApp"},
                {"id": "F2", "title": "Kontak", "type": "contact_info", "properties": {"fields": [
                    {"id": "F3", "ref": "depan", "title": "Nama depan", "subfield_key": "first_name"},
                ]}},
            ]},
            "answers": [
                {"type": "text", "text": "d", "field": {"id": "F3", "ref": "depan"}},
                {"type": "text", "text": "a", "field": {"id": "F1", "ref": "hp"}},
                {"type": "text", "text": "b", "field": {"id": "F9", "ref": "other"}},
                {"type": "text", "text": "c"},
            ],
        });
        let found = entries(&response, &mut Told::default());
        let shown: Vec<_> = found.iter().map(|entry| (entry.key.as_str(), entry.label.as_str())).collect();
        assert_eq!(shown, [("depan", "Nama depan"), ("hp", "No. WhatsApp"), ("other", "other"), ("?", "?")]);
    }
}
