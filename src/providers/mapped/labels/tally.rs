//! Tally: a list of fields, choices as ids whose texts stand beside them.
//!
//! A question with check boxes comes twice: once with the chosen ids, and once more for each option as yes or no, under
//! the question's key and the option's id. Only the first is a person's answer. Of a matrix the rows and columns stand
//! beside it. Source: "Webhooks" of Tally's documents.

use std::collections::HashMap;

use super::super::document::Told;
use super::super::value::{Members, Value};
use super::{Entry, list, said, text};

/// The answers in the `fields` of a response.
pub(super) fn entries(data: &Value<'_>, told: &mut Told) -> Vec<Entry> {
    let fields = list(data, "fields");
    let asked: Vec<_> =
        fields.iter().filter(|field| !list(field, "options").is_empty()).filter_map(|f| text(f, "key")).collect();
    let entries = fields.iter().filter(|field| !is_option(field, &asked)).filter_map(entry).collect();
    data.get("fields").into_iter().for_each(|fields| told.add(fields));
    entries
}

/// True for the yes or no of one option.
fn is_option(field: &Value<'_>, asked: &[String]) -> bool {
    let is_boolean = field.get("value").is_some_and(Value::is_boolean);
    let of = |key: &str| {
        asked.iter().any(|asked| key.strip_prefix(asked.as_str()).is_some_and(|rest| rest.starts_with('_')))
    };
    is_boolean && text(field, "key").is_some_and(|key| of(&key))
}

fn entry(field: &Value<'_>) -> Option<Entry> {
    let key = text(field, "key").unwrap_or_else(|| "?".to_owned());
    let texts = texts(field, "options");
    let value = field.get("value")?;
    let chosen = |id: &Value<'_>| said(id).map(|id| texts.get(&id).cloned().unwrap_or(id));
    let value = match value {
        Value::Array(ids) if !texts.is_empty() => ids.iter().filter_map(chosen).collect::<Vec<_>>().join(", "),
        Value::Object(chosen) if ["rows", "columns"].iter().all(|part| !list(field, part).is_empty()) => {
            matrix(field, chosen)
        }
        other => chosen(other)?,
    };
    let label = text(field, "label").unwrap_or_else(|| key.clone());
    let kind = text(field, "type").unwrap_or_default();
    (!value.trim().is_empty()).then_some(Entry { key, label, kind, value })
}

/// What the ids in a list beside the answer stand for.
fn texts(field: &Value<'_>, name: &str) -> HashMap<String, String> {
    list(field, name).iter().filter_map(|part| Some((text(part, "id")?, text(part, "text")?))).collect()
}

/// What was chosen in each row: `Harga: Puas, Layanan: Tidak`, in the order of the rows; several of one row `Puas / Murah`.
fn matrix(field: &Value<'_>, chosen: &Members<'_>) -> String {
    let (rows, columns) = (texts(field, "rows"), texts(field, "columns"));
    let word = |id: &Value<'_>| said(id).map(|id| columns.get(&id).cloned().unwrap_or(id));
    let line = |(row, value): (&str, &Value<'_>)| {
        let ids = value.as_array().unwrap_or(std::slice::from_ref(value));
        let words: Vec<_> = ids.iter().filter_map(word).collect();
        let row = rows.get(row).map_or(row, String::as_str);
        (!words.is_empty()).then(|| format!("{row}: {}", words.join(" / ")))
    };
    let asked: Vec<_> = list(field, "rows").iter().filter_map(|row| text(row, "id")).collect();
    let mut lines: Vec<_> = chosen.iter().collect();
    lines.sort_by_key(|(row, _)| asked.iter().position(|asked| asked == row).unwrap_or(asked.len()));
    lines.into_iter().filter_map(line).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::mapped::value::json;

    #[test]
    fn choices_are_texts_and_the_yes_or_no_of_each_option_is_left_out() {
        let options = json!([{"id": "o1", "text": "Rumah"}, {"id": "o2", "text": "Ruko"}]);
        let data = json!({"fields": [
            {"key": "q_X", "label": "Minat", "type": "CHECKBOXES", "value": ["o2", "o1", "gone"], "options": options},
            {"key": "q_X_o1", "label": "Minat (Rumah)", "type": "CHECKBOXES", "value": true},
            {"key": "q_Y", "label": null, "type": "INPUT_TEXT", "value": "a"},
            {"key": "q_Y_1", "label": "Setuju", "type": "CHECKBOXES", "value": true},
            {"key": "q_F", "label": "Denah", "type": "FILE_UPLOAD",
             "value": [{"id": "f", "name": "d.pdf", "url": "https://a.example/d", "mimeType": "x", "size": 1}]},
            {"key": "q_N", "label": "Kosong", "type": "TEXTAREA", "value": null},
            {"key": "q_R", "label": "Pilih", "type": "DROPDOWN", "value": ["o1"], "options": options},
        ]});
        let found = entries(&data, &mut Told::default());
        let shown: Vec<_> = found.iter().map(|entry| (entry.label.as_str(), entry.value.as_str())).collect();
        let expected = [
            ("Minat", "Ruko, Rumah, gone"),
            ("q_Y", "a"),
            ("Setuju", "Ya"),
            ("Denah", "d.pdf (https://a.example/d)"),
            ("Pilih", "Rumah"),
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_matrix_is_told_row_by_row() {
        let (rows, columns) = (
            json!([{"id": "r1", "text": "Harga"}, {"id": "r2", "text": "Layanan"}, {"id": "r3", "text": "Lokasi"}]),
            json!([{"id": "c1", "text": "Puas"}, {"id": "c2", "text": "Tidak"}]),
        );
        let told = |value: Value<'static>, rows: &Value<'static>, columns: &Value<'static>| {
            let field = json!({"key": "q", "label": "Puas?", "type": "MATRIX", "value": value, "rows": rows, "columns": columns});
            entries(&json!({ "fields": [field] }), &mut Told::default()).pop().map(|entry| entry.value)
        };
        let both = json!({"r2": ["c2"], "r1": ["c1"], "r3": []});
        assert_eq!(told(both, &rows, &columns).as_deref(), Some("Harga: Puas, Layanan: Tidak"));
        let several = json!({"r1": ["c1", "c2"], "gone": "c1", "r3": ["new"]});
        assert_eq!(told(several, &rows, &columns).as_deref(), Some("Harga: Puas / Tidak, Lokasi: new, gone: Puas"));
        assert_eq!(told(json!({"r1": []}), &rows, &columns), None);
        assert_eq!(told(json!({"r1": ["c1"], "r2": ["c2"]}), &Value::Null, &columns).as_deref(), Some("c1, c2"));
        assert_eq!(told(json!({"r1": ["c1"]}), &rows, &Value::Null).as_deref(), Some("c1"));
    }
}
