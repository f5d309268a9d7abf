//! Leads in numbers: by status, by campaign, and by how far their conversions are sent on.

use jiff::Timestamp;
use rusqlite::{Row, named_params};

use super::Records;
use super::lead::COLUMNS;
use super::lead::Lead;
use crate::sandbox::agent::answers::{Campaign, Number, SyncCounts};
use crate::sandbox::agent::period::Period;
use crate::sandbox::agent::rule::Datum;

/// The leads of a period in one status.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::sandbox) struct InStatus {
    pub(in crate::sandbox) status: String,
    pub(in crate::sandbox) leads: i64,
    /// What they are worth: each one's actual value, else its estimated one, else nothing.
    pub(in crate::sandbox) value: f64,
}

impl Records {
    /// The leads of `workspace` that came in `period`, by their present status; only those in which there are any.
    pub(in crate::sandbox) fn by_status(&self, workspace: &str, period: &Period) -> rusqlite::Result<Vec<InStatus>> {
        self.connection
            .prepare_cached(include_str!("by_status.sql"))?
            .query_map(
                named_params! {
                    ":workspace": workspace,
                    ":from": period.from.as_millisecond(),
                    ":to": period.to.as_millisecond(),
                },
                |row| Ok(InStatus { status: row.get(0)?, leads: row.get(1)?, value: row.get(2)? }),
            )?
            .collect()
    }

    /// The campaigns that brought leads of `workspace` in `period`, the largest first.
    pub(in crate::sandbox) fn by_campaign(&self, workspace: &str, period: &Period) -> rusqlite::Result<Vec<Campaign>> {
        self.connection
            .prepare_cached(include_str!("by_campaign.sql"))?
            .query_map(
                named_params! {
                    ":workspace": workspace,
                    ":from": period.from.as_millisecond(),
                    ":to": period.to.as_millisecond(),
                },
                campaign,
            )?
            .collect()
    }

    /// The leads of `workspace` that came in `period` (from `platform`, when one is named) by the state of their
    /// conversions at `now`.
    pub(in crate::sandbox) fn by_sync(
        &self,
        workspace: &str,
        period: &Period,
        platform: Option<&Datum>,
        now: Timestamp,
    ) -> rusqlite::Result<SyncCounts> {
        let counts = |row: &Row<'_>| {
            Ok(SyncCounts {
                pending: row.get(0)?,
                synced: row.get(1)?,
                partial: row.get(2)?,
                failed: row.get(3)?,
                none: row.get(4)?,
            })
        };
        self.connection.prepare_cached(include_str!("by_sync.sql"))?.query_row(
            named_params! {
                ":workspace": workspace,
                ":from": period.from.as_millisecond(),
                ":to": period.to.as_millisecond(),
                ":platform": platform,
                ":now": now.as_millisecond(),
            },
            counts,
        )
    }

    /// The newest `limit` leads of `workspace` whose conversions are on their way at `now`, or have failed.
    pub(in crate::sandbox) fn unsynced(
        &self,
        workspace: &str,
        now: Timestamp,
        limit: u32,
    ) -> rusqlite::Result<Vec<Lead>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM lead
             WHERE workspace = :workspace AND deletedAt IS NULL AND (syncDueAt > :now OR syncEnding = 'failed')
             ORDER BY createdAt DESC, seq DESC LIMIT :limit"
        );
        self.connection
            .prepare_cached(&sql)?
            .query_map(
                named_params! {":workspace": workspace, ":now": now.as_millisecond(), ":limit": limit},
                Lead::read,
            )?
            .collect()
    }

    /// Makes the conversions of `workspace` fail that `only` names by their leads' ids, all when it names none. Those on
    /// their way fail at once. Gives how many there were.
    pub(in crate::sandbox) fn fail_conversions(
        &mut self,
        workspace: &str,
        only: &[String],
        now: Timestamp,
    ) -> rusqlite::Result<usize> {
        let only = (!only.is_empty()).then(|| serde_json::json!(only).to_string());
        self.connection
            .prepare_cached(
                "UPDATE lead SET syncEnding = 'failed', syncDueAt = min(syncDueAt, :now)
                 WHERE workspace = :workspace AND deletedAt IS NULL AND syncDueAt IS NOT NULL
                   AND (:only IS NULL OR id IN (SELECT value FROM json_each(:only)))",
            )?
            .execute(named_params! {":workspace": workspace, ":only": only, ":now": now.as_millisecond()})
    }
}

fn campaign(row: &Row<'_>) -> rusqlite::Result<Campaign> {
    Ok(Campaign {
        campaign_name: row.get(0)?,
        ad_platform: row.get(1)?,
        leads: row.get(2)?,
        conversions: row.get(3)?,
        conversion_value: Number(row.get(4)?),
    })
}
