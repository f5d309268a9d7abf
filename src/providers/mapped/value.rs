//! A JSON document that borrows from its text: nearly every name and string stands there as it is meant, so a webhook is
//! read without a copy of each.
//!
//! Of members that come twice the last keeps the name, as everywhere else; what stood there before stands under the name
//! with ` (2)` behind it. `serde_json`'s own document would drop it.

use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

use crate::providers::json::Text;

/// Up to so many members, each is compared with each; more are sorted to find those that come twice.
const FEW: usize = 24;

/// A document, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::providers) enum Value<'t> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number that a machine holds.
    Number(Number),
    /// A text.
    String(Cow<'t, str>),
    /// A list.
    Array(Vec<Value<'t>>),
    /// An object.
    Object(Members<'t>),
}

/// The members of an object in the sender's order, each name once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::providers) struct Members<'t>(Vec<(Cow<'t, str>, Value<'t>)>);

impl<'t> Members<'t> {
    /// None yet, with room for so many.
    pub(super) fn with_capacity(count: usize) -> Self {
        Self(Vec::with_capacity(count))
    }

    /// What stands under `name`.
    pub(in crate::providers) fn get(&self, name: &str) -> Option<&Value<'t>> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// What stands under `name`, to be changed.
    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Value<'t>> {
        self.0.iter_mut().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// What stands under `name`, to be changed; `value` where nothing does.
    pub(super) fn or_insert(&mut self, name: &str, value: impl FnOnce() -> Value<'t>) -> &mut Value<'t> {
        let at = self.0.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
            self.0.push((name.to_owned().into(), value()));
            self.0.len() - 1
        });
        &mut self.0[at].1
    }

    /// Adds the members of `others` whose names are not there yet.
    pub(super) fn add_missing(&mut self, others: Self) {
        let known: HashSet<String> = self.iter().map(|(name, _)| name.to_owned()).collect();
        self.0.extend(others.0.into_iter().filter(|(name, _)| !known.contains(&**name)));
    }

    /// Adds a member; what comes again makes a list.
    pub(super) fn add(&mut self, name: String, value: Value<'t>) {
        match self.get_mut(&name) {
            None => self.0.push((name.into(), value)),
            Some(taken) => taken.make_list(value),
        }
    }

    /// Names and values, in order.
    pub(in crate::providers) fn iter(&self) -> impl Iterator<Item = (&str, &Value<'t>)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value))
    }

    /// Names and values, these to be changed.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut Value<'t>)> {
        self.0.iter_mut().map(|(name, value)| (&**name, value))
    }

    /// The values, in order.
    pub(in crate::providers) fn values(&self) -> impl Iterator<Item = &Value<'t>> {
        self.0.iter().map(|(_, value)| value)
    }

    /// True without a member.
    pub(in crate::providers) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Members of which some may come twice.
    fn of(members: Vec<(Cow<'t, str>, Value<'t>)>) -> Self {
        if comes_twice(&members) { Self::with_every_one(members) } else { Self(members) }
    }

    fn with_every_one(members: Vec<(Cow<'t, str>, Value<'t>)>) -> Self {
        let (mut all, mut places) = (Vec::<(Cow<'t, str>, Value<'t>)>::with_capacity(members.len()), HashMap::new());
        for (name, value) in members {
            let at = match places.entry(name.clone()) {
                Entry::Occupied(at) => *at.get(),
                Entry::Vacant(free) => {
                    free.insert(all.len());
                    all.push((name, value));
                    continue;
                }
            };
            if all[at].1 == value {
                continue;
            }
            let before = std::mem::replace(&mut all[at].1, value);
            let second = Cow::from(format!("{name} (2)"));
            match places.entry(second.clone()) {
                Entry::Occupied(at) => all[*at.get()].1.make_list(before),
                Entry::Vacant(free) => {
                    free.insert(all.len());
                    all.push((second, before));
                }
            }
        }
        Self(all)
    }
}

/// True where a name comes twice. However many there are, it takes no longer than sorting them.
fn comes_twice(members: &[(Cow<'_, str>, Value<'_>)]) -> bool {
    if members.len() <= FEW {
        return members.iter().enumerate().any(|(at, (name, _))| members[..at].iter().any(|(known, _)| known == name));
    }
    let mut names: Vec<_> = members.iter().map(|(name, _)| name.as_ref()).collect();
    names.sort_unstable();
    names.windows(2).any(|pair| pair[0] == pair[1])
}

impl<'t> Value<'t> {
    /// A member of an object.
    pub(in crate::providers) fn get(&self, name: &str) -> Option<&Self> {
        self.as_object()?.get(name)
    }

    /// A member of an object, to be changed.
    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Self> {
        self.as_object_mut()?.get_mut(name)
    }

    /// An element of a list.
    pub(super) fn at(&self, index: usize) -> Option<&Self> {
        self.as_array()?.get(index)
    }

    /// An element of a list, to be changed.
    pub(super) fn at_mut(&mut self, index: usize) -> Option<&mut Self> {
        match self {
            Self::Array(list) => list.get_mut(index),
            _ => None,
        }
    }

    /// The text that it is.
    pub(in crate::providers) fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The list that it is.
    pub(in crate::providers) fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(list) => Some(list),
            _ => None,
        }
    }

    /// The object that it is.
    pub(in crate::providers) fn as_object(&self) -> Option<&Members<'t>> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }

    /// The members of the object that it is, to be changed.
    pub(super) fn as_object_mut(&mut self) -> Option<&mut Members<'t>> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }

    /// The members of the object that it is, and of one that it is made where it was none.
    pub(super) fn make_object(&mut self) -> &mut Members<'t> {
        if !self.is_object() {
            *self = Self::Object(Members::default());
        }
        self.as_object_mut().expect("it was made one")
    }

    /// Puts `value` behind what is there: a list of both, where it is none yet.
    fn make_list(&mut self, value: Self) {
        match self {
            Self::Array(list) => list.push(value),
            one => *one = Self::Array(vec![one.take(), value]),
        }
    }

    /// What is in it: elements or members.
    pub(super) fn parts(&self) -> impl Iterator<Item = &Self> {
        let members = self.as_object().into_iter().flat_map(Members::values);
        self.as_array().unwrap_or_default().iter().chain(members)
    }

    /// One of its [parts](Self::parts), to be changed.
    pub(super) fn part_mut(&mut self, at: usize) -> Option<&mut Self> {
        match self {
            Self::Array(list) => list.get_mut(at),
            Self::Object(Members(members)) => members.get_mut(at).map(|(_, value)| value),
            _ => None,
        }
    }

    /// What it is, leaving `null`.
    pub(in crate::providers) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::Null)
    }

    /// True for `null`.
    pub(super) fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// True for `true` and `false`.
    pub(super) fn is_boolean(&self) -> bool {
        matches!(self, Self::Bool(_))
    }

    /// True for a number.
    pub(super) fn is_number(&self) -> bool {
        matches!(self, Self::Number(_))
    }

    /// True for a list.
    pub(in crate::providers) fn is_array(&self) -> bool {
        matches!(self, Self::Array(_))
    }

    /// True for an object.
    pub(in crate::providers) fn is_object(&self) -> bool {
        matches!(self, Self::Object(_))
    }

    /// It as JSON, which may take some `about` bytes. Not by `serde_json`, which would be compiled here and small, and looks at
    /// each letter.
    pub(super) fn json(&self, about: usize) -> String {
        let mut json = String::with_capacity(about);
        self.write(&mut json);
        json
    }

    fn write(&self, json: &mut String) {
        let begin = |json: &mut String, at: usize, bracket: char| json.push(if at == 0 { bracket } else { ',' });
        match self {
            Self::Null => json.push_str("null"),
            Self::Bool(yes) => json.push_str(if *yes { "true" } else { "false" }),
            Self::Number(number) => json.push_str(&number.to_string()),
            Self::String(text) => write_text(text, json),
            Self::Array(list) if list.is_empty() => json.push_str("[]"),
            Self::Array(list) => {
                for (at, value) in list.iter().enumerate() {
                    begin(json, at, '[');
                    value.write(json);
                }
                json.push(']');
            }
            Self::Object(members) if members.is_empty() => json.push_str("{}"),
            Self::Object(members) => {
                for (at, (name, value)) in members.iter().enumerate() {
                    begin(json, at, '{');
                    write_text(name, json);
                    json.push(':');
                    value.write(json);
                }
                json.push('}');
            }
        }
    }

    /// The same with texts of its own.
    pub(in crate::providers) fn into_owned(self) -> Value<'static> {
        let own = |text: Cow<'t, str>| Cow::Owned(text.into_owned());
        match self {
            Self::Null => Value::Null,
            Self::Bool(yes) => Value::Bool(yes),
            Self::Number(number) => Value::Number(number),
            Self::String(text) => Value::String(own(text)),
            Self::Array(list) => Value::Array(list.into_iter().map(Value::into_owned).collect()),
            Self::Object(Members(members)) => {
                let members = members.into_iter().map(|(name, value)| (own(name), value.into_owned()));
                Value::Object(Members(members.collect()))
            }
        }
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::String(text.into())
    }
}

impl From<serde_json::Value> for Value<'_> {
    fn from(value: serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(yes) => Self::Bool(yes),
            serde_json::Value::Number(number) => Self::Number(number),
            serde_json::Value::String(text) => text.into(),
            serde_json::Value::Array(list) => Self::Array(list.into_iter().map(Self::from).collect()),
            serde_json::Value::Object(members) => {
                let members = members.into_iter().map(|(name, value)| (name.into(), value.into()));
                Self::Object(Members(members.collect()))
            }
        }
    }
}

impl fmt::Display for Value<'_> {
    /// Writes it as JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.json(0))
    }
}

/// Puts `text` behind `json` as JSON writes a text. Nearly none holds what has to be escaped.
fn write_text(text: &str, json: &mut String) {
    let is_plain = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\';
    if text.bytes().all(is_plain) {
        json.extend(["\"", text, "\""]);
    } else {
        json.push_str(&serde_json::to_string(text).expect("a text can always be written as JSON"));
    }
}

impl<'de: 't, 't> Deserialize<'de> for Value<'t> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Values)
    }
}

struct Values;

impl<'de> Visitor<'de> for Values {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value<'de>, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, yes: bool) -> Result<Value<'de>, E> {
        Ok(Value::Bool(yes))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value<'de>, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value<'de>, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value<'de>, E> {
        Ok(Number::from_f64(number).map_or(Value::Null, Value::Number))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Value<'de>, E> {
        Ok(Value::String(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value<'de>, E> {
        Ok(text.to_owned().into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value<'de>, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some((Text(name), value)) = object.next_entry()? {
            members.push((name, value));
        }
        Ok(Value::Object(Members::of(members)))
    }
}

/// So that one may stand in another of tests.
#[cfg(test)]
impl serde::Serialize for Value<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_string().parse::<serde_json::Value>().map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

/// A document, as `serde_json` writes one down.
#[cfg(test)]
macro_rules! json {
    ($($json:tt)+) => { crate::providers::mapped::value::Value::from(serde_json::json!($($json)+)) };
}
#[cfg(test)]
pub(super) use json;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Value<'_> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn texts_are_those_of_the_sender_but_for_escapes() {
        let Value::Object(Members(members)) = read(r#"{"a":"b","\u0061b":"c\n"}"#) else { panic!("it is an object") };
        let borrowed = |text: &Cow<'_, str>| matches!(text, Cow::Borrowed(_));
        let of = |(name, value): &(Cow<'_, str>, Value<'_>)| match value {
            Value::String(text) => (borrowed(name), borrowed(text), format!("{name}{text}")),
            _ => panic!("it is a text"),
        };
        assert_eq!(
            members.iter().map(of).collect::<Vec<_>>(),
            [(true, true, "ab".into()), (false, false, "abc\n".into())]
        );
    }

    #[test]
    fn a_name_that_comes_twice_is_found_among_few_and_among_many() {
        for count in [2, FEW, FEW + 1, 1000] {
            let once: Vec<_> = (0..count).map(|at| format!("\"{at}\":{at}")).collect();
            let text = format!("{{{}}}", once.join(","));
            let Value::Object(members) = read(&text) else { panic!("it is an object") };
            assert_eq!(members.iter().count(), count);
            let twice = format!("{{{},\"1\":\"again\"}}", once.join(","));
            let Value::Object(members) = read(&twice) else { panic!("it is an object") };
            assert_eq!(members.get("1"), Some(&json!("again")));
            assert_eq!(members.get("1 (2)"), Some(&json!(1)));
            assert_eq!(members.iter().count(), count + 1);
        }
    }

    #[test]
    fn what_has_to_be_escaped_is_escaped() {
        for text in ["", "Siti", "\"", "\\", "\u{0}", "\n", "\u{1f}", " ", "\u{7f}", "é🙏", "a\"b\\c\td"] {
            let both = serde_json::json!({ text: [text] });
            assert_eq!(json!(both.clone()).to_string(), both.to_string());
        }
    }

    #[test]
    fn it_is_written_as_it_was_read() {
        for text in [r#"{"b":[1,-2,1.5,null,true,"\n"],"a":{}}"#, "[]", r#""x""#, "12345678901234567890"] {
            assert_eq!(read(text).to_string(), text);
            assert_eq!(read(text).into_owned(), json!(serde_json::from_str::<serde_json::Value>(text).unwrap()));
        }
    }
}
