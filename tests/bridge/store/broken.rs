//! The net must bark: a store that does not keep a promise fails the cases that hold it.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use konektor_bridge::domain::event::{EventId, Kept, SourceName};
use konektor_bridge::domain::external_ref::ExternalRef;
use konektor_bridge::store::{
    Adopting, Audit, Claim, DayNote, DayState, EventDetail, EventPage, EventQuery, EventState, Fenced, InboxRecord,
    Incident, LaneDetail, Lease, Moved, Observation, Parts, PauseReason, PermitGrant, PermitId, Place, Selector, Seq,
    Settlement, SortCount, Sorted, Stats, Store, StoreError, Telling, Topic, Verification, Verified, WorkerId,
};

use super::map::{Case, case};
use super::{Backend, UNDER_TEST, adopting, arrows, fences, inbox, limits};

/// What is taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Break {
    /// Whoever comes with any lease of a lane is taken for its holder.
    Fence,
    /// The intent is not written down.
    Intent,
    /// The same event twice is two.
    Dedupe,
    /// Sorting leaves the record in the inbox.
    Removal,
    /// What is answered is not counted against the limit.
    Limit,
    /// A heartbeat leaves strays where they are.
    Strays,
    /// Which lead a lane adopts is not written down.
    Adopting,
}

/// The store that breaks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Under {
    Memory,
    Sqlite,
    Redis,
}

impl From<Under> for Backend {
    fn from(under: Under) -> Self {
        match under {
            Under::Memory => Self::Memory,
            Under::Sqlite => Self::Sqlite,
            Under::Redis => Self::Redis,
        }
    }
}

/// A store, with one promise broken.
pub(super) struct BrokenStore {
    how: Break,
    whole: Arc<dyn Store>,
    latest: Mutex<HashMap<ExternalRef, Lease>>,
    made_up: Mutex<u8>,
}

impl BrokenStore {
    pub(super) fn new(how: Break, whole: Arc<dyn Store>) -> Self {
        Self { how, whole, latest: Mutex::default(), made_up: Mutex::default() }
    }

    /// The lease that the store goes by.
    fn taken_for(&self, lease: &Lease) -> Lease {
        let latest = self.latest.lock().unwrap();
        match latest.get(&lease.external_ref) {
            Some(latest) if self.how == Break::Fence => latest.clone(),
            _ => lease.clone(),
        }
    }

    fn renamed(&self, mut sorted: Sorted) -> Sorted {
        if let Ok(items) = &mut sorted.split {
            for item in items {
                let mut made_up = self.made_up.lock().unwrap();
                *made_up += 1;
                item.id = EventId::of(&sorted.source, &[&[*made_up], item.id.as_bytes()]);
            }
        }
        sorted
    }
}

#[async_trait]
impl Store for BrokenStore {
    async fn keep(&self, webhook: Kept) -> Result<(), StoreError> {
        self.whole.keep(webhook).await
    }

    async fn would_keep(&self) -> Result<(), StoreError> {
        self.whole.would_keep().await
    }

    async fn unsorted(&self, after: u64, max: usize) -> Result<Vec<InboxRecord>, StoreError> {
        self.whole.unsorted(after, max).await
    }

    async fn sort(&self, sorted: Vec<Sorted>, now: Timestamp) -> Result<SortCount, StoreError> {
        match self.how {
            Break::Dedupe => {
                let renamed = sorted.into_iter().map(|sorted| self.renamed(sorted)).collect();
                self.whole.sort(renamed, now).await
            }
            Break::Removal => {
                let records = self.whole.unsorted(0, usize::MAX).await?;
                let count = self.whole.sort(sorted, now).await?;
                for record in records {
                    self.whole.keep(record.webhook).await?;
                }
                Ok(count)
            }
            _ => self.whole.sort(sorted, now).await,
        }
    }

    async fn claim(&self, worker: &WorkerId, now: Timestamp) -> Result<Claim, StoreError> {
        let claim = self.whole.claim(worker, now).await?;
        if let Claim::Lane(claimed) = &claim {
            let lease = claimed.lease.clone();
            self.latest.lock().unwrap().insert(lease.external_ref.clone(), lease);
        }
        Ok(claim)
    }

    async fn begin(&self, lease: &Lease, upto: Seq, telling: Telling, now: Timestamp) -> Result<Fenced, StoreError> {
        if self.how == Break::Intent {
            return Ok(Fenced::Done);
        }
        self.whole.begin(&self.taken_for(lease), upto, telling, now).await
    }

    async fn permit(
        &self,
        lease: &Lease,
        adopting: Option<Adopting>,
        now: Timestamp,
    ) -> Result<PermitGrant, StoreError> {
        let adopting = adopting.filter(|_| self.how != Break::Adopting);
        self.whole.permit(&self.taken_for(lease), adopting, now).await
    }

    async fn fetched(&self, lease: &Lease, seq: Seq, answer: Bytes) -> Result<Fenced, StoreError> {
        self.whole.fetched(&self.taken_for(lease), seq, answer).await
    }

    async fn settle(&self, lease: &Lease, settlement: Settlement, now: Timestamp) -> Result<Fenced, StoreError> {
        self.whole.settle(&self.taken_for(lease), settlement, now).await
    }

    async fn verified(&self, lead: &Verification, verified: Verified, now: Timestamp) -> Result<(), StoreError> {
        self.whole.verified(lead, verified, now).await
    }

    async fn note_day(&self, note: DayNote, now: Timestamp) -> Result<DayState, StoreError> {
        self.whole.note_day(note, now).await
    }

    async fn incidents(&self, max: usize) -> Result<Vec<Incident>, StoreError> {
        self.whole.incidents(max).await
    }

    async fn dismiss(&self, which: Option<&ExternalRef>) -> Result<usize, StoreError> {
        self.whole.dismiss(which).await
    }

    async fn observe(&self, permit: PermitId, seen: Observation, now: Timestamp) -> Result<(), StoreError> {
        let kept = self.whole.observe(permit, seen, now).await;
        if self.how == Break::Limit {
            self.whole.observe(permit, Observation::Unsent, now).await?;
        }
        kept
    }

    async fn heartbeat(&self, worker: &WorkerId, held: &[Lease], now: Timestamp) -> Result<Vec<Lease>, StoreError> {
        let mut held = held.to_vec();
        if self.how == Break::Strays {
            held.extend(self.latest.lock().unwrap().values().cloned());
        }
        self.whole.heartbeat(worker, &held, now).await
    }

    async fn pause(&self, why: PauseReason, now: Timestamp) -> Result<(), StoreError> {
        self.whole.pause(why, now).await
    }

    async fn resume(&self, generation: Option<u64>, now: Timestamp) -> Result<(), StoreError> {
        self.whole.resume(generation, now).await
    }

    async fn events(&self, query: EventQuery) -> Result<EventPage, StoreError> {
        self.whole.events(query).await
    }

    async fn event(&self, id: &EventId) -> Result<Option<EventDetail>, StoreError> {
        self.whole.event(id).await
    }

    async fn lane(&self, external_ref: &ExternalRef) -> Result<Option<LaneDetail>, StoreError> {
        self.whole.lane(external_ref).await
    }

    async fn replay(&self, which: &Selector, max: usize, now: Timestamp) -> Result<Moved, StoreError> {
        self.whole.replay(which, max, now).await
    }

    async fn release(&self, which: &Selector, max: usize, now: Timestamp) -> Result<Moved, StoreError> {
        self.whole.release(which, max, now).await
    }

    async fn discard(
        &self,
        state: EventState,
        which: &Selector,
        max: usize,
        now: Timestamp,
    ) -> Result<Moved, StoreError> {
        self.whole.discard(state, which, max, now).await
    }

    async fn expire(&self, max: usize, now: Timestamp) -> Result<usize, StoreError> {
        self.whole.expire(max, now).await
    }

    async fn stats(&self, now: Timestamp) -> Result<Stats, StoreError> {
        self.whole.stats(now).await
    }

    async fn audit(&self, after: Option<u64>, max: usize, now: Timestamp) -> Result<Audit, StoreError> {
        self.whole.audit(after, max, now).await
    }

    async fn remember_sources(&self, on: &[SourceName], now: Timestamp) -> Result<(), StoreError> {
        self.whole.remember_sources(on, now).await
    }

    async fn known_sources(&self) -> Result<Vec<SourceName>, StoreError> {
        self.whole.known_sources().await
    }

    async fn memo(&self, topic: Topic, key: &str) -> Result<Option<Bytes>, StoreError> {
        self.whole.memo(topic, key).await
    }

    async fn memos(&self, topic: Topic) -> Result<Vec<(String, Bytes)>, StoreError> {
        self.whole.memos(topic).await
    }

    async fn set_memo(&self, topic: Topic, key: &str, value: Bytes, was: Option<Bytes>) -> Result<bool, StoreError> {
        self.whole.set_memo(topic, key, value, was).await
    }

    async fn give(&self, place: Place, max: usize) -> Result<Parts, StoreError> {
        self.whole.give(place, max).await
    }

    async fn take(&self, parts: Parts, was: Bytes, is: Bytes) -> Result<bool, StoreError> {
        self.whole.take(parts, was, is).await
    }

    async fn inbox_changed(&self) {
        self.whole.inbox_changed().await;
    }

    async fn lanes_changed(&self) {
        self.whole.lanes_changed().await;
    }

    async fn close(&self) {
        self.whole.close().await;
    }
}

/// Each of `cases` must fail on every store that is broken like this.
fn barks(how: Break, cases: Vec<Case>) {
    for Case { name, run } in cases {
        for under in [Under::Memory, Under::Sqlite, Under::Redis] {
            UNDER_TEST.set(vec![Backend::Broken(how, under)]);
            assert!(catch_unwind(AssertUnwindSafe(&run)).is_err(), "{name} does not miss {how:?} of {under:?}");
        }
    }
}

#[test]
fn without_the_fence_check_the_suite_fails() {
    barks(
        Break::Fence,
        vec![
            case(fences::a_stale_fence_settles_nothing),
            case(fences::a_stale_fence_begins_no_post),
            case(fences::a_stale_fence_takes_no_permit_and_keeps_no_answer),
            case(fences::a_claim_whose_answer_was_lost_is_freed_by_the_next_heartbeat_and_its_permit_in_time),
            case(fences::a_worker_that_dies_after_its_intent_leaves_a_search),
        ],
    );
}

#[test]
fn without_the_intent_the_suite_fails() {
    barks(
        Break::Intent,
        vec![
            case(arrows::an_ambiguous_create_keeps_its_intent_until_the_lead_is_found),
            case(arrows::a_lane_that_died_in_doubt_is_searched_for_when_it_is_replayed),
            case(fences::a_worker_that_dies_after_its_intent_leaves_a_search),
            case(fences::a_second_post_under_one_lease_moves_the_intent_on),
        ],
    );
}

#[test]
fn without_dedupe_the_suite_fails() {
    let cases = vec![
        case(inbox::the_same_event_twice_is_one_event),
        case(fences::a_webhook_kept_twice_is_sorted_into_one_event),
        case(arrows::a_duplicate_does_not_bring_a_dead_lane_back),
    ];
    barks(Break::Dedupe, cases);
}

#[test]
fn without_sorting_in_one_step_the_suite_fails() {
    let cases = vec![
        case(inbox::sorting_takes_the_record_out_and_puts_all_its_items_into_their_lanes),
        case(inbox::the_inbox_is_read_from_the_oldest_on_while_webhooks_come_in),
    ];
    barks(Break::Removal, cases);
}

#[test]
fn without_the_limit_the_suite_fails() {
    let cases = vec![
        case(limits::the_first_call_goes_alone_and_its_answer_lets_the_others_go),
        case(limits::one_lease_may_take_one_more_permit),
    ];
    barks(Break::Limit, cases);
}

#[test]
fn without_freeing_strays_the_suite_fails() {
    let cases = vec![
        case(fences::a_claim_whose_answer_was_lost_is_freed_by_the_next_heartbeat_and_its_permit_in_time),
        case(fences::a_stray_with_an_open_intent_is_searched_for_again),
    ];
    barks(Break::Strays, cases);
}

#[test]
fn without_knowing_which_lead_was_adopted_the_suite_fails() {
    let cases = vec![
        case(adopting::a_lead_that_may_have_been_made_its_own_is_told_with_each_claim_until_the_lane_has_one),
        case(adopting::what_was_adopted_stays_so_when_the_worker_is_lost_and_when_all_of_it_is_given_up),
        case(adopting::a_lane_that_may_have_adopted_a_lead_is_looked_for_when_it_was_forgotten),
    ];
    barks(Break::Adopting, cases);
}
