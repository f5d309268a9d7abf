//! Whose turn it is, and what a claim puts into a worker's hands.

use konektor_bridge::domain::event::Item;
use konektor_bridge::store::{Class, EventState, Fenced, Outcome, Settlement, SortCount, Stats};

use super::{Bed, attempt, bodies, everything, item, lead, on_every_backend, upto};

#[test]
pub(super) fn new_leads_go_before_updates_and_replays_last() {
    on_every_backend(async |bed: Bed| {
        bed.create("updated", "0").await;
        bed.kill("replayed", "1").await;
        bed.replay(&everything()).await;
        bed.arrive("updated", "2").await;
        bed.pass(2);
        bed.arrive("new", "3").await;
        let order = [bed.claim().await, bed.claim().await, bed.claim().await].map(|claimed| claimed.lease.external_ref);
        assert_eq!(order, [lead("new"), lead("updated"), lead("replayed")]);
    });
}

#[test]
pub(super) fn what_a_back_fill_brings_goes_after_all_that_is_live_and_what_is_known_of_it_is_a_duplicate() {
    on_every_backend(async |bed: Bed| {
        bed.create("updated", "0").await;
        let new = SortCount { new: 1, ..SortCount::default() };
        assert_eq!(bed.back_fill("lost", "1").await, new);
        assert_eq!(bed.back_fill("updated", "2").await, new);
        assert_eq!(bed.back_fill("updated", "0").await, SortCount { duplicates: 1, ..SortCount::default() });
        bed.arrive("new", "3").await;
        let ready = |stats: &Stats, class| stats.queues.iter().find(|queue| queue.class == class).unwrap().ready;
        let stats = bed.stats().await;
        assert_eq!([Class::New, Class::Update, Class::Bulk].map(|class| ready(&stats, class)), [1, 0, 2]);
        let order = [bed.claim().await, bed.claim().await, bed.claim().await].map(|claimed| claimed.lease.external_ref);
        assert_eq!(order, [lead("new"), lead("lost"), lead("updated")]);
    });
}

#[test]
pub(super) fn a_lane_that_a_back_fill_brought_goes_with_what_is_live_as_soon_as_it_is() {
    on_every_backend(async |bed: Bed| {
        bed.back_fill("ann", "1").await;
        bed.arrive("bob", "2").await;
        bed.back_fill("bob", "3").await;
        bed.arrive("ann", "4").await;
        assert_eq!(bodies(&bed.claim().await), ["1", "4"]);
        assert_eq!(bodies(&bed.claim().await), ["2", "3"]);
    });
}

#[test]
pub(super) fn a_dead_lane_that_a_back_fill_brings_back_waits_as_bulk() {
    on_every_backend(async |bed: Bed| {
        bed.kill("ann", "1").await;
        bed.back_fill("ann", "2").await;
        bed.arrive("bob", "3").await;
        assert_eq!(bodies(&bed.claim().await), ["3"]);
        assert_eq!(bodies(&bed.claim().await), ["1", "2"]);
    });
}

#[test]
pub(super) fn within_a_line_the_oldest_goes_first() {
    on_every_backend(async |bed: Bed| {
        for name in ["carl", "ann", "bob"] {
            bed.arrive(name, name).await;
        }
        bed.arrive("carl", "again").await;
        let order = [bed.claim().await, bed.claim().await, bed.claim().await].map(|claimed| claimed.lease.external_ref);
        assert_eq!(order, [lead("carl"), lead("ann"), lead("bob")], "by arrival, not by name");
    });
}

#[test]
pub(super) fn a_replayed_lane_with_something_new_is_not_left_behind() {
    on_every_backend(async |bed: Bed| {
        bed.kill("ann", "1").await;
        bed.replay(&everything()).await;
        bed.arrive("bob", "2").await;
        bed.arrive("ann", "3").await;
        assert_eq!(bodies(&bed.claim().await), ["1", "3"]);
    });
}

/// Claims twenty times, with time enough for the pace of updates between; gives the turns that went to events called so.
async fn turns_of(bed: &Bed, wanted: &str) -> Vec<usize> {
    let mut turns = Vec::new();
    for turn in 0..20 {
        if bodies(&bed.claim().await)[0].contains(wanted) {
            turns.push(turn);
        }
        bed.pass(1);
    }
    turns
}

async fn many_new_leads(bed: &Bed) {
    for number in 0..30 {
        bed.arrive(&format!("new {number}"), &format!("first {number}")).await;
    }
}

#[test]
pub(super) fn updates_have_every_tenth_turn() {
    on_every_backend(async |bed: Bed| {
        for number in 0..3 {
            bed.create(&format!("known {number}"), &format!("created {number}")).await;
        }
        for number in 0..3 {
            bed.arrive(&format!("known {number}"), &format!("updated {number}")).await;
        }
        many_new_leads(&bed).await;
        bed.pass(2);
        let turns = turns_of(&bed, "updated").await;
        assert_eq!(turns.len(), 2, "{turns:?}");
    });
}

#[test]
pub(super) fn searches_have_their_share_and_no_more_while_leads_come_in() {
    on_every_backend(async |bed: Bed| {
        for number in 0..9 {
            bed.arrive(&format!("doubtful {number}"), &format!("unclear {number}")).await;
        }
        for _ in 0..9 {
            let claimed = bed.claim().await;
            assert_eq!(bed.begin(&claimed).await, Fenced::Done);
            bed.end(&claimed, Outcome::Ambiguous { at: bed.after(1) }).await;
        }
        many_new_leads(&bed).await;
        bed.pass(1);
        let turns = turns_of(&bed, "unclear").await;
        assert!((2..=4).contains(&turns.len()), "one or two in ten, but {turns:?}");
    });
}

#[test]
pub(super) fn one_claim_gives_at_most_256_events_and_256_kib() {
    on_every_backend(async |bed: Bed| {
        bed.keep("webhook").await;
        bed.sort((0..300).map(|number| item("ann", &number.to_string())).collect()).await;
        let claimed = bed.claim().await;
        assert_eq!(claimed.events.len(), 256);
        bed.deliver(&claimed).await;
        assert_eq!(bed.claim().await.events.len(), 44);
        let big = |number: usize| Item { body: vec![b'x'; 100 << 10], ..item("bob", &format!("big {number}")) };
        bed.keep("webhook").await;
        bed.sort((0..4).map(big).collect()).await;
        assert_eq!(bed.claim().await.events.len(), 2);
        bed.arrive_as(Item { body: vec![b'x'; 1 << 20], ..item("carl", "huge") }).await;
        assert_eq!(bed.claim().await.events.len(), 1, "the first one always");
    });
}

#[test]
pub(super) fn events_come_in_the_order_in_which_they_came_in_over_many_calls() {
    on_every_backend(async |bed: Bed| {
        let (mut came, mut next) = (Vec::new(), 0);
        for _ in 0..4 {
            for _ in 0..3 {
                bed.arrive("ann", &format!("{next:02}")).await;
                next += 1;
            }
            let claimed = bed.claim().await;
            bed.arrive("ann", &format!("{next:02}")).await;
            next += 1;
            came.extend(bodies(&claimed));
            bed.deliver(&claimed).await;
        }
        came.extend(bodies(&bed.claim().await));
        assert_eq!(came, (0..next).map(|number| format!("{number:02}")).collect::<Vec<_>>());
    });
}

#[test]
pub(super) fn what_the_sender_said_is_kept_with_the_event() {
    on_every_backend(async |bed: Bed| {
        let claimed = bed.work("ann", "1").await;
        let keep =
            async |seq, answer: &'static str| bed.store.fetched(&claimed.lease, seq, answer.into()).await.unwrap();
        assert_eq!(keep(upto(&claimed), "fields").await, Fenced::Done);
        assert_eq!(keep(upto(&claimed), "fields, again").await, Fenced::AlreadyDone);
        assert_eq!(keep(77, "fields").await, Fenced::Stale, "not an event of this lane");
        bed.end(&claimed, Outcome::Release { at: bed.now() }).await;
        assert_eq!(bed.claim().await.events[0].fetched.as_deref(), Some(&b"fields, again"[..]));
    });
}

#[test]
pub(super) fn the_log_of_a_lane_keeps_the_last_ten_calls() {
    on_every_backend(async |bed: Bed| {
        bed.arrive("ann", "1").await;
        for round in 0..4 {
            let claimed = bed.claim().await;
            let attempts = (0..3).map(|call| attempt(&format!("{round}.{call}"))).collect();
            let settlement = Settlement { attempts, ..Outcome::Release { at: bed.now() }.into() };
            assert_eq!(bed.store.settle(&claimed.lease, settlement, bed.now()).await.unwrap(), Fenced::Done);
        }
        let log = bed.lane("ann").await.log;
        let notes: Vec<_> = log.iter().map(|attempt| attempt.note.as_str()).collect();
        assert_eq!(notes, ["0.2", "1.0", "1.1", "1.2", "2.0", "2.1", "2.2", "3.0", "3.1", "3.2"]);
    });
}

#[test]
pub(super) fn stats_tell_where_the_lanes_stand() {
    on_every_backend(async |bed: Bed| {
        bed.create("known", "0").await;
        let first = bed.now();
        bed.arrive("ann", "1").await;
        bed.pass(1);
        bed.arrive("bob", "2").await;
        bed.arrive("known", "3").await;
        let stats = bed.stats().await;
        let queue = |class| stats.queues.iter().find(|queue| queue.class == class).unwrap();
        assert_eq!((queue(Class::New).ready, queue(Class::New).waiting, queue(Class::New).oldest), (2, 0, Some(first)));
        assert_eq!((queue(Class::Update).ready, queue(Class::Update).waiting), (0, 1));
        assert_eq!(queue(Class::Update).oldest, Some(bed.now()));
        assert_eq!((queue(Class::Bulk).ready, queue(Class::Bulk).oldest), (0, None));
        let _ = bed.claim().await;
        assert_eq!(bed.stats().await.leased, 1);
        assert_eq!((bed.count(EventState::Pending).await, bed.count(EventState::Delivered).await), (3, 1));
    });
}
