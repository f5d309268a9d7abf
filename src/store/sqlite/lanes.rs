//! Lanes as rows.

use jiff::Timestamp;
use rusqlite::{Error, OptionalExtension, Row, params};

use super::db::Db;
use super::inbox::PENDING;
use super::sql;
use super::values::{count, count_at, int, json, maybe_time_at, nanos, small, strange, time_at};
use crate::domain::external_ref::ExternalRef;
use crate::domain::lead::LeadId;
use crate::store::gate::Line;
use crate::store::lane::{Lane, Rest, Span, State, Wait};
use crate::store::{Adopting, Class, Intent, Named, Standing, Telling, Undelivered, Words, WorkerId, receipt};

/// A lane, and how it lies in the file.
pub(super) struct LaneRow {
    pub(super) id: u64,
    pub(super) external_ref: ExternalRef,
    pub(super) lane: Lane,
    /// As what it is counted; `None` while it is not in the file.
    stored: Option<Stored>,
}

/// As what a lane is counted.
pub(super) struct Stored {
    pub(super) state: State,
    pub(super) line: Line,
    pub(super) may_create: bool,
}

impl Stored {
    fn of(lane: &Lane) -> Self {
        Self { state: lane.state.clone(), line: Line::of(lane), may_create: lane.may_create() }
    }
}

impl LaneRow {
    /// One that is not in the file before it is saved.
    pub(super) const fn new(id: u64, external_ref: ExternalRef, lane: Lane) -> Self {
        Self { id, external_ref, lane, stored: None }
    }

    /// The line in which it is counted among the ready ones, if it is.
    pub(super) fn counted_as_ready(&self) -> Option<Line> {
        self.stored.as_ref().filter(|stored| stored.state == State::Ready).map(|stored| stored.line)
    }

    /// Reads the columns of the `lane_*` statements.
    pub(super) fn read(row: &Row<'_>) -> Result<Self, Error> {
        let lane = Lane {
            state: state(row)?,
            class: class(row.get(3)?)?,
            ord: count_at(row, 4)?,
            since: time_at(row, 5)?,
            fence: count_at(row, 10)?,
            settled: count_at(row, 11)?,
            lead_id: row.get::<_, Option<String>>(12)?.map(LeadId),
            intent: intent(row)?,
            negatives: row.get(16).map(small)?,
            attempts: row.get(17).map(small)?,
            failing_since: maybe_time_at(row, 18)?,
            crashes: row.get(19).map(small)?,
            pending: row.get(20).map(small)?,
            cleared: maybe_time_at(row, 21)?,
            told: words(row, 22)?,
            telling: Telling { words: words(row, 23)?, named: named(row)? },
            adopting: adopting(row)?,
            lands: maybe_time_at(row, 31)?,
            forgotten: row.get(24)?,
            standing: standing(row)?,
            heard: row.get::<_, Option<String>>(27)?.map(LeadId),
            crashed: maybe_time_at(row, 28)?,
            follows: row.get::<_, Option<String>>(29)?.map(ExternalRef::from_stored),
        };
        let stored = Some(Stored::of(&lane));
        Ok(Self { id: count_at(row, 0)?, external_ref: ExternalRef::from_stored(row.get(1)?), lane, stored })
    }
}

fn state(row: &Row<'_>) -> Result<State, Error> {
    Ok(match row.get::<_, i64>(2)? {
        0 => State::Idle,
        sql::READY => State::Ready,
        sql::WAITING => State::Waiting { due: time_at(row, 6)?, why: why(row.get(7)?)? },
        sql::LEASED => State::Leased { worker: WorkerId(row.get(8)?), from: time_at(row, 9)?, until: time_at(row, 6)? },
        sql::DEAD_LANE => State::Dead,
        other => return Err(unknown(2, other)),
    })
}

fn intent(row: &Row<'_>) -> Result<Option<Intent>, Error> {
    let Some(fence) = row.get::<_, Option<i64>>(13)? else { return Ok(None) };
    Ok(Some(Intent { fence: count(fence), at: time_at(row, 14)?, upto: count_at(row, 15)? }))
}

/// Reads words that a column has, if it has some.
pub(super) fn words(row: &Row<'_>, column: usize) -> Result<Words, Error> {
    let Some(text) = row.get::<_, Option<String>>(column)? else { return Ok(Words::default()) };
    serde_json::from_str(&text).map_err(|error| strange(column, error))
}

fn named(row: &Row<'_>) -> Result<Named, Error> {
    let Some(text) = row.get::<_, Option<String>>(30)? else { return Ok(Named::default()) };
    serde_json::from_str(&text).map_err(|error| strange(30, error))
}

fn adopting(row: &Row<'_>) -> Result<Option<Adopting>, Error> {
    let Some(text) = row.get::<_, Option<String>>(32)? else { return Ok(None) };
    serde_json::from_str(&text).map(Some).map_err(|error| strange(32, error))
}

/// Most lanes that are at work have none.
fn written(words: &Words) -> Option<String> {
    (!words.is_empty()).then(|| serde_json::to_string(words).expect("they are numbers"))
}

fn standing(row: &Row<'_>) -> Result<Option<Standing>, Error> {
    let Some(word) = row.get::<_, Option<String>>(25)? else { return Ok(None) };
    let status = word.parse().map_err(|error: strum::ParseError| strange(25, error))?;
    Ok(Some(Standing { status, at: time_at(row, 26)? }))
}

fn why(word: i64) -> Result<Wait, Error> {
    match word {
        0 => Ok(Wait::Backoff),
        1 => Ok(Wait::Coalesce),
        2 => Ok(Wait::Reconcile),
        3 => Ok(Wait::Day),
        other => Err(unknown(7, other)),
    }
}

fn class(word: i64) -> Result<Class, Error> {
    match word {
        0 => Ok(Class::New),
        1 => Ok(Class::Update),
        2 => Ok(Class::Bulk),
        other => Err(unknown(3, other)),
    }
}

fn unknown(column: usize, value: i64) -> Error {
    strange(column, rusqlite::types::FromSqlError::OutOfRange(value))
}

/// The columns that depend on the state: its number, until when, why, by whom, since when.
fn columns(state: &State) -> (i64, Option<i64>, Option<i64>, Option<&str>, Option<i64>) {
    match state {
        State::Idle => (0, None, None, None, None),
        State::Ready => (sql::READY, None, None, None, None),
        State::Waiting { due, why } => (sql::WAITING, Some(nanos(*due)), Some(*why as i64), None, None),
        State::Leased { worker, from, until } => {
            (sql::LEASED, Some(nanos(*until)), None, Some(&worker.0), Some(nanos(*from)))
        }
        State::Dead => (sql::DEAD_LANE, None, None, None, None),
    }
}

impl Db {
    pub(super) fn find_lane(&self, external_ref: &ExternalRef) -> Result<Option<LaneRow>, Error> {
        self.cached(sql::LANE_BY_REF)?.query_row([external_ref.as_str()], LaneRow::read).optional()
    }

    /// The lane, or a new one that is not in the file before it is saved.
    pub(super) fn lane_for(&mut self, external_ref: &ExternalRef) -> Result<LaneRow, Error> {
        if let Some(row) = self.find_lane(external_ref)? {
            return Ok(row);
        }
        let id = self.counts.next_lane;
        let trace = receipt::trace(external_ref);
        let forgotten =
            self.counts.forgotten > 0 && self.cached(sql::HAS_TRACE)?.query_row([&trace[..]], |row| row.get(0))?;
        let lane = Lane { forgotten, ..Lane::new() };
        Ok(LaneRow::new(id, external_ref.clone(), lane))
    }

    pub(super) fn lane_with_id(&self, id: u64) -> Result<LaneRow, Error> {
        self.cached(sql::LANE_BY_ID)?.query_row([int(id)], LaneRow::read)
    }

    /// Lanes in `state` that are due, the earliest first.
    pub(super) fn lanes_due(&self, state: i64, now: Timestamp, max: u32) -> Result<Vec<LaneRow>, Error> {
        let mut due = self.cached(sql::LANES_DUE)?;
        due.query_map(params![state, nanos(now), max], LaneRow::read)?.collect()
    }

    /// Writes the lane, and counts it as what it is now.
    pub(super) fn save_lane(&mut self, row: &mut LaneRow, now: Timestamp) -> Result<(), Error> {
        let LaneRow { id, external_ref, lane, stored } = row;
        let (state, due, why, worker, leased) = columns(&lane.state);
        let line = Line::of(lane);
        let forget = (lane.state == State::Idle).then(|| nanos(now + self.options.idle_retention));
        let statement = if stored.is_some() { sql::SAVE_LANE } else { sql::ADD_LANE };
        self.cached(statement)?.execute(params![
            int(*id),
            external_ref.as_str(),
            state,
            line as i64,
            lane.class as i64,
            int(lane.ord),
            nanos(lane.since),
            due,
            why,
            worker,
            leased,
            int(lane.fence),
            int(lane.settled),
            lane.lead_id.as_ref().map(|id| &id.0),
            lane.intent.map(|intent| int(intent.fence)),
            lane.intent.map(|intent| nanos(intent.at)),
            lane.intent.map(|intent| int(intent.upto)),
            lane.negatives,
            lane.attempts,
            lane.failing_since.map(nanos),
            lane.crashes,
            lane.pending,
            forget,
            lane.cleared.map(nanos),
            written(&lane.told),
            written(&lane.telling.words),
            lane.forgotten,
            lane.standing.map(|standing| <&str>::from(standing.status)),
            lane.standing.map(|standing| nanos(standing.at)),
            lane.heard.as_ref().map(|id| &id.0),
            lane.crashed.map(nanos),
            lane.follows.as_ref().map(ExternalRef::as_str),
            (!lane.telling.named.is_nobody()).then(|| json(&lane.telling.named)),
            lane.lands.map(nanos),
            lane.adopting.as_ref().map(json),
        ])?;
        if stored.is_none() {
            self.counts.next_lane += 1;
        }
        self.recount(stored.as_ref(), lane);
        *stored = Some(Stored::of(lane));
        Ok(())
    }

    /// Of the lane's events in `state`, how many (`count` is known to the caller) and the first.
    pub(super) fn rest(&self, lane: u64, state: i64, count: u32) -> Result<Rest, Error> {
        let first = self
            .cached(sql::FIRST_OF_LANE)?
            .query_row([int(lane), state], |row| Ok((count_at(row, 0)?, time_at(row, 1)?)))
            .optional()?;
        Ok(Rest { count, first })
    }

    /// Whether an event has joined a lane since it was claimed last.
    pub(super) fn has_newer(&self, row: &LaneRow) -> Result<bool, Error> {
        self.cached(sql::NEWER)?.query_row([int(row.id), int(row.lane.fence)], |row| row.get(0))
    }

    /// The lane's lease has ended without a word.
    pub(super) fn lose(&mut self, mut row: LaneRow, crashed: bool, now: Timestamp) -> Result<(), Error> {
        let newer = row.lane.lead_id.is_none() && self.has_newer(&row)?;
        let died: Option<Undelivered> = row.lane.lost(crashed, newer, self.options.late_update, now);
        if let Some(why) = died {
            let buried = self.bury(row.id, Span::before(row.lane.fence), &why, now)?;
            let rest = self.rest(row.id, PENDING, row.lane.pending.saturating_sub(buried))?;
            row.lane.give_up(rest);
        }
        self.heed_heard(&mut row, now)?;
        self.save_lane(&mut row, now)
    }
}
