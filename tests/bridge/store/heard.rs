//! Lanes that know the same lead: each hears what the others have told it, so that no older word comes after a newer one.

use konektor_bridge::domain::lead::{Field, LeadId};
use konektor_bridge::store::{Claimed, Fenced, Learned, Outcome, Settlement, Word, Words};

use super::{Bed, bodies, done, lead, on_every_backend, upto};

/// As many as a lane hears at most.
const HEARD: u64 = 100;

fn word(field: Field, seq: u64) -> Words {
    Words::of([field], Word { seq, at: None })
}

impl Bed {
    /// Ends an attempt that has told the lead `id` this.
    async fn tell(&self, claimed: &Claimed, id: &str, told: &Words) {
        let learned = Learned { told: told.clone(), ..Learned::default() };
        let settlement = Settlement { learned, ..done(id, upto(claimed)).into() };
        assert_eq!(self.store.settle(&claimed.lease, settlement, self.now()).await.unwrap(), Fenced::Done);
    }

    /// A lane called `name` comes to the lead `id`, and tells it this.
    async fn come(&self, name: &str, id: &str, told: &Words) {
        let claimed = self.work(name, &format!("{name} comes")).await;
        self.tell(&claimed, id, told).await;
        self.pass(1);
    }

    /// A lane that knows its lead has more to say, and is claimed.
    async fn more(&self, name: &str) -> Claimed {
        self.arrive(name, &format!("{name} at {}", self.now())).await;
        self.pass(2);
        let claimed = self.claim().await;
        assert_eq!(claimed.lease.external_ref, lead(name));
        claimed
    }
}

#[test]
pub(super) fn each_lane_of_a_lead_hears_what_all_others_have_told_it() {
    on_every_backend(async |bed| {
        bed.come("ann", "L", &word(Field::Phone, 1)).await;
        bed.come("bob", "L", &word(Field::Phone, 9)).await;
        bed.come("cid", "L", &word(Field::Email, 2)).await;
        bed.come("dan", "M", &word(Field::Name, 3)).await;
        let mut all = word(Field::Phone, 9);
        all.hear(&word(Field::Email, 2));
        for name in ["ann", "bob", "cid"] {
            let claimed = bed.more(name).await;
            assert_eq!(claimed.told, all, "{name} hears the two others, and not who has another lead");
            assert_eq!(bed.lane(name).await.told, all, "it knows from then on");
            bed.tell(&claimed, "L", &Words::none()).await;
        }
        let claimed = bed.more("dan").await;
        assert_eq!(claimed.told, word(Field::Name, 3));
    });
}

#[test]
pub(super) fn what_was_told_while_a_lane_had_to_wait_is_heard_at_its_claim() {
    on_every_backend(async |bed| {
        bed.come("ann", "L", &word(Field::Phone, 1)).await;
        bed.come("bob", "L", &word(Field::Phone, 2)).await;
        let failed = bed.more("ann").await;
        bed.end(&failed, Outcome::Retry { at: bed.after(60), counted: true }).await;
        let newer = bed.more("bob").await;
        bed.tell(&newer, "L", &word(Field::Phone, upto(&newer))).await;
        bed.pass(60);
        let again = bed.claim().await;
        assert_eq!(bodies(&again), bodies(&failed));
        assert!(again.told.are_newer(Field::Phone, Word { seq: upto(&again), at: None }), "{:?}", again.told);
    });
}

#[test]
pub(super) fn a_lane_hears_those_of_the_lead_that_it_has_and_not_of_one_that_it_had() {
    on_every_backend(async |bed| {
        bed.come("ann", "L", &Words::none()).await;
        bed.come("bob", "L", &word(Field::Phone, 1)).await;
        bed.come("cid", "M", &word(Field::Email, 2)).await;
        // Its lead is gone, and it finds another one.
        let moves = bed.more("cid").await;
        bed.tell(&moves, "L", &Words::none()).await;
        let ann = bed.more("ann").await;
        assert_eq!(ann.told, {
            let mut all = word(Field::Phone, 1);
            all.hear(&word(Field::Email, 2));
            all
        });
        bed.tell(&ann, "M", &Words::none()).await;
        let bob = bed.more("bob").await;
        bed.tell(&bob, "L", &word(Field::Name, 7)).await;
        let ann = bed.more("ann").await;
        assert!(!ann.told.are_newer(Field::Name, Word { seq: 6, at: None }), "it has left that one: {:?}", ann.told);
    });
}

#[test]
pub(super) fn a_lane_that_is_forgotten_is_heard_no_more() {
    on_every_backend(async |bed| {
        bed.come("ann", "L", &word(Field::Phone, 1)).await;
        bed.pass(200 * 24 * 3600);
        bed.come("bob", "L", &word(Field::Email, 2)).await;
        bed.pass(201 * 24 * 3600);
        while bed.store.expire(99, bed.now()).await.unwrap() > 0 {}
        assert_eq!(bed.store.lane(&lead("ann")).await.unwrap(), None);
        let bob = bed.more("bob").await;
        assert_eq!((bob.told.clone(), bob.lead_id.clone()), (word(Field::Email, 2), Some(LeadId("L".into()))));
    });
}

#[test]
pub(super) fn of_very_many_lanes_of_one_lead_those_that_came_last_are_heard() {
    on_every_backend(async |bed| {
        bed.come("first", "L", &word(Field::Phone, 1)).await;
        bed.come("second", "L", &word(Field::Email, 2)).await;
        for number in 2..HEARD {
            bed.come(&format!("number {number}"), "L", &Words::none()).await;
        }
        bed.come("last but one", "L", &Words::none()).await;
        bed.come("last", "L", &Words::none()).await;
        let claimed = bed.more("last").await;
        assert_eq!(claimed.told, word(Field::Email, 2));
    });
}
