//! Support tickets: what is read from a body.

use std::collections::BTreeMap;

use serde_json::Value;
use strum::{Display, EnumString, IntoStaticStr, VariantArray};
use utoipa::openapi::schema::{Object, ObjectBuilder};

use super::fields::object;
use super::rule::{Datum, Rule};
use super::wire::{Details, Refusal};

/// A field of a ticket, named as on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Display, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "camelCase")]
enum Field {
    Subject,
    Message,
    Priority,
}

/// How soon somebody should look. The published list is an unexpanded template; `normal` and `high` are attested, the
/// others are decided here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
enum Priority {
    Low,
    Normal,
    High,
    Urgent,
}

/// A ticket as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sandbox) struct Ticket {
    pub(in crate::sandbox) subject: String,
    pub(in crate::sandbox) message: String,
    pub(in crate::sandbox) priority: String,
}

impl Field {
    fn rule(self) -> Rule {
        match self {
            Self::Subject => Rule::Text { min: 3, max: 180 },
            Self::Message => Rule::Text { min: 1, max: 10_000 },
            Self::Priority => Rule::one_of::<Priority>(),
        }
    }

    const fn is_required(self) -> bool {
        match self {
            Self::Subject | Self::Message => true,
            Self::Priority => false,
        }
    }

    fn read(self, value: Option<&Value>) -> Result<String, String> {
        match (value, self) {
            (None, Self::Priority) => Ok(<&str>::from(Priority::Normal).to_owned()),
            (None, Self::Subject | Self::Message) => Err("Required".to_owned()),
            (Some(value), _) => match self.rule().read(value)? {
                Datum::Text(text) => Ok(text),
                Datum::Number(_) => Err("Expected string, received number".to_owned()),
            },
        }
    }
}

impl Ticket {
    /// Reads a body. Fields that the contract does not know are ignored.
    pub(in crate::sandbox) fn read(body: &[u8]) -> Result<Self, Refusal> {
        let object = object(body)?;
        let (mut read, mut details) = (BTreeMap::new(), Details::new());
        for field in Field::VARIANTS {
            match field.read(object.get(<&str>::from(field))) {
                Ok(text) => _ = read.insert(field, text),
                Err(message) => _ = details.insert(field.to_string(), message),
            }
        }
        if !details.is_empty() {
            return Err(Refusal::Invalid(details));
        }
        let mut take = |field| read.remove(&field).expect("a field without a fault was read");
        Ok(Self { subject: take(Field::Subject), message: take(Field::Message), priority: take(Field::Priority) })
    }

    /// The body as JSON Schema.
    pub(in crate::sandbox) fn schema() -> Object {
        let fields = Field::VARIANTS.iter().fold(ObjectBuilder::new(), |object, field| {
            let object = object.property(field.to_string(), field.rule().schema());
            if field.is_required() { object.required(field.to_string()) } else { object }
        });
        fields.build()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: &Value) -> Result<Ticket, Refusal> {
        Ticket::read(body.to_string().as_bytes())
    }

    #[test]
    fn a_ticket_is_of_normal_priority_unless_it_says_otherwise() {
        let ticket = read(&json!({"subject": "Pixel", "message": "x", "workspace": 1})).unwrap();
        assert_eq!((&*ticket.subject, &*ticket.message, &*ticket.priority), ("Pixel", "x", "normal"));
        assert_eq!(read(&json!({"subject": "Pixel", "message": "x", "priority": "high"})).unwrap().priority, "high");
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let details = |body| match read(&body) {
            Err(Refusal::Invalid(details)) => details,
            other => panic!("{other:?}"),
        };
        let missing = details(json!({"priority": "soon"}));
        assert_eq!((&*missing["subject"], &*missing["message"]), ("Required", "Required"));
        assert!(missing["priority"].starts_with("Invalid enum value. Expected 'low' | 'normal' | 'high' | 'urgent'"));
        let lengths = details(json!({"subject": "ab", "message": "x".repeat(10_001), "priority": 1}));
        assert_eq!(lengths["subject"], "String must contain at least 3 character(s)");
        assert_eq!(lengths["message"], "String must contain at most 10000 character(s)");
        assert!(lengths["priority"].ends_with("received number"));
    }
}
