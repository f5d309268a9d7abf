//! What several bridges on one Redis are to each other, and what its end and its limits mean to them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use konektor_bridge::servers::Durability;
use konektor_bridge::store::{
    Cap, Claim, EventState, Fenced, Observation, Options, PauseReason, RateHeaders, Rule, Selector, Settlement,
    StoreError, Topic, WorkerId,
};

use super::{Bed, bodies, done, event_id, everything, flaws, item, lead, on_redis, run, start, upto, with_durability};
use crate::redis_servers::Server;

fn bed(server: &Server) -> Bed {
    Bed { store: Arc::new(on_redis(server, Options::default())), now: start().into() }
}

fn worker(name: &str) -> WorkerId {
    WorkerId(name.to_owned())
}

#[test]
fn what_one_keeps_another_delivers_and_nobody_holds_the_same_lane() {
    run(async {
        let server = Server::start(&[]);
        let (one, other) = (bed(&server), bed(&server));
        one.keep("webhook").await;
        other.sort(vec![item("ann", "1"), item("bob", "2")]).await;
        let ann = one.claim_by(&worker("one")).await;
        let bob = other.claim_by(&worker("other")).await;
        assert_eq!((bodies(&ann), bodies(&bob)), (vec!["1".to_owned()], vec!["2".to_owned()]));
        assert_eq!(other.begin(&ann).await, Fenced::Done, "who holds the fence holds the lane");
        other.end(&ann, done("L", upto(&ann))).await;
        assert_eq!(one.row("1").await.state, EventState::Delivered);
        assert_eq!(flaws(one.store.as_ref()).await, []);
    });
}

#[test]
fn the_limit_and_the_pause_are_shared() {
    run(async {
        let server = Server::start(&[]);
        let beds = [bed(&server), bed(&server), bed(&server)];
        for name in 0..9 {
            beds[0].arrive(&format!("lead {name}"), &format!("{name}")).await;
        }
        let first = beds[0].claim().await;
        let told = RateHeaders { limit: Some(4), remaining: Some(3), ..RateHeaders::default() };
        beds[1].store.observe(first.permit, Observation::Answered(told), beds[1].now()).await.unwrap();
        let mut granted = 1;
        for bed in beds.iter().cycle().take(9) {
            match bed.store.claim(&worker("w"), bed.now()).await.unwrap() {
                Claim::Lane(_) => granted += 1,
                Claim::Nothing(until) => assert_eq!(until, Some(bed.after(60)).min(until)),
                other => panic!("{other:?}"),
            }
        }
        assert!(granted <= 4, "{granted} of 4");
        beds[2].store.pause(PauseReason::Operator, beds[2].now()).await.unwrap();
        assert_eq!(beds[0].stats().await.paused.map(|(why, _)| why), Some(PauseReason::Operator));
    });
}

#[test]
fn many_workers_of_several_bridges_share_the_lanes_without_losing_or_doubling_any() {
    run(async {
        let server = Server::start(&[]);
        let beds = [bed(&server), bed(&server), bed(&server)];
        for name in 0..30 {
            beds[name % 3].keep("webhook").await;
            beds[0].sort(vec![item(&format!("lead {name}"), &format!("{name}"))]).await;
        }
        let first = beds[0].claim().await;
        let told = RateHeaders { limit: Some(600), remaining: Some(599), ..RateHeaders::default() };
        beds[0].store.observe(first.permit, Observation::Answered(told), start()).await.unwrap();
        beds[0].deliver(&first).await;
        let work = beds.iter().map(|bed| async {
            while let Claim::Lane(claimed) = bed.store.claim(&worker("w"), bed.now()).await.unwrap() {
                bed.deliver(&claimed).await;
            }
        });
        futures_util::future::join_all(work).await;
        assert_eq!(beds[0].count(EventState::Delivered).await, 30);
        assert_eq!(flaws(beds[0].store.as_ref()).await, []);
    });
}

#[test]
fn what_was_acknowledged_survives_the_death_of_redis_and_new_leads_are_searched_for_first_then() {
    run(async {
        let mut server = Server::start(&[]);
        let bed = bed(&server);
        bed.arrive("ann", "1").await;
        let ann = bed.claim().await;
        assert_eq!(bed.begin(&ann).await, Fenced::Done);
        bed.arrive("bob", "2").await;
        bed.keep("unsorted").await;
        server.dies();
        server.comes_back();
        let bob = bed.claim().await;
        assert_eq!(bodies(&bob), ["2"]);
        assert!(bob.intent.is_some_and(|intent| intent.is_suspected()), "{:?}", bob.intent);
        assert_eq!(bed.lane("ann").await.intent.map(|intent| intent.fence), Some(ann.lease.fence));
        assert_eq!(bed.store.unsorted(0, 9).await.unwrap().len(), 1);
        assert!(bed.stats().await.searching_first_until.is_some());
        assert_eq!(bed.settle(&ann, done("L", upto(&ann))).await, Fenced::Done);
        assert_eq!(flaws(bed.store.as_ref()).await, []);
    });
}

#[test]
fn a_redis_that_was_emptied_under_a_bridge_is_taken_for_a_loss() {
    run(async {
        let server = Server::start(&[]);
        let bed = bed(&server);
        bed.arrive("ann", "1").await;
        assert_eq!(bed.stats().await.searching_first_until, None);
        server.says(&["FLUSHALL"]);
        bed.arrive("bob", "2").await;
        let until = bed.stats().await.searching_first_until.expect("it forgot everything");
        assert_eq!(until.duration_since(start()).as_hours(), 7 * 24);
        assert!(bed.claim().await.intent.is_some_and(|intent| intent.is_suspected()));
    });
}

#[test]
fn a_person_may_say_that_it_was_put_back() {
    run(async {
        let server = Server::start(&[]);
        bed(&server).arrive("ann", "1").await;
        let options = Options { restored: true, ..Options::default() };
        let bed = Bed { store: Arc::new(on_redis(&server, options)), now: start().into() };
        assert!(bed.claim().await.intent.is_some_and(|intent| intent.is_suspected()));
    });
}

#[test]
fn a_full_redis_takes_no_webhooks_and_what_it_holds_is_delivered_all_the_same() {
    run(async {
        let server = Server::start(&[]);
        let bed = bed(&server);
        bed.arrive("ann", "1").await;
        bed.keep("webhook").await;
        server.says(&["CONFIG", "SET", "maxmemory", "1"]);
        for refused in [bed.store.keep(bed.webhook("x")).await, bed.store.would_keep().await] {
            assert!(matches!(refused, Err(StoreError::Full(Cap::Memory))), "{refused:?}");
        }
        bed.sort(vec![item("bob", "2")]).await;
        let ann = bed.claim().await;
        assert_eq!(bed.begin(&ann).await, Fenced::Done);
        bed.deliver(&ann).await;
        let bob = bed.claim().await;
        bed.end(&bob, super::dead(&bob)).await;
        assert_eq!(bed.replay(&everything()).await.count, 1);
        server.says(&["CONFIG", "SET", "maxmemory", "0"]);
        bed.keep("x").await;
    });
}

#[test]
fn a_redis_that_is_gone_is_an_error_within_two_seconds_and_what_was_not_stored_is_not_called_kept() {
    run(async {
        let mut server = Server::start(&[]);
        let bed = bed(&server);
        bed.arrive("ann", "1").await;
        server.freezes();
        let began = Instant::now();
        let kept = bed.store.keep(bed.webhook("x")).await;
        assert!(matches!(kept, Err(StoreError::Backend(..))), "{kept:?}");
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        server.goes_on();
        server.dies();
        let began = Instant::now();
        assert!(bed.store.claim(&worker("w"), bed.now()).await.is_err());
        assert!(bed.store.keep(bed.webhook("y")).await.is_err());
        assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
        server.comes_back();
        // It is looked for, and found.
        while bed.store.keep(bed.webhook("z")).await.is_err() {
            tokio::task::yield_now().await;
        }
        let kept = bed.store.unsorted(0, 9).await.unwrap();
        assert!(kept.iter().any(|record| &record.webhook.body[..] == b"z"));
        assert!(!kept.iter().any(|record| &record.webhook.body[..] == b"y"));
        assert_eq!(bed.row("1").await.state, EventState::Pending);
    });
}

#[test]
fn a_store_of_a_newer_version_is_left_alone() {
    run(async {
        let server = Server::start(&[]);
        bed(&server).arrive("ann", "1").await;
        server.says(&["HSET", "kb:{suite}:m", "schema", "99"]);
        let bed = bed(&server);
        for refused in [
            bed.store.keep(bed.webhook("x")).await.map(drop),
            bed.store.claim(&worker("w"), bed.now()).await.map(drop),
            bed.store.unsorted(0, 9).await.map(drop),
        ] {
            let error = refused.expect_err("it may mean anything").to_string();
            assert!(error.contains("newer version (99"), "{error}");
        }
    });
}

#[test]
fn a_lane_remembers_far_more_events_than_its_record_has_room_for() {
    run(async {
        let server = Server::start(&[]);
        let bed = bed(&server);
        for round in 0..20 {
            bed.keep("webhook").await;
            bed.sort((0..10).map(|number| item("ann", &format!("{round} {number}"))).collect()).await;
            bed.pass(60);
            let claimed = bed.claim().await;
            bed.deliver(&claimed).await;
        }
        let of_ann = konektor_bridge::store::EventFilter { lead: Some(lead("ann")), ..Default::default() };
        assert_eq!(bed.list(None, of_ann).await.len(), 200);
        assert_eq!(flaws(bed.store.as_ref()).await, []);
        bed.pass(31 * 24 * 3600);
        assert_eq!(bed.store.expire(1000, bed.now()).await.unwrap(), 200);
        assert_eq!(flaws(bed.store.as_ref()).await, []);
        bed.pass(400 * 24 * 3600);
        assert_eq!(bed.store.expire(1000, bed.now()).await.unwrap(), 1);
        assert_eq!(bed.store.lane(&lead("ann")).await.unwrap(), None);
        let left = server.says(&["KEYS", "*"]);
        // The last events' receipts lie together, and not all of those have come yet.
        assert_eq!(left.matches(":s:").count(), 1, "{left}");
        for kind in ["b:", "f:", "es", "ec", "a:", "l:", "lh:", "eh:", "i:"] {
            assert!(!left.contains(&format!("kb:{{suite}}:{kind}")), "{kind} is left: {left}");
        }
    });
}

#[test]
fn events_are_found_by_their_state_over_many_of_another() {
    run(async {
        let server = Server::start(&[]);
        let bed = bed(&server);
        bed.kill("zoe", "first").await;
        for number in 0..40 {
            bed.keep("webhook").await;
            let items = (0..64).map(|item_of| item(&format!("{number} {item_of}"), &format!("{number} {item_of}")));
            bed.sort(items.collect()).await;
        }
        let dead = bed.list(Some(EventState::Dead), Default::default()).await;
        assert_eq!(dead.iter().map(|row| row.id).collect::<Vec<_>>(), [event_id("first")]);
        assert_eq!(bed.list(Some(EventState::Pending), Default::default()).await.len(), 1000);
        let moved = bed.replay(&Selector::Ids(vec![event_id("first")])).await;
        assert_eq!((moved.count, moved.more), (1, false));
    });
}

#[test]
fn what_replicas_do_not_have_yet_is_not_called_done_either_by_one_who_finds_it_done() {
    run(async {
        let primary = Server::start(&[]);
        let replica = Server::replica_of(&primary, &[]);
        let store = with_durability(&primary, Durability::Replicated(1), Options::default());
        let bed = Bed { store: Arc::new(store), now: start().into() };
        let ann = bed.work("ann", "1").await;
        replica.freezes();
        let note = async || bed.store.set_memo(Topic::Form, "key", "value".into(), None).await;
        let settle = async || {
            let settlement = Settlement::from(done("L", upto(&ann)));
            bed.store.settle(&ann.lease, settlement, bed.now()).await
        };
        for _ in 0..2 {
            let noted = note().await;
            assert!(matches!(noted, Err(StoreError::Backend(..))), "{noted:?}");
            let settled = settle().await;
            assert!(matches!(settled, Err(StoreError::Backend(..))), "{settled:?}");
        }
        replica.goes_on();
        assert!(!note().await.unwrap(), "it is noted, and not by this call");
        assert_eq!(settle().await.unwrap(), Fenced::AlreadyDone);
        assert_eq!(flaws(bed.store.as_ref()).await, []);
    });
}

#[test]
fn an_audit_weighs_what_is_held_and_looks_at_which_place_a_lane_stands() {
    run(async {
        let server = Server::start(&[]);
        let bed = bed(&server);
        bed.spoil("not to be split").await;
        bed.kill("zoe", "1").await;
        let ann = bed.work("ann", "2").await;
        assert_eq!(
            bed.store.fetched(&ann.lease, upto(&ann), "what its sender said".into()).await.unwrap(),
            Fenced::Done
        );
        bed.arrive("bob", "3").await;
        bed.keep("unsorted").await;
        assert_eq!(flaws(bed.store.as_ref()).await, []);
        server.says(&["HINCRBY", "kb:{suite}:m", "bytes", "1"]);
        let found = flaws(bed.store.as_ref()).await;
        assert!(found.len() == 1 && found[0].rule == Rule::Balance && found[0].says.contains("bytes"), "{found:?}");
        server.says(&["HINCRBY", "kb:{suite}:m", "bytes", "-1"]);
        let moves = "redis.call('ZADD', KEYS[1], 999, redis.call('ZRANGE', KEYS[1], 0, 0)[1])";
        server.says(&["EVAL", moves, "1", "kb:{suite}:q0"]);
        let found = flaws(bed.store.as_ref()).await;
        assert!(found.len() == 1 && found[0].lead == Some(lead("bob")) && found[0].says.contains("999"), "{found:?}");
    });
}
