//! The conformance suite of the store: every case runs on every backend.
//!
//! A new backend is one more arm in [`Backend`]; it then has to mean the same by every verb.
#![expect(clippy::unwrap_used, reason = "the lint knows tests by their attribute, and these are what they share")]

mod day;
mod delivery;
mod doubt;
mod inbox;
mod limits;
mod model;
mod overtaken;
mod people;
mod restart;

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use konektor_bridge::domain::event::{EventId, Hold, Item, Kept, SourceName};
use konektor_bridge::domain::external_ref::ExternalRef;
use konektor_bridge::domain::lead::LeadId;
use konektor_bridge::store::{
    Attempt, Claim, Claimed, EventFilter, EventQuery, EventRow, EventState, Fenced, MemoryStore, Observation, Options,
    Outcome, RateHeaders, Selector, Settlement, SortCount, Sorted, SqliteStore, Stats, Store, Undelivered, WorkerId,
};
use tempfile::TempDir;

/// The stores there are.
#[derive(Debug, Clone, Copy)]
enum Backend {
    Memory,
    Sqlite,
}

const BACKENDS: [Backend; 2] = [Backend::Memory, Backend::Sqlite];

/// A store, a clock and a worker.
struct Bed {
    store: Arc<dyn Store>,
    now: Cell<Timestamp>,
    // Outlives the store: the fields are dropped in order.
    _dir: Option<TempDir>,
}

/// Runs `case` on every backend.
fn on_every_backend(case: impl AsyncFn(Bed)) {
    with_options(&Options::default(), case);
}

/// The same with other caps and times.
fn with_options(options: &Options, case: impl AsyncFn(Bed)) {
    for backend in BACKENDS {
        eprintln!("on {backend:?}");
        run(case(bed(backend, options.clone())));
    }
}

fn run(case: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(case);
}

fn bed(backend: Backend, options: Options) -> Bed {
    let now = Cell::new(start());
    match backend {
        Backend::Memory => Bed { store: Arc::new(MemoryStore::new(options)), now, _dir: None },
        Backend::Sqlite => {
            let dir = tempfile::tempdir().unwrap();
            let store = SqliteStore::open(dir.path(), options, start()).unwrap();
            Bed { store: Arc::new(store), now, _dir: Some(dir) }
        }
    }
}

/// A bed whose store has just noticed that it may have forgotten something.
fn doubtful(backend: Backend) -> Bed {
    let now = Cell::new(start());
    match backend {
        Backend::Memory => {
            let store = MemoryStore::new(Options::default());
            store.lose_last(0, start());
            Bed { store: Arc::new(store), now, _dir: None }
        }
        Backend::Sqlite => {
            let dir = tempfile::tempdir().unwrap();
            let run = |boot: &str| Options { boot: Some(boot.to_owned()), ..Options::default() };
            let before = SqliteStore::open(dir.path(), run("before"), start()).unwrap();
            let left = tempfile::tempdir().unwrap();
            for name in ["store.db", "store.db-wal", "store.run"] {
                std::fs::copy(dir.path().join(name), left.path().join(name)).unwrap();
            }
            drop(before);
            let store = SqliteStore::open(left.path(), run("after"), start()).unwrap();
            Bed { store: Arc::new(store), now, _dir: Some(left) }
        }
    }
}

fn start() -> Timestamp {
    "2026-09-01T08:00:00.123456789Z".parse().unwrap()
}

fn source() -> SourceName {
    SourceName::parse("form").unwrap()
}

fn lead(name: &str) -> ExternalRef {
    ExternalRef::new("form:", name)
}

fn event_id(name: &str) -> EventId {
    EventId::of(&source(), &[name.as_bytes()])
}

fn me() -> WorkerId {
    WorkerId("me".to_owned())
}

/// An item whose event id and body are `name`.
fn item(of: &str, name: &str) -> Item {
    Item {
        id: event_id(name),
        same_within: None,
        external_ref: lead(of),
        hold: Hold::No,
        body: name.as_bytes().to_vec(),
    }
}

fn done(id: &str, upto: u64) -> Outcome {
    Outcome::Done { lead_id: LeadId(id.to_owned()), upto }
}

fn why(detail: &str) -> Undelivered {
    Undelivered { reason: konektor_bridge::domain::event::DeadReason::Rejected, detail: detail.to_owned() }
}

fn dead(claimed: &Claimed) -> Outcome {
    Outcome::Dead { why: why("Konektor refused `phone`"), upto: upto(claimed) }
}

fn upto(claimed: &Claimed) -> u64 {
    claimed.events.last().expect("a claimed lane has events").seq
}

fn bodies(claimed: &Claimed) -> Vec<String> {
    claimed.events.iter().map(|event| String::from_utf8(event.body.to_vec()).unwrap()).collect()
}

fn everything() -> Selector {
    Selector::Matching(EventFilter::default())
}

fn attempt(note: &str) -> Attempt {
    Attempt { at: start(), call: "create".to_owned(), status: Some(400), millis: 7, note: note.to_owned() }
}

impl Bed {
    fn now(&self) -> Timestamp {
        self.now.get()
    }

    fn pass(&self, seconds: u64) {
        self.now.set(self.now() + Duration::from_secs(seconds));
    }

    fn webhook(&self, body: &str) -> Kept {
        Kept {
            source: source(),
            received: self.now(),
            request_id: format!("request of {body}"),
            headers: vec![("content-type".to_owned(), "text/plain".to_owned())],
            body: body.as_bytes().to_vec().into(),
        }
    }

    async fn keep(&self, body: &str) {
        self.store.keep(self.webhook(body)).await.unwrap();
    }

    /// Sorts the oldest record into `items`.
    async fn sort(&self, items: Vec<Item>) -> SortCount {
        let record = self.store.unsorted(1).await.unwrap().pop().expect("there is something to sort");
        let sorted = Sorted {
            place: record.place,
            source: record.webhook.source,
            received: record.webhook.received,
            request_id: record.webhook.request_id,
            split: Ok(items),
        };
        self.store.sort(vec![sorted], self.now()).await.unwrap()
    }

    async fn arrive_as(&self, item: Item) -> SortCount {
        self.keep("webhook").await;
        self.sort(vec![item]).await
    }

    /// An event called `name` has come in for the lead `of`.
    async fn arrive(&self, of: &str, name: &str) {
        let count = self.arrive_as(item(of, name)).await;
        assert_eq!(count, SortCount { new: 1, ..SortCount::default() });
    }

    /// Claims what must be there, and answers for its permit so that the limiter is no part of the case.
    async fn claim(&self) -> Claimed {
        self.claim_by(&me()).await
    }

    async fn claim_by(&self, worker: &WorkerId) -> Claimed {
        match self.store.claim(worker, self.now()).await.unwrap() {
            Claim::Lane(claimed) => {
                let headers = RateHeaders { limit: Some(600), remaining: Some(600), ..RateHeaders::default() };
                self.store.observe(claimed.permit, Observation::Answered(headers), self.now()).await.unwrap();
                self.store.observe(claimed.permit, Observation::Unsent, self.now()).await.unwrap();
                *claimed
            }
            other => panic!("expected a lane, got {other:?}"),
        }
    }

    /// Claims what must not be there; gives until when.
    async fn nothing(&self) -> Option<Timestamp> {
        match self.store.claim(&me(), self.now()).await.unwrap() {
            Claim::Nothing(until) => until,
            other => panic!("expected nothing, got {other:?}"),
        }
    }

    async fn begin(&self, claimed: &Claimed) -> Fenced {
        self.store.begin(&claimed.lease, upto(claimed), self.now()).await.unwrap()
    }

    async fn settle(&self, claimed: &Claimed, outcome: Outcome) -> Fenced {
        let settlement = Settlement::from(outcome);
        self.store.settle(&claimed.lease, settlement, self.now()).await.unwrap()
    }

    /// Has the lead created with what is there.
    async fn create(&self, of: &str, name: &str) {
        self.arrive(of, name).await;
        let claimed = self.claim().await;
        assert_eq!(claimed.lease.external_ref, lead(of));
        assert_eq!(self.begin(&claimed).await, Fenced::Done);
        assert_eq!(self.settle(&claimed, done(&format!("id of {of}"), upto(&claimed))).await, Fenced::Done);
    }

    /// Has the lead's create given up.
    async fn kill(&self, of: &str, name: &str) {
        self.arrive(of, name).await;
        let claimed = self.claim().await;
        assert_eq!(self.settle(&claimed, dead(&claimed)).await, Fenced::Done);
    }

    async fn state_of(&self, of: &str) -> &'static str {
        self.store.lane(&lead(of)).await.unwrap().expect("the lane is known").state
    }

    async fn row(&self, name: &str) -> EventRow {
        self.store.event(&event_id(name)).await.unwrap().expect("the event is known").row
    }

    async fn list(&self, state: Option<EventState>, filter: EventFilter) -> Vec<EventRow> {
        let query = EventQuery { state, filter, limit: 1000, before: None };
        self.store.events(query).await.unwrap().events
    }

    async fn count(&self, state: EventState) -> u64 {
        let stats = self.stats().await;
        stats.events.iter().find(|(one, _)| *one == state).expect("every state is counted").1
    }

    async fn stats(&self) -> Stats {
        self.store.stats(self.now()).await.unwrap()
    }
}
