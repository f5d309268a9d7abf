//! Where a lane stands, and what an attempt means for its events.

use std::time::Duration;

use jiff::Timestamp;

use super::super::gate::{LINES, Line};
use super::super::{Outcome, Seq, Undelivered, WorkerId};
use crate::domain::event::Hold;
use crate::domain::lead::LeadId;

/// How long an update waits for more to say, from its first event on (`queue.md` §2.11, C4) …
pub(super) const COALESCE: Duration = Duration::from_secs(2);
/// … and how long at most, when so many wait that it would have to anyway.
const COALESCE_LONGEST: Duration = Duration::from_secs(30);
/// Calls that an update takes: it looks before it writes.
const CALLS_OF_AN_UPDATE: u64 = 2;

/// Where a lane stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) enum State {
    /// Nothing is pending.
    Idle,
    /// May be claimed.
    Ready,
    /// May be claimed from `due` on.
    Waiting { due: Timestamp, why: Wait },
    /// Is worked on.
    Leased { worker: WorkerId, from: Timestamp, until: Timestamp },
    /// Given up, with all its events.
    Dead,
}

/// Why a lane waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Wait {
    /// After a failure.
    Backoff,
    /// For more to say in one call.
    Coalesce,
    /// Until a search can tell whether an earlier POST went through.
    Reconcile,
    /// For tomorrow: Konektor takes no more leads today.
    Day,
}

/// How long an update waits for more, when so many lanes are `ready` in each line, its `own` among them if it is in one,
/// and Konektor takes `per_minute` calls. Not at all while nothing else waits; a back-log of updates that takes longer
/// than a minute lets it wait longer, so that it shrinks by itself.
pub(in crate::store) fn window(mut ready: [u64; LINES], own: Option<Line>, per_minute: u32) -> Duration {
    if let Some(own) = own {
        ready[own as usize] = ready[own as usize].saturating_sub(1);
    }
    if ready == [0; LINES] {
        return Duration::ZERO;
    }
    let updates = ready[Line::Update as usize];
    let minutes = updates.saturating_mul(CALLS_OF_AN_UPDATE) / u64::from(per_minute.max(1));
    COALESCE.saturating_mul(u32::try_from(minutes).unwrap_or(u32::MAX)).clamp(COALESCE, COALESCE_LONGEST)
}

/// Which of a lane's pending events an outcome ends: those up to `upto` that had joined before the claim under
/// `joined_before`. An older event that a person put back meanwhile was not in the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct Span {
    pub(in crate::store) upto: Seq,
    pub(in crate::store) joined_before: u64,
}

impl Span {
    /// Everything pending.
    pub(in crate::store) const ALL: Self = Self { upto: Seq::MAX, joined_before: u64::MAX };

    /// What had joined before the claim under `fence`.
    pub(in crate::store) const fn before(fence: u64) -> Self {
        Self { upto: Seq::MAX, joined_before: fence }
    }

    /// Whether it takes in an event.
    pub(in crate::store) const fn covers(self, seq: Seq, joined: u64) -> bool {
        seq <= self.upto && joined < self.joined_before
    }
}

/// What a lane makes of being told which lead is its own.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::store) enum Insight {
    /// It knows.
    Known,
    /// An attempt is under way; it is kept until that has ended.
    Kept,
    /// This is how the doubt, or the wait, ends.
    Found(Outcome),
    /// It knows another one: Konektor has the lead twice.
    Double(LeadId),
}

/// What an outcome does to the lane's pending events.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::store) enum Ends<'a> {
    /// Nothing.
    Nothing,
    /// They have reached the lead.
    Delivered(Span, &'a LeadId),
    /// They are given up.
    Dead(Span, &'a Undelivered),
    /// These are withheld.
    Withheld(&'a [(Seq, Hold)]),
}

/// The pending events of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::store) struct Rest {
    /// How many.
    pub(in crate::store) count: u32,
    /// The oldest, and when its webhook was received.
    pub(in crate::store) first: Option<(Seq, Timestamp)>,
}

impl State {
    /// The word for a person.
    pub(in crate::store) const fn word(&self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Ready => "ready",
            Self::Waiting { .. } => "waiting",
            Self::Leased { .. } => "leased",
            Self::Dead => "dead",
        }
    }
}

pub(super) fn wait(due: Timestamp, why: Wait, now: Timestamp) -> State {
    if due <= now { State::Ready } else { State::Waiting { due, why } }
}
