//! The fields of a lead that a caller may send, and the rules each value is held to.
//!
//! Source: Agent API 2.2.0, "Create Lead".

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use strum::{Display, EnumString, IntoStaticStr, VariantArray};

use crate::domain::status::{AdPlatform, LeadSource, Priority, Status};
use crate::sandbox::agent::rule::{Datum, Rule, kind};
use crate::sandbox::agent::wire::{Details, Refusal};

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

/// What a caller sent: a value, or `None` for a `null`.
pub(in crate::sandbox) type Fields = BTreeMap<Field, Option<Datum>>;

impl Field {
    /// What its value must be.
    pub(in crate::sandbox) fn rule(self) -> Rule {
        match self {
            Self::UniqueCode | Self::LastName => Rule::Text { min: 0, max: 100 },
            Self::FirstName => Rule::Text { min: 1, max: 100 },
            Self::Phone => Rule::Text { min: 0, max: 20 },
            Self::Notes => Rule::Text { min: 0, max: 5000 },
            Self::ExternalRef => Rule::Text { min: 0, max: 150 },
            Self::Email => Rule::Email,
            Self::AssignedTo => Rule::Uuid,
            Self::Status => Rule::one_of::<Status>(),
            Self::Priority => Rule::one_of::<Priority>(),
            Self::Source => Rule::one_of::<LeadSource>(),
            Self::AdPlatform => Rule::one_of::<AdPlatform>(),
            Self::EstimatedValue | Self::ActualValue => Rule::Number,
        }
    }

    /// What the lead has when nobody sent a value (or a `null` took it away).
    pub(in crate::sandbox) fn default_value(self) -> Option<Datum> {
        match self {
            Self::Status => Some(Datum::Text(Status::New.to_string())),
            Self::Priority => Some(Datum::Text(Priority::Medium.to_string())),
            _ => None,
        }
    }
}

/// Reads the body of a create: `firstName` is required, `null` is as if the field were absent.
pub(in crate::sandbox) fn read_create(body: &[u8]) -> Result<Fields, Refusal> {
    let object = object(body)?;
    let mut details = Details::new();
    if !object.contains_key("firstName") {
        details.insert(Field::FirstName.to_string(), "Required".to_owned());
    }
    let fields = read_known(&object, details)?;
    Ok(fields.into_iter().filter(|(_, datum)| datum.is_some()).collect())
}

/// Reads the body of an update: every field is optional, `null` clears it.
pub(in crate::sandbox) fn read_update(body: &[u8]) -> Result<Fields, Refusal> {
    read_known(&object(body)?, Details::new())
}

/// The object that a body is.
pub(in crate::sandbox) fn object(body: &[u8]) -> Result<Map<String, Value>, Refusal> {
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
            Some(value) => match field.rule().read(value) {
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
