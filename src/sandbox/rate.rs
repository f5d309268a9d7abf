//! The request limit of a workspace, in the four shapes an upstream may have.
//!
//! The contract gives a number per minute and three headers, and leaves the kind of window open; a client has to get on
//! with each. Refused calls are not counted by any of them.

use std::collections::VecDeque;
use std::num::NonZeroU32;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString};

/// All limits are per minute.
const MINUTE_MS: i64 = 60_000;

/// How requests are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, Display, EnumString)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum RateModel {
    /// So many in each minute of the clock.
    #[default]
    FixedWindow,
    /// So many in the minute that begins with the first request after the last such minute.
    FirstRequestWindow,
    /// So many in any 60 seconds.
    SlidingLog,
    /// A bucket of so many tokens, refilled evenly over a minute.
    TokenBucket,
}

/// What the `X-RateLimit-*` headers say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Requests a minute.
    pub limit: u32,
    /// Requests left now.
    pub remaining: u32,
    /// When there is more, in Unix seconds, rounded up: the window's end, the oldest request's leaving, the full bucket.
    pub reset: i64,
}

/// Whether a request may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// It was counted.
    Open,
    /// It was not; seconds to wait, at least 1.
    Closed(i64),
}

/// One workspace's counter. Instants inside are Unix milliseconds.
#[derive(Debug)]
pub struct Limiter {
    limit: u32,
    count: Count,
}

#[derive(Debug)]
enum Count {
    /// The window's end, and the requests in it.
    Aligned {
        end: i64,
        used: u32,
    },
    FromFirst {
        end: i64,
        used: u32,
    },
    /// When each request of the last minute came, oldest first.
    Log(VecDeque<i64>),
    /// Tokens × `MINUTE_MS`, so that refilling stays in whole numbers, and when they were counted.
    Bucket {
        level: i64,
        at: i64,
    },
}

impl Limiter {
    /// A limiter that has seen nothing.
    #[must_use]
    pub fn new(model: RateModel, limit: NonZeroU32) -> Self {
        let limit = limit.get();
        let count = match model {
            RateModel::FixedWindow => Count::Aligned { end: 0, used: 0 },
            RateModel::FirstRequestWindow => Count::FromFirst { end: 0, used: 0 },
            RateModel::SlidingLog => Count::Log(VecDeque::new()),
            RateModel::TokenBucket => Count::Bucket { level: i64::from(limit) * MINUTE_MS, at: i64::MIN },
        };
        Self { limit, count }
    }

    /// Another limit, or another way to count. What was counted stays when the way stays.
    pub fn change(&mut self, model: RateModel, limit: NonZeroU32) {
        if self.model() == model {
            self.limit = limit.get();
        } else {
            *self = Self::new(model, limit);
        }
    }

    /// Counts one request at `now`, unless there are too many.
    pub fn pass(&mut self, now: Timestamp) -> (Passage, Quota) {
        let now = now.as_millisecond();
        self.catch_up(now);
        let passage = if self.remaining() > 0 {
            self.take(now);
            Passage::Open
        } else {
            Passage::Closed(ceil_seconds(self.next_opening(now) - now).max(1))
        };
        (passage, self.quota_at(now))
    }

    /// What the headers say at `now`, without counting anything.
    pub fn quota(&mut self, now: Timestamp) -> Quota {
        let now = now.as_millisecond();
        self.catch_up(now);
        self.quota_at(now)
    }

    fn model(&self) -> RateModel {
        match self.count {
            Count::Aligned { .. } => RateModel::FixedWindow,
            Count::FromFirst { .. } => RateModel::FirstRequestWindow,
            Count::Log(_) => RateModel::SlidingLog,
            Count::Bucket { .. } => RateModel::TokenBucket,
        }
    }

    /// Forgets what no longer counts at `now`.
    fn catch_up(&mut self, now: i64) {
        let capacity = self.capacity();
        match &mut self.count {
            Count::Aligned { end, used } if *end <= now => {
                (*end, *used) = (now - now.rem_euclid(MINUTE_MS) + MINUTE_MS, 0);
            }
            Count::FromFirst { end, used } if *end <= now => (*end, *used) = (now + MINUTE_MS, 0),
            // Until the first request no window runs; the headers show the one it would open.
            Count::FromFirst { end, used: 0 } => *end = now + MINUTE_MS,
            Count::Aligned { .. } | Count::FromFirst { .. } => {}
            Count::Log(log) => {
                while log.front().is_some_and(|oldest| oldest + MINUTE_MS <= now) {
                    log.pop_front();
                }
            }
            Count::Bucket { level, at } => {
                let gained = now.saturating_sub(*at).max(0).saturating_mul(i64::from(self.limit));
                (*level, *at) = (level.saturating_add(gained).min(capacity), now.max(*at));
            }
        }
    }

    fn take(&mut self, now: i64) {
        match &mut self.count {
            Count::Aligned { used, .. } | Count::FromFirst { used, .. } => *used += 1,
            Count::Log(log) => log.push_back(now),
            Count::Bucket { level, .. } => *level -= MINUTE_MS,
        }
    }

    fn remaining(&self) -> u32 {
        match &self.count {
            Count::Aligned { used, .. } | Count::FromFirst { used, .. } => self.limit.saturating_sub(*used),
            Count::Log(log) => self.limit.saturating_sub(u32::try_from(log.len()).unwrap_or(u32::MAX)),
            Count::Bucket { level, .. } => u32::try_from(level / MINUTE_MS).unwrap_or(0),
        }
    }

    /// When one request may pass again, given that none may now.
    fn next_opening(&self, now: i64) -> i64 {
        match &self.count {
            Count::Aligned { end, .. } | Count::FromFirst { end, .. } => *end,
            // After a limit was lowered more than one has to leave.
            Count::Log(log) => {
                let leaving = log.len().saturating_sub(self.limit as usize);
                log.get(leaving).map_or(now, |at| at + MINUTE_MS)
            }
            Count::Bucket { level, .. } => now + ceil_div(MINUTE_MS - level, i64::from(self.limit)),
        }
    }

    fn quota_at(&self, now: i64) -> Quota {
        let reset = match &self.count {
            Count::Aligned { end, .. } | Count::FromFirst { end, .. } => *end,
            Count::Log(log) => log.front().map_or(now, |oldest| oldest + MINUTE_MS),
            Count::Bucket { level, .. } => now + ceil_div(self.capacity() - level, i64::from(self.limit)),
        };
        Quota { limit: self.limit, remaining: self.remaining(), reset: ceil_seconds(reset) }
    }

    fn capacity(&self) -> i64 {
        i64::from(self.limit) * MINUTE_MS
    }
}

fn ceil_seconds(milliseconds: i64) -> i64 {
    ceil_div(milliseconds, 1000)
}

fn ceil_div(number: i64, by: i64) -> i64 {
    number.div_euclid(by) + i64::from(number.rem_euclid(by) > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).unwrap()
    }

    /// 2026-11-23T16:06:40Z plus `ms`: 40 s into a minute of the clock.
    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(1_795_450_000_000 + ms).unwrap()
    }

    fn secs(ms: i64) -> i64 {
        1_795_450_000 + ms / 1000
    }

    #[test]
    fn an_aligned_window_ends_with_the_minute_of_the_clock() {
        let mut limiter = Limiter::new(RateModel::FixedWindow, limit(2));
        assert_eq!(limiter.pass(at(0)), (Passage::Open, Quota { limit: 2, remaining: 1, reset: secs(20_000) }));
        assert_eq!(limiter.pass(at(100)).1.remaining, 0);
        assert_eq!(limiter.pass(at(18_500)).0, Passage::Closed(2));
        assert_eq!(limiter.pass(at(19_999)).0, Passage::Closed(1));
        assert_eq!(limiter.pass(at(20_000)), (Passage::Open, Quota { limit: 2, remaining: 1, reset: secs(80_000) }));
    }

    #[test]
    fn a_window_from_the_first_request_lasts_a_minute_from_it() {
        let mut limiter = Limiter::new(RateModel::FirstRequestWindow, limit(1));
        assert_eq!(limiter.quota(at(0)), Quota { limit: 1, remaining: 1, reset: secs(60_000) });
        assert_eq!(limiter.pass(at(5_000)), (Passage::Open, Quota { limit: 1, remaining: 0, reset: secs(65_000) }));
        assert_eq!(limiter.pass(at(64_999)).0, Passage::Closed(1));
        assert_eq!(limiter.pass(at(65_000)).0, Passage::Open);
    }

    #[test]
    fn a_sliding_log_holds_in_any_sixty_seconds() {
        let mut limiter = Limiter::new(RateModel::SlidingLog, limit(2));
        limiter.pass(at(0));
        limiter.pass(at(30_000));
        let (passage, quota) = limiter.pass(at(59_000));
        assert_eq!((passage, quota), (Passage::Closed(1), Quota { limit: 2, remaining: 0, reset: secs(60_000) }));
        assert_eq!(limiter.pass(at(60_000)).0, Passage::Open);
        assert_eq!(limiter.pass(at(60_001)).0, Passage::Closed(30));
    }

    #[test]
    fn a_bucket_refills_evenly() {
        let mut limiter = Limiter::new(RateModel::TokenBucket, limit(60));
        for _ in 0..60 {
            assert_eq!(limiter.pass(at(0)).0, Passage::Open);
        }
        let (passage, quota) = limiter.pass(at(0));
        assert_eq!((passage, quota), (Passage::Closed(1), Quota { limit: 60, remaining: 0, reset: secs(60_000) }));
        assert_eq!(limiter.pass(at(999)).0, Passage::Closed(1));
        assert_eq!(limiter.pass(at(1_000)).0, Passage::Open);
        assert_eq!(limiter.pass(at(1_000)).0, Passage::Closed(1));
        assert_eq!(limiter.quota(at(600_000)).remaining, 60);
    }

    #[test]
    fn a_changed_limit_keeps_the_count_and_a_changed_model_does_not() {
        let mut limiter = Limiter::new(RateModel::SlidingLog, limit(5));
        for second in 0..4 {
            limiter.pass(at(second * 1000));
        }
        limiter.change(RateModel::SlidingLog, limit(2));
        assert_eq!(limiter.pass(at(4_000)).0, Passage::Closed(58), "three of four have to leave");
        limiter.change(RateModel::FixedWindow, limit(2));
        assert_eq!(limiter.pass(at(4_000)).1.remaining, 1);
    }

    #[test]
    fn no_model_lets_more_than_its_limit_through_at_once() {
        for model in
            [RateModel::FixedWindow, RateModel::FirstRequestWindow, RateModel::SlidingLog, RateModel::TokenBucket]
        {
            let mut limiter = Limiter::new(model, limit(7));
            let open = (0..50).filter(|_| limiter.pass(at(0)).0 == Passage::Open).count();
            assert_eq!(open, 7, "{model}");
        }
    }
}
