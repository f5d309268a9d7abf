//! JSON read without losing anything: members in the sender's order, numbers in the sender's digits.
//!
//! Ids of 19 digits do not survive an `f64`, and one member of an unexpected type must not cost the rest. So values stay
//! [`RawValue`]s until somebody asks for them as text. Nothing here recurses, so no depth of nesting is a danger.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// An object: its members in order, each value in the sender's own letters.
#[derive(Debug, Clone, Default)]
pub(super) struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

/// A string that may borrow; serde only borrows through a named type.
#[derive(serde::Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

impl<'a> Object<'a> {
    /// Reads `text`; `None` when it is not one JSON object.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The members, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), *value))
    }

    /// Every member of this name, so that a second one cannot hide behind the first.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &'a RawValue> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| *value)
    }

    /// The first member of this name.
    pub(super) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }

    /// A member as text, see [`text`].
    pub(super) fn text(&self, name: &str) -> Option<String> {
        text(self.get(name)?)
    }

    /// A member that is an object; an empty one when it is not there or is something else.
    pub(super) fn object(&self, name: &str) -> Self {
        self.get(name).and_then(|raw| Self::parse(raw.get())).unwrap_or_default()
    }

    /// A member that is a list; an empty one when it is not there or is something else.
    pub(super) fn list(&self, name: &str) -> Vec<&'a RawValue> {
        self.get(name).map(list).unwrap_or_default()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((Text(name), value)) = map.next_entry()? {
                    members.push((name, value));
                }
                Ok(Object(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// The elements of a list; none when it is none.
pub(super) fn list(raw: &RawValue) -> Vec<&RawValue> {
    serde_json::from_str(raw.get()).unwrap_or_default()
}

/// A value as text: a string decoded, anything else in the sender's own letters; `None` for `null` and the empty string.
pub(super) fn text(raw: &RawValue) -> Option<String> {
    let text = match string(raw) {
        Some(text) => text.into_owned(),
        None if raw.get() == "null" => String::new(),
        None => raw.get().to_owned(),
    };
    (!text.is_empty()).then_some(text)
}

/// A value as a person reads it in the notes: lists joined with `, `, yes and no in Indonesian, the rest as [`text`].
pub(super) fn answer(raw: &RawValue) -> String {
    match raw.get() {
        "true" => "Ya".to_owned(),
        "false" => "Tidak".to_owned(),
        other if other.starts_with('[') => list(raw).into_iter().filter_map(text).collect::<Vec<_>>().join(", "),
        _ => text(raw).unwrap_or_default(),
    }
}

/// A string decoded; `None` for anything else.
pub(super) fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    serde_json::from_str::<Text<'_>>(raw.get()).ok().map(|Text(text)| text)
}

/// Every value at `path` in `text`: names of members and places in lists, from the top. More than one where an object has
/// a member twice; none when `text` is no JSON or has nothing there. One pass, and nothing is read but what is on the way.
pub(super) fn at<'a>(text: &'a str, path: &[String]) -> Vec<&'a RawValue> {
    at_each(text, &[path]).pop().unwrap_or_default()
}

/// What [`at`] finds for each of several paths, in one pass for them all.
pub(super) fn at_each<'a>(text: &'a str, paths: &[&[String]]) -> Vec<Vec<&'a RawValue>> {
    let mut found = vec![Vec::new(); paths.len()];
    let mut json = serde_json::Deserializer::from_str(text);
    let ways = Ways { left: paths.iter().copied().enumerate().collect(), found: &mut found };
    if ways.deserialize(&mut json).and_then(|()| json.end()).is_err() {
        found.iter_mut().for_each(Vec::clear);
    }
    found
}

/// Paths that lead to a value or through it.
struct Ways<'p, 'f, 'a> {
    /// Which path it is, and what is left of it.
    left: Vec<(usize, &'p [String])>,
    /// What was found at the end of each.
    found: &'f mut [Vec<&'a RawValue>],
}

impl<'p> Ways<'p, '_, '_> {
    /// The paths whose next step leads on, after that step.
    fn after(&self, leads: impl Fn(&str) -> bool) -> Vec<(usize, &'p [String])> {
        let step = |(which, left): &(usize, &'p [String])| {
            let (step, left) = left.split_first()?;
            leads(step).then_some((*which, left))
        };
        self.left.iter().filter_map(step).collect()
    }
}

impl<'a> DeserializeSeed<'a> for Ways<'_, '_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(mut self, deserializer: D) -> Result<(), D::Error> {
        if self.left.iter().all(|(_, left)| !left.is_empty()) {
            return deserializer.deserialize_any(self);
        }
        let here = <&RawValue>::deserialize(deserializer)?;
        self.left.retain(|(which, left)| {
            if left.is_empty() {
                self.found[*which].push(here);
            }
            !left.is_empty()
        });
        // One path may end where another goes on.
        if self.left.is_empty() {
            return Ok(());
        }
        self.deserialize(&mut serde_json::Deserializer::from_str(here.get())).map_err(de::Error::custom)
    }
}

impl<'a> Visitor<'a> for Ways<'_, '_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Text(name)) = map.next_key()? {
            let left = self.after(|step| name == step);
            if left.is_empty() {
                map.next_value::<IgnoredAny>()?;
            } else {
                map.next_value_seed(Ways { left, found: &mut *self.found })?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut list: A) -> Result<(), A::Error> {
        for place in 0_usize.. {
            let left = self.after(|step| step.parse() == Ok(place));
            let more = match left.is_empty() {
                true => list.next_element::<IgnoredAny>()?.map(drop),
                false => list.next_element_seed(Ways { left, found: &mut *self.found })?,
            };
            if more.is_none() {
                break;
            }
        }
        Ok(())
    }

    // Nothing is inside a text, a number, yes, no or null.
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// `text` with `part`, which was read from it, replaced; no other byte changes.
pub(super) fn replaced(text: &str, part: &RawValue, with: &str) -> String {
    let part = part.get();
    let before = text.get(..(part.as_ptr() as usize).wrapping_sub(text.as_ptr() as usize));
    let (before, after) = before
        .and_then(|before| Some((before, text[before.len()..].strip_prefix(part)?)))
        .expect("the part lies where it was read from");
    [before, with, after].concat()
}

/// An id: a string that is not empty, or an integer of any length, digit for digit; never a fraction, as that is an id that
/// somebody's spreadsheet broke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Id<'a>(pub(super) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Id<'a> {
    /// By way of the sender's letters: a number beyond 64 bits would come out of `serde_json` as a fraction.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?;
        let id = string(raw).filter(|text| !text.is_empty()).or_else(|| integer(raw.get()).map(Cow::Borrowed));
        id.map(Id).ok_or_else(|| de::Error::custom("an id is a string or an integer"))
    }
}

fn integer(text: &str) -> Option<&str> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_object_keeps_the_order_and_the_letters_of_its_sender() {
        let object = Object::parse(r#"{"b":7664713983311741191,"a":1.50,"b":"\u00e4","n":null,"e":""}"#).unwrap();
        let names: Vec<_> = object.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["b", "a", "b", "n", "e"]);
        assert_eq!(object.text("b").unwrap(), "7664713983311741191");
        assert_eq!(object.text("a").unwrap(), "1.50");
        assert_eq!(object.all("b").filter_map(text).collect::<Vec<_>>(), ["7664713983311741191", "ä"]);
        assert_eq!((object.text("n"), object.text("e"), object.text("none")), (None, None, None));
        assert!(Object::parse("[1]").is_none() && Object::parse("{").is_none());
    }

    #[test]
    fn an_answer_is_what_a_person_reads() {
        let answer = |json: &str| answer(&RawValue::from_string(json.to_owned()).unwrap());
        assert_eq!(answer(r#"["Rumah", 2, null, "Ruko"]"#), "Rumah, 2, Ruko");
        assert_eq!(answer("true"), "Ya");
        assert_eq!(answer("false"), "Tidak");
        assert_eq!(answer("81234567890123456789"), "81234567890123456789");
        assert_eq!(answer(r#"{"a":[1]}"#), r#"{"a":[1]}"#);
    }

    #[test]
    fn deep_nesting_is_only_text() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let raw = RawValue::from_string(deep).unwrap();
        assert_eq!(answer(&raw).len(), 200_000 - 2);
    }

    #[test]
    fn an_id_is_a_string_or_an_integer_of_any_length() {
        let id = |json| serde_json::from_str::<Id<'_>>(json).map(|id| id.0.into_owned()).ok();
        for number in
            ["0", "-7", "18446744073709551615", "99999999999999999999", "1234567890123456789012345678901234567890"]
        {
            assert_eq!(id(number).as_deref(), Some(number));
        }
        assert_eq!(id(" 12 ").as_deref(), Some("12"));
        assert_eq!(id(r#""0012""#).as_deref(), Some("0012"));
        assert_eq!(id(r#""a\u00e4""#).as_deref(), Some("aä"));
        for bad in ["1.2e18", "12.0", r#""""#, "null", "true", "[1]", "{}", "1e3", "-"] {
            assert_eq!(id(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_path_finds_every_value_that_it_leads_to() {
        let text = r#"{"a":{"b":1.50,"c":[{"d":"x"},{"d":"y"}],"b":"z"},"e":null,"a":[{"b":true}],"f":"t"}"#;
        let at = |path: &str| {
            let path: Vec<_> = path.split('.').filter(|step| !step.is_empty()).map(str::to_owned).collect();
            at(text, &path).into_iter().map(RawValue::get).collect::<Vec<_>>()
        };
        assert_eq!(at("a.b"), ["1.50", r#""z""#], "a member that is there twice");
        assert_eq!(at("a.c.1.d"), [r#""y""#]);
        assert_eq!((at("a.0.b"), at("e"), at("")), (vec!["true"], vec!["null"], vec![text]));
        for nowhere in ["x", "a.c.2.d", "a.c.x", "a.b.x", "e.x", "f.x", "a.0.b.x", "0"] {
            assert!(at(nowhere).is_empty(), "{nowhere}");
        }
    }

    #[test]
    fn what_is_no_json_has_nothing_anywhere() {
        for bad in ["", "{", r#"{"a":1"#, r#"{"a":1}x"#, r#"{"a":1}{"a":1}"#, r#"{"a":01}"#, r#"{"a":1,"b":tru}"#] {
            assert!(at(bad, &["a".to_owned()]).is_empty(), "{bad}");
        }
        let deep = format!(r#"{{"a":1,"b":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(at(&deep, &["a".to_owned()]).len(), 1, "what is not on the way is only text");
        let way = vec!["0".to_owned(); 200];
        assert!(
            at(&format!("{}{}", "[".repeat(201), "]".repeat(201)), &way).is_empty(),
            "nor is a way too long a danger"
        );
    }

    /// The same in the plain way: each object and list on the way read whole.
    fn read_whole<'a>(text: &'a str, path: &[String]) -> Vec<&'a RawValue> {
        let inside = |raw: &'a RawValue, step: &String| match Object::parse(raw.get()) {
            Some(object) => object.all(step).collect::<Vec<_>>(),
            None => step.parse::<usize>().ok().and_then(|place| list(raw).get(place).copied()).into_iter().collect(),
        };
        let top: Vec<_> = serde_json::from_str::<&RawValue>(text).ok().into_iter().collect();
        path.iter().fold(top, |found, step| found.into_iter().flat_map(|raw| inside(raw, step)).collect::<Vec<_>>())
    }

    fn any_json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("null".to_owned()),
            Just("true".to_owned()),
            Just("1.50".to_owned()),
            Just("-7".to_owned()),
            Just(r#""a\u00e4""#.to_owned()),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            let member = ("[abc]", inner.clone()).prop_map(|(name, value)| format!(r#""{name}": {value}"#));
            let object =
                proptest::collection::vec(member, 0..4).prop_map(|members| format!("{{{}}}", members.join(",")));
            let list = proptest::collection::vec(inner, 0..4).prop_map(|values| format!("[{}]", values.join(" ,")));
            prop_oneof![object, list]
        })
    }

    proptest! {
        #[test]
        fn paths_lead_where_reading_everything_leads(
            text in any_json(),
            paths in proptest::collection::vec(proptest::collection::vec("[abc012]", 0..4), 0..4),
        ) {
            let letters = |found: Vec<&RawValue>| found.into_iter().map(|raw| raw.get().to_owned()).collect::<Vec<_>>();
            let ways: Vec<_> = paths.iter().map(Vec::as_slice).collect();
            let found: Vec<_> = at_each(&text, &ways).into_iter().map(letters).collect();
            let read: Vec<_> = paths.iter().map(|path| letters(read_whole(&text, path))).collect();
            prop_assert_eq!(found, read);
            for path in &paths {
                prop_assert_eq!(letters(at(&text, path)), letters(read_whole(&text, path)));
            }
        }
    }
}
