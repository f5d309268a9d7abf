//! What the embedded store is after a stop, a crash, and with somebody else at its door.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use konektor_bridge::domain::event::{Hold, Item};
use konektor_bridge::domain::lead::{Field, LeadId};
use konektor_bridge::store::{
    Adopting, Cap, EventState, Fenced, Named, Observation, OpenError, Options, Outcome, PauseReason, RateHeaders,
    SqliteStore, StoreError, Word, Words,
};

use super::{Bed, bodies, dead, done, event_id, item, lead, run, start, upto};

fn open(dir: &Path, now: Timestamp) -> Bed {
    let store = SqliteStore::open(dir, Options::default(), now).unwrap();
    Bed { store: std::sync::Arc::new(store), now: now.into() }
}

/// What `kill -9` leaves: the files as they are at this moment, without the lock.
fn as_killed(dir: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for name in ["store.db", "store.db-wal", "store.run"] {
        std::fs::copy(dir.join(name), copy.path().join(name)).unwrap();
    }
    copy
}

#[test]
pub(super) fn everything_is_still_there_after_a_stop() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let bed = open(dir.path(), start());
        bed.create("ann", "1").await;
        bed.kill("bob", "2").await;
        bed.arrive_as(Item { hold: Hold::Spam, ..item("carl", "3") }).await;
        bed.arrive("dora", "4").await;
        bed.keep("unsorted").await;
        bed.store.remember_sources(&[super::source()], bed.now()).await.unwrap();
        let claimed = bed.claim().await;
        let throttled = RateHeaders {
            limit: Some(200),
            throttled: true,
            retry_after: Some(Duration::from_secs(90)),
            ..RateHeaders::default()
        };
        bed.store.observe(claimed.permit, Observation::Answered(throttled), bed.now()).await.unwrap();
        bed.end(&claimed, Outcome::Retry { at: bed.now(), counted: true }).await;
        bed.store.pause(PauseReason::Forbidden, bed.now()).await.unwrap();
        let (events, stats) = (bed.list(None, Default::default()).await, bed.stats().await);
        let lane = bed.store.lane(&lead("dora")).await.unwrap();
        bed.store.close().await;

        let bed = open(dir.path(), start());
        assert_eq!(bed.list(None, Default::default()).await, events);
        assert_eq!(bed.stats().await, stats);
        assert_eq!(bed.store.lane(&lead("dora")).await.unwrap(), lane);
        assert_eq!(bed.store.known_sources().await.unwrap(), [super::source()]);
        assert_eq!(&bed.store.unsorted(0, 9).await.unwrap()[0].webhook.body[..], b"unsorted");
        assert_eq!(bed.arrive_as(item("ann", "1")).await.duplicates, 1, "it sorts the oldest: the one from before");
    });
}

#[test]
pub(super) fn numbers_go_on_after_a_restart_although_everything_is_forgotten() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let bed = open(dir.path(), start());
        bed.create("ann", "1").await;
        bed.pass(500 * 24 * 3600);
        assert_eq!(bed.store.expire(9, bed.now()).await.unwrap(), 2);
        drop(bed);
        let bed = open(dir.path(), start());
        bed.keep("webhook").await;
        assert_eq!(bed.store.unsorted(0, 1).await.unwrap()[0].place, 2);
        bed.sort(vec![item("ann", "2")]).await;
        assert_eq!(bed.row("2").await.seq, 2);
    });
}

#[test]
pub(super) fn a_stop_ends_the_leases_without_blame_and_a_crash_with_it() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let bed = open(dir.path(), start());
        bed.arrive("ann", "1").await;
        bed.arrive("bob", "2").await;
        let ann = bed.claim().await;
        let bob = bed.claim().await;
        assert_eq!(bed.begin(&bob).await, Fenced::Done);
        let killed = as_killed(dir.path());
        drop(bed);
        for (dir, crashes) in [(&dir, 0), (&killed, 1)] {
            let bed = open(dir.path(), start());
            assert_eq!(bed.settle(&ann, done("L", upto(&ann))).await, Fenced::Stale, "the lease is over");
            let again = bed.claim().await;
            assert_eq!((bodies(&again), again.intent), (bodies(&ann), None));
            assert_eq!(bed.store.lane(&lead("ann")).await.unwrap().unwrap().crashes, crashes);
            assert_eq!(bed.state_of("bob").await, "waiting");
            bed.pass(2);
            assert_eq!(bed.claim().await.intent.map(|intent| intent.fence), Some(bob.lease.fence));
        }
    });
}

#[test]
pub(super) fn what_was_acknowledged_survives_a_crash_at_every_step() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let bed = open(dir.path(), start());
        bed.keep("webhook").await;
        let kept = as_killed(dir.path());
        bed.sort(vec![item("ann", "1"), item("bob", "2")]).await;
        let sorted = as_killed(dir.path());
        let claimed = bed.claim().await;
        let _ = bed.begin(&claimed).await;
        bed.end(&claimed, dead(&claimed)).await;
        let settled = as_killed(dir.path());
        drop(bed);

        let bed = open(kept.path(), start());
        assert_eq!(bed.store.unsorted(0, 9).await.unwrap().len(), 1);
        assert_eq!(bed.sort(vec![item("ann", "1"), item("bob", "2")]).await.new, 2);
        let bed = open(sorted.path(), start());
        assert!(bed.store.unsorted(0, 9).await.unwrap().is_empty());
        assert_eq!(bodies(&bed.claim().await), ["1"]);
        let bed = open(settled.path(), start());
        assert_eq!(bed.row("1").await.state, EventState::Dead);
        assert_eq!(bodies(&bed.claim().await), ["2"]);
        assert_eq!(bed.stats().await.dead_lanes, 1);
    });
}

#[test]
pub(super) fn a_clock_that_was_set_back_while_the_bridge_was_down_holds_nothing_up() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let ahead = start() + Duration::from_secs(365 * 24 * 3600);
        let bed = open(dir.path(), ahead);
        bed.arrive("ann", "1").await;
        let claimed = bed.claim().await;
        bed.end(&claimed, Outcome::Retry { at: bed.after(9), counted: true }).await;
        bed.store.pause(PauseReason::Unauthorized, bed.now()).await.unwrap();
        for close in [true, false] {
            let left = if close { tempfile::tempdir().unwrap() } else { as_killed(dir.path()) };
            if close {
                for name in ["store.db", "store.db-wal"] {
                    std::fs::copy(dir.path().join(name), left.path().join(name)).unwrap();
                }
                open(left.path(), ahead).store.close().await;
            }
            let bed = open(left.path(), start());
            assert_eq!(bed.lane("ann").await.due, Some(bed.after(9)));
            assert_eq!(bed.nothing().await, Some(bed.after(30)), "when it is probed");
        }
    });
}

#[test]
pub(super) fn a_second_process_is_refused_until_the_first_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let first = SqliteStore::open(dir.path(), Options::default(), start()).unwrap();
    let second = SqliteStore::open(dir.path(), Options::default(), start());
    assert!(matches!(second, Err(OpenError::InUse(_))));
    drop(first);
    SqliteStore::open(dir.path(), Options::default(), start()).unwrap();
}

/// Who may do what with a file or directory.
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
pub(super) fn nobody_else_may_read_what_is_kept_in_a_directory_that_others_made() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let names = ["store.db", "store.db-wal", "store.db-shm", "store.lock", "store.run"];
    let modes = || names.map(|name| mode(&dir.path().join(name)));
    let store = SqliteStore::open(dir.path(), Options::default(), start()).unwrap();
    assert_eq!(modes(), [0o600; 5]);
    drop(store);
    for name in ["store.db", "store.lock", "store.run"] {
        std::fs::set_permissions(dir.path().join(name), std::fs::Permissions::from_mode(0o644)).unwrap();
    }
    let _store = SqliteStore::open(dir.path(), Options::default(), start()).unwrap();
    assert_eq!(modes(), [0o600; 5], "what an older version left open is closed");
}

#[test]
pub(super) fn nobody_else_may_look_into_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("a/b");
    let _store = SqliteStore::open(&inner, Options::default(), start()).unwrap();
    assert_eq!(mode(&inner), 0o700);
}

#[test]
pub(super) fn of_a_damaged_file_it_is_said_what_to_do() {
    use std::os::unix::fs::FileExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    drop(SqliteStore::open(dir.path(), Options::default(), start()).unwrap());
    // First the page that holds the list of tables, behind its head; then the head of the file.
    for (offset, bytes) in [(100, 400), (0, 100)] {
        std::fs::File::options().write(true).open(&path).unwrap().write_all_at(&vec![0xa5; bytes], offset).unwrap();
        let error = SqliteStore::open(dir.path(), Options::default(), start()).err().expect("it is refused");
        let said = error.to_string();
        assert!(said.contains("damaged") && said.contains("serve --restored") && said.contains(".recover"), "{said}");
    }
}

#[test]
pub(super) fn a_file_that_is_not_a_store_or_of_a_newer_one_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let conn = rusqlite::Connection::open(dir.path().join("store.db")).unwrap();
    conn.execute_batch("CREATE TABLE other (x)").unwrap();
    let refused = |text| {
        let error = SqliteStore::open(dir.path(), Options::default(), start()).err().expect("it is refused");
        assert!(error.to_string().contains(text), "{error}");
    };
    refused("not a store of this program");
    conn.execute_batch("PRAGMA application_id = 0x6b6f6e62; PRAGMA user_version = 99").unwrap();
    refused("newer version (99");
}

#[test]
pub(super) fn a_disk_that_is_almost_full_refuses_webhooks_and_nothing_else() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let bed = open(dir.path(), start());
        bed.arrive("ann", "1").await;
        bed.keep("webhook").await;
        drop(bed);
        let options = Options { disk_reserve: u64::MAX, ..Options::default() };
        let store = SqliteStore::open(dir.path(), options, start()).unwrap();
        let bed = Bed { store: std::sync::Arc::new(store), now: start().into() };
        for refused in [bed.store.keep(bed.webhook("x")).await, bed.store.would_keep().await] {
            assert!(matches!(refused, Err(StoreError::Full(Cap::Disk))), "{refused:?}");
        }
        bed.sort(vec![item("bob", "2")]).await;
        let claimed = bed.claim().await;
        assert_eq!(bed.settle(&claimed, done("L", upto(&claimed))).await, Fenced::Done);
        assert_eq!(bed.store.event(&event_id("1")).await.unwrap().unwrap().row.state, EventState::Delivered);
    });
}

/// A store opened in `dir` by a run of the machine called `boot`.
fn booted(dir: &Path, boot: &str) -> Bed {
    let options = Options { boot: Some(boot.to_owned()), ..Options::default() };
    let store = SqliteStore::open(dir, options, start()).unwrap();
    Bed { store: std::sync::Arc::new(store), now: start().into() }
}

async fn is_in_doubt(bed: &Bed) -> bool {
    bed.stats().await.searching_first_until.is_some()
}

#[test]
fn a_new_store_and_one_whose_process_was_killed_have_no_doubts() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let bed = booted(dir.path(), "one");
        assert!(!is_in_doubt(&bed).await);
        bed.arrive("ann", "1").await;
        let killed = as_killed(dir.path());
        drop(bed);
        let bed = booted(killed.path(), "one");
        assert!(!is_in_doubt(&bed).await);
        let claimed = bed.claim().await;
        assert_eq!((claimed.search_first, claimed.intent), (false, None));
    });
}

#[test]
fn a_machine_that_stopped_under_it_leaves_doubts_and_one_that_stopped_after_it_none() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let bed = booted(dir.path(), "one");
        bed.arrive("ann", "1").await;
        let lost = as_killed(dir.path());
        bed.store.close().await;
        drop(bed);
        assert!(!is_in_doubt(&booted(dir.path(), "two")).await);
        let bed = booted(lost.path(), "two");
        assert!(is_in_doubt(&bed).await);
        assert!(bed.claim().await.intent.is_some_and(|intent| intent.is_suspected()));
        bed.store.close().await;
        drop(bed);
        assert!(is_in_doubt(&booted(lost.path(), "two")).await, "a restart does not end it");
    });
}

#[test]
pub(super) fn a_backup_that_is_put_back_is_known_by_what_was_left_beside_it() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        booted(dir.path(), "one").store.close().await;
        let backup = tempfile::NamedTempFile::new().unwrap();
        std::fs::copy(dir.path().join("store.db"), backup.path()).unwrap();
        let bed = booted(dir.path(), "one");
        bed.create("ann", "1").await;
        bed.store.close().await;
        drop(bed);
        for name in ["store.db", "store.db-wal", "store.db-shm"] {
            let _gone = std::fs::remove_file(dir.path().join(name));
        }
        std::fs::copy(backup.path(), dir.path().join("store.db")).unwrap();
        let bed = booted(dir.path(), "one");
        let until = bed.stats().await.searching_first_until.expect("it is older than it was");
        assert_eq!(until.duration_since(start()).as_hours(), 7 * 24);
        let elsewhere = tempfile::tempdir().unwrap();
        std::fs::copy(backup.path(), elsewhere.path().join("store.db")).unwrap();
        assert!(is_in_doubt(&booted(elsewhere.path(), "one")).await, "in a new place, too");
        let emptied = as_killed(dir.path());
        std::fs::remove_file(emptied.path().join("store.db")).unwrap();
        std::fs::remove_file(emptied.path().join("store.db-wal")).unwrap();
        assert!(is_in_doubt(&booted(emptied.path(), "one")).await, "and where there is none any more");
    });
}

#[test]
pub(super) fn a_person_may_say_that_it_was_put_back() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        booted(dir.path(), "one").store.close().await;
        let options = Options { restored: true, ..Options::default() };
        let store = SqliteStore::open(dir.path(), options, start()).unwrap();
        let bed = Bed { store: std::sync::Arc::new(store), now: start().into() };
        assert!(is_in_doubt(&bed).await);
    });
}

/// Stops the bridge, and makes of its file by `sql` what an earlier version would have left.
async fn left_by_an_earlier_version(bed: Bed, directory: &Path, sql: &str) {
    bed.store.close().await;
    drop(bed);
    let conn = rusqlite::Connection::open(directory.join("store.db")).unwrap();
    conn.execute_batch("ALTER TABLE lane DROP COLUMN adopting;").unwrap();
    conn.execute_batch(sql).unwrap();
}

#[test]
fn a_store_of_version_1_is_taken_over_with_all_that_is_in_it() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let bed = booted(dir.path(), "one");
        bed.create("ann", "1").await;
        bed.arrive("bob", "2").await;
        left_by_an_earlier_version(
            bed,
            dir.path(),
            "DROP INDEX lane_lead; DROP TABLE verify; DROP TABLE incident; DROP TABLE forgotten; DROP INDEX lane_parked;
             DROP TABLE alias; DROP TABLE memo; ALTER TABLE lane DROP COLUMN status;
             ALTER TABLE lane DROP COLUMN status_at; ALTER TABLE lane DROP COLUMN heard;
             ALTER TABLE lane DROP COLUMN cleared; ALTER TABLE lane DROP COLUMN told;
             DROP INDEX lane_lands; ALTER TABLE lane DROP COLUMN lands; ALTER TABLE lane DROP COLUMN named;
             ALTER TABLE lane DROP COLUMN telling; ALTER TABLE lane DROP COLUMN crashed; ALTER TABLE lane DROP COLUMN follows; ALTER TABLE lane ADD COLUMN delivered INTEGER NOT NULL DEFAULT 0;
             ALTER TABLE lane DROP COLUMN forgotten;
             UPDATE meta SET value = json_remove(value, '$.sorted', '$.gone', '$.parked', '$.to_verify', '$.forgotten')
             WHERE name = 'counts';
             DELETE FROM meta WHERE name = 'runs'; INSERT INTO meta VALUES ('stopped', 'true');
             PRAGMA user_version = 1;",
        )
        .await;
        std::fs::remove_file(dir.path().join("store.run")).unwrap();
        let bed = booted(dir.path(), "one");
        assert!(!is_in_doubt(&bed).await, "it was closed");
        assert_eq!(bodies(&bed.claim().await), ["2"]);
        assert_eq!(bed.row("1").await.state, EventState::Delivered);
        assert_eq!(bed.store.incidents(9).await.unwrap(), []);
        assert_eq!(bed.store.audit(None, 9, bed.now()).await.unwrap().flaws, []);
    });
}

#[test]
fn a_store_of_version_2_is_taken_over_and_a_person_known_by_number_is_found_by_another_name() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let bed = booted(dir.path(), "one");
        let claimed = bed.work("number", "1").await;
        let mut settlement = konektor_bridge::store::Settlement::from(done("L", upto(&claimed)));
        settlement.learned.doubles = vec![LeadId("M".into())];
        assert_eq!(bed.store.settle(&claimed.lease, settlement, bed.now()).await.unwrap(), Fenced::Done);
        let incidents = bed.store.incidents(9).await.unwrap();
        left_by_an_earlier_version(
            bed,
            dir.path(),
            "DROP INDEX lane_lead; DROP TABLE alias; DROP TABLE memo; ALTER TABLE lane DROP COLUMN status;
             ALTER TABLE lane DROP COLUMN status_at; ALTER TABLE lane DROP COLUMN heard;
             DROP INDEX lane_lands; ALTER TABLE lane DROP COLUMN lands; ALTER TABLE lane DROP COLUMN named;
             ALTER TABLE lane DROP COLUMN telling; ALTER TABLE lane DROP COLUMN crashed; ALTER TABLE lane DROP COLUMN follows; ALTER TABLE lane DROP COLUMN told; ALTER TABLE lane ADD COLUMN told INTEGER;
             ALTER TABLE lane ADD COLUMN delivered INTEGER NOT NULL DEFAULT 0;
             CREATE TABLE old (ref TEXT PRIMARY KEY, lead_id TEXT NOT NULL, doubles TEXT NOT NULL, seen INTEGER NOT NULL)
             WITHOUT ROWID;
             INSERT INTO old SELECT ref, lead_id, doubles, seen FROM incident; DROP TABLE incident;
             ALTER TABLE old RENAME TO incident;
             UPDATE meta SET value = json_remove(value, '$.aliases') WHERE name = 'counts';
             PRAGMA user_version = 2;",
        )
        .await;
        let bed = booted(dir.path(), "one");
        assert_eq!(bed.store.incidents(9).await.unwrap(), incidents);
        bed.arrive_as(Item { aliases: vec![lead("number")], ..item("user", "2") }).await;
        let claimed = bed.claim().await;
        assert_eq!((bodies(&claimed), claimed.lease.external_ref), (vec!["2".to_owned()], lead("number")));
        assert_eq!(super::flaws(bed.store.as_ref()).await, []);
        bed.store.close().await;
        drop(bed);
        assert_eq!(booted(dir.path(), "one").lane("user").await.external_ref, lead("number"));
    });
}

#[test]
fn a_store_of_version_3_is_taken_over_and_what_was_delivered_stays_newer_than_what_comes_late() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let bed = booted(dir.path(), "one");
        bed.create("ann", "1").await;
        bed.arrive("ann", "2").await;
        bed.create("bob", "3").await;
        bed.arrive("cid", "4").await;
        left_by_an_earlier_version(
            bed,
            dir.path(),
            "DROP INDEX lane_lead; DROP INDEX lane_lands; ALTER TABLE lane DROP COLUMN lands; ALTER TABLE lane DROP COLUMN named;
             ALTER TABLE lane DROP COLUMN telling; ALTER TABLE lane DROP COLUMN crashed; ALTER TABLE lane DROP COLUMN follows; ALTER TABLE lane DROP COLUMN told; ALTER TABLE lane ADD COLUMN told INTEGER;
             ALTER TABLE lane ADD COLUMN delivered INTEGER NOT NULL DEFAULT 0;
             UPDATE lane SET delivered = 1, told = 1800000000000000000 WHERE ref = 'form:ann';
             UPDATE lane SET delivered = 3 WHERE ref = 'form:bob';
             PRAGMA user_version = 3;",
        )
        .await;
        let bed = booted(dir.path(), "one");
        bed.arrive("bob", "5").await;
        bed.pass(5);
        let at = Timestamp::from_second(1_800_000_000).ok();
        let mut told = std::collections::BTreeMap::new();
        for _ in 0..3 {
            let claimed = bed.claim().await;
            told.insert(claimed.lease.external_ref.clone(), claimed.told.clone());
            bed.deliver(&claimed).await;
        }
        // It knew of no payment that is to be remembered.
        let fields = || Field::ALL.into_iter().filter(|field| *field != Field::Payment);
        let of = |seq, at| Words::of(fields(), Word { seq, at });
        assert_eq!(
            told,
            [(lead("ann"), of(1, at)), (lead("bob"), of(3, None)), (lead("cid"), Words::default())].into()
        );
        assert_eq!(super::flaws(bed.store.as_ref()).await, []);
    });
}

#[test]
fn a_store_of_version_4_is_taken_over_with_a_create_in_doubt() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let bed = booted(dir.path(), "one");
        let claimed = bed.doubt("ann", "1").await;
        left_by_an_earlier_version(
            bed,
            dir.path(),
            "DROP INDEX lane_lead; DROP INDEX lane_lands; ALTER TABLE lane DROP COLUMN lands; ALTER TABLE lane DROP COLUMN named;
             PRAGMA user_version = 4;",
        )
        .await;
        let bed = booted(dir.path(), "one");
        bed.pass(60);
        let search = bed.claim().await;
        assert_eq!((search.intent.map(|intent| intent.fence), search.named), (Some(claimed.lease.fence), None));
        assert_eq!(super::flaws(bed.store.as_ref()).await, []);
    });
}

#[test]
fn a_store_of_version_5_is_taken_over_and_lanes_of_one_lead_hear_each_other() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let bed = booted(dir.path(), "one");
        for (name, event) in [("ann", "1"), ("bob", "2")] {
            let claimed = bed.work(name, event).await;
            bed.deliver(&claimed).await;
        }
        left_by_an_earlier_version(bed, dir.path(), "DROP INDEX lane_lead; PRAGMA user_version = 5;").await;
        let bed = booted(dir.path(), "one");
        bed.arrive("ann", "3").await;
        bed.pass(5);
        let claimed = bed.claim().await;
        assert_eq!((bodies(&claimed), claimed.told), (vec!["3".to_owned()], super::words(2)));
        assert_eq!(super::flaws(bed.store.as_ref()).await, []);
    });
}

#[test]
fn a_store_of_version_6_is_taken_over_and_knows_from_then_on_which_lead_is_adopted() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let bed = booted(dir.path(), "one");
        let claimed = bed.work("ann", "1").await;
        bed.end(&claimed, Outcome::Release { at: bed.after(1) }).await;
        left_by_an_earlier_version(bed, dir.path(), "PRAGMA user_version = 6;").await;
        let bed = booted(dir.path(), "one");
        bed.pass(1);
        let claimed = bed.claim().await;
        assert_eq!((bodies(&claimed), &claimed.adopting), (vec!["1".to_owned()], &None));
        let adopting = Adopting { lead_id: LeadId("L".into()), shown: Named::default(), sent: Named::default() };
        bed.store.permit(&claimed.lease, Some(adopting.clone()), bed.now()).await.unwrap();
        bed.store.close().await;
        drop(bed);
        let bed = booted(dir.path(), "one");
        bed.pass(60);
        assert_eq!(bed.claim().await.adopting, Some(adopting));
        assert_eq!(super::flaws(bed.store.as_ref()).await, []);
    });
}
