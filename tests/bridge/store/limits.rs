//! The limiter and the pause, as a claim meets them.

use std::time::Duration;

use konektor_bridge::store::{Claim, Claimed, Observation, Outcome, PauseReason, PermitGrant, RateHeaders, Settlement};

use super::{Bed, me, on_every_backend};

fn answered(limit: u32) -> Observation {
    Observation::Answered(RateHeaders { limit: Some(limit), remaining: Some(limit), ..RateHeaders::default() })
}

async fn claim(bed: &Bed) -> Result<Claimed, Option<jiff::Timestamp>> {
    match bed.store.claim(&me(), bed.now()).await.unwrap() {
        Claim::Lane(claimed) => Ok(*claimed),
        Claim::Nothing(until) => Err(until),
        Claim::Probe(probe) => panic!("not paused, but {probe:?}"),
        Claim::Chore(_, chore) => panic!("nothing is to be looked up, but {chore:?}"),
    }
}

async fn leads(bed: &Bed, count: usize) {
    for number in 0..count {
        bed.arrive(&format!("lead {number}"), &number.to_string()).await;
    }
}

#[test]
pub(super) fn the_first_call_goes_alone_and_its_answer_lets_the_others_go() {
    on_every_backend(async |bed: Bed| {
        leads(&bed, 4).await;
        let first = claim(&bed).await.unwrap();
        assert!(claim(&bed).await.is_err());
        assert_eq!(bed.stats().await.limiter.limit, None);
        bed.store.observe(first.permit, answered(3), bed.now()).await.unwrap();
        bed.store.lanes_changed().await;
        assert_eq!(bed.stats().await.limiter.limit, Some(3));
        claim(&bed).await.unwrap();
        claim(&bed).await.unwrap();
        assert_eq!(bed.stats().await.limiter.in_use, 3);
        let lease_ends = bed.now() + Duration::from_secs(30);
        assert_eq!(claim(&bed).await.unwrap_err(), Some(lease_ends));
        bed.pass(29);
        bed.store.heartbeat(&me(), &[], bed.now()).await.unwrap();
        assert!(claim(&bed).await.is_err(), "lanes are free, but the limit is used up");
        bed.pass(31);
        claim(&bed).await.unwrap();
    });
}

#[test]
pub(super) fn a_permit_that_was_not_used_is_given_back() {
    on_every_backend(async |bed: Bed| {
        leads(&bed, 3).await;
        let first = claim(&bed).await.unwrap();
        bed.store.observe(first.permit, answered(2), bed.now()).await.unwrap();
        let second = claim(&bed).await.unwrap();
        assert!(claim(&bed).await.is_err());
        bed.store.observe(second.permit, Observation::Unsent, bed.now()).await.unwrap();
        claim(&bed).await.unwrap();
    });
}

#[test]
pub(super) fn one_lease_may_take_one_more_permit() {
    on_every_backend(async |bed: Bed| {
        leads(&bed, 1).await;
        let claimed = claim(&bed).await.unwrap();
        bed.store.observe(claimed.permit, answered(2), bed.now()).await.unwrap();
        let more = bed.store.permit(&claimed.lease, None, bed.now()).await.unwrap();
        assert!(matches!(more, PermitGrant::Granted(permit) if permit != claimed.permit), "{more:?}");
        let none = bed.store.permit(&claimed.lease, None, bed.now()).await.unwrap();
        assert_eq!(none, PermitGrant::NotBefore(bed.now() + Duration::from_secs(60)));
    });
}

#[test]
pub(super) fn a_429_stops_all_claims_until_it_is_over() {
    on_every_backend(async |bed: Bed| {
        leads(&bed, 2).await;
        let claimed = claim(&bed).await.unwrap();
        let retry_after = Some(Duration::from_secs(17));
        let headers = RateHeaders { limit: Some(60), throttled: true, retry_after, ..RateHeaders::default() };
        bed.store.observe(claimed.permit, Observation::Answered(headers), bed.now()).await.unwrap();
        let until = bed.now() + Duration::from_secs(17);
        let settlement = Settlement::from(Outcome::Release { at: until });
        let _ = bed.store.settle(&claimed.lease, settlement, bed.now()).await.unwrap();
        assert_eq!(claim(&bed).await.unwrap_err(), Some(until));
        assert_eq!(bed.stats().await.limiter.blocked_until, Some(until));
        bed.pass(17);
        claim(&bed).await.unwrap();
        claim(&bed).await.unwrap();
    });
}

#[test]
pub(super) fn a_pause_stops_claims_and_further_calls_and_one_probe_at_a_time_goes_out() {
    on_every_backend(async |bed: Bed| {
        leads(&bed, 2).await;
        let claimed = claim(&bed).await.unwrap();
        bed.store.observe(claimed.permit, answered(60), bed.now()).await.unwrap();
        bed.store.pause(PauseReason::Unauthorized, bed.now()).await.unwrap();
        assert_eq!(bed.stats().await.paused, Some((PauseReason::Unauthorized, bed.now())));
        let next = bed.now() + Duration::from_secs(30);
        assert_eq!(bed.nothing().await, Some(next));
        let more = bed.store.permit(&claimed.lease, None, bed.now()).await.unwrap();
        assert_eq!(more, PermitGrant::Paused);
        bed.arrive("another", "another").await;
        bed.pass(30);
        let Claim::Probe(probe) = bed.store.claim(&me(), bed.now()).await.unwrap() else { panic!("no probe") };
        assert_eq!(probe.why, PauseReason::Unauthorized);
        assert_eq!(bed.nothing().await, Some(bed.now() + Duration::from_secs(60)));
        bed.store.resume(Some(probe.generation + 1), bed.now()).await.unwrap();
        assert!(bed.stats().await.paused.is_some());
        bed.store.resume(Some(probe.generation), bed.now()).await.unwrap();
        assert_eq!(bed.stats().await.paused, None);
        claim(&bed).await.unwrap();
    });
}

#[test]
pub(super) fn what_a_person_stopped_only_a_person_starts() {
    on_every_backend(async |bed: Bed| {
        leads(&bed, 1).await;
        bed.store.pause(PauseReason::Operator, bed.now()).await.unwrap();
        bed.store.pause(PauseReason::Forbidden, bed.now()).await.unwrap();
        bed.pass(9999);
        assert_eq!(bed.nothing().await, None);
        bed.store.resume(None, bed.now()).await.unwrap();
        bed.store.lanes_changed().await;
        claim(&bed).await.unwrap();
    });
}
