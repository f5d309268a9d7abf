//! What has reached a lead already: of each field, how new the word was.
//!
//! Senders repeat themselves, overtake each other and are replayed. Of two words on one field the one that was said later
//! stands, in whichever order they come (`queue.md` §2.11, C7): so a lane remembers when the last one was said.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Seq;
use crate::domain::lead::Field;

/// Lanes whose words another one of the same lead hears at a claim, at most: those that came last. More of them are a code
/// that names nobody in particular, and each of these has heard others before.
pub(super) const HEARD: usize = 100;

/// When something was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word {
    /// Its event's place in the order of arrival.
    pub seq: Seq,
    /// By the sender's own clock; where it shows none, when it came. `None` where a version before this one has not kept it.
    pub at: Option<Timestamp>,
}

impl Word {
    /// By the time at which they were said, and in the order of arrival where that is the same or is not known of either.
    /// Of which it is not known was said before all of which it is: an order without circles needs one time for each word.
    #[must_use]
    pub fn is_before(self, other: Self) -> bool {
        (self.at, self.seq) < (other.at, other.seq)
    }
}

/// The newest word of each field of which there is one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Group>", into = "Vec<Group>")]
pub struct Words(BTreeMap<Field, Word>);

/// Fields, as bits by their place in [`Field`], that have the same word: its place, and its time in nanoseconds since 1970.
type Group = (u16, Seq, Option<i64>);

impl Words {
    /// Nothing has been said.
    #[must_use]
    pub const fn none() -> Self {
        Self(BTreeMap::new())
    }

    /// One word on each of `fields`.
    #[must_use]
    pub fn of(fields: impl IntoIterator<Item = Field>, word: Word) -> Self {
        Self(fields.into_iter().map(|field| (field, word)).collect())
    }

    /// Whether a word on `field` would be older than what is known.
    #[must_use]
    pub fn are_newer(&self, field: Field, word: Word) -> bool {
        self.0.get(&field).is_some_and(|known| word.is_before(*known))
    }

    /// What all of these say.
    pub(super) fn of_all<'a>(words: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut all = Self::none();
        words.into_iter().for_each(|words| all.hear(words));
        all
    }

    /// Takes in others: of each field the newer word stays.
    pub fn hear(&mut self, others: &Self) {
        for (field, word) in &others.0 {
            self.0
                .entry(*field)
                .and_modify(|known| *known = if known.is_before(*word) { *word } else { *known })
                .or_insert(*word);
        }
    }

    /// True when nothing was said of anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The latest time at which any of it was said, of what came in before `seq`.
    #[must_use]
    pub fn said_before(&self, seq: Seq) -> Option<Timestamp> {
        self.0.values().filter(|word| word.seq < seq).filter_map(|word| word.at).max()
    }

    /// The word that came in last.
    pub(super) fn last(&self) -> Option<Word> {
        self.0.values().copied().max_by_key(|word| word.seq)
    }
}

impl From<Vec<Group>> for Words {
    /// Fields of a later version are passed over, times that there cannot be are not known.
    fn from(groups: Vec<Group>) -> Self {
        let word = |seq, nanos: Option<i64>| Word {
            seq,
            at: nanos.and_then(|nanos| Timestamp::from_nanosecond(nanos.into()).ok()),
        };
        let fields = |bits: u16| Field::ALL.into_iter().filter(move |field| bits & bit(*field) != 0);
        let each = |(bits, seq, nanos)| fields(bits).map(move |field| (field, word(seq, nanos)));
        Self(groups.into_iter().flat_map(each).collect())
    }
}

impl From<Words> for Vec<Group> {
    fn from(Words(words): Words) -> Self {
        let mut groups: Self = Vec::new();
        for (field, Word { seq, at }) in words {
            let nanos = at.map(|at| i64::try_from(at.as_nanosecond()).unwrap_or(i64::MAX));
            match groups.iter_mut().find(|(_, known, at)| (*known, *at) == (seq, nanos)) {
                Some((bits, ..)) => *bits |= bit(field),
                None => groups.push((bit(field), seq, nanos)),
            }
        }
        groups
    }
}

const fn bit(field: Field) -> u16 {
    1 << field as u16
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn word(seq: Seq, second: Option<i64>) -> Word {
        Word { seq, at: second.map(|second| Timestamp::from_second(second).unwrap()) }
    }

    #[test]
    fn senders_clocks_come_before_the_order_of_arrival() {
        assert!(word(2, Some(10)).is_before(word(1, Some(20))), "it came later, and was said before");
        assert!(word(1, Some(10)).is_before(word(2, Some(10))), "said in the same second");
        assert!(word(2, None).is_before(word(1, Some(20))), "of an older version: nobody knows when");
        assert!(word(1, None).is_before(word(2, None)) && !word(1, None).is_before(word(1, None)));
    }

    proptest! {
        #[test]
        fn of_any_words_one_is_the_newest_in_whichever_order_they_are_heard(
            said in proptest::collection::vec((0..6_u64, proptest::option::of(0..4_i64)), 3)
        ) {
            let said: Vec<Word> = said.into_iter().map(|(seq, second)| word(seq, second)).collect();
            let [one, two, three] = said[..] else { unreachable!("there are three") };
            prop_assert!(!(one.is_before(two) && two.is_before(one)));
            prop_assert!(one == two || one.is_before(two) || two.is_before(one));
            prop_assert!(!(one.is_before(two) && two.is_before(three)) || one.is_before(three));
            let heard = |order: [Word; 3]| {
                let mut words = Words::none();
                order.into_iter().for_each(|word| words.hear(&Words::of([Field::Phone], word)));
                words
            };
            let first = heard([one, two, three]);
            for order in [[one, three, two], [two, one, three], [two, three, one], [three, one, two], [three, two, one]] {
                prop_assert_eq!(&heard(order), &first);
            }
        }
    }

    #[test]
    fn what_shows_no_clock_was_said_after_whatever_came_before_it() {
        let mut words = Words::of([Field::Phone], word(3, Some(30)));
        words.hear(&Words::of([Field::Email], word(9, Some(90))));
        assert_eq!(words.said_before(4), word(0, Some(30)).at);
        assert_eq!((words.said_before(10), words.said_before(3)), (word(0, Some(90)).at, None));
    }

    #[test]
    fn of_each_field_the_newest_word_is_known() {
        let mut words = Words::of([Field::Phone, Field::Email], word(1, Some(10)));
        words.hear(&Words::of([Field::Phone, Field::Name], word(2, Some(20))));
        words.hear(&Words::of([Field::Phone], word(3, Some(15))));
        let between = word(4, Some(17));
        let newer = Field::ALL.into_iter().filter(|field| words.are_newer(*field, between)).collect::<Vec<_>>();
        assert_eq!(newer, [Field::Name, Field::Phone]);
        assert_eq!(words.last(), Some(word(2, Some(20))));
    }

    #[test]
    fn they_are_kept_in_groups() {
        let mut words = Words::of(Field::ALL, word(7, None));
        words.hear(&Words::of([Field::Email], word(9, Some(1_800_000_000))));
        let kept = serde_json::to_string(&words).unwrap();
        assert_eq!(kept, "[[8187,7,null],[4,9,1800000000000000000]]");
        assert_eq!(serde_json::from_str::<Words>(&kept).unwrap(), words);
        let later_version = serde_json::from_str::<Words>("[[32772,9,null]]").unwrap();
        assert_eq!(later_version, Words::of([Field::Email], word(9, None)));
    }
}
