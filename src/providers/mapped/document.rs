//! Field maps over JSON: places in a document, what stands there means, and a document cut into its leaves.
//!
//! For senders whose shape the owner knows and we do not: the map says what the known places mean, and everything else
//! becomes answers under its own path, so that nothing is lost.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};
use std::fmt::Write as _;
use std::str::FromStr;

use super::path::{Here, Path};
use super::value::Value;
use super::whole;
use crate::domain::submission::{Answer, Meaning};
use crate::providers::Unreadable;

/// The most leaves that one document may have: forms of people have tens, not thousands.
const MAX_LEAVES: usize = 1000;

/// The most values of any kind that are looked at in one document, so that empty ones cost little too.
const MAX_NODES: usize = 20_000;

/// The most values of any kind that one document may have before it is looked at: a thousand leads with a hundred fields
/// each. A member takes some 60 bytes in memory, and 4 MiB can hold two million of them.
const MAX_VALUES: usize = 100_000;

/// How many lists and objects may be in one another: `serde_json`'s own limit, against bodies that are nothing but brackets.
const MAX_NESTED: usize = 127;

/// How many levels are flattened; what lies deeper becomes one leaf, as JSON text.
const MAX_DEPTH: usize = 8;

/// The longest key of a leaf, in bytes. A key is repeated in everything below it, so it has to be bounded.
pub(super) const MAX_KEY: usize = 200;

/// So many digits a number keeps in every spreadsheet and every `f64`.
const EXACT_DIGITS: usize = 15;

/// Names that hold the answers and say nothing of them. `form` and `submission` are not among them: what has a name there
/// is not a person.
const WRAPPERS: [&str; 9] =
    ["data", "lead", "fields", "form_fields", "answers", "attributes", "properties", "payload", "values"];

/// What stands at a mapped place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::providers) enum Target {
    /// An answer that means this.
    Answer(Meaning),
    /// The ad network.
    AdPlatform,
    /// The channel of contact.
    Source,
    /// When the person sent it.
    SubmittedAt,
    /// What kind of webhook it is.
    Event,
    /// The sender's own id of the lead.
    Id,
}

/// A word that is no [`Target`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::providers) enum BadTarget {
    /// It is decided elsewhere.
    #[error("`{0}` is set by the source's rules, not by a field map")]
    ByRule(String),
    /// Nobody knows it.
    #[error(
        "`{0}` is nothing that a field can mean; use a field of Konektor (firstName, lastName, email, phone, notes, \
         uniqueCode, estimatedValue, actualValue, source, adPlatform), full_name, work_email, work_phone, message, \
         attribution, submitted_at or drop"
    )]
    Unknown(String),
}

impl FromStr for Target {
    type Err = BadTarget;

    /// Reads Konektor's field names and the words of [`Meaning`] alike.
    fn from_str(word: &str) -> Result<Self, BadTarget> {
        let meaning = match word {
            "full_name" | "fullName" | "name" => Meaning::FullName,
            "first_name" | "firstName" => Meaning::FirstName,
            "last_name" | "lastName" => Meaning::LastName,
            "email" => Meaning::Email,
            "work_email" => Meaning::WorkEmail,
            "phone" => Meaning::Phone,
            "work_phone" => Meaning::WorkPhone,
            "message" => Meaning::Message,
            "estimated_value" | "estimatedValue" => Meaning::EstimatedValue,
            "actual_value" | "actualValue" => Meaning::ActualValue,
            "unique_code" | "uniqueCode" => Meaning::UniqueCode,
            "attribution" => Meaning::Attribution,
            "note" | "notes" => Meaning::Note,
            "drop" => Meaning::Drop,
            "ad_platform" | "adPlatform" => return Ok(Self::AdPlatform),
            "source" => return Ok(Self::Source),
            "submitted_at" | "submittedAt" => return Ok(Self::SubmittedAt),
            "status" | "priority" | "assignedTo" | "assigned_to" | "externalRef" | "external_ref" => {
                return Err(BadTarget::ByRule(word.to_owned()));
            }
            _ => return Err(BadTarget::Unknown(word.to_owned())),
        };
        Ok(Self::Answer(meaning))
    }
}

/// Which places mean what. Where several fit, the one with the fewest `*` counts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::providers) struct FieldMap(Vec<(Path, Target)>);

impl FieldMap {
    /// A map of these places.
    pub(in crate::providers) fn new(mut places: Vec<(Path, Target)>) -> Self {
        places.sort_by_key(|(path, _)| path.open_steps());
        Self(places)
    }

    /// This map, and below it what holds where it says nothing.
    pub(in crate::providers) fn or(&self, places: impl IntoIterator<Item = (Path, Target)>) -> Self {
        Self(self.0.iter().cloned().chain(places).collect())
    }

    /// The places and what stands there.
    pub(in crate::providers) fn places(&self) -> &[(Path, Target)] {
        &self.0
    }

    fn target(&self, here: &[Here<'_>]) -> Option<Target> {
        self.0.iter().find(|(path, _)| path.leads_to(here)).map(|(_, target)| *target)
    }

    /// True when a single element of the list at `list` is named, so that the list must not be joined.
    fn names_elements(&self, list: &[Here<'_>]) -> bool {
        self.0.iter().any(|(path, _)| path.is_element_of(list))
    }
}

/// One value of a document, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::providers) struct Leaf {
    /// Where it stood: `contact.email`, `items[0].name`; cut at 200 bytes.
    pub key: String,
    /// What stood there, never blank. Lists of plain values are joined with `, `.
    pub value: String,
    /// What the map says of it.
    pub target: Option<Target>,
}

/// Reads a document from outside, of which nothing is missing: neither members that come twice nor numbers that are beyond
/// all machines.
///
/// # Errors
/// [`Unreadable`] when it is no JSON, or has more than 100 000 values; those are counted before room is made for them.
pub(in crate::providers) fn document(text: &str) -> Result<Value<'_>, Unreadable> {
    // Every value takes a byte at least.
    if text.len() > MAX_VALUES && has_more_values_than(MAX_VALUES, text.as_bytes()) {
        return Err(Unreadable(format!("it holds more than {MAX_VALUES} values")));
    }
    if text.trim_ascii().is_empty() {
        return Err(Unreadable("it is empty".to_owned()));
    }
    whole::read(text).map_err(|error| Unreadable(why_unread(&error)))
}

/// Why text is no document. `serde_json` tells too deep a one by its words only; a test holds them.
fn why_unread(error: &serde_json::Error) -> String {
    if error.to_string().starts_with("recursion limit exceeded") {
        return format!("its JSON is nested too deep (more than {MAX_NESTED} levels)");
    }
    format!("its JSON breaks off at line {}, column {}", error.line(), error.column())
}

/// Every value but the first stands behind a comma or is the first of its list or object.
fn has_more_values_than(most: usize, json: &[u8]) -> bool {
    let (mut in_string, mut escaped) = (false, false);
    let begins_value = |byte: &&u8| {
        let outside = !in_string;
        match **byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            _ => {}
        }
        outside && matches!(**byte, b',' | b'[' | b'{')
    };
    json.iter().filter(begins_value).nth(most).is_some()
}

/// Cuts `document` into its leaves, in its own order; blank ones are left out.
///
/// # Errors
/// [`Unreadable`] when it has more than 1000 leaves or 20 000 values of any kind.
pub(in crate::providers) fn leaves(document: &Value<'_>, map: &FieldMap) -> Result<Vec<Leaf>, Unreadable> {
    let mut walk =
        Walk { map, told: &Told::default(), here: Vec::new(), key: String::new(), nodes: 0, leaves: Vec::new() };
    walk.down(document, None)?;
    Ok(walk.leaves)
}

/// [`leaves`] of what stands at `key`, without the values in `told`.
///
/// # Errors
/// As [`leaves`].
pub(super) fn rest(value: &Value<'_>, key: &str, told: &Told) -> Result<Vec<Leaf>, Unreadable> {
    let map = &FieldMap::default();
    let mut walk = Walk { map, told, here: Vec::new(), key: key.to_owned(), nodes: 0, leaves: Vec::new() };
    walk.down(value, None)?;
    Ok(walk.leaves)
}

/// Values of a document that have been told already, each with all that is below it. A value is known by where it lies:
/// two equal ones at two places are two.
#[derive(Debug, Default)]
pub(super) struct Told(BTreeSet<*const ()>);

impl Told {
    /// Notes that `value` has been told.
    pub(super) fn add(&mut self, value: &Value<'_>) {
        self.0.insert(std::ptr::from_ref(value).cast());
    }

    /// True when `value` itself has been told.
    pub(super) fn has(&self, value: &Value<'_>) -> bool {
        self.0.contains(&std::ptr::from_ref(value).cast())
    }
}

struct Walk<'v, 'm> {
    map: &'m FieldMap,
    told: &'m Told,
    here: Vec<Here<'v>>,
    /// What that is called.
    key: String,
    nodes: usize,
    leaves: Vec<Leaf>,
}

impl<'v> Walk<'v, '_> {
    /// Takes in `value`, which stands here; `above` is what the map says of something that holds it.
    fn down(&mut self, value: &'v Value<'v>, above: Option<Target>) -> Result<(), Unreadable> {
        self.count(1)?;
        if self.told.has(value) {
            return Ok(());
        }
        let target = self.map.target(&self.here).or(above);
        let deep = self.here.len() >= MAX_DEPTH;
        match value {
            Value::Object(object) if deep && !object.is_empty() => self.leaf(value.to_string(), target),
            Value::Array(list) if deep && !list.is_empty() => self.leaf(value.to_string(), target),
            Value::Object(object) => object.iter().try_for_each(|(name, below)| {
                let name = if name.is_empty() { "?" } else { name };
                self.step(Here::Name(name), below, target)
            }),
            Value::Array(list) if is_plain(list) && !self.map.names_elements(&self.here) && !self.tells_any(list) => {
                self.count(list.len())?;
                self.leaf(joined(list), target)
            }
            Value::Array(list) => list
                .iter()
                .enumerate()
                .try_for_each(|(index, below)| self.step(Here::Index(index, below), below, target)),
            plain => self.leaf(text(plain).unwrap_or_default(), target),
        }
    }

    fn tells_any(&self, list: &[Value<'_>]) -> bool {
        list.iter().any(|value| self.told.has(value))
    }

    fn count(&mut self, nodes: usize) -> Result<(), Unreadable> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES {
            return Err(Unreadable(format!("it holds more than {MAX_NODES} values")));
        }
        Ok(())
    }

    fn step(&mut self, here: Here<'v>, below: &'v Value<'v>, target: Option<Target>) -> Result<(), Unreadable> {
        let above = self.key.len();
        match here {
            Here::Name(name) => {
                if above > 0 {
                    self.key.push('.');
                }
                self.key.push_str(cut(name, MAX_KEY));
            }
            Here::Index(index, _) => write!(self.key, "[{index}]").expect("a text takes every text"),
        }
        self.key.truncate(cut(&self.key, MAX_KEY).len());
        self.here.push(here);
        let done = self.down(below, target);
        self.here.pop();
        self.key.truncate(above);
        done
    }

    fn leaf(&mut self, value: String, target: Option<Target>) -> Result<(), Unreadable> {
        if value.trim().is_empty() {
            return Ok(());
        }
        if self.leaves.len() == MAX_LEAVES {
            return Err(Unreadable(format!("it has more than {MAX_LEAVES} fields")));
        }
        self.leaves.push(Leaf { key: self.key.clone(), value, target });
        Ok(())
    }
}

/// True for a name that holds the answers and says nothing of them.
pub(super) fn is_wrapper(name: &str) -> bool {
    WRAPPERS.contains(&name)
}

/// The answer that stands at `key`, labelled without the names around it that say nothing: `answers.No HP` is `No HP`.
pub(in crate::providers) fn answer(key: &str, value: String) -> Answer {
    // `tgl.value` beside `tgl.unix` is what somebody wrote under `tgl`.
    let mut label = key.strip_suffix(".value").filter(|rest| !is_wrapper(rest)).unwrap_or(key);
    while let Some((wrapper, rest)) = label.split_once('.').filter(|(name, _)| WRAPPERS.contains(name)) {
        label = if rest.is_empty() { wrapper } else { rest };
    }
    Answer::new(key, value).label(label)
}

/// True when `list` holds plain values only.
pub(super) fn is_plain(list: &[Value<'_>]) -> bool {
    !list.iter().any(|value| value.is_object() || value.is_array())
}

/// `text`, or as much of its beginning as fits into `most` bytes.
pub(super) fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// The plain values of `list`; words that are said again (an address, a name, in two sections of a form) once.
pub(super) fn joined(list: &[Value<'_>]) -> String {
    let texts: Vec<_> = list.iter().filter_map(text).filter(|text| !text.trim().is_empty()).collect();
    let mut known = HashSet::new();
    let once = texts.iter().map(String::as_str).filter(|text| known.insert(*text) || !is_word(text));
    once.collect::<Vec<_>>().join(", ")
}

/// True for what is no number: of those (how many of each were bought) the same one twice says something.
pub(in crate::providers) fn is_word(text: &str) -> bool {
    text.chars().any(char::is_alphabetic)
}

/// A plain value as a person would write it: whole numbers without point or exponent, `Ya` and `Tidak` for booleans
/// (the leads' readers are Indonesian). `None` for `null`, lists and objects.
pub(in crate::providers) fn text(value: &Value<'_>) -> Option<String> {
    match value {
        Value::Null | Value::Array(_) | Value::Object(_) => None,
        Value::Bool(true) => Some("Ya".to_owned()),
        Value::Bool(false) => Some("Tidak".to_owned()),
        Value::String(text) => Some(text.clone().into_owned()),
        // A float's `Display` in Rust never has an exponent, and a whole one has no point.
        Value::Number(number) => Some(match number.as_f64().filter(|_| number.is_f64()) {
            Some(float) => float.to_string(),
            None => number.to_string(),
        }),
    }
}

/// A plain value in a word, as a program would write it: booleans are `true` and `false`. `None` as for [`text`].
pub(super) fn word<'v>(value: &'v Value<'v>) -> Option<Cow<'v, str>> {
    match value {
        Value::Bool(yes) => Some(if *yes { "true" } else { "false" }.into()),
        Value::String(text) => Some(Cow::Borrowed(text)),
        other => text(other).map(Cow::Owned),
    }
}

/// An id as text: a string that is not blank, or a whole number. Anything else is no id; one that a spreadsheet made
/// `1.2e18`, as a number or as a text, is damaged.
pub(in crate::providers) fn id(value: &Value<'_>) -> Option<String> {
    match value {
        Value::String(text) => {
            Some(text.trim()).filter(|text| !text.is_empty() && !is_damaged(text)).map(str::to_owned)
        }
        Value::Number(number) if !number.is_f64() => Some(number.to_string()),
        Value::Number(_) | Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// True for what a spreadsheet or a script made of a long number, and of many others as well: `7.66471E+18`, `7.66E18`,
/// `7664713983311741193.0`.
///
/// Letters and digits are an id as hex writes one, `1e5` and `12e5` among them. Certainly numbers are those with a point or
/// a comma before the exponent, or with a plus in it: all that print numbers put one of them (spreadsheets, JavaScript,
/// Python and Go the plus, Java the point), and hex has neither. A whole number of up to 15 digits comes out of a machine as
/// it went in, so `7.0` is still one id; of a longer one the point says that its last digits may have been rounded away.
fn is_damaged(text: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, Some(exponent)),
        None => (text, None),
    };
    let number = number.strip_prefix('-').unwrap_or(number);
    let (whole, decimals) = match number.split_once(['.', ',']) {
        Some((whole, decimals)) => (whole, Some(decimals)),
        None => (number, None),
    };
    if !is_number(whole) || !decimals.is_none_or(is_number) {
        return false;
    }
    match exponent {
        Some(exponent) => {
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            is_number(digits) && (decimals.is_some() || exponent.starts_with('+'))
        }
        None => whole.len() > EXACT_DIGITS && decimals.is_some_and(|digits| digits.bytes().all(|byte| byte == b'0')),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::providers::mapped::value::json;

    fn path(text: &str) -> Path {
        text.parse().unwrap()
    }

    fn cut_up(document: &Value, map: &[(&str, &str)]) -> Vec<(String, String, Option<Target>)> {
        let map = FieldMap::new(map.iter().map(|(place, word)| (path(place), word.parse().unwrap())).collect());
        leaves(document, &map).unwrap().into_iter().map(|leaf| (leaf.key, leaf.value, leaf.target)).collect()
    }

    fn unmapped(document: &Value) -> Vec<(String, String)> {
        cut_up(document, &[]).into_iter().map(|(key, value, _)| (key, value)).collect()
    }

    #[test]
    fn what_is_not_mapped_is_kept_under_its_own_path() {
        let document = json!({"a": {"b": "x"}, "list": [1, "dua", null, true], "empty": [], "objects": [{"n": 1.5e3}]});
        let expected = [("a.b", "x"), ("list", "1, dua, Ya"), ("objects[0].n", "1500")];
        assert_eq!(unmapped(&document), expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }

    #[test]
    fn names_around_the_answers_are_not_in_their_labels() {
        for (key, label) in [
            ("answers.No HP", "No HP"),
            ("data.lead.email", "email"),
            ("company.name", "company.name"),
            ("form.name", "form.name"),
            ("tgl.value", "tgl"),
            ("fields.tgl.value", "tgl"),
            ("data.value", "value"),
            ("data", "data"),
            ("data.", "data"),
            ("email", "email"),
        ] {
            assert_eq!(answer(key, "x".into()), Answer::new(key, "x").label(label));
        }
    }

    #[test]
    fn the_map_names_leaves_lists_and_whole_branches() {
        let document = json!({"tags": ["a", "b"], "phones": ["0812", "0813"], "meta": {"x": 1, "y": {"z": 2}}});
        let map = [
            ("phones[*]", "work_phone"),
            ("tags", "note"),
            ("phones[0]", "phone"),
            ("meta", "drop"),
            ("meta.y.z", "email"),
        ];
        let expected = [
            ("tags", "a, b", Some(Target::Answer(Meaning::Note))),
            ("phones[0]", "0812", Some(Target::Answer(Meaning::Phone))),
            ("phones[1]", "0813", Some(Target::Answer(Meaning::WorkPhone))),
            ("meta.x", "1", Some(Target::Answer(Meaning::Drop))),
            ("meta.y.z", "2", Some(Target::Answer(Meaning::Email))),
        ];
        let expected: Vec<_> = expected.map(|(key, value, target)| (key.to_owned(), value.to_owned(), target)).into();
        assert_eq!(cut_up(&document, &map), expected);
    }

    #[test]
    fn every_meaning_of_the_rules_file_is_a_target_under_its_own_word() {
        let words = [
            "full_name",
            "first_name",
            "last_name",
            "email",
            "work_email",
            "phone",
            "work_phone",
            "message",
            "estimated_value",
            "actual_value",
            "unique_code",
            "attribution",
            "note",
            "drop",
        ];
        for word in words {
            let meaning: Meaning = serde_json::from_value(word.into()).unwrap();
            assert_eq!(word.parse(), Ok(Target::Answer(meaning)), "{word}");
        }
        assert_eq!("status".parse::<Target>(), Err(BadTarget::ByRule("status".into())));
        assert_eq!("telepon".parse::<Target>(), Err(BadTarget::Unknown("telepon".into())));
    }

    #[test]
    fn numbers_are_written_without_point_or_exponent() {
        for (number, expected) in [
            (json!(15_550_000_000_u64), "15550000000"),
            (json!(1.2e18), "1200000000000000000"),
            (json!(1.5), "1.5"),
            (json!(-3), "-3"),
        ] {
            assert_eq!(text(&number).unwrap(), expected);
        }
    }

    #[test]
    fn a_damaged_number_is_no_id() {
        assert_eq!(id(&json!(7_099_010_101_010_101_011_u64)).as_deref(), Some("7099010101010101011"));
        assert_eq!(id(&json!(" ld_1 ")).as_deref(), Some("ld_1"));
        for none in [json!(1.2e18), json!(""), json!("  "), json!(true), json!(null), json!([1])] {
            assert_eq!(id(&none), None, "{none}");
        }
        for damaged in [
            "7.66471E+18",
            "7,66471E+18",
            "7E+18",
            "7e+21",
            "1.2e18",
            "7.66E18",
            "7.664713983311742E18",
            "-1.5e-7",
            " 1.2e18 ",
            "7664713983311741193.0",
            "7664713983311741193,00",
            "9007199254740993.0",
        ] {
            assert_eq!(id(&json!(damaged)), None, "{damaged}");
        }
        for whole in [
            "1e5",
            "12e5",
            "8E18",
            "12e5abc",
            "7e-3",
            "1e5.2",
            "1.2e18a",
            "1.2.3",
            "v1.2e3",
            "7.0",
            "987654321098765.0",
            "7664713983311741193",
            "7664713983311741193.5",
            "1.2e",
            "e+5",
            ".5e3",
            "1.e5",
            "1.2e+",
            "5e3b2c9a-1d4f-4e6a-9b1c-0a2b3c4d5e6f",
        ] {
            assert_eq!(id(&json!(whole)).as_deref(), Some(whole), "{whole}");
        }
    }

    #[test]
    fn what_lies_too_deep_becomes_one_leaf_of_json_text() {
        let mut document = json!("bottom");
        for _ in 0..20 {
            document = json!({ "a": document });
        }
        let leaves = unmapped(&document);
        assert_eq!(leaves.len(), 1);
        assert!(leaves[0].0 == "a.a.a.a.a.a.a.a" && leaves[0].1.contains("bottom"));
    }

    #[test]
    fn a_long_key_is_not_repeated_in_every_leaf_below_it() {
        let below: serde_json::Map<_, _> = (0..500).map(|n| (n.to_string(), 1.into())).collect();
        let document = json!({ "ñ".repeat(1_000_000): below });
        let total: usize = leaves(&document, &FieldMap::default()).unwrap().iter().map(|leaf| leaf.key.len()).sum();
        assert!(total <= 500 * MAX_KEY, "{total}");
    }

    #[test]
    fn too_many_leaves_or_values_are_unreadable() {
        let many: serde_json::Map<_, _> = (0..=MAX_LEAVES).map(|n| (n.to_string(), "x".into())).collect();
        assert!(leaves(&json!(many), &FieldMap::default()).is_err());
        assert!(leaves(&json!(vec![json!({}); MAX_NODES]), &FieldMap::default()).is_err());
        assert!(leaves(&json!({ "a": vec![json!(0); MAX_NODES - 2] }), &FieldMap::default()).is_ok());
        assert!(leaves(&json!({ "a": vec![json!(0); MAX_NODES] }), &FieldMap::default()).is_err());
    }

    #[test]
    fn what_is_whole_and_too_deep_or_empty_is_not_told_to_break_off() {
        let nested = |levels: usize| {
            format!(r#"{{"name":"Siti","answers":{}{}}}"#, "[".repeat(levels - 1), "]".repeat(levels - 1))
        };
        assert!(document(&nested(MAX_NESTED)).is_ok());
        let too_deep = Err(Unreadable("its JSON is nested too deep (more than 127 levels)".into()));
        assert_eq!(document(&nested(MAX_NESTED + 1)), too_deep);
        assert_eq!(document(&nested(200)), too_deep);
        // Read again, as it has a name twice, and a number that no machine holds.
        assert_eq!(document(&nested(200).replace("Siti\"", "Siti\",\"name\":1e999")), too_deep);
        assert_eq!(document(" \r\n"), Err(Unreadable("it is empty".into())));
        assert_eq!(document("{\n\"a\": ["), Err(Unreadable("its JSON breaks off at line 2, column 6".into())));
    }

    #[test]
    fn a_flood_of_values_is_refused_before_room_is_made_for_it() {
        let list = |count: usize| format!("[{}0]", "0,".repeat(count - 1));
        assert!(document(&list(MAX_VALUES - 1)).is_ok());
        assert_eq!(document(&list(MAX_VALUES + 1)), Err(Unreadable("it holds more than 100000 values".into())));
        let broken = "[".repeat(MAX_VALUES + 1);
        assert_eq!(document(&broken), Err(Unreadable("it holds more than 100000 values".into())));
        let text = json!({ "a\"": "\\\",[{".repeat(MAX_VALUES), "b\\": "," });
        assert_eq!(document(&text.to_string()), Ok(text), "what stands in a text is no value");
    }

    proptest! {
        #[test]
        fn any_json_is_cut_up_or_refused(text in r#"[\[\]{}",:0-9a.]{0,60}"#, place in ".{0,12}") {
            let map = place.parse().map(|path| FieldMap::new(vec![(path, Target::Id)])).unwrap_or_default();
            if let Ok(document) = serde_json::from_str::<Value>(&text) {
                for leaf in leaves(&document, &map).unwrap() {
                    prop_assert!(!leaf.value.trim().is_empty());
                }
            }
        }
    }
}
