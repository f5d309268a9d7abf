//! Moments as people type them: `2h` (ago), `2026-11-20`, `2026-11-20T08:00:00+07:00`. A day begins, and a time without an
//! offset is, where the people are whose day it is: in the workspace's zone where that is asked about, else in this
//! machine's.

use std::str::FromStr;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// A moment on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// This instant.
    At(Timestamp),
    /// This long before now.
    Ago(SignedDuration),
    /// What a clock on a wall shows; a day is its midnight.
    Local(DateTime),
}

impl Moment {
    /// The instant that is meant, seen from `now` on this machine.
    pub(super) fn resolve(self, now: Timestamp) -> Timestamp {
        self.resolve_in(now, &TimeZone::system())
    }

    /// The instant that is meant, seen from `now` in `zone`.
    pub(super) fn resolve_in(self, now: Timestamp, zone: &TimeZone) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(span) => now.checked_sub(span).unwrap_or(Timestamp::MIN),
            Self::Local(civil) => zone.to_ambiguous_timestamp(civil).compatible().unwrap_or(Timestamp::MAX),
        }
    }

    /// True when it depends on the zone.
    pub(super) const fn is_local(self) -> bool {
        matches!(self, Self::Local(_))
    }
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(span) = ago(text) {
            return Ok(Self::Ago(span));
        }
        let at = text.parse::<Timestamp>().ok().map(Self::At);
        at.or_else(|| text.parse::<DateTime>().ok().map(Self::Local))
            .ok_or_else(|| "write it as 2h, 3d, 2026-11-20 or 2026-11-20T08:00:00+07:00".to_owned())
    }
}

/// `2h`, `3d`, `1h 30m`: a span without a sign. A day is 24 hours.
fn ago(text: &str) -> Option<SignedDuration> {
    let days = text.strip_suffix('d').and_then(|number| number.parse::<u16>().ok());
    if let Some(days) = days {
        return Some(SignedDuration::from_hours(24 * i64::from(days)));
    }
    text.parse::<SignedDuration>().ok().filter(|span| !span.is_negative() && !text.starts_with(['P', '+']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_span_ago_a_day_or_an_instant() {
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        let resolved = |text: &str| text.parse::<Moment>().unwrap().resolve(now).to_string();
        assert_eq!(resolved("90m"), "2026-11-23T10:30:00Z");
        assert_eq!(resolved("3d"), "2026-11-20T12:00:00Z");
        assert_eq!(resolved("2026-11-20T08:00:00+07:00"), "2026-11-20T01:00:00Z");
        let day = "2026-11-20".parse::<Moment>().unwrap().resolve(now);
        assert!(now.duration_since(day) > SignedDuration::from_hours(24), "midnight where this machine is");
        let jakarta = TimeZone::get("Asia/Jakarta").unwrap();
        let there = |text: &str| text.parse::<Moment>().unwrap().resolve_in(now, &jakarta).to_string();
        assert_eq!(there("2026-11-20"), "2026-11-19T17:00:00Z");
        assert_eq!(there("2026-11-20T08:00"), "2026-11-20T01:00:00Z");
    }

    #[test]
    fn what_is_no_moment_is_refused_with_examples() {
        for bad in ["", "yesterday", "-2h", "20", "2026-13-01"] {
            assert!(bad.parse::<Moment>().unwrap_err().contains("2026-11-20"), "{bad}");
        }
    }
}
