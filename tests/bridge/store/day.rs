//! The day's leads: which creates are put off, until when, and what lets them go.

use std::collections::BTreeMap;
use std::time::Duration;

use konektor_bridge::domain::event::SourceName;
use konektor_bridge::store::{Chore, Claim, Day, DayNote, DayState, Fenced, Outcome};

use super::{Bed, bodies, done, everything, me, on_every_backend, source, upto};

const HOUR: Duration = Duration::from_hours(1);

/// Konektor has told that `used` of ten leads are used up, for an hour.
async fn told(bed: &Bed, used: u64, waits_from: BTreeMap<SourceName, u64>) -> DayState {
    let day = Day { limit: 10, used, ends: bed.now() + HOUR, waits_from };
    note(bed, DayNote::Told { day, look: bed.now() + HOUR }).await
}

async fn note(bed: &Bed, note: DayNote) -> DayState {
    bed.store.note_day(note, bed.now()).await.unwrap()
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
