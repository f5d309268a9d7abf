//! Claim, begin, settle, heartbeat: the arrows of the lane, fencing, and what a lost answer or a lost worker leaves.

use std::time::Duration;

use konektor_bridge::domain::event::Hold;
use konektor_bridge::domain::lead::LeadId;
use konektor_bridge::store::{
    Class, EventState, Fenced, Options, Outcome, PermitGrant, Selector, Settlement, WorkerId,
};

use super::{
    Bed, attempt, bodies, dead, done, event_id, everything, item, lead, me, on_every_backend, upto, why, with_options,
};

const LEASE: u64 = 30;

#[test]
fn a_new_lead_is_claimed_whole_and_ends_delivered() {
    on_every_backend(async |bed: Bed| {
        bed.arrive("ann", "1").await;
        bed.arrive("ann", "2").await;
        let claimed = bed.claim().await;
        assert_eq!(bodies(&claimed), ["1", "2"]);
        assert_eq!((claimed.lead_id.clone(), claimed.intent, claimed.attempts), (None, None, 0));
        assert_eq!(claimed.lease.until, bed.now() + Duration::from_secs(LEASE));
        assert_eq!(claimed.events[0].id, event_id("1"));
        assert_eq!(claimed.events[0].request_id, "request of webhook");
        assert_eq!(claimed.events[0].received, bed.now());
        assert!(!claimed.events[0].late && !claimed.events[0].released && claimed.events[0].fetched.is_none());
        assert_eq!(bed.state_of("ann").await, "leased");
        assert_eq!(bed.settle(&claimed, done("L1", upto(&claimed))).await, Fenced::Done);
        let row = bed.row("2").await;
        assert_eq!(
            (row.state, row.lead_id, row.ended),
            (EventState::Delivered, Some(LeadId("L1".into())), Some(bed.now()))
        );
        assert_eq!(bed.store.event(&event_id("2")).await.unwrap().unwrap().body, None, "the payload goes");
        assert_eq!((bed.state_of("ann").await, bed.nothing().await), ("idle", None));
    });
}

#[test]
fn an_event_that_comes_during_the_call_is_not_in_it_and_follows_as_an_update() {
    on_every_backend(async |bed: Bed| {
        bed.arrive("ann", "1").await;
        let claimed = bed.claim().await;
        bed.arrive("ann", "2").await;
        assert_eq!(bed.state_of("ann").await, "leased");
        let _ = bed.settle(&claimed, done("L1", upto(&claimed))).await;
        let next = bed.claim().await;
        assert_eq!((bodies(&next), next.lead_id), (vec!["2".to_owned()], Some(LeadId("L1".into()))));
    });
}

#[test]
fn an_update_goes_out_at_once_when_idle_and_else_waits_two_seconds_for_more() {
    on_every_backend(async |bed: Bed| {
        bed.create("ann", "1").await;
        bed.create("bob", "2").await;
        bed.arrive("ann", "3").await;
        assert_eq!(bed.state_of("ann").await, "ready", "nothing else is to be done");
        bed.arrive("bob", "4").await;
        assert_eq!(bed.state_of("bob").await, "waiting");
        let first = bed.claim().await;
        assert_eq!(first.lease.external_ref, lead("ann"));
        let due = bed.now() + Duration::from_secs(2);
        bed.pass(1);
        bed.arrive("bob", "5").await;
        assert_eq!(bed.nothing().await, Some(due), "counted from the first event, not from the last");
        bed.pass(1);
        assert_eq!(bodies(&bed.claim().await), ["4", "5"]);
    });
}

#[test]
fn a_retry_waits_counts_and_keeps_its_place() {
    on_every_backend(async |bed: Bed| {
        bed.arrive("ann", "1").await;
        bed.arrive("bob", "2").await;
        let claimed = bed.claim().await;
        let (first, at) = (bed.now(), bed.now() + Duration::from_secs(5));
        let _ = bed.settle(&claimed, Outcome::Retry { at, counted: true }).await;
        let bob = bed.claim().await;
        assert_eq!(bodies(&bob), ["2"]);
        let _ = bed.settle(&bob, Outcome::Release { at: bed.now() }).await;
        bed.pass(5);
        let again = bed.claim().await;
        assert_eq!(bodies(&again), ["1"], "before the one that came after it");
        assert_eq!((again.attempts, again.failing_since), (1, Some(first)));
        let _ = bed.settle(&again, Outcome::Retry { at: bed.now(), counted: false }).await;
        let again = bed.claim().await;
        assert_eq!((again.attempts, again.failing_since), (1, Some(first)), "not counted");
        let _ = bed.settle(&again, Outcome::Retry { at: bed.now(), counted: true }).await;
        let again = bed.claim().await;
        assert_eq!((again.attempts, again.failing_since), (2, Some(first)));
        let _ = bed.settle(&again, done("L", upto(&again))).await;
        bed.arrive("ann", "3").await;
        bed.pass(2);
        let _bob = bed.claim().await;
        let update = bed.claim().await;
        assert_eq!((update.attempts, update.failing_since), (0, None), "success starts the count anew");
    });
}

#[test]
fn a_release_touches_nothing_and_waits_if_it_is_told_to() {
    on_every_backend(async |bed: Bed| {
        bed.arrive("ann", "1").await;
        let claimed = bed.claim().await;
        let at = bed.now() + Duration::from_secs(9);
        assert_eq!(bed.begin(&claimed).await, Fenced::Done);
        let _ = bed.settle(&claimed, Outcome::Release { at }).await;
        assert_eq!(bed.nothing().await, Some(at));
        bed.pass(9);
        let again = bed.claim().await;
        assert_eq!((again.attempts, again.intent), (0, None), "what this lease began was not executed");
        assert!(again.lease.fence > claimed.lease.fence);
    });
}

#[test]
fn an_ambiguous_create_keeps_its_intent_until_the_lead_is_found() {
    on_every_backend(async |bed: Bed| {
        bed.arrive("ann", "1").await;
        let claimed = bed.claim().await;
        assert_eq!(bed.begin(&claimed).await, Fenced::Done);
        let (begun, at) = (bed.now(), bed.now() + Duration::from_secs(2));
        let _ = bed.settle(&claimed, Outcome::Ambiguous { at }).await;
        bed.arrive("ann", "2").await;
        assert_eq!(bed.nothing().await, Some(at), "what comes in meanwhile waits as well");
        bed.pass(2);
        let search = bed.claim().await;
        let intent = search.intent.expect("the doubt is open");
        assert_eq!((intent.fence, intent.at, intent.upto), (claimed.lease.fence, begun, upto(&claimed)));
        assert_eq!(bed.begin(&search).await, Fenced::Stale, "no second POST while it is open");
        let _ = bed.settle(&search, done("L1", intent.upto)).await;
        let update = bed.claim().await;
        assert_eq!((bodies(&update), update.intent), (vec!["2".to_owned()], None));
    });
}

#[test]
fn two_clean_searches_that_find_nothing_end_the_doubt() {
    on_every_backend(async |bed: Bed| {
        bed.arrive("ann", "1").await;
        let claimed = bed.claim().await;
        let _ = bed.begin(&claimed).await;
        let _ = bed.settle(&claimed, Outcome::Ambiguous { at: bed.now() }).await;
        let search = bed.claim().await;
        assert_eq!(search.negatives, 0);
        let at = bed.now() + Duration::from_secs(10);
        let _ = bed.settle(&search, Outcome::Negative { at, settled: false }).await;
        assert_eq!(bed.nothing().await, Some(at));
        bed.pass(10);
        let search = bed.claim().await;
        assert_eq!((search.negatives, search.intent.is_some()), (1, true));
        let _ = bed.settle(&search, Outcome::Negative { at: bed.now(), settled: true }).await;
        let create = bed.claim().await;
        assert_eq!((create.negatives, create.intent), (0, None));
        assert_eq!(bed.begin(&create).await, Fenced::Done);
    });
}

#[test]
fn a_failed_search_does_not_close_an_older_intent() {
    for outcome in
        [|at| Outcome::Retry { at, counted: true }, |at| Outcome::Release { at }, |at| Outcome::Ambiguous { at }]
    {
        on_every_backend(async |bed: Bed| {
            bed.arrive("ann", "1").await;
            let claimed = bed.claim().await;
            let _ = bed.begin(&claimed).await;
            let _ = bed.settle(&claimed, Outcome::Ambiguous { at: bed.now() }).await;
            let search = bed.claim().await;
            let _ = bed.settle(&search, outcome(bed.now())).await;
            assert!(bed.claim().await.intent.is_some());
        });
    }
}

#[test]
fn a_second_post_under_one_lease_moves_the_intent_on() {
    on_every_backend(async |bed: Bed| {
        bed.arrive("ann", "1").await;
        let claimed = bed.claim().await;
        assert_eq!(bed.begin(&claimed).await, Fenced::Done);
        bed.pass(3);
        assert_eq!(bed.begin(&claimed).await, Fenced::AlreadyDone);
        let _ = bed.settle(&claimed, Outcome::Ambiguous { at: bed.now() }).await;
        let intent = bed.claim().await.intent.unwrap();
        assert_eq!(intent.at, bed.now(), "the quiet period counts from the last POST");
    });
}

#[test]
fn settling_twice_is_as_once_and_a_stale_fence_changes_nothing() {
    on_every_backend(async |bed: Bed| {
        bed.arrive("ann", "1").await;
        let old = bed.claim().await;
        bed.pass(LEASE);
        let new = bed.claim().await;
        assert!(new.lease.fence > old.lease.fence);
        assert_eq!(bed.begin(&old).await, Fenced::Stale);
        assert_eq!(bed.settle(&old, done("wrong", upto(&old))).await, Fenced::Stale);
        assert_eq!(bed.store.permit(&old.lease, bed.now()).await.unwrap(), PermitGrant::Stale);
        assert_eq!(bed.store.fetched(&old.lease, 1, "x".into()).await.unwrap(), Fenced::Stale);
        assert_eq!(bed.settle(&new, done("right", upto(&new))).await, Fenced::Done);
        assert_eq!(bed.settle(&new, done("right", upto(&new))).await, Fenced::AlreadyDone);
        assert_eq!(bed.settle(&old, done("wrong", upto(&old))).await, Fenced::Stale);
        assert_eq!(bed.row("1").await.lead_id, Some(LeadId("right".into())));
        assert_eq!(bed.count(EventState::Delivered).await, 1);
        let unknown = konektor_bridge::store::Lease { external_ref: lead("nobody"), ..new.lease };
        let settlement = Settlement::from(Outcome::Release { at: bed.now() });
        assert_eq!(bed.store.settle(&unknown, settlement, bed.now()).await.unwrap(), Fenced::Stale);
    });
}

#[test]
fn a_lease_that_has_ended_may_still_settle_but_not_begin() {
    on_every_backend(async |bed: Bed| {
        bed.arrive("ann", "1").await;
        let claimed = bed.claim().await;
        bed.pass(LEASE);
        assert_eq!(bed.begin(&claimed).await, Fenced::Stale);
        assert_eq!(bed.store.permit(&claimed.lease, bed.now()).await.unwrap(), PermitGrant::Stale);
        assert_eq!(bed.settle(&claimed, done("L", upto(&claimed))).await, Fenced::Done, "nobody has claimed it since");
    });
}

#[test]
fn a_lost_lease_without_intent_is_ready_again_in_its_place_and_with_one_is_searched_for() {
    on_every_backend(async |bed: Bed| {
        bed.arrive("ann", "1").await;
        bed.arrive("bob", "2").await;
        let ann = bed.claim().await;
        let bob = bed.claim().await;
        bed.pass(LEASE - 1);
        let _ = bed.begin(&bob).await;
        bed.arrive("carl", "3").await;
        bed.pass(1);
        let again = bed.claim().await;
        assert_eq!(again.lease.external_ref, ann.lease.external_ref, "before the one that came later");
        assert_eq!(bed.state_of("bob").await, "waiting");
        assert_eq!(bodies(&bed.claim().await), ["3"]);
        let due = bed.now() + Duration::from_secs(1);
        assert_eq!(bed.nothing().await, Some(due), "two seconds after the intent");
        bed.pass(1);
        assert!(bed.claim().await.intent.is_some());
        assert_eq!(bed.store.lane(&lead("bob")).await.unwrap().unwrap().crashes, 1);
    });
}

#[test]
fn a_lane_that_loses_its_worker_five_times_is_given_up() {
    on_every_backend(async |bed: Bed| {
        bed.arrive("ann", "1").await;
        for _ in 0..5 {
            let _ = bed.claim().await;
            bed.pass(LEASE);
        }
        assert_eq!(bed.nothing().await, None);
        assert_eq!(bed.state_of("ann").await, "dead");
        let row = bed.row("1").await;
        assert_eq!((row.state, row.reason.as_deref()), (EventState::Dead, Some("crashed")));
    });
}

#[test]
fn a_heartbeat_extends_what_is_held_tells_what_is_lost_and_frees_what_was_forgotten() {
    on_every_backend(async |bed: Bed| {
        for name in ["ann", "bob", "carl"] {
            bed.arrive(name, name).await;
        }
        let (ann, bob) = (bed.claim().await, bed.claim().await);
        let other = bed.claim_by(&WorkerId("other".into())).await;
        let beat = async |held: &[_]| bed.store.heartbeat(&me(), held, bed.now()).await.unwrap();
        bed.pass(4);
        assert_eq!(beat(std::slice::from_ref(&ann.lease)).await, []);
        assert_eq!(bed.state_of("bob").await, "leased", "its claim may still be on its way");
        bed.pass(1);
        assert_eq!(beat(std::slice::from_ref(&ann.lease)).await, []);
        assert_eq!(bed.state_of("bob").await, "ready");
        assert_eq!(bed.store.lane(&lead("bob")).await.unwrap().unwrap().crashes, 0, "nobody has died");
        assert_eq!(beat(&[ann.lease.clone(), bob.lease.clone(), other.lease.clone()]).await, [bob.lease, other.lease]);
        bed.pass(LEASE - 1);
        assert_eq!(bed.state_of("ann").await, "leased");
        let claimed = [bed.claim().await, bed.claim().await].map(|claimed| claimed.lease.external_ref);
        assert_eq!(claimed, [lead("bob"), lead("carl")], "the other worker's lease has ended");
        assert_eq!(bed.begin(&ann).await, Fenced::Done, "the first one's was extended");
    });
}

#[test]
fn a_create_that_is_given_up_takes_its_lane_with_it() {
    on_every_backend(async |bed: Bed| {
        bed.arrive("ann", "1").await;
        bed.arrive("ann", "2").await;
        let claimed = bed.claim().await;
        let _ = bed.begin(&claimed).await;
        bed.arrive("ann", "3").await;
        let settlement = Settlement { attempts: vec![attempt("refused")], ..dead(&claimed).into() };
        assert_eq!(bed.store.settle(&claimed.lease, settlement, bed.now()).await.unwrap(), Fenced::Done);
        let detail = bed.store.event(&event_id("1")).await.unwrap().unwrap();
        assert_eq!(detail.row.reason.as_deref(), Some("rejected"));
        assert_eq!(detail.row.detail.as_deref(), Some("Konektor refused `phone`"));
        assert_eq!(&detail.body.unwrap()[..], b"1", "the payload stays");
        let lane = detail.lane.unwrap();
        assert_eq!((lane.state, lane.pending, lane.log), ("dead", 0, vec![attempt("refused")]));
        assert_eq!(lane.intent, None, "it was refused for certain: nothing is left to search for");
        assert_eq!(bed.count(EventState::Dead).await, 3);
        assert_eq!(bed.stats().await.dead_lanes, 1);
        assert_eq!(bed.nothing().await, None);
    });
}

#[test]
fn a_new_event_brings_a_dead_lane_back_with_everything_in_order() {
    on_every_backend(async |bed: Bed| {
        bed.kill("ann", "1").await;
        bed.arrive("ann", "2").await;
        let claimed = bed.claim().await;
        assert_eq!((bodies(&claimed), claimed.attempts), (vec!["1".to_owned(), "2".to_owned()], 0));
        assert_eq!((bed.count(EventState::Dead).await, bed.stats().await.dead_lanes), (0, 0));
    });
}

#[test]
fn a_poison_update_is_given_up_alone() {
    on_every_backend(async |bed: Bed| {
        bed.create("ann", "1").await;
        bed.arrive("ann", "2").await;
        let claimed = bed.claim().await;
        bed.arrive("ann", "3").await;
        let _ = bed.settle(&claimed, dead(&claimed)).await;
        assert_eq!(bed.row("2").await.state, EventState::Dead);
        let next = bed.claim().await;
        assert_eq!(bodies(&next), ["3"]);
        let _ = bed.settle(&next, done("L", upto(&next))).await;
        assert_eq!(bed.state_of("ann").await, "idle");

        assert_eq!(bed.store.replay(&Selector::Ids(vec![event_id("2")]), 9, bed.now()).await.unwrap().count, 1);
        let replayed = bed.claim().await;
        assert_eq!(bodies(&replayed), ["2"]);
        assert!(replayed.events[0].late, "a newer one has been delivered over it");
    });
}

#[test]
fn what_is_withheld_in_the_lane_leaves_it_and_the_rest_goes_on() {
    on_every_backend(async |bed: Bed| {
        bed.arrive("ann", "1").await;
        bed.arrive("ann", "2").await;
        let claimed = bed.claim().await;
        let _ = bed.settle(&claimed, Outcome::Withheld(vec![(claimed.events[0].seq, Hold::NoContact)])).await;
        assert_eq!(bed.row("1").await.reason.as_deref(), Some("no_contact"));
        let rest = bed.claim().await;
        assert_eq!(bodies(&rest), ["2"]);
        let all = vec![(rest.events[0].seq, Hold::TestLead), (999, Hold::Spam)];
        let _ = bed.settle(&rest, Outcome::Withheld(all)).await;
        assert_eq!((bed.state_of("ann").await, bed.count(EventState::Withheld).await), ("idle", 2));
    });
}

#[test]
fn an_event_put_back_during_a_call_is_not_ended_by_it() {
    on_every_backend(async |bed: Bed| {
        bed.arrive_as(konektor_bridge::domain::event::Item { hold: Hold::Spam, ..item("ann", "1") }).await;
        bed.arrive("ann", "2").await;
        let claimed = bed.claim().await;
        let _ = bed.begin(&claimed).await;
        assert_eq!(bed.store.release(&everything(), 9, bed.now()).await.unwrap().count, 1);
        let _ = bed.settle(&claimed, Outcome::Ambiguous { at: bed.now() }).await;
        let search = bed.claim().await;
        assert_eq!(bodies(&search), ["1", "2"]);
        let _ = bed.settle(&search, done("L", search.intent.unwrap().upto)).await;
        assert_eq!(bed.row("1").await.state, EventState::Pending, "it was not in the POST, though it is older");
        let next = bed.claim().await;
        assert_eq!(bodies(&next), ["1"]);
        assert!(next.events[0].late && next.events[0].released);
    });
}

#[test]
fn one_claim_gives_at_most_256_events_and_256_kib() {
    on_every_backend(async |bed: Bed| {
        bed.keep("webhook").await;
        bed.sort((0..300).map(|number| item("ann", &number.to_string())).collect()).await;
        let claimed = bed.claim().await;
        assert_eq!(claimed.events.len(), 256);
        let _ = bed.settle(&claimed, done("L", upto(&claimed))).await;
        assert_eq!(bed.claim().await.events.len(), 44);
        let big = |number: usize| konektor_bridge::domain::event::Item {
            body: vec![b'x'; 100 << 10],
            ..item("bob", &format!("big {number}"))
        };
        bed.keep("webhook").await;
        bed.sort((0..4).map(big).collect()).await;
        assert_eq!(bed.claim().await.events.len(), 2);
        let huge = konektor_bridge::domain::event::Item { body: vec![b'x'; 1 << 20], ..item("carl", "huge") };
        bed.arrive_as(huge).await;
        assert_eq!(bed.claim().await.events.len(), 1, "the first one always");
    });
}

#[test]
fn what_the_sender_said_is_kept_with_the_event() {
    on_every_backend(async |bed: Bed| {
        bed.arrive("ann", "1").await;
        let claimed = bed.claim().await;
        let keep =
            async |seq, answer: &'static str| bed.store.fetched(&claimed.lease, seq, answer.into()).await.unwrap();
        assert_eq!(keep(upto(&claimed), "fields").await, Fenced::Done);
        assert_eq!(keep(upto(&claimed), "fields, again").await, Fenced::AlreadyDone);
        assert_eq!(keep(77, "fields").await, Fenced::Stale, "not an event of this lane");
        let _ = bed.settle(&claimed, Outcome::Release { at: bed.now() }).await;
        assert_eq!(bed.claim().await.events[0].fetched.as_deref(), Some(&b"fields, again"[..]));
    });
}

#[test]
fn the_log_of_a_lane_keeps_the_last_ten_calls() {
    on_every_backend(async |bed: Bed| {
        bed.arrive("ann", "1").await;
        for round in 0..4 {
            let claimed = bed.claim().await;
            let attempts = (0..3).map(|call| attempt(&format!("{round}.{call}"))).collect();
            let settlement = Settlement { attempts, ..Outcome::Release { at: bed.now() }.into() };
            let _ = bed.store.settle(&claimed.lease, settlement, bed.now()).await.unwrap();
        }
        let log = bed.store.lane(&lead("ann")).await.unwrap().unwrap().log;
        let notes: Vec<_> = log.iter().map(|attempt| attempt.note.as_str()).collect();
        assert_eq!(notes, ["0.2", "1.0", "1.1", "1.2", "2.0", "2.1", "2.2", "3.0", "3.1", "3.2"]);
    });
}

#[test]
fn new_leads_go_before_updates_and_replays_last() {
    on_every_backend(async |bed: Bed| {
        bed.create("updated", "0").await;
        bed.kill("replayed", "1").await;
        bed.store.replay(&everything(), 9, bed.now()).await.unwrap();
        bed.arrive("updated", "2").await;
        bed.pass(2);
        bed.arrive("new", "3").await;
        let order = [bed.claim().await, bed.claim().await, bed.claim().await].map(|claimed| claimed.lease.external_ref);
        assert_eq!(order, [lead("new"), lead("updated"), lead("replayed")]);
    });
}

#[test]
fn a_replayed_lane_with_something_new_is_not_left_behind() {
    on_every_backend(async |bed: Bed| {
        bed.kill("ann", "1").await;
        bed.store.replay(&everything(), 9, bed.now()).await.unwrap();
        bed.arrive("bob", "2").await;
        bed.arrive("ann", "3").await;
        assert_eq!(bodies(&bed.claim().await), ["1", "3"]);
    });
}

#[test]
fn updates_have_every_tenth_turn() {
    on_every_backend(async |bed: Bed| {
        for number in 0..3 {
            bed.create(&format!("known {number}"), &format!("created {number}")).await;
        }
        for number in 0..3 {
            bed.arrive(&format!("known {number}"), &format!("updated {number}")).await;
        }
        for number in 0..30 {
            bed.arrive(&format!("new {number}"), &format!("first {number}")).await;
        }
        bed.pass(2);
        let mut updates = Vec::new();
        for turn in 0..20 {
            let claimed = bed.claim().await;
            if claimed.lead_id.is_some() {
                updates.push(turn);
            }
            // Time enough for the pace of updates.
            bed.pass(1);
        }
        assert_eq!(updates.len(), 2, "{updates:?}");
    });
}

#[test]
fn stats_tell_where_the_lanes_stand() {
    on_every_backend(async |bed: Bed| {
        bed.create("known", "0").await;
        let first = bed.now();
        bed.arrive("ann", "1").await;
        bed.pass(1);
        bed.arrive("bob", "2").await;
        bed.arrive("known", "3").await;
        let stats = bed.stats().await;
        let queue = |class| stats.queues.iter().find(|queue| queue.class == class).unwrap();
        assert_eq!((queue(Class::New).ready, queue(Class::New).waiting, queue(Class::New).oldest), (2, 0, Some(first)));
        assert_eq!((queue(Class::Update).ready, queue(Class::Update).waiting), (0, 1));
        assert_eq!(queue(Class::Update).oldest, Some(bed.now()));
        assert_eq!((queue(Class::Bulk).ready, queue(Class::Bulk).oldest), (0, None));
        let _ = bed.claim().await;
        assert_eq!(bed.stats().await.leased, 1);
        assert_eq!((bed.count(EventState::Pending).await, bed.count(EventState::Delivered).await), (3, 1));
    });
}

#[test]
fn a_lead_that_is_gone_may_get_another_id() {
    on_every_backend(async |bed: Bed| {
        bed.create("ann", "1").await;
        bed.arrive("ann", "2").await;
        let claimed = bed.claim().await;
        let _ = bed.settle(&claimed, done("another", 0)).await;
        let again = bed.claim().await;
        assert_eq!((bodies(&again), again.lead_id), (vec!["2".to_owned()], Some(LeadId("another".into()))));
    });
}

#[test]
fn a_clock_that_goes_back_does_not_bring_a_lease_back() {
    on_every_backend(async |bed: Bed| {
        bed.arrive("ann", "1").await;
        let claimed = bed.claim().await;
        bed.pass(LEASE);
        bed.stats().await;
        bed.now.set(bed.now() - Duration::from_secs(20));
        assert_eq!(bed.begin(&claimed).await, Fenced::Stale);
        assert!(bed.claim().await.lease.fence > claimed.lease.fence);
    });
}

#[test]
fn receipts_and_idle_lanes_are_forgotten_in_time_and_nothing_undelivered_is() {
    on_every_backend(async |bed: Bed| {
        bed.create("ann", "1").await;
        bed.create("bob", "2").await;
        bed.kill("carl", "3").await;
        bed.pass(30 * 24 * 3600 - 1);
        assert_eq!(bed.store.expire(100, bed.now()).await.unwrap(), 0);
        bed.pass(1);
        assert_eq!(bed.store.expire(1, bed.now()).await.unwrap(), 1);
        assert_eq!(bed.store.expire(100, bed.now()).await.unwrap(), 1);
        assert!(bed.store.event(&event_id("1")).await.unwrap().is_none());
        assert!(bed.store.lane(&lead("ann")).await.unwrap().is_some());
        assert_eq!(bed.count(EventState::Delivered).await, 0);
        bed.pass(370 * 24 * 3600);
        assert_eq!(bed.store.expire(100, bed.now()).await.unwrap(), 2);
        assert!(bed.store.lane(&lead("ann")).await.unwrap().is_none());
        assert_eq!((bed.state_of("carl").await, bed.row("3").await.state), ("dead", EventState::Dead));
        bed.arrive("ann", "1").await;
    });
}

#[test]
fn a_short_dedupe_time_does_not_shorten_the_receipt() {
    with_options(&Options::default(), async |bed: Bed| {
        bed.arrive_as(konektor_bridge::domain::event::Item {
            same_within: Some(Duration::from_secs(60)),
            ..item("ann", "1")
        })
        .await;
        let claimed = bed.claim().await;
        let _ = bed.settle(&claimed, done("L", upto(&claimed))).await;
        bed.pass(24 * 3600);
        assert_eq!(bed.store.expire(100, bed.now()).await.unwrap(), 0);
        assert_eq!(bed.row("1").await.state, EventState::Delivered);
    });
}

#[test]
fn giving_up_a_crashing_update_leaves_its_lead_alone() {
    on_every_backend(async |bed: Bed| {
        bed.create("ann", "1").await;
        bed.arrive("ann", "2").await;
        for _ in 0..5 {
            let _ = bed.claim().await;
            // An update that it sent may still land for a while.
            bed.pass(LEASE + Options::default().late_update.as_secs());
        }
        assert_eq!(bed.nothing().await, None);
        assert_eq!((bed.state_of("ann").await, bed.row("2").await.state), ("idle", EventState::Dead));
        bed.arrive("ann", "3").await;
        let next = bed.claim().await;
        assert_eq!((bodies(&next), next.lead_id), (vec!["3".to_owned()], Some(LeadId("id of ann".into()))));
        let _ = why("");
    });
}
