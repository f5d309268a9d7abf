//! Keep and sort: the inbox, dedupe, caps.

use std::time::Duration;

use konektor_bridge::domain::event::{EventId, Hold, HoldCount, Item};
use konektor_bridge::store::{Cap, EventState, Options, Selector, SortCount, Sorted, StoreError};

use super::{Bed, bodies, event_id, everything, item, lead, on_every_backend, unreadable, upto, with_options};

fn new(count: usize) -> SortCount {
    SortCount { new: count, ..SortCount::default() }
}

fn duplicate() -> SortCount {
    SortCount { duplicates: 1, ..SortCount::default() }
}

#[test]
pub(super) fn a_kept_webhook_comes_out_as_it_went_in() {
    on_every_backend(async |bed: Bed| {
        bed.keep("one").await;
        bed.pass(1);
        bed.keep("two").await;
        let records = bed.store.unsorted(0, 10).await.unwrap();
        let kept: Vec<_> = records.iter().map(|record| &record.webhook.body[..]).collect();
        assert_eq!(kept, [b"one", b"two"]);
        assert_eq!(records[1].webhook, bed.webhook("two"));
        assert!(records[0].place < records[1].place);
        assert_eq!(bed.store.unsorted(0, 1).await.unwrap(), records[..1]);
        assert_eq!(bed.store.unsorted(records[0].place, 10).await.unwrap(), records[1..], "behind the first");
        assert_eq!(bed.store.unsorted(records[1].place, 10).await.unwrap(), []);
        assert_eq!(bed.stats().await.inbox, 2);
    });
}

#[test]
pub(super) fn sorting_takes_the_record_out_and_puts_all_its_items_into_their_lanes() {
    on_every_backend(async |bed: Bed| {
        bed.keep("webhook").await;
        assert_eq!(bed.sort(vec![item("ann", "1"), item("bob", "2"), item("ann", "3")]).await, new(3));
        assert!(bed.store.unsorted(0, 10).await.unwrap().is_empty());
        assert_eq!(bodies(&bed.claim().await), ["1", "3"]);
        assert_eq!(bodies(&bed.claim().await), ["2"]);
        assert_eq!(bed.nothing().await, Some(bed.now() + Options::default().lease));
    });
}

#[test]
pub(super) fn the_inbox_is_read_from_the_oldest_on_while_webhooks_come_in() {
    on_every_backend(async |bed: Bed| {
        let (mut sorted, mut kept) = (Vec::new(), 0);
        for _ in 0..5 {
            for _ in 0..3 {
                bed.keep(&format!("{kept:02}")).await;
                kept += 1;
            }
            let oldest = bed.store.unsorted(0, 2).await.unwrap();
            sorted.extend(oldest.iter().map(|record| String::from_utf8(record.webhook.body.to_vec()).unwrap()));
            bed.sort(Vec::new()).await;
            bed.sort(Vec::new()).await;
        }
        assert_eq!(sorted, (0..10).map(|number| format!("{number:02}")).collect::<Vec<_>>());
        assert_eq!(bed.stats().await.inbox, 5);
    });
}

#[test]
pub(super) fn nothing_more_than_was_asked_for_is_read() {
    on_every_backend(async |bed: Bed| {
        assert!(bed.store.unsorted(0, 9).await.unwrap().is_empty());
        bed.keep("webhook").await;
        assert!(bed.store.unsorted(0, 0).await.unwrap().is_empty());
    });
}

#[test]
fn large_webhooks_are_read_one_by_one_and_small_ones_together() {
    on_every_backend(async |bed: Bed| {
        for size in [300 << 10, 200 << 10, 50 << 10, 10 << 10] {
            bed.keep(&"x".repeat(size)).await;
        }
        let sizes = async || -> Vec<usize> {
            let read = bed.store.unsorted(0, 9).await.unwrap();
            read.iter().map(|record| record.webhook.body.len() >> 10).collect()
        };
        assert_eq!(sizes().await, [300]);
        bed.sort(Vec::new()).await;
        assert_eq!(sizes().await, [200, 50]);
    });
}

#[test]
pub(super) fn a_webhook_that_cannot_be_split_goes_by_the_same_id_after_every_replay() {
    on_every_backend(async |bed: Bed| {
        let buried = async || {
            let records = bed.store.unsorted(0, 9).await.unwrap();
            let batch: Vec<_> = records.iter().map(|record| unreadable(record.place)).collect();
            assert_eq!(bed.store.sort(batch, bed.now()).await.unwrap().unreadable, records.len());
            bed.list(Some(EventState::Dead), Default::default()).await.iter().map(|row| row.id).collect::<Vec<_>>()
        };
        bed.keep("broken").await;
        let first = buried().await;
        for _ in 0..2 {
            bed.keep("other").await;
            bed.sort(Vec::new()).await;
            bed.pass(1);
            assert_eq!(bed.replay(&everything()).await.count, 1);
            assert_eq!(buried().await, first);
        }
        bed.keep("of the same request").await;
        bed.keep("and one more").await;
        let all = buried().await;
        assert!(all.len() == 3 && all.contains(&first[0]), "{all:?}");
        assert!(all[0] != all[1] && all[1] != all[2] && all[0] != all[2], "{all:?}");
    });
}

#[test]
pub(super) fn a_batch_with_all_kinds_of_records_is_sorted_in_its_order() {
    on_every_backend(async |bed: Bed| {
        for body in ["one", "broken", "three"] {
            bed.keep(body).await;
        }
        let places: Vec<_> = bed.store.unsorted(0, 9).await.unwrap().iter().map(|record| record.place).collect();
        let split = |place, items| Sorted { split: Ok(items), ..unreadable(place) };
        let held = Item { hold: Hold::Spam, ..item("bob", "2") };
        let batch = vec![
            split(places[0], vec![item("ann", "1"), held, item("ann", "1")]),
            unreadable(places[1]),
            split(places[2], vec![item("ann", "3")]),
            split(99, vec![item("carl", "4")]),
        ];
        let count = bed.store.sort(batch, bed.now()).await.unwrap();
        assert_eq!(
            count,
            SortCount {
                records: places,
                new: 2,
                duplicates: 1,
                withheld: HoldCount::one(Hold::Spam),
                unreadable: 1,
                ..SortCount::default()
            }
        );
        assert_eq!(bodies(&bed.claim().await), ["1", "3"]);
        let seqs: Vec<_> = bed.list(None, Default::default()).await.iter().map(|row| row.seq).collect();
        assert_eq!(seqs, [4, 3, 2, 1], "no number is left out");
    });
}

#[test]
pub(super) fn a_place_is_never_used_again() {
    on_every_backend(async |bed: Bed| {
        bed.keep("webhook").await;
        let first = bed.store.unsorted(0, 1).await.unwrap()[0].place;
        bed.sort(Vec::new()).await;
        bed.keep("webhook").await;
        assert!(bed.store.unsorted(0, 1).await.unwrap()[0].place > first);
    });
}

#[test]
pub(super) fn the_same_event_twice_is_one_event() {
    on_every_backend(async |bed: Bed| {
        bed.keep("webhook").await;
        let count = bed.sort(vec![item("ann", "1"), item("ann", "1")]).await;
        assert_eq!(count, SortCount { new: 1, duplicates: 1, ..SortCount::default() });
        assert_eq!(bed.arrive_as(item("ann", "1")).await, duplicate());
        let claimed = bed.claim().await;
        assert_eq!(bodies(&claimed), ["1"]);
        bed.deliver(&claimed).await;
        assert_eq!(bed.arrive_as(item("ann", "1")).await, duplicate(), "after delivery too");
    });
}

#[test]
pub(super) fn an_id_is_forgotten_after_the_retention_or_as_soon_as_its_source_says() {
    on_every_backend(async |bed: Bed| {
        let shortly = || Item { same_within: Some(Duration::from_secs(600)), ..item("ann", "short") };
        bed.arrive("ann", "long").await;
        bed.arrive_as(shortly()).await;
        bed.pass(599);
        assert_eq!(bed.arrive_as(shortly()).await, duplicate());
        bed.pass(1);
        assert_eq!(bed.arrive_as(shortly()).await, new(1));
        assert_eq!(bed.arrive_as(item("ann", "long")).await, duplicate());
        let claimed = bed.claim().await;
        assert_eq!(bodies(&claimed), ["long", "short", "short"], "the earlier one is delivered as well");
        bed.pass(30 * 24 * 3600);
        assert_eq!(bed.arrive_as(item("ann", "long")).await, new(1));
    });
}

#[test]
pub(super) fn an_event_that_gave_its_id_up_can_still_be_named() {
    on_every_backend(async |bed: Bed| {
        bed.arrive("ann", "1").await;
        bed.pass(31 * 24 * 3600);
        bed.arrive("ann", "1").await;
        let ids: Vec<EventId> = bed.list(None, Default::default()).await.iter().map(|row| row.id).collect();
        assert_eq!(ids[0], event_id("1"), "the newer one has it");
        assert_ne!(ids[1], ids[0]);
        assert_eq!(bed.store.event(&ids[1]).await.unwrap().unwrap().row.seq, 1);
    });
}

#[test]
pub(super) fn what_is_held_does_not_enter_its_lane_and_is_known_all_the_same() {
    on_every_backend(async |bed: Bed| {
        let held = || Item { hold: Hold::Spam, ..item("ann", "1") };
        assert_eq!(
            bed.arrive_as(held()).await,
            SortCount { withheld: HoldCount::one(Hold::Spam), ..SortCount::default() }
        );
        assert_eq!(bed.arrive_as(held()).await, duplicate());
        assert_eq!(bed.nothing().await, None);
        assert_eq!(bed.state_of("ann").await, "idle");
        let row = bed.row("1").await;
        assert_eq!((row.state, row.reason.as_deref()), (EventState::Withheld, Some("spam")));
        assert_eq!(row.ended, Some(bed.now()));
        assert!(row.detail.is_some());
    });
}

#[test]
pub(super) fn a_webhook_that_cannot_be_split_becomes_a_dead_letter_whole_and_is_sorted_again_on_replay() {
    on_every_backend(async |bed: Bed| {
        bed.keep("{broken").await;
        let record = bed.store.unsorted(0, 1).await.unwrap().remove(0);
        let count = bed.store.sort(vec![unreadable(record.place)], bed.now()).await.unwrap();
        assert_eq!(count, SortCount { records: vec![record.place], unreadable: 1, ..SortCount::default() });
        let rows = bed.list(Some(EventState::Dead), Default::default()).await;
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].reason.as_deref(), rows[0].external_ref.as_ref()), (Some("unreadable"), None));
        assert_eq!(rows[0].request_id, record.webhook.request_id);
        let whole = bed.store.event(&rows[0].id).await.unwrap().unwrap();
        assert_eq!(&whole.body.unwrap()[..], b"{broken");
        assert!(bed.stats().await.bytes > 0);

        let moved = bed.store.replay(&Selector::Ids(vec![rows[0].id]), 10, bed.now()).await.unwrap();
        assert_eq!((moved.count, moved.more), (1, false));
        let again = bed.store.unsorted(0, 10).await.unwrap();
        assert_eq!(again.len(), 1);
        assert_eq!(again[0].webhook, record.webhook, "headers and all");
        assert!(bed.list(None, Default::default()).await.is_empty());
        let count = bed.store.sort(vec![unreadable(again[0].place)], bed.now()).await.unwrap();
        assert_eq!(count.unreadable, 1, "still unreadable, so it is dead again");
        assert_eq!(bed.store.replay(&everything(), 10, bed.now()).await.unwrap().count, 1);
        bed.arrive("ann", "1").await;
        assert_eq!(bodies(&bed.claim().await), ["1"]);
    });
}

#[test]
pub(super) fn a_full_store_refuses_webhooks_until_something_is_delivered() {
    with_options(&Options { max_events: 2, ..Options::default() }, async |bed: Bed| {
        bed.arrive("ann", "1").await;
        bed.store.would_keep().await.unwrap();
        bed.keep("webhook").await;
        for refused in [bed.store.keep(bed.webhook("webhook")).await, bed.store.would_keep().await] {
            assert!(matches!(refused, Err(StoreError::Full(Cap::Events))), "{refused:?}");
        }
        bed.sort(vec![item("bob", "2")]).await;
        assert!(bed.store.keep(bed.webhook("webhook")).await.is_err());
        let claimed = bed.claim().await;
        bed.deliver(&claimed).await;
        bed.keep("webhook").await;
    });
}

#[test]
pub(super) fn bytes_are_counted_from_the_inbox_to_the_end() {
    let webhook = 7 + "content-type".len() as u64 + "text/plain".len() as u64;
    with_options(&Options { max_bytes: 2 * webhook, ..Options::default() }, async |bed: Bed| {
        bed.keep("webhook").await;
        bed.keep("webhook").await;
        assert_eq!(bed.stats().await.bytes, 2 * webhook);
        for refused in [bed.store.keep(bed.webhook("")).await, bed.store.would_keep().await] {
            assert!(matches!(refused, Err(StoreError::Full(Cap::Bytes))), "{refused:?}");
        }
        bed.sort(vec![item("ann", "12345")]).await;
        assert_eq!(bed.stats().await.bytes, webhook + 5);
        let claimed = bed.claim().await;
        let _ = bed.store.fetched(&claimed.lease, upto(&claimed), vec![0; 9].into()).await.unwrap();
        assert_eq!(bed.stats().await.bytes, webhook + 14);
        bed.deliver(&claimed).await;
        assert_eq!(bed.stats().await.bytes, webhook);
    });
}

#[test]
pub(super) fn a_crowded_lane_sends_new_events_to_the_dead_letters_and_nothing_is_lost() {
    with_options(&Options { max_lane_events: 2, ..Options::default() }, async |bed: Bed| {
        bed.arrive("ann", "1").await;
        bed.arrive("ann", "2").await;
        assert_eq!(bed.arrive_as(item("ann", "3")).await, SortCount { crowded: 1, ..SortCount::default() });
        bed.arrive("bob", "other").await;
        assert_eq!(bed.row("3").await.reason.as_deref(), Some("lane_full"));
        let claimed = bed.claim().await;
        assert_eq!(bodies(&claimed), ["1", "2"]);
        bed.deliver(&claimed).await;
        assert_eq!(bed.store.replay(&everything(), 10, bed.now()).await.unwrap().count, 1);
        let _bob = bed.claim().await;
        let claimed = bed.claim().await;
        assert_eq!((bodies(&claimed), claimed.lease.external_ref.clone()), (vec!["3".to_owned()], lead("ann")));
    });
}

#[test]
pub(super) fn a_waiting_sorter_is_woken_by_what_came_before_it_waited() {
    on_every_backend(async |bed: Bed| {
        bed.keep("webhook").await;
        bed.store.inbox_changed().await;
        bed.sort(vec![item("ann", "1")]).await;
        bed.store.lanes_changed().await;
    });
}

#[test]
pub(super) fn a_closed_store_refuses() {
    on_every_backend(async |bed: Bed| {
        bed.keep("webhook").await;
        bed.store.close().await;
        assert!(matches!(bed.store.keep(bed.webhook("x")).await, Err(StoreError::Closed)));
        assert!(matches!(bed.store.unsorted(0, 1).await, Err(StoreError::Closed)));
        assert!(matches!(bed.store.events(Default::default()).await, Err(StoreError::Closed)));
        bed.store.close().await;
    });
}
