//! Several replicas on one Redis (7.0 or newer).
//!
//! What is decided is decided here, by the same state machine as for the other stores; Lua scripts show what a decision needs
//! at one moment (`lua/look.lua`), and do a step in one if nothing has moved meanwhile (`lua/commit.lua`). `lua/prelude.lua`
//! says what lies where. The server's clock is everybody's, the limiter's log and the pause are shared, and a server that was
//! started anew, or another that has taken over, is noticed before the next step.

mod added;
mod audit;
mod chores;
mod claim;
mod company;
mod core;
mod deliver;
mod desk;
mod event;
mod expire;
mod gate;
mod inbox;
mod keep;
mod lane;
mod link;
mod lists;
mod moving;
mod names;
mod people;
mod pulse;
mod scripts;
mod step;
mod values;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;

use self::core::Core;
use self::keep::Mailbox;
use self::link::Link;
use self::people::Move;
use self::pulse::Pulse;
use super::{
    Adopting, Audit, Claim, DayNote, DayState, EventDetail, EventPage, EventQuery, EventState, Fenced, InboxRecord,
    Incident, LaneDetail, Lease, Moved, Observation, Options, Parts, PauseReason, PermitGrant, PermitId, Place,
    Selector, Seq, Settlement, SortCount, Sorted, Stats, Store, StoreError, Telling, Topic, Verification, Verified,
    WorkerId,
};
use crate::domain::event::{EventId, Kept, SourceName};
use crate::domain::external_ref::ExternalRef;

pub use self::core::may_pass;
pub use link::{OnTime, RedisTies, Remark, Weight, examine, in_use};

/// A store that several replicas share. Made at once; connects when it is first asked.
pub struct RedisStore {
    core: Arc<Core>,
    mailbox: Arc<Mailbox>,
    pulse: Pulse,
}

impl RedisStore {
    /// A store on the Redis that `ties` name. The disk reserve and the boot of `options` mean nothing to it.
    #[must_use]
    pub fn new(ties: RedisTies, options: Options) -> Self {
        let core = Arc::new(Core::new(Link::new(ties), options));
        Self { core, mailbox: Arc::default(), pulse: Pulse::default() }
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn keep(&self, webhook: Kept) -> Result<(), StoreError> {
        self.mailbox.keep(&self.core, &webhook).await
    }

    async fn would_keep(&self) -> Result<(), StoreError> {
        self.core.would_keep().await?.map_or(Ok(()), |what| Err(StoreError::Full(what)))
    }

    async fn unsorted(&self, after: u64, max: usize) -> Result<Vec<InboxRecord>, StoreError> {
        Ok(self.core.unsorted(after, max).await?)
    }

    async fn sort(&self, sorted: Vec<Sorted>, now: Timestamp) -> Result<SortCount, StoreError> {
        let mut count = SortCount::default();
        let mut left = sorted.into_iter().peekable();
        while left.peek().is_some() {
            self.mailbox.turn().await;
            count += self.core.sort(&inbox::next_step(&mut left), now).await?;
        }
        Ok(count)
    }

    async fn claim(&self, worker: &WorkerId, now: Timestamp) -> Result<Claim, StoreError> {
        Ok(self.core.claim(worker, now).await?)
    }

    async fn begin(&self, lease: &Lease, upto: Seq, telling: Telling, now: Timestamp) -> Result<Fenced, StoreError> {
        Ok(self.core.begin(lease, upto, &telling, now).await?)
    }

    async fn permit(
        &self,
        lease: &Lease,
        adopting: Option<Adopting>,
        now: Timestamp,
    ) -> Result<PermitGrant, StoreError> {
        Ok(self.core.permit(lease, adopting.as_ref(), now).await?)
    }

    async fn fetched(&self, lease: &Lease, seq: Seq, answer: Bytes) -> Result<Fenced, StoreError> {
        Ok(self.core.fetched(lease, seq, &answer).await?)
    }

    async fn settle(&self, lease: &Lease, settlement: Settlement, now: Timestamp) -> Result<Fenced, StoreError> {
        Ok(self.core.settle(lease, &settlement, now).await?)
    }

    async fn verified(&self, chore: &Verification, verified: Verified, now: Timestamp) -> Result<(), StoreError> {
        Ok(self.core.verified(chore, &verified, now).await?)
    }

    async fn note_day(&self, note: DayNote, now: Timestamp) -> Result<DayState, StoreError> {
        Ok(self.core.note_day(&note, now).await?)
    }

    async fn observe(&self, permit: PermitId, seen: Observation, now: Timestamp) -> Result<(), StoreError> {
        Ok(self.core.observe(permit, seen, now).await?)
    }

    async fn heartbeat(&self, worker: &WorkerId, held: &[Lease], now: Timestamp) -> Result<Vec<Lease>, StoreError> {
        Ok(self.core.heartbeat(worker, held, now).await?)
    }

    async fn pause(&self, why: PauseReason, now: Timestamp) -> Result<(), StoreError> {
        Ok(self.core.pause(why, now).await?)
    }

    async fn resume(&self, generation: Option<u64>, now: Timestamp) -> Result<(), StoreError> {
        Ok(self.core.resume(generation, now).await?)
    }

    async fn events(&self, query: EventQuery) -> Result<EventPage, StoreError> {
        Ok(self.core.events(&query).await?)
    }

    async fn event(&self, id: &EventId) -> Result<Option<EventDetail>, StoreError> {
        Ok(self.core.event(*id).await?)
    }

    async fn lane(&self, external_ref: &ExternalRef) -> Result<Option<LaneDetail>, StoreError> {
        Ok(self.core.lane(external_ref).await?)
    }

    async fn replay(&self, which: &Selector, max: usize, now: Timestamp) -> Result<Moved, StoreError> {
        let moved = self.core.r#move(Move::Replay, which, max, now).await;
        self.core.inbox.notify_one();
        Ok(moved?)
    }

    async fn release(&self, which: &Selector, max: usize, now: Timestamp) -> Result<Moved, StoreError> {
        Ok(self.core.r#move(Move::Release, which, max, now).await?)
    }

    async fn discard(
        &self,
        state: EventState,
        which: &Selector,
        max: usize,
        now: Timestamp,
    ) -> Result<Moved, StoreError> {
        match state {
            EventState::Dead | EventState::Withheld => {
                Ok(self.core.r#move(Move::Discard(state), which, max, now).await?)
            }
            EventState::Pending | EventState::Delivered | EventState::Discarded => Ok(Moved::default()),
        }
    }

    async fn incidents(&self, max: usize) -> Result<Vec<Incident>, StoreError> {
        Ok(self.core.incidents(max).await?)
    }

    async fn dismiss(&self, which: Option<&ExternalRef>) -> Result<usize, StoreError> {
        Ok(self.core.dismiss(which).await?)
    }

    async fn expire(&self, max: usize, now: Timestamp) -> Result<usize, StoreError> {
        Ok(self.core.expire(max, now).await?)
    }

    async fn stats(&self, now: Timestamp) -> Result<Stats, StoreError> {
        Ok(self.core.stats(now).await?)
    }

    async fn audit(&self, after: Option<u64>, max: usize, now: Timestamp) -> Result<Audit, StoreError> {
        Ok(self.core.audit(after, max, now).await?)
    }

    async fn remember_sources(&self, on: &[SourceName], now: Timestamp) -> Result<(), StoreError> {
        Ok(self.core.remember_sources(on, now).await?)
    }

    async fn known_sources(&self) -> Result<Vec<SourceName>, StoreError> {
        Ok(self.core.known_sources().await?)
    }

    async fn memo(&self, topic: Topic, key: &str) -> Result<Option<Bytes>, StoreError> {
        Ok(self.core.memo(topic, key).await?)
    }

    async fn memos(&self, topic: Topic) -> Result<Vec<(String, Bytes)>, StoreError> {
        Ok(self.core.memos(topic).await?)
    }

    async fn set_memo(&self, topic: Topic, key: &str, value: Bytes, was: Option<Bytes>) -> Result<bool, StoreError> {
        self.core.set_memo(topic, key, &value, was.as_ref()).await?.map_err(StoreError::Full)
    }

    async fn give(&self, place: Place, max: usize) -> Result<Parts, StoreError> {
        Ok(self.core.give(place, max).await?)
    }

    async fn take(&self, parts: Parts, was: Bytes, is: Bytes) -> Result<bool, StoreError> {
        Ok(self.core.take(parts, &was, &is).await?)
    }

    async fn inbox_changed(&self) {
        self.pulse.inbox_changed(&self.core).await;
    }

    async fn lanes_changed(&self) {
        self.pulse.lanes_changed(&self.core).await;
    }

    async fn close(&self) {
        self.core.close();
        self.mailbox.emptied().await;
    }
}
