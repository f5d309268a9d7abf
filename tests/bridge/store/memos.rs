//! Memos: small things that outlive a restart, and of which the first to note them knows that it was the first.

use bytes::Bytes;
use konektor_bridge::store::{Cap, StoreError, Topic};

use super::on_every_backend;

fn text(text: &'static str) -> Option<Bytes> {
    Some(Bytes::from_static(text.as_bytes()))
}

#[test]
pub(super) fn a_memo_is_what_was_noted_last_and_topics_are_apart() {
    on_every_backend(async |bed| {
        let set = async |topic, key: &str, value: &'static str, was| {
            bed.store.set_memo(topic, key, Bytes::from_static(value.as_bytes()), was).await.unwrap()
        };
        assert_eq!(bed.store.memo(Topic::Form, "a").await.unwrap(), None);
        assert!(set(Topic::Form, "a", "1", None).await);
        assert!(set(Topic::Backfill, "a", "2", None).await);
        assert!(set(Topic::Form, "b", "", None).await);
        assert!(set(Topic::Form, "a", "3", text("1")).await);
        assert_eq!(bed.store.memo(Topic::Form, "a").await.unwrap(), text("3"));
        assert_eq!(bed.store.memo(Topic::Backfill, "a").await.unwrap(), text("2"));
        let all = [("a".to_owned(), text("3").unwrap()), ("b".to_owned(), text("").unwrap())];
        assert_eq!(bed.store.memos(Topic::Form).await.unwrap(), all);
        assert_eq!(bed.store.memos(Topic::Heard).await.unwrap(), []);
    });
}

#[test]
pub(super) fn of_two_who_note_the_same_one_is_the_first() {
    on_every_backend(async |bed| {
        let note = async |value: &'static str, was| {
            bed.store.set_memo(Topic::Form, "a", Bytes::from_static(value.as_bytes()), was).await.unwrap()
        };
        assert!(note("1", None).await);
        assert!(!note("1", None).await);
        assert!(note("2", text("1")).await);
        assert!(!note("2", text("1")).await);
        assert!(!note("3", text("")).await);
        assert_eq!(bed.store.memo(Topic::Form, "a").await.unwrap(), text("2"));
    });
}

#[test]
pub(super) fn strangers_cannot_fill_the_store_with_memos() {
    on_every_backend(async |bed| {
        let value = Bytes::from_static(b"1");
        for number in 0..2000 {
            assert!(bed.store.set_memo(Topic::Form, &number.to_string(), value.clone(), None).await.unwrap());
        }
        let full = |answer| matches!(answer, Err(StoreError::Full(Cap::Memos)));
        assert!(full(bed.store.set_memo(Topic::Form, "one more", value.clone(), None).await));
        assert!(
            bed.store.set_memo(Topic::Form, "7", value.clone(), text("1")).await.unwrap(),
            "what is there may change"
        );
        assert!(bed.store.set_memo(Topic::Heard, "one more", value.clone(), None).await.unwrap());
        assert!(full(bed.store.set_memo(Topic::Heard, &"k".repeat(401), value, None).await));
        assert!(full(bed.store.set_memo(Topic::Heard, "large", vec![0; (64 << 10) + 1].into(), None).await));
    });
}
