//! What really happened: every committed create and update in order, and how many calls there were of each kind.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Connection, Row, named_params};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::lead::Lead;
use super::page::Part;
use super::{Records, instant};
use crate::sandbox::agent::calls::Kind;
use crate::sandbox::agent::fields::{Field, Fields};
use crate::sandbox::agent::lead;
use crate::sandbox::world::Outcome;

/// The answer of `GET /sandbox/ledger`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    /// What was committed, oldest first.
    pub entries: Vec<Entry>,
    /// What was asked since the start or the last reset.
    pub calls: Calls,
}

/// One commit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Its number, from 1.
    pub seq: i64,
    /// When it was committed.
    pub at: Timestamp,
    /// What it was.
    pub deed: Deed,
    /// In which workspace.
    pub workspace: String,
    /// The lead.
    pub lead_id: String,
    /// The lead's `externalRef` after it.
    pub external_ref: Option<String>,
    /// The fields as they were sent.
    pub fields: Map<String, Value>,
}

/// What was committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the words say it")]
pub enum Deed {
    Create,
    Update,
}

/// Calls, counted by what the caller got.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Calls {
    /// All of the Agent API.
    pub total: u64,
    /// Those answered 429 by the limiter.
    pub rate_limited: u64,
    /// By status; `cut` for those that got no answer.
    pub by_status: BTreeMap<String, u64>,
    /// The same, by kind of call, such as `list` or `conversion_status`; `unknown` for what is no call.
    pub by_call: BTreeMap<String, BTreeMap<String, u64>>,
    /// Calls of the Graph stand-in, by status. They are in none of the others.
    pub graph: BTreeMap<String, u64>,
}

impl Calls {
    /// Counts one call of the Agent API. `limited` when the limiter refused it.
    pub(in crate::sandbox) fn count(&mut self, kind: Option<Kind>, outcome: &Outcome, limited: bool) {
        let kind = kind.map_or_else(|| "unknown".to_owned(), |kind| kind.to_string());
        let status = match outcome {
            Outcome::Answer(answer) => answer.status.to_string(),
            Outcome::Cut => "cut".to_owned(),
        };
        self.total += 1;
        self.rate_limited += u64::from(limited);
        *self.by_call.entry(kind).or_default().entry(status.clone()).or_default() += 1;
        *self.by_status.entry(status).or_default() += 1;
    }

    /// Counts one call of the Graph stand-in.
    pub(in crate::sandbox) fn count_graph(&mut self, status: u16) {
        *self.graph.entry(status.to_string()).or_default() += 1;
    }
}

impl Deed {
    const fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
        }
    }
}

/// Writes down a commit, inside its transaction.
pub(in crate::sandbox) fn enter(
    transaction: &Connection,
    deed: Deed,
    lead: &Lead,
    sent: &Fields,
    now: Timestamp,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO ledger (at, deed, workspace, leadId, externalRef, fields)
             VALUES (:at, :deed, :workspace, :leadId, :externalRef, :fields)",
        )?
        .execute(named_params! {
            ":at": now.as_millisecond(),
            ":deed": deed.word(),
            ":workspace": lead.workspace,
            ":leadId": lead.id,
            ":externalRef": lead.text(Field::ExternalRef),
            ":fields": Value::from(lead::sent(sent)).to_string(),
        })?;
    Ok(())
}

impl Records {
    /// The commits of `part`, oldest first.
    pub(in crate::sandbox) fn entries(&self, part: Part) -> rusqlite::Result<Vec<Entry>> {
        self.connection
            .prepare_cached(
                "SELECT seq, at, deed = 'create', workspace, leadId, externalRef, fields
                 FROM ledger WHERE seq > :after ORDER BY seq LIMIT :limit",
            )?
            .query_map(named_params! {":after": part.after, ":limit": part.sql_limit()}, entry)?
            .collect()
    }
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let fields: String = row.get(6)?;
    Ok(Entry {
        seq: row.get(0)?,
        at: instant(row.get(1)?),
        deed: if row.get(2)? { Deed::Create } else { Deed::Update },
        workspace: row.get(3)?,
        lead_id: row.get(4)?,
        external_ref: row.get(5)?,
        fields: serde_json::from_str(&fields).expect("only JSON objects were written"),
    })
}
