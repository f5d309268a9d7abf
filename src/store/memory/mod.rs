//! The store as a plain model in memory: the meaning of each verb in as few words as it takes. The durable backends are
//! tested against it, and it serves tests and demos that need no disk.

mod audit;
mod deliver;
mod model;
mod people;

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::Notify;

use self::model::Model;
use super::{
    Audit, Claim, EventDetail, EventPage, EventQuery, EventState, Fenced, InboxRecord, LaneDetail, Lease, Moved,
    Observation, Options, PauseReason, PermitGrant, PermitId, Selector, Seq, Settlement, SortCount, Sorted, Stats,
    Store, StoreError, WorkerId,
};
use crate::domain::event::{EventId, Kept, SourceName};
use crate::domain::external_ref::ExternalRef;

/// A store that forgets everything when it is dropped.
#[derive(Debug)]
pub struct MemoryStore {
    /// `None` once it is closed.
    model: Mutex<Option<Model>>,
    inbox: Notify,
    lanes: Notify,
}

impl Clone for MemoryStore {
    /// A store of its own that knows the same.
    fn clone(&self) -> Self {
        let model = self.model.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Self { model: Mutex::new(model), inbox: Notify::new(), lanes: Notify::new() }
    }
}

impl MemoryStore {
    /// An empty store. The disk reserve of `options` means nothing to it.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self { model: Mutex::new(Some(Model::new(options))), inbox: Notify::new(), lanes: Notify::new() }
    }

    fn ask<T>(&self, verb: impl FnOnce(&mut Model) -> T) -> Result<T, StoreError> {
        let mut model = self.model.lock().unwrap_or_else(PoisonError::into_inner);
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

    async fn unsorted(&self, max: usize) -> Result<Vec<InboxRecord>, StoreError> {
        self.ask(|model| model.unsorted(max))
    }

    async fn sort(&self, sorted: Vec<Sorted>, now: Timestamp) -> Result<SortCount, StoreError> {
        self.change(|model| model.sort(sorted, now))
    }

    async fn claim(&self, worker: &WorkerId, now: Timestamp) -> Result<Claim, StoreError> {
        self.ask(|model| model.claim(worker, now))
    }

    async fn begin(&self, lease: &Lease, upto: Seq, now: Timestamp) -> Result<Fenced, StoreError> {
        self.ask(|model| model.begin(lease, upto, now))
    }

    async fn permit(&self, lease: &Lease, now: Timestamp) -> Result<PermitGrant, StoreError> {
        self.ask(|model| model.permit(lease, now))
    }

    async fn fetched(&self, lease: &Lease, seq: Seq, answer: Bytes) -> Result<Fenced, StoreError> {
        self.ask(|model| model.fetched(lease, seq, answer))
    }

    async fn settle(&self, lease: &Lease, settlement: Settlement, now: Timestamp) -> Result<Fenced, StoreError> {
        self.change(|model| model.settle(lease, settlement, now))
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

    async fn resume(&self, generation: Option<u64>, _now: Timestamp) -> Result<(), StoreError> {
        self.change(|model| model.resume(generation))
    }

    async fn events(&self, query: EventQuery) -> Result<EventPage, StoreError> {
        self.ask(|model| model.list(&query))
    }

    async fn event(&self, id: &EventId) -> Result<Option<EventDetail>, StoreError> {
        self.ask(|model| model.event(id))
    }

    async fn lane(&self, external_ref: &ExternalRef) -> Result<Option<LaneDetail>, StoreError> {
        self.ask(|model| model.lane(external_ref))
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

    async fn expire(&self, max: usize, now: Timestamp) -> Result<usize, StoreError> {
        self.ask(|model| model.expire(max, now))
    }

    async fn stats(&self, now: Timestamp) -> Result<Stats, StoreError> {
        self.ask(|model| model.stats(now))
    }

    async fn audit(&self, after: Option<u64>, _max: usize, now: Timestamp) -> Result<Audit, StoreError> {
        self.ask(|model| model.audit(after, now))
    }

    async fn remember_sources(&self, on: &[SourceName], _now: Timestamp) -> Result<(), StoreError> {
        self.ask(|model| model.sources.extend(on.iter().cloned()))
    }

    async fn known_sources(&self) -> Result<Vec<SourceName>, StoreError> {
        self.ask(|model| model.sources.iter().cloned().collect())
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
