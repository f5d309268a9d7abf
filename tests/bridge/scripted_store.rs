//! A store that notes what it is asked and answers as the test says. For what meets the store at the edge; what a store
//! does is tested with the real ones.

use std::collections::BTreeSet;
use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use konektor_bridge::domain::event::{EventId, Kept, SourceName};
use konektor_bridge::domain::external_ref::ExternalRef;
use konektor_bridge::store::{
    Adopting, Audit, Cap, Claim, DayNote, DayState, EventDetail, EventPage, EventQuery, EventState, Fenced,
    InboxRecord, Incident, LaneDetail, Lease, Moved, Observation, Parts, PauseReason, PermitGrant, PermitId, Place,
    Selector, Seq, Settlement, SortCount, Sorted, Stats, Store, StoreError, Telling, Topic, Verification, Verified,
    WorkerId,
};

/// What it does with what it is asked to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Keeps,
    Full,
    Closed,
    Fails,
    Hangs,
}

/// A bulk move that it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Move {
    pub(crate) what: String,
    pub(crate) which: Selector,
}

/// The store.
pub(crate) struct ScriptedStore {
    pub(crate) mood: Mutex<Mood>,
    pub(crate) kept: Mutex<Vec<Kept>>,
    pub(crate) once_on: Mutex<BTreeSet<SourceName>>,
    pub(crate) paused: Mutex<Option<(PauseReason, Timestamp)>>,
    pub(crate) stats: Mutex<Stats>,
    pub(crate) events: Mutex<Vec<EventDetail>>,
    pub(crate) queries: Mutex<Vec<EventQuery>>,
    pub(crate) moves: Mutex<Vec<Move>>,
    pub(crate) incidents: Mutex<Vec<Incident>>,
    pub(crate) audits: Mutex<Vec<(Option<u64>, usize)>>,
    pub(crate) audit: Mutex<Audit>,
    pub(crate) memos: Mutex<Vec<(String, Bytes)>>,
}

impl ScriptedStore {
    pub(crate) fn new() -> Self {
        Self {
            mood: Mutex::new(Mood::Keeps),
            kept: Mutex::default(),
            once_on: Mutex::default(),
            paused: Mutex::default(),
            stats: Mutex::default(),
            events: Mutex::default(),
            queries: Mutex::default(),
            moves: Mutex::default(),
            incidents: Mutex::default(),
            audits: Mutex::default(),
            audit: Mutex::default(),
            memos: Mutex::default(),
        }
    }

    pub(crate) fn is(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    pub(crate) fn kept(&self) -> Vec<Kept> {
        self.kept.lock().unwrap().clone()
    }

    fn answers(&self) -> Result<(), StoreError> {
        match *self.mood.lock().unwrap() {
            Mood::Keeps | Mood::Hangs => Ok(()),
            Mood::Full => Err(StoreError::Full(Cap::Events)),
            Mood::Closed => Err(StoreError::Closed),
            Mood::Fails => Err(StoreError::Backend("disk".into(), "broken".into())),
        }
    }

    fn moved(&self, what: impl Into<String>, which: &Selector) -> Result<Moved, StoreError> {
        self.answers()?;
        self.moves.lock().unwrap().push(Move { what: what.into(), which: which.clone() });
        Ok(Moved { count: 3, more: true })
    }
}

#[async_trait]
impl Store for ScriptedStore {
    async fn keep(&self, webhook: Kept) -> Result<(), StoreError> {
        self.answers()?;
        if *self.mood.lock().unwrap() == Mood::Hangs {
            std::future::pending::<()>().await;
        }
        self.kept.lock().unwrap().push(webhook);
        Ok(())
    }

    async fn pause(&self, why: PauseReason, now: Timestamp) -> Result<(), StoreError> {
        self.answers()?;
        *self.paused.lock().unwrap() = Some((why, now));
        Ok(())
    }

    async fn resume(&self, _generation: Option<u64>, _now: Timestamp) -> Result<(), StoreError> {
        self.answers()?;
        *self.paused.lock().unwrap() = None;
        Ok(())
    }

    async fn events(&self, query: EventQuery) -> Result<EventPage, StoreError> {
        self.answers()?;
        self.queries.lock().unwrap().push(query);
        let events = self.events.lock().unwrap().iter().map(|event| event.row.clone()).collect();
        Ok(EventPage { events, next: Some(17) })
    }

    async fn event(&self, id: &EventId) -> Result<Option<EventDetail>, StoreError> {
        self.answers()?;
        Ok(self.events.lock().unwrap().iter().find(|event| event.row.id == *id).cloned())
    }

    async fn lane(&self, external_ref: &ExternalRef) -> Result<Option<LaneDetail>, StoreError> {
        self.answers()?;
        let events = self.events.lock().unwrap();
        let mut lanes = events.iter().filter_map(|event| event.lane.as_ref());
        Ok(lanes.find(|lane| lane.external_ref == *external_ref).cloned())
    }

    async fn replay(&self, which: &Selector, _max: usize, _now: Timestamp) -> Result<Moved, StoreError> {
        self.moved("replay", which)
    }

    async fn release(&self, which: &Selector, _max: usize, _now: Timestamp) -> Result<Moved, StoreError> {
        self.moved("release", which)
    }

    async fn discard(
        &self,
        state: EventState,
        which: &Selector,
        _max: usize,
        _now: Timestamp,
    ) -> Result<Moved, StoreError> {
        self.moved(format!("discard {state}"), which)
    }

    async fn stats(&self, _now: Timestamp) -> Result<Stats, StoreError> {
        self.answers()?;
        Ok(Stats { paused: *self.paused.lock().unwrap(), ..self.stats.lock().unwrap().clone() })
    }

    async fn audit(&self, after: Option<u64>, max: usize, _now: Timestamp) -> Result<Audit, StoreError> {
        self.answers()?;
        self.audits.lock().unwrap().push((after, max));
        Ok(self.audit.lock().unwrap().clone())
    }

    async fn remember_sources(&self, on: &[SourceName], _now: Timestamp) -> Result<(), StoreError> {
        self.answers()?;
        self.once_on.lock().unwrap().extend(on.iter().cloned());
        Ok(())
    }

    async fn known_sources(&self) -> Result<Vec<SourceName>, StoreError> {
        self.answers()?;
        Ok(self.once_on.lock().unwrap().iter().cloned().collect())
    }

    async fn memo(&self, topic: Topic, key: &str) -> Result<Option<Bytes>, StoreError> {
        let memos = self.memos(topic).await?;
        Ok(memos.into_iter().find(|(name, _)| name == key).map(|(_, value)| value))
    }

    async fn memos(&self, _topic: Topic) -> Result<Vec<(String, Bytes)>, StoreError> {
        self.answers()?;
        Ok(self.memos.lock().unwrap().clone())
    }

    async fn set_memo(
        &self,
        _topic: Topic,
        _key: &str,
        _value: Bytes,
        _was: Option<Bytes>,
    ) -> Result<bool, StoreError> {
        unreachable!("the edge notes nothing")
    }

    async fn would_keep(&self) -> Result<(), StoreError> {
        self.answers()
    }

    async fn unsorted(&self, _after: u64, _max: usize) -> Result<Vec<InboxRecord>, StoreError> {
        unreachable!("the edge does not sort")
    }

    async fn sort(&self, _sorted: Vec<Sorted>, _now: Timestamp) -> Result<SortCount, StoreError> {
        unreachable!("the edge does not sort")
    }

    async fn claim(&self, _worker: &WorkerId, _now: Timestamp) -> Result<Claim, StoreError> {
        unreachable!("the edge does not deliver")
    }

    async fn begin(
        &self,
        _lease: &Lease,
        _upto: Seq,
        _telling: Telling,
        _now: Timestamp,
    ) -> Result<Fenced, StoreError> {
        unreachable!("the edge does not deliver")
    }

    async fn permit(
        &self,
        _lease: &Lease,
        _adopting: Option<Adopting>,
        _now: Timestamp,
    ) -> Result<PermitGrant, StoreError> {
        unreachable!("the edge does not deliver")
    }

    async fn fetched(&self, _lease: &Lease, _seq: Seq, _answer: Bytes) -> Result<Fenced, StoreError> {
        unreachable!("the edge does not deliver")
    }

    async fn settle(&self, _lease: &Lease, _end: Settlement, _now: Timestamp) -> Result<Fenced, StoreError> {
        unreachable!("the edge does not deliver")
    }

    async fn observe(&self, _permit: PermitId, _seen: Observation, _now: Timestamp) -> Result<(), StoreError> {
        unreachable!("the edge does not deliver")
    }

    async fn heartbeat(&self, _worker: &WorkerId, _held: &[Lease], _now: Timestamp) -> Result<Vec<Lease>, StoreError> {
        unreachable!("the edge does not deliver")
    }

    async fn verified(&self, _lead: &Verification, _verified: Verified, _now: Timestamp) -> Result<(), StoreError> {
        unreachable!("the edge does not deliver")
    }

    async fn note_day(&self, _note: DayNote, _now: Timestamp) -> Result<DayState, StoreError> {
        unreachable!("the edge does not deliver")
    }

    async fn incidents(&self, _max: usize) -> Result<Vec<Incident>, StoreError> {
        self.answers()?;
        Ok(self.incidents.lock().unwrap().clone())
    }

    async fn dismiss(&self, which: Option<&ExternalRef>) -> Result<usize, StoreError> {
        self.answers()?;
        let mut incidents = self.incidents.lock().unwrap();
        let before = incidents.len();
        incidents.retain(|incident| which.is_some_and(|which| *which != incident.external_ref));
        Ok(before - incidents.len())
    }

    async fn expire(&self, _max: usize, _now: Timestamp) -> Result<usize, StoreError> {
        unreachable!("the edge does not forget")
    }

    async fn give(&self, _place: Place, _max: usize) -> Result<Parts, StoreError> {
        unreachable!("the edge moves nothing")
    }

    async fn take(&self, _parts: Parts, _was: Bytes, _is: Bytes) -> Result<bool, StoreError> {
        unreachable!("the edge moves nothing")
    }

    async fn inbox_changed(&self) {
        unreachable!("the edge does not sort")
    }

    async fn lanes_changed(&self) {
        unreachable!("the edge does not deliver")
    }

    async fn close(&self) {
        self.is(Mood::Closed);
    }
}
