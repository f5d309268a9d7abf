//! Verbs at the same moment: whatever was decided on something that moves meanwhile is decided anew.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use konektor_bridge::domain::event::Item;
use konektor_bridge::store::{
    Claim, Claimed, EventState, Fenced, Observation, PermitGrant, RateHeaders, Settlement, SortCount, Sorted, Topic,
    WorkerId,
};

use super::{Bed, bodies, done, event_id, everything, held, ids, item, lead, on_every_backend, unreadable, upto};

/// How many are at it.
const CROWD: usize = 8;

/// Leads that wait, after a first call has told how many a minute are allowed.
async fn crowded(bed: &Bed, limit: u32) {
    let first = bed.work("first", "first").await;
    let headers = RateHeaders { limit: Some(limit), remaining: Some(limit), ..RateHeaders::default() };
    bed.store.observe(first.permit, Observation::Answered(headers), bed.now()).await.unwrap();
    bed.deliver(&first).await;
    for number in 0..CROWD {
        bed.arrive(&format!("lead {number}"), &number.to_string()).await;
    }
}

/// What everybody gets who claims now.
async fn all_claim(bed: &Bed) -> Vec<Claimed> {
    let claims = (0..CROWD).map(async |number| {
        match bed.store.claim(&WorkerId(format!("worker {number}")), bed.now()).await.unwrap() {
            Claim::Lane(claimed) => Some(*claimed),
            Claim::Nothing(_) => None,
            other => panic!("expected a lane or nothing, got {other:?}"),
        }
    });
    join_all(claims).await.into_iter().flatten().collect()
}

#[test]
pub(super) fn claims_at_once_give_each_lane_to_one() {
    on_every_backend(async |bed: Bed| {
        crowded(&bed, 600).await;
        let claimed = all_claim(&bed).await;
        let lanes: BTreeSet<_> = claimed.iter().map(|claimed| claimed.lease.external_ref.clone()).collect();
        assert_eq!((claimed.len(), lanes.len()), (CROWD, CROWD));
        join_all(claimed.iter().map(|claimed| bed.deliver(claimed))).await;
        assert_eq!(bed.count(EventState::Delivered).await, CROWD as u64 + 1);
    });
}

#[test]
pub(super) fn calls_at_once_take_no_more_permits_than_there_are() {
    on_every_backend(async |bed: Bed| {
        // The first, one for each of the crowd, and two more.
        let limit = 1 + CROWD as u32 + 2;
        crowded(&bed, limit).await;
        let claimed = all_claim(&bed).await;
        assert_eq!(claimed.len(), CROWD);
        let more = join_all(claimed.iter().map(|claimed| bed.store.permit(&claimed.lease, None, bed.now()))).await;
        let granted = more.iter().filter(|more| matches!(more, Ok(PermitGrant::Granted(_)))).count();
        assert_eq!((granted, bed.stats().await.limiter.in_use), (2, limit));
    });
}

#[test]
pub(super) fn of_two_ends_of_an_attempt_at_once_one_counts() {
    on_every_backend(async |bed: Bed| {
        let claimed = bed.work("ann", "1").await;
        let settle = async || {
            let settlement = Settlement::from(done("L", upto(&claimed)));
            bed.store.settle(&claimed.lease, settlement, bed.now()).await.unwrap()
        };
        let (one, other) = tokio::join!(settle(), settle());
        assert!([(Fenced::Done, Fenced::AlreadyDone), (Fenced::AlreadyDone, Fenced::Done)].contains(&(one, other)));
        assert_eq!((bed.row("1").await.state, bed.state_of("ann").await), (EventState::Delivered, "idle"));
    });
}

/// A record, sorted into these.
fn sorted(place: u64, items: Vec<Item>) -> Sorted {
    Sorted { split: Ok(items), ..unreadable(place) }
}

#[test]
pub(super) fn sorters_of_different_records_at_once_give_every_event_its_own_place() {
    on_every_backend(async |bed: Bed| {
        for number in 0..CROWD {
            bed.create(&format!("lead {number}"), &format!("first of {number}")).await;
        }
        for _ in 0..CROWD {
            bed.keep("webhook").await;
        }
        let records = bed.store.unsorted(0, CROWD).await.unwrap();
        let sorts = records.iter().enumerate().map(|(number, record)| {
            let items = vec![item(&format!("lead {number}"), &number.to_string())];
            bed.store.sort(vec![sorted(record.place, items)], bed.now())
        });
        let counts: Vec<SortCount> = join_all(sorts).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(counts.iter().map(|count| count.new).sum::<usize>(), CROWD);
        let mut places = BTreeSet::new();
        for number in 0..CROWD {
            places.insert(bed.row(&number.to_string()).await.seq);
        }
        assert_eq!(places.len(), CROWD);
        bed.pass(60);
        let claimed = bed.claim().await;
        assert_eq!(bodies(&claimed).len(), 1);
    });
}

#[test]
pub(super) fn a_record_that_cannot_be_split_is_one_dead_letter_whoever_finds_that() {
    on_every_backend(async |bed: Bed| {
        bed.keep("{broken").await;
        let place = bed.store.unsorted(0, 1).await.unwrap()[0].place;
        let sorts = (0..CROWD).map(|_| bed.store.sort(vec![unreadable(place)], bed.now()));
        let counts: Vec<SortCount> = join_all(sorts).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(counts.iter().map(|count| count.unreadable).sum::<usize>(), 1);
        assert_eq!((bed.count(EventState::Dead).await, bed.stats().await.inbox), (1, 0));
    });
}

#[test]
pub(super) fn a_record_of_a_known_event_is_a_duplicate_once_whoever_finds_that() {
    on_every_backend(async |bed: Bed| {
        bed.arrive("ann", "1").await;
        bed.keep("webhook").await;
        let place = bed.store.unsorted(0, 1).await.unwrap()[0].place;
        let sorts = (0..CROWD).map(|_| bed.store.sort(vec![sorted(place, vec![item("ann", "1")])], bed.now()));
        let counts: Vec<SortCount> = join_all(sorts).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(counts.iter().map(|count| count.duplicates).sum::<usize>(), 1);
        assert_eq!((bed.count(EventState::Pending).await, bed.stats().await.inbox), (1, 0));
    });
}

#[test]
pub(super) fn the_same_event_in_different_records_at_once_is_one() {
    on_every_backend(async |bed: Bed| {
        for _ in 0..CROWD {
            bed.keep("webhook").await;
        }
        let records = bed.store.unsorted(0, CROWD).await.unwrap();
        let one_event = |place| bed.store.sort(vec![sorted(place, vec![item("ann", "1")])], bed.now());
        let mut count = SortCount::default();
        for sorted in join_all(records.iter().map(|record| one_event(record.place))).await {
            count += sorted.unwrap();
        }
        count.records.sort_unstable();
        assert_eq!(count.records, records.iter().map(|record| record.place).collect::<Vec<_>>());
        assert_eq!((count.new, count.duplicates), (1, CROWD - 1));
        assert_eq!(bed.count(EventState::Pending).await, 1);
    });
}

#[test]
pub(super) fn a_person_who_comes_in_under_two_names_at_once_is_one_lane() {
    on_every_backend(async |bed: Bed| {
        bed.keep("webhook").await;
        bed.keep("webhook").await;
        let records = bed.store.unsorted(0, 2).await.unwrap();
        let known_as = |name: &str, other: &str, event: &str| Item { aliases: vec![lead(other)], ..item(name, event) };
        let (one, other) = tokio::join!(
            bed.store.sort(vec![sorted(records[0].place, vec![known_as("user", "number", "1")])], bed.now()),
            bed.store.sort(vec![sorted(records[1].place, vec![known_as("number", "user", "2")])], bed.now()),
        );
        assert_eq!(one.unwrap().new + other.unwrap().new, 2);
        let lane = bed.lane("user").await;
        assert_eq!((lane.external_ref.clone(), lane.pending), (bed.lane("number").await.external_ref, 2));
    });
}

#[test]
pub(super) fn what_several_people_move_at_once_is_moved_once() {
    on_every_backend(async |bed: Bed| {
        bed.kill("ann", "1").await;
        bed.spoil("{broken").await;
        bed.arrive_as(held("bob", "2")).await;
        let all = everything();
        let replays = join_all((0..CROWD).map(|_| bed.replay(&all))).await;
        assert_eq!(replays.iter().map(|moved| moved.count).sum::<usize>(), 2);
        let released = ids(&["2"]);
        let releases = join_all((0..CROWD).map(|_| bed.release(&released))).await;
        assert_eq!(releases.iter().map(|moved| moved.count).sum::<usize>(), 1);
        assert_eq!((bed.stats().await.inbox, bed.count(EventState::Pending).await), (1, 2));
        assert!(bed.store.event(&event_id("1")).await.unwrap().is_some());
    });
}

#[test]
pub(super) fn of_many_who_note_the_same_at_once_one_is_the_first() {
    on_every_backend(async |bed: Bed| {
        let notes = (0..CROWD).map(async |number| {
            bed.store.set_memo(Topic::Form, "key", vec![b'0' + number as u8].into(), None).await.unwrap()
        });
        assert_eq!(join_all(notes).await.into_iter().filter(|first| *first).count(), 1);
    });
}
