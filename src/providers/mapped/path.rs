//! Places in a JSON document.

use std::ops::ControlFlow;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};

use super::document;
use super::value::Value;
use crate::domain::labels;

/// A place in a JSON document: names joined by dots, positions as `[0]`, anything as `*` or `[*]`, and elements by what
/// stands in them as `[type=email]` (exactly this) or `[label~phone]` (these words are among its words).
///
/// `data.email`, `data.phones[0].number`, `leads[*].id`, `answers[field.ref=nama].text`. A name that itself has a dot or a
/// bracket stands in quotes: `fields."1.3"`. `~leadid` is every name of these letters (`Lead ID`), `$*` every name that
/// begins with a dollar.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::providers) struct Path(Vec<Step>);

impl<'de> Deserialize<'de> for Path {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// One step of a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// A member of an object.
    Name(String),
    /// An element of a list, counted from 0.
    Index(usize),
    /// Every element or member.
    Any,
    /// Every element in which this holds.
    Where(Condition),
    /// Every member whose name is like this.
    Like(Pattern),
}

/// What picks members of an object by their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pattern {
    /// `~leadid`: these letters and digits, whatever the case and what stands between them (`Lead ID`, `lead__id`).
    Letters(String),
    /// `$*`: it begins like this.
    Begins(String),
}

impl Pattern {
    fn parse(name: &str) -> Option<Self> {
        match (name.strip_prefix('~'), name.strip_suffix('*')) {
            (Some(letters), _) => {
                Some(bared(letters).collect::<String>()).filter(|bare| !bare.is_empty()).map(Self::Letters)
            }
            (None, Some(beginning)) => Some(Self::Begins(beginning.to_owned())),
            (None, None) => None,
        }
    }

    /// True for the name of a member that is meant.
    pub(super) fn fits(&self, name: &str) -> bool {
        match self {
            Self::Letters(letters) if name.is_ascii() => {
                let bare = name.bytes().filter(u8::is_ascii_alphanumeric);
                bare.map(|letter| letter.to_ascii_lowercase()).eq(letters.bytes())
            }
            Self::Letters(letters) => bared(name).eq(letters.chars()),
            Self::Begins(beginning) => name.starts_with(beginning.as_str()),
        }
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Letters(letters) => write!(f, "~{letters}"),
            Self::Begins(beginning) => write!(f, "{beginning}*"),
        }
    }
}

/// The letters and digits of a name, in lower case.
fn bared(name: &str) -> impl Iterator<Item = char> {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase)
}

/// What picks elements of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    /// Where to look in the element.
    path: Path,
    kind: Likeness,
    value: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Likeness {
    /// It is this text.
    Same,
    /// Its words have these among them, whatever the spelling.
    Words,
}

impl Condition {
    /// True when it holds in `element`.
    pub(super) fn holds(&self, element: &Value<'_>) -> bool {
        let Some(found) = self.path.find(element).and_then(document::word) else { return false };
        match self.kind {
            Likeness::Same => found == self.value,
            Likeness::Words => {
                let (found, wanted) = (labels::plain(&found), labels::plain(&self.value));
                format!(" {found} ").contains(&format!(" {wanted} "))
            }
        }
    }
}

/// One step of the way down to where the walk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Here<'v> {
    /// Into a member.
    Name(&'v str),
    /// Into an element, which is this.
    Index(usize, &'v Value<'v>),
}

/// Where a place leads in a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// There is no such place.
    Nowhere,
    /// To one value, which has no others of its kind beside it.
    ToOne,
    /// There are several ways, or one among things of another kind.
    Parted,
}

impl Path {
    /// The first value at this place, in the document's order; `null` counts as nothing.
    pub(in crate::providers) fn find<'v>(&self, document: &'v Value<'v>) -> Option<&'v Value<'v>> {
        self.find_map(document, |value| Some(value).filter(|value| !value.is_null()))
    }

    /// What `wanted` makes of the first value at this place of which it makes anything, in the document's order.
    pub(super) fn find_map<'v, T>(
        &self,
        document: &'v Value<'v>,
        mut wanted: impl FnMut(&'v Value<'v>) -> Option<T>,
    ) -> Option<T> {
        let visit = &mut |value| wanted(value).map_or(ControlFlow::Continue(()), ControlFlow::Break);
        walk(&self.0, document, visit).break_value()
    }

    /// Where it leads in `document`.
    pub(super) fn way(&self, document: &Value<'_>) -> Way {
        let below = self.0.iter().try_fold(document, |at, step| match (step, at) {
            (Step::Name(name), _) => at.get(name).ok_or(Way::Nowhere),
            (Step::Index(index), _) => at.at(*index).ok_or(Way::Nowhere),
            (Step::Any, Value::Array(list)) if list.len() == 1 => Ok(&list[0]),
            (Step::Any | Step::Where(_), Value::Array(_)) | (Step::Any | Step::Like(_), Value::Object(_)) => {
                Err(Way::Parted)
            }
            (Step::Any | Step::Where(_) | Step::Like(_), _) => Err(Way::Nowhere),
        });
        below.map_or_else(|way| way, |_| Way::ToOne)
    }

    /// The value at this place to be changed; only for places without `*`.
    pub(in crate::providers) fn find_mut<'v, 't>(&self, document: &'v mut Value<'t>) -> Option<&'v mut Value<'t>> {
        self.0.iter().try_fold(document, |at, step| match step {
            Step::Name(name) => at.get_mut(name),
            Step::Index(index) => at.at_mut(*index),
            Step::Any | Step::Where(_) | Step::Like(_) => None,
        })
    }

    /// Puts `value` at this place, making what lies on the way; `*` and positions are the first of their list.
    pub(in crate::providers) fn put<'t>(&self, document: &mut Value<'t>, value: Value<'t>) {
        let mut at = document;
        for step in &self.0 {
            at = match step {
                Step::Like(pattern) => {
                    let name = pattern.to_string();
                    at.make_object().or_insert(name.trim_matches(['~', '*']), || Value::Null)
                }
                Step::Name(name) => at.make_object().or_insert(name, || Value::Null),
                Step::Index(_) | Step::Any | Step::Where(_) => {
                    if at.at(0).is_none() {
                        *at = Value::Array(vec![Value::Null]);
                    }
                    at.at_mut(0).expect("it has one element")
                }
            };
        }
        *at = value;
    }

    /// The place `name` below this one.
    pub(in crate::providers) fn join(&self, name: &str) -> Self {
        Self(self.0.iter().cloned().chain([Step::Name(name.to_owned())]).collect())
    }

    /// Any element of the list at this place.
    pub(in crate::providers) fn each(&self) -> Self {
        Self(self.0.iter().cloned().chain([Step::Any]).collect())
    }

    /// The place above its last step.
    pub(super) fn above(&self) -> Option<Self> {
        self.0.split_last().map(|(_, above)| Self(above.to_vec()))
    }

    /// How many steps may lead to several values.
    pub(in crate::providers) fn open_steps(&self) -> usize {
        self.0.iter().filter(|step| matches!(step, Step::Any | Step::Where(_) | Step::Like(_))).count()
    }

    /// The steps, from the top down.
    pub(super) fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The last name on the way that says something: in `properties.email.value` it is `email`.
    pub(super) fn last_name(&self) -> Option<&str> {
        let names = || {
            self.0.iter().rev().filter_map(|step| match step {
                Step::Name(name) => Some(name.as_str()),
                Step::Index(_) | Step::Any | Step::Where(_) => None,
                Step::Like(Pattern::Letters(text) | Pattern::Begins(text)) => Some(text.as_str()),
            })
        };
        let says = |name: &&str| *name != "value" && !document::is_wrapper(name);
        let above = names().nth(1).filter(|_| names().next() == Some("value")).filter(says);
        above.or_else(|| names().next())
    }

    /// Every value at this place, in the document's order.
    pub(super) fn all<'v>(&self, document: &'v Value<'v>) -> Vec<&'v Value<'v>> {
        let mut found = Vec::new();
        let _all: Option<()> = self.find_map(document, |value| {
            found.push(value);
            None
        });
        found
    }

    /// Changes every value at this place.
    pub(super) fn change<'t>(&self, document: &mut Value<'t>, change: &mut impl FnMut(&mut Value<'t>)) {
        change_at(&self.0, document, change);
    }
}

/// Shows every value to which `steps` lead from `at`, until enough are seen.
fn walk<'v, T>(
    steps: &[Step],
    at: &'v Value<'v>,
    visit: &mut impl FnMut(&'v Value<'v>) -> ControlFlow<T>,
) -> ControlFlow<T> {
    let Some((step, rest)) = steps.split_first() else { return visit(at) };
    let mut down = |below| walk(rest, below, visit);
    match (step, at) {
        (Step::Name(name), _) => at.get(name).into_iter().try_for_each(down),
        (Step::Index(index), _) => at.at(*index).into_iter().try_for_each(down),
        (Step::Any, Value::Array(list)) => list.iter().try_for_each(down),
        (Step::Any, Value::Object(object)) => object.values().try_for_each(down),
        (Step::Where(condition), Value::Array(list)) => {
            list.iter().filter(|below| condition.holds(below)).try_for_each(down)
        }
        (Step::Like(pattern), Value::Object(object)) => {
            object.iter().filter(|(name, _)| pattern.fits(name)).try_for_each(|(_, below)| down(below))
        }
        (Step::Any | Step::Where(_) | Step::Like(_), _) => ControlFlow::Continue(()),
    }
}

fn change_at<'t>(steps: &[Step], at: &mut Value<'t>, change: &mut impl FnMut(&mut Value<'t>)) {
    let Some((step, rest)) = steps.split_first() else { return change(at) };
    match (step, at) {
        (Step::Name(name), at) => at.get_mut(name).into_iter().for_each(|below| change_at(rest, below, change)),
        (Step::Index(index), at) => at.at_mut(*index).into_iter().for_each(|below| change_at(rest, below, change)),
        (Step::Any, Value::Array(list)) => list.iter_mut().for_each(|below| change_at(rest, below, change)),
        (Step::Any, Value::Object(object)) => object.iter_mut().for_each(|(_, below)| change_at(rest, below, change)),
        (Step::Where(condition), Value::Array(list)) => {
            let chosen = list.iter_mut().filter(|below| condition.holds(below));
            chosen.for_each(|below| change_at(rest, below, change));
        }
        (Step::Like(pattern), Value::Object(object)) => {
            let chosen = object.iter_mut().filter(|(name, _)| pattern.fits(name));
            chosen.for_each(|(_, below)| change_at(rest, below, change));
        }
        (Step::Any | Step::Where(_) | Step::Like(_), _) => {}
    }
}

/// True when `steps` lead exactly to `here`.
fn fits(steps: &[Step], here: &[Here<'_>]) -> bool {
    let fit = |(step, here): (&Step, &Here<'_>)| match (step, here) {
        (Step::Any, _) => true,
        (Step::Name(wanted), Here::Name(name)) => wanted == name,
        (Step::Index(wanted), Here::Index(index, _)) => wanted == index,
        (Step::Where(condition), Here::Index(_, element)) => condition.holds(element),
        (Step::Like(pattern), Here::Name(name)) => pattern.fits(name),
        (Step::Name(_) | Step::Like(_), Here::Index(..)) | (Step::Index(_) | Step::Where(_), Here::Name(_)) => false,
    };
    steps.len() == here.len() && steps.iter().zip(here).all(fit)
}

impl Path {
    /// True when this place is where the walk is.
    pub(super) fn leads_to(&self, here: &[Here<'_>]) -> bool {
        fits(&self.0, here)
    }

    /// True when this place is a single element of the list where the walk is.
    pub(super) fn is_element_of(&self, list: &[Here<'_>]) -> bool {
        match self.0.split_last() {
            Some((Step::Index(_) | Step::Any | Step::Where(_), above)) => fits(above, list),
            Some((Step::Name(_) | Step::Like(_), _)) | None => false,
        }
    }
}

impl std::fmt::Display for Path {
    /// Writes the place as [`leaves`](super::leaves) writes keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().enumerate().try_for_each(|(place, step)| match step {
            Step::Name(name) if place == 0 => write!(f, "{name}"),
            Step::Name(name) => write!(f, ".{name}"),
            Step::Like(pattern) if place == 0 => write!(f, "{pattern}"),
            Step::Like(pattern) => write!(f, ".{pattern}"),
            Step::Index(index) => write!(f, "[{index}]"),
            Step::Any => f.write_str("[*]"),
            Step::Where(Condition { path, kind: Likeness::Same, value }) => write!(f, "[{path}={value}]"),
            Step::Where(Condition { path, kind: Likeness::Words, value }) => write!(f, "[{path}~{value}]"),
        })
    }
}

/// A text that is no [`Path`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a place in JSON; write it like `data.email`, `data.phones[0].number`, `leads[*].id`, \
     `answers[type=email].email` or `fields.\"1.3\"`"
)]
pub(in crate::providers) struct BadPath(String);

impl BadPath {
    /// `text` is none.
    pub(super) fn of(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl FromStr for Path {
    type Err = BadPath;

    fn from_str(text: &str) -> Result<Self, BadPath> {
        parse(text).map(Self).ok_or_else(|| BadPath(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Vec<Step>> {
    let (mut steps, mut rest) = (Vec::new(), text);
    loop {
        let (name, after) = named(rest)?;
        let positioned = after.starts_with('[');
        match name {
            Named::Nothing if positioned => {}
            Named::Nothing => return None,
            Named::Any => steps.push(Step::Any),
            Named::Name(name) => steps.push(Step::Name(name.to_owned())),
            Named::Like(pattern) => steps.push(Step::Like(pattern)),
        }
        rest = positions(after, &mut steps)?;
        match rest.strip_prefix('.') {
            Some(more) => rest = more,
            None => return rest.is_empty().then_some(steps),
        }
    }
}

/// What one part between dots is called.
enum Named<'t> {
    Nothing,
    Any,
    Name(&'t str),
    Like(Pattern),
}

/// The name at the beginning of `text`, in quotes or without, and what follows it.
fn named(text: &str) -> Option<(Named<'_>, &str)> {
    if let Some(quoted) = text.strip_prefix('"') {
        let (name, after) = quoted.split_once('"')?;
        return (!name.is_empty()).then_some((Named::Name(name), after));
    }
    let (name, after) = text.split_at(text.find(['.', '[']).unwrap_or(text.len()));
    let name = match name {
        "" => Named::Nothing,
        "*" => Named::Any,
        name if name.contains([']', '"']) => return None,
        name if name.starts_with('~') => Named::Like(Pattern::parse(name)?),
        name => Pattern::parse(name).map_or(Named::Name(name), Named::Like),
    };
    Some((name, after))
}

/// Takes the positions at the beginning of `text` (`[0][*]`), and gives what follows them.
fn positions<'t>(text: &'t str, steps: &mut Vec<Step>) -> Option<&'t str> {
    let mut rest = text;
    while let Some((position, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        steps.push(position_of(position)?);
        rest = after;
    }
    (!rest.starts_with('[')).then_some(rest)
}

fn position_of(text: &str) -> Option<Step> {
    if text == "*" {
        return Some(Step::Any);
    }
    let Some(at) = text.find(['=', '~']) else { return text.parse().ok().map(Step::Index) };
    let (path, value) = (parse(&text[..at])?, text[at + 1..].to_owned());
    let kind = if text[at..].starts_with('=') { Likeness::Same } else { Likeness::Words };
    Some(Step::Where(Condition { path: Path(path), kind, value }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::providers::mapped::value::json;

    fn path(text: &str) -> Path {
        text.parse().unwrap()
    }

    #[test]
    fn a_path_finds_the_first_value_at_its_place() {
        let document = json!({"data": {"phones": [{"kind": "fax"}, {"number": "0812"}], "none": null}, "*": 1});
        assert_eq!(path("data.phones[1].number").find(&document), Some(&json!("0812")));
        assert_eq!(path("data.phones[*].number").find(&document), Some(&json!("0812")));
        assert_eq!(path("data.*[1].number").find(&document), Some(&json!("0812")));
        for nowhere in ["data.none", "data.phones[2]", "data.phones.number", "x", "data.phones[0].number[*]"] {
            assert_eq!(path(nowhere).find(&document), None, "{nowhere}");
        }
        assert_eq!(path("[0][1]").find(&json!([[1, 2]])), Some(&json!(2)));
    }

    #[test]
    fn one_way_is_told_from_several() {
        let document = json!({"one": [{"a": {"b": 1}}], "two": [1, 2], "none": [], "lead id": 1});
        for (to, way) in [
            ("one[*].a.b", Way::ToOne),
            ("one[0].a", Way::ToOne),
            ("two[1]", Way::ToOne),
            ("two[*]", Way::Parted),
            ("none[*]", Way::Parted),
            ("one[a=1]", Way::Parted),
            ("one[*].a.*", Way::Parted),
            ("~leadid", Way::Parted),
            ("two[2]", Way::Nowhere),
            ("two.a", Way::Nowhere),
            ("one[*].x.b", Way::Nowhere),
            ("one[*].a.b[*]", Way::Nowhere),
        ] {
            assert_eq!(path(to).way(&document), way, "{to}");
        }
        assert_eq!(Path::default().way(&document), Way::ToOne);
    }

    #[test]
    fn members_are_picked_by_the_likeness_of_their_names() {
        let document = json!({"Lead ID": "1", "lead__id": "2", "LeadIds": "3", "$set": {"x": 1}, "$lib": "web"});
        assert_eq!(path("~lead_id").all(&document), [&json!("1"), &json!("2")]);
        assert_eq!(path("$*").all(&document), [&json!({"x": 1}), &json!("web")]);
        assert_eq!(path("$*.x").find(&document), Some(&json!(1)));
        for bad in ["~", "~-", "a.~"] {
            assert!(bad.parse::<Path>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_text_that_is_no_place_is_refused() {
        for bad in
            ["", ".", "a.", ".a", "a..b", "a[", "a[]", "a[x]", "a[-1]", "a[0]b", "a]", "\"a", "\"\"", "\"a\"b", "a[=x]"]
        {
            assert_eq!(bad.parse::<Path>(), Err(BadPath(bad.to_owned())));
        }
    }

    #[test]
    fn elements_are_picked_by_what_stands_in_them() {
        let document = json!({
            "answers": [{"type": "text", "field": {"ref": "a"}, "text": "x"}, {"type": "email", "email": "a@example.com"}],
            "fields": [{"label": "No. HP (WhatsApp)", "value": "0812"}, {"label": "Telephone", "value": "0813"}],
            "1.3": "Siti",
        });
        assert_eq!(path("answers[type=email].email").find(&document), Some(&json!("a@example.com")));
        assert_eq!(path("answers[field.ref=a].text").find(&document), Some(&json!("x")));
        assert_eq!(path("fields[label~hp].value").all(&document), [&json!("0812")]);
        assert_eq!(path("fields[label~phone].value").find(&document), None, "half a word is no word");
        assert_eq!(path("\"1.3\"").find(&document), Some(&json!("Siti")));
        assert_eq!(path("fields[*].value").all(&document), [&json!("0812"), &json!("0813")]);
    }

    #[test]
    fn putting_makes_what_lies_on_the_way() {
        let mut document = Value::Null;
        path("leads[*].contact.email").put(&mut document, json!("a@example.com"));
        path("leads[*].id").put(&mut document, json!("L1"));
        assert_eq!(document, json!({"leads": [{"contact": {"email": "a@example.com"}, "id": "L1"}]}));
        assert_eq!(path("leads[*].id").find(&document), Some(&json!("L1")));
    }

    proptest! {
        #[test]
        fn any_text_is_a_place_or_refused(text in r#"[a-c."\[\]*=~0-9]{0,20}"#, json in r#"\[?\{"a":[0-9"]{1,3}\}\]?"#) {
            if let (Ok(path), Ok(value)) = (text.parse::<Path>(), serde_json::from_str::<Value>(&json)) {
                prop_assert_eq!(path.find(&value), path.all(&value).into_iter().find(|found| !found.is_null()));
            }
        }

        #[test]
        fn what_is_put_is_found(place in r"[a-c*](\[[0*]\])?(\.[a-c*]){0,3}") {
            let mut document = Value::Null;
            path(&place).put(&mut document, json!("here"));
            prop_assert_eq!(path(&place).find(&document), Some(&json!("here")));
        }
    }
}
