//! The leads in SQLite: create, read, update, delete. Lists are in `page.rs`, the record of commits in `ledger.rs`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::types::{FromSql, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, named_params};
use strum::VariantArray;

use super::ledger::{self, Deed};
use super::{Records, base36, drawn, instant};
use crate::sandbox::agent::conversions::{Ending, Sync};
use crate::sandbox::agent::fields::{Field, Fields};
use crate::sandbox::agent::rule::Datum;

/// The columns in the order [`Lead::read`] takes them.
pub(super) const COLUMNS: &str = "seq, id, workspace, createdAt, updatedAt, deletedAt, syncDueAt, syncEnding, syncedBefore, \
     uniqueCode, firstName, lastName, email, phone, status, priority, source, adPlatform, assignedTo, estimatedValue, \
     actualValue, notes, externalRef";

/// How many of [`COLUMNS`] come before the fields.
const BEFORE_FIELDS: usize = 9;

/// A lead as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::sandbox) struct Lead {
    /// Its number, in the order in which leads were put there.
    pub(in crate::sandbox) seq: i64,
    pub(in crate::sandbox) id: String,
    pub(in crate::sandbox) workspace: String,
    pub(in crate::sandbox) created_at: Timestamp,
    pub(in crate::sandbox) updated_at: Timestamp,
    pub(in crate::sandbox) deleted_at: Option<Timestamp>,
    /// How its conversion is sent on; `None` when there is nothing to send.
    pub(in crate::sandbox) sync: Option<Sync>,
    values: BTreeMap<Field, Datum>,
}

/// A lead before and after an update.
#[derive(Debug, PartialEq)]
pub(in crate::sandbox) struct Change {
    pub(in crate::sandbox) before: Lead,
    pub(in crate::sandbox) after: Lead,
}

/// A lead that is put there ready-made, as if it had come long ago.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::sandbox) struct Planted {
    pub(in crate::sandbox) fields: Fields,
    pub(in crate::sandbox) campaign: Option<String>,
    pub(in crate::sandbox) created_at: Timestamp,
    pub(in crate::sandbox) updated_at: Timestamp,
    pub(in crate::sandbox) sync: Option<Sync>,
}

impl Records {
    /// Commits a new lead. Its conversion, if it has one, will end as `ending`.
    pub(in crate::sandbox) fn create(
        &mut self,
        workspace: &str,
        fields: &Fields,
        ending: Ending,
        now: Timestamp,
    ) -> rusqlite::Result<Lead> {
        let seed = self.seed;
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let seq = next_seq(&transaction)?;
        let mut lead = Lead::new(workspace, Name::of(seed, seq), seq, now);
        lead.take(fields, ending, now);
        lead.insert(&transaction, None)?;
        ledger::enter(&transaction, Deed::Create, &lead, fields, now)?;
        transaction.commit()?;
        self.index.put(&lead);
        Ok(lead)
    }

    /// Whether `workspace` has no lead, not even a deleted one.
    pub(in crate::sandbox) fn is_empty(&self, workspace: &str) -> rusqlite::Result<bool> {
        self.connection
            .prepare_cached("SELECT NOT EXISTS (SELECT 1 FROM lead WHERE workspace = :workspace)")?
            .query_row(named_params! {":workspace": workspace}, |row| row.get(0))
    }

    /// Commits leads that no call made; they are in no ledger.
    pub(in crate::sandbox) fn plant(
        &mut self,
        workspace: &str,
        leads: impl Iterator<Item = Planted>,
    ) -> rusqlite::Result<()> {
        let seed = self.seed;
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let first = next_seq(&transaction)?;
        for (seq, planted) in (first..).zip(leads) {
            let mut lead = Lead::new(workspace, Name::of(seed, seq), seq, planted.created_at);
            lead.take(&planted.fields, Ending::Synced, planted.updated_at);
            lead.sync = planted.sync;
            lead.insert(&transaction, planted.campaign.as_deref())?;
        }
        transaction.commit()?;
        self.read_all()
    }

    /// The lead `id` of `workspace`, unless it is deleted.
    pub(in crate::sandbox) fn get(&self, workspace: &str, id: &str) -> rusqlite::Result<Option<Lead>> {
        get(&self.connection, workspace, id)
    }

    /// Commits `fields` over the lead `id`; `None` when there is none. If that makes a conversion of it, it will end as
    /// `ending`.
    pub(in crate::sandbox) fn update(
        &mut self,
        workspace: &str,
        id: &str,
        fields: &Fields,
        ending: Ending,
        now: Timestamp,
    ) -> rusqlite::Result<Option<Change>> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let Some(before) = get(&transaction, workspace, id)? else { return Ok(None) };
        let mut lead = before.clone();
        lead.take(fields, ending, now);
        lead.write(&transaction, include_str!("update_lead.sql"), &[])?;
        ledger::enter(&transaction, Deed::Update, &lead, fields, now)?;
        transaction.commit()?;
        self.index.put(&lead);
        Ok(Some(Change { before, after: lead }))
    }

    /// Deletes the lead `id` softly. False when there is none, or it was deleted before.
    pub(in crate::sandbox) fn delete(&mut self, id: &str, now: Timestamp) -> rusqlite::Result<bool> {
        let buried: Option<i64> = self
            .connection
            .prepare_cached("UPDATE lead SET deletedAt = :now WHERE id = :id AND deletedAt IS NULL RETURNING seq")?
            .query_row(named_params! {":now": now.as_millisecond(), ":id": id}, |row| row.get(0))
            .optional()?;
        buried.iter().for_each(|seq| self.index.bury(*seq));
        Ok(buried.is_some())
    }

    /// How many leads `workspace` has created since `start`, deleted ones included.
    pub(in crate::sandbox) fn created_since(&self, workspace: &str, start: Timestamp) -> rusqlite::Result<i64> {
        self.connection
            .prepare_cached("SELECT count(*) FROM lead WHERE workspace = :workspace AND createdAt >= :start")?
            .query_row(named_params! {":workspace": workspace, ":start": start.as_millisecond()}, |row| row.get(0))
    }
}

/// The number of the next lead.
fn next_seq(transaction: &Connection) -> rusqlite::Result<i64> {
    transaction.prepare_cached("SELECT coalesce(max(seq), 0) + 1 FROM lead")?.query_row([], |row| row.get(0))
}

fn get(connection: &Connection, workspace: &str, id: &str) -> rusqlite::Result<Option<Lead>> {
    let sql = format!("SELECT {COLUMNS} FROM lead WHERE id = :id AND workspace = :workspace AND deletedAt IS NULL");
    connection
        .prepare_cached(&sql)?
        .query_row(named_params! {":id": id, ":workspace": workspace}, Lead::read)
        .optional()
}

impl Lead {
    fn new(workspace: &str, name: Name, seq: i64, now: Timestamp) -> Self {
        let defaults = Field::VARIANTS.iter().filter_map(|field| Some((*field, field.default_value()?)));
        let code = (Field::UniqueCode, Datum::Text(name.unique_code));
        Self {
            seq,
            id: name.id,
            workspace: workspace.to_owned(),
            created_at: now,
            updated_at: now,
            deleted_at: None,
            sync: None,
            values: defaults.chain([code]).collect(),
        }
    }

    /// Puts `fields` over what is there. A `null` brings back the field's default, which most do not have. Another status
    /// or ad platform is another conversion to send on.
    fn take(&mut self, fields: &Fields, ending: Ending, now: Timestamp) {
        let conversion = |lead: &Self| [Field::Status, Field::AdPlatform].map(|field| lead.value(field).cloned());
        let before = conversion(self);
        for (field, sent) in fields {
            match sent.clone().or_else(|| field.default_value()) {
                Some(datum) => self.values.insert(*field, datum),
                None => self.values.remove(field),
            };
        }
        self.updated_at = now;
        if self.value(Field::AdPlatform).is_none() {
            self.sync = None;
        } else if self.sync.is_none() || conversion(self) != before {
            self.sync = Some(Sync::begun(now, ending, self.sync));
        }
    }

    pub(in crate::sandbox) fn value(&self, field: Field) -> Option<&Datum> {
        self.values.get(&field)
    }

    pub(in crate::sandbox) fn text(&self, field: Field) -> Option<&str> {
        match self.value(field) {
            Some(Datum::Text(text)) => Some(text),
            Some(Datum::Number(_)) | None => None,
        }
    }

    /// Reads a row of [`COLUMNS`].
    pub(in crate::sandbox) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let mut values = BTreeMap::new();
        for (at, field) in Field::VARIANTS.iter().enumerate() {
            if let Some(datum) = row.get::<_, Option<Datum>>(BEFORE_FIELDS + at)? {
                values.insert(*field, datum);
            }
        }
        Ok(Self {
            seq: row.get(0)?,
            id: row.get(1)?,
            workspace: row.get(2)?,
            created_at: instant(row.get(3)?),
            updated_at: instant(row.get(4)?),
            deleted_at: row.get::<_, Option<i64>>(5)?.map(instant),
            sync: sync(row)?,
            values,
        })
    }

    /// Puts a new lead there.
    fn insert(&self, transaction: &Connection, campaign: Option<&str>) -> rusqlite::Result<()> {
        let created = self.created_at.as_millisecond();
        self.write(
            transaction,
            include_str!("insert_lead.sql"),
            &[(":seq", &self.seq), (":workspace", &self.workspace), (":createdAt", &created), (":campaign", &campaign)],
        )
    }

    /// Runs `sql` with the parameters that both statements have, and `others`.
    fn write(&self, connection: &Connection, sql: &str, others: &[(&str, &dyn ToSql)]) -> rusqlite::Result<()> {
        let names: Vec<String> = Field::VARIANTS.iter().map(|field| format!(":{field}")).collect();
        let values: Vec<Option<&Datum>> = Field::VARIANTS.iter().map(|field| self.value(*field)).collect();
        let updated = self.updated_at.as_millisecond();
        let due = self.sync.map(|sync| sync.due.as_millisecond());
        let ending = self.sync.map(|sync| sync.ending.to_string());
        let before = self.sync.and_then(|sync| sync.before).map(Timestamp::as_millisecond);
        let mut parameters: Vec<(&str, &dyn ToSql)> = vec![(":id", &self.id), (":updatedAt", &updated)];
        parameters.extend_from_slice(&[(":syncDueAt", &due), (":syncEnding", &ending), (":syncedBefore", &before)]);
        parameters.extend(names.iter().zip(&values).map(|(name, value)| (name.as_str(), value as &dyn ToSql)));
        parameters.extend_from_slice(others);
        connection.prepare_cached(sql)?.execute(&parameters[..])?;
        Ok(())
    }
}

/// The conversion of a row of [`COLUMNS`].
fn sync(row: &Row<'_>) -> rusqlite::Result<Option<Sync>> {
    let (due, ending): (Option<i64>, Option<String>) = (row.get(6)?, row.get(7)?);
    let before: Option<i64> = row.get(8)?;
    let ending = ending.map(|word| word.parse().expect("the column takes only these words"));
    Ok(due.zip(ending).map(|(due, ending)| Sync { due: instant(due), ending, before: before.map(instant) }))
}

impl ToSql for Datum {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::Text(text) => text.to_sql(),
            Self::Number(number) => number.to_sql(),
        }
    }
}

impl FromSql for Datum {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value {
            ValueRef::Real(number) => Ok(Self::Number(number)),
            other => Ok(Self::Text(other.as_str()?.to_owned())),
        }
    }
}

/// What the sandbox calls a new lead.
struct Name {
    id: String,
    unique_code: String,
}

impl Name {
    /// Looks random, and is the same for the `seq`th lead of every run with that seed.
    fn of(seed: u64, seq: i64) -> Self {
        let digest = drawn(seed, "lead", seq);
        let (head, tail) = digest.split_at(16);
        Self { id: format!("lead_{}", base36(head)), unique_code: format!("API_{}", hex::encode_upper(&tail[..4])) }
    }
}
