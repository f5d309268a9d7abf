//! What only the embedded store can do wrong: the disk, the queue before the writer, its statements.

use std::sync::mpsc;

use rusqlite::ffi;
use tokio::task::JoinHandle;

use super::*;
use crate::store::StoreError;

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
    assert!(matches!(full, StoreError::Full("disk")), "{full:?}");
    let stats = store.stats(now()).await.unwrap();
    assert_eq!((stats.inbox, stats.bytes), (kept, kept * 10_000));
    assert_eq!(store.unsorted(1000).await.unwrap().len() as u64, kept);
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
    let places: Vec<_> = store.unsorted(9).await.unwrap().iter().map(|record| record.place).collect();
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
    assert_eq!(again.unsorted(9).await.unwrap().len(), 1, "what was acknowledged is there");
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
        answer.await.unwrap().unwrap();
    }
    assert_eq!(store.stats(now()).await.unwrap().inbox, 4096);
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
    kept.await.unwrap().unwrap();
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
    assert_eq!(again.unsorted(9).await.unwrap().len(), 1);
}

#[test]
fn a_long_batch_is_sorted_in_steps_and_no_record_is_cut() {
    let record = |place, items: usize| Sorted {
        place,
        source: SourceName::parse("form").unwrap(),
        received: now(),
        request_id: "r".to_owned(),
        split: Ok(vec![
            crate::domain::event::Item {
                id: EventId::from_bytes([0; 16]),
                same_within: None,
                external_ref: ExternalRef::new("form:", "a"),
                hold: crate::domain::event::Hold::No,
                body: Vec::new(),
            };
            items
        ]),
    };
    let mut left = [record(1, 60), record(2, 1000), record(3, 0), record(4, 1)].into_iter();
    let mut places = || inbox::next_step(&mut left).iter().map(|record| record.place).collect::<Vec<_>>();
    assert_eq!([places(), places(), places()], [vec![1, 2], vec![3, 4], vec![]]);
}

#[tokio::test]
async fn no_statement_that_is_used_often_walks_through_a_table() {
    let (store, _dir) = open();
    let used_often = [
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
    ];
    for statement in used_often {
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
