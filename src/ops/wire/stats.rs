//! The numbers for the person on duty.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Paused;
use crate::{konektor, store};

/// Numbers for the person on duty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// Webhooks not yet sorted.
    pub inbox: u64,
    /// Events by state.
    pub events: BTreeMap<String, u64>,
    /// Waiting lanes by class.
    pub queues: Vec<Queue>,
    /// Lanes being delivered.
    pub leased: u64,
    /// Lanes whose events are dead.
    pub dead_lanes: u64,
    /// Bytes of the payloads held.
    pub bytes: u64,
    /// Why calls to Konektor are stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<Paused>,
    /// How Konektor fails, as this bridge sees it; absent while it does not. Each replica has its own view.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outage: Option<Outage>,
    /// Why webhooks are refused for want of room; absent while there is some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full: Option<String>,
    /// The rate limiter.
    pub limiter: Limiter,
    /// The day's leads.
    pub day: Day,
    /// Until when every new lead is searched for before it is created: the store may have forgotten something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub searching_first_until: Option<Timestamp>,
    /// Leads that Konektor has more than once, and that nobody has dismissed.
    pub incidents: u64,
}

/// One class of waiting lanes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    /// `new`, `update` or `bulk`.
    pub class: String,
    /// Lanes that are ready.
    pub ready: u64,
    /// Lanes that wait for a time.
    pub waiting: u64,
    /// When the oldest of them began to wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest: Option<Timestamp>,
}

/// The rate limiter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Limiter {
    /// Calls a minute that Konektor allows, once an answer has told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Calls whose count there may still stand.
    pub in_use: u32,
    /// No call before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked_until: Option<Timestamp>,
}

/// Konektor fails again and again, and calls wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outage {
    /// What the last call came to, in words.
    pub why: String,
    /// Since when calls wait.
    pub since: Timestamp,
    /// When one of them tries next whether it is over.
    pub until: Timestamp,
}

/// How many leads Konektor takes today.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Day {
    /// `unknown`, `open`, `near` (sources of less value wait) or `full` (everything that creates waits).
    pub state: String,
    /// Leads that the plan takes a day, once Konektor has told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Leads made today: as told, and counted on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used: Option<u64>,
    /// Until when those that wait do: the workspace's midnight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Lanes that wait for it.
    pub parked: u64,
}

impl Stats {
    /// The store in numbers, and how Konektor fails, if it does.
    #[must_use]
    pub fn of(stats: store::Stats, outage: Option<konektor::Outage>, full: Option<store::Cap>) -> Self {
        let store::Stats { inbox, events, queues, leased, dead_lanes, bytes, paused, limiter, day, .. } = stats;
        let (searching_first_until, incidents) = (stats.searching_first_until, stats.incidents);
        Self {
            inbox,
            events: events.into_iter().map(|(state, count)| (state.to_string(), count)).collect(),
            queues: queues.into_iter().map(Queue::from).collect(),
            leased,
            dead_lanes,
            bytes,
            paused: paused.map(|(why, since)| Paused { why, since }),
            outage: outage.map(|konektor::Outage { since, until, cause }| Outage {
                why: cause.to_string(),
                since,
                until,
            }),
            full: full.map(|cap| cap.to_string()),
            limiter: Limiter { limit: limiter.limit, in_use: limiter.in_use, blocked_until: limiter.blocked_until },
            day: day.into(),
            searching_first_until,
            incidents,
        }
    }
}

impl From<store::DayStats> for Day {
    fn from(day: store::DayStats) -> Self {
        let store::DayStats { state, limit, used, until, parked } = day;
        Self { state: state.to_string(), limit, used, until, parked }
    }
}

impl From<store::Queue> for Queue {
    fn from(queue: store::Queue) -> Self {
        let store::Queue { class, ready, waiting, oldest } = queue;
        Self { class: class.to_string(), ready, waiting, oldest }
    }
}
