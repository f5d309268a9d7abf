//! Places in a JSON document.

use std::str::FromStr;

use serde_json::Value;

/// A place in a JSON document: names joined by dots, positions as `[0]`, anything as `*` or `[*]`.
///
/// `data.email`, `data.phones[0].number`, `leads[*].id`. A name that itself has a dot or a bracket cannot be said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::providers) struct Path(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Name(String),
    Index(usize),
    Any,
}

/// One step of the way down to where the walk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Here<'v> {
    Name(&'v str),
    Index(usize),
}

impl Path {
    /// The first value at this place, in the document's order; `null` counts as nothing.
    pub(in crate::providers) fn find<'v>(&self, document: &'v Value) -> Option<&'v Value> {
        find(&self.0, document)
    }

    /// The value at this place to be changed; only for places without `*`.
    pub(in crate::providers) fn find_mut<'v>(&self, document: &'v mut Value) -> Option<&'v mut Value> {
        self.0.iter().try_fold(document, |at, step| match step {
            Step::Name(name) => at.get_mut(name),
            Step::Index(index) => at.get_mut(index),
            Step::Any => None,
        })
    }

    /// Puts `value` at this place, making what lies on the way; `*` and positions are the first of their list.
    pub(in crate::providers) fn put(&self, document: &mut Value, value: Value) {
        let mut at = document;
        for step in &self.0 {
            at = match step {
                Step::Name(name) => {
                    if !at.is_object() {
                        *at = Value::Object(serde_json::Map::new());
                    }
                    &mut at[name.as_str()]
                }
                Step::Index(_) | Step::Any => {
                    if !at.is_array() {
                        *at = Value::Array(vec![Value::Null]);
                    }
                    &mut at[0]
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

    /// How many steps are `*`.
    pub(in crate::providers) fn open_steps(&self) -> usize {
        self.0.iter().filter(|step| **step == Step::Any).count()
    }
}

/// True when `steps` lead exactly to `here`.
fn fits(steps: &[Step], here: &[Here<'_>]) -> bool {
    let fit = |(step, here): (&Step, &Here<'_>)| match (step, here) {
        (Step::Any, _) => true,
        (Step::Name(wanted), Here::Name(name)) => wanted == name,
        (Step::Index(wanted), Here::Index(index)) => wanted == index,
        (Step::Name(_), Here::Index(_)) | (Step::Index(_), Here::Name(_)) => false,
    };
    steps.len() == here.len() && steps.iter().zip(here).all(fit)
}

fn find<'v>(steps: &[Step], at: &'v Value) -> Option<&'v Value> {
    let Some((step, rest)) = steps.split_first() else {
        return Some(at).filter(|value| !value.is_null());
    };
    match (step, at) {
        (Step::Name(name), _) => at.get(name).and_then(|below| find(rest, below)),
        (Step::Index(index), _) => at.get(index).and_then(|below| find(rest, below)),
        (Step::Any, Value::Array(list)) => list.iter().find_map(|below| find(rest, below)),
        (Step::Any, Value::Object(object)) => object.values().find_map(|below| find(rest, below)),
        (Step::Any, _) => None,
    }
}

impl Path {
    /// True when this place is where the walk is.
    pub(super) fn leads_to(&self, here: &[Here<'_>]) -> bool {
        fits(&self.0, here)
    }

    /// True when this place is a single element of the list where the walk is.
    pub(super) fn is_element_of(&self, list: &[Here<'_>]) -> bool {
        match self.0.split_last() {
            Some((Step::Index(_) | Step::Any, above)) => fits(above, list),
            Some((Step::Name(_), _)) | None => false,
        }
    }
}

impl std::fmt::Display for Path {
    /// Writes the place as [`leaves`](super::leaves) writes keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().enumerate().try_for_each(|(place, step)| match step {
            Step::Name(name) if place == 0 => write!(f, "{name}"),
            Step::Name(name) => write!(f, ".{name}"),
            Step::Index(index) => write!(f, "[{index}]"),
            Step::Any => f.write_str("[*]"),
        })
    }
}

/// A text that is no [`Path`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a place in JSON; write it like `data.email`, `data.phones[0].number` or `leads[*].id`")]
pub(in crate::providers) struct BadPath(String);

impl FromStr for Path {
    type Err = BadPath;

    fn from_str(text: &str) -> Result<Self, BadPath> {
        let steps: Option<Vec<_>> = text.split('.').map(steps_of).collect();
        steps.map(|steps| Self(steps.concat())).ok_or_else(|| BadPath(text.to_owned()))
    }
}

/// The steps of one part between dots: a name with positions behind it (`phones[0]`), or positions alone (`[0]`).
fn steps_of(part: &str) -> Option<Vec<Step>> {
    let (name, mut positions) = part.split_at(part.find('[').unwrap_or(part.len()));
    let mut steps = match name {
        "" if positions.is_empty() => return None,
        name if name.contains(']') => return None,
        "" => Vec::new(),
        "*" => vec![Step::Any],
        name => vec![Step::Name(name.to_owned())],
    };
    while let Some((position, rest)) = positions.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        steps.push(if position == "*" { Step::Any } else { Step::Index(position.parse().ok()?) });
        positions = rest;
    }
    positions.is_empty().then_some(steps)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

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
    fn a_text_that_is_no_place_is_refused() {
        for bad in ["", ".", "a.", ".a", "a..b", "a[", "a[]", "a[x]", "a[-1]", "a[0]b", "a]"] {
            assert_eq!(bad.parse::<Path>(), Err(BadPath(bad.to_owned())));
        }
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
        fn what_is_put_is_found(place in r"[a-c*](\[[0*]\])?(\.[a-c*]){0,3}") {
            let mut document = Value::Null;
            path(&place).put(&mut document, json!("here"));
            prop_assert_eq!(path(&place).find(&document), Some(&json!("here")));
        }
    }
}
