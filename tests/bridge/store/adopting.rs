//! A lead that was found by its code, and that an update without an answer may have made a lane's own: the lane knows which one it
//! is, until it has a lead, or that is known not to be it.

use konektor_bridge::domain::event::Item;
use konektor_bridge::domain::lead::LeadId;
use konektor_bridge::store::{Adopting, Claimed, EventState, Named, Observation, Outcome, PermitGrant};

use super::{Bed, bodies, dead, done, everything, item, lead, on_every_backend, upto};

/// How long a lease lasts, and how long after its end an update may still land, in seconds.
const LEASE: u64 = 30;
const LATE: u64 = 23;

fn named(phone: &str) -> Named {
    Named { phone: Some(phone.to_owned()), ..Named::default() }
}

fn visitor() -> Adopting {
    let shown = Named { first_name: Some("Visitor [KNK-1]".to_owned()), ..Named::default() };
    Adopting { lead_id: LeadId("visitor".to_owned()), shown, sent: named("+628120001") }
}

impl Bed {
    async fn may_call(&self, claimed: &Claimed, adopting: Option<Adopting>) -> PermitGrant {
        self.store.permit(&claimed.lease, adopting, self.now()).await.unwrap()
    }

    /// An update of the visitor's lead is about to be sent under the lease of `claimed`.
    async fn adopts(&self, claimed: &Claimed) {
        let grant = self.may_call(claimed, Some(visitor())).await;
        let PermitGrant::Granted(permit) = grant else { panic!("{grant:?}") };
        self.store.observe(permit, Observation::Unsent, self.now()).await.unwrap();
    }

    async fn adopted(&self, of: &str) -> Option<LeadId> {
        self.lane(of).await.adopting
    }

    /// Ends an attempt that has got no answer, and claims the lane again.
    async fn again(&self, claimed: &Claimed) -> Claimed {
        self.end(claimed, Outcome::Retry { at: self.now(), counted: true }).await;
        self.claim().await
    }
}

#[test]
pub(super) fn a_lead_that_may_have_been_made_its_own_is_told_with_each_claim_until_the_lane_has_one() {
    on_every_backend(async |bed| {
        let first = bed.work("ann", "1").await;
        assert_eq!(first.adopting, None);
        bed.adopts(&first).await;
        assert_eq!(bed.adopted("ann").await, Some(visitor().lead_id));
        let second = bed.again(&first).await;
        assert_eq!(second.adopting, Some(visitor()), "with whom it names");
        bed.adopts(&second).await;
        let third = bed.again(&second).await;
        assert_eq!(third.adopting, Some(visitor()), "also where no other call was made");
        let other = Adopting { sent: named("+628120002"), shown: visitor().sent, ..visitor() };
        assert!(matches!(bed.may_call(&third, Some(other.clone())).await, PermitGrant::Granted(_)));
        let fourth = bed.again(&third).await;
        assert_eq!(fourth.adopting, Some(other), "another update of it");
        bed.end(&fourth, done("visitor", upto(&fourth))).await;
        let lane = bed.lane("ann").await;
        assert_eq!((lane.lead_id, lane.adopting), (Some(visitor().lead_id), None));
        bed.arrive("ann", "2").await;
        assert_eq!(bed.claim().await.adopting, None);
    });
}

#[test]
pub(super) fn a_lead_that_is_another_persons_is_forgotten_with_the_next_call() {
    on_every_backend(async |bed| {
        let first = bed.work("ann", "1").await;
        bed.adopts(&first).await;
        let second = bed.again(&first).await;
        assert!(matches!(bed.may_call(&second, None).await, PermitGrant::Granted(_)));
        assert_eq!(bed.adopted("ann").await, None);
        assert_eq!(bed.again(&second).await.adopting, None);
    });
}

#[test]
pub(super) fn who_has_lost_the_lease_or_may_not_call_makes_no_lead_a_lanes_own() {
    on_every_backend(async |bed| {
        let lost = bed.work("ann", "1").await;
        bed.pass(LEASE);
        let held = bed.claim().await;
        assert_eq!(bed.may_call(&lost, Some(visitor())).await, PermitGrant::Stale);
        bed.store.pause(konektor_bridge::store::PauseReason::Operator, bed.now()).await.unwrap();
        assert_eq!(bed.may_call(&held, Some(visitor())).await, PermitGrant::Paused);
        assert_eq!(bed.adopted("ann").await, None);
        bed.store.resume(None, bed.now()).await.unwrap();
        bed.end(&held, done("L", upto(&held))).await;
        let known = {
            bed.arrive("ann", "2").await;
            bed.claim().await
        };
        assert!(matches!(bed.may_call(&known, Some(visitor())).await, PermitGrant::Granted(_)));
        assert_eq!(bed.adopted("ann").await, None, "it has a lead");
    });
}

#[test]
pub(super) fn what_was_adopted_stays_so_when_the_worker_is_lost_and_when_all_of_it_is_given_up() {
    on_every_backend(async |bed| {
        bed.adopts(&bed.work("ann", "1").await).await;
        bed.pass(LEASE + LATE);
        let after_the_loss = bed.claim().await;
        assert_eq!(after_the_loss.adopting, Some(visitor()));
        bed.end(&after_the_loss, dead(&after_the_loss)).await;
        bed.replay(&everything()).await;
        let replayed = bed.claim().await;
        assert_eq!(replayed.adopting, Some(visitor()));
        bed.end(&replayed, dead(&replayed)).await;
        bed.store.discard(EventState::Dead, &everything(), 9, bed.now()).await.unwrap();
        assert_eq!(bed.state_of("ann").await, "idle");
        let adopting = bed.work("ann", "2").await.adopting.expect("the update may have been made");
        assert_eq!(adopting.lead_id, visitor().lead_id);
        assert_eq!(adopting.named(), [&Named::default(); 2], "who it was went with the events");
    });
}

#[test]
pub(super) fn a_lane_that_may_have_adopted_a_lead_is_looked_for_when_it_was_forgotten() {
    on_every_backend(async |bed| {
        let claimed = bed.work("ann", "1").await;
        bed.adopts(&claimed).await;
        bed.end(&claimed, dead(&claimed)).await;
        bed.store.discard(EventState::Dead, &everything(), 9, bed.now()).await.unwrap();
        bed.pass(500 * 24 * 3600);
        bed.store.expire(9, bed.now()).await.unwrap();
        let later = bed.work("ann", "2").await;
        assert_eq!((later.adopting, later.search_first), (None, true));
    });
}

#[test]
pub(super) fn a_lane_that_may_have_adopted_a_lead_comes_to_no_other_and_a_person_is_told() {
    on_every_backend(async |bed| {
        let old = bed.work("old", "1").await;
        bed.end(&old, Outcome::Release { at: bed.after(3600) }).await;
        let ann = bed.work("ann", "2").await;
        bed.adopts(&ann).await;
        bed.end(&ann, Outcome::Release { at: bed.now() }).await;
        let count = bed.arrive_as(Item { aliases: vec![lead("ann")], ..item("old", "3") }).await;
        assert_eq!((count.new, count.incidents), (1, 1));
        assert_eq!(bed.store.incidents(9).await.unwrap()[0].twins, [lead("ann")]);
        let ann = bed.claim().await;
        assert_eq!((bodies(&ann), ann.follows), (vec!["2".to_owned()], None));
    });
}
