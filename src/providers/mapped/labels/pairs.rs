//! Answers as a list of `{label, value}`, or as named groups of them.

use super::super::document::Told;
use super::super::path::Path;
use super::super::settings::Answers;
use super::super::value::Value;
use super::{Entry, said};

/// The answers in `place`, each noted in `told`. In named groups the name is the key, and the label too where there is none.
pub(super) fn entries(answers: &Answers, place: &Value<'_>, told: &mut Told) -> Vec<Entry> {
    let elements: Vec<(&str, &Value<'_>)> = match place {
        Value::Array(list) => list.iter().map(|element| ("", element)).collect(),
        Value::Object(members) => members.iter().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    elements.into_iter().filter_map(|(name, element)| entry(answers, name, element, told)).collect()
}

fn entry(answers: &Answers, name: &str, element: &Value<'_>, told: &mut Told) -> Option<Entry> {
    let at = |path: &Option<Path>| path.as_ref().and_then(|path| said(path.find(element)?)).unwrap_or_default();
    let value = match &answers.value {
        Some(path) => path.find(element)?,
        None => element,
    };
    if told.has(value) || told.has(element) {
        return None;
    }
    told.add(value);
    let (key, label) = (at(&answers.key), at(&answers.label));
    let first = |texts: [&str; 3]| texts.into_iter().find(|text| !text.trim().is_empty()).unwrap_or("?").to_owned();
    Some(Entry {
        key: first([&key, name, &label]),
        label: first([&label, name, &key]),
        kind: at(&answers.type_of),
        value: said(value)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::mapped::value::json;

    fn shown(answers: &str, place: &Value) -> Vec<[String; 4]> {
        let answers: Answers = toml::from_str(answers).unwrap();
        let entries = entries(&answers, place, &mut Told::default());
        entries.into_iter().map(|Entry { key, label, kind, value }| [key, label, kind, value]).collect()
    }

    #[test]
    fn a_list_and_named_groups_are_read_alike() {
        let list = json!([{"question": "No WA", "answer": "0812", "position": 0}, {"question": "x", "answer": null}]);
        let expected = [["No WA", "No WA", "", "0812"].map(str::to_owned)];
        assert_eq!(shown("kind = 'pairs'\nlabel = 'question'\nvalue = 'answer'", &list), expected);
        let groups = json!({"hp": {"type": "tel", "title": "No HP", "value": "0812"}, "n": {"value": ["a", "b"]}});
        let expected = [["hp", "No HP", "tel", "0812"], ["n", "n", "", "a, b"]].map(|entry| entry.map(str::to_owned));
        assert_eq!(shown("kind = 'pairs'\nlabel = 'title'\ntype = 'type'\nvalue = 'value'", &groups), expected);
    }
}
