//! A circuit breaker: when Konektor fails again and again, calls wait, so that no lane's attempts are burnt and few
//! creates become ambiguous.

use std::time::Duration;

use jiff::Timestamp;

use super::retry::Die;

/// Failures in a row that open it.
const OPENS_AT: u32 = 5;
/// What the first pause is at most.
const BASE: Duration = Duration::from_secs(5);
/// Longest pause.
const CAP: Duration = Duration::from_mins(2);

/// Counts failures in a row. Closed lets everything through, open nothing, half-open one call.
#[derive(Debug, Clone, Default)]
pub(super) struct Breaker {
    failures: u32,
    openings: u32,
    closed_until: Option<Timestamp>,
    trying: bool,
}

/// What the breaker says to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    /// Go.
    Open,
    /// Not before this time.
    NotBefore(Timestamp),
    /// One call is trying; wait for what it finds.
    Trying,
}

impl Breaker {
    /// May a call go out?
    pub(super) fn ask(&mut self, now: Timestamp) -> Gate {
        match self.closed_until {
            None => Gate::Open,
            Some(until) if now < until => Gate::NotBefore(until),
            Some(_) if self.trying => Gate::Trying,
            Some(_) => {
                self.trying = true;
                Gate::Open
            }
        }
    }

    /// The call that was let through was not made after all.
    pub(super) fn unused(&mut self) {
        self.trying = false;
    }

    /// Konektor answered, whatever it said.
    pub(super) fn answered(&mut self) {
        *self = Self::default();
    }

    /// Konektor failed: a server error, no answer, no connection. True when that has shut the gate.
    pub(super) fn failed(&mut self, now: Timestamp, die: Die) -> bool {
        self.failures = self.failures.saturating_add(1);
        let shuts = self.trying || self.failures >= OPENS_AT && self.closed_until.is_none_or(|until| until <= now);
        self.trying = false;
        if shuts {
            let ceiling = BASE.saturating_mul(2_u32.saturating_pow(self.openings.min(10))).min(CAP);
            // At least half of the ceiling: a pause of nothing would be no pause.
            self.closed_until = Some(now + ceiling.mul_f64(0.5 + die.0.clamp(0.0, 1.0) / 2.0));
            self.openings += 1;
        }
        shuts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + seconds).unwrap()
    }

    fn shut() -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..4 {
            assert!(!breaker.failed(at(0), Die(1.0)));
        }
        assert!(breaker.failed(at(0), Die(1.0)));
        breaker
    }

    #[test]
    fn five_failures_in_a_row_shut_it() {
        assert_eq!(shut().ask(at(1)), Gate::NotBefore(at(5)));
    }

    #[test]
    fn an_answer_between_starts_the_count_again() {
        let mut breaker = Breaker::default();
        for _ in 0..10 {
            breaker.failed(at(0), Die(1.0));
            breaker.answered();
        }
        assert_eq!(breaker.ask(at(0)), Gate::Open);
    }

    #[test]
    fn after_the_pause_one_call_tries_and_the_others_wait() {
        let mut breaker = shut();
        assert_eq!(breaker.ask(at(6)), Gate::Open);
        assert_eq!(breaker.ask(at(6)), Gate::Trying);
        breaker.answered();
        assert_eq!(breaker.ask(at(6)), Gate::Open);
        assert_eq!(breaker.ask(at(6)), Gate::Open);
    }

    #[test]
    fn a_failed_try_doubles_the_pause() {
        let mut breaker = shut();
        breaker.ask(at(6));
        assert!(breaker.failed(at(6), Die(1.0)));
        assert_eq!(breaker.ask(at(7)), Gate::NotBefore(at(16)));
    }

    #[test]
    fn a_try_that_was_not_made_gives_its_place_back() {
        let mut breaker = shut();
        assert_eq!(breaker.ask(at(6)), Gate::Open);
        breaker.unused();
        assert_eq!(breaker.ask(at(6)), Gate::Open);
    }
}
