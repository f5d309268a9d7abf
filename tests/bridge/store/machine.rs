//! The durable stores against the model, under whatever three workers and a person do in whatever order: answers are lost,
//! workers die, clocks leap. After every step both have answered the same, look the same, and audit clean.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use jiff::Timestamp;
use konektor_bridge::domain::event::{Hold, Item, Lesson};
use konektor_bridge::domain::external_ref::ExternalRef;
use konektor_bridge::domain::lead::{Field, LeadId};
use konektor_bridge::domain::status::Status;
use konektor_bridge::store::{
    Adopting, Arrival, Chore, Claim, Claimed, Day, DayNote, EventFilter, EventQuery, EventRow, EventState, Fenced,
    Learned, Lease, MemoryStore, Named, Observation, Options, Outcome, PauseReason, PermitGrant, PermitId, RateHeaders,
    Selector, Settlement, Sorted, Store, Telling, Verification, Verified, Word, Words, WorkerId,
};
use proptest::prelude::*;
use proptest::strategy::BoxedStrategy;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use tokio::runtime::Runtime;

use super::{Backend, Home, attempt, event_id, item, lead, open, source, start, why};

/// Requests a minute that the made-up Konektor tells.
const LIMIT: u32 = 20;
/// What Konektor allows before it has told.
const UNTOLD: u32 = 60;

/// One thing that somebody does. A number picks from what there is at that moment.
#[derive(Debug, Clone)]
enum Act {
    Pass(u64),
    SetBack(u64),
    Keep,
    Sort { items: Vec<(u8, u8, u8)>, lesson: u8, unreadable: bool, bulk: bool },
    Claim { worker: usize, heard: bool },
    Begin { lease: usize },
    Permit { lease: usize, adopting: u8 },
    Fetched { lease: usize, seq: u64 },
    Settle { lease: usize, outcome: u8, wait: u64, upto: u64, heard: bool },
    Observe { permit: usize, seen: u8, heard: bool },
    Heartbeat { worker: usize },
    Die { worker: usize },
    Pause(u8),
    Resume(Option<u64>),
    Replay { event: u8, max: usize },
    Release { event: u8, max: usize },
    Discard { event: u8, withheld: bool },
    Expire,
    Verified { seen: u8 },
    Day(u8),
    Dismiss(bool),
}

/// The same with all that it is about: what a store is asked.
#[derive(Debug, Clone)]
enum Ask {
    Nothing,
    Keep(Timestamp),
    Sort(Vec<Sorted>),
    Claim(WorkerId),
    Begin(Lease, u64, Telling),
    Permit(Lease, Option<Adopting>),
    Fetched(Lease, u64),
    Settle(Lease, Settlement),
    Observe(PermitId, Observation),
    Heartbeat(WorkerId, Vec<Lease>),
    Pause(PauseReason),
    Resume(Option<u64>),
    Replay(Selector, usize),
    Release(Selector, usize),
    Discard(EventState, Selector),
    Expire,
    Verified(Verification, Verified),
    Day(DayNote),
    Dismiss(Option<ExternalRef>),
}

/// What a store answered, as far as the world goes by it, and all of it in words.
#[derive(Debug, Clone)]
struct Answer {
    claim: Option<Claim>,
    fenced: Option<Fenced>,
    permit: Option<PermitId>,
    lost: Vec<Lease>,
    words: String,
}

/// A worker: a process that may die, and what it believes that it holds.
#[derive(Debug, Clone, Default)]
struct Worker {
    lives: u32,
    leases: Vec<Lease>,
    permits: Vec<PermitId>,
}

/// The model, and the world around it.
#[derive(Clone)]
struct World {
    model: MemoryStore,
    now: Timestamp,
    workers: [Worker; 3],
    /// Leases that were given out, whether heard of or not.
    leases: Vec<Lease>,
    /// The last chore that was handed out.
    chore: Option<Verification>,
    ask: Ask,
    answer: Answer,
    history: History,
}

/// What must hold from the beginning to the end.
#[derive(Debug, Clone, Default)]
struct History {
    fences: BTreeMap<ExternalRef, u64>,
    /// Lanes with a POST that may be out, and under which fence it was begun.
    posts: BTreeMap<ExternalRef, u64>,
    /// Permits whose count may still stand at Konektor, and until when.
    standing: BTreeMap<u64, Timestamp>,
    told: bool,
    /// Lanes of which Konektor has said by itself that it has their lead.
    taught: BTreeSet<ExternalRef>,
    /// Events that have reached their lead.
    delivered: BTreeSet<u64>,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "at {}: {:?}", self.now, self.workers)
    }
}

fn acts() -> BoxedStrategy<Act> {
    let items = proptest::collection::vec((0..5u8, 0..14u8, 0..20u8), 0..4);
    let someone = 0..3usize;
    let heard = || proptest::bool::weighted(0.8);
    prop_oneof![
        4 => prop_oneof![6 => 0..4u64, 2 => 20..40u64, 1 => 60..90u64, 1 => 1_000_000..4_000_000u64].prop_map(Act::Pass),
        1 => prop_oneof![4 => 1..30u64, 1 => 61..5_000_000u64].prop_map(Act::SetBack),
        3 => Just(Act::Keep),
        4 => (items, 0..60u8, proptest::bool::weighted(0.1), proptest::bool::weighted(0.3))
            .prop_map(|(items, lesson, unreadable, bulk)| Act::Sort { items, lesson, unreadable, bulk }),
        6 => (someone.clone(), heard()).prop_map(|(worker, heard)| Act::Claim { worker, heard }),
        3 => any::<usize>().prop_map(|lease| Act::Begin { lease }),
        2 => (any::<usize>(), 0..9u8).prop_map(|(lease, adopting)| Act::Permit { lease, adopting }),
        1 => (any::<usize>(), 0..12u64).prop_map(|(lease, seq)| Act::Fetched { lease, seq }),
        6 => (any::<usize>(), 0..9u8, 0..20u64, 0..24u64, heard())
            .prop_map(|(lease, outcome, wait, upto, heard)| Act::Settle { lease, outcome, wait, upto, heard }),
        4 => (any::<usize>(), 0..6u8, heard()).prop_map(|(permit, seen, heard)| Act::Observe { permit, seen, heard }),
        2 => someone.clone().prop_map(|worker| Act::Heartbeat { worker }),
        1 => someone.prop_map(|worker| Act::Die { worker }),
        1 => (0..9u8).prop_map(Act::Pause),
        2 => proptest::option::weighted(0.3, 0..3u64).prop_map(Act::Resume),
        2 => (0..16u8, 0..4usize).prop_map(|(event, max)| Act::Replay { event, max }),
        2 => (0..16u8, 0..4usize).prop_map(|(event, max)| Act::Release { event, max }),
        1 => (0..16u8, any::<bool>()).prop_map(|(event, withheld)| Act::Discard { event, withheld }),
        1 => Just(Act::Expire),
        1 => (0..3u8).prop_map(|seen| Act::Verified { seen }),
        1 => (0..6u8).prop_map(Act::Day),
        1 => any::<bool>().prop_map(Act::Dismiss),
    ]
    .boxed()
}

fn some_item((of, name, hold): (u8, u8, u8)) -> Item {
    Item {
        hold: match hold {
            0 => Hold::Spam,
            1 => Hold::SourceOnHold,
            _ => Hold::No,
        },
        // Now and then it is known that two are one.
        aliases: (hold >= 18).then(|| lead(&format!("lead{}", (of + name) % 6))).into_iter().collect(),
        same_within: (hold == 2).then_some(Duration::from_secs(30)),
        ..item(&format!("lead{of}"), &format!("event {name}"))
    }
}

/// Now and then Konektor says something, or somebody has a new number.
fn some_lesson(kind: u8, now: Timestamp) -> Option<Lesson> {
    let of = |number: u8| lead(&format!("lead{}", number % 6));
    let status = [None, Some(Status::New), Some(Status::Hot), Some(Status::Won)][usize::from(kind % 4)];
    match kind {
        0..20 => Some(Lesson::Lead {
            external_ref: of(kind),
            lead_id: LeadId(format!("id {}", kind % 3)),
            status,
            at: now - Duration::from_secs(u64::from(kind)),
        }),
        20..24 => Some(Lesson::Renamed { old: vec![of(kind)], new: vec![of(kind + 1), of(kind / 2)] }),
        _ => None,
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

/// On some fields, and now and then by a sender's clock.
fn some_words(number: u64) -> Words {
    let at = number.is_multiple_of(2).then(|| start() + Duration::from_secs(number));
    let fields = Field::ALL.into_iter().skip(usize::try_from(number % 4).unwrap());
    Words::of(fields, Word { seq: number, at })
}

/// On some fields, and now and then of somebody.
fn some_telling(number: u64) -> Telling {
    let named = Named { phone: number.is_multiple_of(3).then(|| format!("+6281{number}")), ..Named::default() };
    Telling { words: some_words(number), named }
}

/// Mostly of a few leads that other lanes may have, and of somebody.
fn some_adopting(number: u8) -> Option<Adopting> {
    let named =
        |number: u8| Named { phone: number.is_multiple_of(2).then(|| format!("+6282{number}")), ..Named::default() };
    let lead_id = LeadId(format!("id {}", number % 3));
    (number < 6).then(|| Adopting { lead_id, shown: named(number), sent: named(number + 1) })
}

/// Now and then a double, words, and another lane of the same person.
fn some_learned(number: u64) -> Learned {
    let doubles = if number.is_multiple_of(7) { vec![LeadId("double".into())] } else { Vec::new() };
    let told = if number.is_multiple_of(5) { some_words(number) } else { Words::default() };
    let twin = number.is_multiple_of(4).then(|| lead(&format!("lead{}", number % 6)));
    Learned { doubles, told, twin, lands: None }
}

fn some_selector(event: u8) -> Selector {
    match event {
        14 => Selector::Matching(EventFilter::default()),
        15 => Selector::Matching(EventFilter { lead: Some(lead("lead1")), ..EventFilter::default() }),
        name => Selector::Ids(vec![event_id(&format!("event {name}")), event_id("event 0")]),
    }
}

fn some_verdict(kind: u8, now: Timestamp) -> Verified {
    match kind {
        0 => Verified::Seen(Vec::new()),
        1 => Verified::Seen(vec![LeadId("twin".into())]),
        _ => Verified::Later(now + Duration::from_secs(7)),
    }
}

fn some_note(kind: u8, now: Timestamp) -> DayNote {
    let look = now + Duration::from_secs(60);
    let waits_from = BTreeMap::from([(source(), 8)]);
    let day = |used| Day { limit: 10, used, ends: now + Duration::from_hours(2), waits_from };
    match kind {
        0 => DayNote::Watch,
        1 => DayNote::Told { day: day(3), look },
        2 => DayNote::Told { day: day(9), look },
        3 => DayNote::Told { day: day(10), look },
        4 => DayNote::Untold { look },
        _ => DayNote::Refused,
    }
}

fn some_observation(kind: u8, now: Timestamp) -> Observation {
    let headers = RateHeaders { limit: Some(LIMIT), remaining: Some(15 + u32::from(kind)), ..RateHeaders::default() };
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

/// One of the last few: mostly what is under way, sometimes what is over.
fn pick<T: Clone>(from: &[T], index: usize) -> Option<T> {
    let last = &from[from.len().saturating_sub(4)..];
    last.get(index % last.len().max(1)).cloned()
}

async fn perform(store: &dyn Store, ask: &Ask, now: Timestamp) -> Answer {
    let mut answer = Answer { claim: None, fenced: None, permit: None, lost: Vec::new(), words: String::new() };
    answer.words = match ask.clone() {
        Ask::Nothing => String::new(),
        Ask::Keep(received) => {
            let webhook = konektor_bridge::domain::event::Kept {
                source: source(),
                received,
                request_id: "r".to_owned(),
                headers: vec![("content-type".to_owned(), "text/plain".to_owned())],
                body: "webhook".into(),
            };
            format!("{:?}", store.keep(webhook).await)
        }
        Ask::Sort(sorted) => format!("{:?}", store.sort(sorted, now).await),
        Ask::Claim(worker) => {
            let claim = store.claim(&worker, now).await.unwrap();
            answer.claim = Some(claim.clone());
            format!("{claim:?}")
        }
        Ask::Begin(lease, upto, telling) => {
            let fenced = store.begin(&lease, upto, telling, now).await.unwrap();
            answer.fenced = Some(fenced);
            format!("{fenced:?}")
        }
        Ask::Permit(lease, adopting) => {
            let grant = store.permit(&lease, adopting, now).await.unwrap();
            if let PermitGrant::Granted(permit) = grant {
                answer.permit = Some(permit);
            }
            format!("{grant:?}")
        }
        Ask::Fetched(lease, seq) => format!("{:?}", store.fetched(&lease, seq, "fetched".into()).await),
        Ask::Settle(lease, settlement) => {
            let fenced = store.settle(&lease, settlement, now).await.unwrap();
            answer.fenced = Some(fenced);
            format!("{fenced:?}")
        }
        Ask::Observe(permit, seen) => format!("{:?}", store.observe(permit, seen, now).await),
        Ask::Heartbeat(worker, held) => {
            answer.lost = store.heartbeat(&worker, &held, now).await.unwrap();
            format!("{:?}", answer.lost)
        }
        Ask::Pause(why) => format!("{:?}", store.pause(why, now).await),
        Ask::Resume(generation) => format!("{:?}", store.resume(generation, now).await),
        Ask::Replay(which, max) => format!("{:?}", store.replay(&which, max, now).await),
        Ask::Release(which, max) => format!("{:?}", store.release(&which, max, now).await),
        Ask::Discard(state, which) => format!("{:?}", store.discard(state, &which, 3, now).await),
        Ask::Verified(chore, verified) => format!("{:?}", store.verified(&chore, verified, now).await),
        Ask::Day(note) => format!("{:?}", store.note_day(note, now).await),
        Ask::Dismiss(which) => format!("{:?}", store.dismiss(which.as_ref()).await),
        Ask::Expire => format!("{:?}", store.expire(3, now).await),
    };
    answer
}

/// All that can be seen of a store.
async fn look(store: &dyn Store, now: Timestamp) -> String {
    let stats = store.stats(now).await.unwrap();
    let page = store.events(EventQuery { limit: 100, ..EventQuery::default() }).await.unwrap();
    let inbox = store.unsorted(0, 100).await.unwrap();
    let mut lanes = Vec::new();
    for number in 0..6 {
        lanes.push(store.lane(&lead(&format!("lead{number}"))).await.unwrap());
    }
    let event = store.event(&event_id("event 1")).await.unwrap();
    let incidents = store.incidents(9).await.unwrap();
    format!("{stats:#?}\n{page:#?}\n{inbox:#?}\n{lanes:#?}\n{event:#?}\n{incidents:#?}")
}

/// Everything that an audit finds, and how much it looked at.
async fn audit(store: &dyn Store, now: Timestamp) -> String {
    let (mut flaws, mut lanes, mut events, mut after) = (Vec::new(), 0, 0, None);
    loop {
        let audit = store.audit(after, 2, now).await.unwrap();
        flaws.extend(audit.flaws);
        (lanes, events, after) = (lanes + audit.lanes, events + audit.events, audit.next);
        if after.is_none() {
            assert!(flaws.is_empty(), "{flaws:#?}");
            return format!("{lanes} lanes, {events} events");
        }
    }
}

/// The model never waits.
fn at_once<T>(question: impl Future<Output = T>) -> T {
    question.now_or_never().expect("the model never waits")
}

fn options() -> Options {
    Options { max_events: 40, max_lane_events: 6, ..Options::default() }
}

impl World {
    fn id(&self, worker: usize) -> WorkerId {
        WorkerId(format!("worker {worker}, life {}", self.workers[worker].lives))
    }

    /// What the act comes to at this moment.
    fn ask(&self, act: &Act) -> Ask {
        let lease = |index: usize| pick(&self.leases, index);
        match act.clone() {
            Act::Pass(_) | Act::SetBack(_) | Act::Die { .. } => Ask::Nothing,
            Act::Keep => Ask::Keep(self.now),
            Act::Sort { items, lesson, unreadable, bulk } => {
                let arrival = if bulk { Arrival::Bulk } else { Arrival::Live };
                self.sort(&items, lesson, unreadable, arrival)
            }
            Act::Claim { worker, .. } => Ask::Claim(self.id(worker)),
            Act::Begin { lease: index } => lease(index).map_or(Ask::Nothing, |lease| {
                let upto = lease.fence * 3;
                Ask::Begin(lease, upto, some_telling(upto))
            }),
            Act::Permit { lease: index, adopting } => {
                lease(index).map_or(Ask::Nothing, |lease| Ask::Permit(lease, some_adopting(adopting)))
            }
            Act::Fetched { lease: index, seq } => lease(index).map_or(Ask::Nothing, |lease| Ask::Fetched(lease, seq)),
            Act::Settle { lease: index, outcome, wait, upto, .. } => lease(index).map_or(Ask::Nothing, |lease| {
                let outcome = some_outcome(outcome, self.now + Duration::from_secs(wait), upto);
                Ask::Settle(
                    lease,
                    Settlement {
                        outcome,
                        attempts: vec![attempt("tried"); (upto % 3) as usize],
                        learned: some_learned(upto),
                    },
                )
            }),
            Act::Observe { permit, seen, .. } => {
                let permits: Vec<_> = self.workers.iter().flat_map(|worker| worker.permits.clone()).collect();
                let seen = some_observation(seen, self.now);
                pick(&permits, permit).map_or(Ask::Nothing, |permit| Ask::Observe(permit, seen))
            }
            Act::Heartbeat { worker } => Ask::Heartbeat(self.id(worker), self.workers[worker].leases.clone()),
            Act::Pause(number) => {
                let reasons = [PauseReason::Operator, PauseReason::Unauthorized, PauseReason::Forbidden];
                reasons.get(usize::from(number)).map_or(Ask::Nothing, |why| Ask::Pause(*why))
            }
            Act::Resume(generation) => Ask::Resume(generation),
            Act::Replay { event, max } => Ask::Replay(some_selector(event), max),
            Act::Release { event, max } => Ask::Release(some_selector(event), max),
            Act::Discard { event, withheld } => {
                Ask::Discard(if withheld { EventState::Withheld } else { EventState::Dead }, some_selector(event))
            }
            Act::Expire => Ask::Expire,
            Act::Verified { seen } => {
                self.chore.clone().map_or(Ask::Nothing, |chore| Ask::Verified(chore, some_verdict(seen, self.now)))
            }
            Act::Day(kind) => Ask::Day(some_note(kind, self.now)),
            Act::Dismiss(all) => Ask::Dismiss((!all).then(|| lead("lead1"))),
        }
    }

    fn sort(&self, items: &[(u8, u8, u8)], lesson: u8, unreadable: bool, arrival: Arrival) -> Ask {
        let split =
            if unreadable { Err(why("unreadable")) } else { Ok(items.iter().copied().map(some_item).collect()) };
        let records = at_once(self.model.unsorted(0, 2)).unwrap();
        let sorted = records.into_iter().map(|record| Sorted {
            place: record.place,
            source: source(),
            received: record.webhook.received,
            request_id: record.webhook.request_id,
            arrival,
            split: split.clone(),
            lessons: some_lesson(lesson, self.now).into_iter().collect(),
        });
        Ask::Sort(sorted.collect())
    }

    /// What the world makes of the model's answer.
    fn learn(&mut self, act: &Act) {
        self.heed();
        match act {
            Act::Pass(seconds) => self.now += Duration::from_secs(*seconds),
            Act::SetBack(seconds) => {
                self.now -= Duration::from_secs(*seconds);
                // What stands is not counted over a clock that was set back.
                self.history.standing.clear();
            }
            Act::Claim { worker, heard } => self.claimed(*worker, *heard),
            Act::Permit { .. } => {
                if let Some(permit) = self.answer.permit {
                    self.granted(permit);
                    self.workers[0].permits.push(permit);
                }
            }
            Act::Settle { heard: true, .. } => {
                if let Ask::Settle(lease, _) = &self.ask {
                    self.workers.iter_mut().for_each(|worker| worker.leases.retain(|held| held != lease));
                }
            }
            Act::Observe { heard: true, .. } => {
                if let Ask::Observe(permit, _) = &self.ask {
                    self.workers.iter_mut().for_each(|worker| worker.permits.retain(|held| held != permit));
                }
            }
            Act::Heartbeat { worker } => {
                let lost = self.answer.lost.clone();
                self.workers[*worker].leases.retain(|lease| !lost.contains(lease));
            }
            Act::Die { worker } => {
                let lives = self.workers[*worker].lives + 1;
                self.workers[*worker] = Worker { lives, ..Worker::default() };
            }
            Act::Expire => {
                // What is forgotten begins anew.
                let known = |lead: &ExternalRef| {
                    at_once(self.model.lane(lead)).unwrap().is_some_and(|lane| lane.external_ref == *lead)
                };
                self.history.fences.retain(|lead, _| known(lead));
                self.history.posts.retain(|lead, _| known(lead));
            }
            _ => {}
        }
        self.remember();
        self.check_delivered();
    }

    /// A POST is open no more once Konektor has said by itself that it has the lead, and the lane has come to know it.
    fn heed(&mut self) {
        if let Ask::Sort(sorted) = &self.ask {
            for lesson in sorted.iter().filter(|sorted| sorted.split.is_ok()).flat_map(|sorted| &sorted.lessons) {
                if let Lesson::Lead { external_ref, .. } = lesson {
                    self.history.taught.insert(external_ref.clone());
                }
            }
        }
        let History { posts, taught, .. } = &mut self.history;
        posts.retain(|lead, _| {
            let lane = at_once(self.model.lane(lead)).unwrap().filter(|_| taught.contains(lead));
            !lane.is_some_and(|lane| lane.lead_id.is_some() && lane.intent.is_none())
        });
    }

    fn claimed(&mut self, worker: usize, heard: bool) {
        let paused = at_once(self.model.stats(self.now)).unwrap().paused;
        let permit = match self.answer.claim.clone().expect("a claim was answered") {
            Claim::Nothing(_) => return,
            Claim::Chore(permit, chore) => {
                assert!(paused.is_none(), "I9: a chore was given out while {paused:?}");
                if let Chore::Verify(verification) = chore {
                    self.chore = Some(verification);
                }
                permit
            }
            Claim::Probe(probe) => {
                assert!(paused.is_some(), "a probe while nothing is paused");
                probe.permit
            }
            Claim::Lane(claimed) => {
                assert!(paused.is_none(), "I9: a lane was given out while {paused:?}");
                assert!(claimed.events.is_sorted_by_key(|event| event.seq) && !claimed.events.is_empty());
                let before = self.history.fences.insert(claimed.lease.external_ref.clone(), claimed.lease.fence);
                assert!(before < Some(claimed.lease.fence), "I3: fence {} after {before:?}", claimed.lease.fence);
                assert_eq!(
                    claimed.intent.map(|intent| intent.fence),
                    self.history.posts.get(&claimed.lease.external_ref).copied(),
                    "I6: what is open is told"
                );
                self.check_order(&claimed);
                self.leases.push(claimed.lease.clone());
                if heard {
                    self.workers[worker].leases.push(claimed.lease.clone());
                }
                claimed.permit
            }
        };
        self.granted(permit);
        if heard {
            self.workers[worker].permits.push(permit);
        }
    }

    /// I7: what is given out is what comes next of the lane, whole, and nothing that has been delivered.
    fn check_order(&self, claimed: &Claimed) {
        let in_hand: Vec<u64> = claimed.events.iter().map(|event| event.seq).collect();
        let filter = EventFilter { lead: Some(claimed.lease.external_ref.clone()), ..EventFilter::default() };
        let waits = |row: &EventRow| row.state == EventState::Pending && in_hand.last() >= Some(&row.seq);
        let mut next: Vec<u64> = self.rows(filter).iter().filter(|row| waits(row)).map(|row| row.seq).collect();
        next.sort_unstable();
        assert_eq!(in_hand, next, "I7: something is left out");
        assert!(in_hand.iter().all(|seq| !self.history.delivered.contains(seq)), "I7: {in_hand:?} goes out again");
    }

    /// I7: what has reached a lead stays so, until it is forgotten.
    fn check_delivered(&mut self) {
        let rows = self.rows(EventFilter::default());
        let back =
            rows.iter().find(|row| row.state != EventState::Delivered && self.history.delivered.contains(&row.seq));
        assert!(back.is_none(), "I7: {back:?} had been delivered");
        self.history.delivered =
            rows.iter().filter(|row| row.state == EventState::Delivered).map(|row| row.seq).collect();
    }

    fn rows(&self, filter: EventFilter) -> Vec<EventRow> {
        let query = EventQuery { filter, limit: 1000, ..EventQuery::default() };
        at_once(self.model.events(query)).unwrap().events
    }

    /// I8: no more stand than are allowed.
    fn granted(&mut self, permit: PermitId) {
        let now = self.now;
        let History { standing, told, .. } = &mut self.history;
        standing.retain(|_, until| *until > now);
        standing.insert(permit.0, now + Duration::from_secs(70));
        let limit = if *told { LIMIT } else { UNTOLD };
        assert!(standing.len() <= limit as usize, "I8: {} calls stand", standing.len());
    }

    fn remember(&mut self) {
        match &self.ask {
            Ask::Observe(permit, Observation::Unsent) => {
                self.history.standing.remove(&permit.0);
            }
            Ask::Observe(permit, Observation::Answered(headers)) => {
                self.history.told |= headers.limit.is_some();
                self.history.standing.insert(permit.0, self.now + Duration::from_secs(60));
            }
            Ask::Begin(lease, ..) if self.answer.fenced != Some(Fenced::Stale) => {
                let latest = self.history.fences.get(&lease.external_ref);
                assert_eq!(latest, Some(&lease.fence), "I5: begun by who does not hold it");
                let open = self.history.posts.insert(lease.external_ref.clone(), lease.fence);
                assert!(open.is_none_or(|fence| fence == lease.fence), "I6: a POST over an open one");
            }
            Ask::Settle(lease, Settlement { outcome, .. }) if self.answer.fenced == Some(Fenced::Done) => {
                let own = self.history.posts.get(&lease.external_ref) == Some(&lease.fence);
                let closes = match outcome {
                    Outcome::Done { .. } | Outcome::Negative { settled: true, .. } => true,
                    Outcome::Retry { .. } | Outcome::Release { .. } | Outcome::Dead { .. } => own,
                    Outcome::Ambiguous { .. } | Outcome::Negative { .. } | Outcome::Withheld(_) => false,
                };
                if closes {
                    self.history.posts.remove(&lease.external_ref);
                }
            }
            _ => {}
        }
    }
}

/// What the tool calls the reference.
struct Model;

impl ReferenceStateMachine for Model {
    type State = World;
    type Transition = Act;

    fn init_state() -> BoxedStrategy<World> {
        let answer = Answer { claim: None, fenced: None, permit: None, lost: Vec::new(), words: String::new() };
        // Made anew for each case: a world is changed as it goes on.
        Just(())
            .prop_map(move |()| World {
                model: MemoryStore::new(options()),
                now: start(),
                workers: Default::default(),
                leases: Vec::new(),
                chore: None,
                ask: Ask::Nothing,
                answer: answer.clone(),
                history: History::default(),
            })
            .boxed()
    }

    fn transitions(_: &World) -> BoxedStrategy<Act> {
        acts()
    }

    /// Nobody works on what was never given out.
    fn preconditions(world: &World, act: &Act) -> bool {
        let works = matches!(
            act,
            Act::Begin { .. } | Act::Permit { .. } | Act::Fetched { .. } | Act::Settle { .. } | Act::Observe { .. }
        );
        !works || !world.leases.is_empty()
    }

    fn apply(mut world: World, act: &Act) -> World {
        world.ask = world.ask(act);
        world.answer = at_once(perform(&world.model, &world.ask, world.now));
        world.learn(act);
        world
    }
}

/// The embedded store.
struct Embedded;

/// The one on Redis.
struct Shared;

/// The same on a cluster.
struct Clustered;

/// A store that keeps step with the model.
struct Follower {
    // Dropped before what it lives in.
    store: Arc<dyn Store>,
    runtime: Runtime,
    now: Timestamp,
    _home: Home,
}

impl Follower {
    fn of(backend: Backend, world: &World) -> Self {
        let home = Home::in_passing(backend);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let store = runtime.block_on(async { open(backend, &home, options()) });
        Self { store, runtime, now: world.now, _home: home }
    }

    fn apply(mut self, world: &World, act: &Act) -> Self {
        let answer = self.runtime.block_on(perform(self.store.as_ref(), &world.ask, self.now));
        assert_eq!(answer.words, world.answer.words, "the answer to {act:?}");
        self.now = world.now;
        self
    }

    fn check(&self, world: &World) {
        self.runtime.block_on(async {
            let (store, now) = (self.store.as_ref(), world.now);
            assert_eq!(look(store, now).await, at_once(look(&world.model, now)), "what is seen");
            assert_eq!(audit(store, now).await, at_once(audit(&world.model, now)), "what is there");
        });
    }
}

impl StateMachineTest for Embedded {
    type SystemUnderTest = Follower;
    type Reference = Model;

    fn init_test(world: &World) -> Follower {
        Follower::of(Backend::Sqlite, world)
    }

    fn apply(follower: Follower, world: &World, act: Act) -> Follower {
        follower.apply(world, &act)
    }

    fn check_invariants(follower: &Follower, world: &World) {
        follower.check(world);
    }
}

impl StateMachineTest for Shared {
    type SystemUnderTest = Follower;
    type Reference = Model;

    fn init_test(world: &World) -> Follower {
        Follower::of(Backend::Redis, world)
    }

    fn apply(follower: Follower, world: &World, act: Act) -> Follower {
        follower.apply(world, &act)
    }

    fn check_invariants(follower: &Follower, world: &World) {
        follower.check(world);
    }
}

impl StateMachineTest for Clustered {
    type SystemUnderTest = Follower;
    type Reference = Model;

    fn init_test(world: &World) -> Follower {
        Follower::of(Backend::Cluster, world)
    }

    fn apply(follower: Follower, world: &World, act: Act) -> Follower {
        follower.apply(world, &act)
    }

    fn check_invariants(follower: &Follower, world: &World) {
        follower.check(world);
    }
}

/// A few in the tests; `PROPTEST_CASES=10000` for many.
fn config() -> ProptestConfig {
    let asked = ProptestConfig::default();
    // 256 is what nobody has asked for.
    let cases = if asked.cases == 256 { 16 } else { asked.cases };
    ProptestConfig { cases, ..asked }
}

prop_state_machine! {
    #![proptest_config(config())]

    #[test]
    fn the_embedded_store_does_what_the_model_does(sequential 20..160 => Embedded);

    #[test]
    fn the_store_on_redis_does_what_the_model_does(sequential 20..160 => Shared);

    #[test]
    fn the_store_on_a_cluster_does_what_the_model_does(sequential 20..160 => Clustered);
}
