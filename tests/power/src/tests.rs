//! Each verb that must not be lost, and the power that goes as soon as it has returned.

use std::path::Path;

use jiff::Timestamp;
use konektor_bridge::domain::event::{DeadReason, EventId, Hold, Item, Kept, SourceName};
use konektor_bridge::domain::external_ref::ExternalRef;
use konektor_bridge::domain::lead::LeadId;
use konektor_bridge::store::{
    Adopting, Arrival, Claim, Claimed, EventFilter, EventState, Fenced, Named, Observation, Options, Outcome,
    PauseReason, PermitGrant, RateHeaders, Selector, Settlement, Sorted, SqliteStore, Store, Telling, Undelivered,
    WorkerId,
};
use tempfile::TempDir;

use crate::disk;

fn now() -> Timestamp {
    "2026-09-01T08:00:00Z".parse().unwrap()
}

fn source() -> SourceName {
    SourceName::parse("form").unwrap()
}

/// A store, and what the disk has of it.
struct Bed {
    store: SqliteStore,
    live: TempDir,
    synced: TempDir,
}

impl Bed {
    fn new() -> Self {
        let (live, synced) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        disk::watch(live.path(), synced.path());
        Self { store: open(live.path()), live, synced }
    }

    async fn keep(&self) {
        let webhook = Kept {
            source: source(),
            received: now(),
            request_id: "r".to_owned(),
            headers: Vec::new(),
            body: "webhook".into(),
        };
        self.store.keep(webhook).await.unwrap();
    }

    /// One lead's event is in its lane.
    async fn arrive(&self, name: &str, hold: Hold) {
        self.keep().await;
        let record = self.store.unsorted(0, 1).await.unwrap().remove(0);
        let item = Item {
            id: EventId::of(&source(), &[name.as_bytes()]),
            same_within: None,
            external_ref: lead(name),
            aliases: Vec::new(),
            hold,
            body: name.into(),
        };
        let (place, received, request_id) = (record.place, now(), "r".to_owned());
        let sorted = Sorted {
            place,
            source: source(),
            received,
            request_id,
            arrival: Arrival::Live,
            split: Ok(vec![item]),
            lessons: Vec::new(),
        };
        self.store.sort(vec![sorted], now()).await.unwrap();
    }

    async fn claim(&self) -> Claimed {
        let claim = self.store.claim(&WorkerId("me".to_owned()), now()).await.unwrap();
        let Claim::Lane(claimed) = claim else { panic!("a lane is ready, but {claim:?}") };
        let headers = RateHeaders { limit: Some(60), ..RateHeaders::default() };
        self.store.observe(claimed.permit, Observation::Answered(headers), now()).await.unwrap();
        *claimed
    }

    async fn settle(&self, claimed: &Claimed, outcome: Outcome) {
        let settlement = Settlement::from(outcome);
        assert_eq!(self.store.settle(&claimed.lease, settlement, now()).await.unwrap(), Fenced::Done);
    }

    /// The store as the next start finds it when the power goes now. It agrees with itself, whatever was lost.
    async fn without_power(&self) -> (SqliteStore, TempDir) {
        let left = tempfile::tempdir().unwrap();
        for file in std::fs::read_dir(self.synced.path()).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), left.path().join(file.file_name())).unwrap();
        }
        let store = open(left.path());
        let mut after = None;
        loop {
            let audit = store.audit(after, 100, now()).await.unwrap();
            assert_eq!(audit.flaws, []);
            after = audit.next;
            if after.is_none() {
                return (store, left);
            }
        }
    }
}

fn open(dir: &Path) -> SqliteStore {
    SqliteStore::open(dir, Options::default(), now()).unwrap()
}

fn lead(name: &str) -> ExternalRef {
    ExternalRef::new("form:", name)
}

fn all() -> Selector {
    Selector::Matching(EventFilter::default())
}

async fn count(store: &SqliteStore, state: EventState) -> u64 {
    let stats = store.stats(now()).await.unwrap();
    stats.events.iter().find(|(one, _)| *one == state).unwrap().1
}

#[tokio::test]
async fn a_webhook_that_was_answered_is_there_when_the_power_is_back() {
    let bed = Bed::new();
    for kept in 1..4 {
        bed.keep().await;
        let (store, _left) = bed.without_power().await;
        assert_eq!(store.unsorted(0, 9).await.unwrap().len(), kept);
    }
}

#[tokio::test]
async fn an_intent_that_was_written_is_there_when_the_power_is_back() {
    let bed = Bed::new();
    bed.arrive("ann", Hold::No).await;
    let claimed = bed.claim().await;
    assert_eq!(bed.store.begin(&claimed.lease, 1, Telling::nothing(), now()).await.unwrap(), Fenced::Done);
    let (store, _left) = bed.without_power().await;
    let lane = store.lane(&lead("ann")).await.unwrap().unwrap();
    assert_eq!(lane.intent.map(|intent| intent.fence), Some(claimed.lease.fence));
}

#[tokio::test]
async fn which_lead_is_adopted_is_known_when_the_power_is_back() {
    let bed = Bed::new();
    bed.arrive("ann", Hold::No).await;
    let claimed = bed.claim().await;
    let id = || LeadId("L".to_owned());
    let adopting = Adopting { lead_id: id(), shown: Named::default(), sent: Named::default() };
    let grant = bed.store.permit(&claimed.lease, Some(adopting), now()).await.unwrap();
    assert!(matches!(grant, PermitGrant::Granted(_)), "{grant:?}");
    let (store, _left) = bed.without_power().await;
    assert_eq!(store.lane(&lead("ann")).await.unwrap().unwrap().adopting, Some(id()));
}

#[tokio::test]
async fn an_attempt_that_was_ended_is_ended_when_the_power_is_back() {
    let bed = Bed::new();
    bed.arrive("ann", Hold::No).await;
    let claimed = bed.claim().await;
    bed.settle(&claimed, Outcome::Done { lead_id: LeadId("L".to_owned()), upto: 1 }).await;
    let (store, _left) = bed.without_power().await;
    assert_eq!(count(&store, EventState::Delivered).await, 1);
    assert_eq!(store.lane(&lead("ann")).await.unwrap().unwrap().lead_id, Some(LeadId("L".to_owned())));
}

#[tokio::test]
async fn what_a_person_did_is_done_when_the_power_is_back() {
    let bed = Bed::new();
    bed.arrive("ann", Hold::No).await;
    let claimed = bed.claim().await;
    let why = Undelivered { reason: DeadReason::Rejected, detail: "refused".to_owned() };
    bed.settle(&claimed, Outcome::Dead { why, upto: 1 }).await;
    bed.arrive("bob", Hold::Spam).await;
    bed.arrive("carl", Hold::Spam).await;

    bed.store.replay(&all(), 9, now()).await.unwrap();
    assert_eq!(count(&bed.without_power().await.0, EventState::Dead).await, 0);
    let bob = Selector::Ids(vec![EventId::of(&source(), &[b"bob"])]);
    bed.store.release(&bob, 9, now()).await.unwrap();
    assert_eq!(count(&bed.without_power().await.0, EventState::Withheld).await, 1);
    bed.store.discard(EventState::Withheld, &all(), 9, now()).await.unwrap();
    assert_eq!(count(&bed.without_power().await.0, EventState::Discarded).await, 1);
    bed.store.pause(PauseReason::Operator, now()).await.unwrap();
    assert!(bed.without_power().await.0.stats(now()).await.unwrap().paused.is_some());
    bed.store.resume(None, now()).await.unwrap();
    assert_eq!(bed.without_power().await.0.stats(now()).await.unwrap().paused, None);
    bed.store.remember_sources(&[source()], now()).await.unwrap();
    assert_eq!(bed.without_power().await.0.known_sources().await.unwrap(), [source()]);
}

#[tokio::test]
async fn what_was_sorted_and_not_yet_synced_is_sorted_again() {
    let bed = Bed::new();
    bed.arrive("ann", Hold::No).await;
    let (store, _left) = bed.without_power().await;
    assert_eq!((store.unsorted(0, 9).await.unwrap().len(), count(&store, EventState::Pending).await), (1, 0));
    // With the next thing that is synced it is, too: the log is written in order.
    bed.keep().await;
    let (store, _left) = bed.without_power().await;
    assert_eq!((store.unsorted(0, 9).await.unwrap().len(), count(&store, EventState::Pending).await), (1, 1));
}

#[tokio::test]
async fn a_verb_that_nobody_is_told_of_waits_for_no_disk() {
    let bed = Bed::new();
    bed.arrive("ann", Hold::No).await;
    let before = disk::syncs(bed.live.path());
    let claimed = bed.claim().await;
    bed.store.heartbeat(&WorkerId("me".to_owned()), &[claimed.lease], now()).await.unwrap();
    assert_eq!(disk::syncs(bed.live.path()), before);
    bed.keep().await;
    assert_eq!(disk::syncs(bed.live.path()), before + 1, "one for the log");
}

#[tokio::test]
async fn without_the_sync_what_was_answered_is_gone_and_these_tests_see_it() {
    let bed = Bed::new();
    bed.keep().await;
    disk::lie(bed.live.path());
    bed.keep().await;
    let (store, _left) = bed.without_power().await;
    assert_eq!(store.unsorted(0, 9).await.unwrap().len(), 1, "the second webhook was answered, and lost");
}

#[tokio::test]
async fn the_log_that_is_copied_into_the_database_loses_nothing_on_the_way() {
    let bed = Bed::new();
    for _ in 0..20 {
        bed.keep().await;
    }
    // Closing copies the log, and begins with a new one.
    bed.store.close().await;
    let again = open(bed.live.path());
    let (store, _left) = bed.without_power().await;
    assert_eq!(store.unsorted(0, 99).await.unwrap().len(), 20);
    drop(again);
}
