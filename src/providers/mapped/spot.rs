//! Where something stands in a delivery: in its item, in the whole of it, or in a header.

use std::borrow::Cow;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};

use super::document;
use super::path::{BadPath, Path};
use super::value::Value;
use crate::domain::attribution;
use crate::providers::person::is_user_id;

/// One place: `answers.email` in the item, `$.event_id` in the whole document, `header:x-webhook-id`, `@` for the item
/// itself. `|tail` behind it takes what follows the last slash, `|host` the host of a URL, `|digits` the digits,
/// `|number` the digits where it is a number, with what a spreadsheet puts before one (`l:120…`) taken off, `|long_number` the
/// same of 15 digits and more, as platforms number leads and nobody numbers rows, `|sheet_lead` the digits behind the `l:`
/// that Meta's spreadsheets put before the id of a lead, `|sheet_id` an id without what they put before any (`f:120…`),
/// `|opaque` what is no number at all, of
/// `urn:li:…:249592fc-6` what follows the last colon, `|network` the network that is meant, `meta` where it says `Facebook Ads`, `|user_id` what has the form of a
/// user id of WhatsApp's (`ID.1349…`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spot {
    at: At,
    part: Part,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum At {
    Item(Path),
    Whole(Path),
    Header(String),
}

/// Which part of a text counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    All,
    Tail,
    Host,
    Digits,
    Number,
    LongNumber,
    SheetLead,
    SheetId,
    Opaque,
    Network,
    UserId,
}

/// What Meta's spreadsheets put before the digits of an id: of a lead, a form, an ad, an ad set, a campaign.
const SHEET: [&str; 5] = ["l:", "f:", "ag:", "as:", "c:"];

/// The shortest number of a lead that a platform has given: leads of Meta's are reported with 15 to 17 digits, those of
/// TikTok's have 19.
const LONG: usize = 15;

/// One lead's part of a delivery.
#[derive(Debug, Clone, Copy)]
pub(super) struct Delivery<'v> {
    /// The document, with this one item in the list where there is a list.
    pub(super) whole: &'v Value<'v>,
    /// The item in it.
    pub(super) item: &'v Value<'v>,
    /// The kept headers, names in lower case; none at delivery.
    pub(super) headers: &'v [(String, String)],
}

impl<'v> Delivery<'v> {
    /// A document that is its own item, without headers.
    pub(super) fn of(whole: &'v Value<'v>) -> Self {
        Self { whole, item: whole, headers: &[] }
    }

    /// Every value at `spot`; none for headers.
    pub(super) fn values(&self, spot: &Spot) -> Vec<&'v Value<'v>> {
        match &spot.at {
            At::Item(path) => path.all(self.item),
            At::Whole(path) => path.all(self.whole),
            At::Header(_) => Vec::new(),
        }
    }

    /// Every text at `spot` that is not blank.
    pub(super) fn texts(&self, spot: &Spot) -> Vec<String> {
        let mut texts = Vec::new();
        let _all: Option<()> = self.find_text(spot, |text| {
            texts.push(text.into_owned());
            None
        });
        texts
    }

    /// The first text at any of `spots` that is not blank.
    pub(super) fn text(&self, spots: &Spots) -> Option<String> {
        spots.0.iter().find_map(|spot| self.find_text(spot, |text| Some(text.into_owned())))
    }

    /// True when `wanted` holds of a text at `spot` that is not blank.
    pub(super) fn has_text(&self, spot: &Spot, wanted: impl Fn(&str) -> bool) -> bool {
        self.find_text(spot, |text| wanted(&text).then_some(())).is_some()
    }

    /// What `wanted` makes of the first text at `spot` of which it makes anything; blank ones are not shown to it.
    fn find_text<T>(&self, spot: &Spot, mut wanted: impl FnMut(Cow<'_, str>) -> Option<T>) -> Option<T> {
        let mut of = |text: &str| spot.part.of(text).and_then(&mut wanted);
        match &spot.at {
            At::Header(name) => self.headers.iter().filter(|(known, _)| known == name).find_map(|(_, value)| of(value)),
            At::Item(path) => path.find_map(self.item, |value| of(&document::word(value)?)),
            At::Whole(path) => path.find_map(self.whole, |value| of(&document::word(value)?)),
        }
    }

    /// The first of `names` all of whose texts are there, joined with colons.
    pub(super) fn name(&self, names: &Names) -> Option<String> {
        let whole = |parts: &Vec<Spot>| {
            let parts: Option<Vec<_>> = parts.iter().map(|spot| self.id(spot)).collect();
            parts.map(|parts| parts.join(":"))
        };
        names.0.iter().find_map(whole)
    }

    /// Each of `names` all of whose texts are there, as [`Self::name`] writes it.
    pub(super) fn names(&self, names: &Names) -> Vec<String> {
        names.0.iter().filter_map(|parts| self.name(&Names(vec![parts.clone()]))).collect()
    }

    /// The id at `spot`. `0` is what senders write who have none.
    fn id(&self, spot: &Spot) -> Option<String> {
        match &spot.at {
            At::Header(_) => self.find_text(spot, |text| Some(text.into_owned())),
            At::Item(_) | At::Whole(_) => {
                let ids = self.values(spot).into_iter().filter_map(document::id);
                ids.filter(|id| id != "0").find_map(|id| spot.part.of(&id).map(Cow::into_owned))
            }
        }
    }
}

impl Spot {
    /// What stands there, in a word: `answers[type=email].email` is `email`.
    pub(super) fn label(&self) -> String {
        match &self.at {
            At::Item(path) | At::Whole(path) => path.last_name().unwrap_or_default().to_owned(),
            At::Header(name) => name.clone(),
        }
    }

    /// The header that it names.
    pub(super) fn header(&self) -> Option<&str> {
        match &self.at {
            At::Header(name) => Some(name),
            At::Item(_) | At::Whole(_) => None,
        }
    }

    /// True for what stands in the whole document or in a header.
    pub(super) fn is_around(&self) -> bool {
        match &self.at {
            At::Item(_) => false,
            At::Whole(_) | At::Header(_) => true,
        }
    }

    /// True when what counts of a value is all of it or nothing.
    pub(super) fn is_all_or_nothing(&self) -> bool {
        matches!(self.part, Part::All | Part::UserId | Part::SheetId)
    }

    /// True when there is more than the values themselves: a part of each counts.
    pub(super) fn is_part(&self) -> bool {
        self.part != Part::All
    }
}

impl Part {
    fn of(self, text: &str) -> Option<Cow<'_, str>> {
        let text = text.trim();
        let part: Cow<'_, str> = match self {
            Self::All => text.into(),
            Self::Tail => text.trim_end_matches('/').rsplit('/').next().unwrap_or_default().into(),
            Self::Host => url::Url::parse(text).ok()?.host_str()?.to_owned().into(),
            Self::Digits => text.chars().filter(char::is_ascii_digit).collect::<String>().into(),
            Self::Number => number(text)?.into(),
            Self::LongNumber => number(text).filter(|digits| digits.len() >= LONG)?.into(),
            Self::SheetLead => text.strip_prefix("l:").filter(|digits| is_digits(digits))?.into(),
            Self::SheetId => {
                let bare = SHEET.iter().find_map(|prefix| text.strip_prefix(prefix));
                bare.filter(|digits| is_digits(digits)).unwrap_or(text).into()
            }
            Self::Network => attribution::network(text)?.to_string().into(),
            Self::Opaque if number(text).is_some() => return None,
            Self::Opaque if text.starts_with("urn:") => text.rsplit(':').next().unwrap_or_default().into(),
            Self::Opaque => text.into(),
            Self::UserId => Some(text).filter(|text| is_user_id(text))?.into(),
        };
        (!part.is_empty()).then_some(part)
    }
}

/// `120…` of `l:120…`: digits, with at most one word and a colon before them.
fn number(text: &str) -> Option<&str> {
    let digits = match text.split_once(':') {
        Some((word, digits)) if word.bytes().all(|byte| byte.is_ascii_alphabetic()) => digits,
        Some(_) => return None,
        None => text,
    };
    digits.bytes().all(|byte| byte.is_ascii_digit()).then_some(digits)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl std::fmt::Display for Spot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.at {
            At::Item(path) | At::Whole(path) => path.fmt(f),
            At::Header(name) => f.write_str(name),
        }
    }
}

impl FromStr for Spot {
    type Err = BadPath;

    fn from_str(text: &str) -> Result<Self, BadPath> {
        let (place, part) = match text.rsplit_once('|') {
            Some((place, "tail")) => (place, Part::Tail),
            Some((place, "host")) => (place, Part::Host),
            Some((place, "digits")) => (place, Part::Digits),
            Some((place, "number")) => (place, Part::Number),
            Some((place, "long_number")) => (place, Part::LongNumber),
            Some((place, "sheet_lead")) => (place, Part::SheetLead),
            Some((place, "sheet_id")) => (place, Part::SheetId),
            Some((place, "network")) => (place, Part::Network),
            Some((place, "opaque")) => (place, Part::Opaque),
            Some((place, "user_id")) => (place, Part::UserId),
            Some(_) => return Err(BadPath::of(text)),
            None => (text, Part::All),
        };
        let at = match place {
            "@" => At::Item(Path::default()),
            "$" => At::Whole(Path::default()),
            _ if place.starts_with("header:") => At::Header(place["header:".len()..].to_ascii_lowercase()),
            _ => {
                match place.strip_prefix("$.").or_else(|| place.strip_prefix('$').filter(|rest| rest.starts_with('[')))
                {
                    Some(path) => At::Whole(path.parse()?),
                    None => At::Item(place.parse()?),
                }
            }
        };
        Ok(Self { at, part })
    }
}

impl<'de> Deserialize<'de> for Spot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Places of which the first that is filled counts; one or a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Spots(pub(super) Vec<Spot>);

impl<'de> Deserialize<'de> for Spots {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        one_or_many(deserializer).map(Self)
    }
}

/// Names of something, of which the first that is there counts. Each is one place, or a list of places that make it
/// together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Names(pub(super) Vec<Vec<Spot>>);

impl Names {
    /// Every place in it.
    pub(super) fn spots(&self) -> impl Iterator<Item = &Spot> {
        self.0.iter().flatten()
    }
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names: Vec<Spots> = one_or_many(deserializer)?;
        Ok(Self(names.into_iter().map(|spots| spots.0).collect()))
    }
}

/// Reads one value, or a list of them. An error is that of the value, which says what may stand there.
pub(super) fn one_or_many<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let value = toml::Value::deserialize(deserializer)?;
    let values = match value {
        toml::Value::Array(values) => values,
        one => vec![one],
    };
    let read = |value: toml::Value| T::deserialize(value).map_err(|error| de::Error::custom(error.message()));
    values.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::mapped::value::json;

    fn spot(text: &str) -> Spot {
        text.parse().unwrap()
    }

    #[test]
    fn a_place_is_in_the_item_the_whole_or_a_header() {
        let whole = json!({"id": "e1", "data": {"id": 7, "url": "https://site.example/a/b/", "no": "0812-34", "l": "l:120", "x": "abc-1", "u": "ID.1a",
            "f": "f:7", "w": "f:a7", "long": "l:987654321098765", "net": "Facebook Ads", "urn": "urn:li:leadGenFormResponse:249592fc-6"}});
        let headers = [("x-id".to_owned(), "h1".to_owned())];
        let delivery = Delivery { whole: &whole, item: whole.get("data").unwrap(), headers: &headers };
        for (text, found) in [
            ("id", "7"),
            ("$.id", "e1"),
            ("header:X-Id", "h1"),
            ("url|tail", "b"),
            ("url|host", "site.example"),
            ("no|digits", "081234"),
            ("id|number", "7"),
            ("l|number", "120"),
            ("l|sheet_lead", "120"),
            ("f|sheet_id", "7"),
            ("x|sheet_id", "abc-1"),
            ("id|sheet_id", "7"),
            ("w|sheet_id", "f:a7"),
            ("long|long_number", "987654321098765"),
            ("urn|opaque", "249592fc-6"),
            ("x|opaque", "abc-1"),
            ("net|network", "meta"),
            ("u|user_id", "ID.1a"),
        ] {
            assert_eq!(delivery.texts(&spot(text)), [found], "{text}");
        }
        assert_eq!(delivery.values(&spot("@")), [whole.get("data").unwrap()]);
        for none in [
            "no|number",
            "x|number",
            "x|user_id",
            "id|user_id",
            "l|long_number",
            "f|sheet_lead",
            "id|sheet_lead",
            "id|opaque",
            "long|opaque",
            "x|network",
        ] {
            assert!(delivery.texts(&spot(none)).is_empty(), "{none}");
        }
        assert!(delivery.texts(&spot("none")).is_empty() && delivery.texts(&spot("header:none")).is_empty());
    }

    #[test]
    fn a_name_is_whole_or_the_next_one_counts() {
        let item = json!({"a": "1", "b": "2", "none": "0"});
        let delivery = Delivery { whole: &item, item: &item, headers: &[] };
        let name = |toml: &str| {
            let table: toml::Table = toml.parse().unwrap();
            delivery.name(&Names::deserialize(table["x"].clone()).unwrap())
        };
        assert_eq!(name("x = [['a', 'missing'], ['a', 'b']]").as_deref(), Some("1:2"));
        assert_eq!(name("x = ['none', 'b']").as_deref(), Some("2"));
        assert_eq!(name("x = 'a'").as_deref(), Some("1"));
        assert_eq!(name("x = 'missing'"), None);
    }

    #[test]
    fn a_text_that_is_no_place_is_refused() {
        for bad in ["", "a..b", "a|nose", "$.", "a|"] {
            assert!(bad.parse::<Spot>().is_err(), "{bad}");
        }
    }
}
