//! How fast the embedded store is here: `cargo bench --bench store [-- <events>]`. Prints a table; judges nothing.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on shall stop")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use konektor_bridge::domain::event::{EventId, Hold, Item, Kept, SourceName};
use konektor_bridge::domain::external_ref::ExternalRef;
use konektor_bridge::store::{
    Claim, InboxRecord, Observation, Options, Outcome, RateHeaders, Settlement, Sorted, SqliteStore, Store, WorkerId,
};

const CONNECTIONS: u32 = 64;
const SECONDS: u64 = 5;
const BODY: usize = 900;

fn main() {
    let events: u64 = std::env::args().filter_map(|arg| arg.parse().ok()).next().unwrap_or(100_000);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        disk();
        alone().await;
        keep("keep, 64 at once", None).await;
        keep("keep, 64 at once, sorting 64 at a time", Some(64)).await;
        keep("keep, 64 at once, sorting 256 at a time", Some(256)).await;
        sort(64).await;
        sort(256).await;
        let few = claims(1_000).await;
        let many = claims(events).await;
        println!("{:<48} {:.2}", "claim, many to few", many.as_secs_f64() / few.as_secs_f64());
    });
}

fn open(dir: &Path) -> Arc<dyn Store> {
    Arc::new(SqliteStore::open(dir, Options::default(), now()).unwrap())
}

fn now() -> Timestamp {
    "2026-09-01T08:00:00Z".parse().unwrap()
}

fn source() -> SourceName {
    SourceName::parse("meta").unwrap()
}

fn webhook(number: u64) -> Kept {
    let mut body = format!("{number:020}").into_bytes();
    body.resize(BODY, b'x');
    Kept {
        source: source(),
        received: now(),
        request_id: format!("00000000-0000-4000-8000-{number:012}"),
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: body.into(),
    }
}

fn split(record: InboxRecord) -> Sorted {
    let InboxRecord { place, webhook } = record;
    let name = String::from_utf8_lossy(&webhook.body[..20]).into_owned();
    let item = Item {
        id: EventId::of(&webhook.source, &[name.as_bytes()]),
        same_within: None,
        external_ref: ExternalRef::new("meta:leadgen:", &name),
        hold: Hold::No,
        body: webhook.body.to_vec(),
    };
    let Kept { source, received, request_id, .. } = webhook;
    Sorted { place, source, received, request_id, split: Ok(vec![item]) }
}

async fn sort_batch(store: &dyn Store, batch: usize) -> usize {
    let records = store.unsorted(batch).await.unwrap();
    let count = records.len();
    if count > 0 {
        store.sort(records.into_iter().map(split).collect(), now()).await.unwrap();
    }
    count
}

/// What one sync costs.
fn disk() {
    use std::io::Write;
    let dir = tempfile::tempdir_in("target").unwrap();
    let mut file = std::fs::File::create(dir.path().join("file")).unwrap();
    let mut took = Vec::new();
    for _ in 0..200 {
        file.write_all(&[1; 4096]).unwrap();
        let began = Instant::now();
        file.sync_data().unwrap();
        took.push(began.elapsed());
    }
    report("sync of the disk", 200, took, Duration::ZERO);
}

/// One webhook at a time on an idle store, from keep to the moment when its POST may leave.
async fn alone() {
    let dir = tempfile::tempdir_in("target").unwrap();
    let store = open(dir.path());
    let worker = WorkerId("me".to_owned());
    let mut took = Vec::new();
    for number in 0..300 {
        let began = Instant::now();
        store.keep(webhook(number)).await.unwrap();
        sort_batch(store.as_ref(), 64).await;
        let Claim::Lane(claimed) = store.claim(&worker, now()).await.unwrap() else { panic!("nothing to claim") };
        let upto = claimed.events[0].seq;
        let _ = store.begin(&claimed.lease, upto, now()).await.unwrap();
        took.push(began.elapsed());
        store.observe(claimed.permit, told(), now()).await.unwrap();
        store.observe(claimed.permit, Observation::Unsent, now()).await.unwrap();
        let _ = store.settle(&claimed.lease, done(upto), now()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    report("keep, sort, claim, begin, one alone", 300, took, Duration::ZERO);
}

fn told() -> Observation {
    Observation::Answered(RateHeaders { limit: Some(600), remaining: Some(600), ..RateHeaders::default() })
}

fn done(upto: u64) -> Settlement {
    let lead_id = konektor_bridge::domain::lead::LeadId("some lead".to_owned());
    Settlement { outcome: Outcome::Done { lead_id, upto }, attempts: Vec::new() }
}

async fn keep(what: &str, sorting: Option<usize>) {
    let dir = tempfile::tempdir_in("target").unwrap();
    let store = open(dir.path());
    let stop = Arc::new(AtomicBool::new(false));
    let sorter = sorting.map(|batch| {
        let (store, stop) = (Arc::clone(&store), Arc::clone(&stop));
        tokio::spawn(async move {
            let mut sorted = 0;
            while !stop.load(Ordering::Relaxed) {
                let count = sort_batch(store.as_ref(), batch).await;
                sorted += count;
                if count == 0 {
                    store.inbox_changed().await;
                }
            }
            sorted
        })
    });
    let began = Instant::now();
    let senders: Vec<_> = (0..CONNECTIONS)
        .map(|sender| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut took = Vec::new();
                while began.elapsed() < Duration::from_secs(SECONDS) {
                    let webhook = webhook(u64::from(sender) << 24 | took.len() as u64);
                    let asked = Instant::now();
                    store.keep(webhook).await.unwrap();
                    took.push(asked.elapsed());
                }
                took
            })
        })
        .collect();
    let mut took = Vec::new();
    for sender in senders {
        took.extend(sender.await.unwrap());
    }
    let elapsed = began.elapsed();
    stop.store(true, Ordering::Relaxed);
    report(what, took.len(), took, elapsed);
    if let Some(sorter) = sorter {
        store.keep(webhook(u64::MAX >> 20)).await.unwrap();
        println!("{:<48} {:>9.0}/s", "  sorted meanwhile", sorter.await.unwrap() as f64 / elapsed.as_secs_f64());
    }
    let log = std::fs::metadata(dir.path().join("store.db-wal")).unwrap().len();
    println!("{:<48} {:>9} MB", "  log at the end", log >> 20);
    store.close().await;
}

async fn fill(store: &Arc<dyn Store>, from: u64, count: u64) {
    let tasks: Vec<_> = (0..256)
        .map(|task| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                for number in (task..count).step_by(256) {
                    store.keep(webhook(from + number)).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

async fn sort(batch: usize) {
    let dir = tempfile::tempdir_in("target").unwrap();
    let store = open(dir.path());
    fill(&store, 0, 50_000).await;
    let began = Instant::now();
    let mut took = Vec::new();
    loop {
        let asked = Instant::now();
        if sort_batch(store.as_ref(), batch).await == 0 {
            break;
        }
        took.push(asked.elapsed());
    }
    report(&format!("sort, {batch} items at a time, alone"), 50_000, took, began.elapsed());
    store.close().await;
}

async fn claims(lanes: u64) -> Duration {
    let dir = tempfile::tempdir_in("target").unwrap();
    let store = open(dir.path());
    let began = Instant::now();
    let mut filled = 0;
    while filled < lanes {
        let more = (lanes - filled).min(20_000);
        fill(&store, filled, more).await;
        while sort_batch(store.as_ref(), 256).await > 0 {}
        filled += more;
    }
    println!("{:<48} {:>9.1} s", format!("{lanes} leads kept and sorted"), began.elapsed().as_secs_f64());
    store.close().await;
    drop(store);
    let began = Instant::now();
    let store = open(dir.path());
    let opened = began.elapsed();
    let worker = WorkerId("me".to_owned());
    let (mut took, mut whole) = (Vec::new(), Vec::new());
    for _ in 0..500 {
        let began = Instant::now();
        let claim = store.claim(&worker, now()).await.unwrap();
        took.push(began.elapsed());
        let Claim::Lane(claimed) = claim else { panic!("nothing to claim") };
        store.observe(claimed.permit, told(), now()).await.unwrap();
        store.observe(claimed.permit, Observation::Unsent, now()).await.unwrap();
        let _ = store.settle(&claimed.lease, done(claimed.events[0].seq), now()).await.unwrap();
        whole.push(began.elapsed());
    }
    println!("{:<48} {:>9.1} ms, {} MB resident", format!("open with {lanes}"), opened.as_secs_f64() * 1e3, resident());
    took.sort_unstable();
    let median = took[took.len() / 2];
    report(&format!("claim with {lanes}"), took.len(), took, Duration::ZERO);
    report(&format!("claim, observe, settle with {lanes}"), whole.len(), whole, Duration::ZERO);
    store.close().await;
    median
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
    line.trim().split(' ').next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024
}

fn report(what: &str, count: usize, mut took: Vec<Duration>, elapsed: Duration) {
    took.sort_unstable();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    let rate = if elapsed.is_zero() { String::new() } else { format!("{:.0}/s", count as f64 / elapsed.as_secs_f64()) };
    println!(
        "{what:<48} {rate:>11}  p50 {:>7.3} ms  p99 {:>7.3} ms  max {:>7.3} ms",
        at(0.5),
        at(0.99),
        took.last().unwrap().as_secs_f64() * 1e3
    );
}
