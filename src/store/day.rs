//! How many leads Konektor takes today, and whose have to wait when they are nearly used up.
//!
//! The numbers are Konektor's (`GET /workspace`), counted on by our own creates between two looks. What happens at the
//! limit is not documented; a refusal that can only mean it closes the day, too. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::receipt::CHORE_AGAIN;
use crate::domain::event::SourceName;

/// How long creates wait after a refusal when nobody knows when the day ends: then one of them tries.
const BLIND_WAIT: Duration = Duration::from_mins(15);
/// How long they wait after one at the beginning of a day: two clocks that say midnight are seldom further apart.
const MIDNIGHT_AGAIN: Duration = Duration::from_mins(1);
/// A day is nearly used up when less than one in so many of its leads is left.
const NEARLY: u64 = 10;
/// Longest time between two midnights that is believed: a clock that is put back makes 25 hours.
const LONGEST_DAY: Duration = Duration::from_hours(26);

/// What Konektor tells of the day, and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Day {
    /// Leads that the plan takes a day.
    pub limit: u64,
    /// Leads that were made today, by whomever.
    pub used: u64,
    /// The workspace's next midnight.
    pub ends: Timestamp,
    /// From how many used ones on a source's creates wait; a source that is not named waits at the limit.
    pub waits_from: BTreeMap<SourceName, u64>,
}

/// What is to be noted of the day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DayNote {
    /// Claims may hand out looks at the day from now on ([`Chore::LookAtDay`](super::Chore::LookAtDay)).
    Watch,
    /// Konektor has told; the next look is due then.
    Told {
        /// What.
        day: Day,
        /// When.
        look: Timestamp,
    },
    /// Konektor does not tell (no scope, no answer); the next look is due then.
    Untold {
        /// When.
        look: Timestamp,
    },
    /// Konektor refused a create as it would when the day is used up.
    Refused,
}

/// Where the day stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, strum::Display, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum DayState {
    /// Nobody knows.
    #[default]
    Unknown,
    /// There is room.
    Open,
    /// Nearly used up: sources of lower value wait.
    Near,
    /// Used up: whatever creates waits.
    Full,
}

/// The day in numbers, for a person.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DayStats {
    /// Where it stands.
    pub state: DayState,
    /// Leads that the plan takes a day.
    pub limit: Option<u64>,
    /// Leads made today, as told and counted on.
    pub used: Option<u64>,
    /// Until when those that wait do.
    pub until: Option<Timestamp>,
    /// Lanes that wait for it.
    pub parked: u64,
}

/// What a store keeps of the day.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Days {
    day: Option<Day>,
    closed_until: Option<Timestamp>,
    look: Option<Timestamp>,
}

impl Days {
    /// Takes a note in; true when what had to wait may go on, or has to be judged anew.
    pub(super) fn note(&mut self, note: DayNote, now: Timestamp) -> bool {
        self.roll(now);
        match note {
            DayNote::Watch => self.look = Some(now),
            DayNote::Untold { look } => self.look = Some(look),
            DayNote::Told { day, look } => {
                let day = Day { ends: day.ends.min(now + LONGEST_DAY), ..day };
                let raised = self.day.as_ref().is_some_and(|before| before.limit < day.limit);
                if raised {
                    self.closed_until = None;
                }
                let reopened = raised || self.day.as_ref().is_none_or(|before| before.held_more_than(&day));
                (self.look, self.day) = (Some(look), Some(day));
                return reopened;
            }
            DayNote::Refused => {
                let ends = self.day.as_ref().map(|day| day.ends).filter(|ends| *ends > now);
                // Where Konektor's clock is behind ours, it is still counting yesterday's.
                let until = match ends {
                    Some(ends) if now < ends - Duration::from_hours(24) + BLIND_WAIT => now + MIDNIGHT_AGAIN,
                    Some(ends) => ends,
                    None => now + BLIND_WAIT,
                };
                self.closed_until = Some(until);
                self.look = self.look.map(|look| look.min(now));
            }
        }
        false
    }

    /// Until when a create for `source` has to wait, if it has to. Replays wait as soon as anybody does.
    pub(super) fn holds(&mut self, source: &SourceName, replayed: bool, now: Timestamp) -> Option<Timestamp> {
        self.roll(now);
        if self.closed_until.is_some() {
            return self.closed_until;
        }
        let day = self.day.as_ref()?;
        let from = if replayed { near(day.limit) } else { *day.waits_from.get(source).unwrap_or(&day.limit) };
        (day.used >= from.min(day.limit)).then_some(day.ends)
    }

    /// Whether any create has to wait at all: a cheap question before the dear one.
    pub(super) fn may_hold(&self) -> bool {
        self.closed_until.is_some() || self.day.as_ref().is_some_and(|day| day.used >= day.least())
    }

    /// A lead was created by us.
    pub(super) fn created(&mut self, now: Timestamp) {
        self.roll(now);
        let Some(day) = &mut self.day else { return };
        let before = day.state();
        day.used += 1;
        if day.state() != before {
            self.look = self.look.map(|look| look.min(now));
        }
    }

    /// Whether a look at the day is due; handed out once, and again when nothing came of it.
    pub(super) fn take_look(&mut self, now: Timestamp) -> bool {
        let due = self.looks_due(now);
        if due {
            self.look = Some(now + CHORE_AGAIN);
        }
        due
    }

    /// Whether a look at the day is due.
    pub(super) fn looks_due(&self, now: Timestamp) -> bool {
        self.look.is_some_and(|look| look <= now)
    }

    /// When the next look is due.
    pub(super) const fn next_look(&self) -> Option<Timestamp> {
        self.look
    }

    /// Where the day stands.
    pub(super) fn state(&self, now: Timestamp) -> DayState {
        match &self.day {
            _ if self.closed_until.is_some_and(|until| now < until) => DayState::Full,
            Some(day) if now < day.ends => day.state(),
            Some(_) => DayState::Open,
            None => DayState::Unknown,
        }
    }

    /// The clock was set back. Midnight is where it was; Konektor is asked which day it is.
    pub(super) fn set_back(&mut self, by: Duration) {
        for time in [&mut self.closed_until, &mut self.look].into_iter().flatten() {
            *time -= by;
        }
    }

    /// Whether it is used up, or nearly.
    pub(super) fn is_nearly_over(&self, now: Timestamp) -> bool {
        matches!(self.state(now), DayState::Near | DayState::Full)
    }

    /// In numbers, with so many lanes that wait.
    pub(super) fn stats(&self, parked: u64, now: Timestamp) -> DayStats {
        let day = self.day.as_ref().filter(|day| now < day.ends);
        let state = self.state(now);
        let until = match state {
            DayState::Near | DayState::Full => {
                self.closed_until.filter(|until| now < *until).or_else(|| day.map(|day| day.ends))
            }
            DayState::Unknown | DayState::Open => None,
        };
        DayStats {
            state,
            limit: self.day.as_ref().map(|day| day.limit),
            used: self.day.as_ref().map(|before| day.map_or(0, |_| before.used)),
            until,
            parked,
        }
    }

    /// Begins a new day when the old one has ended. Its end is a guess until Konektor is asked, which is due then.
    fn roll(&mut self, now: Timestamp) {
        self.closed_until = self.closed_until.filter(|until| now < *until);
        let Some(day) = &mut self.day else { return };
        while day.ends <= now {
            day.used = 0;
            day.ends += Duration::from_hours(24);
            self.look = self.look.map(|look| look.min(now));
        }
    }
}

impl Day {
    fn state(&self) -> DayState {
        match () {
            () if self.used >= self.limit => DayState::Full,
            () if self.used >= near(self.limit) => DayState::Near,
            () => DayState::Open,
        }
    }

    /// Whether somebody may have waited for it who need not wait as long for `other`.
    fn held_more_than(&self, other: &Self) -> bool {
        other.used < self.used || other.ends != self.ends || other.waits_from != self.waits_from
    }

    /// From how many used ones on anybody waits.
    fn least(&self) -> u64 {
        self.waits_from.values().copied().chain([near(self.limit), self.limit]).min().unwrap_or(self.limit)
    }
}

/// From how many used ones of `limit` on the day is nearly used up.
const fn near(limit: u64) -> u64 {
    limit - limit.div_ceil(NEARLY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn source(name: &str) -> SourceName {
        SourceName::parse(name).unwrap()
    }

    /// Of 100 leads, until second 1000; `flyers` wait from 80 on.
    fn day(used: u64) -> Day {
        Day { limit: 100, used, ends: at(1000), waits_from: [(source("flyers"), 80)].into() }
    }

    fn told(used: u64) -> Days {
        let mut days = Days::default();
        days.note(DayNote::Watch, at(0));
        days.note(DayNote::Told { day: day(used), look: at(600) }, at(0));
        days
    }

    fn waits(days: &mut Days, now: i64) -> [bool; 3] {
        let mut held = |name, replayed| days.holds(&source(name), replayed, at(now)).is_some();
        [held("flyers", false), held("meta", true), held("meta", false)]
    }

    #[test]
    fn the_less_a_lead_is_worth_the_earlier_it_waits() {
        for (used, expected) in [
            (79, [false, false, false]),
            (80, [true, false, false]),
            (90, [true, true, false]),
            (99, [true, true, false]),
            (100, [true, true, true]),
        ] {
            assert_eq!(waits(&mut told(used), 1), expected, "{used} used");
        }
        assert_eq!(waits(&mut Days::default(), 1), [false; 3], "nobody knows");
    }

    #[test]
    fn a_refusal_just_after_midnight_is_of_the_day_before() {
        let mut days = told(100);
        let mut refused = |seconds| {
            days.note(DayNote::Refused, at(seconds));
            days.holds(&source("meta"), false, at(seconds))
        };
        assert_eq!(refused(1000), Some(at(1060)));
        assert_eq!(refused(1060), Some(at(1120)));
        assert_eq!(refused(1000 + 900), Some(at(1000 + 86_400)), "it cannot be that any more");
    }

    #[test]
    fn our_own_creates_are_counted_between_two_looks_and_a_change_asks_for_one() {
        let mut days = told(88);
        days.created(at(1));
        assert_eq!((days.state(at(1)), days.next_look()), (DayState::Open, Some(at(600))));
        days.created(at(2));
        assert_eq!((days.state(at(2)), days.next_look()), (DayState::Near, Some(at(2))));
        assert!(days.take_look(at(2)));
        assert!(!days.take_look(at(3)), "it is under way");
        assert!(days.take_look(at(302)), "nothing came of it");
    }

    #[test]
    fn a_used_up_day_opens_at_its_midnight_and_not_before() {
        let mut days = told(100);
        assert_eq!(days.holds(&source("meta"), false, at(999)), Some(at(1000)));
        assert_eq!(days.holds(&source("meta"), false, at(1000)), None);
        assert_eq!((days.state(at(1000)), days.next_look()), (DayState::Open, Some(at(600))));
        assert_eq!(days.stats(0, at(1000)).used, Some(0));
    }

    #[test]
    fn the_end_of_a_day_is_a_time_to_look() {
        let mut days = told(3);
        days.note(DayNote::Told { day: day(3), look: at(5000) }, at(0));
        days.created(at(1001));
        assert_eq!(days.next_look(), Some(at(1001)));
        assert_eq!(days.stats(0, at(1001)).used, Some(1), "the new day has one");
    }

    #[test]
    fn a_refusal_closes_the_day_whatever_the_numbers_say() {
        let mut days = told(93);
        days.note(DayNote::Refused, at(1));
        assert_eq!((waits(&mut days, 2), days.state(at(2))), ([true; 3], DayState::Full));
        assert_eq!(days.stats(7, at(2)).until, Some(at(1000)));
        assert!(days.note(DayNote::Told { day: Day { limit: 500, ..day(93) }, look: at(700) }, at(3)), "a larger plan");
        assert_eq!(waits(&mut days, 4), [true, false, false]);
    }

    #[test]
    fn a_refusal_of_which_nobody_knows_the_end_is_tried_again_soon() {
        let mut days = Days::default();
        days.note(DayNote::Refused, at(0));
        assert_eq!(days.holds(&source("meta"), false, at(1)), Some(at(900)));
        assert_eq!(days.holds(&source("meta"), false, at(900)), None);
    }

    #[test]
    fn what_is_told_again_lets_nobody_go_unless_there_is_more_room() {
        let mut days = told(100);
        let mut again = |day| days.note(DayNote::Told { day, look: at(700) }, at(1));
        assert!(!again(day(100)));
        assert!(!again(day(101)));
        assert!(again(day(60)), "leads were deleted, or the day is another one");
        assert!(again(Day { ends: at(4600), ..day(60) }), "a clock was put back");
    }
}
