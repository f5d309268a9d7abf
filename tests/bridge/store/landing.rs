//! What comes while a lane is worked on, and what may still land when its worker is lost: nothing is buried unseen, and no
//! older word comes after a newer one.

use std::time::Duration;

use konektor_bridge::domain::lead::LeadId;
use konektor_bridge::store::{
    Claimed, EventState, Fenced, Intent, Learned, Observation, Options, Outcome, PermitGrant, Settlement,
};

use super::{Bed, bodies, dead, done, everything, lead, on_every_backend, upto};

/// How long a lease lasts, and how long after its end an update may still land, in seconds.
const LEASE: u64 = 30;
const LATE: u64 = 23;
/// The fifth worker that is lost within a day is the last.
const WORKERS: usize = 5;

impl Bed {
    /// One more call under the lease of `claimed`.
    async fn call(&self, claimed: &Claimed) {
        let grant = self.store.permit(&claimed.lease, None, self.now()).await.unwrap();
        let PermitGrant::Granted(permit) = grant else { panic!("{grant:?}") };
        self.store.observe(permit, Observation::Unsent, self.now()).await.unwrap();
    }

    /// A lead that is known, with an update that comes in as `name` and is claimed.
    async fn update(&self, of: &str, name: &str) -> Claimed {
        self.arrive(of, name).await;
        self.pass(2);
        self.claim().await
    }

    /// Lanes `ann` and `bob`, which know the same lead.
    async fn two_of_one_lead(&self) {
        for name in ["ann", "bob"] {
            let claimed = self.work(name, &format!("1 of {name}")).await;
            self.deliver(&claimed).await;
        }
    }
}

#[test]
fn the_times_of_these_cases_are_those_of_the_store() {
    let options = Options::default();
    assert_eq!((options.lease, options.late_update), (Duration::from_secs(LEASE), Duration::from_secs(LATE)));
}

#[test]
pub(super) fn an_event_that_comes_while_the_create_is_refused_is_not_buried_with_it() {
    on_every_backend(async |bed| {
        let claimed = bed.work("ann", "1").await;
        assert_eq!(bed.begin(&claimed).await, Fenced::Done);
        bed.arrive("ann", "2").await;
        bed.end(&claimed, dead(&claimed)).await;
        assert_eq!((bed.count(EventState::Dead).await, bed.lane("ann").await.intent), (0, None));
        let both = bed.claim().await;
        assert_eq!(
            (bodies(&both), both.attempts),
            (vec!["1".to_owned(), "2".to_owned()], 0),
            "it may be the correction"
        );
        bed.end(&both, dead(&both)).await;
        assert_eq!((bed.count(EventState::Dead).await, bed.state_of("ann").await), (2, "dead"));
    });
}

#[test]
fn what_a_person_releases_while_the_create_is_refused_is_not_buried_with_it_either() {
    on_every_backend(async |bed| {
        bed.arrive_as(super::held("ann", "0")).await;
        let claimed = bed.work("ann", "1").await;
        assert_eq!(bed.release(&everything()).await.count, 1);
        bed.end(&claimed, dead(&claimed)).await;
        assert_eq!(bodies(&bed.claim().await), ["0", "1"]);
    });
}

#[test]
fn an_older_create_that_is_in_doubt_stays_so_when_something_comes_while_it_is_given_up() {
    on_every_backend(async |bed| {
        let created = bed.doubt("ann", "1").await;
        let search = bed.claim().await;
        bed.arrive("ann", "2").await;
        bed.end(&search, dead(&search)).await;
        let again = bed.claim().await;
        assert_eq!(bodies(&again), ["1", "2"]);
        assert_eq!(again.intent.map(|intent| intent.fence), Some(created.lease.fence), "it is searched for first");
    });
}

#[test]
fn an_event_that_comes_under_the_last_of_the_lost_workers_is_seen_by_another() {
    on_every_backend(async |bed| {
        bed.arrive("ann", "1").await;
        for worker in 1..=WORKERS {
            let claimed = bed.claim().await;
            assert_eq!(bodies(&claimed), ["1"]);
            if worker == WORKERS {
                bed.arrive("ann", "2").await;
            }
            bed.pass(LEASE);
        }
        assert_eq!(bodies(&bed.claim().await), ["1", "2"]);
        assert_eq!(bed.lane("ann").await.crashes, 0, "it is as good as new");
    });
}

#[test]
pub(super) fn after_the_last_lost_worker_of_an_update_the_next_one_waits_until_its_own_cannot_land() {
    on_every_backend(async |bed| {
        bed.create("ann", "1").await;
        bed.create("bob", "2").await;
        for name in ["ann", "bob"] {
            bed.arrive(name, &format!("old of {name}")).await;
        }
        bed.pass(2);
        for worker in 1..=WORKERS {
            let (one, other) = (bed.claim().await, bed.claim().await);
            assert_eq!([bodies(&one), bodies(&other)], [["old of ann"], ["old of bob"]]);
            if worker == WORKERS {
                bed.arrive("ann", "new of ann").await;
            }
            bed.pass(LEASE);
            assert_eq!(bed.nothing().await, Some(bed.after(LATE)), "what they sent may still land");
            if worker < WORKERS {
                bed.pass(LATE);
            }
        }
        assert_eq!(bed.count(EventState::Dead).await, 2, "what was in their hands");
        assert_eq!((bed.state_of("ann").await, bed.state_of("bob").await), ("waiting", "idle"));
        bed.arrive("bob", "new of bob").await;
        assert_eq!(bed.nothing().await, Some(bed.after(LATE)));
        bed.pass(LATE);
        let next = [bodies(&bed.claim().await), bodies(&bed.claim().await)];
        assert_eq!(next, [["new of ann"], ["new of bob"]]);
    });
}

#[test]
fn what_is_put_back_waits_until_nothing_can_land_too() {
    on_every_backend(async |bed| {
        bed.create("ann", "1").await;
        let mut claimed = bed.update("ann", "2").await;
        for worker in 1..=WORKERS {
            bed.pass(LEASE);
            assert_eq!(bed.nothing().await, Some(bed.after(LATE)).filter(|_| worker < WORKERS));
            if worker < WORKERS {
                bed.pass(LATE);
                claimed = bed.claim().await;
            }
        }
        assert_eq!(bodies(&claimed), ["2"]);
        bed.replay(&everything()).await;
        assert_eq!(bed.nothing().await, Some(bed.after(LATE)));
        bed.pass(LATE);
        assert_eq!(bodies(&bed.claim().await), ["2"]);
    });
}

#[test]
pub(super) fn a_lost_worker_that_may_have_written_into_a_lead_that_it_found_is_waited_for() {
    on_every_backend(async |bed| {
        bed.arrive("ann", "1").await;
        let _claimed = bed.claim().await;
        bed.pass(LEASE);
        let second = bed.claim().await;
        assert_eq!(bodies(&second), ["1"], "a single call was a search at most");
        bed.call(&second).await;
        bed.pass(LEASE);
        assert_eq!(bed.nothing().await, Some(bed.after(LATE)), "the second may have been an update");
        bed.pass(LATE);
        let third = bed.claim().await;
        assert_eq!(bodies(&third), ["1"]);
        bed.call(&third).await;
        bed.end(&third, Outcome::Release { at: bed.now() }).await;
        let fourth = bed.claim().await;
        bed.pass(LEASE);
        assert_eq!(bodies(&bed.claim().await), bodies(&fourth), "each lease has its own calls");
    });
}

#[test]
pub(super) fn of_two_lanes_of_one_lead_one_is_worked_on_at_a_time() {
    on_every_backend(async |bed| {
        bed.two_of_one_lead().await;
        bed.arrive("ann", "2").await;
        bed.arrive("bob", "3").await;
        bed.arrive("cid", "4").await;
        bed.pass(2);
        let others = bed.claim().await;
        assert_eq!(bodies(&others), ["4"], "it is new");
        let first = bed.claim().await;
        assert_eq!(bodies(&first), ["2"]);
        assert_eq!(bed.nothing().await, Some(bed.after(2)), "a look every two seconds");
        bed.pass(2);
        assert_eq!(bed.nothing().await, Some(bed.after(2)));
        bed.deliver(&first).await;
        bed.pass(2);
        let second = bed.claim().await;
        assert_eq!((bodies(&second), second.lead_id.clone()), (vec!["3".to_owned()], Some(LeadId("L".into()))));
        bed.end(&others, done("other", upto(&others))).await;
        bed.arrive("cid", "5").await;
        bed.pass(2);
        assert_eq!(bodies(&bed.claim().await), ["5"], "another lead");
    });
}

#[test]
fn a_lane_waits_for_what_the_lost_worker_of_another_may_have_sent_to_its_lead() {
    on_every_backend(async |bed| {
        bed.two_of_one_lead().await;
        let lost = bed.update("ann", "2").await;
        bed.pass(LEASE);
        bed.arrive("bob", "3").await;
        bed.pass(2);
        assert_eq!(bed.nothing().await, Some(bed.after(LATE - 2)));
        assert_eq!(bed.state_of("bob").await, "waiting");
        bed.pass(LATE - 2);
        assert_eq!(bodies(&bed.claim().await), bodies(&lost), "the older one goes first");
        assert_eq!(bed.nothing().await, Some(bed.after(2)));
    });
}

#[test]
fn a_lane_that_was_waited_for_in_vain_comes_to_the_lead_of_the_other() {
    on_every_backend(async |bed| {
        bed.kill("number", "1").await;
        let twin = async |claimed: &Claimed| {
            let learned = Learned { twin: Some(lead("number")), ..Learned::default() };
            let settlement = Settlement { learned, ..done("L", upto(claimed)).into() };
            assert_eq!(bed.store.settle(&claimed.lease, settlement, bed.now()).await.unwrap(), Fenced::Done);
        };
        twin(&bed.work("user", "2").await).await;
        assert_eq!(bed.store.incidents(9).await.unwrap(), []);
        bed.replay(&everything()).await;
        let late = bed.claim().await;
        assert_eq!((bodies(&late), late.follows.clone()), (vec!["1".to_owned()], Some(lead("user"))));
        bed.end(&late, done("L", Intent::NOTHING)).await;
        assert_eq!(bed.lane("number").await.lead_id, Some(LeadId("L".into())));
        twin(&bed.work("other", "3").await).await;
        assert_eq!(bed.store.incidents(9).await.unwrap(), [], "they have come to one lead");
        let another = bed.work("another", "5").await;
        let learned = Learned { twin: Some(lead("number")), ..Learned::default() };
        let settlement = Settlement { learned, ..done("M", upto(&another)).into() };
        assert_eq!(bed.store.settle(&another.lease, settlement, bed.now()).await.unwrap(), Fenced::Done);
        let incident = bed.store.incidents(9).await.unwrap().remove(0);
        assert_eq!((incident.external_ref, incident.twins), (lead("another"), vec![lead("number")]), "it has one");
    });
}

/// An update that was sent at `at`, got no answer and may land for so long.
fn unanswered(bed: &Bed, outcome: Outcome) -> Settlement {
    let learned = Learned { lands: Some(bed.after(LATE)), ..Learned::default() };
    Settlement { learned, ..outcome.into() }
}

#[test]
pub(super) fn no_lane_of_a_lead_is_worked_on_while_an_update_that_got_no_answer_may_land() {
    on_every_backend(async |bed| {
        bed.two_of_one_lead().await;
        let sent = bed.update("ann", "2").await;
        let again = Outcome::Retry { at: bed.after(1), counted: true };
        assert_eq!(bed.store.settle(&sent.lease, unanswered(&bed, again), bed.now()).await.unwrap(), Fenced::Done);
        bed.arrive("bob", "3").await;
        bed.pass(2);
        assert_eq!(bed.nothing().await, Some(bed.after(LATE - 2)), "neither of them");
        bed.pass(LATE - 2);
        let next = bed.claim().await;
        assert_eq!(bodies(&next), ["2"], "the older one goes first");
        bed.deliver(&next).await;
        bed.pass(2);
        assert_eq!(bodies(&bed.claim().await), ["3"], "it has landed, or never will");
    });
}

#[test]
pub(super) fn what_comes_after_an_update_that_was_given_up_waits_until_that_cannot_land() {
    on_every_backend(async |bed| {
        bed.two_of_one_lead().await;
        let sent = bed.update("ann", "2").await;
        let given_up = unanswered(&bed, dead(&sent).clone());
        assert_eq!(bed.store.settle(&sent.lease, given_up, bed.now()).await.unwrap(), Fenced::Done);
        assert_eq!(bed.count(EventState::Dead).await, 1);
        bed.arrive("ann", "3").await;
        bed.arrive("bob", "4").await;
        bed.pass(2);
        assert_eq!(bed.nothing().await, Some(bed.after(LATE - 2)));
        bed.pass(LATE - 2);
        assert_eq!(bodies(&bed.claim().await), ["3"]);
    });
}
