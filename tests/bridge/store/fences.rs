//! Fencing, verbs done twice, answers that were lost, and workers that were.

use jiff::Timestamp;
use konektor_bridge::domain::event::SourceName;
use konektor_bridge::domain::lead::LeadId;
use konektor_bridge::store::{
    Claim, Claimed, EventState, Fenced, Lease, Moved, Observation, Options, Outcome, PauseReason, PermitGrant,
    RateHeaders, Settlement, SortCount, Sorted, WorkerId,
};

use super::{
    Bed, attempt, bodies, dead, done, everything, held, ids, item, lead, me, on_every_backend, source, unreadable,
    upto, words,
};

const LEASE: u64 = 30;

/// A lane that another worker holds, and the lease under which the first one still believes that it does.
async fn overtaken(bed: &Bed) -> (Claimed, Claimed) {
    let old = bed.work("ann", "1").await;
    bed.pass(LEASE);
    let new = bed.claim_by(&WorkerId("other".into())).await;
    assert!(new.lease.fence > old.lease.fence);
    (old, new)
}

#[test]
pub(super) fn a_stale_fence_settles_nothing() {
    on_every_backend(async |bed: Bed| {
        let (old, new) = overtaken(&bed).await;
        assert_eq!(bed.settle(&old, done("wrong", upto(&old))).await, Fenced::Stale);
        assert_eq!((bed.state_of("ann").await, bed.count(EventState::Delivered).await), ("leased", 0));
        bed.end(&new, done("right", upto(&new))).await;
        assert_eq!(bed.settle(&old, done("wrong", upto(&old))).await, Fenced::Stale);
        assert_eq!(bed.row("1").await.lead_id, Some(LeadId("right".into())));
        assert_eq!(bed.count(EventState::Delivered).await, 1);
    });
}

#[test]
pub(super) fn a_stale_fence_begins_no_post() {
    on_every_backend(async |bed: Bed| {
        let (old, new) = overtaken(&bed).await;
        assert_eq!(bed.begin(&old).await, Fenced::Stale);
        assert_eq!(bed.lane("ann").await.intent, None);
        assert_eq!(bed.begin(&new).await, Fenced::Done);
        assert_eq!(bed.lane("ann").await.intent.map(|intent| intent.fence), Some(new.lease.fence));
    });
}

#[test]
pub(super) fn a_stale_fence_takes_no_permit_and_keeps_no_answer() {
    on_every_backend(async |bed: Bed| {
        let (old, new) = overtaken(&bed).await;
        assert_eq!(bed.store.permit(&old.lease, None, bed.now()).await.unwrap(), PermitGrant::Stale);
        assert_eq!(bed.store.fetched(&old.lease, upto(&old), "x".into()).await.unwrap(), Fenced::Stale);
        bed.end(&new, Outcome::Release { at: bed.now() }).await;
        assert_eq!(bed.claim().await.events[0].fetched, None);
    });
}

#[test]
pub(super) fn a_stale_fence_extends_no_lease() {
    on_every_backend(async |bed: Bed| {
        let (old, new) = overtaken(&bed).await;
        let lost = bed.store.heartbeat(&me(), std::slice::from_ref(&old.lease), bed.now()).await.unwrap();
        assert_eq!(lost, [old.lease]);
        bed.pass(LEASE);
        assert!(bed.claim().await.lease.fence > new.lease.fence, "the other's lease has ended as it was to");
    });
}

#[test]
pub(super) fn a_lane_that_nobody_knows_is_held_by_nobody() {
    on_every_backend(async |bed: Bed| {
        let lease = Lease { external_ref: lead("nobody"), fence: 1, until: bed.after(LEASE) };
        let settlement = Settlement::from(Outcome::Release { at: bed.now() });
        assert_eq!(bed.store.settle(&lease, settlement, bed.now()).await.unwrap(), Fenced::Stale);
        assert_eq!(bed.store.begin(&lease, 1, words(1).into(), bed.now()).await.unwrap(), Fenced::Stale);
        assert_eq!(bed.store.permit(&lease, None, bed.now()).await.unwrap(), PermitGrant::Stale);
        assert_eq!(bed.store.fetched(&lease, 1, "x".into()).await.unwrap(), Fenced::Stale);
        assert_eq!(bed.store.heartbeat(&me(), std::slice::from_ref(&lease), bed.now()).await.unwrap(), [lease]);
    });
}

#[test]
pub(super) fn a_lease_that_has_ended_may_still_settle_but_not_begin() {
    on_every_backend(async |bed: Bed| {
        let claimed = bed.work("ann", "1").await;
        bed.pass(LEASE);
        assert_eq!(bed.begin(&claimed).await, Fenced::Stale);
        assert_eq!(bed.store.permit(&claimed.lease, None, bed.now()).await.unwrap(), PermitGrant::Stale);
        assert_eq!(bed.settle(&claimed, done("L", upto(&claimed))).await, Fenced::Done, "nobody has claimed it since");
    });
}

#[test]
pub(super) fn a_lane_is_leased_to_one_worker_at_a_time() {
    on_every_backend(async |bed: Bed| {
        let claimed = bed.work("ann", "1").await;
        bed.arrive("ann", "2").await;
        let other = bed.store.claim(&WorkerId("other".into()), bed.now()).await.unwrap();
        assert!(matches!(other, Claim::Nothing(Some(until)) if until == claimed.lease.until), "{other:?}");
    });
}

#[test]
pub(super) fn settling_twice_is_as_once_whatever_the_outcome() {
    let outcomes: [fn(&Claimed, Timestamp) -> Outcome; 6] = [
        |_, at| Outcome::Retry { at, counted: true },
        |_, at| Outcome::Release { at },
        |_, at| Outcome::Ambiguous { at },
        |_, at| Outcome::Negative { at, settled: false },
        |claimed, _| done("L", upto(claimed)),
        |claimed, _| dead(claimed),
    ];
    for outcome in outcomes {
        on_every_backend(async |bed: Bed| {
            let claimed = bed.work("ann", "1").await;
            let settlement =
                || Settlement { attempts: vec![attempt("once")], ..outcome(&claimed, bed.after(9)).into() };
            assert_eq!(bed.store.settle(&claimed.lease, settlement(), bed.now()).await.unwrap(), Fenced::Done);
            let (lane, stats) = (bed.lane("ann").await, bed.stats().await);
            assert_eq!(bed.store.settle(&claimed.lease, settlement(), bed.now()).await.unwrap(), Fenced::AlreadyDone);
            assert_eq!((bed.lane("ann").await, bed.stats().await), (lane, stats));
        });
    }
}

#[test]
pub(super) fn a_second_post_under_one_lease_moves_the_intent_on() {
    on_every_backend(async |bed: Bed| {
        let claimed = bed.work("ann", "1").await;
        assert_eq!(bed.begin(&claimed).await, Fenced::Done);
        bed.pass(3);
        assert_eq!(bed.begin(&claimed).await, Fenced::AlreadyDone);
        bed.end(&claimed, Outcome::Ambiguous { at: bed.now() }).await;
        let intent = bed.claim().await.intent.unwrap();
        assert_eq!(intent.at, bed.now(), "the quiet period counts from the last POST");
    });
}

#[test]
pub(super) fn a_webhook_kept_twice_is_sorted_into_one_event() {
    on_every_backend(async |bed: Bed| {
        bed.keep("webhook").await;
        bed.keep("webhook").await;
        assert_eq!(bed.sort(vec![item("ann", "1")]).await.new, 1);
        assert_eq!(bed.sort(vec![item("ann", "1")]).await.duplicates, 1);
        assert_eq!(bodies(&bed.claim().await), ["1"]);
    });
}

#[test]
pub(super) fn two_sorters_at_once_sort_a_record_once() {
    on_every_backend(async |bed: Bed| {
        bed.keep("webhook").await;
        let place = bed.store.unsorted(0, 1).await.unwrap()[0].place;
        let sorted = || Sorted { split: Ok(vec![item("ann", "1"), item("bob", "2")]), ..unreadable(place) };
        let (one, other) =
            tokio::join!(bed.store.sort(vec![sorted()], bed.now()), bed.store.sort(vec![sorted()], bed.now()));
        let (one, other) = (one.unwrap(), other.unwrap());
        assert_eq!((one.new + other.new, one.duplicates + other.duplicates), (2, 0));
        assert_eq!([one.records, other.records].concat(), [place], "one of them has sorted it");
        assert_eq!(bed.count(EventState::Pending).await, 2);
    });
}

#[test]
pub(super) fn two_different_events_of_one_new_lead_at_once_are_one_lane() {
    on_every_backend(async |bed: Bed| {
        bed.keep("one").await;
        bed.keep("other").await;
        let places: Vec<_> = bed.store.unsorted(0, 2).await.unwrap().iter().map(|record| record.place).collect();
        let sorted = |place, name| Sorted { split: Ok(vec![item("ann", name)]), ..unreadable(place) };
        let (one, other) = tokio::join!(
            bed.store.sort(vec![sorted(places[0], "1")], bed.now()),
            bed.store.sort(vec![sorted(places[1], "2")], bed.now())
        );
        assert_eq!(one.unwrap().new + other.unwrap().new, 2);
        assert_eq!(bed.claim().await.events.len(), 2);
        assert_eq!(bed.nothing().await, Some(bed.after(LEASE)));
    });
}

#[test]
pub(super) fn a_claim_whose_answer_was_lost_is_freed_by_the_next_heartbeat_and_its_permit_in_time() {
    on_every_backend(async |bed: Bed| {
        bed.create("known", "0").await;
        bed.arrive("ann", "1").await;
        let Claim::Lane(unheard) = bed.store.claim(&me(), bed.now()).await.unwrap() else { panic!("a lane is ready") };
        let again = bed.store.claim(&me(), bed.now()).await.unwrap();
        assert!(matches!(again, Claim::Nothing(_)), "{again:?}");
        assert_eq!(bed.stats().await.limiter.in_use, 1);
        bed.pass(5);
        assert_eq!(bed.store.heartbeat(&me(), &[], bed.now()).await.unwrap(), []);
        let heard = bed.claim().await;
        assert_eq!((bodies(&heard), bed.lane("ann").await.crashes), (vec!["1".to_owned()], 0));
        assert_eq!(bed.settle(&unheard, done("wrong", upto(&unheard))).await, Fenced::Stale);
        bed.end(&heard, done("L", upto(&heard))).await;
        bed.pass(65);
        assert_eq!(bed.stats().await.limiter.in_use, 0, "a minute after the longest call");
    });
}

#[test]
pub(super) fn a_heartbeat_extends_what_is_held_tells_what_is_lost_and_frees_what_was_forgotten() {
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
        assert_eq!(beat(std::slice::from_ref(&ann.lease)).await, [], "twice is as once");
        assert_eq!(bed.state_of("bob").await, "ready");
        assert_eq!(bed.lane("bob").await.crashes, 0, "nobody has died");
        assert_eq!(beat(&[ann.lease.clone(), bob.lease.clone(), other.lease.clone()]).await, [bob.lease, other.lease]);
        bed.pass(LEASE - 1);
        assert_eq!(bed.state_of("ann").await, "leased");
        let claimed = [bed.claim().await, bed.claim().await].map(|claimed| claimed.lease.external_ref);
        assert_eq!(claimed, [lead("bob"), lead("carl")], "the other worker's lease has ended");
        assert_eq!(bed.begin(&ann).await, Fenced::Done, "the first one's was extended");
    });
}

#[test]
pub(super) fn a_stray_with_an_open_intent_is_searched_for_again() {
    on_every_backend(async |bed: Bed| {
        bed.doubt("ann", "1").await;
        let Claim::Lane(_unheard) = bed.store.claim(&me(), bed.now()).await.unwrap() else { panic!("a lane is ready") };
        bed.pass(5);
        assert_eq!(bed.store.heartbeat(&me(), &[], bed.now()).await.unwrap(), []);
        assert!(bed.claim().await.intent.is_some());
    });
}

#[test]
pub(super) fn what_was_said_of_a_permit_twice_is_as_once() {
    on_every_backend(async |bed: Bed| {
        bed.arrive("ann", "1").await;
        let Claim::Lane(claimed) = bed.store.claim(&me(), bed.now()).await.unwrap() else { panic!("a lane is ready") };
        let throttled = RateHeaders { limit: Some(9), throttled: true, ..RateHeaders::default() };
        for _ in 0..2 {
            bed.store.observe(claimed.permit, Observation::Answered(throttled), bed.now()).await.unwrap();
            let limiter = bed.stats().await.limiter;
            assert_eq!((limiter.limit, limiter.in_use, limiter.blocked_until), (Some(9), 1, Some(bed.after(10))));
        }
        for _ in 0..2 {
            bed.store.observe(claimed.permit, Observation::Unsent, bed.now()).await.unwrap();
            assert_eq!(bed.stats().await.limiter.in_use, 0);
        }
    });
}

#[test]
pub(super) fn pausing_and_resuming_twice_is_as_once() {
    on_every_backend(async |bed: Bed| {
        let since = bed.now();
        bed.store.pause(PauseReason::Unauthorized, bed.now()).await.unwrap();
        bed.pass(7);
        bed.store.pause(PauseReason::Unauthorized, bed.now()).await.unwrap();
        assert_eq!(bed.stats().await.paused, Some((PauseReason::Unauthorized, since)));
        for _ in 0..2 {
            bed.store.resume(Some(1), bed.now()).await.unwrap();
            assert_eq!(bed.stats().await.paused, None);
        }
    });
}

#[test]
pub(super) fn moving_events_twice_moves_them_once() {
    on_every_backend(async |bed: Bed| {
        bed.kill("ann", "1").await;
        bed.arrive_as(held("bob", "2")).await;
        bed.arrive_as(held("carl", "3")).await;
        bed.spoil("{broken").await;
        let one = Moved { count: 1, more: false };
        assert_eq!([bed.replay(&ids(&["1"])).await, bed.replay(&ids(&["1"])).await], [one, Moved::default()]);
        assert_eq!([bed.release(&ids(&["2"])).await, bed.release(&ids(&["2"])).await], [one, Moved::default()]);
        let discard = async || bed.store.discard(EventState::Withheld, &everything(), 9, bed.now()).await.unwrap();
        assert_eq!([discard().await, discard().await], [one, Moved::default()]);
        assert_eq!([bed.replay(&everything()).await, bed.replay(&everything()).await], [one, Moved::default()]);
        assert_eq!((bed.stats().await.inbox, bed.count(EventState::Pending).await), (1, 2));
    });
}

#[test]
pub(super) fn forgetting_twice_forgets_once() {
    on_every_backend(async |bed: Bed| {
        bed.create("ann", "1").await;
        bed.pass(30 * 24 * 3600);
        assert_eq!(bed.store.expire(9, bed.now()).await.unwrap(), 1);
        assert_eq!(bed.store.expire(9, bed.now()).await.unwrap(), 0);
        assert_eq!(bed.count(EventState::Delivered).await, 0);
    });
}

#[test]
pub(super) fn sources_that_were_on_are_remembered_once() {
    on_every_backend(async |bed: Bed| {
        let name = |name: &str| SourceName::parse(name).unwrap();
        bed.store.remember_sources(&[name("meta"), name("form")], bed.now()).await.unwrap();
        bed.store.remember_sources(&[name("form"), name("google")], bed.now()).await.unwrap();
        assert_eq!(bed.store.known_sources().await.unwrap(), [name("form"), name("google"), name("meta")]);
        assert_eq!(source(), name("form"));
    });
}

#[test]
pub(super) fn looking_changes_nothing() {
    on_every_backend(async |bed: Bed| {
        bed.kill("ann", "1").await;
        bed.doubt("bob", "2").await;
        bed.keep("unsorted").await;
        let before = (bed.stats().await, bed.list(None, Default::default()).await, bed.lane("bob").await);
        for _ in 0..2 {
            assert_eq!(super::flaws(bed.store.as_ref()).await, []);
            bed.store.unsorted(0, 9).await.unwrap();
        }
        assert_eq!((bed.stats().await, bed.list(None, Default::default()).await, bed.lane("bob").await), before);
    });
}

#[test]
pub(super) fn a_worker_that_dies_after_its_claim_leaves_nothing_to_search_for() {
    on_every_backend(async |bed: Bed| {
        let gone = bed.work("ann", "1").await;
        bed.pass(LEASE);
        let again = bed.claim_by(&WorkerId("next".into())).await;
        assert_eq!((bodies(&again), again.intent, bed.lane("ann").await.crashes), (bodies(&gone), None, 1));
    });
}

#[test]
pub(super) fn a_worker_that_dies_after_its_intent_leaves_a_search() {
    on_every_backend(async |bed: Bed| {
        let gone = bed.work("ann", "1").await;
        assert_eq!(bed.begin(&gone).await, Fenced::Done);
        bed.pass(LEASE);
        let search = bed.claim_by(&WorkerId("next".into())).await;
        assert_eq!(search.intent.map(|intent| (intent.fence, intent.upto)), Some((gone.lease.fence, upto(&gone))));
        assert_eq!(bed.begin(&search).await, Fenced::Stale);
        // It was made all the same, and the first worker knew: too late.
        assert_eq!(bed.settle(&gone, done("L", upto(&gone))).await, Fenced::Stale);
        bed.end(&search, done("L", upto(&gone))).await;
        assert_eq!((bed.state_of("ann").await, bed.lane("ann").await.intent), ("idle", None));
    });
}

#[test]
pub(super) fn a_worker_that_dies_in_an_update_leaves_it_to_be_done_again() {
    on_every_backend(async |bed: Bed| {
        bed.create("ann", "1").await;
        let gone = bed.work("ann", "2").await;
        bed.pass(LEASE);
        assert!(bed.nothing().await.is_some(), "an update that it sent may still land");
        bed.pass(Options::default().late_update.as_secs());
        let again = bed.claim_by(&WorkerId("next".into())).await;
        assert_eq!((bodies(&again), again.intent, again.lead_id), (bodies(&gone), None, gone.lead_id));
    });
}

#[test]
pub(super) fn a_sort_whose_answer_was_lost_is_not_done_again() {
    on_every_backend(async |bed: Bed| {
        bed.keep("webhook").await;
        let place = bed.store.unsorted(0, 1).await.unwrap()[0].place;
        let sorted = || vec![Sorted { split: Ok(vec![item("ann", "1")]), ..unreadable(place) }];
        assert_eq!(bed.store.sort(sorted(), bed.now()).await.unwrap().new, 1);
        assert_eq!(bed.store.sort(sorted(), bed.now()).await.unwrap(), SortCount::default());
        assert_eq!(bed.store.sort(vec![unreadable(place)], bed.now()).await.unwrap(), SortCount::default());
        assert_eq!((bed.count(EventState::Pending).await, bed.count(EventState::Dead).await), (1, 0));
    });
}
