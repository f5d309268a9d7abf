//! What the sandbox keeps, in one SQLite schema, in memory or in a file: workspaces and their keys, leads, tickets, and the
//! ledger of what was committed.

pub(in crate::sandbox) mod analytics;
mod directory;
mod index;
pub(in crate::sandbox) mod lead;
pub(in crate::sandbox) mod ledger;
pub(in crate::sandbox) mod page;
pub(in crate::sandbox) mod tickets;

use jiff::Timestamp;
use rusqlite::Connection;
use sha2::{Digest, Sha256};

use self::index::Index;
use self::lead::{COLUMNS, Lead};
use super::settings::Database;

/// How long a second process that has the same file open is waited for.
const BUSY_WAIT: std::time::Duration = std::time::Duration::from_secs(5);

/// The database. Its calls block for as long as SQLite takes.
#[derive(Debug)]
pub(in crate::sandbox) struct Records {
    connection: Connection,
    seed: u64,
    index: Index,
    /// The state of the database that the index shows: SQLite changes it when another process writes.
    version: i64,
}

impl Records {
    /// Opens `database`, making what is not there. Ids are drawn from `seed`.
    pub(in crate::sandbox) fn open(database: &Database, seed: u64) -> rusqlite::Result<Self> {
        let connection = match database {
            Database::Memory => Connection::open_in_memory()?,
            Database::File(path) => Connection::open(path)?,
        };
        connection.busy_timeout(BUSY_WAIT)?;
        // NORMAL survives the death of the process; only a power cut may take the last commits, which a sandbox can bear.
        connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")?;
        connection.execute_batch(include_str!("schema.sql"))?;
        connection.set_prepared_statement_cache_capacity(64);
        let mut records = Self { connection, seed, index: Index::default(), version: 0 };
        records.catch_up()?;
        Ok(records)
    }

    /// Brings the index to what the database has, if another process has written to it.
    fn catch_up(&mut self) -> rusqlite::Result<()> {
        let version = self.connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
        if version != self.version {
            self.read_all()?;
            self.version = version;
        }
        Ok(())
    }

    /// Makes the index anew.
    fn read_all(&mut self) -> rusqlite::Result<()> {
        self.index = Index::default();
        let mut statement = self.connection.prepare_cached(&format!("SELECT {COLUMNS} FROM lead ORDER BY seq"))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            self.index.put(&Lead::read(row)?);
        }
        Ok(())
    }

    /// Forgets everything.
    pub(in crate::sandbox) fn reset(&mut self) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        transaction.execute_batch(include_str!("reset.sql"))?;
        transaction.commit()?;
        self.read_all()
    }
}

/// The instant of a column.
fn instant(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).expect("only instants were written")
}

/// Bytes that look random, and are the same for the `seq`th thing of this kind in every run with that seed.
fn drawn(seed: u64, kind: &str, seq: i64) -> [u8; 32] {
    let digest = Sha256::new().chain_update(seed.to_be_bytes()).chain_update(seq.to_be_bytes()).chain_update(kind);
    digest.finalize().into()
}

/// Twelve characters of base 36 from `bytes`.
fn base36(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    bytes.iter().take(12).map(|byte| char::from(DIGITS[usize::from(*byte) % 36])).collect()
}
