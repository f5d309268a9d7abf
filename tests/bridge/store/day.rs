//! The day's leads: which creates are put off, until when, and what lets them go.

use std::collections::BTreeMap;
use std::time::Duration;

use konektor_bridge::domain::event::SourceName;
use konektor_bridge::store::{Chore, Claim, Claimed, Day, DayNote, DayState, Fenced, Observation, Outcome};

use super::{Bed, bodies, dead, done, everything, me, on_every_backend, source, upto};

const HOUR: Duration = Duration::from_hours(1);

/// Konektor has told that `used` of ten leads are used up, for an hour.
async fn told(bed: &Bed, used: u64, waits_from: BTreeMap<SourceName, u64>) -> DayState {
    let day = Day { limit: 10, used, ends: bed.now() + HOUR, waits_from };
    note(bed, DayNote::Told { day, look: bed.now() + HOUR }).await
}

async fn note(bed: &Bed, note: DayNote) -> DayState {
    bed.store.note_day(note, bed.now()).await.unwrap()
}

/// Konektor is asked next.
async fn looks(bed: &Bed) {
    let claim = bed.store.claim(&me(), bed.now()).await.unwrap();
    let Claim::Chore(permit, Chore::LookAtDay) = claim else { panic!("it is not asked: {claim:?}") };
    bed.store.observe(permit, Observation::Unsent, bed.now()).await.unwrap();
}

/// New leads `from..to`, each with one event of its number.
async fn arrive(bed: &Bed, from: u32, to: u32) {
    for number in from..to {
        bed.arrive(&number.to_string(), &number.to_string()).await;
    }
}

/// A create that is under way makes its lead.
async fn makes(bed: &Bed, claimed: &Claimed) {
    assert_eq!(bed.begin(claimed).await, Fenced::Done);
    bed.end(claimed, done(&bodies(claimed)[0], upto(claimed))).await;
}

#[test]
fn a_used_up_day_puts_creates_off_and_lets_updates_pass() {
    on_every_backend(async |bed: Bed| {
        bed.create("ann", "1").await;
        bed.arrive("bob", "2").await;
        bed.arrive("carl", "3").await;
        assert_eq!(told(&bed, 10, BTreeMap::new()).await, DayState::Full);
        let ends = bed.now() + HOUR;
        assert_eq!(bed.nothing().await, Some(ends));
        let day = bed.stats().await.day;
        assert_eq!((day.state, day.parked, day.until), (DayState::Full, 2, Some(ends)));
        bed.arrive("ann", "4").await;
        let update = bed.claim().await;
        assert_eq!(bodies(&update), ["4"]);
        let _ = bed.settle(&update, done("L", upto(&update))).await;
        bed.pass(3600);
        assert_eq!(bodies(&bed.claim().await), ["2"], "in their old order");
        looks(&bed).await;
        assert_eq!(bed.nothing().await, Some(bed.after(2)), "one tries whether it is a new day for Konektor, too");
        assert_eq!(told(&bed, 0, BTreeMap::new()).await, DayState::Open);
        assert_eq!(bodies(&bed.claim().await), ["3"]);
        assert_eq!(bed.stats().await.day.parked, 0);
    });
}

#[test]
fn our_own_creates_use_the_day_up_between_two_looks() {
    on_every_backend(async |bed: Bed| {
        told(&bed, 8, BTreeMap::new()).await;
        for name in ["1", "2", "3"] {
            bed.arrive(name, name).await;
        }
        for _ in 0..2 {
            let claimed = bed.claim().await;
            assert_eq!(bed.begin(&claimed).await, Fenced::Done);
            let _ = bed.settle(&claimed, done(&bodies(&claimed)[0], upto(&claimed))).await;
        }
        let looked = bed.store.claim(&me(), bed.now()).await.unwrap();
        assert!(matches!(looked, Claim::Chore(_, Chore::LookAtDay)), "whether that is right is asked: {looked:?}");
        assert_eq!((bed.stats().await.day.used, bed.stats().await.day.parked), (Some(10), 1));
    });
}

#[test]
fn creates_that_are_under_way_leave_no_more_room_than_the_day_has() {
    on_every_backend(async |bed: Bed| {
        bed.create("ann", "of ann").await;
        told(&bed, 5, BTreeMap::new()).await;
        arrive(&bed, 0, 12).await;
        bed.arrive("ann", "more of ann").await;
        let mut under_way = Vec::new();
        for _ in 0..5 {
            under_way.push(bed.claim().await);
        }
        bed.pass(2);
        assert_eq!(bodies(&bed.claim().await), ["more of ann"], "an update needs no room");
        assert_eq!((bed.nothing().await, bed.stats().await.day.parked), (Some(bed.after(2)), 0), "five may become ten");
        let refused = under_way.pop().unwrap();
        assert_eq!(bed.begin(&refused).await, Fenced::Done);
        bed.end(&refused, Outcome::Retry { at: bed.after(3000), counted: false }).await;
        under_way.push(bed.claim().await);
        assert_eq!(bodies(&under_way[4]), ["5"], "there is room for one more");
        assert!(bed.nothing().await.is_some());
        for claimed in &under_way[..4] {
            makes(&bed, claimed).await;
        }
        looks(&bed).await;
        assert_eq!(bed.nothing().await, Some(bed.after(2)));
        makes(&bed, &under_way[4]).await;
        told(&bed, 9, BTreeMap::new()).await;
        assert_eq!(bed.stats().await.day.used, Some(10), "the last came when it had been asked");
        looks(&bed).await;
        told(&bed, 10, BTreeMap::new()).await;
        assert!(bed.nothing().await.is_some_and(|next| next > bed.after(2)));
        assert_eq!((bed.stats().await.day.used, bed.stats().await.day.parked), (Some(10), 6));
    });
}

#[test]
fn whether_a_create_made_its_lead_is_found_out_before_its_room_goes_to_another() {
    on_every_backend(async |bed: Bed| {
        told(&bed, 9, BTreeMap::new()).await;
        bed.doubt("ann", "of ann").await;
        bed.arrive("bob", "of bob").await;
        let search = bed.claim().await;
        assert!(search.intent.is_some());
        assert!(bed.nothing().await.is_some());
        bed.end(&search, Outcome::Negative { at: bed.after(30), settled: false }).await;
        assert_eq!(bed.nothing().await, Some(bed.after(2)));
        bed.pass(30);
        let search = bed.claim().await;
        bed.end(&search, Outcome::Negative { at: bed.after(30), settled: true }).await;
        assert_eq!(bodies(&bed.claim().await), ["of bob"], "there is none");
    });
}

#[test]
fn the_room_of_a_lost_worker_is_free_when_its_lease_ends() {
    on_every_backend(async |bed: Bed| {
        told(&bed, 9, BTreeMap::new()).await;
        let lost = bed.work("ann", "of ann").await;
        bed.arrive("bob", "of bob").await;
        assert_eq!(bed.nothing().await, Some(bed.after(2)));
        bed.now.set(lost.lease.until);
        assert_eq!(bodies(&bed.claim().await), ["of ann"]);
        assert!(bed.nothing().await.is_some());
    });
}

#[test]
fn a_source_that_is_worth_less_does_not_keep_others_waiting_for_its_room() {
    on_every_backend(async |bed: Bed| {
        bed.kill("dora", "of dora").await;
        told(&bed, 8, BTreeMap::new()).await;
        let under_way = bed.work("ann", "of ann").await;
        bed.replay(&everything()).await;
        assert_eq!(bed.nothing().await, Some(bed.after(2)), "nine of ten may be used");
        bed.arrive("bob", "of bob").await;
        assert_eq!(bodies(&bed.claim().await), ["of bob"]);
        bed.end(&under_way, dead(&under_way)).await;
        bed.pass(2);
        assert!(bed.nothing().await.is_some());
        assert_eq!(bed.stats().await.day.parked, 1);
    });
}

#[test]
fn before_konektor_has_told_creates_go_one_at_a_time() {
    on_every_backend(async |bed: Bed| {
        note(&bed, DayNote::Watch).await;
        arrive(&bed, 0, 8).await;
        let first = bed.claim().await;
        assert_eq!(bodies(&first), ["0"], "it need not wait");
        looks(&bed).await;
        assert_eq!(bed.nothing().await, Some(bed.after(2)));
        makes(&bed, &first).await;
        let second = bed.claim().await;
        assert!(bed.nothing().await.is_some());
        told(&bed, 6, BTreeMap::new()).await;
        assert_eq!(bed.stats().await.day.used, Some(7), "one came when it had been asked");
        let rest = [bed.claim().await, bed.claim().await];
        assert_eq!(bed.nothing().await, Some(bed.after(2)), "three of ten are left, and three under way");
        makes(&bed, &second).await;
        makes(&bed, &rest[0]).await;
        looks(&bed).await;
        makes(&bed, &rest[1]).await;
        told(&bed, 9, BTreeMap::new()).await;
        looks(&bed).await;
        told(&bed, 9, BTreeMap::new()).await;
        assert_eq!(bodies(&bed.claim().await), ["4"], "one had been counted twice");
    });
}

#[test]
fn creates_are_not_kept_waiting_by_a_konektor_that_does_not_tell() {
    on_every_backend(async |bed: Bed| {
        arrive(&bed, 0, 6).await;
        let goes = async || drop(bed.claim().await);
        goes().await;
        goes().await;
        note(&bed, DayNote::Watch).await;
        looks(&bed).await;
        assert_eq!(bed.nothing().await, Some(bed.after(2)));
        note(&bed, DayNote::Untold { look: bed.after(9000) }).await;
        goes().await;
        goes().await;
        note(&bed, DayNote::Watch).await;
        looks(&bed).await;
        assert!(bed.nothing().await.is_some());
        bed.pass(15);
        goes().await;
        goes().await;
    });
}

#[test]
fn a_source_that_is_worth_less_waits_earlier_and_replays_do() {
    on_every_backend(async |bed: Bed| {
        bed.kill("dora", "0").await;
        bed.store.replay(&everything(), 9, bed.now()).await.unwrap();
        bed.arrive("ann", "1").await;
        told(&bed, 8, [(source(), 8)].into()).await;
        assert_eq!(bodies(&bed.claim().await), ["0"], "the replay is of a lane that waits only when the day is near");
        assert_eq!(bed.stats().await.day.parked, 1);
        assert_eq!(told(&bed, 8, BTreeMap::new()).await, DayState::Open);
        assert_eq!(bodies(&bed.claim().await), ["1"], "the rules have changed");
    });
}

#[test]
fn a_refusal_closes_the_day_until_it_ends_or_for_a_while() {
    on_every_backend(async |bed: Bed| {
        bed.arrive("ann", "1").await;
        let claimed = bed.claim().await;
        let _ = bed.settle(&claimed, Outcome::Retry { at: bed.now(), counted: false }).await;
        assert_eq!(note(&bed, DayNote::Refused).await, DayState::Full);
        assert_eq!(bed.nothing().await, Some(bed.now() + HOUR / 4));
        bed.pass(900);
        assert_eq!(bodies(&bed.claim().await), ["1"]);
    });
}

#[test]
fn a_larger_limit_lets_everything_go_at_once() {
    on_every_backend(async |bed: Bed| {
        for number in 0..250 {
            bed.arrive(&number.to_string(), &number.to_string()).await;
        }
        told(&bed, 10, BTreeMap::new()).await;
        assert!(bed.nothing().await.is_some());
        bed.nothing().await;
        assert_eq!(bed.stats().await.day.parked, 250);
        let day = Day { limit: 500, used: 10, ends: bed.now() + HOUR, waits_from: BTreeMap::new() };
        note(&bed, DayNote::Told { day, look: bed.now() + HOUR }).await;
        assert_eq!(bed.stats().await.day.parked, 0);
        assert_eq!(bodies(&bed.claim().await), ["0"]);
    });
}

#[test]
fn a_look_is_handed_out_when_it_is_due_and_again_when_nothing_is_heard_of_it() {
    on_every_backend(async |bed: Bed| {
        assert_eq!(bed.nothing().await, None, "nobody has asked for it");
        note(&bed, DayNote::Watch).await;
        let looks =
            async || matches!(bed.store.claim(&me(), bed.now()).await.unwrap(), Claim::Chore(_, Chore::LookAtDay));
        assert!(looks().await && !looks().await);
        bed.pass(300);
        assert!(looks().await);
        let look = bed.now() + HOUR;
        note(&bed, DayNote::Untold { look }).await;
        assert_eq!(bed.nothing().await, Some(look));
    });
}
