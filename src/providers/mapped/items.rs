//! Where the leads stand in a document, and which list is one of people.

use serde::{Deserialize, Deserializer, de};

use super::filter::Filters;
use super::path::Path;
use super::settings::Many;
use super::spot::Delivery;
use super::value::{Members, Value};
use crate::domain::labels::meaning;
use crate::domain::submission::Meaning;
use crate::providers::form::answers::is_position;

/// What is said of an element without a field.
pub(super) const NO_FIELDS: &str = "it is no object with fields";

/// What is said of an element among people that is none of them.
const NOBODY: &str = "it has neither a number, an address nor an id of a lead";

/// Where the items stand; `@` is the whole document, `@[*]` each element of a document that is a list, and `data[*]` of a list
/// at `data` that is none of texts or numbers; objects under numbers are a list, too, but for the whole document.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Items {
    pub(super) path: Path,
    /// All of these hold of the whole document.
    when: Filters,
    /// The list counts only where it is one of people.
    people: Option<People>,
    /// The place of the list that they are the elements of.
    list: Option<Path>,
}

/// What tells a list of people from another.
#[derive(Debug, Clone, PartialEq)]
struct People {
    /// Places of an id of their own, by which they may be known too.
    ids: Many<Path>,
    /// What the list is called says that it is one of leads.
    by_name: bool,
}

impl Items {
    /// True when they can stand in `whole`: where elements of a list are meant, there is one.
    pub(super) fn may_be_in(&self, whole: &Value<'_>) -> bool {
        let is_there = self.list.as_ref().is_none_or(|list| match list.find(whole) {
            // One element that is none goes on alone, cut out of its list, and costs no other.
            Some(Value::Array(elements)) => {
                (list.steps().is_empty() || elements.len() < 2 || elements.iter().any(Value::is_object))
                    && self.people.as_ref().is_none_or(|people| is_of_people(elements.iter(), people, whole))
            }
            // The whole may be a form whose fields have numbers.
            Some(Value::Object(members)) => {
                !list.steps().is_empty()
                    && is_numbered(members)
                    && self.people.as_ref().is_none_or(|people| is_of_people(members.values(), people, whole))
            }
            Some(_) | None => false,
        });
        is_there && self.when.all_of_them(&Delivery::of(whole))
    }

    /// Why the element that has been cut out of a list of people is none of them. It is the only one in `whole`; `None`, too,
    /// where none has been cut out.
    pub(super) fn flaw(&self, whole: &Value<'_>) -> Option<&'static str> {
        match self.cut_out(whole)?.as_object() {
            Some(members) if !members.is_empty() => (!self.may_be_in(whole)).then_some(NOBODY),
            Some(_) | None => Some(NO_FIELDS),
        }
    }

    /// The only element of the list of people.
    pub(super) fn cut_out<'v>(&self, whole: &'v Value<'v>) -> Option<&'v Value<'v>> {
        self.people.as_ref()?;
        let list = self.list.as_ref()?.find(whole)?;
        if list.as_object().is_some_and(|members| !members.iter().all(|(name, _)| is_place(name))) {
            return None;
        }
        let mut elements = list.parts();
        elements.next().filter(|_| elements.next().is_none())
    }
}

/// True for a list as PHP writes one that has gaps, or that came in a form: objects under numbers (`{"0":{…},"2":{…}}`).
fn is_numbered(members: &Members<'_>) -> bool {
    members.values().any(Value::is_object) && members.iter().all(|(name, _)| is_place(name))
}

fn is_place(name: &str) -> bool {
    !name.is_empty() && is_position(name)
}

/// True where nothing around the list says whose the whole is, and each element has an id of its own, or somebody's number or
/// address: what one person has bought or answered is a list, too. Said of an element alone, cut out, it is the same.
///
/// One that has none does not take that from the others, where one of them certainly is somebody. In a list that is
/// called one of leads everybody with a number or an address is; elsewhere it takes a name beside it, or an id: answers of one
/// person may stand in a list as well, the address in one element and the number in the next.
fn is_of_people<'v>(elements: impl Iterator<Item = &'v Value<'v>>, people: &People, whole: &Value<'_>) -> bool {
    let mut elements = elements.peekable();
    let (mut all, mut certainly) = (elements.peek().is_some(), false);
    for element in elements {
        let has_id = people.ids.0.iter().any(|id| id.find(element).is_some());
        let is_reached = tells(element, &reaches);
        all &= has_id || is_reached;
        certainly |= has_id || is_reached && (people.by_name || tells(element, &names));
    }
    (all || certainly) && !tells(whole, &|meaning| reaches(meaning) || names(meaning))
}

fn reaches(meaning: Meaning) -> bool {
    use Meaning::{Email, Phone, WorkEmail, WorkPhone};
    matches!(meaning, Email | WorkEmail | Phone | WorkPhone)
}

fn names(meaning: Meaning) -> bool {
    use Meaning::{FirstName, FullName, LastName};
    matches!(meaning, FullName | FirstName | LastName)
}

/// True when a member of it, or of what it holds but for lists, is called what `is_meant` says.
fn tells(value: &Value<'_>, is_meant: &impl Fn(Meaning) -> bool) -> bool {
    value.as_object().is_some_and(|members| {
        members.iter().any(|(name, value)| match value {
            Value::Array(_) | Value::Null => false,
            Value::Object(members) => !is_numbered(members) && tells(value, is_meant),
            Value::Bool(_) | Value::Number(_) | Value::String(_) => meaning(name, name).is_some_and(is_meant),
        })
    })
}

/// The same with a condition.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ItemsWhen {
    at: String,
    #[serde(default)]
    when: Filters,
    people: Option<Many<Path>>,
    #[serde(default)]
    by_name: bool,
}

impl<'de> Deserialize<'de> for Items {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let ItemsWhen { at, when, people, by_name } = match toml::Value::deserialize(deserializer)? {
            toml::Value::String(at) => ItemsWhen { at, when: Filters::default(), people: None, by_name: false },
            table => ItemsWhen::deserialize(table).map_err(|error| de::Error::custom(error.message()))?,
        };
        let path: Path = match at.as_str() {
            "@" => Path::default(),
            "@[*]" => Path::default().each(),
            path => path.parse().map_err(de::Error::custom)?,
        };
        let list = if at.ends_with("[*]") { path.above() } else { None };
        if people.is_some() && list.is_none() {
            return Err(de::Error::custom("items: `people` is said of a list; let its place end in `[*]` (`data[*]`)"));
        }
        if by_name && people.is_none() {
            return Err(de::Error::custom("items: `by_name` is said of a list of `people`"));
        }
        let people = people.map(|ids| People { ids, by_name });
        Ok(Self { path, when, people, list })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::mapped::value::json;

    fn items(settings: &str) -> Items {
        let table: toml::Table = settings.parse().unwrap();
        Items::deserialize(table["x"].clone()).unwrap()
    }

    #[test]
    fn a_list_is_one_of_people_where_each_is_somebody_or_one_certainly_is() {
        let data = items("x = { at = 'data[*]', people = '~leadid' }");
        let leads = items("x = { at = 'data[*]', people = '~leadid', by_name = true }");
        for (list, is_data, is_leads) in [
            (json!([{"email": "a@b.id"}, {"phone": "0812"}]), true, true),
            (json!([{"email": "a@b.id", "name": "A"}, {"nama": "Tanpa Kontak"}]), true, true),
            (json!([{"lead_id": "x1"}, {"x": 1}, 5, null]), true, true),
            (json!({"0": {"email": "a@b.id", "name": "A"}, "2": {"nama": "Tanpa Kontak"}}), true, true),
            // Answers of one person.
            (json!([{"type": "email", "email": "a@b.id"}, {"type": "text", "text": "Siti"}]), false, true),
            (json!([{"title": "Nama", "value": "Siti"}, {"title": "HP", "value": "0812"}]), false, false),
            (json!([{"barang": "Kaos"}, {"barang": "Topi"}]), false, false),
            (json!([{"nama": "A"}, {"nama": "B"}]), false, false),
            (json!({"name": "A", "email": "a@b.id"}), false, false),
            (json!(["a@b.id", "c@d.id"]), false, false),
            (json!([]), false, false),
            (json!("x"), false, false),
        ] {
            let whole = json!({ "data": list });
            assert_eq!((data.may_be_in(&whole), leads.may_be_in(&whole)), (is_data, is_leads), "{whole}");
            let named = json!({ "data": list, "customer": { "nama": "Siti" } });
            assert!(!data.may_be_in(&named) && !leads.may_be_in(&named), "it is somebody's: {named}");
        }
    }

    #[test]
    fn what_was_cut_out_is_somebody_or_has_a_flaw() {
        let data = items("x = { at = 'data[*]', people = '~leadid' }");
        for (list, flaw) in [
            (json!([{"email": "a@b.id"}]), None),
            (json!([{"lead_id": "x1"}]), None),
            (json!({"2": {"email": "a@b.id"}}), None),
            (json!([{"nama": "Tanpa Kontak"}]), Some(NOBODY)),
            (json!({"2": {"nama": "Tanpa Kontak"}}), Some(NOBODY)),
            (json!([{}]), Some(NO_FIELDS)),
            (json!([null]), Some(NO_FIELDS)),
            (json!({"2": "x"}), Some(NO_FIELDS)),
            (json!({"nama": "A"}), None),
            (json!([{"nama": "A"}, {"nama": "B"}]), None),
        ] {
            assert_eq!(data.flaw(&json!({ "data": list })), flaw, "{list}");
        }
        assert_eq!(items("x = 'data[*]'").flaw(&json!({"data": [5]})), None);
    }

    #[test]
    fn people_are_said_of_a_list() {
        for bad in
            ["x = { at = 'data', people = 'id' }", "x = { at = 'data[*]', by_name = true }", "x = { at = 'a..b' }"]
        {
            let table: toml::Table = bad.parse().unwrap();
            assert!(Items::deserialize(table["x"].clone()).is_err(), "{bad}");
        }
    }
}
