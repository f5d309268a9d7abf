//! The fields of a lead that a caller may send, and the rules each value is held to.
//!
//! Source: Agent API 2.2.0, "Create Lead". The contract prints two messages, `Required` and `Invalid email`; the others
//! follow the wording of the library these two come from (zod 3).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use strum::{Display, EnumString, IntoStaticStr, VariantArray};
use uuid::Uuid;

use super::wire::{Details, Refusal};
use crate::domain::status::{AdPlatform, LeadSource, Priority, Status};

/// A field of a lead, named as on the wire, in the order in which an answer shows it. Columns have the same names.
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
#[serde(rename_all = "camelCase")]
#[strum(serialize_all = "camelCase")]
#[expect(missing_docs, reason = "the names are the contract's own")]
pub enum Field {
    UniqueCode,
    FirstName,
    LastName,
    Email,
    Phone,
    Status,
    Priority,
    Source,
    AdPlatform,
    AssignedTo,
    EstimatedValue,
    ActualValue,
    Notes,
    ExternalRef,
}

/// A value that has passed its field's rule.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Datum {
    /// Text, as sent; a UUID in lower case.
    Text(String),
    /// A number, as JavaScript has them.
    Number(f64),
}

/// What a caller sent: a value, or `None` for a `null`.
pub(super) type Fields = BTreeMap<Field, Option<Datum>>;

/// What a field's value must be.
enum Rule {
    /// Text of so many Unicode scalar values.
    Text {
        min: usize,
        max: usize,
    },
    Email,
    Uuid,
    /// One of these words.
    Word(Vec<&'static str>),
    Number,
}

impl Field {
    fn rule(self) -> Rule {
        match self {
            Self::UniqueCode | Self::LastName => Rule::Text { min: 0, max: 100 },
            Self::FirstName => Rule::Text { min: 1, max: 100 },
            Self::Phone => Rule::Text { min: 0, max: 20 },
            Self::Notes => Rule::Text { min: 0, max: 5000 },
            Self::ExternalRef => Rule::Text { min: 0, max: 150 },
            Self::Email => Rule::Email,
            Self::AssignedTo => Rule::Uuid,
            Self::Status => Rule::Word(words::<Status>()),
            Self::Priority => Rule::Word(words::<Priority>()),
            Self::Source => Rule::Word(words::<LeadSource>()),
            Self::AdPlatform => Rule::Word(words::<AdPlatform>()),
            Self::EstimatedValue | Self::ActualValue => Rule::Number,
        }
    }

    /// Reads `value` by the field's rule. `Err` is the message for `details`.
    pub(super) fn read(self, value: &Value) -> Result<Datum, String> {
        match (self.rule(), value) {
            (Rule::Number, Value::Number(number)) => {
                number.as_f64().map(Datum::Number).ok_or_else(|| "Expected number, received nan".to_owned())
            }
            (Rule::Number, other) => Err(format!("Expected number, received {}", kind(other))),
            (rule, Value::String(text)) => rule.text(text).map(Datum::Text),
            (Rule::Word(words), other) => Err(format!("Expected {}, received {}", quoted(&words), kind(other))),
            (_, other) => Err(format!("Expected string, received {}", kind(other))),
        }
    }

    /// What the lead has when nobody sent a value (or a `null` took it away).
    pub(super) fn default_value(self) -> Option<Datum> {
        match self {
            Self::Status => Some(Datum::Text(Status::New.to_string())),
            Self::Priority => Some(Datum::Text(Priority::Medium.to_string())),
            _ => None,
        }
    }
}

impl Rule {
    fn text(&self, text: &str) -> Result<String, String> {
        match self {
            Self::Text { min, max } => within(text, *min, *max),
            Self::Email if is_email(text) => Ok(text.to_owned()),
            Self::Email => Err("Invalid email".to_owned()),
            // 36: the form with hyphens; the parser would also take others.
            Self::Uuid => match Uuid::try_parse(text) {
                Ok(uuid) if text.len() == 36 => Ok(uuid.to_string()),
                _ => Err("Invalid uuid".to_owned()),
            },
            Self::Word(words) if words.contains(&text) => Ok(text.to_owned()),
            Self::Word(words) => Err(format!("Invalid enum value. Expected {}, received '{text}'", quoted(words))),
            Self::Number => Err("Expected number, received string".to_owned()),
        }
    }
}

/// Reads the body of a create: `firstName` is required, `null` is as if the field were absent.
pub(super) fn read_create(body: &[u8]) -> Result<Fields, Refusal> {
    let object = object(body)?;
    let mut details = Details::new();
    if !object.contains_key("firstName") {
        details.insert(Field::FirstName.to_string(), "Required".to_owned());
    }
    let fields = read_known(&object, details)?;
    Ok(fields.into_iter().filter(|(_, datum)| datum.is_some()).collect())
}

/// Reads the body of an update: every field is optional, `null` clears it.
pub(super) fn read_update(body: &[u8]) -> Result<Fields, Refusal> {
    read_known(&object(body)?, Details::new())
}

fn object(body: &[u8]) -> Result<Map<String, Value>, Refusal> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(other) => Err(Refusal::Invalid(Details::from([(
            "body".to_owned(),
            format!("Expected object, received {}", kind(&other)),
        )]))),
        Err(_) => Err(Refusal::Unreadable("Invalid JSON body")),
    }
}

/// The fields of `object` that the contract knows; others are ignored. `details` holds what is already wrong.
fn read_known(object: &Map<String, Value>, mut details: Details) -> Result<Fields, Refusal> {
    let mut fields = Fields::new();
    for field in Field::VARIANTS.iter().copied() {
        match object.get(<&str>::from(field)) {
            None => {}
            Some(Value::Null) if field != Field::FirstName => {
                fields.insert(field, None);
            }
            Some(value) => match field.read(value) {
                Ok(datum) => {
                    fields.insert(field, Some(datum));
                }
                Err(message) => {
                    details.insert(field.to_string(), message);
                }
            },
        }
    }
    if details.is_empty() { Ok(fields) } else { Err(Refusal::Invalid(details)) }
}

/// `text` when it has `min` to `max` Unicode scalar values.
pub(super) fn within(text: &str, min: usize, max: usize) -> Result<String, String> {
    let length = text.chars().count();
    if length < min {
        Err(format!("String must contain at least {min} character(s)"))
    } else if length > max {
        Err(format!("String must contain at most {max} character(s)"))
    } else {
        Ok(text.to_owned())
    }
}

/// Every word of one of Konektor's closed lists.
pub(super) fn words<T: VariantArray + Copy + Into<&'static str>>() -> Vec<&'static str> {
    T::VARIANTS.iter().map(|value| (*value).into()).collect()
}

/// An ASCII address with a dotted domain. Stricter than RFC 5321 on purpose, as form validators are: no quoted local
/// part, no address literal, no IDN.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let local_fits = !local.starts_with('.')
        && !local.contains("..")
        && local.ends_with(|last: char| last.is_ascii_alphanumeric() || "_+-".contains(last))
        && local.chars().all(|c| c.is_ascii_alphanumeric() || "_'+-.".contains(c));
    let label_fits = |label: &str| {
        label.starts_with(|first: char| first.is_ascii_alphanumeric())
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    let Some((hosts, top)) = domain.rsplit_once('.') else { return false };
    local_fits && hosts.split('.').all(label_fits) && top.len() >= 2 && top.chars().all(|c| c.is_ascii_alphabetic())
}

fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" | ")
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn details(read: Result<Fields, Refusal>) -> Details {
        match read {
            Err(Refusal::Invalid(details)) => details,
            other => panic!("expected field errors, got {other:?}"),
        }
    }

    fn create(body: &Value) -> Result<Fields, Refusal> {
        read_create(body.to_string().as_bytes())
    }

    #[test]
    fn a_create_needs_a_first_name_and_tells_every_fault_at_once() {
        let found =
            details(create(&json!({"email": "nobody", "assignedTo": "x", "priority": "soon", "actualValue": "1"})));
        assert_eq!(found["firstName"], "Required");
        assert_eq!(found["email"], "Invalid email");
        assert_eq!(found["assignedTo"], "Invalid uuid");
        assert_eq!(
            found["priority"],
            "Invalid enum value. Expected 'low' | 'medium' | 'high' | 'urgent', received 'soon'"
        );
        assert_eq!(found["actualValue"], "Expected number, received string");
        assert_eq!(found.len(), 5);
    }

    #[test]
    fn lengths_count_unicode_scalar_values() {
        for (field, max) in [
            ("firstName", 100),
            ("lastName", 100),
            ("phone", 20),
            ("notes", 5000),
            ("uniqueCode", 100),
            ("externalRef", 150),
        ] {
            let mut body = json!({"firstName": "A"});
            body[field] = json!("é".repeat(max));
            assert!(create(&body).is_ok(), "{field} takes {max}");
            body[field] = json!("é".repeat(max + 1));
            assert_eq!(details(create(&body))[field], format!("String must contain at most {max} character(s)"));
        }
        let empty = details(create(&json!({"firstName": ""})));
        assert_eq!(empty["firstName"], "String must contain at least 1 character(s)");
    }

    #[test]
    fn a_null_clears_in_an_update_is_absent_in_a_create_and_is_no_first_name() {
        let update = read_update(br#"{"email":null,"nickname":1}"#).unwrap();
        assert_eq!(update, Fields::from([(Field::Email, None)]));
        assert_eq!(create(&json!({"firstName": "A", "email": null})).unwrap().len(), 1);
        let refused = details(read_update(br#"{"firstName":null}"#));
        assert_eq!(refused["firstName"], "Expected string, received null");
    }

    #[test]
    fn a_body_that_is_no_json_object_is_refused() {
        assert!(matches!(read_update(b"{\"a\":"), Err(Refusal::Unreadable(_))));
        assert!(matches!(read_update(b""), Err(Refusal::Unreadable(_))));
        assert_eq!(details(read_update(b"[]"))["body"], "Expected object, received array");
    }

    #[test]
    fn addresses_are_told_apart() {
        for good in ["a@b.id", "budi.s+x@mail.co.id", "o'neil@ex-ample.com", "a_@1.io"] {
            assert!(is_email(good), "{good}");
        }
        for bad in [
            "",
            "a",
            "a@b",
            "@b.id",
            ".a@b.id",
            "a..b@c.id",
            "a.@b.id",
            "a@.id",
            "a@b.i",
            "a@b.c1",
            "a b@c.id",
            "é@b.id",
        ] {
            assert!(!is_email(bad), "{bad}");
        }
    }

    #[test]
    fn a_uuid_has_its_hyphens_and_is_kept_in_lower_case() {
        let read = |text: &str| Field::AssignedTo.read(&json!(text));
        let kept = "6f1c0b7e-0000-4000-8000-00000000000a".to_owned();
        assert_eq!(read("6F1C0B7E-0000-4000-8000-00000000000A"), Ok(Datum::Text(kept)));
        assert!(read("6F1C0B7E00004000800000000000000A").is_err());
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_named() {
        let found =
            details(create(&json!({"firstName": 5, "notes": [], "status": 1, "estimatedValue": null, "phone": true})));
        assert_eq!(found["firstName"], "Expected string, received number");
        assert_eq!(found["notes"], "Expected string, received array");
        assert_eq!(found["phone"], "Expected string, received boolean");
        assert!(found["status"].starts_with("Expected 'pageview' | 'new' | "));
        assert_eq!(found.len(), 4);
    }
}
