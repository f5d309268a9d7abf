//! Everything in the file in parts, for another store, and from one.

use bytes::Bytes;
use rusqlite::{Error, OptionalExtension, Row, params};
use strum::VariantArray;

use super::chores::incident;
use super::db::Db;
use super::inbox;
use super::lanes::LaneRow;
use super::sql;
use super::values::{count_at, id_at, int, json, json_at, log_at, maybe_time_at, nanos, source_at, state_at, time_at};
use crate::domain::event::Kept;
use crate::domain::external_ref::ExternalRef;
use crate::domain::lead::LeadId;
use crate::store::gate::Gate;
use crate::store::parts::{EventPart, LanePart, Part, Parts, PendingPart, Place, Stage, WholePart};
use crate::store::{EventState, InboxRecord, Topic, receipt};

/// Bytes of payloads given together, and at least one.
const BYTES: usize = 1 << 20;

impl Db {
    pub(super) fn give(&self, place: Place, max: usize) -> Result<Parts, Error> {
        let Place { stage, after } = place;
        let page = [int(after), int(max as u64)];
        let (parts, on) = match stage {
            Stage::Sources => {
                (self.all(sql::GIVE_SOURCES, [], |row| Ok(Part::Source(source_at(row, 0)?, time_at(row, 1)?)))?, None)
            }
            Stage::Memos => self.memos_from(after, max)?,
            Stage::Incidents => {
                counted(after, max, self.all(sql::GIVE_INCIDENTS, page, |row| incident(row).map(Part::Incident))?)
            }
            Stage::Traces => counted(after, max, self.all(sql::GIVE_TRACES, page, |row| row.get(0).map(Part::Trace))?),
            Stage::Lanes => self.lanes_from(page, max)?,
            Stage::Events => self.payloads(sql::GIVE_EVENTS, page, max, event)?,
            Stage::Inbox => self.payloads(sql::GIVE_INBOX, page, max, webhook)?,
            Stage::Whole => (vec![self.whole_part()], None),
        };
        Ok(Parts { parts, next: place.on(on) })
    }

    fn all(
        &self,
        sql: &'static str,
        params: impl rusqlite::Params,
        read: impl FnMut(&Row<'_>) -> Result<Part, Error>,
    ) -> Result<Vec<Part>, Error> {
        self.cached(sql)?.query_map(params, read)?.collect()
    }

    fn memos_from(&self, after: u64, max: usize) -> Result<(Vec<Part>, Option<u64>), Error> {
        let mut all = Vec::new();
        for topic in Topic::VARIANTS.iter().filter(|topic| **topic != Topic::Move) {
            all.extend(self.memos(*topic)?.into_iter().map(|(key, value)| Part::Memo(*topic, key, value)));
        }
        let parts = all.into_iter().skip(usize::try_from(after).unwrap_or(usize::MAX)).take(max).collect();
        Ok(counted(after, max, parts))
    }

    /// With payloads, as far as they are not too much together.
    fn payloads(
        &self,
        sql: &'static str,
        page: [i64; 2],
        max: usize,
        read: impl Fn(&Row<'_>) -> Result<(u64, usize, Part), Error>,
    ) -> Result<(Vec<Part>, Option<u64>), Error> {
        let mut statement = self.cached(sql)?;
        let mut rows = statement.query(page)?;
        let (mut parts, mut bytes, mut last) = (Vec::new(), 0, 0);
        while let Some(row) = rows.next()? {
            let (place, weight, part) = read(row)?;
            (last, bytes) = (place, bytes + weight);
            parts.push(part);
            if bytes > BYTES {
                return Ok((parts, Some(last)));
            }
        }
        let on = (parts.len() == max).then_some(last);
        Ok((parts, on))
    }

    fn lanes_from(&self, page: [i64; 2], max: usize) -> Result<(Vec<Part>, Option<u64>), Error> {
        let mut statement = self.cached(sql::AUDIT_PAGE)?;
        let mut rows = statement.query(page)?;
        let (mut parts, mut last) = (Vec::new(), 0);
        while let Some(row) = rows.next()? {
            let part = self.lane_part(row)?;
            last = part.born;
            parts.push(Part::Lane(Box::new(part.plain())));
        }
        let on = (parts.len() == max).then_some(last);
        Ok((parts, on))
    }

    fn lane_part(&self, row: &Row<'_>) -> Result<LanePart, Error> {
        let found = LaneRow::read(row)?;
        let id = int(found.id);
        let mut names = self.cached(sql::GIVE_NAMES)?;
        let names = names.query_map([id], |row| Ok((ExternalRef::from_stored(row.get(0)?), row.get(1)?)))?;
        let mut part = LanePart {
            names: names.collect::<Result<_, _>>()?,
            log: log_at(row, row.as_ref().column_index("log")?)?,
            forget: maybe_time_at(row, row.as_ref().column_index("forget")?)?,
            verify: self.cached(sql::GIVE_VERIFY)?.query_row([id], |row| time_at(row, 0)).optional()?,
            born: found.id,
            external_ref: found.external_ref,
            lane: found.lane,
            pending: Vec::new(),
            past: Vec::new(),
            dead: 0,
        };
        let mut events = self.cached(sql::GIVE_OF_LANE)?;
        let mut rows = events.query([id])?;
        while let Some(row) = rows.next()? {
            let seq = count_at(row, 0)?;
            match state_at(row, 1)? {
                EventState::Pending => part.pending.push(PendingPart {
                    seq,
                    joined: count_at(row, 2)?,
                    source: source_at(row, 3)?,
                    received: time_at(row, 4)?,
                }),
                EventState::Dead => part.dead += 1,
                EventState::Delivered | EventState::Withheld | EventState::Discarded => part.past.push(seq),
            }
        }
        Ok(part)
    }

    fn whole_part(&self) -> Part {
        Part::Whole(Box::new(WholePart {
            next_place: self.counts.next_place,
            next_seq: self.counts.next_seq,
            sorted: self.counts.sorted,
            gone: self.counts.gone,
            gate: self.gate.record(),
            calls: self.gate.limiter.calls_from(0).collect(),
        }))
    }

    /// Takes parts, if `was` is noted; notes `is` then.
    pub(super) fn take(&mut self, parts: &Parts, was: &Bytes, is: &Bytes) -> Result<bool, Error> {
        if self.memo(Topic::Move, "from")?.as_ref() != Some(was) {
            return Ok(false);
        }
        self.cached(sql::SAVE_MEMO)?.execute(params![<&str>::from(Topic::Move), "from", &is[..]])?;
        parts.parts.iter().try_for_each(|part| self.take_part(part))?;
        Ok(true)
    }

    fn take_part(&mut self, part: &Part) -> Result<(), Error> {
        match part {
            Part::Source(name, since) => {
                self.cached(sql::REMEMBER_SOURCE)?.execute(params![name.as_str(), nanos(*since)]).map(drop)
            }
            Part::Memo(topic, key, value) => {
                self.cached(sql::SAVE_MEMO)?.execute(params![<&str>::from(*topic), key, &value[..]]).map(drop)
            }
            Part::Incident(incident) => self.save_incident(incident),
            Part::Trace(trace) => {
                let new = self.cached(sql::LEAVE_TRACE)?.execute([&trace[..]])?;
                self.counts.forgotten += new as u64;
                Ok(())
            }
            Part::Lane(part) => self.take_lane(part),
            Part::Event(part) => self.take_event(part),
            Part::Webhook(place, webhook) => self.take_webhook(*place, webhook),
            Part::Whole(part) => {
                self.take_whole(part);
                Ok(())
            }
        }
    }

    fn take_lane(&mut self, part: &LanePart) -> Result<(), Error> {
        let LanePart { external_ref, born, lane, forget, verify, log, names, .. } = part;
        let mut row = LaneRow::new(*born, external_ref.clone(), lane.clone());
        self.save_lane(&mut row, self.latest())?;
        self.counts.next_lane = self.counts.next_lane.max(born + 1);
        self.cached(sql::TAKE_LANE)?.execute(params![int(*born), forget.map(nanos), json(log)])?;
        if let Some(due) = verify {
            let new = self.cached(sql::VERIFY)?.execute(params![int(*born), nanos(*due)])?;
            self.counts.to_verify += new as u64;
        }
        names.iter().try_for_each(|(name, past)| self.save_alias(*born, name, *past))
    }

    fn take_event(&mut self, part: &EventPart) -> Result<(), Error> {
        let weigh = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
        let headers: usize = part.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        let size = (headers + weigh(&part.body) + weigh(&part.fetched)) as u64;
        let is_whole = part.external_ref.is_none() && part.body.is_some();
        self.cached(sql::TAKE_EVENT)?.execute(params![
            int(part.seq),
            part.id.as_bytes(),
            part.external_ref.as_ref().map(ExternalRef::as_str),
            part.source.as_str(),
            nanos(part.received),
            part.request_id,
            part.state as i64,
            int(part.joined),
            part.released,
            nanos(part.known_until),
            part.ended.map(nanos),
            part.why.as_ref().map(|(word, _)| word),
            part.why.as_ref().map(|(_, sentence)| sentence),
            part.lead_id.as_ref().map(|id| &id.0),
            part.forget.map(nanos),
            is_whole.then(|| json(&part.headers)),
            part.body.as_deref(),
            part.fetched.as_deref(),
            int(size),
        ])?;
        self.counts.events[part.state as usize] += 1;
        self.counts.bytes += size;
        Ok(())
    }

    fn take_webhook(&mut self, place: u64, webhook: &Kept) -> Result<(), Error> {
        let size = receipt::weight(webhook);
        self.cached(sql::KEEP)?.execute(params![
            int(place),
            webhook.source.as_str(),
            nanos(webhook.received),
            webhook.request_id,
            json(&webhook.headers),
            &webhook.body[..],
            int(size),
        ])?;
        self.counts.inbox += 1;
        self.counts.bytes += size;
        Ok(())
    }

    fn take_whole(&mut self, part: &WholePart) {
        let WholePart { next_place, next_seq, sorted, gone, gate, calls } = part.clone();
        let counts = &mut self.counts;
        (counts.next_place, counts.next_seq, counts.sorted, counts.gone) = (next_place, next_seq, sorted, gone);
        self.replace_gate(Gate::restore(gate, calls, self.options.call_timeout));
    }
}

/// Parts that are found by counting.
fn counted(after: u64, max: usize, parts: Vec<Part>) -> (Vec<Part>, Option<u64>) {
    let on = (parts.len() == max).then(|| after + parts.len() as u64);
    (parts, on)
}

fn event(row: &Row<'_>) -> Result<(u64, usize, Part), Error> {
    let bytes = |column| Ok::<_, Error>(row.get::<_, Option<Vec<u8>>>(column)?.map(Bytes::from));
    let (word, sentence): (Option<String>, Option<String>) = (row.get(11)?, row.get(12)?);
    let has_headers = row.get_ref(15)? != rusqlite::types::ValueRef::Null;
    let part = EventPart {
        seq: count_at(row, 0)?,
        id: id_at(row, 1)?,
        external_ref: row.get::<_, Option<String>>(2)?.map(ExternalRef::from_stored),
        source: source_at(row, 3)?,
        received: time_at(row, 4)?,
        request_id: row.get(5)?,
        state: state_at(row, 6)?,
        joined: count_at(row, 7)?,
        released: row.get(8)?,
        known_until: time_at(row, 9)?,
        ended: maybe_time_at(row, 10)?,
        why: word.zip(sentence),
        lead_id: row.get::<_, Option<String>>(13)?.map(LeadId),
        forget: maybe_time_at(row, 14)?,
        headers: if has_headers { json_at(row, 15)? } else { Vec::new() },
        body: bytes(16)?,
        fetched: bytes(17)?,
    };
    let weight = part.body.as_ref().map_or(0, Bytes::len) + part.fetched.as_ref().map_or(0, Bytes::len);
    Ok((part.seq, weight, Part::Event(Box::new(part))))
}

fn webhook(row: &Row<'_>) -> Result<(u64, usize, Part), Error> {
    let InboxRecord { place, webhook } = inbox::record(row)?;
    Ok((place, webhook.body.len(), Part::Webhook(place, webhook)))
}
