//! How long a sender's own API is waited for, before a lead is asked for again or given up. Alike for every sender that has one.

use std::time::Duration;

use super::Fetched;

pub(super) const MINUTE: Duration = Duration::from_mins(1);
pub(super) const HOUR: Duration = Duration::from_hours(1);

/// How long to wait before looking whether an access was mended.
pub(super) const BLOCKED_WAIT: Duration = Duration::from_mins(5);

/// How long a failing API is asked before the lead is given up.
pub(super) const TRANSIENT_FOR: Duration = Duration::from_hours(24);

/// A wait that is over may look a little shorter: its failure is written down a moment after it was judged.
const SLACK: Duration = Duration::from_secs(30);

/// As long again as it has failed already: at least `first`, at most an hour.
pub(super) fn growing(first: Duration, failing_for: Duration) -> Duration {
    failing_for.clamp(first, HOUR)
}

/// Waits as long as the `schedule` says after so long a time, or gives up when that is at its end.
pub(super) fn again_by(schedule: &[Duration], failing_for: Duration, sentence: &str) -> Fetched {
    let mut end = Duration::ZERO;
    let next = schedule.iter().find(|wait| {
        end += **wait;
        failing_for + SLACK < end
    });
    match next {
        Some(wait) => Fetched::RetryAfter(*wait, sentence.to_owned()),
        None => Fetched::GiveUp(sentence.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_gone_through_wait_by_wait_and_then_it_is_given_up() {
        let schedule = [MINUTE, 5 * MINUTE, HOUR];
        let (mut failing_for, mut waits) = (Duration::ZERO, Vec::new());
        while let Fetched::RetryAfter(wait, why) = again_by(&schedule, failing_for, "not shown") {
            assert_eq!(why, "not shown");
            waits.push(wait);
            // The failure was written down a little later than it was judged.
            failing_for += wait - Duration::from_millis(50);
        }
        assert_eq!(waits, schedule);
        assert!(matches!(again_by(&schedule, 99 * HOUR, "not shown"), Fetched::GiveUp(_)));
    }

    #[test]
    fn a_failure_is_waited_out_as_long_as_it_has_lasted() {
        let grown = |failing_for| growing(MINUTE, failing_for);
        assert_eq!([grown(Duration::ZERO), grown(10 * MINUTE), grown(9 * HOUR)], [MINUTE, 10 * MINUTE, HOUR]);
    }
}
