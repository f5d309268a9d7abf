//! What a list is asked for: the query string, read and checked.

use std::num::IntErrorKind;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use strum::{Display, EnumString, IntoStaticStr, VariantArray};
use utoipa::openapi::path::Parameter as Described;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

use super::fields::Field;
use super::parameter::{Parameter, Reader, When, described};
use super::rule::{Datum, Rule};
use super::wire::{Details, Refusal};

/// Leads on a page when nothing is said. Source: Agent API 2.2.0, "List Leads".
const DEFAULT_LIMIT: i64 = 50;

/// The most leads on a page.
const MAX_LIMIT: i64 = 100;

/// The last page that can be asked for: JavaScript counts no further.
const MAX_PAGE: i64 = 9_007_199_254_740_991;

/// What is searched for.
const SEARCHED: Rule = Rule::Text { min: 0, max: 200 };

/// The fields that a list can be filtered by.
pub(in crate::sandbox) const EQUAL: [Field; 5] =
    [Field::Status, Field::Priority, Field::Source, Field::AdPlatform, Field::AssignedTo];

/// A list's question.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::sandbox) struct Query {
    /// From 1.
    pub(in crate::sandbox) page: i64,
    pub(in crate::sandbox) limit: i64,
    /// The last lead already seen; it wins over the page.
    pub(in crate::sandbox) cursor: Option<Cursor>,
    /// Fields that must have these values.
    pub(in crate::sandbox) equal: Vec<(Field, Datum)>,
    pub(in crate::sandbox) created_from: Option<When>,
    pub(in crate::sandbox) created_to: Option<When>,
    /// Trimmed, not empty.
    pub(in crate::sandbox) search: Option<String>,
    pub(in crate::sandbox) sort_by: SortBy,
    pub(in crate::sandbox) order: Order,
}

/// What a list is sorted by; the names are the columns'.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "camelCase")]
pub(in crate::sandbox) enum SortBy {
    CreatedAt,
    UpdatedAt,
}

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
pub(in crate::sandbox) enum Order {
    #[strum(serialize = "asc")]
    Ascending,
    #[strum(serialize = "desc")]
    Descending,
}

/// What a cursor holds. The contract's example is the base64 of `{"id":"lead_abc123"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::sandbox) struct Cursor {
    /// The last lead already seen.
    pub(in crate::sandbox) id: String,
    /// When it had been updated, in Unix milliseconds, for lists sorted by that: the lead may have moved since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::sandbox) at: Option<i64>,
}

impl Cursor {
    /// As a caller gets it.
    pub(in crate::sandbox) fn written(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).expect("text and a number are always JSON"))
    }

    fn read(text: &str) -> Result<Self, String> {
        let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('='));
        let cursor = bytes.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        cursor.ok_or_else(|| "Invalid cursor".to_owned())
    }
}

const PAGE: Parameter<i64> = Parameter {
    name: "page",
    about: "Which page, from 1.",
    read: |text| integer(text, MAX_PAGE),
    schema: || counting(MAX_PAGE),
};
const LIMIT: Parameter<i64> = Parameter {
    name: "limit",
    about: "Leads on a page; 50 when nothing is said.",
    read: |text| integer(text, MAX_LIMIT),
    schema: || counting(MAX_LIMIT),
};
const CURSOR: Parameter<Cursor> = Parameter {
    name: "cursor",
    about: "The `nextCursor` of the page before; it wins over `page`.",
    read: Cursor::read,
    schema: || ObjectBuilder::new().schema_type(Type::String).build(),
};
const CREATED_FROM: Parameter<When> = Parameter {
    name: "createdFrom",
    about: "Only leads created at this time or later. A time without an offset is the workspace's own.",
    read: When::read,
    schema: When::schema,
};
const CREATED_TO: Parameter<When> =
    Parameter { name: "createdTo", about: "Only leads created at this time or before.", ..CREATED_FROM };
const SEARCH: Parameter<String> = Parameter {
    name: "search",
    about: "A part of the name, email, phone, uniqueCode or externalRef, in any case.",
    read: |text| SEARCHED.text(text),
    schema: || SEARCHED.schema(),
};
const SORT_BY: Parameter<SortBy> = Parameter {
    name: "sortBy",
    about: "What the list is sorted by; `createdAt` when nothing is said.",
    read: |text| Rule::one_of::<SortBy>().text(text).map(|word| word.parse().expect("it is one of the words")),
    schema: || Rule::one_of::<SortBy>().schema(),
};
const SORT_ORDER: Parameter<Order> = Parameter {
    name: "sortOrder",
    about: "Which way; `desc` when nothing is said.",
    read: |text| Rule::one_of::<Order>().text(text).map(|word| word.parse().expect("it is one of the words")),
    schema: || Rule::one_of::<Order>().schema(),
};

impl Query {
    /// Reads a query string. Parameters that the contract does not know are ignored; of a repeated one the first counts.
    pub(in crate::sandbox) fn read(query: &str) -> Result<Self, Refusal> {
        let mut reader = Reader::of(query);
        let query = Self {
            page: reader.take(&PAGE).unwrap_or(1),
            limit: reader.take(&LIMIT).unwrap_or(DEFAULT_LIMIT),
            cursor: reader.take(&CURSOR),
            equal: EQUAL
                .into_iter()
                .filter_map(|field| {
                    Some((field, reader.read(field.into(), |text| field.rule().read(&Value::from(text)))?))
                })
                .collect(),
            created_from: reader.take(&CREATED_FROM),
            created_to: reader.take(&CREATED_TO),
            search: reader.take(&SEARCH).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()),
            sort_by: reader.take(&SORT_BY).unwrap_or(SortBy::CreatedAt),
            order: reader.take(&SORT_ORDER).unwrap_or(Order::Descending),
        };
        reader.done(query)
    }

    /// What [`Query::read`] takes.
    pub(in crate::sandbox) fn parameters() -> Vec<Described> {
        let equal = EQUAL
            .iter()
            .map(|field| described(field.into(), "Only leads that have this value.", field.rule().schema()));
        [PAGE.described(), LIMIT.described(), CURSOR.described()]
            .into_iter()
            .chain(equal)
            .chain([CREATED_FROM.described(), CREATED_TO.described(), SEARCH.described()])
            .chain([SORT_BY.described(), SORT_ORDER.described()])
            .collect()
    }
}

/// The refusal of a cursor that names no lead.
pub(in crate::sandbox) fn bad_cursor() -> Refusal {
    Refusal::Invalid(Details::from([("cursor".to_owned(), "Invalid cursor".to_owned())]))
}

/// A number from 1 up to `max`.
fn counting(max: i64) -> Object {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(max)).build()
}

fn integer(text: &str, max: i64) -> Result<i64, String> {
    let too_large = || Err(format!("Number must be less than or equal to {max}"));
    match text.parse::<i64>() {
        Ok(number) if number < 1 => Err("Number must be greater than or equal to 1".to_owned()),
        Ok(number) if number > max => too_large(),
        Ok(number) => Ok(number),
        Err(error) if *error.kind() == IntErrorKind::PosOverflow => too_large(),
        Err(_) if text.parse::<f64>().is_ok_and(f64::is_finite) => Err("Expected integer, received float".to_owned()),
        Err(_) => Err("Expected number, received nan".to_owned()),
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
        let instant = |when: Option<When>| when.unwrap().instant(&jiff::tz::TimeZone::UTC).to_string();
        assert_eq!(instant(query.created_from), "2026-01-01T00:00:00Z");
        assert_eq!(instant(query.created_to), "2026-01-01T17:00:00Z");
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
        let beyond = "Number must be less than or equal to 9007199254740991";
        assert_eq!(details("page=99999999999999999999")["page"], beyond);
    }

    #[test]
    fn what_is_described_is_what_is_read() {
        let names: Vec<String> = Query::parameters().into_iter().map(|parameter| parameter.name).collect();
        assert_eq!(names.len(), 13);
        for name in names {
            assert_eq!(details(&format!("{name}={}", "\u{e9}".repeat(201))).into_keys().collect::<Vec<_>>(), [name]);
        }
    }

    #[test]
    fn the_contracts_own_cursor_reads_and_is_written_alike() {
        let text = "eyJpZCI6ImxlYWRfYWJjMTIzIn0";
        let cursor = Cursor { id: "lead_abc123".to_owned(), at: None };
        assert_eq!(cursor.written(), text);
        assert_eq!(Query::read(&format!("cursor={text}")).unwrap().cursor, Some(cursor));
        assert!(Query::read("cursor=eyJpZCI6MX0").is_err());
    }
}
