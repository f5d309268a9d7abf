//! A document cut into its items, and secrets taken out of it: in the sender's own bytes, nothing written anew.

use std::borrow::Cow;

use serde_json::Value;
use serde_json::value::RawValue;

use super::path::{Path, Step};
use crate::providers::Unreadable;
use crate::providers::json::{self, Object};

/// The most leads that one webhook may hold.
const MAX_ITEMS: usize = 1000;

/// What a webhook may grow to, in bytes, when what stands around its list is kept with every element.
const MAX_REPEATED: usize = 16 << 20;

/// The documents that come of `text`, one for each value at `items`: each is the document with this one element in the
/// list. `None` when there is no such place in it.
///
/// # Errors
/// [`Unreadable`]: there are more than 1000, or what stands around them is too long to be kept with each.
pub(super) fn items(items: &Path, text: &str) -> Result<Option<Vec<String>>, Unreadable> {
    let Ok(raw) = serde_json::from_str::<&RawValue>(text) else { return Ok(None) };
    reduced(items.steps(), raw)
}

/// Of members that come twice the last is meant, as [when they are read](super::whole::read).
fn reduced(steps: &[Step], raw: &RawValue) -> Result<Option<Vec<String>>, Unreadable> {
    let Some((step, rest)) = steps.split_first() else { return Ok(Some(vec![raw.get().to_owned()])) };
    match step {
        Step::Name(name) => inside(rest, raw, Object::parse(raw.get()).and_then(|object| object.all(name).last())),
        Step::Index(index) => inside(rest, raw, json::list(raw).get(*index).copied()),
        Step::Like(pattern) => {
            let object = Object::parse(raw.get()).unwrap_or_default();
            let name = object.iter().map(|(name, _)| name).find(|name| pattern.fits(name));
            inside(rest, raw, name.and_then(|name| object.all(name).last()))
        }
        Step::Any | Step::Where(_) => each(step, rest, raw),
    }
}

/// `raw` with each of what comes of `part` in its place.
fn inside(rest: &[Step], raw: &RawValue, part: Option<&RawValue>) -> Result<Option<Vec<String>>, Unreadable> {
    let Some(part) = part else { return Ok(None) };
    let Some(parts) = reduced(rest, part)? else { return Ok(None) };
    let around = raw.get().len() - part.get().len();
    let size = parts.iter().map(|part| part.len() + around).sum::<usize>();
    if parts.len() > 1 && size > MAX_REPEATED {
        return Err(Unreadable("what stands around its list is too long to be kept with each lead".to_owned()));
    }
    Ok(Some(parts.iter().map(|with| json::replaced(raw.get(), part, with)).collect()))
}

/// A list of one element for each element of the list, an object of one member for each member of the object.
fn each(step: &Step, rest: &[Step], raw: &RawValue) -> Result<Option<Vec<String>>, Unreadable> {
    let object = Object::parse(raw.get()).filter(|_| *step == Step::Any);
    let is_list = raw.get().starts_with('[');
    if object.is_none() && !is_list {
        return Ok(None);
    }
    let mut found = Vec::new();
    for element in json::list(raw).into_iter().filter(|element| is_chosen(step, element)) {
        found.extend(reduced(rest, element)?.into_iter().flatten().map(|one| format!("[{one}]")));
        check(found.len())?;
    }
    for (name, member) in object.iter().flat_map(Object::iter) {
        let name = Value::from(name);
        found.extend(reduced(rest, member)?.into_iter().flatten().map(|one| format!("{{{name}:{one}}}")));
        check(found.len())?;
    }
    Ok(Some(found))
}

fn is_chosen(step: &Step, element: &RawValue) -> bool {
    match step {
        Step::Where(condition) => serde_json::from_str(element.get()).is_ok_and(|element| condition.holds(&element)),
        Step::Any | Step::Name(_) | Step::Index(_) | Step::Like(_) => true,
    }
}

fn check(items: usize) -> Result<(), Unreadable> {
    if items > MAX_ITEMS { Err(Unreadable(format!("it holds more than {MAX_ITEMS} leads"))) } else { Ok(()) }
}

/// False when nothing in `text` can stand at `path`: the name at its end is nowhere in it, however it may be escaped.
pub(super) fn may_lead_into(path: &Path, text: &str) -> bool {
    let is_plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    match path.steps().last() {
        // Letters can be escaped in one way only (RFC 8259, section 7).
        Some(Step::Name(name)) if is_plain(name) => text.contains(name.as_str()) || text.contains("\\u"),
        Some(_) | None => true,
    }
}

/// `text` with every value at `path` replaced by `"[redacted]"`; no other byte changes. What is no JSON stays as it is.
pub(super) fn redacted<'t>(text: Cow<'t, str>, path: &Path) -> Cow<'t, str> {
    let Ok(raw) = serde_json::from_str::<&RawValue>(&text) else { return text };
    let mut parts = Vec::new();
    found(path.steps(), raw, &mut parts);
    // From the end, so that what lies before is where it was.
    parts.sort_by_key(|part| std::cmp::Reverse(part.get().as_ptr()));
    let start = text.as_ptr() as usize;
    let places: Vec<_> = parts.iter().map(|part| (part.get().as_ptr() as usize - start, part.get().len())).collect();
    let mut out = text;
    for (at, length) in places {
        out.to_mut().replace_range(at..at + length, "\"[redacted]\"");
    }
    out
}

fn found<'t>(steps: &[Step], raw: &'t RawValue, into: &mut Vec<&'t RawValue>) {
    let Some((step, rest)) = steps.split_first() else { return into.push(raw) };
    let below = match step {
        Step::Name(name) => Object::parse(raw.get()).map(|object| object.all(name).collect()).unwrap_or_default(),
        Step::Index(index) => json::list(raw).get(*index).copied().into_iter().collect(),
        Step::Where(_) => json::list(raw).into_iter().filter(|element| is_chosen(step, element)).collect::<Vec<_>>(),
        Step::Like(pattern) => {
            let object = Object::parse(raw.get()).unwrap_or_default();
            object.iter().filter(|(name, _)| pattern.fits(name)).map(|(_, member)| member).collect()
        }
        Step::Any => match Object::parse(raw.get()) {
            Some(object) => object.iter().map(|(_, member)| member).collect(),
            None => json::list(raw),
        },
    };
    below.into_iter().for_each(|below| found(rest, below, into));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::providers::mapped::value::json;

    fn cut(path: &str, text: &str) -> Option<Vec<String>> {
        items(&path.parse().unwrap(), text).unwrap()
    }

    #[test]
    fn each_item_keeps_the_bytes_around_it() {
        let text = r#"{ "n": 1.50, "results": [ {"a":"\u00e4"}, {"b":7664713983311741191999} ], "z":null}"#;
        let expected = [
            r#"{ "n": 1.50, "results": [{"a":"\u00e4"}], "z":null}"#,
            r#"{ "n": 1.50, "results": [{"b":7664713983311741191999}], "z":null}"#,
        ];
        assert_eq!(cut("results[*]", text).unwrap(), expected);
        assert_eq!(cut("results[b=1]", text).unwrap(), Vec::<String>::new());
        assert_eq!(cut("n", text).unwrap(), [text]);
        assert_eq!(cut("results.x", text), None);
        assert_eq!(cut("[*]", "[1,2]").unwrap(), ["[1]", "[2]"]);
        assert_eq!(cut("[*]", "{"), None);
    }

    #[test]
    fn lists_in_lists_give_one_item_for_each() {
        let text = r#"{"entry":[{"id":1,"changes":[{"v":1},{"v":2}]},{"id":2,"changes":[{"v":3}]},{"id":3}]}"#;
        let expected = [
            r#"{"entry":[{"id":1,"changes":[{"v":1}]}]}"#,
            r#"{"entry":[{"id":1,"changes":[{"v":2}]}]}"#,
            r#"{"entry":[{"id":2,"changes":[{"v":3}]}]}"#,
        ];
        assert_eq!(cut("entry[*].changes[*]", text).unwrap(), expected);
        assert_eq!(
            cut("m.*.x", r#"{"m":{"a\"":{"x":1},"b":{"x":2}}}"#).unwrap(),
            [r#"{"m":{"a\"":{"x":1}}}"#, r#"{"m":{"b":{"x":2}}}"#,]
        );
    }

    #[test]
    fn of_two_lists_of_one_name_that_is_cut_which_is_read() {
        let text = r#"{"data":[{"a":1}],"x":{"data":[]},"data":[{"a":2},{"a":3}]}"#;
        for path in ["data[*]", "~data[*]", "da*[*]"] {
            let documents = cut(path, text).unwrap();
            let read = |document: &String| super::super::whole::read(document).unwrap().into_owned();
            let leads: Vec<_> =
                documents.iter().map(read).map(|document| document.get("data").cloned().unwrap()).collect();
            assert_eq!(leads, [json!([{"a": 2}]), json!([{"a": 3}])], "{path}");
            assert!(
                documents.iter().all(|document| read(document).get("data (2)") == Some(&json!([{"a": 1}]))),
                "nothing is lost"
            );
        }
    }

    #[test]
    fn too_many_or_too_much_is_refused() {
        let path = "data[*]".parse().unwrap();
        let many = format!(r#"{{"data":[{}]}}"#, vec!["{}"; MAX_ITEMS + 1].join(","));
        let around = format!(r#"{{"a":"{}","data":[{}]}}"#, "x".repeat(100_000), vec!["{}"; MAX_ITEMS].join(","));
        assert!(items(&path, &many).is_err() && items(&path, &around).is_err());
    }

    #[test]
    fn secrets_are_taken_out_and_no_other_byte_changes() {
        let redact = |path: &str, text: &'static str| {
            let path: Path = path.parse().unwrap();
            let redacted = redacted(text.into(), &path);
            assert!(may_lead_into(&path, text) || redacted == text);
            redacted
        };
        assert_eq!(redact("apikey", r#"{ "apikey" : "abc", "b":1}"#), r#"{ "apikey" : "[redacted]", "b":1}"#);
        assert_eq!(
            redact("a[*].t", r#"{"a":[{"t":1},{"t":{"x":2}}]}"#),
            r#"{"a":[{"t":"[redacted]"},{"t":"[redacted]"}]}"#
        );
        assert_eq!(redact("k", r#"{"k":1,"k":2}"#), r#"{"k":"[redacted]","k":"[redacted]"}"#);
        assert_eq!(redact("k", "no json k"), "no json k");
        assert_eq!(redact("*.key", r#"{"a":{"\u006bey":1}}"#), r#"{"a":{"\u006bey":"[redacted]"}}"#);
        assert_eq!(redact("*.\"a b\"", r#"{"c":{"a b":1}}"#), r#"{"c":{"a b":"[redacted]"}}"#);
        assert_eq!(redact("*.*", r#"{"a":{"b":1}}"#), r#"{"a":{"b":"[redacted]"}}"#);
        assert!(matches!(redact("*.key", r#"{"a":{"kex":1}}"#), Cow::Borrowed(_)));
        assert!(!may_lead_into(&"*.key".parse().unwrap(), r#"{"a":{"kex":1}}"#));
    }

    proptest! {
        #[test]
        fn any_text_is_cut_or_not(text in r#"[\[\]{}",:0-9a-c]{0,60}"#, path in r"[a-c*](\[[0*]\])?(\.[a-c*]){0,2}") {
            let path: Path = path.parse().unwrap();
            for one in items(&path, &text).unwrap().unwrap_or_default() {
                let document: crate::providers::mapped::Value<'_> = serde_json::from_str(&one).unwrap();
                prop_assert!(!path.all(&document).is_empty());
            }
            let whole = redacted(Cow::Borrowed(&text), &path);
            prop_assert!(may_lead_into(&path, &text) || whole == text);
        }
    }
}
