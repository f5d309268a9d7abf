//! Asking a sender's own API for what its webhook only names, as its preset describes it.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, de};

use super::document::document;
use super::filter::Filters;
use super::spot::{Delivery, Spot};
use super::value::Value;
use crate::providers::waits::{BLOCKED_WAIT, MINUTE, TRANSIENT_FOR, again_by, growing};
use crate::providers::{Fetched, Lookup, LookupAnswer, Secrets};

/// The member of an item under which what was fetched stands, for the places of a preset.
pub(super) const MEMBER: &str = "fetched";

/// When what is not found is asked for again: it may not be there yet.
const NOT_FOUND_WAITS: [Duration; 3] = [MINUTE, Duration::from_mins(5), Duration::from_mins(30)];

/// The longest id that may stand in a URL.
const MAX_ID: usize = 64;

/// What is asked for. Without a token nothing is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fetch {
    /// Which items only name their lead; all where absent.
    #[serde(default)]
    when: Filters,
    /// The address of the API, without what follows the host.
    base_url: Base,
    /// What follows it, with places of the item in braces.
    path: Template,
    /// The bearer token.
    token: Option<Secrets>,
}

/// An address like `https://api.example.com`.
#[derive(Debug)]
struct Base(String);

impl<'de> Deserialize<'de> for Base {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let is_web = url::Url::parse(&text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        match is_web {
            true => Ok(Self(text.trim_end_matches('/').to_owned())),
            false => Err(de::Error::custom("fetch.base_url: an address like https://api.example.com")),
        }
    }
}

/// A text with places in braces: what stands before each, the place, and what follows the last.
#[derive(Debug)]
struct Template(Vec<(String, Spot)>, String);

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut rest = text.as_str();
        let mut parts = Vec::new();
        while let Some((before, after)) = rest.split_once('{') {
            let (place, behind) =
                after.split_once('}').ok_or_else(|| de::Error::custom("fetch.path: `}` is missing"))?;
            parts.push((before.to_owned(), place.parse().map_err(de::Error::custom)?));
            rest = behind;
        }
        Ok(Self(parts, rest.to_owned()))
    }
}

impl Template {
    /// Filled in; `None` where a place is empty, or holds what is no id.
    fn filled(&self, delivery: &Delivery<'_>) -> Option<String> {
        let mut text = String::new();
        for (before, spot) in &self.0 {
            let id = delivery.texts(spot).into_iter().next().filter(|id| is_id(id))?;
            text = text + before + &id;
        }
        Some(text + &self.1)
    }
}

/// True for what can lead nowhere else in a URL.
fn is_id(text: &str) -> bool {
    (1..=MAX_ID).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

impl Fetch {
    /// The question for the lead that `delivery` names; `None` where it says everything itself, or nobody may ask.
    pub(super) fn lookup(&self, delivery: &Delivery<'_>) -> Option<Lookup> {
        let token = self.token.as_ref()?;
        let only_names = self.when.iter().next().is_none() || self.when.any_at_all(delivery);
        let is_new = delivery.item.get(MEMBER).is_none();
        let path = self.path.filled(delivery).filter(|_| only_names && is_new)?;
        Some(Lookup {
            url: format!("{}{path}", self.base_url.0),
            query: Vec::new(),
            bearer: Some(token.first().to_owned().into()),
            headers: vec![("Accept", "application/json".to_owned())],
            scope: None,
        })
    }
}

/// Judges the answer to it.
pub(super) fn judge(answer: &LookupAnswer<'_>) -> Fetched {
    let is_object = read(answer.body).is_some_and(|value| value.is_object());
    match answer.status {
        200..=299 if is_object => Fetched::Lead(Bytes::copy_from_slice(answer.body)),
        401 => blocked("the sender's API does not take the access token: set a new one"),
        403 => blocked("the access token may not read leads at the sender: give it that right there"),
        404 | 410 => again_by(&NOT_FOUND_WAITS, answer.failing_for, NOT_SHOWN),
        429 => Fetched::Throttled(until_allowed(answer), "the sender's limit for this access is used up".to_owned()),
        status if (400..500).contains(&status) => Fetched::GiveUp(format!(
            "the sender's API refused the question (HTTP {status}): check `fetch` of the source, then replay"
        )),
        _ if answer.failing_for >= TRANSIENT_FOR => {
            Fetched::GiveUp("the sender's API has failed for a day: replay once it is well".to_owned())
        }
        status => Fetched::RetryAfter(
            growing(MINUTE / 2, answer.failing_for),
            format!("the sender's API fails (HTTP {status})"),
        ),
    }
}

const NOT_SHOWN: &str = "the sender does not show this lead (it was deleted, or the access is missing): check the access \
                         token's rights, then replay";

fn blocked(why: &str) -> Fetched {
    Fetched::Blocked(BLOCKED_WAIT, why.to_owned())
}

/// As long as the sender says, an hour at most; where it does not say, a minute growing to an hour.
fn until_allowed(answer: &LookupAnswer<'_>) -> Duration {
    let header = answer.headers.iter().find(|(name, _)| name == "retry-after");
    let said = header.and_then(|(_, seconds)| seconds.parse().ok()).map(|seconds: u64| seconds.clamp(1, 3600));
    said.map_or_else(|| growing(MINUTE, answer.failing_for), Duration::from_secs)
}

/// Puts what was `fetched` into the item of `whole` that stands at `found`, so that places find it.
pub(super) fn put<'v>(whole: &'v Value<'v>, found: &Value<'_>, fetched: &'v [u8]) -> Option<Value<'v>> {
    let fetched = read(fetched)?;
    let way = way_to(whole, found)?;
    let mut whole = whole.clone();
    let found = way.into_iter().try_fold(&mut whole, Value::part_mut)?;
    *found.as_object_mut()?.or_insert(MEMBER, || Value::Null) = fetched;
    Some(whole)
}

fn read(answer: &[u8]) -> Option<Value<'_>> {
    document(std::str::from_utf8(answer).ok()?).ok()
}

/// Where `wanted`, which is a part of `value`, stands in it: which part of each part, from the top down.
fn way_to(value: &Value<'_>, wanted: &Value<'_>) -> Option<Vec<usize>> {
    if std::ptr::addr_eq(value, wanted) {
        return Some(Vec::new());
    }
    let mut parts = value.parts().enumerate();
    parts.find_map(|(at, part)| way_to(part, wanted).map(|rest| [vec![at], rest].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::mapped::value::json;

    fn fetch() -> Fetch {
        toml::from_str(
            "base_url = 'https://api.example.com/'\npath = '/contacts/{id}?properties=email'\ntoken = 'pat-of-nobody'\n\
             when = { path = 'kind', equals = 'created' }",
        )
        .unwrap()
    }

    fn url(item: &Value) -> Option<String> {
        fetch().lookup(&Delivery::of(item)).map(|lookup| lookup.url)
    }

    #[test]
    fn what_only_names_a_lead_is_asked_for_and_nothing_else() {
        let asked = "https://api.example.com/contacts/51?properties=email";
        assert_eq!(url(&json!({"kind": "created", "id": 51})).as_deref(), Some(asked));
        for item in [
            json!({"kind": "changed", "id": 51}),
            json!({"kind": "created"}),
            json!({"kind": "created", "id": "../me"}),
            json!({"kind": "created", "id": 51, "fetched": {}}),
        ] {
            assert_eq!(url(&item), None, "{item}");
        }
        assert!(!format!("{:?}", fetch()).contains("pat-of-nobody"));
        let without = Fetch { token: None, ..fetch() };
        assert!(without.lookup(&Delivery::of(&json!({"kind": "created", "id": 51}))).is_none());
    }

    #[test]
    fn each_kind_of_trouble_has_its_end() {
        let judged = |status, body: &str, failing_for| {
            judge(&LookupAnswer { status, headers: &[], body: body.as_bytes(), failing_for })
        };
        let now = Duration::ZERO;
        for lead in ["{}", r#"{"a":1e999}"#] {
            assert!(matches!(judged(200, lead, now), Fetched::Lead(_)), "{lead}");
        }
        assert!(matches!(judged(401, "", now), Fetched::Blocked(..)));
        assert!(matches!(judged(403, "{}", now), Fetched::Blocked(..)));
        assert!(matches!(judged(404, "{}", now), Fetched::RetryAfter(MINUTE, _)));
        assert!(matches!(judged(404, "{}", TRANSIENT_FOR), Fetched::GiveUp(_)));
        assert!(matches!(judged(429, "", now), Fetched::Throttled(MINUTE, _)));
        assert!(matches!(judged(400, "", now), Fetched::GiveUp(_)));
        for (status, body) in [(500, ""), (200, "<html>"), (200, "[]"), (302, "")] {
            assert!(matches!(judged(status, body, now), Fetched::RetryAfter(..)), "{status} {body}");
        }
        assert!(matches!(judged(502, "", TRANSIENT_FOR), Fetched::GiveUp(_)));
        let headers = [("retry-after".to_owned(), "7".to_owned())];
        let told = judge(&LookupAnswer { status: 429, headers: &headers, body: b"", failing_for: now });
        assert!(matches!(told, Fetched::Throttled(wait, _) if wait == Duration::from_secs(7)));
    }

    #[test]
    fn what_was_fetched_stands_in_its_item() {
        let whole = json!({"a/b": [{"id": 1}, {"id": 2}]});
        let put = put(&whole, whole.get("a/b").unwrap().at(1).unwrap(), br#"{"x":7}"#).unwrap();
        assert_eq!(put, json!({"a/b": [{"id": 1}, {"id": 2, "fetched": {"x": 7}}]}));
    }
}
