//! What a person asks: lists, replay, release, discard.

use konektor_bridge::domain::event::{Kept, SourceName};
use konektor_bridge::store::{EventFilter, EventQuery, EventState, Fenced, Moved, Outcome, Selector};

use super::{Bed, bodies, dead, event_id, everything, held, ids, item, lead, on_every_backend, unreadable};

#[test]
pub(super) fn a_list_pages_from_the_newest_to_the_oldest_without_gaps() {
    on_every_backend(async |bed: Bed| {
        for number in 0..7 {
            bed.arrive(&format!("lead {number}"), &number.to_string()).await;
        }
        let (mut seen, mut before, mut pages) = (Vec::new(), None, 0);
        loop {
            let query = EventQuery { limit: 3, before, ..EventQuery::default() };
            let page = bed.store.events(query).await.unwrap();
            assert!(page.events.len() <= 3);
            seen.extend(page.events.iter().map(|row| row.id));
            pages += 1;
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        let expected: Vec<_> = (0..7).rev().map(|number| event_id(&number.to_string())).collect();
        assert_eq!((seen, pages), (expected, 3));
        let exact = EventQuery { limit: 7, ..EventQuery::default() };
        assert_eq!(bed.store.events(exact).await.unwrap().next, None);
    });
}

#[test]
pub(super) fn a_list_shows_each_event_once_while_others_come_in() {
    on_every_backend(async |bed: Bed| {
        for number in 0..6 {
            bed.arrive("ann", &format!("old {number}")).await;
        }
        let (mut seen, mut before, mut late) = (Vec::new(), None, 0);
        loop {
            let query = EventQuery { limit: 2, before, ..EventQuery::default() };
            let page = bed.store.events(query).await.unwrap();
            seen.extend(page.events.iter().map(|row| row.id));
            bed.arrive("bob", &format!("late {late}")).await;
            late += 1;
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        let expected: Vec<_> = (0..6).rev().map(|number| event_id(&format!("old {number}"))).collect();
        assert_eq!(seen, expected, "none twice, none left out");
        let asked = EventQuery { limit: 0, ..EventQuery::default() };
        assert_eq!(bed.store.events(asked).await.unwrap().events.len(), 1, "a page has one event at least");
    });
}

#[test]
pub(super) fn a_bulk_replay_reaches_its_end_while_others_die() {
    on_every_backend(async |bed: Bed| {
        for number in 0..4 {
            bed.kill(&format!("lead {number}"), &number.to_string()).await;
        }
        let of_then = EventFilter { until: Some(bed.after(1)), ..EventFilter::default() };
        bed.pass(1);
        let (mut moved, mut more, mut rounds) = (0, true, 0);
        while more {
            let step = bed.store.replay(&Selector::Matching(of_then.clone()), 1, bed.now()).await.unwrap();
            (moved, more, rounds) = (moved + step.count, step.more, rounds + 1);
            bed.spoil("{broken").await;
        }
        assert_eq!((moved, rounds, bed.count(EventState::Dead).await), (4, 4, 4));
    });
}

#[test]
pub(super) fn a_walk_over_dead_letters_ends_although_each_dies_again() {
    on_every_backend(async |bed: Bed| {
        for _ in 0..4 {
            bed.spoil("{broken").await;
        }
        bed.kill("ann", "1").await;
        let (mut moved, mut before, mut rounds) = (0, None, 0);
        loop {
            let dead = Some(EventState::Dead);
            let page = bed.store.events(EventQuery { state: dead, limit: 2, before, ..EventQuery::default() }).await;
            let page = page.unwrap();
            let ids = page.events.iter().map(|row| row.id).collect();
            moved += bed.store.replay(&Selector::Ids(ids), 100, bed.now()).await.unwrap().count;
            rounds += 1;
            let again = bed.store.unsorted(0, 100).await.unwrap();
            bed.store.sort(again.iter().map(|record| unreadable(record.place)).collect(), bed.now()).await.unwrap();
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        assert_eq!((moved, rounds, bed.count(EventState::Dead).await), (5, 3, 4));
    });
}

#[test]
pub(super) fn a_list_is_filtered_by_state_source_reason_time_and_lead() {
    on_every_backend(async |bed: Bed| {
        bed.create("ann", "delivered").await;
        bed.kill("bob", "dead").await;
        bed.pass(100);
        let later = bed.now();
        bed.arrive_as(held("carl", "held")).await;
        let other = SourceName::parse("other").unwrap();
        bed.store.keep(Kept { source: other.clone(), ..bed.webhook("webhook") }).await.unwrap();
        bed.sort(vec![item("ann", "pending")]).await;

        let names =
            async |state, filter| -> Vec<_> { bed.list(state, filter).await.iter().map(|row| row.id).collect() };
        let all = EventFilter::default;
        let id = event_id;
        assert_eq!(names(Some(EventState::Dead), all()).await, [id("dead")]);
        assert_eq!(names(Some(EventState::Delivered), all()).await, [id("delivered")]);
        assert_eq!(names(None, EventFilter { source: Some(other), ..all() }).await, [id("pending")]);
        assert_eq!(names(None, EventFilter { reason: Some("test_lead".into()), ..all() }).await, [id("held")]);
        assert_eq!(names(None, EventFilter { reason: Some("rejected".into()), ..all() }).await, [id("dead")]);
        assert_eq!(names(None, EventFilter { since: Some(later), ..all() }).await, [id("pending"), id("held")]);
        assert_eq!(names(None, EventFilter { until: Some(later), ..all() }).await, [id("dead"), id("delivered")]);
        let ann = EventFilter { lead: Some(lead("ann")), ..all() };
        assert_eq!(names(None, ann.clone()).await, [id("pending"), id("delivered")]);
        assert_eq!(names(Some(EventState::Pending), ann.clone()).await, [id("pending")]);
        let both = EventFilter { since: Some(later), ..ann };
        assert_eq!(names(Some(EventState::Delivered), both).await, []);
        assert_eq!(names(None, EventFilter { lead: Some(lead("nobody")), ..all() }).await, []);
    });
}

#[test]
pub(super) fn events_are_found_by_the_request_that_brought_them() {
    on_every_backend(async |bed: Bed| {
        bed.arrive("ann", "1").await;
        bed.store.keep(Kept { request_id: "another".into(), ..bed.webhook("webhook") }).await.unwrap();
        bed.sort(vec![item("ann", "2"), item("bob", "3")]).await;
        bed.arrive("bob", "4").await;
        let of_it = EventFilter { request: Some("another".into()), ..EventFilter::default() };
        let names =
            async |state, filter| -> Vec<_> { bed.list(state, filter).await.iter().map(|row| row.id).collect() };
        let id = event_id;
        assert_eq!(names(None, of_it.clone()).await, [id("3"), id("2")]);
        assert_eq!(names(Some(EventState::Pending), of_it.clone()).await, [id("3"), id("2")]);
        assert_eq!(names(Some(EventState::Dead), of_it.clone()).await, []);
        let of_bob = EventFilter { lead: Some(lead("bob")), ..of_it.clone() };
        assert_eq!(names(None, of_bob.clone()).await, [id("3")]);
        assert_eq!(names(Some(EventState::Pending), of_bob).await, [id("3")]);
        let nobody_s = EventFilter { request: Some("nobody's".into()), ..EventFilter::default() };
        assert_eq!(names(None, nobody_s).await, []);

        bed.store.keep(Kept { request_id: "another".into(), ..bed.webhook("webhook") }).await.unwrap();
        bed.sort(vec![held("carl", "5"), held("dora", "6")]).await;
        bed.arrive_as(held("carl", "7")).await;
        let of_carl = EventFilter { lead: Some(lead("carl")), ..of_it.clone() };
        for (filter, left) in [(of_carl, vec![id("7"), id("6")]), (of_it, vec![id("7")])] {
            assert_eq!(bed.release(&Selector::Matching(filter)).await, Moved { count: 1, more: false });
            assert_eq!(names(Some(EventState::Withheld), EventFilter::default()).await, left);
        }
    });
}

#[test]
pub(super) fn an_event_and_a_lane_that_are_not_there_are_not_there() {
    on_every_backend(async |bed: Bed| {
        assert_eq!(bed.store.event(&event_id("1")).await.unwrap(), None);
        assert_eq!(bed.store.lane(&lead("ann")).await.unwrap(), None);
    });
}

#[test]
pub(super) fn replaying_one_event_of_a_dead_lane_brings_all_of_them_back_once() {
    on_every_backend(async |bed: Bed| {
        bed.arrive("ann", "1").await;
        bed.arrive("ann", "2").await;
        let claimed = bed.claim().await;
        assert_eq!(bed.begin(&claimed).await, Fenced::Done);
        bed.end(&claimed, Outcome::Ambiguous { at: bed.now() }).await;
        let claimed = bed.claim().await;
        bed.end(&claimed, dead(&claimed)).await;
        assert_eq!(bed.store.replay(&ids(&["2"]), 1, bed.now()).await.unwrap(), Moved { count: 2, more: false });
        assert_eq!(bed.store.replay(&ids(&["1", "2"]), 9, bed.now()).await.unwrap(), Moved::default());
        let claimed = bed.claim().await;
        assert_eq!(bodies(&claimed), ["1", "2"]);
        assert!(claimed.intent.is_some(), "it died in doubt, so it is searched for first");
        let row = bed.row("1").await;
        assert_eq!((row.state, row.reason, row.ended), (EventState::Pending, None, None));
    });
}

#[test]
pub(super) fn a_bulk_replay_goes_in_steps() {
    on_every_backend(async |bed: Bed| {
        for number in 0..5 {
            bed.kill(&format!("lead {number}"), &number.to_string()).await;
        }
        let step = async || bed.store.replay(&everything(), 2, bed.now()).await.unwrap();
        assert_eq!(step().await, Moved { count: 2, more: true });
        assert_eq!(bodies(&bed.claim().await), ["0"], "the oldest first");
        assert_eq!(step().await, Moved { count: 2, more: true });
        assert_eq!(step().await, Moved { count: 1, more: false });
        assert_eq!(step().await, Moved::default());
    });
}

#[test]
pub(super) fn a_replay_moves_only_what_matches() {
    on_every_backend(async |bed: Bed| {
        bed.kill("ann", "1").await;
        bed.kill("bob", "2").await;
        let of_bob = Selector::Matching(EventFilter { lead: Some(lead("bob")), ..EventFilter::default() });
        let unknown = Selector::Matching(EventFilter { reason: Some("crashed".into()), ..EventFilter::default() });
        assert_eq!(bed.store.replay(&unknown, 9, bed.now()).await.unwrap(), Moved::default());
        assert_eq!(bed.store.replay(&of_bob, 9, bed.now()).await.unwrap().count, 1);
        assert_eq!((bed.state_of("ann").await, bed.state_of("bob").await), ("dead", "ready"));
        assert_eq!(bed.store.replay(&ids(&["nobody knows"]), 9, bed.now()).await.unwrap(), Moved::default());
    });
}

#[test]
pub(super) fn a_pending_or_delivered_event_is_not_replayed_released_or_discarded() {
    on_every_backend(async |bed: Bed| {
        bed.create("ann", "delivered").await;
        bed.arrive("bob", "pending").await;
        let both = ids(&["delivered", "pending"]);
        assert_eq!(bed.store.replay(&both, 9, bed.now()).await.unwrap(), Moved::default());
        assert_eq!(bed.store.release(&both, 9, bed.now()).await.unwrap(), Moved::default());
        for state in [EventState::Dead, EventState::Withheld, EventState::Pending, EventState::Delivered] {
            assert_eq!(bed.store.discard(state, &both, 9, bed.now()).await.unwrap(), Moved::default());
        }
    });
}

#[test]
pub(super) fn a_released_event_goes_to_its_lane_and_is_marked() {
    on_every_backend(async |bed: Bed| {
        bed.arrive_as(held("ann", "1")).await;
        bed.arrive_as(held("bob", "2")).await;
        assert_eq!(bed.store.release(&ids(&["1"]), 9, bed.now()).await.unwrap(), Moved { count: 1, more: false });
        assert_eq!(bed.store.release(&ids(&["1"]), 9, bed.now()).await.unwrap(), Moved::default());
        let claimed = bed.claim().await;
        assert_eq!(bodies(&claimed), ["1"]);
        assert!(claimed.events[0].released);
        assert_eq!(bed.count(EventState::Withheld).await, 1);
        assert_eq!(bed.nothing().await, Some(claimed.lease.until));
    });
}

#[test]
pub(super) fn a_discarded_event_leaves_its_receipt_and_gives_its_lane_free() {
    on_every_backend(async |bed: Bed| {
        bed.arrive("ann", "1").await;
        bed.arrive("ann", "2").await;
        let claimed = bed.claim().await;
        bed.end(&claimed, dead(&claimed)).await;
        let discard = async |state, names: &[&str]| bed.store.discard(state, &ids(names), 9, bed.now()).await.unwrap();
        assert_eq!(discard(EventState::Withheld, &["1"]).await.count, 0, "it is not withheld");
        assert_eq!(discard(EventState::Dead, &["1"]).await.count, 1);
        assert_eq!(bed.state_of("ann").await, "dead");
        assert_eq!(discard(EventState::Dead, &["1", "2"]).await.count, 1);
        assert_eq!(bed.state_of("ann").await, "idle");
        let detail = bed.store.event(&event_id("1")).await.unwrap().unwrap();
        assert_eq!((detail.row.state, detail.body), (EventState::Discarded, None));
        assert_eq!(detail.row.reason.as_deref(), Some("rejected"), "why it had been dead stays on record");
        assert_eq!(bed.arrive_as(item("ann", "1")).await.duplicates, 1);
        bed.arrive("ann", "3").await;
        assert_eq!(bodies(&bed.claim().await), ["3"]);
        assert_eq!(bed.stats().await.bytes, 1);
    });
}

#[test]
pub(super) fn a_discarded_webhook_is_gone_from_the_dead_letters() {
    on_every_backend(async |bed: Bed| {
        bed.spoil("{broken").await;
        let moved = bed.store.discard(EventState::Dead, &everything(), 9, bed.now()).await.unwrap();
        assert_eq!(moved, Moved { count: 1, more: false });
        assert_eq!((bed.count(EventState::Dead).await, bed.stats().await.bytes), (0, 0));
        bed.pass(30 * 24 * 3600);
        assert_eq!(bed.store.expire(9, bed.now()).await.unwrap(), 1);
    });
}
