//! Lists of leads: filters, search, order, pages and cursors, as SQL.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rusqlite::types::Value;
use rusqlite::{OptionalExtension, ToSql, named_params};
use serde::Deserialize;

use super::Records;
use super::lead::{COLUMNS, Lead, folded};
use crate::sandbox::agent::query::{Cursor, Order, Query, SortBy};
use crate::sandbox::agent::rule::Datum;
use crate::sandbox::settings::Workspace;

/// What a list gives.
#[derive(Debug)]
pub(in crate::sandbox) struct Page {
    pub(in crate::sandbox) leads: Vec<Lead>,
    /// All leads that fit the filters, whatever the page.
    pub(in crate::sandbox) total: i64,
    /// Whether there are more after these.
    pub(in crate::sandbox) more: bool,
}

/// The cursor names no lead of the workspace.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::sandbox) struct UnknownCursor;

/// A part of one of the sandbox's own lists: what comes after number `after`, at most `limit`.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::sandbox) struct Part {
    pub(in crate::sandbox) after: i64,
    limit: Option<u32>,
}

impl Part {
    /// For `LIMIT`, where a negative number is none.
    pub(in crate::sandbox) fn sql_limit(self) -> i64 {
        self.limit.map_or(-1, i64::from)
    }
}

impl Records {
    /// The page of `workspace` that `query` asks for. Leads created after `visible_until` are not found.
    pub(in crate::sandbox) fn page(
        &self,
        workspace: &Workspace,
        query: &Query,
        visible_until: Option<Timestamp>,
    ) -> rusqlite::Result<Result<Page, UnknownCursor>> {
        let mut filter = Filter::of(workspace, query, visible_until);
        let total = filter.count(self)?;
        if let Some(cursor) = &query.cursor {
            let Some(place) = self.place(&workspace.name, cursor, query.sort_by)? else {
                return Ok(Err(UnknownCursor));
            };
            filter.start_after(place, query);
        }
        let mut leads = filter.leads(self, query)?;
        let limit = usize::try_from(query.limit).expect("a limit is 1 to 100");
        let more = leads.len() > limit;
        leads.truncate(limit);
        Ok(Ok(Page { leads, total, more }))
    }

    /// Where the lead of `cursor` stood in the order, deleted or not.
    fn place(&self, workspace: &str, cursor: &Cursor, sort_by: SortBy) -> rusqlite::Result<Option<(i64, i64)>> {
        let stands: Option<(i64, i64)> = self
            .connection
            .prepare_cached(&format!("SELECT {sort_by}, seq FROM lead WHERE id = :id AND workspace = :workspace"))?
            .query_row(named_params! {":id": cursor.id, ":workspace": workspace}, |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        // By its update a lead may have moved since; what never moves needs no note of where it was.
        let noted = cursor.at.filter(|_| sort_by == SortBy::UpdatedAt);
        Ok(stands.map(|(at, seq)| (noted.unwrap_or(at), seq)))
    }

    /// Every lead of `part` with its number, oldest first, deleted ones included.
    pub(in crate::sandbox) fn all(&self, part: Part) -> rusqlite::Result<Vec<Lead>> {
        self.connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM lead WHERE seq > :after ORDER BY seq LIMIT :limit"))?
            .query_map(named_params! {":after": part.after, ":limit": part.sql_limit()}, Lead::read)?
            .collect()
    }
}

/// The trigram index is asked for the last so many characters of a search and the rest is compared: a reference begins
/// like all others and ends in its own digits, and a long phrase costs a walk along the list of each of its trigrams.
const TAIL: usize = 8;

/// A `WHERE` clause that holds only the conditions asked for, so that SQLite can choose an index by them.
struct Filter {
    tables: &'static str,
    conditions: Vec<String>,
    parameters: Vec<(String, Value)>,
}

impl Filter {
    fn of(workspace: &Workspace, query: &Query, visible_until: Option<Timestamp>) -> Self {
        let mut filter =
            Self { tables: "lead", conditions: vec!["deletedAt IS NULL".to_owned()], parameters: Vec::new() };
        filter.add("workspace = :workspace", ":workspace", workspace.name.clone().into());
        let zone: &TimeZone = &workspace.time_zone;
        for (field, datum) in &query.equal {
            filter.add(&format!("{field} = :{field}"), &format!(":{field}"), value(datum));
        }
        for (condition, name, instant) in [
            ("createdAt >= :from", ":from", query.created_from.map(|when| when.instant(zone))),
            ("createdAt <= :to", ":to", query.created_to.map(|when| when.instant(zone))),
            ("createdAt <= :visible", ":visible", visible_until),
        ] {
            if let Some(instant) = instant {
                filter.add(condition, name, instant.as_millisecond().into());
            }
        }
        if let Some(search) = &query.search {
            filter.search(&folded(search));
        }
        filter
    }

    fn add(&mut self, condition: &str, name: &str, value: Value) {
        self.conditions.push(condition.to_owned());
        self.parameters.push((name.to_owned(), value));
    }

    /// Trigrams need three characters; for less every haystack is looked through.
    fn search(&mut self, needle: &str) {
        // CROSS holds SQLite to this order: first what the search finds, which is little, then those leads.
        self.tables = "lead_search CROSS JOIN lead ON lead.seq = lead_search.rowid";
        let length = needle.chars().count();
        if length >= 3 {
            let tail: String = needle.chars().skip(length.saturating_sub(TAIL)).collect();
            let phrase = format!("\"{}\"", tail.replace('"', "\"\""));
            self.add("lead_search MATCH :phrase", ":phrase", phrase.into());
        }
        if !(3..=TAIL).contains(&length) {
            self.add("instr(lead_search.haystack, :needle) > 0", ":needle", needle.to_owned().into());
        }
    }

    fn start_after(&mut self, (at, seq): (i64, i64), query: &Query) {
        let comparison = match query.order {
            Order::Ascending => '>',
            Order::Descending => '<',
        };
        self.add(&format!("({}, seq) {comparison} (:place, :placeSeq)", query.sort_by), ":place", at.into());
        self.parameters.push((":placeSeq".to_owned(), seq.into()));
    }

    fn count(&self, records: &Records) -> rusqlite::Result<i64> {
        records
            .connection
            .prepare_cached(&format!("SELECT count(*) FROM {} WHERE {}", self.tables, self.conditions.join(" AND ")))?
            .query_row(&self.bound()[..], |row| row.get(0))
    }

    /// One lead more than the page takes, to know whether there are more. Whole rows are read only for these, not for all
    /// that have to be sorted or passed over.
    fn leads(&mut self, records: &Records, query: &Query) -> rusqlite::Result<Vec<Lead>> {
        let (by, order) = match query.order {
            Order::Ascending => (query.sort_by, "ASC"),
            Order::Descending => (query.sort_by, "DESC"),
        };
        let offset = if query.cursor.is_some() { 0 } else { (query.page - 1).saturating_mul(query.limit) };
        self.parameters.push((":limit".to_owned(), (query.limit + 1).into()));
        self.parameters.push((":offset".to_owned(), offset.into()));
        let sql = format!(
            "SELECT {COLUMNS} FROM lead WHERE seq IN (
                 SELECT seq FROM {} WHERE {} ORDER BY {by} {order}, seq {order} LIMIT :limit OFFSET :offset
             ) ORDER BY {by} {order}, seq {order}",
            self.tables,
            self.conditions.join(" AND "),
        );
        records.connection.prepare_cached(&sql)?.query_map(&self.bound()[..], Lead::read)?.collect()
    }

    fn bound(&self) -> Vec<(&str, &dyn ToSql)> {
        self.parameters.iter().map(|(name, value)| (name.as_str(), value as &dyn ToSql)).collect()
    }
}

fn value(datum: &Datum) -> Value {
    match datum {
        Datum::Text(text) => text.clone().into(),
        Datum::Number(number) => (*number).into(),
    }
}
