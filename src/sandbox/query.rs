//! What a list is asked for: the query string, read and checked.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use strum::Display;

use super::fields::{Datum, Field, within};
use super::wire::{Details, Refusal};

/// Leads on a page when nothing is said. Source: Agent API 2.2.0, "List Leads".
const DEFAULT_LIMIT: i64 = 50;

/// The most leads on a page.
const MAX_LIMIT: i64 = 100;

/// The longest search, in Unicode scalar values.
const MAX_SEARCH: usize = 200;

/// A list's question.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Query {
    /// From 1.
    pub(super) page: i64,
    pub(super) limit: i64,
    /// The id of the last lead already seen; it wins over the page.
    pub(super) cursor: Option<String>,
    /// Fields that must have these values.
    pub(super) equal: Vec<(Field, Datum)>,
    pub(super) created_from: Option<Timestamp>,
    pub(super) created_to: Option<Timestamp>,
    /// Trimmed, not empty.
    pub(super) search: Option<String>,
    pub(super) sort_by: SortBy,
    pub(super) order: Order,
}

/// What a list is sorted by; the names are the columns'.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display)]
#[strum(serialize_all = "camelCase")]
pub(super) enum SortBy {
    CreatedAt,
    UpdatedAt,
}

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Ascending,
    Descending,
}

impl Query {
    /// Reads a query string. Parameters that the contract does not know are ignored; of a repeated one the first counts.
    pub(super) fn read(query: &str) -> Result<Self, Refusal> {
        let mut reader = Reader::of(query);
        let query = Self {
            page: reader.take("page", |text| integer(text, i64::MAX)).unwrap_or(1),
            limit: reader.take("limit", |text| integer(text, MAX_LIMIT)).unwrap_or(DEFAULT_LIMIT),
            cursor: reader.take("cursor", read_cursor),
            equal: reader.equal(),
            created_from: reader.take("createdFrom", read_instant),
            created_to: reader.take("createdTo", read_instant),
            search: reader.take("search", |text| within(text.trim(), 0, MAX_SEARCH)).filter(|text| !text.is_empty()),
            sort_by: reader.take("sortBy", read_sort_by).unwrap_or(SortBy::CreatedAt),
            order: reader.take("sortOrder", read_order).unwrap_or(Order::Descending),
        };
        if reader.details.is_empty() { Ok(query) } else { Err(Refusal::Invalid(reader.details)) }
    }
}

/// The parameters, and what was wrong with those read so far.
struct Reader {
    parameters: Vec<(String, String)>,
    details: Details,
}

impl Reader {
    fn of(query: &str) -> Self {
        Self { parameters: form_urlencoded::parse(query.as_bytes()).into_owned().collect(), details: Details::new() }
    }

    /// The parameter `name` as `read` gives it; its message is kept when it cannot be read.
    fn take<T>(&mut self, name: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let (_, text) = self.parameters.iter().find(|(known, _)| known == name)?;
        match read(text) {
            Ok(value) => Some(value),
            Err(message) => {
                self.details.insert(name.to_owned(), message);
                None
            }
        }
    }

    fn equal(&mut self) -> Vec<(Field, Datum)> {
        [Field::Status, Field::Priority, Field::Source, Field::AdPlatform, Field::AssignedTo]
            .into_iter()
            .filter_map(|field| Some((field, self.take(field.into(), |text| field.read(&Value::from(text)))?)))
            .collect()
    }
}

/// What a cursor holds. The contract's example is the base64 of `{"id":"lead_abc123"}`.
#[derive(Serialize, Deserialize)]
struct Cursor {
    id: String,
}

/// The cursor that goes on after the lead `id`.
pub(super) fn cursor_after(id: &str) -> String {
    let cursor = serde_json::to_vec(&Cursor { id: id.to_owned() }).expect("a string is always JSON");
    URL_SAFE_NO_PAD.encode(cursor)
}

/// The refusal of a cursor that names no lead.
pub(super) fn bad_cursor() -> Refusal {
    Refusal::Invalid(Details::from([("cursor".to_owned(), "Invalid cursor".to_owned())]))
}

fn read_cursor(text: &str) -> Result<String, String> {
    URL_SAFE_NO_PAD
        .decode(text.trim_end_matches('='))
        .ok()
        .and_then(|bytes| serde_json::from_slice::<Cursor>(&bytes).ok())
        .map(|cursor| cursor.id)
        .ok_or_else(|| "Invalid cursor".to_owned())
}

fn integer(text: &str, max: i64) -> Result<i64, String> {
    match text.parse::<i64>() {
        Ok(number) if number < 1 => Err("Number must be greater than or equal to 1".to_owned()),
        Ok(number) if number > max => Err(format!("Number must be less than or equal to {max}")),
        Ok(number) => Ok(number),
        Err(_) if text.parse::<f64>().is_ok_and(f64::is_finite) => Err("Expected integer, received float".to_owned()),
        Err(_) => Err("Expected number, received nan".to_owned()),
    }
}

/// An instant, a local time (taken as UTC), or a day (its first instant, UTC).
fn read_instant(text: &str) -> Result<Timestamp, String> {
    let local = || text.parse::<DateTime>().and_then(|local| Offset::UTC.to_timestamp(local));
    text.parse().or_else(|_| local()).map_err(|_| "Invalid datetime".to_owned())
}

fn read_sort_by(text: &str) -> Result<SortBy, String> {
    match text {
        "createdAt" => Ok(SortBy::CreatedAt),
        "updatedAt" => Ok(SortBy::UpdatedAt),
        other => Err(format!("Invalid enum value. Expected 'createdAt' | 'updatedAt', received '{other}'")),
    }
}

fn read_order(text: &str) -> Result<Order, String> {
    match text {
        "asc" => Ok(Order::Ascending),
        "desc" => Ok(Order::Descending),
        other => Err(format!("Invalid enum value. Expected 'asc' | 'desc', received '{other}'")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn details(query: &str) -> Details {
        match Query::read(query) {
            Err(Refusal::Invalid(details)) => details,
            other => panic!("expected field errors, got {other:?}"),
        }
    }

    #[test]
    fn an_empty_query_asks_for_the_newest_fifty() {
        let query = Query::read("").unwrap();
        assert_eq!((query.page, query.limit, query.cursor), (1, 50, None));
        assert_eq!((query.sort_by, query.order), (SortBy::CreatedAt, Order::Descending));
        assert_eq!((query.equal, query.search), (vec![], None));
    }

    #[test]
    fn every_parameter_is_read() {
        let query = Query::read(
            "page=3&limit=100&status=new&priority=low&source=ads&adPlatform=meta&utm=x&sortBy=updatedAt&sortOrder=asc\
             &assignedTo=6f1c0b7e-0000-4000-8000-00000000000a&createdFrom=2026-01-01&createdTo=2026-01-02T00:00:00%2B07:00\
             &search=+budi%20s+&page=9",
        )
        .unwrap();
        assert_eq!((query.page, query.limit), (3, 100));
        assert_eq!(query.equal.len(), 5);
        assert_eq!(query.equal[3], (Field::AdPlatform, Datum::Text("meta".to_owned())));
        assert_eq!(query.created_from.unwrap().to_string(), "2026-01-01T00:00:00Z");
        assert_eq!(query.created_to.unwrap().to_string(), "2026-01-01T17:00:00Z");
        assert_eq!(query.search.as_deref(), Some("budi s"));
        assert_eq!((query.sort_by, query.order), (SortBy::UpdatedAt, Order::Ascending));
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let found = details(&format!(
            "page=0&limit=101&cursor=%20&status=NEW&priority=&source=x&adPlatform=x&assignedTo=x&createdFrom=x\
             &createdTo=2026-13-01&search={}&sortBy=name&sortOrder=down",
            "x".repeat(201)
        ));
        assert_eq!(found.len(), 13);
        assert_eq!(found["page"], "Number must be greater than or equal to 1");
        assert_eq!(found["limit"], "Number must be less than or equal to 100");
        assert_eq!(found["cursor"], "Invalid cursor");
        assert_eq!(found["assignedTo"], "Invalid uuid");
        assert_eq!(found["createdFrom"], "Invalid datetime");
        assert_eq!(found["search"], "String must contain at most 200 character(s)");
        assert_eq!(found["sortOrder"], "Invalid enum value. Expected 'asc' | 'desc', received 'down'");
        assert_eq!(details("limit=1.5")["limit"], "Expected integer, received float");
        assert_eq!(details("page=one")["page"], "Expected number, received nan");
    }

    #[test]
    fn the_contracts_own_cursor_reads_and_is_written_alike() {
        let cursor = "eyJpZCI6ImxlYWRfYWJjMTIzIn0";
        assert_eq!(cursor_after("lead_abc123"), cursor);
        assert_eq!(Query::read(&format!("cursor={cursor}")).unwrap().cursor.as_deref(), Some("lead_abc123"));
        assert!(Query::read("cursor=eyJpZCI6MX0").is_err());
    }
}
