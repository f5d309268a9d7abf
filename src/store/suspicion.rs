//! When the store itself may have forgotten something: leads are searched for before they are created.
//!
//! A power loss with a disk that lies, a backup put back, a replica that was behind: what the store said it had kept may
//! be gone, and with it the intent of a POST, or a whole lead (`queue.md` §2.6, R2 and R3). Pure.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How long events are suspect after a loss of the last writes: what can be lost is a matter of seconds, and a sender
/// that heard nothing sends again within minutes.
pub(super) const AFTER_A_LOSS: Duration = Duration::from_mins(10);
/// How long after an older state was put back: the longest that a sender is known to send the same again is seven days
/// (Meta).
pub(super) const AFTER_A_RESTORE: Duration = Duration::from_hours(7 * 24);

/// There is no telling how long before.
pub(super) const AT_ANY_TIME: Timestamp = Timestamp::UNIX_EPOCH;

/// The store may have forgotten what it knew before `from`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Suspicion {
    /// When it was noticed. What came in before may have been sent: without an intent that is remembered.
    from: Timestamp,
    /// When the first was noticed of those that followed each other while what came in was still searched for.
    #[serde(default)]
    first: Option<Timestamp>,
    /// How long what comes in after may belong to a lead that was forgotten.
    lasts: Duration,
    /// When that is over; counted from the first claim, for a bridge that stands still takes nothing in.
    until: Option<Timestamp>,
    /// By how much the clock was set back since. When something came in is not told anew then, so that what came before it was
    /// set back seems to have come so much later.
    #[serde(default)]
    back: Duration,
}

impl Suspicion {
    /// Noticed `now`. An older state that was put back may lack days.
    pub(super) fn new(now: Timestamp, lasts: Duration) -> Self {
        let first = (lasts > AFTER_A_LOSS).then_some(AT_ANY_TIME);
        Self { from: now, first, lasts, until: None, back: Duration::ZERO }
    }

    /// Together with what was suspected `before`.
    pub(super) fn and(self, before: Option<Self>) -> Self {
        let left = before.map_or(Duration::ZERO, |before| match before.until {
            None => before.lasts,
            Some(until) => Duration::try_from(until.duration_since(self.from)).unwrap_or_default(),
        });
        let earlier = before.filter(|_| !left.is_zero()).map(|before| before.first());
        let first = [self.first, earlier].into_iter().flatten().min();
        Self { first, lasts: self.lasts.max(left), ..self }
    }

    fn first(&self) -> Timestamp {
        self.first.unwrap_or(self.from)
    }

    /// Lanes are claimed from `now` on.
    pub(super) fn begin(&mut self, now: Timestamp) {
        self.until.get_or_insert(now + self.lasts);
    }

    /// The clock was set back.
    pub(super) fn set_back(&mut self, by: Duration) {
        self.from -= by;
        self.first = self.first.map(|first| first - by);
        self.until = self.until.map(|until| until - by);
        self.back = self.back.saturating_add(by);
    }

    /// Until when new leads are searched for first, if they still are.
    pub(super) fn open_until(&self, now: Timestamp) -> Option<Timestamp> {
        Some(self.ends(now)).filter(|until| now < *until)
    }

    /// When it is over: counted from `now`, if no lane was claimed yet.
    fn ends(&self, now: Timestamp) -> Timestamp {
        self.until.unwrap_or(now + self.lasts)
    }

    /// The least fence of a claim from now on. A fence that was given and forgotten must not be given again; each grew by
    /// one from a number like this one, so the time in milliseconds is ahead of all of them.
    pub(super) fn fence(&self) -> u64 {
        u64::try_from(self.from.as_millisecond()).unwrap_or(0)
    }
}

/// What a lane has to search for before it may create.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Doubt {
    /// A POST may have been forgotten.
    pub(super) forgotten: Option<Forgotten>,
    /// Any lead may have been forgotten; one look is enough.
    pub(super) look: bool,
    /// What was kept may have been forgotten again.
    pub(super) lost: Option<Lost>,
}

/// Leads that may have been made, and forgotten with their events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lost {
    /// Since when.
    pub(super) since: Timestamp,
    /// What came in before this time may be of one of them, whenever it is claimed; one look is enough.
    pub(super) until: Timestamp,
}

/// A POST that may be under way, or done, without our knowing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Forgotten {
    /// It was begun before this time.
    pub(super) before: Timestamp,
    /// What came in before this time may be of its lead. Later than `before`: its own event may be forgotten with it, and
    /// another one of the same lead come in while it is still under way.
    pub(super) concerns: Timestamp,
}

impl Doubt {
    /// As it stands `now`. A POST comes to light within `quiet`. `always` is the operator's wish to search before each
    /// create.
    pub(super) fn of(suspicion: Option<&Suspicion>, quiet: Duration, always: bool, now: Timestamp) -> Self {
        let forgotten = |suspicion: &Suspicion| Forgotten {
            before: suspicion.from,
            concerns: suspicion.from + quiet + suspicion.back,
        };
        let lost =
            |suspicion: &Suspicion| Lost { since: suspicion.first(), until: suspicion.ends(now) + suspicion.back };
        Self { forgotten: suspicion.map(forgotten), look: always, lost: suspicion.map(lost) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    #[test]
    fn the_window_is_counted_from_the_first_claim() {
        let mut suspicion = Suspicion::new(at(0), Duration::from_secs(600));
        assert_eq!(suspicion.open_until(at(5000)), Some(at(5600)), "the bridge was not running yet");
        suspicion.begin(at(5000));
        suspicion.begin(at(5500));
        assert_eq!(suspicion.open_until(at(5599)), Some(at(5600)));
        assert_eq!(suspicion.open_until(at(5600)), None);
    }

    #[test]
    fn a_second_loss_does_not_shorten_what_is_left_of_the_first() {
        let restored = Suspicion { until: Some(at(900)), ..Suspicion::new(at(0), AFTER_A_RESTORE) };
        let both = Suspicion::new(at(100), Duration::from_secs(600)).and(Some(restored));
        assert_eq!((both.from, both.lasts), (at(100), Duration::from_secs(800)));
        let waiting =
            Suspicion::new(at(100), Duration::from_secs(600)).and(Some(Suspicion::new(at(0), AFTER_A_RESTORE)));
        assert_eq!(waiting.lasts, AFTER_A_RESTORE);
        assert_eq!(Suspicion::new(at(0), AFTER_A_LOSS).and(None).lasts, AFTER_A_LOSS);
    }

    #[test]
    fn losses_that_follow_each_other_are_looked_for_from_the_first_on() {
        let mut row = Suspicion::new(at(0), AFTER_A_LOSS);
        for second in [100, 200] {
            row.begin(at(second - 50));
            row = Suspicion::new(at(second), AFTER_A_LOSS).and(Some(row));
        }
        let since = |suspicion: &Suspicion, now| {
            Doubt::of(Some(suspicion), Duration::ZERO, false, at(now)).lost.map(|lost| lost.since)
        };
        assert_eq!(since(&row, 300), Some(at(0)));
        row.begin(at(200));
        let later = Suspicion::new(at(5000), AFTER_A_LOSS).and(Some(row));
        assert_eq!(since(&later, 5001), Some(at(5000)));
    }

    #[test]
    fn what_came_before_the_clock_was_set_back_is_still_in_doubt() {
        let mut suspicion = Suspicion::new(at(5000), AFTER_A_LOSS);
        suspicion.begin(at(5000));
        suspicion.set_back(Duration::from_secs(3000));
        let Doubt { forgotten, lost, .. } = Doubt::of(Some(&suspicion), Duration::from_secs(50), false, at(2000));
        assert_eq!(forgotten, Some(Forgotten { before: at(2000), concerns: at(5050) }));
        assert_eq!(lost, Some(Lost { since: at(2000), until: at(5600) }));
    }

    #[test]
    fn what_came_before_its_end_stays_in_doubt_after_the_window() {
        let mut suspicion = Suspicion::new(at(0), Duration::from_secs(600));
        suspicion.begin(at(0));
        let quiet = Duration::from_secs(50);
        let doubt = |now| Doubt::of(Some(&suspicion), quiet, false, at(now));
        let forgotten = Some(Forgotten { before: at(0), concerns: at(50) });
        let lost = Some(Lost { since: at(0), until: at(600) });
        for now in [599, 600, 5000] {
            assert_eq!(doubt(now), Doubt { forgotten, look: false, lost });
        }
        assert_eq!(Doubt::of(None, quiet, true, at(0)), Doubt { forgotten: None, look: true, lost: None });
    }
}
