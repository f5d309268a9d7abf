//! The lane's arrows (`queue.md` §2.5): where an arrival, an outcome, a lost worker and a person lead.

use konektor_bridge::domain::event::{Hold, Item};
use konektor_bridge::domain::lead::LeadId;
use konektor_bridge::store::{EventState, Fenced, Options, Outcome, Settlement};

use super::{
    Bed, attempt, bodies, dead, done, event_id, everything, held, ids, is_late, item, lead, on_every_backend, upto,
};

const LEASE: u64 = 30;

#[test]
pub(super) fn a_new_lead_is_claimed_whole_and_ends_delivered() {
    on_every_backend(async |bed: Bed| {
        bed.arrive("ann", "1").await;
        bed.arrive("ann", "2").await;
        assert_eq!(bed.state_of("ann").await, "ready");
        let claimed = bed.claim().await;
        assert_eq!(bodies(&claimed), ["1", "2"]);
        assert_eq!((claimed.lead_id.clone(), claimed.intent, claimed.attempts), (None, None, 0));
        assert_eq!(claimed.lease.until, bed.after(LEASE));
        assert_eq!(claimed.events[0].id, event_id("1"));
        assert_eq!(claimed.events[0].request_id, "request of webhook");
        assert_eq!(claimed.events[0].received, bed.now());
        assert!(!is_late(&claimed) && !claimed.events[0].released && claimed.events[0].fetched.is_none());
        assert_eq!(bed.state_of("ann").await, "leased");
        bed.end(&claimed, done("L1", upto(&claimed))).await;
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
pub(super) fn an_event_of_a_known_lead_goes_out_at_once_when_idle_and_else_waits_two_seconds_for_more() {
    on_every_backend(async |bed: Bed| {
        bed.create("ann", "1").await;
        bed.create("bob", "2").await;
        bed.arrive("ann", "3").await;
        assert_eq!(bed.state_of("ann").await, "ready", "nothing else is to be done");
        bed.arrive("bob", "4").await;
        assert_eq!(bed.state_of("bob").await, "waiting");
        let first = bed.claim().await;
        assert_eq!(first.lease.external_ref, lead("ann"));
        let due = bed.after(2);
        bed.pass(1);
        bed.arrive("bob", "5").await;
        assert_eq!(bed.nothing().await, Some(due), "counted from the first event, not from the last");
        bed.pass(1);
        assert_eq!(bodies(&bed.claim().await), ["4", "5"]);
    });
}

#[test]
pub(super) fn an_event_that_comes_during_the_call_is_not_in_it_and_follows_as_an_update() {
    on_every_backend(async |bed: Bed| {
        let claimed = bed.work("ann", "1").await;
        bed.arrive("bob", "other").await;
        bed.arrive("ann", "2").await;
        assert_eq!(bed.state_of("ann").await, "leased");
        bed.deliver(&claimed).await;
        assert_eq!(bed.row("2").await.state, EventState::Pending);
        assert_eq!(bed.state_of("ann").await, "waiting", "for more to say, while others have something to do");
        assert_eq!(bed.lane("ann").await.due, Some(bed.after(2)));
        bed.pass(2);
        let _bob = bed.claim().await;
        let next = bed.claim().await;
        assert_eq!((bodies(&next), next.lead_id), (vec!["2".to_owned()], Some(LeadId("L".into()))));
    });
}

#[test]
pub(super) fn a_retry_waits_counts_and_keeps_its_place() {
    on_every_backend(async |bed: Bed| {
        bed.arrive("ann", "1").await;
        bed.arrive("bob", "2").await;
        let claimed = bed.claim().await;
        let first = bed.now();
        bed.end(&claimed, Outcome::Retry { at: bed.after(5), counted: true }).await;
        assert_eq!((bed.state_of("ann").await, bed.lane("ann").await.due), ("waiting", Some(bed.after(5))));
        let bob = bed.claim().await;
        assert_eq!(bodies(&bob), ["2"]);
        bed.end(&bob, Outcome::Release { at: bed.now() }).await;
        bed.pass(5);
        let again = bed.claim().await;
        assert_eq!(bodies(&again), ["1"], "before the one that came after it");
        assert_eq!((again.attempts, again.failing_since), (1, Some(first)));
        bed.end(&again, Outcome::Retry { at: bed.now(), counted: false }).await;
        let again = bed.claim().await;
        assert_eq!((again.attempts, again.failing_since), (1, Some(first)), "not counted");
        bed.end(&again, Outcome::Retry { at: bed.now(), counted: true }).await;
        let again = bed.claim().await;
        assert_eq!((again.attempts, again.failing_since), (2, Some(first)));
        bed.deliver(&again).await;
        bed.arrive("ann", "3").await;
        bed.pass(2);
        let _bob = bed.claim().await;
        let update = bed.claim().await;
        assert_eq!((update.attempts, update.failing_since), (0, None), "success starts the count anew");
    });
}

#[test]
pub(super) fn a_retry_closes_the_intent_of_its_own_attempt() {
    on_every_backend(async |bed: Bed| {
        let claimed = bed.work("ann", "1").await;
        assert_eq!(bed.begin(&claimed).await, Fenced::Done);
        bed.end(&claimed, Outcome::Retry { at: bed.now(), counted: true }).await;
        let again = bed.claim().await;
        assert_eq!(again.intent, None, "it is known that nothing was made");
        assert_eq!(bed.begin(&again).await, Fenced::Done);
    });
}

#[test]
pub(super) fn a_release_touches_nothing_and_waits_if_it_is_told_to() {
    on_every_backend(async |bed: Bed| {
        let claimed = bed.work("ann", "1").await;
        let at = bed.after(9);
        assert_eq!(bed.begin(&claimed).await, Fenced::Done);
        bed.end(&claimed, Outcome::Release { at }).await;
        assert_eq!(bed.nothing().await, Some(at));
        bed.pass(9);
        let again = bed.claim().await;
        assert_eq!((again.attempts, again.intent), (0, None), "what this lease began was not executed");
        assert!(again.lease.fence > claimed.lease.fence);
    });
}

#[test]
pub(super) fn a_release_goes_back_to_its_old_place() {
    on_every_backend(async |bed: Bed| {
        bed.arrive("ann", "1").await;
        bed.arrive("bob", "2").await;
        let ann = bed.claim().await;
        bed.end(&ann, Outcome::Release { at: bed.now() }).await;
        assert_eq!(bed.claim().await.lease.external_ref, lead("ann"));
    });
}

#[test]
pub(super) fn an_ambiguous_create_keeps_its_intent_until_the_lead_is_found() {
    on_every_backend(async |bed: Bed| {
        let claimed = bed.work("ann", "1").await;
        assert_eq!(bed.begin(&claimed).await, Fenced::Done);
        let (begun, at) = (bed.now(), bed.after(2));
        bed.end(&claimed, Outcome::Ambiguous { at }).await;
        bed.arrive("ann", "2").await;
        assert_eq!(bed.nothing().await, Some(at), "what comes in meanwhile waits as well");
        bed.pass(2);
        let search = bed.claim().await;
        let intent = search.intent.expect("the doubt is open");
        assert_eq!((intent.fence, intent.at, intent.upto), (claimed.lease.fence, begun, upto(&claimed)));
        assert_eq!(bed.begin(&search).await, Fenced::Stale, "no second POST while it is open");
        bed.end(&search, done("L1", intent.upto)).await;
        let update = bed.claim().await;
        assert_eq!((bodies(&update), update.intent), (vec!["2".to_owned()], None));
    });
}

#[test]
pub(super) fn two_clean_searches_that_find_nothing_end_the_doubt() {
    on_every_backend(async |bed: Bed| {
        bed.doubt("ann", "1").await;
        let search = bed.claim().await;
        assert_eq!(search.negatives, 0);
        let at = bed.after(10);
        bed.end(&search, Outcome::Negative { at, settled: false }).await;
        assert_eq!(bed.nothing().await, Some(at));
        bed.pass(10);
        let search = bed.claim().await;
        assert_eq!((search.negatives, search.intent.is_some()), (1, true));
        bed.end(&search, Outcome::Negative { at: bed.now(), settled: true }).await;
        let create = bed.claim().await;
        assert_eq!((create.negatives, create.intent), (0, None));
        assert_eq!(bed.begin(&create).await, Fenced::Done);
    });
}

#[test]
pub(super) fn a_search_that_failed_does_not_close_the_intent() {
    for outcome in
        [|at| Outcome::Retry { at, counted: true }, |at| Outcome::Release { at }, |at| Outcome::Ambiguous { at }]
    {
        on_every_backend(async |bed: Bed| {
            bed.doubt("ann", "1").await;
            let search = bed.claim().await;
            bed.end(&search, outcome(bed.now())).await;
            assert!(bed.claim().await.intent.is_some());
        });
    }
}

#[test]
pub(super) fn a_lost_lease_without_intent_is_ready_again_in_its_place_and_with_one_is_searched_for() {
    on_every_backend(async |bed: Bed| {
        bed.arrive("ann", "1").await;
        bed.arrive("bob", "2").await;
        let ann = bed.claim().await;
        let bob = bed.claim().await;
        bed.pass(LEASE - 1);
        assert_eq!(bed.begin(&bob).await, Fenced::Done);
        bed.arrive("carl", "3").await;
        bed.pass(1);
        let again = bed.claim().await;
        assert_eq!(again.lease.external_ref, ann.lease.external_ref, "before the one that came later");
        assert_eq!(bed.state_of("bob").await, "waiting");
        assert_eq!(bodies(&bed.claim().await), ["3"]);
        assert_eq!(bed.nothing().await, Some(bed.after(1)), "two seconds after the intent");
        bed.pass(1);
        assert!(bed.claim().await.intent.is_some());
        assert_eq!(bed.lane("bob").await.crashes, 1);
    });
}

#[test]
pub(super) fn a_lane_that_loses_its_worker_five_times_is_given_up() {
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
pub(super) fn workers_that_are_lost_now_and_then_are_no_fault_of_the_lead() {
    on_every_backend(async |bed: Bed| {
        bed.arrive("ann", "1").await;
        for _ in 0..9 {
            let _ = bed.claim().await;
            bed.pass(6 * 3600);
        }
        assert_eq!(bodies(&bed.claim().await), ["1"], "four within a day, and another four");
        assert!(bed.lane("ann").await.crashes < 5);
    });
}

#[test]
pub(super) fn giving_up_a_crashing_update_leaves_its_lead_alone() {
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
        let next = bed.work("ann", "3").await;
        assert_eq!((bodies(&next), next.lead_id), (vec!["3".to_owned()], Some(LeadId("id of ann".into()))));
    });
}

#[test]
pub(super) fn a_create_that_is_given_up_takes_its_lane_with_it() {
    on_every_backend(async |bed: Bed| {
        bed.arrive("ann", "1").await;
        bed.arrive("ann", "2").await;
        bed.arrive("ann", "3").await;
        let claimed = bed.claim().await;
        assert_eq!(bed.begin(&claimed).await, Fenced::Done);
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
pub(super) fn a_lane_that_died_in_doubt_is_searched_for_when_it_is_replayed() {
    on_every_backend(async |bed: Bed| {
        bed.arrive("ann", "1").await;
        bed.doubt("ann", "2").await;
        let search = bed.claim().await;
        bed.end(&search, dead(&search)).await;
        assert!(bed.lane("ann").await.intent.is_some(), "whether it was made is still open");
        assert_eq!(bed.replay(&everything()).await.count, 2);
        let again = bed.claim().await;
        assert!(again.intent.is_some());
        assert_eq!(bed.begin(&again).await, Fenced::Stale);
    });
}

#[test]
pub(super) fn a_replay_brings_a_dead_lane_back_with_its_counters_at_zero() {
    on_every_backend(async |bed: Bed| {
        let claimed = bed.work("ann", "1").await;
        bed.end(&claimed, Outcome::Retry { at: bed.now(), counted: true }).await;
        let claimed = bed.claim().await;
        bed.end(&claimed, dead(&claimed)).await;
        assert_eq!(bed.replay(&everything()).await.count, 1);
        assert_eq!(bed.state_of("ann").await, "ready");
        let again = bed.claim().await;
        assert_eq!((bodies(&again), again.attempts, again.failing_since), (vec!["1".to_owned()], 0, None));
    });
}

#[test]
pub(super) fn a_new_event_brings_a_dead_lane_back_with_everything_in_order() {
    on_every_backend(async |bed: Bed| {
        bed.kill("ann", "1").await;
        let claimed = bed.work("ann", "2").await;
        assert_eq!((bodies(&claimed), claimed.attempts), (vec!["1".to_owned(), "2".to_owned()], 0));
        assert_eq!((bed.count(EventState::Dead).await, bed.stats().await.dead_lanes), (0, 0));
    });
}

#[test]
pub(super) fn a_duplicate_does_not_bring_a_dead_lane_back() {
    on_every_backend(async |bed: Bed| {
        bed.kill("ann", "1").await;
        assert_eq!(bed.arrive_as(item("ann", "1")).await.duplicates, 1);
        assert_eq!((bed.state_of("ann").await, bed.nothing().await), ("dead", None));
    });
}

#[test]
pub(super) fn a_poison_update_is_given_up_alone() {
    on_every_backend(async |bed: Bed| {
        bed.create("ann", "1").await;
        let claimed = bed.work("ann", "2").await;
        bed.arrive("ann", "3").await;
        bed.end(&claimed, dead(&claimed)).await;
        assert_eq!(bed.row("2").await.state, EventState::Dead);
        let next = bed.claim().await;
        assert_eq!(bodies(&next), ["3"]);
        bed.deliver(&next).await;
        assert_eq!(bed.state_of("ann").await, "idle");

        assert_eq!(bed.replay(&ids(&["2"])).await.count, 1);
        let replayed = bed.claim().await;
        assert_eq!(bodies(&replayed), ["2"]);
        assert!(is_late(&replayed), "a newer one has been delivered over it");
    });
}

#[test]
pub(super) fn what_is_withheld_in_the_lane_leaves_it_and_the_rest_goes_on() {
    on_every_backend(async |bed: Bed| {
        bed.arrive("ann", "1").await;
        bed.arrive("ann", "2").await;
        let claimed = bed.claim().await;
        bed.end(&claimed, Outcome::Withheld(vec![(claimed.events[0].seq, Hold::NoContact)])).await;
        assert_eq!(bed.row("1").await.reason.as_deref(), Some("no_contact"));
        let rest = bed.claim().await;
        assert_eq!(bodies(&rest), ["2"]);
        bed.end(&rest, Outcome::Withheld(vec![(rest.events[0].seq, Hold::TestLead), (999, Hold::Spam)])).await;
        assert_eq!((bed.state_of("ann").await, bed.count(EventState::Withheld).await), ("idle", 2));
    });
}

#[test]
pub(super) fn an_event_put_back_during_a_call_is_not_ended_by_it() {
    on_every_backend(async |bed: Bed| {
        bed.arrive_as(Item { hold: Hold::Spam, ..item("ann", "1") }).await;
        let claimed = bed.work("ann", "2").await;
        assert_eq!(bed.begin(&claimed).await, Fenced::Done);
        assert_eq!(bed.release(&everything()).await.count, 1);
        bed.end(&claimed, Outcome::Ambiguous { at: bed.now() }).await;
        let search = bed.claim().await;
        assert_eq!(bodies(&search), ["1", "2"]);
        bed.end(&search, done("L", search.intent.unwrap().upto)).await;
        assert_eq!(bed.row("1").await.state, EventState::Pending, "it was not in the POST, though it is older");
        let next = bed.claim().await;
        assert_eq!(bodies(&next), ["1"]);
        assert!(is_late(&next) && next.events[0].released);
    });
}

#[test]
pub(super) fn a_dead_letter_put_back_during_a_call_waits_for_the_next_one() {
    on_every_backend(async |bed: Bed| {
        bed.create("ann", "1").await;
        let claimed = bed.work("ann", "2").await;
        bed.end(&claimed, dead(&claimed)).await;
        let claimed = bed.work("ann", "3").await;
        assert_eq!(bed.replay(&everything()).await.count, 1);
        bed.deliver(&claimed).await;
        assert_eq!(bed.row("2").await.state, EventState::Pending, "older than what was in the call, but not in it");
        let next = bed.claim().await;
        assert_eq!(bodies(&next), ["2"]);
        assert!(is_late(&next));
    });
}

#[test]
pub(super) fn a_release_brings_a_dead_lane_back() {
    on_every_backend(async |bed: Bed| {
        bed.arrive_as(held("ann", "1")).await;
        bed.kill("ann", "2").await;
        assert_eq!(bed.release(&everything()).await.count, 1);
        assert_eq!(bodies(&bed.claim().await), ["1", "2"]);
    });
}

#[test]
pub(super) fn a_lead_that_is_gone_may_get_another_id() {
    on_every_backend(async |bed: Bed| {
        bed.create("ann", "1").await;
        let claimed = bed.work("ann", "2").await;
        bed.end(&claimed, done("another", 0)).await;
        let again = bed.claim().await;
        assert_eq!((bodies(&again), again.lead_id), (vec!["2".to_owned()], Some(LeadId("another".into()))));
    });
}
