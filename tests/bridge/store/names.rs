//! One person stays one lead: the names by which a person is known, and what becomes of two lanes of one person.

use konektor_bridge::domain::event::{Item, Lesson};
use konektor_bridge::domain::lead::LeadId;
use konektor_bridge::store::{EventState, Outcome, SortCount};

use super::{Bed, bodies, done, item, lead, on_every_backend, upto};

/// An event called `name` of the person who is `names`, the first of which would name a new lead.
fn known_as(names: &[&str], name: &str) -> Item {
    Item { aliases: names[1..].iter().map(|name| lead(name)).collect(), ..item(names[0], name) }
}

fn renamed(old: &[&str], new: &[&str]) -> Lesson {
    let refs = |names: &[&str]| names.iter().map(|name| lead(name)).collect();
    Lesson::Renamed { old: refs(old), new: refs(new) }
}

fn new(incidents: usize) -> SortCount {
    SortCount { new: 1, incidents, ..SortCount::default() }
}

impl Bed {
    async fn aliases(&self, of: &str) -> Vec<String> {
        self.lane(of).await.aliases.iter().map(ToString::to_string).collect()
    }

    /// Who the event called `name` is of.
    async fn owner(&self, name: &str) -> String {
        self.row(name).await.external_ref.expect("it was split").to_string()
    }
}

#[test]
pub(super) fn a_person_who_is_seen_by_another_name_stays_one_lead() {
    on_every_backend(async |bed| {
        bed.create("number", "1").await;
        assert_eq!(bed.arrive_as(known_as(&["user", "number"], "2")).await, new(0));
        assert_eq!(bed.arrive_as(known_as(&["user"], "3")).await, new(0));
        assert_eq!(bed.aliases("number").await, ["form:user"]);
        let claimed = bed.claim().await;
        assert_eq!(
            (bodies(&claimed), claimed.lease.external_ref.clone()),
            (vec!["2".into(), "3".into()], lead("number"))
        );
        assert_eq!(claimed.lead_id, Some(LeadId("id of number".into())));
        bed.deliver(&claimed).await;
        assert_eq!(bed.owner("3").await, "form:number");
        assert_eq!(bed.store.lane(&lead("user")).await.unwrap(), bed.store.lane(&lead("number")).await.unwrap());
        assert_eq!(bed.store.incidents(9).await.unwrap(), []);
    });
}

#[test]
pub(super) fn two_events_of_one_webhook_are_of_one_person_by_any_name_they_share() {
    on_every_backend(async |bed| {
        bed.keep("webhook").await;
        let items = vec![known_as(&["user", "number"], "1"), known_as(&["lid", "number"], "2"), item("other", "3")];
        bed.sort(items).await;
        assert_eq!(bodies(&bed.claim().await), ["1", "2"]);
        assert_eq!(bed.aliases("user").await, ["form:lid", "form:number"]);
        assert_eq!(bodies(&bed.claim().await), ["3"]);
    });
}

#[test]
pub(super) fn a_duplicate_teaches_no_names() {
    on_every_backend(async |bed| {
        bed.arrive("user", "1").await;
        let again = bed.arrive_as(known_as(&["user", "number"], "1")).await;
        assert_eq!(again, SortCount { duplicates: 1, ..SortCount::default() });
        assert_eq!(bed.aliases("user").await, Vec::<String>::new());
    });
}

#[test]
pub(super) fn of_two_lanes_of_one_person_the_older_goes_on_and_a_person_is_told() {
    on_every_backend(async |bed| {
        bed.create("number", "1").await;
        bed.create("user", "2").await;
        bed.arrive_as(known_as(&["user", "lid"], "3")).await;
        assert_eq!(bed.arrive_as(known_as(&["user", "number"], "4")).await, new(1));
        for (name, number) in [("user", "5"), ("lid", "6"), ("number", "7")] {
            assert_eq!(bed.arrive_as(known_as(&[name], number)).await, new(0), "{name}");
        }
        assert_eq!(bed.aliases("number").await, ["form:lid", "form:user"]);
        let incident = bed.store.incidents(9).await.unwrap().remove(0);
        assert_eq!((&incident.external_ref, &incident.twins), (&lead("number"), &vec![lead("user")]));
        assert_eq!(incident.lead_id, Some(LeadId("id of number".into())));
        assert_eq!(incident.doubles, [LeadId("id of user".into())]);
        // What the younger one holds is not lost: it goes on to its own lead.
        bed.pass(2);
        let (younger, older) = (bed.claim().await, bed.claim().await);
        assert_eq!((bodies(&younger), younger.lease.external_ref.clone()), (vec!["3".into()], lead("user")));
        assert_eq!(bodies(&older), ["4", "5", "6", "7"]);
        bed.deliver(&younger).await;
        bed.deliver(&older).await;
        assert_eq!(bed.count(EventState::Delivered).await, 7);
        assert_eq!(bed.store.dismiss(Some(&lead("number"))).await.unwrap(), 1);
        bed.arrive_as(known_as(&["user", "number"], "8")).await;
        assert_eq!(bed.store.incidents(9).await.unwrap(), [], "it was told once");
    });
}

#[test]
pub(super) fn a_lane_without_a_lead_follows_the_one_of_the_same_person_that_has_one_or_is_older() {
    on_every_backend(async |bed| {
        bed.arrive("number", "1").await;
        bed.arrive("user", "2").await;
        assert_eq!(bed.arrive_as(known_as(&["user", "number"], "3")).await, new(0));
        let (older, younger) = (bed.claim().await, bed.claim().await);
        assert_eq!((bodies(&older), &older.follows), (vec!["1".into(), "3".into()], &None));
        assert_eq!((bodies(&younger), &younger.follows), (vec!["2".into()], &Some(lead("number"))));
        bed.deliver(&older).await;
        bed.end(&younger, done("L", 0)).await;
        bed.pass(2);
        let update = bed.claim().await;
        assert_eq!(
            (bodies(&update), update.lead_id.clone(), &update.follows),
            (vec!["2".into()], Some(LeadId("L".into())), &None)
        );
        bed.deliver(&update).await;
        assert_eq!(bed.store.incidents(9).await.unwrap(), [], "they are one lead");

        bed.arrive("old", "4").await;
        bed.arrive("known", "5").await;
        let (old, known) = (bed.claim().await, bed.claim().await);
        bed.deliver(&known).await;
        bed.end(&old, Outcome::Release { at: bed.now() }).await;
        bed.arrive_as(known_as(&["known", "old"], "6")).await;
        let old = bed.claim().await;
        assert_eq!((bodies(&old), &old.follows), (vec!["4".into(), "6".into()], &Some(lead("known"))));
    });
}

#[test]
pub(super) fn twins_that_may_have_a_lead_each_are_told_by_their_references() {
    on_every_backend(async |bed| {
        let number = bed.work("number", "1").await;
        bed.doubt("user", "2").await;
        bed.end(&number, Outcome::Release { at: bed.now() }).await;
        bed.arrive_as(known_as(&["user", "number"], "3")).await;
        let incident = bed.store.incidents(9).await.unwrap().remove(0);
        assert_eq!((incident.lead_id, incident.doubles, incident.twins), (None, vec![], vec![lead("user")]));
        let claimed = bed.claim().await;
        assert_eq!(bodies(&claimed), ["1", "3"]);
        let mut settlement = konektor_bridge::store::Settlement::from(done("L", upto(&claimed)));
        settlement.learned.doubles = vec![LeadId("M".into())];
        let _ = bed.store.settle(&claimed.lease, settlement, bed.now()).await.unwrap();
        let incident = bed.store.incidents(9).await.unwrap().remove(0);
        assert_eq!((incident.doubles, incident.twins), (vec![LeadId("M".into())], vec![lead("user")]), "both are told");
    });
}

#[test]
pub(super) fn a_new_number_is_the_same_persons_and_the_old_one_is_nobodys() {
    on_every_backend(async |bed| {
        bed.create("number", "1").await;
        bed.arrive_as(known_as(&["user", "number"], "2")).await;
        assert_eq!(bed.teach(renamed(&["number"], &["new-number", "new-user"])).await.learned, 1);
        assert_eq!(bed.aliases("number").await, ["form:new-number", "form:new-user", "form:user"]);
        for (name, number) in [("new-number", "3"), ("user", "4")] {
            bed.arrive_as(known_as(&[name], number)).await;
            assert_eq!(bed.owner(number).await, "form:number", "{name}");
        }
        // Whoever has the old number now is somebody else.
        bed.arrive_as(known_as(&["stranger", "number"], "5")).await;
        assert_eq!(bed.owner("5").await, "form:stranger");
        assert_eq!(bed.teach(renamed(&["nobody"], &["somebody"])).await, SortCount::default());
    });
}

#[test]
pub(super) fn a_person_without_another_name_keeps_the_lead_that_is_called_so() {
    on_every_backend(async |bed| {
        bed.create("number", "1").await;
        bed.teach(renamed(&["number"], &["new-number"])).await;
        bed.arrive("number", "2").await;
        assert_eq!(bed.owner("2").await, "form:number", "a reference names one lead for ever");
        bed.arrive("new-number", "3").await;
        assert_eq!(bed.owner("3").await, "form:number");
    });
}

#[test]
pub(super) fn a_new_number_that_is_known_already_makes_two_lanes_one_person() {
    on_every_backend(async |bed| {
        bed.create("old", "1").await;
        bed.create("new", "2").await;
        assert_eq!(bed.teach(renamed(&["old"], &["new"])).await.incidents, 1);
        bed.arrive("new", "3").await;
        assert_eq!(bed.owner("3").await, "form:old");
        assert_eq!(bed.store.incidents(9).await.unwrap()[0].twins, [lead("new")]);
    });
}

#[test]
pub(super) fn a_number_that_went_to_another_and_comes_back_is_no_other_name_of_its_own_lead() {
    on_every_backend(async |bed| {
        bed.create("number", "1").await;
        bed.teach(renamed(&["number"], &["new-number"])).await;
        // Somebody else has the number, and turns out to be the same person.
        bed.arrive_as(known_as(&["stranger", "number"], "2")).await;
        assert_eq!(bed.owner("2").await, "form:stranger");
        bed.arrive_as(known_as(&["stranger", "new-number"], "3")).await;
        assert_eq!(bed.aliases("number").await, ["form:new-number", "form:stranger"]);
        assert_eq!(bed.store.audit(None, 9, bed.now()).await.unwrap().flaws, []);
        bed.arrive("number", "4").await;
        assert_eq!(bed.owner("4").await, "form:number");
    });
}

#[test]
pub(super) fn names_are_forgotten_with_their_lane() {
    on_every_backend(async |bed| {
        bed.create("number", "1").await;
        bed.arrive_as(known_as(&["user", "number"], "2")).await;
        let claimed = bed.claim().await;
        bed.end(&claimed, Outcome::Done { lead_id: LeadId("L".into()), upto: upto(&claimed) }).await;
        bed.pass(399 * 24 * 3600);
        while bed.store.expire(9, bed.now()).await.unwrap() > 0 {}
        bed.arrive("user", "3").await;
        assert_eq!(bed.owner("3").await, "form:number");
        let claimed = bed.claim().await;
        bed.deliver(&claimed).await;
        bed.pass(401 * 24 * 3600);
        while bed.store.expire(9, bed.now()).await.unwrap() > 0 {}
        bed.arrive("user", "4").await;
        assert_eq!(bed.owner("4").await, "form:user");
    });
}

#[test]
fn a_lane_that_was_forgotten_is_not_taken_for_the_one_that_has_its_name() {
    on_every_backend(async |bed| {
        bed.kill("number", "1").await;
        bed.create("user", "2").await;
        bed.arrive_as(known_as(&["user", "number"], "3")).await;
        let older = bed.claim().await;
        assert_eq!((bodies(&older), older.follows.clone()), (vec!["1".into(), "3".into()], Some(lead("user"))));
        assert_eq!(bed.store.lane(&lead("user")).await.unwrap().unwrap().external_ref, lead("user"));
        bed.end(&older, Outcome::Retry { at: bed.now(), counted: false }).await;
        bed.pass(401 * 24 * 3600);
        while bed.store.expire(9, bed.now()).await.unwrap() > 0 {}
        let found = bed.store.lane(&lead("user")).await.unwrap().unwrap();
        assert_eq!(
            found.external_ref,
            lead("number"),
            "by that one's name, which tells that it is not the one asked for"
        );
    });
}
