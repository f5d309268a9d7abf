//! When to try again: pure arithmetic over counts, times and a die.

use std::time::Duration;

use jiff::Timestamp;

use super::LEASE_MARGIN;
use crate::konektor::CALL_TIMEOUT;

/// A call leaves at most this long after it was decided, and a POST after its intent was written (assumption A4).
pub(super) const SENT_WITHIN: Duration = Duration::from_secs(5);
/// Two negative searches that count are at least this far apart.
pub(super) const BETWEEN_SEARCHES: Duration = Duration::from_secs(10);
/// How long a create is tried: most outages of a weekend end within it.
pub(super) const CREATE_FOR: Duration = Duration::from_hours(72);
/// How long an update is tried.
pub(super) const UPDATE_FOR: Duration = Duration::from_hours(24);
/// How often either is tried at least, whatever the clock says.
pub(super) const TRIES: u32 = 5;
/// How long an open intent is searched for.
pub(super) const UNRESOLVED_FOR: Duration = Duration::from_hours(24);
/// How long a verification is put off that could not be made.
pub(super) const VERIFY_AGAIN: Duration = Duration::from_mins(15);
/// How long an event is put off whose source lacks something: a person has to see to it.
pub(super) const SOURCE_AGAIN: Duration = Duration::from_mins(5);
/// Longest pause between two tries.
const CAP: Duration = Duration::from_mins(5);
/// What the first pause is at most.
const BASE: Duration = Duration::from_secs(1);

/// How long Konektor is waited for before what it shows is believed: the assumptions of the guarantee.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waits {
    /// Longest time that a POST takes to be committed after it was sent, if it is ever (assumption A1).
    pub commit: Duration,
    /// Longest time until a committed lead is found by a search (assumption A2).
    pub search: Duration,
}

impl Default for Waits {
    fn default() -> Self {
        Self { commit: Duration::from_secs(30), search: Duration::from_secs(15) }
    }
}

impl Waits {
    /// Until when what was decided to be sent may still land, if nobody has heard of it.
    #[must_use]
    pub const fn landing(self) -> Duration {
        SENT_WITHIN.saturating_add(self.commit)
    }

    /// The same for an update of a lost worker, from the end of its lease on: it was decided while a call had time to end.
    #[must_use]
    pub const fn late_update(self) -> Duration {
        self.landing().saturating_sub(CALL_TIMEOUT).saturating_sub(LEASE_MARGIN)
    }

    /// A search that finds nothing proves something only this long after the intent: the three add up.
    #[must_use]
    pub const fn quiet(self) -> Duration {
        self.landing().saturating_add(self.search)
    }
}

/// A number in `0.0..1.0` that was drawn elsewhere, so that this module stays pure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Die(pub f64);

impl Die {
    pub(super) fn share_of(self, span: Duration) -> Duration {
        span.mul_f64(self.0.clamp(0.0, 1.0))
    }
}

/// Exponential back-off with full jitter: anything up to `min(5 min, 1 s · 2^failures)`.
#[must_use]
pub(super) fn backoff(failures: u32, die: Die) -> Duration {
    let ceiling = BASE.saturating_mul(2_u32.saturating_pow(failures.min(20))).min(CAP);
    die.share_of(ceiling)
}

/// When to search next for a create whose end is not known: soon twice (finding it is conclusive at any time, and
/// keeps the lead fast), then when a negative begins to count, then at distances that grow with how long it has been
/// looked for: a search that failed by chance costs a lead seconds, an outage of Konektor few searches.
#[must_use]
pub(super) fn next_search(sent: Timestamp, waits: Waits, now: Timestamp, die: Die) -> Timestamp {
    let quiet = waits.quiet();
    let early = [Duration::from_secs(2), Duration::from_secs(5), quiet, quiet + BETWEEN_SEARCHES];
    early.into_iter().map(|after| sent + after).find(|due| *due > now).unwrap_or_else(|| {
        let looked: Duration = now.duration_since(sent).try_into().unwrap_or_default();
        let pause = looked / 4 + die.share_of(looked / 4);
        now + pause.clamp(BETWEEN_SEARCHES, CAP)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_open_create_is_searched_early_and_again_when_a_negative_counts() {
        let sent = Timestamp::from_second(1_000_000).unwrap();
        let searched = |waits, seconds| {
            let next = next_search(sent, waits, sent + Duration::from_secs(seconds), Die(0.0));
            next.duration_since(sent).as_secs()
        };
        let usual = [0, 2, 5, 50, 60, 105].map(|seconds| searched(Waits::default(), seconds));
        assert_eq!(usual, [2, 5, 50, 60, 75, 131]);
        let slow = Waits { search: Duration::from_secs(900), ..Waits::default() };
        assert_eq!([5, 935, 945].map(|seconds| searched(slow, seconds)), [935, 945, 1181]);
    }

    #[test]
    fn a_search_that_failed_is_made_again_within_seconds_and_in_an_outage_every_five_minutes() {
        let pause = |looked| {
            let (sent, now) = (Timestamp::from_second(0).unwrap(), Timestamp::from_second(looked).unwrap());
            [0.0, 1.0].map(|die| next_search(sent, Waits::default(), now, Die(die)).duration_since(now).as_secs())
        };
        assert_eq!([pause(60), pause(600), pause(36_000)], [[15, 30], [150, 300], [300, 300]]);
    }

    #[test]
    fn the_store_waits_for_a_lost_worker_s_update_as_long_as_is_assumed() {
        assert_eq!(crate::store::Options::default().late_update, Waits::default().late_update());
        assert_eq!(crate::store::Options::default().quiet, Waits::default().quiet());
    }

    proptest! {
        #[test]
        fn a_pause_is_never_longer_than_its_ceiling(failures in 0_u32..100, die in 0.0..1.0_f64) {
            let pause = backoff(failures, Die(die));
            prop_assert!(pause <= CAP && pause <= BASE * 2_u32.pow(failures.min(16)));
        }
    }
}
