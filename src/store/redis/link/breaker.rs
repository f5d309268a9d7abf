//! When Redis has failed several times in a row it is not asked for a while: every call would only wait in vain.

use std::sync::atomic::{AtomicU32, Ordering};

use super::LinkError;

/// So many failures in a row, and nobody is let through any more.
const FAILURES: u32 = 3;

/// Counts failures in a row.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    failures: AtomicU32,
}

impl Breaker {
    /// Lets a call through, or not.
    pub(super) fn admit(&self) -> Result<(), LinkError> {
        if self.is_open() { Err(LinkError::Resting) } else { Ok(()) }
    }

    /// There was an answer. While nobody is let through this is one of before, and says nothing.
    pub(super) fn succeeded(&self) {
        if !self.is_open() {
            self.close();
        }
    }

    /// There was none. True when this one was the last that was let through: somebody has to look for an answer, and to
    /// [`close`](Breaker::close).
    pub(super) fn failed(&self) -> bool {
        self.failures.fetch_add(1, Ordering::Relaxed) + 1 == FAILURES
    }

    /// Lets everybody through again.
    pub(super) fn close(&self) {
        self.failures.store(0, Ordering::Relaxed);
    }

    fn is_open(&self) -> bool {
        self.failures.load(Ordering::Relaxed) >= FAILURES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_failures_in_a_row_stop_all_calls_and_one_is_told_to_look() {
        let breaker = Breaker::default();
        assert!(!breaker.failed() && !breaker.failed());
        breaker.succeeded();
        assert_eq!([breaker.failed(), breaker.failed(), breaker.admit().is_ok()], [false, false, true]);
        assert!(breaker.failed() && breaker.admit().is_err());
        assert!(!breaker.failed(), "calls of before fail, too, and somebody looks already");
        breaker.succeeded();
        assert!(breaker.admit().is_err(), "an answer of before proves nothing");
        breaker.close();
        assert!(breaker.admit().is_ok());
    }
}
