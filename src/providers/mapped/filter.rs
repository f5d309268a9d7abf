//! Which deliveries are about leads, and which are tests or spam.

use serde::{Deserialize, Deserializer};

use super::document;
use super::spot::{Delivery, Spot, Spots, one_or_many};
use super::value::Value;

/// A test of what stands at one place, or at one of several. Without any of the comparisons it holds where something stands
/// there.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    /// Where.
    path: Spots,
    /// It is this: a text, number or boolean.
    equals: Option<toml::Value>,
    /// It is one of these.
    #[serde(rename = "in")]
    among: Option<Vec<toml::Value>>,
    /// It is something, and none of these.
    other_than: Option<Vec<toml::Value>>,
    /// It is none of these, or is not there.
    not_in: Option<Vec<toml::Value>>,
    /// It begins like this.
    prefix: Option<String>,
    /// It ends like this.
    suffix: Option<String>,
    /// Whether something stands there that is neither `null` nor blank.
    exists: Option<bool>,
}

impl Filter {
    /// True when it holds: all its comparisons for one value at its place.
    pub(super) fn holds(&self, delivery: &Delivery<'_>) -> bool {
        if self.exists.is_some_and(|wanted| wanted != self.is_filled(delivery)) {
            return false;
        }
        let Self { path, equals, among, other_than, not_in, prefix, suffix, exists: _ } = self;
        let is_one_of = |known: &[toml::Value], text: &str| known.iter().any(|known| says(known, text));
        let any_text = |holds: &dyn Fn(&str) -> bool| path.0.iter().any(|spot| delivery.has_text(spot, holds));
        if not_in.as_ref().is_some_and(|unwanted| any_text(&|text| is_one_of(unwanted, text))) {
            return false;
        }
        let lists = [among, other_than].into_iter().all(Option::is_none);
        if lists && equals.is_none() && prefix.is_none() && suffix.is_none() {
            return self.exists.is_some() || not_in.is_some() || self.is_filled(delivery);
        }
        any_text(&|text| {
            equals.as_ref().is_none_or(|wanted| says(wanted, text))
                && among.as_ref().is_none_or(|wanted| is_one_of(wanted, text))
                && other_than.as_ref().is_none_or(|known| !is_one_of(known, text))
                && prefix.as_ref().is_none_or(|prefix| text.starts_with(prefix.as_str()))
                && suffix.as_ref().is_none_or(|suffix| text.ends_with(suffix.as_str()))
        })
    }

    /// True when it compares with a known value, so that the value says nothing more to a reader.
    pub(super) fn is_known(&self) -> bool {
        self.equals.is_some() || self.among.as_ref().is_some_and(|wanted| wanted.len() == 1)
    }

    /// The places.
    pub(super) fn spots(&self) -> impl Iterator<Item = &Spot> {
        self.path.0.iter()
    }

    /// True when one of its places is around the item.
    fn is_around(&self) -> bool {
        self.spots().any(Spot::is_around)
    }

    fn is_filled(&self, delivery: &Delivery<'_>) -> bool {
        let group = |value: &&Value<'_>| match value {
            Value::Array(list) => !list.is_empty(),
            Value::Object(members) => !members.is_empty(),
            plain => document::word(plain).is_some_and(|text| !text.trim().is_empty()),
        };
        // Of a value of which a part counts, only that part is there.
        let values = self.spots().filter(|spot| !spot.is_part()).flat_map(|spot| delivery.values(spot));
        values.collect::<Vec<_>>().iter().any(group) || self.spots().any(|spot| delivery.has_text(spot, |_| true))
    }
}

/// True when senders write this value of the configuration so.
fn says(value: &toml::Value, text: &str) -> bool {
    match value {
        toml::Value::String(known) => known == text,
        other => other.to_string() == text,
    }
}

/// Several filters; one or a list.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Filters(Vec<Filter>);

impl Filters {
    /// True when all hold of those that look `around` the item, or of those that look into it.
    pub(super) fn all(&self, delivery: &Delivery<'_>, around: bool) -> bool {
        self.of(around).all(|filter| filter.holds(delivery))
    }

    /// True when one holds of those that look `around` the item, or of those that look into it.
    pub(super) fn any(&self, delivery: &Delivery<'_>, around: bool) -> bool {
        self.of(around).any(|filter| filter.holds(delivery))
    }

    /// True when one holds, wherever it looks.
    pub(super) fn any_at_all(&self, delivery: &Delivery<'_>) -> bool {
        self.0.iter().any(|filter| filter.holds(delivery))
    }

    /// True when all hold, wherever they look.
    pub(super) fn all_of_them(&self, delivery: &Delivery<'_>) -> bool {
        self.0.iter().all(|filter| filter.holds(delivery))
    }

    /// True when there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Filter> {
        self.0.iter()
    }

    fn of(&self, around: bool) -> impl Iterator<Item = &Filter> {
        self.0.iter().filter(move |filter| filter.is_around() == around)
    }
}

impl<'de> Deserialize<'de> for Filters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        one_or_many(deserializer).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::mapped::value::json;

    #[test]
    fn each_comparison_does_what_it_says() {
        let item = json!({
            "kind": "form_response", "mine": true, "n": 0, "to": "12@g.us", "blank": " ", "null": null,
            "list": ["a", "b"], "none": [],
        });
        let delivery = Delivery { whole: &item, item: &item, headers: &[] };
        for (filter, holds) in [
            ("path = 'kind'\nequals = 'form_response'", true),
            ("path = 'kind'\nequals = 'other'", false),
            ("path = 'kind'\nin = ['x', 'form_response']", true),
            ("path = 'kind'\nin = []", false),
            ("path = 'kind'\nother_than = ['x']", true),
            ("path = 'kind'\nother_than = ['form_response', 'x']", false),
            ("path = 'missing'\nother_than = ['x']", false),
            ("path = 'kind'\nnot_in = ['x']", true),
            ("path = 'missing'\nnot_in = ['x']", true),
            ("path = 'kind'\nnot_in = ['form_response']", false),
            ("path = 'kind'\nequals = 'form_response'\nnot_in = ['x']", true),
            ("path = 'mine'\nequals = true", true),
            ("path = 'mine'\nequals = 'true'", true),
            ("path = 'n'\nequals = 0", true),
            ("path = 'to'\nsuffix = '@g.us'", true),
            ("path = 'to'\nprefix = '1'\nsuffix = '@lid'", false),
            ("path = 'list[*]'\nequals = 'b'", true),
            ("path = 'kind'", true),
            ("path = 'blank'", false),
            ("path = 'null'\nexists = true", false),
            ("path = 'null'\nexists = false", true),
            ("path = 'list'\nexists = true", true),
            ("path = 'none'\nexists = true", false),
            ("path = 'missing'\nequals = ''", false),
            ("path = '$.kind'\nexists = true\nprefix = 'form'", true),
            ("path = ['missing', 'kind']\nequals = 'form_response'", true),
            ("path = ['missing', 'kind']\nother_than = ['form_response']", false),
            ("path = ['missing', 'blank']\nexists = false", true),
            ("path = 'to|number'\nexists = true", false),
            ("path = 'n|number'\nexists = true", true),
        ] {
            let filter: Filter = toml::from_str(filter).unwrap();
            assert_eq!(filter.holds(&delivery), holds, "{filter:?}");
        }
    }
}
