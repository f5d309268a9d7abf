//! The connection of the writer, and what it keeps in memory beside the file: counters, limiter, pause.
//!
//! Whatever stands in memory is written in the transaction that changes it, and read again when a transaction fails; so it
//! is never ahead of the file, and opening needs no counting.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::config::DbConfig;
use rusqlite::{CachedStatement, Connection, Error, OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::lanes::{LaneRow, Stored};
use super::mailbox::Sync;
use super::past::{self, Past, Runs};
use super::values::{PATIENCE, count, int, json, json_at, nanos, time};
use super::{OpenError, sql};
use crate::store::cap::free_disk;
use crate::store::day::UnderWay;
use crate::store::gate::{Gate, GateRecord, LINES, Line};
use crate::store::lane::{self, Lane, State, Wait};
use crate::store::suspicion::{AFTER_A_LOSS, AFTER_A_RESTORE};
use crate::store::time::{Tick, Time};
use crate::store::{Options, PermitId};

/// The version of `schema.sql`.
const SCHEMA: i64 = 7;
/// "konb" in ASCII: says whose file it is.
const APPLICATION: i64 = 0x6b6f_6e62;
/// Memory for pages, in KiB. Claims walk along the file, so more of it does not make them faster.
const PAGE_CACHE_KIB: i64 = 4096;
/// How large the log may stay on disk once it begins anew, in bytes.
pub(super) const LOG_KEPT: i64 = 64 << 20;
/// Statements kept ready.
const STATEMENTS: usize = 64;

/// The writer's side of the store.
pub(super) struct Db {
    pub(super) conn: Connection,
    pub(super) options: Options,
    pub(super) counts: Counts,
    pub(super) gate: Gate,
    /// The gate is not as it was written.
    pub(super) gate_moved: bool,
    /// Permits from here on are not written yet.
    permits_written: u64,
    written: Counts,
    time: Time,
    dir: PathBuf,
    /// What the disk has left for this transaction, once that was asked.
    room: Option<u64>,
    sync: Sync,
    runs: Runs,
}

/// What is counted and numbered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counts {
    pub(super) next_place: u64,
    pub(super) next_seq: u64,
    pub(super) next_lane: u64,
    /// Records that were taken out of the inbox, and events that were forgotten or put back into it.
    pub(super) sorted: u64,
    pub(super) gone: u64,
    pub(super) inbox: u64,
    pub(super) bytes: u64,
    /// Events by state.
    pub(super) events: [u64; 5],
    /// Ready lanes by line.
    pub(super) ready: [u64; LINES],
    /// Waiting lanes by line.
    pub(super) waiting: [u64; LINES],
    pub(super) leased: u64,
    /// Of the leased ones, those that may create their leads. Every start begins with none.
    #[serde(default)]
    pub(super) creating: u64,
    pub(super) dead: u64,
    /// Of the waiting ones, those that wait for tomorrow.
    #[serde(default)]
    pub(super) parked: u64,
    /// Leads to be searched for once more.
    #[serde(default)]
    pub(super) to_verify: u64,
    /// Leads that were forgotten.
    #[serde(default)]
    pub(super) forgotten: u64,
    /// Names in the table `alias`.
    #[serde(default)]
    pub(super) aliases: u64,
}

impl Counts {
    const fn nothing() -> Self {
        Self {
            next_place: 1,
            next_seq: 1,
            next_lane: 1,
            sorted: 0,
            gone: 0,
            inbox: 0,
            bytes: 0,
            events: [0; 5],
            ready: [0; LINES],
            waiting: [0; LINES],
            leased: 0,
            creating: 0,
            dead: 0,
            parked: 0,
            to_verify: 0,
            forgotten: 0,
            aliases: 0,
        }
    }

    /// Where lanes like this one are counted.
    pub(super) fn lanes(&mut self, state: &State, line: Line) -> Option<&mut u64> {
        match state {
            State::Idle => None,
            State::Ready => Some(&mut self.ready[line as usize]),
            State::Waiting { .. } => Some(&mut self.waiting[line as usize]),
            State::Leased { .. } => Some(&mut self.leased),
            State::Dead => Some(&mut self.dead),
        }
    }
}

/// Opens a connection to the file in `dir`, with what both of ours have in common.
pub(super) fn connect(dir: &Path) -> Result<Connection, Error> {
    let conn = Connection::open(dir.join("store.db"))?;
    conn.busy_timeout(PATIENCE)?;
    // Without this a statement is prepared anew whenever a value is bound that decides whether a partial index may serve it
    // (sqlite.org/c3ref/c_dbconfig_defensive.html): on each claim, and that was two fifths of what the writer did.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    conn.pragma_update(None, "cache_size", -PAGE_CACHE_KIB)?;
    conn.pragma_update(None, "temp_store", "memory")?;
    Ok(conn)
}

impl Db {
    /// Opens or makes the file in `dir`. Leases of the process before end here.
    pub(super) fn open(dir: &Path, options: Options, now: Timestamp) -> Result<Self, OpenError> {
        let conn = connect(dir)?;
        conn.pragma_update(None, "journal_mode", "wal")?;
        conn.pragma_update(None, "synchronous", "full")?;
        conn.pragma_update(None, "wal_autocheckpoint", 0)?;
        conn.pragma_update(None, "journal_size_limit", LOG_KEPT)?;
        migrate(&conn)?;
        let gate = Gate::restore(GateRecord::default(), BTreeMap::new(), options.call_timeout);
        let mut db = Self {
            conn,
            options,
            counts: Counts::nothing(),
            gate,
            gate_moved: false,
            permits_written: 0,
            written: Counts::nothing(),
            time: Time::from(now),
            dir: dir.to_owned(),
            room: None,
            sync: Sync::Disk,
            runs: Runs::default(),
        };
        db.read_memory()?;
        db.time = Time::from(db.meta("clock")?.unwrap_or(now));
        db.transaction(Sync::Disk, |db| db.begin_run(now))?;
        db.mark();
        Ok(db)
    }

    /// Runs `steps` in one transaction, together with what they change in memory.
    pub(super) fn transaction(
        &mut self,
        sync: Sync,
        steps: impl FnOnce(&mut Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.wait_for(sync)?;
        self.exec(sql::BEGIN)?;
        let time = self.time;
        self.room = None;
        let done = steps(self).and_then(|()| self.write_memory()).and_then(|()| self.exec(sql::COMMIT));
        if done.is_err() {
            // Some errors have rolled it back already.
            if !self.conn.is_autocommit() {
                self.exec(sql::ROLLBACK)?;
            }
            self.read_memory()?;
            self.time = time;
        }
        done
    }

    /// Sets what the next commits wait for. Only between transactions does SQLite allow it.
    fn wait_for(&mut self, sync: Sync) -> Result<(), Error> {
        if self.sync != sync {
            let level = match sync {
                Sync::Disk => "full",
                Sync::Log => "normal",
            };
            self.conn.pragma_update(None, "synchronous", level)?;
            self.sync = sync;
        }
        Ok(())
    }

    /// The last transaction: the next start need not suspect that a lane killed this process.
    pub(super) fn stop(mut self) -> Result<(), Error> {
        self.runs.stopped = true;
        self.transaction(Sync::Disk, |db| db.put_meta("runs", &db.runs))?;
        self.mark();
        self.conn.close().map_err(|(_, error)| error)
    }

    /// Copies the log into the database, as far as nobody reads it.
    pub(super) fn copy_log(&self) {
        copy_log(&self.conn);
    }

    /// Gives memory back.
    pub(super) fn shrink(&self) {
        if let Err(error) = self.conn.execute_batch("PRAGMA shrink_memory") {
            tracing::debug!(%error, "SQLite kept its memory");
        }
    }

    /// The time. What waits does not wait for a clock that was set back.
    pub(super) fn tick(&mut self, now: Timestamp) -> Result<Timestamp, Error> {
        let Tick { now, back } = self.time.tick(now);
        if let Some(back) = back {
            tracing::warn!(back_s = back.as_secs(), "the clock was set back, and what waits with it");
            let nanos = i64::try_from(back.as_nanos()).unwrap_or(i64::MAX);
            self.cached(sql::SET_BACK)?.execute([nanos])?;
            self.cached(sql::VERIFY_BACK)?.execute([nanos])?;
            self.gate.set_back(back);
            self.gate_moved = true;
            self.permits_written = 0;
        }
        Ok(now)
    }

    /// The latest time that was told.
    pub(super) const fn latest(&self) -> Timestamp {
        self.time.latest()
    }

    /// Goes on by another gate.
    pub(super) fn replace_gate(&mut self, gate: Gate) {
        (self.gate, self.gate_moved, self.permits_written) = (gate, true, 0);
    }

    /// How long an update of the lane `own` waits for more.
    pub(super) fn window(&self, own: &LaneRow) -> Duration {
        lane::window(self.counts.ready, own.counted_as_ready(), self.gate.limiter.limit())
    }

    /// Counts a lane that was `before` as what it is now.
    pub(super) fn recount(&mut self, before: Option<&Stored>, lane: &Lane) {
        if let Some(was) = before.and_then(|before| self.counts.lanes(&before.state, before.line)) {
            *was = was.saturating_sub(1);
        }
        if let Some(is) = self.counts.lanes(&lane.state, Line::of(lane)) {
            *is += 1;
        }
        let parked = |state: &State| u64::from(matches!(state, State::Waiting { why: Wait::Day, .. }));
        let was = before.map_or(0, |before| parked(&before.state));
        self.counts.parked = (self.counts.parked + parked(&lane.state)).saturating_sub(was);
        let was = before.map_or(0, |before| u64::from(before.may_create));
        self.counts.creating = (self.counts.creating + u64::from(lane.may_create())).saturating_sub(was);
    }

    /// Creates whose end is not known.
    pub(super) fn under_way(&self) -> UnderWay {
        let Counts { ready, waiting, creating, .. } = &self.counts;
        UnderWay::of(*creating, ready[Line::Search as usize] + waiting[Line::Search as usize])
    }

    /// What is left of the disk, in bytes, beside what this transaction has kept: asked once in each, for asking the system takes a
    /// good part of what keeping a webhook does. Without end where that cannot be told.
    pub(super) fn room(&mut self) -> &mut u64 {
        self.room.get_or_insert_with(|| free_disk(&self.dir).unwrap_or(u64::MAX))
    }

    /// Writes the log entry of a permit that was answered for.
    pub(super) fn write_permit(&mut self, permit: PermitId) -> Result<(), Error> {
        self.gate_moved = true;
        if permit.0 >= self.permits_written {
            return Ok(());
        }
        match self.gate.limiter.call(permit) {
            Some(until) => self.cached(sql::SAVE_PERMIT)?.execute(params![int(permit.0), nanos(until)])?,
            None => self.cached(sql::DROP_PERMIT)?.execute([int(permit.0)])?,
        };
        Ok(())
    }

    pub(super) fn cached(&self, sql: &'static str) -> Result<CachedStatement<'_>, Error> {
        self.conn.prepare_cached(sql)
    }

    pub(super) fn exec(&self, sql: &'static str) -> Result<(), Error> {
        self.cached(sql)?.execute([]).map(drop)
    }

    fn write_memory(&mut self) -> Result<(), Error> {
        if self.counts != self.written {
            self.put_meta("counts", &self.counts)?;
            self.written = self.counts.clone();
        }
        if std::mem::take(&mut self.gate_moved) {
            self.put_meta("gate", &self.gate.record())?;
            self.put_meta("clock", &self.time.latest())?;
            self.cached(sql::EXPIRE_PERMITS)?.execute([nanos(self.time.latest())])?;
            for (id, until) in self.gate.limiter.calls_from(self.permits_written) {
                self.cached(sql::SAVE_PERMIT)?.execute([int(id), nanos(until)])?;
            }
            self.permits_written = self.gate.limiter.next();
        }
        Ok(())
    }

    fn read_memory(&mut self) -> Result<(), Error> {
        self.counts = self.meta("counts")?.unwrap_or_else(Counts::nothing);
        self.written = self.counts.clone();
        let record = self.meta("gate")?.unwrap_or_default();
        let calls = self
            .cached(sql::PERMITS)?
            .query_map([], |row| Ok((count(row.get(0)?), time(row.get(1)?))))?
            .collect::<Result<_, Error>>()?;
        self.gate = Gate::restore(record, calls, self.options.call_timeout);
        self.permits_written = self.gate.limiter.next();
        self.gate_moved = false;
        Ok(())
    }

    fn meta<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Error> {
        self.cached(sql::META)?.query_row([name], |row| json_at(row, 0)).optional()
    }

    fn put_meta<T: Serialize>(&self, name: &str, value: &T) -> Result<(), Error> {
        self.cached(sql::SAVE_META)?.execute(params![name, json(value)]).map(drop)
    }

    /// Begins a run: looks what happened since the last one, and ends its leases.
    fn begin_run(&mut self, now: Timestamp) -> Result<(), Error> {
        let now = self.tick(now)?;
        let before = self.runs_before()?;
        let boot = self.options.boot.clone().or_else(past::boot_id);
        let past = match Runs::judge(before.as_ref(), &self.dir, boot.as_deref()) {
            _ if self.options.restored => Past::Restored,
            past => past,
        };
        self.look_back(past, now);
        self.runs = Runs::next(before.as_ref(), boot);
        self.put_meta("runs", &self.runs)?;
        let stopped = before.is_some_and(|before| before.stopped);
        self.end_all_leases(!stopped, now)
    }

    /// What the store says of its last runs; `None` when it has just been made.
    fn runs_before(&self) -> Result<Option<Runs>, Error> {
        if let Some(runs) = self.meta("runs")? {
            return Ok(Some(runs));
        }
        let stopped: Option<bool> = self.meta("stopped")?;
        Ok(stopped.map(Runs::uncounted))
    }

    fn look_back(&mut self, past: Past, now: Timestamp) {
        match past {
            Past::Whole => return,
            Past::PowerLoss => {
                tracing::warn!(
                    "the machine stopped while the store was open; new leads are searched for first for a while"
                );
                self.gate.suspect(AFTER_A_LOSS, now);
            }
            Past::Restored => {
                tracing::warn!("the store is not what it last was; new leads are searched for first for seven days");
                self.gate.suspect(AFTER_A_RESTORE, now);
            }
        }
        self.gate_moved = true;
    }

    /// Puts the mark of this run beside the file. Without it the next start searches more than it needs to.
    fn mark(&self) {
        if let Err(error) = self.runs.mark(&self.dir) {
            tracing::warn!(%error, "the file store.run could not be written beside the store; look at the directory");
        }
    }

    /// Ends the leases of the process before: it is gone. Had it crashed, one of them may be why.
    fn end_all_leases(&mut self, crashed: bool, now: Timestamp) -> Result<(), Error> {
        while self.counts.leased > 0 {
            let leased = self.lanes_due(sql::LEASED, Timestamp::MAX, 100)?;
            if leased.is_empty() {
                return Ok(());
            }
            for row in leased {
                self.lose(row, crashed, now)?;
            }
        }
        Ok(())
    }
}

/// Copies the log of `conn` into its database, as far as nobody reads it and nobody else is copying.
pub(super) fn copy_log(conn: &Connection) {
    let copied = conn.query_row(sql::COPY_LOG, [], |_| Ok(()));
    if let Err(error) = copied {
        tracing::warn!(%error, "the store's log could not be copied into its database, it grows");
    }
}

fn migrate(conn: &Connection) -> Result<(), OpenError> {
    let version: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let application: i64 = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
    match (application, version) {
        (APPLICATION, SCHEMA) => Ok(()),
        (APPLICATION, 1..SCHEMA) => {
            let to: String = sql::TO_VERSION.iter().filter(|(to, _)| *to > version).map(|(_, sql)| *sql).collect();
            conn.execute_batch(&format!("BEGIN IMMEDIATE; {to} PRAGMA user_version = {SCHEMA}; COMMIT;"))?;
            Ok(())
        }
        (APPLICATION, newer) if newer > SCHEMA => Err(OpenError::Newer { found: newer, known: SCHEMA }),
        (0, 0) if is_empty(conn)? => {
            conn.execute_batch(&format!(
                "BEGIN IMMEDIATE; {} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {SCHEMA}; COMMIT;",
                sql::SCHEMA
            ))?;
            Ok(())
        }
        _ => Err(OpenError::NotOurs),
    }
}

fn is_empty(conn: &Connection) -> Result<bool, Error> {
    conn.query_row(sql::IS_EMPTY, [], |row| row.get(0))
}
