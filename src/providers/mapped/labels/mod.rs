//! Questions and answers as senders write them: label and value found for each.

mod jotform;
mod pairs;
mod tally;
mod typeform;
mod wix;

use super::document::{self, Told};
use super::settings::{Answers, Kind};
use super::spot::{Delivery, Spot};
use super::value::Value;
use crate::providers::Unreadable;
use crate::providers::form::answers::is_control;

/// One answered question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The sender's key of the field.
    pub(super) key: String,
    /// What a person reads.
    pub(super) label: String,
    /// The sender's word for the kind of field; empty where it has none.
    pub(super) kind: String,
    /// The answer; never blank.
    pub(super) value: String,
}

/// The answers that `answers` describes. Notes in `told` what they were read from, and leaves out what is there already.
///
/// # Errors
/// [`Unreadable`]: there are too many.
pub(super) fn entries(answers: &Answers, delivery: &Delivery<'_>, told: &mut Told) -> Result<Vec<Entry>, Unreadable> {
    let places = match &answers.at {
        Some(spot) => delivery.values(spot),
        None => vec![delivery.item],
    };
    let mut found = Vec::new();
    for place in places {
        let entries = match answers.kind {
            Kind::Names => names(place, answers.at.as_ref(), told)?,
            Kind::None => Vec::new(),
            Kind::Pairs => pairs::entries(answers, place, told),
            Kind::Typeform => typeform::entries(place, told),
            Kind::Tally => tally::entries(place, told),
            Kind::Jotform => jotform::entries(place, told),
            Kind::Wix => wix::entries(place, answers.at.is_none(), told),
        };
        found.extend(entries);
        if answers.kind != Kind::None && (answers.at.is_some() || answers.kind == Kind::Names) {
            told.add(place);
        }
    }
    Ok(found)
}

/// Names and values: `{"Nama": "Siti", "alamat": {"kota": "Bogor"}}`. A value that stands there alone is called as its place.
fn names(place: &Value<'_>, at: Option<&Spot>, told: &Told) -> Result<Vec<Entry>, Unreadable> {
    let alone = at.filter(|_| !place.is_object()).map(Spot::label).unwrap_or_default();
    let leaves = document::rest(place, &alone, told)?;
    let said = leaves.into_iter().filter(|leaf| !is_control(&leaf.key));
    let entry = |leaf: document::Leaf| {
        let label = document::answer(&leaf.key, String::new()).label;
        Entry { key: leaf.key, label, kind: String::new(), value: leaf.value }
    };
    Ok(said.map(entry).collect())
}

/// A value as a person reads it: lists joined with `, `, a file as its name and address, a group as its members.
pub(super) fn said(value: &Value<'_>) -> Option<String> {
    let text = match value {
        Value::Array(list) => joined(list.iter()),
        Value::Object(members) => match (members.get("url").and_then(said), members.get("name").and_then(said)) {
            (Some(url), Some(name)) => format!("{name} ({url})"),
            (Some(url), None) => url,
            (None, _) => joined(members.values()),
        },
        plain => document::text(plain)?.replace("\r\n", "\n"),
    };
    Some(text).filter(|text| !text.trim().is_empty())
}

fn joined<'v>(values: impl Iterator<Item = &'v Value<'v>>) -> String {
    values.filter_map(said).collect::<Vec<_>>().join(", ")
}

/// A member as text.
fn text(value: &Value<'_>, name: &str) -> Option<String> {
    said(value.get(name)?)
}

/// A member that is a list, or none.
fn list<'v>(value: &'v Value<'v>, name: &str) -> &'v [Value<'v>] {
    value.get(name).and_then(Value::as_array).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::providers::mapped::value::json;

    #[test]
    fn a_value_is_said_as_a_person_reads_it() {
        for (value, text) in [
            (json!(["Rumah", null, "Ruko"]), Some("Rumah, Ruko")),
            (json!(true), Some("Ya")),
            (
                json!({"name": "denah.pdf", "url": "https://a.example/d", "size": 3}),
                Some("denah.pdf (https://a.example/d)"),
            ),
            (json!([{"url": "https://a.example/d"}]), Some("https://a.example/d")),
            (json!({"city": "Bogor", "zip": 16111}), Some("Bogor, 16111")),
            (json!("a\r\nb"), Some("a\nb")),
            (json!([]), None),
            (json!({"a": null}), None),
            (json!(" "), None),
        ] {
            assert_eq!(said(&value).as_deref(), text);
        }
    }

    #[test]
    fn a_value_that_stands_alone_is_called_as_its_place() {
        let at: Spot = "order.questions".parse().unwrap();
        let found = |place: Value| {
            let entries = names(&place, Some(&at), &Told::default()).unwrap();
            entries.into_iter().map(|entry| (entry.key, entry.value)).collect::<Vec<_>>()
        };
        let is = |key: &str, value: &str| vec![(key.to_owned(), value.to_owned())];
        assert_eq!(found(json!("merah")), is("questions", "merah"));
        assert_eq!(found(json!(["merah", "biru"])), is("questions", "merah, biru"));
        assert_eq!(found(json!({ "warna": "merah" })), is("warna", "merah"));
    }

    #[test]
    fn names_are_labelled_without_their_wrappers_and_control_fields_are_none() {
        let item = json!({"data": {"No HP": "0812"}, "cf-turnstile-response": "x", "_wpcf7": "1", "_fbp": "fb.1"});
        let found = names(&item, None, &Told::default()).unwrap();
        let shown: Vec<_> = found.iter().map(|entry| (entry.key.as_str(), entry.label.as_str())).collect();
        assert_eq!(shown, [("data.No HP", "No HP"), ("_fbp", "_fbp")]);
    }

    /// JSON with the words that the decoders look for.
    fn any_item() -> impl Strategy<Value = Value<'static>> {
        use serde_json::Value;
        const WORDS: [&str; 26] = [
            "answers",
            "definition",
            "fields",
            "field",
            "id",
            "title",
            "type",
            "label",
            "labels",
            "choice",
            "choices",
            "key",
            "value",
            "options",
            "text",
            "other",
            "ref",
            "q3_nama",
            "first",
            "full",
            "area",
            "phone",
            "payment",
            "amount",
            "submissions",
            "field:email_1a2b",
        ];
        let key = proptest::sample::select(&WORDS[..]).prop_map(str::to_owned);
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            proptest::sample::select(&WORDS[..]).prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 48, 5, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::vec((key.clone(), inner), 0..5).prop_map(Value::from_iter),
            ]
        })
        .prop_map(super::Value::from)
    }

    proptest! {
        #[test]
        fn no_document_brings_a_decoder_down_and_no_answer_is_blank(item in any_item()) {
            let delivery = Delivery { whole: &item, item: &item, headers: &[] };
            for kind in ["names", "none", "pairs", "typeform", "tally", "jotform", "wix"] {
                let answers: Answers = toml::from_str(&format!("kind = '{kind}'")).unwrap();
                for entry in entries(&answers, &delivery, &mut Told::default()).unwrap() {
                    prop_assert!(!entry.value.trim().is_empty());
                }
            }
        }
    }
}
