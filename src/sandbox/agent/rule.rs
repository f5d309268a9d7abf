//! What a value has to be: one rule reads it and describes it.
//!
//! The contract prints two messages, `Required` and `Invalid email`; the others follow the wording of the library these
//! two come from (zod 3).

use serde_json::Value;
use strum::VariantArray;
use utoipa::openapi::schema::{Object, ObjectBuilder, SchemaFormat, Type};
use uuid::Uuid;

/// What a value must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sandbox) enum Rule {
    /// Text of so many Unicode scalar values.
    Text { min: usize, max: usize },
    /// An address, see [`EMAIL`].
    Email,
    /// A UUID with its hyphens.
    Uuid,
    /// One of these words.
    Word(Vec<&'static str>),
    /// Any number.
    Number,
}

/// A value that has passed its rule.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::sandbox) enum Datum {
    /// Text, as sent; a UUID in lower case.
    Text(String),
    /// A number, as JavaScript has them.
    Number(f64),
}

/// An ASCII address with a dotted domain. Stricter than RFC 5321 on purpose, as form validators are: no quoted local part,
/// no address literal, no IDN. [`is_email`] says the same in code.
const EMAIL: &str =
    r"^([A-Za-z0-9_'+\-]+\.)*[A-Za-z0-9_'+\-]*[A-Za-z0-9_+\-]@([A-Za-z0-9][A-Za-z0-9\-]*\.)+[A-Za-z]{2,}$";

impl Rule {
    /// One of the words of a closed list.
    pub(in crate::sandbox) fn one_of<T: VariantArray + Copy + Into<&'static str>>() -> Self {
        Self::Word(T::VARIANTS.iter().map(|value| (*value).into()).collect())
    }

    /// Reads `value`. `Err` is the message for `details`.
    pub(in crate::sandbox) fn read(&self, value: &Value) -> Result<Datum, String> {
        match (self, value) {
            (Self::Number, Value::Number(number)) => {
                number.as_f64().map(Datum::Number).ok_or_else(|| "Expected number, received nan".to_owned())
            }
            (Self::Number, other) => Err(format!("Expected number, received {}", kind(other))),
            (rule, Value::String(text)) => rule.text(text).map(Datum::Text),
            (Self::Word(words), other) => Err(format!("Expected {}, received {}", quoted(words), kind(other))),
            (_, other) => Err(format!("Expected string, received {}", kind(other))),
        }
    }

    /// Reads `text`.
    pub(in crate::sandbox) fn text(&self, text: &str) -> Result<String, String> {
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

    /// The rule as JSON Schema.
    pub(in crate::sandbox) fn schema(&self) -> Object {
        let text = ObjectBuilder::new().schema_type(Type::String);
        match self {
            Self::Text { min: 0, max } => text.max_length(Some(*max)),
            Self::Text { min, max } => text.min_length(Some(*min)).max_length(Some(*max)),
            Self::Email => text.pattern(Some(EMAIL)),
            Self::Uuid => text.format(Some(SchemaFormat::Custom("uuid".to_owned()))),
            Self::Word(words) => text.enum_values(Some(words.iter().copied())),
            Self::Number => ObjectBuilder::new().schema_type(Type::Number),
        }
        .build()
    }
}

/// `text` when it has `min` to `max` Unicode scalar values.
fn within(text: &str, min: usize, max: usize) -> Result<String, String> {
    let length = text.chars().count();
    if length < min {
        Err(format!("String must contain at least {min} character(s)"))
    } else if length > max {
        Err(format!("String must contain at most {max} character(s)"))
    } else {
        Ok(text.to_owned())
    }
}

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

/// What JavaScript calls the type of `value`.
pub(in crate::sandbox) fn kind(value: &Value) -> &'static str {
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
    use proptest::prelude::*;
    use proptest::string::string_regex;
    use serde_json::json;

    use super::*;

    proptest! {
        #[test]
        fn every_address_of_the_described_pattern_is_taken(
            address in string_regex(EMAIL.trim_start_matches('^').trim_end_matches('$')).unwrap()
        ) {
            prop_assert!(is_email(&address), "{address}");
        }
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
        let read = |text: &str| Rule::Uuid.read(&json!(text));
        let kept = "6f1c0b7e-0000-4000-8000-00000000000a".to_owned();
        assert_eq!(read("6F1C0B7E-0000-4000-8000-00000000000A"), Ok(Datum::Text(kept)));
        assert!(read("6F1C0B7E00004000800000000000000A").is_err());
    }
}
