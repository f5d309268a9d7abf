//! Lists of leads: pages and cursors, and the parts of the sandbox's own lists. What fits is found in `index.rs`.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, named_params};
use serde::Deserialize;

use super::Records;
use super::index::{Place, Question};
use super::lead::{COLUMNS, Lead};
use crate::sandbox::agent::query::{Cursor, Query, SortBy};
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
        &mut self,
        workspace: &Workspace,
        query: &Query,
        visible_until: Option<Timestamp>,
    ) -> rusqlite::Result<Result<Page, UnknownCursor>> {
        self.catch_up()?;
        let after = match &query.cursor {
            None => None,
            Some(cursor) => match self.place(&workspace.name, cursor, query.sort_by)? {
                None => return Ok(Err(UnknownCursor)),
                place => place,
            },
        };
        let found = self.index.find(&Question { workspace, query, visible_until, after });
        let mut statement = self.connection.prepare_cached(&format!("SELECT {COLUMNS} FROM lead WHERE seq = ?"))?;
        let leads = found.seqs.iter().map(|seq| statement.query_row([seq], Lead::read)).collect::<Result<_, _>>()?;
        let total = i64::try_from(found.total).expect("leads are countable");
        Ok(Ok(Page { leads, total, more: found.more }))
    }

    /// Where the lead of `cursor` stood in the order, deleted or not.
    fn place(&self, workspace: &str, cursor: &Cursor, sort_by: SortBy) -> rusqlite::Result<Option<Place>> {
        let stands: Option<Place> = self
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
