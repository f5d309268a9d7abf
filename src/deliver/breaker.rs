//! A circuit breaker: when Konektor fails again and again, calls wait, so that no lane's attempts are burnt and few
//! creates become ambiguous.
//!
//! Each process has its own, where `queue.md` §2.8 speaks of one for all: a Konektor that fails shows it to each within five
//! calls, and a network that fails before one replica alone must not hold the others up.

use std::time::Duration;

use jiff::Timestamp;

use super::retry::Die;

/// Failures in a row that open it (`queue.md` §2.8, "Global breaker").
const IN_A_ROW: u32 = 5;
/// And failures among so many last calls, whatever came between.
const AMONG: u32 = 20;
/// A half of those.
const HALF: u32 = AMONG / 2;
/// What the first pause is at most.
const BASE: Duration = Duration::from_secs(5);
/// Longest pause.
const CAP: Duration = Duration::from_mins(2);

/// Counts failures. Closed lets everything through, open nothing, half-open one call.
#[derive(Debug, Clone, Default)]
pub(super) struct Breaker {
    /// The last calls, newest first, a bit each: set for a failure.
    calls: u32,
    openings: u32,
    shut: Option<Shut>,
    trying: bool,
    /// When it was first shut, unless an answer has come since.
    down: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy)]
struct Shut {
    since: Timestamp,
    until: Timestamp,
}

/// The gate was shut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Opened {
    /// For the first time since an answer came: then.
    pub(super) since: Timestamp,
    /// Until when, unless an answer comes before.
    pub(super) until: Timestamp,
    /// How long that is.
    pub(super) pause: Duration,
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
        match self.shut {
            None => Gate::Open,
            // A clock that was set back past its beginning does not make the pause longer.
            Some(shut) if shut.since <= now && now < shut.until => Gate::NotBefore(shut.until),
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

    /// Konektor answered, whatever it said. Gives since when it had failed, where calls had to wait for that.
    pub(super) fn answered(&mut self) -> Option<Timestamp> {
        let down = self.down;
        *self = Self { calls: self.calls << 1, ..Self::default() };
        down
    }

    /// Konektor failed: a server error, no answer, no connection. The call was sent at `asked`: one that was under way
    /// when the gate was shut says nothing new. Gives how this has shut the gate, if it has.
    pub(super) fn failed(&mut self, asked: Timestamp, now: Timestamp, die: Die) -> Option<Opened> {
        if self.shut.is_some_and(|shut| asked < shut.since && shut.since <= now) {
            return None;
        }
        self.calls = self.calls << 1 | 1;
        let shuts = self.trying || self.calls.trailing_ones() >= IN_A_ROW || self.failures() >= HALF;
        if !shuts {
            return None;
        }
        let ceiling = BASE.saturating_mul(2_u32.saturating_pow(self.openings.min(10))).min(CAP);
        // At least half of the ceiling: a pause of nothing would be no pause.
        let pause = ceiling.mul_f64(0.5 + die.0.clamp(0.0, 1.0) / 2.0);
        let (since, until) = (self.down.unwrap_or(now), now + pause);
        *self = Self {
            calls: 0,
            openings: self.openings + 1,
            shut: Some(Shut { since: now, until }),
            trying: false,
            down: Some(since),
        };
        Some(Opened { since, until, pause })
    }

    fn failures(&self) -> u32 {
        (self.calls & ((1 << AMONG) - 1)).count_ones()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + seconds).unwrap()
    }

    fn failed(breaker: &mut Breaker, seconds: i64) -> bool {
        breaker.failed(at(seconds), at(seconds), Die(1.0)).is_some()
    }

    fn shut() -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..4 {
            assert!(!failed(&mut breaker, 0));
        }
        assert!(failed(&mut breaker, 0));
        breaker
    }

    #[test]
    fn five_failures_in_a_row_shut_it() {
        assert_eq!(shut().ask(at(1)), Gate::NotBefore(at(5)));
    }

    #[test]
    fn so_does_every_second_call_when_twenty_were_made_but_not_every_third() {
        let mut half = Breaker::default();
        let shut_by = (1..=40).find(|_| {
            half.answered();
            failed(&mut half, 0)
        });
        assert_eq!(shut_by, Some(10));
        let mut third = Breaker::default();
        for _ in 0..100 {
            third.answered();
            third.answered();
            assert!(!failed(&mut third, 0));
        }
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
        assert!(failed(&mut breaker, 6));
        assert_eq!(breaker.ask(at(7)), Gate::NotBefore(at(16)));
    }

    #[test]
    fn it_tells_since_when_it_is_shut_and_that_an_answer_has_ended_that() {
        let mut breaker = shut();
        breaker.ask(at(6));
        let again = breaker.failed(at(6), at(7), Die(0.0));
        assert_eq!(again, Some(Opened { since: at(0), until: at(12), pause: BASE }));
        assert_eq!(breaker.answered(), Some(at(0)));
        assert_eq!(breaker.answered(), None, "it is told once");
        for _ in 0..4 {
            assert_eq!(breaker.failed(at(20), at(20), Die(1.0)), None);
        }
        let anew = breaker.failed(at(20), at(20), Die(1.0));
        assert_eq!(anew, Some(Opened { since: at(20), until: at(25), pause: BASE }));
    }

    #[test]
    fn what_was_under_way_when_it_was_shut_neither_prolongs_the_pause_nor_ends_the_try() {
        let mut breaker = shut();
        breaker.ask(at(6));
        assert_eq!(breaker.failed(at(-5), at(6), Die(1.0)), None);
        assert_eq!(breaker.ask(at(6)), Gate::Trying);
    }

    #[test]
    fn a_clock_that_is_set_back_holds_nothing_up() {
        let mut breaker = shut();
        assert_eq!(breaker.ask(at(-3600)), Gate::Open);
        assert!(failed(&mut breaker, -3599), "the try has failed");
        assert_eq!(breaker.ask(at(-3580)), Gate::Open);
    }

    #[test]
    fn a_try_that_was_not_made_gives_its_place_back() {
        let mut breaker = shut();
        assert_eq!(breaker.ask(at(6)), Gate::Open);
        breaker.unused();
        assert_eq!(breaker.ask(at(6)), Gate::Open);
    }
}
