//! The permits of a process that has no store: the same limiter, in memory.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::clock::{Clock, SystemClock};
use crate::konektor::{CALL_TIMEOUT, Heard, Permit, Permits, RateLimit};
use crate::store::{Class, Limiter, Observation, PermitId, RateHeaders, Take};

/// The first pause after a failure; each further one in a row doubles it.
const PAUSE: Duration = Duration::from_secs(1);
/// How often it doubles at most: half a minute.
const DOUBLINGS: u32 = 5;
/// One in so many calls is left to others: a bridge that delivers new leads meanwhile spends the same budget.
const SHARE: u32 = 10;

/// How a process calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// A few calls that a person waits for: at once, as long as the limit allows.
    Prompt,
    /// Many calls: evenly, and a tenth of the limit is left to others.
    Patient,
}

/// Permits from a limiter in memory, for everything that this process calls in one workspace.
pub struct LocalPermits {
    clock: Arc<dyn Clock>,
    pace: Pace,
    state: Mutex<State>,
}

struct State {
    limiter: Limiter,
    failures: u32,
    /// No call before this time.
    held: Option<Timestamp>,
}

impl fmt::Debug for LocalPermits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalPermits").field("pace", &self.pace).finish_non_exhaustive()
    }
}

impl LocalPermits {
    /// Permits by the clock of this machine.
    #[must_use]
    pub fn new(pace: Pace) -> Self {
        Self::with_clock(pace, Arc::new(SystemClock))
    }

    /// Permits by `clock`.
    #[must_use]
    pub fn with_clock(pace: Pace, clock: Arc<dyn Clock>) -> Self {
        let state = State { limiter: Limiter::new(CALL_TIMEOUT), failures: 0, held: None };
        Self { clock, pace, state: Mutex::new(state) }
    }

    /// A permit now, or when to ask again.
    fn take(&self, now: Timestamp) -> Result<Permit, Timestamp> {
        let class = match self.pace {
            Pace::Prompt => Class::New,
            Pace::Patient => Class::Bulk,
        };
        let mut state = self.state();
        if let Some(held) = state.held.filter(|held| *held > now) {
            return Err(held);
        }
        match state.limiter.take(class, now) {
            Take::Granted(PermitId(number)) => Ok(Permit { number, given: now }),
            Take::NotBefore(at) => Err(at),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The headers as the limiter takes them.
    fn headers(&self, rate: RateLimit, throttled: bool) -> Observation {
        let RateLimit { limit, remaining, reset, retry_after } = rate;
        let left_to_others = match self.pace {
            Pace::Prompt => 0,
            Pace::Patient => limit.map_or(0, |limit| limit / SHARE),
        };
        let less = |number: Option<u32>| number.map(|number| number.saturating_sub(left_to_others));
        Observation::Answered(RateHeaders {
            limit: less(limit),
            remaining: less(remaining),
            reset,
            retry_after,
            throttled,
        })
    }
}

#[async_trait]
impl Permits for LocalPermits {
    async fn permit(&self) -> Permit {
        loop {
            let now = self.clock.now();
            match self.take(now) {
                Ok(permit) => return permit,
                Err(at) => {
                    let wait = Duration::try_from(at.duration_since(now)).unwrap_or_default();
                    tokio::time::sleep(wait.max(Duration::from_millis(1))).await;
                }
            }
        }
    }

    fn observe(&self, permit: Permit, heard: Heard) {
        let now = self.clock.now();
        let seen = match heard {
            Heard::Unsent => Observation::Unsent,
            Heard::Sent(rate) | Heard::Failed(rate) => self.headers(rate, false),
            Heard::Throttled(rate) => self.headers(rate, true),
        };
        let mut state = self.state();
        state.limiter.observe(PermitId(permit.number), seen, now);
        match heard {
            Heard::Unsent | Heard::Failed(_) => {
                state.held = Some(now + PAUSE * (1 << state.failures.min(DOUBLINGS)));
                state.failures += 1;
            }
            Heard::Sent(_) | Heard::Throttled(_) => state.failures = 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    fn start() -> Timestamp {
        "2026-11-23T09:00:00Z".parse().unwrap()
    }

    fn permits(pace: Pace) -> (LocalPermits, ManualClock) {
        let clock = ManualClock::at(start());
        (LocalPermits::with_clock(pace, Arc::new(clock.clone())), clock)
    }

    fn told(limit: u32, remaining: u32) -> RateLimit {
        RateLimit { limit: Some(limit), remaining: Some(remaining), ..RateLimit::default() }
    }

    /// How many calls go out in a minute of asking every 10 ms.
    fn in_a_minute(permits: &LocalPermits, clock: &ManualClock) -> u32 {
        let mut sent = 0;
        for _ in 0..6_000 {
            if let Ok(permit) = permits.take(clock.now()) {
                sent += 1;
                permits.observe(permit, Heard::Sent(told(200, 200 - sent.min(200))));
            }
            clock.advance(Duration::from_millis(10));
        }
        sent
    }

    #[test]
    fn many_calls_leave_a_tenth_to_others_and_few_go_out_at_once() {
        let (patient, clock) = permits(Pace::Patient);
        let sent = in_a_minute(&patient, &clock);
        assert!((175..=180).contains(&sent), "{sent}");
        let (prompt, clock) = permits(Pace::Prompt);
        assert_eq!(in_a_minute(&prompt, &clock), 200);
    }

    #[test]
    fn failures_in_a_row_make_the_next_call_wait_longer_and_longer() {
        let (permits, clock) = permits(Pace::Prompt);
        for wait in [1, 2, 4, 8] {
            let permit = permits.take(clock.now()).unwrap();
            permits.observe(permit, Heard::Failed(told(60, 30)));
            let until = clock.now() + Duration::from_secs(wait);
            assert_eq!(permits.take(clock.now()), Err(until));
            clock.set(until);
        }
        let permit = permits.take(clock.now()).unwrap();
        permits.observe(permit, Heard::Sent(told(60, 30)));
        assert!(permits.take(clock.now()).is_ok());
    }

    #[test]
    fn a_429_is_waited_out() {
        let (permits, clock) = permits(Pace::Prompt);
        let permit = permits.take(clock.now()).unwrap();
        let rate = RateLimit { retry_after: Some(Duration::from_secs(7)), ..told(60, 0) };
        permits.observe(permit, Heard::Throttled(rate));
        assert!(permits.take(clock.now()).is_err_and(|at| at >= start() + Duration::from_secs(7)));
    }
}
