//! The leads in SQLite: create, read, update, delete. Lists are in `page.rs`, the record of commits in `ledger.rs`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::types::{FromSql, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, named_params};
use sha2::{Digest, Sha256};
use strum::VariantArray;

use super::fields::{Datum, Field, Fields};
use super::ledger::{self, Deed};
use super::settings::Database;

/// How long a second process that has the same file open is waited for.
const BUSY_WAIT: std::time::Duration = std::time::Duration::from_secs(5);

/// The columns in the order [`Lead::read`] takes them.
pub(super) const COLUMNS: &str = "lead.id, lead.workspace, lead.createdAt, lead.updatedAt, lead.deletedAt, \
     lead.uniqueCode, lead.firstName, lead.lastName, lead.email, lead.phone, lead.status, lead.priority, lead.source, \
     lead.adPlatform, lead.assignedTo, lead.estimatedValue, lead.actualValue, lead.notes, lead.externalRef";

/// How many of [`COLUMNS`] come before the fields.
const BEFORE_FIELDS: usize = 5;

/// A lead as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Lead {
    pub(super) id: String,
    pub(super) workspace: String,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    pub(super) deleted_at: Option<Timestamp>,
    values: BTreeMap<Field, Datum>,
}

/// The database. Its calls block for as long as SQLite takes.
#[derive(Debug)]
pub(super) struct Leads {
    pub(super) connection: Connection,
    seed: u64,
}

impl Leads {
    /// Opens `database`, making what is not there. Ids are drawn from `seed`.
    pub(super) fn open(database: &Database, seed: u64) -> rusqlite::Result<Self> {
        let connection = match database {
            Database::Memory => Connection::open_in_memory()?,
            Database::File(path) => Connection::open(path)?,
        };
        connection.busy_timeout(BUSY_WAIT)?;
        // NORMAL survives the death of the process; only a power cut may take the last commits, which a sandbox can bear.
        connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")?;
        connection.execute_batch(include_str!("schema.sql"))?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(Self { connection, seed })
    }

    /// Commits a new lead.
    pub(super) fn create(&mut self, workspace: &str, fields: &Fields, now: Timestamp) -> rusqlite::Result<Lead> {
        let seed = self.seed;
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let seq: i64 = transaction
            .prepare_cached("SELECT coalesce(max(seq), 0) + 1 FROM lead")?
            .query_row([], |row| row.get(0))?;
        let lead = Lead::new(workspace, fields, Name::of(seed, seq), now);
        lead.write(
            &transaction,
            include_str!("insert_lead.sql"),
            &[(":seq", &seq), (":workspace", &lead.workspace), (":createdAt", &lead.created_at.as_millisecond())],
        )?;
        transaction
            .prepare_cached("INSERT INTO lead_search (rowid, haystack) VALUES (:seq, :haystack)")?
            .execute(named_params! {":seq": seq, ":haystack": lead.haystack()})?;
        ledger::enter(&transaction, Deed::Create, &lead, fields, now)?;
        transaction.commit()?;
        Ok(lead)
    }

    /// The lead `id` of `workspace`, unless it is deleted.
    pub(super) fn get(&self, workspace: &str, id: &str) -> rusqlite::Result<Option<Lead>> {
        get(&self.connection, workspace, id)
    }

    /// Commits `fields` over the lead `id`; `None` when there is none.
    pub(super) fn update(
        &mut self,
        workspace: &str,
        id: &str,
        fields: &Fields,
        now: Timestamp,
    ) -> rusqlite::Result<Option<Lead>> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let Some(mut lead) = get(&transaction, workspace, id)? else { return Ok(None) };
        lead.take(fields, now);
        lead.write(&transaction, include_str!("update_lead.sql"), &[])?;
        transaction
            .prepare_cached(
                "UPDATE lead_search SET haystack = :haystack
                 WHERE rowid = (SELECT seq FROM lead WHERE id = :id) AND haystack <> :haystack",
            )?
            .execute(named_params! {":id": lead.id, ":haystack": lead.haystack()})?;
        ledger::enter(&transaction, Deed::Update, &lead, fields, now)?;
        transaction.commit()?;
        Ok(Some(lead))
    }

    /// Deletes the lead `id` softly. False when there is none, or it was deleted before.
    pub(super) fn delete(&mut self, id: &str, now: Timestamp) -> rusqlite::Result<bool> {
        let changed = self
            .connection
            .prepare_cached("UPDATE lead SET deletedAt = :now WHERE id = :id AND deletedAt IS NULL")?
            .execute(named_params! {":now": now.as_millisecond(), ":id": id})?;
        Ok(changed == 1)
    }

    /// How many leads `workspace` has created since `start`, deleted ones included.
    pub(super) fn created_since(&self, workspace: &str, start: Timestamp) -> rusqlite::Result<i64> {
        self.connection
            .prepare_cached("SELECT count(*) FROM lead WHERE workspace = :workspace AND createdAt >= :start")?
            .query_row(named_params! {":workspace": workspace, ":start": start.as_millisecond()}, |row| row.get(0))
    }

    /// Forgets everything.
    pub(super) fn reset(&mut self) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        transaction.execute_batch(include_str!("reset.sql"))?;
        transaction.commit()
    }
}

fn get(connection: &Connection, workspace: &str, id: &str) -> rusqlite::Result<Option<Lead>> {
    let sql = format!("SELECT {COLUMNS} FROM lead WHERE id = :id AND workspace = :workspace AND deletedAt IS NULL");
    connection
        .prepare_cached(&sql)?
        .query_row(named_params! {":id": id, ":workspace": workspace}, Lead::read)
        .optional()
}

impl Lead {
    fn new(workspace: &str, fields: &Fields, name: Name, now: Timestamp) -> Self {
        let mut lead = Self {
            id: name.id,
            workspace: workspace.to_owned(),
            created_at: now,
            updated_at: now,
            deleted_at: None,
            values: Field::VARIANTS.iter().filter_map(|field| Some((*field, field.default_value()?))).collect(),
        };
        lead.values.insert(Field::UniqueCode, Datum::Text(name.unique_code));
        lead.take(fields, now);
        lead
    }

    /// Puts `fields` over what is there. A `null` brings back the field's default, which most do not have.
    fn take(&mut self, fields: &Fields, now: Timestamp) {
        for (field, sent) in fields {
            match sent.clone().or_else(|| field.default_value()) {
                Some(datum) => self.values.insert(*field, datum),
                None => self.values.remove(field),
            };
        }
        self.updated_at = now;
    }

    pub(super) fn value(&self, field: Field) -> Option<&Datum> {
        self.values.get(&field)
    }

    pub(super) fn text(&self, field: Field) -> Option<&str> {
        match self.value(field) {
            Some(Datum::Text(text)) => Some(text),
            Some(Datum::Number(_)) | None => None,
        }
    }

    /// Reads a row of [`COLUMNS`].
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let mut values = BTreeMap::new();
        for (at, field) in Field::VARIANTS.iter().enumerate() {
            if let Some(datum) = row.get::<_, Option<Datum>>(BEFORE_FIELDS + at)? {
                values.insert(*field, datum);
            }
        }
        Ok(Self {
            id: row.get(0)?,
            workspace: row.get(1)?,
            created_at: instant(row.get(2)?),
            updated_at: instant(row.get(3)?),
            deleted_at: row.get::<_, Option<i64>>(4)?.map(instant),
            values,
        })
    }

    /// What a search looks through. A part cannot run from one field into the next; both names are one.
    fn haystack(&self) -> String {
        let name = [Field::FirstName, Field::LastName].iter().filter_map(|field| self.text(*field)).collect::<Vec<_>>();
        let others = [Field::Email, Field::Phone, Field::UniqueCode, Field::ExternalRef];
        let parts = std::iter::once(name.join(" "))
            .chain(others.iter().filter_map(|field| self.text(*field)).map(str::to_owned))
            .map(|part| folded(&part));
        parts.collect::<Vec<_>>().join("\n")
    }

    /// Runs `sql` with the parameters that both statements have, and `others`.
    fn write(&self, connection: &Connection, sql: &str, others: &[(&str, &dyn ToSql)]) -> rusqlite::Result<()> {
        let names: Vec<String> = Field::VARIANTS.iter().map(|field| format!(":{field}")).collect();
        let values: Vec<Option<&Datum>> = Field::VARIANTS.iter().map(|field| self.value(*field)).collect();
        let updated = self.updated_at.as_millisecond();
        let mut parameters: Vec<(&str, &dyn ToSql)> = vec![(":id", &self.id), (":updatedAt", &updated)];
        parameters.extend(names.iter().zip(&values).map(|(name, value)| (name.as_str(), value as &dyn ToSql)));
        parameters.extend_from_slice(others);
        connection.prepare_cached(sql)?.execute(&parameters[..])?;
        Ok(())
    }
}

/// Text as the search compares it: lower case, control characters as spaces.
pub(super) fn folded(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().to_lowercase()
}

pub(super) fn instant(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).expect("only instants were written")
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
        let digest = Sha256::new().chain_update(seed.to_be_bytes()).chain_update(seq.to_be_bytes()).finalize();
        let (head, tail) = digest.split_at(16);
        Self { id: format!("lead_{}", base36(head)), unique_code: format!("API_{}", hex::encode_upper(&tail[..4])) }
    }
}

/// Twelve characters of base 36 from `bytes`.
fn base36(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    bytes.iter().take(12).map(|byte| char::from(DIGITS[usize::from(*byte) % 36])).collect()
}
