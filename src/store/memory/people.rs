//! The model: what a person asks.

use std::cmp::Reverse;

use bytes::Bytes;
use jiff::Timestamp;
use strum::VariantArray;

use super::model::{Event, Model};
use crate::domain::event::{EventId, Kept};
use crate::domain::external_ref::ExternalRef;
use crate::store::gate::Line;
use crate::store::lane::{Lane, Rest, State, Wait};
use crate::store::receipt;
use crate::store::{
    Arrival, Class, EventDetail, EventFilter, EventPage, EventQuery, EventRow, EventState, Incident, LaneDetail, Moved,
    Queue, Selector, Seq, Stats, StoreError, Topic, memo,
};

impl Model {
    pub(super) fn list(&self, query: &EventQuery) -> EventPage {
        let wanted = |seq: Seq, event: &Event| {
            query.before.is_none_or(|before| seq < before)
                && query.state.is_none_or(|state| state == event.state)
                && admits(&query.filter, event)
        };
        let limit = receipt::page(query.limit);
        let mut matching = self.events.iter().rev().filter(|(seq, event)| wanted(**seq, event));
        let events: Vec<EventRow> = matching.by_ref().take(limit).map(|(seq, event)| event.row(*seq)).collect();
        let next = matching.next().and_then(|_| events.last()).map(|row| row.seq);
        EventPage { events, next }
    }

    pub(super) fn event(&self, id: &EventId) -> Option<EventDetail> {
        let (seq, event) = self.events.iter().find(|(_, event)| event.id == *id)?;
        let lane = event.external_ref.as_ref().and_then(|external_ref| self.lane(external_ref));
        Some(EventDetail { row: event.row(*seq), body: event.body.clone(), lane })
    }

    pub(super) fn lane(&self, name: &ExternalRef) -> Option<LaneDetail> {
        let own = self.lanes.contains_key(name).then(|| name.clone());
        let external_ref = &own.or_else(|| self.named(name))?;
        let known = &self.lanes[external_ref];
        let lane = &known.lane;
        let due = match lane.state {
            State::Waiting { due, .. } => Some(due),
            State::Idle | State::Ready | State::Leased { .. } | State::Dead => None,
        };
        Some(LaneDetail {
            external_ref: external_ref.clone(),
            state: lane.state.word(),
            due,
            aliases: self.aliases_of(external_ref),
            lead_id: lane.lead_id.clone(),
            standing: lane.standing,
            intent: lane.intent,
            adopting: lane.adopting.as_ref().map(|adopting| adopting.lead_id.clone()),
            told: lane.told.clone(),
            pending: lane.pending,
            attempts: lane.attempts,
            crashes: lane.crashes,
            log: known.log.clone(),
        })
    }

    pub(super) fn replay(&mut self, which: &Selector, max: usize, now: Timestamp) -> Moved {
        let now = self.tick(now);
        self.each(EventState::Dead, which, max, |model, seq| {
            let event = &model.events[&seq];
            match event.external_ref.clone() {
                None => {
                    model.sort_again(seq);
                    1
                }
                Some(external_ref) if model.known(&external_ref, now).lane.is_dead() => {
                    model.revive(&external_ref, Arrival::Bulk, now)
                }
                Some(external_ref) => {
                    model.rejoin(&external_ref, seq, now);
                    1
                }
            }
        })
    }

    fn rejoin(&mut self, external_ref: &ExternalRef, seq: Seq, now: Timestamp) {
        let fence = self.known(external_ref, now).lane.fence;
        let event = self.events.get_mut(&seq).expect("it was chosen from the events");
        event.rejoin(fence);
        let back = Rest { count: 1, first: Some((seq, event.received)) };
        self.known(external_ref, now).lane.rejoin(back);
    }

    /// A webhook that could not be split goes back to the inbox; what comes of it this time is new.
    fn sort_again(&mut self, seq: Seq) {
        let event = self.events.remove(&seq).expect("it was chosen from the events");
        self.gone += 1;
        let Event { source, received, request_id, headers, body, .. } = event;
        self.put_in_inbox(Kept { source, received, request_id, headers, body: body.unwrap_or_default() });
    }

    pub(super) fn release(&mut self, which: &Selector, max: usize, now: Timestamp) -> Moved {
        let now = self.tick(now);
        self.each(EventState::Withheld, which, max, |model, seq| {
            let event = &model.events[&seq];
            let external_ref = event.external_ref.clone().expect("what is withheld has been split");
            let fence = model.known(&external_ref, now).lane.fence;
            let event = model.events.get_mut(&seq).expect("it was chosen from the events");
            event.rejoin(fence);
            event.released = true;
            let received = event.received;
            model.arrive(&external_ref, seq, received, Arrival::Live, now);
            1
        })
    }

    pub(super) fn discard(&mut self, state: EventState, which: &Selector, max: usize, now: Timestamp) -> Moved {
        if !matches!(state, EventState::Dead | EventState::Withheld) {
            return Moved::default();
        }
        let now = self.tick(now);
        self.each(state, which, max, |model, seq| {
            let event = model.events.get_mut(&seq).expect("it was chosen from the events");
            event.discard(&model.options, now);
            if let Some(external_ref) = event.external_ref.clone() {
                let dead = |event: &&Event| {
                    event.state == EventState::Dead && event.external_ref.as_ref() == Some(&external_ref)
                };
                let left = model.events.values().filter(dead).count() as u64;
                model.known(&external_ref, now).lane.discarded(left);
            }
            1
        })
    }

    /// Moves what is chosen, oldest first, until `max` have been moved.
    fn each(
        &mut self,
        state: EventState,
        which: &Selector,
        max: usize,
        mut step: impl FnMut(&mut Self, Seq) -> usize,
    ) -> Moved {
        let mut count = 0;
        for seq in self.chosen(state, which) {
            if count >= max {
                break;
            }
            if self.events.get(&seq).is_some_and(|event| event.state == state) {
                count += step(self, seq);
            }
        }
        Moved { count, more: !self.chosen(state, which).is_empty() }
    }

    fn chosen(&self, state: EventState, which: &Selector) -> Vec<Seq> {
        let is_chosen = |event: &Event| match which {
            Selector::Ids(ids) => ids.contains(&event.id),
            Selector::Matching(filter) => admits(filter, event),
        };
        let chosen = self.events.iter().filter(|(_, event)| event.state == state && is_chosen(event));
        chosen.map(|(seq, _)| *seq).collect()
    }

    pub(super) fn incidents(&self, max: usize) -> Vec<Incident> {
        let mut incidents: Vec<Incident> = self.incidents.values().cloned().collect();
        incidents.sort_by_key(|incident| (Reverse(incident.seen), incident.external_ref.clone()));
        incidents.truncate(receipt::page(max));
        incidents
    }

    pub(super) fn dismiss(&mut self, which: Option<&ExternalRef>) -> usize {
        let before = self.incidents.len();
        self.incidents.retain(|external_ref, _| which.is_some_and(|which| which != external_ref));
        before - self.incidents.len()
    }

    pub(super) fn expire(&mut self, max: usize, now: Timestamp) -> usize {
        let now = self.tick(now);
        let mut old: Vec<_> = self.events.iter().filter_map(|(seq, event)| Some((event.forget?, *seq))).collect();
        old.retain(|(forget, _)| *forget <= now);
        old.sort_unstable();
        old.truncate(max);
        for (_, seq) in &old {
            self.events.remove(seq);
            self.gone += 1;
        }
        let has_events =
            |external_ref| self.events.values().any(|event| event.external_ref.as_ref() == Some(external_ref));
        let mut idle: Vec<_> = self
            .lanes
            .iter()
            .filter(|(external_ref, known)| {
                known.lane.state == State::Idle && known.forget <= now && !has_events(external_ref)
            })
            .map(|(external_ref, known)| (known.forget, external_ref.clone()))
            .collect();
        idle.sort_unstable();
        idle.truncate(max);
        for (_, external_ref) in &idle {
            self.aliases.retain(|_, alias| alias.lane != *external_ref);
            if self.lanes.remove(external_ref).is_some_and(|known| known.lane.leaves_a_trace()) {
                self.forgotten.insert(receipt::trace(external_ref));
            }
        }
        old.len() + idle.len()
    }

    pub(super) fn memos(&self, topic: Topic) -> Vec<(String, Bytes)> {
        let of_topic = self.memos.iter().filter(|((about, _), _)| *about == topic);
        of_topic.map(|((_, key), value)| (key.clone(), value.clone())).collect()
    }

    pub(super) fn set_memo(
        &mut self,
        topic: Topic,
        key: &str,
        value: Bytes,
        was: Option<&Bytes>,
    ) -> Result<bool, StoreError> {
        let place = (topic, key.to_owned());
        let others = self.memos.keys().filter(|other| other.0 == topic && **other != place).count() as u64;
        if let Some(full) = memo::too_much(key, &value, others) {
            return Err(StoreError::Full(full));
        }
        let is_first = self.memos.get(&place) == was;
        if is_first {
            self.memos.insert(place, value);
        }
        Ok(is_first)
    }

    pub(super) fn stats(&mut self, now: Timestamp) -> Stats {
        let now = self.tick(now);
        let in_state = |state| self.events.values().filter(|event| event.state == state).count() as u64;
        let lanes_that =
            |are: fn(&State) -> bool| self.lanes.values().filter(|known| are(&known.lane.state)).count() as u64;
        Stats {
            inbox: self.inbox.len() as u64,
            events: EventState::VARIANTS.iter().map(|state| (*state, in_state(*state))).collect(),
            queues: Class::VARIANTS.iter().map(|class| self.queue(*class)).collect(),
            leased: lanes_that(|state| matches!(state, State::Leased { .. })),
            dead_lanes: lanes_that(|state| *state == State::Dead),
            bytes: self.bytes(),
            paused: self.gate.paused(),
            limiter: self.gate.limiter.stats(now),
            day: self.gate.days.stats(lanes_that(|state| matches!(state, State::Waiting { why: Wait::Day, .. })), now),
            searching_first_until: self.gate.searching_first(now),
            incidents: self.incidents.len() as u64,
        }
    }

    fn queue(&self, class: Class) -> Queue {
        let of_class = |lane: &&Lane| Line::of(lane).class() == class;
        let lanes: Vec<&Lane> = self.lanes.values().map(|known| &known.lane).filter(of_class).collect();
        let ready = lanes.iter().filter(|lane| lane.state == State::Ready);
        let waiting = lanes.iter().filter(|lane| matches!(lane.state, State::Waiting { .. }));
        let oldest = ready.clone().chain(waiting.clone()).min_by_key(|lane| lane.ord).map(|lane| lane.since);
        Queue { class, ready: ready.count() as u64, waiting: waiting.count() as u64, oldest }
    }
}

impl Event {
    fn row(&self, seq: Seq) -> EventRow {
        let (reason, detail) = self.why.clone().unzip();
        EventRow {
            seq,
            id: self.id,
            source: self.source.clone(),
            external_ref: self.external_ref.clone(),
            received: self.received,
            request_id: self.request_id.clone(),
            state: self.state,
            ended: self.ended,
            reason: reason.map(str::to_owned),
            detail,
            lead_id: self.lead_id.clone(),
        }
    }
}

fn admits(filter: &EventFilter, event: &Event) -> bool {
    let EventFilter { source, reason, since, until, lead, request } = filter;
    source.as_ref().is_none_or(|source| *source == event.source)
        && reason.as_ref().is_none_or(|reason| event.why.as_ref().is_some_and(|(word, _)| word == reason))
        && since.is_none_or(|since| since <= event.received)
        && until.is_none_or(|until| event.received < until)
        && lead.as_ref().is_none_or(|lead| event.external_ref.as_ref() == Some(lead))
        && request.as_ref().is_none_or(|request| *request == event.request_id)
}
