//! Whether a lead's conversion has reached its ad platform. Nothing runs for it: the state follows from the time.
//!
//! Decisions, where the contract is silent: a lead with an ad platform has something to send on from its creation, and
//! again from each change of its status (each status is an event of its own); sending takes [`TAKES`]; a lead without a
//! platform has nothing to send.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use strum::{Display, EnumString};
use utoipa::ToSchema;

/// How long sending on takes.
pub(in crate::sandbox) const TAKES: SignedDuration = SignedDuration::from_secs(60);

/// How sending on ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, EnumString)]
#[strum(serialize_all = "lowercase")]
pub(in crate::sandbox) enum Ending {
    /// The platform has it.
    Synced,
    /// It has some of it.
    Partial,
    /// It refused.
    Failed,
}

/// A lead's `conversionSyncStatus`. Source: Agent API 2.2.0, "Conversion Sync Status".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema, EnumString)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub(in crate::sandbox) enum SyncStatus {
    /// On its way.
    Pending,
    /// The platform has it.
    Synced,
    /// It has some of it.
    Partial,
    /// It refused.
    Failed,
    /// There is nothing to send.
    None,
}

/// One sending on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) struct Sync {
    /// When it ends.
    pub(in crate::sandbox) due: Timestamp,
    /// How it ends.
    pub(in crate::sandbox) ending: Ending,
    /// When the one before it ended.
    pub(in crate::sandbox) before: Option<Timestamp>,
}

impl Sync {
    /// Begins at `now`, after `last`.
    pub(in crate::sandbox) fn begun(now: Timestamp, ending: Ending, last: Option<Self>) -> Self {
        let before = last.and_then(|last| last.last(now));
        Self { due: now.saturating_add(TAKES).unwrap_or(Timestamp::MAX), ending, before }
    }

    /// How far it is at `now`.
    pub(in crate::sandbox) fn status(self, now: Timestamp) -> SyncStatus {
        match self.ending {
            _ if now < self.due => SyncStatus::Pending,
            Ending::Synced => SyncStatus::Synced,
            Ending::Partial => SyncStatus::Partial,
            Ending::Failed => SyncStatus::Failed,
        }
    }

    /// When something was last sent on, or tried to, before `now`.
    pub(in crate::sandbox) fn last(self, now: Timestamp) -> Option<Timestamp> {
        if now < self.due { self.before } else { Some(self.due) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_795_450_000 + seconds).unwrap()
    }

    #[test]
    fn a_sync_is_pending_for_a_minute_and_then_ends() {
        for (ending, status) in [
            (Ending::Synced, SyncStatus::Synced),
            (Ending::Partial, SyncStatus::Partial),
            (Ending::Failed, SyncStatus::Failed),
        ] {
            let sync = Sync::begun(at(0), ending, None);
            assert_eq!((sync.status(at(59)), sync.last(at(59))), (SyncStatus::Pending, None));
            assert_eq!((sync.status(at(60)), sync.last(at(60))), (status, Some(at(60))));
        }
    }

    #[test]
    fn the_next_one_knows_when_the_last_one_ended() {
        let first = Sync::begun(at(0), Ending::Synced, None);
        let second = Sync::begun(at(100), Ending::Synced, Some(first));
        assert_eq!(second.last(at(120)), Some(at(60)));
        let overtaken = Sync::begun(at(130), Ending::Synced, Some(second));
        assert_eq!(overtaken.last(at(170)), Some(at(60)), "the second one never ended");
    }
}
