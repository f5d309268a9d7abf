//! The model: what it knows; keep and sort.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use bytes::Bytes;
use jiff::Timestamp;

use crate::domain::event::{EventId, HoldCount, Item, Kept, SourceName};
use crate::domain::external_ref::ExternalRef;
use crate::domain::lead::LeadId;
use crate::store::gate::{Gate, GateRecord};
use crate::store::lane::{Lane, Rest};
use crate::store::receipt::{self, Entry};
use crate::store::suspicion::AFTER_A_LOSS;
use crate::store::time::{Tick, Time};
use crate::store::{
    Arrival, Attempt, Cap, EventState, InboxRecord, Incident, Options, Seq, SortCount, Sorted, StoreError, Topic,
    Undelivered,
};

/// Everything that the store knows.
#[derive(Debug, Clone)]
pub(super) struct Model {
    pub(super) options: Options,
    pub(super) time: Time,
    pub(super) next_place: u64,
    pub(super) next_seq: Seq,
    /// Records that were taken out of the inbox, and events that were forgotten or put back into it.
    pub(super) sorted: u64,
    pub(super) gone: u64,
    pub(super) inbox: BTreeMap<u64, Kept>,
    pub(super) events: BTreeMap<Seq, Event>,
    pub(super) lanes: BTreeMap<ExternalRef, Known>,
    pub(super) next_lane: u64,
    /// Other names of lanes.
    pub(super) aliases: BTreeMap<ExternalRef, Alias>,
    pub(super) gate: Gate,
    /// Leads to be searched for once more, and when.
    pub(super) to_verify: BTreeMap<ExternalRef, Timestamp>,
    pub(super) incidents: BTreeMap<ExternalRef, Incident>,
    /// Traces of the leads that were forgotten.
    pub(super) forgotten: BTreeSet<[u8; 16]>,
    pub(super) sources: BTreeSet<SourceName>,
    pub(super) memos: BTreeMap<(Topic, String), Bytes>,
}

/// An event, its receipt and its payload.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) id: EventId,
    /// Whose; `None` for a webhook that could not be split.
    pub(super) external_ref: Option<ExternalRef>,
    pub(super) source: SourceName,
    pub(super) received: Timestamp,
    pub(super) request_id: String,
    pub(super) state: EventState,
    /// The lane's fence when it joined.
    pub(super) joined: u64,
    pub(super) released: bool,
    pub(super) known_until: Timestamp,
    pub(super) ended: Option<Timestamp>,
    pub(super) why: Option<(&'static str, String)>,
    pub(super) lead_id: Option<LeadId>,
    pub(super) forget: Option<Timestamp>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<Bytes>,
    pub(super) fetched: Option<Bytes>,
}

/// Another name of a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Alias {
    pub(super) lane: ExternalRef,
    /// It was one once.
    pub(super) past: bool,
}

/// A lane, with what is only kept for a person.
#[derive(Debug, Clone)]
pub(super) struct Known {
    /// Its place among the lanes, by age.
    pub(super) born: u64,
    pub(super) lane: Lane,
    pub(super) log: Vec<Attempt>,
    /// When it may be forgotten, if it stays idle.
    pub(super) forget: Timestamp,
}

impl Model {
    pub(super) fn new(options: Options) -> Self {
        let gate = Gate::restore(GateRecord::default(), BTreeMap::new(), options.call_timeout);
        Self {
            to_verify: BTreeMap::new(),
            incidents: BTreeMap::new(),
            forgotten: BTreeSet::new(),
            options,
            time: Time::from(Timestamp::MIN),
            next_place: 1,
            next_seq: 1,
            sorted: 0,
            gone: 0,
            inbox: BTreeMap::new(),
            events: BTreeMap::new(),
            lanes: BTreeMap::new(),
            next_lane: 1,
            aliases: BTreeMap::new(),
            gate,
            sources: BTreeSet::new(),
            memos: BTreeMap::new(),
        }
    }

    /// This state again, after all that came later was lost at `now`, and that was noticed.
    pub(super) fn put_back(self, lost: &Self, now: Timestamp) -> Self {
        let calls = self.gate.limiter.calls_from(0).collect();
        let mut gate = Gate::restore(self.gate.record(), calls, self.options.call_timeout);
        gate.suspect(AFTER_A_LOSS, now);
        Self { gate, time: lost.time, ..self }
    }

    /// The time. What waits does not wait for a clock that was set back.
    pub(super) fn tick(&mut self, now: Timestamp) -> Timestamp {
        let Tick { now, back } = self.time.tick(now);
        if let Some(back) = back {
            self.lanes.values_mut().for_each(|known| known.lane.set_back(back));
            self.to_verify.values_mut().for_each(|due| *due -= back);
            self.gate.set_back(back);
        }
        now
    }

    pub(super) fn keep(&mut self, webhook: Kept) -> Result<(), StoreError> {
        self.has_room(receipt::weight(&webhook))?;
        self.put_in_inbox(webhook);
        Ok(())
    }

    /// Whether a webhook of this weight would be kept.
    pub(super) fn has_room(&self, weight: u64) -> Result<(), StoreError> {
        let undelivered = self.events.values().filter(|event| event.body.is_some()).count();
        if (self.inbox.len() + undelivered) as u64 >= self.options.max_events {
            return Err(StoreError::Full(Cap::Events));
        }
        if self.bytes() + weight > self.options.max_bytes {
            return Err(StoreError::Full(Cap::Bytes));
        }
        Ok(())
    }

    pub(super) fn put_in_inbox(&mut self, webhook: Kept) {
        self.inbox.insert(self.next_place, webhook);
        self.next_place += 1;
    }

    pub(super) fn bytes(&self) -> u64 {
        let inbox: u64 = self.inbox.values().map(receipt::weight).sum();
        inbox + self.events.values().map(Event::weight).sum::<u64>()
    }

    pub(super) fn unsorted(&self, after: u64, max: usize) -> Vec<InboxRecord> {
        let record = |(place, webhook): (&u64, &Kept)| InboxRecord { place: *place, webhook: webhook.clone() };
        let mut read = 0;
        let along = |(_, webhook): &(&u64, &Kept)| {
            let along = receipt::is_read_along(read, webhook.body.len());
            read += webhook.body.len();
            along
        };
        self.inbox.range(after.saturating_add(1)..).take(max).take_while(along).map(record).collect()
    }

    pub(super) fn sort(&mut self, sorted: Vec<Sorted>, now: Timestamp) -> SortCount {
        let now = self.tick(now);
        let mut count = SortCount::default();
        for record in sorted {
            let Some(webhook) = self.inbox.remove(&record.place) else { continue };
            self.sorted += 1;
            count.records.push(record.place);
            match &record.split {
                Ok(items) => {
                    record.lessons.iter().for_each(|lesson| self.heed(lesson, &mut count, now));
                    items.iter().for_each(|item| self.sort_item(&record, item, &mut count, now));
                }
                Err(why) => {
                    count.unreadable += 1;
                    self.bury_whole(&record, webhook, why, now);
                }
            }
        }
        count
    }

    fn sort_item(&mut self, record: &Sorted, item: &Item, count: &mut SortCount, now: Timestamp) {
        if let Some((seq, known)) = self.events.iter_mut().find(|(_, event)| event.id == item.id) {
            if now < known.known_until {
                count.duplicates += 1;
                return;
            }
            known.id = receipt::retired_id(&known.source, known.id, *seq);
        }
        let seq = self.next_seq;
        self.next_seq += 1;
        let external_ref = self.join(item, count, now);
        let lane = &self.known(&external_ref, now).lane;
        let (joined, pending) = (lane.fence, lane.pending);
        let entry = Entry::of(item, pending, &self.options);
        let mut event = Event {
            id: item.id,
            external_ref: Some(external_ref.clone()),
            source: record.source.clone(),
            received: record.received,
            request_id: record.request_id.clone(),
            state: entry.state(),
            joined,
            released: false,
            known_until: receipt::known_until(item, &self.options, now),
            ended: None,
            why: None,
            lead_id: None,
            forget: None,
            headers: Vec::new(),
            body: Some(item.body.clone().into()),
            fetched: None,
        };
        match &entry {
            Entry::Pending => count.new += 1,
            Entry::Withheld(hold) => {
                count.withheld += HoldCount::one(*hold);
                event.end(EventState::Withheld, Some(((*hold).into(), receipt::why_withheld(*hold).to_owned())), now);
            }
            Entry::Dead(why) => {
                count.crowded += 1;
                event.end(EventState::Dead, Some((why.reason.into(), why.detail.clone())), now);
            }
        }
        self.events.insert(seq, event);
        if entry == Entry::Pending {
            self.arrive(&external_ref, seq, record.received, record.arrival, now);
        }
    }

    fn bury_whole(&mut self, record: &Sorted, webhook: Kept, why: &Undelivered, now: Timestamp) {
        let is_taken = |id| Ok(self.events.values().any(|event| event.id == id));
        let Ok(id) = receipt::whole_id::<Infallible>(record, is_taken);
        let mut event = Event {
            id,
            external_ref: None,
            source: webhook.source,
            received: webhook.received,
            request_id: webhook.request_id,
            state: EventState::Dead,
            joined: 0,
            released: false,
            known_until: now + self.options.retention,
            ended: None,
            why: None,
            lead_id: None,
            forget: None,
            headers: webhook.headers,
            body: Some(webhook.body),
            fetched: None,
        };
        event.end(EventState::Dead, Some((why.reason.into(), why.detail.clone())), now);
        self.events.insert(self.next_seq, event);
        self.next_seq += 1;
    }

    /// A pending event has joined its lane; a dead lane comes back with it.
    pub(super) fn arrive(
        &mut self,
        external_ref: &ExternalRef,
        seq: Seq,
        received: Timestamp,
        arrival: Arrival,
        now: Timestamp,
    ) {
        if self.known(external_ref, now).lane.is_dead() {
            self.revive(external_ref, arrival, now);
        }
        let window = self.window(external_ref);
        self.known(external_ref, now).lane.arrive(seq, received, arrival, window, now);
    }

    /// Puts the dead events of a dead lane back; gives how many.
    pub(super) fn revive(&mut self, external_ref: &ExternalRef, arrival: Arrival, now: Timestamp) -> usize {
        let fence = self.known(external_ref, now).lane.fence;
        let mut back = Rest::default();
        for (seq, event) in &mut self.events {
            if event.state == EventState::Dead && event.external_ref.as_ref() == Some(external_ref) {
                event.rejoin(fence);
                back.count += 1;
                back.first = back.first.or(Some((*seq, event.received)));
            }
        }
        self.known(external_ref, now).lane.revive(back, arrival);
        back.count as usize
    }

    pub(super) fn known(&mut self, external_ref: &ExternalRef, now: Timestamp) -> &mut Known {
        let forget = now + self.options.idle_retention;
        let forgotten = self.forgotten.contains(&receipt::trace(external_ref));
        let born = self.next_lane;
        let fresh = || Known { born, lane: Lane { forgotten, ..Lane::new() }, log: Vec::new(), forget };
        let known = self.lanes.entry(external_ref.clone()).or_insert_with(fresh);
        self.next_lane += u64::from(known.born == born);
        known.forget = forget;
        known
    }
}

impl Event {
    pub(super) fn weight(&self) -> u64 {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        let payload = self.body.as_ref().map_or(0, Bytes::len) + self.fetched.as_ref().map_or(0, Bytes::len);
        (headers + payload) as u64
    }

    pub(super) fn end(&mut self, state: EventState, why: Option<(&'static str, String)>, now: Timestamp) {
        (self.state, self.why, self.ended) = (state, why, Some(now));
    }

    /// Back into the lane, which stands at `fence`.
    pub(super) fn rejoin(&mut self, fence: u64) {
        (self.state, self.why, self.ended, self.joined) = (EventState::Pending, None, None, fence);
    }

    /// The payload goes, the receipt stays for a while.
    pub(super) fn let_go(&mut self, options: &Options, now: Timestamp) {
        (self.headers, self.body, self.fetched) = (Vec::new(), None, None);
        self.forget = Some(receipt::forget_at(self.known_until, options, now));
    }

    /// Given up for good.
    pub(super) fn discard(&mut self, options: &Options, now: Timestamp) {
        self.end(EventState::Discarded, self.why.clone(), now);
        self.let_go(options, now);
    }
}
