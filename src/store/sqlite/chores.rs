//! What goes beside the lanes: creates that wait for tomorrow, leads to be searched for once more, and leads that turned
//! out to be there twice.

use jiff::Timestamp;
use rusqlite::{Error, OptionalExtension, Row, params};

use super::db::Db;
use super::lanes::LaneRow;
use super::sql;
use super::values::{count_at, int, json, json_at, maybe_time_at, nanos, source_at, time_at};
use crate::domain::external_ref::ExternalRef;
use crate::domain::lead::LeadId;
use crate::store::day::Hold;
use crate::store::gate::{LINES, Line};
use crate::store::lane::VERIFY_AFTER;
use crate::store::{Chore, DayNote, DayState, Incident, Verification, Verified, receipt};

/// Creates put off in one claim at most.
const PUT_OFF: u32 = 200;

impl Db {
    /// Puts off the creates that the day has no room for. Gives how many lanes are ready in each line, without those that
    /// are left to be put off or wait for room, and when to look again whether there is room.
    pub(super) fn put_off(&mut self, now: Timestamp) -> Result<([u64; LINES], Option<Timestamp>), Error> {
        let (mut hidden, mut room) = ([false; LINES], None);
        if self.gate.days.may_hold(self.under_way(), now) {
            for line in [Line::New, Line::Bulk] {
                let mut left = PUT_OFF;
                while let Some((mut row, hold)) = self.held_first(line, now)? {
                    match hold {
                        Hold::Until(until) if left > 0 => {
                            left -= 1;
                            row.lane.park(until, now);
                            self.save_lane(&mut row, now)?;
                            continue;
                        }
                        Hold::Until(_) => {}
                        Hold::Room(again) => room = Some(again),
                    }
                    hidden[line as usize] = true;
                    break;
                }
            }
        }
        let mut ready = self.counts.ready;
        for (ready, _) in ready.iter_mut().zip(hidden).filter(|(_, hidden)| *hidden) {
            *ready = 0;
        }
        Ok((ready, room))
    }

    /// The first lane of a line, if it has to wait for room, and how.
    fn held_first(&mut self, line: Line, now: Timestamp) -> Result<Option<(LaneRow, Hold)>, Error> {
        let first = self.cached(sql::FIRST_IN_LINE)?.query_row([line as i64], LaneRow::read).optional()?;
        let Some(row) = first.filter(|row| row.lane.lead_id.is_none()) else { return Ok(None) };
        let source = self.cached(sql::SOURCE_OF_LANE)?.query_row([int(row.id)], |row| source_at(row, 0))?;
        let hold = self.gate.days.holds(&source, line == Line::Bulk, self.under_way(), now);
        Ok(hold.map(|hold| (row, hold)))
    }

    /// Puts off lanes that would be next, while another one of the same lead goes first. `ready` says how many lanes are
    /// ready in each line.
    pub(super) fn give_way(&mut self, ready: &mut [u64; LINES], now: Timestamp) -> Result<(), Error> {
        for line in Line::OF_KNOWN_LEADS {
            while let Some((mut row, other)) = self.first_behind(line, now)? {
                row.lane.give_way(&other.lane, now);
                self.save_lane(&mut row, now)?;
                ready[line as usize] = ready[line as usize].saturating_sub(1);
            }
        }
        Ok(())
    }

    /// The first lane of a line, if another one goes before it: the oldest of them.
    fn first_behind(&self, line: Line, now: Timestamp) -> Result<Option<(LaneRow, LaneRow)>, Error> {
        let first = self.cached(sql::FIRST_IN_LINE)?.query_row([line as i64], LaneRow::read).optional()?;
        let Some(row) = first else { return Ok(None) };
        let Some(LeadId(lead_id)) = &row.lane.lead_id else { return Ok(None) };
        let values = params![lead_id, int(row.id), nanos(now)];
        let other = self.cached(sql::AHEAD)?.query_row(values, LaneRow::read).optional()?;
        Ok(other.map(|other| (row, other)))
    }

    /// The chore that is due.
    pub(super) fn chore(&self, now: Timestamp) -> Result<Option<Chore>, Error> {
        if self.counts.to_verify > 0 {
            let due = self.cached(sql::VERIFY_DUE)?.query_row([nanos(now)], |row| {
                let external_ref = ExternalRef::from_stored(row.get(0)?);
                Ok(Chore::Verify(Verification { external_ref, lead_id: LeadId(row.get(1)?) }))
            });
            if let Some(chore) = due.optional()? {
                return Ok(Some(chore));
            }
        }
        Ok(self.gate.days.looks_due(self.under_way(), now).then_some(Chore::LookAtDay))
    }

    /// Hands it out: it is due again when nothing is heard of it.
    pub(super) fn hand_out(&mut self, chore: Chore, now: Timestamp) -> Result<Chore, Error> {
        match &chore {
            Chore::Verify(Verification { external_ref, .. }) => {
                self.put_off_verification(external_ref, now + receipt::CHORE_AGAIN)?;
            }
            Chore::LookAtDay => {
                self.gate.days.take_look(self.under_way(), now);
            }
        }
        Ok(chore)
    }

    /// When the next chore is due.
    pub(super) fn next_chore(&self, now: Timestamp) -> Result<Option<Timestamp>, Error> {
        let verify = match self.counts.to_verify {
            0 => None,
            _ => self.cached(sql::VERIFY_NEXT)?.query_row([nanos(now)], |row| maybe_time_at(row, 0))?,
        };
        let look = self.gate.days.next_look().filter(|look| *look > now);
        Ok([verify, look].into_iter().flatten().min())
    }

    /// The lead of this lane is to be searched for once more.
    pub(super) fn verify_later(&mut self, lane: u64, now: Timestamp) -> Result<(), Error> {
        let added = self.cached(sql::VERIFY)?.execute([int(lane), nanos(now + VERIFY_AFTER)])?;
        self.counts.to_verify += added as u64;
        Ok(())
    }

    pub(super) fn verified(&mut self, chore: &Verification, verified: &Verified, now: Timestamp) -> Result<(), Error> {
        let now = self.tick(now)?;
        match verified {
            Verified::Later(at) => self.put_off_verification(&chore.external_ref, *at),
            Verified::Seen(doubles) => {
                let over = self.cached(sql::VERIFY_OVER)?.execute([chore.external_ref.as_str()])?;
                self.counts.to_verify -= over as u64;
                self.report(&chore.external_ref, &chore.lead_id, doubles, now)
            }
        }
    }

    fn put_off_verification(&self, external_ref: &ExternalRef, at: Timestamp) -> Result<(), Error> {
        self.cached(sql::VERIFY_LATER)?.execute(params![external_ref.as_str(), nanos(at)]).map(drop)
    }

    /// Keeps that a lead is there more than once.
    pub(super) fn report(
        &self,
        external_ref: &ExternalRef,
        lead_id: &LeadId,
        doubles: &[LeadId],
        now: Timestamp,
    ) -> Result<(), Error> {
        if doubles.is_empty() {
            return Ok(());
        }
        let before = self.incident(external_ref)?;
        self.save_incident(&Incident::of_doubles(before, external_ref, lead_id, doubles, now))
    }

    pub(super) fn save_incident(&self, incident: &Incident) -> Result<(), Error> {
        let Incident { external_ref, lead_id, doubles, twins, seen } = incident;
        let lead_id = lead_id.as_ref().map(|id| &id.0);
        let values = params![external_ref.as_str(), lead_id, json(doubles), json(twins), nanos(*seen)];
        self.cached(sql::REPORT)?.execute(values).map(drop)
    }

    pub(super) fn incident(&self, external_ref: &ExternalRef) -> Result<Option<Incident>, Error> {
        self.cached(sql::INCIDENT)?.query_row([external_ref.as_str()], incident).optional()
    }

    pub(super) fn incidents(&self, max: usize) -> Result<Vec<Incident>, Error> {
        let mut incidents = self.cached(sql::INCIDENTS)?;
        incidents.query_map([int(receipt::page(max) as u64)], incident)?.collect()
    }

    pub(super) fn count_incidents(&self) -> Result<u64, Error> {
        self.cached(sql::COUNT_INCIDENTS)?.query_row([], |row| count_at(row, 0))
    }

    pub(super) fn dismiss(&self, which: Option<&ExternalRef>) -> Result<usize, Error> {
        self.cached(sql::DISMISS)?.execute([which.map(ExternalRef::as_str)])
    }

    pub(super) fn note_day(&mut self, note: DayNote, now: Timestamp) -> Result<DayState, Error> {
        let now = self.tick(now)?;
        self.gate_moved = true;
        if self.gate.days.note(note, now) && self.counts.parked > 0 {
            self.let_go()?;
        }
        Ok(self.gate.days.state(now))
    }

    /// Everything that waits for tomorrow is ready now; what still has to wait is put off again when its turn comes.
    fn let_go(&mut self) -> Result<(), Error> {
        let lines = self.cached(sql::LET_GO)?.query_map([], |row| row.get(0))?.collect::<Result<Vec<u8>, Error>>()?;
        for line in lines.into_iter().map(usize::from) {
            self.counts.waiting[line] -= 1;
            self.counts.ready[line] += 1;
            self.counts.parked -= 1;
        }
        Ok(())
    }
}

pub(super) fn incident(row: &Row<'_>) -> Result<Incident, Error> {
    Ok(Incident {
        external_ref: ExternalRef::from_stored(row.get(0)?),
        lead_id: row.get::<_, Option<String>>(1)?.map(LeadId),
        doubles: json_at(row, 2)?,
        twins: json_at(row, 3)?,
        seen: time_at(row, 4)?,
    })
}
