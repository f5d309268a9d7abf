//! The embedded store against the model: whatever is asked in whatever order, both say the same.

use std::time::Duration;

use jiff::Timestamp;
use konektor_bridge::domain::event::{Hold, Item};
use konektor_bridge::domain::lead::LeadId;
use konektor_bridge::store::{
    Claim, EventFilter, EventQuery, EventState, Lease, Observation, Options, Outcome, PauseReason, PermitId,
    RateHeaders, Selector, Settlement, Sorted, Store, WorkerId,
};
use proptest::prelude::*;

use super::{Backend, Bed, attempt, bed, event_id, item, lead, run, source, why};

/// One thing that somebody does.
#[derive(Debug, Clone)]
enum Act {
    Pass(u64),
    Keep,
    Sort { items: Vec<(u8, u8, u8)>, unreadable: bool },
    Claim { worker: u8 },
    Begin { lease: usize },
    Permit { lease: usize },
    Fetched { lease: usize, seq: u64 },
    Settle { lease: usize, outcome: u8, wait: u64, upto: u64 },
    Observe { permit: usize, seen: u8 },
    Heartbeat { worker: u8, all_but: usize },
    Pause(u8),
    Resume(Option<u64>),
    Replay { event: u8, max: usize },
    Release { event: u8, max: usize },
    Discard { event: u8, withheld: bool },
    Expire,
}

fn act() -> impl Strategy<Value = Act> {
    let items = proptest::collection::vec((0..4u8, 0..12u8, 0..10u8), 0..4);
    prop_oneof![
        3 => prop_oneof![6 => 0..4u64, 2 => 20..40u64, 1 => 1_000_000..4_000_000u64].prop_map(Act::Pass),
        3 => Just(Act::Keep),
        4 => (items, proptest::bool::weighted(0.1)).prop_map(|(items, unreadable)| Act::Sort { items, unreadable }),
        5 => (0..2u8).prop_map(|worker| Act::Claim { worker }),
        2 => any::<usize>().prop_map(|lease| Act::Begin { lease }),
        1 => any::<usize>().prop_map(|lease| Act::Permit { lease }),
        1 => (any::<usize>(), 0..12u64).prop_map(|(lease, seq)| Act::Fetched { lease, seq }),
        5 => (any::<usize>(), 0..9u8, 0..20u64, 0..24u64)
            .prop_map(|(lease, outcome, wait, upto)| Act::Settle { lease, outcome, wait, upto }),
        4 => (any::<usize>(), 0..5u8).prop_map(|(permit, seen)| Act::Observe { permit, seen }),
        1 => (0..2u8, 0..4usize).prop_map(|(worker, all_but)| Act::Heartbeat { worker, all_but }),
        1 => (0..9u8).prop_map(Act::Pause),
        2 => proptest::option::weighted(0.3, 0..3u64).prop_map(Act::Resume),
        2 => (0..14u8, 0..4usize).prop_map(|(event, max)| Act::Replay { event, max }),
        2 => (0..14u8, 0..4usize).prop_map(|(event, max)| Act::Release { event, max }),
        2 => (0..14u8, any::<bool>()).prop_map(|(event, withheld)| Act::Discard { event, withheld }),
        1 => Just(Act::Expire),
    ]
}

/// One store, and what its workers hold.
struct Side {
    bed: Bed,
    leases: Vec<(u8, Lease)>,
    permits: Vec<PermitId>,
}

fn worker(number: u8) -> WorkerId {
    WorkerId(format!("worker {number}"))
}

/// One of the last three: mostly what is under way, sometimes what is over.
fn pick<T: Clone>(from: &[T], index: usize) -> Option<T> {
    let last = &from[from.len().saturating_sub(3)..];
    last.get(index % last.len().max(1)).cloned()
}

fn some_item((of, name, hold): (u8, u8, u8)) -> Item {
    Item {
        hold: match hold {
            0 => Hold::Spam,
            1 => Hold::SourceOnHold,
            _ => Hold::No,
        },
        same_within: (hold == 2).then_some(Duration::from_secs(30)),
        ..item(&format!("lead {of}"), &format!("event {name}"))
    }
}

fn some_outcome(kind: u8, at: Timestamp, upto: u64) -> Outcome {
    match kind {
        0..=1 => Outcome::Done { lead_id: LeadId(format!("id {upto}")), upto },
        3 => Outcome::Retry { at, counted: upto.is_multiple_of(2) },
        4 => Outcome::Ambiguous { at },
        5 => Outcome::Negative { at, settled: upto.is_multiple_of(2) },
        2 | 6 => Outcome::Dead { why: why("refused"), upto },
        7 => Outcome::Withheld(vec![(upto, Hold::NoContact), (upto + 1, Hold::Spam)]),
        _ => Outcome::Release { at },
    }
}

fn some_selector(event: u8) -> Selector {
    match event {
        12 => Selector::Matching(EventFilter::default()),
        13 => Selector::Matching(EventFilter { lead: Some(lead("lead 1")), ..EventFilter::default() }),
        name => Selector::Ids(vec![event_id(&format!("event {name}")), event_id("event 0")]),
    }
}

fn some_observation(kind: u8, now: Timestamp) -> Observation {
    let headers = RateHeaders { limit: Some(20), remaining: Some(15 + u32::from(kind)), ..RateHeaders::default() };
    match kind {
        0 => Observation::Unsent,
        1 => Observation::Answered(RateHeaders::default()),
        2 => Observation::Answered(RateHeaders {
            throttled: true,
            retry_after: Some(Duration::from_secs(5)),
            reset: Some(now + Duration::from_secs(9)),
            ..headers
        }),
        _ => Observation::Answered(headers),
    }
}

impl Side {
    fn new(backend: Backend) -> Self {
        let options = Options { max_events: 40, max_lane_events: 6, ..Options::default() };
        Self { bed: bed(backend, options), leases: Vec::new(), permits: Vec::new() }
    }

    fn store(&self) -> &dyn Store {
        self.bed.store.as_ref()
    }

    /// Does it, and tells what was answered.
    async fn act(&mut self, act: &Act) -> String {
        let now = self.bed.now();
        match act {
            Act::Pass(seconds) => {
                self.bed.pass(*seconds);
                String::new()
            }
            Act::Keep => format!("{:?}", self.store().keep(self.bed.webhook("webhook")).await),
            Act::Sort { items, unreadable } => self.sort(items, *unreadable).await,
            Act::Claim { worker: number } => {
                let claim = self.store().claim(&worker(*number), now).await.unwrap();
                match &claim {
                    Claim::Lane(claimed) => {
                        self.leases.push((*number, claimed.lease.clone()));
                        self.permits.push(claimed.permit);
                    }
                    Claim::Probe(probe) => self.permits.push(probe.permit),
                    Claim::Chore(permit, _) => self.permits.push(*permit),
                    Claim::Nothing(_) => {}
                }
                format!("{claim:?}")
            }
            Act::Begin { lease } => match pick(&self.leases, *lease) {
                Some((_, lease)) => format!("{:?}", self.store().begin(&lease, lease.fence * 3, now).await),
                None => String::new(),
            },
            Act::Permit { lease } => match pick(&self.leases, *lease) {
                Some((_, lease)) => format!("{:?}", self.store().permit(&lease, now).await),
                None => String::new(),
            },
            Act::Fetched { lease, seq } => match pick(&self.leases, *lease) {
                Some((_, lease)) => format!("{:?}", self.store().fetched(&lease, *seq, "fetched".into()).await),
                None => String::new(),
            },
            Act::Settle { lease, outcome, wait, upto } => match pick(&self.leases, *lease) {
                Some((_, lease)) => {
                    let outcome = some_outcome(*outcome, now + Duration::from_secs(*wait), *upto);
                    let settlement =
                        Settlement { attempts: vec![attempt("tried"); (*upto % 3) as usize], ..outcome.into() };
                    format!("{:?}", self.store().settle(&lease, settlement, now).await)
                }
                None => String::new(),
            },
            Act::Observe { permit, seen } => match pick(&self.permits, *permit) {
                Some(permit) => format!("{:?}", self.store().observe(permit, some_observation(*seen, now), now).await),
                None => String::new(),
            },
            Act::Heartbeat { worker: number, all_but } => {
                let mine = self.leases.iter().filter(|(holder, _)| holder == number).skip(*all_but);
                let held: Vec<Lease> = mine.map(|(_, lease)| lease.clone()).collect();
                format!("{:?}", self.store().heartbeat(&worker(*number), &held, now).await)
            }
            Act::Pause(_)
            | Act::Resume(_)
            | Act::Replay { .. }
            | Act::Release { .. }
            | Act::Discard { .. }
            | Act::Expire => self.act_as_a_person(act).await,
        }
    }

    async fn act_as_a_person(&self, act: &Act) -> String {
        let (store, now) = (self.store(), self.bed.now());
        match act {
            Act::Pause(number) => {
                let reasons = [PauseReason::Operator, PauseReason::Unauthorized, PauseReason::Forbidden];
                let Some(why) = reasons.get(usize::from(*number)) else { return String::new() };
                format!("{:?}", store.pause(*why, now).await)
            }
            Act::Resume(generation) => format!("{:?}", store.resume(*generation, now).await),
            Act::Replay { event, max } => format!("{:?}", store.replay(&some_selector(*event), *max, now).await),
            Act::Release { event, max } => format!("{:?}", store.release(&some_selector(*event), *max, now).await),
            Act::Discard { event, withheld } => {
                let state = if *withheld { EventState::Withheld } else { EventState::Dead };
                format!("{:?}", store.discard(state, &some_selector(*event), 3, now).await)
            }
            _ => format!("{:?}", store.expire(3, now).await),
        }
    }

    async fn sort(&self, items: &[(u8, u8, u8)], unreadable: bool) -> String {
        let records = self.store().unsorted(2).await.unwrap();
        let split =
            if unreadable { Err(why("unreadable")) } else { Ok(items.iter().copied().map(some_item).collect()) };
        let sorted = records.iter().map(|record| Sorted {
            place: record.place,
            source: source(),
            received: record.webhook.received,
            request_id: record.webhook.request_id.clone(),
            split: split.clone(),
        });
        let count = self.store().sort(sorted.collect(), self.bed.now()).await;
        format!("{records:?} {count:?}")
    }

    /// All that can be seen of the store.
    async fn look(&self) -> String {
        let stats = self.bed.stats().await;
        let page = EventQuery { limit: 100, ..EventQuery::default() };
        let page = self.store().events(page).await.unwrap();
        let mut lanes = Vec::new();
        for number in 0..4 {
            lanes.push(self.store().lane(&lead(&format!("lead {number}"))).await.unwrap());
        }
        let event = self.store().event(&event_id("event 1")).await.unwrap();
        format!("{stats:#?}\n{page:#?}\n{lanes:#?}\n{event:#?}")
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_embedded_store_does_what_the_model_does(acts in proptest::collection::vec(act(), 20..160)) {
        run(async {
            let (mut model, mut sqlite) = (Side::new(Backend::Memory), Side::new(Backend::Sqlite));
            for (step, act) in acts.iter().enumerate() {
                assert_eq!(model.act(act).await, sqlite.act(act).await, "the answer to step {step}, {act:?}");
                assert_eq!(model.look().await, sqlite.look().await, "what is seen after step {step}, {act:?}");
            }
        });
    }
}
