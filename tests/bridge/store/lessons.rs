//! What a lane learns of its lead beside its events: which it is, and where it stands.

use std::time::Duration;

use jiff::Timestamp;
use konektor_bridge::domain::event::Lesson;
use konektor_bridge::domain::lead::LeadId;
use konektor_bridge::domain::status::Status;
use konektor_bridge::store::{Claim, EventState, Fenced, Outcome, Settlement, SortCount, Sorted, Standing, Words};

use super::{Bed, bodies, dead, done, everything, item, lead, on_every_backend, start, unreadable, upto, words};

fn is(of: &str, id: &str, status: Option<Status>, at: Timestamp) -> Lesson {
    Lesson::Lead { external_ref: lead(of), lead_id: LeadId(id.to_owned()), status, at }
}

fn there(of: &str, id: &str) -> Lesson {
    is(of, id, None, start())
}

fn learned() -> SortCount {
    SortCount { learned: 1, ..SortCount::default() }
}

impl Bed {
    /// A webhook has come in that makes no event.
    pub(super) async fn teach(&self, lesson: Lesson) -> SortCount {
        self.keep("webhook").await;
        let place = self.store.unsorted(0, 1).await.unwrap()[0].place;
        let sorted = Sorted { split: Ok(Vec::new()), lessons: vec![lesson], ..unreadable(place) };
        let count = self.store.sort(vec![sorted], self.now()).await.unwrap();
        assert!(self.store.unsorted(0, 1).await.unwrap().is_empty(), "the record has left the inbox");
        assert_eq!(count.records, [place]);
        SortCount { records: Vec::new(), ..count }
    }
}

#[test]
pub(super) fn a_lead_that_is_nobodys_here_teaches_nothing_and_makes_no_lane() {
    on_every_backend(async |bed| {
        assert_eq!(bed.teach(there("stranger", "X")).await, SortCount::default());
        assert_eq!(bed.store.lane(&lead("stranger")).await.unwrap(), None);
    });
}

#[test]
pub(super) fn a_doubt_ends_when_konektor_says_that_the_lead_is_there() {
    on_every_backend(async |bed| {
        let claimed = bed.doubt("ann", "1").await;
        bed.arrive("ann", "2").await;
        assert_eq!(bed.teach(there("ann", "L")).await, learned());
        assert_eq!(bed.row("1").await.state, EventState::Delivered);
        assert_eq!(bed.row("1").await.lead_id, Some(LeadId("L".into())));
        let lane = bed.lane("ann").await;
        assert_eq!((lane.intent, lane.lead_id, lane.pending), (None, Some(LeadId("L".into())), 1));
        bed.pass(5);
        let update = bed.claim().await;
        assert_eq!((bodies(&update), update.lead_id.clone()), (vec!["2".into()], Some(LeadId("L".into()))));
        assert!(update.lease.fence > claimed.lease.fence);
        bed.deliver(&update).await;
        assert_eq!(bed.teach(there("ann", "L")).await, SortCount::default(), "it knows");
    });
}

#[test]
pub(super) fn what_is_learned_while_an_attempt_is_under_way_counts_when_it_ends_without_knowing() {
    on_every_backend(async |bed| {
        let claimed = bed.work("ann", "1").await;
        assert_eq!(bed.begin(&claimed).await, Fenced::Done);
        assert_eq!(bed.teach(there("ann", "L")).await, learned());
        assert_eq!(bed.state_of("ann").await, "leased");
        assert_eq!(bed.lane("ann").await.lead_id, None, "the attempt may find it out by itself");
        bed.end(&claimed, Outcome::Ambiguous { at: bed.after(2) }).await;
        let lane = bed.lane("ann").await;
        assert_eq!((lane.state, lane.lead_id, lane.intent), ("idle", Some(LeadId("L".into())), None));
        assert_eq!(bed.row("1").await.state, EventState::Delivered);
        assert_eq!(bed.nothing().await, None, "there is nothing to search for");
    });
}

#[test]
pub(super) fn nothing_is_created_once_konektor_has_said_that_the_lead_is_there() {
    on_every_backend(async |bed| {
        let claimed = bed.work("ann", "1").await;
        assert_eq!(bed.teach(there("ann", "L")).await, learned());
        assert_eq!(bed.begin(&claimed).await, Fenced::Stale);
        bed.end(&claimed, Outcome::Release { at: bed.now() }).await;
        let lane = bed.lane("ann").await;
        assert_eq!((lane.lead_id, lane.intent), (Some(LeadId("L".into())), None));
        bed.pass(5);
        assert_eq!(bodies(&bed.claim().await), ["1"], "it becomes an update of that lead");
    });
}

#[test]
pub(super) fn what_is_learned_while_an_attempt_is_under_way_counts_when_its_worker_is_lost() {
    on_every_backend(async |bed| {
        let claimed = bed.work("ann", "1").await;
        assert_eq!(bed.begin(&claimed).await, Fenced::Done);
        bed.teach(there("ann", "L")).await;
        bed.pass(31);
        bed.nothing().await;
        assert_eq!(bed.state_of("ann").await, "idle");
        assert_eq!(bed.row("1").await.state, EventState::Delivered);
        assert_eq!(bed.settle(&claimed, Outcome::Ambiguous { at: bed.now() }).await, Fenced::Stale);
    });
}

#[test]
pub(super) fn what_was_in_the_call_has_reached_the_lead_whoever_says_that_it_is_there() {
    on_every_backend(async |bed| {
        for (of, by_konektor) in [("ann", true), ("bob", false)] {
            let claimed = bed.doubt(of, &format!("{of} 1")).await;
            if by_konektor {
                bed.teach(there(of, "L")).await;
            } else {
                let search = bed.claim().await;
                let settlement = Settlement::from(done("L", search.intent.unwrap().upto));
                assert_eq!(bed.store.settle(&search.lease, settlement, bed.now()).await.unwrap(), Fenced::Done);
            }
            bed.arrive(of, &format!("{of} 2")).await;
            bed.pass(5);
            let update = bed.claim().await;
            assert_eq!(update.told, words(upto(&claimed)), "{of}");
            bed.deliver(&update).await;
        }
    });
}

#[test]
pub(super) fn what_was_in_a_call_that_came_to_nothing_has_reached_nobody() {
    on_every_backend(async |bed| {
        bed.doubt("ann", "1").await;
        for settled in [false, true] {
            let search = bed.claim().await;
            bed.end(&search, Outcome::Negative { at: bed.now(), settled }).await;
        }
        bed.teach(there("ann", "L")).await;
        bed.pass(5);
        assert_eq!(bed.claim().await.told, Words::default());
    });
}

#[test]
pub(super) fn an_attempt_that_finds_it_out_by_itself_is_not_disturbed() {
    on_every_backend(async |bed| {
        let claimed = bed.work("ann", "1").await;
        assert_eq!(bed.begin(&claimed).await, Fenced::Done);
        bed.teach(there("ann", "L")).await;
        bed.end(&claimed, done("L", upto(&claimed))).await;
        let lane = bed.lane("ann").await;
        assert_eq!((lane.state, lane.lead_id), ("idle", Some(LeadId("L".into()))));
        assert_eq!(bed.store.incidents(9).await.unwrap(), []);
    });
}

#[test]
pub(super) fn a_create_that_waits_becomes_an_update_of_the_lead_that_is_there() {
    on_every_backend(async |bed| {
        bed.arrive("ann", "1").await;
        assert_eq!(bed.teach(there("ann", "L")).await, learned());
        bed.pass(2);
        let claimed = bed.claim().await;
        assert_eq!((bodies(&claimed), claimed.lead_id), (vec!["1".into()], Some(LeadId("L".into()))));
    });
}

#[test]
pub(super) fn a_refused_create_does_not_hide_that_the_lead_is_there() {
    on_every_backend(async |bed| {
        let claimed = bed.work("ann", "1").await;
        bed.end(&claimed, dead(&claimed)).await;
        assert_eq!(bed.teach(there("ann", "L")).await, learned());
        assert_eq!(bed.state_of("ann").await, "idle");
        assert_eq!(bed.row("1").await.state, EventState::Dead, "a person decides about it");
        assert_eq!(bed.replay(&everything()).await.count, 1);
        let claimed = bed.claim().await;
        assert_eq!((bodies(&claimed), claimed.lead_id), (vec!["1".into()], Some(LeadId("L".into()))));
    });
}

#[test]
pub(super) fn a_second_lead_under_the_same_reference_is_told() {
    on_every_backend(async |bed| {
        bed.create("ann", "1").await;
        let count = bed.teach(is("ann", "M", Some(Status::Won), bed.now())).await;
        assert_eq!(count, SortCount { incidents: 1, ..SortCount::default() });
        let incident = bed.store.incidents(9).await.unwrap().remove(0);
        assert_eq!((incident.lead_id, incident.doubles), (Some(LeadId("id of ann".into())), vec![LeadId("M".into())]));
        let lane = bed.lane("ann").await;
        assert_eq!((lane.lead_id, lane.standing), (Some(LeadId("id of ann".into())), None), "it keeps its own");
    });
}

#[test]
pub(super) fn where_a_lead_stands_is_what_was_said_last_by_konektors_clock() {
    on_every_backend(async |bed| {
        bed.create("ann", "1").await;
        let told = |status, at| is("ann", "id of ann", Some(status), at);
        let second = |seconds: u64| start() - Duration::from_secs(100 - seconds);
        assert_eq!(bed.teach(told(Status::Hot, second(2))).await, learned());
        assert_eq!(bed.teach(told(Status::New, second(1))).await, SortCount::default(), "that came late");
        assert_eq!(bed.teach(told(Status::Contacted, second(3))).await, learned(), "a person may set it back");
        bed.arrive("ann", "2").await;
        let claimed = bed.claim().await;
        assert_eq!(claimed.standing, Some(Standing { status: Status::Contacted, at: second(3) }));
        bed.end(&claimed, done("id of ann", upto(&claimed))).await;
        bed.teach(told(Status::Won, bed.after(9999))).await;
        assert_eq!(bed.lane("ann").await.standing.map(|standing| standing.at), Some(bed.now()), "no clock is believed");
    });
}

#[test]
pub(super) fn lessons_are_heeded_before_the_items_of_their_record_and_not_of_one_that_is_gone() {
    on_every_backend(async |bed| {
        bed.create("ann", "1").await;
        bed.keep("webhook").await;
        let place = bed.store.unsorted(0, 1).await.unwrap()[0].place;
        let lessons = vec![Lesson::Renamed { old: vec![lead("ann")], new: vec![lead("anna")] }];
        let sorted = || Sorted { split: Ok(vec![item("anna", "2")]), lessons: lessons.clone(), ..unreadable(place) };
        let count = bed.store.sort(vec![sorted()], bed.now()).await.unwrap();
        assert_eq!(count, SortCount { records: vec![place], new: 1, ..learned() });
        assert_eq!(bed.row("2").await.external_ref, Some(lead("ann")));
        assert_eq!(bed.store.sort(vec![sorted()], bed.now()).await.unwrap(), SortCount::default());
        assert!(matches!(bed.store.claim(&super::me(), bed.now()).await.unwrap(), Claim::Lane(_)));
    });
}
