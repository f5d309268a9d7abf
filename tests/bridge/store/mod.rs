//! The conformance suite of the store: every case runs on every backend, and ends with an audit that finds nothing.
//!
//! A new backend is a line in [`BACKENDS`] and an arm in [`open`]; it then has to mean the same by every verb. `map` says
//! which case holds which arrow of the lane, which row of the crash table, and which verb done twice; `everywhere` runs all
//! of it on a Redis of another kind; `broken` takes guarantees away one at a time, `mutants` lines of the scripts, and see the
//! cases fail; `machine` compares the backends under whatever is done in whatever order; `upstreams` has the limiter meet four kinds of Konektor.
#![expect(clippy::unwrap_used, reason = "the lint knows tests by their attribute, and these are what they share")]

mod adopting;
mod arrows;
mod broken;
mod clocks;
mod day;
mod doubt;
mod everywhere;
mod fences;
mod heard;
mod inbox;
mod landing;
mod lessons;
mod limits;
mod machine;
mod map;
mod memos;
mod moving;
mod mutants;
mod names;
mod overtaken;
mod people;
mod races;
mod replicas;
mod restart;
mod sizes;
mod turns;
mod upstreams;
mod versions;

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use konektor_bridge::domain::event::{DeadReason, EventId, Hold, Item, Kept, SourceName};
use konektor_bridge::domain::external_ref::ExternalRef;
use konektor_bridge::domain::lead::{Field, LeadId};
use konektor_bridge::servers::Durability;
use konektor_bridge::store::{
    Arrival, Attempt, Claim, Claimed, EventFilter, EventQuery, EventRow, EventState, Fenced, Flaw, LaneDetail,
    MemoryStore, Moved, Observation, Options, Outcome, RateHeaders, RedisStore, RedisTies, Selector, Settlement,
    SortCount, Sorted, SqliteStore, Stats, Store, Undelivered, Word, Words, WorkerId,
};

use tempfile::TempDir;

use self::broken::{Break, BrokenStore, Under};
use self::everywhere::Given;
use self::mutants::{Mutant, Relay};
use crate::redis_servers::{Server, cluster};

/// The stores there are.
#[derive(Debug, Clone, Copy)]
enum Backend {
    Memory,
    Sqlite,
    /// On a server of its own.
    Redis,
    /// On three primaries, which all cases of a test share.
    Cluster,
    /// On a Redis that is there already.
    Given,
    /// One of the others with a guarantee taken away.
    Broken(Break, Under),
    /// On a server that gets a script with one line changed.
    Mutant(Mutant),
}

const BACKENDS: &[Backend] = &[Backend::Memory, Backend::Sqlite, Backend::Redis];

thread_local! {
    /// The stores that the cases of this thread run on.
    static UNDER_TEST: RefCell<Vec<Backend>> = RefCell::new(match Given::by_environment() {
        Some(_) => vec![Backend::Given],
        None => BACKENDS.to_vec(),
    });

    /// The cluster of this thread's test; it ends with that.
    static NODES: RefCell<Option<Rc<[Server; 3]>>> = const { RefCell::new(None) };
}

/// A store, a clock and a worker.
struct Bed {
    store: Arc<dyn Store>,
    now: Cell<Timestamp>,
}

/// Runs `case` on every backend.
fn on_every_backend(case: impl AsyncFn(Bed)) {
    with_options(&Options::default(), case);
}

/// The same with other caps and times.
fn with_options(options: &Options, case: impl AsyncFn(Bed)) {
    for backend in UNDER_TEST.with_borrow(Clone::clone) {
        eprintln!("on {backend:?}");
        let home = Home::of(backend);
        run(async {
            let bed = bed(backend, &home, options.clone());
            let store = Arc::clone(&bed.store);
            case(bed).await;
            // A case may have closed its store.
            if store.known_sources().await.is_ok() {
                assert_eq!(flaws(store.as_ref()).await, []);
            }
        });
    }
}

fn run(case: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(case);
}

/// What a store needs to live in; it goes with the test.
struct Home {
    dir: TempDir,
    redis: Option<Redis>,
}

/// A Redis, and what is ours there.
struct Redis {
    given: Given,
    prefix: String,
    relay: Option<Relay>,
    _servers: Option<Servers>,
}

/// What runs as long as it is used.
enum Servers {
    Own { _server: Server },
    Shared { _nodes: Rc<[Server; 3]> },
}

impl Home {
    fn of(backend: Backend) -> Self {
        Self::with(backend, &[])
    }

    /// For cases of very many steps, none of which has to outlive anything.
    fn in_passing(backend: Backend) -> Self {
        Self::with(backend, &["appendonly no"])
    }

    fn with(backend: Backend, settings: &[&str]) -> Self {
        let redis = match backend {
            Backend::Memory | Backend::Sqlite | Backend::Broken(_, Under::Memory | Under::Sqlite) => None,
            Backend::Redis | Backend::Broken(_, Under::Redis) => Some(Redis::own(settings)),
            Backend::Mutant(mutant) => Some(Redis::behind(mutant)),
            Backend::Cluster => Some(Redis::in_cluster()),
            Backend::Given => Some(Redis::given()),
        };
        Self { dir: tempfile::tempdir().unwrap(), redis }
    }
}

impl Redis {
    fn own(settings: &[&str]) -> Self {
        let server = Server::start(settings);
        let given = Given { url: server.url(), durability: Durability::Fsync };
        Self { given, prefix: "suite".to_owned(), relay: None, _servers: Some(Servers::Own { _server: server }) }
    }

    fn behind(mutant: Mutant) -> Self {
        let server = Server::start(&[]);
        let relay = Relay::before(server.port, mutant);
        let given = Given { url: format!("redis://127.0.0.1:{}", relay.port), durability: Durability::Fsync };
        Self { given, prefix: "suite".to_owned(), relay: Some(relay), _servers: Some(Servers::Own { _server: server }) }
    }

    /// A place in this thread's cluster; by its name each is at another node.
    fn in_cluster() -> Self {
        let nodes = NODES.with_borrow_mut(|nodes| Rc::clone(nodes.get_or_insert_with(|| Rc::new(cluster()))));
        let url = format!("redis+cluster://127.0.0.1:{}", nodes[0].port);
        let given = Given { url, durability: Durability::Fsync };
        let servers = Some(Servers::Shared { _nodes: nodes });
        Self { given, prefix: everywhere::new_prefix(), relay: None, _servers: servers }
    }

    /// A place in the one that is there.
    fn given() -> Self {
        let given = Given::by_environment().expect("one is given");
        Self { given, prefix: everywhere::new_prefix(), relay: None, _servers: None }
    }

    fn open(&self, options: Options) -> RedisStore {
        let Self { given: Given { url, durability }, prefix, .. } = self;
        store_at(url, prefix, *durability, options)
    }
}

fn bed(backend: Backend, home: &Home, options: Options) -> Bed {
    Bed { store: open(backend, home, options), now: Cell::new(start()) }
}

fn open(backend: Backend, home: &Home, options: Options) -> Arc<dyn Store> {
    match backend {
        Backend::Memory => Arc::new(MemoryStore::new(options)),
        Backend::Sqlite => Arc::new(SqliteStore::open(home.dir.path(), options, start()).unwrap()),
        Backend::Redis | Backend::Cluster | Backend::Given | Backend::Mutant(_) => {
            Arc::new(home.redis.as_ref().expect("it is there").open(options))
        }
        Backend::Broken(how, under) => Arc::new(BrokenStore::new(how, open(under.into(), home, options))),
    }
}

/// A bridge's store on a server.
fn on_redis(server: &Server, options: Options) -> RedisStore {
    with_durability(server, Durability::Fsync, options)
}

/// The same by another profile.
fn with_durability(server: &Server, durability: Durability, options: Options) -> RedisStore {
    store_at(&server.url(), "suite", durability, options)
}

fn store_at(url: &str, prefix: &str, durability: Durability, options: Options) -> RedisStore {
    let (url, prefix) = (url.parse().unwrap(), prefix.to_owned());
    RedisStore::new(RedisTies { url, prefix, durability, on_time: Arc::new(|_, _| ()) }, options)
}

/// Everything that an audit finds.
async fn flaws(store: &dyn Store) -> Vec<Flaw> {
    let (mut flaws, mut after) = (Vec::new(), None);
    loop {
        let audit = store.audit(after, 100, start()).await.unwrap();
        flaws.extend(audit.flaws);
        after = audit.next;
        if after.is_none() {
            return flaws;
        }
    }
}

/// Runs `case` on every backend whose store has just noticed that it may have forgotten something.
fn on_every_doubtful_store(case: impl AsyncFn(Bed)) {
    let lossy = MemoryStore::new(Options::default());
    lossy.lose_last(0, start());
    run(case(Bed { store: Arc::new(lossy), now: Cell::new(start()) }));
    let (dir, left) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let open = |dir: &Path, boot: &str| {
        let options = Options { boot: Some(boot.to_owned()), ..Options::default() };
        SqliteStore::open(dir, options, start()).unwrap()
    };
    let before = open(dir.path(), "before");
    for name in ["store.db", "store.db-wal", "store.run"] {
        std::fs::copy(dir.path().join(name), left.path().join(name)).unwrap();
    }
    drop(before);
    run(case(Bed { store: Arc::new(open(left.path(), "after")), now: Cell::new(start()) }));
    let mut server = Server::start(&[]);
    let looks = async |store: &RedisStore| assert_eq!(store.stats(start()).await.unwrap().inbox, 0);
    run(async { looks(&on_redis(&server, Options::default())).await });
    server.dies();
    server.comes_back();
    run(async {
        let store = on_redis(&server, Options::default());
        looks(&store).await;
        case(Bed { store: Arc::new(store), now: Cell::new(start()) }).await;
    });
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
        aliases: Vec::new(),
        hold: Hold::No,
        body: name.as_bytes().to_vec(),
    }
}

fn done(id: &str, upto: u64) -> Outcome {
    Outcome::Done { lead_id: LeadId(id.to_owned()), upto }
}

fn why(detail: &str) -> Undelivered {
    Undelivered { reason: DeadReason::Rejected, detail: detail.to_owned() }
}

/// What an event that has a say on everything leaves behind, its sender showing no clock.
fn words(upto: u64) -> Words {
    Words::of(Field::ALL, Word { seq: upto, at: None })
}

/// Whether something newer than the claim's first event has reached the lead.
fn is_late(claimed: &Claimed) -> bool {
    claimed.told.are_newer(Field::Phone, Word { seq: claimed.events[0].seq, at: None })
}

fn dead(claimed: &Claimed) -> Outcome {
    Outcome::Dead { why: why("Konektor refused `phone`"), upto: upto(claimed) }
}

fn upto(claimed: &Claimed) -> u64 {
    claimed.events.last().expect("a claimed lane has events").seq
}

fn ids(names: &[&str]) -> Selector {
    Selector::Ids(names.iter().map(|name| event_id(name)).collect())
}

/// An item that is held.
fn held(of: &str, name: &str) -> Item {
    Item { hold: Hold::TestLead, ..item(of, name) }
}

fn bodies(claimed: &Claimed) -> Vec<String> {
    claimed.events.iter().map(|event| String::from_utf8(event.body.to_vec()).unwrap()).collect()
}

fn everything() -> Selector {
    Selector::Matching(EventFilter::default())
}

/// What a webhook that cannot be split is sorted into.
fn unreadable(place: u64) -> Sorted {
    let split = Err(Undelivered { reason: DeadReason::Unreadable, detail: "not JSON".to_owned() });
    let (source, request_id) = (source(), "r".to_owned());
    Sorted { place, source, received: start(), request_id, arrival: Arrival::Live, split, lessons: Vec::new() }
}

fn attempt(note: &str) -> Attempt {
    Attempt { at: start(), call: "create".to_owned(), status: Some(400), millis: 7, note: note.to_owned() }
}

impl Bed {
    fn now(&self) -> Timestamp {
        self.now.get()
    }

    /// So many seconds from now.
    fn after(&self, seconds: u64) -> Timestamp {
        self.now() + Duration::from_secs(seconds)
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
        self.sort_as(Arrival::Live, items).await
    }

    async fn sort_as(&self, arrival: Arrival, items: Vec<Item>) -> SortCount {
        let record = self.store.unsorted(0, 1).await.unwrap().pop().expect("there is something to sort");
        let sorted = Sorted {
            place: record.place,
            source: record.webhook.source,
            received: record.webhook.received,
            request_id: record.webhook.request_id,
            arrival,
            split: Ok(items),
            lessons: Vec::new(),
        };
        let count = self.store.sort(vec![sorted], self.now()).await.unwrap();
        assert_eq!(count.records, [record.place]);
        SortCount { records: Vec::new(), ..count }
    }

    /// A webhook has come in that cannot be split.
    async fn spoil(&self, body: &str) {
        self.keep(body).await;
        let record = self.store.unsorted(0, 1).await.unwrap().remove(0);
        let count = self.store.sort(vec![unreadable(record.place)], self.now()).await.unwrap();
        assert_eq!(count, SortCount { records: vec![record.place], unreadable: 1, ..SortCount::default() });
    }

    async fn arrive_as(&self, item: Item) -> SortCount {
        self.keep("webhook").await;
        self.sort(vec![item]).await
    }

    /// A back-fill has brought an event called `name` of the lead `of`.
    async fn back_fill(&self, of: &str, name: &str) -> SortCount {
        self.keep("webhook").await;
        self.sort_as(Arrival::Bulk, vec![item(of, name)]).await
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
        self.store.begin(&claimed.lease, upto(claimed), words(upto(claimed)).into(), self.now()).await.unwrap()
    }

    /// An event called `name` has come in for the lead `of`, and its lane is claimed.
    async fn work(&self, of: &str, name: &str) -> Claimed {
        self.arrive(of, name).await;
        let claimed = self.claim().await;
        assert_eq!(claimed.lease.external_ref, lead(of));
        claimed
    }

    /// The same, and a create was sent whose end is not known.
    async fn doubt(&self, of: &str, name: &str) -> Claimed {
        let claimed = self.work(of, name).await;
        assert_eq!(self.begin(&claimed).await, Fenced::Done);
        self.end(&claimed, Outcome::Ambiguous { at: self.now() }).await;
        claimed
    }

    /// Ends an attempt that is ours to end.
    async fn end(&self, claimed: &Claimed, outcome: Outcome) {
        assert_eq!(self.settle(claimed, outcome).await, Fenced::Done);
    }

    /// Ends it with its events delivered.
    async fn deliver(&self, claimed: &Claimed) {
        self.end(claimed, done("L", upto(claimed))).await;
    }

    async fn settle(&self, claimed: &Claimed, outcome: Outcome) -> Fenced {
        let mut settlement = Settlement::from(outcome);
        if let Outcome::Done { upto, .. } = settlement.outcome {
            settlement.learned.told = words(upto);
        }
        self.store.settle(&claimed.lease, settlement, self.now()).await.unwrap()
    }

    /// Has the lead created with what is there.
    async fn create(&self, of: &str, name: &str) {
        let claimed = self.work(of, name).await;
        assert_eq!(self.begin(&claimed).await, Fenced::Done);
        self.end(&claimed, done(&format!("id of {of}"), upto(&claimed))).await;
    }

    /// Has the lead's create given up.
    async fn kill(&self, of: &str, name: &str) {
        let claimed = self.work(of, name).await;
        self.end(&claimed, dead(&claimed)).await;
    }

    /// Puts dead letters back.
    async fn replay(&self, which: &Selector) -> Moved {
        self.store.replay(which, 9, self.now()).await.unwrap()
    }

    /// Lets withheld events go.
    async fn release(&self, which: &Selector) -> Moved {
        self.store.release(which, 9, self.now()).await.unwrap()
    }

    async fn lane(&self, of: &str) -> LaneDetail {
        self.store.lane(&lead(of)).await.unwrap().expect("the lane is known")
    }

    async fn state_of(&self, of: &str) -> &'static str {
        self.lane(of).await.state
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
