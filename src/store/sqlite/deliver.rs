//! What the delivering half asks: claims, intents, permits, settlements, heartbeats.

use bytes::Bytes;
use jiff::Timestamp;
use rusqlite::{Error, OptionalExtension, params};

use super::db::Db;
use super::inbox::PENDING;
use super::lanes::{LaneRow, words};
use super::sql;
use super::values::{count_at, id_at, int, json, log_at, nanos, source_at, time_at};
use crate::domain::event::Hold;
use crate::domain::external_ref::ExternalRef;
use crate::domain::lead::LeadId;
use crate::store::gate::{Line, Pass};
use crate::store::lane::{Ends, Lane, Span, State};
use crate::store::limit::Take;
use crate::store::words::HEARD;
use crate::store::{
    Adopting, Attempt, Claim, Claimed, EventState, Fenced, Incident, Lease, Observation, Outcome, PauseReason,
    PermitGrant, PermitId, Seq, Settlement, StoredEvent, Telling, Undelivered, Words, WorkerId, receipt,
};

/// Leases taken back, and lanes made ready, in one claim at most.
const REAP: u32 = 100;
const PROMOTE: u32 = 200;
/// Leases looked through in a heartbeat: more than any number of workers holds.
const LEASES: u32 = 10_000;

impl Db {
    pub(super) fn claim(&mut self, worker: &WorkerId, now: Timestamp) -> Result<Claim, Error> {
        let now = self.tick(now)?;
        self.take_back(now)?;
        let (mut ready, room) = self.put_off(now)?;
        self.give_way(&mut ready, now)?;
        let chore = self.chore(now)?;
        match self.gate.pass(ready, chore.is_some(), now) {
            Pass::Probe(probe) => {
                self.gate_moved = true;
                Ok(Claim::Probe(probe))
            }
            Pass::Wait(at) if self.gate.paused().is_some() => Ok(Claim::Nothing(at)),
            Pass::Wait(at) => {
                let due = [at, room, self.next_due()?, self.next_chore(now)?];
                Ok(Claim::Nothing(due.into_iter().flatten().min()))
            }
            Pass::Chore(permit) => {
                self.gate_moved = true;
                Ok(Claim::Chore(permit, self.hand_out(chore.expect("the gate was told of it"), now)?))
            }
            Pass::Lane(line, permit) => {
                self.gate_moved = true;
                self.lease(line, permit, worker, now).map(|claimed| Claim::Lane(Box::new(claimed)))
            }
        }
    }

    /// Takes back leases that have ended, and makes ready what has become due.
    fn take_back(&mut self, now: Timestamp) -> Result<(), Error> {
        if self.counts.leased > 0 {
            for row in self.lanes_due(sql::LEASED, now, REAP)? {
                self.lose(row, true, now)?;
            }
        }
        if self.counts.waiting.iter().any(|waiting| *waiting > 0) {
            for mut row in self.lanes_due(sql::WAITING, now, PROMOTE)? {
                row.lane.promote();
                self.save_lane(&mut row, now)?;
            }
        }
        Ok(())
    }

    fn next_due(&self) -> Result<Option<Timestamp>, Error> {
        let mut soonest = None;
        for state in [sql::WAITING, sql::LEASED] {
            let due: Option<i64> = self.cached(sql::NEXT_DUE)?.query_row([state], |row| row.get(0))?;
            soonest = [soonest, due.map(super::values::time)].into_iter().flatten().min();
        }
        Ok(soonest)
    }

    fn lease(&mut self, line: Line, permit: PermitId, worker: &WorkerId, now: Timestamp) -> Result<Claimed, Error> {
        let mut row = self.cached(sql::FIRST_IN_LINE)?.query_row([line as i64], LaneRow::read)?;
        let told_by_others = self.told_by_others(&row)?;
        let (lane, under_way) = ((&row.external_ref, &mut row.lane), self.under_way());
        let claimed = self.gate.lease(lane, &told_by_others, (worker, permit), &self.options, under_way, now);
        self.save_lane(&mut row, now)?;
        Ok(Claimed { events: self.in_hand(&row)?, ..claimed })
    }

    /// What other lanes have told the lead of a lane.
    fn told_by_others(&self, row: &LaneRow) -> Result<Words, Error> {
        let Some(LeadId(lead_id)) = &row.lane.lead_id else { return Ok(Words::none()) };
        let mut told = self.cached(sql::TOLD_BY_OTHERS)?;
        let told = told.query_map(params![lead_id, int(row.id), int(HEARD as u64)], |row| words(row, 0))?;
        Ok(Words::of_all(&told.collect::<Result<Vec<_>, _>>()?))
    }

    fn in_hand(&self, lane: &LaneRow) -> Result<Vec<StoredEvent>, Error> {
        let mut statement = self.cached(sql::IN_HAND)?;
        let mut rows = statement.query([int(lane.id), int(receipt::CALL_EVENTS as u64)])?;
        let (mut bytes, mut events) = (0, Vec::new());
        while let Some(row) = rows.next()? {
            bytes += count_at(row, 6)?;
            if bytes > receipt::CALL_BYTES as u64 && !events.is_empty() {
                break;
            }
            let seq = count_at(row, 0)?;
            events.push(StoredEvent {
                seq,
                id: id_at(row, 1)?,
                source: source_at(row, 2)?,
                received: time_at(row, 3)?,
                request_id: row.get(4)?,
                released: row.get(5)?,
                body: row.get::<_, Vec<u8>>(7)?.into(),
                fetched: row.get::<_, Option<Vec<u8>>>(8)?.map(Bytes::from),
            });
        }
        Ok(events)
    }

    pub(super) fn begin(
        &mut self,
        lease: &Lease,
        upto: Seq,
        telling: &Telling,
        now: Timestamp,
    ) -> Result<Fenced, Error> {
        let now = self.tick(now)?;
        let Some(mut row) = self.find_lane(&lease.external_ref)? else { return Ok(Fenced::Stale) };
        let begun = row.lane.begin(lease.fence, upto, telling, now);
        if begun != Fenced::Stale {
            self.save_lane(&mut row, now)?;
        }
        Ok(begun)
    }

    pub(super) fn permit(
        &mut self,
        lease: &Lease,
        adopting: Option<&Adopting>,
        now: Timestamp,
    ) -> Result<PermitGrant, Error> {
        let now = self.tick(now)?;
        let row = self.find_lane(&lease.external_ref)?;
        let Some(mut row) = row.filter(|row| row.lane.is_held(lease.fence, now)) else { return Ok(PermitGrant::Stale) };
        if self.gate.paused().is_some() {
            return Ok(PermitGrant::Paused);
        }
        Ok(match self.gate.limiter.take(Line::of(&row.lane).class(), now) {
            Take::NotBefore(at) => PermitGrant::NotBefore(at),
            Take::Granted(permit) => {
                self.gate_moved = true;
                if row.lane.call(adopting, now) {
                    self.save_lane(&mut row, now)?;
                }
                PermitGrant::Granted(permit)
            }
        })
    }

    pub(super) fn fetched(&mut self, lease: &Lease, seq: Seq, answer: &[u8]) -> Result<Fenced, Error> {
        let row = self.find_lane(&lease.external_ref)?;
        let Some(row) = row.filter(|row| row.lane.expects(lease.fence).is_ok()) else { return Ok(Fenced::Stale) };
        let before: Option<Option<i64>> =
            self.cached(sql::FETCHED)?.query_row([int(seq), int(row.id)], |row| row.get(0)).optional()?;
        let Some(before) = before else { return Ok(Fenced::Stale) };
        let more = int(answer.len() as u64) - before.unwrap_or(0);
        self.cached(sql::SAVE_FETCHED)?.execute(params![int(seq), answer, more])?;
        self.counts.bytes = self.counts.bytes.saturating_add_signed(more);
        Ok(if before.is_some() { Fenced::AlreadyDone } else { Fenced::Done })
    }

    pub(super) fn settle(&mut self, lease: &Lease, settlement: &Settlement, now: Timestamp) -> Result<Fenced, Error> {
        let now = self.tick(now)?;
        let Some(mut row) = self.find_lane(&lease.external_ref)? else { return Ok(Fenced::Stale) };
        if let Err(instead) = row.lane.expects(lease.fence) {
            return Ok(instead);
        }
        let Settlement { outcome, attempts, learned } = settlement;
        row.lane.may_land(learned.lands);
        self.finish(&mut row, outcome, now)?;
        row.lane.sign_off();
        row.lane.hear(&learned.told);
        self.note(row.id, attempts)?;
        if let Outcome::Done { lead_id, .. } = outcome {
            self.report(&lease.external_ref, lead_id, &learned.doubles, now)?;
            if let Some(twin) = learned.twin.as_ref().filter(|twin| **twin != lease.external_ref) {
                self.lead_on(twin, (&lease.external_ref, lead_id), now)?;
            }
        }
        self.heed_heard(&mut row, now)?;
        self.save_lane(&mut row, now)?;
        Ok(Fenced::Done)
    }

    /// The lane `twin` of the same person comes to `ours` and its lead, unless it may have one.
    fn lead_on(
        &mut self,
        twin: &ExternalRef,
        (ours, lead_id): (&ExternalRef, &LeadId),
        now: Timestamp,
    ) -> Result<(), Error> {
        let Some(mut row) = self.find_lane(twin)? else { return Ok(()) };
        if row.lane.may_follow() {
            row.lane.follow(ours);
        } else if !row.lane.knows(lead_id) {
            let (before, double) = (self.incident(ours)?, row.lane.lead_id.as_ref());
            self.save_incident(&Incident::of_twins(before, (ours, Some(lead_id)), (twin, double), now))?;
        }
        self.save_lane(&mut row, now)
    }

    /// What an outcome means for a lane, which is to be saved then, and its events.
    pub(super) fn finish(&mut self, row: &mut LaneRow, outcome: &Outcome, now: Timestamp) -> Result<(), Error> {
        if row.lane.is_to_be_verified(outcome) {
            self.verify_later(row.id, now)?;
        }
        if row.lane.has_created(outcome) {
            self.gate.days.created(now);
            self.gate_moved = true;
        }
        let newer = row.lane.asks_for_newer(outcome) && self.has_newer(row)?;
        let ended = self.end_events(row.id, row.lane.ends(outcome, newer), now)?;
        let rest = self.rest(row.id, PENDING, row.lane.pending.saturating_sub(ended))?;
        let window = self.window(row);
        row.lane.go(outcome, rest, window, now);
        Ok(())
    }

    /// Ends pending events of a lane; gives how many.
    fn end_events(&mut self, lane: u64, ends: Ends<'_>, now: Timestamp) -> Result<u32, Error> {
        match ends {
            Ends::Nothing => Ok(0),
            Ends::Delivered(span, lead_id) => self.deliver(lane, span, lead_id, now),
            Ends::Dead(span, why) => self.bury(lane, span, why, now),
            Ends::Withheld(holds) => holds.iter().map(|(seq, hold)| self.withhold(lane, *seq, *hold, now)).sum(),
        }
    }

    fn deliver(&mut self, lane: u64, span: Span, lead_id: &LeadId, now: Timestamp) -> Result<u32, Error> {
        let forget = nanos(now + self.options.retention);
        let sizes = self
            .cached(sql::DELIVER)?
            .query_map(
                params![int(lane), int(span.upto), int(span.joined_before), nanos(now), lead_id.0, forget],
                |row| count_at(row, 0),
            )?
            .collect::<Result<Vec<u64>, Error>>()?;
        self.count_moved(EventState::Pending, EventState::Delivered, sizes.len() as u64);
        self.counts.bytes -= sizes.iter().sum::<u64>();
        Ok(u32::try_from(sizes.len()).unwrap_or(u32::MAX))
    }

    /// Ends pending events of a lane as dead; gives how many.
    pub(super) fn bury(&mut self, lane: u64, span: Span, why: &Undelivered, now: Timestamp) -> Result<u32, Error> {
        let reason: &'static str = why.reason.into();
        let values = params![int(lane), int(span.upto), int(span.joined_before), nanos(now), reason, why.detail];
        let count = self.cached(sql::BURY)?.execute(values)?;
        self.count_moved(EventState::Pending, EventState::Dead, count as u64);
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    fn withhold(&mut self, lane: u64, seq: Seq, hold: Hold, now: Timestamp) -> Result<u32, Error> {
        let reason: &'static str = hold.into();
        let values = params![int(seq), int(lane), nanos(now), reason, receipt::why_withheld(hold)];
        let count = self.cached(sql::WITHHOLD)?.execute(values)?;
        self.count_moved(EventState::Pending, EventState::Withheld, count as u64);
        Ok(u32::from(count > 0))
    }

    fn note(&self, lane: u64, attempts: &[Attempt]) -> Result<(), Error> {
        if attempts.is_empty() {
            return Ok(());
        }
        let mut log = self.cached(sql::LANE_LOG)?.query_row([int(lane)], |row| log_at(row, 0))?;
        receipt::note(&mut log, attempts.to_vec());
        self.cached(sql::SAVE_LOG)?.execute(params![int(lane), json(&log)]).map(drop)
    }

    pub(super) fn observe(&mut self, permit: PermitId, seen: Observation, now: Timestamp) -> Result<(), Error> {
        let now = self.tick(now)?;
        self.gate.limiter.observe(permit, seen, now);
        self.write_permit(permit)
    }

    pub(super) fn heartbeat(&mut self, worker: &WorkerId, held: &[Lease], now: Timestamp) -> Result<Vec<Lease>, Error> {
        let (asked, now) = (now, self.tick(now)?);
        let mut leased = self.lanes_due(sql::LEASED, Timestamp::MAX, LEASES)?;
        leased.retain(|row| matches!(&row.lane.state, State::Leased { worker: holder, .. } if holder == worker));
        let until = now + self.options.lease;
        let mut lost = Vec::new();
        for lease in held {
            let mut row = leased.iter_mut().find(|row| row.external_ref == lease.external_ref);
            match row.take_if(|row| row.lane.extend(worker, lease.fence, until, now)) {
                Some(row) => self.save_lane(row, now)?,
                None => lost.push(lease.clone()),
            }
        }
        for row in leased {
            if is_stray(&row, held, asked) {
                self.lose(row, false, now)?;
            }
        }
        Ok(lost)
    }

    pub(super) fn pause(&mut self, why: PauseReason, now: Timestamp) -> Result<(), Error> {
        let now = self.tick(now)?;
        self.gate.pause(why, now);
        self.gate_moved = true;
        Ok(())
    }

    pub(super) fn resume(&mut self, generation: Option<u64>, now: Timestamp) -> Result<(), Error> {
        let now = self.tick(now)?;
        self.gate.resume(generation, now);
        self.gate_moved = true;
        Ok(())
    }
}

/// A lease that its worker does not know of, and whose claim cannot be on its way to it any more.
/// `asked` is when the worker said what it holds: what it has claimed since is not among that.
fn is_stray(row: &LaneRow, held: &[Lease], asked: Timestamp) -> bool {
    let Lane { state: State::Leased { from, .. }, fence, .. } = &row.lane else { return false };
    let known = held.iter().any(|lease| lease.external_ref == row.external_ref && lease.fence == *fence);
    !known && *from + receipt::STRAY_AGE <= asked
}
