//! JSON read into a document of which nothing is missing: a number that no machine holds stays in its sender's letters.

use memchr::memchr2;

use super::value::Value;

/// Reads one document.
///
/// `1e999` becomes a text: `serde_json` breaks off at it, and the rest would be lost with it.
///
/// # Errors
/// It is no JSON.
pub(super) fn read(text: &str) -> Result<Value<'_>, serde_json::Error> {
    serde_json::from_str(text).or_else(|error| {
        let text = with_large_numbers_quoted(text).ok_or(error)?;
        serde_json::from_str(&text).map(Value::into_owned)
    })
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::providers::mapped::value::json;

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
            prop_assert_eq!(without_seconds(read(&text).unwrap().to_string().parse().unwrap()), everybody);
        }
    }
}
