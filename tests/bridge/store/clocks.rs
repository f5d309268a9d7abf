//! Clocks that are wrong: callers that overtake each other, clocks that are set forward and back, and what time forgets.

use std::time::Duration;

use konektor_bridge::domain::event::Item;
use konektor_bridge::store::{EventState, Fenced, Observation, Options, Outcome, PauseReason, RateHeaders};

use super::{Bed, bodies, item, lead, me, on_every_backend, with_options};

const LEASE: u64 = 30;
const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

fn set_back(bed: &Bed, seconds: u64) {
    bed.now.set(bed.now() - Duration::from_secs(seconds));
}

#[test]
pub(super) fn a_caller_that_was_overtaken_does_not_bring_a_lease_back() {
    on_every_backend(async |bed: Bed| {
        let claimed = bed.work("ann", "1").await;
        bed.pass(LEASE);
        bed.stats().await;
        set_back(&bed, 20);
        assert_eq!(bed.begin(&claimed).await, Fenced::Stale);
        assert!(bed.claim().await.lease.fence > claimed.lease.fence);
    });
}

#[test]
pub(super) fn a_clock_that_is_set_back_holds_nothing_up() {
    on_every_backend(async |bed: Bed| {
        bed.arrive("ann", "1").await;
        bed.arrive("bob", "2").await;
        bed.arrive("carl", "3").await;
        let ann = bed.claim().await;
        bed.end(&ann, Outcome::Retry { at: bed.after(5), counted: true }).await;
        let bob = bed.claim().await;
        assert_eq!(bed.begin(&bob).await, Fenced::Done);
        let _carl = bed.claim().await;
        set_back(&bed, HOUR);
        assert_eq!(bed.nothing().await, Some(bed.after(5)), "as if no time had passed");
        assert_eq!(bed.lane("bob").await.intent.map(|intent| intent.at), Some(bed.now()));
        bed.pass(5);
        assert_eq!(bed.claim().await.lease.external_ref, lead("ann"));
        bed.pass(LEASE - 5);
        let order = [bed.claim().await, bed.claim().await].map(|claimed| claimed.lease.external_ref);
        assert_eq!(order, [lead("bob"), lead("carl")], "the leases have ended in their time");
    });
}

#[test]
fn workers_that_were_lost_before_a_clock_is_set_back_count_no_longer_than_a_day() {
    on_every_backend(async |bed: Bed| {
        bed.arrive("ann", "1").await;
        for _ in 0..4 {
            let _lost = bed.claim().await;
            bed.pass(LEASE);
        }
        let again = bed.claim().await;
        bed.end(&again, Outcome::Release { at: bed.now() }).await;
        set_back(&bed, DAY);
        let _lost = bed.claim().await;
        bed.pass(DAY + LEASE);
        assert_eq!(bodies(&bed.claim().await), ["1"], "the fifth was lost a day after the first");
    });
}

#[test]
pub(super) fn a_clock_that_is_set_back_does_not_hold_calls_up() {
    on_every_backend(async |bed: Bed| {
        bed.arrive("ann", "1").await;
        bed.arrive("bob", "2").await;
        let ann = bed.claim().await;
        let throttled = RateHeaders {
            limit: Some(1),
            throttled: true,
            retry_after: Some(Duration::from_secs(20)),
            ..RateHeaders::default()
        };
        bed.store.observe(ann.permit, Observation::Answered(throttled), bed.now()).await.unwrap();
        set_back(&bed, DAY);
        let blocked = bed.stats().await.limiter.blocked_until;
        assert_eq!(blocked, Some(bed.after(20)));
        bed.pass(60);
        assert_eq!(bed.claim().await.lease.external_ref, lead("ann"), "a lease was lost meanwhile");
    });
}

#[test]
pub(super) fn a_clock_that_is_set_back_does_not_put_off_a_probe() {
    on_every_backend(async |bed: Bed| {
        bed.store.pause(PauseReason::Unauthorized, bed.now()).await.unwrap();
        set_back(&bed, DAY);
        assert_eq!(bed.nothing().await, Some(bed.after(30)));
    });
}

#[test]
pub(super) fn a_clock_that_leaps_ahead_and_back_leaves_nothing_behind() {
    on_every_backend(async |bed: Bed| {
        bed.arrive("ann", "1").await;
        bed.pass(365 * DAY);
        let ann = bed.claim().await;
        bed.end(&ann, Outcome::Retry { at: bed.after(9), counted: true }).await;
        set_back(&bed, 365 * DAY);
        assert_eq!(bed.nothing().await, Some(bed.after(9)));
        bed.pass(9);
        let again = bed.claim().await;
        assert_eq!(bodies(&again), ["1"]);
        bed.deliver(&again).await;
        assert_eq!(bed.nothing().await, None);
    });
}

#[test]
pub(super) fn a_clock_that_leaps_ahead_ends_leases_and_the_fence_keeps_order() {
    on_every_backend(async |bed: Bed| {
        let old = bed.work("ann", "1").await;
        assert_eq!(bed.begin(&old).await, Fenced::Done);
        bed.pass(DAY);
        let search = bed.claim().await;
        assert!(search.intent.is_some(), "the POST may still be under way");
        assert_eq!(bed.settle(&old, Outcome::Release { at: bed.now() }).await, Fenced::Stale);
        assert_eq!(bed.store.heartbeat(&me(), &[], bed.now()).await.unwrap(), []);
        assert_eq!(bed.state_of("ann").await, "leased");
    });
}

#[test]
pub(super) fn an_update_whose_webhook_has_a_time_to_come_waits_no_longer_than_others() {
    on_every_backend(async |bed: Bed| {
        bed.create("ann", "0").await;
        bed.arrive("bob", "1").await;
        bed.pass(DAY);
        bed.keep("webhook").await;
        set_back(&bed, DAY);
        bed.sort(vec![item("ann", "2")]).await;
        assert_eq!(bed.lane("ann").await.due, Some(bed.after(2)));
    });
}

#[test]
pub(super) fn receipts_and_idle_lanes_are_forgotten_in_time_and_nothing_undelivered_is() {
    on_every_backend(async |bed: Bed| {
        bed.create("ann", "1").await;
        bed.create("bob", "2").await;
        bed.kill("carl", "3").await;
        bed.pass(30 * DAY - 1);
        assert_eq!(bed.store.expire(100, bed.now()).await.unwrap(), 0);
        bed.pass(1);
        assert_eq!(bed.store.expire(1, bed.now()).await.unwrap(), 1);
        assert_eq!(bed.store.expire(100, bed.now()).await.unwrap(), 1);
        assert!(bed.store.event(&super::event_id("1")).await.unwrap().is_none());
        assert!(bed.store.lane(&lead("ann")).await.unwrap().is_some());
        assert_eq!(bed.count(EventState::Delivered).await, 0);
        bed.pass(370 * DAY);
        assert_eq!(bed.store.expire(100, bed.now()).await.unwrap(), 2);
        assert!(bed.store.lane(&lead("ann")).await.unwrap().is_none());
        assert_eq!((bed.state_of("carl").await, bed.row("3").await.state), ("dead", EventState::Dead));
        bed.arrive("ann", "1").await;
    });
}

#[test]
pub(super) fn a_short_dedupe_time_does_not_shorten_the_receipt() {
    with_options(&Options::default(), async |bed: Bed| {
        bed.arrive_as(Item { same_within: Some(Duration::from_secs(60)), ..item("ann", "1") }).await;
        let claimed = bed.claim().await;
        bed.deliver(&claimed).await;
        bed.pass(DAY);
        assert_eq!(bed.store.expire(100, bed.now()).await.unwrap(), 0);
        assert_eq!(bed.row("1").await.state, EventState::Delivered);
    });
}
