//! The one place that asks what time it is.
//!
//! Everything else takes `now` as an argument, so that a test decides the time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

/// Tells the time. Shared, cheap to clone behind an [`Arc`].
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The present instant, UTC.
    fn now(&self) -> Timestamp;

    /// The same by the clock that nobody sets, for measuring how much time has passed.
    fn instant(&self) -> Instant {
        Instant::now()
    }
}

/// The clock of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A clock that goes by another one, which is asked for its time now and then: several processes that go by the same one
/// agree. In between it goes by the monotonic clock of this machine, so nobody who sets that machine's clock sets this one.
///
/// When the other one turns out to be behind, this one stands still until it has been caught up with; by more than a minute,
/// the other one was set back, or is another one, and this one goes with it. Until the other one has been asked this is the
/// clock of the operating system.
#[derive(Debug, Default)]
pub struct FollowingClock {
    state: Mutex<Followed>,
}

#[derive(Debug, Default)]
struct Followed {
    /// What the other clock showed, and when that was.
    seen: Option<(Timestamp, Instant)>,
    /// The latest that this one has shown.
    shown: Option<Timestamp>,
}

/// A clock that is behind by no more than this is waited for, as the store's time does (`store::time`).
const WAITED_FOR: Duration = Duration::from_secs(60);

impl FollowingClock {
    /// The other clock showed `time` at the instant `at`.
    pub fn follow(&self, time: Timestamp, at: Instant) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).seen = Some((time, at));
    }

    fn shows(&self, now: Instant) -> Timestamp {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let time = match state.seen {
            Some((time, at)) => time + now.saturating_duration_since(at),
            None => SystemClock.now(),
        };
        let waits = |shown: &Timestamp| *shown > time && shown.duration_since(time).unsigned_abs() <= WAITED_FOR;
        let shown = state.shown.filter(waits).unwrap_or(time);
        state.shown = Some(shown);
        shown
    }
}

impl Clock for FollowingClock {
    fn now(&self) -> Timestamp {
        self.shows(Instant::now())
    }
}

/// A clock that stands still until it is moved. For tests and for the demo's own time.
#[derive(Debug, Clone)]
pub struct ManualClock {
    /// What it shows, and the instant that it takes it for.
    now: Arc<Mutex<(Timestamp, Instant)>>,
}

impl ManualClock {
    /// A clock that shows `now`.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self { now: Arc::new(Mutex::new((now, Instant::now()))) }
    }

    /// Lets `step` pass.
    pub fn advance(&self, step: Duration) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        now.0 += step;
        now.1 += step;
    }

    /// Sets the clock, forward or back: no time passes.
    pub fn set(&self, to: Timestamp) {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).0 = to;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    fn instant(&self) -> Instant {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    #[test]
    fn between_two_looks_it_goes_on_by_itself_and_never_back() {
        let (clock, start) = (FollowingClock::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        clock.follow(at(0), start);
        assert_eq!(clock.shows(after(10)), at(10));
        clock.follow(at(15), after(20));
        assert_eq!(clock.shows(after(20)), at(15));
        clock.follow(at(10), after(20));
        assert_eq!([clock.shows(after(21)), clock.shows(after(26))], [at(15), at(16)], "it was waited for");
    }

    #[test]
    fn a_clock_that_was_set_back_by_more_than_a_minute_is_gone_with() {
        let (clock, start) = (FollowingClock::default(), Instant::now());
        clock.follow(at(1000), start);
        assert_eq!(clock.shows(start), at(1000));
        clock.follow(at(940), start);
        assert_eq!(clock.shows(start), at(1000));
        clock.follow(at(939), start);
        assert_eq!(clock.shows(start), at(939));
        clock.follow(at(9000), start);
        assert_eq!(clock.shows(start), at(9000), "forward at once");
    }
}
