//! How far a list has been read, and whose turn it is: what stands in the memo of its source.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::providers::Span;

/// How often a list is read, and after how long a failed reading is tried again.
pub(super) const EVERY: Duration = Duration::from_hours(1);

/// How much before the end of the last complete reading the next one begins: a lead may come into a list after its time.
const OVERLAP: Duration = Duration::from_hours(1);

/// After so long without a page a reading is taken over: whoever was at it is dead.
pub(super) const LOST: Duration = Duration::from_mins(30);

/// How far a list has been read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// Whatever was submitted before this has been read, or is left to a person to ask for.
    upto: Timestamp,
    /// Nobody has to look before this.
    pub(super) again: Timestamp,
    /// A reading that has begun and is not complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    reading: Option<Reading>,
    /// Why the sender refuses the list, and when a person was last told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refused: Option<(String, Timestamp)>,
}

/// How often a person is told of a list that is refused for the same reason.
const TOLD_EVERY: Duration = Duration::from_hours(7 * 24);

/// A reading that is not complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Reading {
    /// Up to when it reads.
    until: Timestamp,
    /// Where it stands; `None` at its beginning.
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

/// What is to be asked next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) span: Span,
    pub(super) cursor: Option<String>,
}

impl Mark {
    /// Of a list that nobody has read yet: it is read from now on.
    pub(super) fn new(now: Timestamp) -> Self {
        Self { upto: now, again: now + EVERY, reading: None, refused: None }
    }

    /// Whether somebody has to look. A time that is much further off than any was ever set means that a clock was wrong; a
    /// little further off, that another bridge's clock is ahead of this one's.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        now >= self.again || self.again > now + 2 * EVERY
    }

    /// Takes the turn: a new reading, or the one that was begun, where it stands.
    pub(super) fn begin(mut self, now: Timestamp) -> Self {
        self.reading.get_or_insert(Reading { until: now, cursor: None });
        Self { again: now + LOST, ..self }
    }

    /// What the reading asks next; `None` when there is none.
    pub(super) fn turn(&self) -> Option<Turn> {
        let Reading { until, cursor } = self.reading.clone()?;
        let since = self.upto.min(until) - OVERLAP;
        Some(Turn { span: Span { since, until }, cursor })
    }

    /// A page was read, and the list goes on at `next`; at its end the reading is complete.
    pub(super) fn turned(mut self, next: Option<String>, now: Timestamp) -> Self {
        match (&mut self.reading, next) {
            (Some(reading), Some(next)) => {
                reading.cursor = Some(next);
                Self { again: now + LOST, ..self }
            }
            (Some(reading), None) => {
                Self { upto: reading.until, again: (reading.until + EVERY).max(now), reading: None, refused: None }
            }
            (None, _) => self,
        }
    }

    /// Nothing could be had: the reading goes on where it stands, an hour later.
    pub(super) fn put_off(self, now: Timestamp) -> Self {
        Self { again: now + EVERY, ..self }
    }

    /// The sender refuses the list: it is read anew, an hour later. Also gives whether that is news to a person: it is said
    /// once, and again when the reason is another one or nobody has done anything for a week.
    pub(super) fn give_up(self, why: &str, now: Timestamp) -> (Self, bool) {
        let told = self.refused.filter(|(known, at)| known == why && now < *at + TOLD_EVERY);
        let is_news = told.is_none();
        let refused = Some(told.unwrap_or_else(|| (why.to_owned(), now)));
        (Self { again: now + EVERY, reading: None, refused, ..self }, is_news)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn span(mark: &Mark) -> (Timestamp, Timestamp) {
        let Turn { span: Span { since, until }, .. } = mark.turn().unwrap();
        (since, until)
    }

    #[test]
    fn a_list_is_read_every_hour_from_an_hour_before_the_last_complete_reading() {
        let mark = Mark::new(at(0));
        assert!(!mark.is_due(at(HOUR - 1)) && mark.is_due(at(HOUR)) && mark.turn().is_none());
        let mark = mark.begin(at(HOUR));
        assert_eq!(span(&mark), (at(-HOUR), at(HOUR)));
        let mark = mark.turned(Some("x".into()), at(HOUR + 10)).turned(None, at(HOUR + 20));
        assert!(!mark.is_due(at(2 * HOUR - 1)) && mark.is_due(at(2 * HOUR)));
        assert_eq!(span(&mark.begin(at(9 * HOUR))), (at(0), at(9 * HOUR)), "after an outage of hours");
    }

    #[test]
    fn a_reading_that_died_is_taken_over_where_it_stood_half_an_hour_after_its_last_page() {
        let mark = Mark::new(at(0)).begin(at(HOUR)).turned(Some("x".into()), at(HOUR + 10 * MINUTE));
        assert!(!mark.is_due(at(HOUR + 39 * MINUTE)) && mark.is_due(at(HOUR + 40 * MINUTE)));
        let taken = mark.begin(at(HOUR + 40 * MINUTE));
        assert_eq!(taken.turn().unwrap().cursor.as_deref(), Some("x"));
        assert_eq!(span(&taken), (at(-HOUR), at(HOUR)));
    }

    #[test]
    fn a_failure_is_tried_again_an_hour_later_and_nothing_counts_as_read() {
        let reading = Mark::new(at(0)).begin(at(HOUR)).turned(Some("x".into()), at(HOUR));
        let later = reading.clone().put_off(at(HOUR + 1)).begin(at(2 * HOUR + 1));
        assert_eq!((later.turn().unwrap().cursor.as_deref(), span(&later)), (Some("x"), (at(-HOUR), at(HOUR))));
        let (anew, _) = reading.give_up("no", at(HOUR + 1));
        assert!(!anew.is_due(at(2 * HOUR)) && anew.is_due(at(2 * HOUR + 1)));
        let anew = anew.begin(at(2 * HOUR + 1));
        assert_eq!((anew.turn().unwrap().cursor, span(&anew)), (None, (at(-HOUR), at(2 * HOUR + 1))));
    }

    #[test]
    fn a_refusal_is_told_once_until_it_is_another_or_a_week_has_passed() {
        let refused = |mark: Mark, why: &str, hours: i64| mark.begin(at(hours * HOUR)).give_up(why, at(hours * HOUR));
        let (mark, told) = refused(Mark::new(at(0)), "no token", 1);
        assert!(told);
        let (mark, told) = refused(mark, "no token", 2);
        assert!(!told);
        let (mark, told) = refused(mark, "no right", 3);
        assert!(told);
        let (mark, told) = refused(mark, "no right", 3 + 7 * 24);
        assert!(told);
        let read = mark.begin(at(200 * HOUR)).turned(None, at(200 * HOUR));
        assert!(refused(read, "no right", 201).1, "it had been well again");
    }

    #[test]
    fn a_clock_that_was_wrong_does_not_hold_a_list_up() {
        assert!(!Mark::new(at(5)).is_due(at(0)), "another bridge's is a little ahead");
        let ahead = Mark::new(at(1000 * HOUR));
        assert!(ahead.is_due(at(0)));
        assert_eq!(span(&ahead.begin(at(0))), (at(-HOUR), at(0)));
    }

    #[test]
    fn a_reading_that_took_longer_than_an_hour_is_followed_by_the_next() {
        let mark = Mark::new(at(0)).begin(at(HOUR)).turned(None, at(5 * HOUR));
        assert!(mark.is_due(at(5 * HOUR)));
        assert_eq!(span(&mark.begin(at(5 * HOUR))), (at(0), at(5 * HOUR)));
    }

    #[test]
    fn what_is_in_the_memo_is_read_back() {
        let mark = Mark::new(at(0)).begin(at(HOUR)).turned(Some(r#"{"forms":["1"]}"#.into()), at(HOUR));
        let written = serde_json::to_string(&mark).unwrap();
        assert_eq!(serde_json::from_str::<Mark>(&written).unwrap(), mark);
    }
}
