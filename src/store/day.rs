//! How many leads Konektor takes today, and whose have to wait when they are nearly used up.
//!
//! The numbers are Konektor's (`GET /workspace`), counted on by our own creates between two looks. What happens at the
//! limit is not documented; a refusal that can only mean it closes the day, too. Pure.

use std::collections::BTreeMap;
use std::mem;
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
/// How long creates go one at a time when nobody knows whether there is room and Konektor does not say: longer than a call
/// takes.
const TRYING: Duration = Duration::from_secs(15);
/// When a create looks again whether there is room for it: what is under way has it, and ends sooner as a rule.
const ROOM_AGAIN: Duration = Duration::from_secs(2);
/// Creates of which it has to be found out whether they made a lead that are counted as under way, at most: about as many as
/// one bridge works on at a time. When there are more the store has lost something, and next to none of them was sent.
const DOUBTED: u64 = 24;
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

/// Creates whose end is not known, and which may need what is left of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct UnderWay(u64);

impl UnderWay {
    /// `leased` lanes without a lead are worked on, and of so many more it is `sought` whether a create has made theirs.
    pub(super) fn of(leased: u64, sought: u64) -> Self {
        Self(leased.saturating_add(sought.min(DOUBTED)))
    }
}

/// What a create waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    /// It is put off until then, and what stands behind it may go.
    Until(Timestamp),
    /// What is under way may need all that is left, and nothing that stands in its line may go. To be looked at again then,
    /// or when an attempt has ended.
    Room(Timestamp),
}

/// What a store keeps of the day.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Days {
    day: Option<Day>,
    closed_until: Option<Timestamp>,
    look: Option<Timestamp>,
    /// Until when creates go one at a time, unless Konektor says more before: nobody knows whether there is room.
    trying: Option<Timestamp>,
    /// Leads that we have created since Konektor was asked, while its answer is waited for: it may have counted them.
    since_asked: Option<u64>,
    /// Creates were under way while Konektor was asked last: they may be counted twice.
    unsure: bool,
    /// A day began while Konektor is asked: what it says may be of the one before.
    outdated: bool,
}

impl Days {
    /// Takes a note in; true when what had to wait may go on, or has to be judged anew.
    pub(super) fn note(&mut self, note: DayNote, now: Timestamp) -> bool {
        self.roll(now);
        match note {
            DayNote::Watch => (self.look, self.trying) = (Some(now), Some(now + TRYING)),
            DayNote::Untold { look } => {
                (self.look, self.trying, self.since_asked) = (Some(look), None, None);
                (self.unsure, self.outdated) = (false, false);
            }
            DayNote::Told { day, look } => {
                let used = day.used.saturating_add(self.since_asked.take().unwrap_or(0));
                self.trying = None;
                let day = Day { used, ends: day.ends.min(now + LONGEST_DAY), ..day };
                let raised = self.day.as_ref().is_some_and(|before| before.limit < day.limit);
                if raised {
                    self.closed_until = None;
                }
                let reopened = raised || self.day.as_ref().is_none_or(|before| before.held_more_than(&day));
                let look = if mem::take(&mut self.outdated) { now } else { look };
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
                self.look_soon(now);
            }
        }
        false
    }

    /// What a create for `source` has to wait for, if it has to. Replays wait as soon as anybody does, and do not keep what
    /// stands behind them waiting: there may be updates.
    pub(super) fn holds(
        &mut self,
        source: &SourceName,
        replayed: bool,
        under_way: UnderWay,
        now: Timestamp,
    ) -> Option<Hold> {
        self.roll(now);
        if let Some(until) = self.closed_until {
            return Some(Hold::Until(until));
        }
        let again = now + ROOM_AGAIN;
        let room = if replayed { Hold::Until(again) } else { Hold::Room(again) };
        if self.is_trying(now) && under_way.0 > 0 {
            return Some(room);
        }
        let day = self.day.as_ref()?;
        let from = if replayed { near(day.limit) } else { *day.waits_from.get(source).unwrap_or(&day.limit) };
        match from.min(day.limit) {
            from if day.used >= from => Some(Hold::Until(day.ends)),
            _ if day.used_with(under_way) >= day.limit => Some(room),
            from if day.used_with(under_way) >= from => Some(Hold::Until(again)),
            _ => None,
        }
    }

    /// Whether any create has to wait at all: a cheap question before the dear one.
    pub(super) fn may_hold(&self, under_way: UnderWay, now: Timestamp) -> bool {
        self.closed_until.is_some()
            || (self.is_trying(now) && under_way.0 > 0)
            || self.day.as_ref().is_some_and(|day| day.used_with(under_way) >= day.least())
    }

    /// Whether it matters how many creates are under way, of which there are `most` at most.
    pub(super) fn asks_for_under_way(&self, most: UnderWay, now: Timestamp) -> bool {
        most.0 > 0 && (self.look.is_some_and(|look| look <= now) || self.may_hold(most, now))
    }

    /// A lane without a lead is leased: it may create one.
    pub(super) const fn begun(&mut self) {
        if self.since_asked.is_some() {
            self.unsure = true;
        }
    }

    /// A lead was created by us.
    pub(super) fn created(&mut self, now: Timestamp) {
        self.roll(now);
        match &mut self.since_asked {
            Some(created) => *created += 1,
            // Nobody will say more.
            None if self.look.is_none_or(|look| now < look) => self.trying = None,
            None => {}
        }
        let Some(day) = &mut self.day else { return };
        let before = day.state();
        day.used = day.used.saturating_add(1);
        if day.state() != before || before == DayState::Full {
            self.look_soon(now);
        }
    }

    /// Whether a look at the day is due; handed out once, and again when nothing came of it.
    pub(super) fn take_look(&mut self, under_way: UnderWay, now: Timestamp) -> bool {
        let due = self.looks_due(under_way, now);
        if due {
            self.look = Some(now + CHORE_AGAIN);
            (self.since_asked, self.unsure, self.outdated) = (Some(0), under_way.0 > 0, false);
        }
        due
    }

    /// Whether a look at the day is due: at its time, and when leads that may be counted twice have used the day up.
    pub(super) fn looks_due(&self, UnderWay(under_way): UnderWay, now: Timestamp) -> bool {
        let used_up = || self.day.as_ref().is_some_and(|day| day.state() == DayState::Full);
        let is_watched =
            |look: Timestamp| look <= now || (self.unsure && self.since_asked.is_none() && under_way == 0 && used_up());
        self.look.is_some_and(is_watched)
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
        for time in [&mut self.closed_until, &mut self.look, &mut self.trying].into_iter().flatten() {
            *time -= by;
        }
    }

    /// Whether it is used up, or nearly, or may be once what is under way has ended.
    pub(super) fn is_nearly_over(&self, under_way: UnderWay, now: Timestamp) -> bool {
        let may_be = |day: &Day| now < day.ends && day.used_with(under_way) >= near(day.limit);
        self.state(now) == DayState::Full || self.day.as_ref().is_some_and(may_be)
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

    /// Something has happened that Konektor is to be asked about. Not while it is asked: the leads that we create meanwhile
    /// are counted on to one answer, and with a second question under way they would be missing in the first one's.
    fn look_soon(&mut self, now: Timestamp) {
        if self.since_asked.is_none() {
            self.look = self.look.map(|look| look.min(now));
        }
    }

    fn is_trying(&self, now: Timestamp) -> bool {
        self.trying.is_some_and(|until| now < until)
    }

    /// Begins a new day when the old one has ended. Its end is a guess until Konektor is asked, which is due then; and until
    /// it says so, what our clock takes for a new day need not be one for Konektor's.
    fn roll(&mut self, now: Timestamp) {
        if let Some(until) = self.closed_until.take_if(|until| *until <= now) {
            self.trying = Some(until + TRYING);
        }
        let Some(day) = self.day.as_mut().filter(|day| day.ends <= now) else { return };
        while day.ends <= now {
            day.used = 0;
            self.trying = Some(day.ends + TRYING);
            day.ends += Duration::from_hours(24);
        }
        self.outdated = self.since_asked.is_some();
        self.look_soon(now);
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

    /// How many are used when all that is under way makes its lead.
    const fn used_with(&self, UnderWay(under_way): UnderWay) -> u64 {
        self.used.saturating_add(under_way)
    }

    /// Whether somebody may have waited for it who need not wait as long for `other`.
    fn held_more_than(&self, other: &Self) -> bool {
        let mut steps = self.steps();
        other.ends != self.ends
            || other.waits_from != self.waits_from
            || steps.any(|from| other.used < from && from <= self.used)
    }

    /// From how many used ones on anybody waits.
    fn least(&self) -> u64 {
        self.steps().min().unwrap_or(self.limit)
    }

    /// From how many used ones on each source of less value waits, replays do, and all.
    fn steps(&self) -> impl Iterator<Item = u64> {
        self.waits_from.values().copied().chain([near(self.limit), self.limit])
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

    /// Where nothing is under way.
    fn waits(days: &mut Days, now: i64) -> [bool; 3] {
        holds(days, 0, now).map(|hold| hold.is_some())
    }

    /// For the source of less value, a replay, and the others.
    fn holds(days: &mut Days, under_way: u64, now: i64) -> [Option<Hold>; 3] {
        let mut hold = |name, replayed| days.holds(&source(name), replayed, UnderWay(under_way), at(now));
        [hold("flyers", false), hold("meta", true), hold("meta", false)]
    }

    fn until(seconds: i64) -> Option<Hold> {
        Some(Hold::Until(at(seconds)))
    }

    fn room(seconds: i64) -> Option<Hold> {
        Some(Hold::Room(at(seconds)))
    }

    fn look(days: &mut Days, under_way: u64, now: i64) -> bool {
        days.take_look(UnderWay(under_way), at(now))
    }

    fn used(days: &Days) -> Option<u64> {
        days.stats(0, at(10)).used
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
            holds(&mut days, 0, seconds)[2]
        };
        assert_eq!(refused(1000), until(1060));
        assert_eq!(refused(1060), until(1120));
        assert_eq!(refused(1000 + 900), until(1000 + 86_400), "it cannot be that any more");
    }

    #[test]
    fn our_own_creates_are_counted_between_two_looks_and_a_change_asks_for_one() {
        let mut days = told(88);
        days.created(at(1));
        assert_eq!((days.state(at(1)), days.next_look()), (DayState::Open, Some(at(600))));
        days.created(at(2));
        assert_eq!((days.state(at(2)), days.next_look()), (DayState::Near, Some(at(2))));
        assert!(look(&mut days, 0, 2));
        assert!(!look(&mut days, 0, 3), "it is under way");
        assert!(look(&mut days, 0, 302), "nothing came of it");
    }

    #[test]
    fn a_used_up_day_opens_at_its_midnight_and_not_before() {
        let mut days = told(100);
        assert_eq!(holds(&mut days, 0, 999)[2], until(1000));
        assert_eq!(holds(&mut days, 0, 1000)[2], None);
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
        assert_eq!(holds(&mut days, 0, 1)[2], until(900));
        assert_eq!(holds(&mut days, 0, 900)[2], None);
        assert_eq!(holds(&mut days, 1, 900), [room(902), until(902), room(902)], "one tries for all");
        days.created(at(901));
        assert_eq!(holds(&mut days, 1, 901)[2], None, "it was taken");
    }

    #[test]
    fn what_is_under_way_may_need_what_is_left() {
        let days = &mut told(77);
        assert_eq!(holds(days, 2, 1), [None; 3]);
        assert_eq!(holds(days, 3, 1), [until(3), None, None], "others of more value go on meanwhile");
        assert_eq!(holds(days, 13, 1), [until(3), until(3), None]);
        assert_eq!(holds(days, 22, 1), [until(3), until(3), None]);
        assert_eq!(holds(days, 23, 1), [room(3), until(3), room(3)]);
        let may = |days: &Days, under_way| days.may_hold(UnderWay(under_way), at(1));
        assert!(!may(days, 2) && may(days, 3));
        assert_eq!([12, 13].map(|under_way| days.is_nearly_over(UnderWay(under_way), at(1))), [false, true]);
        assert_eq!(UnderWay::of(3, 2), UnderWay(5));
        assert_eq!(UnderWay::of(3, 2000), UnderWay(27), "a loss makes doubts of all leads that wait");
    }

    #[test]
    fn creates_go_one_at_a_time_until_konektor_has_told_or_does_not() {
        let mut days = Days::default();
        assert_eq!(holds(&mut days, 9, 0)[2], None, "nobody watches");
        days.note(DayNote::Watch, at(0));
        assert_eq!((holds(&mut days, 0, 0)[2], holds(&mut days, 1, 0)[2]), (None, room(2)));
        days.created(at(1));
        assert!(look(&mut days, 1, 1));
        days.created(at(2));
        assert_eq!(holds(&mut days, 1, 2)[2], room(4), "that there was room for one says nothing of the next");
        for (note, seconds) in [(None, 15), (Some(DayNote::Untold { look: at(999) }), 3)] {
            let mut days = days.clone();
            note.map(|note| days.note(note, at(3)));
            assert_eq!(
                (holds(&mut days, 1, seconds - 1).map(|hold| hold.is_some()), holds(&mut days, 9, seconds)[2]),
                ([seconds == 15; 3], None)
            );
        }
        days.note(DayNote::Told { day: day(40), look: at(600) }, at(3));
        assert_eq!((used(&days), holds(&mut days, 9, 3)[2]), (Some(41), None), "one came after it was asked");
    }

    #[test]
    fn leads_that_may_be_counted_twice_use_no_day_up_unasked() {
        let mut days = told(98);
        let tell = |days: &mut Days, used, now| days.note(DayNote::Told { day: day(used), look: at(600) }, at(now));
        assert!(!look(&mut days, 2, 1));
        days.created(at(1));
        days.look = Some(at(1));
        assert!(look(&mut days, 1, 1), "asked while one is under way");
        days.created(at(2));
        tell(&mut days, 99, 3);
        assert_eq!((used(&days), days.state(at(3))), (Some(100), DayState::Full), "rather too many than too few");
        assert!(!look(&mut days, 1, 3), "as long as one is under way it would be no clearer");
        assert!(look(&mut days, 0, 3), "or it is 99");
        assert!(!look(&mut days, 0, 4));
        assert!(tell(&mut days, 99, 5), "there is room for one that waits");
        assert_eq!((used(&days), look(&mut days, 0, 6)), (Some(99), false));
        let mut begun = told(100);
        begun.look = Some(at(1));
        assert!(look(&mut begun, 0, 1));
        begun.begun();
        tell(&mut begun, 100, 2);
        assert!(look(&mut begun, 0, 2), "one was begun while it was asked");
        begun.note(DayNote::Untold { look: at(900) }, at(3));
        assert!(!look(&mut begun, 0, 4), "what does not tell is not asked again and again");
    }

    #[test]
    fn a_question_that_is_under_way_is_not_asked_again_and_misses_no_lead() {
        let mut days = told(98);
        days.look = Some(at(1));
        assert!(look(&mut days, 1, 1));
        days.created(at(2));
        days.created(at(2));
        assert_eq!((used(&days), days.state(at(2))), (Some(100), DayState::Full));
        assert!(!look(&mut days, 0, 2), "another replica would begin to count anew");
        days.note(DayNote::Refused, at(2));
        assert!(!look(&mut days, 0, 2));
        days.note(DayNote::Told { day: day(98), look: at(600) }, at(3));
        assert_eq!(used(&days), Some(100), "what it had counted before those two came");
    }

    #[test]
    fn an_answer_that_may_be_of_the_day_before_is_asked_again_at_once() {
        let mut days = told(100);
        days.look = Some(at(999));
        assert!(look(&mut days, 0, 999));
        let tomorrow = Day { ends: at(1000 + 86_400), ..day(100) };
        days.note(DayNote::Told { day: tomorrow.clone(), look: at(2800) }, at(1001));
        assert_eq!(days.state(at(1001)), DayState::Full, "it was asked before midnight");
        assert!(look(&mut days, 0, 1001));
        days.note(DayNote::Told { day: Day { used: 0, ..tomorrow }, look: at(1901) }, at(1002));
        assert_eq!((days.state(at(1002)), look(&mut days, 0, 1002)), (DayState::Open, false));
    }

    #[test]
    fn what_a_used_up_day_has_too_many_is_asked() {
        let mut days = told(100);
        days.created(at(1));
        assert_eq!(days.next_look(), Some(at(1)));
    }

    #[test]
    fn a_new_day_is_tried_until_konektor_says_that_it_is_one() {
        let mut days = told(100);
        assert_eq!(holds(&mut days, 0, 1000), [None; 3]);
        assert_eq!(holds(&mut days, 1, 1000)[2], room(1002));
        assert_eq!(holds(&mut days, 1, 1015)[2], None, "it does not say so");
    }

    #[test]
    fn what_is_told_again_lets_nobody_go_unless_there_is_more_room() {
        let mut days = told(100);
        let mut again = |day| days.note(DayNote::Told { day, look: at(700) }, at(1));
        assert!(!again(day(100)));
        assert!(!again(day(105)));
        assert!(!again(day(101)), "too many are used as before");
        assert!(!again(day(100)));
        assert!(again(day(60)), "leads were deleted, or the day is another one");
        assert!(again(Day { ends: at(4600), ..day(60) }), "a clock was put back");
    }
}
