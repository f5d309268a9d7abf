//! What only the embedded store can do wrong: the disk, the queue before the writer, its statements.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::{Context, Poll, Wake, Waker};

use rusqlite::{StatementStatus, ffi};
use tokio::task::JoinHandle;

use super::*;
use crate::domain::event::{DeadReason, Hold, Item};
use crate::domain::lead::LeadId;
use crate::store::{Arrival, Attempt, Cap, Outcome, RateHeaders, StoreError, Undelivered};

fn now() -> Timestamp {
    "2026-09-01T08:00:00Z".parse().unwrap()
}

fn open() -> (Arc<SqliteStore>, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path(), Options::default(), now()).unwrap();
    (Arc::new(store), dir)
}

fn webhook(size: usize) -> Kept {
    Kept {
        source: SourceName::parse("form").unwrap(),
        received: now(),
        request_id: "r".to_owned(),
        headers: Vec::new(),
        body: vec![b'x'; size].into(),
    }
}

fn failure(code: i32) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
}

/// Makes the writer wait until the sender is used or dropped; returns when it does.
async fn hold(store: &Arc<SqliteStore>) -> (mpsc::Sender<()>, JoinHandle<Result<(), StoreError>>) {
    let (go, gone) = mpsc::channel::<()>();
    let (at_it, is_at_it) = tokio::sync::oneshot::channel();
    let (mut at_it, store) = (Some(at_it), Arc::clone(store));
    let held = tokio::spawn(async move {
        let wait = move |_: &mut Db| {
            at_it.take().map(|at_it| at_it.send(()));
            let _gone = gone.recv();
            // Past the time that a transaction may take while webhooks wait.
            let began = std::time::Instant::now();
            while began.elapsed() < std::time::Duration::from_millis(2) {
                std::hint::spin_loop();
            }
            Ok(())
        };
        store.ask(Sync::Disk, wait).await
    });
    is_at_it.await.unwrap();
    (go, held)
}

/// Lets every task that can go on do so.
async fn settle_down() {
    for _ in 0..32 {
        tokio::task::yield_now().await;
    }
}

#[test]
#[cfg(target_os = "linux")]
fn what_cannot_be_opened_on_a_disk_without_room_says_that_it_is_full() {
    let failed = || OpenError::Sqlite(rusqlite::Error::InvalidQuery);
    // What the kernel shows as files has no blocks.
    let full = for_want_of_room(failed(), Path::new("/proc"));
    assert!(matches!(full, OpenError::NoRoom(_)) && full.to_string().contains("256 MiB"), "{full}");
    let room = tempfile::tempdir().unwrap();
    assert!(matches!(for_want_of_room(failed(), room.path()), OpenError::Sqlite(_)));
}

#[tokio::test]
async fn a_full_disk_refuses_what_does_not_fit_and_the_store_lives_on() {
    let (store, _dir) = open();
    let pages = |count: i64| store.ask(Sync::Log, move |db| db.conn.pragma_update(None, "max_page_count", count));
    pages(60).await.unwrap();
    let mut kept = 0;
    let full = loop {
        match store.keep(webhook(10_000)).await {
            Ok(()) => kept += 1,
            Err(error) => break error,
        }
        assert!(kept < 100, "60 pages cannot hold all that");
    };
    assert!(matches!(full, StoreError::Full(Cap::Disk)), "{full:?}");
    let stats = store.stats(now()).await.unwrap();
    assert_eq!((stats.inbox, stats.bytes), (kept, kept * 10_000));
    assert_eq!(store.unsorted(0, 1000).await.unwrap().len() as u64, kept);
    pages(1_000_000).await.unwrap();
    store.keep(webhook(10_000)).await.unwrap();
}

#[tokio::test]
async fn in_one_transaction_what_does_not_fit_does_not_take_the_others_with_it() {
    let (store, _dir) = open();
    store.ask(Sync::Log, |db| db.conn.pragma_update(None, "max_page_count", 60)).await.unwrap();
    let (go, held) = hold(&store).await;
    let sizes = [10, 900_000, 20, 900_000, 30];
    let keeps: Vec<_> = sizes
        .into_iter()
        .map(|size| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.keep(webhook(size)).await })
        })
        .collect();
    settle_down().await;
    drop(go);
    held.await.unwrap().unwrap();
    for (keep, size) in keeps.into_iter().zip(sizes) {
        assert_eq!(keep.await.unwrap().is_ok(), size < 100, "{size}");
    }
    let stats = store.stats(now()).await.unwrap();
    assert_eq!((stats.inbox, stats.bytes), (3, 60));
    let places: Vec<_> = store.unsorted(0, 9).await.unwrap().iter().map(|record| record.place).collect();
    assert_eq!(places, [1, 2, 3], "numbers that were not committed are not used up");
}

#[tokio::test]
async fn a_disk_that_fails_ends_the_store_and_says_so() {
    let (store, dir) = open();
    store.keep(webhook(1)).await.unwrap();
    let failed = store.ask(Sync::Disk, |_| Err::<(), _>(failure(ffi::SQLITE_IOERR_FSYNC))).await;
    assert!(matches!(failed, Err(StoreError::Closed)), "{failed:?}");
    assert!(store.failed().await.contains("cannot go on"));
    assert!(matches!(store.keep(webhook(1)).await, Err(StoreError::Closed)));
    assert!(matches!(store.events(EventQuery::default()).await, Err(StoreError::Closed)));
    store.close().await;
    let again = SqliteStore::open(dir.path(), Options::default(), now()).unwrap();
    assert_eq!(again.unsorted(0, 9).await.unwrap().len(), 1, "what was acknowledged is there");
}

#[tokio::test]
async fn a_bug_in_the_writer_ends_the_store_and_says_so() {
    let (store, _dir) = open();
    let failed = store.ask(Sync::Disk, |_| -> Result<(), _> { panic!("a bug") }).await;
    assert!(matches!(failed, Err(StoreError::Closed)), "{failed:?}");
    assert!(store.failed().await.contains("bug"));
}

#[tokio::test]
async fn a_step_that_is_refused_changes_nothing_and_the_store_lives_on() {
    let (store, _dir) = open();
    let refused = store
        .ask(Sync::Disk, |db| {
            let _kept = db.keep(&webhook(5), "[]")?;
            Err::<(), _>(failure(ffi::SQLITE_CONSTRAINT))
        })
        .await;
    assert!(matches!(refused, Err(StoreError::Backend(..))), "{refused:?}");
    let stats = store.stats(now()).await.unwrap();
    assert_eq!((stats.inbox, stats.bytes), (0, 0));
    store.keep(webhook(1)).await.unwrap();
}

#[tokio::test]
async fn more_than_can_wait_is_refused_as_busy() {
    let (store, _dir) = open();
    let (go, held) = hold(&store).await;
    let waiting: Vec<_> = (0..4096)
        .map(|_| {
            let (job, answer) = job(|db| db.keep(&webhook(1), "[]"));
            store.mailbox.post_webhook(job).unwrap();
            answer
        })
        .collect();
    assert!(matches!(store.keep(webhook(1)).await, Err(StoreError::Busy)));
    drop(go);
    held.await.unwrap().unwrap();
    for answer in waiting {
        answer.wait().await.unwrap();
    }
    assert_eq!(store.stats(now()).await.unwrap().inbox, 4096);
}

/// Counts how often it wakes.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Webhooks that wait for their commit, which comes when the sender is dropped.
async fn waiting(store: &Arc<SqliteStore>, count: usize) -> (mpsc::Sender<()>, Vec<mailbox::Reply<()>>) {
    let (go, _held) = hold(store).await;
    let replies = (0..count).map(|_| {
        let (job, reply) = job(|db| db.keep(&webhook(1), "[]"));
        store.mailbox.post_webhook(job).unwrap();
        reply
    });
    (go, replies.collect())
}

#[tokio::test]
async fn a_commit_wakes_each_thread_once_and_it_wakes_its_other_callers() {
    let (store, _dir) = open();
    let (go, replies) = waiting(&store, 3).await;
    let mut callers: Vec<_> = replies
        .into_iter()
        .map(|reply| (Box::pin(reply.wait()), Arc::new(Woken::default())))
        .map(|(wait, woken)| (wait, Waker::from(Arc::clone(&woken)), woken))
        .collect();
    for (wait, waker, _) in &mut callers {
        assert!(wait.as_mut().poll(&mut Context::from_waker(waker)).is_pending());
    }
    drop(go);
    assert_eq!(store.stats(now()).await.unwrap().inbox, 3);
    let woken = |callers: &[(_, _, Arc<Woken>)]| -> Vec<_> {
        callers.iter().map(|(.., woken)| woken.0.load(Ordering::Relaxed)).collect()
    };
    assert_eq!(woken(&callers), [1, 0, 0]);
    let (wait, waker, _) = &mut callers[0];
    assert!(matches!(wait.as_mut().poll(&mut Context::from_waker(waker)), Poll::Ready(Ok(()))));
    assert_eq!(woken(&callers), [1, 1, 1]);
    for (wait, waker, _) in &mut callers[1..] {
        assert!(matches!(wait.as_mut().poll(&mut Context::from_waker(waker)), Poll::Ready(Ok(()))));
    }
}

#[tokio::test]
async fn a_caller_that_has_gone_holds_up_nobody() {
    let (store, _dir) = open();
    let patience = std::time::Duration::from_secs(10);
    for gone_first in [true, false] {
        let (go, mut replies) = waiting(&store, 3).await;
        let first = Some(replies.remove(0)).filter(|_| !gone_first);
        drop(go);
        store.stats(now()).await.unwrap();
        drop(first);
        for reply in replies {
            tokio::time::timeout(patience, reply.wait()).await.expect("nobody waits behind it").unwrap();
        }
    }
}

#[tokio::test]
async fn webhooks_go_before_everything_else_and_the_rest_has_its_turn() {
    let (store, _dir) = open();
    let (go, held) = hold(&store).await;
    let (told, order) = mpsc::channel();
    for number in 0..3 {
        let (store, told) = (Arc::clone(&store), told.clone());
        tokio::spawn(async move { store.ask(Sync::Disk, move |_| Ok(told.send(format!("rest {number}")))).await });
    }
    let (job, kept) = job(move |_| {
        let _heard = told.send("webhook".to_owned());
        Ok(Ok(()))
    });
    settle_down().await;
    store.mailbox.post_webhook(job).unwrap();
    drop(go);
    held.await.unwrap().unwrap();
    kept.wait().await.unwrap();
    store.stats(now()).await.unwrap();
    let order: Vec<String> = order.try_iter().collect();
    assert_eq!(order, ["webhook", "rest 0", "rest 1", "rest 2"]);
}

#[tokio::test]
async fn a_commit_waits_for_the_disk_where_somebody_is_told() {
    let (store, _dir) = open();
    for (sync, level) in [(Sync::Disk, 2), (Sync::Log, 1), (Sync::Disk, 2)] {
        let is: i64 =
            store.ask(sync, |db| db.conn.pragma_query_value(None, "synchronous", |row| row.get(0))).await.unwrap();
        assert_eq!(is, level, "{sync:?}");
    }
}

#[tokio::test]
async fn what_waits_is_done_before_the_store_closes() {
    let (store, dir) = open();
    let (go, held) = hold(&store).await;
    let keep = {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.keep(webhook(1)).await })
    };
    settle_down().await;
    let close = {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.close().await })
    };
    settle_down().await;
    assert!(matches!(store.keep(webhook(1)).await, Err(StoreError::Closed)));
    drop(go);
    held.await.unwrap().unwrap();
    keep.await.unwrap().unwrap();
    close.await.unwrap();
    let again = SqliteStore::open(dir.path(), Options::default(), now()).unwrap();
    assert_eq!(again.unsorted(0, 9).await.unwrap().len(), 1);
}

#[test]
fn a_long_batch_is_sorted_in_steps_and_no_record_is_cut() {
    let record = |place, items: usize| Sorted {
        place,
        source: SourceName::parse("form").unwrap(),
        received: now(),
        request_id: "r".to_owned(),
        arrival: Arrival::Live,
        split: Ok(vec![
            Item {
                id: EventId::from_bytes([0; 16]),
                same_within: None,
                external_ref: ExternalRef::new("form:", "a"),
                aliases: Vec::new(),
                hold: Hold::No,
                body: Vec::new(),
            };
            items
        ]),
        lessons: Vec::new(),
    };
    let mut left = [record(1, 60), record(2, 1000), record(3, 0), record(4, 1)].into_iter();
    let mut places = || inbox::next_step(&mut left).iter().map(|record| record.place).collect::<Vec<_>>();
    assert_eq!([places(), places(), places()], [vec![1, 2], vec![3, 4], vec![]]);
}

/// Everything that an audit says, through to its end.
async fn audit(store: &SqliteStore) -> Vec<String> {
    let (mut flaws, mut after) = (Vec::new(), None);
    loop {
        let audit = store.audit(after, 2, now()).await.unwrap();
        flaws.extend(audit.flaws.into_iter().map(|flaw| format!("{} {}", flaw.rule, flaw.says)));
        after = audit.next;
        if after.is_none() {
            return flaws;
        }
    }
}

/// A store with a lane in each state, an unsplit webhook, and one in the inbox.
async fn lived_in() -> (Arc<SqliteStore>, tempfile::TempDir) {
    let (store, dir) = open();
    let sorted = |place, split| Sorted {
        place,
        source: SourceName::parse("form").unwrap(),
        received: now(),
        request_id: "r".to_owned(),
        arrival: Arrival::Live,
        split,
        lessons: Vec::new(),
    };
    let item = |name: &str, hold| Item {
        id: EventId::of(&SourceName::parse("form").unwrap(), &[name.as_bytes()]),
        same_within: None,
        external_ref: ExternalRef::new("form:", name),
        aliases: Vec::new(),
        hold,
        body: name.into(),
    };
    let why = || Undelivered { reason: DeadReason::Unreadable, detail: "not JSON".to_owned() };
    for size in 1..4 {
        store.keep(webhook(size)).await.unwrap();
    }
    let items = ["ann", "bob", "carl", "dora"].map(|name| item(name, Hold::No)).into_iter();
    let items = items.chain([item("eve", Hold::Spam)]).collect();
    store.sort(vec![sorted(1, Ok(items)), sorted(2, Err(why()))], now()).await.unwrap();
    let worker = WorkerId("me".to_owned());
    for outcome in [
        Outcome::Done { lead_id: LeadId("L".to_owned()), upto: 1 },
        Outcome::Dead { why: why(), upto: 2 },
        Outcome::Retry { at: now() + std::time::Duration::from_secs(9), counted: true },
    ] {
        let Claim::Lane(claimed) = store.claim(&worker, now()).await.unwrap() else { panic!("nothing to claim") };
        let headers = RateHeaders { limit: Some(60), ..RateHeaders::default() };
        store.observe(claimed.permit, Observation::Answered(headers), now()).await.unwrap();
        let tried = Attempt { at: now(), call: "create".into(), status: None, millis: 1, note: String::new() };
        let settlement = Settlement { attempts: vec![tried], ..outcome.into() };
        assert_eq!(store.settle(&claimed.lease, settlement, now()).await.unwrap(), Fenced::Done);
    }
    let Claim::Lane(_dora) = store.claim(&worker, now()).await.unwrap() else { panic!("nothing to claim") };
    (store, dir)
}

#[tokio::test]
async fn an_audit_of_a_store_that_is_well_finds_nothing_and_looks_at_everything() {
    let (store, _dir) = lived_in().await;
    assert_eq!(audit(&store).await, Vec::<String>::new());
    let whole = store.audit(None, 9, now()).await.unwrap();
    let lanes = store.audit(whole.next, 9, now()).await.unwrap();
    assert_eq!((whole.events, lanes.events, lanes.lanes, lanes.next), (1, 5, 5, None));
    store.close().await;
    assert!(matches!(store.audit(None, 9, now()).await, Err(StoreError::Closed)));
}

#[tokio::test]
async fn an_audit_finds_whatever_is_changed_behind_the_stores_back() {
    for (change, found) in [
        ("DELETE FROM event WHERE seq = 4", "balance there were 6 events"),
        ("DELETE FROM event WHERE seq = 4", "lane it counts 1 pending events, and has 0"),
        ("DELETE FROM inbox", "balance 3 webhooks were kept, but 0 wait and 2 were sorted"),
        ("DELETE FROM lane WHERE id = 5", "event 1 events are of lanes that are not there"),
        ("UPDATE lane SET state = 1, due = NULL WHERE id = 1", "lane it is ready, with 0 pending events"),
        ("UPDATE lane SET state = 0, due = NULL WHERE id = 3", "lane it is idle, with 1 pending events"),
        ("UPDATE lane SET state = 9 WHERE id = 3", "file lane 3 cannot be read"),
        ("UPDATE lane SET line = 2 WHERE id = 3", "lane it stands in another line"),
        ("UPDATE lane SET forget = 1 WHERE id = 3", "lane it is waiting, and that it may be forgotten"),
        ("UPDATE lane SET fence = 0, settled = 1 WHERE id = 3", "lane it is waiting and settled under fence 1 of 0"),
        ("UPDATE lane SET fence = 0 WHERE id = 4", "lane it is leased and settled under fence 0 of 0"),
        ("UPDATE lane SET intent_fence = 7, intent_at = 1, intent_upto = 1, line = 3 WHERE id = 3", "lane its intent"),
        ("UPDATE lane SET log = '[' WHERE id = 3", "lane its log cannot be read"),
        ("UPDATE event SET body = NULL WHERE seq = 3", "event it is pending"),
        ("UPDATE event SET size = 1 WHERE seq = 3", "event it is counted as 1 bytes, and has 4"),
        ("UPDATE event SET state = 7 WHERE seq = 3", "file event 3 cannot be read"),
        ("UPDATE event SET headers = '{' WHERE lane IS NULL", "file event 6 cannot be read"),
        ("UPDATE event SET state = 0 WHERE lane IS NULL", "event it is pending and has no lane"),
        ("UPDATE inbox SET source = 'No Source'", "file webhook 3 cannot be read"),
        ("UPDATE inbox SET size = 1", "balance webhook 3 is not as large"),
        ("INSERT INTO alias VALUES ('form:eva', 99, 0)", "lane a name is of a lane that is not there"),
        ("INSERT INTO alias VALUES ('form:ann', 1, 0)", "lane its own reference is kept as another name"),
        ("INSERT INTO alias VALUES ('form:eva', 1, 0)", "balance the counters say"),
        ("UPDATE lane SET status = 'sold', status_at = 1 WHERE id = 3", "file lane 3 cannot be read"),
        ("UPDATE meta SET value = '{}' WHERE name = 'counts'", "file `counts` cannot be read"),
        (
            "WITH RECURSIVE n(i) AS (SELECT 900 UNION ALL SELECT i + 1 FROM n WHERE i < 960) \
             INSERT INTO permit SELECT i, 9000000000000000000 FROM n",
            "limiter 65 calls stand in the log, and 60 are allowed",
        ),
    ] {
        let (store, dir) = lived_in().await;
        let other = rusqlite::Connection::open(dir.path().join("store.db")).unwrap();
        other.execute_batch(change).unwrap();
        let flaws = audit(&store).await;
        assert!(flaws.iter().any(|flaw| flaw.contains(found)), "after {change}: {flaws:#?}");
    }
}

#[tokio::test]
async fn an_audit_finds_a_page_that_the_disk_has_spoilt() {
    let (store, dir) = lived_in().await;
    store.close().await;
    drop(store);
    let file = dir.path().join("store.db");
    let root: isize = rusqlite::Connection::open(&file)
        .unwrap()
        .query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'event_state'", [], |row| row.get(0))
        .unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    // The page's count of entries, of which it now has one less.
    let count = usize::try_from((root - 1) * 4096 + 4).unwrap();
    assert_eq!(bytes[count], 6);
    bytes[count] = 5;
    std::fs::write(&file, bytes).unwrap();
    let store = SqliteStore::open(dir.path(), Options::default(), now()).unwrap();
    let flaws = audit(&store).await;
    assert!(flaws.iter().any(|flaw| flaw.starts_with("file ")), "{flaws:#?}");
}

/// What is done for a webhook, an event or a call, or at every look.
const USED_OFTEN: [&str; 28] = [
    sql::FIRST_IN_LINE,
    sql::OLDEST_IN_LINE,
    sql::LANES_DUE,
    sql::NEXT_DUE,
    sql::LANE_BY_REF,
    sql::IN_HAND,
    sql::FIRST_OF_LANE,
    sql::DELIVER,
    sql::BURY,
    sql::DEAD_OF_LANE,
    sql::COUNT_DEAD,
    sql::KNOWN_EVENT,
    sql::LIST_IN_STATE,
    sql::LIST_OF_LEAD_IN_STATE,
    sql::CHOSEN,
    sql::CHOSEN_OF_LEAD,
    sql::EXPIRE_EVENTS,
    sql::EXPIRE_LANES,
    sql::ALIAS,
    sql::ALIASES_OF,
    sql::HAND_OVER,
    sql::DROP_ALIASES,
    sql::LANE_DETAIL,
    sql::MEMO,
    sql::MEMOS,
    sql::COUNT_MEMOS,
    sql::AHEAD,
    sql::TOLD_BY_OTHERS,
];

#[tokio::test]
async fn no_statement_that_is_used_often_walks_through_a_table() {
    let (store, _dir) = open();
    for statement in USED_OFTEN {
        let plan: Vec<String> = store
            .ask(Sync::Log, move |db| {
                let mut explain = db.conn.prepare(&format!("EXPLAIN QUERY PLAN {statement}"))?;
                let mut rows = explain.raw_query();
                let mut plan = Vec::new();
                while let Some(row) = rows.next()? {
                    plan.push(row.get(3)?);
                }
                Ok(plan)
            })
            .await
            .unwrap();
        let walks = |step: &&String| step.starts_with("SCAN") && !step.contains("INDEX");
        let sorts = |step: &&String| step.contains("TEMP B-TREE");
        assert_eq!(plan.iter().find(walks), None, "{statement}\n{plan:?}");
        assert_eq!(plan.iter().find(sorts), None, "{statement}\n{plan:?}");
        assert!(!plan.is_empty());
    }
}

/// SQLite prepares a statement anew when a value is bound by which it could plan otherwise, unless it is told that plans stay.
#[tokio::test]
async fn no_statement_is_prepared_again_for_the_values_that_are_bound() {
    let (store, _dir) = open();
    for statement in USED_OFTEN {
        let again = store
            .ask(Sync::Log, move |db| {
                let mut prepared = db.conn.prepare(statement)?;
                for value in [1, 2, 3] {
                    for parameter in 1..=prepared.parameter_count() {
                        prepared.raw_bind_parameter(parameter, value)?;
                    }
                    let _row = prepared.raw_query().next()?;
                }
                Ok(prepared.get_status(StatementStatus::RePrepare))
            })
            .await
            .unwrap();
        assert_eq!(again, 0, "{statement}");
    }
}
