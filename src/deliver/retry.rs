//! When to try again: pure arithmetic over counts, times and a die.

use std::time::Duration;

use jiff::Timestamp;

/// A POST leaves at most this long after its intent was written.
pub(super) const SENT_WITHIN: Duration = Duration::from_secs(5);
/// Two negative searches that count are at least this far apart.
pub(super) const BETWEEN_SEARCHES: Duration = Duration::from_secs(10);
/// How long a create is tried: most outages of a weekend end within it.
pub(super) const CREATE_FOR: Duration = Duration::from_hours(72);
/// How long an update is tried.
pub(super) const UPDATE_FOR: Duration = Duration::from_hours(24);
/// How long an open intent is searched for.
pub(super) const UNRESOLVED_FOR: Duration = Duration::from_hours(24);
/// How long a verification is put off that could not be made.
pub(super) const VERIFY_AGAIN: Duration = Duration::from_mins(15);
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
    /// A search that finds nothing proves something only this long after the intent: the three add up.
    #[must_use]
    pub const fn quiet(self) -> Duration {
        SENT_WITHIN.saturating_add(self.commit).saturating_add(self.search)
    }
}

/// A number in `0.0..1.0` that was drawn elsewhere, so that this module stays pure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Die(pub f64);

impl Die {
    fn share_of(self, span: Duration) -> Duration {
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
/// keeps the lead fast), then when a negative begins to count, then at growing distances.
#[must_use]
pub(super) fn next_search(sent: Timestamp, waits: Waits, now: Timestamp, die: Die) -> Timestamp {
    let quiet = waits.quiet();
    let early = [Duration::from_secs(2), Duration::from_secs(5), quiet, quiet + BETWEEN_SEARCHES];
    early
        .into_iter()
        .map(|after| sent + after)
        .find(|due| *due > now)
        .unwrap_or_else(|| now + BETWEEN_SEARCHES + die.share_of(CAP - BETWEEN_SEARCHES))
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
        assert_eq!(usual, [2, 5, 50, 60, 70, 115]);
        let slow = Waits { search: Duration::from_secs(900), ..Waits::default() };
        assert_eq!([5, 935, 945].map(|seconds| searched(slow, seconds)), [935, 945, 955]);
    }

    proptest! {
        #[test]
        fn a_pause_is_never_longer_than_its_ceiling(failures in 0_u32..100, die in 0.0..1.0_f64) {
            let pause = backoff(failures, Die(die));
            prop_assert!(pause <= CAP && pause <= BASE * 2_u32.pow(failures.min(16)));
        }
    }
}
