//! How much a store may hold, and how long it remembers.

use std::time::Duration;

use super::cap::DISK_RESERVE;

/// Caps and times of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Webhooks in the inbox plus undelivered events (pending, withheld, dead); past it `keep` says full.
    pub max_events: u64,
    /// Bytes of the payloads held; past it `keep` says full.
    pub max_bytes: u64,
    /// Pending events of one lane; the next one becomes a dead letter, so that one lead cannot fill the store.
    pub max_lane_events: u32,
    /// Bytes of the disk that `keep` leaves free, so that what is held can still be delivered.
    pub disk_reserve: u64,
    /// How long an event's id and receipt are remembered. The longest that a sender is known to retry is seven days
    /// (Meta), and for proofs that carry no time this is the only guard against a replay.
    pub retention: Duration,
    /// How long a lane without undelivered events is remembered. Forgetting one costs a search, never a second lead.
    pub idle_retention: Duration,
    /// How long a lease lasts without a heartbeat. Longer than a call and a margin.
    pub lease: Duration,
    /// The longest that a call may be under way; a permit of which nothing is heard any more is free a minute after it.
    pub call_timeout: Duration,
    /// How long after the end of its lease an update that a lost worker sent may still land: the next one waits for that.
    pub late_update: Duration,
    /// How long after its intent a POST may still come to light in a search: commit and search together.
    pub quiet: Duration,
    /// Search for each new lead before it is created, not only when in doubt: a call more for each.
    pub search_always: bool,
    /// An older state was put back, or the store was emptied: leads may be in Konektor that it does not know of.
    pub restored: bool,
    /// What names this run of the machine, from its start to its end; `None` asks the operating system. When it has
    /// changed and the store was not closed, the power failed.
    pub boot: Option<String>,
}

const DAY: Duration = Duration::from_hours(24);

impl Default for Options {
    fn default() -> Self {
        Self {
            max_events: 5_000_000,
            max_bytes: 16 << 30,
            max_lane_events: 1000,
            disk_reserve: DISK_RESERVE,
            retention: 30 * DAY,
            idle_retention: 400 * DAY,
            lease: Duration::from_secs(30),
            call_timeout: Duration::from_secs(10),
            late_update: Duration::from_secs(23),
            quiet: Duration::from_secs(50),
            search_always: false,
            restored: false,
            boot: None,
        }
    }
}
