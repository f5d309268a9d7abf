//! The store as a plain model in memory: the meaning of each verb in as few words as it takes. The durable backends are
//! tested against it, and it serves tests and demos that need no disk.

mod audit;
mod claim;
mod deliver;
mod model;
mod moving;
mod names;
mod people;

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::Notify;

use self::model::Model;
use super::{
    Adopting, Audit, Claim, DayNote, DayState, EventDetail, EventPage, EventQuery, EventState, Fenced, InboxRecord,
    Incident, LaneDetail, Lease, Moved, Observation, Options, Parts, PauseReason, PermitGrant, PermitId, Place,
    Selector, Seq, Settlement, SortCount, Sorted, Stats, Store, StoreError, Telling, Topic, Verification, Verified,
    WorkerId,
};
use crate::domain::event::{EventId, Kept, SourceName};
use crate::domain::external_ref::ExternalRef;

/// A store that forgets everything when it is dropped.
#[derive(Debug)]
pub struct MemoryStore {
    /// `None` once it is closed.
    model: Mutex<Option<Model>>,
    /// What it was before each of the last changes, the newest last.
    before: Mutex<VecDeque<Model>>,
    /// How many of them are kept.
    depth: usize,
    inbox: Notify,
    lanes: Notify,
}

impl Clone for MemoryStore {
    /// A store of its own that knows the same.
    fn clone(&self) -> Self {
        let model = self.model.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (model, before) = (Mutex::new(model), Mutex::default());
        Self { model, before, depth: self.depth, inbox: Notify::new(), lanes: Notify::new() }
    }
}

impl MemoryStore {
    /// An empty store. The disk reserve of `options` means nothing to it.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self::that_may_lose(options, 0)
    }

    /// An empty store that can be made to lose up to `depth` of its last changes: what a power loss with a disk that
    /// lies, or a replica that was behind, leaves. For tests and simulations; each change costs a copy of everything.
    #[must_use]
    pub fn that_may_lose(options: Options, depth: usize) -> Self {
        let model = Mutex::new(Some(Model::new(options)));
        Self { model, before: Mutex::default(), depth, inbox: Notify::new(), lanes: Notify::new() }
    }

    /// Loses the last `count` changes, whatever was answered to them, and notices it; gives how many there were to lose.
    /// Verbs that changed nothing count, too.
    pub fn lose_last(&self, count: usize, now: Timestamp) -> usize {
        let mut model = self.model.lock().unwrap_or_else(PoisonError::into_inner);
        let mut before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        let lost = before.len().min(count);
        let left = before.len() - lost;
        if let Some(model) = model.as_mut() {
            let then = before.drain(left..).next().unwrap_or_else(|| model.clone());
            *model = then.put_back(model, now);
        }
        lost
    }

    fn look<T>(&self, question: impl FnOnce(&mut Model) -> T) -> Result<T, StoreError> {
        let mut model = self.model.lock().unwrap_or_else(PoisonError::into_inner);
        model.as_mut().map(question).ok_or(StoreError::Closed)
    }

    fn ask<T>(&self, verb: impl FnOnce(&mut Model) -> T) -> Result<T, StoreError> {
        let mut model = self.model.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(model) = model.as_ref().filter(|_| self.depth > 0) {
            let mut before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
            if before.len() == self.depth {
                before.pop_front();
            }
            before.push_back(model.clone());
        }
        model.as_mut().map(verb).ok_or(StoreError::Closed)
    }

    /// The same for a verb after which a claim may give more.
    fn change<T>(&self, verb: impl FnOnce(&mut Model) -> T) -> Result<T, StoreError> {
        let answer = self.ask(verb)?;
        self.lanes.notify_one();
        Ok(answer)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn keep(&self, webhook: Kept) -> Result<(), StoreError> {
        self.ask(|model| model.keep(webhook))??;
        self.inbox.notify_one();
        Ok(())
    }

    async fn would_keep(&self) -> Result<(), StoreError> {
        self.look(|model| model.has_room(1))?
    }

    async fn unsorted(&self, after: u64, max: usize) -> Result<Vec<InboxRecord>, StoreError> {
        self.look(|model| model.unsorted(after, max))
    }

    async fn sort(&self, sorted: Vec<Sorted>, now: Timestamp) -> Result<SortCount, StoreError> {
        self.change(|model| model.sort(sorted, now))
    }

    async fn claim(&self, worker: &WorkerId, now: Timestamp) -> Result<Claim, StoreError> {
        self.ask(|model| model.claim(worker, now))
    }

    async fn begin(&self, lease: &Lease, upto: Seq, telling: Telling, now: Timestamp) -> Result<Fenced, StoreError> {
        self.ask(|model| model.begin(lease, upto, &telling, now))
    }

    async fn permit(
        &self,
        lease: &Lease,
        adopting: Option<Adopting>,
        now: Timestamp,
    ) -> Result<PermitGrant, StoreError> {
        self.ask(|model| model.permit(lease, adopting.as_ref(), now))
    }

    async fn fetched(&self, lease: &Lease, seq: Seq, answer: Bytes) -> Result<Fenced, StoreError> {
        self.ask(|model| model.fetched(lease, seq, answer))
    }

    async fn settle(&self, lease: &Lease, settlement: Settlement, now: Timestamp) -> Result<Fenced, StoreError> {
        self.change(|model| model.settle(lease, settlement, now))
    }

    async fn verified(&self, chore: &Verification, verified: Verified, now: Timestamp) -> Result<(), StoreError> {
        self.ask(|model| model.verified(chore, verified, now))
    }

    async fn note_day(&self, note: DayNote, now: Timestamp) -> Result<DayState, StoreError> {
        self.change(|model| model.note_day(note, now))
    }

    async fn observe(&self, permit: PermitId, seen: Observation, now: Timestamp) -> Result<(), StoreError> {
        self.change(|model| model.observe(permit, seen, now))
    }

    async fn heartbeat(&self, worker: &WorkerId, held: &[Lease], now: Timestamp) -> Result<Vec<Lease>, StoreError> {
        self.change(|model| model.heartbeat(worker, held, now))
    }

    async fn pause(&self, why: PauseReason, now: Timestamp) -> Result<(), StoreError> {
        self.ask(|model| model.pause(why, now))
    }

    async fn resume(&self, generation: Option<u64>, now: Timestamp) -> Result<(), StoreError> {
        self.change(|model| model.resume(generation, now))
    }

    async fn events(&self, query: EventQuery) -> Result<EventPage, StoreError> {
        self.look(|model| model.list(&query))
    }

    async fn event(&self, id: &EventId) -> Result<Option<EventDetail>, StoreError> {
        self.look(|model| model.event(id))
    }

    async fn lane(&self, external_ref: &ExternalRef) -> Result<Option<LaneDetail>, StoreError> {
        self.look(|model| model.lane(external_ref))
    }

    async fn replay(&self, which: &Selector, max: usize, now: Timestamp) -> Result<Moved, StoreError> {
        let moved = self.change(|model| model.replay(which, max, now))?;
        self.inbox.notify_one();
        Ok(moved)
    }

    async fn release(&self, which: &Selector, max: usize, now: Timestamp) -> Result<Moved, StoreError> {
        self.change(|model| model.release(which, max, now))
    }

    async fn discard(
        &self,
        state: EventState,
        which: &Selector,
        max: usize,
        now: Timestamp,
    ) -> Result<Moved, StoreError> {
        self.ask(|model| model.discard(state, which, max, now))
    }

    async fn incidents(&self, max: usize) -> Result<Vec<Incident>, StoreError> {
        self.look(|model| model.incidents(max))
    }

    async fn dismiss(&self, which: Option<&ExternalRef>) -> Result<usize, StoreError> {
        self.ask(|model| model.dismiss(which))
    }

    async fn expire(&self, max: usize, now: Timestamp) -> Result<usize, StoreError> {
        self.ask(|model| model.expire(max, now))
    }

    async fn stats(&self, now: Timestamp) -> Result<Stats, StoreError> {
        self.look(|model| model.stats(now))
    }

    async fn audit(&self, after: Option<u64>, _max: usize, now: Timestamp) -> Result<Audit, StoreError> {
        self.ask(|model| model.audit(after, now))
    }

    async fn remember_sources(&self, on: &[SourceName], _now: Timestamp) -> Result<(), StoreError> {
        self.ask(|model| model.sources.extend(on.iter().cloned()))
    }

    async fn known_sources(&self) -> Result<Vec<SourceName>, StoreError> {
        self.look(|model| model.sources.iter().cloned().collect())
    }

    async fn memo(&self, topic: Topic, key: &str) -> Result<Option<Bytes>, StoreError> {
        self.look(|model| model.memos.get(&(topic, key.to_owned())).cloned())
    }

    async fn memos(&self, topic: Topic) -> Result<Vec<(String, Bytes)>, StoreError> {
        self.look(|model| model.memos(topic))
    }

    async fn set_memo(&self, topic: Topic, key: &str, value: Bytes, was: Option<Bytes>) -> Result<bool, StoreError> {
        self.ask(|model| model.set_memo(topic, key, value, was.as_ref()))?
    }

    async fn give(&self, place: Place, max: usize) -> Result<Parts, StoreError> {
        self.look(|model| model.give(place, max))
    }

    async fn take(&self, parts: Parts, was: Bytes, is: Bytes) -> Result<bool, StoreError> {
        self.ask(|model| model.take(parts, &was, is))
    }

    async fn inbox_changed(&self) {
        self.inbox.notified().await;
    }

    async fn lanes_changed(&self) {
        self.lanes.notified().await;
    }

    async fn close(&self) {
        self.model.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}
