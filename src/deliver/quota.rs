//! What Konektor tells of the day's leads, and what follows: whose wait first, until when, and when to ask again. Pure.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::domain::event::SourceName;
use crate::domain::rules::Value;
use crate::konektor::wire::Workspace;
use crate::store::{Day, DayNote};

/// How often Konektor is asked: seldom while there is room, …
const EVERY: Duration = Duration::from_mins(15);
/// … more often when sources begin to wait: others make leads, too …
const EVERY_NEAR: Duration = Duration::from_mins(2);
/// … and seldom again when nothing is left: the plan may be made larger.
const EVERY_FULL: Duration = Duration::from_mins(30);
/// When to ask again after a key that may not ask, or a plan without a limit.
const SELDOM: Duration = Duration::from_hours(6);
/// Of a day's leads, in percent, what sources of less than the highest value may use: by how much less.
const SHARES: [u64; 3] = [100, 90, 80];

/// What `workspace` comes to, for sources of these `values`.
pub(super) fn told(workspace: &Workspace, values: &[(SourceName, Value)], now: Timestamp) -> DayNote {
    let told = workspace.leads_per_day();
    let (Some(limit), Some(used)) = (told.limit, told.current) else { return DayNote::Untold { look: now + SELDOM } };
    let ends = midnight(workspace.timezone.as_deref(), now);
    let waits_from = shares(values, limit);
    let least = waits_from.values().copied().chain([share(limit, SHARES[1])]).min().unwrap_or(limit);
    let every = match () {
        () if used >= limit => EVERY_FULL,
        // One look ahead of the first that has to wait.
        () if used >= least.saturating_sub(limit / 20) => EVERY_NEAR,
        () => EVERY,
    };
    DayNote::Told { day: Day { limit, used, ends, waits_from }, look: (now + every).min(ends) }
}

/// What follows when Konektor does not tell: for long, when the key may not ask; else soon.
pub(super) fn untold(may_not: bool, now: Timestamp) -> DayNote {
    DayNote::Untold { look: now + if may_not { SELDOM } else { EVERY } }
}

/// From how many leads on each source that is worth less than the most valuable one has to wait.
fn shares(values: &[(SourceName, Value)], limit: u64) -> std::collections::BTreeMap<SourceName, u64> {
    let highest = values.iter().map(|(_, value)| *value).max().unwrap_or_default();
    let below = |value: Value| highest as usize - value as usize;
    let less = values.iter().filter(|(_, value)| *value < highest);
    less.map(|(source, value)| (source.clone(), share(limit, SHARES[below(*value)]))).collect()
}

const fn share(limit: u64, percent: u64) -> u64 {
    limit.saturating_mul(percent) / 100
}

/// The next midnight in the workspace's time zone, given by its IANA name; in UTC when that is unknown. A day that begins
/// at one o'clock, because the clock was put forward at midnight, begins then.
fn midnight(zone: Option<&str>, now: Timestamp) -> Timestamp {
    let zone = zone.and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC);
    let tomorrow = now.to_zoned_datetime(zone).tomorrow().and_then(|tomorrow| tomorrow.start_of_day());
    // Only the last day that there is has no tomorrow.
    tomorrow.map_or(now + EVERY, |midnight| midnight.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn source(name: &str) -> SourceName {
        SourceName::parse(name).unwrap()
    }

    fn workspace(limit: u64, used: u64) -> Workspace {
        let json = serde_json::json!({
            "timezone": "Asia/Jakarta", "usage": { "leadsPerDay": { "limit": limit, "current": used } },
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_day_ends_at_midnight_where_the_workspace_is() {
        for (zone, now, ends) in [
            (Some("Asia/Jakarta"), "2026-11-23T09:00:00Z", "2026-11-23T17:00:00Z"),
            (Some("Asia/Jakarta"), "2026-11-23T17:00:00Z", "2026-11-24T17:00:00Z"),
            (Some("Asia/Jayapura"), "2026-11-23T09:00:00Z", "2026-11-23T15:00:00Z"),
            // The clock is put forward and back in the night, at midnight itself, and in the day.
            (Some("Europe/Berlin"), "2026-03-28T23:30:00Z", "2026-03-29T22:00:00Z"),
            (Some("Europe/Berlin"), "2026-10-24T22:30:00Z", "2026-10-25T23:00:00Z"),
            (Some("America/Santiago"), "2026-09-05T12:00:00Z", "2026-09-06T04:00:00Z"),
            (Some("Moon/Tycho"), "2026-11-23T09:00:00Z", "2026-11-24T00:00:00Z"),
            (None, "2026-11-23T09:00:00Z", "2026-11-24T00:00:00Z"),
        ] {
            assert_eq!(midnight(zone, at(now)), at(ends), "{zone:?} at {now}");
        }
    }

    #[test]
    fn sources_of_less_than_the_highest_value_leave_room() {
        let values = |values: &[(&str, Value)]| -> Vec<_> {
            values.iter().map(|(name, value)| (source(name), *value)).collect()
        };
        let alike = values(&[("meta", Value::Normal), ("form", Value::Normal)]);
        assert_eq!(shares(&alike, 500), [].into(), "nobody makes room for equals");
        let low = values(&[("meta", Value::Normal), ("form", Value::Low)]);
        assert_eq!(shares(&low, 500), [(source("form"), 450)].into());
        let three = values(&[("meta", Value::High), ("google", Value::Normal), ("form", Value::Low)]);
        assert_eq!(shares(&three, 500), [(source("form"), 400), (source("google"), 450)].into());
        assert_eq!(shares(&values(&[("form", Value::Low)]), 500), [].into());
    }

    #[test]
    fn konektor_is_asked_more_often_when_it_matters_and_at_midnight() {
        let now = at("2026-11-23T09:00:00Z");
        let minutes = |used, now: Timestamp| match told(&workspace(500, used), &[], now) {
            DayNote::Told { look, .. } => look.duration_since(now).as_secs() / 60,
            other => panic!("it was told: {other:?}"),
        };
        assert_eq!([23, 424, 425, 499, 500].map(|used| minutes(used, now)), [15, 15, 2, 2, 30]);
        assert_eq!(minutes(500, at("2026-11-23T16:50:00Z")), 10, "a new day begins");
    }

    #[test]
    fn a_plan_without_a_limit_is_no_reason_to_wait() {
        let unlimited = serde_json::from_str(r#"{"usage":{"leadsPerDay":{"limit":null,"current":23}}}"#).unwrap();
        let now = at("2026-11-23T09:00:00Z");
        assert_eq!(told(&unlimited, &[], now), DayNote::Untold { look: now + SELDOM });
    }
}
