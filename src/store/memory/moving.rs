//! The model: everything in parts, for another store, and from one.

use bytes::Bytes;
use jiff::Timestamp;

use super::model::{Alias, Event, Known, Model};
use crate::domain::event::{DeadReason, Hold};
use crate::domain::external_ref::ExternalRef;
use crate::store::gate::Gate;
use crate::store::lane::State;
use crate::store::parts::{EventPart, LanePart, Part, Parts, PendingPart, Place, Stage, WholePart};
use crate::store::{EventState, Seq, Topic};

impl Model {
    pub(super) fn give(&self, place: Place, max: usize) -> Parts {
        let all: Vec<Part> = match place.stage {
            Stage::Sources => {
                self.sources.iter().map(|name| Part::Source(name.clone(), Timestamp::UNIX_EPOCH)).collect()
            }
            Stage::Memos => self
                .memos
                .iter()
                .filter(|((topic, _), _)| *topic != Topic::Move)
                .map(|((topic, key), value)| Part::Memo(*topic, key.clone(), value.clone()))
                .collect(),
            Stage::Incidents => self.incidents.values().cloned().map(Part::Incident).collect(),
            Stage::Traces => self.forgotten.iter().copied().map(Part::Trace).collect(),
            Stage::Lanes => self.lanes.iter().map(|(name, known)| self.lane_part(name, known)).collect(),
            Stage::Events => self.events.iter().map(|(seq, event)| event.part(*seq)).collect(),
            Stage::Inbox => self.inbox.iter().map(|(place, webhook)| Part::Webhook(*place, webhook.clone())).collect(),
            Stage::Whole => vec![self.whole_part()],
        };
        let done = usize::try_from(place.after).unwrap_or(usize::MAX);
        let parts: Vec<Part> = all.iter().skip(done).take(max).cloned().collect();
        let given = done + parts.len();
        let next = place.on((given < all.len()).then_some(given as u64));
        Parts { parts, next }
    }

    fn lane_part(&self, external_ref: &ExternalRef, known: &Known) -> Part {
        let events = || self.events.iter().filter(|(_, event)| event.external_ref.as_ref() == Some(external_ref));
        let pending = events().filter(|(_, event)| event.state == EventState::Pending);
        let is_past = |event: &Event| !matches!(event.state, EventState::Pending | EventState::Dead);
        let names = self.aliases.iter().filter(|(_, alias)| alias.lane == *external_ref);
        let part = LanePart {
            external_ref: external_ref.clone(),
            born: known.born,
            lane: known.lane.clone(),
            pending: pending
                .map(|(seq, event)| PendingPart {
                    seq: *seq,
                    joined: event.joined,
                    source: event.source.clone(),
                    received: event.received,
                })
                .collect(),
            past: events().filter(|(_, event)| is_past(event)).map(|(seq, _)| *seq).collect(),
            dead: u32::try_from(events().filter(|(_, event)| event.state == EventState::Dead).count())
                .unwrap_or(u32::MAX),
            forget: (known.lane.state == State::Idle).then_some(known.forget),
            verify: self.to_verify.get(external_ref).copied(),
            log: known.log.clone(),
            names: names.map(|(name, alias)| (name.clone(), alias.past)).collect(),
        };
        Part::Lane(Box::new(part.plain()))
    }

    fn whole_part(&self) -> Part {
        Part::Whole(Box::new(WholePart {
            next_place: self.next_place,
            next_seq: self.next_seq,
            sorted: self.sorted,
            gone: self.gone,
            gate: self.gate.record(),
            calls: self.gate.limiter.calls_from(0).collect(),
        }))
    }

    pub(super) fn take(&mut self, parts: Parts, was: &Bytes, is: Bytes) -> bool {
        let key = (Topic::Move, "from".to_owned());
        if self.memos.get(&key) != Some(was) {
            return false;
        }
        self.memos.insert(key, is);
        parts.parts.into_iter().for_each(|part| self.take_part(part));
        true
    }

    fn take_part(&mut self, part: Part) {
        match part {
            Part::Source(name, _) => drop(self.sources.insert(name)),
            Part::Memo(topic, key, value) => drop(self.memos.insert((topic, key), value)),
            Part::Incident(incident) => drop(self.incidents.insert(incident.external_ref.clone(), incident)),
            Part::Trace(trace) => drop(self.forgotten.insert(trace)),
            Part::Lane(part) => self.take_lane(*part),
            Part::Event(part) => drop(self.events.insert(part.seq, Event::of(*part))),
            Part::Webhook(place, webhook) => drop(self.inbox.insert(place, webhook)),
            Part::Whole(part) => {
                let WholePart { next_place, next_seq, sorted, gone, gate, calls } = *part;
                (self.next_place, self.next_seq, self.sorted, self.gone) = (next_place, next_seq, sorted, gone);
                self.gate = Gate::restore(gate, calls, self.options.call_timeout);
            }
        }
    }

    fn take_lane(&mut self, part: LanePart) {
        let LanePart { external_ref, born, lane, forget, verify, log, names, .. } = part;
        self.next_lane = self.next_lane.max(born + 1);
        for (name, past) in names {
            self.aliases.insert(name, Alias { lane: external_ref.clone(), past });
        }
        self.to_verify.extend(verify.map(|due| (external_ref.clone(), due)));
        let forget = forget.unwrap_or(Timestamp::MAX);
        self.lanes.insert(external_ref, Known { born, lane, log, forget });
    }
}

impl Event {
    fn part(&self, seq: Seq) -> Part {
        let Self { id, external_ref, source, received, request_id, state, joined, released, .. } = self.clone();
        let Self { known_until, ended, why, lead_id, forget, headers, body, fetched, .. } = self.clone();
        let why = why.map(|(word, sentence)| (word.to_owned(), sentence));
        Part::Event(Box::new(EventPart {
            seq,
            id,
            external_ref,
            source,
            received,
            request_id,
            state,
            joined,
            released,
            known_until,
            ended,
            why,
            lead_id,
            forget,
            headers,
            body,
            fetched,
        }))
    }

    fn of(part: EventPart) -> Self {
        let why = part.why.map(|(word, sentence)| (reason(&word), sentence));
        Self {
            id: part.id,
            external_ref: part.external_ref,
            source: part.source,
            received: part.received,
            request_id: part.request_id,
            state: part.state,
            joined: part.joined,
            released: part.released,
            known_until: part.known_until,
            ended: part.ended,
            why,
            lead_id: part.lead_id,
            forget: part.forget,
            headers: part.headers,
            body: part.body,
            fetched: part.fetched,
        }
    }
}

/// The word as the model has it.
fn reason(word: &str) -> &'static str {
    let dead = word.parse::<DeadReason>().map(<&'static str>::from);
    dead.or_else(|_| word.parse::<Hold>().map(<&'static str>::from)).unwrap_or("rejected")
}
