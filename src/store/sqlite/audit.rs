//! Whether the file agrees with itself. On a connection and a thread of its own, so that nobody waits for it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error, ErrorCode, OptionalExtension, Row};
use tokio::sync::oneshot;

use super::db::{self, Counts};
use super::lanes::LaneRow;
use super::sql;
use super::values::{count, count_at, id_at, int, json_at, log_at, source_at, state_at, time};
use super::writer::meaning;
use crate::domain::external_ref::ExternalRef;
use crate::domain::lead::LeadId;
use crate::store::audit::{Audit, Ledger, Receipt, Rule, Totals};
use crate::store::gate::{Gate, GateRecord, Line};
use crate::store::lane::State;
use crate::store::{EventState, Options, StoreError};

/// Faults of SQLite's own check that are told.
const PAGE_FAULTS: u32 = 20;

/// What looks through the file.
pub(super) struct Auditor {
    dir: PathBuf,
    options: Options,
    at_work: Arc<AtomicBool>,
}

/// Somebody looks, until this is dropped.
struct Working(Arc<AtomicBool>);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Auditor {
    pub(super) fn new(dir: &Path, options: Options) -> Self {
        Self { dir: dir.to_owned(), options, at_work: Arc::default() }
    }

    /// Looks, one at a time: a second one is told that it is busy.
    pub(super) async fn look(&self, after: Option<u64>, max: usize, now: Timestamp) -> Result<Audit, StoreError> {
        let (dir, options, at_work) = (self.dir.clone(), self.options.clone(), Arc::clone(&self.at_work));
        if at_work.swap(true, Ordering::Acquire) {
            return Err(StoreError::Busy);
        }
        let (reply, answer) = oneshot::channel();
        let working = Working(at_work);
        let spawned = std::thread::Builder::new().name("store-audit".to_owned()).spawn(move || {
            let audit = look(&dir, &options, after, max, now);
            drop(working);
            let _unheard = reply.send(audit);
        });
        if let Err(error) = spawned {
            return Err(StoreError::Backend("no thread for the audit".to_owned(), Box::new(error)));
        }
        answer.await.unwrap_or(Err(StoreError::Closed))
    }
}

fn look(dir: &Path, options: &Options, after: Option<u64>, max: usize, now: Timestamp) -> Result<Audit, StoreError> {
    let mut audit = Audit::default();
    let looked = db::connect(dir).and_then(|mut conn| {
        // One transaction, so that what is counted here and there is of one moment.
        let conn = conn.transaction()?;
        match after {
            None => whole(&conn, options, now, &mut audit),
            Some(after) => lanes(&conn, after, max.max(1), &mut audit),
        }
    });
    match looked {
        Ok(()) => Ok(audit),
        Err(error) if is_broken(&error) => {
            audit.note(Rule::File, format!("SQLite cannot read on: {error}"));
            audit.next = None;
            Ok(audit)
        }
        Err(error) => Err(meaning(error)),
    }
}

fn is_broken(error: &Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// All that is not a matter of a single lane.
fn whole(conn: &Connection, options: &Options, now: Timestamp, audit: &mut Audit) -> Result<(), Error> {
    conn.pragma(None, "integrity_check", PAGE_FAULTS, |row| {
        let says: String = row.get(0)?;
        if says != "ok" {
            audit.note(Rule::File, says);
        }
        Ok(())
    })?;
    limiter(conn, options, now, audit)?;
    let found = totals(conn)?;
    if let Some(Counts {
        next_place,
        next_seq,
        next_lane: _,
        sorted,
        gone,
        inbox,
        bytes,
        events,
        ready,
        waiting,
        leased,
        creating,
        dead,
        parked,
        to_verify,
        forgotten: _,
        aliases,
    }) = meta::<Counts>(conn, "counts", audit)?
    {
        let ledger = Ledger {
            kept: next_place.saturating_sub(1),
            inbox: found.inbox,
            sorted,
            made: next_seq.saturating_sub(1),
            held: found.events.iter().sum(),
            gone,
        };
        audit.balance(ledger);
        audit.compare(
            &Totals { inbox, bytes, events, ready, waiting, leased, creating, dead, parked, to_verify, aliases },
            &found,
        );
    }
    inbox(conn, audit)?;
    unsplit(conn, audit)?;
    aliases(conn, audit)?;
    turns(conn, audit)?;
    let strays: i64 = conn.query_row(sql::AUDIT_STRAYS, [], |row| row.get(0))?;
    if strays > 0 {
        audit.note(Rule::Event, format!("{strays} events are of lanes that are not there"));
    }
    audit.next = Some(0);
    Ok(())
}

/// A value of the table `meta`; a flaw where it cannot be read.
fn meta<T: serde::de::DeserializeOwned>(conn: &Connection, name: &str, audit: &mut Audit) -> Result<Option<T>, Error> {
    let value = conn.query_row(sql::META, [name], |row| Ok(json_at(row, 0))).optional()?;
    match value.transpose() {
        Ok(value) => Ok(value),
        Err(error) => {
            audit.note(Rule::File, format!("`{name}` cannot be read: {error}"));
            Ok(None)
        }
    }
}

fn limiter(conn: &Connection, options: &Options, now: Timestamp, audit: &mut Audit) -> Result<(), Error> {
    let record: GateRecord = meta(conn, "gate", audit)?.unwrap_or_default();
    // Not before what the store knows the time to be.
    let now = meta(conn, "clock", audit)?.map_or(now, |clock: Timestamp| clock.max(now));
    let calls = conn
        .prepare(sql::PERMITS)?
        .query_map([], |row| Ok((count_at(row, 0)?, row.get(1).map(time)?)))?
        .collect::<Result<_, Error>>()?;
    if let Some(flaw) = Gate::restore(record, calls, options.call_timeout).limiter.flaw(now) {
        audit.note(Rule::Limiter, flaw);
    }
    Ok(())
}

/// What there is, counted in the tables.
fn totals(conn: &Connection) -> Result<Totals, Error> {
    let mut found = Totals::default();
    let sums = |sql| conn.query_row(sql, [], |row| Ok((count_at(row, 0)?, count_at(row, 1)?)));
    let (inbox, inbox_bytes) = sums(sql::AUDIT_INBOX_SIZE)?;
    let (_, event_bytes) = sums(sql::AUDIT_EVENTS_SIZE)?;
    (found.inbox, found.bytes) = (inbox, inbox_bytes + event_bytes);
    for row in rows(conn, sql::AUDIT_CHORES)? {
        [found.parked, found.to_verify, found.aliases, found.creating] = row;
    }
    for row in rows(conn, sql::AUDIT_EVENTS)? {
        let [state, _, count] = row;
        if let Some(events) = found.events.get_mut(at(state)) {
            *events = count;
        }
    }
    for row in rows(conn, sql::AUDIT_LANES)? {
        let [state, line, count] = row;
        let line = at(line);
        let place = match i64::try_from(state) {
            Ok(sql::READY) => found.ready.get_mut(line),
            Ok(sql::WAITING) => found.waiting.get_mut(line),
            Ok(sql::LEASED) => Some(&mut found.leased),
            Ok(sql::DEAD_LANE) => Some(&mut found.dead),
            _ => None,
        };
        if let Some(place) = place {
            *place += count;
        }
    }
    Ok(found)
}

fn at(index: u64) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}

fn rows<const N: usize>(conn: &Connection, sql: &str) -> Result<Vec<[u64; N]>, Error> {
    let read = |row: &Row<'_>| {
        let mut values = [0; N];
        for (index, value) in values.iter_mut().enumerate() {
            *value = count_at(row, index)?;
        }
        Ok(values)
    };
    conn.prepare(sql)?.query_map([], read)?.collect()
}

fn inbox(conn: &Connection, audit: &mut Audit) -> Result<(), Error> {
    let mut statement = conn.prepare(sql::AUDIT_INBOX)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let read = source_at(row, 1).and_then(|_| Ok((count_at(row, 3)?, headers(row, 2)? + count_at(row, 4)?)));
        match read {
            Ok((size, weight)) if size == weight => {}
            Ok(_) => {
                audit.note(Rule::Balance, format!("webhook {} is not as large as it is counted", count_at(row, 0)?))
            }
            Err(error) => audit.note(Rule::File, format!("webhook {} cannot be read: {error}", count_at(row, 0)?)),
        }
    }
    Ok(())
}

/// What headers kept as JSON weigh.
fn headers(row: &Row<'_>, column: usize) -> Result<u64, Error> {
    if row.get_ref(column)? == ValueRef::Null {
        return Ok(0);
    }
    let headers: Vec<(String, String)> = json_at(row, column)?;
    Ok(headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() as u64)
}

/// Webhooks that could not be split: they have no lane, and are dead or discarded.
fn unsplit(conn: &Connection, audit: &mut Audit) -> Result<(), Error> {
    let mut statement = conn.prepare(sql::AUDIT_UNSPLIT)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let Some(event) = receipt(row, None, audit)? else { continue };
        audit.look_at_event(None, &event);
        if !matches!(event.state, EventState::Dead | EventState::Discarded) {
            audit.note_event(None, event.id, format!("it is {} and has no lane", event.state));
        }
    }
    Ok(())
}

/// Other names: each is of a lane that is there.
fn aliases(conn: &Connection, audit: &mut Audit) -> Result<(), Error> {
    let mut statement = conn.prepare(sql::AUDIT_ALIASES)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let lane = row.get::<_, Option<String>>(1)?.map(ExternalRef::from_stored);
        audit.look_at_alias(&ExternalRef::from_stored(row.get(0)?), lane.as_ref(), row.get(2)?);
    }
    Ok(())
}

/// Lanes that are worked on: one of a lead at a time.
fn turns(conn: &Connection, audit: &mut Audit) -> Result<(), Error> {
    let leased: Vec<(ExternalRef, LeadId)> = conn
        .prepare(sql::AUDIT_TURNS)?
        .query_map([], |row| Ok((ExternalRef::from_stored(row.get(0)?), LeadId(row.get(1)?))))?
        .collect::<Result<_, Error>>()?;
    audit.look_at_turns(leased.iter().map(|(lead, lead_id)| (lead, lead_id)));
    Ok(())
}

/// `max` lanes after one, with their events.
fn lanes(conn: &Connection, after: u64, max: usize, audit: &mut Audit) -> Result<(), Error> {
    let mut statement = conn.prepare(sql::AUDIT_PAGE)?;
    let mut rows = statement.query([int(after), int(max as u64)])?;
    let (mut last, mut seen) = (after, 0);
    while let Some(row) = rows.next()? {
        (last, seen) = (count_at(row, 0)?, seen + 1);
        lane(conn, row, last, audit)?;
    }
    audit.next = (seen == max).then_some(last);
    Ok(())
}

fn lane(conn: &Connection, row: &Row<'_>, id: u64, audit: &mut Audit) -> Result<(), Error> {
    let found = match LaneRow::read(row) {
        Ok(found) => found,
        Err(error) => {
            audit.note(Rule::File, format!("lane {id} cannot be read: {error}"));
            return Ok(());
        }
    };
    let LaneRow { external_ref, lane, .. } = &found;
    if row.as_ref().column_index("log").and_then(|column| log_at(row, column)).is_err() {
        audit.note_lane(external_ref, "its log cannot be read");
    }
    if row.get::<_, i64>("line")? != Line::of(lane) as i64 {
        audit.note_lane(external_ref, "it stands in another line than its class and its intent say");
    }
    if row.get::<_, Option<i64>>("forget")?.is_some() != (lane.state == State::Idle) {
        audit.note_lane(
            external_ref,
            format!("it is {}, and that it may be forgotten says something else", lane.state.word()),
        );
    }
    let mut statement = conn.prepare_cached(sql::AUDIT_OF_LANE)?;
    let mut rows = statement.query([int(id)])?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        events.extend(receipt(row, Some(external_ref), audit)?);
    }
    audit.look_at_lane(external_ref, lane, &events);
    Ok(())
}

/// An event of the `audit_*` statements; `None`, and a flaw, where it cannot be read.
fn receipt(row: &Row<'_>, lead: Option<&ExternalRef>, audit: &mut Audit) -> Result<Option<Receipt>, Error> {
    let seq = count_at(row, 0)?;
    match read_receipt(row, seq) {
        Ok(receipt) => Ok(Some(receipt)),
        Err(error) => {
            audit.note_of(Rule::File, lead, format!("event {seq} cannot be read: {error}"));
            Ok(None)
        }
    }
}

fn read_receipt(row: &Row<'_>, seq: u64) -> Result<Receipt, Error> {
    let is_there = |column| Ok::<_, Error>(row.get_ref(column)? != ValueRef::Null);
    let length = |column| Ok::<_, Error>(row.get::<_, Option<i64>>(column)?.map_or(0, count));
    source_at(row, 4)?;
    Ok(Receipt {
        seq,
        id: id_at(row, 1)?,
        state: state_at(row, 2)?,
        joined: count_at(row, 3)?,
        ended: is_there(5)?,
        why: is_there(6)? && is_there(7)?,
        lead: is_there(8)?,
        forget: is_there(9)?,
        size: count_at(row, 10)?,
        weight: headers(row, 11)? + length(12)? + length(13)?,
        body: is_there(13)?,
    })
}
