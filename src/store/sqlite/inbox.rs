//! Keep and sort.

use jiff::Timestamp;
use rusqlite::{Error, OptionalExtension, Row, params};

use super::db::Db;
use super::lanes::LaneRow;
use super::sql;
use super::values::{count_at, int, json_at, nanos, source_at, time_at};
use crate::domain::event::{EventId, HoldCount, Item, Kept};
use crate::store::receipt::{self, Entry};
use crate::store::{Arrival, Cap, EventState, InboxRecord, SortCount, Sorted, StoreError, Undelivered};

/// `event.state` as stored.
pub(super) const PENDING: i64 = EventState::Pending as i64;
/// The same of a dead letter.
pub(super) const DEAD: i64 = EventState::Dead as i64;

const _: () = {
    assert!(PENDING == 0 && DEAD == 3, "the statements name the states by these numbers");
    assert!(EventState::Delivered as i64 == 1 && EventState::Withheld as i64 == 2, "and by these");
    assert!(EventState::Discarded as i64 == 4, "and by this");
};

/// Items sorted in one step of the writer: webhooks wait for one such step at most, a millisecond or two.
const STEP: usize = 64;

/// The next records that are sorted in one step; at least one.
pub(super) fn next_step(left: &mut impl Iterator<Item = Sorted>) -> Vec<Sorted> {
    let (mut step, mut items) = (Vec::new(), 0);
    while items < STEP
        && let Some(record) = left.next()
    {
        items += record.split.as_ref().map_or(1, Vec::len).max(1);
        step.push(record);
    }
    step
}

/// A row of the inbox: place, source, received, request id, headers, body.
pub(super) fn record(row: &Row<'_>) -> Result<InboxRecord, Error> {
    let webhook = Kept {
        source: source_at(row, 1)?,
        received: time_at(row, 2)?,
        request_id: row.get(3)?,
        headers: json_at(row, 4)?,
        body: row.get::<_, Vec<u8>>(5)?.into(),
    };
    Ok(InboxRecord { place: count_at(row, 0)?, webhook })
}

impl Db {
    /// Appends a webhook, whose headers are `headers` as JSON.
    pub(super) fn keep(&mut self, webhook: &Kept, headers: &str) -> Result<Result<(), StoreError>, Error> {
        let size = receipt::weight(webhook);
        if let Some(full) = self.is_full(size) {
            return Ok(Err(StoreError::Full(full)));
        }
        let Kept { source, received, request_id, headers: _, body } = webhook;
        let (place, received) = (int(self.counts.next_place), nanos(*received));
        let values = params![place, source.as_str(), received, request_id, headers, &body[..], int(size)];
        self.cached(sql::KEEP)?.execute(values)?;
        self.counts.next_place += 1;
        self.counts.inbox += 1;
        self.counts.bytes += size;
        let room = self.room();
        *room = room.saturating_sub(size);
        Ok(Ok(()))
    }

    /// What has no room for a webhook of this weight.
    pub(super) fn is_full(&mut self, size: u64) -> Option<Cap> {
        let undelivered = [EventState::Pending, EventState::Withheld, EventState::Dead];
        let events: u64 = undelivered.iter().map(|state| self.counts.events[*state as usize]).sum();
        if events + self.counts.inbox >= self.options.max_events {
            Some(Cap::Events)
        } else if self.counts.bytes + size > self.options.max_bytes {
            Some(Cap::Bytes)
        } else if *self.room() < self.options.disk_reserve {
            Some(Cap::Disk)
        } else {
            None
        }
    }

    pub(super) fn unsorted(&self, after: u64, max: usize) -> Result<Vec<InboxRecord>, Error> {
        let mut unsorted = self.cached(sql::UNSORTED)?;
        let found = unsorted.query_map([int(max as u64), int(after)], record)?;
        let (mut records, mut read) = (Vec::new(), 0);
        for record in found {
            let record = record?;
            let size = record.webhook.body.len();
            if !receipt::is_read_along(read, size) {
                break;
            }
            read += size;
            records.push(record);
        }
        Ok(records)
    }

    pub(super) fn sort(&mut self, sorted: &[Sorted], now: Timestamp) -> Result<SortCount, Error> {
        let now = self.tick(now)?;
        let mut count = SortCount::default();
        for record in sorted {
            match &record.split {
                Err(why) => {
                    if self.bury_whole(record, why, now)? {
                        count.records.push(record.place);
                        count.unreadable += 1;
                    }
                }
                Ok(items) => {
                    if self.take_sorted(record.place)? {
                        count.records.push(record.place);
                        record.lessons.iter().try_for_each(|lesson| self.heed(lesson, &mut count, now))?;
                        items.iter().try_for_each(|item| self.sort_item(record, item, &mut count, now))?;
                    }
                }
            }
        }
        Ok(count)
    }

    /// Takes a record out of the inbox; false when it is not there any more.
    fn take_sorted(&mut self, place: u64) -> Result<bool, Error> {
        let size = self.cached(sql::TAKE_SORTED)?.query_row([int(place)], |row| count_at(row, 0)).optional()?;
        let Some(size) = size else { return Ok(false) };
        self.counts.inbox -= 1;
        self.counts.sorted += 1;
        self.counts.bytes -= size;
        Ok(true)
    }

    fn sort_item(&mut self, record: &Sorted, item: &Item, count: &mut SortCount, now: Timestamp) -> Result<(), Error> {
        let mut joined = self.join(item)?;
        let row = &mut joined.row;
        let entry = Entry::of(item, row.lane.pending, &self.options);
        if !self.add_event(record, item, row, &entry, now)? {
            if self.is_known(item.id, now)? {
                count.duplicates += 1;
                return Ok(());
            }
            self.add_event(record, item, row, &entry, now)?;
        }
        let seq = self.counts.next_seq;
        self.counts.next_seq += 1;
        self.counts.events[entry.state() as usize] += 1;
        self.counts.bytes += item.body.len() as u64;
        match entry {
            Entry::Pending => {
                count.new += 1;
                self.arrive(row, seq, record.received, record.arrival, now)?;
            }
            Entry::Withheld(hold) => count.withheld += HoldCount::one(hold),
            Entry::Dead(_) => count.crowded += 1,
        }
        self.save_lane(row, now)?;
        self.joined(item, &mut joined, count, now)
    }

    /// Writes a new event; false when its id is there already.
    fn add_event(
        &self,
        record: &Sorted,
        item: &Item,
        row: &LaneRow,
        entry: &Entry,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let (ended, reason, detail): (_, Option<&'static str>, _) = match entry {
            Entry::Pending => (None, None, None),
            Entry::Withheld(hold) => (Some(nanos(now)), Some((*hold).into()), Some(receipt::why_withheld(*hold))),
            Entry::Dead(why) => (Some(nanos(now)), Some(why.reason.into()), Some(why.detail.as_str())),
        };
        let added = self.cached(sql::ADD_EVENT)?.execute(params![
            int(self.counts.next_seq),
            item.id.as_bytes(),
            int(row.id),
            entry.state() as i64,
            int(row.lane.fence),
            record.source.as_str(),
            nanos(record.received),
            record.request_id,
            nanos(receipt::known_until(item, &self.options, now)),
            ended,
            reason,
            detail,
            int(item.body.len() as u64),
            item.body,
        ])?;
        Ok(added == 1)
    }

    /// Whether an event that is there makes a second one a duplicate. If its time is over, it gives the id up.
    fn is_known(&self, id: EventId, now: Timestamp) -> Result<bool, Error> {
        let (seq, known_until, source) = self
            .cached(sql::KNOWN_EVENT)?
            .query_row([id.as_bytes()], |row| Ok((count_at(row, 0)?, time_at(row, 1)?, source_at(row, 2)?)))?;
        if now < known_until {
            return Ok(true);
        }
        let other = receipt::retired_id(&source, id, seq);
        self.cached(sql::RENAME_EVENT)?.execute(params![int(seq), other.as_bytes()])?;
        Ok(false)
    }

    /// An event has joined its lane; a dead lane comes back with it.
    pub(super) fn arrive(
        &mut self,
        row: &mut LaneRow,
        seq: u64,
        received: Timestamp,
        arrival: Arrival,
        now: Timestamp,
    ) -> Result<(), Error> {
        if row.lane.is_dead() {
            self.revive(row, arrival)?;
        }
        let window = self.window(row);
        row.lane.arrive(seq, received, arrival, window, now);
        Ok(())
    }

    /// Puts the dead events of a dead lane back; gives how many. The lane is to be saved then.
    pub(super) fn revive(&mut self, row: &mut LaneRow, arrival: Arrival) -> Result<usize, Error> {
        let first = self.rest(row.id, DEAD, 0)?;
        let count = self.cached(sql::DEAD_OF_LANE)?.execute([int(row.id), int(row.lane.fence)])?;
        self.count_moved(EventState::Dead, EventState::Pending, count as u64);
        let back = crate::store::lane::Rest { count: u32::try_from(count).unwrap_or(u32::MAX), ..first };
        row.lane.revive(back, arrival);
        Ok(count)
    }

    /// A webhook that could not be split becomes a dead letter, whole; false when it is not in the inbox any more.
    fn bury_whole(&mut self, record: &Sorted, why: &Undelivered, now: Timestamp) -> Result<bool, Error> {
        let id = receipt::whole_id(record, |id| {
            let mut known = self.cached(sql::KNOWN_EVENT)?;
            known.exists([id.as_bytes()])
        })?;
        let reason: &'static str = why.reason.into();
        let buried = self.cached(sql::BURY_WHOLE)?.execute(params![
            int(record.place),
            int(self.counts.next_seq),
            id.as_bytes(),
            nanos(now + self.options.retention),
            nanos(now),
            reason,
            why.detail,
        ])?;
        if buried == 0 {
            return Ok(false);
        }
        self.cached(sql::TAKE_SORTED)?.query_row([int(record.place)], |_| Ok(()))?;
        self.counts.inbox -= 1;
        self.counts.sorted += 1;
        self.counts.next_seq += 1;
        self.counts.events[EventState::Dead as usize] += 1;
        Ok(true)
    }

    /// Counts events that went from one state to another.
    pub(super) fn count_moved(&mut self, from: EventState, to: EventState, count: u64) {
        self.counts.events[from as usize] -= count;
        self.counts.events[to as usize] += count;
    }
}
