//! JSON read into a document of which nothing is missing: a number that no machine holds stays in its sender's letters, and
//! of two members of one name both stay.

use std::fmt;

use memchr::{memchr_iter, memchr2};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Value};

/// Reads one document.
///
/// `1e999` becomes a text: `serde_json` breaks off at it, and the rest would be lost with it. Of members that come twice the
/// last keeps the name, as everywhere else; what stood there before stands under the name with ` (2)` behind it.
///
/// # Errors
/// It is no JSON.
pub(super) fn read(text: &str) -> Result<Value, serde_json::Error> {
    // Not `from_str`, which would be compiled here and small: of this serde_json has its own, compiled to be fast.
    match text.parse() {
        Ok(value) => with_every_member(text, value),
        Err(error) => {
            let text = with_large_numbers_quoted(text).ok_or(error)?;
            with_every_member(&text, text.parse()?)
        }
    }
}

/// `value`, which was read from `text`, or, where it may have fewer members than that, what has them all.
fn with_every_member(text: &str, value: Value) -> Result<Value, serde_json::Error> {
    if said_at_most(text) == members(&value) {
        return Ok(value);
    }
    serde_json::from_str(text).map(|Whole(value)| value)
}

/// How many members the objects of `json` have at most, each time that one comes: as many as there are colons behind a quotation
/// mark. In a text there may be some, too (`" : "`), and it is then read once more for nothing.
fn said_at_most(json: &str) -> usize {
    let json = json.as_bytes();
    memchr_iter(b':', json).filter(|at| json[..*at].trim_ascii_end().ends_with(b"\"")).count()
}

/// What follows a string, of which `inside` is what stands behind its first quotation mark.
fn behind_string(mut inside: &[u8]) -> &[u8] {
    while let Some(at) = memchr2(b'"', b'\\', inside) {
        let is_end = inside[at] == b'"';
        inside = inside.get(at + if is_end { 1 } else { 2 }..).unwrap_or_default();
        if is_end {
            return inside;
        }
    }
    &[]
}

/// How many members the objects in `value` have.
fn members(value: &Value) -> usize {
    let below = |value: &Value| match value {
        Value::Object(_) | Value::Array(_) => members(value),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    };
    match value {
        Value::Object(object) => object.len() + object.values().map(below).sum::<usize>(),
        Value::Array(list) => list.iter().map(below).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// `json` with the numbers that are beyond every `f64` as strings; `None` where there are none.
fn with_large_numbers_quoted(json: &str) -> Option<String> {
    let (mut quoted, mut rest, mut found) = (String::with_capacity(json.len() + 2), json, false);
    let begins_something = |byte: u8| matches!(byte, b'"' | b'-' | b'0'..=b'9');
    while let Some(at) = rest.bytes().position(begins_something) {
        let (before, here) = rest.split_at(at);
        quoted.push_str(before);
        let is_string = here.starts_with('"');
        let end = if is_string { here.len() - behind_string(&here.as_bytes()[1..]).len() } else { number(here) };
        let (token, behind) = here.split_at(end);
        let is_large = !is_string && token.parse().is_ok_and(f64::is_infinite);
        let mark = if is_large { "\"" } else { "" };
        quoted.extend([mark, token, mark]);
        (rest, found) = (behind, found || is_large);
    }
    quoted.push_str(rest);
    found.then_some(quoted)
}

/// How long the number is that `text` begins with.
fn number(text: &str) -> usize {
    let of_number = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
    text.bytes().position(|byte| !of_number(byte)).unwrap_or(text.len())
}

/// A value with every member of its objects.
struct Whole(Value);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Values).map(Self)
    }
}

struct Values;

impl<'de> Visitor<'de> for Values {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, yes: bool) -> Result<Value, E> {
        Ok(yes.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Whole(value)) = list.next_element()? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some((name, Whole(value))) = object.next_entry::<String, _>()? {
            match members.get_mut(&name) {
                None => drop(members.insert(name, value)),
                Some(same) if *same == value => {}
                Some(other) => {
                    let before = std::mem::replace(other, value);
                    add(&mut members, format!("{name} (2)"), before);
                }
            }
        }
        Ok(members.into())
    }
}

/// Adds a member; what comes again makes a list.
pub(super) fn add(members: &mut Map<String, Value>, name: String, value: Value) {
    match members.entry(name) {
        Entry::Vacant(free) => {
            free.insert(value);
        }
        Entry::Occupied(mut taken) => match taken.get_mut() {
            Value::Array(list) => list.push(value),
            one => *one = vec![one.take(), value].into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_number_beyond_all_machines_is_text_in_its_senders_letters() {
        for (text, expected) in [
            (r#"{"a":1e999,"b":[-1E+400, 2],"c":"1e999"}"#, json!({"a": "1e999", "b": ["-1E+400", 2], "c": "1e999"})),
            ("1e999", json!("1e999")),
            (r#"{"\"1e999":1e309,"é":7.66E+18}"#, json!({"\"1e999": "1e309", "é": 7.66e18})),
        ] {
            assert_eq!(read(text).unwrap(), expected, "{text}");
        }
        for broken in [r#"{"a":1e999"#, r#"{"a":1e999,}"#, r#"{"a":-}"#, r#"{"a":1e999x}"#, r#"{"a":"1e999}"#, ""] {
            assert!(read(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn of_members_that_come_twice_none_is_lost() {
        for (text, expected) in [
            (r#"{"hp":"A","x":1,"hp":"B"}"#, json!({"hp": "B", "x": 1, "hp (2)": "A"})),
            (r#"{"hp":"A","hp":"A"}"#, json!({"hp": "A"})),
            (r#"{"a":[{"b":1,"b":{"c":null}}],"a:b":":"}"#, json!({"a": [{"b": {"c": null}, "b (2)": 1}], "a:b": ":"})),
            (r#"{"a":1,"a":2,"a":3.5}"#, json!({"a": 3.5, "a (2)": [1, 2]})),
            (r#"{"a":1,"a":2,"a (2)":-3}"#, json!({"a": 2, "a (2)": -3, "a (2) (2)": 1})),
            (r#"{"a":1e999,"a":true}"#, json!({"a": true, "a (2)": "1e999"})),
        ] {
            assert_eq!(read(text).unwrap(), expected, "{text}");
        }
    }

    /// JSON with members that come twice and with numbers that no machine holds.
    fn json_text() -> impl Strategy<Value = String> {
        let plain = prop::sample::select(vec!["null", "true", "-1.5e3", "7", r#""\"{:,\\""#, "1e999"]);
        plain.prop_map(str::to_owned).prop_recursive(3, 24, 4, |value| {
            let member = ("[ab:]{0,1}", value.clone()).prop_map(|(name, value)| format!("\"{name}\" : {value}"));
            let members = prop::collection::vec(member, 0..4).prop_map(|members| format!("{{{}}}", members.join(",")));
            let list = prop::collection::vec(value, 0..4).prop_map(|values| format!("[{}]", values.join(", ")));
            prop_oneof![members, list]
        })
    }

    /// `value` without what stood under a name before.
    fn without_seconds(value: Value) -> Value {
        match value {
            Value::Object(object) => {
                let own = object.into_iter().filter(|(name, _)| !name.ends_with(" (2)"));
                Value::Object(own.map(|(name, value)| (name, without_seconds(value))).collect())
            }
            Value::Array(list) => list.into_iter().map(without_seconds).collect(),
            plain => plain,
        }
    }

    proptest! {
        #[test]
        fn what_stands_under_its_own_name_is_what_everybody_reads(text in json_text()) {
            let everybody: Value = text.replace("1e999", "\"1e999\"").parse().unwrap();
            prop_assert_eq!(without_seconds(read(&text).unwrap()), everybody);
        }

        #[test]
        fn no_member_goes_uncounted(text in json_text()) {
            let quoted = text.replace("1e999", "7");
            let Whole(value) = serde_json::from_str(&quoted).unwrap();
            prop_assert!(said_at_most(&quoted) >= members(&value), "each is counted that is kept, be it as a second one");
        }
    }
}
