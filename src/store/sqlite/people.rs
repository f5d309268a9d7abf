//! What a person asks that changes something, what time forgets, and the numbers.

use bytes::Bytes;
use jiff::Timestamp;
use rusqlite::{Error, OptionalExtension, params};
use strum::VariantArray;

use super::db::Db;
use super::sql;
use super::values::{count, count_at, int, nanos, source_at, state_at, time, time_at};
use crate::domain::event::SourceName;
use crate::domain::external_ref::ExternalRef;
use crate::store::gate::Line;
use crate::store::lane::Rest;
use crate::store::{Arrival, Class, EventState, Queue, Seq, Stats, StoreError, Topic, memo, receipt};

/// An event that was chosen to be moved.
struct Chosen {
    seq: Seq,
    /// `None` for a webhook that could not be split.
    lane: Option<u64>,
    received: Timestamp,
}

impl Db {
    /// Puts dead letters back, until `max` have been.
    pub(super) fn replay(&mut self, chosen: &[Seq], max: usize, now: Timestamp) -> Result<usize, Error> {
        let now = self.tick(now)?;
        self.each(EventState::Dead, chosen, max, |db, event| {
            let Some(lane) = event.lane else { return db.sort_again(event.seq) };
            let mut row = db.lane_with_id(lane)?;
            let count = if row.lane.is_dead() {
                db.revive(&mut row, Arrival::Bulk)?
            } else {
                db.put_back(event, row.lane.fence, EventState::Dead)?;
                row.lane.rejoin(Rest { count: 1, first: Some((event.seq, event.received)) });
                1
            };
            db.save_lane(&mut row, now)?;
            Ok(count)
        })
    }

    /// Lets withheld events go to their lanes, until `max` have.
    pub(super) fn release(&mut self, chosen: &[Seq], max: usize, now: Timestamp) -> Result<usize, Error> {
        let now = self.tick(now)?;
        self.each(EventState::Withheld, chosen, max, |db, event| {
            let Some(lane) = event.lane else { return Ok(0) };
            let mut row = db.lane_with_id(lane)?;
            db.put_back(event, row.lane.fence, EventState::Withheld)?;
            db.arrive(&mut row, event.seq, event.received, Arrival::Live, now)?;
            db.save_lane(&mut row, now)?;
            Ok(1)
        })
    }

    /// Gives up dead letters or withheld events, until `max` have been.
    pub(super) fn discard(
        &mut self,
        state: EventState,
        chosen: &[Seq],
        max: usize,
        now: Timestamp,
    ) -> Result<usize, Error> {
        let now = self.tick(now)?;
        self.each(state, chosen, max, |db, event| {
            let forget = nanos(now + db.options.retention);
            let values = params![int(event.seq), nanos(now), forget];
            let size = db.cached(sql::DISCARD)?.query_row(values, |row| count_at(row, 0))?;
            db.count_moved(state, EventState::Discarded, 1);
            db.counts.bytes -= size;
            if let Some(lane) = event.lane {
                let left = db.cached(sql::COUNT_DEAD)?.query_row([int(lane)], |row| count_at(row, 0))?;
                let mut row = db.lane_with_id(lane)?;
                row.lane.discarded(left);
                db.save_lane(&mut row, now)?;
            }
            Ok(1)
        })
    }

    fn each(
        &mut self,
        state: EventState,
        chosen: &[Seq],
        max: usize,
        mut step: impl FnMut(&mut Self, &Chosen) -> Result<usize, Error>,
    ) -> Result<usize, Error> {
        let mut moved = 0;
        for seq in chosen {
            if moved >= max {
                break;
            }
            let event = self
                .cached(sql::MOVED)?
                .query_row([int(*seq), state as i64], |row| {
                    let lane = row.get::<_, Option<i64>>(0)?.map(count);
                    Ok(Chosen { seq: *seq, lane, received: time_at(row, 1)? })
                })
                .optional()?;
            if let Some(event) = event {
                moved += step(self, &event)?;
            }
        }
        Ok(moved)
    }

    fn put_back(&mut self, event: &Chosen, fence: u64, from: EventState) -> Result<(), Error> {
        let released = from == EventState::Withheld;
        self.cached(sql::PUT_BACK)?.execute(params![int(event.seq), int(fence), released])?;
        self.count_moved(from, EventState::Pending, 1);
        Ok(())
    }

    /// A webhook that could not be split goes back to the inbox; what comes of it this time is new.
    fn sort_again(&mut self, seq: Seq) -> Result<usize, Error> {
        self.cached(sql::SORT_AGAIN)?.execute([int(seq), int(self.counts.next_place)])?;
        self.cached(sql::DROP_EVENT)?.execute([int(seq)])?;
        self.counts.next_place += 1;
        self.counts.gone += 1;
        self.counts.inbox += 1;
        self.counts.events[EventState::Dead as usize] -= 1;
        Ok(1)
    }

    /// Forgets receipts and idle lanes whose time has come.
    pub(super) fn expire(&mut self, max: usize, now: Timestamp) -> Result<usize, Error> {
        let now = self.tick(now)?;
        let values = [nanos(now), int(max as u64)];
        let gone: Vec<EventState> = self
            .cached(sql::EXPIRE_EVENTS)?
            .query_map(values, |row| state_at(row, 0))?
            .collect::<Result<_, Error>>()?;
        for state in &gone {
            self.counts.events[*state as usize] -= 1;
            self.counts.gone += 1;
        }
        let lanes = self.forget_lanes(values)?;
        Ok(gone.len() + lanes)
    }

    /// Forgets idle lanes; of those that know their lead a trace is left, so that it is looked for before it is created.
    fn forget_lanes(&mut self, values: [i64; 2]) -> Result<usize, Error> {
        let lanes = self
            .cached(sql::EXPIRE_LANES)?
            .query_map(values, |row| Ok((count_at(row, 0)?, ExternalRef::from_stored(row.get(1)?), row.get(2)?)))?
            .collect::<Result<Vec<(u64, ExternalRef, bool)>, Error>>()?;
        for (lane, ..) in &lanes {
            let names = self.cached(sql::DROP_ALIASES)?.execute([int(*lane)])?;
            self.counts.aliases -= names as u64;
        }
        for (_, external_ref, _) in lanes.iter().filter(|(.., is_known)| *is_known) {
            let left = self.cached(sql::LEAVE_TRACE)?.execute([&receipt::trace(external_ref)[..]])?;
            self.counts.forgotten += left as u64;
        }
        Ok(lanes.len())
    }

    pub(super) fn stats(&mut self, now: Timestamp) -> Result<Stats, Error> {
        let now = self.tick(now)?;
        let events = EventState::VARIANTS.iter().map(|state| (*state, self.counts.events[*state as usize])).collect();
        Ok(Stats {
            inbox: self.counts.inbox,
            events,
            queues: Class::VARIANTS.iter().map(|class| self.queue(*class)).collect::<Result<_, Error>>()?,
            leased: self.counts.leased,
            dead_lanes: self.counts.dead,
            bytes: self.counts.bytes,
            paused: self.gate.paused(),
            limiter: self.gate.limiter.stats(now),
            day: self.gate.days.stats(self.counts.parked, now),
            searching_first_until: self.gate.searching_first(now),
            incidents: self.count_incidents()?,
        })
    }

    fn queue(&self, class: Class) -> Result<Queue, Error> {
        let mut queue = Queue { class, ready: 0, waiting: 0, oldest: None };
        let mut oldest: Option<(i64, i64)> = None;
        for line in Line::VARIANTS.iter().filter(|line| line.class() == class) {
            queue.ready += self.counts.ready[*line as usize];
            queue.waiting += self.counts.waiting[*line as usize];
            for state in [sql::READY, sql::WAITING] {
                let first = self
                    .cached(sql::OLDEST_IN_LINE)?
                    .query_row([state, *line as i64], |row| Ok((row.get(0)?, row.get(1)?)))
                    .optional()?;
                oldest = [oldest, first].into_iter().flatten().min();
            }
        }
        queue.oldest = oldest.map(|(_, since)| time(since));
        Ok(queue)
    }

    pub(super) fn remember_sources(&mut self, on: &[SourceName], now: Timestamp) -> Result<(), Error> {
        let now = self.tick(now)?;
        on.iter().try_for_each(|source| {
            self.cached(sql::REMEMBER_SOURCE)?.execute(params![source.as_str(), nanos(now)]).map(drop)
        })
    }

    pub(super) fn memo(&self, topic: Topic, key: &str) -> Result<Option<Bytes>, Error> {
        let value =
            self.cached(sql::MEMO)?.query_row([topic.into(), key], |row| row.get::<_, Vec<u8>>(0)).optional()?;
        Ok(value.map(Bytes::from))
    }

    pub(super) fn memos(&self, topic: Topic) -> Result<Vec<(String, Bytes)>, Error> {
        let mut memos = self.cached(sql::MEMOS)?;
        let rows = memos.query_map([<&str>::from(topic)], |row| Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?.into())))?;
        rows.collect()
    }

    pub(super) fn set_memo(
        &self,
        topic: Topic,
        key: &str,
        value: &Bytes,
        was: Option<&Bytes>,
    ) -> Result<Result<bool, StoreError>, Error> {
        let place: [&str; 2] = [topic.into(), key];
        let others = self.cached(sql::COUNT_MEMOS)?.query_row(place, |row| count_at(row, 0))?;
        if let Some(full) = memo::too_much(key, value, others) {
            return Ok(Err(StoreError::Full(full)));
        }
        let is_first = self.memo(topic, key)?.as_ref() == was;
        if is_first {
            self.cached(sql::SAVE_MEMO)?.execute(params![place[0], key, &value[..]])?;
        }
        Ok(Ok(is_first))
    }

    pub(super) fn known_sources(&self) -> Result<Vec<SourceName>, Error> {
        self.cached(sql::KNOWN_SOURCES)?.query_map([], |row| source_at(row, 0))?.collect()
    }
}
