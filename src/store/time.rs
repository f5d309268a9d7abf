//! The store's time: it never goes back because two callers have overtaken each other, and it is not held up for ever by a
//! clock that was set back. Pure, and shared by the backends.

use std::time::Duration;

use jiff::Timestamp;

/// A `now` that is older than the last one by no more than this comes from a caller that was overtaken: verbs wait their
/// turn for a few seconds at most. An older one says that the clock was set back.
const OVERTAKEN: Duration = Duration::from_secs(60);

/// The latest time that was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Time(Timestamp);

/// What a time that is told means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tick {
    /// The time.
    pub(super) now: Timestamp,
    /// By how much the clock was set back: everything that is due later has to come as much earlier, or it would wait for
    /// so much longer than was meant.
    pub(super) back: Option<Duration>,
}

impl Time {
    /// Begins at `now`.
    pub(super) const fn from(now: Timestamp) -> Self {
        Self(now)
    }

    /// The latest time.
    pub(super) const fn latest(self) -> Timestamp {
        self.0
    }

    /// Goes on to `now`.
    pub(super) fn tick(&mut self, now: Timestamp) -> Tick {
        let behind = Duration::try_from(self.0.duration_since(now)).unwrap_or_default();
        let back = (behind > OVERTAKEN).then_some(behind);
        self.0 = if back.is_some() { now } else { self.0.max(now) };
        Tick { now: self.0, back }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    #[test]
    fn a_caller_that_was_overtaken_does_not_turn_time_back_and_a_clock_that_was_set_back_does() {
        let mut time = Time::from(at(0));
        let mut tick = |second| time.tick(at(second));
        assert_eq!(tick(100), Tick { now: at(100), back: None });
        assert_eq!(tick(99), Tick { now: at(100), back: None });
        assert_eq!(tick(40), Tick { now: at(100), back: None });
        assert_eq!(tick(39), Tick { now: at(39), back: Some(Duration::from_secs(61)) });
        assert_eq!(tick(41), Tick { now: at(41), back: None });
    }
}
